/* Changing accounts: each change is one rewrite of their text; see users.h. */
#include "users_text.h"

#include "../crypto/password.h"

struct change {
	const char *name;
	const void *password;
	size_t n;
	size_t count; /* accounts hardened */
	enum users_mode mode;
	const uint8_t *key, *secret;
	const uint64_t *messages, *bytes; /* limits; NULL: left as they are */
	int64_t when;                     /* an invitation's end; for joining: now */
	/* What was hashed, by name: [password, Argon2id string]. A change that is tried again does
	 * not compute it again. */
	json_t *hashed;
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

/* The Argon2id string that an earlier try made of this password; NULL: none did. */
static const char *hashed_before(
	const struct change *c, const char *name, const void *password, size_t n)
{
	const json_t *pair = json_object_get(c->hashed, name);
	const json_t *was = json_array_get(pair, 0);

	return json_is_string(was) && json_string_length(was) == n &&
			       ct_eq(json_string_value(was), password, n)
		       ? json_string_value(json_array_get(pair, 1))
		       : NULL;
}

/* For the next try. Without memory it computes the same again. */
static void remember_hash(
	struct change *c, const char *name, const void *password, size_t n, const char *phc)
{
	json_t *pair = json_array();

	c->hashed = c->hashed == NULL ? json_object() : c->hashed;
	(void)json_array_append_new(pair, json_stringn_nocheck(password, n));
	(void)json_array_append_new(pair, json_string(phc));
	(void)json_object_set_new(c->hashed, name, pair);
}

/* Give the account a fresh Argon2id string; fields beside it stay. */
static int set_hash(json_t *root, struct change *c, const char *name, const void *password,
	size_t n, struct err *e)
{
	const char *before = hashed_before(c, name, password, n);
	char phc[PASSWORD_PHC_MAX];
	json_t *account;
	int rc;

	if (before != NULL) {
		(void)snprintf(phc, sizeof phc, "%s", before);
	} else if (password_hash(phc, password, n, e) != 0) {
		return -1;
	} else {
		remember_hash(c, name, password, n, phc);
	}
	account = as_object(root, name);
	rc = json_object_set_new(account, USERS_PASSWORD, json_string(phc));
	wipe(phc, sizeof phc);
	return rc == 0 ? 0 : no_memory(name, e);
}

/* Change the accounts, as often as it takes. */
static int edit(struct accounts_store *s, bool may_create, users_change *change, struct change *c,
	struct err *e)
{
	int rc = users_text_edit(s, may_create, change, c, e);

