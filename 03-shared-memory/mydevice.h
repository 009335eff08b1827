/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mydevice: what its frontend and its backend agree on.
 *
 * A mydevice has two ends. The frontend is a module in a guest (a domU), the
 * backend a module in dom0 or in another guest. Each has a directory in
 * XenStore, made when the device is activated:
 *
 *   frontend  /local/domain/DOMID/device/mydevice/N
 *   backend   /local/domain/BACKEND-DOMID/backend/mydevice/DOMID/N
 *
 * XenStore nodes
 * ==============
 *
 * Each end writes in its own directory and reads the other's, and checks what it
 * reads there. Numbers are decimal. An end ignores a node that is not listed: this
 * is how the protocol can grow.
 *
 * Written by the activation (the toolstack), in both directories:
 *
 * backend, backend-id (frontend's) and frontend, frontend-id (backend's)
 *	The other end's directory, and the domain that it is in.
 *
 * state
 *	Values:		enum xenbus_state; the activation writes 1, Initialising
 *	Afterwards the end itself writes it. A toolstack that takes the
 *	device away writes 5, Closing, in the backend's directory.
 *
 * online (backend's)
 *	Values:		1, or 0 when the device is being taken away
 *	With 1 a backend stays when the frontend closes.
 *
 * Written by the backend, before it goes to InitWait:
 *
 * versions
 *	Values:		version numbers with commas between them, such as "1,2"
 *	The protocol versions that it speaks: see enum mydevice_version.
 *
 * max-ring-page-order
 *	Values:		0 to 8
 *	Default:	0
 *	The largest ring that it maps: one of 2^order pages of 4 KiB.
 *
 * feature-NAME
 *	Values:		0 or 1
 *	Default:	0
 *	What it offers beyond its version. No version has a feature yet.
 *
 * Written by the frontend, in one transaction before it goes to Initialised:
 *
 * version
 *	Values:		one of the backend's versions
 *	The one it chose: the highest that both ends speak. A frontend that
 *	speaks none of them writes its own instead, goes to Closing and publishes
 *	nothing else, so that the backend can say why they do not connect.
 *
 * event-channel
 *	Values:		a port number of the frontend's domain
 *	The event channel by which each end notifies the other; the backend's
 *	domain may bind it.
 *
 * ring-ref
 *	Values:		a grant reference of the frontend's domain
 *	The index page, struct mydevice_index.
 *
 * out-ring-page-order, in-ring-page-order
 *	Values:		0 to the backend's max-ring-page-order
 *	The size of the ring from the frontend to the backend, and of the
 *	ring from the backend to the frontend.
 *
 * feature-NAME
 *	Values:		0 or 1; 1 only if the backend offers it
 *	Default:	0
 *	What this connection uses.
 *
 * States
 * ======
 *
 * The handshake. Each end writes no state but its own:
 *
 *   frontend                              backend
 *   Initialising: waits                   writes its offer    -> InitWait
 *   sees InitWait: publishes
 *                     -> Initialised
 *                                         sees Initialised: reads, checks
 *                                                             -> Connected
 *   sees Connected    -> Connected
 *
 * Closing. Either end goes to Closing, or directly to Closed when its driver
 * leaves. The frontend stops its users, then says Closed; the backend releases
 * what it holds of the frontend's, then says Closed; then the frontend releases
 * the rest. A backend whose node "online" is 1 stays and waits for another
 * connection; one that is not online goes away.
 *
 * Reconnecting. The end that was probed again begins: a frontend with
 * Initialising, a backend with InitWait. The end that stayed follows: a backend
 * that sees Initialising offers again and goes to InitWait, a frontend that
 * sees InitWait publishes again. A guest that was saved and is restored has new
 * directories, made by another activation, and begins as if probed again.
 * An end whose peer broke the protocol follows it to Closed and no further: it
 * stays there until its driver is bound again, or the device activated again.
 * So does a frontend whose backend offers again before it has unmapped the old
 * pages.
 *
 * Errors. An end that cannot go on, or does not accept what it reads, writes
 * the reason to error/DIRECTORY/error in its own domain, as xenbus_dev_fatal()
 * does, and goes to Closing, then to Closed. It gives each reason once, until it is
 * bound again, because a peer can cause one a thousand times a second.
 *
 * Events
 * ======
 *
 * A notification says "look", never what to look for. Several may arrive as
 * one, and when the backend binds its end of the channel one event arrives
 * there that nobody sent.
 *
 * Shared memory
 * =============
 *
 * The frontend grants the index page, struct mydevice_index. Each end has a half of
 * it, writes only to that half, and reads the other. Before Initialised the frontend
 * writes into both halves where the indices begin; everything else is 0.
 * Before Connected the backend reads the frontend's half, each index once, and
 * resets its own half.
 *
 * Rings. For the bytes in each direction the frontend grants a ring of pages. The index
 * page lists their references and says how many there are; the backend reads each of
 * these once, before Connected. Indices count bytes, are never reduced, and wrap at
 * 2^32; a byte's place in its ring is its index modulo the ring's size. Both rings are
 * empty when they begin. Only its producer writes to a ring.
 *
 * Claims. What an end reads in the index page is a claim: it reads once, checks
 * against the last claim that it accepted, and uses what it checked (XSA-39,
 * XSA-155). A producer may move forward into free space, a consumer up to what
 * was produced; an end that claims anything else is broken, and its peer stops
 * using the connection: its readers and writers fail, and it sends no EOI.
 *
 * Order. (P) A producer writes the bytes, then its index; a consumer reads the
 * index, then the bytes. (C) A consumer reads the bytes, then writes its index;
 * a producer reads the index, then overwrites the bytes. Each end keeps this order
 * with a barrier between the two steps.
 *
 * Wake-ups. A notification goes only to an end that asked for it. Each end publishes
 * its wake-up index; the other notifies when its own index reaches that.
 * (N) Between publishing an index and reading the peer's wake-up index, and between
 * publishing a wake-up index and reading the peer's index, there is a full barrier:
 * the end that comes second sees what the first one wrote, so no wake-up is lost. An
 * end that finds its wake-up index passed already does not sleep. A consumer asks
 * for the next byte. A producer asks for half of the ring to be free, because an event
 * for every few bytes would cost more than the bytes.
 * While somebody waits in fsync, it asks for the next byte to be consumed.
 * Both wake-up indices start at 0.
 *
 * Life. An end may be a process, and die without a word in XenStore. So each end
 * writes 1 to alive when it sets up its half. An end that is a process has its kernel
 * write 0 there and notify when its memory is unmapped (the unmap notifications of
 * gntdev and gntalloc). An end that leaves properly says Closing or Closed first. An
 * end that is Connected and reads 0 there on a notification treats the connection as
 * closed and goes to Closed, unless the other end has said that it leaves.
 *
 * What the calls return
 * =====================
 *
 * At either end the device has a node in /dev. A file belongs to the connection
 * that existed when it was opened. (U) means that the unread bytes come first.
 *
 *		Connected		closed		device gone	broken
 *   open	a file; EBUSY if	ENOTCONN	ENOENT, ENXIO	EIO, then
 *		another reads, writes					ENOTCONN
 *   read	bytes; EAGAIN		(U) 0		(U) ENODEV	EIO
 *   write	bytes; EAGAIN		EPIPE		ENODEV		EIO
 *   fsync	0			EPIPE		ENODEV		EIO
 *   poll	in, out as it is	in out hup	in out hup	in out err,
 *									then hup, too
 *
 * Closed: the other end closed, was restarted or vanished, the toolstack took
 * the device away, or the guest was restored; for this file that is final.
 * Gone: this end's driver was unbound or its nodes removed while Connected.
 * Broken: the other end broke the protocol, or this end had no memory to keep (U).
 * "Then": when the other end has closed, too.
 * EAGAIN is for O_NONBLOCK; other calls wait. A signal ends the wait: the call returns
 * what it has moved so far, or EINTR, or is restarted if SA_RESTART says so.
 * EFAULT means that nothing could be moved before the bad address. Reading or
 * writing 0 bytes returns 0.
 * fsync waits until the other end has consumed everything written before; only
 * a fatal signal ends that wait. If all was consumed it returns 0 in every state but broken.
 */
#ifndef MYDEVICE_H
#define MYDEVICE_H

#include <linux/types.h>
#ifndef __KERNEL__
#include <stdbool.h>
#endif

#ifndef READ_ONCE	/* a process: what the kernel calls these */
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, value)	__atomic_store_n(&(x), value, __ATOMIC_RELAXED)
#define virt_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)	/* all */
#define virt_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)	/* reads */
#define virt_wmb()		__atomic_thread_fence(__ATOMIC_RELEASE)	/* writes */
#endif

