/* A password for mail programs alone: who logs in by SMTP with it, that it opens nothing else, and
 * what changes it. */
#include "accounts.h"

/* RFC 7677's verifier, and any 32 bytes */
#define SCRAM_FIELD                                    \
	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define MECHANISMS "\"cram_md5\": \"" KEY_1 "\", \"scram_sha256\": \"" SCRAM_FIELD "\""

/* The password is "mailing". */
#define MAIL_PHC                                             \
	"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" \
	"SS2xPtIVKontC904Nyd6Wu44fNdsn5nKCn7BReQYCmo"

static const unsigned both = USERS_CRAM_MD5 | USERS_SCRAM_SHA256;

/* --- logging in --- */

static int turns, computed;

static void take_turn(void *arg)
{
	assert_ptr_equal(arg, &turns);
	assert_int_equal(turns++, 0);
	computed++;
}

static void give_turn(void *arg)
{
	(void)arg;
	assert_int_equal(--turns, 0);
}

static const struct users_turn turn = {.take = take_turn, .give = give_turn, .arg = &turns};

static bool opens(const struct users *u, const char *name, const char *password)
{
	bool ok = true;

	computed = 0;
	assert_int_equal(users_login_mail(u, name, password, strlen(password), &turn, &ok, &e), 0);
	assert_int_equal(turns, 0);
	return ok;
}

/* An account, by its parts. */
struct parts {
	int password; /* enum users_kind */
	int mode;     /* enum users_mode */
	int mail;     /* has it one for mail programs alone? */
};

static void write_account(const struct parts *p)
{
	static const char *const modes[] = {"", ", \"mode\": \"enhanced\"", ", \"mode\": \"key\""};
	char text[1200];

	if (p->password == USERS_PLAIN) {
		put_text("{\"a\": \"secret\", \"other\": {\"smtp_password\": \"" MAIL_PHC "\"}}");
		return;
	}
	(void)snprintf(text, sizeof text,
		"{\"a\": {\"x25519\": \"" KEY_1 "\", " MECHANISMS "%s%s%s}, "
		"\"other\": {\"smtp_password\": \"" MAIL_PHC "\"}}",
		modes[p->mode], p->password == USERS_ARGON2ID ? ", \"password\": \"" PHC "\"" : "",
		p->mail ? ", \"smtp_password\": \"" MAIL_PHC "\"" : "");
	put_text(text);
}

/* The rule, as users.h has it in words. */
static enum users_mail rule(const struct parts *p)
{
	return p->mail                                                     ? USERS_MAIL_OWN
	       : p->mode == USERS_BOTH && p->password != USERS_NO_PASSWORD ? USERS_MAIL_ACCOUNT
									   : USERS_MAIL_NONE;
}

static void check_account(const struct parts *p)
{
	static const uint8_t decoy_key[SCRAM_KEY] = {5};
	enum users_mail by = rule(p);
	struct cram_states states;
	struct scram_verifier v;
	struct users *u;
	bool ok;

	write_account(p);
	u = reload();
	if (users_mail(u, "a") != by || opens(u, "a", "secret") != (by == USERS_MAIL_ACCOUNT) ||
		opens(u, "a", "mailing") != (by == USERS_MAIL_OWN)) {
		fail_msg("password %d mode %d mail %d: %d", p->password, p->mode, p->mail,
			(int)users_mail(u, "a"));
	}
	if (p->password != USERS_PLAIN) {
		assert_true(users_cram(u, "a", &states) == (by != USERS_MAIL_NONE));
		assert_true(users_scram(u, "a", decoy_key, &v) == (by != USERS_MAIL_NONE));
		assert_true(((users_any_mechanism(u) & USERS_CRAM_MD5) != 0) ==
			    (by != USERS_MAIL_NONE));
		/* the other wires are as they are without it */
		assert_int_equal(users_judge_key(u, "a", key_1, NULL),
			p->password == USERS_NO_PASSWORD || p->mode == USERS_KEY
				? USERS_KEY_IS_ENOUGH
				: USERS_PASSWORD_TOO);
	}
	assert_true(users_speaks_classic(u, "a") ==
		    (p->mode == USERS_BOTH && p->password != USERS_NO_PASSWORD));
	assert_int_equal(users_login(u, "a", "mailing", 7, NULL, &ok, &e), 0);
	assert_false(ok);
	assert_int_equal(users_check_password(u, "a", "mailing", 7, NULL, &ok, &e), 0);
	assert_false(ok);
	assert_int_equal(users_check_password(u, "a", "secret", 6, NULL, &ok, &e), 0);
	assert_true(ok == (p->password != USERS_NO_PASSWORD));
	users_free(u);
	assert_true(row_of("a").smtp_password == (p->mail != 0));
}

static void every_account(void **state)
{
	static const struct parts plain = {.password = USERS_PLAIN};

	(void)state;
	for (int i = 0; i < 2 * 3 * 2; i++) {
		const struct parts p = {.password = i % 2 ? USERS_ARGON2ID : USERS_NO_PASSWORD,
			.mode = i / 2 % 3,
			.mail = i / 6};
		check_account(&p);
	}
	check_account(&plain);
}

