/* changelog.c - restores shards, past the high watermark. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/changelog.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "kafka/consumer.h"

enum {
	PROGRESS_MS = 2000,
	POLL_MS = 100,
	ASK_MS = 5000,
	/* transaction.timeout.ms and as much again for the broker to find and end it */
	BEHIND_MS = 20000,
};

struct restore {
	const struct changelog_settings *settings;
	const struct restored *items;
	struct part {
		int64_t high; /* watermark seen first; -1: not yet */
		int64_t at;   /* next offset that will come */
		bool done;
	} * parts;
	size_t count, left;
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
		left += MAX(r->parts[i].high - r->parts[i].at, (int64_t)0);
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

static int read_all(struct restore *r, struct consumer *c, struct err *err)
{
	int64_t progress_ms = clock_monotonic_ms() + PROGRESS_MS, give_up_ms = 0;
	struct consumed got;

	while (r->left || behind(r) >= 0) {
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
		if (result == CONSUMER_RECORD) {
			fault_point("in_restore");
			r->records++;
			r->bytes += got.record.key.len + got.record.value.len;
			if (shard_load(r->items[i].shard, got.record.key, got.record.value, err) < 0)
				return err_wrap(err, "%s partition %d offset %lld",
						r->settings->topic, got.record.partition,
						(long long)got.record.offset);
		}
		r->parts[i].at = got.record.offset + (result == CONSUMER_RECORD);
		look(r, c, i);
	}
	return 0;
}

static int assign(const struct restore *r, struct consumer *c, struct err *err)
{
	OWNED_MEM struct consumer_partition *parts =
		calloc(MAX(r->count, (size_t)1), sizeof(struct consumer_partition));

	if (!parts)
		return err_set(err, ERR_OS, "restore: out of memory");
	for (size_t i = 0; i < r->count; i++)
		parts[i] = (struct consumer_partition){r->settings->topic, r->items[i].partition,
						       CONSUMER_BEGINNING};
	int32_t known; /* asked so that librdkafka knows the leaders; see consumer_assign() */
	if (consumer_partition_count(c, r->settings->topic, ASK_MS, &known, err) < 0 &&
	    err->kind != ERR_UNAVAILABLE && err->kind != ERR_RETRY)
		return -1;
	return consumer_assign(c, parts, r->count, err);
}

int changelog_restore(const struct changelog_settings *settings, const struct restored *items,
		      size_t count, struct err *err)
{
	OWNED(consumer) *c = NULL;
	OWNED_MEM struct part *parts = calloc(MAX(count, (size_t)1), sizeof(struct part));
	struct restore r = {settings, items, parts, count, count, 0, 0};
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
	for (size_t i = 0; i < count; i++)
		parts[i].high = -1;
	if (consumer_new(&c, &consumer, err) < 0 || assign(&r, c, err) < 0)
		return -1;
	log_progress(&r, "restore_begin");
	if (read_all(&r, c, err) < 0)
		return err_wrap(err, "restore");
	for (size_t i = 0; i < count; i++)
		if (shard_loaded(items[i].shard, err) < 0)
			return err_wrap(err, "restore of partition %d", items[i].partition);
	log_event(LOG_INFO, "restore_end", LOG_NUM("worker", settings->worker),
		  LOG_NUM("partitions", count), LOG_NUM("records", r.records),
		  LOG_NUM("bytes", r.bytes), LOG_NUM("took_ms", clock_monotonic_ms() - start_ms));
	return 0;
}
