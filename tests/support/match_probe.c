/* match_probe.c - shows folding and matching to oracles: texts in, folded texts and hits out. */
/* SPDX-License-Identifier: Apache-2.0 */

/*	match_probe fold standard|loose|digits   < texts    > folded texts
 *	match_probe match DIR [CACHE]            < texts    > hits
 *
 * A text is one JSON value a line: a string, or a message {"text", "from": "customer|staff",
 * "chat": "single|group|internal", "type"}. For each line comes one JSON value: the folded text,
 * or a list of [rule, start, end, word, [folds]]. */
#include <jansson.h>
#include <stdlib.h>

#include "fold/fold.h"
#include "match/matcher.h"
#include "rules/load.h"

enum { LINE_BYTES_MAX = 16 * 1024 * 1024 };

static const char *const fold_names[] = {"width", "compat", "case",	 "trad", "invisible",
					 "digit", "letter", "homophone", "gap"};

static struct str padded(struct arena *arena, const char *text, size_t len)
{
	char *room = arena_zalloc(arena, 16 + len + 64);
	memcpy(room + 16, text, len);
	return (struct str){room + 16, len};
}

static void print(json_t *value)
{
	json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
	putchar('\n');
	json_decref(value);
}

static void show_folded(enum fold_form form, struct str text, struct arena *arena)
{
	struct folded f = fold(form, text, arena);
	json_t *source = json_array();
	for (size_t i = 0; i <= f.text.len; i++)
		json_array_append_new(source, json_integer(hits_source(&f, (uint32_t)i)));
	print(json_pack("[s#, o]", f.text.data, f.text.len, source));
}

static json_t *hit_list(const struct ruleset *set, const struct matches *matches)
{
	json_t *list = json_array();
	for (size_t i = 0; i < matches->count; i++) {
		const struct match *match = &matches->items[i];
		const struct rule *rule = &set->rules[match->rule];
		if (!match->hit_count)
			json_array_append_new(list, json_pack("[s#]", rule->id.data, rule->id.len));
		for (uint32_t k = 0; k < match->hit_count; k++) {
			const struct hit *hit = &match->hits[k];
			json_t *folds = json_array();
			for (unsigned bit = 0; bit < 9; bit++)
				if (hit->folds >> bit & 1)
					json_array_append_new(folds, json_string(fold_names[bit]));
			json_array_append_new(list, json_pack("[s#, i, i, s#, o]", rule->id.data,
							      rule->id.len, hit->start, hit->end,
							      hit->word.data, hit->word.len, folds));
		}
	}
	return list;
}

static struct message message_of(json_t *value, struct text *text, struct arena *arena)
{
	const char *content = "", *from = "customer", *chat = "single", *type = "text";
	size_t len = 0;

	if (json_is_string(value)) {
		content = json_string_value(value);
		len = json_string_length(value);
	} else if (json_unpack(value, "{s:s%, s?s, s?s, s?s}", "text", &content, &len, "from", &from,
			       "chat", &chat, "type", &type) < 0) {
		fprintf(stderr, "match_probe: a line is a string or a message\n");
		exit(65);
	}
	*text = (struct text){.path = STR("text.content"), .content = padded(arena, content, len)};
	return (struct message){
		.kind = MESSAGE_CHAT,
		.corpid = STR("ww1"),
		.msgid = STR("m1"),
		.msgtime_ms = 1700000000000,
		.msgtype = arena_copy(arena, str_of(type)),
		.from = STR("someone"),
		.from_role = strcmp(from, "staff") == 0 ? ROLE_STAFF : ROLE_CUSTOMER,
		.chat = strcmp(chat, "group") == 0	? CHAT_GROUP
			: strcmp(chat, "internal") == 0 ? CHAT_INTERNAL
							: CHAT_SINGLE,
		.texts = text,
		.text_count = 1,
		.amount_fen = -1,
	};
}

static void show_matches(struct matcher *m, const struct engine *e, const struct ruleset *set,
			 json_t *value, struct arena *arena)
{
	struct text text;
	struct message message = message_of(value, &text, arena);
	struct folded texts[FORM_COUNT];
	const struct folded *folded[FORM_COUNT] = {0};

	for (int form = 0; form < FORM_COUNT; form++) {
		if (!(engine_forms(e) >> form & 1))
			continue;
		texts[form] = fold((enum fold_form)form, text.content, arena);
		folded[form] = &texts[form];
	}
	struct matches matches = matcher_scan(m, e, &message, folded, NULL, 0, arena);
	print(hit_list(set, &matches));
}

static enum fold_form form_named(const char *name)
{
	return strcmp(name, "standard") == 0 ? FORM_STANDARD
	       : strcmp(name, "loose") == 0  ? FORM_LOOSE
	       : strcmp(name, "digits") == 0 ? FORM_DIGITS
					     : FORM_NONE;
}

int main(int argc, char **argv)
{
	bool match = argc >= 3 && strcmp(argv[1], "match") == 0;
	struct findings findings = {0};
	struct err err = {0};
	OWNED(ruleset) *set = NULL;
	OWNED(engine) *engine = NULL;
	OWNED(matcher) *matcher = NULL;

	if (argc < 3) {
		fprintf(stderr, "usage: match_probe fold FORM | match DIR [CACHE]\n");
		return 64;
	}
	if (match && (ruleset_load(&set, argv[2], NULL, &findings, &err) < 0 ||
		      engine_new(&engine, set, argc > 3 ? argv[3] : NULL, &findings, &err) < 0 ||
		      matcher_new(&matcher, &err) < 0 || matcher_fit(matcher, engine, &err) < 0)) {
		findings_print(&findings, stderr);
		fprintf(stderr, "match_probe: %s\n", err.text);
		findings_fini(&findings);
		return (int)err.kind;
	}
	struct arena arena = {0};
	OWNED_MEM char *line = malloc(LINE_BYTES_MAX);
	while (line && fgets(line, LINE_BYTES_MAX, stdin)) {
		json_t *value = json_loads(line, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		if (!value)
			return 65;
		arena_reset(&arena);
		if (match)
			show_matches(matcher, engine, set, value, &arena);
		else
			show_folded(form_named(argv[2]),
				    padded(&arena, json_string_value(value), json_string_length(value)),
				    &arena);
		json_decref(value);
	}
	arena_fini(&arena);
	findings_fini(&findings);
	return 0;
}
