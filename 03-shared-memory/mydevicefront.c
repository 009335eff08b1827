// SPDX-License-Identifier: GPL-2.0
/*
 * Frontend of mydevice: the half that lives in the guest.
 *
 * From probe to remove the functions stand in the order of a device's life: its
 * nodes appear, the backend offers, both ends connect, the connection ends.
 * mydevice.h is what the two ends agree on.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/cdev.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/interrupt.h>
#include <linux/kernel.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <xen/events.h>
#include <xen/interface/event_channel.h>
#include <xen/grant_table.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#include <asm/xen/hypercall.h>

#include "mydevice.h"

#if PAGE_SHIFT != 12
#error "a grant is 4 KiB: use a kernel with such pages (on arm64: CONFIG_ARM64_4K_PAGES)"
#endif

/* More device nodes than a guest can have devices. */
#define MYDEVICEFRONT_MINORS	4096

static unsigned int ring_page_order = 6;
module_param(ring_page_order, uint, 0644);
MODULE_PARM_DESC(ring_page_order,
		 "order of each ring, 0 (4 KiB) to 8 (1 MiB); default 6");

static unsigned int first_index;
module_param(first_index, uint, 0644);
MODULE_PARM_DESC(first_index,
		 "where the indices of a connection begin; near 2^32 they soon wrap; default 0");

/*
 * Before a reader or writer sleeps it looks for a while whether the backend moves.
 * The default is about what it costs both ends to sleep and be woken: a wait that
 * turns out short then costs next to nothing, and none more than twice as much.
 */
#define MYDEVICEFRONT_MAX_POLL_US	1000u
#define MYDEVICEFRONT_PAUSE_NS		2000	/* longer than between two writes */

static unsigned int poll_us = 100;
module_param(poll_us, uint, 0644);
MODULE_PARM_DESC(poll_us,
		 "how long to look before sleeping, in us, 0 (not at all) to 1000; default 100");

static dev_t mydevicefront_first;
static DEFINE_IDA(mydevicefront_minors);
static struct class mydevicefront_class = { .name = KBUILD_MODNAME };
static struct dentry *mydevicefront_debugfs;

/* Who has a stream open; bits of @open_for. */
enum { MYDEVICEFRONT_READER, MYDEVICEFRONT_WRITER };

/**
 * struct mydevicefront_stream - the byte stream of one connection
 * @users: the connection itself and every open file
 * @info: the device; not for readers and writers once @closed is set
 * @read_lock: one reader at a time; guards @rx
 * @write_lock: one writer at a time; guards @tx
 * @open_for: whether a reader and a writer have it open; one of each at most
 * @closed: 0 while the connection lasts; then what a writer gets: -EPIPE, or
 *	-ENODEV if this end's device went away. Set once, with both locks held
 * @broken: the backend lied; set once, by whoever noticed
 * @index: the index page, shared with the backend, while the connection lasts
 * @index_ref: its grant reference
 * @mine: the half of @index that this end writes
 * @theirs: the half of @index that the backend writes
 * @rx: the ring from the backend; at the end, copies of what is unread
 * @tx: the ring to the backend
 * @tx_refs: the grant references of the pages of @tx
 * @rx_refs: the grant references of the pages of @rx
 * @sync_index: the first index that somebody waits for in fsync; guarded by
 *	@write_lock. One that has been reached does not count
 * @wish: what the backend was last asked for as a consumer; guarded by @write_lock
 * @syncers: how many are in fsync
 * @seen_prod: the backend's producer index at the last interrupt that had a reason
 * @seen_cons: the backend's consumer index at that interrupt
 * @death_seen: @alive is 0 in the backend's half, and that was looked into
 * @readers: sleep here for bytes
 * @writers: sleep here for space
 * @reader_wakeups: changes whenever a reader has reason to look again
 * @writer_wakeups: changes whenever a writer has reason to look again
 * @reader_waited: how long the last reader that had to wait did so, in ns
 * @writer_waited: how long the last writer did
 * @gathers: bytes came while the last reader looked at those before them
 * @bytes_received: taken out of @rx; guarded by @read_lock
 * @bytes_sent: put into @tx; guarded by @write_lock
 * @suppressed: moves of which the backend did not want to be notified
 * @spurious: interrupts without a reason
 * @sleeps: how often a reader or writer had to
 *
 * It outlives the connection for as long as files are open on it: what the
 * backend sent before it closed can still be read.
 */
