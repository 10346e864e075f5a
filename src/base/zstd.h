/* zstd.h - the one door to libzstd: whole buffers, and a stream that is read.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Decompression is bounded by the caller: a small frame may stand for gigabytes. Thread: any; a
 * stream belongs to one thread.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* Appends `data` as one frame with checksum to `out`. */
void zstd_compress(struct buf *out, struct str data, int level);

/* Appends the content of all frames in `data` to `out`; more than `bytes_max` is ERR_DATA. */
MUST_CHECK int zstd_decompress(struct buf *out, struct str data, size_t bytes_max, struct err *err);

/* Whether `data`, of four bytes or more, begins like a zstd frame (RFC 8878 section 3.1). */
enum { ZSTD_LOOK_BYTES = 4 };
bool zstd_is_frame(struct str data);

/* A stream of frames, decompressed piece by piece. */
struct zstd_reader;
MUST_CHECK int zstd_reader_new(struct zstd_reader **out, struct err *err);
void zstd_reader_free(struct zstd_reader *z); /* NULL is fine */
DEFINE_OWNED(zstd_reader);
/* Takes from *in (moves it forward) and writes at most `room` bytes to `out`; returns how many,
 * or -1 for data that is no zstd, once everything before it was given out; so does each later call.
 * 0 with *in empty asks for more input. */
MUST_CHECK int64_t zstd_read(struct zstd_reader *z, struct str *in, char *out, size_t room,
			     struct err *err);
/* True between two frames: where input may end without being cut. */
bool zstd_reader_at_end(const struct zstd_reader *z);

/* A dictionary makes small texts of one kind smaller (RFC 8878 section 5). It owns working memory
 * for both ways: it belongs to one thread. `bytes` may go after the call. */
struct zstd_dictionary;
MUST_CHECK int zstd_dictionary_new(struct zstd_dictionary **out, struct str bytes, int level,
				   struct err *err);
void zstd_dictionary_free(struct zstd_dictionary *d); /* NULL is fine */
DEFINE_OWNED(zstd_dictionary);
/* As zstd_compress() and zstd_decompress() of one frame. Allocate nothing once `out` is warm. */
void zstd_dictionary_compress(struct zstd_dictionary *d, struct buf *out, struct str data);
MUST_CHECK int zstd_dictionary_decompress(struct zstd_dictionary *d, struct buf *out,
					  struct str data, size_t bytes_max, struct err *err);
/* Makes a dictionary of at most `bytes_max` bytes from samples that stand one behind the other.
 * Returns false when there is nothing to learn from them. */
bool zstd_train(struct buf *out, size_t bytes_max, struct str samples, const size_t *sizes,
		unsigned count);

/* Version of the linked zstd. Static. */
const char *zstd_library_version(void);
