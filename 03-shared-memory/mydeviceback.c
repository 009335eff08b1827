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

#include <linux/bitmap.h>
#include <linux/device.h>
#include <linux/interrupt.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/sysfs.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#include "mydevice.h"
#include "mydevicestream.c"

static unsigned int max_ring_page_order = MYDEVICE_MAX_ORDER;
module_param(max_ring_page_order, uint, 0444);
MODULE_PARM_DESC(max_ring_page_order,
		 "the largest ring that is mapped, 0 (4 KiB) to 8 (1 MiB); default 8");

/**
 * struct mydeviceback_info - one device, from probe to remove
 * @dev: the device on the XenBus
 * @version: the protocol version of this connection, 0 when there is none
 * @broken: the frontend broke the protocol: do not follow it
 * @told: for each errno, whether the log has it as the reason for no connection
 * @reading: the transaction @xbt is open
 * @xbt: in it this end reads what the frontend published, and writes Connected
 * @lock: serialises connecting and disconnecting with the sysfs attributes;
 *	the interrupt handler does not take it
 * @irq: what the event channel is bound to, 0 when there is none
 * @heard: the first event, which binding makes, has come; only the interrupt uses this
 * @answer: answer each event with one of our own
 * @events_sent: notifications to the frontend during this connection
 * @events_received: interrupts during this connection
 * @stream: the stream of this connection, NULL when there is none
 * @node: the device node
 * @page: this domain's pages that the frontend's are mapped over: the index page,
 *	then the rings'
 * @unmap: how to ask Xen to unmap each
 * @nr_pages: how many there are
 */
struct mydeviceback_info {
	struct xenbus_device *dev;
	unsigned int version;
	bool broken;
	DECLARE_BITMAP(told, 256);
	bool reading;
	struct xenbus_transaction xbt;
	struct mutex lock;	/* connecting against sysfs */
	int irq;
	bool heard;
	bool answer;
	atomic_t events_sent;
	atomic_t events_received;
	struct mydevice_stream *stream;
	struct mydevice_node *node;
	struct page *page[1 + 2 * MYDEVICE_MAX_PAGES];
	struct gnttab_unmap_grant_ref unmap[1 + 2 * MYDEVICE_MAX_PAGES];
	unsigned int nr_pages;
};

/*
 * Writes this end's state. xenbus_switch_state() needs a transaction. A domain may
 * have only a few open at a time, and the function returns 0 even if it got none.
 * Then dev->state is still the old one, and a plain write may do, unless the node is
 * gone or somebody else has written there.
 */
static void mydeviceback_switch_state(struct mydeviceback_info *info,
				      enum xenbus_state state)
{
	struct xenbus_device *dev = info->dev;

