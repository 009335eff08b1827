#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# An end that is a process, mydevicepeer, survives bad peers, bad files, signals and reached limits.
# The peer lies, flaps or speaks another version; a module is at the same end; files are closed or
# fail; a signal comes while bytes are unread; XenStore's limits are reached; and the guest is
# restored. Each stage where a case can occur is tested. (pairings.t and conformance-user-*.t test
# what a process does when all is well.)

stage=03-shared-memory
. "$(dirname "$0")/../lib/stage.sh"

parts='locks,mixed 3 1,mixed 1 2,mixed 2 3,lies 1,lies 2,lies 3,alternates,flaps 1,flaps 3,taken 1,taken 2,taken 3,files,unread,limits,storm,fresh,saved,restored'
asked=${PEER_PARTS:-$parts}
IFS=,
for part in $asked; do
	case ",$parts," in *",$part,"*) ;; *) bail_out "PEER_PARTS has, with commas between, words from: $parts; not '$part'" ;; esac
done
unset IFS

# What the domains do themselves: n is the device's number (0), and its process's.
cat >"$work/here.sh" <<'HERE'
n=0
# start STAGE ARGUMENT...: a process; what it says is in /tmp/said.$n, then its status.
start() {
	program=/tmp/peer$1
	shift
	rm -f /tmp/said.$n /tmp/status.$n /tmp/pid.$n
	: >/tmp/said.$n
	setsid sh -c 'exec 4<"$1" >"$2" 2>"$3"; shift 3; n=$1; shift; "$@" <&4 4<&- & pid=$!; echo $pid >/tmp/pid.$n; wait $pid; echo $? >/tmp/status.$n' \
		sh "${in:-/dev/null}" "${out:-/dev/null}" /tmp/said.$n $n $program --device $n "$@" &
	await "[ -s /tmp/pid.$n ]"
}
await() {
	for try in $(seq 300); do ! eval "$1" >/dev/null 2>&1 || return 0; usleep 100000; done
	echo "waited 30 s for: $1"; cat /tmp/said.$n; return 1
}
until_says() { await "grep -Eq -- '$1' /tmp/said.$n"; }
status() { await "[ -s /tmp/status.$n ]" && cat /tmp/status.$n; }
end() { kill -${1:-TERM} $(cat /tmp/pid.$n); status; }
how_often() { grep -Ec -- "$1" /tmp/said.$n; }
HERE

here() { in=$1; shift; "$lab" run "$in" ". /tmp/here.sh; $*" </dev/null; }
front() { here domU1 "$@"; }
back() { here dom0 "$@"; }
activate() { run_script activate.sh --device "${1:-0}"; }
deactivate() { run_script deactivate.sh --device "${1:-0}"; }
front_dir() { echo "/local/domain/$guest/device/mydevice/${1:-0}"; }
back_dir() { echo "/local/domain/0/backend/mydevice/$guest/${1:-0}"; }
number() { echo "${1%%-*}" | sed 's/^0//'; }
all="01-hello-probe 02-event-channels 03-shared-memory"

# both_start STAGE OPTIONS: processes, Connected.
both_start() {
	back "start $1 --backend $2 $guest"
	front "start $1 --frontend $2"
	ok "stage $1: two processes are Connected" until_state '4 4'
}

both_end() {
	is "$(front end) $(back end)" "0 0" "both leave when they are told to"
	is "$(front 'how_often Sanitizer') $(back 'how_often Sanitizer')" "0 0" "no sanitizer has a complaint"
}

# -- the lock -----------------------------------------------------------------------

