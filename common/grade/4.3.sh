# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A backend that answers twice.

load
in_front "cat $front/rtc/rtc*/since_epoch" >/dev/null 2>&1
sleep 1
like "the guest's kernel says" "$(said front)" 'broke the protocol: it answers what nobody asked' "the backend broke the protocol"
like "the next reader gets" "$(in_front "cat $front/rtc/rtc*/since_epoch 2>&1")" 'I/O error|Input/output error' "an I/O error"
bind_again() { unbind front; bind front; }
bind_again
is "the states after the frontend was bound again" "$(until_states '4 4')" '4 4'
