/* scan.c - `chatmill scan`: the whole pipeline on files, no server. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "cmd/commands.h"
#include "cmd/event_filter.h"
#include "cmd/lines.h"
#include "cmd/summary.h"
#include "pipeline.h"
#include "rules_open.h"
#include "send/encode.h"

enum {
	/* What falls due before one record is written out in parts of so many events, so that a
	 * clock record after a quiet month needs no room for a million of them. */
	DUE_EVENTS_MAX = 10000,
	/* Stays in the processor's cache: the events of a block can be 200 KiB, which went through it. */
	OUT_BYTES = 32 * 1024,
	PARTITIONS_MAX = 10000,
	JOBS_MAX = 64,
	IDLE_DAYS = 400, /* as state.idle_days */
};

struct scan_options {
	const char *rules, *events, *evidence, *dead_letters, *corp, *staff, *cache;
	int64_t partitions, limit, jobs;
	bool summary;
};

struct scan {
	struct scan_options options;
	bool wanted[EVENT_TYPE_COUNT];
	struct encode_settings encode;
	struct rulebook *book;
	struct pipeline_settings how; /* of all pipelines */
	struct pipeline *pipeline; /* applies what the readers of lines.h read */
	struct shard **shards;
	int32_t shard_count;
	struct summary *summary; /* NULL: not wanted */
	FILE *dead; /* NULL: dead letters are only counted */
	struct buf out;
	const char *file;     /* being read */
};

static void scan_fini(struct scan *s)
{
	for (int32_t i = 0; s->shards && i < s->shard_count; i++)
		shard_free(s->shards[i]);
	free(s->shards);
	summary_free(s->summary);
	pipeline_free(s->pipeline);
	rulebook_free(s->book);
	buf_fini(&s->out);
	if (s->dead)
		(void)fclose(s->dead); /* only on the way out of an error; else closed and checked */
}

/* ---- what goes out ---- */

static void put_dead(struct scan *s, const struct dead *dead)
{
	struct buf line = {0};

	buf_put(&line, STR("{\"error\":"));
	buf_put_json(&line, str_of(decode_result_name(dead->reason)));
	buf_put(&line, STR(",\"detail\":"));
	buf_put_json(&line, str_of(decode_result_detail(dead->reason)));
	buf_put(&line, STR(",\"file\":"));
	buf_put_json_mended(&line, str_of(s->file));
	buf_printf(&line, ",\"line\":%lld,\"raw_base64\":\"", (long long)dead->record.offset);
	buf_put_base64(&line, dead->record.value);
	buf_put(&line, STR("\"}\n"));
	fwrite(line.data, 1, line.len, s->dead); /* checked when it is closed */
	buf_fini(&line);
}

static int write_out(struct scan *s, struct err *err)
{
	if (s->out.len && fwrite(s->out.data, 1, s->out.len, stdout) != s->out.len)
		return err_errno(err, ERR_OS, "standard output cannot be written");
	buf_clear(&s->out);
	return 0;
}

/* Writes the batch and ends it; the shards take what they hold as done. */
static int flush(void *context, struct err *err)
{
	struct scan *s = context;
	const struct pipeline_batch *batch = pipeline_batch(s->pipeline);

	buf_clear(&s->out);
	for (size_t i = 0; i < batch->events.count; i++) {
		if (!s->wanted[batch->events.items[i].type])
			continue;
		encode_structured(&s->out, &batch->events.items[i], &s->encode);
		buf_putc(&s->out, '\n');
		if (s->out.len >= OUT_BYTES && write_out(s, err) < 0)
			return -1;
	}
	if (write_out(s, err) < 0)
		return -1;
	for (size_t i = 0; s->dead && i < batch->dead_count; i++)
		put_dead(s, &batch->dead[i]);
	if (s->summary)
		summary_take(s->summary, &batch->events);
	for (int32_t i = 0; i < s->shard_count; i++)
		shard_commit(s->shards[i]);
	for (int32_t i = 0; i < s->shard_count; i++)
		shard_begin(s->shards[i]);
	pipeline_clear(s->pipeline);
	if (fflush(stdout) != 0)
		return err_errno(err, ERR_OS, "standard output cannot be written");
	return 0;
}

/* ---- what comes in ---- */

static void begin(void *context, const char *file)
{
	((struct scan *)context)->file = file;
}

/* Whose clock a key follows. */
static int32_t place_of(const struct scan *s, struct str key)
{
	return key.len && s->shard_count > 1 ? hash_partition(key, s->shard_count) : 0;
}

