/* rules_explain.c - `chatmill rules explain`: why rules fire on a message, or nearly do. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "cmd/commands.h"
#include "cmd/plain.h"
#include "cmd/probe.h"
#include "consume/file.h"
#include "fold/fold.h"
#include "rules/sample.h"
#include "rules_open.h"

struct explain_options {
	const char *text, *message, *from, *chat, *corp, *staff;
};

struct explaining {
	struct explain_options options;
	struct rulebook *book;
	struct probe *probe;
	struct arena arena;
	struct file_source *source; /* of --message, behind the message */
	bool underline;
};

/* ---- texts, with their hits marked ---- */

/* What comes from a message could else move the cursor, or pretend to be a line of ours. */
static void show(struct str text)
{
	struct buf plain = {0};

	plain_shown(&plain, text);
	output_put(buf_str(&plain));
	buf_fini(&plain);
}

struct mark {
	uint32_t start, end;
};

static int by_start(const void *left, const void *right)
{
	const struct mark *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

static void print_marked(const struct explaining *x, struct str text, struct mark *marks, size_t count)
{
	const char *open = x->underline ? "\033[1;4m" : "«", *close = x->underline ? "\033[0m" : "»";
	uint32_t at = 0;

	if (count)
		qsort(marks, count, sizeof *marks, by_start);
	for (size_t i = 0; i < count;) {
		uint32_t start = marks[i].start, end = marks[i].end;
		while (++i < count && marks[i].start < end) /* hits may overlap */
			end = MAX(end, marks[i].end);
		show((struct str){text.data + at, start - at});
		printf("%s", open);
		show((struct str){text.data + start, end - start});
		printf("%s", close);
		at = end;
	}
	show(str_from(text, at));
	printf("\n");
}

static void print_folded(struct explaining *x, struct str text)
{
	static const char *const names[FORM_COUNT] = {
		[FORM_STANDARD] = "standard", [FORM_LOOSE] = "loose"};
	char *padded = arena_zalloc(&x->arena, text.len + 16 + 64);

	memcpy(padded + 16, text.data, text.len);
	text.data = padded + 16;
	for (int form = 0; form < FORM_COUNT; form++) {
		if (!names[form] || !(engine_forms(x->book->engine) & 1u << form))
			continue;
		struct folded folded = fold((enum fold_form)form, text, &x->arena);
		if (str_eq(folded.text, text))
			continue;
		printf("  folded, %s: ", names[form]);
		show(folded.text);
		printf("\n");
	}
}

static void print_texts(struct explaining *x)
{
	const struct message *m = probe_message(x->probe);

	for (size_t t = 0; t < m->text_count; t++) {
		struct mark *marks = NULL;
		size_t count = 0, cap = 0;
		for (size_t r = 0; r < x->book->set->rule_count; r++) {
			const struct match *match = probe_match(x->probe, r);
			for (size_t h = 0; match && h < match->hit_count; h++) {
				const struct hit *hit = &match->hits[h];
				if (hit->text != t)
					continue;
				if (count == cap) {
					struct mark *more = ARENA_ARRAY(&x->arena, struct mark, cap = cap * 2 + 16);
					if (count)
						memcpy(more, marks, count * sizeof *marks);
					marks = more;
				}
				marks[count++] = (struct mark){hit->start, hit->end};
			}
		}
		show(m->texts[t].path);
		printf(": ");
		print_marked(x, m->texts[t].content, marks, count);
		print_folded(x, m->texts[t].content);
	}
}

/* ---- rules ---- */

static void print_hits(struct explaining *x, const struct hit *hits, size_t count)
{
	static const char *const names[] = {FOLD_NAMES(AS_NAME)};
	const struct message *m = probe_message(x->probe);

	for (size_t i = 0; i < count && i < EVIDENCE_MAX; i++) {
		struct str text = m->texts[hits[i].text].content;
		struct str found = {text.data + hits[i].start, hits[i].end - hits[i].start};
		printf("    «");
		show(found);
		printf("»");
		if (!str_eq(found, hits[i].word))
			printf(" is a spelling of «%.*s»", STR_ARG(hits[i].word));
		for (size_t f = 0, put = 0; f < ARRAY_LEN(names); f++)
			if (hits[i].folds & 1u << f)
				printf("%s%s", put++ ? " " : " by ", names[f]);
		printf(", in ");
		show(m->texts[hits[i].text].path);
		printf("%s\n", m->texts[hits[i].text].forwarded ? " (forwarded)" : "");
	}
}

static void print_head(const struct rule *rule)
{
	printf("  %.*s/%.*s  %.*s  (%.*s:%d)\n", STR_ARG(rule->pack), STR_ARG(rule->id),
	       STR_ARG(rule->title), STR_ARG(rule->file), rule->line);
}

static void print_state(const struct rule *rule)
{
	const struct guard *g = &rule->guard;

	if (g->stage_count || g->tag_count || g->no_tag_count)
		printf("    then `if` looks at the customer's stage and tags\n");
	if (rule->window.kind != WINDOW_NONE)
		printf("    then `window` counts this message with earlier ones\n");
	if (rule->wait.on)
		printf("    then `wait` looks whether %s answers in time\n",
		       rule->wait.for_role == ROLE_STAFF ? "staff" : "the customer");
	if (rule->shadow)
		printf("    mode: shadow, so that nothing else comes of it\n");
}

static const char *const chats[] = {CHAT_NAMES(AS_NAME)};

static const char *role_name(enum role role)
{
	return role == ROLE_CUSTOMER ? "a customer" : role == ROLE_STAFF ? "staff" : "a robot";
}

static void print_filter(struct explaining *x, const char *filter)
{
	const struct message *m = probe_message(x->probe);

	printf("    but `%s` does not fit", filter);
	if (!strcmp(filter, "from"))
		printf(": this message is from %s", role_name(m->from_role));
	else if (!strcmp(filter, "chat"))
		printf(": this chat is %s", chats[m->chat]);
	else if (!strcmp(filter, "types")) {
		printf(": this message is of type ");
		show(m->msgtype);
	} else if (!strcmp(filter, "amount") && m->amount_fen >= 0)
		printf(": this amount is %lld.%02lld", (long long)m->amount_fen / 100,
		       (long long)m->amount_fen % 100);
	printf("\n");
}

static void put_names(const struct explaining *x, const struct cond *cond, struct buf *b)
{
	if (cond->kind == COND_WORD || cond->kind == COND_REGEX || cond->kind == COND_IS)
		buf_printf(b, "%s«%.*s»", b->len ? ", " : "", STR_ARG(cond->word.text));
	if (cond->kind == COND_LIST)
		buf_printf(b, "%slist %.*s", b->len ? ", " : "", STR_ARG(x->book->set->lists[cond->list].name));
	for (size_t i = 0; i < cond->child_count && b->len < 200; i++)
		put_names(x, cond->children[i], b);
}

static void print_missing(const struct explaining *x, const struct cond *part)
{
	struct buf names = {0};

	put_names(x, part, &names);
	struct str all = buf_str(&names);
	if (part->kind == COND_NEAR && part->near_chars >= 0)
		printf("    but the parts of `near` (line %d) are not all there, within %d characters of "
		       "each other%s: %.*s\n", part->line, part->near_chars,
		       part->ordered ? ", in this order" : "",
		       STR_ARG(all));
	else if (part->kind == COND_NEAR)
		printf("    but the parts of `near` (line %d) are not all in this message; earlier ones may "
		       "bring the rest: %.*s\n", part->line, STR_ARG(all));
	else if (part->kind == COND_COUNT)
		printf("    but there are fewer than %u hits of `count` (line %d): %.*s\n", part->at_least,
		       part->line, STR_ARG(all));
	else
		printf("    but nothing hits of (line %d): %.*s\n", part->line, STR_ARG(all));
	buf_fini(&names);
}

static void print_answer(struct explaining *x, const struct probe_answer *answer)
{
	switch (answer->failure) {
	case PROBE_FILTER:
		print_filter(x, answer->filter);
		return;
	case PROBE_ALLOW:
		printf("    but an allow word excuses it: the hit lies wholly inside one\n");
		return;
	case PROBE_TEXT:
		printf("    but `%s` keeps the rule from looking there\n", answer->filter);
		return;
	case PROBE_FORBIDDEN:
		printf("    but `none` (line %d) forbids what is there too\n", answer->part->line);
		return;
	case PROBE_MISSING:
		print_missing(x, answer->part);
		return;
	case PROBE_NOTHING:
	case PROBE_SEVERAL:
		return;
	}
}

static void print_rules(struct explaining *x)
{
	const struct ruleset *set = x->book->set;
	size_t fired = 0, nearly = 0;

	for (size_t i = 0; i < set->rule_count; i++) {
		const struct match *match = probe_match(x->probe, i);
		if (!match)
			continue;
		if (!fired++)
			printf("\nhits:\n");
		print_head(&set->rules[i]);
		print_hits(x, match->hits, match->hit_count);
		print_state(&set->rules[i]);
	}
	for (size_t i = 0; i < set->rule_count; i++) {
		struct probe_answer answer = probe_answer(x->probe, i);
		if (answer.failure == PROBE_NOTHING || answer.failure == PROBE_SEVERAL)
			continue;
		if (!nearly++)
			printf("\nnearly:\n");
		print_head(&set->rules[i]);
		print_hits(x, answer.hits, answer.hit_count);
		print_answer(x, &answer);
	}
	if (!fired && !nearly)
		printf("\nno rule hits, and none nearly does\n");
}

/* ---- the message ---- */

static int take_text(struct explaining *x, struct str *out, struct err *err)
{
	struct sample sample = {.text = str_of(x->options.text), .from = str_of(x->options.from),
				.chat = SAMPLE_CHAT_UNSET, .amount_fen = -1};
	struct buf json = {0};

	for (size_t i = 0; x->options.chat && i < ARRAY_LEN(chats); i++)
		if (!strcmp(x->options.chat, chats[i]))
			sample.chat = (int)i;
	if (x->options.chat && sample.chat == SAMPLE_CHAT_UNSET)
		return err_set(err, ERR_USAGE, "--chat takes single, group or internal; not '%s'",
			       x->options.chat);
	sample_record(&sample, 1, false, x->book->set, NULL, &json);
	*out = arena_copy(&x->arena, buf_str(&json));
	buf_fini(&json);
	return 0;
}

static int take_file(struct explaining *x, struct str *out, struct err *err)
{
	struct record record;
	bool found = false;
	int got = 1;

	if (file_source_open(&x->source, x->options.message, err) < 0)
		return -1;
	while (!found && (got = file_source_fill(x->source, err)) > 0)
		found = file_source_next(x->source, &record);
	if (got < 0)
		return -1;
	if (!found)
		return err_set(err, ERR_DATA, "%s holds no message", x->options.message);
	*out = arena_copy(&x->arena, record.value);
	return 0;
}

/* Says so if there is another message. All of the explanation is out by then: a pipe may take its
 * time, and whoever types has done so already. */
static void look_for_more(struct explaining *x)
{
	struct record record;
	struct err ignored;
	bool found;

	if (!x->source || (str_eq(str_of(x->options.message), STR("-")) && isatty(STDIN_FILENO)))
		return;
	fflush(stdout);
	while (!(found = file_source_next(x->source, &record)))
		if (file_source_fill(x->source, &ignored) <= 0)
			break;
	if (found)
		fprintf(stderr, "only the first message of %s is explained\n", x->options.message);
}

static int explain_message(struct explaining *x, struct err *err)
{
	struct str json;

	if ((x->options.text ? take_text(x, &json, err) : take_file(x, &json, err)) < 0)
		return -1;
	char *padded = arena_zalloc(&x->arena, json.len + RECORD_PADDING);
	memcpy(padded, json.data, json.len);
	struct record record = {.value = {padded, json.len}, .time_ms = SAMPLE_START_MS,
				.time_inherited = true, .partition = -1};
	enum decode_result result = probe_ask(x->probe, &record);
	if (result != DECODE_DONE)
		return err_set(err, ERR_DATA, "this message would be a dead letter, %s: %s",
			       decode_result_name(result), decode_result_detail(result));
	print_texts(x);
	print_rules(x);
	look_for_more(x);
	return 0;
}

static int explain(const void *options, const char *const *arguments, int argument_count,
		   struct err *err)
{
	struct explaining x = {.options = *(const struct explain_options *)options};
	/* A message that names no corp is of the one that --text speaks in. */
	struct str corp = str_of(x.options.corp ? x.options.corp : SAMPLE_CORPID);

	if (!x.options.text == !x.options.message)
		return err_set(err, ERR_USAGE, "explain takes either --text or --message");
	x.underline = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	if (corp_check(x.options.corp, err) < 0)
		return -1;
	int status = rules_open(&x.book, arguments[0], x.options.staff, NULL, err);
	if (status == 0)
		status = probe_new(&x.probe, x.book->set, corp, err);
	if (status == 0)
		status = explain_message(&x, err);
	file_source_free(x.source);
	probe_free(x.probe);
	rulebook_free(x.book);
	arena_fini(&x.arena);
	return status;
}

static const struct option options[] = {
	{"text", 0, OPTION_TEXT, "TEXT", "a text to explain", offsetof(struct explain_options, text)},
	{"message", 0, OPTION_TEXT, "FILE|-", "a message of the archive to explain",
	 offsetof(struct explain_options, message)},
	{"from", 0, OPTION_TEXT, "WHO", "customer (default), staff, robot, or an id; with --text",
	 offsetof(struct explain_options, from), .needs = "text"},
	{"chat", 0, OPTION_TEXT, "KIND", "single (default), group or internal; with --text",
	 offsetof(struct explain_options, chat), .needs = "text"},
	{"corp", 0, OPTION_TEXT, "ID",
	 "the corp of a message that names none (default " SAMPLE_CORPID "); with --message",
	 offsetof(struct explain_options, corp), .needs = "message"},
	OPTION_STAFF(struct explain_options),
	OPTIONS_END,
};

const struct command cmd_rules_explain = {
	.words = "rules explain",
	.arguments = "DIR --text TEXT [--from WHO] | --message FILE|- [--corp ID]",
	.summary = "why rules hit a message, and which one thing kept others from it",
	.help = "Shows the text with its hits marked, how it folds, the rules that hit it, and the\n"
		"rules that nearly did with the one condition that failed.\n"
		"\n"
		"examples:\n"
		"  chatmill rules explain rules --text '这个太贵了，能便宜点吗'\n"
		"  chatmill rules explain rules --text '加我微信' --from staff --chat group\n"
		"  head -1 archive.jsonl | chatmill rules explain rules --message -\n"
		"\n"
		"exit status: 0 explained, 64 wrong usage, 65 bad rules or message, 66 no such file",
	.options = options,
	.options_bytes = sizeof(struct explain_options),
	.arguments_min = 1,
	.arguments_max = 1,
	.run = explain,
};
