/* What a person reads of a message, and what damaged ones come to. */
#include "unit.h"

#include "../../proto/readable.h"

static const struct {
	const char *title, *message, *text;
} cases[] = {
	{"plain text", "From: a@b\nSubject: s\n\nhello\n", "From: a@b\nSubject: s\n\nhello\n"},
	{"CR LF, encoded words, latin",
		"From: a@b\r\nSubject: =?iso-8859-1?q?caf=E9?=\r\nContent-Type: text/plain; "
		"charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\ncaf\xe9\r\n",
		"From: a@b\nSubject: caf\xc3\xa9\n\ncaf\xc3\xa9\n"},
	{"quoted-printable",
		"From: a\nContent-Transfer-Encoding: quoted-printable\nContent-Type: text/plain; "
		"charset=\"utf-8\"\n\nl=C3=A4nger =\nals\n",
		"From: a\n\nl\xc3\xa4nger als\n"},
	{"base64", "From: a\nContent-Transfer-Encoding: base64\n\naGVs\nbG8=\n",
		"From: a\n\nhello\n"},
	{"base64 that is damaged ends there",
		"From: a\nContent-Transfer-Encoding: base64\n\naGVsbG8h\n!!!!\n", NULL},
	{"the plain one of two forms",
		"From: a\nContent-Type: multipart/alternative; boundary=x\n\nfor old "
		"programs\n--x\nContent-Type: text/html\n\n<b>h</b>\n--x\nContent-Type: "
		"text/plain\n\nplain\n--x--\nbehind\n",
		"From: a\n\nplain\n"},
	{"parts, and what is attached",
		"From: a\nMIME-Version: 1.0\nContent-Type: multipart/mixed;\n "
		"boundary=\"b b\"\n\n--b b\n\ntext\n\n--b b\nContent-Type: image/png; "
		"name=p.png\nContent-Transfer-Encoding: base64\nContent-Disposition: "
		"attachment; filename=\"q.png\"\n\nAAEC\n--b b\nContent-Disposition: "
		"attachment\nContent-Type: text/plain\n\nnot shown\n--b b--\n",
		"From: a\n\ntext\n[attached: q.png, image/png, 3 bytes]\n[attached: text/plain, 9 "
		"bytes]\n"},
	{"names of RFC 2231, and of encoded words",
		"From: a\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: "
		"image/png\nContent-Disposition: attachment;\n "
		"filename*=utf-8'de'k%C3%B6ln%2.png\n\n12\n--x\nContent-Type: image/png; "
		"name=\"=?utf-8?q?k=C3=B6ln?=\"\n\n1\n--x--\n",
		"From: a\n\n[attached: k\xc3\xb6ln%2.png, image/png, 2 bytes]\n[attached: "
		"k\xc3\xb6ln, image/png, 1 bytes]\n"},
	{"a message in a message",
		"From: a\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: "
		"message/rfc822\n\nFrom: inner\nSubject: in\n\ninner text\n--x--\n",
		"From: a\n\nFrom: inner\nSubject: in\n\ninner text\n"},
	{"a multipart that is cut short",
		"From: a\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nhalf",
		"From: a\n\nhalf\n"},
	{"a multipart without a boundary", "From: a\nContent-Type: multipart/mixed\n\n--x\nraw\n",
		"From: a\n\n--x\nraw\n"},
	{"a multipart without parts", "From: a\nContent-Type: multipart/mixed; boundary=x\n\nx\n",
		"From: a\n\n"},
	{"no body", "From: a\n\n", "From: a\n\n"},
	{"a character set that nobody knows",
		"From: a\nContent-Type: text/plain; charset=koi8-r\n\n\xc1\n",
		"From: a\n\n\xef\xbf\xbd\n"},
};

static void shown(void **state)
{
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf out = {0};
		size_t n = strlen(cases[i].message);
		assert_true(readable_is_message(cases[i].message, n));
		assert_int_equal(readable_put(&out, cases[i].message, n, &e), 0);
		assert_int_equal(buf_append(&out, "", 1), 0);
		if (cases[i].text != NULL && strcmp((const char *)out.p, cases[i].text) != 0) {
			fail_msg("%s: %s", cases[i].title, (const char *)out.p);
		}
		buf_free(&out);
	}
}

static void others(void **state)
{
	static const char *const texts[] = {
		"", "hello", "Subject: x\n\nno sender\n", "\n\nFrom: a\n"};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		assert_false(readable_is_message(texts[i], strlen(texts[i])));
	}
}

/* Cut anywhere, and with any byte another: it ends, and what comes out is UTF-8. */
static void damaged(void **state)
{
	struct err e;
	uint64_t chars;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t n = strlen(cases[i].message);
		for (size_t at = 0; at < n; at++) {
			char text[1024];
			struct buf out = {0};
			memcpy(text, cases[i].message, n);
			text[at] = (char)(text[at] ^ (1 << at % 8));
			assert_int_equal(readable_put(&out, text, n, &e), 0);
			assert_int_equal(readable_put(&out, cases[i].message, at, &e), 0);
			assert_int_equal(utf8_count(out.p, out.n, &chars), 0);
			buf_free(&out);
		}
	}
}

/* Parts within parts, each in the one before: as deep as is looked at, and no deeper. */
static void deep(void **state)
{
	struct buf in = {0}, out = {0};
	struct err e;

	(void)state;
	assert_int_equal(buf_append_str(&in, "From: a\n"), 0);
	for (int i = 0; i < 1000; i++) {
		char part[80];
		(void)snprintf(part, sizeof part,
			"Content-Type: multipart/mixed; boundary=x%d\n\n--x%d\n", i, i);
		assert_int_equal(buf_append_str(&in, part), 0);
	}
	assert_int_equal(readable_put(&out, in.p, in.n, &e), 0);
	assert_true(out.n < 200);
	buf_free(&in);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("text is decoded, and what is attached is told", shown),
		T("what is no message is not taken for one", others),
		T("damaged ones end, in UTF-8", damaged),
		T("parts within parts are looked at to a depth", deep),
	};
	return RUN(tests);
}
