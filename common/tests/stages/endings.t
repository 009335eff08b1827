#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# However a connection or its guest ends, all users learn of it, nothing leaks, and the next one
# works. Both ends have users.

domus=1
. "$(dirname "$0")/../lib/endings.sh"

# reconnects END: many in a row, which cost no memory.
reconnects() {
	times=$(long 5 170)
	ok "$1: unbound and bound once" "at_$1" "reconnect 1" || return
	before_front=$(at_front free_kib) before_back=$(at_back free_kib)
	ok "$1: unbound and bound $times times" "at_$1" "reconnect $times" || return
	lost_front=$((before_front - $(at_front free_kib))) lost_back=$((before_back - $(at_back free_kib)))
	ok "$1: the frontend's domain lost no memory ($lost_front KiB)" test $lost_front -lt 2048 || return
	ok "$1: nor the backend's ($lost_back KiB)" test $lost_back -lt 2048 || return
	ok "$1: bytes flow" flows 300000
}

connection() {
	ok "activated, bytes flow" activated || return
	closed_by_toolstack && unbound front back && unbound back front && reconnects front && reconnects back
}

# -- the guest ends ----------------------------------------------------------

destroyed() { in_dom0 'xl destroy domU1'; }
crashed() { at_front '(sleep 1; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &'; }
shut_down() { minute in_dom0 'xl shutdown -w domU1'; }

# leaves HOW: dom0 keeps nothing of it but nodes, which deactivate.sh removes.
leaves() {
	with_nodes "$1: users at both ends" start_users || return
	ok "$1" "$1" || return
	ok "$1: no zombie is left" is_gone domU1 || return
	backend_lets_go "$1"
}

backend_lets_go() {
	ok "$1: the backend's device and its node in /dev are gone" at_back until_no_device || return
	with_nodes "$1: the backend's users see what was unread, and the end" users_saw back eof EPIPE || return
	end_users back
	is "$(grants_of "$guest")" 0 "$1: nothing of the guest's is mapped" || return
	ok "$1: deactivate.sh works for a guest that is gone" at_dom0 deactivate || return
	is "$(in_dom0 'xenstore-ls -f | grep mydevice')" "" "$1: no node is left"
}

# Xen's list has the grants of each domain below the domain's number.
grants_of() {
	in_dom0 "xl debug-keys g; sleep 0.1; xl dmesg | awk '
		/gnttab_usage_print_all \\[/ { n = 0 }
		/grant-table for remote/ { of = \$5 }
		/\\[0x/ && of == \"d$1\" { n++ }
		END { print n + 0 }'"
}

comes_back() { restore_paused /tmp/fresh && go_on domU1; }

# To dom0 a guest that crashes or reboots is destroyed, too; and a guest that goes takes its
# directory along, which the hostile frontends do. So make check has this for the last stage,
# where most is held, and CHECK=long for all.
guest() {
	! has_nodes || devices="1 2"	# at dom0's end that is every kind of user
	ok "the guest is kept as it is without a device" keep_fresh domU1 || return
	guest=$(domid domU1)
	ok "activated, bytes flow" activated || return
	for how in destroyed crashed shut_down; do
		leaves $how || return
		ok "$how: the guest comes back" comes_back || return
		guest=$(domid domU1)
		ok "$how: activated for its new number, bytes flow" activated || return
		[ $how != shut_down ] || is "$(log_since domU1 | grep timeout)" "" "$how: nothing waited for the frontend" || return
		mark_logs "after $how"
	done
	reboots
}

reboots() {
	with_nodes "reboots: users at both ends" start_users || return
	ok "reboots: xl reboot" in_dom0 'xl reboot domU1' || return
	ok "reboots: the guest has another number" has_another_number || return
	backend_lets_go reboots || return
	guest=$(domid domU1)
	ok "reboots: the guest answers again" until_answers domU1 || return
	equip domU1 && at_front insert || return
	ok "reboots: activated anew, bytes flow" activated
}

has_another_number() {
	for try in $(seq 100); do
		number=$(domid domU1 2>/dev/null) && [ "$number" != "$guest" ] && return
		sleep 0.3
	done
	return 1
}

last_stage=$(long 03-shared-memory '')	# only that one
test_endings connection guest
