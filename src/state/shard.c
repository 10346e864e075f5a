/* shard.c - transactions over the packed subjects of a partition. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/shard_parts.h"

#include "base/heap.h"

enum { EXPECT_MIN = 10000 }; /* fewer subjects stay in the cache by themselves */

static void begin_life(struct shard *s, int32_t partition, struct shard_settings settings,
		       struct shard_work *work)
{
	*s = (struct shard){.partition = partition, .settings = settings, .work = work};
	s->marker.next_offset = -1;
	names_init(&s->names);
	table_init(&s->table);
}

int shard_new(struct shard **out, int32_t partition, const struct shard_settings *settings,
	      struct shard *beside, struct err *err)
{
	OWNED_MEM struct shard *s = calloc(1, sizeof *s);
	struct shard_work *work = beside ? beside->work : calloc(1, sizeof *work);

	if (!s || !work)
		return err_set(err, ERR_OS, "state: out of memory");
	work->shards++;
	begin_life(s, partition, *settings, work);
	*out = TAKE(s);
	return 0;
}

static void end_life(struct shard *s)
{
	table_fini(&s->table);
	names_fini(&s->names);
	free(s->corps);
	free(s->lives);
	free(s->switches);
}

void shard_give_back(struct shard *s)
{
	struct shard_work *work = s->work;

	assert(!work->open);
	arena_fini(&work->arena);
	buf_fini(&work->packed);
	buf_fini(&work->scratch);
	buf_fini(&work->encoded);
	free(work->names.items);
	free(work->changes);
	*work = (struct shard_work){.shards = work->shards};
}

void shard_free(struct shard *s)
{
	if (!s)
		return;
	end_life(s);
	s->work->open -= s->open;
	if (--s->work->shards == 0) {
		shard_give_back(s);
		free(s->work);
	}
	free(s);
}

void shard_clear(struct shard *s)
{
	assert(!s->open);
	end_life(s);
	begin_life(s, s->partition, s->settings, s->work);
}

/* ---- corps and clocks ---- */

static uint32_t find_corp(const struct shard *s, struct str corpid)
{
	if (s->corp_count && str_eq(s->corps[s->last_corp].id, corpid))
		return s->last_corp;
	for (uint32_t i = 0; i < s->corp_count; i++)
		if (str_eq(s->corps[i].id, corpid))
			return i;
	return TABLE_NONE;
}

uint32_t shard_corp(struct shard *s, struct str corpid)
{
	uint32_t corp = find_corp(s, corpid);

	if (corp == TABLE_NONE) {
		if (s->corp_count == s->corp_cap) {
			s->corp_cap = MAX(s->corp_cap * 2, 4u);
			s->corps = heap_grown(s->corps, s->corp_cap * sizeof *s->corps);
		}
		corp = table_add_queue(&s->table);
		assert(corp == s->corp_count);
		s->corps[s->corp_count++] = (struct corp){.id = names_keep(&s->names, corpid)};
	}
	s->last_corp = corp;
	return corp;
}

int64_t shard_clock_ms(const struct shard *s, struct str corpid)
{
	uint32_t corp = find_corp(s, corpid);

	return corp == TABLE_NONE ? 0 : s->corps[corp].clock_ms;
}

void shard_set_clock_ms(struct shard *s, struct str corpid, int64_t clock_ms)
{
	assert(s->open);
	uint32_t corp = shard_corp(s, corpid); /* moves s->corps */
	s->corps[corp].clock_ms = clock_ms;
}

const struct shard_settings *shard_settings(const struct shard *s)
{
	return &s->settings;
}

/* ---- the marker ---- */

int64_t shard_next_offset(const struct shard *s)
{
	return s->marker.next_offset;
}

void shard_set_next_offset(struct shard *s, int64_t offset)
{
	assert(s->open);
	s->marker.next_offset = offset;
}

struct str shard_lineage(const struct shard *s)
{
	return s->marker.lineage;
}

void shard_set_lineage(struct shard *s, struct str lineage)
{
	assert(!s->open);
	s->marker.lineage = names_keep(&s->names, lineage);
}

struct str shard_ruleset(const struct shard *s)
{
	return s->marker.ruleset;
}

void shard_set_ruleset(struct shard *s, struct str digest, int64_t offset)
{
	assert(s->open);
	s->marker.ruleset = names_keep(&s->names, digest);
	if (s->switch_count == s->switch_cap) {
		s->switch_cap = MAX(s->switch_cap * 2, 4u);
		s->switches = heap_grown(s->switches, s->switch_cap * sizeof *s->switches);
	}
	s->switches[s->switch_count++] = (struct rule_switch){s->marker.ruleset, offset};
}

/* ---- subjects ---- */

static struct live *live_of(struct subject *subject)
{
	return (struct live *)subject;
}

static struct live *live_new(struct shard *s, uint32_t slot)
{
	struct live *live = ARENA_NEW(&s->work->arena, struct live);
	struct slot *place = &s->table.slots[slot];

