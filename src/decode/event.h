/* event.h - one of our own events as read back from its topic: for the sink.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A second entrance of decode/: decode.h reads the archive, this reads what send/encode wrote (the
 * JSON `data` as the value, CloudEvents 1.0 in binary mode as headers; CONTRACT.md section 3).
 * Unknown keys are skipped, so that an older sink reads a newer pipeline; an unknown `ce_type`
 * is bad_field.
 *
 * What only data can hold is checked like any data: kinds, known words (`cause`, `chat`, …), the
 * shape of ids. What is absent stays empty, 0 or false, except that `msgid` is required (an erase
 * event has the control record's id there) as are `corpid`, `ce_id`, `ce_type`, `ce_subject` and
 * `ce_time`.
 *
 * Thread: an event reader belongs to one worker. Pure but for its own working memory.
 */
#pragma once

#include "decode/decode.h"

struct event_header {
	struct str name, value; /* value.data NULL: a header without a value */
};

/* The event and what the tables store as JSON, so that nobody has to write it again. */
struct event_row {
	struct event event;	  /* `subject` is ce_subject without "corpid/" */
	struct str source;	  /* "/chatmill/default" */
	struct str evidence_json; /* the array `evidence` as it stands in the value; empty: absent */
	struct str data;	  /* the whole value */
};

struct event_reader;

MUST_CHECK int event_reader_new(struct event_reader **out, struct err *err);
void event_reader_free(struct event_reader *r); /* NULL is fine */
DEFINE_OWNED(event_reader);

/* Reads `record` with its headers into *out, whose bytes live in `arena`, in `record` and in
 * `headers`. The record's value is readable RECORD_PADDING bytes past its end. Returns
 * DECODE_DONE, DECODE_NULL for a null value, or why the record is no event: bad_json, bad_utf8,
 * too_big, too_deep, no_msgid, no_corp, bad_field. *out is written only with DECODE_DONE.
 * Allocates nothing once warm. */
enum decode_result decode_event(struct event_reader *r, const struct record *record,
				const struct event_header *headers, size_t header_count,
				struct arena *arena, struct event_row *out);
