/* ruleset.h - compiled rules: what the YAML of a folder means, without a trace of YAML.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A ruleset is immutable once loaded and lives in one arena of its own; workers share it. Order
 * matters: `rules` is by pack name, file name (bytes), position; all indexes are into these
 * arrays. The language and every default is in RULES.md (docs/).
 *
 * Thread: any; nobody changes a set that judges.
 */
#pragma once

#include "base/arena.h"
#include "base/digest.h"
#include "model.h"

struct zone;	  /* rules/zone.h: a time zone as a table */
struct directory; /* rules/directory.h: who is staff, of which department */

/* ---- conditions ---- */
enum cond_kind {
	COND_WORD,  /* a word */
	COND_REGEX,
	COND_LIST,  /* a list of words; a table's rows too */
	COND_IS,    /* a detector */
	COND_ANY,
	COND_ALL,
	COND_NONE,
	COND_NEAR,
	COND_COUNT,
};

enum detector { IS_PHONE, IS_EMAIL, IS_URL, IS_WECHAT_ID, IS_QQ, IS_BANK_CARD, IS_ID_CARD };
enum word_mode { MODE_EDGES, MODE_CONTAINS };

enum { GAP_DEFAULT = 3, GAP_MAX = 8, GAP_UNSET = -1 };
enum {
	NEAR_PARTS_MAX = 64,	 /* bits of near_part.parts */
	NEAR_TEXT_PARTS_MAX = 8, /* by chars: 2^8 sets of parts are followed through a text */
};

struct word {
	struct str text; /* as written */
	int line, col;	 /* in its file, for findings */
};

/* A list or one row of a table. */
struct word_row {
	struct str tag; /* empty unless the list is a table */
	const struct word *words;
	size_t word_count;
	struct str file;     /* where the words stand, for findings */
	bool from_word_file; /* one a line, not YAML */
};

struct word_list {
	struct str pack, name;
	bool is_table;
	const struct word_row *rows; /* exactly one unless is_table */
	size_t row_count;
};

struct cond {
	enum cond_kind kind;
	struct str file; /* where it stands, for findings: `allow` of a pack may be in another file */
	int line, col;
	enum fold_form fold; /* word, regex, list, is: the pack's unless said otherwise */
	enum word_mode mode;
	int gap; /* separators allowed between characters under loose; GAP_UNSET: GAP_DEFAULT */
	struct word word;    /* COND_WORD; COND_REGEX: the pattern */
	uint32_t list;	     /* COND_LIST: index into ruleset.lists */
	enum detector is;
	int64_t except_list; /* COND_IS: index of the list of ours, or -1 */
	struct cond **children;
	size_t child_count;
	int near_chars;	     /* COND_NEAR: in code points; -1 when over messages */
	int near_messages;   /* -1 when by chars */
	bool ordered;
	uint32_t near_index; /* over messages: names this condition within its rule (near_name.c) */
	uint32_t at_least;   /* COND_COUNT */
};

/* ---- filters ---- */
enum { ROLE_BIT_ALL = 7, CHAT_BIT_ALL = 7 };
enum inclusion { EXCLUDE, INCLUDE, ONLY };
enum { ACTION_SEND_BIT = 1, ACTION_RECALL_BIT = 2 };

struct strs {
	const struct str *items;
	size_t count;
};

struct filter {
	unsigned roles;	  /* bit 1 << enum role */
	unsigned chats;	  /* bit 1 << enum chat */
	unsigned actions; /* ACTION_*_BIT; default send */
	struct strs types, fields, rooms, staff, departments, corps, file_types; /* empty: all */
	/* Minutes of the local day, several spans; a span with from > to goes over midnight and
	 * belongs to its first day. count 0: always. */
	const struct minutes { int from, to; } *hours;
	size_t hour_count;
	unsigned days; /* bit 0 Monday … bit 6 Sunday; 0x7f: all */
	int64_t amount_at_least_fen; /* -1: no filter */
	enum inclusion forwarded, quoted, emoticons;
};

