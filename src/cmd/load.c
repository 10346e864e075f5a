/* load.c - `chatmill load`: files onto the archive topic, keyed and time-stamped as `run` wants. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "cmd/archive_out.h"
#include "cmd/commands.h"
#include "cmd/progress.h"
#include "consume/file.h"

struct load_options {
	const char *file;
	int64_t rate;
	bool insecure;
};

struct load {
	const struct load_options *options;
	struct config *config;
	struct brokers *brokers;
	struct archive_out *out;
	int64_t last_time_ms; /* of the line before */
	int64_t started_ms;
	uint64_t lines, dead;
	struct progress progress;
};

static int take_line(struct load *l, struct record *record, struct err *err)
{
	record->time_ms = l->last_time_ms;
	int result = archive_out_put(l->out, record, NULL, 0, &l->last_time_ms, err);
	l->lines++;
	l->dead += result > DECODE_NULL;
	return result < 0 ? -1 : 0;
}

/* Waits until `rate` lines a second allow the next. */
static void keep_rate(const struct load *l)
{
	if (!l->options->rate)
		return;
	int64_t due_ms = l->started_ms + (int64_t)(l->lines * 1000 / (uint64_t)l->options->rate);
	int64_t wait_ms = due_ms - clock_monotonic_ms();
	if (wait_ms > 0)
		clock_sleep_ms(wait_ms);
}

static int load_file(struct load *l, const char *path, struct err *err)
{
	OWNED(file_source) *source = NULL;
	struct record record;
	int got;

	if (file_source_open(&source, path, err) < 0)
		return -1;
	while ((got = file_source_fill(source, err)) > 0) {
		while (file_source_next(source, &record)) {
			if (take_line(l, &record, err) < 0)
				return err_wrap(err, "%s line %lld", path,
						(long long)record.offset);
			keep_rate(l);
		}
		uint64_t done, size;
		file_source_progress(source, &done, &size);
		progress_show(&l->progress, path, done, size, l->lines);
	}
	return got;
}

static int load_all(struct load *l, const char *const *files, int count, struct err *err)
{
	static const char *const standard_input[] = {"-"};
	int status = 0;

	if (config_open(&l->config, l->options->file, err) < 0 ||
	    file_sources_check(files, count, err) < 0 ||
	    brokers_new(&l->brokers, l->config, l->options->insecure, err) < 0)
		return -1;
	struct archive_out_settings out = {.config = l->config, .brokers = l->brokers};
	if (archive_out_new(&l->out, &out, err) < 0)
		return -1;
	l->last_time_ms = 1;
	l->started_ms = clock_monotonic_ms();
	progress_start(&l->progress);
	for (int i = 0; i < MAX(count, 1) && status == 0; i++)
		status = load_file(l, (count ? files : standard_input)[i], err);
	progress_end(&l->progress);
	/* What was read before a broken place is delivered too. */
	struct err flushed;
	if (archive_out_flush(l->out, &flushed) < 0 && status == 0) {
		*err = flushed;
		status = -1;
	}
	if (status == 0)
		fprintf(stderr, "%llu lines, %llu records sent to %s, %llu of them will be dead letters\n",
			(unsigned long long)l->lines, (unsigned long long)archive_out_sent(l->out),
			l->config->input.topic, (unsigned long long)l->dead);
	return status;
}

static int load(const void *given, const char *const *arguments, int count, struct err *err)
{
	struct load l = {.options = given};
	int status = load_all(&l, arguments, count, err);

	archive_out_free(l.out);
	brokers_free(l.brokers);
	config_free(l.config);
	return status;
}

static const struct option options[] = {
	OPTION_CONFIG(struct load_options),
	{"rate", 0, OPTION_NUMBER, "N", "at most N lines a second (default: as fast as can be)",
	 offsetof(struct load_options, rate), 1},
	OPTION_INSECURE(struct load_options),
	OPTIONS_END,
};

const struct command cmd_load = {
	.words = "load",
	.arguments = "-c FILE [FILE…|-]",
	.summary = "put NDJSON files on the archive topic",
	.help = "Reads archived messages (NDJSON, plain or zstd; standard input without FILE or\n"
		"with -) and sends each line as it is, keyed corpid/subject and stamped with its\n"
		"recv_ts, else its msgtime, else the time of the line before. Batches (chatdata) are\n"
		"split. Clock records go to every partition. A line that cannot be used is sent too:\n"
		"`run` makes the dead letter. Loading a file twice has no second effect, as long as\n"
		"`run` remembers its messages (state.memory).\n"
		"\n"
		"examples:\n"
		"  chatmill load -c chatmill.yaml archive.jsonl.zst\n"
		"  exporter | chatmill load -c chatmill.yaml\n"
		"\n"
		"exit status: 0 every line was acknowledged, 65 broken file, 66 no such file,\n"
		"69 no broker, 77 not permitted, 78 no such topic",
	.options = options,
	.options_bytes = sizeof(struct load_options),
	.arguments_max = -1,
	.run = load,
};
