/* SCRAM-SHA-256: its keys, the published exchange byte for byte from both ends, and whole ones. */
#include "scram.h"

/* --- keys and verifiers --- */

/* password, salt, and what hashlib.pbkdf2_hmac of Python makes of them */
static void iterations(void **state)
{
	static const char *const wanted[] = {
		"120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b",
		"ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43",
		"ad35240ac683febfaf3cd49d845473fbbbaa2437f5f82d5a415ae00ac76c6bfc"};
	uint8_t out[SCRAM_KEY];
	char hex[2 * SCRAM_KEY + 1];

	(void)state;
	for (unsigned i = 0; i < COUNT(wanted); i++) {
		scram_salted_password("password", 8, "salt", 4, i + 1, out);
		hex_encode(hex, out, sizeof out);
		assert_string_equal(hex, wanted[i]);
	}
}

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* Python's hashlib has made these; the first is RFC 7677's. */
static const struct {
	const char *password, *text;
} made[] = {
	{"pencil", VERIFIER},
	{"", "SCRAM-SHA-256$4096:eA==$tjiANR4WhNfPGU4rJsPBlfIKdrzC8HxaYS9WXBBCfRI=:"
	     "26WVkaKltejcQ+ClSkjSL/ZxaeTmsoj/49C74DxuKIY="},
	{X64, "SCRAM-SHA-256$4096:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v"
	      "MDEy"
	      "MzQ1Njc4OTo7PD0+Pw==$lRnLh9tKZ9OSy4jE20jXZ1dpvWZweWWtyz8qRLGH/nI=:"
	      "zJxAy2iG0hCTuZd2+rUXDWrWSEscuL2ucfiAK3FLUqI="},
	{X64 "x", "SCRAM-SHA-256$4097:AAECAwQFBgcICQoLDA0ODw==$"
		  "PzRm4xZ7jcnPHRPNfJsQvc1Stjz3NujnKzKX5KlxKgc=:"
		  "o4vqJMzWpbZxP+gtWqLzEu9196WbKB/uCUgnnow7WnQ="},
	{"p\xc3\xa4ssw\xc3\xb6rd", "SCRAM-SHA-256$600000:MDEyMzQ1Njc4OWFiY2RlZg==$"
				   "UtDDdTmhXDqUGkE+avly+5p1FPE3c9Q4lKAIpH03Mpk=:"
				   "Mx4KpaJjGlSbD0deKtNdyqRnqIsmJ+tmANxqyUIG3Kg="},
};

static void verifiers(void **state)
{
	struct scram_verifier v, again;
	char text[SCRAM_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(made); i++) {
		v = verifier_of(made[i].text);
		assert_int_equal(scram_verifier_write(&v, text), strlen(made[i].text));
		assert_string_equal(text, made[i].text);
		assert_int_equal(scram_make(made[i].password, strlen(made[i].password), v.salt,
					 v.salt_n, v.iterations, &again),
			0);
		(void)scram_verifier_write(&again, text);
		assert_string_equal(text, made[i].text);
	}
}

static void limits(void **state)
{
	uint8_t salt[SCRAM_SALT_MAX + 1] = {0};
	struct scram_verifier v = {.iterations = 77};
	char text[SCRAM_TEXT_MAX];

	(void)state;
	assert_int_equal(scram_make("x", 1, salt, 0, 4096, &v), -1);
	assert_int_equal(scram_make("x", 1, salt, SCRAM_SALT_MAX + 1, 4096, &v), -1);
	assert_int_equal(scram_make("x", 1, salt, 16, 4095, &v), -1);
	assert_int_equal(scram_make("x", 1, salt, 16, 10000001, &v), -1);
	assert_int_equal(v.iterations, 77);
	memset(&v, 0xff, sizeof v); /* the longest text */
	v.salt_n = SCRAM_SALT_MAX;
	v.iterations = SCRAM_ITERATIONS_MAX;
	assert_true(scram_verifier_write(&v, text) < SCRAM_TEXT_MAX);
	assert_int_equal(scram_verifier_read(&v, text, strlen(text)), 0);
}

