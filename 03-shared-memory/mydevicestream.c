// SPDX-License-Identifier: GPL-2.0
/*
 * The stream of mydevice: two rings of bytes, and the device node that moves them.
 *
 * Each module includes this file. It knows nothing of XenStore, grants or event
 * channels: the end that includes it provides the pages.
 * struct mydevice_stream_ops is all that the stream asks of its end.
 *
 * The functions stand in the order of a byte's way; those of the lifetimes follow.
 */
#include <linux/cdev.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/kernel.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
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

#if PAGE_SHIFT != 12
#error "a grant is 4 KiB: use a kernel with such pages (on arm64: CONFIG_ARM64_4K_PAGES)"
#endif

/* Enough for every device of every guest. */
#define MYDEVICE_MINORS		4096

/*
 * Before a reader or writer sleeps, it polls the peer's index for a while.
 * The default is about what it costs both ends to sleep and be woken: a wait that
 * turns out short then costs next to nothing, and no wait more than twice as much.
 */
#define MYDEVICE_MAX_POLL_US	1000u
#define MYDEVICE_PAUSE_NS	2000	/* longer than between two writes */

static unsigned int poll_us = 100;
module_param(poll_us, uint, 0644);
MODULE_PARM_DESC(poll_us,
		 "how long to look before sleeping, in us, 0 (not at all) to 1000; default 100");

static dev_t mydevice_first_node;
static DEFINE_IDA(mydevice_minors);
static struct class mydevice_class = { .name = KBUILD_MODNAME };
static struct dentry *mydevice_debugfs;

/**
 * struct mydevice_stream_ops - what the stream needs of its end, a device on the XenBus
 * @peer: what the other end is called in messages
 * @notify: sends the peer an event; called with a lock of the stream held, while the
 *	connection lasts
 * @died: the peer was a process, and died; called by a worker, may sleep. It may come
 *	late, when there is another connection, or none
 */
struct mydevice_stream_ops {
	const char *peer;
	void (*notify)(struct device *dev);
	void (*died)(struct device *dev);
};

/**
 * struct mydevice_node - the device node
 * @dev: its place in the device model; frees the node when the last user is gone
 * @cdev: its file operations
 * @ops: what the end does for the stream
 * @lock: guards @stream, and who has it open
 * @stream: what a file is opened on; NULL when there is no connection
 * @generation: how many connections there have been, including the present one
 * @violations: how often the peer broke the protocol
 * @death: the work to do when the peer was a process, and died
 * @rings: a file in debugfs: the indices of both rings
 */
struct mydevice_node {
	struct device dev;
	struct cdev cdev;
	const struct mydevice_stream_ops *ops;
	struct mutex lock;	/* stream */
	struct mydevice_stream *stream;
	unsigned int generation;
	atomic_t violations;
	struct work_struct death;
	struct dentry *rings;
};

/**
 * struct mydevice_stream - the byte stream of one connection
 * @users: the connection itself and every open file
 * @node: the device node. Readers and writers must not use its @ops once @closed is set
 * @read_lock: one reader at a time; guards @rx
 * @write_lock: one writer at a time; guards @tx
 * @open_for: FMODE_READ and FMODE_WRITE of the files that are open on it; guarded by
 *	@node's lock
 * @closed: 0 while the connection lasts; then what a writer gets: -EPIPE, or
 *	-ENODEV if this end's device went away. Set once, with both locks held
 * @broken: the peer broke the protocol, or what it sent is lost; set once
 * @mine: the half of the index page that this end writes; NULL without a connection
 * @theirs: the half that the peer writes
 * @rx: the ring from the peer; at the end, a copy of what is unread
 * @tx: the ring to the peer
 * @syncers: how many are in fsync
 * @seen_prod: the peer's producer index at the last interrupt that had a reason
 * @seen_cons: the peer's consumer index at that interrupt
 * @death_seen: @alive is 0 in the peer's half, and the worker was told
 * @readers: sleep here for bytes
 * @writers: sleep here for space
 * @wakeups: changes whenever the sleepers have a reason to look again
 * @reader_waited: how long the last reader that had to wait waited, in ns
 * @writer_waited: how long the last writer did
 * @gathers: more bytes followed the first while the last reader polled
 * @bytes_received: taken out of @rx; guarded by @read_lock
 * @bytes_sent: put into @tx; guarded by @write_lock
 * @suppressed: moves for which the peer did not want a notification
 * @spurious: interrupts without a reason
 * @sleeps: how often a reader or writer had to sleep
 *
 * It outlives the connection for as long as files are open on it: what the
 * peer sent before it closed can still be read.
 */
