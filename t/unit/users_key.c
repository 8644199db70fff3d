/* Who may log in by a key: every combination of what an account can hold; and what the classic
 * protocol makes of accounts that do not speak it. */
#include "accounts.h"

/* An account, by its parts. */
struct parts {
	int own;      /* 0 none, 1 the key that is proven, 2 another */
	int file;     /* likewise, of the key file */
	int revoked;  /* 0 not there, 1 long ago, 2 just now */
	int mode;     /* enum users_mode */
	int password; /* enum users_kind, plain alone where nothing else is there */
};

static void write_account(const struct parts *p)
{
	static const char *const keys[] = {
		"", ", \"x25519\": \"" KEY_1 "\"", ", \"x25519\": \"" KEY_2 "\""};
	static const char *const revoked[] = {
		"", ", \"revoked\": 1", ", \"revoked\": 1795000000000001"};
	static const char *const modes[] = {"", ", \"mode\": \"enhanced\"", ", \"mode\": \"key\""};
	char text[600];

	if (p->password == USERS_PLAIN) {
		put_text("{\"a\": \"secret\"}");
		return;
	}
	(void)snprintf(text, sizeof text, "{\"a\": {\"note\": 1%s%s%s%s}}", keys[p->own],
		revoked[p->revoked], modes[p->mode],
		p->password == USERS_ARGON2ID ? ", \"password\": \"" PHC "\"" : "");
	put_text(text);
}

/* The rule, as users.h has it in words. */
static enum users_needs rule(const struct parts *p)
{
	bool key_counts = p->own != 0 ? p->own == 1 : p->file == 1 && p->revoked == 0;

	if (!key_counts) {
		return USERS_REFUSED;
	}
	return p->password != USERS_NO_PASSWORD && p->mode != USERS_KEY ? USERS_PASSWORD_TOO
									: USERS_KEY_IS_ENOUGH;
}

static void check_account(const struct parts *p)
{
	const uint8_t *const file_keys[] = {NULL, key_1, key_2};

	write_account(p);
	if (judge("a", key_1, file_keys[p->file]) != rule(p)) {
		fail_msg("own %d file %d revoked %d mode %d password %d: %d, not %d", p->own,
			p->file, p->revoked, p->mode, p->password,
			(int)judge("a", key_1, file_keys[p->file]), (int)rule(p));
	}
	/* whoever else has an account has nothing by this one */
	assert_int_equal(judge("b", key_1, NULL), USERS_REFUSED);
	assert_int_equal(judge("b", key_1, key_1), USERS_REFUSED);
}

static void every_combination(void **state)
{
	int seen = 0;

	(void)state;
	for (int i = 0; i < 3 * 3 * 3 * 3 * 2; i++) {
		const struct parts p = {.own = i % 3,
			.file = i / 3 % 3,
			.revoked = i / 9 % 3,
			.mode = i / 27 % 3,
			.password = i / 81 == 0 ? USERS_ARGON2ID : USERS_NO_PASSWORD};
		check_account(&p);
		seen |= 1 << rule(&p);
	}
	for (int file = 0; file < 3; file++) {
		const struct parts p = {.file = file, .password = USERS_PLAIN};
		check_account(&p);
	}
	assert_int_equal(seen, 7); /* each of the three answers was asked for */
}

/* A key that differs in one bit is another key. */
static void every_bit(void **state)
{
	uint8_t key[X25519_BYTES];

	(void)state;
	put_text("{\"a\": {\"x25519\": \"" KEY_1 "\"}, \"b\": {}}");
	for (size_t i = 0; i < 8 * sizeof key; i++) {
		memcpy(key, key_1, sizeof key);
		key[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(judge("a", key, NULL), USERS_REFUSED);
		assert_int_equal(judge("b", key, key_1), USERS_REFUSED);
	}
	assert_int_equal(judge("a", key_1, NULL), USERS_KEY_IS_ENOUGH);
	assert_int_equal(judge("b", key_1, key_1), USERS_KEY_IS_ENOUGH);
}

/* --- passwords --- */

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

#define ACCOUNTS                                                                       \
	"{\"plain\": \"pass\", \"both\": {\"password\": \"" PHC "\"}, \"enhanced\": "  \
	"{\"password\": \"" PHC "\", \"mode\": \"enhanced\"}, \"key\": {\"password\":" \
	" \"" PHC "\", \"mode\": \"key\"}, \"none\": {\"x25519\": \"" KEY_1 "\"}}"

struct login {
	const char *name, *password;
	bool classic, checked; /* who lets it in */
};

static const struct login logins[] = {
	{"plain", "pass", true, true},
	{"plain", "secret", false, false},
	{"both", "secret", true, true},
	{"both", "pass", false, false},
	{"enhanced", "secret", false, true},
	{"enhanced", "pass", false, false},
	{"key", "secret", false, true},
	{"key", "pass", false, false},
	{"none", "secret", false, false},
	{"none", "", false, false},
	{"nobody", "secret", false, false},
	{"", "", false, false},
};

/* An account that does not speak the classic protocol is refused as slowly as a wrong password. */
static void classic_refuses(void **state)
{
	struct users *u = load(ACCOUNTS);
	bool ok;

	(void)state;
	for (size_t i = 0; i < COUNT(logins); i++) {
		const struct login *l = &logins[i];
		computed = 0;
		assert_int_equal(
			users_login(u, l->name, l->password, strlen(l->password), &turn, &ok, &e),
			0);
		if (ok != l->classic || computed != (strcmp(l->name, "plain") == 0 && ok ? 0 : 1)) {
			fail_msg("%s, %s: %d, %d computed", l->name, l->password, ok, computed);
		}
	}
	users_free(u);
}

static void checked(void **state)
{
	struct users *u = load(ACCOUNTS);
	bool ok;

	(void)state;
	for (size_t i = 0; i < COUNT(logins); i++) {
		const struct login *l = &logins[i];
		assert_int_equal(users_check_password(u, l->name, l->password, strlen(l->password),
					 &turn, &ok, &e),
			0);
		if (ok != l->checked) {
			fail_msg("%s, %s: %d", l->name, l->password, ok);
		}
	}
	assert_int_equal(users_check_password(u, "both", "secret\0", 7, NULL, &ok, &e), 0);
	assert_false(ok);
	users_free(u);
}

static void speaks_classic(void **state)
{
	static const char *const yes[] = {"plain", "both"};
	static const char *const no[] = {"enhanced", "key", "none", "nobody", ""};
	struct users *u = load(ACCOUNTS);

	(void)state;
	for (size_t i = 0; i < COUNT(yes); i++) {
		assert_true(users_speaks_classic(u, yes[i]));
	}
	for (size_t i = 0; i < COUNT(no); i++) {
		assert_false(users_speaks_classic(u, no[i]));
	}
	users_free(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_BOTH("a key is judged right for every account there can be", every_combination),
		T_BOTH("one bit off is another key", every_bit),
		T_BOTH("an account that is not classic is refused there, at the same cost",
			classic_refuses),
		T_BOTH("beside a key the password counts, whatever the mode", checked),
		T_BOTH("the classic protocol is spoken with a password and no mode",
			speaks_classic),
	};
	return RUN(tests);
}
