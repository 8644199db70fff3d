/* Keys, modes and passwords of accounts, changed: what each change does and leaves, beside others;
 * and the list of names that a session keeps. */
#include "accounts.h"

static bool login(const char *name, const char *password)
{
	struct users *u = reload();
	bool ok = false;

	assert_int_equal(
		users_check_password(u, name, password, strlen(password), NULL, &ok, &e), 0);
	users_free(u);
	return ok;
}

static void set_keys(void **state)
{
	(void)state;
	users_free(load("{\"a\": \"secret\", \"b\": {\"invitation\": {\"hash\": "
			"\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\", "
			"\"expires\": 5}}}"));
	assert_refused(users_set_key(accounts, "c", key_1, &e), e, EX_NOUSER);
	assert_int_equal(users_set_key(accounts, "a", key_1, &e), 0);
	assert_true(text_holds(KEY_1));
	assert_false(text_holds("\"secret\"")); /* the plain password was hashed on the way */
	assert_true(login("a", "secret"));
	assert_int_equal(judge("a", key_1, NULL), USERS_PASSWORD_TOO);
	assert_int_equal(users_set_key(accounts, "a", key_2, &e), 0);
	assert_int_equal(judge("a", key_1, key_1), USERS_REFUSED); /* nor its key file */
	assert_int_equal(judge("a", key_2, NULL), USERS_PASSWORD_TOO);
	assert_int_equal(users_set_key(accounts, "b", key_1, &e), 0);
	assert_int_equal(row_of("b").invited_to, 0); /* an invitation is not left beside it */
	assert_int_equal(judge("b", key_1, NULL), USERS_KEY_IS_ENOUGH);
}

static void set_modes(void **state)
{
	static const enum users_mode modes[] = {
		USERS_KEY, USERS_ENHANCED, USERS_ENHANCED, USERS_BOTH, USERS_KEY, USERS_BOTH};

	(void)state;
	users_free(load("{\"a\": \"secret\", \"b\": {\"x25519\": \"" KEY_1 "\"}}"));
	assert_refused(users_set_mode(accounts, "c", USERS_KEY, &e), e, EX_NOUSER);
	for (size_t i = 0; i < COUNT(modes); i++) {
		for (char name[] = "a"; name[0] <= 'b'; name[0]++) {
			assert_int_equal(users_set_mode(accounts, name, modes[i], &e), 0);
			assert_int_equal(row_of(name).mode, modes[i]);
		}
		assert_true(login("a", "secret"));
		assert_int_equal(judge("b", key_1, NULL), USERS_KEY_IS_ENOUGH);
	}
	assert_false(text_holds("\"mode\"")); /* both protocols: the field is gone */
}

static void revoked(void **state)
{
	(void)state;
	users_free(
		load("{\"a\": \"secret\", \"b\": {\"password\": \"" PHC "\", \"x25519\": \"" KEY_1
		     "\", \"mode\": \"enhanced\", \"note\": 2.5, \"invitation\": {\"hash\": "
		     "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\", "
		     "\"expires\": 5}}, \"c\": {}, \"d\": \"pass\"}"));
	assert_refused(users_revoke(accounts, "e", NULL, &e), e, EX_NOUSER);
	for (char name[] = "a"; name[0] <= 'c'; name[0]++) {
		assert_int_equal(users_revoke(accounts, name, NULL, &e), 0);
		assert_int_equal(users_revoke(accounts, name, NULL, &e), 0); /* twice is once */
		assert_true(row_of(name).revoked != 0);
		assert_false(row_of(name).has_key);
		assert_int_equal(row_of(name).kind, USERS_NO_PASSWORD);
		assert_int_equal(row_of(name).invited_to, 0);
		assert_int_equal(judge(name, key_1, key_1), USERS_REFUSED);
		assert_false(login(name, "secret"));
		assert_false(login(name, ""));
	}
	assert_int_equal(row_of("b").mode, USERS_ENHANCED);
	assert_true(text_holds("2.5"));
	assert_true(login("d", "pass"));
	assert_int_equal(users_set_key(accounts, "a", key_2, &e), 0); /* a new key counts again */
	assert_int_equal(judge("a", key_2, NULL), USERS_KEY_IS_ENOUGH);
	assert_int_equal(judge("a", key_1, key_1), USERS_REFUSED);
	assert_int_equal(users_passwd(accounts, "b", "new", 3, &e), 0); /* a password alone not */
	assert_true(login("b", "new"));
	assert_int_equal(judge("b", key_1, key_1), USERS_REFUSED);
}

