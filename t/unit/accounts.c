/* The engines of accounts: compare-and-swap, looks and news; and that a change of accounts comes
 * through whoever is faster. */
#include "accounts.h"

#include <poll.h>

/* --- one engine alone --- */

/* Replace the text, whatever it is. */
static void replace(const char *text)
{
	struct accounts_text now;
	bool stale = true;

	(void)accounts->ops->read(accounts, &now, &e);
	buf_free(&now.text);
	assert_int_equal(
		accounts->ops->replace(accounts, text, strlen(text), &now.version, &stale, &e), 0);
	assert_false(stale);
}

static struct accounts_version version_now(const char *wanted)
{
	struct accounts_text now;

	assert_int_equal(accounts->ops->read(accounts, &now, &e), 0);
	assert_int_equal(now.text.n, strlen(wanted));
	assert_memory_equal(now.text.p, wanted, now.text.n);
	assert_false(now.version.none || now.others_can_read);
	buf_free(&now.text);
	return now.version;
}

static bool swap(const struct accounts_version *v, const char *text)
{
	bool stale = false;

	assert_int_equal(accounts->ops->replace(accounts, text, strlen(text), v, &stale, &e), 0);
	return !stale;
}

static void none_yet(void **state)
{
	struct accounts_version first;
	struct accounts_text now;
	bool changed;

	(void)state;
	assert_refused(accounts->ops->read(accounts, &now, &e), e, EX_NOINPUT);
	assert_contains(e.text, accounts->name);
	assert_true(now.version.none);
	assert_null(now.text.p);
	assert_true(swap(&now.version, "first"));
	assert_int_equal(accounts->ops->look(accounts, &now.version, &changed, &e), 0);
	assert_true(changed);
	assert_false(swap(&now.version, "second")); /* there is one now */
	first = version_now("first");
	put_nothing();
	assert_refused(accounts->ops->look(accounts, &first, &changed, &e), e, EX_NOINPUT);
	assert_false(swap(&first, "second")); /* it went */
	assert_refused(accounts->ops->read(accounts, &now, &e), e, EX_NOINPUT);
	assert_true(now.version.none);
}

static void swapped(void **state)
{
	struct accounts_version v, newer;

	(void)state;
	put_text("one");
	v = version_now("one");
	assert_true(swap(&v, "two"));
	assert_false(swap(&v, "three"));
	newer = version_now("two");
	assert_true(swap(&newer, "")); /* an empty text is one */
	newer = version_now("");
	assert_false(swap(&v, "three"));
	assert_true(swap(&newer, "three"));
	(void)version_now("three");
	assert_private();
	assert_tidy();
}

static void looked_at(void **state)
{
	struct accounts_version v;
	bool changed = true;

	(void)state;
	put_text("one");
	v = version_now("one");
	assert_int_equal(accounts->ops->look(accounts, &v, &changed, &e), 0);
	assert_false(changed);
	replace("two");
	assert_int_equal(accounts->ops->look(accounts, &v, &changed, &e), 0);
	assert_true(changed);
	v = version_now("two");
	assert_int_equal(accounts->ops->look(accounts, &v, &changed, &e), 0);
	assert_false(changed);
}

static void followed(void **state)
{
	struct pollfd p = {.events = POLLIN};

	(void)state;
	put_text("one");
	p.fd = accounts->ops->follow(accounts);
	assert_false(accounts->ops->news(accounts));
	(void)poll(NULL, 0, 20); /* a file's time ticks coarsely */
	replace("two");
	assert_true(p.fd < 0 || poll(&p, 1, 10000) == 1);
	assert_true(accounts->ops->news(accounts));
	assert_false(accounts->ops->news(accounts)); /* once */
	assert_true(p.fd < 0 || poll(&p, 1, 0) == 0);
	put_nothing();
	assert_true(accounts->ops->news(accounts));
	accounts->ops->unfollow(accounts);
	accounts->ops->unfollow(accounts);
}

enum { PROCESSES = 8, ROUNDS = 25 };

