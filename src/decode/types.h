/* types.h - every message type: its spellings, where its body stands, what a person reads in it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Data, not code: WECOM.md sections 3 and 6 as a table. Immutable. Thread: any.
 */
#pragma once

#include "base/str.h"
#include "decode/keys.h"

/* What is read inside an object, by key. */
enum shape_kind {
	SHAPE_END,
	SHAPE_STRING,
	SHAPE_STRINGS, /* an array of strings */
	SHAPE_OBJECTS, /* an array of objects, each as `inside` says */
	SHAPE_ITEMS,   /* an array of {type, content}: messages in a message */
};

struct shape {
	struct str key;
	enum shape_kind kind;
	const struct shape *inside;
};

enum type_flag {
	TYPE_GENERIC = 1,   /* all strings but ids and the like: fields are not known */
	TYPE_FORWARDED = 2, /* what is inside was said by others */
	TYPE_WORDS = 4,	    /* plain words or a sticker: there may be nothing but emoticons */
	TYPE_FILE = 8,	    /* has a filename, whose extension is of interest */
	TYPE_MONEY = 16,    /* has totalamount */
	TYPE_FLAT = 32,	    /* the fields may stand at the top of the message, without a body */
};

struct type {
	struct str names[2];       /* msgtype, and type of an item without "ChatRecord" */
	enum key bodies[3];   /* keys of the body, up to KEY_NONE; all that are there are read */
	const struct shape *shape; /* up to SHAPE_END; ignored if TYPE_GENERIC */
	unsigned flags;
};

/* The type of a message, or NULL if nobody told us of it. */
const struct type *type_find(struct str msgtype);
/* The type of an item in mixed or chatrecord: "text", "ChatRecordText". */
const struct type *type_find_item(struct str type);
