/* fuzz_match.c - words x text against a plain matcher: the same hits at the same places. */
/* SPDX-License-Identifier: Apache-2.0 */

/* Input: a byte of settings, words one a line, an empty line, the text. The plain matcher compares
 * every word with every place, character by character, from the tables of rules/spelling.h alone.
 * Words with separators or homophones under loose are left to tests/oracle_match.py. */
#include "base/utf8.h"
#include "fold/fold.h"
#include "match/match.h"
#include "rules/variants.h"
#include "rules/spelling.h"
#include "rules/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 16, TEXT_MAX = 4096, HITS_MAX = 1 << 16 };

/* ---- the plain matcher ---- */

struct kept {
	uint32_t code[TEXT_MAX * 20], source[TEXT_MAX * 20], gap[TEXT_MAX * 20 + 1];
	size_t count;
};

struct place {
	uint32_t start, end, word;
};

static void keep(struct kept *k, enum fold_form form, struct str text)
{
	struct spelled standard, one;
	uint32_t gap = 0;

	k->count = 0;
	for (size_t at = 0; at < text.len; at += utf8_len((unsigned char)text.data[at])) {
		bool counted = false;
		spelling_of(form == FORM_NONE ? FORM_NONE : FORM_STANDARD, utf8_get(text.data + at),
			    &standard);
		for (unsigned i = 0; i < standard.len; i += utf8_len((unsigned char)standard.bytes[i])) {
			spelling_of_standard(form, utf8_get(standard.bytes + i), &one);
			if (!one.len) {
				gap += !counted;
				counted = true;
				continue;
			}
			k->code[k->count] = utf8_get(one.bytes);
			k->source[k->count] = (uint32_t)at;
			k->gap[k->count++] = gap;
			gap = 0;
			counted = false;
		}
	}
	k->gap[k->count] = gap;
}

static int kind(uint32_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? 1 : c >= '0' && c <= '9' ? 2 : 0;
}

static bool stands(const struct kept *text, size_t at, const struct kept *word, bool edges, uint32_t gap)
{
	if (word->count > text->count - at)
		return false;
	for (size_t i = 0; i < word->count; i++)
		if (text->code[at + i] != word->code[i] || (i > 0 && text->gap[at + i] > gap))
			return false;
	size_t end = at + word->count;
	if (!edges)
		return true;
	if (at > 0 && !text->gap[at] && kind(text->code[at]) && kind(text->code[at]) == kind(text->code[at - 1]))
		return false;
	return !(end < text->count && !text->gap[end] && kind(text->code[end]) &&
		 kind(text->code[end]) == kind(text->code[end - 1]));
}

static size_t find_plain(struct place *out, enum fold_form form, bool edges, struct str text,
			 const struct word *words, size_t count)
{
	static struct kept in_text, in_word;
	size_t found = 0;

	for (uint32_t w = 0; w < count; w++) {
		enum fold_form searched = form;
		keep(&in_word, FORM_STANDARD, words[w].text);
		bool digits = form == FORM_LOOSE;
		for (size_t i = 0; i < in_word.count; i++)
			digits = digits && kind(in_word.code[i]) == 2;
		if (digits)
			searched = FORM_DIGITS;
		keep(&in_text, searched, text);
		keep(&in_word, searched, words[w].text);
		for (size_t at = 0; at < in_text.count; at++) {
			if (!stands(&in_text, at, &in_word, edges, GAP_DEFAULT))
				continue;
			uint32_t last = in_text.source[at + in_word.count - 1];
			assert(found < HITS_MAX);
			out[found++] = (struct place){
				in_text.source[at], last + utf8_len((unsigned char)text.data[last]), w};
		}
	}
	return found;
}

/* ---- the rules ---- */

struct made {
	struct ruleset set;
	struct rule rule;
	struct pack pack;
	struct cond list;
	struct word_list words;
	struct word_row row;
	struct word items[WORDS_MAX];
	size_t count;
};

/* Whether both matchers understand a word alike. */
static bool is_plain(struct str word, enum fold_form form, bool edges)
{
	static struct kept kept;
	struct arena arena = {0};
	struct variants *variants = arena_alloc(&arena, sizeof *variants);
	struct lexicon shipped = lexicon_make(&(struct pack){0}, &arena);
	bool plain = word.len && word.len <= 256 && utf8_valid(word);

	if (plain) {
		keep(&kept, form, word);
		plain = kept.count > 0;
	}
	if (plain && form == FORM_LOOSE) {
		bool digits = true;
		for (size_t i = 0; i < word.len; i += utf8_len((unsigned char)word.data[i]))
			plain = plain && !spelling_is_separator(utf8_get(word.data + i));
		for (size_t i = 0; i <= kept.count; i++)
			plain = plain && !kept.gap[i];
		keep(&kept, FORM_STANDARD, word);
		for (size_t i = 0; i < kept.count; i++)
			digits = digits && kind(kept.code[i]) == 2;
		plain = plain && !(digits && edges) &&
			variants_find(variants, word, &shipped, &arena) && variants->count == 1;
	}
	arena_fini(&arena);
	return plain;
}

