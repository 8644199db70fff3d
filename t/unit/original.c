/* Internet messages as content: back again byte for byte, whatever the pieces. */
#include "unit.h"

#include "../../proto/original.h"

struct sink {
	struct buf out;
};

static int take(void *arg, const void *p, size_t n, struct err *e)
{
	(void)e;
	return buf_append(&((struct sink *)arg)->out, p, n);
}

static void encode(const void *p, size_t n, size_t piece, struct buf *out)
{
	static struct original o;
	struct sink s = {0};
	struct err e;

	original_begin(&o, take, &s);
	for (size_t at = 0; at < n; at += piece) {
		size_t k = n - at < piece ? n - at : piece;
		assert_int_equal(original_encode(&o, (const uint8_t *)p + at, k, &e), 0);
	}
	assert_int_equal(original_encode_end(&o, &e), 0);
	*out = s.out;
}

static void decode(const struct buf *in, size_t piece, struct buf *out)
{
	static struct original o;
	struct sink s = {0};
	struct err e;

	original_begin(&o, take, &s);
	for (size_t at = 0; at < in->n; at += piece) {
		size_t k = in->n - at < piece ? in->n - at : piece;
		assert_int_equal(original_decode(&o, in->p + at, k, &e), 0);
	}
	assert_int_equal(original_decode_end(&o, &e), 0);
	*out = s.out;
}

static void assert_is(const struct buf *b, const char *text, size_t n)
{
	assert_int_equal(b->n, n);
	if (n > 0) {
		assert_memory_equal(b->p, text, n);
	}
}

#define IS(b, text) assert_is(b, text, sizeof(text) - 1)

static void test_bytes(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {{"a\n", "a\n"}, {"caf\xe9\n", "caf\xef\x9f\xa9\n"},
		{"caf\xc3\xa9\n", "caf\xc3\xa9\n"}, {"\xff", "\xef\x9f\xbf"},
		{"\x80", "\xef\x9e\x80"}, {"\xef\x9e\x80", "\xef\x9f\xaf\xef\x9e\x9e\xef\x9e\x80"},
		{"\xe2\x82", "\xef\x9f\xa2\xef\x9e\x82"},
		{"\xe2\x82"
		 "A",
			"\xef\x9f\xa2\xef\x9e\x82"
			"A"},
		{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"}, {"", ""}};
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t piece = 1; piece < 5; piece++) {
			encode(cases[i].in, strlen(cases[i].in), piece, &out);
			assert_is(&out, cases[i].out, strlen(cases[i].out));
			buf_free(&out);
		}
	}
}

/* Random bytes with all that is special among them. */
static size_t random_text(uint8_t *p, size_t n, unsigned *seed)
{
	static const char *const parts[] = {"\n", "\xef\x9e\x80", "\xef\x9f\xbf", "\xef",
		"\xef\x9e", "\xf0\x9f\x98\x80", "\xf0\x9f", "\x80", "\xff", "abc", "\xc3\xa9",
		"Received: ", ORIGINAL_MARK};
	size_t k = 0;

	while (k + 16 < n) {
		const char *s = parts[(size_t)rand_r(seed) % (sizeof parts / sizeof parts[0])];
		memcpy(p + k, s, strlen(s));
		k += strlen(s);
	}
	return k;
}

static void test_there_and_back(void **state)
{
	static uint8_t text[9000];
	struct original_trace trace = {.from = "x ([1.2.3.4])",
		.by = "host",
		.with = "ESMTP",
		.id = "00",
		.time_us = 1658431775768508};
	unsigned seed = 361;

	(void)state;
	for (int round = 0; round < 400; round++) {
		size_t n = random_text(text, round % 4 == 0 ? sizeof text : 300, &seed);
		size_t piece = 1 + (size_t)rand_r(&seed) % 4500;
		struct buf content = {0}, body, back, want = {0};
		struct utf8_counter count = {0};

		assert_int_equal(original_put_trace(&content, &trace), 0);
		encode(text, n, piece, &body);
		assert_int_equal(buf_append(&content, body.p, body.n), 0);
		(void)utf8_feed(&count, content.p, content.n, UINT64_MAX);
		assert_false(count.invalid);
		assert_int_equal(count.part_n, 0);
		decode(&content, 1 + (size_t)rand_r(&seed) % 4500, &back);
		for (size_t i = 0; i < n; i++) {
			if (text[i] == '\n') {
				assert_int_equal(buf_append(&want, "\r", 1), 0);
			}
			assert_int_equal(buf_append(&want, text + i, 1), 0);
		}
		assert_int_equal(back.n, want.n);
		assert_memory_equal(back.p, want.p, want.n);
		buf_free(&content);
		buf_free(&body);
		buf_free(&back);
		buf_free(&want);
	}
}

static void test_trace(void **state)
{
	const struct original_trace t = {.from = "a\nb\xff ([::1])",
		.by = "mail.example",
		.with = "ESMTPSA",
		.id = "0123",
		.time_us = 1658431775768508};
	struct buf out = {0};

	(void)state;
	assert_int_equal(original_put_trace(&out, &t), 0);
	IS(&out, "Received: from a?b? ([::1]) by mail.example (smtp361) with ESMTPSA id 0123; Thu, "
		 "21 Jul 2022 19:29:35 +0000\n");
	buf_free(&out);
}

/* What is no message of this kind goes through as it is, its line ends, too. */
static void test_others(void **state)
{
	static const char *const texts[] = {"", "a", "hello\nworld\n\xef\x9e\x80",
		"Received: from x by y with z; date\nbody\n", "Received: \n\n", "Received: "};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct buf in = {0}, out;
		assert_int_equal(buf_append_str(&in, texts[i]), 0);
		decode(&in, 3, &out);
		assert_is(&out, texts[i], strlen(texts[i]));
		buf_free(&in);
		buf_free(&out);
	}
}

static void test_titles(void **state)
{
	static const struct {
		const char *head, *title;
	} cases[] = {{"Subject: hello\n", "hello"}, {"X: y\n", ""}, {"", ""},
		{"subject: =?utf-8?q?caf=C3=A9?=\n", "caf\xc3\xa9"}, {"Subject: a\n\tb\n", "a b"},
		{"Subject: a=?utf-8?q?=0A?=b\n", "a b"}, {"Subject: \xff\n", "\xef\xbf\xbd"}};
	char title[ORIGINAL_TITLE_MAX], longer[300];
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(
			original_title(cases[i].head, strlen(cases[i].head), title, &e), 0);
		assert_string_equal(title, cases[i].title);
	}
	(void)snprintf(longer, sizeof longer, "Subject: %0150d\n", 7);
	assert_int_equal(original_title(longer, strlen(longer), title, &e), 0);
	assert_int_equal(strlen(title), MESSAGE_TITLE_CHARS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("bytes that are no UTF-8 stand for themselves, whatever the pieces", test_bytes),
		T("a message comes back byte for byte, its lines ended by CR LF",
			test_there_and_back),
		T("the line ahead of it is printable ASCII, and one line", test_trace),
		T("what is no such content goes through as it is", test_others),
		T("a subject becomes a title", test_titles),
	};
	return RUN(tests);
}
