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
	uint8_t form; /* enum dead_form */
};

struct letters {
	struct letters_settings settings;
	struct letter *slots; /* open addressing, at most half full */
	size_t mask, count;
	struct buf bytes;
	struct kafka_headers headers;
	struct dead_letter made;
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
	kafka_headers_fini(&l->headers);
	dead_letter_fini(&l->made);
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

static uint64_t hash_of(struct letters *l, struct str key, struct str value,
			const struct kafka_headers *headers)
{
	buf_clear(&l->bytes);
	put(&l->bytes, key);
	for (size_t i = 0; i < headers->count; i++) {
		put(&l->bytes, str_of(headers->items[i].name));
		put(&l->bytes, headers->items[i].value);
	}
	return hash_64(buf_str(&l->bytes)) ^ hash_64(value);
}

void letters_add(struct letters *l, const struct consumed *got)
{
	struct kafka_headers *headers = &l->headers;
	struct letter letter = {.offset = got->record.offset, .partition = got->record.partition,
				.used = true};
	int64_t partition, offset;
	struct str bytes;

	consumed_headers_all(got, headers);
	struct str topic = kafka_headers_last(headers, "__connect.errors.topic");
	struct str error = kafka_headers_last(headers, "chatmill.error");
	if (!str_to_i64(kafka_headers_last(headers, "__connect.errors.partition"), &partition))
		partition = -1;
	if (!str_to_i64(kafka_headers_last(headers, "__connect.errors.offset"), &offset))
		offset = -1;
	if (!str_eq(topic, str_of(l->settings.archive)) || partition < 0 || partition > INT32_MAX)
		return;
	letter.hash = hash_of(l, got->record.key, got->record.value, headers);
	letter.form = (uint8_t)dead_letter_form(headers, &bytes);
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
				 const struct kafka_headers *headers)
{
	struct letter *letter = slot_of(l->slots, l->mask, record->partition, record->offset);
	char why[100];

	if (!letter->used)
		return LETTERS_MISSING;
	letter->asked = true;
	dead_letter_make(&l->made, l->settings.archive, record, reason, detail, headers,
			 (enum dead_form)letter->form);
	if (letter->hash == hash_of(l, l->made.key, l->made.value, &l->made.headers))
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
