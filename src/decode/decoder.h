/* decoder.h - the working memory of decode, and how a field is read: inside of decode/ only.
 * SPDX-License-Identifier: Apache-2.0
 *
 * While a record is read, the first thing that is wrong with it stays in `failed`; readers then
 * return something harmless and the record ends as a dead letter. So the walk has no error paths.
 *
 * Thread: as decode.h.
 */
#pragma once

#include "base/buf.h"
#include "decode/decode.h"
#include "decode/json.h"
#include "decode/keys.h"

/* A path longer than this is cut in evidence (not the search): 8 forwarded records need 200. */
enum { PATH_BYTES_MAX = 512 };

/* Times beyond these are refused: a clock in ms * 10^6 is a `sequence`, which PostgreSQL's bigint
 * holds until 2262, RFC 3339 in four digits of a year a msgtime until 9999. */
#define CLOCK_MS_MAX INT64_C(9214646400000)
#define MSGTIME_MS_MAX INT64_C(253402300799999)

struct decoder {
	struct str corpid;
	size_t record_bytes_max;
	struct json_parser *parser;
	struct key_table *keys;

	/* The record at hand. */
	const struct directory *directory;
	const struct record *record;
	struct arena *arena;
	struct message *out;
	enum decode_result failed; /* DECODE_DONE as long as nothing is wrong */
	unsigned surrogates;
	unsigned level;  /* of JSON inside strings of JSON */
	unsigned nested; /* chatrecords around the current text */

	/* Texts and their parts while they are collected; they move to the arena when counted. */
	struct text *texts;
	size_t text_count, text_cap;
	struct buf path, spans;
	struct str cut_path; /* the copy of a path that was cut; data NULL: none */
	bool only_closing;
};

/* A document and the members of its object: an envelope, a message, a control record. */
struct object {
	struct json json;
	uint32_t node;
	struct fields fields;
};

void decoder_fail(struct decoder *d, enum decode_result why);

/* Makes *out ready to walk; the string or record `text` is readable RECORD_PADDING past its end. */
enum json_status decoder_parse(struct decoder *d, struct str text, struct json *out);
/* Ends the innermost document that decoder_parse() began with success. */
void decoder_leave(struct decoder *d);

/* The value of `key`, or 0 if absent or null. A key that is there twice fails the record. */
static inline uint32_t object_node(struct decoder *d, const struct object *o, enum key key)
{
	uint64_t bit = (uint64_t)1 << key;
	if (UNLIKELY(o->fields.twice & bit))
		decoder_fail(d, DECODE_BAD_FIELD);
	return o->fields.present & bit ? o->fields.node[key] : 0;
}

/* A string; anything else fails the record. Node 0: empty. */
static inline struct str value_str(struct decoder *d, const struct json *j, uint32_t node)
{
	if (node && LIKELY(json_kind(j, node) == '"'))
		return json_str(j, node);
	if (node)
		decoder_fail(d, DECODE_BAD_FIELD);
	return (struct str){0};
}

/* A string of at most MSGID_BYTES_MAX bytes, none of them NUL, which no column can hold. */
static inline struct str value_id(struct decoder *d, const struct json *j, uint32_t node)
{
	struct str id = value_str(d, j, node);
	bool no_nul = LIKELY(!node || !json_may_escape(j, node)) || id.len == 0 ||
		      !memchr(id.data, '\0', id.len);
	if (LIKELY(id.len <= MSGID_BYTES_MAX && no_nul))
		return id;
	decoder_fail(d, DECODE_BAD_FIELD);
	return (struct str){0};
}

/* A whole number, or a string of one (E6). Node 0: 0. */
uint64_t value_u64(struct decoder *d, const struct json *j, uint32_t node);
int64_t value_i64(struct decoder *d, const struct json *j, uint32_t node);
/* A time in ms; what is less than 10^11 is in seconds (WECOM.md section 4). 0: absent, or 0. */
int64_t value_time_ms(struct decoder *d, const struct json *j, uint32_t node, int64_t max_ms);
bool value_bool(struct decoder *d, const struct json *j, uint32_t node);
/* The strings of an array, in the arena. */
const struct str *value_strs(struct decoder *d, const struct json *j, uint32_t node, size_t *count);
/* The value of `name` in a small object that has no keys of ours; 0 if absent or null. */
uint32_t value_member(struct decoder *d, const struct json *j, uint32_t object, struct str name);
