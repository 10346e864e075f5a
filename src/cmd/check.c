/* check.c - what the checks of all servers share. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/check.h"

void check_note(struct check *check, const struct err *err, const char *advice)
{
	bool away = err->kind == ERR_UNAVAILABLE || err->kind == ERR_RETRY;
	bool denied = err->kind == ERR_PERMISSION;

	check->away |= away;
	check->missing_rights += denied;
	bool read_only = away && strstr(err->text, "read-only");
	CHECK_ADD(check, FINDING_ERROR, "%s%s%s", err->text, denied && advice ? ": " : "",
		  read_only ? ": it takes no writes (a standby, or default_transaction_read_only); name the server "
			      "that does"
		  : away    ? ": is it there, and is its address right?"
		  : denied && advice ? advice
				     : "");
}
