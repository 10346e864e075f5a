/* pipeline.c - the story of a message, from record to events. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include "base/hash.h"
#include "fold/fold.h"

struct pipeline {
	struct pipeline_settings settings;
	struct decoder *decoder;
	struct matcher *matcher;
	struct reactor *reactor;
	struct ruleset no_rules; /* judges before the first rules record */

	struct arena arena; /* of the batch */
	struct pipeline_batch batch;
	struct pipeline_counts counts;

	struct reading reading; /* of pipeline_take() */
	struct pipeline_last last;
	struct matches matches; /* what last.matches points to */
	uint64_t taken;
	bool again; /* the record is counted already: PIPELINE_MORE was answered, or pipeline_set_again() */
};

int pipeline_new(struct pipeline **out, const struct pipeline_settings *settings, struct err *err)
{
	OWNED(pipeline) *p = calloc(1, sizeof *p);
	if (!p)
		return err_set(err, ERR_OS, "pipeline: out of memory");
	p->settings = *settings;
	if (!p->settings.due_events_max)
		p->settings.due_events_max = SIZE_MAX;
	p->no_rules.directory = directory_empty();
	if (decoder_new(&p->decoder, &settings->decode, err) < 0 ||
	    matcher_new(&p->matcher, err) < 0 ||
	    reactor_new(&p->reactor, &settings->react, err) < 0)
		return -1;
	*out = TAKE(p);
	return 0;
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	decoder_free(p->decoder);
	matcher_free(p->matcher);
	reactor_free(p->reactor);
	arena_fini(&p->arena);
	free(p);
}

int pipeline_fit(struct pipeline *p, const struct rulebook *book, struct err *err)
{
	return matcher_fit(p->matcher, book->engine, err);
}

void pipeline_clear(struct pipeline *p)
{
	arena_reset(&p->arena);
	p->last = (struct pipeline_last){.read_us = -1, .react_us = -1};
	p->batch = (struct pipeline_batch){0};
}

/* Sets a record aside. The list grows inside the arena, so that a warm batch allocates nothing. */
static void bury(struct pipeline *p, const struct record *record, enum decode_result reason)
{
	struct pipeline_batch *batch = &p->batch;

	if (batch->dead_count == batch->dead_cap) {
		size_t cap = MAX(batch->dead_cap * 2, (size_t)16);
		struct dead *dead = ARENA_ARRAY(&p->arena, struct dead, cap);
		if (batch->dead_count)
			memcpy(dead, batch->dead, batch->dead_count * sizeof *dead);
		batch->dead = dead;
		batch->dead_cap = cap;
	}
	batch->dead[batch->dead_count++] = (struct dead){*record, reason};
	p->counts.records++;
	p->counts.dead[reason]++;
}

static void count_message(struct pipeline_counts *counts, const struct message *m)
{
	counts->records++;
	counts->messages += m->kind != MESSAGE_CLOCK && m->kind != MESSAGE_CONTROL &&
			    m->kind != MESSAGE_RULES;
	counts->clocks += m->kind == MESSAGE_CLOCK;
	counts->controls += m->kind == MESSAGE_CONTROL;
	counts->rule_records += m->kind == MESSAGE_RULES;
	counts->no_time += (m->notes & NOTE_NO_TIME) != 0;
	counts->surrogates += (m->notes & NOTE_SURROGATE) != 0;
	counts->unknown_types += (m->notes & NOTE_UNKNOWN_TYPE) != 0;
	counts->cut_lists += (m->notes & NOTE_CUT_LIST) != 0;
}

static struct str key_of(struct arena *arena, const struct message *m)
{
	if (!m->subject.len)
		return (struct str){0};
	size_t len = m->corpid.len + 1 + m->subject.len;
	char *key = arena_alloc(arena, len);
	memcpy(key, m->corpid.data, m->corpid.len);
	key[m->corpid.len] = '/';
	memcpy(key + m->corpid.len + 1, m->subject.data, m->subject.len);
	return (struct str){key, len};
}

/* Every text of the message in every form that the rules look at. */
static struct matches search(struct pipeline *p, const struct rulebook *book,
			     const struct message *m, const struct near_part *open,
			     size_t open_count)
{
	const struct folded *folded[FORM_COUNT] = {0};
	unsigned forms = engine_forms(book->engine);

	for (int form = 0; form < FORM_COUNT; form++) {
		if (!(forms & 1u << form) || !m->text_count)
			continue;
		struct folded *texts =
			arena_alloc(&p->arena, m->text_count * sizeof(struct folded));
		for (size_t i = 0; i < m->text_count; i++)
			texts[i] = fold((enum fold_form)form, m->texts[i].content, &p->arena);
		folded[form] = texts;
	}
	return matcher_scan(p->matcher, book->engine, m, folded, open, open_count, &p->arena);
}

