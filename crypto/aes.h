/* AES in ECB mode with PKCS#7 padding (RFC 5652 6.3), as the classic protocol has it. ECB hides no
 * equality and protects no integrity: use it for that protocol only. AES-NI where the CPU has it,
 * BearSSL's constant-time code elsewhere. */
#ifndef CRYPTO_AES_H
#define CRYPTO_AES_H

#include <bearssl.h>
#include <stdbool.h>
#include <stdint.h>

enum { AES_BLOCK = 16 };

struct aes {
	br_aes_gen_cbcenc_keys
		enc; /* BearSSL has no ECB call: CBC with a zero IV, block by block, */
	br_aes_gen_cbcdec_keys dec; /* and CBC decryption with its chaining undone, are ECB */
};

/* key_n: 16, 24 or 32 bytes. 0, or -1 for any other length. wipe() the whole struct after use. */
int aes_init(struct aes *a, const uint8_t *key, size_t key_n);

/* In place; n must be a multiple of AES_BLOCK. */
void aes_ecb_encrypt(const struct aes *a, uint8_t *data, size_t n);
void aes_ecb_decrypt(const struct aes *a, uint8_t *data, size_t n);

/* The length of n bytes with their padding: the next multiple of 16 above n. */
size_t aes_padded_len(size_t n);
/* Write the padding behind n bytes; p has room for aes_padded_len(n). */
void aes_pad(uint8_t *p, size_t n);
/* How many bytes of padding (1..16) end this plaintext block, or 0 when they are no valid padding.
 * Not constant-time: the classic protocol's receiver shows the answer anyway. */
size_t aes_padding(const uint8_t block[static AES_BLOCK]);

#endif
