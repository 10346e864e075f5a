/* react.h - what a message means for its customer: tags, stages, alerts.
 * SPDX-License-Identifier: Apache-2.0
 *
 * RULES.md sections 3 and 4 say what; docs/semantics.md what was decided where they are silent.
 * The order inside one record (RULES.md section 3): the clock moves; what is due comes first, in
 * due order; then a recall undoes; then rules. The pipeline calls in that order:
 *
 *	while (react_due(...) == REACT_MORE) commit what there is;
 *	if (react_seen(...)) skip it;  open = react_open(...);  match;  react_message(...);
 *
 * Pure: no clock, no I/O; the shard is the only memory. Deterministic: the same records in any
 * batch size give the same events with the same ids. Thread: a reactor belongs to one worker.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "model.h"
#include "rules/ruleset.h"
#include "state/shard.h"

struct reactor;

struct react_settings {
	bool hits; /* make EVENT_HIT events too */
};

/* Counted oddities, for metrics and the summary. */
struct react_counts {
	uint64_t duplicates;	   /* second copies of messages that had an effect */
	uint64_t erased;	   /* older than the erasure of their subject */
	uint64_t recalls_unknown;  /* of messages that nothing is remembered of */
	uint64_t not_customer;	   /* tag, untag, stage where the subject is no customer */
	uint64_t controls_unknown; /* tags and stages in control records that no rule knows */
	uint64_t late;		   /* effective messages more than an hour behind the clock */
	/* Limits of one subject that were reached (state/subject.h). */
	uint64_t tags_full, staff_full, windows_full, timers_full, nears_full, speakers_full,
		memory_full;
};

MUST_CHECK int reactor_new(struct reactor **out, const struct react_settings *settings,
			   struct err *err);
void reactor_free(struct reactor *r); /* NULL is fine */
DEFINE_OWNED(reactor);

enum react_progress { REACT_DONE, REACT_MORE };

/* Moves the clock of the message's corp (msgtime, or the clock record's value, clamped to recv +
 * 5 minutes) and adds what fell due at or before it to `events`. REACT_MORE: `events_max` is
 * reached; call again with the same message after a commit. The clock then stands where things
 * fell due last; events are the same wherever the parts are cut. */
enum react_progress react_due(struct reactor *r, struct shard *shard, const struct ruleset *set,
			      const struct message *message, size_t events_max,
			      struct arena *arena, struct events *events);

/* True when this (corpid, msgid) already had its effect: the message must be skipped. */
bool react_seen(struct reactor *r, struct shard *shard, const struct message *message);

/* The parts of near-over-messages conditions that are open for this message's speaker. */
const struct near_part *react_open(struct reactor *r, struct shard *shard,
				   const struct ruleset *set, const struct message *message,
				   struct arena *arena, size_t *count);

/* Applies the message and its matches; adds to `events` what there is to tell. Also for recalls,
 * agree, disagree, switch and control records (matches may be empty). */
void react_message(struct reactor *r, struct shard *shard, const struct ruleset *set,
		   const struct message *message, const struct matches *matches,
		   struct arena *arena, struct events *events);

struct react_counts react_counts(const struct reactor *r);

