// SPDX-License-Identifier: GPL-2.0
/*
 * Links through netfront and netback. A link is named ADDRESS:PORT, which is the
 * guest's; that end listens. Offloads are on by default; how large the socket's
 * buffers may grow is a setting of the domain's, and the kernel finds what is
 * best by itself, so nothing is set here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <fcntl.h>

#include "link.h"

static struct sockaddr_in tcp_address(const char *where)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	unsigned short port;
	char host[16];

	if (sscanf(where, "%15[0-9.]:%hu", host, &port) != 2 ||
	    inet_pton(AF_INET, host, &address.sin_addr) != 1)
		die("%s is not ADDRESS:PORT", where);
	address.sin_port = htons(port);
	return address;
}

static int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket: %m");
	return fd;
}

static int tcp_accept(const struct sockaddr_in *address)
{
	int fd, listener = tcp_socket(), one = 1;

	if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(listener, (const struct sockaddr *)address, sizeof(*address)) ||
	    listen(listener, 1))
		die("listening: %m");
	fd = accept(listener, NULL, NULL);
	close(listener);
	return fd;
}

static int tcp_connect(const struct sockaddr_in *address)
{
	unsigned int tries = 0;
	int fd;

	for (;;) {
		fd = tcp_socket();
		if (!connect(fd, (const struct sockaddr *)address, sizeof(*address)))
			return fd;
		if (errno != ECONNREFUSED)
			die("connecting: %m");
		close(fd);
		try_again("the TCP connection", &tries);
	}
}

static void tcp_open(struct link *link)
{
	struct sockaddr_in address = tcp_address(link->where);
	int one = 1;

	link->fd = link->leader ? tcp_connect(&address) : tcp_accept(&address);
	if (link->fd < 0 ||
	    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	    (link->spin && fcntl(link->fd, F_SETFL, O_NONBLOCK)))
		die("%s: %m", link->where);
}

/* The interrupts of the network device: vifN.N in dom0, eth0 in a guest. */
static uint64_t tcp_events(struct link *link)
{
	(void)link;
	return interrupts("vif", "eth0-q");
}

const struct means tcp = {
	.name = "tcp",
	.open = tcp_open,
	.read = fd_read,
	.write = fd_write,
	.events = tcp_events,
};
