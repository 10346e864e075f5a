/* shelf.c - follows chat.rulesets and compiles what comes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "shelf.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/zstd.h"
#include "kafka/consumer.h"

enum {
	PIECES_MAX = SHELF_BUNDLE_BYTES_MAX / SHELF_PIECE_BYTES,
	POLL_MS = 500,
	PIECE_MS = 20,
	METADATA_MS = 5000,
	DIGEST_LEN = 71,
	UNUSED_MAX = 4, /* compiled sets that nobody judges by; one of them again costs compiling */
};

enum entry_state { ENTRY_READ, ENTRY_WANTED, ENTRY_COMPILED, ENTRY_BROKEN };

struct entry {
	struct entry *next;
	struct shelf_entry info;
	struct buf *pieces; /* info.pieces of them */
	size_t pieces_seen;
	enum entry_state state;
	struct rulebook *book; /* ENTRY_COMPILED */
	uint64_t used;	       /* shelf.uses when it was asked for last */
	struct err broken;     /* ENTRY_BROKEN */
};

struct shelf {
	struct shelf_settings settings;
	pthread_t thread;
	bool thread_runs;
	_Atomic bool stop;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct entry *entries;
	int32_t partitions, ended; /* ended: partitions whose first end was passed */
	uint64_t ends;		   /* ends of partitions seen, all in all */
	uint64_t uses;		   /* how often a set was compiled or handed out */
	bool failed;
	struct err err;
};

/* ---- entries (under the lock) ---- */

static struct entry *find(const struct shelf *s, struct str digest)
{
	for (struct entry *e = s->entries; e; e = e->next)
		if (str_eq(digest, str_of(e->info.digest)))
			return e;
	return NULL;
}

static struct entry *latest(const struct shelf *s)
{
	struct entry *best = NULL;

	for (struct entry *e = s->entries; e; e = e->next)
		if (e->info.published_ms &&
		    (!best || e->info.published_ms > best->info.published_ms))
			best = e;
	return best;
}

static bool is_read(const struct shelf *s)
{
	return s->partitions > 0 && s->ended >= s->partitions;
}

static int64_t header_number(const struct kafka_header *headers, size_t count, const char *name)
{
	int64_t number = 0;

	for (size_t i = 0; i < count; i++)
		if (!strcmp(headers[i].name, name) && !str_to_i64(headers[i].value, &number))
			number = 0;
	return number;
}

static struct entry *add(struct shelf *s, struct str digest, size_t pieces)
{
	struct entry *e = heap_zeroed(1, sizeof *e);

	e->pieces = heap_zeroed(pieces, sizeof *e->pieces);
	memcpy(e->info.digest, digest.data, MIN(digest.len, sizeof e->info.digest - 1));
	e->info.pieces = pieces;
	e->next = s->entries;
	s->entries = e;
	return e;
}

/* Takes one piece. What is none of ours is skipped: it can never be asked for. */
static void take_piece(struct shelf *s, const struct consumed *got)
{
	struct kafka_header headers[16];
	size_t header_count = consumed_headers(got, headers, ARRAY_LEN(headers));
	struct str key = got->record.key, value = got->record.value;
	const char *slash = key.data ? memchr(key.data, '/', key.len) : NULL;
	uint64_t n;

	if (!slash || slash - key.data != DIGEST_LEN || !value.data ||
	    !str_to_u64(str_from(key, DIGEST_LEN + 1), &n))
		return;
	struct str digest = {key.data, DIGEST_LEN};
	int64_t pieces = header_number(headers, header_count, "chatmill.pieces");
	struct entry *e = find(s, digest);
	if (pieces < 1 || pieces > PIECES_MAX || n >= (uint64_t)pieces)
		return;
	if (!e)
		e = add(s, digest, (size_t)pieces);
	if ((size_t)pieces != e->info.pieces)
		return;
	struct buf *piece = &e->pieces[n];
	e->pieces_seen += piece->len == 0;
	e->info.bytes += value.len - piece->len;
	buf_clear(piece);
	buf_put(piece, value);
	e->info.complete = e->pieces_seen == e->info.pieces;
	e->info.at_ms = header_number(headers, header_count, "chatmill.at");
	if (n == 0) {
		e->info.published_ms = MAX(e->info.published_ms, header_number(headers, header_count,
									       "chatmill.published"));
		int64_t first = header_number(headers, header_count, "chatmill.first");
		e->info.first_ms = first ? first : e->info.first_ms;
	}
	for (size_t i = 0; i < header_count; i++)
		if (!strcmp(headers[i].name, "chatmill.by"))
			(void)snprintf(e->info.by, sizeof e->info.by, "%.*s",
				       STR_ARG(headers[i].value));
	/* What arrives while we run is about to come into force. */
	if (e->info.complete && is_read(s) && e->state == ENTRY_READ)
		e->state = ENTRY_WANTED;
}

