/* trial.h - lets rules judge the samples of their authors, through the whole pipeline.
 * SPDX-License-Identifier: Apache-2.0
 *
 *	trial_begin(t);              nothing is known of anybody
 *	trial_take(t, sample, …);    in the order of time
 *	trial_events(t)              all since trial_begin(), until the next one
 *
 * Thread: a trial belongs to one thread.
 */
#pragma once

#include "pipeline.h"
#include "rules/sample.h"

struct trial;

/* `book` must outlive the trial. */
MUST_CHECK int trial_new(struct trial **out, const struct rulebook *book, struct err *err);
void trial_free(struct trial *t); /* NULL is fine */
DEFINE_OWNED(trial);

MUST_CHECK int trial_begin(struct trial *t, struct err *err);

/* Judges one sample; `fit` (or NULL) as in sample_record(). A result other than DECODE_DONE means
 * that the archive would not have taken it. */
enum decode_result trial_take(struct trial *t, const struct sample *sample, const struct rule *fit);
/* Judges what was read of a long file, by whatever pipeline that reads with these rules: what came
 * before stays known, but its events are gone. */
void trial_next(struct trial *t, const struct reading *reading);
/* Moves the clock of the samples' corp. */
void trial_clock(struct trial *t, int64_t ms);

const struct events *trial_events(const struct trial *t);

/* Does the example do what it says: hit its rule, or not? */
MUST_CHECK int trial_example(struct trial *t, const struct rule *rule, const struct example *example,
			     bool *as_said, struct err *err);
