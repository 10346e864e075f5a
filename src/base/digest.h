/* digest.h - the one door to libcrypto: SHA-1 for event ids, SHA-256 for rule sets.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Pure and without allocation. Thread: any.
 */
#pragma once

#include "base/str.h"

enum { UUID_LEN = 36, SHA256_BYTES = 32, DIGEST_TEXT_LEN = 7 + 64,
       DIGEST_TEXT_SIZE = DIGEST_TEXT_LEN + 1 /* with a NUL */ };

/* UUID version 5 (RFC 4122 section 4.3) of the bytes `parts[0]` … joined as they stand, in the
 * namespace 6ba7b812 (that of OIDs; CONTRACT.md section 3 fixes it):
 * 6ba7b812-9dad-11d1-80b4-00c04fd430c8. Writes 36 characters, no NUL. */
void digest_uuid5(const struct str *parts, size_t count, char out[UUID_LEN]);

void digest_sha256(struct str data, unsigned char out[SHA256_BYTES]);

/* Whether a text is `sha256:` and 64 small hexadecimal digits. */
bool digest_is_text(struct str s);
/* "sha256:" and 64 hexadecimal digits, no NUL. */
void digest_text(struct str data, char out[DIGEST_TEXT_LEN]);

/* Version of the linked libcrypto. Static. */
const char *digest_library_version(void);
