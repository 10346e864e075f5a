/* decode.h - one record becomes one message, or a reason why not.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The border of the program: what it lets through satisfies every later assert (valid UTF-8,
 * positive times, ids that are there, bounded lists). Shapes, types and paths: WECOM.md, and
 * CONTRACT.md section 2 for roles, chat and subject.
 *
 * Lifetime: strings without escapes are not copied, so that a message borrows its record's bytes
 * as well as the arena's: keep the record until the batch ends. Any number of messages of one
 * decoder live side by side. A heap allocation happens only when a record is longer, or has more
 * texts, than any before it.
 *
 * Where the pages are silent:
 * - JSON is RFC 8259 and checked whole, read or not. Invalid UTF-8 anywhere is bad_utf8, whatever
 *   else is wrong. Empty text is bad_json, the JSON value null is a null value, any other value
 *   that is no object is bad_json; so is a broken document inside a string, where an envelope
 *   (E3, E6) puts the message. The depth is that of each document.
 * - A field that we use and that is of the wrong kind is bad_field; null is absent. Numbers may
 *   stand in strings (E6). The spellings of one name (`corpid`, `corp_id`) are one key: two of
 *   them are the same key twice.
 * - Ids have at most MSGID_BYTES_MAX bytes. Recv times and clocks go to 2261 (a bigint of
 *   `sequence`), message times to 9999 (RFC 3339); negative or later ones are bad_field.
 * - No `action` is `send`; another one than send, recall and switch is bad_field. A message
 *   without a msgtype is of an unknown type. A recall without a pre_msgid is bad_field.
 * - msgid: the message's own, else the envelope's, else `message_id` (E6). corpid: the envelope's,
 *   else the message's, else the settings'.
 * - An agree or disagree without a sender is by the user that it names.
 * - `only_closing` looks at the sender's own words, not at what is quoted; a message of blanks or
 *   of nothing is closing too.
 *
 * Further decisions stand in texts.h (which strings, which paths), marks.h (quotations, emoticons,
 * mentions), roles.h (chat and subject) and envelope.h (how shapes are told apart).
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

/* ERR_CONFIG if no record may be of a corp that is called so; empty is fine. */
MUST_CHECK int decode_check_corpid(struct str corpid, struct err *err);

MUST_CHECK int decoder_new(struct decoder **out, const struct decode_settings *settings,
			   struct err *err);
void decoder_free(struct decoder *d); /* NULL is fine */
DEFINE_OWNED(decoder);

/* Reads `record` into *out, whose bytes live in `arena` and in `record`. *out means something only
 * with DECODE_DONE. `record->time_ms` must be positive; in a file (partition -1) it is the time of
 * the line before, and recv_ms of the result is the time for the line behind. */
enum decode_result decode(struct decoder *d, const struct directory *directory,
			  const struct record *record, struct arena *arena, struct message *out);

/* Takes an E5 batch apart: one record for each message in it, with the bytes of that item (the
 * batch's corp, if it names one, put in), the batch's time, offset and partition. They live in
 * `arena`. Returns DECODE_DONE or the reason why the batch itself is dead. */
enum decode_result decode_split(struct decoder *d, const struct record *batch, struct arena *arena,
				struct record **out, size_t *count);
