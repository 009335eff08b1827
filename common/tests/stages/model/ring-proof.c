// SPDX-License-Identifier: GPL-2.0
/*
 * ring-proof - the inline functions of mydevice.h, proven by CBMC for every size of a
 * ring and every pair of 32-bit indices that can be, whatever the peer claims.
 *
 * Each function here named prove_* is a proof of its own. What nondet_u32() returns is
 * any number at all. Truth is counted in 64 bits, which never wrap: a ring's indices
 * with their upper halves, of which a driver knows nothing.
 *
 * By induction: a ring begins empty, which any_ring() includes; each function that
 * changes a ring leaves it as any_ring() has it; so it is that for ever.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../../../03-shared-memory/mydevice.h"

uint32_t nondet_u32(void);
uint64_t nondet_u64(void);

#define ASSUME(condition)	__CPROVER_assume(condition)
#define MUST(condition)		__CPROVER_assert(condition, #condition)

/* Of the ring that is looked at: its indices, and how large it is. */
static uint64_t prod, cons;
static uint32_t size;

/* Any ring that keeps the rules: it holds no more than fits. */
static struct mydevice_ring any_ring(void)
{
	struct mydevice_ring ring;
	uint32_t order = nondet_u32();

	ASSUME(order <= MYDEVICE_MAX_ORDER);
	size = MYDEVICE_PAGE_SIZE << order;
	cons = nondet_u64();
	prod = nondet_u64();
	ASSUME(cons >= 1ull << 32 && cons <= 1ull << 63);
	ASSUME(prod >= cons && prod - cons <= size);
	ring.pages = 1u << order;
	ring.prod = (uint32_t)prod;
	ring.cons = (uint32_t)cons;
	return ring;
}

/* Of its memory there are the pages that may be touched: those that follow each other. */
static uint32_t give_pages(struct mydevice_ring *ring, uint32_t page)
{
	uint32_t run = nondet_u32();

	ASSUME(run > 0 && run <= ring->pages - page);
	ring->page[page] = malloc(run * MYDEVICE_PAGE_SIZE);
	ring->run[page] = run;
	return run;
}

/* The first index from @from on that looks like @low in 32 bits. */
static uint64_t next_with(uint64_t from, uint32_t low)
{
	return from + (uint32_t)(low - (uint32_t)from);
}

void prove_sizes(void)
{
	struct mydevice_ring ring = any_ring();

	MUST(mydevice_size(&ring) == size);
	MUST(mydevice_used(&ring) == prod - cons);
	MUST(mydevice_free(&ring) == size - (prod - cons));
	MUST(mydevice_used(&ring) + mydevice_free(&ring) == size);
}

/* A claim is accepted if it can be true, and only then; a refused one changes nothing. */
void prove_accept_prod(void)
{
	struct mydevice_ring ring = any_ring();
	uint32_t claim = nondet_u32();
	uint64_t claimed = next_with(prod, claim);
	bool truth = claimed <= cons + size;

	MUST(mydevice_accept_prod(&ring, claim) == truth);
	MUST(ring.prod == (uint32_t)(truth ? claimed : prod) && ring.cons == (uint32_t)cons);
	MUST(mydevice_used(&ring) <= size);
	MUST(mydevice_used(&ring) == (truth ? claimed : prod) - cons);
}

void prove_accept_cons(void)
{
	struct mydevice_ring ring = any_ring();
	uint32_t claim = nondet_u32();
	uint64_t claimed = next_with(cons, claim);
	bool truth = claimed <= prod;

	MUST(mydevice_accept_cons(&ring, claim) == truth);
	MUST(ring.cons == (uint32_t)(truth ? claimed : cons) && ring.prod == (uint32_t)prod);
	MUST(mydevice_used(&ring) <= size);
	MUST(mydevice_used(&ring) == prod - (truth ? claimed : cons));
}

/* Each page's run is as long as it can be, and no longer. For up to 8 pages, laid anyhow. */
void prove_find_runs(void)
{
	static char memory[16 * MYDEVICE_PAGE_SIZE];
	struct mydevice_ring ring = any_ring();
	uint32_t i, place[8];

	ASSUME(ring.pages <= 8);
	for (i = 0; i < ring.pages; i++) {
		place[i] = nondet_u32();
		ASSUME(place[i] < 16);
		ring.page[i] = memory + place[i] * MYDEVICE_PAGE_SIZE;
	}
	mydevice_find_runs(&ring);
	for (i = 0; i < ring.pages; i++) {
		bool follows = i + 1 < ring.pages && place[i + 1] == place[i] + 1;

		MUST(ring.run[i] == (follows ? ring.run[i + 1] + 1 : 1));
	}
}

/*
 * Memory: whatever the index and the length, what is returned lies in pages that follow
 * each other, and begins where the index says; and it is as long as it can be.
 */
