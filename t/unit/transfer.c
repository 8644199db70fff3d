/* Content transfer encodings: every byte comes back, and what stands between is what RFC 2045
 * allows. */
#include "unit.h"

#include "../../proto/transfer.h"

static struct err e;

static int take(void *arg, const void *p, size_t n, struct err *why)
{
	(void)why;
	return buf_append(arg, p, n);
}

/* Encoded in pieces of `piece` bytes. */
static struct buf encoded(enum transfer_how how, const void *p, size_t n, size_t piece)
{
	struct transfer *t = malloc(sizeof *t);
	struct buf out = {0};

	assert_non_null(t);
	transfer_begin(t, how, take, &out);
	for (size_t at = 0; at < n; at += piece) {
		size_t k = n - at < piece ? n - at : piece;
		assert_int_equal(transfer_encode(t, (const uint8_t *)p + at, k, &e), 0);
	}
	assert_int_equal(transfer_encode_end(t, &e), 0);
	free(t);
	return out;
}

static int decode(enum transfer_how how, const void *p, size_t n, size_t piece, struct buf *out)
{
	struct transfer *t = malloc(sizeof *t);
	int rc = 0;

	assert_non_null(t);
	out->n = 0;
	transfer_begin(t, how, take, out);
	for (size_t at = 0; rc == 0 && at < n; at += piece) {
		size_t k = n - at < piece ? n - at : piece;
		rc = transfer_decode(t, (const uint8_t *)p + at, k, &e);
	}
	rc = rc == 0 ? transfer_decode_end(t, &e) : rc;
	free(t);
	return rc;
}

static void assert_back(const void *p, size_t n)
{
	static const size_t pieces[] = {1, 2, 3, 7, 76, 100000};
	struct transfer_survey s = {0};
	struct buf back = {0};

	transfer_look(&s, p, n);
	for (size_t i = 0; i < COUNT(pieces); i++) {
		enum transfer_how hows[] = {TRANSFER_QUOTED, TRANSFER_BASE64, transfer_choose(&s)};
		for (size_t k = 0; k < COUNT(hows); k++) {
			struct buf text = encoded(hows[k], p, n, pieces[i]);
			assert_int_equal(decode(hows[k], text.p, text.n,
						 pieces[COUNT(pieces) - 1 - i], &back),
				0);
			assert_int_equal(back.n, n);
			assert_true(n == 0 || memcmp(back.p, p, n) == 0);
			assert_true(n == 0 || text.p[text.n - 1] == '\n');
			buf_free(&text);
		}
	}
	buf_free(&back);
}

static void test_back(void **state)
{
	static const char *const texts[] = {"", "a", "a\n", "\n", "\n\n", " ", "  \n", "a \n", "\t",
		"a\r\nb\rc\n", "=", "=41", "a=\n", "From x\n>From y\n", "F", ">", "....\n.\n",
		"\xc3\xa9t\xc3\xa9", "no end"};
	uint8_t all[256], pattern[5000];
	char line[300];

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_back(texts[i], strlen(texts[i]));
	}
	for (size_t i = 0; i < sizeof all; i++) {
		all[i] = (uint8_t)i;
	}
	assert_back(all, sizeof all);
	fill_pattern(pattern, sizeof pattern, 1);
	assert_back(pattern, sizeof pattern);
	memset(line, 'x', sizeof line);
	for (size_t n = 70; n < 160; n++) { /* around each place of a soft line break */
		line[n] = n % 2 == 0 ? '\n' : ' ';
		assert_back(line, n + 1);
		line[n] = 'x';
	}
}

