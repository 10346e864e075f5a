/* summary.c - counts events by rule, tag and stage, and prints them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/summary.h"

struct stage_count {
	uint64_t entered;
	int64_t now; /* customers in it at the end; an erased or recalled one leaves */
};

struct summary {
	const struct ruleset *set;
	uint64_t *hits, *alerts;	   /* by rule */
	uint64_t **tags_added, **tags_gone; /* by group, tag */
	struct stage_count **stages;	   /* by ladder; the last is the lost stage */
	uint64_t types[EVENT_TYPE_COUNT];
};

int summary_new(struct summary **out, const struct ruleset *set, struct err *err)
{
	OWNED(summary) *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(err, ERR_OS, "summary: out of memory");
	s->set = set;
	s->hits = calloc(set->rule_count + 1, sizeof *s->hits);
	s->alerts = calloc(set->rule_count + 1, sizeof *s->alerts);
	s->tags_added = calloc(set->group_count + 1, sizeof *s->tags_added);
	s->tags_gone = calloc(set->group_count + 1, sizeof *s->tags_gone);
	s->stages = calloc(set->ladder_count + 1, sizeof *s->stages);
	bool ok = s->hits && s->alerts && s->tags_added && s->tags_gone && s->stages;
	for (size_t i = 0; ok && i < set->group_count; i++) {
		size_t count = set->groups[i].tag_count + 1;
		s->tags_added[i] = calloc(count, sizeof **s->tags_added);
		s->tags_gone[i] = calloc(count, sizeof **s->tags_gone);
		ok = s->tags_added[i] && s->tags_gone[i];
	}
	for (size_t i = 0; ok && i < set->ladder_count; i++)
		ok = (s->stages[i] = calloc(set->ladders[i].stage_count + 1, sizeof **s->stages));
	if (!ok)
		return err_set(err, ERR_OS, "summary: out of memory");
	*out = TAKE(s);
	return 0;
}

void summary_free(struct summary *s)
{
	if (!s)
		return;
	for (size_t i = 0; s->tags_added && s->tags_gone && i < s->set->group_count; i++) {
		free(s->tags_added[i]);
		free(s->tags_gone[i]);
	}
	for (size_t i = 0; s->stages && i < s->set->ladder_count; i++)
		free(s->stages[i]);
	free(s->hits);
	free(s->alerts);
	free(s->tags_added);
	free(s->tags_gone);
	free(s->stages);
	free(s);
}

static size_t find_rule(const struct ruleset *set, const struct event *e)
{
	for (size_t i = 0; i < set->rule_count; i++)
		if (str_eq(set->rules[i].id, e->rule) && str_eq(set->rules[i].pack, e->pack))
			return i;
	return set->rule_count; /* of a control record: no rule */
}

static void count_tags(struct summary *s, const struct tag_change *changes, size_t count,
		       uint64_t **table)
{
	for (size_t c = 0; c < count; c++)
		for (size_t g = 0; g < s->set->group_count; g++) {
			const struct tag_group *group = &s->set->groups[g];
			if (!str_eq(group->name, changes[c].group))
				continue;
			for (size_t t = 0; t < group->tag_count; t++)
				table[g][t] += str_eq(group->tags[t].name, changes[c].tag);
		}
}

static struct stage_count *find_stage(struct summary *s, struct str ladder, struct str stage)
{
	for (size_t l = 0; l < s->set->ladder_count; l++) {
		const struct ladder *it = &s->set->ladders[l];
		if (!str_eq(it->name, ladder))
			continue;
		if (str_eq(it->lost.name, stage))
			return &s->stages[l][it->stage_count];
		for (size_t i = 0; i < it->stage_count; i++)
			if (str_eq(it->stages[i].name, stage))
				return &s->stages[l][i];
	}
	return NULL;
}

static void count_stage(struct summary *s, const struct event *e)
{
	struct stage_count *from =
		e->from_stage.len ? find_stage(s, e->ladder, e->from_stage) : NULL;
	struct stage_count *to = e->to_stage.len ? find_stage(s, e->ladder, e->to_stage) : NULL;

	if (from)
		from->now--;
	if (to) {
		to->now++;
		to->entered++;
	}
}

void summary_take(struct summary *s, const struct events *events)
{
	for (size_t i = 0; i < events->count; i++) {
		const struct event *e = &events->items[i];
		s->types[e->type]++;
		switch (e->type) {
		case EVENT_HIT:
			s->hits[find_rule(s->set, e)]++;
			break;
		case EVENT_ALERT:
			s->alerts[find_rule(s->set, e)] += e->cause == CAUSE_RULE;
			break;
		case EVENT_TAG:
			count_tags(s, e->add, e->add_count, s->tags_added);
			count_tags(s, e->remove, e->remove_count, s->tags_gone);
			break;
		case EVENT_STAGE:
			count_stage(s, e);
			break;
		case EVENT_ERASE:
		case EVENT_TYPE_COUNT:
			break;
		}
	}
}

