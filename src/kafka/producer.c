/* producer.c - librdkafka's transactional producer, with what its errors leave behind. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/producer.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "kafka/consumer_handle.h"
#include "kafka/handle.h"
#include "kafka/house.h"

/* The longest that a call of a transaction is repeated: shorter than the transaction's timeout,
 * so that the broker has not ended it behind our back. */
enum { CALL_MS = PRODUCER_TRANSACTION_TIMEOUT_MS - 2000, RETRY_WAIT_MS = 20, TOPICS_MAX = 16,
       FLUSH_TRIES_MAX = 30, GIVE_BACK_MS = 100, HEADERS_FEW = 64 };

struct producer {
	rd_kafka_t *rk;
	rd_kafka_topic_t *topics[TOPICS_MAX];
	size_t topic_count;
	bool transactional;
	int64_t linger_ms;
	enum producer_state state;
	bool fenced;
	_Atomic bool disturbed; /* a connection was lost; set by librdkafka's threads */
	_Atomic bool away;
	_Atomic int64_t failed; /* records that were not delivered (no transactions) */
	_Atomic int failed_code;
	struct house house;
};

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	struct producer *p = opaque;

	if (code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__TIMED_OUT ||
	    code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		p->disturbed = true;
	if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !atomic_exchange(&p->away, true))
		log_event(LOG_WARN, "broker_away", LOG_TEXT("client", rd_kafka_name(rk)),
			  LOG_TEXT("err", reason));
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct producer *p = opaque;

	if (m->err) {
		p->failed_code = (int)m->err;
		p->failed++;
	}
}

static int make(struct producer *p, const struct producer_settings *settings, struct err *err)
{
	char why[512], timeout[16];
	rd_kafka_conf_t *conf;
	const struct handle_default weak[] = {
		{"linger.ms", settings->linger_ms ? settings->linger_ms : "5"},
		{"compression.type", "zstd"},
		{"compression.level", settings->compression_level},
		{"queue.buffering.max.kbytes", "65536"},
		{"queue.buffering.max.messages", "500000"},
		{"topic.metadata.refresh.interval.ms", "60000"},
		/* A dead letter has the bytes of its record, however many; topics decide. */
		{"message.max.bytes", "67108864"},
		{"batch.size", "1000000"},
		{NULL, NULL},
	};
	bool txn = settings->transactional_id != NULL;
	const struct handle_default strong[] = {
		{"transactional.id", settings->transactional_id},
		{"transaction.timeout.ms", txn ? timeout : NULL},
		{"message.timeout.ms", txn ? timeout : "300000"},
		{"enable.idempotence", "true"},
		{"partitioner", "murmur2_random"},
		{NULL, NULL},
	};

	(void)snprintf(timeout, sizeof timeout, "%d", PRODUCER_TRANSACTION_TIMEOUT_MS);
	if (handle_conf(&conf, settings->kafka, weak, strong, err) < 0)
		return -1;
	rd_kafka_conf_set_opaque(conf, p);
	rd_kafka_conf_set_error_cb(conf, on_error);
	house_watch(&p->house, conf);
	/* In a transaction a lost record fails the commit; reports would only cost. */
	if (!txn)
		rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	p->transactional = txn;
	p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
	if (!p->rk) {
		rd_kafka_conf_destroy(conf);
		return err_set(err, ERR_CONFIG, "kafka producer: %s", why);
	}
	p->linger_ms = handle_number(p->rk, "linger.ms");
	return 0;
}

int producer_new(struct producer **out, const struct producer_settings *settings, struct err *err)
{
	OWNED(producer) *p = calloc(1, sizeof *p);

	if (!p)
		return err_set(err, ERR_OS, "kafka: out of memory");
	if (make(p, settings, err) < 0)
		return -1;
	*out = TAKE(p);
	return 0;
}

void producer_free(struct producer *p)
{
	if (!p)
		return;
	if (p->rk) {
		rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
					      RD_KAFKA_PURGE_F_NON_BLOCKING);
		for (size_t i = 0; i < p->topic_count; i++)
			rd_kafka_topic_destroy(p->topics[i]);
		rd_kafka_destroy(p->rk);
	}
	free(p);
}

