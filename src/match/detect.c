/* detect.c - finds numbers, ids and addresses by their shape. */
/* SPDX-License-Identifier: Apache-2.0 */

/* All of it works on the folded text (under `loose` on the standard one, reading look-alike
 * digits) and from left to right without overlap:
 *
 *	phone      1[3-9] and nine digits, up to 2 separators between, no digit beside
 *	bank_card  15 to 19 digits that begin with 3-6 or 9 and pass Luhn (ISO/IEC 7812), the same
 *	id_card    17 digits and the check character of ISO 7064 MOD 11-2 (GB 11643), the same
 *	qq         5 to 11 digits, the first not 0, no digit beside, near a spelling of QQ
 *	wechat_id  a letter and 5 to 19 letters, digits, - and _, near a spelling of 微信
 *	email, url as people write them in chats: ASCII only */
#include "match/detect.h"

#include <strings.h>

#include "rules/spelling.h"

enum {
	GAP_IN_NUMBER = 2,
	BROKEN = 255, /* more than separators in between */
	ANCHOR_CHARS = 8,
	WINDOW_CHARS = 40, /* the longest spelling of 微信 or QQ, and as far as it may be away */
};

enum digit_kind { DIGIT_REAL, DIGIT_NUMERAL, DIGIT_LETTER };

struct digit {
	uint32_t from, to; /* in the folded text */
	char value;
	uint8_t kind;
	uint8_t gap; /* separators since the one before; BROKEN */
};

struct scanned {
	struct matcher *m;
	const struct group *group;
	uint32_t number; /* of the group */
	struct str text; /* folded */
	uint32_t from, to;
	enum fold_form digits; /* how digits are read */
	struct digit *digit;
	uint32_t digit_count;
};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* strchr() finds NUL in every string, and a text may hold one. */
static bool one_of(const char *set, char c)
{
	return c && strchr(set, c);
}

/* ---- what is ours ---- */

static bool is_number(enum detector is)
{
	return is == IS_PHONE || is == IS_BANK_CARD || is == IS_ID_CARD || is == IS_QQ;
}

void detect_normalize(enum detector is, struct str text, struct buf *out)
{
	buf_clear(out);
	if (!is_number(is)) {
		spelling_put(FORM_STANDARD, text, out);
		return;
	}
	for (size_t i = 0; i < text.len; i += utf8_len((unsigned char)text.data[i])) {
		uint32_t code = utf8_get(text.data + i);
		char digit = spelling_digit(FORM_DIGITS, code);
		if (digit || code == 'x' || code == 'X')
			buf_putc(out, digit ? digit : 'x');
	}
}

static void add(struct scanned *s, uint32_t from, uint32_t to, bool gap)
{
	struct matcher *m = s->m;
	const struct folded *f = &m->folded[m->form][m->text];
	struct str original = m->message->texts[m->text].content;
	struct found found = {
		.text = m->text, .from = from, .to = to, .word = s->group->word, .form = m->form};

	found.start = hits_source(f, from);
	found.end = hits_source(f, to - 1);
	while (found.end > 0 && ((unsigned char)original.data[found.end] & 0xc0) == 0x80)
		found.end--;
	found.end += utf8_len((unsigned char)original.data[found.end]);
	struct str spelled = {original.data + found.start, found.end - found.start};
	if (s->group->ours) {
		detect_normalize(s->group->is, spelled, &m->buf);
		if (map_find(s->group->ours, buf_str(&m->buf)) != NO_INDEX)
			return;
	}
	found.folds = spelling_names_of(is_number(s->group->is) ? s->digits : m->form, spelled) |
		      (gap ? FOLD_GAP : 0);
	hits_add(m, s->number, &found);
}

/* ---- digits ---- */

static void read_digits(struct scanned *s)
{
	s->digit = arena_alloc(s->m->arena, (s->to - s->from) * sizeof *s->digit);
	s->digit_count = 0;
	unsigned gap = BROKEN;
	for (uint32_t at = s->from; at < s->to; at += utf8_len((unsigned char)s->text.data[at])) {
		uint32_t code = utf8_get(s->text.data + at);
		char value = code < 0x80 && is_digit((char)code) ? (char)code
								  : spelling_digit(s->digits, code);
		if (!value) {
			gap = spelling_is_separator(code) ? MIN(gap + 1, (unsigned)BROKEN) : BROKEN;
			continue;
		}
		s->digit[s->digit_count++] = (struct digit){
			.from = at,
			.to = at + utf8_len((unsigned char)s->text.data[at]),
			.value = value,
			.kind = code >= 0x80			? DIGIT_NUMERAL
				: is_digit((char)code) ? DIGIT_REAL
						       : DIGIT_LETTER,
			.gap = (uint8_t)gap,
		};
		gap = 0;
	}
}

