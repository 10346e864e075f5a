/* report.h - results of tests: printed as they come, counted, written as JUnit XML.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The XML is of the form that Jenkins and GitLab read: testsuites > testsuite > testcase >
 * failure. Thread: one.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct report;

struct report_case {
	struct str file;
	int line, col;
	struct str suite, name;
	struct str failure; /* empty: passed */
};

/* Failures are printed to `out` when they are added. */
MUST_CHECK int report_new(struct report **out, FILE *print_to, struct err *err);
void report_free(struct report *r); /* NULL is fine */

/* Copies what it needs. */
void report_add(struct report *r, const struct report_case *it);
size_t report_failed(const struct report *r);
/* «N passed, N failed» */
void report_summary(const struct report *r, FILE *out);
MUST_CHECK int report_junit(const struct report *r, const char *path, struct err *err);
