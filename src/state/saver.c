/* saver.c - a thread that finds a marker, takes pieces from its worker, and writes a file of them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/saver.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "kafka/consumer.h"
#include "state/shard_parts.h"
#include "state/snapshot.h"

enum {
	ASK_MS = 5000,
	FIND_MS = 20000,     /* for a marker; behind it stands what open transactions wrote */
	POLL_MS = 100,
	BACK_FIRST = 16,     /* records from the end in which a marker is looked for at first */
	AGAIN_MS = 5000,     /* when the state had not reached the marker that was found */
	/* A quiet partition's snapshot is made anew so often: before it is too old to be used. */
	STALE_MS = 12 * 3600 * 1000,
	/* Files that nobody renews (their partitions are elsewhere) hold customers' data for nothing:
	 * half of what `topics apply` sets as delete.retention.ms, after which none is used. */
	KEEP_MS = 84 * 3600 * 1000,
};

enum phase {
	PHASE_IDLE,    /* the worker may ask for a snapshot */
	PHASE_FINDING, /* the thread looks for a marker */
	PHASE_FOUND,   /* the worker looks whether its state reaches it */
	PHASE_COPYING, /* pieces go from worker to thread */
	PHASE_ENDING,  /* the last piece was given */
};

struct place {
	int32_t partition;
	int64_t due_ms;	       /* monotonic */
	int64_t saved_ms;      /* monotonic; 0: not yet */
	int64_t saved_next;    /* next offset of the state that was saved last */
};

struct saver {
	struct saver_settings settings;
	pthread_t thread;
	bool runs;
	_Atomic uint64_t written, failed;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool stop, cancel;
	enum phase phase;
	bool done_well;	       /* how the last one ended, in PHASE_IDLE */
	int32_t partition;     /* that is being saved */
	struct shard_settings shard_settings;
	struct buf found;      /* PHASE_FOUND: the marker */
	struct buf piece;      /* empty: the worker may fill it */
	struct buf end_marker; /* PHASE_ENDING */
	char lineage[SNAPSHOT_NAME_BYTES];

	/* The worker's own. */
	struct place *places;
	size_t count;
	struct place *saving; /* NULL: none */
	struct shard_cursor cursor;
	int64_t next;	       /* of the state when its copy began */
};

/* ---- the thread ---- */

static bool over(struct saver *s)
{
	pthread_mutex_lock(&s->lock);
	bool is = s->stop || s->cancel;
	pthread_mutex_unlock(&s->lock);
	return is;
}

static int given_up(struct err *err)
{
	return err_set(err, ERR_NONE, "%s", "");
}

/* The first marker at or behind `from`. 1: found; 0: none before `high`. */
static int scan(struct saver *s, struct consumer *c, int64_t from, int64_t high, int64_t *at,
		struct err *err)
{
	struct consumer_partition part = {s->settings.topic, s->partition, from};
	int64_t deadline_ms = clock_monotonic_ms() + FIND_MS;
	struct consumed got;

	if (consumer_assign(c, &part, 1, err) < 0)
		return -1;
	while (clock_monotonic_ms() < deadline_ms) {
		if (over(s))
			return given_up(err);
		int result = consumer_poll(c, POLL_MS, &got, err);
		if (result < 0)
			return -1;
		if (result == CONSUMER_END)
			return 0;
		if (result == CONSUMER_NOTHING)
			continue;
		if (str_eq(got.record.key, shard_marker_key) && got.record.value.data) {
			buf_clear(&s->found);
			buf_put(&s->found, got.record.value);
			*at = got.record.offset;
			return 1;
		}
		if (got.record.offset >= high)
			return 0;
	}
	return err_set(err, ERR_UNAVAILABLE, "no end of the changelog in time");
}

