/* fuzz_decode_jansson.c - any bytes: decode and jansson must agree on what is JSON and what it says. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "against_jansson.h"

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct decoder *d;
	static struct arena arena;
	struct decode_settings settings = {.corpid = STR("ww1")};
	struct err err;
	struct message m;

	if (!d && decoder_new(&d, &settings, &err) < 0)
		abort();
	arena_reset(&arena);
	char *value = malloc(size + RECORD_PADDING);
	memcpy(value, data, size);
	memset(value + size, '7', RECORD_PADDING);
	struct record record = {.value = {value, size}, .time_ms = 1};

	enum decode_result result = decode(d, directory_empty(), &record, &arena, &m);
	const char *difference = against_jansson(record.value, result, &m);
	if (!difference && size <= RECORD_BYTES_MAX && size &&
	    (result == DECODE_BAD_UTF8) != !utf8_valid(record.value))
		difference = "bad_utf8 or not";
	if (difference) {
		fprintf(stderr, "%s (%s)\n", difference, decode_result_name(result));
		abort();
	}
	free(value);
	return 0;
}
