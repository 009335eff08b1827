// SPDX-License-Identifier: GPL-2.0
/*
 * io - make system calls on a device node, one after the other, and print what
 * each returns: the number, or the error's name.
 *
 *	io /dev/mydevice0 open:rw read:5 write:hello poll close
 *
 *	open:MODE	MODE is r, w or rw, and n for O_NONBLOCK; what was opened
 *			before stays open, and later calls are on the new file
 *	read:N		prints the number and, after a blank, the bytes if N <= 64
 *	write:TEXT	writes the text
 *	fill:N		writes N bytes of zeros with one call
 *	use:FD		the file is one that the shell has opened
 *	readv:N		reads N bytes into two buffers
 *	writev:TEXT	writes the text from as many buffers as it has letters
 *	splice:TEXT	writes the text by way of a pipe
 *	badread:N	reads to an address where there is no memory
 *	badwrite:N	writes from there
 *	fsync		waits until the other end has read all
 *	seek		lseek
 *	seed:S		chooses the bytes that put and get are about
 *	put:N		writes N bytes of them with as many calls as it takes; prints
 *			how many were taken, and the error that ended it sooner
 *	get:N		reads N bytes of them and compares each; prints how many came,
 *			and "eof", the error, or the first that was wrong
 *	block		the file is O_NONBLOCK no more
 *	poll:MS		waits for input or space, prints the events
 *	pollin:MS	waits for input alone
 *	hup:MS		waits for the end of the connection
 *	edge:MS		waits with epoll, edge-triggered, for input
 *	alarm:MS	a signal, handled, comes later
 *	pace:MS		put waits so long after each call, for others to have their turn
 *	stoppable	from now on put and get end at SIGUSR1, too
 *	sleep:MS	waits
 *	say:TEXT	prints the text
 *	mark:FILE	makes the file, so that others know how far this has come
 *	wait:FILE	waits until the file is there
 *	close		closes
 *	failing:N	in the call after this one the kernel's Nth chance to fail is taken: an
 *			allocation, a copy. Prints "left" if there were fewer. For a
 *			debug kernel, and only with calls that the kernel returns from
 *
 * A process at an end has named pipes instead of a device node. One that is full
 * is an end that nobody reads:
 *
 *	plug		fills the pipe, which is empty
 *	unplug		reads what plug wrote
 *	settle:MS	waits until something is there to read, and no more comes for so long
 *	discard:MS	reads what there is, until no more comes for so long
 *	moved		waits until the process has taken all that was written
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#define CHUNK	65536
#define PIPE	65536

static const char *device;
/* The device; until it is opened a descriptor that nobody has, for which calls say EBADF. */
static int fd = 1000000;
static uint32_t seed, put_at, got_at, pace;
static volatile sig_atomic_t stopped;

