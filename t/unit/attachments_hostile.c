/* Attachments that somebody means ill with: names, damage, files in the way. Nothing is written
 * outside the folder or over another file, and no half file stays. */
#include "attachments.h"

#include <sys/resource.h>

static void hostile_names(void **state)
{
	static const struct {
		const char *given, *file;
	} rows[] = {
		{"f", "f"},
		{"../f", "f"},
		{"../../../../../../etc/f", "f"},
		{"/f", "f"},
		{"//f", "f"},
		{"a/../f", "f"},
		{"f/", "attachment"},
		{"/", "attachment"},
		{"..", "_."},
		{".", "_"},
		{"../..", "_."},
		{".profile", "_profile"},
		{"/.ssh", "_ssh"},
		{"-rf", "_rf"},
		{" f", "_f"},
		{"C:\\f", "C__f"},
		{"..\\f", "_._f"},
		{"a*?b<c>d|e", "a__b_c_d_e"},
		{"esc\x1b[31m", "esc_[31m"},
		{"bell\x07\x08\x7f", "bell___"},
		{"cr\rx", "cr_x"},
		{"tab\tx", "tab_x"},
		{"a;b c", "a;b c"},
		{"caf\xc3\xa9", "caf\xc3\xa9"},
		{"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"%2e%2e%2ff", "%2e%2e%2ff"},
		{"~", "~"},
		{"~root", "~root"},
	};
	char parameter[300];
	int outside;

	(void)state;
	spew_text("beside", "x");
	outside = count_names(".");
	for (size_t i = 0; i < COUNT(rows); i++) {
		(void)snprintf(parameter, sizeof parameter, "filename=\"%s\"", rows[i].given);
		if (take_part(parameter, "8bit", "body", 4) != 0) {
			fail_msg("%s: %s", rows[i].given, e.text);
		}
		assert_file(rows[i].file, "body", 4);
		assert_int_equal(clear_out(), 1);
		assert_int_equal(count_names("."), outside);
	}
}

/* A name that no file can have is cut, and its end tells the type. */
static void long_names(void **state)
{
	char parameter[1200], name[1100];

	(void)state;
	for (size_t n = 200; n < 1000; n += n < 250 || n > 260 ? 50 : 1) {
		memset(name, 'x', n);
		memcpy(name + n - 4, ".txt", 5);
		(void)snprintf(parameter, sizeof parameter, "filename=\"%s\"", name);
		for (int copy = 0; copy < 2; copy++) { /* and so is that of a second one */
			if (take_part(parameter, "8bit", "body", 4) != 0) {
				fail_msg("%zu: %s", n, e.text);
			}
		}
		assert_true(n > 255 || there(name));
		assert_int_equal(clear_out(), 2);
	}
}

static void no_names(void **state)
{
	static const char *const none[] = {
		"", "filename=", "filename=\"\"", "filename", "name=f", "filename=;", "file=f"};

	(void)state;
	for (size_t i = 0; i < COUNT(none); i++) {
		assert_int_equal(take_part(none[i], "8bit", "body", 4), EX_NOINPUT);
		assert_int_equal(clear_out(), 0);
	}
}

/* --- what is in the way --- */

static void not_overwritten(void **state)
{
	(void)state;
	spew_text("out/f", "mine");
	spew_text("outside", "mine");
	assert_int_equal(symlinkat("../outside", folder.fd, "out/f~2"), 0);
	assert_int_equal(symlinkat("../nowhere", folder.fd, "out/f~3"), 0);
	assert_int_equal(mkdirat(folder.fd, "out/f~4", 0700), 0);
	assert_int_equal(mkfifoat(folder.fd, "out/f~5", 0600), 0);
	assert_int_equal(take_part("filename=f", "8bit", "body", 4), 0);
	assert_int_equal(take_part("filename=f", "8bit", "next", 4), 0);
	assert_file("f", "mine", 4);
	assert_file("f~6", "body", 4);
	assert_file("f~7", "next", 4);
	assert_false(faccessat(folder.fd, "nowhere", F_OK, AT_SYMLINK_NOFOLLOW) == 0);
	assert_int_equal(clear_out(), 7);
	struct buf b = {0};
	slurp("outside", &b);
	assert_string_equal((char *)b.p, "mine");
	buf_free(&b);
}

/* One that comes twice in a message is two files. */
static void twice_in_one(void **state)
{
	static const char text[] =
		HEAD_LINES "--B\nContent-Disposition: attachment; filename=f\n\none\n"
			   "--B\nContent-Disposition: attachment; filename=../f\n\ntwo\n--B--\n";

	(void)state;
	assert_int_equal(take(text, sizeof text - 1, 5), 0);
	assert_file("f", "one", 3);
	assert_file("f~2", "two", 3);
	assert_int_equal(clear_out(), 2);
}

static void too_many_copies(void **state)
{
	char name[32];

	(void)state;
	spew_text("out/f", "");
	for (int i = 2; i < 1000; i++) {
		(void)snprintf(name, sizeof name, "out/f~%d", i);
		spew_text(name, "");
	}
	assert_int_equal(take_part("filename=f", "8bit", "body", 4), EX_CANTCREAT);
	assert_int_equal(clear_out(), 999);
}

static void no_folder(void **state)
{
	(void)state;
	e.code = 0;
	assert_null(attachments_open("/nowhere/at/all", &e));
	assert_int_equal(e.code, EX_NOINPUT);
	char path[PATH_MAX + 8];
	spew_text("file", "x");
	(void)snprintf(path, sizeof path, "%s/file", folder.path);
	assert_null(attachments_open(path, &e));
	assert_int_equal(e.code, EX_NOINPUT);
	attachments_close(NULL);
}

static int take_when_full(int bytes)
{
	const struct sigaction ignored = {.sa_handler = SIG_IGN};
	const struct rlimit limit = {.rlim_cur = (rlim_t)bytes, .rlim_max = (rlim_t)bytes};

	(void)sigaction(SIGXFSZ, &ignored, NULL);
	(void)setrlimit(RLIMIT_FSIZE, &limit);
	return take_part("filename=f", "8bit", "some more text", 14) == EX_CANTCREAT ? 0 : 1;
}

static void disk_full(void **state)
{
	(void)state;
	for (int bytes = 0; bytes < 14; bytes++) {
		assert_int_equal(end_child(start_child(take_when_full, bytes)), 0);
		assert_int_equal(clear_out(), 0);
	}
}

/* --- damage --- */

static void bad_base64(void **state)
{
	static const char *const bad[] = {"T", "TW", "TWF", "TWFuT", "TWFu TWFu", "TWFu*TWF",
		"TWF*", "TQ==TWFu", "TQ==\nTWFu", "TWE=\nT", "=", "====", "T===", "TQ=", "TQ=x",
		"TWFu=", "TR==", "TWF=", "TWF-", "TWF_", "\xc3\xa9\xc3\xa9", "TWFu\n\n TWFu",
		"TWFu\tTWF", "--", "--Bx"};
	char with_nul[] = "TW\0u";

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		int rc = take_part("filename=f", "base64", bad[i], strlen(bad[i]));
		if (rc != EX_DATAERR) {
			fail_msg("%s: %d", bad[i], rc);
		}
		assert_int_equal(clear_out(), 0);
	}
	assert_int_equal(take_part("filename=f", "base64", with_nul, 4), EX_DATAERR);
	assert_int_equal(clear_out(), 0);
}

