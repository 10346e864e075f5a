/* database.h - Hyperscan's databases: compiled with care, scanned without surprise.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Words are compiled as bytes (\xNN) with hs_compile_multi: hs_compile_lit_multi of 5.4.0 loses
 * matches on runs of 34 and more equal bytes. Thread: a database is immutable and shared.
 */
#pragma once

#include <hs.h>

#include "base/err.h"
#include "base/str.h"

struct database {
	hs_database_t *hs;
};

void database_free(struct database *d); /* NULL is fine */
DEFINE_OWNED(database);

/* Compiles `patterns`, plain bytes, numbered from 0. */
MUST_CHECK int database_new_words(struct database **out, const struct str *patterns, size_t count,
				  const char *cache_dir, struct err *err);
