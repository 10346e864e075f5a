/* ledger.h - what the archive makes of itself, and what stands on the topics, brought together.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Events are expected (derived again) and found (read from a topic), each in its own order, and meet
 * by topic and id. A pair is compared and forgotten, so that memory holds only what is waiting for
 * its counterpart; ledger_close() says what never met.
 *
 * A stream is what one partition of the archive sends to one partition of a topic: `run` keeps its
 * order. Where a topic no longer has its beginning (retention), what is derived before the first
 * event of the stream that is still there counts as passed, not as lost.
 *
 * Some events are expected or not (`optional`): those of records that `run` may not have taken yet.
 *
 * Thread: a ledger belongs to one thread.
 */
#pragma once

#include "base/err.h"
#include "send/encode.h"
#include "verify/discrepancy.h"
#include "verify/order.h"

struct ledger;
struct ledger_group; /* the events that one message makes, which are never parted */

enum { LEDGER_WAITING_MAX = 5000000 }; /* then these topics are not of this archive: 1 GB */

/* An event as it stands, or should stand, on its topic. */
struct sheet {
	struct str key, value, id;
	struct kafka_header headers[ENCODE_HEADERS_MAX];
	size_t header_count;
};

struct ledger_stream {
	const char *topic;
	int32_t partition;	  /* of the topic */
	int32_t source_partition; /* of the archive */
	bool begins_late;	  /* the topic lost its beginning */
	/* Kept by the ledger: */
	bool met;	      /* a pair was found */
	uint64_t number;      /* of events expected */
	struct order order;
	int64_t from_offset, until_offset; /* on the topic: what lies beyond is out of range */
};

struct ledger_settings {
	discrepancy_take report;
	void *context;
};

struct ledger_counts {
	uint64_t met, passed, not_yet;
};

MUST_CHECK int ledger_new(struct ledger **out, const struct ledger_settings *settings,
			  struct err *err);
void ledger_free(struct ledger *l); /* NULL is fine */
DEFINE_OWNED(ledger);

/* A group of `count` events; released by the caller when all were expected. */
struct ledger_group *ledger_group_new(void);
void ledger_group_release(struct ledger_group *g);

enum ledger_answer { LEDGER_WAITS, LEDGER_MET, LEDGER_PASSED };

struct ledger_source {
	int64_t offset; /* of the record in the archive */
	int side;	/* of the range that the user asked about: -1 before, 0 in, 1 behind it */
	bool optional; /* the position in the state, asked first, was not behind it */
	bool ahead;    /* nor was it when asked last */
	struct ledger_group *group; /* NULL: it stands alone */
};

/* Of LEDGER_MET. */
struct ledger_meeting {
	int64_t offset; /* where the event stands */
	bool asked;	/* its record is in the range */
};

/* `stream` lives until ledger_close(). */
enum ledger_answer ledger_expect(struct ledger *l, struct ledger_stream *stream,
				 const struct ledger_source *source, const struct sheet *sheet,
				 struct ledger_meeting *meeting);
enum ledger_answer ledger_found(struct ledger *l, struct ledger_stream *stream, int64_t offset,
				const struct sheet *sheet, struct ledger_meeting *meeting);

size_t ledger_expected(const struct ledger *l); /* how many wait for a record of a topic */
size_t ledger_surplus(const struct ledger *l);	/* how many records wait to be derived */

/* For a second reading of the topics: is this event one of the surplus, at another offset? Then it
 * is a double. */
void ledger_seen_again(struct ledger *l, const struct ledger_stream *stream, int64_t offset,
		       struct str id);

/* Reports what is out of order, and forgets it. Before ledger_close(). */
void ledger_end_stream(struct ledger *l, struct ledger_stream *stream);

/* Reports all that never met, by place, and forgets it. */
void ledger_close(struct ledger *l);

struct ledger_counts ledger_counts(const struct ledger *l);
