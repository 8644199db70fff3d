/* `user smtp`: mechanisms of SMTP that show no password, which an account may opt in to, and a
 * password for mail programs alone. */
#ifndef CMD_USER_SMTP_H
#define CMD_USER_SMTP_H

#include "../store/users.h"
#include "cli.h"

/* What an account has for SMTP, as a list calls it. */
const char *user_smtp_column(const struct users_row *row);

/* Say on stderr what the file now tells who reads it, and that NAME logs in by them. */
void user_smtp_tell(const struct cli *c, const char *name, unsigned mechanisms);

/* Show what NAME has. 0 or -1. */
int user_smtp_show(
	const struct cli *c, struct accounts_store *accounts, const char *name, struct err *e);

struct user_smtp {
	bool none;           /* nothing at all */
	bool own;            /* a new password for mail programs alone, else the account's */
	unsigned mechanisms; /* enum users_mechanism, as bits */
};

/* Give NAME exactly this, by the password from the file (NULL: asked for), and show it. An account
 * without a password gets one for mail programs alone. None needs no password. 0, or -1 (EX_NOPERM:
 * this is not the account's). */
int user_smtp_set(const struct cli *c, struct accounts_store *accounts, const char *name,
	const struct user_smtp *wish, const char *password_file, struct err *e);

#endif
