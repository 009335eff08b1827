// SPDX-License-Identifier: GPL-2.0
/*
 * xbwatch - show the states and nodes of XenBus devices as they change.
 *
 * One watch on all domains tells which path was written to; never what was
 * written, nor by whom. So each node is read again and compared with what it
 * was. Events of one node may arrive as one, and a value that was there only for a
 * moment may be gone before it is read.
 *
 * From main downward: what is asked for; the loop; from an event to the nodes that
 * changed; what is shown of a change; the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "chart.h"
#include "xenbus.h"

#define DOMAINS		"/local/domain"
/* Names and values are shown up to these lengths, charts have less room. */
#define NAME_MAX_SHOWN	44
#define VALUE_MAX	72
#define CHART_TEXT_MAX	48
/* What one guest can make at a time is far less. */
#define DEVICES_MAX	8192
/* So many events are taken before the nodes are read that they are about. */
#define EVENTS_MAX	4096
#define PATHS_MAX	256
/* As a wanted state, and as one that is: the end has no directory. */
#define GONE		-3

/* -- what there is ------------------------------------------------------------- */

struct file {
	const char *name;	/* NULL: not asked for; "-": standard output */
	int fd;
	bool made;		/* it was not there before */
};

/* What the command line says. */
struct options {
	struct xb_select select;
	bool states_only;
	unsigned int count;	/* 0: no limit */
	bool until;
	int until_state[2];
	double timeout;		/* seconds, 0: none */
	struct file msc, dot;
};

/* One end, as it was last seen. */
struct end {
	bool exists;
	int state;
	char *error;
	bool full;		/* it has more nodes than are kept */
	struct xb_nodes nodes;
};

struct seen {
	struct end end[2];
	unsigned int in_chart;
};

/* Why the loop ended. */
enum ending { NOT_YET, REACHED, TIMED_OUT, SIGNALLED, CANNOT_WRITE, NO_XENSTORE };

struct watch {
	struct options *options;
	struct xs_handle *xs;
	int signals;
	FILE *out;
	struct timespec start;
	bool starting;		/* what is shown was there before */
	double now;		/* seconds since the start */
	struct xb_devices devices;
	struct chart chart;
	bool full;		/* no more devices are added */
	unsigned int changes;
	bool more_events;
	enum ending ending;
	int error;		/* why CANNOT_WRITE */
};

/* Paths that something happened to, each of them once. */
struct paths {
	char *path[PATHS_MAX];
	unsigned int nr;
};

static void parse_options(int argc, char **argv, struct options *options);
static void show_help(void) __attribute__((noreturn));
static void parse_until(char *states, struct options *options);
static int parse_state(const char *name);
static void parse_timeout(const char *seconds, struct options *options);
static void parse_file(const char *name, struct file *file);

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

static void look_at(struct watch *watch, const char *path);
static bool may_have_more(struct watch *watch);
static void look_at_everything(struct watch *watch);
static void look_below(struct watch *watch, const char *path);
static void look_at_both(struct watch *watch, struct xb_device *device);
static void look_for_other(struct watch *watch, struct xb_device *device, enum xb_end side);
static void look_at_error(struct watch *watch, const struct xb_dir *dir);
static struct seen *seen_of(struct watch *watch, struct xb_device *device);

static void look_at_node(struct watch *watch, struct xb_device *device, enum xb_end side,
			 const char *name);
static void look_at_directory(struct watch *watch, struct xb_device *device, enum xb_end side);
static char *read_node(struct watch *watch, const char *dir, const char *name, unsigned int *len);
static void directory_came(struct watch *watch, struct xb_device *device, enum xb_end side);
static void directory_went(struct watch *watch, struct xb_device *device, enum xb_end side);
static void node_is(struct watch *watch, struct xb_device *device, enum xb_end side,
		    const struct xb_node *node, enum chart_what what);
static bool is_full(struct watch *watch, struct xb_device *device, enum xb_end side);
static struct xb_node *new_node(struct end *end, const char *name);
static char *copy_value(const struct xb_node *node);
static void nodes_went(struct watch *watch, struct xb_device *device, enum xb_end side,
		       const char *name);
static bool is_below(const char *name, const char *below);
static bool same_value(const struct xb_node *a, const struct xb_node *b);

