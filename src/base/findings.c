/* findings.c - collects and prints findings. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/findings.h"

#include <stdarg.h>

void findings_fini(struct findings *f)
{
	arena_fini(&f->arena);
	free(f->items);
	*f = (struct findings){0};
}

void findings_add(struct findings *f, enum finding_level level, struct str file, int line, int col,
		  const char *fmt, ...)
{
	char text[1024];
	va_list args;

	*(level == FINDING_ERROR ? &f->errors : &f->warnings) += 1;
	if (f->count == FINDINGS_MAX)
		return;
	if (!f->items && !(f->items = calloc(FINDINGS_MAX, sizeof *f->items)))
		return; /* counted all the same, so that the answer stays «no» */
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	f->items[f->count++] = (struct finding){level, arena_copy(&f->arena, file), line, col,
						arena_copy(&f->arena, str_of(text))};
}

static int by_place(const void *left, const void *right)
{
	const struct finding *a = left, *b = right;
	int order = str_cmp(a->file, b->file);
	if (order)
		return order;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->col != b->col)
		return a->col < b->col ? -1 : 1;
	return str_cmp(a->text, b->text);
}

void findings_sort(struct findings *f)
{
	if (f->count)
		qsort(f->items, f->count, sizeof *f->items, by_place);
}

void findings_print(struct findings *f, FILE *out)
{
	findings_sort(f);
	for (size_t i = 0; i < f->count; i++) {
		const struct finding *it = &f->items[i];
		fprintf(out, "%.*s:", STR_ARG(it->file));
		if (it->line)
			fprintf(out, "%d:%d:", it->line, it->col);
		fprintf(out, " %s: %.*s\n", it->level == FINDING_ERROR ? "error" : "warning",
			STR_ARG(it->text));
	}
	if (f->errors + f->warnings > f->count)
		fprintf(out, "… and %zu more\n", f->errors + f->warnings - f->count);
}
