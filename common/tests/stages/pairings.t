#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Stage 02 works and ends with a process, mydevicepeer, at one end, and every way to end is tried.
# (The conformance tests do that for stage 03.) Then comes what a process says when it cannot do its
# work. CHECK=long has stage 01 as well, and a process at both ends.

stage=01-hello-probe
. "$(dirname "$0")/../lib/stage.sh"

log_of() { "in_$1" "cat /run/$(name "$1")/log"; }

leave() {
	if process "$1"; then stop_process "$1"
	elif [ "$1" = dom0 ]; then rebind dom0 xen-backend "mydevice-$guest-0" drivers/mydeviceback/unbind
	else rebind domU xen mydevice-0 drivers/mydevicefront/unbind; fi
}

come() {
	if process "$1"; then "in_$1" "cd /run/$(name "$1") && { setsid $(command_of "$1") --keep </dev/null >>log 2>&1 & echo \$! >pid; }"
	elif [ "$1" = dom0 ]; then rebind dom0 xen-backend "mydevice-$guest-0" drivers/mydeviceback/bind
	else rebind domU xen mydevice-0 drivers/mydevicefront/bind; fi
}

either_leaves_first() {
	for end in domU dom0; do
		ok "the end in $end leaves" leave $end
		ok "both ends go to Closed" until_state '6 6'
		ok "it comes back" come $end
		ok "both ends are Connected again" until_state '4 4'
	done
}

# A process is killed: it cannot say so, but the next one takes over.
next_one_takes_over() {
	for end in domU dom0; do
		process $end || continue
		in_$end "kill -KILL \$(cat /run/$(name $end)/pid)"
		ok "the process in $end is killed, and another comes" come $end
		ok "both ends are Connected again" until_state '4 4'
	done
}

# -- what a stage can do ------------------------------------------------------

works() {
	version=${stage%%-*}
	is "$(in_dom0 "xenstore-read /local/domain/$guest/device/mydevice/0/version")" "${version#0}" "the frontend published the version"
	is "$(in_dom0 "xenstore-read /local/domain/0/backend/mydevice/$guest/0/versions")" "${version#0}" "the backend offered it"
	case $stage in 02-*) rings ;; esac
}

# counts END: events sent and received.
counts() {
	if process "$1"; then
		"in_$1" "cd /run/$(name "$1") && kill -USR2 \$(cat pid) && usleep 300000 && tail -n 1 log" |
			sed 's/.*events: \([0-9]*\) sent, \([0-9]*\) received/\1 \2/'
	else
		"in_$1" "cd /sys/bus/xen*/devices/mydevice-*0 && echo \$(cat events_sent events_received)"
	fi
}

# ring END: one event; returns when the other end's count has changed.
ring() {
	if process "$1"; then "in_$1" "kill -USR1 \$(cat /run/$(name "$1")/pid)"
	else "in_$1" "echo 1 >\$(echo /sys/bus/xen*/devices/mydevice-*0/notify)"; fi
	a_while
}

a_while() { sleep 0.3; }

# The backend answers, as each of them does in this stage if nobody says otherwise.
rings() {
	before_front=$(counts domU) before_back=$(counts dom0)
	for n in 1 2 3 4 5; do ring domU; done
	# shellcheck disable=SC2086 # two words each
	{
		set -- $before_front
		is "$(counts domU)" "$(($1 + 5)) $(($2 + 5))" "the frontend rang five times and was answered"
		set -- $before_back
		is "$(counts dom0)" "$(($1 + 5)) $(($2 + 5))" "the backend heard it"
	}
	! process domU || has "$(log_of domU)" 'answered after [0-9]+ us$' "the process says how long it took"
	ring dom0
	# shellcheck disable=SC2086 # two words
	set -- $before_front
	is "$(counts domU)" "$(($1 + 5)) $(($2 + 6))" "the backend rings, and the frontend does not answer"
}

# -- a whole pairing -----------------------------------------------------------

