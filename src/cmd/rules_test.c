/* rules_test.c - `chatmill rules test`: examples, tests beside the rules, innocent text. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/commands.h"
#include "cmd/lines.h"
#include "cmd/report.h"
#include "cmd/trial.h"
#include "rules/suite.h"
#include "rules_open.h"

struct test_options {
	const char *staff, *cache, *junit, *baseline;
	int64_t max_hits;
};

struct testing {
	struct test_options options;
	struct rulebook *book;
	struct trial *trial;
	struct report *report;
	uint64_t *hits; /* by rule: of examples and tests */
	struct arena arena;
};

/* ---- examples ---- */

static int run_examples(struct testing *t, size_t index, struct err *err)
{
	const struct rule *rule = &t->book->set->rules[index];
	size_t numbers[2] = {0}; /* of misses, of hits */

	for (size_t i = 0; i < rule->example_count; i++) {
		const struct example *example = &rule->examples[i];
		const struct sample *sample = example->sample;
		bool as_said;
		if (trial_example(t->trial, rule, example, &as_said, err) < 0)
			return -1;
		struct report_case it = {
			.file = rule->file, .line = sample->line, .col = sample->col,
			.suite = arena_printf(&t->arena, "%.*s/%.*s", STR_ARG(rule->pack), STR_ARG(rule->id)),
			.name = arena_printf(&t->arena, "%s %zu", example->hit ? "hit" : "miss",
					     ++numbers[example->hit]),
		};
		if (!as_said)
			it.failure = arena_printf(&t->arena, "the example should %s and %s",
						  example->hit ? "hit" : "stay silent",
						  example->hit ? "stays silent" : "hits");
		report_add(t->report, &it);
		t->hits[index] += example->hit && as_said;
	}
	return 0;
}

/* ---- tests ---- */

/* What one rule did at one message, or at one falling due. */
struct deed {
	struct str rule, msgid; /* pack/id */
	enum cause cause;
	int64_t time_ms;
	const struct event *tag, *stage, *alert; /* NULL: none */
};

struct deeds {
	struct deed *items;
	size_t count;
};

static const char *const causes[] = {CAUSE_NAMES(AS_NAME)};
static const char *const severities[] = {SEVERITY_NAMES(AS_NAME)};

static const struct event **place_of(struct deed *d, enum event_type type)
{
	return type == EVENT_TAG ? &d->tag : type == EVENT_STAGE ? &d->stage : &d->alert;
}

static struct deeds gather(struct testing *t, const struct events *events)
{
	struct deeds deeds = {ARENA_ARRAY(&t->arena, struct deed, events->count + 1), 0};

	for (size_t i = 0; i < events->count; i++) {
		const struct event *e = &events->items[i];
		if (e->type != EVENT_TAG && e->type != EVENT_STAGE && e->type != EVENT_ALERT)
			continue;
		struct str rule = arena_printf(&t->arena, "%.*s/%.*s", STR_ARG(e->pack), STR_ARG(e->rule));
		struct deed *last = deeds.count ? &deeds.items[deeds.count - 1] : NULL;
		bool same = last && str_eq(last->rule, rule) && str_eq(last->msgid, e->msgid) &&
			    last->cause == e->cause && last->time_ms == e->time_ms &&
			    !*place_of(last, e->type);
		if (!same) {
			last = &deeds.items[deeds.count++];
			*last = (struct deed){rule, e->msgid, e->cause, e->time_ms, NULL, NULL, NULL};
		}
		*place_of(last, e->type) = e;
	}
	return deeds;
}

/* "tag" or "group/tag" against a change. */
static bool is_tag(struct testing *t, struct str name, const struct tag_change *change)
{
	struct str full = arena_printf(&t->arena, "%.*s/%.*s", STR_ARG(change->group),
				       STR_ARG(change->tag));
	return str_eq(name, change->tag) || str_eq(name, full);
}

