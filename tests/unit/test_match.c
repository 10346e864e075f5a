/* test_match.c - which rules hold for a text, where, and by which folds. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <malloc.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "decode/marks.h"
#include "fold/fold.h"
#include "folder.h"
#include "random.h"
#include "match/chain.h"
#include "match/match.h"
#include "match/regex.h"
#include "rules/load.h"
#include "rules/reach.h"

/* ---- rules, a message, and what comes out as one line ---- */

struct bench {
	struct ruleset *set;
	struct engine *engine;
	struct matcher *matcher;
	struct arena arena;
	struct findings findings;
	struct err err;
};

static int bench_try(struct bench *b, const char *yaml, const char *cache)
{
	*b = (struct bench){0};
	folder_write("a.yaml", yaml);
	if (ruleset_load(&b->set, folder, NULL, &b->findings, &b->err) < 0 ||
	    engine_new(&b->engine, b->set, cache, &b->findings, &b->err) < 0)
		return -1;
	cr_assert_eq(matcher_new(&b->matcher, &b->err), 0);
	cr_assert_eq(matcher_fit(b->matcher, b->engine, &b->err), 0);
	return 0;
}

static void bench_init(struct bench *b, const char *yaml)
{
	int status = bench_try(b, yaml, NULL);
	findings_print(&b->findings, stderr);
	cr_assert_eq(status, 0, "%s", b->err.text);
}

static void bench_fini(struct bench *b)
{
	matcher_free(b->matcher);
	engine_free(b->engine);
	ruleset_free(b->set);
	arena_fini(&b->arena);
	findings_fini(&b->findings);
}

static struct message plain(void)
{
	return (struct message){
		.kind = MESSAGE_CHAT,
		.corpid = STR("ww1"),
		.msgtype = STR("text"),
		.from = STR("wmCUSTOMER"),
		.from_role = ROLE_CUSTOMER,
		.chat = CHAT_SINGLE,
		.msgtime_ms = 1700000000000, /* Wednesday 2023-11-15 06:13 in Shanghai */
		.amount_fen = -1,
	};
}

static struct text text_of(struct bench *b, const char *content)
{
	char *room = arena_zalloc(&b->arena, 16 + strlen(content) + 64);
	memcpy(room + 16, content, strlen(content));
	return (struct text){.path = STR("text.content"), .content = {room + 16, strlen(content)}};
}

static struct matches scan(struct bench *b, const struct message *message,
			   const struct near_part *open, size_t open_count)
{
	const struct folded *folded[FORM_COUNT] = {0};

	for (int form = 0; form < FORM_COUNT; form++) {
		if (!(engine_forms(b->engine) >> form & 1))
			continue;
		struct folded *texts = ARENA_ARRAY(&b->arena, struct folded, message->text_count);
		for (size_t i = 0; i < message->text_count; i++)
			texts[i] = fold((enum fold_form)form, message->texts[i].content, &b->arena);
		folded[form] = texts;
	}
	return matcher_scan(b->matcher, b->engine, message, folded, open, open_count, &b->arena);
}

static const char *show(struct bench *b, const struct matches *matches)
{
	static const char *const names[] = {"width", "compat", "case",	    "trad", "invisible",
					    "digit", "letter", "homophone", "gap"};
	struct buf out = {0};

	for (size_t i = 0; i < matches->count; i++) {
		const struct match *match = &matches->items[i];
		struct str id = b->set->rules[match->rule].id;
		buf_printf(&out, "%s%.*s:", i ? "; " : "", STR_ARG(id));
		for (uint32_t k = 0; k < match->hit_count; k++) {
			const struct hit *hit = &match->hits[k];
			buf_printf(&out, " %u-%u %.*s", hit->start, hit->end, STR_ARG(hit->word));
			for (unsigned bit = 0; bit < 9; bit++)
				if (hit->folds >> bit & 1)
					buf_printf(&out, "+%s", names[bit]);
		}
	}
	const char *text = arena_copy(&b->arena, buf_str(&out)).data;
	buf_fini(&out);
	return text;
}

/* Expects `want` of a customer's text under rules that are given once. */
static void expect(struct bench *b, const char *content, const char *want)
{
	struct text text = text_of(b, content);
	struct message message = plain();
	message.texts = &text;
	message.text_count = 1;
	struct matches matches = scan(b, &message, NULL, 0);
	cr_expect_str_eq(show(b, &matches), want, "%s: got %s, want %s", content, show(b, &matches), want);
}

/* Packs with so many words in every form that they are searched by a trie instead of
 * Hyperscan. Many begin like the words of the tests, none stands in a text. */
static void add_many_words(void)
{
	static const char *const begins[] = {"", "微信", "微", "加", "vx", "哈哈", "VIP", "好aaa", "号", "s"};
	struct buf list = {0};

	for (int i = 0; i < 2500; i++) {
		char end[4];
		unsigned len = utf8_put(end, 0xac00u + (uint32_t)i);
		buf_printf(&list, "%s%.*s\n", begins[i % 10], (int)len, end);
	}
	buf_putc(&list, '\0');
	folder_write("words.txt", list.data);
	buf_clear(&list);
	for (int i = 0; i < 2500; i++)
		buf_printf(&list, "9%019d\n", i);
	buf_putc(&list, '\0');
	folder_write("digits.txt", list.data);
	for (int i = 0; i < 3; i++) {
		static const char *const folds[] = {"none", "standard", "loose"};
		char name[32], yaml[256];
		(void)snprintf(name, sizeof name, "%s.yaml", folds[i]);
		(void)snprintf(yaml, sizeof yaml,
			       "pack: many-%s\nfold: %s\nlists: {w: {file: words.txt}, d: {file: digits.txt}}\n"
			       "rules: [{id: x, match: {any: [{list: w}, {list: d}]}}]\n",
			       folds[i], folds[i]);
		folder_write(name, yaml);
	}
	buf_fini(&list);
}

/* ---- what the warnings say of words, against what the matcher does ---- */

/* Characters of words, each with what may stand for it in a text. */
static const char *const alphabet[][4] = {
	{"微", "微", "威", "微"}, {"信", "信", "信", "❤"}, {"钱", "錢", "钱", "钱"}, {"啊", "啊", "啊", "啊"},
	{"a", "ａ", "A", "а"},	  {"b", "B", "ⓑ", "b"},	   {"1", "１", "一", "l"},   {"0", "〇", "o", "0"},
	{"+", "＋", "➕", "+"},	  {"-", "-", "－", " "},    {" ", " ", "　", "-"},   {"v", "V", "ν", "微信"},
};

/* A new one, or one around that which stands from `last` on. */
static void put_word(struct buf *out, struct str last)
{
	unsigned count = 1 + next_random(4), few = 3 + next_random(ARRAY_LEN(alphabet) - 2);

	if (last.len && last.len < 20 && next_random(2)) {
		buf_put(out, str_of(alphabet[next_random(ARRAY_LEN(alphabet))][0]));
		buf_put(out, last);
		buf_put(out, str_of(next_random(2) ? "" : alphabet[next_random(ARRAY_LEN(alphabet))][0]));
		return;
	}
	for (unsigned i = 0, kept = 0; i < count || !kept; i++) {
		unsigned c = next_random(few) + (next_random(2) ? 0 : ARRAY_LEN(alphabet) - few);
		kept += c < 8 || c == 11;
		buf_put(out, str_of(alphabet[c][next_random(8) ? 0 : next_random(4)]));
	}
}

