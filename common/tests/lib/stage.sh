# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of the stages share: the life of a device, whatever it can do.
# A test sets stage, defines the function works, and calls test_stage.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
lab=$top/common/lab/lab
work=$top/.build/tests/${TEST_NAME:-$(basename "$0")}
mkdir -p "$work" || exit
export work LAB_TIMEOUT="${LAB_TIMEOUT:-300}"

. "$top/common/tests/lib/tap.sh"
. "$top/common/tests/lib/debug.sh"
. "$top/common/tests/lib/domains.sh"

front=/sys/bus/xen/devices/mydevice-0

in_dom0() { "$lab" run dom0 "$1" </dev/null; }
in_domU() { "$lab" run domU "$1" </dev/null; }

# The two ends, wherever they are: a test may have its backend in a driver domain.
# A debug kernel watches over guests alone.
front_domain=domU1 back_domain=dom0 backend=0
! debugging || back_domain=domU2
in_front() { "$lab" run "$front_domain" "$1" </dev/null; }
in_back() { "$lab" run "$back_domain" "$1" </dev/null; }

# For Kbuild, where the domains have another processor.
cross=$("$lab" cross)
[ -z "$cross" ] || export ARCH="${cross% *}" CROSS_COMPILE="${cross#* }"

# sanitized_peer STAGE: its mydevicepeer, under the sanitizers, for make load.
sanitized_peer() {
	export MYDEVICEPEER="$work/mydevicepeer"
	"$top/common/tests/build" --sanitize "$1/mydevicepeer" && without_debug "$MYDEVICEPEER"
}

target() { make --no-print-directory -C "$top/$stage" "$1"; }

# "make load" puts the backend into dom0; into a driver domain it goes by hand.
load() {
	[ "$back_domain" != dom0 ] || { target load; return; }
	build_modules "$stage" && insert "$back_domain" mydeviceback && insert "$front_domain" mydevicefront &&
		run_script activate.sh && until_state '4 4'
}

unload() {
	[ "$back_domain" != dom0 ] || { target unload; return; }
	run_script deactivate.sh && in_front 'rmmod mydevicefront' && in_back 'rmmod mydeviceback'
}

insert() {
	"$lab" put "$1" "$(modules_of "$stage")/$2.ko" /tmp && "$lab" run "$1" "insmod /tmp/$2.ko && rm /tmp/$2.ko" </dev/null
}

# On Arm Xen cannot save a guest, and its xl has no such command (tools/xl/xl_cmdtable.c).
can_save() { in_dom0 'xl help' | grep -q '^ save '; }

# run_script SCRIPT [OPTION...]
run_script() {
	script=$1
	shift
	"$lab" run dom0 sh -s -- --backend "$backend" "$@" "$guest" <"$top/$stage/$script"
}

# -- an end that may be a process --------------------------------------------

# As for make load.
FRONT=${FRONT-kernel} BACK=${BACK-kernel}

# An END is front or back, or the domain that it is in, dom0 or domU.
is_back() { case $1 in back | dom0) ;; *) return 1 ;; esac; }

# process END: is it one?
process() { [ "$(if is_back "$1"; then echo "$BACK"; else echo "$FRONT"; fi)" = user ]; }

# What its node in /dev is called, or its directory in /run.
name() { if is_back "$1"; then echo "mydevice$guest.0"; else echo mydevice0; fi; }

command_of() {
	if is_back "$1"; then echo "/tmp/mydevicepeer --backend $guest"
	else echo "/tmp/mydevicepeer --frontend ${front_options-}"; fi
}

stop_process() {
	"in_$1" "pid=\$(cat /run/$(name "$1")/pid) && kill \$pid && while [ -e /proc/\$pid/exe ]; do usleep 10000; done"
}

# -- what is watched over a whole round --------------------------------------

# Grants that are mapped and event channels that are there, in both domains.
# shellcheck disable=SC2016 # it is for dom0's shell
ledger_in_dom0='xl debug-keys g; sleep 0.1
	xl dmesg | awk "/gnttab_usage_print_all \\[/ { n = 0 } / \\[0x/ { n++ } END { print \"grants\", n + 0 }"
	xl list | awk "NR > 1 { print \$1, \$2 }" | sort | while read -r name d; do
		echo channels of $name: $(lsevtchn $d | wc -l); done'
ledger() { in_dom0 "$ledger_in_dom0" | paste -sd ' '; }

ledger_is_back() { is_again "$1" ledger; }

mark_logs() {
	mark="tests: $stage round $1 $$"
	in_front "echo '$mark' >/dev/kmsg"
	in_back "echo '$mark' >/dev/kmsg"
}

log_since() { "in_$1" "dmesg | sed '1,/$mark/d'"; }

log_is_clean() { log_since "$1" | no_complaint; }

# Of what is read; it prints those that there are.
no_complaint() {
	! grep -v 'module verification failed' | grep -E 'BUG|WARN|Oops|Call Trace|rcu.*stall|blocked for more|general protection|[Uu]nexpected|possible|g\.e\.|deferring|mydevice.*(fail|error|claims)'
}

# -- the steps ---------------------------------------------------------------

state_of() {
	in_dom0 "xenstore-read /local/domain/$guest/device/mydevice/0/state /local/domain/$backend/backend/mydevice/$guest/0/state 2>&1 | paste -sd ' '"
}

