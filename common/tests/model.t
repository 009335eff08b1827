#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The models: the notification protocol with Spin (model/notify.pml), and the ring code
# with CBMC (model/*-proof.c). Each must find nothing wrong in what there is, and something
# in each thing that is left out or spoiled. CHECK=long goes further.

top=$(cd "$(dirname "$0")/../.." && pwd -P)
. "$top/common/tests/tap.sh"
. "$top/common/tests/unpacked.sh"
model=$top/common/tests/model
stage=$top/03-shared-memory
work=$top/.build/tests/model.t
cbmc=$top/.build/cbmc
export LAB_MIRROR="${LAB_MIRROR:-}"

# -- the notification protocol ------------------------------------------------

# build_checker NAME OPTION...: compiles the model, as $work/NAME/pan. Processes in the
# other order: it finds most traces sooner.
build_checker() {
	mkdir -p "$work/$1" && cd "$work/$1" || return 1
	shift
	spin -a "$@" "$model/notify.pml" || return 1
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
	[ "$(wc -l <"$work/removals")" -ge 22 ] || { echo "the list is too short"; return 1; }
	while read -r name; do
		grep -qE "without [!=]= $name\>" "$model/notify.pml" || { echo "$name is not used"; return 1; }
	done <"$work/removals"
}

left_out() {
	removals >"$work/removals"
	while IFS='|' read -r name number settings what; do
		checker=searches
		case $settings in
		CIRCLES=1*) checker=circles settings=${settings#CIRCLES=1} ;;
		ROUND=1*) checker=round settings=${settings#ROUND=1} ;;
		esac
		# shellcheck disable=SC2086 # words
		ok "left out: $what" finds_a_trace $checker "WITHOUT=$number" $settings
		echo "# $name: $(found $checker)"
	done <"$work/removals"
}

# -- the ring code ---------------------------------------------------------------

# CBMC is not in Debian 12, but in the next Debian, with the libraries that it wants.
fetch_cbmc() {
	unpacked "$cbmc" trixie 'echo cbmc minisat libc6 libgcc-s1 libstdc++6 zlib1g' 'in_cbmc cbmc --version' \
		"CBMC is in Debian 13, trixie"
}

in_cbmc() {
	program=$1
	shift
	"$cbmc/debian/usr/lib64/ld-linux-x86-64.so.2" \
		--library-path "$cbmc/debian/usr/lib/x86_64-linux-gnu:$cbmc/debian/usr/lib" \
		"$cbmc/debian/usr/bin/$program" "$@"
}

# A tree with what the proofs need of this one: DIRECTORY [SED-SCRIPT [FILE]], of which the
# script must change the file.
copy_tree() {
	rm -rf "$1"
	mkdir -p "$1/common/tests/model" "$1/03-shared-memory"
	cp "$model"/*-proof.c "$1/common/tests/model"
	cp "$stage"/mydevice*.[ch] "$1/03-shared-memory"
	[ $# -gt 1 ] || return 0
	file=03-shared-memory/${3-mydevice.h}
	sed -i "$2" "$1/$file"
	! cmp -s "$1/$file" "$top/$file" || { echo "$file has no such line any more"; return 1; }
}

# take_functions: those of the stream that touch what is shared, and what they work on.
# What the other end may write is volatile, also in mydevice.h.
take_functions() {
	awk '
		BEGIN {	n = split("wake_readers wake_writers event tell break readable why_empty take ask_cons " \
				"writable why_full put unsynced synced", names, " ")
			for (i = 1; i <= n; i++) wanted["mydevice_stream_" names[i]] = 1 }
		$0 == "struct mydevice_stream {" { on = 1 }
		/^static .*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name); on = name in wanted
			taken += on }
		on { print }
		/^}/ { on = 0 }
		END { exit taken != n }' mydevicestream.c >end.c &&
		sed -i 's/struct mydevice_end \*/volatile &/' end.c mydevice.h
}

# prove PROOF [TREE]: a prove_* of ring-proof.c or end-proof.c. "VERIFICATION SUCCESSFUL".
#
# The loops of take and put go round once: each turn begins with a ring and a length that
# a first turn may begin with, and moves at least a byte, so one is as good as all. Other
# loops must end within the bound, whatever the peer does.
prove() {
	tree=${2-$work/tree}
	bound='--unwind 3'
	case $1 in
	find_runs) bound='--unwind 9' ;;
	take | put) bound='--unwind 3 --unwindset mydevice_stream_take.0:1,mydevice_stream_put.0:1 --no-unwinding-assertions' ;;
	esac
	cd "$tree" || return 1
	# One size of a ring is soon done; all sizes take longer.
	orders='-DFIRST_ORDER=5 -DLAST_ORDER=5'
	[ "${CHECK-}" != long ] || orders=
	if grep -q "^void prove_$1(" common/tests/model/end-proof.c; then
		# shellcheck disable=SC2086 # words
		rm -rf shared && cp -r 03-shared-memory shared && (cd shared && take_functions) &&
			in_cbmc goto-cc -std=gnu11 $orders -Ishared -o plain.goto common/tests/model/end-proof.c &&
			in_cbmc goto-instrument --nondet-volatile plain.goto proof.goto || return 1
	else
		in_cbmc goto-cc -std=gnu11 -o proof.goto common/tests/model/ring-proof.c || return 1
	fi
	# shellcheck disable=SC2086 # words
	in_cbmc cbmc proof.goto --function "prove_$1" --no-malloc-may-fail --drop-unused-functions \
		--slice-formula $bound >proof.log 2>&1 && grep '^VERIFICATION SUCCESSFUL' proof.log && return
	grep -E ': FAILURE$|^VERIFICATION|rror|not handle' proof.log
	return 1
}

