/* pg.h - one connection to PostgreSQL: the one door to libpq.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A connection is made anew by pg_connect() after anything that broke it; a statement on a broken
 * one fails with ACTION_RECONNECT. Nothing is prepared or SET for the session, so that a pooler in
 * transaction mode (PgBouncer) may stand between. Parameters and results are binary.
 *
 * Faults carry SQLSTATE and the primary message only: DETAIL may quote a row.
 * Thread: a connection belongs to one thread; calls wait up to the server's timeouts.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "store/policy.h"

struct pg;
struct pg_result;

struct pg_setting {
	const char *name, *value; /* a key of libpq's connection string */
	bool secret;		  /* no fault holds the value */
};

struct pg_fault {
	enum store_action action;
	char sqlstate[6]; /* empty: none, the connection broke */
	char text[400];
};

struct pg_parameter {
	uint32_t type;    /* OID */
	struct str value; /* binary; data NULL: null */
};

/* A text, never null; borrowed. */
static inline struct pg_parameter pg_text_parameter(struct str text)
{
	return (struct pg_parameter){25, {text.data ? text.data : "", text.len}};
}

/* Checks one key of the user: known to libpq and not refused. ERR_CONFIG says what to write. */
MUST_CHECK int pg_setting_check(const struct pg_setting *setting, struct err *err);

/* Makes the object and checks the settings (an unknown key is ERR_CONFIG); connects to nothing. */
MUST_CHECK int pg_new(struct pg **out, const struct pg_setting *settings, size_t count,
		      struct err *err);
void pg_free(struct pg *pg); /* NULL is fine */
DEFINE_OWNED(pg);

/* Connects, ending an older connection. Waits up to connect_timeout (10 s, at most
 * PG_CONNECT_MAX_S); then, of several hosts, the next one goes first the next time. */
enum { PG_CONNECT_MAX_S = 60 };
MUST_CHECK int pg_connect(struct pg *pg, struct pg_fault *fault);
bool pg_is_connected(const struct pg *pg);
/* Ends the connection, for example when it may hold a transaction nobody wants. */
void pg_disconnect(struct pg *pg);

/* Runs SQL without parameters, one or several statements; the results are dropped. */
MUST_CHECK int pg_run(struct pg *pg, const char *sql, struct pg_fault *fault);

/* Runs one statement. *out may be NULL (the result is dropped); otherwise the caller frees it. */
MUST_CHECK int pg_query(struct pg *pg, const char *sql, const struct pg_parameter *parameters,
			size_t count, struct pg_result **out, struct pg_fault *fault);
void pg_result_free(struct pg_result *r); /* NULL is fine */
DEFINE_OWNED(pg_result);

/* Rows returned, or changed where none are returned. */
int pg_rows(const struct pg_result *r);
struct str pg_text(const struct pg_result *r, int row, int column); /* until the result is freed */
int64_t pg_i64(const struct pg_result *r, int row, int column);     /* of int2, int4 and int8 */

/* COPY … FROM STDIN (FORMAT binary): the statement, and all of its data. */
MUST_CHECK int pg_copy(struct pg *pg, const char *sql, struct str data, struct pg_fault *fault);

/* Ends a transaction that nobody wants, or the connection if that fails. */
void pg_rollback(struct pg *pg);

/* Hands notices of the server (RAISE NOTICE) to `print` instead of dropping them. */
void pg_on_notice(struct pg *pg, void (*print)(const char *text));

/* err from a fault, with the kind of its action. Returns -1. */
int pg_err(struct err *err, const struct pg_fault *fault, const char *doing);

/* Version of the linked libpq: 150008 is 15.8. */
int pg_library_version(void);
