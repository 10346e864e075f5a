/* near_name.c - the number under which the state keeps the open parts of a near over messages. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "rules/loader.h"

/* Order counts. */
static uint64_t mix(uint64_t hash, uint64_t next)
{
	return hash * 0x9e3779b97f4a7c15u + next;
}

/* A hash of what is written at `node`. */
static uint64_t text_hash(const struct yaml_node *node)
{
	uint64_t hash = mix((uint64_t)node->kind, node->count);

	switch (node->kind) {
	case YAML_SCALAR:
		return hash_64(node->text);
	case YAML_LIST:
		for (size_t i = 0; i < node->count; i++)
			hash = mix(hash, text_hash(node->items[i]));
		break;
	case YAML_MAP:
		for (size_t i = 0; i < node->count; i++)
			hash = mix(mix(hash, text_hash(node->pairs[i].key)),
				   text_hash(node->pairs[i].value));
		break;
	}
	return hash;
}

uint32_t near_name(struct cond_count *count, struct arena *arena, const struct yaml_node *of,
		   int messages)
{
	uint32_t name = (uint32_t)(mix(text_hash(of), (uint64_t)messages) >> 32);

	for (size_t i = 0; i < count->nears.count;)
		if (count->nears.items[i++] == name) {
			name++;
			i = 0; /* that one may be taken as well */
		}
	*VEC_ADD(arena, &count->nears) = name;
	return name;
}
