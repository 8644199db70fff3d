/* Random bytes for keys, nonces and names: BearSSL's HMAC-DRBG (SHA-256, NIST SP 800-90A), seeded
 * by getrandom(2). A process that forked seeds anew before its first byte, so no two processes ever
 * share a stream. There is no fallback: when the system gives no seed, nothing is generated. */
#ifndef CRYPTO_RANDOM_H
#define CRYPTO_RANDOM_H

#include <bearssl.h>
#include <stdint.h>

#include "err.h"

/* Fill out with n bytes. 0, or -1 (EX_TEMPFAIL: no seed; out is wiped). */
int random_bytes(void *out, size_t n, struct err *e);

/* The generator in BearSSL's form, freshly seeded where needed, for key generation and OAEP. NULL
 * when there is no seed (EX_TEMPFAIL). Valid until the next fork. */
const br_prng_class **random_prng(struct err *e);

#endif
