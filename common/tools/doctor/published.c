// SPDX-License-Identifier: GPL-2.0
/*
 * xbdoctor: what the drivers at both ends publish.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

static bool is_type(const struct patient *patient, const char *type)
{
	return !strcmp(patient->kind->type, type);
}

/* The part of a node's name that says what it is: "ring-ref" of "queue-0/ring-ref". */
static const char *last_part(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

/* -- what the drivers publish ---------------------------------------------- */

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
		finding(patient, ERROR, NOT_PUBLISHED, "the %s is %s and has no node %s: %s",
			xb_end_name(side->end), xb_state_name(side->state), *names, what);
		advice(side->domid, "xenstore-ls %s", side->path);
	}
}

/*
 * What an end writes before it goes to a state, the other reads when it sees that
 * state: mydevice.h, xen/io/netif.h, xen/io/blkif.h.
 */
bool check_published(struct patient *patient)
{
	const struct side *front = &patient->side[XB_FRONT], *back = &patient->side[XB_BACK];

	if (back->state >= XenbusStateInitWait && back->state <= XenbusStateConnected)
		check_list(patient, back, patient->kind->offers, "the frontend chooses from it");
	if (has_published(front))
		check_list(patient, front, patient->kind->publishes, "the backend cannot connect");
	return true;
}

/*
 * A backend of ours that has connected had what it needs. In the steps towards the last stage
 * that is less: all rings are of one page at first.
 */
static bool understood(const struct patient *patient)
{
	return is_ours(patient) && connected(patient);
}

