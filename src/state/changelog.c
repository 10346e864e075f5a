/* changelog.c - restores shards, past the high watermark. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/changelog.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "kafka/consumer.h"
#include "state/shortcut.h"

enum {
	PROGRESS_MS = 2000,
	POLL_MS = 100,
	ASK_MS = 5000,
	/* transaction.timeout.ms and as much again for the broker to find and end it */
	BEHIND_MS = 20000,
};

struct restore {
	const struct changelog_settings *settings;
	struct restored *items;
	struct part {
		int64_t high; /* watermark seen first; -1: not yet */
		int64_t at;   /* next offset that will come; CONSUMER_BEGINNING at first */
		bool done;
		int64_t end;   /* a snapshot's: the high watermark must have got there */
		bool doubtful; /* from a snapshot, and no marker has told yet whether it is ours */
	} * parts;
	size_t count, left;
	struct shortcuts shortcuts;
	uint64_t records, bytes;
};

static size_t find(const struct restore *r, int32_t partition)
{
	size_t i = 0;

	while (i < r->count && r->items[i].partition != partition)
		i++;
	assert(i < r->count);
	return i;
}

/* Whether the partition has passed its watermark; looked at after each record or end of it. */
static void look(struct restore *r, const struct consumer *c, size_t i)
{
	struct part *part = &r->parts[i];

	if (part->high < 0)
		part->high = consumer_high_watermark(c, r->settings->topic, r->items[i].partition);
	bool done = part->high >= 0 && part->at >= part->high;
	if (done && !part->done)
		r->left--;
	part->done |= done;
}

static void log_progress(const struct restore *r, const char *event)
{
	int64_t left = 0;

	for (size_t i = 0; i < r->count; i++)
		left += MAX(r->parts[i].high - MAX(r->parts[i].at, (int64_t)0), (int64_t)0);
	log_event(LOG_INFO, event, LOG_NUM("worker", r->settings->worker),
		  LOG_NUM("partitions", r->count), LOG_NUM("partitions_left", r->left),
		  LOG_NUM("records", r->records), LOG_NUM("bytes", r->bytes),
		  LOG_NUM("offsets_left", left));
}

/* A partition whose marker is behind what the group has committed, or -1. */
static int64_t behind(const struct restore *r)
{
	for (size_t i = 0; i < r->count; i++) {
		int64_t next = shard_next_offset(r->items[i].shard);
		if (next >= 0 && next < r->items[i].at_least)
			return (int64_t)i;
	}
	return -1;
}

static int assign(const struct restore *r, struct consumer *c, struct err *err)
{
	OWNED_MEM struct consumer_partition *parts =
		calloc(MAX(r->count, (size_t)1), sizeof(struct consumer_partition));

	if (!parts)
		return err_set(err, ERR_OS, "restore: out of memory");
	for (size_t i = 0; i < r->count; i++)
		parts[i] = (struct consumer_partition){r->settings->topic, r->items[i].partition,
						       r->parts[i].at};
	return consumer_assign(c, parts, r->count, err);
}

static const char foreign[] = "the changelog is of another lineage";

/* The snapshot was of another changelog after all: the partition is read from its beginning. */
static int start_over(struct restore *r, struct consumer *c, size_t i, const char *why,
		      struct err *err)
{
	struct part *part = &r->parts[i];

	shortcut_refused(&r->shortcuts, &r->items[i], why);
	shard_clear(r->items[i].shard);
	r->left += part->done;
	*part = (struct part){.high = part->high, .at = CONSUMER_BEGINNING};
	return assign(r, c, err);
}

/* Loads a record. 1: the record was of no use, as all of the partition will be read again. */
static int take(struct restore *r, struct consumer *c, size_t i, const struct record *record,
		struct err *err)
{
	struct shard *shard = r->items[i].shard;
	struct part *part = &r->parts[i];

	fault_point("in_restore");
	r->records++;
	r->bytes += record->key.len + record->value.len;
	if (UNLIKELY(part->doubtful)) {
		switch (shard_lineage_of(shard, record->key, record->value)) {
		case SHARD_SAME_LINEAGE:
			part->doubtful = false;
			break;
		case SHARD_NO_MARKER:
			break;
		case SHARD_OTHER_LINEAGE:
			return start_over(r, c, i, foreign, err) < 0 ? -1 : 1;
		}
	}
	if (shard_load(shard, record->key, record->value, err) < 0)
		return err_wrap(err, "%s partition %d offset %lld", r->settings->topic,
				record->partition, (long long)record->offset);
	return 0;
}

/* All was read. Is there a partition whose snapshot was of another changelog: without a marker
 * behind it, or longer than this one is? 1: it is read anew; 0: there is none. */
static int doubt(struct restore *r, struct consumer *c, struct err *err)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->parts[i].doubtful || r->parts[i].high < r->parts[i].end)
			return start_over(r, c, i,
					  r->parts[i].doubtful ? foreign
							       : "the changelog ends before it",
					  err) < 0
				       ? -1
				       : 1;
	return 0;
}

