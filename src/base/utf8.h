/* utf8.h - code points in valid UTF-8 (RFC 3629).
 * SPDX-License-Identifier: Apache-2.0
 *
 * Everything behind decode is valid UTF-8, so these do not check it again; utf8_valid() is for
 * the borders that decode does not guard (rules, options).
 *
 * Pure. Thread: any.
 */
#pragma once

#include "base/str.h"

/* Bytes of the character whose first byte is `first`. */
static inline unsigned utf8_len(unsigned char first)
{
	return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* The code point at `p`. */
static inline uint32_t utf8_get(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;
	if (u[0] < 0x80)
		return u[0];
	if (u[0] < 0xe0)
		return (uint32_t)(u[0] & 0x1f) << 6 | (u[1] & 0x3f);
	if (u[0] < 0xf0)
		return (uint32_t)(u[0] & 0x0f) << 12 | (uint32_t)(u[1] & 0x3f) << 6 | (u[2] & 0x3f);
	return (uint32_t)(u[0] & 7) << 18 | (uint32_t)(u[1] & 0x3f) << 12 |
	       (uint32_t)(u[2] & 0x3f) << 6 | (u[3] & 0x3f);
}

/* Writes `code` (a valid scalar value) to `out` (4 bytes of room); returns its length. */
static inline unsigned utf8_put(char *out, uint32_t code)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

/* Code points in `s`: the bytes that do not continue a character. */
static inline size_t utf8_count(struct str s)
{
	size_t count = 0, i = 0;
	for (; i + 8 <= s.len; i += 8) { /* eight at a time: bit 7 set and bit 6 not */
		uint64_t v;
		memcpy(&v, s.data + i, sizeof v);
		uint64_t continuing = v >> 7 & ~v >> 6 & UINT64_C(0x0101010101010101);
		count += 8 - (size_t)(continuing * UINT64_C(0x0101010101010101) >> 56);
	}
	for (; i < s.len; i++)
		count += ((unsigned char)s.data[i] & 0xc0) != 0x80;
	return count;
}

/* The first whole characters of valid text, at most `max` bytes. */
static inline struct str utf8_head(struct str s, size_t max)
{
	if (s.len <= max)
		return s;
	while (max > 0 && ((unsigned char)s.data[max] & 0xc0) == 0x80)
		max--;
	return (struct str){s.data, max};
}

bool utf8_valid(struct str s);
/* Bytes of `s` before the first that is no UTF-8; all of them if there is none. */
size_t utf8_valid_len(struct str s);
