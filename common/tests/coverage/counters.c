// SPDX-License-Identifier: GPL-2.0
/*
 * Counts what is executed of another module. Only for tests: common/tests/coverage.
 *
 * The compiler's -fprofile-arcs counts the arcs of the flow graph of each function.
 * The kernel that the lab boots gathers no such counts (CONFIG_GCOV_KERNEL is not
 * set), so this file, which is linked in front of the module's own, adds them to a
 * file of the domain: when the module is unloaded, and whenever something is written
 * to its parameter "counters". It is a file that gcov reads, a .gcda.
 *
 * The module's own init and exit functions go by other names, for this one's to be
 * called instead. STAGE comes from the command line.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/compiler.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>

#define COUNTERS_FILE	"/run/" STAGE "." KBUILD_MODNAME ".gcda"

int counted_init(void);
void counted_exit(void);

/* -- what GCC 12 to 14 make --------------------------------------------------- */

#if __GNUC__ < 12 || __GNUC__ > 14
#error "The format of the counters is known for GCC 12 to 14 alone."
#endif

#define GCOV_MAGIC		0x67636461	/* "gcda" */
#define GCOV_TAG_FUNCTION	0x01000000
#define GCOV_TAG_ARCS		0x01a10000	/* the first kind of counter */
#define GCOV_KINDS		(__GNUC__ < 14 ? 8 : 9)

/**
 * struct gcov_ctr_info - the counters of one kind that a function has
 * @num: how many
 * @values: they
 */
struct gcov_ctr_info {
	u32 num;
	u64 *values;
};

/**
 * struct gcov_fn_info - one function
 * @key: the file that its counters are in, for those that several files have
 * @ident: which function it is
 * @lineno_checksum: of its name and its line
 * @cfg_checksum: of its flow graph
 * @arcs: how often each arc was taken
 */
struct gcov_fn_info {
	const struct gcov_info *key;
	u32 ident;
	u32 lineno_checksum;
	u32 cfg_checksum;
	struct gcov_ctr_info arcs;
};

/**
 * struct gcov_info - one file that was compiled
 * @version: of the compiler
 * @next: for the use of a run-time library
 * @stamp: which build of the file it is
 * @checksum: of the build
 * @filename: where a process would write the counts
 * @merge: how to add up each kind of counter; NULL if there are none
 * @nr_functions: how many functions it has
 * @functions: they
 */
struct gcov_info {
	u32 version;
	struct gcov_info *next;
	u32 stamp;
	u32 checksum;
	const char *filename;
	void (*merge[GCOV_KINDS])(u64 *values, u32 num);
	u32 nr_functions;
	struct gcov_fn_info **functions;
};

/*
 * With -fprofile-info-section a pointer to it is in this section. What is linked first
 * comes first: the module's own pointer is the one after this.
 */
static const struct gcov_info *const first __section(".gcov_info") __used;

static const struct gcov_info *counted(void)
{
	const struct gcov_info *const *after = RELOC_HIDE(&first, sizeof(first));

	return *after;
}

/* The counters refer to it; in a process it would add them to those in a file. */
void __gcov_merge_add(u64 *values, u32 num);
void __gcov_merge_add(u64 *values, u32 num)
{
}

/* -- the file ---------------------------------------------------------------- */

static DEFINE_MUTEX(saving);

static int put(struct file *file, loff_t *at, const void *what, size_t len)
{
	ssize_t done = kernel_write(file, what, len, at);

	if (done < 0)
		return done;
	return done == len ? 0 : -ENOSPC;
}

/* Adds a counter to the one in the file, if there is one, and begins it anew. */
static int add(struct file *file, loff_t *at, u64 *value)
{
	loff_t before = *at;
	u64 sum = 0;
	ssize_t err;

	err = kernel_read(file, &sum, sizeof(sum), &before);
	if (err < 0)
		return err;
	sum += *value;
	*value = 0;
	return put(file, at, &sum, sizeof(sum));
}

static int add_function(struct file *file, loff_t *at, const struct gcov_fn_info *fn)
{
	const u32 head[] = {
		GCOV_TAG_FUNCTION, 3 * sizeof(u32),
		fn->ident, fn->lineno_checksum, fn->cfg_checksum,
		GCOV_TAG_ARCS, fn->arcs.num * sizeof(u64)
	};
	int err = put(file, at, head, sizeof(head));
	u32 i;

	for (i = 0; !err && i < fn->arcs.num; i++)
		err = add(file, at, &fn->arcs.values[i]);
	return err;
}

static int add_all(struct file *file)
{
	const struct gcov_info *info = counted();
	const u32 head[] = { GCOV_MAGIC, info->version, info->stamp, info->checksum };
	loff_t at = 0;
	int err = put(file, &at, head, sizeof(head));
	u32 i;

	for (i = 0; !err && i < info->nr_functions; i++)
		if (info->functions[i]->key == info)
			err = add_function(file, &at, info->functions[i]);
	return err;
}

static int save(void)
{
	struct file *file = filp_open(COUNTERS_FILE, O_RDWR | O_CREAT, 0600);
	int err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	mutex_lock(&saving);
	err = add_all(file);
	mutex_unlock(&saving);
	filp_close(file, NULL);
	return err;
}

static void save_or_say(void)
{
	int err = save();

	if (err)
		pr_err("error %d: what was counted is lost\n", err);
}

static int counters_set(const char *text, const struct kernel_param *param)
{
	return save();
}

static const struct kernel_param_ops counters_ops = { .set = counters_set };
module_param_cb(counters, &counters_ops, NULL, 0200);

/* -- the module -------------------------------------------------------------- */

static int __init counters_init(void)
{
	int err = counted_init();

	if (err)
		save_or_say();
	return err;
}
module_init(counters_init);

static void __exit counters_exit(void)
{
	counted_exit();
	save_or_say();
}
module_exit(counters_exit);
