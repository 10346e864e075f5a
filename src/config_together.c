/* config_together.c - values that are right by themselves and wrong together. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/stat.h>

#include "config_values.h"

struct looking {
	const struct config *config;
	struct findings *findings;
	struct arena *arena;
};

static void complain(struct looking *l, size_t row, const char *what)
{
	config_complain(l->config, l->findings, FINDING_ERROR, &l->config->given[row],
			arena_printf(l->arena, "%s: %s", config_key(row)->path, what).data);
}

/* ---- topics ---- */

/* The topic of a row, or NULL. */
static const char *topic_of(const struct config *c, size_t row)
{
	const struct key *key = config_key(row);
	const char *topic = NULL;

	if (key->type == KEY_TOPIC)
		topic = *(const char *const *)((const char *)c + key->offset);
	return key->offset == offsetof(struct config, state.topic) ? c->state_topic : topic;
}

/* Kafka makes metrics of topics' names, with a _ for each dot, and refuses a second topic whose metrics
 * would have the names of the first. */
static bool is_same_topic(const char *a, const char *b)
{
	while (*a && (*a == '.' ? '_' : *a) == (*b == '.' ? '_' : *b)) {
		a++;
		b++;
	}
	return *a == *b;
}

/* What is written to the archive is read again: a dead letter dies again without end. */
static void look_at_pair(struct looking *l, size_t first, size_t second)
{
	const struct config *c = l->config;
	const char *a = topic_of(c, first), *b = topic_of(c, second);

	if (!a || !b || !is_same_topic(a, b))
		return;
	bool archive = a == c->input.topic || b == c->input.topic;
	size_t at = c->given[second].origin != ORIGIN_DEFAULT ? second : first;
	complain(l, at,
		 arena_printf(l->arena, "is the topic of %s%s%s; give it one of its own",
			      config_key(at == first ? second : first)->path,
			      strcmp(a, b) ? " too (Kafka takes . and _ for the same)" : " too",
			      archive ? ", and what is written there would be read again without end" : "")
			 .data);
}

static void look_at_topics(struct looking *l)
{
	for (size_t second = 0; config_key(second); second++)
		for (size_t first = 0; first < second; first++)
			look_at_pair(l, first, second);
}

/* ---- others ---- */

static void look_at_consent(struct looking *l)
{
	static const char *const words[] = {CONSENT_NAMES(AS_NAME)};
	const struct config *c = l->config;

	for (size_t i = 0; i < c->consent.count; i++) {
		const struct property *p = &c->consent.items[i];
		size_t word = 0;
		while (word < ARRAY_LEN(words) && strcmp(p->value, words[word]) != 0)
			word++;
		if (word == ARRAY_LEN(words))
			config_complain(c, l->findings, FINDING_ERROR, &p->given,
					"consent: must be ignore, alert_only or drop");
		/* Whose consent is `drop` must not be stored, and only `run` knows who disagreed. */
		else if (c->sink.archive && !strcmp(p->value, "drop"))
			config_complain(c, l->findings, FINDING_ERROR, &p->given,
					arena_printf(l->arena,
						     "consent.%s: cannot be drop while sink.archive is true: "
						     "the sink does not know who disagreed and would store "
						     "their messages",
						     p->name)
						.data);
	}
}

static size_t row_at(size_t offset)
{
	size_t row = 0;

	while (config_key(row)->offset != offset)
		row++;
	return row;
}

/* Whoever is forgotten is forgotten with all messages that are remembered under them: a second copy would
 * be judged again, and a recall would find nothing. */
static void look_at_state(struct looking *l)
{
	const struct config *c = l->config;

	if (c->state.idle_days * DAY_MS < c->state.memory_ms)
		complain(l, row_at(offsetof(struct config, state.idle_days)),
			 "is shorter than state.memory, so that messages would be forgotten early, with who "
			 "wrote them; write at least as many days as state.memory has, or a shorter "
			 "state.memory");
}

/* A file that is there and may not be read is the trouble of who opens it. */
static void look_at_staff(struct looking *l)
{
	const char *path = l->config->staff;
	struct stat st;

	if (!path || stat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR))
		return;
	complain(l, row_at(offsetof(struct config, staff)),
		 arena_printf(l->arena,
			      "there is no file %s; a path is relative to the folder of the configuration",
			      config_shown(l->config, &l->config->staff))
			 .data);
}

void config_look_together(const struct config *c, struct findings *findings)
{
	struct arena arena = {0};
	struct looking l = {c, findings, &arena};

	look_at_topics(&l);
	look_at_consent(&l);
	look_at_state(&l);
	look_at_staff(&l);
	arena_fini(&arena);
}
