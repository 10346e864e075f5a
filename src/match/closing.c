/* closing.c - for which rules a message is nothing but closing words (`wait: {ignore: …}`). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include "match/matcher.h"
#include "rules/spelling.h"

/* Marks the bytes of the sender's own part of text `index` that words of `rule` cover. Returns how many
 * words do. As everywhere, a hit that begins in a quotation is none of the answer to it. */
static size_t cover(const struct matcher *m, const struct engine_rule *rule, uint32_t index,
		    char *covered)
{
	uint32_t own = m->message->texts[index].own_start;
	size_t words = 0;

	for (uint32_t i = 0; i < rule->ignore_count; i++) {
		const struct group_hits *hits = &m->groups[rule->ignore[i]];
		if (hits->scan != m->scan)
			continue;
		for (const struct found *f = hits->first; f; f = f->next) {
			if (f->text != index || f->start < own)
				continue;
			memset(covered + f->start, 1, f->end - f->start);
			words++;
		}
	}
	return words;
}

/* The sender's own part of the text: words of `ignore`, emoticons, blanks and punctuation. */
static bool is_closing(const struct matcher *m, const struct engine_rule *rule, uint32_t index,
		       size_t *words)
{
	const struct text *text = &m->message->texts[index];
	const char *data = text->content.data;
	char *covered = arena_zalloc(m->arena, text->content.len);

	*words += cover(m, rule, index, covered);
	for (uint32_t i = 0; i < text->span_count; i++)
		if (text->spans[i].kind == SPAN_EMOTICON)
			memset(covered + text->spans[i].start, 1,
			       text->spans[i].end - text->spans[i].start);
	for (size_t i = text->own_start; i < text->content.len;
	     i += utf8_len((unsigned char)data[i]))
		if (!covered[i] && !spelling_is_separator(utf8_get(data + i)))
			return false;
	return true;
}

static bool is_hit(const struct matcher *m, const struct engine_rule *rule)
{
	for (uint32_t i = 0; i < rule->ignore_count; i++)
		if (m->groups[rule->ignore[i]].scan == m->scan)
			return true;
	return false;
}

void closing_find(struct matcher *m, struct matches *matches)
{
	const struct engine *e = m->engine;
	uint32_t *ignored = NULL;

	/* Of other types there is more to a message than its texts. */
	if (!e->ignoring_count || !str_eq(m->message->msgtype, STR("text")))
		return;
	for (uint32_t i = 0; i < e->ignoring_count; i++) {
		const struct engine_rule *rule = &e->rules[e->ignoring[i]];
		size_t words = 0;
		bool closing = is_hit(m, rule);
		for (uint32_t k = 0; closing && k < m->message->text_count; k++)
			closing = is_closing(m, rule, k, &words);
		if (!closing || !words)
			continue;
		if (!ignored)
			ignored = ARENA_ARRAY(m->arena, uint32_t, e->ignoring_count);
		ignored[matches->ignored_count++] = e->ignoring[i];
	}
	matches->ignored = ignored;
}
