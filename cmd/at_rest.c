/* The key of mail at rest from a file, or its passphrase; see at_rest.h. */
#include "at_rest.h"

#include <fcntl.h>

#include "../crypto/file.h"
#include "../proto/mail_server.h"
#include "account.h"

enum { KEY_FILE_MAX = 4096 };

/* --- secrets --- */

static int check_mode(mode_t mode, const char *file, struct err *e)
{
	if ((mode & 077) == 0) {
		return 0;
	}
	err_set(e, EX_NOPERM, "cannot use %s: others can read it", file);
	return err_hint(e, "chmod 600 %s", file);
}

/* One line of 64 digits of hex. */
static int read_key_file(const char *file, struct at_rest_secret *out, struct err *e)
{
	struct buf text = {0};
	struct stat st;
	int rc = file_read(AT_FDCWD, file, KEY_FILE_MAX, &text, &st, e);

	if (rc == 0) {
		text.n -= text.n > 0 && text.p[text.n - 1] == '\n' ? 1 : 0;
		out->kind = REST_KEY_FILE;
		out->n = REST_KEY;
		rc = check_mode(st.st_mode, file, e);
		if (rc == 0 &&
			hex_decode(out->bytes, REST_KEY, (const char *)text.p, text.n) != 0) {
			err_set(e, EX_DATAERR, "%s holds no key: %d digits of hex", file,
				2 * REST_KEY);
			rc = err_hint(e, "smtp361 atrest newkey FILE");
		}
	}
	buf_free(&text);
	return rc;
}

static int read_passphrase_file(const char *file, struct at_rest_secret *out, struct err *e)
{
	struct stat st;

	if (strcmp(file, "-") != 0 && stat(file, &st) == 0 && S_ISREG(st.st_mode) &&
		check_mode(st.st_mode, file, e) != 0) {
		return -1;
	}
	out->kind = REST_PASSPHRASE;
	return account_password_file(file, out->bytes, &out->n, e);
}

static int ask(bool twice, struct at_rest_secret *out, struct err *e)
{
	uint8_t again[PASSWORD_MAX];
	size_t n;
	int rc;

	out->kind = REST_PASSPHRASE;
	if (isatty(STDIN_FILENO) != 1) {
		err_set(e, EX_USAGE, "cannot ask for the passphrase: stdin is no terminal");
		return err_hint(e, "--at-rest-passphrase-file FILE");
	}
	rc = account_password_ask("Passphrase of the mail at rest: ", out->bytes, &out->n, e);
	if (rc == 0 && out->n == 0) {
		rc = err_set(e, EX_DATAERR, "the passphrase is empty");
	}
	if (rc == 0 && twice) {
		rc = account_password_ask("The same again: ", again, &n, e);
		if (rc == 0 && (n != out->n || !ct_eq(again, out->bytes, n))) {
			rc = err_set(e, EX_DATAERR, "the two differ");
		}
		wipe(again, sizeof again);
	}
	return rc;
}

int at_rest_read(const struct at_rest *a, bool twice, struct at_rest_secret *out, struct err *e)
{
	int rc = 1;

	if (a->key_file != NULL && a->passphrase_file != NULL) {
		return err_set(e, EX_USAGE,
			"--at-rest and --at-rest-passphrase-file are two kinds of key");
	}
	if (a->passphrase_file != NULL) {
		rc = read_passphrase_file(a->passphrase_file, out, e);
	} else if (a->key_file != NULL && strcmp(a->key_file, "-") == 0) {
		rc = ask(twice, out, e);
	} else if (a->key_file != NULL) {
		rc = read_key_file(a->key_file, out, e);
	}
	if (rc != 0) {
		wipe(out, sizeof *out);
	}
	return rc;
}

/* --- the folder --- */

static int plain_but_given(const char *dir_name, struct err *e)
{
	err_set(e, EX_CONFIG, "the mail in %s is not encrypted", dir_name);
	return err_hint(e, "smtp361 atrest -d %s on, with the same key, encrypts it", dir_name);
}

static int sealed_but_not_given(const struct rest_note *note, const char *dir_name, struct err *e)
{
	err_set(e, EX_CONFIG, "the mail in %s is encrypted, under a %s", dir_name,
		note->kind == REST_PASSPHRASE ? "passphrase" : "key file");
	return err_hint(e, note->kind == REST_PASSPHRASE
				   ? "--at-rest -, or --at-rest-passphrase-file FILE"
				   : "--at-rest FILE");
}

