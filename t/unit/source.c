/* A file that is sent: regular ones by name, anything by descriptor; its holes, and its changes. */
#include "unit.h"

#include "../../crypto/source.h"

enum { PAGE = 4096, LARGE = 20 * PAGE };

static struct err e;
static struct source s;
static uint8_t text[LARGE];

static bool no_holes; /* the file system cannot say where they are */

/* The C library's lseek, on a file system that does not know SEEK_DATA. */
off_t real_lseek(int fd, off_t offset, int from) __asm__("lseek64");
off_t asked_lseek(int fd, off_t offset, int from) __asm__("lseek");
off_t asked_lseek(int fd, off_t offset, int from)
{
	if (no_holes && (from == SEEK_DATA || from == SEEK_HOLE)) {
		errno = EINVAL;
		return -1;
	}
	return real_lseek(fd, offset, from);
}

static void open_named(const char *name)
{
	if (source_open(&s, folder.fd, name, &e) != 0) {
		fail_msg("%s: %s", name, e.text);
	}
}

/* All of it from where it stands, by reads of at most cap bytes, holes filled in; how many runs it
 * came in. Longer than n, or without an end, it fails. */
static unsigned assert_gives(const uint8_t *p, size_t n, size_t cap)
{
	uint8_t piece[LARGE];
	size_t at = 0, got;
	uint64_t hole;
	unsigned holes = 0;

	for (int i = 0; i < 1000000; i++) {
		assert_int_equal(source_read(&s, piece, cap, &got, &hole, &e), 0);
		assert_true(got <= cap && (got == 0 || hole == 0));
		if (got == 0 && hole == 0) {
			assert_int_equal(at, n);
			return holes;
		}
		assert_true(got + hole <= n - at);
		assert_true(got == 0 || memcmp(piece, p + at, got) == 0);
		for (uint64_t k = 0; k < hole; k++) {
			assert_int_equal(p[at + k], 0);
		}
		at += got + hole;
		holes += hole > 0 ? 1 : 0;
	}
	fail_msg("it has no end");
	return 0;
}

static void every_size(void **state)
{
	static const size_t sizes[] = {0, 1, PAGE - 1, PAGE, PAGE + 1, LARGE};
	static const size_t caps[] = {1, 1000, PAGE, LARGE};
	uint64_t size;

	(void)state;
	fill_pattern(text, sizeof text, 1);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		spew("f", text, sizes[i]);
		for (size_t k = 0; k < 2 * COUNT(caps); k++) {
			no_holes = k % 2 == 1;
			open_named("f");
			assert_true(source_size(&s, &size));
			assert_int_equal(size, sizes[i]);
			(void)assert_gives(text, sizes[i], caps[k / 2]);
			(void)assert_gives(NULL, 0, 1); /* an end stays one */
			assert_int_equal(source_unchanged(&s, &e), 0);
			source_close(&s);
		}
	}
	no_holes = false;
}

static void refuses(void **state)
{
	static const char *const others[] = {"link", "dangling", "folder", "fifo"};
	int dev = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	spew_text("f", "text");
	assert_int_equal(symlinkat("f", folder.fd, "link"), 0);
	assert_int_equal(symlinkat("nothing", folder.fd, "dangling"), 0);
	assert_int_equal(mkdirat(folder.fd, "folder", 0700), 0);
	assert_int_equal(mkfifoat(folder.fd, "fifo", 0600), 0);
	for (size_t i = 0; i < COUNT(others); i++) {
		assert_refused(source_open(&s, folder.fd, others[i], &e), e, EX_DATAERR);
		assert_contains(e.text, others[i]);
		source_close(&s);
	}
	assert_refused(source_open(&s, folder.fd, "none", &e), e, EX_NOINPUT);
	source_close(&s);
	assert_refused(source_open(&s, dev, "zero", &e), e, EX_DATAERR);
	assert_contains(e.text, "a device");
	(void)close(dev);
	assert_refused(source_over(&s, folder.fd, &e), e, EX_DATAERR);
	assert_refused(source_over(&s, -1, &e), e, EX_NOINPUT);
}

