/* replay.c - drives the pipeline without a group, transactions or a clock. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/replay.h"

#include "consume/topic.h"

enum {
	BATCH_RECORDS = 256,
	BATCH_BYTES = 256 * 1024, /* what is worked out of them stays in memory, and is many times that */
	DUE_EVENTS_MAX = 10000, /* as in worker.c: events are the same wherever parts are cut */
	ASK_MS = 2000,
	ENTRIES_MAX = 10000,
};

struct replay {
	struct replay_settings settings;
	replay_made made;
	void *context;
	struct pipeline *pipeline;
	struct part {
		struct shard *shard; /* NULL: not begun */
		struct rulebook *book; /* NULL: none yet, or one that cannot be used */
		char digest[DIGEST_TEXT_SIZE];       /* that the last rules record named; empty: none did */
	} * parts;
	size_t batch_records, batch_bytes, told; /* events of the batch that were handed on */
};

/* Every set that was published will be asked for; so that they are compiled in one go. */
static int ask_for_all(struct shelf *shelf, struct err *err)
{
	OWNED_MEM struct shelf_entry *entries = calloc(ENTRIES_MAX, sizeof(struct shelf_entry));
	struct rulebook *book;
	struct err ignored; /* told when a record is to be judged by it */

	if (!entries)
		return err_set(err, ERR_OS, "verify: out of memory");
	size_t count = shelf_list(shelf, entries, ENTRIES_MAX);
	for (size_t i = 0; i < count; i++)
		if (entries[i].published_ms &&
		    shelf_get(shelf, str_of(entries[i].digest), 0, &book, &ignored) == SHELF_READY)
			rulebook_free(book);
	return 0;
}

int replay_new(struct replay **out, const struct replay_settings *settings, replay_made made,
	       void *context, struct err *err)
{
	const struct config *config = settings->config;
	struct pipeline_settings pipeline = {
		.decode = {.corpid = str_of(config->input.corpid),
			   .record_bytes_max = (size_t)config->input.record_bytes_max},
		.react = {.hits = config->output.hits != NULL},
		.partitions = settings->partitions,
		.check_routes = true,
		.due_events_max = DUE_EVENTS_MAX,
	};
	OWNED(replay) *r = calloc(1, sizeof *r);

	if (!r || !(r->parts = calloc((size_t)settings->partitions, sizeof *r->parts)))
		return err_set(err, ERR_OS, "verify: out of memory");
	r->settings = *settings;
	r->made = made;
	r->context = context;
	if (ask_for_all(settings->shelf, err) < 0 || pipeline_new(&r->pipeline, &pipeline, err) < 0)
		return -1;
	*out = TAKE(r);
	return 0;
}

void replay_free(struct replay *r)
{
	if (!r)
		return;
	for (int32_t i = 0; r->parts && i < r->settings.partitions; i++) {
		shard_free(r->parts[i].shard);
		rulebook_free(r->parts[i].book);
	}
	free(r->parts);
	pipeline_free(r->pipeline);
	free(r);
}

/* ---- rules ---- */

/* The rulebook of `digest`; waits for it to be compiled. 0: there; 1: it cannot be used (err). */
static int get_book(struct replay *r, const char *digest, struct rulebook **out, struct err *err)
{
	for (;;) {
		switch (shelf_get(r->settings.shelf, str_of(digest), ASK_MS, out, err)) {
		case SHELF_READY:
			if (pipeline_fit(r->pipeline, *out, err) == 0)
				return 0;
			rulebook_free(*out);
			return -1;
		case SHELF_WAIT:
			break;
		case SHELF_MISSING:
			return err_set(err, ERR_CONFIG, "the rule set %s, which held, is not on %s",
				       digest, r->settings.config->output.rulesets);
		case SHELF_BROKEN:
			return err->kind == ERR_CONFIG || err->kind == ERR_DATA ? 1 : -1;
		}
	}
}

/* The set that was published first, of those that this program can use. */
static int get_first_book(struct replay *r, struct rulebook **out, struct err *err)
{
	char tried[DIGEST_TEXT_SIZE] = "", digest[DIGEST_TEXT_SIZE] = "";
	enum shelf_answer answer;

	while ((answer = shelf_first(r->settings.shelf, ASK_MS, digest, err)) == SHELF_WAIT ||
	       (answer == SHELF_READY && strcmp(digest, tried) != 0)) {
		int rc = answer == SHELF_WAIT ? 1 : get_book(r, digest, out, err);
		if (rc <= 0)
			return rc;
		memcpy(tried, digest, sizeof tried);
	}
	if (answer == SHELF_MISSING)
		return err_set(err, ERR_CONFIG, "no rule set was published on %s",
			       r->settings.config->output.rulesets);
	return -1;
}

