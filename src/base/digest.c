/* digest.c - SHA-1 and SHA-256 by libcrypto. */
/* SPDX-License-Identifier: Apache-2.0 */

/* The calls with a context on our own stack allocate nothing and use the processor's SHA
 * instructions; their replacements of OpenSSL 3 allocate for each digest. They are marked as
 * old, not as wrong, so we ask for the interface of 1.1. */
#define OPENSSL_API_COMPAT 0x10100000L
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

static const char hex[] = "0123456789abcdef";

void digest_uuid5(const struct str *parts, size_t count, char out[UUID_LEN])
{
	static const unsigned char space[16] = {0x6b, 0xa7, 0xb8, 0x12, 0x9d, 0xad, 0x11, 0xd1,
						0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8};
	unsigned char hash[SHA_DIGEST_LENGTH], joined[512];
	size_t len = sizeof space;
	SHA_CTX sha;

	/* Joined first: a call for each short part costs more than the digest. */
	SHA1_Init(&sha);
	memcpy(joined, space, sizeof space);
	for (size_t i = 0; i < count; i++) {
		if (parts[i].len > sizeof joined - len) {
			SHA1_Update(&sha, joined, len);
			SHA1_Update(&sha, parts[i].data, parts[i].len);
			len = 0;
		} else if (parts[i].len) {
			memcpy(joined + len, parts[i].data, parts[i].len);
			len += parts[i].len;
		}
	}
	SHA1_Update(&sha, joined, len);
	SHA1_Final(hash, &sha);
	hash[6] = (hash[6] & 0x0f) | 0x50; /* version 5 */
	hash[8] = (hash[8] & 0x3f) | 0x80; /* variant of RFC 4122 */
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = hex[hash[i] >> 4];
		*out++ = hex[hash[i] & 15];
	}
}

void digest_sha256(struct str data, unsigned char out[SHA256_BYTES])
{
	SHA256_CTX sha;

	SHA256_Init(&sha);
	SHA256_Update(&sha, data.data, data.len);
	SHA256_Final(out, &sha);
}

void digest_text(struct str data, char out[DIGEST_TEXT_LEN])
{
	unsigned char hash[SHA256_BYTES];

	digest_sha256(data, hash);
	memcpy(out, "sha256:", 7);
	for (int i = 0; i < SHA256_BYTES; i++) {
		out[7 + i * 2] = hex[hash[i] >> 4];
		out[8 + i * 2] = hex[hash[i] & 15];
	}
}

const char *digest_library_version(void)
{
	return OpenSSL_version(OPENSSL_VERSION_STRING);
}

bool digest_is_text(struct str s)
{
	if (s.len != DIGEST_TEXT_LEN || memcmp(s.data, "sha256:", 7) != 0)
		return false;
	for (size_t i = 7; i < s.len; i++)
		if (!((s.data[i] >= '0' && s.data[i] <= '9') || (s.data[i] >= 'a' && s.data[i] <= 'f')))
			return false;
	return true;
}
