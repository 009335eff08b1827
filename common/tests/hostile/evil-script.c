// SPDX-License-Identifier: GPL-2.0
/*
 * evil-script - the language: from text to lines that can be done, and the
 * expressions in them.
 *
 * A script is read whole, and all of it checked, before anything is done. Macros
 * are expanded while reading, so what is done is one list of lines.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "evil.h"

#define MAX_DEPTH	16	/* of macros in macros, and of loops */

static bool trying;	/* what a macro is made of is ignored, too */

/* Where reading is, for what is said about a wrong script. */
static const char *at_file = "command line";
static unsigned int at_line;

static void wrong(const char *format, const char *what)
	__attribute__((noreturn, format(printf, 1, 0)));

static void wrong(const char *format, const char *what)
{
	fprintf(stderr, "%s:%u: ", at_file, at_line);
	fprintf(stderr, format, what);
	fprintf(stderr, "\n");
	exit(EX_DATAERR);
}

/* -- names ------------------------------------------------------------------ */

enum kind { VARIABLE, PAGES, CELL };

struct name {
	char *name;
	enum kind kind;
	int64_t value;		/* of a variable; of a cell its offset */
	char *pages;		/* of a cell */
};

/* They stay where they are: what is done meanwhile reads them. */
static struct name names[512];
static size_t nr_names;

static struct name *find_name(const char *name)
{
	size_t i;

	for (i = 0; i < nr_names; i++)
		if (!strcmp(names[i].name, name))
			return &names[i];
	return NULL;
}

static bool is_word(const char *text)
{
	if (!isalpha((unsigned char)*text))
		return false;
	while (isalnum((unsigned char)*text) || *text == '_' || *text == '.')
		text++;
	return !*text;
}

static struct name *make_name(const char *name, enum kind kind)
{
	struct name *known = find_name(name);

	if (!is_word(name))
		wrong("'%s' is no name", name);
	if (known && known->kind != kind)
		wrong("'%s' is something else already", name);
	if (known)
		return known;
	if (nr_names == sizeof(names) / sizeof(names[0]))
		wrong("'%s' is one name too many", name);
	names[nr_names] = (struct name){ .name = must_have(strdup(name)), .kind = kind };
	return &names[nr_names++];
}

void script_set(const char *name, int64_t value)
{
	make_name(name, VARIABLE)->value = value;
}

/* -- expressions ------------------------------------------------------------ */

/**
 * struct reader - an expression as it is evaluated
 * @at: what comes next
 * @check: only see whether it is one
 * @gone: pages are not there, now
 */
struct reader {
	const char *at;
	bool check;
	bool gone;
};

static int64_t read_binary(struct reader *reader, int level);

static int64_t read_in(struct reader *reader, char close)
{
	int64_t value = read_binary(reader, 0);

	if (*reader->at != close)
		wrong("an expression is not closed before '%s'", reader->at);
	reader->at++;
	return value;
}

