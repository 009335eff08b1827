// SPDX-License-Identifier: GPL-2.0
/*
 * xbdoctor - look at XenBus devices that do not work, and say why and what to do.
 *
 * main() looks up the devices, watches their states for a while, because what is
 * on its way needs no doctor, and then looks at this domain, and puts every device
 * through the list of checks. A check is a function of one idea: what it looks at, and
 * where the rule comes from, is said above it. They are in doctor/, by what is looked at.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "doctor/report.h"

#define LOOK_AGAIN_MS	100

/* What the program ends with, beside the statuses of sysexits.h. */
enum { HEALTHY = 0, FINDINGS = 1 };

struct doctor doctor = { .wait = 3 };

static void parse_options(int argc, char **argv);
static void usage(void);
static void admit_operand(const char *operand, struct patients *patients);
static unsigned int admit(const struct xb_select *select, struct patients *patients);
static bool admit_device(struct patients *patients, const struct xb_device *device);
static void report_absent(const char *operand);
static void watch_states(struct patients *patients);
static void examine_domain(const struct patients *patients);
static void examine(struct patient *patient);
static const char *well(const struct patient *patient);

/*
 * The checks of a device, in the order in which they are made: what others need
 * comes first. In which order they are told is another question: see enum finding.
 */
static bool (*const checks[])(struct patient *patient) = {
	check_domains, check_paused, check_both_there, check_process, check_nodes_there,
	check_ids, check_pointers, check_owners, check_writers, check_readers, check_numbers,
	check_states_valid, check_error_nodes, check_online, check_published, check_together,
	check_version, check_orders, check_hotplug, check_port, check_overwritten, check_alive,
	check_rings, check_drivers, check_progress,
};

int main(int argc, char **argv)
{
	struct patients patients = { 0 };
	bool ill;

	parse_options(argc, argv);
	kinds_init();
	doctor.xs = xb_open();
	if (!xb_own_domid(doctor.xs, &doctor.own))
		xb_die(EX_UNAVAILABLE, "XenStore does not say which domain this is.\n"
		       "    In dom0: /usr/lib/xen-*/bin/xen-init-dom0");
	xb_colour_init(stdout);

	domains_look();
	if (optind == argc)
		admit_operand(NULL, &patients);
	for (int i = optind; i < argc; i++)
		admit_operand(argv[i], &patients);
	watch_states(&patients);
	examine_domain(&patients);
	for (unsigned int i = 0; i < patients.nr; i++)
		examine(&patients.patient[i]);
	ill = report(&patients, well);

	free(patients.patient);
	xs_close(doctor.xs);
	if (fflush(stdout) || ferror(stdout))
		xb_die(EX_IOERR, "the output could not be written: %s", strerror(errno));
	return ill ? FINDINGS : HEALTHY;
}

/* -- what is to be looked at ----------------------------------------------- */

/* All operands are checked before anything is done. */
static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "wait", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 }
	};
	struct xb_select select;
	int option;

	while ((option = getopt_long(argc, argv, "w:hV", options, NULL)) != -1) {
		switch (option) {
		case 'w':
			if (!xb_number(optarg, 3601, &doctor.wait))
				xb_usage_error("--wait takes 0 to 3600 seconds, not '%s'", optarg);
			break;
		case 'h':
			usage();
			exit(HEALTHY);
		case 'V':
			printf("%s %s\n", program_invocation_short_name, VERSION);
			exit(HEALTHY);
		default:	/* getopt_long() has said what is wrong */
			fprintf(stderr, "    See: %s --help\n", program_invocation_short_name);
			exit(EX_USAGE);
		}
	}
	for (int i = optind; i < argc; i++)
		if (!xb_select_parse(argv[i], &select))
			xb_usage_error("'%s' is not a device, type, domain or path", argv[i]);
}

