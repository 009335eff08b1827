# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# With and without looking before sleeping.

load
# sleeps US: how often both ends slept while 100 pieces of 64 KiB went from the guest to dom0.
sleeps() {
	in_front "echo $1 >/sys/module/${driver}front/parameters/poll_us"
	in_back "echo $1 >/sys/module/${driver}back/parameters/poll_us"
	before=$({ in_front "cat $front_class/sleeps"; in_back "cat $back_class/sleeps"; } | awk '{ n += $1 } END { print n }')
	begun=$(date +%s%N)
	in_front "dd if=/dev/zero of=$front_file bs=64k count=100 2>/dev/null" &
	in_back "head -c 6553600 $back_file | wc -c" >"$tmp/bytes"
	wait $!
	took=$((($(date +%s%N) - begun) / 1000000))
	[ "$(cat "$tmp/bytes")" = 6553600 ] || stop "all bytes arrive with poll_us $1"
	sleeps=$(($({ in_front "cat $front_class/sleeps"; in_back "cat $back_class/sleeps"; } | awk '{ n += $1 } END { print n }') - before))
	note "poll_us $1: $took ms, with what it takes to type two commands"
}
sleeps 100
measured "sleeps at both ends with poll_us 100" $sleeps
sleeps 0
measured "sleeps with poll_us 0" $sleeps
in_front "echo 100 >/sys/module/${driver}front/parameters/poll_us"
in_back "echo 100 >/sys/module/${driver}back/parameters/poll_us"
