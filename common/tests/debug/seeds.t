#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Each checker of a debug kernel reports the bug that seeds.c has for it. Otherwise the silence of a
# checker would mean nothing. LAB_KERNEL is dbg, kasan or kcsan.

. "$(dirname "$0")/../lib/stage.sh"

# Without a bug there must be no report, or the rest shows nothing.
nothing_is_reported() {
	plant "$1" "$2"
	printf '%s\n' "$said"
	[ "$planted" -eq 0 ] && ! printf '%s\n' "$said" | grep -Eq "$reports" && [ -z "$(leaks "$1")" ]
}

# plant DOMAIN BUG: sets said, and whether the kernel knew the bug.
plant() {
	mark="seed $2 $$"
	"$lab" run "$1" "echo '$mark' >/dev/kmsg; echo $2 >/sys/module/seeds/parameters/bug" </dev/null
	planted=$?
	said=$("$lab" run "$1" "dmesg | sed '1,/$mark/d'" </dev/null)
}

# reported DOMAIN BUG PATTERN
reported() {
	plant "$1" "$2"
	[ "$2" != leak ] || said=$(leaks "$1")
	has "$said" "$3" "$2: $3"
}

# A line: the kernels that have the checker; the bug; what the report says.
seeds() {
	cat <<-'SEEDS'
		kcsan|race|BUG: KCSAN: data-race in (count_up|seed_race) .*/ (count_up|seed_race)
		kcsan|barrier|BUG: KCSAN: data-race in (receive|send|seed_barrier) .*/ (receive|send|seed_barrier)
		dbg kasan|sleep|BUG: sleeping function called from invalid context
		dbg|leak|seed_leak
		dbg|use-after-free|BUG seeds .*: Poison overwritten
		kasan|use-after-free|BUG: KASAN: .*use-after-free in seed_use_after_free
		dbg|overflow|BUG kmalloc-.*: .*[Rr]edzone overwritten
		kasan|overflow|BUG: KASAN: slab-out-of-bounds in seed_overflow
		dbg|double-free|BUG kmalloc-.*: Object already free
		kasan|double-free|BUG: KASAN: double-free
		kasan|vmalloc|BUG: KASAN: vmalloc-out-of-bounds in seed_vmalloc
		dbg|page|pagealloc: memory corruption
		kasan|page|BUG: KASAN: use-after-free in seed_page
		dbg|sampled|BUG: KFENCE: use-after-free read in seed_sampled
		dbg kasan|index|UBSAN: array-index-out-of-bounds in .*seeds\.c
		dbg kasan|shift|UBSAN: shift-out-of-bounds in .*seeds\.c
		dbg|timer|ODEBUG: free active .*object type: timer_list
		dbg|work|ODEBUG: free active .*object type: work_struct
	SEEDS
}

debugging || bail_out "LAB_KERNEL is dbg, kasan or kcsan: common/check dbg-seeds kasan-seeds kcsan-seeds"
build_for_debug "$work/seeds" "$top/common/tests/debug/Kbuild" "$top/common/tests/debug/seeds.c" ||
	bail_out "the seeds do not build"
without_debug "$work/seeds/seeds.ko"
"$lab" reset 2 || bail_out "the lab does not start"
for domain in domU1 domU2; do
	"$lab" put $domain "$work/seeds/seeds.ko" /tmp
	ok "$domain: the seeds are loaded" "$lab" run $domain 'insmod /tmp/seeds.ko'
	# No lock is in what these seeds do, so accesses may move (common/lab/parts/kernels.sh).
	[ "$LAB_KERNEL" != kcsan ] || "$lab" run $domain 'echo Y >/sys/module/kcsan/parameters/weak_memory' </dev/null
	ok "$domain: no bug, no report" nothing_is_reported $domain none
	ok "$domain: two processors in order, no report" nothing_is_reported $domain ordered
	ok "$domain: the checkers are awake" checkers_are_awake $domain
done

# Lockdep says one thing about locks and is silent from then on, or once memory was found to be
# corrupt. Its seeds come first, therefore, each in a domain of its own.
if has_lockdep; then
	reported domU1 rcu 'WARNING: suspicious RCU usage'
	reported domU1 order 'WARNING: possible circular locking dependency detected'
	reported domU2 interrupt 'WARNING: inconsistent lock state'
	ok "domU2: then lockdep is off, and that is seen" eval '! checkers_are_awake domU2'
else
	"$lab" run domU2 'echo off >/sys/kernel/debug/kcsan' </dev/null
	ok "domU2: when KCSAN is off, that is seen" eval '! checkers_are_awake domU2'
fi
seeds >"$work/list"
while IFS='|' read -r kernel seed pattern; do
	case " $kernel " in *" $LAB_KERNEL "*) reported domU1 "$seed" "$pattern" </dev/null ;; esac
done <"$work/list"
done_testing
