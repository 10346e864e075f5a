/* load.c - `chatmill load`: files onto the archive topic, keyed and time-stamped as `run` wants. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "brokers.h"
#include "cmd/commands.h"
#include "cmd/progress.h"
#include "consume/file.h"
#include "decode/decode.h"
#include "kafka/producer.h"

enum { ASK_MS = 30000, FLUSH_MS = 300000 };

struct load_options {
	const char *file;
	int64_t rate;
	bool insecure;
};

struct load {
	const struct load_options *options;
	struct config *config;
	struct brokers *brokers;
	struct producer *producer;
	struct producer_topic *archive;
	struct decoder *decoder;
	const struct directory *directory;
	struct arena staff, arena; /* of the directory; of one record */
	struct buf key;
	int32_t partitions;
	int64_t last_time_ms; /* of the line before */
	int64_t started_ms;
	uint64_t lines, sent, dead;
	struct progress progress;
};

static int put(struct load *l, int32_t partition, struct str key, struct str value,
	       int64_t time_ms, struct err *err)
{
	struct outgoing out = {.topic = l->archive,
			       .partition = partition,
			       .key = key,
			       .value = value,
			       .time_ms = time_ms};

	l->sent++;
	return producer_send(l->producer, &out, err);
}

/* A record without a subject speaks to every partition. */
static int put_everywhere(struct load *l, const struct record *record, struct err *err)
{
	for (int32_t i = 0; i < l->partitions; i++)
		if (put(l, i, (struct str){0}, record->value, l->last_time_ms, err) < 0)
			return -1;
	return 0;
}

static int put_message(struct load *l, const struct record *record, const struct message *m,
		       struct err *err)
{
	if (!m->subject.len)
		return put_everywhere(l, record, err);
	buf_clear(&l->key);
	buf_put(&l->key, m->corpid);
	buf_putc(&l->key, '/');
	buf_put(&l->key, m->subject);
	struct str key = buf_str(&l->key);
	return put(l, hash_partition(key, l->partitions), key, record->value, l->last_time_ms, err);
}

/* Sends one record; *batch when it is an E5 batch instead. What cannot be used goes onto the
 * archive all the same, without a key, where its bytes put it: `run` makes the dead letter. */
static int take_record(struct load *l, struct record *record, bool *batch, struct err *err)
{
	struct message m;

	record->time_ms = l->last_time_ms;
	*batch = false;
	switch (decode(l->decoder, l->directory, record, &l->arena, &m)) {
	case DECODE_DONE:
		l->last_time_ms = m.recv_ms;
		return put_message(l, record, &m, err);
	case DECODE_BATCH:
		*batch = true;
		return 0;
	case DECODE_NULL:
		return put(l, hash_partition(record->value, l->partitions), (struct str){0},
			   record->value, l->last_time_ms, err);
	case DECODE_BAD_JSON:
	case DECODE_BAD_UTF8:
	case DECODE_TOO_BIG:
	case DECODE_TOO_DEEP:
	case DECODE_NO_MSGID:
	case DECODE_NO_SENDER:
	case DECODE_BAD_FIELD:
	case DECODE_ENCRYPTED:
	case DECODE_DECRYPT_FAILED:
	case DECODE_NO_CORP:
	case DECODE_MISROUTED:
	case DECODE_RESULT_COUNT:
		l->dead++;
		return put(l, hash_partition(record->value, l->partitions), (struct str){0},
			   record->value, l->last_time_ms, err);
	}
	UNREACHABLE("a result that is not in the enum");
}

static int take_line(struct load *l, struct record *record, struct err *err)
{
	struct record *items;
	size_t count;
	bool batch;

	arena_reset(&l->arena);
	if (take_record(l, record, &batch, err) < 0)
		return -1;
	if (!batch)
		return 0;
	if (decode_split(l->decoder, record, &l->arena, &items, &count) != DECODE_DONE) {
		l->dead++;
		return put(l, hash_partition(record->value, l->partitions), (struct str){0},
			   record->value, l->last_time_ms, err);
	}
	for (size_t i = 0; i < count; i++) {
		if (take_record(l, &items[i], &batch, err) < 0)
			return -1;
		/* A batch inside a batch: `run` makes a dead letter of it, as `scan` does. */
		if (batch && put(l, hash_partition(items[i].value, l->partitions),
				 (struct str){0}, items[i].value, l->last_time_ms, err) < 0)
			return -1;
	}
	return 0;
}

/* Waits until `rate` lines a second allow the next. */
static void keep_rate(const struct load *l)
{
	if (!l->options->rate)
		return;
	int64_t due_ms = l->started_ms + (int64_t)(l->lines * 1000 / (uint64_t)l->options->rate);
	int64_t wait_ms = due_ms - clock_monotonic_ms();
	if (wait_ms > 0)
		clock_sleep_ms(wait_ms);
}

