/* pg.c - connects, runs statements and reads what PostgreSQL answers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/pg.h"

#include <ctype.h>
#include <endian.h>
#include <libpq-fe.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/heap.h"

enum { SETTINGS_MAX = 64, PARAMETERS_MAX = 64 };

struct pg {
	PGconn *conn; /* NULL: none */
	const char *names[SETTINGS_MAX + 1], *values[SETTINGS_MAX + 1];
	bool secret[SETTINGS_MAX];
	size_t count;
	void (*print)(const char *text);
};

struct pg_result {
	PGresult *r;
};

/* Before the user's, so that theirs win (libpq: the last of two equal keys counts). A server that
 * vanished without a word is noticed within 30 s; after a failover the new primary is searched.
 * connect_timeout is ours to keep: libpq minds it only in calls that block. */
static const struct pg_setting defaults[] = {
	{"application_name",     "chatmill"  },
	{"target_session_attrs", "read-write"},
	{"connect_timeout",      "10"        },
	{"keepalives_idle",      "10"        },
	{"keepalives_interval",  "5"         },
	{"keepalives_count",     "4"         },
	{"tcp_user_timeout",     "30000"     },
	{"gssencmode",           "disable"   },
	{"client_encoding",      "UTF8"      },
};

/* Keys that would make the connection something else than what store/ relies on. */
static const struct refusal {
	const char *name, *why;
} refusals[] = {
	{"replication", "the sink needs an ordinary connection"},
	{"client_encoding", "it is always UTF8"},
};

int pg_setting_check(const struct pg_setting *setting, struct err *err)
{
	const char *names[128];
	size_t known = 0;
	bool found = false;
	int result = 0;

	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		if (!strcmp(refusals[i].name, setting->name))
			return err_set(err, ERR_CONFIG, "postgres.%s cannot be set: %s",
				       setting->name, refusals[i].why);
	PQconninfoOption *all = PQconndefaults();
	if (!all)
		return err_set(err, ERR_OS, "postgres: out of memory");
	for (PQconninfoOption *o = all; o->keyword && known < ARRAY_LEN(names); o++) {
		names[known++] = o->keyword;
		found |= !strcmp(o->keyword, setting->name);
	}
	if (!found) {
		const char *near = str_nearest(str_of(setting->name), names, known);
		result = err_set(err, ERR_CONFIG, "postgres.%s: libpq knows no such key%s%s",
				 setting->name, near ? "; did you mean " : "", near ? near : "");
	}
	PQconninfoFree(all);
	return result;
}

static int check_settings(const struct pg_setting *settings, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (pg_setting_check(&settings[i], err) < 0)
			return -1;
	return 0;
}

int pg_new(struct pg **out, const struct pg_setting *settings, size_t count, struct err *err)
{
	if (check_settings(settings, count, err) < 0)
		return -1;
	if (count + ARRAY_LEN(defaults) > SETTINGS_MAX)
		return err_set(err, ERR_CONFIG, "postgres: more than %zu keys",
			       SETTINGS_MAX - ARRAY_LEN(defaults));
	OWNED(pg) *pg = calloc(1, sizeof *pg);
	if (!pg)
		return err_set(err, ERR_OS, "postgres: out of memory");
	for (size_t i = 0; i < ARRAY_LEN(defaults) + count; i++) {
		const struct pg_setting *s =
			i < ARRAY_LEN(defaults) ? &defaults[i] : &settings[i - ARRAY_LEN(defaults)];
		char *name = strdup(s->name), *value = strdup(s->value);
		pg->names[pg->count] = name;
		pg->values[pg->count] = value;
		pg->secret[pg->count] = s->secret;
		pg->count++;
		if (!name || !value)
			return err_set(err, ERR_OS, "postgres: out of memory");
	}
	*out = TAKE(pg);
	return 0;
}

