#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What can go wrong between two ends before they are Connected, in all three stages:
# ends of different stages, lies over and over, a module after a process, and a
# domain that has no transaction left. (What a single lie does is in hostile-front.t
# and hostile-back.t.)

stage=01-hello-probe
. "$(dirname "$0")/stage.sh"

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

# -- no transaction is left ----------------------------------------------------------

# A guest may have ten open at a time. XenStore's message of that kind is 6.
no_transactions() {
	mark_logs transactions
	in_domU 'exec 3<>/dev/xen/xenbus
		for i in $(seq 11); do printf "\6\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0" >&3; dd bs=4096 count=1 <&3 >/dev/null 2>&1; done
		cd /sys/bus/xen/drivers/mydevicefront && echo mydevice-0 >unbind && echo mydevice-0 >bind; sleep 3'
	has "$(log_since domU)" '28 (starting transaction|publishing in)' "$stage: no transaction is left in the guest: its log says so"
	ok "it is not Connected, and does not say that it is" until_state '6 6'
	bind front unbind
	bind front bind
	ok "$stage: when there are some, bind cures it" until_state '4 4'
	is "$(in_domU 'cat /sys/bus/xen/devices/mydevice-0/state')" Connected "and so its kernel says"
}

"$lab" start || bail_out "the lab does not start"
guest=$(in_dom0 'xl domid domU1') || bail_out "dom0 does not answer"
target unload >/dev/null 2>&1
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
	takes_over
	ok "$stage: both are unloaded" unload_ends
	ok "$stage: grants and event channels are back where they began" ledger_is_back "$start"
	unhurt
done
mark=$begun
for domain in dom0 domU; do
	is "$(log_since $domain | grep -E 'BUG|WARN|Oops|Call Trace|blocked for more|deferring')" "" "$domain's kernel has no complaint"
done
done_testing
