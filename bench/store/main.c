/* main.c - B5: what the sink writes a second, against COPY and COPY + upsert. */
/* SPDX-License-Identifier: Apache-2.0 */

/* store_b5 'host=… dbname=…' EVENTS CUSTOMERS REPETITIONS
 *
 * Three ways into the same tables of an otherwise idle server, in turn in one run, each from empty
 * tables: binary COPY of the event rows alone; COPY into temporary tables, then one merge for the
 * events and one upsert for the customers; and store_write(), which also fences and writes the
 * offsets. The first two get their rows encoded for nothing: that is done before the clock starts.
 * All commit after every batch of 5,000 events. Prints a line of JSON: events per second of each
 * repetition. The tables stay as the last way, store_write(), left them. */
#include <endian.h>
#include <string.h>

#include "base/clock.h"
#include "store/migrate.h"
#include "store/statements.h"
#include "store/store.h"

enum { BATCH = 5000, WAYS = 3, REPETITIONS_MAX = 32 };

struct input {
	struct arena arena;
	struct store_item *items;
	size_t count;
	struct store_partition partition;
	struct buf *events, *tags; /* of each batch: rows in COPY's binary format */
	size_t batch_count;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "store_b5: %s: %s\n", what, why);
	exit(1);
}

/* ---- events: tags of customers, half of them new, half taken away ---- */

static struct event *make_event(struct input *in, size_t i, size_t customers)
{
	struct arena *a = &in->arena;
	struct event *e = ARENA_NEW(a, struct event);
	/* A fixed walk through the customers: every batch touches many, each again and again. */
	size_t customer = (i * 2654435761u) % customers;
	struct str *staff = ARENA_NEW(a, struct str);
	struct tag_change *change = ARENA_NEW(a, struct tag_change);
	struct str name = arena_printf(a, "%zu", i);

	*staff = STR("zhangsan");
	*change = (struct tag_change){.group = STR("意向"),
				      .tag = i % 3 ? STR("高意向") : STR("低意向"),
				      .wecom_id = STR("etAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")};
	digest_uuid5(&name, 1, e->id);
	e->type = EVENT_TAG;
	e->cause = CAUSE_RULE;
	e->time_ms = e->msgtime_ms = INT64_C(1700000000000) + (int64_t)i * 1000;
	e->sequence = (uint64_t)e->time_ms * 1000000;
	e->corpid = STR("ww1");
	e->subject = e->external_userid = e->from = arena_printf(a, "wm%030zu", customer);
	e->userids = staff;
	e->userid_count = 1;
	e->chat = CHAT_SINGLE;
	e->msgid = arena_printf(a, "12345678901234_%zu_external", i);
	e->pack = STR("sales");
	e->rule = STR("ask-price");
	e->ruleset = STR("sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	if (i % 2) {
		e->remove = change;
		e->remove_count = 1;
	} else {
		e->add = change;
		e->add_count = 1;
	}
	return e;
}

static void make_items(struct input *in, size_t count, size_t customers)
{
	in->count = count;
	in->items = ARENA_ARRAY(&in->arena, struct store_item, count);
	in->partition = (struct store_partition){"bench.tags", 0, -1, 0};
	for (size_t i = 0; i < count; i++)
		in->items[i] = (struct store_item){
			.partition = &in->partition,
			.offset = (int64_t)i,
			.event = make_event(in, i, customers),
			.evidence_json = STR("[{\"field\":\"text.content\",\"start\":6,\"end\":15,"
					     "\"char_start\":2,"
					     "\"char_end\":5,\"text\":\"多少钱\",\"word\":"
					     "\"多少钱\",\"folds\":[],"
					     "\"forwarded\":false}]"),
		};
}

/* ---- the same rows in COPY's binary format (PostgreSQL's documentation of COPY) ---- */

static void transpose(struct column *columns, size_t count, struct buf *out)
{
	const char *at[ROWS_COLUMNS_MAX];
	uint16_t fields = htobe16((uint16_t)count), end = 0xffff;
	uint32_t rows = columns[0].count;

	buf_put(out, STR("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"));
	for (size_t i = 0; i < count; i++)
		at[i] = columns[i].data.data + 20; /* behind the head of the array */
	for (uint32_t r = 0; r < rows; r++) {
		buf_put(out, (struct str){(char *)&fields, 2});
		for (size_t i = 0; i < count; i++) {
			uint32_t len;
			memcpy(&len, at[i], sizeof len);
			len = be32toh(len);
			size_t bytes = 4 + (len == UINT32_MAX ? 0 : len);
			buf_put(out, (struct str){at[i], bytes});
			at[i] += bytes;
		}
	}
	buf_put(out, (struct str){(char *)&end, 2});
}

