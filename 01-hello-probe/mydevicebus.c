// SPDX-License-Identifier: GPL-2.0
/*
 * This does for a process that drives an end of mydevice what XenBus and the kernel do
 * for a module: messages, XenStore, the command line, finding and claiming the device,
 * waiting, and leaving. main() is at the end. mydevicebus.h is the interface.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mydevicebus.h"

/* How long a frontend that leaves waits for the backend to let go, in s. */
#define PATIENCE	5

/* The limit for lines that the other end can cause: so many at once, then one in so many s. */
#define TELL_BURST	50
#define TELL_PAUSE	2

/* How often to read again what changes meanwhile. */
#define READ_TRIES	10

/* Tries to take the lock, 0.1 s apart: xbdoctor may hold it for a moment. */
#define LOCK_TRIES	10

/* The most options there can be, those of the driver and those of every driver. */
#define MAX_OPTIONS	16

/*
 * The lock of this end, held while the process lives. It is a file that only root can
 * open, with the same name in all network namespaces: see take_lock().
 */
static char lock_path[64];
static int lock = -1;

static char *own_name;	/* what ps shows for this process */

/* -- time, numbers and messages -------------------------------------------------- */

uint64_t bus_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

bool bus_parse_number(const char *text, unsigned int *number)
{
	unsigned long long value = 0;

	if (*text == '+')
		text++;
	if (!isdigit((unsigned char)*text))
		return false;
	for (; isdigit((unsigned char)*text); text++) {
		value = value * 10 + (*text - '0');
		if (value > UINT_MAX)
			return false;
	}
	if (*text == '\n')
		text++;
	if (*text)
		return false;
	*number = value;
	return true;
}

/* As XenBus scans states, with "%d": what comes after the number does not matter. */
static bool scan_number(const char *text, int *number)
{
	const char *digit;

	while (isspace((unsigned char)*text))
		text++;
	digit = text + (*text == '-');
	if (!isdigit((unsigned char)*digit))
		return false;
	*number = strtoll(text, NULL, 10);
	return true;
}

/* One line to standard error: standard output is the device's. */
static void vsay(const char *format, va_list args)
{
	char line[600], *c;

	vsnprintf(line, sizeof(line), format, args);
	for (c = line; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';	/* it may be the other end's */
	fprintf(stderr, "mydevicepeer: %s\n", line);
}

void bus_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsay(format, args);
	va_end(args);
}

void bus_die(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsay(format, args);
	va_end(args);
	exit(status);
}

void bus_tell(const char *format, ...)
{
	static unsigned int told, left_out;
	static uint64_t since;
	uint64_t now = bus_now() / 1000000000ull, paid = (now - since) / TELL_PAUSE;
	va_list args;

	if (paid) {
		told -= told < paid ? told : paid;
		since = now;
	}
	if (told == TELL_BURST) {
		left_out++;
		return;
	}
	told++;
	if (left_out)
		bus_say("(%u lines are left out here)", left_out);
	left_out = 0;
	va_start(args, format);
	vsay(format, args);
	va_end(args);
}

const char *bus_strstate(enum xenbus_state state)
{
	static const char *const names[] = {
		"Unknown", "Initialising", "InitWait", "Initialised", "Connected",
		"Closing", "Closed", "Reconfiguring", "Reconfigured"
	};

	if (state >= sizeof(names) / sizeof(names[0]))
		return "in no known state";
	return names[state];
}

const char *bus_otherend(const struct bus_device *dev)
{
	return dev->frontend ? "backend" : "frontend";
}

/* -- XenStore -------------------------------------------------------------------- */

char *bus_read(struct bus_device *dev, const char *dir, const char *node)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, node);
	return xs_read(dev->xs, dev->xbt, path, NULL);
}

int bus_read_int(struct bus_device *dev, const char *dir, const char *node, int otherwise)
{
	char *text = bus_read(dev, dir, node);
	int number;

	if (!text || !scan_number(text, &number))
		number = otherwise;
	free(text);
	return number;
}

