/* sample.c - what authors write as a message. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/sample.h"

#include "rules/field.h"

enum { TEXT_BYTES_MAX = 64 * 1024 };

static const char *const sample_fields[] = {"at",   "from", "chat", "room",  "to",   "text",
					    "type", "amount", "file", "body", "msgid", "recall"};

/* Every scalar as a string: whoever reads it knows which ones are numbers. */
static void put_json(struct buf *b, const struct yaml_node *node)
{
	switch (node->kind) {
	case YAML_SCALAR:
		buf_put_json(b, node->text);
		return;
	case YAML_LIST:
		buf_putc(b, '[');
		for (size_t i = 0; i < node->count; i++) {
			if (i)
				buf_putc(b, ',');
			put_json(b, node->items[i]);
		}
		buf_putc(b, ']');
		return;
	case YAML_MAP:
		buf_putc(b, '{');
		for (size_t i = 0; i < node->count; i++) {
			if (i)
				buf_putc(b, ',');
			buf_put_json(b, node->pairs[i].key->text);
			buf_putc(b, ':');
			put_json(b, node->pairs[i].value);
		}
		buf_putc(b, '}');
		return;
	}
}

static bool check_fields(const struct scope *s, const struct yaml_node *map)
{
	static const char *const chats[] = {"single", "group", "internal"};
	const struct yaml_node *node;
	int64_t number;
	bool ok = true;
	int index;

	if (!field_map(s, map, sample_fields, ARRAY_LEN(sample_fields), "a message"))
		return false;
	if ((node = yaml_find(map, STR("at"))) &&
	    (node->kind != YAML_SCALAR || !duration_parse(node->text, &number))) {
		ERROR_AT(s, node, "at is the time since the start: 0d, 90s, 1d12h");
		ok = false;
	}
	if ((node = yaml_find(map, STR("amount"))))
		ok &= field_amount(s, node, "amount", &number);
	if ((node = yaml_find(map, STR("chat"))))
		ok &= field_choice(s, node, "chat", chats, ARRAY_LEN(chats), &index);
	if ((node = yaml_find(map, STR("body"))) && node->kind != YAML_MAP) {
		ERROR_AT(s, node, "body is a mapping with the fields of the message's type");
		ok = false;
	}
	static const char *const texts[] = {"from", "room", "text", "type", "file", "msgid", "recall"};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct str ignored;
		if ((node = yaml_find(map, str_of(texts[i]))))
			ok &= field_text(s, node, texts[i], TEXT_BYTES_MAX, &ignored);
	}
	return ok;
}

bool sample_read(const struct scope *s, const struct yaml_node *node, struct example *out)
{
	struct example example = {.line = node->line, .col = node->col};
	struct arena *arena = s->loader->arena;

	if (node->kind != YAML_MAP) {
		if (!field_text(s, node, "a message", TEXT_BYTES_MAX, &example.text))
			return false;
		*out = example;
		return true;
	}
	if (!check_fields(s, node))
		return false;
	const struct yaml_node *from = yaml_find(node, STR("from"));
	const struct yaml_node *text = yaml_find(node, STR("text"));
	struct buf json = {0};
	put_json(&json, node);
	example.json = arena_copy(arena, buf_str(&json));
	buf_fini(&json);
	example.from = from ? arena_copy(arena, from->text) : (struct str){0};
	example.text = text ? arena_copy(arena, text->text) : (struct str){0};
	*out = example;
	return true;
}
