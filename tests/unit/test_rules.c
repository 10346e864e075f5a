/* test_rules.c - rule sets: what is read, the digest, the bundle, zones, hours, the directory. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <ftw.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "folder.h"
#include "rules/directory.h"
#include "rules/hours.h"
#include "rules/lint.h"
#include "rules/load.h"

static struct ruleset *load_inputs(const struct ruleset_inputs *in)
{
	struct findings findings = {0};
	struct ruleset *set = NULL;
	struct err err = {0};
	int status = ruleset_load_from(&set, in, &findings, &err);
	findings_print(&findings, stderr);
	findings_fini(&findings);
	cr_assert_eq(status, 0, "%s", err.text);
	return set;
}

static struct ruleset *load(void)
{
	return load_inputs(&(struct ruleset_inputs){.dir = folder});
}

static void write_usual(void)
{
	folder_write("b.yaml", "pack: sales\n"
			     "timezone: Europe/Berlin\n"
			     "lists: {rivals: {file: words/rivals.txt}}\n"
			     "rules:\n"
			     "  - {id: third, match: {list: rivals}, then: {tag: 高意向}}\n");
	folder_write("a.yml", "pack: sales\n"
			    "defaults: {from: staff, by: pair}\n"
			    "tags: {意向: {values: [高意向, 低意向], exclusive: true, expires: 30d}}\n"
			    "rules:\n"
			    "  - {id: first, match: 一二}\n"
			    "  - {id: second, from: customer, match: 三四}\n");
	folder_write("z/deep.yaml", "pack: alpha\nmode: shadow\nrules: [{id: first, match: 五六}]\n");
	folder_write("words/rivals.txt", "\xef\xbb\xbf# names\n\n 甲公司 \r\n　\n乙公司　\xc2\xa0\n#丙\n");
	folder_write("a.test.yaml", "this: is no rule file");
	folder_write(".hidden.yaml", "nor: this");
	folder_write("notes.txt", "nor this");
}

Test(load, order_and_defaults, .init = folder_make, .fini = folder_remove)
{
	write_usual();
	struct ruleset *set = load();

	cr_assert_eq(set->pack_count, 2);
	cr_assert_eq(set->rule_count, 4);
	static const char *const ids[] = {"first", "first", "second", "third"};
	static const char *const packs[] = {"alpha", "sales", "sales", "sales"};
	for (size_t i = 0; i < 4; i++) {
		cr_assert(str_eq(set->rules[i].id, str_of(ids[i])));
		cr_assert(str_eq(set->rules[i].pack, str_of(packs[i])));
		cr_assert(str_eq(set->packs[set->rules[i].pack_index].name, str_of(packs[i])));
	}
	cr_assert(set->rules[0].shadow && !set->rules[1].shadow);
	cr_assert_eq(set->rules[1].filter.roles, 1u << ROLE_STAFF);
	cr_assert_eq(set->rules[2].filter.roles, 1u << ROLE_CUSTOMER);
	cr_assert_eq(set->rules[3].filter.roles, ROLE_BIT_ALL, "defaults are of one file");
	cr_assert(set->rules[1].by_pair && set->rules[2].by_pair && !set->rules[3].by_pair);
	cr_assert_eq(set->rules[3].effects[0].expires_ms, INT64_C(30) * 86400000);

	cr_assert_eq(set->list_count, 1);
	const struct word_row *row = &set->lists[0].rows[0];
	cr_assert_eq(row->word_count, 2);
	cr_assert(str_eq(row->words[0].text, STR("甲公司")) && row->words[0].line == 3);
	cr_assert(str_eq(row->words[1].text, STR("乙公司")) && row->words[1].line == 5);

	size_t index;
	cr_assert(ruleset_find(set, STR("sales"), STR("third"), &index) && index == 3);
	cr_assert_not(ruleset_find(set, STR("alpha"), STR("third"), &index));
	cr_assert_not(ruleset_find(set, STR("beta"), STR("third"), &index));
	ruleset_free(set);
}

/* The digest of the folder as it is now, with a directory file and consent settings. */
static void digest(const char *staff, const struct consent_rule *consents, size_t count,
		   char out[72])
{
	struct ruleset *set = load_inputs(&(struct ruleset_inputs){folder, staff, consents, count});
	memcpy(out, set->digest, 72);
	ruleset_free(set);
}