locks() {
	both_start 3 --keep
	is "$(in_dom0 "cd /run; stat -c '%a %u' mydevicepeer*; cat mydevicepeer-backend-$guest-0.lock" | paste -sd ' ')" \
		"600 0 $(in_dom0 'cat /tmp/pid.0') backend/mydevice/$guest/0" "the lock file says who drives what"
	is "$(in_domU 'cat /run/mydevicepeer-frontend-0.lock' | paste -sd ' ')" \
		"$(in_domU 'cat /tmp/pid.0') device/mydevice/0" "the frontend's, too"
	has "$(in_domU 'su -s /bin/sh nobody -c "exec 3</run/mydevicepeer-frontend-0.lock" 2>&1')" \
		'[Pp]ermission denied' "nobody else can take it"
	is "$(in_domU 'unshare -n /tmp/peer3 --frontend </dev/null 2>&1; echo $?' | paste -sd ' ')" \
		"mydevicepeer: another mydevicepeer drives device/mydevice/0 69" "a second one is refused, in another network, too"
	front 'end KILL' >/dev/null
	front 'start 3 --frontend --keep'
	ok "the lock of one that was killed is free" until_state '4 4'
	both_end
	is "$(in_dom0 'ls /run | grep mydevicepeer')$(in_domU 'ls /run | grep mydevicepeer')" "" "no lock is left"
}

# -- versions -------------------------------------------------------------------------

# mixed FRONT BACK: numbers of stages.
mixed() {
	back "start $2 --backend --keep $guest"
	front "start $1 --frontend"
	is "$(front status)" 76 "a frontend of stage $1, a backend of $2: it leaves"
	has "$(front 'cat /tmp/said.0')" "speaks no version of ours: \"$2\", and this end $1\$" "and says why"
	ok "the backend says why, too" back "until_says 'the frontend speaks version $1, and this end $2'"
	has "$(in_dom0 "xenstore-read /local/domain/0/error/backend/mydevice/$guest/0/error")" 'speaks version' "in XenStore, too"
	front "start $1 --frontend"
	front status >/dev/null
	is "$(back 'how_often "speaks version"')" 1 "but once"
	front "start $2 --frontend"
	ok "one that speaks the same takes its place" until_state '4 4'
	both_end
}

# -- lies ------------------------------------------------------------------------------

# lies STAGE: twenty in a row. The process leaves at the first, one that stays, too.
lies() {
	back "start $1 --backend --keep $guest; until_says Hello"
	in_domU "cd /tmp; for i in \$(seq 20); do xenstore-write device/mydevice/0/state 1; xenstore-write device/mydevice/0/version 9 device/mydevice/0/state 3; done"
	is "$(back status)" 76 "stage $1: a backend leaves a frontend that lies"
	is "$(back 'how_often "wants version 9"; grep -c . /tmp/said.0' | paste -sd ' ')" '1 3' "one line says why, hello and goodbye are the others"
	is "$(state_of)" '3 6' "and it is Closed"
	in_dom0 "xenstore-write $(back_dir)/state 1; xenstore-rm $(back_dir)/versions"
	front "start $1 --frontend --keep; until_says Hello"
	in_dom0 "for i in \$(seq 20); do xenstore-write $(back_dir)/state 6; xenstore-write $(back_dir)/state 2; done"
	is "$(front status)" 76 "stage $1: a frontend leaves a backend that lies"
	is "$(front 'how_often "versions: No such"; grep -c . /tmp/said.0' | paste -sd ' ')" '1 3' "one line says why"
	in_dom0 "xenstore-write $(back_dir)/state 6"
}