void pg_free(struct pg *pg)
{
	if (!pg)
		return;
	pg_disconnect(pg);
	for (size_t i = 0; i < pg->count; i++) {
		free((char *)pg->names[i]);
		if (pg->values[i])
			explicit_bzero((char *)pg->values[i], strlen(pg->values[i]));
		free((char *)pg->values[i]);
	}
	free(pg);
}

void pg_disconnect(struct pg *pg)
{
	if (pg->conn)
		PQfinish(pg->conn);
	pg->conn = NULL;
}

bool pg_is_connected(const struct pg *pg)
{
	return pg->conn && PQstatus(pg->conn) == CONNECTION_OK;
}

/* What the server says of a transaction: false outside of one. */
static bool pg_in_transaction(const struct pg *pg)
{
	return pg->conn && PQtransactionStatus(pg->conn) != PQTRANS_IDLE;
}

/* One line without the last newline. */
static void set_text(struct pg_fault *fault, const char *text)
{
	(void)snprintf(fault->text, sizeof fault->text, "%s", text ? text : "out of memory");
	size_t len = strlen(fault->text);
	while (len && isspace((unsigned char)fault->text[len - 1]))
		fault->text[--len] = '\0';
	for (char *c = fault->text; *c; c++)
		if (*c == '\n' || *c == '\t')
			*c = ' ';
}

/* Puts *** over each place of a piece of `value`, a list like "host1,host2". A piece of one or two
 * letters is nobody's secret and part of many words. */
static void mask(char *text, const char *value)
{
	for (size_t len; *value; value += len + (value[len] == ',')) {
		len = strcspn(value, ",");
		struct str rest = str_of(text), piece = {value, len};
		for (char *at; len >= 3 && (at = memmem(rest.data, rest.len, piece.data, len));) {
			memcpy(at, "***", 3);
			memmove(at + 3, at + len, strlen(at + len) + 1);
			rest = str_of(at + 3);
		}
	}
}

/* libpq 15 hands out no SQLSTATE of a refused connection; its verbose message shows it:
 * "FATAL:  28P01: password authentication failed …". */
static void find_sqlstate(struct pg_fault *fault, const char *text)
{
	for (const char *p = text; (p = strstr(p, ":  ")); p++) {
		size_t len = 0;
		while (len < 5 &&
		       (isdigit((unsigned char)p[3 + len]) || isupper((unsigned char)p[3 + len])))
			len++;
		if (len == 5 && p[8] == ':')
			memcpy(fault->sqlstate, p + 3, 5);
	}
}

static int connect_fault(struct pg *pg, struct pg_fault *fault)
{
	const char *text = pg->conn ? PQerrorMessage(pg->conn) : NULL;

	memset(fault->sqlstate, 0, sizeof fault->sqlstate);
	if (text)
		find_sqlstate(fault, text);
	fault->action = policy_action(fault->sqlstate);
	set_text(fault, text);
	char *location = strstr(fault->text, " LOCATION:"); /* verbose; of no use to anybody here */
	if (location)
		*location = '\0';
	for (size_t i = 0; i < pg->count; i++)
		if (pg->secret[i])
			mask(fault->text, pg->values[i]);
	pg_disconnect(pg);
	return -1;
}

static void drop_notice(void *arg, const char *text)
{
	struct pg *pg = arg;
	if (pg->print)
		pg->print(text);
}

/* "a,b,c" becomes "b,c,a". */
static void rotate(char *list)
{
	char *comma = strchr(list, ',');

	if (!comma)
		return;
	size_t first = (size_t)(comma - list), rest = strlen(comma + 1);
	char *whole = strdup(list);
	if (!whole)
		return; /* then the same host is asked first again */
	memcpy(list, whole + first + 1, rest);
	list[rest] = ',';
	memcpy(list + rest + 1, whole, first);
	free(whole);
}

/* A host that took the connection and is silent would be asked first for ever: libpq goes on to the
 * next of several only after an answer. The lists of hosts, addresses and ports go together. */