/* A marker close to the end, and its offset. The last record of a transaction is one. */
static int find_marker(struct saver *s, struct consumer *c, int64_t *at, struct err *err)
{
	int64_t low, high, from;
	int found = 0;

	if (consumer_query_offsets(c, s->settings.topic, s->partition, ASK_MS, &low, &high, err) < 0)
		return -1;
	for (int64_t back = BACK_FIRST; found == 0; back *= BACK_FIRST) {
		from = MAX(high - back, low);
		found = scan(s, c, from, high, at, err);
		if (found == 0 && from == low)
			return err_set(err, ERR_NONE, "the changelog has no marker yet");
	}
	struct consumer_partition none = {0};
	/* Otherwise it would fetch all that comes. */
	return found < 0 ? -1 : consumer_assign(c, &none, 0, err);
}

/* The high watermark: behind all that was ever written, as the copy may have what is committed and
 * not yet marked so. A question for offsets gives only the last stable one. */
static int find_end(struct saver *s, struct consumer *c, int64_t *end, struct err *err)
{
	struct consumer_partition part = {s->settings.topic, s->partition, 0};
	int64_t deadline_ms = clock_monotonic_ms() + FIND_MS, low;
	struct consumed ignored;

	if (consumer_query_offsets(c, part.topic, part.partition, ASK_MS, &low, &part.offset, err) < 0 ||
	    consumer_assign(c, &part, 1, err) < 0)
		return -1;
	/* What the library knows from the fetch that found the marker is older than the copy. */
	for (int got = CONSUMER_NOTHING; got == CONSUMER_NOTHING;) {
		if (over(s))
			return given_up(err);
		if (clock_monotonic_ms() > deadline_ms)
			return err_set(err, ERR_UNAVAILABLE, "no end of the changelog in time");
		got = consumer_poll(c, POLL_MS, &ignored, err);
		if (got < 0)
			return -1;
	}
	*end = consumer_high_watermark(c, part.topic, part.partition);
	return *end < 0 ? err_set(err, ERR_UNAVAILABLE, "the end of the changelog is not known") : 0;
}

static void set_phase(struct saver *s, enum phase phase)
{
	pthread_mutex_lock(&s->lock);
	s->phase = phase;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* Waits for a piece; swaps it into *piece. 1: a piece; 0: that was the last one; -1: given up. */
static int next_piece(struct saver *s, struct buf *piece, struct err *err)
{
	int rc = -1;

	pthread_mutex_lock(&s->lock);
	while (!s->stop && !s->cancel && !s->piece.len && s->phase != PHASE_ENDING)
		pthread_cond_wait(&s->changed, &s->lock);
	if (s->piece.len) {
		struct buf filled = s->piece;
		s->piece = *piece;
		buf_clear(&s->piece);
		*piece = filled;
		rc = 1;
	} else if (s->phase == PHASE_ENDING) {
		rc = 0;
	}
	/* Once all was copied the partition may go. */
	if (s->stop || (s->cancel && s->phase != PHASE_ENDING))
		rc = -1;
	pthread_mutex_unlock(&s->lock);
	return rc < 0 ? given_up(err) : rc;
}

static int write_pieces(struct saver *s, struct snapshot_writer *w, struct err *err)
{
	struct buf piece = {0};
	int rc;

	while ((rc = next_piece(s, &piece, err)) > 0)
		if (snapshot_write(w, buf_str(&piece), err) < 0) {
			rc = -1;
			break;
		}
	buf_fini(&piece);
	return rc;
}

static int save(struct saver *s, struct err *err)
{
	const struct saver_settings *settings = &s->settings;
	OWNED(consumer) *c = NULL;
	OWNED(snapshot_writer) *w = NULL;
	struct consumer_settings consumer = {.kafka = settings->kafka,
					     .group = settings->group,
					     .ends = true,
					     .fetch_wait_ms = "10"};
	struct snapshot_head head = {.begun_ms = clock_wall_ms(),
				     .owner = {.partition = s->partition,
					       .settings = s->shard_settings}};
	char path[1024], part[1024];
	int64_t start_ms = clock_monotonic_ms(), end = 0;
	int32_t known;

	if (consumer_new(&c, &consumer, err) < 0 ||
	    consumer_partition_count(c, settings->topic, ASK_MS, &known, err) < 0 ||
	    find_marker(s, c, &head.start, err) < 0)
		return -1;
	consumer_cluster_id(c, ASK_MS, head.owner.cluster, sizeof head.owner.cluster);
	(void)snprintf(head.owner.topic, sizeof head.owner.topic, "%s", settings->topic);
	(void)snprintf(head.lineage, sizeof head.lineage, "%s", s->lineage);
	if (!head.owner.cluster[0])
		return err_set(err, ERR_UNAVAILABLE, "the brokers do not tell their cluster's id");
	snapshot_path(settings->dir, settings->pipeline, s->partition, path);
	(void)snprintf(part, sizeof part, "%s/%s.part", settings->dir, settings->name);
	if (snapshot_writer_new(&w, path, part, &head, err) < 0)
		return -1;
	set_phase(s, PHASE_FOUND);
	if (write_pieces(s, w, err) < 0 ||
	    find_end(s, c, &end, err) < 0 ||
	    snapshot_writer_end(w, end, buf_str(&s->end_marker), err) < 0)
		return -1;
	log_event(LOG_INFO, "snapshot_written", LOG_NUM("worker", settings->worker),
		  LOG_NUM("partition", s->partition), LOG_NUM("bytes", snapshot_writer_bytes(w)),
		  LOG_NUM("start", head.start), LOG_NUM("end", end),
		  LOG_NUM("took_ms", clock_monotonic_ms() - start_ms));
	return 0;
}

/* Files that nobody renews any more. */
static void purge(struct saver *s)
{
	DIR *dir = opendir(s->settings.dir);
	int64_t now_ms = clock_wall_ms();
	struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir))) {
		struct str name = str_of(entry->d_name);
		if (!str_ends(name, STR(".snapshot")) && !str_ends(name, STR(".part")))
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    now_ms - (int64_t)st.st_mtim.tv_sec * 1000 > KEEP_MS)
			(void)unlinkat(dirfd(dir), entry->d_name, 0); /* or by the next one */
	}
	if (dir)
		closedir(dir);
}

