/* compile.c - makes one list of jobs for Hyperscan, and gives out what comes back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "match/compile.h"

#include "base/heap.h"
#include "match/database.h"
#include "match/regex.h"
#include "match/words.h"

/* From here on the trie is faster than Hyperscan on Chinese (bench/README.md, B1). */
enum { TRIE_WORDS_MIN = 2000 };

void regexes_add(struct draft_regexes *r, enum fold_form form, const struct draft_regex *regex)
{
	if (r->count[form] == r->cap[form]) {
		r->cap[form] = r->cap[form] ? r->cap[form] * 2 : 16;
		r->items[form] = heap_grown(r->items[form], r->cap[form] * sizeof *r->items[form]);
	}
	r->items[form][r->count[form]++] = *regex;
}

void regexes_fini(struct draft_regexes *r)
{
	for (int form = 0; form < FORM_COUNT; form++)
		free(r->items[form]);
}

static void add_regex_jobs(struct arena *arena, const struct draft_regexes *r, int form,
			   struct job *jobs, size_t *count)
{
	struct str *patterns = ARENA_ARRAY(arena, struct str, r->count[form]);
	bool *caseless = ARENA_ARRAY(arena, bool, r->count[form]);

	for (uint32_t i = 0; i < r->count[form]; i++) {
		patterns[i] = r->items[form][i].pattern;
		caseless[i] = r->items[form][i].caseless;
		jobs[(*count)++] = (struct job){
			.kind = JOB_REGEX, .patterns = &patterns[i], .caseless = &caseless[i], .count = 1};
	}
	/* One is its own filter. */
	if (r->count[form] > 1)
		jobs[(*count)++] = (struct job){.kind = JOB_FILTER,
						.patterns = patterns,
						.caseless = caseless,
						.count = r->count[form]};
}

/* Takes the databases of a form's regexes; `job` is the first of them. */
static const struct job *keep_regexes(struct engine *e, const struct draft_regexes *r, int form,
				      const struct job *job, struct findings *findings)
{
	struct regex_index *index = &e->regexes[form];
	struct regex *regexes = ARENA_ARRAY(&e->arena, struct regex, r->count[form]);

	for (uint32_t i = 0; i < r->count[form]; i++, job++) {
		const struct draft_regex *draft = &r->items[form][i];
		regexes[i] = (struct regex){
			.database = job->database,
			.max_width = job->max_width,
			.start = draft->start,
			.group = draft->group,
		};
		/* What Hyperscan says of empty matches is for programmers. */
		if (strstr(job->refusal, "ALLOWEMPTY"))
			findings_add(findings, FINDING_ERROR, draft->file, draft->line, draft->col,
				     "the regex cannot be searched: it matches a text without any "
				     "character; write + for *, or leave out what is optional");
		else if (job->refusal[0])
			findings_add(findings, FINDING_ERROR, draft->file, draft->line, draft->col,
				     "the regex cannot be searched: %s%s", job->refusal,
				     strstr(job->refusal, "too large")
					     ? " Write fewer or smaller repetitions, like {1,20}."
					     : "");
	}
	index->regexes = regexes;
	index->count = r->count[form];
	if (r->count[form] > 1)
		index->filter = (job++)->database;
	return job;
}

int compile(struct engine *e, const struct words *words, const struct draft_regexes *regexes,
	    const char *cache_dir, struct findings *findings, struct err *err)
{
	struct arena arena = {0};
	size_t count = 0, most = 2 * FORM_COUNT;

	for (int form = 0; form < FORM_COUNT; form++)
		most += regexes->count[form];
	struct job *jobs = ARENA_ARRAY(&arena, struct job, most);
	for (int form = 0; form < FORM_COUNT; form++) {
		if (words->pattern_count[form] >= TRIE_WORDS_MIN)
			e->words[form].trie = trie_new(words->patterns[form], words->pattern_count[form]);
		else if (words->pattern_count[form])
			jobs[count++] = (struct job){.kind = JOB_WORDS,
						     .patterns = words->patterns[form],
						     .count = words->pattern_count[form]};
	}
	for (int form = 0; form < FORM_COUNT; form++)
		add_regex_jobs(&arena, regexes, form, jobs, &count);

	int status = database_compile(jobs, count, cache_dir, err);
	const struct job *job = jobs;
	for (int form = 0; status == 0 && form < FORM_COUNT; form++) {
		if (!e->words[form].pattern_count || e->words[form].trie)
			continue;
		e->words[form].database = job->database;
		if (job->refusal[0])
			status = err_set(err, ERR_DATA, "rules: the words cannot be searched: %s",
					 job->refusal);
		job++;
	}
	if (status < 0) {
		for (; job < jobs + count; job++)
			hs_free_database(job->database);
	} else {
		for (int form = 0; form < FORM_COUNT; form++)
			job = keep_regexes(e, regexes, form, job, findings);
	}
	for (int form = 0; form < FORM_COUNT; form++)
		if (e->words[form].pattern_count || e->regexes[form].count || e->detectors[form].count)
			e->forms |= 1u << form;
	arena_fini(&arena);
	return status;
}