static void show_node(struct watch *watch, struct xb_device *device, enum xb_end side,
		      enum chart_what what, const struct xb_node *old, const struct xb_node *new);
static void begin_line(struct watch *watch, const struct xb_device *device, enum xb_end side);
static void show_directory(struct watch *watch, const struct xb_device *device, enum xb_end side,
			   enum chart_what what);
static void end_line(struct watch *watch);
static void show_value(struct watch *watch, const struct xb_node *node);
static void value_text(char *out, size_t size, const struct xb_node *node);
static bool is_state(const struct xb_node *node);
static void draw(struct watch *watch, struct xb_device *device, enum xb_end side,
		 enum chart_what what, const struct xb_node *node);

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

/* -- what is asked for ----------------------------------------------------------- */

static void parse_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "count", required_argument, NULL, 'n' },
		{ "dot", optional_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "msc", optional_argument, NULL, 'm' },
		{ "states", no_argument, NULL, 's' },
		{ "timeout", required_argument, NULL, 't' },
		{ "until", required_argument, NULL, 'u' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 }
	};
	int option;

	while ((option = getopt_long(argc, argv, "n:hst:u:V", longs, NULL)) != -1) {
		switch (option) {
		case 'n':
			if (!xb_number(optarg, ~0u, &options->count) || options->count == 0)
				xb_usage_error("the count is a number from 1, not '%s'", optarg);
			break;
		case 'd':
			parse_file(optarg, &options->dot);
			break;
		case 'h':
			show_help();
		case 'm':
			parse_file(optarg, &options->msc);
			break;
		case 's':
			options->states_only = true;
			break;
		case 't':
			parse_timeout(optarg, options);
			break;
		case 'u':
			parse_until(optarg, options);
			break;
		case 'V':
			puts("xbwatch " VERSION);
			exit(EX_OK);
		default:
			xb_see_help();
		}
	}
	if (argc - optind > 1)
		xb_usage_error("at most one operand is allowed: '%s' is too many", argv[optind + 1]);
	if (!xb_select_parse(argv[optind], &options->select))
		xb_usage_error("'%s' is not a domain's number, a type of device, a device's name"
			       " (mydevice-1-0) or the path of a device's directory", argv[optind]);
	if (options->msc.name && options->dot.name && !strcmp(options->msc.name, options->dot.name))
		xb_usage_error("two charts cannot go into one file");
}

static void show_help(void)
{
	puts("usage: xbwatch [OPTION...] [DOMID | TYPE | TYPE-N | TYPE-DOMID-N | PATH]\n"
	     "\n"
	     "Shows the XenBus states and nodes of devices as they change: of all devices that\n"
	     "this domain may see, or of those with an end in domain DOMID, of those of a TYPE\n"
	     "(vif, mydevice, ...), of device N of domain DOMID, or of the one whose frontend's\n"
	     "or backend's directory is PATH. Interrupt it (^C) to end it.\n"
	     "\n"
	     "  -s, --states         show only the states\n"
	     "  -n, --count=N        end after N changes\n"
	     "  -u, --until=STATE    end when both ends of each device are in this state, such\n"
	     "                       as Connected or Closed; STATE,STATE: frontend's and\n"
	     "                       backend's; gone: the directory is removed\n"
	     "  -t, --timeout=SECS   end after this time\n"
	     "      --msc[=FILE]     write the changes as a sequence chart, for mscgen\n"
	     "      --dot[=FILE]     write them as a diagram of states, for graphviz's dot\n"
	     "  -h, --help           show this and end\n"
	     "  -V, --version        show the version and end\n"
	     "\n"
	     "A chart is written at the end. Without FILE it goes to standard output, and the\n"
	     "lines go to standard error. Colour is for terminals, unless NO_COLOR is\n"
	     "set. Exit status: 0, or one of sysexits.h: 64 usage, 69 no XenStore, 73 FILE\n"
	     "cannot be written, 74 input or output error, 75 ended before --count or --until\n"
	     "was reached, 77 not permitted.");
	exit(EX_OK);
}

/* One state for both ends, or two with a comma between them. */
static void parse_until(char *states, struct options *options)
{
	char *comma = strchr(states, ',');

	if (comma)
		*comma = '\0';
	options->until = true;
	options->until_state[XB_FRONT] = parse_state(states);
	options->until_state[XB_BACK] = parse_state(comma ? comma + 1 : states);
}

