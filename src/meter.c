/* meter.c - gathers a worker's counts and adds them to the series with each commit. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "meter.h"

#include "base/clock.h"
#include "base/utf8.h"

enum {
	BOOKS_MAX = 16, /* rule sets counted by rule at once: those in force and a few before them */
	CORPS_MAX = 32, /* as METRIC_NEWEST has */
	RULES_MAX = 64, /* as METRIC_RULES_IN_FORCE has */
	LOOK_MS = 500,	/* gauges change so often */
};

/* Hits by rule of one rule set. */
struct book_hits {
	char digest[DIGEST_TEXT_SIZE];
	size_t rule_count;
	struct series **series; /* by rule; NULL until its first hit */
	uint32_t *pending;	/* by rule */
	uint32_t *touched;	/* rules whose pending is not 0 */
	size_t touched_count;
};

struct part {
	int32_t partition;
	struct series *lag_records, *lag_seconds, *position;
	int64_t time_ms, pending_ms; /* of the last record, committed and not; 0: unknown */
	char digest[DIGEST_TEXT_SIZE];
};

struct corp {
	char name[METRICS_LABEL_BYTES];
	struct series *series;
	int64_t newest_ms;
};

/* What is counted on the way, by the label of its series and its place in the struct of counts. */
struct count {
	const char *label;
	size_t at;
};
static const struct count decode_oddities[] = {
	{"no_time", offsetof(struct pipeline_counts, no_time)},
	{"lone_surrogate", offsetof(struct pipeline_counts, surrogates)},
	{"unknown_type", offsetof(struct pipeline_counts, unknown_types)},
	{"cut_list", offsetof(struct pipeline_counts, cut_lists)},
};
static const struct count react_oddities[] = {
	{"duplicate", offsetof(struct react_counts, duplicates)},
	{"erased", offsetof(struct react_counts, erased)},
	{"recall_unknown", offsetof(struct react_counts, recalls_unknown)},
	{"not_customer", offsetof(struct react_counts, not_customer)},
	{"control_unknown", offsetof(struct react_counts, controls_unknown)},
	{"late", offsetof(struct react_counts, late)},
};
static const struct count limits[] = {
	{"tags", offsetof(struct react_counts, tags_full)},
	{"staff", offsetof(struct react_counts, staff_full)},
	{"windows", offsetof(struct react_counts, windows_full)},
	{"timers", offsetof(struct react_counts, timers_full)},
	{"nears", offsetof(struct react_counts, nears_full)},
	{"speakers", offsetof(struct react_counts, speakers_full)},
	{"memory", offsetof(struct react_counts, memory_full)},
};

struct meter {
	struct metrics *metrics;
	int64_t worker;
	struct pipeline_counts counts; /* of the pipeline at the last commit or rollback */
	struct react_counts reacts;
	struct saver_counts saver;
	struct series *records[6], *dead[DECODE_RESULT_COUNT];
	struct series *decode_oddities[ARRAY_LEN(decode_oddities)];
	struct series *react_oddities[ARRAY_LEN(react_oddities)], *limits[ARRAY_LEN(limits)];
	struct series *events[EVENT_TYPE_COUNT], *transactions[4], *rebalances[3];
	struct series *sources[2], *snapshots[2];
	struct series *stages[METER_STAGE_COUNT], *transaction_time, *restores, *restore_time;
	struct series *partitions, *keys, *bytes, *switches, *brokers;
	uint64_t events_pending[EVENT_TYPE_COUNT], switches_pending;
	struct book_hits books[BOOKS_MAX];
	size_t book_count, book_at; /* book_at: the next one that gives way */
	struct corp corps[CORPS_MAX];
	size_t corp_count;
	struct part *parts; /* as the holdings */
	size_t part_count;
	struct series *rules[RULES_MAX];
	size_t rules_count;
	int64_t looked_ms;
};

/* ---- series ---- */

static struct series *series(struct meter *m, enum metric metric, const char *label)
{
	return metrics_series(m->metrics, m->worker, metric, label, NULL);
}

