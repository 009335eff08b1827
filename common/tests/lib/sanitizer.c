// SPDX-License-Identifier: GPL-2.0
/*
 * What AddressSanitizer is to do in a domain of the lab: a domU has some 40 MB free,
 * and by default it would keep up to 256 MB of what is freed.
 */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "quarantine_size_mb=4";
}