struct mydevice_stream {
	struct kref users;
	struct mydevice_node *node;
	struct mutex read_lock;		/* rx */
	struct mutex write_lock;	/* tx */
	fmode_t open_for;
	int closed;
	bool broken;
	struct mydevice_end *mine;
	struct mydevice_end *theirs;
	struct mydevice_ring rx;
	struct mydevice_ring tx;
	atomic_t syncers;
	u32 seen_prod;
	u32 seen_cons;
	bool death_seen;
	wait_queue_head_t readers;
	wait_queue_head_t writers;
	atomic_t wakeups;
	u64 reader_waited;
	u64 writer_waited;
	bool gathers;
	u64 bytes_received;
	u64 bytes_sent;
	atomic_t suppressed;
	atomic_t spurious;
	atomic_t sleeps;
};

/* -- events ----------------------------------------------------------------- */

/* Wakes all sleepers: they have a reason to look again. */
static void mydevice_stream_wake(struct mydevice_stream *stream)
{
	atomic_inc(&stream->wakeups);
	wake_up_all(&stream->readers);
	wake_up_all(&stream->writers);
}

/*
 * If the peer is a process and died, its kernel has cleared @alive. A worker does the
 * rest, which may sleep: once a connection, because a peer can notify as often as it
 * likes. The worker is frozen while this domain is saved, because XenBus changes the
 * other end's path when the domain is restored.
 */
static void mydevice_stream_look_alive(struct mydevice_stream *stream)
{
	if (!READ_ONCE(stream->theirs->alive) && !xchg(&stream->death_seen, true))
		queue_work(system_freezable_wq, &stream->node->death);
}

/**
 * mydevice_stream_event() - the peer notified
 * @stream: the stream, whose connection lasts
 *
 * Wakes all sleepers, whatever the indices say: after 4 GiB without an interrupt an index may
 * look unmoved. They are only compared here, not used, so nothing is checked, and no lock
 * is needed. Hard interrupt context.
 *
 * Return: false if nothing has moved: the event had no reason.
 */
static bool mydevice_stream_event(struct mydevice_stream *stream)
{
	bool produced = mydevice_moved(&stream->seen_prod, READ_ONCE(stream->theirs->prod),
				       READ_ONCE(stream->rx.prod), mydevice_size(&stream->rx));
	bool consumed = mydevice_moved(&stream->seen_cons, READ_ONCE(stream->theirs->cons),
				       READ_ONCE(stream->tx.cons), mydevice_size(&stream->tx));

	mydevice_stream_look_alive(stream);
	mydevice_stream_wake(stream);
	if (!produced && !consumed)
		atomic_inc(&stream->spurious);
	return produced || consumed;
}

/* Notifies the peer if it asked for that. */
static void mydevice_stream_tell(struct mydevice_stream *stream, bool asked)
{
	if (asked)
		stream->node->ops->notify(stream->node->dev.parent);
	else
		atomic_inc(&stream->suppressed);
}

/* The error of a call that can move nothing: -EAGAIN if it may later. */
static int mydevice_stream_error(struct mydevice_stream *stream)
{
	if (READ_ONCE(stream->broken))
		return -EIO;
	return stream->closed ?: -EAGAIN;
}

/* The peer broke the protocol: nothing is read, written or answered any more. */
static void mydevice_stream_break(struct mydevice_stream *stream, const char *what,
				  u32 claim)
{
	if (!xchg(&stream->broken, true)) {
		atomic_inc(&stream->node->violations);
		dev_err(stream->node->dev.parent,
			"the %s claims an impossible %s index %u: the connection is given up\n",
			stream->node->ops->peer, what, claim);
	}
	mydevice_stream_wake(stream);
}

/* -- copying ---------------------------------------------------------------- */

/*
 * Copies up to @len bytes between the ring, from *@index on, and a user. Page faults are
 * disabled, because the caller holds a lock: a user page that is not in memory ends the
 * copy with -EFAULT. *@index advances by what was copied.
 */
static int mydevice_copy(const struct mydevice_ring *ring, u32 *index, u32 len,
			 struct iov_iter *user)
{
	u32 part, copied;
	void *at;

