#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The models: the notification protocol with Spin (model/notify.pml), and the ring code
# with CBMC (model/*-proof.c). Each must find nothing wrong in what there is, and something
# in each thing that is left out or spoiled. CHECK=long goes further.

top=$(cd "$(dirname "$0")/../.." && pwd -P)
. "$top/common/tests/tap.sh"
model=$top/common/tests/model
stage=$top/03-shared-memory
work=$top/.build/tests/model.t

# -- the notification protocol ------------------------------------------------

# build_checker NAME OPTION...: compiles the model, as $work/NAME/pan. Processes in the
# other order: it finds most traces sooner.
build_checker() {
	mkdir -p "$work/$1" && cd "$work/$1" || return 1
	shift
	spin -a "$model/notify.pml" || return 1
	[ -e pan.c ] || return 1
	gcc -O1 -w -DCOLLAPSE -DP_REVERSE -DVECTORSZ=2048 "$@" -o pan pan.c
}

# explore CHECKER SETTING=VALUE...: all that can happen. The model itself says in what
# way it may end, so Spin does not (-E).
explore() {
	checker=$work/$1
	shift
	set -- BYTES=3 "$@"
	cd "$checker" || return 1
	rm -f ./*.trail
	options=-E
	[ "${checker##*/}" != circles ] || options='-E -l'
	# shellcheck disable=SC2086 # words
	env "$@" timeout 1200 ./pan $options -m20000 -w20 >log 2>&1 </dev/null
	grep -q '^State-vector .* errors: [01]$' log || { cat log; return 1; }
}

# found CHECKER: how much was explored, for the log.
found() {
	sed -n 's/^ *\([0-9]*\) states, stored.*/\1 states/p' "$work/$1/log" | head -n 1
}

# The settings and steps of the trace that was found.
story() {
	env BYTES=3 "$@" ./pan -S 2>/dev/null | grep -E '^(writer|reader|fsync|memory): '
}

finds_nothing() {
	explore "$@" || return 1
	# "errors: 0" is also said of a search that was cut short.
	! grep -E 'max search depth too small|out of memory|Search not completed' log || return 1
	grep -q ' errors: 0$' log || {
		grep '^pan:1: ' log
		shift
		story "$@"
		return 1
	}
}

