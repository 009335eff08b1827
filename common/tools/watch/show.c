// SPDX-License-Identifier: GPL-2.0
/*
 * xbwatch: what is shown of a change: a line, and something to draw in the charts.
 */
#include <errno.h>
#include <string.h>

#include "watch.h"

/* Names and values are shown up to these lengths; charts have less room. */
#define NAME_MAX_SHOWN	44
#define VALUE_MAX	72
#define CHART_TEXT_MAX	48

static void begin_line(struct watch *watch, const struct xb_device *device, enum xb_end side);
static void show_directory(struct watch *watch, const struct xb_device *device, enum xb_end side,
			   enum chart_what what);
static void end_line(struct watch *watch);
static void show_value(struct watch *watch, const struct xb_node *node);
static void value_text(char *out, size_t size, const struct xb_node *node);
static void draw(struct watch *watch, struct xb_device *device, enum xb_end side,
		 enum chart_what what, const struct xb_node *node);

void show_node(struct watch *watch, struct xb_device *device, enum xb_end side,
	       enum chart_what what, const struct xb_node *old, const struct xb_node *new)
{
	const struct xb_node *node = new ? new : old;
	char name[NAME_MAX_SHOWN];

	if (watch->ending != NOT_YET || (watch->options->states_only && node && !is_state(node)))
		return;
	draw(watch, device, side, what, node);
	begin_line(watch, device, side);
	if (!node)
		show_directory(watch, device, side, what);
	else
		fprintf(watch->out, "%-20s  ",
			xb_printable(name, sizeof(name), node->name, strlen(node->name)));
	if (old) {
		show_value(watch, old);
		fputs(new ? " -> " : "", watch->out);
	}
	if (new)
		show_value(watch, new);
	else if (old)
		fprintf(watch->out, " %sis removed%s", xb_colour(XB_RED), xb_colour(XB_PLAIN));
	end_line(watch);
}

static void begin_line(struct watch *watch, const struct xb_device *device, enum xb_end side)
{
	fprintf(watch->out, "%s%9.3f%s  %-14s  %s%-8s%s  ", xb_colour(XB_DIM), watch->now,
		xb_colour(XB_PLAIN), device->name, xb_colour(side == XB_FRONT ? XB_CYAN : XB_BOLD),
		xb_end_name(side), xb_colour(XB_PLAIN));
}

static void show_directory(struct watch *watch, const struct xb_device *device, enum xb_end side,
			   enum chart_what what)
{
	const struct seen *seen = device->own;
	const struct chart_device *names = &watch->chart.device[seen->in_chart];

	if (what == CHART_REMOVED) {
		fprintf(watch->out, "%sis removed%s: %s", xb_colour(XB_RED), xb_colour(XB_PLAIN),
			device->path[side]);
		return;
	}
	fprintf(watch->out, "is in domain %u", device->domid[side]);
	if (names->domain[side][0])
		fprintf(watch->out, " (%s)", names->domain[side]);
	fprintf(watch->out, ": %s", device->path[side]);
}

/* Write the line at once, into a pipe too. If the pipe's reader has left, end. */
static void end_line(struct watch *watch)
{
	fputc('\n', watch->out);
	if (fflush(watch->out) || ferror(watch->out)) {
		watch->error = errno;
		watch->ending = CANNOT_WRITE;
	} else if (!watch->starting && ++watch->changes == watch->options->count) {
		watch->ending = REACHED;
	}
}

static void show_value(struct watch *watch, const struct xb_node *node)
{
	enum xb_colour colour = XB_PLAIN;
	char text[VALUE_MAX];

	if (is_state(node))
		colour = xb_state_colour(xb_state_value(node->value));
	value_text(text, sizeof(text), node);
	fprintf(watch->out, "%s%s%s", colour == XB_PLAIN ? "" : xb_colour(colour), text,
		colour == XB_PLAIN ? "" : xb_colour(XB_PLAIN));
}

/* A state's name, a plain word as it is, or else the value in quotes. */
static void value_text(char *out, size_t size, const struct xb_node *node)
{
	const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/.,:+=@";
	char text[VALUE_MAX - 2];
	int state;

	xb_printable(text, size - strlen("\"\""), node->value, node->len);
	state = is_state(node) ? xb_state_value(node->value) : XB_NO_STATE;
	if (state >= 0)
		snprintf(out, size, "%s", xb_state_name(state));
	else if (state == XB_BAD_STATE)
		snprintf(out, size, "\"%.16s\" (%s)", text, xb_state_name(state));
	else if (node->len > 0 && strspn(text, plain) == strlen(text))
		snprintf(out, size, "%s", text);
	else
		snprintf(out, size, "\"%s\"", text);
}

bool is_state(const struct xb_node *node)
{
	return !strcmp(node->name, "state");
}

static void draw(struct watch *watch, struct xb_device *device, enum xb_end side,
		 enum chart_what what, const struct xb_node *node)
{
	const struct seen *seen = device->own;
	char value[CHART_TEXT_MAX] = "";
	char name[CHART_TEXT_MAX] = "";
	struct chart_event event = {
		.device = seen->in_chart, .end = side, .seconds = watch->now, .what = what,
		.name = name, .value = value,
		.state = { seen->end[XB_FRONT].state, seen->end[XB_BACK].state },
	};

	if (node) {
		xb_printable(name, sizeof(name), node->name, strlen(node->name));
		value_text(value, sizeof(value), node);
	}
	chart_add_event(&watch->chart, &event);
}
