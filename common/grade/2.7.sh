# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A handler that is a thread.

load
like "a thread of the guest's kernel for the interrupt" "$(in_front 'cat /proc/[0-9]*/comm')" '^irq/[0-9]+-mydevi' "one that is called irq/NUMBER-mydevice"
is "rings that are answered, of 20" "$(rings 20)" 20
unbind front
is "the states after the frontend is unbound" "$(until_states '6 6')" '6 6'
is "such threads after that" "$(in_front 'cat /proc/[0-9]*/comm' | grep -c '^irq/.*-mydevi')" 0
bind front
is "the states after it is bound again" "$(until_states '4 4')" '4 4'
