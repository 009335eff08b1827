// SPDX-License-Identifier: GPL-2.0
/*
 * fionread DEVICE BYTES... - say what FIONREAD says; read so many bytes, and say it again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void say(int fd)
{
	int bytes;

	if (ioctl(fd, FIONREAD, &bytes))
		printf("%s\n", strerror(errno));
	else
		printf("%d\n", bytes);
}

static int take(int fd, long bytes)
{
	static char buffer[65536];

	while (bytes > 0) {
		ssize_t got = read(fd, buffer, bytes < 65536 ? bytes : 65536);

		if (got <= 0)
			return -1;
		bytes -= got;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;

	if (fd < 0) {
		perror(argc > 1 ? argv[1] : "fionread");
		return 1;
	}
	say(fd);
	for (int i = 2; i < argc; i++) {
		if (take(fd, atol(argv[i]))) {
			perror("read");
			return 1;
		}
		say(fd);
	}
	return 0;
}
