/* Header fields of Internet messages, taken apart and written. */
#include "unit.h"

#include "../../proto/rfc5322.h"

static bool same(struct message_part part, const char *text)
{
	return part.n == strlen(text) && memcmp(part.p, text, part.n) == 0;
}

static void test_fields(void **state)
{
	static const char text[] = "Subject: one\r\n two\r\nX-Empty:\nTo : a@b\n\nbody: no\n";
	struct cursor c = cursor_over(text, sizeof text - 1);
	struct rfc5322_field f;
	struct message_part v;
	size_t head_n, body_at;

	(void)state;
	assert_int_equal(rfc5322_next(&c, &f), 1);
	assert_true(rfc5322_is(&f, "subject") && same(f.value, "one\r\n two"));
	assert_int_equal(rfc5322_next(&c, &f), 1);
	assert_true(rfc5322_is(&f, "X-Empty") && f.value.n == 0);
	assert_int_equal(rfc5322_next(&c, &f), 1);
	assert_true(rfc5322_is(&f, "To") && same(f.value, "a@b"));
	assert_int_equal(rfc5322_next(&c, &f), 0);
	assert_int_equal(c.n, strlen("body: no\n"));
	assert_int_equal(rfc5322_head(text, sizeof text - 1, &head_n, &body_at), 1);
	assert_int_equal(body_at, head_n + 1);
	assert_true(rfc5322_find(text, head_n, "TO", &v) && same(v, "a@b"));
	assert_false(rfc5322_find(text, head_n, "body", &v));
	for (size_t n = 0; n < body_at; n++) { /* nowhere does a part of it look whole */
		assert_int_equal(rfc5322_head(text, n, &head_n, &body_at), 0);
	}
}

static void test_no_header(void **state)
{
	static const char *const texts[] = {"just text\n", " folded: first\n\n", ": no name\n\n"};
	size_t head_n, body_at;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_int_equal(rfc5322_head(texts[i], strlen(texts[i]), &head_n, &body_at), -1);
	}
	/* a line that is no field ends a header */
	assert_int_equal(rfc5322_head("A: b\nno field\n\n", 15, &head_n, &body_at), 1);
	assert_int_equal(head_n, 5);
	assert_int_equal(body_at, 5);
}

static void assert_text(const char *value, const char *wanted)
{
	struct buf out = {0};

	assert_int_equal(rfc5322_text(&out, message_text(value)), 0);
	assert_int_equal(buf_append(&out, "", 1), 0);
	assert_string_equal((char *)out.p, wanted);
	buf_free(&out);
}

static void test_text(void **state)
{
	(void)state;
	assert_text("", "");
	assert_text("one\r\n two\n\tthree", "one two\tthree");
	assert_text("=?UTF-8?Q?R=C3=A9union_=E2=98=95?= here", "R\xc3\xa9union \xe2\x98\x95 here");
	assert_text("=?iso-8859-1?Q?caf=E9?=", "caf\xc3\xa9");
	assert_text("=?ISO-8859-1*fr?B?Y2Fm6Q==?=", "caf\xc3\xa9");
	assert_text("=?windows-1252?q?=80?=", "\xe2\x82\xac");
	/* blanks between words are none (6.2), and a character that was split is one */
	assert_text("=?utf-8?B?w6k=?=\n =?utf-8?B?w6k=?= x", "\xc3\xa9\xc3\xa9 x");
	assert_text("=?utf-8?Q?=C3?= =?utf-8?Q?=A9?=", "\xc3\xa9");
	/* what cannot be decoded stays */
	assert_text("=?x-klingon?Q?a?=", "=?x-klingon?Q?a?=");
	assert_text("=?utf-8?B?!!?=", "=?utf-8?B?!!?=");
	assert_text("=?utf-8?Q?a b?=", "=?utf-8?Q?a b?=");
	assert_text("a =?= b =", "a =?= b =");
	assert_text("bad \xff\xc3 byte", "bad \xef\xbf\xbd\xef\xbf\xbd byte");
}

/* Any title comes back; no line is longer than it may be. */
static void test_text_back(void **state)
{
	static const char *const texts[] = {"", " ", "  a  ", "plain", "=?",
		"=?utf-8?q?x?=", "tab\there", "\x1b[31m", "caf\xc3\xa9", "\xe2\x98\x95",
		"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"
		"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"
		"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80",
		"a very long title of plain letters that would stand on more than one line if it "
		"had to be folded, as it is not"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct buf out = {0};
		struct message_part v;
		struct buf back = {0};
		assert_int_equal(rfc5322_put_text(&out, "Subject", message_text(texts[i])), 0);
		for (size_t k = 0, column = 0; k < out.n; k++) {
			assert_true(out.p[k] == '\n' || (out.p[k] >= ' ' && out.p[k] <= '~'));
			column = out.p[k] == '\n' ? 0 : column + 1;
			assert_true(column <= RFC5322_LINE_MAX);
		}
		assert_true(rfc5322_find(out.p, out.n, "Subject", &v));
		assert_int_equal(rfc5322_text(&back, v), 0);
		assert_int_equal(back.n, strlen(texts[i]));
		assert_true(back.n == 0 || memcmp(back.p, texts[i], back.n) == 0);
		buf_free(&out);
		buf_free(&back);
	}
}

