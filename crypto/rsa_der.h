/* RSA keys as DER: SPKI (RFC 5280 4.1.2.7) and PKCS#1 (RFC 8017 A.1), and for private keys PKCS#8
 * too (RFC 5958). What is written is what PyCryptodome writes: SPKI and PKCS#1. */
#ifndef CRYPTO_RSA_DER_H
#define CRYPTO_RSA_DER_H

#include "pem.h"
#include "rsa.h"

/* Decode by the PEM label: "PUBLIC KEY" or "RSA PUBLIC KEY". 0, or -1 (EX_CONFIG). */
int rsa_der_read_public(struct rsa_public *out, const struct pem *pem, struct err *e);

/* "RSA PRIVATE KEY" or "PRIVATE KEY". 0, or -1 (EX_CONFIG, out wiped). */
int rsa_der_read_private(struct rsa_private *out, const struct pem *pem, struct err *e);

/* Append the SPKI encoding. 0, or -1 (no memory). */
int rsa_der_write_public(struct buf *out, const struct rsa_public *key);
/* Append the PKCS#1 encoding (secret). 0, or -1. */
int rsa_der_write_private(struct buf *out, const struct rsa_private *key);

#endif
