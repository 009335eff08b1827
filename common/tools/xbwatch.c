// SPDX-License-Identifier: GPL-2.0
/*
 * xbwatch - show the states and nodes of XenBus devices as they change.
 *
 * One watch on all domains tells which path was written to; never what was
 * written, nor by whom. So each node is read again and compared with what it
 * was. Events of one node may arrive as one, and a value that was there only for a
 * moment may be gone before it is read.
 *
 * Here are the loop and the end; watch/ has the command line, the way from an event to
 * the nodes that changed, what is shown of a change, and the charts.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "watch/watch.h"

#define DOMAINS		"/local/domain"
/* At most so many events are taken before their nodes are read. */
#define EVENTS_MAX	4096
#define PATHS_MAX	256

/* The paths of the events, each of them once. */
struct paths {
	char *path[PATHS_MAX];
	unsigned int nr;
};

static void watch_begin(struct watch *watch, struct options *options);
static bool goes_to_stdout(const struct file *file);
static void open_files(struct options *options);
static bool open_file(struct file *file);
static int catch_signals(void);

static void watch_run(struct watch *watch);
static void wait_for_events(struct watch *watch);
static int milliseconds_left(const struct watch *watch);
static double seconds_since(const struct timespec *start);
static void take_events(struct watch *watch, struct paths *paths);
static void note_path(struct paths *paths, const char *path);
static void take_path(struct watch *watch, const char *path);

static bool until_reached(const struct watch *watch);
static int state_or_gone(const struct seen *seen, enum xb_end side);

static int watch_end(struct watch *watch);
static void write_chart(const struct file *file, struct chart *chart,
			void (*write)(struct chart *, FILE *));
static void forget_everything(struct watch *watch);
static int exit_status(const struct watch *watch);

int main(int argc, char **argv)
{
	struct options options = { 0 };
	struct watch watch = { 0 };

	parse_options(argc, argv, &options);
	watch_begin(&watch, &options);
	watch_run(&watch);
	return watch_end(&watch);
}

/* -- the loop ---------------------------------------------------------------------- */

/* XenStore counts the watches of a domain, and all that runs in a guest is one client. */
static void why_no_watch(int error)
{
	if (error == E2BIG)
		xb_die(EX_UNAVAILABLE, "this domain has as many XenStore watches as it may.\n"
		       "    To see who has them: xbdoctor");
	xb_die(EX_UNAVAILABLE, "XenStore refuses a watch: %s", strerror(error));
}

/* The first event of a watch comes at once, and begins it all. */
static void watch_begin(struct watch *watch, struct options *options)
{
	struct xb_select select;
	unsigned int own;

	watch->options = options;
	watch->out = stdout;
	if (goes_to_stdout(&options->msc) || goes_to_stdout(&options->dot))
		watch->out = stderr;
	setvbuf(watch->out, NULL, _IOLBF, BUFSIZ);
	xb_colour_init(watch->out);
	watch->signals = catch_signals();
	watch->xs = xb_open();
	if (!options->select.exact && xb_own_domid(watch->xs, &own) &&
	    xb_select_own(options->select.type, own, &select))
		options->select = select;
	if (!xs_watch(watch->xs, DOMAINS, "xbwatch"))
		why_no_watch(errno);
	open_files(options);
	watch->starting = true;
	clock_gettime(CLOCK_MONOTONIC, &watch->start);
}

static bool goes_to_stdout(const struct file *file)
{
	return file->name && !strcmp(file->name, "-");
}

/* At the start rather than at the end, so that a user who may not write there learns it now. */
static void open_files(struct options *options)
{
	int error;

	if (!open_file(&options->msc))
		xb_die(EX_CANTCREAT, "%s cannot be written: %s", options->msc.name,
		       strerror(errno));
	if (open_file(&options->dot))
		return;
	error = errno;
	if (options->msc.made)
		unlink(options->msc.name);
	xb_die(EX_CANTCREAT, "%s cannot be written: %s", options->dot.name, strerror(error));
}

