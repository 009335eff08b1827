// SPDX-License-Identifier: GPL-2.0
/*
 * Either end of mydevice in user space: a process with Xen's libraries does what
 * the modules do in the kernel, in functions of the same names and order. front_ is
 * what a frontend does, back_ what a backend does, peer_ what both do.
 *
 * mydevicebus.h is what the process has in place of XenBus, mydevice.h is what the two
 * ends agree on. This end cannot tell, and need not know, what the other end is. If the
 * other end breaks the protocol, the process ends with one line.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mydevice.h"
#include "mydevicebus.h"

/**
 * struct peer - one device, from probe to release
 * @dev: the device on the bus
 * @version: the protocol version of this connection, 0 when there is none
 */
struct peer {
	struct bus_device *dev;
	unsigned int version;
};

/*
 * Tells the other end that this end no longer uses the connection: a frontend before it
 * releases anything, a backend when it has released everything.
 */
static void peer_close(struct peer *peer, enum xenbus_state state)
{
	if (bus_switch_state(peer->dev, state))
		bus_tell("%s.", bus_strstate(state));
}

/* May another connection begin? */
static bool peer_is_free(struct peer *peer)
{
	return bus_stays(peer->dev);
}

/* If this end is free: writes what it can do, then invites the frontend with InitWait. */
static bool back_offer(struct peer *peer)
{
	struct bus_device *dev = peer->dev;

	if (!peer_is_free(peer))
		return false;
	if (!bus_printf(dev, XBT_NULL, MYDEVICE_NODE_VERSIONS, "%u", MYDEVICE_VERSION))
		return bus_fatal(dev, EX_IOERR, "writing the offer to %s: %s", dev->nodename,
				 strerror(errno));
	return bus_switch_state(dev, XenbusStateInitWait);
}

/*
 * The device exists, or exists again after this guest was restored. With its first
 * state this end says that it is new: a frontend waits for an offer, a backend makes
 * one.
 */
static void peer_probe(struct bus_device *dev)
{
	struct peer *peer = dev->peer ? dev->peer : calloc(1, sizeof(*peer));

	if (!peer)
		bus_die(EX_OSERR, "no memory");
	peer->dev = dev;
	dev->peer = peer;
	bus_say("Hello World! This is the %s of device %u; its %s is in domain %u, and %s.",
		dev->frontend ? "frontend" : "backend", dev->number, bus_otherend(dev),
		dev->otherend_id, bus_strstate(bus_otherend_state(dev)));
	bus_forget_error(dev);
	if (dev->frontend)
		bus_switch_state(dev, XenbusStateInitialising);
	else
		back_offer(peer);
}

static bool speaks(unsigned int version)
{
	return version >= MYDEVICE_OLDEST_VERSION && version <= MYDEVICE_VERSION;
}

/* Picks the highest version that both ends speak from "1,2,3"; 0 if none. */
static unsigned int front_pick_version(char *versions)
{
	unsigned int version, best = 0;
	char *word;

	while ((word = strsep(&versions, ",")))
		if (bus_parse_number(word, &version) && speaks(version) && version > best)
			best = version;
	return best;
}

/*
 * No version fits both ends. That is no breach of the protocol: it is reported once, and
 * a process that stays waits for another backend. "version" tells this one the reason.
 */
static void front_refuse(struct peer *peer, const char *versions)
{
	struct bus_device *dev = peer->dev;

	bus_error(dev, "the backend speaks no version of ours: \"%s\", and this end %u",
		  versions ? versions : "", MYDEVICE_VERSION);
	bus_printf(dev, XBT_NULL, MYDEVICE_NODE_VERSION, "%u", MYDEVICE_VERSION);
	dev->status = dev->keep ? EX_OK : EX_PROTOCOL;
	dev->done = !dev->keep;
	bus_switch_state(dev, XenbusStateClosing);
}