static void *run(void *context)
{
	struct saver *s = context;

	purge(s);
	for (;;) {
		struct err err = {0};
		pthread_mutex_lock(&s->lock);
		while (!s->stop && s->phase != PHASE_FINDING)
			pthread_cond_wait(&s->changed, &s->lock);
		bool stop = s->stop;
		pthread_mutex_unlock(&s->lock);
		if (stop)
			return NULL;
		int rc = save(s, &err);
		atomic_fetch_add_explicit(rc == 0 ? &s->written : &s->failed,
					  rc == 0 || err.kind != ERR_NONE, memory_order_relaxed);
		if (rc < 0 && err.kind != ERR_NONE)
			log_event(LOG_WARN, "snapshot_failed", LOG_NUM("worker", s->settings.worker),
				  LOG_NUM("partition", s->partition), LOG_TEXT("err", err.text));
		purge(s);
		pthread_mutex_lock(&s->lock);
		s->phase = PHASE_IDLE;
		s->done_well = rc == 0;
		s->cancel = false;
		buf_clear(&s->piece);
		pthread_mutex_unlock(&s->lock);
	}
}

/* ---- the worker's side ---- */

int saver_new(struct saver **out, const struct saver_settings *settings, struct err *err)
{
	OWNED(saver) *s = calloc(1, sizeof *s);

	if (!s)
		return err_set(err, ERR_OS, "snapshots: out of memory");
	s->settings = *settings;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	if (pthread_create(&s->thread, NULL, run, s) != 0)
		return err_set(err, ERR_OS, "snapshots: no thread");
	s->runs = true;
	*out = TAKE(s);
	return 0;
}

void saver_free(struct saver *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (s->runs)
		pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	buf_fini(&s->found);
	buf_fini(&s->piece);
	buf_fini(&s->end_marker);
	free(s->places);
	free(s);
}

void saver_take(struct saver *s, const int32_t *partitions, size_t count)
{
	int64_t now_ms = clock_monotonic_ms();

	saver_drop(s);
	s->places = heap_grown(s->places, (count + 1) * sizeof *s->places);
	s->count = count;
	for (size_t i = 0; i < count; i++) /* spread over the interval */
		s->places[i] = (struct place){
			.partition = partitions[i],
			.due_ms = now_ms + s->settings.interval_ms * (int64_t)(i + 1) / (int64_t)count,
			.saved_next = -1,
		};
}

