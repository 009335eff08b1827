// SPDX-License-Identifier: GPL-2.0
/*
 * evil-line - a line of a script whose first word is a verb: from its text to a
 * struct op that can be done. Its words are checked by what the verb takes.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "evil.h"
#include "evil-script.h"

struct op *ops;
size_t nr_ops;

static size_t loops[MAX_DEPTH];		/* each "for" that has no "end" yet */
static size_t depth;

const struct verb *find_verb(const char *name)
{
	const struct verb *verb;

	for (verb = verbs; verb->name; verb++)
		if (!strcmp(verb->name, name))
			return verb;
	return NULL;
}

static void check_path(const char *path)
{
	if (strncmp(path, "my/", 3) && strncmp(path, "their/", 6) && path[0] != '/')
		wrong("a path is my/NODE, their/NODE or /..., not '%s'", path);
}

static void check_word(char kind, char *word)
{
	struct name *known;
	int64_t value;
	char *pages;

	switch (tolower((unsigned char)kind)) {
	case 'n':
	case 'e':
		evaluate(word, true, &value);
		break;
	case 'p':
		check_path(word);
		free(expand(word, true));
		break;
	case 't':
		free(expand(word, true));
		break;
	case 'v':
		make_name(word, VARIABLE);
		break;
	case 'm':
		make_name(word, PAGES);
		break;
	case 'g':
		known = find_name(word);
		if (!known || known->kind != PAGES)
			wrong("there are no pages '%s'", word);
		break;
	case 'c':
		find_cell(word, true, &pages, &value);
		break;
	}
}

char *cut_word(char **line)
{
	char *word = *line + strspn(*line, " \t");

	if (!*word)
		return NULL;
	*line = word + strcspn(word, " \t");
	if (**line)
		*(*line)++ = '\0';
	return word;
}

/* NULL if nothing is left. */
static char *without_blanks(char *text)
{
	char *from, *to = text;

	for (from = text; *from; from++)
		if (!isblank((unsigned char)*from))
			*to++ = *from;
	*to = '\0';
	return *text ? text : NULL;
}

static void parse_words(struct op *op, char *rest)
{
	const char *kind;
	char *word;
	int n = 0;

	for (kind = op->verb->kinds; *kind; kind++) {
		if (*kind == 't' || *kind == 'e') {
			word = rest + strspn(rest, " \t");
			rest = word + strlen(word);
			if (*kind == 'e')
				word = without_blanks(word);
		} else {
			word = cut_word(&rest);
		}
		if (!word && islower((unsigned char)*kind))
			wrong("something is missing: %s", op->verb->help);
		if (!word)
			break;
		check_word(*kind, word);
		op->word[n++] = word;
	}
	rest += strspn(rest, " \t");
	if (*rest)
		wrong("this is too much: '%s'", rest);
}

static int errno_of(const char *name)
{
	static const struct {
		const char *name;
		int value;
	} errnos[] = {
		{ "EACCES", EACCES }, { "EPERM", EPERM }, { "ENOENT", ENOENT },
		{ "EINVAL", EINVAL }, { "EAGAIN", EAGAIN }, { "ENOSPC", ENOSPC },
		{ "EEXIST", EEXIST }, { "ENXIO", ENXIO }, { "E2BIG", E2BIG },
	};
	size_t i;

	for (i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++)
		if (name && !strcmp(errnos[i].name, name))
			return errnos[i].value;
	wrong("after 'fails' comes an error such as EACCES, not '%s'", name ? name : "");
}

static void check_loop(struct op *op)
{
	if (!strcmp(op->verb->name, "for")) {
		if (depth == MAX_DEPTH)
			wrong("%s", "too many loops in loops");
		loops[depth++] = nr_ops;
	} else if (!strcmp(op->verb->name, "end")) {
		if (!depth)
			wrong("%s", "an 'end' without a 'for'");
		op->partner = loops[--depth];
		ops[op->partner].partner = nr_ops;
	}
}

void parse_op(const char *text, bool ignored)
{
	char *line = must_have(strdup(text)), *rest = line, *word;
	struct op op = { .file = at_file, .line = at_line, .copy = line,
			 .text = must_have(strdup(text)) };

	for (;;) {
		word = cut_word(&rest);
		if (!word)
			wrong("%s", "a verb is missing");
		if (!strcmp(word, "try"))
			op.ignored = true;
		else if (!strcmp(word, "fails"))
			op.refused = errno_of(cut_word(&rest));
		else if (!strcmp(word, "meanwhile"))
			op.aside = true;
		else
			break;
	}
	op.ignored |= ignored;
	op.verb = find_verb(word);
	if (!op.verb)
		wrong("there is no verb or macro '%s' (evil --help has a list)", word);
	if (op.aside && !op.verb->again)
		wrong("'%s' cannot be done meanwhile", word);
	parse_words(&op, rest);
	if (nr_ops % 64 == 0)
		ops = must_have(realloc(ops, (nr_ops + 64) * sizeof(*ops)));
	check_loop(&op);
	ops[nr_ops++] = op;
}

void check_loops_end(void)
{
	if (!depth)
		return;
	at_file = ops[loops[depth - 1]].file;
	at_line = ops[loops[depth - 1]].line;
	wrong("%s", "this 'for' has no 'end'");
}
