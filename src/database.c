/* database.c - hands the configuration's keys to store/pg.h. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "database.h"

int database_settings(struct pg_setting out[DATABASE_KEYS_MAX], size_t *count,
		      const struct config *config, struct err *err)
{
	const struct property *keys = config->postgres.items;

	if (config->postgres.count > DATABASE_KEYS_MAX)
		return err_set(err, ERR_CONFIG, "postgres: more than %d keys", DATABASE_KEYS_MAX);
	*count = config->postgres.count;
	for (size_t i = 0; i < *count; i++)
		out[i] = (struct pg_setting){keys[i].name, keys[i].value, keys[i].given.secret};
	return 0;
}

int database_new(struct pg **out, const struct config *config, struct err *err)
{
	struct pg_setting settings[DATABASE_KEYS_MAX];
	size_t count = 0;

	if (database_settings(settings, &count, config, err) < 0)
		return -1;
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