/* Words that fold alike are one word: only the first is kept. */
static bool is_new(const struct made *m, struct str word, enum fold_form form)
{
	struct buf a = {0}, b = {0};
	bool new = true;

	spelling_put(form, word, &a);
	for (size_t i = 0; i < m->count; i++) {
		buf_clear(&b);
		spelling_put(form, m->items[i].text, &b);
		new = new && !str_eq(buf_str(&a), buf_str(&b));
	}
	buf_fini(&a);
	buf_fini(&b);
	return new;
}

static void make(struct made *m, enum fold_form form, bool edges)
{
	m->pack = (struct pack){.name = STR("p"), .zone = zone_china(), .fold = form};
	m->row = (struct word_row){.words = m->items, .word_count = m->count, .file = STR("w.txt")};
	m->words = (struct word_list){.pack = STR("p"), .name = STR("w"), .rows = &m->row, .row_count = 1};
	m->list = (struct cond){
		.kind = COND_LIST,
		.fold = form,
		.mode = edges ? MODE_EDGES : MODE_CONTAINS,
		.gap = GAP_UNSET,
		.except_list = -1,
		.near_chars = -1,
		.near_messages = -1,
	};
	m->rule = (struct rule){
		.pack = STR("p"),
		.id = STR("a"),
		.file = STR("a.yaml"),
		.filter = {.roles = ROLE_BIT_ALL,
			   .chats = CHAT_BIT_ALL,
			   .actions = ACTION_SEND_BIT,
			   .days = 0x7f,
			   .amount_at_least_fen = -1,
			   .emoticons = INCLUDE},
		.match = &m->list,
	};
	m->set = (struct ruleset){.packs = &m->pack,
				  .pack_count = 1,
				  .rules = &m->rule,
				  .rule_count = 1,
				  .lists = &m->words,
				  .list_count = 1};
}

/* ---- the comparison ---- */

static int order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct place));
}

static size_t search(struct place *out, const struct made *m, struct str text, struct arena *arena)
{
	struct findings findings = {0};
	struct engine *engine = NULL;
	struct matcher *matcher = NULL;
	struct err err = {0};
	size_t count = 0;

	int status = engine_new(&engine, &m->set, NULL, &findings, &err);
	assert(status == 0);
	status = matcher_new(&matcher, &err) < 0 || matcher_fit(matcher, engine, &err) < 0;
	assert(status == 0);
	struct text one = {.path = STR("text.content"), .content = text};
	struct message message = {.kind = MESSAGE_CHAT,
				  .msgtype = STR("text"),
				  .msgtime_ms = 1,
				  .texts = &one,
				  .text_count = 1,
				  .amount_fen = -1};
	struct folded folded[FORM_COUNT];
	const struct folded *by_form[FORM_COUNT] = {0};
	for (int form = 0; form < FORM_COUNT; form++) {
		if (!(engine_forms(engine) >> form & 1))
			continue;
		folded[form] = fold((enum fold_form)form, text, arena);
		by_form[form] = &folded[form];
	}
	struct matches matches = matcher_scan(matcher, engine, &message, by_form, NULL, 0, arena);
	for (uint32_t i = 0; matches.count && i < matches.items[0].hit_count; i++) {
		const struct hit *hit = &matches.items[0].hits[i];
		uint32_t word = 0;
		while (word < m->count && !str_eq(m->items[word].text, hit->word))
			word++;
		assert(word < m->count && count < HITS_MAX);
		out[count++] = (struct place){hit->start, hit->end, word};
	}
	matcher_free(matcher);
	engine_free(engine);
	findings_fini(&findings);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct place got[HITS_MAX], want[HITS_MAX];
	static struct made m;
	struct str input = {(const char *)data, size};
	struct arena arena = {0};

	if (size < 3)
		return 0;
	enum fold_form form = (enum fold_form)(data[0] % 3);
	bool edges = !(data[0] & 64);
	m.count = 0;
	size_t at = 1;
	while (at < size) {
		const char *end = memchr(input.data + at, '\n', size - at);
		struct str word = {input.data + at, end ? (size_t)(end - input.data) - at : size - at};
		at += word.len + 1;
		if (!word.len)
			break;
		if (m.count < WORDS_MAX && is_plain(word, form, edges) && is_new(&m, word, form))
			m.items[m.count++] = (struct word){.text = word, .line = 1, .col = 1};
	}
	struct str rest = str_from(input, at);
	if (!m.count || !rest.len || rest.len > TEXT_MAX || !utf8_valid(rest))
		return 0;
	make(&m, form, edges);
	char *room = arena_zalloc(&arena, 16 + rest.len + 64);
	memcpy(room + 16, rest.data, rest.len);
	struct str text = {room + 16, rest.len};

	size_t wanted = find_plain(want, form, edges, text, m.items, m.count);
	size_t found = search(got, &m, text, &arena);
	qsort(want, wanted, sizeof *want, order);
	qsort(got, found, sizeof *got, order);
	/* Two places of the folded text may come from one of the original (㎜ holds m twice). */
	size_t distinct = 0;
	for (size_t i = 0; i < wanted; i++)
		if (!distinct || memcmp(&want[distinct - 1], &want[i], sizeof want[0]) != 0)
			want[distinct++] = want[i];
	assert(found == distinct);
	assert(memcmp(got, want, found * sizeof *got) == 0);
	arena_fini(&arena);
	return 0;
}
