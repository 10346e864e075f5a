/* shard.h - the state of one partition: its subjects, clocks, position and rules in force.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A shard changes inside a transaction: shard_begin(), changes, then shard_commit() once Kafka has
 * committed, or shard_rollback(), which brings back what was there at shard_begin(): subjects that
 * a transaction touches are unpacked aside, and their packed form stays until it is committed.
 * shard_changes() gives what the changelog must hold: one record for each subject that changed,
 * switches of rules, and the marker (next offset, clock of each corp, digest of the rules).
 * Keys and values are described in state/codec.h; values carry a version and a checksum.
 *
 * A transaction holds the subjects it touched in memory; whoever never commits keeps them all.
 *
 * Thread: a shard belongs to one worker. Times are event time, brought by the caller.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct shard;
struct subject;
struct shard_settings {
	int64_t memory_ms; /* how long an effective message is remembered: state.memory, 7 days */
	int64_t idle_ms;   /* subjects without tag, stage, window, wait are forgotten after it;
			    * 0: never */
};

struct shard_change {
	struct str key;
	struct str value; /* data NULL: a tombstone */
};

/* `beside`: another shard of the same thread whose working memory it shares, so that ten partitions
 * do not each keep what their largest transaction took; NULL: none. Shards side by side load, copy
 * and settle while none of them has a transaction. */
MUST_CHECK int shard_new(struct shard **out, int32_t partition,
			 const struct shard_settings *settings, struct shard *beside,
			 struct err *err);
void shard_free(struct shard *s); /* NULL is fine */
DEFINE_OWNED(shard);

/* Frees its working memory, and that of those beside it, outside of a transaction; the next one takes
 * it again. */
void shard_give_back(struct shard *s);
/* Moves what is remembered together, for a quiet time: a step is some 64 KiB. True if there is more to
 * do. Outside of a transaction. */
bool shard_squeeze(struct shard *s, uint32_t steps);

void shard_begin(struct shard *s);
void shard_commit(struct shard *s);
void shard_rollback(struct shard *s);
/* What changed since shard_begin(), encoded; the marker last. Nothing if nothing changed. Until
 * the next shard_changes(), commit or rollback. */
const struct shard_change *shard_changes(struct shard *s, size_t *count);

/* Takes one record of the changelog, in order, outside of a transaction. Unknown versions and
 * broken checksums are ERR_CONFIG. Of a subject no more is read than when it falls due; whether the
 * rest makes sense is seen when it is asked for (shard_check()). shard_loaded() ends loading, be it
 * of these or of a copy. */
MUST_CHECK int shard_load(struct shard *s, struct str key, struct str value, struct err *err);
MUST_CHECK int shard_loaded(struct shard *s, struct err *err);
/* While a record of this key stands in a partition, an import into it is under way or broke off, and
 * shard_loaded() refuses the state; with the body shard_imported it was done. */
extern const struct str shard_import_note, shard_imported;

/* A subject that is loaded stays as it came until somebody asks for it: a third larger than it has to
 * be. This brings up to `subjects` of them into their small form, outside of a transaction, and goes
 * on where it ended before. False if there are no more. */
bool shard_settle(struct shard *s, uint32_t subjects);
/* Whether all subjects that were asked for made sense; ERR_CONFIG if not. Nothing that one of them
 * gave may be committed. */
MUST_CHECK int shard_check(const struct shard *s, struct err *err);

/* Visits all that the changelog must hold to bring this shard back, outside of a transaction:
 * every subject, then the marker. Key and value live until the next call; a value without data
 * belongs to a subject that makes no sense (shard_check()). For `state export`; in the order of
 * places in the table, which means nothing. */
void shard_each(struct shard *s, void (*visit)(void *context, struct str key, struct str value),
		void *context);

/* The name of this changelog, by which a snapshot knows whether it belongs to it: random, chosen
 * for its first marker and in every marker since; empty: none yet. A topic that was deleted and made
 * again has another. Set before anything is in a transaction. */
struct str shard_lineage(const struct shard *s);
void shard_set_lineage(struct shard *s, struct str lineage);

/* ---- for snapshots (snapshot.h), outside of a transaction ---- */

/* How far a copy has got; zeroed at first. Ends with the shard. */
struct shard_cursor {
	uint32_t slots, names, corps;
	bool done;
};
/* Appends a piece of about `bytes` to `out` and moves the cursor. Between two pieces the shard may
 * change: subjects that changed since the first are in any state they had since then, or missing,
 * so that a copy is whole only together with the changelog from the first piece on. */