	for (len = min_t(size_t, len, iov_iter_count(user)); len; len -= part) {
		part = len;
		at = mydevice_at(ring, *index, &part);
		pagefault_disable();
		copied = iov_iter_rw(user) == READ ? copy_to_iter(at, part, user) :
						     copy_from_iter(at, part, user);
		pagefault_enable();
		*index += copied;
		if (copied < part)
			return -EFAULT;
	}
	return 0;
}

/* -- polling ---------------------------------------------------------------- */

/*
 * Returns when to stop polling, or 0 to sleep at once. A wait is likely to be as long as the
 * one before: if that was longer than this end polls, it does not poll at all.
 * So an idle stream costs nothing, and neither does one whose peer shares the processor.
 */
static u64 mydevice_spin_until(u64 last_wait)
{
	u64 ns = min(READ_ONCE(poll_us), MYDEVICE_MAX_POLL_US) * NSEC_PER_USEC;

	return last_wait <= ns ? ktime_get_ns() + ns : 0;
}

/*
 * Polls for bytes. Returning on the first byte costs one system call for every few
 * bytes, so bytes may gather until the producer pauses, or until there are as many as
 * wanted (the caller wants a quarter of the ring at most, so that the peer need not
 * stop). They gather only if last time more followed the first, or if some were
 * there before this poll. What is read here is not used, so nothing is checked. The
 * caller holds read_lock.
 */
static void mydevice_stream_poll_bytes(struct mydevice_stream *stream, u32 want)
{
	u64 end = mydevice_spin_until(READ_ONCE(stream->reader_waited)), now, came;
	u32 known = stream->rx.prod, last = READ_ONCE(stream->theirs->prod), prod;
	bool gather = stream->gathers || last != known;

	if (!end)
		return;
	now = ktime_get_ns();
	came = now;
	stream->gathers = last != known;
	while (last - known < want && now < end && !need_resched()) {
		if (last != known && (!gather || now - came > MYDEVICE_PAUSE_NS))
			break;
		cpu_relax();
		now = ktime_get_ns();
		prod = READ_ONCE(stream->theirs->prod);
		if (prod == last)
			continue;
		stream->gathers = last != known;	/* more after the first */
		last = prod;
		came = now;
	}
}

/* Polls for space. The caller holds write_lock. */
static void mydevice_stream_poll_space(struct mydevice_stream *stream)
{
	u64 end = mydevice_spin_until(READ_ONCE(stream->writer_waited));
	u32 known = stream->tx.cons;

	while (READ_ONCE(stream->theirs->cons) == known && !need_resched() &&
	       ktime_get_ns() < end)
		cpu_relax();
}

/* -- reading ---------------------------------------------------------------- */

/*
 * Is there something to read? If not, the peer has been asked to notify, if somebody
 * sleeps or is about to. A reader that wants no more than is known to be there does not
 * look at what the peer writes: the peer's processor has that cache line.
 */
static bool mydevice_stream_readable(struct mydevice_stream *stream, size_t want,
				     bool may_block)
{
	struct mydevice_ring *rx = &stream->rx;
	bool honest;

	lockdep_assert_held(&stream->read_lock);
	if (READ_ONCE(stream->broken))
		return false;
	if (stream->closed || mydevice_used(rx) >= want)
		return mydevice_used(rx);
	if (may_block && !mydevice_used(rx))
		mydevice_stream_poll_bytes(stream, min_t(size_t, want, mydevice_size(rx) / 4));
	honest = mydevice_look_prod(rx, stream->theirs);
	if (honest && !mydevice_used(rx) &&
	    (may_block || wq_has_sleeper(&stream->readers)))
		honest = mydevice_ask_prod(rx, stream->mine, stream->theirs);
	if (!honest)
		mydevice_stream_break(stream, "producer", rx->claim);
	return honest && mydevice_used(rx);
}

/*
 * Moves what is there to a reader. Also returns 0 at the end of the stream. The
 * caller holds read_lock.
 */
static int mydevice_stream_take(struct mydevice_stream *stream, struct iov_iter *to,
				bool may_block)
{
	struct mydevice_ring *rx = &stream->rx;
	u32 before = rx->cons;
	int err;

	if (!mydevice_stream_readable(stream, iov_iter_count(to), may_block)) {
		err = mydevice_stream_error(stream);
		return err == -EPIPE ? 0 : err;
	}
	err = mydevice_copy(rx, &rx->cons, mydevice_used(rx), to);
	stream->bytes_received += rx->cons - before;
	if (rx->cons != before && !stream->closed)
		mydevice_stream_tell(stream, mydevice_tell_cons(rx, stream->mine,
								stream->theirs, before));
	return err;
}