/**
 * enum mydevice_version - the versions of this protocol
 * @MYDEVICE_HELLO: the states of both ends, and no more
 * @MYDEVICE_EVENTS: and an event channel
 * @MYDEVICE_STREAM: and a stream of bytes each way, in shared memory
 * @MYDEVICE_NEXT_VERSION: the first that does not exist yet
 *
 * Each version includes the ones before it. This code speaks the newest only: a
 * device that lacked what its peer needs would be Connected and useless.
 */
enum mydevice_version {
	MYDEVICE_HELLO = 1,
	MYDEVICE_EVENTS,
	MYDEVICE_STREAM,
	MYDEVICE_NEXT_VERSION
};

/* The highest protocol version this code speaks, and the lowest. */
#define MYDEVICE_VERSION	(MYDEVICE_NEXT_VERSION - 1u)
#define MYDEVICE_OLDEST_VERSION	MYDEVICE_VERSION

/* Names of the nodes. */
#define MYDEVICE_NODE_VERSIONS		"versions"
#define MYDEVICE_NODE_VERSION		"version"
#define MYDEVICE_NODE_EVENT_CHANNEL	"event-channel"
#define MYDEVICE_NODE_MAX_ORDER		"max-ring-page-order"
#define MYDEVICE_NODE_RING_REF		"ring-ref"
#define MYDEVICE_NODE_OUT_ORDER		"out-ring-page-order"
#define MYDEVICE_NODE_IN_ORDER		"in-ring-page-order"

