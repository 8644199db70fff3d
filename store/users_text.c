/* The accounts' text over jansson: reading it strictly, and rewriting it; see users_text.h. */
#include "users_text.h"

#include <poll.h>

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

const char *users_smtp_argon2(const json_t *account)
{
	return json_string_value(json_object_get(account, USERS_SMTP_PASSWORD));
}

/* Of this type, where it is there at all? */
static bool is_none_or(json_type type, const json_t *value)
{
	return value == NULL || json_typeof(value) == type;
}

static bool password_is_good(const json_t *password)
{
	struct password_phc phc;
	struct err why;
	bool ok = password == NULL ||
		  (json_is_string(password) && password_parse(&phc, json_string_value(password),
						       json_string_length(password), &why) == 0);

	wipe(&phc, sizeof phc);
	return ok;
}

/* NULL, or what is wrong with a field of an account. */
static const char *passwords_fault(const json_t *account)
{
	const json_t *own = json_object_get(account, USERS_PASSWORD);

	if (!is_none_or(JSON_STRING, own)) {
		return "\"" USERS_PASSWORD "\" is not a string";
	}
	return !password_is_good(own) ? "\"" USERS_PASSWORD
					"\" is no Argon2id string that can be used"
	       : !password_is_good(json_object_get(account, USERS_SMTP_PASSWORD))
		       ? "\"" USERS_SMTP_PASSWORD "\" is no Argon2id string that can be used"
		       : NULL;
}

static const char *key_fault(const json_t *key)
{
	const char *text = json_string_value(key);
	uint8_t bytes[X25519_BYTES];

	return key == NULL || (text != NULL && json_string_length(key) == USERS_KEY_CHARS &&
				      base64_decode(bytes, sizeof bytes, text, USERS_KEY_CHARS) ==
					      X25519_BYTES)
		       ? NULL
		       : "\"" USERS_KEY_FIELD "\" is no public key";
}

