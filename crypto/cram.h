/* CRAM-MD5 (RFC 2195): the answer to a challenge is HMAC-MD5 (RFC 2104) keyed with the password. A
 * server needs no password for it: the two states of MD5 behind the padded key, inner and outer,
 * are enough. They are no password to others, but whoever has them can answer every challenge, and
 * a guess at the password costs him two blocks of MD5: kept only for those who ask for it. */
#ifndef CRYPTO_CRAM_H
#define CRYPTO_CRAM_H

#include <stddef.h>
#include <stdint.h>

enum { CRAM_BYTES = 16 }; /* of an answer, which goes over the wire in lower-case hex */

/* Secret: each is MD5's state after one block. */
struct cram_states {
	uint8_t inner[CRAM_BYTES], outer[CRAM_BYTES];
};

/* A password of more than 64 bytes counts as its digest (RFC 2104 2). It may be NULL when n is 0.
 */
void cram_states_of(const void *password, size_t n, struct cram_states *out);

/* What the one who has the password answers to these n bytes. NULL is fine when n is 0. */
void cram_answer(const struct cram_states *s, const void *challenge, size_t n,
	uint8_t out[static CRAM_BYTES]);

#endif
