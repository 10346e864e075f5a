/* bare.c - the limit for `run`: consume and produce in transactions, with no work between.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   bare --brokers B --topic T --out T2 --group G --workers N --records R --payloads FILE
 *
 * Each worker is a thread with a consumer and a transactional producer of its own, with the client
 * settings that `run` has. For every 1,000 records consumed it produces R records, as many as `run`
 * was seen to write, and of the same bytes: FILE holds values that `run` wrote, each behind its
 * length (uint32, little endian), used in turn. Output and input offsets are committed together
 * every 100 ms (--commit-ms). It looks at no byte of what it reads. It is no model of how to do it
 * right: any error ends it. Ends at SIGTERM.
 */
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
	const char *brokers, *topic, *out, *group, *payloads;
	int workers, records, commit_ms;
} opt = {.workers = 1, .commit_ms = 100};

static struct payload {
	char *data;
	uint32_t bytes;
} payloads[4096];
static int payload_count;

static atomic_bool stop;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "bare: %s: %s\n", what, why);
	exit(70);
}

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

/* Pairs of name and value, ended by NULL. */
static rd_kafka_t *handle_new(rd_kafka_type_t type, ...)
{
	char why[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	va_list ap;
	va_start(ap, type);
	for (const char *name; (name = va_arg(ap, const char *));) {
		const char *value = va_arg(ap, const char *);
		if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK)
			die(name, why);
	}
	va_end(ap);
	rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
	if (!rk)
		die("new", why);
	return rk;
}

struct worker {
	rd_kafka_t *consumer, *producer;
	rd_kafka_topic_partition_list_t *next;
	long owed; /* thousandths of a record still to produce */
	int turn;  /* the payload that comes next */
};

static void worker_init(struct worker *w, int number)
{
	char id[256];
	snprintf(id, sizeof id, "%s-%d-%d", opt.group, (int)getpid(), number);
	w->consumer = handle_new(
	        RD_KAFKA_CONSUMER, "bootstrap.servers", opt.brokers, "group.id", opt.group,
	        "enable.auto.commit", "false", "enable.auto.offset.store", "false",
	        "isolation.level", "read_committed", "auto.offset.reset", "earliest",
	        "partition.assignment.strategy", "range", "session.timeout.ms", "10000",
	        "check.crcs", "true", "queued.max.messages.kbytes", "32768",
	        "fetch.message.max.bytes", "2097152", "fetch.max.bytes", "16777216",
	        "receive.message.max.bytes", "67108864", "socket.nagle.disable", "true", NULL);
	rd_kafka_poll_set_consumer(w->consumer);
	w->producer = handle_new(
	        RD_KAFKA_PRODUCER, "bootstrap.servers", opt.brokers, "transactional.id", id,
	        "transaction.timeout.ms", "10000", "message.timeout.ms", "10000", "linger.ms", "5",
	        "compression.type", "zstd", "compression.level", "1",
	        "queue.buffering.max.kbytes", "65536", "queue.buffering.max.messages", "500000",
	        "socket.nagle.disable", "true", NULL);
	check("init", rd_kafka_init_transactions(w->producer, 30000));
	w->next = rd_kafka_topic_partition_list_new(16);

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
	rd_kafka_destroy(w->producer);
}

static void take(struct worker *w, const rd_kafka_message_t *m)
{
	const char *topic = opt.topic;
	rd_kafka_topic_partition_t *p =
	        rd_kafka_topic_partition_list_find(w->next, topic, m->partition);
	if (!p)
		p = rd_kafka_topic_partition_list_add(w->next, topic, m->partition);
	p->offset = m->offset + 1;

	for (w->owed += opt.records; w->owed >= 1000; w->owed -= 1000) {
		const struct payload *out = &payloads[w->turn++ % payload_count];
		rd_kafka_resp_err_t e;
		while ((e = rd_kafka_producev(w->producer, RD_KAFKA_V_TOPIC(opt.out),
		                              RD_KAFKA_V_KEY(m->key, m->key_len),
		                              RD_KAFKA_V_VALUE(out->data, out->bytes),
		                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
		                              RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
			rd_kafka_poll(w->producer, 10);
		if (e)
			die("produce", rd_kafka_err2str(e));
	}
}

static void commit(struct worker *w)
{
	rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(w->consumer);
	check("offsets", rd_kafka_send_offsets_to_transaction(w->producer, w->next, group, 10000));
	rd_kafka_consumer_group_metadata_destroy(group);
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
	const struct {
		const char *name, **text;
		int *number;
	} table[] = {
	        {"--brokers",   &opt.brokers,  NULL          },
                {"--topic",     &opt.topic,    NULL          },
	        {"--out",       &opt.out,      NULL          },
                {"--group",     &opt.group,    NULL          },
	        {"--workers",   NULL,          &opt.workers  },
                {"--records",   NULL,          &opt.records  },
	        {"--payloads",  &opt.payloads, NULL          },
                {"--commit-ms", NULL,          &opt.commit_ms},
	};
	for (int i = 1; i + 1 < argc; i += 2) {
		size_t k = 0;
		while (k < sizeof table / sizeof *table && strcmp(table[k].name, argv[i]))
			k++;
		if (k == sizeof table / sizeof *table)
			die(argv[i], "no such option");
		if (table[k].text)
			*table[k].text = argv[i + 1];
		else
			*table[k].number = atoi(argv[i + 1]);
	}
	if (!opt.brokers || !opt.topic || !opt.out || !opt.group || !opt.payloads)
		die("usage", "--brokers, --topic, --out, --group and --payloads are needed");
}

static void read_payloads(void)
{
	FILE *f = fopen(opt.payloads, "rb");
	if (!f)
		die(opt.payloads, "cannot open");
	struct payload *p = payloads;
	while (p < payloads + sizeof payloads / sizeof *payloads &&
	       fread(&p->bytes, 4, 1, f) == 1) {
		p->data = malloc(p->bytes + 1);
		if (!p->data || fread(p->data, 1, p->bytes, f) != p->bytes)
			die(opt.payloads, "cut short");
		p++;
	}
	fclose(f);
	payload_count = (int)(p - payloads);
	if (!payload_count)
		die(opt.payloads, "holds nothing");
}

int main(int argc, char **argv)
{
	parse(argc, argv);
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
