/* state_import.c - `chatmill state import`: an export, onto any number of partitions. */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An import may take longer than a transaction may be open. So each partition first gets a note that
 * an import is under way, with which `run` refuses the state; then the subjects come, and what was
 * there and is not in the export goes; then, in one transaction, the markers come and the notes say
 * that it is done.
 * Whatever breaks off in between is refused by `run`, and begun anew with --force.
 */
#include "base/digest.h"
#include "base/fault.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/jobject.h"
#include "cmd/state_topic.h"
#include "consume/file.h"
#include "kafka/consumer.h"
#include "kafka/producer.h"
#include "state/codec.h"
#include "topic_plan.h"

enum { INIT_MS = 30000, FLUSH_MS = 300000, COMMIT_MS = 8000, CLOCKS_FIRST = 64 };

struct importing {
	struct state *state;
	struct producer *producer;
	struct producer_topic *topic;
	struct arena names;
	struct {
		struct str corpid;
		int64_t ms;
	} *clocks; /* the greatest of each corp */
	size_t clock_count, clock_room, clock_next;
	char ruleset[DIGEST_TEXT_SIZE];
	int64_t ruleset_offset; /* of the marker it came from: the furthest one counts */
	uint64_t subjects;
	bool headed;
	struct buf value;
};

/* Partitions mostly name the same corps in the same order. */
static size_t find_clock(const struct importing *i, struct str corpid)
{
	size_t at = i->clock_next;

	if (at < i->clock_count && str_eq(i->clocks[at].corpid, corpid))
		return at;
	for (at = 0; at < i->clock_count && !str_eq(i->clocks[at].corpid, corpid);)
		at++;
	return at;
}

static void take_clock(void *context, struct str corpid, int64_t ms)
{
	struct importing *i = context;
	size_t at = find_clock(i, corpid);

	if (at == i->clock_room) {
		i->clock_room = MAX(i->clock_room * 2, (size_t)CLOCKS_FIRST);
		i->clocks = heap_grown(i->clocks, i->clock_room * sizeof *i->clocks);
	}
	if (at == i->clock_count) {
		i->clocks[i->clock_count++].corpid = arena_copy(&i->names, corpid);
		i->clocks[at].ms = ms;
	}
	i->clocks[at].ms = MAX(i->clocks[at].ms, ms);
	i->clock_next = at + 1;
}

static int open_producer(struct importing *i, const struct producer_settings *settings,
			 struct err *err)
{
	const char *topic = i->state->config->state_topic;
	int32_t known;

	if (producer_new(&i->producer, settings, err) < 0 ||
	    producer_partition_count(i->producer, topic, INIT_MS, &known, err) < 0)
		return -1;
	return producer_topic(i->producer, topic, &i->topic, err);
}

static int send(struct importing *i, int32_t partition, struct str key, struct str value,
		struct err *err)
{
	struct outgoing out = {.topic = i->topic, .partition = partition, .key = key, .value = value};

	return producer_send(i->producer, &out, err);
}

static int take_subject(struct importing *i, struct str key, struct str text, struct err *err)
{
	struct str body;

	buf_clear(&i->value);
	if (!buf_put_unbase64(&i->value, text))
		return err_set(err, ERR_DATA, "value is no base64");
	switch (codec_open(key, buf_str(&i->value), &body)) {
	case CODEC_DONE:
		break;
	case CODEC_UNKNOWN_VERSION:
		return err_set(err, ERR_CONFIG, "it was exported by a newer version of chatmill");
	case CODEC_BAD_CHECKSUM:
	case CODEC_BAD_BODY:
		return err_set(err, ERR_DATA, "the value does not belong to this subject");
	}
	i->subjects++;
	int32_t partition = hash_partition(key, i->state->partitions);
	/* Who stays in the shards in the end is not in the export. */
	if (shard_load(i->state->shards[partition], key, (struct str){0}, err) < 0)
		return -1;
	return send(i, partition, key, buf_str(&i->value), err);
}

