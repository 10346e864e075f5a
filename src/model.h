/* model.h - the nouns between the stages: record, message, text, hit, match, event; and limits.
 * SPDX-License-Identifier: Apache-2.0
 *
 *   record ──► message ──► folded text ──► matches ──► events
 *
 * All of these borrow: their bytes live in the record or in the arena of the batch, until the
 * batch ends. Offsets are bytes of UTF-8 unless a name says chars. Times are milliseconds since
 * 1970 in UTC. What a field means to the outside is in CONTRACT.md sections 2 and 3 (docs/).
 *
 * Thread: that of the batch.
 */
#pragma once

#include "base/digest.h"

/* ---- limits, each with its reason ---- */
enum {
	RECORD_BYTES_MAX = 1024 * 1024, /* default of Kafka's max.message.bytes; larger is too_big */
	RECORD_BYTES_LIMIT = 64 * 1024 * 1024, /* the most that input.record_bytes_max may be */
	JSON_DEPTH_MAX = 64,		/* WeCom nests 8 records of about 5 levels */
	TOLIST_MAX = 10000,		/* 20 times WeCom's largest group */
	EVIDENCE_MAX = 100,		/* hits listed in an event; all count */
	EVIDENCE_BYTES_MAX = 64 * 1024, /* of text in them: six times that in JSON fits any topic */
	USERIDS_MAX = 20,		/* staff listed in an event */
	TAG_STAFF_MAX = 64,		/* whom a tag was announced for: RULES.md section 4 */
	MSGIDS_MAX = 100,		/* messages listed in a grouped alert */
	MSGID_BYTES_MAX = 256,		/* ids and names in keys; the longest seen are 64 */
};

/* ---- record: what came in ---- */
struct record {
	struct str value;  /* data NULL: a null value (a tombstone) */
	struct str key;
	int64_t time_ms;   /* of the Kafka record; in a file that of the line before, else 1 */
	int64_t offset;	   /* of the Kafka record, or the line number from 1 */
	int32_t partition; /* -1 in a file */
	bool time_inherited; /* in a file: time_ms counts only if the record has no time of its own */
	/* `value.data` may be read up to RECORD_PADDING bytes past its end. */
};
enum { RECORD_PADDING = 64 }; /* simdjson reads so far */

/* ---- message: what was said, by whom, to whom ---- */
enum role { ROLE_CUSTOMER, ROLE_STAFF, ROLE_ROBOT };
enum chat { CHAT_SINGLE, CHAT_GROUP, CHAT_INTERNAL };

enum message_kind {
	MESSAGE_CHAT,	  /* something said */
	MESSAGE_RECALL,	  /* action recall: `pre_msgid` is taken back */
	MESSAGE_SWITCH,	  /* a member changed companies: `from` is the user, no chat */
	MESSAGE_AGREE,	  /* the customer agreed to being archived */
	MESSAGE_DISAGREE,
	MESSAGE_CLOCK,	  /* a clock record: only corpid and msgtime_ms are set */
	MESSAGE_CONTROL,  /* a control record: corpid, subject, msgid, msgtime_ms, control */
	MESSAGE_RULES,	  /* a rules record: `ruleset`, `by`, msgtime_ms */
};

enum span_kind { SPAN_EMOTICON, SPAN_MENTION };
struct span {
	uint32_t start, end; /* bytes */
	enum span_kind kind;
};

/* One string that a person reads. Valid UTF-8 after JSON's escapes. */
struct text {
	struct str path;    /* "mixed.item[0].content.content" */
	struct str content; /* readable 16 bytes before and 64 after (arena or record) */
	bool forwarded;	    /* inside a chatrecord */
	uint32_t own_start; /* [0, own_start) quotes somebody else's words; 0: nothing quoted */
	const struct span *spans; /* by start */
	uint32_t span_count;
};

struct control {
	const struct str *add, *remove; /* "group/tag" or "tag" */
	size_t add_count, remove_count;
	struct str ladder, stage; /* empty: none */
	bool erase;
	struct str by;
};

