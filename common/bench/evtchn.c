// SPDX-License-Identifier: GPL-2.0
/*
 * An event channel with user space at both ends, by libxenevtchn: no bytes, only
 * bells. The guest's end puts its port into XenStore, under the link's name.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenevtchn.h>
#include <xenstore.h>

#include "link.h"

static struct xs_handle *store(void)
{
	struct xs_handle *xs = xs_open(0);

	if (!xs)
		die("XenStore: %m");
	return xs;
}

static ssize_t evtchn_read(struct link *link, void *buf, size_t len)
{
	xenevtchn_port_or_error_t port = xenevtchn_pending(link->handle);

	if (port != link->port || xenevtchn_unmask(link->handle, port))
		return -1;
	memset(buf, 'S', len);
	return len;
}

static ssize_t evtchn_write(struct link *link, const void *buf, size_t len)
{
	(void)buf;
	return xenevtchn_notify(link->handle, link->port) ? -1 : (ssize_t)len;
}

static void evtchn_offer(struct link *link)
{
	struct xs_handle *xs = store();
	char port[12];

	link->port = xenevtchn_bind_unbound_port(link->handle, link->peer);
	if (link->port < 0)
		die("an event channel for domain %u: %m", link->peer);
	snprintf(port, sizeof(port), "%d", link->port);
	if (!xs_write(xs, XBT_NULL, link->where, port, strlen(port)))
		die("writing %s: %m", link->where);
	xs_close(xs);
}

/* To bind makes one event at this end, which nobody sent. */
static void evtchn_meet(struct link *link)
{
	struct xs_handle *xs = store();
	unsigned int tries = 0, len;
	char *port, byte;

	while (!(port = xs_read(xs, XBT_NULL, link->where, &len)))
		try_again(link->where, &tries);
	link->port = xenevtchn_bind_interdomain(link->handle, link->peer, atoi(port));
	if (link->port < 0)
		die("domain %u's port %s: %m", link->peer, port);
	free(port);
	xs_close(xs);
	evtchn_read(link, &byte, 1);
}

static void evtchn_open(struct link *link)
{
	link->handle = xenevtchn_open(NULL, 0);
	if (!link->handle)
		die("/dev/xen/evtchn: %m");
	if (link->leader)
		evtchn_meet(link);
	else
		evtchn_offer(link);
}

static void evtchn_close(struct link *link)
{
	struct xs_handle *xs;

	xenevtchn_close(link->handle);
	if (link->leader)
		return;
	xs = store();
	if (!xs_rm(xs, XBT_NULL, link->where))
		die("removing %s: %m", link->where);
	xs_close(xs);
}

const struct means evtchn = {
	.name = "evtchn",
	.bells_only = true,
	.open = evtchn_open,
	.read = evtchn_read,
	.write = evtchn_write,
	.close = evtchn_close,
};
