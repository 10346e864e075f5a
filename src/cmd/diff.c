/* diff.c - reads each record twice and counts by rule what only one side hit. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/diff.h"

#include "base/buf.h"
#include "cmd/cmd.h"
#include "cmd/plain.h"
#include "rules/name_table.h"

enum { EXAMPLES_MAX = 3, CONTEXT_CHARS = 20 };

/* One of the two rule sets, judging. */
struct side {
	struct rulebook *book;
	struct pipeline *pipeline;
	struct shard **shards;	   /* by partition */
	struct shard *shard;	   /* of the message at hand */
	uint32_t *row;		   /* of each rule: its row in the table */
	const struct event **hits; /* by row: its hit on the message at hand, or NULL */
};

struct sight {
	struct str msgid, text; /* the hit with what stands around it, marked and masked */
	int32_t partition;
	int64_t offset;
};

/* A rule of either set, by the names of pack and rule. */
struct row {
	struct str name;
	bool in[2];
	uint64_t added, removed, unchanged;
	/* Removed, added: the first by partition and offset, however the partitions came mixed. */
	struct sight examples[2][EXAMPLES_MAX];
	size_t example_count[2];
};

struct diff {
	struct side sides[2]; /* OLD and NEW */
	int32_t partitions;
	struct row *rows;
	size_t row_count;
	struct arena arena;
	uint64_t messages, dead;
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
		plain_text(&out, text, from, first->start);
		buf_put(&out, STR("«"));
		plain_text(&out, text, first->start, first->end);
		buf_put(&out, STR("»"));
		plain_text(&out, text, first->end, to);
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

static bool stands_before(const struct record *record, const struct sight *sight)
{
	return record->partition < sight->partition ||
	       (record->partition == sight->partition && record->offset < sight->offset);
}

static void keep_example(struct diff *d, const struct reading *reading, size_t index, bool is_new)
{
	struct sight *sights = d->rows[index].examples[is_new];
	size_t *count = &d->rows[index].example_count[is_new], at = *count;

	while (at && stands_before(reading->record, &sights[at - 1]))
		at--;
	if (at == EXAMPLES_MAX)
		return;
	*count = MIN(*count + 1, (size_t)EXAMPLES_MAX);
	memmove(&sights[at + 1], &sights[at], (*count - 1 - at) * sizeof *sights);
	sights[at] = (struct sight){
		.msgid = arena_copy(&d->arena, reading->message.msgid),
		.text = excerpt(d, &reading->message, d->sides[is_new].hits[index]),
		.partition = reading->record->partition,
		.offset = reading->record->offset,
	};
}

/* Rows that either side hit, each counted once: by OLD, and by NEW where OLD did not. */
static void count_row(struct diff *d, const struct reading *reading, size_t index, bool is_new)
{
	struct row *row = &d->rows[index];

	if (d->sides[!is_new].hits[index]) {
		row->unchanged += !is_new;
		return;
	}
	*(is_new ? &row->added : &row->removed) += 1;
	keep_example(d, reading, index, is_new);
}

static void compare(struct diff *d, const struct reading *reading)
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
				count_row(d, reading, side->row[rule], s == 1);
		}
	}
}

static void apply(struct side *side, int32_t partition, const struct reading *reading)
{
	side->shard = side->shards[partition];
	while (pipeline_apply(side->pipeline, side->shard, side->book, reading) == PIPELINE_MORE)
		; /* without a limit on what falls due there is never more */
}

void diff_take(struct diff *d, const struct reading *reading)
{
	int32_t partition = MAX(reading->record->partition, 0);
	struct reading other;

	assert(partition < d->partitions);
	pipeline_read(d->sides[1].pipeline, d->sides[1].book, reading->record, &other);
	apply(&d->sides[0], partition, reading);
	apply(&d->sides[1], partition, &other);
	if (reading->result == DECODE_DONE) {
		enum message_kind kind = reading->message.kind;
		d->messages += kind != MESSAGE_CLOCK && kind != MESSAGE_CONTROL && kind != MESSAGE_RULES;
		compare(d, reading);
	} else {
		d->dead += reading->result != DECODE_NULL;
	}
	for (int s = 0; s < 2; s++)
		forget(&d->sides[s]);
}

/* ---- the table ---- */

static int by_name(const void *left, const void *right)
{
	const struct row *a = left, *b = right;

	return str_cmp(a->name, b->name);
}

static void make_rows(struct diff *d)
{
	struct name_table names = {0};
	uint32_t index;

	d->rows = ARENA_ARRAY(&d->arena, struct row,
			      d->sides[0].book->set->rule_count + d->sides[1].book->set->rule_count + 1);
	for (int s = 0; s < 2; s++) {
		const struct ruleset *set = d->sides[s].book->set;
		for (size_t i = 0; i < set->rule_count; i++) {
			struct str name = arena_printf(&d->arena, "%.*s/%.*s", STR_ARG(set->rules[i].pack),
						       STR_ARG(set->rules[i].id));
			if (!name_table_find(&names, name, &index)) {
				index = (uint32_t)d->row_count++;
				name_table_add(&names, &d->arena, name, index);
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

bool diff_print(struct diff *d, bool json)
{
	struct buf out = {0};
	bool differs = false;

	for (size_t i = 0; i < d->row_count; i++) {
		const struct row *row = &d->rows[i];
		differs |= row->added || row->removed;
		if (json)
			put_json_row(&out, row);
		else
			print_row(row);
	}
	output_put(buf_str(&out));
	buf_fini(&out);
	fprintf(stderr, "%llu messages, %llu dead letters\n", (unsigned long long)d->messages,
		(unsigned long long)d->dead);
	return differs;
}

/* ---- making it ---- */

static int open_side(struct diff *d, struct side *side, struct rulebook *book,
		     const struct pipeline_settings *settings, struct err *err)
{
	struct shard_settings memory = {.memory_ms = 7 * DAY_MS};

	side->book = rulebook_ref(book);
	side->shards = calloc((size_t)d->partitions, sizeof(struct shard *));
	if (!side->shards)
		return err_set(err, ERR_OS, "out of memory");
	if (pipeline_new(&side->pipeline, settings, err) < 0 ||
	    pipeline_fit(side->pipeline, side->book, err) < 0)
		return -1;
	for (int32_t i = 0; i < d->partitions; i++) {
		if (shard_new(&side->shards[i], i, &memory, NULL, err) < 0)
			return -1;
		shard_begin(side->shards[i]);
	}
	return 0;
}

int diff_new(struct diff **out, struct rulebook *before, struct rulebook *after, int32_t partitions,
	     const struct pipeline_settings *settings, struct err *err)
{
	OWNED(diff) *d = calloc(1, sizeof *d);
	struct rulebook *books[] = {before, after};

	assert(settings->react.hits && !settings->due_events_max);
	if (!d)
		return err_set(err, ERR_OS, "out of memory");
	d->partitions = partitions;
	for (int s = 0; s < 2; s++)
		if (open_side(d, &d->sides[s], books[s], settings, err) < 0)
			return -1;
	make_rows(d);
	*out = TAKE(d);
	return 0;
}

void diff_free(struct diff *d)
{
	if (!d)
		return;
	for (int s = 0; s < 2; s++) {
		pipeline_free(d->sides[s].pipeline);
		for (int32_t i = 0; d->sides[s].shards && i < d->partitions; i++)
			shard_free(d->sides[s].shards[i]);
		free(d->sides[s].shards);
		rulebook_free(d->sides[s].book);
	}
	arena_fini(&d->arena);
	free(d);
}
