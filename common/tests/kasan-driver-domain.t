#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What ends a connection or a driver domain,
# with the debug kernel kasan in both domains: KASAN and lockdep watch.

export LAB_KERNEL=kasan
domus=2
. "$(dirname "$0")/driver-domain.t"
