/* source.c - walks a folder, writes and reads bundles. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/source.h"

#include <errno.h>
#include <fts.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/utf8.h"
#include "rules/vec.h"
#include "rules/zone.h"

static const char *const kind_names[SOURCE_KIND_COUNT] = {
	[SOURCE_CONSENT] = "consent", [SOURCE_RULES] = "rules", [SOURCE_SEMANTICS] = "semantics",
	[SOURCE_STAFF] = "staff",     [SOURCE_WORDS] = "words", [SOURCE_ZONE] = "zone",
};

#define BUNDLE_HEAD STR("chatmill-rules 1\n")

void sources_add(struct sources *s, enum source_kind kind, struct str path, struct str text)
{
	*VEC_ADD(s->arena, s) = (struct source){kind, path, text};
}

static int by_place(const void *left, const void *right)
{
	const struct source *a = left, *b = right;

	return a->kind != b->kind ? (a->kind < b->kind ? -1 : 1) : str_cmp(a->path, b->path);
}

const struct source *sources_find(const struct sources *s, enum source_kind kind, struct str path)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].kind == kind && str_eq(s->items[i].path, path))
			return &s->items[i];
	return NULL;
}

static enum err_kind kind_of_errno(void)
{
	bool lack = errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == EPERM;

	return lack ? ERR_NOINPUT : ERR_OS; /* err_errno() tells which of the two */
}

/* ---- the folder ---- */

/* Rules, or the tests beside them, whichever is read. */
static bool is_wanted(const struct sources *s, struct str name)
{
	bool yaml = str_ends(name, STR(".yaml")) || str_ends(name, STR(".yml"));
	bool test = str_ends(name, STR(".test.yaml")) || str_ends(name, STR(".test.yml"));

	return yaml && test == s->tests;
}

static int take_entry(struct sources *s, FTS *walk, FTSENT *entry, size_t dir_len, struct err *err)
{
	struct str text, path = str_of(entry->fts_path + dir_len);

	if (entry->fts_level > 0 && entry->fts_name[0] == '.') {
		(void)fts_set(walk, entry, FTS_SKIP); /* cannot fail for a valid option */
		return 0;
	}
	switch (entry->fts_info) {
	case FTS_F:
		break;
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		errno = entry->fts_errno;
		return err_errno(err, kind_of_errno(), "cannot read %s", entry->fts_path);
	case FTS_SLNONE:
		return is_wanted(s, path)
			       ? err_set(err, ERR_NOINPUT, "%s is a link to nothing", entry->fts_path)
			       : 0;
	default: /* folders before and after their entries, pipes, cycles of links */
		return 0;
	}
	while (path.len && path.data[0] == '/')
		path = str_from(path, 1);
	if (!is_wanted(s, path))
		return 0;
	if (s->count == SOURCES_MAX)
		return err_set(err, ERR_DATA, "more than %d rule files", SOURCES_MAX);
	if (!utf8_valid(path) || memchr(path.data, '\n', path.len))
		return err_set(err, ERR_DATA, "%s: a file name that is not UTF-8", entry->fts_path);
	if (file_read(s->arena, entry->fts_path, SOURCE_BYTES_MAX, &text, err) < 0)
		return -1;
	sources_add(s, SOURCE_RULES, arena_copy(s->arena, path), text);
	return 0;
}

static int read_folder(struct sources *s, const char *dir, struct err *err)
{
	char *const roots[] = {(char *)dir, NULL};
	struct stat st;
	FTSENT *entry;
	int status = 0;

	if (stat(dir, &st) < 0)
		return err_errno(err, kind_of_errno(), "cannot read %s", dir);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_NOINPUT, "%s is not a folder; rules are a folder of files",
			       dir);
	FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
	if (!walk)
		return err_errno(err, ERR_OS, "cannot read %s", dir);
	s->dir = dir;
	while (status == 0 && (entry = fts_read(walk)))
		status = take_entry(s, walk, entry, strlen(dir), err);
	(void)fts_close(walk); /* only read from */
	if (status == 0 && s->count)
		qsort(s->items, s->count, sizeof *s->items, by_place);
	return status;
}

int sources_read(struct sources *s, const char *dir, struct err *err)
{
	if (read_folder(s, dir, err) < 0)
		return -1;
	return s->count ? 0 : err_set(err, ERR_NOINPUT, "no rule files (*.yaml) in %s", dir);
}

int sources_read_tests(struct sources *s, const char *dir, struct err *err)
{
	s->tests = true;
	return read_folder(s, dir, err);
}

/* ---- more sources while rules are read ---- */

static bool path_stays_inside(struct str path)
{
	if (!path.len || path.data[0] == '/' || memchr(path.data, '\n', path.len))
		return false;
	for (size_t start = 0; start <= path.len;) {
		const char *slash = memchr(path.data + start, '/', path.len - start);
		size_t len = slash ? (size_t)(slash - path.data) - start : path.len - start;
		if (str_eq((struct str){path.data + start, len}, STR("..")))
			return false;
		start += len + 1;
	}
	return true;
}

