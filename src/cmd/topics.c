/* topics.c - `chatmill topics plan|apply`: what topics should exist, and making them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "base/buf.h"
#include "brokers.h"
#include "cmd/commands.h"
#include "topic_plan.h"

struct topics_options {
	const char *file;
	bool insecure, json;
};

static void PRINTF_LIKE(4, 5)
say(bool json, const char *what, const char *name, const char *fmt, ...)
{
	struct buf line = {0};
	char how[512];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(how, sizeof how, fmt, args);
	va_end(args);
	if (json) {
		buf_printf(&line, "{\"state\":\"%s\",\"topic\":", what);
		buf_put_json(&line, str_of(name));
		buf_put(&line, STR(",\"how\":"));
		buf_put_json(&line, str_of(how));
		buf_put(&line, STR("}\n"));
	} else {
		buf_printf(&line, "%s\t%s\t%s\n", what, name, how);
	}
	output_put(buf_str(&line));
	buf_fini(&line);
}

/* How large the records of the archive may be, and by that its dead letters. */
struct sizes {
	int64_t archive;
	char dead[24];
};

/* A topic that takes larger records than we ask for keeps that: somebody sends them. If it is the archive,
 * which is the first, dead letters may be as much larger. */
static void keep_larger(const struct config *c, struct topic_spec *spec,
			const struct topic_facts *facts, struct sizes *sizes)
{
	for (size_t i = 0; i < spec->config_count; i++) {
		int64_t have = 0, want = 0;
		if (strcmp(spec->configs[i].name, "max.message.bytes") != 0)
			continue;
		(void)str_to_i64(str_of(facts->values[i]), &have); /* no topic, no value */
		(void)str_to_i64(str_of(spec->configs[i].value), &want);
		int64_t dead = sizes->archive + TOPIC_PLAN_DEAD_MORE;
		if (spec->name == c->output.deadletter && dead > want) {
			(void)snprintf(sizes->dead, sizeof sizes->dead, "%lld", (long long)dead);
			spec->configs[i].value = sizes->dead;
			want = dead;
		}
		if (have > want)
			spec->configs[i].value = facts->values[i];
		if (spec->name == c->input.topic)
			sizes->archive = MAX(have, want);
	}
}

/* What there is to do about a topic; prints one line for each. 1: a difference that apply mends,
 * 2: one that it cannot, 0: none. */
static int compare(const struct config *c, const struct topic_spec *spec,
		   const struct topic_facts *facts, bool json)
{
	struct buf how = {0};
	int found = 0;

	if (facts->partitions == 0) {
		for (size_t i = 0; i < spec->config_count; i++)
			buf_printf(&how, " %s=%s", spec->configs[i].name, spec->configs[i].value);
		say(json, "create", spec->name, "partitions=%d replication=%d%.*s", spec->partitions,
		    spec->replication, (int)how.len, how.data ? how.data : "");
		buf_fini(&how);
		return 1;
	}
	if (facts->partitions != spec->partitions && topic_plan_is_keyed(c, spec)) {
		say(json, "conflict", spec->name,
		    "partitions=%d, not %d: they cannot be changed under a running pipeline",
		    facts->partitions, spec->partitions);
		found = 2;
	}
	for (size_t i = 0; i < spec->config_count; i++) {
		if (!strcmp(facts->values[i], spec->configs[i].value))
			continue;
		say(json, "alter", spec->name, "%s=%s, was %s", spec->configs[i].name,
		    spec->configs[i].value, facts->values[i][0] ? facts->values[i] : "unset");
		found = MAX(found, 1);
	}
	if (!found)
		say(json, "ok", spec->name, "partitions=%d", facts->partitions);
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
	struct topic_spec specs[TOPIC_PLAN_MAX];
	struct sizes sizes = {0};
	int worst = 0;

	if (config_open(&config, o->file, err) < 0 ||
	    brokers_new(&brokers, config, o->insecure, err) < 0 ||
	    admin_new(&admin, &brokers->settings, err) < 0)
		return -1;
	size_t count = topic_plan(config, specs);
	for (size_t i = 0; i < count; i++) {
		struct topic_facts facts;
		if (admin_facts(admin, &specs[i], &facts, err) < 0)
			return -1;
		keep_larger(config, &specs[i], &facts, &sizes);
		int found = compare(config, &specs[i], &facts, o->json);
		worst = MAX(worst, found);
		if (apply && found == 1 && mend(admin, &specs[i], &facts, err) < 0)
			return -1;
	}
	if (worst == 2)
		return err_set(err, ERR_CONFIG,
			       "partition counts differ from input.partitions; write there what the "
			       "archive has. If its state has another number: " TOPIC_PLAN_MOVE);
	if (worst == 1 && !apply)
		return err_set(err, ERR_NO, "%s", "");
	return 0;
}

static int run_plan(const void *given, const char *const *arguments, int count, struct err *err)
{
	return go(given, false, err);
}

static int run_apply(const void *given, const char *const *arguments, int count, struct err *err)
{
	return go(given, true, err);
}

static const struct option options[] = {
	OPTION_CONFIG(struct topics_options),
	OPTION_JSON(struct topics_options),
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
