// SPDX-License-Identifier: GPL-2.0
/*
 * Makes one call fail that another module makes into the kernel. Only for tests.
 *
 *   insmod mydevicefault.ko target=mydevicefront functions=xenbus_read,ida_free
 *   echo 'xenbus_read 2 pointer 12' >/sys/module/mydevicefault/parameters/fault
 *
 * makes the second call of xenbus_read() from mydevicefront return ERR_PTR(-12),
 * once, without being carried out. Nobody else's calls are touched: a caller is
 * known by the address that its call returns to. The parameter "calls" says how
 * often each function was called since the last fault was ordered, and "fired"
 * where it happened, if it did.
 *
 * A probe at the function's first instruction sends the call elsewhere, to a
 * function of this module with the same arguments. That runs where the call was
 * made, so it may sleep, and may do half of what was asked for before it fails.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/interrupt.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/ptrace.h>
#include <linux/string.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/xenbus.h>

#define MAX_FUNCTIONS	48

static char *target = "";
module_param(target, charp, 0444);
MODULE_PARM_DESC(target, "the module whose calls are looked at");

static char *functions[MAX_FUNCTIONS];
static int nr_functions;
module_param_array(functions, charp, &nr_functions, 0444);
MODULE_PARM_DESC(functions, "the functions whose calls are counted and can fail");

static struct kprobe probes[MAX_FUNCTIONS];
static atomic_t calls[MAX_FUNCTIONS];

/* The fault that is ordered. Written while nothing is armed. */
static int armed = -1;		/* which of the functions, -1 for none */
static int nth;
static int times;		/* from the nth on */
static void *instead;
static int error;
static char fired[KSYM_SYMBOL_LEN];

/* -- what is called instead ------------------------------------------------ */

static void *fail_null(void)
{
	return NULL;
}

static int fail_error(void)
{
	return -error;
}

static void *fail_pointer(void)
{
	return ERR_PTR(-error);
}

/* For xenbus_read_unsigned(), whose callers cannot tell. */
static unsigned int fail_default(const char *dir, const char *node,
				 unsigned int default_val)
{
	return default_val;
}

/* For a function that reports to XenStore itself before it fails. */
static int fail_reporting(struct xenbus_device *dev)
{
	xenbus_dev_fatal(dev, -error, "a fault that was ordered");
	return -error;
}

/* The transaction ends in any case, for XenBus counts those that are open. */
static int fail_transaction(struct xenbus_transaction xbt)
{
	xenbus_transaction_end(xbt, 1);
	return -error;
}

/* Xen has no room for another mapping: it says so of each page. */
static int fail_no_space(struct gnttab_map_grant_ref *op,
			 struct gnttab_map_grant_ref *kernel_op,
			 struct page **pages, unsigned int nr)
{
	while (nr--)
		op[nr].status = GNTST_no_space;
	return 0;
}

/* Unmaps, and says of each page that it was not done. */
static int fail_kept(struct gnttab_unmap_grant_ref *op,
		     struct gnttab_unmap_grant_ref *kernel_op,
		     struct page **pages, unsigned int nr)
{
	int err = gnttab_unmap_refs(op, kernel_op, pages, nr);

	while (nr--)
		op[nr].status = GNTST_general_error;
	return err;
}

static irqreturn_t fail_interrupt(int irq, void *dev_id)
{
	return IRQ_HANDLED;
}

/* Binding may fail when the irq exists already; then the port is closed again. */
static int fail_late(evtchn_port_t port, irq_handler_t handler,
		     unsigned long flags, const char *name, void *dev_id)
{
	int irq = bind_evtchn_to_irqhandler_lateeoi(port, fail_interrupt, flags,
						    name, dev_id);

	if (irq >= 0)
		unbind_from_irqhandler(irq, dev_id);
	return -error;
}

