// SPDX-License-Identifier: GPL-2.0
/*
 * streams - measure streams of bytes and round trips between two domains.
 *
 * One of it runs at each end, with the same tests in the same order: in dom0
 * the leader, which measures and prints, in the guest the follower. Several links
 * are used at the same time, by a process each.
 *
 *	check			both ways, odd sizes, each byte compared; not timed
 *	rtt:COUNT		a byte there and back, so many times
 *	down:SIZE:BYTES		from the leader, in writes of this size
 *	up:SIZE:BYTES		to the leader, in writes of this size (the reader
 *				asks for 64 KiB at a time, and takes what there is)
 *	write:SIZE:BYTES	alone: no follower
 *	read:SIZE:BYTES		alone: no follower
 *	copy:SIZE:BYTES		alone: memcpy from one buffer to another
 *
 * The leader prints, comma between: test, size, bytes (rtt: round trips), ns
 * (rtt: the median), 99th percentile in ns (rtt alone), events of the leader's
 * end and of the followers' (empty if unknown), and how many reads it took.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "link.h"

#define MAX_LINKS	32
#define PATTERN		(64 * 1024)	/* what is sent repeats after so many bytes */
#define MAX_SIZE	PATTERN
#define MAX_TESTS	64

/* One test, as the command line has it. */
struct test {
	char kind[8];
	size_t size;
	uint64_t count;
};

/* What one process of the leader's has found out; shared with the others. */
struct result {
	uint64_t start;
	uint64_t end;
	uint64_t p99;
	uint64_t events;
	uint64_t peer_events;
	uint64_t reads;
};

/* All processes of the leader's. */
struct team {
	pthread_barrier_t barrier;
	struct result results[MAX_LINKS];
};

static struct team *team;
static unsigned int nr_links;
static bool in_group;
static const char *label = "";
static unsigned char pattern[PATTERN + MAX_SIZE];
static unsigned char buffer[MAX_SIZE];

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("streams: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	if (in_group)
		kill(0, SIGKILL);	/* the others would wait for this one */
	exit(1);
}

void try_again(const char *what, unsigned int *tries)
{
	const struct timespec rest = { .tv_nsec = 5000000 };

	if (++*tries > 6000)
		die("%s is not there after 30 s", what);
	nanosleep(&rest, NULL);
}

ssize_t fd_read(struct link *link, void *buf, size_t len)
{
	return read(link->fd, buf, len);
}

ssize_t fd_write(struct link *link, const void *buf, size_t len)
{
	return write(link->fd, buf, len);
}

/* A line of the file: number, a count for each processor, chip, name. */
uint64_t interrupts(const char *name, const char *other_name)
{
	FILE *file = fopen("/proc/interrupts", "r");
	uint64_t count, sum = 0;
	char line[512], *last;

	if (!file)
		die("/proc/interrupts: %m");
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		last = strrchr(line, ' ');
		if (!last || sscanf(line, " %*u: %ju", &count) != 1)
			continue;
		if (!strncmp(last + 1, name, strlen(name)) ||
		    (other_name && !strncmp(last + 1, other_name, strlen(other_name))))
			sum += count;
	}
	fclose(file);
	return sum;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* -- moving bytes ---------------------------------------------------------- */

/* All of it, however many calls that takes. */
static inline void put(struct link *link, const void *buf, size_t len)
{
	ssize_t n;

	while (len) {
		n = link->means->write(link, buf, len);
		if (n <= 0) {
			if (n == 0 || errno != EAGAIN)
				die("writing to %s: %m", link->where);
			relax();
			continue;
		}
		buf = (const char *)buf + n;
		len -= n;
	}
}

/* What is there, at least a byte. */
static inline size_t get(struct link *link, void *buf, size_t len)
{
	ssize_t n;

	while ((n = link->means->read(link, buf, len)) <= 0) {
		if (n == 0 || errno != EAGAIN)
			die("reading from %s: %s", link->where,
			    n ? strerror(errno) : "end of file");
		relax();
	}
	return n;
}

static void get_all(struct link *link, void *buf, size_t len)
{
	size_t n;

	for (; len; buf = (char *)buf + n, len -= n)
		n = get(link, buf, len);
}

static void put_byte(struct link *link)
{
	put(link, "S", 1);
}

static void get_byte(struct link *link)
{
	char byte = 0;

	get(link, &byte, 1);
	if (byte != 'S')
		die("%s: a byte of another test arrived", link->where);
}

