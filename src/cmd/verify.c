/* verify.c - `chatmill verify`: is what stands on the topics and in the tables what it should be? */
/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/verify.h"

#include "base/buf.h"
#include "base/duration.h"
#include "base/log.h"
#include "cmd/commands.h"
#include "cmd/progress.h"
#include "database.h"

enum { SHELF_MS = 60000 };

struct verify_options {
	const char *file, *from, *to, *since, *until, *partition;
	bool json, no_past, no_database, insecure;
};

struct verifying {
	const struct verify_options *options;
	struct config *config;
	struct brokers *brokers;
	struct shelf *shelf;
	struct audit *audit; /* NULL: no tables */
	struct progress progress;
	struct buf line;
	uint64_t found[DISCREPANCY_KIND_COUNT], found_all;
};

/* ---- what goes out ---- */

static void put_place(struct buf *line, const char *name, int32_t partition, int64_t offset)
{
	buf_printf(line, ",\"%s\":", name);
	if (partition < 0)
		buf_put(line, STR("null"));
	else if (offset < 0)
		buf_printf(line, "{\"partition\":%d}", partition);
	else
		buf_printf(line, "{\"partition\":%d,\"offset\":%lld}", partition, (long long)offset);
}

static void put_name(struct buf *line, const char *name, struct str text)
{
	buf_printf(line, ",\"%s\":", name);
	if (text.len)
		buf_put_json(line, text);
	else
		buf_put(line, STR("null"));
}

static void put_json(struct buf *line, const struct discrepancy *d)
{
	buf_printf(line, "{\"finding\":\"%s\"", discrepancy_name(d->kind));
	put_name(line, "topic", str_of(d->topic));
	put_place(line, "at", d->partition, d->offset);
	put_name(line, "id", d->id);
	put_place(line, "archive", d->source_partition, d->source_offset);
	put_name(line, "table", str_of(d->table));
	put_name(line, "reason", str_of(d->reason));
	buf_put(line, STR("}\n"));
}

static void put_place_text(struct buf *line, char before, const char *name, int32_t partition,
			   int64_t offset)
{
	buf_printf(line, "%c%s", before, name);
	if (partition >= 0)
		buf_printf(line, " %d", partition);
	if (partition >= 0 && offset >= 0)
		buf_printf(line, "/%lld", (long long)offset);
}

static void put_text(struct buf *line, const struct discrepancy *d)
{
	buf_put(line, str_of(discrepancy_name(d->kind)));
	if (d->table)
		buf_printf(line, "\t%s", d->table);
	if (d->topic)
		put_place_text(line, d->table ? ' ' : '\t', d->topic, d->partition, d->offset);
	buf_printf(line, "\t%.*s", (int)(d->id.len ? d->id.len : 1), d->id.len ? d->id.data : "-");
	put_place_text(line, '\t', d->source_partition < 0 ? "-" : "archive", d->source_partition,
		       d->source_offset);
	buf_printf(line, "\t%s\n", d->reason);
}

static void report(void *context, const struct discrepancy *d)
{
	struct verifying *v = context;

	v->found[d->kind]++;
	v->found_all++;
	buf_clear(&v->line);
	if (v->options->json)
		put_json(&v->line, d);
	else
		put_text(&v->line, d);
	progress_end(&v->progress);
	output_put(buf_str(&v->line));
}

static void report_row(void *context, const struct audit_row *row)
{
	struct discrepancy d = {
		.kind = row->is_lost	 ? DISCREPANCY_ROW_LOST
			: row->is_changed ? DISCREPANCY_ROW_CHANGED
					  : DISCREPANCY_ROW_UNEXPECTED,
		.topic = row->topic,
		.partition = row->topic ? row->partition : -1,
		.offset = row->offset,
		.id = row->id,
		.source_partition = -1,
		.source_offset = -1,
		.table = row->table,
		.reason = row->reason,
	};

	report(context, &d);
}

static void show_progress(void *context, uint64_t done, uint64_t all, int32_t partition)
{
	struct verifying *v = context;
	char what[40];

	if (!v->progress.on)
		return;
	(void)snprintf(what, sizeof what, "partition %d", partition);
	progress_show(&v->progress, what, done, all, done);
}

