/* The credential store, one JSON text that accounts.h keeps:
 *     {"client1": "password1", "client2": {"password": "$argon2id$v=19$...", ...}, ...}
 * A plain string is a plain password, as founded. An object may hold an Argon2id string
 * ("password"), the static public key of the enhanced protocol ("x25519"; without it the key file
 * NAME_x25519_public.pem counts, unless the account was "revoked"), the "mode", an "invitation",
 * limits of the mailbox ("max_messages", "max_bytes"), a password for mail programs alone
 * ("smtp_password", Argon2id), and what mechanisms of SMTP that show no password need ("cram_md5",
 * "scram_sha256"). Fields that this program does not know survive a rewrite. A text with a wrong
 * type, a duplicate key or anything behind its end is refused whole, with its line. Writers replace
 * the text that they have read and no other, so concurrent ones lose nothing. */
#ifndef STORE_USERS_H
#define STORE_USERS_H

#include <stdbool.h>
#include <stddef.h>

#include "../crypto/bytes.h"
#include "../crypto/cram.h"
#include "../crypto/err.h"
#include "../crypto/scram.h"
#include "../crypto/x25519.h"
#include "accounts.h"

enum {
	USERS_LIST_MAX = 1000, /* recipients of one message */
	USERS_SECRET = 16      /* bytes of an invitation's secret */
};

struct users; /* one reading of the text; it does not follow later changes */

/* Read and check the whole text. 0 with *out owned by the caller, or -1 (EX_NOINPUT: there is none;
 * EX_CONFIG: damaged; EX_TEMPFAIL). */
int users_load(struct accounts_store *s, struct users **out, struct err *e);
/* The same, of a store that is kept in files in this folder. */
int users_load_files(int dir, struct users **out, struct err *e);
void users_free(struct users *u); /* wipes; NULL is fine */

/* Have the accounts changed since this reading? Cheap. 0, or -1 (EX_NOINPUT: there are none any
 * more; EX_TEMPFAIL). */
int users_look(const struct users *u, struct accounts_store *s, bool *changed, struct err *e);
/* Could other users of the machine read the text? */
bool users_others_can_read(const struct users *u);

bool users_known(const struct users *u, const char *name);
/* Is its password a plain one? */
bool users_is_plain(const struct users *u, const char *name);

/* What the user's mailbox may hold at most, messages and bytes of their texts; 0: it has no limit
 * of its own. Both are 0 for a user who is not known. */
void users_limits(const struct users *u, const char *name, uint64_t *messages, uint64_t *bytes);

/* Called around each Argon2id computation, so that a server can bound how many run at once. */
struct users_turn {
	void (*take)(void *arg);
	void (*give)(void *arg);
	void *arg;
};

/* --- logging in --- */

/* Judge a login of the classic protocol. turn may be NULL. An unknown user, an account without a
 * password, one that does not speak this protocol and a wrong password all take as long: when any
 * account has an Argon2id string, each refusal computes one. 0 with *ok, or -1 (EX_TEMPFAIL: it
 * could not be judged). */
int users_login(const struct users *u, const char *name, const void *password, size_t n,
	const struct users_turn *turn, bool *ok, struct err *e);

/* Would the classic protocol let this user in, with the right password? */
bool users_speaks_classic(const struct users *u, const char *name);
/* Which password lets this user in by SMTP: none; the account's, where it speaks the classic
 * protocol; or, in any mode, one for mail programs alone, which opens nothing else. */
enum users_mail { USERS_MAIL_NONE, USERS_MAIL_ACCOUNT, USERS_MAIL_OWN };
enum users_mail users_mail(const struct users *u, const char *name);
/* Judge a login by SMTP with that password; all else as users_login. */
int users_login_mail(const struct users *u, const char *name, const void *password, size_t n,
	const struct users_turn *turn, bool *ok, struct err *e);
/* When was it last revoked, us since 1970? 0: never, or there is no account. */
int64_t users_revoked_at(const struct users *u, const char *name);

enum users_needs { USERS_REFUSED, USERS_KEY_IS_ENOUGH, USERS_PASSWORD_TOO };
/* Judge a login of the enhanced protocol by its key. key: 32 bytes that the handshake proved;
 * file_key: those of the user's key file, NULL where there is none. */
enum users_needs users_judge_key(const struct users *u, const char *name,
	const uint8_t key[static X25519_BYTES], const uint8_t *file_key);

/* Is the user's key file to be looked at? */
bool users_key_file_counts(const struct users *u, const char *name);

/* Is this the account's password? Only for a user whose key was proven: it does not hide who has an
 * account. 0 with *ok, or -1 (EX_TEMPFAIL). */
int users_check_password(const struct users *u, const char *name, const void *password, size_t n,
	const struct users_turn *turn, bool *ok, struct err *e);

/* What an account may opt in to: mechanisms of SMTP that show no password to the wire, but need
 * more than the Argon2id string here. CRAM-MD5: whoever reads its field can log in by it, and
 * guesses at the password cost him next to nothing. SCRAM-SHA-256: he cannot log in by it alone (he
 * can with a recorded login beside it, RFC 5802 9), but guesses faster than at Argon2id, as its
 * iterations take no memory. So neither is a default. users_mail tells of which password. */
enum users_mechanism { USERS_CRAM_MD5 = 1, USERS_SCRAM_SHA256 = 2 };

/* What the account has for CRAM-MD5. false: it has not opted in, no password lets it in by SMTP
 * (its key would not be asked for), or it is none; out is random then, and no answer may count. */