static bool open_file(struct file *file)
{
	if (!file->name)
		return true;
	if (goes_to_stdout(file)) {
		file->fd = dup(STDOUT_FILENO);
		return file->fd >= 0;
	}
	file->fd = open(file->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	file->made = file->fd >= 0;
	if (!file->made && errno == EEXIST)
		file->fd = open(file->name, O_WRONLY | O_CLOEXEC);
	return file->fd >= 0;
}

/* As a file that can be read when a signal came, because wait_for_events() polls files. */
static int catch_signals(void)
{
	sigset_t set;
	int fd;

	/* If the reader of a pipe leaves, writing fails instead. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		xb_die(EX_OSERR, "cannot wait for signals: %s", strerror(errno));
	return fd;
}

static void watch_run(struct watch *watch)
{
	struct paths paths = { 0 };

	while (watch->ending == NOT_YET) {
		wait_for_events(watch);
		take_events(watch, &paths);
		for (unsigned int i = 0; i < paths.nr; i++) {
			if (watch->ending == NOT_YET)
				take_path(watch, paths.path[i]);
			free(paths.path[i]);
		}
		paths.nr = 0;
	}
}

/* Until an event or a signal comes, or the time is over. */
static void wait_for_events(struct watch *watch)
{
	struct pollfd fds[] = {
		{ .fd = xs_fileno(watch->xs), .events = POLLIN },
		{ .fd = watch->signals, .events = POLLIN },
	};
	int left = milliseconds_left(watch);

	if (left == 0)
		watch->ending = TIMED_OUT;
	poll(fds, 2, watch->more_events ? 0 : left);
	if (fds[1].revents)
		watch->ending = SIGNALLED;
}

/* For poll(): -1 is for ever. At most half an hour, after which it is called again. */
static int milliseconds_left(const struct watch *watch)
{
	double seconds = watch->options->timeout - seconds_since(&watch->start);

	if (watch->options->timeout == 0)
		return -1;
	if (seconds <= 0)
		return 0;
	return 1 + 1000 * (seconds < 1800 ? seconds : 1800);
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - start->tv_sec + (now.tv_nsec - start->tv_nsec) / 1e9;
}

/*
 * Take the events that there are before a node is read, so that a node which was written
 * a thousand times is read once. A guest that writes without end does not keep us here.
 */
static void take_events(struct watch *watch, struct paths *paths)
{
	watch->more_events = true;
	for (unsigned int i = 0; i < EVENTS_MAX && paths->nr < PATHS_MAX; i++) {
		char **event = xs_check_watch(watch->xs);

		if (!event) {
			if (errno != EAGAIN && errno != EINTR && watch->ending == NOT_YET)
				watch->ending = NO_XENSTORE;
			watch->more_events = false;
			return;
		}
		note_path(paths, event[XS_WATCH_PATH]);
		free(event);
	}
}

/* In the order of their first events. */
static void note_path(struct paths *paths, const char *path)
{
	for (unsigned int i = 0; i < paths->nr; i++)
		if (!strcmp(paths->path[i], path))
			return;
	paths->path[paths->nr++] = xb_strdup(path);
}

/* The time is taken first: reading takes some, too. */
static void take_path(struct watch *watch, const char *path)
{
	watch->now = watch->starting ? 0 : seconds_since(&watch->start);
	look_at(watch, path);
	if (watch->ending == NOT_YET && watch->options->until && until_reached(watch))
		watch->ending = REACHED;
}

/* -- the end ------------------------------------------------------------------------------ */

/* By all devices that are there, and at least one; or there is none, if that is wanted. */
static bool until_reached(const struct watch *watch)
{
	const int *wanted = watch->options->until_state;
	bool gone_will_do = wanted[XB_FRONT] == GONE && wanted[XB_BACK] == GONE;
	unsigned int there = 0, reached = 0;

	for (unsigned int i = 0; i < watch->devices.nr; i++) {
		const struct seen *seen = watch->devices.device[i]->own;
		int front = state_or_gone(seen, XB_FRONT), back = state_or_gone(seen, XB_BACK);

		if (front == GONE && back == GONE && !gone_will_do)
			continue;
		there++;
		reached += front == wanted[XB_FRONT] && back == wanted[XB_BACK];
	}
	return there > 0 && there == reached;
}

static int state_or_gone(const struct seen *seen, enum xb_end side)
{
	return seen && seen->end[side].exists ? seen->end[side].state : GONE;
}

static int watch_end(struct watch *watch)
{
	write_chart(&watch->options->msc, &watch->chart, chart_write_msc);
	write_chart(&watch->options->dot, &watch->chart, chart_write_dot);
	xs_close(watch->xs);
	forget_everything(watch);
	return exit_status(watch);
}

static void write_chart(const struct file *file, struct chart *chart,
			void (*write)(struct chart *, FILE *))
{
	FILE *out;

	if (!file->name)
		return;
	/* A pipe cannot be truncated, and need not be. */
	if (ftruncate(file->fd, 0) && errno != EINVAL)
		xb_die(EX_IOERR, "%s cannot be written: %s", file->name, strerror(errno));
	out = fdopen(file->fd, "w");
	if (!out)
		xb_die(EX_OSERR, "%s cannot be written: %s", file->name, strerror(errno));
	write(chart, out);
	if (ferror(out) || fclose(out))
		xb_die(EX_IOERR, "%s could not be written: %s", file->name, strerror(errno));
}

static void forget_everything(struct watch *watch)
{
	for (unsigned int i = 0; i < watch->devices.nr; i++) {
		struct seen *seen = watch->devices.device[i]->own;

		for (int side = XB_FRONT; seen && side <= XB_BACK; side++) {
			xb_nodes_free(&seen->end[side].nodes);
			free(seen->end[side].error);
		}
		free(seen);
	}
	xb_devices_free(&watch->devices);
	chart_free(&watch->chart);
}

static int exit_status(const struct watch *watch)
{
	const struct options *options = watch->options;

	switch (watch->ending) {
	case NO_XENSTORE:
		fprintf(stderr, "xbwatch: the connection to XenStore is lost\n");
		return EX_IOERR;
	case CANNOT_WRITE:
		if (watch->error == EPIPE)
			return EX_OK;
		fprintf(stderr, "xbwatch: writing failed: %s\n", strerror(watch->error));
		return EX_IOERR;
	case TIMED_OUT:
	case SIGNALLED:
		return options->until || options->count ? EX_TEMPFAIL : EX_OK;
	default:
		return EX_OK;
	}
}
