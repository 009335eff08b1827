// SPDX-License-Identifier: GPL-2.0
/*
 * xbdoctor: the limits of Xen, of XenStore and of Linux's files in /dev/xen: are they
 * reached, by whom, and how are they raised?
 *
 * How many are in use is mostly not to be asked. So one more is taken, and given back at
 * once: a transaction that is aborted, a watch, a port, a page.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/evtchn.h>
#include <xen/gntalloc.h>

#include "doctor.h"

#define QUOTA_OF_NODES	1000	/* XenStore's, unless it was told otherwise */
#define COUNTED_MAX	5000	/* a guest may have made more than can be counted soon */
#define WATCH_MS	5000	/* xenwatch is busy for longer only with what does not end */
#define LEAST_PAGES	3	/* that a device with two rings shares */
#define GNTDEV_PAGES	65536	/* gntdev's limit, unless somebody changed it */

static const char gntdev_limit[] = "/sys/module/xen_gntdev/parameters/limit";

/* -- raising --------------------------------------------------------------------------- */

/* Which program XenStore is: they have the same limits, by other names. */
static enum store { ANY_STORE, XENSTORED, OXENSTORED } store;

static bool note_store(const struct task *task, void *with)
{
	(void)with;
	if (!strcmp(task->comm, "oxenstored"))
		store = OXENSTORED;
	else if (!strcmp(task->comm, "xenstored"))
		store = XENSTORED;
	return store != ANY_STORE;
}

/*
 * dom0 sees the process, unless XenStore is in a domain of its own. A guest can tell by
 * the answer of one that refuses something: "EQUOTA" is oxenstored's own word, which the
 * protocol does not have, and so libxenstore and Linux make EINVAL of it.
 */
static void find_store(void)
{
	if (doctor.own == 0)
		each_process(note_store, NULL);
}

static bool is_refusal(int error, int of_xenstored)
{
	if (error != of_xenstored && error != EINVAL)
		return false;
	store = error == EINVAL ? OXENSTORED : XENSTORED;
	return true;
}

/**
 * struct quota - one of XenStore's limits, which are for every guest and not for dom0
 * @limit:	what is found when it is met
 * @line:	in oxenstored's configuration
 * @word:	what xenstored calls it
 * @more:	a value that is enough
 */
static const struct quota {
	enum finding limit;
	const char *line;
	const char *word;
	unsigned int more;
} quotas[] = {
	{ QUOTA_TRANSACTIONS, "quota-transaction", "transactions", 20 },
	{ QUOTA_WATCHES, "quota-maxwatch", "watches", 512 },
	{ QUOTA_NODES, "quota-maxentity", "nodes", 4000 },
};

/* The limits that are each domain's own, and dom0's. */
static const struct raise {
	enum finding limit;
	const char *domU;
	const char *dom0;
} raises[] = {
	{ PORT_LIMIT, "max_event_channels = 4095", NULL },
	{ GRANT_LIMIT, "max_grant_frames = 128", "gnttab_max_frames=128" },
	{ MAPTRACK_LIMIT, "max_maptrack_frames = 4096", "gnttab_max_maptrack_frames=4096" },
};

static void advice_oxenstored(const char *line, unsigned int more)
{
	advice(0, "sed -i 's/^%s *=.*/%s = %u/' /etc/xen/oxenstored.conf; reboot     (raises it for every guest%s)",
	       line, line, more, store == ANY_STORE ? ", if oxenstored runs there" : "");
}

static void advice_quota(const struct quota *quota)
{
	if (store != XENSTORED)
		advice_oxenstored(quota->line, quota->more);
	if (store != OXENSTORED)
		advice(0, "/usr/lib/xen-*/bin/xenstore-control quota set %s %u     (raises it for every guest%s)",
		       quota->word, quota->more,
		       store == ANY_STORE ? ", if xenstored runs there" : "");
}

static void advice_raise(enum finding limit, unsigned int domid)
{
	for (unsigned int i = 0; i < sizeof(quotas) / sizeof(quotas[0]); i++)
		if (quotas[i].limit == limit && domid)
			advice_quota(&quotas[i]);
	for (unsigned int i = 0; i < sizeof(raises) / sizeof(raises[0]); i++) {
		if (raises[i].limit != limit)
			continue;
		if (domid)
			advice(0, "%s in the domain's configuration; create it again     (raises it for domain %u)",
			       raises[i].domU, domid);
		else if (raises[i].dom0)
			advice(0, "%s on Xen's command line; reboot     (raises it for domain 0)",
			       raises[i].dom0);
	}
}

