// SPDX-License-Identifier: GPL-2.0
/*
 * xbdoctor: error nodes: how old they are, and what their numbers mean.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

#include "doctor.h"

/* -- what an error says -------------------------------------------------------------- */

/**
 * struct meaning - what a text and a number together mean
 * @number:	the number before the text
 * @word:	in the text
 * @other:	in the text, too
 * @finding:	what it is
 * @what:	in words
 *
 * The first that fits counts. A grant's status is negative; drivers print it with its
 * sign turned, as if it were an errno.
 */
struct meaning {
	int number;
	const char *word;
	const char *other;
	enum finding finding;
	const char *what;
};

/* All that gntdev tells a process that could not map. */
static const char refused_mapping[] =
	"Xen refused to map a page: there is no such grant (any more), or no maptrack frame is left";

static const struct meaning meanings[] = {
	/* A process ends with the error's name, and begins with no number. */
	{ EINVAL, "mapping", ": Invalid argument", ERROR_NODE, refused_mapping },
	{ ENOSPC, "sharing", ": No space left", GNTALLOC_LIMIT,
	  "the limit of the pages that gntalloc shares for processes, or of the domain's grants" },
	{ ENOSPC, "starting transaction", "", QUOTA_TRANSACTIONS,
	  "the limit of a domain's open XenStore transactions" },
	/* oxenstored says "EQUOTA", which Linux does not know. */
	{ EINVAL, "starting transaction", "", QUOTA_TRANSACTIONS,
	  "the limit of a domain's open XenStore transactions, as oxenstored says it" },
	{ EINVAL, "adding watch", "", QUOTA_WATCHES,
	  "the limit of a domain's XenStore watches, as oxenstored says it" },
	{ ENOSPC, "ending transaction", "", QUOTA_NODES,
	  "the limit of a domain's XenStore nodes" },
	{ E2BIG, "watch", "", QUOTA_WATCHES, "the limit of a domain's XenStore watches" },
	/* The bus's own line, which takes the place of the one above in the error node. */
	{ E2BIG, "xenbus_dev_probe", "", QUOTA_WATCHES,
	  "the limit of a domain's XenStore watches: each device that is probed takes one" },
	/* An older Xen's status for the same as 13. */
	{ E2BIG, "map", "grant", MAPTRACK_LIMIT,
	  "grant status -7: no maptrack frame is left in the backend's domain, in older versions of Xen" },
	{ E2BIG, "mapping in shared page", "", MAPTRACK_LIMIT,
	  "grant status -7: no maptrack frame is left in the backend's domain, in older versions of Xen" },
	{ -E2BIG, "", "", MAPTRACK_LIMIT,
	  "grant status -7: no maptrack frame is left in the backend's domain, in older versions of Xen" },
	{ E2BIG, "writ", "", QUOTA_NODES, "a value is longer than XenStore takes" },
	{ E2BIG, "publish", "", QUOTA_NODES, "a value is longer than XenStore takes" },
	{ E2BIG, "", "", ERROR_NODE,
	  "E2BIG, a limit of XenStore's: of a domain's watches, or of a message's length" },
	{ ENOSPC, "event channel", "", PORT_LIMIT, "the limit of a domain's event channels" },
	{ ENOSPC, "evtchn", "", PORT_LIMIT, "the limit of a domain's event channels" },
	{ ENOSPC, "grant", "", GRANT_LIMIT, "the limit of a domain's grants: its grant table is full" },
	{ ENOSPC, "sharing", "", GRANT_LIMIT, "the limit of a domain's grants: its grant table is full" },
	{ ENOSPC, "writ", "", QUOTA_NODES, "the limit of a domain's XenStore nodes" },
	{ ENOSPC, "publish", "", QUOTA_NODES, "the limit of a domain's XenStore nodes" },
	{ ENOSPC, "new state", "", QUOTA_NODES, "the limit of a domain's XenStore nodes" },
	{ ENOSPC, "", "", ERROR_NODE,
	  "ENOSPC, a limit of Xen's or XenStore's, not of a disk" },
	{ 13, "map", "grant", MAPTRACK_LIMIT,
	  "grant status -13: no maptrack frame is left in the backend's domain" },
	{ 13, "mapping in shared page", "", MAPTRACK_LIMIT,
	  "grant status -13: no maptrack frame is left in the backend's domain" },
	{ -13, "", "", MAPTRACK_LIMIT,
	  "grant status -13: no maptrack frame is left in the backend's domain" },
	{ ENOENT, "reading other end details", "", ERROR_NODE,
	  "it was probed before all its nodes were there: they were written one by one, and state not last" },
};

