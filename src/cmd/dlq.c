/* dlq.c - `chatmill dlq list|show|redrive`: dead letters, and sending them back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/duration.h"
#include "base/utf8.h"
#include "cmd/archive_out.h"
#include "cmd/commands.h"
#include "cmd/topic_reader.h"
#include "consume/topic.h"
#include "send/letter.h"

struct dlq_options {
	const char *file, *error, *since, *until;
	bool json, raw, all, dry_run, insecure;
};

/* A place on the topic: partition/offset. */
struct place {
	int32_t partition;
	int64_t offset;
};

struct dlq {
	const struct dlq_options *options;
	struct config *config;
	struct brokers *brokers;
	struct place *places; /* chosen by the arguments; none: all that --error chooses */
	size_t place_count, found;
	int64_t since_ms, until_ms; /* [since, until) of the time when it was set aside */
	struct archive_out *out; /* redrive */
	struct arena arena;
	struct kafka_headers headers, kept; /* of the letter at hand; those that go with it */
	uint64_t redriven, dead_again;
	uint64_t left_out; /* chosen, and without the bytes of their records */
	struct place left_out_at; /* the first of them */
};

/* Headers that run added (CONTRACT.md section 2); they do not go back onto the archive. */
static bool is_ours(const char *name)
{
	return !strncmp(name, "__connect.errors.", 17) || !strcmp(name, "chatmill.error") ||
	       !strcmp(name, "chatmill.redrive") || !strcmp(name, "chatmill.left_out") ||
	       !strcmp(name, "chatmill.value_bytes");
}

static bool is_named(const struct dlq *d, const struct place *place)
{
	for (size_t i = 0; i < d->place_count; i++)
		if (d->places[i].partition == place->partition && d->places[i].offset == place->offset)
			return true;
	return false;
}

static bool is_chosen(struct dlq *d, const struct record *record, struct str error)
{
	if (d->options->error && !str_eq(error, str_of(d->options->error)))
		return false;
	if (record->time_ms < d->since_ms || record->time_ms >= d->until_ms)
		return false;
	struct place place = {record->partition, record->offset};
	return !d->place_count || is_named(d, &place);
}

static void put_json_text(struct buf *line, const char *name, struct str text)
{
	buf_printf(line, ",\"%s\":", name);
	buf_put_json(line, utf8_valid(text) ? text : STR("?"));
}

static void put_facts(struct buf *line, const struct record *r, const struct kafka_headers *headers)
{
	struct str bytes;
	const char *left_out = dead_form_name(dead_letter_form(headers, &bytes));
	uint64_t value_bytes;

	buf_printf(line, "{\"partition\":%d,\"offset\":%lld,\"time\":\"", r->partition,
		   (long long)r->offset);
	buf_put_time(line, MAX(r->time_ms, (int64_t)0));
	buf_putc(line, '"');
	put_json_text(line, "error", kafka_headers_last(headers, "chatmill.error"));
	put_json_text(line, "detail", kafka_headers_last(headers, "__connect.errors.exception.message"));
	put_json_text(line, "topic", kafka_headers_last(headers, "__connect.errors.topic"));
	put_json_text(line, "topic_partition",
		      kafka_headers_last(headers, "__connect.errors.partition"));
	put_json_text(line, "topic_offset", kafka_headers_last(headers, "__connect.errors.offset"));
	put_json_text(line, "redriven", kafka_headers_last(headers, "chatmill.redrive"));
	buf_printf(line, ",\"bytes\":%zu", r->value.len);
	if (!left_out)
		return;
	put_json_text(line, "left_out", str_of(left_out));
	if (str_to_u64(bytes, &value_bytes))
		buf_printf(line, ",\"value_bytes\":%llu", (unsigned long long)value_bytes);
}

/* ---- list ---- */

