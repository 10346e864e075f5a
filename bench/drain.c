/* drain.c - reads a topic from its beginning to its end and says what was there and how long it took.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   drain BROKERS TOPIC     prints {"records": …, "bytes": …, "seconds": …}
 *
 * read_committed, no group, nothing is looked at: the limit for whatever must read the topic whole,
 * as a restart reads the changelog. Any error ends it.
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tool.h"

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static rd_kafka_t *consumer_new(const char *brokers)
{
	const char *const settings[][2] = {
	        {"bootstrap.servers", brokers}, {"group.id", "drain"},
	        {"enable.auto.commit", "false"}, {"isolation.level", "read_committed"},
	        {"enable.partition.eof", "true"}, {"check.crcs", "true"},
	        {"fetch.message.max.bytes", "2097152"}, {"fetch.max.bytes", "4194304"},
	        {"receive.message.max.bytes", "67108864"}, {"fetch.wait.max.ms", "20"},
	};
	char why[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
		if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof why))
			die(settings[i][0], why);
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
	if (!rk)
		die("new", why);
	rd_kafka_poll_set_consumer(rk);
	return rk;
}

/* Assigns all partitions of the topic; how many there are. */
static int assign(rd_kafka_t *rk, const char *topic)
{
	const struct rd_kafka_metadata *meta;
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
	rd_kafka_resp_err_t e = rd_kafka_metadata(rk, 0, rkt, &meta, 10000);
	if (e)
		die(topic, rd_kafka_err2str(e));
	int count = meta->topics[0].partition_cnt;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
	for (int i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
	if ((e = rd_kafka_assign(rk, list)))
		die("assign", rd_kafka_err2str(e));
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_metadata_destroy(meta);
	rd_kafka_topic_destroy(rkt);
	return count;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		die("usage", "drain BROKERS TOPIC");
	double start = now_s(), last = start;
	rd_kafka_t *rk = consumer_new(argv[1]);
	unsigned long long records = 0, bytes = 0;
	for (int left = assign(rk, argv[2]); left > 0;) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 10000);
		if (!m)
			die(argv[2], "nothing comes");
		if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			left--;
		else if (m->err)
			die("consume", rd_kafka_message_errstr(m));
		else
			records++, bytes += m->len + m->key_len, last = now_s();
		rd_kafka_message_destroy(m);
	}
	printf("{\"records\": %llu, \"bytes\": %llu, \"seconds\": %.3f}\n", records, bytes, last - start);
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
	return 0;
}