/* A word as somebody may write it, with something around. */
static void put_text(struct buf *out, struct str word)
{
	static const char *const around[] = {"", "", "a", "1", "一", "ν", "+", " ", "钱", "l"};
	static const char *const gaps[] = {"", "", "", " ", "-", "+", "+-", " - ", "+-+", "    ", "------"};

	buf_put(out, str_of(around[next_random(ARRAY_LEN(around))]));
	for (size_t i = 0, len; i < word.len; i += len) {
		len = utf8_len((unsigned char)word.data[i]);
		struct str one = {word.data + i, len};
		for (size_t c = 0; c < ARRAY_LEN(alphabet); c++)
			if (str_eq(one, str_of(alphabet[c][0])) && !next_random(4))
				one = str_of(alphabet[c][next_random(4)]);
		buf_put(out, one);
		if (!next_random(3))
			buf_put(out, str_of(gaps[next_random(ARRAY_LEN(gaps))]));
	}
	buf_put(out, str_of(around[next_random(ARRAY_LEN(around))]));
}

static bool hits_inside(const struct match *match, uint32_t start, uint32_t end)
{
	for (uint32_t i = 0; match && i < match->hit_count; i++)
		if (match->hits[i].start >= start && match->hits[i].end <= end)
			return true;
	return false;
}

enum { REACH_WORDS = 24, REACH_TEXTS = 300, REACH_SETS = 200 };

static void check_reach(struct bench *b, struct sought_word *words, unsigned *covers)
{
	struct buf buf = {0};
	const struct match *matches[REACH_WORDS];
	static bool covered[REACH_WORDS][REACH_WORDS], holds[REACH_WORDS][REACH_WORDS];

	for (size_t i = 0; i < REACH_WORDS; i++) {
		for (size_t k = 0; k < REACH_WORDS; k++) {
			covered[i][k] = sought_covers(&words[i], &words[k], &b->arena);
			holds[i][k] = sought_may_hold(&words[k], &words[i], &b->arena, &buf);
			*covers += i != k && covered[i][k];
		}
	}
	for (unsigned n = 0; n < REACH_TEXTS; n++) {
		buf_clear(&buf);
		for (unsigned i = next_random(2); i < 2; i++)
			put_text(&buf, b->set->rules[next_random(REACH_WORDS)].match->word.text);
		buf_putc(&buf, '\0');
		struct text text = text_of(b, buf.data);
		struct message message = plain();
		message.texts = &text;
		message.text_count = 1;
		struct matches found = scan(b, &message, NULL, 0);
		memset(matches, 0, sizeof matches);
		for (size_t i = 0; i < found.count; i++)
			matches[found.items[i].rule] = &found.items[i];
		for (size_t i = 0; i < REACH_WORDS; i++) {
			for (size_t k = 0; k < REACH_WORDS; k++) {
				for (uint32_t h = 0; matches[k] && h < matches[k]->hit_count; h++) {
					const struct hit *hit = &matches[k]->hits[h];
					bool inside = hits_inside(matches[i], hit->start, hit->end);
					cr_assert(inside || !covered[i][k],
						  "%.*s is said to hit wherever %.*s does, but not in %s; fold %d %d, "
						  "gap %d %d", STR_ARG(b->set->rules[i].match->word.text),
						  STR_ARG(b->set->rules[k].match->word.text), buf.data,
						  b->set->rules[i].match->fold, b->set->rules[k].match->fold,
						  b->set->rules[i].match->gap, b->set->rules[k].match->gap);
					cr_assert(!inside || holds[i][k],
						  "%.*s is said not to stand in %.*s, but does in %s; fold %d %d",
						  STR_ARG(b->set->rules[i].match->word.text),
						  STR_ARG(b->set->rules[k].match->word.text), buf.data,
						  b->set->rules[i].match->fold, b->set->rules[k].match->fold);
				}
			}
		}
	}
	buf_fini(&buf);
}

Test(match, words_reach_as_far_as_is_said, .init = folder_make, .fini = folder_remove)
{
	static const char *const folds[] = {"none", "standard", "loose", "loose"};
	unsigned covers = 0;

	for (unsigned n = 0; n < REACH_SETS; n++) {
		struct buf yaml = {0}, buf = {0}, word = {0};
		struct arena last = {0};
		struct sought_word words[REACH_WORDS];
		struct bench b;
		buf_put(&yaml, STR("pack: p\naliases: {钱: [米, \"+\"], a1: [啊b]}\nrules:\n"));
		for (unsigned i = 0; i < REACH_WORDS; i++) {
			unsigned fold = next_random(n % 2 ? 4 : 3);
			buf_printf(&yaml, "  - {id: r%u, match: {word: \"", i);
			size_t at = yaml.len;
			put_word(&yaml, arena_copy(&last, buf_str(&word)));
			buf_clear(&word);
			buf_put(&word, (struct str){yaml.data + at, yaml.len - at});
			buf_printf(&yaml, "\", fold: %s%s", folds[fold], next_random(3) ? "" : ", mode: contains");
			if (fold > 1 && next_random(2))
				buf_printf(&yaml, ", gap: %u", (unsigned)next_random(9));
			buf_put(&yaml, STR("}}\n"));
		}
		buf_putc(&yaml, '\0');
		buf_fini(&word);
		arena_fini(&last);
		if (bench_try(&b, yaml.data, NULL) < 0) { /* a word with too many spellings */
			bench_fini(&b);
			buf_fini(&yaml);
			continue;
		}
		const struct lexicon lexicon = lexicon_make(&b.set->packs[0], &b.arena);
		for (size_t i = 0; i < REACH_WORDS; i++)
			words[i] = sought_word(b.set->rules[i].match, b.set->rules[i].match->word.text, &lexicon,
					       &b.arena, &buf);
		check_reach(&b, words, &covers);
		buf_fini(&buf);
		buf_fini(&yaml);
		bench_fini(&b);
	}
	cr_assert_gt(covers, 1000);
}

/* ---- evasion: spellings that people write to get past a word ---- */

