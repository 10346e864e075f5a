/* metrics.c - the table of metrics, and writing them as text. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/utf8.h"

enum kind { COUNTER, GAUGE, HISTOGRAM };
static const char *const kinds[] = {"counter", "gauge", "histogram"};
/* What a number in a series stands for; times are written as seconds. */
enum scale {
	PLAIN,
	FROM_MS,
	FROM_US,
	AGE_MS, /* a time in ms since 1970, written as what went by since; 0 as 0 */
};

static const struct description {
	const char *name;
	enum kind kind;
	enum scale scale;
	const char *labels[METRICS_LABELS_MAX];
	uint32_t series_max; /* of one writer */
	bool greatest;	     /* writers' values are not added: the greatest counts */
	const char *help;
} table[METRIC_COUNT] = {
	[METRIC_RECORDS] = {"chatmill_records_total", COUNTER, PLAIN, {"result"}, 8, false,
		"Records of the archive in committed transactions: message, clock, control, rules, null, dead."},
	[METRIC_DEAD] = {"chatmill_dead_letters_total", COUNTER, PLAIN, {"reason"}, 32, false,
		"Records that could not be used, by the reason in their header chatmill.error."},
	[METRIC_ODDITIES] = {"chatmill_oddities_total", COUNTER, PLAIN, {"kind"}, 32, false,
		"Records that were used although something about them is odd: no_time, lone_surrogate, unknown_type, cut_list, duplicate, erased, recall_unknown, not_customer, control_unknown, late."},
	[METRIC_EVENTS] = {"chatmill_events_total", COUNTER, PLAIN, {"type"}, 8, false,
		"Events in committed transactions."},
	[METRIC_HITS] = {"chatmill_rule_hits_total", COUNTER, PLAIN, {"pack", "rule"}, 2000, false,
		"Messages on which a rule matched, before windows, guards and state."},
	[METRIC_LIMITS] = {"chatmill_limits_reached_total", COUNTER, PLAIN, {"limit"}, 16, false,
		"Times a limit of one customer's state was reached (docs/semantics.md): tags, staff of a tag, windows, timers, nears, speakers, memory."},
	[METRIC_LAG_RECORDS] = {"chatmill_lag_records", GAUGE, PLAIN, {"partition"}, 2000, false,
		"Records behind our committed position, up to the end of the partition known last."},
	[METRIC_LAG_SECONDS] = {"chatmill_lag_seconds", GAUGE, AGE_MS, {"partition"}, 2000, false,
		"Age of the last record we committed, while records stand behind it; else 0."},
	[METRIC_POSITION] = {"chatmill_position", GAUGE, PLAIN, {"partition"}, 2000, false,
		"The committed position: offset of the next record to take."},
	[METRIC_NEWEST] = {"chatmill_newest_message_timestamp_seconds", GAUGE, FROM_MS, {"corp"}, 32, true,
		"Greatest msgtime seen of a corp, in unix time."},
	[METRIC_TRANSACTIONS] = {"chatmill_transactions_total", COUNTER, PLAIN, {"outcome"}, 8, false,
		"Transactions: committed, aborted, fenced; and producers renewed."},
	[METRIC_TRANSACTION_TIME] = {"chatmill_transaction_seconds", HISTOGRAM, FROM_US, {0}, 1, false,
		"From the first record of a transaction until it was committed."},
	[METRIC_STAGE_TIME] = {"chatmill_stage_seconds", HISTOGRAM, FROM_US, {"stage"}, 8, false,
		"Time of a stage. read (decode, fold, match) and react: one message, of a sample; send and commit: one transaction; snapshot: one piece of the state copied."},
	[METRIC_PARTITIONS] = {"chatmill_partitions_assigned", GAUGE, PLAIN, {0}, 1, false,
		"Partitions of the archive that this process owns."},
	[METRIC_REBALANCES] = {"chatmill_rebalances_total", COUNTER, PLAIN, {"kind"}, 4, false,
		"Times the group gave partitions (assigned), took them back (revoked) or had given them to others already (lost)."},
	[METRIC_RESTORES] = {"chatmill_restores_total", COUNTER, PLAIN, {0}, 1, false,
		"Times the state of the owned partitions was read from its topic."},
	[METRIC_RESTORE_TIME] = {"chatmill_restore_seconds", HISTOGRAM, FROM_US, {0}, 1, false,
		"Time to read the state of the owned partitions."},
	[METRIC_RESTORED] = {"chatmill_restored_partitions_total", COUNTER, PLAIN, {"source"}, 2, false,
		"Partitions whose state was read back: all of it from the changelog, or its tail behind a snapshot on disk."},
	[METRIC_SNAPSHOTS] = {"chatmill_snapshots_total", COUNTER, PLAIN, {"outcome"}, 2, false,
		"Snapshots of a partition's state on disk: written, failed."},
	[METRIC_STATE_KEYS] = {"chatmill_state_keys", GAUGE, PLAIN, {0}, 1, false,
		"Customers, rooms and staff that something is known of."},
	[METRIC_STATE_BYTES] = {"chatmill_state_bytes", GAUGE, PLAIN, {0}, 1, false,
		"Memory held by the state."},
	[METRIC_RULES_IN_FORCE] = {"chatmill_rules_in_force", GAUGE, PLAIN, {"digest"}, 64, false,
		"Partitions that are judged by the rule set of this digest."},
	[METRIC_RULES_COMPILED] = {"chatmill_rules_compiled", GAUGE, PLAIN, {0}, 1, true,
		"Rule sets that are compiled and ready, in force or not."},
	[METRIC_RULE_SWITCHES] = {"chatmill_rule_switches_total", COUNTER, PLAIN, {0}, 1, false,
		"Rules records taken: a partition changed over to other rules."},
	[METRIC_WORKERS_READY] = {"chatmill_workers_ready", GAUGE, PLAIN, {0}, 1, false,
		"Workers that are connected, restored and have their rules."},
	[METRIC_SINK_ITEMS] = {"chatmill_sink_events_total", COUNTER, PLAIN, {0}, 1, false,
		"Events that are in the database."},
	[METRIC_SINK_BATCHES] = {"chatmill_sink_batches_total", COUNTER, PLAIN, {0}, 1, false,
		"Database transactions committed."},
	[METRIC_SINK_BATCH_TIME] = {"chatmill_sink_batch_seconds", HISTOGRAM, FROM_US, {0}, 1, false,
		"Time of a database transaction."},
	[METRIC_SINK_RETRIES] = {"chatmill_sink_retries_total", COUNTER, PLAIN, {"class"}, 64, false,
		"Database transactions tried again, by class of the SQLSTATE; none: the connection."},
	[METRIC_SINK_REJECTED] = {"chatmill_sink_rejected_total", COUNTER, PLAIN, {0}, 1, false,
		"Events that the database refused; they are in sink_reject."},
	[METRIC_SINK_WITHOUT_MONTH] = {"chatmill_sink_without_month_total", COUNTER, PLAIN, {0}, 1, false,
		"Rows of a wrong date (before 2010, or months ahead): they are in the default partition."},
	[METRIC_SINK_PARTITIONS] = {"chatmill_sink_partitions_assigned", GAUGE, PLAIN, {0}, 1, false,
		"Partitions of event topics that this process owns."},
	[METRIC_SINK_LAG_RECORDS] = {"chatmill_sink_lag_records", GAUGE, PLAIN, {"topic", "partition"}, 2000, false,
		"Records behind the offset in the database, up to the end of the partition known last."},
	[METRIC_DATABASE_UP] = {"chatmill_database_up", GAUGE, PLAIN, {0}, 1, false,
		"1 while the database answers."},
	[METRIC_READY] = {"chatmill_ready", GAUGE, PLAIN, {0}, 1, true,
		"1 while /readyz answers 200; else 0, and /readyz says why."},
	[METRIC_BROKERS_UP] = {"chatmill_brokers_up", GAUGE, PLAIN, {0}, 1, false,
		"Consumers that are connected to a broker: one for each worker."},
	[METRIC_INSECURE] = {"chatmill_insecure", GAUGE, PLAIN, {0}, 1, true,
		"1 if servers are not verified (--insecure)."},
	[METRIC_LOG_LINES] = {"chatmill_log_lines_total", COUNTER, PLAIN, {"level"}, 4, false,
		"Log lines, those that were only counted included."},
	[METRIC_LOG_REPEATED] = {"chatmill_log_lines_repeated_total", COUNTER, PLAIN, {0}, 1, false,
		"Log lines that were counted and not written, as they said the same again."},
	[METRIC_BUILD] = {"chatmill_build_info", GAUGE, PLAIN, {"version"}, 1, true,
		"1; the label tells the version."},
	[METRIC_START_TIME] = {"process_start_time_seconds", GAUGE, FROM_MS, {0}, 1, true,
		"When the process started, in unix time."},
	[METRIC_CPU] = {"process_cpu_seconds_total", COUNTER, FROM_US, {0}, 1, false,
		"User and system time of the process."},
	[METRIC_MEMORY] = {"process_resident_memory_bytes", GAUGE, PLAIN, {0}, 1, true,
		"Resident memory of the process."},
};

