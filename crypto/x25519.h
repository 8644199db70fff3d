/* X25519 (RFC 7748) through one wrapper. Scalars and points are 32 bytes, little-endian as the RFC
 * prints them. BearSSL's releases disagree about the scalar's byte order: x25519_self_check tells,
 * before a key is made or used. */
#ifndef CRYPTO_X25519_H
#define CRYPTO_X25519_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

enum { X25519_BYTES = 32 };

struct x25519_pair {
	uint8_t private[X25519_BYTES]; /* as generated or read; clamped on each use */
	uint8_t public[X25519_BYTES];
};

/* Does this BearSSL compute what RFC 7748 5.2 prints? To be called once, at the start of
 * whatever uses keys. 0, or -1 (EX_CONFIG). */
int x25519_self_check(struct err *e);

/* The shared secret of our private key and their public one. Any 32 bytes are a point: the high bit
 * is ignored and values above the prime are reduced (RFC 7748 5). 0, or -1 when the result is all
 * zeros, as it is for each low-order point (RFC 7748 6.1; checked in constant time); out is zero
 * then. */
int x25519_shared(uint8_t out[static X25519_BYTES], const uint8_t private[static X25519_BYTES],
	const uint8_t public[static X25519_BYTES]);

/* The public key of a private one. */
void x25519_public(uint8_t out[static X25519_BYTES], const uint8_t private[static X25519_BYTES]);

/* A fresh pair. 0, or -1 (EX_TEMPFAIL: no seed). wipe() it after use. */
int x25519_generate(struct x25519_pair *out, struct err *e);

#endif
