#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The backend works in a guest of its own, a driver domain, as it does in dom0.

. "$(dirname "$0")/../lib/endings.sh"
if debugging; then domus=2; else domus=3; fi
back_domain=domU2

# To the earlier stages it is the same, with less that could go wrong.
stages=$(long 03-shared-memory "$stages")

refused() { "$1" "! $2 2>&1" >/dev/null; }

# Each end may write what is its own, and nothing of the other's.
keep_to_their_own() {
	front_dir=/local/domain/$guest/device/mydevice/0
	back_dir=/local/domain/$backend/backend/mydevice/$guest/0
	before=$(in_dom0 "xenstore-ls -p $front_dir; xenstore-ls -p $back_dir")
	for node in state online new-node; do
		ok "the guest cannot write the backend's $node" refused at_front "xenstore-write $back_dir/$node 6" || return
		ok "the backend cannot write the frontend's $node" refused at_back "xenstore-write $front_dir/$node 6" || return
	done
	is "$(in_dom0 "xenstore-ls -p $front_dir; xenstore-ls -p $back_dir")" "$before" "both directories are as they were"
}

connection() {
	ok "activated, bytes flow" activated || return
	keep_to_their_own && closed_by_toolstack && unbound front back && unbound back front
}

# The backend's directory goes with its domain: XenStore removes it, and the frontend sees
# that. deactivate.sh removes the rest.
destroyed() {
	ok "the driver domain is kept as it is without a device" keep_fresh domU2 || return
	backend=$(domid domU2)
	ok "activated, bytes flow" activated || return
	with_nodes "users at both ends" start_users || return
	ok "the driver domain is destroyed" in_dom0 'xl destroy domU2' || return
	with_nodes "the frontend's users see what was unread, and the end" users_saw front eof EPIPE || return
	end_users front
	ok "the frontend is Closed" at_dom0 "wait_for 60 fronts_are_closed" || return
	ok "deactivate.sh removes what is left" at_dom0 deactivate || return
	ok "the frontend's device is gone" at_front until_no_device || return
	ok "no zombie is left" is_gone domU2 || return
	ok "the driver domain comes back" comes_back || return
	backend=$(domid domU2)
	ok "activated for its new number, bytes flow" activated
}

comes_back() { restore_paused /tmp/fresh && go_on domU2; }

# A process plays either end wherever it is, a frontend in dom0 included.
processes() {
	has_nodes || return 0
	"$top/common/tests/build" --sanitize "$stage/mydevicepeer" || return
	for domain in dom0 domU1 domU2; do "$lab" put $domain "$work/mydevicepeer" /tmp || return; done
	ok "the modules are removed" at_front 'rmmod $module' || return
	ok "the modules are removed" at_back 'rmmod $module' || return
	between domU1 domU2 && between dom0 domU1
	at_front insert && at_back insert
	devices=
}

# between FRONTEND-DOMAIN BACKEND-DOMAIN: a line each way.
between() {
	ends="frontend in $1, backend in $2"
	set -- "$1" "$2" "$(domid_of "$1")" "$(domid_of "$2")"
	ok "$ends: activated" in_dom0 "sh /tmp/kit/$stage/activate.sh --backend $4 $3" || return
	speak "$1" --frontend && speak "$2" "--backend $3"
	is "$(heard "$1")" "from $2" "$ends: the frontend hears the backend"
	is "$(heard "$2")" "from $1" "$ends: and the backend the frontend"
	ok "$ends: the device is removed, not by force" in_dom0 "said=\$(sh /tmp/kit/$stage/deactivate.sh --backend $4 $3 2>&1) && [ -z \"\$said\" ]"
	for domain in "$1" "$2"; do
		has "$(in_domain "$domain" 'for try in $(seq 100); do pidof mydevicepeer >/dev/null || break; usleep 100000; done; pidof mydevicepeer; tail -n 1 /tmp/said')" \
			'^mydevicepeer: .*Goodbye\.$' "$ends: the process in $domain has left"
	done
}

speak() { in_domain "$1" "echo from $1 >/tmp/word; setsid /tmp/mydevicepeer $2 </tmp/word >/tmp/heard 2>/tmp/said &"; }
heard() { in_domain "$1" 'for try in $(seq 600); do [ ! -s /tmp/heard ] || break; usleep 100000; done; cat /tmp/heard'; }

# Lockdep reports an order of locks in Linux's own gntdev, which processes map with, and says
# nothing more after that.
# shellcheck disable=SC2046 # a word, or none
test_endings connection $(debugging || echo processes) destroyed
