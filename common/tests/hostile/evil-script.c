// SPDX-License-Identifier: GPL-2.0
/*
 * evil-script - read scripts.
 *
 * A script is read whole, and all of it checked, before anything is done. Macros are
 * expanded here, so what is done later is one list of lines.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "evil.h"
#include "evil-script.h"

static bool trying;	/* the lines of a macro after "try" are ignored, too */

/* -- macros ----------------------------------------------------------------- */

struct macro {
	char *name;
	char **line;
	size_t nr_lines;
	const char *file;
	unsigned int first;	/* line of the file */
};

static struct macro *macros;
static size_t nr_macros;
static struct macro *open_macro;	/* that lines are added to */

static struct macro *find_macro(const char *name, size_t length)
{
	size_t i = nr_macros;

	while (i--)	/* the latest of its name */
		if (strlen(macros[i].name) == length && !strncmp(macros[i].name, name, length))
			return &macros[i];
	return NULL;
}

static void begin_macro(const char *name)
{
	if (!name || !isalpha((unsigned char)*name) || find_verb(name))
		wrong("'%s' is no name for a macro", name ? name : "");
	macros = must_have(realloc(macros, (nr_macros + 1) * sizeof(*macros)));
	open_macro = &macros[nr_macros++];
	*open_macro = (struct macro){ .name = must_have(strdup(name)),
				      .file = at_file, .first = at_line + 1 };
}

static void add_to_macro(const char *line)
{
	open_macro->line = must_have(realloc(open_macro->line, (open_macro->nr_lines + 1) *
					     sizeof(*open_macro->line)));
	open_macro->line[open_macro->nr_lines++] = must_have(strdup(line));
}

/* A line of a macro, with what was given in place of @1, @2, @*. */
static char *fill_in(const char *line, const char *given)
{
	char *copy = must_have(strdup(given)), *rest = copy, *word[10] = { NULL }, *result;
	size_t size;
	FILE *to = must_have(open_memstream(&result, &size));
	int n;

	for (n = 1; n < 10; n++)
		word[n] = cut_word(&rest);
	for (; *line; line++) {
		if (line[0] == '@' && line[1] == '*') {
			fputs(given, to);
			line++;
		} else if (line[0] == '@' && line[1] >= '1' && line[1] <= '9') {
			if (!word[line[1] - '0'])
				wrong("the macro wants more words than '%s'", given);
			fputs(word[line[1] - '0'], to);
			line++;
		} else {
			fputc(*line, to);
		}
	}
	fclose(to);
	free(copy);
	return must_have(result);
}

static void read_line(const char *text);

static void expand_macro(struct macro *macro, const char *given)
{
	static unsigned int nested;
	size_t i, which = macro - macros;
	char *line;

	if (++nested > MAX_DEPTH)
		wrong("the macro '%s' is too deep in others", macro->name);
	for (i = 0; i < macros[which].nr_lines; i++) {
		line = fill_in(macros[which].line[i], given);
		read_line(line);
		free(line);
	}
	nested--;
}

/* -- lines for reading alone ------------------------------------------------ */

struct chance {
	unsigned int weight;
	char *text;
};

static struct chance *chances;
static size_t nr_chances;
static unsigned int all_weights;

/* field NAME PAGES OFFSET: the pages come later. */
static void add_field(char *rest)
{
	char *name = cut_word(&rest), *pages = cut_word(&rest), *offset = cut_word(&rest);
	struct name *cell;
	int64_t value;

	if (!offset)
		wrong("%s", "field NAME PAGES OFFSET");
	make_name(pages, PAGES);
	evaluate(offset, true, &value);
	cell = make_name(name, CELL);
	cell->pages = must_have(strdup(pages));
	cell->value = value;
}

/* pages NAME...: there will be some. */
static void add_pages(char *rest)
{
	char *name;

	while ((name = cut_word(&rest)))
		make_name(name, PAGES);
}

static void add_chance(char *rest)
{
	char *weight = cut_word(&rest), *end;

	chances = must_have(realloc(chances, (nr_chances + 1) * sizeof(*chances)));
	chances[nr_chances].weight = weight ? strtoul(weight, &end, 10) : 0;
	if (!weight || *end || !chances[nr_chances].weight || chances[nr_chances].weight > 1000)
		wrong("%s", "walk WEIGHT LINE, with a weight from 1 to 1000");
	chances[nr_chances].text = must_have(strdup(rest));
	all_weights += chances[nr_chances++].weight;
}

