/* worker_rules.c - the rulebooks a worker judges by, fetched from the shelf. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "worker_parts.h"

int worker_fit(struct worker *w, const struct rulebook *book, struct err *err)
{
	for (size_t i = 0; i < w->fitted_count; i++)
		if (!strcmp(w->fitted[i], book->set->digest))
			return 0;
	if (pipeline_fit(w->pipeline, book, err) < 0)
		return -1;
	/* A full list only means that one is fitted again, which is harmless. */
	size_t at = w->fitted_count < BOOKS_MAX ? w->fitted_count++ : BOOKS_MAX - 1;
	memcpy(w->fitted[at], book->set->digest, sizeof w->fitted[at]);
	return 0;
}

int worker_get_book(struct worker *w, struct str digest, struct rulebook **out, struct err *err)
{
	int64_t missing_ms = 0;

	for (;;) {
		enum shelf_answer answer =
			shelf_get(w->settings.shelf, digest, IDLE_MS, out, err);
		if (answer == SHELF_READY) {
			if (worker_fit(w, *out, err) == 0)
				return 0;
			rulebook_free(*out);
			return -1;
		}
		if (answer == SHELF_BROKEN)
			return -1;
		if (worker_stopping(w))
			return worker_stopped(err);
		missing_ms += answer == SHELF_MISSING ? IDLE_MS : 0;
		if (missing_ms >= MISSING_MS)
			return err_set(err, ERR_CONFIG,
				       "the rule set %.*s, which is in force, is not on %s; "
				       "publish it again, or restore the topic",
				       STR_ARG(digest), w->settings.config->output.rulesets);
	}
}

/* The rulebook of the set that was published first, of those that this program can judge by. */
static int get_first_book(struct worker *w, struct rulebook **out, struct err *err)
{
	char tried[DIGEST_TEXT_SIZE] = "", digest[DIGEST_TEXT_SIZE] = "";
	struct err ignored; /* that of worker_get_book() says more */

	while (shelf_first(w->settings.shelf, IDLE_MS, digest, &ignored) == SHELF_READY &&
	       strcmp(digest, tried) != 0) {
		if (worker_get_book(w, str_of(digest), out, err) == 0)
			return 0;
		if (worker_stopping(w))
			return -1;
		memcpy(tried, digest, sizeof tried);
	}
	return tried[0] ? -1 : err_set(err, ERR_CONFIG, "no rule set that was published is usable");
}

int worker_fetch_book(struct worker *w, struct holding *holding, struct rulebook **out,
		      struct err *err)
{
	char digest[DIGEST_TEXT_SIZE];

	(void)snprintf(digest, sizeof digest, "%.*s", STR_ARG(shard_ruleset(holding->shard)));
	return digest[0] ? worker_get_book(w, str_of(digest), out, err) : get_first_book(w, out, err);
}

int worker_sync_book(struct worker *w, struct holding *holding, struct err *err)
{
	struct str digest = shard_ruleset(holding->shard);

	if (holding->book && str_eq(digest, str_of(holding->book->set->digest)))
		return 0;
	rulebook_free(TAKE(holding->book));
	if (worker_fetch_book(w, holding, &holding->book, err) == 0)
		return 0;
	holding->book = NULL;
	if (worker_stopping(w) || (err->kind != ERR_CONFIG && err->kind != ERR_DATA))
		return -1;
	log_event(LOG_WARN, "rules_unusable", LOG_NUM("worker", w->settings.number),
		  LOG_NUM("partition", holding->partition), LOG_TEXT("err", err->text));
	return 0;
}

int worker_wait_for_rules(struct worker *w, struct err *err)
{
	bool told = false;
	char digest[DIGEST_TEXT_SIZE];

	for (;;) {
		enum shelf_answer answer = shelf_first(w->settings.shelf, IDLE_MS, digest, err);
		if (answer == SHELF_READY)
			return 0;
		if (answer == SHELF_BROKEN)
			return -1;
		if (worker_stopping(w))
			return worker_stopped(err);
		if (answer == SHELF_MISSING && !told)
			log_event(LOG_WARN, "rules_none", LOG_NUM("worker", w->settings.number),
				  LOG_TEXT("err", "no rule set was published yet; `chatmill rules "
						  "publish` or `run --publish DIR` does it"));
		told |= answer == SHELF_MISSING;
	}
}
