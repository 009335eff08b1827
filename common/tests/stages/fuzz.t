#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The ring code withstands libFuzzer as its peer, and libFuzzer notices each line that is spoiled.
# It runs for FUZZ_SECONDS (default: 30, with CHECK=long 60). Then it runs again for each spoiled
# line, which is one of mydevice.h, or of the end in fuzz.c.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/common/tests/lib/tap.sh"
work=$top/.build/tests/fuzz.t
case ${CHECK-} in long) seconds=${FUZZ_SECONDS:-60} ;; *) seconds=${FUZZ_SECONDS:-30} ;; esac
case $seconds in '' | *[!0-9]* | 0*) bail_out "FUZZ_SECONDS is a number of seconds: not '$seconds'" ;; esac

# compile DIRECTORY [OPTION]: of the tree that it is.
compile() {
	clang -std=gnu11 -O1 -g -Wall -Wextra -Werror ${2:+"$2"} -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o "$1/fuzz" "$1/common/tests/stages/fuzz.c"
}

# A tree with what is needed of this one.
copy_tree() {
	mkdir -p "$1/common/tests/stages" "$1/03-shared-memory" "$1/corpus" &&
		cp "$top/common/tests/stages/fuzz.c" "$1/common/tests/stages" &&
		cp "$top/03-shared-memory/mydevice.h" "$1/03-shared-memory"
}

# fuzz DIRECTORY SECONDS
fuzz() {
	(cd "$1" && timeout $(($2 * 2 + 60)) ./fuzz -max_len=400 -max_total_time="$2" -timeout=20 \
		-print_final_stats=1 -verbosity=1 corpus >log 2>&1)
}

notices_nothing() {
	fuzz "$1" "$2" || { grep -aE 'fuzz: |ERROR|SUMMARY|runtime error|Base64' "$1/log"; return 1; }
	grep -a '^Done [1-9]' "$1/log"
}

# spoiled WHAT SCRIPT [FILE]: sed's script must change something.
spoiled() {
	tree=$work/spoiled
	rm -rf "$tree"
	copy_tree "$tree" || return 1
	file=${3-03-shared-memory/mydevice.h}
	sed -i "$2" "$tree/$file"
	! cmp -s "$tree/$file" "$top/$file" || { echo "$file has no such line any more"; return 1; }
	compile "$tree" -Wno-unused-parameter || return 1
	! fuzz "$tree" "$seconds" || { echo "nothing was noticed in $seconds s"; return 1; }
	grep -aE 'fuzz: line|ERROR: AddressSanitizer|ERROR: libFuzzer: timeout|runtime error' "$tree/log"
}

notices() {
	ok "it notices: $1" spoiled "$@"
	echo "$output" | sed -n 's/^/# /; 1p'
}

rm -rf "$work"
ok "it can be compiled" eval 'copy_tree "$work/tree" && compile "$work/tree"' || { done_testing; exit 1; }
ok "$seconds s of any peer, and of an honest one" notices_nothing "$work/tree" "$seconds"
echo "# $(grep -a '^Done ' "$work/tree/log"), coverage $(grep -ao 'cov: [0-9]*' "$work/tree/log" | tail -n 1)"