Test(load, digest_covers_what_judges_and_nothing_else, .init = folder_make, .fini = folder_remove)
{
	char first[72], other[72], command[256], staff[80];
	const struct consent_rule consents[] = {{STR(""), CONSENT_DROP}, {STR("ww2"), CONSENT_IGNORE}};
	const struct consent_rule swapped[] = {consents[1], consents[0]};

	write_usual();
	digest(NULL, NULL, 0, first);
	cr_assert(!strncmp(first, "sha256:", 7) && strlen(first) == 71);

	/* Another place, other times, files made in another order, files that are none of ours. */
	char was[64];
	strcpy(was, folder);
	(void)snprintf(command, sizeof command, "mkdir %s.copy && cd %s && touch .x && cp z -r a.yml "
						"words b.yaml %s.copy/", was, was, was);
	cr_assert_eq(system(command), 0);
	(void)snprintf(folder, sizeof folder, "%s.copy", was);
	digest(NULL, NULL, 0, other);
	cr_assert_str_eq(first, other);
	folder_remove();
	strcpy(folder, was);

	folder_write("words/rivals.txt", "甲公司\n丙公司\n");
	digest(NULL, NULL, 0, other);
	cr_assert_str_neq(first, other, "a word");
	write_usual();
	folder_write("c.yaml", "pack: more\n");
	digest(NULL, NULL, 0, other);
	cr_assert_str_neq(first, other, "a file");
	(void)snprintf(command, sizeof command, "%s/c.yaml", folder);
	cr_assert_eq(unlink(command), 0);
	digest(NULL, NULL, 0, other);
	cr_assert_str_eq(first, other);

	folder_write("staff.csv", "zhangsan,销售\n");
	(void)snprintf(staff, sizeof staff, "%s/staff.csv", folder);
	char with_staff[72], with_consent[72];
	digest(staff, NULL, 0, with_staff);
	cr_assert_str_neq(first, with_staff, "the directory");
	digest(NULL, consents, 2, with_consent);
	cr_assert_str_neq(first, with_consent, "consent");
	digest(NULL, swapped, 2, other);
	cr_assert_str_eq(with_consent, other, "the order in a configuration means nothing");
}

Test(load, bundle_makes_the_same_set, .init = folder_make, .fini = folder_remove)
{
	const struct consent_rule consents[] = {{STR(""), CONSENT_DROP}, {STR("ww2"), CONSENT_IGNORE}};
	char staff[80];
	struct findings findings = {0};
	struct ruleset *again = NULL;
	struct err err = {0};

	write_usual();
	folder_write("staff.csv", "wmSTAFF000000000000000000000001,销售\n");
	(void)snprintf(staff, sizeof staff, "%s/staff.csv", folder);
	struct ruleset *set = load_inputs(&(struct ruleset_inputs){folder, staff, consents, 2});
	struct str bundle = ruleset_bundle(set);
	cr_assert_eq(ruleset_unbundle(&again, bundle, &findings, &err), 0, "%s", err.text);
	cr_assert_str_eq(set->digest, again->digest);
	cr_assert(str_eq(bundle, ruleset_bundle(again)));
	cr_assert_eq(again->rule_count, set->rule_count);
	cr_assert_eq(directory_role(again->directory, STR("wmSTAFF000000000000000000000001")), ROLE_STAFF);
	cr_assert_eq(ruleset_consent(again, STR("ww1")), CONSENT_DROP);
	cr_assert_eq(ruleset_consent(again, STR("ww2")), CONSENT_IGNORE);
	ruleset_free(again);

	/* Cut anywhere, it is refused or at least another set; it never falls over. */
	for (size_t len = 0; len < bundle.len; len += 7) {
		struct ruleset *cut = NULL;
		if (ruleset_unbundle(&cut, (struct str){bundle.data, len}, &findings, &err) == 0)
			cr_assert_str_neq(cut->digest, set->digest);
		ruleset_free(cut);
	}
	findings_fini(&findings);
	ruleset_free(set);
}

Test(load, missing_folder_is_no_finding, .init = folder_make, .fini = folder_remove)
{
	struct findings findings = {0};
	struct ruleset *set = NULL;
	struct err err = {0};

	cr_assert_eq(ruleset_load(&set, "/nowhere/at/all", NULL, &findings, &err), -1);
	cr_assert_eq(err.kind, ERR_NOINPUT);
	cr_assert_eq(ruleset_load(&set, folder, NULL, &findings, &err), -1);
	cr_assert_eq(err.kind, ERR_NOINPUT, "a folder without rules");
	cr_assert_eq(findings.errors, 0);
	cr_assert_null(set);
	findings_fini(&findings);
}

