// SPDX-License-Identifier: GPL-2.0
/*
 * Bugs, one for each checker of a debug kernel, to see that it is awake. Only for tests.
 *
 *   echo leak >/sys/module/seeds/parameters/bug
 *
 * makes the bug of that name, once; its report is in the kernel's log, or where the
 * checker has its own. "none" makes none, in the same way, and
 * "ordered" none where two processors meet.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/kfence.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

/* As large as the objects of a cache: what follows is nobody's. */
#define OBJECT_SIZE	64

/* What the compiler must not know, or it would see the bug, too. */
static volatile int one = 1;

static int seed_none(void)
{
	void *p = kmalloc(OBJECT_SIZE, GFP_KERNEL);

	kfree(p);
	return p ? 0 : -ENOMEM;
}

/* -- locks ----------------------------------------------------------------- */

static DEFINE_MUTEX(lock_a);
static DEFINE_MUTEX(lock_b);

static int seed_order(void)
{
	mutex_lock(&lock_a);
	mutex_lock(&lock_b);
	mutex_unlock(&lock_b);
	mutex_unlock(&lock_a);
	mutex_lock(&lock_b);
	mutex_lock(&lock_a);
	mutex_unlock(&lock_a);
	mutex_unlock(&lock_b);
	return 0;
}

static DEFINE_SPINLOCK(spinlock);

static void lock_in_timer(struct timer_list *unused)
{
	spin_lock(&spinlock);
	spin_unlock(&spinlock);
}

/* An interrupt that wants the lock could come while it is held here. */
static int seed_interrupt(void)
{
	static DEFINE_TIMER(timer, lock_in_timer);

	spin_lock(&spinlock);
	spin_unlock(&spinlock);
	mod_timer(&timer, jiffies + 1);
	msleep(100);
	del_timer_sync(&timer);
	return 0;
}

static int seed_sleep(void)
{
	static DEFINE_SPINLOCK(held);

	spin_lock(&held);
	mutex_lock(&lock_a);
	mutex_unlock(&lock_a);
	spin_unlock(&held);
	return 0;
}

static int seed_rcu(void)
{
	static void __rcu *pointer;

	return !!rcu_dereference(pointer);
}

/* -- two processors --------------------------------------------------------- */

/* Long enough for two threads to be at the same data. */
#define TOGETHER	(HZ / 2)

static int counter;

static int count_up(void *unused)
{
	while (!kthread_should_stop()) {
		counter++;
		cond_resched();
	}
	return 0;
}

static int seed_race(void)
{
	struct task_struct *thread = kthread_run(count_up, NULL, "seeds");
	unsigned long end = jiffies + TOGETHER;

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	while (time_before(jiffies, end)) {
		counter++;
		cond_resched();
	}
	return kthread_stop(thread);
}

static struct {
	int data;
	int ready;
} message;
static int received;

static int receive(void *unused)
{
	int sum = 0;

	while (!kthread_should_stop()) {
		if (smp_load_acquire(&message.ready)) {
			sum += message.data;
			smp_store_release(&message.ready, 0);
		}
		cond_resched();
	}
	WRITE_ONCE(received, sum);
	return 0;
}

/* Without the release, the processor may store the data after what says that it is there. */
static int send(bool ordered)
{
	struct task_struct *thread = kthread_run(receive, NULL, "seeds");
	unsigned long end = jiffies + TOGETHER;

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	while (time_before(jiffies, end)) {
		if (!smp_load_acquire(&message.ready)) {
			message.data++;
			if (ordered)
				smp_store_release(&message.ready, 1);
			else
				WRITE_ONCE(message.ready, 1);
		}
		cond_resched();
	}
	return kthread_stop(thread);
}

static int seed_ordered(void)
{
	return send(true);
}

static int seed_barrier(void)
{
	return send(false);
}

/* -- memory ---------------------------------------------------------------- */

static int seed_leak(void)
{
	int i;

	/* The last one may be found in a register or on the stack. */
	for (i = 0; i < 10; i++)
		if (!kmalloc(OBJECT_SIZE, GFP_KERNEL))
			return -ENOMEM;
	return 0;
}

/*
 * SLUB sees it when the object is allocated again, KASAN at once. A cache of its own,
 * so that nobody else gets the object meanwhile.
 */
static int seed_use_after_free(void)
{
	struct kmem_cache *cache;
	char *p;

	cache = kmem_cache_create("seeds", OBJECT_SIZE, 0, SLAB_POISON | SLAB_RED_ZONE, NULL);
	if (!cache)
		return -ENOMEM;
	p = kmem_cache_alloc(cache, GFP_KERNEL);
	if (p) {
		kmem_cache_free(cache, p);
		WRITE_ONCE(p[one], 1);
		p = kmem_cache_alloc(cache, GFP_KERNEL);
	}
	if (p)
		kmem_cache_free(cache, p);
	kmem_cache_destroy(cache);
	return 0;
}