/* Whether digits i … i + count - 1 hang together; *gap: with separators between. */
static bool is_run(const struct scanned *s, uint32_t i, uint32_t count, bool *gap)
{
	if (count > s->digit_count - i)
		return false;
	*gap = false;
	for (uint32_t k = i + 1; k < i + count; k++) {
		if (s->digit[k].gap > GAP_IN_NUMBER)
			return false;
		*gap = *gap || s->digit[k].gap;
	}
	return true;
}

/* A numeral or letter beside is no digit beside real ones (`tel138…`), and the other way round. */
static bool is_beside(const struct digit *edge, const struct digit *other)
{
	return other->kind == DIGIT_REAL || other->kind == edge->kind;
}

static bool free_left(const struct scanned *s, uint32_t i)
{
	const struct digit *d = &s->digit[i];

	if (d->kind == DIGIT_LETTER && d->from > s->from && is_letter(s->text.data[d->from - 1]))
		return false;
	return i == 0 || d->gap || !is_beside(d, &s->digit[i - 1]);
}

static bool free_right(const struct scanned *s, uint32_t i)
{
	const struct digit *d = &s->digit[i];

	if (d->kind == DIGIT_LETTER && d->to < s->to && is_letter(s->text.data[d->to]))
		return false;
	return i + 1 == s->digit_count || s->digit[i + 1].gap || !is_beside(d, &s->digit[i + 1]);
}

static void find_phones(struct scanned *s)
{
	enum { DIGITS = 11 };
	for (uint32_t i = 0; i + DIGITS <= s->digit_count; i++) {
		bool gap;
		if (s->digit[i].value != '1' || s->digit[i + 1].value < '3' ||
		    !is_run(s, i, DIGITS, &gap) || !free_left(s, i) || !free_right(s, i + DIGITS - 1))
			continue;
		add(s, s->digit[i].from, s->digit[i + DIGITS - 1].to, gap);
		i += DIGITS - 1;
	}
}

static bool passes_luhn(const struct digit *digit, uint32_t count)
{
	unsigned sum = 0;

	for (uint32_t i = 0; i < count; i++) {
		unsigned value = (unsigned)(digit[count - 1 - i].value - '0') * (i % 2 ? 2 : 1);
		sum += value > 9 ? value - 9 : value;
	}
	return sum % 10 == 0;
}

static void find_bank_cards(struct scanned *s)
{
	for (uint32_t i = 0; i < s->digit_count; i++) {
		char first = s->digit[i].value;
		if (!((first >= '3' && first <= '6') || first == '9') || !free_left(s, i))
			continue;
		for (uint32_t count = 19; count >= 15; count--) {
			bool gap;
			if (!is_run(s, i, count, &gap) || !free_right(s, i + count - 1) ||
			    !passes_luhn(s->digit + i, count))
				continue;
			add(s, s->digit[i].from, s->digit[i + count - 1].to, gap);
			i += count - 1;
			break;
		}
	}
}

/* The character that must follow 17 digits. */
static char id_check(const struct digit *digit)
{
	static const unsigned weights[17] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
	unsigned sum = 0;

	for (unsigned i = 0; i < 17; i++)
		sum += (unsigned)(digit[i].value - '0') * weights[i];
	return "10x98765432"[sum % 11];
}

/* The end of an x behind digit i; 0 if there is none. */
static uint32_t x_behind(const struct scanned *s, uint32_t i, bool *gap)
{
	uint32_t at = s->digit[i].to;

	for (unsigned separators = 0; at < s->to; separators++) {
		if ((s->text.data[at] | 0x20) == 'x') {
			bool touches = at + 1 < s->to &&
				       (is_letter(s->text.data[at + 1]) || is_digit(s->text.data[at + 1]));
			*gap = *gap || separators;
			return touches ? 0 : at + 1;
		}
		if (separators == GAP_IN_NUMBER || !spelling_is_separator(utf8_get(s->text.data + at)))
			return 0;
		at += utf8_len((unsigned char)s->text.data[at]);
	}
	return 0;
}

