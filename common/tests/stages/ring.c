// SPDX-License-Identifier: GPL-2.0
/*
 * ring - the inline functions of mydevice.h, for every size of a ring, compared with
 * a model that counts in 64 bits and never wraps. A ring of one page is walked in
 * full where 32 bits wrap: each filling, with each claim that could matter. Of larger
 * ones, and elsewhere, all places near an edge, some between, and random ones.
 */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../03-shared-memory/mydevice.h"

/* Two pages around the wrap of 32 bits and of the sign, and far from both. */
static const uint64_t in_full[] = { 0x1fffff800, 0x17ffff800 };
static const uint64_t bases[] = {
	0x100000000, 0x100000001, 0x17ffffffe, 0x17fffffff, 0x180000000, 0x180000001,
	0x1fffffffe, 0x1ffffffff, 0x1fffff800, 0x1fff80000, 0x1fff00001, 0x112345678,
};

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

static unsigned int tests_run;
static unsigned long checks;

#define MUST(condition)								\
	do {									\
		checks++;							\
		if (!(condition)) {						\
			printf("not ok - %s, line %d: size %u prod %#x cons %#x\n",	\
			       #condition, __LINE__, mydevice_size(&ring),	\
			       ring.prod, ring.cons);				\
			exit(1);						\
		}								\
	} while (0)

static void passed(const char *what)
{
	printf("ok %u - %s (%lu checks)\n", ++tests_run, what, checks);
	checks = 0;
}

/* A ring whose indices have not wrapped, and the same as a driver has it. */
struct model {
	uint32_t size;
	uint64_t prod;
	uint64_t cons;
};

static struct mydevice_ring ring_of(const struct model *model)
{
	return (struct mydevice_ring){
		.pages = model->size / MYDEVICE_PAGE_SIZE,
		.prod = (uint32_t)model->prod, .cons = (uint32_t)model->cons,
	};
}

/* The index whose lower half a peer claims: the next one that it could be. */
static uint64_t next_with(uint64_t from, uint32_t claim)
{
	uint64_t index = (from & ~0xffffffffull) | claim;

	return index < from ? index + 0x100000000ull : index;
}

/*
 * The next number to try from 0 to @most: all near the ends and near half of it,
 * few between.
 */
static uint32_t step(uint32_t n, uint32_t most)
{
	uint32_t half = most / 2;

	if (n < 3 || n >= most - 3 || (n >= half - 3 && n < half + 3))
		return n + 1;
	return n < half ? n + (half - 3 - n + 1) / 2 : n + (most - 3 - n + 1) / 2;
}

