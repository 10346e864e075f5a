/* store.h - events into PostgreSQL, exactly once.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The rows of a batch and the offsets behind it are one transaction:
 *
 *	BEGIN   fence: lock the offsets of our partitions; another epoch: somebody else owns them
 *	        drop what is below the offsets: it is in the tables already
 *	        one statement a table (rows.h), in a savepoint
 *	        a row is refused: back to the savepoint, halve, until it is alone: sink_reject
 *	        write the offsets
 *	COMMIT
 *
 * A COMMIT whose answer was lost needs no rule of its own: the next attempt reads the offsets and
 * finds its items below them, or not. Deciding by the tables alone is also what makes kill -9
 * harmless. Reviews are never written here.
 *
 * store_claim() raises the epoch of partitions when they are assigned, so that an older owner can
 * write no more; positions come from the database, never from the consumer group.
 *
 * Thread: a store belongs to one thread, with one connection.
 */
#pragma once

#include "model.h"
#include "store/pg.h"

struct store;

struct store_settings {
	const struct pg_setting *postgres; /* keys of libpq */
	size_t postgres_count;
	const char *pipeline; /* a schema serves one */
	const char *owner;    /* who we are, for people: host and process */
	bool archive;	      /* messages will come */
};

struct store_partition {
	const char *topic;
	int32_t partition;
	int64_t next_offset; /* out: -1 none was ever written */
	int64_t epoch;       /* out */
};

/* One record. Everything it points to is borrowed for the call. */
struct store_item {
	const struct store_partition *partition; /* as claimed */
	int64_t offset;
	struct str key, value;     /* as they came, for sink_reject */
	int64_t record_ms;	   /* of the Kafka record */
	const char *refusal;       /* NULL, or why the record is no event (a fixed word) */
	const struct event *event; /* NULL with a refusal; NULL without: only the offset moves */
	struct str evidence_json;  /* empty: none */
	const struct message *message; /* or a message to be archived; NULL with an event */
};

enum store_result {
	STORE_DONE,
	STORE_LATER,  /* the database is away or busy: try again after store_wait_ms(); err says why
		       */
	STORE_FENCED, /* another sink owns the partitions: drop what is in hand, join again */
	STORE_FAILED, /* err: waiting does not help */
};

struct store_counts {
	uint64_t batches, items, skipped, rejected, retries, erased, dropped_erased;
	uint64_t rulesets;     /* digests that were new to this store */
	uint64_t without_month; /* rows whose date is wrong: they go to the default partition */
};

MUST_CHECK int store_new(struct store **out, const struct store_settings *settings,
			 struct err *err);
void store_free(struct store *s); /* NULL is fine */
DEFINE_OWNED(store);

/* Connects if need be; checks version of the schema (ERR_CONFIG: run `db migrate`) and that it
 * serves this pipeline (ERR_CONFIG). Every other call does this by itself after a lost connection.
 */
enum store_result store_open(struct store *s, struct err *err);

/* Asks the server for a sign of life, connecting if need be. For a quiet time: who writes needs none. */
enum store_result store_ping(struct store *s, struct err *err);

/* Takes over partitions: fills next_offset and epoch. All or none. */
enum store_result store_claim(struct store *s, struct store_partition *parts, size_t count,
			      struct err *err);

/* Writes the first items of these, in their order; *taken says how many (fewer than `count` after
 * failures). Items of one partition ascend by offset. With any other result than STORE_DONE
 * nothing is known to be written, and the same items may be given again. */
enum store_result store_write(struct store *s, const struct store_item *items, size_t count,
			      size_t *taken, struct err *err);

/* The rule sets that judged and whose text the table lacks, at most `max` of them. */
struct store_digest {
	char text[80];
};
enum store_result store_rulesets_missing(struct store *s, struct store_digest *out, size_t max,
					 size_t *count, struct err *err);
/* Writes the text of one, if it is still missing; a transaction of its own. */
enum store_result store_ruleset_fill(struct store *s, const char *digest, struct str text,
				     struct err *err);

/* How long to wait before the next attempt: grows from 0.1 to 30 s with every failure in a row. */
int64_t store_wait_ms(const struct store *s);

/* Of the last STORE_LATER: the SQLSTATE, or "" if the connection broke. Until the next call. */
const char *store_sqlstate(const struct store *s);

struct store_counts store_counts(const struct store *s);