static int take_line(struct importing *i, struct str line, struct err *err)
{
	OWNED(jobject) *o = NULL;
	struct str subject, value, ruleset;
	int64_t number;

	if (jobject_new(&o, line, err) < 0)
		return -1;
	if (jobject_text(o, "format", &value)) {
		if (!str_eq(value, STR("chatmill.state")) || !jobject_number(o, "version", &number))
			return err_set(err, ERR_DATA, "this is no export of `chatmill state export`");
		i->headed = true;
		return 0;
	}
	if (!i->headed)
		return err_set(err, ERR_DATA, "the first line is not that of an export");
	if (jobject_text(o, "subject", &subject) && jobject_text(o, "value", &value))
		return take_subject(i, subject, value, err);
	if (!jobject_number(o, "next_offset", &number) || !jobject_text(o, "ruleset", &ruleset))
		return err_set(err, ERR_DATA, "neither a subject nor a partition");
	i->clock_next = 0;
	jobject_each_number(o, "clocks", take_clock, i);
	if (ruleset.len && ruleset.len < sizeof i->ruleset && number >= i->ruleset_offset) {
		i->ruleset_offset = number;
		(void)snprintf(i->ruleset, sizeof i->ruleset, "%.*s", STR_ARG(ruleset));
	}
	return 0;
}

static int take_record(struct importing *i, const struct file_source *source,
		       const struct record *record, struct err *err)
{
	if (take_line(i, record->value, err) < 0)
		return err_wrap(err, "%s line %lld", file_source_name(source), (long long)record->offset);
	return 0;
}

/* Opens the export and takes its first line, which says that it is one. */
static int open_file(struct importing *i, struct file_source **source, const char *path, struct err *err)
{
	struct record record;

	if (file_source_open(source, path, err) < 0 || file_source_fill(*source, err) < 0)
		return -1;
	if (!file_source_next(*source, &record))
		return err_set(err, ERR_DATA, "%s is empty", path);
	return take_record(i, *source, &record, err);
}

static int read_rest(struct importing *i, struct file_source *source, struct err *err)
{
	struct record record;
	int got;

	do
		while (file_source_next(source, &record))
			if (take_record(i, source, &record, err) < 0)
				return -1;
	while ((got = file_source_fill(source, err)) > 0);
	return got;
}

/* Where `run` will begin in each partition of the archive. */
static int begin_at(struct state *s, int32_t partition, struct consumer *c, int64_t *offset,
		    struct err *err)
{
	int64_t low, high;

	if (consumer_query_offsets(c, s->config->input.topic, partition, STATE_ASK_MS, &low, &high, err) < 0)
		return -1;
	*offset = s->options->end ? high : low;
	return 0;
}

/* `run` would not go on before what the group has committed, so that nothing is written for it. */
static int check_committed(struct state *s, struct err *err)
{
	OWNED(consumer) *c = NULL;
	OWNED_MEM struct consumer_partition *parts =
		calloc((size_t)s->partitions, sizeof(struct consumer_partition));
	struct consumer_settings settings = {.kafka = &s->brokers->settings,
					     .group = s->config->pipeline};
	int64_t offset;

	if (!parts)
		return err_set(err, ERR_OS, "out of memory");
	for (int32_t p = 0; p < s->partitions; p++)
		parts[p] = (struct consumer_partition){s->config->input.topic, p, -1};
	if (consumer_new(&c, &settings, err) < 0 ||
	    consumer_committed(c, parts, (size_t)s->partitions, STATE_ASK_MS, err) < 0)
		return -1;
	for (int32_t p = 0; p < s->partitions; p++) {
		if (begin_at(s, p, c, &offset, err) < 0)
			return -1;
		if (parts[p].offset > offset)
			return err_set(err, ERR_CONFIG,
				       "`run` of pipeline %s has taken partition %d of %s up to offset %lld, "
				       "and would begin at %lld again: %sanother name as `pipeline`, with a "
				       "state topic of its own",
				       s->config->pipeline, p, s->config->input.topic,
				       (long long)parts[p].offset, (long long)offset,
				       s->options->end ? "give it " : "say --at-end, or give it ");
	}
	return 0;
}