/* data 3 pages, a hole of 5, data 1, a hole of 2 at the end; in a file system that has holes. */
static int make_sparse(void)
{
	int fd = openat(folder.fd, "f", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	memset(text, 0, sizeof text);
	fill_pattern(text, 3 * PAGE, 1);
	fill_pattern(text + 8 * PAGE, PAGE, 2);
	assert_int_equal(pwrite(fd, text, 3 * PAGE, 0), 3 * PAGE);
	assert_int_equal(pwrite(fd, text + 8 * PAGE, PAGE, 8 * PAGE), PAGE);
	assert_int_equal(ftruncate(fd, 11 * PAGE), 0);
	return fd;
}

static void holes(void **state)
{
	static const size_t caps[] = {1, 1000, PAGE, LARGE};
	int fd = make_sparse();
	bool has = real_lseek(fd, 0, SEEK_HOLE) == 3 * PAGE;

	(void)state;
	for (size_t i = 0; i < COUNT(caps); i++) {
		open_named("f");
		unsigned seen = assert_gives(text, 11 * PAGE, caps[i]);
		assert_true(!has || seen == 2);
		for (size_t from = 0; from <= 11 * PAGE; from += 1000) { /* in the midst of each */
			assert_int_equal(source_seek(&s, from, &e), 0);
			(void)assert_gives(text + from, 11 * PAGE - from, caps[i] + 99);
		}
		source_close(&s);
		no_holes = true;
		open_named("f");
		assert_int_equal(assert_gives(text, 11 * PAGE, caps[i]), 0);
		source_close(&s);
		no_holes = false;
	}
	(void)close(fd);
	if (!has) {
		skip();
	}
}

static void whole_hole(void **state)
{
	uint8_t piece[10];
	uint64_t hole, size = 10ull << 30;
	size_t n;
	int fd = openat(folder.fd, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	if (real_lseek(fd, 0, SEEK_DATA) >= 0) {
		(void)close(fd);
		skip();
	}
	(void)close(fd);
	open_named("f");
	assert_int_equal(source_read(&s, piece, sizeof piece, &n, &hole, &e), 0);
	assert_true(n == 0 && hole == size);
	(void)assert_gives(NULL, 0, 10);
	source_close(&s);
}

/* One that becomes shorter, or grows, in the midst of being read: there is an end, and it is
 * told. */
static void changes(void **state)
{
	static const struct {
		off_t size;   /* becomes */
		size_t given; /* all in all */
	} rows[] = {{0, PAGE}, {PAGE, PAGE}, {PAGE + 1, PAGE + 1}, {LARGE - 1, LARGE - 1},
		{2 * LARGE, LARGE}};
	uint8_t piece[PAGE];
	uint64_t hole;
	size_t n;

	(void)state;
	fill_pattern(text, sizeof text, 3);
	for (size_t i = 0; i < 2 * COUNT(rows); i++) {
		no_holes = i % 2 == 1;
		spew("f", text, LARGE);
		open_named("f");
		assert_int_equal(source_read(&s, piece, sizeof piece, &n, &hole, &e), 0);
		assert_int_equal(n, PAGE);
		int fd = openat(folder.fd, "f", O_WRONLY | O_CLOEXEC);
		assert_int_equal(ftruncate(fd, rows[i / 2].size), 0);
		(void)close(fd);
		(void)assert_gives(text + PAGE, rows[i / 2].given - PAGE, PAGE);
		assert_refused(source_unchanged(&s, &e), e, EX_TEMPFAIL);
		source_close(&s);
	}
	no_holes = false;
}

/* The same size, and other bytes. */
static void touched(void **state)
{
	const struct timespec then[2] = {{.tv_sec = 1000}, {.tv_sec = 1000, .tv_nsec = 1}};

	(void)state;
	spew_text("f", "text");
	open_named("f");
	assert_int_equal(source_unchanged(&s, &e), 0);
	assert_int_equal(utimensat(folder.fd, "f", then, 0), 0);
	assert_refused(source_unchanged(&s, &e), e, EX_TEMPFAIL);
	source_close(&s);
	open_named("f");
	assert_int_equal(utimensat(folder.fd, "f", (struct timespec[2]){then[0], then[0]}, 0), 0);
	assert_refused(source_unchanged(&s, &e), e, EX_TEMPFAIL);
	/* the name may go: what was opened is what is read */
	source_close(&s);
	open_named("f");
	assert_int_equal(unlinkat(folder.fd, "f", 0), 0);
	(void)assert_gives((const uint8_t *)"text", 4, 3);
	assert_int_equal(source_unchanged(&s, &e), 0);
	source_close(&s);
}

static void over_descriptors(void **state)
{
	uint64_t size = 1;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "some text", 9), 9);
	assert_int_equal(source_over(&s, ends[0], &e), 0);
	assert_false(source_size(&s, &size));
	assert_int_equal(size, 0);
	assert_refused(source_seek(&s, 0, &e), e, EX_SOFTWARE);
	(void)close(ends[1]);
	(void)assert_gives((const uint8_t *)"some text", 9, 4);
	assert_int_equal(source_unchanged(&s, &e), 0);
	source_close(&s);
	assert_int_equal(fcntl(ends[0], F_GETFD), 0); /* it stayed the caller's */
	(void)close(ends[0]);
	spew_text("f", "some text");
	int fd = openat(folder.fd, "f", O_RDONLY);
	assert_int_equal(source_over(&s, fd, &e), 0);
	assert_true(source_size(&s, &size));
	assert_int_equal(size, 9);
	(void)assert_gives((const uint8_t *)"some text", 9, 4);
	/* what was read of it before is no part of it */
	assert_int_equal(real_lseek(fd, 5, SEEK_SET), 5);
	assert_int_equal(source_over(&s, fd, &e), 0);
	assert_false(source_size(&s, &size));
	(void)assert_gives((const uint8_t *)"text", 4, 3);
	(void)close(fd);
	assert_int_equal(source_over(&s, fd = openat(folder.fd, "f", O_WRONLY), &e), 0);
	uint64_t hole;
	size_t n;
	assert_refused(source_read(&s, text, 1, &n, &hole, &e), e, EX_IOERR);
	(void)close(fd);
}

