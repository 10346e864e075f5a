/* envelope.h - finds the message inside what an exporter wrapped around it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * No exporter that writes to Kafka was found in public, so all shapes of WECOM.md section 5 are
 * told apart by their keys, in this order:
 *
 *	chatdata array                               E5  a batch, or what GetChatData gave
 *	decrypt_error, decrypt_failed_reason not ""  E8, E3 that failed
 *	message, msg: an object or JSON in a string  E4, canonical
 *	decrypted_data, decrypted: the same          E3, E8
 *	type 101 and a string `content`              E6
 *	msgtype, action or from                      E1, E2: the record is the message
 *	encrypt_chat_msg, encrypted_data             E7
 *	clock, control, ruleset                      records of our own
 *
 * Thread: as decode.h.
 */
#pragma once

#include "decode/decoder.h"

enum envelope_kind {
	ENVELOPE_MESSAGE, /* `message` is set */
	ENVELOPE_CLOCK,
	ENVELOPE_CONTROL,
	ENVELOPE_RULES,
	ENVELOPE_REFUSED, /* d->failed says why */
};

/* `outer` is the record. Sets *message to the object that holds the message (perhaps *outer). */
enum envelope_kind envelope_open(struct decoder *d, const struct object *outer,
                                 struct object *message);