/*
 * Xen says on its console how many frames a domain's grant table and maptrack have,
 * between "grant-table for remote d1" and the next domain. "" if it cannot be asked.
 */
static void frames_of(unsigned int domid, char found[SHOWN])
{
	static const char *const keys[] = { "xl", "debug-keys", "g", NULL };
	static const char *const dmesg[] = { "xl", "dmesg", NULL };
	char begin[48], *text, *line, *rest;
	bool here = false;

	found[0] = '\0';
	if (doctor.own)
		return;
	free(output_of(keys));
	text = output_of(dmesg);
	snprintf(begin, sizeof(begin), "grant-table for remote d%u ", domid);
	for (rest = text; (line = strsep(&rest, "\n"));) {
		if (strstr(line, "grant-table for remote d"))
			here = strstr(line, begin);
		else if (here && strstr(line, "maptrack frames"))
			xb_printable(found, SHOWN, line + strcspn(line, "0123456789"),
				     strlen(line + strcspn(line, "0123456789")));
	}
	free(text);
}

static unsigned long parameter(const char *path)
{
	char text[32];

	return read_text(path, text, sizeof(text)) ? strtoul(text, NULL, 10) : 0;
}

/* Is a limit met that an end has met once? */
enum room { UNKNOWN, ROOM, NO_ROOM };

/* A table that has all its frames may have room in them. */
static enum room room_in_frames(enum finding limit, const char *frames)
{
	unsigned int grant, grant_max, maptrack, maptrack_max;

	if (sscanf(frames, "%u frames (%u max), %u maptrack frames (%u max)", &grant, &grant_max,
		   &maptrack, &maptrack_max) != 4)
		return UNKNOWN;
	if (limit == GRANT_LIMIT)
		return grant < grant_max ? ROOM : UNKNOWN;
	return maptrack < maptrack_max ? ROOM : UNKNOWN;
}

/* check_limits() has tried for one more of those that this domain can try. */
static enum room room_for(enum finding limit, unsigned int domid, const char *frames)
{
	bool quota = limit == QUOTA_TRANSACTIONS || limit == QUOTA_WATCHES || limit == QUOTA_NODES;

	if (limit == GRANT_LIMIT || limit == MAPTRACK_LIMIT)
		return room_in_frames(limit, frames);
	if (quota && domid == 0)
		return ROOM;
	if (domid != doctor.own || kernel_is_ill())
		return UNKNOWN;
	if (limit == PORT_LIMIT && access("/dev/xen/evtchn", F_OK))
		return UNKNOWN;
	return has_finding(NULL, limit) ? NO_ROOM : ROOM;
}

/*
 * An end of this domain, or of another, has met a limit. As long as it is met nothing else
 * helps than to free or raise it; and once it is not, only to bind the driver again.
 */
void advice_refused(const struct patient *patient, const struct side *side, enum finding limit)
{
	char frames[SHOWN] = "", list[SHOWN];
	enum room room;

	if (limit == GNTDEV_LIMIT) {
		advice(side->domid, "echo %u >%s", GNTDEV_PAGES, gntdev_limit);
		advice_bind(patient, side);
		return;
	}
	if (limit == GRANT_LIMIT || limit == MAPTRACK_LIMIT)
		frames_of(side->domid, frames);
	room = room_for(limit, side->domid, frames);
	if (frames[0])
		remark("Xen says of domain %u: %s", side->domid, frames);
	if (room == ROOM) {
		remark("that limit is not met now:");
		advice_bind(patient, side);
		return;
	}
	if (room == UNKNOWN && side->domid != doctor.own)
		advice(side->domid, "xbdoctor     (it says there who uses them up, if it is met still)");
	if (limit == MAPTRACK_LIMIT && side->domid == doctor.own && holders("/dev/xen/gntdev", list))
		remark("beside the kernel, these map pages of others: %s", list);
	if (room == UNKNOWN)
		remark("if something was freed since:");
	advice_bind(patient, side);
	if (room == UNKNOWN)
		advice_raise(limit, side->domid);	/* else the domain's finding says it */
}