static int list_one(void *context, const struct consumed *got, struct err *err)
{
	struct dlq *d = context;
	const struct record *r = &got->record;
	struct kafka_headers *headers = &d->headers;
	struct buf line = {0};
	struct str bytes;

	consumed_headers_all(got, headers);
	struct str error = kafka_headers_last(headers, "chatmill.error");
	if (!is_chosen(d, r, error))
		return 0;
	d->found++;
	const char *left_out = dead_form_name(dead_letter_form(headers, &bytes));
	if (left_out && d->left_out++ == 0)
		d->left_out_at = (struct place){r->partition, r->offset};
	if (d->options->json) {
		put_facts(&line, r, headers);
		buf_put(&line, STR("}\n"));
	} else {
		buf_printf(&line, "%d/%lld\t", r->partition, (long long)r->offset);
		buf_put_time(&line, MAX(r->time_ms, (int64_t)0));
		struct str partition = kafka_headers_last(headers, "__connect.errors.partition");
		struct str offset = kafka_headers_last(headers, "__connect.errors.offset");
		buf_printf(&line, "\t%.*s\t%.*s/%.*s\t%zu", STR_ARG(error), STR_ARG(partition),
			   STR_ARG(offset), r->value.len);
		if (left_out)
			buf_printf(&line, "\tof %.*s: %s left out", STR_ARG(bytes), left_out);
		buf_putc(&line, '\n');
	}
	output_put(buf_str(&line));
	buf_fini(&line);
	return 0;
}

/* ---- show ---- */

static int without_bytes(const struct place *place, const struct kafka_headers *headers, struct err *err)
{
	struct str topic = kafka_headers_last(headers, "__connect.errors.topic");
	struct str partition = kafka_headers_last(headers, "__connect.errors.partition");
	struct str offset = kafka_headers_last(headers, "__connect.errors.offset");

	return err_set(err, ERR_DATA,
		       "dead letter %d/%lld has no bytes, its record was too large for the topic: it is "
		       "on %.*s at %.*s/%.*s",
		       place->partition, (long long)place->offset, STR_ARG(topic), STR_ARG(partition),
		       STR_ARG(offset));
}

static void show_json(const struct record *r, const struct kafka_headers *headers)
{
	struct buf line = {0};

	put_facts(&line, r, headers);
	buf_put(&line, STR(",\"key\":"));
	if (r->key.data && utf8_valid(r->key))
		buf_put_json(&line, r->key);
	else
		buf_put(&line, STR("null"));
	buf_put(&line, STR(",\"headers\":{"));
	for (size_t i = 0, shown = 0; i < headers->count; i++) {
		const struct kafka_header *h = &headers->items[i];
		if (is_ours(h->name))
			continue;
		if (shown++)
			buf_putc(&line, ',');
		buf_put_json(&line, str_of(h->name));
		buf_putc(&line, ':');
		buf_put_json(&line, utf8_valid(h->value) ? h->value : STR("?"));
	}
	buf_putc(&line, '}');
	if (utf8_valid(r->value)) {
		put_json_text(&line, "value", r->value);
	} else {
		buf_put(&line, STR(",\"value_base64\":\""));
		buf_put_base64(&line, r->value);
		buf_putc(&line, '"');
	}
	buf_put(&line, STR("}\n"));
	output_put(buf_str(&line));
	buf_fini(&line);
}

static int show_one(void *context, const struct consumed *got, struct err *err)
{
	struct dlq *d = context;
	struct kafka_headers *headers = &d->headers;
	struct str bytes;

	consumed_headers_all(got, headers);
	if (!is_chosen(d, &got->record, kafka_headers_last(headers, "chatmill.error")))
		return 0;
	if (d->options->raw && dead_letter_form(headers, &bytes) != DEAD_WHOLE)
		return without_bytes(&(struct place){got->record.partition, got->record.offset}, headers,
				     err);
	if (d->options->raw)
		output_put(got->record.value);
	else
		show_json(&got->record, headers);
	return ++d->found == d->place_count;
}

/* ---- redrive ---- */

