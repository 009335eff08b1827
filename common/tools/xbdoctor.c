// SPDX-License-Identifier: GPL-2.0
/*
 * xbdoctor - look at XenBus devices that do not work, and say why and what to do.
 *
 * main() looks up the devices, watches their states for a while, because what is
 * on its way needs no doctor, and then puts every device through the list of
 * checks. A check is a function of one idea: what it looks at, and where the
 * rule comes from, is said above it. The functions stand in the order of the calls.
 *
 * All that a check finds has an anchor, the section of docs/troubleshooting.md
 * that treats it. Commands that are printed are made of numbers and of paths that
 * XenStore has accepted as such, never of values: a guest writes those.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "xenbus.h"

#define DOCS		"docs/troubleshooting.md"
#define LOOK_AGAIN_MS	100
#define SHOWN		160	/* what is shown of a value, at most */

/* What the program ends with, beside the statuses of sysexits.h. */
enum { HEALTHY = 0, FINDINGS = 1 };

enum severity { WARNING, ERROR };

/**
 * struct side - one end of a device, as it was found
 * @end:	which
 * @path:	its directory
 * @domid:	the domain that this directory belongs to
 * @nodes:	what is in it
 * @error:	why there is nothing to see: an errno, or 0
 * @state:	as xb_state_value() has it
 */
struct side {
	enum xb_end end;
	char path[XB_PATH_MAX];
	unsigned int domid;
	struct xb_nodes nodes;
	int error;
	int state;
};

/**
 * struct kind - what is known about devices of a type
 * @type:	the type
 * @driver:	the kernel's drivers, by end, as /sys/bus/.../drivers has them
 * @module:	the modules that these are in
 * @offers:	what a backend has written once it is in InitWait
 * @publishes:	what a frontend has written once it is in Initialised; "a|b" is
 *		one of the two
 * @together:	pairs: a frontend that has written the first has the second, too
 * @orders:	sizes that may not exceed the backend's max-ring-page-order
 *
 * Drivers that serve several queues write most of these in queue-0, queue-1, ...
 */
struct kind {
	const char *type;
	const char *driver[2];
	const char *module[2];
	const char *offers[3];
	const char *publishes[4];
	const char *together[6][2];
	const char *orders[3];
};

/* The one type of which there are two stages without ring or without event channel. */
static const struct kind mydevice = {
	.type = "mydevice",
	.driver = { "mydevicefront", "mydeviceback" },
	.module = { "mydevicefront", "mydeviceback" },
	.offers = { "versions" },
	.publishes = { "version" },
	.together = {
		{ "ring-ref", "event-channel" },
		{ "ring-ref", "out-ring-page-order" },
		{ "ring-ref", "in-ring-page-order" },
		{ "out-ring-page-order", "ring-ref" },
		{ "in-ring-page-order", "ring-ref" },
	},
	.orders = { "out-ring-page-order", "in-ring-page-order" },
};

/* xen/io/netif.h, and what netfront and netback do. */
static const struct kind vif = {
	.type = "vif",
	.driver = { "vif", "vif" },
	.module = { "xen-netfront", "xen-netback" },
	.publishes = { "tx-ring-ref", "rx-ring-ref", "event-channel|event-channel-tx" },
	.together = {
		{ "event-channel-tx", "event-channel-rx" },
		{ "event-channel-rx", "event-channel-tx" },
	},
};

/* xen/io/blkif.h. The first page of a larger ring is ring-ref0. */
static const struct kind vbd = {
	.type = "vbd",
	.driver = { "vbd", "vbd" },
	.module = { "xen-blkfront", "xen-blkback" },
	.publishes = { "ring-ref|ring-ref0", "event-channel" },
	.orders = { "ring-page-order" },
};

/* Any other: the bus is the same, what is published is not known. */
static const struct kind other = { .type = "" };

/**
 * struct patient - a device that is looked at
 * @name:	"mydevice-1-0"
 * @type:	the frontend's type; a backend may have another (qdisk for vbd)
 * @number:	the device's number
 * @kind:	what is known of this type
 * @side:	the two ends, by enum xb_end
 * @since:	when the states last changed, in ms
 * @settled:	they have not changed for as long as is waited
 * @findings:	how many there were
 */
struct patient {
	char name[XB_NAME_MAX];
	char type[XB_TYPE_MAX];
	unsigned int number;
	const struct kind *kind;
	struct side side[2];
	uint64_t since;
	bool settled;
	unsigned int findings;
};

struct patients {
	struct patient *patient;
	unsigned int nr;
};

/**
 * struct step - what comes next in a pair of states
 * @who:	the end that has to move
 * @step:	what it has to do; one of the steps below
 */
struct step {
	enum xb_end who;
	enum {
		NOTHING, PROBE, OFFER, PUBLISH, CONNECT, GO_LIVE, CLOSE, FOLLOW, RECONFIGURE,
		BEGIN_ANEW,
	} step;
};

/* What there was that could not be looked at. */
enum unseen { FOREIGN_DRIVERS = 1, FOREIGN_ERRORS = 2, DOMAINS = 4, MORE_NODES = 8 };

static struct {
	struct xs_handle *xs;
	unsigned int own;	/* the domain that this runs in */
	unsigned int wait;	/* s */
	unsigned int unseen;
	unsigned int findings;
} doctor = { .wait = 3 };

static void parse_options(int argc, char **argv);
static void usage(void);
static unsigned int admit(const char *operand, struct patients *patients);
static bool admit_device(struct patients *patients, const struct xb_device *device);
static void find_sides(struct patient *patient, const struct xb_device *device);
static bool names(const struct side *side, const struct side *other);
static void usual_front(const struct xb_device *device, char path[XB_PATH_MAX]);
static void likely_back(const struct xb_device *device, const struct side *front,
			char path[XB_PATH_MAX]);
static const struct kind *kind_of(const char *type);
static void watch_states(struct patients *patients);
static bool look_at_state(struct patient *patient);
static void examine(struct patient *patient);
static void report_unseen(void);

/*
 * The checks, in the order in which they are made: what everything else needs
 * comes first. One that returns false has found that more would be of no use.
 */
