#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Hostile frontends, against the backend's module,
# with the debug kernel dbg in both domains: lockdep, kmemleak and others watch.

export LAB_KERNEL=dbg
. "$(dirname "$0")/hostile.sh"
domus=2 back_domain=domU2
test_hostile front
