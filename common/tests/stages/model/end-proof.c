// SPDX-License-Identifier: GPL-2.0
/*
 * end-proof - the functions that touch what an end shares with its peer, proven by CBMC:
 * those of mydevice.h that look, ask and tell, and those of mydevicestream.c. Whatever the
 * peer writes into the index page, and whenever, no access is out of bounds, no loop is
 * endless, and what this end believes can be true.
 *
 * model.t copies the functions, and the structs that they work on, out of mydevicestream.c:
 * that is stream.c. A pointer to half of the index page becomes one to volatile memory, there
 * and in mydevice.h, and nothing else is changed. Each read of the page then returns a number
 * of the peer's choice, also if the same word was read before (goto-instrument
 * --nondet-volatile). The kernel's part is played here, as badly as it may be.
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

uint32_t nondet_u32(void);
uint64_t nondet_u64(void);
size_t nondet_size(void);
_Bool nondet_bool(void);

#define ASSUME(condition)	__CPROVER_assume(condition)
#define MUST(condition)		__CPROVER_assert(condition, #condition)

typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;
typedef unsigned int fmode_t;

/* -- accesses to shared memory, and barriers ----------------------------------- */

/* In their order, each an octal digit; and what the last read returned. */
enum { READ = 1, WRITE, MB, RMB, WMB };

static u64 steps;
static u64 heard;

static void step(int what)
{
	steps = steps << 3 | what;
}

/* Which word it was is proven in ring-proof.c: a volatile one has no address here. */
#define READ_U64(x)		(step(READ), heard = (x))
#define READ_ONCE(x)		_Generic((x), u64: READ_U64(x), default: (u32)READ_U64(x))
#define WRITE_ONCE(x, value)	(step(WRITE), (x) = (value))
#define virt_mb()		step(MB)
#define virt_rmb()		step(RMB)
#define virt_wmb()		step(WMB)

#include "mydevice.h"

/* -- the kernel ---------------------------------------------------------------- */

typedef unsigned int atomic_t;
typedef int wait_queue_head_t;
struct kref { int refs; };
struct mutex { bool held; };
struct device { struct device *parent; };
struct cdev { int unused; };
struct work_struct { int queued; };
struct iov_iter { size_t count; int rw; unsigned int turns; };

#define NSEC_PER_USEC			1000L
#define min(a, b)			((a) < (b) ? (a) : (b))
#define min_t(type, a, b)		((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define atomic_inc(count)		((void)++*(count))
#define atomic_read(count)		(*(count))
#define wake_up_all(queue)		(*(queue) = stream->wakeups)	/* the count comes first */
#define wq_has_sleeper(queue)		nondet_bool()
#define lockdep_assert_held(lock)	MUST((lock)->held)
#define dev_err(dev, ...)		((void)(dev))
#define pagefault_disable()		((void)0)
#define pagefault_enable()		((void)0)
#define cpu_relax()			((void)0)
#define iov_iter_count(iter)		((iter)->count)
#define iov_iter_rw(iter)		((iter)->rw)
#define queue_work(queue, work)		((void)(work)->queued++)

static bool exchange(bool *flag, bool value)
{
	bool was = *flag;

	*flag = value;
	return was;
}

#define xchg(flag, value)		exchange(flag, value)

static void mutex_lock(struct mutex *lock)
{
	MUST(!lock->held);
	lock->held = true;
}

static void mutex_unlock(struct mutex *lock)
{
	MUST(lock->held);
	lock->held = false;
}

static u64 ktime_get_ns(void)
{
	static u64 now;
	u64 later = nondet_u64();

	ASSUME(later >= now && later < 1ull << 62);
	now = later;
	return now;
}

/* A poll goes round again once: no turn of it decides anything that another does not. */
static bool need_resched(void)
{
	static bool asked;

	return exchange(&asked, true) || nondet_bool();
}

/* What a copy moves, and how many turns of its loop are followed: see give_pages(). */
static const struct mydevice_ring *copy_ring;
static const u32 *copy_index;
static unsigned int copy_turns;

/*
 * A copy may end early, where the user's memory does. Of the loop around it one turn is
 * followed, or two: each begins with a ring and a length that a first one may begin with, goes
 * on where the one before it has ended, and moves at least a byte. So one is as good as all.
 */
