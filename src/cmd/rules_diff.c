/* rules_diff.c - `chatmill rules diff`: what other rules would have hit on the same messages. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "cmd/commands.h"
#include "cmd/progress.h"
#include "cmd/rules_open.h"
#include "consume/file.h"
#include "pipeline.h"
#include "rules/names.h"

enum { EXAMPLES_MAX = 3, CONTEXT_CHARS = 20, MASKED_DIGITS_MIN = 7 };

struct diff_options {
	const char *staff, *corp;
	bool json;
};

/* One of the two rule sets, judging. */
struct side {
	struct rulebook *book;
	struct pipeline *pipeline;
	struct shard *shard;
	uint32_t *row;		   /* of each rule: its row in the table */
	const struct event **hits; /* by row: its hit on the message at hand, or NULL */
};

struct sight {
	struct str msgid, text; /* the hit with what stands around it, marked and masked */
};

/* A rule of either set, by the names of pack and rule. */
struct row {
	struct str name;
	bool in[2];
	uint64_t added, removed, unchanged;
	struct sight examples[2][EXAMPLES_MAX]; /* removed, added */
	size_t example_count[2];
};

struct diff {
	struct diff_options options;
	struct side sides[2]; /* OLD and NEW */
	struct row *rows;
	size_t row_count;
	struct arena arena;
	int64_t last_time_ms; /* of the line before */
	uint64_t messages, dead;
	struct progress progress;
};

/* ---- examples ---- */

/* Steps `chars` characters from `at` towards an end of the text. */
static size_t step(struct str text, size_t at, int chars, int direction)
{
	while (chars-- > 0 && (direction < 0 ? at > 0 : at < text.len)) {
		at += (size_t)direction;
		while (at > 0 && at < text.len && ((unsigned char)text.data[at] & 0xc0) == 0x80)
			at += (size_t)direction;
	}
	return at;
}

/* One line, and numbers of people and cards as little of people's business as in events. */
static void put_masked(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len;) {
		size_t digits = 0;
		while (i + digits < text.len && text.data[i + digits] >= '0' && text.data[i + digits] <= '9')
			digits++;
		if (digits >= MASKED_DIGITS_MIN)
			buf_putc(out, '*');
		else if (digits)
			buf_put(out, (struct str){text.data + i, digits});
		else
			buf_putc(out, (unsigned char)text.data[i] < 0x20 ? ' ' : text.data[i]);
		i += MAX(digits, (size_t)1);
	}
}

static struct str excerpt(struct diff *d, const struct message *m, const struct event *hit)
{
	struct buf out = {0};

	if (!hit->evidence_count)
		return (struct str){0};
	const struct evidence *first = &hit->evidence[0];
	for (size_t i = 0; i < m->text_count; i++) {
		struct str text = m->texts[i].content;
		if (!str_eq(m->texts[i].path, first->path))
			continue;
		size_t from = step(text, first->start, CONTEXT_CHARS, -1);
		size_t to = step(text, first->end, CONTEXT_CHARS, 1);
		buf_put(&out, from ? STR("…") : STR(""));
		put_masked(&out, (struct str){text.data + from, first->start - from});
		buf_put(&out, STR("«"));
		put_masked(&out, (struct str){text.data + first->start, first->end - first->start});
		buf_put(&out, STR("»"));
		put_masked(&out, (struct str){text.data + first->end, to - first->end});
		buf_put(&out, to < text.len ? STR("…") : STR(""));
		break;
	}
	struct str copy = arena_copy(&d->arena, buf_str(&out));
	buf_fini(&out);
	return copy;
}

/* ---- one message ---- */

static void collect(struct side *side)
{
	const struct events *events = &pipeline_batch(side->pipeline)->events;
	size_t rule;

	for (size_t i = 0; i < events->count; i++) {
		const struct event *e = &events->items[i];
		if (e->type == EVENT_HIT && ruleset_find(side->book->set, e->pack, e->rule, &rule))
			side->hits[side->row[rule]] = e;
	}
}