/* Xen's grant statuses, GNTST_* of xen/grant_table.h, by their number without its sign. */
static const char *const statuses[] = {
	[1] = "GNTST_general_error", [2] = "GNTST_bad_domain: no such domain",
	[3] = "GNTST_bad_gntref: no such grant, or it is for another domain",
	[4] = "GNTST_bad_handle", [5] = "GNTST_bad_virt_addr", [6] = "GNTST_bad_dev_addr",
	[7] = "GNTST_no_device_space", [8] = "GNTST_permission_denied",
	[9] = "GNTST_bad_page: the granted page is not to be had",
	[10] = "GNTST_bad_copy_arg", [11] = "GNTST_address_too_big", [12] = "GNTST_eagain",
	[13] = "GNTST_no_space: no maptrack frame is left in the backend's domain",
};

#define NR_STATUSES	((int)(sizeof(statuses) / sizeof(statuses[0])))

/* "13 mapping a ring's page by grant reference 776", "grant status -13": Xen's answer to a map. */
static bool is_of_mapping(const char *text)
{
	return strstr(text, "map") && (strstr(text, "grant") || strstr(text, "shared page") ||
				       strstr(text, "ring"));
}

/* "sharing a ring: No space left on device": ENOSPC. */
static int errno_by_name(const char *text)
{
	const char *name = strrchr(text, ':');

	for (int error = 1; name && name[1] == ' ' && error < 200; error++)
		if (strerrordesc_np(error) && !strcmp(name + 2, strerrordesc_np(error)))
			return error;
	return 0;
}

/* The number that the text begins with, or the status or error that it names. */
static int number_in(const char *text)
{
	const char *status = strstr(text, "grant status -");
	int number = atoi(text);

	if (status)
		return -atoi(status + strlen("grant status -"));
	return number ? number : errno_by_name(text);
}

