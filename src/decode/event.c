/* event.c - our own events, read back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/event.h"

#include "decode/own.h"

enum { SEQUENCE_DIGITS = 20 };

/* In the order in which send/encode writes them, so that most are found at the first compare. */
#define FIELDS(X)                                                                                  \
	X(corpid)                                                                                  \
	X(external_userid)                                                                         \
	X(userids)                                                                                 \
	X(roomid)                                                                                  \
	X(chat)                                                                                    \
	X(from)                                                                                    \
	X(from_role)                                                                               \
	X(msgid)                                                                                   \
	X(msgtime)                                                                                 \
	X(late)                                                                                    \
	X(pack)                                                                                    \
	X(rule)                                                                                    \
	X(ruleset)                                                                                 \
	X(cause)                                                                                   \
	X(by)                                                                                      \
	X(ladder)                                                                                  \
	X(from_stage)                                                                              \
	X(to_stage)                                                                                \
	X(severity)                                                                                \
	X(category)                                                                                \
	X(title)                                                                                   \
	X(count)                                                                                   \
	X(msgids)                                                                                  \
	X(alert_id)                                                                                \
	X(recalled)                                                                                \
	X(add)                                                                                     \
	X(remove)                                                                                  \
	X(evidence)                                                                                \
	X(truncated)

enum field {
#define X(name) FIELD_##name,
	FIELDS(X)
#undef X
		FIELD_COUNT,
};

static const struct str field_names[FIELD_COUNT] = {
#define X(name) {#name, sizeof #name - 1},
	FIELDS(X)
#undef X
};

static const char *const types[] = {EVENT_CE_TYPES(AS_NAME)};
static const char *const chats[] = {CHAT_NAMES(AS_NAME)};
static const char *const roles[] = {ROLE_NAMES(AS_NAME)};
static const char *const causes[] = {CAUSE_NAMES(AS_NAME)};
static const char *const severities[] = {SEVERITY_NAMES(AS_NAME)};
static const char *const folds[] = {FOLD_NAMES(AS_NAME)};

struct event_reader {
	struct decoder *decoder;
};

int event_reader_new(struct event_reader **out, struct err *err)
{
	/* Evidence repeats parts of a message, so an event may be larger than one. */
	struct decode_settings settings = {.record_bytes_max = 16 * RECORD_BYTES_MAX};
	OWNED(event_reader) *r = calloc(1, sizeof *r);

	if (!r)
		return err_set(err, ERR_OS, "decode: out of memory");
	if (decoder_new(&r->decoder, &settings, err) < 0)
		return -1;
	*out = TAKE(r);
	return 0;
}

void event_reader_free(struct event_reader *r)
{
	if (!r)
		return;
	decoder_free(r->decoder);
	free(r);
}

/* ---- values ---- */

/* The data of the event at hand. */
struct data {
	struct decoder *d;
	const struct json *json;
	uint32_t node[FIELD_COUNT]; /* 0: absent or null */
};

static void find_fields(struct data *data)
{
	const struct json *j = data->json;
	uint32_t seen = 0;
	unsigned next = 0; /* the field that comes next if they are in our order */

	_Static_assert(FIELD_COUNT <= 32, "a set of fields fits into 32 bits");
	for (uint32_t key = json_first(j, 0); key; key = json_next_key(j, key)) {
		struct str name = json_str(j, key);
		unsigned tried = 0;
		while (tried < FIELD_COUNT && !str_eq(field_names[(next + tried) % FIELD_COUNT], name))
			tried++;
		if (tried == FIELD_COUNT)
			continue;
		unsigned f = (next + tried) % FIELD_COUNT;
		if (seen & 1u << f)
			decoder_fail(data->d, DECODE_BAD_FIELD);
		seen |= 1u << f;
		data->node[f] = json_kind(j, key + 2) == 'n' ? 0 : key + 2;
		next = f + 1;
	}
}

static struct str text(const struct data *data, enum field field)
{
	return value_str(data->d, data->json, data->node[field]);
}

static const struct str *texts(const struct data *data, enum field field, size_t *count)
{
	return value_strs(data->d, data->json, data->node[field], count);
}

static bool truth(const struct data *data, enum field field)
{
	return value_bool(data->d, data->json, data->node[field]);
}

