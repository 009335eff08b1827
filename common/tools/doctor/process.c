// SPDX-License-Identifier: GPL-2.0
/*
 * xbdoctor: the processes of this domain, and the programs that are installed in it.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "doctor.h"

#define PROGRAM_MS	5000	/* a toolstack that hangs is not waited for longer */
#define OUTPUT_MAX	(1 << 20)
#define CGROUP_MAX	256	/* a path in /proc/mounts or /proc/PID/cgroup */

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The beginning of a file in /proc or /sys, without the newline at its end. */
bool read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t len;

	text[0] = '\0';
	if (fd < 0)
		return false;
	len = read(fd, text, size - 1);
	close(fd);
	if (len < 0)
		return false;
	while (len && (text[len - 1] == '\n' || !text[len - 1]))
		len--;
	text[len] = '\0';
	return true;
}

/* -- processes ------------------------------------------------------------------ */

/* "12 (name) S ...": a name may have brackets of its own. */
static bool parse_stat(const char *stat, struct task *task)
{
	const char *open = strchr(stat, '('), *close = strrchr(stat, ')');

	if (!open || !close || close < open || close[1] != ' ')
		return false;
	xb_printable(task->comm, sizeof(task->comm), open + 1, close - open - 1);
	task->state = close[2];
	return true;
}

static void read_command(struct task *task)
{
	char path[64], command[SHOWN / 2] = "";
	int fd;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", task->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? 0 : read(fd, command, sizeof(command) - 1);
	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; i + 1 < len; i++)
		command[i] = command[i] ? command[i] : ' ';
	if (len > 0 && command[len - 1] == '\0')
		len--;
	xb_printable(task->command, sizeof(task->command), command, len > 0 ? len : 0);
}

/* @tid: 0, or a thread of it. */
bool task_of(int pid, int tid, struct task *task)
{
	char path[64], stat[256];

	if (tid)
		snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	else
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	memset(task, 0, sizeof(*task));
	task->pid = pid;
	if (!read_text(path, stat, sizeof(stat)) || !parse_stat(stat, task))
		return false;
	read_command(task);
	return true;
}

bool each_process(bool (*each)(const struct task *task, void *with), void *with)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	struct task task;
	bool stopped = false;

	while (proc && !stopped && (entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (task_of(atoi(entry->d_name), 0, &task))
			stopped = each(&task, with);
	}
	if (proc)
		closedir(proc);
	return stopped;
}

bool has_open(int pid, const char *file)
{
	char path[64], target[PATH_MAX], link[PATH_MAX];
	struct dirent *entry;
	bool has = false;
	ssize_t len;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	fds = opendir(path);
	while (fds && !has && (entry = readdir(fds))) {
		snprintf(link, sizeof(link), "%s/%.32s", path, entry->d_name);
		len = readlink(link, target, sizeof(target) - 1);
		has = len > 0 && (size_t)len == strlen(file) && !strncmp(target, file, len);
	}
	if (fds)
		closedir(fds);
	return has;
}

unsigned long mapped_pages(int pid, const char *file)
{
	unsigned long pages = 0, begin, end;
	char path[64], line[512];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, file) && sscanf(line, "%lx-%lx", &begin, &end) == 2)
			pages += (end - begin) / sysconf(_SC_PAGESIZE);
	if (maps)
		fclose(maps);
	return pages;
}

/* What Xen's own daemons hold is theirs to hold. */
static bool is_daemon(const struct task *task)
{
	static const char *const daemons[] = { "xenstored", "oxenstored", "xenconsoled", "xl" };

	for (unsigned int i = 0; i < sizeof(daemons) / sizeof(daemons[0]); i++)
		if (!strcmp(task->comm, daemons[i]))
			return true;
	return false;
}

struct holders {
	const char *file;
	char *list;
	unsigned int nr;
};

static bool note_holder(const struct task *task, void *with)
{
	struct holders *holders = with;
	size_t len = strlen(holders->list);

	if (task->pid == getpid() || is_daemon(task) || !has_open(task->pid, holders->file))
		return false;
	holders->nr++;
	if (len < SHOWN - 48)
		snprintf(holders->list + len, SHOWN - len, "%s%d (%s)", len ? ", " : "", task->pid,
			 task->comm);
	return false;
}

unsigned int holders(const char *file, char list[SHOWN])
{
	struct holders holders = { .file = file, .list = list };

	list[0] = '\0';
	each_process(note_holder, &holders);
	return holders.nr;
}

/* -- processes that do not run ------------------------------------------------------ */

