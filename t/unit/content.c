/* Content that is sent: from memory, files, streams; looked through once, and read again whole. */
#include "unit.h"

#include "../../cmd/content.h"

static struct err e;
static struct content c;

enum { ANY = 1000000000 };

static int open_all(void **state)
{
	(void)state;
	c = (struct content){0};
	return folder_make(state);
}

static int close_all(void **state)
{
	content_close(&c);
	return folder_remove(state);
}

#define T_CONTENT(title, function)                         \
	{                                                  \
		title, function, open_all, close_all, NULL \
	}

static const char *path_of(const char *name)
{
	static char path[PATH_MAX + 300];

	(void)snprintf(path, sizeof path, "%s/%s", folder.path, name);
	return path;
}

/* All of it, in pieces of this size. */
static void read_all(size_t piece, struct buf *out)
{
	uint8_t *p = malloc(piece);
	size_t n = piece;

	out->n = 0;
	while (n == piece) {
		if (content_read(&c, p, piece, &n, &e) != 0) {
			fail_msg("%s", e.text);
		}
		assert_true(n <= piece);
		assert_int_equal(buf_append(out, p, n), 0);
	}
	assert_int_equal(content_read(&c, p, piece, &n, &e), 0); /* its end is its end */
	assert_int_equal(n, 0);
	free(p);
}

static void assert_holds(const void *p, size_t n, size_t piece)
{
	struct buf b = {0};

	read_all(piece, &b);
	assert_int_equal(b.n, n);
	assert_true(n == 0 || memcmp(b.p, p, n) == 0);
	buf_free(&b);
}

/* Text of n bytes, some of its characters of two. */
static char *make_text(size_t n, uint64_t *chars)
{
	char *p = malloc(n + 1);

	for (size_t i = 0; i < n; i++) {
		p[i] = (char)('a' + i % 23);
	}
	for (size_t i = 0; i + 1 < n; i += 501) {
		memcpy(p + i, "\xc3\xa9", 2);
	}
	p[n] = '\0';
	assert_int_equal(utf8_count((uint8_t *)p, n, chars), 0);
	return p;
}

static const size_t lengths[] = {0, 1, 2, 65535, 65536, 65537, CONTENT_MEMORY - 1, CONTENT_MEMORY,
	CONTENT_MEMORY + 1, 2 * CONTENT_MEMORY + 65536, 3000000};

static void assert_content(const char *text, size_t n, uint64_t chars)
{
	assert_int_equal(c.bytes, n);
	assert_int_equal(c.chars, chars);
	assert_holds(text, n, n % 2 == 0 ? 32768 : 777);
	content_close(&c);
}

static void files(void **state)
{
	uint64_t chars;

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		char *text = make_text(lengths[i], &chars);
		spew("text", text, lengths[i]);
		assert_int_equal(content_open(&c, path_of("text"), ANY, &e), 0);
		/* what is large stays on disk */
		assert_int_equal(c.parts[0].kind, lengths[i] > CONTENT_MEMORY ? CONTENT_FILE
						  : lengths[i] == CONTENT_MEMORY
							  ? CONTENT_SPILLED
							  : CONTENT_MEMORY_PART);
		assert_content(text, lengths[i], chars);
		free(text);
	}
}

/* --- streams --- */

static size_t stream_n;
static const char *stream_text;

/* Into a FIFO, in pieces that split characters. */
static int write_stream(int piece)
{
	int fd = open(path_of("fifo"), O_WRONLY);
	size_t at = 0;

	while (fd >= 0 && at < stream_n) {
		size_t k = stream_n - at < (size_t)piece ? stream_n - at : (size_t)piece;
		ssize_t n = write(fd, stream_text + at, k);
		if (n < 0) {
			return 1;
		}
		at += (size_t)n;
	}
	return fd >= 0 && close(fd) == 0 ? 0 : 1;
}

