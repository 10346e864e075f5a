/* codec.h - a subject as bytes: packed in memory, and as the value of a changelog record.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Keys of the changelog:
 *	corpid "/" subject	a subject
 *	00 "pos"		the marker: next offset, clock of each corp, digest of the rules
 *	00 "imp"		an import is under way (shard_import_note); deleted with its end
 *	00 "rul" offset		a switch of rules at that offset (8 bytes, big endian); never deleted
 *
 * Every value:
 *	version   1 byte, CODEC_VERSION; CODEC_VERSION_OLDEST and later are read
 *	checksum  8 bytes, little endian: codec_checksum() of the key and what follows
 *	body
 *
 * Numbers are LEB128 varints (7 bits a byte, low first); signed ones are zigzagged. Times are
 * signed distances in ms from the first time of the body. A name is a number: in a changelog
 * value its place in the table of names that begins the body (count, then length and bytes of
 * each; 0 is the empty name); in memory its number in names.h, without table, version, checksum.
 * (Snapshots hold the form in memory: whoever changes it changes SNAPSHOT_VERSION, snapshot.h.)
 * Text is length and bytes. Lists are a count and their items.
 *
 * Body of a subject, after the names:
 *	time    touched_ms (from 0; all others are distances from it)
 *	number  flags: 1 customer, 2 disagreed, 4 has consent_ms, 8 has erased_ms; in memory
 *	        only: 16 has waits or nears
 *	        consent_ms and erased_ms, those that are there
 *	number  sequence
 *	lists   seen:     hash (8 bytes, little endian), time
 *	        told:     text msgid, time, name from, name room, names of staff, role * 4 + chat
 *	        tags:     name group, name tag, names of staff, list of proofs: told, name pack,
 *	                  name rule, expires_ms, order * 2 + keeps
 *	        changes:  name group, time
 *	        ladders:  name, list of moves: name stage, time, told + 1 (0: none), and if there is
 *	                  one: name pack, name rule, order * 2 + keeps
 *	        windows:  names pack, rule, pair, list of: time, amount, name word
 *	        waits:    names pack, rule, where, told, due time
 *	        groupings: names pack, rule, pair, due time, first_due_ms or 0, text msgid, newest,
 *	                  count, list of text msgids, severity, names category, title
 *	        alerts:   told, names pack, rule, due_ms or 0, order, severity, names category, title
 *	        nears:    names pack, rule, node, names speaker, where, counted, list of: number,
 *	                  parts, time
 *	        spokes:   name who, time
 * Lists that are empty at the end are left out.
 *
 * Body of the marker: next offset (number), text digest, list of clocks: text corpid, number ms;
 *	from version 2 on text lineage, if it has one (shard.h).
 * Body of a switch: text digest.
 *
 * Pure. Thread: any.
 */
#pragma once

#include "base/buf.h"
#include "state/names.h"
#include "state/subject.h"

enum { CODEC_VERSION = 2, CODEC_VERSION_OLDEST = 1, CODEC_HEAD_BYTES = 9 };

uint64_t codec_checksum(struct str key, struct str body);

/* Appends head and body. `tables` is reused working memory. */
struct codec_names { /* the names of one value, as they come up */
	struct str *items;
	uint32_t count, cap;
};
void codec_put_subject(struct buf *out, struct str key, const struct subject *s,
		       struct buf *scratch, struct codec_names *names);

/* The packed form in memory; every name of `s` is kept in the shard's names. */
void codec_pack(struct buf *out, const struct subject *s);
/* Reads it back into *s, whose lists live in `arena`; the texts stay where they are in `packed`. */
void codec_unpack(struct str packed, const struct names *names, struct arena *arena,
		  struct subject *s);

/* What is asked of every message, from the packed form alone: when the subject was erased (0:
 * never), and whether it has waits or nears. */
void codec_look(struct str packed, int64_t *erased_ms, bool *awaits);
/* As subject_remembers(). */
bool codec_remembers(struct str packed, uint64_t msgid_hash, int64_t clock_ms, int64_t memory_ms);

enum codec_result { CODEC_DONE, CODEC_UNKNOWN_VERSION, CODEC_BAD_CHECKSUM, CODEC_BAD_BODY };

/* Checks the head of a value; *body is what follows. */
enum codec_result codec_open(struct str key, struct str value, struct str *body);
/* Reads the body of a subject; corpid and id are left alone. Names go into `names`, and what
 * codec_pack() would write of it is appended to `packed`: nonsense, if CODEC_BAD_BODY. */
enum codec_result codec_get_subject(struct str body, struct names *names, struct arena *arena,
				    struct subject *s, struct buf *packed);

/* Writes head and body of a value whose body is `body`. */
void codec_put_value(struct buf *out, struct str key, struct str body);

/* For marker and switches: the parts of a body. Readers return false at the end of the bytes. */
void codec_put_number(struct buf *out, uint64_t n);
void codec_put_text(struct buf *out, struct str text);
bool codec_get_number(struct str *in, uint64_t *n);
bool codec_get_text(struct str *in, struct str *text);
