/* fire.c - what the rules that matched do: guards, windows, waits, effects. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "react/turn.h"

static bool holds_tag(const struct turn *t, struct tag_ref ref)
{
	const struct tag_group *group = &t->set->groups[ref.group];

	return subject_tag(t->subject, group->name, group->tags[ref.tag].name) != NULL;
}

bool guard_holds(const struct turn *t, const struct guard *guard)
{
	bool in_stage = guard->stage_count == 0, has_tag = guard->tag_count == 0;

	for (size_t i = 0; i < guard->stage_count && !in_stage; i++) {
		const struct ladder *l = &t->set->ladders[guard->stages[i].ladder];
		in_stage = lookup_stage(l, subject_stage(t->subject, l->name)) ==
			   guard->stages[i].stage;
	}
	for (size_t i = 0; i < guard->tag_count && !has_tag; i++)
		has_tag = holds_tag(t, guard->tags[i]);
	for (size_t i = 0; i < guard->no_tag_count; i++)
		if (holds_tag(t, guard->no_tags[i]))
			return false;
	return in_stage && has_tag;
}

static bool is_for_customers(enum effect_kind kind)
{
	return kind != EFFECT_ALERT;
}

/* What the effects of `rule` come to. `match` is NULL for a wait that is due. */
static void apply(struct turn *t, const struct rule *rule, const struct match *match,
		  const struct stage_choice *choices, const struct proof_texts *evidence)
{
	struct source source = {rule->pack, rule->id};
	struct tag_work work = {0};
	const struct effect *alert = NULL;

	for (size_t i = 0; i < rule->effect_count; i++) {
		const struct effect *e = &rule->effects[i];
		if (is_for_customers(e->kind) && !t->is_customer)
			t->reactor->counts.not_customer++;
		if (is_for_customers(e->kind) && (!t->is_customer || t->alerts_only))
			continue;
		switch (e->kind) {
		case EFFECT_TAG:
			tag_add(t, source, rule->keep_on_recall, e->tag, e->expires_ms, &work);
			break;
		case EFFECT_UNTAG:
			tag_remove(t, e->tag, &work);
			break;
		case EFFECT_TAG_FROM:
			for (size_t k = 0; match && k < match->table_row_count; k++)
				tag_add(t, source, rule->keep_on_recall,
					(struct tag_ref){e->group,
							 e->row_tags[match->table_rows[k]]},
					e->expires_ms, &work);
			break;
		case EFFECT_STAGE:
			break;
		case EFFECT_ALERT:
			alert = e;
			break;
		}
	}
	tag_events(t, source, CAUSE_RULE, &work, evidence);
	for (size_t i = 0; i < rule->effect_count; i++) {
		const struct effect *e = &rule->effects[i];
		if (e->kind != EFFECT_STAGE || !t->is_customer || t->alerts_only)
			continue;
		const struct stage_choice *choice = &choices[e->stage.ladder];
		if (choice->rule == rule && choice->to == e->stage.stage)
			stage_move(t, e->stage.ladder, choice->to, source, rule->keep_on_recall,
				   CAUSE_RULE, evidence);
	}
	if (alert)
		alert_fire(t, rule, alert, evidence);
}

static void tell_hit(struct turn *t, const struct rule *rule, const struct proof_texts *evidence)
{
	struct event *e = turn_event(t, EVENT_HIT, CAUSE_RULE,
				     (struct source){rule->pack, rule->id}, (struct str){0});

	e->evidence = evidence->items;
	e->evidence_count = evidence->count;
	e->truncated = evidence->truncated;
}

void fire_matches(struct turn *t, const struct message *message, const struct matches *matches,
		  const bool *guards)
{
	struct stage_choice *choices =
		arena_alloc(t->arena, t->set->ladder_count * sizeof *choices);
	bool *fires = ARENA_ARRAY(t->arena, bool, matches->count);

	/* First who fires, so that the farthest stage is known before the first event. */
	stage_choices_init(t->set, choices);
	for (size_t i = 0; i < matches->count; i++) {
		const struct match *match = &matches->items[i];
		const struct rule *rule = &t->set->rules[match->rule];
		if (rule->shadow || !guards[i])
			continue;
		fires[i] = rule->window.kind == WINDOW_NONE ||
			   window_take(t, rule, message, match);
		if (fires[i] && !rule->wait.on && t->is_customer)
			stage_ask(t, rule, choices);
	}
	for (size_t i = 0; i < matches->count; i++) {
		const struct match *match = &matches->items[i];
		const struct rule *rule = &t->set->rules[match->rule];
		struct proof_texts evidence = {0};
		if (t->reactor->settings.hits) {
			turn_evidence(t, message, match, &evidence);
			tell_hit(t, rule, &evidence);
		}
		if (fires[i] && rule->wait.on) {
			wait_start(t, rule, message, matches);
		} else if (fires[i]) {
			turn_evidence(t, message, match, &evidence);
			apply(t, rule, match, choices, &evidence);
		}
	}
}

void fire_wait(struct turn *t, const struct rule *rule)
{
	struct stage_choice *choices =
		arena_alloc(t->arena, t->set->ladder_count * sizeof *choices);

	stage_choices_init(t->set, choices);
	if (t->is_customer)
		stage_ask(t, rule, choices);
	apply(t, rule, NULL, choices, NULL);
}