static void make_list(struct meter *m, struct series **out, enum metric metric,
		      const char *const *labels, size_t count)
{
	for (size_t i = 0; i < count; i++)
		out[i] = series(m, metric, labels[i]);
}

static void make_counts(struct meter *m, struct series **out, enum metric metric,
			const struct count *counts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		out[i] = series(m, metric, counts[i].label);
}

static void make_lists(struct meter *m)
{
	static const char *const results[] = {"message", "clock", "control", "rules", "null", "dead"};
	static const char *const events[] = {EVENT_TYPE_NAMES(AS_NAME)};
	static const char *const outcomes[] = {"committed", "aborted", "fenced", "renewed"};
	static const char *const kinds[] = {"assigned", "revoked", "lost"};
	static const char *const sources[] = {"changelog", "snapshot"};
	static const char *const written[] = {"written", "failed"};
	static const char *const stages[] = {"read", "react", "send", "commit", "snapshot"};

	static_assert(ARRAY_LEN(events) == EVENT_TYPE_COUNT, "a name for each type");
	make_list(m, m->records, METRIC_RECORDS, results, ARRAY_LEN(results));
	make_counts(m, m->decode_oddities, METRIC_ODDITIES, decode_oddities, ARRAY_LEN(decode_oddities));
	make_counts(m, m->react_oddities, METRIC_ODDITIES, react_oddities, ARRAY_LEN(react_oddities));
	make_counts(m, m->limits, METRIC_LIMITS, limits, ARRAY_LEN(limits));
	make_list(m, m->events, METRIC_EVENTS, events, ARRAY_LEN(events));
	make_list(m, m->transactions, METRIC_TRANSACTIONS, outcomes, ARRAY_LEN(outcomes));
	make_list(m, m->rebalances, METRIC_REBALANCES, kinds, ARRAY_LEN(kinds));
	make_list(m, m->sources, METRIC_RESTORED, sources, ARRAY_LEN(sources));
	make_list(m, m->snapshots, METRIC_SNAPSHOTS, written, ARRAY_LEN(written));
	make_list(m, m->stages, METRIC_STAGE_TIME, stages, ARRAY_LEN(stages));
	for (int i = DECODE_BAD_JSON; i < DECODE_RESULT_COUNT; i++)
		m->dead[i] = series(m, METRIC_DEAD, decode_result_name((enum decode_result)i));
}

int meter_new(struct meter **out, struct metrics *metrics, int64_t worker, struct err *err)
{
	struct meter *m = calloc(1, sizeof *m);

	if (!m)
		return err_set(err, ERR_OS, "out of memory");
	m->metrics = metrics;
	m->worker = worker;
	make_lists(m);
	m->transaction_time = series(m, METRIC_TRANSACTION_TIME, NULL);
	m->restores = series(m, METRIC_RESTORES, NULL);
	m->restore_time = series(m, METRIC_RESTORE_TIME, NULL);
	m->partitions = series(m, METRIC_PARTITIONS, NULL);
	m->keys = series(m, METRIC_STATE_KEYS, NULL);
	m->bytes = series(m, METRIC_STATE_BYTES, NULL);
	m->switches = series(m, METRIC_RULE_SWITCHES, NULL);
	m->brokers = series(m, METRIC_BROKERS_UP, NULL);
	*out = m;
	return 0;
}

static void drop_parts(struct meter *m)
{
	for (size_t i = 0; i < m->part_count; i++) {
		metrics_hide(m->metrics, m->parts[i].lag_records);
		metrics_hide(m->metrics, m->parts[i].lag_seconds);
		metrics_hide(m->metrics, m->parts[i].position);
	}
	for (size_t i = 0; i < m->rules_count; i++)
		metrics_hide(m->metrics, m->rules[i]);
	m->rules_count = 0;
	free(m->parts);
	m->parts = NULL;
	m->part_count = 0;
	series_set(m->partitions, 0);
	series_set(m->keys, 0);
	series_set(m->bytes, 0);
}

