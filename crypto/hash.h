/* SHA-256 (FIPS 180-4) in one call or in pieces; SHA-1, which the python dialect's login has; and
 * MD5, which the founding wire of file transfer has. */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include <bearssl.h>
#include <stddef.h>
#include <stdint.h>

enum { HASH_BYTES = 32, HASH_SHA1_BYTES = 20, HASH_MD5_BYTES = 16 };

struct hash {
	br_sha256_context context;
};

struct hash_md5 {
	br_md5_context context;
};

void hash_begin(struct hash *h);
void hash_add(struct hash *h, const void *p, size_t n);
void hash_end(const struct hash *h, uint8_t out[static HASH_BYTES]);

void hash_of(const void *p, size_t n, uint8_t out[static HASH_BYTES]);

/* Broken for signatures: only where a wire has it. */
void hash_sha1(const void *p, size_t n, uint8_t out[static HASH_SHA1_BYTES]);

/* Broken: two files of one MD5 are made in seconds. It finds accidents, and only where a wire has
 * it. */
void hash_md5_begin(struct hash_md5 *h);
void hash_md5_add(struct hash_md5 *h, const void *p, size_t n);
void hash_md5_end(const struct hash_md5 *h, uint8_t out[static HASH_MD5_BYTES]);

#endif