static bool check_domains(struct patient *patient);
static bool check_both_there(struct patient *patient);
static bool check_nodes_there(struct patient *patient);
static bool check_ids(struct patient *patient);
static bool check_pointers(struct patient *patient);
static bool check_owners(struct patient *patient);
static bool check_writers(struct patient *patient);
static bool check_readers(struct patient *patient);
static bool check_numbers(struct patient *patient);
static bool check_states_valid(struct patient *patient);
static bool check_error_nodes(struct patient *patient);
static bool check_online(struct patient *patient);
static bool check_published(struct patient *patient);
static bool check_together(struct patient *patient);
static bool check_version(struct patient *patient);
static bool check_orders(struct patient *patient);
static bool check_hotplug(struct patient *patient);
static bool check_overwritten(struct patient *patient);
static bool check_progress(struct patient *patient);
static bool check_drivers(struct patient *patient);

static bool (*const checks[])(struct patient *patient) = {
	check_domains, check_both_there, check_nodes_there, check_ids, check_pointers,
	check_owners, check_writers, check_readers, check_numbers, check_states_valid,
	check_error_nodes, check_online, check_published, check_together, check_version,
	check_orders, check_hotplug, check_overwritten, check_progress, check_drivers,
};

static void finding(struct patient *patient, enum severity severity, const char *anchor,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));
static void advice(unsigned int domid, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

int main(int argc, char **argv)
{
	struct patients patients = { 0 };
	char shown[SHOWN];

	parse_options(argc, argv);
	doctor.xs = xb_open();
	if (!xb_own_domid(doctor.xs, &doctor.own))
		xb_die(EX_UNAVAILABLE, "XenStore does not say which domain this is.\n"
		       "    In dom0: /usr/lib/xen-4.17/bin/xen-init-dom0");
	xb_colour_init(stdout);

	if (optind == argc && !admit(NULL, &patients))
		finding(NULL, ERROR, "no-device", "there is no device that this domain can see");
	for (int i = optind; i < argc; i++)
		if (!admit(argv[i], &patients))
			finding(NULL, ERROR, "no-device",
				"%s: there is no such device that this domain can see",
				xb_printable(shown, sizeof(shown), argv[i], strlen(argv[i])));

	watch_states(&patients);
	for (unsigned int i = 0; i < patients.nr; i++)
		examine(&patients.patient[i]);
	report_unseen();

	free(patients.patient);
	xs_close(doctor.xs);
	if (fflush(stdout) || ferror(stdout))
		xb_die(EX_IOERR, "the output could not be written: %s", strerror(errno));
	return doctor.findings ? FINDINGS : HEALTHY;
}

/* -- what is to be looked at ----------------------------------------------- */

/* All operands are checked before anything is done. */
static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "wait", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 }
	};
	struct xb_select select;
	int option;

	while ((option = getopt_long(argc, argv, "w:hV", options, NULL)) != -1) {
		switch (option) {
		case 'w':
			if (!xb_number(optarg, 3601, &doctor.wait))
				xb_usage_error("--wait takes 0 to 3600 seconds, not '%s'", optarg);
			break;
		case 'h':
			usage();
			exit(HEALTHY);
		case 'V':
			printf("%s %s\n", program_invocation_short_name, VERSION);
			exit(HEALTHY);
		default:	/* getopt_long() has said what is wrong */
			fprintf(stderr, "    See: %s --help\n", program_invocation_short_name);
			exit(EX_USAGE);
		}
	}
	for (int i = optind; i < argc; i++)
		if (!xb_select_parse(argv[i], &select))
			xb_usage_error("'%s' is no device, type, domain or path", argv[i]);
}

static void usage(void)
{
	printf("usage: %s [OPTION]... [DEVICE]...\n"
	       "\n"
	       "Says what is wrong with XenBus devices and what to do about it. DEVICE is\n"
	       "\n"
	       "  mydevice-1-0    a device: type, the frontend's domain, number\n"
	       "  mydevice        all devices of a type\n"
	       "  1               all devices with an end in this domain\n"
	       "  /local/domain/1/device/mydevice/0\n"
	       "                  the path of either end's directory\n"
	       "\n"
	       "and without one all that this domain can see are looked at.\n"
	       "\n"
	       "  -w, --wait SECONDS  a pair of states is stuck that does not change for so\n"
	       "                      long (default 3; 0: look once)\n"
	       "  -h, --help          this text\n"
	       "  -V, --version       the version\n"
	       "\n"
	       "Exit status: 0 all are healthy, 1 there are findings, 64 wrong usage, 69 there\n"
	       "is no XenStore, 77 no permission. The sections of " DOCS " that\n"
	       "the findings name explain them.\n", program_invocation_short_name);
}

/* Take in the devices that an operand means. Returns how many there are. */
static unsigned int admit(const char *operand, struct patients *patients)
{
	struct xb_devices devices = { 0 };
	struct xb_select select;
	unsigned int nr = 0;

	xb_select_parse(operand, &select);
	xb_devices_scan(doctor.xs, &devices, &select);
	for (unsigned int i = 0; i < devices.nr; i++)
		nr += admit_device(patients, devices.device[i]);
	xb_devices_free(&devices);
	return nr;
}

/* A device counts, but is looked at only once, however often it is named. */
static bool admit_device(struct patients *patients, const struct xb_device *device)
{
	struct patient *patient;
	struct patient new = { 0 };

	strcpy(new.name, device->name);
	find_sides(&new, device);
	for (unsigned int i = 0; i < patients->nr; i++) {
		patient = &patients->patient[i];
		if (!strcmp(patient->side[XB_BACK].path, new.side[XB_BACK].path) ||
		    !strcmp(patient->side[XB_FRONT].path, new.side[XB_FRONT].path))
			return true;
	}
	patients->patient = xb_realloc(patients->patient,
				       (patients->nr + 1) * sizeof(*patient));
	patients->patient[patients->nr++] = new;
	return true;
}

/*
 * Where the two ends are, or should be: what they name each other is to be checked,
 * not to be believed. Only one that names the other in return may be in an unusual
 * place: the first console is, and a backend may be of another type than its frontend
 * (qdisk serves vbd).
 */