static int parse_state(const char *name)
{
	int state = !strcasecmp(name, "gone") ? GONE : xb_state_by_name(name);

	if (state == XB_BAD_STATE)
		xb_usage_error("unknown state '%s'; the states are: gone Initialising InitWait Initialised"
			       " Connected Closing Closed Reconfiguring Reconfigured Unknown", name);
	return state;
}

static void parse_timeout(const char *seconds, struct options *options)
{
	char *rest;

	options->timeout = strtod(seconds, &rest);
	if (rest == seconds || *rest || !isfinite(options->timeout) || options->timeout <= 0 ||
	    options->timeout > 1e8)
		xb_usage_error("the timeout is a number of seconds, not '%s'", seconds);
}

static void parse_file(const char *name, struct file *file)
{
	if (name && !*name)
		xb_usage_error("the name of the chart's file is empty");
	file->name = name ? name : "-";
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

/* Now rather than at the end: who cannot write there is to know before. */
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

/* As a file that can be read when one has come: wait_for_events() waits for both. */
static int catch_signals(void)
{
	sigset_t set;
	int fd;

	/* A reader who leaves is seen when writing fails. */
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
				look_at(watch, paths.path[i]);
			free(paths.path[i]);
		}
		paths.nr = 0;
	}
}

/* Until there is one, the time is over, or a signal comes. */
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

/* As poll() has it: -1 is for ever. It is asked again after half an hour. */
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
 * Take what there is before anything is read: that a node was written a thousand
 * times is one thing to look at. Whoever writes without end does not keep us here.
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

/* -- from an event to the nodes that changed -------------------------------------------- */

static void look_at(struct watch *watch, const char *path)
{
	struct xb_device *device;
	enum xb_end side;
	struct xb_dir dir;

	watch->now = watch->starting ? 0 : seconds_since(&watch->start);
	device = xb_devices_find(&watch->devices, path, &side);
	if (device) {
		const char *rest = path + strlen(device->path[side]);

		look_at_node(watch, device, side, *rest ? rest + 1 : rest);
		if (!strcmp(rest, side == XB_FRONT ? "/backend" : "/frontend"))
			look_for_other(watch, device, side);
	} else if (xb_dir_parse(path, &dir, NULL)) {
		if (xb_selected(&watch->options->select, &dir) && may_have_more(watch))
			look_at_both(watch, xb_devices_add(watch->xs, &watch->devices, &dir));
	} else if (xb_error_parse(path, &dir)) {
		look_at_error(watch, &dir);
	} else if (watch->starting) {
		look_at_everything(watch);
	} else {
		look_below(watch, path);
	}
	if (watch->ending == NOT_YET && watch->options->until && until_reached(watch))
		watch->ending = REACHED;
}

/* A guest can make devices and remove them for ever; they are kept for the chart. */
static bool may_have_more(struct watch *watch)
{
	if (watch->devices.nr < DEVICES_MAX)
		return true;
	if (!watch->full)
		fprintf(stderr, "xbwatch: more than %u devices appeared: new ones are not shown\n",
			DEVICES_MAX);
	watch->full = true;
	return false;
}

static void look_at_everything(struct watch *watch)
{
	xb_devices_scan(watch->xs, &watch->devices, &watch->options->select);
	for (unsigned int i = 0; i < watch->devices.nr; i++)
		look_at_both(watch, watch->devices.device[i]);
	watch->starting = false;
	if (watch->devices.nr == 0)
		fprintf(stderr,
			"xbwatch: this domain can see no such device; waiting for one\n");
}

/* Something above devices' directories, which may be gone with all below it. */
static void look_below(struct watch *watch, const char *path)
{
	for (unsigned int i = 0; i < watch->devices.nr; i++) {
		struct xb_device *device = watch->devices.device[i];

		for (int side = XB_FRONT; side <= XB_BACK; side++)
			if (device->path[side][0] && is_below(device->path[side], path))
				look_at_node(watch, device, side, "");
	}
}

static void look_at_both(struct watch *watch, struct xb_device *device)
{
	struct xb_dir dir;

	for (int side = XB_FRONT; side <= XB_BACK; side++) {
		if (device->path[side][0])
			look_at_node(watch, device, side, "");
		if (watch->starting && xb_dir_parse(device->path[side], &dir, NULL))
			look_at_error(watch, &dir);
	}
}

