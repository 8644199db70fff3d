/* The credential store, changed: fields survive, and writers lose nothing. */
#include "unit.h"

#include "../../store/users.h"

static struct err e;

static bool file_holds(const char *text)
{
	struct buf b = {0};
	bool found;

	slurp(USERS_FILE, &b);
	found = strstr((char *)b.p, text) != NULL;
	buf_free(&b);
	return found;
}

#define PHC "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

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
	struct stat st;
	size_t n;

	(void)state;
	assert_int_equal(users_add(folder.fd, "a", "one", 3, &e), 0); /* makes the file */
	assert_int_equal(fstatat(folder.fd, USERS_FILE, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_refused(users_add(folder.fd, "a", "two", 3, &e), e, EX_CANTCREAT);
	assert_refused(users_passwd(folder.fd, "b", "two", 3, &e), e, EX_NOUSER);
	assert_refused(users_del(folder.fd, "b", &e), e, EX_NOUSER);
	assert_int_equal(users_passwd(folder.fd, "a", "two", 3, &e), 0);
	assert_int_equal(users_load(folder.fd, &u, NULL, &e), 0);
	assert_true(login(u, "a", "two"));
	assert_false(login(u, "a", "one"));
	users_free(u);
	assert_false(file_holds("two"));
	assert_int_equal(users_del(folder.fd, "a", &e), 0);
	assert_int_equal(users_load(folder.fd, &u, NULL, &e), 0);
	assert_false(users_known(u, "a"));
	users_free(u);
	assert_int_equal(users_harden(folder.fd, &n, &e), 0);
	assert_int_equal(n, 0);
	assert_int_equal(count_names("."), 1);
}

static void change_limits(void **state)
{
	static const char *const bad[] = {
		"", "A", "a b", "../a", "server", "_a", "a\n", "abcdefghijklmnopqrstuvwxyz0123456"};
	char password[1026];

	(void)state;
	memset(password, 'x', sizeof password);
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_refused(users_add(folder.fd, bad[i], "x", 1, &e), e, EX_USAGE);
		assert_refused(users_passwd(folder.fd, bad[i], "x", 1, &e), e, EX_USAGE);
	}
	assert_refused(users_add(folder.fd, "a", "", 0, &e), e, EX_DATAERR);
	assert_refused(users_add(folder.fd, "a", password, 1025, &e), e, EX_DATAERR);
	assert_int_equal(count_names("."), 0);
	assert_int_equal(
		users_add(folder.fd, "abcdefghijklmnopqrstuvwxyz012345", password, 1024, &e), 0);
}

static void fields_survive(void **state)
{
	struct users *u;
	size_t n;

	(void)state;
	spew_text(USERS_FILE,
		"{\"z\": \"plain\\u00e9\", \"b\": {\"note\": \"k\\u00e9ep\", \"password\": \"" PHC
		"\", \"more\": [1, 2.5, null, {\"deep\": true}]}, \"a\": {\"big\": "
		"9007199254740993}}");
	assert_int_equal(users_passwd(folder.fd, "b", "new", 3, &e), 0);
	assert_true(file_holds("k\xc3\xa9"
			       "ep"));
	assert_true(file_holds("2.5"));
	assert_true(file_holds("\"deep\": true"));
	assert_true(file_holds("9007199254740993"));
	assert_false(file_holds(PHC));
	assert_int_equal(users_harden(folder.fd, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_false(file_holds("plain"));
	assert_true(file_holds("k\xc3\xa9"
			       "ep"));
	assert_int_equal(users_del(folder.fd, "z", &e), 0);
	assert_int_equal(users_load(folder.fd, &u, NULL, &e), 0);
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
	spew_text(USERS_FILE, "{\"a\": \"one\", \"b\": \"two\", \"c\": {}}");
	assert_int_equal(users_harden(folder.fd, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_false(file_holds("one"));
	assert_int_equal(users_load(folder.fd, &u, NULL, &e), 0);
	assert_true(login(u, "a", "one"));
	assert_true(login(u, "b", "two"));
	assert_false(login(u, "a", "two"));
	assert_false(login(u, "c", ""));
	users_free(u);
}

static void damaged_untouched(void **state)
{
	static const char text[] = "{\"a\": \"1\"} trailing";
	struct buf b = {0};
	size_t n;

	(void)state;
	spew_text(USERS_FILE, text);
	assert_refused(users_add(folder.fd, "b", "x", 1, &e), e, EX_CONFIG);
	assert_refused(users_passwd(folder.fd, "a", "x", 1, &e), e, EX_CONFIG);
	assert_refused(users_del(folder.fd, "a", &e), e, EX_CONFIG);
	assert_refused(users_harden(folder.fd, &n, &e), e, EX_CONFIG);
	slurp(USERS_FILE, &b);
	assert_string_equal((char *)b.p, text);
	assert_int_equal(count_names("."), 1);
	buf_free(&b);
}

enum { WRITERS = 8, EACH = 4 };

static int add_some(int i)
{
	char name[32];

	for (int k = 0; k < EACH; k++) {
		(void)snprintf(name, sizeof name, "w%d-%d", i, k);
		if (users_add(folder.fd, name, name, strlen(name), &e) != 0) {
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
	spew_text(USERS_FILE, "{\"first\": \"x\"}");
	run_children(WRITERS, add_some);
	assert_int_equal(users_load(folder.fd, &u, NULL, &e), 0);
	assert_true(users_known(u, "first"));
	for (int i = 0; i < WRITERS; i++) {
		for (int k = 0; k < EACH; k++) {
			(void)snprintf(name, sizeof name, "w%d-%d", i, k);
			assert_true(users_known(u, name));
		}
	}
	assert_true(login(u, "w7-3", "w7-3"));
	users_free(u);
	assert_int_equal(count_names("."), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("add, passwd and del change one account, 0600, nothing left aside",
			changes),
		T_FOLDER("names and passwords beyond their limits change nothing", change_limits),
		T_FOLDER("fields that are not known survive every rewrite", fields_survive),
		T_FOLDER("harden turns every plain password, and each still logs in", hardened),
		T_FOLDER("a damaged file is never written over", damaged_untouched),
		T_FOLDER("eight writers at once lose no account", writers_lose_nothing),
	};
	return RUN(tests);
}