/* Where the cgroups are that can be frozen, those of version 2; "" if nowhere. */
static const char *cgroups(void)
{
	static char where[CGROUP_MAX];
	static bool looked;
	char line[1024], path[CGROUP_MAX], type[32];
	FILE *mounts;

	if (looked)
		return where;
	looked = true;
	mounts = fopen("/proc/mounts", "re");
	while (mounts && fgets(line, sizeof(line), mounts))
		if (sscanf(line, "%*s %255s %31s", path, type) == 2 && !strcmp(type, "cgroup2"))
			strcpy(where, path);
	if (mounts)
		fclose(mounts);
	return where;
}

/* "0::/some/group": the cgroup that a process is in. */
static bool cgroup_of(int pid, char path[CGROUP_MAX])
{
	char file[64], text[1024], *line, *rest = text;

	snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
	if (!cgroups()[0] || !read_text(file, text, sizeof(text)))
		return false;
	while ((line = strsep(&rest, "\n")))
		if (!strncmp(line, "0::/", strlen("0::/")) && strlen(line) < CGROUP_MAX) {
			strcpy(path, line + strlen("0::"));
			return true;
		}
	return false;
}

/* The file that holds a process still: its own cgroup's, or that of one above. */
static bool is_frozen(int pid, char file[PATH_MAX])
{
	char path[CGROUP_MAX], text[256], *slash;

	if (!cgroup_of(pid, path))
		return false;
	snprintf(file, PATH_MAX, "%s%s/cgroup.events", cgroups(), path);
	if (!read_text(file, text, sizeof(text)) || !strstr(text, "frozen 1"))
		return false;
	while (path[0]) {
		snprintf(file, PATH_MAX, "%s%s/cgroup.freeze", cgroups(), path);
		if (read_text(file, text, sizeof(text)) && !strcmp(text, "1"))
			return true;
		slash = strrchr(path, '/');
		*slash = '\0';
	}
	return false;
}

const char *why_held(const struct task *task, char cure[PATH_MAX])
{
	char file[PATH_MAX];

	if (task->state == 'T' || task->state == 't') {
		snprintf(cure, PATH_MAX, "kill -CONT %d", task->pid);
		return "stopped";
	}
	if (is_frozen(task->pid, file)) {
		snprintf(cure, PATH_MAX, "echo 0 >%.*s", PATH_MAX - 16, file);
		return "frozen, with its cgroup";
	}
	return NULL;
}

/* -- programs -------------------------------------------------------------------- */

/* Debian has some of Xen's programs in a directory of Xen's version alone. */
static void set_path(void)
{
	const char *path = getenv("PATH");
	glob_t glob_of_xen = { 0 };
	char all[2048];

	glob("/usr/lib/xen-*/bin", 0, NULL, &glob_of_xen);
	snprintf(all, sizeof(all), "%s:/usr/sbin:/usr/bin:/sbin:/bin:%s", path ? path : "",
		 glob_of_xen.gl_pathc ? glob_of_xen.gl_pathv[0] : "/bin");
	globfree(&glob_of_xen);
	setenv("PATH", all, 1);
}

static void run(const char *const *argv, int out)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0)
		_exit(127);
	set_path();
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

/* All that it prints, until it ends or its time is up; false then. */
static bool collect(int in, char **text)
{
	uint64_t end = now_ms() + PROGRAM_MS;
	struct pollfd pollfd = { .fd = in, .events = POLLIN };
	size_t len = 0;
	ssize_t got;

	*text = xb_realloc(NULL, OUTPUT_MAX);
	(*text)[0] = '\0';
	while (now_ms() < end) {
		if (poll(&pollfd, 1, end - now_ms()) <= 0)
			continue;
		got = read(in, *text + len, OUTPUT_MAX - 1 - len);
		if (got <= 0)
			return got == 0;
		len += got;
		(*text)[len] = '\0';
	}
	return false;
}

char *output_of(const char *const *argv)
{
	char *text = NULL;
	int fds[2], status;
	bool whole;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return xb_strdup("");
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		run(argv, fds[1]);
	close(fds[1]);
	whole = pid > 0 && collect(fds[0], &text);
	close(fds[0]);
	if (pid > 0 && !whole)
		kill(pid, SIGKILL);
	if (pid <= 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status)) {
		free(text);
		return xb_strdup("");
	}
	return text;
}

/* -- processes that drive an end ------------------------------------------------------- */

/**
 * struct lock - what mydevicepeer leaves in /run while it drives an end
 * @path:	the file
 * @pid:	the process
 * @lives:	it holds the lock still
 */
struct lock {
	char path[PATH_MAX];
	int pid;
	bool lives;
};