/* -- writing ---------------------------------------------------------------- */

/*
 * Reads how far the peer has consumed, and with @ask asks for a notification: when half of
 * a full ring is free, but at the next byte while somebody is in fsync.
 * The peer looks at the wake-up index after each move. If this end has replaced that
 * meanwhile, no notification comes, so a move that is found wakes the callers of fsync.
 * The caller holds write_lock.
 */
static void mydevice_stream_look_cons(struct mydevice_stream *stream, bool ask)
{
	struct mydevice_ring *tx = &stream->tx;
	bool syncs = atomic_read(&stream->syncers), honest;
	u32 before = tx->cons;

	honest = mydevice_look_cons(tx, stream->theirs);
	if (honest && ask && (syncs || !mydevice_free(tx)))
		honest = mydevice_ask_cons(tx, stream->mine, stream->theirs,
					   syncs ? tx->cons + 1 : mydevice_space_event(tx));
	if (!honest)
		mydevice_stream_break(stream, "consumer", tx->claim);
	else if (syncs && tx->cons != before)
		mydevice_stream_wake(stream);
}

/* Is there space to write to? As for reading. The caller holds write_lock. */
static bool mydevice_stream_writable(struct mydevice_stream *stream, size_t want,
				     bool may_block)
{
	struct mydevice_ring *tx = &stream->tx;

	lockdep_assert_held(&stream->write_lock);
	if (READ_ONCE(stream->broken) || stream->closed)
		return false;
	if (mydevice_free(tx) >= want)
		return true;
	if (may_block && !mydevice_free(tx))
		mydevice_stream_poll_space(stream);
	mydevice_stream_look_cons(stream, may_block || wq_has_sleeper(&stream->writers));
	return !READ_ONCE(stream->broken) && mydevice_free(tx);
}

/* Takes from a writer what there is space for. The caller holds write_lock. */
static int mydevice_stream_put(struct mydevice_stream *stream, struct iov_iter *from,
			       bool may_block)
{
	struct mydevice_ring *tx = &stream->tx;
	u32 before = tx->prod;
	int err;

	if (!mydevice_stream_writable(stream, iov_iter_count(from), may_block))
		return mydevice_stream_error(stream);
	err = mydevice_copy(tx, &tx->prod, mydevice_free(tx), from);
	stream->bytes_sent += tx->prod - before;
	if (tx->prod != before)
		mydevice_stream_tell(stream, mydevice_tell_prod(tx, stream->mine,
								stream->theirs, before));
	return err;
}

/* -- fsync ------------------------------------------------------------------ */

/*
 * Has the peer consumed the first @goal bytes? (An index would not do: it repeats
 * every 4 GiB.) If not, the peer has been asked to notify. The caller holds write_lock.
 */
static bool mydevice_stream_synced(struct mydevice_stream *stream, u64 goal)
{
	if (!READ_ONCE(stream->broken) && !stream->closed)
		mydevice_stream_look_cons(stream, true);
	return stream->bytes_sent - mydevice_used(&stream->tx) >= goal;
}

/* -- a file ----------------------------------------------------------------- */

static void mydevice_stream_free(struct kref *users)
{
	struct mydevice_stream *stream = container_of(users, struct mydevice_stream, users);

	kvfree(stream->rx.page[0]);	/* the copy, if one was kept */
	kfree(stream);
}

/*
 * The node is opened: the file belongs to the connection of this moment. A connection has
 * one reader and one writer: two readers would each get a part of the stream.
 */
static int mydevice_file_open(struct inode *inode, struct file *file)
{
	struct mydevice_node *node = container_of(inode->i_cdev, struct mydevice_node, cdev);
	fmode_t mode = file->f_mode & (FMODE_READ | FMODE_WRITE);
	struct mydevice_stream *stream;
	int err = 0;

	mutex_lock(&node->lock);
	stream = node->stream;
	if (!stream)
		err = -ENOTCONN;
	else if (READ_ONCE(stream->broken))
		err = -EIO;
	else if (stream->open_for & mode)
		err = -EBUSY;
	if (!err) {
		stream->open_for |= mode;
		kref_get(&stream->users);
		file->private_data = stream;
	}
	mutex_unlock(&node->lock);
	return err ?: stream_open(inode, file);
}

static int mydevice_file_release(struct inode *inode, struct file *file)
{
	struct mydevice_stream *stream = file->private_data;

	mutex_lock(&stream->node->lock);
	stream->open_for &= ~file->f_mode;
	mutex_unlock(&stream->node->lock);
	kref_put(&stream->users, mydevice_stream_free);
	return 0;
}