static void find_sides(struct patient *patient, const struct xb_device *device)
{
	struct side *front = &patient->side[XB_FRONT], *back = &patient->side[XB_BACK];
	struct xb_dir dir;

	front->end = XB_FRONT;
	back->end = XB_BACK;
	strcpy(front->path, device->path[XB_FRONT]);
	strcpy(back->path, device->path[XB_BACK]);
	if (!front->path[0] || !names(front, back))
		usual_front(device, front->path);
	if (!back->path[0])
		likely_back(device, front, back->path);

	xb_dir_parse(back->path, &dir, NULL);
	back->domid = dir.domid;
	front->domid = dir.front_domid;
	patient->number = dir.number;
	if (xb_dir_parse(front->path, &dir, NULL))
		strcpy(patient->type, dir.type);
	else
		strcpy(patient->type, device->dir.type);
	patient->kind = kind_of(patient->type);
}

/* Does this end name the other's directory, or is that not known? */
static bool names(const struct side *side, const struct side *other)
{
	char path[XB_PATH_MAX];
	unsigned int domid;

	xb_otherend(doctor.xs, side->path, side->end, path, &domid);
	return !other->path[0] || !strcmp(path, other->path);
}

static void usual_front(const struct xb_device *device, char path[XB_PATH_MAX])
{
	struct xb_dir dir = device->dir;

	dir.end = XB_FRONT;
	dir.domid = dir.front_domid;
	xb_dir_path(&dir, path);
}

/* The one that the frontend names, if its numbers fit; else where it would be. */
static void likely_back(const struct xb_device *device, const struct side *front,
			char path[XB_PATH_MAX])
{
	struct xb_dir dir;
	unsigned int domid;

	xb_otherend(doctor.xs, front->path, XB_FRONT, path, &domid);
	if (xb_dir_parse(path, &dir, NULL) && dir.end == XB_BACK &&
	    dir.front_domid == device->dir.front_domid && dir.number == device->dir.number) {
		xb_dir_path(&dir, path);	/* without anything after it */
		return;
	}
	dir = device->dir;
	dir.end = XB_BACK;
	dir.domid = domid < XB_DOMIDS ? domid : 0;
	xb_dir_path(&dir, path);
}

static const struct kind *kind_of(const char *type)
{
	static const struct kind *const kinds[] = { &mydevice, &vif, &vbd };

	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i]->type, type))
			return kinds[i];
	return &other;
}

/* -- looking twice --------------------------------------------------------- */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool connected(const struct patient *patient)
{
	return patient->side[XB_FRONT].state == XenbusStateConnected &&
	       patient->side[XB_BACK].state == XenbusStateConnected;
}

/*
 * A handshake takes a moment, and so does an end. So all devices that are not
 * Connected are looked at again and again, until their states have stayed the same
 * for doctor.wait; those that never rest are given up after five times that.
 */
static void watch_states(struct patients *patients)
{
	uint64_t wait = doctor.wait * 1000ull, begin = now_ms(), now;
	unsigned int unsettled;

	for (unsigned int i = 0; i < patients->nr; i++) {
		look_at_state(&patients->patient[i]);
		patients->patient[i].since = begin;
	}
	do {
		now = now_ms();
		unsettled = 0;
		for (unsigned int i = 0; i < patients->nr; i++) {
			struct patient *patient = &patients->patient[i];

			if (patient->settled)
				continue;
			if (look_at_state(patient))
				patient->since = now;
			patient->settled = connected(patient) || now - patient->since >= wait;
			unsettled += !patient->settled;
		}
		if (unsettled)
			usleep(LOOK_AGAIN_MS * 1000);
	} while (unsettled && now - begin < 5 * wait);
}

/* Returns whether a state changed since the last look. */
static bool look_at_state(struct patient *patient)
{
	bool changed = false;

	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		struct side *side = &patient->side[end];
		char *value = xb_read(doctor.xs, side->path, "state");
		int state = xb_state_value(value);

		changed = changed || state != side->state;
		side->state = state;
		free(value);
	}
	return changed;
}

/* -- the examination ------------------------------------------------------- */

/*
 * A guest's first console is set up by the toolstack and served by xenconsoled;
 * libxl says of it that it "doesn't use the regular PV state machine": both ends
 * stay Initialising for ever.
 */
static bool is_first_console(const struct patient *patient)
{
	return !strcmp(patient->type, "console") && patient->number == 0;
}

static void examine(struct patient *patient)
{
	const char *why = "both ends are Connected";
	unsigned int nr = sizeof(checks) / sizeof(checks[0]);

	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		struct side *side = &patient->side[end];

		side->error = 0;
		if (!xb_nodes_read(doctor.xs, side->path, "", true, &side->nodes))
			side->error = errno;
		if (side->nodes.more)
			doctor.unseen |= MORE_NODES;
	}
	if (is_first_console(patient)) {
		why = "the first console has no handshake";
		nr = 1;		/* its domain may be gone */
	}
	for (unsigned int i = 0; i < nr && checks[i](patient); i++)
		;
	if (!patient->findings)
		printf("%sok:%s %s: %s\n", xb_colour(XB_GREEN), xb_colour(XB_PLAIN),
		       patient->name, why);
	xb_nodes_free(&patient->side[XB_FRONT].nodes);
	xb_nodes_free(&patient->side[XB_BACK].nodes);
}

static const struct xb_node *node_of(const struct side *side, const char *name)
{
	return xb_nodes_find(&side->nodes, name);
}

/* A value may have a NUL in it, and more after that. */
static bool is_text(const struct xb_node *node, const char *text)
{
	return node->len == strlen(text) && !strcmp(node->value, text);
}

/* A decimal number and nothing else; false if the node is not there, too. */
static bool number_of(const struct side *side, const char *name, unsigned int limit,
		      unsigned int *number)
{
	const struct xb_node *node = node_of(side, name);

	return node && node->value && strlen(node->value) == node->len &&
	       xb_number(node->value, limit, number);
}

/* The domain where XenStore can be mended: who owns a directory may, and dom0. */
static unsigned int writer_of(const struct side *side)
{
	return side->domid == doctor.own ? doctor.own : 0;
}

/* Names of the two nodes by which an end finds the other. */
static const char *pointer_name(enum xb_end end)
{
	return end == XB_FRONT ? "backend" : "frontend";
}

static const char *id_name(enum xb_end end)
{
	return end == XB_FRONT ? "backend-id" : "frontend-id";
}