# A peer that speaks another version every other time: it is said once.
alternates() {
	back "start 1 --backend --keep $guest; until_says Hello"
	front "own=device/mydevice/0 other=$(back_dir)
		for i in \$(seq 10); do
			xenstore-write \$own/version 9 \$own/state 6; usleep 100000
			xenstore-write \$own/version 1 \$own/state 3; await '[ \$(xenstore-read \$other/state) = 4 ]'
			xenstore-write \$own/state 1; await '[ \$(xenstore-read \$other/state) = 2 ]'
		done"
	is "$(back 'how_often "speaks version 9"; how_often Connected; end' | paste -sd ' ')" '1 10 0' "a frontend changes its version ten times: that is said once"
	in_domU 'xenstore-write device/mydevice/0/state 6'
	front 'start 1 --frontend --keep; until_says Hello'
	back "own=$(back_dir) other=$(front_dir)
		becomes() { await \"[ \\\$(xenstore-read \$other/state) = \$1 ]\"; }
		for i in \$(seq 10); do
			xenstore-write \$own/versions 9 \$own/state 2; becomes 5
			xenstore-write \$own/state 6; becomes 6
			xenstore-write \$own/versions 1 \$own/state 2; becomes 3
			xenstore-write \$own/state 4; becomes 4
			xenstore-write \$own/state 6; becomes 6
		done"
	is "$(front 'how_often "speaks no version"; how_often Connected; end' | paste -sd ' ')" '1 10 0' "a backend, too"
}

# The other end goes through its states, as fast as it can.
flaps() {
	began=$(date +%s)
	back "start $1 --backend --keep --verbose $guest; until_says Hello"
	in_domU 'for i in $(seq 40); do xenstore-write device/mydevice/0/state 5; xenstore-write device/mydevice/0/state 6; xenstore-write device/mydevice/0/state 1; done'
	lines=$(back 'usleep 500000; grep -c . /tmp/said.0')
	took=$(($(date +%s) - began))
	ok "stage $1: 120 states of the other end in $took s make few lines ($lines)" test "$lines" -lt $((60 + took))
	is "$(back end)" 0 "and it is well"
}

# -- another driver at the same end ------------------------------------------------------

taken() {
	stage=$(echo "$all" | cut -d ' ' -f "$1")
	both_start "$1" --keep
	ok "stage $1: a module is loaded at the frontend" insert domU1 mydevicefront
	is "$(front status)" 69 "the process leaves"
	has "$(front 'cat /tmp/said.0')" 'a module drives device/mydevice/0 now' "and says why"
	ok "the device is the module's" until_state '4 4'
	is "$(in_domU '/tmp/peer3 --frontend </dev/null 2>&1; echo $?' | paste -sd ' ')" \
		"mydevicepeer: a module drives device/mydevice/0; rmmod mydevicefront first 69" "no other process gets it"
	ok "stage $1: a module is loaded at the backend" insert dom0 mydeviceback
	is "$(back status)" 69 "that process leaves, too"
	has "$(back 'cat /tmp/said.0')" "a module drives backend/mydevice/$guest/0 now" "and says why"
	# A frontend that was Connected may find its pages still mapped, and does not follow then.
	for step in unbind bind; do rebind domU xen mydevice-0 drivers/mydevicefront/$step; done
	ok "both ends are modules" until_state '4 4'
	deactivate >/dev/null && in_domU 'rmmod mydevicefront' && in_dom0 'rmmod mydeviceback'
	activate >/dev/null
	both_start "$1" --keep
	in_domU 'xenstore-write device/mydevice/0/state 1'
	is "$(front status)" 69 "stage $1: somebody else writes the state: it leaves"
	has "$(front 'cat /tmp/said.0')" "another wrote '1' to device/mydevice/0/state" "and says why"
	back end >/dev/null
}

# -- files ---------------------------------------------------------------------------------

files() {
	for one in 1 2 3; do
		back "start $one --backend $guest"
		in_domU "(/tmp/peer$one --frontend 0<&- 2>&- >/dev/null; echo \$? >/tmp/status.0) & echo \$! >/tmp/ignored; exit 0"
		ok "stage $one: standard input and error are closed, and it connects" until_state '4 4'
		is "$(in_domU 'ls -l /proc/$(pidof peer'"$one"')/fd/[02] | sed "s/.*-> //"' | paste -sd ' ')" '/dev/null /dev/null' "they are nothing"
		in_domU "kill \$(pidof peer$one)"
		is "$(front 'await "! pidof peer'"$one"'"; cat /tmp/status.0') $(back status)" "0 0" "both leave"
	done
	is "$(in_domU '/tmp/peer3 --frontend </dev/null 2>&1 >&-; echo $?' | paste -sd ' ')" \
		"mydevicepeer: standard output is closed, and what comes would be lost; if it may: >/dev/null 64" "no standard output: says so"
	for fd in '0 XenStore' '1 /dev/xen/evtchn' '4 XenStore'; do
		back "start 3 --backend --keep $guest"
		in_domU 'rm -f /tmp/pollerr /tmp/peererr; ln -s pollerr.program /tmp/peererr'
		front "start err --frontend --keep"
		ok "Connected" until_state '4 4'
		in_domU "printf ${fd% *} >/tmp/pollerr"
		is "$(front status)" 74 "POLLERR of file ${fd% *}: it leaves"
		has "$(front 'cat /tmp/said.0')" "${fd#* } (has failed|is lost)" "and says of what"
		in_domU 'rm -f /tmp/pollerr'
		back end >/dev/null
	done
}

# -- bytes that nobody has read ------------------------------------------------------------------

resident() { in_dom0 'awk "/^VmRSS/ { print \$2 }" /proc/$(pidof peer3)/status'; }

# A reader that stands still, and connections that would each leave a ring full.
unread() {
	in_dom0 'rm -f /tmp/fifo; mkfifo /tmp/fifo; exec 3<>/tmp/fifo; setsid sleep 1000 <&3 >/dev/null 2>&1 & echo $! >/tmp/holder'
	back "out=/tmp/fifo start 3 --backend --keep $guest"
	in_domU 'head -c 300000 /dev/urandom >/tmp/random'
	front 'in=/tmp/random start 3 --frontend'
	ok "a frontend sends more than a ring" until_state '4 4'
	in_domU 'sleep 1'
	front end >/dev/null
	ok "and leaves" until_state '6 6'
	before=$(resident)
	front 'in=/tmp/random start 3 --frontend; sleep 2'
	is "$(state_of)" '1 6' "the next connection waits until all is read"
	front 'for i in 1 2 3 4 5; do kill $(cat /tmp/pid.0); status; in=/tmp/random start 3 --frontend; sleep 1; done' >/dev/null
	after=$(resident)
	ok "five frontends cost no memory: $before KiB, then $after" test "$after" -lt $((before + 512))
	in_dom0 'cat </tmp/fifo >/tmp/got & echo $! >/tmp/reader'
	ok "it is read, and the next connection begins" until_state '4 4'
	front end >/dev/null
	until_state '6 6' >/dev/null
	in_dom0 'kill $(cat /tmp/reader)'
	is "$(in_dom0 'head -c 262144 /tmp/got | md5sum | cut -c 1-32')" "$(in_domU 'head -c 262144 /tmp/random | md5sum | cut -c 1-32')" "nothing is lost"
	front 'in=/tmp/random start 3 --frontend'
	until_state '4 4' >/dev/null
	in_dom0 'sleep 1'
	is "$(back end)" 74 "SIGTERM while bytes are unread is an error"
	has "$(back 'cat /tmp/said.0')" ' [1-9][0-9]* bytes of the frontend.s were not written out, and are lost' "it says how many are lost"
	front end >/dev/null
	in_dom0 'kill $(cat /tmp/holder)'
	back "out=/tmp/got start 3 --backend $guest"
	front 'in=/tmp/random start 3 --frontend --send-only'
	is "$(front status) $(back status) $(in_dom0 'md5sum </tmp/got')" "0 0 $(in_domU 'md5sum </tmp/random')" "a reader gets all before it leaves"
}

# -- limits and numbers ---------------------------------------------------------------------------

limits() {
	stage=03-shared-memory
	back "start 3 --backend --ring-page-order 2 $guest"
	in_domU 'exec 3<>/dev/xen/xenbus
		for i in $(seq 11); do printf "\6\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0" >&3; dd bs=4096 count=1 <&3 >/dev/null 2>&1; done
		setsid sleep 20 <&3 >/dev/null 2>&1 &'
	front 'start 3 --frontend'
	ok "no transaction is left in the guest: it connects all the same" until_state '4 4'
	is "$(in_dom0 "xenstore-read $(front_dir)/out-ring-page-order")" 2 "a frontend's rings are as small as the backend wants them"
	in_domU 'killall sleep; true'
	both_end
	front 'start 3 --frontend'
	in_dom0 "xenstore-write $(back_dir)/versions '1,+3
' $(back_dir)/max-ring-page-order 8 $(back_dir)/state 2"
	ok "numbers are read as the modules read them" until_state '3 2'
	front end >/dev/null
	in_dom0 "xenstore-write $(back_dir)/state 6"
}

# Events that tell nothing come less and less often.
storm() {
	back "start 3 --backend $guest"
	ok "a frontend module" insert domU1 mydevicefront
	ok "is Connected" until_state '4 4'
	in_domU 'cd /sys/bus/xen/devices/mydevice-0; for i in $(seq 3000); do echo 1 >notify; done'
	heard=$(back 'kill -USR2 $(cat /tmp/pid.0); until_says "events:"; sed -n "s/.*events:.* \([0-9]*\) received/\1/p" /tmp/said.0')
	ok "of 3000 events without a reason few are heard ($heard)" test "$heard" -lt 100
	is "$(in_domU 'echo word >/dev/mydevice0; echo $?')" 0 "and bytes still flow"
	in_domU 'echo mydevice-0 >/sys/bus/xen/drivers/mydevicefront/unbind; rmmod mydevicefront'
	is "$(back status)" 0 "it ends well"
}

# -- a guest that is saved ------------------------------------------------------------------------

# A domain's process reads a pipe that is never at its end.
pipe='rm -f /tmp/pipe; mkfifo /tmp/pipe; setsid sleep 1000 <>/tmp/pipe >/dev/null 2>&1 & echo $! >/tmp/holder; in=/tmp/pipe out=/tmp/got'

# The guest goes on where it was, as after a checkpoint: its process does not notice.
saved() {
	back "$pipe start 3 --backend $guest"
	front "$pipe start 3 --frontend"
	ok "processes are Connected" until_state '4 4'
	for end in dom0 domU; do in_$end 'echo before >/tmp/pipe'; done
	ok "xl save -c" in_dom0 'xl save -c domU1 /dev/null 2>&1'
	for end in dom0 domU; do in_$end 'echo after >/tmp/pipe'; done
	ok "bytes flow to the guest" front 'await "grep after /tmp/got"'
	ok "and from it" back 'await "grep after /tmp/got"'
	is "$({ in_dom0 'cat /tmp/got'; in_domU 'cat /tmp/got'; } | paste -sd ' ')" "before after before after" "each byte once"
	is "$(state_of) $(front 'how_often restored')" "4 4 0" "both ends are Connected all the time"
	both_end
	for end in dom0 domU; do in_$end 'kill $(cat /tmp/holder)'; done
}

# -- a guest that is restored ----------------------------------------------------------------------

# Devices 0 to 2 are of stages 1 to 3, with processes that stay; 3 has one that does not,
# and 4 is not there any more when the guest goes on.
restored() {
	for n in 0 1 2 3 4; do
		case $n in 0 | 1 | 2) one=$((n + 1)) keep=--keep ;; 3) one=3 keep='' ;; 4) one=3 keep=--keep ;; esac
		[ $n = 0 ] || activate $n >/dev/null
		back "n=$n; start $one --backend $guest"
		front "n=$n; start $one --frontend $keep"
		ok "device $n is Connected" back "n=$n; await '[ \$(xenstore-read $(front_dir $n)/state)\$(xenstore-read $(back_dir $n)/state) = 44 ]'"
	done
	ok "xl save" in_dom0 'xl save domU1 /tmp/save 2>&1'
	for n in 0 1 2 3 4; do deactivate $n >/dev/null 2>&1; done
	ok "xl restore" in_dom0 'xl restore -p /tmp/save 2>&1; rm /tmp/save'
	guest=$(in_dom0 'xl domid domU1')
	for n in 0 1 2 3; do
		activate $n >/dev/null
		back "n=$n; start $((n < 2 ? n + 1 : 3)) --backend $guest"
	done
	ok "the guest goes on" in_dom0 'xl unpause domU1'
	ok "and answers" until_answers domU1
	for n in 0 1 2; do
		ok "a process of stage $((n + 1)) takes up the restored guest's device" \
			back "n=$n; await '[ \$(xenstore-read $(front_dir $n)/state)\$(xenstore-read $(back_dir $n)/state) = 44 ]'"
		has "$(front "cat /tmp/said.$n")" "this guest was restored, and is domain $guest now" "and says what happened"
	done
	is "$(front 'n=3; status; n=4; status' | paste -sd ' ')" "0 0" "one that does not stay leaves, and one without a device"
	front 'n=2; kill -USR1 $(cat /tmp/pid.2)'
	is "$(back 'n=2; await "kill -USR2 \$(cat /tmp/pid.2); grep -q \"[1-9] received\" /tmp/said.2"; echo $?')" 0 "events arrive on the new channel"
	is "$(front 'n=0; end; n=1; end; n=2; end' | paste -sd ' ')" "0 0 0" "they leave when they are told to"
	is "$(in_domU 'for try in $(seq 50); do ps | grep -q "[[]peer" || break; usleep 200000; done
		dmesg | grep -E "kernel BUG|BUG:|WARN|Oops"; ps | grep -c "[[]peer"')" 0 "the kernel has no complaint, and no zombie"
	has "$(front 'cat /tmp/said.2')" 'keeps what is left from before the restore' "what is stale is kept, and that is said"
	is "$(in_domU 'cat /tmp/said.*' | grep -c -E 'Sanitizer|runtime error')" 0 "no sanitizer has a complaint"
	for n in 0 1 2 3; do deactivate $n >/dev/null 2>&1; done
}

