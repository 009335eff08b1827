// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel thread that does nothing, and for as long as "seconds" says takes all the
 * processor time that it can get: what a driver does that loops at its peer's word. Only
 * for the test of the judge.
 */
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>

static unsigned int seconds = 5;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "for how long");

static struct task_struct *hog;

static int hog_run(void *unused)
{
	unsigned long end = jiffies + seconds * HZ;

	while (!kthread_should_stop()) {
		if (time_before(jiffies, end))
			cond_resched();
		else
			schedule_timeout_interruptible(HZ / 10);
	}
	return 0;
}

static int __init hog_init(void)
{
	hog = kthread_run(hog_run, NULL, "hog");
	return PTR_ERR_OR_ZERO(hog);
}

static void __exit hog_exit(void)
{
	kthread_stop(hog);
}

module_init(hog_init);
module_exit(hog_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("takes processor time, for the test of the judge of hostile peers");
