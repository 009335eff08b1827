// SPDX-License-Identifier: GPL-2.0
/*
 * Links between two processes that each drive an end of our device: the program of
 * the last stage as it is, but for its main. A link is named after its device: N in
 * the guest, DOMID.N in dom0.
 */
#define main mydevicepeer_main
#define die mydevicepeer_die
#include "../../03-shared-memory/mydevicepeer.c"
#undef main
#undef die

#include "link.h"

static struct peer *peer_of(const struct link *link)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	unsigned int domid, device;

	if (!peer)
		die("no memory");
	peer->order = __builtin_ctz(link->ring / MYDEVICE_PAGE_SIZE);
	if (sscanf(link->where, "%u.%u", &domid, &device) == 2)
		snprintf(peer->dir, sizeof(peer->dir), "backend/mydevice/%u/%u", domid, device);
	else if (sscanf(link->where, "%u", &device) == 1)
		snprintf(peer->dir, sizeof(peer->dir), "device/mydevice/%u", device);
	else
		die("%s is no device", link->where);
	peer->frontend = peer->dir[0] == 'd';
	peer->device = device;
	return peer;
}

static void peer_open(struct link *link)
{
	struct peer *peer = peer_of(link);

	peer_find(peer);
	peer_claim(peer);
	peer_begin(peer);
	while (!peer->done && !peer->live)
		peer_wait(peer);
	if (!peer->live)
		die("%s does not come to Connected", link->where);
	link->handle = peer;
}

/* Sleeps until the other end notifies; or does not, if this one spins. */
static bool peer_sleep(const struct link *link, struct peer *peer)
{
	while (!link->spin && peer->unmask_at)
		if (now_ns() >= peer->unmask_at)
			peer_unmask(peer);
	if (!link->spin)
		peer_event(peer);
	errno = EAGAIN;
	return !link->spin && peer->live;
}

static ssize_t peer_take(struct link *link, void *buf, size_t len)
{
	struct peer *peer = link->handle;
	const char *bytes;
	size_t done = 0;
	uint32_t n;

	while (!stream_readable(peer))
		if (!peer_sleep(link, peer))
			return -1;
	while (done < len && mydevice_used(&peer->rx)) {
		bytes = stream_bytes(peer, &n);
		if (n > len - done)
			n = len - done;
		memcpy((char *)buf + done, bytes, n);
		stream_consumed(peer, n);
		done += n;
	}
	return done;
}

static ssize_t peer_put(struct link *link, const void *buf, size_t len)
{
	struct peer *peer = link->handle;
	size_t done = 0;
	char *space;
	uint32_t n;

	while (done < len) {
		if (!stream_writable(peer)) {
			if (peer_sleep(link, peer))
				continue;
			return done ? (ssize_t)done : -1;
		}
		space = stream_space(peer, &n);
		if (n > len - done)
			n = len - done;
		memcpy(space, (const char *)buf + done, n);
		stream_produced(peer, n);
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
	peer_leave(link->handle);
}

const struct means peer = {
	.name = "peer",
	.open = peer_open,
	.read = peer_take,
	.write = peer_put,
	.events = peer_events,
	.close = peer_part,
};
