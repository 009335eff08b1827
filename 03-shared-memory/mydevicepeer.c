// SPDX-License-Identifier: GPL-2.0
/*
 * Either end of mydevice in user space: a process with Xen's libraries does what
 * the modules do in the kernel. It is read from main downwards: each function
 * stands below those that call it.
 *
 * What a module gets from XenBus is done here by hand: finding the device,
 * watching the other end's state, writing its own. mydevice.h is what the two
 * ends agree on; this end cannot tell, and need not, what its other end is.
 *
 * A peer that breaks the protocol ends the process, with one line. Its other lines
 * that a peer can cause are limited: see tell().
 *
 * A guest that is saved with a process at an end: see peer_move().
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <xentoollog.h>

#include <xen/io/xenbus.h>

#include "mydevice.h"

/* How long a frontend that leaves waits for the backend to let go, in s. */
#define PATIENCE	5

/* An event without a reason keeps the next one away, for 2^n ms up to this n. */
#define BRAKE_MAX	10

/* A reason, or a pause of so many ns, forgives those before. */
#define BRAKE_PAUSE	2000000000ull

/* Of lines that a peer can cause: so many at once, then one in so many s. */
#define TELL_BURST	50
#define TELL_PAUSE	2

/* Tries to take the lock, 0.1 s apart: a doctor may look at it, for a moment. */
#define LOCK_TRIES	10

/* The kernel's names of what is a matter of the compiler here. */
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, value)	__atomic_store_n(&(x), value, __ATOMIC_RELAXED)
#define virt_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define virt_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define virt_wmb()		__atomic_thread_fence(__ATOMIC_RELEASE)

/**
 * struct peer - one end of one device
 * @frontend: which end it is
 * @keep: stay when the other end closes, and wait for its next connection
 * @verbose: say each state that the other end is seen in
 * @device: the device's number
 * @dir: this end's directory, relative to this domain's
 * @otherend: the other end's directory
 * @otherend_id: the domain that it is in
 * @xs: the connection to XenStore
 * @signals: a file to read SIGINT and its kind from
 * @domid: the domain that this process is in
 * @domain_seen: the watch of that number has fired for the first time
 * @restored: the guest was saved and restored since the handles were opened
 * @state: this end's state
 * @version: the protocol version of this connection, 0 when there is none
 * @over: a connection of this end has come to its end
 * @gone: the device's nodes are gone, or not this end's any more
 * @taken: another driver has them
 * @misfit: it was said that the other end speaks no version of ours
 * @broken: this end has given up, and said why
 * @done: it is time to leave
 * @status: what the process exits with, one of sysexits.h
 * @answer: answer each event with one of our own
 * @answer_given: whether to answer was an option
 * @log: where the libraries tell of errors
 * @evtchn: the event channels of this process
 * @port: the event channel's port in this domain, -1 when there is none
 * @heard: the first event has come, if binding makes one
 * @events_sent: notifications to the other end during this connection
 * @events_received: events during this connection
 * @notified_at: when this end last notified by hand, in ns; 0 once it is answered
 * @send_only: leave when the input has ended and the other end has taken all
 * @order: of the rings that a frontend wants and a backend allows: 2^order pages
 * @max_order: the least of that and what the backend allows, at a frontend
 * @first_index: where a frontend's indices begin
 * @gnttab: what a backend maps with
 * @gntshr: what a frontend shares with
 * @index: the index page, while the connection lasts
 * @mine: the half of @index that this end writes
 * @theirs: the half of @index that the other end writes
 * @rx: the ring from the other end
 * @tx: the ring to the other end
 * @ring_ref: the grant reference of @index, at the frontend
 * @refs: the grant references of both rings' pages
 * @live: Connected, and bytes may move
 * @bereaved: the other end was a process, and died
 * @asked_death: whether it died was looked up once during this connection
 * @event_prod: the other end's producer index at the last event
 * @event_cons: its consumer index then
 * @idle_events: events without a reason, one after the other
 * @idle_at: when the last of them came, in ns
 * @unmask_at: when the port is unmasked, in ns; 0 if it is not masked
 * @told_to_end: by a signal
 * @input_ended: standard input has no more
 * @unread: what is left of a connection that is over, from malloc(); a ring at most
 * @unread_len: how many bytes that is
 * @unread_at: how many of them were written out
 * @bytes_received: taken out of @rx
 * @bytes_sent: put into @tx
 * @suppressed: moves of which the other end did not want to be notified
 */
struct peer {
	bool frontend;
	bool keep;
	bool verbose;
	unsigned int device;
	char dir[64];
	char *otherend;
	unsigned int otherend_id;
	struct xs_handle *xs;
	int signals;
	unsigned int domid;
	bool domain_seen;
	bool restored;
	enum xenbus_state state;
	unsigned int version;
	bool over;
	bool gone;
	bool taken;
	bool misfit;
	bool broken;
	bool done;
	int status;
	bool answer;
	bool answer_given;
	struct xentoollog_logger *log;
	xenevtchn_handle *evtchn;
	xenevtchn_port_or_error_t port;
	bool heard;
	unsigned int events_sent;
	unsigned int events_received;
	uint64_t notified_at;
	bool send_only;
	unsigned int order;
	unsigned int max_order;
	unsigned int first_index;
	xengnttab_handle *gnttab;
	xengntshr_handle *gntshr;
	struct mydevice_index *index;
	struct mydevice_end *mine;
	struct mydevice_end *theirs;
	struct mydevice_ring rx;
	struct mydevice_ring tx;
	__u32 ring_ref;
	__u32 refs[2 * MYDEVICE_MAX_PAGES];
	bool live;
	bool bereaved;
	bool asked_death;
	__u32 event_prod;
	__u32 event_cons;
	unsigned int idle_events;
	uint64_t idle_at;
	uint64_t unmask_at;
	bool told_to_end;
	bool input_ended;
	char *unread;
	size_t unread_len;
	size_t unread_at;
	uint64_t bytes_received;
	uint64_t bytes_sent;
	unsigned int suppressed;
};

/* The functions, each below those that call it. */
static void open_standard_files(void);
static void peer_parse(struct peer *peer, int argc, char **argv);
static void parse_option(struct peer *peer, int option);
static unsigned int parse_value(const char *option, const char *text,
				unsigned int max);
static bool parse_yes(const char *option, const char *text);
static void peer_find(struct peer *peer);
static int open_signals(void);
static struct xentoollog_logger *quiet(void);
static void peer_find_otherend(struct peer *peer);
static bool peer_may_write(struct peer *peer);
static void peer_claim(struct peer *peer);
static bool module_drives(const struct peer *peer);
static void peer_lock(const struct peer *peer);
static int try_lock(void);
static void unlock(void);
static void peer_begin(struct peer *peer);
static void peer_open_evtchn(struct peer *peer);
static void peer_open_gntshr(struct peer *peer);
static void peer_open_gnttab(struct peer *peer);
static void peer_watch(struct peer *peer);
static void need_file(const char *path, const char *remedy);
static void peer_forget_error(struct peer *peer);
static void peer_wait(struct peer *peer);
static bool stream_writable(struct peer *peer);
static bool stream_readable(struct peer *peer);
static int peer_timeout(const struct peer *peer);
static bool has_failed(const struct pollfd *fd);
static void peer_signalled(struct peer *peer);
static void peer_asked(struct peer *peer, int signal);
static void peer_say_counts(const struct peer *peer);
static void peer_event(struct peer *peer);
static bool stream_has_moved(struct peer *peer);
static bool peer_brake(struct peer *peer);
static void peer_unmask(struct peer *peer);
static void peer_take_time(struct peer *peer);
static void peer_bury(struct peer *peer);
static void stream_input(struct peer *peer);
static char *stream_space(struct peer *peer, __u32 *len);
static void stream_produced(struct peer *peer, __u32 len);
static void stream_output(struct peer *peer);
static void stream_consumed(struct peer *peer, __u32 len);
static void peer_notify(struct peer *peer);
static void stream_drop(struct peer *peer, size_t n);
static void peer_look_around(struct peer *peer);
static void peer_move(struct peer *peer);
static bool peer_taken(struct peer *peer, const char *own);
static void peer_follow(struct peer *peer);
static void front_otherend_changed(struct peer *peer, enum xenbus_state state);
static bool front_connect(struct peer *peer);
static bool front_negotiate(struct peer *peer);
static unsigned int pick_version(char *versions);
static bool speaks(unsigned int version);
static bool front_write_nodes(struct peer *peer, xs_transaction_t xbt);
static void back_otherend_changed(struct peer *peer, enum xenbus_state state);
static void back_ask_why(struct peer *peer);
static bool back_offer(struct peer *peer);
static bool back_write_nodes(struct peer *peer, xs_transaction_t xbt);
static bool back_connect(struct peer *peer);
static bool back_negotiate(struct peer *peer);
static bool peer_setup_evtchn(struct peer *peer);
static xenevtchn_port_or_error_t front_bind(struct peer *peer);
static xenevtchn_port_or_error_t back_bind(struct peer *peer);
static bool peer_setup_stream(struct peer *peer);
static bool front_setup_stream(struct peer *peer);
static bool front_share_ring(struct peer *peer, struct mydevice_ring *ring,
			     __u32 *refs);
