/* store.c - the transaction of a batch, and what to do when it fails. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include "base/fault.h"
#include "base/log.h"
#include "store/archive.h"
#include "store/migrate.h"
#include "store/months.h"
#include "store/offsets.h"
#include "store/rulesets.h"
#include "store/writer.h"

enum {
	WAIT_FIRST_MS = 100,
	WAIT_MAX_MS = 30000,
	BATCH_MAX = 1 << 20,     /* items of one transaction; the sink asks for far fewer */
};

struct store {
	struct pg *pg;
	char *pipeline, *owner;
	bool checked; /* this connection's database is ours and of our version */
	int64_t wait_ms;
	int32_t shard; /* whose rows of the daily and weekly counts are ours: our least partition */
	/* Halved after each failure, doubled after success: where locks or connections do not last as
	 * long as a transaction, a smaller one gets through. */
	size_t batch_max;
	struct writer writer;
	struct offsets offsets;
	struct rulesets rulesets;
	struct arena arena; /* of one attempt */
	struct months months;
	struct archive *archive; /* NULL: no messages come */
	struct store_counts counts;
	char sqlstate[6]; /* of the last fault */
};

int store_new(struct store **out, const struct store_settings *settings, struct err *err)
{
	OWNED(store) *s = calloc(1, sizeof *s);
	if (!s || !(s->pipeline = strdup(settings->pipeline)) ||
	    !(s->owner = strdup(settings->owner)))
		return err_set(err, ERR_OS, "store: out of memory");
	s->offsets.pipeline = s->pipeline;
	s->offsets.owner = s->owner;
	s->batch_max = BATCH_MAX;
	if (settings->archive && archive_new(&s->archive, err) < 0)
		return -1;
	s->writer.rows.archive = s->archive;
	if (pg_new(&s->pg, settings->postgres, settings->postgres_count, err) < 0)
		return -1;
	s->writer.pg = s->pg;
	*out = TAKE(s);
	return 0;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	pg_free(s->pg);
	writer_fini(&s->writer);
	offsets_fini(&s->offsets);
	rulesets_fini(&s->rulesets);
	archive_free(s->archive);
	arena_fini(&s->arena);
	free(s->pipeline);
	free(s->owner);
	free(s);
}

int64_t store_wait_ms(const struct store *s)
{
	return s->wait_ms;
}

const char *store_sqlstate(const struct store *s)
{
	return s->sqlstate;
}

struct store_counts store_counts(const struct store *s)
{
	struct store_counts counts = s->counts;

	counts.erased = s->writer.erased;
	counts.dropped_erased = s->writer.dropped_erased;
	return counts;
}

static enum store_result wait_longer(struct store *s)
{
	s->wait_ms = s->wait_ms ? MIN(s->wait_ms * 2, WAIT_MAX_MS) : WAIT_FIRST_MS;
	return STORE_LATER;
}

/* Turns a fault into what the caller shall do, and leaves the connection without a transaction. */
static enum store_result failed(struct store *s, const struct pg_fault *fault, const char *doing,
				struct err *err)
{
	(void)pg_err(err, fault, doing);
	(void)snprintf(s->sqlstate, sizeof s->sqlstate, "%s", fault->sqlstate);
	pg_rollback(s->pg);
	rulesets_forget(&s->rulesets);
	switch (fault->action) {
	case ACTION_RECONNECT:
		/* Also of a read-only server: the next connection searches the one that writes. */
		pg_disconnect(s->pg);
		break;
	case ACTION_RETRY:
		s->counts.retries++;
		break;
	case ACTION_WAIT:
		break;
	case ACTION_REJECT:
	case ACTION_PERMISSION:
	case ACTION_CONFIG:
	case ACTION_BUG:
		return STORE_FAILED;
	}
	return wait_longer(s);
}

/* Enters our name if the schema serves nobody yet, and reads whose it is. */
static enum store_result check_pipeline(struct store *s, struct err *err)
{
	struct pg_parameter name = pg_text_parameter(str_of(s->pipeline));
	struct pg_fault fault;

