// SPDX-License-Identifier: GPL-2.0
/*
 * The stream of a process: standard input goes into one ring, and what comes out of the
 * other goes to standard output. Nothing here knows of XenStore, grants or event
 * channels. mydevicepeer.c includes this, as the modules include mydevicestream.c.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mydevice.h"
#include "mydevicebus.h"

/* How long the last bytes wait for a reader of standard output, in ms. */
#define FLUSH_PATIENCE	5000

/* The most that --poll-us may be, as the parameter of the modules. */
#define MAX_POLL_US	1000

/**
 * struct stream_wait - a wait for the other end
 * @since: when it began, in ns of bus_now(); 0 if there is none
 * @asked: this end does not look any more, and has asked the other one to notify
 * @was_long: the wait before it was longer than this end looks
 */
struct stream_wait {
	uint64_t since;
	bool asked;
	bool was_long;
};

/**
 * struct stream - the two rings of a connection, and what becomes of their bytes
 * @dev: the device on the bus
 * @mine: the half of the index page that this end writes
 * @theirs: the half that the other end writes
 * @rx: the ring from the other end
 * @tx: the ring to the other end
 * @live: Connected, and bytes may move
 * @seen_prod: the other end's producer index at the last event that had a reason
 * @seen_cons: its consumer index at that event
 * @input_ended: standard input is at its end
 * @rx_wait: the wait for bytes
 * @tx_wait: the wait for space
 * @awake: in one of them this end looks again, so it must not sleep
 * @unread: a copy of @rx's memory, if bytes are left there when the connection is over
 */
struct stream {
	struct bus_device *dev;
	struct mydevice_end *mine;
	struct mydevice_end *theirs;
	struct mydevice_ring rx;
	struct mydevice_ring tx;
	bool live;
	__u32 seen_prod;
	__u32 seen_cons;
	bool input_ended;
	struct stream_wait rx_wait;
	struct stream_wait tx_wait;
	bool awake;
	void *unread;
};

static unsigned int poll_us = 100;	/* how long to look before sleeping */

static void peer_notify(struct peer *peer);	/* sends an event */

/* Has the other end moved an index forward since the last event? */
static bool stream_event(struct stream *stream)
{
	bool produced = mydevice_moved(&stream->seen_prod, READ_ONCE(stream->theirs->prod),
				       stream->rx.prod, mydevice_size(&stream->rx));
	bool consumed = mydevice_moved(&stream->seen_cons, READ_ONCE(stream->theirs->cons),
				       stream->tx.cons, mydevice_size(&stream->tx));

	return produced || consumed;
}

/* The other end claims something impossible. What it sent is not written out either. */
static bool stream_break(struct stream *stream, const char *what, __u32 claim)
{
	stream->live = false;
	stream->rx.cons = stream->rx.prod;
	return bus_fatal(stream->dev, EX_PROTOCOL,
			 "the %s claims an impossible %s index %u: the connection is given up",
			 bus_otherend(stream->dev), what, claim);
}

/*
 * This end waits for bytes, or for space. Does it look again at once, instead of sleeping? A
 * sleep ends with an event, which costs more than to look for a while. A wait is likely to be
 * as long as the one before: if that was longer than this end looks, it sleeps at once.
 */
static bool stream_looks(struct stream *stream, struct stream_wait *wait)
{
	uint64_t now = bus_now();

	if (!wait->since)
		wait->since = now;
	wait->asked = wait->was_long || now - wait->since >= poll_us * 1000ull;
	stream->awake |= !wait->asked;
	return !wait->asked;
}

/* The other end has moved. If this end was still looking, the wait was not long. */
static void stream_found(struct stream_wait *wait)
{
	if (wait->since)
		wait->was_long = wait->asked && bus_now() - wait->since > poll_us * 1000ull;
	wait->since = 0;
}

/*
 * Is there something to write out? If not, this end looks again soon, or has asked the other
 * end to notify.
 */
