/* rekey.c - `chatmill rekey`: an archive with foreign keys onto one keyed as `run` wants. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "cmd/archive_out.h"
#include "cmd/commands.h"
#include "consume/topic.h"

enum {
	COMMIT_MS = 8000,
	ASK_MS = 10000,
	TXN_MS = 500, /* a copy needs no low latency: long transactions cost less */
	TXN_RECORDS_MAX = 50000,
	POLL_MS = 200,
};

struct rekey_options {
	const char *file, *from, *to;
	bool follow, insecure;
};

struct rekey {
	const struct rekey_options *options;
	char id[128]; /* of its transactions */
	struct config *config;
	struct brokers *brokers;
	struct archive_out *out;
	struct consumer *consumer;
	struct arena arena;
	struct kafka_headers headers;
	struct consumer_partition *parts; /* owned now; offset: next to copy */
	bool *ended;			  /* of each */
	size_t count;
	bool open, interrupted;
	int64_t begun_ms;
	uint64_t txn_records, copied, dead, skipped;
};

/* ---- transactions: whatever fails ends the command; the next run goes on at the offsets ---- */

static int begin(struct rekey *r, struct err *err)
{
	/* What is still under way of the transaction before could end this one (producer.h). */
	if (producer_hygiene(archive_out_producer(r->out)) && archive_out_renew(r->out, err) < 0)
		return -1;
	if (producer_begin(archive_out_producer(r->out), err) < 0)
		return -1;
	r->open = true;
	r->begun_ms = clock_monotonic_ms();
	r->txn_records = 0;
	return 0;
}

static int commit(struct rekey *r, struct err *err)
{
	struct producer *p = archive_out_producer(r->out);

	if (producer_send_offsets(p, r->consumer, r->parts, r->count, err) < 0 ||
	    producer_commit(p, COMMIT_MS, err) < 0)
		return -1;
	r->open = false;
	return 0;
}

/* ---- the group ---- */

static void disown(struct rekey *r)
{
	free(r->parts);
	free(r->ended);
	r->parts = NULL;
	r->ended = NULL;
	r->count = 0;
}

static int on_assigned(void *context, struct consumer_partition *parts, size_t count,
		       struct err *err)
{
	struct rekey *r = context;

	if (consumer_committed(r->consumer, parts, count, ASK_MS, err) < 0)
		return -1;
	disown(r);
	r->parts = calloc(MAX(count, (size_t)1), sizeof *r->parts);
	r->ended = calloc(MAX(count, (size_t)1), sizeof *r->ended);
	if (!r->parts || !r->ended)
		return err_set(err, ERR_OS, "out of memory");
	r->count = count;
	for (size_t i = 0; i < count; i++) {
		r->parts[i] = (struct consumer_partition){r->options->from, parts[i].partition,
							  parts[i].offset};
		if (parts[i].offset < 0)
			parts[i].offset = CONSUMER_BEGINNING;
	}
	return 0;
}

static void on_revoked(void *context, bool lost)
{
	struct rekey *r = context;

	r->interrupted = r->open; /* whoever owns them now copies what is open here */
	disown(r);
}

static struct consumer_partition *part_of(struct rekey *r, int32_t partition, size_t *index)
{
	for (*index = 0; *index < r->count; (*index)++)
		if (r->parts[*index].partition == partition)
			return &r->parts[*index];
	return NULL;
}

static bool all_ended(const struct rekey *r)
{
	size_t i = 0;

	while (i < r->count && r->ended[i])
		i++;
	return r->count > 0 && i == r->count;
}

/* ---- a record ---- */

static int copy(struct rekey *r, const struct consumed *got, struct err *err)
{
	const struct message *m;
	int64_t time_ms;

	arena_reset(&r->arena);
	struct record record = topic_record(&got->record, &r->arena);
	enum decode_result result = archive_out_read(r->out, &record, &m);
	/* A clock vouches for its own partition, and rules hold from a place of it: both mean
	 * nothing in another order. Nulls have no subject. */
	if (result == DECODE_NULL ||
	    (result == DECODE_DONE && (m->kind == MESSAGE_CLOCK || m->kind == MESSAGE_RULES))) {
		r->skipped++;
		return 0;
	}
	consumed_headers_all(got, &r->headers);
	int put = archive_out_put(r->out, &record, r->headers.items, r->headers.count, &time_ms, err);
	r->copied += put >= 0;
	r->dead += put > DECODE_NULL;
	return put < 0 ? -1 : 0;
}

static int take(struct rekey *r, const struct consumed *got, struct err *err)
{
	size_t i;
	struct consumer_partition *part = part_of(r, got->record.partition, &i);

	if (!part || got->record.offset < part->offset)
		return 0; /* of an assignment before */
	if (!r->open && begin(r, err) < 0)
		return -1;
	if (copy(r, got, err) < 0)
		return -1;
	part->offset = got->record.offset + 1;
	r->ended[i] = false;
	r->txn_records++;
	return 0;
}

