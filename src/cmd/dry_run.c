/* dry_run.c - reads the end of the archive by two rule sets. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dry_run.h"

#include "cmd/diff.h"
#include "cmd/progress.h"
#include "cmd/topic_reader.h"
#include "consume/topic.h"

enum { ASK_MS = 15000, SHELF_MS = 60000, ENTRIES_MAX = 4096 };
/* Where the newest message is looked for: so many offsets before the end, then more. Behind it may
 * stand rules records, clocks and markers of transactions. */
enum { LOOK_FIRST = 100, LOOK_MORE = 100 };

struct dry {
	const struct dry_run *settings;
	const struct config *config;
	const struct brokers *brokers;
	struct consumer *consumer;
	int32_t partitions;
	int64_t *low, *high, *from;
	int64_t newest_ms, since_ms;
	struct rulebook *before, *after;
	struct pipeline *reader; /* by `before` */
	struct diff *diff;
	struct progress progress;
	uint64_t taken;
};

/* ---- the rules in force ---- */

/* Leaves `before` NULL if no set was published yet. */
static int open_before(struct dry *d, struct err *err)
{
	struct shelf_settings settings = {.kafka = &d->brokers->settings,
					  .group = d->config->pipeline,
					  .topic = d->config->output.rulesets,
					  .compile = true};
	OWNED(shelf) *shelf = NULL;
	OWNED_MEM struct shelf_entry *entries = calloc(ENTRIES_MAX, sizeof(struct shelf_entry));
	const struct shelf_entry *last = NULL;

	if (!entries)
		return err_set(err, ERR_OS, "out of memory");
	if (shelf_new(&shelf, &settings, err) < 0 || shelf_wait(shelf, SHELF_MS, err) < 0)
		return -1;
	size_t count = shelf_list(shelf, entries, ENTRIES_MAX);
	for (size_t i = 0; i < count; i++)
		if (entries[i].published_ms && (!last || entries[i].published_ms > last->published_ms))
			last = &entries[i];
	if (!last)
		return 0;
	switch (shelf_get(shelf, str_of(last->digest), SHELF_MS, &d->before, err)) {
	case SHELF_READY:
		return 0;
	case SHELF_WAIT:
	case SHELF_MISSING:
		return err_set(err, ERR_UNAVAILABLE, "%s: the set in force cannot be read", last->digest);
	case SHELF_BROKEN:
		return -1;
	}
	UNREACHABLE("an answer that is not in the enum");
}

/* ---- where to begin ---- */

static int ask_ends(struct dry *d, struct err *err)
{
	const char *topic = d->config->input.topic;
	struct consumer_settings settings = {.kafka = &d->brokers->settings,
					     .group = d->config->pipeline};

	if (consumer_new(&d->consumer, &settings, err) < 0 ||
	    consumer_need_topic(d->consumer, topic, ASK_MS, &d->partitions, err) < 0)
		return -1;
	d->low = calloc((size_t)d->partitions, sizeof *d->low);
	d->high = calloc((size_t)d->partitions, sizeof *d->high);
	d->from = calloc((size_t)d->partitions, sizeof *d->from);
	if (!d->low || !d->high || !d->from)
		return err_set(err, ERR_OS, "out of memory");
	for (int32_t i = 0; i < d->partitions; i++)
		if (consumer_query_offsets(d->consumer, topic, i, ASK_MS, &d->low[i], &d->high[i],
					   err) < 0)
			return -1;
	return 0;
}

/* Messages have keys, rules records and clocks have none. */
static int note_time(void *context, const struct consumed *got, struct err *err)
{
	struct dry *d = context;

	if (got->record.key.len)
		d->newest_ms = MAX(d->newest_ms, got->record.time_ms);
	return 0;
}

