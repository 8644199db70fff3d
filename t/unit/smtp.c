/* SMTP's lines, however they arrive, against a reading of the whole; its paths; its base64. */
#include "unit.h"

#include "../../proto/smtp.h"

static struct err e;

/* --- a stream in pieces --- */

static const uint8_t *stream;
static size_t stream_n, piece;

static ssize_t give(int fd, void *p, size_t n, int flags)
{
	size_t k = n < piece ? n : piece;

	(void)fd;
	(void)flags;
	k = k < stream_n ? k : stream_n;
	if (k > 0) {
		memcpy(p, stream, k);
		stream += k;
		stream_n -= k;
	}
	return (ssize_t)k; /* 0: the end */
}

static struct smtp_lines lines;
static struct conn conn;

static void begin(const void *p, size_t n, size_t each)
{
	stream = p;
	stream_n = n;
	piece = each;
	conn = (struct conn){.fd = -1, .stop_fd = -1, .recv = give};
	smtp_lines_over(&lines, &conn);
}

/* --- lines --- */

/* What stands ahead of the first LF. */
static enum smtp_got expected(const uint8_t *p, const uint8_t *lf, size_t max)
{
	size_t n = (size_t)(lf - p);

	if (n == 0 || lf[-1] != '\r' || memchr(p, '\r', n - 1) != NULL) {
		return SMTP_BARE;
	}
	return n - 1 > max ? SMTP_TOO_LONG : SMTP_LINE;
}