/* How a device is taken away and made again: a toolstack does it, or our scripts. */
static void advice_anew(const struct patient *patient)
{
	unsigned int guest = patient->side[XB_FRONT].domid;
	unsigned int back = patient->side[XB_BACK].domid;
	unsigned int n = patient->number;
	char where[32] = "";

	if (back)
		snprintf(where, sizeof(where), " --backend %u", back);
	if (patient->kind == &mydevice)
		advice(0, "./deactivate.sh --device %u%s %u; ./activate.sh --device %u%s %u",
		       n, where, guest, n, where, guest);
	else if (patient->kind == &vif)
		advice(0, "xl network-detach %u %u, then xl network-attach %u and its options",
		       guest, n, guest);
	else if (patient->kind == &vbd)
		advice(0, "xl block-detach %u %u, then xl block-attach %u and its options",
		       guest, n, guest);
	else
		advice(0, "detach the device with xl, and attach it again");
}

/* A kernel reads what a device's nodes say of the other end before probe, and then no more. */
static void advice_probe(const struct patient *patient)
{
	if (!connected(patient))
		advice_anew(patient);
}

/* The owner can do that, too; but who that is may be what is wrong. */
static void advice_chmod(const struct patient *patient, const struct side *side)
{
	advice(0, "xenstore-chmod -r %s n%u r%u", side->path, side->domid,
	       patient->side[xb_other(side->end)].domid);
}

/* -- the domains and the directories --------------------------------------- */

/* Only dom0 may ask; elsewhere a domain is taken to be there. */
static bool is_gone(unsigned int domid)
{
	if (domid == doctor.own || domid == 0)
		return false;
	errno = 0;
	if (xs_is_domain_introduced(doctor.xs, domid))
		return false;
	if (errno)
		doctor.unseen |= DOMAINS;
	return !errno;
}

static bool points_to(const struct side *side, struct xb_dir *dir)
{
	const struct xb_node *node = node_of(side, pointer_name(side->end));

	return node && node->value && xb_dir_parse(node->value, dir, NULL);
}

/*
 * Is there a domain at both ends? When a guest ends its own directory goes with it,
 * and the backend's stays: the toolstack removes it, but only for
 * the devices that it made. A frontend does not even notice that its backend's
 * domain has died.
 */
static bool check_domains(struct patient *patient)
{
	const struct side *front = &patient->side[XB_FRONT], *back = &patient->side[XB_BACK];
	unsigned int domid = back->domid;
	struct xb_dir dir;
	bool alive = true;

	if (is_gone(front->domid)) {
		finding(patient, ERROR, "stale-nodes",
			"its guest, domain %u, is gone, and the device's nodes are left over",
			front->domid);
		for (int end = XB_FRONT; end <= XB_BACK; end++)
			if (!patient->side[end].error)
				advice(0, "xenstore-rm -t %s", patient->side[end].path);
		alive = false;
	}
	if (!is_gone(domid) && points_to(front, &dir))
		domid = dir.domid;
	if (is_gone(domid)) {
		finding(patient, ERROR, "backend-gone", "the domain of its backend, %u, is gone",
			domid);
		advice_anew(patient);
		alive = false;
	}
	return alive;
}

/*
 * Are both directories there? Each end's kernel looks for the other's before it
 * calls probe (xenbus_read_otherend_details(), backend_bus_id()).
 */
static bool check_both_there(struct patient *patient)
{
	bool both = true;

	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];

		if (!side->error)
			continue;
		both = false;
		if (side->error == ENOENT) {
			finding(patient, ERROR, "half-device",
				"the %s's directory is missing: %s", xb_end_name(end), side->path);
			advice_anew(patient);
		} else {
			finding(patient, ERROR, "peer-cannot-read",
				"domain %u may not read the %s's directory, or it is not there: %s",
				doctor.own, xb_end_name(end), side->path);
			advice_chmod(patient, side);
		}
	}
	return both;
}

/* -- the nodes of the bus itself ------------------------------------------- */

static void check_node_there(struct patient *patient, const struct side *side, const char *name,
			     const char *why, const char *value)
{
	const struct xb_node *node = node_of(side, name);

	if (node && node->value)
		return;
	if (node) {
		finding(patient, ERROR, "peer-cannot-read", "domain %u may not read the %s's node %s",
			doctor.own, xb_end_name(side->end), name);
		advice_chmod(patient, side);
		return;
	}
	finding(patient, ERROR, "node-missing", "the %s has no node %s: %s",
		xb_end_name(side->end), name, why);
	advice(writer_of(side), "xenstore-write %s/%s %s", side->path, name, value);
	advice_probe(patient);
}

/*
 * The three nodes without which the bus does nothing: a kernel registers a device
 * whose state is 1 (xenbus_probe_node()), and before probe it reads where the other end
 * is (xenbus_read_otherend_details()).
 */
static bool check_nodes_there(struct patient *patient)
{
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];
		const struct side *peer = &patient->side[xb_other(end)];
		char id[12];

		snprintf(id, sizeof(id), "%u", peer->domid);
		check_node_there(patient, side, pointer_name(end),
				 "it does not know where the other end is", peer->path);
		check_node_there(patient, side, id_name(end),
				 "it does not know which domain the other end is in", id);
		check_node_there(patient, side, "state", "its driver is never probed", "1");
	}
	return true;
}

/*
 * backend-id and frontend-id say to which domain memory is granted, and whose
 * it is that is mapped. The directories' paths say it, too.
 */
static bool check_ids(struct patient *patient)
{
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];
		unsigned int is, should_be = patient->side[xb_other(end)].domid;

		if (!number_of(side, id_name(end), UINT_MAX, &is) || is == should_be)
			continue;
		finding(patient, ERROR, "id-mismatch", "the %s's %s is %u, but its %s is in domain %u",
			xb_end_name(end), id_name(end), is, pointer_name(end), should_be);
		advice(writer_of(side), "xenstore-write %s/%s %u", side->path, id_name(end),
		       should_be);
		advice_probe(patient);
	}
	return true;
}

/* Each end watches the state in the directory that it is pointed to. */
static bool check_pointers(struct patient *patient)
{
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];
		const struct side *peer = &patient->side[xb_other(end)];
		const struct xb_node *node = node_of(side, pointer_name(end));
		char shown[SHOWN];

		if (!node || !node->value || is_text(node, peer->path))
			continue;
		finding(patient, ERROR, "pointer-mismatch", "the %s's node %s is \"%s\", not %s",
			xb_end_name(end), node->name,
			xb_printable(shown, sizeof(shown), node->value, node->len), peer->path);
		advice(writer_of(side), "xenstore-write %s/%s %s", side->path, node->name,
		       peer->path);
		advice_probe(patient);
	}
	return true;
}

