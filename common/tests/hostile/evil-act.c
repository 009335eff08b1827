// SPDX-License-Identifier: GPL-2.0
/*
 * evil-act - the verbs: what can be done to another end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <xentoollog.h>

#include "evil.h"

#define NOT_SO		(-1)
#define MAX_PAGES	1024

static struct xs_handle *xs;
static xenevtchn_handle *evtchn;
static xengnttab_handle *gnttab;
static xengntshr_handle *gntshr;
static int64_t patience = EVIL_PATIENCE;

/* A number; the script was checked, so it is one. */
static bool number(const char *text, int64_t *value)
{
	*value = 0;
	return !text || script_eval(text, value);
}

/* -- XenStore --------------------------------------------------------------- */

/* The whole path, from malloc(). */
static char *resolve(const char *word)
{
	char *name = script_expand(word), *path;
	const char *dir = "", *node = name;
	bool self;

	if (!name)
		return NULL;
	if (name[0] != '/') {
		dir = name[0] == 'm' ? evil.dir : evil.otherend;
		node = strchr(name, '/') + 1;
	}
	self = !strcmp(node, ".");
	if (asprintf(&path, "%s%s%s", dir, *dir && !self ? "/" : "", self ? "" : node) < 0)
		path = NULL;
	free(name);
	return must_have(path);
}

static int do_write(const struct op *op)
{
	char *path = resolve(op->word[0]), *text = script_expand(op->word[1]);
	int err = !path || !text ? ENXIO : 0;

	if (!err && !xs_write(xs, XBT_NULL, path, text, strlen(text)))
		err = errno;
	free(path);
	free(text);
	return err;
}

static int do_rm(const struct op *op)
{
	char *path = resolve(op->word[0]);
	int err = xs_rm(xs, XBT_NULL, path) ? 0 : errno;

	free(path);
	return err;
}

/* "n1 r2": a letter and a domain each. */
static int do_chmod(const struct op *op)
{
	struct xs_permissions perms[8];
	char *path = resolve(op->word[0]), *text = script_expand(op->word[1]);
	char *rest = text, *end;
	unsigned int n = 0;
	int err = path && text ? 0 : ENXIO;

	while (!err && *rest && n < 8) {
		switch (*rest++) {
		case 'n': perms[n].perms = XS_PERM_NONE; break;
		case 'r': perms[n].perms = XS_PERM_READ; break;
		case 'w': perms[n].perms = XS_PERM_WRITE; break;
		case 'b': perms[n].perms = XS_PERM_READ | XS_PERM_WRITE; break;
		default: err = EINVAL;
		}
		perms[n++].id = strtoul(rest, &end, 10);
		rest = end + strspn(end, " ");
	}
	if (!err && !xs_set_permissions(xs, XBT_NULL, path, perms, n))
		err = errno;
	free(text);
	free(path);
	return err;
}

static int do_read(const struct op *op)
{
	char *path = resolve(op->word[1]), *text, *end;
	int64_t value;
	int err = 0;

	text = xs_read(xs, XBT_NULL, path, NULL);
	free(path);
	if (!text)
		return errno;
	value = strtoll(text, &end, 10);
	if (end == text || *end)
		err = EINVAL;
	else
		script_set(op->word[0], value);
	free(text);
	return err;
}

/* Is the text one of the words? No text is the word "-". */
static bool is_among(const char *text, const char *words)
{
	size_t length;

	for (; *words; words += length + strspn(words + length, " ")) {
		length = strcspn(words, " ");
		if (strlen(text ? text : "-") == length &&
		    !strncmp(text ? text : "-", words, length))
			return true;
	}
	return false;
}

static int do_await(const struct op *op)
{
	uint64_t end = now_ms() + patience;
	char *path = resolve(op->word[0]), *text;
	int result = 0;

	for (;;) {
		text = xs_read(xs, XBT_NULL, path, NULL);
		if (is_among(text, op->word[1]))
			break;
		if (now_ms() > end) {
			complain(op, "%s: after %lld ms it is '%s'", op->text,
				 (long long)patience, text ? text : "-");
			result = NOT_SO;
			break;
		}
		free(text);
		usleep(5000);
	}
	free(text);
	free(path);
	return result;
}

