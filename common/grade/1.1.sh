# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Does the frontend's probe say something else now?

began=$(date +%s)
load
note "the cycle of editing and trying took $(($(date +%s) - began)) s"
greeting=$(said front | sed -n "s/^${driver}front $driver-0: //p" | grep -vE '^(Closed|Goodbye|Connected)' | head -n 1)
case $greeting in
'' | 'Probe called. We are good to go.') fail "what the frontend says in probe" "$greeting" "another text" ;;
*) pass "what the frontend says in probe" "$greeting" ;;
esac
is "the states of both ends" "$(until_states '4 4')" '4 4'
