/* tally.c - customers' rows, event by event. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tally.h"

#include "base/hash.h"
#include "base/heap.h"
#include "state/names.h"
#include "store/coalesce.h"

enum { SLOTS_FIRST = 1024 };

struct slot {
	uint64_t hash;
	struct tally_row *row; /* NULL: free */
};

struct tally {
	struct names names; /* every text but ids of messages */
	struct slot *slots;
	size_t mask, count;
	struct tally_row *rows;
	struct str *forgotten; /* corpid and subject in turn, kept names */
	size_t forgotten_count;
};

struct tally *tally_new(void)
{
	struct tally *t = heap_zeroed(1, sizeof *t);

	t->mask = SLOTS_FIRST - 1;
	t->slots = heap_zeroed(SLOTS_FIRST, sizeof *t->slots);
	names_init(&t->names);
	return t;
}

void tally_free(struct tally *t)
{
	if (!t)
		return;
	while (t->rows) {
		struct tally_row *row = t->rows;
		t->rows = row->next;
		free((void *)(uintptr_t)row->msgid.data);
		free(row->texts);
		free(row);
	}
	names_fini(&t->names);
	free(t->slots);
	free(t->forgotten);
	free(t);
}

/* ---- rows ---- */

static void grow(struct tally *t)
{
	size_t mask = t->mask * 2 + 1;
	struct slot *slots = heap_zeroed(mask + 1, sizeof *slots);

	for (size_t i = 0; i <= t->mask; i++) {
		size_t at = t->slots[i].hash & mask;
		if (!t->slots[i].row)
			continue;
		while (slots[at].row)
			at = (at + 1) & mask;
		slots[at] = t->slots[i];
	}
	free(t->slots);
	t->slots = slots;
	t->mask = mask;
}

static bool is_row(const struct tally_row *row, const struct tally_row *key)
{
	if (row->table != key->table)
		return false;
	if (key->table == TALLY_ALERT)
		return memcmp(row->alert_id, key->alert_id, sizeof row->alert_id) == 0;
	/* Kept names: the same text is the same address. */
	return row->corpid.data == key->corpid.data && row->subject.data == key->subject.data &&
	       row->group.data == key->group.data && row->name.data == key->name.data;
}

/* The row of the key, made if it is new. */
static struct tally_row *find(struct tally *t, const struct tally_row *key, bool *fresh)
{
	const void *parts[] = {key->corpid.data, key->subject.data, key->group.data,
			       key->name.data};
	struct str bytes = key->table == TALLY_ALERT
				   ? (struct str){key->alert_id, sizeof key->alert_id}
				   : (struct str){(const char *)parts, sizeof parts};
	uint64_t hash = hash_64(bytes) + key->table;
	size_t at = hash & t->mask;

	for (; t->slots[at].row; at = (at + 1) & t->mask)
		if (t->slots[at].hash == hash && is_row(t->slots[at].row, key)) {
			*fresh = false;
			return t->slots[at].row;
		}
	struct tally_row *row = heap_grown(NULL, sizeof *row);
	*row = *key;
	row->next = t->rows;
	t->rows = row;
	t->slots[at] = (struct slot){hash, row};
	if (++t->count * 2 > t->mask)
		grow(t);
	*fresh = true;
	return row;
}

static struct str keep(struct tally *t, struct str text)
{
	return names_keep(&t->names, text);
}

static void note(struct tally *t, struct tally_row *row, const struct event *e,
		 const struct tally_place *place)
{
	char *msgid = heap_grown((void *)(uintptr_t)row->msgid.data, e->msgid.len + 1);

	memcpy(msgid, e->msgid.data, e->msgid.len);
	row->msgid = (struct str){msgid, e->msgid.len};
	row->pack = keep(t, e->pack);
	row->rule = keep(t, e->rule);
	row->sequence = e->sequence;
	memcpy(row->event_id, e->id, sizeof row->event_id);
	row->place = *place;
}

/* ---- the three tables ---- */

static void set_texts(struct tally *t, struct tally_row *row, const struct str *texts, size_t count)
{
	row->texts = heap_grown(row->texts, (MAX(count, (size_t)TAG_STAFF_MAX)) * sizeof *row->texts);
	row->text_count = count;
	for (size_t i = 0; i < count; i++)
		row->texts[i] = keep(t, texts[i]);
}

static void join_staff(struct tally *t, struct tally_row *row, const struct str *ids, size_t count)
{
	for (size_t i = 0; i < count && row->text_count < TAG_STAFF_MAX; i++) {
		bool known = false;
		for (size_t k = 0; k < row->text_count && !known; k++)
			known = str_eq(row->texts[k], ids[i]);
		if (!known)
			row->texts[row->text_count++] = keep(t, ids[i]);
	}
}

