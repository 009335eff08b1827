// SPDX-License-Identifier: GPL-2.0
/*
 * hang - a backend for devices of the type "hang", whose probe does not return until
 * the parameter "go" is 1. xenwatch waits in it, and serves no other driver.
 */
#include <linux/delay.h>
#include <linux/module.h>

#include <xen/xen.h>
#include <xen/xenbus.h>

static bool go;
module_param(go, bool, 0600);

static int hang_probe(struct xenbus_device *dev, const struct xenbus_device_id *id)
{
	while (!READ_ONCE(go))
		msleep(50);
	return 0;
}

static void hang_remove(struct xenbus_device *dev)
{
}

static void hang_otherend_changed(struct xenbus_device *dev, enum xenbus_state state)
{
}

static const struct xenbus_device_id hang_ids[] = {
	{ "hang" },
	{ "" }
};

static struct xenbus_driver hang_driver = {
	.ids = hang_ids,
	.probe = hang_probe,
	.remove = hang_remove,
	.otherend_changed = hang_otherend_changed,
};

static int __init hang_init(void)
{
	return xenbus_register_backend(&hang_driver);
}

static void __exit hang_exit(void)
{
	xenbus_unregister_driver(&hang_driver);
}

module_init(hang_init);
module_exit(hang_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A backend whose probe does not return, for the tests");
