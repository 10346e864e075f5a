/* ledger.c - pairs events that are expected with events that are found. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/ledger_parts.h"

#include "base/hash.h"
#include "base/heap.h"
#include "verify/difference.h"

enum {
	BUCKETS_FIRST = 4096,
	KEPT_BYTES_MAX = 64 << 20, /* bytes kept to say later what differs; beyond only hashes */
};

int ledger_new(struct ledger **out, const struct ledger_settings *settings, struct err *err)
{
	OWNED(ledger) *l = calloc(1, sizeof *l);

	if (!l || !(l->buckets = calloc(BUCKETS_FIRST, sizeof *l->buckets)))
		return err_set(err, ERR_OS, "verify: out of memory");
	l->settings = *settings;
	l->mask = BUCKETS_FIRST - 1;
	*out = TAKE(l);
	return 0;
}

/* ---- groups ---- */

struct ledger_group *ledger_group_new(void)
{
	struct ledger_group *g = heap_zeroed(1, sizeof *g);

	g->refs = 1;
	return g;
}

void ledger_group_release(struct ledger_group *g)
{
	if (g && --g->refs == 0)
		free(g);
}

/* ---- entries ---- */

void ledger_drop(struct ledger *l, struct entry *e)
{
	l->kept_bytes -= e->headers_len + e->value_len;
	if (e->found)
		l->surplus--;
	else
		l->expected--;
	ledger_group_release(e->source.group);
	free(e);
}

void ledger_free(struct ledger *l)
{
	if (!l)
		return;
	for (size_t i = 0; l->buckets && i <= l->mask; i++)
		while (l->buckets[i]) {
			struct entry *e = l->buckets[i];
			l->buckets[i] = e->next;
			ledger_drop(l, e);
		}
	free(l->buckets);
	buf_fini(&l->headers);
	free(l);
}

static uint64_t hash_of(const struct ledger_stream *stream, struct str id)
{
	return hash_64(id) ^ (uint64_t)(uintptr_t)stream->topic;
}

/* The oldest of the other side with this topic and id: where it is linked, or NULL. */
static struct entry **find(const struct ledger *l, const struct ledger_stream *stream,
			   uint64_t hash, struct str id, bool found)
{
	for (struct entry **at = &l->buckets[hash & l->mask]; *at; at = &(*at)->next) {
		const struct entry *e = *at;
		if (e->hash == hash && e->found == found && e->stream->topic == stream->topic &&
		    str_eq(id, (struct str){e->id, UUID_LEN}))
			return at;
	}
	return NULL;
}

static void grow(struct ledger *l)
{
	size_t mask = l->mask * 2 + 1;
	struct entry **buckets = calloc(mask + 1, sizeof(struct entry *));

	if (!buckets)
		return; /* longer chains only cost time */
	for (size_t i = 0; i <= l->mask; i++)
		while (l->buckets[i]) {
			struct entry *e = l->buckets[i], **end = &buckets[e->hash & mask];
			l->buckets[i] = e->next;
			while (*end)
				end = &(*end)->next;
			e->next = NULL;
			*end = e;
		}
	free(l->buckets);
	l->buckets = buckets;
	l->mask = mask;
}

static void put_headers(struct buf *out, const struct sheet *sheet)
{
	buf_clear(out);
	for (size_t i = 0; i < sheet->header_count; i++) {
		buf_put(out, str_of(sheet->headers[i].name));
		buf_putc(out, '=');
		buf_put(out, sheet->headers[i].value);
		buf_putc(out, '\n');
	}
}

