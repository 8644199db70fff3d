/* CipherState and SymmetricState of the Noise Protocol Framework, revision 34: section numbers in
 * the comments are its. Text is sealed and opened where it lies; see noise_state.h. */
#include "noise_state.h"

#include "bytes.h"
#include "hkdf.h"

/* --- CipherState (5.1) --- */

void noise_set_key(struct noise_cipher *c, const uint8_t key[static GCM_KEY])
{
	gcm_init(&c->gcm, key);
	c->counter = 0;
	c->has_key = true;
}

/* 12.4: 32 bits of zeros, and the counter big-endian. */
static void make_nonce(uint8_t nonce[static GCM_NONCE], uint64_t counter)
{
	memset(nonce, 0, GCM_NONCE);
	for (size_t i = GCM_NONCE; counter > 0; counter >>= 8) {
		nonce[--i] = (uint8_t)counter;
	}
}

/* May this cipher take the next message? 0, or -1. */
static int check_cipher(const struct noise_cipher *c, const char *verb, struct err *e)
{
	if (!c->has_key) {
		return err_set(e, EX_SOFTWARE, "cannot %s a Noise message: it has no key", verb);
	}
	if (c->counter == UINT64_MAX) {
		return err_set(e, EX_PROTOCOL,
			"cannot %s a Noise message: the counter of its key is used up", verb);
	}
	return 0;
}

static int cipher_seal(
	struct noise_cipher *c, const void *ad, size_t ad_n, uint8_t *data, size_t n, struct err *e)
{
	uint8_t nonce[GCM_NONCE];

	if (n > NOISE_MESSAGE_MAX - NOISE_TAG) {
		return err_set(e, EX_SOFTWARE,
			"cannot seal a Noise message of %zu bytes: %d is most", n,
			NOISE_MESSAGE_MAX - NOISE_TAG);
	}
	if (check_cipher(c, "seal", e) != 0) {
		return -1;
	}
	make_nonce(nonce, c->counter);
	gcm_seal(&c->gcm, nonce, ad, ad_n, data, n, data + n);
	c->counter++;
	return 0;
}

/* Judge and open; data is wiped by the caller when it is not opened. */
static int try_open(
	struct noise_cipher *c, const void *ad, size_t ad_n, uint8_t *data, size_t n, struct err *e)
{
	uint8_t nonce[GCM_NONCE];
	size_t text_n = n - NOISE_TAG;

	if (n < NOISE_TAG || n > NOISE_MESSAGE_MAX) {
		return err_set(e, EX_PROTOCOL,
			"cannot open a Noise message of %zu bytes: it has from %d to %d", n,
			NOISE_TAG, NOISE_MESSAGE_MAX);
	}
	if (check_cipher(c, "open", e) != 0) {
		return -1;
	}
	make_nonce(nonce, c->counter);
	if (gcm_open(&c->gcm, nonce, ad, ad_n, data, text_n, data + text_n) != 0) {
		return err_set(e, EX_PROTOCOL,
			"cannot open a Noise message: it is forged, damaged or out of turn");
	}
	c->counter++;
	return 0;
}

static int cipher_open(
	struct noise_cipher *c, const void *ad, size_t ad_n, uint8_t *data, size_t n, struct err *e)
{
	int rc = try_open(c, ad, ad_n, data, n, e);

	if (rc != 0) {
		wipe(data, n);
	}
	return rc;
}

int noise_seal(struct noise_cipher *c, uint8_t *data, size_t n, struct err *e)
{
	return cipher_seal(c, NULL, 0, data, n, e);
}

int noise_open(struct noise_cipher *c, uint8_t *data, size_t n, struct err *e)
{
	return cipher_open(c, NULL, 0, data, n, e);
}

/* --- SymmetricState (5.2) --- */

/* out: the hash as it will be once p is mixed in. */
static void next_hash(
	const struct noise *n, const void *p, size_t p_n, uint8_t out[static HASH_BYTES])
{
	struct hash h;

	hash_begin(&h);
	hash_add(&h, n->hash, HASH_BYTES);
	if (p_n > 0) {
		hash_add(&h, p, p_n);
	}
	hash_end(&h, out);
	wipe(&h, sizeof h);
}

void noise_mix_hash(struct noise *n, const void *p, size_t p_n)
{
	next_hash(n, p, p_n, n->hash);
}

void noise_mix_key(struct noise *n, const uint8_t secret[static 32])
{
	uint8_t keys[2][HASH_BYTES];

	(void)hkdf_sha256(keys, sizeof keys, n->chaining_key, HASH_BYTES, secret, 32, NULL, 0);
	memcpy(n->chaining_key, keys[0], HASH_BYTES);
	noise_set_key(&n->cipher, keys[1]);
	wipe(keys, sizeof keys);
}

void noise_mix_psk(struct noise *n, const uint8_t psk[static NOISE_PSK])
{
	uint8_t keys[3][HASH_BYTES];

	(void)hkdf_sha256(keys, sizeof keys, n->chaining_key, HASH_BYTES, psk, NOISE_PSK, NULL, 0);
	memcpy(n->chaining_key, keys[0], HASH_BYTES);
	noise_mix_hash(n, keys[1], HASH_BYTES);
	noise_set_key(&n->cipher, keys[2]);
	wipe(keys, sizeof keys);
}

int noise_encrypt_and_hash(struct noise *n, uint8_t *data, size_t *len, struct err *e)
{
	if (n->cipher.has_key) {
		if (cipher_seal(&n->cipher, n->hash, HASH_BYTES, data, *len, e) != 0) {
			return -1;
		}
		*len += NOISE_TAG;
	}
	noise_mix_hash(n, data, *len);
	return 0;
}

int noise_decrypt_and_hash(struct noise *n, uint8_t *data, size_t *len, struct err *e)
{
	uint8_t next[HASH_BYTES];

	/* of what was received: taken before it is opened in place */
	next_hash(n, data, *len, next);
	if (n->cipher.has_key) {
		if (cipher_open(&n->cipher, n->hash, HASH_BYTES, data, *len, e) != 0) {
			return -1;
		}
		*len -= NOISE_TAG;
	}
	memcpy(n->hash, next, HASH_BYTES);
	return 0;
}
