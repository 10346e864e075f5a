/* names.c - a hash table of texts; the number of each stands right before its bytes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/names.h"

#include "base/hash.h"
#include "base/heap.h"

enum { CHUNK_BYTES = 64 * 1024, TABLE_START = 256 };

void names_init(struct names *n)
{
	*n = (struct names){.cap = TABLE_START / 2, .count = 1, .table_size = TABLE_START};
	n->items = heap_grown(NULL, n->cap * sizeof *n->items);
	n->items[0] = (struct str){0};
	n->table = heap_zeroed(n->table_size, sizeof *n->table);
	n->bytes = n->cap * sizeof *n->items + n->table_size * sizeof *n->table;
}

void names_fini(struct names *n)
{
	for (uint32_t i = 0; i < n->chunk_count; i++)
		free(n->chunks[i]);
	free(n->chunks);
	free(n->items);
	free(n->table);
	*n = (struct names){0};
}

static void grow(struct names *n)
{
	uint32_t size = n->table_size * 2;

	n->cap = size / 2;
	n->items = heap_grown(n->items, n->cap * sizeof *n->items);
	n->table = heap_grown(n->table, size * sizeof *n->table);
	memset(n->table, 0, size * sizeof *n->table);
	n->bytes += n->table_size / 2 * sizeof *n->items + n->table_size * sizeof *n->table;
	n->table_size = size;
	for (uint32_t i = 1; i < n->count; i++) {
		uint32_t at = (uint32_t)hash_64(n->items[i]) & (size - 1);
		while (n->table[at])
			at = (at + 1) & (size - 1);
		n->table[at] = i;
	}
}

/* Room for a text and its number, aligned for the number. */
static char *room(struct names *n, size_t len)
{
	size_t bytes = (sizeof(uint32_t) + len + 3) & ~(size_t)3;

	if ((size_t)(n->chunk_end - n->chunk) < bytes) {
		size_t chunk_bytes = MAX((size_t)CHUNK_BYTES, bytes);
		if (n->chunk_count == n->chunk_cap) {
			n->chunk_cap = MAX(n->chunk_cap * 2, 16u);
			n->chunks = heap_grown(n->chunks, n->chunk_cap * sizeof *n->chunks);
		}
		n->chunk = heap_grown(NULL, chunk_bytes);
		n->chunk_end = n->chunk + chunk_bytes;
		n->chunks[n->chunk_count++] = n->chunk;
		n->bytes += chunk_bytes;
	}
	char *at = n->chunk;
	n->chunk += bytes;
	return at;
}

struct str names_keep(struct names *n, struct str text)
{
	if (text.len == 0)
		return (struct str){0};
	uint32_t at = (uint32_t)hash_64(text) & (n->table_size - 1);
	for (; n->table[at]; at = (at + 1) & (n->table_size - 1))
		if (str_eq(n->items[n->table[at]], text))
			return n->items[n->table[at]];

	char *p = room(n, text.len);
	memcpy(p, &n->count, sizeof n->count);
	memcpy(p + sizeof n->count, text.data, text.len);
	struct str kept = {p + sizeof n->count, text.len};
	n->items[n->count] = kept;
	n->table[at] = n->count++;
	if (n->count == n->cap)
		grow(n);
	return kept;
}

uint32_t names_number(struct str name)
{
	uint32_t number = 0;

	if (name.len)
		memcpy(&number, name.data - sizeof number, sizeof number);
	return number;
}

struct str names_text(const struct names *n, uint32_t number)
{
	assert(number < n->count);
	return n->items[number];
}
