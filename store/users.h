/* The credential store, user_pass.json:
 *     {"client1": "password1", "client2": {"password": "$argon2id$v=19$...", ...}, ...}
 * A plain string is a plain password, as founded; an object holds an Argon2id string, or no
 * "password" at all: then nobody can log in with one. Fields that this program does not know
 * survive a rewrite. A file with a wrong type, a duplicate key or anything behind its end is
 * refused whole, with its line. Writers hold the folder's lock from reading to renaming, so
 * concurrent ones lose nothing. */
#ifndef STORE_USERS_H
#define STORE_USERS_H

#include <stdbool.h>
#include <stddef.h>

#include "../crypto/bytes.h"
#include "../crypto/err.h"

#define USERS_FILE "user_pass.json"

enum {
	USERS_FILE_MAX = 16 << 20, /* bytes: some 100,000 accounts */
	USERS_LIST_MAX = 1000      /* recipients of one message */
};

struct users; /* one reading of the file; it does not follow later changes */

/* Read and check the whole file. dir: a folder's descriptor. 0 with *out owned by the caller, or -1
 * (EX_NOINPUT: there is none; EX_CONFIG: damaged; EX_TEMPFAIL). others_can_read may be NULL. */
int users_load(int dir, struct users **out, bool *others_can_read, struct err *e);
void users_free(struct users *u); /* wipes; NULL is fine */

bool users_known(const struct users *u, const char *name);

/* Called around each Argon2id computation, so that a server can bound how many run at once. */
struct users_turn {
	void (*take)(void *arg);
	void (*give)(void *arg);
	void *arg;
};

/* Judge a login. turn may be NULL. An unknown user, an account without a password and a wrong
 * password all take as long: when any account has an Argon2id string, each refusal computes one. 0
 * with *ok, or -1 (EX_TEMPFAIL: it could not be judged). */
int users_login(const struct users *u, const char *name, const void *password, size_t n,
	const struct users_turn *turn, bool *ok, struct err *e);

enum users_kind { USERS_PLAIN, USERS_ARGON2ID, USERS_NO_PASSWORD };
/* Call visit for each account in the file's order, until it returns non-zero; returns that. */
int users_each(const struct users *u,
	int (*visit)(void *arg, const char *name, enum users_kind kind), void *arg);

/* Change the file. Each takes the lock, reads, changes, and writes durably (mode 0600).
 * 0, or -1: EX_NOUSER (no such user), EX_CANTCREAT (exists), EX_CONFIG, EX_TEMPFAIL. */
int users_add(int dir, const char *name, const void *password, size_t n, struct err *e);
int users_passwd(int dir, const char *name, const void *password, size_t n, struct err *e);
int users_del(int dir, const char *name, struct err *e);
/* Every plain password becomes an Argon2id string. *changed counts them. */
int users_harden(int dir, size_t *changed, struct err *e);

/* --- recipients --- */
struct users_list {
	char (*names)[USER_NAME_MAX + 1]; /* owned; each once, in the order written */
	size_t n;
};

/* Split "a;b; c": empty parts and repetitions are dropped, blanks around a name too.
 * 0, or -1: EX_NOUSER (a part that can be no user's name), EX_DATAERR (none, or too many). */
int users_split(struct users_list *out, const void *text, size_t n, struct err *e);
void users_list_free(struct users_list *l);

#endif
