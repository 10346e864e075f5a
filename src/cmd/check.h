/* check.h - asks servers whether they are as a configuration wants them: `config check --servers`.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Nothing is changed: rights are asked by requests that fail for another reason (kafka/rights.h)
 * and in the catalog of the database. Every finding says what to do. Thread: that of the command.
 */
#pragma once

#include "base/findings.h"
#include "brokers.h"

struct check {
	const struct config *config;
	const struct brokers *brokers;
	bool run, sink; /* which of the services shall work with this configuration */
	struct findings findings;
	bool away;	/* a server did not answer: not all was asked */
	size_t missing_rights; /* of the errors among the findings, so many */
};

/* A finding about what the servers have: (check, level, format, …). */
#define CHECK_ADD(check, level, ...)                                                               \
	findings_add(&(check)->findings, level, str_of((check)->config->file), 0, 0, __VA_ARGS__)

/* What is wrong with an answer of a server, by the kind of `err`; `advice` says what to do about a
 * missing right. */
void check_note(struct check *check, const struct err *err, const char *advice);

/* Topics, partitions, settings, rights, the transactional id. */
void check_kafka(struct check *check);
/* Version of the server and of the schema, whose the schema is, rights of the role. */
void check_postgres(struct check *check);
