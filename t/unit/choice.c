/* A message as a person names it: by its index, or by its id. */
#include "unit.h"

#include "../../cmd/choice.h"

static struct err e;

static void indices(void **state)
{
	static const struct {
		const char *text;
		uint64_t index;
	} rows[] = {{"1", 1}, {"9", 9}, {"10", 10}, {"100000", 100000}, {"4294967295", 4294967295}};
	struct mail_choice c;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(choice_read(&c, rows[i].text, &e), 0);
		assert_int_equal(c.index, rows[i].index);
		assert_null(c.id);
	}
}

/* Also one that is digits alone: there are not so many messages. */
static void by_id(void **state)
{
	static const char *const good[] = {"000102030405060708090a0b0c0d0e0f",
		"00000000000000000000000000000000", "00000000000000000000000000000001",
		"12345678901234567890123456789012", "ffffffffffffffffffffffffffffffff"};
	struct mail_choice c;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(choice_read(&c, good[i], &e), 0);
		assert_ptr_equal(c.id, good[i]);
		assert_int_equal(c.index, 0);
	}
}

static void the_last(void **state)
{
	struct mail_choice c = {.id = "x", .index = 5};

	(void)state;
	assert_int_equal(choice_read(&c, NULL, &e), 0);
	assert_null(c.id);
	assert_int_equal(c.index, 0);
}

static void neither(void **state)
{
	static const char *const bad[] = {"", "0", "00", "01", "-1", "+1", " 1", "1 ", "1.0", "1e3",
		"0x1", "4294967296", "18446744073709551617", "last", "a", "\xff", "1\n",
		"000102030405060708090a0b0c0d0e0", "000102030405060708090a0b0c0d0e0f0",
		"000102030405060708090a0b0c0d0e0g", " 00102030405060708090a0b0c0d0e0f",
		"1234567890123456789012345678901", "123456789012345678901234567890123"};
	struct mail_choice c;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (choice_read(&c, bad[i], &e) == 0) {
			fail_msg("taken: %s", bad[i]);
		}
		assert_int_equal(e.code, EX_USAGE);
		assert_null(c.id);
		assert_int_equal(c.index, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("digits are an index", indices),
		T("32 digits of hex are an id", by_id),
		T("nothing is the last message", the_last),
		T("whatever else is refused", neither),
	};
	return RUN(tests);
}
