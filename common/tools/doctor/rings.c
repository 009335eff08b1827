// SPDX-License-Identifier: GPL-2.0
/*
 * xbdoctor: the data plane: the rings' indices in debugfs, those who sleep at them, and the
 * files that should be device nodes.
 */
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doctor.h"

#define PAUSE_MS	1000	/* between two looks at a ring */

/**
 * struct ring - a line of the stage's file in debugfs
 * @size:	in bytes
 * @prod:	the producer's index; all four run freely
 * @cons:	the consumer's
 * @prod_event: where the consumer wants to be woken
 * @cons_event: where the producer does
 */
struct ring {
	uint32_t size;
	uint32_t prod;
	uint32_t cons;
	uint32_t prod_event;
	uint32_t cons_event;
};

enum { SENT, RECEIVED };

/**
 * struct sleeper - a thread that sleeps in the driver
 * @module:	the driver's module
 * @node:	the device node
 * @ring:	SENT: in a write; RECEIVED: in a read
 * @tid:	its number, 0: none
 * @task:	its process
 */
struct sleeper {
	const char *module;
	char node[XB_NAME_MAX + 5];
	int ring;
	int tid;
	struct task task;
};

/* "received  262144  1026  14  15  0" */
static bool read_rings(const char *path, struct ring rings[2])
{
	FILE *file = fopen(path, "re");
	char line[256], name[16];
	unsigned int found = 0;
	struct ring ring;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%15s %u %u %u %u %u", name, &ring.size, &ring.prod, &ring.cons,
			   &ring.prod_event, &ring.cons_event) != 6)
			continue;
		if (!strcmp(name, "sent"))
			rings[SENT] = ring, found |= 1;
		else if (!strcmp(name, "received"))
			rings[RECEIVED] = ring, found |= 2;
	}
	if (file)
		fclose(file);
	return found == 3;
}

/* Has what a sleeper waits for come? Indices are compared as the drivers do, modulo 2^32. */
static bool has_come(const struct ring *ring, int which)
{
	if (which == RECEIVED)
		return ring->prod != ring->cons && (int32_t)(ring->prod - ring->prod_event) >= 0;
	return ring->prod - ring->cons < ring->size &&
	       (int32_t)(ring->cons - ring->cons_event) >= 0;
}

/* -- those who sleep ---------------------------------------------------------------------- */

static bool is_read(long number)
{
	return number == SYS_read || number == SYS_readv || number == SYS_pread64 ||
	       number == SYS_preadv || number == SYS_preadv2;
}

static bool is_write(long number)
{
	return number == SYS_write || number == SYS_writev || number == SYS_pwrite64 ||
	       number == SYS_pwritev || number == SYS_pwritev2;
}

/* Does this thread sleep in a read or write of that node, in the driver? */
static bool sleeps_there(int pid, int tid, const struct sleeper *sleeper)
{
	char path[64], text[4096], target[PATH_MAX], module[XB_NAME_MAX + 4];
	unsigned long fd;
	long number;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	if (!read_text(path, text, sizeof(text)) || sscanf(text, "%ld %lx", &number, &fd) != 2 ||
	    !(sleeper->ring == RECEIVED ? is_read(number) : is_write(number)))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fd/%lu", pid, fd);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0 || (size_t)len != strlen(sleeper->node) ||
	    strncmp(target, sleeper->node, len))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/stack", pid, tid);
	if (!read_text(path, text, sizeof(text))) {
		doctor.unseen |= THREADS;
		return false;
	}
	snprintf(module, sizeof(module), " [%s]", sleeper->module);
	return strstr(text, module);
}

static bool look_at_process(const struct task *task, void *with)
{
	struct sleeper *sleeper = with;
	struct dirent *entry;
	char path[64];
	DIR *tasks;

	if (!task->command[0])
		return false;	/* a kernel's thread */
	snprintf(path, sizeof(path), "/proc/%d/task", task->pid);
	tasks = opendir(path);
	while (tasks && !sleeper->tid && (entry = readdir(tasks)))
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    sleeps_there(task->pid, atoi(entry->d_name), sleeper))
			sleeper->tid = atoi(entry->d_name);
	if (tasks)
		closedir(tasks);
	sleeper->task = *task;
	return sleeper->tid;
}