static void find_id_cards(struct scanned *s)
{
	for (uint32_t i = 0; i + 17 <= s->digit_count; i++) {
		bool gap;
		if (s->digit[i].value == '0' || !is_run(s, i, 17, &gap) || !free_left(s, i))
			continue;
		char check = id_check(s->digit + i);
		uint32_t end = 0, count = 17;
		if (check == 'x') {
			end = x_behind(s, i + 16, &gap);
		} else if (is_run(s, i, 18, &gap) && s->digit[i + 17].value == check &&
			   free_right(s, i + 17)) {
			end = s->digit[i + 17].to;
			count = 18;
		}
		if (!end)
			continue;
		add(s, s->digit[i].from, end, gap);
		i += count - 1;
	}
}

/* ---- ids behind the name of a service ---- */

/* The characters before a place, in the loose form, each with its place. */
struct lookback {
	char bytes[WINDOW_CHARS * 4];
	uint32_t places[WINDOW_CHARS * 4]; /* in the folded text: of the character behind */
	uint32_t len, from;
};

static void look_back(const struct scanned *s, uint32_t at, struct lookback *w)
{
	uint32_t from = at;

	w->len = 0;
	for (unsigned chars = 0; from > s->from && chars < WINDOW_CHARS; chars++)
		do
			from--;
		while (from > s->from && ((unsigned char)s->text.data[from] & 0xc0) == 0x80);
	w->from = from;
	while (from < at) {
		struct spelled one;
		spelling_of(FORM_LOOSE, utf8_get(s->text.data + from), &one);
		from += utf8_len((unsigned char)s->text.data[from]);
		if (one.len > 4)
			continue;
		memcpy(w->bytes + w->len, one.bytes, one.len);
		for (unsigned i = 0; i < one.len; i++)
			w->places[w->len++] = from;
	}
}

static bool anchor_at(const struct scanned *s, const struct lookback *w, struct str anchor, uint32_t i,
		      uint32_t at)
{
	uint32_t end = i + (uint32_t)anchor.len;

	if (end > w->len || memcmp(w->bytes + i, anchor.data, anchor.len) != 0)
		return false;
	if (is_letter(anchor.data[0]) && i > 0 && is_letter(w->bytes[i - 1]))
		return false;
	uint32_t behind = w->places[end - 1];
	if (is_letter(anchor.data[anchor.len - 1]) && is_letter(s->text.data[behind]))
		return false;
	struct str between = {s->text.data + behind, at - behind};
	return utf8_count(between) <= ANCHOR_CHARS;
}

/* A spelling with symbols, which the loose form would drop, ends close before `at`. */
static bool symbols_before(const struct scanned *s, struct str anchor, uint32_t from, uint32_t at)
{
	for (uint32_t i = from; i + anchor.len <= at; i++) {
		if (memcmp(s->text.data + i, anchor.data, anchor.len) != 0 ||
		    (is_letter(anchor.data[0]) && i > s->from && is_letter(s->text.data[i - 1])))
			continue;
		uint32_t behind = i + (uint32_t)anchor.len;
		if (utf8_count((struct str){s->text.data + behind, at - behind}) <= ANCHOR_CHARS)
			return true;
	}
	return false;
}

static bool is_anchored(const struct scanned *s, const struct anchors *anchors, uint32_t at)
{
	struct lookback w;

	look_back(s, at, &w);
	for (uint32_t a = 0; a < anchors->symbol_count; a++)
		if (symbols_before(s, anchors->symbols[a], w.from, at))
			return true;
	for (uint32_t a = 0; a < anchors->count; a++)
		for (uint32_t i = 0; i < w.len; i++)
			if (anchor_at(s, &w, anchors->items[a], i, at))
				return true;
	return false;
}

static bool is_qq(const struct scanned *s, uint32_t i, uint32_t end)
{
	return end - i >= 5 && end - i <= 11 && s->digit[i].value != '0' && free_left(s, i) &&
	       free_right(s, end - 1) && is_anchored(s, &s->m->engine->qq, s->digit[i].from);
}

/* The end of the digits from i on without separators between: of one kind, or of letters too
 * among real ones. Numerals and real digits make no number together (`QQ12345678一下`). */
