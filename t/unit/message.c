/* The e-mail text format: its lines, its limits, its times. */
#include "unit.h"

#include "../../proto/message.h"

static const char *why;

static int parse(const char *text, bool stored, struct message_head *h)
{
	return message_parse(text, strlen(text), stored, h, &why);
}

static void assert_part(struct message_part part, const char *text)
{
	assert_int_equal(part.n, strlen(text));
	assert_memory_equal(part.p, text, part.n);
}

#define SENT "From: client1\nTo: client2;client4\nTitle: Test\nContent Length: 26\nContent:\n"
#define STORED                                                                            \
	"From: client1\nTo: client2;client4\nTime and Date: 2022-07-21 19:29:35.768508\n" \
	"Title: Test\nContent Length: 26\nContent:\n"

static void parsed(void **state)
{
	struct message_head h;

	(void)state;
	assert_int_equal(parse(SENT "Welcome\nto", false, &h), 1);
	assert_part(h.from, "client1");
	assert_part(h.to, "client2;client4");
	assert_part(h.title, "Test");
	assert_int_equal(h.time.n, 0);
	assert_int_equal(h.length, 26);
	assert_int_equal(h.bytes, strlen(SENT));
	assert_int_equal(parse(STORED, true, &h), 1);
	assert_part(h.time, "2022-07-21 19:29:35.768508");
	assert_int_equal(h.bytes, strlen(STORED));
	assert_int_equal(parse(SENT, true, &h), -1);
	assert_int_equal(parse(STORED, false, &h), -1);
	assert_int_equal(
		parse("From: \nTo: \nTitle: \nContent Length: 0\nContent:\n", false, &h), 1);
	assert_int_equal(h.from.n + h.to.n + h.title.n + h.length, 0);
}

static void prefixes(void **state)
{
	struct message_head h;

	(void)state;
	for (size_t n = 0; n < strlen(SENT); n++) {
		char *exact = malloc(n + 1); /* its end is the sanitizer's to guard */
		memcpy(exact + 1, SENT, n);
		assert_int_equal(message_parse(exact + 1, n, false, &h, &why), 0);
		free(exact);
	}
	for (size_t n = 0; n < strlen(STORED); n++) {
		assert_int_equal(message_parse(STORED, n, true, &h, &why), 0);
	}
	for (size_t n = 0; n < 40; n++) { /* what cannot become a header is told at once */
		assert_int_equal(message_parse("x" SENT, n + 1, false, &h, &why), -1);
	}
}

static void malformed(void **state)
{
	static const char *const rows[] = {
		"from: a\n",
		"From:a\n",
		" From: a\n",
		"\n",
		"From: a\n\n",
		"From: a\nTitle: x\n",
		"From: a\nTo: b\nTo: c\n",
		"From: a\nTo: b\nTime and Date: x\n",
		"From: a\nTo: b\nTitle: x\nSubject: y\n",
		"From: a\nTo: b\nTitle: x\nContent Length: \nContent:\n",
		"From: a\nTo: b\nTitle: x\nContent Length: -1\nContent:\n",
		"From: a\nTo: b\nTitle: x\nContent Length: +1\nContent:\n",
		"From: a\nTo: b\nTitle: x\nContent Length:  1\nContent:\n",
		"From: a\nTo: b\nTitle: x\nContent Length: 1 \nContent:\n",
		"From: a\nTo: b\nTitle: x\nContent Length: 1e3\nContent:\n",
		"From: a\nTo: b\nTitle: x\nContent Length: 0x1\nContent:\n",
		"From: a\nTo: b\nTitle: x\nContent Length: 01\nContent:\n",
		"From: a\nTo: b\nTitle: x\nContent Length: 18446744073709551616\nContent:\n",
		"From: a\nTo: b\nTitle: x\nContent Length: 5\r\nContent:\n",
		"From: a\nTo: b\nTitle: x\nContent Length: 5\nContent: \n",
		"From: a\nTo: b\nTitle: x\nContent Length: 5\nContent: hello\n",
		"From: a\nTo: b\nTitle: x\nContent Length: 5\ncontent:\n",
		"From: a\nTo: b\nTitle: x\nContent Length: 5\n\n",
	};
	struct message_head h;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		why = NULL;
		if (parse(rows[i], false, &h) != -1) {
			fail_msg("taken: %s", rows[i]);
		}
		assert_non_null(why);
	}
}

