/* buf.h - a growing buffer of bytes that is reused, and JSON written into it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Memory is kept over buf_clear(), so that a warm buffer allocates nothing. Running out of
 * memory ends the program, as in arena.h. Thread: a buffer belongs to one worker.
 */
#pragma once

#include "base/str.h"

struct buf {
	char *data;
	size_t len, cap;
};

void buf_fini(struct buf *b); /* a zeroed buffer is ready for use */
void buf_grow(struct buf *b, size_t more);

static inline void buf_clear(struct buf *b)
{
	b->len = 0;
}

/* Makes room for `more` bytes and returns where they go; the caller adds to len. */
static inline char *buf_room(struct buf *b, size_t more)
{
	if (UNLIKELY(b->cap - b->len < more))
		buf_grow(b, more);
	return b->data + b->len;
}

static inline void buf_put(struct buf *b, struct str s)
{
	if (s.len == 0)
		return;
	memcpy(buf_room(b, s.len), s.data, s.len);
	b->len += s.len;
}

static inline void buf_putc(struct buf *b, char c)
{
	*buf_room(b, 1) = c;
	b->len++;
}

static inline struct str buf_str(const struct buf *b)
{
	return (struct str){b->data, b->len};
}

void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- to a place with room: DIGITS_ROOM, JSON_ROOM(s.len). They return where they ended. ---- */
enum { DIGITS_ROOM = 20 };
/* The longest escape is six bytes (\u001f); two quotation marks; words of 16 bytes are written. */
#define JSON_ROOM(len) ((len) * 6 + 2 + 16)
char *digits_put(char *out, uint64_t value);
/* `s`, valid UTF-8, with JSON's escapes; UTF-8 is kept as it is. */
char *json_escape(char *out, struct str s);
/* The same as "…". */
static inline char *json_put(char *out, struct str s)
{
	*out++ = '"';
	out = json_escape(out, s);
	*out++ = '"';
	return out;
}

/* ---- to a buffer ---- */
static inline void buf_put_u64(struct buf *b, uint64_t value)
{
	b->len = (size_t)(digits_put(buf_room(b, DIGITS_ROOM), value) - b->data);
}
void buf_put_i64(struct buf *b, int64_t value);
/* `value` with leading zeros up to `width` digits. */
void buf_put_u64_padded(struct buf *b, uint64_t value, int width);
static inline void buf_put_json(struct buf *b, struct str s)
{
	b->len = (size_t)(json_put(buf_room(b, JSON_ROOM(s.len)), s) - b->data);
}
/* The same of bytes from outside (names of files): each that is no UTF-8 becomes U+FFFD. */
void buf_put_json_mended(struct buf *b, struct str s);
/* Milliseconds since 1970 as RFC 3339 in UTC with three decimals: 2023-11-14T22:13:20.123Z. */
void buf_put_time(struct buf *b, int64_t ms);
/* Base64 with padding (RFC 4648). */
void buf_put_base64(struct buf *b, struct str s);
/* Appends the bytes that base64 text (with padding) stands for; false, and nothing appended, if it
 * is none. */
bool buf_put_unbase64(struct buf *b, struct str text);
