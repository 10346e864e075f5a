/* zstd.c - frames of libzstd. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/zstd.h"

#include "base/heap.h"

#include <zdict.h>
#include <zstd.h>
#include <zstd_errors.h>

void zstd_compress(struct buf *out, struct str data, int level)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();
	size_t room = ZSTD_compressBound(data.len);
	char *at = buf_room(out, room);

	if (!context)
		heap_none(room);
	ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	size_t size = ZSTD_compress2(context, at, room, data.data, data.len);
	ZSTD_freeCCtx(context);
	assert(!ZSTD_isError(size)); /* with compressBound() of room it cannot fail */
	out->len += size;
}

int zstd_decompress(struct buf *out, struct str data, size_t bytes_max, struct err *err)
{
	struct zstd_reader *z = NULL;
	size_t before = out->len;
	int64_t got;

	if (zstd_reader_new(&z, err) < 0)
		return -1;
	while ((got = zstd_read(z, &data, buf_room(out, 65536), 65536, err)) > 0 || data.len) {
		if (got < 0)
			break;
		out->len += (size_t)got;
		if (out->len - before > bytes_max) {
			got = err_set(err, ERR_DATA, "compressed data holds more than %zu bytes",
				      bytes_max);
			break;
		}
	}
	if (got == 0 && !zstd_reader_at_end(z))
		got = err_set(err, ERR_DATA, "compressed data is cut");
	zstd_reader_free(z);
	return got < 0 ? -1 : 0;
}

bool zstd_is_frame(struct str data)
{
	/* A skippable frame (section 3.1.2) comes first in what pzstd writes. */
	return str_starts(data, STR("\x28\xb5\x2f\xfd")) ||
	       (data.len >= 4 && (data.data[0] & 0xf0) == 0x50 && memcmp(data.data + 1, "\x2a\x4d\x18", 3) == 0);
}

struct zstd_reader {
	ZSTD_DStream *stream;
	size_t want;   /* bytes that the stream asks for next */
	size_t failed; /* what it said when it broke; 0 before */
	bool at_end;
};

/* The beginning of a frame, from which it knows how much more it wants (RFC 8878 section 3.1.1). */
enum { FRAME_START = 5, BLOCK_HEADER = 3 };

int zstd_reader_new(struct zstd_reader **out, struct err *err)
{
	OWNED(zstd_reader) *z = calloc(1, sizeof *z);

	if (!z || !(z->stream = ZSTD_createDStream()))
		return err_set(err, ERR_OS, "zstd: out of memory");
	z->at_end = true;
	z->want = FRAME_START;
	*out = TAKE(z);
	return 0;
}

void zstd_reader_free(struct zstd_reader *z)
{
	if (!z)
		return;
	ZSTD_freeDStream(z->stream);
	free(z);
}

static int64_t say_broken(size_t code, struct err *err)
{
	switch (ZSTD_getErrorCode(code)) {
	case ZSTD_error_prefix_unknown:
		return err_set(err, ERR_DATA, "what comes next is no zstd");
	case ZSTD_error_memory_allocation:
		return err_set(err, ERR_OS, "zstd: out of memory");
	case ZSTD_error_frameParameter_windowTooLarge:
	case ZSTD_error_checksum_wrong:
		return err_set(err, ERR_DATA, "the compressed data cannot be used: %s", ZSTD_getErrorName(code));
	default: /* what a broken byte made it stumble over is no help to anybody */
		return err_set(err, ERR_DATA, "the compressed data is broken");
	}
}

/* A call that fails does not say what it has written before: the stream gets its input block by block,
 * as it asks for it (and for the header of the next block, which is left to the next call). */
