/* control.c - the word of a person or of another system, applied in its place in the log. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "react/turn.h"

/* "group/tag", or "tag" if only one group has it. */
static bool find_tag(const struct ruleset *set, struct str name, struct tag_ref *out)
{
	unsigned found = 0;

	for (size_t g = 0; g < set->group_count; g++) {
		const struct tag_group *group = &set->groups[g];
		for (size_t i = 0; i < group->tag_count; i++) {
			struct str tag = group->tags[i].name;
			bool full = name.len == group->name.len + 1 + tag.len &&
				    str_starts(name, group->name) &&
				    name.data[group->name.len] == '/' && str_ends(name, tag);
			if (!full && !str_eq(name, tag))
				continue;
			*out = (struct tag_ref){(uint32_t)g, (uint32_t)i};
			if (full)
				return true;
			found++;
		}
	}
	return found == 1;
}

static void change_tags(struct turn *t, const struct control *control)
{
	struct tag_work work = {0};
	struct tag_ref ref;

	for (size_t i = 0; i < control->add_count; i++) {
		if (find_tag(t->set, control->add[i], &ref))
			tag_add(t, (struct source){0}, false, ref,
				t->set->groups[ref.group].expires_ms, &work);
		else
			t->reactor->counts.controls_unknown++;
	}
	for (size_t i = 0; i < control->remove_count; i++) {
		if (find_tag(t->set, control->remove[i], &ref))
			tag_remove(t, ref, &work);
		else
			t->reactor->counts.controls_unknown++;
	}
	tag_events(t, (struct source){0}, CAUSE_MANUAL, &work, NULL);
}

/* The ladder that is named, or the only one that has the stage. */
static bool find_stage(const struct ruleset *set, const struct control *control, uint32_t *ladder,
		       int32_t *stage)
{
	unsigned found = 0;

	for (size_t i = 0; i < set->ladder_count; i++) {
		const struct ladder *l = &set->ladders[i];
		if (control->ladder.len && !str_eq(l->name, control->ladder))
			continue;
		int32_t index = lookup_stage(l, control->stage);
		if (index == STAGE_NONE)
			continue;
		*ladder = (uint32_t)i;
		*stage = index;
		found++;
	}
	return found == 1;
}

static void change_stage(struct turn *t, const struct control *control)
{
	uint32_t ladder;
	int32_t stage;

	if (!control->stage.len)
		return;
	if (!find_stage(t->set, control, &ladder, &stage)) {
		t->reactor->counts.controls_unknown++;
		return;
	}
	/* A person may move it anywhere, back too, and whatever was said since. */
	const struct ladder *l = &t->set->ladders[ladder];
	if (lookup_stage(l, subject_stage(t->subject, l->name)) != stage)
		stage_move(t, ladder, stage, (struct source){0}, false, CAUSE_MANUAL, NULL);
}

static void erase(struct turn *t)
{
	int64_t erased_ms = MAX(t->subject->erased_ms, t->msgtime_ms);
	uint64_t sequence = t->subject->sequence;

	turn_event(t, EVENT_ERASE, CAUSE_MANUAL, (struct source){0}, (struct str){0});
	shard_forget(t->shard, t->subject);
	/* All that stays is that what is older does nothing, and the number of the last event, for those
	 * who pass over what is not newer. */
	t->subject->erased_ms = erased_ms;
	t->subject->sequence = sequence;
	t->changed = true;
}

void control_apply(struct turn *t, const struct message *message)
{
	const struct control *control = message->control;

	t->manual = true;
	t->by = control->by;
	t->role = ROLE_STAFF;
	if (!t->is_customer)
		t->reactor->counts.not_customer++;
	if (control->erase) {
		erase(t);
	} else if (t->is_customer) {
		change_tags(t, control);
		change_stage(t, control);
	}
	turn_remember(t);
}
