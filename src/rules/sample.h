/* sample.h - messages that rule authors write: examples of rules, and messages of tests.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A sample is a plain text, or a mapping:
 *
 *	at      when, from the start of the test: 0d, 90s, 1d12h (examples: 0)
 *	from    customer, staff or robot, or an id
 *	chat    single (default), group or internal
 *	room    the room of a group or internal chat
 *	to      ids of those who read it
 *	text    what was said
 *	type    text (default), redpacket, file, …
 *	amount  of a red packet, in yuan
 *	file    name of a file
 *	body    fields of another type, as they stand in the archive
 *	msgid   its id; recall: the id of the message that this one takes back
 *
 * The sample then becomes a record of the archive (sample_record), so that examples and tests go
 * the way of real messages from the first byte on. Thread: any.
 */
#pragma once

#include "base/buf.h"
#include "rules/loader.h"

/* Reads and checks the sample at `node`; out->hit is left to the caller. */
bool sample_read(const struct scope *s, const struct yaml_node *node, struct example *out);
