/* rules_publish.c - `chatmill rules publish|list|show`: rule sets on the topic. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/duration.h"
#include "cmd/commands.h"
#include "cmd/dry_run.h"

enum { READ_MS = 60000, ENTRIES_MAX = 4096, MINUTES_STANDARD = 60 };
enum { MINUTES_MAX = 100 * 366 * 24 * 60 }; /* a century: longer than any archive */

struct publish_options {
	const char *file, *by, *lead;
	int64_t minutes;
	bool dry_run, json, insecure;
};

struct list_options {
	const char *file;
	bool json, insecure;
};

static int try(const struct publish_settings *settings, const struct publish_options *o,
	       struct err *err)
{
	struct dry_run how = {settings, o->minutes ? o->minutes : MINUTES_STANDARD, o->json};
	bool differs;

	if (dry_run(&how, &differs, err) < 0)
		return -1;
	return differs ? err_set(err, ERR_NO, "%s", "") : 0;
}

static int publish(const void *given, const char *const *arguments, int count, struct err *err)
{
	const struct publish_options *o = given;
	OWNED(config) *config = NULL;
	OWNED(brokers) *brokers = NULL;
	char digest[DIGEST_TEXT_SIZE];
	int64_t lead_ms = 10000;

	if ((o->minutes || o->json) && !o->dry_run)
		return err_set(err, ERR_USAGE, "--%s is for --dry-run", o->minutes ? "minutes" : "json");
	if (o->minutes > MINUTES_MAX)
		return err_set(err, ERR_USAGE, "--minutes is at most %d", MINUTES_MAX);
	if ((o->lead && duration_read("--lead", o->lead, &lead_ms, err) < 0) ||
	    config_open(&config, o->file, err) < 0 ||
	    brokers_new(&brokers, config, o->insecure, err) < 0)
		return -1;
	struct publish_settings settings = {
		.config = config,
		.brokers = brokers,
		.dir = arguments[0],
		.by = o->by,
		.lead_ms = lead_ms,
	};
	if (o->dry_run)
		return try(&settings, o, err);
	if (publish_rules(&settings, digest, err) < 0)
		return -1;
	printf("%s\n", digest);
	return 0;
}

/* Reads the whole topic. */
static int open_shelf(struct config **config, struct brokers **brokers, struct shelf **shelf,
		      const struct list_options *o, struct err *err)
{
	if (config_open(config, o->file, err) < 0 ||
	    brokers_new(brokers, *config, o->insecure, err) < 0)
		return -1;
	struct shelf_settings settings = {
		.kafka = &(*brokers)->settings,
		.group = (*config)->pipeline,
		.topic = (*config)->output.rulesets,
	};
	if (shelf_new(shelf, &settings, err) < 0)
		return -1;
	return shelf_wait(*shelf, READ_MS, err);
}

static void put_time(struct buf *line, int64_t ms, bool json)
{
	if (ms == 0) {
		buf_put(line, json ? STR("null") : STR("-"));
		return;
	}
	if (json)
		buf_putc(line, '"');
	buf_put_time(line, ms);
	if (json)
		buf_putc(line, '"');
}

static void print_entry(const struct shelf_entry *e, bool in_force, bool json)
{
	struct buf line = {0};

	if (json) {
		buf_put(&line, STR("{\"digest\":"));
		buf_put_json(&line, str_of(e->digest));
		buf_put(&line, STR(",\"by\":"));
		buf_put_json(&line, str_of(e->by));
		buf_put(&line, STR(",\"put\":"));
		put_time(&line, e->at_ms, true);
		buf_put(&line, STR(",\"first_published\":"));
		put_time(&line, e->first_ms, true);
		buf_put(&line, STR(",\"last_published\":"));
		put_time(&line, e->published_ms, true);
		buf_printf(&line, ",\"bytes\":%zu,\"pieces\":%zu,\"complete\":%s,\"in_force\":%s}\n",
			   e->bytes, e->pieces, e->complete ? "true" : "false",
			   in_force ? "true" : "false");
	} else {
		buf_put(&line, str_of(e->digest));
		buf_putc(&line, '\t');
		put_time(&line, e->first_ms, false);
		buf_putc(&line, '\t');
		put_time(&line, e->published_ms, false);
		buf_printf(&line, "\t%zu\t%s\t%s\n", e->bytes, e->by[0] ? e->by : "-",
			   !e->complete		? "incomplete"
			   : !e->published_ms	? "never published"
			   : in_force		? "in force"
						: "");
	}
	output_put(buf_str(&line));
	buf_fini(&line);
}