/* ---- guards, windows, waits ---- */
struct ladder_stage {
	uint32_t ladder; /* index into ruleset.ladders */
	int32_t stage;	 /* index into its stages; STAGE_LOST, STAGE_NONE */
};
enum { STAGE_NONE = -1, STAGE_LOST = -2 };

struct tag_ref {
	uint32_t group, tag; /* indexes into ruleset.groups and its tags */
};

struct guard {
	const struct ladder_stage *stages; /* any of them; none: no guard */
	size_t stage_count;
	const struct tag_ref *tags, *no_tags; /* tags: any of them; no_tags: none of them */
	size_t tag_count, no_tag_count;
};

enum window_kind { WINDOW_NONE, WINDOW_SLIDING, WINDOW_DAY, WINDOW_WEEK, WINDOW_MONTH };
struct window {
	enum window_kind kind;
	int64_t within_ms; /* sliding */
	bool sum_amount;   /* else counts */
	bool distinct_words;
	int64_t threshold; /* count, or sum in 0.01 yuan */
};

struct wait {
	bool on;
	enum role for_role; /* ROLE_STAFF or ROLE_CUSTOMER */
	int64_t over_ms;
	const struct cond *ignore; /* words that neither start nor end a wait, or NULL */
};

/* ---- effects ---- */
enum effect_kind { EFFECT_TAG, EFFECT_UNTAG, EFFECT_TAG_FROM, EFFECT_STAGE, EFFECT_ALERT };
struct effect {
	enum effect_kind kind;
	struct tag_ref tag;
	int64_t expires_ms; /* of the effect, else of the group; 0: never */
	uint32_t group;	    /* EFFECT_TAG_FROM: the tag group */
	uint32_t list;	    /* EFFECT_TAG_FROM (one in a rule): match.table_rows are its rows */
	const uint32_t *row_tags; /* EFFECT_TAG_FROM: for each row of the table its tag in `group` */
	struct ladder_stage stage;
	bool back;
	enum severity severity;
	struct str category;
	int64_t group_for_ms; /* 0: each alert by itself */
};

struct sample; /* rules/sample.h: a message as authors write it */
struct example {
	bool hit; /* else it must stay silent */
	const struct sample *sample;
};

struct rule {
	struct str pack, id, title;
	struct str file; /* as findings show it; the order of rules goes by the path in the folder */
	int line, col;
	uint32_t pack_index;
	struct filter filter;
	const struct cond *match;  /* NULL: the filters alone */
	uint32_t near_count;	   /* near-over-messages conditions within match */
	const struct cond *const *allow; /* words and lists whose hits excuse; pack's and rule's */
	size_t allow_count;
	struct guard guard;
	struct window window;
	struct wait wait;
	bool by_pair, shadow, keep_on_recall;
	const struct effect *effects; /* in the order of `then` */
	size_t effect_count;
	const struct example *examples;
	size_t example_count;
};

struct alias {
	struct str word;	  /* the word as people write it in rules */
	struct strs spellings;
};

struct pack {
	struct str name, title;
	const struct zone *zone;
	enum fold_form fold;
	const struct alias *aliases;
	size_t alias_count;
};

struct tag {
	struct str name, wecom_id; /* wecom_id may be empty */
};

struct tag_group {
	struct str name;
	const struct tag *tags;
	size_t tag_count;
	bool exclusive;
	int64_t expires_ms; /* 0: never */
};

struct ladder {
	struct str name;
	const struct tag *stages; /* name and label (the WeCom id that follows the stage) */
	size_t stage_count;
	struct tag lost; /* name empty: the ladder has no lost stage */
};

struct consent_rule {
	struct str corpid; /* empty: the default for all others */
	enum consent consent;
};

struct ruleset {
	char digest[DIGEST_TEXT_SIZE]; /* "sha256:…", NUL-terminated: covers everything that judges */
	const struct pack *packs;
	size_t pack_count;
	const struct rule *rules;
	size_t rule_count;
	const struct word_list *lists;
	size_t list_count;
	const struct tag_group *groups;
	size_t group_count;
	const struct ladder *ladders;
	size_t ladder_count;
	const struct directory *directory; /* never NULL; may be empty */
	const struct consent_rule *consents; /* ruleset_consent() in rules/load.h */
	size_t consent_count;
};
