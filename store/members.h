/* What the accounts tell of their users to each other: who is a member, and with which keys. An
 * account's signing key (P-256) stands beside the X25519 key that it was published with, and counts
 * for that one alone: whoever gets another key, or enrols anew, has no signing key until he
 * publishes one. */
#ifndef STORE_MEMBERS_H
#define STORE_MEMBERS_H

#include "../crypto/p256.h"
#include "users.h"

struct member {
	const char *name;          /* the reading's */
	bool enters;               /* by a password, at the least: he may have no keys yet */
	bool has_key, file_counts; /* x25519: the account's; else the key file, if there is one */
	uint8_t key[X25519_BYTES];
	bool has_signing; /* of the account's own; it counts beside this X25519 key: */
	uint8_t signing[P256_PUBLIC], beside[X25519_BYTES];
};

/* false: there is no such account. */
bool members_find(const struct users *u, const char *name, struct member *out);
/* Call visit for each account in the order of names, from the first behind `after` (NULL: all),
 * until it returns non-zero; returns that. -1 with e: no memory. */
int members_each(const struct users *u, const char *after,
	int (*visit)(void *arg, const struct member *m, struct err *e), void *arg, struct err *e);

/* Publish a signing key beside this X25519 key, in place of the one before. 0, or -1: EX_NOUSER,
 * EX_CONFIG, EX_TEMPFAIL. */
int members_set_signing(struct accounts_store *s, const char *name,
	const uint8_t key[static X25519_BYTES], const uint8_t signing[static P256_PUBLIC],
	struct err *e);

#endif