static int load_file(struct load *l, const char *path, struct err *err)
{
	OWNED(file_source) *source = NULL;
	struct record record;
	int got;

	if (file_source_open(&source, path, err) < 0)
		return -1;
	while ((got = file_source_fill(source, err)) > 0) {
		while (file_source_next(source, &record)) {
			l->lines++;
			if (take_line(l, &record, err) < 0)
				return err_wrap(err, "%s line %lld", path,
						(long long)record.offset);
			keep_rate(l);
		}
		uint64_t done, size;
		file_source_progress(source, &done, &size);
		progress_show(&l->progress, path, done, size, l->lines);
	}
	return got;
}

static int read_staff(struct load *l, struct err *err)
{
	struct findings findings = {0};
	struct str text;

	l->directory = directory_empty();
	if (!l->config->staff)
		return 0;
	if (file_read(&l->staff, l->config->staff, FILE_BYTES_MAX, &text, err) < 0)
		return -1;
	l->directory = directory_parse(&l->staff, str_of(l->config->staff), text, &findings);
	size_t errors = findings.errors;
	findings_print(&findings, stderr);
	findings_fini(&findings);
	return errors ? err_set(err, ERR_CONFIG, "%s: %zu errors", l->config->staff, errors) : 0;
}

static int open_all(struct load *l, struct err *err)
{
	struct decode_settings decode = {
		.corpid = str_of(l->config->input.corpid),
		.record_bytes_max = (size_t)l->config->input.record_bytes_max,
	};
	struct producer_settings producer = {.kafka = &l->brokers->settings, .linger_ms = "20"};
	const char *topic = l->config->input.topic;

	if (read_staff(l, err) < 0 || decoder_new(&l->decoder, &decode, err) < 0 ||
	    producer_new(&l->producer, &producer, err) < 0 ||
	    producer_partition_count(l->producer, topic, ASK_MS, &l->partitions, err) < 0)
		return -1;
	if (!l->partitions)
		return err_set(err, ERR_CONFIG,
			       "topic %s is not there; `chatmill topics apply` makes it", topic);
	return producer_topic(l->producer, topic, &l->archive, err);
}

static int load_all(struct load *l, const char *const *files, int count, struct err *err)
{
	static const char *const standard_input[] = {"-"};
	int status = 0;

	if (config_open(&l->config, l->options->file, err) < 0 ||
	    brokers_new(&l->brokers, l->config, l->options->insecure, err) < 0 ||
	    open_all(l, err) < 0)
		return -1;
	l->last_time_ms = 1;
	l->started_ms = clock_monotonic_ms();
	progress_start(&l->progress);
	for (int i = 0; i < MAX(count, 1) && status == 0; i++)
		status = load_file(l, (count ? files : standard_input)[i], err);
	progress_end(&l->progress);
	/* What was read before a broken place is delivered too. */
	struct err flushed;
	if (producer_flush(l->producer, FLUSH_MS, &flushed) < 0 && status == 0) {
		*err = flushed;
		status = -1;
	}
	if (status == 0)
		fprintf(stderr, "%llu lines, %llu records sent to %s, %llu of them will be dead letters\n",
			(unsigned long long)l->lines, (unsigned long long)l->sent,
			l->config->input.topic, (unsigned long long)l->dead);
	return status;
}

static int load(const void *given, const char *const *arguments, int count, struct err *err)
{
	struct load l = {.options = given};
	int status = load_all(&l, arguments, count, err);

	producer_free(l.producer);
	decoder_free(l.decoder);
	brokers_free(l.brokers);
	config_free(l.config);
	arena_fini(&l.staff);
	arena_fini(&l.arena);
	buf_fini(&l.key);
	return status;
}

static const struct option options[] = {
	{"config", 'c', OPTION_TEXT, "FILE", "the configuration file",
	 offsetof(struct load_options, file), 0, true},
	{"rate", 0, OPTION_NUMBER, "N", "at most N lines a second (default: as fast as can be)",
	 offsetof(struct load_options, rate), 1},
	{"insecure", 0, OPTION_FLAG, NULL, "allow settings that do not verify the servers",
	 offsetof(struct load_options, insecure)},
	OPTIONS_END,
};

const struct command cmd_load = {
	.words = "load",
	.arguments = "-c FILE [FILE…|-]",
	.summary = "put NDJSON files on the archive topic",
	.help = "Reads archived messages (NDJSON, plain or zstd; standard input without FILE or\n"
		"with -) and sends each line as it is, keyed corpid/subject and stamped with its\n"
		"recv_ts, else its msgtime, else the time of the line before. Batches (chatdata) are\n"
		"split. Clock records go to every partition. A line that cannot be used is sent too:\n"
		"`run` makes the dead letter. Loading a file twice has no second effect, as long as\n"
		"`run` remembers its messages (state.memory).\n"
		"\n"
		"examples:\n"
		"  chatmill load -c chatmill.yaml archive.jsonl.zst\n"
		"  exporter | chatmill load -c chatmill.yaml\n"
		"\n"
		"exit status: 0 every line was acknowledged, 65 broken file, 66 no such file,\n"
		"69 no broker, 77 not permitted, 78 no such topic",
	.options = options,
	.options_bytes = sizeof(struct load_options),
	.arguments_max = -1,
	.run = load,
};
