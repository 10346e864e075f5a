/* test_snapshot.c - a copy made while the state changes, its file, and who may use it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include "base/file.h"
#include "state/snapshot.h"
#include "state/codec.h"
#include "state/subject.h"
#include "state_lines.h"

enum { MANY = 40 };

/* ---- a state that changes ---- */

struct world {
	struct shard *shard;
	struct changelog whole, tail; /* all changes; those since the copy began */
	int64_t next;
	bool copying;
	int forgotten;
};

static void change_one(struct world *w)
{
	char id[40], name[16];
	struct str corp = next_random(8) ? STR("ww1") : STR("ww2");

	(void)snprintf(id, sizeof id, "wmCUSTOMER%022d", (int)next_random(MANY));
	if (next_random(3) == 0) {
		struct subject *gone = shard_find(w->shard, corp, str_of(id));
		if (gone) {
			shard_forget(w->shard, gone);
			w->forgotten++;
		}
		return;
	}
	struct subject *s = shard_get(w->shard, corp, str_of(id));
	(void)snprintf(name, sizeof name, "staff%d", (int)next_random(500));
	if (s->spokes.count < SUBJECT_SPOKE_MAX)
		*LIST_ADD(&s->spokes, shard_arena(w->shard)) = (struct spoke){
			.who = shard_name(w->shard, str_of(name)), .time_ms = START_MS + w->next};
	s->sequence++;
	s->is_customer = true;
	shard_touched(w->shard, s);
}

static void transact(struct world *w)
{
	size_t count;

	shard_begin(w->shard);
	shard_set_clock_ms(w->shard, STR("ww1"), START_MS + w->next);
	for (uint64_t n = next_random(4); n > 0; n--)
		change_one(w);
	if (next_random(5) == 0) {
		shard_rollback(w->shard);
		return;
	}
	shard_set_next_offset(w->shard, ++w->next);
	const struct shard_change *changes = shard_changes(w->shard, &count);
	for (size_t i = 0; i < count; i++) {
		changelog_put(&w->whole, changes[i].key, changes[i].value);
		if (w->copying)
			changelog_put(&w->tail, changes[i].key, changes[i].value);
	}
	shard_commit(w->shard);
}

static void begin_world(struct world *w, uint64_t seed)
{
	random_state = seed;
	*w = (struct world){.shard = world_shard()};
	shard_set_lineage(w->shard, STR("0123456789abcdef"));
	for (int i = 0; i < 200; i++)
		transact(w);
}

static void end_world(struct world *w)
{
	shard_free(w->shard);
	changelog_fini(&w->whole);
	changelog_fini(&w->tail);
}

static void load_all(struct shard *shard, const struct changelog *log)
{
	struct err err = {0};

	for (size_t i = 0; i < log->count; i++)
		cr_assert_eq(shard_load(shard, buf_str(&log->entries[i].key),
					log->entries[i].gone ? (struct str){0}
							     : buf_str(&log->entries[i].value),
					&err),
			     0, "%s", err.text);
}

Test(snapshot, a_copy_made_between_changes_and_the_tail_are_the_state)
{
	int forgotten = 0;

	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct shard *again = world_shard();
		struct shard_cursor cursor = {0};
		struct buf piece = {0}, marker = {0};
		struct err err = {0};
		struct world w;
		begin_world(&w, seed);
		w.copying = true;
		while (!cursor.done) {
			buf_clear(&piece);
			shard_copy(w.shard, &cursor, 1 + next_random(300), &piece);
			cr_assert(shard_take_copy(again, buf_str(&piece)), "seed %d", (int)seed);
			for (uint64_t n = next_random(20); n > 0; n--)
				transact(&w);
		}
		shard_marker(w.shard, &marker);
		cr_assert(shard_take_marker(again, buf_str(&marker)));
		load_all(again, &w.tail);
		cr_assert_eq(shard_loaded(again, &err), 0, "%s", err.text);
		compare(w.shard, again, seed);
		/* What falls due comes from both in the same order. */
		for (int k = 0; k < MANY; k++) {
			shard_begin(w.shard);
			shard_begin(again);
			struct subject *a = shard_first_due(w.shard, STR("ww1"), INT64_MAX - 1);
			struct subject *b = shard_first_due(again, STR("ww1"), INT64_MAX - 1);
			cr_assert_eq(a != NULL, b != NULL);
			if (a) {
				cr_assert(str_eq(a->id, b->id), "seed %d", (int)seed);
				shard_forget(w.shard, a);
				shard_forget(again, b);
			}
			shard_commit(w.shard);
			shard_commit(again);
		}
		forgotten += w.forgotten;
		shard_free(again);
		buf_fini(&piece);
		buf_fini(&marker);
		end_world(&w);
	}
	cr_assert_gt(forgotten, 500);
}

