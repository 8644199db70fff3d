/* The SMTP door (RFC 5321), by which ordinary mail programs come in: submission by users who log in
 * (RFC 6409, 4954), to users of this server alone. It relays nothing, ever. */
#ifndef PROTO_SMTP_SERVER_H
#define PROTO_SMTP_SERVER_H

#include "host_server.h"
#include "smtp.h"

enum {
	SMTP_RECIPIENTS = USERS_LIST_MAX, /* of a message (RFC 5321 4.5.3.1.8: at least 100) */
	SMTP_ERRORS = 20,                 /* without a message taken, that end a session */
	SMTP_REFUSALS = 3,                /* logins refused that do */
	SMTP_TRACES = 100                 /* Received fields of a message that runs in circles */
};

/* Whose mail it is when nobody logged in. No user can have this name while the door is open. */
#define SMTP_UNVERIFIED "unverified"

/* Who gets the mail of a name that is no user's: "postmaster", "root". */
struct smtp_alias {
	const char *name, *user; /* name: a local part, in any case */
};

struct smtp_host {
	const char *name;           /* of this host, in what it says and in traces */
	const char *const *domains; /* where users have their addresses */
	size_t domains_n;
	const struct smtp_alias *aliases;
	size_t aliases_n;
	bool open;                     /* mail is taken from who has not logged in */
	bool tls_only;                 /* nothing is, before TLS */
	struct tls_identity *identity; /* NULL: there is no TLS */
	uint8_t decoy_key[HASH_BYTES]; /* secret, and the same as long as the server has its keys */
};

/* Serve one connection, by a door of SMTP. 0 when the client ended it in good order, or -1 with
 * what ended it: EX_NOPERM (login refused), EX_PROTOCOL, EX_TEMPFAIL. */
int smtp_serve(struct conn *c, const struct host *host, struct report *report, struct err *e);

#endif
