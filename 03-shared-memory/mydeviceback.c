// SPDX-License-Identifier: GPL-2.0
/*
 * Backend of mydevice: the half that serves a guest, from dom0 or from a driver
 * domain.
 *
 * From probe to remove the functions stand in the order of a device's life: its
 * nodes appear, it makes its offer, both ends connect, the connection ends.
 * mydevice.h is what the two ends agree on.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/cdev.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/interrupt.h>
#include <linux/kernel.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#include "mydevice.h"

#if PAGE_SHIFT != 12
#error "a grant is 4 KiB: use a kernel with such pages (on arm64: CONFIG_ARM64_4K_PAGES)"
#endif

/* Enough for every device of every guest. */
#define MYDEVICEBACK_MINORS	4096

static unsigned int max_ring_page_order = MYDEVICE_MAX_ORDER;
module_param(max_ring_page_order, uint, 0444);
MODULE_PARM_DESC(max_ring_page_order,
		 "the largest ring that is mapped, 0 (4 KiB) to 8 (1 MiB); default 8");

/*
 * Before a reader or writer sleeps it looks for a while whether the frontend moves.
 * The default is about what it costs both ends to sleep and be woken: a wait that
 * turns out short then costs next to nothing, and none more than twice as much.
 */
#define MYDEVICEBACK_MAX_POLL_US	1000u
#define MYDEVICEBACK_PAUSE_NS		2000	/* longer than between two writes */

static unsigned int poll_us = 100;
module_param(poll_us, uint, 0644);
MODULE_PARM_DESC(poll_us,
		 "how long to look before sleeping, in us, 0 (not at all) to 1000; default 100");

static dev_t mydeviceback_first;
static DEFINE_IDA(mydeviceback_minors);
static struct class mydeviceback_class = { .name = KBUILD_MODNAME };
static struct dentry *mydeviceback_debugfs;

/* Who has a stream open; bits of @open_for. */
enum { MYDEVICEBACK_READER, MYDEVICEBACK_WRITER };

/**
 * struct mydeviceback_places - where pages of the frontend's are mapped
 * @page: pages of this domain in whose place the frontend's are seen
 * @handle: what Xen calls each mapping; INVALID_GRANT_HANDLE if there is none
 * @nr: how many places there are
 */
struct mydeviceback_places {
	struct page *page[MYDEVICE_MAX_PAGES];
	grant_handle_t handle[MYDEVICE_MAX_PAGES];
	unsigned int nr;
};

/* How many pages one hypercall maps or unmaps; its arguments are on the stack. */
#define MYDEVICEBACK_BATCH	16u

/**
 * struct mydeviceback_stream - the byte stream of one connection
 * @users: the connection itself and every open file
 * @info: the device; not for readers and writers once @closed is set
 * @read_lock: one reader at a time; guards @rx
 * @write_lock: one writer at a time; guards @tx
 * @open_for: whether a reader and a writer have it open; one of each at most
 * @closed: 0 while the connection lasts; then what a writer gets: -EPIPE, or
 *	-ENODEV if this end's device went away. Set once, with both locks held
 * @broken: the frontend lied; set once, by whoever noticed
 * @index: the index page, mapped while the connection lasts
 * @mine: the half of @index that this end writes
 * @theirs: the half of @index that the frontend writes
 * @rx: the ring from the frontend; at the end, copies of what is unread
 * @tx: the ring to the frontend
 * @index_place: where @index is mapped
 * @tx_places: where the pages of @tx are mapped
 * @rx_places: where the pages of @rx are mapped
 * @sync_index: the first index that somebody waits for in fsync; guarded by
 *	@write_lock. One that has been reached does not count
 * @wish: what the frontend was last asked for as a consumer; guarded by @write_lock
 * @syncers: how many are in fsync
 * @seen_prod: the frontend's producer index at the last interrupt that had a reason
 * @seen_cons: the frontend's consumer index at that interrupt
 * @death_seen: @alive is 0 in the frontend's half, and that was looked into
 * @readers: sleep here for bytes
 * @writers: sleep here for space
 * @reader_wakeups: changes whenever a reader has reason to look again
 * @writer_wakeups: changes whenever a writer has reason to look again
 * @reader_waited: how long the last reader that had to wait did so, in ns
 * @writer_waited: how long the last writer did
 * @gathers: bytes came while the last reader looked at those before them
 * @bytes_received: taken out of @rx; guarded by @read_lock
 * @bytes_sent: put into @tx; guarded by @write_lock
 * @suppressed: moves of which the frontend did not want to be notified
 * @spurious: interrupts without a reason
 * @sleeps: how often a reader or writer had to
 *
 * It outlives the connection for as long as files are open on it: what the
 * frontend sent before it closed can still be read.
 */
struct mydeviceback_stream {
	struct kref users;
	struct mydeviceback_info *info;
	struct mutex read_lock;		/* rx */
	struct mutex write_lock;	/* tx */
	unsigned long open_for;
	int closed;
	bool broken;
	struct mydevice_index *index;
	struct mydevice_end *mine;
	struct mydevice_end *theirs;
	struct mydevice_ring rx;
	struct mydevice_ring tx;
	struct mydeviceback_places index_place;
	struct mydeviceback_places tx_places;
	struct mydeviceback_places rx_places;
	u32 sync_index;
	u32 wish;
	atomic_t syncers;
	u32 seen_prod;
	u32 seen_cons;
	bool death_seen;
	wait_queue_head_t readers;
	wait_queue_head_t writers;
	atomic_t reader_wakeups;
	atomic_t writer_wakeups;
	u64 reader_waited;
	u64 writer_waited;
	bool gathers;
	u64 bytes_received;
	u64 bytes_sent;
	atomic_t suppressed;
	atomic_t spurious;
	atomic_t sleeps;
};

/**
 * struct mydeviceback_node - the device node, /dev/mydeviceDOMID.N
 * @dev: its place in the device model; frees the node when the last user is gone
 * @cdev: its file operations
 * @lock: guards @stream
 * @stream: what a file is opened on; NULL when there is no connection
 */
struct mydeviceback_node {
	struct device dev;
	struct cdev cdev;
	struct mutex lock;	/* stream */
	struct mydeviceback_stream *stream;
};

/**
 * struct mydeviceback_info - one device, from probe to remove
 * @dev: the device on the XenBus
 * @version: the protocol version of this connection, 0 when there is none
 * @broken: the frontend broke the protocol: follow it no more
 * @told: why there is no connection, an errno that the log has already, or 0
 * @reading: the transaction @xbt is open
 * @xbt: what the frontend published is read in it, and Connected written
 * @lock: serialises connecting and disconnecting with the sysfs attributes;
 *	the interrupt handler does not take it
 * @irq: what the event channel is bound to, 0 when there is none
 * @heard: the first event has come, which binding makes; the interrupt's own
 * @answer: answer each event with one of our own
 * @events_sent: notifications to the frontend during this connection
 * @events_received: interrupts during this connection
 * @stream: the stream of this connection, NULL when there is none
 * @node: the device node
 * @generation: how many connections there have been, with the present one
 * @violations: how often the frontend broke the protocol
 * @rings: a file in debugfs: the indices of both rings
 * @death: what is to be done when the frontend was a process, and died
 */
struct mydeviceback_info {
	struct xenbus_device *dev;
	unsigned int version;
	bool broken;
	int told;
	bool reading;
	struct xenbus_transaction xbt;
	struct mutex lock;	/* connecting against sysfs */
	int irq;
	bool heard;
	bool answer;
	atomic_t events_sent;
	atomic_t events_received;
	struct mydeviceback_stream *stream;
	struct mydeviceback_node *node;
	unsigned int generation;
	atomic_t violations;
	struct dentry *rings;
	struct work_struct death;
};

/*
 * Writes this end's state. xenbus_switch_state() returns 0 even if it could not:
 * it needs a transaction, and a domain may have only a few open at a time. Whether
 * it has written shows in dev->state. If it has not, a plain write usually
 * succeeds, unless the node is gone: then nothing may make it again.
 */
static void mydeviceback_switch_state(struct mydeviceback_info *info,
				      enum xenbus_state state)
{
	struct xenbus_device *dev = info->dev;

	xenbus_switch_state(dev, state);
	if (dev->state != state && xenbus_exists(XBT_NIL, dev->nodename, "state") &&
	    !xenbus_printf(XBT_NIL, dev->nodename, "state", "%d", state))
		dev->state = state;
}

/*
 * Ends the transaction, if one is open; without @keep nothing that was written in
 * it counts.
 *
 * Return: -EAGAIN if anything that was read in it has changed meanwhile.
 */