static int redrive_one(void *context, const struct consumed *got, struct err *err)
{
	struct dlq *d = context;
	struct kafka_headers *headers = &d->headers, *out = &d->kept;
	char again[24];
	uint64_t times = 0;
	int64_t time_ms;
	struct str bytes;

	consumed_headers_all(got, headers);
	if (!is_chosen(d, &got->record, kafka_headers_last(headers, "chatmill.error")))
		return 0;
	d->found++;
	if (dead_letter_form(headers, &bytes) != DEAD_WHOLE) {
		if (d->left_out++ == 0)
			d->left_out_at = (struct place){got->record.partition, got->record.offset};
		return 0;
	}
	out->count = 0;
	for (size_t i = 0; i < headers->count; i++)
		if (!is_ours(headers->items[i].name))
			kafka_headers_add(out, headers->items[i].name, headers->items[i].value);
	if (!str_to_u64(kafka_headers_last(headers, "chatmill.redrive"), &times))
		times = 0;
	(void)snprintf(again, sizeof again, "%llu", (unsigned long long)times + 1);
	kafka_headers_add(out, "chatmill.redrive", str_of(again));

	arena_reset(&d->arena);
	struct record record = topic_record(&got->record, &d->arena);
	record.time_inherited = true; /* that of the dead letter, not of the record it was */
	int result = archive_out_put(d->out, &record, out->items, out->count, &time_ms, err);
	d->redriven += result >= 0;
	d->dead_again += result > DECODE_NULL;
	return result < 0 ? -1 : 0;
}

/* ---- the commands ---- */

static int read_places(struct dlq *d, const char *const *arguments, int count, struct err *err)
{
	d->places = calloc(MAX((size_t)count, (size_t)1), sizeof *d->places);
	if (!d->places)
		return err_set(err, ERR_OS, "out of memory");
	for (int i = 0; i < count; i++) {
		struct str text = str_of(arguments[i]);
		const char *slash = memchr(text.data, '/', text.len);
		int64_t partition, offset;
		if (!slash ||
		    !str_to_i64((struct str){text.data, (size_t)(slash - text.data)}, &partition) ||
		    !str_to_i64(str_of(slash + 1), &offset) || partition < 0 ||
		    partition > INT32_MAX || offset < 0)
			return err_set(err, ERR_USAGE,
				       "a dead letter is named PARTITION/OFFSET, as `dlq list` "
				       "shows it; not '%s'",
				       arguments[i]);
		struct place place = {(int32_t)partition, offset};
		if (!is_named(d, &place)) /* twice is once */
			d->places[d->place_count++] = place;
	}
	return 0;
}

static void dlq_fini(struct dlq *d)
{
	archive_out_free(d->out);
	brokers_free(d->brokers);
	config_free(d->config);
	free(d->places);
	kafka_headers_fini(&d->headers);
	kafka_headers_fini(&d->kept);
	arena_fini(&d->arena);
}

static int dlq_open(struct dlq *d, const void *options, const char *const *arguments, int count,
		    struct err *err)
{
	d->options = options;
	if (d->options->error) {
		const char *names[DECODE_RESULT_COUNT];
		size_t known = 0;
		bool found = false;
		for (int i = DECODE_BAD_JSON; i < DECODE_RESULT_COUNT; i++) {
			names[known++] = decode_result_name((enum decode_result)i);
			found |= !strcmp(names[known - 1], d->options->error);
		}
		const char *nearest = str_nearest(str_of(d->options->error), names, known);
		if (!found)
			return err_set(err, ERR_USAGE, "--error: there is no reason '%s'%s%s%s",
				       d->options->error, nearest ? "; did you mean " : "",
				       nearest ? nearest : "", nearest ? "?" : "");
	}
	d->since_ms = INT64_MIN;
	d->until_ms = INT64_MAX;
	if (duration_read_time("--since", d->options->since, &d->since_ms, err) < 0 ||
	    duration_read_time("--until", d->options->until, &d->until_ms, err) < 0 ||
	    read_places(d, arguments, count, err) < 0 || config_open(&d->config, d->options->file, err) < 0)
		return -1;
	return brokers_new(&d->brokers, d->config, d->options->insecure, err);
}

