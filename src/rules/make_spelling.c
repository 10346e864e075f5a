/* make_spelling.c - makes the tables of rules/spelling.h; runs at build time only. */
/* SPDX-License-Identifier: Apache-2.0 */

/* For each code point the standard folding is NFKC, then full case folding (both by utf8proc),
 * then OpenCC's t2s of each single character that came out; what is invisible vanishes before and
 * after. No composition happens across code points because each is folded by itself.
 *
 *	make_spelling lookalikes.txt homophones.txt out.c
 */
#include <ctype.h>
#include <opencc/opencc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum {
	CODES = 0x110000,
	BLOCK = 256,
	MANY_MAX = 64, /* code points of one folded character; the longest has 18 */
	KEEP = 0, ONE = 1, MANY = 2, GONE = 3, /* as in spelling.h */
	WIDTH = 1, COMPAT = 2, CASE = 4, TRAD = 8, INVISIBLE = 16,
	SEPARATOR_BIT = 1 << 7, SPECIAL_BIT = 1 << 8, VALUE_SHIFT = 9,
};

static uint32_t entries[CODES];
static unsigned char letters[CODES], digits[CODES];
static bool traditional[CODES];
static uint32_t simplified[CODES];
static unsigned char many[1 << 20];
static size_t many_len = 1; /* 0 is no place */
static uint64_t version = 0xcbf29ce484222325u; /* FNV-1a over all that is written */

static void die(const char *what)
{
	fprintf(stderr, "make_spelling: %s\n", what);
	exit(1);
}

static void count_in(const void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		version = (version ^ ((const unsigned char *)data)[i]) * 0x100000001b3u;
}

static bool is_scalar(int code)
{
	return code < 0xd800 || code > 0xdfff;
}

static bool is_invisible(int code)
{
	return utf8proc_category(code) == UTF8PROC_CATEGORY_CF || code == 0x034f ||
	       (code >= 0xfe00 && code <= 0xfe0f) || (code >= 0xe0100 && code <= 0xe01ef) ||
	       (code >= 0x180b && code <= 0x180d) || code == 0x180f;
}

/* Blanks, line ends, punctuation, symbols, emoji (the keycap of 1️⃣ is category Me). */
static bool is_separator(int code)
{
	switch (utf8proc_category(code)) {
	case UTF8PROC_CATEGORY_ZS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_PC:
	case UTF8PROC_CATEGORY_PD:
	case UTF8PROC_CATEGORY_PS:
	case UTF8PROC_CATEGORY_PE:
	case UTF8PROC_CATEGORY_PI:
	case UTF8PROC_CATEGORY_PF:
	case UTF8PROC_CATEGORY_PO:
	case UTF8PROC_CATEGORY_SM:
	case UTF8PROC_CATEGORY_SC:
	case UTF8PROC_CATEGORY_SK:
	case UTF8PROC_CATEGORY_SO:
		return true;
	default:
		return code == 0x20e3;
	}
}

static int decode(const char *text, size_t len, uint32_t *out, int max)
{
	int count = 0;
	for (size_t at = 0; at < len;) {
		utf8proc_int32_t code;
		utf8proc_ssize_t step = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
							 (utf8proc_ssize_t)(len - at), &code);
		if (step < 0 || count == max)
			die("bad UTF-8");
		out[count++] = (uint32_t)code;
		at += (size_t)step;
	}
	return count;
}

static size_t encode(uint32_t code, char *out)
{
	return (size_t)utf8proc_encode_char((utf8proc_int32_t)code, (utf8proc_uint8_t *)out);
}

/* OpenCC's t2s of every single character that has one. */
static void read_simplified(void)
{
	opencc_t opencc = opencc_open("t2s.json");
	if (opencc == (opencc_t)-1)
		die("OpenCC's t2s.json is not installed");
	for (int code = 0x80; code < CODES; code++) {
		char text[8], result[64];
		uint32_t to[4];
		if (!is_scalar(code) || !utf8proc_codepoint_valid(code))
			continue;
		size_t len = encode((uint32_t)code, text);
		size_t got = opencc_convert_utf8_to_buffer(opencc, text, len, result);
		if (got == (size_t)-1 || got >= sizeof result)
			die("OpenCC fails");
		if (decode(result, got, to, 4) == 1 && to[0] != (uint32_t)code) {
			traditional[code] = true;
			simplified[code] = to[0];
		}
	}
	opencc_close(opencc);
}

static uint32_t width_or_compat(int code)
{
	int type = utf8proc_get_property(code)->decomp_type;
	return type == UTF8PROC_DECOMP_TYPE_WIDE || type == UTF8PROC_DECOMP_TYPE_NARROW ? WIDTH : COMPAT;
}

static bool same(const uint32_t *a, int a_count, const uint32_t *b, int b_count)
{
	return a_count == b_count && memcmp(a, b, sizeof *a * (size_t)a_count) == 0;
}