/* Add one to the number that the text is, each time. */
static int count_up(int i)
{
	(void)i;
	for (int k = 0; k < ROUNDS;) {
		struct accounts_text now;
		char number[16];
		bool stale;
		if (accounts->ops->read(accounts, &now, &e) != 0 ||
			buf_append(&now.text, "", 1) != 0) {
			return 1;
		}
		int n = snprintf(
			number, sizeof number, "%ld", strtol((char *)now.text.p, NULL, 10) + 1);
		buf_free(&now.text);
		if (accounts->ops->replace(accounts, number, (size_t)n, &now.version, &stale, &e) !=
			0) {
			(void)fprintf(stderr, "%s\n", e.text);
			return 1;
		}
		k += stale ? 0 : 1;
	}
	return 0;
}

static void counted_exactly(void **state)
{
	(void)state;
	put_text("0");
	run_children(PROCESSES, count_up);
	assert_text("200");
	assert_tidy();
}

/* The first account is added by one of eight: nobody finds it half there. */
static int add_first(int i)
{
	char name[] = {'u', (char)('0' + i), '\0'};

	if (users_invite(accounts, name, secret_1, 1 << 30, &e) != 0) {
		(void)fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	return 0;
}

static void first_of_eight(void **state)
{
	(void)state;
	run_children(PROCESSES, add_first);
	for (char name[] = "u0"; name[1] < '0' + PROCESSES; name[1]++) {
		assert_int_equal(row_of(name).invited_to, 1 << 30);
	}
	assert_tidy();
}

/* --- what the folder may hold --- */

/* Number and time of the file are the same as before: its bytes are not. */
static void edited_in_place(void **state)
{
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct accounts_version v;

	(void)state;
	put_text("{\"a\": \"1\"}");
	assert_int_equal(utimensat(folder.fd, USERS_FILE, times, 0), 0);
	v = version_now("{\"a\": \"1\"}");
	put_text("{\"a\": \"2\"}");
	assert_int_equal(utimensat(folder.fd, USERS_FILE, times, 0), 0);
	assert_false(swap(&v, "{}"));
	assert_text("{\"a\": \"2\"}");
}

/* Of the same size and time, however often: no file gets the number of the one that was read. */
static void replaced_within_a_tick(void **state)
{
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct accounts_version v;
	bool changed;

	(void)state;
	put_text("0");
	assert_int_equal(utimensat(folder.fd, USERS_FILE, times, 0), 0);
	v = version_now("0");
	for (char text[] = "1"; text[0] <= '9'; text[0]++) {
		spew_text("aside", text);
		assert_int_equal(renameat(folder.fd, "aside", folder.fd, USERS_FILE), 0);
		assert_int_equal(utimensat(folder.fd, USERS_FILE, times, 0), 0);
		changed = false;
		assert_int_equal(accounts->ops->look(accounts, &v, &changed, &e), 0);
		assert_true(changed);
	}
}

static void symlinks(void **state)
{
	struct accounts_text now;
	struct accounts_version v;
	struct buf b = {0};
	struct stat st;
	bool stale;

	(void)state;
	spew_text("elsewhere", "{}");
	assert_int_equal(symlinkat("elsewhere", folder.fd, USERS_FILE), 0);
	v = version_now("{}"); /* read through it */
	assert_true(swap(&v, "new"));
	assert_int_equal(fstatat(folder.fd, USERS_FILE, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode)); /* and replaced by the file */
	slurp("elsewhere", &b);
	assert_string_equal((char *)b.p, "{}");
	buf_free(&b);
	assert_int_equal(unlinkat(folder.fd, USERS_FILE, 0), 0);
	assert_int_equal(symlinkat("nowhere", folder.fd, USERS_FILE), 0);
	assert_refused(accounts->ops->read(accounts, &now, &e), e, EX_NOINPUT);
	assert_false(now.version.none);
	now.version.none = true;
	assert_refused(
		accounts->ops->replace(accounts, "x", 1, &now.version, &stale, &e), e, EX_NOINPUT);
	assert_refused(users_invite(accounts, "a", secret_1, 5, &e), e, EX_NOINPUT);
	assert_int_equal(readlinkat(folder.fd, USERS_FILE, (char[8]){0}, 8), 7);
}

/* --- somebody else is faster --- */

/* A store that lets others change the accounts ahead of each replacement. */
static struct {
	struct accounts_store base, *inner;
	void (*others)(int try);
	int tries;
	struct buf last; /* what was to be written, the last time */
	bool same_hash;  /* the Argon2id strings in it were the same each time */
} between;

/* Does every Argon2id string of a stand in b? */
static bool hashes_of(const struct buf *a, const struct buf *b)
{
	for (const char *p = (char *)a->p; p != NULL && (p = strstr(p, "$argon2id")) != NULL;) {
		char one[256];
		(void)snprintf(one, sizeof one, "%.*s", (int)strcspn(p, "\""), p);
		if (strstr((char *)b->p, one) == NULL) {
			return false;
		}
		p += strlen(one);
	}
	return true;
}

static int between_read(struct accounts_store *s, struct accounts_text *out, struct err *err)
{
	(void)s;
	return between.inner->ops->read(between.inner, out, err);
}

static int between_replace(struct accounts_store *s, const void *p, size_t n,
	const struct accounts_version *expected, bool *stale, struct err *err)
{
	struct buf now = {0};

	(void)s;
	assert_int_equal(buf_append(&now, p, n), 0);
	assert_int_equal(buf_append(&now, "", 1), 0);
	between.same_hash = between.same_hash && hashes_of(&between.last, &now);
	buf_free(&between.last);
	between.last = now;
	between.others(between.tries++);
	return between.inner->ops->replace(between.inner, p, n, expected, stale, err);
}

static struct accounts_store *others_first(void (*others)(int try))
{
	static const struct accounts_ops ops = {.read = between_read, .replace = between_replace};

	buf_free(&between.last);
	between.base = (struct accounts_store){.ops = &ops, .name = "between"};
	between.inner = accounts;
	between.others = others;
	between.tries = 0;
	between.same_hash = true;
	return &between.base;
}

/* Three times somebody adds another one. */
static void add_another(int try)
{
	const char name[] = {'o', (char)('0' + try), '\0'};

	if (try < 3) {
		assert_int_equal(users_set_mode(accounts, "other", (enum users_mode)try, &e), 0);
		assert_int_equal(users_invite(accounts, name, secret_2, 1 << 30, &e), 0);
	}
}

static int change(struct accounts_store *s, int how)
{
	size_t n = 0;
	int rc;

	switch (how) {
	case 0:
		return users_add(s, "new", "password", 8, &e);
	case 1:
		return users_passwd(s, "a", "password", 8, &e);
	case 2:
		return users_del(s, "a", &e);
	case 3:
		rc = users_harden(s, &n, &e);
		assert_int_equal(n, 3); /* and not that for each try */
		return rc;
	case 4:
		return users_upgrade(s, "a", "plain", 5, &e);
	case 5:
		return users_set_mode(s, "a", USERS_KEY, &e);
	case 6:
		return users_set_key(s, "a", key_1, &e);
	case 7:
		return users_revoke(s, "a", key_2, &e);
	case 8:
		return users_invite(s, "a", secret_1, 1 << 30, &e);
	case 9:
		return users_set_limits(s, "a", &(uint64_t){7}, NULL, &e);
	default:
		return users_join(s, "i", secret_1, 5, key_1, &e);
	}
}

static void check_change(int how)
{
	struct users *u = reload();
	bool ok = true;

	if (how == 0 || how == 1) {
		assert_int_equal(users_check_password(
					 u, how == 0 ? "new" : "a", "password", 8, NULL, &ok, &e),
			0);
	} else if (how != 2 && how != 7 && how != 10) {
		assert_false(users_is_plain(u, "a"));
		assert_int_equal(users_check_password(u, "a", "plain", 5, NULL, &ok, &e), 0);
	}
	assert_true(ok);
	assert_int_equal(users_known(u, "a"), how != 2);
	users_free(u);
	assert_true(how != 5 || row_of("a").mode == USERS_KEY);
	assert_true(how != 6 || judge("a", key_1, NULL) == USERS_PASSWORD_TOO);
	assert_true(how != 7 || row_of("a").revoked != 0);
	assert_true(how != 8 || invited("a", secret_1, 5));
	assert_true(how != 9 || row_of("a").max_messages == 7);
	assert_true(how != 10 || judge("i", key_1, NULL) == USERS_KEY_IS_ENOUGH);
}

static void retried(void **state)
{
	static const char before[] = "{\"a\": \"plain\", \"other\": {\"note\": 1}, \"p\": \"x\", "
				     "\"q\": \"y\"}";

	(void)state;
	for (int how = 0; how <= 10; how++) {
		put_text(before);
		assert_int_equal(users_invite(accounts, "i", secret_1, 1 << 30, &e), 0);
		if (change(others_first(add_another), how) != 0) {
			fail_msg("change %d: %s", how, e.text);
		}
		assert_int_equal(between.tries, 4);
		assert_true(between.same_hash); /* Argon2id was computed once */
		check_change(how);
		assert_int_equal(row_of("other").mode, USERS_KEY); /* theirs is there, too */
		for (char name[] = "o0"; name[1] < '3'; name[1]++) {
			assert_true(invited(name, secret_2, 5));
		}
		assert_tidy();
	}
	buf_free(&between.last);
}

/* What the others did may make ours impossible, or needless. */
static void take_the_ground(int try)
{
	if (try == 0) {
		assert_int_equal(users_add(accounts, "new", "theirs", 6, &e), 0);
		assert_int_equal(users_del(accounts, "a", &e), 0);
		assert_int_equal(users_join(accounts, "i", secret_1, 5, key_2, &e), 0);
	}
}

static void judged_anew(void **state)
{
	static const struct {
		int how, code, tries;
	} rows[] = {{0, EX_CANTCREAT, 1}, {1, EX_NOUSER, 1}, {2, EX_NOUSER, 1}, {4, EX_OK, 1},
		{5, EX_NOUSER, 1}, {6, EX_NOUSER, 1}, {7, EX_NOUSER, 1}, {8, EX_OK, 2},
		{9, EX_NOUSER, 1}, {10, EX_NOPERM, 1}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		put_text("{\"a\": \"plain\"}");
		assert_int_equal(users_invite(accounts, "i", secret_1, 1 << 30, &e), 0);
		int rc = change(others_first(take_the_ground), rows[i].how);
		if ((rc == 0 ? EX_OK : e.code) != rows[i].code || between.tries != rows[i].tries) {
			fail_msg("change %d: %d, code %d, %d tries", rows[i].how, rc, e.code,
				between.tries);
		}
		assert_int_equal(judge("i", key_2, NULL), USERS_KEY_IS_ENOUGH);
	}
	buf_free(&between.last);
}

static void other_passwords(int try)
{
	if (try == 0) {
		put_text("{\"a\": \"other\", \"b\": \"same\"}");
	}
}

static void hashed_anew(void **state)
{
	struct users *u;
	bool ok;
	size_t n;

	(void)state;
	put_text("{\"a\": \"first\", \"b\": \"same\", \"c\": \"gone\"}");
	assert_int_equal(users_harden(others_first(other_passwords), &n, &e), 0);
	assert_int_equal(n, 2);
	u = reload();
	assert_int_equal(users_login(u, "a", "other", 5, NULL, &ok, &e), 0);
	assert_true(ok);
	assert_int_equal(users_login(u, "a", "first", 5, NULL, &ok, &e), 0);
	assert_false(ok);
	assert_int_equal(users_login(u, "b", "same", 4, NULL, &ok, &e), 0);
	assert_true(ok);
	assert_false(users_known(u, "c"));
	users_free(u);
	buf_free(&between.last);
}

static void write_always(int try)
{
	char text[32];

	(void)snprintf(text, sizeof text, "{\"b\": {\"note\": %d}}", try);
	put_text(text);
}

static void given_up(void **state)
{
	(void)state;
	put_text("{}");
	assert_refused(
		users_invite(others_first(write_always), "a", secret_1, 5, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, "between");
	assert_int_equal(between.tries, 500);
	assert_text("{\"b\": {\"note\": 499}}");
	buf_free(&between.last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_BOTH("none are none, until the first are made", none_yet),
		T_BOTH("they are replaced while they are those that were read", swapped),
		T_BOTH("a look tells whether they changed", looked_at),
		T_BOTH("who follows them is told, once", followed),
		T_BOTH("eight processes that count together count exactly", counted_exactly),
		T_BOTH("eight that make the first account make eight", first_of_eight),
		T_FILES("an editor that keeps number, size and time is noticed", edited_in_place),
		T_FILES("a file replaced within a tick is another", replaced_within_a_tick),
		T_FILES("a symlink is read through and replaced; one to nowhere stays", symlinks),
		T_BOTH("each change is tried again behind others', and hashes once", retried),
		T_BOTH("what others did is judged anew", judged_anew),
		T_BOTH("a password that others changed is hashed anew", hashed_anew),
		T_BOTH("who is too slow too often gives up, and says so", given_up),
	};
	return RUN(tests);
}
