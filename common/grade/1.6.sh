# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A backend that is played by hand, in the right order and in a wrong one.

load
unbind back
until_states '6 6' >/dev/null
unbind front
bind front
until_states '1 6' >/dev/null

# after STATE WANTED: the backend says that state; prints the frontend's.
after() {
	in_dom0 "xenstore-write $back_nodes/state $1"
	[ "$2" != 1 ] || sleep 2
	until_states "$2 $1" | cut -d ' ' -f 1
}
measured "the frontend after Connected, which comes too early" "$(after 4 1)"
in_dom0 "xenstore-write $back_nodes/versions $(in_dom0 "xenstore-read $back_nodes/versions")"
measured "after InitWait" "$(after 2 3)"
measured "after Connected" "$(after 4 4)"
measured "after Closing" "$(after 5 6)"
measured "after Closed" "$(after 6 6)"
bind back
until_states '6 2' >/dev/null
unbind front
bind front
measured "the states after the module is back" "$(until_states '4 4')"
