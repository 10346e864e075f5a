/* coalesce.c - folds the events of a batch into one change for each row. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/coalesce.h"

#include "base/hash.h"

/* Key → number of its row. Open addressing; at most half full. The key's hash has 64 bits and the
 * whole key is compared. */
struct index {
	struct slot {
		uint64_t hash;
		struct str key;
		uint32_t row; /* + 1; 0: free */
	} * slots;
	size_t mask;
};

struct coalesced {
	struct arena *arena;
	struct index index; /* of all tables: keys begin with the letter of their table */
	struct tag_row *tags;
	struct stage_row *stages;
	struct alert_row *alerts;
	struct day_row *days;
	size_t tag_count, stage_count, alert_count, day_count, message_count;
};

struct coalesced *coalesce_new(struct arena *arena, size_t changes_max)
{
	struct coalesced *c = ARENA_NEW(arena, struct coalesced);
	size_t slots = 64;

	while (slots < changes_max * 2)
		slots *= 2;
	c->arena = arena;
	c->index = (struct index){ARENA_ARRAY(arena, struct slot, slots), slots - 1};
	c->tags = ARENA_ARRAY(arena, struct tag_row, changes_max);
	c->stages = ARENA_ARRAY(arena, struct stage_row, changes_max);
	c->alerts = ARENA_ARRAY(arena, struct alert_row, changes_max);
	c->days = ARENA_ARRAY(arena, struct day_row, changes_max);
	return c;
}

size_t coalesce_changes(const struct event *event)
{
	if (event->type == EVENT_STAGE)
		return 3; /* the stage, and two of a day */
	return event->type == EVENT_TAG ? event->add_count + event->remove_count : 1;
}

/* The row of the key, or `fresh` (then the next row of its table) if it is new. */
static size_t find(struct coalesced *c, char table, const struct str *parts, size_t count,
		   size_t fresh)
{
	size_t len = 1;
	for (size_t i = 0; i < count; i++)
		len += parts[i].len + sizeof(uint32_t);
	char *key = arena_alloc(c->arena, len), *at = key;
	*at++ = table;
	for (size_t i = 0; i < count; i++) {
		uint32_t part_len = (uint32_t)parts[i].len; /* so that a/bc and ab/c differ */
		memcpy(at, &part_len, sizeof part_len);
		if (parts[i].len)
			memcpy(at + sizeof part_len, parts[i].data, parts[i].len);
		at += sizeof part_len + parts[i].len;
	}

	struct str whole = {key, len};
	uint64_t hash = hash_64(whole);
	for (size_t i = hash & c->index.mask;; i = (i + 1) & c->index.mask) {
		struct slot *slot = &c->index.slots[i];
		if (!slot->row) {
			*slot = (struct slot){hash, whole, (uint32_t)fresh + 1};
			return fresh;
		}
		if (slot->hash == hash && str_eq(slot->key, whole))
			return slot->row - 1;
	}
}

static void set_staff(struct coalesced *c, struct tag_row *row, const struct str *ids, size_t count)
{
	if (!row->userids)
		row->userids = arena_alloc(c->arena, sizeof(struct str) * TAG_STAFF_MAX);
	row->userid_count = 0;
	for (size_t i = 0; i < count && row->userid_count < TAG_STAFF_MAX; i++)
		row->userids[row->userid_count++] = ids[i];
}

static void join_staff(struct tag_row *row, const struct str *ids, size_t count)
{
	for (size_t i = 0; i < count && row->userid_count < TAG_STAFF_MAX; i++) {
		bool known = false;
		for (size_t k = 0; k < row->userid_count && !known; k++)
			known = str_eq(row->userids[k], ids[i]);
		if (!known)
			row->userids[row->userid_count++] = ids[i];
	}
}

static void add(struct coalesced *c, struct tag_row *row, const struct event *e,
		const struct tag_change *change)
{
	const struct str *ids = change->userid_count ? change->userids : e->userids;
	size_t count = change->userid_count ? change->userid_count : e->userid_count;
	bool here = !row->removed && (row->reset || row->has_since);

	if (e->cause == CAUSE_STAFF && here) {
		join_staff(row, ids, count);
		return;
	}
	/* Without knowing what the table holds, a staff add is only half an answer. */
	row->reset |= e->cause != CAUSE_STAFF || row->removed;
	row->has_since = true;
	row->since_ms = e->time_ms;
	row->removed = false;
	set_staff(c, row, ids, count);
}