#define KEYS \
	"$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static void bad_verifiers(void **state)
{
	static const char *const bad[] = {"", "SCRAM-SHA-256", "SCRAM-SHA-1$4096:eA==" KEYS,
		"SCRAM-SHA-256$4095:eA==" KEYS, "SCRAM-SHA-256$10000001:eA==" KEYS,
		"SCRAM-SHA-256$04096:eA==" KEYS, "SCRAM-SHA-256$+4096:eA==" KEYS,
		"SCRAM-SHA-256$18446744073709555712:eA==" KEYS, "SCRAM-SHA-256$:eA==" KEYS,
		"SCRAM-SHA-256$4096:" KEYS, "SCRAM-SHA-256$4096:eA" KEYS,
		"SCRAM-SHA-256$4096:e!==" KEYS, "SCRAM-SHA-256$4096:eA==" KEYS "=",
		"SCRAM-SHA-256$4096:eA==" KEYS "\n", " SCRAM-SHA-256$4096:eA==" KEYS,
		"SCRAM-SHA-256$4096:eA==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"};
	static const uint8_t zeros[sizeof(struct scram_verifier)];
	uint8_t salt[SCRAM_SALT_MAX + 2] = {0};
	char text[2 * SCRAM_TEXT_MAX], long_salt[128];
	struct scram_verifier v;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (scram_verifier_read(&v, bad[i], strlen(bad[i])) != -1) {
			fail_msg("taken: %s", bad[i]);
		}
		assert_memory_equal(&v, zeros, sizeof v);
	}
	for (size_t n = 0; n < strlen(VERIFIER); n++) { /* cut at each place */
		assert_int_equal(scram_verifier_read(&v, VERIFIER, n), -1);
	}
	for (size_t n = SCRAM_SALT_MAX; n <= SCRAM_SALT_MAX + 2; n++) {
		(void)base64_padded_encode(long_salt, salt, n);
		(void)snprintf(text, sizeof text, "SCRAM-SHA-256$4096:%s%s", long_salt, KEYS);
		assert_int_equal(
			scram_verifier_read(&v, text, strlen(text)), n == SCRAM_SALT_MAX ? 0 : -1);
	}
}

/* --- the published exchange --- */

static void published_server(void **state)
{
	const struct scram_verifier v = verifier_of(VERIFIER);
	struct scram_server s;
	char out[SCRAM_MESSAGE_MAX];
	bool ok = false;

	(void)state;
	assert_int_equal(scram_server_first(&s, CLIENT_FIRST, strlen(CLIENT_FIRST), &e), 0);
	assert_string_equal(s.name, "user");
	assert_int_equal(scram_server_challenge_with(&s, &v, SERVER_NONCE, out, &e), 0);
	assert_string_equal(out, SERVER_FIRST);
	assert_int_equal(
		scram_server_final(&s, CLIENT_FINAL, strlen(CLIENT_FINAL), out, &ok, &e), 0);
	assert_true(ok);
	assert_string_equal(out, SERVER_FINAL);
}

static void published_client(void **state)
{
	struct scram_client c;
	char out[SCRAM_MESSAGE_MAX];

	(void)state;
	assert_int_equal(scram_client_first_with(&c, "user", CLIENT_NONCE, out, &e), 0);
	assert_string_equal(out, CLIENT_FIRST);
	assert_int_equal(
		scram_client_final(&c, SERVER_FIRST, strlen(SERVER_FIRST), "pencil", 6, out, &e),
		0);
	assert_string_equal(out, CLIENT_FINAL);
	assert_int_equal(scram_client_verify(&c, SERVER_FINAL, strlen(SERVER_FINAL), &e), 0);
}

/* --- both ends --- */

static void names(void **state)
{
	static const char *const said[] = {
		"a", "ada@mail.example", "a,b=c", ",", "=", "=2C", "=3D", "x=2", "m\xc3\xbcller"};
	char longest[SCRAM_NAME_MAX + 1];
	struct login l = {.password = "pencil", .v = verifier_of(VERIFIER)};

	(void)state;
	for (size_t i = 0; i < COUNT(said); i++) {
		l.name = said[i];
		log_in(&l);
		assert_true(l.ok);
	}
	memset(longest, '=', SCRAM_NAME_MAX);
	longest[SCRAM_NAME_MAX] = '\0';
	l.name = longest;
	log_in(&l);
	assert_true(l.ok);
	l.name = "user";
	l.password = "Pencil";
	log_in(&l);
	assert_false(l.ok);
}

static void never_the_same(void **state)
{
	struct login a = {.name = "user", .password = "pencil", .v = verifier_of(VERIFIER)}, b = a;

	(void)state;
	log_in(&a);
	log_in(&b);
	assert_true(a.ok && b.ok);
	for (int i = 0; i < 4; i++) {
		assert_string_not_equal(a.said[i], b.said[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("one, two and three iterations are PBKDF2's", iterations),
		T("verifiers are what Python makes of the same, and come back from text",
			verifiers),
		T("a salt of 1 to 64 bytes and 4096 to 10,000,000 iterations are taken", limits),
		T("a damaged verifier is refused, and nothing of it stays", bad_verifiers),
		T("RFC 7677: the server says what it says there", published_server),
		T("RFC 7677: the client says what it says there", published_client),
		T("both ends agree for every kind of name, and not on a wrong password", names),
		T("two logins share no message", never_the_same),
	};
	return RUN(tests);
}
