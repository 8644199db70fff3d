/* The fields of an account that is an object: what they may hold, and what is refused and where. */
#include "accounts.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void all_fields(void **state)
{
	struct users_row row;

	(void)state;
	users_free(load(
		"{\"a\": {\"password\": \"" PHC "\", \"x25519\": \"" KEY_1
		"\", \"mode\": \"key\", \"revoked\": 1795000000000001, \"invitation\": {\"hash\": "
		"\"" HASH "\", \"expires\": 1800000000}, \"max_messages\": 7, \"max_bytes\": "
		"9223372036854775807},\n\"b\": {}, \"c\": \"plain\", "
		"\"d\": {\"mode\": \"enhanced\"}}"));
	row = row_of("a");
	assert_int_equal(row.kind, USERS_ARGON2ID);
	assert_int_equal(row.mode, USERS_KEY);
	assert_true(row.has_key);
	assert_memory_equal(row.key, key_1, sizeof key_1);
	assert_int_equal(row.revoked, 1795000000000001);
	assert_int_equal(row.invited_to, 1800000000);
	assert_true(row.max_messages == 7 && row.max_bytes == INT64_MAX);
	row = row_of("b");
	assert_int_equal(row.kind, USERS_NO_PASSWORD);
	assert_int_equal(row.mode, USERS_BOTH);
	assert_false(row.has_key || row.revoked != 0);
	assert_int_equal(row.invited_to, 0);
	row = row_of("c");
	assert_int_equal(row.kind, USERS_PLAIN);
	assert_int_equal(row.mode, USERS_BOTH);
	assert_false(row.has_key || row.revoked != 0);
	row = row_of("d");
	assert_int_equal(row.kind, USERS_NO_PASSWORD);
	assert_int_equal(row.mode, USERS_ENHANCED);
	assert_int_equal(row.revoked, 0);
	assert_true(row.max_messages == 0 && row.max_bytes == 0);
}

/* Each in the place of VALUE in {"a": "x", "b": VALUE}, with b on the third line. */
static const char *const wrong[] = {
	/* the key */
	"{\"x25519\": 5}",
	"{\"x25519\": null}",
	"{\"x25519\": true}",
	"{\"x25519\": []}",
	"{\"x25519\": {}}",
	"{\"x25519\": \"\"}",
	"{\"x25519\": \"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ\"}",    /* 42 characters */
	"{\"x25519\": \"" KEY_1 "A\"}",                                    /* 44 */
	"{\"x25519\": \"" KEY_1 "=\"}",                                    /* padding */
	"{\"x25519\": \"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQF\"}",   /* stray bits */
	"{\"x25519\": \"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ-\"}",   /* base64url */
	"{\"x25519\": \"AQEBAQEBAQEB QEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\"}",   /* a blank */
	"{\"x25519\": \"AQEBAQEBAQEB\\nQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\"}", /* a line end */
	/* the mode */
	"{\"mode\": 5}",
	"{\"mode\": null}",
	"{\"mode\": true}",
	"{\"mode\": [\"key\"]}",
	"{\"mode\": \"\"}",
	"{\"mode\": \"both\"}",
	"{\"mode\": \"Key\"}",
	"{\"mode\": \"keys\"}",
	"{\"mode\": \"enhanced \"}",
	/* revoked */
	"{\"revoked\": true}",
	"{\"revoked\": 1.5}",
	"{\"revoked\": null}",
	"{\"revoked\": \"true\"}",
	"{\"revoked\": []}",
	"{\"revoked_keys\": null}",
	"{\"revoked_keys\": {}}",
	"{\"revoked_keys\": \"" KEY_1 "\"}",
	"{\"revoked_keys\": [5]}",
	"{\"revoked_keys\": [null]}",
	"{\"revoked_keys\": [[]]}",
	"{\"revoked_keys\": [\"" KEY_1 "\", \"" KEY_1 "=\"]}",
	"{\"revoked_keys\": [\"\"]}",
	/* the invitation */
	"{\"invitation\": null}",
	"{\"invitation\": true}",
	"{\"invitation\": \"" HASH "\"}",
	"{\"invitation\": 5}",
	"{\"invitation\": []}",
	"{\"invitation\": {}}",
	"{\"invitation\": {\"hash\": \"" HASH "\"}}",
	"{\"invitation\": {\"expires\": 1}}",
	"{\"invitation\": {\"hash\": \"" HASH "\", \"expires\": \"1\"}}",
	"{\"invitation\": {\"hash\": \"" HASH "\", \"expires\": 1.0}}",
	"{\"invitation\": {\"hash\": \"" HASH "\", \"expires\": 1e3}}",
	"{\"invitation\": {\"hash\": \"" HASH "\", \"expires\": true}}",
	"{\"invitation\": {\"hash\": \"" HASH "\", \"expires\": null}}",
	"{\"invitation\": {\"hash\": \"" HASH "0\", \"expires\": 1}}",
	"{\"invitation\": {\"hash\": \"" HASH "00\", \"expires\": 1}}",
	"{\"invitation\": {\"hash\": \"0123\", \"expires\": 1}}",
	"{\"invitation\": {\"hash\": \"\", \"expires\": 1}}",
	"{\"invitation\": {\"hash\": 5, \"expires\": 1}}",
	"{\"invitation\": {\"hash\": null, \"expires\": 1}}",
	"{\"invitation\": {\"hash\": \"g123456789abcdef0123456789abcdef0123456789abcdef"
	"0123456789abcdef\", \"expires\": 1}}",
	/* the limits */
	"{\"max_messages\": -1}",
	"{\"max_messages\": 1.0}",
	"{\"max_messages\": null}",
	"{\"max_messages\": true}",
	"{\"max_messages\": \"1\"}",
	"{\"max_messages\": []}",
	"{\"max_messages\": 9223372036854775808}",
	"{\"max_bytes\": -9223372036854775808}",
	"{\"max_bytes\": 1e3}",
	"{\"max_bytes\": null}",
	"{\"max_bytes\": false}",
	"{\"max_bytes\": \"10M\"}",
	"{\"max_bytes\": {}}",
	"{\"max_messages\": 1, \"max_bytes\": -1}",
	"{\"max_bytes\": 1, \"max_messages\": -1}",
	/* the password */
	"{\"password\": null}",
	"{\"password\": true}",
	"{\"password\": \"\"}",
	/* a good field does not make up for a bad one, whichever comes first */
	"{\"x25519\": \"" KEY_1 "\", \"mode\": 1}",
	"{\"mode\": 1, \"x25519\": \"" KEY_1 "\"}",
	"{\"x25519\": 1, \"x25519\": \"" KEY_1 "\"}",
	"{\"invitation\": {\"hash\": \"" HASH "\", \"expires\": 1, \"expires\": 2}}",
};

