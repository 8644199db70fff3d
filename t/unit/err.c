/* How failures are told. */
#include "unit.h"

static void set_fills(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(err_set(&e, EX_DATAERR, "cannot %s %d", "do", 7), -1);
	assert_int_equal(e.code, EX_DATAERR);
	assert_string_equal(e.text, "cannot do 7");
}

static void null_is_fine(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, EX_DATAERR, "x"), -1);
	assert_int_equal(err_sys(NULL, EX_DATAERR, "x"), -1);
	assert_int_equal(err_prefix(NULL, "x"), -1);
	assert_int_equal(err_hint(NULL, "x"), -1);
}

static void sys_tells(void **state)
{
	struct err e;

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_sys(&e, EX_NOINPUT, "cannot open %s", "x"), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(e.code, EX_NOINPUT);
	assert_string_equal(e.text, "cannot open x: No such file or directory");
}

static void prefix_and_hint(void **state)
{
	struct err e;

	(void)state;
	(void)err_set(&e, EX_CONFIG, "inner");
	assert_int_equal(err_prefix(&e, "outer %d", 1), -1);
	assert_int_equal(err_hint(&e, "do %s", "this"), -1);
	assert_string_equal(e.text, "outer 1: inner\nhint: do this");
	assert_int_equal(err_prefix(&e, "more"), -1); /* the hint's line stays one */
	assert_string_equal(e.text, "more: outer 1: inner\nhint: do this");
	assert_int_equal(e.code, EX_CONFIG);
}

static void control_replaced(void **state)
{
	struct err e;

	(void)state;
	(void)err_set(&e, EX_DATAERR, "a%sb", "\x1b\r\t\x7f\x01");
	assert_string_equal(e.text, "a?????b");
	(void)err_hint(&e, "%s", "\x1b[2J");
	assert_string_equal(e.text, "a?????b\nhint: ?[2J");
}

static void long_is_cut(void **state)
{
	char text[4 * ERR_TEXT_MAX];
	struct {
		struct err e;
		char guard[16];
	} s = {.guard = "guard"};

	(void)state;
	memset(text, 'x', sizeof text);
	for (size_t n = ERR_TEXT_MAX - 3; n < ERR_TEXT_MAX + 3; n++) {
		errno = ENOENT;
		(void)err_sys(&s.e, EX_IOERR, "%.*s", (int)n, text);
		assert_true(strlen(s.e.text) < ERR_TEXT_MAX);
		(void)err_prefix(&s.e, "%.*s", (int)n, text);
		(void)err_hint(&s.e, "%.*s", (int)n, text);
		assert_true(strlen(s.e.text) < ERR_TEXT_MAX);
		assert_string_equal(s.guard, "guard");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("err_set fills code and text, and returns -1", set_fills),
		T("nobody has to want to know", null_is_fine),
		T("err_sys tells why, and keeps errno", sys_tells),
		T("a prefix stands ahead, a hint on a line of its own", prefix_and_hint),
		T("control bytes never get into an error", control_replaced),
		T("a text that is too long is cut", long_is_cut),
	};
	return RUN(tests);
}