/* -- event channels --------------------------------------------------------- */

static int do_alloc(const struct op *op)
{
	xenevtchn_port_or_error_t port;
	int64_t domain = evil.peer;

	if (op->word[1])
		number(op->word[1], &domain);
	port = xenevtchn_bind_unbound_port(evtchn, domain);
	if (port < 0)
		return errno;
	script_set(op->word[0], port);
	return 0;
}

static int do_bind(const struct op *op)
{
	xenevtchn_port_or_error_t port;
	int64_t remote;

	number(op->word[1], &remote);
	port = xenevtchn_bind_interdomain(evtchn, evil.peer, remote);
	if (port < 0)
		return errno;
	script_set(op->word[0], port);
	return 0;
}

static int do_close(const struct op *op)
{
	int64_t port;

	number(op->word[0], &port);
	return xenevtchn_unbind(evtchn, port) ? errno : 0;
}

static int do_notify(const struct op *op)
{
	int64_t port, times = 1;
	int err = 0;

	number(op->word[0], &port);
	if (op->word[1])
		number(op->word[1], &times);
	while (times-- > 0 && !err)
		err = xenevtchn_notify(evtchn, port) ? errno : 0;
	return err;
}

/* Waits for an event on a port; those on others are lost. */
static int do_hear(const struct op *op)
{
	struct pollfd heard = { .fd = xenevtchn_fd(evtchn), .events = POLLIN };
	uint64_t end = now_ms() + patience;
	xenevtchn_port_or_error_t port;
	int64_t wanted;

	number(op->word[0], &wanted);
	while (now_ms() < end) {
		if (poll(&heard, 1, 100) <= 0)
			continue;
		port = xenevtchn_pending(evtchn);
		if (port >= 0)
			xenevtchn_unmask(evtchn, port);
		if (port == wanted)
			return 0;
	}
	complain(op, "%s: there was none", op->text);
	return NOT_SO;
}

/* -- shared pages ----------------------------------------------------------- */

/**
 * struct pages - pages that both ends see
 * @name: in the scripts
 * @at: where they are, NULL when they are not
 * @count: how many
 * @mapped: they are the other end's, and mapped here
 * @ref: their grant references
 */
struct pages {
	char *name;
	void *at;
	uint32_t count;
	bool mapped;
	uint32_t ref[MAX_PAGES];
};

static struct pages *all_pages[64];
static size_t nr_pages;

static struct pages *pages_find(const char *name)
{
	size_t i;

	for (i = 0; i < nr_pages; i++)
		if (!strcmp(all_pages[i]->name, name) && all_pages[i]->at)
			return all_pages[i];
	return NULL;
}

/* An entry for new pages; those that had the name before stay shared or mapped. */
static struct pages *pages_make(const char *name)
{
	struct pages *old = pages_find(name);
	size_t i;

	if (old)
		old->name = "";
	for (i = 0; i < nr_pages && all_pages[i]->at; i++)
		;
	if (i == sizeof(all_pages) / sizeof(all_pages[0]))
		return NULL;
	if (i == nr_pages)
		all_pages[nr_pages++] = must_have(calloc(1, sizeof(struct pages)));
	all_pages[i]->name = must_have(strdup(name));
	return all_pages[i];
}

bool pages_word(const char *name, uint64_t offset, uint32_t **word)
{
	struct pages *pages = pages_find(name);

	if (!pages || offset % 4 || offset >= (uint64_t)pages->count * EVIL_PAGE)
		return false;
	*word = (uint32_t *)((char *)pages->at + offset);
	return true;
}

bool pages_ref(const char *name, uint64_t n, uint32_t *ref)
{
	struct pages *pages = pages_find(name);

	if (!pages || n >= pages->count)
		return false;
	*ref = pages->ref[n];
	return true;
}

static int share(const struct op *op, bool writable)
{
	int64_t count, domain = evil.peer;
	struct pages *pages;

	number(op->word[1], &count);
	if (op->word[2])
		number(op->word[2], &domain);
	if (count < 1 || count > MAX_PAGES)
		return EINVAL;
	pages = pages_make(op->word[0]);
	if (!pages)
		return EAGAIN;
	pages->count = count;
	pages->mapped = false;
	pages->at = xengntshr_share_pages(gntshr, domain, count, pages->ref, writable);
	return pages->at ? 0 : errno;
}

