// SPDX-License-Identifier: GPL-2.0
/*
 * xbdoctor: do the domains run in which the two ends are?
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

/**
 * struct domain - a line of xl list
 * @domid:	its number
 * @state:	"r-----": running, blocked, paused, shut down, crashed, dying
 */
struct domain {
	unsigned int domid;
	char state[8];
};

static struct domain *list;
static unsigned int nr_domains;

/* "(null)   1   0   1   --p--d   9.8": a name may have spaces, and numbers. */
static bool parse_line(const char *line, struct domain *domain)
{
	char *copy = xb_strdup(line), *rest = copy, *word, *last[5] = { NULL };
	bool good;

	while ((word = strsep(&rest, " \t"))) {
		if (!*word)
			continue;
		memmove(&last[0], &last[1], 4 * sizeof(last[0]));
		last[4] = word;
	}
	good = last[0] && strlen(last[3]) == 6 && xb_number(last[0], XB_DOMIDS, &domain->domid);
	if (good)
		strcpy(domain->state, last[3]);
	free(copy);
	return good;
}

/* Look once: a domain that is saved or made is paused for a moment. */
static unsigned int read_list(struct domain **domains)
{
	static const char *const argv[] = { "xl", "list", NULL };
	char *text = output_of(argv), *rest = text, *line;
	unsigned int nr = 0;
	struct domain domain;

	*domains = NULL;
	while ((line = strsep(&rest, "\n"))) {
		if (!parse_line(line, &domain))
			continue;
		*domains = xb_realloc(*domains, (nr + 1) * sizeof(domain));
		(*domains)[nr++] = domain;
	}
	free(text);
	return nr;
}

/* In other domains than dom0 there is no xl, and nothing is known of domains. */
void domains_look(void)
{
	if (doctor.own == 0)
		nr_domains = read_list(&list);
}

static bool has_letter(const struct domain *domains, unsigned int nr, unsigned int domid,
		       char letter)
{
	for (unsigned int i = 0; i < nr; i++)
		if (domains[i].domid == domid)
			return strchr(domains[i].state, letter);
	return false;
}

bool is_dying(unsigned int domid)
{
	return has_letter(list, nr_domains, domid, 'd');
}

/* Only dom0 may ask; elsewhere a domain is taken to be there. */
bool is_gone(unsigned int domid)
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

/* -- domains that are dying ------------------------------------------------------- */

/* A process that has pages of other domains mapped, and how many. */
static bool report_mapper(const struct task *task, void *with)
{
	unsigned long pages = mapped_pages(task->pid, "/dev/xen/gntdev");
	char cure[PATH_MAX];
	const char *why;

	if (!pages || !strcmp(task->comm, "xenstored") || !strcmp(task->comm, "xenconsoled"))
		return false;
	++*(unsigned int *)with;
	why = why_held(task, cure);
	if (why)
		advice(doctor.own, "%s     (%s is %s, with %lu pages of other domains mapped)", cure,
		       task->command, why, pages);
	else
		advice(doctor.own, "kill %d     (or kill -9; %s has %lu pages of other domains mapped)",
		       task->pid, task->command, pages);
	return false;
}

/*
 * A domain that has ended is kept, without a name, as long as one of its pages is in use:
 * mapped by a backend's process or kernel that did not let go.
 */
void check_dying(void)
{
	unsigned int mappers = 0;

	for (unsigned int i = 0; i < nr_domains; i++) {
		if (!strchr(list[i].state, 'd'))
			continue;
		finding(NULL, ERROR, DOMAIN_DYING,
			"domain %u is dead and cannot go, (null) in xl list: another domain still has pages of it mapped",
			list[i].domid);
		each_process(report_mapper, &mappers);
		if (!mappers)
			advice(doctor.own, "ls -d /sys/bus/xen-backend/devices/*-%u-*     (unbind what is left)",
			       list[i].domid);
	}
}

/* -- a device's two domains --------------------------------------------------------- */

static bool points_to(const struct side *side, struct xb_dir *dir)
{
	const struct xb_node *node = node_of(side, pointer_name(side->end));

	return node && node->value && xb_dir_parse(node->value, dir, NULL);
}

/*
 * Is there a domain at both ends? When a guest ends its own directory goes with it,
 * and the backend's stays: the toolstack removes it, but only for the devices that it
 * made. The other way round the frontend's directory stays in its guest.
 */
bool check_domains(struct patient *patient)
{
	const struct side *front = &patient->side[XB_FRONT], *back = &patient->side[XB_BACK];
	unsigned int domid = back->domid;
	struct xb_dir dir;
	bool alive = true;

	if (is_gone(front->domid)) {
		finding(patient, ERROR, STALE_NODES,
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
		finding(patient, ERROR, BACKEND_GONE, "the domain of its backend, %u, is gone",
			domid);
		if (!is_gone(front->domid))
			advice_activate(patient);
		alive = false;
	}
	return alive;
}

/* Paused, shut down or crashed: it does not run. */
static bool does_not_run(const struct domain *domains, unsigned int nr, unsigned int domid)
{
	return has_letter(domains, nr, domid, 'p') || has_letter(domains, nr, domid, 's') ||
	       has_letter(domains, nr, domid, 'c');
}

static void report_paused(struct patient *patient, const struct domain *now, unsigned int nr,
			  const struct side *side)
{
	bool ended = has_letter(now, nr, side->domid, 's') || has_letter(now, nr, side->domid, 'c');

	finding(patient, ERROR, DOMAIN_PAUSED, "domain %u, where its %s is, %s", side->domid,
		xb_end_name(side->end), ended ? "has shut down or crashed" : "is paused");
	advice(0, ended ? "xl destroy %u" : "xl unpause %u", side->domid);
}

/* A domain that did not run when we began, and does not now. */
bool check_paused(struct patient *patient)
{
	struct domain *now;
	unsigned int nr;

	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];

		if (!does_not_run(list, nr_domains, side->domid) || is_dying(side->domid))
			continue;
		nr = read_list(&now);
		if (does_not_run(now, nr, side->domid))
			report_paused(patient, now, nr, side);
		free(now);
	}
	return true;
}