/* Are all of `wanted` among `changes`, and, if `exact`, in that order and nothing else? */
static bool tags_fit(struct testing *t, struct strs wanted, const struct tag_change *changes,
		     size_t count, bool exact)
{
	if (exact && wanted.count != count)
		return false;
	for (size_t i = 0; i < wanted.count; i++) {
		bool found = false;
		for (size_t k = exact ? i : 0; k < (exact ? i + 1 : count); k++)
			found |= is_tag(t, wanted.items[i], &changes[k]);
		if (!found)
			return false;
	}
	return true;
}

static bool stage_fits(struct testing *t, struct str wanted, const struct event *e)
{
	if (!e)
		return false;
	struct str name = e->to_stage.len ? e->to_stage : STR("none");
	struct str full = arena_printf(&t->arena, "%.*s/%.*s", STR_ARG(e->ladder), STR_ARG(name));
	return str_eq(wanted, name) || str_eq(wanted, full);
}

static bool alert_fits(const struct suite_item *item, const struct event *e)
{
	return e && (!item->severity.len || str_eq(item->severity, str_of(severities[e->severity]))) &&
	       (!item->category.len || str_eq(item->category, e->category)) &&
	       (item->count < 0 || (uint64_t)item->count == e->count);
}

/* `exact`: what the item does not name must not be there. */
static bool fits(struct testing *t, const struct suite_item *item, const struct deed *d, bool exact)
{
	static const struct event nothing;
	const struct event *tag = d->tag ? d->tag : &nothing;

	if (item->rule.len && !str_eq(item->rule, d->rule))
		return false;
	if (item->cause.len && !str_eq(item->cause, str_of(causes[d->cause])))
		return false;
	if (!tags_fit(t, item->add, tag->add, tag->add_count, exact) ||
	    !tags_fit(t, item->remove, tag->remove, tag->remove_count, exact))
		return false;
	if (item->stage.len ? !stage_fits(t, item->stage, d->stage) : exact && d->stage)
		return false;
	return item->alert ? alert_fits(item, d->alert) : !(exact && d->alert);
}

static void put_changes(struct buf *b, const char *what, const struct tag_change *changes, size_t count)
{
	if (!count)
		return;
	buf_printf(b, ", %s: [", what);
	for (size_t i = 0; i < count; i++)
		buf_printf(b, "%s%.*s/%.*s", i ? ", " : "", STR_ARG(changes[i].group),
			   STR_ARG(changes[i].tag));
	buf_putc(b, ']');
}

/* A deed as a test would write it, tags and stages with their group or ladder: two may share a name. */
static struct str describe(struct testing *t, const struct deed *d)
{
	struct buf b = {0};

	buf_printf(&b, "{rule: %.*s", STR_ARG(d->rule));
	if (d->tag) {
		put_changes(&b, "add", d->tag->add, d->tag->add_count);
		put_changes(&b, "remove", d->tag->remove, d->tag->remove_count);
	}
	if (d->stage)
		buf_printf(&b, ", stage: %.*s/%.*s", STR_ARG(d->stage->ladder),
			   STR_ARG(d->stage->to_stage.len ? d->stage->to_stage : STR("none")));
	if (d->alert)
		buf_printf(&b, ", alert: {severity: %s, count: %llu}", severities[d->alert->severity],
			   (unsigned long long)d->alert->count);
	if (d->cause != CAUSE_RULE)
		buf_printf(&b, ", cause: %s", causes[d->cause]);
	buf_putc(&b, '}');
	struct str text = arena_copy(&t->arena, buf_str(&b));
	buf_fini(&b);
	return text;
}

/* What is wrong with what came, or an empty text. */
static struct str judge(struct testing *t, const struct suite_test *test, const struct deeds *deeds)
{
	for (size_t i = 0; test->has_expect && i < MAX(test->expect_count, deeds->count); i++) {
		if (i >= deeds->count)
			return arena_printf(&t->arena, "event %zu of expect (line %d) did not come", i + 1,
					    test->expect[i].line);
		struct str came = describe(t, &deeds->items[i]);
		if (i >= test->expect_count)
			return arena_printf(&t->arena, "came too: %.*s", STR_ARG(came));
		if (!fits(t, &test->expect[i], &deeds->items[i], true))
			return arena_printf(&t->arena, "event %zu of expect (line %d) came as %.*s", i + 1,
					    test->expect[i].line, STR_ARG(came));
	}
	for (size_t i = 0; i < test->never_count; i++)
		for (size_t k = 0; k < deeds->count; k++)
			if (fits(t, &test->never[i], &deeds->items[k], false))
				return arena_printf(&t->arena, "must not come: %.*s",
						    STR_ARG(describe(t, &deeds->items[k])));
	return (struct str){0};
}

