// SPDX-License-Identifier: GPL-2.0
/*
 * The two drawings of what xbwatch saw: see chart.h.
 */
#include <stdlib.h>
#include <string.h>

#include "chart.h"

/* More columns do not fit on a page, more lines do not fit into a box. */
#define DEVICES_MAX	8
#define MSC_LINES_MAX	12
#define MSC_LINE_MAX	46
/* What one end writes without such a pause is drawn in one box. */
#define MSC_PAUSE	0.5

/* Two colours that are told apart in grey, too. */
static const char *const end_colour[] = { "#1f5fa8", "#a05a00" };

/* A box of the sequence chart that is being filled. */
struct box {
	const struct chart_event *first;	/* NULL: there is none */
	double last;
	unsigned int lines;
	char label[MSC_LINES_MAX * (MSC_LINE_MAX + 4)];
};

/* The change from one pair of states to another, however often it was seen. */
struct edge {
	int from[2], to[2];
	enum xb_end mover;
	double first_seen;
	unsigned int times;
};

struct edges {
	struct edge *edge;
	unsigned int nr;
};

static void choose_devices(struct chart *chart);
static void msc_entities(const struct chart *chart, FILE *out);
static void msc_event(const struct chart_event *event, struct box *box, FILE *out);
static bool fits_into(const struct box *box, const struct chart_event *event);
static void box_begin(struct box *box, const struct chart_event *event);
static void box_line(struct box *box, const struct chart_event *event);
static void box_end(struct box *box, FILE *out);
static void msc_state(const struct chart_event *event, FILE *out);
static void msc_time(const struct chart_event *event, FILE *out);

static void dot_device(const struct chart *chart, unsigned int device, FILE *out);
static void count_edge(struct edges *edges, const int from[2], const struct chart_event *event);
static void dot_pair(unsigned int device, const int state[2], bool start, FILE *out);
static void dot_edge(unsigned int device, const struct edge *edge, unsigned int number, FILE *out);
static void dot_name(unsigned int device, const int state[2], FILE *out);
static const char *pair_colour(const int state[2]);

static void put_label(const char *text, FILE *out);
static bool is_state(const struct chart_event *event);

/* -- keeping ----------------------------------------------------------------- */

unsigned int chart_add_device(struct chart *chart, const struct chart_device *device)
{
	chart->device = xb_realloc(chart->device, (chart->nr_devices + 1) * sizeof(*device));
	chart->device[chart->nr_devices] = *device;
	return chart->nr_devices++;
}

void chart_add_event(struct chart *chart, const struct chart_event *event)
{
	struct chart_event *kept;

	if (event->seconds > 0)
		chart->device[event->device].changed = true;
	if (chart->nr_events == CHART_EVENTS_MAX) {
		chart->left_out++;
		return;
	}
	if (!chart->event)
		chart->event = xb_realloc(NULL, CHART_EVENTS_MAX * sizeof(*event));
	kept = &chart->event[chart->nr_events++];
	*kept = *event;
	kept->name = xb_strdup(event->name);
	kept->value = xb_strdup(event->value);
}

void chart_free(struct chart *chart)
{
	for (unsigned int i = 0; i < chart->nr_events; i++) {
		free(chart->event[i].name);
		free(chart->event[i].value);
	}
	free(chart->event);
	free(chart->device);
	memset(chart, 0, sizeof(*chart));
}

/* -- the sequence chart -------------------------------------------------------- */

/*
 * Two columns a device, the frontend's and the backend's, and one for the time. A
 * state is an arrow to the other end, which watches it; other nodes are in boxes
 * on the line of the end whose directory they are in.
 */
void chart_write_msc(struct chart *chart, FILE *out)
{
	struct box box = { 0 };

	choose_devices(chart);
	fprintf(out, "# Made by xbwatch; mscgen -T svg draws it.\nmsc {\n");
	msc_entities(chart, out);
	for (unsigned int i = 0; i < chart->nr_events; i++)
		if (chart->device[chart->event[i].device].drawn)
			msc_event(&chart->event[i], &box, out);
	box_end(&box, out);
	if (chart->left_out > 0)
		fprintf(out, "\t... [label=\"%u later changes are left out\"];\n", chart->left_out);
	if (chart->nr_devices == 0)
		fprintf(out, "\tt note t [label=\"no device was seen\"];\n");
	fprintf(out, "}\n");
}

/* Those to which something happened; if nothing happened to any, all. */
static void choose_devices(struct chart *chart)
{
	unsigned int drawn = 0;
	bool any = false;

	for (unsigned int i = 0; i < chart->nr_devices; i++)
		any = any || chart->device[i].changed;
	for (unsigned int i = 0; i < chart->nr_devices; i++) {
		struct chart_device *device = &chart->device[i];

		device->drawn = drawn < DEVICES_MAX && (device->changed || !any);
		drawn += device->drawn;
	}
}

