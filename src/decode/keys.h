/* keys.h - the names that stand at the top of a record or a message, and where they were found.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Envelopes and messages share one table, for a flat record (E1, E2) is both. Several spellings
 * can be one key (`corpid`, `corp_id`, `corpId`). Shapes: WECOM.md sections 2, 3 and 5.
 *
 * Thread: a table belongs to one decoder: it remembers the order of keys.
 */
#pragma once

#include "decode/json.h"

/* X(id, spellings…). KEY_NONE is any other name. From TEXT on: names of bodies. */
#define KEYS(X)                                                                                    \
	X(CORPID, "corpid", "corp_id", "corpId")                                                   \
	X(SEQ, "seq")                                                                              \
	X(MSGID, "msgid")                                                                          \
	X(RECV_TS, "recv_ts")                                                                      \
	X(MESSAGE, "message", "msg")                                                               \
	X(DECRYPTED, "decrypted_data", "decrypted")                                                \
	X(DECRYPT_ERROR, "decrypt_error", "decrypt_failed_reason")                                 \
	X(ENCRYPTED, "encrypt_chat_msg", "encrypted_data")                                         \
	X(CHATDATA, "chatdata")                                                                    \
	X(MESSAGE_ID, "message_id")                                                                \
	X(TYPE, "type")                                                                            \
	X(CONTENT, "content")                                                                      \
	X(CLOCK, "clock")                                                                          \
	X(CONTROL, "control")                                                                      \
	X(RULESET, "ruleset")                                                                      \
	X(BY, "by")                                                                                \
	X(AT, "at")                                                                                \
	X(ACTION, "action")                                                                        \
	X(FROM, "from")                                                                            \
	X(TOLIST, "tolist")                                                                        \
	X(ROOMID, "roomid")                                                                        \
	X(MSGTIME, "msgtime")                                                                      \
	X(MSGTYPE, "msgtype")                                                                      \
	X(TIME, "time")                                                                            \
	X(USER, "user")                                                                            \
	X(TEXT, "text")                                                                            \
	X(REVOKE, "revoke")                                                                        \
	X(AGREE, "agree")                                                                          \
	X(DISAGREE, "disagree")                                                                    \
	X(IMAGE, "image")                                                                          \
	X(VOICE, "voice")                                                                          \
	X(VIDEO, "video")                                                                          \
	X(CARD, "card")                                                                            \
	X(LOCATION, "location")                                                                    \
	X(EMOTION, "emotion")                                                                      \
	X(FILE, "file")                                                                            \
	X(LINK, "link")                                                                            \
	X(WEAPP, "weapp")                                                                          \
	X(CHATRECORD, "chatrecord")                                                                \
	X(TODOS, "todo")                                                                           \
	X(VOTE, "vote")                                                                            \
	X(COLLECT, "collect")                                                                      \
	X(REDPACKET, "redpacket")                                                                  \
	X(EXTERNAL_REDPACKET, "external_redpacket")                                                \
	X(MEETING, "meeting")                                                                      \
	X(MEETING_NOTIFICATION, "meeting_notification", "meeting_control")                         \
	X(DOC, "doc")                                                                              \
	X(DOCMSG, "docmsg")                                                                        \
	X(MARKDOWN, "markdown")                                                                    \
	X(NEWS, "news")                                                                            \
	X(CALENDAR, "calendar")                                                                    \
	X(MIXED, "mixed")                                                                          \
	X(MEETING_VOICE_CALL, "meeting_voice_call", "meetingvoicecall")                            \
	X(VOIP_DOC_SHARE, "voip_doc_share", "voipdocshare")                                        \
	X(SPHFEED, "sphfeed")                                                                      \
	X(VOIPTEXT, "voiptext")                                                                    \
	X(QYDISKFILE, "qydiskfile", "qy_disk_file")                                                \
	X(SOLITAIRE, "solitaire")                                                                  \
	X(NOTE, "note")                                                                            \
	X(INFO, "info")

enum key {
	KEY_NONE,
#define X(id, ...) KEY_##id,
	KEYS(X)
#undef X
		KEY_COUNT,
	KEY_FIRST_BODY = KEY_TEXT,
};

struct key_table;

struct key_table *key_table_new(void); /* NULL: out of memory */
void key_table_free(struct key_table *table);

/* `name` is one of json_str(): readable past its end. */
enum key key_find(const struct key_table *table, struct str name);

/* The values of the members of one object, by key. A null counts as absent. */
struct fields {
	uint64_t present, twice;  /* bit 1 << key; `twice` even if one of them is null */
	uint32_t node[KEY_COUNT]; /* where present */
};
_Static_assert(KEY_COUNT <= 64, "a set of keys fits into 64 bits");

/* Which object is read: the order of the keys is remembered for each. */
enum fields_place { FIELDS_OUTER, FIELDS_INNER, FIELDS_PLACE_COUNT };

void fields_read(struct key_table *table, const struct json *j, uint32_t object,
		 enum fields_place place, struct fields *out);
