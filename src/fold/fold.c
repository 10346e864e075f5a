/* fold.c - writes the folded text and, byte by byte, where it came from. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "fold/fold.h"

#include "rules/spelling.h"

enum { ROOM_BEFORE = 16, ROOM_AFTER = 64, GAP_MOST = 255 };

struct writer {
	char *text;
	uint32_t *source;
	uint8_t *gaps; /* NULL in FORM_STANDARD */
	size_t len, cap;
	unsigned gap; /* separators since the last character that was kept */
	bool any_gap;
};

/* Letters that stay what they are in the loose forms; in the others all ASCII but A-Z stays. */
static bool ascii_stays(enum fold_form form, unsigned char c)
{
	if (form == FORM_STANDARD)
		return !(c >= 'A' && c <= 'Z');
	bool kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
	return kept && !(form == FORM_DIGITS && (c == 'i' || c == 'l' || c == 'o'));
}

/* The first character that `form` changes, from `at` on; text.len if there is none. */
static size_t find_change(enum fold_form form, struct str text, size_t at)
{
	const uint64_t *changed = form == FORM_STANDARD ? spelling_changed : spelling_changed_loose;

	while (at < text.len) {
		unsigned char c = (unsigned char)text.data[at];
		if (c < 0x80) {
			if (!ascii_stays(form, c))
				return at;
			at++;
			continue;
		}
		if (LIKELY(c >= 0xe0 && c < 0xf0)) { /* nearly all that is not ASCII */
			const char *p = text.data + at;
			uint32_t three = (c & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
			if (changed[three / 64] >> (three % 64) & 1)
				return at;
			at += 3;
			continue;
		}
		uint32_t code = utf8_get(text.data + at);
		if (code >= 0x10000) {
			uint32_t entry = spelling_entry(code);
			if (spelling_kind(entry) != SPELLING_KEEP ||
			    (form != FORM_STANDARD && entry & (SPELLING_SEPARATOR | SPELLING_SPECIAL)))
				return at;
		} else if (changed[code / 64] >> (code % 64) & 1) {
			return at;
		}
		at += utf8_len(c);
	}
	return at;
}

/* Copies [from, to) as it is; there is room. */
static void put_same(struct writer *w, struct str text, size_t from, size_t to)
{
	size_t count = to - from;

	memcpy(w->text + w->len, text.data + from, count);
	if (w->gaps) {
		memset(w->gaps + w->len, 0, count);
		if (count)
			w->gaps[w->len] = (uint8_t)w->gap;
		w->gap = count ? 0 : w->gap;
	}
	uint32_t *source = w->source + w->len;
	for (size_t i = 0; i < count; i += utf8_len((unsigned char)text.data[from + i]))
		/* Four without asking how many: what is too much is overwritten. */
		for (unsigned k = 0; k < 4; k++)
			source[i + k] = (uint32_t)(from + i);
	w->len += count;
}

static void put_code(struct writer *w, const char *bytes, unsigned len, size_t from)
{
	memcpy(w->text + w->len, bytes, len);
	for (unsigned i = 0; i < len; i++)
		w->source[w->len + i] = (uint32_t)from;
	if (w->gaps) {
		memset(w->gaps + w->len, 0, len);
		w->gaps[w->len] = (uint8_t)w->gap;
		w->gap = 0;
	}
	w->len += len;
}

static void add_gap(struct writer *w)
{
	w->gap += w->gap < GAP_MOST;
	w->any_gap = true;
}

/* A character in a loose form. Of one that expands to kept characters and separators (⑴ is (1)) a
 * run of separators counts once: it is one character of the original. */
static void put_loose(struct writer *w, enum fold_form form, uint32_t code, size_t from)
{
	struct spelled standard, one;
	bool counted = false;

	spelling_of(FORM_STANDARD, code, &standard);
	for (unsigned i = 0; i < standard.len; i += utf8_len((unsigned char)standard.bytes[i])) {
		spelling_of_standard(form, utf8_get(standard.bytes + i), &one);
		if (one.len) {
			put_code(w, one.bytes, one.len, from);
			counted = false;
		} else if (!counted) {
			add_gap(w);
			counted = true;
		}
	}
}

static void put_changed(struct writer *w, enum fold_form form, const char *at, size_t from)
{
	unsigned char c = (unsigned char)*at;

	if (form != FORM_STANDARD) {
		if (c < 0x80) {
			char lower = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
			if (form == FORM_DIGITS && (lower == 'i' || lower == 'l' || lower == 'o'))
				lower = lower == 'o' ? '0' : '1';
			if ((lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9'))
				put_code(w, &lower, 1, from);
			else
				add_gap(w);
			return;
		}
		uint32_t entry = spelling_entry(utf8_get(at));
		if ((entry & (SPELLING_SEPARATOR | SPELLING_SPECIAL)) == SPELLING_SEPARATOR)
			add_gap(w);
		else
			put_loose(w, form, utf8_get(at), from);
		return;
	}
	if (c < 0x80) {
		char lower = (char)(c + 32);
		put_code(w, &lower, 1, from);
		return;
	}
	uint32_t entry = spelling_entry(utf8_get(at));
	char one[4];
	switch (spelling_kind(entry)) {
	case SPELLING_ONE:
		put_code(w, one, utf8_put(one, spelling_value(entry)), from);
		return;
	case SPELLING_MANY: {
		const unsigned char *many = spelling_many + spelling_value(entry);
		put_code(w, (const char *)many + 1, many[0], from);
		return;
	}
	case SPELLING_GONE:
		return;
	case SPELLING_KEEP:
		UNREACHABLE("a character that stays was found to change");
	}
}

/* Returns false if the room was too small. */
static bool write_all(struct writer *w, enum fold_form form, struct str text, size_t change)
{
	for (size_t at = 0; at < text.len;) {
		if (w->cap - w->len < change - at + SPELLED_MAX)
			return false;
		put_same(w, text, at, change);
		at = change;
		/* Changes come in runs: no search between them. */
		while (at < text.len && w->cap - w->len >= SPELLED_MAX) {
			if (find_change(form, (struct str){text.data, at + 1}, at) != at)
				break;
			put_changed(w, form, text.data + at, at);
			at += utf8_len((unsigned char)text.data[at]);
		}
		change = find_change(form, text, at);
	}
	return true;
}

struct folded fold(enum fold_form form, struct str text, struct arena *arena)
{
	if (form == FORM_NONE)
		return (struct folded){.text = text};
	size_t change = find_change(form, text, 0);
	if (change == text.len)
		return (struct folded){.text = text};

	/* Nearly every text gets shorter by folding. The longest growth is 33 bytes for 3. */
	for (size_t cap = text.len + text.len / 4 + 2 * SPELLED_MAX;; cap = text.len * 12 + 2 * SPELLED_MAX) {
		char *room = arena_alloc(arena, ROOM_BEFORE + cap + ROOM_AFTER);
		struct writer w = {.text = room + ROOM_BEFORE, .cap = cap};
		w.source = arena_alloc(arena, (cap + 1) * sizeof *w.source);
		if (form != FORM_STANDARD)
			w.gaps = arena_alloc(arena, cap + 1);
		if (!write_all(&w, form, text, change))
			continue;
		w.source[w.len] = (uint32_t)text.len;
		if (w.gaps)
			w.gaps[w.len] = (uint8_t)w.gap;
		memset(w.text + w.len, 0, ROOM_AFTER);
		return (struct folded){
			.text = {w.text, w.len},
			.source = w.source,
			.gaps = w.any_gap ? w.gaps : NULL,
		};
	}
}
