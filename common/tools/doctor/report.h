/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The end of xbdoctor: all that was found is printed.
 */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>

struct patient;
struct patients;

/*
 * First what concerns this domain, then each device; each by rank. @well says why a
 * device without a finding is well. Returns whether there was an error or a warning.
 */
bool report(const struct patients *patients, const char *(*well)(const struct patient *patient));

#endif /* REPORT_H */