	xenbus_switch_state(dev, state);
	if (dev->state != state &&
	    xenbus_read_unsigned(dev->nodename, "state", XenbusStateUnknown) == dev->state &&
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
 * Closes and says why, in the log and in an error node: once for each @err, because a
 * frontend can cause this a thousand times a second. A frontend that breaks the
 * protocol (-EPROTO, or -ENOENT for a node that must exist) is not followed any more.
 * What can happen between two correct ends does not count: a lack of memory, another
 * version, a port or a page of a frontend that is being restarted.
 *
 * Return: @err, or -EAGAIN if what was read has changed meanwhile.
 */
__printf(3, 4)
static int mydeviceback_give_up(struct mydeviceback_info *info, int err,
				const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	struct xenbus_device *dev = info->dev;
	va_list args;
	bool again;

	/* oxenstored only checks a transaction that has written: write the state again. */
	if (info->reading && xenbus_exists(info->xbt, dev->nodename, "state"))
		xenbus_printf(info->xbt, dev->nodename, "state", "%d", dev->state);
	if (mydeviceback_end_reading(info, true) == -EAGAIN)
		return -EAGAIN;
	again = test_and_set_bit(min(-err, 255), info->told);
	va_start(args, fmt);
	vaf.va = &args;
	if (!again)
		xenbus_dev_fatal(dev, err, "%pV", &vaf);
	va_end(args);
	if (err == -EPROTO || err == -ENOENT)
		info->broken = true;
	mydeviceback_switch_state(info, again ? XenbusStateClosed : XenbusStateClosing);
	return err;
}

/* Notifies the frontend. The irq must be bound. */
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

/*
 * The frontend notified. Hard interrupt context: nothing here sleeps or takes a
 * mutex. The EOI (end of interrupt) is sent late, by xen_irq_lateeoi() when the
 * event has been handled. Until then the channel is masked: a frontend that never
 * stops notifying cannot keep this domain busy (XSA-332). What is used here is
 * set up before the interrupt is bound (except irq), and released after it is unbound.
 */
static irqreturn_t mydeviceback_interrupt(int irq, void *dev_id)
{
	struct mydeviceback_info *info = dev_id;
	unsigned int eoi = 0;

	mydeviceback_answer(info);
	if (READ_ONCE(info->stream->broken))
		return IRQ_HANDLED;	/* and no EOI: a broken peer cannot interrupt again */
	if (!mydevice_stream_event(info->stream) && !READ_ONCE(info->answer))
		eoi = XEN_EOI_FLAG_SPURIOUS;
	xen_irq_lateeoi(irq, eoi);
	return IRQ_HANDLED;
}

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

static struct attribute *mydeviceback_attrs[] = {
	&dev_attr_notify.attr,
	&dev_attr_events_sent.attr,
	&dev_attr_events_received.attr,
	&dev_attr_answer.attr,
	NULL
};
ATTRIBUTE_GROUPS(mydeviceback);

/* Writes what this end can do, then invites the frontend with InitWait. */
static int mydeviceback_offer(struct mydeviceback_info *info)
{
	struct xenbus_device *dev = info->dev;
	int err;

	err = xenbus_printf(XBT_NIL, dev->nodename, MYDEVICE_NODE_VERSIONS, "%u",
			    MYDEVICE_VERSION);
	if (!err)
		err = xenbus_printf(XBT_NIL, dev->nodename, MYDEVICE_NODE_MAX_ORDER,
				    "%u", max_ring_page_order);
	if (err)
		return mydeviceback_give_up(info, err, "writing the offer to %s",
					    dev->nodename);
	mydeviceback_switch_state(info, XenbusStateInitWait);
	return 0;
}

static void mydeviceback_notify_frontend(struct device *dev)
{
	mydeviceback_notify(dev_get_drvdata(dev));
}

static void mydeviceback_peer_died(struct device *dev);

static const struct mydevice_stream_ops mydeviceback_stream_ops = {
	.peer = "frontend",
	.notify = mydeviceback_notify_frontend,
	.died = mydeviceback_peer_died,
};

/*
 * The XenStore nodes of a device of ours appeared, or the driver was bound to
 * it again through sysfs.
 *
 * It runs in XenBus's thread, xenwatch, or in the process that loads or binds the
 * driver. Like every XenBus callback it may sleep, but must not wait for another domain
 * or for a disk: the disk's own driver may need xenwatch to answer. So memory is
 * allocated without reclaim by I/O, here and in everything that this calls.
 */
static int mydeviceback_probe(struct xenbus_device *dev,
			      const struct xenbus_device_id *id)
{
	unsigned int noio = memalloc_noio_save();
	struct mydeviceback_info *info;
	int err = -ENOMEM;
	char name[32];

	dev_info(&dev->dev, "Probe called. We are good to go.\n");

	info = kvzalloc(sizeof(*info), GFP_KERNEL);
	if (!info)
		goto out;
	info->dev = dev;
	mutex_init(&info->lock);
	/* /dev/mydeviceDOMID.N, as vifDOMID.N */
	snprintf(name, sizeof(name), "%d.%s", dev->otherend_id, kbasename(dev->nodename));
	info->node = mydevice_node_add(&dev->dev, name, &mydeviceback_stream_ops);
	err = PTR_ERR_OR_ZERO(info->node);
	if (err)
		goto fail;
	dev_set_drvdata(&dev->dev, info);
	/* A process may have left a state here. InitWait must be written again to be noticed. */
	dev->state = xenbus_read_unsigned(dev->nodename, "state", dev->state);
	if (dev->state == XenbusStateInitWait)
		dev->state = XenbusStateInitialising;
	err = mydeviceback_offer(info);
	if (err)
		goto fail;
	goto out;

fail:
	mydevice_node_del(info->node);
	kvfree(info);
out:
	memalloc_noio_restore(noio);
	return err;
}

/*
 * Reads a number that the frontend published. The frontend may have written anything:
 * what kstrtouint() does not accept as a decimal number in the range of an unsigned
 * int is an error. (It accepts a plus sign before, and a newline after.)
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
		return mydeviceback_give_up(info, -EPROTO, "%s/%s is not a number in range",
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
		return mydeviceback_give_up(info, info->version - 1u < MYDEVICE_VERSION ?
					    -EPROTONOSUPPORT : -EPROTO,
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
 * Unmaps everything, and frees this domain's own pages. A page that Xen does not
 * unmap is leaked, because the frontend's page is still mapped there.
 */
static void mydeviceback_unmap(struct mydeviceback_info *info)
{
	unsigned int i, leaked = 0;

	WARN_ON_ONCE(gnttab_unmap_refs(info->unmap, NULL, info->page, info->nr_pages));
	for (i = 0; i < info->nr_pages; i++) {
		if (info->unmap[i].status == GNTST_okay)
			gnttab_free_pages(1, &info->page[i]);
		else
			leaked++;
	}
	info->nr_pages = 0;
	if (leaked)
		dev_err(&info->dev->dev, "Xen did not unmap %u pages: they are leaked\n", leaked);
}

/*
 * Notes what Xen has mapped, so that it can be unmapped, and frees the other pages. The
 * guest chose the references, so any of them may be bad. @err is for the call as a whole:
 * some pages may be mapped even so.
 */
static int mydeviceback_note_mapped(struct mydeviceback_info *info,
				    const struct gnttab_map_grant_ref *op, unsigned int nr,
				    int err)
{
	struct page **page = &info->page[info->nr_pages];
	const struct gnttab_map_grant_ref *bad = NULL;
	struct gnttab_unmap_grant_ref *unmap;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (op[i].status != GNTST_okay) {
			bad = &op[i];
			gnttab_free_pages(1, &page[i]);
			continue;
		}
		unmap = &info->unmap[info->nr_pages];
		gnttab_set_unmap_op(unmap, (unsigned long)page_address(page[i]),
				    GNTMAP_host_map, op[i].handle);
		unmap->status = GNTST_general_error;	/* until Xen says otherwise */
		info->page[info->nr_pages++] = page[i];
	}
	if (err)
		return mydeviceback_give_up(info, err, "mapping %u pages", nr);
	if (!bad)
		return 0;
	err = -EINVAL;
	if (bad->status == GNTST_no_space || bad->status == GNTST_no_device_space)
		err = -ENOSPC;	/* in this domain */
	return mydeviceback_give_up(info, err, "mapping grant reference %u: grant status %d",
				    bad->ref, bad->status);
}

static int mydeviceback_by_address(const void *a, const void *b)
{
	const struct page *const *one = a, *const *other = b;

	return page_to_pfn(*one) < page_to_pfn(*other) ? -1 : 1;
}

/*
 * Maps the pages of these references; after an error some of them may be mapped. They
 * take the place of pages of this domain that have no memory.
 * Those are sorted, because a copy need not end with the page if the next is contiguous.
 * Each reference is read once: the frontend can change it at any moment (XSA-155).
 */
static int mydeviceback_map(struct mydeviceback_info *info, const grant_ref_t *ref,
			    unsigned int nr)
{
	struct gnttab_map_grant_ref *op = kvcalloc(nr, sizeof(*op), GFP_KERNEL);
	struct page **page = &info->page[info->nr_pages];
	unsigned int i;
	int err;

	err = op ? gnttab_alloc_pages(nr, page) : -ENOMEM;
	if (err) {
		kvfree(op);
		return mydeviceback_give_up(info, err, "finding places for %u pages", nr);
	}
	sort(page, nr, sizeof(*page), mydeviceback_by_address, NULL);
	for (i = 0; i < nr; i++) {
		gnttab_set_map_op(&op[i], (unsigned long)page_address(page[i]),
				  GNTMAP_host_map, READ_ONCE(ref[i]), info->dev->otherend_id);
		op[i].status = GNTST_general_error;
	}
	err = gnttab_map_refs(op, NULL, page, nr);
	err = mydeviceback_note_mapped(info, op, nr, err);
	kvfree(op);
	return err;
}

/* Says where the ring's pages are: those that were mapped, from number @first on. */
static void mydeviceback_set_ring(struct mydeviceback_info *info,
				  struct mydevice_ring *ring, unsigned int first)
{
	unsigned int i;

