/* HMAC (RFC 2104) and HKDF (RFC 5869), both with SHA-256, in one call each. Empty inputs may be
 * NULL. */
#ifndef CRYPTO_HKDF_H
#define CRYPTO_HKDF_H

#include <stddef.h>
#include <stdint.h>

#include "hash.h"

enum { HKDF_MAX = 255 * HASH_BYTES }; /* 8160: RFC 5869 2.3 counts its blocks in one byte */

/* out may be the key or the data. */
void hmac_sha256(
	uint8_t out[static HASH_BYTES], const void *key, size_t key_n, const void *data, size_t n);

/* Extract and expand: ikm is the secret, salt and info are public and may be empty. out must not
 * be one of them. 0, or -1 when out_n is above HKDF_MAX: nothing is written then. */
int hkdf_sha256(void *out, size_t out_n, const void *salt, size_t salt_n, const void *ikm,
	size_t ikm_n, const void *info, size_t info_n);

#endif