static size_t copied(const void *memory, size_t len, struct iov_iter *iter)
{
	u32 at = *copy_index & (mydevice_size(copy_ring) - 1);
	size_t n = nondet_size();

	MUST(len > 0 && len <= iter->count);
	MUST(memory == (char *)copy_ring->page[at / MYDEVICE_PAGE_SIZE] + at % MYDEVICE_PAGE_SIZE);
	ASSUME(n <= len);
	iter->count -= n;
	return n;
}

static size_t copy_to_iter(const void *from, size_t len, struct iov_iter *to)
{
	ASSUME(to->turns++ < copy_turns);
	MUST(to->rw == READ);
	MUST(__CPROVER_r_ok(from, len));
	return copied(from, len, to);
}

static size_t copy_from_iter(void *to, size_t len, struct iov_iter *from)
{
	ASSUME(from->turns++ < copy_turns);
	MUST(from->rw == WRITE);
	MUST(__CPROVER_w_ok(to, len));
	return copied(to, len, from);
}

static unsigned int poll_us;

#include "stream.c"

/* -- any stream that keeps the rules ------------------------------------------- */

static struct mydevice_index page;
static struct mydevice_end *mine, *theirs;	/* the same halves, not volatile */
static struct device bus;
static struct mydevice_node node;
static struct mydevice_stream stream;
static unsigned int notified;

/* Called under a lock, and not when the connection has ended. */
static void notify(struct device *dev)
{
	MUST(dev == &bus);
	MUST(stream.read_lock.held || stream.write_lock.held);
	MUST(!stream.closed);
	notified++;
}

static const struct mydevice_stream_ops ops = { .peer = "peer", .notify = notify };

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

/* A claim is either accepted or breaks the connection: see is_accepted(). */
static void any_ring(struct mydevice_ring *ring)
{
	uint32_t order = nondet_u32();

	ASSUME(order >= FIRST_ORDER && order <= LAST_ORDER);
	ring->pages = 1u << order;
	ring->prod = nondet_u32();
	ring->cons = nondet_u32();
	ASSUME(rules(ring, ring->pages));
	ring->claim = ring == &stream.rx ? ring->prod : ring->cons;
}

static bool is_accepted(const struct mydevice_ring *ring)
{
	return ring->claim == (ring == &stream.rx ? ring->prod : ring->cons);
}

/* Pages that follow each other, from one page on. Returns how many there are. */
static u32 give_run(struct mydevice_ring *ring, u32 page)
{
	u32 run = nondet_u32();

	ASSUME(run > 0 && run <= ring->pages - page);
	ring->page[page] = malloc(run * MYDEVICE_PAGE_SIZE);
	ring->run[page] = run;
	return run;
}

/* Of its memory there are the pages that so many turns may touch, 1 or 2. */
static void give_pages(struct mydevice_ring *ring, const u32 *index, unsigned int turns)
{
	u32 page = *index % (ring->pages * MYDEVICE_PAGE_SIZE) / MYDEVICE_PAGE_SIZE;
	u32 next = (page + give_run(ring, page)) % ring->pages;

	if (turns > 1 && next != page)
		give_run(ring, next);
	copy_ring = ring;
	copy_index = index;
	copy_turns = turns;
}

static void any_halves(void)
{
	bool front = nondet_bool();

	mine = front ? &page.frontend : &page.backend;
	theirs = front ? &page.backend : &page.frontend;
}

/* One that is closed has no index page any more, or soon. */
static void any_stream(void)
{
	any_halves();
	node.ops = &ops;
	node.dev.parent = &bus;
	node.stream = &stream;
	node.generation = nondet_u32();
	stream.node = &node;
	stream.closed = nondet_bool() ? 0 : nondet_bool() ? -EPIPE : -ENODEV;
	if (!stream.closed || nondet_bool()) {
		stream.mine = mine;
		stream.theirs = theirs;
	}
	stream.broken = nondet_bool();
	stream.death_seen = nondet_bool();
	stream.gathers = nondet_bool();
	stream.syncers = nondet_u32();
	stream.seen_prod = nondet_u32();
	stream.seen_cons = nondet_u32();
	stream.reader_waited = nondet_u64();
	stream.writer_waited = nondet_u64();
	poll_us = nondet_u32();
}