static int read_all(struct restore *r, struct consumer *c, struct err *err)
{
	int64_t progress_ms = clock_monotonic_ms() + PROGRESS_MS, give_up_ms = 0;
	struct consumed got;

	for (;;) {
		int doubts = r->left ? 0 : doubt(r, c, err);
		if (doubts < 0)
			return -1;
		if (!r->left && behind(r) < 0)
			return 0;
		if (atomic_load_explicit(r->settings->stop, memory_order_relaxed))
			return err_set(err, ERR_RETRY, "stopped while the state was restored");
		int64_t now_ms = clock_monotonic_ms();
		if (now_ms >= progress_ms) {
			log_progress(r, "restore_progress");
			progress_ms = now_ms + PROGRESS_MS;
		}
		if (!r->left && !give_up_ms)
			give_up_ms = now_ms + BEHIND_MS;
		if (!r->left && now_ms > give_up_ms) {
			const struct restored *item = &r->items[behind(r)];
			return err_set(err, ERR_CONFIG,
				       "partition %d: the group has committed offset %lld but the "
				       "state in %s ends at %lld: the state topic is not the one "
				       "that belongs to this group, or it lost records",
				       item->partition, (long long)item->at_least,
				       r->settings->topic,
				       (long long)shard_next_offset(item->shard));
		}
		int result = consumer_poll(c, POLL_MS, &got, err);
		if (result < 0)
			return -1;
		if (result == CONSUMER_NOTHING)
			continue;
		size_t i = find(r, got.record.partition);
		int rc = result == CONSUMER_RECORD ? take(r, c, i, &got.record, err) : 0;
		if (rc < 0)
			return -1;
		if (rc > 0)
			continue;
		r->parts[i].at = got.record.offset + (result == CONSUMER_RECORD);
		look(r, c, i);
	}
}

/* The snapshots, shared among threads: to read one is work for the processor alone. */
struct taking {
	struct restore *restore;
	struct consumer *consumer;
	_Atomic size_t next;
};

static void *take_snapshots(void *context)
{
	struct taking *t = context;
	struct restore *r = t->restore;

	for (size_t i; (i = atomic_fetch_add(&t->next, 1)) < r->count;)
		r->parts[i].doubtful = shortcut_take(&r->shortcuts, t->consumer, &r->items[i],
						     &r->parts[i].at, &r->parts[i].end);
	return NULL;
}

static void begin_at_snapshots(struct restore *r, struct consumer *c)
{
	struct taking taking = {.restore = r, .consumer = c};
	pthread_t helper;

	shortcut_ask(&r->shortcuts, c);
	bool helped = r->count > 1 && pthread_create(&helper, NULL, take_snapshots, &taking) == 0;
	take_snapshots(&taking);
	if (helped)
		pthread_join(helper, NULL);
}

/* Asks for what librdkafka must know before an assignment (consumer_assign()), and which partitions
 * need not be read from their beginning. */
static int begin(struct restore *r, struct consumer *c, struct err *err)
{
	int32_t known;

	if (consumer_partition_count(c, r->settings->topic, ASK_MS, &known, err) < 0 &&
	    err->kind != ERR_UNAVAILABLE && err->kind != ERR_RETRY)
		return -1;
	for (size_t i = 0; i < r->count; i++)
		r->parts[i] = (struct part){.high = -1, .at = CONSUMER_BEGINNING};
	if (r->settings->snapshots)
		begin_at_snapshots(r, c);
	return assign(r, c, err);
}

int changelog_restore(const struct changelog_settings *settings, struct restored *items,
		      size_t count, struct err *err)
{
	OWNED(consumer) *c = NULL;
	OWNED_MEM struct part *parts = calloc(MAX(count, (size_t)1), sizeof(struct part));
	struct restore r = {.settings = settings,
			    .items = items,
			    .parts = parts,
			    .count = count,
			    .left = count,
			    .shortcuts = {.settings = settings}};
	struct consumer_settings consumer = {
		.kafka = settings->kafka,
		.group = settings->group,
		.batch = true,
		.ends = true,
		.fetch_wait_ms = "10", /* it lives for moments, and ends are what it waits for */
	};
	int64_t start_ms = clock_monotonic_ms();

	if (count == 0)
		return 0;
	if (!parts)
		return err_set(err, ERR_OS, "restore: out of memory");
	if (consumer_new(&c, &consumer, err) < 0 || begin(&r, c, err) < 0)
		return -1;
	log_progress(&r, "restore_begin");
	if (read_all(&r, c, err) < 0)
		return err_wrap(err, "restore");
	for (size_t i = 0; i < count; i++)
		if (shard_loaded(items[i].shard, err) < 0 && !settings->unfinished)
			return err_wrap(err, "restore of partition %d", items[i].partition);
	log_event(LOG_INFO, "restore_end", LOG_NUM("worker", settings->worker),
		  LOG_NUM("partitions", count), LOG_NUM("records", r.records),
		  LOG_NUM("bytes", r.bytes), LOG_NUM("took_ms", clock_monotonic_ms() - start_ms));
	return 0;
}
