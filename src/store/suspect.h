/* suspect.h - which events the database may refuse, told from the event alone.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Two reasons to look before the server does. A suspect is tried alone at once, which saves the
 * halving that finds it. And whether it is refused must not depend on the batch it came in:
 * coalescing drops fields of an event that another one of its key makes superfluous, alone it is
 * sent whole. The server has the last word; what is suspect here may well be stored.
 *
 * The limits are those of schemas/migrations (domain name, alert.title). Pure. Thread: any.
 */
#pragma once

#include "store/store.h"

bool store_is_suspect(const struct store_item *item);

/* Whether the server can be asked about it at all: no NUL, and times that it knows. */
bool store_can_ask(const struct store_item *item);

/* A time in Unix ms as near as timestamptz can hold it, for those who only compare: 1970 to 9999. */
int64_t store_time(int64_t ms);
