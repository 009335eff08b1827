/* SPDX-License-Identifier: GPL-2.0 */
/*
 * evil - what its parts share. evil.c says what the program is.
 */
#ifndef EVIL_H
#define EVIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVIL_PAGE	4096u
#define EVIL_WORDS	8	/* the most that a verb takes */

/* How long an expectation is waited for, in ms. */
#define EVIL_PATIENCE	30000

struct op;

/**
 * struct verb - a word of the language
 * @name: how it is written
 * @kinds: what follows it, one letter each; a capital one, and those after it, may
 *	be left out:
 *	n, N an expression; e an expression to the end of the line
 *	p a path in XenStore; t text to the end of the line; w a word
 *	v a variable, made here; g pages that there are; m pages, made here; c a cell
 * @act: does it, and returns 0, or an errno, or -1 if an expectation is not met,
 *	which it has explained with complain()
 * @again: a second thread may repeat it, see meanwhile
 * @help: a line for --help
 */
struct verb {
	const char *name;
	const char *kinds;
	int (*act)(const struct op *op);
	bool again;
	const char *help;
};

/**
 * struct op - a line of a script, ready to be done
 * @verb: its first word
 * @word: what follows, as verb->kinds has it; NULL what was left out
 * @file: where it is from
 * @line: which line of that
 * @copy: what the words are in
 * @text: the line itself, as it is after macros were expanded
 * @ignored: try: whatever comes of it
 * @refused: fails: with this errno; 0 if it is to succeed
 * @aside: meanwhile: by a second thread, again and again
 * @partner: of "for" its "end", and the other way round
 */
struct op {
	const struct verb *verb;
	char *word[EVIL_WORDS];
	const char *file;
	unsigned int line;
	char *copy;
	char *text;
	bool ignored;
	int refused;
	bool aside;
	size_t partner;
};

/* What the command line says. */
struct evil {
	bool frontend;
	unsigned int peer;	/* the domain of the other end */
	const char *type;
	unsigned int device;
	char dir[128];		/* this end's directory, relative to the domain's */
	char *otherend;		/* the other end's */
	const char *there;	/* runs what comes on its input, in the other domain */
	const char *toolstack;	/* in dom0 */
	bool verbose;
};

extern struct evil evil;

/* -- evil-script.c: read scripts -------------------------------------------- */

/* Read a script and check it; "-" is standard input. */
void script_load(const char *file);

/* Read one line, which is called line @line of @file if it is wrong. */
void script_line(const char *file, unsigned int line, const char *text);

/* Nothing more is read: is everything closed that was opened? */
void script_end(void);

/* A line for the walk. The next call frees it. NULL if the scripts have none. */
const char *script_walk(void);

/* -- evil-run.c: do the lines ------------------------------------------------ */

/* Do what was read and is not done yet. 1 if a line failed, which was explained. */
int script_run(void);

/* Do what was read last, whatever comes of it, and forget it. */
int script_run_last(void);

/* -- evil-expression.c: what is in a line ------------------------------------ */

/* The value of an expression. False if it needs pages that are not there now. */
bool script_eval(const char *text, int64_t *value);

/*
 * A text with its expressions filled in, from malloc(). NULL if it needs pages that are
 * not there now.
 */
char *script_expand(const char *text);

/* Give a variable a value. */
void script_set(const char *name, int64_t value);

/* Write to shared memory. False if the cell's pages are not there now. */
bool script_write_cell(const char *cell, uint32_t value);

/* -- evil-act.c: the verbs --------------------------------------------------- */

/* The last one has no name. */
extern const struct verb verbs[];

/* Find the other end and open what the verbs work on, or exit. */
void act_begin(void);

/* The 32 bits at @offset of these pages. False if they are not there now. */
bool pages_word(const char *name, uint64_t offset, uint32_t **word);

/* The grant reference of the page with number @n. False if there is none now. */
bool pages_ref(const char *name, uint64_t n, uint32_t *ref);

/* -- evil.c ------------------------------------------------------------------ */

/* Say why an expectation of this line is not met, unless it is ignored. */
void complain(const struct op *op, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* "evil: message" on standard error, and exit with a status of sysexits.h. */
void die(int status, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* What an allocation returned, or exit if that is NULL. */
void *must_have(void *memory);

/* The time since some beginning, in ms. */
uint64_t now_ms(void);

/* A random number less than @below, or 0. Each thread has its own series. */
uint64_t draw(uint64_t below);

#endif