/* Lets one reading act on the shards it speaks to: that of its subject, or all for a clock. */
static int apply(void *context, const struct reading *reading, struct err *err)
{
	struct scan *s = context;
	const struct message *m = &reading->message;
	bool is_clock = reading->result == DECODE_DONE && m->kind == MESSAGE_CLOCK;
	int32_t at = is_clock ? 0 : place_of(s, reading->key);
	int32_t end = is_clock ? s->shard_count : at + 1;

	while (at < end) {
		if (pipeline_apply(s->pipeline, s->shards[at], s->book, reading) != PIPELINE_MORE) {
			at++;
			if (at < end) /* a clock is one record, however many follow it */
				pipeline_set_again(s->pipeline, true);
		} else if (flush(s, err) < 0)
			return -1;
	}
	return 0;
}

static void expect(void *context, const struct reading *reading)
{
	struct scan *s = context;

	shard_expect(s->shards[place_of(s, reading->key)], reading->key);
}

/* ---- options ---- */

static int read_events(struct scan *s, struct err *err)
{
	const char *list = s->options.events ? s->options.events : "tag,stage,alert";

	if (!*list)
		return err_set(err, ERR_USAGE, "--events takes some of tag, stage, alert, hit: tag,stage");
	s->wanted[EVENT_ERASE] = true; /* whom to forget is told to whoever reads any of them */
	return event_types_read("--events", list, s->wanted, err);
}

static int read_evidence(struct scan *s, struct err *err)
{
	static const char *const names[] = {EVIDENCE_NAMES(AS_NAME)};
	const char *name = s->options.evidence ? s->options.evidence : "masked";

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(name, names[i])) {
			s->encode.evidence = (enum evidence_mode)i;
			return 0;
		}
	return err_set(err, ERR_USAGE, "--evidence takes none, masked or full; not '%s'", name);
}

static int make_shards(struct scan *s, struct err *err)
{
	struct shard_settings settings = {
		.memory_ms = 7 * DAY_MS, /* as state.memory */
		.idle_ms = IDLE_DAYS * DAY_MS,
	};

	s->shard_count = (int32_t)s->options.partitions;
	s->shards = calloc((size_t)s->shard_count, sizeof(*s->shards));
	if (!s->shards)
		return err_set(err, ERR_OS, "out of memory");
	for (int32_t i = 0; i < s->shard_count; i++) {
		if (shard_new(&s->shards[i], i, &settings, s->shards[0], err) < 0)
			return -1;
		shard_begin(s->shards[i]);
	}
	return 0;
}

static int scan_init(struct scan *s, const struct scan_options *options, struct err *err)
{
	s->options = *options;
	s->options.partitions = MAX(options->partitions, (int64_t)1);
	s->encode.source = STR("/chatmill/default");
	if (s->options.partitions > PARTITIONS_MAX)
		return err_set(err, ERR_USAGE, "--partitions is at most %d", PARTITIONS_MAX);
	if (read_events(s, err) < 0 || read_evidence(s, err) < 0 || corp_check(options->corp, err) < 0 ||
	    output_check("dead-letters", options->dead_letters, err) < 0 ||
	    rules_open(&s->book, options->rules, options->staff, options->cache, err) < 0)
		return -1;
	s->how = (struct pipeline_settings){
		.decode = {.corpid = str_of(options->corp)},
		.react = {.hits = s->wanted[EVENT_HIT] || options->summary},
		.due_events_max = DUE_EVENTS_MAX,
	};
	if (pipeline_new(&s->pipeline, &s->how, err) < 0 ||
	    pipeline_fit(s->pipeline, s->book, err) < 0 || make_shards(s, err) < 0)
		return -1;
	if (options->summary && summary_new(&s->summary, s->book->set, err) < 0)
		return -1;
	return 0;
}

