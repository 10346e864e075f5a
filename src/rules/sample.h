/* sample.h - messages that rule authors write: examples of rules, and messages of tests.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A sample is a plain text, or a mapping:
 *
 *	at      when, from the start of the test: 0d, 90s, 1d12h (default: 0)
 *	from    customer (default), staff or robot, or an id
 *	chat    single (default), group (default with a room) or internal
 *	room    the room of a group or internal chat
 *	to      ids of those who read it
 *	text    what was said
 *	type    text, redpacket, file … (default: what amount, file, recall or text make likely)
 *	amount  of a red packet, in yuan
 *	file    name of a file
 *	body    fields of another type, as they stand in the archive
 *	msgid   its id; recall: the id of the message that this one takes back
 *
 * A sample becomes a record of the archive (sample_record), so that examples and tests go the way
 * of real messages from the first byte on. Thread: any.
 */
#pragma once

#include "base/buf.h"
#include "base/yaml.h"
#include "rules/ruleset.h"

struct scope;

enum sample_chat { SAMPLE_CHAT_UNSET = -1 }; /* else enum chat */

struct sample {
	int line, col;
	bool plain; /* a bare text: sender, chat and time are chosen to fit the rule */
	int64_t at_ms;
	struct str from, room, text, type, file, msgid, recall; /* empty: not said */
	int chat;	     /* enum chat or SAMPLE_CHAT_UNSET */
	struct strs to;
	int64_t amount_fen;  /* -1: none */
	struct str body;     /* a JSON object, or empty */
};

/* Reads and checks the sample at `node`; false with a finding. */
bool sample_read(const struct scope *s, const struct yaml_node *node, struct sample *out);

/* Tests begin on Monday, 1 January 2024, 09:00 in Shanghai. */
#define SAMPLE_START_MS INT64_C(1704070800000)
#define SAMPLE_CORPID "wwTEST"

/* Writes the sample as a record of the archive. `number` makes its msgid unless it names one, and
 * with `apart` customers of its own. `rule` (or NULL) is the rule that a plain text should fit:
 * sender, chat, room, corp and time are taken from its filters, and a room makes it a group chat. */
void sample_record(const struct sample *sample, unsigned number, bool apart,
		   const struct ruleset *set, const struct rule *rule, struct buf *out);
