/* pace.c - sends messages at a steady rate and measures when what they caused can be read.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   pace --brokers B --topic T --messages FILE --rate N --seconds S --out T2 [--first K]
 *
 * Messages are the lines of FILE in turn; in each the 13 digits behind "msgtime":, "recv_ts": and
 * the 12 digits behind "msgid":"p are replaced: by the wall clock in ms, and by a number that starts
 * at K and never repeats. The key is corpid/subject, the subject the first customer (wm…, wo…) of a line.
 *
 * A second thread reads T2 (a list with commas) from its end with read_committed and takes the
 * difference of the wall clock and the first "msgtime": in each value. Of all that is read after a
 * second has passed it prints in the end {"sent": …, "seconds": …, "read": …, "measured":
 * …, "p50": ms, "p90": …, "p99": …, "p999": …, "max": …, "gap_max": the longest time between two
 * records}. It waits for what is late until nothing has come for 2 s, 30 s at most.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "handle.h"

static struct {
	const char *brokers, *topic, *messages, *out;
	int rate, seconds, first;
} opt = {.seconds = 10};

enum { LINES_MAX = 200000, PLACES_MAX = 4, LATENCY_MAX_MS = 120000, QUIET_MS = 2000 };

struct line {
	char *data;
	size_t len, key_len;
	char key[128];
	size_t time_at[PLACES_MAX], id_at[PLACES_MAX];
	int times, ids;
};

static struct line *lines;
static int line_count;
static atomic_bool reader_ready, sender_done;
static atomic_long started_ms;

static struct {
	long count[LATENCY_MAX_MS + 1];
	long read, measured, gap_max_ms;
} seen;

static int64_t clock_us(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t wall_ms(void)
{
	return clock_us(CLOCK_REALTIME) / 1000;
}

/* ---- what is sent ---- */

static int find_all(const struct line *l, const char *name, size_t *out)
{
	int count = 0;
	size_t len = strlen(name);
	for (char *at = l->data; (at = memmem(at, (size_t)(l->data + l->len - at), name, len));) {
		if (count == PLACES_MAX)
			die(name, "stands too often in a line");
		at += len;
		out[count++] = (size_t)(at - l->data);
	}
	return count;
}

static void read_key(struct line *l)
{
	const char *corp = strstr(l->data, "\"corpid\":\""), *subject = strstr(l->data, "\"wm");
	if (!subject)
		subject = strstr(l->data, "\"wo");
	if (!corp || !subject)
		die(opt.messages, "a line without corp or customer");
	corp += 10;
	subject += 1;
	l->key_len = (size_t)snprintf(l->key, sizeof l->key, "%.*s/%.*s", (int)strcspn(corp, "\""),
	                              corp, (int)strcspn(subject, "\""), subject);
}

static void read_messages(void)
{
	FILE *f = fopen(opt.messages, "rb");
	size_t room = 0;
	lines = calloc(LINES_MAX, sizeof *lines);
	if (!f || !lines)
		die(opt.messages, "cannot open");
	while (line_count < LINES_MAX) {
		struct line *l = &lines[line_count];
		ssize_t len = getline(&l->data, &room, f);
		if (len <= 1)
			break;
		room = 0; /* each line keeps its own */
		l->len = (size_t)len - 1;
		l->times = find_all(l, "\"msgtime\":", l->time_at);
		l->times += find_all(l, "\"recv_ts\":", l->time_at + l->times);
		l->ids = find_all(l, "\"msgid\":\"p", l->id_at);
		if (!l->times || !l->ids)
			die(opt.messages, "a line without time or number");
		read_key(l);
		line_count++;
	}
	fclose(f);
	if (!line_count)
		die(opt.messages, "holds nothing");
}

static void put_digits(char *at, int64_t value, int digits)
{
	while (digits--) {
		at[digits] = (char)('0' + value % 10);
		value /= 10;
	}
}

static void send_one(rd_kafka_t *rk, rd_kafka_topic_t *topic, int64_t number)
{
	struct line *l = &lines[number % line_count];
	int64_t now = wall_ms();
	for (int i = 0; i < l->times; i++)
		put_digits(l->data + l->time_at[i], now, 13);
	for (int i = 0; i < l->ids; i++)
		put_digits(l->data + l->id_at[i], opt.first + number, 12);
	while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, l->data, l->len,
	                        l->key, l->key_len, NULL))
		if (rd_kafka_last_error() == RD_KAFKA_RESP_ERR__QUEUE_FULL)
			rd_kafka_poll(rk, 5);
		else
			die("produce", rd_kafka_err2str(rd_kafka_last_error()));
}

static int64_t send_all(void)
{
	rd_kafka_t *rk = handle_new(RD_KAFKA_PRODUCER, "bootstrap.servers", opt.brokers, "linger.ms",
	                            "2", "compression.type", "lz4", "partitioner", "murmur2_random",
	                            "enable.idempotence", "true", "socket.nagle.disable", "true", NULL);
	rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, opt.topic, NULL);
	int64_t start_us = clock_us(CLOCK_MONOTONIC), number = 0, now_us;
	atomic_store(&started_ms, (long)wall_ms());
	while ((now_us = clock_us(CLOCK_MONOTONIC) - start_us) < (int64_t)opt.seconds * 1000000) {
		int64_t due = now_us * opt.rate / 1000000;
		while (number < due)
			send_one(rk, topic, number++);
		rd_kafka_poll(rk, 1); /* 1 ms: a burst is what is due in that time */
	}
	if (rd_kafka_flush(rk, 30000))
		die("flush", "not all could be sent");
	rd_kafka_topic_destroy(topic);
	rd_kafka_destroy(rk);
	return number;
}