/* The place of `word` in `words`; an unknown one fails the record, an absent one is 0. */
static unsigned word_of(struct decoder *d, struct str word, const char *const *words, size_t count)
{
	for (unsigned i = 0; i < count; i++)
		if (str_eq(str_of(words[i]), word))
			return i;
	if (word.len)
		decoder_fail(d, DECODE_BAD_FIELD);
	return 0;
}
#define WORD_OF(d, word, words) word_of(d, word, words, ARRAY_LEN(words))

/* 8-4-4-4-12 hexadecimal digits (RFC 9562). */
static bool is_uuid(struct str s)
{
	if (s.len != UUID_LEN)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
		if (dash ? c != '-' : !hex)
			return false;
	}
	return true;
}

static void read_uuid(struct decoder *d, struct str s, char out[UUID_LEN])
{
	if (is_uuid(s))
		memcpy(out, s.data, UUID_LEN);
	else
		decoder_fail(d, DECODE_BAD_FIELD);
}

/* With three decimals, as we write it: 2023-11-14T22:13:20.123Z. */
static bool read_time(struct str s, int64_t *out_ms)
{
	return s.len == sizeof "2023-11-14T22:13:20.123Z" - 1 && str_to_time(s, out_ms);
}

/* ---- headers ---- */

static struct str header(const struct event_header *headers, size_t count, struct str name)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(headers[i].name, name))
			return headers[i].value;
	return (struct str){0};
}

static void read_headers(struct decoder *d, const struct event_header *headers, size_t count,
			 struct event_row *row)
{
	struct event *e = &row->event;
	struct str type = header(headers, count, STR("ce_type"));
	struct str sequence = header(headers, count, STR("ce_sequence"));

	if (type.len == 0 || !read_time(header(headers, count, STR("ce_time")), &e->time_ms))
		decoder_fail(d, DECODE_BAD_FIELD);
	e->type = (enum event_type)WORD_OF(d, type, types);
	read_uuid(d, header(headers, count, STR("ce_id")), e->id);
	row->source = header(headers, count, STR("ce_source"));
	e->subject = header(headers, count, STR("ce_subject"));
	if (sequence.len && (sequence.len != SEQUENCE_DIGITS || !str_to_u64(sequence, &e->sequence)))
		decoder_fail(d, DECODE_BAD_FIELD);
}

/* ---- data ---- */

static const struct tag_change *read_changes(const struct data *data, enum field field,
					     size_t *count)
{
	const struct json *j = data->json;
	uint32_t node = data->node[field];

	*count = 0;
	if (!node)
		return NULL;
	if (json_kind(j, node) != '[') {
		decoder_fail(data->d, DECODE_BAD_FIELD);
		return NULL;
	}
	struct tag_change *items = arena_alloc(data->d->arena, (j->after[node] - node) / 2 * sizeof *items);
	for (uint32_t i = json_first(j, node); i; i = json_next(j, i)) {
		struct tag_change *c = &items[*count];
		if (json_kind(j, i) != '{') {
			decoder_fail(data->d, DECODE_BAD_FIELD);
			return NULL;
		}
		c->group = value_str(data->d, j, value_member(data->d, j, i, STR("group")));
		c->tag = value_str(data->d, j, value_member(data->d, j, i, STR("tag")));
		c->wecom_id = value_str(data->d, j, value_member(data->d, j, i, STR("wecom_id")));
		c->userids = value_strs(data->d, j, value_member(data->d, j, i, STR("userids")),
					&c->userid_count);
		++*count;
	}
	return items;
}

static uint32_t read_offset(struct decoder *d, const struct json *j, uint32_t object,
			    struct str name)
{
	uint64_t value = value_u64(d, j, value_member(d, j, object, name));
	if (value > UINT32_MAX)
		decoder_fail(d, DECODE_BAD_FIELD);
	return (uint32_t)value;
}

static void read_quote(struct decoder *d, const struct json *j, uint32_t node, struct evidence *e)
{
	size_t fold_count;
	const struct str *names =
		value_strs(d, j, value_member(d, j, node, STR("folds")), &fold_count);

	*e = (struct evidence){
		.path = value_str(d, j, value_member(d, j, node, STR("field"))),
		.start = read_offset(d, j, node, STR("start")),
		.end = read_offset(d, j, node, STR("end")),
		.char_start = read_offset(d, j, node, STR("char_start")),
		.char_end = read_offset(d, j, node, STR("char_end")),
		.text = value_str(d, j, value_member(d, j, node, STR("text"))),
		.word = value_str(d, j, value_member(d, j, node, STR("word"))),
		.forwarded = value_bool(d, j, value_member(d, j, node, STR("forwarded"))),
	};
	for (size_t i = 0; i < fold_count; i++)
		e->folds |= 1u << WORD_OF(d, names[i], folds);
}

