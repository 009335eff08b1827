// SPDX-License-Identifier: GPL-2.0
/*
 * A libxenstore without a XenStore, for the tools under the sanitizers: a tree in
 * memory, in which guests write what a guest may and sometimes a toolstack
 * takes all away, also between two reads. XENSTORE_SEED (default 1) says what, the
 * same each time; when enough was done SIGINT comes.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <xenstore.h>

#define NODES_MAX	4096
#define EVENTS_MAX	256
#define CHANGES		1500
#define VALUE_MAX	3000

struct node {
	char *path;
	char *value;
	unsigned int len;
};

struct xs_handle {
	struct node node[NODES_MAX];
	unsigned int nr_nodes;
	char *event[EVENTS_MAX];
	unsigned int nr_events;
	unsigned int changes_left;
	unsigned int pause;
	bool watched;
	int fd;
	unsigned long long random;
};

static unsigned int below(struct xs_handle *xs, unsigned int limit);
static void change(struct xs_handle *xs);
static void random_path(struct xs_handle *xs, char *path, size_t size);
static unsigned int random_value(struct xs_handle *xs, char *value);
static void write_node(struct xs_handle *xs, const char *path, const char *value, unsigned int len);
static void remove_below(struct xs_handle *xs, const char *path);
static void add_event(struct xs_handle *xs, const char *path);
static struct node *find(struct xs_handle *xs, const char *path);
static bool is_in(const char *path, const char *dir);

/* -- what the tools call --------------------------------------------------- */

struct xs_handle *xs_open(unsigned long flags)
{
	struct xs_handle *xs = calloc(1, sizeof(*xs));
	const char *seed = getenv("XENSTORE_SEED");

	(void)flags;
	if (!xs)
		return NULL;
	xs->random = seed ? strtoull(seed, NULL, 10) : 1;
	xs->fd = eventfd(1, EFD_CLOEXEC);
	xs->changes_left = CHANGES;
	write_node(xs, "/local/domain/0/name", "Domain-0", 8);
	write_node(xs, "/local/domain/1/name", "a\"]; \033[31m\\", 11);
	for (unsigned int i = below(xs, 300); i > 0; i--)
		change(xs);
	return xs;
}

void xs_close(struct xs_handle *xs)
{
	remove_below(xs, "");
	for (unsigned int i = 0; i < xs->nr_events; i++)
		free(xs->event[i]);
	close(xs->fd);
	free(xs);
}

int xs_fileno(struct xs_handle *xs)
{
	return xs->fd;
}

bool xs_watch(struct xs_handle *xs, const char *path, const char *token)
{
	(void)token;
	xs->watched = true;
	add_event(xs, path);
	return true;
}

char **xs_check_watch(struct xs_handle *xs)
{
	char **answer, *path;

	if (xs->nr_events == 0 || (xs->pause && --xs->pause == 0)) {
		for (unsigned int i = below(xs, 20); i > 0; i--)
			change(xs);
		xs->pause = 1 + below(xs, 30);
		errno = EAGAIN;
		return NULL;
	}
	path = xs->event[0];
	memmove(&xs->event[0], &xs->event[1], --xs->nr_events * sizeof(xs->event[0]));
	answer = malloc(2 * sizeof(*answer) + strlen(path) + 1);
	answer[XS_WATCH_PATH] = answer[XS_WATCH_TOKEN] = strcpy((char *)&answer[2], path);
	free(path);
	return answer;
}

void *xs_read(struct xs_handle *xs, xs_transaction_t t, const char *path, unsigned int *len)
{
	struct node *node;
	char *value;

	(void)t;
	if (below(xs, 20) == 0)
		change(xs);
	node = find(xs, path);
	if (!node || below(xs, 100) == 0) {
		errno = node ? EACCES : ENOENT;
		return NULL;
	}
	value = malloc(node->len + 1);
	memcpy(value, node->value, node->len);
	value[node->len] = '\0';
	*len = node->len;
	return value;
}

/* Names and array in one piece of memory, as the library has it. */
char **xs_directory(struct xs_handle *xs, xs_transaction_t t, const char *path, unsigned int *nr)
{
	char **names = malloc(NODES_MAX * (sizeof(*names) + 256));
	char *at = (char *)&names[NODES_MAX];
	size_t len = strlen(path);

	(void)t;
	*nr = 0;
	if (!find(xs, path)) {
		free(names);
		errno = ENOENT;
		return NULL;
	}
	for (unsigned int i = 0; i < xs->nr_nodes; i++) {
		const char *name = xs->node[i].path + len + 1;

		if (is_in(xs->node[i].path, path) && xs->node[i].path[len] && !strchr(name, '/')) {
			names[(*nr)++] = strcpy(at, name);
			at += strlen(name) + 1;
		}
	}
	return names;
}

struct xs_permissions *xs_get_permissions(struct xs_handle *xs, xs_transaction_t t, const char *path,
					  unsigned int *nr)
{
	struct xs_permissions *perms;

	(void)t;
	if (!find(xs, path)) {
		errno = ENOENT;
		return NULL;
	}
	*nr = 1 + below(xs, 3);
	perms = calloc(*nr, sizeof(*perms));
	for (unsigned int i = 0; i < *nr; i++) {
		perms[i].id = below(xs, 3);
		perms[i].perms = below(xs, 4);
	}
	return perms;
}