# ---------------------------------------------------------------------------------------------------

# The lab as it is after its start, with the programs and a device.
equip() {
	guest=$(in_dom0 'xl domid domU1') || bail_out "dom0 does not answer"
	for domain in dom0 domU1; do
		"$lab" put $domain "$work/here.sh" "$work/peer1" "$work/peer2" "$work/peer3" "$work/pollerr.program" /tmp || bail_out "$domain takes no files"
	done
	in_domU 'grep -q nobody /etc/passwd || echo "nobody:*:65534:65534::/:/bin/sh" >>/etc/passwd'
	activate >/dev/null || bail_out "activate.sh"
}

# A guest that once had no transaction left cannot be saved: Linux counts its users wrongly.
fresh() {
	"$lab" reset 1 || bail_out "the lab does not start"
	equip
}

"$lab" start || bail_out "the lab does not start"
guest=$(in_dom0 'xl domid domU1') || bail_out "dom0 does not answer"
target unload >/dev/null 2>&1
# shellcheck disable=SC2086 # one word a stage
build_modules $all || bail_out "the modules do not build"
for one in $all; do
	sanitized_peer "$one" && mv "$MYDEVICEPEER" "$work/peer$(number "$one")" || bail_out "mydevicepeer of $one cannot be compiled"
done
"$top/common/tests/build" common/tests/stages/pollerr && mv "$work/pollerr" "$work/pollerr.program" || bail_out "pollerr cannot be compiled"
equip
IFS=,
for part in $asked; do
	unset IFS
	$part
	[ "$tests_failed" -eq 0 ] || break
done
is "$(in_dom0 'dmesg | grep segfault; pidof peer1 peer2 peer3 peererr')$(in_domU "dmesg | grep segfault
	for p in \$(pidof peer1 peer2 peer3 peererr); do grep -qx stale /proc/\$p/comm || echo \$p; done")" "" "no process has crashed, and none is left"
in_domU 'rm -f /tmp/peer* /tmp/pollerr*'
deactivate >/dev/null 2>&1
done_testing
