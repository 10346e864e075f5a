/* rulebook.c - counts who still judges by a rule set. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rulebook.h"

#include <stdatomic.h>

int rulebook_new(struct rulebook **out, struct ruleset *set, const char *cache_dir,
		 struct findings *findings, struct err *err)
{
	OWNED(rulebook) *book = calloc(1, sizeof *book);
	if (!book) {
		ruleset_free(set);
		return err_set(err, ERR_OS, "rules: out of memory");
	}
	book->refs = 1;
	book->set = set;
	if (engine_new(&book->engine, set, cache_dir, findings, err) < 0)
		return -1;
	for (size_t i = 0; i < book->set->rule_count; i++)
		book->near_over_messages |= book->set->rules[i].near_count > 0;
	*out = TAKE(book);
	return 0;
}

struct rulebook *rulebook_ref(struct rulebook *book)
{
	atomic_fetch_add(&book->refs, 1);
	return book;
}

bool rulebook_is_shared(const struct rulebook *book)
{
	return atomic_load(&book->refs) > 1;
}

void rulebook_free(struct rulebook *book)
{
	if (!book || atomic_fetch_sub(&book->refs, 1) > 1)
		return;
	engine_free(book->engine);
	ruleset_free(book->set);
	free(book);
}