/* Takes the error of a transactional call apart. Returns true if the same call may be repeated. */
static bool examine(struct producer *p, rd_kafka_error_t *error, bool committing)
{
	rd_kafka_resp_err_t code = rd_kafka_error_code(error);

	if (handle_is_away(code))
		p->disturbed = true;
	if (code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
	    code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH)
		p->fenced = true;
	if (rd_kafka_error_is_fatal(error))
		p->state = PRODUCER_DOUBTFUL;
	else if (rd_kafka_error_txn_requires_abort(error))
		p->state = MAX(p->state, PRODUCER_ABORT);
	else if (rd_kafka_error_is_retriable(error))
		return true;
	else /* no flag at all: rdkafka.h says to treat it as fatal */
		p->state = PRODUCER_DOUBTFUL;
	/* A commit that failed may still have happened. */
	if (committing && p->state != PRODUCER_ABORT)
		p->state = PRODUCER_DOUBTFUL;
	return false;
}

static int failed(struct err *err, rd_kafka_error_t *error, const char *what)
{
	char text[400];

	(void)snprintf(text, sizeof text, "%s: %s", what, rd_kafka_error_string(error));
	(void)handle_error(err, rd_kafka_error_code(error), what);
	(void)err_set(err, err->kind, "%s", text);
	rd_kafka_error_destroy(error);
	return -1;
}

static int left_ms(int64_t deadline_ms)
{
	return (int)MAX(deadline_ms - clock_monotonic_ms(), (int64_t)1);
}

int producer_init(struct producer *p, int timeout_ms, struct err *err)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
	rd_kafka_error_t *error;

	while ((error = rd_kafka_init_transactions(p->rk, left_ms(deadline_ms)))) {
		bool retriable = rd_kafka_error_is_retriable(error) != 0;
		rd_kafka_poll(p->rk, 0);
		if (!retriable || clock_monotonic_ms() >= deadline_ms)
			return failed(err, error, "kafka: init transactions");
		rd_kafka_error_destroy(error);
		clock_sleep_ms(RETRY_WAIT_MS);
	}
	p->state = PRODUCER_GOOD;
	p->disturbed = false;
	return 0;
}

int producer_topic(struct producer *p, const char *name, struct producer_topic **out,
		   struct err *err)
{
	if (p->topic_count == TOPICS_MAX)
		return err_set(err, ERR_BUG, "kafka: more than %d topics", TOPICS_MAX);
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(p->rk, name, NULL);
	if (!rkt)
		return handle_error(err, rd_kafka_last_error(), name);
	p->topics[p->topic_count++] = rkt;
	*out = (struct producer_topic *)rkt;
	return 0;
}

int producer_partition_count(struct producer *p, const char *topic, int timeout_ms, int32_t *out,
			     struct err *err)
{
	return handle_partition_count(p->rk, topic, timeout_ms, out, err);
}

int producer_need_topic(struct producer *p, const char *topic, int timeout_ms, int32_t *out,
			struct err *err)
{
	return handle_need_topic(p->rk, topic, timeout_ms, out, err);
}

static rd_kafka_headers_t *many_headers(const struct outgoing *record)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(record->header_count);

	for (size_t i = 0; i < record->header_count; i++) {
		const struct kafka_header *h = &record->headers[i];
		rd_kafka_header_add(headers, h->name, -1, h->value.data, (ssize_t)h->value.len);
	}
	return headers;
}

static rd_kafka_resp_err_t send_once(struct producer *p, const struct outgoing *record)
{
	rd_kafka_vu_t vus[6 + HEADERS_FEW];
	rd_kafka_headers_t *many = NULL;
	size_t count = 0;

	vus[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_RKT,
				       .u.rkt = (rd_kafka_topic_t *)record->topic};
	vus[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_PARTITION,
				       .u.i32 = record->partition};
	vus[count++] = (rd_kafka_vu_t){
		.vtype = RD_KAFKA_VTYPE_VALUE,
		.u.mem = {(void *)(uintptr_t)record->value.data, record->value.len}};
	vus[count++] =
		(rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_KEY,
				.u.mem = {(void *)(uintptr_t)record->key.data, record->key.len}};
	vus[count++] =
		(rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY};
	vus[count++] =
		(rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = record->time_ms};
	if (UNLIKELY(record->header_count > HEADERS_FEW)) {
		many = many_headers(record);
		vus[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = many};
	}
	for (size_t i = 0; !many && i < record->header_count; i++) {
		const struct kafka_header *h = &record->headers[i];
		vus[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_HEADER,
					       .u.header = {h->name, h->value.data,
							    (ssize_t)h->value.len}};
	}
	rd_kafka_error_t *error = rd_kafka_produceva(p->rk, vus, count);
	if (LIKELY(!error))
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	rd_kafka_resp_err_t code = rd_kafka_error_code(error);
	rd_kafka_error_destroy(error);
	if (many) /* librdkafka's if it was taken */
		rd_kafka_headers_destroy(many);
	return code;
}

