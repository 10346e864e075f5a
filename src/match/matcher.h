/* matcher.h - the working memory of a worker, and one message in the making. Only for match/.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Thread: a matcher belongs to one worker.
 */
#pragma once

#include "base/buf.h"
#include "match/engine.h"
#include "rules/zone.h"

/* A hit of a group, before rules look at it. Lives in the arena of the scan. */
struct found {
	struct found *next;
	uint32_t text, start, end;  /* in the original */
	uint32_t from, to;	    /* in the folded text */
	uint32_t word;
	enum fold_form form;
	const struct posting *posting; /* NULL: of a regex or detector */
	uint32_t folds;		       /* of a regex or detector */
};

/* What Hyperscan says of a regex, in the folded text. */
struct report {
	uint32_t from, to;
};

struct group_hits {
	uint64_t scan; /* the scan that it is of; any other: empty */
	struct found *first, **last;
	uint32_t count;
};

/* A hit as one leaf of a rule sees it. */
struct pick {
	const struct found *found;
	uint32_t leaf;
};

struct matcher {
	hs_scratch_t *scratch;
	uint64_t scan; /* number of the current one */
	struct group_hits *groups;
	uint64_t *rule_scans; /* the scan in which the rule was last touched */
	uint32_t *touched;    /* rules with a hit in this scan */
	uint32_t group_cap, rule_cap, touched_count;
	struct pick *picks;   /* a stack; grows to the most that one rule ever had */
	size_t pick_count, pick_cap;
	struct pick *excuses; /* hits of the allow words last asked for, by text, start, end */
	uint32_t *excused_to; /* the greatest end of the excuses up to here in their text */
	size_t excuse_count;
	const uint32_t *excuses_of; /* engine_rule.allow that they are of; NULL: none yet */
	struct raw_hits raw; /* of one scan for words */
	struct report *reports; /* of one search of one regex */
	size_t report_count, report_cap;
	uint32_t *candidates; /* regexes worth a look; room for all */
	uint32_t candidate_count, candidate_cap;
	struct buf buf;

	/* The scan at hand. */
	const struct engine *engine;
	const struct message *message;
	const struct folded *const *folded;
	const struct near_part *open;
	size_t open_count;
	struct arena *arena;
	enum fold_form form;
	uint32_t text;
	const struct zone *zone; /* local time of the message, in the zone last asked for */
	struct zone_time local;
	struct near_part *seen;
	size_t seen_count, seen_cap;
};

/* hits.c */
/* Searches all words in text m->text of form m->form. */
void hits_find_words(struct matcher *m);
/* Adds a hit of `group` and touches its rules. */
void hits_add(struct matcher *m, uint32_t group, const struct found *found);
/* The first byte of the original character that byte `at` of the folded text came from; behind the
 * last one, the length of the original. Without runs: `at`. */
uint32_t hits_source(const struct folded *f, uint32_t at);
/* Where the sender's own words begin in the folded text. */
uint32_t hits_own_start(const struct matcher *m);
/* The folds that a hit needed. */
uint32_t hits_folds(const struct matcher *m, const struct found *found);

/* detect.c */
/* Searches all detectors in text m->text of form m->form. */
void detect_all(struct matcher *m);

/* filter.c */
/* Whether the message passes all filters of the rule but those of single texts. */
bool filter_message(struct matcher *m, const struct rule *rule);
/* Whether the rule may look at the place of a hit in its text. */
bool filter_place(const struct filter *f, const struct text *text, const struct found *found);
/* Whether some text of the message may be looked at; for rules without a match. */
bool filter_any_text(const struct filter *f, const struct message *message);

/* closing.c */
/* Sets matches->ignored; after the words were searched. */
void closing_find(struct matcher *m, struct matches *matches);

/* judge.c */
/* Whether the rule's condition holds; then its hits stand on m->picks from 0. */
bool judge_rule(struct matcher *m, uint32_t rule);
/* Sorts by text, start, end. */
void picks_sort(struct pick *picks, size_t count, struct arena *arena);