void shard_copy(struct shard *s, struct shard_cursor *cursor, size_t bytes, struct buf *out);
/* Takes a piece, in order, into a shard to which nothing else was done yet; the bytes are what
 * shard_copy() wrote, of this version. False if they make no sense; shard_clear() then. */
bool shard_take_copy(struct shard *s, struct str piece);
/* Appends the marker as it is now, as a value of the changelog; nothing if there is none. */
void shard_marker(struct shard *s, struct buf *out);
extern const struct str shard_marker_key;
/* Whether the state has all that stood in the changelog up to this marker: it is of our lineage and
 * not ahead of ours. */
bool shard_has_reached(struct shard *s, struct str marker);
/* What a record of the changelog tells about whose it is. */
enum shard_lineage_of { SHARD_NO_MARKER, SHARD_SAME_LINEAGE, SHARD_OTHER_LINEAGE };
enum shard_lineage_of shard_lineage_of(const struct shard *s, struct str key, struct str value);
/* Loads a marker that shard_marker() wrote. False if it makes no sense. */
bool shard_take_marker(struct shard *s, struct str marker);
/* Forgets everything, as if it were new. */
void shard_clear(struct shard *s);

int64_t shard_next_offset(const struct shard *s); /* -1: no marker yet */
void shard_set_next_offset(struct shard *s, int64_t offset);

/* Digest of the rules in force on this partition; empty: none yet. Lives as long as the shard. */
struct str shard_ruleset(const struct shard *s);
/* From `offset` on (that of the rules record) the rules of `digest` judge. */
void shard_set_ruleset(struct shard *s, struct str digest, int64_t offset);

/* The clock of a corp (CONTRACT.md section 2), 0 before its first message. */
int64_t shard_clock_ms(const struct shard *s, struct str corpid);

struct shard_stats {
	uint64_t subjects;
	uint64_t bytes; /* memory held for them, names included */
};
struct shard_stats shard_stats(const struct shard *s);

/* Says who will be asked for, by its key ("corpid/subject"), SHARD_AHEAD messages before: what is
 * remembered of it comes into the cache while those are worked on. Changes nothing; no promise. */
enum { SHARD_AHEAD = 12 };
void shard_expect(struct shard *s, struct str key);

/* ---- for react: subjects inside a transaction ---- */

void shard_set_clock_ms(struct shard *s, struct str corpid, int64_t clock_ms);
const struct shard_settings *shard_settings(const struct shard *s);

/* What is asked of every message, at a fraction of the cost of shard_find(): nothing is unpacked. */
struct shard_glance {
	const struct subject *subject; /* NULL: not unpacked, `packed` is the place to look */
	struct str packed;
	int64_t erased_ms;
	bool awaits; /* has waits or nears */
};
/* False if nothing is known of the subject. The glance ends with the next change of the shard. */
bool shard_look(struct shard *s, struct str corpid, struct str id, struct shard_glance *out);
/* Does the subject remember the message, by the hash of its msgid and the clock of its corp? */
bool shard_remembers(const struct shard *s, const struct shard_glance *glance, struct str corpid,
		     uint64_t msgid_hash);

/* The subject, unpacked, until the transaction ends; NULL if nothing is known of it. Whoever
 * changes it calls shard_touched() afterwards. */
struct subject *shard_find(struct shard *s, struct str corpid, struct str id);
/* The same; made empty if nothing is known. It stays only if it is touched. */
struct subject *shard_get(struct shard *s, struct str corpid, struct str id);
/* The subject changed: tidies it by its corp's clock and puts it where it falls due. Indexes
 * into subject.told change. */
void shard_touched(struct shard *s, struct subject *subject);
/* Forgets the subject; the changelog gets a tombstone. */
void shard_forget(struct shard *s, struct subject *subject);
/* Of this corp the subject that has something due first, by due time and then subject; NULL if
 * nothing is due at or before `until_ms`. */
struct subject *shard_first_due(struct shard *s, struct str corpid, int64_t until_ms);

/* A name to put into a subject (tags, rules, staff: kept as long as the shard lives), and a text
 * (ids of messages: a copy until the transaction ends). */
struct str shard_name(struct shard *s, struct str text);
struct str shard_text(struct shard *s, struct str text);
/* Where lists of subjects grow. */
struct arena *shard_arena(struct shard *s);
