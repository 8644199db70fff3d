/* TLS on a connection (crypto/tls.h). After one of the two handshakes everything in conn.h works as
 * before, but for what a plain socket cannot tell apart: an end without TLS's own end
 * (close_notify) is CONN_FAILED (EX_PROTOCOL), because who can cut the connection could cut a
 * message. conn->in and conn->out go on counting the bytes of the wire.
 *
 * conn_wait() looks at the wire: what is ready may be less than a record, and the read that follows
 * waits for the rest of it, to its deadline. */
#ifndef PROTO_CONN_TLS_H
#define PROTO_CONN_TLS_H

#include "../crypto/tls.h"
#include "conn.h"

/* The handshake as a server. Nothing may have been given back with conn_unread (EX_PROTOCOL: bytes
 * came ahead of it, in the clear). It ends at the connection's deadline. id must outlive the
 * connection. 0, or -1: EX_PROTOCOL; EX_TEMPFAIL (deadline, reset, the server stops, no memory).
 * The connection is then good for conn_close alone. */
int conn_tls_accept(struct conn *c, const struct tls_identity *id, struct err *e);

/* One of trust and pin; with trust, host is whom the certificate must be for. All must outlive the
 * connection. */
struct conn_tls_check {
	const struct tls_trust *trust;
	const uint8_t *pin; /* TLS_PIN_BYTES */
	const char *host;   /* a name, or an IP address as text; may be NULL with a pin */
};

/* The same as a client. EX_NOPERM, and a hint, when the server's certificate is refused. */
int conn_tls_connect(struct conn *c, const struct conn_tls_check *check, struct err *e);

bool conn_is_tls(const struct conn *c);
/* "TLS1.2 ECDHE_RSA AES_128_GCM"; "" of a plain connection. */
void conn_tls_describe(const struct conn *c, char out[static TLS_SUITE_MAX]);

/* --- for conn.c alone: what its functions do where there is TLS --- */

enum conn_got conn_tls_read(
	struct conn *c, void *p, size_t n, int64_t quiet_ms, size_t *got, struct err *e);
int conn_tls_write(struct conn *c, const void *p, size_t n, struct err *e);
bool conn_tls_has_text(const struct conn *c); /* already here, to be read without waiting */
void conn_tls_say_end(struct conn *c);        /* close_notify, if that can be */
void conn_tls_free(struct conn *c);

#endif
