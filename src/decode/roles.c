/* roles.c - sender, list and room become role, chat and subject. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/roles.h"

/* Adds an id unless it is empty; what is past the limit is counted, not kept: no group of WeCom
 * is a twentieth as large. */
static void add(struct decoder *d, struct str *list, struct str id)
{
	if (id.len == 0)
		return;
	if (d->out->tolist_count == TOLIST_MAX)
		d->out->notes |= NOTE_CUT_LIST;
	else
		list[d->out->tolist_count++] = id;
}

static void read_plain(struct decoder *d, struct str text)
{
	size_t max = 1;
	for (size_t i = 0; i < text.len; i++)
		max += text.data[i] == ',' || text.data[i] == '|';

	struct str *list = arena_alloc(d->arena, MIN(max, (size_t)TOLIST_MAX) * sizeof *list);
	d->out->tolist = list;
	while (text.len) {
		size_t len = 0;
		while (len < text.len && text.data[len] != ',' && text.data[len] != '|')
			len++;
		struct str id = {text.data, len};
		while (id.len && id.data[0] == ' ')
			id = str_from(id, 1);
		while (id.len && id.data[id.len - 1] == ' ')
			id.len--;
		if (id.len > MSGID_BYTES_MAX || (id.len && memchr(id.data, '\0', id.len)))
			decoder_fail(d, DECODE_BAD_FIELD);
		else
			add(d, list, id);
		text = str_from(text, len + 1);
	}
}

void roles_read_list(struct decoder *d, const struct json *j, uint32_t node)
{
	d->out->tolist = NULL;
	d->out->tolist_count = 0;
	if (!node)
		return;
	if (json_kind(j, node) == '"') {
		read_plain(d, json_str(j, node));
		return;
	}
	if (json_kind(j, node) != '[') {
		decoder_fail(d, DECODE_BAD_FIELD);
		return;
	}
	/* Each element but the last has a comma behind it. */
	size_t max = (j->after[node] - node) / 2;
	struct str *list = arena_alloc(d->arena, MIN(max, (size_t)TOLIST_MAX) * sizeof *list);
	d->out->tolist = list;
	for (uint32_t i = json_first(j, node); i; i = json_next(j, i))
		add(d, list, value_id(d, j, i));
}

/* What there is to know about those who are there, in order of sender and list. */
struct crowd {
	struct str customer; /* the first; empty: none */
	bool customers;      /* more than one */
	struct str *userids;
	size_t userid_count;
};

static void add_staff(struct decoder *d, struct crowd *c, struct str id)
{
	if (c->userid_count == USERIDS_MAX)
		return;
	for (size_t i = 0; i < c->userid_count; i++)
		if (str_eq(c->userids[i], id))
			return;
	if (!c->userids)
		c->userids = arena_alloc(d->arena, USERIDS_MAX * sizeof *c->userids);
	c->userids[c->userid_count++] = id;
}

static void look_at(struct decoder *d, struct crowd *c, struct str id, enum role role)
{
	switch (role) {
	case ROLE_CUSTOMER:
		if (c->customer.len == 0)
			c->customer = id;
		else if (!c->customers && !str_eq(c->customer, id))
			c->customers = true;
		break;
	case ROLE_STAFF:
		add_staff(d, c, id);
		break;
	case ROLE_ROBOT:
		break;
	}
}

static struct str smallest_id(const struct message *m)
{
	struct str smallest = m->from;
	for (size_t i = 0; i < m->tolist_count; i++)
		if (str_cmp(m->tolist[i], smallest) < 0)
			smallest = m->tolist[i];
	return smallest;
}

void roles_assign(struct decoder *d)
{
	struct message *m = d->out;
	struct crowd c = {0};

	m->from_role = directory_role(d->directory, m->from);
	look_at(d, &c, m->from, m->from_role);
	for (size_t i = 0; i < m->tolist_count; i++)
		look_at(d, &c, m->tolist[i], directory_role(d->directory, m->tolist[i]));

	if (c.customer.len == 0) {
		m->chat = CHAT_INTERNAL;
		m->subject = m->roomid.len ? m->roomid : smallest_id(m);
	} else if (m->roomid.len == 0) {
		/* The sender was looked at first, so that a customer who speaks is `customer`. */
		m->chat = CHAT_SINGLE;
		m->subject = c.customer;
		c.userid_count = MIN(c.userid_count, (size_t)1);
	} else {
		m->chat = CHAT_GROUP;
		if (m->from_role == ROLE_CUSTOMER)
			m->subject = m->from;
		else if (m->from_role == ROLE_STAFF && !c.customers)
			m->subject = c.customer;
		else
			m->subject = m->roomid;
	}
	m->subject_is_customer =
	        c.customer.len && !(m->chat == CHAT_GROUP && str_eq(m->subject, m->roomid));
	m->userids = c.userids;
	m->userid_count = c.userid_count;
}