/* Faults in the user's pages that a copy failed at. Most are in memory already. */
static int mydevice_fault_in(struct iov_iter *iter,
			     size_t (*fault_in)(const struct iov_iter *, size_t))
{
	size_t len = min_t(size_t, iov_iter_count(iter), SZ_64K);

	return fault_in(iter, len) == len ? -EFAULT : 0;	/* no page was faulted in */
}

/*
 * Sleeps until wakeups is no longer @seen: the caller has a reason to look again. Notes in
 * @waited how long the caller has waited since it first slept, at @start: a caller woken
 * for what others wait for goes on waiting. Freezable: saving this guest, which then goes
 * on, does not interrupt the call.
 */
static int mydevice_stream_sleep(struct mydevice_stream *stream,
				 wait_queue_head_t *queue, int seen, u64 *start,
				 u64 *waited)
{
	int err;

	if (!*start)
		*start = ktime_get_ns();
	atomic_inc(&stream->sleeps);
	err = wait_event_state(*queue, atomic_read(&stream->wakeups) != seen,
			       (TASK_INTERRUPTIBLE | TASK_FREEZABLE));
	WRITE_ONCE(*waited, ktime_get_ns() - *start);
	return err;
}

/*
 * Reads what is there, or waits until something is. A non-blocking reader that gets
 * less than it wants knows that it has everything, and may wait for an edge from epoll.
 * For such a reader this looks at an empty ring once more, and so asks for a notification.
 */
static ssize_t mydevice_file_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct mydevice_stream *stream = iocb->ki_filp->private_data;
	bool may_block = !(iocb->ki_filp->f_flags & O_NONBLOCK);
	size_t wanted = iov_iter_count(to), left;
	u64 start = 0;
	int err = 0, seen;

	while (!err && (left = iov_iter_count(to))) {
		err = -ERESTARTSYS;
		if (mutex_lock_interruptible(&stream->read_lock))
			break;
		seen = atomic_read(&stream->wakeups);
		err = mydevice_stream_take(stream, to, may_block);
		mutex_unlock(&stream->read_lock);
		if (err == -EFAULT)
			err = mydevice_fault_in(to, fault_in_iov_iter_writeable);
		else if (!err && (may_block || iov_iter_count(to) == left))
			break;	/* this is all, or the end of the stream */
		else if (err == -EAGAIN && may_block && left == wanted)
			err = mydevice_stream_sleep(stream, &stream->readers, seen,
						    &start, &stream->reader_waited);
		if (!err && signal_pending(current))
			err = -ERESTARTSYS;	/* a slow peer could keep it here for ever */
		cond_resched();
	}
	wanted -= iov_iter_count(to);
	return wanted ? wanted : err;
}

/* Writes everything, waiting for space as often as needed; if non-blocking, what fits. */
static ssize_t mydevice_file_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct mydevice_stream *stream = iocb->ki_filp->private_data;
	bool may_block = !(iocb->ki_filp->f_flags & O_NONBLOCK);
	size_t wanted = iov_iter_count(from);
	u64 start = 0;
	int err = 0, seen;

	while (!err && iov_iter_count(from)) {
		err = -ERESTARTSYS;
		if (mutex_lock_interruptible(&stream->write_lock))
			break;
		seen = atomic_read(&stream->wakeups);
		err = mydevice_stream_put(stream, from, may_block);
		mutex_unlock(&stream->write_lock);
		if (err == -EFAULT)
			err = mydevice_fault_in(from, fault_in_iov_iter_readable);
		else if (err == -EAGAIN && may_block)
			err = mydevice_stream_sleep(stream, &stream->writers, seen,
						    &start, &stream->writer_waited);
		else
			start = 0;	/* it has not waited in vain */
		if (!err && signal_pending(current))
			err = -ERESTARTSYS;	/* a fast peer could keep it here for ever */
		cond_resched();
	}
	wanted -= iov_iter_count(from);
	return wanted ? wanted : err;
}

