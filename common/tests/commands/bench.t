#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# make bench measures every cell of its tables, each once, and refuses what it cannot measure. Only
# make check-long has the time.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/common/tests/lib/tap.sh"
work=$top/.build/tests/bench.t
rm -rf "$work"
mkdir -p "$work" || exit
unset CELLS SLICE REPEAT LAB_GUEST LAB_ARCH

bench() { make -s --no-print-directory -C "$top" bench "$@" 2>&1 </dev/null; }

# figures TITLE: the rows of that table, without the rule.
figures() { printf '%s\n' "$said" | sed -n "/^## $1/,/^\$/d; /^## $1/,/^## /p" | grep '^| [^ ]' | sed 1d; }

ok "a cell that there is not" says 2 "CELLS has words from: .*not 'x'" bench CELLS=x
ok "a slice that is no number" says 2 'SLICE is a number of microseconds' bench SLICE=-1
ok "a kind of guest that there is not" says 2 'LAB_GUEST is pv or pvh' bench LAB_GUEST=hvm
ok "a processor that there is not" says 2 'LAB_ARCH amd64 or arm64: not .x' bench LAB_ARCH=x

said=$(bench CELLS='core poll orders devices connect' REPEAT=1)
is $? 0 "all is measured once" || printf '%s\n' "$said" | tail -n 20 | sed 's/^/# /'
for title in Blocking Spinning 'Ring sizes' Devices Connecting Goals; do
	has "$(figures "$title")" '[0-9]' "there are figures: $title"
done
is "$(printf '%s\n' "$said" | grep -c 'FAILED\|not measured')" 0 "none is missing"
for plot in sizes orders roundtrips scaling connect; do
	ok "a plot: $plot" grep -q '<svg' "$top/.build/bench/pv/$plot.svg"
done
done_testing