static int read_dlq(struct dlq *d, topic_take take, struct err *err)
{
	return topic_read(d->config, d->brokers, d->config->output.deadletter, take, d, err);
}

static int list(const void *options, const char *const *arguments, int count, struct err *err)
{
	struct dlq d = {0};
	int status = dlq_open(&d, options, arguments, count, err);

	if (status == 0)
		status = read_dlq(&d, list_one, err);
	dlq_fini(&d);
	return status;
}

static int missing(const struct dlq *d, struct err *err)
{
	return err_set(err, ERR_NOINPUT, "%zu of the %zu dead letters named are not on %s",
		       d->place_count - d->found, d->place_count, d->config->output.deadletter);
}

static int show(const void *options, const char *const *arguments, int count, struct err *err)
{
	struct dlq d = {0};
	int status = dlq_open(&d, options, arguments, count, err);

	if (status == 0)
		status = read_dlq(&d, show_one, err);
	if (status == 0 && d.found < d.place_count)
		status = missing(&d, err);
	dlq_fini(&d);
	return status;
}

/* What is said at the end, when all the others are sent. */
static int redriven(const struct dlq *d, struct err *err)
{
	if (d->found < d->place_count)
		return missing(d, err);
	if (!d->left_out)
		return 0;
	return err_set(err, ERR_DATA,
		       "%llu of the dead letters cannot be sent back: they are without the bytes of their "
		       "records, which were too large for %s; the first is %d/%lld, and `dlq list` says "
		       "where the records are on the archive",
		       (unsigned long long)d->left_out, d->config->output.deadletter,
		       d->left_out_at.partition, (long long)d->left_out_at.offset);
}

static int send_back(struct dlq *d, struct err *err)
{
	struct archive_out_settings settings = {.config = d->config, .brokers = d->brokers};

	const struct dlq_options *o = d->options;

	if (!d->place_count && !o->error && !o->since && !o->until && !o->all)
		return err_set(err, ERR_USAGE, "which? name them PARTITION/OFFSET, or say --error "
					       "REASON, --since TIME or --all");
	if (o->dry_run) {
		if (read_dlq(d, list_one, err) < 0)
			return -1;
		fprintf(stderr, "%zu dead letters would be sent to %s\n", d->found - d->left_out,
			d->config->input.topic);
		return redriven(d, err);
	}
	if (archive_out_new(&d->out, &settings, err) < 0 || read_dlq(d, redrive_one, err) < 0 ||
	    archive_out_flush(d->out, err) < 0)
		return -1;
	fprintf(stderr, "%llu dead letters sent to %s, %llu of them as broken as before\n",
		(unsigned long long)d->redriven, d->config->input.topic,
		(unsigned long long)d->dead_again);
	return redriven(d, err);
}

static int redrive(const void *options, const char *const *arguments, int count, struct err *err)
{
	struct dlq d = {0};
	int status = dlq_open(&d, options, arguments, count, err);

	if (status == 0)
		status = send_back(&d, err);
	dlq_fini(&d);
	return status;
}

#define ROW_ERROR                                                                                  \
	{"error", 'e', OPTION_TEXT, "REASON", "only those: bad_json, no_msgid, misrouted …",       \
	 offsetof(struct dlq_options, error)}

#define ROWS_TIME                                                                                  \
	{"since", 0, OPTION_TEXT, "TIME", "only those set aside then or later, or so long ago",    \
	 offsetof(struct dlq_options, since)},                                                     \
	{"until", 0, OPTION_TEXT, "TIME", "only those set aside before then, or so long ago",      \
	 offsetof(struct dlq_options, until)}

