/* Keys in age's form, as options name them: in the argument itself, in files with one a line, and
 * in the folder of keys. */
#ifndef CMD_AGE_KEYS_H
#define CMD_AGE_KEYS_H

#include "../crypto/age.h"
#include "account.h"

enum { AGE_KEYS_FILE_MAX = 1 << 20, AGE_KEYS_IDENTITIES_MAX = 100 };

struct age_keys_recipients {
	struct age_recipient keys[AGE_RECIPIENTS_MAX];
	size_t n;
};

/* Secret. */
struct age_keys_identities {
	struct x25519_pair keys[AGE_KEYS_IDENTITIES_MAX];
	size_t n;
};

/* Add "age1...", all that stand in a file (empty lines and those that begin with # count for
 * nothing; a line of `members export` gives its recipient), or a user's key of this folder:
 * USER_x25519_public.pem, or else the one that is pinned there (keys/known.h). 0, or -1: EX_DATAERR
 * (the file and the line are named), EX_NOINPUT, EX_CONFIG, EX_NOPERM (the file has another key
 * than the one that is pinned). */
int age_keys_add(struct age_keys_recipients *r, const char *text, struct err *e);
int age_keys_add_file(struct age_keys_recipients *r, const char *path, struct err *e);
int age_keys_add_user(
	struct age_keys_recipients *r, const char *folder, const char *user, struct err *e);

/* Add all the identities of a file, which others must not be able to read (EX_CONFIG), or the
 * private key of the user. 0 or -1. */
int age_keys_identify(struct age_keys_identities *i, const char *path, struct err *e);
int age_keys_identify_user(
	struct age_keys_identities *i, const char *folder, const char *user, struct err *e);

#endif
