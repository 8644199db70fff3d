/* The accounts: who may log in, and what is known of them; see users.h. */
#include "users_text.h"

#include "../crypto/password.h"

int users_load(struct accounts_store *s, struct users **out, struct err *e)
{
	struct users *u = calloc(1, sizeof *u);

	if (u == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot read %s: out of memory", s->name);
	}
	if (users_text_read(s, u, e) != 0) {
		free(u);
		return -1;
	}
	*out = u;
	return 0;
}

void users_free(struct users *u)
{
	if (u != NULL) {
		json_decref(u->root);
		free(u);
	}
}

int users_look(const struct users *u, struct accounts_store *s, bool *changed, struct err *e)
{
	return s->ops->look(s, &u->version, changed, e);
}

int users_load_files(int dir, struct users **out, struct err *e)
{
	struct accounts_store *s;
	int rc = accounts_files_open(dir, &s, e);

	if (rc == 0) {
		rc = users_load(s, out, e);
		s->ops->close(s);
	}
	return rc;
}

bool users_others_can_read(const struct users *u)
{
	return u->others_can_read;
}

bool users_known(const struct users *u, const char *name)
{
	return json_object_get(u->root, name) != NULL;
}

bool users_is_plain(const struct users *u, const char *name)
{
	return json_is_string(json_object_get(u->root, name));
}

static uint64_t limit_of(const json_t *account, const char *field)
{
	return (uint64_t)json_integer_value(json_object_get(account, field)); /* never negative */
}

void users_limits(const struct users *u, const char *name, uint64_t *messages, uint64_t *bytes)
{
	const json_t *account = json_object_get(u->root, name);

	*messages = limit_of(account, USERS_MAX_MESSAGES);
	*bytes = limit_of(account, USERS_MAX_BYTES);
}

/* --- passwords --- */

struct users_login {
	const void *password;
	size_t n;
	const struct users_turn *turn;
};

/* Equal passwords, in a time that tells neither's content. */
static bool plain_equal(const char *stored, size_t stored_n, const void *given, size_t n)
{
	uint8_t a[PASSWORD_MAX + 1] = {0}, b[PASSWORD_MAX + 1] = {0};
	bool same_length = stored_n == n, same; /* what is stored is never longer */

	memcpy(a, stored, stored_n);
	memcpy(b, given, n <= PASSWORD_MAX ? n : PASSWORD_MAX);
	same = ct_eq(a, b, sizeof a);
	wipe(a, sizeof a);
	wipe(b, sizeof b);
	return same && same_length;
}

/* The string that a refusal computes when the account has none of its own: the file's first. */
static const char *any_argon2(const struct users *u)
{
	const char *name, *phc;
	json_t *account;

	json_object_foreach(u->root, name, account)
	{
		phc = users_argon2(account);
		phc = phc != NULL ? phc : users_smtp_argon2(account);
		if (phc != NULL) {
			return phc;
		}
	}
	return NULL;
}

/* phc_text: the Argon2id string that counts; NULL: there is none, or the account is plain. own: the
 * account's password counts. Otherwise the same is computed, for nothing. */
static int check_password(const struct users *u, const json_t *account, const char *phc_text,
	bool own, const struct users_login *l, bool *ok, struct err *e)
{
	const char *plain = json_is_string(account) ? json_string_value(account) : "";
	bool plain_ok = plain_equal(plain, strlen(plain), l->password, l->n), phc_ok = false;
	struct password_phc phc;
	int rc;

	*ok = own && plain_ok && json_is_string(account) &&
	      l->n > 0; /* an empty one opens nothing */
	if (*ok) {
		return 0;
	}
	own = own && phc_text != NULL;
	phc_text = phc_text != NULL ? phc_text : any_argon2(u);
	if (phc_text == NULL) {
		return 0;
	}
	rc = password_parse(&phc, phc_text, strlen(phc_text), e);
	if (rc == 0) {
		if (l->turn != NULL) {
			l->turn->take(l->turn->arg);
		}
		rc = password_verify(
			&phc, l->password, l->n <= PASSWORD_MAX ? l->n : 0, &phc_ok, e);
		if (l->turn != NULL) {
			l->turn->give(l->turn->arg);
		}
	}
	*ok = own && phc_ok && l->n > 0 && l->n <= PASSWORD_MAX;
	wipe(&phc, sizeof phc);
	return rc;
}

static enum users_mode mode_of(const json_t *account)
{
	const char *text = json_string_value(json_object_get(account, USERS_MODE));

	return text == NULL ? USERS_BOTH : strcmp(text, "key") == 0 ? USERS_KEY : USERS_ENHANCED;
}

bool users_speaks_classic(const struct users *u, const char *name)
{
	const json_t *account = json_object_get(u->root, name);

	return mode_of(account) == USERS_BOTH &&
	       (json_is_string(account) || users_argon2(account) != NULL);
}

enum users_mail users_mail(const struct users *u, const char *name)
{
	return users_smtp_argon2(json_object_get(u->root, name)) != NULL ? USERS_MAIL_OWN
	       : users_speaks_classic(u, name)                           ? USERS_MAIL_ACCOUNT
									 : USERS_MAIL_NONE;
}