/* Records with neither headers nor time take the short way (the changelog). */
static rd_kafka_resp_err_t send_plain(const struct outgoing *record)
{
	if (rd_kafka_produce((rd_kafka_topic_t *)record->topic, record->partition,
			     RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)record->value.data,
			     record->value.len, record->key.data, record->key.len, NULL) == 0)
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	return rd_kafka_last_error();
}

int64_t producer_record_bytes_max(struct producer *p, const char *topic, int timeout_ms,
				  int64_t assumed)
{
	int64_t bytes = handle_topic_number(p->rk, topic, "max.message.bytes", timeout_ms, assumed);

	bytes = MIN(bytes, handle_number(p->rk, "message.max.bytes"));
	return MIN(bytes, handle_number(p->rk, "queue.buffering.max.kbytes") * 1024);
}

/* A transaction that lost a record takes no other, and says nothing but that. Every call about
 * transactions tells which one it lost and why; this one does nothing while a transaction is there. */
static int tell_lost(struct producer *p, struct err *err)
{
	rd_kafka_error_t *error = rd_kafka_begin_transaction(p->rk);

	p->state = PRODUCER_DOUBTFUL;
	if (!error)
		return err_set(err, ERR_RETRY, "kafka: produce: there was no transaction");
	if (rd_kafka_error_txn_requires_abort(error))
		p->state = PRODUCER_ABORT;
	(void)examine(p, error, false);
	return failed(err, error, "kafka: produce");
}

static int refused(struct producer *p, const struct outgoing *record, rd_kafka_resp_err_t code,
		   struct err *err)
{
	char why[200] = "";

	if (rd_kafka_fatal_error(p->rk, why, sizeof why)) {
		p->state = PRODUCER_DOUBTFUL;
		p->fenced |= code == RD_KAFKA_RESP_ERR__FENCED;
		return handle_error(err, code, why);
	}
	if (p->transactional && code == RD_KAFKA_RESP_ERR__STATE)
		return tell_lost(p, err);
	p->state = code == RD_KAFKA_RESP_ERR__STATE ? PRODUCER_DOUBTFUL : PRODUCER_ABORT;
	p->fenced |= code == RD_KAFKA_RESP_ERR__FENCED;
	(void)snprintf(why, sizeof why, "kafka: produce to %.100s",
		       rd_kafka_topic_name((rd_kafka_topic_t *)record->topic));
	return handle_error(err, code, why);
}

int producer_send(struct producer *p, const struct outgoing *record, struct err *err)
{
	int64_t deadline_ms = 0;

	for (;;) {
		rd_kafka_resp_err_t code = record->header_count || record->time_ms
						   ? send_once(p, record)
						   : send_plain(record);
		if (LIKELY(!code))
			return 0;
		if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			return refused(p, record, code, err);
		if (!deadline_ms)
			deadline_ms = clock_monotonic_ms() + CALL_MS;
		if (p->transactional && clock_monotonic_ms() >= deadline_ms) {
			p->state = PRODUCER_ABORT;
			p->disturbed = true;
			return handle_error(err, code, "kafka: produce");
		}
		rd_kafka_poll(p->rk, 5);
	}
}

int producer_begin(struct producer *p, struct err *err)
{
	assert(p->state == PRODUCER_GOOD);
	rd_kafka_error_t *error = rd_kafka_begin_transaction(p->rk);
	if (!error)
		return 0;
	(void)examine(p, error, false);
	p->state = PRODUCER_DOUBTFUL;
	return failed(err, error, "kafka: begin transaction");
}