/* The same, of a connection that lasts. */
static void any_connection(void)
{
	any_stream();
	ASSUME(!stream.closed);
}

/* -- the proofs: mydevice.h ---------------------------------------------------- */

/* What cannot be is refused; what can be is taken over as it was read, once. */
void prove_look_prod(void)
{
	struct mydevice_ring before;
	bool honest;

	any_halves();
	any_ring(&stream.rx);
	before = stream.rx;
	honest = mydevice_look_prod(&stream.rx, theirs);
	MUST(rules(&stream.rx, before.pages) && stream.rx.cons == before.cons);
	MUST(stream.rx.claim == (u32)heard);
	MUST(honest == ((u32)heard - before.prod <= mydevice_free(&before)));
	MUST(stream.rx.prod == (honest ? (u32)heard : before.prod));
	MUST(steps == (honest ? 0124 : 01));	/* READ, WRITE of our own copy, RMB */
}

void prove_look_cons(void)
{
	struct mydevice_ring before;
	bool honest;

	any_halves();
	any_ring(&stream.tx);
	before = stream.tx;
	honest = mydevice_look_cons(&stream.tx, theirs);
	MUST(rules(&stream.tx, before.pages) && stream.tx.prod == before.prod);
	MUST(stream.tx.claim == (u32)heard);
	MUST(honest == ((u32)heard - before.cons <= mydevice_used(&before)));
	MUST(stream.tx.cons == (honest ? (u32)heard : before.cons));
	MUST(steps == (honest ? 0123 : 01));	/* READ, WRITE of our own copy, MB */
}

/* A peer that sees the wake-up index notifies of the next byte, however many come with it. */
void prove_ask_prod(void)
{
	struct mydevice_ring before;
	u32 later = nondet_u32();
	bool honest;

	any_halves();
	any_ring(&stream.rx);
	before = stream.rx;
	ASSUME(!mydevice_used(&before));
	honest = mydevice_ask_prod(&stream.rx, mine, theirs);
	MUST(rules(&stream.rx, before.pages) && stream.rx.cons == before.cons);
	MUST(stream.rx.claim == (u32)heard);
	MUST(stream.rx.prod == (honest ? (u32)heard : before.prod));
	MUST(steps == (honest ? 023124 : 0231));		/* WRITE, MB, READ, RMB */
	ASSUME(later && later <= mydevice_size(&before));
	MUST(mydevice_passed(mine->prod_event, before.prod, before.prod + later));
}

void prove_ask_cons(void)
{
	struct mydevice_ring before;
	u32 event = nondet_u32();
	bool honest;

	any_halves();
	any_ring(&stream.tx);
	before = stream.tx;
	honest = mydevice_ask_cons(&stream.tx, mine, theirs, event);
	MUST(rules(&stream.tx, before.pages) && stream.tx.prod == before.prod);
	MUST(stream.tx.claim == (u32)heard);
	MUST(stream.tx.cons == (honest ? (u32)heard : before.cons));
	MUST(steps == (honest ? 023123 : 0231));		/* WRITE, MB, READ, MB */
	MUST(mine->cons_event == event);
}

/* Of this end's half only the index changes, and the peer's wake-up index is all that counts. */
void prove_tell_prod(void)
{
	u32 before = nondet_u32();
	struct mydevice_end was;
	bool asked;

	any_halves();
	any_ring(&stream.tx);
	was = *mine;
	asked = mydevice_tell_prod(&stream.tx, mine, theirs, before);
	MUST(steps == 05231);				/* WMB, WRITE, MB, READ */
	MUST(mine->prod == stream.tx.prod && mine->cons == was.cons);
	MUST(mine->prod_event == was.prod_event && mine->cons_event == was.cons_event);
	MUST(asked == ((u32)(heard - before - 1) < stream.tx.prod - before));
}

void prove_tell_cons(void)
{
	u32 before = nondet_u32();
	struct mydevice_end was;
	bool asked;

	any_halves();
	any_ring(&stream.rx);
	was = *mine;
	asked = mydevice_tell_cons(&stream.rx, mine, theirs, before);
	MUST(steps == 03231);				/* MB, WRITE, MB, READ */
	MUST(mine->cons == stream.rx.cons && mine->prod == was.prod);
	MUST(mine->prod_event == was.prod_event && mine->cons_event == was.cons_event);
	MUST(asked == ((u32)(heard - before - 1) < stream.rx.cons - before));
}

