/* shard_log.c - a shard as records of the changelog, and from them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/shard_parts.h"

#include "base/heap.h"

const struct str shard_import_note = {"\0imp", 4}, shard_imported = {"done", 4};
const struct str shard_marker_key = {"\0pos", 4};
static const struct str switch_prefix = {"\0rul", 4};

static struct shard_change *add_change(struct shard *s, size_t count)
{
	struct shard_work *work = s->work;

	if (count == work->change_cap) {
		work->change_cap = MAX(work->change_cap * 2, (size_t)64);
		work->changes =
			heap_grown(work->changes, work->change_cap * sizeof *work->changes);
	}
	return &work->changes[count];
}

/* While `encoded` grows, a change holds places in it; the last step makes pointers of them. */
static struct str place(size_t start, size_t end)
{
	return (struct str){(const char *)start, end - start};
}

static void point(const struct shard *s, struct shard_change *change)
{
	change->key.data = s->work->encoded.data + (size_t)change->key.data;
	change->value.data =
		change->value.len ? s->work->encoded.data + (size_t)change->value.data : NULL;
}

static void encode_live(struct shard *s, const struct live *live, struct shard_change *change)
{
	struct buf *out = &s->work->encoded;
	size_t start = out->len;

	buf_put(out, live->subject.corpid);
	buf_putc(out, '/');
	buf_put(out, live->subject.id);
	*change = (struct shard_change){.key = place(start, out->len)};
	if (live->forgotten)
		return;
	buf_clear(&s->work->packed);
	buf_put(&s->work->packed, (struct str){out->data + start, out->len - start});
	start = out->len;
	codec_put_subject(out, buf_str(&s->work->packed), &live->subject, &s->work->scratch, &s->work->names);
	change->value = place(start, out->len);
}

static void encode_plain(struct shard *s, struct str key, struct shard_change *change)
{
	struct buf *out = &s->work->encoded;
	size_t start = out->len;

	buf_put(out, key);
	change->key = place(start, out->len);
	start = out->len;
	codec_put_value(out, key, buf_str(&s->work->scratch));
	change->value = place(start, out->len);
}

static void encode_switch(struct shard *s, const struct rule_switch *change_of,
			  struct shard_change *change)
{
	char key[12];

	memcpy(key, switch_prefix.data, 4);
	for (int k = 0; k < 8; k++)
		key[4 + k] = (char)((uint64_t)change_of->offset >> (8 * (7 - k)));
	buf_clear(&s->work->scratch);
	codec_put_text(&s->work->scratch, change_of->ruleset);
	encode_plain(s, (struct str){key, sizeof key}, change);
}

static void marker_body(struct shard *s)
{
	uint64_t known = 0;

	buf_clear(&s->work->scratch);
	codec_put_number(&s->work->scratch, (uint64_t)s->marker.next_offset);
	codec_put_text(&s->work->scratch, s->marker.ruleset);
	for (uint32_t i = 0; i < s->corp_count; i++)
		known += s->corps[i].clock_ms != 0;
	codec_put_number(&s->work->scratch, known);
	for (uint32_t i = 0; i < s->corp_count; i++) {
		if (!s->corps[i].clock_ms)
			continue;
		codec_put_text(&s->work->scratch, s->corps[i].id);
		codec_put_number(&s->work->scratch, (uint64_t)s->corps[i].clock_ms);
	}
	if (s->marker.lineage.len)
		codec_put_text(&s->work->scratch, s->marker.lineage);
}

static void encode_marker(struct shard *s, struct shard_change *change)
{
	marker_body(s);
	encode_plain(s, shard_marker_key, change);
}

void shard_marker(struct shard *s, struct buf *out)
{
	if (s->marker.next_offset < 0)
		return;
	marker_body(s);
	codec_put_value(out, shard_marker_key, buf_str(&s->work->scratch));
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
	buf_clear(&s->work->encoded);
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
		point(s, &s->work->changes[i]);
	*count = n;
	return s->work->changes;
}

void shard_each(struct shard *s, void (*visit)(void *context, struct str key, struct str value),
		void *context)
{
	struct shard_change change;

	assert(!s->work->open);
	for (uint32_t slot = 0; slot < s->table.slot_count; slot++) {
		if (!s->table.slots[slot].block)
			continue;
		struct live live = {.slot = slot, .corp = s->table.slots[slot].corp};
		live.subject.corpid = s->corps[live.corp].id;
		live.subject.id = table_id(&s->table, slot);
		live.forgotten = !codec_unpack(table_packed(&s->table, slot), &s->names, &s->work->arena,
					       &live.subject);
		s->broken |= live.forgotten; /* no more than its key is told */
		buf_clear(&s->work->encoded);
		encode_live(s, &live, &change);
		point(s, &change);
		visit(context, change.key, change.value);
		arena_reset(&s->work->arena);
	}
	if (s->marker.next_offset < 0)
		return;
	buf_clear(&s->work->encoded);
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
		uint32_t corp = shard_corp(s, corpid); /* moves s->corps */
		s->corps[corp].clock_ms = (int64_t)clock;
	}
	if (body.len) {
		struct str lineage;
		if (!codec_get_text(&body, &lineage))
			return false;
		s->marker.lineage = names_keep(&s->names, lineage);
	}
	return body.len == 0;
}

