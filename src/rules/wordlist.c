/* wordlist.c - lists, tables, word files and aliases of a pack. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/field.h"

enum { WORDS_MAX = 1000000, ALIASES_MAX = 256, ROWS_MAX = 10000 };

struct words {
	VEC(struct word) list;
};

/* ---- word files ---- */

static void take_line(const struct scope *s, struct str file, int number, struct str line,
		      struct words *words)
{
	line = field_trim(line);
	if (!line.len || line.data[0] == '#')
		return;
	if (line.len > WORD_BYTES_MAX) {
		findings_add(s->loader->findings, FINDING_ERROR, file, number, 1,
			     "a word of %zu bytes; at most 256, one word a line", line.len);
		return;
	}
	*VEC_ADD(s->loader->words, &words->list) = (struct word){line, number, 1};
}

/* As many as there are lines: a list that grows leaves as much behind as it holds. */
static void expect_lines(const struct scope *s, struct str text, struct words *words)
{
	size_t lines = 1;

	for (const char *at = text.data, *end = at + text.len; (at = memchr(at, '\n', (size_t)(end - at)));
	     at++)
		lines++;
	words->list.items = arena_alloc(s->loader->words, lines * sizeof *words->list.items);
	words->list.cap = lines;
}

/* A path in a rule file is looked for beside that file first, then from the top of the folder. */
static const struct source *find_file(const struct scope *s, const struct yaml_node *node,
				      struct str path)
{
	struct loader *l = s->loader;
	const struct source *source;
	struct err beside_err, err;

	while (str_starts(path, STR("./")))
		path = str_from(path, 2);
	const char *slash = memrchr(s->path.data, '/', s->path.len);
	if (slash) {
		struct str beside = arena_printf(l->scratch, "%.*s/%.*s",
						 (int)(slash - s->path.data), s->path.data,
						 STR_ARG(path));
		if (sources_get(&source, l->sources, SOURCE_WORDS, beside, &beside_err) == 0)
			return source;
	}
	if (sources_get(&source, l->sources, SOURCE_WORDS, path, &err) == 0)
		return source;
	ERROR_AT(s, node, "%s", slash && err.kind == ERR_NOINPUT ? beside_err.text : err.text);
	return NULL;
}

/* Reads the file that `node` names; *file is what findings call it. */
static void read_file(const struct scope *s, const struct yaml_node *node, struct words *words,
		      struct str *file)
{
	struct loader *l = s->loader;
	struct str name;

	if (!field_text(s, node, "file", 1024, &name))
		return;
	const struct source *source = find_file(s, node, name);
	if (!source)
		return;
	/* As the rule file is shown: with the folder in front when there is one. */
	size_t front = s->file.len - s->path.len;
	*file = arena_printf(l->arena, "%.*s%.*s", (int)front, s->file.data, STR_ARG(source->path));

	struct str text = source->text;
	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = str_from(text, 3);
	expect_lines(s, text, words);
	int number = 1;
	for (; text.len; number++) {
		struct str line = str_line(&text);
		take_line(s, *file, number, line, words);
	}
	if (!words->list.count)
		WARN_AT(s, node, "no word in %.*s: a list without words matches nothing", STR_ARG(*file));
	if (words->list.count > WORDS_MAX)
		ERROR_AT(s, node, "more than %d words in one list", WORDS_MAX);
}

/* ---- lists ---- */

static const struct yaml_node *file_of(const struct yaml_node *node)
{
	if (node->kind != YAML_MAP || node->count != 1 ||
	    !str_eq(node->pairs[0].key->text, STR("file")))
		return NULL;
	return node->pairs[0].value->kind == YAML_SCALAR ? node->pairs[0].value : NULL;
}

/* A slip in «{file: PATH}», which would be a table that nobody meant. A row's words may be a single
 * value, but hardly those of a row that is called file. */
static bool is_file_slip(const struct scope *s, const struct yaml_node *map)
{
	static const char *const fields[] = {"file"};
	const struct yaml_node *key = map->count == 1 ? map->pairs[0].key : NULL;

	for (size_t i = 0; i < map->count; i++) {
		const struct yaml_node *value = map->pairs[i].value;
		if (str_eq(map->pairs[i].key->text, STR("file")) && value->kind == YAML_SCALAR) {
			ERROR_AT(s, map->pairs[i].key, "«file» stands alone: {file: PATH}; if a tag was "
						       "meant, write its words as a list: file: [a, b]");
			return true;
		}
	}
	if (!key || map->pairs[0].value->kind != YAML_SCALAR || !str_nearest(key->text, fields, 1))
		return false;
	ERROR_AT(s, key, "unknown field «%.*s» in a list%s If a tag was meant, write its words as a list: "
			 "%.*s: [a, b]", STR_ARG(key->text), field_hint(s, key->text, fields, 1),
		 STR_ARG(key->text));
	return true;
}

static struct word_row read_row(const struct scope *s, struct str tag, const struct yaml_node *node)
{
	struct words words = {0};
	const struct yaml_node *file_node = file_of(node);
	struct str file = s->file;

