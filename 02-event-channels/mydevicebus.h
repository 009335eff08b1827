/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process that drives an end of mydevice has this in place of XenBus and of the
 * kernel around a module. One process drives one end of one device.
 *
 * As with XenBus the driver fills in a structure of functions, which are called in the
 * course of the device's life. Nothing here knows what a connection consists of.
 */
#ifndef MYDEVICEBUS_H
#define MYDEVICEBUS_H

#include <stdbool.h>
#include <stdint.h>
#include <sysexits.h>
#include <xenstore.h>

#include <xen/io/xenbus.h>

struct peer;	/* what the driver keeps for its device; private to the driver */

/* How many files a driver can wait for. */
#define BUS_MAX_FILES	3

/**
 * struct bus_file - a file that the driver waits for
 * @name: if it fails, this end gives up and says so; NULL: the driver will notice
 * @fd: the file
 * @events: what poll() is asked for
 * @wanted: asked before each wait: does the driver wait for it now? NULL: always
 * @ready: called when poll() has found something; NULL: this entry is unused
 * @data: what both functions are given
 */
struct bus_file {
	const char *name;
	int fd;
	short events;
	bool (*wanted)(void *data);
	void (*ready)(void *data);
	void *data;
};

/**
 * struct bus_device - one end of one device
 * @frontend: which end it is
 * @keep: stay when the other end closes, and wait for its next connection
 * @verbose: print each state that the other end is seen in
 * @number: the device's number
 * @id: what XenBus calls the device after its type: N, or DOMID-N at a backend
 * @nodename: this end's directory, relative to this domain's
 * @otherend: the other end's directory
 * @otherend_id: the domain that it is in
 * @state: this end's state
 * @xbt: the transaction to read in; XBT_NULL when there is none
 * @changed: what was read in the last transaction changed before its end
 * @told: bus_error() has printed its message
 * @peer: the driver's own data; NULL until the driver sets it
 * @files: what the driver waits for; it may change them at any time
 * @timer_at: when to call @timer, in ns of bus_now(); 0: not at all
 * @timer: sets @timer_at again, or to 0
 * @xs: the connection to XenStore
 * @signals: a file to read SIGINT and similar signals from
 * @domid: the domain that this process is in
 * @domain_seen: the watch of that number has fired for the first time
 * @restored: the guest was saved and restored since the driver's probe
 * @over: this end has had a connection, and it is over
 * @died: the other end was a process, and died: nothing more is expected of it
 * @gone: the device's nodes are gone, or no longer this end's
 * @taken: another driver has taken the nodes over
 * @broken: this end has given up, and said why
 * @told_to_end: a signal told this process to end
 * @done: it is time to leave
 * @status: what the process exits with, one of sysexits.h
 *
 * A driver reads these, and writes @peer, @files, @timer_at, @timer, @over, @died, @done and
 * @status.
 */
struct bus_device {
	bool frontend;
	bool keep;
	bool verbose;
	unsigned int number;
	char id[32];
	char nodename[64];
	char *otherend;
	unsigned int otherend_id;
	enum xenbus_state state;
	xs_transaction_t xbt;
	bool changed;
	bool told;
	struct peer *peer;
	struct bus_file files[BUS_MAX_FILES];
	uint64_t timer_at;
	void (*timer)(struct peer *peer);
	struct xs_handle *xs;
	int signals;
	unsigned int domid;
	bool domain_seen;
	bool restored;
	bool over;
	bool died;
	bool gone;
	bool taken;
	bool broken;
	bool told_to_end;
	bool done;
	int status;
};

/**
 * enum bus_option_kind - what follows an option on the command line
 * @BUS_FLAG: nothing; the value becomes 1
 * @BUS_YES_NO: yes or no; the value becomes 1 or 0
 * @BUS_NUMBER: a number
 */
enum bus_option_kind {
	BUS_FLAG,
	BUS_YES_NO,
	BUS_NUMBER
};

/**
 * struct bus_option - an option, like a parameter of a module
 * @name: without the dashes; NULL ends a table
 * @value: set if the option is given
 * @kind: what follows it
 * @max: the largest number
 */
