/* config_describe.c - the table of keys as JSON Schema, as example file and as reference page. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "config.h"
#include "config_keys.h"

enum { SECTION_INDENT = 2, COMMENT_COLUMN = 40 };

/* "input" of "input.topic"; empty for a key at the top. */
static struct str section_of(const struct key *key)
{
	const char *dot = strchr(key->path, '.');
	return (struct str){key->path, dot ? (size_t)(dot - key->path) : 0};
}

static const char *name_of(const struct key *key)
{
	const char *dot = strchr(key->path, '.');
	return dot ? dot + 1 : key->path;
}

static bool opens_section(size_t i)
{
	struct str section = section_of(config_key(i));
	return section.len && (i == 0 || !str_eq(section, section_of(config_key(i - 1))));
}

static bool closes_section(size_t i)
{
	struct str section = section_of(config_key(i));
	return section.len &&
	       (!config_key(i + 1) || !str_eq(section, section_of(config_key(i + 1))));
}

/* ---- JSON Schema ---- */

static void put_secret(struct buf *out)
{
	buf_put(out, STR("{\"$ref\":\"#/definitions/secret\"}"));
}

static void put_type(struct buf *out, const struct key *key)
{
	switch (key->type) {
	case KEY_NAME:
		buf_put(out, STR("{\"type\":[\"string\",\"null\"],"
				 "\"pattern\":\"^[A-Za-z0-9._-]{1,60}$\"}"));
		return;
	case KEY_TOPIC:
		buf_put(out, STR("{\"type\":[\"string\",\"null\"],"
				 "\"pattern\":\"^(?!\\\\.{1,2}$)[A-Za-z0-9._-]{1,60}$\"}"));
		return;
	case KEY_LISTEN:
		buf_put(out, STR("{\"type\":[\"string\",\"null\"],\"pattern\":\":[0-9]{1,5}$\"}"));
		return;
	case KEY_TEXT:
	case KEY_PATH:
		buf_put(out, STR("{\"type\":[\"string\",\"null\"]}"));
		return;
	case KEY_COUNT:
		buf_printf(out, "{\"type\":[\"integer\",\"null\"],\"minimum\":%lld,\"maximum\":%lld}",
			   (long long)key->least, (long long)key->most);
		return;
	case KEY_DURATION:
		buf_put(out, STR("{\"type\":[\"string\",\"null\"],"
				 "\"pattern\":\"^(0|(?=[0-9])([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$\"}"));
		return;
	case KEY_BOOL:
		buf_put(out, STR("{\"type\":[\"boolean\",\"null\"]}"));
		return;
	case KEY_EVIDENCE:
		buf_put(out, STR("{\"enum\":[\"none\",\"masked\",\"full\",null]}"));
		return;
	case KEY_PROPERTIES:
		buf_put(out, STR("{\"type\":[\"string\",\"number\",\"boolean\"]}"));
		return;
	}
	UNREACHABLE("a key's type that is not in the enum");
}

static void put_key(struct buf *out, const struct key *key, const char *indent)
{
	buf_printf(out, "%s", indent);
	buf_put_json(out, str_of(name_of(key)));
	buf_put(out, STR(": {\"description\":"));
	buf_put_json(out, str_of(key->help));
	if (key->standard) {
		buf_put(out, STR(",\"default\":"));
		if (key->type == KEY_COUNT || key->type == KEY_BOOL)
			buf_put(out, str_of(key->standard));
		else
			buf_put_json(out, str_of(key->standard));
	}
	if (key->type == KEY_PROPERTIES)
		buf_put(out, STR(",\"type\":\"object\",\"additionalProperties\":"));
	buf_put(out, key->type == KEY_PROPERTIES ? STR("{\"anyOf\":[") : STR(",\"anyOf\":["));
	put_type(out, key);
	buf_putc(out, ',');
	put_secret(out);
	buf_put(out, key->type == KEY_PROPERTIES ? STR("]}}") : STR("]}"));
}

static void schema(struct buf *out)
{
	buf_put(out, STR("{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"
			 "  \"title\": \"configuration of chatmill\",\n"
			 "  \"type\": \"object\",\n  \"additionalProperties\": false,\n"
			 "  \"definitions\": {\"secret\": {\"type\": \"object\", "
			 "\"additionalProperties\": false, \"minProperties\": 1, "
			 "\"maxProperties\": 1, \"properties\": {\"file\": {\"type\": \"string\"}, "
			 "\"env\": {\"type\": \"string\"}}}},\n  \"properties\": {\n"));
	for (size_t i = 0; config_key(i); i++) {
		const struct key *key = config_key(i);
		if (opens_section(i))
			buf_printf(out, "    \"%.*s\": {\"type\": [\"object\",\"null\"], "
					"\"additionalProperties\": false, \"properties\": {\n",
				   STR_ARG(section_of(key)));
		put_key(out, key, section_of(key).len ? "      " : "    ");
		if (closes_section(i))
			buf_put(out, STR("\n    }}"));
		buf_put(out, config_key(i + 1) ? STR(",\n") : STR("\n"));
	}
	buf_put(out, STR("  }\n}\n"));
}