static void forget(struct side *side)
{
	const struct events *events = &pipeline_batch(side->pipeline)->events;
	size_t rule;

	for (size_t i = 0; i < events->count; i++)
		if (ruleset_find(side->book->set, events->items[i].pack, events->items[i].rule, &rule))
			side->hits[side->row[rule]] = NULL;
	shard_commit(side->shard);
	shard_begin(side->shard);
	pipeline_clear(side->pipeline);
}

/* Rows that either side hit, each counted once: by OLD, and by NEW where OLD did not. */
static void count_row(struct diff *d, const struct message *m, size_t index, bool is_new)
{
	struct row *row = &d->rows[index];

	if (d->sides[!is_new].hits[index]) {
		row->unchanged += !is_new;
		return;
	}
	*(is_new ? &row->added : &row->removed) += 1;
	size_t *count = &row->example_count[is_new];
	if (*count < EXAMPLES_MAX)
		row->examples[is_new][(*count)++] = (struct sight){
			arena_copy(&d->arena, m->msgid), excerpt(d, m, d->sides[is_new].hits[index])};
}

static void compare(struct diff *d, const struct message *m)
{
	for (int s = 0; s < 2; s++)
		collect(&d->sides[s]);
	for (int s = 0; s < 2; s++) {
		const struct side *side = &d->sides[s];
		const struct events *events = &pipeline_batch(side->pipeline)->events;
		size_t rule;
		for (size_t i = 0; i < events->count; i++) {
			const struct event *e = &events->items[i];
			if (e->type == EVENT_HIT && ruleset_find(side->book->set, e->pack, e->rule, &rule))
				count_row(d, m, side->row[rule], s == 1);
		}
	}
}

static void take_one(struct diff *d, struct record *record)
{
	struct reading readings[2];

	record->time_ms = d->last_time_ms;
	for (int s = 0; s < 2; s++) {
		struct side *side = &d->sides[s];
		pipeline_read(side->pipeline, side->book, record, &readings[s]);
		if (readings[s].result == DECODE_BATCH)
			return; /* the caller takes it apart */
		while (pipeline_apply(side->pipeline, side->shard, side->book, &readings[s]) ==
		       PIPELINE_MORE)
			; /* without a limit on what falls due there is never more */
	}
	if (readings[0].result == DECODE_DONE) {
		d->last_time_ms = readings[0].message.recv_ms;
		d->messages++;
		compare(d, &readings[0].message);
	} else {
		d->dead += readings[0].result != DECODE_NULL;
	}
	for (int s = 0; s < 2; s++)
		forget(&d->sides[s]);
}

static void take(struct diff *d, struct record *record)
{
	struct pipeline *splitter = d->sides[0].pipeline;
	struct reading reading;
	struct record *items;
	size_t count;

	record->time_ms = d->last_time_ms;
	pipeline_read(splitter, d->sides[0].book, record, &reading);
	if (reading.result != DECODE_BATCH) {
		take_one(d, record);
		return;
	}
	if (pipeline_split(splitter, record, &items, &count) != DECODE_DONE) {
		d->dead++;
		pipeline_clear(splitter);
		return;
	}
	/* The items live in the splitter until it is cleared, which take_one() does. */
	struct arena arena = {0};
	struct record *copies = ARENA_ARRAY(&arena, struct record, count + 1);
	for (size_t i = 0; i < count; i++) {
		char *bytes = arena_zalloc(&arena, items[i].value.len + RECORD_PADDING);
		memcpy(bytes, items[i].value.data, items[i].value.len);
		copies[i] = items[i];
		copies[i].value.data = bytes;
	}
	for (size_t i = 0; i < count; i++)
		take_one(d, &copies[i]);
	arena_fini(&arena);
}