/*
 * Between the tests the ends tell each other something: that they are there, or
 * what they counted. It is as long as a cache line, so that what a test sends is
 * aligned in the ring as it is in memory, for all means alike.
 */
struct word {
	uint64_t events;
	uint64_t reads;
	char name[48];
};

static void put_word(struct link *link, uint64_t events, uint64_t reads)
{
	const struct word word = { .events = events, .reads = reads, .name = "streams" };

	if (link->means->bells_only)
		put_byte(link);
	else
		put(link, &word, sizeof(word));
}

static struct word get_word(struct link *link)
{
	struct word word = { .name = "" };

	if (link->means->bells_only) {
		get_byte(link);
		return word;
	}
	get_all(link, &word, sizeof(word));
	if (strcmp(word.name, "streams"))
		die("%s: bytes of another test arrived", link->where);
	return word;
}

/* The pattern is twice in memory, so that each size is contiguous everywhere. */
static void make_pattern(void)
{
	uint32_t x = 1;
	size_t i;

	for (i = 0; i < PATTERN; i++) {
		x = x * 1664525 + 1013904223;
		pattern[i] = x >> 24;
	}
	memcpy(pattern + PATTERN, pattern, MAX_SIZE);
}

static void wrong_bytes(struct link *link, uint64_t at)
{
	die("%s: wrong bytes arrived at or before byte %ju", link->where, (uintmax_t)at);
}

static void put_stream(struct link *link, size_t size, uint64_t count)
{
	uint64_t at;

	for (at = 0; at < count; at += size)
		put(link, pattern + at % PATTERN, size);
}

/*
 * The last byte of what each call got is compared: enough to see a piece lost or
 * repeated, and cheap enough to be in the time. A reader takes what there is, up
 * to 64 KiB, whatever the writer's size. Returns how many reads that took.
 */
static uint64_t get_stream(struct link *link, uint64_t count)
{
	uint64_t at = 0, reads = 0;
	size_t n;

	while (at < count) {
		n = get(link, buffer, count - at < MAX_SIZE ? count - at : MAX_SIZE);
		at += n;
		if (buffer[n - 1] != pattern[(at - 1) % PATTERN])
			wrong_bytes(link, at);
		reads++;
	}
	return reads;
}

/* -- the check: not timed -------------------------------------------------- */

#define CHECK_BYTES	(3 * 1024 * 1024 + 64)

/* A size between 1 byte and 64 KiB, small ones more often. */
static size_t odd_size(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return 1 + (*state >> 8) % (1u << (4 + (*state >> 24) % 13));
}

static void put_checked(struct link *link)
{
	uint32_t state = 1;
	size_t at, n;

	for (at = 0; at < CHECK_BYTES; at += n) {
		n = odd_size(&state);
		n = n < CHECK_BYTES - at ? n : CHECK_BYTES - at;
		put(link, pattern + at % PATTERN, n);
	}
}

static void get_checked(struct link *link)
{
	uint32_t state = 2;
	size_t at, n;

	for (at = 0; at < CHECK_BYTES; at += n) {
		n = odd_size(&state);
		n = get(link, buffer, n < CHECK_BYTES - at ? n : CHECK_BYTES - at);
		if (memcmp(buffer, pattern + at % PATTERN, n))
			wrong_bytes(link, at + n);
	}
}

static void check(struct link *link)
{
	if (link->leader) {
		put_checked(link);
		get_checked(link);
	} else {
		get_checked(link);
		put_checked(link);
	}
}

/* -- the tests ------------------------------------------------------------- */

