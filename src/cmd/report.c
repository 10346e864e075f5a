/* report.c - keeps results, prints failures, writes JUnit XML. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/report.h"

#include "base/arena.h"
#include "base/buf.h"

struct report {
	FILE *print_to;
	struct arena arena;
	struct report_case *cases;
	size_t count, cap, failed;
};

int report_new(struct report **out, FILE *print_to, struct err *err)
{
	struct report *r = calloc(1, sizeof *r);

	if (!r)
		return err_set(err, ERR_OS, "report: out of memory");
	r->print_to = print_to;
	*out = r;
	return 0;
}

void report_free(struct report *r)
{
	if (!r)
		return;
	arena_fini(&r->arena);
	free(r);
}

void report_add(struct report *r, const struct report_case *it)
{
	if (r->count == r->cap) {
		size_t cap = MAX(r->cap * 2, (size_t)64);
		struct report_case *cases = ARENA_ARRAY(&r->arena, struct report_case, cap);
		if (r->count)
			memcpy(cases, r->cases, r->count * sizeof *cases);
		r->cases = cases;
		r->cap = cap;
	}
	struct report_case *copy = &r->cases[r->count++];
	*copy = *it;
	copy->file = arena_copy(&r->arena, it->file);
	copy->suite = arena_copy(&r->arena, it->suite);
	copy->name = arena_copy(&r->arena, it->name);
	copy->failure = arena_copy(&r->arena, it->failure);
	if (!it->failure.len)
		return;
	r->failed++;
	fprintf(r->print_to, "%.*s:%d:%d: failed: %.*s: %.*s\n", STR_ARG(it->file), it->line, it->col,
		STR_ARG(it->name), STR_ARG(it->failure));
}

size_t report_failed(const struct report *r)
{
	return r->failed;
}

void report_summary(const struct report *r, FILE *out)
{
	fprintf(out, "%zu passed, %zu failed\n", r->count - r->failed, r->failed);
}

static void put_attribute(struct buf *b, const char *name, struct str text)
{
	buf_printf(b, " %s=\"", name);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		if (c == '&' || c == '<' || c == '>' || c == '"' || (c < 0x20 && c != 0))
			/* XML 1.0 knows only these of the control characters. */
			buf_printf(b, "&#%u;", c >= 0x20 || c == '\t' || c == '\n' || c == '\r' ? c : '?');
		else
			buf_putc(b, (char)c);
	}
	buf_putc(b, '"');
}

static void put_case(struct buf *b, const struct report_case *it)
{
	buf_put(b, STR("    <testcase"));
	put_attribute(b, "classname", it->suite);
	put_attribute(b, "name", it->name);
	put_attribute(b, "file", it->file);
	buf_printf(b, " line=\"%d\"", it->line);
	if (!it->failure.len) {
		buf_put(b, STR("/>\n"));
		return;
	}
	buf_put(b, STR(">\n      <failure"));
	put_attribute(b, "message", it->failure);
	buf_put(b, STR("/>\n    </testcase>\n"));
}

/* The cases from `first` on that belong to one suite. */
static size_t suite_end(const struct report *r, size_t first, size_t *failed)
{
	size_t end = first;

	for (*failed = 0; end < r->count && str_eq(r->cases[end].suite, r->cases[first].suite); end++)
		*failed += r->cases[end].failure.len > 0;
	return end;
}

int report_junit(const struct report *r, const char *path, struct err *err)
{
	struct buf b = {0};
	FILE *file = fopen(path, "we");

	if (!file)
		return err_errno(err, ERR_NOINPUT, "%s cannot be written", path);
	buf_printf(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		       "<testsuites name=\"chatmill rules\" tests=\"%zu\" failures=\"%zu\">\n",
		   r->count, r->failed);
	for (size_t first = 0, end, failed; first < r->count; first = end) {
		end = suite_end(r, first, &failed);
		buf_put(&b, STR("  <testsuite"));
		put_attribute(&b, "name", r->cases[first].suite);
		buf_printf(&b, " tests=\"%zu\" failures=\"%zu\">\n", end - first, failed);
		for (size_t i = first; i < end; i++)
			put_case(&b, &r->cases[i]);
		buf_put(&b, STR("  </testsuite>\n"));
	}
	buf_put(&b, STR("</testsuites>\n"));
	bool bad = fwrite(b.data, 1, b.len, file) != b.len;
	bad |= fclose(file) != 0;
	buf_fini(&b);
	return bad ? err_errno(err, ERR_OS, "%s cannot be written", path) : 0;
}
