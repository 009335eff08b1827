# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# FIONREAD.

load
program fionread
in_back "echo hello >$back_file"
is "what FIONREAD says with 6 bytes there, and after reading 2, and all" "$(in_front "/tmp/fionread $front_file 2 4" 2>&1 | paste -sd ' ')" '6 4 0'
in_front "head -c 50000 /dev/zero >$front_file"
is "and in dom0 with 50,000 bytes there" "$(in_back "/tmp/fionread $back_file 50000" 2>&1 | paste -sd ' ')" '50000 0'