Test(match, evasions, .init = folder_make, .fini = folder_remove)
{
	static const struct {
		const char *text, *loose, *standard;
	} rows[] = {
		{"加V信", "a: 0-4 加微信+case+homophone 0-7 加微信+case+homophone 3-7 微信+case+homophone", ""},
		{"加v", "a: 0-4 加微信+homophone", ""},
		{"+V", "a: 0-2 加微信+case+homophone", ""},
		{"加薇", "a: 0-6 加微信+homophone", ""},
		{"薇信", "a: 0-6 微信+homophone", ""},
		{"威❤", "a: 0-6 微信+homophone", ""},
		{"威❤️", "a: 0-6 微信+homophone", ""},
		{"微❤", "a: 0-6 微信+homophone", ""},
		{"微 信", "a: 0-7 微信+gap", ""},
		{"微-信", "a: 0-7 微信+gap", ""},
		{"微。信", "a: 0-9 微信+gap", ""},
		{"微....信", "", ""},
		{"微\u200b信", "a: 0-9 微信+invisible", "a: 0-9 微信+invisible"},
		{"ＶＸ", "a: 0-6 vx+width+case 0-6 微信+width+case+homophone", "a: 0-6 vx+width+case"},
		{"ⓥⓧ", "a: 0-6 vx+compat 0-6 微信+compat+homophone", "a: 0-6 vx+compat"},
		{"νх", "a: 0-4 vx+letter 0-4 微信+letter+homophone", ""},
		{"wx", "a: 0-2 微信+homophone", ""},
		{"weixin", "a: 0-6 微信+homophone", ""},
		{"wei xin", "a: 0-7 微信+homophone+gap", ""},
		{"徽信", "a: 0-6 微信+homophone", ""},
		{"溦信", "a: 0-6 微信+homophone", ""},
		{"扣扣", "a: 0-6 QQ+homophone", ""},
		{"抠抠", "a: 0-6 QQ+homophone", ""},
		{"ＱＱ", "a: 0-6 QQ+width", "a: 0-6 QQ+width"},
		{"支付包", "a: 0-9 支付宝+homophone", ""},
		{"zhi付宝", "a: 0-9 支付宝+homophone", ""},
		{"返点", "a: 0-6 返点", "a: 0-6 返点"},
		{"反点", "a: 0-6 返点+homophone", ""},
		{"fan点", "a: 0-6 返点+homophone", ""},
		{"賬號", "a: 0-6 账号+trad", "a: 0-6 账号+trad"},
		{"狗.东西", "a: 0-10 狗东西+gap", ""},
		{"壹三捌一二三四五六七八", "b: 0-33 phone+digit", ""},
		{"一三八壹贰叁肆伍陆柒捌", "b: 0-33 phone+digit", ""},
		{"①③⑧12345678", "b: 0-17 phone+compat", "b: 0-17 phone+compat"},
		{"1️⃣3️⃣8️⃣12345678", "b: 0-29 phone+invisible+gap", "b: 0-29 phone+invisible+gap"},
		{"1 3 8-1234-5678", "b: 0-15 phone+gap", "b: 0-15 phone+gap"},
		{"l38l2345678", "b: 0-11 phone+digit", ""},
		/* What must stay silent. */
		{"路口交通", "", ""},
		{"Smoking", "", ""},
		{"SM吗", "a: 0-2 SM", "a: 0-2 SM"},
		{"嘻嘻哈哈", "", ""},
		{"徽章的信封", "", ""},
		{"大麻烦", "", ""},
		{"三黄片", "", ""},
		{"他妈妈", "", ""},
		{"他妈的", "a: 0-6 他妈", "a: 0-6 他妈"},
		{"加VIP", "", ""},
	};
	for (int round = 0; round < 4; round++) {
		char yaml[1024];
		struct bench b;
		bool loose = round % 2;
		if (round == 2)
			add_many_words();
		(void)snprintf(yaml, sizeof yaml,
			       "pack: p\nfold: %s\nallow: [路口交通, 大麻烦, 三黄片, 他妈妈]\nrules:\n"
			       "  - {id: a, match: [加微信, 微信, vx, QQ, 支付宝, 返点, 账号, 狗东西, SM, "
			       "口交, 大麻, 黄片, 他妈]}\n"
			       "  - {id: b, match: {is: phone}}\n",
			       loose ? "loose" : "standard");
		bench_init(&b, yaml);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			expect(&b, rows[i].text, loose ? rows[i].loose : rows[i].standard);
		bench_fini(&b);
	}
}

/* What looks like a letter or a digit touches its like, and letters touch letters. Under `loose` a
 * word is found wherever `standard` finds it. */
Test(match, look_alikes_beside, .init = folder_make, .fini = folder_remove)
{
	static const struct {
		const char *text, *loose, *standard;
	} rows[] = {
		/* letters of ordinary words */
		{"Hello", "", ""},
		{"look", "", ""},
		{"iOS", "", ""},
		{"Hello, look: 10 lol", "a: 13-15 10", "a: 13-15 10"},
		{"lllo", "", ""},
		{"llo5", "", ""},
		{"㎖lo", "", ""},
		{"ѕllo", "", ""},
		/* letters that stand free */
		{"打llo", "a: 3-6 110+digit", ""},
		{"l1O。", "a: 0-3 110+case+digit 1-3 10+case+digit", ""},
		{"llo,hello", "a: 0-3 110+digit", ""},
		{"打 l l o", "a: 4-9 110+digit+gap 6-9 10+digit+gap", ""},
		{"一llo一", "a: 3-6 110+digit", ""},
		{"ℓ10", "a: 0-5 110+compat+digit 3-5 10", "a: 3-5 10"},
		{"і1о", "a: 0-5 110+digit+letter 2-5 10+digit+letter", ""},
		/* letters beside real digits */
		{"tel110", "a: 3-6 110", "a: 3-6 110"},
		{"℡110", "a: 3-6 110", "a: 3-6 110"},
		{"110lol", "a: 0-3 110", "a: 0-3 110"},
		{"110Ⅱ", "a: 0-3 110", "a: 0-3 110"},
		{"㎖10", "a: 3-5 10", "a: 3-5 10"},
		/* numerals and symbols beside real digits, and beside their like */
		{"打110一下", "a: 3-6 110", "a: 3-6 110"},
		{"拨12315一下就行", "a: 3-8 12315", "a: 3-8 12315"},
		{"统一12315", "a: 6-11 12315", "a: 6-11 12315"},
		{"○110", "a: 3-6 110", "a: 3-6 110"},
		{"110❶", "a: 0-3 110", "a: 0-3 110"},
		{"二110号", "a: 3-6 110", "a: 3-6 110"},
		{"零110", "a: 3-6 110", "a: 3-6 110"},
		{"一12-34一下", "a: 3-8 12-34", "a: 3-8 12-34"},
		{"打壹壹零", "a: 3-12 110+digit", ""},
		{"打一1零", "a: 3-10 110+digit 6-10 10+digit", ""},
		{"二壹壹零", "", ""},
		{"壹壹零5", "", ""},
		{"①110", "", ""},
		{"110½", "", ""},
		/* letters that only look like Latin ones beside Latin ones */
		{"VIPо", "a: 0-3 VIP", "a: 0-3 VIP"},
		{"🅰VIP🅰", "a: 4-7 VIP", "a: 4-7 VIP"},
		{"ѵіро", "", ""},
		{"VIPs", "", ""},
		{"ѵірs", "", ""},
	};
	for (int round = 0; round < 4; round++) {
		char yaml[256];
		struct bench b;
		bool loose = round % 2;
		if (round == 2)
			add_many_words();
		(void)snprintf(yaml, sizeof yaml,
			       "pack: p\nfold: %s\nrules:\n"
			       "  - {id: a, match: [110, 12315, 100, 10, 12-34, VIP]}\n",
			       loose ? "loose" : "standard");
		bench_init(&b, yaml);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			expect(&b, rows[i].text, loose ? rows[i].loose : rows[i].standard);
		bench_fini(&b);
	}
}

/* What is no Latin letter in the word itself is touched by none, as under `standard`; also where the
 * word goes by the name of one that folds alike. */
Test(match, look_alikes_of_the_word_itself, .init = folder_make, .fini = folder_remove)
{
	static const struct {
		const char *text, *loose, *standard;
	} rows[] = {
		{"cafés", "a: 0-5 café", "a: 0-5 café"},
		{"caféѕ", "a: 0-5 café", "a: 0-5 café"},
		{"café s", "a: 0-5 café", "a: 0-5 café"},
		{"cafe", "a: 0-4 café+letter", ""},
		{"cafes", "", ""},
		{"xcafé", "", ""},
		{"слово", "b: 4-6 о 8-10 о", "b: 4-6 о 8-10 о"},
		{"oo", "", ""},
		{"οdd", "b: 0-2 ο", "b: 0-2 ο"},
		{"vip", "c: 0-3 VIP+case", "c: 0-3 VIP+case"},
		{"ѵірs", "", ""},
	};
	for (int round = 0; round < 4; round++) {
		char yaml[512];
		struct bench b;
		bool loose = round % 2;
		if (round == 2)
			add_many_words();
		(void)snprintf(yaml, sizeof yaml,
			       "pack: p\nfold: %s\nrules:\n  - {id: a, match: café}\n  - {id: b, match: [о, ο]}\n"
			       "  - {id: c, match: VIP}\n",
			       loose ? "loose" : "standard");
		bench_init(&b, yaml);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			expect(&b, rows[i].text, loose ? rows[i].loose : rows[i].standard);
		bench_fini(&b);
	}
	/* One group: the list. */
	struct bench b;
	bench_init(&b, "pack: p\nfold: loose\nlists: {l: [cafe, café]}\nrules: [{id: a, match: {list: l}}]\n");
	expect(&b, "cafés", "a: 0-5 cafe+letter");
	expect(&b, "cafes", "");
	bench_fini(&b);
}

