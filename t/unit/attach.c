/* Files that are attached: base64 as others make it, in whatever pieces it is read; names and
 * limits; and files that change while they are sent. */
#include "unit.h"

#include "../../cmd/content.h"

static struct err e;
static struct content c;

enum { ANY = 1000000000 };

static int open_all(void **state)
{
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

/* Begin a message with this text. */
static void take_text(const char *text)
{
	struct buf b = {0};

	assert_int_equal(buf_append_str(&b, text), 0);
	assert_int_equal(content_take(&c, &b, ANY, &e), 0);
}

static const char *path_of(char out[static PATH_MAX], const char *name)
{
	(void)snprintf(out, PATH_MAX, "%.3000s/%.1000s", folder.path, name);
	return out;
}

static int attach(const char *name, uint64_t max)
{
	char path[PATH_MAX];
	const char *const paths[] = {path_of(path, name)};

	return content_attach(&c, paths, 1, max, &e);
}

static void read_all(size_t piece, struct buf *out)
{
	uint8_t *p = malloc(piece);
	size_t n = piece;

	out->n = 0;
	while (n == piece) {
		assert_int_equal(content_read(&c, p, piece, &n, &e), 0);
		assert_int_equal(buf_append(out, p, n), 0);
	}
	assert_int_equal(buf_append(out, "", 1), 0); /* for strstr; it is not counted */
	out->n--;
	free(p);
}

/* To the beginning of what is sent. */
static void rewind_content(void)
{
	for (size_t i = 0; i < c.n; i++) {
		c.parts[i].at = 0;
	}
	c.current = 0;
}

/* Where the bytes of the attached file begin, behind its header; and how many they are. */
static const char *attached(const struct buf *all, size_t *n)
{
	const char *head = strstr((const char *)all->p, "filename="), *begin, *end;

	assert_non_null(head);
	begin = strstr(head, "\n\n");
	assert_non_null(begin);
	begin += 2;
	end = strstr(begin, "\n--smtp361-");
	assert_non_null(end);
	*n = (size_t)(end - begin);
	return begin;
}

/* --- base64, as Python has it --- */

enum { SIZES = 240, LARGE = 100000 };

static const char program[] = "import base64,sys\n"
			      "data = open('data', 'rb').read()\n"
			      "for n in [*range(240), len(data)]:\n"
			      "    open(f'b64.{n}', 'wb').write(base64.encodebytes(data[:n]))\n";

static int run_python(int i)
{
	(void)i;
	if (fchdir(folder.fd) == 0) {
		(void)execl("/usr/bin/python3", "python3", "-B", "-c", program, (char *)NULL);
	}
	return 127;
}

/* Attach the first n bytes of the data, and compare with Python's, in pieces of every size. */
static void compare(const uint8_t *data, size_t n, size_t piece_max)
{
	struct buf all = {0}, once = {0}, wanted = {0};
	char name[32];
	size_t got_n;
	const char *got;

	spew("file", data, n);
	(void)snprintf(name, sizeof name, "b64.%zu", n);
	slurp(name, &wanted);
	take_text("text");
	assert_int_equal(attach("file", ANY), 0);
	read_all(ANY / 1000, &once);
	assert_int_equal(once.n, c.bytes);
	assert_int_equal(once.n, c.chars); /* it is ASCII */
	got = attached(&once, &got_n);
	if (got_n != wanted.n || memcmp(got, wanted.p, got_n) != 0) {
		fail_msg("%zu bytes: %.*s, not %s", n, (int)got_n, got, (char *)wanted.p);
	}
	for (size_t piece = 1; piece <= piece_max; piece++) {
		rewind_content();
		read_all(piece, &all);
		assert_int_equal(all.n, once.n);
		assert_memory_equal(all.p, once.p, once.n);
	}
	content_close(&c);
	buf_free(&all);
	buf_free(&once);
	buf_free(&wanted);
}

static void as_python(void **state)
{
	uint8_t *data = malloc(LARGE);

	(void)state;
	if (access("/usr/bin/python3", X_OK) != 0) {
		print_message("# SKIPPED: there is no /usr/bin/python3\n");
		free(data);
		skip();
	}
	fill_pattern(data, LARGE, 1);
	spew("data", data, LARGE);
	assert_int_equal(end_child(start_child(run_python, 0)), 0);
	for (size_t n = 0; n < SIZES; n++) {
		compare(data, n, n % 57 < 3 || n % 57 > 54 ? 200 : 9);
	}
	compare(data, LARGE, 160);
	free(data);
}

/* --- the message --- */

static void composed(void **state)
{
	char first[PATH_MAX], second[PATH_MAX];
	const char *const paths[] = {path_of(first, "a.txt"), path_of(second, "\xc3\xa9.bin")};
	struct buf all = {0};
	uint64_t chars;

	(void)state;
	spew_text("a.txt", "Man");
	spew("\xc3\xa9.bin", "\0\xff", 2);
	take_text("h\xc3\xa9llo");
	assert_int_equal(content_attach(&c, paths, 2, ANY, &e), 0);
	read_all(1000, &all);
	assert_int_equal(utf8_count(all.p, all.n, &chars), 0);
	assert_int_equal(chars, c.chars);
	assert_int_equal(all.n, c.bytes);
	assert_int_equal(c.bytes, c.chars + 2); /* two letters of two bytes */
	assert_int_equal(
		strncmp((char *)all.p, "MIME-Version: 1.0\nContent-Type: multipart/", 42), 0);
	assert_contains((char *)all.p, "8bit\n\nh\xc3\xa9llo\n--smtp361-");
	assert_contains((char *)all.p, "filename=\"a.txt\"\n\nTWFu\n\n--smtp361-");
	assert_contains((char *)all.p, "filename=\"\xc3\xa9.bin\"\n\nAP8=\n\n--smtp361-");
	assert_int_equal(memcmp(all.p + all.n - 3, "--\n", 3), 0);
	buf_free(&all);
}

/* No two messages have the same boundary: no content can hold it. */
static void boundaries(void **state)
{
	struct buf one = {0}, other = {0};

	(void)state;
	spew_text("file", "x");
	take_text("");
	assert_int_equal(attach("file", ANY), 0);
	read_all(1000, &one);
	content_close(&c);
	take_text("");
	assert_int_equal(attach("file", ANY), 0);
	read_all(1000, &other);
	assert_int_equal(one.n, other.n);
	assert_memory_not_equal(one.p, other.p, one.n);
	buf_free(&one);
	buf_free(&other);
}

static void names(void **state)
{
	static const struct {
		const char *name, *shown; /* shown NULL: refused */
	} rows[] = {
		{"plain.txt", "plain.txt"},
		{"two words", "two words"},
		{"quo\"te", "quo_te"},
		{"back\\slash", "back_slash"},
		{"line\nend", "line_end"},
		{"cr\r", "cr_"},
		{"tab\tbed", "tab_bed"},
		{"esc\x1b[31m", "esc_[31m"},
		{"del\x7f", "del_"},
		{"semi;colon", "semi;colon"},
		{"\xe2\x98\x95", "\xe2\x98\x95"},
		{"-rf", "-rf"},
		{"\xff", NULL},
		{"cut\xc3", NULL},
	};
	char line[400];
	struct buf all = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		spew_text(rows[i].name, "x");
		take_text("");
		if (rows[i].shown == NULL) {
			assert_refused(attach(rows[i].name, ANY), e, EX_DATAERR);
		} else {
			assert_int_equal(attach(rows[i].name, ANY), 0);
			read_all(1000, &all);
			(void)snprintf(line, sizeof line, "; filename=\"%s\"\n\n", rows[i].shown);
			assert_contains((char *)all.p, line);
		}
		content_close(&c);
	}
	buf_free(&all);
}

