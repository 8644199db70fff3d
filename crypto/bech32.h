/* Bech32 (BIP 173) without its limits of length, as age has it for keys: bytes as text with a
 * prefix and a checksum, in lower or in upper case as the prefix is. The text may be a secret: no
 * table is looked up by it, and it decides no branch but whether it is refused. */
#ifndef CRYPTO_BECH32_H
#define CRYPTO_BECH32_H

#include <stddef.h>
#include <stdint.h>

/* How long the text of n bytes is behind a prefix of p characters. */
size_t bech32_len(size_t p, size_t n);

/* Write n bytes and a NUL: out holds bech32_len() + 1. The prefix has characters 33 to 126. */
void bech32_encode(char *out, const char *prefix, const void *data, size_t n);

/* Read text of n characters with exactly this prefix. data holds cap bytes. How many there are, or
 * -1: another prefix, a character, a case or a checksum that is wrong, bits behind the last byte
 * that are too many or not zero, more bytes than fit; data is wiped then. */
int bech32_decode(uint8_t *data, size_t cap, const char *prefix, const char *text, size_t n);

#endif