struct bus_option {
	const char *name;
	unsigned int *value;
	enum bus_option_kind kind;
	unsigned int max;
};

/**
 * struct bus_driver - what a driver does, and what it needs
 * @usage: lines of --help about @options; or NULL
 * @options: a table of options beside those of every driver; or NULL
 * @output: standard output is the device's, so it must be open
 * @probe: the device exists, or exists again after a restore: write the first state
 * @front_otherend_changed: this end is the frontend, and the backend has this state now
 * @back_otherend_changed: the same at a backend
 * @signalled: the process got SIGUSR1 or SIGUSR2; NULL: these end the process
 * @stay_awake: called before each wait, after the files' @wanted: is it better to come back
 *	at once than to sleep? NULL: no
 * @finished: called after each wait: has this end nothing more to do? NULL: when no
 *	connection may begin
 * @resume: the guest was restored, and what it shared is void: release it
 * @remove: this end leaves: end the connection and remove what it wrote
 * @release: another driver may have the device now: free everything
 */
struct bus_driver {
	const char *usage;
	const struct bus_option *options;
	bool output;
	void (*probe)(struct bus_device *dev);
	void (*front_otherend_changed)(struct bus_device *dev, enum xenbus_state state);
	void (*back_otherend_changed)(struct bus_device *dev, enum xenbus_state state);
	void (*signalled)(struct bus_device *dev, int signal);
	bool (*stay_awake)(struct bus_device *dev);
	bool (*finished)(struct bus_device *dev);
	void (*resume)(struct bus_device *dev);
	void (*remove)(struct bus_device *dev);
	void (*release)(struct bus_device *dev);
};

/* The driver of this program. */
extern const struct bus_driver bus_driver;

/**
 * bus_open() - find a device, claim it and have it probed
 * @argc: the command line, which says which device and which end
 * @argv: its words
 *
 * Return: the device. Ends the process if it cannot be had.
 */
struct bus_device *bus_open(int argc, char **argv);

/**
 * bus_wait() - wait until something happens, and handle it
 * @dev: the device; call this again until its @done is set
 */
void bus_wait(struct bus_device *dev);

/**
 * bus_leave() - leave the device, whatever the reason
 * @dev: the device; is freed
 *
 * Return: what the process exits with.
 */
int bus_leave(struct bus_device *dev);

/**
 * bus_stays() - may a connection begin: the first one, or with --keep another one?
 * @dev: the device
 */
bool bus_stays(const struct bus_device *dev);

/**
 * bus_in_transaction() - have the driver read in a transaction, if this domain may have one
 * @dev: the device
 * @read: reads, and may then write this end's state
 *
 * Writing the state ends the transaction, and so does bus_fatal(). If what was read has
 * changed, the state is not written, bus_fatal() does nothing, and @read is called again,
 * but not for ever.
 */
void bus_in_transaction(struct bus_device *dev, void (*read)(struct bus_device *dev));

/**
 * bus_switch_state() - write this end's state, unless the device is gone
 * @dev: the device
 * @state: its new state
 *
 * Return: true if the state is new; false if it was the same before, or was not written.
 */
bool bus_switch_state(struct bus_device *dev, enum xenbus_state state);

/**
 * bus_read() - read a node
 * @dev: the device
 * @dir: the node's directory
 * @node: its name
 *
 * Return: what it says, from malloc(); NULL with errno if it cannot be read.
 */
char *bus_read(struct bus_device *dev, const char *dir, const char *node);

/**
 * bus_read_int() - read a number as XenBus scans states, with "%d"
 * @dev: the device
 * @dir: the node's directory
 * @node: its name
 * @otherwise: the number if the node cannot be read, or does not begin with a number
 *
 * Return: the number.
 */
int bus_read_int(struct bus_device *dev, const char *dir, const char *node, int otherwise);

/**
 * bus_read_number() - read a number that the other end published
 * @dev: the device
 * @node: the node's name
 * @value: where to put it
 *
 * The other end may have written anything: what bus_parse_number() does not accept is
 * an error.
 *
 * Return: false if it could not be read; this end has given up then.
 */
