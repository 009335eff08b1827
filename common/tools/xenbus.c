// SPDX-License-Identifier: GPL-2.0
/*
 * What xbwatch and xbdoctor share: see xenbus.h, in whose order this is.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "xenbus.h"

#define DOMAINS	"/local/domain"

static const char *const state_names[] = {
	[XenbusStateUnknown] = "Unknown",
	[XenbusStateInitialising] = "Initialising",
	[XenbusStateInitWait] = "InitWait",
	[XenbusStateInitialised] = "Initialised",
	[XenbusStateConnected] = "Connected",
	[XenbusStateClosing] = "Closing",
	[XenbusStateClosed] = "Closed",
	[XenbusStateReconfiguring] = "Reconfiguring",
	[XenbusStateReconfigured] = "Reconfigured",
};

#define NR_STATES	(sizeof(state_names) / sizeof(state_names[0]))

/* A path that is taken apart from left to right. */
static bool take(const char **at, const char *word);
static bool take_number(const char **at, unsigned int limit, unsigned int *number);
static bool take_type(const char **at, char type[XB_TYPE_MAX]);
static bool take_end(const char **at, struct xb_dir *dir);

static bool named_dir(const char *name, struct xb_dir *dir);

static struct xb_device *device_new(struct xb_devices *devices, const struct xb_dir *dir);
static struct xb_device *device_without(struct xs_handle *xs, struct xb_devices *devices,
					const struct xb_dir *dir);
static bool is_without(struct xs_handle *xs, const struct xb_device *device, enum xb_end end);
static void device_set_end(struct xb_device *device, const struct xb_dir *dir);
static void find_other(struct xs_handle *xs, struct xb_devices *devices, struct xb_device *device,
		       enum xb_end from);
static bool is_of(const struct xb_device *device, const struct xb_dir *dir);

static void scan_domain(struct xs_handle *xs, struct xb_devices *devices,
			const struct xb_select *select, unsigned int domid);
static void scan_level(struct xs_handle *xs, struct xb_devices *devices,
		       const struct xb_select *select, const char *path, unsigned int levels);

static bool read_below(struct xs_handle *xs, const char *dir, const char *name, bool perms,
		       struct xb_nodes *nodes);
static void read_children(struct xs_handle *xs, const char *dir, const char *name, bool perms,
			  struct xb_nodes *nodes);
static int by_name(const void *a, const void *b);
static bool join(char *out, size_t size, const char *dir, const char *name);

static void why_no_xenstore(int error) __attribute__((noreturn));
static bool on_xen(void);
static void say(const char *format, va_list args);

/* -- states ---------------------------------------------------------------- */

const char *xb_state_name(int state)
{
	if (state == XB_NO_STATE)
		return "no state";
	if (state < 0 || state >= (int)NR_STATES)
		return "no valid state";
	return state_names[state];
}

int xb_state_by_name(const char *name)
{
	for (unsigned int state = 0; state < NR_STATES; state++)
		if (!strcasecmp(name, state_names[state]))
			return state;
	return XB_BAD_STATE;
}

int xb_state_value(const char *value)
{
	unsigned int state;

	if (!value)
		return XB_NO_STATE;
	return xb_number(value, NR_STATES, &state) ? (int)state : XB_BAD_STATE;
}

/* -- directories ------------------------------------------------------------ */

const char *xb_end_name(enum xb_end end)
{
	return end == XB_FRONT ? "frontend" : "backend";
}

enum xb_end xb_other(enum xb_end end)
{
	return end == XB_FRONT ? XB_BACK : XB_FRONT;
}

bool xb_dir_parse(const char *path, struct xb_dir *dir, const char **rest)
{
	const char *at = path;

	if (!take(&at, DOMAINS "/") || !take_number(&at, XB_DOMIDS, &dir->domid) ||
	    !take(&at, "/") || !take_end(&at, dir))
		return false;
	if (*at && *at++ != '/')
		return false;
	if (rest)
		*rest = at;
	return true;
}

static bool take(const char **at, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*at, word, len))
		return false;
	*at += len;
	return true;
}

