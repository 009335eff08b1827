// SPDX-License-Identifier: GPL-2.0
/*
 * evil - either end of a split driver, as bad as a script says.
 *
 *	evil --frontend [OPTION]... SCRIPT...
 *	evil --backend DOMID [OPTION]... SCRIPT...
 *
 * It is a process on libxenstore, libxenevtchn and libxengnttab. It knows XenStore's
 * nodes, event channels and granted pages, and no protocol: what an honest end would do
 * is itself written in a script, of macros (see protocol/), which the cases are made of.
 * So it can be turned against another driver: with --type, and its protocol.
 *
 * A script is lines of a verb and what it works on; --help lists the verbs. A # begins
 * a comment. Numbers are expressions as in C, without blanks, on 64 bits: numbers,
 * variables, random(N), NAME.ref or NAME.ref[K], the grant reference of a page, and
 * cells, which are 32 bits of shared memory: NAME[OFFSET], or a name that "field" gave
 * one. In text @(EXPRESSION) stands for a number, @[A|B|C] for one of these words.
 *
 * "pages NAME..." says that there will be pages of these names, "field NAME PAGES OFFSET"
 * gives a cell its name, "include FILE" reads another script.
 *
 * A path is my/NODE or their/NODE, in this or the other end's directory, or begins at
 * the root with a slash. Before a verb may stand
 *
 *	try		whatever comes of it
 *	fails ERRNO	it must fail with this error
 *	meanwhile	a thread does it over and over, until "stop"
 *
 * and around lines
 *
 *	for VARIABLE FIRST LAST ... end
 *	macro NAME ... endmacro		then NAME A B C is a line; @1 to @9 are its words,
 *					and @* is all of them
 *
 * Scripts are checked before anything is done: a wrong line is named, and the status is
 * 65. If all is as the script expects the status is 0, if not 1, with the line that was
 * not met.
 *
 * With --walk SEED it goes on for --seconds N at random: it draws from the lines that
 * the scripts give after the word "walk" and a weight, and prints each before it does
 * it. What it prints is a script, which does the same again.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "evil.h"

struct evil evil = { .type = "mydevice" };

static bool check_only, walks;
static uint64_t seed = 1, seconds = 10;

void complain(const struct op *op, const char *format, ...)
{
	va_list args;

	if (op->ignored)
		return;
	fprintf(stderr, "%s:%u: ", op->file, op->line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
}

void die(int status, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "evil: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(status);
}

void *must_have(void *memory)
{
	if (!memory)
		die(EX_OSERR, "out of memory");
	return memory;
}

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

/* xorshift64*: the same numbers from the same seed, everywhere. */
uint64_t draw(uint64_t below)
{
	static __thread uint64_t state;

	if (!state)
		state = seed * 0x9e3779b97f4a7c15ull + 1;
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return below ? (state * 0x2545f4914f6cdd1dull >> 16) % below : 0;
}

static void usage(FILE *to)
{
	const struct verb *verb;

	fputs("usage: evil --frontend | --backend DOMID [OPTION]... SCRIPT...\n"
	      "Plays either end of a split driver as the scripts say, one after the other.\n"
	      "  --type NAME      the device's type (default: mydevice)\n"
	      "  --device N       the device's number (default: 0)\n"
	      "  --there COMMAND  a shell in the other domain, for the verbs that need one\n"
	      "  --toolstack COMMAND  and one in the toolstack's, dom0\n"
	      "  --let NAME=N     a variable for the scripts\n"
	      "  --check          only see whether the scripts are right\n"
	      "  --verbose        say each line before it is done\n"
	      "  --walk SEED      then go on at random\n"
	      "  --seconds N      for so long (default: 10)\n"
	      "The verbs (evil.c says how a script is written):\n", to);
	for (verb = verbs; verb->name; verb++)
		fprintf(to, "  %s\n", verb->help);
}

static uint64_t parse_number(const char *option, const char *text)
{
	uint64_t value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end || errno)
		die(EX_USAGE, "%s is a number, not '%s'", option, text);
	return value;
}

static void parse_let(char *text)
{
	char *value = strchr(text, '=');

	if (!value || value == text)
		die(EX_USAGE, "--let is NAME=N, not '%s'", text);
	*value = '\0';
	script_set(text, parse_number("--let", value + 1));
}

static const struct option options[] = {
	{ "frontend", no_argument, NULL, 'f' },
	{ "backend", required_argument, NULL, 'b' },
	{ "type", required_argument, NULL, 't' },
	{ "device", required_argument, NULL, 'd' },
	{ "there", required_argument, NULL, 'T' },
	{ "toolstack", required_argument, NULL, 'D' },
	{ "let", required_argument, NULL, 'l' },
	{ "check", no_argument, NULL, 'c' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "walk", required_argument, NULL, 'w' },
	{ "seconds", required_argument, NULL, 's' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static void parse_option(int option, bool *backend)
{
	switch (option) {
	case 'f':
		evil.frontend = true;
		break;
	case 'b':
		*backend = true;
		evil.peer = parse_number("--backend", optarg);
		break;
	case 't':
		evil.type = optarg;
		break;
	case 'd':
		evil.device = parse_number("--device", optarg);
		break;
	case 'T':
		evil.there = optarg;
		break;
	case 'D':
		evil.toolstack = optarg;
		break;
	case 'l':
		parse_let(optarg);
		break;
	case 'c':
		check_only = true;
		break;
	case 'v':
		evil.verbose = true;
		break;
	case 'w':
		walks = true;
		seed = parse_number("--walk", optarg);
		break;
	case 's':
		seconds = parse_number("--seconds", optarg);
		break;
	case 'h':
		usage(stdout);
		exit(EX_OK);
	default:
		usage(stderr);
		exit(EX_USAGE);
	}
}

static void parse(int argc, char **argv)
{
	bool backend = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		parse_option(option, &backend);
	if (!check_only && evil.frontend == backend)
		die(EX_USAGE, "which end is it to be? --frontend or --backend (--help says more)");
	if (optind == argc)
		die(EX_USAGE, "which script? (--help says more)");
	snprintf(evil.dir, sizeof(evil.dir), backend ? "backend/%s/%u/%u" : "device/%s/%u",
		 evil.type, backend ? evil.peer : evil.device, evil.device);
}

/* What is printed comes before it is done: the victim may not survive it. */
static int walk(void)
{
	uint64_t end = now_ms() + seconds * 1000;
	unsigned int line = 0;
	const char *text;

	printf("# --walk %llu\n", (unsigned long long)seed);
	while (now_ms() < end) {
		text = script_walk();
		if (!text)
			die(EX_DATAERR, "no line of the scripts begins with 'walk'");
		printf("%s\n", text);
		fflush(stdout);
		script_line("walk", ++line, text);
		script_run_last();
	}
	return 0;
}

int main(int argc, char **argv)
{
	int status, i;

	/* what every script may use */
	script_set("scale", 1);
	script_set("peer", 0);
	script_set("domid", 0);
	script_set("device", 0);
	parse(argc, argv);
	for (i = optind; i < argc; i++)
		script_load(argv[i]);
	script_end();
	if (check_only)
		return 0;
	act_begin();
	status = script_run();
	return status || !walks ? status : walk();
}
