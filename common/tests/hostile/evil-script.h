/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the language share: evil-expression.c, evil-line.c, evil-script.c
 * and evil-run.c. What the verbs and the program need of them is in evil.h.
 */
#ifndef EVIL_SCRIPT_H
#define EVIL_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "evil.h"

#define MAX_DEPTH	16	/* of macros in macros, and of loops */

/* -- evil-expression.c ------------------------------------------------------ */

/* The line that is read or done now. */
extern const char *at_file;
extern unsigned int at_line;

/* Say what is wrong in that line, with @what in the place of the format's %s, and exit. */
void wrong(const char *format, const char *what)
	__attribute__((noreturn, format(printf, 1, 0)));

enum kind { VARIABLE, PAGES, CELL };

/**
 * struct name - a name that a script made
 * @name: the name
 * @kind: what it stands for
 * @value: a variable's value, a cell's offset
 * @pages: the name of the pages that a cell is in
 */
struct name {
	char *name;
	enum kind kind;
	int64_t value;
	char *pages;
};

/* NULL if no script has made it. */
struct name *find_name(const char *name);

/* The name, which is made if it is not known. It is wrong if it is of another kind. */
struct name *make_name(const char *name, enum kind kind);

/*
 * The value of an expression. With @check it only sees whether it is one, and reads no
 * cell. False if it needs pages that are not there now.
 */
bool evaluate(const char *text, bool check, int64_t *value);

/*
 * Where a cell is. It is written NAME, which "field" made, or PAGES[OFFSET]. @check and
 * the result are those of evaluate(), for the offset.
 */
bool find_cell(const char *cell, bool check, char **pages, int64_t *offset);

/*
 * A text with its @(EXPRESSION) and @[A|B] filled in, from malloc(). @check is that of
 * evaluate(). NULL if it needs pages that are not there now.
 */
char *expand(const char *text, bool check);

/* -- evil-line.c ------------------------------------------------------------ */

/* The lines, in the order in which they were read. */
extern struct op *ops;
extern size_t nr_ops;

/* NULL if there is none of this name. */
const struct verb *find_verb(const char *name);

/* The next word of *line, which it ends and steps over. NULL if there is none. */
char *cut_word(char **line);

/*
 * Add a line whose first word is no macro to the list. With @ignored it is done as
 * after "try".
 */
void parse_op(const char *text, bool ignored);

/* Nothing more is read: is there an "end" for each "for"? */
void check_loops_end(void);

#endif
