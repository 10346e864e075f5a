/* pipeline.h - the story of a message: record -> message -> folded text -> matches -> events.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Pure after the record is read: no broker, no clock, no files. Two halves: pipeline_read() decodes,
 * folds and matches, and needs no state, so that `scan --jobs` may run it on several threads;
 * pipeline_apply() reacts, in the order of the records. `run` takes both at once:
 *
 *	pipeline_clear(p);                       a batch begins (a transaction of Kafka)
 *	step = pipeline_take(p, shard, book, record);
 *	PIPELINE_MORE    commit what is in the batch, clear, and take the same record again
 *	PIPELINE_SWITCH  the record names the rules that judge from here on: pipeline_digest()
 *
 * Thread: a pipeline belongs to one thread.
 */
#pragma once

#include "decode/decode.h"
#include "react/react.h"
#include "rulebook.h"

struct pipeline;

enum { PIPELINE_SAMPLE = 64 }; /* two looks at the clock cost 50 ns: less than 1 ns a record */

struct pipeline_settings {
	struct decode_settings decode;
	struct react_settings react;
	int32_t partitions;   /* of the archive; keys are checked against them if `check_routes` */
	bool check_routes;    /* a subject of another partition is a dead letter `misrouted` */
	size_t due_events_max; /* events that fall due before one record in one batch; 0: no limit */
	int64_t (*now_us)(void); /* measures one record of PIPELINE_SAMPLE; NULL: none */
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
	uint64_t clocks, controls, rule_records;
	uint64_t no_time, surrogates, unknown_types, cut_lists;
};

/* What the last record taken was, for metrics; until the next one or pipeline_clear(). */
struct pipeline_last {
	const struct message *message; /* NULL: a dead letter or nothing */
	const struct matches *matches; /* that acted; NULL: none were looked for */
	int64_t read_us, react_us;     /* -1: not measured */
};

/* Whether the next pipeline_apply() is of a record that was counted already. */
bool pipeline_is_again(const struct pipeline *p);
void pipeline_set_again(struct pipeline *p, bool again);

enum pipeline_step { PIPELINE_DONE, PIPELINE_MORE, PIPELINE_SWITCH };

MUST_CHECK int pipeline_new(struct pipeline **out, const struct pipeline_settings *settings,
			    struct err *err);
void pipeline_free(struct pipeline *p); /* NULL is fine */
DEFINE_OWNED(pipeline);

/* Makes room for a rulebook; once for each before it is used. */
MUST_CHECK int pipeline_fit(struct pipeline *p, const struct rulebook *book, struct err *err);

/* Ends the batch: all it handed out is gone, the arena is reset. */
void pipeline_clear(struct pipeline *p);

/* Takes one record: pipeline_read() and pipeline_apply(). `shard` is in a transaction
 * (shard_begin). `book` may be NULL before the first rules record: messages then move the clock
 * and nothing else. */
enum pipeline_step pipeline_take(struct pipeline *p, struct shard *shard,
				 const struct rulebook *book, const struct record *record);

/* What a record says, before anybody's state is looked at. */
struct reading {
	const struct record *record; /* the caller's, as long as the reading */
	enum decode_result result;   /* the rest is there if DECODE_DONE */
	struct message message;
	struct str key; /* corpid + "/" + subject; empty if there is no subject */
	struct matches matches;
	bool searched; /* false: conditions over several messages need the state first */
};

/* Reads `record`. What *out points to lives in the memory of `p` until pipeline_clear(). */
void pipeline_read(struct pipeline *p, const struct rulebook *book, const struct record *record,
		   struct reading *out);

/* Lets the reading act: dead letters are set aside, messages change `shard` and make events. The
 * reading may come from another pipeline. PIPELINE_MORE asks to be called with it again. */
enum pipeline_step pipeline_apply(struct pipeline *p, struct shard *shard,
				  const struct rulebook *book, const struct reading *reading);

/* Takes an E5 batch (DECODE_BATCH) apart: the records in it live until pipeline_clear(). One that
 * cannot be taken apart gives DECODE_BAD_FIELD or the like and no records. */
enum decode_result pipeline_split(struct pipeline *p, const struct record *batch,
				  struct record **out, size_t *count);

/* After PIPELINE_SWITCH: the digest that the record names, until pipeline_clear(). */
struct str pipeline_digest(const struct pipeline *p);

const struct pipeline_batch *pipeline_batch(const struct pipeline *p);
struct pipeline_last pipeline_last(const struct pipeline *p);
struct pipeline_counts pipeline_counts(const struct pipeline *p);
struct react_counts pipeline_react_counts(const struct pipeline *p);
struct arena *pipeline_arena(struct pipeline *p);
