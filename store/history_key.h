/* The key of a history, in DIR/CONTACT.history-key, sealed by what the user knows or holds:
 *
 *     8   magic
 *     1   what opens it: enum history_kind
 *     16  the id of the history
 *     16  salt
 *     12  nonce
 *     48  AES-256-GCM of the key and its tag, all before the nonce as associated data
 *
 * The key that seals it is Argon2id of the passphrase and the salt (crypto/password.h), or HKDF of
 * the private identity and the salt. A file of zeros is a key that was destroyed, by one who was
 * stopped before he unlinked it. */
#ifndef STORE_HISTORY_KEY_H
#define STORE_HISTORY_KEY_H

#include "../crypto/gcm.h"
#include "history.h"

enum { HISTORY_ID = 16 };

struct history_key {
	uint8_t key[GCM_KEY];
	uint8_t id[HISTORY_ID];
};

/* What opens it. HISTORY_NONE: there is none, or it was destroyed. 0, or -1 (EX_CONFIG:
 * damaged). */
int history_key_look(int dir, const char *name, enum history_kind *kind, struct err *e);
/* A fresh one, on disk. 0 or -1. wipe() out after use. */
int history_key_make(int dir, const char *name, const struct history_secret *secret,
	struct history_key *out, struct err *e);
/* 0, or -1 as history_open. */
int history_key_open(int dir, const char *name, const struct history_secret *secret,
	struct history_key *out, struct err *e);

#endif
