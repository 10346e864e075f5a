/* holdings.c - restores, commits and drops the state of the partitions of a worker. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "holdings.h"

#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	COMMITTED_MS = 5000,
	PATIENCE_MS = 60000, /* then whoever starts us anew tries from the beginning */
};

/* The group's offsets; a broker that is away is waited for. */
static int ask_committed(const struct holdings_settings *settings, struct holdings *h,
			 struct err *err)
{
	OWNED_MEM struct consumer_partition *parts =
		calloc(MAX(h->count, (size_t)1), sizeof(struct consumer_partition));

	if (!parts)
		return err_set(err, ERR_OS, "out of memory");
	for (size_t i = 0; i < h->count; i++)
		parts[i] = (struct consumer_partition){settings->archive, h->items[i].partition, -1};
	int64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
	while (consumer_committed(settings->consumer, parts, h->count, COMMITTED_MS, err) < 0) {
		if ((err->kind != ERR_UNAVAILABLE && err->kind != ERR_RETRY) ||
		    clock_monotonic_ms() > deadline_ms)
			return -1;
		if (atomic_load(settings->changelog.stop))
			return err_set(err, ERR_RETRY, "stopped while waiting for the group");
		log_event(LOG_WARN, "group_offsets_wait",
			  LOG_NUM("worker", settings->changelog.worker),
			  LOG_TEXT("err", err->text));
		clock_sleep_ms(200);
	}
	for (size_t i = 0; i < h->count; i++)
		h->items[i].committed = parts[i].offset;
	return 0;
}

static int restore(const struct holdings_settings *settings, struct holdings *h, struct err *err)
{
	OWNED_MEM struct restored *items =
		calloc(MAX(h->count, (size_t)1), sizeof(struct restored));

	if (!items)
		return err_set(err, ERR_OS, "out of memory");
	for (size_t i = 0; i < h->count; i++) {
		struct holding *holding = &h->items[i];
		if (shard_new(&holding->shard, holding->partition, &settings->shard, h->items[0].shard, err) < 0)
			return -1;
		items[i] = (struct restored){holding->partition, holding->shard,
					     holding->committed};
	}
	if (changelog_restore(&settings->changelog, items, h->count, err) < 0)
		return -1;
	for (size_t i = 0; i < h->count; i++)
		h->items[i].from_snapshot = items[i].from_snapshot;
	return 0;
}

/* A changelog without a lineage gets one, with its next marker. */
static int give_lineage(struct shard *shard, struct err *err)
{
	uint64_t random[2];
	char name[33];

	if (shard_lineage(shard).len)
		return 0;
	if (getrandom(random, sizeof random, 0) != sizeof random)
		return err_errno(err, ERR_OS, "no random numbers");
	(void)snprintf(name, sizeof name, "%016llx%016llx", (unsigned long long)random[0],
		       (unsigned long long)random[1]);
	shard_set_lineage(shard, str_of(name));
	return 0;
}

/* The marker decides; the group's offset is for people, and a reason to warn. */
static void take_position(const struct holding *holding, int64_t worker, struct owned *owned)
{
	int64_t marker = shard_next_offset(holding->shard);
	const char *event = NULL;

	owned->next = marker >= 0 ? marker : CONSUMER_BEGINNING;
	if (marker < 0 && holding->committed >= 0)
		event = "no_marker"; /* the archive is read from its beginning */
	else if (holding->committed >= 0 && holding->committed < marker)
		event = "group_offset_behind_marker";
	if (event)
		log_event(LOG_WARN, event, LOG_NUM("worker", worker),
			  LOG_NUM("partition", holding->partition), LOG_NUM("marker", marker),
			  LOG_NUM("group_offset", holding->committed));
}

int holdings_take(struct holdings *h, const struct holdings_settings *settings,
		  struct owned *owned, size_t count, struct err *err)
{
	assert(!h->items);
	h->items = calloc(MAX(count, (size_t)1), sizeof *h->items);
	if (!h->items)
		return err_set(err, ERR_OS, "out of memory");
	h->count = count;
	for (size_t i = 0; i < count; i++)
		h->items[i] = (struct holding){.partition = owned[i].partition, .committed = -1};
	if (count == 0)
		return 0;
	if (ask_committed(settings, h, err) < 0 || restore(settings, h, err) < 0) {
		holdings_drop(h);
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		if (give_lineage(h->items[i].shard, err) < 0) {
			holdings_drop(h);
			return -1;
		}
		take_position(&h->items[i], settings->changelog.worker, &owned[i]);
	}
	return 0;
}

void holdings_drop(struct holdings *h)
{
	for (size_t i = 0; i < h->count; i++) {
		shard_free(h->items[i].shard);
		rulebook_free(h->items[i].book);
	}
	free(h->items);
	*h = (struct holdings){0};
}

struct holding *holdings_find(const struct holdings *h, int32_t partition)
{
	size_t low = 0, high = h->count;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;
		if (h->items[middle].partition <= partition)
			low = middle;
		else
			high = middle;
	}
	assert(low < h->count && h->items[low].partition == partition);
	return &h->items[low];
}

bool holdings_settle(struct holdings *h, uint32_t subjects)
{
	for (size_t i = 0; i < h->count; i++)
		if (shard_settle(h->items[i].shard, subjects))
			return true;
	return false;
}

bool holdings_squeeze(struct holdings *h, uint32_t steps)
{
	for (size_t i = 0; i < h->count; i++)
		if (shard_squeeze(h->items[i].shard, steps))
			return true;
	return false;
}

void holdings_begin(struct holdings *h, const struct owned *owned)
{
	for (size_t i = 0; i < h->count; i++) {
		assert(h->items[i].partition == owned[i].partition);
		h->items[i].touched = h->items[i].joined = false;
		h->items[i].begun_next = owned[i].next;
		shard_begin(h->items[i].shard);
	}
}

void holdings_commit(struct holdings *h, const struct owned *owned)
{
	for (size_t i = 0; i < h->count; i++) {
		shard_commit(h->items[i].shard);
		if (owned[i].next >= 0)
			h->items[i].committed = owned[i].next;
	}
}

void holdings_rollback(struct holdings *h)
{
	for (size_t i = 0; i < h->count; i++)
		shard_rollback(h->items[i].shard);
}