static uint32_t qq_end(const struct scanned *s, uint32_t i, bool mixed)
{
	const struct digit *first = &s->digit[i], *d = first + 1, *all = &s->digit[s->digit_count];

	while (d < all && d->gap == 0 &&
	       (mixed ? (d->kind == DIGIT_NUMERAL) == (first->kind == DIGIT_NUMERAL)
		      : d->kind == first->kind))
		d++;
	return i + (uint32_t)(d - first);
}

static void find_qqs(struct scanned *s)
{
	for (uint32_t i = 0, end; i < s->digit_count; i = end) {
		bool any = false;
		end = qq_end(s, i, true);
		bool real = s->digit[i].kind == DIGIT_REAL && qq_end(s, i, false) == end;
		/* What real digits say by themselves goes before what letters make of them. */
		for (uint32_t from = i, to; from < end; from = to) {
			to = qq_end(s, from, false);
			if (s->digit[from].kind != DIGIT_REAL || !is_qq(s, from, to))
				continue;
			add(s, s->digit[from].from, s->digit[to - 1].to, false);
			any = true;
		}
		if (!any && !real && is_qq(s, i, end))
			add(s, s->digit[i].from, s->digit[end - 1].to, false);
	}
}

static bool is_id_char(char c)
{
	return is_letter(c) || is_digit(c) || c == '-' || c == '_';
}

static bool is_anchor(const struct anchors *anchors, struct str text)
{
	for (uint32_t i = 0; i < anchors->count; i++)
		if (str_eq(anchors->items[i], text))
			return true;
	return false;
}

static void find_wechat_ids(struct scanned *s)
{
	for (uint32_t i = s->from, end; i < s->to; i = end) {
		for (end = i; end < s->to && is_id_char(s->text.data[end]); end++)
			continue;
		uint32_t len = end - i;
		struct str id = {s->text.data + i, len};
		if (len >= 6 && len <= 20 && is_letter(id.data[0]) &&
		    !is_anchor(&s->m->engine->wechat, id) &&
		    is_anchored(s, &s->m->engine->wechat, i))
			add(s, i, end, false);
		end += end == i;
	}
}

/* ---- addresses ---- */

static bool is_host_char(char c)
{
	return is_letter(c) || is_digit(c) || c == '-' || c == '.';
}

/* The end of a host name that begins at `at` and ends in a dot and letters; 0 if there is none.
 * *tld is its last label. */
static uint32_t read_host(const struct scanned *s, uint32_t at, struct str *tld)
{
	uint32_t end = at, label = at;

	for (; end < s->to && is_host_char(s->text.data[end]); end++) {
		if (s->text.data[end] != '.')
			continue;
		if (end == label)
			break; /* an ellipsis behind the name, or an empty label */
		label = end + 1;
	}
	while (end > label && s->text.data[end - 1] == '-')
		end--;
	if (end == label && label > at + 1) { /* a full stop behind the name */
		end = --label;
		while (label > at && s->text.data[label - 1] != '.')
			label--;
	}
	if (label == at || end - label < 2)
		return 0;
	for (uint32_t i = label; i < end; i++)
		if (!is_letter(s->text.data[i]))
			return 0;
	*tld = (struct str){s->text.data + label, end - label};
	return end;
}

static void find_emails(struct scanned *s)
{
	uint32_t done = s->from;

	for (uint32_t at = s->from; at < s->to; at++) {
		if (s->text.data[at] != '@')
			continue;
		uint32_t from = at;
		struct str tld;
		while (from > done && (is_id_char(s->text.data[from - 1]) ||
				       one_of(".%+", s->text.data[from - 1])))
			from--;
		while (from < at && s->text.data[from] == '.')
			from++;
		uint32_t end = read_host(s, at + 1, &tld);
		if (from == at || !end || s->text.data[at - 1] == '.')
			continue;
		add(s, from, end, false);
		done = at = end;
		at--;
	}
}

/* Endings that stand in chats without http:// before the name. Those that are names of files
 * rather than of places (sh, md, zip) are left out. */
static bool is_known_ending(struct str tld)
{
	static const char *const endings[] = {
		"com", "cn",   "net",  "org",  "top",  "xyz",	 "cc",	   "vip",  "shop",
		"site", "club", "info", "tv",	 "app",	 "link", "work",  "pub",  "ltd",
		"store", "online", "tech", "co",   "gov",  "edu",  "hk",	   "tw",   "io",
		"me",  "ink",	 "icu",	 "live", "mobi", "biz",  "wang",	   "ren"};
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (strlen(endings[i]) == tld.len && strncasecmp(endings[i], tld.data, tld.len) == 0)
			return true;
	return false;
}