/* ---- words ---- */

static void check_words(void)
{
	struct bench b;
	bench_init(&b, "pack: p\nrules:\n"
		       "  - {id: a, match: [VIP, vip, 號, 号]}\n"
		       "  - {id: b, match: {word: VIP, fold: none}}\n"
		       "  - {id: c, match: {word: VIP, mode: contains}}\n"
		       "  - {id: d, match: [哈哈, 12]}\n");
	expect(&b, "VIP", "a: 0-3 VIP; b: 0-3 VIP; c: 0-3 VIP");
	expect(&b, "vip", "a: 0-3 VIP+case; c: 0-3 VIP+case");
	expect(&b, "xvip", "c: 1-4 VIP+case");
	expect(&b, "1vip2", "a: 1-4 VIP+case; c: 1-4 VIP+case");
	expect(&b, "号號", "a: 0-3 號+trad 3-6 號");
	expect(&b, "哈哈哈", "d: 0-6 哈哈 3-9 哈哈");
	expect(&b, "112 12元", "d: 4-6 12");
	expect(&b, "", "");
	bench_fini(&b);
}

static void check_long_runs(void)
{
	/* hs_compile_lit_multi of Hyperscan 5.4.0 loses matches behind such runs. */
	char content[512] = "", want[4096] = "a:";
	struct bench b;
	bench_init(&b, "pack: p\nrules:\n"
		       "  - {id: a, match: [好aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, 结束]}\n");
	strcat(content, "好");
	for (int i = 0; i < 44; i++)
		strcat(content, "a");
	strcat(content, "结束");
	(void)snprintf(want, sizeof want, "a: 0-47 %.47s 47-53 结束", content);
	expect(&b, content, want);
	bench_fini(&b);
}

Test(match, words, .init = folder_make, .fini = folder_remove)
{
	check_words();
	check_long_runs();
	add_many_words();
	check_words();
	check_long_runs();
}

Test(match, too_many_spellings, .init = folder_make, .fini = folder_remove)
{
	struct bench b;
	cr_assert_lt(bench_try(&b, "pack: p\nfold: loose\n"
				   "aliases: {甲: [a, b, c, d, e, f, g, h, i]}\n"
				   "rules:\n  - {id: a, match: 甲甲甲}\n",
			       NULL),
		     0);
	cr_assert_eq(b.err.kind, ERR_DATA);
	cr_assert_eq(b.findings.count, 1);
	cr_assert_eq(b.findings.items[0].line, 5);
	bench_fini(&b);
}

/* ---- conditions ---- */

Test(match, conditions, .init = folder_make, .fini = folder_remove)
{
	struct bench b;
	bench_init(&b, "pack: p\nrules:\n"
		       "  - {id: all, match: {all: [甲, 乙]}}\n"
		       "  - {id: none, match: {any: [丙], none: [丁]}}\n"
		       "  - {id: near, match: {near: {of: [戊, 己], chars: 2}}}\n"
		       "  - {id: order, match: {near: {of: [戊, 己], chars: 2, ordered: true}}}\n"
		       "  - {id: three, match: {near: {of: [子, 丑, 寅], chars: 1}}}\n"
		       "  - {id: count, match: {count: {of: [庚, 庚庚], at_least: 2}}}\n"
		       "  - {id: allowed, match: 辛, allow: [辛苦]}\n"
		       "  - {id: notallowed, match: {none: [辛]}, types: [text], allow: [辛苦], from: staff}\n");
	expect(&b, "甲x乙", "all: 0-3 甲 4-7 乙");
	expect(&b, "甲", "");
	expect(&b, "丙", "none: 0-3 丙");
	expect(&b, "丙丁", "");
	expect(&b, "戊xx己", "near: 0-3 戊 5-8 己; order: 0-3 戊 5-8 己");
	expect(&b, "戊xxx己", "");
	expect(&b, "己戊", "near: 0-3 己 3-6 戊");
	expect(&b, "戊xxx戊己xxx己", "near: 6-9 戊 9-12 己; order: 6-9 戊 9-12 己");
	expect(&b, "丑x子x寅", "three: 0-3 丑 4-7 子 8-11 寅");
	expect(&b, "丑xx子x寅", "");
	expect(&b, "庚庚", "");
	expect(&b, "庚庚x庚", "count: 0-3 庚 0-6 庚庚 3-6 庚 7-10 庚");
	expect(&b, "辛苦", "");
	expect(&b, "辛苦辛", "allowed: 6-9 辛");
	bench_fini(&b);
}

/* ---- near, against every choice of one hit for each part ---- */

/* Marks the places of all chains among `chosen`, one for each part, in `wanted`. */
static void check_choice(const struct place *places, const unsigned *chosen, unsigned parts,
			 uint32_t chars, bool ordered, bool *wanted)
{
	uint32_t reach = 0;
	unsigned count = 0;

	for (unsigned i = 0; i < 12; i++) {
		for (unsigned part = 0; part < parts; part++) {
			if (chosen[part] != i)
				continue;
			if ((count && places[i].start > reach + chars) || (ordered && part != count))
				return;
			reach = MAX(reach, places[i].end);
			count++;
		}
	}
	for (unsigned part = 0; part < parts; part++)
		wanted[chosen[part]] = true;
}

static void choose(const struct place *places, size_t count, unsigned *chosen, unsigned part,
		   unsigned parts, uint32_t chars, bool ordered, bool *wanted)
{
	if (part == parts) {
		check_choice(places, chosen, parts, chars, ordered, wanted);
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		chosen[part] = i;
		if (places[i].part == part)
			choose(places, count, chosen, part + 1, parts, chars, ordered, wanted);
	}
}

static int by_place(const void *a, const void *b)
{
	const struct place *one = a, *other = b;
	return one->start != other->start ? (one->start > other->start) - (one->start < other->start)
					  : (one->end > other->end) - (one->end < other->end);
}

Test(match, near_takes_what_some_chain_takes)
{
	unsigned taken = 0, left = 0;

	random_state = 20231114;
	for (int k = 0; k < 100000; k++) {
		struct arena arena = {0};
		struct place places[12];
		bool wanted[12] = {0};
		unsigned chosen[8], parts = 2 + (unsigned)next_random(3), wide = 4 + (unsigned)next_random(30);
		uint32_t chars = (uint32_t)next_random(4);
		size_t count = 1 + next_random(12);
		bool ordered = next_random(3) == 0;
		for (size_t i = 0; i < count; i++) {
			uint32_t start = (uint32_t)next_random(wide);
			places[i] = (struct place){(uint32_t)next_random(parts), start,
						   start + 1 + (uint32_t)next_random(next_random(4) ? 3 : wide), false};
		}
		qsort(places, count, sizeof *places, by_place);
		choose(places, count, chosen, 0, parts, chars, ordered, wanted);
		chain_mark(places, count, parts, chars, ordered, &arena);
		for (size_t i = 0; i < count; i++) {
			cr_assert_eq(places[i].taken, wanted[i], "case %d, place %zu of %zu", k, i, count);
			*(wanted[i] ? &taken : &left) += 1;
		}
		arena_fini(&arena);
	}
	cr_expect(taken > 50000 && left > 50000, "%u taken, %u left", taken, left);
}

