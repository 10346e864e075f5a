/* jobject.c - jansson behind three questions. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/jobject.h"

#include <jansson.h>

/* A json_t by another name. */
static json_t *real(const struct jobject *o)
{
	return (json_t *)(uintptr_t)o;
}

int jobject_new(struct jobject **out, struct str text, struct err *err)
{
	json_error_t why;
	json_t *root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &why);

	if (!root)
		return err_set(err, ERR_DATA, "no JSON at byte %d", why.position);
	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(err, ERR_DATA, "no JSON object");
	}
	*out = (struct jobject *)root;
	return 0;
}

void jobject_free(struct jobject *o)
{
	json_decref(real(o));
}

bool jobject_text(const struct jobject *o, const char *name, struct str *out)
{
	const json_t *value = json_object_get(real(o), name);

	if (!json_is_string(value))
		return false;
	*out = (struct str){json_string_value(value), json_string_length(value)};
	return true;
}

bool jobject_number(const struct jobject *o, const char *name, int64_t *out)
{
	const json_t *value = json_object_get(real(o), name);

	if (!json_is_integer(value))
		return false;
	*out = (int64_t)json_integer_value(value);
	return true;
}

void jobject_each_number(const struct jobject *o, const char *name,
		      void (*visit)(void *context, struct str name, int64_t number), void *context)
{
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(real(o), name), key, value)
		if (json_is_integer(value))
			visit(context, str_of(key), (int64_t)json_integer_value(value));
}
