/* past.h - the messages of a subject that are remembered, and the alerts that rest on them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Only a second copy of a message and a recall ever look back, and most subjects see neither. So
 * the past is two rows of bytes to which more is added at the end; they are packed and unpacked by
 * copying them, however much they hold. One has the hashes of the messages' msgids, 8 bytes each,
 * little endian: every message that comes is looked for there. The other has, numbers as codec.h
 * has them:
 *
 *	0 time                  the next message; its time is a signed distance from first_ms
 *	1 hash time             a message named again because an alert came later (of a wait)
 *	2 + kind, order, due    an alert that rests on the message before; when it fell due: 0, or
 *	                        ms since 1970
 *
 * A kind is what alerts of one rule have in common, and stands in a list of its own. Where bytes
 * make no sense, reading ends: nothing behind is there.
 *
 * Pure. Thread: belongs to a shard, and so to one worker.
 */
#pragma once

#include "model.h"
#include "state/list.h"

struct alert_kind { /* names of the shard: equal texts are the same pointer */
	struct str pack, rule, category, title;
	enum severity severity;
};

struct past {
	struct str hashes, items;
	size_t hashes_cap, items_cap; /* if they stand in the arena; 0: they are a packed form's */
	int64_t first_ms, oldest_ms; /* time of the first item; of the oldest message */
	uint64_t last; /* hash of the message that was added last, if items_cap is not 0 */
	int64_t last_ms; /* its time */
	LIST(struct alert_kind) kinds;
};

/* An alert that was told and can be taken back by a recall. */
struct past_alert {
	uint32_t kind; /* index into kinds */
	uint32_t order; /* among all that the message did to this subject */
	int64_t due_ms; /* if a wait fired it; else 0 */
};

static inline uint32_t past_messages(const struct past *p)
{
	return (uint32_t)(p->hashes.len / 8);
}

/* When the message was, if it is remembered: of several with that id, which was used again when the
 * memory of the first had lapsed, the newest. */
bool past_find(const struct past *p, uint64_t hash, int64_t *time_ms);

/* Adds a message that is not there, or was there so long ago that it is another one. */
void past_add(struct past *p, struct arena *arena, uint64_t hash, int64_t time_ms);
/* Adds an alert that rests on a message, be it remembered or not. */
void past_add_alert(struct past *p, struct arena *arena, uint64_t hash, int64_t time_ms,
		    struct past_alert alert);
/* The index of this kind. */
uint32_t past_kind(struct past *p, struct arena *arena, struct alert_kind kind);

/* Visits the alerts of one message, or of all with that id, which are newer than `after_ms`. */
void past_each_alert(const struct past *p, uint64_t hash, int64_t after_ms,
		     void (*visit)(void *context, struct past_alert alert), void *context);
uint32_t past_alert_count(const struct past *p);

/* Forgets messages of `time_ms` and older, with their alerts. */
void past_forget(struct past *p, struct arena *arena, int64_t time_ms);
/* Forgets the oldest message with its alerts; there is one. */
void past_forget_oldest(struct past *p, struct arena *arena);
/* Takes the alerts of a message away; it stays remembered. */
void past_drop_alerts(struct past *p, struct arena *arena, uint64_t hash);
