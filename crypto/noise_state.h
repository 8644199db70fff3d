/* What noise.c builds on: the key and the hash of a handshake, as the Noise specification's
 * SymmetricState has them (rev 34, 5.2). For noise.c, and for the lab's attackers, who depart from
 * its order. */
#ifndef CRYPTO_NOISE_STATE_H
#define CRYPTO_NOISE_STATE_H

#include "noise.h"

/* InitializeKey: the counter starts at 0. */
void noise_set_key(struct noise_cipher *c, const uint8_t key[static GCM_KEY]);

void noise_mix_hash(struct noise *n, const void *p, size_t p_n);
/* A DH result, or an e where there are psks. */
void noise_mix_key(struct noise *n, const uint8_t secret[static 32]);
/* MixKeyAndHash, which only a psk needs (9.1). */
void noise_mix_psk(struct noise *n, const uint8_t psk[static NOISE_PSK]);

/* Seal *len bytes in place once there is a key (with room for NOISE_TAG more), and mix in what is
 * to be sent; *len becomes its length. 0, or -1 as noise_seal. */
int noise_encrypt_and_hash(struct noise *n, uint8_t *data, size_t *len, struct err *e);
/* The reverse. 0, or -1 as noise_open. */
int noise_decrypt_and_hash(struct noise *n, uint8_t *data, size_t *len, struct err *e);

#endif