static void test_dates(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} rows[] = {{"Thu, 21 Jul 2022 19:29:35 +0000", 1658431775},
		{"21 Jul 2022 21:29:35 +0200 (CEST)", 1658431775},
		{"Thu, 21 Jul 22 12:29:35 PDT", 1658431775},
		{"Thu, 21 Jul 2022 19:29:35 GMT", 1658431775}, {"Thu,  1 Jan 1970 00:00 -0000", 0},
		{"Thu Jul 21 19:29:35 2022", 1658431775},
		{"Thu Jul 21 19:29:35 +0000 2022", 1658431775},
		{"Thu, 21\r\n Jul 2022 9:29:35 -1000", 1658431775},
		{"1 Jan 99 00:00:00 Z", 915148800}};
	static const char *const bad[] = {"", "yesterday", "32 Jul 2022 00:00:00", "21 Jul 2022",
		"21 Foo 2022 00:00:00", "21 Jul 2022 24:00:00 +0000", "21 Jul 2022 00:60:00",
		"21 Jul 2022 00:00:00 +1", "21 Jul 99999 00:00:00", "0 Jul 2022 00:00:00"};
	struct buf out = {0};
	int64_t us;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (rfc5322_parse_date(message_text(rows[i].text), &us) != 0 ||
			us != rows[i].seconds * 1000000) {
			fail_msg("%s", rows[i].text);
		}
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (rfc5322_parse_date(message_text(bad[i]), &us) != -1) {
			fail_msg("%s", bad[i]);
		}
	}
	assert_int_equal(rfc5322_put_date(&out, "Date", 1658431775768508), 0);
	assert_int_equal(out.n, strlen("Date: Thu, 21 Jul 2022 19:29:35 +0000\n"));
	assert_memory_equal(out.p, "Date: Thu, 21 Jul 2022 19:29:35 +0000\n", out.n);
	buf_free(&out);
}

static void test_addresses(void **state)
{
	static const struct {
		const char *value, *local, *domain;
	} rows[] = {{"ada@example.org", "ada", "example.org"},
		{"Ada L <ADA@Example.ORG>", "ada", "example.org"},
		{"\"L, Ada <x@y>\" <ada@b>, bob@c", "ada", "b"},
		{"ada@b (a comment <c@d>)", "ada", "b"}, {"ada", "ada", ""},
		{"(c) ada@b, e@f", "ada", "b"}};
	static const char *const bad[] = {"", "<>", "ada <a@b", "(all comment)"};
	char local[RFC5322_ADDRESS_MAX], domain[RFC5322_ADDRESS_MAX], *long_one;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (!rfc5322_address(message_text(rows[i].value), local, domain) ||
			strcmp(local, rows[i].local) != 0 || strcmp(domain, rows[i].domain) != 0) {
			fail_msg("%s: %s @ %s", rows[i].value, local, domain);
		}
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (rfc5322_address(message_text(bad[i]), local, domain)) {
			fail_msg("%s: %s @ %s", bad[i], local, domain);
		}
	}
	long_one = calloc(1, 5001);
	assert_non_null(long_one);
	memset(long_one, 'a', 5000);
	assert_false(rfc5322_address(message_text(long_one), local, domain));
	long_one[RFC5322_ADDRESS_MAX] = '\0';
	assert_false(rfc5322_address(message_text(long_one), local, domain));
	long_one[RFC5322_ADDRESS_MAX - 1] = '\0';
	assert_true(rfc5322_address(message_text(long_one), local, domain));
	free(long_one);
}

static void test_parameters(void **state)
{
	const struct message_part v =
		message_text("multipart/mixed; charset=x;\r\n BOUNDARY=\"a b\"; last=z");
	char out[8];

	(void)state;
	assert_true(rfc5322_parameter(v, "boundary", out, sizeof out));
	assert_string_equal(out, "a b");
	assert_true(rfc5322_parameter(v, "last", out, sizeof out));
	assert_string_equal(out, "z");
	assert_false(rfc5322_parameter(v, "boundary", out, 3));
	assert_false(rfc5322_parameter(v, "mixed", out, sizeof out));
	assert_false(rfc5322_parameter(message_text("a; b=\"open"), "b", out, sizeof out));
	assert_false(rfc5322_parameter(message_text("a; b="), "b", out, sizeof out));
	assert_false(rfc5322_parameter(message_text(""), "b", out, sizeof out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("a header is taken apart into its fields", test_fields),
		T("what is no header is not taken for one", test_no_header),
		T("values are text: unfolded, decoded, valid UTF-8", test_text),
		T("any text comes back from a field exactly", test_text_back),
		T("dates are read in all their forms, and none that is none", test_dates),
		T("the first address of a list is found", test_addresses),
		T("parameters are found, quoted or not", test_parameters),
	};
	return RUN(tests);
}