static void lengths(void **state)
{
	static const char *const numbers[] = {
		"0", "1", "1000000", "1000001", "18446744073709551615"};
	struct message_head h;
	char text[200];
	uint64_t want;

	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		(void)snprintf(text, sizeof text,
			"From: a\nTo: b\nTitle: x\nContent Length: %s\nContent:\n", numbers[i]);
		assert_int_equal(parse(text, false, &h), 1);
		assert_int_equal(
			parse_decimal(numbers[i], strlen(numbers[i]), UINT64_MAX, &want), 0);
		assert_true(h.length == want); /* judged by others: this is the format alone */
	}
}

/* A whole header of exactly n bytes. */
static struct buf header_of(size_t n)
{
	static const char rest[] = "\nTitle: x\nContent Length: 5\nContent:\n";
	struct buf b = {0};

	assert_int_equal(buf_append_str(&b, "From: a\nTo: b"), 0);
	while (b.n + strlen(rest) < n) {
		assert_int_equal(buf_append_str(&b, ";"), 0);
	}
	assert_int_equal(buf_append_str(&b, rest), 0);
	assert_int_equal(b.n, n);
	return b;
}

static void head_limit(void **state)
{
	struct message_head h;
	struct buf b = header_of(MESSAGE_HEAD_MAX);

	(void)state;
	assert_int_equal(message_parse(b.p, b.n - 1, false, &h, &why), 0);
	assert_int_equal(message_parse(b.p, b.n, false, &h, &why), 1);
	assert_int_equal(h.bytes, MESSAGE_HEAD_MAX);
	buf_free(&b);
	b = header_of(MESSAGE_HEAD_MAX + 1);
	assert_int_equal(message_parse(b.p, b.n, false, &h, &why), -1);
	buf_free(&b);
	b = header_of(MESSAGE_STORED_HEAD_MAX + 2); /* told before its end */
	assert_int_equal(message_parse(b.p, MESSAGE_STORED_HEAD_MAX + 1, false, &h, &why), -1);
	buf_free(&b);
}

/* A message that is taken can be read again: its stored header may be as long as the time makes it.
 */
static void longest_is_stored(void **state)
{
	struct buf b = header_of(MESSAGE_HEAD_MAX), out = {0};
	struct message_head h;

	(void)state;
	assert_int_equal(message_parse(b.p, b.n, false, &h, &why), 1);
	assert_int_equal(message_format(&out, h.from, h.to, message_now(), h.title, h.length), 0);
	assert_int_equal(out.n, MESSAGE_STORED_HEAD_MAX);
	assert_int_equal(message_parse(out.p, out.n, true, &h, &why), 1);
	buf_free(&b);
	buf_free(&out);
}

static void formatted(void **state)
{
	struct message_part from = message_text("client1"), to = message_text("client2;client4"),
			    title = message_text("Test");
	struct buf out = {0};
	int64_t time_us;

	(void)state;
	assert_int_equal(message_format(&out, from, to, -1, title, 26), 0);
	assert_int_equal(out.n, strlen(SENT));
	assert_memory_equal(out.p, SENT, out.n);
	out.n = 0;
	assert_int_equal(message_parse_time("2022-07-21 19:29:35.768508", 26, &time_us), 0);
	assert_int_equal(message_format(&out, from, to, time_us, title, 26), 0);
	assert_int_equal(out.n, strlen(STORED));
	assert_memory_equal(out.p, STORED, out.n);
	out.n = 0;
	assert_int_equal(message_format(&out, from, to, 0, title, UINT64_MAX), 0);
	struct message_head h;
	assert_int_equal(message_parse(out.p, out.n, true, &h, &why), 1);
	assert_true(h.length == UINT64_MAX);
	buf_free(&out);
}