static uint32_t read_cell(struct reader *reader, const char *pages, uint64_t offset)
{
	uint32_t *word;

	if (reader->check)
		return 0;
	if (!pages_word(pages, offset, &word)) {
		reader->gone = true;
		return 0;
	}
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/* NAME.ref, NAME.ref[K] */
static bool read_ref(struct reader *reader, char *name, int64_t *value)
{
	size_t length = strlen(name);
	struct name *pages;
	int64_t n = 0;
	uint32_t ref = 0;

	if (length < 5 || strcmp(name + length - 4, ".ref"))
		return false;
	name[length - 4] = '\0';
	pages = find_name(name);
	if (!pages || pages->kind != PAGES)
		wrong("there are no pages '%s'", name);
	if (*reader->at == '[') {
		reader->at++;
		n = read_in(reader, ']');
	}
	if (!reader->check && !pages_ref(name, n, &ref))
		reader->gone = true;
	*value = ref;
	return true;
}

static int64_t read_name(struct reader *reader)
{
	const char *begin = reader->at;
	struct name *known;
	char name[64];
	int64_t value;

	while (isalnum((unsigned char)*reader->at) || *reader->at == '_' || *reader->at == '.')
		reader->at++;
	if (reader->at - begin >= (long)sizeof(name))
		wrong("'%s' is too long a name", begin);
	snprintf(name, sizeof(name), "%.*s", (int)(reader->at - begin), begin);
	if (!strcmp(name, "random") && *reader->at == '(') {
		reader->at++;
		value = read_in(reader, ')');
		return draw(value > 0 ? value : 1);
	}
	known = find_name(name);
	if (!known) {
		if (read_ref(reader, name, &value))
			return value;
		wrong("there is no '%s' yet", name);
	}
	switch (known->kind) {
	case VARIABLE:
		return known->value;
	case CELL:
		return read_cell(reader, known->pages, known->value);
	case PAGES:
		if (*reader->at != '[')
			wrong("'%s' is pages, and not a number", name);
		reader->at++;
		return read_cell(reader, name, read_in(reader, ']'));
	}
	return 0;
}

static int64_t read_primary(struct reader *reader)
{
	char *end;
	int64_t value;

	switch (*reader->at) {
	case '(':
		reader->at++;
		return read_in(reader, ')');
	case '-':
		reader->at++;
		return -read_primary(reader);
	case '!':
		reader->at++;
		return !read_primary(reader);
	}
	if (isalpha((unsigned char)*reader->at))
		return read_name(reader);
	if (!isdigit((unsigned char)*reader->at))
		wrong("a number is missing before '%s'", reader->at);
	value = strtoll(reader->at, &end, 0);
	reader->at = end;
	return value;
}

/* Those of one level are of equal rank; a later level binds closer. */
static const struct {
	const char *sign;
	int level;
} operators[] = {
	{ "||", 0 }, { "&&", 1 }, { "==", 2 }, { "!=", 2 }, { "<=", 3 }, { ">=", 3 },
	{ "<<", 4 }, { ">>", 4 }, { "<", 3 }, { ">", 3 }, { "+", 5 }, { "-", 5 },
	{ "*", 6 }, { "/", 6 }, { "%", 6 }, { "&", 1 }, { "|", 0 },
};
#define LEVELS	7

static const char *read_operator(struct reader *reader, int level)
{
	size_t i, length;

	for (i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		length = strlen(operators[i].sign);
		if (strncmp(reader->at, operators[i].sign, length))
			continue;
		if (operators[i].level != level)
			return NULL;	/* the longest comes first in the table */
		reader->at += length;
		return operators[i].sign;
	}
	return NULL;
}

static int64_t apply(const char *sign, int64_t a, int64_t b)
{
	switch (sign[0]) {
	case '|': return sign[1] ? a || b : a | b;
	case '&': return sign[1] ? a && b : a & b;
	case '=': return a == b;
	case '!': return a != b;
	case '<': return sign[1] == '<' ? (int64_t)((uint64_t)a << (b & 63)) :
			 sign[1] ? a <= b : a < b;
	case '>': return sign[1] == '>' ? a >> (b & 63) : sign[1] ? a >= b : a > b;
	case '+': return a + b;
	case '-': return a - b;
	case '*': return a * b;
	case '/': return b ? a / b : 0;
	default: return b ? a % b : 0;
	}
}

static int64_t read_binary(struct reader *reader, int level)
{
	const char *sign;
	int64_t value;

	if (level == LEVELS)
		return read_primary(reader);
	value = read_binary(reader, level + 1);
	while ((sign = read_operator(reader, level)))
		value = apply(sign, value, read_binary(reader, level + 1));
	return value;
}

static bool evaluate(const char *text, bool check, int64_t *value)
{
	struct reader reader = { .at = text, .check = check };

	*value = read_binary(&reader, 0);
	if (*reader.at)
		wrong("this is too much for a number: '%s'", reader.at);
	return !reader.gone;
}

/* False if it needs pages that are not there, now. */
bool script_eval(const char *text, int64_t *value)
{
	return evaluate(text, false, value);
}

/* A cell is NAME, which "field" made, or PAGES[OFFSET]. */
static bool find_cell(const char *cell, bool check, char **pages, int64_t *offset)
{
	char *bracket = strchr(cell, '[');
	struct name *known;
	char name[64], inside[128];

	snprintf(name, sizeof(name), "%.*s", bracket ? (int)(bracket - cell) : 63, cell);
	known = find_name(name);
	if (!known || known->kind != (bracket ? PAGES : CELL))
		wrong("'%s' is no cell of shared memory", cell);
	if (!bracket) {
		*pages = known->pages;
		*offset = known->value;
		return true;
	}
	if (cell[strlen(cell) - 1] != ']')
		wrong("'%s' has no ']' at its end", cell);
	snprintf(inside, sizeof(inside), "%.*s", (int)strlen(bracket) - 2, bracket + 1);
	*pages = known->name;
	return evaluate(inside, check, offset);
}

bool script_write_cell(const char *cell, uint32_t value)
{
	int64_t offset;
	uint32_t *word;
	char *pages;

	if (!find_cell(cell, false, &pages, &offset) || !pages_word(pages, offset, &word))
		return false;
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
	return true;
}

/* -- text ------------------------------------------------------------------- */

/* One of the words A|B|C; the text after the ']'. */
static const char *expand_choice(const char *text, FILE *to)
{
	const char *end = strchr(text, ']'), *word = text;
	uint64_t n = 1, i;

	if (!end)
		wrong("'@[' is not closed in '%s'", text);
	for (i = 0; text + i < end; i++)
		n += text[i] == '|';
	for (n = draw(n); n; n--)
		word = strchr(word, '|') + 1;
	fwrite(word, 1, strcspn(word, "|]"), to);
	return end + 1;
}

static const char *expand_number(const char *text, FILE *to, bool check, bool *gone)
{
	struct reader reader = { .at = text, .check = check };
	int64_t value = read_in(&reader, ')');

	fprintf(to, "%lld", (long long)value);
	*gone |= reader.gone;
	return reader.at;
}

static char *expand(const char *text, bool check)
{
	bool gone = false;
	char *result = NULL;
	size_t size;
	FILE *to = must_have(open_memstream(&result, &size));

	while (*text) {
		if (text[0] == '@' && text[1] == '(')
			text = expand_number(text + 2, to, check, &gone);
		else if (text[0] == '@' && text[1] == '[')
			text = expand_choice(text + 2, to);
		else
			fputc(*text++, to);
	}
	fclose(to);
	if (!gone)
		return must_have(result);
	free(result);
	return NULL;
}

/* From malloc(); NULL if it needs pages that are not there, now. */
char *script_expand(const char *text)
{
	return expand(text, false);
}

/* -- lines ------------------------------------------------------------------ */

static struct op *ops;
static size_t nr_ops, begun;		/* lines that there are, that were done */
static size_t loops[MAX_DEPTH];		/* each "for" that has no "end" yet */
static size_t depth;

static const struct verb *find_verb(const char *name)
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

/* The next word of *line, which it ends and steps over. NULL if there is none. */
static char *cut_word(char **line)
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

/* A line whose first word is no macro. */
static void parse_op(const char *text)
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
	op.ignored |= trying;
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

/* -- macros, and what else is done while reading ---------------------------- */

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

struct chance {
	unsigned int weight;
	char *text;
};

static struct chance *chances;
static size_t nr_chances;
static unsigned int all_weights;

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
		parse_op(text);
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

/* Nothing more is read. */
void script_end(void)
{
	if (open_macro)
		wrong("the macro '%s' has no 'endmacro'", open_macro->name);
	if (depth) {
		at_file = ops[loops[depth - 1]].file;
		at_line = ops[loops[depth - 1]].line;
		wrong("%s", "this 'for' has no 'end'");
	}
}

/* A line for the walk, from malloc(); the last one is freed. NULL: there is none. */
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
		line = expand(chances[i].text, false);
	} while (!line);
	free(text);
	if (asprintf(&text, "try %s", line) < 0)
		die(EX_OSERR, "out of memory");
	free(line);
	return text;
}

/* -- doing it --------------------------------------------------------------- */

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

/* What was read last, whatever comes of it; it is forgotten afterwards. */
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
