/* What the parts of users.h share: one reading of the accounts' text, and changing it. Everybody
 * else sees users.h alone. */
#ifndef STORE_USERS_TEXT_H
#define STORE_USERS_TEXT_H

#include <jansson.h>

#include "users.h"

struct users {
	json_t *root; /* owned */
	struct accounts_version version;
	bool others_can_read;
};

/* The fields of an account that is an object. Others survive, and mean nothing here. */
#define USERS_PASSWORD "password" /* an Argon2id PHC string */
#define USERS_KEY_FIELD "x25519"  /* the static public key, 43 characters of base64 */
#define USERS_SIGNING "p256"      /* the signing key, a blank, the X25519 key it goes with */
#define USERS_MODE "mode"         /* "enhanced" or "key"; not there: both protocols */
/* When, in microseconds since 1970: the user's key file counts no more */
#define USERS_REVOKED "revoked"
/* What the mailbox may hold: whole numbers from 0 on; 0, or not there: no limit of its own */
#define USERS_MAX_MESSAGES "max_messages"
#define USERS_MAX_BYTES "max_bytes"
#define USERS_SMTP_PASSWORD "smtp_password" /* for mail programs alone, as the other one */
#define USERS_CRAM "cram_md5"               /* the two states, 43 characters of base64 */
#define USERS_SCRAM "scram_sha256"          /* a verifier's text */
#define USERS_REVOKED_KEYS "revoked_keys"   /* an array of keys that never count again */
#define USERS_INVITATION "invitation"       /* an object: */
#define USERS_HASH "hash"                   /* SHA-256 of the secret, 64 digits of hex */
#define USERS_EXPIRES "expires"             /* seconds since 1970 */

enum {
	USERS_KEY_CHARS = 43,
	USERS_SIGNING_CHARS = 87, /* 65 bytes in base64, */
	USERS_SIGNING_TEXT = USERS_SIGNING_CHARS + 1 + USERS_KEY_CHARS
};

/* The account's Argon2id string; NULL when it is plain or has none. */
const char *users_argon2(const json_t *account);
/* The one of its password for mail programs alone; NULL: it has none. */
const char *users_smtp_argon2(const json_t *account);

/* Which mechanisms has the account opted in to? */
unsigned users_mechanisms_of(const json_t *account);
/* NULL, or what is wrong with their fields. */
const char *users_mechanisms_fault(const json_t *account);

/* NULL, or what is wrong with this value of USERS_SIGNING (NULL: there is none). */
const char *users_signing_fault(const json_t *value);

/* Does the account's invitation stand, with this secret? */
bool users_account_invited(
	const json_t *account, const uint8_t secret[static USERS_SECRET], int64_t now);

/* Read and check. 0 with out->root owned, or -1 like users_load; out->version is set as the store
 * has it. */
int users_text_read(struct accounts_store *s, struct users *out, struct err *e);

/* A change to the accounts: 0, or -1 and nothing is written. *changed (false before) says whether
 * there is anything to write. It is called again, on another reading, when somebody else was
 * faster. */
typedef int users_change(json_t *root, void *arg, bool *changed, struct err *e);

/* Read (or begin anew where that is allowed), change, and write durably, until nobody else has
 * changed the accounts meanwhile. 0 or -1; EX_TEMPFAIL when that is too often the case. */
int users_text_edit(
	struct accounts_store *s, bool may_create, users_change *change, void *arg, struct err *e);

#endif
