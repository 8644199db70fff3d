/* AES-CBC streams over BearSSL's classes, as aes.c picks them; see cbc.h. */
#include "cbc.h"

#include "bytes.h"

int cbc_init(struct cbc *c, const uint8_t *key, size_t key_n, const uint8_t iv[static AES_BLOCK])
{
	memcpy(c->iv, iv, AES_BLOCK);
	return aes_init(&c->aes, key, key_n);
}

/* BearSSL leaves the last block of ciphertext in the IV. */

void cbc_encrypt(struct cbc *c, uint8_t *data, size_t n)
{
	const br_block_cbcenc_class *const *keys = &c->aes.enc.vtable;

	(*keys)->run(keys, c->iv, data, n);
}

void cbc_decrypt(struct cbc *c, uint8_t *data, size_t n)
{
	const br_block_cbcdec_class *const *keys = &c->aes.dec.vtable;

	(*keys)->run(keys, c->iv, data, n);
}