/* -- the proofs: mydevicestream.c ---------------------------------------------- */

/* How often sleepers have been woken, on either queue. */
static bool woken(unsigned int times)
{
	return stream.wakeups == times && stream.readers == times && stream.writers == times;
}

/* The interrupt believes nothing: it changes neither ring. It wakes all, whatever it finds. */
void prove_event(void)
{
	struct mydevice_ring rx, tx;
	bool moved;

	any_connection();
	any_ring(&stream.rx);
	any_ring(&stream.tx);
	rx = stream.rx;
	tx = stream.tx;
	moved = mydevice_stream_event(&stream);
	MUST(rx.prod == stream.rx.prod && rx.cons == stream.rx.cons);
	MUST(tx.prod == stream.tx.prod && tx.cons == stream.tx.cons);
	MUST(woken(1));
	MUST(stream.spurious == !moved);
	MUST(!stream.broken || !node.violations);
}

/* A peer's death is looked into once a connection. */
void prove_look_alive(void)
{
	bool seen;

	any_connection();
	seen = stream.death_seen;
	mydevice_stream_look_alive(&stream);
	mydevice_stream_look_alive(&stream);
	MUST(node.death.queued <= !seen && stream.death_seen == (seen || node.death.queued));
}

/* Said once; who sleeps then is woken each time. */
void prove_break(void)
{
	bool broken;

	any_stream();
	broken = stream.broken;
	mydevice_stream_break(&stream, "producer", nondet_u32());
	mydevice_stream_break(&stream, "consumer", nondet_u32());
	MUST(stream.broken && node.violations == !broken);
	MUST(woken(2));
}

/* What is broken is broken, whatever else it is; and only a connection that lasts has EAGAIN. */
void prove_error(void)
{
	int err;

	any_stream();
	err = mydevice_stream_error(&stream);
	MUST((err == -EIO) == stream.broken);
	MUST((err == -EAGAIN) == (!stream.broken && !stream.closed));
	MUST(stream.broken || !stream.closed || err == stream.closed);
	MUST(!stream.wakeups && !node.violations);
}

/*
 * In either direction, and wherever it begins: what is asked for or what the user has place
 * for, whichever is less, and less than that only with an error.
 */
void prove_copy(void)
{
	struct iov_iter user = { .count = nondet_size(), .rw = nondet_bool() ? READ : WRITE };
	u32 index = nondet_u32(), len = nondet_u32(), before = index, least;
	size_t wanted = user.count;
	int err;

	any_ring(&stream.rx);
	give_pages(&stream.rx, &index, 2);
	ASSUME(len <= mydevice_size(&stream.rx));
	least = wanted < len ? wanted : len;
	err = mydevice_copy(&stream.rx, &index, len, &user);
	MUST(index - before == wanted - user.count);
	MUST(index - before <= least);
	MUST(err == (index - before == least ? 0 : -EFAULT));
	MUST(steps == 0);
}

/* A poll believes nothing: it changes neither ring. */
void prove_poll(void)
{
	struct mydevice_ring rx, tx;

	any_connection();
	any_ring(&stream.rx);
	any_ring(&stream.tx);
	rx = stream.rx;
	tx = stream.tx;
	if (nondet_bool())
		mydevice_stream_poll_bytes(&stream, nondet_u32());
	else
		mydevice_stream_poll_space(&stream);
	MUST(rx.prod == stream.rx.prod && rx.cons == stream.rx.cons);
	MUST(tx.prod == stream.tx.prod && tx.cons == stream.tx.cons);
}

/* A lie breaks the connection. A reader that may sleep has asked for the next byte. */
void prove_readable(void)
{
	bool broken, readable, may_block = nondet_bool();
	size_t want = nondet_size();
	u32 pages, cons;

	any_stream();
	any_ring(&stream.rx);
	pages = stream.rx.pages;
	cons = stream.rx.cons;
	broken = stream.broken;
	stream.read_lock.held = true;
	readable = mydevice_stream_readable(&stream, want, may_block);
	MUST(rules(&stream.rx, pages) && stream.rx.cons == cons);
	MUST(stream.broken || is_accepted(&stream.rx));
	MUST(stream.broken == broken || !is_accepted(&stream.rx));
	MUST(readable == (!stream.broken && mydevice_used(&stream.rx)));
	MUST(readable || stream.broken || stream.closed || !may_block || !want ||
	     mine->prod_event == cons + 1);
}