static void stored_length_is_constant(void **state)
{
	static const int64_t times[] = {
		0, 1, 999999, 1658431775768508, 253402300799999999, INT64_MAX};
	struct message_part a = message_text("a");
	size_t want = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(times); i++) {
		struct buf out = {0};
		assert_int_equal(message_format(&out, a, a, times[i], a, 5), 0);
		assert_true(want == 0 || want == out.n);
		want = out.n;
		buf_free(&out);
	}
}

/* --- titles and contents --- */

static struct err e;

static void titles(void **state)
{
	char title[404];

	(void)state;
	assert_int_equal(message_check_title("", 0, &e), 0);
	assert_int_equal(message_check_title("tab\t and esc\x1b", 13, &e), 0);
	memset(title, 'x', sizeof title);
	assert_int_equal(message_check_title(title, MESSAGE_TITLE_CHARS, &e), 0);
	assert_refused(message_check_title(title, MESSAGE_TITLE_CHARS + 1, &e), e, EX_DATAERR);
	assert_contains(e.text, "101");
	for (size_t i = 0; i < 404; i += 4) {
		memcpy(title + i, "\xf0\x9f\x98\x80", 4);
	}
	assert_int_equal(message_check_title(title, 400, &e), 0);
	assert_refused(message_check_title(title, 404, &e), e, EX_DATAERR);
	assert_refused(message_check_title(title, 399, &e), e, EX_DATAERR);
	assert_refused(message_check_title("a\nb", 3, &e), e, EX_DATAERR);
	assert_refused(message_check_title("a\rb", 3, &e), e, EX_DATAERR);
	assert_refused(message_check_title("a\0b", 3, &e), e, EX_DATAERR);
	assert_refused(message_check_title("\xc0\xaf", 2, &e), e, EX_DATAERR);
	assert_refused(message_check_title("\xed\xa0\x80", 3, &e), e, EX_DATAERR);
}

static void contents(void **state)
{
	enum { BYTES = 4 * (MESSAGE_CONTENT_CHARS + 1) };
	uint8_t *p = malloc(BYTES);
	uint64_t chars;

	(void)state;
	for (size_t i = 0; i < BYTES; i += 4) {
		memcpy(p + i, "\xf0\x9f\x98\x80", 4);
	}
	assert_int_equal(message_check_content(p, 0, MESSAGE_CONTENT_CHARS, &chars, &e), 0);
	assert_int_equal(chars, 0);
	assert_int_equal(message_check_content(p, BYTES - 4, MESSAGE_CONTENT_CHARS, &chars, &e), 0);
	assert_int_equal(chars, MESSAGE_CONTENT_CHARS);
	assert_refused(
		message_check_content(p, BYTES, MESSAGE_CONTENT_CHARS, &chars, &e), e, EX_DATAERR);
	assert_refused(message_check_content(p, BYTES - 5, MESSAGE_CONTENT_CHARS, &chars, &e), e,
		EX_DATAERR);
	memset(p, 'x', BYTES);
	assert_int_equal(
		message_check_content(p, MESSAGE_CONTENT_CHARS, MESSAGE_CONTENT_CHARS, &chars, &e),
		0);
	assert_refused(message_check_content(
			       p, MESSAGE_CONTENT_CHARS + 1, MESSAGE_CONTENT_CHARS, &chars, &e),
		e, EX_DATAERR);
	assert_int_equal(
		message_check_content("a\0\n\r\xc3\xa9", 6, MESSAGE_CONTENT_CHARS, &chars, &e),
		0); /* as it is */
	assert_int_equal(chars, 5);
	free(p);
}

/* --- times --- */