enum { /* bits of message.notes: oddities that are counted, not refused */
	NOTE_NO_TIME = 1,	/* msgtime 0 or absent: recv_ts or the record's time was taken */
	NOTE_SURROGATE = 2,	/* a lone surrogate became U+FFFD */
	NOTE_UNKNOWN_TYPE = 4,	/* searched generically */
	NOTE_CUT_LIST = 8,	/* tolist longer than TOLIST_MAX */
};

struct message {
	enum message_kind kind;
	unsigned notes;
	struct str corpid, msgid;
	uint64_t seq; /* 0: none */
	int64_t msgtime_ms; /* > 0, as given by the message (not clamped) */
	/* recv_ts, else the record's time; if that is inherited msgtime goes before it. This is also
	 * the time that `load` stamps, and that the next line of a file inherits. */
	int64_t recv_ms;
	struct str msgtype; /* as written */

	struct str from;
	enum role from_role;
	const struct str *tolist;
	size_t tolist_count;
	struct str roomid; /* empty in single chats */
	enum chat chat;
	struct str subject;	    /* whom the message is about */
	bool subject_is_customer;   /* else a room or a staff member */
	const struct str *userids;  /* staff in the conversation, in order of from, tolist */
	size_t userid_count;	    /* <= USERIDS_MAX */

	const struct text *texts; /* in the order of the input */
	size_t text_count;
	bool only_closing;	 /* nothing but emoticons or stickers: neither starts nor ends a wait */
	struct str fileext;	 /* of a file; lower case */
	int64_t amount_fen;	 /* of a red packet in 0.01 yuan; -1: none */

	struct str pre_msgid;	 /* MESSAGE_RECALL */
	struct str agree_userid; /* MESSAGE_AGREE, MESSAGE_DISAGREE: the staff it is about */
	struct str ruleset, by;	 /* MESSAGE_RULES */
	const struct control *control; /* MESSAGE_CONTROL */
};

/* ---- folded text: what is searched, with the way back ---- */
/* FORM_DIGITS is FORM_LOOSE with look-alike digits; rules never name it, words that are all digits
 * are searched in it under `loose`. */
enum fold_form { FORM_NONE, FORM_STANDARD, FORM_LOOSE, FORM_DIGITS, FORM_COUNT };

enum { /* bits: folds that a hit needed, named in evidence in this order */
	FOLD_WIDTH = 1 << 0,
	FOLD_COMPAT = 1 << 1,
	FOLD_CASE = 1 << 2,
	FOLD_TRAD = 1 << 3,
	FOLD_INVISIBLE = 1 << 4,
	FOLD_DIGIT = 1 << 5,
	FOLD_LETTER = 1 << 6,
	FOLD_HOMOPHONE = 1 << 7,
	FOLD_GAP = 1 << 8,
};

/* Where a stretch of folded text came from: bytes `at` up to the next run stand in the original from
 * `from` on, or all came from the one character there. */
struct fold_run {
	uint32_t at;
	uint32_t from : 31; /* a record has far fewer bytes */
	uint32_t same : 1;  /* the bytes of the original as they are */
};

struct folded {
	struct str text; /* readable 16 bytes before and 64 after */
	/* Runs by `at`, the last one behind the text; NULL when text is the original itself. */
	const struct fold_run *runs;
	uint32_t run_count;
	/* Loose forms: at the first byte of each character, and at text.len, how many separators
	 * were removed just before it (255: or more). NULL when none were. */
	const uint8_t *gaps;
};

/* ---- hit and match: what was found ---- */
struct hit {
	uint32_t text;	     /* index into message.texts */
	uint32_t start, end; /* bytes of the original, whole characters */
	uint32_t folds;	     /* FOLD_* bits */
	struct str word;     /* as first written in the rules; a regex's pattern; a detector's name */
};

/* A part of a `near … messages` condition, seen in earlier messages or in this one. */
struct near_part {
	uint32_t rule, node; /* node: cond.near_index */
	uint64_t parts;	     /* bit i: part i of the condition */
};

/* A rule whose filters and condition hold, before guards and windows. */
struct match {
	uint32_t rule; /* index into ruleset.rules */
	uint32_t hit_count;
	const struct hit *hits; /* all, by text, start, end, word; each once */
	const uint32_t *table_rows; /* `tag_from`: rows of the rule's table that hit, ascending */
	uint32_t table_row_count;
};

