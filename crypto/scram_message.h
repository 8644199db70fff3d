/* What both ends of SCRAM's exchange share: reading messages, nonces, and signing what was said.
 * Everybody else sees scram.h alone. Section numbers are RFC 5802's. */
#ifndef CRYPTO_SCRAM_MESSAGE_H
#define CRYPTO_SCRAM_MESSAGE_H

#include "bytes.h"
#include "hkdf.h"
#include "scram.h"

struct scram_span {
	const char *p;
	size_t n;
};

/* -1, EX_PROTOCOL and -1, EX_SOFTWARE. */
int scram_malformed(struct err *e, const char *what);
int scram_out_of_turn(struct err *e);

/* Open a message for reading: valid text that fits. 0 or -1 (EX_PROTOCOL). */
int scram_open(struct cursor *c, const void *p, size_t n, struct err *e);
/* "NAME=VALUE" and the comma behind it, unless it is the last. The value is not empty. */
bool scram_get(struct cursor *c, char name, struct scram_span *value);
/* Pass over extensions, up to this attribute (0: up to the end). 5.1: those that are not known are
 * ignored; "m" is reserved for those that must not be. */
bool scram_skip(struct cursor *c, char until);
/* A key in base64, and nothing else. */
bool scram_get_key(const struct scram_span *text, uint8_t out[static SCRAM_KEY]);

/* 7: printable, and no comma. */
bool scram_nonce_valid(const char *p, size_t n);
/* 0, or -1 (EX_TEMPFAIL). */
int scram_nonce_make(char out[static SCRAM_NONCE + 1], struct err *e);

/* 3: HMAC over what both have said, the last message without its proof. */
void scram_sign(const struct scram *s, const uint8_t key[static SCRAM_KEY],
	const struct scram_span *without_proof, uint8_t out[static SCRAM_KEY]);

#endif