/* Every line of this stream is read as it is in the whole, and its end, too. */
static void assert_read(const uint8_t *p, size_t n, size_t each, size_t max)
{
	const uint8_t *end = p + n, *lf, *line;
	size_t got_n;

	begin(p, n, each);
	while (p < end && (lf = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		enum smtp_got want = expected(p, lf, max),
			      got = smtp_line(&lines, max, &line, &got_n, &e);
		if (got != want) {
			fail_msg("a line of %zu bytes by pieces of %zu is %d, not %d", lf - p, each,
				(int)got, (int)want);
		}
		if (got == SMTP_LINE) {
			assert_int_equal(got_n, lf - 1 - p);
			assert_memory_equal(line, p, got_n);
		}
		p = lf + 1;
	}
	e.code = 0;
	assert_int_equal(
		smtp_line(&lines, max, &line, &got_n, &e), p < end ? SMTP_FAILED : SMTP_EOF);
	assert_int_equal(e.code, p < end ? EX_PROTOCOL : 0);
}

/* Every text of up to 7 bytes over an alphabet of what matters, with a limit that they reach. */
static void test_every_text(void **state)
{
	static const char alphabet[] = "x\r\n";
	uint8_t text[7];

	(void)state;
	for (unsigned n = 0, all = 1; n <= sizeof text; n++, all *= 3) {
		for (unsigned i = 0; i < all; i++) {
			for (unsigned k = 0, rest = i; k < n; k++, rest /= 3) {
				text[k] = (uint8_t)alphabet[rest % 3];
			}
			for (size_t each = 1; each <= n + 1; each++) {
				assert_read(text, n, each, 2);
			}
		}
	}
}

static size_t put_line(uint8_t *p, size_t n, const char *end)
{
	memset(p, 'a', n);
	memcpy(p + n, end, strlen(end));
	return n + strlen(end);
}

/* A line of each length about a limit, another one behind it, cut at each byte about its end. */
static void test_limits(void **state)
{
	static const size_t limits[] = {0, 1, SMTP_COMMAND_MAX, SMTP_AUTH_MAX, SMTP_TEXT_MAX};
	static const char *const ends[] = {"\r\n", "\n", "\r\r\n", "\rx\r\n"};
	static uint8_t text[SMTP_TEXT_MAX + 32];

	(void)state;
	for (size_t l = 0; l < COUNT(limits); l++) {
		for (size_t len = limits[l] < 3 ? 0 : limits[l] - 3; len < limits[l] + 5; len++) {
			for (size_t k = 0; k < COUNT(ends); k++) {
				size_t n = put_line(text, len, ends[k]);
				n += put_line(text + n, 1, "\r\n");
				for (size_t each = len < 3 ? 1 : len - 2; each <= n; each++) {
					assert_read(text, n, each, limits[l]);
				}
			}
		}
	}
}

/* Lines that no buffer would hold, in pieces of every kind: what was skipped counts as it was. */
static void test_long(void **state)
{
	static uint8_t text[3 * SMTP_BUFFER];
	static const size_t pieces[] = {
		1, 511, 4096, SMTP_BUFFER - 1, SMTP_BUFFER, 3 * SMTP_BUFFER};
	static const char *const ends[] = {"\r\n", "\n", "\r\r\n"};
	static const size_t bare[] = {
		0, 1, 510, 511, 512, 4095, SMTP_BUFFER - 1, SMTP_BUFFER, 2 * SMTP_BUFFER};

	(void)state;
	for (size_t i = 0; i < COUNT(pieces); i++) {
		for (size_t k = 0; k < COUNT(ends); k++) {
			size_t n = put_line(text, 2 * SMTP_BUFFER + 7, ends[k]);
			n += put_line(text + n, 5, "\r\n");
			assert_read(text, n, pieces[i], SMTP_COMMAND_MAX);
			assert_read(
				text, n - 1, pieces[i], SMTP_TEXT_MAX); /* cut within the last */
		}
		for (size_t k = 0; k < COUNT(bare); k++) {
			size_t n = put_line(text, 2 * SMTP_BUFFER + 7, "\r\n");
			text[bare[k]] = '\r';
			assert_read(text, n, pieces[i], SMTP_COMMAND_MAX);
		}
		size_t n = put_line(text, 2 * SMTP_BUFFER + 7, ""); /* that never ends */
		assert_read(text, n, pieces[i], SMTP_COMMAND_MAX);
	}
}

static void test_ahead(void **state)
{
	static const char text[] = "\x16one\r\ntwo\r\n";
	const uint8_t *line;
	uint8_t first;
	size_t n;

	(void)state;
	begin(text, 6, 4);
	assert_false(smtp_has_more(&lines) || smtp_has_line(&lines));
	assert_int_equal(smtp_peek(&lines, &first, &e), CONN_DATA);
	assert_int_equal(first, 0x16);
	assert_true(smtp_has_more(&lines));
	assert_false(smtp_has_line(&lines)); /* "\x16one" */
	assert_int_equal(smtp_peek(&lines, &first, &e), CONN_DATA);
	assert_int_equal(stream_n, 2); /* nothing more was read for it */
	assert_int_equal(smtp_line(&lines, 10, &line, &n, &e), SMTP_LINE);
	assert_int_equal(n, 4);
	assert_false(smtp_has_more(&lines) || smtp_has_line(&lines));
	assert_int_equal(smtp_peek(&lines, &first, &e), CONN_EOF);
	assert_int_equal(first, 0);

	begin(text, sizeof text - 1, 100);
	assert_int_equal(smtp_line(&lines, 10, &line, &n, &e), SMTP_LINE);
	assert_true(smtp_has_line(&lines) && smtp_has_more(&lines));
	assert_int_equal(smtp_peek(&lines, &first, &e), CONN_DATA);
	assert_int_equal(first, 't');
	smtp_lines_wipe(&lines);
	assert_false(smtp_has_line(&lines) || smtp_has_more(&lines));
	for (size_t i = 0; i + 1 < sizeof text; i++) {
		assert_int_equal(lines.buffer[i], 0);
	}
}

static ssize_t reset(int fd, void *p, size_t n, int flags)
{
	(void)fd;
	(void)p;
	(void)n;
	(void)flags;
	errno = ECONNRESET;
	return -1;
}

static void test_failures(void **state)
{
	const uint8_t *line;
	uint8_t first;
	size_t n;

	(void)state;
	begin("", 0, 1);
	conn.recv = reset;
	assert_refused(smtp_line(&lines, 10, &line, &n, &e), e, EX_TEMPFAIL);
	assert_refused(smtp_peek(&lines, &first, &e), e, EX_TEMPFAIL);
	begin("half", 4, 4);
	assert_refused(smtp_line(&lines, 10, &line, &n, &e), e, EX_PROTOCOL);
	assert_contains(e.text, "within a line");
}

/* --- paths --- */

#define X10 "xxxxxxxxxx"
#define X60 X10 X10 X10 X10 X10 X10
#define X64 X60 "xxxx"
#define X250 X60 X60 X60 X60 X10
#define X255 X250 "xxxxx"

static void test_paths(void **state)
{
	static const struct {
		const char *text, *local, *domain; /* local NULL: refused */
		size_t used;                       /* 0: all of it */
	} rows[] = {
		{"<>", "", "", 0},
		{"<a@b>", "a", "b", 0},
		{"<A@B.Example>", "A", "b.example", 0},
		{"<a>", "a", "", 0},
		{"<a@b> SIZE=1", "a", "b", 5},
		{"<a@b>>", "a", "b", 5},
		{"<a+b=c%d!e|f/g@h>", "a+b=c%d!e|f/g", "h", 0},
		{"<a@[127.0.0.1]>", "a", "[127.0.0.1]", 0},
		{"<a@[IPv6:::1]>", "a", "[ipv6:::1]", 0},
		{"<caf\xc3\xa9@\xc3\x89>", "caf\xc3\xa9", "\xc3\x89", 0},
		{"<\"a b\"@c>", "a b", "c", 0},
		{"<\"a@b>c\"@d>", "a@b>c", "d", 0},
		{"<\"a\\\"b\\\\\"@c>", "a\"b\\", "c", 0},
		{"<\"a\">", "a", "", 0},
		{"<@x:a@b>", "a", "b", 0},
		{"<@x,@y.z:a@b>", "a", "b", 0},
		{"<@x:\"a\"@b>", "a", "b", 0},
		{"<" X64 "@" X255 ">", X64, X255, 0},
		{"<\"" X64 "\"@b>", X64, "b", 0},
		{"", NULL, NULL, 0},
		{"a@b", NULL, NULL, 0},
		{" <a@b>", NULL, NULL, 0},
		{"<a@b", NULL, NULL, 0},
		{"<a@>", NULL, NULL, 0},
		{"<@b>", NULL, NULL, 0},
		{"<@>", NULL, NULL, 0},
		{"<\"\"@b>", NULL, NULL, 0},
		{"<a@b@c>", NULL, NULL, 0},
		{"<a b@c>", NULL, NULL, 0},
		{"<a@b c>", NULL, NULL, 0},
		{"<a,b@c>", NULL, NULL, 0},
		{"<<a@b>>", NULL, NULL, 0},
		{"<a\"b@c>", NULL, NULL, 0},
		{"<\"a\"b@c>", NULL, NULL, 0},
		{"<\"a@b>", NULL, NULL, 0},
		{"<\"a\\", NULL, NULL, 0},
		{"<a\tb@c>", NULL, NULL, 0},
		{"<a@b\x7f>", NULL, NULL, 0},
		{"<\"a\rb\"@c>", NULL, NULL, 0},
		{"<@x a@b>", NULL, NULL, 0},
		{"<@x> y:a@b>", NULL, NULL, 0}, /* a route ends within its path */
		{"<@x\"y:a@b>", NULL, NULL, 0},
		{"<" X64 "x@b>", NULL, NULL, 0},
		{"<a@" X255 "x>", NULL, NULL, 0},
		{"<\"" X64 "x\"@b>", NULL, NULL, 0},
	};
	struct smtp_path path;
	size_t used;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t n = strlen(rows[i].text);
		int rc = smtp_path((const uint8_t *)rows[i].text, n, &path, &used);
		if (rc != (rows[i].local == NULL ? -1 : 0)) {
			fail_msg("%s: %d", rows[i].text, rc);
		}
		if (rc == 0) {
			assert_string_equal(path.local, rows[i].local);
			assert_string_equal(path.domain, rows[i].domain);
			assert_int_equal(used, rows[i].used == 0 ? n : rows[i].used);
		}
	}
}

