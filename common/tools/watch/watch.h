/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of xbwatch share: what is asked for, and what was seen. Each part is
 * a file of this directory but the loop and the end, which are in xbwatch.c.
 */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "../xenbus.h"
#include "chart.h"

/* -- what is asked for -------------------------------------------------------- */

/* As a wanted state, and as one that is: the end has no directory. */
#define GONE		-3

/**
 * struct file - where a chart goes
 * @name:	NULL: it is not asked for; "-": standard output
 * @fd:		it is open from the start, to be written at the end
 * @made:	it was not there before
 */
struct file {
	const char *name;
	int fd;
	bool made;
};

/**
 * struct options - what the command line says
 * @select:	which devices
 * @states_only: no other nodes
 * @count:	end after so many changes; 0: no limit
 * @until:	end when @until_state is reached
 * @until_state: by enum xb_end, a state or GONE
 * @timeout:	in seconds; 0: none
 * @msc:	the sequence chart
 * @dot:	the diagram of states
 */
struct options {
	struct xb_select select;
	bool states_only;
	unsigned int count;
	bool until;
	int until_state[2];
	double timeout;
	struct file msc, dot;
};

/* options.c: fill @options, which is all zeros before, or exit. */
void parse_options(int argc, char **argv, struct options *options);

/* -- what was seen ------------------------------------------------------------ */

/**
 * struct end - one end, as it was last seen
 * @exists:	it has a directory
 * @state:	its state, XB_NO_STATE or XB_BAD_STATE
 * @error:	the last error of its kernel, or NULL
 * @full:	it has more nodes than are kept
 * @nodes:	the nodes in the directory, in no order
 */
struct end {
	bool exists;
	int state;
	char *error;
	bool full;
	struct xb_nodes nodes;
};

/**
 * struct seen - a device, as it was last seen: the @own of its struct xb_device
 * @end:	by enum xb_end
 * @in_chart:	the device's number in the chart
 */
struct seen {
	struct end end[2];
	unsigned int in_chart;
};

/* Why the loop ended. */
enum ending { NOT_YET, REACHED, TIMED_OUT, SIGNALLED, CANNOT_WRITE, NO_XENSTORE };

/**
 * struct watch - all of it
 * @options:	what is asked for
 * @xs:		XenStore
 * @signals:	can be read when the user ends the program
 * @out:	where the lines go
 * @start:	when the loop began
 * @starting:	what is shown was there before
 * @now:	seconds since the start
 * @devices:	all that were seen
 * @chart:	what is drawn at the end
 * @full:	no more devices are added
 * @changes:	how many were shown
 * @more_events: not all events were taken
 * @ending:	why the loop ends, or NOT_YET
 * @error:	an errno, for CANNOT_WRITE
 */
struct watch {
	struct options *options;
	struct xs_handle *xs;
	int signals;
	FILE *out;
	struct timespec start;
	bool starting;
	double now;
	struct xb_devices devices;
	struct chart chart;
	bool full;
	unsigned int changes;
	bool more_events;
	enum ending ending;
	int error;
};

/*
 * changes.c: something happened to this path: read again what it may be about, and show
 * what changed. The first path is that of the watch itself, and everything is read.
 */
void look_at(struct watch *watch, const char *path);

/*
 * show.c: show that a node of a device that was seen changed from @old to @new, either of
 * which may be NULL; if both are, the directory itself came or went.
 */
void show_node(struct watch *watch, struct xb_device *device, enum xb_end side,
	       enum chart_what what, const struct xb_node *old, const struct xb_node *new);

/* show.c: is it the node with the end's state? */
bool is_state(const struct xb_node *node);

#endif /* WATCH_H */