static int take_file(struct diff *d, const char *path, struct err *err)
{
	OWNED(file_source) *source = NULL;
	struct record record;
	int got;

	if (file_source_open(&source, path, err) < 0)
		return -1;
	while ((got = file_source_fill(source, err)) > 0) {
		uint64_t done, size;
		while (file_source_next(source, &record))
			take(d, &record);
		file_source_progress(source, &done, &size);
		progress_show(&d->progress, path, done, size, d->messages);
	}
	return got;
}

/* ---- the table ---- */

static int by_name(const void *left, const void *right)
{
	const struct row *a = left, *b = right;

	return str_cmp(a->name, b->name);
}

static void make_rows(struct diff *d)
{
	struct names names = {0};
	uint32_t index;

	d->rows = ARENA_ARRAY(&d->arena, struct row,
			      d->sides[0].book->set->rule_count + d->sides[1].book->set->rule_count + 1);
	for (int s = 0; s < 2; s++) {
		const struct ruleset *set = d->sides[s].book->set;
		for (size_t i = 0; i < set->rule_count; i++) {
			struct str name = arena_printf(&d->arena, "%.*s/%.*s", STR_ARG(set->rules[i].pack),
						       STR_ARG(set->rules[i].id));
			if (!names_find(&names, name, &index)) {
				index = (uint32_t)d->row_count++;
				names_add(&names, &d->arena, name, index);
				d->rows[index].name = name;
			}
			d->rows[index].in[s] = true;
		}
	}
	if (d->row_count)
		qsort(d->rows, d->row_count, sizeof *d->rows, by_name);
	for (int s = 0; s < 2; s++) {
		struct side *side = &d->sides[s];
		const struct ruleset *set = side->book->set;
		side->row = ARENA_ARRAY(&d->arena, uint32_t, set->rule_count + 1);
		side->hits = ARENA_ARRAY(&d->arena, const struct event *, d->row_count + 1);
		for (size_t i = 0; i < set->rule_count; i++) {
			struct row key = {.name = arena_printf(&d->arena, "%.*s/%.*s",
							       STR_ARG(set->rules[i].pack),
							       STR_ARG(set->rules[i].id))};
			struct row *row = bsearch(&key, d->rows, d->row_count, sizeof key, by_name);
			side->row[i] = (uint32_t)(row - d->rows);
		}
	}
}

static void print_examples(const struct row *row, bool is_new)
{
	for (size_t i = 0; i < row->example_count[is_new]; i++)
		printf("  %c %.*s  %.*s\n", is_new ? '+' : '-', STR_ARG(row->examples[is_new][i].msgid),
		       STR_ARG(row->examples[is_new][i].text));
}

static void print_row(const struct row *row)
{
	const char *note = !row->in[0] ? " (new)" : !row->in[1] ? " (gone)" : "";

	printf("%.*s%s: %llu added, %llu removed, %llu unchanged\n", STR_ARG(row->name), note,
	       (unsigned long long)row->added, (unsigned long long)row->removed,
	       (unsigned long long)row->unchanged);
	print_examples(row, true);
	print_examples(row, false);
}

static void put_json_row(struct buf *out, const struct row *row)
{
	static const char *const names[] = {"removed_examples", "added_examples"};

	buf_put(out, STR("{\"rule\":"));
	buf_put_json(out, row->name);
	buf_printf(out, ",\"old\":%s,\"new\":%s,\"added\":%llu,\"removed\":%llu,\"unchanged\":%llu",
		   row->in[0] ? "true" : "false", row->in[1] ? "true" : "false",
		   (unsigned long long)row->added, (unsigned long long)row->removed,
		   (unsigned long long)row->unchanged);
	for (int s = 1; s >= 0; s--) {
		buf_printf(out, ",\"%s\":[", names[s]);
		for (size_t i = 0; i < row->example_count[s]; i++) {
			buf_put(out, i ? STR(",{\"msgid\":") : STR("{\"msgid\":"));
			buf_put_json(out, row->examples[s][i].msgid);
			buf_put(out, STR(",\"text\":"));
			buf_put_json(out, row->examples[s][i].text);
			buf_putc(out, '}');
		}
		buf_putc(out, ']');
	}
	buf_put(out, STR("}\n"));
}

