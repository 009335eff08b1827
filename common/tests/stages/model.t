#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Spin finds no fault in the notification protocol, and CBMC none in the ring code. The models are
# model/notify.pml and model/*-proof.c. Each must also find the fault in variants in which something
# is left out or spoiled: in all of them with CHECK=long, which also explores further, otherwise in
# one of each kind.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/common/tests/lib/tap.sh"
. "$top/common/tests/lib/platform.sh"
. "$top/common/tests/lib/unpacked.sh"
model=$top/common/tests/stages/model
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
	[ "$(wc -l <"$work/removals")" -ge 29 ] || { echo "the list is too short"; return 1; }
	while read -r name; do
		grep -qE "without [!=]= $name\>" "$model/notify.pml" || { echo "$name is not used"; return 1; }
	done <"$work/removals"
}

# first_of_a_kind KIND: of which no other was tried. With CHECK=long all are.
tried=
first_of_a_kind() {
	[ "${CHECK-}" != long ] || return 0
	case $tried in *" $1 "*) return 1 ;; esac
	tried="$tried $1 "
}

left_out() {
	removals >"$work/removals"
	while IFS='|' read -r name number settings what; do
		checker=searches
		case $settings in
		CIRCLES=1*) checker=circles settings=${settings#CIRCLES=1} ;;
		ROUND=1*) checker=round settings=${settings#ROUND=1} ;;
		esac
		first_of_a_kind $checker || continue
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
	"$cbmc/debian/usr/$loader" \
		--library-path "$cbmc/debian/usr/lib/$gnu:$cbmc/debian/usr/lib" \
		"$cbmc/debian/usr/bin/$program" "$@"
}

# A tree with what the proofs need of this one: DIRECTORY [SED-SCRIPT [FILE]], of which the
# script must change the file.
copy_tree() {
	rm -rf "$1"
	mkdir -p "$1/common/tests/stages/model" "$1/03-shared-memory"
	cp "$model"/*-proof.c "$1/common/tests/stages/model"
	cp "$stage"/mydevice*.[ch] "$1/03-shared-memory"
	[ $# -gt 1 ] || return 0
	file=03-shared-memory/${3-mydevice.h}
	sed -i "$2" "$1/$file"
	! cmp -s "$1/$file" "$top/$file" || { echo "$file has no such line any more"; return 1; }
}

# The pointers to what the peer may write become volatile.
make_volatile() {
	sed 's/struct mydevice_end \*/volatile &/g' "$@"
}

# take_functions FILE: those of the stream that touch what is shared, and what they work on.
take_functions() {
	awk '
		BEGIN {	n = split("wake look_alive event tell error break poll_bytes poll_space readable take " \
				"look_cons writable put synced begin stop", names, " ")
			for (i = 1; i <= n; i++) wanted["mydevice_stream_" names[i]] = 1
			wanted["mydevice_copy"] = wanted["mydevice_spin_until"] = wanted["mydevice_node_set_stream"] = 1
			n += 3 }
		/^#define MYDEVICE_(MAX_POLL_US|PAUSE_NS)\t/
		/^struct mydevice_(stream|stream_ops|node) \{$/ { on = 1 }
		/^static .*\(/ && !/;$/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name); on = name in wanted
			taken += on }
		on { print }
		/^}/ { on = 0 }
		END { if (taken != n) { print taken " of " n " functions" >"/dev/stderr"; exit 1 } }' "$1"
}