/* Appends an entry behind those of the same id: the oldest meets first. */
static struct entry *add(struct ledger *l, struct ledger_stream *stream, uint64_t hash,
			 const struct sheet *sheet, bool found)
{
	size_t bytes = l->headers.len + sheet->value.len;
	bool keep = l->kept_bytes + bytes <= KEPT_BYTES_MAX;
	struct entry *e = heap_zeroed(1, sizeof *e + (keep ? bytes : 0));

	*e = (struct entry){.stream = stream, .hash = hash, .found = found, .offset = -1, .twin = -1};
	memcpy(e->id, sheet->id.data, UUID_LEN);
	e->key_hash = hash_64(sheet->key);
	e->headers_hash = hash_64(buf_str(&l->headers));
	e->value_hash = hash_64(sheet->value);
	if (keep && bytes) {
		e->headers_len = (uint32_t)l->headers.len;
		e->value_len = (uint32_t)sheet->value.len;
		memcpy(e->kept, l->headers.data, l->headers.len);
		memcpy(e->kept + l->headers.len, sheet->value.data, sheet->value.len);
		l->kept_bytes += bytes;
	}
	if (l->expected + l->surplus > l->mask)
		grow(l);
	struct entry **end = &l->buckets[hash & l->mask];
	while (*end)
		end = &(*end)->next;
	*end = e;
	l->expected += !found;
	l->surplus += found;
	return e;
}

/* ---- a pair ---- */

void ledger_report(const struct ledger *l, enum discrepancy_kind kind,
		   const struct ledger_stream *stream, int64_t offset, const char *id,
		   int64_t source_offset, const char *reason)
{
	struct discrepancy d = {
		.kind = kind,
		.topic = stream->topic,
		.partition = stream->partition,
		.offset = offset,
		.id = {id, UUID_LEN},
		.source_partition = source_offset < 0 ? -1 : stream->source_partition,
		.source_offset = source_offset,
		.reason = reason,
	};

	l->settings.report(l->settings.context, &d);
}

struct context {
	const struct ledger *ledger;
	const struct ledger_stream *stream;
};

static void report_order(void *context, const struct order_place *place,
			 const struct order_place *before)
{
	const struct context *c = context;
	char why[120];

	(void)snprintf(why, sizeof why, "it stands behind event %.36s, which was made later",
		       before->id);
	ledger_report(c->ledger, DISCREPANCY_DISORDER, c->stream, place->offset, place->id,
	       place->source_offset, why);
}

static void look_at_order(struct ledger *l, struct ledger_stream *s, bool end)
{
	struct context context = {l, s};

	order_look(&s->order, end, report_order, &context);
}

void ledger_end_stream(struct ledger *l, struct ledger_stream *stream)
{
	look_at_order(l, stream, true);
	order_fini(&stream->order);
	stream->order = (struct order){0};
}

static void check_bytes(struct ledger *l, const struct entry *e, const struct sheet *sheet,
			int64_t offset, const struct ledger_source *source)
{
	struct str headers = buf_str(&l->headers);
	char why[160];

	if (source->side)
		return;
	if (e->key_hash != hash_64(sheet->key)) {
		ledger_report(l, DISCREPANCY_CHANGED, e->stream, offset, e->id, source->offset,
		       "the key differs");
	} else if (e->headers_hash != hash_64(headers)) {
		difference_in_lines(why, sizeof why, (struct str){e->kept, e->headers_len}, headers);
		ledger_report(l, DISCREPANCY_CHANGED, e->stream, offset, e->id, source->offset, why);
	} else if (e->value_hash != hash_64(sheet->value)) {
		difference_in_object(why, sizeof why,
				     (struct str){e->kept + e->headers_len, e->value_len},
				     sheet->value);
		ledger_report(l, DISCREPANCY_CHANGED, e->stream, offset, e->id, source->offset, why);
	}
}

/* What lies on the topic between events of the range is of it, even if nothing makes it. */
static void note_range(struct ledger_stream *s, int64_t offset, int side)
{
	if (side < 0)
		s->from_offset = MAX(s->from_offset, offset);
	else if (side > 0)
		s->until_offset = MIN(s->until_offset, offset);
}

static void put_in_order(struct ledger *l, const struct entry *e, struct ledger_stream *stream,
			 struct order_place *place)
{
	memcpy(place->id, e->id, UUID_LEN);
	if (e->found)
		order_fill(&stream->order, e->place, place);
	else
		(void)order_take(&stream->order, place);
	look_at_order(l, stream, false);
}

