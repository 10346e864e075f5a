/* peers.h - who reads the same fields of the same lines: for bench/decode (B2).
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each reads corpid, seq, recv_ts and of the message msgid, action, from, tolist, roomid, msgtime,
 * msgtype and text.content, with its escapes resolved. The sum of it all must be the same for all
 * peers; one that differs gets no figure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct line {
	const char *data; /* readable 64 bytes past its end */
	size_t len;
};

/* What a peer read: lengths of all strings, and all numbers, added up. */
uint64_t peer_ondemand(const struct line *lines, size_t count);
uint64_t peer_dom(const struct line *lines, size_t count);
uint64_t peer_jansson(const struct line *lines, size_t count);
uint64_t peer_yajl(const struct line *lines, size_t count);
uint64_t peer_chatmill(const struct line *lines, size_t count);
/* Its limit: looks at each byte once and reads nothing. */
uint64_t peer_memchr(const struct line *lines, size_t count);

const char *peer_simdjson_name(void); /* the kernels that run here */

#ifdef __cplusplus
}
#endif
