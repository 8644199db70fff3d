/* What accounts have for SMTP; see user_smtp.h. */
#include "user_smtp.h"

#include "user_password.h"

static const struct {
	unsigned bit;
	const char *name; /* the registered one of SASL */
} names[] = {{USERS_CRAM_MD5, "CRAM-MD5"}, {USERS_SCRAM_SHA256, "SCRAM-SHA-256"}};

enum { NAMES = sizeof names / sizeof names[0] };

const char *user_smtp_column(const struct users_row *row)
{
	static const char *const columns[][4] = {{"-", "cram-md5", "scram", "cram-md5,scram"},
		{"own", "own,cram-md5", "own,scram", "own,cram-md5,scram"}};

	return columns[row->smtp_password ? 1 : 0][row->mechanisms];
}

void user_smtp_tell(const struct cli *c, const char *name, unsigned mechanisms)
{
	if ((mechanisms & USERS_CRAM_MD5) != 0) {
		cli_note(c,
			"for CRAM-MD5 the two states of HMAC-MD5 are stored: whoever reads "
			"user_pass.json can log in as %s by them, and guess at the password as "
			"fast as MD5 is computed",
			name);
	}
	if ((mechanisms & USERS_SCRAM_SHA256) != 0) {
		cli_note(c,
			"for SCRAM-SHA-256 a verifier is stored: whoever reads user_pass.json can "
			"guess at the password of %s faster than by its Argon2id string",
			name);
	}
}

struct wanted {
	const char *name;
	bool found;
	bool has_password; /* of the account */
	unsigned mechanisms;
	enum users_mail mail;
};

static int find_user(void *arg, const struct users_row *row)
{
	struct wanted *w = arg;

	if (strcmp(row->name, w->name) != 0) {
		return 0;
	}
	w->found = true;
	w->has_password = row->kind != USERS_NO_PASSWORD;
	w->mechanisms = row->mechanisms;
	return 1;
}

/* 0 with what the account has, and which password logs in; or -1. */
static int look(struct accounts_store *accounts, struct wanted *w, struct err *e)
{
	struct users *users;

	if (users_load(accounts, &users, e) != 0) {
		return -1;
	}
	(void)users_each(users, find_user, w);
	w->mail = users_mail(users, w->name);
	users_free(users);
	return w->found ? 0 : err_set(e, EX_NOUSER, "no such user: %.64s", w->name);
}

int user_smtp_show(
	const struct cli *c, struct accounts_store *accounts, const char *name, struct err *e)
{
	struct wanted w = {.name = name};
	const char *lead = " ";

	if (look(accounts, &w, e) != 0) {
		return -1;
	}
	(void)printf("%s:", name);
	for (size_t i = 0; i < NAMES; i++) {
		if ((w.mechanisms & names[i].bit) != 0) {
			(void)printf("%s%s", lead, names[i].name);
			lead = ", ";
		}
	}
	(void)printf("%s%s\n", w.mechanisms == 0 ? " none" : "",
		w.mail == USERS_MAIL_OWN ? "; mail programs have a password of their own" : "");
	if (w.mail == USERS_MAIL_NONE) {
		cli_note(c,
			"%s cannot log in by SMTP: that takes a password and mode both, or a "
			"password for mail programs alone (smtp361 user smtp %s --own)",
			name, name);
	}
	return 0;
}

/* Which password is no good for mail programs any more. */
static void tell_password(const struct cli *c, const struct wanted *before, bool own)
{
	if (own && before->mail == USERS_MAIL_ACCOUNT) {
		cli_note(c, "the password that %s had lets no mail program in any more",
			before->name);
	} else if (!own && before->mail == USERS_MAIL_OWN) {
		cli_note(c, "the password that %s's mail programs had is gone", before->name);
	}
}

/* Without a mechanism there is nothing to do with a password that the account has. */
static int set_by_account(struct accounts_store *accounts, const char *name, unsigned mechanisms,
	const char *password_file, struct err *e)
{
	uint8_t password[PASSWORD_MAX];
	size_t n;
	int rc;

	if (mechanisms == 0) {
		err_set(e, EX_USAGE, "%s has a password: what is this one for?", name);
		return err_hint(e, "--own makes it the one for mail programs alone");
	}
	rc = user_password_of(name, password_file, password, &n, e);
	rc = rc == 0 ? users_set_mechanisms(accounts, name, password, n, mechanisms, e) : rc;
	wipe(password, sizeof password);
	return rc;
}

static int set_own(struct accounts_store *accounts, const char *name, unsigned mechanisms,
	const char *password_file, struct err *e)
{
	uint8_t password[PASSWORD_MAX];
	size_t n;
	int rc = user_password_new(
		"New password for mail programs: ", password_file, password, &n, e);

	rc = rc == 0 ? users_set_smtp_password(accounts, name, password, n, mechanisms, e) : rc;
	wipe(password, sizeof password);
	return rc;
}

int user_smtp_set(const struct cli *c, struct accounts_store *accounts, const char *name,
	const struct user_smtp *wish, const char *password_file, struct err *e)
{
	struct wanted w = {.name = name};
	bool own;
	int rc;

	if (look(accounts, &w, e) != 0) { /* nobody is asked for nothing */
		return -1;
	}
	own = wish->own || (!wish->none && !w.has_password);
	if (wish->none) {
		rc = users_set_mechanisms(accounts, name, NULL, 0, 0, e);
	} else if (own) {
		rc = set_own(accounts, name, wish->mechanisms, password_file, e);
	} else {
		rc = set_by_account(accounts, name, wish->mechanisms, password_file, e);
	}
	if (rc != 0) {
		return -1;
	}
	tell_password(c, &w, own);
	user_smtp_tell(c, name, wish->mechanisms);
	return user_smtp_show(c, accounts, name, e);
}