static void encode(struct input *in)
{
	struct rows *rows = calloc(1, sizeof *rows);
	struct arena arena = {0};

	in->batch_count = (in->count + BATCH - 1) / BATCH;
	in->events = calloc(in->batch_count, sizeof(struct buf));
	in->tags = calloc(in->batch_count, sizeof(struct buf));
	if (!rows || !in->events || !in->tags)
		die("memory", "none");
	for (size_t b = 0; b < in->batch_count; b++) {
		size_t first = b * BATCH;
		arena_reset(&arena);
		rows_build(rows, in->items + first, MIN(in->count - first, (size_t)BATCH), true,
			   &arena);
		transpose(rows->columns[ROWS_TAG_EVENT], statements[ROWS_TAG_EVENT].column_count,
			  &in->events[b]);
		transpose(rows->columns[ROWS_CUSTOMER_TAG],
			  statements[ROWS_CUSTOMER_TAG].column_count, &in->tags[b]);
	}
	rows_fini(rows);
	free(rows);
	arena_fini(&arena);
}

/* ---- the three ways ---- */

static void run(struct pg *pg, const char *sql)
{
	struct pg_fault fault;
	if (pg_run(pg, sql, &fault) < 0)
		die(sql, fault.text);
}

static void copy(struct pg *pg, const char *sql, const struct buf *data)
{
	struct pg_fault fault;
	if (pg_copy(pg, sql, buf_str(data), &fault) < 0)
		die(sql, fault.text);
}

#define EVENT_LIST                                                                                 \
	"event_id, day, corpid, external_userid, \"time\", msgtime, sequence, cause, late, "       \
	"\"add\", remove, userids, roomid, chat, sender, sender_role, msgid, pack, rule, "         \
	"ruleset, by, evidence"

static void way_copy(struct pg *pg, struct input *in)
{
	for (size_t b = 0; b < in->batch_count; b++)
		copy(pg, "COPY chatmill.bench_event FROM STDIN (FORMAT binary)", &in->events[b]);
}

static void way_upsert(struct pg *pg, struct input *in)
{
	for (size_t b = 0; b < in->batch_count; b++) {
		run(pg, "BEGIN; TRUNCATE staged_event, staged_tag");
		copy(pg, "COPY staged_event FROM STDIN (FORMAT binary)", &in->events[b]);
		copy(pg, "COPY staged_tag FROM STDIN (FORMAT binary)", &in->tags[b]);
		run(pg,
		    "INSERT INTO chatmill.tag_event (" EVENT_LIST
		    ") SELECT event_id, day, corpid, external_userid, \"time\", msgtime, sequence, "
		    "cause, late, \"add\", remove, userids::text[], roomid, chat, sender, "
		    "sender_role, msgid, pack, rule, ruleset, by, evidence FROM staged_event "
		    "ORDER BY day, event_id ON CONFLICT DO NOTHING");
		run(pg,
		    "INSERT INTO chatmill.customer_tag AS t (corpid, external_userid, \"group\", "
		    "tag, "
		    "wecom_id, userids, since, removed_at, pack, rule, msgid, sequence) "
		    "SELECT corpid, external_userid, \"group\", tag, wecom_id, userids::text[], "
		    "since, "
		    "removed_at, pack, rule, msgid, sequence FROM staged_tag "
		    "ORDER BY corpid, external_userid, \"group\", tag "
		    "ON CONFLICT (corpid, external_userid, \"group\", tag) DO UPDATE SET "
		    "wecom_id = EXCLUDED.wecom_id, userids = EXCLUDED.userids, since = "
		    "EXCLUDED.since, "
		    "removed_at = EXCLUDED.removed_at, pack = EXCLUDED.pack, rule = EXCLUDED.rule, "
		    "msgid = EXCLUDED.msgid, sequence = EXCLUDED.sequence "
		    "WHERE t.sequence < EXCLUDED.sequence");
		run(pg, "COMMIT");
	}
}

