#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What ends a connection or a driver domain,
# with the debug kernel dbg in both domains: lockdep, kmemleak and others watch.

export LAB_KERNEL=dbg
domus=2
. "$(dirname "$0")/driver-domain.t"
