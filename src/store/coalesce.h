/* coalesce.h - what the events of a batch leave of each row: many changes of a key become one.
 * SPDX-License-Identifier: Apache-2.0
 *
 * PostgreSQL refuses to change a row twice in one statement (SQLSTATE 21000), and one write is
 * cheaper than five. The result does not depend on where batches end: applying two parts one
 * after the other leaves the same row as applying the whole. For that a change of a tag says what
 * it knows: either all (`reset`: what was before does not matter), or only what is added to what
 * the table holds; statements.c puts the two together.
 *
 *	add            the customer has the tag since this event, for these staff
 *	add (staff)    had it already: `since` stays, the staff are added; else as add
 *	remove         has it no more; since when it had been there stays
 *
 * Of two events of a key the one with the greater sequence is the newer; what is not newer than
 * what was seen is dropped. Everything lives in the arena given. Pure. Thread: any.
 */
#pragma once

#include "base/arena.h"
#include "model.h"

struct tag_row {
	struct str corpid, external_userid, group, tag, wecom_id;
	struct str *userids; /* room for TAG_STAFF_MAX; NULL: none were named */
	size_t userid_count;
	bool reset;
	bool has_since, removed;
	int64_t since_ms, removed_ms;
	struct str pack, rule, msgid;
	const struct event *last; /* whose change it was */
	uint64_t sequence;
};

struct stage_row {
	const struct event *last;
};

struct alert_row {
	const struct event *first; /* what never changes */
	struct str evidence_json;  /* of the first */
	const struct str *msgids;  /* of the event that counted most */
	size_t msgid_count;
	uint64_t count, sequence;
	bool recalled;
	int64_t recalled_ms;
};

/* How many customers entered and left a stage on a day; every event of the batch counts. */
struct day_row {
	struct str corpid, ladder, stage;
	int64_t time_ms; /* of an event of that day */
	int64_t entered, exited;
};

struct coalesced;

/* How a tag ends that one event removes and adds: a control record adds before it removes, a rule that
 * does both renews the tag (one that takes it again is told by `rules check`). */
static inline bool coalesce_ends_added(const struct event *e)
{
	return e->cause != CAUSE_MANUAL;
}

/* Room for what so many changes can leave. */
struct coalesced *coalesce_new(struct arena *arena, size_t changes_max);
/* How many changes an event makes; for changes_max. */
size_t coalesce_changes(const struct event *event);
void coalesce_add(struct coalesced *c, const struct event *event, struct str evidence_json);

/* Whether no message of this id and day was seen before; for the table of messages. */
bool coalesce_first(struct coalesced *c, const struct message *message);

/* The rows, in the order in which their keys were first seen. */
const struct tag_row *coalesced_tags(const struct coalesced *c, size_t *count);
const struct stage_row *coalesced_stages(const struct coalesced *c, size_t *count);
const struct alert_row *coalesced_alerts(const struct coalesced *c, size_t *count);
const struct day_row *coalesced_days(const struct coalesced *c, size_t *count);
