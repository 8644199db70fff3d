/* AES-ECB out of BearSSL's CBC classes; see aes.h. */
#include "aes.h"

#include "bytes.h"

static const br_block_cbcenc_class *enc;
static const br_block_cbcdec_class *dec;

/* Once: BearSSL asks the CPU each time, which in a virtual machine takes longer than a thousand
 * blocks. */
static void pick_classes(void)
{
	if (enc != NULL) {
		return;
	}
	enc = br_aes_x86ni_cbcenc_get_vtable();
	dec = br_aes_x86ni_cbcdec_get_vtable();
	if (enc == NULL || dec == NULL) {
		enc = &br_aes_ct64_cbcenc_vtable;
		dec = &br_aes_ct64_cbcdec_vtable;
	}
}

int aes_init(struct aes *a, const uint8_t *key, size_t key_n)
{
	if (key_n != 16 && key_n != 24 && key_n != 32) {
		return -1;
	}
	pick_classes();
	enc->init(&a->enc.vtable, key, key_n);
	dec->init(&a->dec.vtable, key, key_n);
	return 0;
}

void aes_ecb_encrypt(const struct aes *a, uint8_t *data, size_t n)
{
	const br_block_cbcenc_class *const *keys = &a->enc.vtable;

	/* A zero IV and a single block are E(block). Independent calls overlap in the pipeline:
	 * three times as fast as one chained call, where each block waits for the one before it. */
	for (size_t i = 0; i + AES_BLOCK <= n; i += AES_BLOCK) {
		uint8_t iv[AES_BLOCK] = {0};
		(*keys)->run(keys, iv, data + i, AES_BLOCK);
	}
}

void aes_ecb_decrypt(const struct aes *a, uint8_t *data, size_t n)
{
	const br_block_cbcdec_class *const *keys = &a->dec.vtable;
	enum { PIECE = 256 * AES_BLOCK };
	uint8_t chained[PIECE]; /* what CBC will have mixed in: IV (zero), then the ciphertext */

	while (n >= AES_BLOCK) {
		uint8_t iv[AES_BLOCK] = {0};
		size_t k = n < PIECE ? n - n % AES_BLOCK : PIECE;
		memcpy(chained, data, k);
		(*keys)->run(keys, iv, data, k);
		for (size_t i = AES_BLOCK; i < k; i++) {
			data[i] ^= chained[i - AES_BLOCK];
		}
		data += k;
		n -= k;
	}
}

size_t aes_padded_len(size_t n)
{
	return n - n % AES_BLOCK + AES_BLOCK;
}

void aes_pad(uint8_t *p, size_t n)
{
	size_t pad = aes_padded_len(n) - n;
	memset(p + n, (int)pad, pad);
}

size_t aes_padding(const uint8_t block[static AES_BLOCK])
{
	size_t pad = block[AES_BLOCK - 1];

	if (pad < 1 || pad > AES_BLOCK) {
		return 0;
	}
	for (size_t i = AES_BLOCK - pad; i < AES_BLOCK; i++) {
		if (block[i] != pad) {
			return 0;
		}
	}
	return pad;
}
