/* codec.c - numbers, texts, and the head of a value: version and checksum. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/codec.h"

#include "base/hash.h"
#include "state/number.h"

static uint64_t checksum(struct str key, struct str body)
{
	/* An odd factor, so that a value under another key is found out. */
	return hash_64(body) + hash_64(key) * 0x9e3779b97f4a7c15u;
}

/* ---- numbers and texts ---- */

void codec_put_number(struct buf *out, uint64_t n)
{
	char *p = buf_room(out, NUMBER_BYTES_MAX);

	out->len += (size_t)(number_put(p, n) - p);
}

void codec_put_text(struct buf *out, struct str text)
{
	codec_put_number(out, text.len);
	buf_put(out, text);
}

bool codec_get_number(struct str *in, uint64_t *n)
{
	return number_get(in, n);
}

bool codec_get_text(struct str *in, struct str *text)
{
	uint64_t len;

	if (!codec_get_number(in, &len) || len > in->len)
		return false;
	*text = (struct str){in->data, (size_t)len};
	*in = str_from(*in, (size_t)len);
	return true;
}

/* ---- values ---- */

void codec_put_value(struct buf *out, struct str key, struct str body)
{
	uint64_t sum = checksum(key, body);

	buf_putc(out, CODEC_VERSION);
	number_put_64(buf_room(out, 8), sum);
	out->len += 8;
	buf_put(out, body);
}

enum codec_result codec_open(struct str key, struct str value, struct str *body)
{
	if (value.len && (unsigned char)value.data[0] != CODEC_VERSION)
		return CODEC_UNKNOWN_VERSION;
	if (value.len < CODEC_HEAD_BYTES)
		return CODEC_BAD_CHECKSUM;
	struct str rest = str_from(value, CODEC_HEAD_BYTES);
	if (number_get_64(value.data + 1) != checksum(key, rest))
		return CODEC_BAD_CHECKSUM;
	*body = rest;
	return CODEC_DONE;
}