	if (s->live_count == s->live_cap) {
		s->live_cap = MAX(s->live_cap * 2, 256u);
		s->lives = heap_grown(s->lives, s->live_cap * sizeof(struct live *));
	}
	live->slot = slot;
	live->corp = place->corp;
	live->saved_due_ms = place->due_ms;
	live->subject.corpid = s->corps[place->corp].id;
	live->subject.id = table_id(&s->table, slot);
	s->lives[s->live_count++] = live;
	place->live = s->live_count;
	return live;
}

/* Unpacks the subject of a slot, unless this transaction already has. */
static struct live *live_get(struct shard *s, uint32_t slot)
{
	uint32_t index = s->table.slots[slot].live;

	if (index)
		return s->lives[index - 1];
	struct live *live = live_new(s, slot);
	struct str corpid = live->subject.corpid, id = live->subject.id;
	if (!codec_unpack(table_packed(&s->table, slot), &s->names, &s->work->arena, &live->subject)) {
		s->broken = true; /* shard_check() tells */
		live->subject = (struct subject){.corpid = corpid, .id = id};
	}
	return live;
}

static uint32_t find_slot(struct shard *s, uint32_t corp, struct str id)
{
	uint32_t last = s->last_slot;

	if (last < s->table.slot_count && s->table.slots[last].block &&
	    s->table.slots[last].corp == corp && str_eq(table_id(&s->table, last), id))
		return last;
	uint32_t slot = table_find(&s->table, corp, id);
	if (slot != TABLE_NONE)
		s->last_slot = slot;
	return slot;
}

/* Each part is fetched a third of the way before the next one, which is found through it. */
void shard_expect(struct shard *s, struct str key)
{
	const char *slash;

	if (s->table.used < EXPECT_MIN || !key.len || !(slash = memchr(key.data, '/', key.len)))
		return;
	size_t corp_len = (size_t)(slash - key.data);
	uint32_t corp = find_corp(s, (struct str){key.data, corp_len});
	uint32_t hash = table_hash(corp, str_from(key, corp_len + 1));
	uint32_t at = s->expected_at, step = SHARD_AHEAD / 3;

	table_fetch(&s->table, hash, TABLE_INDEX);
	table_fetch(&s->table, s->expected[(at + 2 * step) % SHARD_AHEAD], TABLE_SLOT);
	table_fetch(&s->table, s->expected[(at + step) % SHARD_AHEAD], TABLE_BLOCK);
	s->expected[at] = hash;
	s->expected_at = (at + 1) % SHARD_AHEAD;
}

bool shard_look(struct shard *s, struct str corpid, struct str id, struct shard_glance *out)
{
	uint32_t corp = find_corp(s, corpid);

	assert(s->open);
	uint32_t slot = corp == TABLE_NONE ? TABLE_NONE : find_slot(s, corp, id);
	if (slot == TABLE_NONE)
		return false;
	*out = (struct shard_glance){0};
	uint32_t index = s->table.slots[slot].live;
	if (!index) {
		out->packed = table_packed(&s->table, slot);
		codec_look(out->packed, &out->erased_ms, &out->awaits);
		return true;
	}
	const struct live *live = s->lives[index - 1];
	if (live->forgotten)
		return false;
	out->subject = &live->subject;
	out->erased_ms = live->subject.erased_ms;
	out->awaits = live->subject.waits.count || live->subject.nears.count;
	return true;
}

bool shard_remembers(const struct shard *s, const struct shard_glance *glance, struct str corpid,
		     uint64_t msgid_hash)
{
	int64_t clock_ms = shard_clock_ms(s, corpid);

	if (glance->subject)
		return subject_remembers(glance->subject, msgid_hash, clock_ms,
					 s->settings.memory_ms);
	return codec_remembers(glance->packed, msgid_hash, clock_ms, s->settings.memory_ms);
}

struct subject *shard_find(struct shard *s, struct str corpid, struct str id)
{
	uint32_t corp = find_corp(s, corpid);

	assert(s->open);
	if (corp == TABLE_NONE)
		return NULL;
	uint32_t slot = find_slot(s, corp, id);
	if (slot == TABLE_NONE)
		return NULL;
	struct live *live = live_get(s, slot);
	return live->forgotten ? NULL : &live->subject;
}

struct subject *shard_get(struct shard *s, struct str corpid, struct str id)
{
	uint32_t corp = shard_corp(s, corpid);

	assert(s->open);
	uint32_t slot = find_slot(s, corp, id);
	if (slot != TABLE_NONE)
		return &live_get(s, slot)->subject; /* empty if it was forgotten */
	/* Who is new may be gone again at the end of the transaction. */
	struct block *guest = arena_alloc(&s->work->arena, sizeof *guest + id.len);
	*guest = (struct block){.id_len = (uint32_t)id.len};
	memcpy(guest->bytes, id.data, id.len);
	struct live *live = live_new(s, table_add_guest(&s->table, corp, guest));
	live->is_new = true;
	return &live->subject;
}

