/* json_index.h - the C door to stage 1 of simdjson (json_index.cc, the only C++ here).
 * SPDX-License-Identifier: Apache-2.0
 *
 * Thread: an index belongs to one parser (json.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum json_index_status { JSON_INDEX_OK, JSON_INDEX_BAD, JSON_INDEX_NO_MEMORY };

struct json_index; /* tables for one document; memory grows to the longest and stays */

void json_index_free(struct json_index *index); /* NULL is fine */

/* Finds the structure of `data` (1 … 2^32 - 65 bytes). *index is made when NULL. On success *at
 * holds *count offsets and then `len`; *after is room for as many. They live in *index until the
 * next run. Guarantees: valid UTF-8, every string closed and free of control characters. */
enum json_index_status json_index_run(struct json_index **index, const char *data, size_t len,
                                      uint32_t **at, uint32_t **after, uint32_t *count);

/* Version of simdjson that this was compiled with. Static. */
const char *json_library_version(void);

#ifdef __cplusplus
}
#endif
