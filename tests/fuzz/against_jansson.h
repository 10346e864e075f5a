/* against_jansson.h - what jansson thinks of a record that decode() read or refused.
 * SPDX-License-Identifier: Apache-2.0
 *
 * An oracle for fuzzing and mutation. jansson refuses some valid JSON (integers beyond 63 bits,
 * lone surrogates, NUL in keys, numbers beyond a double: its documentation, «RFC Conformance»);
 * there it has no opinion.
 */
#pragma once

#include "decode/decode.h"

/* NULL if `result` and, when it is DECODE_DONE, *m fit the bytes of `value`; else what differs. */
const char *against_jansson(struct str value, enum decode_result result, const struct message *m);
