/* DER (X.690), read strictly over a cursor and written by hand, as far as keys need it; and the two
 * envelopes that a key of any kind comes in: SPKI (RFC 5280 4.1.2.7) and PKCS#8 (RFC 5958). What
 * stands inside them is read in rsa_der.c, x25519_der.c and p256_der.c. */
#ifndef CRYPTO_DER_H
#define CRYPTO_DER_H

#include "pem.h"

enum {
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_SEQUENCE = 0x30,
};

/* --- reading: what fails latches in the cursor --- */

/* The content of the next element, which must have this tag. */
struct cursor der_get_element(struct cursor *c, uint8_t tag);

/* An INTEGER of one byte, 0 to 127, such as a version. 0 on failure. */
uint8_t der_get_small(struct cursor *c);

/* Does an element of this tag come next? */
bool der_next_is(const struct cursor *c, uint8_t tag);

/* Is all of it read, and without a failure? */
bool der_at_end(const struct cursor *c);

/* --- writing: 0, or -1 (no memory) --- */

/* The tag and length of an element whose content has n bytes (below 2^24). */
int der_put_head(struct buf *out, uint8_t tag, size_t n);
/* How many bytes those are. */
size_t der_head_len(size_t n);

/* --- envelopes --- */

enum der_kind { DER_RSA, DER_X25519, DER_P256 }; /* what we use; of others we know the names */

/* Open a "PUBLIC KEY": key gets what its BIT STRING holds. 0, or -1 (EX_CONFIG: another label,
 * another kind of key, which the error names, or damaged). */
int der_open_public(struct cursor *key, const struct pem *pem, enum der_kind want, struct err *e);

struct der_private {
	struct cursor key;    /* what the OCTET STRING holds. Secret */
	struct cursor public; /* what the optional BIT STRING holds (version 1 alone has it) */
	bool has_public;
};

/* Open a "PRIVATE KEY" of version 0 or 1; attributes are passed over. 0, or -1 as above. An
 * encrypted one gets a hint. */
int der_open_private(
	struct der_private *out, const struct pem *pem, enum der_kind want, struct err *e);

/* Append all that stands ahead of the key's own n bytes; for a private one, version 0. */
int der_put_public_head(struct buf *out, enum der_kind kind, size_t n);
int der_put_private_head(struct buf *out, enum der_kind kind, size_t n);

/* "its RSA public key is damaged". half: "public" or "private". -1 (EX_CONFIG). */
int der_damaged(enum der_kind kind, const char *half, struct err *e);

#endif