struct mydevicefront_stream {
	struct kref users;
	struct mydevicefront_info *info;
	struct mutex read_lock;		/* rx */
	struct mutex write_lock;	/* tx */
	unsigned long open_for;
	int closed;
	bool broken;
	struct mydevice_index *index;
	grant_ref_t index_ref;
	struct mydevice_end *mine;
	struct mydevice_end *theirs;
	struct mydevice_ring rx;
	struct mydevice_ring tx;
	grant_ref_t tx_refs[MYDEVICE_MAX_PAGES];
	grant_ref_t rx_refs[MYDEVICE_MAX_PAGES];
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
 * struct mydevicefront_node - the device node, /dev/mydeviceN
 * @dev: its place in the device model; frees the node when the last user is gone
 * @cdev: its file operations
 * @lock: guards @stream
 * @stream: what a file is opened on; NULL when there is no connection
 */
struct mydevicefront_node {
	struct device dev;
	struct cdev cdev;
	struct mutex lock;	/* stream */
	struct mydevicefront_stream *stream;
};

/**
 * struct mydevicefront_info - one device, from probe to remove
 * @dev: the device on the XenBus
 * @version: the protocol version of this connection, 0 when there is none
 * @broken: the backend broke the protocol: follow it no more
 * @told: why there is no connection, an errno that the log has already, or 0
 * @lock: serialises connecting and disconnecting with the sysfs attributes;
 *	the interrupt handler does not take it
 * @evtchn: the event channel's port in this domain
 * @irq: what the port is bound to, 0 when there is none
 * @events_sent: notifications to the backend during this connection
 * @events_received: interrupts during this connection
 * @notified_at: when "notify" was last written, in ns; 0 once it is answered
 * @round_trip: from that to the event that followed, in ns
 * @stream: the stream of this connection, NULL when there is none
 * @node: the device node
 * @still_mapped: the backend had pages mapped when its access to them was ended
 * @generation: how many connections there have been, with the present one
 * @violations: how often the backend broke the protocol
 * @rings: a file in debugfs: the indices of both rings
 * @death: what is to be done when the backend was a process, and died
 */
struct mydevicefront_info {
	struct xenbus_device *dev;
	unsigned int version;
	bool broken;
	int told;
	struct mutex lock;	/* connecting against sysfs */
	evtchn_port_t evtchn;
	int irq;
	atomic_t events_sent;
	atomic_t events_received;
	atomic64_t notified_at;
	atomic64_t round_trip;
	struct mydevicefront_stream *stream;
	struct mydevicefront_node *node;
	bool still_mapped;
	unsigned int generation;
	atomic_t violations;
	struct dentry *rings;
	struct work_struct death;
};

/* Notifies the backend. The caller knows that the irq is bound. */
static void mydevicefront_notify(struct mydevicefront_info *info)
{
	atomic_inc(&info->events_sent);
	notify_remote_via_irq(info->irq);
}

/* The first event after a notification by hand is taken for its answer. */
static void mydevicefront_take_time(struct mydevicefront_info *info)
{
	s64 notified_at = atomic64_xchg(&info->notified_at, 0);

	if (notified_at)
		atomic64_set(&info->round_trip, ktime_get_ns() - notified_at);
}

static void mydevicefront_stream_wake(struct mydevicefront_stream *stream)
{
	atomic_inc(&stream->reader_wakeups);
	atomic_inc(&stream->writer_wakeups);
	wake_up_all(&stream->readers);
	wake_up_all(&stream->writers);
}

/*
 * Wakes the reader or writer whose index the backend moved: one that differs from what
 * was accepted, or has moved since the last interrupt, or has reached our wake-up
 * index, because after 4 GiB without an interrupt it may look unmoved. They are only
 * compared here, not used, so nothing is checked, and no lock is needed.
 *
 * Return: false if nothing has moved: the event had no reason.
 */
static bool mydevicefront_stream_event(struct mydevicefront_stream *stream)
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
 * A backend that is a process and died has its kernel clear @alive. What follows may
 * sleep and is done by a worker: once a connection, for a backend can notify as often
 * as it likes. That worker is frozen while a guest is saved: XenBus changes the
 * other end's path under it otherwise.
 */
static void mydevicefront_look_alive(struct mydevicefront_info *info)
{
	if (!READ_ONCE(info->stream->theirs->alive) &&
	    !xchg(&info->stream->death_seen, true))
		queue_work(system_freezable_wq, &info->death);
}

/*
 * The backend notified. Hard interrupt context: nothing here sleeps or takes a
 * mutex. An interrupt is over with its EOI, the end of interrupt. Here it is sent
 * late, by xen_irq_lateeoi() when the event has been handled, and until then the
 * channel is masked: a backend that never stops notifying cannot keep this
 * domain busy (XSA-391). What is used here is set up before the interrupt is
 * bound, and released after it is unbound.
 */
static irqreturn_t mydevicefront_interrupt(int irq, void *dev_id)
{
	struct mydevicefront_info *info = dev_id;
	unsigned int eoi = 0;
	bool rung = atomic64_read(&info->notified_at);	/* by hand */

	atomic_inc(&info->events_received);
	mydevicefront_take_time(info);
	if (READ_ONCE(info->stream->broken))
		return IRQ_HANDLED;	/* and no EOI: a liar is not heard again */
	mydevicefront_look_alive(info);
	if (!mydevicefront_stream_event(info->stream) && !rung)
		eoi = XEN_EOI_FLAG_SPURIOUS;
	xen_irq_lateeoi(irq, eoi);
	return IRQ_HANDLED;
}

/* The backend broke the protocol. The caller holds read_lock or write_lock. */
static int mydevicefront_stream_break(struct mydevicefront_stream *stream,
				      const char *what, u32 claim)
{
	if (!xchg(&stream->broken, true)) {
		atomic_inc(&stream->info->violations);
		dev_err(&stream->info->dev->dev,
			"the backend claims an impossible %s index %u: the connection is given up\n",
			what, claim);
	}
	mydevicefront_stream_wake(stream);
	return -EIO;
}

/* Reads the backend's producer index, once. */
static int mydevicefront_stream_look_prod(struct mydevicefront_stream *stream)
{
	u32 prod = READ_ONCE(stream->theirs->prod);

	lockdep_assert_held(&stream->read_lock);
	if (!mydevice_accept_prod(&stream->rx, prod))
		return mydevicefront_stream_break(stream, "producer", prod);
	virt_rmb();	/* the index before the bytes; pairs with (P) */
	return 0;
}

/* Reads the backend's consumer index, once. */
static int mydevicefront_stream_look_cons(struct mydevicefront_stream *stream)
{
	u32 cons = READ_ONCE(stream->theirs->cons);

	lockdep_assert_held(&stream->write_lock);
	if (!mydevice_accept_cons(&stream->tx, cons))
		return mydevicefront_stream_break(stream, "consumer", cons);
	virt_mb();	/* the index before new bytes; pairs with (C) */
	return 0;
}

/*
 * How long to look before sleeping, in ns. A wait is likely to be as long as the
 * one before: if that was longer than this end looks, it does not look at all.
 * So an idle stream costs nothing, nor one whose backend shares the processor.
 */
static u64 mydevicefront_patience(u64 last_wait)
{
	u64 ns = min(READ_ONCE(poll_us), MYDEVICEFRONT_MAX_POLL_US) * NSEC_PER_USEC;

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
static void mydevicefront_look_for_bytes(struct mydevicefront_stream *stream,
					 u32 want)
{
	u64 patience = mydevicefront_patience(READ_ONCE(stream->reader_waited));
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
		if (last != known && (!gather || now - came > MYDEVICEFRONT_PAUSE_NS))
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
static void mydevicefront_look_for_space(struct mydevicefront_stream *stream,
					 u32 want)
{
	u64 patience = mydevicefront_patience(READ_ONCE(stream->writer_waited));
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
 * Can something be read now? -EAGAIN if not, and then the backend has been asked
 * to notify, if somebody sleeps or is about to; 0 with an empty ring at the end
 * of the stream. Who wants no more than is known to be there does not look at
 * what the backend writes: its processor has that cache line. Holds read_lock.
 */
static int mydevicefront_stream_readable(struct mydevicefront_stream *stream,
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
		mydevicefront_look_for_bytes(stream, mydevice_share(rx, want));
	err = mydevicefront_stream_look_prod(stream);
	if (err || mydevice_used(rx))
		return err;
	if (!may_block && !wq_has_sleeper(&stream->readers))
		return -EAGAIN;		/* nobody is to be woken */

	WRITE_ONCE(stream->mine->prod_event, rx->cons + 1);
	virt_mb();	/* the wish before a second look; pairs with (N) */
	err = mydevicefront_stream_look_prod(stream);
	if (err || mydevice_used(rx))
		return err;
	return -EAGAIN;
}

/*
 * Asks the backend to notify. There is one wish for all who wait for its consumer, in
 * fsync and for space: the index that is reached first. If that was passed before
 * the backend could see it, it wakes nobody, and the next is asked for, unless
 * nobody waits for it: who waits for space will see some. And one that was reached may
 * be replaced here before the backend has read it, and then it wakes nobody either: who
 * waited for it, if somebody is in fsync, is woken by this end. Holds write_lock.
 */
static int mydevicefront_stream_ask_cons(struct mydevicefront_stream *stream)
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
		err = mydevicefront_stream_look_cons(stream);
	} while (!err && mydevice_reached(tx, wish) &&
		 !mydevice_reached(tx, stream->sync_index));
	return err;
}

/* Is there space? As above, for writing. The caller holds write_lock. */
static int mydevicefront_stream_writable(struct mydevicefront_stream *stream,
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
		mydevicefront_look_for_space(stream, mydevice_share(tx, want));
	err = mydevicefront_stream_look_cons(stream);
	if (err || mydevice_free(tx))
		return err;
	if (!may_block && !wq_has_sleeper(&stream->writers))
		return -EAGAIN;

	err = mydevicefront_stream_ask_cons(stream);
	if (err || mydevice_free(tx))
		return err;
	return -EAGAIN;
}

/*
 * How much of the first @goal bytes that were written has the backend yet to consume?
 * (An index would not do: it comes again every 4 GiB.) The caller holds write_lock.
 */
static u32 mydevicefront_stream_unsynced(struct mydevicefront_stream *stream, u64 goal)
{
	u64 consumed = stream->bytes_sent - mydevice_used(&stream->tx);

	return goal > consumed ? goal - consumed : 0;
}

/*
 * Has the backend consumed the first @goal bytes? As above; -EAGAIN if not. What
 * others wait for in fsync may come first: whoever is woken looks, and asks again.
 */
static int mydevicefront_stream_synced(struct mydevicefront_stream *stream,
				       u64 goal)
{
	struct mydevice_ring *tx = &stream->tx;
	u32 index, left = mydevicefront_stream_unsynced(stream, goal);
	int err;

	if (READ_ONCE(stream->broken))
		return -EIO;
	if (stream->closed)
		return left ? stream->closed : 0;
	err = mydevicefront_stream_look_cons(stream);
	while (!err && (left = mydevicefront_stream_unsynced(stream, goal))) {
		index = tx->cons + left;
		stream->sync_index = mydevice_first(tx, stream->sync_index, index);
		err = mydevicefront_stream_ask_cons(stream);
		if (!err && !mydevice_reached(tx, stream->sync_index))
			return -EAGAIN;
	}
	return err;
}

/* Tells the backend what was consumed. The caller holds read_lock. */
static void mydevicefront_stream_consumed(struct mydevicefront_stream *stream,
					  u32 before)
{
	u32 cons = stream->rx.cons;

	virt_mb();	/* (C) the bytes were read before their space is given back */
	WRITE_ONCE(stream->mine->cons, cons);
	virt_mb();	/* (N) the index before the backend's wish */
	if (mydevice_passed(READ_ONCE(stream->theirs->cons_event), before, cons))
		mydevicefront_notify(stream->info);
	else
		atomic_inc(&stream->suppressed);
}

/* Tells the backend what was produced. The caller holds write_lock. */
static void mydevicefront_stream_produced(struct mydevicefront_stream *stream,
					  u32 before)
{
	u32 prod = stream->tx.prod;

	virt_wmb();	/* (P) the bytes before the index */
	WRITE_ONCE(stream->mine->prod, prod);
	virt_mb();	/* (N) the index before the backend's wish */
	if (mydevice_passed(READ_ONCE(stream->theirs->prod_event), before, prod))
		mydevicefront_notify(stream->info);
	else
		atomic_inc(&stream->suppressed);
}

/*
 * Moves what is there to a reader. A page of the reader's that is not in memory
 * is not waited for under the lock: -EFAULT, after what could be moved.
 */
static int mydevicefront_stream_take(struct mydevicefront_stream *stream,
				     struct iov_iter *to, bool may_block)
{
	struct mydevice_ring *rx = &stream->rx;
	int err = mydevicefront_stream_readable(stream, iov_iter_count(to), may_block);
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
		mydevicefront_stream_consumed(stream, before);
	return err;
}

/* Takes from a writer what there is space for; -EFAULT as above. */
static int mydevicefront_stream_put(struct mydevicefront_stream *stream,
				    struct iov_iter *from, bool may_block)
{
	struct mydevice_ring *tx = &stream->tx;
	int err = mydevicefront_stream_writable(stream, iov_iter_count(from), may_block);
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
		mydevicefront_stream_produced(stream, before);
	return err;
}

static void mydevicefront_stream_free(struct kref *users)
{
	struct mydevicefront_stream *stream =
		container_of(users, struct mydevicefront_stream, users);

	kvfree(stream->rx.page[0]);	/* the copy, if one was kept */
	kfree(stream);
}

/* One reader and one writer: two readers would each get a part of the stream. */
static int mydevicefront_stream_take_part(struct mydevicefront_stream *stream,
					  fmode_t mode)
{
	if (READ_ONCE(stream->broken))
		return -EIO;
	if ((mode & FMODE_READ) &&
	    test_and_set_bit(MYDEVICEFRONT_READER, &stream->open_for))
		return -EBUSY;
	if (!(mode & FMODE_WRITE) ||
	    !test_and_set_bit(MYDEVICEFRONT_WRITER, &stream->open_for))
		return 0;
	if (mode & FMODE_READ)
		clear_bit(MYDEVICEFRONT_READER, &stream->open_for);
	return -EBUSY;
}

/* /dev/mydeviceN is opened: the file belongs to the connection of this moment. */
static int mydevicefront_open(struct inode *inode, struct file *file)
{
	struct mydevicefront_node *node =
		container_of(inode->i_cdev, struct mydevicefront_node, cdev);
	struct mydevicefront_stream *stream;
	int err = -ENOTCONN;

	mutex_lock(&node->lock);
	stream = node->stream;
	if (stream)
		err = mydevicefront_stream_take_part(stream, file->f_mode);
	if (!err)
		kref_get(&stream->users);
	mutex_unlock(&node->lock);
	if (err)
		return err;
	file->private_data = stream;
	return stream_open(inode, file);
}

static int mydevicefront_release(struct inode *inode, struct file *file)
{
	struct mydevicefront_stream *stream = file->private_data;

	if (file->f_mode & FMODE_READ)
		clear_bit(MYDEVICEFRONT_READER, &stream->open_for);
	if (file->f_mode & FMODE_WRITE)
		clear_bit(MYDEVICEFRONT_WRITER, &stream->open_for);
	kref_put(&stream->users, mydevicefront_stream_free);
	return 0;
}

static bool mydevicefront_may_block(struct kiocb *iocb)
{
	return !(iocb->ki_filp->f_flags & O_NONBLOCK) &&
	       !(iocb->ki_flags & IOCB_NOWAIT);
}

/*
 * Fetches the user's pages that a copy failed at; most are in memory and need
 * not be looked at before. Copies can fail again and again: a signal ends that.
 */
static int mydevicefront_fault_in(struct iov_iter *iter,
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
static int mydevicefront_sleep(struct mydevicefront_stream *stream,
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
static ssize_t mydevicefront_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct mydevicefront_stream *stream = iocb->ki_filp->private_data;
	bool may_block = mydevicefront_may_block(iocb);
	size_t wanted = iov_iter_count(to), left;
	int err = 0, seen;

	while ((left = iov_iter_count(to))) {
		err = -ERESTARTSYS;
		if (mutex_lock_interruptible(&stream->read_lock))
			break;
		seen = atomic_read(&stream->reader_wakeups);
		err = mydevicefront_stream_take(stream, to, may_block);
		mutex_unlock(&stream->read_lock);
		if (err == -EFAULT)
			err = mydevicefront_fault_in(to, fault_in_iov_iter_writeable);
		else if (!err && (may_block || iov_iter_count(to) == left))
			break;	/* this is all, or the end of the stream */
		else if (err == -EAGAIN && may_block && left == wanted)
			err = mydevicefront_sleep(stream, &stream->readers,
						  &stream->reader_wakeups, seen,
						  &stream->reader_waited);
		if (err)
			break;
	}
	wanted -= iov_iter_count(to);
	return wanted ? wanted : err;
}

/* Writes all, waiting for space as often as needed; or what there is space for. */
static ssize_t mydevicefront_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct mydevicefront_stream *stream = iocb->ki_filp->private_data;
	bool may_block = mydevicefront_may_block(iocb);
	size_t wanted = iov_iter_count(from);
	int err = 0, seen;

	while (!err && iov_iter_count(from)) {
		err = -ERESTARTSYS;
		if (mutex_lock_interruptible(&stream->write_lock))
			break;
		seen = atomic_read(&stream->writer_wakeups);
		err = mydevicefront_stream_put(stream, from, may_block);
		mutex_unlock(&stream->write_lock);
		if (err == -EFAULT)
			err = mydevicefront_fault_in(from, fault_in_iov_iter_readable);
		else if (err == -EAGAIN && may_block)
			err = mydevicefront_sleep(stream, &stream->writers,
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

/* Waits until the backend has consumed all that was written before. */
static int mydevicefront_fsync(struct file *file, loff_t start, loff_t end,
			       int datasync)
{
	struct mydevicefront_stream *stream = file->private_data;
	u64 goal = 0;
	int err, seen;

	atomic_inc(&stream->syncers);
	do {
		err = -EINTR;
		if (mutex_lock_killable(&stream->write_lock))
			break;
		seen = atomic_read(&stream->writer_wakeups);
		goal = goal ?: stream->bytes_sent;
		err = mydevicefront_stream_synced(stream, goal);
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
 * would cost the backend notifications.
 */
static __poll_t mydevicefront_poll(struct file *file, poll_table *wait)
{
	struct mydevicefront_stream *stream = file->private_data;
	__poll_t events = 0;

	if (file->f_mode & FMODE_READ) {
		poll_wait(file, &stream->readers, wait);
		mutex_lock(&stream->read_lock);
		if (mydevicefront_stream_readable(stream, 1, false) != -EAGAIN)
			events |= EPOLLIN | EPOLLRDNORM;
		mutex_unlock(&stream->read_lock);
	}
	if (file->f_mode & FMODE_WRITE) {
		poll_wait(file, &stream->writers, wait);
		mutex_lock(&stream->write_lock);
		if (mydevicefront_stream_writable(stream, 1, false) != -EAGAIN)
			events |= EPOLLOUT | EPOLLWRNORM;
		mutex_unlock(&stream->write_lock);
	}
	if (READ_ONCE(stream->closed))
		events |= EPOLLHUP | EPOLLRDHUP;
	if (READ_ONCE(stream->broken))
		events |= EPOLLERR;
	return events;
}

static const struct file_operations mydevicefront_fops = {
	.owner = THIS_MODULE,
	.open = mydevicefront_open,
	.release = mydevicefront_release,
	.read_iter = mydevicefront_read_iter,
	.write_iter = mydevicefront_write_iter,
	.fsync = mydevicefront_fsync,
	.poll = mydevicefront_poll,
};

static void mydevicefront_node_free(struct device *dev)
{
	struct mydevicefront_node *node =
		container_of(dev, struct mydevicefront_node, dev);

	ida_free(&mydevicefront_minors, MINOR(dev->devt) - MINOR(mydevicefront_first));
	kfree(node);
}

/* Makes /dev/mydeviceN; N is the last part of the device's XenStore path. */
static int mydevicefront_add_node(struct mydevicefront_info *info)
{
	struct mydevicefront_node *node;
	int minor, err;

	node = kzalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return -ENOMEM;
	minor = ida_alloc_max(&mydevicefront_minors, MYDEVICEFRONT_MINORS - 1,
			      GFP_KERNEL);
	if (minor < 0) {
		kfree(node);
		return minor;
	}
	mutex_init(&node->lock);
	device_initialize(&node->dev);
	node->dev.class = &mydevicefront_class;
	node->dev.parent = &info->dev->dev;
	node->dev.release = mydevicefront_node_free;
	node->dev.devt = mydevicefront_first + minor;
	cdev_init(&node->cdev, &mydevicefront_fops);
	node->cdev.owner = THIS_MODULE;
	err = dev_set_name(&node->dev, "mydevice%s",
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
static void mydevicefront_del_node(struct mydevicefront_info *info)
{
	if (!info->node)
		return;
	cdev_device_del(&info->node->cdev, &info->node->dev);
	put_device(&info->node->dev);
}

/* Says what files are opened on from now on: a stream, or NULL for none. */
static void mydevicefront_set_stream(struct mydevicefront_info *info,
				     struct mydevicefront_stream *stream)
{
	mutex_lock(&info->node->lock);
	info->node->stream = stream;
	mutex_unlock(&info->node->lock);
}

/* In debugfs: what the index page says at this moment, for both rings. */
static int mydevicefront_rings_show(struct seq_file *seq, void *unused)
{
	struct mydevicefront_info *info = seq->private;
	struct mydevicefront_stream *stream;

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
DEFINE_SHOW_ATTRIBUTE(mydevicefront_rings);

static ssize_t notify_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	struct mydevicefront_info *info = dev_get_drvdata(dev);
	ssize_t ret = -ENOTCONN;

	mutex_lock(&info->lock);
	if (info->irq && info->dev->state == XenbusStateConnected) {
		atomic64_set(&info->notified_at, ktime_get_ns());
		mydevicefront_notify(info);
		ret = count;
	}
	mutex_unlock(&info->lock);
	return ret;
}
static DEVICE_ATTR_WO(notify);

static ssize_t events_sent_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	struct mydevicefront_info *info = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", atomic_read(&info->events_sent));
}
static DEVICE_ATTR_RO(events_sent);

static ssize_t events_received_show(struct device *dev,
				    struct device_attribute *attr, char *buf)
{
	struct mydevicefront_info *info = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", atomic_read(&info->events_received));
}
static DEVICE_ATTR_RO(events_received);

static ssize_t round_trip_ns_show(struct device *dev,
				  struct device_attribute *attr, char *buf)
{
	struct mydevicefront_info *info = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%lld\n", atomic64_read(&info->round_trip));
}
static DEVICE_ATTR_RO(round_trip_ns);

/* Statistics of the device. */
#define MYDEVICEFRONT_COUNT(_name, _value)					\
static ssize_t _name##_show(struct device *dev,				\
			    struct device_attribute *attr, char *buf)		\
{										\
	struct mydevicefront_info *info = dev_get_drvdata(dev);			\
										\
	return sysfs_emit(buf, "%u\n", _value);					\
}										\
static DEVICE_ATTR_RO(_name)

MYDEVICEFRONT_COUNT(version, READ_ONCE(info->version));
MYDEVICEFRONT_COUNT(generation, READ_ONCE(info->generation));
MYDEVICEFRONT_COUNT(reconnects, max(READ_ONCE(info->generation), 1u) - 1);
MYDEVICEFRONT_COUNT(violations, atomic_read(&info->violations));

/* Statistics of the connection, which are gone when it is. */
#define MYDEVICEFRONT_STREAM_COUNT(_name, _value)				\
static ssize_t _name##_show(struct device *dev,				\
			    struct device_attribute *attr, char *buf)		\
{										\
	struct mydevicefront_info *info = dev_get_drvdata(dev);			\
	struct mydevicefront_stream *stream;					\
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

MYDEVICEFRONT_STREAM_COUNT(out_ring_page_order, ilog2(stream->tx.pages));
MYDEVICEFRONT_STREAM_COUNT(in_ring_page_order, ilog2(stream->rx.pages));
MYDEVICEFRONT_STREAM_COUNT(bytes_sent, READ_ONCE(stream->bytes_sent));
MYDEVICEFRONT_STREAM_COUNT(bytes_received, READ_ONCE(stream->bytes_received));
MYDEVICEFRONT_STREAM_COUNT(events_suppressed, atomic_read(&stream->suppressed));
MYDEVICEFRONT_STREAM_COUNT(events_spurious, atomic_read(&stream->spurious));
MYDEVICEFRONT_STREAM_COUNT(sleeps, atomic_read(&stream->sleeps));

static struct attribute *mydevicefront_attrs[] = {
	&dev_attr_notify.attr,
	&dev_attr_events_sent.attr,
	&dev_attr_events_received.attr,
	&dev_attr_round_trip_ns.attr,
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
ATTRIBUTE_GROUPS(mydevicefront);

static void mydevicefront_bury(struct work_struct *work);

/*
 * Writes this end's state. xenbus_switch_state() returns 0 even if it could not:
 * it needs a transaction, and a domain may have only a few open at a time. Whether
 * it has written shows in dev->state. If it has not, a plain write usually
 * succeeds, unless the node is gone: then nothing may make it again.
 */
static void mydevicefront_switch_state(struct mydevicefront_info *info,
				       enum xenbus_state state)
{
	struct xenbus_device *dev = info->dev;

	xenbus_switch_state(dev, state);
	if (dev->state != state && xenbus_exists(XBT_NIL, dev->nodename, "state") &&
	    !xenbus_printf(XBT_NIL, dev->nodename, "state", "%d", state))
		dev->state = state;
}

/*
 * Closes and says why, in the log and in an error node: once, for a backend that
 * lies can do so a thousand times a second. It is not followed any more. But a
 * lack of memory, or of another resource of this domain, is no lie, nor is it to
 * speak another version: the next backend may speak ours.
 *
 * Return: @err.
 */
__printf(3, 4)
static int mydevicefront_give_up(struct mydevicefront_info *info, int err,
				 const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vaf.va = &args;
	if (info->told != err)
		xenbus_dev_fatal(info->dev, err, "%pV", &vaf);
	va_end(args);
	info->told = err;
	if (err != -ENOMEM && err != -ENOSPC && err != -EPROTONOSUPPORT)
		info->broken = true;
	mydevicefront_switch_state(info, XenbusStateClosing);
	return err;
}

/*
 * The XenStore nodes of a device of ours appeared, or the driver was bound to
 * it again through sysfs. There is nothing to do yet but to say that this end
 * is new: the backend's offer comes with its state InitWait.
 *
 * It runs in XenBus's thread, xenwatch, or in the process that loads or binds the
 * driver. Like every XenBus callback it may sleep, but not for another domain, nor
 * for a disk: the disk's own frontend may need xenwatch to answer. So memory is
 * allocated without reclaim by I/O, here and in all that is called.
 */
static int mydevicefront_probe(struct xenbus_device *dev,
			       const struct xenbus_device_id *id)
{
	unsigned int noio = memalloc_noio_save();
	struct mydevicefront_info *info;
	int err = -ENOMEM;

	dev_info(&dev->dev, "Probe called. We are good to go.\n");

	info = kzalloc(sizeof(*info), GFP_KERNEL);
	if (!info)
		goto out;
	info->dev = dev;
	mutex_init(&info->lock);
	err = mydevicefront_add_node(info);
	if (err) {
		kfree(info);
		goto out;
	}
	INIT_WORK(&info->death, mydevicefront_bury);
	info->rings = debugfs_create_file(dev_name(&dev->dev), 0400,
					  mydevicefront_debugfs, info,
					  &mydevicefront_rings_fops);
	dev_set_drvdata(&dev->dev, info);
	/* A process may have been this end before, and XenBus does not know. */
	dev->state = xenbus_read_unsigned(dev->nodename, "state", dev->state);
	mydevicefront_switch_state(info, XenbusStateInitialising);
	err = 0;
out:
	memalloc_noio_restore(noio);
	return err;
}

/* Picks the highest version that both ends speak from "1,2,3"; 0 if none. */
static unsigned int mydevicefront_pick_version(char *versions)
{
	unsigned int version, best = 0;
	char *word;

	while ((word = strsep(&versions, ",")))
		if (!kstrtouint(word, 10, &version) && version <= MYDEVICE_VERSION &&
		    version >= MYDEVICE_OLDEST_VERSION)
			best = max(best, version);
	return best;
}

/*
 * Reads the backend's offer and decides what this connection will be like. If
 * there is no version for it, the backend learns from "version" which would do.
 */
static int mydevicefront_negotiate(struct mydevicefront_info *info)
{
	struct xenbus_device *dev = info->dev;
	char *versions, *copy;

	versions = xenbus_read(XBT_NIL, dev->otherend, MYDEVICE_NODE_VERSIONS, NULL);
	if (IS_ERR(versions))
		return mydevicefront_give_up(info, PTR_ERR(versions), "reading %s/%s",
					     dev->otherend, MYDEVICE_NODE_VERSIONS);
	copy = kstrndup(versions, 32, GFP_KERNEL);	/* enough for the log */
	info->version = mydevicefront_pick_version(versions);
	kfree(versions);
	if (!info->version) {
		xenbus_printf(XBT_NIL, dev->nodename, MYDEVICE_NODE_VERSION, "%u",
			      MYDEVICE_VERSION);
		mydevicefront_give_up(info, -EPROTONOSUPPORT,
				      "the backend speaks no version of ours: \"%*pE\", and this end %u",
				      copy ? (int)strlen(copy) : 0, copy, MYDEVICE_VERSION);
	}
	kfree(copy);
	return info->version ? 0 : -EPROTONOSUPPORT;
}

/*
 * Gives back a port that could not be bound. Depending on where binding failed the
 * kernel has closed it already (events_base.c), and a port that is closed twice
 * can be somebody else's by then. So the hypervisor is asked.
 */
static void mydevicefront_free_evtchn(struct mydevicefront_info *info)
{
	struct evtchn_status status = { .dom = DOMID_SELF, .port = info->evtchn };

	if (!HYPERVISOR_event_channel_op(EVTCHNOP_status, &status) &&
	    status.status == EVTCHNSTAT_unbound &&
	    status.u.unbound.dom == info->dev->otherend_id)
		xenbus_free_evtchn(info->dev, info->evtchn);
}

/*
 * Allocates an event channel that the backend's domain may bind, and binds its
 * own end to an interrupt.
 */
static int mydevicefront_setup_evtchn(struct mydevicefront_info *info)
{
	struct xenbus_device *dev = info->dev;
	int err;

	err = xenbus_alloc_evtchn(dev, &info->evtchn);
	if (err)	/* xenbus_alloc_evtchn() reports it, too, but every time */
		return mydevicefront_give_up(info, err, "allocating a port");
	err = bind_evtchn_to_irqhandler_lateeoi(info->evtchn,
						mydevicefront_interrupt, 0,
						dev_name(&dev->dev), info);
	if (err < 0) {
		mydevicefront_free_evtchn(info);
		return mydevicefront_give_up(info, err, "binding port %u to an interrupt",
					     info->evtchn);
	}
	info->irq = err;
	return 0;
}

/*
 * Ends the backend's access to a page. One that the backend still has mapped is
 * not reused: it is freed when the backend lets go (XSA-396), and that is noted.
 */
static void mydevicefront_unshare_page(struct mydevicefront_info *info,
				       grant_ref_t *ref, void *page)
{
	if (*ref == INVALID_GRANT_REF)
		return;
	if (gnttab_try_end_foreign_access(*ref)) {
		put_page(virt_to_page(page));
	} else {
		gnttab_end_foreign_access(*ref, virt_to_page(page));
		info->still_mapped = true;
	}
	*ref = INVALID_GRANT_REF;
}

static void mydevicefront_unshare_ring(struct mydevicefront_info *info,
				       struct mydevice_ring *ring,
				       grant_ref_t *refs)
{
	unsigned int i;

	for (i = 0; i < MYDEVICE_MAX_PAGES; i++)
		mydevicefront_unshare_page(info, &refs[i], ring->page[i]);
	mydevice_set_pages(ring, NULL);
}

/*
 * Makes a ring of zeroed pages and grants them to the backend. XenBus takes them in
 * pieces that lie together in memory, and has a limit for those.
 */
static int mydevicefront_share_ring(struct mydevicefront_info *info,
				    struct mydevice_ring *ring,
				    grant_ref_t *refs, unsigned int order)
{
	unsigned int piece = min(1u << order, XENBUS_MAX_RING_GRANTS);
	unsigned int i, j;
	int err;

	ring->pages = 1u << order;
	for (i = 0; i < ring->pages; i += piece) {
		err = xenbus_setup_ring(info->dev,
					GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN,
					&ring->page[i], piece, &refs[i]);
		if (err) {
			mydevicefront_unshare_ring(info, ring, refs);
			return err;
		}
		for (j = 1; j < piece; j++)
			ring->page[i + j] = ring->page[i] + j * MYDEVICE_PAGE_SIZE;
	}
	mydevice_find_runs(ring);
	return 0;
}

/*
 * A guest short of memory gets a smaller ring rather than none. (Without grant
 * references there is none: that XenBus has reported, and closes the device.)
 */
static int mydevicefront_share_largest(struct mydevicefront_info *info,
				       struct mydevice_ring *ring,
				       grant_ref_t *refs, unsigned int order)
{
	struct xenbus_device *dev = info->dev;
	int err;

	do {
		err = mydevicefront_share_ring(info, ring, refs, order);
	} while (err == -ENOMEM && dev->state != XenbusStateClosing && order--);
	if (err)
		mydevicefront_give_up(info, err, "sharing a ring");
	return err;
}

/* Both rings are empty. The backend begins with the indices that it finds. */
static void mydevicefront_begin_at(struct mydevicefront_stream *stream, u32 index)
{
	stream->tx.prod = index;
	stream->tx.cons = index;
	stream->rx.prod = index;
	stream->rx.cons = index;
	stream->mine->prod = index;
	stream->mine->cons = index;
	stream->mine->alive = 1;
	stream->theirs->prod = index;
	stream->theirs->cons = index;
	stream->sync_index = index;
	stream->wish = index;
	stream->seen_prod = index;
	stream->seen_cons = index;
}

static int mydevicefront_share_index(struct mydevicefront_stream *stream,
				     struct xenbus_device *dev)
{
	struct mydevice_index *index;
	void *page;
	int err;

	err = xenbus_setup_ring(dev, GFP_KERNEL, &page, 1, &stream->index_ref);
	if (err)
		return mydevicefront_give_up(stream->info, err, "sharing the index page");
	index = page;
	index->nr_out_refs = stream->tx.pages;
	index->nr_in_refs = stream->rx.pages;
	memcpy(index->refs, stream->tx_refs, stream->tx.pages * sizeof(__u32));
	memcpy(index->refs + stream->tx.pages, stream->rx_refs,
	       stream->rx.pages * sizeof(__u32));
	stream->index = index;
	stream->mine = &index->frontend;
	stream->theirs = &index->backend;
	mydevicefront_begin_at(stream, READ_ONCE(first_index));
	return 0;
}

static struct mydevicefront_stream *mydevicefront_stream_alloc(void)
{
	struct mydevicefront_stream *stream;
	unsigned int i;

	stream = kzalloc(sizeof(*stream), GFP_KERNEL);
	if (!stream)
		return NULL;
	kref_init(&stream->users);
	mutex_init(&stream->read_lock);
	mutex_init(&stream->write_lock);
	init_waitqueue_head(&stream->readers);
	init_waitqueue_head(&stream->writers);
	stream->index_ref = INVALID_GRANT_REF;
	for (i = 0; i < MYDEVICE_MAX_PAGES; i++) {
		stream->tx_refs[i] = INVALID_GRANT_REF;
		stream->rx_refs[i] = INVALID_GRANT_REF;
	}
	return stream;
}

/* Makes the stream: two rings and the index page, all granted to the backend. */
static int mydevicefront_setup_stream(struct mydevicefront_info *info)
{
	struct xenbus_device *dev = info->dev;
	struct mydevicefront_stream *stream = mydevicefront_stream_alloc();
	unsigned int order;
	int err;

	if (!stream)
		return mydevicefront_give_up(info, -ENOMEM, "allocating the stream");
	info->stream = stream;
	stream->info = info;
	order = min(xenbus_read_unsigned(dev->otherend, MYDEVICE_NODE_MAX_ORDER, 0),
		    min_t(unsigned int, READ_ONCE(ring_page_order), MYDEVICE_MAX_ORDER));
	err = mydevicefront_share_largest(info, &stream->tx, stream->tx_refs, order);
	if (!err)
		err = mydevicefront_share_largest(info, &stream->rx,
						  stream->rx_refs, order);
	if (!err)
		err = mydevicefront_share_index(stream, dev);
	return err;
}

/*
 * After this no reader or writer touches the index page or writes to a ring, or
 * notifies. What the backend has moved until now still counts.
 */
static void mydevicefront_stop_stream(struct mydevicefront_info *info, int err)
{
	struct mydevicefront_stream *stream = info->stream;

	mydevicefront_set_stream(info, NULL);
	if (!stream)
		return;
	mutex_lock(&stream->read_lock);
	mutex_lock(&stream->write_lock);
	if (stream->index && !stream->broken && !stream->closed &&
	    !mydevicefront_stream_look_prod(stream))
		mydevicefront_stream_look_cons(stream);
	info->broken |= stream->broken;
	if (!stream->closed)
		WRITE_ONCE(stream->closed, err);
	mutex_unlock(&stream->write_lock);
	mutex_unlock(&stream->read_lock);
	mydevicefront_stream_wake(stream);
}

/*
 * What the backend sent and nobody has read yet can still be read when its
 * pages are gone: from a copy of the ring, or NULL. The caller holds read_lock.
 */
static void *mydevicefront_keep_unread(struct mydevicefront_stream *stream)
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

/* Takes back all that was granted; files that are open keep the rest alive. */
static void mydevicefront_teardown_stream(struct mydevicefront_info *info)
{
	struct mydevicefront_stream *stream = info->stream;
	void *unread;

	if (!stream)
		return;
	mutex_lock(&stream->read_lock);
	unread = mydevicefront_keep_unread(stream);
	mydevicefront_unshare_ring(info, &stream->tx, stream->tx_refs);
	mydevicefront_unshare_ring(info, &stream->rx, stream->rx_refs);
	mydevice_set_pages(&stream->rx, unread);
	mutex_unlock(&stream->read_lock);
	mydevicefront_unshare_page(info, &stream->index_ref, stream->index);
	stream->index = NULL;
	kref_put(&stream->users, mydevicefront_stream_free);
	info->stream = NULL;
}

/*
 * Writes this end's nodes, in one transaction: a failure leaves none of them.
 * The backend reads them when it sees Initialised, which is written later.
 */
static int mydevicefront_write_nodes(struct mydevicefront_info *info,
				     struct xenbus_transaction xbt)
{
	const char *dir = info->dev->nodename;
	int err;

	err = xenbus_printf(xbt, dir, MYDEVICE_NODE_VERSION, "%u", info->version);
	if (!err)
		err = xenbus_printf(xbt, dir, MYDEVICE_NODE_EVENT_CHANNEL, "%u",
				    info->evtchn);
	if (!err)
		err = xenbus_printf(xbt, dir, MYDEVICE_NODE_RING_REF, "%u",
				    info->stream->index_ref);
	if (!err)
		err = xenbus_printf(xbt, dir, MYDEVICE_NODE_OUT_ORDER, "%u",
				    ilog2(info->stream->tx.pages));
	if (!err)
		err = xenbus_printf(xbt, dir, MYDEVICE_NODE_IN_ORDER, "%u",
				    ilog2(info->stream->rx.pages));
	return err;
}

static int mydevicefront_publish(struct mydevicefront_info *info)
{
	struct xenbus_device *dev = info->dev;
	struct xenbus_transaction xbt;
	int err, end;

	do {
		err = xenbus_transaction_start(&xbt);
		if (err)
			break;
		err = mydevicefront_write_nodes(info, xbt);
		end = xenbus_transaction_end(xbt, err != 0);
		if (!err)
			err = end;
	} while (err == -EAGAIN);	/* somebody else wrote there meanwhile */
	if (err)
		mydevicefront_give_up(info, err, "publishing in %s", dev->nodename);
	return err;
}

/* Ends the use of a connection at this end. What is shared stays shared. */
static void mydevicefront_stop(struct mydevicefront_info *info)
{
	mydevicefront_stop_stream(info, -EPIPE);
	if (info->irq)
		unbind_from_irqhandler(info->irq, info);	/* closes the port, too */
	info->irq = 0;
	atomic_set(&info->events_sent, 0);	/* the counts are the connection's */
	atomic_set(&info->events_received, 0);
	atomic64_set(&info->notified_at, 0);
	atomic64_set(&info->round_trip, 0);
	info->version = 0;
}

/* Releases all that belongs to a connection, however much of it there is. */
static void mydevicefront_disconnect(struct mydevicefront_info *info)
{
	mydevicefront_stop(info);
	mydevicefront_teardown_stream(info);
}

/* The backend made its offer: prepare everything, then publish it. */
static int mydevicefront_connect(struct mydevicefront_info *info)
{
	int err;

	err = mydevicefront_negotiate(info);
	if (err)
		goto fail;
	err = mydevicefront_setup_stream(info);
	if (err)
		goto fail;
	err = mydevicefront_setup_evtchn(info);
	if (err)
		goto fail;
	err = mydevicefront_publish(info);
	if (err)
		goto fail;
	mydevicefront_switch_state(info, XenbusStateInitialised);
	return 0;

fail:
	mydevicefront_disconnect(info);
	return err;
}

/* Both ends are ready. */
static void mydevicefront_go_live(struct mydevicefront_info *info)
{
	mydevicefront_set_stream(info, info->stream);
	info->generation++;
	mydevicefront_switch_state(info, XenbusStateConnected);
	info->told = 0;
	if (xchg(&info->stream->death_seen, false))
		mydevicefront_look_alive(info);	/* it died before this */
	dev_info_ratelimited(&info->dev->dev, "Connected, protocol version %u.\n",
			     info->version);
}

/* Tells the backend that this end uses the connection no more. */
static void mydevicefront_say_closed(struct mydevicefront_info *info)
{
	if (info->dev->state == XenbusStateClosed)
		return;
	mydevicefront_switch_state(info, XenbusStateClosed);
	xenbus_frontend_closed(info->dev);	/* a shutdown may be waiting for it */
	dev_info_ratelimited(&info->dev->dev, "Closed.\n");
}

/*
 * A backend that was restarted has let go of what its predecessor had mapped. One
 * that has not could make this end share page after page, and free none.
 */
static void mydevicefront_check_unmapped(struct mydevicefront_info *info)
{
	if (!info->still_mapped)
		return;
	dev_err(&info->dev->dev,
		"the backend offers again and has old pages mapped: it is not followed\n");
	atomic_inc(&info->violations);
	info->still_mapped = false;
	info->broken = true;
}

/*
 * The backend is a process that died: the interrupt has found so in the index
 * page. Another connection may have come since, so it is looked at again. And one
 * that is not Connected any more went by itself: its state is what tells.
 */
static void mydevicefront_bury(struct work_struct *work)
{
	struct mydevicefront_info *info =
		container_of(work, struct mydevicefront_info, death);
	unsigned int noio = memalloc_noio_save();	/* xenwatch may wait for the lock */

	mutex_lock(&info->lock);
	if (info->stream && info->dev->state == XenbusStateConnected &&
	    !READ_ONCE(info->stream->theirs->alive) &&
	    xenbus_read_unsigned(info->dev->otherend, "state", XenbusStateUnknown) ==
	    XenbusStateConnected) {
		dev_info_ratelimited(&info->dev->dev, "The backend died.\n");
		mydevicefront_stop(info);
		mydevicefront_say_closed(info);
	}
	mutex_unlock(&info->lock);
	memalloc_noio_restore(noio);
}

/*
 * The backend changed its state. This runs in xenwatch, the one thread that all
 * devices of this domain share, so it may sleep, but waits neither for the other
 * end nor for a disk. The backend is not trusted: it may say anything at any
 * time, and states may be missed, because only the latest one is seen.
 */
static void mydevicefront_otherend_changed(struct xenbus_device *dev,
					   enum xenbus_state backend_state)
{
	struct mydevicefront_info *info = dev_get_drvdata(&dev->dev);
	unsigned int noio = memalloc_noio_save();

	dev_dbg(&dev->dev, "the backend is %s\n", xenbus_strstate(backend_state));
	mutex_lock(&info->lock);

	switch (backend_state) {
	case XenbusStateInitialising:
	case XenbusStateInitialised:
	case XenbusStateReconfiguring:
	case XenbusStateReconfigured:
		break;

	case XenbusStateInitWait:
		if (dev->state == XenbusStateInitialised ||
		    dev->state == XenbusStateClosing)
			break;		/* it has not seen our state yet */
		mydevicefront_disconnect(info);	/* from a backend that was restarted */
		mydevicefront_check_unmapped(info);
		if (info->broken) {
			mydevicefront_say_closed(info);
			break;
		}
		mydevicefront_connect(info);
		break;

	case XenbusStateConnected:
		if (dev->state == XenbusStateInitialised)
			mydevicefront_go_live(info);
		break;

	case XenbusStateClosing:
		mydevicefront_stop(info);
		mydevicefront_say_closed(info);
		break;

	case XenbusStateClosed:			/* it has let go of everything */
	case XenbusStateUnknown:		/* its directory is gone */
		if (dev->state == XenbusStateInitialising)
			break;		/* it will follow when it sees our state */
		mydevicefront_disconnect(info);
		mydevicefront_say_closed(info);
		break;
	}

	mutex_unlock(&info->lock);
	memalloc_noio_restore(noio);
}

/*
 * A page that the backend has mapped cannot be freed yet, and the kernel looks
 * at those only now and then. So a driver that is unbound by hand says Closed
 * and gives the backend two seconds to unmap. (One that is mapping right now
 * still says InitWait and is not waited for.) If the device's nodes are gone, or
 * were made again, this runs in xenwatch, where nobody waits for another domain.
 * Then the state in XenStore is not this end's own any more.
 */
static void mydevicefront_part(struct mydevicefront_info *info)
{
	struct xenbus_device *dev = info->dev;
	unsigned int state, tries;

	if (!info->stream || dev->state !=
	    xenbus_read_unsigned(dev->nodename, "state", XenbusStateUnknown))
		return;
	mydevicefront_say_closed(info);
	for (tries = 0; tries < 100; tries++) {
		state = xenbus_read_unsigned(dev->otherend, "state", XenbusStateClosed);
		if (state != XenbusStateConnected && state != XenbusStateClosing)
			break;
		msleep(20);
	}
}

/*
 * The guest was saved and is restored, perhaps on another host, and its new nodes
 * are there: a new device in all but name. What it shared with the old backend
 * does not exist any more, here as there. XenBus has set this end's state to
 * Initialising and watches the backend's next. (A save that was cancelled has
 * changed nothing, and nobody is told of it.) User space is still frozen, and so
 * may the disk be: nothing here waits for either.
 */
static int mydevicefront_resume(struct xenbus_device *dev)
{
	struct mydevicefront_info *info = dev_get_drvdata(&dev->dev);
	unsigned int noio = memalloc_noio_save();

	mutex_lock(&info->lock);
	mydevicefront_disconnect(info);
	info->broken = false;
	info->told = 0;
	info->still_mapped = false;	/* by a backend of the past */
	mutex_unlock(&info->lock);
	memalloc_noio_restore(noio);
	return 0;
}

/*
 * The nodes are gone, or the driver is unbound. XenBus has stopped the watch on
 * the backend's state, and says Closed for us afterwards. Runs in xenwatch, or in
 * the process that unbinds or unloads the driver, with the device locked. (A known
 * lock order problem of Linux: xenwatch waits for that lock if the nodes go
 * meanwhile, and whoever stops a watch waits for xenwatch.)
 */
static void mydevicefront_remove(struct xenbus_device *dev)
{
	struct mydevicefront_info *info = dev_get_drvdata(&dev->dev);
	unsigned int noio = memalloc_noio_save();

	debugfs_remove(info->rings);
	mutex_lock(&info->lock);
	mydevicefront_stop_stream(info, -ENODEV);
	mydevicefront_stop(info);
	mutex_unlock(&info->lock);
	cancel_work_sync(&info->death);	/* no interrupt asks for it any more */
	mydevicefront_part(info);
	mydevicefront_disconnect(info);
	mydevicefront_del_node(info);
	memalloc_noio_restore(noio);
	kfree(info);
	dev_info(&dev->dev, "Goodbye.\n");
}

static const struct xenbus_device_id mydevicefront_ids[] = {
	{ "mydevice" },
	{ "" }
};

static struct xenbus_driver mydevicefront_driver = {
	.name = KBUILD_MODNAME,
	.ids = mydevicefront_ids,
	.probe = mydevicefront_probe,
	.remove = mydevicefront_remove,
	.resume = mydevicefront_resume,
	.otherend_changed = mydevicefront_otherend_changed,
	.not_essential = true,	/* a guest that boots waits 30 s for it, not 300 s */
	.driver.dev_groups = mydevicefront_groups,
};

static int __init mydevicefront_register_nodes(void)
{
	int err;

	BUILD_BUG_ON(sizeof(struct mydevice_index) > MYDEVICE_PAGE_SIZE);

	err = class_register(&mydevicefront_class);
	if (err)
		return err;
	err = alloc_chrdev_region(&mydevicefront_first, 0, MYDEVICEFRONT_MINORS,
				  KBUILD_MODNAME);
	if (err)
		class_unregister(&mydevicefront_class);
	else
		mydevicefront_debugfs = debugfs_create_dir(KBUILD_MODNAME, NULL);
	return err;
}

static void mydevicefront_unregister_nodes(void)
{
	debugfs_remove(mydevicefront_debugfs);
	unregister_chrdev_region(mydevicefront_first, MYDEVICEFRONT_MINORS);
	class_unregister(&mydevicefront_class);
	ida_destroy(&mydevicefront_minors);
}

static int __init mydevicefront_init(void)
{
	int err;

	if (!xen_domain()) {
		pr_err("this is not a Xen domain\n");
		return -ENODEV;
	}
	pr_info("Hello World!\n");
	err = mydevicefront_register_nodes();
	if (err)
		return err;
	err = xenbus_register_frontend(&mydevicefront_driver);
	if (err)
		mydevicefront_unregister_nodes();
	return err;
}
module_init(mydevicefront_init);

static void __exit mydevicefront_exit(void)
{
	xenbus_unregister_driver(&mydevicefront_driver);
	mydevicefront_unregister_nodes();
	pr_info("Goodbye World!\n");
}
module_exit(mydevicefront_exit);

MODULE_DESCRIPTION("Frontend of mydevice, a virtual device for Xen guests");
MODULE_LICENSE("GPL");
MODULE_ALIAS("xen:mydevice");
