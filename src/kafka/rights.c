/* rights.c - requests that only a missing right lets fail in that way. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/rights.h"

#include "base/clock.h"
#include "kafka/consumer.h"
#include "kafka/handle.h"
#include "kafka/producer.h"

enum { POLL_MS = 100, NO_SUCH_PARTITION = 1000000 };

static int open_handle(rd_kafka_t **out, rd_kafka_type_t type, rd_kafka_conf_t *conf,
		       struct err *err)
{
	char why[512];

	*out = rd_kafka_new(type, conf, why, sizeof why);
	if (*out)
		return 0;
	rd_kafka_conf_destroy(conf);
	return err_set(err, ERR_CONFIG, "kafka: %s", why);
}

/* ---- write ---- */

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	*(rd_kafka_resp_err_t *)opaque = m->err;
}

int rights_write(const struct kafka_settings *settings, const char *topic, struct err *err)
{
	/* KafkaApis.handleProduceRequest() authorizes, then ReplicaManager.appendRecords() refuses
	 * an acks that is none of -1, 0, 1. */
	const struct handle_default strong[] = {
		{"enable.idempotence", "false"},
		{"acks", "2"},
		{"linger.ms", "0"},
		{"message.timeout.ms", "10000"},
		{NULL, NULL},
	};
	rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk;

	if (handle_conf(&conf, settings, NULL, strong, err) < 0)
		return -1;
	rd_kafka_conf_set_opaque(conf, &code);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	if (open_handle(&rk, RD_KAFKA_PRODUCER, conf, err) < 0)
		return -1;
	rd_kafka_resp_err_t refused =
		rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
				  RD_KAFKA_V_KEY("check", 5), RD_KAFKA_V_END);
	if (!refused)
		(void)rd_kafka_flush(rk, RIGHTS_MS); /* `code` tells */
	rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_destroy(rk);
	code = refused ? refused : code;
	if (!code || code == RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS)
		return 0;
	return handle_error(err, code, topic);
}

/* ---- group ---- */

int rights_group(const struct kafka_settings *settings, const char *group, const char *topic,
		 struct err *err)
{
	const struct handle_default strong[] = {
		{"group.id", group},
		{"enable.auto.commit", "false"},
		{NULL, NULL},
	};
	int64_t deadline_ms = clock_monotonic_ms() + RIGHTS_MS;
	rd_kafka_resp_err_t code;
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk;

	if (handle_conf(&conf, settings, NULL, strong, err) < 0 ||
	    open_handle(&rk, RD_KAFKA_CONSUMER, conf, err) < 0)
		return -1;
	do { /* waits for the coordinator */
		rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
		rd_kafka_topic_partition_list_add(list, topic, NO_SUCH_PARTITION)->offset = 0;
		code = rd_kafka_commit(rk, list, 0);
		code = code ? code : list->elems[0].err;
		rd_kafka_topic_partition_list_destroy(list);
	} while ((handle_is_away(code) || code == RD_KAFKA_RESP_ERR__WAIT_COORD) &&
		 clock_monotonic_ms() < deadline_ms);
	rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	/* The rest are answers of one who may: no such partition; others are members. */
	return code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED || handle_is_away(code) ||
			       code == RD_KAFKA_RESP_ERR__WAIT_COORD
		       ? handle_error(err, code, group)
		       : 0;
}

/* ---- read ---- */

int rights_read(const struct kafka_settings *settings, const char *topic, struct err *err)
{
	OWNED(consumer) *c = NULL;
	struct consumer_settings how = {.kafka = settings,
					.group = "chatmill-check", /* never joined */
					.ends = true,
					.fetch_wait_ms = "50"};
	struct consumer_partition part = {topic, 0, -1};
	int64_t low, deadline_ms = clock_monotonic_ms() + RIGHTS_MS;
	struct consumed got;

	if (consumer_new(&c, &how, err) < 0 ||
	    consumer_query_offsets(c, topic, 0, RIGHTS_MS, &low, &part.offset, err) < 0 ||
	    consumer_assign(c, &part, 1, err) < 0)
		return -1;
	while (clock_monotonic_ms() < deadline_ms) {
		int result = consumer_poll(c, POLL_MS, &got, err);
		if (result != CONSUMER_NOTHING)
			return result < 0 ? -1 : 0;
	}
	return err_set(err, ERR_UNAVAILABLE, "%s: the brokers are silent", topic);
}

/* ---- transactions ---- */

int rights_transaction(const struct kafka_settings *settings, const char *id, struct err *err)
{
	OWNED(producer) *p = NULL;
	struct producer_settings how = {.kafka = settings, .transactional_id = id};

	if (producer_new(&p, &how, err) < 0)
		return -1;
	return producer_init(p, RIGHTS_MS, err);
}
