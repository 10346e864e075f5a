/* topics.c - `chatmill topics plan|apply`: what topics should exist, and making them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "brokers.h"
#include "cmd/commands.h"
#include "kafka/admin.h"

enum { TOPICS_MAX = 8 };

struct topics_options {
	const char *file;
	bool insecure;
};

/* Settings of topics, with their reasons. Times in ms. */
#define FOREVER "-1"
#define DAYS_30 "2592000000" /* personal data outside the archive: at most 30 days */
#define DAYS_7 "604800000"
#define HOUR_1 "3600000"
#define LARGE "10485760" /* a dead letter holds its record, and seven headers more */

/* The archive is the one log that every replay reads: its owner decides how long it is kept. */
static const struct topic_config archive[] = {
	{"cleanup.policy", "delete"}, {"retention.ms", FOREVER}, {"max.message.bytes", LARGE}};
static const struct topic_config events[] = {
	{"cleanup.policy", "delete"}, {"retention.ms", DAYS_30}, {"max.message.bytes", LARGE}};
/* Every set that ever judged stays. */
static const struct topic_config rulesets[] = {
	{"cleanup.policy", "compact"}, {"max.message.bytes", LARGE}};
/* Erased customers are gone from disk within a week; a restore that takes up to 7 days still sees
 * every tombstone. */
static const struct topic_config state[] = {
	{"cleanup.policy", "compact"},	  {"min.compaction.lag.ms", HOUR_1},
	{"max.compaction.lag.ms", DAYS_7}, {"delete.retention.ms", DAYS_7},
	{"max.message.bytes", LARGE}};

static void add(struct topic_spec *specs, size_t *count, const char *name, int64_t partitions,
		int64_t replication, const struct topic_config *configs, size_t config_count)
{
	if (!name)
		return;
	struct topic_spec *spec = &specs[(*count)++];
	*spec = (struct topic_spec){.name = name,
				    .partitions = (int32_t)partitions,
				    .replication = (int16_t)replication,
				    .config_count = config_count};
	memcpy(spec->configs, configs, config_count * sizeof *configs);
}

static size_t plan(const struct config *c, struct topic_spec *specs)
{
	int64_t n = c->input.partitions, r = c->input.replication;
	size_t count = 0;

	add(specs, &count, c->input.topic, n, r, archive, ARRAY_LEN(archive));
	add(specs, &count, c->output.tags, n, r, events, ARRAY_LEN(events));
	add(specs, &count, c->output.stages, n, r, events, ARRAY_LEN(events));
	add(specs, &count, c->output.alerts, n, r, events, ARRAY_LEN(events));
	add(specs, &count, c->output.hits, n, r, events, ARRAY_LEN(events));
	add(specs, &count, c->output.deadletter, n, r, events, ARRAY_LEN(events));
	add(specs, &count, c->output.rulesets, 1, r, rulesets, ARRAY_LEN(rulesets));
	add(specs, &count, c->state_topic, n, r, state, ARRAY_LEN(state));
	return count;
}

/* Whether the partitions of a topic must be those of the archive. */
static bool is_keyed(const struct config *c, const struct topic_spec *spec)
{
	return spec->name == c->input.topic || spec->name == c->state_topic;
}

/* What there is to do about a topic; prints one line for each. 1: a difference that apply mends,
 * 2: one that it cannot, 0: none. */
static int compare(const struct config *c, const struct topic_spec *spec,
		   const struct topic_facts *facts)
{
	int found = 0;

	if (facts->partitions == 0) {
		printf("create\t%s\tpartitions=%d replication=%d", spec->name, spec->partitions,
		       spec->replication);
		for (size_t i = 0; i < spec->config_count; i++)
			printf(" %s=%s", spec->configs[i].name, spec->configs[i].value);
		printf("\n");
		return 1;
	}
	if (facts->partitions != spec->partitions && is_keyed(c, spec)) {
		printf("conflict\t%s\tpartitions=%d, not %d: they cannot be changed under a "
		       "running pipeline\n",
		       spec->name, facts->partitions, spec->partitions);
		found = 2;
	}
	for (size_t i = 0; i < spec->config_count; i++) {
		if (!strcmp(facts->values[i], spec->configs[i].value))
			continue;
		printf("alter\t%s\t%s=%s, was %s\n", spec->name, spec->configs[i].name,
		       spec->configs[i].value, facts->values[i][0] ? facts->values[i] : "unset");
		found = MAX(found, 1);
	}
	if (!found)
		printf("ok\t%s\tpartitions=%d\n", spec->name, facts->partitions);
	return found;
}

