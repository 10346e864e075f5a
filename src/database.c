/* database.c - hands the configuration's keys to store/pg.h. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "database.h"

enum { KEYS_MAX = 64 }; /* libpq 15 knows 43 */

int database_new(struct pg **out, const struct config *config, struct err *err)
{
	struct pg_setting settings[KEYS_MAX];
	size_t count = config->postgres.count;

	if (count > KEYS_MAX)
		return err_set(err, ERR_CONFIG, "postgres: more than %d keys", KEYS_MAX);
	for (size_t i = 0; i < count; i++)
		settings[i] = (struct pg_setting){config->postgres.items[i].name,
						  config->postgres.items[i].value};
	return pg_new(out, settings, count, err);
}

int database_open(struct pg **out, const struct config *config, struct err *err)
{
	OWNED(pg) *pg = NULL;
	struct pg_fault fault;

	if (database_new(&pg, config, err) < 0)
		return -1;
	if (pg_connect(pg, &fault) < 0)
		return pg_err(err, &fault, "connecting");
	*out = TAKE(pg);
	return 0;
}
