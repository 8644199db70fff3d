/* The client half of the enhanced protocol, as a mail_client. */
#ifndef PROTO_ENHANCED_CLIENT_H
#define PROTO_ENHANCED_CLIENT_H

#include "enhanced.h"
#include "mail_client.h"

enum {
	ENHANCED_CLIENT_MS = 120000, /* for the handshake and the login, and for one reply */
	ENHANCED_MAIL_MS = 600000    /* for a message on its way */
};

struct enhanced_login {
	const char *host, *port, *user;
	const struct x25519_pair *key;
	const uint8_t *server_key; /* 32 bytes: the one that is pinned */
	const void *password;      /* NULL: none is sent */
	size_t password_n;
	const uint8_t *secret; /* of an invitation, ENHANCED_SECRET bytes; NULL: none */
	enhanced_trace *trace; /* may be NULL */
	void *trace_arg;
};

/* Connect, shake hands, and send the login. It is not waited for: the first answer tells, or
 * enhanced_client_welcome. 0 with *out, to be ended by its ops; or -1: EX_UNAVAILABLE, EX_PROTOCOL
 * (the server did not prove the key; nothing was said of who we are), EX_TEMPFAIL. */
int enhanced_client_open(struct mail_client **out, const struct enhanced_login *l, struct err *e);

/* Has the server let us in? 0, or -1: EX_NOPERM. *asks (may be NULL): it was for want of a
 * password. */
int enhanced_client_welcome(struct mail_client *c, bool *asks, struct err *e);

#endif
