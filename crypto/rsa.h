/* RSA with OAEP (RFC 8017 7.1: SHA-1, MGF1-SHA-1, empty label), and RSA key generation. 2048 to
 * 4096 bits; public exponents are odd and at least 3. */
#ifndef CRYPTO_RSA_H
#define CRYPTO_RSA_H

#include <bearssl.h>
#include <stdint.h>

#include "err.h"

enum {
	RSA_BITS_MIN = 2048, /* below it OAEP is not worth its name */
	RSA_BITS_MAX = 4096, /* what BearSSL's buffers hold */
	RSA_BYTES_MAX = RSA_BITS_MAX / 8,
	RSA_EXPONENT_MAX = 8,  /* bytes; what stands in real keys is 65537 */
	RSA_OAEP_OVERHEAD = 42 /* 2 * 20 + 2: text is at most modulus bytes - 42 */
};

struct rsa_public {
	uint8_t n[RSA_BYTES_MAX]; /* big-endian, no leading zero byte */
	size_t n_len;             /* the block length of this key, in bytes */
	uint8_t e[RSA_EXPONENT_MAX];
	size_t e_len;
};

struct rsa_private {
	br_rsa_private_key key; /* points into buf */
	uint8_t buf[BR_RSA_KBUF_PRIV_SIZE(RSA_BITS_MAX)];
	struct rsa_public public;
};

/* Is it a modulus of 2048..4096 bits (odd) and an exponent that is odd and >= 3? 0, or -1
 * (EX_CONFIG). */
int rsa_check_public(const struct rsa_public *key, struct err *e);

/* A private key's numbers, big-endian, no leading zero byte: RFC 8017 A.1.2, but for d. */
struct rsa_number {
	const uint8_t *p;
	size_t n;
};
struct rsa_parts {
	struct rsa_number n, e, p, q, dp, dq, iq;
};

/* Put a private key together (the numbers are copied), and check its public half and that n = p q.
 * 0, or -1 (EX_CONFIG, out wiped). wipe() the whole struct after use. */
int rsa_private_from_parts(struct rsa_private *out, const struct rsa_parts *parts, struct err *e);

/* Does a block survive encryption and decryption? Costs a private operation, and catches parts that
 * do not belong together. 0, or -1 (EX_CONFIG). */
int rsa_check_private(const struct rsa_private *key, struct err *e);

/* bits: 2048, 3072 or 4096. 0, or -1 (EX_TEMPFAIL without a seed, EX_USAGE for other sizes). */
int rsa_generate(struct rsa_private *out, unsigned bits, struct err *e);

/* The private exponent d, big-endian, for writing the key down. Returns its length in bytes, 0 when
 * the key is unsound. d holds RSA_BYTES_MAX. Secret. */
size_t rsa_private_exponent(const struct rsa_private *key, uint8_t *d);

/* Encrypt n <= key->n_len - RSA_OAEP_OVERHEAD bytes into exactly key->n_len bytes. 0, or -1. */
int rsa_oaep_encrypt(
	const struct rsa_public *key, const void *text, size_t n, uint8_t *out, struct err *e);

/* Decrypt one block of exactly key->public.n_len bytes in place. Returns the text's length at the
 * start of block (secret), or -1 for every kind of bad block, in the same time (block wiped). */
int rsa_oaep_decrypt(const struct rsa_private *key, uint8_t *block);

#endif