	json_decref(c->hashed); /* which wipes */
	c->hashed = NULL;
	return rc;
}

static int apply_add(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;

	if (json_object_get(root, c->name) != NULL) {
		err_set(e, EX_CANTCREAT, "cannot add user %s: it exists", c->name);
		return err_hint(e, "smtp361 user passwd %s changes its password", c->name);
	}
	*changed = true;
	return set_hash(root, c, c->name, c->password, c->n, e);
}

static int apply_passwd(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;

	if (json_object_get(root, c->name) == NULL) {
		return no_such_user(c->name, e);
	}
	*changed = true;
	return set_hash(root, c, c->name, c->password, c->n, e);
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

	c->count = 0;
	json_object_foreach_safe(root, next, name, account)
	{
		if (json_is_string(account)) {
			if (set_hash(root, c, name, json_string_value(account),
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
	return set_hash(root, c, c->name, c->password, c->n, e);
}

int users_add(
	struct accounts_store *s, const char *name, const void *password, size_t n, struct err *e)
{
	struct change c = {.name = name, .password = password, .n = n};

	return check_new(name, n, e) != 0 ? -1 : edit(s, true, apply_add, &c, e);
}

int users_passwd(
	struct accounts_store *s, const char *name, const void *password, size_t n, struct err *e)
{
	struct change c = {.name = name, .password = password, .n = n};

	return check_new(name, n, e) != 0 ? -1 : edit(s, false, apply_passwd, &c, e);
}

int users_del(struct accounts_store *s, const char *name, struct err *e)
{
	struct change c = {.name = name};

	return edit(s, false, apply_del, &c, e);
}

int users_harden(struct accounts_store *s, size_t *changed, struct err *e)
{
	struct change c = {0};
	int rc = edit(s, false, apply_harden, &c, e);

	*changed = rc == 0 ? c.count : 0;
	return rc;
}

int users_upgrade(
	struct accounts_store *s, const char *name, const void *password, size_t n, struct err *e)
{
	struct change c = {.name = name, .password = password, .n = n};

	return edit(s, false, apply_upgrade, &c, e);
}

/* --- modes and keys --- */

/* An object to change, whose password is a string of Argon2id at most: a plain one is hardened. */
static int open_account(json_t *root, struct change *c, json_t **account, struct err *e)
{
	json_t *found = json_object_get(root, c->name);

	if (found == NULL) {
		return no_such_user(c->name, e);
	}
	if (json_is_string(found) && set_hash(root, c, c->name, json_string_value(found),
					     json_string_length(found), e) != 0) {
		return -1;
	}
	*account = json_object_get(root, c->name);
	return 0;
}

static int apply_mode(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;
	json_t *account;

	if (open_account(root, c, &account, e) != 0) {
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

/* limit: NULL leaves it, 0 takes it away. */
static int set_limit(json_t *account, const char *field, const uint64_t *limit)
{
	if (limit == NULL) {
		return 0;
	}
	(void)json_object_del(account, field);
	return *limit == 0 ? 0
			   : json_object_set_new(account, field, json_integer((json_int_t)*limit));
}

static int apply_limits(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;
	json_t *account;

	if (open_account(root, c, &account, e) != 0) {
		return -1;
	}
	*changed = true;
	return set_limit(account, USERS_MAX_MESSAGES, c->messages) == 0 &&
			       set_limit(account, USERS_MAX_BYTES, c->bytes) == 0
		       ? 0
		       : no_memory(c->name, e);
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
	return open_account(root, c, &account, e) == 0 ? set_key(account, c, e) : -1;
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
	} else if (open_account(root, c, &account, e) != 0) {
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

int users_set_mode(struct accounts_store *s, const char *name, enum users_mode mode, struct err *e)
{
	struct change c = {.name = name, .mode = mode};

	return edit(s, false, apply_mode, &c, e);
}

int users_set_limits(struct accounts_store *s, const char *name, const uint64_t *messages,
	const uint64_t *bytes, struct err *e)
{
	struct change c = {.name = name, .messages = messages, .bytes = bytes};

	if ((messages != NULL && *messages > INT64_MAX) || (bytes != NULL && *bytes > INT64_MAX)) {
		return err_set(e, EX_DATAERR, "a limit is at most %lld", (long long)INT64_MAX);
	}
	return edit(s, false, apply_limits, &c, e);
}

int users_set_key(struct accounts_store *s, const char *name,
	const uint8_t key[static X25519_BYTES], struct err *e)
{
	struct change c = {.name = name, .key = key};

	return edit(s, false, apply_key, &c, e);
}

int users_revoke(struct accounts_store *s, const char *name, const uint8_t *file_key, struct err *e)
{
	struct change c = {.name = name, .key = file_key};

	return edit(s, false, apply_revoke, &c, e);
}

int users_invite(struct accounts_store *s, const char *name,
	const uint8_t secret[static USERS_SECRET], int64_t expires, struct err *e)
{
	struct change c = {.name = name, .secret = secret, .when = expires};

	return check_name(name, e) != 0 ? -1 : edit(s, true, apply_invite, &c, e);
}

int users_join(struct accounts_store *s, const char *name,
	const uint8_t secret[static USERS_SECRET], int64_t now,
	const uint8_t key[static X25519_BYTES], struct err *e)
{
	struct change c = {.name = name, .secret = secret, .when = now, .key = key};

	return edit(s, false, apply_join, &c, e);
}
