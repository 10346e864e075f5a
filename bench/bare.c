/* bare.c - the limit for `run`: consume and produce in transactions, with no work between.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   bare --brokers B --topic T --group G --workers N --out T2 --state T3 --records R --payloads FILE
 *   bare --brokers B --topic T --group G --workers N --out T2 --echo K
 *
 * Each worker is a thread with a consumer and a transactional producer of its own, with the client
 * settings that `run` has. For every 1,000 records consumed it produces R records, as many as `run`
 * was seen to write, and of the same bytes: FILE holds records that `run` wrote, with keys, values
 * and headers, used in turn. Events (with headers) go to T2 by their keys, changes of state (without)
 * to T3, to the partition that was consumed. With --echo the K-th of every K records consumed goes to
 * T2 as it is instead. Output and input offsets are committed together every 100 ms (--commit-ms);
 * with --transactions 0 output is flushed and offsets are committed behind it: at least once. It
 * looks at no byte of what it reads. It is no model of how to do it right: any error ends it. Ends
 * at SIGTERM.
 *
 * FILE, all numbers uint32 in little endian: number of headers + 1 (0: a change of state), then each
 * as its length and its bytes: key, value, and of each header name and value.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "handle.h"

static struct {
	const char *brokers, *topic, *out, *state, *group, *payloads;
	int workers, records, commit_ms, echo, transactions;
} opt = {.workers = 1, .commit_ms = 100, .transactions = 1};

struct bytes {
	char *data;
	uint32_t len;
};

enum { HEADERS_MAX = 16, PAYLOADS_MAX = 16384 };
static struct payload {
	struct bytes key, value, header[HEADERS_MAX][2];
	uint32_t headers; /* 0: a change of state */
} payloads[PAYLOADS_MAX];
static int payload_count;

static atomic_bool stop;

static void check(const char *what, rd_kafka_error_t *error)
{
	if (error)
		die(what, rd_kafka_error_string(error));
}

static long now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct worker {
	rd_kafka_t *consumer, *producer;
	rd_kafka_topic_t *out, *state;
	rd_kafka_topic_partition_list_t *next;
	long owed; /* thousandths of a record still to produce */
	int turn;  /* the payload that comes next */
};

static rd_kafka_t *producer_new(const char *id)
{
	rd_kafka_t *rk = handle_new(
	        RD_KAFKA_PRODUCER, "bootstrap.servers", opt.brokers, "enable.idempotence", "true",
	        "message.timeout.ms", "10000", "linger.ms", "1000", "compression.type", "zstd",
	        "compression.level", "1", "partitioner", "murmur2_random", "batch.size", "1000000",
	        "queue.buffering.max.kbytes", "65536", "queue.buffering.max.messages", "500000",
	        "socket.nagle.disable", "true",
	        /* Pairs end at the first NULL: without transactions here. */
	        opt.transactions ? "transactional.id" : NULL, id, "transaction.timeout.ms", "10000",
	        NULL);
	if (opt.transactions)
		check("init", rd_kafka_init_transactions(rk, 30000));
	return rk;
}

static void worker_init(struct worker *w, int number)
{
	char id[256];
	snprintf(id, sizeof id, "%s-%d-%d", opt.group, (int)getpid(), number);
	w->consumer = handle_new(
	        RD_KAFKA_CONSUMER, "bootstrap.servers", opt.brokers, "group.id", opt.group,
	        "enable.auto.commit", "false", "enable.auto.offset.store", "false",
	        "isolation.level", "read_committed", "auto.offset.reset", "earliest",
	        "partition.assignment.strategy", "range", "session.timeout.ms", "10000",
	        "heartbeat.interval.ms", "1000", "queued.min.messages", "100000",
	        "check.crcs", "true", "queued.max.messages.kbytes", "32768",
	        "fetch.message.max.bytes", "2097152", "fetch.max.bytes", "4194304",
	        "fetch.wait.max.ms", "75", "fetch.min.bytes", "65536",
	        "receive.message.max.bytes", "67108864", "socket.nagle.disable", "true", NULL);
	rd_kafka_poll_set_consumer(w->consumer);
	w->producer = producer_new(id);
	w->out = rd_kafka_topic_new(w->producer, opt.out, NULL);
	w->state = opt.state ? rd_kafka_topic_new(w->producer, opt.state, NULL) : NULL;
	w->next = rd_kafka_topic_partition_list_new(16);
	w->turn = number * 997; /* so that workers do not write the same at the same time */

	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(topics, opt.topic, RD_KAFKA_PARTITION_UA);
	rd_kafka_resp_err_t e = rd_kafka_subscribe(w->consumer, topics);
	if (e)
		die("subscribe", rd_kafka_err2str(e));
	rd_kafka_topic_partition_list_destroy(topics);
}