/* The standard folding of `code`; returns how many code points came out. */
static int fold_code(int code, uint32_t out[MANY_MAX], uint32_t *names)
{
	char text[8];
	uint32_t start = (uint32_t)code, nfkc[MANY_MAX], folded[MANY_MAX];
	utf8proc_uint8_t *mapped;

	if (is_invisible(code)) {
		*names = INVISIBLE;
		return 0;
	}
	size_t len = encode(start, text);
	utf8proc_ssize_t got = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)len, &mapped,
					    UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE);
	if (got < 0)
		die("utf8proc fails");
	int nfkc_count = decode((char *)mapped, (size_t)got, nfkc, MANY_MAX);
	free(mapped);
	*names = same(&start, 1, nfkc, nfkc_count) ? 0 : width_or_compat(code);

	int folded_count = 0, bound = 0, count = 0;
	for (int i = 0; i < nfkc_count; i++) {
		utf8proc_int32_t more[16];
		utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)nfkc[i], more, 16,
							     UTF8PROC_CASEFOLD, &bound);
		if (n < 0 || n > 16 || folded_count + n > MANY_MAX)
			die("case folding fails");
		for (int k = 0; k < n; k++)
			folded[folded_count++] = (uint32_t)more[k];
	}
	if (!same(nfkc, nfkc_count, folded, folded_count))
		*names |= CASE;
	for (int i = 0; i < folded_count; i++) {
		uint32_t to = folded[i];
		if (is_invisible((int)to))
			continue;
		if (traditional[to]) {
			*names |= TRAD;
			to = simplified[to];
		}
		out[count++] = to;
	}
	return count;
}

static void make_entry(int code)
{
	uint32_t out[MANY_MAX], names, kind, value = 0;
	int count = fold_code(code, out, &names);
	bool separator = count > 0;

	for (int i = 0; i < count; i++)
		separator = separator && is_separator((int)out[i]);
	if (count == 0) {
		kind = GONE;
	} else if (count == 1) {
		kind = out[0] == (uint32_t)code ? KEEP : ONE;
		value = kind == ONE ? out[0] : 0;
	} else {
		kind = MANY;
		value = (uint32_t)many_len;
		size_t len_at = many_len++;
		for (int i = 0; i < count; i++)
			many_len += encode(out[i], (char *)many + many_len);
		many[len_at] = (unsigned char)(many_len - len_at - 1);
	}
	entries[code] = kind | names << 2 | (separator ? SEPARATOR_BIT : 0) | value << VALUE_SHIFT;
}

/* Digits of other scripts (category Nd): each script has them in a row from 0. */
static void add_script_digits(void)
{
	int value = 0;
	for (int code = 0x80; code < CODES; code++) {
		bool digit = utf8proc_category(code) == UTF8PROC_CATEGORY_ND;
		if (digit && (entries[code] & 3) == KEEP)
			digits[code] = (unsigned char)('0' + value % 10);
		value = digit ? value + 1 : 0;
	}
}

/* Latin letters with marks (é, ǚ): the plain letter looks alike. */
static void add_marked_letters(void)
{
	for (int code = 0x80; code < CODES; code++) {
		utf8proc_int32_t parts[16];
		int bound = 0;
		if ((entries[code] & 3) != KEEP || !is_scalar(code))
			continue;
		utf8proc_ssize_t n =
			utf8proc_decompose_char(code, parts, 16, UTF8PROC_DECOMPOSE, &bound);
		if (n < 2 || n > 16 || parts[0] < 'a' || parts[0] > 'z')
			continue;
		bool marks = true;
		for (int i = 1; i < n; i++)
			marks = marks && utf8proc_category(parts[i]) == UTF8PROC_CATEGORY_MN;
		if (marks)
			letters[code] = (unsigned char)parts[0];
	}
}

/* Lines of `c: x y z`: the characters x, y, z look like the letter or digit c. */
static void read_lookalikes(const char *path)
{
	char line[4096];
	FILE *file = fopen(path, "r");
	if (!file)
		die("cannot open the look-alikes");
	while (fgets(line, sizeof line, file)) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		unsigned char to = (unsigned char)line[0];
		if (!(islower(to) || isdigit(to)) || line[1] != ':')
			die("a line of look-alikes begins with `letter:` or `digit:`");
		for (char *item = strtok(line + 2, " \n"); item; item = strtok(NULL, " \n")) {
			uint32_t code[2];
			if (decode(item, strlen(item), code, 2) != 1)
				die("look-alikes are single code points");
			if ((entries[code[0]] & 3) != KEEP)
				die("a look-alike that standard folding changes can never be met");
			(isdigit(to) ? digits : letters)[code[0]] = to;
			if (islower(to))
				entries[code[0]] &= ~(uint32_t)SEPARATOR_BIT;
		}
	}
	fclose(file);
}