/* -- what happens -------------------------------------------------------------- */

/* A linear congruential generator: the same everywhere. */
static unsigned int below(struct xs_handle *xs, unsigned int limit)
{
	xs->random = xs->random * 6364136223846793005ull + 1442695040888963407ull;
	return (xs->random >> 33) % limit;
}

static void change(struct xs_handle *xs)
{
	static char value[VALUE_MAX];
	char path[4096];
	unsigned int len;

	if (xs->watched && (xs->changes_left == 0 || --xs->changes_left == 0)) {
		raise(SIGINT);
		return;
	}
	random_path(xs, path, sizeof(path));
	len = random_value(xs, value);
	if (below(xs, 8) == 0 && find(xs, path))
		remove_below(xs, path);
	else
		write_node(xs, path, value, len);
	add_event(xs, path);
}

/* Most are of few devices, so that things happen to them; some are of none. */
static void random_path(struct xs_handle *xs, char *path, size_t size)
{
	static const char *const dirs[] = {
		"/local/domain/1/device/vif/0", "/local/domain/0/backend/vif/1/0",
		"/local/domain/2/backend/vif/1/0", "/local/domain/1/device/mydevice/1",
		"/local/domain/0/backend/mydevice/1/1", "/local/domain/0/backend/console/1/0",
		"/local/domain/1/console", "/local/domain/1/error/device/vif/0",
		"/local/domain/0/error/backend/vif/1/0", "/local/domain/1/device/suspend/event-channel",
		"/local/domain/1/device/vif/007", "/local/domain/99999/device/vif/0",
		"/local/domain/1/device/a-type-that-is-far-too-long/0", "/local/domain/1/device/vif",
		"/local/domain/1/device/vif/4294967295", "/local/domain/1/device/vif/99999999999",
	};
	static const char *const names[] = {
		"/state", "/state", "/state", "/backend", "/backend-id", "/frontend", "/frontend-id",
		"/online", "/error", "/ring-ref", "/queue-0/ring-ref", "/queue-0", "", "/state/a/b",
	};
	unsigned int nr_dirs = sizeof(dirs) / sizeof(dirs[0]);
	unsigned int dir = below(xs, below(xs, 2) ? 5 : nr_dirs);

	if (below(xs, 60) == 0)
		snprintf(path, size, "/local/domain/%u", below(xs, 3));
	else if (below(xs, 30) == 0)
		snprintf(path, size, "%s/%0*u", dirs[dir], 1 + below(xs, 200), below(xs, 99));
	else if (below(xs, 4) == 0)
		snprintf(path, size, "%s/n%u", dirs[dir], below(xs, 1500));
	else
		snprintf(path, size, "%s%s", dirs[dir], names[below(xs, sizeof(names) / sizeof(names[0]))]);
}

static unsigned int random_value(struct xs_handle *xs, char *value)
{
	static const char *const values[] = {
		"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "", "-1", "4294967300", "04",
		"/local/domain/1/device/vif/0", "/local/domain/0/backend/vif/1/0",
		"/local/domain/2/backend/vif/1/0", "/local/domain/1/console", "/",
		"\"", "\\", "\"];\nb->c [label=\"", "\033[31m\033]0;x\a", "\\n\\", "%s%n%s",
	};
	unsigned int len;

	if (below(xs, 10)) {
		strcpy(value, values[below(xs, sizeof(values) / sizeof(values[0]))]);
		return strlen(value);
	}
	len = below(xs, below(xs, 2) ? 80 : VALUE_MAX);
	for (unsigned int i = 0; i < len; i++)
		value[i] = below(xs, 256);
	return len;
}

/* With all that is above it. */
static void write_node(struct xs_handle *xs, const char *path, const char *value, unsigned int len)
{
	struct node *node = find(xs, path);
	char above[4096];

	strcpy(above, path);
	*strrchr(above, '/') = '\0';
	if (above[0] && !find(xs, above))
		write_node(xs, above, "", 0);
	if (!node && xs->nr_nodes == NODES_MAX)
		return;
	if (!node) {
		node = &xs->node[xs->nr_nodes++];
		node->path = strdup(path);
		node->value = NULL;
	}
	free(node->value);
	node->value = malloc(len + 1);
	memcpy(node->value, value, len);
	node->len = len;
}

static void remove_below(struct xs_handle *xs, const char *path)
{
	for (unsigned int i = xs->nr_nodes; i-- > 0; ) {
		if (!is_in(xs->node[i].path, path))
			continue;
		free(xs->node[i].path);
		free(xs->node[i].value);
		xs->node[i] = xs->node[--xs->nr_nodes];
	}
}

static void add_event(struct xs_handle *xs, const char *path)
{
	if (xs->watched && xs->nr_events < EVENTS_MAX)
		xs->event[xs->nr_events++] = strdup(path);
}

static struct node *find(struct xs_handle *xs, const char *path)
{
	for (unsigned int i = 0; i < xs->nr_nodes; i++)
		if (!strcmp(xs->node[i].path, path))
			return &xs->node[i];
	return NULL;
}

static bool is_in(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && (path[len] == '\0' || path[len] == '/');
}