/* Waits until the peer has consumed everything that was written before. */
static int mydevice_file_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	struct mydevice_stream *stream = file->private_data;
	u64 goal = 0;
	int err, seen;

	atomic_inc(&stream->syncers);
	do {
		err = -EINTR;
		if (mutex_lock_killable(&stream->write_lock))
			break;
		seen = atomic_read(&stream->wakeups);
		goal = goal ?: stream->bytes_sent;
		if (mydevice_stream_synced(stream, goal) && !READ_ONCE(stream->broken))
			err = 0;
		else
			err = mydevice_stream_error(stream);
		mutex_unlock(&stream->write_lock);
		if (err != -EAGAIN)
			break;
		/* freezable: else nobody could save this guest meanwhile */
		err = wait_event_state(stream->writers,
				       atomic_read(&stream->wakeups) != seen,
				       (TASK_KILLABLE | TASK_FREEZABLE));
	} while (!err);
	atomic_dec(&stream->syncers);
	return err;
}

/*
 * Asks only for what the file can do: a wake-up index for space that nobody needs
 * would cost the peer notifications.
 */
static __poll_t mydevice_file_poll(struct file *file, poll_table *wait)
{
	struct mydevice_stream *stream = file->private_data;
	__poll_t events = 0;

	if (file->f_mode & FMODE_READ) {
		poll_wait(file, &stream->readers, wait);
		mutex_lock(&stream->read_lock);
		if (mydevice_stream_readable(stream, 1, false) ||
		    mydevice_stream_error(stream) != -EAGAIN)
			events |= EPOLLIN | EPOLLRDNORM;
		mutex_unlock(&stream->read_lock);
	}
	if (file->f_mode & FMODE_WRITE) {
		poll_wait(file, &stream->writers, wait);
		mutex_lock(&stream->write_lock);
		if (mydevice_stream_writable(stream, 1, false) ||
		    mydevice_stream_error(stream) != -EAGAIN)
			events |= EPOLLOUT | EPOLLWRNORM;
		mutex_unlock(&stream->write_lock);
	}
	if (READ_ONCE(stream->closed))
		events |= EPOLLHUP | EPOLLRDHUP;
	if (READ_ONCE(stream->broken))
		events |= EPOLLERR;
	return events;
}

static const struct file_operations mydevice_file_operations = {
	.owner = THIS_MODULE,
	.open = mydevice_file_open,
	.release = mydevice_file_release,
	.read_iter = mydevice_file_read,
	.write_iter = mydevice_file_write,
	.fsync = mydevice_file_fsync,
	.poll = mydevice_file_poll,
};

/* -- statistics ------------------------------------------------------------- */

