# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What the lab of a test is made of: sets what common/parts/platform.sh does. A test sets top.

platforms=$top/common/platforms
. "$top/common/parts/platform.sh"
choose_platform || bail_out "$unknown"