static int mydeviceback_end_reading(struct mydeviceback_info *info, bool keep)
{
	if (!info->reading)
		return 0;
	info->reading = false;
	return xenbus_transaction_end(info->xbt, !keep);
}

/*
 * Closes and says why, in the log and in an error node: once, for a frontend that
 * lies can do so a thousand times a second. It is not followed any more. But a
 * lack of memory, or of another resource of this domain, is no lie, nor is what
 * was read while the frontend was being restarted.
 *
 * Return: @err, or -EAGAIN if what was read has changed meanwhile.
 */
__printf(3, 4)
static int mydeviceback_give_up(struct mydeviceback_info *info, int err,
				const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	if (mydeviceback_end_reading(info, true) == -EAGAIN)
		return -EAGAIN;
	va_start(args, fmt);
	vaf.va = &args;
	if (info->told != err)
		xenbus_dev_fatal(info->dev, err, "%pV", &vaf);
	va_end(args);
	info->told = err;
	if (err != -ENOMEM && err != -ENOSPC && err != -EPROTONOSUPPORT)
		info->broken = true;
	mydeviceback_switch_state(info, XenbusStateClosing);
	return err;
}

/* Notifies the frontend. The caller knows that the irq is bound. */
static void mydeviceback_notify(struct mydeviceback_info *info)
{
	atomic_inc(&info->events_sent);
	notify_remote_via_irq(info->irq);
}

/*
 * Counts an event and answers it with one of our own, which makes a round trip.
 * The first is not counted: binding the port makes one that nobody sent.
 */
static void mydeviceback_answer(struct mydeviceback_info *info)
{
	if (!info->heard) {
		info->heard = true;
		return;
	}
	atomic_inc(&info->events_received);
	if (READ_ONCE(info->answer))
		mydeviceback_notify(info);
}

static void mydeviceback_stream_wake(struct mydeviceback_stream *stream)
{
	atomic_inc(&stream->reader_wakeups);
	atomic_inc(&stream->writer_wakeups);
	wake_up_all(&stream->readers);
	wake_up_all(&stream->writers);
}

/*
 * Wakes the reader or writer whose index the frontend moved: one that differs from what
 * was accepted, or has moved since the last interrupt, or has reached our wake-up
 * index, because after 4 GiB without an interrupt it may look unmoved. They are only
 * compared here, not used, so nothing is checked, and no lock is needed.
 *
 * Return: false if nothing has moved: the event had no reason.
 */
static bool mydeviceback_stream_event(struct mydeviceback_stream *stream)
{
	u32 prod = READ_ONCE(stream->theirs->prod);
	u32 cons = READ_ONCE(stream->theirs->cons);
	u32 known_prod = READ_ONCE(stream->rx.prod);
	u32 known_cons = READ_ONCE(stream->tx.cons);
	bool readable = mydevice_moved(&stream->seen_prod, prod, known_prod,
				       mydevice_size(&stream->rx));
	bool writable = mydevice_moved(&stream->seen_cons, cons, known_cons,
				       mydevice_size(&stream->tx));
	bool moved = readable || writable;

	readable |= prod != known_prod ||
		    (s32)(prod - READ_ONCE(stream->mine->prod_event)) >= 0;
	writable |= cons != known_cons ||
		    (s32)(cons - READ_ONCE(stream->mine->cons_event)) >= 0;
	if (readable) {
		atomic_inc(&stream->reader_wakeups);
		wake_up(&stream->readers);
	}
	if (writable) {
		atomic_inc(&stream->writer_wakeups);
		wake_up(&stream->writers);
	}
	if (!moved)
		atomic_inc(&stream->spurious);
	return moved;
}

/*
 * A frontend that is a process and died has its kernel clear @alive. What follows may
 * sleep and is done by a worker: once a connection, for a frontend can notify as often
 * as it likes. That worker is frozen while a guest is saved: XenBus changes the
 * other end's path under it otherwise.
 */
static void mydeviceback_look_alive(struct mydeviceback_info *info)
{
	if (!READ_ONCE(info->stream->theirs->alive) &&
	    !xchg(&info->stream->death_seen, true))
		queue_work(system_freezable_wq, &info->death);
}

/*
 * The frontend notified. Hard interrupt context: nothing here sleeps or takes a
 * mutex. An interrupt is over with its EOI, the end of interrupt. Here it is sent
 * late, by xen_irq_lateeoi() when the event has been handled, and until then the
 * channel is masked: a frontend that never stops notifying cannot keep this
 * domain busy (XSA-332). What is used here is set up before the interrupt is
 * bound, and released after it is unbound.
 */
static irqreturn_t mydeviceback_interrupt(int irq, void *dev_id)
{
	struct mydeviceback_info *info = dev_id;
	unsigned int eoi = 0;

	mydeviceback_answer(info);
	if (READ_ONCE(info->stream->broken))
		return IRQ_HANDLED;	/* and no EOI: a liar is not heard again */
	mydeviceback_look_alive(info);
	if (!mydeviceback_stream_event(info->stream) && !READ_ONCE(info->answer))
		eoi = XEN_EOI_FLAG_SPURIOUS;
	xen_irq_lateeoi(irq, eoi);
	return IRQ_HANDLED;
}

/* The frontend broke the protocol. The caller holds read_lock or write_lock. */
static int mydeviceback_stream_break(struct mydeviceback_stream *stream,
				     const char *what, u32 claim)
{
	if (!xchg(&stream->broken, true)) {
		atomic_inc(&stream->info->violations);
		dev_err(&stream->info->dev->dev,
			"the frontend claims an impossible %s index %u: the connection is given up\n",
			what, claim);
	}
	mydeviceback_stream_wake(stream);
	return -EIO;
}

/* Reads the frontend's producer index, once. */
static int mydeviceback_stream_look_prod(struct mydeviceback_stream *stream)
{
	u32 prod = READ_ONCE(stream->theirs->prod);

	lockdep_assert_held(&stream->read_lock);
	if (!mydevice_accept_prod(&stream->rx, prod))
		return mydeviceback_stream_break(stream, "producer", prod);
	virt_rmb();	/* the index before the bytes; pairs with (P) */
	return 0;
}

/* Reads the frontend's consumer index, once. */
static int mydeviceback_stream_look_cons(struct mydeviceback_stream *stream)
{
	u32 cons = READ_ONCE(stream->theirs->cons);

	lockdep_assert_held(&stream->write_lock);
	if (!mydevice_accept_cons(&stream->tx, cons))
		return mydeviceback_stream_break(stream, "consumer", cons);
	virt_mb();	/* the index before new bytes; pairs with (C) */
	return 0;
}

/*
 * How long to look before sleeping, in ns. A wait is likely to be as long as the
 * one before: if that was longer than this end looks, it does not look at all.
 * So an idle stream costs nothing, nor one whose frontend shares the processor.
 */
static u64 mydeviceback_patience(u64 last_wait)
{
	u64 ns = min(READ_ONCE(poll_us), MYDEVICEBACK_MAX_POLL_US) * NSEC_PER_USEC;

	return last_wait <= ns ? ns : 0;
}

/*
 * Looks for bytes. One who takes the first at once, while more are on their way,
 * comes back for every few and spends the time on system calls. So they may
 * gather, until they pause or are all that is wanted, or for twice as long as one
 * looks for the first; but only if the last time more followed the first,
 * or if this time some were there before the look. What is read here is not used,
 * so nothing is checked. The caller holds read_lock.
 */
static void mydeviceback_look_for_bytes(struct mydeviceback_stream *stream,
					u32 want)
{
	u64 patience = mydeviceback_patience(READ_ONCE(stream->reader_waited));
	u32 known = stream->rx.prod, last = READ_ONCE(stream->theirs->prod), prod;
	bool gather = stream->gathers || last != known;
	u64 now, end, limit, came;

	if (!patience)
		return;
	now = ktime_get_ns();
	end = now + patience;
	limit = now + 2 * patience;
	came = now;
	stream->gathers = last != known;
	while (last - known < want && now < end && !need_resched()) {
		if (last != known && (!gather || now - came > MYDEVICEBACK_PAUSE_NS))
			break;
		cpu_relax();
		now = ktime_get_ns();
		prod = READ_ONCE(stream->theirs->prod);
		if (prod == last)
			continue;
		stream->gathers = last != known;	/* more after the first */
		last = prod;
		came = now;
		end = min(now + patience, limit);
	}
}

