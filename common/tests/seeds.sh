# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Is every checker of a debug kernel awake? Each is shown a bug that it must report,
# from common/tests/debug/seeds.c. A test calls test_seeds with NAME:WHAT IT SAYS...

. "$(dirname "$0")/stage.sh"

# Without a bug there must be no report, or the rest shows nothing.
nothing_is_reported() {
	plant "$1" none
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

# Lockdep says one thing about locks, and no more, and nothing once memory was found to be
# corrupt. So its seeds come first, and each has a domain of its own.
test_seeds() {
	build_for_debug "$work/seeds" "$top/common/tests/debug/Kbuild" "$top/common/tests/debug/seeds.c" ||
		bail_out "the seeds do not build"
	strip --strip-debug "$work/seeds/seeds.ko"
	"$lab" reset 2 || bail_out "the lab does not start"
	for domain in domU1 domU2; do
		"$lab" put $domain "$work/seeds/seeds.ko" /tmp
		ok "$domain: the seeds are loaded" "$lab" run $domain 'insmod /tmp/seeds.ko'
		ok "$domain: no bug, no report" nothing_is_reported $domain
		ok "$domain: lockdep is awake" checkers_are_awake $domain
	done
	reported domU1 rcu 'WARNING: suspicious RCU usage'
	reported domU1 order 'WARNING: possible circular locking dependency detected'
	reported domU2 interrupt 'WARNING: inconsistent lock state'
	ok "domU2: then lockdep is off, and that is seen" eval '! checkers_are_awake domU2'
	for seed; do reported domU1 "${seed%%:*}" "${seed#*:}"; done
	done_testing
}