/* ---- what is read ---- */

static void note(const rd_kafka_message_t *m, int64_t now, int64_t *last)
{
	const char *at = memmem(m->payload, m->len, "\"msgtime\":", 10);
	if (!at) /* a rules record that was sent on */
		return;
	int64_t sent = strtoll(at + 10, NULL, 10), took = now - sent;
	seen.read++;
	if (sent < atomic_load(&started_ms) + 1000)
		return;
	if (*last && now - *last > seen.gap_max_ms)
		seen.gap_max_ms = now - *last;
	*last = now;
	seen.measured++;
	seen.count[took < 0 ? 0 : took > LATENCY_MAX_MS ? LATENCY_MAX_MS : took]++;
}

/* Assigns all partitions of the topics from their ends as they are now. */
static void assign(rd_kafka_t *rk)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
	char *names = strdup(opt.out), *save = NULL;
	for (char *name = strtok_r(names, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		const struct rd_kafka_metadata *meta;
		rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, name, NULL);
		rd_kafka_resp_err_t e = rd_kafka_metadata(rk, 0, rkt, &meta, 10000);
		if (e)
			die(name, rd_kafka_err2str(e));
		for (int i = 0; i < meta->topics[0].partition_cnt; i++) {
			int64_t low, high;
			/* A new topic's leaders are not known everywhere at once. */
			for (int try = 0; (e = rd_kafka_query_watermark_offsets(rk, name, i, &low, &high, 10000)); try++) {
				if (try == 50)
					die(name, rd_kafka_err2str(e));
				nanosleep(&(struct timespec){0, 100000000}, NULL);
			}
			rd_kafka_topic_partition_list_add(list, name, i)->offset = high;
		}
		rd_kafka_metadata_destroy(meta);
		rd_kafka_topic_destroy(rkt);
	}
	if (rd_kafka_assign(rk, list))
		die("assign", "refused");
	rd_kafka_topic_partition_list_destroy(list);
	free(names);
}

static void *read_all(void *arg)
{
	rd_kafka_t *rk = handle_new(RD_KAFKA_CONSUMER, "bootstrap.servers", opt.brokers, "group.id",
	                            "pace", "enable.auto.commit", "false", "isolation.level",
	                            "read_committed", "fetch.wait.max.ms", "100", "fetch.min.bytes",
	                            "1", "socket.nagle.disable", "true", NULL);
	rd_kafka_poll_set_consumer(rk);
	assign(rk);
	atomic_store(&reader_ready, true);
	int64_t last = 0, done_ms = 0, came_ms = wall_ms();
	for (;;) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
		int64_t now = wall_ms();
		if (m && m->err)
			die("consume", rd_kafka_message_errstr(m));
		if (m) {
			note(m, now, &last);
			rd_kafka_message_destroy(m);
			came_ms = now;
		}
		if (atomic_load(&sender_done) && !done_ms)
			done_ms = now;
		if (done_ms && (now - done_ms > 30000 || (now - done_ms > QUIET_MS && now - came_ms > QUIET_MS)))
			break;
	}
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
	return arg;
}

static long percentile(double part)
{
	long want = (long)((double)seen.measured * part), sum = 0;
	for (long ms = 0; ms <= LATENCY_MAX_MS; ms++)
		if ((sum += seen.count[ms]) > want)
			return ms;
	return LATENCY_MAX_MS;
}

static void parse(int argc, char **argv)
{
	const struct tool_option table[] = {
	        {"--brokers", &opt.brokers, NULL}, {"--topic", &opt.topic, NULL},
	        {"--messages", &opt.messages, NULL}, {"--out", &opt.out, NULL},
	        {"--rate", NULL, &opt.rate},       {"--seconds", NULL, &opt.seconds},
	        {"--first", NULL, &opt.first},
	};
	tool_options(argc, argv, table, sizeof table / sizeof *table);
	if (!opt.brokers || !opt.topic || !opt.messages || !opt.out || opt.rate <= 0)
		die("usage", "--brokers, --topic, --messages, --out and --rate are needed");
}

int main(int argc, char **argv)
{
	pthread_t reader;
	parse(argc, argv);
	read_messages();
	if (pthread_create(&reader, NULL, read_all, NULL))
		die("thread", "cannot start");
	while (!atomic_load(&reader_ready))
		nanosleep(&(struct timespec){0, 1000000}, NULL);
	int64_t start_us = clock_us(CLOCK_MONOTONIC), sent = send_all();
	double seconds = (double)(clock_us(CLOCK_MONOTONIC) - start_us) / 1e6;
	atomic_store(&sender_done, true);
	pthread_join(reader, NULL);
	printf("{\"sent\": %lld, \"seconds\": %.3f, \"read\": %ld, \"measured\": %ld, \"p50\": %ld, "
	       "\"p90\": %ld, \"p99\": %ld, \"p999\": %ld, \"max\": %ld, \"gap_max\": %ld}\n",
	       (long long)sent, seconds, seen.read, seen.measured, percentile(0.5), percentile(0.9),
	       percentile(0.99), percentile(0.999), percentile(0.9999999), seen.gap_max_ms);
	return 0;
}