static int copy_all(struct rekey *r, struct err *err)
{
	struct consumed got;

	for (;;) {
		int result = consumer_poll(r->consumer, POLL_MS, &got, err);
		if (result < 0)
			return -1;
		if (result == CONSUMER_RECORD && !r->interrupted && take(r, &got, err) < 0)
			return -1;
		if (r->interrupted)
			return err_set(err, ERR_RETRY, "another rekey of this pipeline joined, or the "
						       "group was away; start again to go on");
		if (result == CONSUMER_END) {
			size_t i;
			if (part_of(r, got.record.partition, &i))
				r->ended[i] = true;
		}
		bool over = !r->options->follow && all_ended(r);
		if (r->open && (over || r->txn_records >= TXN_RECORDS_MAX ||
				clock_monotonic_ms() - r->begun_ms >= TXN_MS))
			if (commit(r, err) < 0)
				return -1;
		if (over)
			return 0;
	}
}

static int open_all(struct rekey *r, struct err *err)
{
	char group[128];
	const char *topics[] = {r->options->from};
	int32_t partitions;

	if (config_open(&r->config, r->options->file, err) < 0 ||
	    brokers_new(&r->brokers, r->config, r->options->insecure, err) < 0)
		return -1;
	const char *to = r->options->to ? r->options->to : r->config->input.topic;
	if (!strcmp(r->options->from, to))
		return err_set(err, ERR_USAGE, "--from and --to are one topic");
	(void)snprintf(group, sizeof group, "%s.rekey", r->config->pipeline);
	(void)snprintf(r->id, sizeof r->id, "%s-rekey", r->config->pipeline);
	struct archive_out_settings out = {
		.config = r->config, .brokers = r->brokers, .topic = to, .transactional_id = r->id};
	struct consumer_settings consumer = {
		.kafka = &r->brokers->settings,
		.group = group,
		.events = {on_assigned, on_revoked, r},
		.ends = true,
		.batch = true,
	};
	if (archive_out_new(&r->out, &out, err) < 0 ||
	    consumer_new(&r->consumer, &consumer, err) < 0 ||
	    consumer_partition_count(r->consumer, r->options->from, ASK_MS, &partitions, err) < 0)
		return -1;
	if (!partitions)
		return err_set(err, ERR_CONFIG, "topic %s is not there", r->options->from);
	return consumer_subscribe(r->consumer, topics, 1, err);
}

static int rekey(const void *given, const char *const *arguments, int count, struct err *err)
{
	struct rekey r = {.options = given};

	int status = open_all(&r, err);
	if (status == 0)
		status = copy_all(&r, err);
	if (status == 0)
		fprintf(stderr,
			"%llu records copied (%llu of them will be dead letters), %llu clock, rules and "
			"null records left out\n",
			(unsigned long long)r.copied, (unsigned long long)r.dead,
			(unsigned long long)r.skipped);
	consumer_free(r.consumer);
	archive_out_free(r.out);
	brokers_free(r.brokers);
	config_free(r.config);
	disown(&r);
	arena_fini(&r.arena);
	kafka_headers_fini(&r.headers);
	return status;
}

static const struct option options[] = {
	OPTION_CONFIG(struct rekey_options),
	{"from", 0, OPTION_TEXT, "TOPIC", "the archive with foreign keys",
	 offsetof(struct rekey_options, from), 0, true},
	{"to", 0, OPTION_TEXT, "TOPIC", "the archive that `run` reads (default: input.topic)",
	 offsetof(struct rekey_options, to)},
	{"follow", 0, OPTION_FLAG, NULL, "go on with what comes, until a signal",
	 offsetof(struct rekey_options, follow)},
	OPTION_INSECURE(struct rekey_options),
	OPTIONS_END,
};

const struct command cmd_rekey = {
	.words = "rekey",
	.arguments = "-c FILE --from TOPIC [--to TOPIC]",
	.summary = "copy an archive topic with foreign keys onto one keyed as `run` wants",
	.help = "Each record keeps its bytes and headers and gets the key corpid/subject; the order\n"
		"within each partition of the old topic is kept. Batches (chatdata) are split; what\n"
		"cannot be used is copied without a key. Exactly once: records and the group's offsets\n"
		"(group PIPELINE.rekey) go in one transaction, so that a command that was killed goes\n"
		"on where it stopped. Clock and rules records are left out: they mean nothing in\n"
		"another order; `tick` and `rules publish` write new ones.\n"
		"\n"
		"examples:\n"
		"  chatmill rekey -c chatmill.yaml --from wecom.raw\n"
		"  chatmill rekey -c chatmill.yaml --from wecom.raw --follow\n"
		"\n"
		"exit status: 0 everything that was there is copied, 69 no broker, 75 try again,\n"
		"77 not permitted, 78 no such topic",
	.options = options,
	.options_bytes = sizeof(struct rekey_options),
	.run = rekey,
};
