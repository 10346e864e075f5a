/* sink.h - the story of an event: consume -> decode_event -> store.
 * SPDX-License-Identifier: Apache-2.0
 *
 * With `archive` the messages themselves are read too: consume -> decode -> store.
 *
 * The counterpart of pipeline.h at the other end. Event topics are read read_committed, by a group
 * that only shares partitions out: where to read from is what the database says, and a batch is
 * in the tables together with its offsets or not at all (store.h). A database that is away pauses
 * the partitions; what is in memory is one batch, the bytes of a fetch, and no more.
 *
 * Thread: a sink belongs to one thread.
 */
#pragma once

#include <stdatomic.h>

#include "decode/decode.h"
#include "kafka/settings.h"
#include "sink_meter.h"
#include "store/store.h"

struct sink;

struct sink_settings {
	const struct kafka_settings *kafka;
	const char *group;     /* of the consumer; shared by the sinks of a pipeline */
	const char *instance;  /* static member's name, free again after a kill */
	const char *topics[4]; /* tags, stages, alerts, and the archive if it is wanted */
	size_t topic_count;
	const char *rulesets;		   /* topic of rule sets: what each digest held */
	const char *archive;		   /* which of them holds messages; NULL: none */
	struct decode_settings decode;	   /* of messages */
	const struct directory *directory; /* whose roles overrule prefixes */
	struct store_settings store;
	int64_t batch_rows, batch_ms; /* a batch ends at whichever comes first */
	const _Atomic bool *stop;     /* finish what is in hand and return */
	struct sink_meter *meter;
};

MUST_CHECK int sink_new(struct sink **out, const struct sink_settings *settings, struct err *err);
void sink_free(struct sink *s); /* NULL is fine */
DEFINE_OWNED(sink);

/* Runs until `stop`. -1 with err for what waiting does not heal. */
MUST_CHECK int sink_run(struct sink *s, struct err *err);