/* Looks for space, as much as is wanted. The caller holds write_lock. */
static void mydeviceback_look_for_space(struct mydeviceback_stream *stream,
					u32 want)
{
	u64 patience = mydeviceback_patience(READ_ONCE(stream->writer_waited));
	u32 known = stream->tx.cons;
	u64 end;

	if (!patience)
		return;
	end = ktime_get_ns() + patience;
	while (READ_ONCE(stream->theirs->cons) - known < want && !need_resched() &&
	       ktime_get_ns() < end)
		cpu_relax();
}

/*
 * Can something be read now? -EAGAIN if not, and then the frontend has been asked
 * to notify, if somebody sleeps or is about to; 0 with an empty ring at the end
 * of the stream. Who wants no more than is known to be there does not look at
 * what the frontend writes: its processor has that cache line. Holds read_lock.
 */
static int mydeviceback_stream_readable(struct mydeviceback_stream *stream,
					size_t want, bool may_block)
{
	struct mydevice_ring *rx = &stream->rx;
	int err;

	if (READ_ONCE(stream->broken))
		return -EIO;
	if (mydevice_used(rx) >= want || (stream->closed && mydevice_used(rx)))
		return 0;
	if (stream->closed)
		return stream->closed == -ENODEV ? -ENODEV : 0;
	if (may_block && !mydevice_used(rx))
		mydeviceback_look_for_bytes(stream, mydevice_share(rx, want));
	err = mydeviceback_stream_look_prod(stream);
	if (err || mydevice_used(rx))
		return err;
	if (!may_block && !wq_has_sleeper(&stream->readers))
		return -EAGAIN;		/* nobody is to be woken */

	WRITE_ONCE(stream->mine->prod_event, rx->cons + 1);
	virt_mb();	/* the wish before a second look; pairs with (N) */
	err = mydeviceback_stream_look_prod(stream);
	if (err || mydevice_used(rx))
		return err;
	return -EAGAIN;
}

/*
 * Asks the frontend to notify. There is one wish for all who wait for its consumer, in
 * fsync and for space: the index that is reached first. If that was passed before
 * the frontend could see it, it wakes nobody, and the next is asked for, unless
 * nobody waits for it: who waits for space will see some. And one that was reached may
 * be replaced here before the frontend has read it, and then it wakes nobody either: who
 * waited for it, if somebody is in fsync, is woken by this end. Holds write_lock.
 */
static int mydeviceback_stream_ask_cons(struct mydeviceback_stream *stream)
{
	struct mydevice_ring *tx = &stream->tx;
	u32 wish;
	int err;

	do {
		if (atomic_read(&stream->syncers) && mydevice_reached(tx, stream->wish)) {
			atomic_inc(&stream->writer_wakeups);
			wake_up(&stream->writers);
		}
		wish = mydevice_space_event(tx);
		if (!mydevice_reached(tx, stream->sync_index))
			wish = mydevice_first(tx, wish, stream->sync_index);
		stream->wish = wish;
		WRITE_ONCE(stream->mine->cons_event, wish);
		virt_mb();	/* the wish before a second look; pairs with (N) */
		err = mydeviceback_stream_look_cons(stream);
	} while (!err && mydevice_reached(tx, wish) &&
		 !mydevice_reached(tx, stream->sync_index));
	return err;
}

/* Is there space? As above, for writing. The caller holds write_lock. */
static int mydeviceback_stream_writable(struct mydeviceback_stream *stream,
					size_t want, bool may_block)
{
	struct mydevice_ring *tx = &stream->tx;
	int err;

	if (READ_ONCE(stream->broken))
		return -EIO;
	if (stream->closed)
		return stream->closed;
	if (mydevice_free(tx) >= want)
		return 0;
	if (may_block && !mydevice_free(tx))
		mydeviceback_look_for_space(stream, mydevice_share(tx, want));
	err = mydeviceback_stream_look_cons(stream);
	if (err || mydevice_free(tx))
		return err;
	if (!may_block && !wq_has_sleeper(&stream->writers))
		return -EAGAIN;

	err = mydeviceback_stream_ask_cons(stream);
	if (err || mydevice_free(tx))
		return err;
	return -EAGAIN;
}

/*
 * How much of the first @goal bytes that were written has the frontend yet to consume?
 * (An index would not do: it comes again every 4 GiB.) The caller holds write_lock.
 */
static u32 mydeviceback_stream_unsynced(struct mydeviceback_stream *stream, u64 goal)
{
	u64 consumed = stream->bytes_sent - mydevice_used(&stream->tx);

	return goal > consumed ? goal - consumed : 0;
}

/*
 * Has the frontend consumed the first @goal bytes? As above; -EAGAIN if not. What
 * others wait for in fsync may come first: whoever is woken looks, and asks again.
 */
static int mydeviceback_stream_synced(struct mydeviceback_stream *stream,
				      u64 goal)
{
	struct mydevice_ring *tx = &stream->tx;
	u32 index, left = mydeviceback_stream_unsynced(stream, goal);
	int err;

	if (READ_ONCE(stream->broken))
		return -EIO;
	if (stream->closed)
		return left ? stream->closed : 0;
	err = mydeviceback_stream_look_cons(stream);
	while (!err && (left = mydeviceback_stream_unsynced(stream, goal))) {
		index = tx->cons + left;
		stream->sync_index = mydevice_first(tx, stream->sync_index, index);
		err = mydeviceback_stream_ask_cons(stream);
		if (!err && !mydevice_reached(tx, stream->sync_index))
			return -EAGAIN;
	}
	return err;
}

/* Tells the frontend what was consumed. The caller holds read_lock. */
static void mydeviceback_stream_consumed(struct mydeviceback_stream *stream,
					 u32 before)
{
	u32 cons = stream->rx.cons;

	virt_mb();	/* (C) the bytes were read before their space is given back */
	WRITE_ONCE(stream->mine->cons, cons);
	virt_mb();	/* (N) the index before the frontend's wish */
	if (mydevice_passed(READ_ONCE(stream->theirs->cons_event), before, cons))
		mydeviceback_notify(stream->info);
	else
		atomic_inc(&stream->suppressed);
}

/* Tells the frontend what was produced. The caller holds write_lock. */
static void mydeviceback_stream_produced(struct mydeviceback_stream *stream,
					 u32 before)
{
	u32 prod = stream->tx.prod;

	virt_wmb();	/* (P) the bytes before the index */
	WRITE_ONCE(stream->mine->prod, prod);
	virt_mb();	/* (N) the index before the frontend's wish */
	if (mydevice_passed(READ_ONCE(stream->theirs->prod_event), before, prod))
		mydeviceback_notify(stream->info);
	else
		atomic_inc(&stream->suppressed);
}

/*
 * Moves what is there to a reader. A page of the reader's that is not in memory
 * is not waited for under the lock: -EFAULT, after what could be moved.
 */
static int mydeviceback_stream_take(struct mydeviceback_stream *stream,
				    struct iov_iter *to, bool may_block)
{
	struct mydevice_ring *rx = &stream->rx;
	int err = mydeviceback_stream_readable(stream, iov_iter_count(to), may_block);
	u32 before = rx->cons;
	size_t copied;
	u32 len;

	while (!err && mydevice_used(rx) && iov_iter_count(to)) {
		void *from;

		len = min_t(size_t, mydevice_used(rx), iov_iter_count(to));
		from = mydevice_at(rx, rx->cons, &len);
		pagefault_disable();
		copied = copy_to_iter(from, len, to);
		pagefault_enable();
		rx->cons += copied;
		if (copied < len)
			err = -EFAULT;
	}
	stream->bytes_received += rx->cons - before;
	if (rx->cons != before && !stream->closed)
		mydeviceback_stream_consumed(stream, before);
	return err;
}

/* Takes from a writer what there is space for; -EFAULT as above. */
static int mydeviceback_stream_put(struct mydeviceback_stream *stream,
				   struct iov_iter *from, bool may_block)
{
	struct mydevice_ring *tx = &stream->tx;
	int err = mydeviceback_stream_writable(stream, iov_iter_count(from), may_block);
	u32 before = tx->prod;
	size_t copied;
	u32 len;

	while (!err && mydevice_free(tx) && iov_iter_count(from)) {
		void *to;

		len = min_t(size_t, mydevice_free(tx), iov_iter_count(from));
		to = mydevice_at(tx, tx->prod, &len);
		pagefault_disable();
		copied = copy_from_iter(to, len, from);
		pagefault_enable();
		tx->prod += copied;
		if (copied < len)
			err = -EFAULT;
	}
	stream->bytes_sent += tx->prod - before;
	if (tx->prod != before)
		mydeviceback_stream_produced(stream, before);
	return err;
}

