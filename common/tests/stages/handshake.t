#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Two ends survive whatever goes wrong before they are Connected, in all three stages. What goes
# wrong: ends of different stages, repeated lies, what an earlier end has left, a module that follows
# a process, a frontend that is restarted or killed while a process connects to it, and a domain that
# has no transaction left.
# (hostile-front.t and hostile-back.t test what a single lie does.)

stage=01-hello-probe
. "$(dirname "$0")/../lib/stage.sh"

all="01-hello-probe 02-event-channels 03-shared-memory"
number() { echo "${1%%-*}" | sed 's/^0//'; }
front_dir() { echo "/local/domain/$guest/device/mydevice/0"; }
back_dir() { echo "/local/domain/0/backend/mydevice/$guest/0"; }
bind() { if [ "$1" = front ]; then rebind domU xen mydevice-0 "drivers/mydevicefront/$2"
	else rebind dom0 xen-backend "mydevice-$guest-0" "drivers/mydeviceback/$2"; fi; }

# A device that is bound holds its module.
remove() {
	"$lab" run "$1" "cd /sys/bus/xen*/drivers/$2 && for device in mydevice-*; do
		[ ! -e \$device ] || echo \$device >unbind; done; cd / && rmmod $2" </dev/null
}

# load_ends FRONT-STAGE BACK-STAGE: the modules, and a device.
load_ends() {
	stage=$2
	insert dom0 mydeviceback && run_script activate.sh || return
	stage=$1
	insert domU1 mydevicefront
}

unload_ends() { run_script deactivate.sh && remove domU1 mydevicefront && remove dom0 mydeviceback; }

# How often the log of that end's module has it, since the mark.
lines() { log_since "$1" | grep -E "mydevice(front|back) mydevice" | grep -c "$2"; }

# -- ends of different stages ---------------------------------------------------

# mixed FRONT-STAGE BACK-STAGE REPLACED-END
mixed() {
	mark_logs "$1 $2"
	ok "frontend of $1, backend of $2: loaded" load_ends "$1" "$2" || return
	ok "they do not connect" until_state '6 6'
	has "$(log_since domU)" "speaks no version of ours: \"$(number "$2")\", and this end $(number "$1")" "the frontend says why"
	has "$(log_since dom0)" "the frontend speaks version $(number "$1"), and this end $(number "$2")" "the backend says why"
	# One end is replaced, the other stays as it is.
	if [ "$3" = front ]; then
		stage=$2
		ok "the frontend of $2 takes its place" remove domU1 mydevicefront
		ok "and is loaded" insert domU1 mydevicefront
	else
		stage=$1
		ok "the backend of $1 takes its place" remove dom0 mydeviceback
		ok "and is loaded" insert dom0 mydeviceback
	fi
	ok "it connects to the other end, which has stayed" until_state '4 4'
	ok "both are unloaded" unload_ends
}

# -- lies ------------------------------------------------------------------------

# lies END SENTENCE NODE VALUE...: twenty times; the peer says one line, and is there for
# the next honest one when it is bound again.
lies() {
	liar=$1 sentence=$2
	shift 2
	mark_logs "$liar $*"
	ok "$stage: the ${liar}end's driver leaves" bind "$liar" unbind
	ok "both ends are Closed" until_state '6 6'
	case $liar in
	front) in=domU1 victim=dom0 other=back dir=device/mydevice/0 states="1 3" ;;
	back) in=dom0 victim=domU other=front dir=$(back_dir) states="6 2" ;;
	esac
	nodes=
	while [ $# -gt 0 ]; do
		nodes="$nodes $dir/$1 '$2'"
		shift 2
	done
	"$lab" run "$in" "for n in \$(seq 20); do for state in $states; do
		xenstore-write $nodes $dir/state \$state; usleep 20000; done; done" </dev/null
	is "$(lines "$victim" "$sentence")" 1 "$stage: the ${liar}end lies twenty times ($nodes): it is said once"
	ok "and little else" test "$(lines "$victim" .)" -le 12
	"$lab" run "$in" "xenstore-write $dir/state 6" </dev/null
	ok "the victim is bound again" bind "$other" unbind
	bind "$other" bind
	bind "$liar" bind
	ok "$stage: and the next honest connection works" until_state '4 4'
}