Test(snapshot, knows_a_marker_that_is_ahead_of_the_state)
{
	struct buf old = {0}, now = {0};
	struct world w;

	begin_world(&w, 5);
	shard_marker(w.shard, &old);
	cr_assert(shard_has_reached(w.shard, buf_str(&old)));
	int64_t before = w.next;
	while (w.next == before)
		transact(&w);
	shard_marker(w.shard, &now);
	cr_assert(shard_has_reached(w.shard, buf_str(&old)));
	cr_assert(shard_has_reached(w.shard, buf_str(&now)));
	cr_assert_eq(shard_lineage_of(w.shard, STR("ww1/wmA"), STR("x")), SHARD_NO_MARKER);
	cr_assert_eq(shard_lineage_of(w.shard, (struct str){"\0pos", 4}, buf_str(&now)),
		     SHARD_SAME_LINEAGE);

	/* The state of a worker that was frozen meanwhile. */
	struct shard *frozen = world_shard();
	cr_assert(shard_take_marker(frozen, buf_str(&old)));
	cr_assert(shard_has_reached(frozen, buf_str(&old)));
	cr_assert_not(shard_has_reached(frozen, buf_str(&now)));
	/* The same offset, another clock: what fell due, in parts, by the next owner. */
	shard_begin(w.shard);
	shard_set_clock_ms(w.shard, STR("ww1"), START_MS + DAY_MS);
	shard_commit(w.shard);
	cr_assert_not(shard_has_reached(w.shard, buf_str(&now)));
	shard_set_lineage(frozen, STR("another"));
	cr_assert_not(shard_has_reached(frozen, buf_str(&old)));
	cr_assert_eq(shard_lineage_of(frozen, (struct str){"\0pos", 4}, buf_str(&now)),
		     SHARD_OTHER_LINEAGE);
	shard_free(frozen);
	buf_fini(&old);
	buf_fini(&now);
	end_world(&w);
}

Test(snapshot, reads_a_marker_without_lineage_and_of_no_other_version)
{
	static const char body[] = "\x07\x00\x00"; /* next offset 7, no rules, no clocks */
	const struct str key = {"\0pos", 4};
	struct shard *shard = world_shard();
	struct buf value = {0};
	struct err err = {0};

	codec_put_value(&value, key, (struct str){body, 3});
	cr_assert_eq(shard_load(shard, key, buf_str(&value), &err), 0, "%s", err.text);
	cr_assert_eq(shard_next_offset(shard), 7);
	cr_assert_eq(shard_lineage(shard).len, 0);
	for (int other = -1; other <= 1; other += 2) {
		value.data[0] = (char)(CODEC_VERSION + other);
		cr_assert_lt(shard_load(shard, key, buf_str(&value), &err), 0);
		cr_assert(strstr(err.text, "version"), "%s", err.text);
	}
	shard_free(shard);
	buf_fini(&value);
}

/* ---- the file ---- */

static const struct snapshot_head sample_head = {
	.owner = {.cluster = "c1", .topic = "chatmill.default.state", .partition = 3,
		  .settings = {7LL * DAY_MS, 400LL * DAY_MS}},
	.lineage = "0123456789abcdef",
	.start = 1000,
	.begun_ms = 1700000000000,
};

struct files {
	char folder[64], path[1024], part[128];
};

static void make_folder(struct files *f)
{
	(void)snprintf(f->folder, sizeof f->folder, "/tmp/chatmill-test-XXXXXX");
	cr_assert(mkdtemp(f->folder));
	snapshot_path(f->folder, "default", 3, f->path);
	(void)snprintf(f->part, sizeof f->part, "%s/w.part", f->folder);
}

static void drop_folder(struct files *f)
{
	unlink(f->path);
	cr_assert_eq(rmdir(f->folder), 0, "something is left in %s", f->folder);
}