static void front_fill_index(struct peer *peer);
static bool back_setup_stream(struct peer *peer);
static bool back_read_order(struct peer *peer, const char *node,
			    struct mydevice_ring *ring);
static bool back_map_index(struct peer *peer);
static bool back_map_rings(struct peer *peer);
static bool back_map_ring(struct peer *peer, struct mydevice_ring *ring, __u32 *refs);
static void back_begin(struct peer *peer);
static void peer_go_live(struct peer *peer);
static void peer_close(struct peer *peer, enum xenbus_state state);
static bool back_is_online(struct peer *peer);
static bool peer_finished(struct peer *peer);
static bool stream_synced(struct peer *peer);
static bool peer_is_free(struct peer *peer);
static bool peer_stays(const struct peer *peer);
static void peer_leave(struct peer *peer);
static void stream_flush(struct peer *peer);
static void peer_disconnect(struct peer *peer);
static void peer_stop(struct peer *peer);
static void stream_stop(struct peer *peer);
static bool stream_look_prod(struct peer *peer);
static bool stream_look_cons(struct peer *peer);
static bool stream_break(struct peer *peer, const char *what, __u32 claim);
static void stream_keep_unread(struct peer *peer);
static const char *stream_bytes(struct peer *peer, __u32 *len);
static void peer_teardown_stream(struct peer *peer);
static void peer_forget_stream(struct peer *peer);
static void release_ring(struct peer *peer, struct mydevice_ring *ring);
static void front_await_release(struct peer *peer);
static void peer_withdraw(struct peer *peer);
static void peer_release(struct peer *peer);

