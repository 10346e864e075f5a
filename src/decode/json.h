/* json.h - reads JSON in place: finds the structure, checks all of it, then walks.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Stage 1 of simdjson finds quotes, brackets, commas, colons and the beginnings of scalars (and
 * checks UTF-8) at several bytes a cycle. What follows is ours, for three reasons: simdjson has
 * no replacing string call for lone surrogates, its on-demand half checks no value that is
 * skipped, and its DOM half copies every string. Here a document is checked whole (grammar,
 * escapes, numbers of any size: RFC 8259), nothing is copied unless it has an escape, and both
 * repeated keys and the order of the input stay visible.
 *
 *	at[]     offsets of the structure, in order: `{ } [ ] , :` and the first byte of each
 *	         string, number or word (true, false, null)
 *	node     an index into at[]; the root is 0, so 0 also means «none» for a member
 *	after[]  for the node of an object or array, the index behind its end; for that of a key,
 *	         the node of the next key, or 0
 *
 *	{"a":[1,2]}      at: { "a" : [ 1 , 2 ] }     node of the array: 3, after[3] = 8
 *
 * Thread: a parser belongs to one worker. Memory grows to the longest document and stays.
 */
#pragma once

#include "base/arena.h"

enum json_status { JSON_OK, JSON_BAD, JSON_BAD_UTF8, JSON_TOO_DEEP };

/* A checked document. Its tables live in the parser, until the next json_parse() of its level;
 * its strings live in the text and in the arena. */
struct json {
	const char *data;
	const uint32_t *at, *after;
	uint32_t count;       /* of the structure; at[count] is the length of the text */
	/* All backslashes stand in [escape_first, escape_last]; UINT32_MAX and 0: there is none. */
	uint32_t escape_first, escape_last;
	struct arena *arena;  /* for strings that had escapes */
	unsigned *surrogates; /* incremented for each lone one that became U+FFFD */
};

struct json_parser;

struct json_parser *json_parser_new(void);    /* NULL: out of memory */
void json_parser_free(struct json_parser *p); /* NULL is fine */

/* JSON inside strings of JSON: each level keeps tables of its own while those around it are in
 * use. A quote inside n strings takes 2^n bytes, so 1 MiB cannot hold more levels than these. */
enum { JSON_LEVEL_MAX = 24 };

/* Checks `text` whole and makes *out ready to walk. `text` is readable RECORD_PADDING bytes past
 * its end (simdjson reads so far) and must stay as long as *out is used. A byte order mark at its
 * beginning is passed over. *out is written only with JSON_OK; its arena and surrogates are the
 * caller's to set. Containers may nest `depth_max` (at most 64) deep. */
enum json_status json_parse(struct json_parser *p, unsigned level, struct str text,
                            unsigned depth_max, struct json *out);

/* The first byte of a value tells what it is: { [ " t f n, else a number. */
static inline char json_kind(const struct json *j, uint32_t node)
{
	return j->data[j->at[node]];
}

/* The node behind the value `node`: a comma or what closes the container. */
static inline uint32_t json_behind(const struct json *j, uint32_t node)
{
	char kind = json_kind(j, node);
	return kind == '{' || kind == '[' ? j->after[node] : node + 1;
}

/* First and next element of an array, or key of an object; 0 when there is none. The value of a
 * key is at key + 2. */
static inline uint32_t json_first(const struct json *j, uint32_t container)
{
	return j->after[container] == container + 2 ? 0 : container + 1;
}
static inline uint32_t json_next(const struct json *j, uint32_t element)
{
	uint32_t node = json_behind(j, element);
	return json_kind(j, node) == ',' ? node + 1 : 0;
}
static inline uint32_t json_next_key(const struct json *j, uint32_t key)
{
	return j->after[key];
}

/* What stands between the quotes, escapes and all. */
static inline struct str json_raw(const struct json *j, uint32_t node)
{
	const char *start = j->data + j->at[node] + 1;
	const char *end = j->data + j->at[node + 1] - 1;
	while (*end != '"')
		end--; /* blanks before the next piece of structure */
	return (struct str){start, (size_t)(end - start)};
}