/*
 * oxenstored has a limit for a value, for all domains and below that of a message. The
 * other one refuses with ENOSPC what is too long, so this was too long for a message.
 */
void advice_shorter(const struct patient *patient, const struct side *side)
{
	if (store != XENSTORED)
		advice_oxenstored("quota-maxsize", 4000);
	remark("write less, or in several nodes: a message has room for 4,096 bytes. Then:");
	advice_bind(patient, side);
}

/* -- XenStore -------------------------------------------------------------------------- */

static void report_holders(const char *file, const char *what)
{
	char list[SHOWN];

	if (holders(file, list))
		remark("who has %s open%s: %s", file, what, list);
	else
		remark("no process has %s open: the kernel itself has them", file);
}

/* A node of ours is made, in a transaction that will be aborted. */
static void try_node(struct xs_handle *xs, xs_transaction_t transaction,
		     const struct patients *patients)
{
	char path[2 * XB_PATH_MAX];

	snprintf(path, sizeof(path), "/local/domain/%u/data", doctor.own);
	for (unsigned int i = 0; i < 2 * patients->nr; i++) {
		const struct side *side = &patients->patient[i / 2].side[i % 2];

		if (side->domid == doctor.own && side->state >= 0)
			snprintf(path, sizeof(path), "%s", side->path);
	}
	strcat(path, "/xbdoctor");
	if (xs_write(xs, transaction, path, "", 0) || !is_refusal(errno, ENOSPC))
		return;
	finding(NULL, ERROR, QUOTA_NODES,
		"this domain, %u, owns as many XenStore nodes as it may: no more can be written",
		doctor.own);
	advice(doctor.own, "xenstore-ls -f /local/domain/%u | cut -d / -f 5-6 | sort | uniq -c | sort -n",
	       doctor.own);
	advice_raise(QUOTA_NODES, doctor.own);
}

/* All that runs in a guest has one connection to XenStore, the kernel's, and one quota. */
static void try_transaction(struct xs_handle *xs, const struct patients *patients)
{
	xs_transaction_t transaction = xs_transaction_start(xs);

	if (transaction) {
		try_node(xs, transaction, patients);
		xs_transaction_end(xs, transaction, true);
		return;
	}
	if (!is_refusal(errno, ENOSPC))
		return;
	finding(NULL, ERROR, QUOTA_TRANSACTIONS,
		"this domain, %u, has as many XenStore transactions open as it may (10, unless XenStore was told otherwise): no driver can change its state",
		doctor.own);
	report_holders("/dev/xen/xenbus", ", and can be ended to free them");
	advice_raise(QUOTA_TRANSACTIONS, doctor.own);
}

/* Takes a watch and gives it back; ends with the errno of a refusal. */
static void take_watch(void)
{
	int null = open("/dev/null", O_RDWR);
	struct xs_handle *xs;

	/* A reader of this program's output does not wait for the child. */
	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	xs = xs_open(0);
	if (!xs)
		_exit(0);
	if (!xs_watch(xs, "device", "xbdoctor"))
		_exit(errno);
	xs_unwatch(xs, "device", "xbdoctor");
	_exit(0);
}

/*
 * A watch is given back only when xenwatch is at rest: until then who does that waits, and no
 * signal ends it. So a child does. false if it does not come back.
 */
static bool ask_for_watch(int *refusal)
{
	uint64_t end = now_ms() + WATCH_MS;
	int status;
	pid_t pid;

	*refusal = 0;
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		take_watch();
	while (pid > 0 && !waitpid(pid, &status, WNOHANG)) {
		if (now_ms() >= end) {
			kill(pid, SIGKILL);
			return false;
		}
		usleep(10000);
	}
	if (pid > 0 && WIFEXITED(status))
		*refusal = WEXITSTATUS(status);
	return true;
}

static void try_watch(void)
{
	int refusal;

	if (!ask_for_watch(&refusal)) {
		xenwatch_does_not_answer();
		return;
	}
	if (!refusal || !is_refusal(refusal, E2BIG))
		return;
	finding(NULL, ERROR, QUOTA_WATCHES,
		"this domain, %u, has as many XenStore watches as it may (%u, unless %s was told otherwise): no driver can be probed",
		doctor.own, store == OXENSTORED ? 100 : 128,
		store == OXENSTORED ? "oxenstored" : "xenstored");
	report_holders("/dev/xen/xenbus", ", and can be ended to free them");
	advice_raise(QUOTA_WATCHES, doctor.own);
}

