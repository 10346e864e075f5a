/* state.c - `chatmill state show|export`: what is known of customers, as it stands in Kafka. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "cmd/state_topic.h"
#include "state/codec.h"
#include "state/subject.h"

static void put_line(struct buf *line)
{
	buf_putc(line, '\n');
	output_put(buf_str(line));
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
	if (!value.data)
		return; /* shard_check() tells */
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

	int status = state_open(&s, options, err);
	if (status == 0)
		status = state_restore(&s, 0, s.partitions, false, err);
	if (status == 0) {
		buf_printf(&e.line, "{\"format\":\"chatmill.state\",\"version\":%d,\"pipeline\":",
			   CODEC_VERSION);
		buf_put_json(&e.line, str_of(s.config->pipeline));
		buf_printf(&e.line, ",\"partitions\":%d}", s.partitions);
		put_line(&e.line);
	}
	for (e.partition = 0; status == 0 && e.partition < s.partitions; e.partition++) {
		shard_each(s.shards[e.partition], export_one, &e);
		status = shard_check(s.shards[e.partition], err);
	}
	buf_fini(&e.line);
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
		   past_messages(&who->past), who->windows.count, who->waits.count, who->groupings.count,
		   past_alert_count(&who->past), who->nears.count);
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
	if (state_restore(s, partition, partition + 1, false, err) < 0)
		return -1;
	shard_begin(s->shards[partition]);
	const struct subject *who = shard_find(s->shards[partition], str_of(corp), str_of(id));
	int status = shard_check(s->shards[partition], err);
	if (status == 0 && who)
		show_subject(who, partition);
	shard_rollback(s->shards[partition]);
	if (status < 0)
		return -1;
	return who ? 0 : err_set(err, ERR_NOINPUT, "nothing is known of that subject");
}

static int show(const void *options, const char *const *arguments, int count, struct err *err)
{
	struct state s = {0};
	int status = state_open(&s, options, err);

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
		"  chatmill state export -c chatmill.yaml | zstd > state.jsonl.zst\n"
		"\n"
		"exit status: 0 done, 69 no broker, 77 not permitted, 78 no such topic, or a state that this\n"
		"version cannot read",
	.options = export_rows,
	.options_bytes = sizeof(struct state_options),
	.run = export,
};