/* -- owners and permissions ------------------------------------------------ */

/* The first entry names the owner, and says what all may who are not listed. */
static unsigned int rights(const struct xb_node *node, unsigned int domid)
{
	if (node->perms[0].id == domid)
		return XS_PERM_READ | XS_PERM_WRITE;
	for (unsigned int i = 1; i < node->nr_perms; i++)
		if (node->perms[i].id == domid)
			return node->perms[i].perms;
	return node->perms[0].perms;
}

/* "the directory", "its state": the two that have to be right in any case. */
static const char *const crucial[] = { "", "state" };

static const char *crucial_name(const char *name)
{
	return name[0] ? "state" : "directory";
}

/* Each end's directory is its domain's own: it writes its state there. */
static bool check_owners(struct patient *patient)
{
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];

		for (unsigned int i = 0; i < 2; i++) {
			const struct xb_node *node = node_of(side, crucial[i]);

			if (!node || !node->perms || node->perms[0].id == side->domid)
				continue;
			finding(patient, ERROR, "wrong-owner",
				"the %s's %s belongs to domain %u, not to domain %u, whose end it is",
				xb_end_name(end), crucial_name(crucial[i]), node->perms[0].id,
				side->domid);
			advice_chmod(patient, side);
			break;
		}
	}
	return true;
}

/*
 * Nobody writes in the other end's directory. A guest that could write the
 * backend's would say what its backend maps and serves. (dom0 may write anywhere.)
 */
static bool check_writers(struct patient *patient)
{
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];
		unsigned int peer = patient->side[xb_other(end)].domid;
		const struct xb_node *first = NULL;
		unsigned int nr = 0;

		for (unsigned int i = 0; peer && i < side->nodes.nr; i++) {
			const struct xb_node *node = &side->nodes.node[i];

			if (!node->perms || !(rights(node, peer) & XS_PERM_WRITE))
				continue;
			first = first ? first : node;
			nr++;
		}
		if (!nr)
			continue;
		finding(patient, end == XB_BACK ? ERROR : WARNING, "peer-can-write",
			"domain %u can write in the %s's directory (%u nodes, the first is %s)",
			peer, xb_end_name(end), nr, first->name[0] ? first->name : "the directory");
		advice_chmod(patient, side);
	}
	return true;
}

/* Each end reads the other's directory. dom0 may read anything, listed or not. */
static bool check_readers(struct patient *patient)
{
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];
		unsigned int peer = patient->side[xb_other(end)].domid;

		for (unsigned int i = 0; i < 2; i++) {
			const struct xb_node *node = node_of(side, crucial[i]);

			if (!node || !node->perms || rights(node, peer) & XS_PERM_READ)
				continue;
			finding(patient, peer ? ERROR : WARNING, "peer-cannot-read",
				"the %s's %s is not for domain %u to read%s", xb_end_name(end),
				crucial_name(crucial[i]), peer,
				peer ? "" : " (which may all the same, because it is dom0)");
			advice_chmod(patient, side);
			break;
		}
	}
	return true;
}

/* -- values ---------------------------------------------------------------- */

/* The part of a node's name that says what it is: "ring-ref" of "queue-0/ring-ref". */
static const char *last_part(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

static bool should_be_number(const struct patient *patient, const char *name)
{
	static const char *const numbers[] = {
		"backend-id", "frontend-id", "online", "version", "event-channel",
		"event-channel-tx", "event-channel-rx", "ring-ref", "tx-ring-ref",
		"rx-ring-ref", "ring-page-order", "out-ring-page-order",
		"in-ring-page-order", "max-ring-page-order", "multi-queue-num-queues",
		"multi-queue-max-queues",
	};

	for (unsigned int i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!strcmp(last_part(name), numbers[i]))
			return true;
	return patient->kind == &mydevice && !strncmp(name, "feature-", strlen("feature-"));
}

/* A guest may have a thousand such nodes: the first stands for all. */
static void report_bad_number(struct patient *patient, const struct side *side,
			      const struct xb_node *node, unsigned int nr)
{
	char shown[SHOWN], more[32] = "";

	if (nr > 1)
		snprintf(more, sizeof(more), ", and so are %u more", nr - 1);
	finding(patient, ERROR, "bad-number", "the %s's node %s is no number: \"%s\"%s",
		xb_end_name(side->end), node->name,
		xb_printable(shown, sizeof(shown), node->value, node->len), more);
	if (strcmp(node->name, id_name(side->end)))
		advice_anew(patient);
	else
		advice(writer_of(side), "xenstore-write %s/%s %u", side->path, node->name,
		       patient->side[xb_other(side->end)].domid);
}

/* Drivers read these as decimal numbers (kstrtouint(), xenbus_scanf()). */
static bool check_numbers(struct patient *patient)
{
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];
		const struct xb_node *first = NULL;
		unsigned int nr = 0, ignored;

		for (unsigned int i = 0; i < side->nodes.nr; i++) {
			const struct xb_node *node = &side->nodes.node[i];

			if (!node->value || !should_be_number(patient, node->name) ||
			    number_of(side, node->name, UINT_MAX, &ignored))
				continue;
			first = first ? first : node;
			nr++;
		}
		if (first)
			report_bad_number(patient, side, first, nr);
	}
	return true;
}

/* enum xenbus_state: 1 to 8. 0, Unknown, is what a missing node is read as. */
static bool check_states_valid(struct patient *patient)
{
	bool valid = true;

	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];
		const struct xb_node *node = node_of(side, "state");
		char shown[SHOWN];

		if (side->state > XenbusStateUnknown && node && node->len == 1)
			continue;
		valid = false;
		if (!node || !node->value)
			continue;	/* was reported */
		finding(patient, ERROR, "bad-state", "the %s's state is no state: \"%s\"",
			xb_end_name(end), xb_printable(shown, sizeof(shown), node->value, node->len));
		advice_anew(patient);
	}
	return valid;
}

/*
 * What xenbus_dev_error() and xenbus_dev_fatal() leave, in the domain of the end
 * that had the error. No kernel removes it: when the device is Connected it is of the past.
 */