/* The size of a granted page, whatever the size of the kernel's own. */
#define MYDEVICE_PAGE_SIZE	4096u

/* The largest ring: 2^8 pages, 1 MiB. */
#define MYDEVICE_MAX_ORDER	8
#define MYDEVICE_MAX_PAGES	256u

/**
 * struct mydevice_end - the half of the index page that one end writes
 * @prod: index of the next byte it will put into its outgoing ring
 * @cons: index of the next byte it will take from its incoming ring
 * @prod_event: as a consumer: notify me when your @prod reaches this
 * @cons_event: as a producer: notify me when your @cons reaches this
 * @alive: 1, or 0 once this end is gone. It is a byte because Xen's devices
 *	clear a byte for a process that ends
 * @reserved: zero; makes the half a cache line, so that the two ends do not
 *	write to the same line
 */
struct mydevice_end {
	__u32 prod;
	__u32 cons;
	__u32 prod_event;
	__u32 cons_event;
	__u8 alive;
	__u8 reserved[47];
};

/**
 * struct mydevice_index - the index page
 * @frontend: written by the frontend alone
 * @backend: written by the backend alone
 * @nr_out_refs: pages of the ring from the frontend to the backend
 * @nr_in_refs: pages of the ring from the backend to the frontend
 * @refs: their grant references, those of the outgoing ring first
 *
 * The frontend fills the counts and the references before Initialised; the
 * backend reads them once, when it connects.
 */
struct mydevice_index {
	struct mydevice_end frontend;
	struct mydevice_end backend;
	__u32 nr_out_refs;
	__u32 nr_in_refs;
	__u32 refs[2 * MYDEVICE_MAX_PAGES];
};

/**
 * struct mydevice_ring - one direction, as one end keeps it in private memory
 * @page: where its pages are; they need not be contiguous
 * @run: for each page, how many are contiguous from it on: mydevice_find_runs()
 * @pages: how many pages it has, a power of two
 * @prod: the producer's index: this end's own, or the last that was accepted
 * @cons: the consumer's index: this end's own, or the last that was accepted
 * @claim: what the peer said last, accepted or not
 */
struct mydevice_ring {
	void *page[MYDEVICE_MAX_PAGES];
	__u16 run[MYDEVICE_MAX_PAGES];
	__u32 pages;
	__u32 prod;
	__u32 cons;
	__u32 claim;
};

/**
 * mydevice_find_runs() - find out which of a ring's pages are contiguous
 * @ring: the ring; its @page and @pages are set
 */
static inline void mydevice_find_runs(struct mydevice_ring *ring)
{
	__u32 i = ring->pages;

	if (i)
		ring->run[--i] = 1;
	while (i-- > 0)
		ring->run[i] = ring->page[i + 1] == (char *)ring->page[i] + MYDEVICE_PAGE_SIZE ?
			       ring->run[i + 1] + 1 : 1;
}

/**
 * mydevice_set_pages() - say where the ring's pages are, if they are contiguous
 * @ring: the ring; its @pages is set
 * @memory: the first page, or NULL for none
 */
static inline void mydevice_set_pages(struct mydevice_ring *ring, void *memory)
{
	__u32 i;

	for (i = 0; i < ring->pages; i++)
		ring->page[i] = memory ? (char *)memory + i * MYDEVICE_PAGE_SIZE : NULL;
	if (memory)
		mydevice_find_runs(ring);
}