static void read_evidence(const struct data *data, struct event_row *row)
{
	const struct json *j = data->json;
	uint32_t node = data->node[FIELD_evidence];

	if (!node)
		return;
	if (json_kind(j, node) != '[') {
		decoder_fail(data->d, DECODE_BAD_FIELD);
		return;
	}
	row->evidence_json = json_source(j, node);
	struct evidence *items =
		arena_alloc(data->d->arena, (j->after[node] - node) / 2 * sizeof *items);
	row->event.evidence = items;
	for (uint32_t i = json_first(j, node); i; i = json_next(j, i)) {
		if (json_kind(j, i) != '{') {
			decoder_fail(data->d, DECODE_BAD_FIELD);
			return;
		}
		read_quote(data->d, j, i, &items[row->event.evidence_count++]);
	}
}

static void read_alert(const struct data *data, struct event *e)
{
	e->severity = (enum severity)WORD_OF(data->d, text(data, FIELD_severity), severities);
	e->category = text(data, FIELD_category);
	e->title = text(data, FIELD_title);
	e->count = value_u64(data->d, data->json, data->node[FIELD_count]);
	e->msgids = texts(data, FIELD_msgids, &e->msgid_count);
	read_uuid(data->d, text(data, FIELD_alert_id), e->alert_id);
	e->recalled = truth(data, FIELD_recalled);
}

static void read_data(const struct data *data, struct event_row *row)
{
	struct event *e = &row->event;

	e->corpid = text(data, FIELD_corpid);
	e->external_userid = text(data, FIELD_external_userid);
	e->userids = texts(data, FIELD_userids, &e->userid_count);
	e->roomid = text(data, FIELD_roomid);
	e->chat = (enum chat)WORD_OF(data->d, text(data, FIELD_chat), chats);
	e->from = text(data, FIELD_from);
	e->from_role = (enum role)WORD_OF(data->d, text(data, FIELD_from_role), roles);
	e->msgid = text(data, FIELD_msgid);
	e->msgtime_ms = value_i64(data->d, data->json, data->node[FIELD_msgtime]);
	e->late = truth(data, FIELD_late);
	e->pack = text(data, FIELD_pack);
	e->rule = text(data, FIELD_rule);
	e->ruleset = text(data, FIELD_ruleset);
	e->cause = (enum cause)WORD_OF(data->d, text(data, FIELD_cause), causes);
	e->by = text(data, FIELD_by);
	e->ladder = text(data, FIELD_ladder);
	e->from_stage = text(data, FIELD_from_stage);
	e->to_stage = text(data, FIELD_to_stage);
	if (e->type == EVENT_ALERT)
		read_alert(data, e);
	e->add = read_changes(data, FIELD_add, &e->add_count);
	e->remove = read_changes(data, FIELD_remove, &e->remove_count);
	read_evidence(data, row);
	e->truncated = truth(data, FIELD_truncated);
}

/* ce_subject is "corpid/subject"; others may write a corp with a "/", so the corp of the data tells
 * where. */
static void part_subject(struct decoder *d, struct event *e)
{
	if (!str_starts(e->subject, e->corpid) || e->subject.len <= e->corpid.len + 1 ||
	    e->subject.data[e->corpid.len] != '/')
		decoder_fail(d, DECODE_BAD_FIELD);
	else
		e->subject = str_from(e->subject, e->corpid.len + 1);
}

enum decode_result decode_event(struct event_reader *r, const struct record *record,
				const struct event_header *headers, size_t header_count,
				struct arena *arena, struct event_row *out)
{
	struct decoder *d = r->decoder;
	struct event_row row = {.data = record->value};
	struct object outer;

	decode_begin(d, directory_empty(), record, arena, NULL);
	enum decode_result result = decode_open(d, &outer);
	if (result != DECODE_DONE)
		return result;

	struct data data = {.d = d, .json = &outer.json};
	find_fields(&data);
	read_headers(d, headers, header_count, &row);
	read_data(&data, &row);
	if (row.event.msgid.len == 0)
		decoder_fail(d, DECODE_NO_MSGID);
	if (row.event.corpid.len == 0)
		decoder_fail(d, DECODE_NO_CORP);
	part_subject(d, &row.event);
	if (d->failed == DECODE_DONE)
		*out = row;
	return d->failed;
}
