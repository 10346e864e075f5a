/* engine.h - what an engine is made of. Only for match/.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   pattern ──► postings ──► group ──► rules
 *
 * A pattern is a byte string that is looked for in one form of the text. A posting says
 * which word, in which spelling, a pattern is, and what has to be checked around it. A group is
 * what one condition looks for (a word, a list, a regex, a detector), shared by all conditions
 * that look for the same; it collects its hits. A rule looks at the groups of its conditions, and
 * is only judged when one of them has a hit, unless it could hold without any.
 *
 * Thread: any, once it is made: an engine is immutable then.
 */
#pragma once

#include "match/database.h"
#include "match/map.h"
#include "match/match.h"
#include "match/trie.h"

#define NO_INDEX UINT32_MAX

enum edge { EDGE_NONE, EDGE_LETTER, EDGE_DIGIT };
static inline enum edge edge_of(char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return EDGE_LETTER;
	return c >= '0' && c <= '9' ? EDGE_DIGIT : EDGE_NONE;
}

struct engine_word {
	struct str text; /* what evidence names */
	uint32_t same;	 /* words that fold alike in the same form have the same number */
	uint32_t row;	 /* of a table */
};

/* A spelling that holds separators or symbols, under loose: `kept` characters are searched, and
 * before each of them, and after the last, these code points must stand in the original. */
enum { SYMBOL_RUN_MAX = 16 };
struct symbols {
	uint32_t kept;
	const struct symbol_run {
		const uint32_t *codes;
		uint32_t count;
	} *runs; /* kept + 1 */
};

struct posting {
	uint32_t group, word;
	struct str written;	       /* the spelling that the pattern was made of */
	const struct symbols *symbols; /* NULL: none */
	uint8_t left, right;	       /* enum edge: what must not touch */
	uint8_t gap;
	bool alias;   /* a homophone, not the word's own spelling */
	bool as_is;   /* `written` is the pattern itself: folding does not change it */
	bool twins;   /* it stands for words that fold alike under loose, but not under standard */
	uint16_t len; /* of the pattern */
};

/* The words of a form: few of them are Hyperscan's, many a trie's. */
struct word_index {
	hs_database_t *database;
	struct trie *trie; /* or this; both NULL: no words */
	const uint32_t *first; /* pattern -> its postings; pattern_count + 1 */
	struct posting *postings;
	uint32_t pattern_count;
};

struct regex_index {
	hs_database_t *filter; /* tells which regexes to look at; NULL: all */
	const struct regex *regexes;
	uint32_t count;
};

struct group {
	enum cond_kind kind;
	enum fold_form form;
	const uint32_t *rules; /* ascending */
	uint32_t rule_count;
	uint32_t word;	  /* COND_REGEX, COND_IS: what evidence names */
	enum detector is; /* COND_IS */
	const struct map *ours; /* COND_IS: what does not count; NULL: nothing */
};

/* A condition of a rule, bound to groups. */
struct node {
	enum cond_kind kind;
	const struct cond *cond;
	uint32_t group; /* of a leaf */
	uint32_t leaf;	/* leaves of a rule in their order */
	const struct node *children;
	uint32_t child_count;
};

struct engine_rule {
	const struct node *match; /* NULL: the filters alone */
	const uint32_t *allow;	  /* groups */
	uint32_t allow_count;
	uint32_t table_group; /* of tag_from; NO_INDEX: none */
	const uint32_t *ignore; /* groups of its wait's `ignore` */
	uint32_t ignore_count;
};

struct engine {
	struct arena arena;
	const struct ruleset *set;
	unsigned forms;
	struct word_index words[FORM_COUNT];
	struct regex_index regexes[FORM_COUNT]; /* FORM_NONE and FORM_STANDARD only */
	struct detector_index {
		const uint32_t *groups;
		uint32_t count;
	} detectors[FORM_COUNT]; /* the same */
	struct anchors {
		const struct str *items; /* spellings in the loose form */
		uint32_t count;
		const struct str *symbols; /* those with symbols (微❤), in the standard form */
		uint32_t symbol_count;
	} wechat, qq; /* after which ids are looked for */
	struct engine_word *word;
	struct group *groups;
	struct engine_rule *rules;
	uint32_t word_count, group_count, rule_count;
	const uint32_t *always; /* rules that may hold without any hit */
	uint32_t always_count;
	const uint32_t *ignoring; /* rules with a wait that ignores words, ascending */
	uint32_t ignoring_count;
};