struct matches {
	const struct match *items; /* by rule: pack, file, position */
	size_t count;
	const struct near_part *seen; /* parts of near-over-messages conditions in this message */
	size_t seen_count;
	/* Rules with a `wait` that has `ignore`, ascending, to which this message holds nothing but
	 * words of `ignore`, blanks, punctuation and emoticons: whether the rule matches or not. */
	const uint32_t *ignored;
	size_t ignored_count;
};

/* ---- event: what goes out ---- */
enum event_type { EVENT_TAG, EVENT_STAGE, EVENT_ALERT, EVENT_HIT, EVENT_ERASE, EVENT_TYPE_COUNT };
enum cause { CAUSE_RULE, CAUSE_STAFF, CAUSE_EXPIRY, CAUSE_RECALL, CAUSE_MANUAL, CAUSE_GROUP };
/* What happens to the messages of a customer who disagreed to being archived. */
enum consent { CONSENT_IGNORE, CONSENT_ALERT_ONLY, CONSENT_DROP };
enum severity { SEVERITY_LOW, SEVERITY_MEDIUM, SEVERITY_HIGH, SEVERITY_CRITICAL };

struct tag_change {
	struct str group, tag, wecom_id; /* wecom_id may be empty */
	const struct str *userids;	 /* only where the change names staff of its own */
	size_t userid_count;
};

struct evidence {
	struct str path;
	uint32_t start, end, char_start, char_end;
	struct str text; /* the original spelling, unmasked; the encoder masks */
	struct str word;
	uint32_t folds;
	bool forwarded;
};

struct event {
	enum event_type type;
	enum cause cause;
	char id[UUID_LEN];  /* no NUL */
	int64_t time_ms;
	uint64_t sequence;  /* 0: none (hit, erase) */
	struct str corpid, subject, external_userid; /* the last empty if no customer */
	const struct str *userids;
	size_t userid_count;
	struct str roomid;
	enum chat chat;
	struct str from;
	enum role from_role;
	struct str msgid;
	int64_t msgtime_ms;
	bool late;
	struct str pack, rule, ruleset; /* ruleset: "sha256:…" */
	struct str by;			/* control records */
	const struct tag_change *add, *remove;
	size_t add_count, remove_count;
	const struct evidence *evidence;
	size_t evidence_count;
	bool truncated; /* more hits, or more text of them, than are listed */

	struct str ladder, from_stage, to_stage; /* EVENT_STAGE; from_stage empty: null */

	enum severity severity; /* EVENT_ALERT from here */
	struct str category, title;
	uint64_t count;
	const struct str *msgids;
	size_t msgid_count;
	char alert_id[UUID_LEN];
	bool recalled;
};

/* Events of a batch, in order. The array and all it points to live in the batch's arena. */
struct events {
	struct event *items;
	size_t count, cap;
};

/* ---- names, as events, rules and options spell them ----
 *
 * Each list is in the order of its enum (or bits), for a table of C strings (X: AS_NAME) or of
 * struct str (X: STR): `static const struct str causes[] = {CAUSE_NAMES(STR)};`. */
#define AS_NAME(name) name
#define ROLE_NAMES(X) X("customer"), X("staff"), X("robot")
#define CHAT_NAMES(X) X("single"), X("group"), X("internal")
#define FOLD_NAMES(X)                                                                              \
	X("width"), X("compat"), X("case"), X("trad"), X("invisible"), X("digit"), X("letter"),    \
		X("homophone"), X("gap")
#define EVENT_TYPE_NAMES(X) X("tag"), X("stage"), X("alert"), X("hit"), X("erase")
#define EVENT_CE_TYPES(X) /* in ce_type */                                                         \
	X("chatmill.tag.v1"), X("chatmill.stage.v1"), X("chatmill.alert.v1"),                      \
		X("chatmill.hit.v1"), X("chatmill.erase.v1")
#define CAUSE_NAMES(X) X("rule"), X("staff"), X("expiry"), X("recall"), X("manual"), X("group")
#define CONSENT_NAMES(X) X("ignore"), X("alert_only"), X("drop")
#define SEVERITY_NAMES(X) X("low"), X("medium"), X("high"), X("critical")