static int fail_late_interdomain(struct xenbus_device *dev, evtchn_port_t port,
				 irq_handler_t handler, unsigned long flags,
				 const char *name, void *dev_id)
{
	int irq = bind_interdomain_evtchn_to_irqhandler_lateeoi(dev, port,
								fail_interrupt,
								flags, name, dev_id);

	if (irq >= 0)
		unbind_from_irqhandler(irq, dev_id);
	return -error;
}

/* Does what was asked for, and returns only after so many ms. */
static int slow_interdomain(struct xenbus_device *dev, evtchn_port_t port,
			    irq_handler_t handler, unsigned long flags,
			    const char *name, void *dev_id)
{
	int irq = bind_interdomain_evtchn_to_irqhandler_lateeoi(dev, port, handler,
								flags, name, dev_id);

	msleep(error);
	return irq;
}

/* Fails, but only after so many ms. */
static int slow_error(struct xenbus_device *dev, evtchn_port_t port,
		      irq_handler_t handler, unsigned long flags,
		      const char *name, void *dev_id)
{
	msleep(error);
	return -EINVAL;
}

/* Says the state, but only after so many ms. */
static int slow_state(struct xenbus_device *dev, enum xenbus_state state)
{
	int err;

	msleep(error);
	err = xenbus_switch_state(dev, state);
	OPTIMIZER_HIDE_VAR(err);	/* a tail call would return to the target, and be caught again */
	return err;
}

/* Says the state, and returns only after so many ms. */
static int late_state(struct xenbus_device *dev, enum xenbus_state state)
{
	int err = xenbus_switch_state(dev, state);

	msleep(error);
	return err;
}

/* Closes the port, and returns only after so many ms. */
static void slow_unbind(unsigned int irq, void *dev_id)
{
	unbind_from_irqhandler(irq, dev_id);
	msleep(error);
}

/* Closes the port, but only after so many ms: events still come to an end that has stopped. */
static void held_unbind(unsigned int irq, void *dev_id)
{
	msleep(error);
	unbind_from_irqhandler(irq, dev_id);
	barrier();	/* no tail call: see slow_state() */
}

static const struct fault_way {
	const char *name;
	void *function;
} ways[] = {
	{ "null", fail_null },
	{ "error", fail_error },
	{ "pointer", fail_pointer },
	{ "default", fail_default },
	{ "reporting", fail_reporting },
	{ "transaction", fail_transaction },
	{ "late", fail_late },
	{ "late-interdomain", fail_late_interdomain },
	{ "no-space", fail_no_space },
	{ "kept", fail_kept },
	{ "slow-interdomain", slow_interdomain },
	{ "slow-error", slow_error },
	{ "slow-state", slow_state },
	{ "late-state", late_state },
	{ "slow-unbind", slow_unbind },
	{ "held-unbind", held_unbind },
};

/* -- the probes ------------------------------------------------------------ */

/*
 * "function+0x12/0x34 [module]" for the address that a call returns to, if it is
 * the target's. The range is looked at first, because the name takes time.
 */
static bool from_target(unsigned long address, char *name)
{
	char *module;

	if (address < MODULES_VADDR || address >= MODULES_END)
		return false;
	snprintf(name, KSYM_SYMBOL_LEN, "%pB", (void *)address);
	module = strrchr(name, '[');
	return module && !strncmp(module + 1, target, strlen(target)) &&
	       module[1 + strlen(target)] == ']';
}

/* Where a call returns to, at its first instruction. */
static unsigned long returns_to(struct pt_regs *regs)
{
#ifdef CONFIG_X86
	return *(unsigned long *)regs->sp;
#else
	return procedure_link_pointer(regs);
#endif
}
NOKPROBE_SYMBOL(returns_to);

