/* A line that is typed in a chat: what each key makes of it, and what is shown of it. */
#include "unit.h"

#include "../../cmd/chat_edit.h"

static struct chat_edit d;
static enum chat_edit_event last;

/* From an empty line. "|" stands where the cursor is. */
static const char *typed(const char *keys)
{
	static char shown[CHAT_EDIT_LINE + 2];

	d = (struct chat_edit){0};
	last = CHAT_EDIT_NOTHING;
	for (; *keys != '\0'; keys++) {
		last = chat_edit_byte(&d, (uint8_t)*keys);
	}
	(void)snprintf(shown, sizeof shown, "%.*s|%.*s", (int)d.at, d.line, (int)(d.n - d.at),
		d.line + d.at);
	for (size_t i = d.n; i < sizeof d.line; i++) {
		assert_int_equal(d.line[i], 0); /* what was taken away is wiped */
	}
	return shown;
}

#define LEFT "\033[D"
#define RIGHT "\033[C"

static void moves(void **state)
{
	(void)state;
	assert_string_equal(typed("abc"), "abc|");
	assert_string_equal(typed("abc" LEFT LEFT "X"), "aX|bc");
	assert_string_equal(typed("abc" LEFT LEFT RIGHT), "ab|c");
	assert_string_equal(typed("a" LEFT LEFT), "|a");
	assert_string_equal(typed("a" RIGHT), "a|");
	assert_string_equal(typed(LEFT RIGHT "\033[3~\177\013\025\027"), "|");
	static const char *const home[] = {"\001", "\033[H", "\033OH", "\033[1~", "\033[7~"};
	for (size_t i = 0; i < sizeof home / sizeof home[0]; i++) {
		char keys[32];
		(void)snprintf(keys, sizeof keys, "abc%sX", home[i]);
		assert_string_equal(typed(keys), "X|abc");
	}
	static const char *const end[] = {"\005", "\033[F", "\033OF", "\033[4~", "\033[8~"};
	for (size_t i = 0; i < sizeof end / sizeof end[0]; i++) {
		char keys[32];
		(void)snprintf(keys, sizeof keys, "abc\001%sX", end[i]);
		assert_string_equal(typed(keys), "abcX|");
	}
	assert_string_equal(typed("abc\033OD\033OD\033OC"), "ab|c");
}

static void takes_away(void **state)
{
	(void)state;
	assert_string_equal(typed("abc" LEFT "\177"), "a|c");
	assert_string_equal(typed("abc" LEFT "\010"), "a|c");
	assert_string_equal(typed("abc\001\033[3~"), "|bc");
	assert_string_equal(typed("abc\001\004"), "|bc");
	assert_string_equal(typed("abc\004"), "abc|");
	assert_int_equal(last, CHAT_EDIT_NOTHING);
	assert_string_equal(typed("\004"), "|");
	assert_int_equal(last, CHAT_EDIT_ENDED);
	assert_string_equal(typed("abc" LEFT "\025"), "|c");
	assert_string_equal(typed("abc" LEFT "\013"), "ab|");
	assert_string_equal(typed("one two  three" LEFT LEFT "\027"), "one two  |ee");
	assert_string_equal(typed("one two  \027"), "one |");
}

static void characters(void **state)
{
	(void)state;
	assert_string_equal(typed("\xc3\xa9\xe6\xbc\xa2" LEFT), "\xc3\xa9|\xe6\xbc\xa2");
	assert_string_equal(typed("\xc3\xa9\xe6\xbc\xa2" LEFT LEFT RIGHT "\177"), "|\xe6\xbc\xa2");
	assert_string_equal(typed("\xc3\xa9\xe6\xbc\xa2\001\004"), "|\xe6\xbc\xa2");
	/* an accent of its own goes with its letter, but is taken back by itself */
	assert_string_equal(typed("ae\xcc\x81" LEFT), "a|e\xcc\x81");
	assert_string_equal(typed("ae\xcc\x81" LEFT "\004"), "a|");
	assert_string_equal(typed("ae\xcc\x81\177"), "ae|");
	/* what is no character, or would be obeyed by the terminal */
	assert_string_equal(typed("a\xc3"
				  "b"),
		"ab|");
	assert_string_equal(typed("a\xff"
				  "b\xc2\x9b"
				  "c\a"),
		"abc|");
	assert_string_equal(typed("a\tb"), "a b|");
}

