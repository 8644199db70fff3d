/* ChaCha20-Poly1305 (RFC 8439), nonces of 12 bytes, tags of 16. SSE2 and 128-bit products where the
 * CPU has them, BearSSL's portable constant-time code elsewhere. One call handles at most 2^38 - 64
 * bytes of text (2.8). */
#ifndef CRYPTO_CHACHA_H
#define CRYPTO_CHACHA_H

#include <stddef.h>
#include <stdint.h>

enum { CHACHA_KEY = 32, CHACHA_NONCE = 12, CHACHA_TAG = 16 };

/* Find out what the CPU has. The first use does it otherwise, which must be in one thread alone. */
void chacha_prepare(void);

/* Encrypt n bytes in place and write their tag, which may stand right behind them. A nonce serves
 * once for a key. ad: the associated data, ad_n bytes; NULL when 0, and so is data. */
void chacha_seal(const uint8_t key[static CHACHA_KEY], const uint8_t nonce[static CHACHA_NONCE],
	const void *ad, size_t ad_n, uint8_t *data, size_t n, uint8_t tag[static CHACHA_TAG]);
/* Decrypt n bytes in place. 0, or -1 when the tag is not theirs (constant time): data is wiped. */
int chacha_open(const uint8_t key[static CHACHA_KEY], const uint8_t nonce[static CHACHA_NONCE],
	const void *ad, size_t ad_n, uint8_t *data, size_t n, const uint8_t tag[static CHACHA_TAG]);

#endif
