/* sink_rules.h - tells the database what each rule set that judged held.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Events name the digest of the rules that judged; the text stands on the topic of rule sets
 * (shelf.h). Whenever a digest is new to the table this looks for its text there and writes it
 * into chatmill.ruleset. The rows of events never wait for it: a topic that is not there, or may
 * not be read, is said once and leaves the text empty.
 *
 * Thread: belongs to the sink; the shelf has one of its own.
 */
#pragma once

#include "kafka/settings.h"
#include "store/store.h"

struct sink_rules;

struct sink_rules_settings {
	const struct kafka_settings *kafka;
	const char *group, *topic;
	struct store *store; /* borrowed for its life */
};

MUST_CHECK int sink_rules_new(struct sink_rules **out, const struct sink_rules_settings *settings,
			      struct err *err);
void sink_rules_free(struct sink_rules *r); /* NULL is fine */
DEFINE_OWNED(sink_rules);

/* Between two batches, as often as one likes: mostly looks at a number and returns. Troubles of the
 * database are left to the next batch. */
void sink_rules_turn(struct sink_rules *r);