bool bus_read_number(struct bus_device *dev, const char *node, unsigned int *value)
{
	char *text = bus_read(dev, dev->otherend, node);
	bool valid;

	if (!text)
		return bus_fatal(dev, EX_PROTOCOL, "reading %s/%s: %s", dev->otherend, node,
				 strerror(errno));
	valid = bus_parse_number(text, value);
	free(text);
	return valid || bus_fatal(dev, EX_PROTOCOL, "%s/%s is not a number in range",
				  dev->otherend, node);
}

/* A number that is not a state is returned as it is, and means nothing. */
enum xenbus_state bus_otherend_state(struct bus_device *dev)
{
	return bus_read_int(dev, dev->otherend, "state", XenbusStateUnknown);
}

bool bus_printf(struct bus_device *dev, xs_transaction_t xbt, const char *node,
		const char *format, ...)
{
	char path[PATH_MAX], value[32];
	va_list args;

	va_start(args, format);
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	snprintf(path, sizeof(path), "%s/%s", dev->nodename, node);
	return xs_write(dev->xs, xbt, path, value, strlen(value));
}

void bus_rm(struct bus_device *dev, const char *node)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dev->nodename, node);
	if (!dev->gone)
		xs_rm(dev->xs, XBT_NULL, path);
}

/*
 * A domain may have only a few transactions open (10), and other processes may hold them
 * all (ENOSPC; with oxenstored EINVAL). Then the nodes are written without one: the other
 * end waits for the state, which is written last.
 */
bool bus_transaction(struct bus_device *dev,
		     bool (*write)(struct bus_device *dev, xs_transaction_t xbt))
{
	xs_transaction_t xbt;
	bool written, ended;
	int err;

	do {
		xbt = xs_transaction_start(dev->xs);
		if (xbt == XBT_NULL)
			return (errno == ENOSPC || errno == EINVAL) && write(dev, XBT_NULL);
		written = write(dev, xbt);
		err = errno;
		ended = xs_transaction_end(dev->xs, xbt, !written);
		if (!written)
			errno = err;
	} while (written && !ended && errno == EAGAIN);	/* somebody else wrote there */
	return written && ended;
}

/* Writes the state, but only over an old one: a device that is gone stays gone. */
static bool write_state(struct bus_device *dev, xs_transaction_t xbt)
{
	char path[PATH_MAX], *old;

	snprintf(path, sizeof(path), "%s/state", dev->nodename);
	old = xs_read(dev->xs, xbt, path, NULL);
	if (!old)
		return false;
	free(old);
	return bus_printf(dev, xbt, "state", "%d", dev->state);
}

/* Return: 0, or an errno: EAGAIN if anything that was read has changed meanwhile. */
static int end_reading(struct bus_device *dev, bool keep)
{
	xs_transaction_t xbt = dev->xbt;

	dev->xbt = XBT_NULL;
	if (xbt == XBT_NULL || xs_transaction_end(dev->xs, xbt, !keep))
		return 0;
	dev->changed = errno == EAGAIN;
	return errno;
}

void bus_in_transaction(struct bus_device *dev, void (*read)(struct bus_device *dev))
{
	int tries = 0;

	do {
		dev->changed = false;
		dev->xbt = xs_transaction_start(dev->xs);
		if (dev->xbt != XBT_NULL)
			write_state(dev, dev->xbt);	/* oxenstored checks nothing that only reads */
		read(dev);
		end_reading(dev, false);
	} while (dev->changed && ++tries < READ_TRIES);
	if (dev->changed)
		bus_fatal(dev, EX_OSERR, "the %s changes all the time", bus_otherend(dev));
}

bool bus_switch_state(struct bus_device *dev, enum xenbus_state state)
{
	enum xenbus_state before = dev->state;

	if (state == before || dev->gone)
		return false;
	dev->state = state;
	if (dev->xbt == XBT_NULL ? bus_transaction(dev, write_state) :
	    write_state(dev, dev->xbt) && !end_reading(dev, true))
		return true;
	if (errno == ENOENT)
		return true;	/* the watch will tell that the nodes are gone */
	dev->state = before;
	return errno != EAGAIN &&
	       bus_fatal(dev, EX_IOERR, "writing %s/state: %s", dev->nodename, strerror(errno));
}

