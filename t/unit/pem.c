/* PEM in and out. */
#include "unit.h"

#include "../../crypto/pem.h"

#define BODY "Zm9vYmFyYmF6cXV4" /* foobarbazqux */
#define BEGIN "-----BEGIN PUBLIC KEY-----"
#define END "-----END PUBLIC KEY-----"

static void assert_body(const char *text)
{
	struct pem pem;
	struct err e;

	if (pem_decode(&pem, text, strlen(text), &e) != 0) {
		fail_msg("%s\n%s", e.text, text);
	}
	assert_string_equal(pem.label, "PUBLIC KEY");
	assert_int_equal(pem.der.n, 12);
	assert_memory_equal(pem.der.p, "foobarbazqux", 12);
	pem_free(&pem);
}

static void forms(void **state)
{
	(void)state;
	assert_body(BEGIN "\n" BODY "\n" END "\n");
	assert_body(BEGIN "\nZm9v\nYmFy\nYmF6\ncXV4\n" END "\n");
	assert_body("a comment\nand more\n\n" BEGIN "\n" BODY "\n" END "\nbehind it\n");
}

static void crlf(void **state)
{
	(void)state;
	assert_body(BEGIN "\r\n" BODY "\r\n" END "\r\n");
}

static void no_last_newline(void **state)
{
	(void)state;
	assert_body(BEGIN "\n" BODY "\n" END); /* as PyCryptodome's export_key() has it */
}

static void refused(void **state)
{
	static const char *const rows[] = {
		"",
		"\n",
		"hello\n",
		BEGIN "\n",
		BEGIN "\n" BODY "\n",
		BEGIN "\n" BODY "\n" BEGIN "\n" BODY "\n" END "\n",
		BEGIN "\n" BODY "\n-----END",
		BEGIN "\nZm9*\n" END "\n",
		BEGIN "\nZm9v=\n" END "\n",
		BEGIN "\nZm9\n" END "\n",
		BEGIN "\nZg\n" END "\n",
		BEGIN "\n" BODY "\n" END "\n" BEGIN "\n" BODY "\n" END "\n",
	};
	struct pem pem;
	struct err e;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (pem_decode(&pem, rows[i], strlen(rows[i]), &e) != -1) {
			fail_msg("taken: %s", rows[i]);
		}
		assert_int_equal(e.code, EX_CONFIG);
		assert_int_equal(pem.der.n, 0);
		assert_null(pem.der.p);
	}
	assert_int_equal(
		pem_decode(&pem, rows[COUNT(rows) - 1], strlen(rows[COUNT(rows) - 1]), &e), -1);
	assert_contains(e.text, "more than one");
}

static void cut_anywhere(void **state)
{
	static const char text[] = BEGIN "\n" BODY "\n" END "\n";
	size_t end =
		strlen(BEGIN "\n" BODY "\n-----END"); /* the rest of that line says nothing new */
	struct pem pem;
	struct err e;

	(void)state;
	for (size_t n = 0; n <= end; n++) {
		assert_int_equal(pem_decode(&pem, text, n, &e), -1);
	}
}

static void changed_anywhere(void **state)
{
	char text[] = BEGIN "\n" BODY "\n" END "\n";
	struct pem pem;
	struct err e;

	(void)state;
	for (size_t i = 0; i < strlen(text); i++) {
		char was = text[i];
		for (int c = 0; c < 256; c++) { /* any outcome but a crash or a leak */
			text[i] = (char)c;
			if (pem_decode(&pem, text, sizeof text - 1, &e) == 0) {
				assert_true(pem.der.n <= 12);
				assert_true(strlen(pem.label) < PEM_LABEL_MAX);
				pem_free(&pem);
			}
		}
		text[i] = was;
	}
}

static void long_labels(void **state)
{
	char text[1000], label[300];
	struct pem pem;
	struct err e;

	(void)state;
	memset(label, 'A', sizeof label);
	for (int n = 1; n < 300; n++) {
		(void)snprintf(text, sizeof text,
			"-----BEGIN %.*s-----\n" BODY "\n-----END %.*s-----\n", n, label, n, label);
		if (pem_decode(&pem, text, strlen(text), &e) == 0) {
			assert_true(strlen(pem.label) < PEM_LABEL_MAX);
			pem_free(&pem);
		}
	}
}