static bool check_error_nodes(struct patient *patient)
{
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];
		char *text, shown[SHOWN];

		errno = 0;
		text = xb_read_error(doctor.xs, side->path);
		if (!text) {
			if (errno == EACCES)
				doctor.unseen |= FOREIGN_ERRORS;
			continue;
		}
		finding(patient, connected(patient) ? WARNING : ERROR, "error-node",
			"the %s's driver %s: \"%s\"", xb_end_name(end),
			connected(patient) ? "once wrote an error" : "wrote an error",
			xb_printable(shown, sizeof(shown), text, strlen(text)));
		advice(writer_of(side), "xenstore-rm /local/domain/%u/error%s", side->domid,
		       strchr(side->path + strlen("/local/domain/"), '/'));
		free(text);
	}
	return true;
}

/*
 * A backend that is not online goes away when its frontend closes, and does not
 * come back (xenbus_dev_is_online(), as blkback, netback and mydeviceback use it).
 */
static bool check_online(struct patient *patient)
{
	const struct side *back = &patient->side[XB_BACK];
	unsigned int online;

	if (number_of(back, "online", UINT_MAX, &online) && online)
		return true;
	if (node_of(back, "online") && !number_of(back, "online", UINT_MAX, &online))
		return true;	/* was reported */
	if (node_of(back, "online") && back->state >= XenbusStateClosing) {
		finding(patient, WARNING, "not-online",
			"the backend's node online is 0: the device is being taken away");
		advice_anew(patient);
		return true;
	}
	finding(patient, WARNING, "not-online", "the backend's node online is %s: %s",
		node_of(back, "online") ? "0" : "missing",
		"it goes away for good when the frontend closes");
	advice(writer_of(back), "xenstore-write %s/online 1", back->path);
	return true;
}

/* -- what the drivers publish ---------------------------------------------- */

static bool has_published(const struct side *front)
{
	return front->state == XenbusStateInitialised || front->state == XenbusStateConnected;
}

/* Is there one of the nodes "a|b", in the directory or in that of the first queue? */
static bool has_one_of(const struct side *side, const char *names)
{
	char name[XB_NAME_MAX];

	for (const char *at = names; *at; at += strcspn(at, "|"), at += *at == '|') {
		snprintf(name, sizeof(name), "queue-0/%.*s", (int)strcspn(at, "|"), at);
		if (node_of(side, name) || node_of(side, last_part(name)))
			return true;
	}
	return false;
}

static void check_list(struct patient *patient, const struct side *side, const char *const *names,
		       const char *what)
{
	for (; *names; names++) {
		if (has_one_of(side, *names))
			continue;
		finding(patient, ERROR, "not-published", "the %s is %s and has no node %s: %s",
			xb_end_name(side->end), xb_state_name(side->state), *names, what);
		advice(side->domid, "xenstore-ls %s", side->path);
	}
}

/*
 * What an end writes before it goes to a state, the other reads when it sees that
 * state: mydevice.h, xen/io/netif.h, xen/io/blkif.h.
 */
static bool check_published(struct patient *patient)
{
	const struct side *front = &patient->side[XB_FRONT], *back = &patient->side[XB_BACK];

	if (back->state >= XenbusStateInitWait && back->state <= XenbusStateConnected)
		check_list(patient, back, patient->kind->offers, "the frontend chooses from it");
	if (has_published(front))
		check_list(patient, front, patient->kind->publishes, "the backend cannot connect");
	return true;
}

/* A ring without an event channel, or a size of no ring: half of a publication. */
static bool check_together(struct patient *patient)
{
	const struct side *front = &patient->side[XB_FRONT];
	const char *const (*pair)[2];

	if (!has_published(front))
		return true;
	for (pair = patient->kind->together; (*pair)[0]; pair++) {
		if (!has_one_of(front, (*pair)[0]) || has_one_of(front, (*pair)[1]))
			continue;
		finding(patient, ERROR, "not-published", "the frontend has a node %s, but no %s",
			(*pair)[0], (*pair)[1]);
		advice(front->domid, "xenstore-ls %s", front->path);
	}
	return true;
}

/* Is it in the list "1,2"? */
static bool is_listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (; *list; list += strcspn(list, ","), list += *list == ',')
		if (strcspn(list, ",") == len && !strncmp(list, word, len))
			return true;
	return false;
}

/* The frontend chooses one of the versions that the backend speaks: mydevice.h. */
static bool check_version(struct patient *patient)
{
	const struct xb_node *version = node_of(&patient->side[XB_FRONT], "version");
	const struct xb_node *versions = node_of(&patient->side[XB_BACK], "versions");
	char wants[SHOWN], offers[SHOWN];

	if (patient->kind != &mydevice || !has_published(&patient->side[XB_FRONT]) ||
	    !version || !versions || !version->value || !versions->value ||
	    is_listed(versions->value, version->value))
		return true;
	finding(patient, ERROR, "bad-version",
		"the frontend chose version \"%s\", and the backend offers \"%s\"",
		xb_printable(wants, sizeof(wants), version->value, version->len),
		xb_printable(offers, sizeof(offers), versions->value, versions->len));
	advice(0, "make -C 03-shared-memory load     (both modules of the same stage)");
	return true;
}

/* A ring has at most 2^max-ring-page-order pages; without that node, one. */
static bool check_orders(struct patient *patient)
{
	const struct side *front = &patient->side[XB_FRONT], *back = &patient->side[XB_BACK];
	unsigned int order, max = 0;

	if (!has_published(front))
		return true;
	if (!number_of(back, "max-ring-page-order", UINT_MAX, &max) &&
	    node_of(back, "max-ring-page-order"))
		return true;	/* was reported */
	for (const char *const *name = patient->kind->orders; *name; name++) {
		if (!number_of(front, *name, UINT_MAX, &order) || order <= max)
			continue;
		finding(patient, ERROR, "bad-order",
			"the frontend's %s is %u, and the backend maps at most %u", *name, order, max);
		advice(front->domid, "%s", patient->kind == &mydevice ?
		       "insmod mydevicefront.ko ring_page_order=0" :
		       "modprobe xen-blkfront max_ring_page_order=0");
	}
	return true;
}

/*
 * Before a backend of xl's goes on, a script has to attach what it serves: netback
 * waits for hotplug-status, blkback for physical-device.
 */