/* Upper ends of the buckets in microseconds: from one message (read: 5-50 us) to a restore. */
static const int64_t bounds_us[] = {5,	    10,	    25,	    50,	     100,     250,     500,
				    1000,   2500,   5000,   10000,   25000,   50000,   100000,
				    250000, 500000, 1000000, 2500000, 10000000, 60000000};
enum { BUCKETS = ARRAY_LEN(bounds_us) };

struct histogram {
	_Atomic uint64_t buckets[BUCKETS + 1]; /* the last: beyond all bounds */
	_Atomic uint64_t sum_us;
};

struct series {
	enum metric metric;
	int64_t writer;
	_Atomic bool shown;
	_Atomic int64_t value;
	struct histogram *histogram; /* NULL for the others */
	char labels[METRICS_LABELS_MAX][METRICS_LABEL_BYTES];
};

struct metrics {
	pthread_mutex_t lock; /* of all but the values */
	struct series *series[METRICS_SERIES_MAX];
	size_t count;
	struct series spare; /* takes what there is no room for; never shown */
	struct histogram spare_histogram;
};

int metrics_new(struct metrics **out, struct err *err)
{
	struct metrics *m = calloc(1, sizeof *m);

	if (!m)
		return err_set(err, ERR_OS, "out of memory");
	pthread_mutex_init(&m->lock, NULL);
	m->spare.histogram = &m->spare_histogram;
	*out = m;
	return 0;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->count; i++) {
		free(m->series[i]->histogram);
		free(m->series[i]);
	}
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* ---- series ---- */

