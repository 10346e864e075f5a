/* keys.c - a small hash table of names that are all known beforehand. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/keys.h"

enum {
	SLOT_COUNT = 256, /* three times the names; 4 KiB, so that it stays in the first cache */
	NAME_MAX_LEN = 24,
	GUESS_COUNT = 32, /* members of an object that are guessed; a message has about 10 */
};

struct key_table {
	struct slot {
		uint64_t head; /* the first eight bytes, zeros behind a shorter name */
		uint8_t len, key, spelling;
	} slots[SLOT_COUNT];
	struct guess {
		uint64_t head, mask; /* the first eight bytes of a name */
		char rest[NAME_MAX_LEN - 8];
		uint8_t len, key;
	} guesses[FIELDS_PLACE_COUNT][GUESS_COUNT];
};

static const struct {
	enum key key;
	const char *spellings[3];
} rows[] = {
#define X(id, ...) {KEY_##id, {__VA_ARGS__}},
        KEYS(X)
#undef X
};

/* Names are readable for eight bytes, for they stand in a record or in memory of the arena. */
static inline uint64_t load8(const char *p)
{
	uint64_t word;
	memcpy(&word, p, sizeof word);
	return word;
}

static inline uint64_t mask_of(size_t len)
{
	return len >= 8 ? UINT64_MAX : ((uint64_t)1 << len * 8) - 1;
}

static inline uint64_t head_of(struct str name)
{
	return load8(name.data) & mask_of(name.len);
}

static inline uint32_t slot_of(uint64_t head, size_t len)
{
	/* Fibonacci hashing (Knuth, section 6.4), 8 bits. */
	return (uint32_t)(((head + len) * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

struct key_table *key_table_new(void)
{
	struct key_table *table = calloc(1, sizeof *table);

	for (size_t i = 0; table && i < ARRAY_LEN(rows); i++)
		for (size_t k = 0; k < 3 && rows[i].spellings[k]; k++) {
			struct str name = str_of(rows[i].spellings[k]);
			assert(name.len <= NAME_MAX_LEN);
			char room[NAME_MAX_LEN + 8] = {0};
			memcpy(room, name.data, name.len);
			uint64_t head = head_of((struct str){room, name.len});
			uint32_t slot = slot_of(head, name.len);
			while (table->slots[slot].key)
				slot = (slot + 1) % SLOT_COUNT;
			table->slots[slot] = (struct slot){head, (uint8_t)name.len,
							   (uint8_t)rows[i].key, (uint8_t)k};
		}
	return table;
}

void key_table_free(struct key_table *table)
{
	free(table);
}

static inline enum key find(const struct key_table *table, struct str name)
{
	if (name.len == 0 || name.len > NAME_MAX_LEN)
		return KEY_NONE;
	uint64_t head = head_of(name);
	for (uint32_t i = slot_of(head, name.len); table->slots[i].key; i = (i + 1) % SLOT_COUNT) {
		const struct slot *slot = &table->slots[i];
		if (slot->head != head || slot->len != name.len)
			continue;
		if (name.len <= 8)
			return (enum key)slot->key;
		/* `rows` is in the order of the keys, from 1. */
		const char *spelling = rows[slot->key - 1].spellings[slot->spelling];
		if (memcmp(spelling, name.data, name.len) == 0)
			return (enum key)slot->key;
	}
	return KEY_NONE;
}

enum key key_find(const struct key_table *table, struct str name)
{
	return find(table, name);
}

/* The key at `node` when the guess was wrong; learns it. */
static __attribute__((noinline)) enum key learn(struct key_table *table, const struct json *j,
						uint32_t node, struct guess *g)
{
	struct str name = json_str(j, node);
	enum key key = find(table, name);

	if (name.len <= NAME_MAX_LEN && name.data == j->data + j->at[node] + 1) {
		*g = (struct guess){.head = head_of(name), .mask = mask_of(name.len),
				    .len = (uint8_t)name.len, .key = (uint8_t)key};
		if (name.len > 8)
			memcpy(g->rest, name.data + 8, name.len - 8);
	}
	return key;
}

/* The guess: the n-th member is what it was in the record before, as it is in all records of one
 * exporter. A name without escapes that is the same up to its closing quote is the same. */
static inline bool guessed(const struct guess *g, const char *name)
{
	return LIKELY((load8(name) & g->mask) == g->head && name[g->len] == '"') &&
	       (LIKELY(g->len <= 8) || memcmp(name + 8, g->rest, g->len - 8u) == 0);
}

void fields_read(struct key_table *table, const struct json *j, uint32_t object,
		 enum fields_place place, struct fields *out)
{
	uint64_t seen = 0, nulls = 0, twice = 0;
	struct guess *first = table->guesses[place], *g = first;

	for (uint32_t key = json_first(j, object); key; key = json_next_key(j, key)) {
		enum key k = guessed(g, j->data + j->at[key] + 1) ? (enum key)g->key
								  : learn(table, j, key, g);
		uint64_t bit = (uint64_t)1 << k;
		g = g + 1 == first + GUESS_COUNT ? first : g + 1;
		bool null = json_kind(j, key + 2) == 'n';
		if (UNLIKELY(seen & bit & ~(uint64_t)1)) {
			/* Some write every spelling of every type, null but for one. */
			bool spellings = (null || nulls & bit) &&
					 !str_eq(json_str(j, key), json_str(j, out->node[k] - 2));
			twice |= spellings ? 0 : bit;
			if (null)
				continue;
			nulls &= ~bit;
		}
		seen |= bit;
		out->node[k] = key + 2;
		if (UNLIKELY(null))
			nulls |= bit;
	}
	/* Of a key that is there twice nobody reads the value. Any number of other names is fine. */
	out->twice = twice;
	out->present = seen & ~nulls & ~(uint64_t)1;
}
