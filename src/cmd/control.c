/* control.c - `chatmill control stage|tag|untag|erase`: the word of a person, on the archive. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <pwd.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/archive_out.h"
#include "cmd/commands.h"

struct control_options {
	const char *file, *customer, *corp, *id, *by;
	int64_t at;
	bool insecure;
};

/* What the four commands put into the record. */
enum control_word { CONTROL_STAGE, CONTROL_TAG, CONTROL_UNTAG, CONTROL_ERASE };

static void put_list(struct buf *out, const char *name, const char *const *items, int count)
{
	buf_printf(out, ",\"%s\":[", name);
	for (int i = 0; i < count; i++) {
		if (i)
			buf_putc(out, ',');
		buf_put_json(out, str_of(items[i]));
	}
	buf_putc(out, ']');
}

static void put_text(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, ",\"%s\":", name);
	buf_put_json(out, str_of(text));
}

/* An id of its own for a word that has none: the time and 64 random bits. */
static int make_id(char out[64], struct err *err)
{
	uint64_t random;

	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return err_errno(err, ERR_OS, "no random numbers");
	(void)snprintf(out, 64, "control-%lld-%016llx", (long long)clock_wall_ms(),
		       (unsigned long long)random);
	return 0;
}

static void build(struct buf *out, const struct control_options *o, const char *corp,
		  const char *id, enum control_word word, const char *const *arguments, int count)
{
	const struct passwd *user = getpwuid(geteuid());

	buf_put(out, STR("{\"corpid\":"));
	buf_put_json(out, str_of(corp));
	buf_put(out, STR(",\"control\":{\"id\":"));
	buf_put_json(out, str_of(id));
	put_text(out, "external_userid", o->customer);
	switch (word) {
	case CONTROL_TAG:
		put_list(out, "add", arguments, count);
		break;
	case CONTROL_UNTAG:
		put_list(out, "remove", arguments, count);
		break;
	case CONTROL_STAGE:
		put_text(out, "ladder", arguments[0]);
		put_text(out, "stage", arguments[1]);
		break;
	case CONTROL_ERASE:
		buf_put(out, STR(",\"erase\":true"));
		break;
	}
	put_text(out, "by", o->by ? o->by : user ? user->pw_name : "?");
	buf_printf(out, ",\"at\":%lld}}", (long long)(o->at ? o->at : clock_wall_ms()));
	memset(buf_room(out, RECORD_PADDING), 0, RECORD_PADDING);
}

static int send(const struct control_options *o, const struct config *config, struct str value,
		struct err *err)
{
	OWNED(brokers) *brokers = NULL;
	OWNED(archive_out) *out = NULL;
	const struct message *message;
	struct record record = {.value = value, .time_ms = clock_wall_ms(), .partition = -1};
	int64_t time_ms;

	if (brokers_new(&brokers, config, o->insecure, err) < 0)
		return -1;
	struct archive_out_settings settings = {.config = config, .brokers = brokers};
	if (archive_out_new(&out, &settings, err) < 0)
		return -1;
	enum decode_result result = archive_out_read(out, &record, &message);
	if (result != DECODE_DONE)
		return err_set(err, ERR_USAGE, "that is no control record: %s",
			       decode_result_detail(result));
	if (!message->subject_is_customer)
		return err_set(err, ERR_USAGE,
			       "--customer is the id of staff or a robot; customers' ids begin with "
			       "wm or wo and have 24 characters or more");
	if (archive_out_put(out, &record, NULL, 0, &time_ms, err) < 0)
		return -1;
	return archive_out_flush(out, err);
}

static int control(const struct control_options *o, enum control_word word,
		   const char *const *arguments, int count, struct err *err)
{
	OWNED(config) *config = NULL;
	struct buf value = {0};
	char made[64];

	if (config_open(&config, o->file, err) < 0 || (!o->id && make_id(made, err) < 0))
		return -1;
	const char *corp = o->corp ? o->corp : config->input.corpid;
	const char *id = o->id ? o->id : made;
	if (!corp)
		return err_set(err, ERR_USAGE, "of which corp? give --corp ID, or input.corpid in %s",
			       o->file);
	build(&value, o, corp, id, word, arguments, count);
	int status = send(o, config, buf_str(&value), err);
	buf_fini(&value);
	if (status == 0)
		printf("%s\n", id);
	return status;
}

