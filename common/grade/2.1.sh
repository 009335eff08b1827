# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A hundred round trips.

load
in_front 'rm -f /tmp/round-trips'
measured "rings that were answered, of 100" "$(rings 100 keep)"
in_front 'sort -n /tmp/round-trips' >"$tmp/times"
smallest=$(head -n 1 "$tmp/times") largest=$(tail -n 1 "$tmp/times")
note "in ns: smallest $smallest, median $(sed -n 50p "$tmp/times"), largest $largest"
measured "the smallest, in microseconds" $((smallest / 1000))
measured "the largest is so many times the smallest" $((largest / smallest))