/* ---- the example file ---- */

static void put_comment(struct buf *out, size_t line_start, const char *help)
{
	while (out->len - line_start < COMMENT_COLUMN)
		buf_putc(out, ' ');
	buf_printf(out, " # %s\n", help);
}

static void put_map(struct buf *out, const struct key *key)
{
	size_t start = out->len;
	struct str rest = str_of(key->example);

	buf_printf(out, "%s:", key->path);
	put_comment(out, start, key->help);
	while (rest.len) {
		const char *end = memchr(rest.data, '\n', rest.len);
		size_t len = end ? (size_t)(end - rest.data) : rest.len;
		buf_printf(out, "  %.*s\n", (int)len, rest.data);
		rest = str_from(rest, len + 1);
	}
}

static void example(struct buf *out)
{
	buf_put(out, STR("# chatmill.yaml - an example configuration: every key, with its default if it "
			 "has one.\n"
			 "# Made from the program's table of keys: chatmill config describe --format "
			 "example\n"
			 "# Check yours with: chatmill config check -c chatmill.yaml\n"
			 "# Order: flag > environment (CHATMILL_A__B for a.b) > file > default. A value "
			 "may be\n"
			 "# {file: PATH} or {env: NAME}; such values are never shown.\n\n"));
	for (size_t i = 0; config_key(i); i++) {
		const struct key *key = config_key(i);
		size_t indent = section_of(key).len ? SECTION_INDENT : 0;
		if (opens_section(i))
			buf_printf(out, "%.*s:\n", STR_ARG(section_of(key)));
		if (key->type == KEY_PROPERTIES) {
			put_map(out, key);
			continue;
		}
		size_t start = out->len;
		const char *value = key->example ? key->example : key->standard;
		buf_printf(out, "%*s%s: %s", (int)indent, "", name_of(key), value ? value : "null");
		put_comment(out, start, key->help);
	}
}

/* ---- the reference page ---- */

static void put_range(struct buf *out, const struct key *key)
{
	static const char *const types[] = {
		[KEY_TEXT] = "text", [KEY_NAME] = "name", [KEY_TOPIC] = "name", [KEY_PATH] = "path",
		[KEY_COUNT] = "number", [KEY_DURATION] = "time", [KEY_BOOL] = "true, false",
		[KEY_EVIDENCE] = "none, masked, full", [KEY_LISTEN] = "host:port", [KEY_PROPERTIES] = "map",
	};

	buf_printf(out, "%s", types[key->type]);
	if (key->type == KEY_COUNT)
		buf_printf(out, " %lld–%lld", (long long)key->least, (long long)key->most);
}

static void markdown(struct buf *out)
{
	buf_put(out, STR("# Configuration\n\n"
			 "Made from the program's table of keys (`chatmill config describe --format "
			 "markdown`); the\n"
			 "same table checks your file and makes `schemas/config.schema.json` and "
			 "`deploy/chatmill.yaml`.\n\n"
			 "A value comes from, later ones win: the default, the file, the environment "
			 "(`CHATMILL_A__B`\n"
			 "for `a.b`, `CHATMILL_KAFKA__BOOTSTRAP_SERVERS` for `kafka`'s "
			 "`bootstrap.servers`), an option of the\n"
			 "command. Secrets are `{file: PATH}` or `{env: NAME}` and are never shown. "
			 "Relative paths are\n"
			 "relative to the folder of the file. `chatmill config check -c FILE` names "
			 "what is wrong,\n"
			 "`config show` every value and where it came from. A time is a number with "
			 "`w`, `d`, `h`, `m`,\n`s` or `ms`, or several from long to short: `1w2d`, "
			 "`1h30m`.\n\n"
			 "| key | takes | default | meaning |\n|---|---|---|---|\n"));
	for (size_t i = 0; config_key(i); i++) {
		const struct key *key = config_key(i);
		buf_printf(out, "| `%s` | ", key->path);
		put_range(out, key);
		buf_put(out, STR(" | "));
		if (key->standard)
			buf_printf(out, "`%s`", key->standard);
		buf_printf(out, " | %s |\n", key->help);
	}
	buf_put(out, STR("\nProperties of librdkafka that would break the guarantee (for instance "
			 "`isolation.level`,\n`enable.auto.commit`, `acks`), run code or switch the "
			 "verification of servers off are refused;\nthe last only without "
			 "`--insecure`. Refused are also two topics of one name, a directory file "
			 "that is not there,\nand `sink.archive` with a consent of `drop`.\n"));
}

void config_describe(enum config_format format, FILE *out)
{
	struct buf text = {0};

	switch (format) {
	case CONFIG_SCHEMA:
		schema(&text);
		break;
	case CONFIG_EXAMPLE:
		example(&text);
		break;
	case CONFIG_MARKDOWN:
		markdown(&text);
		break;
	}
	(void)fwrite(text.data, 1, text.len, out); /* main() looks at the stream in the end */
	buf_fini(&text);
}
