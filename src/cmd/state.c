/* state.c - `chatmill state show|export|import`: what is known of customers, as it stands in Kafka. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include "base/hash.h"
#include "base/jobject.h"
#include "cmd/commands.h"
#include "consume/file.h"
#include "kafka/consumer.h"
#include "kafka/producer.h"
#include "state/changelog.h"
#include "state/codec.h"
#include "state/shard.h"

#include "brokers.h"

enum { ASK_MS = 30000, INIT_MS = 30000, FLUSH_MS = 300000, CORPS_MAX = 1024 };

struct state_options {
	const char *file, *corp;
	bool force, insecure, end;
};

struct state {
	const struct state_options *options;
	struct config *config;
	struct brokers *brokers;
	_Atomic bool stop; /* never set; the restore wants one */
	struct shard **shards;
	int32_t partitions;
};

static int state_open(struct state *s, const void *options, struct err *err)
{
	OWNED(consumer) *c = NULL;

	s->options = options;
	if (config_open(&s->config, s->options->file, err) < 0 ||
	    brokers_new(&s->brokers, s->config, s->options->insecure, err) < 0)
		return -1;
	struct consumer_settings settings = {.kafka = &s->brokers->settings,
					     .group = s->config->pipeline};
	if (consumer_new(&c, &settings, err) < 0 ||
	    consumer_partition_count(c, s->config->state_topic, ASK_MS, &s->partitions, err) < 0)
		return -1;
	if (!s->partitions)
		return err_set(err, ERR_CONFIG,
			       "topic %s is not there; `chatmill topics apply` makes it",
			       s->config->state_topic);
	s->shards = calloc((size_t)s->partitions, sizeof(*s->shards));
	return s->shards ? 0 : err_set(err, ERR_OS, "out of memory");
}

static void state_fini(struct state *s)
{
	for (int32_t i = 0; s->shards && i < s->partitions; i++)
		shard_free(s->shards[i]);
	free(s->shards);
	brokers_free(s->brokers);
	config_free(s->config);
}

/* Reads partitions [from, to) back. */
static int restore(struct state *s, int32_t from, int32_t to, struct err *err)
{
	OWNED_MEM struct restored *items = calloc((size_t)(to - from), sizeof(struct restored));
	struct shard_settings settings = {.memory_ms = s->config->state.memory_ms,
					  .idle_ms = s->config->state.idle_days * 86400000LL};
	struct changelog_settings changelog = {
		.kafka = &s->brokers->settings,
		.group = s->config->pipeline,
		.topic = s->config->state_topic,
		.stop = &s->stop,
		.worker = -1,
	};

	if (!items)
		return err_set(err, ERR_OS, "out of memory");
	for (int32_t i = from; i < to; i++) {
		if (shard_new(&s->shards[i], i, &settings, err) < 0)
			return -1;
		items[i - from] = (struct restored){i, s->shards[i], -1};
	}
	return changelog_restore(&changelog, items, (size_t)(to - from), err);
}

static void put_line(struct buf *line)
{
	buf_putc(line, '\n');
	fwrite(line->data, 1, line->len, stdout); /* checked when main flushes it */
	buf_clear(line);
}

/* ---- export ---- */

struct exporting {
	struct buf line;
	int32_t partition;
};

/* The marker as JSON: clocks and rules go along, the position belongs to this archive alone. */
static void put_marker(struct exporting *e, struct str key, struct str value)
{
	struct str body, digest, corpid;
	uint64_t next, count, clock;

	if (codec_open(key, value, &body) != CODEC_DONE || !codec_get_number(&body, &next) ||
	    !codec_get_text(&body, &digest) || !codec_get_number(&body, &count))
		UNREACHABLE("a marker that a shard just wrote cannot be read");
	buf_printf(&e->line, "{\"partition\":%d,\"next_offset\":%llu,\"ruleset\":", e->partition,
		   (unsigned long long)next);
	buf_put_json(&e->line, digest);
	buf_put(&e->line, STR(",\"clocks\":{"));
	for (uint64_t i = 0; i < count && codec_get_text(&body, &corpid) &&
			     codec_get_number(&body, &clock);
	     i++) {
		if (i)
			buf_putc(&e->line, ',');
		buf_put_json(&e->line, corpid);
		buf_printf(&e->line, ":%llu", (unsigned long long)clock);
	}
	buf_put(&e->line, STR("}}"));
	put_line(&e->line);
}

