/* Changing accounts: each change is one rewrite of their text; see users.h. */
#include "users_change.h"

#include "../crypto/password.h"

int users_no_memory(const char *name, struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "cannot change user %s: out of memory", name);
}

int users_no_such(const char *name, struct err *e)
{
	return err_set(e, EX_NOUSER, "no such user: %.64s", name);
}

static bool ends_in(const char *name, const char *tail)
{
	size_t n = strlen(name), k = strlen(tail);

	return n >= k && strcmp(name + n - k, tail) == 0;
}

/* The key files of "a" and of "a_x25519" would have the same names. */
static bool is_ambiguous(const char *name)
{
	return ends_in(name, "_x25519") || ends_in(name, "_p256");
}

int users_check_name(const char *name, struct err *e)
{
	return user_name_valid(name) && strcmp(name, "server") != 0 && !is_ambiguous(name)
		       ? 0
		       : err_set(e, EX_USAGE,
				 "\"%.64s\" can be no user's name: 1 to 32 of a-z 0-9 _ -, not "
				 "\"server\", not ending in \"_x25519\" or \"_p256\"",
				 name);
}

int users_check_length(size_t n, struct err *e)
{
	return n > 0 && n <= PASSWORD_MAX
		       ? 0
		       : err_set(e, EX_DATAERR, "a password has 1 to %d bytes", PASSWORD_MAX);
}

static int check_new(const char *name, size_t n, struct err *e)
{
	return users_check_name(name, e) == 0 ? users_check_length(n, e) : -1;
}

/* --- passwords --- */

json_t *users_as_object(json_t *root, const char *name)
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
	account = users_as_object(root, name);
	rc = json_object_set_new(account, USERS_PASSWORD, json_string(phc));
	wipe(phc, sizeof phc);
	return rc == 0 ? 0 : users_no_memory(name, e);
}

int users_open_account(json_t *root, struct change *c, json_t **account, struct err *e)
{
	json_t *found = json_object_get(root, c->name);

	if (found == NULL) {
		return users_no_such(c->name, e);
	}
	if (json_is_string(found) && set_hash(root, c, c->name, json_string_value(found),
					     json_string_length(found), e) != 0) {
		return -1;
	}
	*account = json_object_get(root, c->name);
	return 0;
}

int users_edit(struct accounts_store *s, bool may_create, users_change *change, struct change *c,
	struct err *e)
{
	int rc = users_text_edit(s, may_create, change, c, e);

	json_decref(c->hashed); /* which wipes */
	c->hashed = NULL;
	wipe(c->scram, sizeof c->scram);
	wipe(c->judged, sizeof c->judged);
	wipe(c->smtp, sizeof c->smtp);
	return rc;
}

/* The account's new password, and what these mechanisms make of it. */
static int set_password(json_t *root, struct change *c, unsigned mechanisms, struct err *e)
{
	return set_hash(root, c, c->name, c->password, c->n, e) == 0
		       ? users_make_mechanisms(json_object_get(root, c->name), c, mechanisms, e)
		       : -1;
}

static int apply_add(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;

	if (json_object_get(root, c->name) != NULL) {
		err_set(e, EX_CANTCREAT, "cannot add user %s: it exists", c->name);
		return err_hint(e, "smtp361 user passwd %s changes its password", c->name);
	}
	*changed = true;
	return set_password(root, c, c->mechanisms, e);
}

static int apply_passwd(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;
	const json_t *account = json_object_get(root, c->name);

	if (account == NULL) {
		return users_no_such(c->name, e);
	}
	*changed = true;
	if (users_smtp_argon2(account) == NULL) {
		return set_password(root, c, c->mechanisms | users_mechanisms_of(account), e);
	}
	if (c->mechanisms != 0) {
		err_set(e, EX_USAGE,
			"%s has a password for mail programs alone: mechanisms are made of that",
			c->name);
		return err_hint(e, "smtp361 user smtp %s --own sets both", c->name);
	}
	return set_hash(root, c, c->name, c->password, c->n, e);
}

static int apply_del(json_t *root, void *arg, bool *changed, struct err *e)
{
	struct change *c = arg;

	*changed = true;
	return json_object_del(root, c->name) == 0 ? 0 : users_no_such(c->name, e);
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

int users_add_with(struct accounts_store *s, const char *name, const void *password, size_t n,
	unsigned mechanisms, struct err *e)
{
	struct change c = {.name = name, .password = password, .n = n, .mechanisms = mechanisms};

	return check_new(name, n, e) != 0 ? -1 : users_edit(s, true, apply_add, &c, e);
}

int users_passwd_with(struct accounts_store *s, const char *name, const void *password, size_t n,
	unsigned mechanisms, struct err *e)
{
	struct change c = {.name = name, .password = password, .n = n, .mechanisms = mechanisms};

	return check_new(name, n, e) != 0 ? -1 : users_edit(s, false, apply_passwd, &c, e);
}

int users_add(
	struct accounts_store *s, const char *name, const void *password, size_t n, struct err *e)
{
	return users_add_with(s, name, password, n, 0, e);
}

int users_passwd(
	struct accounts_store *s, const char *name, const void *password, size_t n, struct err *e)
{
	return users_passwd_with(s, name, password, n, 0, e);
}

int users_del(struct accounts_store *s, const char *name, struct err *e)
{
	struct change c = {.name = name};

	return users_edit(s, false, apply_del, &c, e);
}

int users_harden(struct accounts_store *s, size_t *changed, struct err *e)
{
	struct change c = {0};
	int rc = users_edit(s, false, apply_harden, &c, e);

	*changed = rc == 0 ? c.count : 0;
	return rc;
}

int users_upgrade(
	struct accounts_store *s, const char *name, const void *password, size_t n, struct err *e)
{
	struct change c = {.name = name, .password = password, .n = n};

	return users_edit(s, false, apply_upgrade, &c, e);
}