static void revoked_keys_stay_out(void **state)
{
	(void)state;
	users_free(load("{\"a\": {\"x25519\": \"" KEY_1 "\"}}"));
	assert_int_equal(users_revoke(accounts, "a", key_2, &e), 0); /* key_2: in the key file */
	assert_refused(users_set_key(accounts, "a", key_1, &e), e, EX_NOPERM);
	assert_refused(users_set_key(accounts, "a", key_2, &e), e, EX_NOPERM);
	assert_int_equal(users_invite(accounts, "a", secret_1, 1 << 30, &e), 0);
	assert_refused(users_join(accounts, "a", secret_1, 5, key_1, &e), e, EX_NOPERM);
	assert_int_equal(judge("a", key_1, key_1), USERS_REFUSED);
	assert_true(row_of("a").invited_to != 0); /* it still stands, for another key */
	assert_int_equal(users_revoke(accounts, "a", key_2, &e), 0); /* twice is once */
	assert_false(text_holds(KEY_1 "\",\n            \"" KEY_1));
}

/* What users_limits says, and that the list says the same. */
static void assert_limits(const char *name, uint64_t messages, uint64_t bytes)
{
	struct users *u = reload();
	uint64_t m = 1, b = 1;

	users_limits(u, name, &m, &b);
	users_free(u);
	assert_true(m == messages && b == bytes);
	assert_true(row_of(name).max_messages == m && row_of(name).max_bytes == b);
}

static void set_limits(void **state)
{
	const uint64_t none = 0, few = 5, many = INT64_MAX, too_many = (uint64_t)INT64_MAX + 1;
	struct users *u = load("{\"a\": {\"max_messages\": 0, \"max_bytes\": 9, \"note\": 2.5}, "
			       "\"p\": \"secret\"}");
	uint64_t m = 1, b = 1;

	(void)state;
	users_limits(u, "nobody", &m, &b);
	assert_true(m == 0 && b == 0);
	users_free(u);
	assert_limits("a", 0, 9);
	assert_limits("p", 0, 0);
	assert_refused(users_set_limits(accounts, "nobody", &few, &few, &e), e, EX_NOUSER);
	assert_refused(users_set_limits(accounts, "a", &too_many, &few, &e), e, EX_DATAERR);
	assert_refused(users_set_limits(accounts, "a", &few, &too_many, &e), e, EX_DATAERR);
	assert_limits("a", 0, 9);
	assert_int_equal(users_set_limits(accounts, "a", &few, NULL, &e), 0);
	assert_limits("a", 5, 9);
	assert_int_equal(users_set_limits(accounts, "a", NULL, &many, &e), 0);
	assert_limits("a", 5, INT64_MAX);
	assert_int_equal(users_set_limits(accounts, "a", NULL, NULL, &e), 0);
	assert_limits("a", 5, INT64_MAX);
	assert_int_equal(users_set_limits(accounts, "a", &none, NULL, &e), 0);
	assert_limits("a", 0, INT64_MAX);
	assert_int_equal(users_set_limits(accounts, "a", &none, &none, &e), 0);
	assert_false(text_holds("max_")); /* none: the fields are gone */
	assert_true(text_holds("2.5"));
	assert_int_equal(users_set_limits(accounts, "p", &few, &few, &e), 0);
	assert_true(login("p", "secret"));
	assert_false(text_holds("\"secret\""));
	assert_int_equal(users_revoke(accounts, "p", NULL, &e), 0);
	assert_limits("p", 5, 5); /* it is the mailbox's, and that stays */
}

static void upgraded(void **state)
{
	static const char before[] = "{\"a\": \"secret\", \"b\": {\"password\": \"" PHC "\"}}";
	static const struct {
		const char *name, *password;
		size_t n;
	} other[] = {{"a", "secreT", 6}, {"a", "secret", 5}, {"a", "secret\0", 7}, {"a", "", 0},
		{"b", "secret", 6}, {"c", "secret", 6}};

	(void)state;
	users_free(load(before));
	for (size_t i = 0; i < COUNT(other); i++) { /* changed since: it is somebody else's now */
		assert_int_equal(
			users_upgrade(accounts, other[i].name, other[i].password, other[i].n, &e),
			0);
		assert_text(before);
	}
	assert_int_equal(users_upgrade(accounts, "a", "secret", 6, &e), 0);
	assert_false(text_holds("\"secret\""));
	assert_true(login("a", "secret"));
	assert_int_equal(row_of("a").kind, USERS_ARGON2ID);
	assert_int_equal(users_upgrade(accounts, "a", "secret", 6, &e), 0);
	put_nothing();
	assert_refused(users_upgrade(accounts, "a", "secret", 6, &e), e, EX_NOINPUT);
}

/* --- what is not ours --- */