static void export_one(void *context, struct str key, struct str value)
{
	struct exporting *e = context;

	if (key.len && key.data[0] == '\0') {
		put_marker(e, key, value);
		return;
	}
	buf_put(&e->line, STR("{\"subject\":"));
	buf_put_json(&e->line, key);
	buf_put(&e->line, STR(",\"value\":\""));
	buf_put_base64(&e->line, value);
	buf_put(&e->line, STR("\"}"));
	put_line(&e->line);
}

static int export(const void *options, const char *const *arguments, int count, struct err *err)
{
	struct state s = {0};
	struct exporting e = {0};

	(void)arguments;
	(void)count;
	int status = state_open(&s, options, err);
	if (status == 0)
		status = restore(&s, 0, s.partitions, err);
	if (status == 0) {
		buf_printf(&e.line, "{\"format\":\"chatmill.state\",\"version\":%d,\"pipeline\":",
			   CODEC_VERSION);
		buf_put_json(&e.line, str_of(s.config->pipeline));
		buf_printf(&e.line, ",\"partitions\":%d}", s.partitions);
		put_line(&e.line);
	}
	for (e.partition = 0; status == 0 && e.partition < s.partitions; e.partition++)
		shard_each(s.shards[e.partition], export_one, &e);
	buf_fini(&e.line);
	state_fini(&s);
	return status;
}

/* ---- import ---- */

struct importing {
	struct state *state;
	struct producer *producer;
	struct producer_topic *topic;
	struct arena names;
	struct {
		struct str corpid;
		int64_t ms;
	} clocks[CORPS_MAX]; /* the greatest of each corp */
	size_t clock_count;
	char ruleset[72];
	int64_t ruleset_offset; /* of the marker it came from: the furthest one counts */
	uint64_t subjects;
	bool headed;
	struct buf value;
};

static void take_clock(void *context, struct str corpid, int64_t ms)
{
	struct importing *i = context;
	size_t at = 0;

	while (at < i->clock_count && !str_eq(i->clocks[at].corpid, corpid))
		at++;
	if (at == CORPS_MAX)
		return; /* told by the count in import_all() */
	if (at == i->clock_count) {
		i->clocks[i->clock_count++].corpid = arena_copy(&i->names, corpid);
		i->clocks[at].ms = ms;
	}
	i->clocks[at].ms = MAX(i->clocks[at].ms, ms);
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
	return send(i, hash_partition(key, i->state->partitions), key, buf_str(&i->value), err);
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
	jobject_each_number(o, "clocks", take_clock, i);
	if (ruleset.len && ruleset.len < sizeof i->ruleset && number >= i->ruleset_offset) {
		i->ruleset_offset = number;
		(void)snprintf(i->ruleset, sizeof i->ruleset, "%.*s", STR_ARG(ruleset));
	}
	return 0;
}

static int read_file(struct importing *i, const char *path, struct err *err)
{
	OWNED(file_source) *source = NULL;
	struct record record;
	int got;

	if (file_source_open(&source, path, err) < 0)
		return -1;
	while ((got = file_source_fill(source, err)) > 0)
		while (file_source_next(source, &record))
			if (take_line(i, record.value, err) < 0)
				return err_wrap(err, "%s line %lld", path, (long long)record.offset);
	return got;
}

/* Where `run` will begin in each partition of the archive. */
static int begin_at(struct state *s, int32_t partition, struct consumer *c, int64_t *offset,
		    struct err *err)
{
	int64_t low, high;

	if (consumer_query_offsets(c, s->config->input.topic, partition, ASK_MS, &low, &high, err) < 0)
		return -1;
	*offset = s->options->end ? high : low;
	return 0;
}

