/* lookup.c - a hash table for rules; short lists for the rest. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "react/lookup.h"

#include "base/hash.h"
#include "base/heap.h"

void lookup_fini(struct lookup *l)
{
	free(l->rules);
	*l = (struct lookup){0};
}

static size_t rule_hash(struct str pack, struct str id)
{
	return (size_t)(hash_64(pack) * 0x9e3779b97f4a7c15u + hash_64(id));
}

static void build(struct lookup *l, const struct ruleset *set)
{
	size_t size = 16;

	while (size < set->rule_count * 2)
		size *= 2;
	if (size > l->rules_cap) {
		free(l->rules);
		l->rules = heap_grown(NULL, size * sizeof *l->rules);
		l->rules_cap = size;
	}
	memset(l->rules, 0, size * sizeof *l->rules);
	l->rules_size = size;
	l->staff_waits = l->customer_waits = l->nears = false;
	for (size_t i = 0; i < set->rule_count; i++) {
		const struct rule *rule = &set->rules[i];
		size_t at = rule_hash(rule->pack, rule->id) & (size - 1);
		while (l->rules[at])
			at = (at + 1) & (size - 1);
		l->rules[at] = (uint32_t)i + 1;
		l->staff_waits |= rule->wait.on && rule->wait.for_role == ROLE_STAFF;
		l->customer_waits |= rule->wait.on && rule->wait.for_role == ROLE_CUSTOMER;
		l->nears |= rule->near_count > 0;
	}
}

void lookup_fit(struct lookup *l, const struct ruleset *set)
{
	if (l->set == set && !memcmp(l->digest, set->digest, sizeof l->digest))
		return;
	build(l, set);
	l->set = set;
	memcpy(l->digest, set->digest, sizeof l->digest);
}

const struct rule *lookup_rule(const struct lookup *l, struct str pack, struct str id)
{
	size_t mask = l->rules_size - 1;

	for (size_t at = rule_hash(pack, id) & mask; l->rules[at]; at = (at + 1) & mask) {
		const struct rule *rule = &l->set->rules[l->rules[at] - 1];
		if (str_eq(rule->pack, pack) && str_eq(rule->id, id))
			return rule;
	}
	return NULL;
}

const struct tag_group *lookup_group(const struct ruleset *set, struct str name)
{
	for (size_t i = 0; i < set->group_count; i++)
		if (str_eq(set->groups[i].name, name))
			return &set->groups[i];
	return NULL;
}

const struct tag *lookup_tag(const struct ruleset *set, struct str group, struct str tag)
{
	const struct tag_group *g = lookup_group(set, group);

	for (size_t i = 0; g && i < g->tag_count; i++)
		if (str_eq(g->tags[i].name, tag))
			return &g->tags[i];
	return NULL;
}

const struct ladder *lookup_ladder(const struct ruleset *set, struct str name)
{
	for (size_t i = 0; i < set->ladder_count; i++)
		if (str_eq(set->ladders[i].name, name))
			return &set->ladders[i];
	return NULL;
}

int32_t lookup_stage(const struct ladder *ladder, struct str name)
{
	if (!name.len)
		return STAGE_NONE;
	for (size_t i = 0; i < ladder->stage_count; i++)
		if (str_eq(ladder->stages[i].name, name))
			return (int32_t)i;
	return str_eq(ladder->lost.name, name) ? STAGE_LOST : STAGE_NONE;
}

const struct tag *lookup_stage_tag(const struct ladder *ladder, int32_t stage)
{
	if (stage == STAGE_NONE)
		return NULL;
	return stage == STAGE_LOST ? &ladder->lost : &ladder->stages[stage];
}

static const struct cond *find_near(const struct cond *cond, uint32_t node)
{
	if (cond->kind == COND_NEAR && cond->near_messages >= 0 && cond->near_index == node)
		return cond;
	for (size_t i = 0; i < cond->child_count; i++) {
		const struct cond *found = find_near(cond->children[i], node);
		if (found)
			return found;
	}
	return NULL;
}

const struct cond *lookup_near(const struct rule *rule, uint32_t node)
{
	return rule->match && rule->near_count ? find_near(rule->match, node) : NULL;
}