static void msc_entities(const struct chart *chart, FILE *out)
{
	unsigned int drawn = 0;

	for (unsigned int i = 0; i < chart->nr_devices; i++)
		drawn += chart->device[i].drawn;
	fprintf(out, "\twidth=\"%u\";\n", 380 + 760 * drawn);
	fprintf(out, "\tt [label=\"seconds\", linecolour=\"white\"]");
	for (unsigned int i = 0; i < chart->nr_devices; i++) {
		const struct chart_device *device = &chart->device[i];

		for (int end = XB_FRONT; device->drawn && end <= XB_BACK; end++) {
			fprintf(out, ",\n\t%c%u [label=\"%s of %s", end == XB_FRONT ? 'f' : 'b', i,
				xb_end_name(end), device->name);
			if (device->domid[end] != XB_DOMIDS)
				fprintf(out, "\\nin domain %u", device->domid[end]);
			if (device->domain[end][0]) {
				fputs(" (", out);
				put_label(device->domain[end], out);
				fputs(")", out);
			}
			fprintf(out, "\", textcolour=\"%s\", linecolour=\"%s\"]", end_colour[end],
				end_colour[end]);
		}
	}
	fprintf(out, ";\n");
}

static void msc_event(const struct chart_event *event, struct box *box, FILE *out)
{
	if (!fits_into(box, event))
		box_end(box, out);
	if (is_state(event) && event->what == CHART_WRITTEN) {
		msc_state(event, out);
		return;
	}
	/* That a directory is there is seen by its nodes. */
	if (!event->name[0] && event->what != CHART_REMOVED)
		return;
	if (!box->first)
		box_begin(box, event);
	box_line(box, event);
}

static bool fits_into(const struct box *box, const struct chart_event *event)
{
	return box->first && box->first->device == event->device &&
	       box->first->end == event->end && box->first->what == event->what &&
	       event->seconds - box->last < MSC_PAUSE &&
	       !(is_state(event) && event->what == CHART_WRITTEN);
}

static void box_begin(struct box *box, const struct chart_event *event)
{
	memset(box, 0, sizeof(*box));
	box->first = event;
}

static void box_line(struct box *box, const struct chart_event *event)
{
	size_t used = strlen(box->label);
	char line[2 * MSC_LINE_MAX];

	box->last = event->seconds;
	if (box->lines++ >= MSC_LINES_MAX)
		return;
	if (event->what != CHART_REMOVED)
		snprintf(line, sizeof(line), "%s = %s", event->name, event->value);
	else
		snprintf(line, sizeof(line), "%s is removed",
			 event->name[0] ? event->name : "the directory");
	if (strlen(line) > MSC_LINE_MAX)
		strcpy(line + MSC_LINE_MAX - 3, "...");
	snprintf(box->label + used, sizeof(box->label) - used, "%s%s", used ? "\n" : "", line);
}

static void box_end(struct box *box, FILE *out)
{
	static const char *const shape[] = {
		[CHART_THERE] = "box", [CHART_WRITTEN] = "rbox", [CHART_REMOVED] = "note",
	};
	const struct chart_event *event = box->first;
	char column;

	if (!event)
		return;
	column = event->end == XB_FRONT ? 'f' : 'b';
	msc_time(event, out);
	fprintf(out, ", %c%u %s %c%u [label=\"", column, event->device, shape[event->what], column,
		event->device);
	put_label(box->label, out);
	if (box->lines > MSC_LINES_MAX)
		fprintf(out, "\\nand %u more", box->lines - MSC_LINES_MAX);
	fprintf(out, "\", linecolour=\"%s\"];\n", end_colour[event->end]);
	box->first = NULL;
}

static void msc_state(const struct chart_event *event, FILE *out)
{
	const char *arrow = event->end == XB_FRONT ? "f%u=>b%u" : "b%u=>f%u";

	msc_time(event, out);
	fputs(", ", out);
	fprintf(out, arrow, event->device, event->device);
	fputs(" [label=\"", out);
	put_label(event->value, out);
	fprintf(out, "\", linecolour=\"%s\", textcolour=\"%s\"];\n", end_colour[event->end],
		end_colour[event->end]);
}

static void msc_time(const struct chart_event *event, FILE *out)
{
	fprintf(out, "\tt box t [label=\"%.3f\", linecolour=\"white\"]", event->seconds);
}

/* -- the diagram of states ------------------------------------------------------- */

/*
 * A node for each pair of states that was seen, an arrow for each way from one to
 * another, numbered in the order in which they were gone first.
 */