void prove_take(void)
{
	struct iov_iter to = { .count = nondet_size(), .rw = READ };
	size_t wanted = to.count;
	u32 pages, before;
	bool broken;
	u64 bytes;
	int err;

	any_stream();
	any_ring(&stream.rx);
	give_pages(&stream.rx, &stream.rx.cons, 1);
	pages = stream.rx.pages;
	before = stream.rx.cons;
	broken = stream.broken;
	bytes = stream.bytes_received;
	stream.read_lock.held = true;
	err = mydevice_stream_take(&stream, &to, nondet_bool());
	MUST(rules(&stream.rx, pages));
	MUST(stream.rx.cons - before == wanted - to.count);
	MUST(stream.bytes_received - bytes == wanted - to.count);
	MUST(!broken || (err == -EIO && stream.rx.cons == before));
	MUST(err != -EIO || stream.broken);
	MUST(err != -EAGAIN || stream.rx.cons == before);
	MUST(err || stream.rx.cons != before || !wanted || stream.closed == -EPIPE);
	MUST(err != -EPIPE && (err != -ENODEV || (stream.closed == -ENODEV && !mydevice_used(&stream.rx))));
	MUST(stream.closed || stream.rx.cons == before ||
	     (mine->cons == stream.rx.cons && notified + stream.suppressed == 1));
}

/*
 * A lie breaks the connection. What is asked for, if anything, is the next byte while somebody
 * is in fsync, and else half of a full ring; and it is asked for between two looks. A task in
 * fsync is woken by what either of them has found, and by nothing else.
 */
void prove_stream_look_cons(void)
{
	struct mydevice_ring *tx = &stream.tx;
	u32 pages, prod, before, after, event, later = nondet_u32();
	bool ask = nondet_bool(), honest, asked;

	any_connection();
	ASSUME(!stream.broken);
	any_ring(tx);
	pages = tx->pages;
	prod = tx->prod;
	before = tx->cons;
	event = mine->cons_event;
	mydevice_stream_look_cons(&stream, ask);
	after = tx->cons;
	honest = is_accepted(tx);
	MUST(rules(tx, pages) && tx->prod == prod && after - before <= prod - before);
	MUST(stream.broken == !honest && node.violations == !honest);
	MUST(woken(!honest || (stream.syncers && after != before)));
	asked = steps > 0123;
	MUST(steps == (asked ? (honest ? 012323123 : 0123231) : (honest ? 0123 : 01)));
	MUST(!asked || ask);
	MUST(asked || mine->cons_event == event);
	MUST(asked || !ask || !honest || (!stream.syncers && mydevice_free(tx)));
	if (asked && stream.syncers)	/* the byte after what the first look found */
		MUST(mine->cons_event - 1 - before <= after - before);
	else if (asked)
		MUST(mine->cons_event == mydevice_space_event(tx) && prod - before == mydevice_size(tx));
	if (!asked || !honest || !stream.syncers || after != before)
		return;
	ASSUME(later && later <= mydevice_used(tx));
	MUST(mydevice_passed(mine->cons_event, after, after + later));
}

void prove_writable(void)
{
	bool broken, writable, may_block = nondet_bool();
	size_t want = nondet_size();
	u32 pages, prod;

	any_stream();
	any_ring(&stream.tx);
	pages = stream.tx.pages;
	prod = stream.tx.prod;
	broken = stream.broken;
	stream.write_lock.held = true;
	writable = mydevice_stream_writable(&stream, want, may_block);
	MUST(rules(&stream.tx, pages) && stream.tx.prod == prod);
	MUST(stream.broken || is_accepted(&stream.tx));
	MUST(stream.broken == broken || !is_accepted(&stream.tx));
	MUST(writable == (!stream.broken && !stream.closed &&
			  (mydevice_free(&stream.tx) || !want)));
	MUST(writable || stream.broken || stream.closed || !may_block ||
	     mine->cons_event == (stream.syncers ? stream.tx.cons + 1 :
				  mydevice_space_event(&stream.tx)));
}

