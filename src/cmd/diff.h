/* diff.h - two rule sets judging the same messages: what NEW hits in addition, no longer, as before.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Hits, not tags: what a change of rules does to one message does not hang on what the customer
 * had before. Conditions over several messages see only messages that were taken here.
 *
 * Thread: that of the command.
 */
#pragma once

#include "pipeline.h"

struct diff;

/* Takes references of both books. `settings` want hits and no limit on what falls due; records
 * are of partitions below `partitions`, or of none (-1). */
MUST_CHECK int diff_new(struct diff **out, struct rulebook *before, struct rulebook *after,
			int32_t partitions, const struct pipeline_settings *settings,
			struct err *err);
void diff_free(struct diff *d); /* NULL is fine */
DEFINE_OWNED(diff);

/* The next record, as read by the book `before` with a pipeline of the same settings. */
void diff_take(struct diff *d, const struct reading *reading);

/* The table on standard output, or one JSON object a rule; the counts on standard error. Returns
 * whether anything differs. Examples are masked as plain.h does. */
bool diff_print(struct diff *d, bool json);
