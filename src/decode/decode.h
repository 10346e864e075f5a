/* decode.h - one record becomes one message, or a reason why not.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The border of the program: what it lets through satisfies every later assert (valid UTF-8,
 * positive times, ids that are there, bounded lists). Shapes, types and paths: WECOM.md, and
 * CONTRACT.md section 2 for roles, chat and subject.
 *
 * Thread: a decoder belongs to one worker. Pure but for its own working memory.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "model.h"
#include "rules/directory.h"

enum decode_result {
	DECODE_DONE,
	DECODE_NULL, /* a null value: counted and skipped */
	/* From here on the record is a dead letter; the names are in CONTRACT.md section 2. */
	DECODE_BAD_JSON,
	DECODE_BAD_UTF8,
	DECODE_TOO_BIG,
	DECODE_TOO_DEEP,
	DECODE_NO_MSGID,
	DECODE_NO_SENDER,
	DECODE_BAD_FIELD,
	DECODE_ENCRYPTED,
	DECODE_DECRYPT_FAILED,
	DECODE_NO_CORP,
	DECODE_MISROUTED, /* found by the pipeline, not by decode() */
	DECODE_BATCH,	  /* an E5 batch: decode_split() takes it apart */
	DECODE_RESULT_COUNT,
};

/* "bad_json" …; and a fixed sentence for people, never content. Static. */
const char *decode_result_name(enum decode_result result);
const char *decode_result_detail(enum decode_result result);

struct decoder;
struct decode_settings {
	struct str corpid;	 /* for shapes without one; empty: such a record is no_corp */
	size_t record_bytes_max; /* 0: RECORD_BYTES_MAX */
};

MUST_CHECK int decoder_new(struct decoder **out, const struct decode_settings *settings,
			   struct err *err);
void decoder_free(struct decoder *d); /* NULL is fine */
DEFINE_OWNED(decoder);

/* Reads `record` into *out, whose bytes live in `arena` and in `record`. Allocates nothing else
 * once the decoder is warm. `record->time_ms` must be positive. */
enum decode_result decode(struct decoder *d, const struct directory *directory,
			  const struct record *record, struct arena *arena, struct message *out);

/* Takes an E5 batch apart: one record for each message in it, with the bytes of that item (the
 * batch's corp, if it names one, put in), the batch's time, offset and partition. They live in
 * `arena`. Returns DECODE_DONE or the reason why the batch itself is dead. */
enum decode_result decode_split(struct decoder *d, const struct record *batch, struct arena *arena,
				struct record **out, size_t *count);
