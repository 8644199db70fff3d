/* What was said with a contact, at rest on the client's disk: DIR/CONTACT.history, append-only, one
 * sealed record for each event (AES-256-GCM, random nonces, its number and the file's own id as
 * associated data), under a random key of its own. That key stands in DIR/CONTACT.history-key,
 * sealed by a key of Argon2id from the user's passphrase, or of HKDF from the user's private
 * identity. To delete the history is to destroy that key: overwritten, synced, unlinked, before the
 * records are. What is not sealed: how many records there are, and how long each is.
 *
 * A record is on disk before history_add returns. What a crash left of the last one is passed over,
 * and cut off by the next addition. A damaged record in the middle is told, and the ones behind it
 * are read. All but history_each take the lock of DIR, which the caller must not hold. */
#ifndef STORE_HISTORY_H
#define STORE_HISTORY_H

#include <stdbool.h>

#include "../crypto/bytes.h"
#include "../crypto/err.h"
#include "../crypto/x25519.h"

enum {
	HISTORY_BODY_MAX = 16 << 20, /* bytes of a text or a picture */
	HISTORY_NOTE_MAX = 4096      /* bytes of what stands with it: a JSON object */
};

/* Who can open it: exactly one of the two. */
struct history_secret {
	const struct x25519_pair *identity; /* NULL: by a passphrase */
	const void *passphrase;
	size_t passphrase_n;
};

struct history_record {
	uint64_t number;            /* from 1 */
	bool damaged;               /* it is there, and cannot be read: note and body are empty */
	const uint8_t *note, *body; /* valid during the visit */
	size_t note_n, body_n;
};

struct history;

/* Open, and make what is missing. 0 with *out, or -1: EX_NOPERM (the secret does not open it),
 * EX_CONFIG (it is opened by the other kind of secret, which the error names; or a file is none of
 * ours), EX_TEMPFAIL and other faults of the disk. */
int history_open(struct history **out, int dir, const char *contact,
	const struct history_secret *secret, struct err *e);
/* Wipes its key, and frees. NULL is fine. */
void history_close(struct history *h);
/* Was it deleted, since it was opened? There may be another one by now. */
bool history_is_gone(const struct history *h);
/* Does one exist for this contact, and what opens it? */
enum history_kind { HISTORY_NONE, HISTORY_IDENTITY, HISTORY_PASSPHRASE };
enum history_kind history_look(int dir, const char *contact);

/* Append; durable once it returns 0. number (may be NULL): of the record. Or -1: EX_NOINPUT (it was
 * deleted meanwhile), EX_DATAERR (too long), EX_TEMPFAIL: open it anew to try again. */
int history_add(struct history *h, const void *note, size_t note_n, const void *body, size_t body_n,
	uint64_t *number, struct err *e);
/* Non-zero ends the visit, and is an error of the visitor's. from: the first number. Bodies are
 * skipped unread where bodies is false (body_n tells their length). */
typedef int history_visit(void *arg, const struct history_record *r, struct err *e);
int history_each(struct history *h, uint64_t from, bool bodies, history_visit *visit, void *arg,
	struct err *e);

/* Destroy the key, then the records; whether or not it can be opened. 0 (also when there is none),
 * or -1. */
int history_delete(int dir, const char *contact, struct err *e);

#endif