pairing() {
	stage=$1 FRONT=$2 BACK=$3
	export FRONT BACK
	mark_logs "$FRONT $BACK"
	start=$(ledger)
	sanitized_peer "$stage" || fail "mydevicepeer of $stage cannot be compiled"
	ok "make -C $stage load FRONT=$FRONT BACK=$BACK" target load
	unhurt
	for end in domU dom0; do
		! process $end || has "$(log_of $end)" 'Hello World!.*(front|back)end of device 0' "the process in $end says hello"
	done
	works
	guest_cannot_write
	either_leaves_first
	works
	next_one_takes_over
	unhurt
	is "$(in_dom0 'cat /run/mydevice*/log 2>/dev/null' | grep -E 'Sanitizer|runtime error')$(in_domU 'cat /run/mydevice*/log 2>/dev/null' | grep -E 'Sanitizer|runtime error')" "" "no sanitizer has a complaint"
	has "$(target log)" 'mydevicepeer says:' "make log shows what the process says"
	has "$(target status)" 'of mydevicepeer, process' "make status shows the process"
	ok "make try" target try
	ok "make unload, nothing by force" unloads_without_force
	nothing_left
	is "$(in_dom0 'pidof mydevicepeer; ls /run | grep mydevice')$(in_domU 'pidof mydevicepeer; ls /run | grep mydevice')" "" "no process is left, nor its files"
	ok "grants and event channels are back where they began" ledger_is_back "$start"
	ok "dom0's kernel log is clean" log_is_clean dom0
	ok "the domU's kernel log is clean" log_is_clean domU
	unhurt
}

# -- bad input -------------------------------------------------------------------

# refuses DOMAIN ARGUMENTS STATUS TEXT: one line, the status, and nothing written. What was
# there is known from the one before, if nothing was written since (nodes= says that it was).
nodes=
refuses() {
	before=${nodes:-$(in_dom0 'xenstore-ls -f')}
	said=$("in_$1" "$2; echo status \$?" 2>&1)
	has "$said" "$4" "$2: says why"
	is "$(echo "$said" | sed 1d)" "status $3" "one line, and status $3"
	nodes=$(in_dom0 'xenstore-ls -f')
	is "$nodes" "$before" "nothing is left in XenStore"
}

bad_input() {
	stage=03-shared-memory FRONT=kernel BACK=kernel
	peer=/tmp/mydevicepeer
	sanitized_peer $stage && "$lab" put dom0 "$MYDEVICEPEER" /tmp && "$lab" put domU "$MYDEVICEPEER" /tmp ||
		fail "mydevicepeer for $stage"
	refuses domU "$peer" 64 'which end is it to be'
	refuses domU "$peer --frontend --backend 1" 64 'which end is it to be'
	refuses domU "$peer --frontend 1" 64 'takes no DOMID'
	refuses dom0 "$peer --backend" 64 'one DOMID'
	refuses dom0 "$peer --backend domU1" 64 'a DOMID is a number .*domU1'
	refuses dom0 "$peer --backend 1 2" 64 'one DOMID'
	refuses domU "$peer --frontend --device x" 64 'device is a number .*x'
	refuses domU "$peer --frontend --ring-page-order 9" 64 'from 0 to 8, not .9'
	refuses domU "$peer --frontend --poll-us 1001" 64 'from 0 to 1000, not .1001'
	refuses domU "$peer --frontend --first-index -1" 64 'first-index is a number'
	refuses domU "$peer --frontend --answer maybe" 64 'yes or no'
	has "$(in_domU "$peer --nonsense 2>&1; echo \$?")" '^64$' "an option that there is not: status 64"
	is "$(in_domU "$peer --help | head -n 1; echo \$?")" "usage: mydevicepeer --frontend [OPTION]...
0" "--help goes to standard output"
	refuses domU "$peer --frontend" 69 'there is no device/mydevice/0 in this domain; activate.sh'
	refuses dom0 "$peer --backend $guest" 69 "there is no backend/mydevice/$guest/0 in this domain"
	refuses dom0 "$peer --frontend" 69 'there is no device/mydevice/0'

	"$lab" run dom0 sh -s -- "$guest" <"$top/$stage/activate.sh" || fail "activate.sh"
	nodes=
	in_domU 'grep -q nobody /etc/passwd || echo "nobody:*:65534:65534::/:/bin/sh" >>/etc/passwd'
	refuses domU "su -s /bin/sh nobody -c '$peer --frontend'" 77 '/dev/xen/xenbus: Permission denied; this needs root'
	refuses domU "rmmod xen_gntalloc; $peer --frontend" 72 '/dev/xen/gntalloc: No such file or directory; type: modprobe xen-gntalloc'
	in_domU 'modprobe xen-gntalloc'
	refuses domU "rmmod xen_evtchn; $peer --frontend" 72 '/dev/xen/evtchn: .*; type: modprobe xen-evtchn'
	in_domU 'modprobe xen-evtchn'
	refuses dom0 "mv /dev/xen/gntdev /dev/xen/hidden; $peer --backend $guest" 72 '/dev/xen/gntdev: .*; type: modprobe xen-gntdev'
	in_dom0 'mv /dev/xen/hidden /dev/xen/gntdev'
	front_dir=/local/domain/$guest/device/mydevice/0
	in_dom0 "xenstore-chmod -r $front_dir n0 r$guest"
	nodes=
	refuses domU "$peer --frontend" 77 'XenStore refuses this domain to write in device/mydevice/0: Permission denied'
	in_dom0 "xenstore-chmod -r $front_dir n0"
	nodes=
	refuses domU "$peer --frontend" 77 'XenStore refuses to show device/mydevice/0'
	in_dom0 "xenstore-chmod -r $front_dir n$guest r0; xenstore-write $front_dir/backend-id x"
	nodes=
	refuses domU "$peer --frontend" 65 "backend-id is no number: 'x'"
	in_dom0 "xenstore-write $front_dir/backend-id 0"
	ok "modules at both ends" build_modules $stage
	insert dom0 mydeviceback
	nodes=
	refuses dom0 "$peer --backend $guest" 69 "a module drives backend/mydevice/$guest/0; rmmod mydeviceback first"
	insert domU1 mydevicefront
	until_state '4 4' || fail "they do not connect"
	nodes=
	refuses domU "$peer --frontend" 69 'a module drives device/mydevice/0; rmmod mydevicefront first'
	rebind domU xen mydevice-0 drivers/mydevicefront/unbind && in_domU 'rmmod mydevicefront'
	rebind dom0 xen-backend "mydevice-$guest-0" drivers/mydeviceback/unbind && in_dom0 'rmmod mydeviceback'
}

