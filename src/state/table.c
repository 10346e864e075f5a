/* table.c - slots, a hash index over them, and a heap for each corp. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/table.h"

#include "base/hash.h"
#include "base/heap.h"
#include "base/pages.h"

enum { INDEX_START = 1024 };
enum { FETCH_BYTES = 256 }; /* of a block: its id, and what is asked of every message in nearly all */

void table_init(struct table *t)
{
	*t = (struct table){.free_slot = TABLE_NONE, .index_size = INDEX_START};
	t->index = pages_grown(NULL, 0, t->index_size * sizeof *t->index);
}

/* ---- blocks ---- */

struct str table_id(const struct table *t, uint32_t slot)
{
	const struct block *block = t->slots[slot].block;

	return (struct str){block->bytes, block->id_len};
}

struct str table_packed(const struct table *t, uint32_t slot)
{
	const struct block *block = t->slots[slot].block;

	return (struct str){block->bytes + block->id_len, block->packed_len};
}

void table_set_packed(struct table *t, uint32_t slot, struct str packed)
{
	struct block *old = t->slots[slot].block;

	t->slots[slot].block = blocks_add(&t->blocks, slot, table_id(t, slot), packed);
	blocks_drop(&t->blocks, old);
}

static void moved(void *context, struct block *block)
{
	struct table *t = context;

	t->slots[block->owner].block = block;
}

void table_tidy(struct table *t)
{
	blocks_tidy(&t->blocks, moved, t);
}

bool table_squeeze(struct table *t, uint32_t slabs)
{
	return blocks_squeeze(&t->blocks, slabs, moved, t);
}

void table_fini(struct table *t)
{
	for (uint32_t i = 0; i < t->queue_count; i++)
		free(t->queues[i].slots);
	free(t->queues);
	pages_free(t->slots, t->slot_cap * sizeof *t->slots);
	pages_free(t->index, t->index_size * sizeof *t->index);
	blocks_fini(&t->blocks);
	*t = (struct table){0};
}

/* ---- finding ---- */

uint32_t table_hash(uint32_t corp, struct str id)
{
	uint64_t hash = hash_64(id) + corp * 0x9e3779b97f4a7c15u;

	return (uint32_t)(hash ^ hash >> 32);
}

/* An entry of the index: the slot + 1 in as many bits as the index has places, and above them bits of
 * the hash that did not choose the place, so that the slots of others are not looked at: each would be a
 * miss of the cache. There are never more slots than three quarters of the places. */
static uint32_t entry_of(const struct table *t, uint32_t slot, uint32_t hash)
{
	return (slot + 1) | (hash & ~(t->index_size - 1));
}

static uint32_t entry_slot(const struct table *t, uint32_t entry)
{
	return (entry & (t->index_size - 1)) - 1;
}

/* The first place from `at` on that holds an entry of such a hash, or none. */
static uint32_t index_probe(const struct table *t, uint32_t hash, uint32_t at)
{
	uint32_t mask = t->index_size - 1;

	for (at &= mask; t->index[at] && (t->index[at] ^ hash) & ~mask; at = (at + 1) & mask)
		continue;
	return at;
}

uint32_t table_find(const struct table *t, uint32_t corp, struct str id)
{
	uint32_t hash = table_hash(corp, id);

	for (uint32_t at = index_probe(t, hash, hash); t->index[at]; at = index_probe(t, hash, at + 1)) {
		uint32_t slot = entry_slot(t, t->index[at]);
		const struct slot *s = &t->slots[slot];
		if (s->hash == hash && s->corp == corp && str_eq(table_id(t, slot), id))
			return slot;
	}
	return TABLE_NONE;
}

void table_fetch(const struct table *t, uint32_t hash, enum table_part part)
{
	if (part == TABLE_INDEX) {
		__builtin_prefetch(&t->index[hash & (t->index_size - 1)]);
		return;
	}
	uint32_t at = index_probe(t, hash, hash);
	if (!t->index[at])
		return;
	const struct slot *slot = &t->slots[entry_slot(t, t->index[at])];
	if (part == TABLE_SLOT)
		__builtin_prefetch(slot);
	else
		prefetch(slot->block, FETCH_BYTES);
}

