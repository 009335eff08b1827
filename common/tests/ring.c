// SPDX-License-Identifier: GPL-2.0
/*
 * ring - the inline functions of mydevice.h, compared with what their comments
 * say, for every size of a ring, full, empty and between, at the places where 32
 * bits wrap.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../03-shared-memory/mydevice.h"

/* Where indices begin: the wrap, the sign bit, and far from both. */
static const __u32 bases[] = {
	0, 1, 4096, 0x7ffffffe, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe,
	0xffffffff, 0xffff0000, 0xfffff000, 0xfff00001, 0x12345678,
};

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

static struct mydevice_ring ring_at(__u32 order, __u32 base, __u32 used)
{
	return (struct mydevice_ring){
		.pages = 1u << order, .cons = base, .prod = base + used,
	};
}

/* Interesting fillings and distances: all near the edges, some between. */
static __u32 step(__u32 n, __u32 size)
{
	if (n < 3 || n > size - 3 || (n > size / 2 - 3 && n < size / 2 + 3))
		return 1;
	return n < size / 2 ? (size / 2 - 2 - n + 1) / 2 + 1 : (size - 2 - n + 1) / 2 + 1;
}

static void claims(__u32 order, __u32 base, __u32 used)
{
	struct mydevice_ring ring = ring_at(order, base, used), after;
	__u32 size = mydevice_size(&ring), far;
	__s64 move;

	MUST(mydevice_used(&ring) == used);
	MUST(mydevice_free(&ring) == size - used);
	for (far = 0; far <= 2 * size + 4; far += step(far % (size + 1), size)) {
		for (move = -(__s64)far; ; move = far) {
			after = ring;
			MUST(mydevice_accept_prod(&after, ring.prod + (__u32)move) ==
			     (move >= 0 && move <= size - used));
			MUST(after.prod == ring.prod + (move >= 0 && move <= size - used ?
							(__u32)move : 0));
			after = ring;
			MUST(mydevice_accept_cons(&after, ring.cons + (__u32)move) ==
			     (move >= 0 && move <= used));
			MUST(after.prod == ring.prod && mydevice_used(&after) <= used);
			if (move >= 0)
				break;
		}
	}
	for (far = 0; far < 32; far++) {
		after = ring;
		if (((__u32)1 << far) > 2 * size) {
			MUST(!mydevice_accept_prod(&after, ring.prod + ((__u32)1 << far)));
			MUST(!mydevice_accept_cons(&after, ring.cons + ((__u32)1 << far)));
		}
	}
}

/* The same by counting: is the event among the indices that were passed? */
static void wishes(__u32 base)
{
	struct mydevice_ring ring = ring_at(0, base, 0);
	__u32 moved, event, i;
	bool among;

	for (moved = 0; moved < 40; moved++) {
		for (event = 0; event < 80; event++) {
			among = false;
			for (i = 1; i <= moved; i++)
				among |= base + i == base - 20 + event;
			MUST(mydevice_passed(base - 20 + event, base, base + moved) == among);
		}
	}
}

/* A waiting end must be woken before its peer has no more to do. */
static void events(__u32 order, __u32 base, __u32 used)
{
	struct mydevice_ring ring = ring_at(order, base, used);
	__u32 maybe, index, event;

	if (used == mydevice_size(&ring))
		MUST(mydevice_passed(mydevice_space_event(&ring), ring.cons, ring.prod));
	MUST(mydevice_reached(&ring, ring.cons));
	MUST(mydevice_reached(&ring, ring.prod) == !used);
	for (index = 1; index <= used; index += step(index, mydevice_size(&ring))) {
		for (maybe = 0; maybe <= used; maybe += step(maybe, mydevice_size(&ring))) {
			event = mydevice_first(&ring, ring.cons + maybe, ring.cons + index);
			MUST(event == ring.cons + (maybe && maybe < index ? maybe : index));
			MUST(mydevice_passed(event, ring.cons, ring.cons + index));
		}
		event = mydevice_first(&ring, ring.cons - index, ring.cons + index);
		MUST(event == ring.cons + index);
	}
}

/* Pieces lie apart in memory: nothing may run from one into the next. */
static void places(__u32 order, __u32 base)
{
	struct mydevice_ring ring = ring_at(order, base, 0);
	__u32 size = mydevice_size(&ring), offset, len, want;
	__u32 piece = size < MYDEVICE_PIECE_SIZE ? size : MYDEVICE_PIECE_SIZE;
	unsigned int i;
	char *at;

	for (i = 0; i < size / piece; i++) {
		ring.piece[i] = malloc(piece);
		MUST(ring.piece[i]);
	}
	for (offset = 0; offset < size; offset += offset % 4096 < 2 || offset % 4096 == 4095 ? 1 : 4093) {
		for (want = 1; want <= 2 * size; want = want * 2 + (want % 3)) {
			len = want;
			at = mydevice_at(&ring, base + offset, &len);
			i = ((base + offset) & (size - 1)) / piece;
			MUST(len >= 1 && len <= want);
			MUST(at >= (char *)ring.piece[i] && at + len <= (char *)ring.piece[i] + piece);
			MUST(at - (char *)ring.piece[i] == (base + offset) % piece);
			MUST(len == want || at + len == (char *)ring.piece[i] + piece);
			memset(at, 1, len);
		}
	}
	for (i = 0; i < size / piece; i++)
		free(ring.piece[i]);
}

int main(void)
{
	__u32 order, used;
	size_t i;

	for (order = 0; order <= MYDEVICE_MAX_ORDER; order++) {
		__u32 size = MYDEVICE_PAGE_SIZE << order;

		for (i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
			for (used = 0; used <= size; used += step(used, size)) {
				claims(order, bases[i], used);
				events(order, bases[i], used);
			}
			places(order, bases[i]);
		}
		printf("# order %u\n", order);
		passed("claims, wishes to be woken and places in memory are as they should be");
	}
	for (i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
		wishes(bases[i]);
	passed("an event is due exactly when its index is passed");
	printf("1..%u\n", tests_run);
	return 0;
}
