#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What the calls return,
# with the debug kernel kasan in both domains: KASAN and lockdep watch.

export LAB_KERNEL=kasan FRONT=kernel BACK=kernel
. "$(dirname "$0")/conformance.sh"
back_domain=domU2
test_conformance
