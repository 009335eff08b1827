// SPDX-License-Identifier: GPL-2.0
/*
 * sse SECONDS SEED - do the SSE registers keep what was put into them?
 *
 * Fills xmm0 to xmm15 with a pattern of its own, keeps the processor busy for a
 * while, so that it is taken away by other processes and other domains, and
 * compares. Prints the number of checks and of wrong ones; exit status 1 if any
 * was wrong. Under some of QEMU's CPU models many are (see the lab's
 * choice of one).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct registers {
	uint64_t half[32];
};

/* Loads all 16, spins, stores all 16: one block, so that the compiler uses none. */
static void hold(const struct registers *in, struct registers *out, uint64_t spins)
{
	__asm__ volatile(
		"movups   0(%1), %%xmm0\n\t movups  16(%1), %%xmm1\n\t"
		"movups  32(%1), %%xmm2\n\t movups  48(%1), %%xmm3\n\t"
		"movups  64(%1), %%xmm4\n\t movups  80(%1), %%xmm5\n\t"
		"movups  96(%1), %%xmm6\n\t movups 112(%1), %%xmm7\n\t"
		"movups 128(%1), %%xmm8\n\t movups 144(%1), %%xmm9\n\t"
		"movups 160(%1), %%xmm10\n\t movups 176(%1), %%xmm11\n\t"
		"movups 192(%1), %%xmm12\n\t movups 208(%1), %%xmm13\n\t"
		"movups 224(%1), %%xmm14\n\t movups 240(%1), %%xmm15\n\t"
		"1: dec %0\n\t jnz 1b\n\t"
		"movups %%xmm0,   0(%2)\n\t movups %%xmm1,  16(%2)\n\t"
		"movups %%xmm2,  32(%2)\n\t movups %%xmm3,  48(%2)\n\t"
		"movups %%xmm4,  64(%2)\n\t movups %%xmm5,  80(%2)\n\t"
		"movups %%xmm6,  96(%2)\n\t movups %%xmm7, 112(%2)\n\t"
		"movups %%xmm8, 128(%2)\n\t movups %%xmm9, 144(%2)\n\t"
		"movups %%xmm10, 160(%2)\n\t movups %%xmm11, 176(%2)\n\t"
		"movups %%xmm12, 192(%2)\n\t movups %%xmm13, 208(%2)\n\t"
		"movups %%xmm14, 224(%2)\n\t movups %%xmm15, 240(%2)\n\t"
		: "+r"(spins)
		: "r"(in), "r"(out)
		: "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
		  "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
		  "xmm13", "xmm14", "xmm15");
}

int main(int argc, char **argv)
{
	struct registers in, out;
	unsigned long checks = 0, wrong = 0;
	uint64_t x;
	time_t end;
	int i;

	if (argc != 3) {
		fprintf(stderr, "usage: sse SECONDS SEED\n");
		return 64;
	}
	end = time(NULL) + atoi(argv[1]);
	x = strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15u + 1;
	while (time(NULL) < end) {
		for (i = 0; i < 32; i++)
			in.half[i] = x = x * 6364136223846793005u + 1442695040888963407u;
		hold(&in, &out, 200000);
		checks++;
		wrong += memcmp(&in, &out, sizeof(in)) != 0;
	}
	printf("%lu checks, %lu wrong\n", checks, wrong);
	return wrong != 0;
}
