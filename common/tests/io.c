// SPDX-License-Identifier: GPL-2.0
/*
 * io - make system calls on a device node, one after the other, and print what
 * each returns: the number, or the error's name.
 *
 *	io /dev/mydevice0 open:rw read:5 write:hello poll close
 *
 *	open:MODE	MODE is r, w or rw, and n for O_NONBLOCK
 *	read:N		prints the number and, after a blank, the bytes if N <= 64
 *	write:TEXT	writes the text
 *	fill:N		writes N bytes of zeros with one call
 *	poll:MS		waits for input or space, prints the events
 *	pollin:MS	waits for input alone
 *	sleep:MS	waits
 *	close		closes
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *device;
static int fd = -1;

static int open_device(const char *mode)
{
	int flags = strchr(mode, 'n') ? O_NONBLOCK : 0;

	if (strchr(mode, 'r') && strchr(mode, 'w'))
		flags |= O_RDWR;
	else if (strchr(mode, 'w'))
		flags |= O_WRONLY;
	fd = open(device, flags);
	return fd < 0 ? -1 : 0;
}

static int poll_device(const char *ms, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	int ret = poll(&pfd, 1, atoi(ms));

	if (ret < 0)
		return ret;
	printf("poll%s%s%s%s\n", pfd.revents & POLLIN ? " in" : "",
	       pfd.revents & POLLOUT ? " out" : "",
	       pfd.revents & POLLHUP ? " hup" : "",
	       pfd.revents & POLLERR ? " err" : "");
	return 0;
}

static long read_device(size_t n)
{
	char *buf = calloc(1, n + 1);
	ssize_t got = buf ? read(fd, buf, n) : -1;

	if (got >= 0)
		printf("read %zd%s%s\n", got, got && n <= 64 ? " " : "",
		       n <= 64 ? buf : "");
	free(buf);
	return got;
}

static long write_device(const void *bytes, size_t n)
{
	ssize_t done = bytes ? write(fd, bytes, n) : -1;

	if (done >= 0)
		printf("write %zd\n", done);
	return done;
}

static long one_call(const char *what, const char *arg)
{
	if (!strcmp(what, "open"))
		return open_device(arg);
	if (!strcmp(what, "close"))
		return close(fd);
	if (!strcmp(what, "poll"))
		return poll_device(arg, POLLIN | POLLOUT);
	if (!strcmp(what, "pollin"))
		return poll_device(arg, POLLIN);
	if (!strcmp(what, "read"))
		return read_device(strtoul(arg, NULL, 10));
	if (!strcmp(what, "write"))
		return write_device(arg, strlen(arg));
	if (!strcmp(what, "fill"))
		return write_device(calloc(1, strtoul(arg, NULL, 10)),
				    strtoul(arg, NULL, 10));
	if (!strcmp(what, "sleep"))
		return usleep(strtoul(arg, NULL, 10) * 1000);
	fprintf(stderr, "io: there is no call '%s'\n", what);
	exit(64);
}

int main(int argc, char **argv)
{
	int i;

	if (argc < 3) {
		fprintf(stderr, "usage: io DEVICE CALL[:ARGUMENT]...\n");
		return 64;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	device = argv[1];
	for (i = 2; i < argc; i++) {
		char *arg = strchr(argv[i], ':');

		if (arg)
			*arg++ = '\0';
		if (one_call(argv[i], arg ? arg : "") < 0)
			printf("%s %s\n", argv[i], strerrorname_np(errno));
	}
	return 0;
}
