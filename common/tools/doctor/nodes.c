// SPDX-License-Identifier: GPL-2.0
/*
 * xbdoctor: the two directories of a device: domains, pointers, owners, values.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

/* -- the directories, and the nodes of the bus itself ------------------------- */

/*
 * Are both directories there? Each end's kernel looks for the other's before it
 * calls probe (xenbus_read_otherend_details(), backend_bus_id()).
 */
bool check_both_there(struct patient *patient)
{
	bool both = true;

	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];

		if (!side->error)
			continue;
		both = false;
		if (side->error == ENOENT) {
			finding(patient, ERROR, HALF_DEVICE,
				"the %s's directory is missing: %s", xb_end_name(end), side->path);
			advice_activate(patient);
		} else {
			finding(patient, ERROR, PEER_CANNOT_READ,
				"domain %u may not read the %s's directory, or it is not there: %s",
				doctor.own, xb_end_name(end), side->path);
			advice(0, "xbdoctor     (it knows whether domain %u is there; if it is:)",
			       side->domid);
			advice_chmod(patient, side);
		}
	}
	return both;
}

static void check_node_there(struct patient *patient, const struct side *side, const char *name,
			     const char *why, const char *value)
{
	const struct xb_node *node = node_of(side, name);

	if (node && node->value)
		return;
	if (node) {
		finding(patient, ERROR, PEER_CANNOT_READ, "domain %u may not read the %s's node %s",
			doctor.own, xb_end_name(side->end), name);
		advice_chmod(patient, side);
		return;
	}
	finding(patient, ERROR, NODE_MISSING, "the %s has no node %s: %s",
		xb_end_name(side->end), name, why);
	advice(writer_of(side), "xenstore-write %s/%s %s", side->path, name, value);
	advice_probe(patient);
}

/*
 * The three nodes without which the bus does nothing: a kernel registers a device
 * whose state is 1 (xenbus_probe_node()), and before probe it reads where the other end
 * is (xenbus_read_otherend_details()).
 */
bool check_nodes_there(struct patient *patient)
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
bool check_ids(struct patient *patient)
{
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];
		unsigned int is, should_be = patient->side[xb_other(end)].domid;

		if (!number_of(side, id_name(end), UINT_MAX, &is) || is == should_be)
			continue;
		finding(patient, ERROR, ID_MISMATCH, "the %s's %s is %u, but its %s is in domain %u",
			xb_end_name(end), id_name(end), is, pointer_name(end), should_be);
		advice(writer_of(side), "xenstore-write %s/%s %u", side->path, id_name(end),
		       should_be);
		advice_probe(patient);
	}
	return true;
}

/* Each end watches the state in the directory that it is pointed to. */
bool check_pointers(struct patient *patient)
{
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];
		const struct side *peer = &patient->side[xb_other(end)];
		const struct xb_node *node = node_of(side, pointer_name(end));
		char shown[SHOWN];

		if (!node || !node->value || is_text(node, peer->path))
			continue;
		finding(patient, ERROR, POINTER_MISMATCH, "the %s's node %s is \"%s\", not %s",
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
bool check_owners(struct patient *patient)
{
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];

		for (unsigned int i = 0; i < 2; i++) {
			const struct xb_node *node = node_of(side, crucial[i]);

			if (!node || !node->perms || node->perms[0].id == side->domid)
				continue;
			finding(patient, ERROR, WRONG_OWNER,
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
bool check_writers(struct patient *patient)
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
		finding(patient, end == XB_BACK ? ERROR : WARNING, PEER_CAN_WRITE,
			"domain %u can write in the %s's directory (%u nodes, the first is %s)",
			peer, xb_end_name(end), nr, first->name[0] ? first->name : "the directory");
		advice_chmod(patient, side);
	}
	return true;
}

/* Each end reads the other's directory. dom0 may read anything, listed or not. */
bool check_readers(struct patient *patient)
{
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];
		unsigned int peer = patient->side[xb_other(end)].domid;

		for (unsigned int i = 0; i < 2; i++) {
			const struct xb_node *node = node_of(side, crucial[i]);

			if (!node || !node->perms || rights(node, peer) & XS_PERM_READ)
				continue;
			finding(patient, peer ? ERROR : WARNING, PEER_CANNOT_READ,
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
	return is_ours(patient) && !strncmp(name, "feature-", strlen("feature-"));
}

/* A guest may have a thousand such nodes: the first stands for all. */
static void report_bad_number(struct patient *patient, const struct side *side,
			      const struct xb_node *node, unsigned int nr)
{
	char shown[SHOWN], more[32] = "";

	if (nr > 1)
		snprintf(more, sizeof(more), ", and so are %u more", nr - 1);
	finding(patient, ERROR, BAD_NUMBER, "the %s's node %s is no number: \"%s\"%s",
		xb_end_name(side->end), node->name,
		xb_printable(shown, sizeof(shown), node->value, node->len), more);
	if (strcmp(node->name, id_name(side->end)))
		advice_activate(patient);
	else
		advice(writer_of(side), "xenstore-write %s/%s %u", side->path, node->name,
		       patient->side[xb_other(side->end)].domid);
}

/* Drivers read these as decimal numbers (kstrtouint(), xenbus_scanf()). */
bool check_numbers(struct patient *patient)
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
bool check_states_valid(struct patient *patient)
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
		finding(patient, ERROR, BAD_STATE, "the %s's state is no state: \"%s\"",
			xb_end_name(end), xb_printable(shown, sizeof(shown), node->value, node->len));
		advice_activate(patient);
	}
	return valid;
}

/*
 * A backend that is not online goes away when its frontend closes, and does not
 * come back (xenbus_dev_is_online(), as blkback, netback and mydeviceback use it).
 */
bool check_online(struct patient *patient)
{
	const struct side *back = &patient->side[XB_BACK];
	unsigned int online;

	if (number_of(back, "online", UINT_MAX, &online) && online)
		return true;
	if (node_of(back, "online") && !number_of(back, "online", UINT_MAX, &online))
		return true;	/* was reported */
	if (node_of(back, "online") && back->state >= XenbusStateClosing) {
		finding(patient, WARNING, NOT_ONLINE,
			"the backend's node online is 0: the device is being taken away");
		advice_activate(patient);
		return true;
	}
	finding(patient, WARNING, NOT_ONLINE, "the backend's node online is %s: %s",
		node_of(back, "online") ? "0" : "missing",
		"it goes away for good when the frontend closes");
	advice(writer_of(back), "xenstore-write %s/online 1", back->path);
	return true;
}
