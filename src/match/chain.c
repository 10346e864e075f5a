/* chain.c - which hits in one text stand near enough to each other. */
/* SPDX-License-Identifier: Apache-2.0 */

/* Of the beginnings of chains with the same parts, the one that reaches farthest serves best,
 * whatever follows; of the endings, the one that asks for the least reach. So one number for each
 * set of parts is enough in each direction. A place is taken if some beginning that ends with it
 * reaches as far as some ending behind it asks. What beginnings reach is only kept for one block of
 * places at a time, and made anew for each from what stood at its start. */
#include "match/chain.h"

enum { BLOCK = 64 };

static const int64_t NONE = -1;		/* no beginning has these parts */
static const int64_t NEVER = INT64_MAX; /* no ending has these parts */

struct chain {
	unsigned sets; /* of parts: 2^parts */
	int64_t chars;
	bool ordered;
};

static void start_over(const struct chain *c, int64_t *reach)
{
	for (unsigned s = 1; s < c->sets; s++)
		reach[s] = NONE;
	reach[0] = 0;
}

/* Takes place `p` into the beginnings. own[s]: how far those reach that end with p, s being the
 * parts before it. */
static void forward(const struct chain *c, const struct place *p, int64_t *reach, int64_t *own)
{
	unsigned bit = 1u << p->part;

	for (unsigned s = 0; s < c->sets; s++) {
		own[s] = NONE;
		if (s & bit || reach[s] == NONE || (c->ordered && s != bit - 1) ||
		    (s && p->start - reach[s] > c->chars))
			continue;
		own[s] = MAX(reach[s], (int64_t)p->end);
		reach[s | bit] = MAX(reach[s | bit], own[s]);
	}
}

/* Takes place `p` into the endings, after it was asked whether it is taken. */
static void backward(const struct chain *c, const struct place *p, int64_t *asked)
{
	unsigned bit = 1u << p->part, behind = (c->sets - 1) & ~(bit | (bit - 1));

	for (unsigned s = 0; s < c->sets; s++) {
		if (s & bit || asked[s] == NEVER || (c->ordered && s != behind))
			continue;
		int64_t ask = p->start - c->chars;
		if (p->end < asked[s])
			ask = MAX(ask, asked[s]);
		asked[s | bit] = MIN(asked[s | bit], ask);
	}
}

static bool is_taken(const struct chain *c, const struct place *p, const int64_t *own,
		     const int64_t *asked)
{
	unsigned all = c->sets - 1, bit = 1u << p->part;

	for (unsigned s = 0; s < c->sets; s++)
		if (own[s] != NONE && own[s] >= asked[all & ~(s | bit)])
			return true;
	return false;
}

void chain_mark(struct place *places, size_t count, unsigned parts, uint32_t chars, bool ordered,
		struct arena *arena)
{
	struct chain c = {1u << parts, chars, ordered};
	size_t blocks = (count + BLOCK - 1) / BLOCK, row = c.sets * sizeof(int64_t);
	int64_t *reach = arena_alloc(arena, row), *asked = arena_alloc(arena, row);
	int64_t *own = arena_alloc(arena, MIN(count, (size_t)BLOCK) * row);
	int64_t *at_block = arena_alloc(arena, blocks * row);

	start_over(&c, reach);
	for (size_t i = 0; i < count; i++) {
		if (i % BLOCK == 0)
			memcpy(at_block + i / BLOCK * c.sets, reach, row);
		forward(&c, &places[i], reach, own);
	}
	for (unsigned s = 1; s < c.sets; s++)
		asked[s] = NEVER;
	asked[0] = 0;
	for (size_t block = blocks; block-- > 0;) {
		size_t first = block * BLOCK, end = MIN(first + BLOCK, count);
		int64_t *from = at_block + block * c.sets;
		for (size_t i = first; i < end; i++)
			forward(&c, &places[i], from, own + (i - first) * c.sets);
		for (size_t i = end; i-- > first;) {
			places[i].taken = is_taken(&c, &places[i], own + (i - first) * c.sets, asked);
			backward(&c, &places[i], asked);
		}
	}
}
