/* encode.h - an event as CloudEvents 1.0: structured JSON for files, binary mode for Kafka.
 * SPDX-License-Identifier: Apache-2.0
 *
 * CONTRACT.md section 3 fixes names, order and escapes. Pure; writes into reused buffers.
 * Evidence is masked here and nowhere else.
 *
 * Thread: any, with buffers of its own.
 */
#pragma once

#include "base/buf.h"
#include "kafka/headers.h"
#include "model.h"

enum evidence_mode { EVIDENCE_MASKED, EVIDENCE_NONE, EVIDENCE_FULL };
#define EVIDENCE_NAMES(X) X("masked"), X("none"), X("full") /* as model.h has its names */

struct encode_settings {
	struct str source; /* "/chatmill/default" */
	enum evidence_mode evidence;
};

/* The key of a Kafka record: corpid/subject. Appends to `out`. */
void encode_key(struct buf *out, const struct event *event);

/* The value of a Kafka record: the JSON object `data`. Appends to `out`. */
void encode_data(struct buf *out, const struct event *event, const struct encode_settings *settings);

/* The whole event as one line of JSON, without the newline. Appends to `out`. */
void encode_structured(struct buf *out, const struct event *event,
		       const struct encode_settings *settings);

/* Headers of binary mode: ce_specversion, ce_id, ce_source, ce_type, ce_time, ce_subject,
 * ce_sequence (not for hit and erase) and content-type. Values live in `scratch` (cleared first)
 * and in the event. Returns how many of the ENCODE_HEADERS_MAX were written. */
enum { ENCODE_HEADERS_MAX = 8 };
size_t encode_headers(struct buf *scratch, const struct event *event,
		      const struct encode_settings *settings,
		      struct kafka_header out[ENCODE_HEADERS_MAX]);

/* `text` with any run of 7 or more digits (of any script, whatever invisible stands between) as one `*`. */
void encode_masked(struct buf *out, struct str text);
/* The same of bytes [from, to) of it, whole characters: a run counts with what lies outside. */
void encode_masked_part(struct buf *out, struct str text, size_t from, size_t to);