static void times_round(void **state)
{
	static const char *const zones[] = {"UTC", "America/Edmonton", "Asia/Kolkata"};
	static const int64_t seconds[] = {0, 1, 86399, 951782400, 1658431775, 2147483647,
		2147483648, 4102444800, 253402000000};
	char text[MESSAGE_TIME_LEN + 1];
	int64_t back;

	(void)state;
	for (size_t z = 0; z < COUNT(zones); z++) {
		assert_int_equal(setenv("TZ", zones[z], 1), 0);
		tzset();
		for (size_t i = 0; i < COUNT(seconds); i++) {
			int64_t us = seconds[i] * 1000000 + (i % 2 == 0 ? 0 : 999999);
			message_format_time(us, text);
			assert_int_equal(strlen(text), MESSAGE_TIME_LEN);
			assert_int_equal(message_parse_time(text, MESSAGE_TIME_LEN, &back), 0);
			assert_int_equal(back, us);
		}
	}
	assert_int_equal(setenv("TZ", "UTC", 1), 0);
	tzset();
	message_format_time(1658431775768508, text);
	assert_string_equal(text, "2022-07-21 19:29:35.768508");
}

static void odd_times(void **state)
{
	static const int64_t odd[] = {-1, -999999, -1000000, INT64_MIN, INT64_MAX,
		253402300800000000, -62135596800000001};
	char text[MESSAGE_TIME_LEN + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(odd); i++) {
		memset(text, 'X', sizeof text);
		message_format_time(odd[i], text);
		assert_int_equal(strlen(text), MESSAGE_TIME_LEN);
		assert_int_equal(strspn(text, "0123456789-: ."), MESSAGE_TIME_LEN);
		assert_int_equal(text[19], '.'); /* no sign slips into the digits */
		assert_int_equal(strspn(text + 20, "0123456789"), 6);
	}
}

static void bad_times(void **state)
{
	static const char good[] = "2022-07-21 19:29:35.768508";
	char text[MESSAGE_TIME_LEN + 2] = "";
	int64_t us;

	(void)state;
	for (size_t n = 0; n < MESSAGE_TIME_LEN; n++) {
		assert_int_equal(message_parse_time(good, n, &us), -1);
		memcpy(text, good, sizeof good);
		text[n] = 'x';
		assert_int_equal(message_parse_time(text, MESSAGE_TIME_LEN, &us), -1);
		text[n] = ' ';
		assert_true(
			good[n] == ' ' || message_parse_time(text, MESSAGE_TIME_LEN, &us) == -1);
	}
	memcpy(text, good, sizeof good);
	text[MESSAGE_TIME_LEN] = '0';
	assert_int_equal(message_parse_time(text, MESSAGE_TIME_LEN + 1, &us), -1);
}

static void now_is_now(void **state)
{
	struct timespec t;
	int64_t us = message_now();

	(void)state;
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &t), 0);
	assert_true(us / 1000000 <= t.tv_sec && us / 1000000 >= t.tv_sec - 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("a header is parsed as sent and as stored, and one is not the other", parsed),
		T("every prefix of a header wants more, and what is none is told at once",
			prefixes),
		T("malformed headers are refused, with a reason", malformed),
		T("every 64-bit Content Length is read exactly", lengths),
		T("a header of 40960 bytes is taken, and a longer one refused before its end",
			head_limit),
		T("the longest header can be parsed as it is stored", longest_is_stored),
		T("what is formatted is the founding text, byte for byte", formatted),
		T("a stored header's length depends on its texts alone", stored_length_is_constant),
		T("titles of 0 to 100 characters on one line are taken", titles),
		T("contents of 0 to 1000000 characters are taken", contents),
		T("times come back in each zone", times_round),
		T("a time before 1970 or beyond year 9999 still fits its line", odd_times),
		T("a time cut, grown or with a stray character is refused", bad_times),
		T("now is now", now_is_now),
	};
	return RUN(tests);
}