static void index_put(struct table *t, uint32_t slot)
{
	uint32_t hash = t->slots[slot].hash, at = hash & (t->index_size - 1);

	while (t->index[at])
		at = (at + 1) & (t->index_size - 1);
	t->index[at] = entry_of(t, slot, hash);
}

static void index_grow(struct table *t)
{
	pages_free(t->index, t->index_size * sizeof *t->index);
	t->index_size *= 2;
	t->index = pages_grown(NULL, 0, t->index_size * sizeof *t->index);
	for (uint32_t i = 0; i < t->slot_count; i++)
		if (t->slots[i].block)
			index_put(t, i);
}

/* Closes the gap, so that no tombstones are needed (linear probing, backward shift). */
static void index_remove(struct table *t, uint32_t slot)
{
	uint32_t mask = t->index_size - 1;
	uint32_t entry = entry_of(t, slot, t->slots[slot].hash), gap = t->slots[slot].hash & mask;

	while (t->index[gap] != entry)
		gap = (gap + 1) & mask;
	for (uint32_t at = (gap + 1) & mask; t->index[at]; at = (at + 1) & mask) {
		uint32_t home = t->slots[entry_slot(t, t->index[at])].hash & mask;
		if (((at - home) & mask) >= ((at - gap) & mask)) {
			t->index[gap] = t->index[at];
			gap = at;
		}
	}
	t->index[gap] = 0;
}

/* A slot without a block, which is not in the index yet. */
static uint32_t new_slot(struct table *t, uint32_t corp, struct str id)
{
	uint32_t slot = t->free_slot;

	if (slot != TABLE_NONE) {
		t->free_slot = t->slots[slot].hash;
	} else {
		if (t->slot_count == t->slot_cap) {
			uint32_t cap = MAX(t->slot_cap + t->slot_cap / 2, 1024u);
			t->slots = pages_grown(t->slots, t->slot_cap * sizeof *t->slots,
					       cap * sizeof *t->slots);
			t->slot_cap = cap;
		}
		slot = t->slot_count++;
	}
	t->slots[slot] = (struct slot){.due_ms = INT64_MAX, .hash = table_hash(corp, id), .corp = corp};
	return slot;
}

static void enter(struct table *t, uint32_t slot, struct block *block)
{
	t->slots[slot].block = block;
	t->used++;
	if (t->used > t->index_size / 4 * 3)
		index_grow(t);
	else
		index_put(t, slot);
}

/* A new slot. The subject must not be there. */
static uint32_t table_add(struct table *t, uint32_t corp, struct str id, struct str packed)
{
	uint32_t slot = new_slot(t, corp, id);

	enter(t, slot, blocks_add(&t->blocks, slot, id, packed));
	return slot;
}

uint32_t table_add_guest(struct table *t, uint32_t corp, struct block *guest)
{
	uint32_t slot = new_slot(t, corp, (struct str){guest->bytes, guest->id_len});

	guest->owner = BLOCK_GUEST;
	enter(t, slot, guest);
	return slot;
}

void table_remove(struct table *t, uint32_t slot)
{
	struct slot *s = &t->slots[slot];

	table_set_due(t, slot, INT64_MAX);
	index_remove(t, slot);
	blocks_drop(&t->blocks, s->block);
	*s = (struct slot){.hash = t->free_slot};
	t->free_slot = slot;
	t->used--;
}

void table_put(struct table *t, uint32_t corp, struct str id, struct str packed, int64_t due_ms)
{
	uint32_t slot = table_find(t, corp, id);

	if (slot == TABLE_NONE)
		slot = table_add(t, corp, id, packed);
	else
		table_set_packed(t, slot, packed);
	table_set_due(t, slot, due_ms);
}

/* ---- the queue ---- */

uint32_t table_add_queue(struct table *t)
{
	if (t->queue_count == t->queue_cap) {
		t->queue_cap = MAX(t->queue_cap * 2, 4u);
		t->queues = heap_grown(t->queues, t->queue_cap * sizeof *t->queues);
	}
	t->queues[t->queue_count] = (struct queue){0};
	return t->queue_count++;
}

