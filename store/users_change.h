/* What the parts of changing accounts share; everybody else sees users.h alone. */
#ifndef STORE_USERS_CHANGE_H
#define STORE_USERS_CHANGE_H

#include "../crypto/password.h"
#include "users_text.h"

struct change {
	const char *name;
	const void *password;
	size_t n;
	size_t count; /* accounts hardened */
	enum users_mode mode;
	const uint8_t *key, *secret, *signing;
	const uint64_t *messages, *bytes; /* limits; NULL: left as they are */
	int64_t when;                     /* an invitation's end; for joining: now */
	/* What was hashed, by name: [password, Argon2id string]. A change that is tried again does
	 * not compute it again. */
	json_t *hashed;
	unsigned mechanisms;           /* to opt in to */
	char smtp[PASSWORD_PHC_MAX];   /* made of password by an earlier try; "": none was */
	char scram[SCRAM_TEXT_MAX];    /* made of password by an earlier try; "": none was */
	char judged[PASSWORD_PHC_MAX]; /* the Argon2id string that it was judged by, as right */
};

/* Refusals: -1. */
int users_no_memory(const char *name, struct err *e);
int users_no_such(const char *name, struct err *e);
/* Can it be a new user's name? 0, or -1 (EX_USAGE). */
int users_check_name(const char *name, struct err *e);
/* Can a new password have n bytes? 0, or -1 (EX_DATAERR). */
int users_check_length(size_t n, struct err *e);

/* The account as an object, in place of whatever it was; made where there is none. Its fields stay;
 * a plain password does not. NULL: no memory. */
json_t *users_as_object(json_t *root, const char *name);
/* An object to change, whose password is a string of Argon2id at most: a plain one is hardened. */
int users_open_account(json_t *root, struct change *c, json_t **account, struct err *e);

/* Have the account, an object, opted in to exactly these mechanisms, by the change's password. 0 or
 * -1 (EX_TEMPFAIL). */
int users_make_mechanisms(json_t *account, struct change *c, unsigned mechanisms, struct err *e);

/* Change the accounts, as often as it takes. */
int users_edit(struct accounts_store *s, bool may_create, users_change *change, struct change *c,
	struct err *e);

#endif
