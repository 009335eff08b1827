# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A backend that never unbinds.

load
looked_at() { in_dom0 "lsevtchn 0 | wc -l; grep -c '$driver-$guest-0' /proc/interrupts" | paste -sd ' '; }
before=$(looked_at)
for turn in 1 2 3 4 5; do
	unbind front
	until_states '6 6' >/dev/null
	bind front
	[ "$(until_states '4 4')" = '4 4' ] || stop "both ends reconnect, time $turn of 5"
done
after=$(looked_at)
between "event channels that dom0 has more after 5 reconnections" $((${after% *} - ${before% *})) 5 ''
between "lines that /proc/interrupts has more" $((${after#* } - ${before#* })) 5 ''
[ "${after% *}" = "${before% *}" ] || note "Before anything else, type: make lab-reset"
