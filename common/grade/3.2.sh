# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Events for a million bytes, with rings of several sizes.

load
# events ORDER: both ends' for a million bytes.
events() {
	in_front "echo $1 >/sys/module/${driver}front/parameters/ring_page_order"
	unbind front
	bind front
	until_states '4 4' >/dev/null
	in_front "head -c 1000000 /dev/zero >$front_file" &
	in_back "head -c 1000000 $back_file | wc -c" >"$tmp/bytes"
	wait $!
	[ "$(cat "$tmp/bytes")" = 1000000 ] || stop "a million bytes arrive with order $1"
	{ in_front "cat $front/events_sent"; in_back "cat $back/events_sent"; } | awk '{ n += $1 } END { print n }'
}
for order in 0 3 6 8; do
	events=$(events $order)
	measured "events with ring_page_order $order" "$events"
	[ $order -ne 0 ] || most=$events
	[ $order -ne 6 ] || measured "times as many with order 0 as with 6" $((most / (events > 0 ? events : 1)))
done
in_front "echo 6 >/sys/module/${driver}front/parameters/ring_page_order"
unbind front
bind front
until_states '4 4' >/dev/null