static const struct option list_rows[] = {
	OPTION_CONFIG(struct dlq_options),
	ROW_ERROR,
	ROWS_TIME,
	OPTION_JSON(struct dlq_options),
	OPTION_INSECURE(struct dlq_options),
	OPTIONS_END,
};

static const struct option show_rows[] = {
	OPTION_CONFIG(struct dlq_options),
	{"raw", 0, OPTION_FLAG, NULL, "the bytes of the value and nothing else",
	 offsetof(struct dlq_options, raw)},
	OPTION_INSECURE(struct dlq_options),
	OPTIONS_END,
};

static const struct option redrive_rows[] = {
	OPTION_CONFIG(struct dlq_options),
	ROW_ERROR,
	ROWS_TIME,
	{"all", 0, OPTION_FLAG, NULL, "every dead letter on the topic",
	 offsetof(struct dlq_options, all)},
	{"dry-run", 0, OPTION_FLAG, NULL, "send nothing; list those that would be sent",
	 offsetof(struct dlq_options, dry_run)},
	OPTION_INSECURE(struct dlq_options),
	OPTIONS_END,
};

const struct command cmd_dlq_list = {
	.words = "dlq list",
	.arguments = "-c FILE [--error REASON] [--since TIME] [--json]",
	.summary = "dead letters: where, when, why",
	.help = "One line for each dead letter: PARTITION/OFFSET on the dead letters' topic, when it was\n"
		"set aside, the reason, partition/offset on the archive, bytes; with tabs between. What\n"
		"had to be left out of one that is larger than its topic takes comes last.\n"
		"\n"
		"examples:\n"
		"  chatmill dlq list -c chatmill.yaml\n"
		"  chatmill dlq list -c chatmill.yaml --error misrouted --json\n"
		"\n"
		"exit status: 0 told, 64 wrong usage, 69 no broker, 77 not permitted, 78 no such topic",
	.options = list_rows,
	.options_bytes = sizeof(struct dlq_options),
	.run = list,
};

const struct command cmd_dlq_show = {
	.words = "dlq show",
	.arguments = "-c FILE PARTITION/OFFSET…",
	.summary = "one dead letter with its bytes (message text!)",
	.help = "Prints the dead letter as JSON: why, where it came from, key, headers and value.\n"
		"\n"
		"examples:\n"
		"  chatmill dlq show -c chatmill.yaml 3/17\n"
		"  chatmill dlq show -c chatmill.yaml --raw 3/17 > record.json\n"
		"\n"
		"exit status: 0 done, 65 --raw of one that had to go without its bytes, 66 no such dead\n"
		"letter",
	.options = show_rows,
	.options_bytes = sizeof(struct dlq_options),
	.arguments_min = 1,
	.arguments_max = -1,
	.run = show,
};

const struct command cmd_dlq_redrive = {
	.words = "dlq redrive",
	.arguments = "-c FILE [--dry-run] (PARTITION/OFFSET… | --error REASON | --since TIME | --all)",
	.summary = "send dead letters back onto the archive, keyed anew",
	.help = "Each keeps its bytes and headers, gets the key that `run` wants and the header\n"
		"chatmill.redrive: n. Doing it twice has one effect: messages are known by their id.\n"
		"\n"
		"examples:\n"
		"  chatmill dlq redrive -c chatmill.yaml --error misrouted --since 24h --dry-run\n"
		"  chatmill dlq redrive -c chatmill.yaml --error misrouted --since 24h\n"
		"  chatmill dlq redrive -c chatmill.yaml 3/17 3/18\n"
		"\n"
		"exit status: 0 sent, 64 wrong usage, 65 all but those that had to go without their bytes\n"
		"(`dlq list` says where on the archive they are), 66 a dead letter that was named is not\n"
		"there",
	.options = redrive_rows,
	.options_bytes = sizeof(struct dlq_options),
	.arguments_max = -1,
	.run = redrive,
};
