#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The last stage works in PVH guests and on arm64, where the other tests do not run. It is loaded,
# tried and unloaded, with a process at one end, too, and nothing of it is left. arm64 is emulated, and
# what runs there is cross-compiled. platforms.t NAME... runs only these; cell() has the names.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
work=$top/.build/tests/platforms.t
. "$top/common/tests/lib/tap.sh"
. "$top/common/tests/lib/domains.sh"
export LAB_BUILD="${LAB_BUILD:-$top/.build/lab}" LAB_TIMEOUT=300
unset LAB_SUITE LAB_ARCH LAB_KERNEL LAB_GUEST LAB_XENSTORED KDIR
stage=03-shared-memory
lab=$work/tree/common/lab/lab

# Other tests use the modules that are built in the tree, for this machine's processor.
copy_tree() {
	rm -rf "$work" && mkdir -p "$work/tree" || return
	(cd "$top" && git ls-files -co --exclude-standard -z | tar --null -T - -cf -) | tar -C "$work/tree" -xf -
}

in_dom0() { "$lab" run dom0 "$1" </dev/null; }
in_domU() { "$lab" run domU "$1" </dev/null; }
target() { make -C "$work/tree/$stage" WHERE=lab "$@" </dev/null; }

no_complaint() {
	! grep -v 'module verification failed' | grep -E 'BUG|WARN|Oops|Call Trace|rcu.*stall|blocked for more|mydevice.*(fail|error|claims)'
}

# smoke NAME KIND MACHINE: with the guests that /sys/hypervisor/guest_type has as KIND.
smoke() {
	ok "$1: the lab starts" "$lab" start || return
	is "$(in_domU 'cat /sys/hypervisor/guest_type')" "$2" "$1: the domU is a guest of that kind"
	is "$(in_domU 'uname -m')" "$3" "$1: of that processor"
	start=$(printed_ledger)
	has "$start" '^grants [0-9]+ channels [1-9]' "$1: the ledger can be read: $start"
	ok "$1: load" target load || return
	isnt_start "$start" "$1: the device has grants and channels of its own"
	ok "$1: try" target try
	ok "$1: the doctor finds nothing" target doctor
	ok "$1: load, with a process as the backend" target load BACK=user
	ok "$1: try" target try BACK=user
	ok "$1: unload" target unload
	ok "$1: grants and event channels are back where they began" is_again "$start" printed_ledger
	for domain in dom0 domU; do
		ok "$1: $domain's kernel log is clean" eval "in_$domain dmesg | no_complaint"
	done
	"$lab" stop
}

isnt_start() {
	if [ "$(printed_ledger)" != "$1" ]; then pass "$2"; else fail "$2" "still $1"; fi
}

# cell NAME: what it is called in this test, what that means for the lab, what it should be.
cell() {
	unset LAB_SUITE LAB_ARCH LAB_KERNEL LAB_GUEST LAB_XENSTORED
	case $1 in
	pv) smoke "$1" PV x86_64 ;;
	pvh) export LAB_GUEST=pvh && smoke "$1" PVH x86_64 ;;
	arm64) export LAB_ARCH=arm64 && smoke "$1" HVM aarch64 ;;
	linux-*) export LAB_KERNEL="${1#linux-}" && smoke "$1" PV x86_64 ;;
	*) fail "$1: there is such a cell" ;;
	esac
}

ok "a copy of the tree" copy_tree || { done_testing; exit 1; }
if [ $# -eq 0 ]; then
	set -- arm64
	[ "$(dpkg --print-architecture)" = arm64 ] || set -- pvh "$@"
fi
for name; do cell "$name"; done
done_testing
