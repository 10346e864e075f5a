/* subject.h - what is known of one subject, unpacked: tags, stages, windows, waits, messages.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Rules, tags, ladders and stages stand here by name, because rule sets change: what the rules no
 * longer know stays, silently. Names are kept by the shard (names.h), ids of messages are copied
 * into the transaction; a subject that was found lives until the transaction ends.
 *
 * A message that a tag, a stage, a wait or a grouping rests on is held once, in `told`, and referred
 * to by its index. What is remembered so that a second copy does nothing and a recall takes alerts
 * back is in `past`.
 *
 * Pure. Thread: belongs to a shard, and so to one worker.
 */
#pragma once

#include "model.h"
#include "state/past.h"

enum { /* limits for one subject; reaching one is counted, the oldest or the newest gives way */
	SUBJECT_TAGS_MAX = 256,	  /* ten times what a sales team keeps on a customer */
	SUBJECT_SEEN_MAX = 1000,  /* remembered messages; bounds what a change costs */
	SUBJECT_WINDOWS_MAX = 256,
	WINDOW_ENTRIES_MAX = 1000, /* counts need no more than their threshold; sums may */
	SUBJECT_TIMERS_MAX = 256,  /* waits and groupings, each */
	SUBJECT_NEARS_MAX = 64,
	SUBJECT_SPOKE_MAX = 64,	   /* staff whose newest message is known; the customer's is, too */
	LADDER_MOVES_MAX = 16,	   /* moves that recalls can still undo */
};

enum { TOLD_NONE = UINT32_MAX };
enum { NEAR_LAPSE_MS = 24 * 3600 * 1000 }; /* RULES.md section 1 */

/* A message that a tag, a move, a wait or a grouping rests on. */
struct told {
	struct str msgid;
	int64_t time_ms;
	struct str from; /* of role customer: empty, it is the subject */
	struct str roomid;
	struct str *userids;
	uint32_t userid_count;
	enum role role;
	enum chat chat;
};

/* Why a tag is there: one for each rule and message. */
struct proof {
	uint32_t told;
	struct str pack, rule; /* empty: a control record */
	int64_t expires_ms;    /* after told's time; 0: never */
	uint32_t order;	       /* among all that one message did to this subject */
	bool keeps;	       /* a recall does not take it away */
};

struct tag_state {
	struct str group, tag;
	LIST(struct str) staff; /* whom it was announced for */
	LIST(struct proof) proofs; /* in the order they came */
};

/* Moves of a ladder, oldest first. The first is where it stood before what can be undone. */
struct move {
	struct str stage; /* empty: none */
	int64_t time_ms;  /* a message older than that of the last move moves nothing */
	uint32_t told;	  /* TOLD_NONE: nothing can undo it */
	struct str pack, rule;
	uint32_t order;
	bool keeps;
};

struct ladder_state {
	struct str ladder;
	LIST(struct move) moves; /* never empty */
};

/* The newest change of an exclusive group. */
struct group_change {
	struct str group;
	int64_t time_ms;
};

struct window_entry {
	int64_t time_ms;
	int64_t amount_fen; /* sums */
	struct str word;    /* distinct words: the newest match of this word */
};

struct window_state {
	struct str pack, rule, pair;
	LIST(struct window_entry) entries; /* by time, equal ones as they came */
};

struct wait_state {
	struct str pack, rule, where; /* where: the staff or room; empty: anywhere */
	uint32_t told;
	int64_t due_ms;
};

/* Alerts of one rule that are told together (`group_for`). */
struct grouping {
	struct str pack, rule, pair;
	int64_t due_ms;	      /* when it closes */
	int64_t first_due_ms; /* of the first alert, if a wait fired it; else 0 */
	struct str msgid;     /* of the first alert: with it the alert_id is made again */
	uint32_t newest;      /* told */
	uint64_t count;
	LIST(struct str) msgids; /* at most MSGIDS_MAX */
	enum severity severity;
	struct str category, title;
};

struct sighting {
	uint32_t number; /* of the speaker's message, counted from when the near was opened */
	uint64_t parts;
	int64_t time_ms;
};

struct near_state {
	struct str pack, rule;
	uint32_t node;	    /* cond.near_index */
	struct str speaker; /* empty: the subject itself */
	struct str where;   /* room, or the other one of a single chat */
	uint32_t counted;   /* messages of the speaker since it was opened */
	LIST(struct sighting) sightings;
};

/* The newest message of the customer (who empty) or of one staff in their single chat. */
struct spoke {
	struct str who;
	int64_t time_ms;
};

struct subject {
	struct str corpid, id;
	bool is_customer;
	bool disagreed;	     /* to being archived */
	int64_t consent_ms;  /* of the newest word on it; 0: none */
	int64_t erased_ms;   /* what is older does nothing; 0: never erased */
	int64_t touched_ms;  /* the clock at the last change */
	uint64_t sequence;   /* of the last event; 0: none */
	struct past past;
	LIST(struct told) told;
	LIST(struct tag_state) tags; /* in the order they were added */
	LIST(struct group_change) changes;
	LIST(struct ladder_state) ladders;
	LIST(struct window_state) windows;
	LIST(struct wait_state) waits;
	LIST(struct grouping) groupings;
	LIST(struct near_state) nears;
	LIST(struct spoke) spokes;
};

/* ---- looking ---- */

/* Is the message remembered at `clock_ms`? */
bool subject_remembers(const struct subject *s, uint64_t msgid_hash, int64_t clock_ms,
		       int64_t memory_ms);
struct tag_state *subject_tag(const struct subject *s, struct str group, struct str tag);
struct ladder_state *subject_ladder(const struct subject *s, struct str ladder);
/* The stage it is in; empty: none. */
struct str subject_stage(const struct subject *s, struct str ladder);
/* What the tag rests on: the newest by time, of equals the last to come. */
const struct proof *tag_newest(const struct subject *s, const struct tag_state *tag);

/* ---- what falls due ---- */
enum due_kind { DUE_NONE, DUE_EXPIRY, DUE_WAIT, DUE_GROUPING, DUE_IDLE };
struct due {
	enum due_kind kind;
	int64_t due_ms;
	uint32_t index; /* into tags, waits, groupings */
};
/* The first by due time, then pack, rule, target (group/tag of an expiry) and, of waits and
 * groupings, where, as bytes. */
struct due subject_due(const struct subject *s, int64_t idle_ms);

/* When that is, as it is kept beside a packed form: apart from idle_ms, which may change. */
struct due_time {
	enum due_when { DUE_NEVER, DUE_AT, DUE_IDLE_SINCE } kind;
	int64_t ms; /* since 1970 */
};
struct due_time subject_due_time(const struct subject *s);
/* INT64_MAX: never. */
int64_t due_time_ms(struct due_time due, int64_t idle_ms);

/* ---- changing ---- */

/* Drops parts of nears whose day is over, and nears that have no others; true if there were any. */
bool subject_drop_lapsed(struct subject *s, int64_t clock_ms);
/* Drops what can no longer matter at `clock_ms`: proofs and moves that no recall can reach and
 * that are not the newest, lapsed nears, and now and then messages past `memory_ms`. */
void subject_tidy(struct subject *s, struct arena *arena, int64_t clock_ms, int64_t memory_ms);
