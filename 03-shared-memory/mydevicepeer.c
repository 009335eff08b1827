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
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xentoollog.h>

#include "mydevice.h"
#include "mydevicebus.h"
#include "mydevicepeerstream.c"

/* An event without a reason delays the next one by 2^n ms, up to this n. */
#define BRAKE_MAX	10

/* An event with a reason, or a pause of so many ns, ends the delays. */
#define BRAKE_PAUSE	2000000000ull

static const char usage[] =
	"  --answer yes|no      answer each event with one of our own, or not\n"
	"  --send-only          leave when standard input has ended and all of it was read\n"
	"  --ring-page-order N  at a frontend the size of the rings, at a backend the\n"
	"                       largest that it maps: 2^N pages of 4 KiB (0 to 8;\n"
	"                       default: 6 and 8)\n"
	"  --poll-us N          how long to look before sleeping (0 to 1000; default: 100)\n"
	"  --first-index N      where a frontend's indices begin (default: 0)\n"
	"Standard input goes to the other end, what comes from it to standard output.\n"
	"SIGUSR1 notifies the other end, SIGUSR2 says what was counted.\n";

static unsigned int answer;
static unsigned int send_only;
static unsigned int ring_page_order = UINT_MAX;	/* 6 at a frontend, 8 at a backend */
static unsigned int first_index;

static const struct bus_option options[] = {
	{ "answer", &answer, BUS_YES_NO, 0 },
	{ "send-only", &send_only, BUS_FLAG, 0 },
	{ "ring-page-order", &ring_page_order, BUS_NUMBER, MYDEVICE_MAX_ORDER },
	{ "poll-us", &poll_us, BUS_NUMBER, MAX_POLL_US },
	{ "first-index", &first_index, BUS_NUMBER, UINT_MAX },
	{ NULL, NULL, BUS_FLAG, 0 }
};

/* The files that this end waits for. */
enum {
	FILE_EVENT,
	FILE_INPUT,
	FILE_OUTPUT,
};

/**
 * struct peer - one device, from probe to release
 * @dev: the device on the bus
 * @version: the protocol version of this connection, 0 when there is none
 * @log: where the libraries report errors
 * @evtchn: the event channels of this process
 * @port: the event channel's port in this domain, -1 when there is none
 * @heard: the first event has come, if binding makes one
 * @events_sent: notifications to the other end during this connection
 * @events_received: events during this connection
 * @notified_at: when this end last notified by hand, in ns; 0 once it is answered
 * @gnttab: what a backend maps with
 * @gntshr: what a frontend shares with
 * @index: the index page, while the connection lasts
 * @index_ref: its grant reference, at the frontend
 * @stream: the rings of this connection
 * @rings: the pages of both rings, first of the one from the frontend to the backend
 * @death_seen: this end has checked whether the other died, once a connection
 * @spurious: events without a reason, one after the other
 * @spurious_at: when the last of them came, in ns
 */
struct peer {
	struct bus_device *dev;
	unsigned int version;
	struct xentoollog_logger *log;
	xenevtchn_handle *evtchn;
	xenevtchn_port_or_error_t port;
	bool heard;
	unsigned int events_sent;
	unsigned int events_received;
	uint64_t notified_at;
	xengnttab_handle *gnttab;
	xengntshr_handle *gntshr;
	struct mydevice_index *index;
	__u32 index_ref;
	struct stream stream;
	void *rings;
	bool death_seen;
	unsigned int spurious;
	uint64_t spurious_at;
};

/*
 * Tells the other end that this end no longer uses the connection: a frontend before it
 * releases anything, a backend when it has released everything.
 */
static void peer_close(struct peer *peer, enum xenbus_state state)
{
	stream_stop(&peer->stream);	/* before the other end may write over the index page */
	if (bus_switch_state(peer->dev, state))
		bus_tell("%s.", bus_strstate(state));
}