static int add_words(struct sources *s, struct str path, struct err *err)
{
	struct str text;

	if (!path_stays_inside(path))
		return err_set(err, ERR_DATA, "word files lie inside the rules folder; write a path "
					      "without .. that does not begin with /");
	struct str full = arena_printf(s->arena, "%s/%.*s", s->dir, STR_ARG(path));
	if (file_read(s->arena, full.data, SOURCE_BYTES_MAX, &text, err) < 0)
		return -1;
	if (!utf8_valid(text) || memchr(text.data, '\0', text.len))
		return err_set(err, ERR_DATA, "%s is not UTF-8 text; save it as UTF-8", full.data);
	sources_add(s, SOURCE_WORDS, arena_copy(s->arena, path), text);
	return 0;
}

static int add_zone(struct sources *s, struct str name, struct err *err)
{
	struct str bytes;
	struct buf text = {0};

	if (zone_read_file(&bytes, s->arena, name, err) < 0)
		return -1;
	buf_put_base64(&text, bytes);
	sources_add(s, SOURCE_ZONE, arena_copy(s->arena, name), arena_copy(s->arena, buf_str(&text)));
	buf_fini(&text);
	return 0;
}

int sources_get(const struct source **out, struct sources *s, enum source_kind kind,
		struct str path, struct err *err)
{
	if (!sources_find(s, kind, path)) {
		if (!s->dir)
			return err_set(err, ERR_DATA, "the bundle does not hold %.*s", STR_ARG(path));
		if (s->count == SOURCES_MAX)
			return err_set(err, ERR_DATA, "more than %d files", SOURCES_MAX);
		if ((kind == SOURCE_ZONE ? add_zone(s, path, err) : add_words(s, path, err)) < 0)
			return -1;
	}
	*out = sources_find(s, kind, path);
	return 0;
}

static int base64_value(char c)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

int source_zone_bytes(struct str *out, struct arena *arena, const struct source *source,
		      struct err *err)
{
	struct str s = source->text;
	char *bytes = arena_alloc(arena, s.len), *to = bytes;
	uint32_t bits = 0;
	int bit_count = 0;

	while (s.len && s.data[s.len - 1] == '=')
		s.len--;
	for (size_t i = 0; i < s.len; i++) {
		int value = base64_value(s.data[i]);
		if (value < 0)
			return err_set(err, ERR_DATA, "zone %.*s: not base64", STR_ARG(source->path));
		bits = bits << 6 | (uint32_t)value;
		bit_count += 6;
		if (bit_count >= 8) {
			bit_count -= 8;
			*to++ = (char)(bits >> bit_count);
		}
	}
	*out = (struct str){bytes, (size_t)(to - bytes)};
	return 0;
}

/* ---- bundles ---- */

void sources_bundle(struct sources *s, struct buf *out)
{
	if (s->count)
		qsort(s->items, s->count, sizeof *s->items, by_place);
	buf_put(out, BUNDLE_HEAD);
	for (size_t i = 0; i < s->count; i++) {
		const struct source *it = &s->items[i];
		buf_printf(out, "%s %zu %.*s\n", kind_names[it->kind], it->text.len,
			   STR_ARG(it->path));
		buf_put(out, it->text);
		buf_putc(out, '\n');
	}
}

/* Takes what stands before `end` off the front of *rest. */
static bool take_until(struct str *rest, char end, struct str *out)
{
	const char *at = rest->len ? memchr(rest->data, end, rest->len) : NULL;

	if (!at)
		return false;
	*out = (struct str){rest->data, (size_t)(at - rest->data)};
	*rest = str_from(*rest, out->len + 1);
	return true;
}

static bool take_source(struct sources *s, struct str *rest)
{
	struct str kind, bytes, path;
	uint64_t len;

	if (!take_until(rest, ' ', &kind) || !take_until(rest, ' ', &bytes) ||
	    !take_until(rest, '\n', &path) || !str_to_u64(bytes, &len) || len >= rest->len ||
	    len > SOURCE_BYTES_MAX || rest->data[len] != '\n' || s->count == SOURCES_MAX)
		return false;
	for (int i = 0; i < SOURCE_KIND_COUNT; i++) {
		if (!str_eq(kind, str_of(kind_names[i])))
			continue;
		if (i == SOURCE_RULES || i == SOURCE_WORDS ? !path_stays_inside(path) : false)
			return false;
		sources_add(s, (enum source_kind)i, arena_copy(s->arena, path),
			    arena_copy(s->arena, (struct str){rest->data, len}));
		*rest = str_from(*rest, len + 1);
		return true;
	}
	return false;
}

int sources_unbundle(struct sources *s, struct str bundle, struct err *err)
{
	struct str rest = bundle;

	s->dir = NULL;
	if (bundle.len > BUNDLE_BYTES_MAX || !str_starts(bundle, BUNDLE_HEAD) || !utf8_valid(bundle))
		return err_set(err, ERR_DATA, "not a bundle of rules of version 1");
	rest = str_from(rest, BUNDLE_HEAD.len);
	while (rest.len) {
		size_t at = (size_t)(rest.data - bundle.data), count = s->count;
		if (!take_source(s, &rest))
			return err_set(err, ERR_DATA, "bundle of rules: broken at byte %zu", at);
		/* One order only: else the same rules had two digests. */
		if (count && by_place(&s->items[count - 1], &s->items[count]) >= 0)
			return err_set(err, ERR_DATA, "bundle of rules: out of order at byte %zu", at);
	}
	return 0;
}
