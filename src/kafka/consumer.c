/* consumer.c - librdkafka's consumer, with its callbacks turned into ours. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/consumer.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "kafka/consumer_handle.h"
#include "kafka/handle.h"
#include "kafka/house.h"

/* A topic that brokers do not know may be one whose metadata is stale: 2.0.2 drops topics from
 * its cache on passing errors. Only after so long it counts as missing. */
enum { UNKNOWN_TOPIC_MS = 30000, UNKNOWN_ASK_MS = 5000 };

enum { BATCH_MAX = 256, PREFETCH_BYTES = 1024, WAKE_MS = 100 };
enum { SETTLE_MS = 200 }; /* brokers' threads answer within a few ms */
enum { PREFETCH_PLACE = 18, PREFETCH_KEY = 16, PREFETCH_VALUE = 2 }; /* so many records before */

struct consumer {
	rd_kafka_t *rk;
	rd_kafka_message_t *message; /* of the last record */
	rd_kafka_queue_t *queue;     /* to take batches from; NULL: one by one */
	rd_kafka_message_t *batch[BATCH_MAX];
	size_t batch_at, batch_count; /* [at, count) are not delivered yet */
	rd_kafka_topic_partition_list_t *assigned; /* as given to librdkafka last; for batches */
	bool rebalanced; /* a callback ran inside the call */
	size_t queue_messages, queue_bytes; /* with so much waiting, nothing is fetched */
	bool queue_full;		    /* it was; wake_fetchers() is due */
	rd_kafka_consumer_group_metadata_t *member; /* as of the assignment, until revoked */
	struct consumer_events events;
	struct house house;
	struct err callback_err; /* of `assigned` */
	bool callback_failed;
	_Atomic bool away; /* every broker; set by librdkafka's threads */
	_Atomic bool was_away;
	int64_t unknown_since_ms;
	int64_t replaced_ms; /* when an assignment took the place of another one; 0: never */
};

static rd_kafka_topic_partition_list_t *list_of(const struct consumer_partition *parts,
						size_t count)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

	for (size_t i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(list, parts[i].topic, parts[i].partition)
			->offset = parts[i].offset == CONSUMER_BEGINNING ? RD_KAFKA_OFFSET_BEGINNING
									 : parts[i].offset;
	return list;
}

/* The code of a whole call, or the first of its partitions. */
static rd_kafka_resp_err_t worst(rd_kafka_resp_err_t code,
				 const rd_kafka_topic_partition_list_t *list)
{
	for (int i = 0; i < list->cnt && !code; i++)
		code = list->elems[i].err;
	return code;
}

static void forget_member(struct consumer *c)
{
	if (c->member)
		rd_kafka_consumer_group_metadata_destroy(c->member);
	c->member = NULL;
}

static void take_assignment(struct consumer *c, rd_kafka_topic_partition_list_t *list)
{
	size_t count = (size_t)list->cnt;
	OWNED_MEM struct consumer_partition *parts =
		calloc(MAX(count, (size_t)1), sizeof(struct consumer_partition));

	if (!parts) {
		c->callback_failed = true;
		(void)err_set(&c->callback_err, ERR_OS, "kafka: out of memory");
		return;
	}
	for (size_t i = 0; i < count; i++)
		parts[i] = (struct consumer_partition){list->elems[i].topic,
						       list->elems[i].partition, -1};
	/* Taken now and used until the partitions go: a query later can report generation -1 and
	 * no member, which a broker accepts without fencing. */
	forget_member(c);
	c->member = rd_kafka_consumer_group_metadata(c->rk);
	if (c->events.assigned(c->events.context, parts, count, &c->callback_err) < 0) {
		c->callback_failed = true;
		return;
	}
	if (consumer_assign(c, parts, count, &c->callback_err) < 0)
		c->callback_failed = true;
}