/* ---- compiling (without the lock: it takes seconds) ---- */

static int unpack(const struct entry *e, struct buf *out, struct err *err)
{
	struct buf frame = {0};

	for (size_t i = 0; i < e->info.pieces; i++)
		buf_put(&frame, buf_str(&e->pieces[i]));
	int rc = zstd_decompress(out, buf_str(&frame), SHELF_BUNDLE_BYTES_MAX, err);
	buf_fini(&frame);
	return rc;
}

static int compile(const struct shelf *s, const char *digest, struct str bundle,
		   struct rulebook **out, struct err *err)
{
	struct findings findings = {0};
	struct ruleset *set;
	int rc = ruleset_unbundle(&set, bundle, &findings, err);

	if (rc == 0 && strcmp(set->digest, digest) != 0) {
		/* Same text, other digest: another version of the program means something else
		 * by the same rules (or the topic is damaged). */
		rc = err_set(err, ERR_CONFIG,
			     "its text has the digest %s here: it was published by a version of "
			     "chatmill whose rules mean something else",
			     set->digest);
		ruleset_free(set);
	} else if (rc == 0) {
		rc = rulebook_new(out, set, s->settings.cache_dir, &findings, err);
		if (rc == 0)
			ruleset_forget_words(set);
	}
	findings_fini(&findings);
	return rc;
}

/* Of the sets that nobody judges by any more, those asked for last stay compiled. */
static void drop_unused(struct shelf *s)
{
	for (;;) {
		struct entry *oldest = NULL;
		size_t unused = 0;
		for (struct entry *e = s->entries; e; e = e->next) {
			if (e->state != ENTRY_COMPILED || rulebook_is_shared(e->book))
				continue;
			unused++;
			if (!oldest || e->used < oldest->used)
				oldest = e;
		}
		if (unused <= UNUSED_MAX)
			return;
		rulebook_free(TAKE(oldest->book));
		oldest->state = ENTRY_READ;
	}
}

/* Compiles one wanted entry. Returns false if there is none. */
static bool compile_next(struct shelf *s)
{
	struct buf bundle = {0};
	struct err err = {0};
	struct rulebook *book = NULL;
	char digest[DIGEST_TEXT_SIZE];

	pthread_mutex_lock(&s->lock);
	struct entry *e = s->entries;
	while (e && !(e->state == ENTRY_WANTED && e->info.complete))
		e = e->next;
	if (!e) {
		pthread_mutex_unlock(&s->lock);
		return false;
	}
	memcpy(digest, e->info.digest, sizeof digest);
	int rc = unpack(e, &bundle, &err);
	pthread_mutex_unlock(&s->lock);

	int64_t start_ms = clock_monotonic_ms();
	if (rc == 0)
		rc = compile(s, digest, buf_str(&bundle), &book, &err);
	buf_fini(&bundle);
	if (rc == 0)
		log_event(LOG_INFO, "rules_compiled", LOG_TEXT("digest", digest),
			  LOG_NUM("took_ms", clock_monotonic_ms() - start_ms),
			  LOG_NUM("bytes", (int64_t)engine_bytes(book->engine)));
	else
		log_event(LOG_ERROR, "rules_broken", LOG_TEXT("digest", digest),
			  LOG_TEXT("err", err.text));
	pthread_mutex_lock(&s->lock);
	e->state = rc == 0 ? ENTRY_COMPILED : ENTRY_BROKEN;
	e->book = book;
	e->broken = err;
	e->used = ++s->uses;
	drop_unused(s);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return true;
}

/* ---- the thread ---- */

