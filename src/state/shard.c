/* shard.c - transactions over the packed subjects of a partition. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/shard.h"

#include "state/codec.h"
#include "state/table.h"

/* A subject that this transaction has unpacked. */
struct live {
	struct subject subject; /* first: react holds pointers to it */
	uint32_t slot;
	uint32_t corp;
	int64_t saved_due_ms;
	bool is_new;	/* was not there at shard_begin() */
	bool changed;
	bool forgotten; /* is not there now */
};

struct corp {
	struct str id;
	int64_t clock_ms, saved_clock_ms;
};

struct marker {
	int64_t next_offset;
	struct str ruleset;
};

struct rule_switch {
	struct str ruleset;
	int64_t offset;
};

struct shard {
	int32_t partition;
	struct shard_settings settings;
	struct names names;
	struct table table;
	struct corp *corps; /* index as table.queues */
	uint32_t corp_count, corp_cap;
	uint32_t last_corp; /* most archives have one */
	uint32_t last_slot; /* of find_slot(): one message asks several times */
	struct marker marker, saved_marker;

	bool open; /* a transaction */
	struct arena arena; /* of the transaction */
	struct live **lives;
	uint32_t live_count, live_cap;
	struct rule_switch *switches; /* of the transaction */
	uint32_t switch_count, switch_cap;

	struct buf packed, scratch; /* working memory */
	struct codec_names codec_names;
	struct buf encoded; /* keys and values of `changes` */
	struct shard_change *changes;
	size_t change_cap;
};

static const struct str marker_key = {"\0pos", 4};
static const struct str switch_prefix = {"\0rul", 4};

int shard_new(struct shard **out, int32_t partition, const struct shard_settings *settings,
	      struct err *err)
{
	OWNED(shard) *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(err, ERR_OS, "state: out of memory");
	s->partition = partition;
	s->settings = *settings;
	s->marker.next_offset = -1;
	names_init(&s->names);
	table_init(&s->table);
	*out = TAKE(s);
	return 0;
}

