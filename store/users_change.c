/* Changing accounts: each change is one rewrite of user_pass.json; see users.h. */
#include "users_file.h"

#include "../crypto/hash.h"
#include "../crypto/password.h"

struct change {
	const char *name;
	const void *password;
	size_t n;
	size_t count; /* accounts hardened */
	enum users_mode mode;
	const uint8_t *key, *secret;
	int64_t when; /* an invitation's end; for joining: now */
};

static int no_memory(const char *name, struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "cannot change user %s: out of memory", name);
}

static int no_such_user(const char *name, struct err *e)
{
	return err_set(e, EX_NOUSER, "no such user: %.64s", name);
}

/* The key files of "a" and of "a_x25519" would have the same names. */
static bool is_ambiguous(const char *name)
{
	static const char tail[] = "_x25519";
	size_t n = strlen(name), k = sizeof tail - 1;

	return n >= k && strcmp(name + n - k, tail) == 0;
}

static int check_name(const char *name, struct err *e)
{
	return user_name_valid(name) && strcmp(name, "server") != 0 && !is_ambiguous(name)
		       ? 0
		       : err_set(e, EX_USAGE,
				 "\"%.64s\" can be no user's name: 1 to 32 of a-z 0-9 _ -, not "
				 "\"server\", not ending in \"_x25519\"",
				 name);
}

static int check_new(const char *name, size_t n, struct err *e)
{
	if (check_name(name, e) != 0) {
		return -1;
	}
	return n > 0 && n <= PASSWORD_MAX
		       ? 0
		       : err_set(e, EX_DATAERR, "a password has 1 to %d bytes", PASSWORD_MAX);
}

/* --- passwords --- */

/* The account as an object, in place of whatever it was; made where there is none. Its fields stay;
 * a plain password does not. NULL: no memory. */
static json_t *as_object(json_t *root, const char *name)
{
	json_t *account = json_object_get(root, name);

	if (!json_is_object(account)) {
		account = json_object();
		if (json_object_set_new(root, name, account) != 0) {
			return NULL;
		}
	}
	return account;
}

/* Give the account a fresh Argon2id string; fields beside it stay. */
static int set_hash(json_t *root, const char *name, const void *password, size_t n, struct err *e)
{
	char phc[PASSWORD_PHC_MAX];
	json_t *account;
	int rc;

	if (password_hash(phc, password, n, e) != 0) {
		return -1;
	}
	account = as_object(root, name);
	rc = json_object_set_new(account, USERS_PASSWORD, json_string(phc));
	wipe(phc, sizeof phc);
	return rc == 0 ? 0 : no_memory(name, e);
}

static int apply_add(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;

	if (json_object_get(root, c->name) != NULL) {
		err_set(e, EX_CANTCREAT, "cannot add user %s: it exists", c->name);
		return err_hint(e, "smtp361 user passwd %s changes its password", c->name);
	}
	*changed = true;
	return set_hash(root, c->name, c->password, c->n, e);
}

static int apply_passwd(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;

	if (json_object_get(root, c->name) == NULL) {
		return no_such_user(c->name, e);
	}
	*changed = true;
	return set_hash(root, c->name, c->password, c->n, e);
}

static int apply_del(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;

	*changed = true;
	return json_object_del(root, c->name) == 0 ? 0 : no_such_user(c->name, e);
}

static int apply_harden(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;
	const char *name;
	json_t *account;
	void *next;

	json_object_foreach_safe(root, next, name, account)
	{
		if (json_is_string(account)) {
			if (set_hash(root, name, json_string_value(account),
				    json_string_length(account), e) != 0) {
				return -1;
			}
			c->count++;
		}
	}
	*changed = c->count > 0;
	return 0;
}

/* Somebody may have changed it since it was seen to be plain. */
static int apply_upgrade(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;
	const json_t *account = json_object_get(root, c->name);

	if (!json_is_string(account) || json_string_length(account) != c->n ||
		!ct_eq(json_string_value(account), c->password, c->n)) {
		return 0;
	}
	*changed = true;
	return set_hash(root, c->name, c->password, c->n, e);
}

int users_add(int dir, const char *name, const void *password, size_t n, struct err *e)
{
	struct change c = {.name = name, .password = password, .n = n};

	return check_new(name, n, e) != 0 ? -1 : users_file_edit(dir, true, apply_add, &c, e);
}

int users_passwd(int dir, const char *name, const void *password, size_t n, struct err *e)
{
	struct change c = {.name = name, .password = password, .n = n};

	return check_new(name, n, e) != 0 ? -1 : users_file_edit(dir, false, apply_passwd, &c, e);
}

int users_del(int dir, const char *name, struct err *e)
{
	struct change c = {.name = name};

	return users_file_edit(dir, false, apply_del, &c, e);
}

int users_harden(int dir, size_t *changed, struct err *e)
{
	struct change c = {0};
	int rc = users_file_edit(dir, false, apply_harden, &c, e);

	*changed = rc == 0 ? c.count : 0;
	return rc;
}

int users_upgrade(int dir, const char *name, const void *password, size_t n, struct err *e)
{
	struct change c = {.name = name, .password = password, .n = n};

	return users_file_edit(dir, false, apply_upgrade, &c, e);
}

/* --- modes and keys --- */

/* An object to change, whose password is a string of Argon2id at most: a plain one is hardened. */
static int open_account(json_t *root, const char *name, json_t **account, struct err *e)
{
	json_t *found = json_object_get(root, name);

	if (found == NULL) {
		return no_such_user(name, e);
	}
	if (json_is_string(found) &&
		set_hash(root, name, json_string_value(found), json_string_length(found), e) != 0) {
		return -1;
	}
	*account = json_object_get(root, name);
	return 0;
}

