// SPDX-License-Identifier: GPL-2.0
/*
 * evil-expression - the names of a script, and what an expression or a text with
 * expressions in it comes to.
 *
 * Each is read by the same functions twice: once to check the script, before anything
 * is done, and again each time its line is done.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "evil.h"
#include "evil-script.h"

const char *at_file = "command line";
unsigned int at_line;

void wrong(const char *format, const char *what)
{
	fprintf(stderr, "%s:%u: ", at_file, at_line);
	fprintf(stderr, format, what);
	fprintf(stderr, "\n");
	exit(EX_DATAERR);
}

/* -- names ------------------------------------------------------------------ */

/* They stay where they are: what is done meanwhile reads them. */
static struct name names[512];
static size_t nr_names;

struct name *find_name(const char *name)
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

struct name *make_name(const char *name, enum kind kind)
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

bool evaluate(const char *text, bool check, int64_t *value)
{
	struct reader reader = { .at = text, .check = check };

	*value = read_binary(&reader, 0);
	if (*reader.at)
		wrong("this is too much for a number: '%s'", reader.at);
	return !reader.gone;
}

bool script_eval(const char *text, int64_t *value)
{
	return evaluate(text, false, value);
}

bool find_cell(const char *cell, bool check, char **pages, int64_t *offset)
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

char *expand(const char *text, bool check)
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

char *script_expand(const char *text)
{
	return expand(text, false);
}