static void forget_assigned(struct consumer *c)
{
	if (c->assigned)
		rd_kafka_topic_partition_list_destroy(c->assigned);
	c->assigned = NULL;
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
			 rd_kafka_topic_partition_list_t *list, void *opaque)
{
	struct consumer *c = opaque;

	c->rebalanced = true;
	if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		take_assignment(c, list);
		return;
	}
	c->events.revoked(c->events.context, rd_kafka_assignment_lost(rk) != 0);
	forget_member(c);
	forget_assigned(c);
	rd_kafka_assign(rk, NULL);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	struct consumer *c = opaque;

	if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		return;
	c->was_away = true;
	if (!atomic_exchange(&c->away, true))
		log_event(LOG_WARN, "broker_away", LOG_TEXT("client", rd_kafka_name(rk)),
			  LOG_TEXT("err", reason));
}

static int make(struct consumer *c, const struct consumer_settings *settings, struct err *err)
{
	char why[512], member[249]; /* as long as a broker takes */
	rd_kafka_conf_t *conf;
	const struct handle_default weak[] = {
		{"session.timeout.ms", "10000"},
		{"heartbeat.interval.ms", "1000"},
		{"max.poll.interval.ms",
		 settings->max_poll_interval_ms ? settings->max_poll_interval_ms : "600000"},
		/* What waits in memory: enough for a second of work, far from the default 64 MB
		 * for each partition, and twice as much again for librdkafka's own notes. Whoever
		 * wakes the fetchers in time needs less (wake_fetchers()). An answer is unpacked
		 * whole, to several times its size: of 16 MB the process stayed 200 MB larger. */
		{"queued.max.messages.kbytes", settings->batch ? "16384" : "32768"},
		{"queued.min.messages", "100000"},
		{"fetch.message.max.bytes", "2097152"},
		{"fetch.max.bytes", "4194304"},
		{"receive.message.max.bytes", "67108864"},
		/* A partition that was at its end or had an error is asked again soon. */
		{"fetch.error.backoff.ms", "100"},
		{"fetch.wait.max.ms", settings->fetch_wait_ms},
		{"fetch.min.bytes", settings->fetch_min_bytes},
		{"topic.metadata.refresh.interval.ms", "60000"},
		{NULL, NULL},
	};
	const struct handle_default strong[] = {
		{"group.id", settings->group},
		{"group.instance.id", settings->instance ? member : NULL},
		{"enable.auto.commit", "false"},
		{"enable.auto.offset.store", "false"},
		{"isolation.level", "read_committed"},
		{"auto.offset.reset", "error"},
		{"partition.assignment.strategy", "range"},
		{"enable.partition.eof", settings->ends ? "true" : "false"},
		{"check.crcs", "true"},
		{"allow.auto.create.topics", "false"},
		{NULL, NULL},
	};

	if (settings->instance)
		(void)snprintf(member, sizeof member, "%.200s-%08x", settings->instance,
			       (unsigned)hash_64(str_of(settings->reads)));
	if (handle_conf(&conf, settings->kafka, weak, strong, err) < 0)
		return -1;
	rd_kafka_conf_set_opaque(conf, c);
	rd_kafka_conf_set_error_cb(conf, on_error);
	house_watch(&c->house, conf);
	if (settings->events.assigned)
		rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
	c->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
	if (!c->rk) {
		rd_kafka_conf_destroy(conf);
		return err_set(err, ERR_CONFIG, "kafka consumer: %s", why);
	}
	rd_kafka_poll_set_consumer(c->rk);
	if (settings->batch) {
		c->queue = rd_kafka_queue_get_consumer(c->rk);
		c->queue_messages = (size_t)handle_number(c->rk, "queued.min.messages");
		/* 1000, as 2.0.2 counts */
		c->queue_bytes = (size_t)handle_number(c->rk, "queued.max.messages.kbytes") * 1000;
	}
	return 0;
}

/* What was taken from the queue and not delivered is of the assignment before. */
static void drop_batch(struct consumer *c)
{
	while (c->batch_at < c->batch_count)
		rd_kafka_message_destroy(c->batch[c->batch_at++]);
	c->batch_at = c->batch_count = 0;
}