static bool check_hotplug(struct patient *patient)
{
	const struct side *back = &patient->side[XB_BACK];
	const struct xb_node *error = node_of(back, "hotplug-error");
	const struct xb_node *status = node_of(back, "hotplug-status");
	bool waits = back->state == XenbusStateInitWait &&
		     has_published(&patient->side[XB_FRONT]);
	char shown[SHOWN];

	if (error && error->value)
		finding(patient, ERROR, "hotplug", "the hotplug script failed: \"%s\"",
			xb_printable(shown, sizeof(shown), error->value, error->len));
	else if (patient->kind == &vif && waits &&
		 !(status && status->value && is_text(status, "connected")))
		finding(patient, ERROR, "hotplug",
			"netback waits for the hotplug script: hotplug-status is not \"connected\"");
	else if (patient->kind == &vbd && waits && !node_of(back, "physical-device"))
		finding(patient, ERROR, "hotplug",
			"blkback waits for the hotplug script: there is no physical-device");
	else
		return true;
	advice(back->domid, "cat /var/log/xen/xen-hotplug.log");
	return true;
}

/* -- this domain's kernel -------------------------------------------------- */

static const char *bus_of(enum xb_end end)
{
	return end == XB_FRONT ? "xen" : "xen-backend";
}

/* "mydevice-0" on the one bus, "mydevice-1-0" on the other. */
static void bus_name(const struct patient *patient, const struct side *side,
		     char name[XB_NAME_MAX])
{
	struct xb_dir dir;

	if (side->end == XB_BACK && xb_dir_parse(side->path, &dir, NULL))
		snprintf(name, XB_NAME_MAX, "%s-%u-%u", dir.type, dir.front_domid, dir.number);
	else
		snprintf(name, XB_NAME_MAX, "%s-%u", patient->type, patient->number);
}

static void sysfs_path(char path[PATH_MAX], const struct patient *patient,
		       const struct side *side, const char *what)
{
	char name[XB_NAME_MAX];

	bus_name(patient, side, name);
	snprintf(path, PATH_MAX, "/sys/bus/%s/devices/%s/%s", bus_of(side->end), name, what);
}

/* Does this kernel know the device? */
static bool is_registered(const struct patient *patient, const struct side *side)
{
	char path[PATH_MAX];

	sysfs_path(path, patient, side, "");
	return !access(path, F_OK);
}

static bool is_bound(const struct patient *patient, const struct side *side)
{
	char path[PATH_MAX];

	sysfs_path(path, patient, side, "driver");
	return !access(path, F_OK);
}

/* What this kernel's driver takes its own state for. */
static int state_in_kernel(const struct patient *patient, const struct side *side)
{
	char path[PATH_MAX], name[XB_NAME_MAX] = "";
	FILE *file;

	sysfs_path(path, patient, side, "state");
	file = fopen(path, "r");
	if (!file)
		return XB_NO_STATE;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	name[strcspn(name, "\n")] = '\0';
	return xb_state_by_name(name);
}

/*
 * A driver writes its state and never reads it again. So if XenStore has another
 * than the driver, somebody else wrote it, and the driver does not know. Only a
 * backend's Closing is for others to write: so a toolstack takes a device away.
 */
static bool check_overwritten(struct patient *patient)
{
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];
		int state;

		if (side->domid != doctor.own || !is_bound(patient, side) ||
		    (end == XB_BACK && side->state == XenbusStateClosing))
			continue;
		state = state_in_kernel(patient, side);
		if (state < 0 || state == side->state)
			continue;
		finding(patient, ERROR, "state-overwritten",
			"XenStore says that the %s is %s, but its driver went to %s: another wrote that",
			xb_end_name(end), xb_state_name(side->state), xb_state_name(state));
		advice(doctor.own, "xenstore-write %s/state %d", side->path, state);
	}
	return true;
}

/* -- the states ------------------------------------------------------------ */

/*
 * Who has to do what in each pair of states. The rules are in mydevice.h and are
 * blkfront's and blkback's; the other drivers differ where it is said below.
 *
 * The backend offers first; then the frontend publishes; then the backend connects;
 * then the frontend goes live. A frontend whose backend is Closing or Closed has to
 * go to Closed; a backend follows its frontend to Closing, and then to Closed. An
 * end that stayed in Closed begins anew when the other does.
 */
#define F(what)	{ XB_FRONT, what }
#define B(what)	{ XB_BACK, what }

static const struct step steps[6][6] = {
	/* the backend is Initialising, InitWait, Initialised, Connected, Closing, Closed */
	/* the frontend is Initialising: */
	{ B(PROBE), F(PUBLISH), F(PUBLISH), B(FOLLOW), F(CLOSE), B(FOLLOW) },
	/* InitWait, which is no state for a frontend: */
	{ B(OFFER), F(PUBLISH), F(PUBLISH), F(PUBLISH), F(CLOSE), F(CLOSE) },
	/* Initialised: */
	{ B(OFFER), B(CONNECT), B(CONNECT), F(GO_LIVE), F(CLOSE), F(CLOSE) },
	/* Connected: */
	{ B(OFFER), B(CONNECT), B(CONNECT), B(NOTHING), F(CLOSE), F(CLOSE) },
	/* Closing: */
	{ B(CLOSE), B(CLOSE), B(CLOSE), B(CLOSE), F(CLOSE), F(CLOSE) },
	/* Closed: */
	{ B(OFFER), F(FOLLOW), B(CLOSE), B(CLOSE), B(CLOSE), B(BEGIN_ANEW) },
};

static struct step step_of(const struct patient *patient)
{
	int front = patient->side[XB_FRONT].state, back = patient->side[XB_BACK].state;

	/* Of a device with parts (pci), which come and go: the one asks, the other answers. */
	if (back >= XenbusStateReconfiguring)
		return (struct step)F(RECONFIGURE);
	if (front >= XenbusStateReconfiguring)
		return (struct step)B(RECONFIGURE);
	/* netfront says Connected when others say Initialised; ours then follows. */
	if (patient->kind == &mydevice && front == XenbusStateConnected &&
	    back == XenbusStateInitWait)
		return (struct step)F(FOLLOW);
	return steps[front - XenbusStateInitialising][back - XenbusStateInitialising];
}

