/* rights.h - asks the brokers what we may do, without leaving a trace.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Brokers look at rights before they look at the rest of a request. So each question is a request
 * that cannot succeed for another reason: nothing is written, committed or joined by it. (Asking
 * for ACLs instead needs a right of its own, on the cluster, and says nothing of other authorizers
 * than Kafka's.)
 *
 * Each returns 0, or -1: ERR_PERMISSION, ERR_UNAVAILABLE, or what else is wrong. Each waits up to
 * RIGHTS_MS. Thread: any; handles are made and ended inside.
 */
#pragma once

#include "base/err.h"
#include "kafka/settings.h"

enum { RIGHTS_MS = 15000 };

/* Write on a topic that is there: a record with an acks that no broker takes. */
MUST_CHECK int rights_write(const struct kafka_settings *settings, const char *topic,
			    struct err *err);

/* Read on a group: an offset for a partition that `topic` does not have. */
MUST_CHECK int rights_group(const struct kafka_settings *settings, const char *group,
			    const char *topic, struct err *err);

/* Read on a topic: a fetch behind the end of its first partition. */
MUST_CHECK int rights_read(const struct kafka_settings *settings, const char *topic,
			   struct err *err);

/* Write on a transactional id: opens it, which fences who uses it and ends its transaction. So it
 * must be an id that nobody works with. */
MUST_CHECK int rights_transaction(const struct kafka_settings *settings, const char *id,
				  struct err *err);
