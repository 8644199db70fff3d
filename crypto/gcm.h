/* AES-256-GCM (NIST SP 800-38D), nonces of 12 bytes, tags of 16. AES-NI and PCLMUL where the CPU
 * has them, BearSSL's constant-time code elsewhere. One call handles at most 2^36 - 32 bytes of
 * text (5.2.1.1). */
#ifndef CRYPTO_GCM_H
#define CRYPTO_GCM_H

#include <bearssl.h>
#include <stddef.h>
#include <stdint.h>

enum { GCM_KEY = 32, GCM_NONCE = 12, GCM_TAG = 16 };

/* It holds no pointer into itself: a copy of it is as good. */
struct gcm {
	br_aes_gen_ctr_keys keys;
	br_ghash ghash;
};

/* Find out what the CPU has, ahead of the first key: a server does it before it forks. */
void gcm_prepare(void);

/* wipe() the struct after use. */
void gcm_init(struct gcm *g, const uint8_t key[static GCM_KEY]);

/* Encrypt n bytes in place and write their tag, which may stand right behind them. A nonce serves
 * once for a key. ad: the associated data, ad_n bytes; NULL when 0, and so is data. */
void gcm_seal(const struct gcm *g, const uint8_t nonce[static GCM_NONCE], const void *ad,
	size_t ad_n, uint8_t *data, size_t n, uint8_t tag[static GCM_TAG]);
/* Decrypt n bytes in place. 0, or -1 when the tag is not theirs (constant time): data is wiped. */
int gcm_open(const struct gcm *g, const uint8_t nonce[static GCM_NONCE], const void *ad,
	size_t ad_n, uint8_t *data, size_t n, const uint8_t tag[static GCM_TAG]);

#endif
