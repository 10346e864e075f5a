/* sample.c - what authors write as a message, and the record that it becomes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/sample.h"

#include "base/duration.h"
#include "rules/directory.h"
#include "rules/field.h"
#include "rules/hours.h"

enum { TEXT_BYTES_MAX = 64 * 1024 };

static const char *const sample_fields[] = {"at",   "from", "chat", "room",  "to",   "text",
					    "type", "amount", "file", "body", "msgid", "recall"};

/* ---- reading ---- */

/* Every scalar as a string: whoever reads it knows which ones are numbers. */
static void put_json(struct buf *b, const struct yaml_node *node)
{
	switch (node->kind) {
	case YAML_SCALAR:
		buf_put_json(b, node->text);
		return;
	case YAML_LIST:
		buf_putc(b, '[');
		for (size_t i = 0; i < node->count; i++) {
			if (i)
				buf_putc(b, ',');
			put_json(b, node->items[i]);
		}
		buf_putc(b, ']');
		return;
	case YAML_MAP:
		buf_putc(b, '{');
		for (size_t i = 0; i < node->count; i++) {
			if (i)
				buf_putc(b, ',');
			buf_put_json(b, node->pairs[i].key->text);
			buf_putc(b, ':');
			put_json(b, node->pairs[i].value);
		}
		buf_putc(b, '}');
		return;
	}
}

static bool read_body(const struct scope *s, const struct yaml_node *node, struct sample *out)
{
	struct buf json = {0};

	if (node->kind != YAML_MAP) {
		ERROR_AT(s, node, "body is a mapping with the fields of the message's type");
		return false;
	}
	put_json(&json, node);
	out->body = arena_copy(s->loader->arena, buf_str(&json));
	buf_fini(&json);
	return true;
}

static bool read_to(const struct scope *s, const struct yaml_node *node, struct sample *out)
{
	VEC(struct str) ids = {0};

	for (size_t i = 0; i < field_count(node); i++) {
		struct str id;
		if (!field_text(s, field_item(node, i), "to", NAME_BYTES_MAX, &id))
			return false;
		*VEC_ADD(s->loader->arena, &ids) = id;
	}
	out->to = (struct strs){ids.items, ids.count};
	return true;
}