/* The markers go last: without them a state that was half imported is not taken for one. */
static int put_markers(struct importing *i, struct err *err)
{
	struct state *s = i->state;
	OWNED(consumer) *c = NULL;
	struct consumer_settings settings = {.kafka = &s->brokers->settings,
					     .group = s->config->pipeline};
	int64_t offset;

	if (producer_flush(i->producer, FLUSH_MS, err) < 0 || consumer_new(&c, &settings, err) < 0)
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
	return producer_flush(i->producer, FLUSH_MS, err);
}

static int import_all(struct importing *i, const char *path, struct err *err)
{
	struct state *s = i->state;
	struct producer_settings producer = {.kafka = &s->brokers->settings, .linger_ms = "20"};
	int32_t known;

	if (restore(s, 0, s->partitions, err) < 0)
		return -1;
	for (int32_t p = 0; p < s->partitions; p++)
		if (!s->options->force && (shard_next_offset(s->shards[p]) >= 0 ||
					   shard_stats(s->shards[p]).subjects))
			return err_set(err, ERR_CONFIG,
				       "%s already holds a state; import into a new pipeline or an "
				       "empty topic, or go on with a broken import by --force",
				       s->config->state_topic);
	if (producer_new(&i->producer, &producer, err) < 0 ||
	    producer_partition_count(i->producer, s->config->state_topic, INIT_MS, &known, err) < 0 ||
	    producer_topic(i->producer, s->config->state_topic, &i->topic, err) < 0 ||
	    read_file(i, path, err) < 0)
		return -1;
	if (i->clock_count == CORPS_MAX)
		return err_set(err, ERR_CONFIG, "more than %d corps", CORPS_MAX);
	if (!i->headed)
		return err_set(err, ERR_DATA, "%s is empty", path);
	return put_markers(i, err);
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
		buf_fini(&i->value);
	}
	free(i);
	state_fini(&s);
	return status;
}

/* ---- show ---- */

static void put_tags(struct buf *line, const struct subject *who)
{
	buf_put(line, STR(",\"tags\":["));
	for (uint32_t i = 0; i < who->tags.count; i++) {
		const struct tag_state *tag = &who->tags.items[i];
		buf_put(line, i ? STR(",{\"group\":") : STR("{\"group\":"));
		buf_put_json(line, tag->group);
		buf_put(line, STR(",\"tag\":"));
		buf_put_json(line, tag->tag);
		buf_put(line, STR(",\"userids\":["));
		for (uint32_t k = 0; k < tag->staff.count; k++) {
			if (k)
				buf_putc(line, ',');
			buf_put_json(line, tag->staff.items[k]);
		}
		buf_printf(line, "],\"evidence\":%u}", tag->proofs.count);
	}
	buf_putc(line, ']');
}

static void put_stages(struct buf *line, const struct subject *who)
{
	buf_put(line, STR(",\"stages\":{"));
	for (uint32_t i = 0; i < who->ladders.count; i++) {
		const struct ladder_state *ladder = &who->ladders.items[i];
		struct str stage = ladder->moves.items[ladder->moves.count - 1].stage;
		if (i)
			buf_putc(line, ',');
		buf_put_json(line, ladder->ladder);
		buf_putc(line, ':');
		if (stage.len)
			buf_put_json(line, stage);
		else
			buf_put(line, STR("null"));
	}
	buf_putc(line, '}');
}

static void show_subject(const struct subject *who, int32_t partition)
{
	struct buf line = {0};

	buf_put(&line, STR("{\"corpid\":"));
	buf_put_json(&line, who->corpid);
	buf_put(&line, STR(",\"subject\":"));
	buf_put_json(&line, who->id);
	buf_printf(&line, ",\"partition\":%d,\"customer\":%s,\"disagreed\":%s,\"changed\":\"",
		   partition, who->is_customer ? "true" : "false",
		   who->disagreed ? "true" : "false");
	buf_put_time(&line, who->touched_ms);
	buf_putc(&line, '"');
	put_tags(&line, who);
	put_stages(&line, who);
	buf_put(&line, STR(",\"sequence\":\""));
	buf_put_u64_padded(&line, who->sequence, 20);
	buf_printf(&line,
		   "\",\"remembered\":%u,\"windows\":%u,\"waits\":%u,\"groupings\":%u,\"alerts\":%u,"
		   "\"nears\":%u,\"erased\":",
		   who->seen.count, who->windows.count, who->waits.count, who->groupings.count,
		   who->alerts.count, who->nears.count);
	if (who->erased_ms) {
		buf_putc(&line, '"');
		buf_put_time(&line, who->erased_ms);
		buf_putc(&line, '"');
	} else {
		buf_put(&line, STR("null"));
	}
	buf_putc(&line, '}');
	put_line(&line);
	buf_fini(&line);
}