static void mydeviceback_stream_free(struct kref *users)
{
	struct mydeviceback_stream *stream =
		container_of(users, struct mydeviceback_stream, users);

	kvfree(stream->rx.page[0]);	/* the copy, if one was kept */
	kfree(stream);
}

/* One reader and one writer: two readers would each get a part of the stream. */
static int mydeviceback_stream_take_part(struct mydeviceback_stream *stream,
					 fmode_t mode)
{
	if (READ_ONCE(stream->broken))
		return -EIO;
	if ((mode & FMODE_READ) &&
	    test_and_set_bit(MYDEVICEBACK_READER, &stream->open_for))
		return -EBUSY;
	if (!(mode & FMODE_WRITE) ||
	    !test_and_set_bit(MYDEVICEBACK_WRITER, &stream->open_for))
		return 0;
	if (mode & FMODE_READ)
		clear_bit(MYDEVICEBACK_READER, &stream->open_for);
	return -EBUSY;
}

/* /dev/mydeviceDOMID.N is opened: the file belongs to the connection of this moment. */
static int mydeviceback_open(struct inode *inode, struct file *file)
{
	struct mydeviceback_node *node =
		container_of(inode->i_cdev, struct mydeviceback_node, cdev);
	struct mydeviceback_stream *stream;
	int err = -ENOTCONN;

	mutex_lock(&node->lock);
	stream = node->stream;
	if (stream)
		err = mydeviceback_stream_take_part(stream, file->f_mode);
	if (!err)
		kref_get(&stream->users);
	mutex_unlock(&node->lock);
	if (err)
		return err;
	file->private_data = stream;
	return stream_open(inode, file);
}

static int mydeviceback_release(struct inode *inode, struct file *file)
{
	struct mydeviceback_stream *stream = file->private_data;

	if (file->f_mode & FMODE_READ)
		clear_bit(MYDEVICEBACK_READER, &stream->open_for);
	if (file->f_mode & FMODE_WRITE)
		clear_bit(MYDEVICEBACK_WRITER, &stream->open_for);
	kref_put(&stream->users, mydeviceback_stream_free);
	return 0;
}

static bool mydeviceback_may_block(struct kiocb *iocb)
{
	return !(iocb->ki_filp->f_flags & O_NONBLOCK) &&
	       !(iocb->ki_flags & IOCB_NOWAIT);
}

/*
 * Fetches the user's pages that a copy failed at; most are in memory and need
 * not be looked at before. Copies can fail again and again: a signal ends that.
 */
static int mydeviceback_fault_in(struct iov_iter *iter,
				 size_t (*fault_in)(const struct iov_iter *, size_t))
{
	size_t len = min_t(size_t, iov_iter_count(iter), SZ_64K);

	if (fault_in(iter, len) == len)
		return -EFAULT;
	return signal_pending(current) ? -ERESTARTSYS : 0;
}

/*
 * Sleeps until there is reason to look again, which there is when the counter is
 * not any more what it was. Says how long that took. Freezable: a guest that is
 * saved meanwhile, and goes on, has not interrupted anything.
 */
static int mydeviceback_sleep(struct mydeviceback_stream *stream,
			      wait_queue_head_t *queue, atomic_t *wakeups,
			      int seen, u64 *waited)
{
	u64 start = ktime_get_ns();
	int err;

	atomic_inc(&stream->sleeps);
	err = wait_event_state(*queue, atomic_read(wakeups) != seen,
			       (TASK_INTERRUPTIBLE | TASK_FREEZABLE));
	WRITE_ONCE(*waited, ktime_get_ns() - start);
	return err;
}

/*
 * Reads what is there, or waits until something is. Who does not wait and gets
 * less than it wants knows that it has all, and may wait for an edge of epoll's:
 * for its sake an empty ring is looked at once more, which asks for a notification.
 */
static ssize_t mydeviceback_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct mydeviceback_stream *stream = iocb->ki_filp->private_data;
	bool may_block = mydeviceback_may_block(iocb);
	size_t wanted = iov_iter_count(to), left;
	int err = 0, seen;

	while ((left = iov_iter_count(to))) {
		err = -ERESTARTSYS;
		if (mutex_lock_interruptible(&stream->read_lock))
			break;
		seen = atomic_read(&stream->reader_wakeups);
		err = mydeviceback_stream_take(stream, to, may_block);
		mutex_unlock(&stream->read_lock);
		if (err == -EFAULT)
			err = mydeviceback_fault_in(to, fault_in_iov_iter_writeable);
		else if (!err && (may_block || iov_iter_count(to) == left))
			break;	/* this is all, or the end of the stream */
		else if (err == -EAGAIN && may_block && left == wanted)
			err = mydeviceback_sleep(stream, &stream->readers,
						 &stream->reader_wakeups, seen,
						 &stream->reader_waited);
		if (err)
			break;
	}
	wanted -= iov_iter_count(to);
	return wanted ? wanted : err;
}

/* Writes all, waiting for space as often as needed; or what there is space for. */
static ssize_t mydeviceback_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct mydeviceback_stream *stream = iocb->ki_filp->private_data;
	bool may_block = mydeviceback_may_block(iocb);
	size_t wanted = iov_iter_count(from);
	int err = 0, seen;

	while (!err && iov_iter_count(from)) {
		err = -ERESTARTSYS;
		if (mutex_lock_interruptible(&stream->write_lock))
			break;
		seen = atomic_read(&stream->writer_wakeups);
		err = mydeviceback_stream_put(stream, from, may_block);
		mutex_unlock(&stream->write_lock);
		if (err == -EFAULT)
			err = mydeviceback_fault_in(from, fault_in_iov_iter_readable);
		else if (err == -EAGAIN && may_block)
			err = mydeviceback_sleep(stream, &stream->writers,
						 &stream->writer_wakeups, seen,
						 &stream->writer_waited);
		if (!iov_iter_count(from))
			break;
		if (!err && signal_pending(current))
			err = -ERESTARTSYS;	/* a fast peer could keep it here for ever */
		cond_resched();
	}
	wanted -= iov_iter_count(from);
	return wanted ? wanted : err;
}

/* Waits until the frontend has consumed all that was written before. */
static int mydeviceback_fsync(struct file *file, loff_t start, loff_t end,
			      int datasync)
{
	struct mydeviceback_stream *stream = file->private_data;
	u64 goal = 0;
	int err, seen;

	atomic_inc(&stream->syncers);
	do {
		err = -EINTR;
		if (mutex_lock_killable(&stream->write_lock))
			break;
		seen = atomic_read(&stream->writer_wakeups);
		goal = goal ?: stream->bytes_sent;
		err = mydeviceback_stream_synced(stream, goal);
		mutex_unlock(&stream->write_lock);
		if (err != -EAGAIN)
			break;
		/* freezable: else nobody could save this guest meanwhile */
		err = wait_event_state(stream->writers,
				       atomic_read(&stream->writer_wakeups) != seen,
				       (TASK_KILLABLE | TASK_FREEZABLE));
	} while (!err);
	atomic_dec(&stream->syncers);
	return err;
}

/*
 * Only what the file can do is asked for: a wish for space that nobody needs
 * would cost the frontend notifications.
 */
static __poll_t mydeviceback_poll(struct file *file, poll_table *wait)
{
	struct mydeviceback_stream *stream = file->private_data;
	__poll_t events = 0;

	if (file->f_mode & FMODE_READ) {
		poll_wait(file, &stream->readers, wait);
		mutex_lock(&stream->read_lock);
		if (mydeviceback_stream_readable(stream, 1, false) != -EAGAIN)
			events |= EPOLLIN | EPOLLRDNORM;
		mutex_unlock(&stream->read_lock);
	}
	if (file->f_mode & FMODE_WRITE) {
		poll_wait(file, &stream->writers, wait);
		mutex_lock(&stream->write_lock);
		if (mydeviceback_stream_writable(stream, 1, false) != -EAGAIN)
			events |= EPOLLOUT | EPOLLWRNORM;
		mutex_unlock(&stream->write_lock);
	}
	if (READ_ONCE(stream->closed))
		events |= EPOLLHUP | EPOLLRDHUP;
	if (READ_ONCE(stream->broken))
		events |= EPOLLERR;
	return events;
}

static const struct file_operations mydeviceback_fops = {
	.owner = THIS_MODULE,
	.open = mydeviceback_open,
	.release = mydeviceback_release,
	.read_iter = mydeviceback_read_iter,
	.write_iter = mydeviceback_write_iter,
	.fsync = mydeviceback_fsync,
	.poll = mydeviceback_poll,
};