/* May another connection begin? */
static bool peer_is_free(struct peer *peer)
{
	/*
	 * Not while bytes of the last one are unread: each could leave a full ring.
	 * Until they are written out, this end is Closed, and the other waits.
	 */
	if (mydevice_used(&peer->stream.rx)) {
		peer_close(peer, XenbusStateClosed);
		return false;
	}
	return bus_stays(peer->dev);
}

static void peer_died(struct peer *peer);

/* Notifies the other end. The port must be bound. */
static void peer_notify(struct peer *peer)
{
	peer->events_sent++;
	xenevtchn_notify(peer->evtchn, peer->port);
}

/* The first event after a notification by hand counts as its answer. */
static void peer_take_time(struct peer *peer)
{
	if (peer->notified_at)
		bus_say("answered after %llu us",
			(unsigned long long)(bus_now() - peer->notified_at) / 1000);
	peer->notified_at = 0;
}

static void peer_unmask(struct peer *peer)
{
	peer->dev->timer_at = 0;
	xenevtchn_unmask(peer->evtchn, peer->port);
}

/*
 * Must the port stay masked for a while? Events without a reason cost the other end
 * nothing, so each doubles the time until the next can come. (Linux also delays events
 * whose EOI says that they were spurious.) If events are answered, each has a reason.
 */
static bool peer_brake(struct peer *peer)
{
	uint64_t now = bus_now();

	if (stream_event(&peer->stream) || answer || now - peer->spurious_at > BRAKE_PAUSE)
		peer->spurious = 0;
	else if (peer->spurious < BRAKE_MAX)
		peer->spurious++;
	peer->spurious_at = now;
	if (peer->spurious < 2)
		return false;
	peer->dev->timer_at = now + (1000000ull << peer->spurious);
	return true;
}

/*
 * The other end notified. The port is masked until xenevtchn_unmask(), which is what
 * the EOI is in the kernel, and is called when the event has been handled.
 */
static void peer_interrupt(void *data)
{
	struct peer *peer = data;
	xenevtchn_port_or_error_t port = xenevtchn_pending(peer->evtchn);
	bool rung = peer->notified_at;	/* by hand */

	if (port < 0 && errno != EAGAIN && errno != EINTR)
		bus_fatal(peer->dev, EX_IOERR, "reading events: %s", strerror(errno));
	if (port < 0 || port != peer->port)
		return;		/* of a connection that is over */
	if (peer->heard) {
		peer->events_received++;
		peer_take_time(peer);
		if (answer)
			peer_notify(peer);
	}
	peer->heard = true;
	if (!READ_ONCE(peer->stream.theirs->alive))
		peer_died(peer);
	if (peer->port < 0 || (!rung && peer_brake(peer)))
		return;
	peer_unmask(peer);
}

/* Signals do what the modules have attributes in sysfs for. */
static void peer_signalled(struct bus_device *dev, int signal)
{
	struct peer *peer = dev->peer;

	if (signal == SIGUSR2) {
		bus_say("events: %u sent, %u received", peer->events_sent, peer->events_received);
	} else if (dev->state != XenbusStateConnected) {
		bus_say("there is nobody to notify");
	} else {
		peer->notified_at = bus_now();
		peer_notify(peer);
	}
}

/* If this end is free: writes what it can do, then invites the frontend with InitWait. */
static bool back_offer(struct peer *peer)
{
	struct bus_device *dev = peer->dev;

	if (!peer_is_free(peer))
		return false;
	if (!bus_printf(dev, XBT_NULL, MYDEVICE_NODE_MAX_ORDER, "%u", ring_page_order) ||
	    !bus_printf(dev, XBT_NULL, MYDEVICE_NODE_VERSIONS, "%u", MYDEVICE_VERSION))
		return bus_fatal(dev, EX_IOERR, "writing the offer to %s: %s", dev->nodename,
				 strerror(errno));
	return bus_switch_state(dev, XenbusStateInitWait);
}