# prove PROOF [TREE]: a prove_* of ring-proof.c or end-proof.c. "VERIFICATION SUCCESSFUL".
#
# Loops must end within the bound, whatever the peer does.
prove() {
	tree=${2-$work/tree}
	bound='--unwind 3'
	[ "$1" != find_runs ] || bound='--unwind 9'
	cd "$tree" || return 1
	# One size of a ring is soon done; all sizes take longer.
	orders='-DFIRST_ORDER=5 -DLAST_ORDER=5'
	[ "${CHECK-}" != long ] || orders=
	if grep -q "^void prove_$1(" common/tests/stages/model/end-proof.c; then
		# shellcheck disable=SC2086 # words
		mkdir -p volatile && make_volatile 03-shared-memory/mydevice.h >volatile/mydevice.h &&
			take_functions 03-shared-memory/mydevicestream.c >taken.c && make_volatile taken.c >volatile/stream.c &&
			in_cbmc goto-cc -std=gnu11 $orders -Ivolatile -o plain.goto common/tests/stages/model/end-proof.c &&
			in_cbmc goto-instrument --nondet-volatile plain.goto proof.goto || return 1
	else
		in_cbmc goto-cc -std=gnu11 -o proof.goto common/tests/stages/model/ring-proof.c || return 1
	fi
	# shellcheck disable=SC2086 # words
	in_cbmc cbmc proof.goto --function "prove_$1" --no-malloc-may-fail --drop-unused-functions \
		--slice-formula $bound ${stop-} >proof.log 2>&1 && grep '^VERIFICATION SUCCESSFUL' proof.log && return
	grep -E ': FAILURE$|^VERIFICATION|rror|not handle' proof.log
	return 1
}

# Only a proof that fails on its merits refutes anything; its first failure will do.
refute() {
	copy_tree "$work/spoiled" "$2" "${3-mydevice.h}" || return 1
	stop=--stop-on-fail
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
		ok "proven whatever the peer writes: $proof" prove "$proof"
	done
}