void chart_write_dot(struct chart *chart, FILE *out)
{
	choose_devices(chart);
	fprintf(out, "// Made by xbwatch; dot -T svg draws it.\ndigraph xbwatch {\n"
		"\tnode [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];\n"
		"\tedge [fontname=\"sans-serif\", fontsize=11];\n");
	for (unsigned int i = 0; i < chart->nr_devices; i++)
		if (chart->device[i].drawn)
			dot_device(chart, i, out);
	if (chart->left_out > 0)
		fprintf(out, "\tleft_out [shape=plaintext, style=\"\", "
			"label=\"%u later changes are left out\"];\n", chart->left_out);
	if (chart->nr_devices == 0)
		fprintf(out, "\tnothing [shape=plaintext, style=\"\", "
			"label=\"no device was seen\"];\n");
	fprintf(out, "}\n");
}

static void dot_device(const struct chart *chart, unsigned int device, FILE *out)
{
	int now[2] = { XB_NO_STATE, XB_NO_STATE };
	struct edges edges = { 0 };
	bool begun = false;

	fprintf(out, "\tsubgraph cluster_%u {\n\t\tlabel=\"%s\"; ", device, chart->device[device].name);
	fprintf(out, "fontname=\"sans-serif\"; color=\"#cccccc\";\n");
	for (unsigned int i = 0; i < chart->nr_events; i++) {
		const struct chart_event *event = &chart->event[i];

		if (event->device != device)
			continue;
		if (event->seconds > 0 && !begun) {
			dot_pair(device, now, true, out);
			begun = true;
		}
		if (event->seconds > 0 && memcmp(now, event->state, sizeof(now))) {
			count_edge(&edges, now, event);
			dot_pair(device, event->state, false, out);
		}
		memcpy(now, event->state, sizeof(now));
	}
	if (!begun)
		dot_pair(device, now, true, out);
	for (unsigned int i = 0; i < edges.nr; i++)
		dot_edge(device, &edges.edge[i], i + 1, out);
	fprintf(out, "\t}\n");
	free(edges.edge);
}

static void count_edge(struct edges *edges, const int from[2], const struct chart_event *event)
{
	struct edge *edge;

	for (unsigned int i = 0; i < edges->nr; i++) {
		edge = &edges->edge[i];
		if (!memcmp(edge->from, from, sizeof(edge->from)) &&
		    !memcmp(edge->to, event->state, sizeof(edge->to))) {
			edge->times++;
			return;
		}
	}
	edges->edge = xb_realloc(edges->edge, (edges->nr + 1) * sizeof(*edge));
	edge = &edges->edge[edges->nr++];
	memcpy(edge->from, from, sizeof(edge->from));
	memcpy(edge->to, event->state, sizeof(edge->to));
	edge->mover = event->end;
	edge->first_seen = event->seconds;
	edge->times = 1;
}

/* dot takes a node that is said twice for one; the start has a thick line. */
static void dot_pair(unsigned int device, const int state[2], bool start, FILE *out)
{
	fputs("\t\t", out);
	dot_name(device, state, out);
	fprintf(out, " [label=\"frontend: %s\\nbackend: %s\", fillcolor=\"%s\"%s];\n",
		xb_state_name(state[XB_FRONT]), xb_state_name(state[XB_BACK]), pair_colour(state),
		start ? ", penwidth=2" : "");
}

static void dot_edge(unsigned int device, const struct edge *edge, unsigned int number, FILE *out)
{
	fputs("\t\t", out);
	dot_name(device, edge->from, out);
	fputs(" -> ", out);
	dot_name(device, edge->to, out);
	fprintf(out, " [label=\"  %u. %s  \\n  %.3f s", number, xb_end_name(edge->mover),
		edge->first_seen);
	if (edge->times > 1)
		fprintf(out, ", %u times", edge->times);
	fprintf(out, "\", color=\"%s\", fontcolor=\"%s\"];\n", end_colour[edge->mover],
		end_colour[edge->mover]);
}

/* No state is -1, no valid one -2: names are made of what is above them. */
static void dot_name(unsigned int device, const int state[2], FILE *out)
{
	fprintf(out, "d%u_%d_%d", device, state[XB_FRONT] - XB_BAD_STATE,
		state[XB_BACK] - XB_BAD_STATE);
}

static const char *pair_colour(const int state[2])
{
	if (state[XB_FRONT] == XenbusStateConnected && state[XB_BACK] == XenbusStateConnected)
		return "#d8f0d8";
	for (int end = XB_FRONT; end <= XB_BACK; end++)
		if (state[end] == XenbusStateClosing || state[end] == XenbusStateClosed ||
		    state[end] == XB_BAD_STATE)
			return "#f6dcdc";
	return "white";
}

/* -- both ------------------------------------------------------------------------ */

/*
 * In a string of either language a quote ends it and a backslash has a meaning; in
 * mscgen's a backslash cannot be had at all. What came from XenStore is printable.
 */
static void put_label(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '"')
			fputc('\'', out);
		else if (*text == '\\')
			fputc('?', out);
		else
			fputc(*text, out);
	}
}

static bool is_state(const struct chart_event *event)
{
	return !strcmp(event->name, "state");
}
