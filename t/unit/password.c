/* Argon2id strings: published ones, hostile ones, and the caps. */
#include "unit.h"

#include "../../crypto/password.h"

#define SALT "c29tZXNhbHQ"                                 /* 8 bytes */
#define HASH "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc" /* 32 bytes */

static int parse(struct password_phc *out, const char *text, struct err *e)
{
	return password_parse(out, text, strlen(text), e);
}

static void published(void **state)
{
	json_t *root = vectors("argon2/argon2.json"), *row;
	struct password_phc phc;
	struct err e;
	size_t i;
	bool ok;

	(void)state;
	json_array_foreach(json_object_get(root, "encoded"), i, row)
	{
		const char *password = text_of(row, "password");
		struct buf hash = {0};
		if (parse(&phc, text_of(row, "encoded"), &e) != 0) {
			fail_msg("%s: %s", text_of(row, "encoded"), e.text);
		}
		hex_of(row, "hash", &hash);
		assert_int_equal(phc.hash_n, hash.n);
		assert_memory_equal(phc.hash, hash.p, hash.n);
		buf_free(&hash);
		assert_int_equal(phc.m_kib, json_integer_value(json_object_get(row, "m_kib")));
		assert_int_equal(password_verify(&phc, password, strlen(password), &ok, &e), 0);
		assert_true(ok);
	}
	assert_int_equal(i, 8);
}

static void published_rejects(void **state)
{
	json_t *root = vectors("argon2/argon2.json"), *row;
	struct password_phc phc;
	struct err e;
	size_t i;

	(void)state;
	json_array_foreach(json_object_get(root, "reject"), i, row)
	{
		const char *text = text_of(row, "encoded"), *password = text_of(row, "password");
		bool ok = false;
		if (parse(&phc, text, &e) != 0) {
			assert_int_equal(e.code, EX_CONFIG);
		} else if (password_verify(&phc, password, strlen(password), &ok, &e) != 0 || ok) {
			fail_msg("%s: %s", text_of(row, "why"), text);
		} else {
			/* only a sound string may get as far as being computed */
			assert_string_equal(text_of(row, "why"), "wrong password");
		}
	}
	assert_true(i >= 17);
}

static void caps(void **state)
{
	static const struct {
		const char *parameters;
		bool good;
	} rows[] = {
		{"m=8,t=1,p=1", true},
		{"m=7,t=1,p=1", false},
		{"m=0,t=1,p=1", false},
		{"m=8,t=0,p=1", false},
		{"m=8,t=1,p=0", false},
		{"m=262144,t=4,p=1", true},
		{"m=262145,t=1,p=1", false},
		{"m=262144,t=5,p=1", false},
		{"m=65536,t=16,p=1", true},
		{"m=65537,t=16,p=1", false},
		{"m=8,t=16,p=1", true},
		{"m=8,t=17,p=1", false},
		{"m=128,t=1,p=16", true},
		{"m=127,t=1,p=16", false},
		{"m=262144,t=1,p=17", false},
		{"m=18446744073709551624,t=1,p=1", false},
		{"m=4294967304,t=1,p=1", false},
		{"m=8,t=4294967297,p=1", false},
		{"m=08,t=1,p=1", false},
		{"m=+8,t=1,p=1", false},
		{"m= 8,t=1,p=1", false},
		{"m=,t=1,p=1", false},
		{"t=1,m=8,p=1", false},
		{"m=8,t=1", false},
		{"m=8,t=1,p=1,x=1", false},
	};
	struct password_phc phc;
	struct err e;
	char text[PASSWORD_PHC_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		(void)snprintf(
			text, sizeof text, "$argon2id$v=19$%s$" SALT "$" HASH, rows[i].parameters);
		e.code = 0;
		if ((parse(&phc, text, &e) == 0) != rows[i].good) {
			fail_msg("%s", text);
		}
		assert_int_equal(e.code, rows[i].good ? 0 : EX_CONFIG);
	}
}

static void fields(void **state)
{
	uint8_t bytes[66];
	char salt[100], hash[100], text[PASSWORD_PHC_MAX + 8];
	struct password_phc phc;
	struct err e;

	(void)state;
	fill_pattern(bytes, sizeof bytes, 1);
	for (size_t s = 0; s <= 65; s++) {
		for (size_t h = 0; h <= 65; h++) {
			(void)base64_encode(salt, bytes, s);
			(void)base64_encode(hash, bytes, h);
			int n = snprintf(
				text, sizeof text, "$argon2id$v=19$m=8,t=1,p=1$%s$%s", salt, hash);
			bool good = s >= 8 && s <= 64 && h >= 16 && h <= 64;
			assert_true(n < PASSWORD_PHC_MAX);
			assert_int_equal(parse(&phc, text, &e), good ? 0 : -1);
			assert_true(!good || (phc.salt_n == s && phc.hash_n == h));
		}
	}
}