static const char *revoked_keys_fault(const json_t *keys)
{
	const json_t *key;
	size_t i;

	if (!is_none_or(JSON_ARRAY, keys)) {
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

/* A negative or fractional limit is as wrong as one that is no number. */
static bool limit_is_good(const json_t *limit)
{
	return is_none_or(JSON_INTEGER, limit) && json_integer_value(limit) >= 0;
}

static const char *limits_fault(const json_t *account)
{
	if (!limit_is_good(json_object_get(account, USERS_MAX_MESSAGES))) {
		return "\"" USERS_MAX_MESSAGES "\" is no whole number from 0 on";
	}
	return limit_is_good(json_object_get(account, USERS_MAX_BYTES))
		       ? NULL
		       : "\"" USERS_MAX_BYTES "\" is no whole number from 0 on";
}

static const char *object_fault(const json_t *account)
{
	const json_t *revoked = json_object_get(account, USERS_REVOKED);
	const char *faults[] = {passwords_fault(account),
		key_fault(json_object_get(account, USERS_KEY_FIELD)),
		revoked_keys_fault(json_object_get(account, USERS_REVOKED_KEYS)),
		users_signing_fault(json_object_get(account, USERS_SIGNING)),
		mode_fault(json_object_get(account, USERS_MODE)), users_mechanisms_fault(account),
		invitation_fault(json_object_get(account, USERS_INVITATION)), limits_fault(account),
		is_none_or(JSON_INTEGER, revoked) ? NULL : "\"" USERS_REVOKED "\" is no time"};

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
	if (json_typeof(account) == JSON_STRING) {
		return json_string_length(account) <= PASSWORD_MAX ? NULL
								   : "the password is too long";
	}
	return json_typeof(account) == JSON_OBJECT
		       ? object_fault(account)
		       : "the value is neither a password nor an object";
}

/* where: how errors name the text */
static int check(const json_t *root, const struct buf *text, const char *where, struct err *e)
{
	const char *name, *fault;
	json_t *account;

	if (json_typeof(root) != JSON_OBJECT) {
		return err_set(e, EX_CONFIG, "%s:1: it is no JSON object of users", where);
	}
	json_object_foreach((json_t *)(uintptr_t)root, name, account)
	{
		fault = account_fault(name, account);
		if (fault != NULL) {
			return err_set(e, EX_CONFIG, "%s:%u: user \"%.64s\": %s", where,
				line_of(text, name), name, fault);
		}
	}
	return 0;
}

/* Since the last reading began. Where memory is short jansson (2.14) sees faults in a text that has
 * none, and leaves bytes out of strings without a word: such a reading counts for nothing. */
static bool memory_was_short;

static void *noting_malloc(size_t n)
{
	void *p = secret_malloc(n);

	memory_was_short = memory_was_short || p == NULL;
	return p;
}

static json_t *parse(const struct buf *text, const char *where, struct err *e)
{
	json_error_t why;
	json_t *root;
	const uint8_t *nul = text->n == 0 ? NULL : memchr(text->p, '\0', text->n);

	if (nul != NULL) { /* which jansson would pass over behind a number */
		unsigned line = 1;
		for (const uint8_t *p = text->p; p < nul; p++) {
			line += *p == '\n' ? 1 : 0;
		}
		err_set(e, EX_CONFIG, "%s:%u: a NUL byte", where, line);
		return NULL;
	}
	memory_was_short = false;
	root = json_loadb((const char *)text->p, text->n, JSON_REJECT_DUPLICATES, &why);
	if (memory_was_short) {
		err_set(e, EX_TEMPFAIL, "cannot read %s: out of memory", where);
		json_decref(root);
		return NULL;
	}
	if (root == NULL) {
		err_set(e, EX_CONFIG, "%s:%d: %s", where, why.line < 1 ? 1 : why.line, why.text);
		return NULL;
	}
	if (check(root, text, where, e) != 0) {
		json_decref(root);
		return NULL;
	}
	return root;
}

int users_text_read(struct accounts_store *s, struct users *out, struct err *e)
{
	struct accounts_text read = {0};
	int rc = s->ops->read(s, &read, e);

	json_set_alloc_funcs(noting_malloc, secret_free);
	*out = (struct users){.version = read.version, .others_can_read = read.others_can_read};
	if (rc == 0) {
		out->root = parse(&read.text, s->name, e);
		rc = out->root == NULL ? -1 : 0;
	}
	buf_free(&read.text);
	return rc;
}

/* --- changing it --- */

enum {
	TRIES = 500, /* of a change: with 16 writers one in a million million runs out of them */
	TRIES_AT_ONCE = 8 /* before it waits, 1 ms on average: some 0.5 s in all */
};

static int store_root(struct accounts_store *s, const json_t *root,
	const struct accounts_version *expected, bool *stale, struct err *e)
{
	char *text = json_dumps(root, JSON_INDENT(4));
	size_t n = text == NULL ? 0 : strlen(text);
	struct buf out = {0};
	int rc;

	if (n + 1 > ACCOUNTS_TEXT_MAX) {
		rc = err_set(e, EX_CANTCREAT, "cannot write %s: it would have more than %d bytes",
			s->name, ACCOUNTS_TEXT_MAX);
	} else if (memory_was_short || text == NULL || buf_append(&out, text, n) != 0 ||
		   buf_append_str(&out, "\n") != 0) {
		rc = err_set(e, EX_TEMPFAIL, "cannot write %s: out of memory", s->name);
	} else {
		rc = s->ops->replace(s, out.p, out.n, expected, stale, e);
	}
	secret_free(text);
	buf_free(&out);
	return rc;
}

/* One try; *stale: somebody was faster. */
static int edit_once(struct accounts_store *s, bool may_create, users_change *change, void *arg,
	bool *stale, struct err *e)
{
	struct users now;
	bool changed = false;
	int rc = users_text_read(s, &now, e);

	*stale = false;
	if (rc != 0 && may_create && now.version.none) {
		now.root = json_object();
		rc = now.root != NULL ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
	}
	rc = rc == 0 ? change(now.root, arg, &changed, e) : rc;
	if (rc == 0 && changed) {
		rc = store_root(s, now.root, &now.version, stale, e);
	}
	json_decref(now.root);
	return rc;
}

/* Not all of those who were too slow at the same moment again. */
static void let_others_go_first(int tries)
{
	struct timespec now;

	if (tries >= TRIES_AT_ONCE) {
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		(void)poll(NULL, 0, (int)((now.tv_nsec >> 10) % 3));
	}
}

int users_text_edit(
	struct accounts_store *s, bool may_create, users_change *change, void *arg, struct err *e)
{
	bool stale = true;

	for (int tries = 0; tries < TRIES && stale; tries++) {
		if (edit_once(s, may_create, change, arg, &stale, e) != 0) {
			return -1;
		}
		if (stale) {
			let_others_go_first(tries);
		}
	}
	return stale ? err_set(e, EX_TEMPFAIL, "cannot write %s: others keep changing it", s->name)
		     : 0;
}