static void test_choice(void **state)
{
	static const struct {
		const char *text;
		enum transfer_how how;
	} rows[] = {{"", TRANSFER_7BIT}, {"a\n", TRANSFER_7BIT}, {"\xc3\xa9\n", TRANSFER_8BIT},
		{"no end", TRANSFER_QUOTED}, {"a\r\nand more of this line\n", TRANSFER_QUOTED},
		{"From me to you all here\n", TRANSFER_QUOTED},
		{"a\n>>From me to you all here\n", TRANSFER_QUOTED}, {"From: a\n", TRANSFER_7BIT},
		{"a From b\n", TRANSFER_7BIT}, {"\xc3\xa9\xc3\xa9\xc3\xa9", TRANSFER_BASE64}};
	char line[1001];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct transfer_survey s = {0};
		for (size_t k = 0; k < strlen(rows[i].text); k++) {
			transfer_look(&s, rows[i].text + k, 1);
		}
		assert_int_equal(transfer_choose(&s), rows[i].how);
	}
	for (size_t n = 997; n <= 999; n++) { /* RFC 5322 2.1.1 */
		struct transfer_survey s = {0};
		memset(line, 'x', n);
		line[n] = '\n';
		transfer_look(&s, line, n + 1);
		assert_int_equal(transfer_choose(&s), n <= 998 ? TRANSFER_7BIT : TRANSFER_QUOTED);
	}
	struct transfer_survey nul = {0};
	transfer_look(&nul, "abcdefghi\0\n", 11);
	assert_false(transfer_is_lines(&nul));
	assert_int_equal(transfer_choose(&nul), TRANSFER_QUOTED);
}

/* What other programs may not touch: 76 columns, no blank at the end of a line, only ASCII, no
 * line that an mbox would quote. */
static void test_form(void **state)
{
	static const char *const texts[] = {"From a\nFrom b\n>From c\n", "blank \ntab\t\n",
		"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9 and so on, and so on, and on and on and "
		"on and on and on and on and on, at length, and on = \x01\x7f\n"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct buf text = encoded(TRANSFER_QUOTED, texts[i], strlen(texts[i]), 5);
		size_t column = 0;
		for (size_t k = 0; k < text.n; k++) {
			uint8_t c = text.p[k];
			assert_true(c == '\n' || (c >= ' ' && c <= '~'));
			assert_true(c != '\n' || k == 0 || text.p[k - 1] != ' ');
			assert_true(column > 0 || (c != 'F' && c != '>'));
			column = c == '\n' ? 0 : column + 1;
			assert_true(column <= 76);
		}
		buf_free(&text);
	}
}

static void test_foreign(void **state)
{
	static const struct {
		const char *text, *wanted;
	} rows[] = {{"a=3db=3D", "a=b="}, {"a=\r\nb\r\n", "ab\n"}, {"a= \t\nb", "ab"},
		{"a  \nb\t\r\n", "a\nb\n"}, {"a=4", "a=4"}, {"a=4\nb", "a=4\nb"}, {"a=zz", "a=zz"},
		{"a=", "a"}, {"=C3=A9", "\xc3\xa9"}, {"a \r b", "a \r b"}};
	struct buf out = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t piece = 1; piece < 4; piece++) {
			assert_int_equal(decode(TRANSFER_QUOTED, rows[i].text, strlen(rows[i].text),
						 piece, &out),
				0);
			assert_int_equal(out.n, strlen(rows[i].wanted));
			assert_memory_equal(out.p, rows[i].wanted, out.n);
		}
	}
	assert_int_equal(decode(TRANSFER_BASE64, "YQ ==\r\n", 7, 2, &out), 0);
	assert_int_equal(out.n, 1);
	assert_int_equal(decode(TRANSFER_BASE64, "YWI=\n=\n", 7, 2, &out), 0);
	buf_free(&out);
}

static void test_damaged(void **state)
{
	static const char *const texts[] = {
		"Y", "YQ", "YWJ", "YQ==YQ==", "Y=Q=", "=", "Y!Q=", "YR=="};
	struct buf out = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_refused(decode(TRANSFER_BASE64, texts[i], strlen(texts[i]), 3, &out), e,
			EX_DATAERR);
	}
	buf_free(&out);
}

static void test_names(void **state)
{
	(void)state;
	for (int how = TRANSFER_7BIT; how < TRANSFER_OTHER; how++) {
		const char *name = transfer_name((enum transfer_how)how);
		assert_int_equal(transfer_find(message_text(name)), how);
	}
	assert_int_equal(transfer_find(message_text("BASE64")), TRANSFER_BASE64);
	assert_int_equal(transfer_find(message_text("")), TRANSFER_7BIT);
	assert_int_equal(transfer_find(message_text("x-uuencode")), TRANSFER_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("every byte comes back, in whatever pieces", test_back),
		T("the plainest encoding that is exact is chosen", test_choice),
		T("quoted-printable has lines that nobody changes", test_form),
		T("what others write is read with indulgence", test_foreign),
		T("base64 that is damaged or cut is refused", test_damaged),
		T("encodings are found by their names", test_names),
	};
	return RUN(tests);
}