static void round_trip(void **state)
{
	uint8_t der[300];
	struct pem pem;
	struct err e;

	(void)state;
	fill_pattern(der, sizeof der, 4);
	for (size_t n = 1; n <= sizeof der; n++) {
		struct buf text = {0};
		assert_int_equal(buf_append_str(&text, "kept\n"), 0);
		assert_int_equal(pem_encode(&text, "RSA PRIVATE KEY", der, n), 0);
		assert_memory_equal(text.p, "kept\n-----BEGIN RSA PRIVATE KEY-----\n", 37);
		assert_int_equal(text.p[text.n - 1], '\n');
		for (size_t i = 0, at = 0; i < text.n; i++) {
			at = text.p[i] == '\n' ? 0 : at + 1;
			assert_true(at <= 64);
		}
		assert_int_equal(pem_decode(&pem, text.p, text.n, &e), 0);
		assert_string_equal(pem.label, "RSA PRIVATE KEY");
		assert_int_equal(pem.der.n, n);
		assert_memory_equal(pem.der.p, der, n);
		pem_free(&pem);
		buf_free(&text);
	}
}

static void several(void **state)
{
	static const char text[] = "first\n" BEGIN "\n" BODY "\n" END "\nbetween\n" BEGIN
				   "\r\nZm9v\r\n" END "\r\n" BEGIN "\nYmFy\n" END;
	static const char *const bodies[] = {"foobarbazqux", "foo", "bar"};
	struct cursor c = cursor_over(text, strlen(text));
	struct pem pem;
	struct err e;

	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		assert_true(pem_more(&c));
		assert_int_equal(pem_next(&pem, &c, &e), 0);
		assert_string_equal(pem.label, "PUBLIC KEY");
		assert_int_equal(pem.der.n, strlen(bodies[i]));
		assert_memory_equal(pem.der.p, bodies[i], pem.der.n);
		pem_free(&pem);
	}
	assert_false(pem_more(&c));
	assert_refused(pem_next(&pem, &c, &e), e, EX_CONFIG);
	c = cursor_over(NULL, 0);
	assert_false(pem_more(&c));
	assert_refused(pem_next(&pem, &c, &e), e, EX_CONFIG);
}

/* What is cut or damaged is told once, and never taken for the end of the text. */
static void several_damaged(void **state)
{
	static const char *const rows[] = {
		BEGIN "\n" BODY "\n" END "\n" BEGIN "\n" BODY "\n",
		BEGIN "\n" BODY "\n" END "\n" BEGIN "\n" BODY "\n-----END",
		BEGIN "\n" BODY "\n" END "\n" BEGIN "\nZm9*\n" END "\n",
		BEGIN "\n" BODY "\n" END "\n" BEGIN "\n" BEGIN "\n" BODY "\n" END "\n",
	};
	struct cursor c;
	struct pem pem;
	struct err e;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		c = cursor_over(rows[i], strlen(rows[i]));
		assert_int_equal(pem_next(&pem, &c, &e), 0);
		pem_free(&pem);
		assert_true(pem_more(&c));
		assert_refused(pem_next(&pem, &c, &e), e, EX_CONFIG);
		assert_null(pem.der.p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("one line, several lines, text around it: all read", forms),
		T("CRLF line ends are read", crlf),
		T("a last line without its end is read, as PyCryptodome writes it",
			no_last_newline),
		T("no BEGIN, no END, bad base64, two objects: refused", refused),
		T("a text cut anywhere before its end is refused", cut_anywhere),
		T("any byte changed to any other does no harm", changed_anywhere),
		T("a label of any length stays within its room", long_labels),
		T("several objects in one text are read in turn", several),
		T("a damaged object behind a whole one is refused", several_damaged),
		T("1 to 300 bytes come back, 64 characters a line", round_trip),
	};
	return RUN(tests);
}