/* Reached as often as it says; docs/semantics.md tells what gives way. */
static const struct {
	const char *what;
	size_t offset;
} limits[] = {
	{"limits reached: tags of a customer", offsetof(struct react_counts, tags_full)},
	{"limits reached: staff of a tag", offsetof(struct react_counts, staff_full)},
	{"limits reached: windows of a customer", offsetof(struct react_counts, windows_full)},
	{"limits reached: timers of a customer", offsetof(struct react_counts, timers_full)},
	{"limits reached: open nears of a customer", offsetof(struct react_counts, nears_full)},
	{"limits reached: speakers of a customer", offsetof(struct react_counts, speakers_full)},
	{"limits reached: messages remembered of a customer", offsetof(struct react_counts, memory_full)},
};

static void print_row(FILE *out, const char *what, uint64_t count)
{
	if (count)
		fprintf(out, "  %12llu  %s\n", (unsigned long long)count, what);
}

static void print_input(const struct pipeline_counts *c, const struct react_counts *r, FILE *out)
{
	fprintf(out, "records\n");
	fprintf(out, "  %12llu  records\n", (unsigned long long)c->records);
	print_row(out, "messages", c->messages);
	print_row(out, "null values, skipped", c->nulls);
	print_row(out, "clock records", c->clocks);
	print_row(out, "control records", c->controls);
	print_row(out, "rules records, skipped: --rules judges", c->rule_records);
	print_row(out, "messages seen before, skipped", r->duplicates);
	print_row(out, "recalls of messages not remembered", r->recalls_unknown);
	print_row(out, "tags and stages in control records that no rule knows", r->controls_unknown);
	print_row(out, "messages without a time", c->no_time);
	print_row(out, "messages of unknown type, searched all the same", c->unknown_types);
	print_row(out, "messages with lone surrogates", c->surrogates);
	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		print_row(out, limits[i].what, *(const uint64_t *)((const char *)r + limits[i].offset));
	for (int i = 0; i < DECODE_RESULT_COUNT; i++)
		if (c->dead[i])
			fprintf(out, "  %12llu  dead letters: %s\n", (unsigned long long)c->dead[i],
				decode_result_name((enum decode_result)i));
}

void summary_print(const struct summary *s, const struct pipeline_counts *counts,
		   const struct react_counts *react, double seconds, FILE *out)
{
	const struct ruleset *set = s->set;

	print_input(counts, react, out);
	fprintf(out, "rules\n  %12s  %10s\n", "messages hit", "alerts");
	for (size_t i = 0; i < set->rule_count; i++)
		fprintf(out, "  %12llu  %10llu  %.*s/%.*s  %.*s\n", (unsigned long long)s->hits[i],
			(unsigned long long)s->alerts[i], STR_ARG(set->rules[i].pack),
			STR_ARG(set->rules[i].id), STR_ARG(set->rules[i].title));
	if (set->group_count)
		fprintf(out, "tags\n  %12s  %10s\n", "added", "removed");
	for (size_t g = 0; g < set->group_count; g++)
		for (size_t t = 0; t < set->groups[g].tag_count; t++)
			fprintf(out, "  %12llu  %10llu  %.*s/%.*s\n",
				(unsigned long long)s->tags_added[g][t],
				(unsigned long long)s->tags_gone[g][t], STR_ARG(set->groups[g].name),
				STR_ARG(set->groups[g].tags[t].name));
	if (set->ladder_count)
		fprintf(out, "funnel\n  %12s  %10s\n", "customers", "entered");
	for (size_t l = 0; l < set->ladder_count; l++)
		for (size_t i = 0; i <= set->ladders[l].stage_count; i++) {
			const struct ladder *it = &set->ladders[l];
			struct str name =
				i < it->stage_count ? it->stages[i].name : it->lost.name;
			if (name.len)
				fprintf(out, "  %12lld  %10llu  %.*s/%.*s\n",
					(long long)s->stages[l][i].now,
					(unsigned long long)s->stages[l][i].entered,
					STR_ARG(it->name), STR_ARG(name));
		}
	fprintf(out, "events\n");
	fprintf(out, "  %12llu  tag events\n", (unsigned long long)s->types[EVENT_TAG]);
	fprintf(out, "  %12llu  stage events\n", (unsigned long long)s->types[EVENT_STAGE]);
	fprintf(out, "  %12llu  alert events\n", (unsigned long long)s->types[EVENT_ALERT]);
	if (seconds > 0)
		fprintf(out, "%.2f s, %.0f records a second\n", seconds,
			(double)counts->records / seconds);
}