static void set_label(struct series *s, int i, const char *value)
{
	struct str head = utf8_head(str_of(value ? value : ""), METRICS_LABEL_BYTES - 1);

	memcpy(s->labels[i], head.data, head.len);
	s->labels[i][head.len] = '\0';
}

static struct series *make(struct metrics *m)
{
	if (m->count == METRICS_SERIES_MAX)
		return NULL;
	struct series *s = calloc(1, sizeof *s);
	if (s)
		m->series[m->count++] = s;
	return s;
}

static bool has_labels(const struct series *s, const struct series *wanted)
{
	for (int i = 0; i < METRICS_LABELS_MAX; i++)
		if (strcmp(s->labels[i], wanted->labels[i]) != 0)
			return false;
	return true;
}

/* The series that has the wanted labels; else one that is not shown may take them. */
static struct series *find(struct metrics *m, const struct series *wanted, struct series **hidden,
			   uint32_t *count)
{
	*count = 0;
	*hidden = NULL;
	for (size_t i = 0; i < m->count; i++) {
		struct series *s = m->series[i];
		if (s->metric != wanted->metric || s->writer != wanted->writer)
			continue;
		(*count)++;
		if (has_labels(s, wanted))
			return s;
		if (!atomic_load(&s->shown))
			*hidden = s;
	}
	return NULL;
}