static int have_key(struct at_rest *a, const struct rest_note *note,
	const struct at_rest_secret *secret, struct err *e)
{
	if (secret->kind != note->kind) {
		return err_set(e, EX_CONFIG, "the mail is encrypted under a %s, not under a %s",
			note->kind == REST_PASSPHRASE ? "passphrase" : "key file",
			note->kind == REST_PASSPHRASE ? "key file" : "passphrase");
	}
	a->note = *note;
	a->on = rest_key_open(&a->key, note, secret->bytes, secret->n, e) == 0;
	return a->on ? 0 : -1;
}

int at_rest_open(struct at_rest *a, int dir, const char *dir_name, struct err *e)
{
	bool given = a->key_file != NULL || a->passphrase_file != NULL;
	struct at_rest_secret secret;
	enum rest_state state;
	struct rest_note note;
	int rc;

	dir_name = dir_name == NULL ? "." : dir_name;
	if (rest_look(dir, &note, &state, e) != 0) {
		return -1;
	}
	if (state == REST_MOVING) {
		err_set(e, EX_CONFIG, "a migration in %s was interrupted, or runs", dir_name);
		return err_hint(e, "smtp361 atrest -d %s resume", dir_name);
	}
	if (state == REST_PLAIN) {
		return given ? plain_but_given(dir_name, e) : 0;
	}
	if (!given) {
		return sealed_but_not_given(&note, dir_name, e);
	}
	rc = at_rest_read(a, false, &secret, e);
	rc = rc == 0 ? have_key(a, &note, &secret, e) : rc;
	wipe(&secret, sizeof secret);
	return rc;
}

void at_rest_end(struct at_rest *a)
{
	wipe(&a->key, sizeof a->key);
	a->on = false;
}

/* Is the folder what it was? Whoever has its mailboxes open is safe from migrations; but one may
 * have come after at_rest_open(). */
static int look_again(const struct at_rest *a, int dir, struct err *e)
{
	struct rest_note note;
	enum rest_state state;

	if (rest_look(dir, &note, &state, e) != 0) {
		return -1;
	}
	if (state == (a->on ? REST_SEALED : REST_PLAIN) &&
		(!a->on || ct_eq(note.check, a->note.check, sizeof note.check))) {
		return 0;
	}
	err_set(e, EX_TEMPFAIL, "the mail was encrypted or decrypted just now, or is being so");
	return err_hint(e, "try again, when smtp361 atrest has ended");
}

int at_rest_mailboxes(const struct at_rest *a, int dir, enum mailbox_role role,
	struct mailbox **out, struct err *e)
{
	int rc = a->on ? mailbox_rest_open(dir, &a->key, role, out, e)
		       : mailbox_files_open(dir, mail_describe, role, out, e);

	if (rc == 0 && look_again(a, dir, e) != 0) {
		(*out)->ops->close(*out);
		*out = NULL;
		rc = -1;
	}
	return rc;
}

int at_rest_accounts(const struct at_rest *a, int dir, struct accounts_store **out, struct err *e)
{
	struct accounts_store *files;

	if (accounts_files_open(dir, &files, e) != 0) {
		return -1;
	}
	if (!a->on) {
		*out = files;
		return 0;
	}
	return accounts_rest_open(files, &a->key, out, e);
}

int at_rest_users(const struct at_rest *a, int dir, struct users **out, struct err *e)
{
	struct accounts_store *s;
	int rc = at_rest_accounts(a, dir, &s, e);

	if (rc == 0) {
		rc = users_load(s, out, e);
		s->ops->close(s);
	}
	return rc;
}

void at_rest_folder(const struct at_rest *a, const char *user, char out[static USER_NAME_MAX + 1])
{
	if (a->on) {
		rest_name(&a->key, user, out);
	} else {
		(void)snprintf(out, USER_NAME_MAX + 1, "%s", user);
	}
}

bool at_rest_has_mailbox(const struct at_rest *a, int dir, const char *user)
{
	char folder[USER_NAME_MAX + 1];

	if (!user_name_valid(user)) {
		return false;
	}
	at_rest_folder(a, user, folder);
	return faccessat(dir, folder, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int at_rest_owner(const struct at_rest *a, int dir, const char *folder,
	char out[static USER_NAME_MAX + 1], struct err *e)
{
	if (a->on) {
		return rest_owner(&a->key, dir, folder, out, e);
	}
	(void)snprintf(out, USER_NAME_MAX + 1, "%s", folder);
	return 0;
}
