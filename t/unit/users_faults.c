/* Accounts when calls fail: whatever allocation or system call it is, a change is done whole or
 * fails, says so, and leaves the accounts as they were. */
#include "accounts.h"
#include "faults.h"

static const char before[] =
	"{\"p\": \"plain\", \"a\": {}, \"b\": {\"password\": \"" PHC "\", \"x25519\": \"" KEY_1
	"\"}, \"i\": {\"invitation\": {\"hash\": "
	"\"9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f\", \"expires\": "
	"1073741824}}}";

enum {
	ADD,
	PASSWD,
	DEL,
	HARDEN,
	UPGRADE,
	MODE_OF_PLAIN,
	MODE,
	KEY,
	LIMITS,
	SMTP_PASSWORD,
	REVOKE,
	REVOKE_FIRST,
	INVITE,
	INVITE_NEW,
	JOIN,
	LOAD,
	LOOK,
	CHANGES
};

static int how; /* which of them */
static struct users *reading;

static void begin(void)
{
	put_text(before);
}

static int run(void)
{
	struct users *u = NULL;
	bool changed;
	size_t n;
	int rc;

	e = (struct err){0};
	switch (how) {
	case ADD:
		return users_add(accounts, "new", "password", 8, &e);
	case PASSWD:
		return users_passwd(accounts, "b", "password", 8, &e);
	case DEL:
		return users_del(accounts, "b", &e);
	case HARDEN:
		return users_harden(accounts, &n, &e);
	case UPGRADE:
		return users_upgrade(accounts, "p", "plain", 5, &e);
	case MODE_OF_PLAIN:
		return users_set_mode(accounts, "p", USERS_ENHANCED, &e);
	case MODE:
		return users_set_mode(accounts, "a", USERS_KEY, &e);
	case KEY:
		return users_set_key(accounts, "a", key_1, &e);
	case LIMITS:
		return users_set_limits(accounts, "a", &(uint64_t){1}, &(uint64_t){2}, &e);
	case SMTP_PASSWORD:
		return users_set_smtp_password(accounts, "a", "password", 8, USERS_CRAM_MD5, &e);
	case REVOKE:
		return users_revoke(accounts, "b", key_2, &e);
	case REVOKE_FIRST:
		return users_revoke(accounts, "a", key_2, &e);
	case INVITE:
		return users_invite(accounts, "a", secret_2, 1 << 30, &e);
	case INVITE_NEW:
		return users_invite(accounts, "new", secret_2, 1 << 30, &e);
	case JOIN:
		return users_join(accounts, "i", secret_1, 5, key_1, &e);
	case LOOK:
		return users_look(reading, accounts, &changed, &e);
	default:
		rc = users_load(accounts, &u, &e);
		users_free(u);
		return rc;
	}
}

/* Was it done, as far as one look tells? */
static bool is_done(void)
{
	switch (how) {
	case ADD:
		return row_of("new").kind == USERS_ARGON2ID;
	case PASSWD:
		return !text_holds(PHC);
	case DEL:
		return !text_holds("\"b\"");
	case HARDEN:
	case UPGRADE:
		return row_of("p").kind == USERS_ARGON2ID;
	case MODE_OF_PLAIN:
		return row_of("p").mode == USERS_ENHANCED && row_of("p").kind == USERS_ARGON2ID;
	case MODE:
		return row_of("a").mode == USERS_KEY;
	case KEY:
		return row_of("a").has_key;
	case LIMITS:
		return row_of("a").max_messages == 1 && row_of("a").max_bytes == 2;
	case SMTP_PASSWORD:
		return row_of("a").smtp_password && row_of("a").mechanisms == USERS_CRAM_MD5;
	case REVOKE:
		return row_of("b").revoked != 0 && !row_of("b").has_key && text_holds(KEY_1);
	case REVOKE_FIRST:
		return row_of("a").revoked != 0 && text_holds("\"revoked_keys\"");
	case INVITE:
		return invited("a", secret_2, 5);
	case INVITE_NEW:
		return invited("new", secret_2, 5) && row_of("new").revoked != 0;
	case JOIN:
		return row_of("i").has_key && row_of("i").invited_to == 0;
	default:
		return true;
	}
}

static bool is_as_before(void)
{
	struct buf b = {0};
	bool same;

	get(&b);
	same = strcmp((char *)b.p, before) == 0;
	buf_free(&b);
	return same;
}

static void judge_change(int rc)
{
	char said[ERR_TEXT_MAX];
	int code = e.code;

	(void)snprintf(said, sizeof said, "%s", e.text);
	if (rc != 0 && ((code != EX_TEMPFAIL && code != EX_IOERR) || said[0] == '\0')) {
		fail_msg("change %d: code %d, \"%s\"", how, code, said);
	}
	if (rc == 0 && !is_done()) {
		fail_msg("change %d: it says that it is done", how);
	}
	/* when the folder cannot be synced it is done, and nobody is told so */
	if (rc != 0 && !is_as_before() &&
		!(strcmp(said, "cannot sync the folder: "
			       "Input/output error") == 0 &&
			is_done())) {
		fail_msg("change %d: something is changed, though \"%s\"", how, said);
	}
	users_free(reload()); /* whatever it is, it is whole */
}