static bool is_searched(const struct message *m)
{
	return m->kind == MESSAGE_CHAT || m->kind == MESSAGE_RECALL || m->kind == MESSAGE_AGREE ||
	       m->kind == MESSAGE_DISAGREE;
}

void pipeline_read(struct pipeline *p, const struct rulebook *book, const struct record *record,
		   struct reading *out)
{
	const struct ruleset *set = book ? book->set : &p->no_rules;

	/* Not the message, which is large: decode() writes all of it. */
	out->record = record;
	out->key = (struct str){0};
	out->matches = (struct matches){0};
	out->searched = false;
	out->result = decode(p->decoder, set->directory, record, &p->arena, &out->message);
	if (out->result != DECODE_DONE)
		return;
	out->key = key_of(&p->arena, &out->message);
	if (p->settings.check_routes && out->key.len &&
	    hash_partition(out->key, p->settings.partitions) != record->partition) {
		out->result = DECODE_MISROUTED;
		return;
	}
	out->searched = !book || !is_searched(&out->message);
	if (!out->searched && !book->near_over_messages) {
		out->matches = search(p, book, &out->message, NULL, 0);
		out->searched = true;
	}
}

bool pipeline_is_again(const struct pipeline *p)
{
	return p->again;
}

void pipeline_set_again(struct pipeline *p, bool again)
{
	p->again = again;
}

enum pipeline_step pipeline_apply(struct pipeline *p, struct shard *shard,
				  const struct rulebook *book, const struct reading *reading)
{
	const struct ruleset *set = book ? book->set : &p->no_rules;
	const struct message *m = &reading->message;
	struct events *events = &p->batch.events;
	struct matches matches = reading->matches;

	if (reading->result == DECODE_NULL) {
		p->counts.records++;
		p->counts.nulls++;
		return PIPELINE_DONE;
	}
	if (reading->result != DECODE_DONE) {
		bury(p, reading->record, reading->result);
		return PIPELINE_DONE;
	}
	if (!p->again)
		count_message(&p->counts, m);
	p->again = false;
	if (m->kind == MESSAGE_RULES)
		return PIPELINE_SWITCH;
	size_t room = p->settings.due_events_max - MIN(p->settings.due_events_max, events->count);
	if (react_due(p->reactor, shard, set, m, room, &p->arena, events) == REACT_MORE) {
		p->again = true;
		return PIPELINE_MORE;
	}
	if (m->kind == MESSAGE_CLOCK || react_seen(p->reactor, shard, m))
		return PIPELINE_DONE;
	if (!reading->searched) {
		size_t count;
		const struct near_part *open =
			react_open(p->reactor, shard, set, m, &p->arena, &count);
		matches = search(p, book, m, open, count);
	}
	p->matches = matches;
	p->last.matches = &p->matches;
	react_message(p->reactor, shard, set, m, &matches, &p->arena, events);
	return PIPELINE_DONE;
}

enum pipeline_step pipeline_take(struct pipeline *p, struct shard *shard,
				 const struct rulebook *book, const struct record *record)
{
	bool sampled = p->settings.now_us && p->taken++ % PIPELINE_SAMPLE == 0;
	int64_t start_us = sampled ? p->settings.now_us() : 0;

	p->last = (struct pipeline_last){.read_us = -1, .react_us = -1};
	pipeline_read(p, book, record, &p->reading);
	if (p->reading.result == DECODE_DONE)
		p->last.message = &p->reading.message;
	int64_t read_us = sampled ? p->settings.now_us() : 0;
	enum pipeline_step step = pipeline_apply(p, shard, book, &p->reading);
	if (sampled) {
		p->last.read_us = read_us - start_us;
		p->last.react_us = p->settings.now_us() - read_us;
	}
	return step;
}

enum decode_result pipeline_split(struct pipeline *p, const struct record *batch,
				  struct record **out, size_t *count)
{
	*count = 0;
	return decode_split(p->decoder, batch, &p->arena, out, count);
}

struct str pipeline_digest(const struct pipeline *p)
{
	return p->reading.message.ruleset;
}

const struct pipeline_batch *pipeline_batch(const struct pipeline *p)
{
	return &p->batch;
}

struct pipeline_last pipeline_last(const struct pipeline *p)
{
	return p->last;
}

struct pipeline_counts pipeline_counts(const struct pipeline *p)
{
	return p->counts;
}

struct react_counts pipeline_react_counts(const struct pipeline *p)
{
	return react_counts(p->reactor);
}

struct arena *pipeline_arena(struct pipeline *p)
{
	return &p->arena;
}
