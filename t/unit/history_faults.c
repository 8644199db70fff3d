/* A history when calls fail, one or all from there on, as in a crash: what was said to be kept is
 * kept, in its order, and once. */
#include "faults.h"

#include "history.h"

static struct history *h;
static uint64_t added; /* records that history_add said yes to, at the least */
static bool by_phrase_now;

static void assert_told(int rc)
{
	if (rc != 0 && (e.code == 0 || e.code == EX_SOFTWARE || e.text[0] == '\0')) {
		fail_msg("code %d, \"%s\"", e.code, e.text);
	}
}

static const struct history_secret *secret(void)
{
	return by_phrase_now ? &by_phrase : &by_identity;
}

static void begin_add(void)
{
	h = open_history(secret());
	added = look_through(h);
}

static int run_add(void)
{
	e = (struct err){0};
	return history_add(h, "note", 4, "body", 4, NULL, &e);
}

/* It is there, or it is not; those before it are. */
static void judge_add(int rc)
{
	assert_told(rc);
	if (rc != 0 && history_add(h, "note", 4, "body", 4, NULL, &e) == 0) {
		added++; /* nothing was touched before it failed */
	}
	history_close(h);
	h = open_history(secret());
	size_t n = look_through(h);
	assert_true(n >= added + (rc == 0 ? 1 : 0) && n <= added + 1);
	for (size_t i = 0; i < n; i++) {
		assert_row(i, i + 1, "note", "body");
	}
	history_close(h);
	if (n > 20) {
		assert_int_equal(history_delete(folder.fd, "bob", &e), 0);
	}
}

static void begin_open(void)
{
	h = NULL;
}

static int run_open(void)
{
	e = (struct err){0};
	return history_open(&h, folder.fd, "bob", secret(), &e);
}

static void judge_open(int rc)
{
	assert_told(rc);
	if (rc == 0) {
		history_close(h);
	}
	h = open_history(secret());
	(void)add(h, "note", "body");
	assert_true(look_through(h) > 0);
	history_close(h);
	assert_int_equal(count_names("."), 2);
}

static void judge_first(int rc)
{
	judge_open(rc);
	assert_int_equal(history_delete(folder.fd, "bob", &e), 0);
	assert_int_equal(count_names("."), 0);
}

static struct buf watched_key;

static void begin_delete(void)
{
	h = open_history(secret());
	(void)add(h, "note", "body");
	history_close(h);
	slurp("bob.history-key", &watched_key);
}

static int run_delete(void)
{
	e = (struct err){0};
	return history_delete(folder.fd, "bob", &e);
}

/* Deleted; or, where that was refused, whole or without a key. */
static void judge_delete(int rc)
{
	struct buf now = {0};

	assert_told(rc);
	if (rc == 0) {
		assert_int_equal(count_names("."), 0);
	} else if (history_look(folder.fd, "bob") != HISTORY_NONE) {
		slurp("bob.history-key", &now);
		assert_memory_equal(now.p, watched_key.p, watched_key.n);
		buf_free(&now);
		h = open_history(secret());
		assert_int_equal(look_through(h), 1);
		history_close(h);
	} else {
		h = open_history(secret());
		assert_int_equal(look_through(h), 0);
		history_close(h);
	}
	assert_int_equal(history_delete(folder.fd, "bob", &e), 0);
	assert_int_equal(count_names("."), 0);
}

static void begin_each(void)
{
	h = open_history(secret());
	if (look_through(h) == 0) {
		(void)add(h, "note", "body");
	}
}

static int run_each(void)
{
	e = (struct err){0};
	seen.n = 0;
	return history_each(h, 1, true, see, NULL, &e);
}

/* A disk that cannot be read is not a damaged record. */
static void judge_each(int rc)
{
	assert_told(rc);
	for (size_t i = 0; i < seen.n; i++) {
		assert_row(i, i + 1, "note", "body");
	}
	history_close(h);
}

static const struct attempt
	adding = {.name = "adding", .begin = begin_add, .run = run_add, .judge = judge_add},
	opening = {.name = "opening", .begin = begin_open, .run = run_open, .judge = judge_open},
	making = {.name = "making one", .begin = begin_open, .run = run_open, .judge = judge_first},
	deleting = {.name = "deleting",
		.begin = begin_delete,
		.run = run_delete,
		.judge = judge_delete},
	reading = {.name = "reading", .begin = begin_each, .run = run_each, .judge = judge_each};

static void calls_fail(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EACCES};

	(void)state;
	give_identity();
	for (int i = 0; i < 6; i++) {
		const int error = errors[i / 2];
		const bool onwards = i % 2 == 1;
		assert_true(fail_each_call(&making, NULL, error, onwards) > 15);
		assert_true(fail_each_call(&opening, NULL, error, onwards) > 6);
		assert_true(fail_each_call(&adding, NULL, error, onwards) > 4);
		assert_true(fail_each_call(&reading, NULL, error, onwards) > 4);
		assert_int_equal(history_delete(folder.fd, "bob", &e), 0);
		assert_true(fail_each_call(&deleting, NULL, error, onwards) > 7);
	}
	buf_free(&watched_key);
}

/* With nothing held behind it. */
static int run_open_and_close(void)
{
	int rc = run_open();

	history_close(rc == 0 ? h : NULL);
	return rc;
}

static void short_of_memory(void **state)
{
	const struct attempt opened = {.name = "opening",
		.begin = begin_open,
		.run = run_open_and_close,
		.judge = assert_told};

	(void)state;
	if (MEMORY_FAILS == 0) {
		print_message("# SKIPPED: the sanitizer holds the allocator\n");
		skip();
	}
	give_identity();
	for (int i = 0; i < 2; i++) {
		by_phrase_now = i == 1;
		assert_true(fail_each_allocation(&opened, false) >= 1); /* it is made */
		assert_true(fail_each_allocation(&opened, false) > 1);
		assert_int_equal(history_delete(folder.fd, "bob", &e), 0);
	}
	by_phrase_now = false;
	for (long n = 1, rc = -1; rc != 0; n++) {
		begin_each();
		memory.calls = 0;
		memory.at = n;
		rc = run_each();
		memory.at = 0;
		assert_told((int)rc);
		history_close(h);
	}
	for (long n = 1, rc = -1; rc != 0; n++) {
		begin_add();
		memory.calls = 0;
		memory.at = n;
		rc = run_add();
		memory.at = 0;
		assert_told((int)rc);
		assert_int_equal(look_through(h), added + (rc == 0 ? 1 : 0));
		history_close(h);
	}
}

/* After a failed sync nobody knows what is on disk: the descriptor is not asked again. */
static void a_sync_that_fails(void **state)
{
	(void)state;
	give_identity();
	begin_add();
	faults.calls = 0;
	faults.only = "fsync";
	faults.error = EIO;
	faults.onwards = false;
	faults.at = 1;
	int rc = run_add();
	faults.at = 0;
	assert_int_equal(rc, -1);
	assert_int_equal(e.code, EX_TEMPFAIL);
	assert_refused(history_add(h, "", 0, "", 0, NULL, &e), e, EX_TEMPFAIL);
	assert_int_equal(look_through(h), 0);
	history_close(h);
	h = open_history(secret());
	assert_int_equal(add(h, "note", "body"), 1);
	history_close(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("whichever call fails, what was kept is there, and once", calls_fail),
		T_FOLDER("no allocation that fails does harm", short_of_memory),
		T_FOLDER("after a sync that failed it is opened anew", a_sync_that_fails),
	};
	return RUN(tests);
}