static void without_a_size(void **state)
{
	int fd = open("/proc/self/status", O_RDONLY);
	uint64_t size, hole;
	size_t n;

	(void)state;
	if (fd < 0) {
		skip();
	}
	assert_int_equal(source_over(&s, fd, &e), 0);
	assert_false(source_size(&s, &size));
	assert_int_equal(source_read(&s, text, sizeof text, &n, &hole, &e), 0);
	assert_true(n > 5 && memcmp(text, "Name:", 5) == 0);
	(void)close(fd);
}

static int pour(int fd)
{
	for (int i = 0; i < 300; i++) {
		if (write(fd, text, 1000) != 1000) {
			return 1;
		}
	}
	return 0;
}

/* A pipe that another program made non-blocking is waited for. */
static void slow_pipe(void **state)
{
	int ends[2];
	uint64_t all = 0, hole;
	size_t n = 1;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(ends[0]);
		_exit(pour(ends[1]));
	}
	(void)close(ends[1]);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(source_over(&s, ends[0], &e), 0);
	while (n > 0) {
		assert_int_equal(source_read(&s, text, sizeof text, &n, &hole, &e), 0);
		all += n;
	}
	assert_int_equal(all, 300000);
	assert_int_equal(s.at, 300000);
	assert_int_equal(end_child(pid), 0);
	(void)close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("files of every size are read whole, in every piece", every_size),
		T_FOLDER("a symlink, folder, FIFO or device is refused at once", refuses),
		T_FOLDER("holes are told apart, wherever reading begins", holes),
		T_FOLDER("ten GiB of nothing are one hole", whole_hole),
		T_FOLDER("a file that shrinks or grows has an end, and it is told", changes),
		T_FOLDER("a file that was touched meanwhile is told", touched),
		T_FOLDER("a descriptor is read, and stays the caller's", over_descriptors),
		T("a file of /proc has bytes and no size", without_a_size),
		T("a pipe that is empty is waited for", slow_pipe),
	};
	return RUN(tests);
}
