#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The drivers connect again after each allocation on every path of a device has failed once. The
# paths are probe, connect, remove, open, read, write and resume. faults.t makes the functions fail
# that the driver itself calls; this test reaches what those functions call in turn.
# paths='open unbind' runs only these.

export FRONT=kernel BACK=kernel LAB_TIMEOUT=7200
stage=03-shared-memory
. "$(dirname "$0")/../lib/stage.sh"
all='open unbind bind connect'
# shellcheck disable=SC2086 # one word a path
must_know paths "$all" ${paths:=$all}
debugging || bail_out "LAB_KERNEL is dbg: common/check dbg-failing"

console=${LAB_BUILD:-$top/.build/lab}/run.${LAB_NAME:-lab}/domU.console

# no_report LINE: on the guests' consoles from there on. (A guest that is no more cannot
# be asked for its log.) What a kernel says of an allocation that failed is no complaint
# about the driver; nor is the warning that something is not there to be removed, if it is
# what could not be made: XenBus's attributes, an interrupt's files in /proc. A line that the driver
# says may come between the two lines of that.
not_made="sysfs group 'xenbus' not found|name '([0-9]+|(smp_|effective_)?affinity|node|spurious)"
no_report() {
	! tail -n +"$1" "$console" | grep -v 'module verification failed' |
		awk -v not_made="$not_made" '/ mydevice(front|back) mydevice-/ { print; next }
			{ before = last[$1]; last[$1] = $0 } !(/WARNING: / && before ~ not_made)' |
		grep -E 'BUG|WARNING|Oops|UBSAN|KFENCE|ODEBUG|pagealloc:|blocked for more|general protection|corruption|deferring|freeing event channel'
}

# Only allocations that may sleep matter to us, and they are spared if nobody says
# otherwise. Of each that fails the kernel says what it was, but not where.
may_fail='for what in failslab fail_page_alloc; do
		for file in ignore-gfp-wait ignore-gfp-highmem; do
			[ ! -e /sys/kernel/debug/$what/$file ] || echo N >/sys/kernel/debug/$what/$file
		done
		echo 1 >/sys/kernel/debug/$what/verbose
	done
	echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
	echo 1 >/sys/kernel/debug/fail_usercopy/verbose'

# few_ports_lost LEDGER: what it was at the start. Linux 6.1 does not close the port that
# Xen has bound to the frontend's if there is no memory for its interrupt: a few stay with
# the backend's domain, whose count is the last word.
few_ports_lost() {
	for try in 1 2 3 4 5 6; do
		now=$(ledger)
		lost=$((${now##* } - ${1##* }))
		[ "${now% *}" != "${1% *}" ] || [ $lost -lt 0 ] || [ $lost -gt 6 ] || return 0
		sleep 1
	done
	echo "at the start: $1"
	echo "at the end:   $now"
	return 1
}

# -- a guest that is well ------------------------------------------------------

# For want of memory XenBus loses things for good (Linux 6.1): a watch that it cannot give
# back meets the next one with the same path at the same address; a transaction that it
# cannot end keeps the guest from ever being saved. So a guest is kept as it is before
# anything has failed, and takes the place of one that has lost something. With its new
# number the paths that the backend watches are others, too.
keep_guest() { in_dom0 'xl save -c domU1 /tmp/well >/dev/null 2>&1'; }

# comes_back FILE: the guest that was $guest, with a new number, and its device activated
# for that.
comes_back() {
	run_script deactivate.sh >/dev/null
	in_dom0 "xl restore -p $1 >/tmp/xl.log 2>&1" || { in_dom0 'cat /tmp/xl.log'; return 1; }
	guest=$(in_dom0 'xl domid domU1') && run_script activate.sh && in_dom0 'xl unpause domU1'
}

guest_is_well() {
	guest=$(in_dom0 'xl domid domU1')
	in_dom0 'xl destroy domU1' && comes_back /tmp/well && until_state '4 4' && until_answers domU1
}

# -- all paths but resume ------------------------------------------------------

# walk END PATH: by failing, which ends with 3 when something is lost, and goes on then.
# Linux loses something at a few chances of all; a driver that does would at most of them.
walk() {
	first=1 status=3 losses=0
	while [ $status -eq 3 ]; do
		said=$("in_$1" "sh /tmp/fail-each $1 $guest $backend $2 $first" 2>&1)
		status=$?
		last=$(printf '%s\n' "$said" | tail -n 1)
		case $status in
		0) pass "$1, $2: whichever of $last allocations and copies fails, it connects again" ;;
		3) first=$last losses=$((losses + 1)) ;;
		*) fail "$1, $2, from chance $first" "$said" ;;
		esac
		[ $status -eq 0 ] || ok "$1, $2: the guest is well again" guest_is_well || return
		guest=$(in_dom0 'xl domid domU1')
		[ $losses -lt 20 ] || { fail "$1, $2, up to chance $first" "$losses times the device had to be made anew"; return; }
	done
}

