/* probe.h - takes rules apart and asks of each piece by itself whether it holds for a message.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each piece of a rule (a filter; a part of its condition, with and without the allow words, with
 * and without the filters that choose texts) becomes a rule of its own in a set that only lives
 * here, and the engine that judges messages judges these: so an explanation cannot disagree with
 * the program. Slow, for one message at a time. Thread: one.
 */
#pragma once

#include "pipeline.h"

struct probe;

/* `corp` is that of records that name none. It and `set` must outlive the probe. */
MUST_CHECK int probe_new(struct probe **out, const struct ruleset *set, struct str corp,
			 struct err *err);
void probe_free(struct probe *p); /* NULL is fine */
DEFINE_OWNED(probe);

enum probe_failure {
	PROBE_NOTHING,	 /* it holds */
	PROBE_FILTER,	 /* a filter of the whole message: `filter` */
	PROBE_ALLOW,	 /* an allow word excuses the hit */
	PROBE_TEXT,	 /* the hit stands in a text that the rule does not look at: `filter` */
	PROBE_FORBIDDEN, /* `part` is a none, and something of it hits */
	PROBE_MISSING,	 /* `part` does not hold */
	PROBE_SEVERAL,	 /* more than one of these, or nothing of the rule hits at all */
};

struct probe_answer {
	enum probe_failure failure;
	const char *filter;	 /* the field of the rule */
	const struct cond *part; /* of its match */
	const struct hit *hits;	 /* of its words, allowed or not; for FORBIDDEN what hit */
	size_t hit_count;
};

/* Asks about `record`. Answers live until the next call. Returns what decode says of the record. */
enum decode_result probe_ask(struct probe *p, const struct record *record);
const struct message *probe_message(const struct probe *p);

/* What keeps rule `index` of the set from holding for the message. */
struct probe_answer probe_answer(const struct probe *p, size_t index);

/* The match of the whole rule, or NULL. */
const struct match *probe_match(const struct probe *p, size_t index);