/* The node that names the other end was written. */
static void look_for_other(struct watch *watch, struct xb_device *device, enum xb_end side)
{
	enum xb_end other = xb_other(side);
	struct xb_dir dir;

	if (seen_of(watch, device)->end[other].exists ||
	    !xb_dir_parse(device->path[side], &dir, NULL))
		return;
	xb_devices_add(watch->xs, &watch->devices, &dir);
	if (device->path[other][0])
		look_at_node(watch, device, other, "");
}

/* The last error of an end's kernel is kept outside the end's directory. */
static void look_at_error(struct watch *watch, const struct xb_dir *dir)
{
	struct xb_device *device;
	struct xb_node node = { .name = "error" };
	char path[XB_PATH_MAX];
	struct end *end;
	enum xb_end side;

	xb_dir_path(dir, path);
	device = xb_devices_find(&watch->devices, path, &side);
	if (!device)
		return;
	end = &seen_of(watch, device)->end[side];
	node.value = xb_read_error(watch->xs, path);
	if (node.value && (!end->error || strcmp(node.value, end->error))) {
		node.len = strlen(node.value);
		show_node(watch, device, side, CHART_WRITTEN, NULL, &node);
	}
	free(end->error);
	end->error = node.value;
}

static struct seen *seen_of(struct watch *watch, struct xb_device *device)
{
	struct chart_device in_chart = { 0 };
	struct seen *seen = device->own;

	if (seen)
		return seen;
	seen = device->own = xb_realloc(NULL, sizeof(*seen));
	memset(seen, 0, sizeof(*seen));
	seen->end[XB_FRONT].state = seen->end[XB_BACK].state = XB_NO_STATE;
	memcpy(in_chart.name, device->name, sizeof(in_chart.name));
	seen->in_chart = chart_add_device(&watch->chart, &in_chart);
	return seen;
}

/*
 * Read the one node ("" is the directory itself), and nothing else: what is below it
 * has events of its own, and while we read the next state may come. But what is
 * gone went with all that was below it, without a word.
 */
static void look_at_node(struct watch *watch, struct xb_device *device, enum xb_end side,
			 const char *name)
{
	struct end *end = &seen_of(watch, device)->end[side];
	struct xb_node node = { .name = (char *)name };

	if (!end->exists) {
		look_at_directory(watch, device, side);
		return;
	}
	if (watch->options->states_only && *name && !is_state(&node))
		return;
	node.value = read_node(watch, device->path[side], name, &node.len);
	if (!node.value && *name)
		nodes_went(watch, device, side, name);
	else if (!node.value)
		directory_went(watch, device, side);
	else if (*name)
		node_is(watch, device, side, &node, CHART_WRITTEN);
	free(node.value);
}

/* All of a directory that was not there before. */
static void look_at_directory(struct watch *watch, struct xb_device *device, enum xb_end side)
{
	struct xb_nodes nodes;

	if (!xb_nodes_read(watch->xs, device->path[side], "", false, &nodes))
		return;
	directory_came(watch, device, side);
	for (unsigned int i = 0; i < nodes.nr; i++)
		if (nodes.node[i].name[0] && nodes.node[i].value)
			node_is(watch, device, side, &nodes.node[i], CHART_THERE);
	xb_nodes_free(&nodes);
}

static char *read_node(struct watch *watch, const char *dir, const char *name, unsigned int *len)
{
	char path[XENSTORE_ABS_PATH_MAX + 1];
	int wanted = snprintf(path, sizeof(path), "%s%s%s", dir, *name ? "/" : "", name);

	if (wanted >= (int)sizeof(path))
		return NULL;
	return xs_read(watch->xs, XBT_NULL, path, len);
}

static void directory_came(struct watch *watch, struct xb_device *device, enum xb_end side)
{
	struct seen *seen = seen_of(watch, device);
	struct chart_device *in_chart = &watch->chart.device[seen->in_chart];

	seen->end[side].exists = true;
	in_chart->domid[XB_FRONT] = device->domid[XB_FRONT];
	in_chart->domid[XB_BACK] = device->domid[XB_BACK];
	for (int i = XB_FRONT; i <= XB_BACK; i++)
		if (device->domid[i] != XB_DOMIDS && !in_chart->domain[i][0])
			xb_domain_name(watch->xs, device->domid[i], in_chart->domain[i]);
	show_node(watch, device, side, CHART_THERE, NULL, NULL);
}

