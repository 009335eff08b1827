# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A frontend that calls every event spurious.

load
tracing=/sys/kernel/tracing
# What the driver says at the end of each interrupt is seen where it says so, as trace sees the rest.
irq=$(in_front "awk '\$NF == \"$driver-0\" { sub(/:/, \"\"); print \$1 }' /proc/interrupts")
is_number "$irq" || stop "the frontend has an interrupt"
in_front "[ -e $tracing/trace ] || mount -t tracefs none $tracing
	cd $tracing && echo 'p:grade_eoi xen_irq_lateeoi irq=\$arg1:u32 flags=\$arg2:u32' >>kprobe_events &&
	echo 1 >events/kprobes/grade_eoi/enable" || stop "the guest's kernel can be traced"
in_back "echo 0 >$back/answer; for i in 1 2 3 4 5; do echo 1 >$back/notify; usleep 200000; done; echo 1 >$back/answer"
in_front "cd $tracing; grep ' irq=$irq ' trace; echo 0 >events/kprobes/grade_eoi/enable
	echo '-:kprobes/grade_eoi' >>kprobe_events; echo >trace" >"$tmp/ends"
between "ends of an interrupt that say XEN_EOI_FLAG_SPURIOUS" "$(grep -c 'flags=1$' "$tmp/ends")" 1 5
is "ends that say nothing" "$(grep -c 'flags=0$' "$tmp/ends")" 0
before=$(in_front "cat $front/events_received")
in_back "echo 0 >$back/answer; dd if=/dev/zero of=$back/notify bs=1 count=20000 2>/dev/null; echo 1 >$back/answer"
note "of 20,000 rings by dd the frontend counts $(($(in_front "cat $front/events_received") - before))"
