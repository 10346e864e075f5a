/* sink_batch.h - the records of one transaction of the sink: read, and kept until they are written.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A record that Kafka hands out lives until the next poll; the batch keeps copies in an arena of
 * its own, together with what decode made of them. Nothing is allocated once it is warm.
 *
 * Thread: belongs to the sink.
 */
#pragma once

#include "base/arena.h"
#include "decode/decode.h"
#include "decode/event.h"
#include "kafka/consumer.h"
#include "store/store.h"

struct sink_batch {
	struct event_reader *reader;
	struct decoder *decoder; /* NULL: no messages come */
	const struct directory *directory;
	struct store_item *items; /* what they point to lives in the arena */
	size_t count, cap;
	struct arena arena;
	size_t bytes;
	int64_t begun_ms; /* when the first item came */
};

MUST_CHECK int sink_batch_init(struct sink_batch *b, const struct decode_settings *messages,
			       const struct directory *directory, struct err *err);
void sink_batch_fini(struct sink_batch *b); /* a zeroed struct is fine */
void sink_batch_clear(struct sink_batch *b);

/* Adds an event, or a message (only where `messages` were given). Both end up in the batch whatever
 * they hold: what cannot be read as a refusal, what is nothing to the database as an offset. */
void sink_batch_event(struct sink_batch *b, const struct consumed *consumed,
		      const struct store_partition *partition);
void sink_batch_message(struct sink_batch *b, const struct consumed *consumed,
			const struct store_partition *partition);
/* Adds no record: only the offset moves behind `offset`. */
void sink_batch_offset(struct sink_batch *b, int64_t offset,
		       const struct store_partition *partition);
