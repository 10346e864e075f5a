/* verify_parts.h - what the files of verify.h share: topics, partitions, and how far each was read.
 * SPDX-License-Identifier: Apache-2.0
 *
 *	verify_places.c   what is there, and the places that make one picture
 *	verify_expect.c   what the archive makes, handed to the ledger and the audit
 *	verify_read.c     a class of partitions: both sides in turn
 *	verify.c          all of it
 *
 * Thread: as verify.h.
 */
#pragma once

#include "decode/event.h"
#include "verify/ledger.h"
#include "verify/letters.h"
#include "verify/replay.h"
#include "verify/verify.h"

/* One partition of an event topic. */
struct outlet {
	int64_t low, stop, at;
	int64_t sunk; /* the sink has taken what is before; 0: nothing, or nobody asks */
	bool first_seen, done;
};

struct topic {
	const char *name;
	enum event_type type;
	int32_t partitions;
	struct outlet *outlets;
};

/* One partition of the archive. */
struct inlet {
	int64_t low, end;
	int64_t mark_before, mark_after; /* the position in the state, asked first and last */
	int64_t at;
	bool done;
	int64_t in_first, in_last; /* offsets that were in range; in_last < in_first: none */
};

struct verify {
	const struct verify_settings *settings;
	const struct config *config;
	struct topic topics[VERIFY_TOPICS];
	size_t topic_count;
	struct inlet *inlets;
	int32_t partitions, classes; /* of the archive; how many classes there are */
	bool letters_begin_late;
	bool imported; /* the state did not come from this archive alone */

	struct consumer *archive, *events;
	struct replay *replay;
	struct ledger *ledger;
	struct event_reader *reader; /* for the audit */
	struct err failed;	     /* kind ERR_NONE: nothing did inside a callback */
	struct letters *letters;
	struct ledger_stream *streams; /* of the class at hand */
	size_t stream_count;
	int32_t class_at;
	int32_t inlets_left, outlets_left;
	const struct consumed *consumed; /* the record of the archive at hand */
	struct buf key, value, scratch;
	struct kafka_headers headers;
	struct verify_counts counts;
	uint64_t all;
};

/* ---- verify_places.c ---- */

MUST_CHECK int verify_find_topics(struct verify *v, struct err *err);
/* In the order that verify.h explains. */
MUST_CHECK int verify_note_places(struct verify *v, struct err *err);

/* ---- verify_expect.c ---- */

/* The streams of the class at hand. */
MUST_CHECK int verify_make_streams(struct verify *v, struct err *err);
struct ledger_stream *verify_stream(const struct verify *v, size_t topic, int32_t outlet,
				    int32_t inlet);
/* -1 before the range that was asked about, 0 in it, 1 behind it. */
int verify_side(const struct verify *v, const struct record *r);
/* Receives what a record makes; `context` is the verify. */
void verify_made(void *context, const struct replayed *made);
/* An event that stands on its topic (offset -1: stood) goes on to be compared with the tables, if
 * the sink has taken it. One that it could not read is not in them, and was reported as changed. */
void verify_audit(struct verify *v, size_t topic, int32_t partition, int64_t offset,
		  const struct sheet *sheet, bool asked);

/* ---- verify_read.c ---- */

MUST_CHECK int verify_class(struct verify *v, struct err *err);
