# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A message in XenStore, and what the backend's log makes of a bad one.

load
message=$(in_dom0 "xenstore-read $front_nodes/message 2>/dev/null")
if [ -z "$message" ]; then
	fail "the node message in the frontend's directory" "" "a text"
	finish
fi
pass "the node message in the frontend's directory" "$message"
if said back | grep -qF -e "$message"; then
	pass "the backend's log has it" yes
else
	fail "the backend's log has it" "$(said back | tail -n 2)" "a line with '$message'"
fi

# A frontend that is played by hand: a line feed, what looks like a line of its own, and 1,500 letters.
unbind front
until_states '6 6' >/dev/null
in_front "xenstore-write device/$driver/0/state 1"
until_states '1 2' >/dev/null
version=$(in_dom0 "xenstore-read $back_nodes/versions" | sed 's/.*,//')
in_front "xenstore-write device/$driver/0/version $version device/$driver/0/message \"\$(
		printf 'first\\nlie: not from the driver\\n'; head -c 1500 /dev/zero | tr '\\0' Z)\" device/$driver/0/state 3"
is "the states after a message with line feeds and 1,500 letters" "$(until_states '3 4')" '3 4'
log=$(log_of back)
is "lines of dom0's log that the message made" "$(printf '%s\n' "$log" | grep -c '\] *lie:')" 0
between "letters of the message in dom0's log" "$(printf '%s\n' "$log" | tr -cd Z | wc -c)" 0 64
in_front "xenstore-write device/$driver/0/state 6"
bind front
is "the states after an honest frontend is back" "$(until_states '4 4')" '4 4'
