/* tick.c - `chatmill tick`: a clock record on every partition of the archive. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/duration.h"
#include "cmd/archive_out.h"
#include "cmd/commands.h"

#define CLOCK_MIN_MS INT64_C(100000000000) /* as decode reads times */

struct tick_options {
	const char *file, *behind, *corp;
	bool insecure;
};

static int tick(const void *given, const char *const *arguments, int count, struct err *err)
{
	const struct tick_options *o = given;
	OWNED(config) *config = NULL;
	OWNED(brokers) *brokers = NULL;
	OWNED(archive_out) *out = NULL;
	struct buf value = {0};
	int64_t behind_ms = 15 * 60000, now_ms = clock_wall_ms(), time_ms;

	if (o->behind && duration_read("--behind", o->behind, &behind_ms, err) < 0)
		return -1;
	/* Smaller numbers are read as seconds. */
	if (behind_ms > now_ms - CLOCK_MIN_MS)
		return err_set(err, ERR_USAGE,
			       "--behind: %s ago is too far back; no clock stands before March 1973",
			       o->behind);
	if (config_open(&config, o->file, err) < 0)
		return -1;
	const char *corp = o->corp ? o->corp : config->input.corpid;
	if (!corp)
		return err_set(err, ERR_USAGE, "whose clock? give --corp ID, or input.corpid in %s",
			       o->file);
	if (brokers_new(&brokers, config, o->insecure, err) < 0)
		return -1;
	struct archive_out_settings settings = {.config = config, .brokers = brokers};
	if (archive_out_new(&out, &settings, err) < 0)
		return -1;
	buf_put(&value, STR("{\"corpid\":"));
	buf_put_json(&value, str_of(corp));
	buf_printf(&value, ",\"clock\":%lld}", (long long)(now_ms - behind_ms));
	memset(buf_room(&value, RECORD_PADDING), 0, RECORD_PADDING);
	struct record record = {.value = buf_str(&value), .time_ms = now_ms, .partition = -1};
	int result = archive_out_put(out, &record, NULL, 0, &time_ms, err);
	buf_fini(&value);
	if (result > DECODE_NULL)
		return err_set(err, ERR_USAGE, "--corp: %s",
			       decode_result_detail((enum decode_result)result));
	return result < 0 ? -1 : archive_out_flush(out, err);
}

static const struct option options[] = {
	OPTION_CONFIG(struct tick_options),
	{"behind", 0, OPTION_TEXT, "TIME", "how far behind now the clock is set (default: 15m)",
	 offsetof(struct tick_options, behind)},
	{"corp", 0, OPTION_TEXT, "ID", "whose clock (default: input.corpid)",
	 offsetof(struct tick_options, corp)},
	OPTION_INSECURE(struct tick_options),
	OPTIONS_END,
};

const struct command cmd_tick = {
	.words = "tick",
	.arguments = "-c FILE [--behind TIME]",
	.summary = "move the clock of quiet partitions, so that waits and expiries fall due",
	.help = "Writes a clock record onto every partition of the archive: from here on nothing\n"
		"older than now minus --behind follows. Run it from a timer.\n"
		"\n"
		"examples:\n"
		"  chatmill tick -c chatmill.yaml\n"
		"  chatmill tick -c chatmill.yaml --corp ww1 --behind 1h\n"
		"\n"
		"exit status: 0 done, 64 wrong usage, 69 no broker, 75 try again, 77 not permitted, 78 no such\n"
		"topic",
	.options = options,
	.options_bytes = sizeof(struct tick_options),
	.run = tick,
};
