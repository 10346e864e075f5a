/* difference.h - where two events differ, in words that hold nothing of their content.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Pure. Thread: any.
 */
#pragma once

#include "base/str.h"

/* Writes "header NAME differs" for lines NAME=VALUE, or a sentence without a name when `a` was not
 * kept (is empty). */
void difference_in_lines(char *out, size_t size, struct str a, struct str b);

/* Writes "the value differs in NAME" for two JSON objects, NAME being a key of the outer one that
 * send/encode.c writes; or a sentence without a name. */
void difference_in_object(char *out, size_t size, struct str a, struct str b);
