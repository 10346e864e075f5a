/* steps.c - the five pure steps of a message one after the other, for callgrind to count. */
/* SPDX-License-Identifier: Apache-2.0 */

/*	steps RULES FILE COUNT
 *
 * Reads COUNT records of FILE and lets each step do all of them before the next one begins, each in a
 * function of its own, so that tests/instructions.py can tell whose instructions are whose. Prints
 * how many records, matches and events there were. */
#include "base/buf.h"
#include "consume/file.h"
#include "decode/decode.h"
#include "fold/fold.h"
#include "react/react.h"
#include "rulebook.h"
#include "send/encode.h"

struct steps {
	struct arena arena;
	struct rulebook *book;
	struct decoder *decoder;
	struct matcher *matcher;
	struct reactor *reactor;
	struct shard *shard;
	size_t count;
	struct record *records;
	struct message *messages;
	bool *whole; /* decoded */
	const struct folded *(*folded)[FORM_COUNT];
	struct matches *matches;
	struct events events;
	struct buf out, scratch;
};

static void die(const char *why)
{
	fprintf(stderr, "steps: %s\n", why);
	exit(70);
}

__attribute__((noipa)) static void step_decode(struct steps *s)
{
	for (size_t i = 0; i < s->count; i++)
		s->whole[i] = decode(s->decoder, s->book->set->directory, &s->records[i], &s->arena,
				     &s->messages[i]) == DECODE_DONE;
}

__attribute__((noipa)) static void step_fold(struct steps *s)
{
	unsigned forms = engine_forms(s->book->engine);

	for (size_t i = 0; i < s->count; i++) {
		const struct message *m = &s->messages[i];
		for (int form = 0; s->whole[i] && form < FORM_COUNT; form++) {
			if (!(forms & 1u << form) || !m->text_count)
				continue;
			struct folded *texts = arena_alloc(&s->arena, m->text_count * sizeof *texts);
			for (size_t k = 0; k < m->text_count; k++)
				texts[k] = fold((enum fold_form)form, m->texts[k].content, &s->arena);
			s->folded[i][form] = texts;
		}
	}
}

__attribute__((noipa)) static void step_match(struct steps *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->whole[i])
			s->matches[i] = matcher_scan(s->matcher, s->book->engine, &s->messages[i],
						     s->folded[i], NULL, 0, &s->arena);
}

__attribute__((noipa)) static void step_react(struct steps *s)
{
	shard_begin(s->shard);
	for (size_t i = 0; i < s->count; i++) {
		const struct message *m = &s->messages[i];
		if (!s->whole[i])
			continue;
		while (react_due(s->reactor, s->shard, s->book->set, m, SIZE_MAX, &s->arena,
				 &s->events) == REACT_MORE)
			;
		if (m->kind != MESSAGE_CLOCK && !react_seen(s->reactor, s->shard, m))
			react_message(s->reactor, s->shard, s->book->set, m, &s->matches[i],
				      &s->arena, &s->events);
	}
	size_t changes;
	(void)shard_changes(s->shard, &changes);
	shard_commit(s->shard);
}

__attribute__((noipa)) static void step_encode(struct steps *s)
{
	const struct encode_settings settings = {.source = STR("/chatmill/default")};
	struct kafka_header headers[ENCODE_HEADERS_MAX];

	for (size_t i = 0; i < s->events.count; i++) {
		buf_clear(&s->out);
		encode_data(&s->out, &s->events.items[i], &settings);
		(void)encode_headers(&s->scratch, &s->events.items[i], &settings, headers);
	}
}

/* Copies of the first records, each with the room around it that decode() wants. */
static void read_records(struct steps *s, const char *path, size_t most)
{
	struct file_source *file;
	struct record record;
	struct err err;

	if (file_source_open(&file, path, &err) < 0)
		die(err.text);
	s->records = ARENA_ARRAY(&s->arena, struct record, most);
	while (s->count < most && file_source_fill(file, &err) > 0)
		while (s->count < most && file_source_next(file, &record)) {
			char *room = arena_zalloc(&s->arena, 16 + record.value.len + RECORD_PADDING);
			memcpy(room + 16, record.value.data, record.value.len);
			record.value.data = room + 16;
			s->records[s->count++] = record;
		}
	file_source_free(file);
	if (s->count < most)
		die("the file has fewer records");
}

static void init(struct steps *s, const char *rules)
{
	struct decode_settings decode = {0};
	struct react_settings react = {0};
	struct shard_settings shard = {7 * DAY_MS, 400 * DAY_MS};
	struct findings findings = {0};
	struct ruleset *set;
	struct err err;

	if (ruleset_load(&set, rules, NULL, &findings, &err) < 0 ||
	    rulebook_new(&s->book, set, NULL, &findings, &err) < 0 ||
	    decoder_new(&s->decoder, &decode, &err) < 0 || matcher_new(&s->matcher, &err) < 0 ||
	    matcher_fit(s->matcher, s->book->engine, &err) < 0 ||
	    reactor_new(&s->reactor, &react, &err) < 0 || shard_new(&s->shard, 0, &shard, NULL, &err) < 0)
		die(err.text);
	findings_fini(&findings);
	s->messages = ARENA_ARRAY(&s->arena, struct message, s->count);
	s->whole = ARENA_ARRAY(&s->arena, bool, s->count);
	s->folded = arena_zalloc(&s->arena, s->count * sizeof *s->folded);
	s->matches = ARENA_ARRAY(&s->arena, struct matches, s->count);
	(void)buf_room(&s->out, 65536);
	(void)buf_room(&s->scratch, 4096);
}

int main(int argc, char **argv)
{
	struct steps s = {0};
	size_t matches = 0;

	if (argc != 4)
		die("usage: steps RULES FILE COUNT");
	read_records(&s, argv[2], strtoull(argv[3], NULL, 10));
	init(&s, argv[1]);
	step_decode(&s);
	step_fold(&s);
	step_match(&s);
	step_react(&s);
	step_encode(&s);
	for (size_t i = 0; i < s.count; i++)
		matches += s.matches[i].count;
	printf("{\"records\": %zu, \"matches\": %zu, \"events\": %zu}\n", s.count, matches,
	       s.events.count);
	shard_free(s.shard);
	reactor_free(s.reactor);
	matcher_free(s.matcher);
	decoder_free(s.decoder);
	rulebook_free(s.book);
	buf_fini(&s.out);
	buf_fini(&s.scratch);
	arena_fini(&s.arena);
	return 0;
}
