/* verify.c - makes what is needed, and goes through the classes of partitions. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/verify_parts.h"

static bool asks_for_all(const struct verify *v)
{
	const struct verify_range *range = &v->settings->range;

	return range->partition < 0 && range->from_offset <= 0 && range->to_offset == INT64_MAX &&
	       range->from_ms == INT64_MIN && range->to_ms == INT64_MAX;
}

static bool was_judged(void *context, int32_t partition, int64_t offset)
{
	const struct verify *v = context;

	if (asks_for_all(v))
		return partition >= v->partitions || offset >= v->inlets[partition].low;
	return partition < v->partitions && offset >= v->inlets[partition].in_first &&
	       offset <= v->inlets[partition].in_last;
}

static void pass_report(void *context, const struct discrepancy *d)
{
	const struct verify *v = context;

	v->settings->report(v->settings->context, d);
}

static int make(struct verify *v, struct err *err)
{
	struct consumer_settings consumer = {
		.kafka = &v->settings->brokers->settings,
		.group = v->config->pipeline,
		.batch = true,
		.ends = true,
		.fetch_wait_ms = "50",
	};
	struct ledger_settings ledger = {.report = pass_report, .context = v};
	struct letters_settings letters = {.topic = v->config->output.deadletter,
					   .archive = v->config->input.topic,
					   .report = pass_report,
					   .context = v};

	if (consumer_new(&v->archive, &consumer, err) < 0 ||
	    consumer_new(&v->events, &consumer, err) < 0 || verify_find_topics(v, err) < 0 ||
	    ledger_new(&v->ledger, &ledger, err) < 0 || event_reader_new(&v->reader, err) < 0 ||
	    letters_new(&v->letters, &letters, err) < 0)
		return -1;
	struct replay_settings replay = {v->config, v->settings->shelf, v->partitions};
	return replay_new(&v->replay, &replay, verify_made, v, err);
}

static int go(struct verify *v, struct err *err)
{
	const struct verify_range *range = &v->settings->range;

	if (make(v, err) < 0 || verify_note_places(v, err) < 0)
		return -1;
	if (range->partition >= v->partitions)
		return err_set(err, ERR_USAGE, "%s has the partitions 0 to %d", v->config->input.topic,
			       v->partitions - 1);
	for (v->class_at = 0; v->class_at < v->classes; v->class_at++)
		if ((range->partition < 0 || range->partition % v->classes == v->class_at) &&
		    verify_class(v, err) < 0)
			return -1;
	letters_close(v->letters, was_judged);
	return v->settings->audit && asks_for_all(v) ? audit_close(v->settings->audit, err) : 0;
}

int verify_all(const struct verify_settings *settings, struct verify_counts *counts,
	       struct err *err)
{
	struct verify v = {.settings = settings, .config = settings->config};
	int status = go(&v, err);

	if (v.ledger) {
		struct ledger_counts l = ledger_counts(v.ledger);
		v.counts.passed += l.passed;
		v.counts.not_yet += l.not_yet;
	}
	if (settings->audit) {
		struct audit_counts a = audit_counts(settings->audit);
		v.counts.passed += a.passed;
		v.counts.rows = a.rows;
		v.counts.refused = a.refused;
	}
	*counts = v.counts;
	consumer_free(v.archive);
	consumer_free(v.events);
	replay_free(v.replay);
	ledger_free(v.ledger);
	event_reader_free(v.reader);
	letters_free(v.letters);
	for (size_t t = 0; t < v.topic_count; t++)
		free(v.topics[t].outlets);
	free(v.inlets);
	for (size_t i = 0; v.streams && i < v.stream_count; i++)
		order_fini(&v.streams[i].order);
	free(v.streams);
	buf_fini(&v.key);
	buf_fini(&v.value);
	buf_fini(&v.scratch);
	kafka_headers_fini(&v.headers);
	return status;
}