# refuted PROOF WHAT SCRIPT [FILE]. The script has to fit the sources, tried or not.
refuted() {
	what=$2
	if grep -q "^void prove_$1(" "$model/end-proof.c"; then kind='end-proof'; else kind='ring-proof'; fi
	if first_of_a_kind $kind; then
		ok "not proven any more: $what" refute "$1" "$3" ${4:+"$4"}
	else
		ok "it can be spoiled: $what" copy_tree "$work/spoiled" "$3" "${4-mydevice.h}"
	fi
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
	refuted moved "back and forth is a move each time" 's/if (before <= size \&\& ahead <= before)/if (ahead == before)/'
	refuted moved "a claim that cannot be is a move" 's/if (ahead > size)/if (0)/'
	refuted look "the producer's index is looked for in the consumer's place" 's/in->claim = READ_ONCE(theirs->prod);/in->claim = READ_ONCE(theirs->cons);/'
	refuted ask "the wake-up index for bytes is written where the one for space belongs" \
		's/WRITE_ONCE(mine->prod_event, /WRITE_ONCE(mine->cons_event, /'
	refuted tell "a producer compares with the wrong wake-up index" \
		's/mydevice_passed(READ_ONCE(theirs->prod_event), /mydevice_passed(READ_ONCE(theirs->cons_event), /'
	refuted tell "a consumer compares with its own wake-up index" \
		's/mydevice_passed(READ_ONCE(theirs->cons_event), /mydevice_passed(READ_ONCE(mine->cons_event), /'
	refuted tell "a consumer publishes the producer's index" 's/WRITE_ONCE(mine->cons, in->cons);/WRITE_ONCE(mine->cons, in->prod);/'
	refuted look_prod "the producer's index is read twice" 's/^\tvirt_rmb();.*/\tin->prod = READ_ONCE(theirs->prod);/'
	refuted look_prod "what is accepted is not what was read first" 's/mydevice_accept_prod(in, in->claim)/mydevice_accept_prod(in, theirs->prod)/'
	refuted look_prod "no barrier between the producer's index and the bytes" '/^\tvirt_rmb();/d'
	refuted look_cons "what is accepted is not what was read first, of a consumer" \
		's/mydevice_accept_cons(out, out->claim)/mydevice_accept_cons(out, theirs->cons)/'
	refuted look_cons "a refused consumer's index is taken over" 's/^\tout->claim = READ_ONCE(theirs->cons);/\tout->cons = &/'
	refuted ask_prod "a reader asks for the byte before the next" 's/in->cons + 1);/in->cons);/'
	refuted ask_prod "a reader asks and does not look again" 's/^\treturn mydevice_look_prod(in, theirs);/\treturn true;/'
	refuted ask_prod "no barrier between a reader's wake-up index and the second look" \
		'/bool mydevice_ask_prod(/,/^}/{/^\tvirt_mb();/d}'
	refuted ask_cons "a writer looks again before it asks" \
		'/bool mydevice_ask_cons(/,/^}/s/^\tWRITE_ONCE(.*/\tif (!mydevice_look_cons(out, theirs))\n\t\treturn false;\n&/; s/^\treturn mydevice_look_cons(out, theirs);/\treturn true;/'
	refuted ask_cons "the second look is not judged" 's/^\treturn mydevice_look_cons(out, theirs);/\tout->cons = READ_ONCE(theirs->cons);\n\treturn true;/'
	refuted tell_prod "an index is published before its bytes" '/^\tvirt_wmb();/d'
	refuted tell_prod "a producer's wake-up index is read before the index is published" \
		'/bool mydevice_tell_prod(/,/^}/{s/^\tvirt_wmb();.*/\t__u32 event = READ_ONCE(theirs->prod_event);\n\n&/; s/READ_ONCE(theirs->prod_event),/event,/}'
	refuted tell_cons "a consumer's move is counted from where it ends" \
		's/READ_ONCE(theirs->cons_event), before, in->cons)/READ_ONCE(theirs->cons_event), in->cons, in->cons)/'
	refuted tell_cons "space is given back while its bytes are read" '/bool mydevice_tell_cons(/,/^}/{/^\tvirt_mb();.*(C)/d}'
	refuted readable "a refused index breaks nothing, of a producer" \
		'/^static bool mydevice_stream_readable(/,/^}/{/^\tif (!honest)/,+1d}' mydevicestream.c
	for end in stream_look_cons writable synced; do
		refuted $end "a refused index breaks nothing: $end" \
			'/^static void mydevice_stream_look_cons(/,/^}/s/^\tif (!honest)/\tif (!honest \&\& false)/' mydevicestream.c
	done
	refuted stop "a lie told last breaks nothing" 's/^\t\t\tmydevice_stream_break(stream, "consumer", stream->tx.claim);/\t\t\t;/' mydevicestream.c
	refuted stop "a lock stays held" '/^static bool mydevice_stream_stop(/,/^}/{/mutex_unlock(&stream->read_lock)/d}' mydevicestream.c
	refuted break "a lie is counted each time" 's/if (!xchg(&stream->broken, true))/stream->broken = true;\n\tif (true)/' mydevicestream.c
	refuted look_alive "a peer's death is looked into each time" 's/ \&\& !xchg(&stream->death_seen, true))/)/' mydevicestream.c
	refuted break "who sleeps on what is broken sleeps on" '/^static void mydevice_stream_break(/,/^}/{/mydevice_stream_wake(/d}' mydevicestream.c
	refuted error "what is closed is closed, though it was broken before" \
		'/^static int mydevice_stream_error(/,/^}/s/^\tif (READ_ONCE(stream->broken))/&\n\t\treturn stream->closed ?: -EIO;\n\tif (false)/' mydevicestream.c
	refuted event "the interrupt believes what it reads" \
		'/^static bool mydevice_stream_event(/,/^}/s/^\tmydevice_stream_look_alive(stream);/\tstream->rx.prod = stream->theirs->prod;\n&/' mydevicestream.c
	refuted event "an event that has no reason wakes nobody" \
		'/^static bool mydevice_stream_event(/,/^}/s/^\tmydevice_stream_wake(stream);/\tif (produced || consumed)\n\t&/' mydevicestream.c
	refuted event "an event wakes readers only" '/^static void mydevice_stream_wake(/,/^}/{/wake_up_all(&stream->writers)/d}' mydevicestream.c
	refuted event "who is woken finds that nothing has happened yet" \
		'/^static void mydevice_stream_wake(/,/^}/{/atomic_inc(/d; s/^}/\tatomic_inc(\&stream->wakeups);\n&/}' mydevicestream.c
	refuted poll "a poll believes what it reads" 's/^\t\tlast = prod;/\t\tstream->rx.prod = &/' mydevicestream.c
	refuted readable "a reader that may sleep does not ask" \
		's/^\t    (may_block || wq_has_sleeper(&stream->readers)))/\t    wq_has_sleeper(\&stream->readers))/' mydevicestream.c
	refuted readable "the index page is read when it is gone" 's/^\tif (stream->closed || mydevice_used(rx) >= want)/\tif (mydevice_used(rx) >= want)/' mydevicestream.c
	for end in copy take; do
		refuted $end "more is copied than there is: $end" \
			's/for (len = min_t(size_t, len, iov_iter_count(user)); len;/for (len = iov_iter_count(user); len;/' mydevicestream.c
	done
	refuted copy "more is copied than the user asked for" 's/for (len = min_t(size_t, len, iov_iter_count(user)); len;/for (; len;/' mydevicestream.c
	refuted copy "more is copied than follows in memory" 's/copy_to_iter(at, part, user)/copy_to_iter(at, len, user)/' mydevicestream.c
	refuted copy "the rest is copied from where it began" 's/^\t\tat = mydevice_at(ring, \*index, &part);/\t\tat = mydevice_at(ring, first, \&part);/; s/^\tu32 part, copied;/\tu32 part, copied, first = *index;/' mydevicestream.c
	refuted copy "a copy goes the other way" 's/iov_iter_rw(user) == READ/iov_iter_rw(user) != READ/' mydevicestream.c
	refuted copy "a user page that is missing is no error" '/^static int mydevice_copy(/,/^}/s/-EFAULT/0/' mydevicestream.c
	refuted copy "what was not copied is left out" '/^static int mydevice_copy(/,/^}/{/^\t\tif (copied < part)/,+1d}' mydevicestream.c
	refuted take "a writer's end is a reader's error" 's/return err == -EPIPE ? 0 : err;/return err;/' mydevicestream.c
	refuted take "the peer is told when the connection has ended" 's/if (rx->cons != before \&\& !stream->closed)/if (rx->cons != before)/' mydevicestream.c
	refuted take "what was not copied is consumed" 's/\*index += copied;/*index += part;/' mydevicestream.c
	refuted stream_look_cons "callers of fsync sleep on what was replaced" \
		'/^static void mydevice_stream_look_cons(/,/^}/{/^\telse if (syncs/,+1d}' mydevicestream.c
	refuted stream_look_cons "what the first look finds wakes nobody" \
		'/^static void mydevice_stream_look_cons(/,/^}/s/^\tif (honest \&\& ask/\tbefore = tx->cons;\n&/' mydevicestream.c
	refuted stream_look_cons "somebody in fsync is woken though nothing has moved" 's/else if (syncs \&\& tx->cons != before)/else if (syncs)/' mydevicestream.c
	refuted stream_look_cons "each look wakes all tasks, though none is in fsync" 's/else if (syncs \&\& tx->cons != before)/else if (tx->cons != before)/' mydevicestream.c
	refuted stream_look_cons "half of the space is asked for while somebody is in fsync" \
		's/syncs ? tx->cons + 1 : mydevice_space_event(tx)/mydevice_space_event(tx)/' mydevicestream.c
	refuted stream_look_cons "a writer asks for the next byte though nobody is in fsync" \
		's/syncs ? tx->cons + 1 : mydevice_space_event(tx)/tx->cons + 1/' mydevicestream.c
	refuted stream_look_cons "the byte before the next is asked for while somebody is in fsync" \
		's/syncs ? tx->cons + 1 : mydevice_space_event(tx)/syncs ? tx->cons : mydevice_space_event(tx)/' mydevicestream.c
	refuted stream_look_cons "who does not wait asks" 's/if (honest \&\& ask \&\& (syncs/if (honest \&\& (syncs/' mydevicestream.c
	for end in stream_look_cons synced; do
		refuted $end "nobody asks in fsync if there is space: $end" \
			's/(syncs || !mydevice_free(tx))/!mydevice_free(tx)/' mydevicestream.c
	done
	refuted synced "what was written just now counts as consumed" 's/return stream->bytes_sent - mydevice_used(&stream->tx) >= goal;/return stream->bytes_sent >= goal;/' mydevicestream.c
	refuted synced "the index page is read when it is gone, in fsync" \
		's/^\tif (!READ_ONCE(stream->broken) \&\& !stream->closed)/\tif (!READ_ONCE(stream->broken))/' mydevicestream.c
	refuted synced "fsync looks and does not ask" 's/mydevice_stream_look_cons(stream, true);/mydevice_stream_look_cons(stream, false);/' mydevicestream.c
	refuted writable "a writer that may sleep does not ask" \
		's/mydevice_stream_look_cons(stream, may_block || /mydevice_stream_look_cons(stream, /' mydevicestream.c
	refuted put "a ring's length is what the other end says" \
		's/mydevice_copy(tx, &tx->prod, mydevice_free(tx), from)/mydevice_copy(tx, \&tx->prod, stream->theirs->cons - tx->prod, from)/' mydevicestream.c
	refuted take "what there is to read is what the other end says" \
		's/mydevice_copy(rx, &rx->cons, mydevice_used(rx), to)/mydevice_copy(rx, \&rx->cons, stream->theirs->prod - rx->cons, to)/' mydevicestream.c
	refuted put "a full ring is written to" 's/^\tif (mydevice_free(tx) >= want)/\tif (true)/' mydevicestream.c
	refuted put "the peer is told of less than was written" 's/mydevice_tell_prod(tx, stream->mine,$/mydevice_tell_prod(\&stream->rx, stream->mine,/' mydevicestream.c
	refuted begin "the index is read twice at the beginning" 's/^\tin->cons = in->prod;/\tin->cons = READ_ONCE(theirs->prod);/'
}

