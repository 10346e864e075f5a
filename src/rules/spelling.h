/* spelling.h - which spellings of a character, or of a word, are the same.
 * SPDX-License-Identifier: Apache-2.0
 *
 * RULES.md section 2 defines the forms. Each code point folds by itself, so that all there is to
 * know stands in tables per code point, which make_spelling.c makes at build time from utf8proc
 * (NFKC, full case folding), OpenCC (t2s of single characters) and the look-alikes and homophones
 * beside it. fold/ folds texts with them, match/ and the loader fold words.
 *
 * The names of a fold, per code point, by what changed it:
 *	width      NFKC by a decomposition of type <wide> or <narrow> (Ｖ, ｱ, the blank U+3000)
 *	compat     NFKC by any other (①, ⓥ, ㎏, U+F900 …)
 *	case       full case folding changed what NFKC left
 *	trad       t2s changed what case folding left
 *	invisible  it vanishes: category Cf, variation selectors, U+034F
 *	digit      a look-alike digit, letter a look-alike letter: lookalikes.txt
 *
 * Immutable, pure. Thread: any.
 */
#pragma once

#include "base/buf.h"
#include "base/utf8.h"
#include "rules/ruleset.h"

enum spelling_kind { SPELLING_KEEP, SPELLING_ONE, SPELLING_MANY, SPELLING_GONE };

/* An entry: bits 0-1 its kind in the standard form, 2-6 the FOLD_WIDTH … FOLD_INVISIBLE bits, 7
 * set if it is a separator, 8 if spelling_specials has more about what it becomes, from 9 on the code
 * point (ONE) or the place in spelling_many (MANY: a length and so many bytes). */
enum { SPELLING_SEPARATOR = 1 << 7, SPELLING_SPECIAL = 1 << 8 };

/* What else a code point of the standard form can stand for; 0: nothing. */
struct spelling_special {
	uint32_t code;
	unsigned char letter, digit; /* ASCII */
};

extern const uint16_t spelling_blocks[0x1100];
extern const uint32_t spelling_entries[][256];
extern const unsigned char spelling_many[];
extern const struct spelling_special spelling_specials[];
extern const size_t spelling_special_count;
/* A bit for each code point below U+10000: set if the form changes it. */
extern const uint64_t spelling_changed[1024], spelling_changed_loose[1024];

/* Homophones and split spellings, for words under `loose`: as the aliases of a pack. */
extern const struct alias spelling_homophones[];
extern const size_t spelling_homophone_count;

static inline uint32_t spelling_entry(uint32_t code)
{
	return spelling_entries[spelling_blocks[code >> 8]][code & 255];
}
static inline enum spelling_kind spelling_kind(uint32_t entry)
{
	return (enum spelling_kind)(entry & 3);
}
static inline uint32_t spelling_names(uint32_t entry)
{
	return entry >> 2 & 31;
}
static inline uint32_t spelling_value(uint32_t entry)
{
	return entry >> 9;
}

/* One code point in a form. */
enum { SPELLED_MAX = 128 };
struct spelled {
	unsigned len; /* 0: nothing is left of it */
	unsigned separators; /* code points dropped from it as separators (loose forms) */
	uint32_t names;	     /* FOLD_* bits: what it took */
	char bytes[SPELLED_MAX];
};
void spelling_of(enum fold_form form, uint32_t code, struct spelled *out);

/* The same for what the standard form made of a character already: t2s is not meant to be applied
 * twice (薴 becomes 苧, 苧 becomes 苎). */
void spelling_of_standard(enum fold_form form, uint32_t code, struct spelled *out);

/* The folds that the characters of `text` (whole characters) went through in `form`. */
uint32_t spelling_names_of(enum fold_form form, struct str text);

/* Appends `text` (valid UTF-8) in `form` to `out`: equal bytes are the same spelling. Separators
 * are dropped in the loose forms. */
void spelling_put(enum fold_form form, struct str text, struct buf *out);

/* True if the standard form of `code` is nothing but separators: blanks, line ends, punctuation,
 * symbols, emoji. */
bool spelling_is_separator(uint32_t code);

/* The digit that `code` stands for ('0' … '9'), or 0: an ASCII digit in every form, what NFKC makes
 * of it in FORM_STANDARD, its look-alikes too in the loose forms. A letter is a look-alike. */
char spelling_digit(enum fold_form form, uint32_t code);

/* Names the tables and the rules of folding: part of every rule set's digest. */
struct str spelling_version(void);
