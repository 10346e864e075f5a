/* findings.h - what is wrong in files that people write: file, line, column, and what to do.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Loaders of rules and configuration go on after an error and add all they find; the command
 * prints them together as `file:line:col: error|warning: what, and what to write instead`.
 *
 * Thread: a list of findings belongs to one thread.
 */
#pragma once

#include "base/arena.h"

enum finding_level { FINDING_ERROR, FINDING_WARNING };

struct finding {
	enum finding_level level;
	struct str file;
	int line, col; /* from 1; 0 when the finding is about the whole file */
	struct str text;
};

enum { FINDINGS_MAX = 1000 }; /* more help nobody; the rest is counted, not kept */

struct findings {
	struct arena arena; /* owns the texts */
	struct finding *items;
	size_t count;
	size_t errors, warnings; /* counted beyond FINDINGS_MAX too */
};

void findings_fini(struct findings *f); /* a zeroed struct is ready for use */
void findings_add(struct findings *f, enum finding_level level, struct str file, int line, int col,
		  const char *fmt, ...) PRINTF_LIKE(6, 7);
/* Sorts by file, line, column. */
void findings_sort(struct findings *f);
/* Sorts and prints one a line to `out`. */
void findings_print(struct findings *f, FILE *out);