int64_t zstd_read(struct zstd_reader *z, struct str *in, char *out, size_t room, struct err *err)
{
	ZSTD_inBuffer input = {in->data, 0, 0};
	ZSTD_outBuffer output = {out, room, 0};

	if (z->failed)
		return say_broken(z->failed, err);
	do {
		size_t before = input.pos + output.pos;
		size_t piece = z->want > BLOCK_HEADER ? z->want - BLOCK_HEADER : z->want;
		input.size = MIN(input.pos + piece, in->len);
		size_t hint = ZSTD_decompressStream(z->stream, &output, &input);
		if (ZSTD_isError(hint)) {
			z->failed = hint;
			z->at_end = false;
			*in = str_from(*in, input.pos);
			return output.pos ? (int64_t)output.pos : say_broken(hint, err);
		}
		z->want = hint ? hint : FRAME_START;
		/* Called with nothing to do after a frame it asks for the next one's header. */
		if (input.pos + output.pos > before)
			z->at_end = hint == 0;
	} while (input.pos < in->len && output.pos < output.size);
	*in = str_from(*in, input.pos);
	return (int64_t)output.pos;
}

bool zstd_reader_at_end(const struct zstd_reader *z)
{
	return z->at_end;
}

struct zstd_dictionary {
	ZSTD_CCtx *compressor;
	ZSTD_DCtx *decompressor;
};

int zstd_dictionary_new(struct zstd_dictionary **out, struct str bytes, int level, struct err *err)
{
	OWNED(zstd_dictionary) *d = calloc(1, sizeof *d);

	if (!d || !(d->compressor = ZSTD_createCCtx()) || !(d->decompressor = ZSTD_createDCtx()))
		return err_set(err, ERR_OS, "zstd: out of memory");
	ZSTD_CCtx_setParameter(d->compressor, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(d->compressor, ZSTD_c_checksumFlag, 1);
	if (ZSTD_isError(ZSTD_CCtx_loadDictionary(d->compressor, bytes.data, bytes.len)) ||
	    ZSTD_isError(ZSTD_DCtx_loadDictionary(d->decompressor, bytes.data, bytes.len)))
		return err_set(err, ERR_DATA, "zstd: bytes that are no dictionary");
	*out = TAKE(d);
	return 0;
}

void zstd_dictionary_free(struct zstd_dictionary *d)
{
	if (!d)
		return;
	ZSTD_freeCCtx(d->compressor);
	ZSTD_freeDCtx(d->decompressor);
	free(d);
}

void zstd_dictionary_compress(struct zstd_dictionary *d, struct buf *out, struct str data)
{
	size_t room = ZSTD_compressBound(data.len);
	char *at = buf_room(out, room);
	size_t size = ZSTD_compress2(d->compressor, at, room, data.data, data.len);

	assert(!ZSTD_isError(size)); /* with compressBound() of room it cannot fail */
	out->len += size;
}

int zstd_dictionary_decompress(struct zstd_dictionary *d, struct buf *out, struct str data,
			       size_t bytes_max, struct err *err)
{
	unsigned long long size = ZSTD_getFrameContentSize(data.data, data.len);

	if (size > bytes_max) /* unknown and wrong sizes are greater than any */
		return err_set(err, ERR_DATA, "zstd: a frame of more than %zu bytes, or none", bytes_max);
	char *at = buf_room(out, (size_t)size + 1);
	size_t got = ZSTD_decompressDCtx(d->decompressor, at, (size_t)size, data.data, data.len);
	if (ZSTD_isError(got))
		return err_set(err, ERR_DATA, "zstd: %s", ZSTD_getErrorName(got));
	out->len += got;
	return 0;
}

bool zstd_train(struct buf *out, size_t bytes_max, struct str samples, const size_t *sizes,
		unsigned count)
{
	char *at = buf_room(out, bytes_max);
	size_t size = ZDICT_trainFromBuffer(at, bytes_max, samples.data, sizes, count);

	if (ZDICT_isError(size))
		return false;
	out->len += size;
	return true;
}

const char *zstd_library_version(void)
{
	return ZSTD_versionString();
}
