// SPDX-License-Identifier: GPL-2.0
/*
 * xbwatch: the command line.
 */
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "watch.h"

static void show_help(void) __attribute__((noreturn));
static void parse_until(char *states, struct options *options);
static int parse_state(const char *name);
static void parse_timeout(const char *seconds, struct options *options);
static void parse_file(const char *name, struct file *file);

void parse_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "count", required_argument, NULL, 'n' },
		{ "dot", optional_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "msc", optional_argument, NULL, 'm' },
		{ "states", no_argument, NULL, 's' },
		{ "timeout", required_argument, NULL, 't' },
		{ "until", required_argument, NULL, 'u' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 }
	};
	int option;

	while ((option = getopt_long(argc, argv, "n:hst:u:V", longs, NULL)) != -1) {
		switch (option) {
		case 'n':
			if (!xb_number(optarg, ~0u, &options->count) || options->count == 0)
				xb_usage_error("the count is a number from 1, not '%s'", optarg);
			break;
		case 'd':
			parse_file(optarg, &options->dot);
			break;
		case 'h':
			show_help();
		case 'm':
			parse_file(optarg, &options->msc);
			break;
		case 's':
			options->states_only = true;
			break;
		case 't':
			parse_timeout(optarg, options);
			break;
		case 'u':
			parse_until(optarg, options);
			break;
		case 'V':
			puts("xbwatch " VERSION);
			exit(EX_OK);
		default:
			xb_see_help();
		}
	}
	if (argc - optind > 1)
		xb_usage_error("at most one operand is allowed: '%s' is too many", argv[optind + 1]);
	if (!xb_select_parse(argv[optind], &options->select))
		xb_usage_error("'%s' is not a domain's number, a type of device, a device's name"
			       " (mydevice-1-0) or the path of a device's directory", argv[optind]);
	if (options->msc.name && options->dot.name && !strcmp(options->msc.name, options->dot.name))
		xb_usage_error("two charts cannot go into one file");
}

static void show_help(void)
{
	puts("usage: xbwatch [OPTION...] [DOMID | TYPE | TYPE-N | TYPE-DOMID-N | PATH]\n"
	     "\n"
	     "Shows the XenBus states and nodes of devices as they change: of all devices that\n"
	     "this domain may see, or of those with an end in domain DOMID, of those of a TYPE\n"
	     "(vif, mydevice, ...), of device N of domain DOMID, or of the one whose frontend's\n"
	     "or backend's directory is PATH. Interrupt it (^C) to end it.\n"
	     "\n"
	     "  -s, --states         show only the states\n"
	     "  -n, --count=N        end after N changes\n"
	     "  -u, --until=STATE    end when both ends of each device are in this state, such\n"
	     "                       as Connected or Closed; STATE,STATE: frontend's and\n"
	     "                       backend's; gone: the directory is removed\n"
	     "  -t, --timeout=SECS   end after this time\n"
	     "      --msc[=FILE]     write the changes as a sequence chart, for mscgen\n"
	     "      --dot[=FILE]     write them as a diagram of states, for graphviz's dot\n"
	     "  -h, --help           show this and end\n"
	     "  -V, --version        show the version and end\n"
	     "\n"
	     "A chart is written at the end. Without FILE it goes to standard output, and the\n"
	     "lines go to standard error. Colour is for terminals, unless NO_COLOR is\n"
	     "set. Exit status: 0, or one of sysexits.h: 64 usage, 69 no XenStore, 73 FILE\n"
	     "cannot be written, 74 input or output error, 75 ended before --count or --until\n"
	     "was reached, 77 not permitted.");
	exit(EX_OK);
}

/* One state for both ends, or two with a comma between them. */
static void parse_until(char *states, struct options *options)
{
	char *comma = strchr(states, ',');

	if (comma)
		*comma = '\0';
	options->until = true;
	options->until_state[XB_FRONT] = parse_state(states);
	options->until_state[XB_BACK] = parse_state(comma ? comma + 1 : states);
}

static int parse_state(const char *name)
{
	int state = !strcasecmp(name, "gone") ? GONE : xb_state_by_name(name);

	if (state == XB_BAD_STATE)
		xb_usage_error("unknown state '%s'; the states are: gone Initialising InitWait Initialised"
			       " Connected Closing Closed Reconfiguring Reconfigured Unknown", name);
	return state;
}

static void parse_timeout(const char *seconds, struct options *options)
{
	char *rest;

	options->timeout = strtod(seconds, &rest);
	if (rest == seconds || *rest || !isfinite(options->timeout) || options->timeout <= 0 ||
	    options->timeout > 1e8)
		xb_usage_error("the timeout is a number of seconds, not '%s'", seconds);
}

static void parse_file(const char *name, struct file *file)
{
	if (name && !*name)
		xb_usage_error("the name of the chart's file is empty");
	file->name = name ? name : "-";
}