# -- a module after a process ------------------------------------------------------

# process_was END SIGNAL: the module takes over from a process that was ended by it. The
# device is new, so that XenBus there has seen no other state than Initialising.
process_was() {
	case $1 in
	front) in=domU1 module=mydevicefront arguments=--frontend ;;
	back) in=dom0 module=mydeviceback arguments="--backend $guest" ;;
	esac
	remove "$in" "$module" || return
	until_state '6 6' >/dev/null
	run_script deactivate.sh && run_script activate.sh || return
	"$lab" run "$in" "setsid /tmp/mydevicepeer $arguments </dev/zero >/dev/null 2>&1 &" </dev/null
	until_state '4 4' || return
	"$lab" run "$in" "kill -$2 \$(pidof mydevicepeer); while pidof mydevicepeer >/dev/null; do usleep 20000; done" </dev/null
	insert "$in" "$module" && until_state '4 4'
}

takes_over() {
	for end in front back; do
		for signal in TERM KILL; do
			ok "$stage: the module at the $end end takes over from a process that was ended by SIG$signal" process_was $end $signal
		done
	done
}

# -- what is left from before ----------------------------------------------------------

# An offer that the frontend refused, and whose backend is gone, has the state of the next offer.
offer_left() {
	bind back unbind && until_state '6 6' || return
	in_dom0 "for state in 2 6 2; do xenstore-write $(back_dir)/versions 77 $(back_dir)/state \$state; sleep 1; done"
	until_state '6 2' && bind back bind && until_state '4 4'
}

# The frontend begins anew while the toolstack takes the device away.
taken_away() {
	in_dom0 "xenstore-write $(back_dir)/online 0" && in_domU 'xenstore-write device/mydevice/0/state 1' &&
		until_state '6 6' && run_script deactivate.sh && run_script activate.sh
}

# -- a process that is held up --------------------------------------------------------

# peer END: starts a process that stays, and can be held up: see hold.c.
peer() {
	case $1 in front) arguments=--frontend ;; back) arguments="--backend $guest" ;; esac
	"in_$1" "cd /tmp && cat said >>said.before 2>/dev/null; : >said && { LD_PRELOAD=/tmp/hold.so setsid ./mydevicepeer $arguments --keep </dev/null >got 2>said & echo \$! >pid; }"
}

# end END SIGNAL
end() { "in_$1" "kill -$2 \$(cat /tmp/pid); for try in \$(seq 500); do pidof mydevicepeer >/dev/null || exit 0; usleep 20000; done; exit 1"; }
runs() { "in_$1" 'kill -0 $(cat /tmp/pid)' || { "in_$1" 'cat /tmp/said'; return 1; }; }
until_says() { "in_$1" "for try in \$(seq 50); do ! grep -q '$2' /tmp/said || exit 0; usleep 100000; done; cat /tmp/said; exit 1"; }

# hold END WHAT: the next time that it comes to this, it waits.
hold() { "in_$1" "printf %s '$2' >/tmp/hold"; }
held() { "in_$1" 'for try in $(seq 300); do [ ! -e /tmp/held ] || exit 0; usleep 100000; done; cat /tmp/said; exit 1'; }
go_on() { "in_$1" 'rm /tmp/held'; }

# Does the connection work, as far as this stage's can?
alive() {
	case $stage in
	# The backend does not answer its first event, which may be that of the bound port and this one in one.
	02-*) in_domU 'cd /sys/bus/xen/devices/mydevice-0 && for try in $(seq 30); do
		echo 1 >notify; usleep 100000; [ "$(cat events_received)" -lt 1 ] || exit 0; done; echo no answer; exit 1' ;;
	03-*) in_domU 'echo word >/dev/mydevice0' && in_dom0 'for try in $(seq 30); do ! grep -q word /tmp/got || exit 0; usleep 100000; done; exit 1' ;;
	esac
}

