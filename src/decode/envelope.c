/* envelope.c - tells the shapes of records apart. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/envelope.h"

static enum envelope_kind refuse(struct decoder *d, enum decode_result why)
{
	decoder_fail(d, why);
	return ENVELOPE_REFUSED;
}

static bool has(const struct object *o, enum key key)
{
	return o->fields.present & (uint64_t)1 << key;
}

/* The string of `key` without an error if it is none; empty then. */
static struct str peek_str(const struct object *o, enum key key)
{
	if (!has(o, key) || json_kind(&o->json, o->fields.node[key]) != '"')
		return (struct str){0};
	return json_str(&o->json, o->fields.node[key]);
}

/* A plaintext, as an object or as JSON in a string. */
static enum envelope_kind open_at(struct decoder *d, const struct object *outer, uint32_t node,
                                  struct object *message)
{
	if (json_kind(&outer->json, node) == '{') {
		message->json = outer->json;
		message->node = node;
	} else {
		struct str text = value_str(d, &outer->json, node);
		if (d->failed != DECODE_DONE)
			return ENVELOPE_REFUSED;
		switch (decoder_parse(d, text, &message->json)) {
		case JSON_OK:
			break;
		case JSON_TOO_DEEP:
			return refuse(d, DECODE_TOO_DEEP);
		case JSON_BAD:
		case JSON_BAD_UTF8:
			return refuse(d, DECODE_BAD_JSON);
		}
		message->node = 0;
		if (json_kind(&message->json, 0) != '{')
			return refuse(d, DECODE_BAD_JSON);
	}
	fields_read(d->keys, &message->json, message->node, FIELDS_INNER, &message->fields);
	return ENVELOPE_MESSAGE;
}

/* True for E6, 微盛's push. Its `type` may be a number or a string. */
static bool is_push(struct decoder *d, const struct object *o)
{
	if (has(o, KEY_MSGTYPE) || !has(o, KEY_CONTENT) ||
	    json_kind(&o->json, o->fields.node[KEY_CONTENT]) != '"')
		return false;
	uint32_t type = object_node(d, o, KEY_TYPE);
	if (!type)
		return false;
	char kind = json_kind(&o->json, type);
	struct str text = kind == '"'                  ? json_str(&o->json, type)
	                  : kind >= '0' && kind <= '9' ? json_number(&o->json, type)
	                                               : (struct str){0};
	return str_eq(text, STR("101"));
}

/* An error may be a sentence, a number or true; what says «none» is no failure. */
static bool says_failure(struct decoder *d, const struct object *o)
{
	uint32_t node = object_node(d, o, KEY_DECRYPT_ERROR);
	if (!node)
		return false;
	struct str error = json_source(&o->json, node);
	return !str_eq(error, STR("\"\"")) && !str_eq(error, STR("0")) &&
	       !str_eq(error, STR("false"));
}

static enum envelope_kind open_own(struct decoder *d, const struct object *outer)
{
	if (has(outer, KEY_CLOCK))
		return ENVELOPE_CLOCK;
	if (has(outer, KEY_CONTROL))
		return ENVELOPE_CONTROL;
	if (has(outer, KEY_RULESET))
		return ENVELOPE_RULES;
	return refuse(d, has(outer, KEY_MSGID) ? DECODE_NO_SENDER : DECODE_NO_MSGID);
}

enum envelope_kind envelope_open(struct decoder *d, const struct object *outer,
                                 struct object *message)
{
	static const enum key plaintexts[] = {KEY_MESSAGE, KEY_DECRYPTED};

	if (has(outer, KEY_CHATDATA) &&
	    json_kind(&outer->json, outer->fields.node[KEY_CHATDATA]) == '[')
		return refuse(d, DECODE_BATCH);
	if (says_failure(d, outer))
		return refuse(d, DECODE_DECRYPT_FAILED);

	for (size_t i = 0; i < ARRAY_LEN(plaintexts); i++) {
		uint32_t node = object_node(d, outer, plaintexts[i]);
		if (!node)
			continue;
		/* An empty string beside the encrypted one: decrypting gave nothing. */
		if (json_kind(&outer->json, node) == '"' && json_raw(&outer->json, node).len == 0)
			return refuse(d, DECODE_DECRYPT_FAILED);
		return open_at(d, outer, node, message);
	}
	if (is_push(d, outer))
		return open_at(d, outer, object_node(d, outer, KEY_CONTENT), message);
	if (has(outer, KEY_MSGTYPE) || has(outer, KEY_ACTION) || has(outer, KEY_FROM)) {
		*message = *outer;
		return ENVELOPE_MESSAGE;
	}
	if (peek_str(outer, KEY_ENCRYPTED).len)
		return refuse(d, DECODE_ENCRYPTED);
	return open_own(d, outer);
}