# Only a proof that fails on its merits refutes anything.
refute() {
	copy_tree "$work/spoiled" "$2" "${3-mydevice.h}" || return 1
	! prove "$1" "$work/spoiled" || { echo "it is proven nevertheless"; return 1; }
	grep -q '^VERIFICATION FAILED' "$work/spoiled/proof.log"
}

proofs() {
	sed -n 's/^void prove_\([a-z_]*\)(void)$/\1/p' "$model/$1"
}

proven() {
	for proof in $(proofs ring-proof.c); do
		ok "proven for all indices and sizes: $proof" prove "$proof"
	done
	for proof in $(proofs end-proof.c); do
		[ "$proof" != synced ] || [ "${CHECK-}" = long ] || continue	# half a minute
		ok "proven whatever the peer writes: $proof" prove "$proof"
	done
}

# refuted PROOF WHAT SCRIPT [FILE]
refuted() {
	what=$2
	ok "not proven any more: $what" refute "$1" "$3" ${4:+"$4"}
}

spoiled() {
	refuted accept_prod "any producer's index is believed" \
		's/if ((__u32)(prod - ring->prod) > mydevice_free(ring))/if (0)/'
	refuted accept_prod "a producer may be one byte too far" \
		's/(prod - ring->prod) > mydevice_free(ring)/(prod - ring->prod) > mydevice_free(ring) + 1/'
	refuted accept_prod "a full ring's producer is refused" \
		's/(prod - ring->prod) > mydevice_free(ring)/(prod - ring->prod) >= mydevice_free(ring)/'
	refuted accept_cons "a consumer may go backwards" \
		's/if ((__u32)(cons - ring->cons) > mydevice_used/if ((__s32)(cons - ring->cons) > (__s32)mydevice_used/'
	refuted at "all pages are thought to follow each other" 's/if (\*len > follow)/if (0)/'
	refuted at "a run is thought to begin with its first page's first byte" 's/ \* MYDEVICE_PAGE_SIZE - in_page;/ * MYDEVICE_PAGE_SIZE;/'
	refuted find_runs "a run goes on whatever follows" 's/ring->page\[i + 1\] == (char/ring->page[i + 1] >= (char/'
	refuted at "an index is not reduced" 's/__u32 at = index & (mydevice_size(ring) - 1);/__u32 at = index;/'
	refuted passed "an event is missed at the wrap" \
		's/return (__u32)(after - event) < (__u32)(after - before);/return event > before \&\& event <= after;/'
	refuted space_event "a writer is woken too late" 's,return ring->prod - mydevice_size(ring) / 2;,return ring->prod;,'
	refuted reached "reached is not a matter of distance" \
		's/return (__u32)(index - ring->cons - 1) >= mydevice_used(ring);/return ring->cons >= index;/'
	refuted reached "an index of 2 GiB ago is thought to come" \
		's/return (__u32)(index - ring->cons - 1) >= mydevice_used(ring);/return (__s32)(ring->cons - index) >= 0;/'
	refuted moved "back and forth is a move each time" 's/if (before <= size \&\& ahead <= before)/if (ahead == before)/'
	refuted moved "a claim that cannot be is a move" 's/if (ahead > size)/if (0)/'
	refuted first "an index that is reached still counts" \
		's/if (!mydevice_reached(ring, maybe) \&\& maybe - /if (maybe - /'
	refuted share "more than there can be is waited for" 's,quarter = mydevice_size(ring) / 4,quarter = mydevice_size(ring) * 2,'
	refuted look_prod "the producer's index is read twice" \
		'/mydevice_look_prod(/,/^}/s/^\tvirt_rmb();.*/\tin->prod = READ_ONCE(theirs->prod);/'
	refuted writable "a refused consumer's index breaks nothing" \
		's/^\t\tmydevice_stream_break(stream, "consumer", tx->claim);/\t\treturn false;/' mydevicestream.c
	refuted event "the interrupt believes what it reads" \
		's/^\tbool moved = readable || writable;/\tbool moved = (stream->rx.prod = prod, readable || writable);/' mydevicestream.c
	refuted take "more is copied than there is" \
		's/len = min_t(size_t, mydevice_used(rx), iov_iter_count(to));/len = iov_iter_count(to);/' mydevicestream.c
	refuted put "a ring's length is what the other end says" \
		's/len = min_t(size_t, mydevice_free(tx), iov_iter_count(from));/len = stream->theirs->cons - tx->prod;/' mydevicestream.c
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
			sub(/^mydevice(front|back)?_/, "", name) }
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
	barriers "$stage"/mydevicefront.c "$stage"/mydeviceback.c "$stage/mydevicestream.c" >"$work/modules"
	[ ! -s "$work/modules" ] || { echo "these belong in mydevice.h"; cat "$work/modules"; return 1; }
	barriers "$stage/mydevice.h" "$stage/mydevicepeer.c" >"$work/code"
	named "$model/notify.pml" >"$work/model"
	[ "$(wc -l <"$work/code")" -ge 8 ] || { echo "the sources have too few barriers"; return 1; }
	diff -u "$work/code" "$work/model"
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
ok "and with indices that come round between two interrupts" build_checker round -DSAFETY -DMODULUS=4 -DFIRST=3
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
	right "indices that come round" round BYTES=4
	right "another byte, x86" searches BYTES=4
	right "another byte, weaker memory" searches BYTES=4 WEAK=1
	right "one in fsync and another byte" searches FSYNCS=1 STOPS=1
	right "two in fsync" searches FSYNCS=2 BYTES=2 STOPS=1
fi
left_out
litmus

if ok "CBMC can be fetched" fetch_cbmc; then
	copy_tree "$work/tree"
	proven
	spoiled
fi

done_testing
