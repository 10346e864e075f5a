/* database.c - compiles patterns with Hyperscan. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "match/database.h"

#include "base/arena.h"

void database_free(struct database *d)
{
	if (!d)
		return;
	hs_free_database(d->hs);
	free(d);
}

static char *escaped(struct arena *arena, struct str pattern)
{
	static const char hex[] = "0123456789abcdef";
	char *text = arena_alloc(arena, pattern.len * 4 + 1);

	for (size_t i = 0; i < pattern.len; i++) {
		unsigned char c = (unsigned char)pattern.data[i];
		memcpy(text + i * 4, "\\x", 2);
		text[i * 4 + 2] = hex[c >> 4];
		text[i * 4 + 3] = hex[c & 15];
	}
	text[pattern.len * 4] = '\0';
	return text;
}

int database_new_words(struct database **out, const struct str *patterns, size_t count,
		       const char *cache_dir, struct err *err)
{
	OWNED(database) *d = calloc(1, sizeof *d);
	struct arena arena = {0};
	const char **texts = ARENA_ARRAY(&arena, const char *, count);
	unsigned *flags = ARENA_ARRAY(&arena, unsigned, count);
	unsigned *ids = ARENA_ARRAY(&arena, unsigned, count);
	hs_compile_error_t *error = NULL;

	(void)cache_dir;
	for (size_t i = 0; i < count; i++) {
		texts[i] = escaped(&arena, patterns[i]);
		ids[i] = (unsigned)i;
	}
	hs_error_t code = d ? hs_compile_multi(texts, flags, ids, (unsigned)count, HS_MODE_BLOCK,
					       NULL, &d->hs, &error)
			    : HS_NOMEM;
	arena_fini(&arena);
	if (code != HS_SUCCESS) {
		err_set(err, ERR_DATA, "words: Hyperscan refuses them: %s",
			error ? error->message : "out of memory");
		hs_free_compile_error(error);
		return -1;
	}
	*out = TAKE(d);
	return 0;
}