static void write_snapshot(struct files *f, struct shard *shard)
{
	OWNED(snapshot_writer) *w = NULL;
	struct shard_cursor cursor = {0};
	struct buf piece = {0};
	struct err err;

	cr_assert_eq(snapshot_writer_new(&w, f->path, f->part, &sample_head, &err), 0, "%s",
		     err.text);
	while (!cursor.done) {
		buf_clear(&piece);
		shard_copy(shard, &cursor, 500, &piece);
		cr_assert_eq(snapshot_write(w, buf_str(&piece), &err), 0, "%s", err.text);
	}
	buf_clear(&piece);
	shard_marker(shard, &piece);
	cr_assert_eq(access(f->path, F_OK), -1, "not before it is whole");
	cr_assert_eq(snapshot_writer_end(w, 1234, buf_str(&piece), &err), 0, "%s", err.text);
	buf_fini(&piece);
}

/* Whether the file as it stands fills a shard; `*shard` is then the caller's. */
static bool read_snapshot(const struct files *f, struct shard **shard)
{
	OWNED(snapshot) *s = NULL;
	struct err err;

	if (snapshot_open(&s, f->path, &err) < 0) {
		cr_assert_eq(err.kind, ERR_DATA, "%s", err.text);
		return false;
	}
	*shard = world_shard();
	if (snapshot_load(s, *shard, &err) == 0)
		return true;
	cr_assert_eq(err.kind, ERR_DATA, "%s", err.text);
	shard_clear(*shard);
	cr_assert_eq(shard_stats(*shard).subjects, 0);
	shard_free(*shard);
	return false;
}

