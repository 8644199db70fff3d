/* X25519 keys as DER: SPKI and PKCS#8, as RFC 8410 has them and `openssl pkey` reads and writes
 * them. */
#ifndef CRYPTO_X25519_DER_H
#define CRYPTO_X25519_DER_H

#include "pem.h"
#include "x25519.h"

/* Decode a "PUBLIC KEY". 0, or -1 (EX_CONFIG, out unchanged): another kind of key, not exactly 32
 * bytes, or a low-order point, with which no secret can be shared (zeros are one). */
int x25519_der_read_public(uint8_t out[static X25519_BYTES], const struct pem *pem, struct err *e);

/* Decode a "PRIVATE KEY" of version 0 or 1; the public half is computed, and one that stands in the
 * file must be the same. 0, or -1 (EX_CONFIG, out wiped). Zeros are refused: nobody drew them. */
int x25519_der_read_private(struct x25519_pair *out, const struct pem *pem, struct err *e);

/* Append the SPKI encoding (44 bytes). 0, or -1 (no memory). */
int x25519_der_write_public(struct buf *out, const uint8_t public[static X25519_BYTES]);
/* Append the PKCS#8 encoding, version 0 (48 bytes, secret). 0, or -1 (no memory). */
int x25519_der_write_private(struct buf *out, const uint8_t private[static X25519_BYTES]);

#endif
