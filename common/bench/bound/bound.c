// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/bound: the same system calls and copies as a mydevice, and nothing else.
 *
 * A write copies into a ring, a read copies out of it. Nobody waits, nobody is
 * told, nothing is shared. What a byte costs here in the domain that writes and
 * in the domain that reads is what no device of this kind can do without.
 */
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uio.h>

#define BOUND_ORDER	6
#define BOUND_SIZE	(PAGE_SIZE << BOUND_ORDER)

static char *bound_ring;

/* Where a file stands in the ring, and how much of @len is contiguous there. */
static char *bound_at(struct kiocb *iocb, size_t *len)
{
	size_t at = iocb->ki_pos & (BOUND_SIZE - 1);

	*len = min(*len, BOUND_SIZE - at);
	return bound_ring + at;
}

static ssize_t bound_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	ssize_t done = 0;

	while (iov_iter_count(to)) {
		size_t len = iov_iter_count(to);
		char *from = bound_at(iocb, &len);

		if (copy_to_iter(from, len, to) < len)
			return -EFAULT;
		iocb->ki_pos += len;
		done += len;
	}
	return done;
}

static ssize_t bound_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	ssize_t done = 0;

	while (iov_iter_count(from)) {
		size_t len = iov_iter_count(from);
		char *to = bound_at(iocb, &len);

		if (copy_from_iter(to, len, from) < len)
			return -EFAULT;
		iocb->ki_pos += len;
		done += len;
	}
	return done;
}

static const struct file_operations bound_fops = {
	.owner = THIS_MODULE,
	.llseek = noop_llseek,
	.read_iter = bound_read_iter,
	.write_iter = bound_write_iter,
};

static struct miscdevice bound_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = KBUILD_MODNAME,
	.fops = &bound_fops,
};

static int __init bound_init(void)
{
	int err;

	bound_ring = (char *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, BOUND_ORDER);
	if (!bound_ring)
		return -ENOMEM;
	err = misc_register(&bound_device);
	if (err)
		free_pages((unsigned long)bound_ring, BOUND_ORDER);
	return err;
}
module_init(bound_init);

static void __exit bound_exit(void)
{
	misc_deregister(&bound_device);
	free_pages((unsigned long)bound_ring, BOUND_ORDER);
}
module_exit(bound_exit);

MODULE_DESCRIPTION("What a mydevice is measured against: its copies without a protocol");
MODULE_LICENSE("GPL");
