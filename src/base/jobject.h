/* jobject.h - the one door to jansson: small JSON objects that people or other programs wrote.
 * SPDX-License-Identifier: Apache-2.0
 *
 * For files of commands (state import), not for messages: decode/ reads those. Thread: an object
 * belongs to one thread.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct jobject;

/* Reads one object; ERR_DATA with the place of what is wrong in it. */
MUST_CHECK int jobject_new(struct jobject **out, struct str text, struct err *err);
void jobject_free(struct jobject *o); /* NULL is fine */
DEFINE_OWNED(jobject);

/* The value of a name, until the object is freed: false if it is not there or of another kind. */
bool jobject_text(const struct jobject *o, const char *name, struct str *out);
bool jobject_number(const struct jobject *o, const char *name, int64_t *out);
/* Visits the whole numbers of the object that `name` holds; others are skipped. */
void jobject_each_number(const struct jobject *o, const char *name,
		      void (*visit)(void *context, struct str name, int64_t number), void *context);
