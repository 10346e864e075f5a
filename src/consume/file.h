/* file.h - records of an NDJSON file or of standard input, plain or zstd, block by block.
 * SPDX-License-Identifier: Apache-2.0
 *
 *	while ((got = file_source_fill(f, err)) > 0)
 *		while (file_source_next(f, &record))
 *			use the record; its bytes live until the next fill
 *
 * A line is a record; blank lines are none. One that is longer than any record may be
 * (RECORD_BYTES_LIMIT) is handed out cut, one byte too long, and the rest of it is passed over. Each
 * record is readable RECORD_PADDING bytes past its end. Thread: a source belongs to one thread.
 */
#pragma once

#include "base/err.h"
#include "model.h"

struct file_source;

/* Opens `path`, or standard input for "-". */
MUST_CHECK int file_source_open(struct file_source **out, const char *path, struct err *err);
void file_source_free(struct file_source *f); /* NULL is fine */
DEFINE_OWNED(file_source);

/* Whether all of them can be opened: told before the first is used, not when its turn comes. */
MUST_CHECK int file_sources_check(const char *const *paths, int count, struct err *err);

/* Reads on. 1: there are records; 0: the end; -1: cannot be read, or the compressed data is cut
 * or broken (ERR_DATA; all records before that place were handed out). */
MUST_CHECK int file_source_fill(struct file_source *f, struct err *err);

/* Whether a pipe has nothing to read just now: what was read may be worked off before the next fill. */
bool file_source_waits(const struct file_source *f);

/* The next record of the block: value, offset = line number from 1, partition -1. time_ms is 1
 * and inherited; the caller puts there what it knows of the line before. */
bool file_source_next(struct file_source *f, struct record *out);

/* Gives the block whose records were cut out away, so that they live on in it, and takes other memory
 * for the next: *block, of *bytes, becomes that block, to be handed in again some time or freed.
 * NULL, 0: none to give. Records of the block that were not cut yet come next all the same. */
void file_source_swap(struct file_source *f, char **block, size_t *bytes);

const char *file_source_name(const struct file_source *f); /* "-" for standard input */
/* Bytes read of the file and its size, for a progress line; size 0: not known. */
void file_source_progress(const struct file_source *f, uint64_t *done, uint64_t *size);