# The frontend, a module, is bound again after the backend has read what it published, or
# some of it. In the first stage that is the version alone, so another is written there.
restarted() {
	remove dom0 mydeviceback && until_state '6 6' || return
	case $stage in 03-*) hold back ring-ref ;; *) hold back state=4 ;; esac
	peer back && held back || return
	case $stage in
	01-*)	in_domU 'xenstore-write device/mydevice/0/version 9' && go_on back && until_says back 'the frontend wants version 9' &&
			until_state '6 6' && bind front unbind && bind front bind && peer back ;;
	*)	bind front unbind && bind front bind && until_state '3 2' && go_on back ;;
	esac && until_state '4 4' && alive
}

# A frontend that is a process leaves, or is killed, before the backend has read all; or
# a backend leaves, before the frontend has.
leaves() {
	hold back version
	peer front && held back && end front TERM && go_on back && peer front && until_state '4 4' && runs back
}

back_leaves() {
	end front TERM && until_state '6 6' || return
	hold front versions
	peer front && held front && end back TERM && go_on front && peer back && until_state '4 4' && runs front
}

killed() {
	end front TERM && until_state '6 6' || return
	hold back event-channel
	peer front && held back && end front KILL && go_on back && until_says back 'binding port' &&
		peer front && until_state '4 4' && runs back
}

# It dies, or the backend does, when only that is Connected. A process that is stopped
# cannot follow.
one_is_connected() {
	end front TERM && until_state '6 6' || return
	hold back state=4
	peer front && held back && in_domU 'kill -STOP $(cat /tmp/pid)' && go_on back && until_state '3 4'
}
front_dies() { one_is_connected && end front KILL && until_state '3 6' && until_says back 'the frontend died' && runs back; }
back_dies() {
	peer front && until_state '4 4' && one_is_connected && end back KILL && in_domU 'kill -CONT $(cat /tmp/pid)' &&
		until_state '6 4' && until_says front 'the backend died' && runs front
}

# When both ends are Closed the index page may be written over: that is no lie.
written_over() {
	peer back && until_state '4 4' || return
	ref=$(in_domU 'xenstore-read device/mydevice/0/ring-ref')
	hold front state=6!
	end back TERM && held front && in_dom0 "/tmp/lie $guest $ref backend prod 1000000" && go_on front &&
		peer back && until_state '4 4' && runs front
}

# Nobody is there yet who could have meant this Closing for the frontend.
closing_left() {
	end back TERM && until_state '6 6' && remove domU1 mydevicefront && in_dom0 "xenstore-write $(back_dir)/state 5" || return
	peer front && until_says front Hello && sleep 1 && until_state '1 5' && peer back && until_state '4 4' && end front TERM
}

# Two processes, in all that can happen to them.
two_held_up() {
	ok "$stage: a frontend that leaves meanwhile is no liar: the process stays" leaves
	ok "$stage: nor is a backend" back_leaves
	case $stage in 0[23]-*) ok "$stage: nor is a frontend that is killed" killed ;; esac
	case $stage in 03-*)
		ok "$stage: a frontend dies before it is Connected: the backend closes" front_dies
		ok "$stage: a backend dies before the frontend is Connected: that closes, too" back_dies
		ok "$stage: a backend writes over the index page when both ends are Closed" written_over ;;
	esac
	end front TERM
}

