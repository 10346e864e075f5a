/* control.c - the word of a person or of another system. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/own.h"

enum { CONTROL_ID_BYTES_MAX = 64 }; /* CONTRACT.md section 2 */

int64_t control_read(struct decoder *d, const struct json *j, uint32_t node)
{
	struct message *m = d->out;
	struct control *c = ARENA_NEW(d->arena, struct control);

	m->control = c;
	if (!node || json_kind(j, node) != '{') {
		decoder_fail(d, DECODE_BAD_FIELD);
		return 0;
	}
	m->msgid = value_id(d, j, value_member(d, j, node, STR("id")));
	if (m->msgid.len > CONTROL_ID_BYTES_MAX)
		decoder_fail(d, DECODE_BAD_FIELD);
	m->subject = value_id(d, j, value_member(d, j, node, STR("external_userid")));
	if (m->subject.len == 0)
		decoder_fail(d, DECODE_BAD_FIELD);
	c->add = value_strs(d, j, value_member(d, j, node, STR("add")), &c->add_count);
	c->remove = value_strs(d, j, value_member(d, j, node, STR("remove")), &c->remove_count);
	c->ladder = value_id(d, j, value_member(d, j, node, STR("ladder")));
	c->stage = value_id(d, j, value_member(d, j, node, STR("stage")));
	c->erase = value_bool(d, j, value_member(d, j, node, STR("erase")));
	c->by = m->by = value_id(d, j, value_member(d, j, node, STR("by")));
	return value_time_ms(d, j, value_member(d, j, node, STR("at")), CLOCK_MS_MAX);
}
