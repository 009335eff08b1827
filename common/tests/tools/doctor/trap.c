// SPDX-License-Identifier: GPL-2.0
/*
 * trap - a frontend for devices of the type "trap", whose probe has a bug. Who calls
 * it dies: xenwatch, if the device comes after the module.
 */
#include <linux/module.h>

#include <xen/xen.h>
#include <xen/xenbus.h>

static int trap_probe(struct xenbus_device *dev, const struct xenbus_device_id *id)
{
	BUG_ON(dev);
	return 0;
}

static void trap_remove(struct xenbus_device *dev)
{
}

static const struct xenbus_device_id trap_ids[] = {
	{ "trap" },
	{ "" }
};

static struct xenbus_driver trap_driver = {
	.ids = trap_ids,
	.probe = trap_probe,
	.remove = trap_remove,
	.not_essential = true,
};

static int __init trap_init(void)
{
	return xenbus_register_frontend(&trap_driver);
}

static void __exit trap_exit(void)
{
	xenbus_unregister_driver(&trap_driver);
}

module_init(trap_init);
module_exit(trap_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A frontend with a bug in its probe, for the tests");
