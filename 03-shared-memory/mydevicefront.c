// SPDX-License-Identifier: GPL-2.0
/*
 * Frontend of mydevice: the half that lives in the guest.
 *
 * From probe to remove the functions stand in the order of a device's life: its
 * nodes appear, the backend offers, both ends connect, the connection ends.
 * mydevice.h is what the two ends agree on.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/interrupt.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <xen/events.h>
#include <xen/interface/event_channel.h>
#include <xen/grant_table.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#include <asm/xen/hypercall.h>

#include "mydevice.h"
#include "mydevicestream.c"

static unsigned int ring_page_order = 6;
module_param(ring_page_order, uint, 0644);
MODULE_PARM_DESC(ring_page_order,
		 "order of each ring, 0 (4 KiB) to 8 (1 MiB); default 6");

static unsigned int first_index;
module_param(first_index, uint, 0644);
MODULE_PARM_DESC(first_index,
		 "where the indices of a connection begin; near 2^32 they soon wrap; default 0");

/**
 * struct mydevicefront_info - one device, from probe to remove
 * @dev: the device on the XenBus
 * @version: the protocol version of this connection, 0 when there is none
 * @broken: the backend broke the protocol: do not follow it
 * @told: for each errno, whether the log has it as the reason for no connection
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
 * @page: the pages that the backend may access: the index page, then the rings'
 * @ref: their grant references
 * @nr_pages: how many there are
 */
struct mydevicefront_info {
	struct xenbus_device *dev;
	unsigned int version;
	bool broken;
	DECLARE_BITMAP(told, 256);
	struct mutex lock;	/* connecting against sysfs */
	evtchn_port_t evtchn;
	int irq;
	atomic_t events_sent;
	atomic_t events_received;
	atomic64_t notified_at;
	atomic64_t round_trip;
	struct mydevice_stream *stream;
	struct mydevice_node *node;
	void *page[1 + 2 * MYDEVICE_MAX_PAGES];
	grant_ref_t ref[1 + 2 * MYDEVICE_MAX_PAGES];
	unsigned int nr_pages;
};

/* Notifies the backend. The irq must be bound. */
static void mydevicefront_notify(struct mydevicefront_info *info)
{
	atomic_inc(&info->events_sent);
	notify_remote_via_irq(info->irq);
}

/* The first event after a notification by hand counts as its answer. */
static void mydevicefront_take_time(struct mydevicefront_info *info)
{
	s64 notified_at = atomic64_xchg(&info->notified_at, 0);

	if (notified_at)
		atomic64_set(&info->round_trip, ktime_get_ns() - notified_at);
}

/*
 * The backend notified. Hard interrupt context: nothing here sleeps or takes a
 * mutex. The EOI (end of interrupt) is sent late, by xen_irq_lateeoi() when the
 * event has been handled. Until then the channel is masked: a backend that never
 * stops notifying cannot keep this domain busy (XSA-391). What is used here is
 * set up before the interrupt is bound, and released after it is unbound.
 */
static irqreturn_t mydevicefront_interrupt(int irq, void *dev_id)
{
	struct mydevicefront_info *info = dev_id;
	unsigned int eoi = 0;
	bool rung = atomic64_read(&info->notified_at);	/* by hand */

	atomic_inc(&info->events_received);
	mydevicefront_take_time(info);
	if (READ_ONCE(info->stream->broken))
		return IRQ_HANDLED;	/* and no EOI: a broken peer cannot interrupt again */
	if (!mydevice_stream_event(info->stream) && !rung)
		eoi = XEN_EOI_FLAG_SPURIOUS;
	xen_irq_lateeoi(irq, eoi);
	return IRQ_HANDLED;
}

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

static struct attribute *mydevicefront_attrs[] = {
	&dev_attr_notify.attr,
	&dev_attr_events_sent.attr,
	&dev_attr_events_received.attr,
	&dev_attr_round_trip_ns.attr,
	NULL
};
ATTRIBUTE_GROUPS(mydevicefront);

