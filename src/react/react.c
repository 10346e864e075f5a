/* react.c - the order inside one record: the clock, what is due, a recall, then the rules. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "react/react.h"

#include "base/hash.h"
#include "react/turn.h"
#include "rules/load.h"

enum { CLOCK_AHEAD_MS = 5 * 60 * 1000 }; /* CONTRACT.md section 2: Clock */

int reactor_new(struct reactor **out, const struct react_settings *settings, struct err *err)
{
	OWNED(reactor) *r = calloc(1, sizeof *r);
	if (!r)
		return err_set(err, ERR_OS, "react: out of memory");
	r->settings = *settings;
	*out = TAKE(r);
	return 0;
}

void reactor_free(struct reactor *r)
{
	if (!r)
		return;
	lookup_fini(&r->lookup);
	free(r);
}

struct react_counts react_counts(const struct reactor *r)
{
	return r->counts;
}

/* ---- what falls due ---- */

/* The wait leaves the subject; its rule may have gone, changed, or be turned away by now. */
static void wait_is_due(struct turn *t, uint32_t index)
{
	struct wait_state w = t->subject->waits.items[index];
	const struct rule *rule = lookup_rule(&t->reactor->lookup, w.pack, w.rule);
	enum consent consent = t->subject->disagreed
				       ? ruleset_consent(t->set, t->subject->corpid)
				       : CONSENT_IGNORE;

	LIST_REMOVE(&t->subject->waits, index);
	t->changed = true;
	if (!rule || !wait_fits(&w, rule) || rule->shadow || consent == CONSENT_DROP)
		return;
	turn_of_told(t, w.told, w.due_ms);
	t->pair = w.where;
	t->alerts_only = consent == CONSENT_ALERT_ONLY;
	if (guard_holds(t, &rule->guard))
		fire_wait(t, rule);
}

static void take_due(struct turn *t, struct due due)
{
	switch (due.kind) {
	case DUE_NONE:
		UNREACHABLE("a subject in the queue that has nothing due");
	case DUE_EXPIRY:
		tag_expire(t, due.index);
		return;
	case DUE_WAIT:
		wait_is_due(t, due.index);
		return;
	case DUE_GROUPING:
		grouping_close(t, due.index);
		return;
	case DUE_IDLE:
		shard_forget(t->shard, t->subject);
		return;
	}
}

static int64_t clamped(const struct message *message)
{
	return MIN(message->msgtime_ms, message->recv_ms + CLOCK_AHEAD_MS);
}

enum react_progress react_due(struct reactor *r, struct shard *shard, const struct ruleset *set,
			      const struct message *message, size_t events_max,
			      struct arena *arena, struct events *events)
{
	int64_t reached_ms = shard_clock_ms(shard, message->corpid);
	int64_t clock_ms = MAX(reached_ms, clamped(message));
	int64_t idle_ms = shard_settings(shard)->idle_ms;
	size_t start = events->count;
	struct subject *subject;

	lookup_fit(&r->lookup, set);
	for (size_t taken = 0;; taken++) {
		subject = shard_first_due(shard, message->corpid, clock_ms);
		if (!subject)
			break;
		/* Each thing that falls due makes a few events at most; one that makes none costs
		 * a change of state, which has to be bounded too. */
		if (taken >= events_max || events->count - start >= events_max) {
			shard_set_clock_ms(shard, message->corpid, reached_ms);
			return REACT_MORE;
		}
		struct due due = subject_due(subject, idle_ms);
		struct turn t = {
			.reactor = r, .shard = shard, .set = set, .arena = arena,
			.events = events, .subject = subject,
			.is_customer = subject->is_customer, .clock_ms = clock_ms,
		};
		reached_ms = MAX(reached_ms, due.due_ms);
		shard_set_clock_ms(shard, message->corpid, clock_ms);
		take_due(&t, due);
		turn_end(&t);
	}
	shard_set_clock_ms(shard, message->corpid, clock_ms);
	return REACT_DONE;
}

/* ---- duplicates ---- */

bool react_seen(struct reactor *r, struct shard *shard, const struct message *message)
{
	if (!message->subject.len)
		return false;
	struct shard_glance known;
	if (!shard_look(shard, message->corpid, message->subject, &known))
		return false;
	if (message->msgtime_ms < known.erased_ms) {
		r->counts.erased++;
		return true;
	}
	if (!message->msgid.len ||
	    !shard_remembers(shard, &known, message->corpid, hash_64(message->msgid)))
		return false;
	r->counts.duplicates++;
	return true;
}

/* ---- consent ---- */

/* A word on consent that is older than the newest one says nothing. */
static void note_consent(struct turn *t, bool disagreed)
{
	struct subject *s = t->subject;

	if (!t->is_customer || t->msgtime_ms < s->consent_ms)
		return;
	s->consent_ms = t->msgtime_ms;
	s->disagreed = disagreed;
	t->changed = true;
}

/* ---- a message ---- */

/* Is there anything to do with it? Most messages match nothing and change nothing, and most
 * people are not known. */
static bool is_idle(const struct turn *t, const struct message *message,
		    const struct matches *matches)
{
	const struct lookup *l = &t->reactor->lookup;
	struct shard_glance known;

	if (message->kind != MESSAGE_CHAT || matches->count || matches->seen_count)
		return false;
	if (message->subject_is_customer &&
	    ((l->staff_waits && message->from_role == ROLE_STAFF) ||
	     (l->customer_waits && message->from_role == ROLE_CUSTOMER)))
		return false;
	return !shard_look(t->shard, message->corpid, message->subject, &known) || !known.awaits;
}

static void judge(struct turn *t, const struct message *message, const struct matches *matches)
{
	bool *guards = ARENA_ARRAY(t->arena, bool, matches->count);

	/* Guards see the state before the message, so before what a recall undoes as well. */
	for (size_t i = 0; i < matches->count; i++)
		guards[i] = guard_holds(t, &t->set->rules[matches->items[i].rule].guard);
	if (message->kind == MESSAGE_RECALL)
		recall_apply(t, message->pre_msgid);
	if (t->dropped)
		return;
	waits_end(t, message, matches);
	nears_take(t, message, matches);
	if (matches->count) {
		turn_remember(t);
		fire_matches(t, message, matches, guards);
	}
}

void react_message(struct reactor *r, struct shard *shard, const struct ruleset *set,
		   const struct message *message, const struct matches *matches,
		   struct arena *arena, struct events *events)
{
	struct turn t = {
		.reactor = r, .shard = shard, .set = set, .arena = arena, .events = events,
		.is_customer = message->subject_is_customer,
	};

	if (!message->subject.len)
		return;
	lookup_fit(&r->lookup, set);
	if (is_idle(&t, message, matches))
		return;
	t.subject = shard_get(shard, message->corpid, message->subject);
	t.clock_ms = shard_clock_ms(shard, message->corpid);
	turn_of_message(&t, message);
	r->counts.late += message->msgtime_ms < t.clock_ms - LATE_MS;
	if (message->kind == MESSAGE_CONTROL) {
		control_apply(&t, message);
	} else {
		/* Who agrees is judged from this message on, who disagrees from the next. */
		if (message->kind == MESSAGE_AGREE)
			note_consent(&t, false);
		enum consent consent = t.subject->disagreed ? ruleset_consent(set, message->corpid)
							    : CONSENT_IGNORE;
		t.alerts_only = consent == CONSENT_ALERT_ONLY;
		t.dropped = consent == CONSENT_DROP;
		judge(&t, message, matches);
		if (message->kind == MESSAGE_DISAGREE)
			note_consent(&t, true);
	}
	turn_end(&t);
}