static int open_topic(struct shelf *s, struct consumer **out, struct err *err)
{
	OWNED(consumer) *c = NULL;
	struct consumer_settings settings = {
		.kafka = s->settings.kafka, .group = s->settings.group, .ends = true};
	struct consumer_partition parts[64];
	int32_t count = 0;

	if (consumer_new(&c, &settings, err) < 0)
		return -1;
	/* A topic that is not there may be one that the broker does not tell of yet. */
	for (int tries = 0; !s->stop; tries++) {
		if (consumer_need_topic(c, s->settings.topic, METADATA_MS, &count, err) == 0)
			break;
		bool missing = err->kind == ERR_CONFIG;
		if (missing ? tries > 30 : err->kind != ERR_UNAVAILABLE && err->kind != ERR_RETRY)
			return -1;
		clock_sleep_ms(500);
	}
	if (count > (int32_t)ARRAY_LEN(parts))
		return err_set(err, ERR_CONFIG, "topic %s has %d partitions; one is enough",
			       s->settings.topic, count);
	for (int32_t i = 0; i < count; i++)
		parts[i] = (struct consumer_partition){s->settings.topic, i, CONSUMER_BEGINNING};
	pthread_mutex_lock(&s->lock);
	s->partitions = count;
	pthread_mutex_unlock(&s->lock);
	if (count && consumer_assign(c, parts, (size_t)count, err) < 0)
		return -1;
	*out = TAKE(c);
	return 0;
}

static void take_end(struct shelf *s)
{
	s->ends++;
	if (!is_read(s)) {
		s->ended++;
		struct entry *last = latest(s);
		/* Its record may not have come to us yet. */
		if (is_read(s) && last && last->state == ENTRY_READ)
			last->state = ENTRY_WANTED;
	}
}

static int follow(struct shelf *s, struct err *err)
{
	OWNED(consumer) *c = NULL;
	struct consumed got;
	int result = CONSUMER_NOTHING;

	if (open_topic(s, &c, err) < 0)
		return -1;
	while (!s->stop) {
		/* Behind a piece others come at once, or none and the set is compiled. */
		result = consumer_poll(c, result == CONSUMER_RECORD ? PIECE_MS : POLL_MS, &got, err);
		if (result < 0)
			return -1;
		if (result != CONSUMER_NOTHING) {
			pthread_mutex_lock(&s->lock);
			if (result == CONSUMER_RECORD)
				take_piece(s, &got);
			else
				take_end(s);
			pthread_cond_broadcast(&s->changed);
			pthread_mutex_unlock(&s->lock);
		}
		/* Not before the topic is read: pieces of one set belong together. */
		while (result != CONSUMER_RECORD && s->settings.compile && !s->stop &&
		       compile_next(s))
			;
	}
	return 0;
}

static void *run(void *context)
{
	struct shelf *s = context;
	struct err err = {0};

	if (follow(s, &err) < 0) {
		pthread_mutex_lock(&s->lock);
		s->failed = true;
		s->err = err;
		pthread_cond_broadcast(&s->changed);
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

/* ---- from outside ---- */

int shelf_new(struct shelf **out, const struct shelf_settings *settings, struct err *err)
{
	OWNED(shelf) *s = calloc(1, sizeof *s);
	pthread_condattr_t monotonic;

	if (!s)
		return err_set(err, ERR_OS, "rules: out of memory");
	s->settings = *settings;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&s->thread, NULL, run, s) != 0)
		return err_set(err, ERR_OS, "rules: no thread");
	s->thread_runs = true;
	*out = TAKE(s);
	return 0;
}

