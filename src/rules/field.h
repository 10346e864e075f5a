/* field.h - one value of a rule file: what it must look like, and what to write instead.
 * SPDX-License-Identifier: Apache-2.0
 *
 * All of these return false after adding a finding, and write *out only on success. Names in
 * findings are those of the rule file; nothing of any message is there yet. Thread: one.
 */
#pragma once

#include "rules/loader.h"

enum { WORD_BYTES_MAX = 256, NAME_BYTES_MAX = 256, PATTERN_BYTES_MAX = 1024 };

/* Each key of `map` is one of `names`, or a finding with the nearest. `where` as in «in a rule».
 * False if `node` is no map at all. */
bool field_map(const struct scope *s, const struct yaml_node *node, const char *const *names,
	       size_t count, const char *where);

/* A list is allowed everywhere a value is: a value counts as a list of one. */
static inline size_t field_count(const struct yaml_node *node)
{
	return node->kind == YAML_LIST ? node->count : 1;
}
static inline const struct yaml_node *field_item(const struct yaml_node *node, size_t i)
{
	return node->kind == YAML_LIST ? node->items[i] : node;
}
/* The same, but an empty list is a finding. */
bool field_filled(const struct scope *s, const struct yaml_node *node, const char *what);

/* A word to be searched: not blank, not too long, no comma unless quoted. */
bool field_word(const struct scope *s, const struct yaml_node *node, struct word *out);

/* Any text that is not blank, of at most `max` bytes, copied to stay. */
bool field_text(const struct scope *s, const struct yaml_node *node, const char *what, size_t max,
		struct str *out);
/* A name or an id: a text in which a comma, a Chinese one too, is a slip unless it stands in quotes. */
bool field_id(const struct scope *s, const struct yaml_node *node, const char *what, size_t max,
	      struct str *out);

/* One of `names`; *out is its index. */
bool field_choice(const struct scope *s, const struct yaml_node *node, const char *what,
		  const char *const *names, size_t count, int *out);

bool field_bool(const struct scope *s, const struct yaml_node *node, const char *what, bool *out);
bool field_int(const struct scope *s, const struct yaml_node *node, const char *what, int64_t min,
	       int64_t max, int64_t *out);

/* 500ms, 10m, 24h, 7d, 2w, 1h30m; more than nothing and at most ten years. */
bool field_duration(const struct scope *s, const struct yaml_node *node, const char *what,
		    int64_t *out_ms);

/* An amount in yuan with at most two decimals, as 0.01 yuan; more than nothing. */
bool field_amount(const struct scope *s, const struct yaml_node *node, const char *what,
		  int64_t *out_fen);

/* "; did you mean «x»?", or "; write one of a, b, c", for an unknown name. In scratch. */
const char *field_hint(const struct scope *s, struct str name, const char *const *names,
		       size_t count);
/* "; did you mean «x»?" or nothing. */
const char *field_hint_name(const struct scope *s, struct str name, const struct name_table *names);

/* Without blanks at both ends. */
struct str field_trim(struct str s);
