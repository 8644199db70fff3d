/* The accounts as a server and its sessions see them: read once, inherited, and followed. */
#include "accounts.h"

#include <sys/resource.h>

#include "../../proto/accounts_server.h"

static struct accounts server;

static void begin(const char *text)
{
	users_free(load(text));
	server = (struct accounts){.store = accounts, .dir = folder.fd};
	assert_int_equal(accounts_refresh(&server, NULL, &e), 0);
}

static void followed(void **state)
{
	struct accounts a;
	bool changed = true;

	(void)state;
	begin("{\"zoe\": \"x\", \"a\": {}}");
	a = accounts_inherit(&server);
	assert_ptr_equal(a.now, server.now); /* nothing is read */
	assert_int_equal(accounts_refresh(&a, &changed, &e), 0);
	assert_false(changed);
	assert_ptr_equal(a.now, server.now);
	assert_int_equal(users_add(accounts, "b", "x", 1, &e), 0);
	assert_false(users_known(a.now, "b")); /* not before it is asked */
	assert_int_equal(accounts_refresh(&a, &changed, &e), 0);
	assert_true(changed);
	assert_true(users_known(a.now, "b") && users_known(a.now, "zoe"));
	assert_int_equal(accounts_refresh(&a, &changed, &e), 0);
	assert_false(changed);
	accounts_close(&a);
	assert_true(users_known(server.now, "zoe")); /* what was inherited is not ours to free */
	accounts_close(&server);
}

static void damaged(void **state)
{
	bool changed;

	(void)state;
	begin("{\"a\": \"x\"}");
	put_text("{\"a\": \"x\"");
	assert_refused(accounts_refresh(&server, &changed, &e), e, EX_CONFIG);
	assert_null(server.now); /* nobody logs in by what it held before */
	assert_refused(accounts_refresh(&server, &changed, &e), e, EX_CONFIG);
	put_nothing();
	assert_refused(accounts_refresh(&server, &changed, &e), e, EX_NOINPUT);
	users_free(load("{\"b\": \"x\"}"));
	assert_int_equal(accounts_refresh(&server, &changed, &e), 0);
	assert_true(changed && users_known(server.now, "b"));
	accounts_close(&server);
}

static void who_may_stay(void **state)
{
	struct presence_who by_key = {.user = "k", .enhanced = true};
	struct presence_who by_password = {.user = "p"};
	bool changed;

	(void)state;
	begin("{\"k\": {\"x25519\": \"" KEY_1 "\"}, \"p\": \"secret\"}");
	memcpy(by_key.key, key_1, sizeof key_1);
	assert_true(accounts_allow(&server, &by_key));
	assert_true(accounts_allow(&server, &by_password));
	assert_int_equal(users_revoke(accounts, "k", NULL, &e), 0);
	assert_int_equal(users_revoke(accounts, "p", NULL, &e), 0);
	assert_int_equal(accounts_refresh(&server, &changed, &e), 0);
	assert_false(accounts_allow(&server, &by_key));
	assert_false(accounts_allow(&server, &by_password));
	/* let in again, but not who was shut out */
	assert_int_equal(users_passwd(accounts, "p", "secret", 6, &e), 0);
	assert_int_equal(users_set_key(accounts, "k", key_2, &e), 0);
	assert_int_equal(accounts_refresh(&server, &changed, &e), 0);
	assert_false(accounts_allow(&server, &by_password));
	assert_false(accounts_allow(&server, &by_key));
	by_password.revoked_at = users_revoked_at(server.now, "p");
	assert_true(accounts_allow(&server, &by_password));
	assert_int_equal(users_set_mode(accounts, "p", USERS_ENHANCED, &e), 0);
	assert_int_equal(accounts_refresh(&server, &changed, &e), 0);
	assert_false(accounts_allow(&server, &by_password));
	accounts_close(&server);
}

static bool stays(const struct presence_who *who)
{
	assert_int_equal(accounts_refresh(&server, NULL, &e), 0);
	return accounts_allow(&server, who);
}

/* Whose mail program logged in stays as long as that password is good for it. */
static void mail_programs(void **state)
{
	struct presence_who by_own = {.user = "k", .mail = USERS_MAIL_OWN};
	struct presence_who by_password = {.user = "p", .mail = USERS_MAIL_ACCOUNT};
	struct presence_who classic = {.user = "p"};

	(void)state;
	begin("{\"k\": {\"x25519\": \"" KEY_1 "\", \"mode\": \"key\"}, \"p\": \"secret\"}");
	assert_false(stays(&by_own));
	assert_true(stays(&by_password) && stays(&classic));
	assert_int_equal(users_set_smtp_password(accounts, "k", "x", 1, 0, &e), 0);
	assert_true(stays(&by_own));
	assert_int_equal(users_set_smtp_password(accounts, "k", "y", 1, USERS_CRAM_MD5, &e), 0);
	assert_true(stays(&by_own)); /* as with any other new password */
	assert_int_equal(users_set_mechanisms(accounts, "k", NULL, 0, 0, &e), 0);
	assert_false(stays(&by_own));
	assert_int_equal(users_set_smtp_password(accounts, "k", "x", 1, 0, &e), 0);
	assert_int_equal(users_revoke(accounts, "k", NULL, &e), 0);
	assert_false(stays(&by_own));
	assert_int_equal(users_set_smtp_password(accounts, "k", "x", 1, 0, &e), 0);
	assert_false(stays(&by_own)); /* let in again, but not who was shut out */
	by_own.revoked_at = users_revoked_at(server.now, "k");
	assert_true(stays(&by_own));
	/* one of its own takes the place of the account's, for mail programs alone */
	assert_int_equal(users_set_smtp_password(accounts, "p", "x", 1, 0, &e), 0);
	assert_false(stays(&by_password));
	assert_true(stays(&classic));
	assert_int_equal(users_set_mode(accounts, "p", USERS_ENHANCED, &e), 0);
	assert_false(stays(&classic));
	by_password.mail = USERS_MAIL_OWN;
	assert_true(stays(&by_password));
	assert_int_equal(users_set_mechanisms(accounts, "p", NULL, 0, 0, &e), 0);
	by_password.mail = USERS_MAIL_ACCOUNT;
	assert_false(stays(&by_password));
	accounts_close(&server);
}

/* A key that cannot be read just now is no wrong key. */
static void key_unreadable(void **state)
{
	struct rlimit limit, none;
	enum users_needs needs;

	(void)state;
	begin("{\"k\": {}}");
	assert_int_equal(accounts_judge_key(&server, "k", key_1, &needs, &e), 0);
	assert_int_equal(needs, USERS_REFUSED); /* there is no file */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	int rc = accounts_judge_key(&server, "k", key_1, &needs, &e);
	int unknown = accounts_judge_key(&server, "nobody", key_1, &needs, NULL);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(rc, -1);
	assert_int_equal(e.code, EX_TEMPFAIL);
	assert_int_equal(unknown, 0);
	assert_int_equal(needs, USERS_REFUSED);
	accounts_close(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_BOTH("a session inherits the accounts, and follows the file", followed),
		T_BOTH("a file that is damaged lets nobody in", damaged),
		T_BOTH("who was shut out may not stay, whoever is let in again", who_may_stay),
		T_BOTH("a mail program stays while its password is good for mail programs",
			mail_programs),
		T_BOTH("a key that cannot be read just now is not refused for good",
			key_unreadable),
	};
	return RUN(tests);
}
