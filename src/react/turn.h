/* turn.h - one message, or one thing that fell due, being applied to its subject.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A turn holds what effects need: whom it is about, the message it rests on, and where events go.
 * What a wait does when it falls due rests on the message that started it; its age against
 * ladders and exclusive groups is the time it fell due (`at_ms`), because that is when it happens.
 *
 * Private to react/: the files of effects share it, react.h is the door.
 *
 * Thread: as react.h.
 */
#pragma once

#include "react/lookup.h"
#include "react/react.h"
#include "state/subject.h"

enum { LATE_MS = 3600 * 1000 }; /* CONTRACT.md section 3 */

struct reactor {
	struct react_settings settings;
	struct react_counts counts;
	struct lookup lookup;
};

/* The tag that this message gave an exclusive group: the first rule wins. */
struct claim {
	uint32_t group, tag;
};

struct turn {
	struct reactor *reactor;
	struct shard *shard;
	const struct ruleset *set;
	struct arena *arena; /* of the batch */
	struct events *events;
	struct subject *subject; /* never NULL */
	bool is_customer;
	bool changed;	  /* the subject: shard_touched() is due */
	bool alerts_only; /* the customer disagreed, and the company wants no more than alerts */
	bool dropped;	  /* the customer disagreed, and the message is not judged */
	bool manual;	  /* a control record: a person's word stands whatever its time */
	bool remembered;  /* the message, by turn_remember() */
	int64_t clock_ms;

	/* What it rests on. */
	struct str msgid, from, roomid, by;
	struct str pair; /* message_pair(); of what fell due only in wait_is_due() */
	enum role role;
	enum chat chat;
	const struct str *userids;
	uint32_t userid_count;
	int64_t msgtime_ms;
	int64_t due_ms; /* when it fell due; 0: it is a message of now */
	int64_t at_ms;	/* due_ms, else msgtime_ms */
	uint32_t told;	/* index into subject->told, TOLD_NONE until something rests on it */
	uint32_t order; /* of the next thing that rests on it */
	LIST(struct claim) claims;
};

/* ---- turn.c ---- */

void turn_of_message(struct turn *t, const struct message *message);
/* A turn that rests on a message the subject was told before. */
void turn_of_told(struct turn *t, uint32_t told, int64_t due_ms);
/* The message of the turn among those that something rests on. */
uint32_t turn_told(struct turn *t);
/* Remembers the message, so that its second copy does nothing. It is not remembered yet when its turn
 * begins: react_seen() was asked. */
void turn_remember(struct turn *t);
/* Ends the turn: the subject is tidied if it changed. */
void turn_end(struct turn *t);

/* With whom the subject of a chat message talks, never empty: the room, else the staff of the single
 * chat, else, where there is no staff, the other one (itself, if the message names nobody else). */
struct str message_pair(const struct message *message);

/* Whose effect an event tells: names of the state or of the rules. */
struct source {
	struct str pack, rule;
};

/* Adds an event with id and sequence. `target`: a ladder, group/tag of an expiry, or empty; a
 * turn that fell due adds @ and the time. */
struct event *turn_event(struct turn *t, enum event_type type, enum cause cause,
			 struct source source, struct str target);
/* The id of the alert that a rule gave at a message. */
void alert_id(const struct turn *t, struct str msgid, struct source source, int64_t due_ms,
	      char out[UUID_LEN]);

/* The evidence of a match, made once and shared by the events of its rule. */
struct proof_texts {
	const struct evidence *items;
	size_t count;
	bool truncated, made;
};
void turn_evidence(struct turn *t, const struct message *message, const struct match *match,
		   struct proof_texts *out);

/* ---- tags.c ---- */

typedef LIST(struct tag_change) tag_changes;

/* What the tag effects of one rule, or one control record, come to. */
struct tag_work {
	tag_changes add, remove; /* cause rule or manual */
	tag_changes staff;	 /* announced for one more employee */
};

void tag_add(struct turn *t, struct source source, bool keeps, struct tag_ref ref,
	     int64_t expires_ms, struct tag_work *work);
void tag_remove(struct turn *t, struct tag_ref ref, struct tag_work *work);
/* Takes tag `index` off the subject and notes the change of its group. */
struct tag_change tag_take(struct turn *t, uint32_t index, const struct tag *known);
void tag_events(struct turn *t, struct source source, enum cause cause, struct tag_work *work,
		const struct proof_texts *evidence);
/* An expiry that is due. */
void tag_expire(struct turn *t, uint32_t index);

/* ---- stages.c ---- */

/* Of one ladder: the move that this message makes. */
struct stage_choice {
	int32_t to;	       /* STAGE_NONE: none */
	const struct rule *rule; /* the first that asked for it */
};

/* Considers what `rule` asks; `choices` has one for each ladder of the set. */
void stage_ask(struct turn *t, const struct rule *rule, struct stage_choice *choices);
void stage_choices_init(const struct ruleset *set, struct stage_choice *choices);
/* Moves the ladder and tells it. */
void stage_move(struct turn *t, uint32_t ladder, int32_t to, struct source source, bool keeps,
		enum cause cause, const struct proof_texts *evidence);
/* Tells a move that has happened already. */
void stage_event(struct turn *t, const struct ladder *ladder, struct str from, struct str to,
		 struct source source, enum cause cause, const struct proof_texts *evidence);

/* ---- alerts.c ---- */

void alert_fire(struct turn *t, const struct rule *rule, const struct effect *effect,
		const struct proof_texts *evidence);
/* A grouping that is due. */
void grouping_close(struct turn *t, uint32_t index);

/* ---- windows.c ---- */

/* Counts the match in its rule's window; true if the rule fires with it. */
bool window_take(struct turn *t, const struct rule *rule, const struct message *message,
		 const struct match *match);

/* ---- waits.c ---- */

/* The message ends the waits for its role. `ignored` are the rules to which it is nothing but
 * closing words, ascending. */
void waits_end(struct turn *t, const struct message *message, const struct matches *matches);
/* Does the wait still belong to its rule? Not if that waits no more, or for the other role: then the
 * wait does not say where an answer would have to come. */
bool wait_fits(const struct wait_state *w, const struct rule *rule);
void wait_start(struct turn *t, const struct rule *rule, const struct message *message,
		const struct matches *matches);

/* ---- nears.c ---- */

/* Notes the parts that this message holds and that it was one more of its speaker. */
void nears_take(struct turn *t, const struct message *message, const struct matches *matches);

/* ---- recall.c ---- */

void recall_apply(struct turn *t, struct str pre_msgid);

/* ---- control.c ---- */

void control_apply(struct turn *t, const struct message *message);

/* ---- fire.c ---- */

bool guard_holds(const struct turn *t, const struct guard *guard);
/* Everything the matches of a message do. `guards[i]` says whether match i passed its guards. */
void fire_matches(struct turn *t, const struct message *message, const struct matches *matches,
		  const bool *guards);
/* A wait that is due. */
void fire_wait(struct turn *t, const struct rule *rule);