static int do_share(const struct op *op)
{
	return share(op, true);
}

static int do_share_ro(const struct op *op)
{
	return share(op, false);
}

static int do_map(const struct op *op)
{
	struct pages *pages;
	int64_t ref;

	if (!number(op->word[1], &ref))
		return ENXIO;
	pages = pages_make(op->word[0]);
	if (!pages)
		return EAGAIN;
	pages->count = 1;
	pages->mapped = true;
	pages->ref[0] = ref;
	pages->at = xengnttab_map_grant_ref(gnttab, evil.peer, ref, 3 /* to read and write */);
	return pages->at ? 0 : errno;
}

/* map-all NAME COUNT PAGES OFFSET: the references are in other pages. */
static int do_map_all(const struct op *op)
{
	int64_t count, offset, i;
	struct pages *pages;
	uint32_t *word;

	if (!number(op->word[1], &count) || !number(op->word[3], &offset))
		return ENXIO;
	if (count < 1 || count > MAX_PAGES)
		return EINVAL;
	pages = pages_make(op->word[0]);
	if (!pages)
		return EAGAIN;
	for (i = 0; i < count; i++) {
		if (!pages_word(op->word[2], offset + 4 * i, &word))
			return ENXIO;
		pages->ref[i] = *word;
	}
	pages->count = count;
	pages->mapped = true;
	pages->at = xengnttab_map_domain_grant_refs(gnttab, count, evil.peer, pages->ref, 3);
	return pages->at ? 0 : errno;
}

static int do_release(const struct op *op)
{
	struct pages *pages = pages_find(op->word[0]);
	int err;

	if (!pages)
		return ENXIO;
	if (pages->mapped)
		err = xengnttab_unmap(gnttab, pages->at, pages->count) ? errno : 0;
	else
		err = xengntshr_unshare(gntshr, pages->at, pages->count) ? errno : 0;
	pages->at = NULL;
	return err;
}

static int do_set(const struct op *op)
{
	int64_t value;

	return number(op->word[1], &value) && script_write_cell(op->word[0], value) ? 0 : ENXIO;
}

/* The piece of the pages that a verb is about. */
static bool find_piece(const struct op *op, unsigned char **at, int64_t *length)
{
	struct pages *pages = pages_find(op->word[0]);
	int64_t offset, size;

	if (!pages || !number(op->word[1], &offset) || !number(op->word[2], length))
		return false;
	size = (int64_t)pages->count * EVIL_PAGE;
	if (offset < 0 || offset > size || *length < 0 || *length > size - offset)
		return false;
	*at = (unsigned char *)pages->at + offset;
	return true;
}

static int do_fill(const struct op *op)
{
	unsigned char *at;
	int64_t length, byte;

	if (!find_piece(op, &at, &length) || !number(op->word[3], &byte))
		return ENXIO;
	memset(at, byte, length);
	return 0;
}

static int do_scribble(const struct op *op)
{
	unsigned char *at;
	int64_t length;

	if (!find_piece(op, &at, &length))
		return ENXIO;
	while (length-- > 0)
		*at++ = draw(256);
	return 0;
}

static int do_filled(const struct op *op)
{
	unsigned char *at, *begin;
	int64_t length, byte;

	if (!find_piece(op, &at, &length) || !number(op->word[3], &byte))
		return ENXIO;
	for (begin = at; length-- > 0; at++) {
		if (*at == byte)
			continue;
		complain(op, "%s: the byte %ld after the first is %u", op->text,
			 (long)(at - begin), *at);
		return NOT_SO;
	}
	return 0;
}

/* -- shells ----------------------------------------------------------------- */

/* Runs a command with a socket for its input and output; -1 if that fails. */
static int shell(const char *command, pid_t *pid)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -1;
	*pid = fork();
	if (!*pid) {
		dup2(ends[1], 0);
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	if (*pid < 0) {
		close(ends[0]);
		return -1;
	}
	return ends[0];
}

