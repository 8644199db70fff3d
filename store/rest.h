/* Mail at rest: an engine of mailboxes and one of accounts that stand before the files and encrypt
 * what these are handed, under the server's key. Whoever has the disk and not the key sees no name,
 * title, text or account; he sees ids, times, and how many bytes each message and each mailbox has.
 *
 *     at_rest.json           which kind of key it is, a salt, and by what the key is known
 *     user_pass.json         one sealed object
 *     u6f0c.../              the mailbox of a user, whose name is HMAC'd; .owner has it, sealed
 *     u6f0c.../u51d2..._...  a message (rest_text.h); .index and the journal have its source, title
 *                            and sizes sealed, in the place of a title
 *     .sent/u6f0c...         what a user has sent
 *
 * The promise of mailbox.h is kept by the files engine, which takes a sealed text for any other. */
#ifndef STORE_REST_H
#define STORE_REST_H

#include "../crypto/gcm.h"
#include "accounts.h"
#include "mailbox.h"

#define REST_NOTE "at_rest.json"
#define REST_OWNER ".owner"

enum { REST_KEY = 32, REST_SALT = 16, REST_CHECK = 16 };

enum rest_kind {
	REST_KEY_FILE,  /* REST_KEY random bytes */
	REST_PASSPHRASE /* Argon2id makes them */
};

/* What at_rest.json says: nothing of it is secret. */
struct rest_note {
	enum rest_kind kind;
	uint8_t salt[REST_SALT];
	uint8_t check[REST_CHECK];
};

/* The keys, all of them made of the server's. wipe() it. */
struct rest_key {
	uint8_t names[REST_KEY]; /* HMAC: what a user is called on disk */
	uint8_t users[REST_KEY]; /* of which each user's own is made */
	struct gcm meta;         /* sources, titles and sizes, for lists; and owners of mailboxes */
	struct gcm accounts;
};

enum rest_state {
	REST_PLAIN,
	REST_SEALED, /* the note says how */
	REST_MOVING  /* rest_move.h was interrupted, in whatever state, or runs */
};

/* What a server's folder is. *note is set for REST_SEALED. 0, or -1 (EX_CONFIG: at_rest.json is
 * damaged; EX_TEMPFAIL, EX_NOINPUT). */
int rest_look(int dir, struct rest_note *note, enum rest_state *state, struct err *e);
/* Write at_rest.json. 0 or -1. */
int rest_note_write(int dir, const struct rest_note *note, struct err *e);

/* secret: n bytes of a key file (REST_KEY of them) or of a passphrase. 0, or -1: EX_TEMPFAIL, and
 * EX_NOPERM where it is not the key of this note. */
int rest_key_new(struct rest_key *out, struct rest_note *note, enum rest_kind kind,
	const void *secret, size_t n, struct err *e);
int rest_key_open(struct rest_key *out, const struct rest_note *note, const void *secret, size_t n,
	struct err *e);

/* What a user (or a source) is called on disk: itself a user's name. */
void rest_name(const struct rest_key *key, const char *user, char out[static USER_NAME_MAX + 1]);
/* Whose mailbox a folder of DIR is. 0, 1 when it does not say, or -1. */
int rest_owner(const struct rest_key *key, int dir, const char *folder,
	char out[static USER_NAME_MAX + 1], struct err *e);

/* The engine over the files engine; see mailbox_files_open. The key is copied. */
int mailbox_rest_open(int dir, const struct rest_key *key, enum mailbox_role role,
	struct mailbox **out, struct err *e);

/* The engine over another one, which it takes over and closes, if this fails, too. The key is
 * copied. 0 or -1. */
int accounts_rest_open(struct accounts_store *under, const struct rest_key *key,
	struct accounts_store **out, struct err *e);
/* What it keeps in the place of a text, and the reverse, behind what out holds. 0, or -1:
 * EX_TEMPFAIL, EX_CANTCREAT (too long), EX_CONFIG (it is none of this key). */
int rest_accounts_seal(
	const struct rest_key *key, const void *p, size_t n, struct buf *out, struct err *e);
int rest_accounts_open(
	const struct rest_key *key, const struct buf *text, struct buf *out, struct err *e);

#endif
