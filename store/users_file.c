/* user_pass.json over jansson: reading it strictly, and rewriting it; see users_file.h. */
#include "users_file.h"

#include <fcntl.h>

#include "../crypto/file.h"
#include "../crypto/hash.h"
#include "../crypto/password.h"
#include "../crypto/secret.h"
#include "../crypto/x25519.h"

/* --- reading and checking --- */

/* Does "name" stand at i, as the name of a field? */
static bool is_field(const struct buf *text, size_t i, const char *name, size_t n)
{
	if (text->p[i] != '"' || i + n + 2 > text->n || memcmp(text->p + i + 1, name, n) != 0 ||
		text->p[i + n + 1] != '"') {
		return false;
	}
	for (i += n + 2; i < text->n && strchr(" \t\r\n", text->p[i]) != NULL; i++) {
	}
	return i < text->n && text->p[i] == ':';
}

/* The line on which a user's field stands: jansson keeps no positions. */
static unsigned line_of(const struct buf *text, const char *name)
{
	size_t n = strlen(name);
	unsigned line = 1;

	for (size_t i = 0; i < text->n; i++) {
		if (is_field(text, i, name, n)) {
			return line;
		}
		line += text->p[i] == '\n' ? 1 : 0;
	}
	return 1;
}

/* The account's Argon2id string, NULL when it is plain or has none. */
const char *users_argon2(const json_t *account)
{
	return json_is_object(account) ? json_string_value(json_object_get(account, "password"))
				       : NULL;
}

/* NULL, or what is wrong with a field of an account. */
static const char *password_fault(const json_t *password)
{
	struct password_phc phc;
	struct err why;
	bool ok;

	if (password == NULL) {
		return NULL;
	}
	if (!json_is_string(password)) {
		return "\"password\" is not a string";
	}
	ok = password_parse(
		     &phc, json_string_value(password), json_string_length(password), &why) == 0;
	wipe(&phc, sizeof phc);
	return ok ? NULL : "\"password\" is no Argon2id string that can be used";
}

static const char *key_fault(const json_t *key)
{
	uint8_t bytes[X25519_BYTES];

	return key == NULL || (json_is_string(key) && json_string_length(key) == USERS_KEY_CHARS &&
				      base64_decode(bytes, sizeof bytes, json_string_value(key),
					      USERS_KEY_CHARS) == X25519_BYTES)
		       ? NULL
		       : "\"" USERS_KEY_FIELD "\" is no public key";
}

static const char *revoked_keys_fault(const json_t *keys)
{
	const json_t *key;
	size_t i;

	if (keys != NULL && !json_is_array(keys)) {
		return "\"" USERS_REVOKED_KEYS "\" is no array";
	}
	json_array_foreach(keys, i, key)
	{
		if (key_fault(key) != NULL) {
			return "\"" USERS_REVOKED_KEYS "\" holds what is no public key";
		}
	}
	return NULL;
}

static const char *invitation_fault(const json_t *invitation)
{
	const json_t *hash = json_object_get(invitation, USERS_HASH);
	uint8_t bytes[HASH_BYTES];

	return invitation == NULL ||
			       (json_is_integer(json_object_get(invitation, USERS_EXPIRES)) &&
				       json_is_string(hash) &&
				       hex_decode(bytes, sizeof bytes, json_string_value(hash),
					       json_string_length(hash)) == 0)
		       ? NULL
		       : "\"" USERS_INVITATION "\" is damaged";
}

static const char *mode_fault(const json_t *mode)
{
	const char *text = json_string_value(mode);

	return mode == NULL || (text != NULL &&
				       (strcmp(text, "enhanced") == 0 || strcmp(text, "key") == 0))
		       ? NULL
		       : "\"" USERS_MODE "\" is neither \"enhanced\" nor \"key\"";
}

static const char *object_fault(const json_t *account)
{
	const json_t *revoked = json_object_get(account, USERS_REVOKED);
	const char *faults[] = {password_fault(json_object_get(account, USERS_PASSWORD)),
		key_fault(json_object_get(account, USERS_KEY_FIELD)),
		revoked_keys_fault(json_object_get(account, USERS_REVOKED_KEYS)),
		mode_fault(json_object_get(account, USERS_MODE)),
		invitation_fault(json_object_get(account, USERS_INVITATION)),
		revoked == NULL || json_is_integer(revoked) ? NULL
							    : "\"" USERS_REVOKED "\" is no time"};

	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		if (faults[i] != NULL) {
			return faults[i];
		}
	}
	return NULL;
}

