/* archive.h - messages as rows: what a person can read, and the record itself, small.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The raw record is one frame of zstd. Records of a type are much alike and short, so that a
 * dictionary for each type halves them (docs/database.md has the figures). It is trained here, on
 * the first records of a type, and kept in chatmill.message_dictionary for whoever reads. A
 * dictionary must hold nothing that people wrote, because nobody could erase it there: samples
 * have all values of strings and numbers blanked, what is left are names of fields.
 *
 * Thread: an archive belongs to one store.
 */
#pragma once

#include "base/arena.h"
#include "base/zstd.h"
#include "store/column.h"
#include "store/store.h"

struct archive;

MUST_CHECK int archive_new(struct archive **out, struct err *err);
void archive_free(struct archive *a); /* NULL is fine */
DEFINE_OWNED(archive);

/* Reads all dictionaries of the database that are new to us. */
MUST_CHECK int archive_open(struct archive *a, struct pg *pg, struct pg_fault *fault);

/* Takes the messages of a batch as samples; a type that has enough gets its dictionary, in a
 * statement of its own. Cheap once all types have one. */
MUST_CHECK int archive_learn(struct archive *a, const struct store_item *items, size_t count,
			     struct pg *pg, struct pg_fault *fault);

/* The record compressed, in `out` (cleared first); returns the number of the dictionary, 0: none. */
int32_t archive_pack(struct archive *a, const struct store_item *item, struct buf *out);
/* The record again, appended to `out`. */
MUST_CHECK int archive_unpack(struct archive *a, struct str raw, int32_t dictionary,
			      struct buf *out, struct err *err);

/* What a message row says beside the record. Texts live in `arena`. */
struct str archive_conversation(const struct message *m, struct arena *arena);
struct str archive_text(const struct message *m, struct arena *arena);