/* Reads the backend's offer and decides what this connection will be like. */
static bool front_negotiate(struct peer *peer)
{
	struct bus_device *dev = peer->dev;
	char *versions, *copy;

	versions = bus_read(dev, dev->otherend, MYDEVICE_NODE_VERSIONS);
	if (!versions && bus_otherend_state(dev) != XenbusStateInitWait)
		return false;		/* it has left, and removed its offer */
	if (!versions)
		return bus_fatal(dev, EX_PROTOCOL, "reading %s/%s: %s", dev->otherend,
				 MYDEVICE_NODE_VERSIONS, strerror(errno));
	copy = strndup(versions, 32);	/* enough for the message */
	peer->version = front_pick_version(versions);
	if (!peer->version)
		front_refuse(peer, copy);
	free(versions);
	free(copy);
	return peer->version;
}

/* Reads and checks what the frontend chose for this connection. */
static bool back_negotiate(struct peer *peer)
{
	struct bus_device *dev = peer->dev;

	if (!bus_read_number(dev, MYDEVICE_NODE_VERSION, &peer->version))
		return false;
	return speaks(peer->version) ||
	       bus_fatal(dev, EX_PROTOCOL, "the frontend wants version %u, and this end speaks %u",
			 peer->version, MYDEVICE_VERSION);
}

/* The nodes of a connection. */
static bool front_write_nodes(struct bus_device *dev, xs_transaction_t xbt)
{
	struct peer *peer = dev->peer;

	return bus_printf(dev, xbt, MYDEVICE_NODE_VERSION, "%u", peer->version);
}

static bool front_publish(struct peer *peer)
{
	struct bus_device *dev = peer->dev;

	return bus_transaction(dev, front_write_nodes) ||
	       bus_fatal(dev, EX_IOERR, "publishing in %s: %s", dev->nodename, strerror(errno));
}

/* This end stops using a connection. What is shared stays shared. */
static void peer_stop(struct peer *peer)
{
	peer->dev->over |= peer->version != 0;
	peer->version = 0;
}

/* Releases everything that belongs to a connection, however much of that exists. */
static void peer_disconnect(struct peer *peer)
{
	peer_stop(peer);
}

/*
 * The backend made its offer: prepare everything, then publish it. The backend reads it
 * when it sees Initialised, which is written later.
 */
static bool front_connect(struct peer *peer)
{
	return front_negotiate(peer) &&
	       front_publish(peer) &&
	       bus_switch_state(peer->dev, XenbusStateInitialised);
}

/* Both ends are ready. */
static bool peer_go_live(struct peer *peer)
{
	if (!bus_switch_state(peer->dev, XenbusStateConnected))
		return false;		/* the frontend has changed meanwhile */
	bus_tell("Connected, protocol version %u.", peer->version);
	return true;
}

/* The frontend has published: read, check, and take what it offers. */
static bool back_connect(struct peer *peer)
{
	return back_negotiate(peer) &&
	       peer_go_live(peer);
}

/*
 * Connects to the frontend that says Initialised now. It may be restarted at any moment,
 * so this reads, and then writes Connected, in one transaction.
 */
static void back_try_connect(struct bus_device *dev)
{
	struct peer *peer = dev->peer;

	if (bus_otherend_state(dev) == XenbusStateInitialised && !back_connect(peer)) {
		peer->version = 0;	/* that was no connection */
		peer_disconnect(peer);
	}
}

/*
 * A frontend that does not take this end's offer closes. If it speaks another version,
 * it has written which.
 */
static void back_explain_refusal(struct peer *peer)
{
	struct bus_device *dev = peer->dev;
	unsigned int version;

	if (dev->state != XenbusStateInitWait)
		return;
	version = bus_read_int(dev, dev->otherend, MYDEVICE_NODE_VERSION, MYDEVICE_VERSION);
	if (!speaks(version))
		bus_error(dev, "the frontend speaks version %u, and this end %u", version,
			  MYDEVICE_VERSION);
}

/*
 * The other end changed its state. It is not trusted: it may say anything at any time,
 * and states may be missed, because only the latest one is seen.
 */