void shard_touched(struct shard *s, struct subject *subject)
{
	struct live *live = live_of(subject);
	int64_t clock_ms = s->corps[live->corp].clock_ms;

	assert(s->open);
	live->changed = true;
	live->forgotten = false;
	subject->touched_ms = clock_ms;
	subject_tidy(subject, &s->work->arena, clock_ms, s->settings.memory_ms);
	table_set_due(&s->table, live->slot, subject_due(subject, s->settings.idle_ms).due_ms);
}

void shard_forget(struct shard *s, struct subject *subject)
{
	struct live *live = live_of(subject);

	assert(s->open);
	live->changed = live->forgotten = true;
	*subject = (struct subject){.corpid = subject->corpid, .id = subject->id};
	table_set_due(&s->table, live->slot, INT64_MAX);
}

struct subject *shard_first_due(struct shard *s, struct str corpid, int64_t until_ms)
{
	uint32_t corp = find_corp(s, corpid);

	if (corp == TABLE_NONE)
		return NULL;
	uint32_t slot = table_first_due(&s->table, corp);
	if (slot == TABLE_NONE || s->table.slots[slot].due_ms > until_ms)
		return NULL;
	return &live_get(s, slot)->subject;
}

struct str shard_name(struct shard *s, struct str text)
{
	return names_keep(&s->names, text);
}

struct str shard_text(struct shard *s, struct str text)
{
	return arena_copy(&s->work->arena, text);
}

struct arena *shard_arena(struct shard *s)
{
	return &s->work->arena;
}

/* ---- transactions ---- */

void shard_begin(struct shard *s)
{
	assert(!s->open && !s->table.unqueued); /* shard_loaded() ends loading */
	s->open = true;
	s->work->open++;
	s->saved_marker = s->marker;
	for (uint32_t i = 0; i < s->corp_count; i++)
		s->corps[i].saved_clock_ms = s->corps[i].clock_ms;
}

static void end(struct shard *s)
{
	s->open = false;
	s->live_count = 0;
	s->switch_count = 0;
	table_tidy(&s->table); /* texts of unpacked subjects stood in the packed ones */
	if (--s->work->open == 0)
		arena_reset(&s->work->arena);
}

void shard_commit(struct shard *s)
{
	assert(s->open);
	for (uint32_t i = 0; i < s->live_count; i++) {
		struct live *live = s->lives[i];
		s->table.slots[live->slot].live = 0;
		if (live->forgotten || (live->is_new && !live->changed)) {
			table_remove(&s->table, live->slot);
		} else if (live->changed) {
			buf_clear(&s->work->packed);
			codec_pack(&s->work->packed, &live->subject);
			table_set_packed(&s->table, live->slot, buf_str(&s->work->packed));
		}
	}
	end(s);
}

void shard_rollback(struct shard *s)
{
	assert(s->open);
	for (uint32_t i = 0; i < s->live_count; i++) {
		struct live *live = s->lives[i];
		s->table.slots[live->slot].live = 0;
		if (live->is_new)
			table_remove(&s->table, live->slot);
		else
			table_set_due(&s->table, live->slot, live->saved_due_ms);
	}
	s->marker = s->saved_marker;
	for (uint32_t i = 0; i < s->corp_count; i++)
		s->corps[i].clock_ms = s->corps[i].saved_clock_ms;
	end(s);
}

bool shard_settle(struct shard *s, uint32_t subjects)
{
	assert(!s->work->open);
	if (s->settled == s->table.slot_count)
		return false;
	for (; subjects && s->settled < s->table.slot_count; s->settled++) {
		uint32_t slot = s->settled;
		struct subject subject = {0};
		if (!s->table.slots[slot].block || !codec_has_table(table_packed(&s->table, slot)))
			continue;
		subjects--;
		if (codec_unpack(table_packed(&s->table, slot), &s->names, &s->work->arena, &subject)) {
			buf_clear(&s->work->packed);
			codec_pack(&s->work->packed, &subject);
			table_set_packed(&s->table, slot, buf_str(&s->work->packed));
		} else {
			s->broken = true;
		}
		arena_reset(&s->work->arena);
	}
	table_tidy(&s->table);
	return s->settled < s->table.slot_count;
}

bool shard_squeeze(struct shard *s, uint32_t steps)
{
	assert(!s->work->open);
	return table_squeeze(&s->table, steps);
}

int shard_check(const struct shard *s, struct err *err)
{
	if (!s->broken)
		return 0;
	return err_set(err, ERR_CONFIG,
		       "state: a subject of partition %d makes no sense, though its checksum is right; "
		       "the state topic was written by something else",
		       (int)s->partition);
}

struct shard_stats shard_stats(const struct shard *s)
{
	return (struct shard_stats){
		.subjects = s->table.used,
		.bytes = table_bytes(&s->table) + s->names.bytes,
	};
}