/* The warnings of the folder, one a line, without the folder's name. */
static void lint(char *out, size_t room)
{
	struct findings findings = {0};
	struct ruleset *set = load();
	size_t at = 0;

	ruleset_lint(set, &findings);
	out[0] = '\0';
	for (size_t i = 0; i < findings.count && at < room; i++) {
		const struct finding *f = &findings.items[i];
		assert(f->file.data && f->text.data);
		at += (size_t)snprintf(out + at, room - at, "%.*s:%d:%d: %.*s\n",
				       STR_ARG(str_from(f->file, strlen(folder) + 1)), f->line, f->col,
				       STR_ARG(f->text));
	}
	findings_fini(&findings);
	ruleset_free(set);
}

Test(lint, each_warning_once_and_none_on_good_rules, .init = folder_make, .fini = folder_remove)
{
	char out[4096];

	folder_write("r.yaml", "pack: p\n"
			     "lists:\n"
			     "  a: [多少钱, 這個, 这个, 怎么卖]\n"
			     "  b: {file: b.txt}\n"
			     "allow: [多少钱都不要, 不用了]\n"
			     "rules:\n"
			     "  - {id: one, match: [{list: a}, 到底怎么卖, 贵], examples: {hit: 多少钱}}\n"
			     "  - {id: two, match: {list: b}}\n"
			     "  - {id: three, match: {all: [多少钱, 一共多少钱]}, examples: {hit: x}}\n"
			     "  - {id: four, match: [sm, smoking, 加v, 加VIP], examples: {hit: x}}\n");
	folder_write("b.txt", "甲公司\n乙公司，丙公司\n丁公司 戊公司\n");
	lint(out, sizeof out);
	static const char *const wanted[] = {
		"r.yaml:3:16: duplicate word «这个»", "r.yaml:7:34: «到底怎么卖» is superfluous",
		"r.yaml:7:41: «贵» is one character", "b.txt:2:1: several words", "b.txt:3:1: several words",
		"r.yaml:8:5: rule «two» has no example", "r.yaml:5:17: allow word «不用了»",
	};
	size_t lines = 0;
	for (const char *p = out; (p = strchr(p, '\n')); p++)
		lines++;
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		cr_assert(strstr(out, wanted[i]), "«%s» is not among:\n%s", wanted[i], out);
	cr_assert_eq(lines, ARRAY_LEN(wanted), "%s", out);
}

/* What is said about words: «N KINDword, …», N the number of the rule (less than 0 in the lines before
 * them), KIND «=» a duplicate, «-» superfluous, «?» an allow word in vain, «!» too short. */
static void lint_words(const char *head, const char *const *rules, size_t count, char *out, size_t room)
{
	static const char *const kinds[] = {"duplicate word", " is superfluous", "allow word", ""};
	struct buf yaml = {0};
	char found[8192];
	size_t at = 0;
	int first = 1;

	for (const char *p = head; *p; p++)
		first += *p == '\n';
	buf_printf(&yaml, "%srules:\n", head);
	for (size_t i = 0; i < count; i++)
		buf_printf(&yaml, "  - {id: r%zu, %s, examples: {hit: x}}\n", i, rules[i]);
	buf_putc(&yaml, '\0');
	folder_write("r.yaml", yaml.data);
	buf_fini(&yaml);
	lint(found, sizeof found);
	out[0] = '\0';
	for (char *line = found, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		size_t kind = 0;
		while (!strstr(line, kinds[kind]))
			kind++;
		const char *word = strstr(line, "«"), *to = strstr(line, "»");
		at += (size_t)snprintf(out + at, room - at, "%s%d %c%.*s", at ? ", " : "",
				       atoi(strchr(line, ':') + 1) - first - 1, "=-?!"[kind],
				       (int)(to - word - 2), word + 2);
	}
}

/* Each is asked of one rule, so that no other has a part in it. */
static void check_words(const char *head, const char *rule, const char *wanted)
{
	char out[4096];

	lint_words(head, &rule, 1, out, sizeof out);
	cr_assert_str_eq(out, wanted, "%s%s\nwanted: %s\ngot:    %s", head, rule, wanted, out);
}

