/* archive_out.h - records onto the archive topic, keyed as `run` wants.
 * SPDX-License-Identifier: Apache-2.0
 *
 * What load, tick, control, redrive and rekey have in common. What the first four send twice has
 * one effect anyway (CONTRACT.md section 2, «Twice»), so an idempotent producer is enough; rekey
 * puts a transaction around it. Thread: that of the command.
 */
#pragma once

#include "brokers.h"
#include "decode/decode.h"
#include "kafka/producer.h"

struct archive_out;

struct archive_out_settings {
	const struct config *config;
	const struct brokers *brokers;
	const char *topic;	      /* NULL: input.topic */
	const char *transactional_id; /* NULL: no transactions; lives as long as the archive_out */
};

MUST_CHECK int archive_out_new(struct archive_out **out,
			       const struct archive_out_settings *settings, struct err *err);
void archive_out_free(struct archive_out *a); /* NULL is fine; drops what is not flushed */
DEFINE_OWNED(archive_out);

/* A new producer under the same id; what the one before left open is ended. */
MUST_CHECK int archive_out_renew(struct archive_out *a, struct err *err);
/* For begin and commit of a transaction. */
struct producer *archive_out_producer(struct archive_out *a);

/* Sends the record's value: to the partition of its subject with that key; a record that speaks to
 * all (clock, rules) to every partition; the messages of an E5 batch one by one; what cannot be
 * used without a key where its bytes put it, so that `run` makes the dead letter. record->time_ms
 * is the time before it (time_inherited as in model.h); *time_ms becomes the time it was stamped
 * with. Returns the decode_result of the record (DECODE_DONE for a batch), or -1. */
MUST_CHECK int archive_out_put(struct archive_out *a, struct record *record,
			       const struct kafka_header *headers, size_t header_count,
			       int64_t *time_ms, struct err *err);

/* Reads a record as put would, without sending: for what must be right before it goes. The message
 * lives until the next call. */
enum decode_result archive_out_read(struct archive_out *a, const struct record *record,
				    const struct message **message);

/* Waits until everything is acknowledged. */
MUST_CHECK int archive_out_flush(struct archive_out *a, struct err *err);
/* Records sent, more than lines where a line speaks to all or is a batch. */
uint64_t archive_out_sent(const struct archive_out *a);