/**
 * mydevice_begin() - both rings are empty
 * @in: the ring from the other end
 * @out: the ring to it
 * @mine: this end's half. It is cleared: a predecessor may have left something there
 * @theirs: the other end's half, which says where the indices begin
 */
static inline void mydevice_begin(struct mydevice_ring *in, struct mydevice_ring *out,
				  struct mydevice_end *mine, const struct mydevice_end *theirs)
{
	in->prod = READ_ONCE(theirs->prod);
	in->cons = in->prod;
	out->cons = READ_ONCE(theirs->cons);
	out->prod = out->cons;
	*mine = (struct mydevice_end){ .prod = out->prod, .cons = in->cons, .alive = 1 };
}

/** mydevice_size() - the ring's size in bytes */
static inline __u32 mydevice_size(const struct mydevice_ring *ring)
{
	return ring->pages * MYDEVICE_PAGE_SIZE;
}

/** mydevice_used() - bytes that were produced and not yet consumed */
static inline __u32 mydevice_used(const struct mydevice_ring *ring)
{
	return ring->prod - ring->cons;
}

/** mydevice_free() - bytes that can be produced now */
static inline __u32 mydevice_free(const struct mydevice_ring *ring)
{
	return mydevice_size(ring) - mydevice_used(ring);
}

/**
 * mydevice_accept_prod() - check and take over the peer's producer index
 * @ring: the incoming ring
 * @prod: what the peer claims; the caller has read it once
 *
 * Return: false if the claim is impossible, because it goes backwards or beyond
 * what the ring can hold; the ring is unchanged then.
 */
static inline bool mydevice_accept_prod(struct mydevice_ring *ring, __u32 prod)
{
	if ((__u32)(prod - ring->prod) > mydevice_free(ring))
		return false;
	WRITE_ONCE(ring->prod, prod);	/* an interrupt may compare it */
	return true;
}

/**
 * mydevice_accept_cons() - check and take over the peer's consumer index
 * @ring: the outgoing ring
 * @cons: what the peer claims; the caller has read it once
 *
 * Return: false if the claim is impossible, because it goes backwards or beyond
 * what was produced; the ring is unchanged then.
 */
static inline bool mydevice_accept_cons(struct mydevice_ring *ring, __u32 cons)
{
	if ((__u32)(cons - ring->cons) > mydevice_used(ring))
		return false;
	WRITE_ONCE(ring->cons, cons);	/* an interrupt may compare it */
	return true;
}

/**
 * mydevice_moved() - has the peer moved an index since the last event?
 * @seen: the index at that event; updated if it has
 * @claim: what the peer claims now; any value is safe
 * @accepted: the last of its claims that was accepted
 * @size: the ring's size: a claim further ahead is not acceptable
 *
 * Tells an event that has a reason from one that has none. A peer can move an
 * index back and forth for ever, so a move counts only if it goes forward and could
 * be accepted, or if a reader or writer has accepted it meanwhile.
 *
 * Return: true if it has.
 */
static inline bool mydevice_moved(__u32 *seen, __u32 claim, __u32 accepted, __u32 size)
{
	__u32 before = *seen - accepted, ahead = claim - accepted;

	if (ahead > size)
		ahead = 0;	/* impossible: only what was accepted counts */
	if (before <= size && ahead <= before)
		return false;
	*seen = accepted + ahead;
	return true;
}

/**
 * mydevice_passed() - did a move reach the index at which the peer waits?
 * @event: the index that the peer asked for; any value is safe
 * @before: own index before the move
 * @after: own index after the move
 *
 * Return: true if @event is one of the indices @before + 1 to @after, counted
 * modulo 2^32.
 */
static inline bool mydevice_passed(__u32 event, __u32 before, __u32 after)
{
	return (__u32)(after - event) < (__u32)(after - before);
}

/**
 * mydevice_look_prod() - read the peer's producer index, once
 * @in: the incoming ring
 * @theirs: the half of the index page that the peer writes
 *
 * Return: false if the claim is impossible; then only the @claim of @in has changed.
 */
static inline bool mydevice_look_prod(struct mydevice_ring *in,
				      const struct mydevice_end *theirs)
{
	in->claim = READ_ONCE(theirs->prod);
	if (!mydevice_accept_prod(in, in->claim))
		return false;
	virt_rmb();	/* the index before the bytes; pairs with (P) */
	return true;
}