/* A line that is under way in a shell. */
struct user {
	char name[32];
	int fd;
	pid_t pid;
};

static struct user users[16];

/* The shell reads the line from its input, and may exec its last command. */
static int user_begin(struct user *user, const char *line)
{
	if (!evil.there)
		die(EX_USAGE, "the script wants to do something there: --there says how");
	user->fd = shell(evil.there, &user->pid);
	if (user->fd < 0)
		return errno;
	dprintf(user->fd, "%s\n", line);
	shutdown(user->fd, SHUT_WR);
	return 0;
}

/* Its output, with commas between the lines, in said[]; false if it does not end. */
static bool user_end(struct user *user, char *said, size_t size)
{
	struct pollfd more = { .fd = user->fd, .events = POLLIN };
	uint64_t end = now_ms() + patience;
	size_t length = 0;
	ssize_t n = 1;
	char *line;

	while (n > 0 && now_ms() < end && length < size - 1) {
		if (poll(&more, 1, 100) <= 0)
			continue;
		n = read(user->fd, said + length, size - 1 - length);
		length += n > 0 ? n : 0;
	}
	close(user->fd);
	if (n > 0)
		kill(user->pid, SIGKILL);
	waitpid(user->pid, NULL, 0);
	user->name[0] = '\0';
	while (length && said[length - 1] == '\n')
		length--;
	said[length] = '\0';
	for (line = said; (line = strchr(line, '\n'));)
		*line = ',';
	return n <= 0;
}

/* A shell that is kept, for lines one after the other. */
struct keeper {
	const char **command;
	const char *option;	/* that says it */
	int fd;
	pid_t pid;
};

static const char *sh = "exec sh";
static struct keeper there = { &evil.there, "--there", -1, 0 };
static struct keeper here = { &sh, NULL, -1, 0 };
static struct keeper toolstack = { &evil.toolstack, "--toolstack", -1, 0 };

/* Reads until the line that says the status. -1: it does not come. */
static int keeper_answer(struct keeper *keeper, char *said, size_t size)
{
	struct pollfd more = { .fd = keeper->fd, .events = POLLIN };
	uint64_t end = now_ms() + patience;
	size_t length = 0;
	char *mark = NULL;
	ssize_t n;

	said[0] = '\0';
	while (now_ms() < end) {
		if (!poll(&more, 1, 100))
			continue;
		n = read(keeper->fd, said + length, size - 1 - length);
		if (n <= 0)
			return -1;
		length += n;
		said[length] = '\0';
		mark = strstr(said, "\n=");
		if (mark && strchr(mark + 1, '\n'))
			break;
		mark = NULL;
	}
	if (!mark)
		return -1;
	*mark = '\0';
	n = atoi(mark + 2);
	while (mark > said && mark[-1] == '\n')
		*--mark = '\0';
	return n;
}

static int keeper_run(struct keeper *keeper, const char *line, char *said, size_t size)
{
	int result;

	if (!*keeper->command)
		die(EX_USAGE, "the script has a line for a shell elsewhere: %s says how to reach it",
		    keeper->option);
	if (keeper->fd < 0)
		keeper->fd = shell(*keeper->command, &keeper->pid);
	if (keeper->fd < 0)
		return -1;
	dprintf(keeper->fd, "{ %s\n} </dev/null\nprintf '\\n=%%s\\n' $?\n", line);
	result = keeper_answer(keeper, said, size);
	if (result < 0) {	/* nobody knows what it is at */
		close(keeper->fd);
		kill(keeper->pid, SIGKILL);
		waitpid(keeper->pid, NULL, 0);
		keeper->fd = -1;
	}
	return result;
}

static int run(const struct op *op, struct keeper *keeper, const char *text, char *said,
	       size_t size)
{
	char *line = script_expand(text);
	int result;

	if (!line)
		return ENXIO;
	result = keeper_run(keeper, line, said, size);
	free(line);
	if (!result)
		return 0;
	if (!op->ignored && result < 0)
		complain(op, "%s: it does not end: %s", op->text, said);
	else if (!op->ignored)
		complain(op, "%s: status %d: %s", op->text, result, said);
	return NOT_SO;
}