/* By step: the section that treats it, and what is to be done. */
static const struct {
	const char *anchor;
	const char *what;
} words[] = {
	[PROBE] = { "never-probed", "has to be probed, to make its offer and go to InitWait" },
	[OFFER] = { "stuck-initialising", "has to make its offer and go to InitWait" },
	[PUBLISH] = { "stuck-initwait", "has to publish its nodes and go to Initialised" },
	[CONNECT] = { "stuck-initialised", "has to take what is published and go to Connected" },
	[GO_LIVE] = { "stuck-connected", "has to go to Connected, too" },
	[CLOSE] = { "stuck-closing", "has to end its use of the device and go on to Closed" },
	[FOLLOW] = { "stuck-closed", "has to begin anew, as the other end did" },
	[RECONFIGURE] = { "stuck-reconfiguring", "has to answer" },
};

/*
 * Does the device go on? Its states have been the same for as long as was waited,
 * or have changed all the time.
 */
static bool check_progress(struct patient *patient)
{
	const struct side *front = &patient->side[XB_FRONT], *back = &patient->side[XB_BACK];
	struct step step = step_of(patient);
	const struct side *who = &patient->side[step.who];
	char since[40] = "";

	if (connected(patient))
		return true;
	if (!patient->settled) {
		finding(patient, ERROR, "restless",
			"its states change all the time; just now the frontend is %s, the backend %s",
			xb_state_name(front->state), xb_state_name(back->state));
		advice(doctor.own, "xbwatch %s", patient->name);
		return false;
	}
	if (step.step == BEGIN_ANEW) {
		finding(patient, ERROR, "closed",
			"both ends are Closed: the device has ended, and nobody begins anew");
		advice_anew(patient);
		return true;
	}
	if (doctor.wait)
		snprintf(since, sizeof(since), ", and did not for %u s", doctor.wait);
	finding(patient, ERROR, words[step.step].anchor,
		"the frontend is %s, the backend %s: the %s, in domain %u, %s%s",
		xb_state_name(front->state), xb_state_name(back->state), xb_end_name(step.who),
		who->domid, words[step.step].what, since);
	advice(who->domid, "dmesg | grep -i %s", patient->kind->module[step.who] ?
	       patient->kind->module[step.who] : patient->type);
	return true;
}

/* -- the drivers ----------------------------------------------------------- */

/* A driver of that name may be in a module or in the kernel itself. */
static bool is_loaded(const struct patient *patient, enum xb_end end)
{
	char path[PATH_MAX];

	if (!patient->kind->driver[end])
		return false;
	snprintf(path, sizeof(path), "/sys/bus/%s/drivers/%s", bus_of(end),
		 patient->kind->driver[end]);
	return !access(path, F_OK);
}

/* Ours is where it was built; the others are installed, and known by alias, too. */
static void advice_load(const struct patient *patient, enum xb_end end)
{
	const char *module = patient->kind->module[end];

	if (patient->kind == &mydevice)
		advice(doctor.own, "insmod %s.ko     (or: make -C 03-shared-memory load)", module);
	else if (module)
		advice(doctor.own, "modprobe %s", module);
	else
		advice(doctor.own, "modprobe %s:%s", bus_of(end), patient->type);
}

static void check_driver(struct patient *patient, const struct side *side)
{
	const char *driver = patient->kind->driver[side->end];
	const char *end = xb_end_name(side->end);
	char name[XB_NAME_MAX];

	if (side->domid != doctor.own) {
		doctor.unseen |= FOREIGN_DRIVERS;
	} else if (is_bound(patient, side)) {
		return;		/* what it said is in the kernel's log */
	} else if (!is_registered(patient, side)) {
		finding(patient, ERROR, "not-registered",
			"this kernel has not taken notice of the %s: its nodes were not complete, or its state not 1, when they appeared",
			end);
		advice_anew(patient);
	} else if (!is_loaded(patient, side->end)) {
		finding(patient, ERROR, "no-driver", "no driver for the %s is loaded here", end);
		advice_load(patient, side->end);
	} else {
		bus_name(patient, side, name);
		finding(patient, ERROR, "not-bound", "the driver %s is loaded, but not bound to the %s",
			driver, end);
		advice(doctor.own, "echo %s >/sys/bus/%s/drivers/%s/bind", name,
		       bus_of(side->end), driver);
	}
}

/*
 * Is there a driver at the end that has to move? Only then: an end may be played
 * by a program (mydevicepeer, qemu, xenconsoled), and no driver is bound.
 */
static bool check_drivers(struct patient *patient)
{
	struct step step = step_of(patient);

	if (connected(patient))
		return true;
	for (int end = XB_FRONT; end <= XB_BACK; end++)
		if (step.who == (enum xb_end)end || step.step == BEGIN_ANEW)
			check_driver(patient, &patient->side[end]);
	return true;
}

/* -- the words ------------------------------------------------------------- */

/* A line for each: how bad, which device, what, and where more about it is said. */
static void finding(struct patient *patient, enum severity severity, const char *anchor,
		    const char *format, ...)
{
	va_list args;

	printf("%s%s:%s ", xb_colour(severity == ERROR ? XB_RED : XB_YELLOW),
	       severity == ERROR ? "error" : "warning", xb_colour(XB_PLAIN));
	if (patient)
		printf("%s: ", patient->name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(" %s[%s#%s]%s\n", xb_colour(XB_DIM), DOCS, anchor, xb_colour(XB_PLAIN));
	if (patient)
		patient->findings++;
	doctor.findings++;
}

/* What to type, and in which domain if not in this one. */
static void advice(unsigned int domid, const char *format, ...)
{
	va_list args;

	printf("    ");
	if (domid != doctor.own)
		printf("in domain %u: ", domid);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* What was not looked at is no finding, but is not to be taken for healthy. */
static void report_unseen(void)
{
	const char *begin = "not looked at:";

	if (doctor.unseen & FOREIGN_DRIVERS)
		printf("note: %s whether a driver is bound in another domain: %s\n", begin,
		       "only its kernel knows. Run xbdoctor there, too.");
	if (doctor.unseen & FOREIGN_ERRORS)
		printf("note: %s error nodes of other domains: they are not for domain %u to read.\n",
		       begin, doctor.own);
	if (doctor.unseen & DOMAINS)
		printf("note: %s whether the other end's domain lives: only dom0 may ask.\n", begin);
	if (doctor.unseen & MORE_NODES)
		printf("note: %s nodes beyond the first %u in a directory.\n", begin, XB_NODES_MAX);
}
