/* sink_rules.c - looks for the texts that the table of rule sets lacks. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sink_rules.h"

#include "base/clock.h"
#include "base/log.h"
#include "shelf.h"

enum {
	MISSING_MAX = 64, /* texts of one turn; what is left comes with the next */
	AGAIN_MS = 2000,  /* the topic may lag behind the events that name what stands on it */
	PATIENCE_MS = 60000, /* after so long a digest that is not there is not coming */
};

struct sink_rules {
	struct sink_rules_settings settings;
	struct shelf_settings shelf_settings;
	struct shelf *shelf;
	uint64_t known; /* digests the store had noted when all had their text */
	bool looking;
	int64_t next_ms, until_ms;
};

int sink_rules_new(struct sink_rules **out, const struct sink_rules_settings *settings,
		   struct err *err)
{
	OWNED(sink_rules) *r = calloc(1, sizeof *r);

	if (!r)
		return err_set(err, ERR_OS, "sink: out of memory");
	r->settings = *settings;
	r->shelf_settings = (struct shelf_settings){
		.kafka = settings->kafka, .group = settings->group, .topic = settings->topic};
	if (shelf_new(&r->shelf, &r->shelf_settings, err) < 0)
		return -1;
	r->known = UINT64_MAX; /* what an earlier sink left open */
	*out = TAKE(r);
	return 0;
}

void sink_rules_free(struct sink_rules *r)
{
	if (!r)
		return;
	shelf_free(r->shelf);
	free(r);
}

static void give_up(struct sink_rules *r, const char *why)
{
	r->looking = false;
	log_event(LOG_WARN, "ruleset_text_missing", LOG_TEXT("err", why));
}

/* Writes what it finds. Returns how many texts are still missing; -1: look later. */
static int fill(struct sink_rules *r, struct err *err)
{
	struct store_digest missing[MISSING_MAX];
	struct buf text = {0};
	size_t count;
	int left = 0;

	if (store_rulesets_missing(r->settings.store, missing, MISSING_MAX, &count, err) !=
	    STORE_DONE)
		return -1;
	for (size_t i = 0; i < count && left >= 0; i++) {
		buf_clear(&text);
		if (shelf_bundle(r->shelf, str_of(missing[i].text), &text, err) < 0) {
			left++;
			continue;
		}
		switch (store_ruleset_fill(r->settings.store, missing[i].text, buf_str(&text), err)) {
		case STORE_DONE:
			log_event(LOG_INFO, "ruleset_text", LOG_TEXT("digest", missing[i].text),
				  LOG_NUM("bytes", text.len));
			break;
		case STORE_LATER:
			left = -1;
			break;
		case STORE_FENCED:
		case STORE_FAILED:
			left++;
			break;
		}
	}
	buf_fini(&text);
	return left;
}

void sink_rules_turn(struct sink_rules *r)
{
	uint64_t noted = store_counts(r->settings.store).rulesets;
	int64_t now_ms = clock_monotonic_ms();
	struct err err = {0};

	if (noted != r->known) {
		r->known = noted;
		r->looking = true;
		r->until_ms = now_ms + PATIENCE_MS;
	}
	if (!r->looking || now_ms < r->next_ms)
		return;
	/* Before the topic was read to its end nothing is known to be missing. */
	if (shelf_wait(r->shelf, 0, &err) < 0) {
		if (err.kind == ERR_CONFIG || err.kind == ERR_PERMISSION)
			give_up(r, err.text);
		r->next_ms = now_ms + AGAIN_MS;
		return;
	}
	int left = fill(r, &err);
	r->looking = left != 0;
	r->next_ms = clock_monotonic_ms() + AGAIN_MS;
	if (left > 0 && now_ms > r->until_ms)
		give_up(r, err.text);
}
