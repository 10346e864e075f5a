/* table.h - all subjects of a partition, packed, found by name and in the order they fall due.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A slot (32 bytes) is a subject's place: its packed block, and its position in the queue of its
 * corp, a binary heap by due time and then subject as bytes. What falls due lies in the state of
 * the subjects; the queue is derived from it and never stored.
 *
 * Private to state/. Thread: belongs to a shard, and so to one worker.
 */
#pragma once

#include "base/str.h"
#include "state/blocks.h"

struct slot {
	struct block *block; /* id and packed form; NULL: a free slot */
	int64_t due_ms;	  /* INT64_MAX: nothing falls due, not in the queue */
	uint32_t hash;
	uint32_t corp;	  /* index into table.queues */
	uint32_t queue_at; /* position in the queue + 1; 0: not in it */
	uint32_t live;	  /* of the shard: unpacked in this transaction; index + 1 */
};

/* The subjects of one corp that have something falling due. */
struct queue {
	uint32_t *slots;
	uint32_t count, cap;
};

struct table {
	struct slot *slots;
	uint32_t slot_count, slot_cap; /* slots ever used */
	uint32_t free_slot; /* head of a list through slot.hash; UINT32_MAX: none */
	uint32_t *index;    /* open addressing: slot + 1 and bits of its hash; 0: free */
	uint32_t index_size, used;
	struct queue *queues;
	uint32_t queue_count, queue_cap;
	bool unqueued; /* table_unqueue() */
	struct blocks blocks;
};

void table_init(struct table *t);
void table_fini(struct table *t);

enum { TABLE_NONE = UINT32_MAX };

/* The slot of a subject, or TABLE_NONE. */
uint32_t table_find(const struct table *t, uint32_t corp, struct str id);
/* What table_find() looks at, one behind the other, each a miss of the cache among a million subjects:
 * fetches one of them while something else is done, the ones before it being there. */
enum table_part { TABLE_INDEX, TABLE_SLOT, TABLE_BLOCK };
void table_fetch(const struct table *t, uint32_t hash, enum table_part part);
uint32_t table_hash(uint32_t corp, struct str id);
/* Makes a subject that is not there; its block stands outside of the table, and lives until
 * table_set_packed() or table_remove(): whoever may not stay leaves nothing behind. */
uint32_t table_add_guest(struct table *t, uint32_t corp, struct block *guest);
void table_remove(struct table *t, uint32_t slot);

struct str table_id(const struct table *t, uint32_t slot);
struct str table_packed(const struct table *t, uint32_t slot);
void table_set_packed(struct table *t, uint32_t slot, struct str packed);
/* Makes a subject, be it there or not, one of this form and due time. */
void table_put(struct table *t, uint32_t corp, struct str id, struct str packed, int64_t due_ms);
/* Moves packed forms together; what table_id() and table_packed() gave before is gone. */
void table_tidy(struct table *t);
/* The same with more care, in steps (blocks_squeeze()). True if there is more to do. */
bool table_squeeze(struct table *t, uint32_t slabs);

/* A queue for one more corp; returns its index. */
uint32_t table_add_queue(struct table *t);
void table_set_due(struct table *t, uint32_t slot, int64_t due_ms);
/* While much is loaded the queues are empty; table_queue_all() makes them at once, in a time that
 * grows with the number of subjects, not of what was loaded. Both may be called twice. */
void table_unqueue(struct table *t);
void table_queue_all(struct table *t);
/* The slot of this corp that is due first, or TABLE_NONE. */
uint32_t table_first_due(const struct table *t, uint32_t corp);

size_t table_bytes(const struct table *t); /* memory held */