static int mend(struct admin *a, const struct topic_spec *spec, const struct topic_facts *facts,
		struct err *err)
{
	if (facts->partitions)
		return admin_configure(a, spec, err);
	if (admin_create(a, spec, err) < 0)
		return -1;
	return admin_wait(a, spec->name, err);
}

static int go(const struct topics_options *o, bool apply, struct err *err)
{
	OWNED(config) *config = NULL;
	OWNED(brokers) *brokers = NULL;
	OWNED(admin) *admin = NULL;
	struct topic_spec specs[TOPICS_MAX];
	int worst = 0;

	if (config_open(&config, o->file, err) < 0 ||
	    brokers_new(&brokers, config, o->insecure, err) < 0 ||
	    admin_new(&admin, &brokers->settings, err) < 0)
		return -1;
	size_t count = plan(config, specs);
	for (size_t i = 0; i < count; i++) {
		struct topic_facts facts;
		if (admin_facts(admin, &specs[i], &facts, err) < 0)
			return -1;
		int found = compare(config, &specs[i], &facts);
		worst = MAX(worst, found);
		if (apply && found == 1 && mend(admin, &specs[i], &facts, err) < 0)
			return -1;
	}
	if (worst == 2)
		return err_set(err, ERR_CONFIG,
			       "partition counts differ from input.partitions; write there what is, "
			       "or carry the state over with `chatmill state export` and `import`");
	if (worst == 1 && !apply)
		return err_set(err, ERR_NO, "%s", "");
	return 0;
}

static int run_plan(const void *given, const char *const *arguments, int count, struct err *err)
{
	(void)arguments;
	(void)count;
	return go(given, false, err);
}

static int run_apply(const void *given, const char *const *arguments, int count, struct err *err)
{
	(void)arguments;
	(void)count;
	return go(given, true, err);
}

static const struct option options[] = {
	OPTION_CONFIG(struct topics_options),
	OPTION_INSECURE(struct topics_options),
	OPTIONS_END,
};

#define LINES                                                                                      \
	"One line for each topic: what (ok, create, alter, conflict), its name, and how, with tabs\n" \
	"between. Partitions and replication are input.partitions and input.replication; the\n"      \
	"state has as many partitions as the archive, the rule sets one.\n"

const struct command cmd_topics_plan = {
	.words = "topics plan",
	.arguments = "-c FILE",
	.summary = "what topics should exist, and how they differ",
	.help = LINES
	"\n"
	"example:\n"
	"  chatmill topics plan -c chatmill.yaml\n"
	"\n"
	"exit status: 0 all as they should be, 1 `topics apply` has something to do, 69 no broker,\n"
	"78 partition counts that cannot be mended",
	.options = options,
	.options_bytes = sizeof(struct topics_options),
	.run = run_plan,
};

const struct command cmd_topics_apply = {
	.words = "topics apply",
	.arguments = "-c FILE",
	.summary = "make the topics, and set what differs",
	.help = LINES
	"\n"
	"examples:\n"
	"  chatmill topics apply -c chatmill.yaml\n"
	"  CHATMILL_INPUT__REPLICATION=1 chatmill topics apply -c chatmill.yaml\n"
	"\n"
	"exit status: 0 done, 69 no broker, 77 not permitted, 78 partition counts that cannot be\n"
	"mended",
	.options = options,
	.options_bytes = sizeof(struct topics_options),
	.run = run_apply,
};
