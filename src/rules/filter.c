/* filter.c - the fields of a rule that look at everything but the words. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>

#include "rules/field.h"

const char *const filter_fields[] = {
	"from",	  "chat",   "types",	  "fields",	"rooms",  "staff",     "corps", "hours", "days",
	"action", "amount", "file_types", "forwarded", "quoted", "emoticons",
};
const size_t filter_field_count = ARRAY_LEN(filter_fields);

struct filter filter_default(void)
{
	return (struct filter){
		.roles = ROLE_BIT_ALL,
		.chats = 1 << CHAT_SINGLE | 1 << CHAT_GROUP,
		.actions = ACTION_SEND_BIT,
		.days = 0x7f,
		.amount_at_least_fen = -1,
		.forwarded = EXCLUDE,
		.quoted = EXCLUDE,
		.emoticons = EXCLUDE,
	};
}

/* The bits of the values of `node`; the last of `names` may be «any», which is all of them. */
static void read_bits(const struct scope *s, const struct yaml_node *node, const char *what,
		      const char *const *names, size_t count, unsigned *bits)
{
	unsigned read = 0;

	if (!field_filled(s, node, what))
		return;
	for (size_t i = 0; i < field_count(node); i++) {
		int index;
		if (!field_choice(s, field_item(node, i), what, names, count, &index))
			continue;
		if (strcmp(names[index], "any") == 0)
			read |= (1u << index) - 1;
		else
			read |= 1u << index;
	}
	*bits = read;
}

static void read_strs(const struct scope *s, const struct yaml_node *node, const char *what,
		      struct strs *out)
{
	VEC(struct str) items = {0};

	if (!field_filled(s, node, what))
		return;
	for (size_t i = 0; i < field_count(node); i++) {
		struct str item;
		if (field_id(s, field_item(node, i), what, NAME_BYTES_MAX, &item))
			*VEC_ADD(s->loader->arena, &items) = item;
	}
	*out = (struct strs){items.items, items.count};
}

/* Types of the archive that are documented (WECOM.md section 3), with their other spellings. */
static const char *const known_types[] = {
	"text", "image", "revoke", "agree", "disagree", "voice", "video", "card", "location", "emotion",
	"file", "link", "weapp", "chatrecord", "todo", "vote", "collect", "redpacket",
	"external_redpacket", "meeting", "meeting_notification", "meeting_control", "docmsg", "doc",
	"markdown", "news", "calendar", "mixed", "meeting_voice_call", "meetingvoicecall", "voip_doc_share",
	"voipdocshare", "sphfeed", "voiptext", "qydiskfile", "qy_disk_file", "solitaire", "note", "switch",
};

/* A type goes by the one name or the other, as the archive's version has it. */
static const char *const other_spellings[][2] = {
	{"meeting_voice_call", "meetingvoicecall"},
	{"voip_doc_share", "voipdocshare"},
	{"qydiskfile", "qy_disk_file"},
	{"meeting_notification", "meeting_control"},
	{"docmsg", "doc"},
};

static void add_other_spellings(const struct scope *s, struct strs *types)
{
	size_t count = types->count;
	struct str *all = ARENA_ARRAY(s->loader->arena, struct str, count * 2);

	for (size_t i = 0; i < types->count; i++) {
		all[i] = types->items[i];
		for (size_t k = 0; k < ARRAY_LEN(other_spellings) * 2; k++)
			if (str_eq(types->items[i], str_of(other_spellings[k / 2][k % 2])))
				all[count++] = str_of(other_spellings[k / 2][1 - k % 2]);
	}
	*types = (struct strs){all, count};
}

/* Who names the type revoke means recalls; `action`, which is read later, overrules it. */
static void read_types(const struct scope *s, const struct yaml_node *node, struct filter *filter)
{
	read_strs(s, node, "types", &filter->types);
	for (size_t i = 0; i < filter->types.count; i++)
		if (str_eq(filter->types.items[i], STR("revoke")))
			filter->actions |= ACTION_RECALL_BIT;
	for (size_t i = 0; i < field_count(node); i++) {
		const struct yaml_node *item = field_item(node, i);
		bool known = item->kind != YAML_SCALAR;
		for (size_t k = 0; k < ARRAY_LEN(known_types); k++)
			known |= str_eq(item->text, str_of(known_types[k]));
		const char *nearest = known ? NULL : str_nearest(item->text, known_types,
								 ARRAY_LEN(known_types));
		if (!known)
			WARN_AT(s, item, "no known message type «%.*s»%s%s%s", STR_ARG(item->text),
				nearest ? "; did you mean «" : "", nearest ? nearest : "",
				nearest ? "»?" : "");
		if (str_eq(item->text, STR("switch")))
			WARN_AT(s, item, "who switches companies speaks to nobody: no rule judges that");
	}
	add_other_spellings(s, &filter->types);
}