	OWNED(pg_result) *row = NULL;
	if (pg_query(s->pg,
		     "INSERT INTO chatmill.pipeline (name) SELECT $1::text "
		     "WHERE NOT EXISTS (SELECT FROM chatmill.pipeline) ON CONFLICT DO NOTHING",
		     &name, 1, NULL, &fault) < 0 ||
	    pg_query(s->pg, "SELECT name::text FROM chatmill.pipeline", NULL, 0, &row, &fault) < 0)
		return failed(s, &fault, "reading chatmill.pipeline", err);
	if (pg_rows(row) == 1 && str_eq(pg_text(row, 0, 0), str_of(s->pipeline)))
		return STORE_DONE;
	struct str other = pg_rows(row) ? pg_text(row, 0, 0) : (struct str){0};
	(void)err_set(
		err, ERR_CONFIG,
		"postgres: the schema chatmill serves the pipeline '%.*s', not '%s': give this "
		"pipeline a database of its own",
		STR_ARG(other), s->pipeline);
	return STORE_FAILED;
}

static enum store_result check_version(struct store *s, struct err *err)
{
	if (migrate_need(s->pg, err) == 0)
		return STORE_DONE;
	if (err->kind != ERR_UNAVAILABLE && err->kind != ERR_RETRY)
		return STORE_FAILED;
	return wait_longer(s);
}

enum store_result store_open(struct store *s, struct err *err)
{
	struct pg_fault fault;

	if (pg_is_connected(s->pg) && s->checked)
		return STORE_DONE;
	s->checked = false;
	if (!pg_is_connected(s->pg) && pg_connect(s->pg, &fault) < 0)
		return failed(s, &fault, "connecting", err);
	enum store_result result = check_version(s, err);
	if (result == STORE_DONE)
		result = check_pipeline(s, err);
	if (result == STORE_DONE && erasure_open(&s->writer.erasure, s->pg, &fault) < 0)
		result = failed(s, &fault, "reading chatmill.secret", err);
	if (result == STORE_DONE && s->archive && archive_open(s->archive, s->pg, &fault) < 0)
		result = failed(s, &fault, "reading chatmill.message_dictionary", err);
	s->checked = result == STORE_DONE;
	return result;
}

enum store_result store_ping(struct store *s, struct err *err)
{
	struct pg_fault fault;

	enum store_result result = store_open(s, err); /* nothing, where there is a connection */
	if (result != STORE_DONE)
		return result;
	if (pg_run(s->pg, "SELECT 1", &fault) < 0)
		return failed(s, &fault, "asking whether it is there", err);
	s->wait_ms = 0;
	return STORE_DONE;
}

enum store_result store_claim(struct store *s, struct store_partition *parts, size_t count,
			      struct err *err)
{
	struct pg_fault fault;
	enum store_result result = store_open(s, err);

	if (result != STORE_DONE)
		return result;
	if (offsets_claim(&s->offsets, s->pg, parts, count, &fault) < 0)
		return failed(s, &fault, "taking over partitions", err);
	s->shard = INT32_MAX;
	for (size_t i = 0; i < count; i++)
		s->shard = MIN(s->shard, parts[i].partition);
	s->wait_ms = 0;
	return STORE_DONE;
}

/* ---- the transaction of a batch ---- */

/* The server cancels what takes too long, because libpq's own cancel is not encrypted. Hash and
 * merge joins would read all of customer_tag for a batch of a few thousand rows. */
static const char begin_sql[] =
	"BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '60s'; "
	"SET LOCAL idle_in_transaction_session_timeout = '60s'; SET LOCAL jit = off; "
	"SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";

static int write_refused(struct store *s, struct pg_fault *fault)
{
	if (s->writer.rejects.count == 0)
		return 0;
	fault_point("sink_reject");
	return rejects_write(&s->writer.rejects, s->pg, fault);
}

static int write_offsets(struct store *s, const struct position *positions, size_t count,
			 struct pg_fault *fault)
{
	fault_point("sink_offset");
	return offsets_write(&s->offsets, s->pg, positions, count, fault);
}

/* Everything between the fence and COMMIT, for the items that are not in the tables yet. */
static int write_new(struct store *s, const struct store_item *items, size_t count,
		     const struct position *positions, size_t position_count, bool any_erased,
		     struct pg_fault *fault)
{
	struct store_item *fresh = arena_alloc(&s->arena, count * sizeof *fresh + 1);
	size_t fresh_count = 0;

	for (size_t i = 0; i < count; i++)
		if (items[i].offset >= offsets_find(positions, items[i].partition)->in_table)
			fresh[fresh_count++] = items[i];
	if (writer_write(&s->writer, fresh, fresh_count, s->shard, any_erased, fault) < 0 ||
	    rulesets_write(&s->rulesets, s->pg, fresh, fresh_count, &s->counts.rulesets, fault) < 0 ||
	    write_refused(s, fault) < 0 || write_offsets(s, positions, position_count, fault) < 0)
		return -1;
	s->counts.skipped += count - fresh_count;
	return 0;
}

