// SPDX-License-Identifier: GPL-2.0
/*
 * bugs - make a mistake that a sanitizer sees, to see whether it does.
 *
 *	bugs none|overflow|use|leak|shift
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nothing here may be clear to a compiler, or to an analyzer. */
static void (*volatile release)(void *) = free;
static char *volatile memory;
static volatile int number = 32;

int main(int argc, char **argv)
{
	const char *bug = argc == 2 ? argv[1] : "";

	memory = malloc(32);
	if (!memory)
		return 1;
	memory[0] = 1;
	if (!strcmp(bug, "overflow"))
		memory[number] = 1;
	if (!strcmp(bug, "shift"))
		printf("%d\n", 1 << number);
	if (!strcmp(bug, "leak"))
		memory = NULL;
	release(memory);
	if (!strcmp(bug, "use"))
		memory[0] = 1;
	printf("%s: done\n", bug);
	return 0;
}
