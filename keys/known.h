/* Whom a client knows: the keys of other members that it saw first ("pinned"), or that two people
 * compared ("verified"), in the file known_members of the folder of keys. A line for each:
 *
 *     bob age1... ecdsa-sha2-nistp256 AAAA... 2026-11-22T10:00:00Z verified
 *
 * The last word is "pinned" or "verified". The same lines are what members give each other as a
 * file. Where a member has no signing key yet "-" stands in place of it. Comments begin with "#". A
 * pinned key is never replaced but by known_accept: whoever sees another one is told.
 *
 * Written durably (crypto/file.h) under the folder's lock, which known_see, known_accept and
 * known_forget take: the caller must not hold it. Not secret, but 0600: it tells who knows whom. */
#ifndef KEYS_KNOWN_H
#define KEYS_KNOWN_H

#include <stdbool.h>

#include "../crypto/bytes.h"
#include "../crypto/p256.h"
#include "../crypto/x25519.h"

#define KNOWN_FILE "known_members"

enum {
	KNOWN_MEMBERS_MAX = 10000,
	KNOWN_TEXT_MAX = 4 << 20, /* bytes of a file: what so many lines may have */
	KNOWN_CODE_TEXT = 36      /* six groups of five digits and a NUL */
};

/* Who a member is. Without a signing key he can be written to, and his signature not checked. */
struct known_keys {
	uint8_t x25519[X25519_BYTES];
	uint8_t p256[P256_PUBLIC];
	bool signs; /* p256 is there */
};

struct known_member {
	char name[USER_NAME_MAX + 1];
	struct known_keys keys;
	int64_t since; /* all of the keys are pinned, seconds since 1970 */
	bool verified; /* two people compared the code */
};

struct known {
	struct known_member *members; /* owned, in the file's order */
	size_t n;
};

/* Read the file of this folder; none is an empty list. 0, or -1 (EX_CONFIG: damaged, file and line
 * are named; EX_TEMPFAIL). known_free is due in both cases. */
int known_load(struct known *k, int dir, struct err *e);
/* The same lines from anywhere, as another member gives them. what: names it in errors. EX_DATAERR
 * where known_load has EX_CONFIG. */
int known_read(struct known *k, const void *text, size_t n, const char *what, struct err *e);
void known_free(struct known *k);
/* NULL: not known. Valid until the list changes. */
const struct known_member *known_find(const struct known *k, const char *name);
/* Append a line. 0, or -1 (no memory). */
int known_write(struct buf *out, const struct known_member *m);

enum known_how {
	KNOWN_SAME,    /* as it is pinned */
	KNOWN_PINNED,  /* seen first, and pinned now */
	KNOWN_SIGNING, /* the same, and it has a signing key now, which is pinned */
	KNOWN_CHANGED  /* another key than the one that is pinned: nothing was changed */
};

/* Hold keys that somebody handed out for name against what is pinned, and pin what is new, on disk.
 * was (may be NULL): what was pinned before, filled for each but KNOWN_PINNED. Keys without a
 * signing one are the same as those with it: whoever withholds it takes nothing away. 0, or -1 with
 * e. */
int known_see(int dir, const char *name, const struct known_keys *keys, enum known_how *how,
	struct known_member *was, struct err *e);
/* Replace what is pinned; verified: the code was compared. 0 or -1. */
int known_accept(
	int dir, const char *name, const struct known_keys *keys, bool verified, struct err *e);
/* 0, or -1 (EX_NOUSER: not known). */
int known_forget(int dir, const char *name, struct err *e);

/* What the two of them read aloud, the same on both sides: six times five bytes, big-endian and
 * modulo 100000, of Argon2id (crypto/password.h's password_key) with the salt "smtp361 verify 1"
 * over both sides, the one that is first by its bytes ahead: name (33 bytes, NULs behind it),
 * X25519 key, P-256 key. 0, or -1 (EX_TEMPFAIL; EX_DATAERR: one has no signing key). */
int known_code(char out[static KNOWN_CODE_TEXT], const char *a, const struct known_keys *a_keys,
	const char *b, const struct known_keys *b_keys, struct err *e);

#endif