void prove_at(void)
{
	struct mydevice_ring ring = any_ring();
	uint32_t index = nondet_u32(), want = nondet_u32(), len = want;
	uint32_t place = index % size, page = place / MYDEVICE_PAGE_SIZE;
	uint32_t end = (page + give_pages(&ring, page)) * MYDEVICE_PAGE_SIZE;
	char *at;

	at = mydevice_at(&ring, index, &len);
	MUST(len == (want < end - place ? want : end - place));
	MUST(len > 0 || want == 0);
	MUST(__CPROVER_w_ok(at, len));
	MUST(at - (char *)ring.page[page] == place % MYDEVICE_PAGE_SIZE);
}

/* A move passes an event exactly if the event is one of the indices that it reached. */
void prove_passed(void)
{
	uint64_t before = nondet_u64(), moved = nondet_u32();
	uint32_t event = nondet_u32();

	ASSUME(before <= 1ull << 62);
	MUST(mydevice_passed(event, (uint32_t)before, (uint32_t)(before + moved)) ==
	     (next_with(before + 1, event) <= before + moved));
}

/*
 * What has moved can be accepted, or was; the same claim again is no move, nor is any that is
 * less far ahead or cannot be.
 */
void prove_moved(void)
{
	uint32_t seen = nondet_u32(), accepted = nondet_u32(), claim = nondet_u32();
	uint32_t before = seen - accepted, ahead = claim - accepted, limit = nondet_u32();
	uint32_t other = nondet_u32();
	bool moved;

	ASSUME(limit <= 1u << 31);
	moved = mydevice_moved(&seen, claim, accepted, limit);
	MUST(moved == (before > limit || (ahead <= limit && ahead > before)));
	MUST(seen - accepted <= limit);
	MUST(moved || seen - accepted == before);
	ASSUME(other - accepted <= seen - accepted || other - accepted > limit);
	MUST(!mydevice_moved(&seen, claim, accepted, limit));
	MUST(!mydevice_moved(&seen, other, accepted, limit));
}

/* A producer that finds the ring full is woken by the move that makes half of it free. */
void prove_space_event(void)
{
	struct mydevice_ring ring = any_ring();
	uint32_t event = mydevice_space_event(&ring), before = ring.cons;
	uint32_t moved = nondet_u32(), more = nondet_u32();
	uint64_t half = next_with(cons, event);

	ASSUME(mydevice_free(&ring) == 0);
	ASSUME(moved <= size && more <= size - moved);
	MUST(mydevice_passed(event, before + moved, before + moved + more) ==
	     (moved < size / 2 && moved + more >= size / 2));
	ring.cons += moved;
	MUST((cons + moved >= half) == (mydevice_free(&ring) >= size / 2));
}

/*
 * Of the index page: its halves. Nobody else writes to them here, so these proofs say which
 * words are read and written. What a peer that writes meanwhile can do is in end-proof.c.
 */
static struct mydevice_end mine, theirs;
static struct mydevice_ring one;

static void any_half(struct mydevice_end *half)
{
	half->prod = nondet_u32();
	half->cons = nondet_u32();
	half->prod_event = nondet_u32();
	half->cons_event = nondet_u32();
}

static void any_page(void)
{
	any_half(&mine);
	any_half(&theirs);
	one.pages = 1;
	one.prod = nondet_u32();
	one.cons = nondet_u32();
}

static bool is_half(const struct mydevice_end *half, uint32_t prod, uint32_t cons,
		    uint32_t prod_event, uint32_t cons_event)
{
	return half->prod == prod && half->cons == cons &&
	       half->prod_event == prod_event && half->cons_event == cons_event;
}

void prove_look(void)
{
	any_page();
	mydevice_look_prod(&one, &theirs);
	MUST(one.claim == theirs.prod);
	mydevice_look_cons(&one, &theirs);
	MUST(one.claim == theirs.cons);
}

void prove_ask(void)
{
	uint32_t prod, cons, next, event = nondet_u32();

	any_page();
	prod = mine.prod;
	cons = mine.cons;
	next = one.cons + 1;
	mydevice_ask_prod(&one, &mine, &theirs);
	MUST(one.claim == theirs.prod);
	mydevice_ask_cons(&one, &mine, &theirs, event);
	MUST(one.claim == theirs.cons);
	MUST(is_half(&mine, prod, cons, next, event));
}

void prove_tell(void)
{
	uint32_t before = nondet_u32(), prod_event, cons_event;

	any_page();
	prod_event = mine.prod_event;
	cons_event = mine.cons_event;
	MUST(mydevice_tell_prod(&one, &mine, &theirs, before) ==
	     mydevice_passed(theirs.prod_event, before, one.prod));
	MUST(mydevice_tell_cons(&one, &mine, &theirs, before) ==
	     mydevice_passed(theirs.cons_event, before, one.cons));
	MUST(is_half(&mine, one.prod, one.cons, prod_event, cons_event));
}
