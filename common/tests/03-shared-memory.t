#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The byte stream: every byte, in order, both ways at once; what the calls on
# the device nodes return; what is left when one end closes.

stage=03-shared-memory
. "$(dirname "$0")/stage.sh"

mib=64
device=/dev/mydevice0

io_dom0() { in_dom0 "timeout 60 /tmp/io $back_device $*"; }
io_domU() { in_domU "timeout 60 /tmp/io $device $*"; }

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

# What a call returns at each end: DOMAIN OTHER.
calls() {
	is "$("io_$1" open:rwn read:10)" "read EAGAIN" "$1: nothing to read: EAGAIN"
	is "$("io_$1" open:rw poll:0)" "poll out" "$1: poll: there is space"
	is "$("io_$1" open:rw pollin:300)" "poll" "$1: poll waits for input, and in vain"
	is "$("io_$1" open:rw read:0)" "read 0" "$1: reading nothing is no end of file"
	"io_$2" open:w write:abcdef >/dev/null
	is "$("io_$1" open:rwn poll:0 read:4 read:4 read:4 | paste -sd ,)" \
		"poll in out,read 4 abcd,read 2 ef,read EAGAIN" "$1: partial reads"
	size=$("io_$1" open:wn fill:3000000 | cut -d ' ' -f 2)
	is "$size" 262144 "$1: a non-blocking write takes what fits in the ring"
	is "$("io_$1" open:rwn poll:0 write:x | paste -sd ,)" "poll,write EAGAIN" "$1: a full ring: EAGAIN, and poll says no"
	is "$("in_$2" "head -c $size $3 | wc -c")" "$size" "$2 reads it all"
	is "$("io_$1" open:rwn poll:1000)" "poll out" "$1: and then there is space again"
}

# A reader that waits is woken by a writer that comes later, and by poll.
blocks() {
	"io_$1" open:r read:5 >"$work/blocked" & blocked=$!
	"io_$1" open:r sleep:1 >/dev/null
	"io_$2" open:w write:later >/dev/null
	wait $blocked
	is "$(cat "$work/blocked")" "read 5 later" "$1: a blocked reader gets what is written later"
	"io_$1" open:r pollin:30000 read:5 >"$work/blocked" & blocked=$!
	"io_$1" open:r sleep:1 >/dev/null
	"io_$2" open:w write:again >/dev/null
	wait $blocked
	is "$(paste -sd , "$work/blocked")" "poll in,read 5 again" "$1: so does one that polls"
	"io_$1" open:w fill:1000000 >"$work/blocked" & blocked=$!
	is "$("in_$2" "head -c 1000000 $3 | wc -c")" 1000000 "$2 reads more than a ring"
	wait $blocked
	is "$(cat "$work/blocked")" "write 1000000" "$1: a blocking write returns when all is written"
}

# The peer of DOMAIN closes while a reader waits, and while bytes are unread.
end_of_file() {
	"io_$1" open:rw read:3 read:9 read:9 write:x poll:0 >"$work/blocked" & blocked=$!
	"io_$1" open:r sleep:1 >/dev/null
	"io_$2" open:w write:abc >/dev/null
	sleep 1
	rebind "$2" "$3" "$4" "drivers/$5/unbind"
	wait $blocked
	is "$(paste -sd , "$work/blocked")" "read 3 abc,read 0,read 0,write EPIPE,poll in out hup" \
		"$1: end of file and EPIPE when the peer closes"
	rebind "$2" "$3" "$4" "drivers/$5/bind"
	until_state '4 4' >/dev/null
	"io_$1" open:r sleep:3000 read:9 read:9 >"$work/blocked" & blocked=$!
	"io_$2" open:w write:last >/dev/null
	sleep 1
	rebind "$2" "$3" "$4" "drivers/$5/unbind"
	wait $blocked
	is "$(paste -sd , "$work/blocked")" "read 4 last,read 0" "$1: what was unread comes before the end of file"
	is "$("io_$1" open:r)" "open ENOTCONN" "$1: no connection: ENOTCONN"
	rebind "$2" "$3" "$4" "drivers/$5/bind"
	ok "both ends are Connected again" until_state '4 4'
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
	"$lab" put dom0 "$work/io" /tmp
	"$lab" put domU "$work/io" /tmp
	lines_cross
	unhurt
	ok "$mib MiB each way at once, the checksums are equal" streams_both_ways
	unhurt
	calls domU dom0 "$back_device"
	unhurt
	calls dom0 domU "$device"
	unhurt
	blocks domU dom0 "$back_device"
	unhurt
	blocks dom0 domU "$device"
	unhurt
	end_of_file dom0 domU xen mydevice-0 mydevicefront
	unhurt
	end_of_file domU dom0 xen-backend "mydevice-$guest-0" mydeviceback
	[ -n "${second-}" ] || keeps_no_memory
	second=y
}

work=$top/.build/tests
"$top/common/tests/build" io || bail_out "the test program cannot be compiled"
test_stage