static void drop_book(struct book_hits *b)
{
	free(b->series);
	free(b->pending);
	free(b->touched);
	*b = (struct book_hits){0};
}

void meter_free(struct meter *m)
{
	if (!m)
		return;
	drop_parts(m);
	for (size_t i = 0; i < m->book_count; i++)
		drop_book(&m->books[i]);
	free(m);
}

/* ---- while a transaction is open ---- */

/* Where the hits of this rule set are counted; NULL if there is no memory for it. */
static struct book_hits *book_hits(struct meter *m, const struct ruleset *set)
{
	for (size_t i = 0; i < m->book_count; i++)
		if (!strcmp(m->books[i].digest, set->digest))
			return &m->books[i];
	struct book_hits *b = &m->books[m->book_at];
	m->book_at = (m->book_at + 1) % BOOKS_MAX;
	m->book_count = MIN(m->book_count + 1, (size_t)BOOKS_MAX);
	drop_book(b); /* its series stay and are found again; what is pending of it is lost */
	b->series = calloc(set->rule_count + 1, sizeof *b->series);
	b->pending = calloc(set->rule_count + 1, sizeof *b->pending);
	b->touched = calloc(set->rule_count + 1, sizeof *b->touched);
	if (!b->series || !b->pending || !b->touched) {
		drop_book(b);
		return NULL;
	}
	b->rule_count = set->rule_count;
	(void)snprintf(b->digest, sizeof b->digest, "%s", set->digest);
	return b;
}

static void gather_hits(struct meter *m, const struct ruleset *set, const struct matches *matches)
{
	struct book_hits *b = book_hits(m, set);

	for (size_t i = 0; b && i < matches->count; i++) {
		uint32_t rule = matches->items[i].rule;
		if (b->pending[rule]++ == 0)
			b->touched[b->touched_count++] = rule;
		if (b->series[rule])
			continue;
		char pack[METRICS_LABEL_BYTES], id[METRICS_LABEL_BYTES];
		(void)snprintf(pack, sizeof pack, "%.*s", STR_ARG(set->rules[rule].pack));
		(void)snprintf(id, sizeof id, "%.*s", STR_ARG(set->rules[rule].id));
		b->series[rule] = metrics_series(m->metrics, m->worker, METRIC_HITS, pack, id);
	}
}

/* The corp's place; those beyond the limit share the last one. */
static struct corp *find_corp(struct meter *m, struct str corpid)
{
	struct str name = utf8_head(corpid, METRICS_LABEL_BYTES - 1);

	for (size_t i = 0; i < m->corp_count; i++)
		if (str_eq(str_of(m->corps[i].name), name) || i == CORPS_MAX - 1)
			return &m->corps[i];
	struct corp *corp = &m->corps[m->corp_count++];
	if (m->corp_count == CORPS_MAX)
		name = STR("other");
	(void)snprintf(corp->name, sizeof corp->name, "%.*s", STR_ARG(name));
	corp->series = series(m, METRIC_NEWEST, corp->name);
	return corp;
}

void meter_record(struct meter *m, const struct pipeline *p, const struct holdings *holdings,
		  size_t index, const struct record *record)
{
	const struct holding *holding = &holdings->items[index];
	struct pipeline_last last = pipeline_last(p);

	if (index < m->part_count)
		m->parts[index].pending_ms = record->time_ms;
	if (last.read_us >= 0) {
		series_observe(m->stages[METER_READ], last.read_us);
		series_observe(m->stages[METER_REACT], last.react_us);
	}
	if (!last.message)
		return;
	if (last.message->kind == MESSAGE_CHAT) {
		struct corp *corp = find_corp(m, last.message->corpid);
		corp->newest_ms = MAX(corp->newest_ms, last.message->msgtime_ms);
	}
	if (last.matches && last.matches->count && holding->book)
		gather_hits(m, holding->book->set, last.matches);
}

void meter_event(struct meter *m, enum event_type type)
{
	m->events_pending[type]++;
}