static int run_stage(const void *given, const char *const *arguments, int count, struct err *err)
{
	return control(given, CONTROL_STAGE, arguments, count, err);
}

static int run_tag(const void *given, const char *const *arguments, int count, struct err *err)
{
	return control(given, CONTROL_TAG, arguments, count, err);
}

static int run_untag(const void *given, const char *const *arguments, int count, struct err *err)
{
	return control(given, CONTROL_UNTAG, arguments, count, err);
}

static int run_erase(const void *given, const char *const *arguments, int count, struct err *err)
{
	return control(given, CONTROL_ERASE, arguments, count, err);
}

static const struct option options[] = {
	OPTION_CONFIG(struct control_options),
	{"customer", 0, OPTION_TEXT, "ID", "external_userid of the customer",
	 offsetof(struct control_options, customer), 0, true},
	{"corp", 0, OPTION_TEXT, "ID", "the corp (default: input.corpid)",
	 offsetof(struct control_options, corp)},
	{"id", 0, OPTION_TEXT, "ID", "of this word; the same id again has no effect (default: a new one)",
	 offsetof(struct control_options, id)},
	{"by", 0, OPTION_TEXT, "WHO", "who says so (default: the user)",
	 offsetof(struct control_options, by)},
	{"at", 0, OPTION_NUMBER, "MS", "when, in ms since 1970 (default: now)",
	 offsetof(struct control_options, at), 1},
	OPTION_INSECURE(struct control_options),
	OPTIONS_END,
};

#define ABOUT                                                                                      \
	"Writes a control record onto the archive, where it has its effect in its place in the log,\n" \
	"with cause `manual`. Prints the record's id. Any other system may write such records too.\n"
#define STATUS                                                                                     \
	"\n\nexit status: 0 written, 64 wrong usage, 69 no broker, 77 not permitted, 78 no such topic"

const struct command cmd_control_stage = {
	.words = "control stage",
	.arguments = "-c FILE --customer ID LADDER STAGE",
	.summary = "set a customer's stage",
	.help = ABOUT "\nexample:\n  chatmill control stage -c chatmill.yaml --customer wm… --by orders "
		      "life 购买" STATUS,
	.options = options,
	.options_bytes = sizeof(struct control_options),
	.arguments_min = 2,
	.arguments_max = 2,
	.run = run_stage,
};

const struct command cmd_control_tag = {
	.words = "control tag",
	.arguments = "-c FILE --customer ID TAG…",
	.summary = "add tags to a customer",
	.help = ABOUT "\nexample:\n  chatmill control tag -c chatmill.yaml --customer wm… 意向/高意向" STATUS,
	.options = options,
	.options_bytes = sizeof(struct control_options),
	.arguments_min = 1,
	.arguments_max = -1,
	.run = run_tag,
};

const struct command cmd_control_untag = {
	.words = "control untag",
	.arguments = "-c FILE --customer ID TAG…",
	.summary = "take tags from a customer",
	.help = ABOUT "\nexample:\n  chatmill control untag -c chatmill.yaml --customer wm… 高意向" STATUS,
	.options = options,
	.options_bytes = sizeof(struct control_options),
	.arguments_min = 1,
	.arguments_max = -1,
	.run = run_untag,
};

const struct command cmd_control_erase = {
	.words = "control erase",
	.arguments = "-c FILE --customer ID",
	.summary = "forget a customer",
	.help = ABOUT "An erased customer is forgotten by the state, the event topics' readers and the\n"
		      "database.\n\nexample:\n  chatmill control erase -c chatmill.yaml --customer wm… "
		      "--id request-17" STATUS,
	.options = options,
	.options_bytes = sizeof(struct control_options),
	.run = run_erase,
};
