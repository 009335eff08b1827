// SPDX-License-Identifier: GPL-2.0
/*
 * race - do everything with an end of a device at once, for so many seconds, and print how
 * often each succeeded.
 *
 *	race SECONDS SEED NODE BUS DRIVER DEVICE ROLE...
 *	race 10 1 /dev/mydevice0 /sys/bus/xen mydevicefront mydevice-0 open read write bind
 *
 *	open	opens the node and closes it; "busy" is an answer, too, while others have it open
 *	read	two processes read from one file, a hundred times at most, and a third polls
 *	write	two processes write in pieces of any size up to more than a ring, and
 *		a third waits until the other end has read all
 *	notify	writes the attribute notify
 *	show	reads all attributes of the device and of its node, and what debugfs has
 *	bind	unbinds the driver and binds it, with pauses of any length up to half a second
 *
 * They are killed at the end, wherever they are. Then the driver is bound.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_ROLES	16
#define LARGEST		300000
#define MOST_CALLS	100

static const char *node, *bus, *driver, *device;
static char bytes[LARGEST];

/* How often the role succeeded, in memory that all processes share. */
static unsigned long *done;

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int ret = fd < 0 ? -1 : (int)write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return ret;
}

static int set_bound(const char *how)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/drivers/%s/%s", bus, driver, how);
	return write_text(path, device);
}

static void do_open(void)
{
	int fd = open(node, O_RDWR | O_NONBLOCK);

	if (fd >= 0 || errno == EBUSY)
		++*done;
	if (fd >= 0)
		close(fd);
}

/* There may be no node for a while. */
static int open_node(int flags)
{
	int fd;

	while ((fd = open(node, flags)) < 0)
		usleep(1000);
	return fd;
}

/* Makes another process do that with the file; it ends with this one. */
static pid_t beside(void (*function)(int), int fd)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	function(fd);
	_exit(0);
}

static void read_all(int fd)
{
	int calls = 1 + rand() % MOST_CALLS;

	for (; calls && read(fd, bytes, 1 + rand() % LARGEST) > 0; calls--)
		++*done;
}

static void write_all(int fd)
{
	int calls = 1 + rand() % MOST_CALLS;

	for (; calls && write(fd, bytes, 1 + rand() % LARGEST) > 0; calls--)
		++*done;
}

static void poll_all(int fd)
{
	struct pollfd file = { .fd = fd, .events = POLLIN | POLLOUT };

	while (poll(&file, 1, 10) >= 0 && !(file.revents & (POLLERR | POLLHUP)))
		;
}

static void sync_all(int fd)
{
	while (!fsync(fd))
		;
}

static void do_together(int flags, void (*function)(int), void (*other)(int))
{
	int i, fd = open_node(flags);
	pid_t pids[2];

	pids[0] = beside(function, fd);
	pids[1] = beside(other, fd);
	function(fd);
	for (i = 0; i < 2; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	close(fd);
}

static void do_read(void)
{
	do_together(O_RDONLY, read_all, poll_all);
}

static void do_write(void)
{
	do_together(O_WRONLY, write_all, sync_all);
}

static void do_notify(void)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/devices/%s/notify", bus, device);
	if (write_text(path, "1") > 0)
		++*done;
	usleep(1000);
}

static void show(const char *directory, const char *name)
{
	char path[600], text[5000];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text)) > 0)
		++*done;
	close(fd);
}

static void show_all(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (entry->d_type == DT_REG)
			show(path, entry->d_name);
	if (directory)
		closedir(directory);
}

static void do_show(void)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/devices/%s", bus, device);
	show_all(path);
	snprintf(path, sizeof(path), "/sys/class/%s/%s", driver, strrchr(node, '/') + 1);
	show_all(path);
	snprintf(path, sizeof(path), "/sys/kernel/debug/%s", driver);
	show(path, device);
	usleep(10000);
}

static void do_bind(void)
{
	int unbound = set_bound("unbind");

	usleep(rand() % 500000);
	if (set_bound("bind") > 0 && unbound > 0)
		++*done;
	usleep(rand() % 500000);
}

static const struct role {
	const char *name;
	void (*function)(void);
} roles[] = {
	{ "open", do_open },
	{ "read", do_read },
	{ "write", do_write },
	{ "notify", do_notify },
	{ "show", do_show },
	{ "bind", do_bind },
};

static const struct role *find_role(const char *name)
{
	unsigned int i;

	for (i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (!strcmp(roles[i].name, name))
			return &roles[i];
	fprintf(stderr, "race: there is no role %s\n", name);
	exit(64);
}

static pid_t begin(const struct role *role, unsigned int seed)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	srand(seed);
	for (;;)
		role->function();
}

int main(int argc, char **argv)
{
	unsigned int seconds, seed;
	unsigned long *counts;
	pid_t pids[MAX_ROLES];
	int i, nr = argc - 7;

	if (nr < 1 || nr > MAX_ROLES) {
		fprintf(stderr, "usage: race SECONDS SEED NODE BUS DRIVER DEVICE ROLE...\n");
		return 64;
	}
	seconds = strtoul(argv[1], NULL, 10);
	seed = strtoul(argv[2], NULL, 10);
	node = argv[3];
	bus = argv[4];
	driver = argv[5];
	device = argv[6];
	counts = mmap(NULL, sizeof(*counts) * MAX_ROLES, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED)
		return 71;
	for (i = 0; i < nr; i++) {
		done = &counts[i];
		pids[i] = begin(find_role(argv[7 + i]), seed + i);
	}
	sleep(seconds);
	for (i = 0; i < nr; i++)
		kill(pids[i], SIGKILL);
	for (i = 0; i < nr; i++)
		waitpid(pids[i], NULL, 0);
	set_bound("bind");
	for (i = 0; i < nr; i++)
		printf("%s %lu\n", argv[7 + i], counts[i]);
	return 0;
}
