/* One-time keys when calls fail, one or all from there on, as in a crash: no number is given twice,
 * and what is said to be destroyed is. */
#include "faults.h"

#include "../../store/onetime.h"

static struct err e;
static struct x25519_pair pairs[3];
static uint64_t first, given; /* the highest number that anybody got */
static int watched;           /* a descriptor of the key that is destroyed */

static void assert_told(int rc)
{
	if (rc != 0 && (e.code == 0 || e.code == EX_SOFTWARE || e.text[0] == '\0')) {
		fail_msg("code %d, \"%s\"", e.code, e.text);
	}
}

static int make(void)
{
	e = (struct err){0};
	return onetime_make(folder.fd, "bob", 3, pairs, &first, &e);
}

static void assert_fresh(void)
{
	struct x25519_pair p;
	bool made;

	assert_true(first > given);
	given = first + 2;
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(onetime_find(folder.fd, "bob", first + i, &p, &made, &e), 0);
		assert_memory_equal(&p, &pairs[i], sizeof p);
	}
}

static void begin_make(void)
{
}

static void judge_make(int rc)
{
	assert_told(rc);
	if (rc == 0) {
		assert_fresh();
	}
	assert_int_equal(make(), 0);
	assert_fresh();
	assert_int_equal(onetime_destroy_all(folder.fd, "bob", &e), 0);
	assert_int_equal(count_names("bob.onetime"), 1);
}

static void begin_first(void)
{
	(void)unlinkat(folder.fd, "bob.onetime/next", 0);
	(void)unlinkat(folder.fd, "bob.onetime", AT_REMOVEDIR);
	given = 0;
}

static void begin_destroy(void)
{
	assert_int_equal(make(), 0);
	watched = openat(folder.fd, "bob.onetime", O_RDONLY | O_DIRECTORY);
	char name[24];
	(void)snprintf(name, sizeof name, "%d", (int)first);
	int fd = openat(watched, name, O_RDONLY);
	(void)close(watched);
	watched = fd;
	assert_true(fd >= 0);
}

static int destroy(void)
{
	e = (struct err){0};
	return onetime_destroy(folder.fd, "bob", first, &e);
}

static int destroy_all(void)
{
	e = (struct err){0};
	return onetime_destroy_all(folder.fd, "bob", &e);
}

static int destroy_old(void)
{
	size_t n;

	e = (struct err){0};
	return onetime_destroy_old(folder.fd, "bob", first + 1, INT64_MAX, &n, &e);
}

static int count(void)
{
	uint64_t next;
	size_t n;

	e = (struct err){0};
	int rc = onetime_count(folder.fd, "bob", 0, &n, &next, &e);
	assert_true(rc != 0 || (n == 3 && next == given + 1));
	return rc;
}

static void judge_destroy(int rc)
{
	static const uint8_t zeros[64];
	uint8_t seen[64];
	struct x25519_pair p;
	struct err why;
	bool made;

	assert_told(rc);
	int found = onetime_find(folder.fd, "bob", first, &p, &made, &why);
	assert_true(made);
	assert_true(rc != 0 || found != 0);
	if (found != 0) { /* it is not merely unlinked */
		assert_int_equal(pread(watched, seen, sizeof seen, 0), sizeof seen);
		assert_memory_equal(seen, zeros, sizeof seen);
	} else {
		assert_memory_equal(&p, &pairs[0], sizeof p);
	}
	(void)close(watched);
	assert_int_equal(onetime_destroy_all(folder.fd, "bob", &e), 0);
	assert_int_equal(count_names("bob.onetime"), 1);
}

static int find(void)
{
	struct x25519_pair p;
	bool made;

	e = (struct err){0};
	int rc = onetime_find(folder.fd, "bob", given, &p, &made, &e);
	if (rc != 0) { /* that it cannot be read is not that it is gone */
		assert_int_not_equal(e.code, EX_NOINPUT);
	}
	return rc;
}

static const struct attempt
	making = {.name = "making", .begin = begin_make, .run = make, .judge = judge_make},
	making_first = {.name = "making the first",
		.begin = begin_first,
		.run = make,
		.judge = judge_make},
	destroying = {.name = "destroying",
		.begin = begin_destroy,
		.run = destroy,
		.judge = judge_destroy},
	destroying_all = {.name = "destroying all",
		.begin = begin_destroy,
		.run = destroy_all,
		.judge = judge_destroy},
	destroying_old = {.name = "destroying the old ones",
		.begin = begin_destroy,
		.run = destroy_old,
		.judge = judge_destroy},
	counting = {.name = "counting", .begin = begin_make, .run = count, .judge = assert_told},
	finding = {.name = "finding", .begin = begin_make, .run = find, .judge = assert_told};

static void calls_fail(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EACCES};

	(void)state;
	given = 0;
	for (int i = 0; i < 6; i++) {
		const int error = errors[i / 2];
		const bool onwards = i % 2 == 1;
		assert_true(fail_each_call(&making, NULL, error, onwards) > 15);
		assert_true(fail_each_call(&making_first, NULL, error, onwards) > 15);
		assert_true(fail_each_call(&destroying, NULL, error, onwards) > 8);
		assert_true(fail_each_call(&destroying_all, NULL, error, onwards) > 15);
		assert_true(fail_each_call(&destroying_old, NULL, error, onwards) > 10);
		assert_int_equal(make(), 0);
		assert_fresh();
		assert_true(fail_each_call(&finding, NULL, error, onwards) > 6);
		assert_true(fail_each_call(&counting, NULL, error, onwards) > 6);
	}
}

static void short_of_memory(void **state)
{
	(void)state;
	if (MEMORY_FAILS == 0) {
		print_message("# SKIPPED: the sanitizer holds the allocator\n");
		skip();
	}
	given = 0;
	assert_true(fail_each_allocation(&making, false) > 2);
	assert_true(fail_each_allocation(&destroying_all, false) > 1);
	assert_int_equal(make(), 0);
	assert_fresh();
	assert_true(fail_each_allocation(&finding, false) > 1);
}

/* A sync that fails: the key may still be on the disk, and nobody is told that it is not. */
static void syncs_that_fail(void **state)
{
	(void)state;
	given = 0;
	for (int at = 1; at <= 2; at++) {
		begin_destroy();
		faults.calls = 0;
		faults.only = "fsync";
		faults.error = EIO;
		faults.onwards = false;
		faults.at = at;
		int rc = destroy();
		faults.at = 0;
		assert_int_equal(rc, -1);
		assert_int_equal(e.code, EX_TEMPFAIL);
		judge_destroy(rc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("whichever call fails, no number is given twice and no key lives on",
			calls_fail),
		T_FOLDER("no allocation that fails does harm", short_of_memory),
		T_FOLDER("a failed sync is no destruction", syncs_that_fail),
	};
	return RUN(tests);
}
