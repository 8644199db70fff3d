/* Passwords for `user`; see user_password.h. */
#include "user_password.h"

/* From the file, or once from the terminal. */
static int take(const char *prompt, const char *file, uint8_t *password, size_t *n, struct err *e)
{
	if (file != NULL) {
		return account_password_file(file, password, n, e);
	}
	if (isatty(STDIN_FILENO) != 1) {
		return err_set(
			e, EX_USAGE, "no password is given: --password-file FILE, or - for stdin");
	}
	return account_password_ask(prompt, password, n, e);
}

int user_password_new(
	const char *prompt, const char *file, uint8_t *password, size_t *n, struct err *e)
{
	uint8_t again[PASSWORD_MAX];
	size_t again_n;
	int rc = take(prompt, file, password, n, e);

	if (rc != 0 || file != NULL) {
		return rc;
	}
	rc = account_password_ask("The same again: ", again, &again_n, e);
	if (rc == 0 && (again_n != *n || !ct_eq(password, again, again_n))) {
		rc = err_set(e, EX_DATAERR, "the two passwords differ; nothing was changed");
	}
	wipe(again, sizeof again);
	return rc;
}

int user_password_of(
	const char *name, const char *file, uint8_t *password, size_t *n, struct err *e)
{
	char prompt[USER_NAME_MAX + 32];

	(void)snprintf(prompt, sizeof prompt, "Password of %.*s: ", USER_NAME_MAX, name);
	return take(prompt, file, password, n, e);
}
