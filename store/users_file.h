/* What the parts of the credential store share: one reading of user_pass.json, and changing it.
 * Everybody else sees users.h alone. */
#ifndef STORE_USERS_FILE_H
#define STORE_USERS_FILE_H

#include <jansson.h>
#include <sys/stat.h>

#include "users.h"

struct users {
	json_t *root;
};

/* The fields of an account that is an object. Others survive, and mean nothing here. */
#define USERS_PASSWORD "password" /* an Argon2id PHC string */
#define USERS_KEY_FIELD "x25519"  /* the static public key, 43 characters of base64 */
#define USERS_MODE "mode"         /* "enhanced" or "key"; not there: both protocols */
/* When, in microseconds since 1970: the key file beside user_pass.json counts no more */
#define USERS_REVOKED "revoked"
#define USERS_REVOKED_KEYS "revoked_keys" /* an array of keys that never count again */
#define USERS_INVITATION "invitation"     /* an object: */
#define USERS_HASH "hash"                 /* SHA-256 of the secret, 64 digits of hex */
#define USERS_EXPIRES "expires"           /* seconds since 1970 */

enum { USERS_KEY_CHARS = 43 };

/* The account's Argon2id string; NULL when it is plain or has none. */
const char *users_argon2(const json_t *account);

/* Does the account's invitation stand, with this secret? */
bool users_account_invited(
	const json_t *account, const uint8_t secret[static USERS_SECRET], int64_t now);

/* Read and check. 0 with *root owned, or -1 like users_load. */
int users_file_read(int dir, json_t **root, struct stat *st, struct err *e);

/* A change to the accounts: 0, or -1 and nothing is written. *changed (false before) says whether
 * there is anything to write. */
typedef int users_change(json_t *root, void *arg, bool *changed, struct err *e);

/* Lock, read (or begin anew where that is allowed), change, write durably. 0 or -1. */
int users_file_edit(int dir, bool may_create, users_change *change, void *arg, struct err *e);

#endif