/*
 * Writes this end's state. xenbus_switch_state() needs a transaction. A domain may
 * have only a few open at a time, and the function returns 0 even if it got none.
 * Then dev->state is still the old one, and a plain write may do, unless the node is
 * gone or somebody else has written there.
 */
static void mydevicefront_switch_state(struct mydevicefront_info *info,
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
 * Closes and says why, in the log and in an error node: once for each @err, because a
 * backend can cause this a thousand times a second.
 *
 * Return: @err.
 */
__printf(3, 4)
static int mydevicefront_give_up(struct mydevicefront_info *info, int err,
				 const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	bool again = test_and_set_bit(min(-err, 255), info->told);
	va_list args;

	va_start(args, fmt);
	vaf.va = &args;
	if (!again)
		xenbus_dev_fatal(info->dev, err, "%pV", &vaf);
	va_end(args);
	mydevicefront_switch_state(info, again ? XenbusStateClosed : XenbusStateClosing);
	return err;
}

static void mydevicefront_notify_backend(struct device *dev)
{
	mydevicefront_notify(dev_get_drvdata(dev));
}

static void mydevicefront_peer_died(struct device *dev);

static const struct mydevice_stream_ops mydevicefront_stream_ops = {
	.peer = "backend",
	.notify = mydevicefront_notify_backend,
	.died = mydevicefront_peer_died,
};

/*
 * The XenStore nodes of a device of ours appeared, or the driver was bound to
 * it again through sysfs. For now this only says that this end is new: the
 * backend's offer comes with its state InitWait.
 *
 * It runs in XenBus's thread, xenwatch, or in the process that loads or binds the
 * driver. Like every XenBus callback it may sleep, but must not wait for another domain
 * or for a disk: the disk's own frontend may need xenwatch to answer. So memory is
 * allocated without reclaim by I/O, here and in everything that this calls.
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
	info->node = mydevice_node_add(&dev->dev, kbasename(dev->nodename),
				       &mydevicefront_stream_ops);
	err = PTR_ERR_OR_ZERO(info->node);
	if (err) {
		kfree(info);
		goto out;
	}
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
 * no version fits both ends, "version" tells the backend what this end speaks.
 */
static int mydevicefront_negotiate(struct mydevicefront_info *info)
{
	struct xenbus_device *dev = info->dev;
	char *versions, offered[33];	/* enough for the log */

	versions = xenbus_read(XBT_NIL, dev->otherend, MYDEVICE_NODE_VERSIONS, NULL);
	if (IS_ERR(versions))
		return mydevicefront_give_up(info, PTR_ERR(versions), "reading %s/%s",
					     dev->otherend, MYDEVICE_NODE_VERSIONS);
	strscpy(offered, versions, sizeof(offered));
	info->version = mydevicefront_pick_version(versions);
	kfree(versions);
	if (info->version)
		return 0;
	xenbus_printf(XBT_NIL, dev->nodename, MYDEVICE_NODE_VERSION, "%u",
		      MYDEVICE_VERSION);
	return mydevicefront_give_up(info, -EPROTONOSUPPORT,
				     "the backend speaks no version of ours: \"%*pE\", and this end %u",
				     (int)strlen(offered), offered, MYDEVICE_VERSION);
}

/*
 * Closes a port that could not be bound. Depending on where binding failed, the
 * kernel has closed it already (events_base.c), and by now the port can be
 * somebody else's. So this asks the hypervisor first.
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
 * Ends the backend's access to the pages that were shared last, all but @left. A page
 * that the backend has mapped cannot be freed yet (XSA-396): it and those before it stay
 * shared. The next try is made when the backend offers again.
 */
static void mydevicefront_unshare(struct mydevicefront_info *info, unsigned int left)
{
	while (info->nr_pages > left &&
	       gnttab_try_end_foreign_access(info->ref[info->nr_pages - 1]))
		put_page(virt_to_page(info->page[--info->nr_pages]));
}

/* This end leaves, and the kernel frees each page that is left when it is unmapped. */
static void mydevicefront_abandon(struct mydevicefront_info *info)
{
	while (info->nr_pages) {
		info->nr_pages--;
		gnttab_end_foreign_access(info->ref[info->nr_pages],
					  virt_to_page(info->page[info->nr_pages]));
	}
}

/*
 * Grants zeroed pages to the backend. XenBus takes them in pieces that are contiguous in
 * memory, and limits their size.
 */
static int mydevicefront_share(struct mydevicefront_info *info, unsigned int nr)
{
	unsigned int piece = min(nr, XENBUS_MAX_RING_GRANTS), end = info->nr_pages + nr, i;
	void *memory;
	gfp_t gfp;
	int err;

	while (info->nr_pages < end) {
		gfp = GFP_KERNEL | __GFP_NOWARN | (piece > 1 ? __GFP_NORETRY : 0);
		err = xenbus_setup_ring(info->dev, gfp, &memory, piece,
					&info->ref[info->nr_pages]);
		if (err == -ENOMEM && piece > 1) {
			piece /= 2;	/* so much is not contiguous */
			continue;
		}
		if (err) {
			mydevicefront_unshare(info, end - nr);
			return err;
		}
		for (i = 0; i < piece; i++)
			info->page[info->nr_pages++] = memory + i * MYDEVICE_PAGE_SIZE;
	}
	return 0;
}

/* A guest short of memory gets a smaller ring rather than none. */
static int mydevicefront_share_ring(struct mydevicefront_info *info,
				    struct mydevice_ring *ring, unsigned int order)
{
	unsigned int first = info->nr_pages;
	int err;

	do {
		err = mydevicefront_share(info, 1u << order);
	} while (err == -ENOMEM && info->nr_pages == first && order--);
	if (err)
		return mydevicefront_give_up(info, err, "sharing a ring");
	ring->pages = 1u << order;
	memcpy(ring->page, &info->page[first], ring->pages * sizeof(ring->page[0]));
	mydevice_find_runs(ring);
	return 0;
}

/* Writes into the index page where the rings are. Both begin at @first_index. */
static void mydevicefront_fill_index(struct mydevicefront_info *info)
{
	struct mydevice_stream *stream = info->stream;
	struct mydevice_index *index = info->page[0];
	u32 first = READ_ONCE(first_index);

	index->nr_out_refs = stream->tx.pages;
	index->nr_in_refs = stream->rx.pages;
	memcpy(index->refs, &info->ref[1], (info->nr_pages - 1) * sizeof(index->refs[0]));
	index->backend.prod = first;
	index->backend.cons = first;
	mydevice_stream_begin(stream, &index->frontend, &index->backend);
}

/* Makes the stream: the index page and two rings, all granted to the backend. */
static int mydevicefront_setup_stream(struct mydevicefront_info *info)
{
	struct mydevice_stream *stream = mydevice_stream_alloc(info->node);
	unsigned int order;
	int err;

	if (!stream)
		return mydevicefront_give_up(info, -ENOMEM, "allocating the stream");
	info->stream = stream;
	order = min(xenbus_read_unsigned(info->dev->otherend, MYDEVICE_NODE_MAX_ORDER, 0),
		    min_t(unsigned int, READ_ONCE(ring_page_order), MYDEVICE_MAX_ORDER));
	err = mydevicefront_share(info, 1);
	if (err)
		return mydevicefront_give_up(info, err, "sharing the index page");
	err = mydevicefront_share_ring(info, &stream->tx, order);
	if (!err)
		err = mydevicefront_share_ring(info, &stream->rx, order);
	if (!err)
		mydevicefront_fill_index(info);
	return err;
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
				    info->ref[0]);
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

/* This end stops using a connection. What is shared stays shared. */
static void mydevicefront_stop(struct mydevicefront_info *info)
{
	info->broken |= mydevice_stream_stop(info->stream, -EPIPE);
	if (info->irq)
		unbind_from_irqhandler(info->irq, info);	/* closes the port, too */
	info->irq = 0;
	atomic_set(&info->events_sent, 0);	/* the counts are the connection's */
	atomic_set(&info->events_received, 0);
	atomic64_set(&info->notified_at, 0);
	atomic64_set(&info->round_trip, 0);
	info->version = 0;
}

/* Releases everything that belongs to a connection, however much of that exists. */
static void mydevicefront_disconnect(struct mydevicefront_info *info)
{
	mydevicefront_stop(info);
	mydevice_stream_detach(info->stream);
	info->stream = NULL;
	mydevicefront_unshare(info, 0);
}

/* The backend made its offer: prepare everything, then publish it. */
static void mydevicefront_connect(struct mydevicefront_info *info)
{
	int err;

	err = mydevicefront_negotiate(info);
	if (!err)
		err = mydevicefront_setup_stream(info);
	if (!err)
		err = mydevicefront_setup_evtchn(info);
	if (!err)
		err = mydevicefront_publish(info);
	if (err)
		mydevicefront_disconnect(info);
	else
		mydevicefront_switch_state(info, XenbusStateInitialised);
}

/* Both ends are ready. */
static void mydevicefront_go_live(struct mydevicefront_info *info)
{
	if (!info->stream)
		return;		/* a state that a process has left */
	mydevice_node_set_stream(info->node, info->stream);
	mydevicefront_switch_state(info, XenbusStateConnected);
	mydevice_stream_live(info->stream);
	dev_info_ratelimited(&info->dev->dev, "Connected, protocol version %u.\n",
			     info->version);
}

/*
 * Tells the backend that this end no longer uses the connection. That comes before
 * anything is released: a backend that was bound meanwhile may be taking what this end
 * offered to its predecessor, and must find out why that fails.
 * It comes after the last look at the index page, which the backend may now write over.
 */
static void mydevicefront_switch_to_closed(struct mydevicefront_info *info)
{
	info->broken |= mydevice_stream_stop(info->stream, -EPIPE);
	if (info->dev->state == XenbusStateClosed)
		return;
	mydevicefront_switch_state(info, XenbusStateClosed);
	xenbus_frontend_closed(info->dev);	/* a shutdown may be waiting for it */
	dev_info_ratelimited(&info->dev->dev, "Closed.\n");
}

/*
 * Has the backend old pages mapped? It may for a moment, if it was restarted and took an
 * offer that this end has withdrawn. It offers again when it has let go of them. One that
 * never does could make this end share page after page, and free none.
 */
static bool mydevicefront_still_mapped(struct mydevicefront_info *info)
{
	if (info->nr_pages)
		dev_info_ratelimited(&info->dev->dev,
				     "The backend has old pages mapped: its offer is not taken.\n");
	return info->nr_pages;
}

/*
 * The backend is a process that died. Another connection may have begun since, so this
 * reads the index page again. A backend that is no longer Connected has left properly,
 * and did not die. Called by a worker, and xenwatch may wait for the lock.
 */
static void mydevicefront_peer_died(struct device *dev)
{
	struct mydevicefront_info *info = dev_get_drvdata(dev);
	unsigned int noio = memalloc_noio_save();

	mutex_lock(&info->lock);
	if (info->stream && info->dev->state == XenbusStateConnected &&
	    !READ_ONCE(info->stream->theirs->alive) &&
	    xenbus_read_unsigned(info->dev->otherend, "state", XenbusStateUnknown) ==
	    XenbusStateConnected) {
		dev_info_ratelimited(dev, "The backend died.\n");
		mydevicefront_switch_to_closed(info);
		mydevicefront_stop(info);
	}
	mutex_unlock(&info->lock);
	memalloc_noio_restore(noio);
}

/*
 * The backend changed its state. Runs in xenwatch, the one thread that all devices
 * of this domain share: see probe. The backend is not trusted: it may say anything
 * at any time, and states may be missed, because only the latest one is seen.
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
		if (info->broken || mydevicefront_still_mapped(info)) {
			mydevicefront_switch_to_closed(info);
			break;
		}
		mydevicefront_connect(info);
		break;

	case XenbusStateConnected:
		if (dev->state == XenbusStateInitialised)
			mydevicefront_go_live(info);
		break;

	case XenbusStateClosing:
		if (dev->state == XenbusStateInitialising &&
		    xenbus_read_unsigned(dev->otherend, "online", 0))
			break;		/* left over; it will follow our state */
		mydevicefront_switch_to_closed(info);
		mydevicefront_stop(info);
		break;

	case XenbusStateClosed:			/* it has let go of everything */
	case XenbusStateUnknown:		/* its directory is gone */
		if (dev->state == XenbusStateInitialising)
			break;		/* it will follow when it sees our state */
		mydevicefront_switch_to_closed(info);
		mydevicefront_disconnect(info);
		break;
	}

	mutex_unlock(&info->lock);
	memalloc_noio_restore(noio);
}

