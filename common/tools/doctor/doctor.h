/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of xbdoctor share. Each part is a file of this directory and looks
 * at one kind of evidence; xbdoctor.c calls them in turn, and report.c puts what they
 * found in order.
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <limits.h>
#include <stdint.h>

#include "../xenbus.h"

#define SHOWN		160	/* what is shown of a value, at most */

/* -- what can be found -------------------------------------------------------- */

/*
 * All findings. Their order is their rank: what explains more comes first, what is
 * most often a consequence of something else comes last. report.c has the section of
 * docs/troubleshooting.md for each.
 */
enum finding {
	/* This kernel is ill, and no device of its domain can be well. */
	KERNEL_BUG, XENWATCH_DEAD, XENWATCH_BLOCKED,
	/* A domain or a process does not run. */
	DOMAIN_DYING, DOMAIN_PAUSED, STALE_NODES, BACKEND_GONE, PROCESS_STOPPED,
	/* A limit is reached. */
	QUOTA_TRANSACTIONS, QUOTA_WATCHES, QUOTA_NODES, PORT_LIMIT, GRANT_LIMIT,
	MAPTRACK_LIMIT, GNTALLOC_LIMIT, GNTDEV_LIMIT, NO_XEN_DEVICE,
	/* The device is not there, or not as it has to be. */
	NO_DEVICE, SIMILAR_TYPE, HALF_DEVICE, NODE_MISSING, ID_MISMATCH, POINTER_MISMATCH,
	WRONG_OWNER, PEER_CANNOT_READ, BAD_NUMBER, BAD_STATE,
	/* The two ends do not fit together. */
	MIXED_STAGES, BAD_VERSION, NOT_PUBLISHED, BAD_ORDER, HOTPLUG, ERROR_NODE,
	/* Nothing drives an end, or what does has lost the other. */
	CONNECTED_DEAD, STATE_OVERWRITTEN, TWO_DRIVERS, PROCESS_GONE, NOT_REGISTERED,
	NO_DRIVER, NOT_BOUND, LOST_WAKEUP,
	/* It does not go on. */
	RESTLESS, NEVER_PROBED, STUCK_INITIALISING, STUCK_INITWAIT, STUCK_INITIALISED,
	STUCK_CONNECTED, STUCK_CLOSING, STUCK_CLOSED, STUCK_RECONFIGURING, CLOSED,
	/* It works today. */
	PEER_CAN_WRITE, NOT_ONLINE, NOT_A_DEVICE, WRONG_DOMAIN, OLD_ERROR,
	NR_FINDINGS
};

/* A NOTE is worth knowing and no finding: with notes alone all is healthy. */
enum severity { NOTE, WARNING, ERROR };

struct patient;

