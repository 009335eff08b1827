// SPDX-License-Identifier: GPL-2.0
/*
 * xbdoctor: the two ends of a device, and what is known of its type.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

static bool names(const struct side *side, const struct side *other);
static void usual_front(const struct xb_device *device, char path[XB_PATH_MAX]);
static void likely_back(const struct xb_device *device, const struct side *front,
			char path[XB_PATH_MAX]);
static void name_it(struct patient *patient, const struct xb_device *device);

/*
 * The stage's type: mydevice, or what a copy of a stage was renamed to. It is the one type
 * of which there are stages without ring or without event channel.
 */
static struct kind stages = {
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
	.xl = "network",
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
	.xl = "block",
	.publishes = { "ring-ref|ring-ref0", "event-channel" },
	.orders = { "ring-page-order" },
};

/* Any other: the bus is the same, what is published is not known. */
static const struct kind other = { .type = "" };

static const char *from_environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

static char *with_ending(const char *type, const char *ending)
{
	char *name;

	if (asprintf(&name, "%s%s", type, ending) < 0)
		xb_die(EX_OSERR, "there is no memory");
	return name;
}

/* make tells which stage it is of, and what its device and modules are called. */
void kinds_init(void)
{
	const char *type = from_environment("XBDOCTOR_TYPE", "mydevice");
	static const char *const variables[] = { "XBDOCTOR_MODULE_FRONT", "XBDOCTOR_MODULE_BACK" };
	static const char *const endings[] = { "front", "back" };

	doctor.stage = from_environment("XBDOCTOR_STAGE", NULL);
	doctor.where = from_environment("XBDOCTOR_WHERE", NULL);
	stages.type = type;
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		stages.module[end] = from_environment(variables[end],
							  with_ending(type, endings[end]));
		stages.driver[end] = stages.module[end];
	}
}

const struct kind *stage_kind(void)
{
	return &stages;
}

bool names_ours(const char *text)
{
	return strstr(text, stages.module[XB_FRONT]) || strstr(text, stages.module[XB_BACK]);
}

bool is_ours(const struct patient *patient)
{
	return patient->kind == &stages;
}

const struct kind *kind_of(const char *type)
{
	static const struct kind *const kinds[] = { &stages, &vif, &vbd };

	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i]->type, type))
			return kinds[i];
	return &other;
}

/*
 * Where the two ends are, or should be: what they name each other is to be checked,
 * not to be believed. Only one that names the other in return may be in an unusual
 * place: the first console is, and a backend may be of another type than its frontend
 * (qdisk serves vbd).
 */
void find_sides(struct patient *patient, const struct xb_device *device)
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
	name_it(patient, device);
}

/*
 * As this domain's kernel calls it: a frontend's bus leaves the domain out. With both
 * ends here, or none, it is the backend's name.
 */
static void name_it(struct patient *patient, const struct xb_device *device)
{
	if (patient->side[XB_FRONT].domid == doctor.own &&
	    patient->side[XB_BACK].domid != doctor.own)
		snprintf(patient->name, sizeof(patient->name), "%s-%u", patient->type,
			 patient->number);
	else
		strcpy(patient->name, device->name);
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

bool connected(const struct patient *patient)
{
	return patient->side[XB_FRONT].state == XenbusStateConnected &&
	       patient->side[XB_BACK].state == XenbusStateConnected;
}

bool look_at_state(struct patient *patient)
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

const struct xb_node *node_of(const struct side *side, const char *name)
{
	return xb_nodes_find(&side->nodes, name);
}

/* A value may have a NUL in it, and more after that. */
bool is_text(const struct xb_node *node, const char *text)
{
	return node->len == strlen(text) && !strcmp(node->value, text);
}

/* A decimal number and nothing else; false if the node is not there, too. */
bool number_of(const struct side *side, const char *name, unsigned int limit,
	       unsigned int *number)
{
	const struct xb_node *node = node_of(side, name);

	return node && node->value && strlen(node->value) == node->len &&
	       xb_number(node->value, limit, number);
}

/* The domain where XenStore can be mended: who owns a directory may, and dom0. */
unsigned int writer_of(const struct side *side)
{
	return side->domid == doctor.own ? doctor.own : 0;
}

/* Names of the two nodes by which an end finds the other. */
const char *pointer_name(enum xb_end end)
{
	return end == XB_FRONT ? "backend" : "frontend";
}

const char *id_name(enum xb_end end)
{
	return end == XB_FRONT ? "backend-id" : "frontend-id";
}

bool has_published(const struct side *front)
{
	return front->state == XenbusStateInitialised || front->state == XenbusStateConnected;
}