static int do_there(const struct op *op)
{
	char said[2000];

	return run(op, &there, op->word[0], said, sizeof(said));
}

static int do_here(const struct op *op)
{
	char said[2000];

	return run(op, &here, op->word[0], said, sizeof(said));
}

static int do_toolstack(const struct op *op)
{
	char said[2000];

	return run(op, &toolstack, op->word[0], said, sizeof(said));
}

static int ask(const struct op *op, struct keeper *keeper)
{
	char said[2000], *end;
	int result = run(op, keeper, op->word[1], said, sizeof(said));
	int64_t value;

	if (result)
		return result;
	value = strtoll(said, &end, 10);
	if (end == said || *end) {
		complain(op, "%s: no number: '%s'", op->text, said);
		return NOT_SO;
	}
	script_set(op->word[0], value);
	return 0;
}

static int do_ask(const struct op *op)
{
	return ask(op, &there);
}

static int do_ask_here(const struct op *op)
{
	return ask(op, &here);
}

static struct user *find_user(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		if (!strcmp(users[i].name, name))
			return &users[i];
	return NULL;
}

static int do_start(const struct op *op)
{
	struct user *user = find_user("");
	char *line = script_expand(op->word[1]);
	int err;

	if (!user || !line) {
		free(line);
		return EAGAIN;
	}
	err = user_begin(user, line);
	if (!err)
		snprintf(user->name, sizeof(user->name), "%s", op->word[0]);
	free(line);
	return err;
}

static int do_said(const struct op *op)
{
	struct user *user = find_user(op->word[0]);
	char said[4000];
	bool ended;

	if (!user)
		return ENXIO;
	ended = user_end(user, said, sizeof(said));
	if (ended && !fnmatch(op->word[1], said, 0))
		return 0;
	if (!op->ignored)
		complain(op, "%s: %s'%s'", op->text, ended ? "" : "it does not end: ", said);
	return NOT_SO;
}

/* -- the rest --------------------------------------------------------------- */

static int do_let(const struct op *op)
{
	int64_t value;

	if (!number(op->word[1], &value))
		return ENXIO;
	script_set(op->word[0], value);
	return 0;
}

static int do_expect(const struct op *op)
{
	int64_t value;

	if (!number(op->word[0], &value))
		return ENXIO;
	if (value)
		return 0;
	complain(op, "%s: it is not so", op->text);
	return NOT_SO;
}

static int do_until(const struct op *op)
{
	uint64_t end = now_ms() + patience;
	int64_t value;

	do {
		if (!number(op->word[0], &value))
			return ENXIO;
		if (value)
			return 0;
		usleep(2000);
	} while (now_ms() < end);
	complain(op, "%s: not after %lld ms", op->text, (long long)patience);
	return NOT_SO;
}

static int do_sleep(const struct op *op)
{
	int64_t ms;

	number(op->word[0], &ms);
	usleep(ms * 1000);
	return 0;
}

static int do_patience(const struct op *op)
{
	number(op->word[0], &patience);
	return 0;
}

static int do_say(const struct op *op)
{
	char *text = script_expand(op->word[0]);

	printf("%s\n", text ? text : "(no such pages)");
	fflush(stdout);
	free(text);
	return 0;
}

static int do_die(const struct op *op)
{
	(void)op;
	kill(getpid(), SIGKILL);
	return 0;
}

/* evil-run.c does these itself. */
static int do_nothing(const struct op *op)
{
	(void)op;
	return 0;
}

