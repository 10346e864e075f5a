/* verify_places.c - which topics there are, and where each of them begins and ends. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/verify_parts.h"

#include "state/codec.h"
#include "state/shard.h"
#include "verify/stretch.h"

enum { ASK_MS = 30000 };

/* ---- what is there ---- */

static int32_t common_divisor(int32_t a, int32_t b)
{
	return b ? common_divisor(b, a % b) : a;
}

int verify_find_topics(struct verify *v, struct err *err)
{
	const struct config *c = v->config;
	const struct topic known[] = {
		{.name = c->output.tags, .type = EVENT_TAG},
		{.name = c->output.stages, .type = EVENT_STAGE},
		{.name = c->output.alerts, .type = EVENT_ALERT},
		{.name = c->output.hits, .type = EVENT_HIT},
	};
	int32_t state;

	if (consumer_need_topic(v->archive, c->input.topic, ASK_MS, &v->partitions, err) < 0 ||
	    consumer_need_topic(v->archive, c->state_topic, ASK_MS, &state, err) < 0)
		return -1;
	if (state != v->partitions)
		return err_set(err, ERR_CONFIG, "%s has %d partitions and %s %d: they do not belong "
			       "together", c->input.topic, v->partitions, c->state_topic, state);
	v->inlets = calloc((size_t)v->partitions, sizeof *v->inlets);
	if (!v->inlets)
		return err_set(err, ERR_OS, "out of memory");
	v->classes = v->partitions;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		struct topic *t = &v->topics[v->topic_count];
		if (!known[i].name)
			continue;
		*t = known[i];
		if (consumer_need_topic(v->archive, t->name, ASK_MS, &t->partitions, err) < 0)
			return -1;
		v->classes = common_divisor(v->classes, t->partitions);
		t->outlets = calloc((size_t)t->partitions, sizeof *t->outlets);
		v->topic_count++;
		if (!t->outlets)
			return err_set(err, ERR_OS, "out of memory");
	}
	return 0;
}

/* ---- the places ---- */

static struct stretch_settings stretch_of(const struct verify *v, const char *topic)
{
	return (struct stretch_settings){.kafka = &v->settings->brokers->settings,
				      .group = v->config->pipeline,
				      .topic = topic};
}

/* The marker of a partition; everything else of the state is passed over. */
static void take_mark(void *context, const struct consumed *got)
{
	struct verify *v = context;
	const struct record *r = &got->record;
	struct str body;
	uint64_t next;

	if (str_eq(r->key, shard_import_note))
		v->imported |= r->value.data != NULL; /* under way or done */
	if (str_eq(r->key, STR("\0pos")) && r->value.data &&
	    codec_open(r->key, r->value, &body) == CODEC_DONE && codec_get_number(&body, &next))
		v->inlets[r->partition].mark_after = (int64_t)next;
}

static int read_marks(struct verify *v, struct stretch *stretches, struct err *err)
{
	struct stretch_settings settings = stretch_of(v, v->config->state_topic);

	settings.take = take_mark;
	settings.context = v;
	return stretch_read(&settings, stretches, (size_t)v->partitions, err);
}

/* Where the partitions of an event topic begin, and where they end now. */
static int note_outlets(struct verify *v, const char *name, struct outlet *outlets, int32_t count,
			struct err *err)
{
	OWNED_MEM struct stretch *stretches = calloc((size_t)count, sizeof(struct stretch));
	struct stretch_settings settings = stretch_of(v, name);

	if (!stretches)
		return err_set(err, ERR_OS, "out of memory");
	for (int32_t i = 0; i < count; i++) {
		stretches[i].partition = i;
		if (consumer_query_offsets(v->events, name, i, ASK_MS, &outlets[i].low, &stretches[i].at,
					   err) < 0)
			return -1;
	}
	if (stretch_read(&settings, stretches, (size_t)count, err) < 0)
		return -1;
	for (int32_t i = 0; i < count; i++)
		outlets[i].stop = stretches[i].high;
	return 0;
}

