/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What xbwatch and xbdoctor share: states by name, the directories that a device
 * has in XenStore, their nodes, and how the two programs speak to a user.
 *
 * What is read from XenStore may be anything: a guest writes what it likes in its
 * own directories. Nothing here trusts it, and xb_printable() comes before
 * every printf() of it.
 */
#ifndef XENBUS_H
#define XENBUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sysexits.h>

#include <xen/io/xenbus.h>
#include <xenstore.h>

/* -- states ---------------------------------------------------------------- */

/* What is no value of enum xenbus_state: no such node, or nonsense in it. */
#define XB_NO_STATE	-1
#define XB_BAD_STATE	-2

/* "Connected" for 4, "no state" and "no valid state" for the two above. */
const char *xb_state_name(int state);

/* The state of that name, upper or lower case, or XB_BAD_STATE. */
int xb_state_by_name(const char *name);

/* What a node's value says: "4" is Connected; XB_NO_STATE for NULL. */
int xb_state_value(const char *value);

/* -- directories ------------------------------------------------------------ */

enum xb_end { XB_FRONT, XB_BACK };

/* "frontend", "backend" */
const char *xb_end_name(enum xb_end end);
enum xb_end xb_other(enum xb_end end);

/* A domain's number is less than this (DOMID_FIRST_RESERVED). */
#define XB_DOMIDS	0x7ff0u
/* Longer types are no devices: the kernel has 20 characters for type and number. */
#define XB_TYPE_MAX	20
#define XB_PATH_MAX	128
#define XB_NAME_MAX	64

/**
 * struct xb_dir - what the path of an end's directory says
 * @end:	which end's it is
 * @domid:	the domain that this end is in
 * @front_domid: the frontend's domain: the same as @domid for a frontend
 * @type:	the type of device: "vif", "mydevice"
 * @number:	the device's number: the N in the paths
 *
 *	frontend  /local/domain/DOMID/device/TYPE/N
 *	backend   /local/domain/DOMID/backend/TYPE/FRONT-DOMID/N
 */
struct xb_dir {
	enum xb_end end;
	unsigned int domid;
	unsigned int front_domid;
	char type[XB_TYPE_MAX];
	unsigned int number;
};

/*
 * Is this the path of an end's directory, or of something inside it? If so,
 * *rest (unless NULL) is what comes after the directory: "" or "state" or
 * "queue-0/ring-ref", a part of @path.
 */
bool xb_dir_parse(const char *path, struct xb_dir *dir, const char **rest);

/* The path again. */
void xb_dir_path(const struct xb_dir *dir, char path[XB_PATH_MAX]);

/*
 * The other end's directory as this end's nodes name it ("backend" in a
 * frontend's, "frontend" in a backend's) and the domain as "backend-id" or
 * "frontend-id" have it. A node that is missing, or unusable as what it is to
 * be, gives "" and XB_DOMIDS. Nothing more is checked: a guest may have written it.
 */
void xb_otherend(struct xs_handle *xs, const char *dir, enum xb_end end,
		 char path[XB_PATH_MAX], unsigned int *domid);

/*
 * What xenbus_dev_error() of the end's kernel wrote about it last, which is kept in
 * error/ of the end's domain, not in the directory; NULL if nothing. free() it.
 */
char *xb_read_error(struct xs_handle *xs, const char *dir);

/* Is this the path of such a node? Then *dir is whose it is. */
bool xb_error_parse(const char *path, struct xb_dir *dir);

/* -- devices ----------------------------------------------------------------- */

/**
 * struct xb_device - both ends of a device, as far as they are known
 * @name:	"mydevice-1-0", as the backend's kernel calls it: type, frontend's
 *		domain, number
 * @path:	the two ends' directories by enum xb_end, "" where it is not known;
 *		whether it exists is another question
 * @dir:	the frontend's or, if that is not known, the backend's path in parts
 * @domid:	the two ends' domains, XB_DOMIDS where it is not known
 * @own:	for the program
 */
struct xb_device {
	char name[XB_NAME_MAX];
	char path[2][XB_PATH_MAX];
	struct xb_dir dir;
	unsigned int domid[2];
	void *own;
};

struct xb_devices {
	struct xb_device **device;
	unsigned int nr;
};

/**
 * struct xb_select - which devices a user means
 * @domid:	those with an end in this domain, XB_DOMIDS for all
 * @type:	those of this type, "" for all
 * @exact:	the one device with this frontend's domain (@dir.front_domid), type
 *		and number only
 * @dir:	see @exact
 */
struct xb_select {
	unsigned int domid;
	char type[XB_TYPE_MAX];
	bool exact;
	struct xb_dir dir;
};

/*
 * What an operand means: NULL (all devices), a domain's number, a type, a name
 * such as mydevice-1-0, or the path of either end's directory or a node in it.
 * False if it is none of these.
 */
