/* Taking attachments out of a message as it arrives: our own and others', whole, in any pieces. */
#include "attachments.h"

#include "../../cmd/content.h"

static struct buf message; /* with three files: empty, 1000 bytes, and Man */
static uint8_t data[1000];

static void compose(void)
{
	static const char *const files[] = {"in-empty", "in-data", "in-man"};
	char paths[3][PATH_MAX];
	const char *list[3];
	static struct content c;
	struct buf text = {0};
	size_t n;

	fill_pattern(data, sizeof data, 5);
	spew_text("in-empty", "");
	spew_text("in-man", "Man");
	spew("in-data", data, sizeof data);
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(paths[i], PATH_MAX, "%.3000s/%s", folder.path, files[i]);
		list[i] = paths[i];
	}
	assert_int_equal(buf_append_str(&text, "--smtp361-\n\n--\ntext\n"), 0);
	assert_int_equal(content_take(&c, &text, 100000, &e), 0);
	assert_int_equal(content_attach(&c, list, 3, 100000, &e), 0);
	message.n = 0;
	assert_int_equal(buf_reserve(&message, c.bytes), 0);
	assert_int_equal(content_read(&c, message.p, c.bytes, &n, &e), 0);
	assert_int_equal(n, c.bytes);
	message.n = n;
	content_close(&c);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(unlinkat(folder.fd, files[i], 0), 0);
	}
}

static void assert_three(void)
{
	assert_file("in-empty", "", 0);
	assert_file("in-man", "Man", 3);
	assert_file("in-data", data, sizeof data);
	assert_int_equal(clear_out(), 3);
}

static void our_own(void **state)
{
	(void)state;
	compose();
	assert_int_equal(take(message.p, message.n, message.n), 0);
	assert_three();
	for (size_t piece = 1; piece < 100; piece++) {
		assert_int_equal(take(message.p, message.n, piece), 0);
		assert_three();
	}
	for (size_t at = 0; at <= message.n; at++) { /* in two, at every place */
		first_piece = at;
		assert_int_equal(take(message.p, message.n, message.n), 0);
		assert_three();
	}
	first_piece = 0;
	buf_free(&message);
}

/* The same as other programs send it. */
static void with_crlf(void **state)
{
	struct buf crlf = {0};

	(void)state;
	compose();
	for (size_t i = 0; i < message.n; i++) {
		if (message.p[i] == '\n') {
			assert_int_equal(buf_append(&crlf, "\r", 1), 0);
		}
		assert_int_equal(buf_append(&crlf, message.p + i, 1), 0);
	}
	for (size_t piece = 1; piece < 150; piece++) {
		assert_int_equal(take(crlf.p, crlf.n, piece), 0);
		assert_three();
	}
	buf_free(&crlf);
	buf_free(&message);
}

/* Cut anywhere it is damaged; files that were whole by then stay, and no half one. */
static void cut(void **state)
{
	(void)state;
	compose();
	for (size_t n = 0; n + 1 < message.n; n++) {
		int rc = take(message.p, n, 4096), files;
		/* the very last dashes: "--BOUNDARY-" is no end, and "--BOUNDARY--" is */
		if (rc != EX_DATAERR && !(n < 120 && rc == EX_NOINPUT)) {
			fail_msg("cut at %zu of %zu: %d", n, message.n, rc);
		}
		files = 0;
		if (there("in-empty")) {
			assert_file("in-empty", "", 0);
			files++;
		}
		if (there("in-man")) {
			assert_file("in-man", "Man", 3);
			files++;
		}
		if (there("in-data")) {
			assert_file("in-data", data, sizeof data);
			files++;
		}
		assert_int_equal(clear_out(), files);
	}
	buf_free(&message);
}

/* --- others' --- */

static void as_it_is(void **state)
{
	static const char *const texts[] = {"", "x", "\n", "x\n", "\n\n", "a\nb", "a\nb\n", "--\n",
		"-- B\n--Bx\n --B\n-B\n--b", "caf\xc3\xa9", "a\r\nb", "\xff\xfe"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_int_equal(take_part("filename=f", "8bit", texts[i], strlen(texts[i])), 0);
		assert_file("f", texts[i], strlen(texts[i]));
		assert_int_equal(clear_out(), 1);
	}
	assert_int_equal(take_part("filename=f", "binary", "a\0b\n\0", 5), 0);
	assert_file("f", "a\0b\n\0", 5);
	assert_int_equal(clear_out(), 1);
}

static void as_it_is_with_crlf(void **state)
{
	static const char text[] = HEAD_LINES_CRLF "--B\r\nContent-Disposition: attachment; "
						   "filename=\"f\"\r\n\r\none\r\ntwo\r\n--B--\r\n";

	(void)state;
	for (size_t piece = 1; piece < sizeof text; piece++) {
		assert_int_equal(take(text, sizeof text - 1, piece), 0);
		assert_file("f", "one\r\ntwo", 8); /* the last line end is the boundary's */
		assert_int_equal(clear_out(), 1);
	}
}

