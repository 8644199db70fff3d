/* Where `user` takes passwords from: a file, or else a terminal. */
#ifndef CMD_USER_PASSWORD_H
#define CMD_USER_PASSWORD_H

#include "account.h"

/* A new one: the terminal is asked twice. file: NULL asks. password holds PASSWORD_MAX. 0, or -1
 * (EX_USAGE: there is neither; EX_DATAERR: the two differ; as account_password_file). */
int user_password_new(
	const char *prompt, const char *file, uint8_t *password, size_t *n, struct err *e);
/* The one that the account has: asked once. */
int user_password_of(
	const char *name, const char *file, uint8_t *password, size_t *n, struct err *e);

#endif
