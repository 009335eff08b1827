// SPDX-License-Identifier: GPL-2.0
/*
 * end-proof - the functions of the stream that touch what an end shares with its peer, proven
 * by CBMC: whatever the peer writes into the index page, and whenever, no access is out
 * of bounds, no loop is endless, and what this end believes can be true.
 *
 * model.t takes the functions, and the struct that they work on, out of mydevicestream.c as
 * they are: that is end.c. Each read of the index page is a number of the peer's choice,
 * also if the same word was read before (goto-instrument --nondet-volatile; end.c and
 * mydevice.h have the page volatile). What the kernel does for them is done here, as badly
 * as it may be.
 *
 * Each function named prove_* is a proof of its own: it begins with any stream that keeps
 * the rules of any_stream(), and must leave one. So the rules hold for ever.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Before mydevice.h has its own. */
#define READ_ONCE(x)			(x)
#define WRITE_ONCE(x, value)		((x) = (value))
#define virt_mb()			((void)0)
#define virt_rmb()			((void)0)
#define virt_wmb()			((void)0)

#include "mydevice.h"

uint32_t nondet_u32(void);
uint64_t nondet_u64(void);
size_t nondet_size(void);
int nondet_int(void);
_Bool nondet_bool(void);

#define ASSUME(condition)	__CPROVER_assume(condition)
#define MUST(condition)		__CPROVER_assert(condition, #condition)

/* -- the kernel ------------------------------------------------------------- */

typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;
typedef int atomic_t, wait_queue_head_t;
struct kref { int refs; };
struct mutex { int owner; };
struct device { struct device *parent; };
struct iov_iter { size_t count; };

struct mydevice_stream_ops {
	const char *peer;
	void (*notify)(void *end);
};

struct mydevice_node {
	struct device dev;
	const struct mydevice_stream_ops *ops;
	void *end;
	atomic_t violations;
};

#define atomic_inc(count)		((void)(count))
#define atomic_read(count)		nondet_int()
#define wake_up_all(queue)		((void)(queue))
#define wq_has_sleeper(queue)		nondet_bool()
#define lockdep_assert_held(lock)	((void)(lock))
#define dev_err(dev, ...)		((void)(dev))
#define pagefault_disable()		((void)0)
#define pagefault_enable()		((void)0)
#define min_t(type, a, b)		((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define iov_iter_count(iter)		((iter)->count)

static bool set_and_tell(bool *flag)
{
	bool was = *flag;

	*flag = true;
	return was;
}

#define xchg(flag, value)		set_and_tell(flag)

/* A copy may end early, where the user's memory does. */
static size_t copied(size_t len, struct iov_iter *iter)
{
	size_t n = nondet_size();

	MUST(len > 0 && len <= iter->count);
	ASSUME(n <= len);
	iter->count -= n;
	return n;
}

static size_t copy_to_iter(const void *from, size_t len, struct iov_iter *to)
{
	MUST(__CPROVER_r_ok(from, len));
	return copied(len, to);
}

static size_t copy_from_iter(void *to, size_t len, struct iov_iter *from)
{
	MUST(__CPROVER_w_ok(to, len));
	return copied(len, from);
}

struct mydevice_stream;

static void notify(void *end)
{
	(void)end;
}

/* They read the page and the clock, and change nothing else that counts. */
static void mydevice_stream_poll_bytes(struct mydevice_stream *stream, u32 want)
{
	(void)stream;
	(void)want;
}

static void mydevice_stream_poll_space(struct mydevice_stream *stream, u32 want)
{
	(void)stream;
	(void)want;
}

static void mydevice_stream_look_alive(struct mydevice_stream *stream)
{
	(void)stream;
}

#include "end.c"

/* -- any stream that keeps the rules ------------------------------------------ */

static struct mydevice_index page;
static const struct mydevice_stream_ops ops = { .peer = "peer", .notify = notify };
static struct mydevice_node node = { .ops = &ops };
static struct mydevice_stream stream;

/* The proofs of ring-proof.c are for all sizes at once; some of these take longer. */
#ifndef FIRST_ORDER
#define FIRST_ORDER	0
#define LAST_ORDER	MYDEVICE_MAX_ORDER
#endif

/* The rules: a ring holds no more than fits, and its pages are where they were. */
static bool rules(const struct mydevice_ring *ring, u32 pages)
{
	return ring->pages == pages && ring->prod - ring->cons <= pages * MYDEVICE_PAGE_SIZE;
}

static void any_ring(struct mydevice_ring *ring)
{
	uint32_t order = nondet_u32();

	ASSUME(order >= FIRST_ORDER && order <= LAST_ORDER);
	ring->pages = 1u << order;
	ring->prod = nondet_u32();
	ring->cons = nondet_u32();
	ASSUME(rules(ring, ring->pages));
}

/* Of its memory there are the pages that a turn may touch: those that follow each other. */
static void give_pages(struct mydevice_ring *ring, u32 index)
{
	u32 page = index % (ring->pages * MYDEVICE_PAGE_SIZE) / MYDEVICE_PAGE_SIZE;
	u32 run = nondet_u32();

	ASSUME(run > 0 && run <= ring->pages - page);
	ring->page[page] = malloc(run * MYDEVICE_PAGE_SIZE);
	ring->run[page] = run;
}

