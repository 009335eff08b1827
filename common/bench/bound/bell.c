// SPDX-License-Identifier: GPL-2.0
/*
 * bell: an event there and back between two kernels, and nothing else.
 *
 * At each end a task sleeps until the other domain's event comes. What this takes is what no
 * device can do without whose ends sleep. In the guest, peer=0 makes a port and answers; in dom0,
 * peer=DOMID port=PORT binds to that port, and
 *
 *	echo 1000 >/sys/module/bell/parameters/trips; cat /sys/module/bell/parameters/trips
 *
 * rings so many times, and prints the median and the 99th percentile, in ns.
 */
#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sort.h>

#include <xen/events.h>
#include <xen/interface/event_channel.h>
#include <asm/xen/hypercall.h>

#define MAX_TRIPS	100000

static ushort peer;
module_param(peer, ushort, 0444);
MODULE_PARM_DESC(peer, "the other domain's domid");

static uint port;
module_param(port, uint, 0444);
MODULE_PARM_DESC(port, "the peer's port; if there is none, one is made, and this end answers");

static int bell_irq;
static DECLARE_COMPLETION(bell_rung);
static struct task_struct *bell_thread;
static u64 bell_median, bell_p99;

static irqreturn_t bell_interrupt(int irq, void *unused)
{
	complete(&bell_rung);
	return IRQ_HANDLED;
}

/* The frontend's part: a port for the peer. */
static int bell_make_port(void)
{
	struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = peer };
	int err = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc);

	port = alloc.port;
	return err ?: bind_evtchn_to_irqhandler(port, bell_interrupt, 0, "bell", &bell_irq);
}

static int bell_bind_port(void)
{
	struct evtchn_bind_interdomain bind = { .remote_dom = peer, .remote_port = port };
	int err = HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &bind);

	return err ?: bind_evtchn_to_irqhandler(bind.local_port, bell_interrupt, 0, "bell", &bell_irq);
}

static int bell_answer(void *unused)
{
	while (!kthread_should_stop())
		if (wait_for_completion_interruptible_timeout(&bell_rung, HZ) > 0)
			notify_remote_via_irq(bell_irq);
	return 0;
}

static int bell_compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return (x > y) - (x < y);
}

static int trips_set(const char *text, const struct kernel_param *param)
{
	unsigned int count, i;
	u64 *times;
	int err = kstrtouint(text, 10, &count);

	if (err || !count || count > MAX_TRIPS || bell_thread)
		return -EINVAL;
	times = kvcalloc(count, sizeof(*times), GFP_KERNEL);
	if (!times)
		return -ENOMEM;
	reinit_completion(&bell_rung);	/* to bind makes an event that nobody sent */
	for (i = 0; i < count && !err; i++) {
		u64 start = ktime_get_ns();

		notify_remote_via_irq(bell_irq);
		if (!wait_for_completion_timeout(&bell_rung, 10 * HZ))
			err = -ETIMEDOUT;
		times[i] = ktime_get_ns() - start;
	}
	sort(times, count, sizeof(*times), bell_compare, NULL);
	bell_median = times[count / 2];
	bell_p99 = times[count * 99ull / 100];
	kvfree(times);
	return err;
}

static int trips_get(char *text, const struct kernel_param *param)
{
	return sprintf(text, "%llu %llu\n", bell_median, bell_p99);
}

static const struct kernel_param_ops trips_ops = { .set = trips_set, .get = trips_get };
module_param_cb(trips, &trips_ops, NULL, 0644);
MODULE_PARM_DESC(trips, "how many round trips to make; read: median and 99th percentile in ns");

static int __init bell_init(void)
{
	bool answers = !port;
	int irq = answers ? bell_make_port() : bell_bind_port();

	if (irq < 0)
		return irq;
	bell_irq = irq;
	if (answers)
		bell_thread = kthread_run(bell_answer, NULL, "bell");
	if (!IS_ERR(bell_thread))
		return 0;
	unbind_from_irqhandler(bell_irq, &bell_irq);
	return PTR_ERR(bell_thread);
}
module_init(bell_init);

static void __exit bell_exit(void)
{
	if (bell_thread)
		kthread_stop(bell_thread);
	unbind_from_irqhandler(bell_irq, &bell_irq);
}
module_exit(bell_exit);

MODULE_DESCRIPTION("What a sleeping mydevice is measured against: an event there and back");
MODULE_LICENSE("GPL");