/* A NUL ends nothing, and is no part of an address; nor is what stands beyond the limit. */
static void test_path_bytes(void **state)
{
	static const char with_nul[][8] = {"<\0a@b>", "<a\0@b>", "<a@\0b>", "<a@b\0>", "<a\0>@b>",
		"<\"\0\"@b>", "<@\0:a>", "\0<a@b>"};
	static const size_t spaces[] = {SMTP_PATH_MAX - 5, SMTP_PATH_MAX - 4};
	uint8_t text[SMTP_PATH_MAX + 16];
	struct smtp_path path;
	size_t used;

	(void)state;
	for (size_t i = 0; i < COUNT(with_nul); i++) {
		assert_int_equal(smtp_path((const uint8_t *)with_nul[i], 7, &path, &used), -1);
	}
	for (size_t i = 0; i < COUNT(spaces); i++) { /* "<@xxx...:a>" */
		size_t n = spaces[i];
		memset(text, 'x', sizeof text);
		memcpy(text, "<@", 2);
		memcpy(text + 2 + n, ":a>", 3);
		assert_int_equal(
			smtp_path(text, n + 5, &path, &used), n + 5 <= SMTP_PATH_MAX ? 0 : -1);
	}
	for (size_t n = 0; n < 9; n++) { /* cut anywhere */
		assert_int_equal(
			smtp_path((const uint8_t *)"<@x:a@b>", n, &path, &used), n < 8 ? -1 : 0);
	}
}