static void mydeviceback_node_free(struct device *dev)
{
	struct mydeviceback_node *node =
		container_of(dev, struct mydeviceback_node, dev);

	ida_free(&mydeviceback_minors, MINOR(dev->devt) - MINOR(mydeviceback_first));
	kfree(node);
}

/* Makes /dev/mydeviceDOMID.N, named as vifDOMID.N is. */
static int mydeviceback_add_node(struct mydeviceback_info *info)
{
	struct mydeviceback_node *node;
	int minor, err;

	node = kzalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return -ENOMEM;
	minor = ida_alloc_max(&mydeviceback_minors, MYDEVICEBACK_MINORS - 1,
			      GFP_KERNEL);
	if (minor < 0) {
		kfree(node);
		return minor;
	}
	mutex_init(&node->lock);
	device_initialize(&node->dev);
	node->dev.class = &mydeviceback_class;
	node->dev.parent = &info->dev->dev;
	node->dev.release = mydeviceback_node_free;
	node->dev.devt = mydeviceback_first + minor;
	cdev_init(&node->cdev, &mydeviceback_fops);
	node->cdev.owner = THIS_MODULE;
	err = dev_set_name(&node->dev, "mydevice%d.%s", info->dev->otherend_id,
			   kbasename(info->dev->nodename));
	if (!err)
		err = cdev_device_add(&node->cdev, &node->dev);
	if (err)
		put_device(&node->dev);
	else
		info->node = node;
	return err;
}

/* Files that are open keep the node's memory alive, not its name. */
static void mydeviceback_del_node(struct mydeviceback_info *info)
{
	if (!info->node)
		return;
	cdev_device_del(&info->node->cdev, &info->node->dev);
	put_device(&info->node->dev);
}

/* Says what files are opened on from now on: a stream, or NULL for none. */
static void mydeviceback_set_stream(struct mydeviceback_info *info,
				    struct mydeviceback_stream *stream)
{
	mutex_lock(&info->node->lock);
	info->node->stream = stream;
	mutex_unlock(&info->node->lock);
}

/* In debugfs: what the index page says at this moment, for both rings. */
static int mydeviceback_rings_show(struct seq_file *seq, void *unused)
{
	struct mydeviceback_info *info = seq->private;
	struct mydeviceback_stream *stream;

	mutex_lock(&info->lock);
	stream = info->stream;
	seq_puts(seq, "ring        size       prod       cons prod_event cons_event\n");
	if (stream && stream->index) {
		seq_printf(seq, "sent     %7u %10u %10u %10u %10u\n",
			   mydevice_size(&stream->tx), READ_ONCE(stream->mine->prod),
			   READ_ONCE(stream->theirs->cons),
			   READ_ONCE(stream->theirs->prod_event),
			   READ_ONCE(stream->mine->cons_event));
		seq_printf(seq, "received %7u %10u %10u %10u %10u\n",
			   mydevice_size(&stream->rx), READ_ONCE(stream->theirs->prod),
			   READ_ONCE(stream->mine->cons),
			   READ_ONCE(stream->mine->prod_event),
			   READ_ONCE(stream->theirs->cons_event));
	}
	mutex_unlock(&info->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(mydeviceback_rings);

static ssize_t notify_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	struct mydeviceback_info *info = dev_get_drvdata(dev);
	ssize_t ret = -ENOTCONN;

	mutex_lock(&info->lock);
	if (info->irq && info->dev->state == XenbusStateConnected) {
		mydeviceback_notify(info);
		ret = count;
	}
	mutex_unlock(&info->lock);
	return ret;
}
static DEVICE_ATTR_WO(notify);

static ssize_t events_sent_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	struct mydeviceback_info *info = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", atomic_read(&info->events_sent));
}
static DEVICE_ATTR_RO(events_sent);

static ssize_t events_received_show(struct device *dev,
				    struct device_attribute *attr, char *buf)
{
	struct mydeviceback_info *info = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", atomic_read(&info->events_received));
}
static DEVICE_ATTR_RO(events_received);

static ssize_t answer_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct mydeviceback_info *info = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", READ_ONCE(info->answer));
}

static ssize_t answer_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	struct mydeviceback_info *info = dev_get_drvdata(dev);
	bool answer;
	int err = kstrtobool(buf, &answer);

	if (err)
		return err;
	WRITE_ONCE(info->answer, answer);
	return count;
}
static DEVICE_ATTR_RW(answer);

/* Statistics of the device. */
#define MYDEVICEBACK_COUNT(_name, _value)					\
static ssize_t _name##_show(struct device *dev,				\
			    struct device_attribute *attr, char *buf)		\
{										\
	struct mydeviceback_info *info = dev_get_drvdata(dev);			\
										\
	return sysfs_emit(buf, "%u\n", _value);					\
}										\
static DEVICE_ATTR_RO(_name)

MYDEVICEBACK_COUNT(version, READ_ONCE(info->version));
MYDEVICEBACK_COUNT(generation, READ_ONCE(info->generation));
MYDEVICEBACK_COUNT(reconnects, max(READ_ONCE(info->generation), 1u) - 1);
MYDEVICEBACK_COUNT(violations, atomic_read(&info->violations));

/* Statistics of the connection, which are gone when it is. */
#define MYDEVICEBACK_STREAM_COUNT(_name, _value)				\
static ssize_t _name##_show(struct device *dev,				\
			    struct device_attribute *attr, char *buf)		\
{										\
	struct mydeviceback_info *info = dev_get_drvdata(dev);			\
	struct mydeviceback_stream *stream;					\
	ssize_t ret = -ENOTCONN;						\
										\
	mutex_lock(&info->lock);						\
	stream = info->stream;							\
	if (stream)								\
		ret = sysfs_emit(buf, "%llu\n", (u64)(_value));			\
	mutex_unlock(&info->lock);						\
	return ret;								\
}										\
static DEVICE_ATTR_RO(_name)

MYDEVICEBACK_STREAM_COUNT(out_ring_page_order, ilog2(stream->rx.pages));
MYDEVICEBACK_STREAM_COUNT(in_ring_page_order, ilog2(stream->tx.pages));
MYDEVICEBACK_STREAM_COUNT(bytes_sent, READ_ONCE(stream->bytes_sent));
MYDEVICEBACK_STREAM_COUNT(bytes_received, READ_ONCE(stream->bytes_received));
MYDEVICEBACK_STREAM_COUNT(events_suppressed, atomic_read(&stream->suppressed));
MYDEVICEBACK_STREAM_COUNT(events_spurious, atomic_read(&stream->spurious));
MYDEVICEBACK_STREAM_COUNT(sleeps, atomic_read(&stream->sleeps));

static struct attribute *mydeviceback_attrs[] = {
	&dev_attr_notify.attr,
	&dev_attr_events_sent.attr,
	&dev_attr_events_received.attr,
	&dev_attr_answer.attr,
	&dev_attr_version.attr,
	&dev_attr_generation.attr,
	&dev_attr_reconnects.attr,
	&dev_attr_violations.attr,
	&dev_attr_out_ring_page_order.attr,
	&dev_attr_in_ring_page_order.attr,
	&dev_attr_bytes_sent.attr,
	&dev_attr_bytes_received.attr,
	&dev_attr_events_suppressed.attr,
	&dev_attr_events_spurious.attr,
	&dev_attr_sleeps.attr,
	NULL
};
ATTRIBUTE_GROUPS(mydeviceback);

static unsigned int mydeviceback_max_order(void)
{
	return min_t(unsigned int, READ_ONCE(max_ring_page_order), MYDEVICE_MAX_ORDER);
}

/* Writes what this end can do, then invites the frontend with InitWait. */
static int mydeviceback_offer(struct mydeviceback_info *info)
{
	struct xenbus_device *dev = info->dev;
	int err;

	err = xenbus_printf(XBT_NIL, dev->nodename, MYDEVICE_NODE_VERSIONS, "%u",
			    MYDEVICE_VERSION);
	if (!err)
		err = xenbus_printf(XBT_NIL, dev->nodename, MYDEVICE_NODE_MAX_ORDER,
				    "%u", mydeviceback_max_order());
	if (err)
		return mydeviceback_give_up(info, err, "writing the offer to %s",
					    dev->nodename);
	mydeviceback_switch_state(info, XenbusStateInitWait);
	return 0;
}

static void mydeviceback_bury(struct work_struct *work);

/*
 * The XenStore nodes of a device of ours appeared, or the driver was bound to
 * it again through sysfs.
 *
 * It runs in XenBus's thread, xenwatch, or in the process that loads or binds the
 * driver. Like every XenBus callback it may sleep, but not for another domain, nor
 * for a disk: the disk's own driver may need xenwatch to answer. So memory is
 * allocated without reclaim by I/O, here and in all that is called.
 */