static void print_summary(const struct verifying *v, const struct verify_counts *c)
{
	if (v->options->json) {
		printf("{\"result\":\"%s\",\"records\":%llu,\"events\":%llu,\"dead_letters\":%llu,"
		       "\"rows\":%llu,\"not_yet\":%llu,\"passed\":%llu,\"refused\":%llu,\"findings\":{",
		       v->found_all ? "different" : "equal", (unsigned long long)c->records,
		       (unsigned long long)c->events, (unsigned long long)c->letters,
		       (unsigned long long)c->rows, (unsigned long long)c->not_yet, (unsigned long long)c->passed,
		       (unsigned long long)c->refused);
		const char *comma = "";
		for (int k = 0; k < DISCREPANCY_KIND_COUNT; k++)
			if (v->found[k]) {
				printf("%s\"%s\":%llu", comma, discrepancy_name(k),
				       (unsigned long long)v->found[k]);
				comma = ",";
			}
		printf("}}\n");
		return;
	}
	fprintf(stderr, "%llu records judged again; %llu events and %llu dead letters compared",
		(unsigned long long)c->records, (unsigned long long)c->events,
		(unsigned long long)c->letters);
	if (v->audit)
		fprintf(stderr, "; %llu rows of tables", (unsigned long long)c->rows);
	if (c->not_yet)
		fprintf(stderr, "; %llu not yet made by run", (unsigned long long)c->not_yet);
	if (c->passed)
		fprintf(stderr, "; %llu older than what topics and tables still hold",
			(unsigned long long)c->passed);
	if (c->refused)
		fprintf(stderr, "; %llu that the database refused, see chatmill.sink_reject",
			(unsigned long long)c->refused);
	fprintf(stderr, "\n%s", v->found_all ? "different:" : "equal");
	for (int k = 0; k < DISCREPANCY_KIND_COUNT; k++)
		if (v->found[k])
			fprintf(stderr, " %llu %s", (unsigned long long)v->found[k],
				discrepancy_name(k));
	fprintf(stderr, "\n");
}

/* ---- options ---- */

static int read_number(const char *option, const char *text, int64_t *out, struct err *err)
{
	if (text && (!str_to_i64(str_of(text), out) || *out < 0))
		return err_set(err, ERR_USAGE, "%s takes a whole number from 0, not '%s'", option,
			       text);
	return 0;
}

static int read_range(const struct verify_options *o, struct verify_range *range, struct err *err)
{
	int64_t partition = -1;

	*range = (struct verify_range){-1, 0, INT64_MAX, INT64_MIN, INT64_MAX};
	if (read_number("--partition", o->partition, &partition, err) < 0 ||
	    read_number("--from", o->from, &range->from_offset, err) < 0 ||
	    read_number("--to", o->to, &range->to_offset, err) < 0 ||
	    duration_read_time("--since", o->since, &range->from_ms, err) < 0 ||
	    duration_read_time("--until", o->until, &range->to_ms, err) < 0)
		return -1;
	if (partition > INT32_MAX)
		return err_set(err, ERR_USAGE, "--partition is too large");
	range->partition = (int32_t)partition;
	return 0;
}

/* ---- the command ---- */

static int open_audit(struct verifying *v, struct err *err)
{
	struct pg_setting keys[DATABASE_KEYS_MAX];
	size_t count;

	if (!v->config->postgres.count || v->options->no_database)
		return 0;
	if (database_settings(keys, &count, v->config, err) < 0)
		return -1;
	struct audit_settings settings = {
		.postgres = keys,
		.postgres_count = count,
		.pipeline = v->config->pipeline,
		.report = report_row,
		.context = v,
	};
	return audit_new(&v->audit, &settings, err);
}

