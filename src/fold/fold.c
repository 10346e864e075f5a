/* fold.c - writes the folded text and, run by run, where it came from. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "fold/fold.h"

#include "rules/spelling.h"

enum { ROOM_BEFORE = 16, ROOM_AFTER = 64, GAP_MOST = 255 };

struct writer {
	char *text;
	struct fold_run *runs;
	uint8_t *gaps; /* NULL in FORM_STANDARD */
	size_t len, cap;
	uint32_t run_count;
	unsigned gap; /* separators since the last character that was kept */
	bool any_gap;
};

/* Letters that stay what they are in the loose forms; in the others all ASCII but A-Z stays. */
static inline bool ascii_stays(enum fold_form form, unsigned char c)
{
	if (form == FORM_STANDARD)
		return !(c >= 'A' && c <= 'Z');
	bool kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
	return kept && !(form == FORM_DIGITS && (c == 'i' || c == 'l' || c == 'o'));
}

/* Whether the bit of `code` is set in a table of spelling.h. */
static inline bool has_bit(const uint64_t *table, uint32_t code)
{
	return table[code / 64] >> (code % 64) & 1;
}

/* Bytes of the character at `p` if `form` leaves it as it is, else 0. */
static inline unsigned stays(enum fold_form form, const uint64_t *changed, const char *p)
{
	uint32_t four;
	memcpy(&four, p, 4); /* little endian, as all of decode/ */
	if (LIKELY((four & 0xf0) == 0xe0)) /* three bytes: nearly all that is not ASCII */
		return has_bit(changed, (four & 0x0f) << 12 | (four >> 2 & 0xfc0) | (four >> 16 & 0x3f)) ? 0 : 3;
	unsigned char c = (unsigned char)*p;
	if (c < 0x80)
		return ascii_stays(form, c);
	uint32_t code = utf8_get(p);
	if (code < 0x10000)
		return has_bit(changed, code) ? 0 : 2;
	uint32_t entry = spelling_entry(code);
	bool kept = spelling_kind(entry) == SPELLING_KEEP &&
		    (form == FORM_STANDARD || !(entry & (SPELLING_SEPARATOR | SPELLING_SPECIAL)));
	return kept ? 4 : 0;
}

static void add_run(struct writer *w, size_t from, bool same)
{
	w->runs[w->run_count++] = (struct fold_run){
		.at = (uint32_t)w->len, .from = (uint32_t)from & INT32_MAX, .same = same};
}

/* Copies from `at` up to the first character that `form` changes, whose place it returns. Four bytes
 * are copied for each character, whatever its length: there is room, and what is too much is
 * overwritten. */
static size_t put_same(struct writer *w, enum fold_form form, struct str text, size_t at)
{
	const uint64_t *changed = form == FORM_STANDARD ? spelling_changed : spelling_changed_loose;
	const char *p = text.data + at, *end = text.data + text.len;
	char *out = w->text + w->len;

	for (unsigned len; p < end && (len = stays(form, changed, p)); p += len, out += len)
		memcpy(out, p, 4);
	size_t count = (size_t)(out - w->text) - w->len;
	if (count == 0)
		return at;
	add_run(w, at, true);
	if (w->gaps) {
		memset(w->gaps + w->len, 0, count);
		w->gaps[w->len] = (uint8_t)w->gap;
		w->gap = 0;
	}
	w->len += count;
	return at + count;
}

static void put_code(struct writer *w, const char *bytes, unsigned len, size_t from)
{
	const struct fold_run *last = w->run_count ? &w->runs[w->run_count - 1] : NULL;

	if (!last || last->same || last->from != from)
		add_run(w, from, false);
	memcpy(w->text + w->len, bytes, len);
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
static bool write_all(struct writer *w, enum fold_form form, struct str text)
{
	for (size_t at = 0; at < text.len;) {
		if (w->cap - w->len < text.len - at + SPELLED_MAX)
			return false;
		at = put_same(w, form, text, at);
		if (at == text.len)
			break;
		put_changed(w, form, text.data + at, at);
		at += utf8_len((unsigned char)text.data[at]);
	}
	return true;
}

struct folded fold(enum fold_form form, struct str text, struct arena *arena)
{
	if (form == FORM_NONE || !text.len)
		return (struct folded){.text = text};
	/* Nearly every text gets shorter by folding. The longest growth is 33 bytes for 3. */
	for (size_t cap = text.len + text.len / 4 + 2 * SPELLED_MAX;; cap = text.len * 12 + 2 * SPELLED_MAX) {
		size_t text_room = ROOM_BEFORE + cap + ROOM_AFTER;
		size_t gap_room = form == FORM_STANDARD ? 0 : cap + 1;
		size_t run_place = (text_room + gap_room + 7) & ~(size_t)7;
		/* Runs: at most one for each character, and one behind the last. */
		char *room = arena_alloc(arena, run_place + (text.len + 1) * sizeof(struct fold_run));
		struct writer w = {
			.text = room + ROOM_BEFORE,
			.runs = (struct fold_run *)(void *)(room + run_place),
			.gaps = gap_room ? (uint8_t *)room + text_room : NULL,
			.cap = cap,
		};
		if (!write_all(&w, form, text))
			continue;
		if (w.run_count == 1 && w.runs[0].same && w.len == text.len) {
			arena_shrink(arena, room, 0);
			return (struct folded){.text = text};
		}
		add_run(&w, text.len, false);
		arena_shrink(arena, room, run_place + w.run_count * sizeof *w.runs);
		if (w.gaps)
			w.gaps[w.len] = (uint8_t)w.gap;
		memset(w.text + w.len, 0, ROOM_AFTER);
		return (struct folded){
			.text = {w.text, w.len},
			.runs = w.runs,
			.run_count = w.run_count,
			.gaps = w.any_gap ? w.gaps : NULL,
		};
	}
}