# refused BACKEND-NODE VALUE TEXT: what a frontend says of an offer.
refused() {
	back_dir=/local/domain/0/backend/mydevice/$guest/0
	in_dom0 "xenstore-write $back_dir/versions 3 $back_dir/max-ring-page-order 8 $back_dir/$1 '$2' $back_dir/state 2"
	said=$(in_domU "$peer --frontend </dev/null; echo status \$?" 2>&1)
	has "$said" "$3" "an offer with $1 '$2' is refused"
	has "$said" '^status 76$' "with status 76"
	has "$(in_dom0 "xenstore-read /local/domain/$guest/error/device/mydevice/0/error")" "$3" "and the reason in XenStore"
	is "$(in_dom0 "xenstore-read $front_dir/state $front_dir/version; xenstore-list $front_dir | grep -E 'ring|event'" | paste -sd ' ')" '6 3' "Closed, and nothing published but the version that it speaks"
}

bad_offers() {
	refused versions '' 'speaks no version'
	refused versions 1,2,4 'speaks no version'
	refused versions '0,,x,-1,4294967297' 'speaks no version'
}

# Others write there meanwhile: the transaction is made again.
retries() {
	"$lab" run dom0 sh -s -- "$guest" <"$top/$stage/deactivate.sh" 2>/dev/null
	in_dom0 '(while :; do xenstore-write /tests/noise 1; done) >/dev/null 2>&1 & echo $! >/tmp/noise'
	for turn in 1 2 3; do
		"$lab" run dom0 sh -s -- "$guest" <"$top/$stage/activate.sh"
		in_dom0 "setsid $peer --backend $guest </dev/null >/dev/null 2>/tmp/said &"
		in_domU "setsid $peer --frontend </dev/null >/dev/null 2>/tmp/said &"
		ok "others write to XenStore all the time: Connected" until_state '4 4'
		"$lab" run dom0 sh -s -- "$guest" <"$top/$stage/deactivate.sh" || fail "deactivate.sh"
	done
	in_dom0 'kill $(cat /tmp/noise); xenstore-rm /tests'
	is "$(in_dom0 'xenstore-ls -f | grep mydevice | grep -v error; pidof mydevicepeer')" "" "nothing is left"
}

"$lab" start || bail_out "the lab does not start"
guest=$(in_dom0 'xl domid domU1') || bail_out "dom0 does not answer"
target unload >/dev/null 2>&1
[ "${CHECK-}" = long ] && stages='01-hello-probe 02-event-channels' || stages=02-event-channels
for stage in $stages; do
	[ "${CHECK-}" != long ] || pairing "$stage" user user
	pairing "$stage" kernel user
	pairing "$stage" user kernel
done
bad_input
bad_offers
retries
is "$(in_dom0 'dmesg | grep segfault')$(in_domU 'dmesg | grep segfault')" "" "no process has crashed"
done_testing