int consumer_new(struct consumer **out, const struct consumer_settings *settings, struct err *err)
{
	OWNED(consumer) *c = calloc(1, sizeof *c);

	if (!c)
		return err_set(err, ERR_OS, "kafka: out of memory");
	c->events = settings->events;
	if (make(c, settings, err) < 0)
		return -1;
	*out = TAKE(c);
	return 0;
}

void consumer_free(struct consumer *c)
{
	if (!c)
		return;
	if (c->message)
		rd_kafka_message_destroy(c->message);
	drop_batch(c);
	forget_member(c);
	forget_assigned(c);
	if (c->queue)
		rd_kafka_queue_destroy(c->queue);
	/* Partitions that are still being stopped for an assignment that was replaced would be stopped
	 * a second time, which librdkafka asserts not to happen (its issue 5573). */
	int64_t settle_ms = c->replaced_ms ? c->replaced_ms + SETTLE_MS - clock_monotonic_ms() : 0;
	if (settle_ms > 0)
		clock_sleep_ms(settle_ms);
	/* consumer_close() would call `revoked` and can hang on 2.0.2 (a leaked count of a deleted
	 * partition); a static member does not leave anyway. */
	if (c->rk)
		rd_kafka_destroy_flags(c->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	free(c);
}

int consumer_subscribe(struct consumer *c, const char *const *topics, size_t count,
		       struct err *err)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

	assert(c->events.assigned && c->events.revoked);
	for (size_t i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(list, topics[i], RD_KAFKA_PARTITION_UA);
	rd_kafka_resp_err_t code = rd_kafka_subscribe(c->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return code ? handle_error(err, code, "kafka: subscribe") : 0;
}

int consumer_assign(struct consumer *c, const struct consumer_partition *parts, size_t count,
		    struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (parts[i].offset < 0 && parts[i].offset != CONSUMER_BEGINNING)
			return err_set(err, ERR_BUG, "kafka: %s partition %d without an offset",
				       parts[i].topic, parts[i].partition);
	drop_batch(c);
	if (c->assigned)
		c->replaced_ms = clock_monotonic_ms();
	forget_assigned(c);
	c->assigned = list_of(parts, count);
	rd_kafka_resp_err_t code = worst(rd_kafka_assign(c->rk, c->assigned), c->assigned);
	return code ? handle_error(err, code, "kafka: assign") : 0;
}

static int pause_or_resume(struct consumer *c, const struct consumer_partition *parts,
			   size_t count, bool pause, struct err *err)
{
	assert(!c->queue);
	rd_kafka_topic_partition_list_t *list = list_of(parts, count);
	rd_kafka_resp_err_t code = pause ? rd_kafka_pause_partitions(c->rk, list)
					 : rd_kafka_resume_partitions(c->rk, list);

	code = worst(code, list);
	rd_kafka_topic_partition_list_destroy(list);
	return code ? handle_error(err, code, pause ? "kafka: pause" : "kafka: resume") : 0;
}

int consumer_pause(struct consumer *c, const struct consumer_partition *parts, size_t count,
		   struct err *err)
{
	return pause_or_resume(c, parts, count, true, err);
}

int consumer_resume(struct consumer *c, const struct consumer_partition *parts, size_t count,
		    struct err *err)
{
	return pause_or_resume(c, parts, count, false, err);
}

static int fatal(struct consumer *c, struct err *err)
{
	char why[256];
	rd_kafka_resp_err_t code = rd_kafka_fatal_error(c->rk, why, sizeof why);

	if (code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
		return err_set(err, ERR_RETRY,
			       "another process took over the name of this group member%s; only one "
			       "may run under a name (see `instance` and state.dir)",
			       c->was_away ? ", or its session timed out while brokers were away" : "");
	return err_set(err, ERR_RETRY, "kafka consumer: %s", why);
}

/* A topic, or a partition of it, that a broker did not know. On a quiet topic nothing comes in between
 * that tells whether two such answers are one absence, so that in the end a broker is asked. */
static int judge_unknown(struct consumer *c, const char *topic, int32_t partition, struct err *err)
{
	int64_t now_ms = clock_monotonic_ms();
	int32_t count = 0;

	if (!c->unknown_since_ms)
		c->unknown_since_ms = now_ms;
	if (now_ms - c->unknown_since_ms < UNKNOWN_TOPIC_MS ||
	    handle_partition_count(c->rk, topic, UNKNOWN_ASK_MS, &count, err) < 0)
		return CONSUMER_NOTHING;
	if (count == 0 || partition >= count)
		return handle_no_topic(err, topic);
	c->unknown_since_ms = 0;
	return CONSUMER_NOTHING;
}

/* What a message with an error means: nothing (it heals), or the end. */
static int judge(struct consumer *c, const rd_kafka_message_t *m, struct err *err)
{
	const char *topic = m->rkt ? rd_kafka_topic_name(m->rkt) : "";

	if (m->err == RD_KAFKA_RESP_ERR__FATAL)
		return fatal(c, err);
	if (m->err == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED || handle_is_away(m->err))
		return CONSUMER_NOTHING; /* a rebalance or a new connection follows */
	if (m->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
	    m->err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
	    m->err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
		return judge_unknown(c, topic, m->partition, err);
	if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
	    m->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
		return err_set(err, ERR_CONFIG,
			       "%s partition %d: the broker does not have the offset that comes "
			       "next (the retention passed it, or the topic was made anew)",
			       topic, m->partition);
	char what[320];
	(void)snprintf(what, sizeof what, "kafka: %s partition %d offset %lld", topic,
		       m->partition, (long long)m->offset);
	return handle_error(err, m->err, what);
}

static void note_back(struct consumer *c)
{
	c->away = false;
	log_event(LOG_INFO, "broker_back", LOG_TEXT("client", rd_kafka_name(c->rk)));
}

/* With its queue full 2.0.2 stops fetching, and sees that it is not full any more when its thread wakes
 * for another reason, or after a second (rd_kafka_broker_consumer_serve(); fetch.queue.backoff.ms came
 * with 2.2). A question to the leaders of all partitions is such a reason. It is asked while half of
 * the queue is still there. */
static void wake_fetchers(struct consumer *c)
{
	rd_kafka_topic_partition_list_t *list;

	if (!c->assigned)
		return;
	list = rd_kafka_topic_partition_list_copy(c->assigned);
	for (int i = 0; i < list->cnt; i++)
		list->elems[i].offset = RD_KAFKA_OFFSET_END;
	(void)rd_kafka_offsets_for_times(c->rk, list, WAKE_MS); /* the answer is of no interest */
	rd_kafka_topic_partition_list_destroy(list);
}

/* How full the queue is, by the size of one message that came from it. */
static void look_at_queue(struct consumer *c, const rd_kafka_message_t *m)
{
	size_t messages = rd_kafka_queue_length(c->queue), bytes = messages * (m->len + m->key_len);

	if (messages > c->queue_messages / 4 * 3 || bytes > c->queue_bytes / 4 * 3) {
		c->queue_full = true;
	} else if (c->queue_full && messages < c->queue_messages / 2 && bytes < c->queue_bytes / 2) {
		c->queue_full = false;
		wake_fetchers(c);
	}
}

/* Takes what is fetched, without waiting. On 2.0.2 a batch that was begun before a rebalance goes
 * on after it: its first records then are of partitions that are gone, or lie behind the place
 * where the new assignment begins. So when a callback ran inside the call everything is dropped
 * and the assignment made once more, from its beginning. */
static void take_batch(struct consumer *c)
{
	c->rebalanced = false;
	ssize_t count = rd_kafka_consume_batch_queue(c->queue, 0, c->batch, BATCH_MAX);
	c->batch_at = 0;
	c->batch_count = count > 0 ? (size_t)count : 0;
	if (UNLIKELY(c->rebalanced)) {
		drop_batch(c);
		if (c->assigned) {
			c->replaced_ms = clock_monotonic_ms();
			rd_kafka_assign(c->rk, c->assigned);
		}
	}
	if (c->batch_count)
		look_at_queue(c, c->batch[0]);
}

/* The next one of the batch. Another thread wrote the records, most of them long ago: those that
 * come next are fetched into the cache meanwhile, first where they are, then how they begin (the key),
 * then what they say. */
static rd_kafka_message_t *next_of_batch(struct consumer *c)
{
	size_t at = c->batch_at++;

	if (at + PREFETCH_PLACE < c->batch_count)
		__builtin_prefetch(c->batch[at + PREFETCH_PLACE]);
	if (at + PREFETCH_KEY < c->batch_count)
		prefetch(c->batch[at + PREFETCH_KEY]->key, CACHE_LINE);
	if (at + PREFETCH_VALUE < c->batch_count) {
		const rd_kafka_message_t *m = c->batch[at + PREFETCH_VALUE];
		prefetch(m->payload, MIN(m->len, (size_t)PREFETCH_BYTES));
	}
	return c->batch[at];
}

static rd_kafka_message_t *next_message(struct consumer *c, int timeout_ms)
{
	if (c->batch_at < c->batch_count)
		return next_of_batch(c);
	if (c->queue) {
		take_batch(c);
		if (c->batch_count)
			return next_of_batch(c);
	}
	/* A batch waits until it is full; one record comes as soon as it is there. */
	return timeout_ms || !c->queue ? rd_kafka_consumer_poll(c->rk, timeout_ms) : NULL;
}

int consumer_poll(struct consumer *c, int timeout_ms, struct consumed *out, struct err *err)
{
	if (c->message)
		rd_kafka_message_destroy(c->message);
	rd_kafka_message_t *m = c->message = next_message(c, timeout_ms);
	if (UNLIKELY(c->callback_failed)) {
		c->callback_failed = false;
		*err = c->callback_err;
		return -1;
	}
	if (!m)
		return CONSUMER_NOTHING;
	if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		*out = (struct consumed){.record = {.offset = m->offset, .partition = m->partition},
					 .topic = rd_kafka_topic_name(m->rkt)};
		return CONSUMER_END;
	}
	if (UNLIKELY(m->err))
		return judge(c, m, err);
	if (UNLIKELY(atomic_load_explicit(&c->away, memory_order_relaxed)))
		note_back(c);
	c->unknown_since_ms = 0;
	rd_kafka_timestamp_type_t type;
	out->record = (struct record){
		.value = {m->payload, m->len},
		.key = {m->key, m->key_len},
		.time_ms = rd_kafka_message_timestamp(m, &type),
		.offset = m->offset,
		.partition = m->partition,
	};
	out->topic = rd_kafka_topic_name(m->rkt);
	out->message = m;
	return CONSUMER_RECORD;
}

bool consumer_peek(const struct consumer *c, size_t ahead, int32_t *partition, struct str *key)
{
	if (c->batch_at + ahead > c->batch_count)
		return false;
	const rd_kafka_message_t *m = c->batch[c->batch_at + ahead - 1];
	*partition = m->partition;
	*key = (struct str){m->key, m->err ? 0 : m->key_len};
	return true;
}

size_t consumed_headers(const struct consumed *consumed, struct kafka_header *out, size_t max)
{
	rd_kafka_headers_t *headers;
	const void *value;
	size_t count = 0;

	if (!consumed->message || rd_kafka_message_headers(consumed->message, &headers))
		return 0;
	while (count < max && !rd_kafka_header_get_all(headers, count, &out[count].name, &value,
						       &out[count].value.len)) {
		out[count].value.data = value;
		count++;
	}
	return count;
}

void consumed_headers_all(const struct consumed *consumed, struct kafka_headers *out)
{
	rd_kafka_headers_t *headers;
	struct kafka_header h;
	const void *value;

	out->count = 0;
	if (!consumed->message || rd_kafka_message_headers(consumed->message, &headers))
		return;
	while (!rd_kafka_header_get_all(headers, out->count, &h.name, &value, &h.value.len)) {
		h.value.data = value;
		kafka_headers_add(out, h.name, h.value);
	}
}

/* Takes the offsets of `list` (in the order it was made) into `parts`. */
static int take_offsets(rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
			struct consumer_partition *parts, const char *what, struct err *err)
{
	code = worst(code, list);
	for (int i = 0; i < list->cnt && !code; i++)
		parts[i].offset = list->elems[i].offset >= 0 ? list->elems[i].offset : -1;
	rd_kafka_topic_partition_list_destroy(list);
	return code ? handle_error(err, code, what) : 0;
}

int consumer_committed(struct consumer *c, struct consumer_partition *parts, size_t count,
		       int timeout_ms, struct err *err)
{
	rd_kafka_topic_partition_list_t *list = list_of(parts, count);
	rd_kafka_resp_err_t code = rd_kafka_committed(c->rk, list, timeout_ms);

	return take_offsets(code, list, parts, "kafka: committed offsets", err);
}

int64_t consumer_high_watermark(const struct consumer *c, const char *topic, int32_t partition)
{
	int64_t low, high;

	if (rd_kafka_get_watermark_offsets(c->rk, topic, partition, &low, &high))
		return -1;
	return high >= 0 ? high : -1;
}

/* Replaces the time of each part by an offset. */
static int ask_times(struct consumer *c, struct consumer_partition *parts, size_t count,
		     int timeout_ms, struct err *err)
{
	rd_kafka_topic_partition_list_t *list = list_of(parts, count);
	rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(c->rk, list, timeout_ms);

	return take_offsets(code, list, parts, "kafka: offsets", err);
}

int consumer_query_offsets(struct consumer *c, const char *topic, int32_t partition,
			   int timeout_ms, int64_t *low, int64_t *high, struct err *err)
{
	/* Not rd_kafka_query_watermark_offsets(): 2.0.2 overruns its timeout without end when the
	 * leader is dead (#4460). These "times" are the protocol's words for both ends. */
	struct consumer_partition first = {topic, partition, RD_KAFKA_OFFSET_BEGINNING};
	struct consumer_partition last = {topic, partition, RD_KAFKA_OFFSET_END};

	if (ask_times(c, &first, 1, timeout_ms, err) < 0 || ask_times(c, &last, 1, timeout_ms, err) < 0)
		return -1;
	if (first.offset < 0 || last.offset < 0)
		return err_set(err, ERR_UNAVAILABLE, "kafka: no offsets of %s partition %d", topic,
			       partition);
	*low = first.offset;
	*high = last.offset;
	return 0;
}

int consumer_offsets_at(struct consumer *c, struct consumer_partition *parts, size_t count,
			int timeout_ms, struct err *err)
{
	if (ask_times(c, parts, count, timeout_ms, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		int64_t low;
		if (parts[i].offset < 0 &&
		    consumer_query_offsets(c, parts[i].topic, parts[i].partition, timeout_ms, &low,
					   &parts[i].offset, err) < 0)
			return -1;
	}
	return 0;
}

void consumer_cluster_id(struct consumer *c, int timeout_ms, char *out, size_t size)
{
	char *id = rd_kafka_clusterid(c->rk, timeout_ms);

	(void)snprintf(out, size, "%s", id ? id : "");
	if (id)
		rd_kafka_mem_free(c->rk, id);
}

int consumer_partition_count(struct consumer *c, const char *topic, int timeout_ms, int32_t *out,
			     struct err *err)
{
	return handle_partition_count(c->rk, topic, timeout_ms, out, err);
}

int consumer_need_topic(struct consumer *c, const char *topic, int timeout_ms, int32_t *out,
			struct err *err)
{
	return handle_need_topic(c->rk, topic, timeout_ms, out, err);
}

bool consumer_look_for_brokers(struct consumer *c, const char *topic, int timeout_ms)
{
	struct err ignored; /* an answer is all that is wanted */
	int32_t partitions;

	if (c->away && handle_partition_count(c->rk, topic, timeout_ms, &partitions, &ignored) == 0)
		note_back(c);
	return !c->away;
}

void consumer_give_back(struct consumer *c)
{
	house_ask(&c->house); /* fetching goes on all the time */
}

const rd_kafka_consumer_group_metadata_t *consumer_member(const struct consumer *c)
{
	return c->member;
}