/* Adds the hits among `events` to the counts of their rules. */
static void count_hits(struct testing *t, const struct events *events, uint64_t *counts)
{
	for (size_t i = 0; i < events->count; i++) {
		const struct event *e = &events->items[i];
		size_t rule;
		if (e->type == EVENT_HIT && ruleset_find(t->book->set, e->pack, e->rule, &rule))
			counts[rule]++;
	}
}

static int run_test(struct testing *t, const struct suite_test *test, struct err *err)
{
	struct report_case it = {.file = test->file, .line = test->line, .col = test->col,
				 .suite = test->file, .name = test->name};

	if (trial_begin(t->trial, err) < 0)
		return -1;
	for (size_t i = 0; i < test->message_count; i++) {
		enum decode_result result = trial_take(t->trial, &test->messages[i], NULL);
		if (result != DECODE_DONE && !it.failure.len)
			it.failure = arena_printf(&t->arena, "message %zu would be a dead letter: %s", i + 1,
						  decode_result_name(result));
	}
	if (test->until_ms >= 0)
		trial_clock(t->trial, SAMPLE_START_MS + test->until_ms);
	const struct events *events = trial_events(t->trial);
	struct deeds deeds = gather(t, events);
	if (!it.failure.len)
		it.failure = judge(t, test, &deeds);
	count_hits(t, events, t->hits);
	report_add(t->report, &it);
	return 0;
}

/* ---- innocent text ---- */

struct innocent {
	struct testing *testing;
	uint64_t messages, dead;
	uint64_t *hits; /* by rule */
};

static int take_innocent(void *context, const struct reading *reading, struct err *err)
{
	struct innocent *in = context;
	struct trial *trial = in->testing->trial;

	if (reading->result != DECODE_DONE) {
		in->dead += reading->result != DECODE_NULL;
		return 0;
	}
	enum message_kind kind = reading->message.kind;
	in->messages += kind != MESSAGE_CLOCK && kind != MESSAGE_CONTROL && kind != MESSAGE_RULES;
	trial_next(trial, reading);
	count_hits(in->testing, trial_events(trial), in->hits);
	return 0;
}

static int run_baseline(struct testing *t, struct err *err)
{
	const struct ruleset *set = t->book->set;
	struct innocent in = {
		.testing = t,
		.hits = ARENA_ARRAY(&t->arena, uint64_t, set->rule_count + 1),
	};
	struct pipeline_settings settings = {.decode = {.corpid = STR(SAMPLE_CORPID)}};
	struct lines_settings how = {
		.pipeline = &settings, .book = t->book, .jobs = 1, .take = take_innocent, .context = &in};

	if (trial_begin(t->trial, err) < 0 || lines_read(&how, &t->options.baseline, 1, err) < 0)
		return -1;
	fprintf(stderr, "baseline: %llu message%s, %llu dead letter%s\n", (unsigned long long)in.messages,
		in.messages == 1 ? "" : "s", (unsigned long long)in.dead, in.dead == 1 ? "" : "s");
	if (!in.messages)
		return err_set(err, ERR_DATA, "%s holds no message that can be used", t->options.baseline);
	for (size_t i = 0; i < set->rule_count; i++) {
		const struct rule *rule = &set->rules[i];
		struct report_case it = {
			.file = rule->file, .line = rule->line, .col = rule->col, .suite = STR("baseline"),
			.name = arena_printf(&t->arena, "%.*s/%.*s", STR_ARG(rule->pack), STR_ARG(rule->id)),
		};
		if (in.hits[i] > (uint64_t)t->options.max_hits)
			it.failure = arena_printf(&t->arena, "%.*s hits %llu of %llu innocent messages, "
							     "more than %lld", STR_ARG(it.name),
						  (unsigned long long)in.hits[i],
						  (unsigned long long)in.messages,
						  (long long)t->options.max_hits);
		report_add(t->report, &it);
	}
	return 0;
}

