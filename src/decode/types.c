/* types.c - the table of message types. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/types.h"

#define NAME(name) {name, sizeof name - 1}
#define FIELD(name) {NAME(name), SHAPE_STRING, NULL}
#define END {{NULL, 0}, SHAPE_END, NULL}

static const struct shape nothing[] = {END};
static const struct shape content[] = {FIELD("content"), END};
static const struct shape filename[] = {FIELD("filename"), END};
static const struct shape card[] = {FIELD("corpname"), END};
static const struct shape location[] = {FIELD("title"), FIELD("address"), END};
static const struct shape link[] = {FIELD("title"), FIELD("description"), FIELD("link_url"), END};
static const struct shape weapp[] = {
	FIELD("title"), FIELD("description"), FIELD("displayname"), END};
static const struct shape mixed[] = {{NAME("item"), SHAPE_ITEMS, NULL}, END};
static const struct shape chatrecord[] = {FIELD("title"), {NAME("item"), SHAPE_ITEMS, NULL}, END};
static const struct shape todo[] = {FIELD("title"), FIELD("content"), END};
static const struct shape vote[] = {FIELD("votetitle"), {NAME("voteitem"), SHAPE_STRINGS, NULL}, END};
static const struct shape question[] = {FIELD("ques"), END};
static const struct shape collect[] = {
	FIELD("title"), FIELD("room_name"), {NAME("details"), SHAPE_OBJECTS, question}, END};
static const struct shape redpacket[] = {FIELD("wish"), END};
static const struct shape meeting[] = {FIELD("topic"), FIELD("address"), FIELD("remarks"), END};
static const struct shape doc[] = {FIELD("title"), END};
static const struct shape article[] = {FIELD("title"), FIELD("description"), FIELD("url"), END};
static const struct shape news[] = {{NAME("item"), SHAPE_OBJECTS, article}, END};
static const struct shape calendar[] = {FIELD("title"), FIELD("place"), FIELD("remarks"), END};
static const struct shape call[] = {{NAME("demofiledata"), SHAPE_OBJECTS, filename}, END};
static const struct shape sphfeed[] = {FIELD("sph_name"), FIELD("feed_desc"), END};

static const struct type types[] = {
	{{NAME("text")}, {KEY_TEXT}, content, TYPE_WORDS},
	{{NAME("image")}, {KEY_IMAGE}, nothing, 0},
	{{NAME("voice")}, {KEY_VOICE}, nothing, 0},
	{{NAME("video")}, {KEY_VIDEO}, nothing, 0},
	{{NAME("emotion")}, {KEY_EMOTION}, nothing, TYPE_WORDS},
	{{NAME("file")}, {KEY_FILE}, filename, TYPE_FILE},
	{{NAME("link")}, {KEY_LINK}, link, 0},
	{{NAME("weapp")}, {KEY_WEAPP}, weapp, 0},
	{{NAME("mixed")}, {KEY_MIXED}, mixed, TYPE_WORDS},
	{{NAME("chatrecord")}, {KEY_CHATRECORD}, chatrecord, TYPE_FORWARDED},
	{{NAME("card")}, {KEY_CARD}, card, 0},
	{{NAME("location")}, {KEY_LOCATION}, location, 0},
	{{NAME("revoke")}, {KEY_REVOKE}, nothing, 0},
	{{NAME("agree")}, {KEY_AGREE}, nothing, 0},
	{{NAME("disagree")}, {KEY_DISAGREE, KEY_AGREE}, nothing, 0},
	{{NAME("todo")}, {KEY_TODOS}, todo, 0},
	{{NAME("vote")}, {KEY_VOTE}, vote, TYPE_FLAT},
	{{NAME("collect")}, {KEY_COLLECT}, collect, 0},
	{{NAME("redpacket")}, {KEY_REDPACKET}, redpacket, TYPE_MONEY},
	{{NAME("external_redpacket")}, {KEY_REDPACKET, KEY_EXTERNAL_REDPACKET}, redpacket, TYPE_MONEY},
	{{NAME("meeting")}, {KEY_MEETING}, meeting, 0},
	{{NAME("meeting_notification"), NAME("meeting_control")},
	 {KEY_INFO, KEY_MEETING_NOTIFICATION}, content, 0},
	{{NAME("docmsg"), NAME("doc")}, {KEY_DOC, KEY_DOCMSG}, doc, 0},
	{{NAME("markdown")}, {KEY_INFO, KEY_MARKDOWN}, content, 0},
	{{NAME("news")}, {KEY_INFO, KEY_NEWS}, news, 0},
	{{NAME("calendar")}, {KEY_CALENDAR}, calendar, 0},
	{{NAME("meeting_voice_call"), NAME("meetingvoicecall")}, {KEY_MEETING_VOICE_CALL}, call, 0},
	{{NAME("voip_doc_share"), NAME("voipdocshare")}, {KEY_VOIP_DOC_SHARE}, filename, TYPE_FILE},
	{{NAME("sphfeed")}, {KEY_SPHFEED}, sphfeed, 0},
	{{NAME("voiptext")}, {KEY_INFO, KEY_VOIPTEXT}, nothing, 0},
	{{NAME("qydiskfile"), NAME("qy_disk_file")}, {KEY_INFO, KEY_QYDISKFILE}, filename, TYPE_FILE},
	{{NAME("solitaire")}, {KEY_SOLITAIRE}, nothing, TYPE_GENERIC},
	{{NAME("note")}, {KEY_INFO, KEY_NOTE}, nothing, TYPE_GENERIC},
};

/* A few dozen short compares at most, and those that come most often stand first. */
const struct type *type_find(struct str msgtype)
{
	if (msgtype.len == 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_eq(types[i].names[0], msgtype) || str_eq(types[i].names[1], msgtype))
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
