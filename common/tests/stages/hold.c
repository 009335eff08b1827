// SPDX-License-Identifier: GPL-2.0
/*
 * Holds up a process, into which it is preloaded, at a moment that is hard to hit from
 * outside: before it reads the node of XenStore whose name is in /tmp/hold, or before it
 * writes NODE=VALUE, if that is there, or after the transaction with that, if NODE=VALUE! is.
 * It moves the file to /tmp/held, and goes on when that is gone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xenstore.h>

static char wrote[64];		/* with the mark of exclamation */

static void hold(const char *what)
{
	char wanted[64] = "";
	int fd = open("/tmp/hold", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, wanted, sizeof(wanted) - 1);
	close(fd);
	if (n < 0 || strcmp(wanted, what) || rename("/tmp/hold", "/tmp/held"))
		return;
	while (!access("/tmp/held", F_OK))
		usleep(10000);
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
	void *(*next)(struct xs_handle *h, xs_transaction_t t, const char *path,
		      unsigned int *len) = dlsym(RTLD_NEXT, "xs_read");

	hold(name_of(path));
	return next(h, t, path, len);
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data,
	      unsigned int len)
{
	bool (*next)(struct xs_handle *h, xs_transaction_t t, const char *path,
		     const void *data, unsigned int len) = dlsym(RTLD_NEXT, "xs_write");
	char what[64];

	snprintf(what, sizeof(what), "%s=%.*s", name_of(path), (int)len, (const char *)data);
	hold(what);
	snprintf(wrote, sizeof(wrote), "%.62s!", what);
	return next(h, t, path, data, len);
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
	bool (*next)(struct xs_handle *h, xs_transaction_t t, bool abort) =
		dlsym(RTLD_NEXT, "xs_transaction_end");
	bool done = next(h, t, abort);

	if (done && !abort)
		hold(wrote);
	return done;
}