static bool find_sleeper(struct sleeper *sleeper)
{
	sleeper->tid = 0;
	return each_process(look_at_process, sleeper);
}

/* -- the check ------------------------------------------------------------------------------ */

static bool is_mounted(void)
{
	return !access("/sys/kernel/debug/sleep_time", F_OK) ||
	       !access("/sys/kernel/debug/tracing", F_OK) ||
	       !access("/sys/kernel/debug/bdi", F_OK);
}

static void report_sleeper(struct patient *patient, const struct side *side,
			   const struct sleeper *sleeper, const struct ring *ring,
			   const char *path)
{
	bool reads = sleeper->ring == RECEIVED;
	const struct side *peer = &patient->side[xb_other(side->end)];
	char name[XB_NAME_MAX];

	finding(patient, ERROR, LOST_WAKEUP,
		"process %d (%s) sleeps in %s, and %u bytes %s: prod %u cons %u %s_event %u, and nothing moves: a wake-up was lost",
		sleeper->task.pid, sleeper->task.comm, reads ? "a read" : "a write",
		reads ? ring->prod - ring->cons : ring->size - (ring->prod - ring->cons),
		reads ? "are there to read" : "of space are there", ring->prod, ring->cons,
		reads ? "prod" : "cons", reads ? ring->prod_event : ring->cons_event);
	advice(doctor.own, "cat %s", path);
	bus_name(patient, peer, name);
	advice(peer->domid, "echo 1 >/sys/bus/%s/devices/%s/notify     (an event more wakes it, this time)",
	       bus_of(peer->end), name);
}

static void look_at_ring(struct patient *patient, const struct side *side, const char *path,
			 struct sleeper *sleeper)
{
	struct ring before[2], after[2];
	int which = sleeper->ring;

	if (!read_rings(path, before) || !has_come(&before[which], which) ||
	    !find_sleeper(sleeper))
		return;
	usleep(PAUSE_MS * 1000);
	if (read_rings(path, after) && !memcmp(&before[which], &after[which], sizeof(after[0])) &&
	    find_sleeper(sleeper))
		report_sleeper(patient, side, sleeper, &after[which], path);
}

/*
 * A reader that sleeps while there are bytes where it asked to be woken, or a writer while
 * there is space. Both are looked at twice: who was woken just now may not have run yet.
 */
bool check_rings(struct patient *patient)
{
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];
		char driver[XB_NAME_MAX], name[XB_NAME_MAX], path[PATH_MAX];
		struct sleeper sleeper = { .module = driver };

		if (!is_ours(patient) || !is_bound(patient, side) ||
		    !driver_of(patient, side, driver))
			continue;
		if (!is_mounted()) {
			doctor.unseen |= node_of(&patient->side[XB_FRONT], "ring-ref") ? RINGS : 0;
			continue;
		}
		bus_name(patient, side, name);
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", driver, name);
		node_name(patient, side, name);
		snprintf(sleeper.node, sizeof(sleeper.node), "/dev/%s", name);
		for (sleeper.ring = SENT; sleeper.ring <= RECEIVED; sleeper.ring++)
			look_at_ring(patient, side, path, &sleeper);
	}
	return true;
}

/* -- device nodes ---------------------------------------------------------------------------- */

/*
 * Who writes to /dev/mydevice0 when there is no device makes an ordinary file of that name, and
 * the node cannot be made afterwards.
 */
void check_files(void)
{
	const char *type = stage_kind()->type;
	DIR *dev = opendir("/dev");
	struct dirent *entry;
	struct stat stat;
	char path[300];

	while (dev && (entry = readdir(dev))) {
		const char *rest = entry->d_name + strlen(type);

		if (strncmp(entry->d_name, type, strlen(type)) || !isdigit((unsigned char)*rest) ||
		    rest[strspn(rest, "0123456789.")])
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		if (lstat(path, &stat) || !S_ISREG(stat.st_mode))
			continue;
		finding(NULL, ERROR, NOT_A_DEVICE,
			"%s is an ordinary file, made by writing to it when there was no device: the device cannot have its node",
			path);
		advice(doctor.own, "rm %s     (then unbind and bind its driver, or load it again)", path);
	}
	if (dev)
		closedir(dev);
}
