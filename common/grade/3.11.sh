# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A nineteenth step.

top=$(cd "$answers/../.." && pwd -P)
steps=$(cd "$top" && common/series list | wc -l)
between "steps in docs/series" "$steps" 19 ''
[ "$failed" -eq 0 ] || finish
said=$(cd "$top" && common/series check 2>&1) || stop "the last step is the stage (common/series check)" "$said"
pass "common/series check" "$said"
like "the message of step $steps" "$(cd "$top" && common/series message "$steps")" '^Try-dom[0U]: ' "a line that begins with Try-domU: or Try-dom0:"
load STEP="$steps"
said=$(target try STEP="$steps" 2>&1) && pass "make try STEP=$steps" "$(printf '%s\n' "$said" | tail -n 1)" ||
	stop "make try STEP=$steps" "$said"