/* Every refusal computes as much as a right password that is hashed. */
static void same_work(void **state)
{
	static const struct {
		const char *name, *password;
		int work;
	} rows[] = {{"plain", "pass", 0}, {"plain", "wrong", 1}, {"none", "x", 1},
		{"unknown", "x", 1}, {"", "", 1}, {"mail", "x", 1}, {"mail", "", 1},
		{"mail", "mailing", 1}, {"key", "x", 1}, {"key", "secret", 1}, {"two", "secret", 1},
		{"two", "mailing", 1}};
	struct users *u = load("{\"plain\": \"pass\", \"none\": {}, \"mail\": {\"smtp_password\": "
			       "\"" MAIL_PHC "\"}, \"key\": {\"mode\": \"key\", \"password\": "
			       "\"" PHC "\"}, \"two\": {\"password\": \"" PHC
			       "\", \"smtp_password\": \"" MAIL_PHC "\"}}");
	bool ok;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		bool right = strcmp(rows[i].password, "mailing") == 0 || rows[i].work == 0;
		if (opens(u, rows[i].name, rows[i].password) != right || computed != rows[i].work) {
			fail_msg("%s, %s: %d computed", rows[i].name, rows[i].password, computed);
		}
	}
	users_free(u);
	/* the only string there is, and it is for mail programs: the classic protocol's refusals
	 * compute it, too */
	u = load("{\"mail\": {\"smtp_password\": \"" MAIL_PHC "\"}}");
	for (int i = 0; i < 2; i++) {
		computed = 0;
		assert_int_equal(
			users_login(u, i == 0 ? "mail" : "unknown", "mailing", 7, &turn, &ok, &e),
			0);
		assert_false(ok);
		assert_int_equal(computed, 1);
	}
	users_free(u);
}

/* --- changing --- */

static int set(const char *name, const char *password, unsigned mechanisms)
{
	return users_set_smtp_password(accounts, name, password, strlen(password), mechanisms, &e);
}

/* By SMTP this password alone logs in, PLAIN and by exactly these mechanisms. */
static void assert_mail(
	const char *name, enum users_mail by, const char *password, unsigned mechanisms)
{
	static const uint8_t decoy_key[SCRAM_KEY] = {5};
	struct cram_states states, wanted_states;
	struct scram_verifier v, wanted;
	struct users *u = reload();

	assert_int_equal(users_mail(u, name), by);
	assert_true(opens(u, name, password));
	assert_int_equal(row_of(name).mechanisms, mechanisms);
	if ((mechanisms & USERS_CRAM_MD5) != 0) {
		cram_states_of(password, strlen(password), &wanted_states);
		assert_true(users_cram(u, name, &states));
		assert_memory_equal(&states, &wanted_states, sizeof states);
	}
	if ((mechanisms & USERS_SCRAM_SHA256) != 0) {
		assert_true(users_scram(u, name, decoy_key, &v));
		assert_int_equal(scram_make(password, strlen(password), v.salt, v.salt_n,
					 v.iterations, &wanted),
			0);
		assert_memory_equal(v.stored_key, wanted.stored_key, SCRAM_KEY);
	}
	users_free(u);
}

static void set_and_taken(void **state)
{
	char long_one[1025];

	(void)state;
	put_text("{\"a\": {\"x25519\": \"" KEY_1 "\", \"note\": 2.5}, \"p\": \"plain word\"}");
	assert_int_equal(set("a", "mailing", both), 0);
	assert_mail("a", USERS_MAIL_OWN, "mailing", both);
	assert_int_equal(judge("a", key_1, NULL), USERS_KEY_IS_ENOUGH);
	assert_true(text_holds("2.5") && text_holds("$argon2id$v=19$m=19456,t=2,p=1$"));
	assert_false(text_holds("mailing"));
	assert_int_equal(row_of("a").kind, USERS_NO_PASSWORD);
	assert_int_equal(set("a", "another", USERS_CRAM_MD5), 0);
	assert_mail("a", USERS_MAIL_OWN, "another", USERS_CRAM_MD5);
	assert_int_equal(set("a", "a third", 0), 0);
	assert_mail("a", USERS_MAIL_OWN, "a third", 0);
	assert_int_equal(users_set_mechanisms(accounts, "a", NULL, 0, 0, &e), 0);
	assert_false(text_holds("smtp_password"));
	assert_int_equal(row_of("a").mechanisms, 0);
	assert_int_equal(set("p", "mailing", 0), 0); /* beside a plain one, which is hardened */
	assert_mail("p", USERS_MAIL_OWN, "mailing", 0);
	assert_false(text_holds("plain word"));
	assert_int_equal(row_of("p").kind, USERS_ARGON2ID);
	assert_private();
	memset(long_one, 'x', sizeof long_one);
	assert_int_equal(users_set_smtp_password(accounts, "a", long_one, 1024, 0, &e), 0);
	assert_refused(
		users_set_smtp_password(accounts, "a", long_one, 1025, 0, &e), e, EX_DATAERR);
	assert_refused(set("a", "", 0), e, EX_DATAERR);
	assert_refused(set("nobody", "x", 0), e, EX_NOUSER);
	assert_tidy();
}

