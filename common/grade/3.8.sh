# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A message for each write.

load
# A stage that has no messages would wait for more bytes. The file is opened below timeout, because
# BusyBox's leaves a process behind for a second, with all files that it had.
in_front "cd /tmp; printf abc >$front_file; printf defgh >$front_file
	head -c 10000 /dev/zero | tr '\\0' m >ten; dd if=ten of=$front_file bs=10000 count=1 2>/dev/null"
is "the lengths of three reads, after writes of 3, 5 and 10,000 bytes" "$(in_back "timeout 90 sh -c 'exec 3<$back_file
	for i in 1 2 3; do dd bs=65536 count=1 <&3 2>/dev/null | wc -c; done'" | paste -sd ' ')" '3 5 10000'
[ "$failed" -eq 0 ] || finish
is "a message from dom0" "$(in_back "printf 'hello, guest' >$back_file"; in_front "timeout 30 dd bs=65536 count=1 <$front_file 2>/dev/null")" 'hello, guest'
in_front "printf 'too long' >$front_file"
is "a read with space for 2 bytes of 8, and one with space for all" "$(in_back "timeout 60 sh -c 'exec 3<$back_file
	dd bs=2 count=1 <&3 2>/dev/null || echo fails; dd bs=64 count=1 <&3 2>/dev/null'" | paste -sd ' ')" 'fails too long'
is "a write that no ring can hold" "$(in_front "timeout 30 dd if=/dev/zero of=$front_file bs=262144 count=1 2>/dev/null && echo is taken || echo fails")" fails
# Messages that fill the ring several times.
in_front "for i in \$(seq 30); do cat /tmp/ten; done | timeout 100 dd of=$front_file bs=10000 iflag=fullblock 2>/dev/null" &
is "30 messages of 10,000 bytes: how many have that length" "$(in_back "timeout 300 sh -c 'exec 3<$back_file
	for i in \$(seq 30); do dd bs=65536 count=1 <&3 2>/dev/null | wc -c; done'" | grep -cx 10000)" 30
wait $!