/* Beyond the block that is looked at at once. */
Test(match, near_reaches_over_many_hits)
{
	struct arena arena = {0};
	enum { COUNT = 1000 };
	struct place places[COUNT];

	for (uint32_t i = 0; i < COUNT; i++)
		places[i] = (struct place){1, i, i + 1, false};
	places[0] = (struct place){0, 0, COUNT, false};
	places[COUNT - 1].part = 2;
	places[COUNT - 1].start = COUNT + 2;
	for (uint32_t chars = 1; chars < 3; chars++) {
		chain_mark(places, COUNT, 3, chars, true, &arena);
		for (uint32_t i = 0; i < COUNT; i++)
			cr_expect_eq(places[i].taken, chars == 2, "place %u, chars %u", i, chars);
	}
	arena_fini(&arena);
}

Test(match, near_of_hits_inside_others, .init = folder_make, .fini = folder_remove)
{
	struct bench b;
	bench_init(&b, "pack: p\nrules:\n"
		       "  - {id: a, match: {near: {of: [{regex: '加.*号'}, 微信, '138'], chars: 2}}}\n"
		       "  - {id: b, match: {near: {of: [微信号, 信, '138'], chars: 0}}}\n"
		       "  - {id: c, match: {near: {of: [{regex: '加.*号'}, 微信, '138'], chars: 0, ordered: true}}}\n");
	expect(&b, "加我的微信这个号138",
	       "a: 0-24 加.*号 9-15 微信 24-27 138; c: 0-24 加.*号 9-15 微信 24-27 138");
	expect(&b, "加我的微信这个号啊啊138", "a: 0-24 加.*号 9-15 微信 30-33 138");
	expect(&b, "加我的微信这个号啊啊啊138", "");
	expect(&b, "微信号138", "b: 0-9 微信号 3-6 信 9-12 138");
	bench_fini(&b);
}

/* Whether a text of staff is nothing but closing words to the rule. */
static bool closes(struct bench *b, const char *content)
{
	struct text text = text_of(b, content);
	text.own_start = (uint32_t)marks_quoted(text.content);
	struct message message = plain();
	message.from_role = ROLE_STAFF;
	message.texts = &text;
	message.text_count = 1;
	return scan(b, &message, NULL, 0).ignored_count == 1;
}

Test(match, closing_words_are_the_senders_own, .init = folder_make, .fini = folder_remove)
{
#define QUOTE(text) "「客户：" text "」\n- - - - - - - - - - - - - - -\n"
	struct bench b;
	bench_init(&b, "pack: p\nfold: loose\nrules:\n"
		       "  - {id: w, from: customer, wait: {for: staff, over: 10m, ignore: [好的, 谢谢]}}\n");
	cr_expect(closes(&b, "好的！"));
	cr_expect(closes(&b, QUOTE("在吗") "好的"));
	cr_expect(closes(&b, QUOTE("好的") "谢谢。"));
	cr_expect_not(closes(&b, QUOTE("好的") "？？？"));
	cr_expect_not(closes(&b, QUOTE("好的") "在的"));
	cr_expect_not(closes(&b, QUOTE("好的") ""));
	cr_expect_not(closes(&b, "？？？"));
	bench_fini(&b);
	/* The gap is wide enough for the row of hyphens: the hit begins with what the customer said. */
	bench_init(&b, "pack: p\nfold: loose\nrules:\n"
		       "  - {id: w, from: customer, wait: {for: staff, over: 10m, ignore: {word: 好的, gap: 8}}}\n");
	cr_expect(closes(&b, "好………的"));
	cr_expect_not(closes(&b, "“客户：\n好\n------\n的"));
	bench_fini(&b);
#undef QUOTE
}

