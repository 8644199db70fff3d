/* Records and tables that are made while memory or a call fails: there is none, or a whole one. */
#include "faults.h"

#include "../../store/entry.h"
#include "../../store/hints.h"

static struct mailbox_meta meta = {
	.time_us = 1, .chars = 7, .bytes = 11, .source = "client1", .title = "A title"};
static char names[2][USER_NAME_MAX + 1] = {"client2", "client3"};
static const struct users_list to = {.names = names, .n = 2};
static const struct buf message = {.p = (uint8_t *)(uintptr_t) "hello world", .n = 11};
static const uint8_t key[ENTRY_KEY];
static size_t ahead; /* bytes that stand there already */
static int kind;

static void begin(void)
{
}

static int put(void)
{
	static const uint8_t zeros[512];
	struct buf out = {0};
	struct entry entry;
	int rc = buf_append(&out, zeros, ahead);

	if (rc == 0) {
		rc = kind == 2 ? entry_put_removed(&out, "client1", key)
			       : entry_put_delivered(
					 &out, &meta, true, &to, kind == 0 ? &message : NULL);
	}
	if (rc == 0) {
		assert_int_equal(entry_get(&entry, out.p + ahead, out.n - ahead), 0);
		assert_int_equal(entry.kind, "DSR"[kind]);
	}
	buf_free(&out);
	return rc;
}

static void judge(int rc)
{
	assert_true(rc == 0 || rc == -1);
}

static void records(void **state)
{
	const struct attempt attempt = {"put", begin, put, judge};
	long failed = 0;

	(void)state;
	if (MEMORY_FAILS == 0) {
		skip();
	}
	for (kind = 0; kind < 3; kind++) { /* wherever it is that it has to grow */
		for (ahead = 0; ahead < 512; ahead++) {
			failed += fail_each_allocation(&attempt, false);
		}
	}
	assert_true(failed > 1000);
}

/* --- hints --- */

static void begin_hints(void)
{
	(void)unlinkat(folder.fd, HINTS_FILE, 0);
	(void)unlinkat(folder.fd, HINTS_FILE ".new", 0);
}

static const uint8_t *id_of(uint32_t seed)
{
	static uint8_t id[MAILBOX_ID_BYTES];

	fill_pattern(id, sizeof id, seed);
	return id;
}

static int make_hints(void)
{
	struct hints_new new;
	int rc = hints_begin(&new, folder.fd, 600);

	for (uint32_t i = 0; i < 600; i++) {
		hints_add(&new, id_of(i), i + 1);
	}
	return hints_finish(&new, rc == 0) == 0 && rc == 0 ? 0 : -1;
}

static void judge_hints(int rc)
{
	struct hints h;
	uint64_t where;

	hints_open(&h, folder.fd);
	for (uint32_t i = 0; i < 600; i++) {
		if (hints_find(&h, id_of(i), &where)) {
			assert_int_equal(rc, 0);
			assert_int_equal(where, i + 1);
		} else {
			assert_int_equal(rc, -1);
		}
	}
	hints_close(&h);
	assert_int_not_equal(faccessat(folder.fd, HINTS_FILE ".new", F_OK, 0), 0);
}

static void hints_fail(void **state)
{
	const struct attempt attempt = {"hints", begin_hints, make_hints, judge_hints};
	static const char *const calls[] = {"openat", "ftruncate", "pwrite", "close", "renameat"};
	struct hints_new new;

	(void)state;
	for (size_t i = 0; i < COUNT(calls); i++) {
		assert_true(fail_each_call(&attempt, calls[i], EIO, false) > 0);
	}
	if (MEMORY_FAILS != 0) {
		assert_true(fail_each_allocation(&attempt, false) > 1);
	}
	/* more than any table holds */
	assert_int_equal(hints_begin(&new, folder.fd, UINT64_MAX), -1);
	assert_int_equal(hints_finish(&new, false), -1);
}

/* A hint that cannot be read or written costs time, and no more. */
static void begin_put(void)
{
	begin_hints();
	assert_int_equal(make_hints(), 0);
}

static int put_hint(void)
{
	struct hints h;
	uint64_t where;
	int rc;

	hints_open(&h, folder.fd);
	rc = hints_put(&h, id_of(1000), 77);
	if (hints_find(&h, id_of(1000), &where)) {
		assert_int_equal(where, 77);
	}
	hints_close(&h);
	return rc;
}

static void judge_put(int rc)
{
	if (rc == 0) {
		judge_hints(0);
	}
}

static void hint_fails(void **state)
{
	const struct attempt attempt = {"hint", begin_put, put_hint, judge_put};
	static const char *const calls[] = {"openat", "fstat", "pread", "pwrite"};

	(void)state;
	for (size_t i = 0; i < COUNT(calls); i++) {
		assert_true(fail_each_call(&attempt, calls[i], EIO, false) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("a record of the journal is whole or none", records),
		T_FOLDER("so is a table of hints", hints_fail),
		T_FOLDER("a hint that cannot be put is told", hint_fails),
	};

	return RUN(tests);
}