/**
 * mydevice_look_cons() - read the peer's consumer index, once
 * @out: the outgoing ring
 * @theirs: the half of the index page that the peer writes
 *
 * Return: false if the claim is impossible; then only the @claim of @out has changed.
 */
static inline bool mydevice_look_cons(struct mydevice_ring *out,
				      const struct mydevice_end *theirs)
{
	out->claim = READ_ONCE(theirs->cons);
	if (!mydevice_accept_cons(out, out->claim))
		return false;
	virt_mb();	/* the index before new bytes; pairs with (C) */
	return true;
}

/**
 * mydevice_ask_prod() - ask to be woken when there is a byte to read, and look again
 * @in: the incoming ring, which is empty
 * @mine: the half of the index page that this end writes
 * @theirs: the peer's half
 *
 * Return: false if the claim is impossible. If @in is still empty, a notification will come.
 */
static inline bool mydevice_ask_prod(struct mydevice_ring *in, struct mydevice_end *mine,
				     const struct mydevice_end *theirs)
{
	WRITE_ONCE(mine->prod_event, in->cons + 1);
	virt_mb();	/* the wake-up index before a second look; pairs with (N) */
	return mydevice_look_prod(in, theirs);
}

/**
 * mydevice_ask_cons() - ask to be woken at a consumer index, and look again
 * @out: the outgoing ring
 * @mine: the half of the index page that this end writes
 * @theirs: the peer's half
 * @event: the consumer index to be woken at
 *
 * Return: false if the claim is impossible. If @event is not reached, a notification will come.
 */
static inline bool mydevice_ask_cons(struct mydevice_ring *out, struct mydevice_end *mine,
				     const struct mydevice_end *theirs, __u32 event)
{
	WRITE_ONCE(mine->cons_event, event);
	virt_mb();	/* the wake-up index before a second look; pairs with (N) */
	return mydevice_look_cons(out, theirs);
}

/**
 * mydevice_tell_prod() - publish what was produced
 * @out: the outgoing ring
 * @mine: the half of the index page that this end writes
 * @theirs: the peer's half
 * @before: @out's producer index before that
 *
 * Return: true if the peer asked to be notified of it.
 */
static inline bool mydevice_tell_prod(const struct mydevice_ring *out,
				      struct mydevice_end *mine,
				      const struct mydevice_end *theirs, __u32 before)
{
	virt_wmb();	/* (P) the bytes before the index */
	WRITE_ONCE(mine->prod, out->prod);
	virt_mb();	/* (N) the index before the peer's wake-up index */
	return mydevice_passed(READ_ONCE(theirs->prod_event), before, out->prod);
}

/**
 * mydevice_tell_cons() - publish what was consumed
 * @in: the incoming ring
 * @mine: the half of the index page that this end writes
 * @theirs: the peer's half
 * @before: @in's consumer index before that
 *
 * Return: true if the peer asked to be notified of it.
 */
static inline bool mydevice_tell_cons(const struct mydevice_ring *in,
				      struct mydevice_end *mine,
				      const struct mydevice_end *theirs, __u32 before)
{
	virt_mb();	/* (C) the bytes were read before their space is given back */
	WRITE_ONCE(mine->cons, in->cons);
	virt_mb();	/* (N) the index before the peer's wake-up index */
	return mydevice_passed(READ_ONCE(theirs->cons_event), before, in->cons);
}

/**
 * mydevice_space_event() - where a producer that has no space wants to be woken
 * @ring: the outgoing ring
 *
 * When half of the ring is free: waking a writer for every byte that was read
 * would cost an event each. (A writer that looks by itself may use any free byte.)
 *
 * Return: the consumer index to ask for.
 */
static inline __u32 mydevice_space_event(const struct mydevice_ring *ring)
{
	return ring->prod - mydevice_size(ring) / 2;
}

/**
 * mydevice_at() - the memory at an index
 * @ring: the ring
 * @index: a byte's index
 * @len: bytes wanted; returns how many of them are contiguous there
 *
 * Return: the address of the first byte.
 */
static inline void *mydevice_at(const struct mydevice_ring *ring, __u32 index,
				__u32 *len)
{
	__u32 at = index & (mydevice_size(ring) - 1);
	__u32 page = at / MYDEVICE_PAGE_SIZE, in_page = at % MYDEVICE_PAGE_SIZE;
	__u32 follow = ring->run[page] * MYDEVICE_PAGE_SIZE - in_page;

	if (*len > follow)
		*len = follow;
	return (char *)ring->page[page] + in_page;
}

#endif /* MYDEVICE_H */