static void way_store(struct store *store, struct input *in)
{
	struct err err;

	if (store_claim(store, &in->partition, 1, &err) != STORE_DONE)
		die("claim", err.text);
	for (size_t done = 0, taken; done < in->count; done += taken)
		if (store_write(store, in->items + done, MIN(in->count - done, (size_t)BATCH),
				&taken, &err) != STORE_DONE)
			die("write", err.text);
}

static const char empty_sql[] =
	"TRUNCATE chatmill.tag_event, chatmill.customer_tag, chatmill.sink_offset, "
	"chatmill.bench_event; "
	"SELECT chatmill.make_partitions(array_agg(m::date)) FROM generate_series("
	"timestamp '2023-11-01', '2024-12-01', '1 month') m; CHECKPOINT";

static const char prepare_sql[] =
	"DROP TABLE IF EXISTS chatmill.bench_event; " /* of the round before */
	"CREATE TABLE chatmill.bench_event (LIKE chatmill.tag_event INCLUDING CONSTRAINTS); "
	"ALTER TABLE chatmill.bench_event ALTER userids TYPE text; "
	"ALTER TABLE chatmill.bench_event ADD PRIMARY KEY (event_id, day); "
	"CREATE INDEX ON chatmill.bench_event (corpid, external_userid, \"time\"); "
	"CREATE TEMP TABLE staged_event (LIKE chatmill.bench_event); "
	"CREATE TEMP TABLE staged_tag (corpid text, external_userid text, \"group\" text, tag "
	"text, "
	"wecom_id text, userids text, since timestamptz, removed_at timestamptz, "
	"pack text, rule text, msgid text, sequence int8)";

static double rate(struct input *in, int64_t start_us)
{
	return (double)in->count * 1e6 / (double)(clock_monotonic_us() - start_us);
}

static void measure(struct pg *pg, struct store *store, struct input *in, int repetitions)
{
	static const char *const names[WAYS] = {"copy", "upsert", "store"};
	double rates[WAYS][REPETITIONS_MAX];

	for (int r = 0; r < repetitions; r++)
		for (int way = 0; way < WAYS; way++) {
			run(pg, empty_sql);
			int64_t start_us = clock_monotonic_us();
			if (way == 0)
				way_copy(pg, in);
			else if (way == 1)
				way_upsert(pg, in);
			else
				way_store(store, in);
			rates[way][r] = rate(in, start_us);
		}
	printf("{\"events\": %zu", in->count);
	for (int way = 0; way < WAYS; way++) {
		printf(", \"%s\": [", names[way]);
		for (int r = 0; r < repetitions; r++)
			printf("%s%.0f", r ? ", " : "", rates[way][r]);
		printf("]");
	}
	printf("}\n");
}

int main(int argc, char **argv)
{
	struct input in = {0};
	struct pg_setting settings[16];
	struct pg_fault fault;
	struct err err;
	size_t count = 0;

	if (argc != 5)
		die("usage",
		    "store_b5 'host=… port=… dbname=… user=…' EVENTS CUSTOMERS REPETITIONS");
	for (char *save, *word = strtok_r(argv[1], " ", &save); word && count < ARRAY_LEN(settings);
	     word = strtok_r(NULL, " ", &save)) {
		char *equals = strchr(word, '=');
		if (!equals)
			die(word, "expected KEY=VALUE");
		*equals = '\0';
		settings[count++] = (struct pg_setting){word, equals + 1};
	}
	make_items(&in, (size_t)atol(argv[2]), (size_t)atol(argv[3]));
	encode(&in);
	OWNED(pg) *pg = NULL;
	int applied;
	if (pg_new(&pg, settings, count, &err) < 0 ||
	    (pg_connect(pg, &fault) < 0 && pg_err(&err, &fault, "connect") < 0) ||
	    migrate_apply(pg, &applied, &err) < 0)
		die("database", err.text);
	run(pg, prepare_sql);
	OWNED(store) *store = NULL;
	if (store_new(&store, &(struct store_settings){settings, count, "bench", "bench"}, &err) <
	    0)
		die("store", err.text);
	measure(pg, store, &in, MIN(atoi(argv[4]), REPETITIONS_MAX));
	return 0;
}