/* A line: how bad, of which device (NULL: of this domain), what. */
void finding(struct patient *patient, enum severity severity, enum finding what,
	     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A line below the last finding: what to type, and in which domain if not in this one. */
void advice(unsigned int domid, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * The same, of what begins a connection again. It is left out if this kernel
 * cannot do that, and comes second if there is something to mend before.
 */
void advice_again(unsigned int domid, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A line below the last finding that is no command. */
void remark(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Has this kernel crashed in part, or does xenwatch not serve it? */
bool kernel_is_ill(void);

bool has_finding(const struct patient *patient, enum finding what);

/* What there was that could not be looked at. */
enum unseen {
	FOREIGN_DRIVERS = 1, FOREIGN_ERRORS = 2, DOMAINS = 4, MORE_NODES = 8, KERNEL_LOG = 16,
	THREADS = 32, RINGS = 64,
};

/* -- a device ------------------------------------------------------------------- */

/**
 * struct side - one end of a device, as it was found
 * @end:	which
 * @path:	its directory
 * @domid:	the domain that this directory belongs to
 * @nodes:	what is in it
 * @error:	why there is nothing to see: an errno, or 0
 * @state:	as xb_state_value() has it
 */
struct side {
	enum xb_end end;
	char path[XB_PATH_MAX];
	unsigned int domid;
	struct xb_nodes nodes;
	int error;
	int state;
};

/**
 * struct kind - what is known about devices of a type
 * @type:	the type
 * @driver:	the kernel's drivers, by end, as /sys/bus/.../drivers has them; NULL
 *		for a type of which nothing is known
 * @module:	the modules that these are in
 * @xl:		xl's word for such a device: "network" of network-attach
 * @offers:	what a backend has written once it is in InitWait
 * @publishes:	what a frontend has written once it is in Initialised; "a|b" is
 *		one of the two
 * @together:	pairs: a frontend that has written the first has the second, too
 * @orders:	sizes that may not exceed the backend's max-ring-page-order
 *
 * Drivers that serve several queues write most of these in queue-0, queue-1, ...
 */
struct kind {
	const char *type;
	const char *driver[2];
	const char *module[2];
	const char *xl;
	const char *offers[3];
	const char *publishes[4];
	const char *together[6][2];
	const char *orders[3];
};

/**
 * struct patient - a device that is looked at
 * @name:	as this domain's kernel calls it: mydevice-1-0, or in the guest mydevice-0
 * @type:	the frontend's type; a backend may have another (qdisk for vbd)
 * @number:	the device's number
 * @kind:	what is known of this type
 * @side:	the two ends, by enum xb_end
 * @since:	when the states last changed, in ms
 * @settled:	they have not changed for as long as is waited
 * @findings:	how many there were, without notes
 */
struct patient {
	char name[XB_NAME_MAX];
	char type[XB_TYPE_MAX];
	unsigned int number;
	const struct kind *kind;
	struct side side[2];
	uint64_t since;
	bool settled;
	unsigned int findings;
};

struct patients {
	struct patient *patient;
	unsigned int nr;
};

/*
 * The program's own. The strings are what a stage's make says of itself, in the
 * environment: @stage and @where decide which commands are printed.
 */
extern struct doctor {
	struct xs_handle *xs;
	unsigned int own;	/* the domain that this runs in */
	unsigned int wait;	/* s */
	unsigned int unseen;
	const char *stage;	/* "03-shared-memory", or NULL */
	const char *where;	/* "lab", "host", or NULL */
} doctor;

/* -- device.c -------------------------------------------------------------------- */

void kinds_init(void);
bool is_ours(const struct patient *patient);
const struct kind *kind_of(const char *type);
const struct kind *stage_kind(void);
/* Does a line of the kernel's log speak of one of the stage's modules? */
bool names_ours(const char *text);
void find_sides(struct patient *patient, const struct xb_device *device);
bool look_at_state(struct patient *patient);
bool connected(const struct patient *patient);
const struct xb_node *node_of(const struct side *side, const char *name);
bool is_text(const struct xb_node *node, const char *text);
bool number_of(const struct side *side, const char *name, unsigned int limit,
	       unsigned int *number);
unsigned int writer_of(const struct side *side);
const char *pointer_name(enum xb_end end);
const char *id_name(enum xb_end end);
bool has_published(const struct side *front);

/* Advice that several checks give. */
void advice_activate(const struct patient *patient);
/* The same, of a device that nothing drives at this end any more. */
void advice_drive(const struct patient *patient, const struct side *side);
void advice_probe(const struct patient *patient);
void advice_chmod(const struct patient *patient, const struct side *side);
void advice_reset(void);
/* How a device of the stage is made that is not there. */
void advice_first(const char *type);
/* limits.c: an end could not have what it needed, or could not write so much. */
void advice_refused(const struct patient *patient, const struct side *side, enum finding limit);
void advice_shorter(const struct patient *patient, const struct side *side);
/* The limit that kept a process of this domain from mapping, or ERROR_NODE. */
enum finding limit_of_mapping(unsigned int domid);

/*
 * -- the checks: of this domain, and of a device. One of a device that returns false
 * has found that more would be of no use.
 */
void check_kernel_log(void);				/* kernel.c */
void check_xenwatch(void);
void xenwatch_does_not_answer(void);
void check_limits(const struct patients *patients);	/* limits.c */
void check_dying(void);					/* domain.c */
void check_files(void);					/* rings.c */
void check_wrong_domain(void);				/* driver.c */
bool check_domains(struct patient *patient);		/* domain.c */
bool check_paused(struct patient *patient);
bool check_both_there(struct patient *patient);		/* nodes.c */
bool check_nodes_there(struct patient *patient);
bool check_ids(struct patient *patient);
bool check_pointers(struct patient *patient);
bool check_owners(struct patient *patient);
bool check_writers(struct patient *patient);
bool check_readers(struct patient *patient);
bool check_numbers(struct patient *patient);
bool check_states_valid(struct patient *patient);
bool check_online(struct patient *patient);
bool check_error_nodes(struct patient *patient);	/* errors.c */
bool check_published(struct patient *patient);		/* published.c */
bool check_together(struct patient *patient);
bool check_version(struct patient *patient);
bool check_orders(struct patient *patient);
bool check_hotplug(struct patient *patient);
bool check_port(struct patient *patient);
bool check_process(struct patient *patient);		/* process.c */
bool check_alive(struct patient *patient);		/* driver.c */
bool check_overwritten(struct patient *patient);
bool check_drivers(struct patient *patient);
bool check_rings(struct patient *patient);		/* rings.c */
bool check_progress(struct patient *patient);		/* states.c */

/* -- what they use of each other --------------------------------------------------- */

/* states.c: has this end to move, for the device to go on? */
bool has_to_move(const struct patient *patient, enum xb_end end);

/* driver.c */
const char *bus_of(enum xb_end end);
void bus_name(const struct patient *patient, const struct side *side, char name[XB_NAME_MAX]);
void node_name(const struct patient *patient, const struct side *side, char name[XB_NAME_MAX]);
bool is_bound(const struct patient *patient, const struct side *side);
void advice_bind(const struct patient *patient, const struct side *side);
bool driver_of(const struct patient *patient, const struct side *side, char name[XB_NAME_MAX]);
bool driver_for(const struct patient *patient, enum xb_end end, char name[XB_NAME_MAX]);
bool any_driver(enum xb_end end, bool (*match)(const char *driver, const void *with),
		const void *with);

/* kernel.c: the last line of this kernel's log that has both words in it. */
bool log_has(const char *word, const char *other, char line[SHOWN]);

/* domain.c: the letters of xl list ("-b----") for a domain, as they were found first. */
void domains_look(void);
bool is_gone(unsigned int domid);
bool is_dying(unsigned int domid);

/**
 * struct task - a process, or a thread of one
 * @pid:	its number
 * @comm:	its name
 * @state:	R, S, D, T, Z
 * @command:	its command line, made printable
 */
struct task {
	int pid;
	char comm[32];
	char state;
	char command[SHOWN];
};

/* process.c: for every process; stops when @each returns true, and returns that. */
bool each_process(bool (*each)(const struct task *task, void *with), void *with);
bool task_of(int pid, int tid, struct task *task);
/*
 * A process that does not run, though it lives: why, "stopped" or "frozen", and the command that
 * lets it go on. NULL if it may run.
 */
const char *why_held(const struct task *task, char cure[PATH_MAX]);
/* How many pages of a file in /dev/xen a process has mapped. */
unsigned long mapped_pages(int pid, const char *file);
bool has_open(int pid, const char *file);
/* "4711 (sh), 4712 (cat)": who has this file open, beside us and Xen's daemons. */
unsigned int holders(const char *file, char list[SHOWN]);
/* Is this end driven by a process that lives? */
bool process_drives(const struct side *side);
bool read_text(const char *path, char *text, size_t size);

/*
 * process.c: run a program that is installed and read what it prints; "" if it is not
 * there, fails or takes longer than some seconds. free() it.
 */
char *output_of(const char *const *argv);

uint64_t now_ms(void);

#endif /* DOCTOR_H */
