/* The accounts as the server and its sessions see them. The server reads them when it starts and
 * when they change; a session inherits that reading by its fork, and reads them itself only when
 * they have changed since. So a login costs a look, however many accounts there are. */
#ifndef PROTO_ACCOUNTS_SERVER_H
#define PROTO_ACCOUNTS_SERVER_H

#include "../store/users.h"
#include "presence.h"

struct accounts {
	struct accounts_store *store; /* the caller's */
	int dir;                      /* of the users' key files */
	const struct users *now;      /* the last reading; NULL: none succeeded */
	struct users *own;            /* what of it is ours to free */
};

/* A session's view, out of the server's. */
struct accounts accounts_inherit(const struct accounts *server);
void accounts_close(struct accounts *a);

/* Read the accounts if they have changed since they were read. *changed (may be NULL) tells. 0, or
 * -1 like users_load: there are no accounts then. */
int accounts_refresh(struct accounts *a, bool *changed, struct err *e);

/* What this key opens of the enhanced protocol for this user, by the account or the key file. 0, or
 * -1 when the system would not let the file be read: no reason to refuse a login for good. */
int accounts_judge_key(const struct accounts *a, const char *user,
	const uint8_t key[static X25519_BYTES], enum users_needs *needs, struct err *e);

/* May a session that logged in so go on? Not when it cannot be judged; and not when the account's
 * mail programs log in with its other password now. */
bool accounts_allow(const struct accounts *a, const struct presence_who *who);

#endif