/*
 * A page that the backend has mapped cannot be freed yet, and the kernel tries
 * again only now and then. So a driver that is unbound by hand says Closed and
 * gives the backend two seconds to unmap. (It does not wait for a backend that is
 * mapping right now, which still says InitWait.) If the device's nodes are gone, or
 * were made again, this runs in xenwatch, which must not wait for another domain.
 * Then the state in XenStore is no longer this end's own.
 */
static void mydevicefront_wait_for_unmap(struct mydevicefront_info *info)
{
	struct xenbus_device *dev = info->dev;
	unsigned int state, tries;

	if (!info->stream || dev->state !=
	    xenbus_read_unsigned(dev->nodename, "state", XenbusStateUnknown))
		return;
	mutex_lock(&info->lock);
	mydevicefront_switch_to_closed(info);
	mutex_unlock(&info->lock);
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
 * no longer exists at either end. XenBus has set this end's state to
 * Initialising and watches the backend's next. (A save that was cancelled has
 * changed nothing, and nobody is told of it.) User space is still frozen, and the
 * disk may be, too: nothing here waits for either.
 */
static int mydevicefront_resume(struct xenbus_device *dev)
{
	struct mydevicefront_info *info = dev_get_drvdata(&dev->dev);
	unsigned int noio = memalloc_noio_save();

	mutex_lock(&info->lock);
	mydevicefront_disconnect(info);
	info->broken = false;
	bitmap_zero(info->told, 256);
	mutex_unlock(&info->lock);
	memalloc_noio_restore(noio);
	return 0;
}

