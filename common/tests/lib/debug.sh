# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What the tests do more where the domUs have a debug kernel (LAB_KERNEL; lab help):
# modules are built for that, and its checkers are asked.

debugging() { case ${LAB_KERNEL-} in dbg | kasan | kcsan) ;; *) return 1 ;; esac; }

# build_for_debug DIRECTORY FILE...: a module from these, in a directory of its own.
build_for_debug() {
	into=$1
	shift
	kernel=$("$top/common/lab/kernels/build" "$LAB_KERNEL") || return
	rm -rf "$into"
	mkdir -p "$into" && cp "$@" "$into" &&
		make -s -C "$kernel" M="$into" modules >"$into/log" 2>&1 || { cat "$into/log" 2>/dev/null; return 1; }
}

# modules_of STAGE: where its modules are that fit the domUs' kernel.
modules_of() { if debugging; then echo "$work/modules/$1"; else echo "$top/$1"; fi; }

# build_modules STAGE...: as for make load, which does not ask Kbuild where nothing is to be built.
build_modules() {
	for one_stage; do
		debugging || { make -s -C "$top/$one_stage" built WHERE=lab >/dev/null 2>&1 || return; continue; }
		build_for_debug "$work/modules/$one_stage" "$top/$one_stage"/Kbuild "$top/$one_stage"/mydevice*.[ch] || return
		rm -f "$work/modules/$one_stage"/mydevicepeer*.c "$work/modules/$one_stage"/mydevicebus.*
	done
}

# -- the checkers ------------------------------------------------------------

# Some of them count what is lost only when they are asked.
kmemleak=/sys/kernel/debug/kmemleak

# leaks DOMAIN: prints what nothing points to any more. An object must be 5 s old, and be
# found twice, for a pointer may be on its way from one place to another.
leaks() {
	"$lab" run "$1" "[ ! -e $kmemleak ] || { sleep 6; echo scan >$kmemleak; sleep 1; echo scan >$kmemleak; cat $kmemleak; }" </dev/null
}

# What every one of the checkers begins its report with.
reports='BUG|WARN|Oops|Call Trace|UBSAN|KASAN|KFENCE|ODEBUG|pagealloc|blocked for more|suspicious RCU|possible|inconsistent|sleeping function|unreferenced|corruption|general protection'

# A report of lockdep's is its last: what came after one would not be seen. Where a process
# has mapped pages it is asleep, see without_gntdev: a test says so with mapped_in=DOMAIN.
checkers_are_awake() {
	if has_lockdep; then awake="grep -Eq '^ *debug_locks: +1' /proc/lockdep_stats"
	else awake='grep -q "^enabled: 1" /sys/kernel/debug/kcsan'; fi
	for domain; do
		[ "$domain" != "${mapped_in-}" ] || continue
		"$lab" run "$domain" "$awake" </dev/null || { echo "a checker is off in $domain: $awake"; return 1; }
	done
}

# watched_in DOMAIN: how many accesses KCSAN has watched there so far.
watched_in() { "$lab" run "$1" "awk '/^setup_watchpoints/ { print \$2 }' /sys/kernel/debug/kcsan" </dev/null; }

# The kernel kcsan has nothing but KCSAN.
has_lockdep() { [ "$LAB_KERNEL" != kcsan ]; }

checkers_are_silent() { checkers_are_awake "$@" && nothing_leaked "$@"; }

nothing_leaked() {
	for domain; do
		lost=$(leaks "$domain") && [ -z "$lost" ] || { echo "$domain:"; printf '%s\n' "$lost"; return 1; }
	done
}

# A log without what lockdep says of gntdev's own locks as soon as a process maps a page:
# the ioctl copies to user space with a lock held that mmap takes inside of mmap_lock.
without_gntdev() {
	awk '/possible circular locking/ { report = "\n" }
		report == "" { print; next }
		{ report = report $0 "\n" }
		/<\/TASK>/ { if (report !~ /at: gntdev_mmap/) printf "%s", report; report = "" }
		END { printf "%s", report }'
}
