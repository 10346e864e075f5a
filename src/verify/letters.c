/* letters.c - a table of dead letters by partition and offset of the archive. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/letters.h"

#include "base/hash.h"
#include "base/heap.h"

enum { SLOTS_FIRST = 1024 };

struct letter {
	int64_t source_offset, offset;
	int32_t source_partition, partition;
	uint64_t hash; /* of key, value and headers */
	char reason[16];
	bool used, asked;
};

struct letters {
	struct letters_settings settings;
	struct letter *slots; /* open addressing, at most half full */
	size_t mask, count;
	struct buf bytes;
};

int letters_new(struct letters **out, const struct letters_settings *settings, struct err *err)
{
	OWNED(letters) *l = calloc(1, sizeof *l);

	if (!l || !(l->slots = calloc(SLOTS_FIRST, sizeof *l->slots)))
		return err_set(err, ERR_OS, "verify: out of memory");
	l->settings = *settings;
	l->mask = SLOTS_FIRST - 1;
	*out = TAKE(l);
	return 0;
}

void letters_free(struct letters *l)
{
	if (!l)
		return;
	free(l->slots);
	buf_fini(&l->bytes);
	free(l);
}

static struct letter *slot_of(struct letter *slots, size_t mask, int32_t partition, int64_t offset)
{
	int64_t place[] = {partition, offset};
	size_t i = hash_64((struct str){(const char *)place, sizeof place}) & mask;

	while (slots[i].used &&
	       (slots[i].source_partition != partition || slots[i].source_offset != offset))
		i = (i + 1) & mask;
	return &slots[i];
}

static void grow(struct letters *l)
{
	size_t mask = l->mask * 2 + 1;
	struct letter *slots = heap_zeroed(mask + 1, sizeof *slots);

	for (size_t i = 0; i <= l->mask; i++)
		if (l->slots[i].used)
			*slot_of(slots, mask, l->slots[i].source_partition,
				 l->slots[i].source_offset) = l->slots[i];
	free(l->slots);
	l->slots = slots;
	l->mask = mask;
}

/* Length before bytes, so that no two lists look alike. */
static void put(struct buf *out, struct str s)
{
	uint64_t len = s.len;

	buf_put(out, (struct str){(const char *)&len, sizeof len});
	buf_put(out, s);
}

static uint64_t hash_begin(struct letters *l, const struct record *record)
{
	buf_clear(&l->bytes);
	put(&l->bytes, record->key);
	return hash_64(record->value);
}

void letters_add(struct letters *l, const struct consumed *got)
{
	struct consumed_header headers[PRODUCER_HEADERS_MAX];
	size_t count = consumed_headers(got, headers, ARRAY_LEN(headers));
	uint64_t value_hash = hash_begin(l, &got->record);
	struct letter letter = {.offset = got->record.offset, .partition = got->record.partition,
				.used = true};
	struct str topic = {0}, error = {0};
	int64_t partition = -1, offset = -1;

	for (size_t i = 0; i < count; i++) { /* the last count: a record may be a letter itself */
		struct str name = str_of(headers[i].name), value = headers[i].value;
		put(&l->bytes, name);
		put(&l->bytes, value);
		if (str_eq(name, STR("__connect.errors.topic")))
			topic = value;
		else if (str_eq(name, STR("__connect.errors.partition")))
			partition = str_to_i64(value, &partition) ? partition : -1;
		else if (str_eq(name, STR("__connect.errors.offset")))
			offset = str_to_i64(value, &offset) ? offset : -1;
		else if (str_eq(name, STR("chatmill.error")))
			error = value;
	}
	if (!str_eq(topic, str_of(l->settings.archive)) || partition < 0 || partition > INT32_MAX)
		return;
	letter.hash = hash_64(buf_str(&l->bytes)) ^ value_hash;
	letter.source_partition = (int32_t)partition;
	letter.source_offset = offset;
	memcpy(letter.reason, error.data, MIN(error.len, sizeof letter.reason - 1));
	struct letter *slot = slot_of(l->slots, l->mask, letter.source_partition, offset);
	if (slot->used) {
		char why[100];
		(void)snprintf(why, sizeof why, "the letter of this record is at %d/%lld already",
			       slot->partition, (long long)slot->offset);
		struct discrepancy d = {
			.kind = DISCREPANCY_DEAD_DOUBLED,
			.topic = l->settings.topic,
			.partition = letter.partition,
			.offset = letter.offset,
			.source_partition = letter.source_partition,
			.source_offset = offset,
			.reason = why,
		};
		l->settings.report(l->settings.context, &d);
		return;
	}
	*slot = letter;
	if (++l->count * 2 > l->mask)
		grow(l);
}

enum letters_answer letters_find(struct letters *l, const struct record *record,
				 const char *reason, const char *detail,
				 const struct consumed_header *headers, size_t header_count)
{
	struct letter *letter = slot_of(l->slots, l->mask, record->partition, record->offset);
	struct dead_headers all;
	char why[100];

	if (!letter->used)
		return LETTERS_MISSING;
	letter->asked = true;
	dead_headers_of(&all, l->settings.archive, record, reason, detail, headers, header_count);
	uint64_t value_hash = hash_begin(l, record);
	for (size_t i = 0; i < all.count; i++) {
		put(&l->bytes, str_of(all.items[i].name));
		put(&l->bytes, all.items[i].value);
	}
	if (letter->hash == (hash_64(buf_str(&l->bytes)) ^ value_hash))
		return LETTERS_THERE;
	if (strcmp(letter->reason, reason) != 0)
		(void)snprintf(why, sizeof why, "the reason should be %s", reason);
	else
		(void)snprintf(why, sizeof why, "key, value or headers differ from the record's");
	struct discrepancy d = {
		.kind = DISCREPANCY_DEAD_CHANGED,
		.topic = l->settings.topic,
		.partition = letter->partition,
		.offset = letter->offset,
		.source_partition = record->partition,
		.source_offset = record->offset,
		.reason = why,
	};
	l->settings.report(l->settings.context, &d);
	return LETTERS_CHANGED;
}

static int by_place(const void *a, const void *b)
{
	const struct letter *x = a, *y = b;

	if (x->partition != y->partition)
		return x->partition < y->partition ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

void letters_close(struct letters *l,
		   bool (*judged)(void *context, int32_t partition, int64_t offset))
{
	size_t count = 0;

	for (size_t i = 0; i <= l->mask; i++)
		if (l->slots[i].used && !l->slots[i].asked &&
		    judged(l->settings.context, l->slots[i].source_partition,
			   l->slots[i].source_offset))
			l->slots[count++] = l->slots[i];
	qsort(l->slots, count, sizeof *l->slots, by_place);
	for (size_t i = 0; i < count; i++) {
		const struct letter *letter = &l->slots[i];
		struct discrepancy d = {
			.kind = DISCREPANCY_DEAD_UNEXPECTED,
			.topic = l->settings.topic,
			.partition = letter->partition,
			.offset = letter->offset,
			.source_partition = letter->source_partition,
			.source_offset = letter->source_offset,
			.reason = "its record can be used, or is not on the archive",
		};
		l->settings.report(l->settings.context, &d);
	}
	memset(l->slots, 0, (l->mask + 1) * sizeof *l->slots);
	l->count = 0;
}