static struct series *take(struct metrics *m, const struct series *wanted)
{
	struct series *hidden, *s;
	struct series other = *wanted;
	uint32_t count;

	if ((s = find(m, wanted, &hidden, &count)) != NULL)
		return s;
	if ((s = hidden) == NULL && count >= table[wanted->metric].series_max) {
		for (int i = 0; i < METRICS_LABELS_MAX; i++)
			set_label(&other, i, table[wanted->metric].labels[i] ? "other" : "");
		wanted = &other;
		if ((s = find(m, wanted, &hidden, &count)) != NULL)
			return s;
	}
	if (!s && (s = make(m)) == NULL)
		return &m->spare;
	if (table[wanted->metric].kind == HISTOGRAM && !s->histogram)
		s->histogram = calloc(1, sizeof *s->histogram);
	if (table[wanted->metric].kind == HISTOGRAM && !s->histogram)
		return &m->spare; /* the made one stays hidden */
	s->metric = wanted->metric;
	s->writer = wanted->writer;
	memcpy(s->labels, wanted->labels, sizeof s->labels);
	return s;
}

struct series *metrics_series(struct metrics *m, int64_t writer, enum metric metric,
			      const char *first, const char *second)
{
	struct series wanted = {.metric = metric, .writer = writer};

	set_label(&wanted, 0, first);
	set_label(&wanted, 1, second);
	pthread_mutex_lock(&m->lock);
	struct series *s = take(m, &wanted);
	atomic_store(&s->shown, s != &m->spare);
	pthread_mutex_unlock(&m->lock);
	return s;
}

void metrics_hide(struct metrics *m, struct series *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&m->lock);
	atomic_store(&s->shown, false);
	atomic_store(&s->value, 0);
	pthread_mutex_unlock(&m->lock);
}

void series_add(struct series *s, uint64_t more)
{
	int64_t before = atomic_load_explicit(&s->value, memory_order_relaxed);
	atomic_store_explicit(&s->value, before + (int64_t)more, memory_order_relaxed);
}

void series_set(struct series *s, int64_t value)
{
	atomic_store_explicit(&s->value, value, memory_order_relaxed);
}

static int64_t series_value(const struct series *s)
{
	return atomic_load_explicit(&s->value, memory_order_relaxed);
}

static void bump(_Atomic uint64_t *at, uint64_t more)
{
	atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + more,
			      memory_order_relaxed);
}

void series_observe(struct series *s, int64_t us)
{
	size_t i = 0;

	while (i < BUCKETS && us > bounds_us[i])
		i++;
	bump(&s->histogram->buckets[i], 1);
	bump(&s->histogram->sum_us, (uint64_t)MAX(us, (int64_t)0));
}

/* ---- text ---- */

static int by_name(const void *a, const void *b)
{
	const struct series *x = *(const struct series *const *)a;
	const struct series *y = *(const struct series *const *)b;
	int order = (int)x->metric - (int)y->metric;

	for (int i = 0; i < METRICS_LABELS_MAX && !order; i++)
		order = strcmp(x->labels[i], y->labels[i]);
	return order ? order : (x->writer > y->writer) - (x->writer < y->writer);
}

static void put_value(struct buf *out, enum scale scale, int64_t value)
{
	switch (scale) {
	case PLAIN:
		buf_put_i64(out, value);
		return;
	case AGE_MS:
		value = value ? MAX(clock_wall_ms() - value, (int64_t)0) : 0;
		/* fall through */
	case FROM_MS:
		buf_printf(out, "%s%lld.%03lld", value < 0 ? "-" : "", llabs(value / 1000),
			   llabs(value % 1000));
		return;
	case FROM_US:
		buf_printf(out, "%lld.%06lld", (long long)(value / 1000000),
			   (long long)(value % 1000000));
		return;
	}
}

static void put_label(struct buf *out, const char *name, const char *value, bool first)
{
	buf_printf(out, "%s%s=\"", first ? "" : ",", name);
	for (; *value; value++) {
		if (*value == '\n') {
			buf_put(out, STR("\\n"));
			continue;
		}
		if (*value == '"' || *value == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *value);
	}
	buf_putc(out, '"');
}