/* Messages have escapes in one field, if at all, so that the others need no look. */
static inline bool json_may_escape(const struct json *j, uint32_t node)
{
	return j->at[node] < j->escape_last && j->at[node + 1] > j->escape_first;
}

/* Readable past its end, like all of a document. Keys and ids are short. */
static inline bool json_has_backslash(struct str raw)
{
	if (raw.len > 32)
		return memchr(raw.data, '\\', raw.len) != NULL;
	for (size_t i = 0; i < raw.len; i += 8) {
		uint64_t v;
		memcpy(&v, raw.data + i, sizeof v);
		if (raw.len - i < 8)
			v &= ((uint64_t)1 << (raw.len - i) * 8) - 1;
		v ^= UINT64_C(0x5c5c5c5c5c5c5c5c);
		/* A byte is zero exactly where the borrow of this reaches its high bit first. */
		if ((v - UINT64_C(0x0101010101010101)) & ~v & UINT64_C(0x8080808080808080))
			return true;
	}
	return false;
}

struct str json_unescape(const struct json *j, struct str raw);

/* The string at `node`, in place if it has no escape, else in the arena with 16 bytes before it
 * and RECORD_PADDING behind. */
static inline struct str json_str(const struct json *j, uint32_t node)
{
	struct str raw = json_raw(j, node);
	if (LIKELY(!json_may_escape(j, node)) || !json_has_backslash(raw))
		return raw;
	return json_unescape(j, raw);
}

/* A number as it is written. */
struct str json_number(const struct json *j, uint32_t node);

/* How many of the eight bytes at `p` are decimal digits before the first that is none. */
static inline unsigned json_digits(const char *p, uint64_t *eight)
{
	/* Little endian, as are all machines that Debian's simdjson has kernels for. */
	uint64_t v;
	memcpy(&v, p, sizeof v);
	*eight = v;
	/* A digit has the high half 3, and still has it with 6 added. What is carried out of a
	 * byte goes to later ones only. */
	uint64_t other = ((v & (v + UINT64_C(0x0606060606060606))) & UINT64_C(0xf0f0f0f0f0f0f0f0)) ^
			 UINT64_C(0x3030303030303030);
	return other ? (unsigned)__builtin_ctzll(other) / 8 : 8;
}

/* The value of the first `count` (1 … 8) digits of `eight`. */
static inline uint64_t json_digits_value(uint64_t eight, unsigned count)
{
	/* Zeros in front; then neighbours are joined: eight digits, four pairs, two fours, one. */
	uint64_t v = eight << (8 - count) * 8;
	v = (v & UINT64_C(0x0f0f0f0f0f0f0f0f)) * 2561 >> 8;
	v = (v & UINT64_C(0x00ff00ff00ff00ff)) * 6553601 >> 16;
	return (v & UINT64_C(0x0000ffff0000ffff)) * UINT64_C(42949672960001) >> 32;
}

/* The whole number at `node` if it has no sign, fraction or exponent and at most 15 digits, as
 * nearly all have; false for any other value. `node` is inside a container, so that a digit is
 * never the last byte. */
static inline bool json_small(const struct json *j, uint32_t node, uint64_t *out)
{
	static const uint32_t power[8] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
	const char *p = j->data + j->at[node];
	uint64_t eight, value;

	unsigned count = json_digits(p, &eight);
	if (count == 0)
		return false;
	value = json_digits_value(eight, count);
	if (count == 8) {
		unsigned more = json_digits(p + 8, &eight);
		if (more == 8)
			return false;
		if (more)
			value = value * power[more] + json_digits_value(eight, more);
		count += more;
	}
	if (p[count] == '.' || (p[count] | 0x20) == 'e')
		return false;
	*out = value;
	return true;
}

/* A value of any kind as it is written. */
struct str json_source(const struct json *j, uint32_t node);
