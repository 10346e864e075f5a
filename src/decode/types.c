/* types.c - the table of message types. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/types.h"

/* clang-format off */
#define FIELD(name) {name, SHAPE_STRING, NULL}
#define END {NULL, SHAPE_END, NULL}

static const struct shape nothing[] = {END};
static const struct shape content[] = {FIELD("content"), END};
static const struct shape filename[] = {FIELD("filename"), END};
static const struct shape card[] = {FIELD("corpname"), END};
static const struct shape location[] = {FIELD("title"), FIELD("address"), END};
static const struct shape link[] = {FIELD("title"), FIELD("description"), FIELD("link_url"), END};
static const struct shape weapp[] = {
	FIELD("title"), FIELD("description"), FIELD("displayname"), END};
static const struct shape mixed[] = {{"item", SHAPE_ITEMS, NULL}, END};
static const struct shape chatrecord[] = {FIELD("title"), {"item", SHAPE_ITEMS, NULL}, END};
static const struct shape todo[] = {FIELD("title"), FIELD("content"), END};
static const struct shape vote[] = {FIELD("votetitle"), {"voteitem", SHAPE_STRINGS, NULL}, END};
static const struct shape question[] = {FIELD("ques"), END};
static const struct shape collect[] = {
	FIELD("title"), FIELD("room_name"), {"details", SHAPE_OBJECTS, question}, END};
static const struct shape redpacket[] = {FIELD("wish"), END};
static const struct shape meeting[] = {FIELD("topic"), FIELD("address"), FIELD("remarks"), END};
static const struct shape doc[] = {FIELD("title"), END};
static const struct shape article[] = {FIELD("title"), FIELD("description"), FIELD("url"), END};
static const struct shape news[] = {{"item", SHAPE_OBJECTS, article}, END};
static const struct shape calendar[] = {FIELD("title"), FIELD("place"), FIELD("remarks"), END};
static const struct shape call[] = {{"demofiledata", SHAPE_OBJECTS, filename}, END};
static const struct shape sphfeed[] = {FIELD("sph_name"), FIELD("feed_desc"), END};

static const struct type types[] = {
	{{"text"}, {KEY_TEXT}, content, 0},
	{{"image"}, {KEY_IMAGE}, nothing, 0},
	{{"voice"}, {KEY_VOICE}, nothing, 0},
	{{"video"}, {KEY_VIDEO}, nothing, 0},
	{{"emotion"}, {KEY_EMOTION}, nothing, TYPE_STICKER},
	{{"file"}, {KEY_FILE}, filename, TYPE_FILE},
	{{"link"}, {KEY_LINK}, link, 0},
	{{"weapp"}, {KEY_WEAPP}, weapp, 0},
	{{"mixed"}, {KEY_MIXED}, mixed, 0},
	{{"chatrecord"}, {KEY_CHATRECORD}, chatrecord, TYPE_FORWARDED},
	{{"card"}, {KEY_CARD}, card, 0},
	{{"location"}, {KEY_LOCATION}, location, 0},
	{{"revoke"}, {KEY_REVOKE}, nothing, 0},
	{{"agree"}, {KEY_AGREE}, nothing, 0},
	{{"disagree"}, {KEY_DISAGREE, KEY_AGREE}, nothing, 0},
	{{"todo"}, {KEY_TODOS}, todo, 0},
	{{"vote"}, {KEY_VOTE}, vote, TYPE_FLAT},
	{{"collect"}, {KEY_COLLECT}, collect, 0},
	{{"redpacket"}, {KEY_REDPACKET}, redpacket, TYPE_MONEY},
	{{"external_redpacket"}, {KEY_REDPACKET, KEY_EXTERNAL_REDPACKET}, redpacket, TYPE_MONEY},
	{{"meeting"}, {KEY_MEETING}, meeting, 0},
	{{"meeting_notification", "meeting_control"},
	 {KEY_INFO, KEY_MEETING_NOTIFICATION}, content, 0},
	{{"docmsg", "doc"}, {KEY_DOC, KEY_DOCMSG}, doc, 0},
	{{"markdown"}, {KEY_INFO, KEY_MARKDOWN}, content, 0},
	{{"news"}, {KEY_INFO, KEY_NEWS}, news, 0},
	{{"calendar"}, {KEY_CALENDAR}, calendar, 0},
	{{"meeting_voice_call", "meetingvoicecall"}, {KEY_MEETING_VOICE_CALL}, call, 0},
	{{"voip_doc_share", "voipdocshare"}, {KEY_VOIP_DOC_SHARE}, filename, TYPE_FILE},
	{{"sphfeed"}, {KEY_SPHFEED}, sphfeed, 0},
	{{"voiptext"}, {KEY_INFO, KEY_VOIPTEXT}, nothing, 0},
	{{"qydiskfile", "qy_disk_file"}, {KEY_INFO, KEY_QYDISKFILE}, filename, TYPE_FILE},
	{{"solitaire"}, {KEY_SOLITAIRE}, nothing, TYPE_GENERIC},
	{{"note"}, {KEY_INFO, KEY_NOTE}, nothing, TYPE_GENERIC},
};
/* clang-format on */

/* A few dozen short compares at most, and those that come most often stand first. */
const struct type *type_find(struct str msgtype)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		for (size_t k = 0; types[i].names[k]; k++)
			if (str_eq(str_of(types[i].names[k]), msgtype))
				return &types[i];
	return NULL;
}

const struct type *type_find_item(struct str type)
{
	char lower[32];

	if (str_starts(type, STR("ChatRecord")) && type.len > strlen("ChatRecord"))
		type = str_from(type, strlen("ChatRecord"));
	if (type.len == 0 || type.len > sizeof lower)
		return NULL;
	memcpy(lower, type.data, type.len);
	for (size_t i = 0; i < type.len; i++)
		if (lower[i] >= 'A' && lower[i] <= 'Z')
			lower[i] |= 0x20;
	return type_find((struct str){lower, type.len});
}
