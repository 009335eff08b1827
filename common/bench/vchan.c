// SPDX-License-Identifier: GPL-2.0
/*
 * Links through libxenvchan. The guest's end is the server: it grants the
 * rings, as our frontend does. A link is named by where it is in XenStore.
 */
#include <errno.h>
#include <libxenvchan.h>
#include <stdio.h>
#include <stdlib.h>
#include <xenstore.h>

#include "link.h"

static struct libxenvchan *vchan_meet(struct link *link)
{
	struct libxenvchan *chan;
	unsigned int tries = 0;

	while (!(chan = libxenvchan_client_init(NULL, link->peer, link->where)))
		try_again(link->where, &tries);
	return chan;
}

static void vchan_open(struct link *link)
{
	struct libxenvchan *chan;
	unsigned int tries = 0;

	if (link->leader)
		chan = vchan_meet(link);
	else
		chan = libxenvchan_server_init(NULL, link->peer, link->where,
					       link->ring, link->ring);
	if (!chan)
		die("vchan %s with rings of %zu bytes: %m", link->where, link->ring);
	while (libxenvchan_is_open(chan) == 2)	/* a server, and nobody is there yet */
		try_again("vchan's other end", &tries);
	chan->blocking = !link->spin;
	link->handle = chan;
}

static ssize_t vchan_moved(int ret)
{
	if (ret == 0) {
		errno = EAGAIN;
		return -1;
	}
	return ret;
}

static ssize_t vchan_read(struct link *link, void *buf, size_t len)
{
	return vchan_moved(libxenvchan_read(link->handle, buf, len));
}

static ssize_t vchan_write(struct link *link, const void *buf, size_t len)
{
	return vchan_moved(libxenvchan_write(link->handle, buf, len));
}

/* The kernel names the interrupt of a process's event channel after the process. */
static uint64_t vchan_events(struct link *link)
{
	(void)link;
	return interrupts("evtchn:streams", NULL);
}

static void vchan_close(struct link *link)
{
	struct xs_handle *xs;

	libxenvchan_close(link->handle);
	if (link->leader)
		return;
	xs = xs_open(0);
	if (!xs || !xs_rm(xs, XBT_NULL, link->where))
		die("removing %s: %m", link->where);
	xs_close(xs);
}

const struct means vchan = {
	.name = "vchan",
	.open = vchan_open,
	.read = vchan_read,
	.write = vchan_write,
	.events = vchan_events,
	.close = vchan_close,
};