static const struct meaning *meaning_of(const char *text)
{
	int number = number_in(text);

	for (unsigned int i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (abs(meanings[i].number) == abs(number) &&
		    (meanings[i].number > 0 || number < 0) && strstr(text, meanings[i].word) &&
		    strstr(text, meanings[i].other))
			return &meanings[i];
	return NULL;
}

/* " (ENOSPC, No space left on device)", or the grant's status, or "". */
static void explain(const char *text, char words[SHOWN])
{
	const struct meaning *meaning = meaning_of(text);
	int number = number_in(text);
	const char *name = number > 0 ? strerrorname_np(number) : NULL;

	words[0] = '\0';
	if (meaning)
		snprintf(words, SHOWN, ": %s", meaning->what);
	else if ((number < 0 || is_of_mapping(text)) && abs(number) < NR_STATUSES &&
		 statuses[abs(number)])
		snprintf(words, SHOWN, " (grant status -%d, %s)", abs(number),
			 statuses[abs(number)]);
	else if (name)
		snprintf(words, SHOWN, " (%s, %s)", name, strerrordesc_np(number));
}

/* -- how old it is ---------------------------------------------------------------------- */

/*
 * XenStore counts all that is written in it, and keeps of every node at which count it was
 * written. Its library has no call for that; the protocol has: XS_DIRECTORY_PART.
 */
static bool ask(int fd, const char *path, char *reply, size_t size)
{
	struct xsd_sockmsg msg = { .type = XS_DIRECTORY_PART, .len = strlen(path) + 1 + 2 };
	char request[sizeof(msg) + 2 * XB_PATH_MAX + 8], all[sizeof(msg) + 4096];
	size_t got = 0;
	ssize_t len;

	memcpy(request, &msg, sizeof(msg));
	strcpy(request + sizeof(msg), path);
	memcpy(request + sizeof(msg) + strlen(path) + 1, "0", 2);
	if (write(fd, request, sizeof(msg) + msg.len) != (ssize_t)(sizeof(msg) + msg.len))
		return false;
	do {
		len = read(fd, all + got, sizeof(all) - got);
		got += len > 0 ? len : 0;
		if (got >= sizeof(msg))
			memcpy(&msg, all, sizeof(msg));
	} while (len > 0 && (got < sizeof(msg) || got < sizeof(msg) + msg.len));
	if (len <= 0 || msg.type != XS_DIRECTORY_PART || msg.len >= size)
		return false;
	memcpy(reply, all + sizeof(msg), msg.len);
	reply[msg.len] = '\0';
	return true;
}

/* When a node was written, in XenStore's count; 0 if that is not to be had. */
static unsigned long long written_at(int fd, const char *dir, const char *name)
{
	char path[2 * XB_PATH_MAX], reply[4096];

	snprintf(path, sizeof(path), "%s%s%s", dir, *name ? "/" : "", name);
	return ask(fd, path, reply, sizeof(reply)) ? strtoull(reply, NULL, 10) : 0;
}

/**
 * struct dates - when something was written, in XenStore's count
 * @error:	the error
 * @state:	the end's state
 * @first:	what was written first of all that has been there since the device was made
 * @last:	the last of what a toolstack alone writes
 * @known:	these could be asked for
 */
struct dates {
	unsigned long long error, state, first, last;
	bool known;
};

static void note_first(struct dates *dates, unsigned long long date)
{
	if (date && (!dates->first || date < dates->first))
		dates->first = date;
}

/*
 * The directory above lists the device's, so it was written when the device was made. It,
 * and each node of the device, may have been written again since, or had its permissions
 * changed, which counts: the oldest of them is nearest to that moment, and not before it.
 */
static void date_first(struct dates *dates, int fd, const struct side *side)
{
	int above = strrchr(side->path, '/') - side->path;
	char path[XB_PATH_MAX];

	snprintf(path, sizeof(path), "%.*s", above, side->path);
	note_first(dates, written_at(fd, path, ""));
	for (unsigned int i = 0; i < side->nodes.nr; i++)
		if (!strchr(side->nodes.node[i].name, '/'))
			note_first(dates, written_at(fd, side->path, side->nodes.node[i].name));
}

static void find_dates(struct dates *dates, const struct side *side, const char *error_dir)
{
	int fd = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC);
	unsigned long long pointer, id;

	memset(dates, 0, sizeof(*dates));
	if (fd < 0)
		return;
	dates->error = written_at(fd, error_dir, "error");
	dates->state = written_at(fd, side->path, "state");
	pointer = written_at(fd, side->path, pointer_name(side->end));
	id = written_at(fd, side->path, id_name(side->end));
	dates->last = pointer > id ? pointer : id;
	if (dates->error)
		date_first(dates, fd, side);
	dates->known = dates->error && dates->state && pointer && id && dates->first;
	close(fd);
}

/*
 * Has the end gone on since it wrote the error? To Closing and Closed it goes because of
 * it. And if a toolstack has written here since, it may have touched the state, too: a
 * change of the permissions goes through the whole directory in one run.
 */
static bool has_gone_on(const struct side *side, const struct dates *dates)
{
	if (side->state >= XenbusStateClosing || dates->state < dates->error)
		return false;
	return dates->last < dates->error || dates->state > dates->last + side->nodes.nr;
}

/* Is the error older than what the device does now: was the device made after it? */
static bool is_old(const struct side *side, const struct dates *dates)
{
	return dates->known && (dates->error < dates->first || has_gone_on(side, dates));
}

/*
 * Was the device probed before all its nodes were there, and had their owner? Only what
 * begins it again helps.
 */
static bool is_early(const struct patient *patient, const char *text, const struct dates *dates)
{
	return !connected(patient) && (strstr(text, "reading other end details") ||
				       (dates->known && dates->error < dates->last));
}