static int open_device(const char *mode)
{
	int flags = strchr(mode, 'n') ? O_NONBLOCK : 0;
	int opened;

	if (strchr(mode, 'r') && strchr(mode, 'w'))
		flags |= O_RDWR;
	else if (strchr(mode, 'w'))
		flags |= O_WRONLY;
	opened = open(device, flags);
	if (opened < 0)
		return -1;
	fd = opened;
	return 0;
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

static long fill_device(size_t n)
{
	void *zeros = calloc(1, n);
	long written = write_device(zeros, n);

	free(zeros);
	return written;
}

/* Buffers of unequal size, so that the first is full before the second. */
static long readv_device(size_t n)
{
	char first[3], *rest = calloc(1, n + 1);
	struct iovec iov[2] = {
		{ first, sizeof(first) }, { rest, n - sizeof(first) }
	};
	ssize_t got = readv(fd, iov, 2);

	if (got >= 0)
		printf("readv %zd %.3s%s\n", got, first, rest);
	free(rest);
	return got;
}

static long writev_device(const char *text)
{
	struct iovec iov[16];
	size_t i, n = strlen(text);
	ssize_t done;

	for (i = 0; i < n; i++)
		iov[i] = (struct iovec){ (char *)text + i, 1 };
	done = writev(fd, iov, n);
	if (done >= 0)
		printf("writev %zd\n", done);
	return done;
}

static long splice_device(const char *text)
{
	ssize_t done;
	int ends[2];

	if (pipe(ends) || write(ends[1], text, strlen(text)) < 0)
		return -1;
	done = splice(ends[0], NULL, fd, NULL, strlen(text), 0);
	if (done >= 0)
		printf("splice %zd\n", done);
	return done;
}

static long fsync_device(void)
{
	int err = fsync(fd);

	if (!err)
		printf("fsync 0\n");
	return err;
}

static long wait_edge(const char *ms)
{
	static int epoll_fd = -1;
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int n;

	if (epoll_fd < 0) {
		epoll_fd = epoll_create1(0);
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
			return -1;
	}
	n = epoll_wait(epoll_fd, &event, 1, atoi(ms));
	if (n >= 0)
		printf("edge%s\n", n ? " in" : "");
	return n;
}

static void hear_alarm(int signal)
{
	(void)signal;
}

static long set_alarm(const char *ms)
{
	struct sigaction action = { .sa_handler = hear_alarm };
	struct itimerval timer = { .it_value.tv_usec = atoi(ms) * 1000 };

	sigaction(SIGALRM, &action, NULL);
	return setitimer(ITIMER_REAL, &timer, NULL);
}

static void hear_stop(int signal)
{
	(void)signal;
	stopped = 1;
}

/* Without SA_RESTART, so that what waits returns. */
static long stoppable(void)
{
	struct sigaction action = { .sa_handler = hear_stop };

	return sigaction(SIGUSR1, &action, NULL);
}

static long mark(const char *file)
{
	int marked = open(file, O_CREAT | O_WRONLY, 0600);

	return marked < 0 ? -1 : close(marked);
}

static long wait_for(const char *file)
{
	int tries;

	for (tries = 0; tries < 6000 && access(file, F_OK); tries++)
		usleep(10000);
	return access(file, F_OK);
}

static void *nowhere(size_t n)
{
	return mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Which byte stands at a place: no two seeds agree for long. */
static unsigned char byte_at(uint32_t place)
{
	return ((place ^ seed * 0x9e3779b9u) * 0x85ebca6bu) >> 24;
}

static long put(size_t n)
{
	static unsigned char buf[CHUNK];
	size_t done, i, len;
	ssize_t ret;

	for (done = 0; done < n && !stopped; done += ret, put_at += ret) {
		len = n - done < CHUNK ? n - done : CHUNK;
		for (i = 0; i < len; i++)
			buf[i] = byte_at(put_at + i);
		ret = write(fd, buf, len);
		if (ret < 0 && stopped)
			break;
		if (ret < 0) {
			printf("put %zu %s\n", done, strerrorname_np(errno));
			return 0;
		}
		if (pace)
			usleep(pace * 1000);
	}
	printf("put %zu\n", done);
	return 0;
}

static long get(size_t n)
{
	static unsigned char buf[CHUNK];
	size_t done, i;
	ssize_t ret;

	for (done = 0; done < n && !stopped; done += ret) {
		ret = read(fd, buf, n - done < CHUNK ? n - done : CHUNK);
		if (ret < 0 && stopped)
			break;
		if (ret <= 0) {
			printf("get %zu %s\n", done,
			       ret ? strerrorname_np(errno) : "eof");
			return 0;
		}
		for (i = 0; i < (size_t)ret; i++, got_at++) {
			if (buf[i] != byte_at(got_at)) {
				printf("get %zu wrong at %u\n", done, got_at);
				return 0;
			}
		}
	}
	printf("get %zu\n", done);
	return 0;
}

static void set_blocking(int blocking)
{
	int flags = fcntl(fd, F_GETFL) & ~O_NONBLOCK;

	fcntl(fd, F_SETFL, flags | (blocking ? 0 : O_NONBLOCK));
}

static long plug(void)
{
	static const char zeros[4096];
	long done = 0;

	set_blocking(0);
	while (write(fd, zeros, sizeof(zeros)) == sizeof(zeros))
		done += sizeof(zeros);
	set_blocking(1);
	if (done != PIPE)
		printf("plug %ld, the pipe was not empty\n", done);
	return 0;
}

static long unplug(void)
{
	static char bytes[PIPE];
	long done = 0, i;
	ssize_t ret;

	for (; done < PIPE; done += ret) {
		ret = read(fd, bytes + done, PIPE - done);
		if (ret <= 0)
			return -1;
	}
	for (i = 0; i < PIPE; i++)
		if (bytes[i])
			return printf("unplug: byte %ld is not the plug's\n", i);
	return 0;
}

static long settle(int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int before, now = 0;

	if (poll(&pfd, 1, -1) < 0)
		return -1;
	do {
		before = now;
		usleep(ms * 1000);
		if (ioctl(fd, FIONREAD, &now))
			return -1;
	} while (now != before);
	return 0;
}

static long discard(int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	static char bytes[PIPE];

	while (poll(&pfd, 1, ms) > 0)
		if (read(fd, bytes, sizeof(bytes)) < 0)
			return -1;
	return 0;
}

static long moved(void)
{
	int tries, left = 1;

	for (tries = 0; tries < 6000 && left; tries++) {
		if (ioctl(fd, FIONREAD, &left))
			return -1;
		usleep(10000);
	}
	return left ? printf("moved: %d bytes are left\n", left) : 0;
}

static long say(const char *text)
{
	printf("%s\n", text);
	return 0;
}

static int fail_fd = -1;

/* The next system call counts already, so nothing is printed until all is over. */
static long arm(const char *nth)
{
	fail_fd = open("/proc/self/fail-nth", O_RDWR);
	return fail_fd < 0 ? -1 : write(fail_fd, nth, strlen(nth));
}

/*
 * What is left is seen before it is copied here. If that copy is what fails, one was
 * left, and if nothing is left, then neither will the write be made to fail.
 */
static void disarm(void)
{
	char left[16] = "";

	if (pread(fail_fd, left, sizeof(left) - 1, 0) < 0)
		left[0] = '1';
	if (atoi(left))
		printf("left %d\n", atoi(left));
	if (write(fail_fd, "0", 1) < 0)
		write(fail_fd, "0", 1);
	close(fail_fd);
	fail_fd = -1;
}

static long one_call(const char *what, const char *arg)
{
	if (!strcmp(what, "open"))
		return open_device(arg);
	if (!strcmp(what, "use"))
		return fd = atoi(arg);
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
		return fill_device(strtoul(arg, NULL, 10));
	if (!strcmp(what, "readv"))
		return readv_device(strtoul(arg, NULL, 10));
	if (!strcmp(what, "writev"))
		return writev_device(arg);
	if (!strcmp(what, "splice"))
		return splice_device(arg);
	if (!strcmp(what, "badread"))
		return read(fd, nowhere(4096), strtoul(arg, NULL, 10));
	if (!strcmp(what, "badwrite"))
		return write_device(nowhere(4096), strtoul(arg, NULL, 10));
	if (!strcmp(what, "fsync"))
		return fsync_device();
	if (!strcmp(what, "seek"))
		return lseek(fd, 0, SEEK_SET);
	if (!strcmp(what, "edge"))
		return wait_edge(arg);
	if (!strcmp(what, "alarm"))
		return set_alarm(arg);
	if (!strcmp(what, "stoppable"))
		return stoppable();
	if (!strcmp(what, "mark"))
		return mark(arg);
	if (!strcmp(what, "wait"))
		return wait_for(arg);
	if (!strcmp(what, "hup"))
		return poll_device(arg, 0);
	if (!strcmp(what, "seed"))
		return seed = strtoul(arg, NULL, 10), 0;
	if (!strcmp(what, "pace"))
		return pace = strtoul(arg, NULL, 10), 0;
	if (!strcmp(what, "put"))
		return put(strtoul(arg, NULL, 10));
	if (!strcmp(what, "get"))
		return get(strtoul(arg, NULL, 10));
	if (!strcmp(what, "block"))
		return set_blocking(1), 0;
	if (!strcmp(what, "plug"))
		return plug();
	if (!strcmp(what, "unplug"))
		return unplug();
	if (!strcmp(what, "settle"))
		return settle(atoi(arg));
	if (!strcmp(what, "discard"))
		return discard(atoi(arg));
	if (!strcmp(what, "moved"))
		return moved();
	if (!strcmp(what, "say"))
		return say(arg);
	if (!strcmp(what, "failing"))
		return arm(arg);
	if (!strcmp(what, "sleep"))
		return usleep(strtoul(arg, NULL, 10) * 1000);
	fprintf(stderr, "io: there is no call '%s'\n", what);
	exit(64);
}

int main(int argc, char **argv)
{
	int i, buffered = _IOLBF;

	if (argc < 3) {
		fprintf(stderr, "usage: io DEVICE CALL[:ARGUMENT]...\n");
		return 64;
	}
	for (i = 2; i < argc; i++)
		if (!strncmp(argv[i], "failing", 7))
			buffered = _IOFBF;
	setvbuf(stdout, NULL, buffered, 4096);
	device = argv[1];
	for (i = 2; i < argc; i++) {
		char *arg = strchr(argv[i], ':');
		int armed = fail_fd >= 0;

		if (arg)
			*arg++ = '\0';
		if (one_call(argv[i], arg ? arg : "") < 0)
			printf("%s %s\n", argv[i], strerrorname_np(errno));
		if (armed)
			disarm();
	}
	return 0;
}
