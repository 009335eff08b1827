#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What the calls return,
# with the debug kernel dbg in both domains: lockdep, kmemleak and others watch.

export LAB_KERNEL=dbg FRONT=kernel BACK=kernel
. "$(dirname "$0")/conformance.sh"
back_domain=domU2
test_conformance
