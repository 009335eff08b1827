// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz - one end of the rings, with libFuzzer as its peer.
 *
 * The input is a script. Its first bytes say how large the rings are, where their
 * indices begin, which end is tested, and whether the peer is honest. Each byte after
 * them is a step: the end reads, writes, asks to be woken; or the peer does, in the
 * ways that mydevice.h allows if it is honest, and else by writing what it likes where
 * it likes. The peer gets its turn, too, before and after each access of the end to
 * memory that both see.
 *
 * After each step is compared what the end believes with what a model believes that
 * counts in 64 bits. Rings and index page have pages around them that nobody may touch.
 *
 * The end looks, asks and tells by the functions of mydevice.h, and moves bytes as a
 * user-space end does. Another end takes its place if it has the same functions (see "the
 * end"). Each access by READ_ONCE() or WRITE_ONCE() and each barrier leads to a function
 * of this file, so the order of (P), (C) and (N) is checked, too.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MUST(condition)								\
	do {									\
		if (!(condition)) {						\
			fprintf(stderr, "fuzz: line %d: not so: %s\n", __LINE__, #condition); \
			abort();						\
		}								\
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* -- what each access of the end becomes ----------------------------------- */

static void peer_turn(void);
static void writes(const uint32_t *to);
static void written(const uint32_t *to);
static uint32_t heard(const uint32_t *from, uint32_t value);
static void barrier(bool orders_reads, bool orders_writes);

#define READ_ONCE(x)								\
	(peer_turn(), heard(&(x), __atomic_load_n(&(x), __ATOMIC_RELAXED)))
#define WRITE_ONCE(x, value)							\
	(writes(&(x)), __atomic_store_n(&(x), value, __ATOMIC_RELAXED), written(&(x)))
#define virt_mb()		barrier(true, true)
#define virt_rmb()		barrier(true, false)
#define virt_wmb()		barrier(false, true)

#include "../../../03-shared-memory/mydevice.h"

/* -- the script ------------------------------------------------------------- */

static const uint8_t *script;
static size_t script_left;

static uint32_t next_byte(void)
{
	if (!script_left)
		return 0;
	script_left--;
	return *script++;
}

static uint32_t next_word(void)
{
	uint32_t word = next_byte();

	word |= next_byte() << 8;
	word |= next_byte() << 16;
	return word | next_byte() << 24;
}

/* How many bytes somebody wants to move: few, nearly a ring, or any number. */
static uint32_t next_amount(uint32_t size)
{
	uint32_t n = next_byte() << 8;

	n |= next_byte();
	if (n & 0x8000)
		return n & 0x4000 ? size - n % 8 : 1 + n % 64;
	return 1 + n % size;
}

/* -- what both ends see ---------------------------------------------------- */

static struct mydevice_index *index_page;
static struct mydevice_end *mine, *theirs;

/* The pages of both rings for each order, made once. */
static void *memory[2][MYDEVICE_MAX_ORDER + 1][MYDEVICE_MAX_PAGES];

/* Pages between two that cannot be touched. */
static void *fenced(uint32_t pages)
{
	size_t size = pages * MYDEVICE_PAGE_SIZE;
	char *fence = mmap(NULL, size + 2 * MYDEVICE_PAGE_SIZE, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(fence != MAP_FAILED);
	MUST(!mprotect(fence + MYDEVICE_PAGE_SIZE, size, PROT_READ | PROT_WRITE));
	return fence + MYDEVICE_PAGE_SIZE;
}

/* A ring's pages: by themselves, or up to three together. */
static void make_pages(void **page, uint32_t pages)
{
	uint32_t i, together, first;

	for (first = 0; first < pages; first += together) {
		together = 1 + first % 3;
		if (together > pages - first)
			together = pages - first;
		page[first] = fenced(together);
		for (i = 1; i < together; i++)
			page[first + i] = (char *)page[first] + i * MYDEVICE_PAGE_SIZE;
	}
}

static void make_memory(void)
{
	uint32_t which, order;

	if (index_page)
		return;
	index_page = fenced(1);
	for (which = 0; which < 2; which++) {
		for (order = 0; order <= MYDEVICE_MAX_ORDER; order++)
			make_pages(memory[which][order], 1u << order);
	}
}

/* -- the end ---------------------------------------------------------------- */

static void notified(void);
static void wake_writers(void);
static void bytes_are_read(void);
static void bytes_are_written(void);

static struct mydevice_ring rx, tx;
static uint64_t bytes_sent;
static bool in_fsync;		/* somebody is, asleep or just woken */
static bool broken;

/* What a look found out: the other end is honest, or everything ends. */
static bool is_honest(bool honest)
{
	broken = !honest;
	return honest;
}

/*
 * Can something be read? If not, the peer has been asked to notify. It is not looked
 * for as long as there is all that somebody wants.
 */
static bool end_readable(uint32_t want)
{
	if (broken || mydevice_used(&rx) >= want)
		return !broken;
	if (!is_honest(mydevice_look_prod(&rx, theirs)) || mydevice_used(&rx))
		return !broken;
	return is_honest(mydevice_ask_prod(&rx, mine, theirs)) && mydevice_used(&rx);
}

static const char *end_bytes(uint32_t *len)
{
	*len = mydevice_used(&rx);
	bytes_are_read();
	return mydevice_at(&rx, rx.cons, len);
}

static void end_consumed(uint32_t len)
{
	uint32_t before = rx.cons;

	rx.cons += len;
	if (mydevice_tell_cons(&rx, mine, theirs, before))
		notified();
}

/*
 * Looks how far the peer has consumed, and asks: a full ring for half of it to be free, but
 * for the next byte while somebody is in fsync. The wish that is replaced may have been
 * reached, and the peer has not read it yet: what is found wakes all then.
 */
static void look_for_space(void)
{
	uint32_t before = tx.cons, event;

	if (!is_honest(mydevice_look_cons(&tx, theirs)))
		return;
	event = in_fsync ? tx.cons + 1 : mydevice_space_event(&tx);
	if ((in_fsync || !mydevice_free(&tx)) &&
	    !is_honest(mydevice_ask_cons(&tx, mine, theirs, event)))
		return;
	if (in_fsync && tx.cons != before)
		wake_writers();
}

/* Can something be written? As above. */
static bool end_writable(uint32_t want)
{
	if (broken || mydevice_free(&tx) >= want)
		return !broken;
	look_for_space();
	return !broken && mydevice_free(&tx);
}

static char *end_space(uint32_t *len)
{
	*len = mydevice_free(&tx);
	bytes_are_written();
	return mydevice_at(&tx, tx.prod, len);
}

static void end_produced(uint32_t len)
{
	uint32_t before = tx.prod;

	tx.prod += len;
	bytes_sent += len;
	if (mydevice_tell_prod(&tx, mine, theirs, before))
		notified();
}

/* Has the peer consumed so many bytes? If not, the peer has been asked to notify. */
static bool end_synced(uint64_t goal)
{
	if (!broken)
		look_for_space();
	return bytes_sent - mydevice_used(&tx) >= goal;
}

/* -- the model ------------------------------------------------------------- */

/*
 * One direction. What was produced and consumed is what the end has accepted or
 * done; the peer's own index is what it has really produced or consumed. Who waits
 * must be notified when what they wait for is there.
 */
struct direction {
	uint32_t size;
	uint64_t prod;
	uint64_t cons;
	uint64_t peer;
	bool end_waits;
	bool sync_waits;
	bool woken;
	uint64_t sync;
	bool peer_waits;
	bool peer_woken;
	uint32_t order;
};

static struct direction in, out;
static bool honest, must_break;
static uint64_t salt;

/* The index that the peer claims, if it is the next one with that lower half. */
static uint64_t next_with(uint64_t from, uint32_t claim)
{
	uint64_t index = (from & ~0xffffffffull) | claim;

	return index < from ? index + 0x100000000ull : index;
}

/*
 * The order of what the end does, by the letters of mydevice.h. Of each pair of accesses
 * the first is remembered until there is a barrier of the right kind, and the second must
 * not come before that.
 */
static struct {
	bool prod_read;		/* (P) then bytes are read */
	bool bytes_written;	/* (P) then prod is written */
	bool cons_read;		/* (C) then bytes are written */
	bool bytes_read;	/* (C) then cons is written */
	bool written;		/* (N) then the peer's words are read */
} not_ordered;

static void barrier(bool orders_reads, bool orders_writes)
{
	if (orders_reads)
		not_ordered.prod_read = false;
	if (orders_writes)
		not_ordered.bytes_written = false;
	if (orders_reads && orders_writes)
		memset(&not_ordered, 0, sizeof(not_ordered));
}

static void bytes_are_read(void)
{
	MUST(!not_ordered.prod_read);
	not_ordered.bytes_read = true;
}

static void bytes_are_written(void)
{
	MUST(!not_ordered.cons_read);
	not_ordered.bytes_written = true;
}

/* What was accepted is stored in private memory: the peer sees nothing of it. */
static bool is_private(const uint32_t *to)
{
	return to == &rx.prod || to == &tx.cons;
}

/* The end writes a word of its half, and no other. */
static void writes(const uint32_t *to)
{
	if (is_private(to))
		return;
	peer_turn();
	MUST(to >= &mine->prod && to <= &mine->cons_event);
	MUST(to != &mine->prod || !not_ordered.bytes_written);
	MUST(to != &mine->cons || !not_ordered.bytes_read);
	not_ordered.written = true;
}

static void written(const uint32_t *to)
{
	if (!is_private(to))
		peer_turn();
}

/* The end read something that the peer may have written: what is it to believe? */
static uint32_t heard(const uint32_t *from, uint32_t value)
{
	uint64_t index;

	MUST(from >= &theirs->prod && from <= &theirs->cons_event);
	MUST(!must_break);		/* it asks no more of one that lied */
	MUST(!not_ordered.written);
	not_ordered.prod_read |= from == &theirs->prod;
	not_ordered.cons_read |= from == &theirs->cons;
	if (from == &theirs->prod) {
		index = next_with(in.prod, value);
		must_break = index > in.cons + in.size;
		if (!must_break)
			in.prod = index;
	} else if (from == &theirs->cons) {
		index = next_with(out.cons, value);
		must_break = index > out.prod;
		if (!must_break)
			out.cons = index;
	}
	return value;
}

static void notified(void)
{
	in.peer_woken = out.peer_woken = true;
}

static void wake_writers(void)
{
	out.end_waits = out.sync_waits = false;
	out.woken = true;
}

/* Each byte of a stream has a value by its index, and another in the next script. */
static char byte_at(const struct direction *direction, uint64_t index)
{
	index = (index + salt + (direction == &in)) * 0x9e3779b97f4a7c15ull;
	return (char)(index >> 56);
}

/*
 * The next byte, from this one on, that is written and compared: all in a small ring,
 * in a large one those next to the edges of pages, and one in 64. All would take long.
 */
static uint64_t sample(const struct direction *direction, uint64_t index)
{
	uint32_t in_page = index % MYDEVICE_PAGE_SIZE;

	if (direction->size <= 2 * MYDEVICE_PAGE_SIZE || in_page < 2)
		return index;
	if (in_page > MYDEVICE_PAGE_SIZE - 64)
		return in_page < MYDEVICE_PAGE_SIZE - 2 ? index - in_page + MYDEVICE_PAGE_SIZE - 2 : index;
	return (index + 63) & ~63ull;
}

/* Where the peer finds a byte of a ring, by its own reckoning. */
static char *place_of(const struct direction *direction, uint64_t index)
{
	uint32_t at = index % direction->size;
	void *page = memory[direction == &in][direction->order][at / MYDEVICE_PAGE_SIZE];

	return (char *)page + at % MYDEVICE_PAGE_SIZE;
}

/* -- the peer -------------------------------------------------------------- */

static void honest_produce(uint32_t most)
{
	uint32_t before = (uint32_t)in.peer, cons = mine->cons;
	uint32_t free = in.size - (before - cons), n = most < free ? most : free;
	uint64_t i;

	for (i = sample(&in, in.peer); i < in.peer + n; i = sample(&in, i + 1))
		*place_of(&in, i) = byte_at(&in, i);
	in.peer += n;
	theirs->prod = (uint32_t)in.peer;
	if (in.end_waits && (uint32_t)in.peer != before) {
		MUST(mydevice_passed(mine->prod_event, before, (uint32_t)in.peer));
		in.end_waits = false;
	}
}

static void honest_consume(uint32_t most)
{
	uint32_t before = (uint32_t)out.peer, used = mine->prod - before;
	uint32_t n = most < used ? most : used;
	uint64_t i;

	MUST(used <= out.size);
	for (i = sample(&out, out.peer); i < out.peer + n; i = sample(&out, i + 1))
		MUST(*place_of(&out, i) == byte_at(&out, i));
	out.peer += n;
	theirs->cons = (uint32_t)out.peer;
	if (mydevice_passed(mine->cons_event, before, (uint32_t)out.peer))
		wake_writers();
}

/* Asks, looks again, and sleeps if there is nothing. */
static void honest_ask_bytes(void)
{
	theirs->prod_event = (uint32_t)out.peer + 1;
	out.peer_woken = false;
	out.peer_waits = mine->prod == (uint32_t)out.peer;
}

static void honest_ask_space(void)
{
	theirs->cons_event = (uint32_t)in.peer - in.size / 2;
	in.peer_woken = false;
	in.peer_waits = (uint32_t)in.peer - mine->cons > in.size / 2;
}

static void honest_step(uint32_t what)
{
	switch (what % 4) {
	case 0:
		honest_produce(next_amount(in.size));
		break;
	case 1:
		honest_consume(next_amount(out.size));
		break;
	case 2:
		honest_ask_bytes();
		break;
	case 3:
		honest_ask_space();
		break;
	}
}

/* A word that might be believed, or not quite. */
static uint32_t likely_word(void)
{
	uint32_t how = next_byte(), far = how >> 4;

	switch (how % 8) {
	case 0: return (uint32_t)in.prod + far;
	case 1: return (uint32_t)in.prod - far;
	case 2: return (uint32_t)in.cons + in.size + far - 8;
	case 3: return (uint32_t)out.cons + far;
	case 4: return (uint32_t)out.cons - far;
	case 5: return (uint32_t)out.prod + far - 8;
	case 6: return (uint32_t)in.prod + in.size - far;
	default: return far & 1 ? next_word() : (uint32_t)in.prod + (far << 28);
	}
}

static void hostile_step(uint32_t what)
{
	uint32_t *words = (uint32_t *)index_page;
	uint64_t where;

	switch (what % 8) {
	case 0:
		theirs->prod = likely_word();
		break;
	case 1:
		theirs->cons = likely_word();
		break;
	case 2:
		theirs->prod_event = likely_word();
		break;
	case 3:
		theirs->cons_event = likely_word();
		break;
	case 4:		/* the end's own half, too */
		words[next_byte() % (2 * sizeof(*mine) / sizeof(*words))] = likely_word();
		break;
	case 5:
		words[next_word() % (sizeof(*index_page) / sizeof(*words))] = next_word();
		break;
	case 6:
		where = next_word();
		*place_of(&in, where) = (char)where;
		break;
	case 7:
		where = next_word();
		*place_of(&out, where) = (char)where;
		break;
	}
}

/* Now and then, in the midst of what the end does. */
static void peer_turn(void)
{
	uint32_t what = next_byte();

	if (what & 0x80)
		return;
	if (honest)
		honest_step(what);
	else
		hostile_step(what);
}

/* -- a run ----------------------------------------------------------------- */

static void end_reads(uint32_t most)
{
	bool readable = end_readable(most);
	const char *bytes;
	uint64_t i;
	uint32_t len;

	in.end_waits = !readable;
	if (!readable)
		return;
	bytes = end_bytes(&len);
	MUST(len && len <= in.prod - in.cons);
	if (len > most)
		len = most;
	for (i = sample(&in, in.cons); i < in.cons + len; i = sample(&in, i + 1))
		MUST(*(volatile const char *)&bytes[i - in.cons] == byte_at(&in, i) || !honest);
	in.cons += len;
	end_consumed(len);
	if (in.peer_waits && in.peer - in.cons <= in.size / 2) {
		MUST(in.peer_woken);
		in.peer_waits = false;
	}
}

static void end_writes(uint32_t most)
{
	bool writable = end_writable(most);
	uint32_t len;
	uint64_t i;
	char *space;

	out.end_waits = !writable;
	if (!writable)
		return;
	space = end_space(&len);
	MUST(len && len <= out.cons + out.size - out.prod);
	if (len > most)
		len = most;
	for (i = sample(&out, out.prod); i < out.prod + len; i = sample(&out, i + 1))
		space[i - out.prod] = byte_at(&out, i);
	out.prod += len;
	end_produced(len);
	if (out.peer_waits && out.prod != out.peer) {
		MUST(out.peer_woken);
		out.peer_waits = false;
	}
}

/*
 * fsync(): somebody waits until the peer has all that was written by now. Who sleeps there
 * already waits for less. Who was woken meanwhile looks again, or leaves, for there are
 * signals.
 */
static void end_syncs(void)
{
	uint64_t index = out.prod, goal = bytes_sent;
	bool synced;

	in_fsync = true;
	do {
		out.woken = false;
		synced = end_synced(goal);
		if (must_break)
			return;
		MUST(synced == (out.cons >= index));
	} while (!synced && out.woken && !(next_byte() & 1));
	if (!synced && !out.woken && !out.sync_waits) {
		out.sync = index;
		out.sync_waits = true;
	}
	in_fsync = out.sync_waits;
}

/* Tasks in fsync get a signal. What they have asked for stays. */
static void end_is_interrupted(void)
{
	in_fsync = out.sync_waits = false;
}

/* What the end believes is what it should, whatever the peer said. */
static void compare(void)
{
	MUST(broken == must_break);
	MUST(!honest || !broken);
	MUST(rx.prod == (uint32_t)in.prod && rx.cons == (uint32_t)in.cons);
	MUST(tx.prod == (uint32_t)out.prod && tx.cons == (uint32_t)out.cons);
	MUST(mydevice_used(&rx) <= in.size && mydevice_used(&rx) == in.prod - in.cons);
	MUST(mydevice_used(&tx) <= out.size && mydevice_used(&tx) == out.prod - out.cons);
	MUST(mydevice_size(&rx) == in.size && mydevice_size(&tx) == out.size);
	MUST(!honest || (mine->prod == tx.prod && mine->cons == rx.cons));
	MUST(!honest || !out.end_waits || out.prod - out.peer > out.size / 2);
	MUST(!honest || !out.sync_waits || out.peer < out.sync);
}

static void begin_direction(struct direction *direction, struct mydevice_ring *ring)
{
	uint32_t order = next_byte() % 32, base = next_byte();

	if (order > MYDEVICE_MAX_ORDER)		/* small ones are full soon */
		order = 0;
	memset(direction, 0, sizeof(*direction));
	direction->order = order;
	direction->size = MYDEVICE_PAGE_SIZE << order;
	direction->prod = 0x1ffffffffull - base * (base & 1 ? 1 : direction->size / 4);
	direction->cons = direction->peer = direction->prod;

	memset(ring, 0, sizeof(*ring));
	memcpy(ring->page, memory[direction == &in][order], sizeof(ring->page));
	ring->pages = 1u << order;
	mydevice_find_runs(ring);
	ring->prod = ring->cons = (uint32_t)direction->prod;
}

static void begin(void)
{
	uint32_t how = next_byte();

	make_memory();
	memset(index_page, 0, sizeof(*index_page));
	mine = how & 1 ? &index_page->frontend : &index_page->backend;
	theirs = how & 1 ? &index_page->backend : &index_page->frontend;
	honest = how & 2;
	broken = must_break = false;
	memset(&not_ordered, 0, sizeof(not_ordered));
	salt += 0x10001;
	begin_direction(&in, &rx);
	begin_direction(&out, &tx);
	bytes_sent = 0;
	in_fsync = false;
	theirs->prod = mine->cons = rx.prod;
	mine->prod = theirs->cons = tx.prod;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t what;

	script = data;
	script_left = size;
	begin();
	compare();
	while (script_left) {
		what = next_byte();
		if (what & 0x80)
			peer_turn();
		else if (what % 3 == 0)
			end_reads(next_amount(in.size));
		else if (what % 3 == 1)
			end_writes(next_amount(out.size));
		else if (what < 0x78)
			end_syncs();
		else
			end_is_interrupted();
		compare();
	}
	return 0;
}
