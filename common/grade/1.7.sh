# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# The backend's directory is removed under a connected pair.

load
in_dom0 "xenstore-rm $back_nodes"
measured "the frontend's and the backend's state" "$(until_states '6 gone')"
measured "devices on dom0's bus" "$(in_back "ls /sys/bus/xen-backend/devices | grep -c '^$driver-$guest-0$'")"
unbind front
bind front 2>/dev/null
measured "the states after the frontend is bound again" "$(until_states '5 gone')"
target activate >"$tmp/activate" 2>&1 || stop "make activate" "$(cat "$tmp/activate")"
measured "the states after make activate" "$(until_states '4 4')"
