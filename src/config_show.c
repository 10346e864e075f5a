/* config_show.c - every value with its origin. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "config.h"
#include "config_keys.h"

/* Puts the value of a key; as JSON a text has its quotation marks. */
static void put_value(struct buf *out, const struct config *c, const struct key *key, bool json)
{
	const void *field = (const char *)c + key->offset;
	static const char *const modes[] = {EVIDENCE_NAMES(AS_NAME)};
	struct str text = {0};
	char time[32];

	switch (key->type) {
	case KEY_NAME:
	case KEY_TOPIC:
	case KEY_LISTEN:
	case KEY_TEXT:
	case KEY_PATH:
		text = str_of(*(const char *const *)field);
		break;
	case KEY_COUNT:
		buf_printf(out, "%lld", (long long)*(const int64_t *)field);
		return;
	case KEY_DURATION:
		(void)snprintf(time, sizeof time, "%lldms", (long long)*(const int64_t *)field);
		text = str_of(time);
		break;
	case KEY_BOOL:
		buf_put(out, *(const bool *)field ? STR("true") : STR("false"));
		return;
	case KEY_EVIDENCE:
		text = str_of(modes[*(const enum evidence_mode *)field]);
		break;
	case KEY_PROPERTIES:
		return;
	}
	if (!text.data)
		buf_put(out, STR("null"));
	else if (json)
		buf_put_json_mended(out, text);
	else
		buf_put(out, text);
}

/* One line; `name` is that of a property of the key, or NULL. */
static void put_line(struct buf *out, const char *path, const char *name, struct str value,
		     const struct given *given, bool json)
{
	static const char *const origins[] = {"default", "file", "environment"};
	const char *origin = origins[given->origin];
	struct buf whole = {0};

	buf_printf(&whole, "%s%s%s", path, name ? "." : "", name ? name : "");
	if (json) {
		buf_put(out, STR("{\"key\":"));
		buf_put_json_mended(out, buf_str(&whole));
		buf_printf(out, ",\"value\":%.*s,\"origin\":\"%s\"}\n", STR_ARG(value), origin);
	} else {
		buf_printf(out, "%.*s: %.*s  # %s\n", STR_ARG(buf_str(&whole)), STR_ARG(value), origin);
	}
	buf_fini(&whole);
}

static void put_properties(struct buf *out, const struct key *key, const struct properties *all, bool json)
{
	struct buf value = {0};

	for (size_t i = 0; i < all->count; i++) {
		const struct property *p = &all->items[i];
		struct str text = str_of(p->given.secret ? "***" : p->value);
		buf_clear(&value);
		if (json)
			buf_put_json_mended(&value, text);
		else
			buf_put(&value, text);
		put_line(out, key->path, p->name, buf_str(&value), &p->given, json);
	}
	buf_fini(&value);
}

void config_show(const struct config *c, bool json, FILE *out)
{
	struct buf lines = {0}, value = {0};

	for (size_t i = 0; config_key(i); i++) {
		const struct key *key = config_key(i);
		if (key->type == KEY_PROPERTIES) {
			put_properties(&lines, key,
				       (const struct properties *)((const char *)c + key->offset), json);
			continue;
		}
		buf_clear(&value);
		if (c->given[i].secret)
			buf_put(&value, json ? STR("\"***\"") : STR("***"));
		else
			put_value(&value, c, key, json);
		put_line(&lines, key->path, NULL, buf_str(&value), &c->given[i], json);
	}
	(void)fwrite(lines.data, 1, lines.len, out); /* main() looks at the stream in the end */
	buf_fini(&value);
	buf_fini(&lines);
}
