/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included before a module's source, for its jumps to be counted. By the time the
 * compiler sets up the counters it has merged what only jumps, such as "return -EIO;",
 * with its target, and would count it nowhere. An empty piece of assembly in front
 * of it stays, and costs nothing.
 *
 * "for (;;) return" never comes to an end by itself, which the compiler sees.
 */
#ifndef JUMPS_H
#define JUMPS_H

#define mark()		({ asm volatile(""); 0; })
#define return		for (mark();;) return
#define goto		for (mark();;) goto
#define break		if (mark()) {} else break
#define continue	if (mark()) {} else continue

#endif /* JUMPS_H */
