/* The credential store, changed: fields survive, and writers lose nothing. */
#include "accounts.h"

static bool login(const struct users *u, const char *name, const char *password)
{
	bool ok = true;

	assert_int_equal(users_login(u, name, password, strlen(password), NULL, &ok, &e), 0);
	return ok;
}

static int name_kinds(void *arg, const struct users_row *row)
{
	char *out = arg;
	size_t n = strlen(out);

	(void)snprintf(out + n, 200 - n, "%s%d ", row->name, (int)row->kind);
	return strcmp(row->name, "stop") == 0 ? 7 : 0;
}

static void changes(void **state)
{
	struct users *u;
	size_t n;

	(void)state;
	assert_int_equal(users_add(accounts, "a", "one", 3, &e), 0); /* makes the file */
	assert_private();
	assert_refused(users_add(accounts, "a", "two", 3, &e), e, EX_CANTCREAT);
	assert_refused(users_passwd(accounts, "b", "two", 3, &e), e, EX_NOUSER);
	assert_refused(users_del(accounts, "b", &e), e, EX_NOUSER);
	assert_int_equal(users_passwd(accounts, "a", "two", 3, &e), 0);
	assert_int_equal(users_load(accounts, &u, &e), 0);
	assert_true(login(u, "a", "two"));
	assert_false(login(u, "a", "one"));
	users_free(u);
	assert_false(text_holds("two"));
	assert_int_equal(users_del(accounts, "a", &e), 0);
	assert_int_equal(users_load(accounts, &u, &e), 0);
	assert_false(users_known(u, "a"));
	users_free(u);
	assert_int_equal(users_harden(accounts, &n, &e), 0);
	assert_int_equal(n, 0);
	assert_tidy();
}

static void change_limits(void **state)
{
	static const char *const bad[] = {
		"", "A", "a b", "../a", "server", "_a", "a\n", "abcdefghijklmnopqrstuvwxyz0123456"};
	char password[1026];

	(void)state;
	memset(password, 'x', sizeof password);
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_refused(users_add(accounts, bad[i], "x", 1, &e), e, EX_USAGE);
		assert_refused(users_passwd(accounts, bad[i], "x", 1, &e), e, EX_USAGE);
	}
	assert_refused(users_add(accounts, "a", "", 0, &e), e, EX_DATAERR);
	assert_refused(users_add(accounts, "a", password, 1025, &e), e, EX_DATAERR);
	assert_int_equal(count_names("."), 0);
	assert_int_equal(
		users_add(accounts, "abcdefghijklmnopqrstuvwxyz012345", password, 1024, &e), 0);
}

static void fields_survive(void **state)
{
	struct users *u;
	size_t n;

	(void)state;
	put_text("{\"z\": \"plain\\u00e9\", \"b\": {\"note\": \"k\\u00e9ep\", \"password\": \"" PHC
		 "\", \"more\": [1, 2.5, null, {\"deep\": true}]}, \"a\": {\"big\": "
		 "9007199254740993}}");
	assert_int_equal(users_passwd(accounts, "b", "new", 3, &e), 0);
	assert_true(text_holds("k\xc3\xa9"
			       "ep"));
	assert_true(text_holds("2.5"));
	assert_true(text_holds("\"deep\": true"));
	assert_true(text_holds("9007199254740993"));
	assert_false(text_holds(PHC));
	assert_int_equal(users_harden(accounts, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_false(text_holds("plain"));
	assert_true(text_holds("k\xc3\xa9"
			       "ep"));
	assert_int_equal(users_del(accounts, "z", &e), 0);
	assert_int_equal(users_load(accounts, &u, &e), 0);
	assert_true(login(u, "b", "new"));
	char out[200] = "";
	assert_int_equal(users_each(u, name_kinds, out), 0);
	assert_string_equal(out, "b1 a2 ");
	users_free(u);
}

static void hardened(void **state)
{
	struct users *u;
	size_t n;

	(void)state;
	put_text("{\"a\": \"one\", \"b\": \"two\", \"c\": {}}");
	assert_int_equal(users_harden(accounts, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_false(text_holds("one"));
	assert_int_equal(users_load(accounts, &u, &e), 0);
	assert_true(login(u, "a", "one"));
	assert_true(login(u, "b", "two"));
	assert_false(login(u, "a", "two"));
	assert_false(login(u, "c", ""));
	users_free(u);
}

static void damaged_untouched(void **state)
{
	static const char text[] = "{\"a\": \"1\"} trailing";
	size_t n;

	(void)state;
	put_text(text);
	assert_refused(users_add(accounts, "b", "x", 1, &e), e, EX_CONFIG);
	assert_refused(users_passwd(accounts, "a", "x", 1, &e), e, EX_CONFIG);
	assert_refused(users_del(accounts, "a", &e), e, EX_CONFIG);
	assert_refused(users_harden(accounts, &n, &e), e, EX_CONFIG);
	assert_text(text);
	assert_tidy();
}

/* A text that is read, but would be beyond 16 MiB with one account more. */
static void no_room(void **state)
{
	const size_t n = ACCOUNTS_TEXT_MAX;
	char *text = malloc(n + 1);
	struct buf b = {0};

	(void)state;
	assert_non_null(text);
	memset(text, 'x', n);
	memcpy(text, "{\"a\": {\"note\": \"", 16);
	memcpy(text + n - 3, "\"}}", 4);
	put_text(text);
	assert_refused(users_invite(accounts, "b", secret_1, 5, &e), e, EX_CANTCREAT);
	assert_contains(e.text, accounts->name);
	get(&b);
	assert_true(b.n == n && memcmp(b.p, text, n) == 0);
	buf_free(&b);
	free(text);
	assert_tidy();
}

enum { WRITERS = 8, EACH = 4 };

static int add_some(int i)
{
	char name[32];

	for (int k = 0; k < EACH; k++) {
		(void)snprintf(name, sizeof name, "w%d-%d", i, k);
		if (users_add(accounts, name, name, strlen(name), &e) != 0) {
			return 1;
		}
	}
	return 0;
}

static void writers_lose_nothing(void **state)
{
	struct users *u;
	char name[32];

	(void)state;
	put_text("{\"first\": \"x\"}");
	run_children(WRITERS, add_some);
	assert_int_equal(users_load(accounts, &u, &e), 0);
	assert_true(users_known(u, "first"));
	for (int i = 0; i < WRITERS; i++) {
		for (int k = 0; k < EACH; k++) {
			(void)snprintf(name, sizeof name, "w%d-%d", i, k);
			assert_true(users_known(u, name));
		}
	}
	assert_true(login(u, "w7-3", "w7-3"));
	users_free(u);
	assert_tidy();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_BOTH("add, passwd and del change one account, 0600, nothing left aside", changes),
		T_BOTH("names and passwords beyond their limits change nothing", change_limits),
		T_BOTH("fields that are not known survive every rewrite", fields_survive),
		T_BOTH("harden turns every plain password, and each still logs in", hardened),
		T_BOTH("a damaged file is never written over", damaged_untouched),
		T_FILES("a text that would become too long is not written", no_room),
		T_MEMORY("a text that would become too long is not written", no_room),
		T_BOTH("eight writers at once lose no account", writers_lose_nothing),
	};
	return RUN(tests);
}
