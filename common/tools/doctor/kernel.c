// SPDX-License-Identifier: GPL-2.0
/*
 * xbdoctor: is this domain's kernel well? Its log, and its thread xenwatch.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

#define LOOKS		20	/* at xenwatch, until it counts as blocked */
#define TRACE_LINES	60	/* of a BUG or WARNING, at most */

/* -- the log ------------------------------------------------------------------------ */

/**
 * struct record - a line of the kernel's log
 * @usec:	when, since the kernel's start
 * @text:	what, without its prefix
 */
struct record {
	uint64_t usec;
	char *text;
};

static struct record *log_list;
static unsigned int log_nr;

/*
 * "6,339,5140900,-;text": the first number has the level in its lower three bits and
 * above them the facility: 0 is the kernel's own, all else was written by a process.
 */
static void add_record(char *line)
{
	char *text = strchr(line, ';');
	unsigned long long usec;
	unsigned int prefix;

	if (!text || sscanf(line, "%u,%*u,%llu", &prefix, &usec) != 2 || prefix > 7)
		return;
	text++;
	text[strcspn(text, "\n")] = '\0';
	log_list = xb_realloc(log_list, (log_nr + 1) * sizeof(*log_list));
	log_list[log_nr].usec = usec;
	log_list[log_nr++].text = xb_strdup(text);
}

/* Each read() gives a record; EPIPE says that some were overwritten meanwhile. */
static void read_log(void)
{
	static bool done;
	char line[8192];
	ssize_t len;
	int fd;

	if (done)
		return;
	done = true;
	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		doctor.unseen |= KERNEL_LOG;
		return;
	}
	while ((len = read(fd, line, sizeof(line) - 1)) > 0 || (len < 0 && errno == EPIPE)) {
		if (len < 0)
			continue;
		line[len] = '\0';
		add_record(line);
	}
	close(fd);
}

bool log_has(const char *word, const char *other, char line[SHOWN])
{
	read_log();
	for (unsigned int i = log_nr; i-- > 0;) {
		const char *text = log_list[i].text;

		if (!strstr(text, word) || !strstr(text, other))
			continue;
		xb_printable(line, SHOWN, text, strlen(text));
		return true;
	}
	return false;
}

static bool begins_with_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (!strncmp(text, *words, strlen(*words)))
			return true;
	return false;
}

/*
 * What a kernel says when it has met a bug of its own, on amd64 or arm64. A lockup is one of
 * time: a machine that is busy has it, too, and goes on.
 */
static bool is_crash(const char *text)
{
	static const char *const words[] = {
		"kernel BUG at ", "BUG: ", "Oops: ", "Oops[", "general protection fault",
		"Unable to handle kernel ", "Internal error: ", NULL
	};

	return begins_with_one_of(text, words) && !strstr(text, "lockup");
}

/* Where it happened: "RIP: 0010:mydevicefront_probe+0x24/0x90 [mydevicefront]". */
static void where_it_was(unsigned int record, char where[SHOWN])
{
	static const char *const words[] = { "RIP: 0010:", "pc : ", "RIP: e030:", NULL };

	where[0] = '\0';
	for (unsigned int i = record; i < log_nr && i < record + TRACE_LINES && !where[0]; i++) {
		const char *text = log_list[i].text;

		if (strstr(text, "---[ end trace"))
			break;
		if (begins_with_one_of(text, words))
			xb_printable(where, SHOWN, strchr(text, ':') + 1,
				     strlen(strchr(text, ':') + 1));
	}
}

static void report_crash(unsigned int record, unsigned int more)
{
	char text[SHOWN], where[SHOWN], others[48] = "";

	xb_printable(text, sizeof(text), log_list[record].text, strlen(log_list[record].text));
	where_it_was(record, where);
	if (more)
		snprintf(others, sizeof(others), ", and %u more lines of that kind", more);
	finding(NULL, ERROR, KERNEL_BUG,
		"this domain's kernel has crashed in part, %llu s after its start: \"%s\"%s%s%s",
		(unsigned long long)log_list[record].usec / 1000000, text,
		where[0] ? " at" : "", where, others);
	advice(doctor.own, "dmesg | grep -B 2 -A 40 -E 'BUG|Oops|Unable to handle'");
	advice_reset();
}

/* Does this WARNING, or its trace, speak of Xen or of a driver on one of its buses? */
static bool is_of_xen(unsigned int record)
{
	for (unsigned int i = record; i < log_nr && i < record + TRACE_LINES; i++) {
		const char *text = log_list[i].text;

		if (strstr(text, "xen") || strstr(text, "gnttab") || strstr(text, "evtchn") ||
		    names_ours(text))
			return true;
		if (strstr(text, "---[ end trace"))
			break;
	}
	return false;
}

static void report_warning(unsigned int record)
{
	bool xen = is_of_xen(record);
	char text[SHOWN];

	xb_printable(text, sizeof(text), log_list[record].text, strlen(log_list[record].text));
	finding(NULL, xen ? WARNING : NOTE, KERNEL_BUG, "this domain's kernel says%s: \"%s\"",
		xen ? "" : ", of something else than Xen", text);
	if (xen)
		advice(doctor.own, "dmesg | grep -A 40 WARNING");
}

