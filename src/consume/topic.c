/* topic.c - keeps the next offset of each owned partition, and drops what does not follow. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "consume/topic.h"

struct topic_source {
	struct consumer *consumer;
	char *topic;
	struct topic_events events;
	struct consumed consumed; /* the last record */
	struct owned *owned;	  /* by partition */
	size_t owned_count;
	int32_t *index; /* of a partition in `owned`, -1: not ours; grows with the partitions */
	size_t index_count;
};

static int by_partition(const void *a, const void *b)
{
	const struct consumer_partition *left = a, *right = b;
	return (left->partition > right->partition) - (left->partition < right->partition);
}

static void disown(struct topic_source *t)
{
	free(t->owned);
	t->owned = NULL;
	t->owned_count = 0;
	for (size_t i = 0; i < t->index_count; i++)
		t->index[i] = -1;
}

static int own(struct topic_source *t, const struct consumer_partition *parts, size_t count,
	       struct err *err)
{
	disown(t);
	size_t need = count ? (size_t)parts[count - 1].partition + 1 : 0;
	if (need > t->index_count) {
		int32_t *index = realloc(t->index, need * sizeof *index);
		if (!index)
			return err_set(err, ERR_OS, "archive: out of memory");
		t->index = index;
		while (t->index_count < need)
			t->index[t->index_count++] = -1;
	}
	t->owned = calloc(MAX(count, (size_t)1), sizeof *t->owned);
	if (!t->owned)
		return err_set(err, ERR_OS, "archive: out of memory");
	t->owned_count = count;
	for (size_t i = 0; i < count; i++) {
		t->owned[i] = (struct owned){parts[i].partition, -1, -1};
		t->index[parts[i].partition] = (int32_t)i;
	}
	return 0;
}

static int on_assigned(void *context, struct consumer_partition *parts, size_t count,
		       struct err *err)
{
	struct topic_source *t = context;

	qsort(parts, count, sizeof *parts, by_partition);
	if (own(t, parts, count, err) < 0 ||
	    t->events.assigned(t->events.context, t->owned, count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		parts[i].offset = t->owned[i].next;
	return 0;
}

static void on_revoked(void *context, bool lost)
{
	struct topic_source *t = context;

	t->events.revoked(t->events.context, lost);
	disown(t);
}

int topic_source_new(struct topic_source **out, const struct topic_source_settings *settings,
		     struct err *err)
{
	OWNED(topic_source) *t = calloc(1, sizeof *t);

	if (!t || !(t->topic = strdup(settings->topic)))
		return err_set(err, ERR_OS, "archive: out of memory");
	t->events = settings->events;
	char reads[300];
	(void)snprintf(reads, sizeof reads, "%s:%d", settings->topic, (int)settings->partitions);
	struct consumer_settings consumer = {
		.kafka = settings->kafka,
		.group = settings->group,
		.instance = settings->instance,
		.reads = reads,
		.events = {on_assigned, on_revoked, t},
		.batch = true,
		.ends = true,
		/* An answer for every few records costs more than the records. 64 KB are some 300
		 * messages; who writes less to a broker than 64 KB in this time waits that long. */
		.fetch_wait_ms = "75",
		.fetch_min_bytes = "65536",
	};
	if (consumer_new(&t->consumer, &consumer, err) < 0)
		return -1;
	const char *topics[] = {t->topic};
	if (consumer_subscribe(t->consumer, topics, 1, err) < 0)
		return -1;
	*out = TAKE(t);
	return 0;
}

void topic_source_free(struct topic_source *t)
{
	if (!t)
		return;
	consumer_free(t->consumer);
	free(t->topic);
	free(t->owned);
	free(t->index);
	free(t);
}

struct record topic_record(const struct record *from, struct arena *arena)
{
	struct record record = *from;

	if (from->value.data) {
		char *value = arena_alloc(arena, from->value.len + RECORD_PADDING);
		memcpy(value, from->value.data, from->value.len);
		memset(value + from->value.len, 0, RECORD_PADDING);
		record.value.data = value;
	}
	if (from->key.data)
		record.key = arena_copy(arena, from->key);
	if (record.time_ms < 1)
		record.time_ms = 1; /* decode wants a positive time; brokers may store -1 */
	return record;
}

struct record topic_source_again(const struct topic_source *t, struct arena *arena)
{
	return topic_record(&t->consumed.record, arena);
}

static struct owned *owned_of(const struct topic_source *t, int32_t partition)
{
	if ((size_t)partition >= t->index_count || t->index[partition] < 0)
		return NULL;
	return &t->owned[t->index[partition]];
}

/* Takes what came. 1: a record to hand out; 0: an end was noted, or it is none of ours. */
static int take(struct topic_source *t, int got)
{
	struct owned *owned = owned_of(t, t->consumed.record.partition);

	if (UNLIKELY(!owned || t->consumed.record.offset < owned->next))
		return 0;
	owned->end = got == CONSUMER_END ? t->consumed.record.offset : -1;
	return got == CONSUMER_RECORD;
}

int topic_source_poll(struct topic_source *t, int timeout_ms, struct arena *arena,
		      struct record *out, struct err *err)
{
	int got;

	/* Behind an end there may be records, of another partition or of this one. */
	while ((got = consumer_poll(t->consumer, timeout_ms, &t->consumed, err)) == CONSUMER_RECORD ||
	       got == CONSUMER_END) {
		if (take(t, got)) {
			*out = topic_source_again(t, arena);
			return 1;
		}
		timeout_ms = 0;
	}
	return got < 0 ? -1 : 0;
}

bool topic_source_peek(const struct topic_source *t, size_t ahead, int32_t *partition, struct str *key)
{
	return consumer_peek(t->consumer, ahead, partition, key) && owned_of(t, *partition);
}

void topic_source_done(struct topic_source *t, const struct record *record)
{
	struct owned *owned = owned_of(t, record->partition);

	assert(owned && record->offset >= owned->next);
	owned->next = record->offset + 1;
}

void topic_source_reach(struct topic_source *t, const struct record *record)
{
	struct owned *owned = owned_of(t, record->partition);

	assert(owned && record->offset >= owned->next);
	owned->next = record->offset;
}

void topic_source_headers(const struct topic_source *t, struct kafka_headers *out)
{
	consumed_headers_all(&t->consumed, out);
}

const struct owned *topic_source_owned(const struct topic_source *t, size_t *count)
{
	*count = t->owned_count;
	return t->owned;
}

int topic_source_rewind(struct topic_source *t, const int64_t *next, struct err *err)
{
	OWNED_MEM struct consumer_partition *parts =
		calloc(MAX(t->owned_count, (size_t)1), sizeof(struct consumer_partition));

	if (!parts)
		return err_set(err, ERR_OS, "archive: out of memory");
	for (size_t i = 0; i < t->owned_count; i++) {
		t->owned[i].next = next[i];
		t->owned[i].end = -1;
		parts[i] = (struct consumer_partition){t->topic, t->owned[i].partition, next[i]};
	}
	return consumer_assign(t->consumer, parts, t->owned_count, err);
}

struct consumer *topic_source_consumer(struct topic_source *t)
{
	return t->consumer;
}