static bool stream_readable(void *data)
{
	struct stream *stream = data;
	struct mydevice_ring *rx = &stream->rx;
	bool honest;

	if (!stream->live || mydevice_used(rx))
		return mydevice_used(rx);
	honest = mydevice_look_prod(rx, stream->theirs);
	if (honest && !mydevice_used(rx) && !stream_looks(stream, &stream->rx_wait))
		honest = mydevice_ask_prod(rx, stream->mine, stream->theirs);
	if (!honest)
		return stream_break(stream, "producer", rx->claim);
	if (mydevice_used(rx))
		stream_found(&stream->rx_wait);
	return mydevice_used(rx);
}

/* Can input be taken? As above, for space. */
static bool stream_writable(void *data)
{
	struct stream *stream = data;
	struct mydevice_ring *tx = &stream->tx;
	bool honest;

	if (!stream->live || stream->input_ended)
		return false;
	if (mydevice_free(tx))
		return true;
	honest = mydevice_look_cons(tx, stream->theirs);
	if (honest && !mydevice_free(tx) && !stream_looks(stream, &stream->tx_wait))
		honest = mydevice_ask_cons(tx, stream->mine, stream->theirs,
					   mydevice_space_event(tx));
	if (!honest)
		return stream_break(stream, "consumer", tx->claim);
	if (mydevice_free(tx))
		stream_found(&stream->tx_wait);
	return mydevice_free(tx);
}

/* Asked before each wait, after the two above. */
static bool stream_stay_awake(struct stream *stream)
{
	bool awake = stream->awake;

	stream->awake = false;
	return awake;
}

/* Has the other end consumed everything that was sent? As above. */
static bool stream_synced(struct stream *stream)
{
	struct mydevice_ring *tx = &stream->tx;

	if (mydevice_look_cons(tx, stream->theirs) &&
	    (!mydevice_used(tx) || mydevice_ask_cons(tx, stream->mine, stream->theirs, tx->prod)))
		return !mydevice_used(tx);
	return stream_break(stream, "consumer", tx->claim);
}

/* After the last unread byte has been written out, the next connection may begin. */
static void stream_drop(struct stream *stream)
{
	if (mydevice_used(&stream->rx))
		return;
	free(stream->unread);
	stream->unread = NULL;
	if (!stream->dev->done)
		bus_follow(stream->dev);
}

/* Tells the other end what was consumed, as long as there is a connection. */
static void stream_consumed(struct stream *stream, __u32 len)
{
	__u32 before = stream->rx.cons;

	stream->rx.cons += len;
	if (stream->unread)
		stream_drop(stream);
	else if (mydevice_tell_cons(&stream->rx, stream->mine, stream->theirs, before))
		peer_notify(stream->dev->peer);
}

/* Tells the other end what was produced. */
static void stream_produced(struct stream *stream, __u32 len)
{
	__u32 before = stream->tx.prod;

	stream->tx.prod += len;
	stream->rx_wait.since = 0;	/* an answer may come soon */
	if (mydevice_tell_prod(&stream->tx, stream->mine, stream->theirs, before))
		peer_notify(stream->dev->peer);
}

/*
 * Output can be written. A pipe that poll() calls writable takes PIPE_BUF bytes at
 * once; more could block, and the other end would wait for an answer to its states.
 */
static void stream_output(void *data)
{
	struct stream *stream = data;
	__u32 len = mydevice_used(&stream->rx);
	const char *bytes;
	ssize_t n;

	if (!stream->live && !stream->unread)
		return;		/* no longer, since it was checked */
	bytes = mydevice_at(&stream->rx, stream->rx.cons, &len);
	n = write(STDOUT_FILENO, bytes, len < PIPE_BUF ? len : PIPE_BUF);
	if (n > 0)
		stream_consumed(stream, n);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		bus_fatal(stream->dev, EX_IOERR, "standard output: %s", strerror(errno));
}

