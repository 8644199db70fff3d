/* What accounts have for CRAM-MD5 and SCRAM-SHA-256: made of the right password alone, anew of each
 * new one; and what is said of accounts that have nothing. users_mail.c is about the password for
 * mail programs alone. */
#include "accounts.h"

/* RFC 7677's account and RFC 2195's, password "pencil" and "tanstaaftanstaaf" */
#define SCRAM_FIELD                                    \
	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define CRAM_FIELD KEY_1 /* any 32 bytes */

static const uint8_t decoy_key[SCRAM_KEY] = {5}, other_key[SCRAM_KEY] = {6};

static bool opens_cram(const struct users *u, const char *name, const char *password)
{
	struct cram_states given, wanted;
	bool found = users_cram(u, name, &given);

	cram_states_of(password, strlen(password), &wanted);
	assert_true(!found || memcmp(&given, &wanted, sizeof given) == 0);
	return found;
}

static bool opens_scram(const struct users *u, const char *name, const char *password)
{
	struct scram_verifier given, wanted;
	bool found = users_scram(u, name, decoy_key, &given);

	if (found) {
		assert_int_equal(given.iterations, 600000);
		assert_int_equal(given.salt_n, 16);
		assert_int_equal(scram_make(password, strlen(password), given.salt, given.salt_n,
					 given.iterations, &wanted),
			0);
		assert_memory_equal(given.stored_key, wanted.stored_key, SCRAM_KEY);
		assert_memory_equal(given.server_key, wanted.server_key, SCRAM_KEY);
	}
	return found;
}

/* The account has exactly these, and each knows this password. */
static void assert_has(const char *name, unsigned mechanisms, const char *password)
{
	struct users *u = reload();
	bool ok = false;

	assert_true(opens_cram(u, name, password) == ((mechanisms & USERS_CRAM_MD5) != 0));
	assert_true(opens_scram(u, name, password) == ((mechanisms & USERS_SCRAM_SHA256) != 0));
	assert_int_equal(users_login(u, name, password, strlen(password), NULL, &ok, &e), 0);
	assert_true(ok);
	users_free(u);
	assert_int_equal(row_of(name).mechanisms, mechanisms);
}

static void new_passwords(void **state)
{
	const unsigned both = USERS_CRAM_MD5 | USERS_SCRAM_SHA256;

	(void)state;
	assert_int_equal(users_add(accounts, "a", "first", 5, &e), 0);
	assert_has("a", 0, "first");
	assert_int_equal(users_add_with(accounts, "b", "first", 5, USERS_CRAM_MD5, &e), 0);
	assert_has("b", USERS_CRAM_MD5, "first");
	assert_int_equal(users_passwd(accounts, "b", "second", 6, &e), 0);
	assert_has("b", USERS_CRAM_MD5, "second");
	assert_int_equal(users_passwd_with(accounts, "b", "third", 5, USERS_SCRAM_SHA256, &e), 0);
	assert_has("b", both, "third");
	assert_int_equal(users_passwd(accounts, "b", "fourth", 6, &e), 0);
	assert_has("b", both, "fourth");
	assert_int_equal(users_passwd(accounts, "a", "second", 6, &e), 0);
	assert_has("a", 0, "second");
	assert_false(text_holds("fourth"));
	assert_private();
	assert_tidy();
}

static int set(const char *name, const char *password, unsigned mechanisms)
{
	return users_set_mechanisms(accounts, name, password, strlen(password), mechanisms, &e);
}

static void exactly_these(void **state)
{
	(void)state;
	put_text("{\"a\": {\"password\": \"" PHC "\", \"note\": 2.5}, \"b\": \"plain\"}");
	assert_int_equal(set("a", "secret", USERS_SCRAM_SHA256), 0);
	assert_has("a", USERS_SCRAM_SHA256, "secret");
	assert_true(text_holds(PHC) && text_holds("2.5"));
	assert_int_equal(set("a", "secret", USERS_CRAM_MD5), 0);
	assert_has("a", USERS_CRAM_MD5, "secret");
	assert_int_equal(users_set_mechanisms(accounts, "a", NULL, 0, 0, &e), 0);
	assert_has("a", 0, "secret");
	assert_int_equal(set("b", "plain", USERS_CRAM_MD5), 0);
	assert_has("b", USERS_CRAM_MD5, "plain");
	assert_int_equal(row_of("b").kind, USERS_ARGON2ID);
	assert_false(text_holds("plain"));
}