static int mydeviceback_probe(struct xenbus_device *dev,
			      const struct xenbus_device_id *id)
{
	unsigned int noio = memalloc_noio_save();
	struct mydeviceback_info *info;
	int err = -ENOMEM;

	dev_info(&dev->dev, "Probe called. We are good to go.\n");

	info = kzalloc(sizeof(*info), GFP_KERNEL);
	if (!info)
		goto out;
	info->dev = dev;
	mutex_init(&info->lock);
	INIT_WORK(&info->death, mydeviceback_bury);
	err = mydeviceback_add_node(info);
	if (err)
		goto fail;
	dev_set_drvdata(&dev->dev, info);
	/* A process may have been this end before, and XenBus does not know. */
	dev->state = xenbus_read_unsigned(dev->nodename, "state", dev->state);
	err = mydeviceback_offer(info);
	if (err)
		goto fail;
	info->rings = debugfs_create_file(dev_name(&dev->dev), 0400,
					  mydeviceback_debugfs, info,
					  &mydeviceback_rings_fops);
	goto out;

fail:
	mydeviceback_del_node(info);
	kfree(info);
out:
	memalloc_noio_restore(noio);
	return err;
}

/*
 * Reads a number that the frontend published. It may have written anything: what
 * kstrtouint() does not take for a decimal number in the range of an unsigned int
 * is refused. (It takes a plus sign before, and a newline after.)
 */
static int mydeviceback_read(struct mydeviceback_info *info, const char *node,
			     unsigned int *value)
{
	struct xenbus_device *dev = info->dev;
	char *text;
	int err;

	text = xenbus_read(info->xbt, dev->otherend, node, NULL);
	if (IS_ERR(text))
		return mydeviceback_give_up(info, PTR_ERR(text), "reading %s/%s",
					    dev->otherend, node);
	err = kstrtouint(text, 10, value);
	kfree(text);
	if (err)
		return mydeviceback_give_up(info, err, "%s/%s is not a number in range",
					    dev->otherend, node);
	return 0;
}

/* Reads and checks what the frontend chose for this connection. */
static int mydeviceback_negotiate(struct mydeviceback_info *info)
{
	int err;

	err = mydeviceback_read(info, MYDEVICE_NODE_VERSION, &info->version);
	if (err)
		return err;
	if (info->version < MYDEVICE_OLDEST_VERSION || info->version > MYDEVICE_VERSION)
		return mydeviceback_give_up(info, -EPROTO,
					    "the frontend wants version %u, and this end speaks %u",
					    info->version, MYDEVICE_VERSION);
	return 0;
}

/* Binds the event channel that the frontend offers. */
static int mydeviceback_setup_evtchn(struct mydeviceback_info *info)
{
	struct xenbus_device *dev = info->dev;
	unsigned int evtchn;
	int err;

	err = mydeviceback_read(info, MYDEVICE_NODE_EVENT_CHANNEL, &evtchn);
	if (err)
		return err;
	info->heard = false;
	err = bind_interdomain_evtchn_to_irqhandler_lateeoi(dev, evtchn,
							    mydeviceback_interrupt, 0,
							    dev_name(&dev->dev), info);
	if (err < 0)
		return mydeviceback_give_up(info, err, "binding port %u of the frontend",
					    evtchn);
	info->irq = err;
	return 0;
}

/*
 * Unmaps what is mapped in these places, and gives the places back. One that Xen
 * does not unmap is lost: the frontend's page is still there.
 */
static void mydeviceback_unmap(struct mydeviceback_info *info,
			       struct mydeviceback_places *places)
{
	struct gnttab_unmap_grant_ref op[MYDEVICEBACK_BATCH];
	struct page *page[MYDEVICEBACK_BATCH];
	unsigned int i = 0, j, nr, free = 0;

	while (i < places->nr) {
		for (nr = 0; i < places->nr && nr < MYDEVICEBACK_BATCH; i++) {
			if (places->handle[i] == INVALID_GRANT_HANDLE) {
				places->page[free++] = places->page[i];
				continue;
			}
			page[nr] = places->page[i];
			gnttab_set_unmap_op(&op[nr], (unsigned long)page_address(page[nr]),
					    GNTMAP_host_map, places->handle[i]);
			op[nr++].status = GNTST_general_error;
		}
		if (nr)
			WARN_ON_ONCE(gnttab_unmap_refs(op, NULL, page, nr));
		for (j = 0; j < nr; j++)
			if (op[j].status == GNTST_okay)
				places->page[free++] = page[j];
	}
	if (free < places->nr)
		dev_err(&info->dev->dev, "Xen did not unmap %u pages: they are lost\n",
			places->nr - free);
	gnttab_free_pages(free, places->page);
	places->nr = 0;
}

static int mydeviceback_by_address(const void *a, const void *b)
{
	const struct page *const *one = a, *const *other = b;

	return page_to_pfn(*one) < page_to_pfn(*other) ? -1 : 1;
}

/*
 * Finds places for the frontend's pages: pages of this domain that have no memory.
 * Where they follow each other a copy does not end with the page, so they are sorted.
 */
static int mydeviceback_find_places(struct mydeviceback_info *info,
				    struct mydeviceback_places *places,
				    unsigned int nr)
{
	int err = gnttab_alloc_pages(nr, places->page);

	if (err)
		return mydeviceback_give_up(info, err, "finding places for %u pages", nr);
	sort(places->page, nr, sizeof(*places->page), mydeviceback_by_address, NULL);
	while (places->nr < nr)
		places->handle[places->nr++] = INVALID_GRANT_HANDLE;
	return 0;
}

/*
 * Maps pages in the places from @first on. Xen tells of each how it went. The guest
 * chose the references, so any may be bad, and the others are mapped all the same.
 */
static int mydeviceback_map_batch(struct mydeviceback_info *info,
				  struct mydeviceback_places *places,
				  unsigned int first, grant_ref_t *refs, unsigned int nr)
{
	struct gnttab_map_grant_ref op[MYDEVICEBACK_BATCH], *bad = NULL;
	unsigned int i;
	int err;

	for (i = 0; i < nr; i++)
		gnttab_set_map_op(&op[i], (unsigned long)page_address(places->page[first + i]),
				  GNTMAP_host_map, refs[i], info->dev->otherend_id);
	err = gnttab_map_refs(op, NULL, &places->page[first], nr);
	for (i = 0; i < nr; i++) {
		if (op[i].status == GNTST_okay)
			places->handle[first + i] = op[i].handle;
		else
			bad = &op[i];
	}
	if (err)
		return mydeviceback_give_up(info, err, "mapping %u pages", nr);
	if (bad)
		return mydeviceback_give_up(info, bad->status == GNTST_no_space ? -ENOSPC :
					    -EINVAL, "mapping grant reference %u: grant status %d",
					    bad->ref, bad->status);
	return 0;
}

/* Maps the pages of these references, or some of them and reports an error. */
static int mydeviceback_map(struct mydeviceback_info *info,
			    struct mydeviceback_places *places,
			    grant_ref_t *refs, unsigned int nr)
{
	unsigned int first, batch;
	int err;

	err = mydeviceback_find_places(info, places, nr);
	for (first = 0; first < nr && !err; first += batch) {
		batch = min(nr - first, MYDEVICEBACK_BATCH);
		err = mydeviceback_map_batch(info, places, first, refs + first, batch);
	}
	return err;
}

/* Maps the ring of this order whose pages have these references. */
static int mydeviceback_map_ring(struct mydeviceback_info *info,
				 struct mydevice_ring *ring,
				 struct mydeviceback_places *places,
				 grant_ref_t *refs, unsigned int order)
{
	unsigned int i;
	int err;

	ring->pages = 1u << order;
	err = mydeviceback_map(info, places, refs, ring->pages);
	if (err)
		return err;
	for (i = 0; i < ring->pages; i++)
		ring->page[i] = page_address(places->page[i]);
	mydevice_find_runs(ring);
	return 0;
}

/*
 * Both rings are empty, and begin where the frontend says. A predecessor may have
 * left its wishes and indices; the frontend is not live yet.
 */
static void mydeviceback_begin(struct mydeviceback_stream *stream)
{
	u32 prod = READ_ONCE(stream->theirs->prod);
	u32 cons = READ_ONCE(stream->theirs->cons);

	stream->rx.prod = prod;
	stream->rx.cons = prod;
	stream->tx.prod = cons;
	stream->tx.cons = cons;
	stream->sync_index = cons;
	stream->wish = cons;
	stream->seen_prod = prod;
	stream->seen_cons = cons;
	memset(stream->mine, 0, sizeof(*stream->mine));
	stream->mine->prod = cons;
	stream->mine->cons = prod;
	stream->mine->alive = 1;
}