/* A path as in evidence: names parted by dots, of whatever characters the keys of a message hold. */
static bool path_ok(struct str path)
{
	bool begun = false;

	for (size_t i = 0; i < path.len; i++) {
		if (path.data[i] == '.' && !begun)
			return false;
		begun = path.data[i] != '.';
	}
	return begun && !memmem(path.data, path.len, "[]", 2);
}

/* Something in ASCII in brackets that is no index, and probably was meant for one: [n]. */
static bool has_odd_index(struct str path)
{
	for (size_t i = 1; i < path.len; i++) {
		struct str at = str_from(path, i);
		const char *end = path.data[i] == '[' ? memchr(at.data, ']', at.len) : NULL;
		bool digits = true, ascii = true;
		for (const char *p = at.data + 1; end && p < end; p++) {
			digits &= isdigit((unsigned char)*p) != 0;
			ascii &= (unsigned char)*p < 0x80;
		}
		if (end && ascii && !digits && !str_starts(at, STR("[*]")))
			return true;
	}
	return false;
}

static void read_fields(const struct scope *s, const struct yaml_node *node, struct strs *out)
{
	read_strs(s, node, "fields", out);
	for (size_t i = 0; i < field_count(node); i++) {
		const struct yaml_node *item = field_item(node, i);
		if (item->kind == YAML_SCALAR && item->text.len && !path_ok(item->text))
			ERROR_AT(s, item, "«%.*s» is no path; write one as in evidence, for instance "
					  "text.content or mixed.item[*].content.content",
				 STR_ARG(item->text));
		else if (item->kind == YAML_SCALAR && has_odd_index(item->text))
			WARN_AT(s, item, "«%.*s»: an index is a number, or * for any: item[0], item[*]",
				STR_ARG(item->text));
	}
}

/* Ids, or {department: NAME}. */
static void read_staff(const struct scope *s, const struct yaml_node *node, struct filter *filter)
{
	static const char *const fields[] = {"department"};
	VEC(struct str) ids = {0}, departments = {0};
	struct arena *arena = s->loader->arena;

	if (!field_filled(s, node, "staff"))
		return;
	for (size_t i = 0; i < field_count(node); i++) {
		const struct yaml_node *item = field_item(node, i);
		struct str text;
		if (item->kind != YAML_MAP) {
			if (field_id(s, item, "staff", NAME_BYTES_MAX, &text))
				*VEC_ADD(arena, &ids) = text;
			continue;
		}
		if (!field_map(s, item, fields, ARRAY_LEN(fields), "staff"))
			continue;
		const struct yaml_node *names = yaml_find(item, STR("department"));
		if (!names) {
			ERROR_AT(s, item, "staff is ids ([zhangsan]) or {department: NAME}");
			continue;
		}
		for (size_t k = 0; field_filled(s, names, "department") && k < field_count(names); k++)
			if (field_id(s, field_item(names, k), "department", NAME_BYTES_MAX, &text))
				*VEC_ADD(arena, &departments) = text;
	}
	filter->staff = (struct strs){ids.items, ids.count};
	filter->departments = (struct strs){departments.items, departments.count};
}

static void read_file_types(const struct scope *s, const struct yaml_node *node, struct strs *out)
{
	read_strs(s, node, "file_types", out);
	struct str *items = (struct str *)out->items; /* made just now by read_strs */
	for (size_t i = 0; i < out->count; i++) {
		while (items[i].len && items[i].data[0] == '.')
			items[i] = str_from(items[i], 1);
		for (size_t k = 0; k < items[i].len; k++)
			((char *)items[i].data)[k] = (char)tolower((unsigned char)items[i].data[k]);
	}
}

/* ---- hours and days ---- */

enum { DAY_MINUTES = 24 * 60 };

static bool take_digits(struct str *s, int max, int *out)
{
	int value = 0, digits = 0;

	for (; digits < 2 && s->len && isdigit((unsigned char)s->data[0]); digits++) {
		value = value * 10 + (s->data[0] - '0');
		*s = str_from(*s, 1);
	}
	*out = value;
	return digits > 0 && value <= max;
}

/* "9:00" or "09:00" off the front, as minutes; 24:00 is the end of the day. */
static bool take_clock(struct str *s, int *minute)
{
	int hours, minutes;

	if (!take_digits(s, 24, &hours) || !s->len || s->data[0] != ':')
		return false;
	*s = str_from(*s, 1);
	if (s->len < 2 || !isdigit((unsigned char)s->data[1]) || !take_digits(s, 59, &minutes))
		return false;
	*minute = hours * 60 + minutes;
	return *minute <= DAY_MINUTES;
}

static bool parse_span(struct str text, struct minutes *out)
{
	struct minutes span;

	text = field_trim(text);
	if (!take_clock(&text, &span.from))
		return false;
	text = field_trim(text);
	if (!text.len || text.data[0] != '-')
		return false;
	text = field_trim(str_from(text, 1));
	if (!take_clock(&text, &span.to) || text.len || span.from == span.to ||
	    span.from == DAY_MINUTES)
		return false;
	*out = span;
	return true;
}

