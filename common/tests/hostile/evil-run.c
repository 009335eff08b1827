// SPDX-License-Identifier: GPL-2.0
/*
 * evil-run - do the lines of a script: one after the other, and those that are
 * repeated meanwhile in threads.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evil.h"
#include "evil-script.h"

static size_t begun;	/* the next line to be done */

/* What is done meanwhile. */
static pthread_t aside[8];
static unsigned int nr_aside;
static bool aside_ends;

/* Pages do not go while something is done to them meanwhile. */
static pthread_mutex_t pages_lock = PTHREAD_MUTEX_INITIALIZER;

static void *do_aside(void *arg)
{
	struct op op = *(struct op *)arg;

	free(arg);
	while (!__atomic_load_n(&aside_ends, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&pages_lock);
		op.verb->act(&op);
		pthread_mutex_unlock(&pages_lock);
		sched_yield();
	}
	return NULL;
}

/* Those that make pages, or let go of them, are alone. */
static int act(const struct op *op)
{
	bool alone = op->verb->kinds[0] == 'm' || !strcmp(op->verb->name, "release");
	int result;

	if (alone)
		pthread_mutex_lock(&pages_lock);
	result = op->verb->act(op);
	if (alone)
		pthread_mutex_unlock(&pages_lock);
	return result;
}

/* The thread has a copy: while a walk goes on, the list of lines moves. */
static int begin_aside(const struct op *op)
{
	struct op *copy;
	int err;

	if (nr_aside == sizeof(aside) / sizeof(aside[0]))
		return EAGAIN;
	copy = must_have(malloc(sizeof(*copy)));
	*copy = *op;
	err = pthread_create(&aside[nr_aside], NULL, do_aside, copy);
	if (err)
		free(copy);
	else
		nr_aside++;
	return err;
}

static void end_aside(void)
{
	__atomic_store_n(&aside_ends, true, __ATOMIC_RELAXED);
	while (nr_aside)
		pthread_join(aside[--nr_aside], NULL);
	aside_ends = false;
}

/* Returns what is to be done next. */
static size_t do_for(size_t at)
{
	struct op *op = &ops[at];
	int64_t first = 0, last = -1;

	script_eval(op->word[1], &first);
	script_eval(op->word[2], &last);
	script_set(op->word[0], first);
	return first <= last ? at + 1 : op->partner + 1;
}

static size_t do_end(size_t at)
{
	struct op *begin = &ops[ops[at].partner];
	struct name *variable = find_name(begin->word[0]);
	int64_t last = -1;

	script_eval(begin->word[2], &last);
	if (variable->value >= last)
		return at + 1;
	variable->value++;
	return ops[at].partner + 1;
}

static bool as_wanted(const struct op *op, int result)
{
	if (op->ignored || result == op->refused)
		return true;
	if (op->refused)
		complain(op, "%s: %s", op->text,
			 result ? strerror(result) : "it should have failed, and did not");
	else if (result > 0)
		complain(op, "%s: %s", op->text, strerror(result));
	return false;
}

static bool do_op(struct op *op)
{
	at_file = op->file;
	at_line = op->line;
	if (evil.verbose)
		fprintf(stderr, "%8llu ms %s:%u: %s\n", (unsigned long long)now_ms(),
			op->file, op->line, op->text);
	if (!strcmp(op->verb->name, "stop")) {
		end_aside();
		return true;
	}
	return as_wanted(op, op->aside ? begin_aside(op) : act(op));
}

int script_run(void)
{
	while (begun < nr_ops) {
		if (!strcmp(ops[begun].verb->name, "for"))
			begun = do_for(begun);
		else if (!strcmp(ops[begun].verb->name, "end"))
			begun = do_end(begun);
		else if (do_op(&ops[begun]))
			begun++;
		else
			return 1;
	}
	end_aside();
	return 0;
}

int script_run_last(void)
{
	size_t first = begun;

	while (begun < nr_ops)
		if (script_run())
			begun = nr_ops;	/* the rest of a macro makes no sense */
	while (nr_ops > first && !nr_aside) {
		nr_ops--;
		free(ops[nr_ops].text);
		free(ops[nr_ops].copy);
	}
	begun = nr_ops;
	return 0;
}
