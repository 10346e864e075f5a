/* against_jansson.c - compares decode with jansson. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "against_jansson.h"

#include <jansson.h>

/* Valid JSON that jansson cannot hold. */
static bool no_opinion(const json_error_t *error)
{
	enum json_error_code code = json_error_code(error);
	return code == json_error_numeric_overflow || code == json_error_null_character ||
	       code == json_error_null_byte_in_key || strstr(error->text, "invalid Unicode '\\u") ||
	       strstr(error->text, "too big") || strstr(error->text, "NUL byte in object key");
}

static bool same(json_t *value, struct str s)
{
	if (!json_is_string(value))
		return s.len == 0; /* absent or null */
	return json_string_length(value) == s.len &&
	       (s.len == 0 || memcmp(json_string_value(value), s.data, s.len) == 0);
}

static json_t *first(json_t *object, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		json_t *value = json_object_get(object, names[i]);
		if (value && !json_is_null(value))
			return value;
	}
	return NULL;
}
#define FIRST(object, ...)                                                                         \
	first(object, (const char *const[]){__VA_ARGS__},                                          \
	      sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static bool same_list(json_t *list, const struct message *m)
{
	size_t n = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *id = json_array_get(list, i);
		if (!json_is_string(id) || json_string_length(id) == 0)
			continue;
		if (n == m->tolist_count || !same(id, m->tolist[n]))
			return n == TOLIST_MAX;
		n++;
	}
	return n == m->tolist_count;
}

static const char *compare_message(json_t *outer, json_t *inner, const struct message *m)
{
	json_t *corp = FIRST(outer, "corpid", "corp_id", "corpId");
	if (!corp || json_string_length(corp) == 0)
		corp = FIRST(inner, "corpid", "corp_id", "corpId");
	if (corp && json_string_length(corp) && !same(corp, m->corpid))
		return "corpid";
	if (json_string_length(json_object_get(inner, "msgid")) &&
	    !same(json_object_get(inner, "msgid"), m->msgid))
		return "msgid";
	if (m->kind != MESSAGE_AGREE && m->kind != MESSAGE_DISAGREE &&
	    !same(json_object_get(inner, m->kind == MESSAGE_SWITCH ? "user" : "from"), m->from))
		return "from";
	if (!same(json_object_get(inner, "msgtype"), m->msgtype))
		return "msgtype";
	if (m->kind == MESSAGE_SWITCH)
		return NULL;
	if (!same(json_object_get(inner, "roomid"), m->roomid))
		return "roomid";
	json_t *seq = json_object_get(outer, "seq"), *time = json_object_get(inner, "msgtime");
	if (json_is_integer(seq) && (uint64_t)json_integer_value(seq) != m->seq)
		return "seq";
	if (json_is_integer(time) && json_integer_value(time) > 0) {
		json_int_t ms = json_integer_value(time);
		if (m->msgtime_ms != (ms < 100000000000 ? ms * 1000 : ms))
			return "msgtime";
	}
	json_t *list = json_object_get(inner, "tolist");
	if (json_is_array(list) && !same_list(list, m))
		return "tolist";
	if (str_eq(m->msgtype, STR("text")) && m->kind == MESSAGE_CHAT) {
		json_t *body = json_object_get(inner, "text");
		json_t *content = json_object_get(body, "content");
		struct str got = m->text_count ? m->texts[0].content : (struct str){0};
		if (json_is_object(body) && !same(content, got))
			return "text.content";
	}
	return NULL;
}

/* Strings that hold a document of their own, which may be broken by itself. */
static bool has_inner(json_t *doc)
{
	return json_is_string(FIRST(doc, "message")) || json_is_string(FIRST(doc, "msg")) ||
	       json_is_string(FIRST(doc, "decrypted_data")) ||
	       json_is_string(FIRST(doc, "decrypted")) || json_is_string(FIRST(doc, "content"));
}

static const char *compare(json_t *doc, enum decode_result result, const struct message *m)
{
	if (result == DECODE_BAD_UTF8)
		return "bad_utf8, but jansson reads it";
	if (result == DECODE_BAD_JSON)
		return !json_is_object(doc) || has_inner(doc) ? NULL
							      : "bad_json, but jansson reads it";
	if (result == DECODE_NULL)
		return json_is_null(doc) ? NULL : "null, but jansson reads something";
	if (result != DECODE_DONE)
		return NULL;
	if (!json_is_object(doc))
		return "done, but it is no object";
	if (m->kind == MESSAGE_CLOCK || m->kind == MESSAGE_CONTROL || m->kind == MESSAGE_RULES)
		return NULL;
	json_t *inner = FIRST(doc, "message", "msg");
	if (!inner)
		inner = FIRST(doc, "decrypted_data", "decrypted");
	if (!inner && json_object_get(doc, "content") && !json_object_get(doc, "msgtype"))
		return NULL; /* E6: inside a string */
	if (inner && !json_is_object(inner))
		return NULL;
	return compare_message(doc, inner ? inner : doc, m);
}

const char *against_jansson(struct str value, enum decode_result result, const struct message *m)
{
	json_error_t error = {0};

	if (str_starts(value, STR("\xef\xbb\xbf")))
		value = str_from(value, 3);
	/* Its stream ends pieces with NUL and so passes over one that stands behind a number. */
	if (value.len && memchr(value.data, '\0', value.len))
		return NULL;
	if (result == DECODE_TOO_DEEP || result == DECODE_TOO_BIG || value.len == 0)
		return NULL;
	json_t *doc = json_loadb(value.data, value.len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
	if (doc) {
		const char *difference = compare(doc, result, m);
		json_decref(doc);
		return difference;
	}
	bool refused = result == DECODE_BAD_JSON || result == DECODE_BAD_UTF8;
	return refused || no_opinion(&error) ? NULL : "jansson refuses it";
}
