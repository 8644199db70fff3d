/* What every session of a server works with, and what it says of itself at its end, whatever wire
 * it speaks. session_server.c finds out which. */
#ifndef PROTO_HOST_SERVER_H
#define PROTO_HOST_SERVER_H

#include "../crypto/rsa.h"
#include "../crypto/x25519.h"
#include "../store/mailbox.h"
#include "../store/shelf.h"
#include "../store/talk.h"
#include "accounts_server.h"
#include "classic_dialect.h"
#include "conn.h"
#include "gate.h"
#include "guard.h"

/* A connection's `door`: what it may speak. */
enum host_door { HOST_DOOR_MAIL, HOST_DOOR_SMTP, HOST_DOOR_SMTPS };

struct smtp_host; /* smtp_server.h */

struct host {
	struct rsa_private *rsa;               /* NULL: the classic protocol is refused */
	const struct classic_dialect *dialect; /* of the classic protocol; never NULL with rsa */
	struct x25519_pair *x25519;            /* NULL: the enhanced one is */
	int dir;                               /* of the users' public keys */
	struct accounts accounts;
	struct mailbox *box;
	struct shelf *shelf;          /* of the users' files */
	struct talk *talk;            /* what is kept of their chats */
	struct gate *gate;            /* for passwords that cost */
	struct guard *guard;          /* remembers who guesses */
	int64_t login_ms;             /* for the whole login */
	int64_t idle_ms;              /* for an answer at the menu, or the next request */
	int64_t mail_ms;              /* for a whole e-mail, in either direction */
	uint64_t max_chars;           /* of a message over the enhanced protocol */
	struct mailbox_usage limits;  /* of a mailbox whose account has none of its own; 0: none */
	uint64_t max_shelf;           /* bytes of a user's files; 0: no limit */
	const struct smtp_host *smtp; /* of its doors; NULL: there is none */
	bool upgrade; /* a plain password that was right becomes an Argon2id string */
	bool verbose; /* tell what was verified, and what an onlooker sees */
};

/* What a session did, for its line in the log. */
struct report {
	const char *wire;             /* "classic", "enhanced", "smtp"; "-": not known yet */
	char user[USER_NAME_MAX + 1]; /* empty: nobody logged in */
	unsigned sent, rejected, listed, viewed, removed;
};

enum {
	/* A refused login is answered no sooner: what it was refused for cannot be told by the
	 * time, and guessing costs time. */
	HOST_REFUSAL_MS = 250
};

/* users_turn over the host's gate. */
struct users_turn host_turn(const struct host *host);

/* After the login a session needs the server's private keys no more: wipe this process' copy. */
void host_forget_keys(const struct host *host);

/* Store a password that was right, and is plain in these accounts, as Argon2id, where the operator
 * wants that; a failure is logged. */
void host_upgrade(const struct host *host, const struct users *users, const char *user,
	const void *password, size_t n);

/* Serve one connection, by its door, and the wire that its first bytes name. 0 when the client
 * ended it in good order, or -1 with what ended it: EX_NOPERM (login refused), EX_PROTOCOL,
 * EX_TEMPFAIL. */
int session_serve(struct conn *c, const struct host *host, struct report *report, struct err *e);

#endif
