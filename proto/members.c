/* See members.h. */
#include "members.h"

#include <string.h>

#include "../crypto/bytes.h"

void members_digest(
	const char *name, const uint8_t x25519[static X25519_BYTES], uint8_t out[static HASH_BYTES])
{
	static const char label[] = "smtp361 member 1\n";
	char hex[2 * X25519_BYTES + 1];
	struct hash h;

	hex_encode(hex, x25519, X25519_BYTES);
	hash_begin(&h);
	hash_add(&h, label, sizeof label - 1);
	hash_add(&h, name, strlen(name));
	hash_add(&h, "\n", 1);
	hash_add(&h, hex, sizeof hex - 1);
	hash_add(&h, "\n", 1);
	hash_end(&h, out);
}
