// SPDX-License-Identifier: GPL-2.0
/*
 * doze - a frontend for devices of the type "doze", whose otherend_changed ends in a call that
 * does not return until something is written to the parameter "go". The compiler makes a jump
 * of it, so that the stack of xenwatch does not tell that it is there.
 */
#include <linux/completion.h>
#include <linux/module.h>

#include <xen/xen.h>
#include <xen/xenbus.h>

static DECLARE_COMPLETION(done);

static int doze_go(const char *value, const struct kernel_param *parameter)
{
	complete_all(&done);
	return 0;
}

static const struct kernel_param_ops go_ops = { .set = doze_go };
module_param_cb(go, &go_ops, NULL, 0200);

static int doze_probe(struct xenbus_device *dev, const struct xenbus_device_id *id)
{
	return 0;
}

static void doze_remove(struct xenbus_device *dev)
{
}

static void doze_otherend_changed(struct xenbus_device *dev, enum xenbus_state state)
{
	wait_for_completion_interruptible(&done);
}

static const struct xenbus_device_id doze_ids[] = {
	{ "doze" },
	{ "" }
};

static struct xenbus_driver doze_driver = {
	.ids = doze_ids,
	.probe = doze_probe,
	.remove = doze_remove,
	.otherend_changed = doze_otherend_changed,
	.not_essential = true,
};

static int __init doze_init(void)
{
	return xenbus_register_frontend(&doze_driver);
}

static void __exit doze_exit(void)
{
	xenbus_unregister_driver(&doze_driver);
}

module_init(doze_init);
module_exit(doze_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A frontend whose otherend_changed does not return, for the tests");