void saver_drop(struct saver *s)
{
	s->count = 0;
	s->saving = NULL;
	pthread_mutex_lock(&s->lock);
	s->cancel = s->phase != PHASE_IDLE && s->phase != PHASE_ENDING;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* A place whose time has come and whose state is worth it. */
static struct place *next_place(struct saver *s, struct shard *(*shard_of)(void *, int32_t),
				void *context)
{
	int64_t now_ms = clock_monotonic_ms();

	for (size_t i = 0; i < s->count; i++) {
		struct place *p = &s->places[i];
		if (p->due_ms > now_ms)
			continue;
		const struct shard *shard = shard_of(context, p->partition);
		if (shard_next_offset(shard) >= 0 && shard_lineage(shard).len &&
		    (shard_next_offset(shard) != p->saved_next ||
		     now_ms - p->saved_ms > STALE_MS))
			return p;
		p->due_ms = now_ms + s->settings.interval_ms;
	}
	return NULL;
}

static void ask(struct saver *s, struct place *place, const struct shard *shard)
{
	s->saving = place;
	s->cursor = (struct shard_cursor){0};
	s->partition = place->partition;
	s->shard_settings = *shard_settings(shard);
	(void)snprintf(s->lineage, sizeof s->lineage, "%.*s", STR_ARG(shard_lineage(shard)));
	s->phase = PHASE_FINDING;
	pthread_cond_broadcast(&s->changed);
}

/* The last one has ended, one way or the other. */
static void settle(struct saver *s)
{
	int64_t now_ms = clock_monotonic_ms();

	s->saving->due_ms = now_ms + s->settings.interval_ms;
	if (s->done_well) {
		s->saving->saved_ms = now_ms;
		s->saving->saved_next = s->next;
	}
	s->saving = NULL;
}

static void copy(struct saver *s, struct shard *shard)
{
	if (s->piece.len)
		return;
	shard_copy(shard, &s->cursor, SNAPSHOT_PIECE_BYTES, &s->piece);
	if (s->cursor.done) {
		buf_clear(&s->end_marker);
		shard_marker(shard, &s->end_marker);
		s->phase = PHASE_ENDING;
	}
	pthread_cond_broadcast(&s->changed);
}

/* Under the lock; the thread is not in between two of its steps. */
static bool turn(struct saver *s, struct shard *(*shard_of)(void *, int32_t), void *context)
{
	struct shard *shard = s->saving ? shard_of(context, s->saving->partition) : NULL;
	struct place *place;

	switch (s->phase) {
	case PHASE_IDLE:
		if (s->saving)
			settle(s);
		place = next_place(s, shard_of, context);
		if (place)
			ask(s, place, shard_of(context, place->partition));
		return place != NULL;
	case PHASE_FOUND:
		if (!shard)
			return false; /* of partitions that are gone */
		if (!shard_has_reached(shard, buf_str(&s->found))) {
			s->cancel = true;
			s->saving->due_ms = clock_monotonic_ms() + AGAIN_MS;
			s->saving = NULL;
			pthread_cond_broadcast(&s->changed);
			return false;
		}
		s->next = shard_next_offset(shard);
		s->phase = PHASE_COPYING;
		copy(s, shard);
		return true;
	case PHASE_COPYING:
		if (shard)
			copy(s, shard);
		return shard != NULL;
	case PHASE_FINDING:
	case PHASE_ENDING:
		return s->saving != NULL;
	}
	UNREACHABLE("a phase that is not in the enum");
}

bool saver_turn(struct saver *s, struct shard *(*shard_of)(void *context, int32_t partition),
		void *context)
{
	pthread_mutex_lock(&s->lock);
	bool soon = s->count && turn(s, shard_of, context);
	pthread_mutex_unlock(&s->lock);
	return soon;
}

struct saver_counts saver_counts(const struct saver *s)
{
	return (struct saver_counts){
		.written = atomic_load_explicit(&s->written, memory_order_relaxed),
		.failed = atomic_load_explicit(&s->failed, memory_order_relaxed),
	};
}