static int mydeviceback_map_index(struct mydeviceback_stream *stream)
{
	struct mydeviceback_info *info = stream->info;
	grant_ref_t ref;
	int err;

	err = mydeviceback_read(info, MYDEVICE_NODE_RING_REF, &ref);
	if (!err)
		err = mydeviceback_map(info, &stream->index_place, &ref, 1);
	if (err)
		return err;
	stream->index = page_address(stream->index_place.page[0]);
	stream->mine = &stream->index->backend;
	stream->theirs = &stream->index->frontend;
	mydeviceback_begin(stream);
	return 0;
}

/* Reads the order of a ring and checks it. */
static int mydeviceback_read_order(struct mydeviceback_info *info,
				   const char *node, unsigned int *order)
{
	int err = mydeviceback_read(info, node, order);

	if (!err && *order > mydeviceback_max_order())
		err = mydeviceback_give_up(info, -EPROTO,
					   "%s is %u, and at most %u is offered",
					   node, *order, mydeviceback_max_order());
	return err;
}

/*
 * Maps both rings. The counts and references are read once, into private
 * memory: the frontend can change the page at any moment (XSA-155).
 */
static int mydeviceback_map_rings(struct mydeviceback_stream *stream,
				  unsigned int out, unsigned int in)
{
	struct mydeviceback_info *info = stream->info;
	struct mydevice_index *index = stream->index;
	unsigned int i, nr = (1u << out) + (1u << in);
	grant_ref_t *refs;
	int err;

	if (READ_ONCE(index->nr_out_refs) != 1u << out ||
	    READ_ONCE(index->nr_in_refs) != 1u << in)
		return mydeviceback_give_up(info, -EPROTO,
					    "the counts in the index page do not fit orders %u and %u",
					    out, in);
	refs = kmalloc_array(nr, sizeof(*refs), GFP_KERNEL);
	if (!refs)
		return mydeviceback_give_up(info, -ENOMEM, "reading the grant references");
	for (i = 0; i < nr; i++)
		refs[i] = READ_ONCE(index->refs[i]);
	err = mydeviceback_map_ring(info, &stream->rx, &stream->rx_places, refs, out);
	if (!err)
		err = mydeviceback_map_ring(info, &stream->tx, &stream->tx_places,
					    refs + (1u << out), in);
	kfree(refs);
	return err;
}

static struct mydeviceback_stream *mydeviceback_stream_alloc(void)
{
	struct mydeviceback_stream *stream;

	stream = kzalloc(sizeof(*stream), GFP_KERNEL);
	if (!stream)
		return NULL;
	kref_init(&stream->users);
	mutex_init(&stream->read_lock);
	mutex_init(&stream->write_lock);
	init_waitqueue_head(&stream->readers);
	init_waitqueue_head(&stream->writers);
	return stream;
}

/* Maps the stream that the frontend granted: the index page and two rings. */
static int mydeviceback_setup_stream(struct mydeviceback_info *info)
{
	struct mydeviceback_stream *stream = mydeviceback_stream_alloc();
	unsigned int out, in;
	int err;

	if (!stream)
		return mydeviceback_give_up(info, -ENOMEM, "allocating the stream");
	info->stream = stream;
	stream->info = info;
	err = mydeviceback_read_order(info, MYDEVICE_NODE_OUT_ORDER, &out);
	if (!err)
		err = mydeviceback_read_order(info, MYDEVICE_NODE_IN_ORDER, &in);
	if (!err)
		err = mydeviceback_map_index(stream);
	if (!err)
		err = mydeviceback_map_rings(stream, out, in);
	return err;
}

/*
 * After this no reader or writer touches the index page or writes to a ring, or
 * notifies. What the frontend has moved until now still counts.
 */
static void mydeviceback_stop_stream(struct mydeviceback_info *info, int err)
{
	struct mydeviceback_stream *stream = info->stream;

	mydeviceback_set_stream(info, NULL);
	if (!stream)
		return;
	mutex_lock(&stream->read_lock);
	mutex_lock(&stream->write_lock);
	if (stream->index && !stream->broken && !stream->closed &&
	    !mydeviceback_stream_look_prod(stream))
		mydeviceback_stream_look_cons(stream);
	info->broken |= stream->broken;
	if (!stream->closed)
		WRITE_ONCE(stream->closed, err);
	mutex_unlock(&stream->write_lock);
	mutex_unlock(&stream->read_lock);
	mydeviceback_stream_wake(stream);
}

/*
 * What the frontend sent and nobody has read yet can still be read when its
 * pages are gone: from a copy of the ring, or NULL. The caller holds read_lock.
 */
static void *mydeviceback_keep_unread(struct mydeviceback_stream *stream)
{
	struct mydevice_ring *rx = &stream->rx;
	unsigned int i;
	void *copy;

	if (!mydevice_used(rx) || kref_read(&stream->users) == 1)
		return NULL;	/* nothing, or nobody to read it now or later */
	copy = kvmalloc(mydevice_size(rx), GFP_KERNEL | __GFP_NOWARN);
	if (!copy) {
		dev_warn(&stream->info->dev->dev,
			 "no memory: %u unread bytes are lost\n", mydevice_used(rx));
		rx->cons = rx->prod;
		stream->broken = true;	/* for the reader to know */
		return NULL;
	}
	for (i = 0; i < rx->pages; i++)
		memcpy(copy + i * MYDEVICE_PAGE_SIZE, rx->page[i], MYDEVICE_PAGE_SIZE);
	return copy;
}

/* Unmaps all that was mapped; files that are open keep the rest alive. */
static void mydeviceback_teardown_stream(struct mydeviceback_info *info)
{
	struct mydeviceback_stream *stream = info->stream;
	void *unread;

	if (!stream)
		return;
	mutex_lock(&stream->read_lock);
	unread = mydeviceback_keep_unread(stream);
	mydeviceback_unmap(info, &stream->tx_places);
	mydeviceback_unmap(info, &stream->rx_places);
	mydevice_set_pages(&stream->tx, NULL);
	mydevice_set_pages(&stream->rx, unread);
	mutex_unlock(&stream->read_lock);
	mydeviceback_unmap(info, &stream->index_place);
	stream->index = NULL;
	kref_put(&stream->users, mydeviceback_stream_free);
	info->stream = NULL;
}

/* Releases all that belongs to a connection, however much of it there is. */
static void mydeviceback_disconnect(struct mydeviceback_info *info)
{
	mydeviceback_stop_stream(info, -EPIPE);
	if (info->irq)
		unbind_from_irqhandler(info->irq, info);	/* closes the port, too */
	info->irq = 0;
	atomic_set(&info->events_sent, 0);	/* the counts are the connection's */
	atomic_set(&info->events_received, 0);
	mydeviceback_teardown_stream(info);
	info->version = 0;
}

/* Both ends are ready. */
static int mydeviceback_go_live(struct mydeviceback_info *info)
{
	struct xenbus_device *dev = info->dev;
	int err, end;

	mydeviceback_set_stream(info, info->stream);
	/* A node that is gone must not come back: see xenbus_switch_state(). */
	err = xenbus_exists(info->xbt, dev->nodename, "state") ?
	      xenbus_printf(info->xbt, dev->nodename, "state", "%d", XenbusStateConnected) :
	      -ENOENT;
	end = mydeviceback_end_reading(info, !err);
	if (end == -EAGAIN)
		return end;
	if (err || end)
		return mydeviceback_give_up(info, err ?: end, "writing Connected to %s",
					    dev->nodename);
	dev->state = XenbusStateConnected;
	info->told = 0;
	info->generation++;
	if (xchg(&info->stream->death_seen, false))
		mydeviceback_look_alive(info);	/* it died before this */
	dev_info_ratelimited(&dev->dev, "Connected, protocol version %u.\n",
			     info->version);
	return 0;
}

/* The frontend has published: read, check, and take what it offers. */
static int mydeviceback_connect(struct mydeviceback_info *info)
{
	int err;

	err = mydeviceback_negotiate(info);
	if (err)
		goto fail;
	err = mydeviceback_setup_stream(info);
	if (err)
		goto fail;
	err = mydeviceback_setup_evtchn(info);
	if (err)
		goto fail;
	err = mydeviceback_go_live(info);
	if (err)
		goto fail;
	return 0;

fail:
	mydeviceback_disconnect(info);
	return err;
}