static int verify(struct verifying *v, struct err *err)
{
	struct verify_settings settings = {.no_past = v->options->no_past,
					   .report = report,
					   .progress = show_progress,
					   .context = v};
	struct verify_counts counts;

	if (read_range(v->options, &settings.range, err) < 0 ||
	    config_open(&v->config, v->options->file, err) < 0 ||
	    brokers_new(&v->brokers, v->config, v->options->insecure, err) < 0)
		return -1;
	struct shelf_settings shelf = {.kafka = &v->brokers->settings,
				       .group = v->config->pipeline,
				       .topic = v->config->output.rulesets,
				       .compile = true};
	if (open_audit(v, err) < 0 || shelf_new(&v->shelf, &shelf, err) < 0 || shelf_wait(v->shelf, SHELF_MS, err) < 0)
		return -1;
	settings.config = v->config;
	settings.brokers = v->brokers;
	settings.shelf = v->shelf;
	settings.audit = v->audit;
	progress_start(&v->progress);
	int status = verify_all(&settings, &counts, err);
	progress_end(&v->progress);
	if (status == 0)
		print_summary(v, &counts);
	return status == 0 && v->found_all ? err_set(err, ERR_NO, "%s", "") : status;
}

static int run(const void *given, const char *const *arguments, int count, struct err *err)
{
	struct verifying v = {.options = given};

	log_set_level(LOG_WARN); /* that a rule set is compiled is no news here */
	int status = verify(&v, err);
	audit_free(v.audit);
	shelf_free(v.shelf);
	brokers_free(v.brokers);
	config_free(v.config);
	buf_fini(&v.line);
	return status;
}

static const struct option options[] = {
	OPTION_CONFIG(struct verify_options),
	{"partition", 'p', OPTION_TEXT, "N", "what comes of this partition of the archive only",
	 offsetof(struct verify_options, partition)},
	{"from", 0, OPTION_TEXT, "OFFSET", "of the archive's records from this offset on",
	 offsetof(struct verify_options, from)},
	{"to", 0, OPTION_TEXT, "OFFSET", "… and before this one",
	 offsetof(struct verify_options, to)},
	{"since", 0, OPTION_TEXT, "TIME", "of records not older (their time on the topic)",
	 offsetof(struct verify_options, since)},
	{"until", 0, OPTION_TEXT, "TIME", "of records older than this",
	 offsetof(struct verify_options, until)},
	{"no-past", 0, OPTION_FLAG, NULL, "the oldest record left is the first that run ever took",
	 offsetof(struct verify_options, no_past)},
	{"no-database", 0, OPTION_FLAG, NULL, "leave the tables out",
	 offsetof(struct verify_options, no_database)},
	OPTION_JSON(struct verify_options),
	OPTION_INSECURE(struct verify_options),
	OPTIONS_END,
};

const struct command cmd_verify = {
	.words = "verify",
	.arguments = "-c FILE [--partition N] [--since TIME] [--json]",
	.summary = "proves that nothing was lost, doubled, torn or changed",
	.help = "Judges the whole archive again, each record by the rules that held at its offset, and\n"
		"compares what comes of it with the event topics, the dead letters, the positions in the\n"
		"state and, if `postgres` is configured, the tables. Reads only, joins no group; run and\n"
		"sink may go on meanwhile. Needs the configuration that run has (pipeline, evidence,\n"
		"state.memory, input.corpid).\n"
		"\n"
		"Prints one line for each difference, with tabs between: what, table and topic\n"
		"partition/offset, event id, archive partition/offset, why. Never text. What: lost, torn\n"
		"(of one message some events are there, or the state does not know of it), doubled,\n"
		"changed, out_of_order, unexpected; dead_… of dead letters; row_lost, row_changed,\n"
		"row_unexpected of tables: of tag_event, stage_event, alert, customer_tag, customer_stage.\n"
		"\n"
		"A range says which records are asked about. All before them are judged too, for the\n"
		"state that customers were in: it costs the same time. An archive that lost its\n"
		"beginning proves nothing and is refused (65), unless run began there too (--no-past).\n"
		"What is older than a topic or table still holds is counted, not compared.\n"
		"\n"
		"examples:\n"
		"  chatmill verify -c chatmill.yaml\n"
		"  chatmill verify -c chatmill.yaml --since 24h --json\n"
		"  chatmill verify -c chatmill.yaml -p 3 --from 120000 --to 130000\n"
		"\n"
		"exit status: 0 equal, 1 different, 64 wrong usage, 65 the archive's beginning is gone,\n"
		"69 no server answers, 75 a transaction hangs, 77 not permitted, 78 wrong topics or schema,\n"
		"or rules of another version",
	.options = options,
	.options_bytes = sizeof(struct verify_options),
	.run = run,
};
