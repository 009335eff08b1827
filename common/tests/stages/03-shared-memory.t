#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Every byte arrives, in order, both ways at once, and no page of memory is lost. The test uses only
# programs that every system has. conformance.t tests what the calls on the device nodes return.

stage=03-shared-memory
. "$(dirname "$0")/../lib/stage.sh"

mib=64
device=/dev/mydevice0

# Random bytes, told to nobody: only the two checksums know them.
send() {
	"in_$1" "head -c ${mib}M /dev/urandom | tee $2 | sha256sum | cut -c 1-64" >"$work/$1.sent"
}

receive() {
	"in_$1" "head -c ${mib}M $2 | sha256sum | cut -c 1-64" >"$work/$1.received"
}

streams_both_ways() {
	receive dom0 "$back_device" & r0=$!
	receive domU "$device" & rU=$!
	send dom0 "$back_device" & s0=$!
	send domU "$device" & sU=$!
	for job in $r0 $rU $s0 $sU; do wait "$job" || return 1; done
	[ -s "$work/dom0.sent" ] && [ -s "$work/domU.sent" ] || return 1
	cmp "$work/dom0.sent" "$work/domU.received" && cmp "$work/domU.sent" "$work/dom0.received"
}

lines_cross() {
	in_domU "echo hello, dom0 >$device"
	is "$(in_dom0 "timeout 60 head -n 1 $back_device")" "hello, dom0" "a line goes from the domU to dom0"
	in_dom0 "echo hello, domU >$back_device"
	is "$(in_domU "timeout 60 head -n 1 $device")" "hello, domU" "and one from dom0 to the domU"
}

# Pages that the frontend does not take back would be missing in the domU.
keeps_no_memory() {
	in_domU 'echo 8 >/sys/module/mydevicefront/parameters/ring_page_order'
	free_before=$(in_domU 'sync; echo 3 >/proc/sys/vm/drop_caches; awk "/MemFree/ { print \$2 }" /proc/meminfo')
	for turn in 1 2 3 4 5 6 7 8; do
		rebind domU xen mydevice-0 drivers/mydevicefront/unbind
		until_state '6 6' && rebind domU xen mydevice-0 drivers/mydevicefront/bind && until_state '4 4' || return 1
	done
	is "$(in_dom0 "xenstore-read /local/domain/$guest/device/mydevice/0/out-ring-page-order")" 8 "rings of 1 MiB each way"
	in_domU 'echo 6 >/sys/module/mydevicefront/parameters/ring_page_order'
	rebind domU xen mydevice-0 drivers/mydevicefront/unbind
	until_state '6 6' && rebind domU xen mydevice-0 drivers/mydevicefront/bind && until_state '4 4' || return 1
	free_after=$(in_domU 'sync; echo 3 >/proc/sys/vm/drop_caches; awk "/MemFree/ { print \$2 }" /proc/meminfo')
	lost=$((free_before - free_after))
	ok "8 connections with 2 MiB each cost the domU no memory ($lost KiB)" test $lost -lt 4096
}

works() {
	back_device=/dev/mydevice$guest.0
	lines_cross
	unhurt
	ok "$mib MiB each way at once, the checksums are equal" streams_both_ways
	unhurt
	[ -n "${second-}" ] || keeps_no_memory
	second=y
}

test_stage