static void long_names(void **state)
{
	char name[256], wanted[256];
	struct buf all = {0};

	(void)state;
	for (size_t n = 190; n <= 255; n++) {
		for (size_t i = 0; i + 1 < n; i += 2) {
			memcpy(name + i, "\xc3\xa9", 2);
		}
		memcpy(name + n - 5, n % 2 == 0 ? "x.txt" : "\xc3\xa9.md", 5); /* its end stays */
		name[n] = '\0';
		if (n % 2 == 0) {
			name[n - 6] = 'x';
		}
		spew_text(name, "x");
		take_text("");
		assert_int_equal(attach(name, ANY), 0);
		read_all(1000, &all);
		const char *at = strstr((char *)all.p, "filename=\"") + 10;
		size_t shown = strcspn(at, "\"");
		assert_true(shown <= 200 && shown + 1 >= (n < 200 ? n : 200));
		memcpy(wanted, at, shown);
		assert_memory_equal(wanted, name + n - shown, shown);
		content_close(&c);
		assert_int_equal(unlinkat(folder.fd, name, 0), 0);
	}
	buf_free(&all);
}

static void not_attached(void **state)
{
	(void)state;
	assert_int_equal(mkfifoat(folder.fd, "fifo", 0600), 0);
	assert_int_equal(mkdirat(folder.fd, "folder", 0700), 0);
	static const char *const bad[] = {"gone", "fifo", "folder"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		take_text("x");
		assert_refused(attach(bad[i], ANY), e, EX_NOINPUT);
		assert_contains(e.text, bad[i]);
		content_close(&c);
	}
}

