/* ECDSA on P-256 (FIPS 186-5), for signatures that stock tools check; SHA-256 throughout. Signing
 * is deterministic (RFC 6979): it needs no random numbers, and two signatures of the same are the
 * same. Numbers are big-endian. The DER forms of keys are in p256_der.h. */
#ifndef CRYPTO_P256_H
#define CRYPTO_P256_H

#include <stdbool.h>

#include "err.h"
#include "hash.h"

enum {
	P256_PRIVATE = 32,
	P256_PUBLIC = 65,   /* 4, X, Y: the uncompressed point (SEC 1, 2.3.3) */
	P256_SIGNATURE = 64 /* r, s */
};

struct p256_pair {
	uint8_t private[P256_PRIVATE];
	uint8_t public[P256_PUBLIC];
};

/* A fresh pair. 0, or -1 (EX_TEMPFAIL: no seed). wipe() it after use. */
int p256_generate(struct p256_pair *out, struct err *e);
/* The public key of a private one. 0, or -1: it is 0, or not below the curve's order. */
int p256_public(uint8_t out[static P256_PUBLIC], const uint8_t private[static P256_PRIVATE]);
/* Is it an uncompressed point of the curve? */
bool p256_is_point(const uint8_t public[static P256_PUBLIC]);

/* Sign a SHA-256 digest with a sound private key. */
void p256_sign(uint8_t out[static P256_SIGNATURE], const uint8_t private[static P256_PRIVATE],
	const uint8_t digest[static HASH_BYTES]);
/* Is it this key's signature of this digest? */
bool p256_verify(const uint8_t signature[static P256_SIGNATURE],
	const uint8_t public[static P256_PUBLIC], const uint8_t digest[static HASH_BYTES]);

#endif
