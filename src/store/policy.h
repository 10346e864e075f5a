/* policy.h - what to do about an error of PostgreSQL: one table by SQLSTATE.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The codes and classes are those of PostgreSQL's documentation, appendix A. The longest prefix in
 * the table wins. Pure. Thread: any.
 */
#pragma once

#include "base/err.h"

enum store_action {
	ACTION_RECONNECT, /* the connection or the server went away: come back, read the offsets */
	ACTION_RETRY,  /* lost against somebody else (lock, deadlock): again, with less at once */
	ACTION_REJECT, /* a row is at fault: find it, set it aside */
	ACTION_WAIT,   /* the server lacks room: say so, stop reading, try until it has */
	ACTION_PERMISSION, /* a person must grant something: stop, exit status 77 */
	ACTION_CONFIG,     /* a person must correct something: stop, exit status 78 */
	ACTION_BUG,        /* we sent nonsense: stop, exit status 70 */
};

/* `sqlstate` is five characters; empty where the server said nothing (the connection died). */
enum store_action policy_action(const char *sqlstate);

/* The kind of err that an action ends as, when nobody tries again. */
enum err_kind policy_kind(enum store_action action);
