#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A guest that is saved goes on, elsewhere or where it was, with users at both ends.

domus=1
. "$(dirname "$0")/../lib/endings.sh"

# A save that is cancelled, as a checkpoint is: the guest goes on as if nothing had been.
cancelled() {
	with_nodes "users at both ends" start_users || return
	ok "xl save -c" in_dom0 'xl save -c domU1 /tmp/save 2>&1' || return
	in_dom0 'rm /tmp/save'
	ok "the guest goes on" until_answers domU1 || return
	ok "both ends are Connected" connected || return
	with_nodes "nobody has been woken" nobody_has_ended || return
	ok "the driver is unbound" at_front unbind || return
	with_nodes "the frontend's users see what was unread, and ENODEV" users_saw front ENODEV ENODEV || return
	with_nodes "the backend's see what was unread, and the end" users_saw back eof EPIPE || return
	end_users front
	end_users back
	ok "it is bound" at_front bind || return
	ok "bytes flow" connected_and_flows || return
	ok "a save is cancelled while bytes flow, and none is lost" cancelled_in_flight || return
	ok "bytes flow" flows 300000
}

nobody_has_ended() { at_front is_waiting && at_back is_waiting; }

cancelled_in_flight() {
	flows 12000000 & flow=$!
	sleep 1
	in_dom0 'xl save -c domU1 /tmp/save 2>&1; status=$?; rm /tmp/save; exit $status' && wait $flow
}

saved() {
	ok "activated, bytes flow" activated || return
	restored && cancelled
}

test_endings saved
