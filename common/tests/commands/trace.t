#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# make trace shows both ends on one time line, and make lab-gdb stops one end in its domain only.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
work=$top/.build/tests/trace.t
lab=$top/common/lab/lab
stage=03-shared-memory
rm -rf "$work"
mkdir -p "$work" || exit
unset DOMU BACKEND DEVICE WHERE FRONT BACK VIEW STEP CMD DOMAIN MODULE GDB_ARGS
. "$top/common/tests/lib/tap.sh"

in_domain() { LAB_TIMEOUT=60 "$lab" run "$1" "$2" </dev/null; }
target() { make -s --no-print-directory -C "$top/$stage" "$@" </dev/null; }

# -- trace -----------------------------------------------------------------------

# traced CMD [VARIABLE=VALUE...]: sets said, what it printed.
traced() {
	command=$1
	shift
	target trace CMD="$command" "$@" >"$work/said" 2>"$work/error"
	said=$(cat "$work/said")
}

# in_order PATTERN...: each matches a line after that of the one before.
in_order() {
	last=0
	for pattern; do
		at=$(printf '%s\n' "$said" | tail -n +$((last + 1)) | grep -nE "$pattern" | head -n 1 | cut -d : -f 1)
		[ -n "$at" ] || { echo "'$pattern' is not after line $last of:"; printf '%s\n' "$said"; return 1; }
		last=$((last + at))
	done
}

nothing_is_traced() {
	for domain in dom0 domU; do
		in_domain $domain "cd /sys/kernel/tracing && cat current_tracer kprobe_events && grep -c mydevice set_ftrace_filter"
	done | paste -sd ' '
}

"$lab" reset 1 || bail_out "the lab does not start"
target unload >/dev/null 2>&1
ok "nothing is loaded: it says so" says 2 'no module of mydevice is loaded' target trace
ok "load" target load

hello="$lab run dom0 'head -n 1 /dev/mydevice1.0' & sleep 3; $lab run domU 'echo hello >/dev/mydevice0'; wait"
traced "$hello"
has "$(cat "$work/error")" 'hello' "the command's output is shown"
ok "a line from the guest to dom0: what sleeps, writes, sends, is interrupted and reads" in_order \
	'head: mydevice_stream_sleep' 'sh: mydevice_file_write' 'notify_remote_via_irq <- .* ->' \
	'^ *[0-9.]+ {40,}.*mydeviceback_interrupt' 'head: mydevice_copy'
traced "$hello" VIEW=msc
ok "the same as a chart that mscgen draws" sh -c "mscgen -T svg -o '$work/chart.svg' '$work/said' && grep -q mydeviceback_interrupt '$work/chart.svg'"
ok "whose arrow is an event" grep -q 'front => back \[label="event"\]' "$work/said"
traced "make -s -C $stage activate; sleep 5"
ok "a handshake: the frontend's probe, what it shares, and the state that it says then" in_order \
	'mydevicefront_remove' 'mydevicefront_probe' 'mydevicefront_share_ring' 'xenbus_switch_state <- mydevicefront' 'mydeviceback_read '
ok "the backend's probe, and the node that it writes when it has mapped all: Connected" in_order \
	'mydeviceback_remove' 'mydeviceback_probe' 'mydeviceback_map' '<- xenwatch: xenbus_printf <- mydeviceback'
has "$said" 'mydeviceback_by_address \([0-9]+ times\)' "a function that is called over and over is one line"
traced 'exit 3'
has "$(cat "$work/error")" 'failed, with status 3' "a command that fails is told with its status"
traced true
has "$(cat "$work/error")" 'no function of mydevice ran' "and one that does nothing"
is "$(nothing_is_traced)" "nop 0 nop 0" "afterwards nothing is traced in either domain"

# -- gdb -------------------------------------------------------------------------

# debugged DOMAIN LINE COMMAND...: gdb's commands in that domain, while LINE runs in it (or in the domain
# before a colon); sets said. LINE is begun where the machine goes on: on a busy processor what
# gdb does before that takes longer than a command in a domain may.
debugged() {
	domain=$1
	begin="shell (sleep 3; $lab run ${2%%:*} '${2#*:}') >/dev/null 2>&1 </dev/null &"
	shift 2
	for command in "$@" detach quit; do
		[ "$command" != continue ] || echo "$begin"
		echo "$command"
	done >"$work/commands"
	said=$(timeout 300 make -s --no-print-directory -C "$top" lab-gdb DOMAIN="$domain" GDB_ARGS="-batch -x $work/commands" 2>&1 </dev/null)
}

bound_again() { echo "cd /sys/bus/$1/drivers/$2; echo $3 >unbind; echo $3 >bind"; }

guest=$(in_domain dom0 'xl domid domU1')
debugged domU1 "domU1:$(bound_again xen mydevicefront mydevice-0)" continue 'info args' 'print dev->nodename' backtrace callers
has "$said" 'Breakpoint 1, mydevicefront_probe \(dev=0x[0-9a-f]+, id=' "the frontend's probe: gdb stops"
has "$said" 'mydevicefront.c:[0-9]+$' "and knows the line"
has "$said" '"device/mydevice/0"' "and the types, XenBus's among them"
has "$said" '^#1 .* in xenbus_dev_probe' "a backtrace has the names of the kernel's functions"
has "$said" '  0x[0-9a-f]+  .*bind_store' "callers has those that gdb cannot reach"
ok "then the domains go on" target try

debugged dom0 "dom0:$(bound_again xen-backend mydeviceback "mydevice-$guest-0")" continue 'print dev->nodename'
has "$said" 'Breakpoint 1, mydeviceback_probe' "the backend's probe: gdb stops"
has "$said" "\"backend/mydevice/$guest/0\"" "at the device that was bound"
sleep 3
ok "then the domains go on" target try

# The kernel's functions are at one address in both domains: dom0 calls this one first.
debugged domU1 "dom0:$(bound_again xen-backend mydeviceback "mydevice-$guest-0")" 'delete' 'here xenbus_switch_state' \
	continue 'print "stopped"' 'python print("in", domain, ours())' callers \
	'python this = int(gdb.parse_and_eval("(unsigned long)$pc"))' 'python print("code, no name:", ours())'
has "$said" '^in domU1 True' "a breakpoint in a function of the kernel stops in its domain alone"
has "$said" 'mydevicefront_otherend_changed|xenwatch_thread' "where the frontend answers"
has "$said" '^code, no name: False' "another domain is told apart whatever it has where the module's name is"

ok "a module that is not loaded is told" says 2 'has no module mydeviceback .*it has: mydevicefront' \
	make -s --no-print-directory -C "$top" lab-gdb DOMAIN=domU1 MODULE=mydeviceback
ok "and one that has no such module at all" says 2 'no domain|unknown domain|has no domain' \
	make -s --no-print-directory -C "$top" lab-gdb DOMAIN=domU7
sleep 3
ok "unload" target unload
ok "without a module it says what to load" says 2 'has no module of the tutorial or of yours' make -s --no-print-directory -C "$top" lab-gdb DOMAIN=dom0
"$lab" stop
done_testing
