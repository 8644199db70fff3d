/* Changing how accounts log in: modes, keys and invitations; and their quotas; see users.h. */
#include "users_change.h"

/* --- modes and keys --- */

static int apply_mode(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;
	json_t *account;

	if (users_open_account(root, c, &account, e) != 0) {
		return -1;
	}
	*changed = true;
	(void)json_object_del(account, USERS_MODE);
	if (c->mode != USERS_BOTH &&
		json_object_set_new(account, USERS_MODE,
			json_string(c->mode == USERS_KEY ? "key" : "enhanced")) != 0) {
		return users_no_memory(c->name, e);
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

	if (users_open_account(root, c, &account, e) != 0) {
		return -1;
	}
	*changed = true;
	return set_limit(account, USERS_MAX_MESSAGES, c->messages) == 0 &&
			       set_limit(account, USERS_MAX_BYTES, c->bytes) == 0
		       ? 0
		       : users_no_memory(c->name, e);
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
		       : users_no_memory(c->name, e);
}

static int apply_key(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;
	json_t *account;

	*changed = true;
	return users_open_account(root, c, &account, e) == 0 ? set_key(account, c, e) : -1;
}

/* What stands in the key file counts no more. */
static int set_revoked(json_t *account, const struct change *c, struct err *e)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return json_object_set_new(account, USERS_REVOKED,
		       json_integer((json_int_t)now.tv_sec * 1000000 + now.tv_nsec / 1000)) == 0
		       ? 0
		       : users_no_memory(c->name, e);
}

static int apply_revoke(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;
	char text[USERS_KEY_CHARS + 1];
	json_t *account;

	if (json_object_get(root, c->name) == NULL) {
		return users_no_such(c->name, e);
	}
	*changed = true;
	account =
		users_as_object(root, c->name); /* what the thief may know is of no use any more */
	if (c->key != NULL) {
		(void)base64_encode(text, c->key, X25519_BYTES);
	}
	if (forbid_key(account, json_string_value(json_object_get(account, USERS_KEY_FIELD))) !=
			0 ||
		forbid_key(account, c->key == NULL ? NULL : text) != 0) {
		return users_no_memory(c->name, e);
	}
	(void)json_object_del(account, USERS_PASSWORD);
	(void)json_object_del(account, USERS_SMTP_PASSWORD);
	(void)json_object_del(account, USERS_CRAM);
	(void)json_object_del(account, USERS_SCRAM);
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
		account = users_as_object(root, c->name);
		if (set_revoked(account, c, e) != 0) {
			json_decref(invitation);
			return -1;
		}
	} else if (users_open_account(root, c, &account, e) != 0) {
		json_decref(invitation);
		return -1;
	}
	hash_of(c->secret, USERS_SECRET, digest);
	hex_encode(hex, digest, sizeof digest);
	if (json_object_set_new(invitation, USERS_HASH, json_string(hex)) != 0 ||
		json_object_set_new(invitation, USERS_EXPIRES, json_integer(c->when)) != 0) {
		json_decref(invitation);
		return users_no_memory(c->name, e);
	}
	return json_object_set_new(account, USERS_INVITATION, invitation) == 0
		       ? 0
		       : users_no_memory(c->name, e);
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

	return users_edit(s, false, apply_mode, &c, e);
}

int users_set_limits(struct accounts_store *s, const char *name, const uint64_t *messages,
	const uint64_t *bytes, struct err *e)
{
	struct change c = {.name = name, .messages = messages, .bytes = bytes};

	if ((messages != NULL && *messages > INT64_MAX) || (bytes != NULL && *bytes > INT64_MAX)) {
		return err_set(e, EX_DATAERR, "a limit is at most %lld", (long long)INT64_MAX);
	}
	return users_edit(s, false, apply_limits, &c, e);
}

int users_set_key(struct accounts_store *s, const char *name,
	const uint8_t key[static X25519_BYTES], struct err *e)
{
	struct change c = {.name = name, .key = key};

	return users_edit(s, false, apply_key, &c, e);
}

int users_revoke(struct accounts_store *s, const char *name, const uint8_t *file_key, struct err *e)
{
	struct change c = {.name = name, .key = file_key};

	return users_edit(s, false, apply_revoke, &c, e);
}

int users_invite(struct accounts_store *s, const char *name,
	const uint8_t secret[static USERS_SECRET], int64_t expires, struct err *e)
{
	struct change c = {.name = name, .secret = secret, .when = expires};

	return users_check_name(name, e) != 0 ? -1 : users_edit(s, true, apply_invite, &c, e);
}

int users_join(struct accounts_store *s, const char *name,
	const uint8_t secret[static USERS_SECRET], int64_t now,
	const uint8_t key[static X25519_BYTES], struct err *e)
{
	struct change c = {.name = name, .secret = secret, .when = now, .key = key};

	return users_edit(s, false, apply_join, &c, e);
}
