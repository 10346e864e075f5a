/* str.h - a borrowed piece of text: pointer and length, not NUL-terminated.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A struct str never owns its bytes; whoever hands it out says until when they live. {NULL, 0}
 * is the empty text.
 *
 * Pure. Thread: any.
 */
#pragma once

#include <string.h>

#include "base/base.h"

struct str {
	const char *data;
	size_t len;
};

#define STR(literal) ((struct str){literal, sizeof(literal) - 1})
#define STR_ARG(s) (int)(s).len, (s).data /* for "%.*s" */

static inline struct str str_of(const char *text)
{
	return text ? (struct str){text, strlen(text)} : (struct str){0};
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Order of the bytes; a shorter text that begins the longer one comes first. */
static inline int str_cmp(struct str a, struct str b)
{
	size_t len = MIN(a.len, b.len);
	int order = len ? memcmp(a.data, b.data, len) : 0;
	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

static inline bool str_ends(struct str s, struct str suffix)
{
	return s.len >= suffix.len &&
	       (suffix.len == 0 || memcmp(s.data + s.len - suffix.len, suffix.data, suffix.len) == 0);
}

static inline struct str str_from(struct str s, size_t start)
{
	return start >= s.len ? (struct str){0} : (struct str){s.data + start, s.len - start};
}

/* Takes the next line off `rest`, without its end: \n, \r\n, or \r as spreadsheets on a Macintosh write. */
struct str str_line(struct str *rest);

/* The unsigned decimal number that is all of `s`. Returns false for anything else. */
bool str_to_u64(struct str s, uint64_t *out);
/* The decimal number, with an optional minus, that is all of `s`. */
bool str_to_i64(struct str s, int64_t *out);

/* RFC 3339 in UTC, with three decimals of a second or none, as ms since 1970. */
bool str_to_time(struct str s, int64_t *out_ms);

/* Of `names`, the one nearest to `name` by edit distance (case does not count), or NULL if none
 * is near enough to be worth naming. For «unknown key; did you mean …». */
const char *str_nearest(struct str name, const char *const *names, size_t count);
