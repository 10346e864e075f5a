/* decode.c - from the bytes of a record to a message: the order of the steps. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/decode.h"

#include "base/digest.h"
#include "decode/envelope.h"
#include "decode/own.h"
#include "decode/roles.h"
#include "decode/texts.h"

/* Offsets in texts and spans have 32 bits, and stage 1 too. */
static const size_t record_bytes_limit = (size_t)256 * 1024 * 1024;

static const struct {
	const char *name, *detail;
} results[DECODE_RESULT_COUNT] = {
        [DECODE_DONE] = {"done",           "the record is a message"                                     },
        [DECODE_NULL] = {"null",           "the record has no value"                                     },
        [DECODE_BAD_JSON] = {"bad_json",       "the value is not one object of valid JSON"                   },
        [DECODE_BAD_UTF8] = {"bad_utf8",       "the value is not valid UTF-8"                                },
        [DECODE_TOO_BIG] = {"too_big",        "the value is larger than a record may be"                    },
        [DECODE_TOO_DEEP] = {"too_deep",       "the JSON is nested deeper than 64"                           },
        [DECODE_NO_MSGID] = {"no_msgid",       "the record has no msgid"                                     },
        [DECODE_NO_SENDER] = {"no_sender",      "the message has no sender"                                   },
        [DECODE_BAD_FIELD] = {"bad_field",      "a field is of the wrong kind, out of range, "
                                           "missing, or there twice"},
        [DECODE_ENCRYPTED] = {"encrypted",      "the record has only the encrypted message"                   },
        [DECODE_DECRYPT_FAILED] = {"decrypt_failed", "the exporter could not decrypt the message"                  },
        [DECODE_NO_CORP] = {"no_corp",        "the record names no corp, and none is configured"            },
        [DECODE_MISROUTED] = {"misrouted",      "the subject belongs to another partition"                    },
        [DECODE_BATCH] = {"batch",          "the record is a batch of messages; load or rekey splits it"  },
};

const char *decode_result_name(enum decode_result result)
{
	assert((unsigned)result < DECODE_RESULT_COUNT);
	return results[result].name;
}

const char *decode_result_detail(enum decode_result result)
{
	assert((unsigned)result < DECODE_RESULT_COUNT);
	return results[result].detail;
}

/* Keys are corpid/subject, and the first "/" ends the corp: the state would take up "a/b" as a customer
 * "b/…" of "a". WeCom's are letters, digits, "-" and "_". */
static bool is_corp(struct str corpid)
{
	return corpid.len == 0 || !memchr(corpid.data, '/', corpid.len);
}

int decode_check_corpid(struct str corpid, struct err *err)
{
	if (corpid.len > MSGID_BYTES_MAX)
		return err_set(err, ERR_CONFIG, "a corpid of %zu bytes; at most %d are read", corpid.len,
			       MSGID_BYTES_MAX);
	if (!is_corp(corpid))
		return err_set(err, ERR_CONFIG, "a corpid has no \"/\", which ends it in keys");
	return 0;
}

int decoder_new(struct decoder **out, const struct decode_settings *settings, struct err *err)
{
	if (settings->record_bytes_max > record_bytes_limit)
		return err_set(err, ERR_CONFIG,
		               "decode: records of %zu bytes; at most %zu are read",
		               settings->record_bytes_max, record_bytes_limit);
	if (decode_check_corpid(settings->corpid, err) < 0)
		return err_wrap(err, "decode");

	OWNED(decoder) *d = calloc(1, sizeof *d);
	if (!d || !(d->parser = json_parser_new()) || !(d->keys = key_table_new()))
		return err_set(err, ERR_OS, "decode: out of memory");
	if (settings->corpid.len) {
		char *corpid = strndup(settings->corpid.data, settings->corpid.len);
		if (!corpid)
			return err_set(err, ERR_OS, "decode: out of memory");
		d->corpid = (struct str){corpid, settings->corpid.len};
	}
	d->record_bytes_max = settings->record_bytes_max;
	if (d->record_bytes_max == 0)
		d->record_bytes_max = RECORD_BYTES_MAX;

	*out = TAKE(d);
	return 0;
}

void decoder_free(struct decoder *d)
{
	if (!d)
		return;
	json_parser_free(d->parser);
	key_table_free(d->keys);
	free((char *)d->corpid.data);
	free(d->texts);
	buf_fini(&d->path);
	buf_fini(&d->spans);
	free(d);
}

/* ---- what all kinds have ---- */

/* The first of the two that is there. */
static struct str first_id(struct decoder *d, const struct object *a, enum key key_a,
                           const struct object *b, enum key key_b)
{
	struct str id = value_id(d, &a->json, object_node(d, a, key_a));
	return id.len ? id : value_id(d, &b->json, object_node(d, b, key_b));
}

static void read_corp(struct decoder *d, const struct object *outer, const struct object *inner)
{
	d->out->corpid = first_id(d, outer, KEY_CORPID, inner, KEY_CORPID);
	if (!is_corp(d->out->corpid))
		decoder_fail(d, DECODE_BAD_FIELD);
	if (d->out->corpid.len == 0)
		d->out->corpid = d->corpid;
}