static int find_newest(struct dry *d, struct err *err)
{
	bool all = false;

	for (int64_t look = LOOK_FIRST; !d->newest_ms && !all; look *= LOOK_MORE) {
		all = true;
		for (int32_t i = 0; i < d->partitions; i++) {
			d->from[i] = MAX(d->low[i], d->high[i] - look);
			all &= d->from[i] == d->low[i];
		}
		if (topic_read_from(d->config, d->brokers, d->config->input.topic, d->from, note_time,
				    d, err) < 0)
			return -1;
	}
	return 0;
}

static int find_start(struct dry *d, struct err *err)
{
	OWNED_MEM struct consumer_partition *parts =
		calloc((size_t)d->partitions, sizeof(struct consumer_partition));

	if (!parts)
		return err_set(err, ERR_OS, "out of memory");
	if (!d->newest_ms)
		return 0; /* no record has a time: all are compared, from where find_newest() ended */
	d->since_ms = MAX(d->newest_ms - d->settings->minutes * 60000, (int64_t)0);
	for (int32_t i = 0; i < d->partitions; i++)
		parts[i] = (struct consumer_partition){d->config->input.topic, i, d->since_ms};
	if (consumer_offsets_at(d->consumer, parts, (size_t)d->partitions, ASK_MS, err) < 0)
		return -1;
	for (int32_t i = 0; i < d->partitions; i++)
		d->from[i] = parts[i].offset;
	return 0;
}

/* ---- judging ---- */

static int judge(void *context, const struct consumed *got, struct err *err)
{
	struct dry *d = context;
	struct record record = topic_record(&got->record, pipeline_arena(d->reader));
	struct reading reading;

	if (record.time_ms >= d->since_ms) {
		pipeline_read(d->reader, d->before, &record, &reading);
		diff_take(d->diff, &reading);
		d->taken++;
	}
	pipeline_clear(d->reader);
	progress_show(&d->progress, got->topic, 0, 0, d->taken);
	return 0;
}

static int compare(struct dry *d, bool *differs, struct err *err)
{
	struct pipeline_settings settings = {
		.decode = {.corpid = str_of(d->config->input.corpid),
			   .record_bytes_max = (size_t)d->config->input.record_bytes_max},
		.react = {.hits = true},
	};

	if (ask_ends(d, err) < 0 || find_newest(d, err) < 0 || find_start(d, err) < 0 ||
	    pipeline_new(&d->reader, &settings, err) < 0 ||
	    pipeline_fit(d->reader, d->before, err) < 0 ||
	    diff_new(&d->diff, d->before, d->after, d->partitions, &settings, err) < 0)
		return -1;
	progress_start(&d->progress);
	if (topic_read_from(d->config, d->brokers, d->config->input.topic, d->from, judge, d, err) < 0)
		return -1;
	progress_end(&d->progress);
	*differs = diff_print(d->diff, d->settings->json);
	return 0;
}

/* ---- the whole ---- */

static int run(struct dry *d, bool *differs, struct err *err)
{
	if (publish_load(&d->after, d->settings->publish, err) < 0 || open_before(d, err) < 0)
		return -1;
	const char *digest = d->after->set->digest;
	if (!d->before) {
		fprintf(stderr, "%s: no rule set was published yet, there is nothing to compare with\n",
			digest);
		*differs = true;
		return 0;
	}
	fprintf(stderr, "in force: %s\nnew:      %s%s\n", d->before->set->digest, digest,
		strcmp(d->before->set->digest, digest) ? "" : " (the same)");
	return compare(d, differs, err);
}

int dry_run(const struct dry_run *settings, bool *differs, struct err *err)
{
	struct dry d = {.settings = settings,
			.config = settings->publish->config,
			.brokers = settings->publish->brokers};
	int status = run(&d, differs, err);

	diff_free(d.diff);
	pipeline_free(d.reader);
	rulebook_free(d.before);
	rulebook_free(d.after);
	consumer_free(d.consumer);
	free(d.low);
	free(d.high);
	free(d.from);
	return status;
}
