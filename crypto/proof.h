/* Do two files begin with the same n bytes? Each side computes this under a key that the one who
 * asks has just made, and they compare: as fast as the memory, where a hash of everything would
 * take a second for each quarter of a GiB. Each block of PROOF_BLOCK bytes is authenticated by
 * AES-256-GCM (its number is the nonce, it is associated data alone), and SHA-256 runs over each
 * number and tag, and n. Blocks of zeros are left out, and holes not even read: a file of many TiB
 * that stores nothing costs nothing. Whoever does not know the key when it chooses its bytes cannot
 * make two beginnings look alike (SP 800-38D, 3: GMAC). */
#ifndef CRYPTO_PROOF_H
#define CRYPTO_PROOF_H

#include <stdint.h>

#include "err.h"

enum { PROOF_KEY = 32, PROOF_BYTES = 32, PROOF_BLOCK = 65536 };

/* Of the first n bytes of a regular file. 0, or -1: EX_DATAERR (it is shorter), EX_IOERR. */
int proof_of(int fd, uint64_t n, const uint8_t key[static PROOF_KEY],
	uint8_t out[static PROOF_BYTES], struct err *e);

#endif