static void right_password(void **state)
{
	static const char text[] = "{\"a\": {\"password\": \"" PHC "\", \"cram_md5\": \"" CRAM_FIELD
				   "\"}, \"b\": \"plain\", \"c\": {}}";

	(void)state;
	put_text(text);
	assert_refused(set("a", "Secret", USERS_CRAM_MD5), e, EX_NOPERM);
	assert_refused(set("a", "", USERS_CRAM_MD5), e, EX_NOPERM);
	assert_refused(set("a", PHC, USERS_SCRAM_SHA256), e, EX_NOPERM);
	assert_refused(set("b", "plai", USERS_CRAM_MD5), e, EX_NOPERM);
	assert_refused(set("b", "", USERS_CRAM_MD5), e, EX_NOPERM);
	assert_refused(set("c", "", USERS_CRAM_MD5), e, EX_NOPERM);
	assert_contains(e.text, "passwd c");
	assert_refused(set("d", "x", USERS_CRAM_MD5), e, EX_NOUSER);
	assert_refused(set("d", "", 0), e, EX_NOUSER);
	assert_int_equal(set("b", "", 0), 0); /* it has none: nothing is written */
	assert_int_equal(set("c", "", 0), 0);
	assert_text(text);
}

static void other_changes(void **state)
{
	size_t n;

	(void)state;
	put_text("{\"a\": {\"password\": \"" PHC "\", \"cram_md5\": \"" CRAM_FIELD
		 "\", \"scram_sha256\": \"" SCRAM_FIELD "\"}, \"b\": \"plain\"}");
	assert_int_equal(users_harden(accounts, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_int_equal(users_set_mode(accounts, "a", USERS_KEY, &e), 0);
	assert_int_equal(users_set_mode(accounts, "a", USERS_BOTH, &e), 0);
	assert_int_equal(users_set_key(accounts, "a", key_2, &e), 0);
	assert_true(text_holds(CRAM_FIELD) && text_holds(SCRAM_FIELD));
	assert_int_equal(row_of("b").mechanisms, 0);
	assert_int_equal(users_revoke(accounts, "a", NULL, &e), 0);
	assert_false(text_holds("cram_md5") || text_holds("scram_sha256"));
	assert_int_equal(row_of("a").mechanisms, 0);
}

/* --- who has nothing --- */

#define BOTH_FIELDS "\"cram_md5\": \"" CRAM_FIELD "\", \"scram_sha256\": \"" SCRAM_FIELD "\""

static void not_the_classic_way(void **state)
{
	static const char *const none[] = {"mode", "key", "nopass", "plain", "unknown", "", "A"};
	struct scram_verifier v;
	struct cram_states s;
	struct users *u =
		load("{\"has\": {\"password\": \"" PHC "\", " BOTH_FIELDS
		     "}, \"mode\": {\"password\": \"" PHC "\", \"mode\": \"enhanced\", " BOTH_FIELDS
		     "}, \"key\": {\"password\": \"" PHC "\", \"mode\": \"key\", " BOTH_FIELDS
		     "}, \"nopass\": {" BOTH_FIELDS "}, \"plain\": \"x\"}");

	(void)state;
	assert_true(users_cram(u, "has", &s));
	assert_memory_equal(&s, key_1, sizeof s);
	assert_true(users_scram(u, "has", decoy_key, &v));
	assert_int_equal(v.iterations, 4096);
	for (size_t i = 0; i < COUNT(none); i++) {
		assert_false(users_cram(u, none[i], &s));
		assert_memory_not_equal(&s, key_1, sizeof s);
		assert_false(users_scram(u, none[i], decoy_key, &v));
		assert_int_equal(v.iterations, 600000);
	}
	assert_int_equal(users_any_mechanism(u) & USERS_CRAM_MD5, USERS_CRAM_MD5);
	users_free(u);
	u = load("{\"mode\": {\"password\": \"" PHC "\", \"mode\": \"enhanced\", " BOTH_FIELDS
		 "}, \"scram\": {\"password\": \"" PHC "\", \"scram_sha256\": \"" SCRAM_FIELD
		 "\"}, \"plain\": \"x\"}");
	assert_int_equal(users_any_mechanism(u), USERS_SCRAM_SHA256);
	users_free(u);
}

static struct scram_verifier decoy(const struct users *u, const char *name, const uint8_t *key)
{
	struct scram_verifier v;

	memset(&v, 0x55, sizeof v);
	assert_false(users_scram(u, name, key, &v));
	return v;
}

static void decoys(void **state)
{
	struct users *u = load("{\"a\": \"x\"}");
	const struct scram_verifier one = decoy(u, "b", decoy_key);
	struct scram_verifier v = decoy(u, "b", decoy_key);
	struct cram_states s, t;
	char text[SCRAM_TEXT_MAX], again[SCRAM_TEXT_MAX];

	(void)state;
	assert_int_equal(v.salt_n, 16);
	(void)scram_verifier_write(&one, text);
	(void)scram_verifier_write(&v, again);
	assert_string_equal(again, text);
	assert_int_equal(scram_verifier_read(&v, text, strlen(text)), 0); /* as real as any */
	v = decoy(u, "c", decoy_key);
	assert_memory_not_equal(v.salt, one.salt, v.salt_n);
	assert_memory_not_equal(v.stored_key, one.stored_key, SCRAM_KEY);
	assert_memory_not_equal(v.server_key, one.server_key, SCRAM_KEY);
	v = decoy(u, "b", other_key);
	assert_memory_not_equal(v.salt, one.salt, v.salt_n);
	assert_memory_not_equal(v.stored_key, one.stored_key, SCRAM_KEY);
	v = decoy(u, "a", decoy_key); /* an account is none the wiser */
	assert_int_equal(v.iterations, one.iterations);
	assert_false(users_cram(u, "b", &s) || users_cram(u, "b", &t));
	assert_memory_not_equal(&s, &t, sizeof s); /* nobody can compute an answer to it */
	users_free(u);
}

/* --- damaged fields, and others at work --- */

static void damaged(void **state)
{
	static const char *const wrong[] = {"\"cram_md5\": 5", "\"cram_md5\": null",
		"\"cram_md5\": \"\"", "\"cram_md5\": \"" KEY_1 "=\"",
		"\"cram_md5\": \"" KEY_1 "A\"",
		"\"cram_md5\": \"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQF\"",
		"\"scram_sha256\": 5", "\"scram_sha256\": null", "\"scram_sha256\": {}",
		"\"scram_sha256\": \"\"", "\"scram_sha256\": \"" SCRAM_FIELD "x\"",
		"\"scram_sha256\": \"SCRAM-SHA-256$1:W22ZaJ0SNY7soEsUEjb6gQ==$"
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\""};
	char text[512], where[64];
	struct users *u;

	(void)state;
	(void)snprintf(where, sizeof where, "%s:3: user \"b\": ", accounts->name);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		(void)snprintf(text, sizeof text, "{\n\"a\": \"x\",\n\"b\": {%s}\n}", wrong[i]);
		put_text(text);
		assert_refused(users_load(accounts, &u, &e), e, EX_CONFIG);
		assert_contains(e.text, where);
		assert_contains(e.text, i < 6 ? "cram_md5" : "scram_sha256");
		assert_refused(users_passwd(accounts, "b", "x", 1, &e), e, EX_CONFIG);
		assert_text(text);
	}
}

/* The verifiers that were to be written, while somebody else was faster twice. */
static char tried[3][SCRAM_TEXT_MAX];
static size_t tries;

static int replace_late(struct accounts_store *s, const void *p, size_t n,
	const struct accounts_version *expected, bool *stale, struct err *err)
{
	const char *field = memmem(p, n, "SCRAM-SHA-256$", 14);

	assert_non_null(field);
	assert_true(tries < COUNT(tried));
	(void)snprintf(tried[tries], SCRAM_TEXT_MAX, "%.*s", (int)strcspn(field, "\""), field);
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
	put_text("{\"a\": {\"password\": \"" PHC "\"}}");
	late.replace = replace_late;
	accounts->ops = &late;
	tries = 0;
	assert_int_equal(set("a", "secret", USERS_SCRAM_SHA256), 0);
	accounts->ops = ops;
	assert_int_equal(tries, COUNT(tried));
	assert_string_equal(tried[0], tried[1]); /* the salt is fresh whenever it is made */
	assert_string_equal(tried[0], tried[2]);
	assert_has("a", USERS_SCRAM_SHA256, "secret");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_BOTH("each new password makes anew what the account has, and adds what is asked",
			new_passwords),
		T_BOTH("an account has exactly the mechanisms that were set", exactly_these),
		T_BOTH("nothing is opted in to without the account's password", right_password),
		T_BOTH("other changes keep them, and revoking takes them away", other_changes),
		T_BOTH("who does not log in the classic way has none", not_the_classic_way),
		T_BOTH("decoys look real, stay the same for a name, and differ by name and key",
			decoys),
		T_BOTH("a damaged field is refused, with its line", damaged),
		T_MEMORY("a change that is tried again makes its verifier once", made_once),
	};
	return RUN(tests);
}