/* "1234\nbackend/mydevice/1/0\n": the process, and the directory in this domain's. */
static bool read_lock(const char *path, const char *dir, struct lock *lock)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	char text[256] = "", whole[2 * XB_PATH_MAX], name[XB_PATH_MAX];
	bool ours;

	if (fd < 0)
		return false;
	if (read(fd, text, sizeof(text) - 1) < 0 ||
	    sscanf(text, "%d %127s", &lock->pid, name) != 2) {
		close(fd);
		return false;
	}
	snprintf(whole, sizeof(whole), "/local/domain/%u/%s", doctor.own, name);
	ours = !strcmp(whole, dir);
	lock->lives = flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
	close(fd);		/* and with it our lock */
	snprintf(lock->path, sizeof(lock->path), "%s", path);
	return ours;
}

static bool find_lock(const struct side *side, struct lock *lock)
{
	glob_t files = { 0 };
	bool found = false;

	if (side->domid != doctor.own || glob("/run/*.lock", 0, NULL, &files))
		return false;
	for (size_t i = 0; i < files.gl_pathc && !found; i++)
		found = read_lock(files.gl_pathv[i], side->path, lock);
	globfree(&files);
	return found;
}

bool process_drives(const struct side *side)
{
	struct lock lock;

	return find_lock(side, &lock) && lock.lives;
}

static void check_living(struct patient *patient, const struct side *side, const struct lock *lock)
{
	const char *end = xb_end_name(side->end), *why = NULL;
	char driver[XB_NAME_MAX], cure[PATH_MAX];
	struct task task;

	if (task_of(lock->pid, 0, &task))
		why = why_held(&task, cure);
	if (why) {
		finding(patient, ERROR, PROCESS_STOPPED, "process %d (%s), which is the %s, is %s",
			lock->pid, task.comm, end, why);
		advice(doctor.own, "%s", cure);
	}
	if (is_bound(patient, side) && driver_of(patient, side, driver)) {
		finding(patient, ERROR, TWO_DRIVERS,
			"two drive the %s: process %d and the kernel's driver %s", end, lock->pid,
			driver);
		advice(doctor.own, "kill %d", lock->pid);
	}
}

static void check_dead(struct patient *patient, const struct side *side, const struct lock *lock)
{
	if (is_bound(patient, side))
		return;		/* another has taken over */
	finding(patient, ERROR, PROCESS_GONE,
		"process %d, which was the %s, is gone and did not close: its state stays %s",
		lock->pid, xb_end_name(side->end), xb_state_name(side->state));
	advice(doctor.own, "rm %s", lock->path);
	advice_drive(patient, side);
}

/* A process that could be the end, for all that can be seen, and does not run. */
static bool is_stopped_peer(const struct task *task, void *with)
{
	static const char *const files[] = { "/dev/xen/evtchn", "/dev/xen/gntdev",
					     "/dev/xen/gntalloc", "/dev/xen/xenbus" };
	char cure[PATH_MAX];

	if (!why_held(task, cure))
		return false;
	for (unsigned int i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (!has_open(task->pid, files[i]))
			continue;
		*(struct task *)with = *task;
		return true;
	}
	return false;
}

/* Who is Connected is driven by something; of other types it may be a daemon. */
static void check_undriven(struct patient *patient, const struct side *side)
{
	if (!is_ours(patient) || side->state != XenbusStateConnected)
		return;
	finding(patient, WARNING, PROCESS_GONE,
		"neither a driver nor a process drives the %s here: its state Connected was left behind, or written by hand",
		xb_end_name(side->end));
	advice_drive(patient, side);
}

static void check_without_lock(struct patient *patient, const struct side *side)
{
	char cure[PATH_MAX];
	struct task task;
	const char *why;

	if (side->domid != doctor.own || is_bound(patient, side) || side->error)
		return;
	if (!each_process(is_stopped_peer, &task)) {
		check_undriven(patient, side);
		return;
	}
	why = why_held(&task, cure);
	finding(patient, ERROR, PROCESS_STOPPED,
		"no driver is bound to the %s, and process %d (%s), which uses /dev/xen and may be it, is %s",
		xb_end_name(side->end), task.pid, task.comm, why ? why : "stopped");
	advice(doctor.own, "%s     (%s)", cure, task.command);
}

/* The ends in this domain: does a process drive them that runs? */
bool check_process(struct patient *patient)
{
	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		const struct side *side = &patient->side[end];
		struct lock lock;

		if (!find_lock(side, &lock))
			check_without_lock(patient, side);
		else if (lock.lives)
			check_living(patient, side, &lock);
		else
			check_dead(patient, side, &lock);
	}
	return true;
}
