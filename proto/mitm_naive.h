/* Two careless parties for the lab, as real ones were: a server and a client of SMTP that keep what
 * they have read when TLS begins (CVE-2011-0411), and of which the client goes without TLS where
 * none is offered. They are nobody's but the lab's victims: no applet runs them.
 *
 * Of SMTP they know as much as that takes, and of the server's accounts the one password that all
 * have. 0 or -1. */
#ifndef PROTO_MITM_NAIVE_H
#define PROTO_MITM_NAIVE_H

#include "conn_tls.h"
#include "smtp.h"

struct mitm_naive_letter {
	const char *host, *port;
	const struct tls_trust *trust; /* the certificate is verified, to no avail */
	const char *user, *password;   /* who writes, and the login if there is one */
	const char *to;                /* a local part */
	const char *text;              /* its lines ended by CR LF, none of them begun by a dot */
};

/* 0: every reply was the one that a sent letter has. */
int mitm_naive_send(const struct mitm_naive_letter *l, struct err *e);

struct mitm_naive_server {
	const struct tls_identity *identity;
	const char *password; /* of all users */
	/* a message is for this local part, or what was written there */
	int (*store)(void *arg, const char *to, const struct buf *text, struct err *e);
	void *arg;
};

int mitm_naive_serve(const struct mitm_naive_server *s, struct conn *c, struct err *e);

#endif