/* Prints a line, and writes the node that xenbus_dev_error() writes in the kernel. */
static void report(struct bus_device *dev, void (*say)(const char *format, ...),
		   const char *format, va_list args)
{
	char path[PATH_MAX], message[512];

	vsnprintf(message, sizeof(message), format, args);
	snprintf(path, sizeof(path), "error/%s/error", dev->nodename);
	xs_write(dev->xs, XBT_NULL, path, message, strlen(message));
	say("%s", message);
}

void bus_error(struct bus_device *dev, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!dev->told)
		report(dev, bus_say, format, args);
	va_end(args);
	dev->told = true;
}

bool bus_fatal(struct bus_device *dev, int status, const char *format, ...)
{
	bool stays = status == EX_OSERR && dev->keep;
	va_list args;

	if (dev->broken || end_reading(dev, true) == EAGAIN)
		return false;
	va_start(args, format);
	report(dev, stays ? bus_tell : bus_say, format, args);
	va_end(args);
	if (!stays) {
		dev->broken = true;
		dev->status = status;
		dev->done = true;
	}
	bus_switch_state(dev, XenbusStateClosing);
	return false;
}

/* Removes the error node, and those above it that hold nothing else. */
void bus_forget_error(struct bus_device *dev)
{
	char path[PATH_MAX], **nodes;
	unsigned int left = 0;

	snprintf(path, sizeof(path), "error/%s", dev->nodename);
	while (strchr(path, '/') && !left) {
		xs_rm(dev->xs, XBT_NULL, path);
		*strrchr(path, '/') = '\0';
		nodes = xs_directory(dev->xs, XBT_NULL, path, &left);
		if (!nodes)
			break;
		free(nodes);
	}
}

/* -- the command line ------------------------------------------------------------ */

static unsigned int is_frontend, is_backend, number, keep, verbose, help;

static const struct bus_option common_options[] = {
	{ "frontend", &is_frontend, BUS_FLAG, 0 },
	{ "backend", &is_backend, BUS_FLAG, 0 },
	{ "device", &number, BUS_NUMBER, INT_MAX },
	{ "keep", &keep, BUS_FLAG, 0 },
	{ "verbose", &verbose, BUS_FLAG, 0 },
	{ "help", &help, BUS_FLAG, 0 },
	{ NULL, NULL, BUS_FLAG, 0 }
};

static void print_usage(FILE *file)
{
	fprintf(file,
		"usage: mydevicepeer --frontend [OPTION]...\n"
		"       mydevicepeer --backend [OPTION]... DOMID\n"
		"Plays either end of a mydevice; a backend names the domain of its frontend.\n"
		"  --device N           the device's number (default: 0)\n"
		"  --keep               stay when the other end closes, for its next connection\n"
		"  --verbose            say each state that the other end goes to\n"
		"%s"
		"SIGINT, SIGTERM and SIGHUP close the connection properly.\n",
		bus_driver.usage ? bus_driver.usage : "");
}

static void set_option(const struct bus_option *option, const char *text)
{
	*option->value = option->kind == BUS_FLAG || !strcmp(text, "yes");
	if (option->kind == BUS_YES_NO && strcmp(text, "yes") && strcmp(text, "no"))
		bus_die(EX_USAGE, "--%s is yes or no, not '%s'", option->name, text);
	if (option->kind == BUS_NUMBER &&
	    (!bus_parse_number(text, option->value) || *option->value > option->max))
		bus_die(EX_USAGE, "--%s is a number from 0 to %u, not '%s'", option->name,
			option->max, text);
}

/* Puts both tables into getopt's form. */
static void list_options(const struct bus_option **known, struct option *options)
{
	const struct bus_option *tables[] = { common_options, bus_driver.options };
	const struct bus_option *option;
	int n = 0, i;

	for (i = 0; i < 2; i++) {
		for (option = tables[i]; option && option->name && n < MAX_OPTIONS; option++) {
			options[n] = (struct option){ option->name, option->kind != BUS_FLAG,
						      NULL, n };
			known[n++] = option;
		}
	}
}

/*
 * Which device, and which end? Ends the process if that is not clear. The directory is
 * relative: XenStore takes it for one below /local/domain/DOMID of this domain.
 */