/* Whether an emoticon begins at byte `at` of the folded text. */
static bool is_emoticon(const struct scanned *s, uint32_t at)
{
	const struct text *text = &s->m->message->texts[s->m->text];
	uint32_t low = 0, high = text->span_count;

	if (s->text.data[at] != '[' || !high)
		return false;
	uint32_t start = hits_source(&s->m->folded[s->m->form][s->m->text], at);
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (text->spans[middle].start < start)
			low = middle + 1;
		else
			high = middle;
	}
	return low < text->span_count && text->spans[low].start == start &&
	       text->spans[low].kind == SPAN_EMOTICON;
}

/* Path, query and fragment behind a host name. An emoticon ends them. */
static uint32_t read_path(const struct scanned *s, uint32_t at)
{
	uint32_t end = at;

	if (end < s->to && s->text.data[end] == ':' && end + 1 < s->to && is_digit(s->text.data[end + 1]))
		for (end++; end < s->to && is_digit(s->text.data[end]); end++)
			continue;
	if (end == s->to || !one_of("/?#", s->text.data[end]))
		return end;
	while (end < s->to && s->text.data[end] > ' ' && s->text.data[end] < 0x7f &&
	       !one_of("<>\"'`{}|\\^", s->text.data[end]) && !is_emoticon(s, end))
		end++;
	while (end > at && one_of(".,!?;:)]", s->text.data[end - 1]))
		end--;
	return end;
}

static bool starts_with(const struct scanned *s, uint32_t at, const char *prefix)
{
	size_t len = strlen(prefix);
	return s->to - at >= len && strncasecmp(s->text.data + at, prefix, len) == 0;
}

static void find_urls(struct scanned *s)
{
	for (uint32_t at = s->from; at < s->to; at++) {
		char before = at > s->from ? s->text.data[at - 1] : ' ';
		if (!is_letter(s->text.data[at]) && !is_digit(s->text.data[at]))
			continue;
		if (is_letter(before) || is_digit(before) || one_of("@.-_", before))
			continue;
		uint32_t host = at;
		if (starts_with(s, at, "http://"))
			host += 7;
		else if (starts_with(s, at, "https://"))
			host += 8;
		struct str tld;
		uint32_t end = read_host(s, host, &tld);
		bool sure = host > at || starts_with(s, at, "www.");
		if (!end || (!sure && !is_known_ending(tld)) ||
		    (end < s->to && s->text.data[end] == '@'))
			continue;
		end = read_path(s, end);
		add(s, at, end, false);
		at = end - 1;
	}
}

/* ---- all ---- */

static void find(struct scanned *s)
{
	if (is_number(s->group->is))
		read_digits(s);
	switch (s->group->is) {
	case IS_PHONE:
		find_phones(s);
		return;
	case IS_EMAIL:
		find_emails(s);
		return;
	case IS_URL:
		find_urls(s);
		return;
	case IS_WECHAT_ID:
		find_wechat_ids(s);
		return;
	case IS_QQ:
		find_qqs(s);
		return;
	case IS_BANK_CARD:
		find_bank_cards(s);
		return;
	case IS_ID_CARD:
		find_id_cards(s);
		return;
	}
	UNREACHABLE("a detector that is not in the enum");
}

struct str detect_name(enum detector is)
{
	static const char *const names[] = {"phone", "email",     "url",    "wechat_id",
					    "qq",    "bank_card", "id_card"};
	return str_of(names[is]);
}

void detect_all(struct matcher *m)
{
	const struct detector_index *index = &m->engine->detectors[m->form];
	struct str text = m->folded[m->form][m->text].text;
	uint32_t own = hits_own_start(m);

	for (uint32_t i = 0; i < index->count; i++) {
		const struct group *group = &m->engine->groups[index->groups[i]];
		struct scanned s = {
			.m = m,
			.group = group,
			.number = index->groups[i],
			.text = text,
			.to = own,
			.digits = group->form == FORM_LOOSE ? FORM_DIGITS : group->form,
		};
		if (s.from < s.to)
			find(&s);
		s.from = own;
		s.to = (uint32_t)text.len;
		if (s.from < s.to)
			find(&s);
	}
}