bool bus_read_number(struct bus_device *dev, const char *node, unsigned int *value);

/**
 * bus_parse_number() - parse a number as the kernel's kstrtouint() does
 * @text: a decimal number in an unsigned int's range; a plus sign may stand before it,
 *	and a line feed after it
 * @number: where to put it
 *
 * Return: false if @text is not a number.
 */
bool bus_parse_number(const char *text, unsigned int *number);

/**
 * bus_printf() - write one of this end's nodes
 * @dev: the device
 * @xbt: the transaction, or XBT_NULL
 * @node: the node's name
 * @format: what to write
 *
 * Return: false, with errno, if XenStore refuses.
 */
bool bus_printf(struct bus_device *dev, xs_transaction_t xbt, const char *node,
		const char *format, ...) __attribute__((format(printf, 4, 5)));

/**
 * bus_rm() - remove one of this end's nodes, unless the device is gone
 * @dev: the device
 * @node: the node's name
 */
void bus_rm(struct bus_device *dev, const char *node);

/**
 * bus_transaction() - write several nodes, or none of them
 * @dev: the device
 * @write: writes them with bus_printf(); may be called again and again
 *
 * Return: false, with errno, if that failed.
 */
bool bus_transaction(struct bus_device *dev,
		     bool (*write)(struct bus_device *dev, xs_transaction_t xbt));

/**
 * bus_otherend_state() - read the other end's state as it is now
 * @dev: the device
 *
 * Return: the state, Unknown if it cannot be read.
 */
enum xenbus_state bus_otherend_state(struct bus_device *dev);

/**
 * bus_follow() - have the driver look at the other end's state again
 * @dev: the device
 *
 * For a driver that could not follow the state when it changed.
 */
void bus_follow(struct bus_device *dev);

/**
 * bus_await_release() - a frontend that leaves waits until the backend has let go
 * @dev: the device
 *
 * It does not wait for ever, nor for a backend that @died, nor if the device is gone.
 */
void bus_await_release(struct bus_device *dev);

/**
 * bus_error() - report an error on standard error and in XenStore, the first time only
 * @dev: the device
 * @format: the message
 */
void bus_error(struct bus_device *dev, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * bus_fatal() - say why this end cannot go on, and close; the process leaves
 * @dev: the device
 * @status: what it exits with. EX_OSERR does not mean that the other end broke the protocol:
 *	it can happen for lack of memory, or because an end was killed. With @keep the
 *	process then waits for its next connection
 * @format: the message
 *
 * Return: false, for the caller to return.
 */
bool bus_fatal(struct bus_device *dev, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * bus_forget_error() - remove what a predecessor left in the error node
 * @dev: the device
 */
void bus_forget_error(struct bus_device *dev);

/**
 * bus_keep_stale() - if this guest was restored, keep the files of this process open
 * @dev: the device
 *
 * What was opened before a restore must not be closed, not even by exit(). When this
 * process ends, a child of it sleeps on and keeps the files open until the guest ends.
 *
 * Return: false if the guest was not saved and restored since the driver's probe.
 */
bool bus_keep_stale(struct bus_device *dev);

/**
 * bus_need_file() - end the process if a file of Xen's is not there
 * @path: the file
 * @remedy: what to do about it
 */
void bus_need_file(const char *path, const char *remedy);

/** bus_say() - print a line to standard error */
void bus_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/**
 * bus_tell() - print a line that the other end can cause as often as it likes
 * @format: the message; left out when there are too many
 */
void bus_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** bus_die() - end the process because of an error before anything was written */
void bus_die(int status, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/** bus_otherend() - what the other end is: "backend" or "frontend" */
const char *bus_otherend(const struct bus_device *dev);

/** bus_strstate() - the name of a state */
const char *bus_strstate(enum xenbus_state state);

/** bus_now() - nanoseconds of the monotonic clock, which nobody sets */
uint64_t bus_now(void);

#endif /* MYDEVICEBUS_H */