static int before_call(struct kprobe *probe, struct pt_regs *regs)
{
	int call, i = probe - probes;
	char name[KSYM_SYMBOL_LEN];

	if (!from_target(returns_to(regs), name))
		return 0;
	call = atomic_inc_return(&calls[i]);
	if (READ_ONCE(armed) != i || (nth && call < nth))
		return 0;
	if (nth && call >= nth + times - 1)
		WRITE_ONCE(armed, -1);
	strscpy(fired, name, sizeof(fired));
	instruction_pointer_set(regs, (unsigned long)instead);
	return 1;
}
NOKPROBE_SYMBOL(before_call);

/* With one of these the kernel does not optimise the probe into a plain call. */
static void after_call(struct kprobe *probe, struct pt_regs *regs,
		       unsigned long flags)
{
}

/* -- the parameters -------------------------------------------------------- */

static int find_function(const char *name)
{
	return match_string((const char * const *)functions, nr_functions, name);
}

static void *find_way(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++)
		if (!strcmp(ways[i].name, name))
			return ways[i].function;
	return NULL;
}

/* "function nth way error [times]", or "none". If nth is 0, every call fails. */
static int fault_set(const char *text, const struct kernel_param *param)
{
	char function[64], way[20];
	int i;

	WRITE_ONCE(armed, -1);
	for (i = 0; i < MAX_FUNCTIONS; i++)
		atomic_set(&calls[i], 0);
	fired[0] = '\0';
	if (sysfs_streq(text, "none"))
		return 0;
	times = 1;
	if (sscanf(text, "%63s %d %19s %d %d", function, &nth, way, &error, &times) < 4)
		return -EINVAL;
	i = find_function(function);
	instead = find_way(way);
	if (i < 0 || !instead)
		return -ENOENT;
	WRITE_ONCE(armed, i);
	return 0;
}

static const struct kernel_param_ops fault_ops = { .set = fault_set };
module_param_cb(fault, &fault_ops, NULL, 0200);

static int calls_get(char *text, const struct kernel_param *param)
{
	int i, len = 0;

	for (i = 0; i < nr_functions; i++)
		len += sysfs_emit_at(text, len, "%s %d\n", functions[i],
				     atomic_read(&calls[i]));
	return len;
}

static const struct kernel_param_ops calls_ops = { .get = calls_get };
module_param_cb(calls, &calls_ops, NULL, 0444);

module_param_string(fired, fired, sizeof(fired), 0444);

/*
 * The grant references of this domain that are in use, mapped or not. The kernel
 * tells nobody; but a probe finds any function, even the one that finds the rest.
 */
static int grants_get(char *text, const struct kernel_param *param)
{
	struct kprobe finder = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long (*lookup)(const char *name);
	unsigned int *frames;
	int *unused;
	int err;

	err = register_kprobe(&finder);
	if (err)
		return err;
	lookup = (void *)finder.addr;
	unregister_kprobe(&finder);
	frames = (void *)lookup("nr_grant_frames");
	unused = (void *)lookup("gnttab_free_count");
	if (!frames || !unused)
		return -ENOENT;
	return sysfs_emit(text, "%d\n", (int)(*frames * (PAGE_SIZE / 8)) - *unused);
}

static const struct kernel_param_ops grants_ops = { .get = grants_get };
module_param_cb(grants, &grants_ops, NULL, 0444);

static void remove_probes(int nr)
{
	while (nr--)
		unregister_kprobe(&probes[nr]);
}

static int __init fault_init(void)
{
	int i, err;

	for (i = 0; i < nr_functions; i++) {
		probes[i].symbol_name = functions[i];
		probes[i].pre_handler = before_call;
		probes[i].post_handler = after_call;
		err = register_kprobe(&probes[i]);
		if (err) {
			pr_err("no probe in %s\n", functions[i]);
			remove_probes(i);
			return err;
		}
	}
	return 0;
}
module_init(fault_init);

static void __exit fault_exit(void)
{
	remove_probes(nr_functions);
}
module_exit(fault_exit);

MODULE_DESCRIPTION("Makes one call of another module into the kernel fail, for tests");
MODULE_LICENSE("GPL");
