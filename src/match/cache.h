/* cache.h - compiled databases in a file, so that a start costs no compiling.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A file is named by the digest of everything that decides about its content. It is written beside
 * its place, synced and renamed, so that a reader sees a whole file or none; its parts are checked
 * by a hash when it is read. A cache that cannot be read or written costs time and nothing else:
 * nothing here fails. Files that nobody read for 30 days go when a new one is written.
 *
 *	"chatmill-hs-1\n"  u64 hash of all that follows  u64 parts
 *	parts × { u64 length  u64 longest match }  bytes of the parts        (little endian)
 *
 * Thread: a cache belongs to one thread; several processes may share the folder.
 */
#pragma once

#include "base/buf.h"

struct cache {
	struct str dir;
	struct buf name;    /* what the file is named by */
	struct buf parts;   /* being written: bytes */
	struct buf lengths; /* being written */
	char *read;	    /* of the file that was found, mapped */
	size_t read_len;
};

void cache_init(struct cache *c, const char *dir); /* a zeroed cache has no file */
void cache_fini(struct cache *c);

/* Adds to what the file is named by. */
void cache_name(struct cache *c, const void *data, size_t len);

void cache_read(struct cache *c);
/* Part i of the file, until cache_fini(). False if there is none, or the file is damaged. */
bool cache_get(const struct cache *c, size_t i, struct str *bytes, unsigned *max_width);

void cache_add(struct cache *c, struct str bytes, unsigned max_width);
void cache_write(struct cache *c);
