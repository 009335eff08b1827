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
#include <linux/device.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#include "mydevice.h"

/**
 * struct mydevicefront_info - one device, from probe to remove
 * @dev: the device on the XenBus
 * @version: the protocol version of this connection, 0 when there is none
 * @told: for each errno, whether the log has it as the reason for no connection
 */
struct mydevicefront_info {
	struct xenbus_device *dev;
	unsigned int version;
	DECLARE_BITMAP(told, 256);
};

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
 * Writes this end's nodes, in one transaction: a failure leaves none of them.
 * The backend reads them when it sees Initialised, which is written later.
 */
static int mydevicefront_write_nodes(struct mydevicefront_info *info,
				     struct xenbus_transaction xbt)
{
	const char *dir = info->dev->nodename;
	int err;

	err = xenbus_printf(xbt, dir, MYDEVICE_NODE_VERSION, "%u", info->version);
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
	info->version = 0;
}

/* Releases everything that belongs to a connection, however much of that exists. */
static void mydevicefront_disconnect(struct mydevicefront_info *info)
{
	mydevicefront_stop(info);
}

/* The backend made its offer: prepare everything, then publish it. */
static void mydevicefront_connect(struct mydevicefront_info *info)
{
	int err;

	err = mydevicefront_negotiate(info);
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
	mydevicefront_switch_state(info, XenbusStateConnected);
	dev_info_ratelimited(&info->dev->dev, "Connected, protocol version %u.\n",
			     info->version);
}

/*
 * Tells the backend that this end no longer uses the connection. That comes before
 * anything is released: a backend that was bound meanwhile may be taking what this end
 * offered to its predecessor, and must find out why that fails.
 */
static void mydevicefront_switch_to_closed(struct mydevicefront_info *info)
{
	if (info->dev->state == XenbusStateClosed)
		return;
	mydevicefront_switch_state(info, XenbusStateClosed);
	xenbus_frontend_closed(info->dev);	/* a shutdown may be waiting for it */
	dev_info_ratelimited(&info->dev->dev, "Closed.\n");
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

	memalloc_noio_restore(noio);
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

	mydevicefront_disconnect(info);
	bitmap_zero(info->told, 256);
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

	mydevicefront_switch_state(info, XenbusStateClosed);	/* before it closes the port */
	mydevicefront_disconnect(info);
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
};

static int __init mydevicefront_init(void)
{
	int err;

	if (!xen_domain()) {
		pr_err("this is not a Xen domain\n");
		return -ENODEV;
	}
	pr_info("Hello World!\n");
	err = xenbus_register_frontend(&mydevicefront_driver);
	return err;
}
module_init(mydevicefront_init);

static void __exit mydevicefront_exit(void)
{
	xenbus_unregister_driver(&mydevicefront_driver);
	pr_info("Goodbye World!\n");
}
module_exit(mydevicefront_exit);

MODULE_DESCRIPTION("Frontend of mydevice, a virtual device for Xen guests");
MODULE_LICENSE("GPL");
MODULE_ALIAS("xen:mydevice");
