/* roles.h - who speaks to whom, and whom a message is about.
 * SPDX-License-Identifier: Apache-2.0
 *
 * CONTRACT.md section 2, «Roles», «Chat», «Subject». Where it is silent:
 * - the same id twice is one person (voice calls list the sender too);
 * - without a room there is a single chat as soon as one is a customer. Its subject is the
 *   customer who speaks, else the first one in the list;
 * - a robot in a group speaks about the room, for only staff speaks to «the only customer there»;
 * - in an internal chat without a room the subject is the smallest of all ids, by bytes;
 * - `userids` has one employee in a single chat, the first of sender and list.
 *
 * Thread: as decode.h.
 */
#pragma once

#include "decode/decoder.h"

/* Reads `tolist`: an array, or a string of one or several ids (E6) with commas or bars. */
void roles_read_list(struct decoder *d, const struct json *j, uint32_t node);

/* From `from`, `tolist` and `roomid` of d->out: from_role, chat, subject, userids. */
void roles_assign(struct decoder *d);