static void put_file(const struct files *f, struct str bytes)
{
	FILE *file = fopen(f->path, "wb");

	cr_assert(file);
	cr_assert_eq(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
	fclose(file);
}

Test(snapshot, a_file_is_whole_or_refused)
{
	struct arena arena = {0};
	struct shard *again;
	struct stat st;
	struct files f;
	struct world w;
	struct str bytes;
	struct err err;

	begin_world(&w, 3);
	make_folder(&f);
	write_snapshot(&f, w.shard);
	cr_assert_eq(stat(f.path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	cr_assert_eq(access(f.part, F_OK), -1);
	cr_assert(read_snapshot(&f, &again));
	compare(w.shard, again, 3);
	shard_free(again);

	cr_assert_eq(file_read(&arena, f.path, 1 << 20, &bytes, &err), 0, "%s", err.text);
	cr_assert_gt(bytes.len, 1000);
	for (size_t len = 0; len < bytes.len; len++) {
		put_file(&f, (struct str){bytes.data, len});
		cr_assert_not(read_snapshot(&f, &again), "cut to %zu of %zu", len, bytes.len);
	}
	char *copy = arena_copy(&arena, bytes).data ? (char *)(uintptr_t)bytes.data : NULL;
	for (size_t i = 0; i < bytes.len; i++) {
		copy[i] ^= 1 << (i % 8);
		put_file(&f, bytes);
		cr_assert_not(read_snapshot(&f, &again), "a bit of byte %zu turned", i);
		copy[i] ^= 1 << (i % 8);
	}
	put_file(&f, bytes);
	cr_assert(read_snapshot(&f, &again));
	shard_free(again);
	drop_folder(&f);
	arena_fini(&arena);
	end_world(&w);
}

Test(snapshot, one_that_is_given_up_leaves_nothing)
{
	struct snapshot_writer *w;
	struct files f;
	struct err err;

	make_folder(&f);
	cr_assert_eq(snapshot_writer_new(&w, f.path, f.part, &sample_head, &err), 0);
	cr_assert_eq(access(f.part, F_OK), 0);
	snapshot_writer_free(w);
	cr_assert_eq(access(f.part, F_OK), -1);
	cr_assert_eq(snapshot_writer_new(&w, f.path, "/nowhere/w.part", &sample_head, &err), -1);
	drop_folder(&f);
}

/* ---- who may use it ---- */

static struct snapshot_owner owner(const char *cluster, const char *topic, int32_t partition,
				   int64_t memory_days, int64_t idle_days)
{
	struct snapshot_owner o = {.partition = partition,
				   .settings = {memory_days * DAY_MS, idle_days * DAY_MS}};

	(void)snprintf(o.cluster, sizeof o.cluster, "%s", cluster);
	(void)snprintf(o.topic, sizeof o.topic, "%s", topic);
	return o;
}

Test(snapshot, is_refused_for_each_reason)
{
	const char *const state = "chatmill.default.state";
	const int64_t retention_ms = 7LL * DAY_MS, begun_ms = sample_head.begun_ms;
	const struct snapshot_facts fine = {.low = 0, .high = 2000,
					    .delete_retention_ms = retention_ms,
					    .now_ms = begun_ms + HOUR_MS};
	const struct {
		const char *what, *why;
		struct snapshot_owner owner;
		struct snapshot_facts facts;
	} rows[] = {
		{"all is well", NULL, sample_head.owner, fine},
		{"another cluster", "cluster", owner("c2", state, 3, 7, 400), fine},
		{"another topic", "topic", owner("c1", "chatmill.other.state", 3, 7, 400), fine},
		{"another partition", "partition", owner("c1", state, 2, 7, 400), fine},
		{"another memory", "state.memory", owner("c1", state, 3, 8, 400), fine},
		{"other idle days", "idle_days", owner("c1", state, 3, 7, 4), fine},
		{"records before it were deleted", "begins behind", sample_head.owner,
		 {.low = 1001, .high = 2000, .delete_retention_ms = retention_ms,
		  .now_ms = fine.now_ms}},
		{"the changelog is shorter than it was", "ends before", sample_head.owner,
		 {.low = 0, .high = 1000, .delete_retention_ms = retention_ms,
		  .now_ms = fine.now_ms}},
		{"the marker is there", NULL, sample_head.owner,
		 {.low = 1000, .high = 1001, .delete_retention_ms = retention_ms,
		  .now_ms = fine.now_ms}},
		{"tombstones may be gone", "delete.retention.ms", sample_head.owner,
		 {.low = 0, .high = 2000, .delete_retention_ms = retention_ms,
		  .now_ms = begun_ms + retention_ms / 2}},
		{"just young enough", NULL, sample_head.owner,
		 {.low = 0, .high = 2000, .delete_retention_ms = retention_ms,
		  .now_ms = begun_ms + retention_ms / 2 - 1}},
		{"a clock that went back", "future", sample_head.owner,
		 {.low = 0, .high = 2000, .delete_retention_ms = retention_ms,
		  .now_ms = begun_ms - 1}},
	};
	struct files f;
	struct world w;
	struct err err;

	begin_world(&w, 9);
	make_folder(&f);
	write_snapshot(&f, w.shard);
	OWNED(snapshot) *s = NULL;
	cr_assert_eq(snapshot_open(&s, f.path, &err), 0, "%s", err.text);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why =
			snapshot_refusal(snapshot_head(s), &rows[i].owner, &rows[i].facts);
		cr_assert_eq(why != NULL, rows[i].why != NULL, "%s", rows[i].what);
		cr_assert(!why || strstr(why, rows[i].why), "%s: %s", rows[i].what, why);
	}
	drop_folder(&f);
	end_world(&w);
}

/* Why age counts: the tail without its tombstones brings back who was forgotten. */
Test(snapshot, an_old_one_would_bring_back_the_dead)
{
	struct shard *again = world_shard();
	struct shard_cursor cursor = {0};
	struct buf piece = {0};
	struct world w;
	size_t gone = 0;

	begin_world(&w, 4);
	shard_copy(w.shard, &cursor, 1 << 20, &piece);
	cr_assert(cursor.done);
	w.copying = true;
	for (int i = 0; i < 100; i++)
		transact(&w);
	cr_assert(shard_take_copy(again, buf_str(&piece)));
	for (size_t i = 0; i < w.tail.count; i++)
		gone += w.tail.entries[i].gone;
	cr_assert_gt(gone, 0);
	struct changelog kept = {0};
	for (size_t i = 0; i < w.tail.count; i++)
		if (!w.tail.entries[i].gone)
			changelog_put(&kept, buf_str(&w.tail.entries[i].key),
				      buf_str(&w.tail.entries[i].value));
	load_all(again, &kept);
	cr_assert_gt(shard_stats(again).subjects, shard_stats(w.shard).subjects);
	load_all(again, &w.tail);
	cr_assert_eq(shard_stats(again).subjects, shard_stats(w.shard).subjects);
	changelog_fini(&kept);
	shard_free(again);
	buf_fini(&piece);
	end_world(&w);
}
