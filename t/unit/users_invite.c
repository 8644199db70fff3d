/* Invitations: who may enrol, when, how often, and what becomes of the account. */
#include "accounts.h"

enum { NOW = 1800000000 };

static int join(const char *name, const uint8_t *secret, int64_t now, const uint8_t *key)
{
	return users_join(accounts, name, secret, now, key, &e);
}

static void invite(const char *name, const uint8_t *secret)
{
	if (users_invite(accounts, name, secret, NOW + 60, &e) != 0) {
		fail_msg("%s", e.text);
	}
}

static void joined(void **state)
{
	(void)state;
	invite("a", secret_1); /* makes the file, and the account */
	assert_private();
	assert_int_equal(row_of("a").invited_to, NOW + 60);
	assert_int_equal(row_of("a").kind, USERS_NO_PASSWORD);
	assert_int_equal(judge("a", key_1, NULL), USERS_REFUSED);
	assert_true(invited("a", secret_1, NOW));
	assert_int_equal(join("a", secret_1, NOW, key_1), 0);
	assert_int_equal(row_of("a").invited_to, 0);
	assert_int_equal(judge("a", key_1, NULL), USERS_KEY_IS_ENOUGH);
	assert_int_equal(judge("a", key_2, key_2), USERS_REFUSED); /* a key file no longer counts */
	assert_false(invited("a", secret_1, NOW));
	assert_refused(join("a", secret_1, NOW, key_2), e, EX_NOPERM); /* used */
	assert_refused(join("a", secret_1, NOW, key_1), e, EX_NOPERM);
	assert_int_equal(judge("a", key_1, NULL), USERS_KEY_IS_ENOUGH);
	assert_tidy();
}

static void secret_not_kept(void **state)
{
	char hex[2 * USERS_SECRET + 1], base64[32];

	(void)state;
	invite("a", secret_1);
	hex_encode(hex, secret_1, USERS_SECRET);
	(void)base64url_encode(base64, secret_1, USERS_SECRET);
	assert_false(text_holds(hex));
	assert_false(text_holds(base64));
	assert_false(text_holds("0123456789abcdef"));
}

static void expired(void **state)
{
	(void)state;
	invite("a", secret_1);
	assert_true(invited("a", secret_1, NOW + 59));
	assert_false(invited("a", secret_1, NOW + 60));
	assert_false(invited("a", secret_1, NOW + 61));
	assert_refused(join("a", secret_1, NOW + 60, key_1), e, EX_NOPERM);
	assert_refused(join("a", secret_1, INT64_MAX, key_1), e, EX_NOPERM);
	assert_int_equal(row_of("a").invited_to, NOW + 60); /* it is left as it was */
	assert_int_equal(join("a", secret_1, NOW + 59, key_1), 0);
}