const struct verb verbs[] = {
	{ "write", "pt", do_write, true, "write PATH TEXT         write a node" },
	{ "read", "vp", do_read, false, "read VARIABLE PATH      a node's number" },
	{ "rm", "p", do_rm, true, "rm PATH                 remove a node; my/. is the directory" },
	{ "chmod", "pt", do_chmod, true, "chmod PATH PERMISSION.. such as n1 r0" },
	{ "await", "pt", do_await, false, "await PATH TEXT...      until the node is one of these, - is none" },
	{ "alloc", "vN", do_alloc, false, "alloc VARIABLE [DOMID]  an event channel for the other end to bind" },
	{ "bind", "vn", do_bind, false, "bind VARIABLE PORT      bind the other end's" },
	{ "close", "n", do_close, false, "close PORT" },
	{ "notify", "nN", do_notify, true, "notify PORT [TIMES]" },
	{ "hear", "n", do_hear, false, "hear PORT               until an event comes" },
	{ "share", "mnN", do_share, false, "share PAGES N [DOMID]   make and grant N pages" },
	{ "share-ro", "mnN", do_share_ro, false, "share-ro PAGES N [DOMID]  to be read only" },
	{ "map", "mn", do_map, false, "map PAGES REF           map one of the other end's" },
	{ "map-all", "mngn", do_map_all, false, "map-all PAGES N OTHER OFFSET  references are in other pages" },
	{ "release", "g", do_release, false, "release PAGES           unshare, or unmap" },
	{ "set", "cn", do_set, true, "set CELL N              32 bits: PAGES[OFFSET], or a field" },
	{ "fill", "gnnn", do_fill, true, "fill PAGES OFFSET LENGTH BYTE" },
	{ "scribble", "gnn", do_scribble, true, "scribble PAGES OFFSET LENGTH  with random bytes" },
	{ "filled", "gnnn", do_filled, false, "filled PAGES OFFSET LENGTH BYTE  is it?" },
	{ "there", "t", do_there, false, "there LINE              a shell's line in the other domain, status 0" },
	{ "here", "t", do_here, false, "here LINE               and in this one" },
	{ "toolstack", "t", do_toolstack, false, "toolstack LINE          and where devices are made" },
	{ "ask", "vt", do_ask, false, "ask VARIABLE LINE       what a line there prints" },
	{ "ask-here", "vt", do_ask_here, false, "ask-here VARIABLE LINE  and here" },
	{ "start", "wt", do_start, false, "start USER LINE         there, and do not wait for it" },
	{ "said", "wt", do_said, false, "said USER PATTERN       until it ends: what it printed" },
	{ "let", "ve", do_let, false, "let VARIABLE EXPRESSION" },
	{ "expect", "e", do_expect, false, "expect EXPRESSION       is it so?" },
	{ "until", "e", do_until, false, "until EXPRESSION        wait until it is so" },
	{ "sleep", "n", do_sleep, true, "sleep MS" },
	{ "patience", "n", do_patience, false, "patience MS             how long is waited for what is expected" },
	{ "say", "t", do_say, false, "say TEXT" },
	{ "die", "", do_die, false, "die                     as by SIGKILL" },
	{ "stop", "", do_nothing, false, "stop                    what is done meanwhile" },
	{ "for", "vnn", do_nothing, false, "for VARIABLE FIRST LAST ... end" },
	{ "end", "", do_nothing, false, "end" },
	{ NULL, NULL, NULL, false, NULL }
};

void act_begin(void)
{
	struct xentoollog_logger *log;
	char path[200], *id;

	log = (struct xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
	xs = xs_open(0);
	evtchn = xenevtchn_open(log, 0);
	if (evil.frontend)
		gntshr = xengntshr_open(log, 0);
	else
		gnttab = xengnttab_open(log, 0);
	if (!xs || !evtchn || (evil.frontend ? !gntshr : !gnttab))
		die(EX_UNAVAILABLE, "the devices in /dev/xen cannot be opened: %s",
		    strerror(errno));
	if (gnttab)
		xengnttab_set_max_grants(gnttab, 2 * MAX_PAGES);
	signal(SIGPIPE, SIG_IGN);
	snprintf(path, sizeof(path), "%s/%s", evil.dir, evil.frontend ? "backend" : "frontend");
	evil.otherend = xs_read(xs, XBT_NULL, path, NULL);
	if (!evil.otherend)
		die(EX_UNAVAILABLE, "there is no %s", path);
	snprintf(path, sizeof(path), "%s/backend-id", evil.dir);
	id = evil.frontend ? xs_read(xs, XBT_NULL, path, NULL) : NULL;
	if (id)
		evil.peer = strtoul(id, NULL, 10);
	free(id);
	id = xs_read(xs, XBT_NULL, "domid", NULL);
	if (id)
		script_set("domid", strtoul(id, NULL, 10));
	free(id);
	script_set("peer", evil.peer);
	script_set("device", evil.device);
}
