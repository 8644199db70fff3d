/* The credential store, asked: who may log in, and at what cost. */
#include "accounts.h"

#include <argon2.h>

#include "../../store/users_text.h"

static int load_text(const void *text, size_t n)
{
	struct users *u = NULL;
	int rc;

	put(text, n);
	e.code = 0;
	rc = users_load(accounts, &u, &e);
	users_free(u);
	return rc;
}

static bool login(const struct users *u, const char *name, const char *password)
{
	bool ok = true;

	assert_int_equal(users_login(u, name, password, strlen(password), NULL, &ok, &e), 0);
	return ok;
}

static void logins(void **state)
{
	struct users *u;
	bool ok = true;

	(void)state;
	put_text("{\"plain\": \"pass\", \"none\": {\"note\": 1}}");
	assert_int_equal(users_add(accounts, "hard", "secret", 6, &e), 0);
	assert_int_equal(users_load(accounts, &u, &e), 0);
	assert_true(login(u, "plain", "pass"));
	assert_false(login(u, "plain", "pass "));
	assert_false(login(u, "plain", "pas"));
	assert_false(login(u, "plain", ""));
	assert_false(login(u, "plain", "secret")); /* another account's never opens this one */
	assert_true(login(u, "hard", "secret"));
	assert_false(login(u, "hard", "secreT"));
	assert_false(login(u, "hard", "pass"));
	assert_false(login(u, "none", ""));
	assert_false(login(u, "none", "secret"));
	assert_false(login(u, "unknown", "secret"));
	assert_false(login(u, "unknown", "pass"));
	assert_false(login(u, "", ""));
	assert_false(login(u, "\xff\xfe", "x"));
	assert_int_equal(users_login(u, "plain", "pass\0x", 6, NULL, &ok, &e), 0);
	assert_false(ok);
	users_free(u);
}

/* An empty password opens nothing, whatever is stored. */
static void empty_passwords(void **state)
{
	char phc[128], text[256], long_one[1025] = {0};
	struct users *u;
	bool ok = true;

	(void)state;
	assert_int_equal(argon2id_hash_encoded(1, 8, 1, "", 0, "saltsalt", 8, 32, phc, sizeof phc),
		ARGON2_OK);
	(void)snprintf(
		text, sizeof text, "{\"plain\": \"\", \"hard\": {\"password\": \"%s\"}}", phc);
	u = load(text);
	assert_false(login(u, "plain", ""));
	assert_false(login(u, "hard", ""));
	assert_int_equal(users_login(u, "hard", long_one, sizeof long_one, NULL, &ok, &e), 0);
	assert_false(ok);
	assert_true(users_is_plain(u, "plain"));
	assert_false(users_is_plain(u, "hard") || users_is_plain(u, "nobody"));
	users_free(u);
}

/* What no reading lets through would open nothing either. */
static void slipped_through(void **state)
{
	const uint8_t key[X25519_BYTES] = {0};
	struct users u;
	bool ok = true;

	(void)state;
	users_free(load("{}")); /* the allocator of the store */
	u = (struct users){.root = json_pack("{s:{s:s, s:s, s:{s:s, s:i}}}", "a", USERS_PASSWORD,
				   "$argon2id$", USERS_KEY_FIELD, "!", USERS_INVITATION, USERS_HASH,
				   "zz", USERS_EXPIRES, INT_MAX)};
	assert_refused(users_login(&u, "a", "x", 1, NULL, &ok, &e), e, EX_CONFIG);
	assert_false(ok);
	assert_int_equal(users_judge_key(&u, "a", key, NULL), USERS_REFUSED);
	assert_false(users_invited(&u, "a", secret_1, 0));
	json_decref(u.root);
}

static void login_lengths(void **state)
{
	enum { MAX = 1024 };
	char text[MAX + 64], password[MAX + 2];
	struct users *u;

	(void)state;
	memset(password, 'p', sizeof password);
	password[MAX] = '\0';
	(void)snprintf(text, sizeof text, "{\"a\": \"%s\"}", password);
	u = load(text);
	assert_true(login(u, "a", password));
	password[MAX] = 'p';
	password[MAX + 1] = '\0';
	assert_false(login(u, "a", password)); /* equal in its first 1024 bytes */
	password[MAX - 1] = '\0';
	assert_false(login(u, "a", password));
	users_free(u);
	password[MAX - 1] = 'p';
	(void)snprintf(text, sizeof text, "{\"a\": \"%s\"}", password);
	assert_int_equal(load_text(text, strlen(text)), -1);
	assert_int_equal(e.code, EX_CONFIG);
	put_text("{}");
	assert_int_equal(users_add(accounts, "b", password, MAX, &e), 0);
	assert_int_equal(users_load(accounts, &u, &e), 0);
	assert_false(login(u, "b", password)); /* 1025: refused, not cut to what fits */
	password[MAX] = '\0';
	assert_true(login(u, "b", password));
	users_free(u);
}

static int turns; /* taken and not given back */
static int computed;

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

/* Every refusal computes as much as a hashed account's login does. */
static void same_work(void **state)
{
	static const struct {
		const char *name, *password;
		int work;
	} rows[] = {{"plain", "pass", 0}, {"plain", "wrong", 1}, {"none", "x", 1},
		{"unknown", "x", 1}, {"hard", "x", 1}, {"", "", 1}};
	const struct users_turn turn = {.take = take_turn, .give = give_turn, .arg = &turns};
	struct users *u =
		load("{\"plain\": \"pass\", \"none\": {}, \"hard\": {\"password\": \"" PHC "\"}}");
	bool ok;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		computed = 0;
		assert_int_equal(users_login(u, rows[i].name, rows[i].password,
					 strlen(rows[i].password), &turn, &ok, &e),
			0);
		assert_int_equal(computed, rows[i].work);
		assert_int_equal(ok, rows[i].work == 0);
	}
	users_free(u);
}

static int name_kinds(void *arg, const struct users_row *row)
{
	char *out = arg;
	size_t n = strlen(out);

	(void)snprintf(out + n, 200 - n, "%s%d ", row->name, (int)row->kind);
	return strcmp(row->name, "stop") == 0 ? 7 : 0;
}

static void each_in_order(void **state)
{
	char out[200] = "";
	struct users *u = load("{\"z\": \"1\", \"b\": {\"password\": \"" PHC
			       "\"}, \"a\": {}, \"stop\": \"2\", \"c\": \"3\"}");

	(void)state;
	assert_int_equal(users_each(u, name_kinds, out), 7);
	assert_string_equal(out, "z0 b1 a2 stop0 ");
	assert_true(users_known(u, "c"));
	assert_false(users_known(u, "d"));
	assert_false(users_known(u, ""));
	users_free(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_BOTH("plain, hashed, absent and unknown accounts are judged right", logins),
		T_BOTH("an empty password opens nothing", empty_passwords),
		T_MEMORY("what no reading lets through opens nothing either", slipped_through),
		T_BOTH("unknown, wrong and absent passwords compute alike", same_work),
		T_BOTH("passwords count to their last byte, and beyond 1024 are refused",
			login_lengths),
		T_BOTH("accounts are visited in the file's order", each_in_order),
	};
	return RUN(tests);
}
