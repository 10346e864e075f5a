/* letter.c - makes dead letters, and tells their forms apart. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "send/letter.h"

enum {
	/* The batch around one record, the record's own numbers, and our headers. */
	AROUND_BYTES = 4096,
	HEADER_BYTES = 10, /* two lengths */
};

static const char error_name[] = "chatmill.error", left_name[] = "chatmill.left_out",
		  bytes_name[] = "chatmill.value_bytes";

const char *dead_form_name(enum dead_form form)
{
	static const char *const names[] = {
		[DEAD_NO_VALUE] = "value",
		[DEAD_BARE] = "key,headers,value",
	};

	return names[form];
}

void dead_letter_make(struct dead_letter *out, const char *archive, const struct record *record,
		      const char *reason, const char *detail, const struct kafka_headers *headers,
		      enum dead_form form)
{
	out->key = form == DEAD_BARE ? (struct str){0} : record->key;
	out->value = form == DEAD_WHOLE ? record->value : STR("");
	out->headers.count = 0;
	for (size_t i = 0; form != DEAD_BARE && i < headers->count; i++)
		kafka_headers_add(&out->headers, headers->items[i].name, headers->items[i].value);
	(void)snprintf(out->partition, sizeof out->partition, "%d", record->partition);
	(void)snprintf(out->offset, sizeof out->offset, "%lld", (long long)record->offset);
	(void)snprintf(out->bytes, sizeof out->bytes, "%zu", record->value.len);
	/* Names of Kafka Connect (KIP-298), so that its tools understand them. */
	const struct kafka_header ours[] = {
		{"__connect.errors.topic", str_of(archive)},
		{"__connect.errors.partition", str_of(out->partition)},
		{"__connect.errors.offset", str_of(out->offset)},
		{"__connect.errors.stage", STR("VALUE_CONVERTER")},
		{"__connect.errors.exception.class.name", str_of(reason)},
		{"__connect.errors.exception.message", str_of(detail)},
		{error_name, str_of(reason)},
	};
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		kafka_headers_add(&out->headers, ours[i].name, ours[i].value);
	if (form == DEAD_WHOLE)
		return;
	kafka_headers_add(&out->headers, left_name, str_of(dead_form_name(form)));
	kafka_headers_add(&out->headers, bytes_name, str_of(out->bytes));
}

void dead_letter_fini(struct dead_letter *letter)
{
	kafka_headers_fini(&letter->headers);
}

enum dead_form dead_letter_fit(const struct record *record, const struct kafka_headers *headers,
			       size_t bytes_max)
{
	size_t bytes = AROUND_BYTES + record->key.len;

	for (size_t i = 0; i < headers->count; i++)
		bytes += HEADER_BYTES + strlen(headers->items[i].name) + headers->items[i].value.len;
	if (bytes > bytes_max)
		return DEAD_BARE;
	return record->value.len > bytes_max - bytes ? DEAD_NO_VALUE : DEAD_WHOLE;
}

enum dead_form dead_letter_form(const struct kafka_headers *headers, struct str *bytes)
{
	enum dead_form form = DEAD_WHOLE;

	*bytes = (struct str){0};
	for (size_t i = 0; i < headers->count; i++) {
		const struct kafka_header *h = &headers->items[i];
		/* What stands before our last word is of the record, which may have been a letter itself. */
		if (!strcmp(h->name, error_name))
			form = DEAD_WHOLE;
		else if (!strcmp(h->name, left_name))
			form = str_eq(h->value, STR("value")) ? DEAD_NO_VALUE : DEAD_BARE;
		else if (!strcmp(h->name, bytes_name))
			*bytes = h->value;
	}
	return form;
}