static int put_markers(struct importing *i, struct err *err)
{
	struct state *s = i->state;
	OWNED(consumer) *c = NULL;
	struct consumer_settings settings = {.kafka = &s->brokers->settings,
					     .group = s->config->pipeline};
	int64_t offset;

	if (consumer_new(&c, &settings, err) < 0)
		return -1;
	for (int32_t p = 0; p < s->partitions; p++) {
		struct shard *shard = s->shards[p];
		size_t count;
		if (begin_at(s, p, c, &offset, err) < 0)
			return -1;
		shard_begin(shard);
		for (size_t k = 0; k < i->clock_count; k++)
			shard_set_clock_ms(shard, i->clocks[k].corpid, i->clocks[k].ms);
		if (i->ruleset[0])
			shard_set_ruleset(shard, str_of(i->ruleset), offset);
		shard_set_next_offset(shard, offset);
		const struct shard_change *changes = shard_changes(shard, &count);
		for (size_t k = 0; k < count; k++)
			if (send(i, p, changes[k].key, changes[k].value, err) < 0)
				return -1;
		shard_commit(shard);
	}
	return 0;
}

static int put_notes(struct importing *i, struct str body, struct err *err)
{
	buf_clear(&i->value);
	codec_put_value(&i->value, shard_import_note, body);
	for (int32_t p = 0; p < i->state->partitions; p++)
		if (send(i, p, shard_import_note, buf_str(&i->value), err) < 0)
			return -1;
	return 0;
}

/* The markers come and the notes change, all or none of them. */
static int finish(struct importing *i, struct err *err)
{
	struct state *s = i->state;
	char id[160];
	struct producer_settings settings = {.kafka = &s->brokers->settings, .transactional_id = id};

	(void)snprintf(id, sizeof id, "%s-state-import", s->config->pipeline);
	producer_free(TAKE(i->producer));
	if (open_producer(i, &settings, err) < 0 || producer_init(i->producer, INIT_MS, err) < 0 ||
	    producer_begin(i->producer, err) < 0 || put_markers(i, err) < 0 ||
	    put_notes(i, shard_imported, err) < 0)
		return -1;
	fault_point("import_markers");
	return producer_commit(i->producer, COMMIT_MS, err);
}

/* A note on each partition, before anything else of the import. */
static int begin(struct importing *i, struct err *err)
{
	if (put_notes(i, STR(""), err) < 0)
		return -1;
	return producer_flush(i->producer, FLUSH_MS, err);
}

struct forgetting {
	struct importing *importing;
	int32_t partition;
	int status;
	struct err *err;
};

static void forget_one(void *context, struct str key, struct str value)
{
	struct forgetting *f = context;

	if (f->status == 0 && key.data[0] != '\0')
		f->status = send(f->importing, f->partition, key, (struct str){0}, f->err);
}

/* Who was there before and is not in the export is forgotten; the shards are new again. */
static int forget_others(struct importing *i, struct err *err)
{
	struct forgetting f = {.importing = i, .err = err};

	for (; f.partition < i->state->partitions && f.status == 0; f.partition++) {
		struct shard *shard = i->state->shards[f.partition];
		shard_each(shard, forget_one, &f);
		shard_clear(shard);
	}
	return f.status;
}

/* `run` would refuse what came of it. */
static int check_archive(const struct state *s, struct err *err)
{
	OWNED(consumer) *c = NULL;
	struct consumer_settings settings = {.kafka = &s->brokers->settings,
					     .group = s->config->pipeline};
	int32_t archive;

	if (consumer_new(&c, &settings, err) < 0 ||
	    consumer_need_topic(c, s->config->input.topic, STATE_ASK_MS, &archive, err) < 0)
		return -1;
	if (archive == s->partitions)
		return 0;
	return err_set(err, ERR_CONFIG,
		       "%s has %d partitions and its state %s has %d; name a state.topic that is not there "
		       "yet, and have `topics apply` make it: " TOPIC_PLAN_MOVE,
		       s->config->input.topic, archive, s->config->state_topic, s->partitions);
}