static int seed_overflow(void)
{
	char *p = kmalloc(OBJECT_SIZE, GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	WRITE_ONCE(p[OBJECT_SIZE - 1 + one], 1);
	kfree(p);
	return 0;
}

static int seed_double_free(void)
{
	char *p = kmalloc(OBJECT_SIZE, GFP_KERNEL);
	void *again = p;

	OPTIMIZER_HIDE_VAR(again);
	kfree(p);
	kfree(again);
	return 0;
}

static int seed_vmalloc(void)
{
	char *p = vmalloc(OBJECT_SIZE);

	if (!p)
		return -ENOMEM;
	WRITE_ONCE(p[OBJECT_SIZE - 1 + one], 1);
	vfree(p);
	return 0;
}

/* Seen when the page is allocated again: the last one freed comes first. */
static int seed_page(void)
{
	unsigned long page = __get_free_page(GFP_KERNEL);

	if (!page)
		return -ENOMEM;
	free_page(page);
	WRITE_ONCE(*(int *)page, one);
	page = __get_free_page(GFP_KERNEL);
	free_page(page);
	return 0;
}

/* KFENCE takes one allocation now and then. */
static int seed_sampled(void)
{
	char *p;
	int i;

	for (i = 0; i < 500; i++) {
		p = kmalloc(OBJECT_SIZE, GFP_KERNEL);
		if (!p)
			return -ENOMEM;
		kfree(p);
		if (is_kfence_address(p))
			return READ_ONCE(p[one]) & 0;
		msleep(20);
	}
	return -ETIME;
}

/* -- arithmetic ------------------------------------------------------------ */

static int seed_index(void)
{
	static volatile int array[4];

	return array[4 * one] & 0;
}

static int seed_shift(void)
{
	return (one << (32 * one)) & 0;
}

/* -- objects that are in use ----------------------------------------------- */

struct object {
	struct timer_list timer;
	struct work_struct work;
};

static void do_nothing_later(struct timer_list *unused)
{
}

static void wait_a_little(struct work_struct *unused)
{
	msleep(300);
}

static struct object *new_object(void)
{
	struct object *object = kzalloc(sizeof(*object), GFP_KERNEL);

	if (object) {
		timer_setup(&object->timer, do_nothing_later, 0);
		INIT_WORK(&object->work, wait_a_little);
	}
	return object;
}

/* The checker stops the timer itself, so nothing worse comes of it. */
static int seed_timer(void)
{
	struct object *object = new_object();

	if (!object)
		return -ENOMEM;
	mod_timer(&object->timer, jiffies + 3600 * HZ);
	kfree(object);
	return 0;
}

/* It waits for another one of its queue. The checker cancels it. */
static int seed_work(void)
{
	struct workqueue_struct *queue = alloc_ordered_workqueue("seeds", 0);
	struct object *first = new_object(), *second = new_object();

	if (queue && first && second) {
		queue_work(queue, &first->work);
		queue_work(queue, &second->work);
		kfree(second);
		flush_workqueue(queue);
		second = NULL;
	}
	kfree(first);
	kfree(second);
	if (queue)
		destroy_workqueue(queue);
	return second ? -ENOMEM : 0;
}

/* -------------------------------------------------------------------------- */

static const struct seed {
	const char *name;
	int (*function)(void);
} seeds[] = {
	{ "none", seed_none },
	{ "order", seed_order },
	{ "interrupt", seed_interrupt },
	{ "sleep", seed_sleep },
	{ "rcu", seed_rcu },
	{ "race", seed_race },
	{ "ordered", seed_ordered },
	{ "barrier", seed_barrier },
	{ "leak", seed_leak },
	{ "use-after-free", seed_use_after_free },
	{ "overflow", seed_overflow },
	{ "double-free", seed_double_free },
	{ "vmalloc", seed_vmalloc },
	{ "page", seed_page },
	{ "sampled", seed_sampled },
	{ "index", seed_index },
	{ "shift", seed_shift },
	{ "timer", seed_timer },
	{ "work", seed_work },
};

static int bug_set(const char *text, const struct kernel_param *param)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(seeds); i++)
		if (sysfs_streq(text, seeds[i].name))
			return seeds[i].function();
	return -ENOENT;
}

static const struct kernel_param_ops bug_ops = { .set = bug_set };
module_param_cb(bug, &bug_ops, NULL, 0200);
MODULE_PARM_DESC(bug, "the bug to make");

MODULE_DESCRIPTION("Bugs that a debug kernel must see, for tests");
MODULE_LICENSE("GPL");
