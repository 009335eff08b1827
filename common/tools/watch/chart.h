/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What xbwatch saw, kept to be drawn: as a sequence chart (mscgen's language) or
 * as a diagram of the pairs of states (graphviz's).
 */
#ifndef CHART_H
#define CHART_H

#include <stdbool.h>
#include <stdio.h>

#include "../xenbus.h"

/* A chart with more changes than this nobody can read; later ones are counted only. */
#define CHART_EVENTS_MAX	1000

/**
 * struct chart_device - what a chart says of a device
 * @name:	its name
 * @domid:	the domains of frontend and backend, XB_DOMIDS where not known
 * @domain:	their names, printable, or ""
 * @changed:	something happened to it after the start (the chart's own)
 * @drawn:	it is in the drawing (the chart's own)
 */
struct chart_device {
	char name[XB_NAME_MAX];
	unsigned int domid[2];
	char domain[2][XB_NAME_MAX];
	bool changed;
	bool drawn;
};

enum chart_what {
	CHART_THERE,	/* the node was there when its directory was first seen */
	CHART_WRITTEN,	/* it was written, or is new */
	CHART_REMOVED,	/* it is gone; without a name: the directory is */
};

/**
 * struct chart_event - one change
 * @device:	of which device, by number, as chart_add_device() gave it
 * @end:	in whose directory
 * @seconds:	when; 0 for what was there at the start
 * @what:	what happened
 * @name:	the node; "" for the directory
 * @value:	its value, printable, shortened, states by name
 * @state:	the states of both ends afterwards
 */
struct chart_event {
	unsigned int device;
	enum xb_end end;
	double seconds;
	enum chart_what what;
	char *name;
	char *value;
	int state[2];
};

struct chart {
	struct chart_device *device;
	unsigned int nr_devices;
	struct chart_event *event;
	unsigned int nr_events;
	unsigned int left_out;
};

/* Make a device known; the number is for struct chart_event. */
unsigned int chart_add_device(struct chart *chart, const struct chart_device *device);

/* Keep a change; the strings are copied. */
void chart_add_event(struct chart *chart, const struct chart_event *event);

void chart_write_msc(struct chart *chart, FILE *out);
void chart_write_dot(struct chart *chart, FILE *out);
void chart_free(struct chart *chart);

#endif /* CHART_H */