/* -- the check ---------------------------------------------------------------------------- */

static void advice_remove(const struct side *side, const char *error_dir)
{
	advice(writer_of(side), "xenstore-rm %s", error_dir);
}

/* "22 xenbus_dev_probe on ...": was it a limit? Only the log of that kernel tells. */
static void remark_equota(const struct side *side, const char *text)
{
	char line[SHOWN];

	if (number_in(text) == EINVAL && side->domid == doctor.own &&
	    log_has("unknown error EQUOTA", "", line))
		remark("it may be a limit of XenStore's: this kernel's log has \"%s\"", line);
}

static enum finding limit_of(const struct meaning *meaning, const struct side *side)
{
	if (!meaning)
		return ERROR_NODE;
	return meaning->what == refused_mapping ? limit_of_mapping(side->domid) : meaning->finding;
}

static void report_error(struct patient *patient, const struct side *side, const char *text,
			 const char *error_dir)
{
	const struct meaning *meaning = meaning_of(text);
	enum finding limit = limit_of(meaning, side);
	const char *end = xb_end_name(side->end);
	char shown[SHOWN], words[SHOWN];
	struct dates dates;
	bool old, early;

	find_dates(&dates, side, error_dir);
	old = is_old(side, &dates) || (!dates.known && connected(patient));
	early = !old && is_early(patient, text, &dates);
	xb_printable(shown, sizeof(shown), text, strlen(text));
	explain(text, words);
	if (old) {
		finding(patient, NOTE, OLD_ERROR,
			"the %s's driver wrote an error in an earlier life: \"%s\"%s", end, shown, words);
		advice_remove(side, error_dir);
		return;
	}
	finding(patient, connected(patient) ? WARNING : ERROR,
		limit, "the %s's driver wrote an error: \"%s\"%s", end, shown, words);
	if (early && limit == ERROR_NODE) {
		if (!meaning)
			remark("its nodes were written, or given to their owner, one by one, and the last of them after that");
		advice_activate(patient);
	} else if (limit == QUOTA_NODES && number_in(text) == E2BIG) {
		advice_shorter(patient, side);
	} else if (limit != ERROR_NODE) {
		advice_refused(patient, side, limit);
	} else if (meaning && meaning->what == refused_mapping && doctor.own) {
		advice(0, "xbdoctor     (only there can Xen be asked for the maptrack frames)");
	}
	if (!meaning)
		remark_equota(side, text);
	advice_remove(side, error_dir);
}

/*
 * A guest may not make the directory of its errors: the toolstack made it. "xenstore-rm -t" takes
 * it away with the last error in it, and then the guest's kernel cannot write any.
 */
static void check_error_dir(struct patient *patient, unsigned int domid)
{
	char path[XB_PATH_MAX], *text;

	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	errno = 0;
	text = xb_read(doctor.xs, path, "error");
	if (!text && errno == ENOENT) {
		finding(patient, NOTE, ERROR_NODE,
			"domain %u has no directory %s/error: its kernel cannot write error nodes, and only its log has them",
			domid, path);
		advice(0, "xenstore-write %s/error \"\"; xenstore-chmod %s/error n%u", path, path, domid);
	}
	free(text);
}

/*
 * What xenbus_dev_error() and xenbus_dev_fatal() leave, in the domain of the end
 * that had the error. No kernel removes it.
 */
bool check_error_nodes(struct patient *patient)
{
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];
		char error_dir[2 * XB_PATH_MAX], *text;

		errno = 0;
		text = xb_read_error(doctor.xs, side->path);
		if (!text) {
			if (errno == EACCES)
				doctor.unseen |= FOREIGN_ERRORS;
			continue;
		}
		snprintf(error_dir, sizeof(error_dir), "/local/domain/%u/error%s", side->domid,
			 strchr(side->path + strlen("/local/domain/"), '/'));
		report_error(patient, side, text, error_dir);
		free(text);
	}
	if (doctor.own == 0 && !connected(patient) && patient->side[XB_FRONT].domid)
		check_error_dir(patient, patient->side[XB_FRONT].domid);
	return true;
}
