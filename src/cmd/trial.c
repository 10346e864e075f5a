/* trial.c - one pipeline, and a new state for each trial. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/trial.h"

struct trial {
	const struct rulebook *book;
	struct pipeline *pipeline;
	struct shard *shard;
	struct reading reading;
	struct record record;
	struct buf json;
	unsigned number; /* of samples since the beginning */
};

int trial_new(struct trial **out, const struct rulebook *book, struct err *err)
{
	OWNED(trial) *t = calloc(1, sizeof *t);
	struct pipeline_settings settings = {.react = {.hits = true}};

	if (!t)
		return err_set(err, ERR_OS, "trial: out of memory");
	t->book = book;
	if (pipeline_new(&t->pipeline, &settings, err) < 0 || pipeline_fit(t->pipeline, book, err) < 0)
		return -1;
	*out = TAKE(t);
	return 0;
}

void trial_free(struct trial *t)
{
	if (!t)
		return;
	pipeline_free(t->pipeline);
	shard_free(t->shard);
	buf_fini(&t->json);
	free(t);
}

int trial_begin(struct trial *t, struct err *err)
{
	struct shard_settings settings = {.memory_ms = 7 * DAY_MS};

	shard_free(TAKE(t->shard));
	pipeline_clear(t->pipeline);
	t->number = 0;
	if (shard_new(&t->shard, 0, &settings, NULL, err) < 0)
		return -1;
	shard_begin(t->shard);
	return 0;
}

static void apply(struct trial *t, const struct reading *reading)
{
	while (pipeline_apply(t->pipeline, t->shard, t->book, reading) == PIPELINE_MORE)
		; /* without a limit on what falls due there is never more */
}

void trial_next(struct trial *t, const struct reading *reading)
{
	shard_commit(t->shard);
	shard_begin(t->shard);
	pipeline_clear(t->pipeline);
	apply(t, reading);
}

static enum decode_result take_record(struct trial *t, struct str json)
{
	/* Copied with the room behind it that simdjson reads. */
	char *copy = arena_zalloc(pipeline_arena(t->pipeline), json.len + RECORD_PADDING);

	memcpy(copy, json.data, json.len);
	t->record = (struct record){.value = {copy, json.len}, .time_ms = SAMPLE_START_MS,
				    .time_inherited = true, .partition = -1};
	pipeline_read(t->pipeline, t->book, &t->record, &t->reading);
	apply(t, &t->reading);
	return t->reading.result;
}

enum decode_result trial_take(struct trial *t, const struct sample *sample, const struct rule *fit)
{
	buf_clear(&t->json);
	sample_record(sample, ++t->number, false, t->book->set, fit, &t->json);
	return take_record(t, buf_str(&t->json));
}

void trial_clock(struct trial *t, int64_t ms)
{
	buf_clear(&t->json);
	buf_printf(&t->json, "{\"corpid\":\"" SAMPLE_CORPID "\",\"clock\":%lld}", (long long)ms);
	enum decode_result result = take_record(t, buf_str(&t->json));
	assert(result == DECODE_DONE);
}

const struct events *trial_events(const struct trial *t)
{
	return &pipeline_batch(t->pipeline)->events;
}

int trial_example(struct trial *t, const struct rule *rule, const struct example *example,
		  bool *as_said, struct err *err)
{
	bool hit = false;

	if (trial_begin(t, err) < 0)
		return -1;
	if (trial_take(t, example->sample, rule) == DECODE_DONE) {
		const struct events *events = trial_events(t);
		for (size_t i = 0; i < events->count; i++)
			hit |= events->items[i].type == EVENT_HIT &&
			       str_eq(events->items[i].pack, rule->pack) &&
			       str_eq(events->items[i].rule, rule->id);
	}
	*as_said = hit == example->hit;
	return 0;
}
