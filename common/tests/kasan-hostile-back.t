#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Hostile backends, against the frontend's module,
# with the debug kernel kasan in both domains: KASAN and lockdep watch.

export LAB_KERNEL=kasan
. "$(dirname "$0")/hostile.sh"
domus=2 back_domain=domU2
test_hostile back