/* A connection that has been refused something may be of no use afterwards: one of its own. */
static void try_xenstore(const struct patients *patients)
{
	struct xs_handle *xs = xs_open(0);

	if (!xs)
		return;
	try_transaction(xs, patients);
	xs_close(xs);
	if (!kernel_is_ill())
		try_watch();
}

static void count_owned(const char *path, unsigned int domid, unsigned int *nr)
{
	char below[512], **names;
	struct xs_permissions *perms;
	unsigned int children, nr_perms;

	perms = xs_get_permissions(doctor.xs, XBT_NULL, path, &nr_perms);
	*nr += perms && nr_perms && perms[0].id == domid;
	free(perms);
	names = xs_directory(doctor.xs, XBT_NULL, path, &children);
	for (unsigned int i = 0; names && i < children && *nr < COUNTED_MAX; i++)
		if ((size_t)snprintf(below, sizeof(below), "%s/%s", path, names[i]) < sizeof(below))
			count_owned(below, domid, nr);
	free(names);
}

/* dom0 can count what a guest owns, but not ask for its quota. */
static void count_nodes(unsigned int domid)
{
	char path[XB_PATH_MAX];
	unsigned int nr = 0;

	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	count_owned(path, domid, &nr);
	if (nr < QUOTA_OF_NODES)
		return;
	finding(NULL, WARNING, QUOTA_NODES,
		"domain %u owns %s%u XenStore nodes, and may own %u unless XenStore was told otherwise: it cannot make more",
		domid, nr < COUNTED_MAX ? "" : "more than ", nr, QUOTA_OF_NODES);
	advice(0, "xenstore-ls -f %s | cut -d / -f 5-6 | sort | uniq -c | sort -n", path);
	advice_raise(QUOTA_NODES, domid);
}

/* Of the domains that have a device which does not work: it takes a while to count. */
static void count_all_nodes(const struct patients *patients)
{
	static bool counted[XB_DOMIDS];

	for (unsigned int i = 0; i < patients->nr; i++) {
		unsigned int domid = patients->patient[i].side[XB_FRONT].domid;

		if (!domid || counted[domid] || connected(&patients->patient[i]))
			continue;
		counted[domid] = true;
		count_nodes(domid);
	}
}

/* -- event channels -------------------------------------------------------------------- */

/*
 * "64:  12  xen-dyn  -event  evtchn:sh": each port that is bound has an interrupt, and
 * a process's is called after it.
 */
static unsigned int ports_in_use(unsigned int *of_processes)
{
	FILE *file = fopen("/proc/interrupts", "re");
	char line[1024];
	unsigned int nr = 0;

	*of_processes = 0;
	while (file && fgets(line, sizeof(line), file)) {
		nr += !!strstr(line, "xen-");
		*of_processes += !!strstr(line, "evtchn:");
	}
	if (file)
		fclose(file);
	return nr;
}

static void try_port(void)
{
	struct ioctl_evtchn_bind_unbound_port bind = { .remote_domain = 0 };
	int fd = open("/dev/xen/evtchn", O_RDWR | O_CLOEXEC), port, error;
	unsigned int nr, of_processes;

	if (fd < 0)
		return;
	port = ioctl(fd, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &bind);
	error = errno;
	close(fd);		/* and with it the port */
	if (port >= 0 || error != ENOSPC)
		return;
	nr = ports_in_use(&of_processes);
	finding(NULL, ERROR, PORT_LIMIT,
		"this domain, %u, has as many event channels as it may: %u are in use, %u of them by processes",
		doctor.own, nr, of_processes);
	if (of_processes)
		report_holders("/dev/xen/evtchn", ", and can be ended to free them");
	advice_raise(PORT_LIMIT, doctor.own);
}

/* -- grants ---------------------------------------------------------------------------- */

struct mappers {
	const char *file;
	char list[SHOWN];
	unsigned long pages;
	unsigned long most;
};