void shelf_free(struct shelf *s)
{
	if (!s)
		return;
	s->stop = true;
	if (s->thread_runs)
		pthread_join(s->thread, NULL);
	while (s->entries) {
		struct entry *e = s->entries;
		s->entries = e->next;
		rulebook_free(e->book);
		for (size_t i = 0; i < e->info.pieces; i++)
			buf_fini(&e->pieces[i]);
		free(e->pieces);
		free(e);
	}
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Waits for a change until `deadline_ms`; false when the time is over. Under the lock. */
static bool wait_change(struct shelf *s, int64_t deadline_ms)
{
	struct timespec until = {deadline_ms / 1000, deadline_ms % 1000 * 1000000};

	return pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0;
}

static enum shelf_answer answer(struct shelf *s, struct str digest, struct rulebook **out,
				struct err *err)
{
	struct entry *e = find(s, digest);

	if (s->failed) {
		*err = s->err;
		return SHELF_BROKEN;
	}
	if (!e || !e->info.complete)
		return is_read(s) ? SHELF_MISSING : SHELF_WAIT;
	switch (e->state) {
	case ENTRY_READ:
		e->state = ENTRY_WANTED; /* the thread looks every POLL_MS */
		return SHELF_WAIT;
	case ENTRY_WANTED:
		return SHELF_WAIT;
	case ENTRY_COMPILED:
		e->used = ++s->uses;
		*out = rulebook_ref(e->book);
		return SHELF_READY;
	case ENTRY_BROKEN:
		*err = e->broken;
		(void)err_wrap(err, "rules %.*s", STR_ARG(digest));
		return SHELF_BROKEN;
	}
	UNREACHABLE("a state that is not in the enum");
}

enum shelf_answer shelf_get(struct shelf *s, struct str digest, int timeout_ms,
			    struct rulebook **out, struct err *err)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
	enum shelf_answer now;

	pthread_mutex_lock(&s->lock);
	do
		now = answer(s, digest, out, err);
	while ((now == SHELF_WAIT || now == SHELF_MISSING) && wait_change(s, deadline_ms));
	pthread_mutex_unlock(&s->lock);
	return now;
}

enum shelf_answer shelf_first(struct shelf *s, int timeout_ms, char out[DIGEST_TEXT_SIZE], struct err *err)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
	enum shelf_answer result;

	pthread_mutex_lock(&s->lock);
	do {
		struct entry *first = NULL;
		for (struct entry *e = s->entries; e; e = e->next)
			if (e->info.first_ms && e->state != ENTRY_BROKEN &&
			    (!first || e->info.first_ms < first->info.first_ms))
				first = e;
		result = is_read(s) ? SHELF_MISSING : SHELF_WAIT;
		if (s->failed) {
			*err = s->err;
			result = SHELF_BROKEN;
		} else if (is_read(s) && first) {
			memcpy(out, first->info.digest, sizeof first->info.digest);
			result = SHELF_READY;
		}
	} while ((result == SHELF_WAIT || result == SHELF_MISSING) && wait_change(s, deadline_ms));
	pthread_mutex_unlock(&s->lock);
	return result;
}

int shelf_wait(struct shelf *s, int timeout_ms, struct err *err)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	while (!is_read(s) && !s->failed && wait_change(s, deadline_ms))
		;
	if (s->failed) {
		*err = s->err;
		rc = -1;
	} else if (!is_read(s)) {
		rc = err_set(err, ERR_UNAVAILABLE, "topic %s could not be read in time",
			     s->settings.topic);
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int by_time(const void *a, const void *b)
{
	const struct shelf_entry *left = a, *right = b;

	if (left->at_ms != right->at_ms)
		return left->at_ms < right->at_ms ? -1 : 1;
	return strcmp(left->digest, right->digest);
}

size_t shelf_list(struct shelf *s, struct shelf_entry *out, size_t max)
{
	size_t count = 0;

	pthread_mutex_lock(&s->lock);
	for (struct entry *e = s->entries; e && count < max; e = e->next)
		out[count++] = e->info;
	pthread_mutex_unlock(&s->lock);
	qsort(out, count, sizeof *out, by_time);
	return count;
}

int shelf_bundle(struct shelf *s, struct str digest, struct buf *out, struct err *err)
{
	int rc;

	pthread_mutex_lock(&s->lock);
	struct entry *e = find(s, digest);
	if (!e || !e->info.complete)
		rc = err_set(err, ERR_NOINPUT, "no rule set %.*s on %s", STR_ARG(digest),
			     s->settings.topic);
	else
		rc = unpack(e, out, err);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

size_t shelf_compiled(struct shelf *s)
{
	size_t count = 0;

	pthread_mutex_lock(&s->lock);
	for (const struct entry *e = s->entries; e; e = e->next)
		count += e->state == ENTRY_COMPILED;
	pthread_mutex_unlock(&s->lock);
	return count;
}