# -- the kernel's memory model --------------------------------------------------

# herd7 explores the litmus tests under it. No Debian has herd7: model/README.md.
litmus() {
	if ! command -v herd7 >/dev/null; then
		pass "the litmus tests # SKIP herd7 is not installed"
		return
	fi
	tar -C "$work" --strip-components=2 -xf "/usr/src/linux-source-$linux.tar.xz" "linux-source-$linux/tools/memory-model" ||
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

# FUNCTION BARRIER (LETTER) for each barrier of a source, without the function's prefix.
barriers() {
	awk '/^[a-z].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
			sub(/^mydevice_/, "", name) }
		/^\t+virt_[a-z]*\(/ {
			barrier = $1; sub(/\(.*/, "", barrier)
			letter = match($0, /\([A-Z]\)/) ? substr($0, RSTART, 3) : "without a letter"
			print name, barrier, letter }' "$@" | sort -u
}

# Those that the models name.
named() {
	sed -n 's,.*barrier: \([a-z_]*\) \(virt_[a-z]*\) \(([A-Z])\).*,\1 \2 \3,p' "$@" | sort -u
}

# All are in mydevice.h.
rings_have() {
	barriers "$stage/mydevice.h" >"$work/code"
	named "$model/notify.pml" >"$work/model"
	[ "$(wc -l <"$work/code")" -ge 8 ] || { echo "mydevice.h has too few barriers"; return 1; }
	diff -u "$work/code" "$work/model" || return 1
	! grep -En '^\s+(virt|smp)_[a-z]*mb\(|__atomic_thread_fence' "$stage"/mydevice*.c
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
ok "and with a ring of which half is more than the next byte" build_checker large -DSAFETY -DSIZE=4
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
right "one in fsync, and signals" searches FSYNCS=1 BYTES=2 STOPS=1 QUITS=1
right "one in fsync, who asks for less than a writer does" large FSYNCS=1 BYTES=5 STOPS=1 WHOLE=1
right "nothing goes round in circles" circles
right "nothing goes round in circles, one in fsync" circles FSYNCS=1 BYTES=2 STOPS=1
if [ "${CHECK-}" = long ]; then
	right "indices that come round" round BYTES=4
	right "another byte, x86" searches BYTES=4
	right "another byte, weaker memory" searches BYTES=4 WEAK=1
	right "one in fsync and another byte" searches FSYNCS=1 STOPS=1
	right "one in fsync, another byte, and signals" searches FSYNCS=1 STOPS=1 QUITS=1
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