/* "007" would be another node than "7", and is nobody's number. */
static bool take_number(const char **at, unsigned int limit, unsigned int *number)
{
	char digits[11];
	size_t len = strspn(*at, "0123456789");

	if (len == 0 || len >= sizeof(digits) || (len > 1 && **at == '0'))
		return false;
	memcpy(digits, *at, len);
	digits[len] = '\0';
	*at += len;
	return xb_number(digits, limit, number);
}

static bool take_type(const char **at, char type[XB_TYPE_MAX])
{
	size_t len = strspn(*at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_@");

	if (len == 0 || len >= XB_TYPE_MAX)
		return false;
	memcpy(type, *at, len);
	type[len] = '\0';
	*at += len;
	return true;
}

/* The part from "device" or "backend" on. */
static bool take_end(const char **at, struct xb_dir *dir)
{
	if (take(at, "device/")) {
		dir->end = XB_FRONT;
		dir->front_domid = dir->domid;
		return take_type(at, dir->type) && take(at, "/") &&
		       take_number(at, ~0u, &dir->number);
	}
	dir->end = XB_BACK;
	return take(at, "backend/") && take_type(at, dir->type) && take(at, "/") &&
	       take_number(at, XB_DOMIDS, &dir->front_domid) && take(at, "/") &&
	       take_number(at, ~0u, &dir->number);
}

void xb_dir_path(const struct xb_dir *dir, char path[XB_PATH_MAX])
{
	if (dir->end == XB_FRONT)
		snprintf(path, XB_PATH_MAX, DOMAINS "/%u/device/%s/%u", dir->domid, dir->type,
			 dir->number);
	else
		snprintf(path, XB_PATH_MAX, DOMAINS "/%u/backend/%s/%u/%u", dir->domid, dir->type,
			 dir->front_domid, dir->number);
}

void xb_otherend(struct xs_handle *xs, const char *dir, enum xb_end end, char path[XB_PATH_MAX],
		 unsigned int *domid)
{
	char *value = xb_read(xs, dir, end == XB_FRONT ? "backend" : "frontend");

	path[0] = '\0';
	if (value && value[0] == '/' && strlen(value) < XB_PATH_MAX)
		strcpy(path, value);
	free(value);

	value = xb_read(xs, dir, end == XB_FRONT ? "backend-id" : "frontend-id");
	if (!value || !xb_number(value, XB_DOMIDS, domid))
		*domid = XB_DOMIDS;
	free(value);
}

/* "/local/domain/1/device/vif/0" has "/local/domain/1/error/device/vif/0/error". */
char *xb_read_error(struct xs_handle *xs, const char *dir)
{
	char path[2 * XB_PATH_MAX];
	const char *at = dir;
	unsigned int domid;

	if (!take(&at, DOMAINS "/") || !take_number(&at, XB_DOMIDS, &domid))
		return NULL;
	snprintf(path, sizeof(path), DOMAINS "/%u/error%.*s", domid, XB_PATH_MAX, at);
	return xb_read(xs, path, "error");
}

bool xb_error_parse(const char *path, struct xb_dir *dir)
{
	const char *at = path;

	return take(&at, DOMAINS "/") && take_number(&at, XB_DOMIDS, &dir->domid) &&
	       take(&at, "/error/") && take_end(&at, dir) && !strcmp(at, "/error");
}

/* -- devices ----------------------------------------------------------------- */

bool xb_select_parse(const char *operand, struct xb_select *select)
{
	const char *at = operand;

	memset(select, 0, sizeof(*select));
	select->domid = XB_DOMIDS;
	if (!operand)
		return true;
	if (operand[0] && !operand[strspn(operand, "0123456789")])
		return xb_number(operand, XB_DOMIDS, &select->domid);
	select->exact = xb_dir_parse(operand, &select->dir, NULL) ||
			named_dir(operand, &select->dir);
	return select->exact || (take_type(&at, select->type) && !*at);
}

/* "mydevice-1-0": a type may have hyphens of its own, so the last two count. */
static bool named_dir(const char *name, struct xb_dir *dir)
{
	const char *number = strrchr(name, '-');
	const char *domid = number ? memrchr(name, '-', number - name) : NULL;
	char path[2 * XB_PATH_MAX];
	const char *rest;

	if (!domid || strlen(name) >= XB_PATH_MAX)
		return false;
	snprintf(path, sizeof(path), DOMAINS "/%.*s/device/%.*s/%s", (int)(number - domid - 1),
		 domid + 1, (int)(domid - name), name, number + 1);
	return xb_dir_parse(path, dir, &rest) && !*rest;
}

bool xb_select_own(const char *operand, unsigned int own, struct xb_select *select)
{
	const char *hyphen = operand ? strrchr(operand, '-') : NULL;
	char name[2 * XB_NAME_MAX];
	unsigned int number;

	if (!hyphen || strlen(operand) >= XB_NAME_MAX || !xb_number(hyphen + 1, ~0u, &number))
		return false;
	snprintf(name, sizeof(name), "%.*s-%u%s", (int)(hyphen - operand), operand, own, hyphen);
	return xb_select_parse(name, select) && select->exact;
}

bool xb_selected(const struct xb_select *select, const struct xb_dir *dir)
{
	if (select->exact)
		return dir->front_domid == select->dir.front_domid &&
		       dir->number == select->dir.number && !strcmp(dir->type, select->dir.type);
	if (select->type[0])
		return !strcmp(dir->type, select->type);
	return select->domid == XB_DOMIDS || select->domid == dir->domid ||
	       select->domid == dir->front_domid;
}

struct xb_device *xb_devices_add(struct xs_handle *xs, struct xb_devices *devices,
				 const struct xb_dir *dir)
{
	char path[XB_PATH_MAX];
	struct xb_device *device;
	enum xb_end end;

	xb_dir_path(dir, path);
	device = xb_devices_find(devices, path, &end);
	if (!device) {
		device = device_without(xs, devices, dir);
		if (!device)
			device = device_new(devices, dir);
		device_set_end(device, dir);
	}
	find_other(xs, devices, device, dir->end);
	return device;
}

/* A device of that name whose end of that kind is not known, or no more there. */
static struct xb_device *device_without(struct xs_handle *xs, struct xb_devices *devices,
					const struct xb_dir *dir)
{
	for (unsigned int i = 0; i < devices->nr; i++) {
		struct xb_device *device = devices->device[i];

		if (is_of(device, dir) && is_without(xs, device, dir->end))
			return device;
	}
	return NULL;
}

static bool is_without(struct xs_handle *xs, const struct xb_device *device, enum xb_end end)
{
	bool missing;
	char *value;

	if (!device->path[end][0])
		return true;
	value = xb_read(xs, device->path[end], "");
	missing = !value && errno == ENOENT;
	free(value);
	return missing;
}

static bool is_of(const struct xb_device *device, const struct xb_dir *dir)
{
	return device->dir.front_domid == dir->front_domid && device->dir.number == dir->number &&
	       !strcmp(device->dir.type, dir->type);
}

static struct xb_device *device_new(struct xb_devices *devices, const struct xb_dir *dir)
{
	struct xb_device *device = xb_realloc(NULL, sizeof(*device));

	memset(device, 0, sizeof(*device));
	device->dir = *dir;
	device->domid[XB_FRONT] = dir->front_domid;
	device->domid[XB_BACK] = XB_DOMIDS;
	snprintf(device->name, sizeof(device->name), "%s-%u-%u", dir->type, dir->front_domid,
		 dir->number);
	devices->device = xb_realloc(devices->device,
				     (devices->nr + 1) * sizeof(*devices->device));
	devices->device[devices->nr++] = device;
	return device;
}

static void device_set_end(struct xb_device *device, const struct xb_dir *dir)
{
	xb_dir_path(dir, device->path[dir->end]);
	device->domid[dir->end] = dir->domid;
	if (dir->end == XB_FRONT)
		device->dir = *dir;
}

/*
 * The other end as this one's nodes name it. Its word counts only if the path that it
 * gives is one for this very device, and nobody else's yet; the console alone has its
 * frontend in a place of its own.
 */
static void find_other(struct xs_handle *xs, struct xb_devices *devices, struct xb_device *device,
		       enum xb_end from)
{
	enum xb_end to = xb_other(from), ignored;
	char path[XB_PATH_MAX];
	char console[XB_PATH_MAX];
	struct xb_dir dir;
	unsigned int domid;

	if (!is_without(xs, device, to))
		return;
	xb_otherend(xs, device->path[from], from, path, &domid);
	if (!path[0] || xb_devices_find(devices, path, &ignored))
		return;
	snprintf(console, sizeof(console), DOMAINS "/%u/console", device->dir.front_domid);
	if (xb_dir_parse(path, &dir, NULL) && dir.end == to && is_of(device, &dir))
		device_set_end(device, &dir);
	else if (to == XB_FRONT && !strcmp(path, console))
		strcpy(device->path[to], path);
}

void xb_devices_scan(struct xs_handle *xs, struct xb_devices *devices,
		     const struct xb_select *select)
{
	unsigned int nr, own, domid;
	char **domains = xs_directory(xs, XBT_NULL, DOMAINS, &nr);

	if (!domains) {
		if (xb_own_domid(xs, &own))
			scan_domain(xs, devices, select, own);
		return;
	}
	for (unsigned int i = 0; i < nr; i++)
		if (xb_number(domains[i], XB_DOMIDS, &domid))
			scan_domain(xs, devices, select, domid);
	free(domains);
}

/* Backends are a level deeper: below the type comes the frontend's domain. */
static void scan_domain(struct xs_handle *xs, struct xb_devices *devices,
			const struct xb_select *select, unsigned int domid)
{
	char path[XB_PATH_MAX];

	snprintf(path, sizeof(path), DOMAINS "/%u/device", domid);
	scan_level(xs, devices, select, path, 2);
	snprintf(path, sizeof(path), DOMAINS "/%u/backend", domid);
	scan_level(xs, devices, select, path, 3);
}

/*
 * Go down so many levels and see whether a device's directory is there. The other
 * end is added, too: a domU cannot list the backends, but may read its own.
 */
static void scan_level(struct xs_handle *xs, struct xb_devices *devices,
		       const struct xb_select *select, const char *path, unsigned int levels)
{
	char below[XB_PATH_MAX];
	struct xb_dir dir;
	unsigned int nr;
	char **names;

	if (levels == 0) {
		if (xb_dir_parse(path, &dir, NULL) && xb_selected(select, &dir))
			xb_devices_add(xs, devices, &dir);
		return;
	}
	names = xs_directory(xs, XBT_NULL, path, &nr);
	for (unsigned int i = 0; names && i < nr; i++)
		if (join(below, sizeof(below), path, names[i]))
			scan_level(xs, devices, select, below, levels - 1);
	free(names);
}

void xb_devices_free(struct xb_devices *devices)
{
	for (unsigned int i = 0; i < devices->nr; i++)
		free(devices->device[i]);
	free(devices->device);
	memset(devices, 0, sizeof(*devices));
}

struct xb_device *xb_devices_find(const struct xb_devices *devices, const char *path,
				  enum xb_end *end)
{
	for (unsigned int i = 0; i < devices->nr; i++) {
		for (int e = XB_FRONT; e <= XB_BACK; e++) {
			const char *dir = devices->device[i]->path[e];
			size_t len = strlen(dir);

			if (len > 0 && !strncmp(path, dir, len) &&
			    (path[len] == '\0' || path[len] == '/')) {
				*end = e;
				return devices->device[i];
			}
		}
	}
	return NULL;
}

/* -- nodes ------------------------------------------------------------------- */

bool xb_nodes_read(struct xs_handle *xs, const char *dir, const char *below, bool perms,
		   struct xb_nodes *nodes)
{
	memset(nodes, 0, sizeof(*nodes));
	if (!read_below(xs, dir, below, perms, nodes))
		return false;
	qsort(nodes->node, nodes->nr, sizeof(nodes->node[0]), by_name);
	return true;
}

/* One node, then what is below it. False if it is not there or nothing for us. */
static bool read_below(struct xs_handle *xs, const char *dir, const char *name, bool perms,
		       struct xb_nodes *nodes)
{
	char path[XENSTORE_ABS_PATH_MAX + 1];
	struct xb_node *node;
	struct xb_node read = { 0 };

	if (nodes->nr >= XB_NODES_MAX || !join(path, sizeof(path), dir, name)) {
		nodes->more = true;
		return false;
	}
	read.value = xs_read(xs, XBT_NULL, path, &read.len);
	if (!read.value) {
		read.error = errno;
		if (read.error != EACCES || nodes->nr == 0) {
			errno = read.error;
			return false;
		}
	}
	if (perms)
		read.perms = xs_get_permissions(xs, XBT_NULL, path, &read.nr_perms);
	read.name = xb_strdup(name);
	if (nodes->nr % 64 == 0)
		nodes->node = xb_realloc(nodes->node, (nodes->nr + 64) * sizeof(*node));
	node = &nodes->node[nodes->nr++];
	*node = read;
	read_children(xs, dir, name, perms, nodes);
	return true;
}

static void read_children(struct xs_handle *xs, const char *dir, const char *name, bool perms,
			  struct xb_nodes *nodes)
{
	char path[XENSTORE_ABS_PATH_MAX + 1];
	unsigned int nr = 0;
	char **names = NULL;

	if (join(path, sizeof(path), dir, name))
		names = xs_directory(xs, XBT_NULL, path, &nr);
	for (unsigned int i = 0; names && i < nr && !nodes->more; i++)
		if (join(path, sizeof(path), name, names[i]))
			read_below(xs, dir, path, perms, nodes);
	free(names);
}

static int by_name(const void *a, const void *b)
{
	const struct xb_node *left = a, *right = b;

	return strcmp(left->name, right->name);
}

/* dir/name, or the one of them that is not empty; false if that is too long. */
static bool join(char *out, size_t size, const char *dir, const char *name)
{
	int len = snprintf(out, size, "%s%s%s", dir, *dir && *name ? "/" : "", name);

	return len >= 0 && (size_t)len < size;
}

void xb_nodes_free(struct xb_nodes *nodes)
{
	for (unsigned int i = 0; i < nodes->nr; i++) {
		free(nodes->node[i].name);
		free(nodes->node[i].value);
		free(nodes->node[i].perms);
	}
	free(nodes->node);
	memset(nodes, 0, sizeof(*nodes));
}

const struct xb_node *xb_nodes_find(const struct xb_nodes *nodes, const char *name)
{
	for (unsigned int i = 0; i < nodes->nr; i++)
		if (!strcmp(nodes->node[i].name, name))
			return &nodes->node[i];
	return NULL;
}

char *xb_read(struct xs_handle *xs, const char *dir, const char *name)
{
	char path[XENSTORE_ABS_PATH_MAX + 1];
	unsigned int len;

	if (!join(path, sizeof(path), dir, name))
		return NULL;
	return xs_read(xs, XBT_NULL, path, &len);
}

void xb_domain_name(struct xs_handle *xs, unsigned int domid, char name[XB_NAME_MAX])
{
	char path[XB_PATH_MAX];
	char *value;

	snprintf(path, sizeof(path), DOMAINS "/%u", domid);
	value = xb_read(xs, path, "name");
	xb_printable(name, XB_NAME_MAX, value ? value : "", value ? strlen(value) : 0);
	free(value);
}

/* A path without a slash at the beginning is in the own domain's directory. */
bool xb_own_domid(struct xs_handle *xs, unsigned int *domid)
{
	char *value = xb_read(xs, "", "domid");
	bool known = value && xb_number(value, XB_DOMIDS, domid);

	free(value);
	return known;
}

/* -- speaking to the user ------------------------------------------------------ */

struct xs_handle *xb_open(void)
{
	struct xs_handle *xs = xs_open(0);

	if (!xs)
		why_no_xenstore(errno);
	return xs;
}

/* XenBus is part of the kernel itself; there is no module to load for it. */
static void why_no_xenstore(int error)
{
	if (error == EACCES || error == EPERM)
		xb_die(EX_NOPERM, "opening XenStore needs root: %s", strerror(error));
	if (!on_xen())
		xb_die(EX_UNAVAILABLE, "no XenStore: this machine does not run on Xen");
	if (access("/dev/xen/xenbus", F_OK) && access("/proc/xen/xenbus", F_OK))
		xb_die(EX_UNAVAILABLE, "/dev/xen/xenbus does not exist; try:\n"
		       "    mount -t devtmpfs devtmpfs /dev\n"
		       "or, for the older /proc/xen/xenbus:\n"
		       "    modprobe xenfs && mount -t xenfs xenfs /proc/xen");
	xb_die(EX_UNAVAILABLE, "XenStore does not answer: %s. In dom0, is xenstored or oxenstored running?\n"
	       "    service xen start     (on Debian; elsewhere: service xencommons start)",
	       strerror(error));
}

static bool on_xen(void)
{
	return !access("/proc/xen", F_OK) || !access("/sys/hypervisor/type", F_OK) ||
	       !access("/dev/xen", F_OK);
}

void xb_die(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	exit(status);
}

void xb_usage_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	xb_see_help();
}

