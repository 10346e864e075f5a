/* snapshot.h - one partition's state as a file, so that a restart reads only the changelog's tail.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A snapshot is a copy that was made piece by piece while the state went on changing (shard_copy()):
 * it is whole only with every record of the changelog from `start`, the offset of a marker, on. It
 * is written under another name, synced and renamed, so that a file of the right name is whole or
 * damaged, never half written. A snapshot is a short cut and never the truth: whatever is wrong with
 * one, the state is read from the changelog, and the log says why.
 *
 * When one may not be used, besides damage and other versions:
 *  - it is of another cluster, topic, partition, or lineage of the changelog (shard.h);
 *  - the changelog begins behind `start`, or ends before the end it had when the copy was done: it
 *    lost records that the copy has;
 *  - it was begun half of delete.retention.ms ago, or in the future: tombstones that stood behind
 *    `start` may be gone from the changelog, and who was deleted would rise again. (A cleaner keeps
 *    a tombstone for that time at least. Half of it leaves room for clocks and slow restores.)
 *  - state.memory or state.idle_days were others: they decide when subjects fall due.
 *
 * The file: a head, pieces, a tail; numbers are little endian.
 *	head	"CHATMILL", version 4, bytes of the body 4, checksum of the body 8, body: text cluster,
 *		text topic, number partition, number memory_ms, number idle_ms, text lineage, number
 *		start, number begun_ms (texts and numbers as in codec.h)
 *	piece	bytes 4, checksum 8, a zstd frame of what shard_copy() gave
 *	tail	zeros 4, as bytes of no piece; bytes of the body 4, checksum 8 of head, pieces and
 *		body, body: number end, number pieces, text marker; bytes of the whole tail 4
 *
 * It holds what the changelog holds, names of staff and customers among it: 0600 in a folder 0700.
 *
 * Thread: writer and reader belong to one thread each.
 */
#pragma once

#include "base/err.h"
#include "state/shard.h"

enum {
	SNAPSHOT_VERSION = 2,
	SNAPSHOT_PIECE_BYTES = 1024 * 1024, /* what the worker copies at once: some 0.2 ms */
	SNAPSHOT_NAME_BYTES = 128,
};

/* What a snapshot must be of to be ours. */
struct snapshot_owner {
	char cluster[SNAPSHOT_NAME_BYTES], topic[SNAPSHOT_NAME_BYTES];
	int32_t partition;
	struct shard_settings settings;
};

struct snapshot_head {
	struct snapshot_owner owner;
	char lineage[SNAPSHOT_NAME_BYTES];
	int64_t start;	  /* the changelog is read from here on */
	int64_t begun_ms; /* since 1970 */
	int64_t end;	  /* high watermark of the changelog when the copy was done; of a reader only */
};

struct snapshot_writer;

/* `path` appears when the snapshot is whole; until then all goes to `part`. Borrows both. */
MUST_CHECK int snapshot_writer_new(struct snapshot_writer **out, const char *path, const char *part,
				   const struct snapshot_head *head, struct err *err);
/* Removes what is not whole. NULL is fine. */
void snapshot_writer_free(struct snapshot_writer *w);
DEFINE_OWNED(snapshot_writer);
MUST_CHECK int snapshot_write(struct snapshot_writer *w, struct str piece, struct err *err);
/* Syncs and renames. */
MUST_CHECK int snapshot_writer_end(struct snapshot_writer *w, int64_t end, struct str marker,
				   struct err *err);
size_t snapshot_writer_bytes(const struct snapshot_writer *w);

struct snapshot;

/* Opens and checks head and tail. ERR_NOINPUT: there is none; ERR_DATA: it cannot be used. */
MUST_CHECK int snapshot_open(struct snapshot **out, const char *path, struct err *err);
void snapshot_free(struct snapshot *s); /* NULL is fine */
DEFINE_OWNED(snapshot);
const struct snapshot_head *snapshot_head(const struct snapshot *s);

/* What is known of the changelog's partition. */
struct snapshot_facts {
	int64_t low, high;		/* its oldest offset, and behind its last committed one */
	int64_t delete_retention_ms;	/* of the topic */
	int64_t now_ms;			/* since 1970 */
};
/* Why the snapshot may not be used, or NULL. Static. Whether the changelog is as long as it was is
 * told by its high watermark later: it has to be `end` at least. */
const char *snapshot_refusal(const struct snapshot_head *head, const struct snapshot_owner *owner,
			     const struct snapshot_facts *facts);

/* Fills a new shard. On failure (ERR_DATA) the shard holds anything: shard_clear(). */
MUST_CHECK int snapshot_load(struct snapshot *s, struct shard *shard, struct err *err);

/* Where the snapshot of a partition lies: "<dir>/<pipeline>-<partition>.snapshot". */
void snapshot_path(const char *dir, const char *pipeline, int32_t partition, char out[1024]);