notices "any producer's index is believed" 's/if ((__u32)(prod - ring->prod) > mydevice_free(ring))/if (0)/'
notices "a producer may fill a ring twice" 's/(prod - ring->prod) > mydevice_free/(prod - ring->prod) > mydevice_size/'
notices "a producer may go backwards" 's/if ((__u32)(prod - ring->prod) > mydevice_free(ring))/if ((__s32)(prod - ring->prod) > (__s32)mydevice_free(ring))/'
notices "any consumer's index is believed" 's/if ((__u32)(cons - ring->cons) > mydevice_used(ring))/if (0)/'
notices "a consumer may take what was not produced" 's/(cons - ring->cons) > mydevice_used/(cons - ring->cons) > mydevice_size/'
notices "a refused index is kept" 's/^\tif ((__u32)(cons - ring->cons).*/\t__u32 old = ring->cons;\n\n\tring->cons = cons;\n\tif (cons - old > ring->prod - old)/'
notices "all pages are thought to follow each other" 's/if (\*len > follow)/if (0)/'
notices "a run goes on whatever follows" 's/ring->page\[i + 1\] == (char \*)ring->page\[i\] + MYDEVICE_PAGE_SIZE/ring->page[i + 1]/'
notices "a ring's end is forgotten" 's/at = index & (mydevice_size(ring) - 1);/at = index;/'
notices "an event is missed at the wrap" 's/return (__u32)(after - event) < (__u32)(after - before);/return event > before \&\& event <= after;/'
notices "a writer is woken too late" 's,return ring->prod - mydevice_size(ring) / 2;,return ring->prod;,'
notices "half of the space is asked for while somebody is in fsync" 's/in_fsync ? tx.cons + 1 : //' common/tests/stages/fuzz.c
notices "the byte before the next is asked for while somebody is in fsync" 's/in_fsync ? tx.cons + 1 :/in_fsync ? tx.cons :/' common/tests/stages/fuzz.c
notices "nobody asks in fsync if there is space" 's/if ((in_fsync || !mydevice_free(&tx)) &&/if (!mydevice_free(\&tx) \&\&/' common/tests/stages/fuzz.c
notices "what a look finds wakes nobody in fsync" 's/if (in_fsync && tx.cons != before)/if (false \&\& tx.cons != before)/' common/tests/stages/fuzz.c
notices "the producer's index is read twice" 's/mydevice_accept_prod(in, in->claim)/mydevice_accept_prod(in, READ_ONCE(theirs->prod))/'
notices "the consumer's index is read twice" 's/mydevice_accept_cons(out, out->claim)/mydevice_accept_cons(out, READ_ONCE(theirs->cons))/'
notices "the consumer is looked for in the producer's place" 's/out->claim = READ_ONCE(theirs->cons);/out->claim = READ_ONCE(theirs->prod);/'
notices "a reader asks and does not look again" 's/return mydevice_look_prod(in, theirs);/return true;/'
notices "a writer asks and does not look again" 's/return mydevice_look_cons(out, theirs);/return true;/'
notices "a reader looks again before it asks" \
	'/^\tWRITE_ONCE(mine->prod_event,/d; s/^\treturn mydevice_look_prod(in, theirs);/\tif (!mydevice_look_prod(in, theirs))\n\t\treturn false;\n\tWRITE_ONCE(mine->prod_event, in->cons + 1);\n\treturn true;/'
notices "a reader asks for the byte before the next" 's/in->cons + 1);/in->cons);/'
notices "a reader asks for the byte after the next" 's/in->cons + 1);/in->cons + 2);/'
notices "a writer asks at the wrong place" 's/WRITE_ONCE(mine->cons_event, /WRITE_ONCE(mine->prod_event, /'
notices "a producer compares with the wrong index" 's/READ_ONCE(theirs->prod_event), before/READ_ONCE(theirs->cons_event), before/'
notices "a consumer compares with the wrong index" 's/READ_ONCE(theirs->cons_event), before/READ_ONCE(theirs->prod_event), before/'
notices "a producer's move is counted from where it ends" 's/event), before, out->prod)/event), out->prod, out->prod)/'
notices "a producer publishes the consumer's index" 's/WRITE_ONCE(mine->prod, out->prod);/WRITE_ONCE(mine->prod, out->cons);/'
notices "a consumer publishes nothing" '/WRITE_ONCE(mine->cons, in->cons);/d'
notices "(P) no barrier between the index and the bytes" '/virt_rmb();/d'
notices "(P) no barrier between the bytes and the index" '/virt_wmb();/d'
notices "(C) no barrier between the index and new bytes" '/virt_mb();.*index before new bytes/d'
notices "(C) no barrier between the bytes and the index" '/virt_mb();.*(C) the bytes were read/d'
notices "(N) no barrier between a reader's wake-up index and its second look" '/bool mydevice_ask_prod(/,/^}/{/virt_mb();/d}'
notices "(N) no barrier between a writer's wake-up index and its second look" '/bool mydevice_ask_cons(/,/^}/{/virt_mb();/d}'
notices "(N) no barrier between a producer's index and the peer's wake-up index" '/bool mydevice_tell_prod(/,/^}/{/virt_mb();/d}'
notices "(N) no barrier between a consumer's index and the peer's wake-up index" '/bool mydevice_tell_cons(/,/^}/{/virt_mb();.*(N)/d}'
done_testing