int64_t users_revoked_at(const struct users *u, const char *name)
{
	return json_integer_value(json_object_get(json_object_get(u->root, name), USERS_REVOKED));
}

int users_login(const struct users *u, const char *name, const void *password, size_t n,
	const struct users_turn *turn, bool *ok, struct err *e)
{
	const json_t *account = json_object_get(u->root, name);
	const struct users_login l = {.password = password, .n = n, .turn = turn};

	return check_password(
		u, account, users_argon2(account), mode_of(account) == USERS_BOTH, &l, ok, e);
}

int users_login_mail(const struct users *u, const char *name, const void *password, size_t n,
	const struct users_turn *turn, bool *ok, struct err *e)
{
	const json_t *account = json_object_get(u->root, name);
	const struct users_login l = {.password = password, .n = n, .turn = turn};
	enum users_mail by = users_mail(u, name);

	return check_password(u, account,
		by == USERS_MAIL_OWN ? users_smtp_argon2(account) : users_argon2(account),
		by != USERS_MAIL_NONE, &l, ok, e);
}

int users_check_password(const struct users *u, const char *name, const void *password, size_t n,
	const struct users_turn *turn, bool *ok, struct err *e)
{
	const json_t *account = json_object_get(u->root, name);
	const struct users_login l = {.password = password, .n = n, .turn = turn};

	return check_password(u, account, users_argon2(account), true, &l, ok, e);
}

/* --- keys and invitations --- */

/* The account's own key. false: it has none. */
static bool own_key(const json_t *account, uint8_t out[static X25519_BYTES])
{
	const char *text = json_string_value(json_object_get(account, USERS_KEY_FIELD));

	return text != NULL && base64_decode(out, X25519_BYTES, text, strlen(text)) == X25519_BYTES;
}

static bool key_file_counts(const json_t *account)
{
	return account != NULL && json_object_get(account, USERS_KEY_FIELD) == NULL &&
	       json_object_get(account, USERS_REVOKED) == NULL;
}

bool users_key_file_counts(const struct users *u, const char *name)
{
	return key_file_counts(json_object_get(u->root, name));
}

enum users_needs users_judge_key(const struct users *u, const char *name,
	const uint8_t key[static X25519_BYTES], const uint8_t *file_key)
{
	const json_t *account = json_object_get(u->root, name);
	uint8_t wanted[X25519_BYTES];
	bool known = own_key(account, wanted);

	if (file_key != NULL && key_file_counts(account)) {
		memcpy(wanted, file_key, sizeof wanted);
		known = true;
	}
	if (!known || !ct_eq(wanted, key, sizeof wanted)) {
		return USERS_REFUSED;
	}
	return mode_of(account) != USERS_KEY &&
			       (json_is_string(account) || users_argon2(account) != NULL)
		       ? USERS_PASSWORD_TOO
		       : USERS_KEY_IS_ENOUGH;
}

bool users_account_invited(
	const json_t *account, const uint8_t secret[static USERS_SECRET], int64_t now)
{
	const json_t *invitation = json_object_get(account, USERS_INVITATION);
	const char *hex = json_string_value(json_object_get(invitation, USERS_HASH));
	uint8_t wanted[HASH_BYTES], given[HASH_BYTES];

	hash_of(secret, USERS_SECRET, given);
	return hex != NULL && hex_decode(wanted, sizeof wanted, hex, strlen(hex)) == 0 &&
	       ct_eq(wanted, given, sizeof wanted) &&
	       json_integer_value(json_object_get(invitation, USERS_EXPIRES)) > now;
}

bool users_invited(const struct users *u, const char *name,
	const uint8_t secret[static USERS_SECRET], int64_t now)
{
	return users_account_invited(json_object_get(u->root, name), secret, now);
}

/* --- looking --- */

static struct users_row row_of(const char *name, const json_t *account)
{
	struct users_row row = {.name = name,
		.kind = json_is_string(account)         ? USERS_PLAIN
			: users_argon2(account) != NULL ? USERS_ARGON2ID
							: USERS_NO_PASSWORD,
		.mode = mode_of(account),
		.revoked = json_integer_value(json_object_get(account, USERS_REVOKED)),
		.invited_to = json_integer_value(
			json_object_get(json_object_get(account, USERS_INVITATION), USERS_EXPIRES)),
		.max_messages = limit_of(account, USERS_MAX_MESSAGES),
		.max_bytes = limit_of(account, USERS_MAX_BYTES),
		.smtp_password = users_smtp_argon2(account) != NULL,
		.mechanisms = users_mechanisms_of(account)};

	row.has_key = own_key(account, row.key);
	return row;
}

int users_each(
	const struct users *u, int (*visit)(void *arg, const struct users_row *row), void *arg)
{
	const char *name;
	json_t *account;
	int rc = 0;

	json_object_foreach(u->root, name, account)
	{
		const struct users_row row = row_of(name, account);
		rc = visit(arg, &row);
		if (rc != 0) {
			break;
		}
	}
	return rc;
}