/* Lines that are longer than any buffer, and as long as one. */
static void long_lines(void **state)
{
	char *text = malloc(20001), *b64 = malloc(30000);

	(void)state;
	for (size_t n = 4080; n < 20000; n += n < 4110 || n > 8180 ? 1 : 4075) {
		memset(text, 'x', n);
		memcpy(text + n - 3, "--B", 3); /* not where a boundary stands */
		assert_int_equal(take_part("filename=f", "8bit", text, n), 0);
		assert_file("f", text, n);
		assert_int_equal(clear_out(), 1);
		(void)base64_encode(b64, text, n - n % 3);
		assert_int_equal(take_part("filename=f", "base64", b64, strlen(b64)), 0);
		assert_file("f", text, n - n % 3);
		assert_int_equal(clear_out(), 1);
		if (n > 8210) {
			break;
		}
	}
	free(text);
	free(b64);
}

/* A header line of any length is one line. */
static void long_headers(void **state)
{
	char *text = malloc(12000);

	(void)state;
	for (size_t n = 4085; n < 4105; n++) {
		for (int first = 0; first < 2; first++) { /* of the message, or of the part */
			int k = 0;
			char *fill = malloc(n + 1);
			memset(fill, 'y', n);
			memcpy(fill, "X: ", 3);
			fill[n] = '\0';
			k = snprintf(text, 12000,
				"%s%sContent-Type: multipart/mixed; boundary=B\n\n--B\n%s%s"
				"Content-Disposition: attachment; filename=f\n\nbody\n--B--\n",
				first == 0 ? fill : "", first == 0 ? "\n" : "",
				first == 1 ? fill : "", first == 1 ? "\n" : "");
			if (take(text, (size_t)k, 1000) != 0) {
				fail_msg("%zu: %s", n, e.text);
			}
			assert_file("f", "body", 4);
			assert_int_equal(clear_out(), 1);
			free(fill);
		}
	}
	free(text);
}

static void header_forms(void **state)
{
	static const char *const heads[] = {
		"Content-Disposition: attachment; filename=\"f\"",
		"content-disposition:attachment;FILENAME=f",
		"CONTENT-DISPOSITION: inline; size=4; filename=f; x=y",
		"Content-Disposition: attachment; filename=f\tx",
		"Content-Disposition: attachment; filename=\"f",
		"Content-Type: x\nContent-Disposition: attachment; filename=f\nX: y",
	};
	char text[1000];

	(void)state;
	for (size_t i = 0; i < COUNT(heads); i++) {
		int n = snprintf(text, sizeof text,
			"preamble: x\nCONTENT-TYPE: Multipart/Mixed; charset=x; boundary=\"B\"\n\n"
			"--not yet\n--B\n\na text\n--B\n%s\n\nbody\n--B--\n--B\nepilogue",
			heads[i]);
		assert_int_equal(take(text, (size_t)n, 7), 0);
		assert_file("f", "body", 4);
		assert_int_equal(clear_out(), 1);
	}
}

static void base64_forms(void **state)
{
	static const struct {
		const char *text, *wanted;
	} rows[] = {
		{"", ""},
		{"\n\n", ""},
		{"TWFu", "Man"},
		{"TWFu\n", "Man"},
		{"\nTWFu\n\n", "Man"},
		{"T\nW\nF\nu", "Man"},
		{"TWF\nuTWFu", "ManMan"},
		{"TWFuTQ==", "ManM"},
		{"TQ=\n=", "M"},
		{"TWE=", "Ma"},
		{"TWE=\n\n", "Ma"},
		{"TWE=\r\n\r\n", "Ma"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(
			take_part("filename=f", "base64", rows[i].text, strlen(rows[i].text)), 0);
		assert_file("f", rows[i].wanted, strlen(rows[i].wanted));
		assert_int_equal(clear_out(), 1);
		assert_int_equal(
			take_part("filename=f", "BASE64", rows[i].text, strlen(rows[i].text)), 0);
		assert_int_equal(clear_out(), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_OUT("our own message, in any pieces, gives the files back", our_own),
		T_OUT("and so it does with CRLF", with_crlf),
		T_OUT("cut anywhere it is damaged, and leaves no half file", cut),
		T_OUT("a part that is no base64 is kept as it is", as_it_is),
		T_OUT("and with CRLF its last line end is the boundary's", as_it_is_with_crlf),
		T_OUT("lines may have any length", long_lines),
		T_OUT("header lines, too", long_headers),
		T_OUT("headers are read in any case, with what others put there", header_forms),
		T_OUT("base64 may be broken into lines anywhere", base64_forms),
	};
	return RUN(tests);
}