/* The dead letters' file loses what it held, so it must be none of the inputs. */
static int open_dead(struct scan *s, const char *const *files, int count, struct err *err)
{
	const char *path = s->options.dead_letters;
	struct stat out, in;

	for (int i = 0; stat(path, &out) == 0 && S_ISREG(out.st_mode) && i < MAX(count, 1); i++) {
		bool standard = !count || !strcmp(files[i], "-");
		int rc = standard ? fstat(STDIN_FILENO, &in) : stat(files[i], &in);
		if (rc == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
			return err_set(err, ERR_USAGE,
				       "--dead-letters %s is an input itself; name another file", path);
	}
	if (!(s->dead = fopen(path, "we")))
		return err_errno(err, ERR_NOINPUT, "%s cannot be written", path);
	return 0;
}

static int scan_all(struct scan *s, const char *const *files, int count, struct err *err)
{
	int64_t start_us = clock_monotonic_us();
	struct lines_settings how = {
		.pipeline = &s->how,
		.book = s->book,
		.jobs = (int)MIN(MAX(s->options.jobs, 1), JOBS_MAX),
		.limit = s->options.limit,
		.take = apply,
		.expect = expect,
		.ahead = SHARD_AHEAD,
		.flush = flush,
		.begin = begin,
		.context = s,
	};

	if (file_sources_check(files, count, err) < 0 ||
	    (s->options.dead_letters && open_dead(s, files, count, err) < 0) ||
	    lines_read(&how, files, count, err) < 0)
		return -1;
	if (s->dead) {
		bool failed = ferror(s->dead) != 0;
		failed |= fclose(TAKE(s->dead)) != 0;
		if (failed)
			return err_errno(err, ERR_OS, "%s cannot be written",
					 s->options.dead_letters);
	}
	if (s->summary) {
		struct pipeline_counts counts = pipeline_counts(s->pipeline);
		struct react_counts react = pipeline_react_counts(s->pipeline);
		(void)fflush(stdout); /* so that the table comes last where both go to one place */
		summary_print(s->summary, &counts, &react,
			      (double)(clock_monotonic_us() - start_us) / 1e6, stderr);
	}
	return 0;
}

static int scan(const void *options, const char *const *arguments, int count, struct err *err)
{
	struct scan s = {0};
	int status = scan_init(&s, options, err);

	if (status == 0)
		status = scan_all(&s, arguments, count, err);
	scan_fini(&s);
	return status;
}

static const struct option options[] = {
	{"rules", 'r', OPTION_TEXT, "DIR", "folder of rule files", offsetof(struct scan_options, rules),
	 0, true},
	{"events", 'e', OPTION_TEXT, "LIST", "of tag, stage, alert, hit (default: tag,stage,alert)",
	 offsetof(struct scan_options, events)},
	{"evidence", 0, OPTION_TEXT, "MODE", "none, masked or full (default: masked)",
	 offsetof(struct scan_options, evidence)},
	{"dead-letters", 0, OPTION_TEXT, "FILE", "write records that cannot be used to FILE",
	 offsetof(struct scan_options, dead_letters)},
	{"summary", 's', OPTION_FLAG, NULL, "a table on standard error at the end",
	 offsetof(struct scan_options, summary)},
	{"corp", 0, OPTION_TEXT, "ID", "the corp of records that name none",
	 offsetof(struct scan_options, corp)},
	OPTION_STAFF(struct scan_options),
	{"partitions", 0, OPTION_NUMBER, "N", "clocks, as `run` on N partitions has (default: 1)",
	 offsetof(struct scan_options, partitions), 1},
	{"limit", 'n', OPTION_NUMBER, "N", "stop after N lines", offsetof(struct scan_options, limit), 1},
	{"jobs", 'j', OPTION_NUMBER, "N", "threads (default: 1); the output is the same",
	 offsetof(struct scan_options, jobs), 1},
	{"cache", 0, OPTION_TEXT, "DIR", "keep compiled rules in DIR between runs",
	 offsetof(struct scan_options, cache)},
	OPTIONS_END,
};

const struct command cmd_scan = {
	.words = "scan",
	.arguments = "--rules DIR [FILE…|-]",
	.summary = "run the whole pipeline on files: events as NDJSON, no server needed",
	.help = "Reads archived messages (NDJSON, plain or zstd; standard input without FILE or\n"
		"with -) and prints the events that the rules make of them, one JSON object a\n"
		"line, in the order of the input, the same bytes on every run.\n"
		"\n"
		"examples:\n"
		"  chatmill scan --rules rules archive.jsonl.zst\n"
		"  chatmill scan -r rules --summary archive.jsonl > events.jsonl\n"
		"  zcat old.gz | chatmill scan -r rules --events hit --evidence full -\n"
		"\n"
		"exit status: 0 done, 64 wrong usage, 65 bad rules or broken input, 66 no such file",
	.options = options,
	.options_bytes = sizeof(struct scan_options),
	.arguments_max = -1,
	.run = scan,
};