/* --- base64 --- */

static void test_base64(void **state)
{
	static const struct {
		const char *plain, *text;
	} rows[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}}; /* RFC 4648 10 */
	static const char *const wrong[] = {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "====", "=",
		"Zm9v====", "Zg==Zg==", " Zg==", "Zg==\n", "Zm-_", "Z!==", "A===", "Zm8=Zm9v"};
	uint8_t out[16];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t n = strlen(rows[i].plain), text_n = strlen(rows[i].text);
		struct buf b = {0};
		assert_int_equal(buf_append(&b, "334 ", 4), 0);
		assert_int_equal(smtp_encode64(&b, rows[i].plain, n), 0);
		assert_int_equal(b.n, 4 + text_n);
		assert_memory_equal(b.p + 4, rows[i].text, text_n);
		assert_int_equal(smtp_decode64(out, n, b.p + 4, text_n), n);
		assert_memory_equal(out, rows[i].plain, n);
		if (n > 0) {
			assert_int_equal(smtp_decode64(out, n - 1, b.p + 4, text_n), -1);
		}
		buf_free(&b);
	}
	for (size_t i = 0; i < COUNT(wrong); i++) {
		if (smtp_decode64(out, sizeof out, (const uint8_t *)wrong[i], strlen(wrong[i])) !=
			-1) {
			fail_msg("taken: %s", wrong[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("every short text is the same lines, however it is cut", test_every_text),
		T("a line is taken up to its limit, and not beyond", test_limits),
		T("a line that no buffer holds is passed over, and told by all that was in it",
			test_long),
		T("what stands there already is seen, and taken by nobody", test_ahead),
		T("a reset and an end within a line are told apart", test_failures),
		T("paths are read, and what is none is refused", test_paths),
		T("no NUL, no cut and no length makes a path of what is none", test_path_bytes),
		T("base64 is taken in its one form", test_base64),
	};
	return RUN(tests);
}
