#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A reader who types the commands of all posts and reference pages sees what the pages show. The
# test types them from first to last, the posts before the reference pages, beginning in a fresh
# lab.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/common/tests/lib/tap.sh"
cd "$top" || exit

# What a reader makes there, or a run that was cut off.
rm -rf /tmp/myclock
common/lab/lab reset 1 || bail_out "the lab does not start"
pages=$(printf '%s\n' docs/*.md | sed 's/\.md$//' | LC_ALL=C sort | sed 's/$/.md/')
# shellcheck disable=SC2086 # a page a word
names=$(sed -n 's/^<!-- \(transcript\|trace\) name="\([a-z0-9-]*\)".*/\2/p' $pages)
for name in $names; do
	ok "$name" docs/tools/play --check "$name"
done
is "$(printf '%s\n' "$names" | sort | uniq -d)" "" "no transcript is shown twice: its commands would be typed twice"
is "$(cd docs/transcripts && printf '%s\n' *.txt)" "$(printf '%s\n' "$names" | sed 's/$/.txt/' | LC_ALL=C sort)" "no transcript is left over"
done_testing
