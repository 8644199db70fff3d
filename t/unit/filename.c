/* File names of messages. */
#include "unit.h"

#include "../../store/filename.h"

static char name[FILENAME_MAX_BYTES + 1];

static const char *made(const char *source, const char *title, unsigned long copy)
{
	memset(name, 'X', sizeof name);
	filename_make(name, source, title, copy);
	return name;
}

/* Safe whatever the title: one component, not hidden, short enough, ASCII control free, valid
 * UTF-8. */
static void assert_safe(const char *s)
{
	size_t n = strlen(s);
	uint64_t chars;

	assert_true(n >= 4 && n <= FILENAME_MAX_BYTES);
	assert_string_equal(s + n - 4, ".txt");
	assert_null(strchr(s, '/'));
	assert_true(s[0] != '.');
	assert_false(has_control(s, n));
	assert_int_equal(utf8_count((const uint8_t *)s, n, &chars), 0);
}

static void plain(void **state)
{
	(void)state;
	assert_string_equal(made("client1", "Test", 1), "client1_Test.txt");
	assert_string_equal(made("client1", "Test", 2), "client1_Test~2.txt");
	assert_string_equal(made("client1", "Test", 10), "client1_Test~10.txt");
	assert_string_equal(made("a", "", 1), "a_.txt");
	assert_string_equal(
		made("a", "two words; (and) 'more' \\", 1), "a_two words; (and) 'more' \\.txt");
	assert_string_equal(
		made("a", "\xc3\xa9\xf0\x9f\x98\x80", 1), "a_\xc3\xa9\xf0\x9f\x98\x80.txt");
}

static void hostile(void **state)
{
	static const struct {
		const char *title, *want;
	} rows[] = {
		{"a/b", "u_a%2Fb.txt"},
		{"/etc/passwd", "u_%2Fetc%2Fpasswd.txt"},
		{"../../x", "u_..%2F..%2Fx.txt"},
		{"..", "u_...txt"},
		{"\x01\x1b[2J\x7f", "u_%01%1B[2J%7F.txt"},
		{"\t\r\n", "u_%09%0D%0A.txt"},
		{"100%", "u_100%25.txt"},
		{"%2F", "u_%252F.txt"},
		{"\xff\xc3", "u_%FF%C3.txt"},
		{"\xc0\xaf", "u_%C0%AF.txt"},
		{"\xed\xa0\x80", "u_%ED%A0%80.txt"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_string_equal(made("u", rows[i].title, 1), rows[i].want);
		assert_safe(name);
	}
	assert_string_equal(
		made(".hidden", "x", 1), "%2Ehidden_x.txt"); /* no user's name, and yet */
	assert_string_equal(made("..", "x", 1), "%2E._x.txt");
	assert_safe(made("", "", 1));
}

static void every_byte(void **state)
{
	char seen[256][FILENAME_MAX_BYTES + 1];

	(void)state;
	for (unsigned c = 1; c < 256; c++) {
		char title[4] = {'x', (char)c, 'y', '\0'};
		assert_safe(made("u", title, 1));
		memcpy(seen[c], name, sizeof name);
		for (unsigned k = 1; k < c; k++) {
			assert_string_not_equal(seen[c], seen[k]);
		}
	}
}

static void limits(void **state)
{
	/* "u_" and ".txt" leave 249 bytes */
	char title[402], shorter[FILENAME_MAX_BYTES + 1];

	(void)state;
	memset(title, 't', sizeof title);
	for (size_t n = 0; n <= 400; n++) {
		title[n] = '\0';
		assert_safe(made("u", title, 1));
		assert_int_equal(strlen(name), n <= 249 ? n + 6 : 255);
		assert_true(n <= 249 || strchr(name, '-') != NULL);
		assert_true(n == 0 || strcmp(name, shorter) != 0);
		memcpy(shorter, name, sizeof name);
		assert_safe(made("u", title, 1ul << 40));
		title[n] = 't';
	}
}

static void long_titles_differ(void **state)
{
	char a[401], b[401], first[FILENAME_MAX_BYTES + 1];

	(void)state;
	memset(a, 'a', 400);
	a[400] = '\0';
	for (size_t i = 0; i < 400; i += 9) { /* wherever two titles differ, the names do */
		memcpy(b, a, sizeof b);
		b[i] = 'b';
		memcpy(first, made("u", a, 1), sizeof first);
		assert_string_not_equal(first, made("u", b, 1));
		memcpy(first, made("u", a, 2), sizeof first);
		assert_string_not_equal(first, made("u", b, 2));
		assert_string_not_equal(first, made("u", a, 1));
		assert_string_not_equal(first, made("u", a, 3));
	}
}

static void cut_between_characters(void **state)
{
	char title[500];

	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		size_t n = 0;
		memset(title, 'x', shift);
		for (n = shift; n + 4 < 400; n += 4) {
			memcpy(title + n, "\xf0\x9f\x98\x80", 5);
		}
		assert_safe(made("u", title, 1));
		assert_safe(made("abcdefghijklmnopqrstuvwxyz012345", title, 99));
		memset(title, '\xff', 400);
		title[400] = '\0';
		assert_safe(made("u", title, 1));
	}
}

static void random_titles(void **state)
{
	char title[401];

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		size_t n = i % 401;
		fill_pattern((uint8_t *)title, n, i);
		title[n] = '\0';
		assert_safe(made("client1", title, 1 + i % 3));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("a plain title is its own name, copies get ~2 and on", plain),
		T("hostile titles are encoded exactly", hostile),
		T("every byte is safe, and no two share a name", every_byte),
		T("names grow to 255 bytes and no further", limits),
		T("long titles that differ anywhere have different names", long_titles_differ),
		T("a long name is cut between characters", cut_between_characters),
		T("5000 random titles are safe", random_titles),
	};
	return RUN(tests);
}
