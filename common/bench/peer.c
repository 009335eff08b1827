// SPDX-License-Identifier: GPL-2.0
/*
 * Links between two processes that each drive an end of our device: the driver of the
 * last stage as it is, between a bus that finds the device and this program in place of
 * standard input and output. A link is named after its device: N in the guest, DOMID.N in
 * dom0.
 */
#include "../../03-shared-memory/mydevicepeer.c"

#include <stdio.h>

#include "link.h"

/* The command line of that process, without the program's main(). */
static struct bus_device *open_device(const struct link *link)
{
	char name[] = "mydevicepeer", option[] = "--device", ring[] = "--ring-page-order";
	char front[] = "--frontend", back[] = "--backend", device[16], order[16], domid[16];
	char *argv[] = { name, option, device, ring, order, front, NULL, NULL };
	unsigned int guest, number;
	int argc = 6;

	if (sscanf(link->where, "%u.%u", &guest, &number) == 2) {
		snprintf(domid, sizeof(domid), "%u", guest);
		argv[5] = back;
		argv[argc++] = domid;
	} else if (sscanf(link->where, "%u", &number) != 1) {
		die("%s is no device", link->where);
	}
	snprintf(device, sizeof(device), "%u", number);
	snprintf(order, sizeof(order), "%d", __builtin_ctz(link->ring / MYDEVICE_PAGE_SIZE));
	return bus_open(argc, argv);
}

static void peer_open(struct link *link)
{
	struct bus_device *dev = open_device(link);

	memset(&dev->files[FILE_INPUT], 0, sizeof(dev->files[FILE_INPUT]));
	memset(&dev->files[FILE_OUTPUT], 0, sizeof(dev->files[FILE_OUTPUT]));
	while (!dev->done && !dev->peer->stream.live)
		bus_wait(dev);
	if (!dev->peer->stream.live)
		die("%s does not reach Connected", link->where);
	if (link->spin) {
		poll_us = UINT_MAX;	/* an hour, which is for ever here */
		dev->peer->stream.rx_wait.was_long = false;
		dev->peer->stream.tx_wait.was_long = false;
	}
	link->handle = dev->peer;
}

/*
 * There is nothing yet. Returns whether to look again: not in this call, if this end spins. It sleeps
 * only if the look has asked the other end to notify.
 */
static bool peer_wait(const struct link *link, struct peer *peer)
{
	if (stream_stay_awake(&peer->stream)) {
		errno = EAGAIN;
		relax();
		return !link->spin;
	}
	while (peer->dev->timer_at)
		if (bus_now() >= peer->dev->timer_at)
			peer_unmask(peer);
	peer_interrupt(peer);
	errno = EPIPE;
	return peer->stream.live;
}

static ssize_t peer_take(struct link *link, void *buf, size_t len)
{
	struct peer *peer = link->handle;
	struct stream *stream = &peer->stream;
	const char *bytes;
	size_t done = 0;
	uint32_t n;

	while (!stream_readable(stream))
		if (!peer_wait(link, peer))
			return -1;
	while (done < len && mydevice_used(&stream->rx)) {
		n = mydevice_used(&stream->rx);
		bytes = mydevice_at(&stream->rx, stream->rx.cons, &n);
		if (n > len - done)
			n = len - done;
		memcpy((char *)buf + done, bytes, n);
		stream_consumed(stream, n);
		done += n;
	}
	return done;
}

static ssize_t peer_put(struct link *link, const void *buf, size_t len)
{
	struct peer *peer = link->handle;
	struct stream *stream = &peer->stream;
	size_t done = 0;
	char *space;
	uint32_t n;

	while (done < len) {
		if (!stream_writable(stream)) {
			if (peer_wait(link, peer))
				continue;
			return done ? (ssize_t)done : -1;
		}
		n = mydevice_free(&stream->tx);
		space = mydevice_at(&stream->tx, stream->tx.prod, &n);
		if (n > len - done)
			n = len - done;
		memcpy(space, (const char *)buf + done, n);
		stream_produced(stream, n);
		done += n;
	}
	return done;
}

static uint64_t peer_events(struct link *link)
{
	struct peer *peer = link->handle;

	return peer->events_sent;
}

static void peer_part(struct link *link)
{
	struct peer *peer = link->handle;

	bus_leave(peer->dev);
}

const struct means peer = {
	.name = "peer",
	.open = peer_open,
	.read = peer_take,
	.write = peer_put,
	.events = peer_events,
	.close = peer_part,
};