/* ---- all ---- */

static int run_all(struct testing *t, const char *dir, struct err *err)
{
	const struct ruleset *set = t->book->set;
	struct findings findings = {0};
	struct suite suite = {0};

	for (size_t i = 0; i < set->rule_count; i++)
		if (run_examples(t, i, err) < 0)
			return -1;
	int status = suite_read(&suite, &t->arena, dir, set, &findings, err);
	findings_print(&findings, stderr);
	findings_fini(&findings);
	for (size_t i = 0; status == 0 && i < suite.count; i++)
		status = run_test(t, &suite.tests[i], err);
	if (status == 0 && t->options.baseline)
		status = run_baseline(t, err);
	return status;
}

static void list_untested(const struct testing *t)
{
	const struct ruleset *set = t->book->set;

	for (size_t i = 0; i < set->rule_count; i++)
		if (!t->hits[i])
			printf("no test hits %.*s/%.*s (%.*s:%d)\n", STR_ARG(set->rules[i].pack),
			       STR_ARG(set->rules[i].id), STR_ARG(set->rules[i].file), set->rules[i].line);
}

static int finish(struct testing *t, struct err *err)
{
	list_untested(t);
	report_summary(t->report, stdout);
	if (t->options.junit && report_junit(t->report, t->options.junit, err) < 0)
		return -1;
	return report_failed(t->report) ? err_set(err, ERR_NO, "%s", "") : 0;
}

static int test(const void *options, const char *const *arguments, int argument_count, struct err *err)
{
	struct testing t = {.options = *(const struct test_options *)options};
	const char *dir = arguments[0];
	if (output_check("junit", t.options.junit, err) < 0)
		return -1;
	int status = rules_open(&t.book, dir, t.options.staff, t.options.cache, err);

	if (status == 0)
		status = trial_new(&t.trial, t.book, err);
	if (status == 0)
		status = report_new(&t.report, stdout, err);
	if (status == 0) {
		t.hits = ARENA_ARRAY(&t.arena, uint64_t, t.book->set->rule_count + 1);
		status = run_all(&t, dir, err);
	}
	if (status == 0)
		status = finish(&t, err);
	report_free(t.report);
	trial_free(t.trial);
	rulebook_free(t.book);
	arena_fini(&t.arena);
	return status;
}

static const struct option options[] = {
	{"junit", 0, OPTION_TEXT, "FILE", "write the results as JUnit XML to FILE",
	 offsetof(struct test_options, junit)},
	{"baseline", 0, OPTION_TEXT, "FILE", "messages (NDJSON, zstd) on which rules should be silent",
	 offsetof(struct test_options, baseline)},
	{"max-hits", 0, OPTION_NUMBER, "N", "messages of the baseline that a rule may hit (default: 0)",
	 offsetof(struct test_options, max_hits), .needs = "baseline"},
	OPTION_STAFF(struct test_options),
	{"cache", 0, OPTION_TEXT, "DIR", "keep compiled rules in DIR between runs",
	 offsetof(struct test_options, cache)},
	OPTIONS_END,
};

const struct command cmd_rules_test = {
	.words = "rules test",
	.arguments = "DIR [--junit FILE] [--baseline FILE --max-hits N]",
	.summary = "run the examples and tests of a folder of rules",
	.help = "Judges the examples beside the rules and the tests in *.test.yaml, through the whole\n"
		"pipeline; with --baseline also a file of messages on which no rule should hit more\n"
		"than --max-hits times. Lists the rules that no example and no test hits.\n"
		"\n"
		"examples:\n"
		"  chatmill rules test rules\n"
		"  chatmill rules test rules --baseline innocent.jsonl.zst --max-hits 20 --junit out.xml\n"
		"\n"
		"exit status: 0 all passed, 1 one failed, 65 bad rules or tests, or a baseline without a message,\n"
		"66 no such file",
	.options = options,
	.options_bytes = sizeof(struct test_options),
	.arguments_min = 1,
	.arguments_max = 1,
	.run = test,
};
