/* check.c - what the checks of all servers share. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/check.h"

void check_note(struct check *check, const struct err *err, const char *advice)
{
	bool away = err->kind == ERR_UNAVAILABLE || err->kind == ERR_RETRY;
	bool denied = err->kind == ERR_PERMISSION;

	check->away |= away;
	check->missing_rights += denied;
	CHECK_ADD(check, FINDING_ERROR, "%s%s%s", err->text, denied && advice ? ": " : "",
		  away ? ": is it there, and is its address right?" : denied && advice ? advice : "");
}