void xb_see_help(void)
{
	fprintf(stderr, "    See: %s --help\n", program_invocation_short_name);
	exit(EX_USAGE);
}

static void say(const char *format, va_list args)
{
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

bool xb_number(const char *text, unsigned int limit, unsigned int *number)
{
	unsigned long long n;

	if (!text[0] || text[strspn(text, "0123456789")] || strlen(text) > 10)
		return false;
	n = strtoull(text, NULL, 10);
	*number = n;
	return n < limit;
}

char *xb_printable(char *out, size_t size, const char *value, size_t len)
{
	static const char letters[] = "abtnvfr";	/* 7 to 13, in this order */
	size_t used = 0, last_fit = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = value[i];
		char one[5];
		size_t n;

		if (c == '\\')
			n = snprintf(one, sizeof(one), "\\\\");
		else if (c >= ' ' && c <= '~')
			n = snprintf(one, sizeof(one), "%c", c);
		else if (c >= 7 && c <= 13)
			n = snprintf(one, sizeof(one), "\\%c", letters[c - 7]);
		else if (c == 27)
			n = snprintf(one, sizeof(one), "\\e");
		else
			n = snprintf(one, sizeof(one), "\\x%02x", c);
		/* Where "..." and the end still fit. */
		if (used + 4 <= size)
			last_fit = used;
		if (used + n + 1 > size) {
			snprintf(out + last_fit, size - last_fit, "...");
			return out;
		}
		memcpy(out + used, one, n);
		used += n;
	}
	out[used] = '\0';
	return out;
}