/* Returns whether anything differs. */
static bool print(struct diff *d)
{
	struct buf out = {0};
	bool differs = false;

	for (size_t i = 0; i < d->row_count; i++) {
		const struct row *row = &d->rows[i];
		differs |= row->added || row->removed;
		if (d->options.json)
			put_json_row(&out, row);
		else
			print_row(row);
	}
	if (out.len)
		fwrite(out.data, 1, out.len, stdout); /* main sees to it that standard output was written */
	buf_fini(&out);
	fprintf(stderr, "%llu messages, %llu dead letters\n", (unsigned long long)d->messages,
		(unsigned long long)d->dead);
	return differs;
}

/* ---- the command ---- */

static int open_side(struct diff *d, struct side *side, const char *dir, struct err *err)
{
	struct pipeline_settings settings = {.decode = {.corpid = str_of(d->options.corp)},
					     .react = {.hits = true}};
	struct shard_settings memory = {.memory_ms = 7 * INT64_C(86400000)};

	if (rules_open(&side->book, dir, d->options.staff, NULL, err) < 0 ||
	    pipeline_new(&side->pipeline, &settings, err) < 0 ||
	    pipeline_fit(side->pipeline, side->book, err) < 0 ||
	    shard_new(&side->shard, 0, &memory, err) < 0)
		return -1;
	shard_begin(side->shard);
	return 0;
}

static int run(struct diff *d, const char *const *arguments, int count, struct err *err)
{
	for (int s = 0; s < 2; s++)
		if (open_side(d, &d->sides[s], arguments[s], err) < 0)
			return -1;
	make_rows(d);
	progress_start(&d->progress);
	for (int i = 2; i < count; i++)
		if (take_file(d, arguments[i], err) < 0)
			return -1;
	progress_end(&d->progress);
	return print(d) ? err_set(err, ERR_NO, "%s", "") : 0;
}

static int diff(const void *options, const char *const *arguments, int argument_count, struct err *err)
{
	struct diff d = {.options = *(const struct diff_options *)options, .last_time_ms = 1};
	int status = run(&d, arguments, argument_count, err);

	for (int s = 0; s < 2; s++) {
		pipeline_free(d.sides[s].pipeline);
		shard_free(d.sides[s].shard);
		rulebook_free(d.sides[s].book);
	}
	arena_fini(&d.arena);
	return status;
}

static const struct option options[] = {
	{"json", 0, OPTION_FLAG, NULL, "one JSON object a line instead of the table",
	 offsetof(struct diff_options, json)},
	{"corp", 0, OPTION_TEXT, "ID", "the corp of records that name none",
	 offsetof(struct diff_options, corp)},
	OPTION_STAFF(struct diff_options),
	OPTIONS_END,
};

const struct command cmd_rules_diff = {
	.words = "rules diff",
	.arguments = "OLD NEW FILE…",
	.summary = "what a change of rules adds and takes away on messages of the past",
	.help = "Judges the messages of FILE (NDJSON, plain or zstd; - for standard input) by the rules\n"
		"of both folders and counts, for each rule, the messages that it hits in addition, no\n"
		"longer, and as before, with the first three examples of each change. Long numbers in\n"
		"examples are masked. The same bytes on every run.\n"
		"\n"
		"examples:\n"
		"  chatmill rules diff rules rules.new last-week.jsonl.zst\n"
		"\n"
		"exit status: 0 no difference, 1 a difference, 65 bad rules or input, 66 no such file",
	.options = options,
	.options_bytes = sizeof(struct diff_options),
	.arguments_min = 3,
	.arguments_max = -1,
	.run = diff,
};