void meter_time(struct meter *m, enum meter_stage stage, int64_t us)
{
	series_observe(m->stages[stage], us);
}

/* ---- its end ---- */

/* `now` and `was` are the struct that `counts` names places in. */
static void add_named(struct series *const *to, const struct count *counts, size_t count,
		      const void *now, const void *was)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t after, before;
		memcpy(&after, (const char *)now + counts[i].at, sizeof after);
		memcpy(&before, (const char *)was + counts[i].at, sizeof before);
		series_add(to[i], after - before);
	}
}

static void add_counts(struct meter *m, const struct pipeline_counts *now)
{
	const struct pipeline_counts *was = &m->counts;
	uint64_t dead = 0;

	for (int i = DECODE_BAD_JSON; i < DECODE_RESULT_COUNT; i++) {
		uint64_t more = now->dead[i] - was->dead[i];
		series_add(m->dead[i], more);
		dead += more;
	}
	series_add(m->records[0], now->messages - was->messages);
	series_add(m->records[1], now->clocks - was->clocks);
	series_add(m->records[2], now->controls - was->controls);
	series_add(m->records[3], now->rule_records - was->rule_records);
	series_add(m->records[4], now->nulls - was->nulls);
	series_add(m->records[5], dead);
	add_named(m->decode_oddities, decode_oddities, ARRAY_LEN(decode_oddities), now, was);
}

static void add_reacts(struct meter *m, const struct react_counts *now)
{
	const struct react_counts *was = &m->reacts;

	add_named(m->react_oddities, react_oddities, ARRAY_LEN(react_oddities), now, was);
	add_named(m->limits, limits, ARRAY_LEN(limits), now, was);
}

/* Adds what was gathered by rule and type to the series, or forgets it. */
static void settle(struct meter *m, bool keep)
{
	for (size_t i = 0; i < m->book_count; i++) {
		struct book_hits *b = &m->books[i];
		for (size_t k = 0; k < b->touched_count; k++) {
			if (keep)
				series_add(b->series[b->touched[k]], b->pending[b->touched[k]]);
			b->pending[b->touched[k]] = 0;
		}
		b->touched_count = 0;
	}
	for (int i = 0; i < EVENT_TYPE_COUNT; i++) {
		if (keep)
			series_add(m->events[i], m->events_pending[i]);
		m->events_pending[i] = 0;
	}
	if (keep)
		series_add(m->switches, m->switches_pending);
	m->switches_pending = 0;
	for (size_t i = 0; i < m->part_count; i++) {
		if (keep && m->parts[i].pending_ms)
			m->parts[i].time_ms = m->parts[i].pending_ms;
		m->parts[i].pending_ms = 0;
	}
	for (size_t i = 0; keep && i < m->corp_count; i++)
		series_set(m->corps[i].series, m->corps[i].newest_ms);
}

void meter_commit(struct meter *m, const struct pipeline *p, int64_t us)
{
	struct pipeline_counts counts = pipeline_counts(p);
	struct react_counts reacts = pipeline_react_counts(p);

	add_counts(m, &counts);
	add_reacts(m, &reacts);
	m->counts = counts;
	m->reacts = reacts;
	settle(m, true);
	series_observe(m->transaction_time, us);
	meter_transaction(m, METER_COMMITTED);
}

void meter_rollback(struct meter *m, const struct pipeline *p)
{
	m->counts = pipeline_counts(p);
	m->reacts = pipeline_react_counts(p);
	settle(m, false);
}

void meter_transaction(struct meter *m, enum meter_transaction what)
{
	series_add(m->transactions[what], 1);
}

void meter_switched(struct meter *m)
{
	m->switches_pending++;
	m->looked_ms = 0;
}

void meter_rebalance(struct meter *m, enum meter_rebalance what)
{
	series_add(m->rebalances[what], 1);
	drop_parts(m);
	m->looked_ms = 0;
}