static void worker_fini(struct worker *w)
{
	rd_kafka_topic_partition_list_destroy(w->next);
	rd_kafka_consumer_close(w->consumer);
	rd_kafka_destroy(w->consumer);
	rd_kafka_topic_destroy(w->out);
	if (w->state)
		rd_kafka_topic_destroy(w->state);
	rd_kafka_destroy(w->producer);
}

/* As `run` does: what has headers by produceva(), the rest the short way. */
static rd_kafka_resp_err_t produce(struct worker *w, int partition, const struct payload *p)
{
	if (!p->headers)
		return rd_kafka_produce(w->state, partition, RD_KAFKA_MSG_F_COPY, p->value.data,
		                        p->value.len, p->key.data, p->key.len, NULL)
		               ? rd_kafka_last_error()
		               : RD_KAFKA_RESP_ERR_NO_ERROR;
	rd_kafka_vu_t vus[5 + HEADERS_MAX] = {
	        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = w->out},
	        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = RD_KAFKA_PARTITION_UA},
	        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {p->value.data, p->value.len}},
	        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {p->key.data, p->key.len}},
	        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
	};
	for (uint32_t i = 0; i + 1 < p->headers; i++) {
		const struct bytes *h = p->header[i];
		vus[5 + i].vtype = RD_KAFKA_VTYPE_HEADER;
		vus[5 + i].u.header.name = h[0].data;
		vus[5 + i].u.header.val = h[1].data;
		vus[5 + i].u.header.size = h[1].len;
	}
	rd_kafka_error_t *error = rd_kafka_produceva(w->producer, vus, 5 + p->headers - 1);
	rd_kafka_resp_err_t code = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
	rd_kafka_error_destroy(error);
	return code;
}

