/* AES-CBC (SP 800-38A 6.2) as one stream: the chaining is kept from call to call, and padding is
 * the caller's. It protects no integrity, and who may change what is decrypted decides bits of it:
 * for the founding wire of file transfer alone. */
#ifndef CRYPTO_CBC_H
#define CRYPTO_CBC_H

#include "aes.h"

struct cbc {
	struct aes aes;
	uint8_t iv[AES_BLOCK]; /* the last block of ciphertext; at first the IV */
};

/* key_n: 16, 24 or 32 bytes. 0, or -1 for any other length. A stream runs one way, whichever the
 * first call is. wipe() the whole struct after use. */
int cbc_init(struct cbc *c, const uint8_t *key, size_t key_n, const uint8_t iv[static AES_BLOCK]);

/* In place; n must be a multiple of AES_BLOCK. */
void cbc_encrypt(struct cbc *c, uint8_t *data, size_t n);
void cbc_decrypt(struct cbc *c, uint8_t *data, size_t n);

#endif