static int note_inlets(struct verify *v, struct err *err)
{
	const char *topic = v->config->input.topic;

	for (int32_t i = 0; i < v->partitions; i++) {
		struct inlet *in = &v->inlets[i];
		if (consumer_query_offsets(v->archive, topic, i, ASK_MS, &in->low, &in->end, err) < 0)
			return -1;
		if (in->low > 0 && !v->settings->no_past)
			return err_set(err, ERR_DATA,
				       "partition %d of %s begins at offset %lld: what was before is "
				       "gone, and nothing can be proved without it; --no-past if `run` "
				       "began there too",
				       i, topic, (long long)in->low);
		in->at = in->low;
		in->in_first = INT64_MAX;
		in->in_last = -1;
		v->all += (uint64_t)(in->end - in->low);
	}
	return 0;
}

static void add_letter(void *context, const struct consumed *got)
{
	struct verify *v = context;

	letters_add(v->letters, got);
}

static int read_letters(struct verify *v, struct err *err)
{
	struct stretch_settings settings = stretch_of(v, v->config->output.deadletter);
	int32_t count;

	if (consumer_need_topic(v->archive, settings.topic, ASK_MS, &count, err) < 0)
		return -1;
	OWNED_MEM struct stretch *stretches = calloc((size_t)count, sizeof(struct stretch));
	if (!stretches)
		return err_set(err, ERR_OS, "out of memory");
	for (int32_t i = 0; i < count; i++) {
		int64_t low, high;
		if (consumer_query_offsets(v->events, settings.topic, i, ASK_MS, &low, &high, err) <
		    0)
			return -1;
		v->letters_begin_late |= low > 0;
		stretches[i] = (struct stretch){.partition = i, .at = CONSUMER_BEGINNING};
	}
	settings.take = add_letter;
	settings.context = v;
	return stretch_read(&settings, stretches, (size_t)count, err);
}

/* How far the sink was, which cannot be further than the topics go. */
static void note_sunk(struct verify *v)
{
	struct discrepancy d = {.kind = DISCREPANCY_ROW_UNEXPECTED,
				.source_partition = -1,
				.source_offset = -1,
				.table = "sink_offset",
				.reason = "the position is behind the end of the topic"};

	for (size_t t = 0; v->settings->audit && t < v->topic_count; t++)
		for (int32_t o = 0; o < v->topics[t].partitions; o++) {
			struct outlet *out = &v->topics[t].outlets[o];
			out->sunk = audit_next_offset(v->settings->audit, v->topics[t].name, o);
			d.topic = v->topics[t].name;
			d.partition = o;
			d.offset = out->sunk;
			if (out->sunk > out->stop)
				v->settings->report(v->settings->context, &d);
		}
}

/* The order is explained in verify.h. */
int verify_note_places(struct verify *v, struct err *err)
{
	OWNED_MEM struct stretch *stretches = calloc((size_t)v->partitions, sizeof(struct stretch));

	if (!stretches)
		return err_set(err, ERR_OS, "out of memory");
	for (int32_t i = 0; i < v->partitions; i++)
		stretches[i] = (struct stretch){.partition = i, .at = CONSUMER_BEGINNING};
	if (read_marks(v, stretches, err) < 0)
		return -1;
	if (v->imported)
		return err_set(err, ERR_DATA,
			       "the state in %s came from `state import`: what was before it is not in this "
			       "archive, and nothing can be proved without it",
			       v->config->state_topic);
	for (int32_t i = 0; i < v->partitions; i++)
		v->inlets[i].mark_before = v->inlets[i].mark_after;
	if (v->settings->audit && audit_begin(v->settings->audit, err) < 0)
		return -1;
	for (size_t t = 0; t < v->topic_count; t++)
		if (note_outlets(v, v->topics[t].name, v->topics[t].outlets, v->topics[t].partitions,
				 err) < 0)
			return -1;
	note_sunk(v);
	if (read_letters(v, err) < 0 || note_inlets(v, err) < 0)
		return -1;
	return read_marks(v, stretches, err);
}
