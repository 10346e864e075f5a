/* config_show.c - every value with its origin. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "config_keys.h"

static void show_value(const struct config *c, const struct key *key, FILE *out)
{
	const void *field = (const char *)c + key->offset;
	static const char *const modes[] = {"masked", "none", "full"};

	switch (key->type) {
	case KEY_NAME:
	case KEY_TOPIC:
	case KEY_LISTEN:
	case KEY_TEXT:
	case KEY_PATH:
		fprintf(out, "%s", *(const char *const *)field ? *(const char *const *)field : "null");
		return;
	case KEY_COUNT:
		fprintf(out, "%lld", (long long)*(const int64_t *)field);
		return;
	case KEY_DURATION:
		fprintf(out, "%lldms", (long long)*(const int64_t *)field);
		return;
	case KEY_BOOL:
		fprintf(out, "%s", *(const bool *)field ? "true" : "false");
		return;
	case KEY_EVIDENCE:
		fprintf(out, "%s", modes[*(const enum evidence_mode *)field]);
		return;
	case KEY_PROPERTIES:
		return;
	}
}

void config_show(const struct config *c, FILE *out)
{
	static const char *const origins[] = {"default", "file", "environment"};

	for (size_t i = 0; config_key(i); i++) {
		const struct key *key = config_key(i);
		if (key->type == KEY_PROPERTIES) {
			const struct properties *all =
				(const struct properties *)((const char *)c + key->offset);
			for (size_t k = 0; k < all->count; k++)
				fprintf(out, "%s.%s: %s  # %s\n", key->path, all->items[k].name,
					all->items[k].given.secret ? "***" : all->items[k].value,
					origins[all->items[k].given.origin]);
			continue;
		}
		fprintf(out, "%s: ", key->path);
		if (c->given[i].secret)
			fprintf(out, "***");
		else
			show_value(c, key, out);
		fprintf(out, "  # %s\n", origins[c->given[i].origin]);
	}
}
