// SPDX-License-Identifier: GPL-2.0
/*
 * xbdoctor: what was found, in the order of what explains most.
 *
 * Nothing is printed while it is looked for: a cause may be found after its
 * consequences. Commands that are printed are made of numbers, of paths that XenStore
 * has accepted as such, and of names from /sys and /proc made printable; never of
 * values: a guest writes those.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "report.h"

#define DOCS	"docs/troubleshooting.md"

/* The sections of the page, by what was found. */
static const char *const anchors[NR_FINDINGS] = {
	[KERNEL_BUG] = "kernel-bug",
	[XENWATCH_DEAD] = "xenwatch-dead",
	[XENWATCH_BLOCKED] = "xenwatch-blocked",
	[DOMAIN_DYING] = "domain-dying",
	[DOMAIN_PAUSED] = "domain-paused",
	[STALE_NODES] = "stale-nodes",
	[BACKEND_GONE] = "backend-gone",
	[PROCESS_STOPPED] = "process-stopped",
	[QUOTA_TRANSACTIONS] = "quota-transactions",
	[QUOTA_WATCHES] = "quota-watches",
	[QUOTA_NODES] = "quota-nodes",
	[PORT_LIMIT] = "port-limit",
	[GRANT_LIMIT] = "grant-limit",
	[MAPTRACK_LIMIT] = "maptrack-limit",
	[GNTALLOC_LIMIT] = "gntalloc-limit",
	[GNTDEV_LIMIT] = "gntdev-limit",
	[NO_XEN_DEVICE] = "no-xen-device",
	[NO_DEVICE] = "no-device",
	[SIMILAR_TYPE] = "similar-type",
	[HALF_DEVICE] = "half-device",
	[NODE_MISSING] = "node-missing",
	[ID_MISMATCH] = "id-mismatch",
	[POINTER_MISMATCH] = "pointer-mismatch",
	[WRONG_OWNER] = "wrong-owner",
	[PEER_CANNOT_READ] = "peer-cannot-read",
	[BAD_NUMBER] = "bad-number",
	[BAD_STATE] = "bad-state",
	[MIXED_STAGES] = "mixed-stages",
	[BAD_VERSION] = "bad-version",
	[NOT_PUBLISHED] = "not-published",
	[BAD_ORDER] = "bad-order",
	[HOTPLUG] = "hotplug",
	[ERROR_NODE] = "error-node",
	[CONNECTED_DEAD] = "connected-dead",
	[STATE_OVERWRITTEN] = "state-overwritten",
	[TWO_DRIVERS] = "two-drivers",
	[PROCESS_GONE] = "process-gone",
	[NOT_REGISTERED] = "not-registered",
	[NO_DRIVER] = "no-driver",
	[NOT_BOUND] = "not-bound",
	[LOST_WAKEUP] = "lost-wakeup",
	[RESTLESS] = "restless",
	[NEVER_PROBED] = "never-probed",
	[STUCK_INITIALISING] = "stuck-initialising",
	[STUCK_INITWAIT] = "stuck-initwait",
	[STUCK_INITIALISED] = "stuck-initialised",
	[STUCK_CONNECTED] = "stuck-connected",
	[STUCK_CLOSING] = "stuck-closing",
	[STUCK_CLOSED] = "stuck-closed",
	[STUCK_RECONFIGURING] = "stuck-reconfiguring",
	[CLOSED] = "closed",
	[PEER_CAN_WRITE] = "peer-can-write",
	[NOT_ONLINE] = "not-online",
	[NOT_A_DEVICE] = "not-a-device",
	[WRONG_DOMAIN] = "wrong-domain",
	[OLD_ERROR] = "old-error",
};

/**
 * struct line - a line below a finding
 * @text:	it
 * @again:	it begins a connection again: see advice_again()
 */
struct line {
	char *text;
	bool again;
};

/**
 * struct found - a finding
 * @severity:	how bad
 * @what:	which: its rank
 * @patient:	the device, or NULL
 * @text:	what is said
 * @line:	the lines below it
 * @nr:		how many these are
 */
struct found {
	enum severity severity;
	enum finding what;
	const struct patient *patient;
	char *text;
	struct line *line;
	unsigned int nr;
};

static struct found *list;
static unsigned int nr_found;

static char *text_of(const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		xb_die(EX_OSERR, "there is no memory");
	return text;
}

void finding(struct patient *patient, enum severity severity, enum finding what,
	     const char *format, ...)
{
	struct found *found;
	va_list args;

	list = xb_realloc(list, (nr_found + 1) * sizeof(*list));
	found = &list[nr_found++];
	memset(found, 0, sizeof(*found));
	found->severity = severity;
	found->what = what;
	found->patient = patient;
	va_start(args, format);
	found->text = text_of(format, args);
	va_end(args);
	if (patient && severity != NOTE)
		patient->findings++;
}

static void add_line(char *text, bool again)
{
	struct found *found = &list[nr_found - 1];

	found->line = xb_realloc(found->line, (found->nr + 1) * sizeof(*found->line));
	found->line[found->nr].text = text;
	found->line[found->nr++].again = again;
}

