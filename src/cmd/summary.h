/* summary.h - the table at the end of `scan --summary`: what came, what was found.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Thread: that of the command.
 */
#pragma once

#include <stdio.h>

#include "pipeline.h"

struct summary;

MUST_CHECK int summary_new(struct summary **out, const struct ruleset *set, struct err *err);
void summary_free(struct summary *s); /* NULL is fine */
DEFINE_OWNED(summary);

/* Counts the events of a batch (all types, hits too). */
void summary_take(struct summary *s, const struct events *events);

/* Prints the table; `seconds` is how long the scan took. */
void summary_print(const struct summary *s, const struct pipeline_counts *counts,
		   const struct react_counts *react, double seconds, FILE *out);
