/* table.c - slots, a hash index over them, and a heap for each corp. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/table.h"

#include "base/hash.h"

enum { INDEX_START = 1024, BLOCK_HEAD = 8 };

void table_init(struct table *t)
{
	*t = (struct table){.free_slot = TABLE_NONE, .index_size = INDEX_START};
	t->index = pool_system(NULL, t->index_size * sizeof *t->index);
	memset(t->index, 0, t->index_size * sizeof *t->index);
}

/* ---- blocks ---- */

static uint32_t part_len(const char *block, int part)
{
	uint32_t len;

	memcpy(&len, block + 4 * part, sizeof len);
	return len;
}

static size_t block_bytes(const char *block)
{
	return BLOCK_HEAD + (size_t)part_len(block, 0) + part_len(block, 1);
}

static char *block_new(struct table *t, struct str id, struct str packed)
{
	char *block = pool_take(&t->pool, BLOCK_HEAD + id.len + packed.len);
	uint32_t lens[2] = {(uint32_t)id.len, (uint32_t)packed.len};

	memcpy(block, lens, sizeof lens);
	memcpy(block + BLOCK_HEAD, id.data, id.len);
	if (packed.len)
		memcpy(block + BLOCK_HEAD + id.len, packed.data, packed.len);
	return block;
}

struct str table_id(const struct table *t, uint32_t slot)
{
	const char *block = t->slots[slot].block;

	return (struct str){block + BLOCK_HEAD, part_len(block, 0)};
}

struct str table_packed(const struct table *t, uint32_t slot)
{
	const char *block = t->slots[slot].block;

	return (struct str){block + BLOCK_HEAD + part_len(block, 0), part_len(block, 1)};
}

void table_set_packed(struct table *t, uint32_t slot, struct str packed)
{
	char *old = t->slots[slot].block;

	t->slots[slot].block = block_new(t, table_id(t, slot), packed);
	pool_give(&t->pool, old, block_bytes(old));
}

void table_fini(struct table *t)
{
	/* Large blocks are not in the pool's slabs. */
	for (uint32_t i = 0; i < t->slot_count; i++)
		if (t->slots[i].block && block_bytes(t->slots[i].block) > POOL_BLOCK_MAX)
			pool_give(&t->pool, t->slots[i].block, block_bytes(t->slots[i].block));
	for (uint32_t i = 0; i < t->queue_count; i++)
		free(t->queues[i].slots);
	free(t->queues);
	free(t->slots);
	free(t->index);
	pool_fini(&t->pool);
	*t = (struct table){0};
}

/* ---- finding ---- */

static uint32_t hash_of(uint32_t corp, struct str id)
{
	uint64_t hash = hash_64(id) + corp * 0x9e3779b97f4a7c15u;

	return (uint32_t)(hash ^ hash >> 32);
}

uint32_t table_find(const struct table *t, uint32_t corp, struct str id)
{
	uint32_t hash = hash_of(corp, id);

	for (uint32_t at = hash & (t->index_size - 1); t->index[at];
	     at = (at + 1) & (t->index_size - 1)) {
		const struct slot *slot = &t->slots[t->index[at] - 1];
		if (slot->hash == hash && slot->corp == corp &&
		    str_eq(table_id(t, t->index[at] - 1), id))
			return t->index[at] - 1;
	}
	return TABLE_NONE;
}

static void index_put(struct table *t, uint32_t slot)
{
	uint32_t at = t->slots[slot].hash & (t->index_size - 1);

	while (t->index[at])
		at = (at + 1) & (t->index_size - 1);
	t->index[at] = slot + 1;
}

static void index_grow(struct table *t)
{
	t->index_size *= 2;
	t->index = pool_system(t->index, t->index_size * sizeof *t->index);
	memset(t->index, 0, t->index_size * sizeof *t->index);
	for (uint32_t i = 0; i < t->slot_count; i++)
		if (t->slots[i].block)
			index_put(t, i);
}

/* Closes the gap, so that no tombstones are needed (linear probing, backward shift). */
static void index_remove(struct table *t, uint32_t slot)
{
	uint32_t mask = t->index_size - 1;
	uint32_t gap = t->slots[slot].hash & mask;

	while (t->index[gap] != slot + 1)
		gap = (gap + 1) & mask;
	for (uint32_t at = (gap + 1) & mask; t->index[at]; at = (at + 1) & mask) {
		uint32_t home = t->slots[t->index[at] - 1].hash & mask;
		if (((at - home) & mask) >= ((at - gap) & mask)) {
			t->index[gap] = t->index[at];
			gap = at;
		}
	}
	t->index[gap] = 0;
}

uint32_t table_add(struct table *t, uint32_t corp, struct str id)
{
	uint32_t slot = t->free_slot;

	if (slot != TABLE_NONE) {
		t->free_slot = t->slots[slot].hash;
	} else {
		if (t->slot_count == t->slot_cap) {
			t->slot_cap = MAX(t->slot_cap + t->slot_cap / 2, 1024u);
			t->slots = pool_system(t->slots, t->slot_cap * sizeof *t->slots);
		}
		slot = t->slot_count++;
	}
	t->slots[slot] = (struct slot){
		.block = block_new(t, id, (struct str){0}),
		.due_ms = INT64_MAX,
		.hash = hash_of(corp, id),
		.corp = corp,
	};
	t->used++;
	if (t->used > t->index_size / 4 * 3)
		index_grow(t);
	else
		index_put(t, slot);
	return slot;
}

void table_remove(struct table *t, uint32_t slot)
{
	struct slot *s = &t->slots[slot];

	table_set_due(t, slot, INT64_MAX);
	index_remove(t, slot);
	pool_give(&t->pool, s->block, block_bytes(s->block));
	*s = (struct slot){.hash = t->free_slot};
	t->free_slot = slot;
	t->used--;
}

/* ---- the queue ---- */

uint32_t table_add_queue(struct table *t)
{
	if (t->queue_count == t->queue_cap) {
		t->queue_cap = MAX(t->queue_cap * 2, 4u);
		t->queues = pool_system(t->queues, t->queue_cap * sizeof *t->queues);
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

void table_set_due(struct table *t, uint32_t slot, int64_t due_ms)
{
	struct slot *s = &t->slots[slot];
	struct queue *q = &t->queues[s->corp];

	if (s->due_ms == due_ms)
		return;
	if (due_ms == INT64_MAX) {
		queue_leave(t, q, slot);
		s->due_ms = due_ms;
		return;
	}
	s->due_ms = due_ms;
	if (!s->queue_at) {
		if (q->count == q->cap) {
			q->cap = MAX(q->cap + q->cap / 2, 256u);
			q->slots = pool_system(q->slots, q->cap * sizeof *q->slots);
		}
		queue_place(t, q, q->count++, slot);
	}
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
		       t->pool.held_bytes;

	for (uint32_t i = 0; i < t->queue_count; i++)
		bytes += t->queues[i].count * sizeof *t->queues[i].slots;
	return bytes;
}