static void put(struct worker *w, int partition, const struct payload *p)
{
	rd_kafka_resp_err_t e;
	while ((e = produce(w, partition, p)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		rd_kafka_poll(w->producer, 10);
	if (e)
		die("produce", rd_kafka_err2str(e));
}

static void take(struct worker *w, const rd_kafka_message_t *m)
{
	const char *topic = opt.topic;
	rd_kafka_topic_partition_t *p =
	        rd_kafka_topic_partition_list_find(w->next, topic, m->partition);
	if (!p)
		p = rd_kafka_topic_partition_list_add(w->next, topic, m->partition);
	p->offset = m->offset + 1;

	if (opt.echo) {
		struct payload as_it_is = {.key = {m->key, (uint32_t)m->key_len},
		                           .value = {m->payload, (uint32_t)m->len},
		                           .headers = 1};
		if (++w->turn % opt.echo == 0)
			put(w, m->partition, &as_it_is);
		return;
	}
	for (w->owed += opt.records; w->owed >= 1000; w->owed -= 1000)
		put(w, m->partition, &payloads[w->turn++ % payload_count]);
}

static void commit(struct worker *w)
{
	if (!opt.transactions) {
		rd_kafka_resp_err_t e = rd_kafka_flush(w->producer, 10000);
		if (!e)
			e = rd_kafka_commit(w->consumer, w->next, 0);
		if (e)
			die("commit", rd_kafka_err2str(e));
		return;
	}
	/* As `run` does: batches set out while offsets are sent, and the commit alone would look only
	 * every 10 ms whether all is delivered. */
	(void)rd_kafka_flush(w->producer, 1);
	rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(w->consumer);
	check("offsets", rd_kafka_send_offsets_to_transaction(w->producer, w->next, group, 10000));
	rd_kafka_consumer_group_metadata_destroy(group);
	for (int i = 0; i < 30 && rd_kafka_flush(w->producer, 1); i++)
		;
	check("commit", rd_kafka_commit_transaction(w->producer, 10000));
}

static void *worker_main(void *arg)
{
	struct worker w = {0};
	worker_init(&w, (int)(intptr_t)arg);
	long began = 0; /* 0: no transaction is open */
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		long left = began ? began + opt.commit_ms - now_ms() : 100;
		rd_kafka_message_t *m =
		        rd_kafka_consumer_poll(w.consumer, left > 0 ? (int)left : 0);
		if (m && m->err)
			die("consume", rd_kafka_message_errstr(m));
		if (m && !began) {
			if (opt.transactions)
				check("begin", rd_kafka_begin_transaction(w.producer));
			began = now_ms();
		}
		if (m) {
			take(&w, m);
			rd_kafka_message_destroy(m);
		}
		if (began && now_ms() - began >= opt.commit_ms) {
			commit(&w);
			began = 0;
		}
	}
	if (began)
		commit(&w);
	worker_fini(&w);
	return NULL;
}

static void on_term(int signum)
{
	(void)signum;
	atomic_store(&stop, true);
}

static void parse(int argc, char **argv)
{
	const struct tool_option table[] = {
	        {"--brokers", &opt.brokers, NULL},
	        {"--topic", &opt.topic, NULL},
	        {"--out", &opt.out, NULL},
	        {"--state", &opt.state, NULL},
	        {"--group", &opt.group, NULL},
	        {"--payloads", &opt.payloads, NULL},
	        {"--workers", NULL, &opt.workers},
	        {"--records", NULL, &opt.records},
	        {"--commit-ms", NULL, &opt.commit_ms},
	        {"--echo", NULL, &opt.echo},
	        {"--transactions", NULL, &opt.transactions},
	};
	tool_options(argc, argv, table, sizeof table / sizeof *table);
	if (!opt.brokers || !opt.topic || !opt.out || !opt.group)
		die("usage", "--brokers, --topic, --out and --group are needed");
	if (!opt.echo && (!opt.payloads || !opt.state))
		die("usage", "--payloads and --state, or --echo, are needed");
}

static bool read_number(FILE *f, uint32_t *out)
{
	return fread(out, sizeof *out, 1, f) == 1;
}

static void read_bytes(FILE *f, struct bytes *out)
{
	if (!read_number(f, &out->len) || !(out->data = calloc(1, out->len + 1)) ||
	    fread(out->data, 1, out->len, f) != out->len)
		die(opt.payloads, "cut short");
}

static void read_payloads(void)
{
	FILE *f = fopen(opt.payloads, "rb");
	if (!f)
		die(opt.payloads, "cannot open");
	while (payload_count < PAYLOADS_MAX) {
		struct payload *p = &payloads[payload_count];
		if (!read_number(f, &p->headers))
			break;
		if (p->headers > HEADERS_MAX)
			die(opt.payloads, "too many headers");
		read_bytes(f, &p->key);
		read_bytes(f, &p->value);
		for (uint32_t i = 0; i + 1 < p->headers; i++) {
			read_bytes(f, &p->header[i][0]);
			read_bytes(f, &p->header[i][1]);
		}
		payload_count++;
	}
	fclose(f);
	if (!payload_count)
		die(opt.payloads, "holds nothing");
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	if (!opt.echo)
		read_payloads();
	struct sigaction act = {.sa_handler = on_term};
	sigaction(SIGTERM, &act, NULL);
	pthread_t *threads = calloc((size_t)opt.workers, sizeof *threads);
	for (int i = 0; i < opt.workers; i++)
		if (pthread_create(&threads[i], NULL, worker_main, (void *)(intptr_t)i))
			die("thread", "cannot start");
	for (int i = 0; i < opt.workers; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	return 0;
}