/* A ring without an event channel, or a size of no ring: half of a publication. */
bool check_together(struct patient *patient)
{
	const struct side *front = &patient->side[XB_FRONT];
	const char *const (*pair)[2];

	if (!has_published(front))
		return true;
	for (pair = patient->kind->together; (*pair)[0]; pair++) {
		if (!has_one_of(front, (*pair)[0]) || has_one_of(front, (*pair)[1]))
			continue;
		if (understood(patient) && strstr((*pair)[1], "ring-page-order"))
			continue;
		finding(patient, ERROR, NOT_PUBLISHED, "the frontend has a node %s, but no %s",
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

/* Both modules have to come from one directory. */
static void advice_same_stage(const struct patient *patient)
{
	const char *lab = doctor.where && !strcmp(doctor.where, "lab") ? "on the lab's host: " : "";

	if (doctor.stage)
		advice_again(doctor.own, "%smake -C %s load%s     (both ends of the same stage)", lab,
			     doctor.stage, *lab ? "" : " WHERE=host, in both domains");
	else
		advice_again(doctor.own, "load %s and %s of the same stage", patient->kind->module[0],
			     patient->kind->module[1]);
}

/*
 * The frontend chooses one of the versions that the backend speaks (mydevice.h). If it
 * speaks none of them, it writes its own, and closes.
 */
bool check_version(struct patient *patient)
{
	const struct side *front = &patient->side[XB_FRONT];
	const struct xb_node *version = node_of(front, "version");
	const struct xb_node *versions = node_of(&patient->side[XB_BACK], "versions");
	bool refused = front->state == XenbusStateClosing || front->state == XenbusStateClosed;
	char wants[SHOWN], offers[SHOWN];

	if (!is_ours(patient) || !(has_published(front) || refused) || !version || !versions ||
	    !version->value || !versions->value || is_listed(versions->value, version->value))
		return true;
	xb_printable(wants, sizeof(wants), version->value, version->len);
	xb_printable(offers, sizeof(offers), versions->value, versions->len);
	if (refused)
		finding(patient, ERROR, MIXED_STAGES,
			"the frontend speaks version \"%s\", and the backend \"%s\": they are of different stages, and did not connect",
			wants, offers);
	else
		finding(patient, ERROR, BAD_VERSION,
			"the frontend chose version \"%s\", and the backend offers \"%s\"", wants,
			offers);
	advice_same_stage(patient);
	return true;
}

/*
 * An end that has published what the other knows nothing of is of another stage.
 * Between modules that are told apart by their versions this does not happen.
 */
static bool check_mixed(struct patient *patient)
{
	bool maps = node_of(&patient->side[XB_BACK], "max-ring-page-order");
	bool grants = node_of(&patient->side[XB_FRONT], "ring-ref");

	if (!is_ours(patient) || understood(patient) || maps == grants)
		return true;
	finding(patient, ERROR, MIXED_STAGES,
		"the two ends are of different stages: the %s has rings, and the %s knows of none",
		xb_end_name(maps ? XB_BACK : XB_FRONT), xb_end_name(maps ? XB_FRONT : XB_BACK));
	advice_same_stage(patient);
	return false;
}

static void advice_smaller(const struct patient *patient, const struct side *front)
{
	if (is_ours(patient))
		advice(front->domid, "rmmod %s; insmod %s.ko ring_page_order=0",
		       patient->kind->module[XB_FRONT], patient->kind->module[XB_FRONT]);
	else
		advice(front->domid, "modprobe xen-blkfront max_ring_page_order=0");
}

/* A ring has at most 2^max-ring-page-order pages; without that node, one. */
bool check_orders(struct patient *patient)
{
	const struct side *front = &patient->side[XB_FRONT], *back = &patient->side[XB_BACK];
	unsigned int order, max = 0;

	if (!has_published(front) || !check_mixed(patient))
		return true;
	if (!number_of(back, "max-ring-page-order", UINT_MAX, &max) &&
	    node_of(back, "max-ring-page-order"))
		return true;	/* was reported */
	for (const char *const *name = patient->kind->orders; *name; name++) {
		if (!number_of(front, *name, UINT_MAX, &order) || order <= max)
			continue;
		finding(patient, ERROR, BAD_ORDER,
			"the frontend's %s is %u, and the backend maps at most %u", *name, order, max);
		advice_smaller(patient, front);
	}
	return true;
}

/*
 * Has the backend bound the port that a Connected frontend published? Xen knows: such
 * a port waits for its other side until then.
 */
bool check_port(struct patient *patient)
{
	const struct side *front = &patient->side[XB_FRONT], *back = &patient->side[XB_BACK];
	char domid[12], begin[16], *text, *line, *rest;
	const char *argv[] = { "lsevtchn", domid, NULL };
	unsigned int port;

	if (doctor.own || !connected(patient) ||
	    !number_of(front, "event-channel", UINT_MAX, &port))
		return true;
	/* What a process had bound waits again when that is gone, which check_process() says. */
	if (is_ours(patient) && back->domid == doctor.own && !is_bound(patient, back) &&
	    !process_drives(back))
		return true;
	snprintf(domid, sizeof(domid), "%u", front->domid);
	snprintf(begin, sizeof(begin), "%4u: ", port);
	text = output_of(argv);
	for (rest = text; (line = strsep(&rest, "\n"));) {
		if (strncmp(line, begin, strlen(begin)) || !strstr(line, "Waiting"))
			continue;
		finding(patient, ERROR, CONNECTED_DEAD,
			"Connected by its states and dead: its backend never bound the frontend's event channel, port %u",
			port);
		advice_activate(patient);
	}
	free(text);
	return true;
}

/*
 * Before a backend of xl's goes on, a script has to attach what it serves: netback
 * waits for hotplug-status, blkback for physical-device.
 */
bool check_hotplug(struct patient *patient)
{
	const struct side *back = &patient->side[XB_BACK];
	const struct xb_node *error = node_of(back, "hotplug-error");
	const struct xb_node *status = node_of(back, "hotplug-status");
	bool waits = back->state == XenbusStateInitWait &&
		     has_published(&patient->side[XB_FRONT]);
	char shown[SHOWN];

	if (error && error->value)
		finding(patient, ERROR, HOTPLUG, "the hotplug script failed: \"%s\"",
			xb_printable(shown, sizeof(shown), error->value, error->len));
	else if (is_type(patient, "vif") && waits &&
		 !(status && status->value && is_text(status, "connected")))
		finding(patient, ERROR, HOTPLUG,
			"netback waits for the hotplug script: hotplug-status is not \"connected\"");
	else if (is_type(patient, "vbd") && waits && !node_of(back, "physical-device"))
		finding(patient, ERROR, HOTPLUG,
			"blkback waits for the hotplug script: there is no physical-device");
	else
		return true;
	advice(back->domid, "cat /var/log/xen/xen-hotplug.log");
	return true;
}