static bool read_map(const struct scope *s, const struct yaml_node *map, struct sample *out)
{
	static const char *const chats[] = {CHAT_NAMES(AS_NAME)};
	const struct {
		const char *name;
		struct str *to;
	} texts[] = {{"from", &out->from}, {"room", &out->room}, {"text", &out->text},
		     {"type", &out->type}, {"file", &out->file}, {"msgid", &out->msgid},
		     {"recall", &out->recall}};
	const struct yaml_node *node;
	bool ok = true;

	if (!field_map(s, map, sample_fields, ARRAY_LEN(sample_fields), "a message"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if ((node = yaml_find(map, str_of(texts[i].name))))
			ok &= field_text(s, node, texts[i].name, TEXT_BYTES_MAX, texts[i].to);
	if ((node = yaml_find(map, STR("at"))) &&
	    (node->kind != YAML_SCALAR || !duration_parse(node->text, &out->at_ms))) {
		ERROR_AT(s, node, "at is the time since the start: 0d, 90s, 1d12h");
		ok = false;
	}
	if ((node = yaml_find(map, STR("amount"))))
		ok &= field_amount(s, node, "amount", &out->amount_fen);
	if ((node = yaml_find(map, STR("chat"))))
		ok &= field_choice(s, node, "chat", chats, ARRAY_LEN(chats), &out->chat);
	if (out->room.len && out->chat == CHAT_SINGLE) {
		ERROR_AT(s, yaml_find(map, STR("room")), "a single chat has no room; write chat: group, or "
							 "leave chat out");
		ok = false;
	}
	if ((node = yaml_find(map, STR("to"))))
		ok &= read_to(s, node, out);
	if ((node = yaml_find(map, STR("body"))))
		ok &= read_body(s, node, out);
	return ok;
}

bool sample_read(const struct scope *s, const struct yaml_node *node, struct sample *out)
{
	struct sample sample = {.line = node->line, .col = node->col, .chat = SAMPLE_CHAT_UNSET,
				.amount_fen = -1, .plain = node->kind != YAML_MAP};

	if (sample.plain ? !field_text(s, node, "a message", TEXT_BYTES_MAX, &sample.text)
			 : !read_map(s, node, &sample))
		return false;
	*out = sample;
	return true;
}

/* ---- writing ---- */

/* Who speaks to whom, where and when. */
struct place {
	struct str corpid, from, customer, staff, room;
	enum chat chat;
	int64_t time_ms;
};

/* The first of two weeks from the start, in quarters of an hour, at which the rule is open. */
static int64_t open_time(const struct ruleset *set, const struct rule *rule)
{
	enum { STEP_MS = 15 * 60 * 1000, STEPS = 14 * 24 * 4 };
	const struct zone *zone = set->packs[rule->pack_index].zone;

	for (int64_t i = 0; i < STEPS; i++)
		if (hours_open(&rule->filter, zone, SAMPLE_START_MS + i * STEP_MS))
			return SAMPLE_START_MS + i * STEP_MS;
	return SAMPLE_START_MS;
}

static int64_t time_of(const struct sample *sample, const struct ruleset *set,
		       const struct rule *rule)
{
	return (rule ? open_time(set, rule) : SAMPLE_START_MS) + sample->at_ms;
}

static struct str first(struct strs list, struct str otherwise)
{
	return list.count ? list.items[0] : otherwise;
}

static enum role sender_role(const struct sample *sample, const struct rule *rule)
{
	if (str_eq(sample->from, STR("staff")))
		return ROLE_STAFF;
	if (str_eq(sample->from, STR("robot")))
		return ROLE_ROBOT;
	if (sample->from.len || !rule || rule->filter.roles & 1u << ROLE_CUSTOMER)
		return ROLE_CUSTOMER;
	return rule->filter.roles & 1u << ROLE_STAFF ? ROLE_STAFF : ROLE_ROBOT;
}

static enum chat fitting_chat(const struct sample *sample, const struct rule *rule)
{
	if (sample->chat != SAMPLE_CHAT_UNSET)
		return (enum chat)sample->chat;
	/* Single chats have no room. */
	bool in_room = sample->room.len || (rule && rule->filter.rooms.count);
	if (!rule)
		return in_room ? CHAT_GROUP : CHAT_SINGLE;
	if (!in_room && rule->filter.chats & 1u << CHAT_SINGLE)
		return CHAT_SINGLE;
	return rule->filter.chats & 1u << CHAT_GROUP ? CHAT_GROUP : CHAT_INTERNAL;
}

static struct place find_place(const struct sample *sample, const struct ruleset *set,
			       const struct rule *rule, struct str customer)
{
	static const struct filter none;
	const struct filter *f = rule ? &rule->filter : &none;
	struct place place = {
		.corpid = first(f->corps, STR(SAMPLE_CORPID)),
		.customer = customer,
		.staff = first(f->staff, STR("zhangsan")),
		.chat = fitting_chat(sample, rule),
		.time_ms = time_of(sample, set, rule),
	};
	if (!f->staff.count && f->departments.count)
		place.staff = directory_member(set->directory, f->departments.items[0], place.staff);
	place.room = sample->room.len ? sample->room : first(f->rooms, STR("wrTESTROOM0000000000000001"));
	bool named = str_eq(sample->from, STR("customer")) || str_eq(sample->from, STR("staff")) ||
		     str_eq(sample->from, STR("robot")) || !sample->from.len;
	enum role role = sender_role(sample, rule);
	if (!named)
		place.from = sample->from;
	else if (place.chat == CHAT_INTERNAL || role == ROLE_STAFF)
		place.from = place.staff;
	else
		place.from = role == ROLE_CUSTOMER ? customer : STR("wbTESTROBOT000000000000001");
	return place;
}

static void put_member(struct buf *out, const char *name, struct str text)
{
	buf_printf(out, "\"%s\":", name);
	buf_put_json(out, text);
}

static void put_tolist(struct buf *out, const struct sample *sample, const struct place *place)
{
	struct str others[] = {place->staff, place->customer, STR("lisi")};
	/* In a single chat with a customer only the other side; lisi is a colleague in rooms. */
	size_t count = place->chat == CHAT_SINGLE ? 2 : 3, put = 0;
	const struct str *ids = sample->to.count ? sample->to.items : others;

	buf_put(out, STR("\"tolist\":["));
	for (size_t i = 0; i < (sample->to.count ? sample->to.count : count); i++) {
		bool hidden = place->chat == CHAT_INTERNAL && i == 1;
		if (!sample->to.count && (hidden || str_eq(ids[i], place->from)))
			continue;
		if (put++)
			buf_putc(out, ',');
		buf_put_json(out, ids[i]);
	}
	buf_putc(out, ']');
}

/* The object that holds the fields of a type (WECOM.md section 3). */
static struct str body_key(struct str type)
{
	static const struct {
		const char *type, *key;
	} keys[] = {
		{"external_redpacket", "redpacket"}, {"docmsg", "doc"}, {"markdown", "info"},
		{"news", "info"}, {"meeting_notification", "info"}, {"meeting_control", "info"},
		{"voiptext", "info"}, {"qydiskfile", "info"}, {"qy_disk_file", "info"}, {"note", "info"},
		{"meetingvoicecall", "meeting_voice_call"}, {"voipdocshare", "voip_doc_share"},
	};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (str_eq(type, str_of(keys[i].type)))
			return str_of(keys[i].key);
	return type;
}

static struct str fitting_type(const struct sample *sample)
{
	if (sample->type.len)
		return sample->type;
	if (sample->recall.len)
		return STR("revoke");
	if (sample->amount_fen >= 0)
		return STR("redpacket");
	return sample->file.len ? STR("file") : STR("text");
}

/* A text inside a forwarded record, for rules that look only there. */
static void put_forwarded(struct buf *out, struct str text)
{
	struct buf inner = {0};

	buf_put(&inner, STR("{"));
	put_member(&inner, "content", text);
	buf_putc(&inner, '}');
	buf_put(out, STR("\"chatrecord\":{\"title\":\"\",\"item\":[{\"type\":\"ChatRecordText\",\"msgtime\":"
			 "1704070800,\"from_chatroom\":false,"));
	put_member(out, "content", buf_str(&inner));
	buf_put(out, STR("}]}"));
	buf_fini(&inner);
}

static void put_body(struct buf *out, const struct sample *sample, struct str type,
		     const struct rule *rule)
{
	buf_put_json(out, body_key(type));
	buf_putc(out, ':');
	if (sample->body.len) {
		buf_put(out, sample->body);
	} else if (sample->recall.len) {
		buf_putc(out, '{');
		put_member(out, "pre_msgid", sample->recall);
		buf_putc(out, '}');
	} else if (sample->amount_fen >= 0) {
		buf_printf(out, "{\"type\":1,\"totalcnt\":1,\"totalamount\":%lld,",
			   (long long)sample->amount_fen);
		put_member(out, "wish", sample->text);
		buf_putc(out, '}');
	} else if (sample->file.len) {
		const char *dot = memrchr(sample->file.data, '.', sample->file.len);
		size_t name_len = dot ? (size_t)(dot - sample->file.data) + 1 : sample->file.len;
		buf_put(out, STR("{\"filesize\":1,"));
		put_member(out, "filename", sample->file);
		buf_putc(out, ',');
		put_member(out, "fileext", str_from(sample->file, name_len));
		buf_putc(out, '}');
	} else if (sample->plain && rule && rule->filter.quoted == ONLY) {
		struct buf quoted = {0};
		buf_printf(&quoted, "“A：\n%.*s”\n------\n.", STR_ARG(sample->text));
		buf_putc(out, '{');
		put_member(out, "content", buf_str(&quoted));
		buf_putc(out, '}');
		buf_fini(&quoted);
	} else {
		buf_putc(out, '{');
		put_member(out, "content", sample->text);
		buf_putc(out, '}');
	}
}

void sample_record(const struct sample *sample, unsigned number, bool apart,
		   const struct ruleset *set, const struct rule *rule, struct buf *out)
{
	char customer[64], msgid[32];
	bool forwarded = sample->plain && rule && rule->filter.forwarded == ONLY;
	struct str type = forwarded ? STR("chatrecord") : fitting_type(sample);

	(void)snprintf(customer, sizeof customer, "wmTESTCUSTOMER%018u", apart ? number : 1);
	(void)snprintf(msgid, sizeof msgid, "t%u", number);
	struct place place = find_place(sample, set, rule, str_of(customer));
	buf_putc(out, '{');
	put_member(out, "corpid", place.corpid);
	buf_printf(out, ",\"recv_ts\":%lld,\"message\":{", (long long)place.time_ms);
	put_member(out, "msgid", sample->msgid.len ? sample->msgid : str_of(msgid));
	buf_printf(out, ",\"action\":\"%s\",", sample->recall.len ? "recall" : "send");
	put_member(out, "from", place.from);
	buf_putc(out, ',');
	put_tolist(out, sample, &place);
	buf_putc(out, ',');
	put_member(out, "roomid", place.chat == CHAT_SINGLE ? (struct str){0} : place.room);
	buf_printf(out, ",\"msgtime\":%lld,", (long long)place.time_ms);
	put_member(out, "msgtype", type);
	buf_putc(out, ',');
	if (forwarded)
		put_forwarded(out, sample->text);
	else
		put_body(out, sample, type, rule);
	buf_put(out, STR("}}"));
}
