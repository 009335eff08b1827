# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Version 2 between new ends, version 1 with an old one at either side.

load
is "the version that two new ends choose" "$(in_dom0 "xenstore-read $front_nodes/version")" 2
[ "$failed" -eq 0 ] || finish

# An old frontend, then one that speaks what nobody does, played by hand.
# frontend_of VERSION: the states that follow.
frontend_of() {
	in_front "xenstore-write device/$driver/0/state 1"
	until_states '1 2' >/dev/null
	in_front "xenstore-write device/$driver/0/version $1 device/$driver/0/state 3"
	until_states "3 $2"
	in_front "xenstore-write device/$driver/0/state 6"
}
unbind front
until_states '6 6' >/dev/null
is "the states with an old frontend (version 1)" "$(frontend_of 1 4)" '3 4'
is "the states with a frontend of version 3" "$(frontend_of 3 5)" '3 5'
unbind back
bind back
bind front
until_states '4 4' >/dev/null

# An old backend.
unbind back
until_states '6 6' >/dev/null
unbind front
bind front
in_dom0 "xenstore-write $back_nodes/versions 1 $back_nodes/state 2"
is "the states with an old backend (versions 1)" "$(until_states '3 2')" '3 2'
is "the version that the frontend chooses then" "$(in_dom0 "xenstore-read $front_nodes/version")" 1
bind back
is "the states after the new backend is back" "$(until_states '4 4')" '4 4'