/* And when nothing fails any more it can be done, if it was not. */
static void judge_end(int rc)
{
	judge_change(rc);
	if (is_as_before() && run() != 0) {
		fail_msg("change %d: then %s", how, e.text);
	}
	assert_tidy();
}

static void short_of_memory(void **state)
{
	const struct attempt a = {
		.name = "a change", .begin = begin, .run = run, .judge = judge_change};

	(void)state;
	if (MEMORY_FAILS == 0) {
		print_message("# SKIPPED: the sanitizer holds the allocator\n");
		skip();
	}
	for (how = 0; how < LOOK; how++) { /* over files the way is the same, but slower */
		bool hashes = (how <= MODE_OF_PLAIN && how != DEL) || how == SMTP_PASSWORD;
		if ((!in_memory && how != LOAD && how != INVITE_NEW) || how == PASSWD ||
			how == UPGRADE) {
			continue; /* the last two hash as ADD does */
		}
		begin();
		assert_int_equal(run(), 0); /* what libraries keep is there from now on */
		assert_true(fail_each_allocation(&a, false) > 5);
		assert_true(hashes || fail_each_allocation(&a, true) > 5);
	}
}

/* The first account is made, or there still is none. */
static void begin_with_none(void)
{
	put_nothing();
}

static void judge_first(int rc)
{
	if (rc == 0) {
		assert_true(invited("new", secret_2, 5));
	} else {
		assert_int_equal(e.code, EX_TEMPFAIL);
		assert_refused(users_look(reading, accounts, &(bool){false}, &e), e, EX_NOINPUT);
	}
}

static void first_without_memory(void **state)
{
	const struct attempt a = {.name = "the first account",
		.begin = begin_with_none,
		.run = run,
		.judge = judge_first};

	(void)state;
	if (MEMORY_FAILS == 0) {
		print_message("# SKIPPED: the sanitizer holds the allocator\n");
		skip();
	}
	how = INVITE_NEW;
	reading = load(before);
	assert_true(fail_each_allocation(&a, false) > 5);
	users_free(reading);
}

static void calls_fail(void **state)
{
	static const int changes[] = {HARDEN, INVITE_NEW, LOAD, LOOK};
	const struct attempt a = {
		.name = "a change", .begin = begin, .run = run, .judge = judge_end};

	(void)state;
	for (size_t i = 0; i < COUNT(changes); i++) {
		how = changes[i];
		reading = load(before);
		long n = fail_each_call(&a, NULL, EIO, false);
		users_free(reading);
		if (n < (how == LOOK ? 1 : how == LOAD ? 5 : 15)) {
			fail_msg("change %d has %ld calls", how, n);
		}
	}
}

static void not_opened(void **state)
{
	struct accounts_store *s = NULL;

	(void)state;
	assert_refused(accounts_files_open(-1, &s, &e), e, EX_TEMPFAIL);
	if (MEMORY_FAILS != 0) {
		memory.calls = 0;
		memory.at = 1;
		int rc = accounts_files_open(folder.fd, &s, &e);
		memory.at = 0;
		assert_int_equal(rc, -1);
		assert_int_equal(e.code, EX_TEMPFAIL);
	}
	assert_null(s);
}

/* With no descriptor left, and when a call is interrupted. */
static void other_errors(void **state)
{
	const struct attempt a = {
		.name = "a change", .begin = begin, .run = run, .judge = judge_end};
	static const char *const again[] = {"read", "write", "flock"};

	(void)state;
	how = INVITE_NEW;
	assert_true(fail_each_call(&a, "openat", EMFILE, false) >= 3);
	assert_true(fail_each_call(&a, "write", ENOSPC, true) >= 1);
	for (size_t i = 0; i < COUNT(again); i++) {
		begin();
		faults.calls = 0;
		faults.only = again[i];
		faults.error = EINTR;
		faults.onwards = false;
		faults.at = 1;
		int rc = run();
		faults.at = 0;
		assert_int_equal(rc, 0); /* as if nothing had been */
		assert_true(is_done());
	}
}

static void too_many_recipients(void **state)
{
	struct users_list list;

	(void)state;
	if (MEMORY_FAILS != 0) {
		memory.calls = 0;
		memory.at = 1;
		int rc = users_split(&list, "a;b", 3, &e);
		memory.at = 0;
		assert_int_equal(rc, -1);
		assert_int_equal(e.code, EX_TEMPFAIL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_BOTH("no allocation that fails does harm", short_of_memory),
		T_MEMORY("nor when the first account is made", first_without_memory),
		T_FILES("no system call that fails does harm", calls_fail),
		T_FILES("full disks and tables fail alike, and interruptions do not", other_errors),
		T_FILES("a store that cannot be opened is none", not_opened),
		T_MEMORY("a list of recipients without memory is none", too_many_recipients),
	};
	return RUN(tests);
}