static void change_tag(struct coalesced *c, const struct event *e, const struct tag_change *change,
		       bool adds)
{
	const struct str key[] = {e->corpid, e->external_userid, change->group, change->tag};
	size_t number = find(c, 't', key, ARRAY_LEN(key), c->tag_count);
	struct tag_row *row = &c->tags[number];

	if (number == c->tag_count) {
		c->tag_count++;
		*row = (struct tag_row){e->corpid, e->external_userid, change->group, change->tag};
	} else if (e->sequence < row->sequence ||
		   (e->sequence == row->sequence && row->last != e)) {
		return;
	}
	if (adds) {
		add(c, row, e, change);
	} else {
		row->removed = true;
		row->removed_ms = e->time_ms;
	}
	if (change->wecom_id.len)
		row->wecom_id = change->wecom_id;
	row->pack = e->pack;
	row->rule = e->rule;
	row->msgid = e->msgid;
	row->last = e;
	row->sequence = e->sequence;
}

static struct day_row *day_of(struct coalesced *c, const struct event *e, struct str stage)
{
	int64_t day = e->time_ms / DAY_MS;
	const struct str key[] = {
		e->corpid, e->ladder, stage, {(const char *)&day, sizeof day}
	};
	size_t number = find(c, 'd', key, ARRAY_LEN(key), c->day_count);

	if (number == c->day_count)
		c->days[c->day_count++] = (struct day_row){e->corpid, e->ladder, stage, e->time_ms};
	return &c->days[number];
}

static void change_stage(struct coalesced *c, const struct event *e)
{
	const struct str key[] = {e->corpid, e->external_userid, e->ladder};
	size_t number = find(c, 's', key, ARRAY_LEN(key), c->stage_count);
	struct stage_row *row = &c->stages[number];

	if (e->to_stage.len)
		day_of(c, e, e->to_stage)->entered++;
	if (e->from_stage.len)
		day_of(c, e, e->from_stage)->exited++;

	if (number == c->stage_count)
		c->stage_count++;
	else if (e->sequence <= row->last->sequence)
		return;
	row->last = e;
}

static void change_alert(struct coalesced *c, const struct event *e, struct str evidence_json)
{
	const struct str key[] = {
		{e->alert_id, sizeof e->alert_id}
	};
	size_t number = find(c, 'a', key, ARRAY_LEN(key), c->alert_count);
	struct alert_row *row = &c->alerts[number];

	if (number == c->alert_count) {
		c->alert_count++;
		*row = (struct alert_row){.first = e, .evidence_json = evidence_json};
	} else if (e->sequence <= row->sequence) {
		return;
	}
	if (e->count > row->count) {
		row->count = e->count;
		row->msgids = e->msgids;
		row->msgid_count = e->msgid_count;
	}
	if (e->recalled && !row->recalled) {
		row->recalled = true;
		row->recalled_ms = e->time_ms;
	}
	row->sequence = e->sequence;
}

void coalesce_add(struct coalesced *c, const struct event *e, struct str evidence_json)
{
	switch (e->type) {
	case EVENT_TAG:
		for (int last = 0; last < 2; last++) {
			bool adds = last == coalesce_ends_added(e);
			for (size_t i = 0; i < (adds ? e->add_count : e->remove_count); i++)
				change_tag(c, e, adds ? &e->add[i] : &e->remove[i], adds);
		}
		return;
	case EVENT_STAGE:
		change_stage(c, e);
		return;
	case EVENT_ALERT:
		change_alert(c, e, evidence_json);
		return;
	case EVENT_HIT:
	case EVENT_ERASE:
	case EVENT_TYPE_COUNT:
		return;
	}
}

bool coalesce_first(struct coalesced *c, const struct message *m)
{
	int64_t day = m->msgtime_ms / DAY_MS;
	const struct str key[] = {m->corpid, m->msgid, {(const char *)&day, sizeof day}};

	if (find(c, 'm', key, ARRAY_LEN(key), c->message_count) != c->message_count)
		return false;
	c->message_count++;
	return true;
}

const struct tag_row *coalesced_tags(const struct coalesced *c, size_t *count)
{
	*count = c->tag_count;
	return c->tags;
}

const struct stage_row *coalesced_stages(const struct coalesced *c, size_t *count)
{
	*count = c->stage_count;
	return c->stages;
}

const struct alert_row *coalesced_alerts(const struct coalesced *c, size_t *count)
{
	*count = c->alert_count;
	return c->alerts;
}

const struct day_row *coalesced_days(const struct coalesced *c, size_t *count)
{
	*count = c->day_count;
	return c->days;
}
