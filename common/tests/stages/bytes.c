// SPDX-License-Identifier: GPL-2.0
/*
 * bytes - send bytes through a device node, or receive and check them, in as many
 * ways as there are.
 *
 *	bytes DEVICE send|receive NUMBER SEED
 *
 * Every byte follows from the seed and its place in the stream, so the receiver
 * knows what must come, and says where the first wrong byte is. Sizes, offsets in
 * memory, pauses, and whether a call blocks, polls or gathers are random,
 * and follow from the seed, too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define LARGEST		(600 * 1024)	/* more than two of the usual rings */
#define OFFSETS		64

static const char *device;
static int fd;
static uint64_t seed;
static uint64_t luck;
static _Alignas(4096) unsigned char buffer[LARGEST + OFFSETS + 8];
static unsigned char wanted[LARGEST + 16];

static void die(const char *what)
{
	fprintf(stderr, "bytes: %s: %s: %s\n", device, what, strerror(errno));
	exit(1);
}

/* The finaliser of splitmix64: neighbours have nothing in common. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint64_t chance(uint64_t n)
{
	luck += 0x9e3779b97f4a7c15u;
	return mix(luck) % n;
}

/* Writes the bytes of the stream from a place on, in whole words. */
static unsigned char *stream_at(unsigned char *words, uint64_t place, size_t n)
{
	uint64_t first = place / 8, last = (place + n + 7) / 8, i, word;

	for (i = first; i < last; i++) {
		word = mix(seed + i * 0x9e3779b97f4a7c15u);
		memcpy(words + (i - first) * 8, &word, 8);
	}
	return words + place % 8;
}

/* Small ones are as frequent as large ones, and the edges of pages and rings too. */
static size_t some_size(uint64_t left)
{
	static const size_t edges[] = {
		1, 4095, 4096, 4097, 65535, 65536, 65537, 262143, 262144, 262145
	};
	size_t n;

	if (chance(4))
		n = 1 + chance((uint64_t)1 << (1 + chance(19)));
	else
		n = edges[chance(sizeof(edges) / sizeof(edges[0]))];
	return n < left ? n : left;
}

static void set_blocking(int blocking)
{
	int flags = fcntl(fd, F_GETFL);

	if (fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK))
		die("fcntl");
}

static void wait_until_ready(short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	if (poll(&pfd, 1, -1) != 1)
		die("poll");
}

static struct iovec *cut_in_three(unsigned char *bytes, size_t n)
{
	static struct iovec iov[3];
	size_t a = n / 7, b = n / 3;

	iov[0] = (struct iovec){ bytes, a };
	iov[1] = (struct iovec){ bytes + a, b };
	iov[2] = (struct iovec){ bytes + a + b, n - a - b };
	return iov;
}

static ssize_t send_some(unsigned char *bytes, size_t n)
{
	int how = chance(3);
	ssize_t done;

	set_blocking(how != 1);
	if (how == 2)
		return writev(fd, cut_in_three(bytes, n), 3);
	while ((done = write(fd, bytes, n)) < 0 && errno == EAGAIN && how == 1)
		wait_until_ready(POLLOUT);
	return done;
}

static ssize_t receive_some(unsigned char *bytes, size_t n)
{
	int how = chance(3);
	ssize_t done;

	set_blocking(how != 1);
	if (how == 2)
		return readv(fd, cut_in_three(bytes, n), 3);
	while ((done = read(fd, bytes, n)) < 0 && errno == EAGAIN && how == 1)
		wait_until_ready(POLLIN);
	return done;
}

static void send_all(uint64_t number)
{
	uint64_t place = 0;
	ssize_t done;
	size_t n;

	while (place < number) {
		n = some_size(number - place);
		done = send_some(stream_at(buffer + chance(OFFSETS), place, n), n);
		if (done <= 0)
			die("writing");
		place += done;
		if (!chance(300))
			usleep(chance(3000));
	}
	set_blocking(1);
	if (fsync(fd) && errno != EINVAL)	/* a pipe has no such thing */
		die("fsync");
}

static void check(const unsigned char *bytes, uint64_t place, size_t n)
{
	const unsigned char *right = stream_at(wanted, place, n);
	size_t i;

	if (!memcmp(bytes, right, n))
		return;
	for (i = 0; bytes[i] == right[i]; i++)
		;
	fprintf(stderr, "bytes: %s: byte %llu is %#x and should be %#x\n", device,
		(unsigned long long)(place + i), bytes[i], right[i]);
	exit(1);
}

static void receive_all(uint64_t number)
{
	uint64_t place = 0;
	unsigned char *bytes;
	ssize_t done;

	while (place < number) {
		bytes = buffer + chance(OFFSETS);
		done = receive_some(bytes, some_size(number - place));
		if (done < 0)
			die("reading");
		if (!done) {
			fprintf(stderr, "bytes: %s: end of file after %llu bytes\n",
				device, (unsigned long long)place);
			exit(1);
		}
		check(bytes, place, done);
		place += done;
		if (!chance(300))
			usleep(chance(3000));
	}
}

int main(int argc, char **argv)
{
	uint64_t number;
	int sending;

	if (argc != 5) {
		fprintf(stderr, "usage: bytes DEVICE send|receive NUMBER SEED\n");
		return 64;
	}
	device = argv[1];
	sending = !strcmp(argv[2], "send");
	number = strtoull(argv[3], NULL, 10);
	seed = strtoull(argv[4], NULL, 10);
	luck = seed + sending;
	fd = open(device, sending ? O_WRONLY : O_RDONLY);
	if (fd < 0)
		die("opening");
	if (sending)
		send_all(number);
	else
		receive_all(number);
	printf("%s %llu\n", argv[2], (unsigned long long)number);
	return 0;
}
