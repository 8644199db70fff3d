/* Which users of the server an Internet address means: the configuration file's "domains" are this
 * server's, besides the names that are it anyway, and its "aliases" turn names that are no user,
 * like root, into users that are:
 *
 *     {"domains": ["example.org"], "aliases": {"root": "alice", "postmaster": "alice;bob"}}
 */
#ifndef CMD_LOCAL_USERS_H
#define CMD_LOCAL_USERS_H

#include "../proto/rfc5322_address.h"
#include "account.h"

/* Nobody's domain (RFC 2606): the one that exports write. */
#define LOCAL_USERS_DOMAIN "smtp361.invalid"
enum { LOCAL_USERS_HOST_MAX = 256 };

struct local_users {
	json_t *config; /* NULL: there is none */
	char server[LOCAL_USERS_HOST_MAX], host[LOCAL_USERS_HOST_MAX];
};

/* This host's name, or "localhost" where that is no domain (RFC 5321 4.1.2). */
void local_users_host(char out[static LOCAL_USERS_HOST_MAX]);

/* server: HOST[:PORT]. 0, or -1 (EX_CONFIG; or as account_config_read). local_users_free is due in
 * both cases. */
int local_users_load(struct local_users *l, const char *server, struct err *e);
void local_users_free(struct local_users *l);

/* Append the users that an address means to "a;b", each once. 0, or -1 (EX_NOUSER: it is not one
 * of this server's). */
int local_users_add(const struct local_users *l, const struct rfc5322_mailbox *m, struct buf *to,
	struct err *e);

#endif
