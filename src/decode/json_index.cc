/* json_index.cc - stage 1 of simdjson behind a C header. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/json_index.h"

#include <memory>
#include <new>
#include <simdjson.h>

struct json_index {
	std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
	std::unique_ptr<uint32_t[]> after;
};

/* Makes room for `len` bytes: the next power of two, so that growing ends after a few records. */
static bool grow(struct json_index *index, size_t len)
{
	size_t capacity = 4096;
	while (capacity < len)
		capacity *= 2;

	index->after.reset(new (std::nothrow) uint32_t[capacity + 1]);
	index->parser.reset();
	/* Depth 1: stage 2, which would use it, never runs. */
	return index->after &&
	       simdjson::get_active_implementation()->create_dom_parser_implementation(
	               capacity, 1, index->parser) == simdjson::SUCCESS;
}

void json_index_free(struct json_index *index)
{
	delete index;
}

enum json_index_status json_index_run(struct json_index **index, const char *data, size_t len,
                                      uint32_t **at, uint32_t **after, uint32_t *count)
{
	if (!*index)
		*index = new (std::nothrow) json_index();
	if (!*index)
		return JSON_INDEX_NO_MEMORY;

	struct json_index *x = *index;
	if ((!x->parser || x->parser->capacity() < len) && !grow(x, len)) {
		x->parser.reset();
		return JSON_INDEX_NO_MEMORY;
	}
	if (x->parser->stage1(reinterpret_cast<const uint8_t *>(data), len,
	                      simdjson::stage1_mode::regular) != simdjson::SUCCESS)
		return JSON_INDEX_BAD;

	*count = x->parser->n_structural_indexes;
	*at = x->parser->structural_indexes.get();
	(*at)[*count] = static_cast<uint32_t>(len);
	*after = x->after.get();
	return JSON_INDEX_OK;
}

const char *json_library_version(void)
{
	static const char version[] = {'0' + simdjson::SIMDJSON_VERSION_MAJOR, '.',
				       '0' + simdjson::SIMDJSON_VERSION_MINOR, '.',
				       '0' + simdjson::SIMDJSON_VERSION_REVISION, '\0'};
	return version;
}