static int import_all(struct importing *i, const char *path, struct err *err)
{
	struct state *s = i->state;
	OWNED(file_source) *source = NULL;
	struct producer_settings producer = {.kafka = &s->brokers->settings, .linger_ms = "20"};

	if (check_archive(s, err) < 0)
		return -1;
	if (state_restore(s, 0, s->partitions, s->options->force, err) < 0)
		return -1;
	for (int32_t p = 0; p < s->partitions; p++)
		if (!s->options->force && (shard_next_offset(s->shards[p]) >= 0 ||
					   shard_stats(s->shards[p]).subjects))
			return err_set(err, ERR_CONFIG,
				       "%s already holds a state; name a new state.topic and have "
				       "`topics apply` make it, or go on with a broken import by --force",
				       s->config->state_topic);
	/* The file before anything is written: a slip in its name would cost the state that is there. */
	if (open_file(i, &source, path, err) < 0 || check_committed(s, err) < 0 ||
	    open_producer(i, &producer, err) < 0 || begin(i, err) < 0)
		return -1;
	fault_point("import_begun");
	if (read_rest(i, source, err) < 0)
		return -1;
	if (forget_others(i, err) < 0 || producer_flush(i->producer, FLUSH_MS, err) < 0)
		return -1;
	fault_point("import_subjects");
	return finish(i, err);
}

static int import(const void *options, const char *const *arguments, int count, struct err *err)
{
	struct state s = {0};
	struct importing *i = calloc(1, sizeof *i);
	int status = i ? state_open(&s, options, err) : err_set(err, ERR_OS, "out of memory");

	if (status == 0) {
		i->state = &s;
		i->ruleset_offset = -1;
		status = import_all(i, count ? arguments[0] : "-", err);
	}
	if (status == 0)
		fprintf(stderr, "%llu subjects imported into %d partitions\n",
			(unsigned long long)i->subjects, s.partitions);
	if (i) {
		producer_free(i->producer);
		arena_fini(&i->names);
		free(i->clocks);
		buf_fini(&i->value);
	}
	free(i);
	state_fini(&s);
	return status;
}

static const struct option import_rows[] = {
	OPTION_CONFIG(struct state_options),
	{"at-end", 0, OPTION_FLAG, NULL,
	 "`run` goes on at the end of the archive (default: at its beginning)",
	 offsetof(struct state_options, end)},
	{"force", 0, OPTION_FLAG, NULL, "write over a state that is there",
	 offsetof(struct state_options, force)},
	OPTION_INSECURE(struct state_options),
	OPTIONS_END,
};

const struct command cmd_state_import = {
	.words = "state import",
	.arguments = "-c FILE [FILE|-]",
	.summary = "state from an export, onto any number of partitions",
	.help = "Each subject goes to the partition of its key; every partition gets the greatest clock\n"
		"of each corp and the rules in force. `run` then begins at the beginning of the archive,\n"
		"or with --at-end at its end as it is now. The state topic must be empty (name a new\n"
		"state.topic, `topics apply` makes it) and have as many partitions as the archive. With\n"
		"--force what is in it and not in the export is forgotten. No `run` may be on the\n"
		"pipeline, and none may have been on it that got further than where it would begin now.\n"
		"An import that broke off leaves a state that `run` refuses: repeat it with --force.\n"
		"`verify` proves nothing after an import: what came before is not in this archive.\n"
		"\n"
		"example:\n"
		"  zstdcat state.jsonl.zst | chatmill state import -c new.yaml\n"
		"\n"
		"exit status: 0 done, 65 the file is no export, 78 there is a state already, the topic has\n"
		"other partitions than the archive, `run` has got further, or the export is of a newer\n"
		"version",
	.options = import_rows,
	.options_bytes = sizeof(struct state_options),
	.arguments_max = 1,
	.run = import,
};