/*
 * The libraries report errors themselves, each in its own words. They are told to be
 * quiet, because the messages here say what to do, too.
 */
static void peer_open_log(struct peer *peer)
{
	if (!peer->log)
		peer->log = (struct xentoollog_logger *)
			    xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
}

static void peer_open_evtchn(struct peer *peer)
{
	bus_need_file("/dev/xen/evtchn", "type: modprobe xen-evtchn");
	if (!peer->evtchn)
		peer->evtchn = xenevtchn_open(peer->log, 0);
	if (!peer->evtchn)
		bus_die(EX_OSERR, "event channels cannot be opened: %s", strerror(errno));
	peer->dev->files[FILE_EVENT] = (struct bus_file){
		"/dev/xen/evtchn", xenevtchn_fd(peer->evtchn), POLLIN, NULL, peer_interrupt, peer
	};
	peer->port = -1;
}

/* A frontend shares pages, a backend maps them. */
static void peer_open_stream(struct peer *peer)
{
	struct bus_device *dev = peer->dev;
	const char *path = dev->frontend ? "/dev/xen/gntalloc" : "/dev/xen/gntdev";

	peer->stream.dev = dev;
	bus_need_file(path, dev->frontend ? "type: modprobe xen-gntalloc" :
		      "type: modprobe xen-gntdev");
	if (ring_page_order > MYDEVICE_MAX_ORDER)
		ring_page_order = dev->frontend ? 6 : MYDEVICE_MAX_ORDER;
	if (dev->frontend && !peer->gntshr)
		peer->gntshr = xengntshr_open(peer->log, 0);
	if (!dev->frontend && !peer->gnttab)
		peer->gnttab = xengnttab_open(peer->log, 0);
	if (!peer->gntshr && !peer->gnttab)
		bus_die(EX_OSERR, "%s cannot be opened: %s", path, strerror(errno));
	dev->timer = peer_unmask;
	dev->files[FILE_INPUT] = (struct bus_file){
		NULL, STDIN_FILENO, POLLIN, stream_writable, stream_input, &peer->stream
	};
	dev->files[FILE_OUTPUT] = (struct bus_file){
		NULL, STDOUT_FILENO, POLLOUT, stream_readable, stream_output, &peer->stream
	};
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
	peer_open_log(peer);
	peer_open_evtchn(peer);
	peer_open_stream(peer);
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

/* A frontend allocates a port that the backend's domain may bind. */
static bool front_bind(struct peer *peer)
{
	peer->port = xenevtchn_bind_unbound_port(peer->evtchn, peer->dev->otherend_id);
	return peer->port >= 0 ||
	       bus_fatal(peer->dev, EX_OSERR, "allocating an event channel: %s", strerror(errno));
}

/* A backend binds the port that the frontend offers. */
static bool back_bind(struct peer *peer)
{
	unsigned int remote;

	if (!bus_read_number(peer->dev, MYDEVICE_NODE_EVENT_CHANNEL, &remote))
		return false;
	peer->port = xenevtchn_bind_interdomain(peer->evtchn, peer->dev->otherend_id, remote);
	return peer->port >= 0 ||
	       bus_fatal(peer->dev, EX_OSERR, "binding port %u of the frontend: %s", remote,
			 strerror(errno));
}

/* When the backend binds its port, an event comes that nobody sent. */
static bool peer_setup_evtchn(struct peer *peer)
{
	peer->heard = peer->dev->frontend;
	peer->events_sent = 0;
	peer->events_received = 0;
	peer->notified_at = 0;
	peer->spurious = 0;
	peer->death_seen = false;
	return peer->dev->frontend ? front_bind(peer) : back_bind(peer);
}

/*
 * A port from before a restore must not be closed, not even by exit(). Its handle stays
 * open, and another one is opened.
 */
static void peer_free_evtchn(struct peer *peer)
{
	if (peer->port >= 0 && bus_keep_stale(peer->dev))
		peer->evtchn = NULL;
	else if (peer->port >= 0)
		xenevtchn_unbind(peer->evtchn, peer->port);
	peer->port = -1;
	peer->dev->timer_at = 0;
}

/*
 * Shares both rings, empty and of zeroed pages; smaller ones if memory is short, or if
 * /dev/xen/gntalloc has too few pages left (its parameter limit). A backend that keeps
 * old pages mapped cannot cost more than that limit.
 */
static bool front_share_rings(struct peer *peer)
{
	struct bus_device *dev = peer->dev;
	struct stream *stream = &peer->stream;
	int order = bus_read_int(dev, dev->otherend, MYDEVICE_NODE_MAX_ORDER, 0);

	if (order < 0)
		order = 0;
	if (order > (int)ring_page_order)
		order = ring_page_order;
	for (; order >= 0 && !peer->rings; order--) {
		stream->tx.pages = 1u << order;
		stream->rx.pages = 1u << order;
		peer->rings = xengntshr_share_pages(peer->gntshr, dev->otherend_id,
						    2u << order, peer->index->refs, 1);
	}
	if (!peer->rings)
		return bus_fatal(dev, EX_OSERR, "sharing a ring: %s", strerror(errno));
	mydevice_set_pages(&stream->tx, peer->rings);
	mydevice_set_pages(&stream->rx, (char *)peer->rings + mydevice_size(&stream->tx));
	return true;
}

/* Fills in the index page before it is published; the backend reads it once. */
static void front_fill_index(struct peer *peer)
{
	struct mydevice_index *index = peer->index;

	index->nr_out_refs = peer->stream.tx.pages;
	index->nr_in_refs = peer->stream.rx.pages;
	index->backend.prod = first_index;
	index->backend.cons = first_index;
	stream_begin(&peer->stream, &index->frontend, &index->backend);
}

/*
 * If this process dies, its kernel clears the byte in the index page and notifies
 * the other end, which then looks.
 */
static bool front_setup_stream(struct peer *peer)
{
	struct bus_device *dev = peer->dev;

	peer->index = xengntshr_share_page_notify(peer->gntshr, dev->otherend_id,
						  &peer->index_ref, 1,
						  offsetof(struct mydevice_index, frontend.alive),
						  peer->port);
	if (!peer->index)
		return bus_fatal(dev, EX_OSERR, "sharing the index page: %s", strerror(errno));
	if (!front_share_rings(peer))
		return false;
	front_fill_index(peer);
	return true;
}

/* Reads the order of a ring and checks it. */
static bool back_read_order(struct peer *peer, const char *node,
			    struct mydevice_ring *ring)
{
	unsigned int order;

	if (!bus_read_number(peer->dev, node, &order))
		return false;
	if (order > ring_page_order)
		return bus_fatal(peer->dev, EX_PROTOCOL, "%s is %u, and at most %u is offered",
				 node, order, ring_page_order);
	ring->pages = 1u << order;
	return true;
}

static bool back_map_index(struct peer *peer)
{
	struct bus_device *dev = peer->dev;
	unsigned int ref;

	if (!bus_read_number(dev, MYDEVICE_NODE_RING_REF, &ref))
		return false;
	peer->index = xengnttab_map_grant_ref_notify(peer->gnttab, dev->otherend_id, ref,
						     PROT_READ | PROT_WRITE,
						     offsetof(struct mydevice_index, backend.alive),
						     peer->port);
	return peer->index ||
	       bus_fatal(dev, EX_OSERR, "mapping the index page: %s", strerror(errno));
}

/*
 * Maps both rings. The counts and references are read once, into private
 * memory: the frontend can change the page at any moment (XSA-155).
 */
static bool back_map_rings(struct peer *peer)
{
	struct stream *stream = &peer->stream;
	__u32 pages = stream->rx.pages + stream->tx.pages, i;
	__u32 refs[2 * MYDEVICE_MAX_PAGES];
	struct mydevice_index *index = peer->index;
	struct bus_device *dev = peer->dev;

	if (READ_ONCE(index->nr_out_refs) != stream->rx.pages ||
	    READ_ONCE(index->nr_in_refs) != stream->tx.pages)
		return bus_fatal(dev, EX_PROTOCOL,
				 "the counts in the index page do not fit the rings' orders");
	for (i = 0; i < pages; i++)
		refs[i] = READ_ONCE(index->refs[i]);
	peer->rings = xengnttab_map_domain_grant_refs(peer->gnttab, pages, dev->otherend_id,
						      refs, PROT_READ | PROT_WRITE);
	if (!peer->rings)
		return bus_fatal(dev, EX_OSERR, "mapping a ring: %s", strerror(errno));
	mydevice_set_pages(&stream->rx, peer->rings);
	mydevice_set_pages(&stream->tx, (char *)peer->rings + mydevice_size(&stream->rx));
	return true;
}

static bool back_setup_stream(struct peer *peer)
{
	if (!back_read_order(peer, MYDEVICE_NODE_OUT_ORDER, &peer->stream.rx) ||
	    !back_read_order(peer, MYDEVICE_NODE_IN_ORDER, &peer->stream.tx) ||
	    !back_map_index(peer) || !back_map_rings(peer))
		return false;
	stream_begin(&peer->stream, &peer->index->backend, &peer->index->frontend);
	return true;
}

/*
 * Ends sharing at a frontend, or unmaps at a backend. After a restore it does neither:
 * Linux would close the port by its number, which may be another port's by now.
 */
static void peer_teardown_stream(struct peer *peer)
{
	__u32 pages = peer->stream.rx.pages + peer->stream.tx.pages;

	if (peer->index && bus_keep_stale(peer->dev)) {
		peer->gntshr = NULL;
		peer->gnttab = NULL;
	} else if (peer->dev->frontend) {
		if (peer->rings)
			xengntshr_unshare(peer->gntshr, peer->rings, pages);
		if (peer->index)
			xengntshr_unshare(peer->gntshr, peer->index, 1);
	} else {
		if (peer->rings)
			xengnttab_unmap(peer->gnttab, peer->rings, pages);
		if (peer->index)
			xengnttab_unmap(peer->gnttab, peer->index, 1);
	}
	peer->index = NULL;
	peer->rings = NULL;
}

/* The nodes of a connection. */
static bool front_write_nodes(struct bus_device *dev, xs_transaction_t xbt)
{
	struct peer *peer = dev->peer;

	return bus_printf(dev, xbt, MYDEVICE_NODE_VERSION, "%u", peer->version) &&
	       bus_printf(dev, xbt, MYDEVICE_NODE_RING_REF, "%u", peer->index_ref) &&
	       bus_printf(dev, xbt, MYDEVICE_NODE_OUT_ORDER, "%d",
			  __builtin_ctz(peer->stream.tx.pages)) &&
	       bus_printf(dev, xbt, MYDEVICE_NODE_IN_ORDER, "%d",
			  __builtin_ctz(peer->stream.rx.pages)) &&
	       bus_printf(dev, xbt, MYDEVICE_NODE_EVENT_CHANNEL, "%d", peer->port);
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
	stream_stop(&peer->stream);
	peer_free_evtchn(peer);
	peer->dev->over |= peer->version != 0;
	peer->version = 0;
}

/* Releases everything that belongs to a connection, however much of that exists. */
static void peer_disconnect(struct peer *peer)
{
	peer_stop(peer);
	peer_teardown_stream(peer);
}

/*
 * The backend made its offer: prepare everything, then publish it. The backend reads it
 * when it sees Initialised, which is written later.
 */
static bool front_connect(struct peer *peer)
{
	return front_negotiate(peer) &&
	       peer_setup_evtchn(peer) &&
	       front_setup_stream(peer) &&
	       front_publish(peer) &&
	       bus_switch_state(peer->dev, XenbusStateInitialised);
}

/* Both ends are ready. */
static bool peer_go_live(struct peer *peer)
{
	if (!bus_switch_state(peer->dev, XenbusStateConnected))
		return false;		/* the frontend has changed meanwhile */
	bus_tell("Connected, protocol version %u.", peer->version);
	peer->stream.live = true;
	peer->dev->died = false;
	if (!READ_ONCE(peer->stream.theirs->alive))
		peer_died(peer);	/* before this */
	return true;
}

/* The frontend has published: read, check, and take what it offers. */
static bool back_connect(struct peer *peer)
{
	return back_negotiate(peer) &&
	       peer_setup_evtchn(peer) &&
	       back_setup_stream(peer) &&
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
 * The frontend has closed while this end was taking its offer. It may have seen ours, and
 * takes none while its pages are mapped. Now they are not.
 */
static void back_offer_again(struct peer *peer)
{
	bus_switch_state(peer->dev, XenbusStateInitialising);
	back_offer(peer);
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
 * The other end is a process, and its kernel says that it died. If it is no longer
 * Connected it left properly instead, as its state says; this reads that once. (A
 * frontend may have died before it was Connected.)
 */
static void peer_died(struct peer *peer)
{
	struct bus_device *dev = peer->dev;
	enum xenbus_state state;

	if (!peer->stream.live || peer->death_seen)
		return;
	peer->death_seen = true;
	state = bus_otherend_state(dev);
	if (state != XenbusStateConnected && (dev->frontend || state != XenbusStateInitialised))
		return;
	bus_tell("the %s died", bus_otherend(dev));
	dev->died = true;
	dev->status = dev->keep ? EX_OK : EX_IOERR;
	if (dev->frontend)
		peer_stop(peer);
	else
		peer_disconnect(peer);
	peer_close(peer, XenbusStateClosed);
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
		if (dev->state == XenbusStateInitWait)
			back_offer_again(peer);
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

static bool peer_stay_awake(struct bus_device *dev)
{
	return stream_stay_awake(&dev->peer->stream);
}

/* Has this end nothing more to do? */
static bool peer_finished(struct bus_device *dev)
{
	struct peer *peer = dev->peer;

	if (peer->stream.live)
		return send_only && peer->stream.input_ended && stream_synced(&peer->stream);
	return !mydevice_used(&peer->stream.rx) && !bus_stays(dev);
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
	bus_rm(dev, MYDEVICE_NODE_EVENT_CHANNEL);
	bus_rm(dev, MYDEVICE_NODE_MAX_ORDER);
	bus_rm(dev, MYDEVICE_NODE_RING_REF);
	bus_rm(dev, MYDEVICE_NODE_OUT_ORDER);
	bus_rm(dev, MYDEVICE_NODE_IN_ORDER);
}

/*
 * This end leaves, whatever the reason. It says so before it releases anything, or it
 * would seem to have died. A frontend takes its pages back when the backend has let
 * go of them; a backend lets go before it is Closed.
 */
static void peer_remove(struct bus_device *dev)
{
	struct peer *peer = dev->peer;

	stream_stop(&peer->stream);	/* as in peer_close() */
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
	struct peer *peer = dev->peer;

	stream_flush(&peer->stream);
	free(peer->stream.unread);
	xengntshr_close(peer->gntshr);
	xengnttab_close(peer->gnttab);
	xenevtchn_close(peer->evtchn);
	xtl_logger_destroy(peer->log);
	free(dev->peer);
}

const struct bus_driver bus_driver = {
	.usage = usage,
	.options = options,
	.output = true,
	.probe = peer_probe,
	.front_otherend_changed = front_otherend_changed,
	.back_otherend_changed = back_otherend_changed,
	.signalled = peer_signalled,
	.stay_awake = peer_stay_awake,
	.finished = peer_finished,
	.resume = peer_resume,
	.remove = peer_remove,
	.release = peer_release,
};
