/* migrate.h - the schema of the database: what is applied, what is missing, and applying it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Migrations are numbered plain SQL (schemas/migrations), carried in the binary. Each is one
 * transaction that also notes its number and checksum in chatmill.migration; an advisory lock
 * lets one program migrate at a time. What is printed for a DBA is what is executed, byte for
 * byte. There is no way down: a database that knows more than the program is refused.
 *
 * Thread: any, with a connection of its own.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/digest.h"
#include "store/pg.h"

struct migration {
	int version; /* from 1, without gaps */
	const char *name, *sql;
};
extern const struct migration migrations[];
extern const int migration_count;

enum migration_state { MIGRATION_APPLIED, MIGRATION_MISSING, MIGRATION_CHANGED };

struct migration_status {
	int applied;                  /* the highest applied version; 0: no schema */
	enum migration_state *states; /* of each of `migrations`; owned by the arena given */
};

/* Reads what is applied. ERR_CONFIG when the database knows a version that this program does not,
 * or an applied migration had another text. */
MUST_CHECK int migrate_status(struct pg *pg, struct migration_status *out, struct arena *arena,
			      struct err *err);

/* ERR_CONFIG unless all that this program carries is applied, and no more. */
MUST_CHECK int migrate_need(struct pg *pg, struct err *err);

/* Appends the script that applies migration `index`: from BEGIN to COMMIT. */
void migrate_script(struct buf *out, int index);

/* Applies what is missing; *applied says how many. Waits for another migration to end. */
MUST_CHECK int migrate_apply(struct pg *pg, int *applied, struct err *err);
