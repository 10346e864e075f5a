/* letters.h - the dead letters that stand on their topic, by the record that each is of.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Letters lie on any partition (records may have no key), so that all are read first; of each 56
 * bytes are kept. Thread: belongs to one thread.
 */
#pragma once

#include "kafka/consumer.h"
#include "send/topic.h"
#include "verify/discrepancy.h"

struct letters;

struct letters_settings {
	const char *topic, *archive;
	discrepancy_take report;
	void *context;
};

MUST_CHECK int letters_new(struct letters **out, const struct letters_settings *settings,
			   struct err *err);
void letters_free(struct letters *l); /* NULL is fine */
DEFINE_OWNED(letters);

/* Takes one record of the topic; letters of other archives are passed over. A second letter of a
 * record of the archive is reported at once. */
void letters_add(struct letters *l, const struct consumed *got);

enum letters_answer { LETTERS_THERE, LETTERS_CHANGED, LETTERS_MISSING };

/* Looks for the letter of `record` and compares it with what `run` writes. */
enum letters_answer letters_find(struct letters *l, const struct record *record,
				 const char *reason, const char *detail,
				 const struct kafka_headers *headers);

/* Reports what letters_find() never asked for, of those partitions and offsets of the archive for
 * which `judged` is true. */
void letters_close(struct letters *l,
		   bool (*judged)(void *context, int32_t partition, int64_t offset));
