/* policy.c - the table of what to do about each SQLSTATE. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/policy.h"

#include <string.h>

static const struct {
	const char *prefix;
	enum store_action action;
} policy[] = {
	{"",      ACTION_RECONNECT }, /* nothing said: the connection is gone */
	{"08",    ACTION_RECONNECT }, /* connection exceptions */
	{"57P01", ACTION_RECONNECT }, /* admin_shutdown, pg_terminate_backend */
	{"57P02", ACTION_RECONNECT }, /* crash_shutdown */
	{"57P03", ACTION_RECONNECT }, /* cannot_connect_now: starting up */
	{"57P05", ACTION_RECONNECT }, /* idle_session_timeout */
	{"25P03", ACTION_RECONNECT }, /* idle_in_transaction_session_timeout */
	{"53300", ACTION_RECONNECT }, /* too_many_connections */
	{"25006", ACTION_RECONNECT }, /* read_only_sql_transaction: failed over, we hold the old one
  */
	{"26",    ACTION_RECONNECT }, /* a pooler gave us another server connection */
	{"40",    ACTION_RETRY     }, /* serialization_failure, deadlock_detected */
	{"55P03", ACTION_RETRY     }, /* lock_not_available: lock_timeout */
	{"55006", ACTION_RETRY     }, /* object_in_use */
	{"57014", ACTION_RETRY     }, /* query_canceled: statement_timeout */
	{"22",    ACTION_REJECT    }, /* data exceptions: NUL, bad UTF-8, out of range */
	{"23",    ACTION_REJECT    }, /* constraints */
	{"54",    ACTION_REJECT    }, /* program limits: a row too big for its index */
	{"53",    ACTION_WAIT      }, /* disk full, out of memory */
	{"58",    ACTION_WAIT      }, /* I/O error */
	{"57",    ACTION_WAIT      }, /* other operator intervention */
	{"XX",    ACTION_WAIT      }, /* internal error: not ours to judge, nothing may be lost */
	{"42501", ACTION_PERMISSION},
	{"28",    ACTION_PERMISSION}, /* authorization */
	{"42",    ACTION_CONFIG    }, /* no such table, column, function: another schema */
	{"3D",    ACTION_CONFIG    }, /* no such database */
	{"3F",    ACTION_CONFIG    }, /* no such schema */
	{"0A",    ACTION_CONFIG    }, /* the server lacks a feature: too old */
	{"25P02", ACTION_BUG       }, /* we went on in a failed transaction */
	{"P0001", ACTION_CONFIG    }, /* a trigger or function of a DBA said no */
};

enum store_action policy_action(const char *sqlstate)
{
	enum store_action best = ACTION_RECONNECT;
	size_t best_len = 0;

	if (!sqlstate[0])
		return ACTION_RECONNECT;
	for (size_t i = 1; i < ARRAY_LEN(policy); i++) {
		size_t len = strlen(policy[i].prefix);
		if (len > best_len && !strncmp(sqlstate, policy[i].prefix, len)) {
			best = policy[i].action;
			best_len = len;
		}
	}
	/* An unknown class says nothing about rows: coming back loses none and rejects none. */
	return best;
}

enum err_kind policy_kind(enum store_action action)
{
	switch (action) {
	case ACTION_RECONNECT:
	case ACTION_WAIT:
		return ERR_UNAVAILABLE;
	case ACTION_RETRY:
		return ERR_RETRY;
	case ACTION_REJECT:
		return ERR_DATA;
	case ACTION_PERMISSION:
		return ERR_PERMISSION;
	case ACTION_CONFIG:
		return ERR_CONFIG;
	case ACTION_BUG:
		return ERR_BUG;
	}
	UNREACHABLE("an action that is not in the enum");
}