/* All its nodes with it, in one line. */
static void directory_went(struct watch *watch, struct xb_device *device, enum xb_end side)
{
	struct end *end = &seen_of(watch, device)->end[side];

	end->exists = false;
	end->state = XB_NO_STATE;
	xb_nodes_free(&end->nodes);
	show_node(watch, device, side, CHART_REMOVED, NULL, NULL);
}

/* The node has this value: show it if it had another, or none, and keep it. */
static void node_is(struct watch *watch, struct xb_device *device, enum xb_end side,
		    const struct xb_node *node, enum chart_what what)
{
	struct end *end = &seen_of(watch, device)->end[side];
	struct xb_node *old = (struct xb_node *)xb_nodes_find(&end->nodes, node->name);
	struct xb_node was = { 0 };

	if (old ? same_value(old, node) : is_full(watch, device, side))
		return;
	if (!old)
		old = new_node(end, node->name);
	was = *old;
	old->value = copy_value(node);
	old->len = node->len;
	if (is_state(node))
		end->state = xb_state_value(node->value);
	show_node(watch, device, side, what, was.value ? &was : NULL, node);
	free(was.value);
}

/* A guest has a quota of nodes, but who has none could fill our memory. */
static bool is_full(struct watch *watch, struct xb_device *device, enum xb_end side)
{
	struct end *end = &seen_of(watch, device)->end[side];

	if (end->nodes.nr < XB_NODES_MAX)
		return false;
	if (!end->full)
		fprintf(stderr, "xbwatch: %s has more than %u nodes: the others are not shown\n",
			device->path[side], XB_NODES_MAX);
	end->full = true;
	return true;
}

static struct xb_node *new_node(struct end *end, const char *name)
{
	struct xb_node *node;

	end->nodes.node = xb_realloc(end->nodes.node, (end->nodes.nr + 1) * sizeof(*node));
	node = &end->nodes.node[end->nodes.nr++];
	memset(node, 0, sizeof(*node));
	node->name = xb_strdup(name);
	return node;
}

static char *copy_value(const struct xb_node *node)
{
	char *value = xb_realloc(NULL, node->len + 1);

	memcpy(value, node->value, node->len);
	value[node->len] = '\0';
	return value;
}

/* A node, and what was below it. */
static void nodes_went(struct watch *watch, struct xb_device *device, enum xb_end side,
		       const char *name)
{
	struct end *end = &seen_of(watch, device)->end[side];

	for (unsigned int i = end->nodes.nr; i-- > 0; ) {
		struct xb_node was = end->nodes.node[i];

		if (!is_below(was.name, name))
			continue;
		memmove(&end->nodes.node[i], &end->nodes.node[i + 1],
			(--end->nodes.nr - i) * sizeof(was));
		if (is_state(&was))
			end->state = XB_NO_STATE;
		show_node(watch, device, side, CHART_REMOVED, &was, NULL);
		free(was.name);
		free(was.value);
	}
}

/* "a/b" is below "a" and "", and so is "a". */
static bool is_below(const char *name, const char *below)
{
	size_t len = strlen(below);

	return len == 0 || (!strncmp(name, below, len) && (name[len] == '\0' || name[len] == '/'));
}

static bool same_value(const struct xb_node *a, const struct xb_node *b)
{
	return a->len == b->len && !memcmp(a->value, b->value, a->len);
}

/* -- what is shown of a change --------------------------------------------------------- */

/* A line for a node, or for the directory itself if both are NULL. */
static void show_node(struct watch *watch, struct xb_device *device, enum xb_end side,
		      enum chart_what what, const struct xb_node *old, const struct xb_node *new)
{
	const struct xb_node *node = new ? new : old;
	char name[NAME_MAX_SHOWN];