held_up() {
	ok "$stage: a frontend is bound again while a process connects to it: the connection is the new one's" restarted
	ok "$stage: a process offers nothing when its device is being taken away" taken_away
	ok "$stage: it begins again" peer back
	ok "and is Connected" until_state '4 4'
	ok "$stage: a frontend that is a process waits for a backend that is Closing" closing_left
	[ "${CHECK-}" != long ] || two_held_up
	end back TERM
	is "$(in_dom0 'grep -hE "Sanitizer|runtime error" /tmp/said*')$(in_domU 'grep -hE "Sanitizer|runtime error" /tmp/said*')" "" "no sanitizer has a complaint"
	insert dom0 mydeviceback
	in_domU 'lsmod | grep -q ^mydevicefront' || insert domU1 mydevicefront
	ok "$stage: modules again, and Connected" until_state '4 4'
}

# -- no transaction is left ----------------------------------------------------------

# A guest may have ten open at a time. XenStore's message of that kind is 6. oxenstored's error is 22.
no_transactions() {
	mark_logs transactions
	in_domU 'exec 3<>/dev/xen/xenbus
		for i in $(seq 11); do printf "\6\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0" >&3; dd bs=4096 count=1 <&3 >/dev/null 2>&1; done
		cd /sys/bus/xen/drivers/mydevicefront && echo mydevice-0 >unbind && echo mydevice-0 >bind; sleep 3'
	has "$(log_since domU)" '(28|22) (starting transaction|publishing in)' "$stage: no transaction is left in the guest: its log says so"
	ok "it is not Connected, and does not say that it is" until_state '6 6'
	bind front unbind
	bind front bind
	ok "$stage: when there are some, bind cures it" until_state '4 4'
	is "$(in_domU 'cat /sys/bus/xen/devices/mydevice-0/state')" Connected "and so its kernel says"
}

"$lab" start || bail_out "the lab does not start"
guest=$(in_dom0 'xl domid domU1') || bail_out "dom0 does not answer"
target unload >/dev/null 2>&1
"$top/common/tests/build" --preload common/tests/stages/hold || bail_out "hold.so cannot be compiled"
"$top/common/tests/build" common/tests/stages/lie || bail_out "lie cannot be compiled"
"$lab" put dom0 "$work/hold.so" "$work/lie" /tmp && "$lab" put domU "$work/hold.so" /tmp || bail_out "the domains take no files"
# shellcheck disable=SC2086 # one word a stage
build_modules $all || bail_out "the modules do not build"
mark_logs begin
begun=$mark
for pair in '3 1 front' '1 2 front' '2 3 back' '1 3 back' '3 2 front' '2 1 back'; do
	# shellcheck disable=SC2086 # the numbers of two stages, and who is replaced
	set -- $pair
	mixed "$(echo "$all" | cut -d ' ' -f "$1")" "$(echo "$all" | cut -d ' ' -f "$2")" "$3"
	unhurt
done
for one in $all; do
	stage=$one
	start=$(ledger)
	ok "$stage: both ends are loaded" load_ends "$stage" "$stage"
	ok "and Connected" until_state '4 4'
	unhurt
	lies front 'the frontend wants version 9' version 9
	lies back 'speaks no version of ours' versions 77,8x
	case $stage in
	02-*) lies front 'binding port 99999 of' version 2 event-channel 99999 ;;
	03-*) lies front 'out-ring-page-order is 9' version 3 out-ring-page-order 9 ;;
	esac
	unhurt
	no_transactions
	sanitized_peer "$stage" && "$lab" put dom0 "$MYDEVICEPEER" /tmp && "$lab" put domU "$MYDEVICEPEER" /tmp || fail "mydevicepeer of $stage"
	ok "$stage: a backend's offer is heard after one that is left from before" offer_left
	ok "$stage: a backend offers nothing when its device is being taken away" taken_away
	ok "$stage: activated again, it does" until_state '4 4'
	takes_over
	unhurt
	held_up
	unhurt
	ok "$stage: both are unloaded" unload_ends
	ok "$stage: grants and event channels are back where they began" ledger_is_back "$start"
	unhurt
done
mark=$begun
for domain in dom0 domU; do
	is "$(log_since $domain | grep -E 'BUG|WARN|Oops|Call Trace|blocked for more|deferring')" "" "$domain's kernel has no complaint"
done
done_testing