/* The files ahead of the damage are whole, and stay. */
static void damage_behind_one(void **state)
{
	static const char text[] =
		HEAD_LINES "--B\nContent-Disposition: attachment; filename=a\n\none\n"
			   "--B\nContent-Transfer-Encoding: base64\n"
			   "Content-Disposition: attachment; filename=b\n\nTWFu\n****\n--B--\n";

	(void)state;
	assert_int_equal(take(text, sizeof text - 1, 11), EX_DATAERR);
	assert_file("a", "one", 3);
	assert_int_equal(clear_out(), 1);
}

static void not_multipart(void **state)
{
	static const char *const none[] = {"", "\n", "hello", "hello\n\nworld\n",
		"Content-Type: text/plain; boundary=B\n\n--B\n\nx\n--B--\n",
		"Content-Type: multipart/mixed\n\n--\n\nx\n----\n",
		"Content-Type: multipart/mixed; boundary=\n\n--B\n--B--\n",
		"Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n----\n",
		"\nContent-Type: multipart/mixed; boundary=B\n\n--B\n--B--\n",
		"Content-Type: multipart/mixed; boundary=B\n\n--B--\n",
		"Content-Type: multipart/mixed; boundary=B\n\n--B\n\ntext alone\n--B--\n",
		/* a boundary is at most 70 characters: this is none */
		"Content-Type: multipart/mixed; boundary=BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
		"BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB\n\nx\n"};

	(void)state;
	for (size_t i = 0; i < COUNT(none); i++) {
		int rc = take(none[i], strlen(none[i]), 3);
		if (rc != EX_NOINPUT) {
			fail_msg("%s: %d", none[i], rc);
		}
		assert_int_equal(clear_out(), 0);
	}
}

/* Bytes of every kind, as a message, in a part, and in its header. */
static void noise(void **state)
{
	uint8_t bytes[5000];
	struct buf b = {0};

	(void)state;
	for (uint32_t seed = 0; seed < 300; seed++) {
		size_t n = seed * 13 % sizeof bytes;
		fill_pattern(bytes, sizeof bytes, seed);
		(void)take(bytes, n, 997);
		b.n = 0;
		assert_int_equal(buf_append_str(&b, HEAD_LINES "--B\n"), 0);
		assert_int_equal(buf_append(&b, bytes, n), 0);
		assert_int_equal(
			buf_append_str(&b, "\nContent-Disposition: attachment; filename=f\n\n"), 0);
		(void)take(b.p, b.n, 997);
		(void)clear_out();
	}
	assert_int_equal(count_names("."), 1);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_OUT("whatever it is called, it is one file in the folder", hostile_names),
		T_OUT("a name that is too long is cut", long_names),
		T_OUT("a part without a name is not saved", no_names),
		T_OUT("what is there is never written over, nor followed", not_overwritten),
		T_OUT("two of one name are two files", twice_in_one),
		T_OUT("a name that is taken a thousand times is given up", too_many_copies),
		T_OUT("where there is no folder nothing begins", no_folder),
		T_OUT("a disk that is full leaves no half file", disk_full),
		T_OUT("base64 that is damaged is refused, and leaves nothing", bad_base64),
		T_OUT("what was whole ahead of the damage stays", damage_behind_one),
		T_OUT("what is no such message has nothing attached", not_multipart),
		T_OUT("noise does no harm", noise),
	};
	return RUN(tests);
}
