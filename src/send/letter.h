/* letter.h - the dead letter of a record: its key, bytes and headers as they came, and why.
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the topic of dead letters would not take for its size is left out; two headers more say what it
 * was and how many bytes the value has. The record is on the archive still, where the other headers say.
 *
 * Thread: a letter belongs to one thread.
 */
#pragma once

#include "kafka/headers.h"
#include "model.h"

enum dead_form {
	DEAD_WHOLE,
	DEAD_NO_VALUE,
	DEAD_BARE, /* neither key nor headers of its own */
};

struct dead_letter {
	struct str key, value;
	struct kafka_headers headers; /* those of the record, then ours; dead_letter_fini() */
	char partition[16], offset[24], bytes[24];
};

/* `reason` is the word of CONTRACT.md section 2, `detail` the fixed sentence. The letter lives as long
 * as what was given; the next one uses its room again. */
void dead_letter_make(struct dead_letter *out, const char *archive, const struct record *record,
		      const char *reason, const char *detail, const struct kafka_headers *headers,
		      enum dead_form form);
void dead_letter_fini(struct dead_letter *letter);

/* How a record and its headers go into a letter of at most `bytes_max`, whatever compression does. */
enum dead_form dead_letter_fit(const struct record *record, const struct kafka_headers *headers,
			       size_t bytes_max);

/* In which form a letter that was read is; *bytes: how many its record's value has, as it says. */
enum dead_form dead_letter_form(const struct kafka_headers *headers, struct str *bytes);
/* The word for what is left out; NULL: nothing. */
const char *dead_form_name(enum dead_form form);
