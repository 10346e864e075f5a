/* loop.c - the limit for `scan`: decode, fold and match over the same file, in one loop. */
/* SPDX-License-Identifier: Apache-2.0 */

/*	loop RULES FILE
 *
 * One thread, no state, no events: each line becomes a message, its texts are folded into the forms
 * that the rules want and searched; the hits are counted. Prints {"messages": …, "matches": …,
 * "cpu_s": …, "wall_s": …}, from the first line to the last: rules are compiled before. */
#include "base/clock.h"
#include "consume/file.h"
#include "decode/decode.h"
#include "fold/fold.h"
#include "rulebook.h"

static void die(const char *why)
{
	fprintf(stderr, "loop: %s\n", why);
	exit(70);
}

static struct matches search(struct matcher *matcher, const struct engine *engine,
			     const struct message *m, struct arena *arena)
{
	const struct folded *folded[FORM_COUNT] = {0};
	unsigned forms = engine_forms(engine);

	for (int form = 0; form < FORM_COUNT; form++) {
		if (!(forms & 1u << form) || !m->text_count)
			continue;
		struct folded *texts = arena_alloc(arena, m->text_count * sizeof *texts);
		for (size_t i = 0; i < m->text_count; i++)
			texts[i] = fold((enum fold_form)form, m->texts[i].content, arena);
		folded[form] = texts;
	}
	return matcher_scan(matcher, engine, m, folded, NULL, 0, arena);
}

int main(int argc, char **argv)
{
	struct decode_settings settings = {0};
	struct arena arena = {0};
	struct findings findings = {0};
	struct ruleset *set;
	struct rulebook *book;
	struct decoder *decoder;
	struct matcher *matcher;
	struct file_source *file;
	struct record record;
	struct message message;
	struct err err;
	uint64_t messages = 0, matches = 0;
	int got;

	if (argc != 3)
		die("usage: loop RULES FILE");
	if (ruleset_load(&set, argv[1], NULL, &findings, &err) < 0 ||
	    rulebook_new(&book, set, NULL, &findings, &err) < 0 ||
	    decoder_new(&decoder, &settings, &err) < 0 || matcher_new(&matcher, &err) < 0 ||
	    matcher_fit(matcher, book->engine, &err) < 0 ||
	    file_source_open(&file, argv[2], &err) < 0)
		die(err.text);
	int64_t cpu_us = clock_cpu_us(), wall_us = clock_monotonic_us();
	while ((got = file_source_fill(file, &err)) > 0)
		while (file_source_next(file, &record)) {
			if (messages++ % 64 == 0) /* as many as `run` has in a batch: stays in the cache */
				arena_reset(&arena);
			if (decode(decoder, book->set->directory, &record, &arena, &message) != DECODE_DONE)
				die("a line that is no message");
			matches += search(matcher, book->engine, &message, &arena).count;
		}
	if (got < 0)
		die(err.text);
	printf("{\"messages\": %llu, \"matches\": %llu, \"cpu_s\": %.6f, \"wall_s\": %.6f}\n",
	       (unsigned long long)messages, (unsigned long long)matches,
	       (double)(clock_cpu_us() - cpu_us) / 1e6,
	       (double)(clock_monotonic_us() - wall_us) / 1e6);
	file_source_free(file);
	matcher_free(matcher);
	decoder_free(decoder);
	rulebook_free(book);
	findings_fini(&findings);
	arena_fini(&arena);
	return 0;
}
