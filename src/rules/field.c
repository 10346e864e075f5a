/* field.c - checks single values and says what to write instead. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/field.h"

#include <ctype.h>

#include "base/duration.h"
#include "base/utf8.h"

static const char *kind_name(const struct yaml_node *node)
{
	return node->kind == YAML_LIST ? "a list" : node->kind == YAML_MAP ? "a mapping" : "a text";
}

/* White_Space of Unicode, and the mark of byte order. */
static bool is_blank(uint32_t code)
{
	return code == ' ' || (code >= '\t' && code <= '\r') || code == 0x85 || code == 0xa0 ||
	       code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 ||
	       code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000 || code == 0xfeff;
}

struct str field_trim(struct str s)
{
	while (s.len && is_blank(utf8_get(s.data)))
		s = str_from(s, utf8_len((unsigned char)s.data[0]));
	while (s.len) {
		size_t last = s.len - 1;
		while (last && ((unsigned char)s.data[last] & 0xc0) == 0x80)
			last--;
		if (!is_blank(utf8_get(s.data + last)))
			break;
		s.len = last;
	}
	return s;
}

const char *field_hint(const struct scope *s, struct str name, const char *const *names,
		       size_t count)
{
	const char *nearest = str_nearest(name, names, count);
	struct arena *scratch = s->loader->scratch;

	if (nearest)
		return arena_printf(scratch, "; did you mean «%s»?", nearest).data;
	struct str all = STR("");
	for (size_t i = 0; i < count; i++)
		all = arena_printf(scratch, "%.*s%s%s", STR_ARG(all), i ? ", " : "", names[i]);
	return arena_printf(scratch, "; write one of %.*s", STR_ARG(all)).data;
}

const char *field_hint_name(const struct scope *s, struct str name, const struct name_table *names)
{
	struct arena *scratch = s->loader->scratch;
	const char *nearest = name_table_nearest(names, scratch, name);

	return nearest ? arena_printf(scratch, "; did you mean «%s»?", nearest).data : "";
}

bool field_map(const struct scope *s, const struct yaml_node *node, const char *const *names,
	       size_t count, const char *where)
{
	if (node->kind != YAML_MAP) {
		ERROR_AT(s, node, "%s is a mapping (name: value), not %s", where, kind_name(node));
		return false;
	}
	for (size_t i = 0; i < node->count; i++) {
		const struct yaml_node *key = node->pairs[i].key;
		bool known = false;
		for (size_t k = 0; k < count; k++)
			known |= str_eq(key->text, str_of(names[k]));
		if (!known)
			ERROR_AT(s, key, "unknown field «%.*s» in %s%s", STR_ARG(key->text), where,
				 field_hint(s, key->text, names, count));
	}
	return true;
}

bool field_filled(const struct scope *s, const struct yaml_node *node, const char *what)
{
	if (node->kind == YAML_LIST && node->count == 0) {
		ERROR_AT(s, node, "%s is an empty list; leave it out, or write something in it", what);
		return false;
	}
	return true;
}

/* A scalar that is not blank. */
static bool is_text(const struct scope *s, const struct yaml_node *node, const char *what)
{
	if (node->kind != YAML_SCALAR) {
		ERROR_AT(s, node, "%s is a text, not %s; if a text was meant, quote it", what,
			 kind_name(node));
		return false;
	}
	if (!field_trim(node->text).len) {
		ERROR_AT(s, node, "%s is blank; if it begins with #, quote it", what);
		return false;
	}
	return true;
}

static bool holds(struct str text, struct str piece)
{
	return memmem(text.data, text.len, piece.data, piece.len) != NULL;
}

static bool holds_chinese_comma(struct str text)
{
	return holds(text, STR("，")) || holds(text, STR("、"));
}

/* A comma between digits is part of a number: 1,000元. */
static bool holds_plain_comma(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] != ',')
			continue;
		bool digits = i > 0 && i + 1 < text.len && isdigit((unsigned char)text.data[i - 1]) &&
			      isdigit((unsigned char)text.data[i + 1]);
		if (!digits)
			return true;
	}
	return false;
}

bool field_word(const struct scope *s, const struct yaml_node *node, struct word *out)
{
	if (node->kind != YAML_SCALAR) {
		ERROR_AT(s, node,
			 "a word was meant here, but YAML reads %s; if it is a word, quote it",
			 kind_name(node));
		return false;
	}
	if (!is_text(s, node, "a word"))
		return false;
	if (node->text.len > WORD_BYTES_MAX) {
		ERROR_AT(s, node, "a word of %zu bytes; at most 256, write a shorter part of it",
			 node->text.len);
		return false;
	}
	if (!node->quoted && (holds_chinese_comma(node->text) || holds_plain_comma(node->text))) {
		ERROR_AT(s, node,
			 "a comma inside a word; write several words as a list ([a, b]); if the "
			 "comma belongs to the word, quote it");
		return false;
	}
	/* YAML cuts its own blanks off a plain word; others come from a keyboard of Chinese. */
	struct str text = node->quoted ? node->text : field_trim(node->text);
	*out = (struct word){arena_copy(s->loader->arena, text), node->line, node->col};
	return true;
}

