/* tags.c - tags come, are announced to more staff, swap in exclusive groups, and expire. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "react/turn.h"

static bool has(const struct str *items, uint32_t count, struct str item)
{
	for (uint32_t i = 0; i < count; i++)
		if (str_eq(items[i], item))
			return true;
	return false;
}

static void add_change(struct turn *t, tag_changes *changes, struct tag_change change)
{
	*LIST_ADD(changes, t->arena) = change;
}

/* The newest change of an exclusive group; made if there was none. */
static int64_t *change_of(struct turn *t, struct str group)
{
	struct subject *s = t->subject;

	for (uint32_t i = 0; i < s->changes.count; i++)
		if (str_eq(s->changes.items[i].group, group))
			return &s->changes.items[i].time_ms;
	struct group_change *change = LIST_ADD(&s->changes, shard_arena(t->shard));
	change->group = shard_name(t->shard, group);
	return &change->time_ms;
}

static void note_change(struct turn *t, const struct tag_group *group)
{
	if (!group->exclusive)
		return;
	int64_t *time_ms = change_of(t, group->name);
	*time_ms = MAX(*time_ms, t->at_ms);
}

/* The staff the tag was announced for, for `remove`, which names all of them. */
static struct tag_change change_with_staff(struct turn *t, const struct tag_state *state,
					   const struct tag *known)
{
	struct str *userids = ARENA_ARRAY(t->arena, struct str, state->staff.count);

	for (uint32_t i = 0; i < state->staff.count; i++)
		userids[i] = state->staff.items[i];
	return (struct tag_change){state->group, state->tag, known->wecom_id, userids,
				   state->staff.count};
}

struct tag_change tag_take(struct turn *t, uint32_t index, const struct tag *known)
{
	struct tag_state *state = &t->subject->tags.items[index];
	struct tag_change change = change_with_staff(t, state, known);
	const struct tag_group *group = lookup_group(t->set, state->group);

	note_change(t, group);
	LIST_REMOVE(&t->subject->tags, index);
	t->changed = true;
	return change;
}

static void add_proof(struct turn *t, struct tag_state *state, struct source source, bool keeps,
		      int64_t expires_ms)
{
	struct proof *proof;
	uint32_t told = turn_told(t);

	proof = LIST_ADD(&state->proofs, shard_arena(t->shard));
	proof->told = told;
	proof->pack = shard_name(t->shard, source.pack);
	proof->rule = shard_name(t->shard, source.rule);
	proof->expires_ms = expires_ms;
	proof->order = t->order++;
	proof->keeps = keeps;
	t->changed = true;
}

/* Remembers the staff of this conversation; what is new goes to *added. */
static uint32_t meet_staff(struct turn *t, struct tag_state *state, struct str *added)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < t->userid_count; i++) {
		if (has(state->staff.items, state->staff.count, t->userids[i]))
			continue;
		if (state->staff.count >= TAG_STAFF_MAX) {
			t->reactor->counts.staff_full++;
			break;
		}
		struct str userid = shard_name(t->shard, t->userids[i]);
		*LIST_ADD(&state->staff, shard_arena(t->shard)) = userid;
		added[count++] = userid;
	}
	t->changed |= count > 0;
	return count;
}

/* In one message the first rule wins an exclusive group. */
static bool claim(struct turn *t, struct tag_ref ref)
{
	for (uint32_t i = 0; i < t->claims.count; i++)
		if (t->claims.items[i].group == ref.group)
			return t->claims.items[i].tag == ref.tag;
	*LIST_ADD(&t->claims, t->arena) = (struct claim){ref.group, ref.tag};
	return true;
}

/* Takes the other tags of an exclusive group away, but those that the rules no longer know. */
static void swap_out(struct turn *t, const struct tag_group *group, struct tag_work *work)
{
	for (uint32_t i = 0; i < t->subject->tags.count;) {
		const struct tag_state *other = &t->subject->tags.items[i];
		const struct tag *known = str_eq(other->group, group->name)
						  ? lookup_tag(t->set, other->group, other->tag)
						  : NULL;
		if (known)
			add_change(t, &work->remove, tag_take(t, i, known));
		else
			i++;
	}
}