static uint32_t random32(void)
{
	static uint64_t state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

/* -- claims ------------------------------------------------------------- */

static void claim(const struct model *model, uint32_t claim)
{
	struct mydevice_ring ring = ring_of(model), after = ring;
	uint64_t prod = next_with(model->prod, claim), cons = next_with(model->cons, claim);
	bool truth = prod <= model->cons + model->size;

	MUST(mydevice_accept_prod(&after, claim) == truth);
	MUST(after.prod == (truth ? claim : ring.prod) && after.cons == ring.cons);
	MUST(mydevice_used(&after) == (truth ? prod : model->prod) - model->cons);

	after = ring;
	truth = cons <= model->prod;
	MUST(mydevice_accept_cons(&after, claim) == truth);
	MUST(after.cons == (truth ? claim : ring.cons) && after.prod == ring.prod);
	MUST(mydevice_used(&after) == model->prod - (truth ? cons : model->cons));
}

static void filling(const struct model *model)
{
	struct mydevice_ring ring = ring_of(model);

	MUST(mydevice_used(&ring) == model->prod - model->cons);
	MUST(mydevice_free(&ring) == model->size - mydevice_used(&ring));
	MUST(mydevice_used(&ring) <= mydevice_size(&ring));
}

/* Every filling, every claim up to a ring's size beyond both ends of the truth. */
static void claims_in_full(uint64_t base)
{
	struct model model = { .size = MYDEVICE_PAGE_SIZE, .cons = base };
	uint64_t index;

	for (model.prod = base; model.prod <= base + model.size; model.prod++) {
		filling(&model);
		for (index = base - model.size; index <= base + 2 * model.size + 1; index++)
			claim(&model, (uint32_t)index);
	}
}

static void claims_at_edges(const struct model *model)
{
	uint32_t edge, near, bit;

	filling(model);
	for (edge = 0; edge <= 2 * model->size; edge = step(edge, 2 * model->size)) {
		claim(model, (uint32_t)model->cons + edge);
		claim(model, (uint32_t)model->cons - edge);
		claim(model, (uint32_t)model->prod + edge);
		claim(model, (uint32_t)model->prod - edge);
	}
	for (near = 0; near < 8; near++) {
		claim(model, (uint32_t)(model->cons + model->size + 4 - near));
		for (bit = 0; bit < 32; bit++) {
			claim(model, (uint32_t)model->prod + (1u << bit) + 4 - near);
			claim(model, (uint32_t)model->cons - (1u << bit) + 4 - near);
		}
	}
	for (near = 0; near < 64; near++)
		claim(model, random32());
}

/* -- wishes to be woken ---------------------------------------------------- */

/* By counting: is the event among the indices that were passed? */
static void windows(uint64_t base)
{
	struct mydevice_ring ring = { .pages = 1 };
	uint64_t before, after, event, index;
	bool among;

	for (before = base - 50; before <= base + 50; before++) {
		for (after = before; after <= before + 40; after++) {
			for (event = before - 45; event <= after + 45; event++) {
				among = false;
				for (index = before + 1; index <= after; index++)
					among |= (uint32_t)index == (uint32_t)event;
				MUST(mydevice_passed((uint32_t)event, (uint32_t)before,
						     (uint32_t)after) == among);
			}
		}
	}
}

/* A move of up to a whole ring; the event is any number that a peer may write. */
static void large_window(uint64_t before, uint32_t moved, uint32_t event)
{
	struct mydevice_ring ring = { .pages = 1 };
	bool among = next_with(before + 1, event) <= before + moved;

	MUST(mydevice_passed(event, (uint32_t)before, (uint32_t)(before + moved)) == among);
}

static void large_windows(const struct model *model)
{
	uint32_t moved = (uint32_t)(model->prod - model->cons), near, bit;

	for (near = 0; near < 8; near++) {
		large_window(model->cons, moved, (uint32_t)model->cons + 4 - near);
		large_window(model->cons, moved, (uint32_t)model->prod + 4 - near);
		for (bit = 0; bit < 32; bit++)
			large_window(model->cons, moved, (uint32_t)model->cons + (1u << bit) + 4 - near);
		large_window(model->cons, moved, random32());
	}
}

/* -- what to ask for -------------------------------------------------------- */

/*
 * A producer is woken by the one move that makes half of the ring free, and never by
 * one before or after; with no space at all there is such a move. The next byte, for
 * which it asks while somebody is in fsync, is consumed by any move.
 */
static void space_events(const struct model *model)
{
	struct mydevice_ring ring = ring_of(model);
	uint64_t cons, half = model->prod - model->size / 2;
	uint32_t event = mydevice_space_event(&ring), used = mydevice_used(&ring), moved;

	if (used <= model->size / 2)
		return;		/* nobody asks */
	for (moved = 0; moved <= used; moved = step(moved, used)) {
		cons = model->cons + moved;
		MUST(mydevice_passed(event, ring.cons, (uint32_t)cons) == (cons >= half));
		if (cons >= half)
			MUST(!mydevice_passed(event, (uint32_t)cons, ring.prod));
		MUST(mydevice_passed(ring.cons + 1, ring.cons, (uint32_t)cons) == (moved > 0));
	}
}

/* -- places in memory --------------------------------------------------------- */

/* What is in the ring's memory: each byte's place, and how many follow each other. */
struct place {
	char *at;
	uint32_t follow;
};

static void make_places(struct place *places, const struct mydevice_ring *ring)
{
	uint32_t size = mydevice_size(ring), i;

	for (i = 0; i < size; i++)
		places[i].at = (char *)ring->page[i / MYDEVICE_PAGE_SIZE] +
			       i % MYDEVICE_PAGE_SIZE;
	for (i = size; i-- > 0;)
		places[i].follow = i + 1 < size && places[i + 1].at == places[i].at + 1 ?
				   places[i + 1].follow + 1 : 1;
}

static void place(const struct mydevice_ring *at_ring, const struct place *places,
		  uint64_t index, uint32_t want)
{
	struct mydevice_ring ring = *at_ring;
	const struct place *truth;
	uint32_t len = want;
	char *at = mydevice_at(&ring, (uint32_t)index, &len);

	MUST(mydevice_size(&ring));
	truth = &places[index % mydevice_size(&ring)];
	MUST(at == truth->at);
	MUST(len == (want < truth->follow ? want : truth->follow));
	if (len)
		at[0] = at[len - 1] = 1;	/* the sanitizer looks on */
}

/* A ring whose pages lie apart in memory, or up to four together. */
static struct mydevice_ring scattered(uint32_t pages)
{
	struct mydevice_ring ring = { .pages = pages };
	uint32_t i, together, first;

	for (first = 0; first < pages; first += together) {
		together = 1 + first % 4;
		if (together > pages - first)
			together = pages - first;
		ring.page[first] = malloc(together * MYDEVICE_PAGE_SIZE);
		MUST(ring.page[first]);
		for (i = 1; i < together; i++)
			ring.page[first + i] = (char *)ring.page[first] + i * MYDEVICE_PAGE_SIZE;
	}
	mydevice_find_runs(&ring);
	return ring;
}

static void gather(struct mydevice_ring *ring)
{
	uint32_t first, run;

	for (first = 0; first < ring->pages; first += run) {
		run = ring->run[first];
		free(ring->page[first]);
	}
}

/*
 * Each page is tried at its edges, with lengths that end near the end of a page or of
 * the ring.
 */
static void all_places(uint32_t size, uint64_t base)
{
	struct mydevice_ring ring = scattered(size / MYDEVICE_PAGE_SIZE);
	struct place *places = malloc(size * sizeof(*places));
	uint64_t edge, index;
	uint32_t want;

	MUST(places && size);
	make_places(places, &ring);
	for (edge = base - base % MYDEVICE_PAGE_SIZE; edge <= base + size; edge += MYDEVICE_PAGE_SIZE) {
		for (index = edge - 2; index <= edge + 2; index++) {
			for (want = 0; want < 5; want++)
				place(&ring, places, index, want);
			for (want = MYDEVICE_PAGE_SIZE - 3; want <= MYDEVICE_PAGE_SIZE + 3; want++)
				place(&ring, places, index, want);
			place(&ring, places, index, size);
			place(&ring, places, index, UINT_MAX);
		}
	}
	gather(&ring);
	free(places);
}

/* -- all of it ---------------------------------------------------------------- */

static void one_size(uint32_t size)
{
	struct model model = { .size = size };
	uint32_t used;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		model.cons = bases[i];
		for (used = 0; used <= size; used = step(used, size)) {
			model.prod = model.cons + used;
			claims_at_edges(&model);
			large_windows(&model);
			space_events(&model);
		}
		all_places(size, bases[i]);
	}
}

int main(void)
{
	char what[64];
	uint32_t order;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(in_full); i++)
		claims_in_full(in_full[i]);
	passed("one page: every claim, at every filling");
	for (i = 0; i < ARRAY_SIZE(bases); i++)
		windows(bases[i]);
	passed("an event is due exactly when its index is passed");
	for (order = 0; order <= MYDEVICE_MAX_ORDER; order++) {
		one_size(MYDEVICE_PAGE_SIZE << order);
		snprintf(what, sizeof(what), "order %u: claims, wishes and places at the edges", order);
		passed(what);
	}
	printf("1..%u\n", tests_run);
	return 0;
}
