/* lookup.h - rules, tags and ladders of a rule set, found by the names that the state holds.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Built when a reactor meets a rule set, not for each message. Private to react/.
 *
 * Thread: a lookup belongs to one reactor.
 */
#pragma once

#include "rules/ruleset.h"

struct lookup {
	const struct ruleset *set; /* that it was built for */
	char digest[DIGEST_TEXT_SIZE];	   /* of that set: another one may come to live at its address */
	uint32_t *rules;	   /* open addressing: rule + 1; 0: free */
	size_t rules_size, rules_cap;
	bool staff_waits, customer_waits; /* some rule waits for that role */
	bool nears;			  /* some rule has a near over messages */
};

void lookup_fini(struct lookup *l); /* a zeroed lookup is ready for use */
void lookup_fit(struct lookup *l, const struct ruleset *set);

/* NULL: the rules no longer know it. */
const struct rule *lookup_rule(const struct lookup *l, struct str pack, struct str id);
const struct tag_group *lookup_group(const struct ruleset *set, struct str name);
const struct tag *lookup_tag(const struct ruleset *set, struct str group, struct str tag);
const struct ladder *lookup_ladder(const struct ruleset *set, struct str name);
/* STAGE_LOST, STAGE_NONE (also for what the ladder no longer knows) or the index. */
int32_t lookup_stage(const struct ladder *ladder, struct str name);
/* The stage's tag (name and label); NULL for STAGE_NONE. */
const struct tag *lookup_stage_tag(const struct ladder *ladder, int32_t stage);

/* The near-over-messages condition of a rule whose near_index is `node`, or NULL. */
const struct cond *lookup_near(const struct rule *rule, uint32_t node);