static int apply_mode(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;
	json_t *account;

	if (open_account(root, c->name, &account, e) != 0) {
		return -1;
	}
	*changed = true;
	(void)json_object_del(account, USERS_MODE);
	if (c->mode != USERS_BOTH &&
		json_object_set_new(account, USERS_MODE,
			json_string(c->mode == USERS_KEY ? "key" : "enhanced")) != 0) {
		return no_memory(c->name, e);
	}
	return 0;
}

/* Was this key shut out of this account? */
static bool was_revoked(const json_t *account, const char *key)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(account, USERS_REVOKED_KEYS), i, one)
	{
		if (strcmp(json_string_value(one), key) == 0) {
			return true;
		}
	}
	return false;
}

/* Remember a key as one that never counts again; NULL: there is none. */
static int forbid_key(json_t *account, const char *key)
{
	json_t *keys = json_object_get(account, USERS_REVOKED_KEYS);

	if (key == NULL || was_revoked(account, key)) {
		return 0;
	}
	if (keys == NULL) {
		keys = json_array();
		if (json_object_set_new(account, USERS_REVOKED_KEYS, keys) != 0) {
			return -1;
		}
	}
	return json_array_append_new(keys, json_string(key));
}

static int set_key(json_t *account, const struct change *c, struct err *e)
{
	char text[USERS_KEY_CHARS + 1];

	(void)base64_encode(text, c->key, X25519_BYTES);
	if (was_revoked(account, text)) {
		return err_set(
			e, EX_NOPERM, "this key of %s was revoked: another one is needed", c->name);
	}
	(void)json_object_del(account, USERS_INVITATION);
	return json_object_set_new(account, USERS_KEY_FIELD, json_string(text)) == 0
		       ? 0
		       : no_memory(c->name, e);
}

static int apply_key(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;
	json_t *account;

	*changed = true;
	return open_account(root, c->name, &account, e) == 0 ? set_key(account, c, e) : -1;
}

/* What stands in the key file counts no more. */
static int set_revoked(json_t *account, const struct change *c, struct err *e)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return json_object_set_new(account, USERS_REVOKED,
		       json_integer((json_int_t)now.tv_sec * 1000000 + now.tv_nsec / 1000)) == 0
		       ? 0
		       : no_memory(c->name, e);
}

static int apply_revoke(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;
	char text[USERS_KEY_CHARS + 1];
	json_t *account;

	if (json_object_get(root, c->name) == NULL) {
		return no_such_user(c->name, e);
	}
	*changed = true;
	account = as_object(root, c->name); /* what the thief may know is of no use any more */
	if (c->key != NULL) {
		(void)base64_encode(text, c->key, X25519_BYTES);
	}
	if (forbid_key(account, json_string_value(json_object_get(account, USERS_KEY_FIELD))) !=
			0 ||
		forbid_key(account, c->key == NULL ? NULL : text) != 0) {
		return no_memory(c->name, e);
	}
	(void)json_object_del(account, USERS_PASSWORD);
	(void)json_object_del(account, USERS_KEY_FIELD);
	(void)json_object_del(account, USERS_INVITATION);
	return set_revoked(account, c, e);
}

/* --- invitations --- */

static int apply_invite(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;
	char hex[2 * HASH_BYTES + 1];
	uint8_t digest[HASH_BYTES];
	json_t *account, *invitation = json_object();

	*changed = true;
	if (json_object_get(root, c->name) == NULL) {
		/* a key file of that name is of somebody who had it before */
		account = as_object(root, c->name);
		if (set_revoked(account, c, e) != 0) {
			json_decref(invitation);
			return -1;
		}
	} else if (open_account(root, c->name, &account, e) != 0) {
		json_decref(invitation);
		return -1;
	}
	hash_of(c->secret, USERS_SECRET, digest);
	hex_encode(hex, digest, sizeof digest);
	if (json_object_set_new(invitation, USERS_HASH, json_string(hex)) != 0 ||
		json_object_set_new(invitation, USERS_EXPIRES, json_integer(c->when)) != 0) {
		json_decref(invitation);
		return no_memory(c->name, e);
	}
	return json_object_set_new(account, USERS_INVITATION, invitation) == 0
		       ? 0
		       : no_memory(c->name, e);
}

static int apply_join(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;
	json_t *account = json_object_get(root, c->name);

	if (!users_account_invited(account, c->secret, c->when)) {
		return err_set(e, EX_NOPERM, "no such invitation stands");
	}
	*changed = true;
	return set_key(account, c, e);
}

int users_set_mode(int dir, const char *name, enum users_mode mode, struct err *e)
{
	struct change c = {.name = name, .mode = mode};

	return users_file_edit(dir, false, apply_mode, &c, e);
}

int users_set_key(int dir, const char *name, const uint8_t key[static X25519_BYTES], struct err *e)
{
	struct change c = {.name = name, .key = key};

	return users_file_edit(dir, false, apply_key, &c, e);
}

int users_revoke(int dir, const char *name, const uint8_t *file_key, struct err *e)
{
	struct change c = {.name = name, .key = file_key};

	return users_file_edit(dir, false, apply_revoke, &c, e);
}

int users_invite(int dir, const char *name, const uint8_t secret[static USERS_SECRET],
	int64_t expires, struct err *e)
{
	struct change c = {.name = name, .secret = secret, .when = expires};

	return check_name(name, e) != 0 ? -1 : users_file_edit(dir, true, apply_invite, &c, e);
}

int users_join(int dir, const char *name, const uint8_t secret[static USERS_SECRET], int64_t now,
	const uint8_t key[static X25519_BYTES], struct err *e)
{
	struct change c = {.name = name, .secret = secret, .when = now, .key = key};

	return users_file_edit(dir, false, apply_join, &c, e);
}