static void front_otherend_changed(struct bus_device *dev, enum xenbus_state backend_state)
{
	struct peer *peer = dev->peer;

	switch (backend_state) {
	case XenbusStateInitialising:
	case XenbusStateInitialised:
	case XenbusStateReconfiguring:
	case XenbusStateReconfigured:
		break;

	case XenbusStateInitWait:
		if (dev->state == XenbusStateInitialised || dev->state == XenbusStateClosing)
			break;		/* it has not seen our state yet */
		peer_disconnect(peer);	/* from a backend that was restarted */
		if (peer_is_free(peer) && !front_connect(peer))
			peer_disconnect(peer);
		break;

	case XenbusStateConnected:
		if (dev->state == XenbusStateInitialised)
			peer_go_live(peer);
		break;

	case XenbusStateClosing:
		if (dev->state == XenbusStateInitialising &&
		    bus_read_int(dev, dev->otherend, "online", 0))
			break;		/* left over; it will follow our state */
		peer_close(peer, XenbusStateClosed);
		peer_stop(peer);
		break;

	case XenbusStateClosed:		/* it has let go of everything */
	case XenbusStateUnknown:	/* its directory is gone */
		if (dev->state == XenbusStateInitialising)
			break;		/* it will follow when it sees our state */
		peer_close(peer, XenbusStateClosed);
		peer_disconnect(peer);
		break;
	}
}

static void back_otherend_changed(struct bus_device *dev, enum xenbus_state frontend_state)
{
	struct peer *peer = dev->peer;

	switch (frontend_state) {
	case XenbusStateInitialising:
		if (dev->state == XenbusStateInitWait)
			break;		/* it has not seen our offer yet */
		peer_disconnect(peer);	/* from a frontend that was restarted */
		if (bus_read_int(dev, dev->nodename, "online", 0))
			back_offer(peer);
		else
			peer_close(peer, XenbusStateClosed);
		break;

	case XenbusStateInitialised:
		if (dev->state == XenbusStateInitWait)
			bus_in_transaction(dev, back_try_connect);
		break;

	case XenbusStateConnected:	/* ours came first; else it is left over */
	case XenbusStateInitWait:
	case XenbusStateReconfiguring:
	case XenbusStateReconfigured:
		break;

	case XenbusStateClosing:
		back_explain_refusal(peer);
		peer_disconnect(peer);
		peer_close(peer, XenbusStateClosing);
		break;

	case XenbusStateClosed:
		back_explain_refusal(peer);
		if (!bus_read_int(dev, dev->nodename, "online", 0))
			dev->done = true;	/* the toolstack is taking it away */
		if (dev->state == XenbusStateInitWait)
			break;		/* it will follow when it sees our state */
		peer_disconnect(peer);
		peer_close(peer, XenbusStateClosed);
		break;

	case XenbusStateUnknown:	/* its directory is gone */
		peer_disconnect(peer);
		dev->done = true;
		break;
	}
}

/* The guest was saved and is restored. Nothing that it shared exists any more. */
static void peer_resume(struct bus_device *dev)
{
	peer_disconnect(dev->peer);
}

/* Removes what this end wrote for the other, except its state. */
static void peer_withdraw(struct peer *peer)
{
	struct bus_device *dev = peer->dev;

	bus_rm(dev, MYDEVICE_NODE_VERSIONS);
	if (!dev->told)		/* else the backend may not have read it yet */
		bus_rm(dev, MYDEVICE_NODE_VERSION);
}

/*
 * This end leaves, whatever the reason. It says so before it releases anything, or it
 * would seem to have died. A frontend takes its pages back when the backend has let
 * go of them; a backend lets go before it is Closed.
 */
static void peer_remove(struct bus_device *dev)
{
	struct peer *peer = dev->peer;

	if (dev->frontend)
		bus_switch_state(dev, XenbusStateClosed);
	else if (dev->state == XenbusStateConnected)
		bus_switch_state(dev, XenbusStateClosing);
	peer_stop(peer);
	if (dev->frontend)
		bus_await_release(dev);
	peer_disconnect(peer);
	bus_switch_state(dev, XenbusStateClosed);
	peer_withdraw(peer);
}

static void peer_release(struct bus_device *dev)
{
	free(dev->peer);
}

const struct bus_driver bus_driver = {
	.probe = peer_probe,
	.front_otherend_changed = front_otherend_changed,
	.back_otherend_changed = back_otherend_changed,
	.resume = peer_resume,
	.remove = peer_remove,
	.release = peer_release,
};