/*
 * Connects to the frontend that says Initialised now. It may be restarted at any
 * moment, and a backend that is Connected to what its predecessor published
 * is dead and does not know. So one transaction holds it together: what was read is
 * used only if none of it has changed when Connected is written. If it has changed,
 * this end looks again, but not for ever.
 */
static void mydeviceback_try_connect(struct mydeviceback_info *info)
{
	int err = -EAGAIN, tries;
	unsigned int state;

	for (tries = 0; err == -EAGAIN && tries < 10; tries++) {
		err = xenbus_transaction_start(&info->xbt);
		if (err)
			break;
		info->reading = true;
		err = mydeviceback_read(info, "state", &state);
		if (!err && state == XenbusStateInitialised)
			err = mydeviceback_connect(info);
		mydeviceback_end_reading(info, false);
	}
	if (err)	/* connect() has told of its own; the same is not told twice */
		mydeviceback_give_up(info, err, "reading what the frontend published");
}

/*
 * A frontend that does not take this end's offer closes. If it speaks another
 * version, it has written which.
 */
static void mydeviceback_explain_refusal(struct mydeviceback_info *info)
{
	unsigned int version;

	if (info->dev->state != XenbusStateInitWait || info->told == -EPROTONOSUPPORT)
		return;
	version = xenbus_read_unsigned(info->dev->otherend, MYDEVICE_NODE_VERSION,
				       MYDEVICE_VERSION);
	if (version >= MYDEVICE_OLDEST_VERSION && version <= MYDEVICE_VERSION)
		return;
	dev_err(&info->dev->dev, "the frontend speaks version %u, and this end %u\n",
		version, MYDEVICE_VERSION);
	info->told = -EPROTONOSUPPORT;
}

/* The frontend is closing or closed: release, and say the same. */
static void mydeviceback_close(struct mydeviceback_info *info,
			       enum xenbus_state state)
{
	mydeviceback_disconnect(info);
	if (info->broken)
		state = XenbusStateClosed;	/* and no further */
	if (info->dev->state == state)
		return;
	mydeviceback_switch_state(info, state);
	dev_info_ratelimited(&info->dev->dev, "%s.\n", xenbus_strstate(state));
}

/*
 * The frontend is a process that died: the interrupt has found so in the index
 * page. Another connection may have come since, so it is looked at again. And one
 * that says Closing or Closed went by itself: its state is what tells.
 */
static void mydeviceback_bury(struct work_struct *work)
{
	struct mydeviceback_info *info =
		container_of(work, struct mydeviceback_info, death);
	unsigned int noio = memalloc_noio_save();	/* xenwatch may wait for the lock */
	unsigned int state;

	mutex_lock(&info->lock);
	state = xenbus_read_unsigned(info->dev->otherend, "state", XenbusStateUnknown);
	if (info->stream && info->dev->state == XenbusStateConnected &&
	    !READ_ONCE(info->stream->theirs->alive) &&
	    (state == XenbusStateInitialised || state == XenbusStateConnected)) {
		dev_info_ratelimited(&info->dev->dev, "The frontend died.\n");
		mydeviceback_close(info, XenbusStateClosed);
	}
	mutex_unlock(&info->lock);
	memalloc_noio_restore(noio);
}

/*
 * The frontend changed its state. This runs in xenwatch, the one thread that all
 * devices of this domain share, so it may sleep, but waits neither for the other
 * end nor for a disk. The frontend is not trusted: it may say anything at any
 * time, and states may be missed, because only the latest one is seen.
 */
static void mydeviceback_otherend_changed(struct xenbus_device *dev,
					  enum xenbus_state frontend_state)
{
	struct mydeviceback_info *info = dev_get_drvdata(&dev->dev);
	unsigned int noio = memalloc_noio_save();
	bool gone = false;

	dev_dbg(&dev->dev, "the frontend is %s\n", xenbus_strstate(frontend_state));
	mutex_lock(&info->lock);

	switch (frontend_state) {
	case XenbusStateInitialising:
		if (dev->state == XenbusStateInitWait)
			break;		/* it has not seen our offer yet */
		mydeviceback_disconnect(info);	/* from a frontend that was restarted */
		if (info->broken) {
			mydeviceback_close(info, XenbusStateClosed);
			break;
		}
		mydeviceback_offer(info);
		break;

	case XenbusStateInitialised:
		if (dev->state == XenbusStateInitWait)
			mydeviceback_try_connect(info);
		break;

	case XenbusStateConnected:	/* ours came first; else it is left over */
	case XenbusStateInitWait:
	case XenbusStateReconfiguring:
	case XenbusStateReconfigured:
		break;

	case XenbusStateClosing:
		mydeviceback_explain_refusal(info);
		mydeviceback_close(info, XenbusStateClosing);
		break;

	case XenbusStateClosed:
		mydeviceback_explain_refusal(info);
		if (!xenbus_dev_is_online(dev))
			gone = true;	/* the toolstack is taking it away */
		if (dev->state == XenbusStateInitWait && !gone)
			break;		/* it will follow when it sees our state */
		mydeviceback_close(info, XenbusStateClosed);
		break;

	case XenbusStateUnknown:	/* its directory is gone */
		mydeviceback_disconnect(info);
		gone = true;
		break;
	}

	mutex_unlock(&info->lock);
	if (gone)
		device_unregister(&dev->dev);	/* which calls our remove */
	memalloc_noio_restore(noio);
}

/*
 * The nodes are gone, or the driver is unbound. XenBus has stopped the watch on
 * the frontend's state, and says Closed for us afterwards. Runs in xenwatch, or in
 * the process that unbinds or unloads the driver, with the device locked. (A known
 * lock order problem of Linux: xenwatch waits for that lock if the device goes
 * meanwhile, and whoever stops a watch waits for xenwatch.)
 */
static void mydeviceback_remove(struct xenbus_device *dev)
{
	struct mydeviceback_info *info = dev_get_drvdata(&dev->dev);
	unsigned int noio = memalloc_noio_save();

	debugfs_remove(info->rings);
	mutex_lock(&info->lock);
	mydeviceback_stop_stream(info, -ENODEV);
	mydeviceback_disconnect(info);
	mutex_unlock(&info->lock);
	cancel_work_sync(&info->death);	/* no interrupt asks for it any more */
	mydeviceback_del_node(info);
	memalloc_noio_restore(noio);
	kfree(info);
	dev_info(&dev->dev, "Goodbye.\n");
}

static const struct xenbus_device_id mydeviceback_ids[] = {
	{ "mydevice" },
	{ "" }
};

static struct xenbus_driver mydeviceback_driver = {
	.name = KBUILD_MODNAME,
	.ids = mydeviceback_ids,
	.probe = mydeviceback_probe,
	.remove = mydeviceback_remove,
	.otherend_changed = mydeviceback_otherend_changed,
	.driver.dev_groups = mydeviceback_groups,
};

static int __init mydeviceback_register_nodes(void)
{
	int err;

	BUILD_BUG_ON(sizeof(struct mydevice_index) > MYDEVICE_PAGE_SIZE);

	err = class_register(&mydeviceback_class);
	if (err)
		return err;
	err = alloc_chrdev_region(&mydeviceback_first, 0, MYDEVICEBACK_MINORS,
				  KBUILD_MODNAME);
	if (err)
		class_unregister(&mydeviceback_class);
	else
		mydeviceback_debugfs = debugfs_create_dir(KBUILD_MODNAME, NULL);
	return err;
}

static void mydeviceback_unregister_nodes(void)
{
	debugfs_remove(mydeviceback_debugfs);
	unregister_chrdev_region(mydeviceback_first, MYDEVICEBACK_MINORS);
	class_unregister(&mydeviceback_class);
	ida_destroy(&mydeviceback_minors);
}

static int __init mydeviceback_init(void)
{
	int err;

	if (!xen_domain()) {
		pr_err("this is not a Xen domain\n");
		return -ENODEV;
	}
	pr_info("Hello World!\n");
	err = mydeviceback_register_nodes();
	if (err)
		return err;
	err = xenbus_register_backend(&mydeviceback_driver);
	if (err)
		mydeviceback_unregister_nodes();
	return err;
}
module_init(mydeviceback_init);

static void __exit mydeviceback_exit(void)
{
	xenbus_unregister_driver(&mydeviceback_driver);
	mydeviceback_unregister_nodes();
	pr_info("Goodbye World!\n");
}
module_exit(mydeviceback_exit);

MODULE_DESCRIPTION("Backend of mydevice, a virtual device for Xen guests");
MODULE_LICENSE("GPL");
MODULE_ALIAS("xen-backend:mydevice");