static enum store_result write_batch(struct store *s, const struct store_item *items, size_t count,
				     struct position *positions, size_t position_count,
				     struct err *err)
{
	struct pg_fault fault;
	bool any_erased;

	fault_point("sink_begin");
	if (pg_run(s->pg, begin_sql, &fault) < 0)
		return failed(s, &fault, "beginning a transaction", err);
	fault_point("sink_fence");
	int owned = offsets_fence(&s->offsets, s->pg, positions, position_count, &any_erased,
				  &fault);
	if (owned < 0)
		return failed(s, &fault, "reading the offsets", err);
	if (!owned) {
		pg_rollback(s->pg);
		(void)err_set(err, ERR_RETRY,
			      "postgres: another sink has taken over the partitions");
		return STORE_FENCED;
	}
	if (write_new(s, items, count, positions, position_count, any_erased, &fault) < 0)
		return failed(s, &fault, "writing a batch", err);
	if (rejects_too_many(&s->writer.rejects, count, err)) {
		pg_rollback(s->pg);
		return STORE_FAILED;
	}
	fault_point("sink_commit");
	if (pg_run(s->pg, "COMMIT", &fault) < 0)
		return failed(s, &fault, "committing", err);
	fault_point("sink_committed");
	return STORE_DONE;
}

static void say_refused(struct store *s)
{
	for (size_t i = 0; i < s->writer.rejects.count; i++) {
		const struct reject *r = &s->writer.rejects.rows[i];
		log_event(LOG_WARN, "sink_reject", LOG_TEXT("topic", r->item->partition->topic),
			  LOG_NUM("partition", r->item->partition->partition),
			  LOG_NUM("offset", r->item->offset), LOG_TEXT("sqlstate", r->sqlstate));
	}
	s->counts.rejected += s->writer.rejects.count;
}

enum store_result store_write(struct store *s, const struct store_item *items, size_t count,
			      size_t *taken, struct err *err)
{
	struct pg_fault fault;
	enum store_result result = store_open(s, err);

	if (result != STORE_DONE)
		return result;
	count = MIN(count, s->batch_max);
	arena_reset(&s->arena);
	struct position *positions = ARENA_ARRAY(&s->arena, struct position, count + 1);
	size_t position_count = offsets_of(items, count, positions);

	if (months_make(&s->months, s->pg, items, count, &fault) < 0)
		return failed(s, &fault, "making partitions", err);
	if (s->archive && archive_learn(s->archive, items, count, s->pg, &fault) < 0)
		return failed(s, &fault, "keeping a dictionary", err);
	result = write_batch(s, items, count, positions, position_count, err);
	if (result == STORE_LATER)
		s->batch_max = MAX(count / 2, 1);
	if (result != STORE_DONE)
		return result;
	rejects_count(&s->writer.rejects, count);
	say_refused(s);
	if (s->months.outside)
		log_event(LOG_WARN, "sink_without_month", LOG_NUM("rows", s->months.outside));
	s->counts.without_month += s->months.outside;
	s->counts.batches++;
	for (size_t i = 0; i < count; i++) /* of others only the offset moved */
		s->counts.items += items[i].event || items[i].message;
	for (size_t i = 0; i < s->writer.rejects.count; i++) {
		const struct store_item *item = s->writer.rejects.rows[i].item;
		s->counts.items -= item->event || item->message;
	}
	s->wait_ms = 0;
	s->batch_max = MIN(s->batch_max * 2, BATCH_MAX);
	*taken = count;
	return STORE_DONE;
}

/* ---- rule sets ---- */

enum store_result store_rulesets_missing(struct store *s, struct store_digest *out, size_t max,
					 size_t *count, struct err *err)
{
	struct pg_fault fault;
	enum store_result result = store_open(s, err);

	if (result != STORE_DONE)
		return result;
	if (rulesets_missing(s->pg, out, max, count, &fault) < 0)
		return failed(s, &fault, "reading chatmill.ruleset", err);
	return STORE_DONE;
}

enum store_result store_ruleset_fill(struct store *s, const char *digest, struct str text,
				     struct err *err)
{
	struct pg_fault fault;
	enum store_result result = store_open(s, err);

	if (result != STORE_DONE)
		return result;
	if (rulesets_fill(s->pg, digest, text, &fault) < 0)
		return failed(s, &fault, "writing chatmill.ruleset", err);
	return STORE_DONE;
}