static bool is(const struct test *test, const char *kind)
{
	return !strcmp(test->kind, kind);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Round trips: the result is the median, as if start were 0. */
static void round_trips(struct link *link, uint64_t count, struct result *result)
{
	uint64_t i, start, *times = calloc(count, sizeof(*times));

	if (!times)
		die("no memory");
	memset(times, 1, count * sizeof(*times));	/* no page faults later */
	for (i = 0; i < count; i++) {
		start = now();
		put_byte(link);
		get_byte(link);
		times[i] = now() - start;
	}
	qsort(times, count, sizeof(*times), compare);
	result->start = 0;
	result->end = times[count / 2];
	result->p99 = times[count * 99 / 100];
	free(times);
}

static void answer(struct link *link, uint64_t count)
{
	while (count--) {
		get_byte(link);
		put_byte(link);
	}
}

static void copy(size_t size, uint64_t count)
{
	uint64_t at;

	for (at = 0; at < count; at += size) {
		memcpy(buffer, pattern + at % PATTERN, size);
		__asm__ volatile("" : : "r"(buffer) : "memory");
	}
}

static uint64_t events(struct link *link)
{
	return link->means->events ? link->means->events(link) : 0;
}

static void lead(struct link *link, const struct test *test, struct result *result)
{
	struct word word = { .reads = 0 };
	uint64_t before;

	*result = (struct result){ .reads = 0 };
	put_word(link, 0, 0);
	get_word(link);
	pthread_barrier_wait(&team->barrier);
	before = events(link);
	result->start = now();
	if (is(test, "check")) {
		check(link);
	} else if (is(test, "rtt")) {
		round_trips(link, test->count, result);
	} else if (is(test, "down")) {
		put_stream(link, test->size, test->count);
		get_word(link);
	} else {
		put_word(link, 0, 0);
		result->reads = get_stream(link, test->count);
	}
	if (!is(test, "rtt"))
		result->end = now();
	result->events = events(link) - before;
	if (!link->means->bells_only)	/* two bells in a row may be heard as one */
		word = get_word(link);
	result->peer_events = word.events;
	if (is(test, "down"))
		result->reads = word.reads;
}

static void follow(struct link *link, const struct test *test)
{
	uint64_t before, reads = 0;

	get_word(link);
	put_word(link, 0, 0);
	before = events(link);
	if (is(test, "check")) {
		check(link);
	} else if (is(test, "rtt")) {
		answer(link, test->count);
	} else if (is(test, "down")) {
		reads = get_stream(link, test->count);
		put_word(link, 0, 0);
	} else {
		get_word(link);
		put_stream(link, test->size, test->count);
	}
	if (!link->means->bells_only)
		put_word(link, events(link) - before, reads);
}

/* There is no other end, or it needs no care. */
static void alone(struct link *link, const struct test *test, struct result *result)
{
	uint64_t at;

	result->start = now();
	if (is(test, "copy"))
		copy(test->size, test->count);
	else if (is(test, "write"))
		put_stream(link, test->size, test->count);
	else
		for (at = 0; at < test->count; at += test->size)
			get(link, buffer, test->size);
	result->end = now();
}

/* -- the results ----------------------------------------------------------- */

/* Sums up over the links. */
static struct result all_counts(void)
{
	struct result sum = { .events = 0 };
	unsigned int i;

	for (i = 0; i < nr_links; i++) {
		sum.events += team->results[i].events;
		sum.peer_events += team->results[i].peer_events;
		sum.reads += team->results[i].reads;
	}
	return sum;
}

/* From the first start to the last end. */
static uint64_t all_time(void)
{
	uint64_t start = team->results[0].start, end = team->results[0].end;
	unsigned int i;

	for (i = 1; i < nr_links; i++) {
		if (team->results[i].start < start)
			start = team->results[i].start;
		if (team->results[i].end > end)
			end = team->results[i].end;
	}
	return end - start;
}

static void print(const struct link *link, const struct test *test)
{
	const struct result counts = all_counts();

	if (is(test, "check"))
		return;
	printf("%s%s,%zu,%ju,%ju,", label, test->kind, test->size,
	       (uintmax_t)(test->count * nr_links), (uintmax_t)all_time());
	if (is(test, "rtt"))
		printf("%ju", (uintmax_t)team->results[0].p99);
	if (link->means->events)
		printf(",%ju,%ju", (uintmax_t)counts.events, (uintmax_t)counts.peer_events);
	else
		printf(",,");
	printf(",%ju\n", (uintmax_t)counts.reads);
	fflush(stdout);
}

/* -- who does what --------------------------------------------------------- */

static bool needs_follower(const struct test *test)
{
	return !is(test, "copy") && !is(test, "write") && !is(test, "read");
}

static void run_test(struct link *link, const struct test *test, unsigned int number)
{
	struct result *result = &team->results[number];

	if (!link->leader) {
		follow(link, test);
		return;
	}
	if (needs_follower(test))
		lead(link, test, result);
	else
		alone(link, test, result);
	pthread_barrier_wait(&team->barrier);
	if (number == 0)
		print(link, test);
	pthread_barrier_wait(&team->barrier);
}

static void run_link(struct link *link, const struct test *tests, unsigned int nr_tests,
		     unsigned int repeat, unsigned int number)
{
	unsigned int i;

	if (link->means->open)
		link->means->open(link);
	while (repeat--)
		for (i = 0; i < nr_tests; i++)
			run_test(link, &tests[i], number);
	if (link->means->close)
		link->means->close(link);
}

static void make_team(void)
{
	pthread_barrierattr_t attr;

	team = mmap(NULL, sizeof(*team), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (team == MAP_FAILED)
		die("no memory");
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&team->barrier, &attr, nr_links);
}

static struct test parse(const char *word)
{
	struct test test = { .size = 1 };
	int n;

	if (!strcmp(word, "check")) {
		strcpy(test.kind, word);
		return test;
	}
	n = sscanf(word, "%7[a-z]:%zu:%ju", test.kind, &test.size, &test.count);
	if (n == 2 && is(&test, "rtt")) {
		test.count = test.size;
		test.size = 1;
	} else if (n != 3 || is(&test, "rtt") || test.size > MAX_SIZE || !test.size ||
		   test.count % test.size) {
		die("what test is '%s'?", word);
	}
	if (!test.count)
		die("'%s' measures nothing", word);
	return test;
}

/* For copies from one buffer to another. */
static const struct means memory = { .name = "memory" };

static const struct means *find_means(const char *name)
{
	const struct means *all[] = {
		&mydevice, &peer, &vchan, &evtchn, &tcp, &pipes, &bound, &memory,
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(all[i]->name, name))
			return all[i];
	die("there is no means '%s'", name);
}

static unsigned int split(char *list, const char **words)
{
	unsigned int n = 0;
	char *word;

	for (word = strtok(list, ","); word; word = strtok(NULL, ",")) {
		if (n == MAX_LINKS)
			die("more than %d links", MAX_LINKS);
		words[n++] = word;
	}
	return n;
}

/* What the command line asks for. */
struct job {
	const char *role;
	struct link link;
	const char *where[MAX_LINKS];
	struct test tests[MAX_TESTS];
	unsigned int nr_tests;
	unsigned int repeat;
};

static void usage(void)
{
	die("usage: streams lead|follow|both|alone MEANS LINK,... %s TEST...",
	    "[-s] [-d DOMID] [-r RING] [-n REPEAT] [-l LABEL]");
}

static void parse_option(struct job *job, int option)
{
	if (option == 's')
		job->link.spin = true;
	else if (option == 'd')
		job->link.peer = atoi(optarg);
	else if (option == 'r')
		job->link.ring = atoi(optarg);
	else if (option == 'n')
		job->repeat = atoi(optarg);
	else if (option == 'l')
		label = optarg;
	else
		usage();
}

static void parse_job(struct job *job, int argc, char **argv)
{
	int option;

	if (argc < 5)
		usage();
	job->role = argv[1];
	job->link.means = find_means(argv[2]);
	job->link.leader = strcmp(job->role, "follow");
	nr_links = split(argv[3], job->where);
	optind = 4;
	while ((option = getopt(argc, argv, "sd:r:n:l:")) != -1)
		parse_option(job, option);
	for (; optind < argc && job->nr_tests < MAX_TESTS; optind++)
		job->tests[job->nr_tests++] = parse(argv[optind]);
	if (!nr_links || !job->nr_tests || optind < argc)
		usage();
}

/* One process becomes as many as there are links: returns which this one is. */
static unsigned int become_many(void)
{
	unsigned int i;

	for (i = 0; i + 1 < nr_links; i++)
		if (fork() == 0)
			return i;
	return i;
}

/* All children must end well. */
static void wait_all(void)
{
	int status, failed = 0;

	while (wait(&status) > 0)
		failed |= status;
	if (failed)
		exit(1);
}

int main(int argc, char **argv)
{
	struct job job = { .link.ring = 65536, .repeat = 1 };
	struct link *link = &job.link;
	unsigned int number;

	parse_job(&job, argc, argv);
	make_pattern();
	memset(buffer, 1, sizeof(buffer));	/* no page faults later */
	make_team();
	in_group = !setpgid(0, 0);
	if (!strcmp(job.role, "both")) {
		link->means->prepare(link->ring, link->spin);
		link->leader = fork() != 0;
	}
	number = become_many();
	link->where = job.where[number];
	run_link(link, job.tests, job.nr_tests, job.repeat, number);
	wait_all();
	return 0;
}