static void read_hours(const struct scope *s, const struct yaml_node *node, struct filter *filter)
{
	VEC(struct minutes) spans = {0};

	if (!field_filled(s, node, "hours"))
		return;
	for (size_t i = 0; i < field_count(node); i++) {
		const struct yaml_node *item = field_item(node, i);
		struct minutes span;
		if (item->kind == YAML_SCALAR && parse_span(item->text, &span))
			*VEC_ADD(s->loader->arena, &spans) = span;
		else
			ERROR_AT(s, item, "hours is a span as \"18:00-09:00\", or a list of them");
	}
	filter->hours = spans.items;
	filter->hour_count = spans.count;
}

static const char *const day_names[] = {
	"mon", "tue", "wed", "thu", "fri", "sat", "sun", "周一", "周二", "周三",
	"周四", "周五", "周六", "周日",
};

static bool take_day(struct str text, int *day)
{
	for (size_t i = 0; i < ARRAY_LEN(day_names); i++) {
		if (str_eq(text, str_of(day_names[i]))) {
			*day = (int)(i % 7);
			return true;
		}
	}
	return false;
}

static void read_days(const struct scope *s, const struct yaml_node *node, struct filter *filter)
{
	unsigned days = 0;

	if (!field_filled(s, node, "days"))
		return;
	for (size_t i = 0; i < field_count(node); i++) {
		const struct yaml_node *item = field_item(node, i);
		const char *dash = item->kind == YAML_SCALAR && item->text.len
					   ? memchr(item->text.data, '-', item->text.len)
					   : NULL;
		size_t first_len = dash ? (size_t)(dash - item->text.data) : item->text.len;
		struct str first = {item->text.data, first_len};
		int from, to;
		if (item->kind != YAML_SCALAR || !take_day(first, &from) ||
		    !take_day(dash ? str_from(item->text, first_len + 1) : first, &to)) {
			ERROR_AT(s, item, "days are mon tue wed thu fri sat sun, or 周一 … 周日, or a "
					  "span as mon-fri");
			continue;
		}
		for (int day = from;; day = (day + 1) % 7) {
			days |= 1u << day;
			if (day == to)
				break;
		}
	}
	filter->days = days ? days : 0x7f;
}

static void read_amount(const struct scope *s, const struct yaml_node *node, struct filter *filter)
{
	static const char *const fields[] = {"at_least"};

	if (!field_map(s, node, fields, ARRAY_LEN(fields), "amount"))
		return;
	const struct yaml_node *at_least = yaml_find(node, STR("at_least"));
	if (!at_least)
		ERROR_AT(s, node, "amount is {at_least: YUAN}");
	else
		(void)field_amount(s, at_least, "at_least", &filter->amount_at_least_fen);
}

static void read_inclusion(const struct scope *s, const struct yaml_node *node, const char *what,
			   size_t count, enum inclusion *out)
{
	static const char *const names[] = {
		[EXCLUDE] = "exclude", [INCLUDE] = "include", [ONLY] = "only"};
	int index;

	if (field_choice(s, node, what, names, count, &index))
		*out = (enum inclusion)index;
}

bool filter_read(const struct scope *s, const char *name, const struct yaml_node *node,
		 struct filter *filter)
{
	static const char *const roles[] = {ROLE_NAMES(AS_NAME), "any"};
	static const char *const chats[] = {CHAT_NAMES(AS_NAME), "any"};
	static const char *const actions[] = {"send", "recall"};

	if (strcmp(name, "from") == 0)
		read_bits(s, node, name, roles, ARRAY_LEN(roles), &filter->roles);
	else if (strcmp(name, "chat") == 0)
		read_bits(s, node, name, chats, ARRAY_LEN(chats), &filter->chats);
	else if (strcmp(name, "action") == 0)
		read_bits(s, node, name, actions, ARRAY_LEN(actions), &filter->actions);
	else if (strcmp(name, "types") == 0)
		read_types(s, node, filter);
	else if (strcmp(name, "fields") == 0)
		read_fields(s, node, &filter->fields);
	else if (strcmp(name, "rooms") == 0)
		read_strs(s, node, name, &filter->rooms);
	else if (strcmp(name, "staff") == 0)
		read_staff(s, node, filter);
	else if (strcmp(name, "corps") == 0)
		read_strs(s, node, name, &filter->corps);
	else if (strcmp(name, "file_types") == 0)
		read_file_types(s, node, &filter->file_types);
	else if (strcmp(name, "hours") == 0)
		read_hours(s, node, filter);
	else if (strcmp(name, "days") == 0)
		read_days(s, node, filter);
	else if (strcmp(name, "amount") == 0)
		read_amount(s, node, filter);
	else if (strcmp(name, "forwarded") == 0)
		read_inclusion(s, node, name, 3, &filter->forwarded);
	else if (strcmp(name, "quoted") == 0)
		read_inclusion(s, node, name, 3, &filter->quoted);
	else if (strcmp(name, "emoticons") == 0)
		read_inclusion(s, node, name, 2, &filter->emoticons);
	else
		return false;
	return true;
}