static void cut_and_changed(void **state)
{
	static const char good[] = "$argon2id$v=19$m=65536,t=2,p=1$" SALT "$" HASH;
	struct password_phc phc;
	size_t hash_at = strlen(good) - strlen(HASH);
	char text[sizeof good];
	struct err e;

	(void)state;
	assert_int_equal(parse(&phc, good, &e), 0);
	for (size_t n = 0; n < hash_at + 21; n++) { /* from 22 characters on it is a shorter hash */
		assert_int_equal(password_parse(&phc, good, n, &e), -1);
	}
	for (size_t i = 0; i < strlen(good); i++) {
		memcpy(text, good, sizeof text);
		text[i] = '\0';
		assert_int_equal(password_parse(&phc, text, strlen(good), &e), -1);
		text[i] = '$';
		assert_true(good[i] == '$' || password_parse(&phc, text, strlen(good), &e) == -1);
	}
	memset(text, '$', sizeof text);
	assert_int_equal(password_parse(&phc, text, sizeof text, &e), -1);
}

static void hash_and_verify(void **state)
{
	char one[PASSWORD_PHC_MAX], two[PASSWORD_PHC_MAX];
	struct password_phc phc;
	struct err e;
	bool ok;

	(void)state;
	assert_int_equal(password_hash(one, "secret", 6, &e), 0);
	assert_int_equal(password_hash(two, "secret", 6, &e), 0);
	assert_string_not_equal(one, two);
	assert_int_equal(strncmp(one, "$argon2id$v=19$m=19456,t=2,p=1$", 31), 0);
	assert_null(strstr(one, "secret"));
	assert_int_equal(parse(&phc, one, &e), 0);
	assert_int_equal(password_verify(&phc, "secret", 6, &ok, &e), 0);
	assert_true(ok);
	assert_int_equal(password_verify(&phc, "secreT", 6, &ok, &e), 0);
	assert_false(ok);
	assert_int_equal(password_verify(&phc, "secret\0", 7, &ok, &e), 0);
	assert_false(ok);
	assert_int_equal(password_verify(&phc, NULL, 0, &ok, &e), 0);
	assert_false(ok);
}

static void lengths(void **state)
{
	uint8_t password[PASSWORD_MAX + 1];
	char phc_text[PASSWORD_PHC_MAX];
	struct password_phc phc;
	struct err e;
	bool ok;

	(void)state;
	fill_pattern(password, sizeof password, 5);
	assert_int_equal(password_hash(phc_text, password, PASSWORD_MAX, &e), 0);
	assert_int_equal(parse(&phc, phc_text, &e), 0);
	assert_int_equal(password_verify(&phc, password, PASSWORD_MAX, &ok, &e), 0);
	assert_true(ok);
	password[PASSWORD_MAX - 1] ^= 1; /* the last byte counts */
	assert_int_equal(password_verify(&phc, password, PASSWORD_MAX, &ok, &e), 0);
	assert_false(ok);
	ok = true;
	assert_refused(password_verify(&phc, password, PASSWORD_MAX + 1, &ok, &e), e, EX_DATAERR);
	assert_false(ok);
	assert_refused(password_hash(phc_text, password, PASSWORD_MAX + 1, &e), e, EX_DATAERR);
	assert_int_equal(password_hash(phc_text, NULL, 0, &e), 0);
	assert_int_equal(parse(&phc, phc_text, &e), 0);
	assert_int_equal(password_verify(&phc, "", 0, &ok, &e), 0);
	assert_true(ok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("the published strings verify, the one of 256 MiB too", published),
		T("the published bad strings are refused, bombs before they cost anything",
			published_rejects),
		T("each parameter is taken at its cap and refused one beyond", caps),
		T("salts have 8 to 64 bytes, hashes 16 to 64", fields),
		T("a string cut anywhere, or with a stray byte, is refused", cut_and_changed),
		T("a fresh hash verifies its own password and no other", hash_and_verify),
		T("passwords have 0 to 1024 bytes", lengths),
	};
	return RUN(tests);
}
