/* number.h - numbers of packed forms: LEB128 varints, 7 bits a byte, low first; times as distances.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Pure. Thread: any.
 */
#pragma once

#include "base/str.h"

enum { NUMBER_BYTES_MAX = 10 };

/* Writes at `p`, where there is room; returns the end. */
static inline char *number_put(char *p, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		*p++ = (char)(n | 0x80);
	*p++ = (char)n;
	return p;
}

/* Takes a number off the front of `in`; false if none stands there. */
static inline bool number_get(struct str *in, uint64_t *n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < in->len && i < NUMBER_BYTES_MAX; i++) {
		unsigned char byte = (unsigned char)in->data[i];
		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte < 0x80) {
			*in = (struct str){in->data + i + 1, in->len - i - 1};
			*n = value;
			return true;
		}
	}
	return false;
}

/* A time as its distance from another, zigzagged, and back. It wraps around without harm. */
static inline uint64_t number_distance(int64_t ms, int64_t from_ms)
{
	int64_t d = (int64_t)((uint64_t)ms - (uint64_t)from_ms);

	return (uint64_t)d << 1 ^ (uint64_t)(d >> 63);
}

static inline int64_t number_time(uint64_t distance, int64_t from_ms)
{
	return (int64_t)((distance >> 1 ^ -(distance & 1)) + (uint64_t)from_ms);
}

/* 8 bytes, little endian. */
static inline void number_put_64(char *p, uint64_t n)
{
	for (int k = 0; k < 8; k++)
		p[k] = (char)(n >> (8 * k));
}

static inline uint64_t number_get_64(const char *p)
{
	uint64_t n = 0;

	for (int k = 0; k < 8; k++)
		n |= (uint64_t)(unsigned char)p[k] << (8 * k);
	return n;
}