static const char *account_fault(const char *name, const json_t *account)
{
	if (!user_name_valid(name)) {
		return "this is no valid user name (1 to 32 of a-z 0-9 _ -)";
	}
	if (strcmp(name, "server") == 0) {
		return "\"server\" is the server's own name";
	}
	if (json_is_string(account)) {
		return json_string_length(account) <= PASSWORD_MAX ? NULL
								   : "the password is too long";
	}
	return json_is_object(account) ? object_fault(account)
				       : "the value is neither a password nor an object";
}

static int check(const json_t *root, const struct buf *text, struct err *e)
{
	const char *name, *fault;
	json_t *account;

	if (!json_is_object(root)) {
		return err_set(e, EX_CONFIG, "%s:1: it is no JSON object of users", USERS_FILE);
	}
	json_object_foreach((json_t *)(uintptr_t)root, name, account)
	{
		fault = account_fault(name, account);
		if (fault != NULL) {
			return err_set(e, EX_CONFIG, "%s:%u: user \"%.64s\": %s", USERS_FILE,
				line_of(text, name), name, fault);
		}
	}
	return 0;
}

static json_t *parse(const struct buf *text, struct err *e)
{
	json_error_t why;
	json_t *root;
	const uint8_t *nul = text->n == 0 ? NULL : memchr(text->p, '\0', text->n);

	if (nul != NULL) { /* which jansson would pass over behind a number */
		unsigned line = 1;
		for (const uint8_t *p = text->p; p < nul; p++) {
			line += *p == '\n' ? 1 : 0;
		}
		err_set(e, EX_CONFIG, "%s:%u: a NUL byte", USERS_FILE, line);
		return NULL;
	}
	root = json_loadb((const char *)text->p, text->n, JSON_REJECT_DUPLICATES, &why);
	if (root == NULL) {
		err_set(e,
			json_error_code(&why) == json_error_out_of_memory ? EX_TEMPFAIL : EX_CONFIG,
			"%s:%d: %s", USERS_FILE, why.line < 1 ? 1 : why.line, why.text);
		return NULL;
	}
	if (check(root, text, e) != 0) {
		json_decref(root);
		return NULL;
	}
	return root;
}

int users_file_read(int dir, json_t **root, struct stat *st, struct err *e)
{
	struct buf text = {0};

	json_set_alloc_funcs(secret_malloc, secret_free);
	*root = NULL;
	if (file_read(dir, USERS_FILE, USERS_FILE_MAX, &text, st, e) == 0) {
		*root = parse(&text, e);
	} else if (e->code == EX_DATAERR) {
		e->code = EX_CONFIG;
	}
	buf_free(&text);
	return *root == NULL ? -1 : 0;
}

/* --- changing the file --- */

static int store_root(int dir, const json_t *root, struct err *e)
{
	char *text = json_dumps(root, JSON_INDENT(4));
	size_t n = text == NULL ? 0 : strlen(text);
	struct buf out = {0};
	int rc;

	if (n + 1 > USERS_FILE_MAX) {
		rc = err_set(e, EX_CANTCREAT, "cannot write %s: it would have more than %d bytes",
			USERS_FILE, USERS_FILE_MAX);
	} else if (text == NULL || buf_append(&out, text, n) != 0 ||
		   buf_append_str(&out, "\n") != 0) {
		rc = err_set(e, EX_TEMPFAIL, "cannot write %s: out of memory", USERS_FILE);
	} else {
		rc = file_write(dir, USERS_FILE, out.p, out.n, 0600, FILE_REPLACE, e);
	}
	secret_free(text);
	buf_free(&out);
	return rc;
}

int users_file_edit(int dir, bool may_create, users_change *change, void *arg, struct err *e)
{
	int lock = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = -1;
	bool changed = false;
	json_t *root = NULL;

	if (lock < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot open the folder of %s", USERS_FILE);
	}
	if (file_lock(lock, e) != 0) {
		goto out;
	}
	if (users_file_read(dir, &root, NULL, e) != 0) {
		if (!may_create || faccessat(dir, USERS_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			goto out;
		}
		root = json_object();
	}
	if (root != NULL && change(root, arg, &changed, e) == 0) {
		rc = changed ? store_root(dir, root, e) : 0;
	}
out:
	json_decref(root);
	(void)close(lock);
	return rc;
}