static void streams(void **state)
{
	uint64_t chars;

	(void)state;
	assert_int_equal(mkfifoat(folder.fd, "fifo", 0600), 0);
	for (size_t i = 0; i < 2 * COUNT(lengths); i++) {
		size_t n = lengths[i / 2];
		char *text = make_text(n, &chars);
		stream_text = text;
		stream_n = n;
		pid_t child = start_child(write_stream, i % 2 == 0 ? 65536 : 4093);
		assert_int_equal(content_open(&c, path_of("fifo"), ANY, &e), 0);
		assert_int_equal(end_child(child), 0);
		assert_int_equal(c.parts[0].kind,
			n >= CONTENT_MEMORY ? CONTENT_SPILLED : CONTENT_MEMORY_PART);
		assert_content(text, n, chars);
		free(text);
	}
	assert_int_equal(count_names("."), 1); /* what was spilled has no name */
}

static int from_stdin(int i)
{
	int fd = open(path_of("text"), O_RDONLY);

	if (dup2(fd, STDIN_FILENO) != STDIN_FILENO) {
		return 100;
	}
	if (content_open(&c, "-", ANY, &e) != 0) {
		return e.code;
	}
	assert_holds(stream_text, stream_n, 1000);
	content_close(&c);
	/* it was read to its end, and is still open */
	return i == 0 && read(STDIN_FILENO, &fd, 1) == 0 ? 0 : 101;
}

static void standard_input(void **state)
{
	uint64_t chars;

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		char *text = make_text(lengths[i], &chars);
		stream_text = text;
		stream_n = lengths[i];
		spew("text", text, lengths[i]);
		assert_int_equal(end_child(start_child(from_stdin, 0)), 0);
		free(text);
	}
	spew("text", "\xff", 1);
	assert_int_equal(end_child(start_child(from_stdin, 0)), EX_DATAERR);
}

/* --- limits and refusals --- */

static void characters_count(void **state)
{
	uint64_t chars;
	char *text = make_text(CONTENT_MEMORY + 5000, &chars);

	(void)state;
	for (int large = 0; large < 2; large++) {
		size_t n = large == 1 ? CONTENT_MEMORY + 5000 : 1001;
		assert_int_equal(utf8_count((uint8_t *)text, n, &chars), 0);
		spew("text", text, n);
		assert_int_equal(content_open(&c, path_of("text"), chars, &e), 0);
		assert_true(c.bytes > c.chars);
		content_close(&c);
		assert_refused(content_open(&c, path_of("text"), chars - 1, &e), e, EX_DATAERR);
		assert_contains(e.text, "text");
		content_close(&c);
	}
	spew("text", "", 0);
	assert_int_equal(content_open(&c, path_of("text"), 0, &e), 0);
	free(text);
}

static int zeros_for_ever(int i)
{
	static const char zeros[65536];
	int fd = open(path_of("fifo"), O_WRONLY);

	(void)i;
	while (write(fd, zeros, sizeof zeros) > 0) {
	}
	return 0;
}

/* A stream without an end is left as soon as it is too long. */
static void endless(void **state)
{
	struct sigaction ignored = {.sa_handler = SIG_IGN};

	(void)state;
	(void)sigaction(SIGPIPE, &ignored, NULL);
	assert_int_equal(mkfifoat(folder.fd, "fifo", 0600), 0);
	pid_t child = start_child(zeros_for_ever, 0);
	assert_refused(content_open(&c, path_of("fifo"), 3000000, &e), e, EX_DATAERR);
	assert_true(c.parts[0].bytes < 3000000 + 2 * 65536);
	content_close(&c);
	assert_int_equal(end_child(child), 0);
}

static void not_utf8(void **state)
{
	static const char *const bad[] = {"\xff", "a\x80", "\xc3", "text\xc3", "\xe2\x98",
		"\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80", "\xf0\x9f\x98"};
	char *text = malloc(CONTENT_MEMORY + 100);

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		spew_text("text", bad[i]);
		assert_refused(content_open(&c, path_of("text"), ANY, &e), e, EX_DATAERR);
		content_close(&c);
		/* at the end of a large one, too */
		memset(text, 'x', CONTENT_MEMORY + 50);
		memcpy(text + CONTENT_MEMORY + 50, bad[i], strlen(bad[i]));
		spew("text", text, CONTENT_MEMORY + 50 + strlen(bad[i]));
		assert_refused(content_open(&c, path_of("text"), ANY, &e), e, EX_DATAERR);
		content_close(&c);
	}
	free(text);
	spew("text", "a\0b", 3); /* any character, and NUL is one */
	assert_int_equal(content_open(&c, path_of("text"), ANY, &e), 0);
	assert_int_equal(c.chars, 3);
}

