/* codec.h - a subject as bytes: packed in memory, and as the value of a changelog record.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Keys of the changelog:
 *	corpid "/" subject	a subject
 *	00 "pos"		the marker: next offset, clock of each corp, digest of the rules
 *	00 "imp"		an import is under way (shard_import_note), or was done (shard_imported)
 *	00 "rul" offset		a switch of rules at that offset (8 bytes, big endian); never deleted
 *
 * Every value:
 *	version   1 byte, CODEC_VERSION; no other is read
 *	checksum  8 bytes, little endian: checksum() of the key and what follows, codec.c
 *	body
 *
 * Numbers are LEB128 varints (7 bits a byte, low first); signed ones are zigzagged. Times are
 * signed distances in ms from the first time of the packed form. Text is length and bytes. Lists
 * are a count and their items.
 *
 * Body of a subject: when it falls due (number 0 never; 1, then a time from 0; 2 by idleness, then
 * the time from 0 since when it is idle), then its packed form. A packed form begins with its names:
 * number of bytes, and a table of so many (count, then the texts; 0 is the empty name). In memory
 * the table may be missing, its bytes 0: a name is then its number in names.h. What is loaded keeps
 * its table until it is touched or settled: loading copies bytes and reads no more of them.
 * (Snapshots hold packed forms: whoever changes them changes SNAPSHOT_VERSION, snapshot.h.)
 *
 * Packed form, after the names:
 *	time    touched_ms (from 0; all others are distances from it)
 *	number  flags: 1 customer, 2 disagreed, 4 has consent_ms, 8 has erased_ms, 16 has waits or
 *	        nears
 *	        consent_ms and erased_ms, those that are there
 *	number  sequence
 *	text    past.items (past.h); if there are any: text past.hashes, times first and oldest
 *	lists   kinds of alerts: names pack, rule, category, title, severity
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
 *	        nears:    names pack, rule, node, names speaker, where, counted, list of: number,
 *	                  parts, time
 *	        spokes:   name who, time
 * Lists that are empty at the end are left out.
 *
 * Body of the marker: next offset (number), text digest, list of clocks: text corpid, number ms;
 *	text lineage, if it has one (shard.h).
 * Body of a switch: text digest.
 *
 * Pure. Thread: any.
 */
#pragma once

#include "base/buf.h"
#include "state/names.h"
#include "state/subject.h"

enum { CODEC_VERSION = 3, CODEC_HEAD_BYTES = 9 };

struct codec_names { /* the names of one value, as they come up */
	struct str *items;
	uint32_t count, cap;
};
/* Appends head and body. Every name of `s` is kept in the shard's names: equal texts are the same
 * pointer. `scratch` and `names` are working memory, to be used again. */
void codec_put_subject(struct buf *out, struct str key, const struct subject *s,
		       struct buf *scratch, struct codec_names *names);

/* The packed form without a table of names. */
void codec_pack(struct buf *out, const struct subject *s);
/* Reads a packed form into *s, whose lists live in `arena`; texts stay where they are in `packed`,
 * names go into `names`; corpid and id are left alone. False if it makes no sense; the rest of *s is
 * then anything. */
MUST_CHECK bool codec_unpack(struct str packed, struct names *names, struct arena *arena,
			     struct subject *s);
/* Does it have a table of its own? */
bool codec_has_table(struct str packed);

/* What is asked of every message, from the packed form alone: when the subject was erased (0:
 * never), and whether it has waits or nears. */
void codec_look(struct str packed, int64_t *erased_ms, bool *awaits);
/* As subject_remembers(). */
bool codec_remembers(struct str packed, uint64_t msgid_hash, int64_t clock_ms, int64_t memory_ms);

enum codec_result { CODEC_DONE, CODEC_UNKNOWN_VERSION, CODEC_BAD_CHECKSUM, CODEC_BAD_BODY };

/* Checks the head of a value; *body is what follows. */
enum codec_result codec_open(struct str key, struct str value, struct str *body);
/* Of the body of a subject: when it falls due, and its packed form, of which nothing is read. */
enum codec_result codec_get_due(struct str body, struct due_time *due, struct str *packed);

/* Writes head and body of a value whose body is `body`. */
void codec_put_value(struct buf *out, struct str key, struct str body);

/* For marker and switches: the parts of a body. Readers return false at the end of the bytes. */
void codec_put_number(struct buf *out, uint64_t n);
void codec_put_text(struct buf *out, struct str text);
bool codec_get_number(struct str *in, uint64_t *n);
bool codec_get_text(struct str *in, struct str *text);