int producer_send_offsets(struct producer *p, const struct consumer *consumer,
			  const struct consumer_partition *parts, size_t count, struct err *err)
{
	const rd_kafka_consumer_group_metadata_t *member = consumer_member(consumer);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
	int64_t deadline_ms = clock_monotonic_ms() + CALL_MS;
	rd_kafka_error_t *error;

	assert(member);
	(void)rd_kafka_flush(p->rk, 1); /* what it leaves is on its way; producer_commit() waits for it */
	for (size_t i = 0; i < count; i++)
		if (parts[i].offset >= 0)
			rd_kafka_topic_partition_list_add(list, parts[i].topic,
							  parts[i].partition)
				->offset = parts[i].offset;
	/* "Retriable but not resumable": the same call with the same arguments. */
	while ((error = rd_kafka_send_offsets_to_transaction(p->rk, list, member,
							     left_ms(deadline_ms)))) {
		if (!examine(p, error, false))
			break;
		if (clock_monotonic_ms() >= deadline_ms) {
			p->state = MAX(p->state, PRODUCER_ABORT);
			break;
		}
		rd_kafka_error_destroy(error);
		clock_sleep_ms(RETRY_WAIT_MS);
	}
	rd_kafka_topic_partition_list_destroy(list);
	return error ? failed(err, error, "kafka: offsets into the transaction") : 0;
}

int producer_commit(struct producer *p, int timeout_ms, struct err *err)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
	rd_kafka_error_t *error;

	/* By itself the commit looks only every 10 ms whether all is delivered (2.0.2: nothing wakes
	 * it when nobody wants reports). What takes longer than these it waits for. */
	for (int i = 0; i < FLUSH_TRIES_MAX; i++)
		if (rd_kafka_flush(p->rk, 1) == RD_KAFKA_RESP_ERR_NO_ERROR)
			break;
	while ((error = rd_kafka_commit_transaction(p->rk, left_ms(deadline_ms)))) {
		if (!examine(p, error, true))
			return failed(err, error, "kafka: commit");
		if (clock_monotonic_ms() >= deadline_ms) {
			p->state = PRODUCER_DOUBTFUL;
			return failed(err, error, "kafka: commit");
		}
		rd_kafka_error_destroy(error);
	}
	rd_kafka_poll(p->rk, 0);
	if (UNLIKELY(p->away)) {
		p->away = false;
		log_event(LOG_INFO, "broker_back", LOG_TEXT("client", rd_kafka_name(p->rk)));
	}
	return 0;
}

int producer_abort(struct producer *p, int timeout_ms, struct err *err)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
	rd_kafka_error_t *error;

	if (p->state == PRODUCER_DOUBTFUL)
		return err_set(err, ERR_RETRY, "kafka: the producer must be renewed");
	while ((error = rd_kafka_abort_transaction(p->rk, left_ms(deadline_ms)))) {
		if (!examine(p, error, false) || clock_monotonic_ms() >= deadline_ms) {
			p->state = PRODUCER_DOUBTFUL;
			return failed(err, error, "kafka: abort");
		}
		rd_kafka_error_destroy(error);
	}
	p->state = PRODUCER_GOOD;
	return 0;
}

int producer_flush(struct producer *p, int timeout_ms, struct err *err)
{
	rd_kafka_resp_err_t code = rd_kafka_flush(p->rk, timeout_ms);

	if (p->failed)
		return handle_error(err, (rd_kafka_resp_err_t)p->failed_code,
				    "kafka: records were not delivered");
	return code ? handle_error(err, code, "kafka: flush") : 0;
}

enum producer_state producer_state(const struct producer *p)
{
	return p->state;
}

bool producer_hygiene(const struct producer *p)
{
	rd_kafka_poll(p->rk, 0); /* errors of connections wait there */
	return p->disturbed;
}

int64_t producer_linger_ms(const struct producer *p)
{
	return p->linger_ms;
}

bool producer_is_fenced(const struct producer *p)
{
	return p->fenced || rd_kafka_fatal_error(p->rk, NULL, 0) == RD_KAFKA_RESP_ERR__FENCED;
}

void producer_give_back(struct producer *p)
{
	const struct rd_kafka_metadata *metadata;

	house_ask(&p->house);
	/* Nothing is sent in quiet times but for this. */
	if (rd_kafka_metadata(p->rk, 0, NULL, &metadata, GIVE_BACK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
		rd_kafka_metadata_destroy(metadata);
}