Test(match, sees_where_a_text_begins)
{
	static const struct {
		const char *pattern;
		enum start_sight sight;
	} rows[] = {
		{"元", START_UNSEEN}, {"^元", START_SEEN}, {"(a|^b)", START_SEEN}, {"\\bvx", START_WORD},
		{"a[^,]*元", START_UNSEEN}, {"[]^]", START_UNSEEN}, {"[^]^]", START_UNSEEN},
		{"[^,]^a", START_SEEN}, {"[]]^a", START_SEEN}, {"[^]]^a", START_SEEN},
		{"[\\]^]", START_UNSEEN}, {"[\\]]^", START_SEEN}, {"[a\\\\]^", START_SEEN},
		{"[[:alpha:]^]", START_UNSEEN}, {"[[:alpha:]]^", START_SEEN}, {"[[:a]^", START_SEEN},
		{"[\\c]^]", START_UNSEEN}, {"\\c[^a]", START_SEEN}, {"\\[^a]", START_SEEN}, {"\\^", START_UNSEEN},
		{"\\Q[\\E^]", START_SEEN}, {"\\Q^\\E", START_UNSEEN}, {"\\Q^", START_UNSEEN},
		{"(?#[)^a]", START_SEEN}, {"(?x)a #[\n^b]", START_SEEN}, {"[\\Q]\\E^]", START_SEEN},
		{"[\\b]", START_UNSEEN}, {"[^a]\\bx", START_WORD}, {"[\\B]\\Ba", START_SEEN}, {"(?<n>a)", START_SEEN},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(regex_start_sight(str_of(rows[i].pattern)), rows[i].sight, "%s", rows[i].pattern);
}

Test(match, regexes, .init = folder_make, .fini = folder_remove)
{
	struct bench b;
	bench_init(&b, "pack: p\nfold: loose\nrules:\n"
		       "  - {id: a, match: {regex: '\\d{2,3}'}}\n"
		       "  - {id: b, match: {regex: '微信號？'}}\n"
		       "  - {id: c, match: {regex: '[A-C]+d'}}\n"
		       "  - {id: d, match: {regex: '^好\\w'}}\n"
		       "  - {id: e, match: {regex: 'k+[一-龥]'}}\n");
	expect(&b, "12345", "a: 0-3 \\d{2,3} 3-5 \\d{2,3}");
	expect(&b, "微信號？", "b: 0-12 微信號？+width+trad");
	expect(&b, "xaBCd", "c: 1-5 [A-C]+d+case");
	expect(&b, "好a好b", "d: 0-4 ^好\\w 4-8 ^好\\w");
	expect(&b, "kk好 KK歌", "e: 0-5 k+[一-龥] 6-11 k+[一-龥]+case");
	bench_fini(&b);
}

/* How many hits a text of a megabyte gets, each row of it with four of them. */
static uint32_t hits_of_a_megabyte(const char *regex)
{
	enum { ROW = 16 };
	static char content[(1 << 20) + 1];
	char rules[100];
	struct bench b;

	for (size_t i = 0; i + ROW < sizeof content; i += ROW)
		memcpy(content + i, "xab xab xab xab ", ROW);
	(void)snprintf(rules, sizeof rules, "pack: p\nrules: [{id: r, match: {regex: '%s'}}]\n", regex);
	bench_init(&b, rules);
	struct text text = text_of(&b, content);
	struct message m = plain();
	m.texts = &text;
	m.text_count = 1;
	struct matches found = scan(&b, &m, NULL, 0);
	uint32_t count = found.count ? found.items[0].hit_count : 0;
	bench_fini(&b);
	return count;
}

/* A regex without a greatest length that may see where a text begins is searched to the end of the text
 * behind each hit: 64 times in a megabyte. Others get their thousand hits. */
Test(match, regexes_in_long_texts, .init = folder_make, .fini = folder_remove)
{
	cr_expect_eq(hits_of_a_megabyte("\\Bab+"), 65);
	cr_expect_eq(hits_of_a_megabyte("ab+"), 1000);
	cr_expect_eq(hits_of_a_megabyte("\\Bab"), 1000);
	cr_expect_eq(hits_of_a_megabyte("(?<n>ab{1,9})"), 1000);
}

/* An escape says the same inside of a class as without folding. */
Test(match, escapes_in_classes, .init = folder_make, .fini = folder_remove)
{
	static const char *const rows[][3] = { /* regex, what it hits, what it does not */
		{"[\\012]", "\n", "12"}, {"[\\101]", "A", "01"}, {"[\\cJ]", "\n", "xJ"}, {"[\\pL]+", "好", "1"},
		{"[\\d\\pL]", "7", "!"}, {"[\\o{101}]", "A", "o1"}, {"[\\n-\\r]", "\v", "-"},
		{"[\\t\\x41]", "\t", "b"}, {"[^\\pL]", "1", "a"}, {"\\101\\pL", "a好", "1"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (int none = 0; none < 2; none++) {
			struct bench b;
			char rules[200];
			(void)snprintf(rules, sizeof rules, "pack: p\nfold: %s\nrules:\n  - {id: a, match: {regex: '%s'}}\n",
				       none ? "none" : "standard", rows[i][0]);
			if (none && strstr(rules, "o{"))
				continue; /* with 101 it is the capital letter alone */
			bench_init(&b, rules);
			struct text texts[2] = {text_of(&b, rows[i][1]), text_of(&b, rows[i][2])};
			struct message m = plain();
			m.text_count = 1;
			m.texts = &texts[0];
			if (!none || !strstr(rows[i][0], "101"))
				cr_expect_eq(scan(&b, &m, NULL, 0).count, 1, "%s hits", rules);
			m.texts = &texts[1];
			cr_expect_eq(scan(&b, &m, NULL, 0).count, 0, "%s", rules);
			bench_fini(&b);
		}
}

Test(match, refused_regexes, .init = folder_make, .fini = folder_remove)
{
	struct bench b;
	cr_assert_lt(bench_try(&b, "pack: p\nrules:\n"
				   "  - {id: a, match: {regex: '[個人]'}}\n"
				   "  - {id: b, match: {regex: '[０-９]'}}\n"
				   "  - {id: c, match: {regex: '(\\w{1,60}\\s?){1,60}z'}}\n"
				   "  - {id: d, match: {regex: '(.{0,500}x){3}'}}\n"
				   "  - {id: e, match: {regex: 'a*'}}\n"
				   "  - {id: f, match: {regex: '好(吗'}}\n"
				   "  - {id: g, match: {regex: '\\p{Lu}b'}}\n"
				   "  - {id: h, match: {regex: '[\\p{Lu}]b'}}\n"
				   "  - {id: i, match: {regex: '[\\Qa\\E]'}}\n",
			       NULL),
		     0);
	cr_assert_eq(b.findings.errors, 9);
	for (size_t i = 0; i < b.findings.count; i++)
		cr_expect_eq(b.findings.items[i].col, 28, "%d", b.findings.items[i].col);
	cr_expect(memmem(b.findings.items[0].text.data, b.findings.items[0].text.len, "write 个", 9));
	cr_expect(memmem(b.findings.items[1].text.data, b.findings.items[1].text.len, "write 0", 7));
	bench_fini(&b);
}

Test(match, detectors, .init = folder_make, .fini = folder_remove)
{
	struct bench b;
	bench_init(&b, "pack: p\nlists: {ours: [13800000000, our.cn]}\nrules:\n"
		       "  - {id: phone, match: {is: phone, except: {list: ours}}}\n"
		       "  - {id: mail, match: {is: email}}\n"
		       "  - {id: url, match: {is: url, except: {list: ours}}}\n"
		       "  - {id: wechat, match: {is: wechat_id}}\n"
		       "  - {id: qq, match: {is: qq}}\n"
		       "  - {id: card, match: {is: bank_card}}\n"
		       "  - {id: id, match: {is: id_card}}\n");
	expect(&b, "电话13812345678。", "phone: 6-17 phone");
	expect(&b, "tel13812345678", "phone: 3-14 phone");
	expect(&b, "113812345678", "");
	expect(&b, "138123456789", "");
	expect(&b, "12812345678", "");
	expect(&b, "138-0000-0000 138 1234 5678", "phone: 14-27 phone+gap");
	expect(&b, "a.b@c-d.com.cn，", "mail: 0-14 email");
	expect(&b, "a@b", "");
	expect(&b, "发abc@qq.com……谢谢", "mail: 3-13 email");
	expect(&b, "abc@qq.com...或www.baidu.com...", "mail: 0-10 email; url: 16-29 url");
	expect(&b, "a@..com a@b..com www...com", "");
	expect(&b, "看https://t.cn/a?b=1。 www.x.ai/ our.cn 报价.com v1.2", "url: 3-21 url 25-34 url");
	expect(&b, "我的微信：abc_123 好", "wechat: 15-22 wechat_id");
	expect(&b, "我的微信号是一二三四五六七八九abc_123", "");
	expect(&b, "abc_123", "");
	expect(&b, "QQ 12345678", "qq: 3-11 qq");
	expect(&b, "扣扣:12345678", "qq: 7-15 qq");
	expect(&b, "12345678", "");
	expect(&b, "4111 1111 1111 1111", "card: 0-19 bank_card+gap");
	expect(&b, "4111 1111 1111 1112", "");
	expect(&b, "11010519491231002X", "id: 0-18 id_card+case");
	expect(&b, "110105194912310021", "");
	bench_fini(&b);
}

/* Real digits make a number of their own; numerals, and letters among digits, where they are none. */
Test(match, numbers_of_qq, .init = folder_make, .fini = folder_remove)
{
	static const struct {
		const char *text, *loose, *standard;
	} rows[] = {
		{"QQ12345678一下", "", ""},
		{"QQ一12345678", "", ""},
		{"QQ12345678lol", "", ""},
		{"QQ87654321一下", "qq: 2-10 qq", "qq: 2-10 qq"},
		{"QQ一87654321", "qq: 5-13 qq", "qq: 5-13 qq"},
		{"QQ12345678901一下", "qq: 2-13 qq", "qq: 2-13 qq"},
		{"QQ87654321ok", "qq: 2-10 qq", "qq: 2-10 qq"},
		{"QQ l87654321", "qq: 4-12 qq", "qq: 4-12 qq"},
		{"QQ：〇87654321〇", "qq: 8-16 qq", "qq: 8-16 qq"},
		{"QQ 4321一下", "", ""},
		{"QQ 4321o一", "qq: 3-8 qq+digit", ""},
		{"QQ 8l2l3l4l一下", "qq: 3-11 qq+digit", ""},
		{"QQ 8l2l3l4ls", "", ""},
		{"QQ 八七六五四三二一", "qq: 3-27 qq+digit", ""},
		{"QQ 八七六五四三二一1", "", ""},
		{"QQ １２３４５６７８", "", ""},
		{"QQ ８７６５４三", "qq: 3-18 qq+width", "qq: 3-18 qq+width"},
	};
	for (int loose = 0; loose < 2; loose++) {
		char yaml[256];
		struct bench b;
		(void)snprintf(yaml, sizeof yaml,
			       "pack: p\nfold: %s\nlists: {ours: [12345678]}\nrules:\n"
			       "  - {id: qq, match: {is: qq, except: {list: ours}}}\n",
			       loose ? "loose" : "standard");
		bench_init(&b, yaml);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			expect(&b, rows[i].text, loose ? rows[i].loose : rows[i].standard);
		bench_fini(&b);
	}
}

/* ---- filters ---- */

Test(match, filters, .init = folder_make, .fini = folder_remove)
{
	struct bench b;
	bench_init(&b, "pack: p\ntimezone: Asia/Shanghai\nrules:\n"
		       "  - {id: staff, from: staff, match: 甲}\n"
		       "  - {id: internal, chat: internal, match: 甲}\n"
		       "  - {id: link, types: [link], match: 甲}\n"
		       "  - {id: field, fields: ['a[*].b', 'x.价格 [元]', x.a*b, x-y.*], match: 甲}\n"
		       "  - {id: room, rooms: [wr1], match: 甲}\n"
		       "  - {id: who, staff: [lisi], match: 甲}\n"
		       "  - {id: corp, corps: [ww2], match: 甲}\n"
		       "  - {id: night, hours: '18:00-07:00', days: [tue], match: 甲}\n"
		       "  - {id: day, hours: '07:00-18:00', match: 甲}\n"
		       "  - {id: forwarded, forwarded: only, match: 甲}\n"
		       "  - {id: quoted, quoted: only, match: 甲}\n"
		       "  - {id: face, emoticons: include, match: 微笑}\n"
		       "  - {id: noface, match: 微笑}\n"
		       "  - {id: money, amount: {at_least: 200}}\n"
		       "  - {id: taken, action: recall}\n"
		       "  - {id: consent, types: [agree, disagree]}\n"
		       "  - {id: disk, types: [qydiskfile], match: 甲}\n"
		       "  - {id: doc, types: [docmsg], match: 甲}\n"
		       "  - {id: docmsg, types: [doc], match: 甲}\n");
	cr_expect_eq(b.findings.count, 0); /* no type is unknown */
	static const struct str staff[] = {STR("lisi")};
	static const struct span face[] = {{0, 8, SPAN_EMOTICON}};
	struct text text = text_of(&b, "甲");
	struct message usual = plain(), m;
	usual.texts = &text;
	usual.text_count = 1;
#define EXPECT(want)                                                                               \
	do {                                                                                       \
		struct matches matches = scan(&b, &m, NULL, 0);                                    \
		cr_expect_str_eq(show(&b, &matches), want, "%s", show(&b, &matches));              \
	} while (0)
	/* 06:13 on Wednesday belongs to the night of Tuesday. */
	m = usual;
	EXPECT("night: 0-3 甲");
	m.from_role = ROLE_STAFF;
	EXPECT("staff: 0-3 甲; night: 0-3 甲");
	m = usual;
	m.chat = CHAT_INTERNAL;
	EXPECT("internal: 0-3 甲");
	m = usual;
	m.msgtype = STR("link");
	EXPECT("link: 0-3 甲; night: 0-3 甲");
	m = usual;
	m.roomid = STR("wr1");
	m.chat = CHAT_GROUP;
	EXPECT("room: 0-3 甲; night: 0-3 甲");
	m = usual;
	m.tolist = staff;
	m.tolist_count = 1;
	EXPECT("who: 0-3 甲; night: 0-3 甲");
	m = usual;
	m.corpid = STR("ww2");
	EXPECT("corp: 0-3 甲; night: 0-3 甲");
	m = usual;
	m.msgtime_ms += 6 * 3600 * 1000;
	EXPECT("day: 0-3 甲");
	m = usual;
	text.path = STR("a[12].b");
	EXPECT("field: 0-3 甲; night: 0-3 甲");
	static const char *const paths[] = {"x.价格 [元]", "x.a*b", "x-y.*"};
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		text.path = str_of(paths[i]);
		EXPECT("field: 0-3 甲; night: 0-3 甲");
	}
	static const char *const others[] = {"a[x].b", "a[].b", "x.价格 [1]", "x.a1b", "x-y.1", "a[*].b"};
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		text.path = str_of(others[i]);
		EXPECT("night: 0-3 甲");
	}
	text.forwarded = true;
	EXPECT("forwarded: 0-3 甲");
	text.forwarded = false;
	text.own_start = 3;
	EXPECT("quoted: 0-3 甲");
	text = text_of(&b, "[微笑]");
	text.spans = face;
	text.span_count = 1;
	EXPECT("face: 1-7 微笑");
	m = usual;
	m.text_count = 0;
	m.amount_fen = 20000;
	EXPECT("money:");
	m.amount_fen = 19999;
	EXPECT("");
	m.kind = MESSAGE_RECALL;
	EXPECT("taken:");
	m = usual;
	m.kind = MESSAGE_DISAGREE; /* judged by rules that name its type */
	m.msgtype = STR("disagree");
	EXPECT("consent:");
	text = text_of(&b, "甲");
	m = usual;
	m.msgtype = STR("qy_disk_file");
	EXPECT("night: 0-3 甲; disk: 0-3 甲");
	m.msgtype = STR("docmsg");
	EXPECT("night: 0-3 甲; doc: 0-3 甲; docmsg: 0-3 甲");
	m.msgtype = STR("doc");
	EXPECT("night: 0-3 甲; doc: 0-3 甲; docmsg: 0-3 甲");
#undef EXPECT
	bench_fini(&b);
}

/* What the sender wrote beside an emoticon counts, and an emoticon's name does not. */
Test(match, emoticons, .init = folder_make, .fini = folder_remove)
{
	static const struct {
		const char *text, *loose, *standard;
	} rows[] = {
		{"http://t.cn/abc[强]", "url: 0-15 url", "url: 0-15 url"},
		{"http://t.cn/abc[OK][OK]", "url: 0-15 url", "url: 0-15 url"},
		{"http://t.cn/a?[OK]b", "url: 0-13 url", "url: 0-13 url"},
		{"http://t.cn/a[1]b", "url: 0-17 url", "url: 0-17 url"},
		{"Ⅱ[强]http://t.cn/ａ[OK]b", "url: 8-23 url+width", "url: 8-23 url+width"},
		{"多少钱[微笑]", "regex: 0-17 多少钱.{0,10}", "regex: 0-17 多少钱.{0,10}"},
		{"[微笑]多少钱", "regex: 8-17 多少钱.{0,10}", "regex: 8-17 多少钱.{0,10}"},
		{"加我[微笑]微信", "regex: 0-20 加.{0,8}微信", "regex: 0-20 加.{0,8}微信"},
		{"丙[微笑]", "regex: 0-4 丙.", "regex: 0-4 丙."},
		{"[微笑]", "", ""},
		{"[微笑][微笑]", "", ""},
		{"[微笑]x[微笑]", "regex: 1-16 微笑.*微笑", "regex: 1-16 微笑.*微笑"},
		{"[偷笑][强]", "", ""},
		{"微笑[强]", "word: 0-6 微笑", "word: 0-6 微笑"},
		{"好[微笑]", "", ""},
		{"好[x]", "word: 0-4 好[", "word: 0-4 好["},
		{"好的[微笑]", "word: 0-14 好的[微笑]", "word: 0-14 好的[微笑]"},
		{"[色]情", "", ""},
		{"色-情", "word: 0-7 色情+gap", ""},
		{"我[强]信", "", ""},
	};
	for (int round = 0; round < 4; round++) {
		char yaml[512];
		struct bench b;
		bool loose = round % 2;
		if (round == 2)
			add_many_words();
		(void)snprintf(yaml, sizeof yaml,
			       "pack: p\nfold: %s\nrules:\n"
			       "  - {id: url, match: {is: url}}\n"
			       "  - {id: regex, match: [{regex: '多少钱.{0,10}'}, {regex: '加.{0,8}微信'},\n"
			       "      {regex: '丙.'}, {regex: '微笑.*微笑'}, {regex: '偷笑..强'}]}\n"
			       "  - {id: word, match: [微笑, '好[', 色情, '好的[微笑]', 我强信]}\n",
			       loose ? "loose" : "standard");
		bench_init(&b, yaml);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			struct text text = text_of(&b, rows[i].text);
			struct message m = plain();
			struct buf spans = {0};
			marks_spans(text.content, &spans);
			text.spans = (const struct span *)(const void *)spans.data;
			text.span_count = (uint32_t)(spans.len / sizeof *text.spans);
			m.texts = &text;
			m.text_count = 1;
			struct matches matches = scan(&b, &m, NULL, 0);
			const char *want = loose ? rows[i].loose : rows[i].standard, *got = show(&b, &matches);
			cr_expect_str_eq(got, want, "%s: got %s, want %s", rows[i].text, got, want);
			buf_fini(&spans);
		}
		bench_fini(&b);
	}
}