/* The command with the domain before it, if that is another than this one. */
static char *command_of(unsigned int domid, char *text)
{
	char *line;

	if (domid == doctor.own)
		return text;
	if (asprintf(&line, "in domain %u: %s", domid, text) < 0)
		xb_die(EX_OSERR, "there is no memory");
	free(text);
	return line;
}

void advice(unsigned int domid, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_line(command_of(domid, text_of(format, args)), false);
	va_end(args);
}

void advice_again(unsigned int domid, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_line(command_of(domid, text_of(format, args)), true);
	va_end(args);
}

void remark(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_line(text_of(format, args), false);
	va_end(args);
}

bool has_finding(const struct patient *patient, enum finding what)
{
	for (unsigned int i = 0; i < nr_found; i++)
		if (list[i].patient == patient && list[i].what == what && list[i].severity != NOTE)
			return true;
	return false;
}

/* -- printing ----------------------------------------------------------------- */

/* A crashed kernel, or one whose xenwatch does not run, binds and makes no device. */
bool kernel_is_ill(void)
{
	for (unsigned int i = 0; i < nr_found; i++)
		if (list[i].what <= XENWATCH_BLOCKED && list[i].severity == ERROR)
			return true;
	return false;
}

/* Does one finding explain the other? If they are of a rank, the domain's does the device's. */
static bool explains(const struct found *cause, const struct found *found)
{
	if (cause->what == found->what)
		return !cause->patient && found->patient;
	return cause->what < found->what && (!cause->patient || cause->patient == found->patient);
}

/* Is there something to mend before a connection can begin again? */
static bool has_cause(const struct found *found)
{
	for (unsigned int i = 0; i < nr_found; i++)
		if (list[i].severity == ERROR && list[i].what <= NO_XEN_DEVICE &&
		    explains(&list[i], found))
			return true;
	return false;
}

static void print_lines(const struct found *found)
{
	const char *then = has_cause(found) ? "then: " : "";

	for (unsigned int i = 0; i < found->nr; i++)
		if (!found->line[i].again)
			printf("    %s\n", found->line[i].text);
		else if (!kernel_is_ill())
			printf("    %s%s\n", then, found->line[i].text);
}

/* A line for each: how bad, which device, what, and where more about it is said. */
static void print_found(const struct found *found)
{
	static const char *const words[] = { "note", "warning", "error" };
	static const enum xb_colour colours[] = { XB_DIM, XB_YELLOW, XB_RED };

	printf("%s%s:%s ", xb_colour(colours[found->severity]), words[found->severity],
	       xb_colour(XB_PLAIN));
	if (found->patient)
		printf("%s: ", found->patient->name);
	printf("%s %s[%s#%s]%s\n", found->text, xb_colour(XB_DIM), DOCS, anchors[found->what],
	       xb_colour(XB_PLAIN));
	print_lines(found);
}

/* All of one device, or of the domain, by rank. */
static void print_of(const struct patient *patient)
{
	for (unsigned int what = 0; what < NR_FINDINGS; what++)
		for (unsigned int i = 0; i < nr_found; i++)
			if (list[i].patient == patient && list[i].what == what)
				print_found(&list[i]);
}

static void print_unseen(void)
{
	const char *begin = "note: not looked at:";

	if (doctor.unseen & FOREIGN_DRIVERS)
		printf("%s whether a driver is bound in another domain: only its kernel knows. Run xbdoctor there, too.\n",
		       begin);
	if (doctor.unseen & FOREIGN_ERRORS)
		printf("%s error nodes of other domains: they are not for domain %u to read.\n",
		       begin, doctor.own);
	if (doctor.unseen & DOMAINS)
		printf("%s whether the other end's domain lives: only dom0 may ask.\n", begin);
	if (doctor.unseen & MORE_NODES)
		printf("%s nodes beyond the first %u in a directory.\n", begin, XB_NODES_MAX);
	if (doctor.unseen & KERNEL_LOG)
		printf("%s this kernel's log: /dev/kmsg cannot be read.\n", begin);
	if (doctor.unseen & THREADS)
		printf("%s where threads sleep: /proc/PID/stack cannot be read.\n", begin);
	if (doctor.unseen & RINGS)
		printf("%s the rings' indices: mount -t debugfs debugfs /sys/kernel/debug\n", begin);
}

bool report(const struct patients *patients, const char *(*well)(const struct patient *patient))
{
	bool ill = false;

	print_of(NULL);
	for (unsigned int i = 0; i < patients->nr; i++) {
		const struct patient *patient = &patients->patient[i];

		if (!patient->findings)
			printf("%sok:%s %s: %s\n", xb_colour(XB_GREEN), xb_colour(XB_PLAIN),
			       patient->name, well(patient));
		print_of(patient);
	}
	print_unseen();
	for (unsigned int i = 0; i < nr_found; i++) {
		ill = ill || list[i].severity != NOTE;
		for (unsigned int j = 0; j < list[i].nr; j++)
			free(list[i].line[j].text);
		free(list[i].line);
		free(list[i].text);
	}
	free(list);
	return ill;
}
