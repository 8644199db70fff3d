/* ChaCha20-Poly1305 over BearSSL; see chacha.h. */
#include "chacha.h"

#include <bearssl.h>

#include "bytes.h"

/* What this CPU has. */
static br_chacha20_run cipher;
static br_poly1305_run aead;

void chacha_prepare(void)
{
	cipher = br_chacha20_sse2_get();
	cipher = cipher == 0 ? br_chacha20_ct_run : cipher;
	aead = br_poly1305_ctmulq_get();
	aead = aead == 0 ? br_poly1305_ctmul_run : aead;
}

/* In place; the tag of the sealed text. */
static void run(bool seals, const uint8_t *key, const uint8_t *nonce, const void *ad, size_t ad_n,
	uint8_t *data, size_t n, uint8_t tag[static CHACHA_TAG])
{
	uint8_t nothing[1];

	if (aead == NULL) {
		chacha_prepare();
	}
	aead(key, nonce, n > 0 ? data : nothing, n, ad_n > 0 ? ad : nothing, ad_n, tag, cipher,
		seals ? 1 : 0);
}

void chacha_seal(const uint8_t key[static CHACHA_KEY], const uint8_t nonce[static CHACHA_NONCE],
	const void *ad, size_t ad_n, uint8_t *data, size_t n, uint8_t tag[static CHACHA_TAG])
{
	run(true, key, nonce, ad, ad_n, data, n, tag);
}

int chacha_open(const uint8_t key[static CHACHA_KEY], const uint8_t nonce[static CHACHA_NONCE],
	const void *ad, size_t ad_n, uint8_t *data, size_t n, const uint8_t tag[static CHACHA_TAG])
{
	uint8_t theirs[CHACHA_TAG];
	bool ok;

	run(false, key, nonce, ad, ad_n, data, n, theirs);
	ok = ct_eq(theirs, tag, CHACHA_TAG);
	wipe(theirs, sizeof theirs); /* of forged text it is a secret */
	if (!ok) {
		wipe(data, n);
		return -1;
	}
	return 0;
}