static void take_change(struct tally *t, const struct event *e, const struct tag_change *change,
			bool adds, const struct tally_place *place)
{
	struct tally_row key = {.table = TALLY_TAG,
				.corpid = keep(t, e->corpid),
				.subject = keep(t, e->external_userid),
				.group = keep(t, change->group),
				.name = keep(t, change->tag)};
	const struct str *ids = change->userid_count ? change->userids : e->userids;
	size_t count = change->userid_count ? change->userid_count : e->userid_count;
	bool fresh;
	struct tally_row *row = find(t, &key, &fresh);

	/* An event may remove a tag and add it again: its changes are one. */
	bool same = !fresh && memcmp(row->event_id, e->id, sizeof e->id) == 0 &&
		    row->sequence == e->sequence;
	if (!fresh && !same && e->sequence <= row->sequence)
		return;
	if (adds && e->cause == CAUSE_STAFF && row->here) {
		join_staff(t, row, ids, count);
	} else if (adds) {
		set_texts(t, row, ids, MIN(count, (size_t)TAG_STAFF_MAX));
		row->since_ms = e->time_ms;
		row->has_since = row->here = true;
	} else {
		row->here = false;
		row->removed_ms = e->time_ms;
	}
	if (change->wecom_id.len)
		row->wecom_id = keep(t, change->wecom_id);
	note(t, row, e, place);
}

static void take_stage(struct tally *t, const struct event *e, const struct tally_place *place)
{
	struct tally_row key = {.table = TALLY_STAGE,
				.corpid = keep(t, e->corpid),
				.subject = keep(t, e->external_userid),
				.name = keep(t, e->ladder)};
	bool fresh;
	struct tally_row *row = find(t, &key, &fresh);

	if (!fresh && e->sequence <= row->sequence)
		return;
	row->stage = keep(t, e->to_stage);
	row->previous = keep(t, e->from_stage);
	row->since_ms = e->time_ms;
	note(t, row, e, place);
}

static bool take_alert(struct tally *t, const struct event *e, const struct tally_place *place)
{
	struct tally_row key = {.table = TALLY_ALERT,
				.corpid = keep(t, e->corpid),
				.subject = keep(t, e->subject)};
	bool fresh;

	memcpy(key.alert_id, e->alert_id, sizeof key.alert_id);
	struct tally_row *row = find(t, &key, &fresh);
	if (!fresh && e->sequence <= row->sequence)
		return false;
	if (e->count > row->count) {
		row->count = e->count;
		set_texts(t, row, e->msgids, e->msgid_count);
	}
	if (e->recalled && !row->recalled) {
		row->recalled = true;
		row->recalled_ms = e->time_ms;
	}
	note(t, row, e, place);
	return fresh;
}

bool tally_take(struct tally *t, const struct event *e, const struct tally_place *place)
{
	switch (e->type) {
	case EVENT_TAG:
		for (int last = 0; last < 2; last++) {
			bool adds = last == coalesce_ends_added(e);
			for (size_t i = 0; i < (adds ? e->add_count : e->remove_count); i++)
				take_change(t, e, adds ? &e->add[i] : &e->remove[i], adds, place);
		}
		return false;
	case EVENT_STAGE:
		take_stage(t, e, place);
		return false;
	case EVENT_ALERT:
		return take_alert(t, e, place);
	case EVENT_HIT:
	case EVENT_ERASE:
	case EVENT_TYPE_COUNT:
		return false;
	}
	UNREACHABLE("an event's type that is not in the enum");
}

/* ---- who is gone ---- */

static bool tally_is_forgotten(const struct tally *t, struct str corpid, struct str subject)
{
	for (size_t i = 0; i < t->forgotten_count; i += 2)
		if (str_eq(t->forgotten[i], corpid) && str_eq(t->forgotten[i + 1], subject))
			return true;
	return false;
}

void tally_forget(struct tally *t, struct str corpid, struct str subject)
{
	if (tally_is_forgotten(t, corpid, subject))
		return;
	t->forgotten = heap_grown(t->forgotten, (t->forgotten_count + 2) * sizeof *t->forgotten);
	t->forgotten[t->forgotten_count++] = keep(t, corpid);
	t->forgotten[t->forgotten_count++] = keep(t, subject);
}

void tally_each(const struct tally *t, enum tally_table table,
		void (*visit)(void *context, const struct tally_row *row), void *context)
{
	for (const struct tally_row *row = t->rows; row; row = row->next)
		if (row->table == table && !tally_is_forgotten(t, row->corpid, row->subject))
			visit(context, row);
}