/*
 * The nodes are gone, or the driver is unbound. XenBus has stopped the watch on
 * the backend's state, and says Closed for us afterwards. Runs in xenwatch, or in
 * the process that unbinds the driver, with the device locked. (A known lock order
 * problem of Linux: xenwatch waits for that lock if the nodes go meanwhile, and a
 * task that stops a watch waits for xenwatch.)
 */
static void mydevicefront_remove(struct xenbus_device *dev)
{
	struct mydevicefront_info *info = dev_get_drvdata(&dev->dev);
	unsigned int noio = memalloc_noio_save();

	mutex_lock(&info->lock);
	mydevice_stream_stop(info->stream, -ENODEV);
	mutex_unlock(&info->lock);
	mydevicefront_wait_for_unmap(info);
	mydevicefront_switch_state(info, XenbusStateClosed);	/* before it closes the port */
	mutex_lock(&info->lock);
	mydevicefront_disconnect(info);
	mydevicefront_abandon(info);
	mutex_unlock(&info->lock);
	mydevice_node_del(info->node);
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

static int __init mydevicefront_init(void)
{
	int err;

	if (!xen_domain()) {
		pr_err("this is not a Xen domain\n");
		return -ENODEV;
	}
	pr_info("Hello World!\n");
	err = mydevice_nodes_register();
	if (err)
		return err;
	err = xenbus_register_frontend(&mydevicefront_driver);
	if (err)
		mydevice_nodes_unregister();
	return err;
}
module_init(mydevicefront_init);

static void __exit mydevicefront_exit(void)
{
	xenbus_unregister_driver(&mydevicefront_driver);
	mydevice_nodes_unregister();
	pr_info("Goodbye World!\n");
}
module_exit(mydevicefront_exit);

MODULE_DESCRIPTION("Frontend of mydevice, a virtual device for Xen guests");
MODULE_LICENSE("GPL");
MODULE_ALIAS("xen:mydevice");