void shard_free(struct shard *s)
{
	if (!s)
		return;
	table_fini(&s->table);
	names_fini(&s->names);
	arena_fini(&s->arena);
	buf_fini(&s->packed);
	buf_fini(&s->scratch);
	buf_fini(&s->encoded);
	free(s->codec_names.items);
	free(s->corps);
	free(s->lives);
	free(s->switches);
	free(s->changes);
	free(s);
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

static uint32_t get_corp(struct shard *s, struct str corpid)
{
	uint32_t corp = find_corp(s, corpid);

	if (corp == TABLE_NONE) {
		if (s->corp_count == s->corp_cap) {
			s->corp_cap = MAX(s->corp_cap * 2, 4u);
			s->corps = blocks_system(s->corps, s->corp_cap * sizeof *s->corps);
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
	uint32_t corp = get_corp(s, corpid); /* moves s->corps */
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
		s->switches = blocks_system(s->switches, s->switch_cap * sizeof *s->switches);
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
	struct live *live = ARENA_NEW(&s->arena, struct live);
	struct slot *place = &s->table.slots[slot];

	if (s->live_count == s->live_cap) {
		s->live_cap = MAX(s->live_cap * 2, 256u);
		s->lives = blocks_system(s->lives, s->live_cap * sizeof(struct live *));
	}
	live->slot = slot;
	live->corp = place->corp;
	live->saved_due_ms = place->due_ms;
	live->subject.corpid = s->corps[place->corp].id;
	live->subject.id = arena_copy(&s->arena, table_id(&s->table, slot));
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
	codec_unpack(table_packed(&s->table, slot), &s->names, &s->arena, &live->subject);
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
	uint32_t corp = get_corp(s, corpid);

	assert(s->open);
	uint32_t slot = find_slot(s, corp, id);
	if (slot != TABLE_NONE)
		return &live_get(s, slot)->subject; /* empty if it was forgotten */
	struct live *live = live_new(s, table_add(&s->table, corp, id));
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
	subject_tidy(subject, clock_ms, s->settings.memory_ms);
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
	return arena_copy(&s->arena, text);
}

struct arena *shard_arena(struct shard *s)
{
	return &s->arena;
}

/* ---- transactions ---- */

void shard_begin(struct shard *s)
{
	assert(!s->open);
	s->open = true;
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
	arena_reset(&s->arena);
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
			buf_clear(&s->packed);
			codec_pack(&s->packed, &live->subject);
			table_set_packed(&s->table, live->slot, buf_str(&s->packed));
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

/* ---- what the changelog must hold ---- */

static struct shard_change *add_change(struct shard *s, size_t count)
{
	if (count == s->change_cap) {
		s->change_cap = MAX(s->change_cap * 2, (size_t)64);
		s->changes = blocks_system(s->changes, s->change_cap * sizeof *s->changes);
	}
	return &s->changes[count];
}

/* While `encoded` grows, a change holds places in it; the last step makes pointers of them. */
static struct str place(size_t start, size_t end)
{
	return (struct str){(const char *)start, end - start};
}

static void point(const struct shard *s, struct shard_change *change)
{
	change->key.data = s->encoded.data + (size_t)change->key.data;
	change->value.data =
		change->value.len ? s->encoded.data + (size_t)change->value.data : NULL;
}

static void encode_live(struct shard *s, const struct live *live, struct shard_change *change)
{
	struct buf *out = &s->encoded;
	size_t start = out->len;

	buf_put(out, live->subject.corpid);
	buf_putc(out, '/');
	buf_put(out, live->subject.id);
	*change = (struct shard_change){.key = place(start, out->len)};
	if (live->forgotten)
		return;
	buf_clear(&s->packed);
	buf_put(&s->packed, (struct str){out->data + start, out->len - start});
	start = out->len;
	codec_put_subject(out, buf_str(&s->packed), &live->subject, &s->scratch, &s->codec_names);
	change->value = place(start, out->len);
}

static void encode_plain(struct shard *s, struct str key, struct shard_change *change)
{
	struct buf *out = &s->encoded;
	size_t start = out->len;

	buf_put(out, key);
	change->key = place(start, out->len);
	start = out->len;
	codec_put_value(out, key, buf_str(&s->scratch));
	change->value = place(start, out->len);
}

static void encode_switch(struct shard *s, const struct rule_switch *change_of,
			  struct shard_change *change)
{
	char key[12];

	memcpy(key, switch_prefix.data, 4);
	for (int k = 0; k < 8; k++)
		key[4 + k] = (char)((uint64_t)change_of->offset >> (8 * (7 - k)));
	buf_clear(&s->scratch);
	codec_put_text(&s->scratch, change_of->ruleset);
	encode_plain(s, (struct str){key, sizeof key}, change);
}

static void encode_marker(struct shard *s, struct shard_change *change)
{
	uint64_t known = 0;

	buf_clear(&s->scratch);
	codec_put_number(&s->scratch, (uint64_t)s->marker.next_offset);
	codec_put_text(&s->scratch, s->marker.ruleset);
	for (uint32_t i = 0; i < s->corp_count; i++)
		known += s->corps[i].clock_ms != 0;
	codec_put_number(&s->scratch, known);
	for (uint32_t i = 0; i < s->corp_count; i++) {
		if (!s->corps[i].clock_ms)
			continue;
		codec_put_text(&s->scratch, s->corps[i].id);
		codec_put_number(&s->scratch, (uint64_t)s->corps[i].clock_ms);
	}
	encode_plain(s, marker_key, change);
}

static bool marker_moved(const struct shard *s)
{
	if (s->marker.next_offset != s->saved_marker.next_offset || s->switch_count)
		return true;
	for (uint32_t i = 0; i < s->corp_count; i++)
		if (s->corps[i].clock_ms != s->corps[i].saved_clock_ms)
			return true;
	return false;
}

const struct shard_change *shard_changes(struct shard *s, size_t *count)
{
	size_t n = 0;

	assert(s->open);
	buf_clear(&s->encoded);
	for (uint32_t i = 0; i < s->live_count; i++) {
		const struct live *live = s->lives[i];
		if (live->changed && !(live->is_new && live->forgotten)) {
			encode_live(s, live, add_change(s, n));
			n++;
		}
	}
	for (uint32_t i = 0; i < s->switch_count; i++, n++)
		encode_switch(s, &s->switches[i], add_change(s, n));
	if (n || marker_moved(s)) {
		encode_marker(s, add_change(s, n));
		n++;
	}
	for (size_t i = 0; i < n; i++)
		point(s, &s->changes[i]);
	*count = n;
	return s->changes;
}

void shard_each(struct shard *s, void (*visit)(void *context, struct str key, struct str value),
		void *context)
{
	struct shard_change change;

	assert(!s->open);
	for (uint32_t slot = 0; slot < s->table.slot_count; slot++) {
		if (!s->table.slots[slot].block)
			continue;
		struct live live = {.slot = slot, .corp = s->table.slots[slot].corp};
		live.subject.corpid = s->corps[live.corp].id;
		live.subject.id = table_id(&s->table, slot);
		codec_unpack(table_packed(&s->table, slot), &s->names, &s->arena, &live.subject);
		buf_clear(&s->encoded);
		encode_live(s, &live, &change);
		point(s, &change);
		visit(context, change.key, change.value);
		arena_reset(&s->arena);
	}
	if (s->marker.next_offset < 0)
		return;
	buf_clear(&s->encoded);
	encode_marker(s, &change);
	point(s, &change);
	visit(context, change.key, change.value);
}

/* ---- loading ---- */

static int refuse(const struct shard *s, enum codec_result result, const char *what, struct err *err)
{
	switch (result) {
	case CODEC_DONE:
		return 0;
	case CODEC_UNKNOWN_VERSION:
		return err_set(err, ERR_CONFIG,
			       "state: partition %d holds %s of a version that this program does not "
			       "know; run the version that wrote it, or carry the state over with "
			       "`state export` and `state import`",
			       (int)s->partition, what);
	case CODEC_BAD_CHECKSUM:
		return err_set(err, ERR_CONFIG,
			       "state: the checksum of %s of partition %d is wrong; the state topic "
			       "was written by something else, or is damaged",
			       what, (int)s->partition);
	case CODEC_BAD_BODY:
		return err_set(err, ERR_CONFIG, "state: %s of partition %d makes no sense", what,
			       (int)s->partition);
	}
	UNREACHABLE("a codec result that is not in the enum");
}

static bool read_marker(struct shard *s, struct str body)
{
	uint64_t offset, count, clock;
	struct str digest, corpid;

	if (!codec_get_number(&body, &offset) || !codec_get_text(&body, &digest) ||
	    !codec_get_number(&body, &count))
		return false;
	s->marker.next_offset = (int64_t)offset;
	s->marker.ruleset = names_keep(&s->names, digest);
	for (uint64_t i = 0; i < count; i++) {
		if (!codec_get_text(&body, &corpid) || !codec_get_number(&body, &clock))
			return false;
		uint32_t corp = get_corp(s, corpid); /* moves s->corps */
		s->corps[corp].clock_ms = (int64_t)clock;
	}
	return body.len == 0;
}

static int load_marker(struct shard *s, struct str key, struct str value, struct err *err)
{
	struct str body = {0};
	enum codec_result result;

	if (!value.data)
		return err_set(err, ERR_CONFIG, "state: the marker of partition %d was deleted",
			       (int)s->partition);
	result = codec_open(key, value, &body);
	if (result == CODEC_DONE && str_eq(key, marker_key) && !read_marker(s, body))
		result = CODEC_BAD_BODY;
	return refuse(s, result, str_eq(key, marker_key) ? "the marker" : "a switch of rules", err);
}

static int load_subject(struct shard *s, uint32_t corp, struct str id, struct str body,
			struct err *err)
{
	struct subject subject = {.corpid = s->corps[corp].id, .id = id};
	enum codec_result result;

	arena_reset(&s->arena);
	result = codec_get_subject(body, &s->names, &s->arena, &subject);
	if (result != CODEC_DONE)
		return refuse(s, result, "a subject", err);
	uint32_t slot = table_find(&s->table, corp, id);
	if (slot == TABLE_NONE)
		slot = table_add(&s->table, corp, id);
	buf_clear(&s->packed);
	codec_pack(&s->packed, &subject);
	table_set_packed(&s->table, slot, buf_str(&s->packed));
	table_set_due(&s->table, slot, subject_due(&subject, s->settings.idle_ms).due_ms);
	table_tidy(&s->table);
	return 0;
}

int shard_load(struct shard *s, struct str key, struct str value, struct err *err)
{
	struct str body = {0};

	assert(!s->open);
	if (str_eq(key, marker_key) || str_starts(key, switch_prefix))
		return load_marker(s, key, value, err);
	const char *slash = key.len ? memchr(key.data, '/', key.len) : NULL;
	if (!slash)
		return err_set(err, ERR_CONFIG,
			       "state: partition %d holds a key that is none of ours",
			       (int)s->partition);
	struct str corpid = {key.data, (size_t)(slash - key.data)};
	struct str id = str_from(key, corpid.len + 1);
	uint32_t corp = get_corp(s, corpid);
	if (value.data) {
		enum codec_result result = codec_open(key, value, &body);
		if (result != CODEC_DONE)
			return refuse(s, result, "a subject", err);
		return load_subject(s, corp, id, body, err);
	}
	uint32_t slot = table_find(&s->table, corp, id);
	if (slot != TABLE_NONE)
		table_remove(&s->table, slot);
	return 0;
}

int shard_loaded(struct shard *s, struct err *err)
{
	assert(!s->open);
	arena_reset(&s->arena);
	if (s->marker.next_offset < 0 && s->table.used)
		return err_set(err, ERR_CONFIG,
			       "state: partition %d holds subjects but no marker; its position is "
			       "not known",
			       (int)s->partition);
	return 0;
}

struct shard_stats shard_stats(const struct shard *s)
{
	return (struct shard_stats){
		.subjects = s->table.used,
		.bytes = table_bytes(&s->table) + s->names.bytes,
	};
}
