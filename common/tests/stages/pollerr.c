// SPDX-License-Identifier: GPL-2.0
/*
 * mydevicepeer of the last stage, in a kernel whose files can fail: poll() says POLLERR of
 * the one whose number is in /tmp/pollerr, a digit, as soon as that is there.
 */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

static int spoiled_poll(struct pollfd *fds, nfds_t nr, int timeout);

#define poll spoiled_poll
#include "../../../03-shared-memory/mydevicebus.c"
#undef poll
#include "../../../03-shared-memory/mydevicepeer.c"

static int spoiled_poll(struct pollfd *fds, nfds_t nr, int timeout)
{
	int fd = open("/tmp/pollerr", O_RDONLY | O_CLOEXEC);
	int wait = timeout < 0 || timeout > 500 ? 500 : timeout;	/* the file may come */
	int ready = poll(fds, nr, fd < 0 ? wait : 0);
	char which = 0;

	if (fd < 0)
		return ready;
	if (read(fd, &which, 1) == 1 && which >= '0' && (nfds_t)(which - '0') < nr) {
		fds[which - '0'].revents |= POLLERR;
		ready++;
	}
	close(fd);
	return ready;
}