# until_state WANTED: frontend's and backend's state by number, within 60 s.
until_state() {
	in_dom0 "for try in \$(seq 300); do
			states=\$(xenstore-read /local/domain/$guest/device/mydevice/0/state /local/domain/$backend/backend/mydevice/$guest/0/state 2>&1 | paste -sd ' ')
			[ \"\$states\" != '$1' ] || exit 0
			sleep 0.2
		done
		echo waited 60 s for the states $1 and saw \$states
		exit 1" && return
	for end_of in back front; do
		echo "the log of the ${end_of}end's domain ends with"
		"in_$end_of" 'dmesg | tail -n 10'
	done
	return 1
}

rebind() {
	"in_$1" "echo $3 >/sys/bus/$2/$4"
}

says_hello() {
	log=$(log_since dom0)
	has "$log" 'mydeviceback: Hello World!' "dom0: hello when the module is loaded"
	has "$log" "mydeviceback mydevice-$guest-0: Probe called. We are good to go." "dom0: probe is called"
	log=$(log_since domU)
	has "$log" 'mydevicefront: Hello World!' "domU: hello when the module is loaded"
	has "$log" 'mydevicefront mydevice-0: Probe called. We are good to go.' "domU: probe is called"
}

# set_permissions PATH PERMISSIONS: in the domU; prints XenStore's answer. The message
# (XS_SET_PERMS is 14) is written by hand, because xenstore-chmod leaves a transaction
# open when it is refused, and Linux 6.1 then counts one user of XenStore too few: the
# guest could never be saved again.
set_permissions() {
	length=$(printf %03o $((${#1} + ${#2} + 2)))
	in_domU "exec 3<>/dev/xen/xenbus
		printf '\\16\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\$length\\0\\0\\0$1\\0$2\\0' >&3
		dd bs=4096 count=1 <&3 2>/dev/null | tail -c +17 | tr -d '\\0'"
}

# The guest may read the backend's directory and write nothing in it.
guest_cannot_write() {
	back_dir=/local/domain/0/backend/mydevice/$guest/0
	before=$(in_dom0 "xenstore-ls -p $back_dir")
	is "$(in_domU "xenstore-read $back_dir/state
		for node in state online frontend new-node; do xenstore-write $back_dir/\$node 6 && echo \$node is written; done
		xenstore-rm $back_dir/state && echo state is removed
		echo that is all" 2>/dev/null)" "4
that is all" "the guest reads the backend's state, cannot write state, online, frontend or a new node, nor remove a node"
	is "$(set_permissions "$back_dir" "b$guest")" EACCES "the guest cannot change their permissions"
	is "$(in_dom0 "xenstore-ls -p $back_dir")" "$before" "the backend's directory is as it was"
}

# Either end leaves first and comes back; the other follows.
closes_in_either_order() {
	ok "the frontend is unbound" rebind domU xen mydevice-0 drivers/mydevicefront/unbind
	ok "both ends go to Closed" until_state '6 6'
	ok "the frontend is bound" rebind domU xen mydevice-0 drivers/mydevicefront/bind
	ok "both ends are Connected again" until_state '4 4'
	ok "the backend is unbound" rebind dom0 xen-backend "mydevice-$guest-0" drivers/mydeviceback/unbind
	ok "both ends go to Closed" until_state '6 6'
	ok "the backend is bound" rebind dom0 xen-backend "mydevice-$guest-0" drivers/mydeviceback/bind
	ok "both ends are Connected again" until_state '4 4'
}

# Whether the device is Connected or Closed already.
unloads_without_force() {
	said=$(unload 2>&1) || { echo "$said"; return 1; }
	! echo "$said" | grep force
}

says_goodbye() {
	log=$(log_since dom0)
	has "$log" "mydeviceback mydevice-$guest-0: Goodbye" "dom0: the device says goodbye"
	has "$log" 'mydeviceback: Goodbye World!' "dom0: the module says goodbye"
	log=$(log_since domU)
	has "$log" 'mydevicefront mydevice-0: Goodbye' "domU: the device says goodbye"
	has "$log" 'mydevicefront: Goodbye World!' "domU: the module says goodbye"
}

nothing_left() {
	is "$(in_dom0 'xenstore-ls -f | grep mydevice')" "" "no node is left in XenStore"
	for end in back front; do
		is "$("in_$end" 'lsmod | grep ^mydevice; ls /dev | grep mydevice')" "" "no module is left at the $end end, and no device"
	done
}

one_round() {
	mark_logs "$1"
	start=$(ledger)
	has "$start" 'grants [0-9]+ channels of Domain-0: [1-9][0-9]* channels of .*: [1-9]' "round $1: the ledger can be read: $start"
	ok "make load" target load
	unhurt
	is "$(state_of)" "4 4" "both ends are Connected"
	says_hello
	works
	unhurt
	guest_cannot_write
	unhurt
	closes_in_either_order
	unhurt
	works
	unhurt
	[ "$1" = 1 ] || ok "the backend is unbound once more" \
		rebind dom0 xen-backend "mydevice-$guest-0" drivers/mydeviceback/unbind
	ok "make unload, nothing by force" unloads_without_force
	says_goodbye
	nothing_left
	ok "grants and event channels are back where they began" ledger_is_back "$start"
	ok "dom0's kernel log is clean" log_is_clean dom0
	ok "the domU's kernel log is clean" log_is_clean domU
}

# What hangs in one place hangs in many, and each would be waited for.
unhurt() {
	[ "$tests_failed" -gt 0 ] || return 0
	echo "# the rest of this test is left out"
	unload >/dev/null 2>&1
	done_testing
	exit 1
}

test_stage() {
	"$lab" start || bail_out "the lab does not start"
	guest=$(in_dom0 'xl domid domU1') || bail_out "dom0 does not answer"
	target unload >/dev/null 2>&1
	one_round 1
	one_round 2
	done_testing
}