/* "INFO: task xenwatch:24 blocked for more than 120 seconds." Is it so still? */
static void report_hung(unsigned int record)
{
	const char *text = log_list[record].text, *colon;
	char shown[SHOWN];
	struct task task;
	int pid;

	for (colon = strchr(text + strlen("INFO: task "), ':'); colon; colon = strchr(colon + 1, ':'))
		if (sscanf(colon, ":%d blocked", &pid) == 1)
			break;
	if (!colon || !task_of(pid, 0, &task) || task.state != 'D')
		return;
	xb_printable(shown, sizeof(shown), text, strlen(text));
	finding(NULL, ERROR, KERNEL_BUG, "a task of this domain hangs: \"%s\"", shown);
	advice(doctor.own, "cat /proc/%d/stack", pid);
	advice_reset();
}

/*
 * An oops kills the thread that met it, with the locks that it held: all that needs
 * them hangs from then on, and nothing that is found below says so.
 */
void check_kernel_log(void)
{
	unsigned int crashes = 0, warnings = 0, first = 0, first_warning = 0;

	read_log();
	for (unsigned int i = 0; i < log_nr; i++) {
		const char *text = log_list[i].text;

		if (is_crash(text)) {
			first = crashes++ ? first : i;
		} else if (!strncmp(text, "WARNING: ", strlen("WARNING: "))) {
			if (!warnings++ || (!is_of_xen(first_warning) && is_of_xen(i)))
				first_warning = i;
		} else if (!strncmp(text, "INFO: task ", strlen("INFO: task "))) {
			report_hung(i);
		}
	}
	if (crashes)
		report_crash(first, crashes - 1);
	else if (warnings)
		report_warning(first_warning);
}

/* -- xenwatch ------------------------------------------------------------------------ */

/* A kernel's thread has no command line. */
static bool is_xenwatch(const struct task *task, void *with)
{
	if (strcmp(task->comm, "xenwatch") || task->command[0])
		return false;
	*(struct task *)with = *task;
	return true;
}

/*
 * Between two events it sleeps in xenwatch_thread(), for a signal if need be. A callback that
 * ends in a call which does not return is not on the stack any more: it seems to be there, too,
 * but most such calls wait for no signal.
 */
static bool is_idle(const struct task *task)
{
	char path[64], wchan[64];
	struct task now;

	snprintf(path, sizeof(path), "/proc/%d/wchan", task->pid);
	if (!task_of(task->pid, 0, &now) || !read_text(path, wchan, sizeof(wchan)))
		return true;
	return now.state != 'D' && !strcmp(wchan, "xenwatch_thread");
}

static bool never_idle(const struct task *task)
{
	unsigned int wait = doctor.wait ? doctor.wait : 1;

	for (unsigned int i = 0; i < LOOKS; i++) {
		if (is_idle(task))
			return false;
		usleep(wait * 1000000ull / LOOKS);
	}
	return true;
}

/* The first function of a module in "[<0>] mything_probe+0x1a/0x30 [mything]", or of any. */
static void where_it_sleeps(int pid, char where[SHOWN])
{
	char path[64], stack[4096], *line, *rest = stack, *text;

	where[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	if (!read_text(path, stack, sizeof(stack)))
		return;
	while ((line = strsep(&rest, "\n"))) {
		text = strstr(line, "] ");
		text = text ? text + 2 : line;
		if (strstr(text, " [") || (!where[0] && strstr(text, "xen")))
			xb_printable(where, SHOWN, text, strlen(text));
		if (strstr(text, " ["))
			return;
	}
}

static void report_blocked(const struct task *task)
{
	char where[SHOWN];

	where_it_sleeps(task->pid, where);
	finding(NULL, ERROR, XENWATCH_BLOCKED,
		"the thread xenwatch, which serves all XenBus drivers of this domain, does not come back from %s: until it does no device here goes on",
		strstr(where, " [") ? where : "a driver");
	advice(doctor.own, "cat /proc/%d/stack     (where it is; if that never ends:)", task->pid);
	advice_reset();
}

/* It looks well, and does not let go of a watch. */
void xenwatch_does_not_answer(void)
{
	struct task task;

	if (each_process(is_xenwatch, &task))
		report_blocked(&task);
}

/*
 * All watches of a domain's kernel are served by one thread: probe, remove and
 * otherend_changed of every XenBus driver are called by it, one after the other.
 */
void check_xenwatch(void)
{
	struct task task;

	if (!each_process(is_xenwatch, &task)) {
		finding(NULL, ERROR, XENWATCH_DEAD,
			"the thread xenwatch is gone: it died of a bug in a driver, and no XenBus driver of this domain learns anything any more");
		advice(doctor.own, "dmesg | grep -A 40 -E 'BUG|Oops'");
		advice_reset();
		return;
	}
	if (!is_idle(&task) && never_idle(&task))
		report_blocked(&task);
}