static bool before(const struct table *t, uint32_t a, uint32_t b)
{
	const struct slot *left = &t->slots[a], *right = &t->slots[b];

	if (left->due_ms != right->due_ms)
		return left->due_ms < right->due_ms;
	return str_cmp(table_id(t, a), table_id(t, b)) < 0;
}

static void queue_place(struct table *t, struct queue *q, uint32_t at, uint32_t slot)
{
	q->slots[at] = slot;
	t->slots[slot].queue_at = at + 1;
}

static void sift_up(struct table *t, struct queue *q, uint32_t at)
{
	uint32_t slot = q->slots[at];

	for (; at > 0 && before(t, slot, q->slots[(at - 1) / 2]); at = (at - 1) / 2)
		queue_place(t, q, at, q->slots[(at - 1) / 2]);
	queue_place(t, q, at, slot);
}

static void sift_down(struct table *t, struct queue *q, uint32_t at)
{
	uint32_t slot = q->slots[at];

	for (uint32_t child; (child = 2 * at + 1) < q->count; at = child) {
		if (child + 1 < q->count && before(t, q->slots[child + 1], q->slots[child]))
			child++;
		if (!before(t, q->slots[child], slot))
			break;
		queue_place(t, q, at, q->slots[child]);
	}
	queue_place(t, q, at, slot);
}

static void queue_leave(struct table *t, struct queue *q, uint32_t slot)
{
	uint32_t at = t->slots[slot].queue_at - 1;

	t->slots[slot].queue_at = 0;
	uint32_t last = q->slots[--q->count];
	if (last == slot)
		return;
	queue_place(t, q, at, last);
	sift_up(t, q, at);
	sift_down(t, q, t->slots[last].queue_at - 1);
}

static void queue_append(struct table *t, struct queue *q, uint32_t slot)
{
	if (q->count == q->cap) {
		q->cap = MAX(q->cap + q->cap / 2, 256u);
		q->slots = heap_grown(q->slots, q->cap * sizeof *q->slots);
	}
	queue_place(t, q, q->count++, slot);
}

void table_unqueue(struct table *t)
{
	if (t->unqueued)
		return;
	t->unqueued = true;
	for (uint32_t i = 0; i < t->queue_count; i++)
		t->queues[i].count = 0;
	for (uint32_t i = 0; i < t->slot_count; i++)
		t->slots[i].queue_at = 0;
}

void table_queue_all(struct table *t)
{
	if (!t->unqueued)
		return;
	t->unqueued = false;
	for (uint32_t i = 0; i < t->slot_count; i++)
		if (t->slots[i].block && t->slots[i].due_ms != INT64_MAX)
			queue_append(t, &t->queues[t->slots[i].corp], i);
	for (uint32_t i = 0; i < t->queue_count; i++)
		for (uint32_t at = t->queues[i].count / 2; at-- > 0;)
			sift_down(t, &t->queues[i], at);
}

void table_set_due(struct table *t, uint32_t slot, int64_t due_ms)
{
	struct slot *s = &t->slots[slot];
	struct queue *q = &t->queues[s->corp];

	if (s->due_ms == due_ms)
		return;
	if (t->unqueued) {
		s->due_ms = due_ms;
		return;
	}
	if (due_ms == INT64_MAX) {
		queue_leave(t, q, slot);
		s->due_ms = due_ms;
		return;
	}
	s->due_ms = due_ms;
	if (!s->queue_at)
		queue_append(t, q, slot);
	sift_up(t, q, s->queue_at - 1);
	sift_down(t, q, s->queue_at - 1);
}

uint32_t table_first_due(const struct table *t, uint32_t corp)
{
	const struct queue *q = &t->queues[corp];

	return q->count ? q->slots[0] : TABLE_NONE;
}

size_t table_bytes(const struct table *t)
{
	size_t bytes = t->slot_count * sizeof *t->slots + t->index_size * sizeof *t->index +
		       t->blocks.held_bytes;

	for (uint32_t i = 0; i < t->queue_count; i++)
		bytes += t->queues[i].count * sizeof *t->queues[i].slots;
	return bytes;
}