static void any_stream(void)
{
	bool front = nondet_bool();

	stream.node = &node;
	stream.mine = front ? &page.frontend : &page.backend;
	stream.theirs = front ? &page.backend : &page.frontend;
	stream.closed = nondet_bool() ? 0 : nondet_bool() ? -EPIPE : -ENODEV;
	stream.broken = nondet_bool();
	stream.sync_index = nondet_u32();
	stream.seen_prod = nondet_u32();
	stream.seen_cons = nondet_u32();
}

/* -- the proofs ---------------------------------------------------------------- */

void prove_take(void)
{
	struct iov_iter to = { .count = nondet_size() };
	size_t wanted = to.count;
	u32 pages, before;
	bool broken;
	int err;

	any_stream();
	any_ring(&stream.rx);
	give_pages(&stream.rx, stream.rx.cons);
	pages = stream.rx.pages;
	before = stream.rx.cons;
	broken = stream.broken;
	err = mydevice_stream_take(&stream, &to, nondet_bool());
	MUST(rules(&stream.rx, pages));
	MUST(stream.rx.cons - before == wanted - to.count);
	MUST(!broken || (err == -EIO && stream.rx.cons == before));
	MUST(err != -EIO || stream.broken);
	MUST(err != -EAGAIN || stream.rx.cons == before);
}

void prove_put(void)
{
	struct iov_iter from = { .count = nondet_size() };
	size_t wanted = from.count;
	u32 pages, before;
	bool idle;
	int err;

	any_stream();
	any_ring(&stream.tx);
	give_pages(&stream.tx, stream.tx.prod);
	pages = stream.tx.pages;
	before = stream.tx.prod;
	idle = stream.broken || stream.closed;
	err = mydevice_stream_put(&stream, &from, nondet_bool());
	MUST(rules(&stream.tx, pages));
	MUST(stream.tx.prod - before == wanted - from.count);
	MUST(!idle || (err && stream.tx.prod == before));
	MUST(err != -EIO || stream.broken);
	MUST(err != -EAGAIN || stream.tx.prod == before);
}

/* Also: however the peer moves, this comes to an end (its loops do). */
void prove_synced(void)
{
	u64 goal = nondet_u64();
	bool synced;
	u32 pages;

	any_stream();
	any_ring(&stream.tx);
	pages = stream.tx.pages;
	stream.bytes_sent = nondet_u64();
	ASSUME(goal <= stream.bytes_sent && mydevice_used(&stream.tx) <= stream.bytes_sent);
	synced = mydevice_stream_synced(&stream, goal);
	MUST(rules(&stream.tx, pages));
	MUST(!synced || !mydevice_stream_unsynced(&stream, goal));
}

/* What cannot be is refused. */
void prove_look_prod(void)
{
	struct mydevice_ring before;
	bool honest;

	any_stream();
	any_ring(&stream.rx);
	before = stream.rx;
	honest = mydevice_look_prod(&stream.rx, stream.theirs);
	MUST(rules(&stream.rx, before.pages) && stream.rx.cons == before.cons);
	MUST(honest ? stream.rx.prod - before.prod <= mydevice_free(&before) :
	     stream.rx.prod == before.prod);
}

void prove_look_cons(void)
{
	struct mydevice_ring before;
	bool honest;

	any_stream();
	any_ring(&stream.tx);
	before = stream.tx;
	honest = mydevice_look_cons(&stream.tx, stream.theirs);
	MUST(rules(&stream.tx, before.pages) && stream.tx.prod == before.prod);
	MUST(honest ? stream.tx.cons - before.cons <= mydevice_used(&before) :
	     stream.tx.cons == before.cons);
}

/* The last claim was accepted, or the connection is broken. */
void prove_readable(void)
{
	bool readable;
	u32 pages;

	any_stream();
	any_ring(&stream.rx);
	pages = stream.rx.pages;
	stream.rx.claim = stream.rx.prod;
	readable = mydevice_stream_readable(&stream, nondet_size(), nondet_bool());
	MUST(rules(&stream.rx, pages));
	MUST(stream.broken || stream.rx.claim == stream.rx.prod);
	MUST(!readable || (mydevice_used(&stream.rx) && !stream.broken));
}

void prove_writable(void)
{
	bool writable;
	u32 pages;

	any_stream();
	any_ring(&stream.tx);
	pages = stream.tx.pages;
	stream.tx.claim = stream.tx.cons;
	writable = mydevice_stream_writable(&stream, nondet_size(), nondet_bool());
	MUST(rules(&stream.tx, pages));
	MUST(stream.broken || stream.tx.claim == stream.tx.cons);
	MUST(!writable || !stream.broken);
}

/* The interrupt believes nothing: it changes neither ring. */
void prove_event(void)
{
	struct mydevice_ring rx, tx;

	any_stream();
	any_ring(&stream.rx);
	any_ring(&stream.tx);
	rx = stream.rx;
	tx = stream.tx;
	mydevice_stream_event(&stream);
	MUST(rx.prod == stream.rx.prod && rx.cons == stream.rx.cons);
	MUST(tx.prod == stream.tx.prod && tx.cons == stream.tx.cons);
}