static void parse_arguments(struct bus_device *dev, int argc, char **argv)
{
	const struct bus_option *known[MAX_OPTIONS];
	struct option options[MAX_OPTIONS + 1] = { 0 };
	unsigned int domid;
	int n;

	list_options(known, options);
	optind = 0;	/* begin again: this need not be the program's own command line */
	while ((n = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (n != '?')
			set_option(known[n], optarg);
		if (n != '?' && !help)
			continue;
		print_usage(help ? stdout : stderr);
		exit(help ? EX_OK : EX_USAGE);
	}
	if (is_frontend == is_backend)
		bus_die(EX_USAGE, "which end is it to be? --frontend or --backend (--help says more)");
	if (argc - optind != (int)is_backend)
		bus_die(EX_USAGE, is_backend ?
			"one DOMID: that of the frontend (xl list shows it)" :
			"a frontend takes no DOMID: it is in this domain");
	if (is_backend && !bus_parse_number(argv[optind], &domid))
		bus_die(EX_USAGE, "a DOMID is a number (xl list shows it), not '%s'", argv[optind]);
	dev->frontend = is_frontend;
	dev->number = number;
	dev->keep = keep;
	dev->verbose = verbose;
	if (is_backend)
		snprintf(dev->nodename, sizeof(dev->nodename), "backend/mydevice/%u/%u", domid,
			 number);
	else
		snprintf(dev->nodename, sizeof(dev->nodename), "device/mydevice/%u", number);
}

/* -- finding the device ---------------------------------------------------------- */

/* Some of Xen's files exist only once their module has been loaded by hand. */
void bus_need_file(const char *path, const char *remedy)
{
	if (!access(path, R_OK | W_OK))
		return;
	if (errno == EACCES || errno == EPERM)
		bus_die(EX_NOPERM, "%s: %s; this needs root", path, strerror(errno));
	bus_die(EX_OSFILE, "%s: %s; %s", path, strerror(errno), remedy);
}

/*
 * The signals that end the process are read from a file, because it must not end in a
 * transaction: Linux 6.1 could not save the guest after that (xs_request_exit()).
 */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (bus_driver.signalled) {
		sigaddset(&set, SIGUSR1);
		sigaddset(&set, SIGUSR2);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);	/* a write fails instead */
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void find_otherend(struct bus_device *dev)
{
	const char *id_node = dev->frontend ? "backend-id" : "frontend-id";
	char *id;

	dev->otherend = bus_read(dev, dev->nodename, bus_otherend(dev));
	if (!dev->otherend && errno == EACCES)
		bus_die(EX_NOPERM, "XenStore refuses to show %s", dev->nodename);
	if (!dev->otherend)
		bus_die(EX_UNAVAILABLE,
			"there is no %s in this domain; activate.sh, in dom0, makes a device",
			dev->nodename);
	id = bus_read(dev, dev->nodename, id_node);
	if (!id || !bus_parse_number(id, &dev->otherend_id))
		bus_die(EX_DATAERR, "%s/%s is no number: '%s'", dev->nodename, id_node,
			id ? id : "");
	free(id);
	if (dev->frontend)
		snprintf(dev->id, sizeof(dev->id), "%u", dev->number);
	else
		snprintf(dev->id, sizeof(dev->id), "%u-%u", dev->otherend_id, dev->number);
}

/*
 * May this end write its state? This tries it in a transaction and aborts that. If the
 * domain has no transaction left, the first real write will show it.
 */
static bool may_write(struct bus_device *dev)
{
	xs_transaction_t xbt = xs_transaction_start(dev->xs);
	bool may = xbt == XBT_NULL ? errno == ENOSPC || errno == EINVAL :
		   bus_printf(dev, xbt, "state", "%d", dev->state);
	int err = errno;

	if (xbt != XBT_NULL)
		xs_transaction_end(dev->xs, xbt, true);
	errno = err;
	return may;
}

/* Finds the device, and where its other end is, or ends the process. */
static void find_device(struct bus_device *dev)
{
	dev->signals = open_signals();
	bus_need_file("/dev/xen/xenbus", "is this a domain of Xen?");
	dev->xs = xs_open(0);
	if (!dev->xs)
		bus_die(EX_UNAVAILABLE, "XenStore cannot be opened: %s", strerror(errno));
	find_otherend(dev);
	if (!may_write(dev))
		bus_die(EX_NOPERM, "XenStore refuses this domain to write in %s: %s",
			dev->nodename, strerror(errno));
}

/* -- claiming it ----------------------------------------------------------------- */

static bool module_drives(const struct bus_device *dev)
{
	char driver[PATH_MAX];

	snprintf(driver, sizeof(driver), "/sys/bus/xen%s/devices/mydevice-%s/driver",
		 dev->frontend ? "" : "-backend", dev->id);
	return !access(driver, F_OK);
}

/* The lock, or -1 if another process has it, or has just removed the file. */
static int try_lock(void)
{
	int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat mine, there;

	if (fd < 0)
		bus_die(EX_CANTCREAT, "%s: %s", lock_path, strerror(errno));
	if (!flock(fd, LOCK_EX | LOCK_NB) && !fstat(fd, &mine) && !stat(lock_path, &there) &&
	    mine.st_ino == there.st_ino)
		return fd;
	close(fd);
	return -1;
}

static void unlock(void)
{
	if (lock < 0)
		return;
	unlink(lock_path);
	close(lock);
	lock = -1;
}

/*
 * The file tells xbdoctor which process drives which end. The process removes it when
 * it ends; if the process is killed, the file stays, but is not locked.
 */
static void take_lock(const struct bus_device *dev)
{
	int tries;

	snprintf(lock_path, sizeof(lock_path), "/run/mydevicepeer-%s-%s.lock",
		 dev->frontend ? "frontend" : "backend", dev->id);
	for (tries = 0; tries < LOCK_TRIES && lock < 0; tries++) {
		if (tries)
			usleep(100000);
		lock = try_lock();
	}
	if (lock < 0)
		bus_die(EX_UNAVAILABLE, "another mydevicepeer drives %s", dev->nodename);
	atexit(unlock);
	if (ftruncate(lock, 0) || dprintf(lock, "%d\n%s\n", getpid(), dev->nodename) < 0)
		bus_die(EX_CANTCREAT, "%s: %s", lock_path, strerror(errno));
}

/*
 * One driver for each end: neither a module nor another process may have it. A
 * module that comes later cannot see this process: see is_taken().
 */
static void claim_device(struct bus_device *dev)
{
	if (module_drives(dev))
		bus_die(EX_UNAVAILABLE, "a module drives %s; rmmod mydevice%s first",
			dev->nodename, dev->frontend ? "front" : "back");
	take_lock(dev);
}

/*
 * Has another driver begun to drive this end? A module takes every device that it
 * finds, and does not see processes. A toolstack asks a backend to close.
 */
static bool is_taken(struct bus_device *dev, const char *own)
{
	int state;

	if (module_drives(dev))
		bus_say("a module drives %s now; rmmod mydevice%s, then start this again",
			dev->nodename, dev->frontend ? "front" : "back");
	else if (!scan_number(own, &state) ||
		 (state != (int)dev->state && (dev->frontend || state != XenbusStateClosing)))
		bus_say("another wrote '%.20s' to %s/state, where this end is %s: it is left to that",
			own, dev->nodename, bus_strstate(dev->state));
	else
		return false;
	dev->taken = true;
	dev->status = EX_UNAVAILABLE;
	return true;
}

/* -- a guest that is restored ---------------------------------------------------- */

/* The number of the domain that this process is in; as before, if it cannot be read. */
static unsigned int own_domid(struct bus_device *dev)
{
	char *text = xs_read(dev->xs, XBT_NULL, "domid", NULL);
	unsigned int domid;

	if (!text || !bus_parse_number(text, &domid))
		domid = dev->domid;
	free(text);
	return domid;
}

/* The domain's number shows it; if that is the same by chance, its watch does, a little later. */
static bool was_restored(struct bus_device *dev)
{
	dev->restored |= own_domid(dev) != dev->domid;
	return dev->restored;
}

/* The child that keeps what is stale, and sleeps until the guest ends. */
static void sleep_on(int status, void *unused)
{
	pid_t child = fork();
	int fd;

	(void)unused;
	if (child > 0) {
		bus_say("process %d keeps what is left from before the restore: do not kill it", child);
		unlock();
		_exit(status);
	}
	close(lock);
	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		close(fd);
	setsid();
	prctl(PR_SET_NAME, "stale");
	if (own_name)
		memset(own_name, '@', strlen(own_name));	/* systemd's last kill spares it */
	for (;;)
		pause();
}

/*
 * Linux no longer knows a port from before a restore, and treats closing it as a bug of
 * its own (evtchn_unbind_from_user()).
 */
bool bus_keep_stale(struct bus_device *dev)
{
	static bool kept;

	if (!was_restored(dev))
		return false;
	if (!kept)
		on_exit(sleep_on, NULL);
	kept = true;
	return true;
}

/* -- from the device's first state to its last ----------------------------------- */

/*
 * A watch fires once when it is set, so this end reads the other's state in any case.
 * The last watch is on a node that nobody writes: a restored guest's kernel sets all
 * watches again, the last one first, so this one fires again before the others.
 */
static void begin(struct bus_device *dev)
{
	char path[PATH_MAX];

	dev->domid = own_domid(dev);
	dev->domain_seen = false;
	dev->restored = false;
	snprintf(path, sizeof(path), "%s/state", dev->otherend);
	if (!xs_watch(dev->xs, dev->nodename, "own") || !xs_watch(dev->xs, path, "otherend") ||
	    !xs_watch(dev->xs, "domid", "domain"))
		bus_die(EX_OSERR, "%s cannot be watched: %s", path, strerror(errno));
	bus_driver.probe(dev);
}

struct bus_device *bus_open(int argc, char **argv)
{
	struct bus_device *dev = calloc(1, sizeof(*dev));

	if (!dev)
		bus_die(EX_OSERR, "no memory");
	parse_arguments(dev, argc, argv);
	find_device(dev);
	claim_device(dev);
	begin(dev);
	return dev;
}

/*
 * This guest was saved and restored. It is another domain now, what it shared is void,
 * and its device, if it exists again, has no driver. This process cannot learn of it
 * earlier: Linux reports changes in XenStore in the thread that saves the guest.
 */
static void move(struct bus_device *dev)
{
	char path[PATH_MAX], *own = bus_read(dev, dev->nodename, "state");

	bus_say("this guest was restored, and is domain %u now", own_domid(dev));
	bus_driver.resume(dev);
	dev->gone = !own || !bus_stays(dev);
	dev->done |= dev->gone;
	free(own);
	if (dev->gone)
		return;
	snprintf(path, sizeof(path), "%s/state", dev->otherend);
	xs_unwatch(dev->xs, dev->nodename, "own");
	xs_unwatch(dev->xs, path, "otherend");
	xs_unwatch(dev->xs, "domid", "domain");
	free(dev->otherend);
	find_otherend(dev);
	dev->state = XenbusStateUnknown;
	begin(dev);
}

void bus_follow(struct bus_device *dev)
{
	enum xenbus_state state = bus_otherend_state(dev);

	if (dev->verbose)
		bus_tell("the %s is %s", bus_otherend(dev), bus_strstate(state));
	if (dev->frontend)
		bus_driver.front_otherend_changed(dev, state);
	else
		bus_driver.back_otherend_changed(dev, state);
}

/*
 * Something changed in XenStore. Several changes may have come as one, so this reads
 * everything as it is now. A directory without a state is gone. A driver that has
 * given up ignores the changes.
 */
static void look_around(struct bus_device *dev)
{
	bool otherend = false, domain = false;
	char **event, *own;

	while ((event = xs_check_watch(dev->xs))) {
		otherend |= !strcmp(event[XS_WATCH_TOKEN], "otherend");
		domain |= !strcmp(event[XS_WATCH_TOKEN], "domain");
		free(event);
	}
	dev->restored |= domain && dev->domain_seen;
	dev->domain_seen |= domain;
	if (dev->done)
		return;
	if (was_restored(dev)) {
		move(dev);
		return;
	}
	own = bus_read(dev, dev->nodename, "state");
	dev->gone = own ? is_taken(dev, own) : errno == ENOENT;
	dev->done |= dev->gone;
	free(own);
	if (!dev->gone && otherend)
		bus_follow(dev);
}

static void take_signal(struct bus_device *dev)
{
	struct signalfd_siginfo info;

	if (read(dev->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGUSR1 || info.ssi_signo == SIGUSR2) {
		bus_driver.signalled(dev, info.ssi_signo);
		return;
	}
	dev->told_to_end = true;
	dev->done = true;
}

bool bus_stays(const struct bus_device *dev)
{
	return dev->keep || !dev->over;
}

/* How long to wait at most, in ms; -1 means for ever. */
static int timeout(struct bus_device *dev)
{
	bool awake = bus_driver.stay_awake && bus_driver.stay_awake(dev);
	uint64_t now = bus_now();

	if (awake || dev->done)
		return 0;
	if (dev->timer_at)
		return now < dev->timer_at ? (dev->timer_at - now) / 1000000 + 1 : 0;
	return -1;
}

/* The files to wait for: first the signals, last XenStore, the driver's files between. */
enum {
	FD_SIGNAL,
	FD_FILES,
	FD_XENSTORE = FD_FILES + BUS_MAX_FILES,
	NR_FDS
};

void bus_wait(struct bus_device *dev)
{
	struct pollfd fds[NR_FDS] = {
		[FD_SIGNAL] = { .fd = dev->signals, .events = POLLIN },
		[FD_XENSTORE] = { .fd = xs_fileno(dev->xs), .events = POLLIN },
	};
	struct bus_file *file;
	short revents;
	int i;

	for (i = 0; i < BUS_MAX_FILES; i++) {
		file = &dev->files[i];
		fds[FD_FILES + i].events = file->events;
		fds[FD_FILES + i].fd = file->ready && (!file->wanted || file->wanted(file->data)) ?
				       file->fd : -1;
	}
	if (poll(fds, NR_FDS, timeout(dev)) < 0)
		return;
	if (dev->timer_at && bus_now() >= dev->timer_at)
		dev->timer(dev->peer);
	if ((fds[FD_XENSTORE].revents | fds[FD_SIGNAL].revents) & ~POLLIN)
		bus_fatal(dev, EX_IOERR, "the connection to XenStore is lost");
	if (fds[FD_SIGNAL].revents & POLLIN)
		take_signal(dev);
	for (i = 0; i < BUS_MAX_FILES; i++) {
		file = &dev->files[i];
		revents = fds[FD_FILES + i].revents;
		if (file->name && (revents & ~file->events))
			bus_fatal(dev, EX_IOERR, "%s has failed", file->name);
		else if (revents && file->ready)
			file->ready(file->data);
	}
	if (fds[FD_XENSTORE].revents)
		look_around(dev);
	dev->done |= bus_driver.finished ? bus_driver.finished(dev) : !bus_stays(dev);
}

void bus_await_release(struct bus_device *dev)
{
	struct pollfd changed = { .fd = xs_fileno(dev->xs), .events = POLLIN };
	uint64_t end = bus_now() + PATIENCE * 1000000000ull;
	enum xenbus_state state;

	if (dev->died || dev->gone)
		return;
	for (;;) {
		state = bus_otherend_state(dev);
		if (state != XenbusStateConnected && state != XenbusStateClosing)
			return;
		if (bus_now() > end || poll(&changed, 1, 1000) < 0)
			break;
		free(xs_check_watch(dev->xs));
	}
	bus_say("the backend did not let go within %d s", PATIENCE);
}

int bus_leave(struct bus_device *dev)
{
	int status;

	bus_driver.remove(dev);
	unlock();
	bus_driver.release(dev);
	bus_say(dev->gone && !dev->taken ? "The device is gone. Goodbye." : "Goodbye.");
	status = dev->status;
	xs_close(dev->xs);
	free(dev->otherend);
	free(dev);
	return status;
}

/*
 * If a standard file is closed at the start, the next file opened gets its number:
 * messages would go to XenStore.
 */
static void open_standard_files(void)
{
	bool no_output = fcntl(STDOUT_FILENO, F_GETFD) < 0;
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			exit(EX_OSFILE);
	if (no_output && bus_driver.output)
		bus_die(EX_USAGE,
			"standard output is closed, and what comes would be lost; if it may: >/dev/null");
}

/* A weak symbol: a program that drives a device among other things has its own main(). */
#pragma weak main
int main(int argc, char **argv)
{
	struct bus_device *dev;

	own_name = argv[0];
	open_standard_files();
	dev = bus_open(argc, argv);
	while (!dev->done)
		bus_wait(dev);
	return bus_leave(dev);
}
