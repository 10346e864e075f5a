/* shard_copy.c - a shard in pieces, packed as it lies in memory, for snapshots. */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A piece, all numbers and texts as codec.h has them:
 *	number of the first new name, count, their texts
 *	number of the first new corp, count, the numbers of their names
 *	then to the end, for each subject: number of the corp, text id, when it falls due + 1 (0:
 *	never), text packed form
 *
 * Names and corps get the same numbers when they are taken in the same order into a new shard: so
 * packed forms are copied as they are, both ways, and nothing is unpacked.
 */
#include "state/shard_parts.h"

static void put_new_names(const struct shard *s, struct shard_cursor *cursor, struct buf *out)
{
	cursor->names = MAX(cursor->names, 1u); /* 0 is the empty name */
	codec_put_number(out, cursor->names);
	codec_put_number(out, s->names.count - cursor->names);
	for (; cursor->names < s->names.count; cursor->names++)
		codec_put_text(out, s->names.items[cursor->names]);
	codec_put_number(out, cursor->corps);
	codec_put_number(out, s->corp_count - cursor->corps);
	for (; cursor->corps < s->corp_count; cursor->corps++)
		codec_put_number(out, names_number(s->corps[cursor->corps].id));
}

void shard_copy(struct shard *s, struct shard_cursor *cursor, size_t bytes, struct buf *out)
{
	size_t start = out->len;

	assert(!s->open && !cursor->done);
	put_new_names(s, cursor, out);
	for (; cursor->slots < s->table.slot_count && out->len - start < bytes; cursor->slots++) {
		const struct slot *slot = &s->table.slots[cursor->slots];
		if (!slot->block)
			continue;
		codec_put_number(out, slot->corp);
		codec_put_text(out, table_id(&s->table, cursor->slots));
		codec_put_number(out, slot->due_ms == INT64_MAX ? 0 : (uint64_t)slot->due_ms + 1);
		codec_put_text(out, table_packed(&s->table, cursor->slots));
	}
	cursor->done = cursor->slots >= s->table.slot_count;
}

static bool take_names(struct shard *s, struct str *in)
{
	uint64_t first, count, number;
	struct str text;

	if (!codec_get_number(in, &first) || !codec_get_number(in, &count) ||
	    first != s->names.count)
		return false;
	for (uint64_t i = 0; i < count; i++)
		if (!codec_get_text(in, &text) || !text.len ||
		    names_number(names_keep(&s->names, text)) != first + i)
			return false;
	if (!codec_get_number(in, &first) || !codec_get_number(in, &count) || first != s->corp_count)
		return false;
	for (uint64_t i = 0; i < count; i++)
		if (!codec_get_number(in, &number) || number == 0 || number >= s->names.count ||
		    shard_corp(s, names_text(&s->names, (uint32_t)number)) != first + i)
			return false;
	return true;
}

bool shard_take_copy(struct shard *s, struct str piece)
{
	uint64_t corp, due;
	struct str id, packed;

	assert(!s->open);
	table_unqueue(&s->table);
	if (!take_names(s, &piece))
		return false;
	while (piece.len) {
		if (!codec_get_number(&piece, &corp) || !codec_get_text(&piece, &id) ||
		    !codec_get_number(&piece, &due) || !codec_get_text(&piece, &packed) ||
		    corp >= s->corp_count || !packed.len || due > INT64_MAX)
			return false;
		/* It may be there: who is forgotten while the copy is made, and comes back, is
		 * copied twice. The changelog tells what is true of both. */
		table_put(&s->table, (uint32_t)corp, id, packed,
			  due ? (int64_t)due - 1 : INT64_MAX);
	}
	table_tidy(&s->table);
	return true;
}