/* The account's own password and this one leave each other alone. */
static void other_changes(void **state)
{
	size_t n;

	(void)state;
	put_text("{\"a\": {\"password\": \"" PHC "\"}, \"p\": \"plain\"}");
	assert_int_equal(set("a", "mailing", both), 0);
	assert_int_equal(users_passwd(accounts, "a", "second", 6, &e), 0);
	assert_mail("a", USERS_MAIL_OWN, "mailing", both);
	assert_refused(
		users_passwd_with(accounts, "a", "third", 5, USERS_CRAM_MD5, &e), e, EX_USAGE);
	assert_contains(e.text, "smtp a --own");
	assert_int_equal(users_harden(accounts, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_int_equal(users_set_mode(accounts, "a", USERS_KEY, &e), 0);
	assert_int_equal(users_invite(accounts, "a", secret_1, 100, &e), 0);
	assert_int_equal(users_join(accounts, "a", secret_1, 5, key_2, &e), 0);
	assert_mail("a", USERS_MAIL_OWN, "mailing", both);
	assert_int_equal(users_set_mode(accounts, "a", USERS_BOTH, &e), 0);
	/* back to the account's own */
	assert_refused(users_set_mechanisms(accounts, "a", "mailing", 7, USERS_CRAM_MD5, &e), e,
		EX_NOPERM);
	assert_mail("a", USERS_MAIL_OWN, "mailing", both);
	assert_int_equal(users_set_mechanisms(accounts, "a", "second", 6, USERS_CRAM_MD5, &e), 0);
	assert_mail("a", USERS_MAIL_ACCOUNT, "second", USERS_CRAM_MD5);
	assert_false(text_holds("smtp_password"));
	assert_int_equal(set("a", "mailing", both), 0);
	assert_int_equal(users_revoke(accounts, "a", NULL, &e), 0);
	assert_false(text_holds("smtp_password") || text_holds("cram") || text_holds("scram"));
}

static void damaged(void **state)
{
	static const char *const wrong[] = {"5", "null", "{}", "\"\"", "\"mailing\"",
		"\"$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$"
		"+c6q23sQwLpOH1shdbgrn6Ho39DyRbsdY34ab5ZO+fs\"",
		"\"" PHC "!\""};
	char text[512], where[64];
	struct users *u;

	(void)state;
	(void)snprintf(where, sizeof where, "%s:3: user \"b\": ", accounts->name);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		(void)snprintf(text, sizeof text,
			"{\n\"a\": \"x\",\n\"b\": {\"smtp_password\": %s}\n}", wrong[i]);
		put_text(text);
		assert_refused(users_load(accounts, &u, &e), e, EX_CONFIG);
		assert_contains(e.text, where);
		assert_contains(e.text, "smtp_password");
		assert_refused(set("b", "x", 0), e, EX_CONFIG);
		assert_text(text);
	}
}

/* The strings that were to be written, while somebody else was faster twice. */
static char tried[3][160];
static size_t tries;

static int replace_late(struct accounts_store *s, const void *p, size_t n,
	const struct accounts_version *expected, bool *stale, struct err *err)
{
	const char *field = memmem(p, n, "$argon2id$", 10);

	assert_non_null(field);
	assert_true(tries < COUNT(tried));
	(void)snprintf(tried[tries], sizeof tried[0], "%.*s", (int)strcspn(field, "\""), field);
	if (++tries < COUNT(tried)) {
		struct buf now = {0};
		get(&now);
		put(now.p, now.n);
		buf_free(&now);
	}
	return memory_replace(s, p, n, expected, stale, err);
}

static void made_once(void **state)
{
	const struct accounts_ops *ops = accounts->ops;
	struct accounts_ops late = *ops;

	(void)state;
	put_text("{\"a\": {}}");
	late.replace = replace_late;
	accounts->ops = &late;
	tries = 0;
	assert_int_equal(set("a", "mailing", USERS_CRAM_MD5), 0);
	accounts->ops = ops;
	assert_int_equal(tries, COUNT(tried));
	assert_string_equal(tried[0], tried[1]); /* the salt is fresh whenever it is made */
	assert_string_equal(tried[0], tried[2]);
	assert_mail("a", USERS_MAIL_OWN, "mailing", USERS_CRAM_MD5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_BOTH("one password logs in by SMTP, and it opens nothing else, for every account",
			every_account),
		T_BOTH("unknown, wrong and absent passwords compute alike", same_work),
		T_BOTH("it is set, with exactly its mechanisms, and taken away", set_and_taken),
		T_BOTH("other changes leave it alone, and revoking takes it away", other_changes),
		T_BOTH("a damaged field is refused, with its line", damaged),
		T_MEMORY("a change that is tried again makes it once", made_once),
	};
	return RUN(tests);
}
