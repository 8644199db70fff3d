/* The server half of the classic protocol: one session, from login to the end. */
#ifndef PROTO_CLASSIC_SERVER_H
#define PROTO_CLASSIC_SERVER_H

#include "../crypto/rsa.h"
#include "../store/mailbox.h"
#include "conn.h"
#include "gate.h"

/* What every session of a server works with. */
struct classic_host {
	const struct rsa_private *key;
	int dir; /* of user_pass.json and the users' public keys */
	struct mailbox *box;
	struct gate *gate; /* for passwords that cost */
	int64_t login_ms;  /* for the whole login */
	int64_t idle_ms;   /* for an answer at the menu */
	int64_t mail_ms;   /* for a whole e-mail, in either direction */
};

/* What a session did, for its line in the log. */
struct classic_report {
	char user[USER_NAME_MAX + 1]; /* empty: nobody logged in */
	unsigned sent, rejected, listed, viewed;
};

enum {
	/* A refused login is answered no sooner: what it was refused for cannot be told by the
	 * time, and guessing costs time. */
	CLASSIC_REFUSAL_MS = 250
};

/* Serve one connection. 0 when the client ended it in good order, or -1 with what ended it:
 * EX_NOPERM (login refused), EX_PROTOCOL, EX_TEMPFAIL. */
int classic_serve(struct conn *conn, const struct classic_host *host, struct classic_report *report,
	struct err *e);

#endif