static bool note_mapper(const struct task *task, void *with)
{
	struct mappers *mappers = with;
	unsigned long pages = mapped_pages(task->pid, mappers->file);
	size_t len = strlen(mappers->list);

	if (!pages)
		return false;
	mappers->pages += pages;
	mappers->most = pages > mappers->most ? pages : mappers->most;
	if (len < SHOWN - 64)
		snprintf(mappers->list + len, SHOWN - len, "%s%d (%s): %lu", len ? ", " : "",
			 task->pid, task->comm, pages);
	return false;
}

/* Pages that dom0 could map for the moment, and nobody is told of. */
static bool no_page_left(void)
{
	union {
		struct ioctl_gntalloc_alloc_gref of;
		char all[sizeof(struct ioctl_gntalloc_alloc_gref) + LEAST_PAGES * sizeof(uint32_t)];
	} alloc = { .of = { .domid = 0, .count = LEAST_PAGES } };
	int fd = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC);
	struct ioctl_gntalloc_dealloc_gref dealloc;
	bool none = false;

	if (fd < 0)
		return false;
	if (ioctl(fd, IOCTL_GNTALLOC_ALLOC_GREF, &alloc)) {
		none = errno == ENOSPC;
	} else {
		dealloc.index = alloc.of.index;
		dealloc.count = LEAST_PAGES;
		ioctl(fd, IOCTL_GNTALLOC_DEALLOC_GREF, &dealloc);
	}
	close(fd);
	return none;
}

static void try_gntalloc(void)
{
	static const char path[] = "/sys/module/xen_gntalloc/parameters/limit";
	struct mappers mappers = { .file = "/dev/xen/gntalloc" };
	unsigned long limit = parameter(path);

	if (!no_page_left())
		return;
	each_process(note_mapper, &mappers);
	finding(NULL, ERROR, GNTALLOC_LIMIT,
		"processes of this domain, %u, share as many pages as gntalloc lets them: %lu of %lu are mapped",
		doctor.own, mappers.pages, limit);
	if (mappers.list[0])
		remark("by process: %s", mappers.list);
	else
		report_holders("/dev/xen/gntalloc", "");
	advice(doctor.own, "echo %lu >%s", limit < 1024 ? 1024 : 2 * limit, path);
}

/* What a process has mapped already it could not map again at once. */
static void look_at_gntdev(void)
{
	struct mappers mappers = { .file = "/dev/xen/gntdev" };
	unsigned long limit = parameter(gntdev_limit);

	if (!limit)
		return;
	each_process(note_mapper, &mappers);
	if (mappers.most < limit)
		return;
	finding(NULL, WARNING, GNTDEV_LIMIT,
		"gntdev lets a process of this domain map %lu pages of others at a time, and that many are mapped: %s",
		limit, mappers.list);
	advice(doctor.own, "echo %u >%s", GNTDEV_PAGES, gntdev_limit);
}

/*
 * gntdev tells a process nothing of why Xen did not map its pages, or that they were too many
 * for gntdev itself. Was it a limit?
 */
enum finding limit_of_mapping(unsigned int domid)
{
	unsigned long limit = domid == doctor.own ? parameter(gntdev_limit) : 0;
	unsigned int used, max;
	char frames[SHOWN];

	if (limit && limit < GNTDEV_PAGES)
		return GNTDEV_LIMIT;
	frames_of(domid, frames);
	if (sscanf(frames, "%*u frames (%*u max), %u maptrack frames (%u max)", &used, &max) == 2 &&
	    used >= max)
		return MAPTRACK_LIMIT;
	return ERROR_NODE;
}

/* The kernel says it when it asks Xen for a frame more than the domain may have. */
static void look_at_grants(void)
{
	char line[SHOWN], frames[SHOWN];

	if (!log_has("max_grant_frames reached", "", line))
		return;
	finding(NULL, WARNING, GRANT_LIMIT,
		"this domain's grant table was full at least once: \"%s\"", line);
	frames_of(doctor.own, frames);
	if (frames[0])
		remark("Xen says of domain %u: %s", doctor.own, frames);
	advice_raise(GRANT_LIMIT, doctor.own);
}

void check_limits(const struct patients *patients)
{
	find_store();
	if (doctor.own)
		try_xenstore(patients);	/* dom0 has no quota */
	else if (doctor.wait)
		count_all_nodes(patients);
	try_port();
	try_gntalloc();
	look_at_gntdev();
	look_at_grants();
}