/* What they all use, at the end of the file. */
static void peer_keep_stale(struct peer *peer);
static void sleep_on(int status, void *unused);
static int whose_fault(int err);
static bool peer_restored(struct peer *peer);
static unsigned int peer_own_domid(struct peer *peer);
static bool peer_read_number(struct peer *peer, const char *node, unsigned int *value);
static enum xenbus_state peer_otherend_state(struct peer *peer);
static char *peer_read(struct peer *peer, const char *dir, const char *node);
static void peer_fatal(struct peer *peer, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void peer_misfit(struct peer *peer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void peer_write_error(struct peer *peer, const char *message);
static void peer_switch_state(struct peer *peer, enum xenbus_state state);
static bool peer_write_state(struct peer *peer, xs_transaction_t xbt);
static bool peer_transaction(struct peer *peer,
			     bool (*write)(struct peer *, xs_transaction_t));
static bool peer_printf(struct peer *peer, xs_transaction_t xbt, const char *node,
			const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static const char *state_name(enum xenbus_state state);
static const char *otherend_name(const struct peer *peer);
static void say(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
static void tell(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
static bool may_tell(unsigned int *left_out);
static void die(int status, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));
static void vsay(const char *format, va_list args)
	__attribute__((format(printf, 1, 0)));
static bool parse_number(const char *text, unsigned int *number);
static bool scan_number(const char *text, int *number);
static uint64_t now_ns(void);

/*
 * The lock of this end, held while the process lives. It is a file that only root can
 * open, of one name in all network namespaces: see peer_lock().
 */
static char lock_path[64];
static int lock = -1;

/* What ps shows for this process. */
static char *own_name;

int main(int argc, char **argv)
{
	struct peer peer = { .state = XenbusStateUnknown };

	open_standard_files();
	peer_parse(&peer, argc, argv);
	peer_find(&peer);
	peer_claim(&peer);
	peer_begin(&peer);
	while (!peer.done)
		peer_wait(&peer);
	peer_leave(&peer);
	peer_release(&peer);
	return peer.status;
}

/*
 * A file that is closed at the start would be the number of the next one opened:
 * messages would go to XenStore.
 */
static void open_standard_files(void)
{
	bool no_output = fcntl(STDOUT_FILENO, F_GETFD) < 0;
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			exit(EX_OSFILE);
	if (no_output)
		die(EX_USAGE,
		    "standard output is closed, and what comes would be lost; if it may: >/dev/null");
}

static const char usage[] =
	"usage: mydevicepeer --frontend [OPTION]...\n"
	"       mydevicepeer --backend [OPTION]... DOMID\n"
	"Plays either end of a mydevice; a backend names the domain of its frontend.\n"
	"  --device N           the device's number (default: 0)\n"
	"  --keep               stay when the other end closes, for its next connection\n"
	"  --verbose            say each state that the other end goes to\n"
	"  --answer yes|no      answer each event with one of our own, or not\n"
	"  --send-only          leave when standard input has ended and all of it was read\n"
	"  --ring-page-order N  at a frontend the size of the rings, at a backend the\n"
	"                       largest that it maps: 2^N pages of 4 KiB (0 to 8;\n"
	"                       default: 6 and 8)\n"
	"  --first-index N      where a frontend's indices begin (default: 0)\n"
	"Standard input goes to the other end, what comes from it to standard output.\n"
	"SIGUSR1 notifies the other end, SIGUSR2 says what was counted.\n"
	"SIGINT, SIGTERM and SIGHUP close the connection properly.\n";

static const struct option options[] = {
	{ "frontend", no_argument, NULL, 'f' },
	{ "backend", no_argument, NULL, 'b' },
	{ "device", required_argument, NULL, 'd' },
	{ "keep", no_argument, NULL, 'k' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "answer", required_argument, NULL, 'a' },
	{ "send-only", no_argument, NULL, 's' },
	{ "ring-page-order", required_argument, NULL, 'o' },
	{ "first-index", required_argument, NULL, 'i' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

/*
 * What is this end to be? Ends the process if that is not clear. The directory is
 * relative: XenStore takes it for one below /local/domain/DOMID of this domain.
 */
static void peer_parse(struct peer *peer, int argc, char **argv)
{
	bool backend = false;
	unsigned int domid;
	int option;

	peer->order = UINT_MAX;
	own_name = argv[0];
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		backend |= option == 'b';
		parse_option(peer, option);
	}
	if (peer->order > MYDEVICE_MAX_ORDER)
		peer->order = peer->frontend ? 6 : MYDEVICE_MAX_ORDER;
	if (peer->frontend == backend)
		die(EX_USAGE, "which end is it to be? --frontend or --backend (--help says more)");
	if (argc - optind != backend)
		die(EX_USAGE, backend ? "one DOMID: that of the frontend (xl list shows it)" :
		    "a frontend takes no DOMID: it is in this domain");
	if (backend && !parse_number(argv[optind], &domid))
		die(EX_USAGE, "a DOMID is a number (xl list shows it), not '%s'", argv[optind]);
	if (backend)
		snprintf(peer->dir, sizeof(peer->dir), "backend/mydevice/%u/%u", domid,
			 peer->device);
	else
		snprintf(peer->dir, sizeof(peer->dir), "device/mydevice/%u", peer->device);
}

static void parse_option(struct peer *peer, int option)
{
	switch (option) {
	case 'f':
		peer->frontend = true;
		break;
	case 'd':
		peer->device = parse_value("--device", optarg, INT_MAX);
		break;
	case 'k':
		peer->keep = true;
		break;
	case 'v':
		peer->verbose = true;
		break;
	case 'a':
		peer->answer = parse_yes("--answer", optarg);
		peer->answer_given = true;
		break;
	case 's':
		peer->send_only = true;
		break;
	case 'o':
		peer->order = parse_value("--ring-page-order", optarg,
					  MYDEVICE_MAX_ORDER);
		break;
	case 'i':
		peer->first_index = parse_value("--first-index", optarg, UINT_MAX);
		break;
	case 'h':
		fputs(usage, stdout);
		exit(EX_OK);
	case '?':
		fputs(usage, stderr);
		exit(EX_USAGE);
	}
}

/* The value of an option that is a number. */
static unsigned int parse_value(const char *option, const char *text,
				unsigned int max)
{
	unsigned int number;

	if (!parse_number(text, &number) || number > max)
		die(EX_USAGE, "%s is a number from 0 to %u, not '%s'", option, max, text);
	return number;
}

static bool parse_yes(const char *option, const char *text)
{
	if (strcmp(text, "yes") && strcmp(text, "no"))
		die(EX_USAGE, "%s is yes or no, not '%s'", option, text);
	return !strcmp(text, "yes");
}

/* Finds the device, and where its other end is, or ends the process. */
static void peer_find(struct peer *peer)
{
	peer->signals = open_signals();
	peer->log = quiet();
	need_file("/dev/xen/xenbus", "is this a domain of Xen?");
	peer->xs = xs_open(0);
	if (!peer->xs)
		die(EX_UNAVAILABLE, "XenStore cannot be opened: %s", strerror(errno));
	peer_find_otherend(peer);
	if (!peer_may_write(peer))
		die(EX_NOPERM, "XenStore refuses this domain to write in %s: %s", peer->dir,
		    strerror(errno));
}

/*
 * The signals that end the process are read from a file instead: it is not to end in
 * a transaction (whose guest Linux 6.1 could not save any more, xs_request_exit()).
 */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);	/* a write says so, too */
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/*
 * The libraries tell of errors themselves, each in its own words. What is said of
 * them here says what to do, too.
 */
static struct xentoollog_logger *quiet(void)
{
	return (struct xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
}

static void peer_find_otherend(struct peer *peer)
{
	char *id;

	peer->otherend = peer_read(peer, peer->dir, peer->frontend ? "backend" : "frontend");
	if (!peer->otherend && errno == EACCES)
		die(EX_NOPERM, "XenStore refuses to show %s", peer->dir);
	if (!peer->otherend)
		die(EX_UNAVAILABLE,
		    "there is no %s in this domain; activate.sh, in dom0, makes a device",
		    peer->dir);
	id = peer_read(peer, peer->dir, peer->frontend ? "backend-id" : "frontend-id");
	if (!id || !parse_number(id, &peer->otherend_id))
		die(EX_DATAERR, "%s/%s is no number: '%s'", peer->dir,
		    peer->frontend ? "backend-id" : "frontend-id", id ? id : "");
	free(id);
}

/*
 * May this end write its state? Tried in a transaction that is given up. If this
 * domain has no transaction left, writing will tell.
 */
static bool peer_may_write(struct peer *peer)
{
	xs_transaction_t xbt = xs_transaction_start(peer->xs);
	bool may = xbt == XBT_NULL ? errno == ENOSPC :
		   peer_printf(peer, xbt, "state", "%d", peer->state);
	int err = errno;

	if (xbt != XBT_NULL)
		xs_transaction_end(peer->xs, xbt, true);
	errno = err;
	return may;
}

/*
 * One driver for each end: neither a module nor another process may have it. A
 * module that comes later cannot see this process: see peer_taken().
 */
static void peer_claim(struct peer *peer)
{
	if (module_drives(peer))
		die(EX_UNAVAILABLE, "a module drives %s; rmmod mydevice%s first", peer->dir,
		    peer->frontend ? "front" : "back");
	peer_lock(peer);
}

static bool module_drives(const struct peer *peer)
{
	char driver[PATH_MAX];

	if (peer->frontend)
		snprintf(driver, sizeof(driver), "/sys/bus/xen/devices/mydevice-%u/driver",
			 peer->device);
	else
		snprintf(driver, sizeof(driver),
			 "/sys/bus/xen-backend/devices/mydevice-%u-%u/driver",
			 peer->otherend_id, peer->device);
	return !access(driver, F_OK);
}

/*
 * The file says who drives which end, for those who look; it is removed when this
 * process ends, and is nobody's if that was killed.
 */
static void peer_lock(const struct peer *peer)
{
	int tries;

	if (peer->frontend)
		snprintf(lock_path, sizeof(lock_path), "/run/mydevicepeer-frontend-%u.lock",
			 peer->device);
	else
		snprintf(lock_path, sizeof(lock_path), "/run/mydevicepeer-backend-%u-%u.lock",
			 peer->otherend_id, peer->device);
	for (tries = 0; tries < LOCK_TRIES && lock < 0; tries++) {
		if (tries)
			usleep(100000);
		lock = try_lock();
	}
	if (lock < 0)
		die(EX_UNAVAILABLE, "another mydevicepeer drives %s", peer->dir);
	atexit(unlock);
	if (ftruncate(lock, 0) || dprintf(lock, "%d\n%s\n", getpid(), peer->dir) < 0)
		die(EX_CANTCREAT, "%s: %s", lock_path, strerror(errno));
}

/* The lock, or -1 if somebody has it, or has just removed the file. */
static int try_lock(void)
{
	int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat mine, there;

	if (fd < 0)
		die(EX_CANTCREAT, "%s: %s", lock_path, strerror(errno));
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
 * Opens what this end needs, and with its first state says that it is new: a
 * frontend waits for an offer, a backend makes one. A watch fires once when it is
 * set, so the other end's state is looked at whatever it is by then.
 */
static void peer_begin(struct peer *peer)
{
	peer_open_evtchn(peer);
	if (peer->frontend)
		peer_open_gntshr(peer);
	else
		peer_open_gnttab(peer);
	peer_watch(peer);
	say("Hello World! This is the %s of device %u; its %s is in domain %u, and %s.",
	    peer->frontend ? "frontend" : "backend", peer->device, otherend_name(peer),
	    peer->otherend_id, state_name(peer_otherend_state(peer)));
	peer_forget_error(peer);
	if (peer->frontend)
		peer_switch_state(peer, XenbusStateInitialising);
	else
		back_offer(peer);
}

static void peer_open_evtchn(struct peer *peer)
{
	need_file("/dev/xen/evtchn", "type: modprobe xen-evtchn");
	peer->evtchn = xenevtchn_open(peer->log, 0);
	if (!peer->evtchn)
		die(EX_OSERR, "event channels cannot be opened: %s", strerror(errno));
	peer->port = -1;
}

static void peer_open_gntshr(struct peer *peer)
{
	need_file("/dev/xen/gntalloc", "type: modprobe xen-gntalloc");
	peer->gntshr = xengntshr_open(peer->log, 0);
	if (!peer->gntshr)
		die(EX_OSERR, "pages cannot be shared: %s", strerror(errno));
}

static void peer_open_gnttab(struct peer *peer)
{
	need_file("/dev/xen/gntdev", "type: modprobe xen-gntdev");
	peer->gnttab = xengnttab_open(peer->log, 0);
	if (!peer->gnttab)
		die(EX_OSERR, "grants cannot be opened: %s", strerror(errno));
}

/*
 * The last watch is of a node that nobody writes. A restored guest's kernel sets all
 * watches again, the last one first: it fires once more then, before the others.
 */
static void peer_watch(struct peer *peer)
{
	char path[PATH_MAX];

	peer->domid = peer_own_domid(peer);
	peer->domain_seen = false;
	snprintf(path, sizeof(path), "%s/state", peer->otherend);
	if (!xs_watch(peer->xs, peer->dir, "own") || !xs_watch(peer->xs, path, "otherend") ||
	    !xs_watch(peer->xs, "domid", "domain"))
		die(EX_OSERR, "%s cannot be watched: %s", path, strerror(errno));
}

/* A file of Xen's that must be there; its module is loaded by hand. */
static void need_file(const char *path, const char *remedy)
{
	if (!access(path, R_OK | W_OK))
		return;
	if (errno == EACCES || errno == EPERM)
		die(EX_NOPERM, "%s: %s; this needs root", path, strerror(errno));
	die(EX_OSFILE, "%s: %s; %s", path, strerror(errno), remedy);
}

/* Takes back what one that was here before said of its failure. */
static void peer_forget_error(struct peer *peer)
{
	char path[PATH_MAX], **nodes;
	unsigned int left = 0;

	snprintf(path, sizeof(path), "error/%s", peer->dir);
	while (strchr(path, '/') && !left) {
		xs_rm(peer->xs, XBT_NULL, path);
		*strrchr(path, '/') = '\0';
		nodes = xs_directory(peer->xs, XBT_NULL, path, &left);
		if (!nodes)
			break;
		free(nodes);
	}
}

/* What is waited for. */
enum {
	FD_SIGNAL,
	FD_EVENT,
	FD_INPUT,
	FD_OUTPUT,
	FD_XENSTORE,
	NR_FDS
};

/* Waits until something happens, and does what is to be done then. */
static void peer_wait(struct peer *peer)
{
	struct pollfd fds[NR_FDS] = {
		[FD_SIGNAL] = { .fd = peer->signals, .events = POLLIN },
		[FD_EVENT] = { .fd = xenevtchn_fd(peer->evtchn), .events = POLLIN },
		[FD_INPUT] = { .fd = stream_writable(peer) ? STDIN_FILENO : -1,
			       .events = POLLIN },
		[FD_OUTPUT] = { .fd = stream_readable(peer) ? STDOUT_FILENO : -1,
				.events = POLLOUT },
		[FD_XENSTORE] = { .fd = xs_fileno(peer->xs), .events = POLLIN },
	};

	if (poll(fds, NR_FDS, peer_timeout(peer)) < 0)
		return;
	if (peer->unmask_at && now_ns() >= peer->unmask_at)
		peer_unmask(peer);
	if (has_failed(&fds[FD_XENSTORE]) || has_failed(&fds[FD_SIGNAL]))
		peer_fatal(peer, EX_IOERR, "the connection to XenStore is lost");
	if (has_failed(&fds[FD_EVENT]))
		peer_fatal(peer, EX_IOERR, "/dev/xen/evtchn has failed");
	if (fds[FD_SIGNAL].revents & POLLIN)
		peer_signalled(peer);
	if (fds[FD_EVENT].revents & POLLIN)
		peer_event(peer);
	if (fds[FD_INPUT].revents)
		stream_input(peer);
	if (fds[FD_OUTPUT].revents)
		stream_output(peer);
	if (fds[FD_XENSTORE].revents)
		peer_look_around(peer);
	peer->done |= peer_finished(peer);
}

/* Can input be taken? If there is no space, the other end has been asked to notify. */
static bool stream_writable(struct peer *peer)
{
	struct mydevice_ring *tx = &peer->tx;

	if (!peer->live || peer->input_ended)
		return false;
	if (mydevice_free(tx))
		return true;
	if (!stream_look_cons(peer) || mydevice_free(tx))
		return peer->live;
	WRITE_ONCE(peer->mine->cons_event, mydevice_space_event(tx));
	virt_mb();	/* the wish before a second look; pairs with (N) */
	return stream_look_cons(peer) && mydevice_free(tx);
}

/* Is there something to write out? As above, for bytes. */
static bool stream_readable(struct peer *peer)
{
	struct mydevice_ring *rx = &peer->rx;

	if (peer->unread)
		return true;
	if (!peer->live || mydevice_used(rx))
		return peer->live;
	if (!stream_look_prod(peer) || mydevice_used(rx))
		return peer->live;
	WRITE_ONCE(peer->mine->prod_event, rx->cons + 1);
	virt_mb();	/* the wish before a second look; pairs with (N) */
	return stream_look_prod(peer) && mydevice_used(rx);
}

/* How long there is nothing to do, in ms; -1 is for good. */
static int peer_timeout(const struct peer *peer)
{
	uint64_t now = now_ns();

	if (!peer->done && peer->unmask_at)
		return now < peer->unmask_at ? (peer->unmask_at - now) / 1000000 + 1 : 0;
	return peer->done ? 0 : -1;
}

/* Would poll() say so again at once, with nothing to read? */
static bool has_failed(const struct pollfd *fd)
{
	return fd->revents & ~(POLLIN | POLLOUT);
}

static void peer_signalled(struct peer *peer)
{
	struct signalfd_siginfo info;

	if (read(peer->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGUSR1 || info.ssi_signo == SIGUSR2) {
		peer_asked(peer, info.ssi_signo);
		return;
	}
	peer->told_to_end = true;
	peer->done = true;
}

/* What the modules have attributes in sysfs for. */
static void peer_asked(struct peer *peer, int signal)
{
	if (signal == SIGUSR2) {
		peer_say_counts(peer);
	} else if (peer->state != XenbusStateConnected) {
		say("there is nobody to notify");
	} else {
		peer->notified_at = now_ns();
		peer_notify(peer);
	}
}

static void peer_say_counts(const struct peer *peer)
{
	say("events: %u sent, %u received", peer->events_sent, peer->events_received);
	say("bytes: %llu sent, %llu received; %u moves of which nobody was to be told",
	    (unsigned long long)peer->bytes_sent, (unsigned long long)peer->bytes_received,
	    peer->suppressed);
}

/*
 * The other end notified. The port is masked until xenevtchn_unmask(): that is what
 * the EOI is in the kernel, and is done when the event has been handled.
 */
static void peer_event(struct peer *peer)
{
	xenevtchn_port_or_error_t port = xenevtchn_pending(peer->evtchn);
	bool rung = peer->notified_at;	/* by hand */

	if (port < 0 && errno != EAGAIN && errno != EINTR)
		peer_fatal(peer, EX_IOERR, "reading events: %s", strerror(errno));
	if (port < 0 || port != peer->port)
		return;		/* of a connection that is over */
	if (peer->heard) {
		peer->events_received++;
		peer_take_time(peer);
		if (peer->answer)
			peer_notify(peer);
	}
	peer->heard = true;
	if (!READ_ONCE(peer->theirs->alive))
		peer_bury(peer);
	if (peer->port >= 0 && !rung && peer_brake(peer))
		return;
	if (peer->port >= 0)
		peer_unmask(peer);
}

/* Has an index of the other end's come further since the last event? */
static bool stream_has_moved(struct peer *peer)
{
	bool produced = mydevice_moved(&peer->event_prod, READ_ONCE(peer->theirs->prod),
				       peer->rx.prod, mydevice_size(&peer->rx));
	bool consumed = mydevice_moved(&peer->event_cons, READ_ONCE(peer->theirs->cons),
				       peer->tx.cons, mydevice_size(&peer->tx));

	return produced || consumed;
}

/*
 * Is the port to stay masked for a while? Events without a reason cost the other end
 * nothing. Each doubles the time in which the next cannot come, as Linux does it with
 * those whose EOI says that they were spurious. Where events are answered, each has a
 * reason.
 */
static bool peer_brake(struct peer *peer)
{
	uint64_t now = now_ns();

	if (stream_has_moved(peer) || peer->answer || now - peer->idle_at > BRAKE_PAUSE)
		peer->idle_events = 0;
	else
		peer->idle_events++;
	peer->idle_at = now;
	if (peer->idle_events < 2)
		return false;
	if (peer->idle_events > BRAKE_MAX)
		peer->idle_events = BRAKE_MAX;
	peer->unmask_at = now + (1000000ull << peer->idle_events);
	return true;
}

static void peer_unmask(struct peer *peer)
{
	peer->unmask_at = 0;
	if (peer->port < 0)
		return;
	xenevtchn_unmask(peer->evtchn, peer->port);
}

/* The first event after a notification by hand is taken for its answer. */
static void peer_take_time(struct peer *peer)
{
	if (peer->notified_at)
		say("answered after %llu us",
		    (unsigned long long)(now_ns() - peer->notified_at) / 1000);
	peer->notified_at = 0;
}

/*
 * The other end was a process, and is no more. If it is not Connected any more it
 * went by itself, and its state is what tells: that is asked for once.
 */
static void peer_bury(struct peer *peer)
{
	if (!peer->live || peer->asked_death)
		return;
	peer->asked_death = true;
	if (peer_otherend_state(peer) != XenbusStateConnected)
		return;
	tell("the %s died", otherend_name(peer));
	peer->bereaved = true;
	peer->status = peer->keep ? EX_OK : EX_IOERR;
	if (peer->frontend)
		peer_stop(peer);
	else
		peer_disconnect(peer);
	peer_close(peer, XenbusStateClosed);
}

/* There is input, and space for it: it is read straight into the ring. */
static void stream_input(struct peer *peer)
{
	__u32 len;
	char *space;
	ssize_t n;

	if (!peer->live)
		return;		/* no more, since it was looked at */
	space = stream_space(peer, &len);
	n = read(STDIN_FILENO, space, len);
	if (n > 0)
		stream_produced(peer, n);
	else if (n == 0)
		peer->input_ended = true;
	else if (errno != EAGAIN && errno != EINTR)
		peer_fatal(peer, EX_IOERR, "standard input: %s", strerror(errno));
}

/* Space that can be filled now; the ring is not full. */
static char *stream_space(struct peer *peer, __u32 *len)
{
	*len = mydevice_free(&peer->tx);
	return mydevice_at(&peer->tx, peer->tx.prod, len);
}

/* Tells the other end what was produced. */
static void stream_produced(struct peer *peer, __u32 len)
{
	__u32 before = peer->tx.prod;

	peer->tx.prod += len;
	peer->bytes_sent += len;
	virt_wmb();	/* (P) the bytes before the index */
	WRITE_ONCE(peer->mine->prod, peer->tx.prod);
	virt_mb();	/* (N) the index before the other end's wish */
	if (mydevice_passed(READ_ONCE(peer->theirs->prod_event), before, peer->tx.prod))
		peer_notify(peer);
	else
		peer->suppressed++;
}

/*
 * Output can be written: first what a connection before left, then the ring's. A
 * pipe that poll() calls writable takes PIPE_BUF bytes at once; more could block, and
 * the other end would wait for an answer to its states.
 */
static void stream_output(struct peer *peer)
{
	const char *bytes;
	__u32 len = peer->unread_len - peer->unread_at;
	ssize_t n;

	if (!peer->unread && !peer->live)
		return;
	if (peer->unread)
		bytes = peer->unread + peer->unread_at;
	else
		bytes = stream_bytes(peer, &len);
	n = write(STDOUT_FILENO, bytes, len < PIPE_BUF ? len : PIPE_BUF);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		peer_fatal(peer, EX_IOERR, "standard output: %s", strerror(errno));
	if (n <= 0)
		return;
	if (!peer->unread)
		stream_consumed(peer, n);
	else
		stream_drop(peer, n);
}

/* Tells the other end what was consumed. */
static void stream_consumed(struct peer *peer, __u32 len)
{
	__u32 before = peer->rx.cons;

	peer->rx.cons += len;
	peer->bytes_received += len;
	virt_mb();	/* (C) the bytes were read before their space is given back */
	WRITE_ONCE(peer->mine->cons, peer->rx.cons);
	virt_mb();	/* (N) the index before the other end's wish */
	if (mydevice_passed(READ_ONCE(peer->theirs->cons_event), before, peer->rx.cons))
		peer_notify(peer);
	else
		peer->suppressed++;
}

static void peer_notify(struct peer *peer)
{
	peer->events_sent++;
	xenevtchn_notify(peer->evtchn, peer->port);
}

/* That much of what was unread is written out. The next connection may begin then. */
static void stream_drop(struct peer *peer, size_t n)
{
	peer->unread_at += n;
	if (peer->unread_at < peer->unread_len)
		return;
	free(peer->unread);
	peer->unread = NULL;
	peer->unread_len = 0;
	peer->unread_at = 0;
	if (!peer->done)
		peer_follow(peer);
}

/*
 * Something changed in XenStore. Several changes may have come as one, so each
 * time all is looked at as it is now. Without its state a directory is gone. Whoever
 * has broken the protocol is followed no more.
 */
static void peer_look_around(struct peer *peer)
{
	bool otherend = false, domain = false;
	char **event, *own;

	while ((event = xs_check_watch(peer->xs))) {
		otherend |= !strcmp(event[XS_WATCH_TOKEN], "otherend");
		domain |= !strcmp(event[XS_WATCH_TOKEN], "domain");
		free(event);
	}
	peer->restored |= domain && peer->domain_seen;
	peer->domain_seen |= domain;
	if (peer->done)
		return;
	if (peer_restored(peer)) {
		peer_move(peer);
		return;
	}
	own = peer_read(peer, peer->dir, "state");
	peer->gone = own ? peer_taken(peer, own) : errno == ENOENT;
	peer->done |= peer->gone;
	free(own);
	if (!peer->gone && otherend)
		peer_follow(peer);
}

/*
 * This guest was saved and restored. It is another domain now, what it shared is void,
 * and its device, if it is there again, is nobody's. This process cannot know of it
 * before: Linux tells it of XenStore's changes in the thread that saves the guest.
 */
static void peer_move(struct peer *peer)
{
	char path[PATH_MAX], *own = peer_read(peer, peer->dir, "state");

	say("this guest was restored, and is domain %u now", peer_own_domid(peer));
	peer_disconnect(peer);
	peer->gone = !own || !peer_stays(peer);
	peer->done |= peer->gone;
	free(own);
	if (peer->gone)
		return;
	snprintf(path, sizeof(path), "%s/state", peer->otherend);
	xs_unwatch(peer->xs, peer->dir, "own");
	xs_unwatch(peer->xs, path, "otherend");
	xs_unwatch(peer->xs, "domid", "domain");
	free(peer->otherend);
	peer_find_otherend(peer);
	peer->restored = false;
	peer->state = XenbusStateUnknown;
	peer_begin(peer);
}

/*
 * Has another driver begun to drive this end? A module takes every device that it
 * finds, and does not see processes. A toolstack asks a backend to close.
 */
static bool peer_taken(struct peer *peer, const char *own)
{
	int state;

	if (module_drives(peer))
		say("a module drives %s now; rmmod mydevice%s, then start this again",
		    peer->dir, peer->frontend ? "front" : "back");
	else if (!scan_number(own, &state) ||
		 (state != (int)peer->state && (peer->frontend || state != XenbusStateClosing)))
		say("another wrote '%.20s' to %s/state, where this end is %s: it is left to that",
		    own, peer->dir, state_name(peer->state));
	else
		return false;
	peer->taken = true;
	peer->status = EX_UNAVAILABLE;
	return true;
}

static void peer_follow(struct peer *peer)
{
	enum xenbus_state state = peer_otherend_state(peer);

	if (peer->verbose)
		tell("the %s is %s", otherend_name(peer), state_name(state));
	if (peer->frontend)
		front_otherend_changed(peer, state);
	else
		back_otherend_changed(peer, state);
}

/*
 * The other end changed its state. It is not trusted: it may say anything at any
 * time, and states may be missed, for only the latest one is seen.
 */
static void front_otherend_changed(struct peer *peer, enum xenbus_state state)
{
	switch (state) {
	case XenbusStateInitialising:
	case XenbusStateInitialised:
	case XenbusStateReconfiguring:
	case XenbusStateReconfigured:
		break;

	case XenbusStateInitWait:
		if (peer->state == XenbusStateInitialised ||
		    peer->state == XenbusStateClosing)
			break;		/* it has not seen our state yet */
		peer_disconnect(peer);	/* from a backend that was restarted */
		if (peer_is_free(peer))
			front_connect(peer);
		break;

	case XenbusStateConnected:
		if (peer->state == XenbusStateInitialised)
			peer_go_live(peer);
		break;

	case XenbusStateClosing:
		peer_stop(peer);
		peer_close(peer, XenbusStateClosed);
		break;

	case XenbusStateClosed:		/* it has let go of everything */
	case XenbusStateUnknown:	/* its directory is gone */
		if (peer->state == XenbusStateInitialising)
			break;		/* it will follow when it sees our state */
		peer_disconnect(peer);
		peer_close(peer, XenbusStateClosed);
		break;
	}
}

/*
 * The backend made its offer: prepare everything, then publish it in one
 * transaction. The backend reads it when it sees Initialised, which is written later.
 */
static bool front_connect(struct peer *peer)
{
	if (!front_negotiate(peer))
		return false;
	if (!peer_setup_evtchn(peer))
		return false;
	if (!peer_setup_stream(peer))
		return false;
	if (!peer_transaction(peer, front_write_nodes)) {
		peer_fatal(peer, EX_IOERR, "publishing in %s: %s", peer->dir,
			   strerror(errno));
		return false;
	}
	peer_switch_state(peer, XenbusStateInitialised);
	return true;
}

/*
 * Reads the backend's offer and decides what this connection will be like. If they
 * have no version in common the backend learns from this end's why it does not come.
 */
static bool front_negotiate(struct peer *peer)
{
	char *versions = peer_read(peer, peer->otherend, MYDEVICE_NODE_VERSIONS);
	char *text;
	char *order = peer_read(peer, peer->otherend, MYDEVICE_NODE_MAX_ORDER);
	int max;

	if (!order || !scan_number(order, &max) || max < 0)
		max = 0;
	free(order);
	peer->max_order = max < (int)peer->order ? max : (int)peer->order;
	if (!versions) {
		peer_fatal(peer, EX_PROTOCOL, "reading %s/%s: %s", peer->otherend,
			   MYDEVICE_NODE_VERSIONS, strerror(errno));
		return false;
	}
	text = strndup(versions, 32);	/* enough to say */
	peer->version = pick_version(versions);
	if (!peer->version)
		peer_misfit(peer, "the backend speaks no version of ours: \"%s\", and this end %u",
			    text ? text : "", MYDEVICE_VERSION);
	free(versions);
	free(text);
	return peer->version;
}

/* Picks the highest version that both ends speak from "1,2,3"; 0 if none. */
static unsigned int pick_version(char *versions)
{
	unsigned int version, best = 0;
	char *word;

	while ((word = strsep(&versions, ",")))
		if (parse_number(word, &version) && speaks(version) && version > best)
			best = version;
	return best;
}

static bool speaks(unsigned int version)
{
	return version >= MYDEVICE_OLDEST_VERSION && version <= MYDEVICE_VERSION;
}

static bool front_write_nodes(struct peer *peer, xs_transaction_t xbt)
{
	if (!peer_printf(peer, xbt, MYDEVICE_NODE_VERSION, "%u", peer->version))
		return false;
	if (!peer_printf(peer, xbt, MYDEVICE_NODE_EVENT_CHANNEL, "%d", peer->port))
		return false;
	if (!peer_printf(peer, xbt, MYDEVICE_NODE_RING_REF, "%u", peer->ring_ref) ||
	    !peer_printf(peer, xbt, MYDEVICE_NODE_OUT_ORDER, "%d",
			 __builtin_ctz(peer->tx.pages)) ||
	    !peer_printf(peer, xbt, MYDEVICE_NODE_IN_ORDER, "%d",
			 __builtin_ctz(peer->rx.pages)))
		return false;
	return true;
}

static void back_otherend_changed(struct peer *peer, enum xenbus_state state)
{
	switch (state) {
	case XenbusStateInitialising:
		if (peer->state == XenbusStateInitWait)
			break;		/* it has not seen our offer yet */
		peer_disconnect(peer);	/* from a frontend that was restarted */
		if (peer_is_free(peer))
			back_offer(peer);
		break;

	case XenbusStateInitialised:
		if (peer->state == XenbusStateInitWait && back_connect(peer))
			peer_go_live(peer);
		break;

	case XenbusStateConnected:	/* ours came first; else it is left over */
	case XenbusStateInitWait:
	case XenbusStateReconfiguring:
	case XenbusStateReconfigured:
		break;

	case XenbusStateClosing:
		back_ask_why(peer);
		peer_disconnect(peer);
		peer_close(peer, XenbusStateClosing);
		break;

	case XenbusStateClosed:
		back_ask_why(peer);
		if (!back_is_online(peer))
			peer->done = true;	/* the toolstack is taking it away */
		if (peer->state == XenbusStateInitWait)
			break;		/* it will follow when it sees our state */
		peer_disconnect(peer);
		peer_close(peer, XenbusStateClosed);
		break;

	case XenbusStateUnknown:	/* its directory is gone */
		peer_disconnect(peer);
		peer->done = true;
		break;
	}
}

/*
 * The frontend closes, and was never connected. If that is because they have no
 * version in common, it has published what it speaks.
 */
static void back_ask_why(struct peer *peer)
{
	unsigned int version;
	char *text;

	if (peer->state != XenbusStateInitWait || peer->misfit)
		return;
	text = peer_read(peer, peer->otherend, MYDEVICE_NODE_VERSION);
	if (text && parse_number(text, &version) && !speaks(version))
		peer_misfit(peer, "the frontend speaks version %u, and this end %u",
			    version, MYDEVICE_VERSION);
	free(text);
}

/* Writes what this end can do, then invites the frontend with InitWait. */
static bool back_offer(struct peer *peer)
{
	if (!peer_transaction(peer, back_write_nodes)) {
		peer_fatal(peer, EX_IOERR, "writing the offer to %s: %s", peer->dir,
			   strerror(errno));
		return false;
	}
	peer_switch_state(peer, XenbusStateInitWait);
	return true;
}

/* The nodes of an offer. */
static bool back_write_nodes(struct peer *peer, xs_transaction_t xbt)
{
	if (!peer_printf(peer, xbt, MYDEVICE_NODE_VERSIONS, "%u", MYDEVICE_VERSION))
		return false;
	if (!peer_printf(peer, xbt, MYDEVICE_NODE_MAX_ORDER, "%u", peer->order))
		return false;
	return true;
}

/* The frontend has published: read, check, and take what it offers. */
static bool back_connect(struct peer *peer)
{
	if (!back_negotiate(peer))
		return false;
	if (!peer_setup_evtchn(peer))
		return false;
	if (!peer_setup_stream(peer))
		return false;
	return true;
}

/* Reads and checks what the frontend chose for this connection. */
static bool back_negotiate(struct peer *peer)
{
	if (!peer_read_number(peer, MYDEVICE_NODE_VERSION, &peer->version))
		return false;
	if (!speaks(peer->version)) {
		peer_fatal(peer, EX_PROTOCOL,
			   "the frontend wants version %u, and this end speaks %u",
			   peer->version, MYDEVICE_VERSION);
		return false;
	}
	return true;
}

/* An event comes when the backend binds its port, and nobody has sent it. */
static bool peer_setup_evtchn(struct peer *peer)
{
	peer->heard = peer->frontend;
	peer->events_sent = 0;
	peer->events_received = 0;
	peer->notified_at = 0;
	peer->port = peer->frontend ? front_bind(peer) : back_bind(peer);
	return peer->port >= 0;
}

/* A frontend allocates a port that the backend's domain may bind. */
static xenevtchn_port_or_error_t front_bind(struct peer *peer)
{
	xenevtchn_port_or_error_t port;

	port = xenevtchn_bind_unbound_port(peer->evtchn, peer->otherend_id);
	if (port < 0)
		peer_fatal(peer, EX_OSERR, "allocating an event channel: %s", strerror(errno));
	return port;
}

/* A backend binds the port that the frontend offers. */
static xenevtchn_port_or_error_t back_bind(struct peer *peer)
{
	xenevtchn_port_or_error_t port;
	unsigned int remote;

	if (!peer_read_number(peer, MYDEVICE_NODE_EVENT_CHANNEL, &remote))
		return -1;
	port = xenevtchn_bind_interdomain(peer->evtchn, peer->otherend_id, remote);
	if (port < 0)
		peer_fatal(peer, whose_fault(errno), "binding port %u of the frontend: %s",
			   remote, strerror(errno));
	return port;
}

/* The stream of this connection: shared by a frontend, mapped by a backend. */
static bool peer_setup_stream(struct peer *peer)
{
	peer->bytes_received = 0;
	peer->bytes_sent = 0;
	peer->suppressed = 0;
	peer->asked_death = false;
	peer->idle_events = 0;
	peer->unmask_at = 0;
	return peer->frontend ? front_setup_stream(peer) : back_setup_stream(peer);
}

/*
 * If this process dies, its kernel clears the byte in the index page and notifies
 * the other end, which then looks.
 */
static bool front_setup_stream(struct peer *peer)
{
	peer->index = xengntshr_share_page_notify(peer->gntshr, peer->otherend_id,
						  &peer->ring_ref, 1,
						  offsetof(struct mydevice_index, frontend.alive),
						  peer->port);
	if (!peer->index) {
		peer_fatal(peer, EX_OSERR, "sharing the index page: %s", strerror(errno));
		return false;
	}
	peer->mine = &peer->index->frontend;
	peer->theirs = &peer->index->backend;
	if (!front_share_ring(peer, &peer->tx, peer->refs) ||
	    !front_share_ring(peer, &peer->rx, peer->refs + peer->tx.pages))
		return false;
	front_fill_index(peer);
	return true;
}

/*
 * Shares a ring, empty and of zeroed pages; a smaller one if memory is short, or
 * the number of pages that /dev/xen/gntalloc gives out (its parameter limit). That
 * limit is also all that a backend can cost which keeps old pages mapped.
 */
static bool front_share_ring(struct peer *peer, struct mydevice_ring *ring,
			     __u32 *refs)
{
	char *memory = NULL;
	int order;

	for (order = peer->max_order; order >= 0 && !memory; order--) {
		ring->pages = 1u << order;
		memory = xengntshr_share_pages(peer->gntshr, peer->otherend_id,
					       ring->pages, refs, 1);
	}
	if (!memory) {
		ring->pages = 0;
		peer_fatal(peer, EX_OSERR, "sharing a ring: %s", strerror(errno));
		return false;
	}
	mydevice_set_pages(ring, memory);
	return true;
}

/*
 * Fills the page that the backend reads once, before it is published. Both rings
 * are empty, and begin where this end says.
 */
static void front_fill_index(struct peer *peer)
{
	struct mydevice_index *index = peer->index;
	__u32 i;

	index->nr_out_refs = peer->tx.pages;
	index->nr_in_refs = peer->rx.pages;
	for (i = 0; i < peer->tx.pages + peer->rx.pages; i++)
		index->refs[i] = peer->refs[i];
	index->frontend.prod = peer->first_index;
	index->frontend.cons = peer->first_index;
	index->backend.prod = peer->first_index;
	index->backend.cons = peer->first_index;
	index->frontend.alive = 1;
	peer->event_prod = peer->first_index;
	peer->event_cons = peer->first_index;
	peer->tx.prod = peer->first_index;
	peer->tx.cons = peer->first_index;
	peer->rx.prod = peer->first_index;
	peer->rx.cons = peer->first_index;
}

static bool back_setup_stream(struct peer *peer)
{
	if (!back_read_order(peer, MYDEVICE_NODE_OUT_ORDER, &peer->rx) ||
	    !back_read_order(peer, MYDEVICE_NODE_IN_ORDER, &peer->tx) ||
	    !back_map_index(peer) || !back_map_rings(peer))
		return false;
	back_begin(peer);
	return true;
}

/* Reads the order of a ring and checks it. */
static bool back_read_order(struct peer *peer, const char *node,
			    struct mydevice_ring *ring)
{
	unsigned int order;

	if (!peer_read_number(peer, node, &order))
		return false;
	if (order > peer->order) {
		peer_fatal(peer, EX_PROTOCOL, "%s is %u, and at most %u is offered", node,
			   order, peer->order);
		return false;
	}
	ring->pages = 1u << order;
	return true;
}

static bool back_map_index(struct peer *peer)
{
	unsigned int ref;

	if (!peer_read_number(peer, MYDEVICE_NODE_RING_REF, &ref))
		return false;
	peer->index = xengnttab_map_grant_ref_notify(peer->gnttab, peer->otherend_id, ref,
						     PROT_READ | PROT_WRITE,
						     offsetof(struct mydevice_index, backend.alive),
						     peer->port);
	if (!peer->index) {
		peer_fatal(peer, whose_fault(errno), "mapping the index page: %s", strerror(errno));
		return false;
	}
	peer->mine = &peer->index->backend;
	peer->theirs = &peer->index->frontend;
	return true;
}

/*
 * Maps both rings. The counts and references are read once, into private
 * memory: the frontend can change the page at any moment (XSA-155).
 */
static bool back_map_rings(struct peer *peer)
{
	struct mydevice_index *index = peer->index;
	__u32 i;

	if (READ_ONCE(index->nr_out_refs) != peer->rx.pages ||
	    READ_ONCE(index->nr_in_refs) != peer->tx.pages) {
		peer_fatal(peer, EX_PROTOCOL,
			   "the counts in the index page do not fit the rings' orders");
		return false;
	}
	for (i = 0; i < peer->rx.pages + peer->tx.pages; i++)
		peer->refs[i] = READ_ONCE(index->refs[i]);
	return back_map_ring(peer, &peer->rx, peer->refs) &&
	       back_map_ring(peer, &peer->tx, peer->refs + peer->rx.pages);
}

static bool back_map_ring(struct peer *peer, struct mydevice_ring *ring, __u32 *refs)
{
	char *memory = xengnttab_map_domain_grant_refs(peer->gnttab, ring->pages,
						       peer->otherend_id, refs,
						       PROT_READ | PROT_WRITE);

	if (!memory) {
		peer_fatal(peer, whose_fault(errno), "mapping a ring: %s", strerror(errno));
		return false;
	}
	mydevice_set_pages(ring, memory);
	return true;
}

/*
 * Both rings are empty, and begin where the frontend says. A predecessor may have
 * left something in the half that a backend writes.
 */
static void back_begin(struct peer *peer)
{
	struct mydevice_end *mine = peer->mine;
	__u32 prod = READ_ONCE(peer->theirs->prod);
	__u32 cons = READ_ONCE(peer->theirs->cons);

	peer->event_prod = prod;
	peer->event_cons = cons;
	peer->rx.prod = prod;
	peer->rx.cons = prod;
	peer->tx.prod = cons;
	peer->tx.cons = cons;
	memset(mine, 0, sizeof(*mine));
	mine->prod = cons;
	mine->cons = prod;
	mine->alive = 1;
}

/* Both ends are ready. */
static void peer_go_live(struct peer *peer)
{
	peer->live = true;
	peer->bereaved = false;
	peer_switch_state(peer, XenbusStateConnected);
	peer->misfit = false;
	tell("Connected, protocol version %u.", peer->version);
}

/* Says that this end uses the connection no more. */
static void peer_close(struct peer *peer, enum xenbus_state state)
{
	if (peer->state == state)
		return;
	peer_switch_state(peer, state);
	tell("%s.", state_name(state));
}

/* Has the toolstack left this backend its device? */
static bool back_is_online(struct peer *peer)
{
	char *online = peer_read(peer, peer->dir, "online");
	int number;
	bool is = online && scan_number(online, &number) && number;

	free(online);
	return is;
}

/* Has this end nothing more to do? */
static bool peer_finished(struct peer *peer)
{
	if (peer->unread)
		return false;
	if (peer->live && peer->send_only && peer->input_ended)
		return stream_synced(peer);
	return !peer_stays(peer);
}

/* Has the other end consumed all that was sent? If not, it was asked to notify. */
static bool stream_synced(struct peer *peer)
{
	struct mydevice_ring *tx = &peer->tx;

	if (!stream_look_cons(peer) || !mydevice_used(tx))
		return peer->live;
	WRITE_ONCE(peer->mine->cons_event, tx->prod);
	virt_mb();	/* the wish before a second look; pairs with (N) */
	return stream_look_cons(peer) && !mydevice_used(tx);
}

/* May another connection begin? */
static bool peer_is_free(struct peer *peer)
{
	/*
	 * Not while bytes of the last one are unread: each could leave a ring full of
	 * them. Until then this end is Closed, and the other waits.
	 */
	if (peer->unread) {
		peer_close(peer, XenbusStateClosed);
		return false;
	}
	return peer_stays(peer);
}

/* Is this connection the first, or are more to follow? */
static bool peer_stays(const struct peer *peer)
{
	return peer->keep || !peer->over;
}

/*
 * The way out, whatever the reason. Nothing is released before this end has said so:
 * else it would seem to have died. A frontend takes its pages back when the backend
 * has let go of them, a backend lets go before it is Closed.
 */
static void peer_leave(struct peer *peer)
{
	peer_stop(peer);
	if (!peer->gone && !peer->frontend && peer->state == XenbusStateConnected)
		peer_switch_state(peer, XenbusStateClosing);
	if (!peer->frontend)
		peer_disconnect(peer);
	if (!peer->gone) {
		peer_switch_state(peer, XenbusStateClosed);
		if (peer->frontend)
			front_await_release(peer);
		peer_withdraw(peer);
	}
	peer_disconnect(peer);
	unlock();
	stream_flush(peer);
	say(peer->gone && !peer->taken ? "The device is gone. Goodbye." : "Goodbye.");
}

/*
 * The last bytes are written out, as long as somebody takes them: at once, if a signal
 * has told this process to end. The others are lost.
 */
static void stream_flush(struct peer *peer)
{
	struct pollfd fds[] = {
		{ .fd = STDOUT_FILENO, .events = POLLOUT },
		{ .fd = peer->signals, .events = POLLIN },
	};
	size_t before;

	peer->broken = true;	/* there is nothing to give up any more */
	while (peer->unread) {
		before = peer->unread_at;
		if (poll(fds, 2, peer->told_to_end ? 0 : PATIENCE * 1000) <= 0)
			break;
		if (fds[1].revents)
			peer->told_to_end = true;
		if (fds[0].revents)
			stream_output(peer);
		if (peer->unread && peer->unread_at == before)
			break;
	}
	if (!peer->unread)
		return;
	say("%zu bytes of the %s's were not written out, and are lost",
	    peer->unread_len - peer->unread_at, otherend_name(peer));
	peer->status = peer->status ? peer->status : EX_IOERR;
}

/* Releases all that belongs to a connection, however much of it there is. */
static void peer_disconnect(struct peer *peer)
{
	peer_stop(peer);
	peer_teardown_stream(peer);
}

/* Ends the use of a connection at this end. What is shared stays shared. */
static void peer_stop(struct peer *peer)
{
	stream_stop(peer);
	if (peer->port >= 0 && peer_restored(peer))
		peer_keep_stale(peer);
	else if (peer->port >= 0)
		xenevtchn_unbind(peer->evtchn, peer->port);
	peer->port = -1;
	if (peer->version)
		peer->over = true;
	peer->version = 0;
}

/* What the other end has moved until now still counts. */
static void stream_stop(struct peer *peer)
{
	if (!peer->live || !stream_look_prod(peer) || !stream_look_cons(peer))
		return;
	peer->live = false;
	stream_keep_unread(peer);
	if (!mydevice_used(&peer->tx))
		return;
	tell("%u bytes had not been read by the %s", mydevice_used(&peer->tx),
	     otherend_name(peer));
	peer->status = peer->keep ? EX_OK : EX_IOERR;
}

/* Reads the other end's producer index, once. */
static bool stream_look_prod(struct peer *peer)
{
	__u32 prod = READ_ONCE(peer->theirs->prod);

	if (!mydevice_accept_prod(&peer->rx, prod))
		return stream_break(peer, "producer", prod);
	virt_rmb();	/* the index before the bytes; pairs with (P) */
	return true;
}

/* Reads the other end's consumer index, once. */
static bool stream_look_cons(struct peer *peer)
{
	__u32 cons = READ_ONCE(peer->theirs->cons);

	if (!mydevice_accept_cons(&peer->tx, cons))
		return stream_break(peer, "consumer", cons);
	virt_mb();	/* the index before new bytes; pairs with (C) */
	return true;
}

/* The other end claims what cannot be. */
static bool stream_break(struct peer *peer, const char *what, __u32 claim)
{
	peer->live = false;
	peer_fatal(peer, EX_PROTOCOL,
		   "the %s claims an impossible %s index %u: the connection is given up",
		   otherend_name(peer), what, claim);
	return false;
}

/*
 * What the other end sent and has not been written out yet: a copy, because the
 * pages will be gone. There is none of an earlier connection: see peer_is_free().
 */
static void stream_keep_unread(struct peer *peer)
{
	__u32 len, used = mydevice_used(&peer->rx);
	const char *bytes;

	if (!used)
		return;
	peer->unread = malloc(used);
	if (!peer->unread) {
		peer->status = EX_OSERR;
		tell("no memory: %u unread bytes are lost", used);
		return;
	}
	while (mydevice_used(&peer->rx)) {
		bytes = stream_bytes(peer, &len);
		memcpy(peer->unread + peer->unread_len, bytes, len);
		peer->unread_len += len;
		peer->rx.cons += len;
	}
}

/* Bytes that can be taken now; the ring is not empty. */
static const char *stream_bytes(struct peer *peer, __u32 *len)
{
	*len = mydevice_used(&peer->rx);
	return mydevice_at(&peer->rx, peer->rx.cons, len);
}

/*
 * Ends sharing at a frontend, or unmaps at a backend. After a restore neither: Linux
 * would close the port, by its number, which may be another's by now.
 */
static void peer_teardown_stream(struct peer *peer)
{
	if (peer->index && peer_restored(peer))
		peer_forget_stream(peer);
	release_ring(peer, &peer->tx);
	release_ring(peer, &peer->rx);
	if (peer->index && peer->frontend)
		xengntshr_unshare(peer->gntshr, peer->index, 1);
	else if (peer->index)
		xengnttab_unmap(peer->gnttab, peer->index, 1);
	peer->index = NULL;
}

static void peer_forget_stream(struct peer *peer)
{
	peer_keep_stale(peer);
	peer->gntshr = NULL;
	peer->gnttab = NULL;
	peer->index = NULL;
	memset(&peer->rx, 0, sizeof(peer->rx));
	memset(&peer->tx, 0, sizeof(peer->tx));
}

static void release_ring(struct peer *peer, struct mydevice_ring *ring)
{
	if (ring->page[0] && peer->frontend)
		xengntshr_unshare(peer->gntshr, ring->page[0], ring->pages);
	else if (ring->page[0])
		xengnttab_unmap(peer->gnttab, ring->page[0], ring->pages);
	memset(ring, 0, sizeof(*ring));
}

/* Waits, but not for ever, until the backend uses the connection no more. */
static void front_await_release(struct peer *peer)
{
	struct pollfd changed = { .fd = xs_fileno(peer->xs), .events = POLLIN };
	uint64_t end = now_ns() + PATIENCE * 1000000000ull;
	enum xenbus_state state;

	if (peer->bereaved)
		return;
	for (;;) {
		state = peer_otherend_state(peer);
		if (state != XenbusStateConnected && state != XenbusStateClosing)
			return;
		if (now_ns() > end || poll(&changed, 1, 1000) < 0)
			break;
		free(xs_check_watch(peer->xs));
	}
	say("the backend did not let go within %d s", PATIENCE);
}

/* Takes back what this end wrote for others, but its state. */
static void peer_withdraw(struct peer *peer)
{
	static const char *const nodes[] = {
		MYDEVICE_NODE_VERSIONS,
		MYDEVICE_NODE_VERSION,
		MYDEVICE_NODE_EVENT_CHANNEL,
		MYDEVICE_NODE_MAX_ORDER,
		MYDEVICE_NODE_RING_REF,
		MYDEVICE_NODE_OUT_ORDER,
		MYDEVICE_NODE_IN_ORDER,
	};
	char path[PATH_MAX];
	size_t i;

	for (i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		if (peer->misfit && !strcmp(nodes[i], MYDEVICE_NODE_VERSION))
			continue;	/* the backend may not have read it yet */
		snprintf(path, sizeof(path), "%s/%s", peer->dir, nodes[i]);
		xs_rm(peer->xs, XBT_NULL, path);
	}
}

/* Gives back what the libraries gave. */
static void peer_release(struct peer *peer)
{
	if (peer->frontend)
		xengntshr_close(peer->gntshr);
	else
		xengnttab_close(peer->gnttab);
	free(peer->unread);
	xenevtchn_close(peer->evtchn);
	xtl_logger_destroy(peer->log);
	xs_close(peer->xs);
	free(peer->otherend);
}

/*
 * A port from before a restore must not be closed, not by exit() either: Linux does not know
 * it any more, and takes that for a bug of its own (evtchn_unbind_from_user()). Its
 * handle stays open, and others are opened.
 */
static void peer_keep_stale(struct peer *peer)
{
	static bool kept;

	if (!kept)
		on_exit(sleep_on, NULL);
	kept = true;
	peer->evtchn = NULL;
}

/* A child of this process keeps what is stale, and sleeps until the guest ends. */
static void sleep_on(int status, void *unused)
{
	pid_t child = fork();
	int fd;

	(void)unused;
	if (child > 0) {
		say("process %d keeps what is left from before the restore: do not kill it", child);
		unlock();
		_exit(status);
	}
	close(lock);
	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		close(fd);
	setsid();
	prctl(PR_SET_NAME, "stale");
	memset(own_name, '@', strlen(own_name));	/* systemd's last kill spares it */
	for (;;)
		pause();
}

/* Is an error a want of this end's, or what the other end published? */
static int whose_fault(int err)
{
	return err == ENOMEM || err == ENOSPC || err == EMFILE ? EX_OSERR : EX_PROTOCOL;
}

/*
 * Is this guest another one than at its start? Its number tells, and if that is the
 * same by chance the watch of it does, a little later.
 */
static bool peer_restored(struct peer *peer)
{
	peer->restored |= peer_own_domid(peer) != peer->domid;
	return peer->restored;
}

/* The number of the domain that this process is in; as before, if it cannot be read. */
static unsigned int peer_own_domid(struct peer *peer)
{
	char *text = xs_read(peer->xs, XBT_NULL, "domid", NULL);
	unsigned int domid;

	if (!text || !parse_number(text, &domid))
		domid = peer->domid;
	free(text);
	return domid;
}

/*
 * Reads a number that the other end published. It may have written anything:
 * what is not a decimal number in the range of an unsigned int is refused.
 */
static bool peer_read_number(struct peer *peer, const char *node, unsigned int *value)
{
	char *text = peer_read(peer, peer->otherend, node);
	bool valid;

	if (!text) {
		peer_fatal(peer, EX_PROTOCOL, "reading %s/%s: %s", peer->otherend, node,
			   strerror(errno));
		return false;
	}
	valid = parse_number(text, value);
	free(text);
	if (!valid)
		peer_fatal(peer, EX_PROTOCOL, "%s/%s is not a number in range",
			   peer->otherend, node);
	return valid;
}

/*
 * As XenBus reads a state: what cannot be read, or is no number, is the state Unknown;
 * a number that is no state is that number, and means nothing.
 */
static enum xenbus_state peer_otherend_state(struct peer *peer)
{
	char *text = peer_read(peer, peer->otherend, "state");
	int state;

	if (!text || !scan_number(text, &state))
		state = XenbusStateUnknown;
	free(text);
	return state;
}

/* What a node says, from malloc(); NULL with errno if that is nothing. */
static char *peer_read(struct peer *peer, const char *dir, const char *node)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, node);
	return xs_read(peer->xs, XBT_NULL, path, NULL);
}

/*
 * This end cannot go on: says why, here and in XenStore, once, and leaves. A want of
 * its own (EX_OSERR), of memory for instance, is no lie of the peer's: a process that
 * stays closes this connection, and waits for the next.
 */
static void peer_fatal(struct peer *peer, int status, const char *format, ...)
{
	char message[512];
	va_list args;

	if (peer->broken)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	peer_write_error(peer, message);
	if (status == EX_OSERR && peer->keep) {
		tell("%s", message);
	} else {
		say("%s", message);
		peer->broken = true;
		peer->status = status;
		peer->done = true;
	}
	peer_switch_state(peer, XenbusStateClosing);
}

/*
 * They have no version in common. This is said once, because it is no lie: one that
 * stays waits for another at the other end.
 */
static void peer_misfit(struct peer *peer, const char *format, ...)
{
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (!peer->misfit) {
		say("%s", message);
		peer_write_error(peer, message);
	}
	peer->misfit = true;
	if (peer->frontend) {
		peer_printf(peer, XBT_NULL, MYDEVICE_NODE_VERSION, "%u", MYDEVICE_VERSION);
		peer->status = peer->keep ? EX_OK : EX_PROTOCOL;
		peer->done = !peer->keep;
		peer_switch_state(peer, XenbusStateClosing);
	}
}

/* The node is the one that xenbus_dev_fatal() writes in the kernel. */
static void peer_write_error(struct peer *peer, const char *message)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "error/%s/error", peer->dir);
	xs_write(peer->xs, XBT_NULL, path, message, strlen(message));
}

static void peer_switch_state(struct peer *peer, enum xenbus_state state)
{
	if (peer->state == state)
		return;
	peer->state = state;
	if (peer_transaction(peer, peer_write_state) || errno == ENOENT)
		return;		/* that the nodes are gone is the watch's to tell */
	if (!peer->broken)
		say("writing %s/state: %s", peer->dir, strerror(errno));
	peer->broken = true;
	peer->status = EX_IOERR;
	peer->done = true;
}

/* Writes the state, but only over one: a device that is gone stays gone. */
static bool peer_write_state(struct peer *peer, xs_transaction_t xbt)
{
	char path[PATH_MAX];
	char *old;

	snprintf(path, sizeof(path), "%s/state", peer->dir);
	old = xs_read(peer->xs, xbt, path, NULL);
	if (!old)
		return false;
	free(old);
	return peer_printf(peer, xbt, "state", "%d", peer->state);
}

/*
 * All that write() writes, or nothing of it: false, with errno. A domain may have
 * few transactions open (10), and others may have them all: the nodes are written without one
 * then, for it is the state, written last, that others wait for.
 */
static bool peer_transaction(struct peer *peer,
			     bool (*write)(struct peer *, xs_transaction_t))
{
	xs_transaction_t xbt;
	bool written, ended;
	int err;

	do {
		xbt = xs_transaction_start(peer->xs);
		if (xbt == XBT_NULL)
			return errno == ENOSPC && write(peer, XBT_NULL);
		written = write(peer, xbt);
		err = errno;
		ended = xs_transaction_end(peer->xs, xbt, !written);
		if (!written)
			errno = err;
	} while (written && !ended && errno == EAGAIN);	/* somebody else wrote there */
	return written && ended;
}

/* Writes one of the own nodes. False, with errno, if XenStore refuses. */
static bool peer_printf(struct peer *peer, xs_transaction_t xbt, const char *node,
			const char *format, ...)
{
	char path[PATH_MAX], value[32];
	va_list args;

	va_start(args, format);
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	snprintf(path, sizeof(path), "%s/%s", peer->dir, node);
	return xs_write(peer->xs, xbt, path, value, strlen(value));
}

static const char *state_name(enum xenbus_state state)
{
	static const char *const names[] = {
		"Unknown", "Initialising", "InitWait", "Initialised", "Connected",
		"Closing", "Closed", "Reconfiguring", "Reconfigured"
	};

	if (state >= sizeof(names) / sizeof(names[0]))
		return "in no known state";
	return names[state];
}

static const char *otherend_name(const struct peer *peer)
{
	return peer->frontend ? "backend" : "frontend";
}

static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsay(format, args);
	va_end(args);
}

/*
 * As say(), for what the other end can cause as often as it likes. It is left out
 * when there is too much of it.
 */
static void tell(const char *format, ...)
{
	unsigned int left_out;
	va_list args;

	if (!may_tell(&left_out))
		return;
	if (left_out)
		say("(%u lines are left out here)", left_out);
	va_start(args, format);
	vsay(format, args);
	va_end(args);
}

/* And how many lines were left out before this one? */
static bool may_tell(unsigned int *left_out)
{
	static unsigned int told, dropped;
	static uint64_t since;
	uint64_t now = now_ns() / 1000000000ull, paid = (now - since) / TELL_PAUSE;

	if (paid) {
		told -= told < paid ? told : paid;
		since = now;
	}
	if (told == TELL_BURST) {
		dropped++;
		return false;
	}
	told++;
	*left_out = dropped;
	dropped = 0;
	return true;
}

/* For what goes wrong before anything was written to XenStore. */
static void die(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsay(format, args);
	va_end(args);
	exit(status);
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

/*
 * A decimal number in an unsigned int's range, as the modules' kstrtouint() takes it:
 * with a plus sign before it, or a line feed after it, if that is wanted.
 */
static bool parse_number(const char *text, unsigned int *number)
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

/* As XenBus scans states, with "%d": what comes after the number is of no matter. */
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

/* Nanoseconds of a clock that nobody sets. */
static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}