static int change_one(int how, const char *name)
{
	size_t n;

	switch (how) {
	case 0:
		return users_set_key(accounts, name, key_2, &e);
	case 1:
		return users_set_mode(accounts, name, USERS_KEY, &e);
	case 2:
		return users_invite(accounts, name, secret_1, 1 << 30, &e);
	case 3:
		return users_join(accounts, name, secret_1, 5, key_1, &e);
	case 4:
		return users_passwd(accounts, name, "x", 1, &e);
	case 5:
		return users_harden(accounts, &n, &e);
	case 6:
		return users_revoke(accounts, name, NULL, &e);
	case 7:
		return users_set_limits(accounts, name, &(uint64_t){1}, &(uint64_t){0}, &e);
	default:
		return users_upgrade(accounts, "plain", "secret", 6, &e);
	}
}

static void fields_survive(void **state)
{
	static const char *const ours[] = {"\"note\": \"k\xc3\xa9"
					   "ep\"",
		"\"Mode\": 7", "\"X25519\": null", "9007199254740993", "2.5", "\"deep\": true",
		"\"reason\": \"\\u001B\""};

	(void)state;
	users_free(load("{\"plain\": \"secret\", \"a\": {\"note\": \"k\\u00e9ep\", \"Mode\": 7, "
			"\"X25519\": null, \"list\": [9007199254740993, 2.5, {\"deep\": true}], "
			"\"reason\": \"\\u001B\", \"\": 1}, \"last\": {}}"));
	for (int how = 0; how <= 8; how++) {
		if (change_one(how, "a") != 0) {
			fail_msg("change %d: %s", how, e.text);
		}
		for (size_t i = 0; i < COUNT(ours); i++) {
			if (!text_holds(ours[i])) {
				fail_msg("change %d lost %s", how, ours[i]);
			}
		}
		assert_true(text_holds("\"last\": {}"));
	}
	assert_tidy();
}

/* --- at once --- */

enum { WRITERS = 16, ROUNDS = 5 };

static int change_own(int i)
{
	char name[32];

	(void)snprintf(name, sizeof name, "w%d", i);
	for (int k = 0; k < ROUNDS; k++) {
		if (users_invite(accounts, name, secret_1, 1 << 30, &e) != 0 ||
			users_join(accounts, name, secret_1, 5, key_1, &e) != 0 ||
			users_set_mode(accounts, name, USERS_KEY, &e) != 0 ||
			users_set_key(accounts, name, key_2, &e) != 0 ||
			(i % 4 == 3 && k == ROUNDS - 1 &&
				users_revoke(accounts, name, NULL, &e) != 0)) {
			(void)fprintf(stderr, "%s\n", e.text);
			return 1;
		}
	}
	return 0;
}

static void writers_lose_nothing(void **state)
{
	char name[32];

	(void)state;
	users_free(load("{\"first\": {\"note\": 2.5}}"));
	run_children(WRITERS, change_own);
	for (int i = 0; i < WRITERS; i++) {
		(void)snprintf(name, sizeof name, "w%d", i);
		assert_int_equal(row_of(name).mode, USERS_KEY);
		assert_true(row_of(name).revoked != 0); /* an invited account has no key file */
		assert_int_equal(row_of(name).invited_to, 0);
		assert_int_equal(
			judge(name, key_2, NULL), i % 4 == 3 ? USERS_REFUSED : USERS_KEY_IS_ENOUGH);
	}
	assert_true(text_holds("2.5"));
	assert_tidy();
}

/* Whoever reads meanwhile reads the file before a change or behind it. */
static int read_meanwhile(int i)
{
	struct users *u;

	if (i % 2 == 0) {
		return change_own(i);
	}
	for (int k = 0; k < 100; k++) {
		if (users_load(accounts, &u, &e) != 0) {
			(void)fprintf(stderr, "%s\n", e.text);
			return 1;
		}
		if (!users_known(u, "first")) {
			return 2;
		}
		users_free(u);
	}
	return 0;
}

static void readers_see_wholes(void **state)
{
	(void)state;
	users_free(load("{\"first\": {}}"));
	run_children(WRITERS, read_meanwhile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_BOTH("a key that is set is the only one", set_keys),
		T_BOTH("a mode is set and read back, and changes nothing else", set_modes),
		T_BOTH("a revoked account has nothing left to log in with", revoked),
		T_BOTH("a revoked key is never registered again", revoked_keys_stay_out),
		T_BOTH("limits are set and taken away, each alone", set_limits),
		T_BOTH("a plain password is upgraded while it is that one", upgraded),
		T_BOTH("fields that are not known survive each change", fields_survive),
		T_BOTH("sixteen writers at once lose nothing", writers_lose_nothing),
		T_BOTH("readers beside them see whole files", readers_see_wholes),
	};
	return RUN(tests);
}