	if (file_node) {
		read_file(s, file_node, &words, &file);
	} else if (node->kind == YAML_MAP) {
		ERROR_AT(s, node, "words are a list ([a, b]) or {file: PATH}; if a word with a colon "
				  "was meant, quote it");
	} else {
		for (size_t i = 0; i < field_count(node); i++) {
			struct word word;
			if (field_word(s, field_item(node, i), &word))
				*VEC_ADD(s->loader->words, &words.list) = word;
		}
		if (field_count(node) == 0)
			WARN_AT(s, node, "a list without words matches nothing");
	}
	return (struct word_row){tag, words.list.items, words.list.count, file, file_node != NULL};
}

static void read_table(const struct scope *s, const struct yaml_node *map, struct word_list *list)
{
	VEC(struct word_row) rows = {0};

	if (map->count == 0 || map->count > ROWS_MAX)
		ERROR_AT(s, map, "a table has 1 to %d rows: tag: [words]", ROWS_MAX);
	for (size_t i = 0; i < map->count; i++) {
		struct str tag;
		if (field_text(s, map->pairs[i].key, "a tag", 2 * NAME_BYTES_MAX, &tag))
			*VEC_ADD(s->loader->arena, &rows) =
				read_row(s, tag, map->pairs[i].value);
	}
	list->is_table = true;
	list->rows = rows.items;
	list->row_count = rows.count;
}

static void read_list(const struct scope *s, const struct yaml_pair *pair)
{
	struct loader *l = s->loader;
	struct pack_draft *pack = scope_pack(s);
	struct word_list list = {.pack = pack->pack.name};
	uint32_t index;

	if (!field_text(s, pair->key, "the name of a list", NAME_BYTES_MAX, &list.name))
		return;
	if (name_table_find(&pack->lists, list.name, &index)) {
		ERROR_AT(s, pair->key, "list «%.*s» is in another file of this pack already",
			 STR_ARG(list.name));
		return;
	}
	if (pair->value->kind == YAML_MAP && !file_of(pair->value)) {
		if (!is_file_slip(s, pair->value))
			read_table(s, pair->value, &list);
	} else {
		struct word_row *row = ARENA_NEW(l->arena, struct word_row);
		*row = read_row(s, (struct str){0}, pair->value);
		list.rows = row;
		list.row_count = 1;
	}
	name_table_add(&pack->lists, l->scratch, list.name, (uint32_t)l->lists.count);
	*VEC_ADD(l->arena, &l->lists) = list;
}

void wordlist_read_all(const struct scope *s, const struct yaml_node *map)
{
	if (map->kind != YAML_MAP) {
		ERROR_AT(s, map, "lists is a mapping: name: [words]");
		return;
	}
	for (size_t i = 0; i < map->count; i++)
		read_list(s, &map->pairs[i]);
}

bool wordlist_find(const struct scope *s, const struct yaml_node *node, uint32_t *out)
{
	struct pack_draft *pack = scope_pack(s);
	struct str name;

	if (!field_text(s, node, "the name of a list", NAME_BYTES_MAX, &name))
		return false;
	if (name_table_find(&pack->lists, name, out))
		return true;
	ERROR_AT(s, node, "unknown list «%.*s» in pack %.*s%s", STR_ARG(name),
		 STR_ARG(pack->pack.name), field_hint_name(s, name, &pack->lists));
	return false;
}

uint32_t wordlist_join(struct loader *l, const uint32_t *indexes, size_t count)
{
	VEC(struct word) words = {0};

	for (size_t i = 0; i < count; i++) {
		const struct word_list list = l->lists.items[indexes[i]];
		for (size_t r = 0; r < list.row_count; r++)
			for (size_t w = 0; w < list.rows[r].word_count; w++)
				*VEC_ADD(l->words, &words) = list.rows[r].words[w];
	}
	struct word_row *row = ARENA_NEW(l->arena, struct word_row);
	*row = (struct word_row){.words = words.items, .word_count = words.count};
	*VEC_ADD(l->arena, &l->lists) = (struct word_list){
		.pack = l->lists.items[indexes[0]].pack, .rows = row, .row_count = 1};
	return (uint32_t)l->lists.count - 1;
}

/* ---- aliases ---- */

void wordlist_read_aliases(const struct scope *s, const struct yaml_node *map)
{
	struct loader *l = s->loader;
	uint32_t index;

	if (map->kind != YAML_MAP) {
		ERROR_AT(s, map, "aliases is a mapping: word: [further spellings]");
		return;
	}
	for (size_t i = 0; i < map->count; i++) {
		struct pack_draft *pack = scope_pack(s);
		const struct yaml_node *node = map->pairs[i].value;
		VEC(struct str) spellings = {0};
		struct word word;
		if (!field_word(s, map->pairs[i].key, &word) || !field_filled(s, node, "aliases"))
			continue;
		if (name_table_find(&pack->alias_words, word.text, &index)) {
			ERROR_AT(s, map->pairs[i].key, "aliases of «%.*s» are in another file of this "
						       "pack already", STR_ARG(word.text));
			continue;
		}
		for (size_t k = 0; k < field_count(node); k++) {
			struct word spelling;
			if (field_word(s, field_item(node, k), &spelling))
				*VEC_ADD(l->arena, &spellings) = spelling.text;
		}
		if (spellings.count >= ALIASES_MAX)
			ERROR_AT(s, node, "%zu spellings of one word; at most %d", spellings.count + 1,
				 ALIASES_MAX);
		name_table_add(&pack->alias_words, l->scratch, word.text, (uint32_t)pack->aliases.count);
		*VEC_ADD(l->arena, &pack->aliases) =
			(struct alias){word.text, {spellings.items, spellings.count}};
	}
}