/* name{labels,le="…"} with the blank behind it. */
static void put_name(struct buf *out, const struct series *s, const char *suffix, const char *le)
{
	const struct description *d = &table[s->metric];
	bool first = true;

	buf_printf(out, "%s%s", d->name, suffix);
	if (d->labels[0] || le) {
		buf_putc(out, '{');
		for (int i = 0; i < METRICS_LABELS_MAX && d->labels[i]; i++, first = false)
			put_label(out, d->labels[i], s->labels[i], first);
		if (le)
			put_label(out, "le", le, first);
		buf_putc(out, '}');
	}
	buf_putc(out, ' ');
}

/* One line of all writers' series `all[0…count)`, which have the same labels. */
static void put_number(struct buf *out, struct series *const *all, size_t count)
{
	const struct description *d = &table[all[0]->metric];
	int64_t value = d->greatest ? INT64_MIN : 0;

	for (size_t i = 0; i < count; i++) {
		int64_t one = series_value(all[i]);
		value = d->greatest ? MAX(value, one) : value + one;
	}
	put_name(out, all[0], "", NULL);
	put_value(out, d->scale, value);
	buf_putc(out, '\n');
}

static void put_histogram(struct buf *out, struct series *const *all, size_t count)
{
	uint64_t below = 0, sum_us = 0;
	char le[32];

	for (size_t b = 0; b <= BUCKETS; b++) {
		for (size_t i = 0; i < count; i++)
			below += atomic_load_explicit(&all[i]->histogram->buckets[b],
						      memory_order_relaxed);
		if (b < BUCKETS)
			(void)snprintf(le, sizeof le, "%g", (double)bounds_us[b] / 1e6);
		put_name(out, all[0], "_bucket", b < BUCKETS ? le : "+Inf");
		buf_put_u64(out, below);
		buf_putc(out, '\n');
	}
	for (size_t i = 0; i < count; i++)
		sum_us += atomic_load_explicit(&all[i]->histogram->sum_us, memory_order_relaxed);
	put_name(out, all[0], "_sum", NULL);
	put_value(out, FROM_US, (int64_t)sum_us);
	buf_putc(out, '\n');
	put_name(out, all[0], "_count", NULL);
	buf_put_u64(out, below);
	buf_putc(out, '\n');
}

void metrics_write(struct metrics *m, struct buf *out)
{
	struct series **all;
	size_t count = 0;
	int told = -1;

	pthread_mutex_lock(&m->lock);
	all = calloc(m->count + 1, sizeof *all);
	for (size_t i = 0; all && i < m->count; i++)
		if (atomic_load(&m->series[i]->shown))
			all[count++] = m->series[i];
	if (count)
		qsort(all, count, sizeof *all, by_name);
	for (size_t i = 0, same; i < count; i += same) {
		const struct description *d = &table[all[i]->metric];
		for (same = 1; i + same < count && all[i + same]->metric == all[i]->metric &&
			       has_labels(all[i + same], all[i]);)
			same++;
		if (told != (int)all[i]->metric)
			buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", d->name, d->help, d->name,
				   kinds[d->kind]);
		told = (int)all[i]->metric;
		if (d->kind == HISTOGRAM)
			put_histogram(out, &all[i], same);
		else
			put_number(out, &all[i], same);
	}
	free(all);
	pthread_mutex_unlock(&m->lock);
}

void metrics_describe(FILE *out)
{
	fputs("| metric | type | labels | means |\n|---|---|---|---|\n", out);
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		const struct description *d = &table[i];
		fprintf(out, "| `%s` | %s | ", d->name, kinds[d->kind]);
		for (int l = 0; l < METRICS_LABELS_MAX && d->labels[l]; l++)
			fprintf(out, "%s`%s`", l ? ", " : "", d->labels[l]);
		fprintf(out, "%s| %s |\n", d->labels[0] ? " " : "", d->help);
	}
}