static void sequences(void **state)
{
	static const char *const unknown[] = {"\033[A", "\033OP", "\033[15~", "\033[[A",
		"\033[200~", "\033[1;5A", "\033[?1;2c", "\033[99999999999999999999~"};

	(void)state;
	for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
		char keys[64];
		(void)snprintf(keys, sizeof keys, "ab" LEFT "%sX", unknown[i]);
		assert_string_equal(typed(keys), "aX|b");
	}
	assert_string_equal(typed("a\033x"), "ax|");
	assert_string_equal(typed("a\033\033[Dx"), "x|a");
	(void)typed("a\033[12;34R");
	assert_int_equal(last, CHAT_EDIT_ANSWERED);
	assert_int_equal(d.number, 34);
}

static void is_taken(void **state)
{
	static char out[CHAT_EDIT_LINE + 1], keys[CHAT_EDIT_LINE + 8];

	(void)state;
	assert_string_equal(typed("abc" LEFT "\n"), "ab|c");
	assert_int_equal(last, CHAT_EDIT_ENTERED);
	assert_int_equal(chat_edit_take(&d, out), 3);
	assert_string_equal(out, "abc");
	assert_int_equal(d.n + d.at, 0);
	chat_edit_put(&d, "xy");
	assert_int_equal(d.at, 2);
	memset(keys, 'a', CHAT_EDIT_LINE);
	(void)snprintf(keys + CHAT_EDIT_LINE, 8, "%s", "\n");
	(void)typed(keys);
	assert_int_equal(last, CHAT_EDIT_ENTERED);
	(void)snprintf(keys + CHAT_EDIT_LINE, 8, "%s", "b\n");
	(void)typed(keys);
	assert_int_equal(last, CHAT_EDIT_TOO_LONG);
	(void)snprintf(keys + CHAT_EDIT_LINE, 8, "%s", "b\025c\n");
	assert_string_equal(typed(keys), "c|");
	assert_int_equal(last, CHAT_EDIT_ENTERED);
}

/* What is shown in so many columns. */
static const char *shown(size_t columns)
{
	static char text[64];
	size_t to = chat_edit_show(&d, columns);

	assert_true(d.from <= d.at && d.at <= to);
	assert_true(chat_edit_width(&d, d.from, to - d.from) <= columns);
	(void)snprintf(text, sizeof text, "%.*s", (int)(to - d.from), d.line + d.from);
	return text;
}

static void is_shown(void **state)
{
	(void)state;
	(void)typed("0123456789");
	assert_string_equal(shown(10), "0123456789");
	assert_string_equal(shown(4), "6789");
	d.at = 7; /* what is shown stays where it is */
	assert_string_equal(shown(4), "6789");
	d.at = 5;
	assert_string_equal(shown(4), "3456");
	d.at = 0;
	assert_string_equal(shown(4), "0123");
	d.at = 3;
	assert_string_equal(shown(4), "0123");
	d.at = 4; /* with what the cursor stands on */
	assert_string_equal(shown(4), "1234");
	assert_string_equal(shown(20), "0123456789");
	assert_string_equal(shown(0), "");
	(void)typed("\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2");
	assert_string_equal(shown(5), "\xe6\xbc\xa2\xe6\xbc\xa2");
	assert_string_equal(shown(1), "");
	d.at = 3;
	assert_string_equal(shown(1), "");
	assert_string_equal(shown(2), "\xe6\xbc\xa2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("the cursor moves by each of its keys", moves),
		T("what is taken away goes from where the cursor is", takes_away),
		T("a character is one step, whatever its bytes and its width", characters),
		T("a sequence of no key is swallowed whole", sequences),
		T("the whole line is taken, up to its limit", is_taken),
		T("of a long line the part around the cursor is shown", is_shown),
	};
	return RUN(tests);
}