Test(match, near_over_messages, .init = folder_make, .fini = folder_remove)
{
	struct bench b;
	bench_init(&b, "pack: p\nrules:\n"
		       "  - {id: a, match: {near: {of: [甲, 乙], messages: 3}}}\n");
	struct text text = text_of(&b, "甲");
	struct message m = plain();
	m.texts = &text;
	m.text_count = 1;
	struct matches matches = scan(&b, &m, NULL, 0);
	cr_assert_eq(matches.count, 0);
	cr_assert_eq(matches.seen_count, 1);
	cr_assert_eq(matches.seen[0].parts, 1);
	struct near_part open = matches.seen[0];
	text = text_of(&b, "x乙");
	matches = scan(&b, &m, &open, 1);
	cr_assert_str_eq(show(&b, &matches), "a: 1-4 乙");
	bench_fini(&b);
}

Test(match, tables, .init = folder_make, .fini = folder_remove)
{
	struct bench b;
	bench_init(&b, "pack: p\n"
		       "lists: {行业: {教育: [学校, 家长], 医疗: [医院]}}\n"
		       "tags: {行业: {values: [教育, 医疗]}}\n"
		       "rules:\n  - {id: a, match: {list: 行业}, then: [{tag_from: 行业}]}\n");
	struct text text = text_of(&b, "医院和医院");
	struct message m = plain();
	m.texts = &text;
	m.text_count = 1;
	struct matches matches = scan(&b, &m, NULL, 0);
	cr_assert_eq(matches.count, 1);
	cr_assert_eq(matches.items[0].table_row_count, 1);
	cr_assert_eq(matches.items[0].table_rows[0], 1);
	bench_fini(&b);
}