/* When it came: recv_ts, else the time of the Kafka record; in a file, which has no such time,
 * `msgtime_ms` if it is known, else that of the line before. */
static void read_times(struct decoder *d, const struct object *outer, int64_t msgtime_ms)
{
	struct message *m = d->out;
	uint32_t node = object_node(d, outer, KEY_RECV_TS);

	m->recv_ms = value_time_ms(d, &outer->json, node, CLOCK_MS_MAX);
	if (m->recv_ms == 0)
		m->recv_ms =
		        d->record->partition < 0 && msgtime_ms ? msgtime_ms : d->record->time_ms;
	m->recv_ms = MIN(m->recv_ms, CLOCK_MS_MAX);
	m->msgtime_ms = msgtime_ms;
	if (msgtime_ms == 0) {
		m->msgtime_ms = m->recv_ms;
		m->notes |= NOTE_NO_TIME;
	}
}

/* ---- messages ---- */

static enum message_kind kind_of(struct decoder *d, struct str action, struct str msgtype)
{
	if (str_eq(action, STR("switch")))
		return MESSAGE_SWITCH;
	if (str_eq(action, STR("recall")) || str_eq(msgtype, STR("revoke")))
		return MESSAGE_RECALL;
	if (action.len && !str_eq(action, STR("send")))
		decoder_fail(d, DECODE_BAD_FIELD);
	if (str_eq(msgtype, STR("agree")))
		return MESSAGE_AGREE;
	if (str_eq(msgtype, STR("disagree")))
		return MESSAGE_DISAGREE;
	return MESSAGE_CHAT;
}

/* The first string of `name` in the bodies of the message's type. */
static struct str body_id(struct decoder *d, const struct object *m, const struct type *type,
                          struct str name)
{
	struct str id = {0};

	for (size_t i = 0; i < ARRAY_LEN(type->bodies) && type->bodies[i] && id.len == 0; i++) {
		uint32_t body = object_node(d, m, type->bodies[i]);
		if (body && json_kind(&m->json, body) == '{')
			id = value_id(d, &m->json, value_member(d, &m->json, body, name));
		else if (body)
			decoder_fail(d, DECODE_BAD_FIELD);
	}
	return id;
}

static void read_facts(struct decoder *d, const struct object *m)
{
	struct message *out = d->out;
	const struct type *type = type_find(out->msgtype);

	switch (out->kind) {
	case MESSAGE_CHAT:
		texts_read(d, m, type);
		break;
	case MESSAGE_RECALL:
		out->pre_msgid = body_id(d, m, type_find(STR("revoke")), STR("pre_msgid"));
		if (out->pre_msgid.len == 0)
			decoder_fail(d, DECODE_BAD_FIELD);
		break;
	case MESSAGE_AGREE:
	case MESSAGE_DISAGREE:
		out->agree_userid = body_id(d, m, type, STR("userid"));
		break;
	case MESSAGE_SWITCH:
	case MESSAGE_CLOCK:
	case MESSAGE_CONTROL:
	case MESSAGE_RULES:
		break;
	}
}

static void read_people(struct decoder *d, const struct object *m)
{
	struct message *out = d->out;
	const struct json *j = &m->json;

	if (out->kind == MESSAGE_SWITCH) {
		out->from = value_id(d, j, object_node(d, m, KEY_USER));
		out->from_role = directory_role(d->directory, out->from);
		out->chat = CHAT_INTERNAL;
		out->subject = out->from;
		out->subject_is_customer = out->from_role == ROLE_CUSTOMER;
	} else {
		out->from = value_id(d, j, object_node(d, m, KEY_FROM));
		if (out->from.len == 0)
			out->from = out->agree_userid;
		out->roomid = value_id(d, j, object_node(d, m, KEY_ROOMID));
		roles_read_list(d, j, object_node(d, m, KEY_TOLIST));
		if (out->from.len)
			roles_assign(d);
	}
}

static void read_message(struct decoder *d, const struct object *outer, const struct object *m)
{
	struct message *out = d->out;
	const struct json *j = &m->json;

	out->msgid = first_id(d, m, KEY_MSGID, outer, KEY_MSGID);
	if (out->msgid.len == 0 && outer->json.data != j->data)
		out->msgid = value_id(d, &outer->json, object_node(d, outer, KEY_MESSAGE_ID));
	read_corp(d, outer, m);
	out->seq = value_u64(d, &outer->json, object_node(d, outer, KEY_SEQ));
	out->msgtype = value_id(d, j, object_node(d, m, KEY_MSGTYPE));
	out->kind = kind_of(d, value_str(d, j, object_node(d, m, KEY_ACTION)), out->msgtype);

	uint32_t time = object_node(d, m, KEY_MSGTIME);
	if (!time && out->kind == MESSAGE_SWITCH)
		time = object_node(d, m, KEY_TIME);
	read_times(d, outer, value_time_ms(d, j, time, MSGTIME_MS_MAX));

	read_facts(d, m);
	read_people(d, m);
	if (out->msgid.len == 0)
		decoder_fail(d, DECODE_NO_MSGID);
	if (out->from.len == 0)
		decoder_fail(d, DECODE_NO_SENDER);
	if (out->corpid.len == 0)
		decoder_fail(d, DECODE_NO_CORP);
}

