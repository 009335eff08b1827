// SPDX-License-Identifier: GPL-2.0
/*
 * Links through device nodes: ours, and the bound's. Ours are named by the node:
 * /dev/mydeviceN in the guest, /dev/mydeviceDOMID.N in dom0.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "link.h"

/* The node comes with the device, and has a stream once it is Connected. */
static void mydevice_open(struct link *link)
{
	int flags = O_RDWR | (link->spin ? O_NONBLOCK : 0);
	unsigned int tries = 0;

	while ((link->fd = open(link->where, flags)) < 0) {
		if (errno != ENOENT && errno != ENOTCONN)
			die("%s: %m", link->where);
		try_again(link->where, &tries);
	}
}

static void mydevice_events_path(const struct link *link, char *path, size_t size)
{
	unsigned int guest, device;

	if (sscanf(link->where, "/dev/mydevice%u.%u", &guest, &device) == 2)
		snprintf(path, size, "/sys/bus/xen-backend/devices/mydevice-%u-%u/events_sent",
			 guest, device);
	else if (sscanf(link->where, "/dev/mydevice%u", &device) == 1)
		snprintf(path, size, "/sys/bus/xen/devices/mydevice-%u/events_sent", device);
	else
		die("%s is no node of a mydevice", link->where);
}

static uint64_t mydevice_events(struct link *link)
{
	char path[100], number[24] = "";
	int fd;

	mydevice_events_path(link, path, sizeof(path));
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, number, sizeof(number) - 1) <= 0)
		die("%s: %m", path);
	close(fd);
	return strtoull(number, NULL, 10);
}

static void bound_open(struct link *link)
{
	link->fd = open(link->where, O_RDWR);
	if (link->fd < 0)
		die("%s: %m", link->where);
}

const struct means mydevice = {
	.name = "mydevice",
	.open = mydevice_open,
	.read = fd_read,
	.write = fd_write,
	.events = mydevice_events,
};

const struct means bound = {
	.name = "bound",
	.open = bound_open,
	.read = fd_read,
	.write = fd_write,
};