Test(lint, a_word_is_superfluous_only_if_another_hits_wherever_it_does, .init = folder_make,
     .fini = folder_remove)
{
	static const struct {
		const char *fold, *rule, *wanted;
	} rows[] = {
		/* symbols of a word are looked for */
		{"loose", "match: [\"a+bc\", abc]", ""},
		{"loose", "match: [\"+v\", v我]", ""},
		{"loose", "match: [\"+v\", v]", "0 !v"},
		{"loose", "match: [\"请+v吧\", \"+v吧\"]", "0 -请+v吧"},
		{"loose", "match: [\"价-格\", \"问价-格吗\", 问价格吗, \"价--格\"]", "0 -问价-格吗"},
		{"loose", "match: [价格, {word: 问价-格, gap: 1}, {word: 问价-格, gap: 2}]", "0 -问价-格"},
		/* fold and gap */
		{"loose", "match: [{word: 微信, fold: standard}, 加微信]", ""},
		{"loose", "match: [{word: 多少, gap: 0}, 多少钱]", ""},
		{"loose", "match: [{word: 多少, gap: 4}, 多少钱]", "0 -多少钱"},
		{"loose", "match: [多少, {word: 多少钱, fold: none}, {word: 多少 钱, fold: none}]",
		 "0 -多少钱, 0 -多少 钱"},
		{"loose", "match: [多少, {word: 多    少, fold: none}]", ""},
		{"standard", "match: [{word: 多少钱, fold: none}, 多少钱啊]", ""},
		{"standard", "match: [多少钱, {word: 多少钱啊, fold: none}]", "0 -多少钱啊"},
		{"standard", "match: [{word: 多少錢, fold: none}, 多少钱]", "0 -多少錢"},
		{"standard", "match: [{word: 多少钱, fold: none}, {word: 多少钱, fold: none}]", "0 =多少钱"},
		{"standard", "match: [多少錢, 多少钱, 多少钱]", "0 =多少钱, 0 =多少钱"},
		/* edges */
		{"standard", "match: [sm, smoking, 加sm吗]", "0 -加sm吗"},
		{"standard", "match: [{word: sm, mode: contains}, smoking]", "0 -smoking"},
		{"standard", "match: [sm吗, {word: sm吗啊, mode: contains}]", ""},
		{"standard", "match: [vip, {word: vip, fold: none}]", ""},
		{"standard", "match: [加v, {word: 加v, mode: contains}]", "0 -加v"},
		{"loose", "match: [\"110\", 拨110吧, \"1100\"]", ""},
		{"loose", "match: [\"110\", \"110\", \"１１０\"]", "0 =110, 0 =１１０"},
		/* spellings: 加v is one of 加微信, and none of 微信; 微❤ is searched without gaps */
		{"loose", "match: [微信, 加微信]", ""},
		{"loose", "match: [微信, 微信]", "0 =微信"},
		{"loose", "match: [加微信吧, 请加微信吧]", "0 -请加微信吧"},
		/* where more than a hit counts */
		{"standard", "match: {near: {of: [[微信, 加微信], 好友], chars: 1}}", ""},
		{"standard", "match: {near: {of: [[微信, 微信], 好友], chars: 1}}", "0 =微信"},
		{"standard", "match: {near: {of: [{list: a}, 好友], chars: 1}}", ""},
		{"standard", "match: [微信, 加微信], window: {count: 2, within: 1d, distinct: words}", ""},
		{"standard", "match: {count: {of: [[微信, 加微信]], at_least: 2}}", "0 -加微信"},
		{"standard", "match: [微信, 加微信], allow: [微信支付]", ""},
		{"standard", "match: [微信, 加微信], allow: [请加好友]", "0 -加微信, 0 ?请加好友"},
		{"standard", "match: {list: a}, allow: [一共多少钱啊]", ""},
		/* emoticons: 微笑 does not count in one, nor does one by itself */
		{"standard", "match: [微笑, '好的[微笑]']", ""},
		{"loose", "match: [微笑, '好的［微笑］']", ""},
		{"standard", "match: ['[微笑]', '好的[微笑]吧']", ""},
		{"loose", "match: ['[微笑]', '[微笑][微笑]吧']", ""},
		{"standard", "match: ['的[微笑]', '好的[微笑]']", "0 -好的[微笑]"},
		{"loose", "match: ['的[微笑]', '好的[微笑]']", "0 -好的[微笑]"},
		{"standard", "match: [微笑, '好的[微笑]'], emoticons: include", "0 -好的[微笑]"},
		{"standard", "match: [微笑, '好的[微笑'], emoticons: exclude", "0 -好的[微笑"},
		{"standard", "match: ['好的[微笑]', '好的[微笑]']", "0 =好的[微笑]"},
		/* lists */
		{"standard", "match: {list: a}", "-2 -一共多少钱"},
		{"standard", "match: [{list: a}, 多少钱]", "-2 -一共多少钱, 0 =多少钱"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char head[200];
		bool list = strstr(rows[i].rule, "{list: a}");
		(void)snprintf(head, sizeof head, "pack: p\nfold: %s\n%s", rows[i].fold,
			       list ? "lists: {a: [多少钱, 一共多少钱]}\n" : "");
		check_words(head, rows[i].rule, rows[i].wanted);
	}
}

/* What one rule can do without another may need. */
Test(lint, a_word_of_a_list_is_needed_where_the_list_stands_alone, .init = folder_make,
     .fini = folder_remove)
{
	static const char *const two[] = {"match: [{list: a}, 多少]", "match: {list: a}"};
	static const char *const twice[] = {"match: [{list: a}, 多少钱]", "match: {list: a}"};
	char out[1024];

	lint_words("pack: p\nlists: {a: [多少钱]}\n", two, 1, out, sizeof out);
	cr_assert_str_eq(out, "-2 -多少钱");
	lint_words("pack: p\nlists: {a: [多少钱]}\n", two, 2, out, sizeof out);
	cr_assert_str_eq(out, "");
	lint_words("pack: p\nlists: {a: [多少钱]}\n", twice, 2, out, sizeof out);
	cr_assert_str_eq(out, "0 =多少钱");
	/* All rules that look for the list let emoticons count, or not. */
	static const char *const emoticons[] = {"match: {list: a}, emoticons: include", "match: {list: a}"};
	lint_words("pack: p\nlists: {a: [微笑, '好的[微笑]']}\n", emoticons, 1, out, sizeof out);
	cr_assert_str_eq(out, "-2 -好的[微笑]");
	lint_words("pack: p\nlists: {a: [微笑, '好的[微笑]']}\n", emoticons, 2, out, sizeof out);
	cr_assert_str_eq(out, "");
}

Test(lint, lists_are_looked_at_wherever_they_are_used, .init = folder_make, .fini = folder_remove)
{
	char out[4096];

	folder_write("allow.txt", "多少钱都不要\n多少錢都不要\n多少钱都不要了\n多少钱也不要，不问多少钱\n");
	folder_write("ignore.txt", "好\n好的 谢谢\n好\n好的\n");
	folder_write("ours.txt", "138 0013 8000\n13800138000 13900139000\nabc.cn\nABC.cn\nab-c.cn\n");
	folder_write("joined.txt", "x.cn、y.cn\n");
	folder_write("nowhere.txt", "甲\n甲\n");
	folder_write("r.yaml", "pack: p\nfold: loose\n"
			     "lists: {a: {file: allow.txt}, i: {file: ignore.txt}, o: {file: ours.txt}, "
			     "j: {file: joined.txt}, n: {file: nowhere.txt}}\n"
			     "rules:\n"
			     "  - {id: r, match: 多少钱, allow: {list: a}, examples: {hit: x}, "
			     "wait: {for: staff, over: 10m, ignore: {list: i}}, then: {alert: {severity: low}}}\n"
			     "  - {id: s, match: {is: url, except: {list: o}}, examples: {hit: x}}\n"
			     "  - {id: t, match: {is: url, except: {list: [o, j]}}, examples: {hit: x}}\n");
	lint(out, sizeof out);
	static const char *const wanted[] = {
		"allow.txt:2:1: duplicate word", "allow.txt:4:1: several words", "ignore.txt:2:1: several words",
		"ignore.txt:3:1: duplicate word", "ours.txt:2:1: several words", "ours.txt:4:1: duplicate word",
		"joined.txt:1:1: several words", "nowhere.txt:2:1: duplicate word",
	};
	size_t lines = 0;
	for (const char *p = out; (p = strchr(p, '\n')); p++)
		lines++;
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		cr_assert(strstr(out, wanted[i]), "«%s» is not among:\n%s", wanted[i], out);
	cr_assert_eq(lines, ARRAY_LEN(wanted), "%s", out);
}

Test(lint, allow_words_contain_words_as_they_are_searched, .init = folder_make, .fini = folder_remove)
{
	static const struct {
		const char *fold, *rule, *wanted;
	} rows[] = {
		{"loose", "match: 微信, allow: [薇信支付, vx支付, 支付]", "0 ?支付"},
		{"loose", "match: 薇信支, allow: 微信支付", ""},
		{"loose", "match: {list: l}, allow: [薇信支付, 支付]", "0 ?支付"},
		{"loose", "match: 小程序, allow: [xcx码, 码]", "0 ?码"},
		{"loose", "match: {word: 微信, fold: none}, allow: [vx支付, 微 信支付, 支付]", "0 ?vx支付, 0 ?支付"},
		{"loose", "match: \"+v\", allow: [请+v吧, ＋v吧, 吧]", "0 ?吧"},
		{"loose", "match: \"110\", allow: [壹110, 一一零路, 一路]", "0 ?一路"},
		{"standard", "match: {word: VX, fold: none}, allow: [加vx吧, 加v吧]", "0 ?加v吧"},
		{"standard", "match: sm, allow: [smoking, 爱sm, 爱 sm]", "0 ?smoking"},
		{"standard", "match: {word: sm, mode: contains}, allow: [smoking]", ""},
		{"standard", "match: {word: 微信, fold: loose}, allow: [微 信支付, 支付]", "0 ?支付"},
		{"standard", "match: {regex: 微+}, allow: [支付]", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char head[200];
		bool list = strstr(rows[i].rule, "{list: l}");
		(void)snprintf(head, sizeof head, "pack: p\nfold: %s\n%s%s", rows[i].fold,
			       list ? "lists: {l: [微信]}\n" : "",
			       strstr(rows[i].rule, "小程序") ? "aliases: {小程序: [晓程序, xcx]}\n" : "");
		check_words(head, rows[i].rule, rows[i].wanted);
	}
}

/* ---- zones and hours ---- */

static const struct zone *zone_of(struct arena *arena, const char *name)
{
	struct err err = {0};
	struct str bytes;

	cr_assert_eq(zone_read_file(&bytes, arena, str_of(name), &err), 0, "%s", err.text);
	const struct zone *zone = zone_parse(arena, bytes);
	cr_assert(zone, "%s", name);
	return zone;
}

static uint64_t seed = 88172645463325252u;
static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Against the C library, which reads the same files by code of its own. */
static void agree(struct arena *arena, const char *name, int times)
{
	const struct zone *zone = zone_of(arena, name);

	setenv("TZ", name, 1);
	tzset();
	for (int k = 0; k < times; k++) {
		int64_t s = (int64_t)(next_random() % 4102444800u); /* to the year 2100 */
		if (k % 4 == 0) { /* around a change */
			int64_t change = zone_next_change_ms(zone, s * 1000);
			if (change < INT64_C(4102444800000))
				s = change / 1000 + k % 8 - 4;
		}
		time_t t = (time_t)s;
		struct tm tm;
		localtime_r(&t, &tm);
		struct zone_time z = zone_local(zone, s * 1000 + 999);
		cr_assert(z.minute == tm.tm_hour * 60 + tm.tm_min && z.weekday == (tm.tm_wday + 6) % 7 &&
				  z.month == (tm.tm_year + 1900) * 12 + tm.tm_mon,
			  "%s at %lld", name, (long long)s);
		cr_assert_eq(z.day, (s + tm.tm_gmtoff) / 86400 - ((s + tm.tm_gmtoff) % 86400 < 0));
		cr_assert_eq(z.week, (z.day + 3 - z.weekday) / 7);
	}
}

Test(zone, agrees_with_the_c_library)
{
	static const char *const names[] = {
		"Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu",
		"America/Sao_Paulo", "Africa/Casablanca", "Pacific/Apia", "America/Santiago", "Asia/Tehran",
		"Antarctica/Troll", "UTC", "Etc/GMT+8", "Africa/Kinshasa", "Africa/Lome", "Africa/Bujumbura",
	};
	struct arena arena = {0};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		agree(&arena, names[i], 20000);
	arena_fini(&arena);
}

static int zones_found;

static int agree_with_file(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	const char *name = path + sizeof "/usr/share/zoneinfo";
	char head[4] = "";
	struct arena arena = {0};

	if (kind != FTW_F || at->level == 0)
		return 0;
	FILE *file = fopen(path, "rb");
	cr_assert(file, "%s", path);
	bool is_zone = fread(head, 1, 4, file) == 4 && !memcmp(head, "TZif", 4) && st->st_size > 0;
	fclose(file);
	if (!is_zone || !strncmp(name, "right/", 6)) /* those count leap seconds */
		return 0;
	agree(&arena, name, 100);
	arena_fini(&arena);
	zones_found++;
	return 0;
}

/* Zones whose last change was before 1900, too. */
Test(zone, every_zone_of_the_system_is_read)
{
	cr_assert_eq(nftw("/usr/share/zoneinfo", agree_with_file, 8, 0), 0);
	cr_assert_gt(zones_found, 300);
}

Test(zone, refuses_what_is_no_zone)
{
	struct arena arena = {0};
	struct err err = {0};
	struct str bytes;
	static const char *const names[] = {"", "/etc/passwd", "../../../etc/passwd", "Asia/Nowhere", "Asia"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		cr_assert(zone_read_file(&bytes, &arena, str_of(names[i]), &err) < 0, "%s", names[i]);
	cr_assert_eq(zone_read_file(&bytes, &arena, STR("Europe/Berlin"), &err), 0);
	for (size_t len = 0; len < bytes.len; len++)
		(void)zone_parse(&arena, (struct str){bytes.data, len});
	for (size_t i = 0; i < bytes.len; i++) { /* a broken byte may give another zone, never a fall */
		char was = bytes.data[i];
		((char *)bytes.data)[i] = (char)~was;
		const struct zone *zone = zone_parse(&arena, bytes);
		if (zone)
			(void)zone_local(zone, INT64_C(1700000000000));
		((char *)bytes.data)[i] = was;
	}
	arena_fini(&arena);
}

Test(hours, over_midnight_belongs_to_the_first_day)
{
	const struct minutes span = {18 * 60, 9 * 60};
	const struct filter mondays = {.hours = &span, .hour_count = 1, .days = 1};
	const int64_t monday = INT64_C(1704038400000), hour = 3600000; /* 2024-01-01 00:00 in China */
	static const struct {
		int hour;
		bool open;
	} rows[] = {{8, false}, {17, false}, {18, true}, {23, true}, {24, true}, {32, true}, {33, false},
		    {42, false}, {24 * 7 + 8, false}, {24 * 7 + 18, true}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert_eq(hours_open(&mondays, zone_china(), monday + rows[i].hour * hour), rows[i].open,
			     "hour %d", rows[i].hour);
}

/* Against a walk minute by minute. */
Test(hours, due_counts_open_time_only)
{
	static const char *const names[] = {"Asia/Shanghai", "Europe/Berlin", "Australia/Lord_Howe"};
	struct arena arena = {0};

	for (int k = 0; k < 600; k++) {
		const struct zone *zone = zone_of(&arena, names[k % 3]);
		struct minutes spans[2];
		struct filter filter = {.hours = spans, .days = 1 + next_random() % 127};
		for (filter.hour_count = 0; filter.hour_count < (size_t)(k % 3); filter.hour_count++) {
			int from = (int)(next_random() % 1440), to = (int)(next_random() % 1441);
			spans[filter.hour_count] = (struct minutes){from, from == to ? (to + 1) % 1440 : to};
		}
		/* Near a change of the clocks in Berlin: 2024-03-31 01:00 UTC. */
		int64_t from = INT64_C(1711846800000) - (int64_t)(next_random() % 4320) * 60000;
		int64_t over = (int64_t)(1 + next_random() % 2000) * 60000, left = over, at = from;
		while (left > 0) {
			left -= hours_open(&filter, zone, at) ? 60000 : 0;
			at += 60000;
		}
		cr_assert_eq(hours_due_ms(&filter, zone, from, over), at, "case %d", k);
		arena_reset(&arena);
	}
	arena_fini(&arena);
}

/* Against a walk by half hours, over years. */
Test(hours, due_after_many_weeks)
{
	static const char *const names[] = {"Asia/Shanghai", "Europe/Berlin", "Australia/Lord_Howe"};
	const int64_t half_hour = 30 * 60000;
	struct arena arena = {0};

	for (int k = 0; k < 150; k++) {
		const struct zone *zone = zone_of(&arena, names[k % 3]);
		struct minutes spans[2];
		struct filter filter = {.hours = spans, .hour_count = k % 4 ? 1 : 2, .days = 1 << next_random() % 7};
		if (k % 5 == 0)
			filter.days |= 1 << next_random() % 7;
		for (size_t i = 0; i < filter.hour_count; i++) {
			int from = (int)(next_random() % 48) * 30;
			spans[i] = (struct minutes){from, (from + 30 * (1 + (int)(next_random() % 4))) % 1440};
		}
		int64_t from = INT64_C(1600000200000) + (int64_t)(next_random() % 50000) * half_hour;
		int64_t over = (int64_t)(1 + next_random() % 400) * half_hour, left = over, at = from;
		while (left > 0) {
			left -= hours_open(&filter, zone, at) ? half_hour : 0;
			at += half_hour;
		}
		/* The last one may have to go only a part of its half hour. */
		int64_t less = (int64_t)(next_random() % 1800) * 1000;
		cr_assert_eq(hours_due_ms(&filter, zone, from, over - less), at - less, "case %d", k);
		arena_reset(&arena);
	}
	arena_fini(&arena);
}

/* So often that a walk from week to week would not come to an end in the time that a test has. */
Test(hours, due_in_a_hundred_thousand_years)
{
	const struct minutes span = {9 * 60, 9 * 60 + 1};
	const struct filter filter = {.hours = &span, .hour_count = 1, .days = 1};
	const int64_t monday_9 = INT64_C(1704070800000), minute = 60000, week = 7 * 1440 * minute;
	const int64_t minutes = INT64_C(3660) * 1440;

	for (int k = 0; k < 1000; k++) {
		int64_t from = monday_9 - 1 - (int64_t)(next_random() % (uint64_t)(week - minute));
		cr_assert_eq(hours_due_ms(&filter, zone_china(), from, minutes * minute),
			     monday_9 + (minutes - 1) * week + minute);
	}
}

/* ---- the directory ---- */

Test(directory, overrules_the_prefix)
{
	struct findings findings = {0};
	struct arena arena = {0};
	struct str text = STR("userid,department\r# staff\n\nzhangsan,销售\r\n lisi \r"
			      "wmSTAFF000000000000000000000001, 售后\n");
	const struct directory *d = directory_parse(&arena, STR("staff.csv"), text, &findings);
	struct str department;

	cr_assert_eq(findings.errors, 0);
	cr_assert(directory_find(d, STR("zhangsan"), &department) && str_eq(department, STR("销售")));
	cr_assert(directory_find(d, STR("lisi"), &department) && department.len == 0);
	cr_assert_not(directory_find(d, STR("userid"), &department));
	static const struct {
		const char *id;
		enum role role;
	} rows[] = {
		{"wmSTAFF000000000000000000000001", ROLE_STAFF},
		{"wmCUSTOMER0000000000000000000001", ROLE_CUSTOMER},
		{"WoCUSTOMER0000000000000000000001", ROLE_CUSTOMER},
		{"wbROBOT000000000000000000000001", ROLE_ROBOT}, {"wmshort", ROLE_STAFF},
		{"wm1234567890123456789012", ROLE_CUSTOMER}, {"wm123456789012345678901", ROLE_STAFF},
		{"wxCUSTOMER0000000000000000000001", ROLE_STAFF}, {"zhangsan", ROLE_STAFF}, {"", ROLE_STAFF},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert_eq(directory_role(d, str_of(rows[i].id)), rows[i].role, "%s", rows[i].id);
	cr_assert_eq(directory_role(directory_empty(), STR("wmSTAFF000000000000000000000001")),
		     ROLE_CUSTOMER);
	findings_fini(&findings);
	arena_fini(&arena);
}

/* A spreadsheet on a Macintosh ends lines with a bare CR. */
Test(load, word_files_of_every_line_end, .init = folder_make, .fini = folder_remove)
{
	folder_write("a.yaml", "pack: a\nlists: {rivals: {file: w.txt}}\nrules: [{id: x, match: {list: rivals}}]\n");
	folder_write("w.txt", "甲公司\r乙公司\r\n丙公司\n\r丁公司");
	struct ruleset *set = load();
	const struct word_row *row = &set->lists[0].rows[0];

	cr_assert_eq(row->word_count, 4);
	static const char *const words[] = {"甲公司", "乙公司", "丙公司", "丁公司"};
	static const int lines[] = {1, 2, 3, 5};
	for (size_t i = 0; i < 4; i++) {
		cr_assert(str_eq(row->words[i].text, str_of(words[i])));
		cr_assert_eq(row->words[i].line, lines[i]);
	}
	ruleset_free(set);
}

Test(directory, says_what_is_wrong)
{
	struct findings findings = {0};
	struct arena arena = {0};

	(void)directory_parse(&arena, STR("staff.csv"), STR("a,b,c\n,x\nzhang san\nlisi,a\nlisi,b\nlisi,a\n"),
			      &findings);
	cr_assert_eq(findings.errors, 4);
	findings_fini(&findings);
	arena_fini(&arena);
}