void prove_put(void)
{
	struct iov_iter from = { .count = nondet_size(), .rw = WRITE };
	size_t wanted = from.count;
	u32 pages, before;
	bool idle;
	u64 bytes;
	int err;

	any_stream();
	any_ring(&stream.tx);
	give_pages(&stream.tx, &stream.tx.prod, 1);
	pages = stream.tx.pages;
	before = stream.tx.prod;
	idle = stream.broken || stream.closed;
	bytes = stream.bytes_sent;
	stream.write_lock.held = true;
	err = mydevice_stream_put(&stream, &from, nondet_bool());
	MUST(rules(&stream.tx, pages));
	MUST(stream.tx.prod - before == wanted - from.count);
	MUST(stream.bytes_sent - bytes == wanted - from.count);
	MUST(!idle || (err && stream.tx.prod == before));
	MUST(err != -EIO || stream.broken);
	MUST(err != -EAGAIN || stream.tx.prod == before);
	MUST(err || stream.tx.prod != before || !wanted);
	MUST(stream.tx.prod == before ||
	     (mine->prod == stream.tx.prod && notified + stream.suppressed == 1));
}

/*
 * A lie breaks the connection, and what is synced was consumed. What is not has been asked for,
 * or a task in fsync is woken and asks again. Without a connection nothing is looked at.
 */
void prove_synced(void)
{
	bool synced, idle, broken;
	u64 goal = nondet_u64();
	u32 pages, prod, before;

	any_stream();
	ASSUME(stream.syncers);
	any_ring(&stream.tx);
	pages = stream.tx.pages;
	prod = stream.tx.prod;
	before = stream.tx.cons;
	broken = stream.broken;
	idle = broken || stream.closed;
	stream.bytes_sent = nondet_u64();
	ASSUME(goal <= stream.bytes_sent && mydevice_used(&stream.tx) <= stream.bytes_sent);
	synced = mydevice_stream_synced(&stream, goal);
	MUST(rules(&stream.tx, pages) && stream.tx.prod == prod);
	MUST(synced == (stream.bytes_sent - goal >= mydevice_used(&stream.tx)));
	MUST(stream.broken || is_accepted(&stream.tx));
	MUST(stream.broken == broken || !is_accepted(&stream.tx));
	MUST(!idle || (stream.tx.cons == before && steps == 01));	/* READ of broken */
	MUST(idle || stream.broken || stream.tx.cons != before || mine->cons_event == before + 1);
	MUST(idle || stream.broken || stream.tx.cons == before || woken(1));
}

/* Wherever the peer says that the indices begin, both rings are empty, and nobody is asked. */
void prove_begin(void)
{
	stream.rx.pages = stream.tx.pages = 1;
	any_halves();
	mydevice_stream_begin(&stream, mine, theirs);
	MUST(!mydevice_used(&stream.rx) && !mydevice_used(&stream.tx));
	MUST(mine->prod == stream.tx.prod && mine->cons == stream.rx.cons);
	MUST(!mine->prod_event && !mine->cons_event && mine->alive == 1);
	MUST(stream.mine == mine && stream.theirs == theirs);
	MUST(stream.seen_prod == stream.rx.prod && stream.seen_cons == stream.tx.cons);
}

/* A lie told last counts, too; nobody sleeps on, and no lock stays held. */
void prove_stop(void)
{
	u32 rx_pages, tx_pages;
	bool broken;
	int closed;

	any_stream();
	any_ring(&stream.rx);
	any_ring(&stream.tx);
	rx_pages = stream.rx.pages;
	tx_pages = stream.tx.pages;
	closed = stream.closed;
	broken = mydevice_stream_stop(&stream, -EPIPE);
	MUST(rules(&stream.rx, rx_pages) && rules(&stream.tx, tx_pages));
	MUST(broken == stream.broken);
	MUST(broken || (is_accepted(&stream.rx) && is_accepted(&stream.tx)));
	MUST(stream.closed == (closed ? closed : -EPIPE) && !node.stream);
	MUST(stream.wakeups && woken(stream.wakeups));
	MUST(!stream.read_lock.held && !stream.write_lock.held && !node.lock.held);
}
