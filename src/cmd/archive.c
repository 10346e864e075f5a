/* archive.c - `chatmill archive cat`: stored messages back as they came. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/archive.h"

#include "cmd/commands.h"
#include "database.h"

struct archive_options {
	const char *file, *corp, *customer, *room, *msgid;
	int64_t limit;
};

static const char fetch_sql[] = "FETCH 1000 FROM stored";
static const char declare_sql[] =
	"DECLARE stored NO SCROLL CURSOR FOR SELECT raw, dictionary, corpid, msgid FROM chatmill.message "
	"WHERE ($1 = '' OR corpid = $1) AND ($2 = '' OR external_userid = $2) "
	"AND ($3 = '' OR conversation = $3) AND ($4 = '' OR msgid = $4) "
	"ORDER BY msgtime, corpid, msgid";

static struct pg_parameter text_of(const char *value)
{
	return pg_text_parameter(value ? str_of(value) : (struct str){0});
}

static int print_rows(struct archive *archive, const struct pg_result *rows, int64_t *left,
		      struct buf *out, struct err *err)
{
	for (int r = 0; r < pg_rows(rows) && *left != 0; r++, (*left)--) {
		buf_clear(out);
		if (archive_unpack(archive, pg_text(rows, r, 0), (int32_t)pg_i64(rows, r, 1), out,
				   err) < 0)
			return err_wrap(err, "message %.*s of corp %.*s", STR_ARG(pg_text(rows, r, 3)),
					STR_ARG(pg_text(rows, r, 2)));
		for (size_t i = 0; i < out->len; i++) /* only between values: JSON escapes the others */
			if (out->data[i] == '\n' || out->data[i] == '\r')
				out->data[i] = ' ';
		buf_putc(out, '\n');
		if (fwrite(out->data, 1, out->len, stdout) != out->len)
			return err_errno(err, ERR_OS, "standard output");
	}
	return 0;
}

static int print_all(struct pg *pg, struct archive *archive, const struct archive_options *o,
		     struct buf *out, struct err *err)
{
	struct pg_parameter parameters[] = {text_of(o->corp), text_of(o->customer), text_of(o->room),
					    text_of(o->msgid)};
	struct pg_fault fault;
	int64_t left = o->limit ? o->limit : -1;

	if (pg_run(pg, "BEGIN READ ONLY", &fault) < 0 ||
	    pg_query(pg, declare_sql, parameters, ARRAY_LEN(parameters), NULL, &fault) < 0 ||
	    archive_open(archive, pg, &fault) < 0)
		return pg_err(err, &fault, "reading messages");
	for (bool more = true; more && left != 0;) {
		OWNED(pg_result) *rows = NULL;
		if (pg_query(pg, fetch_sql, NULL, 0, &rows, &fault) < 0)
			return pg_err(err, &fault, "reading messages");
		if (print_rows(archive, rows, &left, out, err) < 0)
			return -1;
		more = pg_rows(rows) > 0;
	}
	return fflush(stdout) == 0 ? 0 : err_errno(err, ERR_OS, "standard output");
}

static int run(const void *given, const char *const *arguments, int count, struct err *err)
{
	const struct archive_options *o = given;
	struct buf out = {0};

	OWNED(config) *config = NULL;
	OWNED(pg) *pg = NULL;
	OWNED(archive) *archive = NULL;
	if (config_open(&config, o->file, err) < 0)
		return -1;
	if (database_open(&pg, config, err) < 0 || archive_new(&archive, err) < 0)
		return -1;
	int result = print_all(pg, archive, o, &out, err);
	buf_fini(&out);
	return result;
}

static const struct option options[] = {
	OPTION_CONFIG(struct archive_options),
	{"corp", 0, OPTION_TEXT, "ID", "of this company only",
	 offsetof(struct archive_options, corp), 0, false},
	{"customer", 0, OPTION_TEXT, "ID", "about this customer only",
	 offsetof(struct archive_options, customer), 0, false},
	{"room", 0, OPTION_TEXT, "ID", "of this group chat only",
	 offsetof(struct archive_options, room), 0, false},
	{"msgid", 0, OPTION_TEXT, "ID", "this message only",
	 offsetof(struct archive_options, msgid), 0, false},
	{"limit", 0, OPTION_NUMBER, "N", "at most so many", offsetof(struct archive_options, limit), 1,
	 false},
	OPTIONS_END,
};

const struct command cmd_archive_cat = {
	.words = "archive cat",
	.arguments = "-c FILE [--customer ID] [--room ID] [--corp ID] [--msgid ID]",
	.summary = "stored messages back as NDJSON",
	.help = "Prints the records that `sink` stored (sink.archive: true), byte for byte as they\n"
		"came, but for line breaks between values, which become blanks: one record is one\n"
		"line. In the order of their msgtime.\n"
		"\n"
		"example:\n"
		"  chatmill archive cat -c chatmill.yaml --customer wmAAAA | chatmill scan --rules rules -\n"
		"\n"
		"exit status: 0 done, 69 the server is away, 77 not permitted",
	.options = options,
	.options_bytes = sizeof(struct archive_options),
	.run = run,
};