/* A word of the table that made nothing hold gives no tag. */
Test(match, tables_of_hits_alone, .init = folder_make, .fini = folder_remove)
{
	static const char *const texts[] = {"我们是学校，附近有一家很大的医院", "我是校长，附近有医院", "我们是医院和学校"};
	static const uint32_t counts[][2] = {{1, 2}, {0, 0}, {2, 2}}; /* rows of a, of b */
	struct bench b;
	bench_init(&b, "pack: p\n"
		       "lists: {行业: {教育: [学校, 家长], 医疗: [医院]}}\n"
		       "tags: {行业: {values: [教育, 医疗]}}\n"
		       "rules:\n"
		       "  - {id: a, match: {near: {of: [我们是, {list: 行业}], chars: 3}}, then: [{tag_from: 行业}]}\n"
		       "  - {id: b, match: {any: [我是校长, {all: [我们是, {list: 行业}]}]}, then: [{tag_from: 行业}]}\n");
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct text text = text_of(&b, texts[i]);
		struct message m = plain();
		m.texts = &text;
		m.text_count = 1;
		struct matches matches = scan(&b, &m, NULL, 0);
		uint32_t rows[2] = {0};
		for (size_t k = 0; k < matches.count; k++)
			rows[matches.items[k].rule] = matches.items[k].table_row_count;
		cr_expect_eq(rows[0], counts[i][0], "%s: %u", texts[i], rows[0]);
		cr_expect_eq(rows[1], counts[i][1], "%s: %u", texts[i], rows[1]);
	}
	bench_fini(&b);
}

/* ---- memory and cache ---- */

Test(match, warm_scan_allocates_nothing, .init = folder_make, .fini = folder_remove)
{
#if defined(__SANITIZE_ADDRESS__)
	folder_remove(); /* a test that is skipped ends here */
	cr_skip_test("a sanitizer stands in front of malloc()");
#endif
	struct bench b;
	bench_init(&b, "pack: p\nfold: loose\nrules:\n"
		       "  - {id: a, match: [加微信, 微信, 多少钱, 110]}\n"
		       "  - {id: b, match: {regex: '\\d+元'}}\n"
		       "  - {id: c, match: {near: {of: [钱, 元], chars: 9}}}\n"
		       "  - {id: d, match: [{is: phone}, {is: url}, {is: wechat_id}]}\n");
	struct text text = text_of(&b, "加 薇信 多少錢？壹壹零 12元 34元 13812345678 www.a.com 微信abc12345");
	struct message m = plain();
	m.texts = &text;
	m.text_count = 1;
	/* Of the arena this much stays: what the rules' text needs is allotted before. */
	struct str content = arena_copy(&b.arena, text.content);
	(void)content;
	size_t expected = scan(&b, &m, NULL, 0).count;
	cr_assert_eq(expected, 4);
	struct mallinfo2 before = mallinfo2();
	for (int i = 0; i < 20; i++)
		cr_assert_eq(scan(&b, &m, NULL, 0).count, expected);
	struct mallinfo2 after = mallinfo2();
	cr_assert_eq(before.uordblks, after.uordblks);
	bench_fini(&b);
}

static void damage(const char *dir)
{
	char command[256];
	(void)snprintf(command, sizeof command,
		       "for f in %s/*.hs; do printf x | dd of=$f bs=1 seek=200 conv=notrunc 2>/dev/null; done",
		       dir);
	cr_assert_eq(system(command), 0);
}

Test(match, cache_that_is_damaged_is_made_anew, .init = folder_make, .fini = folder_remove)
{
	char cache[128];
	struct bench b;
	(void)snprintf(cache, sizeof cache, "%s/cache", folder);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(bench_try(&b, "pack: p\nrules:\n  - {id: a, match: [甲, {regex: '\\d元'}]}\n",
				       cache),
			     0);
		expect(&b, "甲1元", "a: 0-3 甲 3-7 \\d元");
		bench_fini(&b);
		if (i == 1)
			damage(cache);
	}
}

Test(match, cache_files_that_nobody_reads_go, .init = folder_make, .fini = folder_remove)
{
	char command[1024];
	struct bench b;

	cr_assert_eq(bench_try(&b, "pack: p\nrules:\n  - {id: a, match: [甲]}\n", folder), 0);
	bench_fini(&b);
	/* Old, but read by the next set of the same words; old and unread, one of them half written;
	 * old and none of ours; young, one of them being written. */
	(void)snprintf(command, sizeof command,
		       "cd %s && n=$(printf %%064d 7) m=$(printf %%064d 8) && touch -d '40 days ago' *.hs && "
		       "touch -d '40 days ago' $n.hs $n.hs.a1B2c3 mine.hs $n.hs.mine $n.hs-a1B2c && "
		       "touch -d '20 days ago' $m.hs $m.hs.a1B2c3", folder);
	cr_assert_eq(system(command), 0);
	cr_assert_eq(bench_try(&b, "pack: p\nrules:\n  - {id: a, match: [甲]}\n", folder), 0);
	bench_fini(&b);
	cr_assert_eq(bench_try(&b, "pack: p\nrules:\n  - {id: a, match: [乙]}\n", folder), 0);
	bench_fini(&b);
	(void)snprintf(command, sizeof command,
		       "cd %s && n=$(printf %%064d 7) m=$(printf %%064d 8) && [ $(ls *.hs* | wc -l) = 7 ] && "
		       "ls mine.hs $n.hs.mine $n.hs-a1B2c $m.hs $m.hs.a1B2c3 >/dev/null", folder);
	cr_assert_eq(system(command), 0);
}
