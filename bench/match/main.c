/* main.c - B1: folding and matching against a bare hs_scan with an empty callback. */
/* SPDX-License-Identifier: Apache-2.0 */

/*	match_b1 TEXTS WORDS COUNT… [--fold FORM] [--rounds N]
 *
 * TEXTS: one message text a line. WORDS: one a line; for each COUNT the first so many make one list
 * of one rule. The bare loop scans the same folded bytes with a database of the same words, made
 * here as Hyperscan's manual says. Rounds alternate. Prints a line of JSON for each COUNT: CPU time in µs
 * of each round of the bare loop, of folding alone and of the stage (fold + match), and the hits of
 * the bare loop and of the stage, which finds fewer where edges refuse (a word of letters inside a
 * longer one) and more where folding brings spellings together. */
#include <hs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "fold/fold.h"
#include "match/match.h"
#include "rules/load.h"

enum { ROUNDS_MAX = 32, BATCH = 256 };

struct input {
	struct str *items;
	size_t count;
};

struct bare {
	hs_database_t *database;
	hs_scratch_t *scratch;
	uint64_t hits;
};

static void die(const char *what)
{
	fprintf(stderr, "match_b1: %s\n", what);
	exit(70);
}

static struct input read_lines(struct arena *arena, const char *path, size_t most)
{
	struct str text;
	struct err err;
	if (file_read(arena, path, FILE_BYTES_MAX, &text, &err) < 0)
		die(err.text);
	struct input in = {ARENA_ARRAY(arena, struct str, text.len / 2 + 1), 0};
	for (size_t at = 0; at < text.len && in.count < most;) {
		const char *end = memchr(text.data + at, '\n', text.len - at);
		size_t len = end ? (size_t)(end - text.data) - at : text.len - at;
		if (len) {
			char *room = arena_zalloc(arena, 16 + len + 64);
			memcpy(room + 16, text.data + at, len);
			in.items[in.count++] = (struct str){room + 16, len};
		}
		at += len + 1;
	}
	return in;
}

static int count_hit(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		     void *context)
{
	((struct bare *)context)->hits++;
	return 0;
}

static void bare_init(struct bare *b, const struct input *words, enum fold_form form)
{
	struct arena arena = {0};
	const char **texts = ARENA_ARRAY(&arena, const char *, words->count);
	unsigned *flags = ARENA_ARRAY(&arena, unsigned, words->count);
	unsigned *ids = ARENA_ARRAY(&arena, unsigned, words->count);
	hs_compile_error_t *error;
	struct buf escaped = {0};

	for (size_t i = 0; i < words->count; i++) {
		struct str word = fold(form, words->items[i], &arena).text;
		buf_clear(&escaped);
		for (size_t k = 0; k < word.len; k++)
			buf_printf(&escaped, "\\x%02x", (unsigned char)word.data[k]);
		texts[i] = arena_copy(&arena, buf_str(&escaped)).data;
		ids[i] = (unsigned)i;
	}
	*b = (struct bare){0};
	if (hs_compile_multi(texts, flags, ids, (unsigned)words->count, HS_MODE_BLOCK, NULL, &b->database,
			     &error) != HS_SUCCESS ||
	    hs_alloc_scratch(b->database, &b->scratch) != HS_SUCCESS)
		die("Hyperscan refuses the words");
	arena_fini(&arena);
	buf_fini(&escaped);
}

static double run_bare(struct bare *b, const struct input *folded)
{
	int64_t start = clock_cpu_us();
	b->hits = 0;
	for (size_t i = 0; i < folded->count; i++)
		if (hs_scan(b->database, folded->items[i].data, (unsigned)folded->items[i].len, 0,
			    b->scratch, count_hit, b) != HS_SUCCESS)
			die("hs_scan fails");
	return (double)(clock_cpu_us() - start);
}

static double run_fold(const struct input *texts, enum fold_form form, struct arena *arena)
{
	int64_t start = clock_cpu_us();
	for (size_t i = 0; i < texts->count; i++) {
		if (i % BATCH == 0)
			arena_reset(arena);
		(void)fold(form, texts->items[i], arena);
	}
	return (double)(clock_cpu_us() - start);
}

static double run_stage(const struct input *texts, struct matcher *m, const struct engine *e,
			struct arena *arena, uint64_t *hits)
{
	struct text text = {.path = STR("text.content")};
	struct message message = {
		.kind = MESSAGE_CHAT,
		.corpid = STR("ww1"),
		.msgtype = STR("text"),
		.msgtime_ms = 1700000000000,
		.texts = &text,
		.text_count = 1,
		.amount_fen = -1,
	};
	unsigned forms = engine_forms(e);
	int64_t start = clock_cpu_us();
	*hits = 0;
	for (size_t i = 0; i < texts->count; i++) {
		struct folded folded[FORM_COUNT];
		const struct folded *by_form[FORM_COUNT] = {0};
		if (i % BATCH == 0)
			arena_reset(arena);
		text.content = texts->items[i];
		for (int form = 0; form < FORM_COUNT; form++) {
			if (!(forms >> form & 1))
				continue;
			folded[form] = fold((enum fold_form)form, text.content, arena);
			by_form[form] = &folded[form];
		}
		struct matches matches = matcher_scan(m, e, &message, by_form, NULL, 0, arena);
		for (size_t k = 0; k < matches.count; k++)
			*hits += matches.items[k].hit_count;
	}
	return (double)(clock_cpu_us() - start);
}