static void counts(void **state)
{
	enum { MOST = (CONTENT_PARTS - 4) / 2 };
	const char *paths[MOST + 1];
	char path[PATH_MAX];
	struct buf all = {0};

	(void)state;
	spew_text("file", "x");
	for (size_t i = 0; i <= MOST; i++) {
		paths[i] = path_of(path, "file");
	}
	take_text("x");
	assert_refused(content_attach(&c, paths, MOST + 1, ANY, &e), e, EX_USAGE);
	read_all(1000, &all); /* nothing was changed */
	assert_string_equal((char *)all.p, "x");
	rewind_content();
	assert_int_equal(content_attach(&c, paths, MOST, ANY, &e), 0);
	assert_true(c.n <= CONTENT_PARTS);
	read_all(1000, &all);
	assert_int_equal(all.n, c.bytes);
	buf_free(&all);
}

static void limits(void **state)
{
	uint64_t chars;

	(void)state;
	spew_text("file", "some text");
	take_text("h\xc3\xa9llo");
	assert_int_equal(attach("file", ANY), 0);
	chars = c.chars;
	content_close(&c);
	take_text("h\xc3\xa9llo");
	assert_int_equal(attach("file", chars), 0);
	content_close(&c);
	take_text("h\xc3\xa9llo");
	assert_refused(attach("file", chars - 1), e, EX_DATAERR);
	content_close(&c);
	/* a size that nobody could send costs nothing */
	int fd = openat(folder.fd, "sparse", O_RDWR | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	(void)close(fd);
	take_text("");
	assert_refused(attach("sparse", ANY), e, EX_DATAERR);
}

/* --- files that change while they are sent --- */

/* What is sent of a file of `before` bytes that has `after` by then. */
static void changed(size_t before, size_t after, struct buf *got)
{
	uint8_t data[1000];

	fill_pattern(data, sizeof data, 3);
	spew("file", data, before);
	take_text("");
	assert_int_equal(attach("file", ANY), 0);
	spew("file", data, after);
	read_all(32768, got);
}

/* Fewer bytes than were announced: whoever sends them counts, and gives up. */
static void shortened(void **state)
{
	struct buf got = {0};

	(void)state;
	for (size_t before = 1; before < 300; before += 7) {
		for (size_t after = 0; after < before; after += 5) {
			changed(before, after, &got);
			/* base64 of the same quanta is as long: then it is only other bytes */
			size_t was = (before + 2) / 3, is = (after + 2) / 3;
			assert_true(got.n < c.bytes || (was == is && got.n == c.bytes));
			content_close(&c);
		}
	}
	buf_free(&got);
}

/* A file that is being written to is sent as far as it was announced. */
static void grown(void **state)
{
	struct buf got = {0}, wanted = {0};
	size_t got_n, wanted_n;

	(void)state;
	for (size_t before = 0; before < 300; before++) {
		changed(before, before, &wanted);
		content_close(&c);
		changed(before, before + 100, &got);
		assert_int_equal(got.n, c.bytes);
		const char *a = attached(&wanted, &wanted_n), *b = attached(&got, &got_n);
		if (wanted_n != got_n || memcmp(a, b, got_n) != 0) {
			fail_msg("%zu bytes: %.*s, not %.*s", before, (int)got_n, b, (int)wanted_n,
				a);
		}
		content_close(&c);
	}
	buf_free(&got);
	buf_free(&wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CONTENT("base64 is Python's, whatever pieces it is read in", as_python),
		T_CONTENT("the text and the files are parts of one message", composed),
		T_CONTENT("each message has a boundary of its own", boundaries),
		T_CONTENT("a name that would break its line is made harmless", names),
		T_CONTENT("of a long name the end is kept, in whole characters", long_names),
		T_CONTENT("what is no regular file is not attached", not_attached),
		T_CONTENT("64 files are attached, and no more", counts),
		T_CONTENT("the limit counts all of it", limits),
		T_CONTENT("a file that is shortened gives less than was announced", shortened),
		T_CONTENT("one that grows is attached as it was", grown),
	};
	return RUN(tests);
}
