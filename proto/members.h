/* What whoever publishes a signing key signs with it: that it is this user's, beside this X25519
 * key. */
#ifndef PROTO_MEMBERS_H
#define PROTO_MEMBERS_H

#include "../crypto/hash.h"
#include "../crypto/x25519.h"

/* The SHA-256 of "smtp361 member 1", LF, the name, LF, the key in hex, LF. */
void members_digest(const char *name, const uint8_t x25519[static X25519_BYTES],
	uint8_t out[static HASH_BYTES]);

#endif