/* `want` is where the event belongs, `have` where it stands. */
static void meet(struct ledger *l, const struct entry *e, const struct sheet *sheet,
		 struct ledger_stream *want, const struct ledger_stream *have, uint64_t number,
		 int64_t offset, const struct ledger_source *source)
{
	l->counts.met++;
	if (source->group)
		source->group->met++;
	if (want->partition != have->partition) {
		if (source->side == 0)
			ledger_report(l, DISCREPANCY_CHANGED, have, offset, e->id, source->offset,
			       "it stands on a partition that is not that of its key");
		return;
	}
	if (want == have) /* else the key differs, and was of another partition of the archive */
		put_in_order(l, e, want, &(struct order_place){offset, number, source->offset,
							       source->side == 0, {0}});
	want->met = true;
	check_bytes(l, e, sheet, offset, source);
	note_range(want, offset, source->side);
	if (source->ahead && source->side == 0)
		ledger_report(l, DISCREPANCY_TORN, want, offset, e->id, source->offset,
		       "it is on the topic, but the position in the state is not behind its record");
}

/* ---- both sides ---- */

static uint64_t begin(struct ledger *l, const struct ledger_stream *stream, const struct sheet *sheet)
{
	assert(sheet->id.len == UUID_LEN);
	put_headers(&l->headers, sheet);
	return hash_of(stream, sheet->id);
}

enum ledger_answer ledger_expect(struct ledger *l, struct ledger_stream *stream,
				 const struct ledger_source *source, const struct sheet *sheet,
				 struct ledger_meeting *meeting)
{
	uint64_t hash = begin(l, stream, sheet), number = ++stream->number;
	struct entry **at = find(l, stream, hash, sheet->id, true);

	if (source->group)
		source->group->expected++;
	if (at) {
		struct entry *e = *at;
		*at = e->next;
		*meeting = (struct ledger_meeting){e->offset, source->side == 0};
		meet(l, e, sheet, stream, e->stream, number, e->offset, source);
		ledger_drop(l, e);
		return LEDGER_MET;
	}
	if (stream->begins_late && !stream->met) {
		l->counts.passed++;
		return LEDGER_PASSED;
	}
	struct entry *e = add(l, stream, hash, sheet, false);
	e->number = number;
	e->source = *source;
	if (source->group)
		source->group->refs++;
	return LEDGER_WAITS;
}

enum ledger_answer ledger_found(struct ledger *l, struct ledger_stream *stream, int64_t offset,
				const struct sheet *sheet, struct ledger_meeting *meeting)
{
	uint64_t hash = begin(l, stream, sheet);
	struct entry **at = find(l, stream, hash, sheet->id, false);

	if (!at) {
		struct entry *e = add(l, stream, hash, sheet, true);
		e->offset = offset;
		e->place = order_take(&stream->order, &(struct order_place){.offset = offset});
		return LEDGER_WAITS;
	}
	struct entry *e = *at;
	*at = e->next;
	*meeting = (struct ledger_meeting){offset, e->source.side == 0};
	meet(l, e, sheet, e->stream, stream, e->number, offset, &e->source);
	ledger_drop(l, e);
	return LEDGER_MET;
}

size_t ledger_expected(const struct ledger *l)
{
	return l->expected;
}

size_t ledger_surplus(const struct ledger *l)
{
	return l->surplus;
}

void ledger_seen_again(struct ledger *l, const struct ledger_stream *stream, int64_t offset,
		       struct str id)
{
	uint64_t hash = hash_of(stream, id);

	for (struct entry *e = l->buckets[hash & l->mask]; e; e = e->next)
		if (e->found && e->hash == hash && e->stream->topic == stream->topic &&
		    e->offset != offset && str_eq(id, (struct str){e->id, UUID_LEN}))
			e->twin = offset;
}

struct ledger_counts ledger_counts(const struct ledger *l)
{
	return l->counts;
}
