# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A handler that sleeps.

load
mark=$(in_front "cut -d ' ' -f 1 /proc/uptime")
LAB_TIMEOUT=20 in_back "echo 1 >$back/notify"
sleep 3
said=$("$lab" printed domU 400 | sed 's/^ *//' | awk -v since="$mark" '{ time = $0; sub(/^\[ */, "", time) } time + 0 > since + 0')
like "the guest's kernel says" "$said" 'scheduling while atomic' "BUG: scheduling while atomic"
printf '%s\n' "$said" | grep -E 'BUG|bad:|Oops|panic|Call Trace|mydevicefront_interrupt' | head -n 8 | sed 's/^/# /'
if LAB_TIMEOUT=20 in_front true 2>/dev/null; then note "the guest goes on"; else note "the guest does not answer any more"; fi
note "Before anything else, type: make lab-reset"
