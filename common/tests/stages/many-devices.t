#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Sixteen devices in one guest, and those of several guests, each move their own bytes and no
# others.

. "$(dirname "$0")/../lib/endings.sh"
domus=$(long 3 8)

devices_of() {
	if [ "$1" = 1 ] || [ "${CHECK-}" = long ]; then seq 0 15 | paste -sd ' '; else echo 0 1; fi
}

# each FUNCTION ARG...: for every guest, all at once.
each() {
	jobs=
	for n in $(seq "$domus"); do
		(front_domain=domU$n devices=$(devices_of "$n"); guest=$(domid "domU$n"); "$@") & jobs="$jobs $!"
	done
	failed=0
	for job in $jobs; do wait "$job" || failed=1; done
	return $failed
}

guests() { for n in $(seq "$domus"); do echo "domU$n"; done; }

# shellcheck disable=SC2046 # one word a guest
together() {
	mark_logs together
	start=$(ledger)
	ok "$stage: it begins with $start" at_dom0 insert || return
	ok "the frontends are loaded" each at_front insert || return
	ok "the devices are activated" each at_dom0 activate || return
	ok "all are Connected" each connected || return
	ok "bytes flow through each" each flows 300000 || return
	ok "all are removed, none by force" each at_dom0 deactivate || return
	ok "the frontends' devices are gone" each at_front 'until_no_device && rmmod $module' || return
	ok "the backends', too" each at_dom0 until_no_device || return
	ok "the backend is removed" at_dom0 'rmmod $module' || return
	is "$(in_dom0 'xenstore-ls -f | grep mydevice')" "" "no node is left in XenStore" || return
	ok "grants and event channels are back where they began" ledger_is_back "$start" || return
	ok "the kernels' logs are clean" logs_are_clean dom0 $(guests)
}

# All stages make and remove devices alike; what many of them move is the last's.
stages=$(long 03-shared-memory "$stages")
# Instead of endings.sh's: together() has them, for all guests.
begin() { :; }
# Instead of endings.sh's, too.
finish() { :; }
test_endings together