static struct engine *make_engine(const struct input *words, const char *form, struct ruleset **set)
{
	char dir[] = "/tmp/match-b1-XXXXXX", path[64];
	struct findings findings = {0};
	struct engine *engine = NULL;
	struct err err = {0};

	if (!mkdtemp(dir))
		die("no folder");
	(void)snprintf(path, sizeof path, "%s/words.txt", dir);
	FILE *file = fopen(path, "w");
	for (size_t i = 0; i < words->count; i++)
		fprintf(file, "%.*s\n", STR_ARG(words->items[i]));
	fclose(file);
	(void)snprintf(path, sizeof path, "%s/a.yaml", dir);
	file = fopen(path, "w");
	fprintf(file, "pack: b1\nfold: %s\nlists: {w: {file: words.txt}}\nrules: [{id: a, match: {list: w}}]\n",
		form);
	fclose(file);
	if (ruleset_load(set, dir, NULL, &findings, &err) < 0 ||
	    engine_new(&engine, *set, NULL, &findings, &err) < 0)
		die(err.text);
	findings_fini(&findings);
	(void)unlink(path);
	(void)snprintf(path, sizeof path, "%s/words.txt", dir);
	(void)unlink(path);
	(void)rmdir(dir);
	return engine;
}

static void print_us(const char *name, const double *us, int rounds)
{
	printf(", \"%s\": [", name);
	for (int i = 0; i < rounds; i++)
		printf("%s%.0f", i ? ", " : "", us[i]);
	printf("]");
}

static void bench(const struct input *texts, const char *words_path, size_t count, const char *form_name,
		  int rounds)
{
	enum fold_form form = strcmp(form_name, "none") == 0 ? FORM_NONE : FORM_STANDARD;
	struct arena arena = {0}, batch = {0};
	struct input words = read_lines(&arena, words_path, count);
	struct input folded = {ARENA_ARRAY(&arena, struct str, texts->count), texts->count};
	double bare_us[ROUNDS_MAX], fold_us[ROUNDS_MAX], stage_us[ROUNDS_MAX];
	struct ruleset *set;
	struct matcher *m;
	struct bare bare;
	struct err err;
	uint64_t hits = 0;

	/* As close together as the texts themselves, or the bare loop would wait for memory. */
	for (size_t i = 0; i < texts->count; i++) {
		arena_reset(&batch);
		struct str text = fold(form, texts->items[i], &batch).text;
		char *room = arena_zalloc(&arena, 16 + text.len + 64);
		memcpy(room + 16, text.data, text.len);
		folded.items[i] = (struct str){room + 16, text.len};
	}
	bare_init(&bare, &words, form);
	struct engine *engine = make_engine(&words, form_name, &set);
	if (matcher_new(&m, &err) < 0 || matcher_fit(m, engine, &err) < 0)
		die(err.text);
	for (int i = 0; i < rounds; i++) {
		bare_us[i] = run_bare(&bare, &folded);
		fold_us[i] = run_fold(texts, form, &batch);
		stage_us[i] = run_stage(texts, m, engine, &batch, &hits);
	}
	printf("{\"words\": %zu, \"texts\": %zu, \"bare_hits\": %llu, \"hits\": %llu", words.count,
	       texts->count, (unsigned long long)bare.hits, (unsigned long long)hits);
	print_us("bare_us", bare_us, rounds);
	print_us("fold_us", fold_us, rounds);
	print_us("stage_us", stage_us, rounds);
	printf("}\n");
	matcher_free(m);
	engine_free(engine);
	ruleset_free(set);
	hs_free_scratch(bare.scratch);
	hs_free_database(bare.database);
	arena_fini(&arena);
	arena_fini(&batch);
}

int main(int argc, char **argv)
{
	struct arena arena = {0};
	const char *form = "standard";
	int rounds = 5;

	if (argc < 4)
		die("usage: match_b1 TEXTS WORDS COUNT… [--fold FORM] [--rounds N]");
	struct input texts = read_lines(&arena, argv[1], SIZE_MAX);
	for (int i = 3; i + 1 < argc; i++) {
		if (strcmp(argv[i], "--fold") == 0)
			form = argv[i + 1];
		if (strcmp(argv[i], "--rounds") == 0)
			rounds = MIN(atoi(argv[i + 1]), ROUNDS_MAX);
	}
	for (int i = 3; i < argc; i++) {
		if (argv[i][0] == '-')
			i++;
		else
			bench(&texts, argv[2], strtoull(argv[i], NULL, 10), form, rounds);
	}
	arena_fini(&arena);
	return 0;
}