bool field_text(const struct scope *s, const struct yaml_node *node, const char *what, size_t max,
		struct str *out)
{
	if (!is_text(s, node, what))
		return false;
	if (node->text.len > max) {
		ERROR_AT(s, node, "%s has %zu bytes; at most %zu", what, node->text.len, max);
		return false;
	}
	*out = arena_copy(s->loader->arena, node->text);
	return true;
}

bool field_id(const struct scope *s, const struct yaml_node *node, const char *what, size_t max,
	      struct str *out)
{
	if (!field_text(s, node, what, max, out))
		return false;
	if (node->quoted || !(holds_chinese_comma(*out) || holds(*out, STR(","))))
		return true;
	ERROR_AT(s, node,
		 "%s: a comma inside a name; write several names as a list ([a, b]); if the comma belongs to "
		 "the name, quote it", what);
	return false;
}

bool field_choice(const struct scope *s, const struct yaml_node *node, const char *what,
		  const char *const *names, size_t count, int *out)
{
	if (!is_text(s, node, what))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (str_eq(node->text, str_of(names[i]))) {
			*out = (int)i;
			return true;
		}
	}
	ERROR_AT(s, node, "%s: unknown value «%.*s»%s", what, STR_ARG(node->text),
		 field_hint(s, node->text, names, count));
	return false;
}

bool field_bool(const struct scope *s, const struct yaml_node *node, const char *what, bool *out)
{
	static const char *const names[] = {"false", "true"};
	int value;

	if (!field_choice(s, node, what, names, ARRAY_LEN(names), &value))
		return false;
	*out = value;
	return true;
}

bool field_int(const struct scope *s, const struct yaml_node *node, const char *what, int64_t min,
	       int64_t max, int64_t *out)
{
	int64_t value;

	if (!is_text(s, node, what))
		return false;
	if (!str_to_i64(node->text, &value) || value < min || value > max) {
		ERROR_AT(s, node, "%s: «%.*s» is no whole number from %lld to %lld", what,
			 STR_ARG(node->text), (long long)min, (long long)max);
		return false;
	}
	*out = value;
	return true;
}

enum { DURATION_DAYS_MAX = 3660 };

bool field_duration(const struct scope *s, const struct yaml_node *node, const char *what,
		    int64_t *out_ms)
{
	int64_t ms;

	if (!is_text(s, node, what))
		return false;
	if (!duration_parse(node->text, &ms)) {
		ERROR_AT(s, node, "%s: «%.*s» is no duration; write a number and a unit, as 30s, "
				  "10m, 24h, 7d, 2w", what, STR_ARG(node->text));
		return false;
	}
	if (ms <= 0 || ms > DURATION_DAYS_MAX * DAY_MS) {
		ERROR_AT(s, node, "%s: «%.*s» is not between 1ms and %dd", what,
			 STR_ARG(node->text), DURATION_DAYS_MAX);
		return false;
	}
	*out_ms = ms;
	return true;
}

static bool amount_parse(struct str text, int64_t *out_fen)
{
	const char *point = text.len ? memchr(text.data, '.', text.len) : NULL;
	size_t whole_len = point ? (size_t)(point - text.data) : text.len;
	struct str decimals = str_from(text, whole_len + 1);
	uint64_t yuan, fen = 0;

	if (whole_len > 12 || !str_to_u64((struct str){text.data, whole_len}, &yuan))
		return false;
	if (point && (decimals.len < 1 || decimals.len > 2 || !str_to_u64(decimals, &fen)))
		return false;
	*out_fen = (int64_t)(yuan * 100 + (decimals.len == 1 ? fen * 10 : fen));
	return true;
}

bool field_amount(const struct scope *s, const struct yaml_node *node, const char *what,
		  int64_t *out_fen)
{
	int64_t fen;

	if (!is_text(s, node, what))
		return false;
	if (!amount_parse(node->text, &fen) || fen <= 0) {
		ERROR_AT(s, node, "%s: «%.*s» is no amount in yuan; write it as 200 or 0.01", what,
			 STR_ARG(node->text));
		return false;
	}
	*out_fen = fen;
	return true;
}
