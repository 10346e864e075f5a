/* stages.c - a ladder moves at most once in a message: forward, else lost, else back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "react/turn.h"

static int32_t current(const struct turn *t, const struct ladder *ladder)
{
	return lookup_stage(ladder, subject_stage(t->subject, ladder->name));
}

/* A message older than the newest that moved the ladder never moves it; equal is not older. */
static bool too_old(const struct turn *t, const struct ladder *ladder)
{
	const struct ladder_state *state = subject_ladder(t->subject, ladder->name);

	return state && state->moves.items[state->moves.count - 1].time_ms > t->at_ms;
}

void stage_choices_init(const struct ruleset *set, struct stage_choice *choices)
{
	for (size_t i = 0; i < set->ladder_count; i++)
		choices[i] = (struct stage_choice){.to = STAGE_NONE};
}

enum direction { DIRECTION_NONE, DIRECTION_BACK, DIRECTION_LOST, DIRECTION_FORWARD };

static enum direction direction(int32_t from, int32_t to, bool back)
{
	if (from == to)
		return DIRECTION_NONE;
	if (to == STAGE_LOST)
		return DIRECTION_LOST;
	if (from < 0 || to > from) /* from none and from lost every stage is forward */
		return DIRECTION_FORWARD;
	return back ? DIRECTION_BACK : DIRECTION_NONE;
}

void stage_ask(struct turn *t, const struct rule *rule, struct stage_choice *choices)
{
	for (size_t i = 0; i < rule->effect_count; i++) {
		const struct effect *effect = &rule->effects[i];
		if (effect->kind != EFFECT_STAGE)
			continue;
		const struct ladder *ladder = &t->set->ladders[effect->stage.ladder];
		struct stage_choice *choice = &choices[effect->stage.ladder];
		int32_t from = current(t, ladder), to = effect->stage.stage;
		enum direction ours = direction(from, to, effect->back);
		if (ours == DIRECTION_NONE || too_old(t, ladder))
			continue;
		/* What was chosen moves, so that it may count as going back. */
		enum direction best = choice->rule ? direction(from, choice->to, true)
						   : DIRECTION_NONE;
		if (ours > best ||
		    (ours == best && ours == DIRECTION_FORWARD && to > choice->to))
			*choice = (struct stage_choice){to, rule};
	}
}

/* The label of a stage, as a list of one or none. */
static size_t label(struct turn *t, const struct ladder *ladder, struct str stage,
		    const struct tag_change **out)
{
	const struct tag *tag = lookup_stage_tag(ladder, lookup_stage(ladder, stage));

	if (!tag || !tag->wecom_id.len)
		return 0;
	struct tag_change *change = ARENA_NEW(t->arena, struct tag_change);
	*change = (struct tag_change){ladder->name, tag->name, tag->wecom_id, NULL, 0};
	*out = change;
	return 1;
}

void stage_event(struct turn *t, const struct ladder *ladder, struct str from, struct str to,
		 struct source source, enum cause cause, const struct proof_texts *evidence)
{
	struct event *e = turn_event(t, EVENT_STAGE, cause, source, ladder->name);

	e->ladder = ladder->name;
	/* A stage that the rules no longer know counts as none. */
	e->from_stage = lookup_stage(ladder, from) == STAGE_NONE ? (struct str){0} : from;
	e->to_stage = lookup_stage(ladder, to) == STAGE_NONE ? (struct str){0} : to;
	e->add_count = label(t, ladder, to, &e->add);
	e->remove_count = label(t, ladder, from, &e->remove);
	if (evidence) {
		e->evidence = evidence->items;
		e->evidence_count = evidence->count;
		e->truncated = evidence->truncated;
	}
}

static struct ladder_state *get_ladder(struct turn *t, struct str name)
{
	struct ladder_state *state = subject_ladder(t->subject, name);

	if (state)
		return state;
	state = LIST_ADD(&t->subject->ladders, shard_arena(t->shard));
	state->ladder = shard_name(t->shard, name);
	*LIST_ADD(&state->moves, shard_arena(t->shard)) = (struct move){.told = TOLD_NONE};
	return state;
}

void stage_move(struct turn *t, uint32_t ladder_index, int32_t to, struct source source, bool keeps,
		enum cause cause, const struct proof_texts *evidence)
{
	const struct ladder *ladder = &t->set->ladders[ladder_index];
	struct ladder_state *state = get_ladder(t, ladder->name);
	const struct move *last = &state->moves.items[state->moves.count - 1];
	struct str from = last->stage;
	struct move move = {
		.stage = shard_name(t->shard, lookup_stage_tag(ladder, to)->name),
		.time_ms = MAX(t->at_ms, last->time_ms),
		.told = turn_told(t),
		.pack = shard_name(t->shard, source.pack),
		.rule = shard_name(t->shard, source.rule),
		.order = t->order++,
		.keeps = keeps,
	};

	*LIST_ADD(&state->moves, shard_arena(t->shard)) = move;
	t->changed = true;
	stage_event(t, ladder, from, move.stage, source, cause, evidence);
}
