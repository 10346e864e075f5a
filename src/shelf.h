/* shelf.h - the published rule sets: read from `chat.rulesets`, compiled aside, by digest.
 * SPDX-License-Identifier: Apache-2.0
 *
 * On the topic a set is the zstd frame of its bundle (rules/load.h) in pieces of at most
 * SHELF_PIECE_BYTES, key `digest/n` with n from 0. Headers of each piece: `chatmill.pieces` (how
 * many), `chatmill.bytes` (of the whole frame), `chatmill.by`, `chatmill.at` (ms since 1970).
 * Piece 0 is written once more, with `chatmill.published` and `chatmill.first` (ms: the last and
 * the first time), in the transaction that puts the rules records onto the archive: a set whose
 * piece 0 has them was put into force. Rewriting keeps the topic compact: a key stands once.
 *
 * A shelf has a thread of its own that follows the topic. Sets that arrive while it runs, and the
 * last one published before, are compiled at once, older ones when somebody asks. Those that nobody
 * judges by any more are given up, but for the last few; what is read of the topic stays.
 *
 * Thread: every function may be called from any thread.
 */
#pragma once

#include "config.h"
#include "kafka/settings.h"
#include "rulebook.h"

enum { SHELF_PIECE_BYTES = 512 * 1024, SHELF_BUNDLE_BYTES_MAX = 256 * 1024 * 1024 };

struct shelf;

struct shelf_settings {
	const struct kafka_settings *kafka;
	const char *group; /* librdkafka wants a name; nothing is joined or committed */
	const char *topic;
	const char *cache_dir; /* of compiled rules, or NULL */
	bool compile;	       /* false: only read (rules list, show, publish) */
};

MUST_CHECK int shelf_new(struct shelf **out, const struct shelf_settings *settings,
			 struct err *err); /* borrows the settings for its life */
void shelf_free(struct shelf *s); /* NULL is fine; waits for a compilation to end */
DEFINE_OWNED(shelf);

enum shelf_answer {
	SHELF_READY,
	SHELF_WAIT,    /* being read or compiled */
	SHELF_MISSING, /* the whole topic was read and it is not there */
	SHELF_BROKEN,  /* there, but it cannot be used: err tells */
};

/* The rulebook of `digest`; the caller owns the reference. Waits up to `timeout_ms`. */
enum shelf_answer shelf_get(struct shelf *s, struct str digest, int timeout_ms,
			    struct rulebook **out, struct err *err);

/* The digest of the set that was published first, which judges what stands in the archive before
 * its record; sets that were tried and cannot be used here are passed over. Empty in *out (and SHELF_MISSING) when none was. */
enum shelf_answer shelf_first(struct shelf *s, int timeout_ms, char out[DIGEST_TEXT_SIZE], struct err *err);

/* Waits until everything that is on the topic now was read. */
MUST_CHECK int shelf_wait(struct shelf *s, int timeout_ms, struct err *err);

struct shelf_entry {
	char digest[DIGEST_TEXT_SIZE];
	char by[128];
	int64_t at_ms, published_ms, first_ms; /* 0: not published */
	size_t bytes, pieces;
	bool complete;
};
/* Every set on the topic, by the time it was put there. Returns how many of `max` were written. */
size_t shelf_list(struct shelf *s, struct shelf_entry *out, size_t max);
/* The bundle of a set, or an empty text; the caller frees `*out` with buf_fini(). */
MUST_CHECK int shelf_bundle(struct shelf *s, struct str digest, struct buf *out, struct err *err);
/* How many sets are compiled and ready. */
size_t shelf_compiled(struct shelf *s);