/* Without a book only a rules record can be taken, as in `run`. */
static int need_book(struct replay *r, struct part *part, const struct record *record,
		     struct err *err)
{
	struct reading reading;

	pipeline_read(r->pipeline, NULL, record, &reading);
	if (reading.result == DECODE_DONE && reading.message.kind == MESSAGE_RULES)
		return 0;
	int rc = part->digest[0] ? get_book(r, part->digest, &part->book, err)
				 : get_first_book(r, &part->book, err);
	if (rc <= 0)
		return rc;
	return err_wrap(err, "partition %d offset %lld: it cannot be judged again by this version of "
			"chatmill; verify with the version that `run` had",
			record->partition, (long long)record->offset);
}

static int switch_rules(struct replay *r, struct part *part, struct err *err)
{
	(void)snprintf(part->digest, sizeof part->digest, "%.*s",
		       STR_ARG(pipeline_digest(r->pipeline)));
	rulebook_free(TAKE(part->book));
	return get_book(r, part->digest, &part->book, err) < 0 ? -1 : 0;
}

/* ---- records ---- */

static int begin(struct replay *r, struct part *part, int32_t partition, struct err *err)
{
	const struct config *config = r->settings.config;
	struct shard_settings settings = {.memory_ms = config->state.memory_ms,
					  .idle_ms = config->state.idle_days * DAY_MS};

	if (shard_new(&part->shard, partition, &settings, NULL, err) < 0)
		return -1;
	shard_begin(part->shard);
	return 0;
}

/* Ends the batch: its memory is gone, and what the shards hold is done. */
static void end_batch(struct replay *r)
{
	for (int32_t i = 0; i < r->settings.partitions; i++)
		if (r->parts[i].shard) {
			shard_commit(r->parts[i].shard);
			shard_begin(r->parts[i].shard);
		}
	pipeline_clear(r->pipeline);
	r->batch_records = r->batch_bytes = r->told = 0;
}

static void tell(struct replay *r, const struct record *record, size_t dead_before)
{
	const struct pipeline_batch *batch = pipeline_batch(r->pipeline);
	struct replayed made = {
		.record = record,
		.events = batch->events.items + r->told,
		.event_count = batch->events.count - r->told,
		.message = pipeline_last(r->pipeline).message,
		.dead = batch->dead_count > dead_before ? &batch->dead[batch->dead_count - 1] : NULL,
	};

	if (made.event_count || made.dead)
		r->made(r->context, &made);
	r->told = batch->events.count;
}

int replay_take(struct replay *r, const struct record *given, struct err *err)
{
	struct part *part = &r->parts[given->partition];
	struct arena *arena = pipeline_arena(r->pipeline);
	enum pipeline_step step;

	if (!part->shard && begin(r, part, given->partition, err) < 0)
		return -1;
	if (r->batch_records >= BATCH_RECORDS || r->batch_bytes >= BATCH_BYTES)
		end_batch(r);
	r->batch_records++;
	r->batch_bytes += given->value.len;
	struct record record = topic_record(given, arena);
	if (UNLIKELY(!part->book)) {
		if (need_book(r, part, &record, err) < 0)
			return -1;
		end_batch(r);
		record = topic_record(given, arena);
	}
	size_t dead_before = pipeline_batch(r->pipeline)->dead_count;
	while ((step = pipeline_take(r->pipeline, part->shard, part->book, &record)) ==
	       PIPELINE_MORE) {
		tell(r, &record, dead_before);
		end_batch(r);
		record = topic_record(given, arena);
		dead_before = 0;
	}
	tell(r, &record, dead_before);
	return step == PIPELINE_SWITCH ? switch_rules(r, part, err) : 0;
}

void replay_end(struct replay *r, int32_t partition)
{
	struct part *part = &r->parts[partition];

	if (!part->shard)
		return;
	end_batch(r);
	shard_free(TAKE(part->shard));
	rulebook_free(TAKE(part->book));
	part->digest[0] = '\0';
}