static bool coloured;

void xb_colour_init(FILE *out)
{
	const char *none = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");

	coloured = isatty(fileno(out)) && !(none && *none) &&
		   !(terminal && !strcmp(terminal, "dumb"));
}

const char *xb_colour(enum xb_colour colour)
{
	static const char *const sequences[] = {
		[XB_PLAIN] = "\033[0m",
		[XB_BOLD] = "\033[1m",
		[XB_DIM] = "\033[2m",
		[XB_RED] = "\033[31m",
		[XB_GREEN] = "\033[32m",
		[XB_YELLOW] = "\033[33m",
		[XB_CYAN] = "\033[36m",
	};

	return coloured ? sequences[colour] : "";
}

enum xb_colour xb_state_colour(int state)
{
	switch (state) {
	case XenbusStateConnected:
		return XB_GREEN;
	case XenbusStateClosing:
	case XenbusStateClosed:
	case XB_BAD_STATE:
		return XB_RED;
	case XB_NO_STATE:
		return XB_PLAIN;
	default:
		return XB_YELLOW;
	}
}

void *xb_realloc(void *old, size_t size)
{
	void *memory = realloc(old, size);

	if (!memory)
		xb_die(EX_OSERR, "no memory");
	return memory;
}

char *xb_strdup(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(xb_realloc(NULL, size), text, size);
}