/* There is input, and space for it: it is read straight into the ring. */
static void stream_input(void *data)
{
	struct stream *stream = data;
	__u32 len = mydevice_free(&stream->tx);
	char *space;
	ssize_t n;

	if (!stream->live)
		return;		/* no longer, since it was checked */
	space = mydevice_at(&stream->tx, stream->tx.prod, &len);
	n = read(STDIN_FILENO, space, len);
	if (n > 0)
		stream_produced(stream, n);
	else if (n == 0)
		stream->input_ended = true;
	else if (errno != EAGAIN && errno != EINTR)
		bus_fatal(stream->dev, EX_IOERR, "standard input: %s", strerror(errno));
}

/* The stream has its pages: both rings are empty. */
static void stream_begin(struct stream *stream, struct mydevice_end *mine,
			 struct mydevice_end *theirs)
{
	mydevice_begin(&stream->rx, &stream->tx, mine, theirs);
	stream->seen_prod = stream->rx.prod;
	stream->seen_cons = stream->tx.cons;
	stream->rx_wait = (struct stream_wait){ .was_long = true };
	stream->tx_wait = (struct stream_wait){ .was_long = true };
	stream->awake = false;
	stream->mine = mine;
	stream->theirs = theirs;
}

/*
 * Keeps a copy of what the other end sent and this end has not written out yet, because
 * the pages will be gone. An earlier connection has left none: see peer_is_free().
 */
static void stream_keep_unread(struct stream *stream)
{
	__u32 used = mydevice_used(&stream->rx), size = mydevice_size(&stream->rx);

	if (!used)
		return;
	stream->unread = malloc(size);
	if (!stream->unread) {
		stream->rx.cons = stream->rx.prod;
		stream->dev->status = EX_OSERR;
		bus_tell("no memory: %u unread bytes are lost", used);
		return;
	}
	memcpy(stream->unread, stream->rx.page[0], size);
	mydevice_set_pages(&stream->rx, stream->unread);
}

/* The end of the connection. What the other end has moved until now still counts. */
static void stream_stop(struct stream *stream)
{
	struct bus_device *dev = stream->dev;

	if (stream->live && !mydevice_look_prod(&stream->rx, stream->theirs))
		stream_break(stream, "producer", stream->rx.claim);
	if (stream->live && !mydevice_look_cons(&stream->tx, stream->theirs))
		stream_break(stream, "consumer", stream->tx.claim);
	if (!stream->live)
		return;
	stream->live = false;
	stream_keep_unread(stream);
	if (!mydevice_used(&stream->tx))
		return;
	bus_tell("%u bytes had not been read by the %s", mydevice_used(&stream->tx),
		 bus_otherend(dev));
	dev->status = dev->keep ? EX_OK : EX_IOERR;
}

/*
 * Writes out the last bytes as long as a reader takes them, without waiting for it if a
 * signal has told this process to end. The other bytes are lost.
 */
static void stream_flush(struct stream *stream)
{
	struct bus_device *dev = stream->dev;
	struct pollfd fds[] = {
		{ .fd = STDOUT_FILENO, .events = POLLOUT },
		{ .fd = dev->signals, .events = POLLIN },
	};
	__u32 left, before = 0;

	dev->broken = true;	/* there is nothing to give up any more */
	while ((left = mydevice_used(&stream->rx)) && left != before) {
		before = left;
		if (poll(fds, 2, dev->told_to_end ? 0 : FLUSH_PATIENCE) <= 0)
			break;
		if (fds[1].revents)
			dev->told_to_end = true;
		if (fds[0].revents)
			stream_output(stream);
	}
	if (!left)
		return;
	bus_say("%u bytes of the %s's were not written out, and are lost", left,
		bus_otherend(dev));
	dev->status = dev->status ? dev->status : EX_IOERR;
}