static void wrong_types(void **state)
{
	char text[1024], where[64];
	struct users *u;

	(void)state;
	(void)snprintf(where, sizeof where, "%s:3: ", accounts->name);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		(void)snprintf(
			text, sizeof text, "{\n\"a\": \"x\",\n\"b\": %s, \"c\": {}}", wrong[i]);
		put_text(text);
		if (users_load(accounts, &u, &e) != -1) {
			fail_msg("taken: %s", wrong[i]);
		}
		if (e.code != EX_CONFIG || strncmp(e.text, where, strlen(where)) != 0) {
			fail_msg("code %d, \"%s\" for %s", e.code, e.text, wrong[i]);
		}
	}
}

/* And nothing is written over it. */
static void wrong_untouched(void **state)
{
	static const char text[] = "{\"b\": {\"mode\": 1}}";

	(void)state;
	put_text(text);
	assert_refused(users_set_mode(accounts, "b", USERS_KEY, &e), e, EX_CONFIG);
	assert_refused(users_set_key(accounts, "b", key_1, &e), e, EX_CONFIG);
	assert_refused(users_revoke(accounts, "b", NULL, &e), e, EX_CONFIG);
	assert_refused(users_invite(accounts, "b", secret_1, 5, &e), e, EX_CONFIG);
	assert_refused(users_join(accounts, "b", secret_1, 5, key_1, &e), e, EX_CONFIG);
	assert_refused(users_upgrade(accounts, "b", "x", 1, &e), e, EX_CONFIG);
	assert_text(text);
	assert_tidy();
}

/* The limits of an expiry are those of its type: it is compared, and nothing is added to it. */
static void expiries(void **state)
{
	static const int64_t when[] = {INT64_MIN, -1, 0, 1, INT64_MAX};

	(void)state;
	for (size_t i = 0; i < COUNT(when); i++) {
		assert_int_equal(users_invite(accounts, "a", secret_1, when[i], &e), 0);
		assert_int_equal(row_of("a").invited_to, when[i]);
		assert_int_equal(invited("a", secret_1, INT64_MAX), false);
		assert_int_equal(invited("a", secret_1, INT64_MIN), when[i] != INT64_MIN);
		assert_int_equal(invited("a", secret_1, 0), when[i] > 0);
	}
	put_text("{\"a\": {\"invitation\": {\"hash\": \"" HASH
		 "\", \"expires\": 9223372036854775808}}}");
	assert_refused(users_invite(accounts, "b", secret_1, 5, &e), e, EX_CONFIG);
}

/* "a_x25519" would have the key files of "a". Where it stands in the file it is read as it was. */
static void ambiguous_names(void **state)
{
	static const char *const bad[] = {
		"a_x25519", "_x25519", "a_x25519_x25519", "a_p256", "server"};
	static const char *const good[] = {
		"x25519", "ax25519", "a_x2551", "a_x25519_", "a_x25519b", "a-x25519", "servers"};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_refused(users_add(accounts, bad[i], "x", 1, &e), e, EX_USAGE);
		assert_refused(users_invite(accounts, bad[i], secret_1, 5, &e), e, EX_USAGE);
	}
	assert_int_equal(count_names("."), 0);
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(users_invite(accounts, good[i], secret_1, 5, &e), 0);
	}
	users_free(load("{\"a_x25519\": \"founded\"}"));
	assert_int_equal(row_of("a_x25519").kind, USERS_PLAIN);
	assert_int_equal(users_del(accounts, "a_x25519", &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_BOTH("every field is read, and has its default", all_fields),
		T_BOTH("a wrong type or value is refused with the account's line", wrong_types),
		T_BOTH("and nothing is written over it", wrong_untouched),
		T_BOTH("an expiry is any whole number that fits", expiries),
		T_BOTH("a name that is ambiguous among key files is refused", ambiguous_names),
	};
	return RUN(tests);
}
