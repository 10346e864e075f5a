/* spelling.c - looks characters up in the tables that make_spelling.c makes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/spelling.h"

extern const char spelling_tables[];

/* NULL if there is none. */
static const struct spelling_special *spelling_find_special(uint32_t code)
{
	size_t low = 0, high = spelling_special_count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (spelling_specials[middle].code < code)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < spelling_special_count && spelling_specials[low].code == code)
		return &spelling_specials[low];
	return NULL;
}

/* Adds one code point of the standard form as it stands in a loose one. */
static void add_loose(enum fold_form form, uint32_t code, struct spelled *out)
{
	uint32_t entry = spelling_entry(code);
	const struct spelling_special *special =
		entry & SPELLING_SPECIAL ? spelling_find_special(code) : NULL;

	if (special && special->digit && form == FORM_DIGITS) {
		out->names |= FOLD_DIGIT;
		code = special->digit;
	} else if (special && special->letter) {
		out->names |= FOLD_LETTER;
		code = special->letter;
	} else if (entry & SPELLING_SEPARATOR) {
		out->separators++;
		return;
	}
	/* A letter that looks like a Latin one may by that look like a digit (і, i, 1). */
	if (form == FORM_DIGITS && code < 0x80 && !(code >= '0' && code <= '9')) {
		special = spelling_find_special(code);
		if (special && special->digit) {
			out->names |= FOLD_DIGIT;
			code = special->digit;
		}
	}
	out->len += utf8_put(out->bytes + out->len, code);
}

static struct str standard(uint32_t code, uint32_t entry, char one[4])
{
	switch (spelling_kind(entry)) {
	case SPELLING_KEEP:
		return (struct str){one, utf8_put(one, code)};
	case SPELLING_ONE:
		return (struct str){one, utf8_put(one, spelling_value(entry))};
	case SPELLING_MANY: {
		const unsigned char *many = spelling_many + spelling_value(entry);
		return (struct str){(const char *)many + 1, many[0]};
	}
	case SPELLING_GONE:
		return (struct str){0};
	}
	UNREACHABLE("a kind of spelling that is not in the enum");
}

void spelling_of(enum fold_form form, uint32_t code, struct spelled *out)
{
	uint32_t entry = spelling_entry(code);
	char one[4];

	out->len = out->separators = 0;
	out->names = 0;
	if (form == FORM_NONE) {
		out->len = utf8_put(out->bytes, code);
		return;
	}
	out->names = spelling_names(entry);
	struct str text = standard(code, entry, one);
	assert(text.len <= SPELLED_MAX);
	if (form == FORM_STANDARD) {
		if (text.len)
			memcpy(out->bytes, text.data, text.len);
		out->len = (unsigned)text.len;
		return;
	}
	for (size_t i = 0; i < text.len; i += utf8_len((unsigned char)text.data[i]))
		add_loose(form, utf8_get(text.data + i), out);
}

void spelling_of_standard(enum fold_form form, uint32_t code, struct spelled *out)
{
	out->len = out->separators = 0;
	out->names = 0;
	if (form < FORM_LOOSE)
		out->len = utf8_put(out->bytes, code);
	else
		add_loose(form, code, out);
}

uint32_t spelling_names_of(enum fold_form form, struct str text)
{
	struct spelled spelled;
	uint32_t names = 0;

	for (size_t i = 0; i < text.len; i += utf8_len((unsigned char)text.data[i])) {
		spelling_of(form, utf8_get(text.data + i), &spelled);
		if (spelled.len || spelled.names & FOLD_INVISIBLE)
			names |= spelled.names;
	}
	return names;
}

void spelling_put(enum fold_form form, struct str text, struct buf *out)
{
	struct spelled spelled;

	for (size_t i = 0, len; i < text.len; i += len) {
		uint32_t code = utf8_get(text.data + i);
		len = utf8_len((unsigned char)text.data[i]);
		if (form == FORM_STANDARD && spelling_kind(spelling_entry(code)) == SPELLING_KEEP) {
			buf_put(out, (struct str){text.data + i, len});
			continue;
		}
		spelling_of(form, code, &spelled);
		buf_put(out, (struct str){spelled.bytes, spelled.len});
	}
}

bool spelling_is_separator(uint32_t code)
{
	return (spelling_entry(code) & SPELLING_SEPARATOR) != 0;
}

char spelling_digit(enum fold_form form, uint32_t code)
{
	struct spelled spelled;

	if (code < 0x80 && (form < FORM_LOOSE || (code >= '0' && code <= '9')))
		return code >= '0' && code <= '9' ? (char)code : 0;
	if (form == FORM_NONE)
		return 0;
	/* Almost all of Chinese: stands for itself and for nothing else. */
	uint32_t entry = spelling_entry(code);
	if (spelling_kind(entry) == SPELLING_KEEP && !(entry & SPELLING_SPECIAL))
		return 0;
	spelling_of(form == FORM_STANDARD ? FORM_STANDARD : FORM_DIGITS, code, &spelled);
	bool digit = spelled.len == 1 && spelled.bytes[0] >= '0' && spelled.bytes[0] <= '9';
	return digit ? spelled.bytes[0] : 0;
}

struct str spelling_version(void)
{
	return str_of(spelling_tables);
}
