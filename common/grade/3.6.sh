# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A writer that is woken for each byte that becomes free.

load
in_front "setsid head -c 400000 /dev/zero >$front_file 2>/dev/null </dev/null &
	for try in \$(seq 100); do [ \$(cat $front_class/sleeps) = 0 ] || break; usleep 100000; done"
before=$(in_front "cat $front/events_received")
in_back "exec 3<$back_file
	for i in 1 2 3 4 5 6 7 8; do dd bs=4096 count=1 <&3 >/dev/null 2>&1; sleep 0.5; done"
received=$(($(in_front "cat $front/events_received") - before))
between "events that the full writer gets for 8 reads of 4 KiB" $received 6 16
in_front "killall head"