/* The name of a file is relative to that of the one that includes it. */
static void include(const char *name)
{
	const char *slash = strrchr(at_file, '/'), *file = at_file;
	static unsigned int nested;
	unsigned int line = at_line;
	char *path;

	if (!name)
		wrong("%s", "include FILE");
	if (++nested > MAX_DEPTH)
		wrong("'%s' is too deep in others", name);
	if (asprintf(&path, "%.*s%s", slash && *name != '/' ? (int)(slash + 1 - at_file) : 0,
		     at_file, name) < 0)
		die(EX_OSERR, "out of memory");
	script_load(path);
	nested--;
	at_file = file;
	at_line = line;
}

/* What is for reading alone: true if it is that. */
static bool read_directive(const char *word, char *rest)
{
	if (!strcmp(word, "field"))
		add_field(rest);
	else if (!strcmp(word, "pages"))
		add_pages(rest);
	else if (!strcmp(word, "walk"))
		add_chance(rest);
	else if (!strcmp(word, "include"))
		include(cut_word(&rest));
	else if (!strcmp(word, "macro"))
		begin_macro(cut_word(&rest));
	else if (!strcmp(word, "endmacro"))
		wrong("%s", "an 'endmacro' without a 'macro'");
	else
		return false;
	return true;
}

/* -- lines and files -------------------------------------------------------- */

/* "try" and a macro: true if it is that. */
static bool read_tried(const char *first, const char *rest)
{
	struct macro *macro;
	bool was = trying;
	size_t length;

	rest += strspn(rest, " \t");
	length = strcspn(rest, " \t");
	macro = find_macro(rest, length);
	if (strcmp(first, "try") || !macro)
		return false;
	rest += length;
	trying = true;
	expand_macro(macro, rest + strspn(rest, " \t"));
	trying = was;
	return true;
}

static void read_statement(const char *text, char *rest)
{
	const char *word = cut_word(&rest);
	struct macro *macro = word ? find_macro(word, strlen(word)) : NULL;

	if (!word)
		return;
	if (macro)
		expand_macro(macro, rest + strspn(rest, " \t"));
	else if (!read_tried(word, rest) && !read_directive(word, rest))
		parse_op(text, trying);
}

static void read_line(const char *text)
{
	const char *first = text + strspn(text, " \t");
	char *copy;

	if (open_macro) {
		if (!strncmp(first, "endmacro", 8))
			open_macro = NULL;
		else
			add_to_macro(first);
		return;
	}
	copy = must_have(strdup(text));
	read_statement(text, copy);
	free(copy);
}

/* A # that follows a blank, or comes first, begins a comment. */
static void cut_comment(char *line)
{
	char *at;
	size_t length;

	for (at = strchr(line, '#'); at; at = strchr(at + 1, '#')) {
		if (at == line || isblank((unsigned char)at[-1])) {
			*at = '\0';
			break;
		}
	}
	length = strlen(line);
	while (length && isspace((unsigned char)line[length - 1]))
		line[--length] = '\0';
}

void script_line(const char *file, unsigned int line, const char *text)
{
	at_file = file;
	at_line = line;
	read_line(text);
}

void script_load(const char *file)
{
	FILE *from = strcmp(file, "-") ? fopen(file, "r") : stdin;
	char *text = NULL;
	size_t size = 0;

	if (!from)
		die(EX_NOINPUT, "%s: %s", file, strerror(errno));
	at_file = must_have(strdup(file));
	at_line = 0;
	while (getline(&text, &size, from) >= 0) {
		at_line++;
		cut_comment(text);
		if (text[strspn(text, " \t")])
			read_line(text);
	}
	free(text);
	fclose(from);
}

void script_end(void)
{
	if (open_macro)
		wrong("the macro '%s' has no 'endmacro'", open_macro->name);
	check_loops_end();
}

const char *script_walk(void)
{
	static char *text;
	char *line;
	uint64_t at;
	size_t i;

	if (!all_weights)
		return NULL;
	do {
		at = draw(all_weights);
		for (i = 0; at >= chances[i].weight; i++)
			at -= chances[i].weight;
		line = script_expand(chances[i].text);
	} while (!line);
	free(text);
	if (asprintf(&text, "try %s", line) < 0)
		die(EX_OSERR, "out of memory");
	free(line);
	return text;
}
