/* loader.h - what the parts of the loader share while one rule set is read. Private to rules/.
 * SPDX-License-Identifier: Apache-2.0
 *
 *	load.c      files in, rule set out: the order of things
 *	pack.c      the pack of a file: its name and settings
 *	catalog.c   tags and ladders of all packs, and names that mean them
 *	wordlist.c  lists, tables, word files, aliases
 *	rule.c      one rule: its fields
 *	cond.c near_name.c filter.c timing.c effect.c    the parts of a rule
 *	field.c     one value: a word, a duration, a choice; what is wrong with it
 *
 * Every part goes on after an error and reports all it finds; what it makes then need not make
 * sense, because a set with errors is never handed out. Thread: one.
 */
#pragma once

#include "base/findings.h"
#include "base/yaml.h"
#include "rules/load.h"
#include "rules/name_table.h"
#include "rules/source.h"
#include "rules/vec.h"

/* A pack while its files are read; one pack may span several. */
struct pack_draft {
	struct pack pack;
	bool shadow;
	struct str title_file, zone_file, fold_file, mode_file; /* who said so; empty: nobody yet */
	struct name_table lists;	/* -> ruleset.lists */
	struct name_table rule_ids;	/* -> ruleset.rules */
	struct name_table alias_words; /* -> aliases */
	VEC(struct alias) aliases;
	VEC(const struct cond *) allow;
};

/* Where a short name stands for several things. */
struct tag_name {
	struct tag_ref ref;
	bool ambiguous;
};
struct stage_name {
	struct ladder_stage ref;
	bool ambiguous;
};

struct loader {
	struct arena *arena;   /* of the set: whatever stays */
	struct arena *words;   /* of the set: words of lists, until ruleset_forget_words() */
	struct arena *scratch; /* trees and tables, gone after loading */
	struct findings *findings;
	struct sources *sources;

	VEC(struct pack_draft) packs;
	struct name_table pack_names;
	VEC(struct word_list) lists;
	VEC(struct rule) rules;

	VEC(struct tag_group) groups;
	VEC(struct ladder) ladders;
	struct name_table group_names, ladder_names; /* -> the vectors above */
	VEC(struct str) group_places, ladder_places; /* where each was defined, for findings */
	struct name_table tag_names, stage_names; /* "tag" and "group/tag" -> the vectors below */
	VEC(struct tag_name) tags;
	VEC(struct stage_name) stages;
};

/* Where a value stands: for findings, and for the names that are known there. */
struct scope {
	struct loader *loader;
	uint32_t pack;	 /* index of the pack draft */
	struct str path; /* of the file, below the folder */
	struct str file; /* the same as people see it in findings */
	bool muted;	 /* a default: its findings were told with the first rule that used it */
};

static inline struct pack_draft *scope_pack(const struct scope *s)
{
	return &s->loader->packs.items[s->pack];
}

#define FIND_AT(scope, level, line, col, ...)                                                      \
	do {                                                                                       \
		if (!(scope)->muted)                                                               \
			findings_add((scope)->loader->findings, level, (scope)->file, line, col,   \
				     __VA_ARGS__);                                                 \
	} while (0)
#define ERROR_AT(scope, node, ...) FIND_AT(scope, FINDING_ERROR, (node)->line, (node)->col, __VA_ARGS__)
#define WARN_AT(scope, node, ...) FIND_AT(scope, FINDING_WARNING, (node)->line, (node)->col, __VA_ARGS__)

/* pack.c */
/* The pack that the file of `root` names, new or known, becomes that of the scope; false with a
 * finding. */
bool pack_find(struct scope *s, const struct yaml_node *root);
/* Its settings, and the names that all its files know: tags, ladders, lists, aliases. */
void pack_read(const struct scope *s, const struct yaml_node *root);

/* catalog.c */
void catalog_read_tags(const struct scope *s, const struct yaml_node *map);
void catalog_read_ladders(const struct scope *s, const struct yaml_node *map);
/* What the name at `node` means; false with a finding if nothing, or several things. */
bool catalog_tag(const struct scope *s, const struct yaml_node *node, struct tag_ref *out);
bool catalog_stage(const struct scope *s, const struct yaml_node *node, struct ladder_stage *out);

/* wordlist.c */
void wordlist_read_all(const struct scope *s, const struct yaml_node *map);
void wordlist_read_aliases(const struct scope *s, const struct yaml_node *map);
bool wordlist_find(const struct scope *s, const struct yaml_node *node, uint32_t *out);
/* A list without a name that holds the words of all of `indexes`. */
uint32_t wordlist_join(struct loader *l, const uint32_t *indexes, size_t count);

/* cond.c */
struct cond_count {
	VEC(uint32_t) nears; /* near_index of those over messages so far in the rule */
};
/* near_index of a near over messages. The state keeps its open parts as bits under this number, so it
 * is made of what the parts are and how many messages they reach, as written: they come back to the
 * same near wherever in the rule it then stands, and to none that was written anew. Nears of a rule
 * that say the same get numbers in a row. */
uint32_t near_name(struct cond_count *count, struct arena *arena, const struct yaml_node *of,
		   int messages);
/* The condition at `node`, or NULL with a finding. */
const struct cond *cond_read(const struct scope *s, const struct yaml_node *node,
			     struct cond_count *count);
/* The same where only words and lists make sense (`allow`, `ignore`); `what` for findings. */
const struct cond *cond_read_words(const struct scope *s, const struct yaml_node *node,
				   const char *what);
/* True if the condition cannot hold without a hit. */
bool cond_needs_hit(const struct cond *cond);
/* True if `list` occurs in the condition. */
bool cond_uses_list(const struct cond *cond, uint32_t list);

/* filter.c: `name` is one of filter_fields; returns false if it is not. */
extern const char *const filter_fields[];
extern const size_t filter_field_count;
struct filter filter_default(void);
bool filter_read(const struct scope *s, const char *name, const struct yaml_node *node,
		 struct filter *filter);

/* timing.c */
void guard_read(const struct scope *s, const struct yaml_node *node, struct guard *out);
void window_read(const struct scope *s, const struct yaml_node *node, struct window *out);
void wait_read(const struct scope *s, const struct yaml_node *node, struct wait *out);

/* effect.c */
void effects_read(const struct scope *s, const struct yaml_node *node, struct rule *rule);

/* rule.c */
void rule_read(const struct scope *s, const struct yaml_node *node, const struct yaml_node *defaults,
	       bool *defaults_told);
/* Adds to the words and lists that excuse in all rules of the pack. */
void rule_read_pack_allow(const struct scope *s, const struct yaml_node *node);
/* Reports fields of `defaults` that no rule has. */
void rule_check_defaults(const struct scope *s, const struct yaml_node *defaults);