bool users_cram(const struct users *u, const char *name, struct cram_states *out);
/* The same for SCRAM-SHA-256. false: out is a decoy that looks as real ones do and lets nobody in,
 * the same each time for this name and decoy_key, a secret of the server. */
bool users_scram(const struct users *u, const char *name, const uint8_t decoy_key[static SCRAM_KEY],
	struct scram_verifier *out);
/* What any account has, of users_cram and users_scram: bits of enum users_mechanism. */
unsigned users_any_mechanism(const struct users *u);

/* Does an invitation of this user stand, with this secret? now: seconds since 1970. */
bool users_invited(const struct users *u, const char *name,
	const uint8_t secret[static USERS_SECRET], int64_t now);

/* --- looking --- */

enum users_kind { USERS_PLAIN, USERS_ARGON2ID, USERS_NO_PASSWORD };

/* USERS_BOTH: either protocol; the enhanced one wants the key, and the password where there is one.
 * USERS_ENHANCED: the same, but not the classic one. USERS_KEY: the enhanced one, by key alone. */
enum users_mode { USERS_BOTH, USERS_ENHANCED, USERS_KEY };

struct users_row {
	const char *name;
	enum users_kind kind;
	enum users_mode mode;
	bool has_key; /* of its own: the key file does not count */
	uint8_t key[X25519_BYTES];
	int64_t revoked;    /* when (us since 1970): what it had before counts no more. 0: never */
	int64_t invited_to; /* seconds since 1970; 0: no invitation stands */
	uint64_t max_messages, max_bytes; /* as users_limits */
	bool smtp_password;               /* it has one for mail programs alone */
	unsigned mechanisms;              /* enum users_mechanism, as bits */
};

/* Call visit for each account in the file's order, until it returns non-zero; returns that. */
int users_each(
	const struct users *u, int (*visit)(void *arg, const struct users_row *row), void *arg);

/* --- changing --- */

/* Each reads, changes, and replaces the text durably, anew when somebody else was faster. 0, or -1:
 * EX_NOUSER (no such user), EX_CANTCREAT (exists), EX_USAGE (no valid name), EX_CONFIG,
 * EX_TEMPFAIL. */
int users_add(
	struct accounts_store *s, const char *name, const void *password, size_t n, struct err *e);
int users_passwd(
	struct accounts_store *s, const char *name, const void *password, size_t n, struct err *e);
/* The same, opting in to these mechanisms (enum users_mechanism, as bits) beside those that it has:
 * these are made anew of each password. Those of a password for mail programs alone stay with it,
 * and to ask for more is EX_USAGE. */
int users_add_with(struct accounts_store *s, const char *name, const void *password, size_t n,
	unsigned mechanisms, struct err *e);
int users_passwd_with(struct accounts_store *s, const char *name, const void *password, size_t n,
	unsigned mechanisms, struct err *e);
/* Opt in to exactly these by the account's password (else EX_NOPERM; not looked at for none), and
 * take one for mail programs alone away. */
int users_set_mechanisms(struct accounts_store *s, const char *name, const void *password, size_t n,
	unsigned mechanisms, struct err *e);
/* Set a password for mail programs alone, and of it exactly these mechanisms. */
int users_set_smtp_password(struct accounts_store *s, const char *name, const void *password,
	size_t n, unsigned mechanisms, struct err *e);
int users_del(struct accounts_store *s, const char *name, struct err *e);
/* Every plain password becomes an Argon2id string. *changed counts them. */
int users_harden(struct accounts_store *s, size_t *changed, struct err *e);
/* One plain password becomes an Argon2id string, if it is still this one. */
int users_upgrade(
	struct accounts_store *s, const char *name, const void *password, size_t n, struct err *e);
int users_set_mode(struct accounts_store *s, const char *name, enum users_mode mode, struct err *e);
/* Set limits of the mailbox, or leave them (NULL). 0: none. EX_DATAERR: above INT64_MAX. */
int users_set_limits(struct accounts_store *s, const char *name, const uint64_t *messages,
	const uint64_t *bytes, struct err *e);
/* Register another key; it is the only one from then on. EX_NOPERM: it was revoked. */
int users_set_key(struct accounts_store *s, const char *name,
	const uint8_t key[static X25519_BYTES], struct err *e);
/* Take passwords, mechanisms, key and invitation away, and make the key file void. The key, and
 * file_key (the one in that file; NULL: there is none), can never be registered again. */
int users_revoke(
	struct accounts_store *s, const char *name, const uint8_t *file_key, struct err *e);
/* Let name enrol with this secret until `expires` (seconds since 1970). It makes the account if
 * need be, and replaces a standing invitation. */
int users_invite(struct accounts_store *s, const char *name,
	const uint8_t secret[static USERS_SECRET], int64_t expires, struct err *e);
/* Enrol: register the key, forget the invitation. -1 with EX_NOPERM when none stands. */
int users_join(struct accounts_store *s, const char *name,
	const uint8_t secret[static USERS_SECRET], int64_t now,
	const uint8_t key[static X25519_BYTES], struct err *e);

/* --- recipients --- */
struct users_list {
	char (*names)[USER_NAME_MAX + 1]; /* owned; each once, in the order written */
	size_t n;
};

/* Split "a;b; c": empty parts and repetitions are dropped, blanks around a name too. text may be
 * NULL when n is 0. 0, or -1 (EX_NOUSER: a part can be no name; EX_DATAERR: none, or too many). */
int users_split(struct users_list *out, const void *text, size_t n, struct err *e);
void users_list_free(struct users_list *l);

#endif
