/* reach.c - compares spellings as they are searched. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/reach.h"

#include "base/utf8.h"
#include "rules/spelling.h"

/* ---- how a word is searched ---- */

static char edge_of(char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return 'a';
	return c >= '0' && c <= '9' ? '0' : 0;
}

static struct str put(enum fold_form form, struct str text, struct arena *arena, struct buf *buf)
{
	buf_clear(buf);
	spelling_put(form, text, buf);
	return arena_copy(arena, buf_str(buf));
}

/* From what is in the standard form already. */
static struct str put_loose(enum fold_form form, struct str standard, struct arena *arena,
			    struct buf *buf)
{
	struct spelled one;

	buf_clear(buf);
	for (size_t i = 0; i < standard.len; i += utf8_len((unsigned char)standard.data[i])) {
		spelling_of_standard(form, utf8_get(standard.data + i), &one);
		buf_put(buf, (struct str){one.bytes, one.len});
	}
	return arena_copy(arena, buf_str(buf));
}

static bool begins_with_separator(struct str standard)
{
	return standard.len && spelling_is_separator(utf8_get(standard.data));
}

static bool ends_with_separator(struct str standard)
{
	size_t last = standard.len;

	while (last > 0 && ((unsigned char)standard.data[--last] & 0xc0) == 0x80)
		continue;
	return standard.len && spelling_is_separator(utf8_get(standard.data + last));
}

static struct sought sought(const struct cond *cond, struct str spelling, struct arena *arena,
			    struct buf *buf)
{
	struct sought s = {.form = variant_form(cond->fold, spelling, buf)};
	bool loose = s.form >= FORM_LOOSE;

	s.text = put(s.form, spelling, arena, buf);
	s.standard = put(FORM_STANDARD, spelling, arena, buf);
	if (loose)
		s.gap = (unsigned)(cond->gap == GAP_UNSET ? GAP_DEFAULT : cond->gap);
	if (cond->mode == MODE_EDGES && s.text.len) {
		bool open_left = loose && begins_with_separator(s.standard);
		bool open_right = loose && ends_with_separator(s.standard);
		s.left = open_left ? 0 : edge_of(s.text.data[0]);
		s.right = open_right ? 0 : edge_of(s.text.data[s.text.len - 1]);
	}
	return s;
}

struct sought_word sought_word(const struct cond *cond, struct str text, const struct lexicon *lexicon,
			       struct arena *arena, struct buf *buf)
{
	struct variants variants;

	variants.items[0] = text;
	variants.count = 1;
	if (cond->fold == FORM_LOOSE && !variants_find(&variants, text, lexicon, arena))
		return (struct sought_word){0};
	struct sought *items = arena_alloc(arena, variants.count * sizeof *items);
	for (size_t i = 0; i < variants.count; i++)
		items[i] = sought(cond, variants.items[i], arena, buf);
	return (struct sought_word){items, variants.count};
}

/* ---- without separators that are passed over ---- */

static uint32_t edge_code(struct str standard, bool right)
{
	size_t at = right ? standard.len : 0;

	if (right)
		do
			at--;
		while (((unsigned char)standard.data[at] & 0xc0) == 0x80);
	return utf8_get(standard.data + at);
}

/* May the edge of a word stand at the side of another's hit, which has an edge there too? Beyond it the
 * text is unknown: only the same check in the same form says that nothing touches there. Under loose
 * what only looks like a letter is not touched where it is the word's own: so is the other's. */
static bool edge_is_kept(const struct sought *s, const struct sought *l, bool right)
{
	char kind = right ? s->right : s->left;

	if (!kind)
		return true;
	if (s->form != l->form || kind != (right ? l->right : l->left))
		return false;
	if (s->form != FORM_LOOSE)
		return true;
	uint32_t other = edge_code(l->standard, right);
	return edge_code(s->standard, right) == other || other < 0x80;
}

static bool covers_as_text(const struct sought *s, const struct sought *l)
{
	struct str whole = s->form == l->form ? l->text : l->standard;
	const char *at = whole.data, *end = whole.data + whole.len;

	for (; s->text.len && (at = memmem(at, (size_t)(end - at), s->text.data, s->text.len)); at++) {
		const char *behind = at + s->text.len;
		bool left = at > whole.data ? !s->left || edge_of(at[-1]) != s->left
					    : edge_is_kept(s, l, false);
		bool right = behind < end ? !s->right || edge_of(*behind) != s->right
					  : edge_is_kept(s, l, true);
		if (left && right)
			return true;
	}
	return false;
}

/* ---- with separators that are passed over ---- */

/* The characters that the loose form keeps, and the separators around each. */
struct view {
	struct str text;  /* kept characters */
	uint32_t *at;	  /* where each begins in it; kept + 1 */
	struct str *runs; /* of the standard text: before each, and behind the last */
	size_t kept;
};

