/* The header of a sealed file: lines of text that hold the file key, sealed once for each
 * recipient, and a MAC of them. It is read by lines, strictly as the format's ABNF has it; a stanza
 * of a kind that is not known here is passed over. */
#ifndef CRYPTO_AGE_HEADER_H
#define CRYPTO_AGE_HEADER_H

#include "age_stream.h"
#include "bytes.h"
#include "x25519.h"

enum {
	AGE_HEADER_MAX = 1 << 20, /* bytes: some 10,000 recipients */
	AGE_RECIPIENTS_MAX = 1000,
	AGE_BODY = AGE_FILE_KEY + CHACHA_TAG /* of a stanza for X25519 */
};

struct age_recipient {
	uint8_t key[X25519_BYTES];
};

/* Append the header of a file for n recipients. 0, or -1: EX_TEMPFAIL (no memory, no random bytes),
 * EX_DATAERR (no secret can be shared with one of them, or there are none, or too many). */
int age_header_make(struct buf *out, const uint8_t file_key[static AGE_FILE_KEY],
	const struct age_recipient *recipients, size_t n, struct err *e);

struct age_header {
	const struct x25519_pair *identities; /* the caller's */
	size_t identities_n;
	struct buf text; /* as far as it came */
	size_t line;     /* where the line begins that is not whole yet */
	enum { AGE_VERSION, AGE_STANZA, AGE_STANZA_BODY, AGE_HEADER_WHOLE } expects;
	/* the stanza that is read */
	bool ours;
	uint8_t share[X25519_BYTES], body[AGE_BODY];
	size_t body_n;
	/* of all of them */
	size_t stanzas;
	bool scrypt, matched;
	uint8_t file_key[AGE_FILE_KEY]; /* once matched */
};

/* Take what belongs to the header of n bytes: *used. 1: it is whole, its MAC is right, and file_key
 * is there; 0: more is wanted; -1: AGE_BAD_HEADER, AGE_NO_MATCH (EX_NOPERM), AGE_BAD_HMAC;
 * EX_TEMPFAIL (no memory) and no fault. */
int age_header_read(struct age_header *h, const void *p, size_t n, size_t *used,
	enum age_fault *fault, struct err *e);
void age_header_wipe(struct age_header *h);

#endif