static int list(const void *given, const char *const *arguments, int count, struct err *err)
{
	const struct list_options *o = given;
	OWNED(config) *config = NULL;
	OWNED(brokers) *brokers = NULL;
	OWNED(shelf) *shelf = NULL;
	OWNED_MEM struct shelf_entry *entries = calloc(ENTRIES_MAX, sizeof(struct shelf_entry));
	int64_t last_ms = 0;

	if (!entries)
		return err_set(err, ERR_OS, "out of memory");
	if (open_shelf(&config, &brokers, &shelf, o, err) < 0)
		return -1;
	size_t found = shelf_list(shelf, entries, ENTRIES_MAX);
	for (size_t i = 0; i < found; i++)
		last_ms = MAX(last_ms, entries[i].published_ms);
	for (size_t i = 0; i < found; i++)
		print_entry(&entries[i], last_ms && entries[i].published_ms == last_ms, o->json);
	return 0;
}

static int show(const void *given, const char *const *arguments, int count, struct err *err)
{
	const struct list_options *o = given;
	OWNED(config) *config = NULL;
	OWNED(brokers) *brokers = NULL;
	OWNED(shelf) *shelf = NULL;
	struct buf bundle = {0};

	if (open_shelf(&config, &brokers, &shelf, o, err) < 0)
		return -1;
	int status = shelf_bundle(shelf, str_of(arguments[0]), &bundle, err);
	if (status == 0)
		output_put(buf_str(&bundle));
	buf_fini(&bundle);
	return status;
}

static const struct option publish_rows[] = {
	OPTION_CONFIG(struct publish_options),
	{"lead", 0, OPTION_TEXT, "TIME", "that workers get to compile it before (default: 10s)",
	 offsetof(struct publish_options, lead)},
	{"by", 0, OPTION_TEXT, "WHO", "who publishes (default: user@host)",
	 offsetof(struct publish_options, by)},
	{"dry-run", 0, OPTION_FLAG, NULL, "publish nothing; show what would be hit otherwise",
	 offsetof(struct publish_options, dry_run)},
	{"minutes", 0, OPTION_NUMBER, "N", "of the archive that --dry-run looks at (default: 60)",
	 offsetof(struct publish_options, minutes), 1},
	{"json", 0, OPTION_FLAG, NULL, "--dry-run: one JSON object a rule",
	 offsetof(struct publish_options, json)},
	OPTION_INSECURE(struct publish_options),
	OPTIONS_END,
};

static const struct option list_rows[] = {
	OPTION_CONFIG(struct list_options),
	OPTION_JSON(struct list_options),
	OPTION_INSECURE(struct list_options),
	OPTIONS_END,
};

static const struct option show_rows[] = {
	OPTION_CONFIG(struct list_options),
	OPTION_INSECURE(struct list_options),
	OPTIONS_END,
};

const struct command cmd_rules_publish = {
	.words = "rules publish",
	.arguments = "-c FILE [--dry-run [--minutes N]] DIR",
	.summary = "put a checked rule set into force, everywhere at one place of the log",
	.help = "Checks the folder as `rules check` does, takes the directory file (identity.staff)\n"
		"with it, puts the set on the rule sets' topic, gives workers time to compile it, and\n"
		"writes a rules record onto every partition of the archive: what stands behind it is\n"
		"judged by these rules, on every host and in every replay. Prints the set's digest.\n"
		"\n"
		"With --dry-run nothing is written: the set in force and the new one judge the last N\n"
		"minutes before the newest message of the archive, and the table is that of `rules\n"
		"diff`. Rolling back is publishing the older folder again: its digest is the same.\n"
		"\n"
		"examples:\n"
		"  chatmill rules publish -c chatmill.yaml --dry-run --minutes 1440 rules\n"
		"  chatmill rules publish -c chatmill.yaml rules\n"
		"  chatmill rules publish -c chatmill.yaml --lead 0s --by anna rules\n"
		"\n"
		"exit status: 0 in force, 1 --dry-run found a difference, 65 rules that are wrong\n"
		"(nothing was written), 69 no broker, 75 another publisher came in between, 78 no such\n"
		"topic",
	.options = publish_rows,
	.options_bytes = sizeof(struct publish_options),
	.arguments_min = 1,
	.arguments_max = 1,
	.run = publish,
};

const struct command cmd_rules_list = {
	.words = "rules list",
	.arguments = "-c FILE [--json]",
	.summary = "every rule set that was published, when and by whom",
	.help = "One line for each set on the topic, oldest first: digest, first and last time it was\n"
		"published, compressed bytes, by whom, and whether it is in force, with tabs between.\n"
		"\n"
		"example:\n"
		"  chatmill rules list -c chatmill.yaml\n"
		"\n"
		"exit status: 0 told, 69 no broker, 77 not permitted, 78 no such topic",
	.options = list_rows,
	.options_bytes = sizeof(struct list_options),
	.run = list,
};

const struct command cmd_rules_show = {
	.words = "rules show",
	.arguments = "-c FILE DIGEST",
	.summary = "the text of a published rule set",
	.help = "Prints the bundle: every rule file and word file of the set, with its name.\n"
		"\n"
		"example:\n"
		"  chatmill rules show -c chatmill.yaml sha256:…\n"
		"\n"
		"exit status: 0 done, 66 no such set",
	.options = show_rows,
	.options_bytes = sizeof(struct list_options),
	.arguments_min = 1,
	.arguments_max = 1,
	.run = show,
};
