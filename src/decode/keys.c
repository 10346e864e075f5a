/* keys.c - a small hash table of names that are all known beforehand. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/keys.h"

enum {
	SLOT_COUNT = 512, /* five times the names, so that most are found at their first slot */
	NAME_MAX_LEN = 24,
};

struct key_table {
	struct slot {
		struct str name;
		enum key key;
	} slots[SLOT_COUNT];
};

static const struct {
	enum key key;
	const char *spellings[3];
} rows[] = {
#define X(id, ...) {KEY_##id, {__VA_ARGS__}},
        KEYS(X)
#undef X
};

/* Length, both ends and the middle tell these names apart well enough. */
static uint32_t slot_of(struct str name)
{
	const unsigned char *p = (const unsigned char *)name.data;
	uint32_t mix = p[0] | (uint32_t)p[name.len - 1] << 8 | (uint32_t)p[name.len / 2] << 16 |
	               (uint32_t)name.len << 24;
	return (mix * 2654435761u) >> 23; /* Knuth's multiplicative hashing, 9 bits */
}

struct key_table *key_table_new(void)
{
	struct key_table *table = calloc(1, sizeof *table);

	for (size_t i = 0; table && i < ARRAY_LEN(rows); i++)
		for (size_t k = 0; k < 3 && rows[i].spellings[k]; k++) {
			struct str name = str_of(rows[i].spellings[k]);
			assert(name.len <= NAME_MAX_LEN);
			uint32_t slot = slot_of(name);
			while (table->slots[slot].key)
				slot = (slot + 1) % SLOT_COUNT;
			table->slots[slot] = (struct slot){name, rows[i].key};
		}
	return table;
}

void key_table_free(struct key_table *table)
{
	free(table);
}

enum key key_find(const struct key_table *table, struct str name)
{
	if (name.len == 0 || name.len > NAME_MAX_LEN)
		return KEY_NONE;
	for (uint32_t slot = slot_of(name); table->slots[slot].key; slot = (slot + 1) % SLOT_COUNT)
		if (str_eq(table->slots[slot].name, name))
			return table->slots[slot].key;
	return KEY_NONE;
}

void fields_read(const struct key_table *table, const struct json *j, uint32_t object,
                 struct fields *out)
{
	uint64_t seen = 0;

	out->present = out->twice = 0;
	for (uint32_t key = json_first(j, object); key; key = json_next(j, key + 2)) {
		enum key k = key_find(table, json_str(j, key));
		if (k == KEY_NONE)
			continue;
		uint64_t bit = (uint64_t)1 << k;
		out->twice |= seen & bit;
		seen |= bit;
		if (json_kind(j, key + 2) == 'n')
			continue;
		out->present |= bit;
		out->node[k] = key + 2;
	}
}