	if (watch->ending != NOT_YET || (watch->options->states_only && node && !is_state(node)))
		return;
	draw(watch, device, side, what, node);
	begin_line(watch, device, side);
	if (!node)
		show_directory(watch, device, side, what);
	else
		fprintf(watch->out, "%-20s  ",
			xb_printable(name, sizeof(name), node->name, strlen(node->name)));
	if (old) {
		show_value(watch, old);
		fputs(new ? " -> " : "", watch->out);
	}
	if (new)
		show_value(watch, new);
	else if (old)
		fprintf(watch->out, " %sis removed%s", xb_colour(XB_RED), xb_colour(XB_PLAIN));
	end_line(watch);
}

static void begin_line(struct watch *watch, const struct xb_device *device, enum xb_end side)
{
	fprintf(watch->out, "%s%9.3f%s  %-14s  %s%-8s%s  ", xb_colour(XB_DIM), watch->now,
		xb_colour(XB_PLAIN), device->name, xb_colour(side == XB_FRONT ? XB_CYAN : XB_BOLD),
		xb_end_name(side), xb_colour(XB_PLAIN));
}

static void show_directory(struct watch *watch, const struct xb_device *device, enum xb_end side,
			   enum chart_what what)
{
	const struct seen *seen = device->own;
	const struct chart_device *names = &watch->chart.device[seen->in_chart];

	if (what == CHART_REMOVED) {
		fprintf(watch->out, "%sis removed%s: %s", xb_colour(XB_RED), xb_colour(XB_PLAIN),
			device->path[side]);
		return;
	}
	fprintf(watch->out, "is in domain %u", device->domid[side]);
	if (names->domain[side][0])
		fprintf(watch->out, " (%s)", names->domain[side]);
	fprintf(watch->out, ": %s", device->path[side]);
}

/* At once, into a pipe too; and a reader who has left ends it. */
static void end_line(struct watch *watch)
{
	fputc('\n', watch->out);
	if (fflush(watch->out) || ferror(watch->out)) {
		watch->error = errno;
		watch->ending = CANNOT_WRITE;
	} else if (!watch->starting && ++watch->changes == watch->options->count) {
		watch->ending = REACHED;
	}
}

static void show_value(struct watch *watch, const struct xb_node *node)
{
	enum xb_colour colour = XB_PLAIN;
	char text[VALUE_MAX];

	if (is_state(node))
		colour = xb_state_colour(xb_state_value(node->value));
	value_text(text, sizeof(text), node);
	fprintf(watch->out, "%s%s%s", colour == XB_PLAIN ? "" : xb_colour(colour), text,
		colour == XB_PLAIN ? "" : xb_colour(XB_PLAIN));
}

/* A state's name, a plain word as it is, all else in quotes. */
static void value_text(char *out, size_t size, const struct xb_node *node)
{
	const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/.,:+=@";
	char text[VALUE_MAX - 2];
	int state;

	xb_printable(text, size - strlen("\"\""), node->value, node->len);
	state = is_state(node) ? xb_state_value(node->value) : XB_NO_STATE;
	if (state >= 0)
		snprintf(out, size, "%s", xb_state_name(state));
	else if (state == XB_BAD_STATE)
		snprintf(out, size, "\"%.16s\" (%s)", text, xb_state_name(state));
	else if (node->len > 0 && strspn(text, plain) == strlen(text))
		snprintf(out, size, "%s", text);
	else
		snprintf(out, size, "\"%s\"", text);
}

static bool is_state(const struct xb_node *node)
{
	return !strcmp(node->name, "state");
}

static void draw(struct watch *watch, struct xb_device *device, enum xb_end side,
		 enum chart_what what, const struct xb_node *node)
{
	const struct seen *seen = seen_of(watch, device);
	char value[CHART_TEXT_MAX] = "";
	char name[CHART_TEXT_MAX] = "";
	struct chart_event event = {
		.device = seen->in_chart, .end = side, .seconds = watch->now, .what = what,
		.name = name, .value = value,
		.state = { seen->end[XB_FRONT].state, seen->end[XB_BACK].state },
	};

	if (node) {
		xb_printable(name, sizeof(name), node->name, strlen(node->name));
		value_text(value, sizeof(value), node);
	}
	chart_add_event(&watch->chart, &event);
}

/* -- the end ------------------------------------------------------------------------------ */

/* Each device that is there, and at least one; or, if that is waited for, none. */
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
	/* What cannot be truncated, a pipe, needs it not. */
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