static void no_such_file(void **state)
{
	(void)state;
	assert_refused(content_open(&c, path_of("gone"), ANY, &e), e, EX_NOINPUT);
	content_close(&c);
	assert_refused(content_open(&c, folder.path, ANY, &e), e, EX_NOINPUT);
	assert_contains(e.text, "folder");
	content_close(&c);
	assert_refused(content_open(&c, "", ANY, &e), e, EX_NOINPUT);
}

/* --- memory --- */

static void taken(void **state)
{
	struct buf text = {0};

	(void)state;
	for (size_t piece = 1; piece < 20; piece++) {
		assert_int_equal(buf_append_str(&text, "h\xc3\xa9llo, world"), 0);
		assert_int_equal(content_take(&c, &text, 12, &e), 0);
		assert_null(text.p); /* it was taken over */
		assert_int_equal(c.bytes, 13);
		assert_int_equal(c.chars, 12);
		assert_holds("h\xc3\xa9llo, world", 13, piece);
		content_close(&c);
	}
	assert_int_equal(buf_append_str(&text, "h\xc3\xa9"), 0);
	assert_refused(content_take(&c, &text, 1, &e), e, EX_DATAERR);
	content_close(&c);
	assert_int_equal(buf_append_str(&text, "h\xc3"), 0);
	assert_refused(content_take(&c, &text, 10, &e), e, EX_DATAERR);
	content_close(&c);
	assert_int_equal(content_take(&c, &text, 0, &e), 0); /* nothing at all */
	assert_holds("", 0, 1);
}

static void from_memory(void **state)
{
	uint8_t out[8];
	size_t n;

	(void)state;
	for (size_t cap = 1; cap <= sizeof out; cap++) {
		struct mail_memory m = {.p = (const uint8_t *)"abcdef", .n = 6};
		for (size_t at = 0; at < 6; at += n) {
			memset(out, 0, sizeof out);
			assert_int_equal(mail_from_memory(&m, out, cap, &n, &e), 0);
			assert_int_equal(n, 6 - at < cap ? 6 - at : cap);
			assert_memory_equal(out, "abcdef" + at, n);
		}
		assert_int_equal(mail_from_memory(&m, out, cap, &n, &e), 0);
		assert_int_equal(n, 0);
	}
	struct mail_memory none = {0};
	assert_int_equal(mail_from_memory(&none, out, sizeof out, &n, &e), 0);
	assert_int_equal(n, 0);
}

/* --- files that change while they are sent --- */

static void shortened(void **state)
{
	uint64_t chars;
	char *text = make_text(3000000, &chars);
	struct buf b = {0};

	(void)state;
	spew("text", text, 3000000);
	assert_int_equal(content_open(&c, path_of("text"), ANY, &e), 0);
	assert_int_equal(truncate(path_of("text"), 2000000), 0);
	read_all(32768, &b); /* fewer only at the end: whoever reads it counts */
	assert_int_equal(b.n, 2000000);
	assert_memory_equal(b.p, text, 2000000);
	buf_free(&b);
	free(text);
}

static void grown(void **state)
{
	uint64_t chars;
	char *text = make_text(3000000, &chars);

	(void)state;
	spew("text", text, 2000000);
	assert_int_equal(content_open(&c, path_of("text"), ANY, &e), 0);
	spew("text", text, 3000000);
	assert_int_equal(c.bytes, 2000000);
	assert_holds(text, 2000000, 32768);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CONTENT("a file of any size is read whole, in characters and bytes", files),
		T_CONTENT("so is a FIFO, and what is large goes to a file without a name", streams),
		T_CONTENT("so is standard input, which stays open", standard_input),
		T_CONTENT("the limit is one of characters", characters_count),
		T_CONTENT("a stream without an end is left at the limit", endless),
		T_CONTENT("what is not UTF-8 is refused, wherever it is not", not_utf8),
		T_CONTENT("a folder and no file are no input", no_such_file),
		T_CONTENT("text in memory is taken over", taken),
		T("memory is a source, in pieces of any size", from_memory),
		T_CONTENT("a file that is shortened ends early", shortened),
		T_CONTENT("one that grows is sent as it was", grown),
	};
	return RUN(tests);
}
