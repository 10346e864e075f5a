/* ledger_parts.h - what ledger.c and ledger_close.c share.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Thread: as ledger.h.
 */
#pragma once

#include "verify/ledger.h"

struct ledger_group {
	uint32_t refs, expected, met;
};

struct entry {
	struct entry *next;
	struct ledger_stream *stream;
	uint64_t hash; /* of topic and id */
	bool found;    /* else expected */
	char id[UUID_LEN];
	int64_t offset;	 /* found: on the topic */
	int64_t twin;	 /* found: where the same id stands too; -1: nowhere */
	uint64_t place;	 /* found: in the order of its stream */
	uint64_t number; /* expected: of the stream */
	struct ledger_source source;
	uint64_t key_hash, headers_hash, value_hash;
	uint32_t headers_len, value_len; /* kept behind the entry; both 0: not kept */
	char kept[];
};

struct ledger {
	struct ledger_settings settings;
	struct entry **buckets;
	size_t mask, expected, surplus, kept_bytes;
	struct ledger_counts counts;
	struct buf headers; /* of the sheet at hand */
};

/* Forgets an entry that is in no bucket any more. */
void ledger_drop(struct ledger *l, struct entry *e);
/* `source_offset` -1: not known. */
void ledger_report(const struct ledger *l, enum discrepancy_kind kind,
		   const struct ledger_stream *stream, int64_t offset, const char *id,
		   int64_t source_offset, const char *reason);