finds_a_trace() {
	explore "$@" || return 1
	grep -E '^pan:1: (assertion violated|non-progress cycle)' log ||
		{ echo "it finds nothing in $(found "${checker##*/}")"; return 1; }
}

# right WHAT CHECKER [SETTING=VALUE...]
right() {
	what=$1
	shift
	ok "the protocol: $what" finds_nothing "$@" && echo "# $(found "$1")"
}

# NAME|NUMBER|SETTINGS|WHAT for each removal, as the model lists them.
removals() {
	sed -n 's,^#define \([A-Z_]*\)[[:space:]]*\([0-9]*\)[[:space:]]*/\* \([^|]*\) | \(.*\) \*/$,\1|\2|\3|\4,p' \
		"$model/notify.pml"
}

# A removal that the model never asks about would be found by nobody.
removals_are_used() {
	removals | cut -d '|' -f 1 >"$work/removals"
	[ "$(wc -l <"$work/removals")" -ge 23 ] || { echo "the list is too short"; return 1; }
	while read -r name; do
		grep -qE "without [!=]= $name\>" "$model/notify.pml" || { echo "$name is not used"; return 1; }
	done <"$work/removals"
}

left_out() {
	removals >"$work/removals"
	while IFS='|' read -r name number settings what; do
		checker=searches
		case $settings in CIRCLES=1*) checker=circles settings=${settings#CIRCLES=1} ;; esac
		# shellcheck disable=SC2086 # words
		ok "left out: $what" finds_a_trace $checker "WITHOUT=$number" $settings
		echo "# $name: $(found $checker)"
	done <"$work/removals"
}

# -- the kernel's memory model --------------------------------------------------

# herd7 explores the litmus tests under it. Debian 12 does not have herd7.
litmus() {
	if ! command -v herd7 >/dev/null; then
		pass "the litmus tests # SKIP herd7 is not installed"
		return
	fi
	tar -C "$work" --strip-components=2 -xf /usr/src/linux-source-6.1.tar.xz linux-source-6.1/tools/memory-model ||
		bail_out "the kernel's memory model cannot be unpacked"
	for test in "$model"/*.litmus; do
		ok "litmus: ${test##*/}" as_it_says "$test"
	done
}

as_it_says() {
	(cd "$work/memory-model" && herd7 -conf linux-kernel.cfg "$1") >"$work/herd.log" 2>&1 || { cat "$work/herd.log"; return 1; }
	grep "^Observation [^ ]* $(sed -n 's/^ \* Result: //p' "$1") " "$work/herd.log" || { cat "$work/herd.log"; return 1; }
}

# -- the barriers of the sources, and those of the models -----------------------

# FUNCTION BARRIER (LETTER) for each barrier of a source, without the file's prefix.
barriers() {
	awk '/^[a-z].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
			sub(/^mydevice(front|back)_/, "", name) }
		/^\tvirt_[a-z]*\(|^\t\tvirt_[a-z]*\(/ {
			barrier = $1; sub(/\(.*/, "", barrier)
			letter = match($0, /\([A-Z]\)/) ? substr($0, RSTART, 3) : "without a letter"
			print name, barrier, letter }' "$@" | sort -u
}

# Those that the models name.
named() {
	sed -n 's,.*barrier: \([a-z_]*\) \(virt_[a-z]*\) \(([A-Z])\).*,\1 \2 \3,p' "$@" | sort -u
}

rings_have() {
	barriers "$stage/mydevicefront.c" >"$work/front"
	barriers "$stage/mydeviceback.c" >"$work/back"
	barriers "$stage"/mydevicefront.c "$stage"/mydeviceback.c "$stage/mydevicepeer.c" >"$work/code"
	named "$model/notify.pml" >"$work/model"
	[ "$(wc -l <"$work/code")" -ge 8 ] || { echo "the sources have too few barriers"; return 1; }
	diff -u "$work/front" "$work/back" && diff -u "$work/code" "$work/model"
}

# Each letter of the sources in the protocol's table, and each of the table in the sources.
letters_agree() {
	grep -o '([A-Z])$' "$work/code" | tr -d '()' | sort -u >"$work/letters"
	sed -n 's/^| \([A-Z]\) |.*/\1/p' "$top/docs/protocol.md" | sort -u | diff -u "$work/letters" - || return 1
	for letter in $(cat "$work/letters"); do
		grep -q "^ \* .*($letter) " "$stage/mydevice.h" || { echo "mydevice.h does not say what $letter is"; return 1; }
		[ -n "$(ls "$model"/"$letter"-*.litmus 2>/dev/null)" ] || { echo "no litmus test for $letter"; return 1; }
	done
}

# -- main -----------------------------------------------------------------------

rm -rf "$work"
mkdir -p "$work"
ok "the barriers and their letters are those of the sources" rings_have
ok "the letters are those of the protocol" letters_agree
ok "Spin reads the model" build_checker searches -DSAFETY || { done_testing; exit 1; }
ok "and once more, to look for circles" build_checker circles -DNP
ok "all that can be left out is in the model" removals_are_used

right "nobody is left asleep, x86" searches
right "nobody is left asleep, weaker memory" searches WEAK=1
right "a reader that stops" searches STOPS=1
right "edges of epoll" searches EDGE=1
right "edges of epoll, weaker memory" searches EDGE=1 WEAK=1
right "a reader that dies" searches DIES=1
right "one in fsync" searches FSYNCS=1 BYTES=2 STOPS=1
right "one in fsync, weaker memory" searches FSYNCS=1 BYTES=2 STOPS=1 WEAK=1
right "one in fsync, and a reader that dies" searches FSYNCS=1 BYTES=2 DIES=1
right "nothing goes round in circles" circles
right "nothing goes round in circles, one in fsync" circles FSYNCS=1 BYTES=2 STOPS=1
if [ "${CHECK-}" = long ]; then
	right "another byte, x86" searches BYTES=4
	right "another byte, weaker memory" searches BYTES=4 WEAK=1
	right "one in fsync and another byte" searches FSYNCS=1 STOPS=1
	right "two in fsync" searches FSYNCS=2 BYTES=2 STOPS=1
fi
left_out
litmus

done_testing
