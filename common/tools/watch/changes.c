// SPDX-License-Identifier: GPL-2.0
/*
 * xbwatch: from an event, which says only where something was written, to the nodes
 * that changed.
 *
 * A node is read again and compared with what it was; so everything that was read is
 * kept, up to the limits here, because a guest can write as much as its quota allows.
 */
#include <stdlib.h>
#include <string.h>

#include "watch.h"

/* One guest can make far fewer at a time. */
#define DEVICES_MAX	8192

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

void look_at(struct watch *watch, const char *path)
{
	struct xb_device *device;
	enum xb_end side;
	struct xb_dir dir;

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
}

/* A guest can make and remove devices for ever, and all of them are kept for the chart. */
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

/* The path is above devices' directories, which may be gone with everything below it. */
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
 * Read this one node ("" is the directory itself), and nothing else: the nodes below it
 * have events of their own, and the next state may come while we read. But a node that
 * is gone took everything below it along, and for that there are no events.
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

/* Read all of a directory that was not there before. */
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

/* Its nodes went with it: one line shows that. */
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

/* A guest has a quota of nodes, but a domain without one could fill our memory. */
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