void meter_restored(struct meter *m, int64_t us, const struct holdings *holdings)
{
	for (size_t i = 0; i < holdings->count; i++)
		series_add(m->sources[holdings->items[i].from_snapshot], 1);
	series_add(m->restores, 1);
	series_observe(m->restore_time, us);
}

void meter_snapshots(struct meter *m, struct saver_counts counts)
{
	series_add(m->snapshots[0], counts.written - m->saver.written);
	series_add(m->snapshots[1], counts.failed - m->saver.failed);
	m->saver = counts;
}

void meter_brokers(struct meter *m, bool up)
{
	series_set(m->brokers, up);
}

/* ---- gauges ---- */

/* Places for the partitions that are held; their series. */
static bool fit_parts(struct meter *m, const struct holdings *holdings)
{
	if (m->part_count == holdings->count)
		return true;
	drop_parts(m);
	m->parts = calloc(holdings->count + 1, sizeof *m->parts);
	if (!m->parts)
		return false;
	m->part_count = holdings->count;
	for (size_t i = 0; i < m->part_count; i++) {
		char label[16];
		struct part *part = &m->parts[i];
		part->partition = holdings->items[i].partition;
		(void)snprintf(label, sizeof label, "%d", part->partition);
		part->lag_records = series(m, METRIC_LAG_RECORDS, label);
		part->position = series(m, METRIC_POSITION, label);
	}
	series_set(m->partitions, (int64_t)m->part_count);
	return true;
}

static void look_at_part(struct meter *m, struct part *part, const struct owned *owned,
			 int64_t high)
{
	int64_t next = MAX(owned->next, (int64_t)0);
	int64_t reached = MAX(next, owned->end);
	int64_t lag = high > reached ? high - reached : 0;
	char label[16];

	series_set(part->position, next);
	series_set(part->lag_records, lag);
	/* Before the first record nothing is known of times; a number would be a lie. */
	if (!part->lag_seconds && (part->time_ms || lag == 0)) {
		(void)snprintf(label, sizeof label, "%d", part->partition);
		part->lag_seconds = series(m, METRIC_LAG_SECONDS, label);
	}
	if (part->lag_seconds)
		series_set(part->lag_seconds, lag ? part->time_ms : 0);
}

static void count_rules(struct meter *m)
{
	for (size_t i = 0; i < m->rules_count; i++)
		metrics_hide(m->metrics, m->rules[i]);
	m->rules_count = 0;
	for (size_t i = 0; i < m->part_count; i++) {
		if (!m->parts[i].digest[0])
			continue;
		struct series *s = series(m, METRIC_RULES_IN_FORCE, m->parts[i].digest);
		size_t k = 0;
		while (k < m->rules_count && m->rules[k] != s)
			k++;
		if (k == m->rules_count && k < RULES_MAX)
			m->rules[m->rules_count++] = s;
		series_add(s, 1);
	}
}

void meter_look(struct meter *m, const struct holdings *holdings, const struct owned *owned,
		const struct consumer *consumer, const char *topic)
{
	int64_t now_ms = clock_monotonic_ms();
	struct shard_stats sum = {0};
	bool rules_changed = false;

	if ((m->looked_ms && now_ms - m->looked_ms < LOOK_MS) || !fit_parts(m, holdings))
		return;
	m->looked_ms = now_ms;
	for (size_t i = 0; i < m->part_count; i++) {
		struct part *part = &m->parts[i];
		const struct holding *holding = &holdings->items[i];
		struct shard_stats stats = shard_stats(holding->shard);
		const char *digest = holding->book ? holding->book->set->digest : "";
		sum.subjects += stats.subjects;
		sum.bytes += stats.bytes;
		look_at_part(m, part, &owned[i],
			     consumer_high_watermark(consumer, topic, part->partition));
		if (strcmp(part->digest, digest) != 0) {
			(void)snprintf(part->digest, sizeof part->digest, "%s", digest);
			rules_changed = true;
		}
	}
	series_set(m->keys, (int64_t)sum.subjects);
	series_set(m->bytes, (int64_t)sum.bytes);
	if (rules_changed)
		count_rules(m);
}
