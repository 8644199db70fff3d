/* Numbers of messages when calls fail: none is given twice, wherever the writer was stopped, and
 * what came is told once as new. */
#include "faults.h"

#include "../../store/sequence.h"

static struct err e;
static uint64_t given; /* the highest that anybody got */
static struct sequence_number number;
static struct sequence_taken taken;
static uint64_t coming; /* the number of the message that comes */

static void begin_next(void)
{
	assert_int_equal(sequence_next(folder.fd, "bob", "chat", &number, &e), 0);
	assert_true(number.number > given);
	given = number.number;
}

static int run_next(void)
{
	e = (struct err){0};
	return sequence_next(folder.fd, "bob", "chat", &number, &e);
}

static void assert_told(int rc)
{
	if (rc != 0 && (e.code == 0 || e.code == EX_SOFTWARE || e.text[0] == '\0')) {
		fail_msg("code %d, \"%s\"", e.code, e.text);
	}
}

static void judge_next(int rc)
{
	assert_told(rc);
	if (rc == 0) {
		assert_true(number.number > given);
		given = number.number;
	}
	begin_next();
	assert_int_equal(count_names("."), 1);
}

static const struct attempt next_one = {
	.name = "a number", .begin = begin_next, .run = run_next, .judge = judge_next};

static int take_it(void)
{
	const struct sequence_number n = {.number = coming};
	uint8_t id[SEQUENCE_ID] = {0};

	put_u64le(id, coming);
	e = (struct err){0};
	return sequence_take(folder.fd, "bob", "chat", &n, id, &taken, &e);
}

static void begin_take(void)
{
	coming++;
}

/* Tried again it is the next, or it was taken. */
static void judge_take(int rc)
{
	assert_told(rc);
	assert_true(rc != 0 || taken.how == (coming == 1 ? SEQUENCE_FIRST : SEQUENCE_NEXT));
	assert_int_equal(take_it(), 0);
	assert_int_equal(taken.highest, coming);
	assert_int_equal(taken.gaps, 0);
	assert_true(taken.how == SEQUENCE_KNOWN || rc != 0);
	assert_true(taken.how != SEQUENCE_REPEATED && taken.how != SEQUENCE_GAP);
	assert_int_equal(count_names("."), 1);
}

static const struct attempt take_one = {
	.name = "a message comes", .begin = begin_take, .run = take_it, .judge = judge_take};

static int run_missing(void)
{
	size_t n;

	e = (struct err){0};
	return sequence_missing(folder.fd, "bob", "chat", NULL, 0, &n, &number, &e);
}

static void begin_nothing(void)
{
}

static const struct attempt look = {
	.name = "a look", .begin = begin_nothing, .run = run_missing, .judge = assert_told};

static void calls_fail(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EACCES};

	(void)state;
	given = coming = 0;
	for (int i = 0; i < 6; i++) {
		assert_true(fail_each_call(&next_one, NULL, errors[i / 2], i % 2 == 1) > 10);
		assert_true(fail_each_call(&take_one, NULL, errors[i / 2], i % 2 == 1) > 10);
		assert_true(fail_each_call(&look, NULL, errors[i / 2], i % 2 == 1) > 4);
	}
}

/* The first of all: there is no file before. */
static void begin_with_none(void)
{
	(void)unlinkat(folder.fd, "bob.chat", 0);
	given = 0;
}

static void judge_first(int rc)
{
	assert_told(rc);
	given = rc == 0 ? number.number : 0;
	begin_next();
	assert_int_equal(count_names("."), 1);
}

static void the_first(void **state)
{
	const struct attempt first = {.name = "the first number",
		.begin = begin_with_none,
		.run = run_next,
		.judge = judge_first};

	(void)state;
	assert_true(fail_each_call(&first, NULL, EIO, false) > 8);
	assert_true(fail_each_call(&first, NULL, EIO, true) > 8);
}

static void short_of_memory(void **state)
{
	(void)state;
	if (MEMORY_FAILS == 0) {
		print_message("# SKIPPED: the sanitizer holds the allocator\n");
		skip();
	}
	given = coming = 0;
	assert_true(fail_each_allocation(&next_one, false) > 2);
	assert_true(fail_each_allocation(&take_one, false) > 2);
	assert_true(fail_each_allocation(&look, true) > 1);
}

static void full_and_interrupted(void **state)
{
	static const char *const again[] = {"read", "write", "flock"};

	(void)state;
	given = 0;
	assert_true(fail_each_call(&next_one, "write", ENOSPC, true) == 1);
	assert_int_equal(e.code, 0);
	for (size_t i = 0; i < COUNT(again); i++) {
		begin_next();
		faults.calls = 0;
		faults.only = again[i];
		faults.error = EINTR;
		faults.onwards = false;
		faults.at = 1;
		int rc = run_next();
		faults.at = 0;
		assert_int_equal(rc, 0); /* as if nothing had been */
		assert_int_equal(number.number, given + 1);
		given = number.number;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("whichever call fails, no number is given twice", calls_fail),
		T_FOLDER("nor of the first ones", the_first),
		T_FOLDER("no allocation that fails does harm", short_of_memory),
		T_FOLDER("a full disk is told, an interruption is not", full_and_interrupted),
	};
	return RUN(tests);
}