static struct view view(const struct sought *s, struct arena *arena)
{
	size_t chars = utf8_count(s->standard);
	char *text = arena_alloc(arena, s->standard.len);
	struct view v = {{text, 0}, ARENA_ARRAY(arena, uint32_t, chars + 1),
			 ARENA_ARRAY(arena, struct str, chars + 1), 0};
	struct spelled one;

	for (size_t i = 0, start = 0, len; i <= s->standard.len; i += len) {
		bool end = i == s->standard.len;
		len = end ? 1 : utf8_len((unsigned char)s->standard.data[i]);
		if (!end)
			spelling_of_standard(FORM_LOOSE, utf8_get(s->standard.data + i), &one);
		if (!end && !one.len)
			continue;
		v.runs[v.kept] = (struct str){s->standard.data + start, i - start};
		v.at[v.kept] = (uint32_t)v.text.len;
		start = i + len;
		if (end)
			break;
		memcpy(text + v.text.len, one.bytes, one.len); /* never longer than what it stands for */
		v.text.len += one.len;
		v.kept++;
	}
	return v;
}

/* Does what stands between two characters of `l` fit between two of `s`? */
static bool inside_fits(const struct sought *s, struct str run, const struct sought *l, struct str other)
{
	if (run.len)
		return str_eq(run, other) && l->gap <= s->gap;
	size_t own = utf8_count(other); /* with others before each and behind the last */
	return own + l->gap * (own + 1) <= s->gap;
}

/* Does `v`, the view of `s`, stand in that of `l` from its character `from` on? */
static bool stands_at(const struct sought *s, const struct view *v, const struct sought *l,
		      const struct view *w, size_t from)
{
	size_t to = from + v->kept;
	struct str before = w->runs[from], behind = w->runs[to];
	struct str piece = {w->text.data + w->at[from], w->at[to] - w->at[from]};
	char last = from ? edge_of(w->text.data[w->at[from] - 1]) : 0;
	char next = to < w->kept ? edge_of(w->text.data[w->at[to]]) : 0;

	if (!str_eq(piece, v->text))
		return false;
	for (size_t i = 1; i < v->kept; i++)
		if (!inside_fits(s, v->runs[i], l, w->runs[from + i]))
			return false;
	if (v->runs[0].len && !(str_ends(before, v->runs[0]) && l->gap <= s->gap))
		return false;
	if (v->runs[v->kept].len && !(str_starts(behind, v->runs[v->kept]) && l->gap <= s->gap))
		return false;
	/* A separator that must stand there keeps all from touching. */
	bool left = before.len || (from ? !s->left || last != s->left
					: edge_is_kept(s, l, false));
	bool right = behind.len || (to < w->kept ? !s->right || next != s->right
						 : edge_is_kept(s, l, true));
	return left && right;
}

static bool covers_loosely(const struct sought *s, const struct sought *l, struct arena *arena)
{
	/* Most do not, which costs least to see here. */
	if (l->form == s->form && !memmem(l->text.data, l->text.len, s->text.data, s->text.len))
		return false;

	struct view v = view(s, arena), w = view(l, arena);

	for (size_t from = 0; v.kept && from + v.kept <= w.kept; from++)
		if (stands_at(s, &v, l, &w, from))
			return true;
	return false;
}

/* ---- words ---- */

static bool spelling_covers(const struct sought *s, const struct sought *l, struct arena *arena)
{
	if (s->form < l->form)
		return false;
	if (s->form < FORM_LOOSE)
		return covers_as_text(s, l);
	if (s->form == FORM_LOOSE)
		return covers_loosely(s, l, arena);
	/* Which letters of a text are digits too depends on what is around: only digits are compared. */
	bool plain = utf8_count(s->standard) == s->text.len && utf8_count(l->standard) == l->text.len;
	return l->form == s->form && plain && l->gap <= s->gap && covers_as_text(s, l);
}

bool sought_covers(const struct sought_word *word, const struct sought_word *other, struct arena *arena)
{
	for (size_t l = 0; l < other->count; l++) {
		bool covered = false;
		for (size_t s = 0; s < word->count && !covered; s++)
			covered = spelling_covers(&word->items[s], &other->items[l], arena);
		if (!covered)
			return false;
	}
	return other->count > 0;
}

struct str sought_in(const struct sought *s, enum fold_form form, struct arena *arena, struct buf *buf)
{
	assert(form >= s->form);
	if (form == s->form)
		return s->text;
	return form == FORM_STANDARD ? s->standard : put_loose(form, s->standard, arena, buf);
}

bool sought_may_hold(const struct sought_word *around, const struct sought_word *word,
		     struct arena *arena, struct buf *buf)
{
	for (size_t a = 0; a < around->count; a++) {
		for (size_t s = 0; s < word->count; s++) {
			const struct sought *one = &around->items[a], *other = &word->items[s];
			enum fold_form form = MAX(one->form, other->form);
			struct str whole = sought_in(one, form, arena, buf);
			struct str part = sought_in(other, form, arena, buf);
			if (!part.len || memmem(whole.data, whole.len, part.data, part.len))
				return true;
		}
	}
	return !around->count || !word->count;
}