void tag_add(struct turn *t, struct source source, bool keeps, struct tag_ref ref,
	     int64_t expires_ms, struct tag_work *work)
{
	const struct tag_group *group = &t->set->groups[ref.group];
	const struct tag *tag = &group->tags[ref.tag];
	struct subject *s = t->subject;

	if (group->exclusive && !claim(t, ref))
		return;
	struct tag_state *state = subject_tag(s, group->name, tag->name);
	if (state) {
		struct str *added = ARENA_ARRAY(t->arena, struct str, t->userid_count);
		uint32_t count = meet_staff(t, state, added);
		add_proof(t, state, source, keeps, expires_ms);
		if (count)
			add_change(t, &work->staff, (struct tag_change){group->name, tag->name,
								       tag->wecom_id, added, count});
		return;
	}
	if (group->exclusive) {
		/* A person's word stands whatever its time (CONTRACT.md section 2). */
		if (!t->manual && *change_of(t, group->name) > t->at_ms)
			return;
		swap_out(t, group, work);
		note_change(t, group);
	}
	if (s->tags.count >= SUBJECT_TAGS_MAX) {
		t->reactor->counts.tags_full++;
		return;
	}
	state = LIST_ADD(&s->tags, shard_arena(t->shard));
	state->group = shard_name(t->shard, group->name);
	state->tag = shard_name(t->shard, tag->name);
	meet_staff(t, state, ARENA_ARRAY(t->arena, struct str, t->userid_count));
	add_proof(t, state, source, keeps, expires_ms);
	add_change(t, &work->add,
		   (struct tag_change){group->name, tag->name, tag->wecom_id, NULL, 0});
}

void tag_remove(struct turn *t, struct tag_ref ref, struct tag_work *work)
{
	const struct tag_group *group = &t->set->groups[ref.group];
	const struct tag *tag = &group->tags[ref.tag];
	const struct tag_state *state = subject_tag(t->subject, group->name, tag->name);

	if (state)
		add_change(t, &work->remove,
			   tag_take(t, (uint32_t)(state - t->subject->tags.items), tag));
}

static void tell(struct turn *t, struct source source, enum cause cause, const tag_changes *add,
		 const tag_changes *remove, const struct proof_texts *evidence)
{
	struct event *e = turn_event(t, EVENT_TAG, cause, source, (struct str){0});

	e->add = add->items;
	e->add_count = add->count;
	if (remove) {
		e->remove = remove->items;
		e->remove_count = remove->count;
	}
	if (evidence) {
		e->evidence = evidence->items;
		e->evidence_count = evidence->count;
		e->truncated = evidence->truncated;
	}
}

void tag_events(struct turn *t, struct source source, enum cause cause, struct tag_work *work,
		const struct proof_texts *evidence)
{
	if (work->add.count || work->remove.count)
		tell(t, source, cause, &work->add, &work->remove, evidence);
	/* What a control record finds there already is no news to anybody. */
	if (work->staff.count && cause == CAUSE_RULE)
		tell(t, source, CAUSE_STAFF, &work->staff, NULL, evidence);
}

void tag_expire(struct turn *t, uint32_t index)
{
	struct tag_state *state = &t->subject->tags.items[index];
	const struct tag *known = lookup_tag(t->set, state->group, state->tag);
	struct proof *newest = (struct proof *)tag_newest(t->subject, state);

	if (!known) {
		/* It stays without events; without this it would be due for ever. */
		newest->expires_ms = 0;
		t->changed = true;
		return;
	}
	turn_of_told(t, newest->told,
		     t->subject->told.items[newest->told].time_ms + newest->expires_ms);
	struct source source = {newest->pack, newest->rule};
	struct str target = arena_printf(t->arena, "%.*s/%.*s", STR_ARG(state->group),
					 STR_ARG(state->tag));
	struct tag_change *change = ARENA_NEW(t->arena, struct tag_change);
	*change = tag_take(t, index, known);
	struct event *e = turn_event(t, EVENT_TAG, CAUSE_EXPIRY, source, target);
	e->remove = change;
	e->remove_count = 1;
}
