/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is measured: a link, one end of a byte stream between two processes, by
 * whatever means. All means look the same, so that one loop measures them all.
 */
#ifndef LINK_H
#define LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * struct link - one end of a stream
 * @means: how it moves bytes
 * @where: its name, in the form that @means understands
 * @leader: is this the end that measures?
 * @spin: reads and writes do not wait, but fail with EAGAIN
 * @peer: the other end's domain
 * @ring: how many bytes may be on their way
 * @fd: a file descriptor, if @means has one
 * @port: an event channel, if @means has one
 * @handle: anything else of @means'
 */
struct link {
	const struct means *means;
	const char *where;
	bool leader;
	bool spin;
	unsigned int peer;
	size_t ring;
	int fd;
	int port;
	void *handle;
};

/**
 * struct means - a way to move bytes
 * @name: as given on the command line
 * @bells_only: it has no bytes: a write is an event, a read waits for one
 * @prepare: called before this program splits in two, or NULL
 * @open: waits for the other end if need be; ends the program if it cannot
 * @read: like read(2); so does @write like write(2)
 * @events: notifications that this end has sent, or got if those cannot be
 *	counted; NULL if neither can
 * @close: leaves nothing behind; or NULL
 */
struct means {
	const char *name;
	bool bells_only;
	void (*prepare)(size_t ring, bool spin);
	void (*open)(struct link *link);
	ssize_t (*read)(struct link *link, void *buf, size_t len);
	ssize_t (*write)(struct link *link, const void *buf, size_t len);
	uint64_t (*events)(struct link *link);
	void (*close)(struct link *link);
};

extern const struct means mydevice, peer, vchan, evtchn, tcp, pipes, bound;

/* For all that go by a file descriptor. */
ssize_t fd_read(struct link *link, void *buf, size_t len);
ssize_t fd_write(struct link *link, const void *buf, size_t len);

/* A moment's rest for a processor that looks again and again. */
static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* A short rest between two tries; ends the program when it has been too many. */
void try_again(const char *what, unsigned int *tries);

/* Interrupts of this domain whose name begins with one of these. */
uint64_t interrupts(const char *name, const char *other_name);

_Noreturn __attribute__((format(printf, 1, 2))) void die(const char *format, ...);

#endif /* LINK_H */
