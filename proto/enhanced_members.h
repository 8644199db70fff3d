/* The server's directory of members and their keys, over the enhanced protocol: what its client
 * does. What the server says of somebody's keys is its word, until they are held against what is
 * pinned (keys/known.h). The connection is a mail_client that enhanced_client_open has opened; all
 * return 0, or -1 with e as in enhanced_files.h. */
#ifndef PROTO_ENHANCED_MEMBERS_H
#define PROTO_ENHANCED_MEMBERS_H

#include "../keys/known.h"
#include "enhanced_client.h"

struct members_row {
	char name[USER_NAME_MAX + 1];
	bool has_keys; /* an X25519 key at the least */
	struct known_keys keys;
};

/* EX_NOUSER: the server knows no such user. */
int enhanced_members_get(
	struct mail_client *c, const char *name, struct members_row *out, struct err *e);

enum { MEMBERS_LIST_MAX = 100000 }; /* a directory that has more has no end: EX_PROTOCOL */

/* Non-zero ends the visit, and is an error of the visitor's. */
typedef int members_visit(void *arg, const struct members_row *row, struct err *e);
int enhanced_members_list(struct mail_client *c, members_visit *visit, void *arg, struct err *e);

/* Publish our own signing key, with a signature by it of our name and X25519 key: the server shows
 * it to everybody from then on. */
int enhanced_members_publish(struct mail_client *c, const char *name,
	const uint8_t x25519[static X25519_BYTES], const struct p256_pair *key, struct err *e);

/* The account, its mailbox's entry in the credential store and its chat waiting at the server, are
 * gone once this returns 0, and the connection with them. */
int enhanced_members_remove_account(struct mail_client *c, struct err *e);

#endif