static int show_one(struct state *s, const char *id, struct err *err)
{
	const char *corp = s->options->corp ? s->options->corp : s->config->input.corpid;
	struct buf key = {0};

	if (!corp)
		return err_set(err, ERR_USAGE, "of which corp? give --corp ID, or input.corpid in %s",
			       s->options->file);
	buf_printf(&key, "%s/%s", corp, id);
	int32_t partition = hash_partition(buf_str(&key), s->partitions);
	buf_fini(&key);
	if (restore(s, partition, partition + 1, err) < 0)
		return -1;
	shard_begin(s->shards[partition]);
	const struct subject *who = shard_find(s->shards[partition], str_of(corp), str_of(id));
	if (who)
		show_subject(who, partition);
	shard_rollback(s->shards[partition]);
	return who ? 0 : err_set(err, ERR_NOINPUT, "nothing is known of that subject");
}

static int show(const void *options, const char *const *arguments, int count, struct err *err)
{
	struct state s = {0};
	int status = state_open(&s, options, err);

	(void)count;
	if (status == 0)
		status = show_one(&s, arguments[0], err);
	state_fini(&s);
	return status;
}

static const struct option show_rows[] = {
	OPTION_CONFIG(struct state_options),
	{"corp", 0, OPTION_TEXT, "ID", "the corp (default: input.corpid)",
	 offsetof(struct state_options, corp)},
	OPTION_INSECURE(struct state_options),
	OPTIONS_END,
};

static const struct option export_rows[] = {
	OPTION_CONFIG(struct state_options),
	OPTION_INSECURE(struct state_options),
	OPTIONS_END,
};

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

const struct command cmd_state_show = {
	.words = "state show",
	.arguments = "-c FILE SUBJECT",
	.summary = "what is known of one customer",
	.help = "Reads the customer's partition of the state topic and prints tags, stages and counts as\n"
		"JSON, as they were at the last commit.\n"
		"\n"
		"example:\n"
		"  chatmill state show -c chatmill.yaml wm…\n"
		"\n"
		"exit status: 0 done, 66 nothing is known",
	.options = show_rows,
	.options_bytes = sizeof(struct state_options),
	.arguments_min = 1,
	.arguments_max = 1,
	.run = show,
};

const struct command cmd_state_export = {
	.words = "state export",
	.arguments = "-c FILE",
	.summary = "all state as NDJSON, to carry elsewhere",
	.help = "Stop `run` first, so that the state is that of one moment. One line for each subject,\n"
		"and one for each partition with its clocks, rules and position.\n"
		"\n"
		"example:\n"
		"  chatmill state export -c chatmill.yaml | zstd > state.jsonl.zst",
	.options = export_rows,
	.options_bytes = sizeof(struct state_options),
	.run = export,
};

const struct command cmd_state_import = {
	.words = "state import",
	.arguments = "-c FILE [FILE|-]",
	.summary = "state from an export, onto any number of partitions",
	.help = "Each subject goes to the partition of its key; every partition gets the greatest clock\n"
		"of each corp and the rules in force. `run` then begins at the beginning of the archive,\n"
		"or with --at-end at its end as it is now. The state topic must be empty.\n"
		"\n"
		"example:\n"
		"  zstdcat state.jsonl.zst | chatmill state import -c new.yaml\n"
		"\n"
		"exit status: 0 done, 65 the file is no export, 78 there is a state already, or the export\n"
		"is of a newer version",
	.options = import_rows,
	.options_bytes = sizeof(struct state_options),
	.arguments_max = 1,
	.run = import,
};
