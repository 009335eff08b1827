// SPDX-License-Identifier: GPL-2.0
/*
 * hold WHAT N - take N of something that a domain has a limit of, say how many it got,
 * and hold them until its input ends.
 *
 *	ports		event channels
 *	pages		of gntalloc, granted to dom0
 *	transactions	of XenStore, by the kernel's connection
 *	watches
 *	nodes		below data/many, which stay: xenstore-rm data/many
 *
 * It says with what the last one was refused. A node is tried for again, for as long as
 * HOLD_S, unless it was refused because of the quota: that is what has to be reached.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/evtchn.h>
#include <xen/gntalloc.h>
#include <xen/io/xs_wire.h>

#define HOLD_S	120

static char refusal[32];	/* XenStore's word for it */
static int evtchn = -1, gntalloc = -1, xenbus = -1;

static bool take_port(unsigned int i)
{
	struct ioctl_evtchn_bind_unbound_port bind = { .remote_domain = 0 };

	(void)i;
	return ioctl(evtchn, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &bind) >= 0;
}

static bool take_page(unsigned int i)
{
	struct ioctl_gntalloc_alloc_gref alloc = { .domid = 0, .count = 1 };

	(void)i;
	return !ioctl(gntalloc, IOCTL_GNTALLOC_ALLOC_GREF, &alloc) &&
	       mmap(NULL, 4096, PROT_READ, MAP_SHARED, gntalloc, alloc.index) != MAP_FAILED;
}

/* Send a request, and read its answer; not the event of a watch. */
static bool ask(uint32_t type, const char *payload, size_t len)
{
	struct xsd_sockmsg msg = { .type = type, .req_id = 1, .len = len };
	char buffer[4096];

	memcpy(buffer, &msg, sizeof(msg));
	memcpy(buffer + sizeof(msg), payload, len);
	if (write(xenbus, buffer, sizeof(msg) + len) < 0)
		return false;
	do {
		if (read(xenbus, &msg, sizeof(msg)) != sizeof(msg) ||
		    (msg.len && read(xenbus, buffer, msg.len) != (ssize_t)msg.len))
			return false;
	} while (msg.type == XS_WATCH_EVENT);
	if (msg.type == XS_ERROR)
		snprintf(refusal, sizeof(refusal), "%.*s", (int)(msg.len < 31 ? msg.len : 31), buffer);
	return msg.type == type;
}

static bool take_transaction(unsigned int i)
{
	(void)i;
	return ask(XS_TRANSACTION_START, "", 1);
}

static bool take_watch(unsigned int i)
{
	char payload[64];
	int len = snprintf(payload, sizeof(payload), "device%c%u", '\0', i);

	return ask(XS_WATCH, payload, len + 1);
}

/* A directory's names are part of its size, so 50 to each. */
static bool take_node(unsigned int i)
{
	time_t end = time(NULL) + HOLD_S;
	char payload[64];
	int len = snprintf(payload, sizeof(payload), "data/many/%u/%u%cx", i / 50, i % 50, '\0');

	while (!ask(XS_WRITE, payload, len)) {
		if (!strcmp(refusal, "ENOSPC") || !strcmp(refusal, "EQUOTA") || time(NULL) >= end)
			return false;
		usleep(100000);
	}
	return true;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *what;
		const char *file;
		int *fd;
		bool (*take)(unsigned int i);
	} all[] = {
		{ "ports", "/dev/xen/evtchn", &evtchn, take_port },
		{ "pages", "/dev/xen/gntalloc", &gntalloc, take_page },
		{ "transactions", "/dev/xen/xenbus", &xenbus, take_transaction },
		{ "watches", "/dev/xen/xenbus", &xenbus, take_watch },
		{ "nodes", "/dev/xen/xenbus", &xenbus, take_node },
	};
	const unsigned int nr = sizeof(all) / sizeof(all[0]);
	unsigned int i = 0, n = 0, wanted = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	char byte;

	while (wanted && i < nr && strcmp(all[i].what, argv[1]))
		i++;
	if (!wanted || i == nr) {
		fprintf(stderr, "usage: hold ports|pages|transactions|watches|nodes N\n");
		return 64;
	}
	*all[i].fd = open(all[i].file, O_RDWR);
	while (*all[i].fd >= 0 && n < wanted && all[i].take(n))
		n++;
	printf("%u %s: %s\n", n, argv[1], n == wanted ? "all" : refusal[0] ? refusal : strerror(errno));
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
