// SPDX-License-Identifier: GPL-2.0
/*
 * lie - write over an index in a connection's index page, from dom0.
 *
 *	lie DOMID RING-REF frontend|backend prod|cons DISTANCE [SECONDS]
 *
 * What it says in the name of one end is DISTANCE further than the truth. The tests check
 * that the other end does not believe it. The page stays mapped for some SECONDS, as one of a
 * backend that does not let go.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* What the kernel's header takes for granted. */
typedef unsigned int grant_ref_t;
typedef unsigned short domid_t;
#include <xen/gntdev.h>

#include "../../../03-shared-memory/mydevice.h"

static struct mydevice_index *map_page(unsigned int domid, unsigned int ref)
{
	struct ioctl_gntdev_map_grant_ref map = {
		.count = 1, .refs = { { .domid = domid, .ref = ref } },
	};
	int fd = open("/dev/xen/gntdev", O_RDWR);
	void *page;

	if (fd < 0 || ioctl(fd, IOCTL_GNTDEV_MAP_GRANT_REF, &map))
		return NULL;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, map.index);
	return page == MAP_FAILED ? NULL : page;
}

int main(int argc, char **argv)
{
	struct mydevice_index *index;
	struct mydevice_end *end;
	volatile __u32 *claim;

	if (argc < 6 || argc > 7) {
		fprintf(stderr, "usage: lie DOMID RING-REF frontend|backend prod|cons DISTANCE [SECONDS]\n");
		return 64;
	}
	index = map_page(strtoul(argv[1], NULL, 10), strtoul(argv[2], NULL, 10));
	if (!index) {
		perror("lie: mapping the index page");
		return 1;
	}
	end = strcmp(argv[3], "backend") ? &index->frontend : &index->backend;
	claim = strcmp(argv[4], "cons") ? &end->prod : &end->cons;
	*claim += strtol(argv[5], NULL, 10);
	if (argc > 6)
		sleep(strtoul(argv[6], NULL, 10));
	return 0;
}