# failing_stream FROM TO NTH: 100,000 bytes. A copy fails at one end, and then at the
# other; what the calls say was moved, and no more, has been moved.
failing_stream() {
	sent=$("in_$1" "/tmp/io /dev/$(name "$1") open:w seed:7 failing:$3 put:100000" | paste -sd ' ')
	bytes=$(echo "$sent" | sed -n 's/^put \([0-9]*\).*/\1/p')
	got=$("in_$2" "timeout 60 /tmp/io /dev/$(name "$2") open:rn seed:7 failing:$3 get:100000 get:100000" | paste -sd ' ')
	came=$(echo "$got" | awk '{ for (i = 1; i < NF; i++) if ($i == "get") n += $(i + 1) } END { print n }')
	[ "$came" = "$bytes" ] && ! echo "$got" | grep wrong || { echo "written: $sent; read: $got"; return 1; }
}

streams() {
	nth=0
	while nth=$((nth + 1)); [ $nth -lt 200 ]; do
		failing_stream "$1" "$2" $nth || return
		case $sent,$got in *left*,*left*) break ;; esac
	done
	[ $nth -gt 2 ] && [ $nth -lt 200 ] || { echo "nothing failed, or there is no end: $sent; $got"; return 1; }
}

# -- resume --------------------------------------------------------------------

# After save and restore XenBus's thread resumes every device, the network's too, so that
# it is often the network that fails, and nobody can log in any more. Hence each chance is
# taken by a guest that is well, and ends with it; the device's states are in dom0.
thread='/proc/$(pidof xenwatch)/task/$(pidof xenwatch)/fail-nth'

# resumed NTH. The guest may refuse to be saved; that is no harm. And the device may have to
# be made anew.
resumed() {
	guest=$(in_dom0 'xl domid domU1')
	said=$(wc -l <"$console")
	in_front "echo $1 >$thread"
	in_dom0 'xl save domU1 /tmp/save >/tmp/xl.log 2>&1'
	if in_dom0 'xl domid domU1 >/dev/null 2>&1'; then
		in_dom0 '! grep "No space left" /tmp/xl.log' || return
	else
		comes_back /tmp/save && { until_state '4 4' >/dev/null || made_anew; } || return
	fi
	in_dom0 'rm -f /tmp/save'
	no_report $((said + 1))
}

# Where it finds nothing that this guest has lost.
made_anew() {
	run_script deactivate.sh >/dev/null 2>&1
	run_script activate.sh --device 7
	run_script activate.sh && until_state '4 4'
	made=$?
	run_script deactivate.sh --device 7
	return $made
}

# All chances are counted by asking for one that never comes. Those before the guest sleeps
# count, too: some of all are taken, or all.
resumes() {
	ok "resume: the guest is well" guest_is_well || return
	ok "resume: the device is Connected" resumed 1000000 || return
	all=$(in_front "cat $thread; echo 0 >$thread")
	all=$((1000000 - ${all:-1000000}))
	ok "resume: there are $all chances to fail" test $all -gt 10 || return
	if [ "${CHECK-}" = long ]; then chances=$(seq $all); else chances=$(seq $((all / 6)) $((all / 6)) $all); fi
	for nth in $chances; do
		ok "resume: chance $nth of $all" resumed "$nth" || return
		ok "resume: the guest is well again" guest_is_well || return
	done
}

"$top/common/tests/build" common/tests/stages/io || bail_out "the test program cannot be compiled"
"$lab" start 2 || bail_out "the lab does not start"
guest=$(in_dom0 'xl domid domU1') && backend=$(in_dom0 'xl domid domU2') || bail_out "dom0 does not answer"
for domain in domU1 domU2; do
	"$lab" put $domain "$work/io" "$top/common/tests/debug/fail-each" /tmp
done
for end in front back; do "in_$end" "echo 8 >/proc/sys/kernel/printk; $may_fail"; done
in_dom0 'mount -t tmpfs -o size=700m tmpfs /tmp'	# for two guests that are saved
start=$(ledger)
said_before=$(wc -l <"$console")
ok "the device is Connected" load
unhurt
ok "the guest is kept as it is" keep_guest
for end in front back; do
	for path in $paths; do walk $end "$path"; done
done
ok "to the backend: what a call says was moved has been" streams front back
ok "to the frontend: the same" streams back front
resumes
guest=$(in_dom0 'xl domid domU1')
ok "the device and the modules go" unload
in_dom0 "xenstore-rm /local/domain/$backend/error"	# XenBus leaves there what it has said
nothing_left
ok "grants and event channels are back where they began, but for Linux's own few" few_ports_lost "$start"
ok "no report on the consoles" no_report $((said_before + 1))
ok "the checkers have nothing to say" checkers_are_silent domU1 domU2
done_testing