static void usage(void)
{
	printf("usage: %s [OPTION]... [DEVICE]...\n"
	       "\n"
	       "Says what is wrong with XenBus devices and what to do about it. DEVICE is\n"
	       "\n"
	       "  mydevice-1-0    a device: type, the frontend's domain, number\n"
	       "  mydevice-0      a device whose frontend is in this domain: type, number\n"
	       "  mydevice        all devices of a type\n"
	       "  1               all devices with an end in this domain\n"
	       "  /local/domain/1/device/mydevice/0\n"
	       "                  the path of either end's directory\n"
	       "\n"
	       "Without DEVICE it looks at all devices that this domain can see.\n"
	       "\n"
	       "  -w, --wait SECONDS  call a device stuck if its states do not change for\n"
	       "                      this time (default 3; 0: look once)\n"
	       "  -h, --help          show this text\n"
	       "  -V, --version       show the version\n"
	       "\n"
	       "Exit status: 0 all are healthy, 1 there are findings, 64 wrong usage, 69 no\n"
	       "XenStore, 77 no permission. The sections of docs/troubleshooting.md that\n"
	       "the findings name explain them.\n", program_invocation_short_name);
}

/*
 * What an operand means: mydevice-0, as a guest's kernel has it, is a device of this
 * domain, unless there is a type of that name.
 */
static void admit_operand(const char *operand, struct patients *patients)
{
	struct xb_select select;

	xb_select_parse(operand, &select);
	if (!admit(&select, patients) &&
	    !(xb_select_own(operand, doctor.own, &select) && admit(&select, patients)))
		report_absent(operand);
}

/* Take in the devices that are meant. Returns how many there are. */
static unsigned int admit(const struct xb_select *select, struct patients *patients)
{
	struct xb_devices devices = { 0 };
	unsigned int nr = 0;

	xb_devices_scan(doctor.xs, &devices, select);
	for (unsigned int i = 0; i < devices.nr; i++)
		nr += admit_device(patients, devices.device[i]);
	xb_devices_free(&devices);
	return nr;
}

/* A device counts, but is looked at only once, however often it is named. */
static bool admit_device(struct patients *patients, const struct xb_device *device)
{
	struct patient *patient;
	struct patient new = { 0 };

	find_sides(&new, device);
	for (unsigned int i = 0; i < patients->nr; i++) {
		patient = &patients->patient[i];
		if (!strcmp(patient->side[XB_BACK].path, new.side[XB_BACK].path) ||
		    !strcmp(patient->side[XB_FRONT].path, new.side[XB_FRONT].path))
			return true;
	}
	patients->patient = xb_realloc(patients->patient,
				       (patients->nr + 1) * sizeof(*patient));
	patients->patient[patients->nr++] = new;
	return true;
}

/* -- what is not there ------------------------------------------------------- */

/* How many letters to insert, remove, change or swap: Levenshtein's distance, with swaps. */
static unsigned int distance(const char *a, const char *b)
{
	size_t m = strlen(a), n = strlen(b);
	unsigned int d[XB_TYPE_MAX + 1][XB_TYPE_MAX + 1];

	for (size_t i = 0; i <= m; i++) {
		for (size_t j = 0; j <= n; j++) {
			unsigned int best = i ? d[i - 1][j] + 1 : j;

			if (i && j && d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i && j && d[i - 1][j - 1] + (a[i - 1] != b[j - 1]) < best)
				best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = i ? best : j;
		}
	}
	return d[m][n];
}

/**
 * struct similar - the type that is most like one that is not there
 * @wanted:	the one that is not there
 * @type:	the most similar, "" if none is like it
 * @distance:	how unlike it is
 */
struct similar {
	const char *wanted;
	char type[XB_TYPE_MAX];
	unsigned int distance;
};

/* A third of the letters may be wrong, of a short word one, and more is another word. */
static void compare(struct similar *similar, const char *type)
{
	size_t len = strlen(similar->wanted);
	unsigned int unlike;

	if (strlen(type) >= XB_TYPE_MAX || !strcmp(type, similar->wanted))
		return;
	unlike = distance(similar->wanted, type);
	if (unlike > (len < 6 ? 1 : len / 3) || unlike >= similar->distance)
		return;
	similar->distance = unlike;
	strcpy(similar->type, type);
}

static void find_similar(struct similar *similar)
{
	struct xb_devices devices = { 0 };
	struct xb_select all;

	xb_select_parse(NULL, &all);
	xb_devices_scan(doctor.xs, &devices, &all);
	for (unsigned int i = 0; i < devices.nr; i++)
		compare(similar, devices.device[i]->dir.type);
	xb_devices_free(&devices);
}