bool shard_take_marker(struct shard *s, struct str marker)
{
	struct str body;

	return codec_open(shard_marker_key, marker, &body) == CODEC_DONE && read_marker(s, body);
}

/* The next offset and the lineage of a marker; false if it is none. */
static bool glance_marker(struct str marker, int64_t *next, struct str *lineage)
{
	uint64_t offset, count, clock;
	struct str body, text;

	if (codec_open(shard_marker_key, marker, &body) != CODEC_DONE ||
	    !codec_get_number(&body, &offset) || !codec_get_text(&body, &text) ||
	    !codec_get_number(&body, &count))
		return false;
	for (uint64_t i = 0; i < count; i++)
		if (!codec_get_text(&body, &text) || !codec_get_number(&body, &clock))
			return false;
	*next = (int64_t)offset;
	return codec_get_text(&body, lineage) && lineage->len;
}

enum shard_lineage_of shard_lineage_of(const struct shard *s, struct str key, struct str value)
{
	struct str lineage;
	int64_t next;

	if (!str_eq(key, shard_marker_key) || !value.data)
		return SHARD_NO_MARKER;
	return glance_marker(value, &next, &lineage) && str_eq(lineage, s->marker.lineage)
		       ? SHARD_SAME_LINEAGE
		       : SHARD_OTHER_LINEAGE;
}

bool shard_has_reached(struct shard *s, struct str marker)
{
	struct buf ours = {0};
	struct str lineage;
	int64_t next;

	if (!glance_marker(marker, &next, &lineage) || !str_eq(lineage, s->marker.lineage))
		return false;
	/* Parts of what falls due have the same offset and other clocks. */
	shard_marker(s, &ours);
	bool same = str_eq(buf_str(&ours), marker);
	buf_fini(&ours);
	return same || next < s->marker.next_offset;
}

static int load_marker(struct shard *s, struct str key, struct str value, struct err *err)
{
	struct str body = {0};
	enum codec_result result;

	if (!value.data)
		return err_set(err, ERR_CONFIG, "state: the marker of partition %d was deleted",
			       (int)s->partition);
	result = codec_open(key, value, &body);
	if (result == CODEC_DONE && str_eq(key, shard_marker_key) && !read_marker(s, body))
		result = CODEC_BAD_BODY;
	return refuse(s, result, str_eq(key, shard_marker_key) ? "the marker" : "a switch of rules", err);
}

static int load_subject(struct shard *s, uint32_t corp, struct str id, struct str body,
			struct err *err)
{
	struct due_time due;
	struct str packed;
	enum codec_result result = codec_get_due(body, &due, &packed);

	if (result != CODEC_DONE)
		return refuse(s, result, "a subject", err);
	table_put(&s->table, corp, id, packed, due_time_ms(due, s->settings.idle_ms));
	table_tidy(&s->table);
	return 0;
}

int shard_load(struct shard *s, struct str key, struct str value, struct err *err)
{
	struct str body = {0};

	assert(!s->open);
	table_unqueue(&s->table);
	if (str_eq(key, shard_marker_key) || str_starts(key, switch_prefix))
		return load_marker(s, key, value, err);
	if (str_eq(key, shard_import_note)) {
		enum codec_result result =
			value.data ? codec_open(key, value, &body) : CODEC_DONE;
		s->importing = value.data && !str_eq(body, shard_imported);
		return refuse(s, result, "a note", err);
	}
	const char *slash = key.len ? memchr(key.data, '/', key.len) : NULL;
	if (!slash)
		return err_set(err, ERR_CONFIG,
			       "state: partition %d holds a key that is none of ours",
			       (int)s->partition);
	struct str corpid = {key.data, (size_t)(slash - key.data)};
	struct str id = str_from(key, corpid.len + 1);
	uint32_t corp = shard_corp(s, corpid);
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
	arena_reset(&s->work->arena);
	table_queue_all(&s->table);
	if (s->importing)
		return err_set(err, ERR_CONFIG,
			       "state: an import into partition %d is under way or broke off; repeat it "
			       "with `chatmill state import --force`",
			       (int)s->partition);
	if (s->marker.next_offset < 0 && s->table.used)
		return err_set(err, ERR_CONFIG,
			       "state: partition %d holds subjects but no marker; its position is "
			       "not known",
			       (int)s->partition);
	return 0;
}