/* ---- records of our own ---- */

static void read_clock(struct decoder *d, const struct object *o)
{
	uint32_t clock = object_node(d, o, KEY_CLOCK);

	d->out->kind = MESSAGE_CLOCK;
	read_corp(d, o, o);
	read_times(d, o, value_time_ms(d, &o->json, clock, CLOCK_MS_MAX));
	if (d->out->notes & NOTE_NO_TIME)
		decoder_fail(d, DECODE_BAD_FIELD); /* it would vouch for nothing */
	if (d->out->corpid.len == 0)
		decoder_fail(d, DECODE_NO_CORP);
}

static void read_rules(struct decoder *d, const struct object *o)
{
	struct message *m = d->out;

	m->kind = MESSAGE_RULES;
	m->corpid = value_id(d, &o->json, object_node(d, o, KEY_CORPID));
	m->ruleset = value_id(d, &o->json, object_node(d, o, KEY_RULESET));
	m->by = value_id(d, &o->json, object_node(d, o, KEY_BY));
	read_times(d, o, value_time_ms(d, &o->json, object_node(d, o, KEY_AT), CLOCK_MS_MAX));
	/* No set can have another name, and who waited for one would wait for ever. */
	if (!digest_is_text(m->ruleset))
		decoder_fail(d, DECODE_BAD_FIELD);
}

static void read_control(struct decoder *d, const struct object *o)
{
	struct message *m = d->out;

	m->kind = MESSAGE_CONTROL;
	read_corp(d, o, o);
	read_times(d, o, control_read(d, &o->json, object_node(d, o, KEY_CONTROL)));
	if (m->msgid.len == 0)
		decoder_fail(d, DECODE_NO_MSGID);
	if (m->corpid.len == 0)
		decoder_fail(d, DECODE_NO_CORP);
	m->from_role = ROLE_STAFF;
	m->chat = CHAT_SINGLE;
	m->subject_is_customer = directory_role(d->directory, m->subject) == ROLE_CUSTOMER;
}

/* ---- the whole ---- */

void decode_begin(struct decoder *d, const struct directory *directory, const struct record *record,
                  struct arena *arena, struct message *out)
{
	d->directory = directory;
	d->record = record;
	d->arena = arena;
	d->out = out;
	d->failed = DECODE_DONE;
	d->surrogates = d->level = 0;
}

/* A batch in a file may be as long as a line; it is its messages that are not to be too big. */
static bool may_be_batch(const struct record *record)
{
	return record->partition < 0 && record->value.len <= RECORD_BYTES_LIMIT &&
	       memmem(record->value.data, record->value.len, "\"chatdata\"", 10);
}

enum decode_result decode_open(struct decoder *d, struct object *out)
{
	struct str value = d->record->value;

	if (!value.data)
		return DECODE_NULL;
	if (value.len > d->record_bytes_max && !may_be_batch(d->record))
		return DECODE_TOO_BIG;
	switch (decoder_parse(d, value, &out->json)) {
	case JSON_OK:
		break;
	case JSON_BAD:
		return DECODE_BAD_JSON;
	case JSON_BAD_UTF8:
		return DECODE_BAD_UTF8;
	case JSON_TOO_DEEP:
		return DECODE_TOO_DEEP;
	}
	out->node = 0;
	if (json_kind(&out->json, 0) == 'n')
		return DECODE_NULL;
	if (json_kind(&out->json, 0) != '{')
		return DECODE_BAD_JSON;
	fields_read(d->keys, &out->json, 0, FIELDS_OUTER, &out->fields);
	return DECODE_DONE;
}

/* gcc turns a memset() of known size into `rep stos`, which takes longer than all of roles.c. */
static __attribute__((noipa)) void clear(void *p, size_t bytes)
{
	memset(p, 0, bytes);
}

enum decode_result decode(struct decoder *d, const struct directory *directory,
                          const struct record *record, struct arena *arena, struct message *out)
{
	struct object outer, inner;

	assert(record->time_ms > 0);
	decode_begin(d, directory, record, arena, out);
	enum decode_result result = decode_open(d, &outer);
	if (result != DECODE_DONE)
		return result;

	clear(out, sizeof *out);
	out->amount_fen = -1;
	switch (envelope_open(d, &outer, &inner)) {
	case ENVELOPE_MESSAGE:
		read_message(d, &outer, &inner);
		break;
	case ENVELOPE_CLOCK:
		read_clock(d, &outer);
		break;
	case ENVELOPE_CONTROL:
		read_control(d, &outer);
		break;
	case ENVELOPE_RULES:
		read_rules(d, &outer);
		break;
	case ENVELOPE_REFUSED:
		break;
	}
	if (d->surrogates)
		out->notes |= NOTE_SURROGATE;
	if (record->value.len > d->record_bytes_max && d->failed != DECODE_BATCH)
		return DECODE_TOO_BIG;
	return d->failed;
}