/* The type that an operand names: all of it, or what is before the numbers. */
static void wanted_type(const char *operand, char type[XB_TYPE_MAX])
{
	struct xb_select select;

	xb_select_parse(operand, &select);
	strcpy(type, select.exact ? select.dir.type : select.type);
	if (!select.exact && !*type)
		return;
	for (char *hyphen = strrchr(type, '-'); hyphen && hyphen[1] &&
	     !hyphen[1 + strspn(hyphen + 1, "0123456789")]; hyphen = strrchr(type, '-'))
		*hyphen = '\0';
}

static void report_absent(const char *operand)
{
	struct similar similar = { .distance = ~0u };
	char shown[SHOWN], type[XB_TYPE_MAX];

	if (!operand) {
		finding(NULL, ERROR, NO_DEVICE, "there is no device that this domain can see");
		return;
	}
	xb_printable(shown, sizeof(shown), operand, strlen(operand));
	wanted_type(operand, type);
	similar.wanted = type;
	if (type[0])
		find_similar(&similar);
	if (similar.type[0]) {
		finding(NULL, ERROR, SIMILAR_TYPE,
			"%s: there is no such device that this domain can see, but one of the type %s",
			shown, similar.type);
		advice(doctor.own, "xbdoctor %s", similar.type);
		return;
	}
	finding(NULL, ERROR, NO_DEVICE, "%s: there is no such device that this domain can see",
		shown);
	if (!strcmp(type, stage_kind()->type))
		advice_first(type);
}

/* -- looking twice --------------------------------------------------------- */

/*
 * A handshake takes a moment, and so does an end. So all devices that are not
 * Connected are looked at again and again, until their states have stayed the same
 * for doctor.wait; those that never rest are given up after five times that.
 */
static void watch_states(struct patients *patients)
{
	uint64_t wait = doctor.wait * 1000ull, begin = now_ms(), now;
	unsigned int unsettled;

	for (unsigned int i = 0; i < patients->nr; i++) {
		look_at_state(&patients->patient[i]);
		patients->patient[i].since = begin;
	}
	do {
		now = now_ms();
		unsettled = 0;
		for (unsigned int i = 0; i < patients->nr; i++) {
			struct patient *patient = &patients->patient[i];

			if (patient->settled)
				continue;
			if (look_at_state(patient))
				patient->since = now;
			patient->settled = connected(patient) || now - patient->since >= wait;
			unsettled += !patient->settled;
		}
		if (unsettled)
			usleep(LOOK_AGAIN_MS * 1000);
	} while (unsettled && now - begin < 5 * wait);
}

/* -- the examination ------------------------------------------------------- */

/* What is ill may not be the device. */
static void examine_domain(const struct patients *patients)
{
	check_kernel_log();
	check_xenwatch();
	check_dying();
	check_limits(patients);
	check_files();
	check_wrong_domain();
}

/*
 * A guest's first console is set up by the toolstack and served by xenconsoled;
 * libxl says of it that it "doesn't use the regular PV state machine": both ends
 * stay Initialising for ever.
 */
static bool is_first_console(const struct patient *patient)
{
	return !strcmp(patient->type, "console") && patient->number == 0;
}

static void examine(struct patient *patient)
{
	unsigned int nr = sizeof(checks) / sizeof(checks[0]);

	for (int end = XB_FRONT; end <= XB_BACK; end++) {
		struct side *side = &patient->side[end];

		side->error = 0;
		if (!xb_nodes_read(doctor.xs, side->path, "", true, &side->nodes))
			side->error = errno;
		if (side->nodes.more)
			doctor.unseen |= MORE_NODES;
	}
	if (is_first_console(patient))
		nr = 1;		/* its domain may be gone */
	for (unsigned int i = 0; i < nr && checks[i](patient); i++)
		;
	xb_nodes_free(&patient->side[XB_FRONT].nodes);
	xb_nodes_free(&patient->side[XB_BACK].nodes);
}

/* Why a device is well of which nothing was found. */
static const char *well(const struct patient *patient)
{
	return is_first_console(patient) ? "the first console has no handshake" :
	       "both ends are Connected";
}