static void next_host_first(struct pg *pg)
{
	for (size_t i = 0; i < pg->count; i++)
		if (!strcmp(pg->names[i], "host") || !strcmp(pg->names[i], "hostaddr") ||
		    !strcmp(pg->names[i], "port"))
			rotate((char *)pg->values[i]);
}

static int64_t connect_ms(const struct pg *pg)
{
	int64_t seconds = 0;

	for (size_t i = 0; i < pg->count; i++)
		if (!strcmp(pg->names[i], "connect_timeout") &&
		    !str_to_i64(str_of(pg->values[i]), &seconds))
			seconds = 0;
	return seconds > 0 && seconds < PG_CONNECT_MAX_S ? seconds * 1000
							 : (int64_t)PG_CONNECT_MAX_S * 1000;
}

int pg_connect(struct pg *pg, struct pg_fault *fault)
{
	int64_t end_ms = clock_monotonic_ms() + connect_ms(pg);

	pg_disconnect(pg);
	pg->conn = PQconnectStartParams(pg->names, pg->values, 0);
	if (!pg->conn || PQstatus(pg->conn) == CONNECTION_BAD)
		return connect_fault(pg, fault);
	PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE);
	PQsetNoticeProcessor(pg->conn, drop_notice, pg);
	for (PostgresPollingStatusType want = PGRES_POLLING_WRITING; want != PGRES_POLLING_OK;
	     want = PQconnectPoll(pg->conn)) {
		if (want == PGRES_POLLING_FAILED)
			return connect_fault(pg, fault);
		struct pollfd fd = {PQsocket(pg->conn),
				    want == PGRES_POLLING_READING ? POLLIN : POLLOUT, 0};
		int64_t left_ms = end_ms - clock_monotonic_ms();
		if (left_ms <= 0) {
			pg_disconnect(pg);
			next_host_first(pg);
			*fault = (struct pg_fault){ACTION_RECONNECT, "",
						   "no answer to a connection"};
			return -1;
		}
		(void)poll(&fd, 1, (int)left_ms); /* on EINTR the connection is polled again */
	}
	PQsetErrorVerbosity(pg->conn, PQERRORS_TERSE);
	if (PQserverVersion(pg->conn) < 130000) {
		*fault = (struct pg_fault){ACTION_CONFIG, "0A000", ""};
		(void)snprintf(fault->text, sizeof fault->text,
			       "the server is PostgreSQL %d; chatmill needs 13 or newer",
			       PQserverVersion(pg->conn) / 10000);
		pg_disconnect(pg);
		return -1;
	}
	return 0;
}

/* Reads what went wrong; a broken connection is ended. */
static int statement_fault(struct pg *pg, const PGresult *r, struct pg_fault *fault)
{
	const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
	const char *text = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;

	(void)snprintf(fault->sqlstate, sizeof fault->sqlstate, "%s", state ? state : "");
	fault->action = policy_action(fault->sqlstate);
	set_text(fault, text ? text : PQerrorMessage(pg->conn));
	if (PQstatus(pg->conn) != CONNECTION_OK) {
		pg_disconnect(pg);
		if (fault->action != ACTION_PERMISSION && fault->action != ACTION_CONFIG)
			fault->action = ACTION_RECONNECT;
	}
	return -1;
}

static int no_connection(struct pg_fault *fault)
{
	*fault = (struct pg_fault){ACTION_RECONNECT, "", "not connected"};
	return -1;
}

static bool went_well(const PGresult *r)
{
	ExecStatusType status = PQresultStatus(r);
	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
	       status == PGRES_EMPTY_QUERY;
}

int pg_run(struct pg *pg, const char *sql, struct pg_fault *fault)
{
	if (!pg->conn)
		return no_connection(fault);
	PGresult *r = PQexec(pg->conn, sql);
	int result = went_well(r) ? 0 : statement_fault(pg, r, fault);
	PQclear(r);
	return result;
}

