// SPDX-License-Identifier: GPL-2.0
/*
 * Two pipes between two processes of one domain, made before there are two.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "link.h"

static int down[2], up[2];

static void make_pipe(int fds[2], size_t ring, bool spin)
{
	if (pipe2(fds, spin ? O_NONBLOCK : 0) ||
	    fcntl(fds[0], F_SETPIPE_SZ, ring) != (int)ring)
		die("a pipe of %zu bytes: %m", ring);
}

static void pipes_prepare(size_t ring, bool spin)
{
	make_pipe(down, ring, spin);
	make_pipe(up, ring, spin);
}

static void pipes_open(struct link *link)
{
	(void)link;
}

static ssize_t pipes_read(struct link *link, void *buf, size_t len)
{
	return read(link->leader ? up[0] : down[0], buf, len);
}

static ssize_t pipes_write(struct link *link, const void *buf, size_t len)
{
	return write(link->leader ? down[1] : up[1], buf, len);
}

const struct means pipes = {
	.name = "pipe",
	.prepare = pipes_prepare,
	.open = pipes_open,
	.read = pipes_read,
	.write = pipes_write,
};