static void print_tables(FILE *out)
{
	static uint16_t stage1[CODES / BLOCK];
	static uint32_t stage2[CODES / BLOCK][BLOCK];
	int blocks = 0, special = 0;

	for (int b = 0; b < CODES / BLOCK; b++) {
		int found = 0;
		while (found < blocks && memcmp(stage2[found], entries + b * BLOCK, sizeof stage2[0]))
			found++;
		if (found == blocks)
			memcpy(stage2[blocks++], entries + b * BLOCK, sizeof stage2[0]);
		stage1[b] = (uint16_t)found;
	}
	fprintf(out, "const uint16_t spelling_blocks[%d] = {", CODES / BLOCK);
	for (int b = 0; b < CODES / BLOCK; b++)
		fprintf(out, "%s%u,", b % 16 ? "" : "\n", stage1[b]);
	fprintf(out, "\n};\nconst uint32_t spelling_entries[][%d] = {", BLOCK);
	for (int b = 0; b < blocks; b++) {
		fprintf(out, "\n{");
		for (int i = 0; i < BLOCK; i++)
			fprintf(out, "%s0x%x,", i % 16 ? "" : "\n", stage2[b][i]);
		fprintf(out, "},");
	}
	fprintf(out, "\n};\nconst unsigned char spelling_many[] = {");
	for (size_t i = 0; i < many_len; i++)
		fprintf(out, "%s%u,", i % 32 ? "" : "\n", many[i]);
	fprintf(out, "\n};\nconst struct spelling_special spelling_specials[] = {\n");
	for (int code = 0; code < CODES; code++) {
		if (!letters[code] && !digits[code])
			continue;
		fprintf(out, "{0x%x, %d, %d},\n", code, letters[code], digits[code]);
		special++;
	}
	fprintf(out, "};\nconst size_t spelling_special_count = %d;\n", special);
	count_in(entries, sizeof entries);
	count_in(many, many_len);
	count_in(letters, sizeof letters);
	count_in(digits, sizeof digits);
}

/* One bit for each code point of the first plane that folding changes: in the standard form, and
 * in the loose ones. 8 KiB each stay in the first cache. */
static void print_changed(FILE *out, const char *name, uint32_t bits)
{
	fprintf(out, "const uint64_t %s[1024] = {", name);
	for (int i = 0; i < 1024; i++) {
		uint64_t word = 0;
		for (int k = 0; k < 64; k++)
			word |= (uint64_t)((entries[i * 64 + k] & bits) != 0) << k;
		fprintf(out, "%s0x%llxu,", i % 8 ? "" : "\n", (unsigned long long)word);
	}
	fprintf(out, "\n};\n");
}

static void print_quoted(FILE *out, const char *text)
{
	fprintf(out, "{\"");
	for (const char *p = text; *p; p++)
		fprintf(out, "\\%03o", (unsigned char)*p);
	fprintf(out, "\", %zu}", strlen(text));
}

/* Lines of `word: spelling spelling …`. */
static void print_homophones(FILE *out, const char *path)
{
	char line[4096];
	int count = 0, rows = 0;
	FILE *file = fopen(path, "r");
	if (!file)
		die("cannot open the homophones");
	fprintf(out, "static const struct str homophones[] = {\n");
	static struct {
		char word[64];
		int first, count;
	} row[1024];
	while (fgets(line, sizeof line, file)) {
		char *colon = strchr(line, ':');
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (!colon || colon == line || colon - line >= 64 || rows == 1024)
			die("a line of homophones reads `word: spelling spelling`");
		count_in(line, strlen(line));
		memcpy(row[rows].word, line, (size_t)(colon - line));
		row[rows].first = count;
		for (char *item = strtok(colon + 1, " \n"); item; item = strtok(NULL, " \n")) {
			print_quoted(out, item);
			fprintf(out, ",\n");
			count++;
		}
		row[rows].count = count - row[rows].first;
		rows++;
	}
	fclose(file);
	fprintf(out, "};\nconst struct alias spelling_homophones[] = {\n");
	for (int i = 0; i < rows; i++) {
		fprintf(out, "{");
		print_quoted(out, row[i].word);
		fprintf(out, ", {homophones + %d, %d}},\n", row[i].first, row[i].count);
	}
	fprintf(out, "};\nconst size_t spelling_homophone_count = %d;\n", rows);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		die("usage: make_spelling lookalikes.txt homophones.txt out.c");
	FILE *out = fopen(argv[3], "w");
	if (!out)
		die("cannot write");
	read_simplified();
	for (int code = 0; code < CODES; code++)
		if (is_scalar(code))
			make_entry(code);
	add_script_digits();
	add_marked_letters();
	read_lookalikes(argv[1]);
	for (int code = 0; code < CODES; code++) {
		uint32_t value = entries[code] >> VALUE_SHIFT;
		bool one = (entries[code] & 3) == ONE;
		if (letters[code] || digits[code] || (one && (letters[value] || digits[value])))
			entries[code] |= SPECIAL_BIT;
	}

	fprintf(out, "/* Made by make_spelling.c from utf8proc %s (Unicode %s) and OpenCC. */\n"
		     "#include \"rules/spelling.h\"\n", utf8proc_version(), utf8proc_unicode_version());
	print_tables(out);
	print_changed(out, "spelling_changed", 3);
	print_changed(out, "spelling_changed_loose", 3 | SEPARATOR_BIT | SPECIAL_BIT);
	print_homophones(out, argv[2]);
	fprintf(out, "const char spelling_tables[] = \"unicode-%s-%016llx\";\n",
		utf8proc_unicode_version(), (unsigned long long)version);
	if (fclose(out) != 0)
		die("cannot write");
	return 0;
}
