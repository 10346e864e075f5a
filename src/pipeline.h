/* pipeline.h - the story of a message: record -> message -> folded text -> matches -> events.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Pure after the record is read: no broker, no clock, no files. `scan` and `run` both drive it:
 *
 *	pipeline_clear(p);                       a batch begins (a transaction of Kafka, in `run`)
 *	step = pipeline_take(p, shard, book, record);
 *	PIPELINE_MORE    commit what is in the batch, clear, and take the same record again
 *	PIPELINE_SWITCH  the record names the rules that judge from here on: pipeline_digest()
 *
 * Thread: a pipeline belongs to one worker.
 */
#pragma once

#include "decode/decode.h"
#include "react/react.h"
#include "rulebook.h"

struct pipeline;

struct pipeline_settings {
	struct decode_settings decode;
	struct react_settings react;
	int32_t partitions;   /* of the archive; keys are checked against them if `check_routes` */
	bool split_batches;   /* E5 records are the caller's to split: pipeline_split() */
	bool check_routes;    /* a subject of another partition is a dead letter `misrouted` */
	size_t due_events_max; /* events that fall due before one record in one batch; 0: no limit */
};

/* A record that cannot be used. `record` is a copy of the struct; its bytes are the caller's. */
struct dead {
	struct record record;
	enum decode_result reason;
};

/* What a batch has to say. Lives until pipeline_clear(). */
struct pipeline_batch {
	struct events events;
	struct dead *dead;
	size_t dead_count, dead_cap;
};

struct pipeline_counts {
	uint64_t records, nulls, messages, dead[DECODE_RESULT_COUNT];
	uint64_t clocks, controls, rule_records, switches;
	uint64_t no_time, surrogates, unknown_types, cut_lists;
};

enum pipeline_step { PIPELINE_DONE, PIPELINE_MORE, PIPELINE_SWITCH };

MUST_CHECK int pipeline_new(struct pipeline **out, const struct pipeline_settings *settings,
			    struct err *err);
void pipeline_free(struct pipeline *p); /* NULL is fine */
DEFINE_OWNED(pipeline);

/* Makes room for a rulebook; once for each before it is used. */
MUST_CHECK int pipeline_fit(struct pipeline *p, const struct rulebook *book, struct err *err);

/* Ends the batch: all it handed out is gone, the arena is reset. */
void pipeline_clear(struct pipeline *p);

/* Takes one record: pipeline_read() and, if there is a message, pipeline_apply(). `shard` is in a
 * transaction (shard_begin). `book` may be NULL before the first rules record: messages then move
 * the clock and nothing else. */
enum pipeline_step pipeline_take(struct pipeline *p, struct shard *shard,
				 const struct rulebook *book, const struct record *record);

/* The two halves of it, for `scan`, which looks between them where the subject belongs.
 * pipeline_read() returns true when there is a message to apply (dead letters and nulls end
 * there); a clock or rules record is one too, with no subject. */
bool pipeline_read(struct pipeline *p, const struct rulebook *book, const struct record *record);
enum pipeline_step pipeline_apply(struct pipeline *p, struct shard *shard,
				  const struct rulebook *book);
/* True when the record just read is an E5 batch and settings.split_batches: it then is no dead
 * letter, and pipeline_split() gives the records in it (they live until pipeline_clear()). */
bool pipeline_is_batch(const struct pipeline *p);
void pipeline_split(struct pipeline *p, const struct record *batch, struct record **out,
		    size_t *count);
/* The message that pipeline_read() read, until the next read or clear. */
const struct message *pipeline_message(const struct pipeline *p);
/* Its Kafka key, corpid + "/" + subject; empty if it has no subject. */
struct str pipeline_key(const struct pipeline *p);

/* After PIPELINE_SWITCH: the digest that the record names, until pipeline_clear(). */
struct str pipeline_digest(const struct pipeline *p);

const struct pipeline_batch *pipeline_batch(const struct pipeline *p);
struct pipeline_counts pipeline_counts(const struct pipeline *p);
struct react_counts pipeline_react_counts(const struct pipeline *p);
struct arena *pipeline_arena(struct pipeline *p);
