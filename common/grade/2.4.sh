# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A handler that sleeps.

load
begun=$(in_front "cut -d ' ' -f 1 /proc/uptime")
LAB_TIMEOUT=20 in_back "echo 1 >$back/notify"
sleep 3
# From the guest's console, because the guest may be unable to say it itself.
said=$("$lab" printed domU 400 | awk -v since="$begun" '
	match($0, /\[ *[0-9]+\.[0-9]+\]/) && substr($0, RSTART + 1) + 0 > since + 0 { print substr($0, RSTART) }')
like "the guest's kernel says" "$said" 'scheduling while atomic' "BUG: scheduling while atomic"
note "$(printf '%s\n' "$said" | grep -c .) lines in three seconds, the last: $(printf '%s\n' "$said" | tail -n 1)"
if LAB_TIMEOUT=20 in_front true 2>/dev/null; then note "the guest goes on"; else note "the guest does not answer any more"; fi
[ "$failed" -gt 0 ] || note "Before anything else, type: make lab-reset"