static void wrong_secret(void **state)
{
	uint8_t secret[USERS_SECRET];

	(void)state;
	invite("a", secret_1);
	for (size_t i = 0; i < 8 * sizeof secret; i++) {
		memcpy(secret, secret_1, sizeof secret);
		secret[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_false(invited("a", secret, NOW));
		assert_refused(join("a", secret, NOW, key_1), e, EX_NOPERM);
	}
	assert_int_equal(row_of("a").has_key, false);
	assert_int_equal(join("a", secret_1, NOW, key_1), 0);
}

static void another_user(void **state)
{
	(void)state;
	invite("a", secret_1);
	assert_int_equal(users_add(accounts, "b", "x", 1, &e), 0);
	static const char *const others[] = {"b", "c", "", "A", "a ", "../a"};
	for (size_t i = 0; i < COUNT(others); i++) {
		assert_false(invited(others[i], secret_1, NOW));
		assert_refused(join(others[i], secret_1, NOW, key_1), e, EX_NOPERM);
	}
	assert_int_equal(judge("b", key_1, NULL), USERS_REFUSED);
	assert_true(invited("a", secret_1, NOW));
}

static void replaced(void **state)
{
	(void)state;
	invite("a", secret_1);
	invite("a", secret_2);
	assert_false(invited("a", secret_1, NOW));
	assert_refused(join("a", secret_1, NOW, key_1), e, EX_NOPERM);
	assert_int_equal(join("a", secret_2, NOW, key_1), 0);
	invite("a", secret_1); /* a second device, or a lost one: the first key goes */
	assert_int_equal(judge("a", key_1, NULL), USERS_KEY_IS_ENOUGH);
	assert_int_equal(join("a", secret_1, NOW, key_2), 0);
	assert_int_equal(judge("a", key_1, key_1), USERS_REFUSED);
	assert_int_equal(judge("a", key_2, NULL), USERS_KEY_IS_ENOUGH);
}

/* What the account has beside stays: its password, its mode, and what is not ours. */
static void what_stays(void **state)
{
	struct users *u;
	bool ok = false;

	(void)state;
	users_free(load("{\"p\": \"secret\", \"h\": {\"password\": \"" PHC "\", \"mode\": "
			"\"enhanced\", \"note\": [1.5]}, \"other\": \"pass\"}"));
	invite("p", secret_1);
	invite("h", secret_1);
	assert_false(text_holds("\"secret\"")); /* a plain password became a hash */
	assert_true(text_holds("\"other\": \"pass\""));
	assert_int_equal(join("p", secret_1, NOW, key_1), 0);
	assert_int_equal(join("h", secret_1, NOW, key_1), 0);
	assert_int_equal(judge("p", key_1, NULL), USERS_PASSWORD_TOO);
	assert_int_equal(judge("h", key_1, NULL), USERS_PASSWORD_TOO);
	assert_int_equal(row_of("h").mode, USERS_ENHANCED);
	assert_true(text_holds("1.5"));
	u = reload();
	assert_int_equal(users_login(u, "p", "secret", 6, NULL, &ok, &e), 0);
	assert_true(ok);
	users_free(u);
}

static void after_revoking(void **state)
{
	(void)state;
	users_free(load("{\"a\": {\"x25519\": \"" KEY_1 "\"}}"));
	invite("a", secret_1);
	assert_int_equal(users_revoke(accounts, "a", NULL, &e), 0);
	assert_refused(join("a", secret_1, NOW, key_2), e, EX_NOPERM); /* it went as well */
	invite("a", secret_2);
	assert_int_equal(join("a", secret_2, NOW, key_2), 0);
	assert_int_equal(judge("a", key_2, key_1), USERS_KEY_IS_ENOUGH);
	assert_int_equal(judge("a", key_1, key_1), USERS_REFUSED);
}

static int join_at_once(int i)
{
	uint8_t key[X25519_BYTES];

	memset(key, i + 1, sizeof key);
	if (join("a", secret_1, NOW, key) == 0) {
		int fd = openat(folder.fd, "won", O_WRONLY | O_CREAT | O_APPEND, 0600);
		uint8_t mine = (uint8_t)(i + 1);
		(void)!write(fd, &mine, 1);
		(void)close(fd);
		return 0;
	}
	return e.code == EX_NOPERM ? 0 : 1;
}

static void one_of_sixteen(void **state)
{
	struct buf b = {0};

	(void)state;
	invite("a", secret_1);
	run_children(16, join_at_once);
	slurp("won", &b);
	assert_int_equal(b.n, 1);
	assert_int_equal(row_of("a").key[0], b.p[0]); /* and it is the winner's key */
	buf_free(&b);
}

static void no_file(void **state)
{
	(void)state;
	assert_refused(join("a", secret_1, NOW, key_1), e, EX_NOINPUT);
	assert_int_equal(count_names("."), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_BOTH("an invitation is good for one key, once", joined),
		T_BOTH("its secret is not in the file", secret_not_kept),
		T_BOTH("from its expiry on it is none", expired),
		T_BOTH("any other secret opens nothing", wrong_secret),
		T_BOTH("nobody else joins by it", another_user),
		T_BOTH("a new one replaces it, and joining replaces the key", replaced),
		T_BOTH("the account's password, mode and other fields stay", what_stays),
		T_BOTH("revoking takes it back; the next one counts again", after_revoking),
		T_BOTH("of sixteen who join at once one does", one_of_sixteen),
		T_BOTH("where there are no accounts nobody joins", no_file),
	};
	return RUN(tests);
}
