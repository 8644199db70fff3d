/* P-256 keys as DER: SPKI (RFC 5480) and PKCS#8 around RFC 5915, as `openssl pkey` reads and writes
 * them, and RFC 5915 alone ("EC PRIVATE KEY"), which `openssl ecparam -genkey` writes. Points are
 * uncompressed. */
#ifndef CRYPTO_P256_DER_H
#define CRYPTO_P256_DER_H

#include "p256.h"
#include "pem.h"

/* Decode a "PUBLIC KEY". 0, or -1 (EX_CONFIG, out unchanged): another kind of key or curve, a
 * compressed point, or none of the curve. */
int p256_der_read_public(uint8_t out[static P256_PUBLIC], const struct pem *pem, struct err *e);

/* Decode a "PRIVATE KEY" or an "EC PRIVATE KEY"; the public half is computed, and one that stands
 * in the file must be the same. 0, or -1 (EX_CONFIG, out wiped). */
int p256_der_read_private(struct p256_pair *out, const struct pem *pem, struct err *e);

/* Append the SPKI encoding (91 bytes). 0, or -1 (no memory). */
int p256_der_write_public(struct buf *out, const uint8_t public[static P256_PUBLIC]);
/* Append the PKCS#8 encoding, byte for byte as openssl has it (138 bytes, secret). 0, or -1 (no
 * memory). */
int p256_der_write_private(struct buf *out, const struct p256_pair *pair);

#endif