int pg_query(struct pg *pg, const char *sql, const struct pg_parameter *parameters, size_t count,
	     struct pg_result **out, struct pg_fault *fault)
{
	Oid types[PARAMETERS_MAX];
	const char *values[PARAMETERS_MAX];
	int lens[PARAMETERS_MAX], formats[PARAMETERS_MAX];

	assert(count <= PARAMETERS_MAX);
	if (!pg->conn)
		return no_connection(fault);
	for (size_t i = 0; i < count; i++) {
		types[i] = parameters[i].type;
		values[i] = parameters[i].value.data;
		lens[i] = (int)parameters[i].value.len;
		formats[i] = 1;
	}
	PGresult *r = PQexecParams(pg->conn, sql, (int)count, types, values, lens, formats, 1);
	if (!went_well(r)) {
		int result = statement_fault(pg, r, fault);
		PQclear(r);
		return result;
	}
	if (!out) {
		PQclear(r);
		return 0;
	}
	struct pg_result *made = heap_zeroed(1, sizeof *made);
	made->r = r;
	*out = made;
	return 0;
}

void pg_rollback(struct pg *pg)
{
	struct pg_fault fault;

	if (pg_in_transaction(pg) && pg_run(pg, "ROLLBACK", &fault) < 0)
		pg_disconnect(pg);
}

void pg_result_free(struct pg_result *r)
{
	if (!r)
		return;
	PQclear(r->r);
	free(r);
}

int pg_rows(const struct pg_result *r)
{
	if (PQresultStatus(r->r) == PGRES_TUPLES_OK)
		return PQntuples(r->r);
	return atoi(PQcmdTuples(r->r));
}

struct str pg_text(const struct pg_result *r, int row, int column)
{
	return (struct str){PQgetvalue(r->r, row, column), (size_t)PQgetlength(r->r, row, column)};
}

int64_t pg_i64(const struct pg_result *r, int row, int column)
{
	struct str s = pg_text(r, row, column);
	uint16_t two;
	uint32_t four;
	uint64_t eight;

	switch (s.len) {
	case 2:
		memcpy(&two, s.data, 2);
		return (int16_t)be16toh(two);
	case 4:
		memcpy(&four, s.data, 4);
		return (int32_t)be32toh(four);
	case 8:
		memcpy(&eight, s.data, 8);
		return (int64_t)be64toh(eight);
	}
	UNREACHABLE("a column that is no integer");
}

int pg_copy(struct pg *pg, const char *sql, struct str data, struct pg_fault *fault)
{
	enum { PIECE = 1 << 20 };

	if (!pg->conn)
		return no_connection(fault);
	PGresult *r = PQexec(pg->conn, sql);
	bool ready = PQresultStatus(r) == PGRES_COPY_IN;
	int result = ready ? 0 : statement_fault(pg, r, fault);
	PQclear(r);
	for (size_t at = 0; ready && at < data.len; at += PIECE)
		if (PQputCopyData(pg->conn, data.data + at, (int)MIN(data.len - at, PIECE)) != 1)
			break; /* the result of the end tells why */
	if (!ready)
		return result;
	(void)PQputCopyEnd(pg->conn, NULL);
	while ((r = PQgetResult(pg->conn))) {
		if (!went_well(r))
			result = statement_fault(pg, r, fault);
		PQclear(r);
		if (!pg->conn)
			break;
	}
	return result;
}

void pg_on_notice(struct pg *pg, void (*print)(const char *text))
{
	pg->print = print;
}

int pg_err(struct err *err, const struct pg_fault *fault, const char *doing)
{
	return err_set(err, policy_kind(fault->action), "postgres: %s: %s%s%s%s", doing,
		       fault->text, fault->sqlstate[0] ? " (SQLSTATE " : "", fault->sqlstate,
		       fault->sqlstate[0] ? ")" : "");
}

int pg_library_version(void)
{
	return PQlibVersion();
}
