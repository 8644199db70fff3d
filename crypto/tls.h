/* TLS 1.2 (RFC 5246) over BearSSL, as an engine without I/O: records go in and out through its
 * buffers, and text comes out and goes in. ECDHE with AES-GCM or ChaCha20-Poly1305 alone (RFC 5289,
 * 7905), X25519, P-256 and P-384, signatures with SHA-256 or better, no renegotiation, no
 * resumption. Seeded by crypto/random.
 *
 * Whoever uses it moves bytes until nothing moves: what tls_out() has goes to the peer, what the
 * peer sent goes to where tls_in() says. A failure or an end is for good. */
#ifndef CRYPTO_TLS_H
#define CRYPTO_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum {
	TLS_PIN_BYTES = 32,          /* SHA-256 of an SPKI */
	TLS_CHAIN_MAX = 8,           /* certificates in a server's file */
	TLS_CHAIN_TEXT_MAX = 65536,  /* bytes of that file: keyfile's limit, too */
	TLS_TRUST_TEXT_MAX = 4 << 20 /* of a bundle of CA certificates; Debian's has 220 KB */
};

/* --- who a server is --- */

/* A certificate chain, the server's own first, and its private key (RSA of 2048 to 4096 bits, or EC
 * P-256, P-384). Secret. */
struct tls_identity;

/* From PEM texts: the chain is every CERTIFICATE in the one, in its order; the key is the only
 * private key in the other (PKCS#8, PKCS#1 or SEC 1), and must be that of the first certificate.
 * *from_key tells which of them was at fault. 0, or -1 (EX_CONFIG; EX_TEMPFAIL: no memory). */
int tls_identity_parse(struct tls_identity **out, const void *chain, size_t chain_n,
	const void *key, size_t key_n, bool *from_key, struct err *e);
/* Wipe the private key, in this process: no handshake can begin with it any more. NULL is fine. */
void tls_identity_forget_key(struct tls_identity *id);
void tls_identity_free(struct tls_identity *id); /* wipes; NULL is fine */

/* What its certificate says. Times are in seconds since 1970. */
struct tls_certificate {
	uint8_t pin[TLS_PIN_BYTES];    /* SHA-256 of the public key (SPKI) */
	uint8_t digest[TLS_PIN_BYTES]; /* SHA-256 of the whole */
	int64_t from, until;           /* it is valid */
};
const struct tls_certificate *tls_identity_certificate(const struct tls_identity *id);

/* --- whom a client trusts --- */

struct tls_trust;

/* From a PEM text with the certificates of CAs, or of servers themselves. Those with keys that
 * BearSSL does not know are left out. 0, or -1 (EX_CONFIG: none is left, or one is damaged;
 * EX_TEMPFAIL: no memory). */
int tls_trust_parse(struct tls_trust **out, const void *text, size_t n, struct err *e);
void tls_trust_free(struct tls_trust *trust); /* NULL is fine */

/* --- the engine --- */

struct tls;

/* The identity, the trust, the pin and the host must outlive the engine. NULL, and e
 * (EX_TEMPFAIL: no memory, no seed).
 *
 * A client judges the server by one of two. trust: a chain to one of its CAs, valid now, for this
 * host (a name, or an IP address as text). pin: the server's key has this SHA-256, whatever else
 * stands in its certificate. host is also what the server is told (SNI), and may be NULL with a
 * pin. */
struct tls *tls_server(const struct tls_identity *id, struct err *e);
struct tls *tls_client(
	const struct tls_trust *trust, const uint8_t *pin, const char *host, struct err *e);
void tls_free(struct tls *t); /* wipes; NULL is fine */

/* Each gives a place of *n bytes, or NULL (*n is 0) when it is not its turn; the number of bytes
 * that were used of it is told with the _done. */
const uint8_t *tls_out(struct tls *t, size_t *n); /* records for the peer */
void tls_out_done(struct tls *t, size_t n);
uint8_t *tls_in(struct tls *t, size_t *n); /* room for records from the peer */
void tls_in_done(struct tls *t, size_t n);
const uint8_t *tls_text(struct tls *t, size_t *n); /* text from the peer */
void tls_text_done(struct tls *t, size_t n);
uint8_t *tls_room(struct tls *t, size_t *n); /* room for text to the peer */
void tls_room_done(struct tls *t, size_t n);

void tls_flush(struct tls *t); /* make a record of the text so far */
void tls_close(struct tls *t); /* say that no more text comes (close_notify) */

bool tls_is_ready(const struct tls *t); /* the handshake is done, and text may go out */

enum tls_state { TLS_OPEN, TLS_CLOSED /* by close_notify */, TLS_FAILED };
enum tls_state tls_state(const struct tls *t);
/* Why it failed: EX_NOPERM when the server's certificate was refused, otherwise EX_PROTOCOL.
 * Always -1. */
int tls_failure(const struct tls *t, struct err *e);
/* The same of any error of BearSSL. */
int tls_error(int code, struct err *e);

enum { TLS_SUITE_MAX = 64 };
/* "TLS1.2 ECDHE_RSA AES_128_GCM". Only of an engine that is or was ready. */
void tls_describe(const struct tls *t, char out[static TLS_SUITE_MAX]);

#endif