bool xb_select_parse(const char *operand, struct xb_select *select);

/*
 * "mydevice-0", as a guest's kernel calls its frontends: false if it is no such name. It is
 * also the name of a type, though not of any that there is.
 */
bool xb_select_own(const char *operand, unsigned int own, struct xb_select *select);
bool xb_selected(const struct xb_select *select, const struct xb_dir *dir);

/*
 * The device that this directory is an end of: one that is known, or a new one.
 * The other end is the one that the directory's nodes name, if they name one
 * that fits: a guest cannot attach its frontend to another device's backend.
 */
struct xb_device *xb_devices_add(struct xs_handle *xs, struct xb_devices *devices,
				 const struct xb_dir *dir);

/*
 * Add all that there are now. A domU sees its own frontends, the backends that
 * those name, and the backends in itself; dom0 sees everything.
 */
void xb_devices_scan(struct xs_handle *xs, struct xb_devices *devices,
		     const struct xb_select *select);
void xb_devices_free(struct xb_devices *devices);

/* The device that has this path in one of its ends' directories, or NULL. */
struct xb_device *xb_devices_find(const struct xb_devices *devices, const char *path,
				  enum xb_end *end);

/* -- nodes ------------------------------------------------------------------- */

/* More are not read from one directory: a guest may make as many as it has quota for. */
#define XB_NODES_MAX	1024

/**
 * struct xb_node - one node
 * @name:	its path below the directory: "state", "queue-0/tx-ring-ref"; "" is
 *		the directory itself
 * @value:	its value, ended by a NUL that is no part of it; NULL: not readable
 * @len:	the value's length; it may have NULs of its own
 * @perms:	owner and permissions as xs_get_permissions() has them, or NULL
 * @nr_perms:	how many these are
 * @error:	why there is no value: an errno
 */
struct xb_node {
	char *name;
	char *value;
	unsigned int len;
	struct xs_permissions *perms;
	unsigned int nr_perms;
	int error;
};

/**
 * struct xb_nodes - a directory with all that is below it
 * @node:	sorted by name: [0] is the directory itself
 * @nr:		how many
 * @more:	there are more than XB_NODES_MAX, which are left out
 */
struct xb_nodes {
	struct xb_node *node;
	unsigned int nr;
	bool more;
};

/*
 * Read the directory @dir from @below on ("" for all of it), with permissions if
 * @perms. False if there is nothing there, or nothing that we may read: errno
 * (ENOENT, EACCES) says which. No transaction: two nodes may be of different times.
 */
bool xb_nodes_read(struct xs_handle *xs, const char *dir, const char *below, bool perms,
		   struct xb_nodes *nodes);
void xb_nodes_free(struct xb_nodes *nodes);
const struct xb_node *xb_nodes_find(const struct xb_nodes *nodes, const char *name);

/* The value of DIR/NAME, or NULL; free() it. */
char *xb_read(struct xs_handle *xs, const char *dir, const char *name);

/* A domain's name, made printable; "" if there is none that we may read. */
void xb_domain_name(struct xs_handle *xs, unsigned int domid, char name[XB_NAME_MAX]);

/* The number of the domain that this runs in. */
bool xb_own_domid(struct xs_handle *xs, unsigned int *domid);

/* -- speaking to the user ------------------------------------------------------ */

/* Open XenStore, or say why not and what to do, and exit. */
struct xs_handle *xb_open(void);

/* "PROGRAM: message" on standard error, and exit with a status of sysexits.h. */
void xb_die(int status, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* The same with EX_USAGE, and where to read how it is right. */
void xb_usage_error(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* That alone, for what getopt_long() has told already. */
void xb_see_help(void) __attribute__((noreturn));

/* A decimal number less than @limit, digits only. */
bool xb_number(const char *text, unsigned int limit, unsigned int *number);

/*
 * A value for the terminal: printable ASCII as it is, all else (control characters,
 * bytes above 126) as \n, \t, \e, \xNN, and a backslash as two. What does not
 * fit into @size is cut off, and "..." says so. Returns @out.
 */
char *xb_printable(char *out, size_t size, const char *value, size_t len);

enum xb_colour { XB_PLAIN, XB_BOLD, XB_DIM, XB_RED, XB_GREEN, XB_YELLOW, XB_CYAN };

/* Colour on @out? Yes on a terminal that can, unless NO_COLOR is set. */
void xb_colour_init(FILE *out);
/* The sequence that begins a colour, XB_PLAIN ends it; "" where there is none. */
const char *xb_colour(enum xb_colour colour);
enum xb_colour xb_state_colour(int state);

/* malloc() and its kin, which do not return without memory. */
void *xb_realloc(void *old, size_t size);
char *xb_strdup(const char *text);

#endif /* XENBUS_H */
