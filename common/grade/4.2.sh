# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Another operation: how long has dom0 been up?

load
there=$(in_back "cut -d . -f 1 /proc/uptime")
said=$(in_front "cat $front/uptime 2>&1")
between "the attribute uptime in the guest, in seconds (dom0 has been up for $there)" "$said" "$((there - 5))" $((there + 60))
clock=$(in_front "cat $front/rtc/rtc*/since_epoch 2>&1")
now=$(in_back 'date +%s')
between "the clock still tells the time" "$clock" $((now - 60)) $((now + 60))
is "the states" "$(until_states '4 4')" '4 4'
