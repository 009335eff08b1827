#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Every allocation fails, one after the other, on every path that a device has: probe,
# connect, remove, open, read, write, resume. faults.t has what the driver itself calls
# fail; this reaches what those functions call in turn. paths='open unbind' has only these.

export LAB_KERNEL=dbg FRONT=kernel BACK=kernel LAB_TIMEOUT=7200
stage=03-shared-memory
. "$(dirname "$0")/stage.sh"
back_domain=domU2

# What a kernel says of an allocation that failed is no complaint about the driver.
log_has_no_report() {
	said=$(log_since "$1")
	[ -n "$said" ] || { echo "what it said is not in the log any more"; return 1; }
	! printf '%s\n' "$said" | report_lines
}

report_lines() {
	grep -v 'module verification failed' |
		grep -E 'BUG|WARNING|Oops|UBSAN|KFENCE|ODEBUG|pagealloc:|blocked for more|general protection|corruption|deferring|freeing event channel'
}

walk() {
	first=1 status=3
	while [ $status -eq 3 ]; do
		said=$("in_$1" "sh /tmp/failing $1 $guest $backend $2 $first" 2>&1)
		status=$?
		[ $status -ne 3 ] || { first=$(printf '%s\n' "$said" | tail -n 1); made_anew || break; }
	done
	[ $status -eq 0 ] &&
		pass "$1, $2: whichever of $(printf '%s\n' "$said" | tail -n 1) allocations and copies fails, it connects again" ||
		fail "$1, $2" "$said"
}

# A watch that XenBus has lost is known by the address of its device. Another device takes
# that, for this one to get one that is not known.
made_anew() {
	run_script deactivate.sh >/dev/null 2>&1
	run_script activate.sh --device 7
	run_script activate.sh && until_state '4 4'
	made=$?
	run_script deactivate.sh --device 7
	return $made
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
# taken by a guest that is well, and ends with it: what its kernel says is read from the
# console, and the device's states in dom0.
thread='/proc/$(pidof xenwatch)/task/$(pidof xenwatch)/fail-nth'
console=${LAB_BUILD:-$top/.build/lab}/run.${LAB_NAME:-lab}/domU.console

# comes_back FILE: the guest that was $guest, with a new number, and its device activated
# for that.
comes_back() {
	run_script deactivate.sh >/dev/null
	in_dom0 "xl restore -p $1 >/tmp/xl.log 2>&1" || { in_dom0 'cat /tmp/xl.log'; return 1; }
	guest=$(in_dom0 'xl domid domU1') && run_script activate.sh && in_dom0 'xl unpause domU1'
}

# resumed NTH. The guest may refuse to be saved; that is no harm. And the device may have to
# be made anew.
resumed() {
	guest=$(in_dom0 'xl domid domU1')
	said=$(wc -l <"$console")
	in_front "echo 8 >/proc/sys/kernel/printk; echo $1 >$thread"
	in_dom0 'rm -f /tmp/save; xl save domU1 /tmp/save >/tmp/xl.log 2>&1'
	if ! in_dom0 'xl domid domU1 >/dev/null 2>&1'; then
		comes_back /tmp/save && { until_state '4 4' >/dev/null || made_anew; } || return
	fi
	! tail -n +$((said + 1)) "$console" | report_lines
}

end_of_guest() {
	guest=$(in_dom0 'xl domid domU1')
	in_dom0 'xl destroy domU1' && comes_back /tmp/well && until_state '4 4'
}

# All chances are counted by asking for one that never comes. Those before the guest sleeps
# count, too: some of all are taken, or all.
resumes() {
	ok "resume: the guest is kept as it is" in_dom0 'xl save -c domU1 /tmp/well >/dev/null 2>&1' || return
	ok "resume: the device is Connected" resumed 1000000 || return
	all=$(in_front "cat $thread; echo 0 >$thread")
	all=$((1000000 - ${all:-1000000}))
	ok "resume: there are $all chances to fail" test $all -gt 10 || return
	if [ "${CHECK-}" = long ]; then chances=$(seq $all); else chances=$(seq $((all / 6)) $((all / 6)) $all); fi
	for nth in $chances; do
		ok "resume: chance $nth of $all" resumed "$nth" || return
		ok "resume: the guest is well again" end_of_guest || return
	done
}

"$top/common/tests/build" io || bail_out "the test program cannot be compiled"
"$lab" start 2 || bail_out "the lab does not start"
guest=$(in_dom0 'xl domid domU1') && backend=$(in_dom0 'xl domid domU2') || bail_out "dom0 does not answer"
for domain in domU1 domU2; do
	"$lab" put $domain "$work/io" "$top/common/tests/debug/failing" /tmp
done
mark_logs 1
start=$(ledger)
ok "the device is Connected" load
unhurt
for end in front back; do
	for path in ${paths:-open unbind bind connect}; do walk $end "$path"; done
done
ok "to the backend: what a call says was moved has been" streams front back
ok "to the frontend: the same" streams back front
resumes
guest=$(in_dom0 'xl domid domU1')
ok "the device and the modules go" unload
nothing_left
ok "grants and event channels are back where they began" ledger_is_back "$start"
for end in front back; do ok "no report in the log of the $end end" log_has_no_report $end; done
ok "the checkers have nothing to say" checkers_are_silent domU1 domU2
done_testing