/* In debugfs: what the index page says at this moment, for both rings. */
static int mydevice_rings_show(struct seq_file *seq, void *unused)
{
	struct mydevice_node *node = seq->private;
	struct mydevice_stream *stream;

	mutex_lock(&node->lock);
	stream = node->stream;
	seq_puts(seq, "ring        size       prod       cons prod_event cons_event\n");
	if (stream) {
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
	mutex_unlock(&node->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(mydevice_rings);

/* Counts of the node, or of the stream; the latter are gone when the stream is. */
#define MYDEVICE_COUNT(_of, _name, _value)					\
static ssize_t _name##_show(struct device *dev,				\
			    struct device_attribute *attr, char *buf)		\
{										\
	struct mydevice_node *node = container_of(dev, struct mydevice_node, dev);	\
	struct mydevice_stream *stream __maybe_unused;				\
	ssize_t ret = -ENOTCONN;						\
										\
	mutex_lock(&node->lock);						\
	stream = node->stream;							\
	if (_of)								\
		ret = sysfs_emit(buf, "%llu\n", (u64)(_value));			\
	mutex_unlock(&node->lock);						\
	return ret;								\
}										\
static DEVICE_ATTR_RO(_name)

MYDEVICE_COUNT(node, generation, READ_ONCE(node->generation));
MYDEVICE_COUNT(node, violations, atomic_read(&node->violations));
MYDEVICE_COUNT(stream, tx_ring_page_order, ilog2(stream->tx.pages));
MYDEVICE_COUNT(stream, rx_ring_page_order, ilog2(stream->rx.pages));
MYDEVICE_COUNT(stream, bytes_sent, READ_ONCE(stream->bytes_sent));
MYDEVICE_COUNT(stream, bytes_received, READ_ONCE(stream->bytes_received));
MYDEVICE_COUNT(stream, events_suppressed, atomic_read(&stream->suppressed));
MYDEVICE_COUNT(stream, events_spurious, atomic_read(&stream->spurious));
MYDEVICE_COUNT(stream, sleeps, atomic_read(&stream->sleeps));

static struct attribute *mydevice_node_attrs[] = {
	&dev_attr_generation.attr,
	&dev_attr_violations.attr,
	&dev_attr_tx_ring_page_order.attr,
	&dev_attr_rx_ring_page_order.attr,
	&dev_attr_bytes_sent.attr,
	&dev_attr_bytes_received.attr,
	&dev_attr_events_suppressed.attr,
	&dev_attr_events_spurious.attr,
	&dev_attr_sleeps.attr,
	NULL
};
ATTRIBUTE_GROUPS(mydevice_node);

/* -- the device node -------------------------------------------------------- */

static void mydevice_node_free(struct device *dev)
{
	struct mydevice_node *node = container_of(dev, struct mydevice_node, dev);

	ida_free(&mydevice_minors, MINOR(dev->devt));
	kfree(node);
}

static void mydevice_node_death(struct work_struct *work)
{
	struct mydevice_node *node = container_of(work, struct mydevice_node, death);

	node->ops->died(node->dev.parent);
}

/**
 * mydevice_node_add() - make /dev/mydeviceNAME
 * @parent: the device on the XenBus
 * @name: what it is called after "mydevice"
 * @ops: what the end does for the stream
 *
 * May sleep. Return: the node, or an ERR_PTR().
 */
static struct mydevice_node *mydevice_node_add(struct device *parent, const char *name,
					       const struct mydevice_stream_ops *ops)
{
	struct mydevice_node *node;
	int minor, err;

	node = kzalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return ERR_PTR(-ENOMEM);
	minor = ida_alloc_max(&mydevice_minors, MYDEVICE_MINORS - 1, GFP_KERNEL);
	if (minor < 0) {
		kfree(node);
		return ERR_PTR(minor);
	}
	node->ops = ops;
	mutex_init(&node->lock);
	INIT_WORK(&node->death, mydevice_node_death);
	device_initialize(&node->dev);
	node->dev.class = &mydevice_class;
	node->dev.parent = parent;
	node->dev.groups = mydevice_node_groups;
	node->dev.release = mydevice_node_free;
	node->dev.devt = mydevice_first_node + minor;
	cdev_init(&node->cdev, &mydevice_file_operations);
	node->cdev.owner = THIS_MODULE;
	err = dev_set_name(&node->dev, "mydevice%s", name);
	if (!err)
		err = cdev_device_add(&node->cdev, &node->dev);
	if (err) {
		put_device(&node->dev);
		return ERR_PTR(err);
	}
	node->rings = debugfs_create_file(dev_name(parent), 0400, mydevice_debugfs, node,
					  &mydevice_rings_fops);
	return node;
}

/**
 * mydevice_node_del() - the end goes away
 * @node: the node, or what mydevice_node_add() returned, or NULL. Its connection
 *	and its interrupt are gone
 *
 * Files that are open keep the node's memory, not its name. May sleep; must not be
 * called with a lock that mydevice_stream_ops.died takes.
 */
static void mydevice_node_del(struct mydevice_node *node)
{
	if (IS_ERR_OR_NULL(node))
		return;
	debugfs_remove(node->rings);
	cdev_device_del(&node->cdev, &node->dev);
	cancel_work_sync(&node->death);
	put_device(&node->dev);
}

/* Says what files are opened on from now on: a stream, or NULL for none. */
static void mydevice_node_set_stream(struct mydevice_node *node,
				     struct mydevice_stream *stream)
{
	mutex_lock(&node->lock);
	node->stream = stream;
	mutex_unlock(&node->lock);
}

static int __init mydevice_nodes_register(void)
{
	int err;

	BUILD_BUG_ON(sizeof(struct mydevice_index) > MYDEVICE_PAGE_SIZE);

	err = class_register(&mydevice_class);
	if (err)
		return err;
	err = alloc_chrdev_region(&mydevice_first_node, 0, MYDEVICE_MINORS, KBUILD_MODNAME);
	if (err)
		class_unregister(&mydevice_class);
	else
		mydevice_debugfs = debugfs_create_dir(KBUILD_MODNAME, NULL);
	return err;
}

static void mydevice_nodes_unregister(void)
{
	debugfs_remove(mydevice_debugfs);
	unregister_chrdev_region(mydevice_first_node, MYDEVICE_MINORS);
	class_unregister(&mydevice_class);
}

/* -- the connection --------------------------------------------------------- */

/**
 * mydevice_stream_alloc() - a stream without pages
 * @node: the device node
 *
 * Return: the stream, or NULL for want of memory.
 */
static struct mydevice_stream *mydevice_stream_alloc(struct mydevice_node *node)
{
	struct mydevice_stream *stream = kzalloc(sizeof(*stream), GFP_KERNEL);

	if (!stream)
		return NULL;
	stream->node = node;
	kref_init(&stream->users);
	mutex_init(&stream->read_lock);
	mutex_init(&stream->write_lock);
	init_waitqueue_head(&stream->readers);
	init_waitqueue_head(&stream->writers);
	return stream;
}

/**
 * mydevice_stream_begin() - the stream has its pages: both rings are empty
 * @stream: the stream
 * @mine: the half of the index page that this end writes
 * @theirs: the peer's half
 */
static void mydevice_stream_begin(struct mydevice_stream *stream,
				  struct mydevice_end *mine, struct mydevice_end *theirs)
{
	mydevice_begin(&stream->rx, &stream->tx, mine, theirs);
	stream->seen_prod = stream->rx.prod;
	stream->seen_cons = stream->tx.cons;
	stream->mine = mine;
	stream->theirs = theirs;
}

/**
 * mydevice_stream_live() - both ends are Connected: count that, and check that the peer is alive
 * @stream: the stream
 */
static void mydevice_stream_live(struct mydevice_stream *stream)
{
	stream->node->generation++;
	/* It may have died before this. Then this call sees it, or the interrupt does. */
	smp_store_mb(stream->death_seen, false);
	mydevice_stream_look_alive(stream);
}

/**
 * mydevice_stream_stop() - the connection ends
 * @stream: the stream, or NULL
 * @err: what a writer gets from now on: -EPIPE, or -ENODEV if the device goes
 *
 * After this no reader or writer touches the index page or writes to a ring, or
 * notifies. What the peer has moved until now still counts. May sleep.
 *
 * Return: true if the peer has broken the protocol.
 */
static bool mydevice_stream_stop(struct mydevice_stream *stream, int err)
{
	if (!stream)
		return false;
	mydevice_node_set_stream(stream->node, NULL);
	mutex_lock(&stream->read_lock);
	mutex_lock(&stream->write_lock);
	if (stream->mine && !stream->broken && !stream->closed) {
		if (!mydevice_look_prod(&stream->rx, stream->theirs))
			mydevice_stream_break(stream, "producer", stream->rx.claim);
		else if (!mydevice_look_cons(&stream->tx, stream->theirs))
			mydevice_stream_break(stream, "consumer", stream->tx.claim);
	}
	if (!stream->closed)
		WRITE_ONCE(stream->closed, err);
	mutex_unlock(&stream->write_lock);
	mutex_unlock(&stream->read_lock);
	mydevice_stream_wake(stream);
	return stream->broken;
}

/*
 * What the peer sent and nobody has read yet can still be read when its
 * pages are gone, from a copy. Returns the copy, or NULL. The caller holds read_lock.
 */
static void *mydevice_stream_keep_unread(struct mydevice_stream *stream)
{
	struct mydevice_ring *rx = &stream->rx;
	unsigned int i;
	void *copy;

	if (!mydevice_used(rx) || !(stream->open_for & FMODE_READ))
		return NULL;	/* nothing, or nobody to read it */
	copy = kvmalloc(mydevice_size(rx), GFP_KERNEL | __GFP_NOWARN);
	if (!copy) {
		dev_warn_ratelimited(stream->node->dev.parent,
				     "no memory: %u unread bytes are lost\n",
				     mydevice_used(rx));
		rx->cons = rx->prod;
		WRITE_ONCE(stream->broken, true);	/* to tell the reader */
		mydevice_stream_wake(stream);
		return NULL;
	}
	for (i = 0; i < rx->pages; i++)
		memcpy(copy + i * MYDEVICE_PAGE_SIZE, rx->page[i], MYDEVICE_PAGE_SIZE);
	return copy;
}

/**
 * mydevice_stream_detach() - the connection's pages go away after this
 * @stream: the stream, which was stopped and has no interrupt any more; or NULL
 *
 * Files that are open keep the stream, with what nobody has read yet. May sleep.
 */
static void mydevice_stream_detach(struct mydevice_stream *stream)
{
	void *unread;

	if (!stream)
		return;
	mutex_lock(&stream->read_lock);
	unread = mydevice_stream_keep_unread(stream);
	mydevice_set_pages(&stream->tx, NULL);
	mydevice_set_pages(&stream->rx, unread);
	mutex_unlock(&stream->read_lock);
	stream->mine = NULL;
	stream->theirs = NULL;
	kref_put(&stream->users, mydevice_stream_free);
}
