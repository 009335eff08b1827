# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Domains of the lab, for tests that have little else in common. A test sets lab.

in_domain() { "$lab" run "$1" "$2" </dev/null; }

# without_debug FILE...: modules or programs, whatever processor they are for.
without_debug() {
	prefix=$("$lab" cross)
	"${prefix##* }strip" --strip-debug "$@"
}

# until_answers DOMAIN. A guest that was restored knows nothing of what has been said since on the
# lab's connection: the first command may be lost with that.
until_answers() {
	for try in 1 2 3 4 5 6 7 8 9; do
		! LAB_TIMEOUT=60 in_domain "$1" true >/dev/null 2>&1 || return 0
		sleep 1
	done
	echo "$1 does not answer"
	return 1
}

# Grants and event channels of all domains, as Xen itself prints them: there is no lsevtchn
# on Arm. What was printed before is in Xen's log, too: each kind is counted from its last title on.
printed_ledger() {
	in_domain dom0 'xl debug-keys g; xl debug-keys e; sleep 0.5
		xl dmesg | awk "
			/gnttab_usage_print_all \\[/ { grants = 0 }
			/ \\[0x/ { grants++ }
			/dumping event-channel info/ { channels = 0 }
			/ [0-9]+ \\[[01]\\/[01]\\// { channels++ }
			END { print \"grants\", grants + 0, \"channels\", channels + 0 }"'
}