	for (i = 0; i < ring->pages; i++)
		ring->page[i] = page_address(info->page[first + i]);
	mydevice_find_runs(ring);
}

/* Reads the order of a ring and checks it. */
static int mydeviceback_read_order(struct mydeviceback_info *info,
				   const char *node, struct mydevice_ring *ring)
{
	unsigned int order;
	int err = mydeviceback_read(info, node, &order);

	if (err)
		return err;
	if (order > max_ring_page_order)
		return mydeviceback_give_up(info, -ERANGE,
					    "%s is %u, and at most %u is offered",
					    node, order, max_ring_page_order);
	ring->pages = 1u << order;
	return 0;
}

/* Maps both rings, if the index page has as many references as they have pages. */
static int mydeviceback_map_rings(struct mydeviceback_info *info,
				  const struct mydevice_index *index)
{
	struct mydevice_ring *rx = &info->stream->rx, *tx = &info->stream->tx;
	int err;

	if (READ_ONCE(index->nr_out_refs) != rx->pages ||
	    READ_ONCE(index->nr_in_refs) != tx->pages)
		return mydeviceback_give_up(info, -EPROTO,
					    "the counts in the index page do not fit the rings' orders");
	err = mydeviceback_map(info, index->refs, rx->pages + tx->pages);
	if (err)
		return err;
	mydeviceback_set_ring(info, rx, 1);
	mydeviceback_set_ring(info, tx, 1 + rx->pages);
	return 0;
}

/* Maps the stream that the frontend granted: the index page and two rings. */
static int mydeviceback_setup_stream(struct mydeviceback_info *info)
{
	struct mydevice_index *index;
	grant_ref_t ref;
	int err;

	info->stream = mydevice_stream_alloc(info->node);
	if (!info->stream)
		return mydeviceback_give_up(info, -ENOMEM, "allocating the stream");
	err = mydeviceback_read(info, MYDEVICE_NODE_RING_REF, &ref);
	if (!err)
		err = mydeviceback_read_order(info, MYDEVICE_NODE_OUT_ORDER,
					      &info->stream->rx);
	if (!err)
		err = mydeviceback_read_order(info, MYDEVICE_NODE_IN_ORDER,
					      &info->stream->tx);
	if (!err)
		err = mydeviceback_map(info, &ref, 1);
	if (err)
		return err;
	index = page_address(info->page[0]);
	err = mydeviceback_map_rings(info, index);
	if (!err)
		mydevice_stream_begin(info->stream, &index->backend, &index->frontend);
	return err;
}

/* Releases everything that belongs to a connection, however much of that exists. */
static void mydeviceback_disconnect(struct mydeviceback_info *info)
{
	info->broken |= mydevice_stream_stop(info->stream, -EPIPE);
	if (info->irq)
		unbind_from_irqhandler(info->irq, info);	/* closes the port, too */
	info->irq = 0;
	atomic_set(&info->events_sent, 0);	/* the counts are the connection's */
	atomic_set(&info->events_received, 0);
	mydevice_stream_detach(info->stream);
	info->stream = NULL;
	mydeviceback_unmap(info);
	info->version = 0;
}

/* Both ends are ready. */
static int mydeviceback_go_live(struct mydeviceback_info *info)
{
	struct xenbus_device *dev = info->dev;
	int err, end;

	mydevice_node_set_stream(info->node, info->stream);	/* before anybody sees Connected */
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
	mydevice_stream_live(info->stream);
	dev_info_ratelimited(&dev->dev, "Connected, protocol version %u.\n",
			     info->version);
	return 0;
}

/* The frontend has published: read, check, and take what it offers. */
static int mydeviceback_connect(struct mydeviceback_info *info)
{
	int err;

	err = mydeviceback_negotiate(info);
	if (!err)
		err = mydeviceback_setup_stream(info);
	if (!err)
		err = mydeviceback_setup_evtchn(info);
	if (!err)
		err = mydeviceback_go_live(info);
	if (err)
		mydeviceback_disconnect(info);
	return err;
}

/*
 * Connects to the frontend that says Initialised now. It may be restarted at any
 * moment, and a backend that is Connected to what its predecessor published would
 * never notice. So all of this is one transaction: what was read is used only if
 * nothing in it has changed by the time Connected is written, in at most ten tries.
 */
static void mydeviceback_try_connect(struct mydeviceback_info *info)
{
	int err = -EAGAIN, tries;
	unsigned int state;

	for (tries = 0; err == -EAGAIN && tries < 10; tries++) {
		err = xenbus_transaction_start(&info->xbt);
		if (err) {
			mydeviceback_give_up(info, err, "starting a transaction");
			return;
		}
		info->reading = true;
		err = mydeviceback_read(info, "state", &state);
		if (!err && state == XenbusStateInitialised)
			err = mydeviceback_connect(info);
		mydeviceback_end_reading(info, false);
		if (err == -EAGAIN && info->broken) {	/* it has moved an index backwards */
			mydeviceback_switch_state(info, XenbusStateClosed);
			return;
		}
	}
	if (err == -EAGAIN)
		mydeviceback_give_up(info, err, "the frontend changes all the time");
	if (!err && state != XenbusStateInitialised) {
		/* It has closed, and does not take an offer while its pages are mapped. */
		mydeviceback_switch_state(info, XenbusStateInitialising);
		mydeviceback_offer(info);
	}
}

/*
 * A frontend that does not take this end's offer closes. If it speaks another
 * version, it has written which.
 */
static void mydeviceback_explain_refusal(struct mydeviceback_info *info)
{
	unsigned int version;

	if (info->dev->state != XenbusStateInitWait)
		return;
	version = xenbus_read_unsigned(info->dev->otherend, MYDEVICE_NODE_VERSION,
				       MYDEVICE_VERSION);
	if ((version >= MYDEVICE_OLDEST_VERSION && version <= MYDEVICE_VERSION) ||
	    test_and_set_bit(EPROTONOSUPPORT, info->told))
		return;
	dev_err(&info->dev->dev, "the frontend speaks version %u, and this end %u\n",
		version, MYDEVICE_VERSION);
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
 * The frontend is a process that died. Another connection may have begun since, so this
 * reads the index page again. A frontend that says Closing or Closed has left properly,
 * and did not die. Called by a worker, and xenwatch may wait for the lock.
 */
static void mydeviceback_peer_died(struct device *dev)
{
	struct mydeviceback_info *info = dev_get_drvdata(dev);
	unsigned int noio = memalloc_noio_save();
	unsigned int state;

	mutex_lock(&info->lock);
	state = xenbus_read_unsigned(info->dev->otherend, "state", XenbusStateUnknown);
	if (info->stream && info->dev->state == XenbusStateConnected &&
	    !READ_ONCE(info->stream->theirs->alive) &&
	    (state == XenbusStateInitialised || state == XenbusStateConnected)) {
		dev_info_ratelimited(dev, "The frontend died.\n");
		mydeviceback_close(info, XenbusStateClosed);
	}
	mutex_unlock(&info->lock);
	memalloc_noio_restore(noio);
}

/*
 * The frontend changed its state. Runs in xenwatch, the one thread that all devices
 * of this domain share: see probe. The frontend is not trusted: it may say anything
 * at any time, and states may be missed, because only the latest one is seen.
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
		if (info->broken || !xenbus_dev_is_online(dev))
			mydeviceback_close(info, XenbusStateClosed);
		else
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
		gone = !xenbus_dev_is_online(dev);	/* the toolstack is taking it away */
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
 * the process that unbinds the driver, with the device locked. (A known lock order
 * problem of Linux: xenwatch waits for that lock if the device goes meanwhile, and
 * a task that stops a watch waits for xenwatch.)
 */
static void mydeviceback_remove(struct xenbus_device *dev)
{
	struct mydeviceback_info *info = dev_get_drvdata(&dev->dev);
	unsigned int noio = memalloc_noio_save();

	mutex_lock(&info->lock);
	mydevice_stream_stop(info->stream, -ENODEV);
	mydeviceback_disconnect(info);
	mutex_unlock(&info->lock);
	mydevice_node_del(info->node);
	mydeviceback_switch_state(info, XenbusStateClosed);
	memalloc_noio_restore(noio);
	kvfree(info);
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

static int __init mydeviceback_init(void)
{
	int err;

	if (!xen_domain()) {
		pr_err("this is not a Xen domain\n");
		return -ENODEV;
	}
	pr_info("Hello World!\n");
	max_ring_page_order = min_t(unsigned int, max_ring_page_order, MYDEVICE_MAX_ORDER);
	err = mydevice_nodes_register();
	if (err)
		return err;
	err = xenbus_register_backend(&mydeviceback_driver);
	if (err)
		mydevice_nodes_unregister();
	return err;
}
module_init(mydeviceback_init);

static void __exit mydeviceback_exit(void)
{
	xenbus_unregister_driver(&mydeviceback_driver);
	mydevice_nodes_unregister();
	pr_info("Goodbye World!\n");
}
module_exit(mydeviceback_exit);

MODULE_DESCRIPTION("Backend of mydevice, a virtual device for Xen guests");
MODULE_LICENSE("GPL");
MODULE_ALIAS("xen-backend:mydevice");
