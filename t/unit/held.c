/* Bytes that are held in memory, and beyond its limit in a file without a name. */
#include "unit.h"

#include <sys/resource.h>

#include "../../proto/held.h"

static struct err e;
static struct held held;
static struct buf whole; /* what was put */

static char tmpdir[PATH_MAX]; /* as it was */

static int begin(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(tmpdir, sizeof tmpdir, "%s", tmp == NULL ? "/tmp" : tmp);
	held = HELD_EMPTY;
	whole.n = 0;
	e = (struct err){0};
	return folder_make(state) == 0 && setenv("TMPDIR", folder.path, 1) == 0 ? 0 : -1;
}

static int end(void **state)
{
	held_free(&held);
	buf_free(&whole);
	return setenv("TMPDIR", tmpdir, 1) == 0 ? folder_remove(state) : -1;
}

/* Each in a folder of its own, which is $TMPDIR, too. */
#define T_HELD(title, function)                   \
	{                                         \
		title, function, begin, end, NULL \
	}

static void put(size_t n, uint32_t seed)
{
	assert_int_equal(buf_reserve(&whole, n + 1), 0);
	fill_pattern(whole.p + whole.n, n, seed);
	assert_int_equal(held_put(&held, whole.p + whole.n, n, &e), 0);
	whole.n += n;
	assert_int_equal(held.bytes, whole.n);
}

static int take(void *arg, const void *p, size_t n, struct err *err)
{
	(void)err;
	assert_true(n > 0);
	return buf_append(arg, p, n);
}

/* It is handed on whole, twice, and read from any place on in any pieces. */
static void assert_held(void)
{
	static const size_t pieces[] = {1, 4097, HELD_MEMORY, SIZE_MAX};

	for (int i = 0; i < 2; i++) {
		struct buf got = {0};
		assert_int_equal(held_each(&held, take, &got, &e), 0);
		assert_int_equal(got.n, whole.n);
		assert_true(got.n == 0 || memcmp(got.p, whole.p, got.n) == 0);
		buf_free(&got);
	}
	uint8_t *room = malloc(whole.n + 1);
	assert_non_null(room);
	for (size_t i = 0; i < COUNT(pieces); i++) {
		struct held_reader r = {.held = &held, .at = whole.n > 10 ? whole.n - 10 : 0};
		size_t n = 1;
		r.at = pieces[i] > 1 ? 0 : r.at;
		for (size_t at = (size_t)r.at; n > 0; at += n) {
			size_t cap = pieces[i] < whole.n + 1 ? pieces[i] : whole.n + 1;
			assert_int_equal(held_read(&r, room, cap, &n, &e), 0);
			assert_true(n == (whole.n - at < cap ? whole.n - at : cap));
			assert_true(n == 0 || memcmp(room, whole.p + at, n) == 0);
		}
	}
	free(room);
}

static void in_memory(void **state)
{
	(void)state;
	assert_held();
	put(0, 1);
	assert_held();
	put(1, 2);
	put(HELD_MEMORY - 1, 3);
	assert_int_equal(held.fd, -1);
	assert_int_equal(count_names("."), 0);
	assert_held();
}

static void in_a_file(void **state)
{
	(void)state;
	put(HELD_MEMORY, 1);
	put(1, 2);
	assert_true(held.fd >= 0);
	assert_int_equal(count_names("."), 0); /* nobody finds it */
	assert_held();
	put(1, 3);
	assert_held();
	put(3 * HELD_MEMORY, 4); /* at once, and more than fits */
	assert_held();
	put(5000, 5);
	assert_held();
}

/* The file's bytes are not what was put, and other ones each time. */
static void not_legible(void **state)
{
	static uint8_t first[HELD_MEMORY], second[HELD_MEMORY];
	static const char words[] = "butter and bread, and nobody's business";

	(void)state;
	for (int i = 0; i < 2; i++) {
		for (size_t n = 0; n <= HELD_MEMORY; n += sizeof words) {
			assert_int_equal(held_put(&held, words, sizeof words, &e), 0);
		}
		ssize_t n = pread(held.fd, i == 0 ? first : second, sizeof first, 0);
		assert_true(n > HELD_MEMORY / 2);
		assert_null(memmem(i == 0 ? first : second, (size_t)n, "butter", 6));
		assert_null(memmem(i == 0 ? first : second, (size_t)n, "nobody", 6));
		held_clear(&held);
	}
	assert_memory_not_equal(first, second, 64);
}

/* Where the file is made: the folder that was given, or $TMPDIR. */
static void where(void **state)
{
	char elsewhere[PATH_MAX + 16];
	struct stat st, file;

	(void)state;
	(void)snprintf(elsewhere, sizeof elsewhere, "%s/none", folder.path);
	assert_int_equal(setenv("TMPDIR", elsewhere, 1), 0);
	held.dir = folder.fd;
	put(HELD_MEMORY + 1, 1);
	put(1, 1);
	assert_int_equal(fstat(folder.fd, &st), 0);
	assert_int_equal(fstat(held.fd, &file), 0);
	assert_true(file.st_dev == st.st_dev && S_ISREG(file.st_mode));
	assert_int_equal(file.st_mode & 0777, 0600);
	assert_int_equal(file.st_nlink, 0);
	assert_true((fcntl(held.fd, F_GETFD) & FD_CLOEXEC) != 0);
	assert_held();
	held_free(&held);
	held = HELD_EMPTY;
	assert_int_equal(setenv("TMPDIR", folder.path, 1), 0);
	whole.n = 0;
	put(HELD_MEMORY + 1, 2);
	put(1, 2);
	assert_int_equal(fstat(held.fd, &file), 0);
	assert_true(file.st_nlink == 0 && (file.st_mode & 0777) == 0600);
	assert_held();
}

static void clears(void **state)
{
	(void)state;
	put(HELD_MEMORY, 1);
	put(10, 2);
	int fd = held.fd;
	held_clear(&held);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(held.bytes, 0);
	whole.n = 0;
	assert_held();
	put(100, 3);
	assert_int_equal(held.fd, -1);
	assert_held();
	held_clear(&held);
	held_clear(&held);
	held_free(&held);
	held_free(&held);
}

static void no_folder(void **state)
{
	(void)state;
	(void)setenv("TMPDIR", "/proc/none", 1);
	put(HELD_MEMORY, 1);
	assert_refused(held_put(&held, "x", 1, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, "temporary file");
	assert_int_equal(held.fd, -1);
}

static void too_long_a_name(void **state)
{
	static char name[PATH_MAX + 10];

	(void)state;
	memset(name, 'n', sizeof name - 1);
	(void)setenv("TMPDIR", name, 1);
	put(HELD_MEMORY, 1);
	assert_refused(held_put(&held, "x", 1, &e), e, EX_TEMPFAIL);
}

/* A disk that takes no more, by the limit of a file's size. */
static void full(void **state)
{
	struct rlimit before, limit;
	struct sigaction ignore = {.sa_handler = SIG_IGN}, was;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(sigaction(SIGXFSZ, &ignore, &was), 0);
	limit = (struct rlimit){.rlim_cur = HELD_MEMORY + 4096, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	put(HELD_MEMORY, 1);
	put(HELD_MEMORY, 2); /* the first is in the file now */
	e.code = 0;
	int rc = held_put(&held, "x", 1, &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(sigaction(SIGXFSZ, &was, NULL), 0);
	assert_int_equal(rc, -1);
	assert_int_equal(e.code, EX_TEMPFAIL);
	assert_contains(e.text, "temporary file");
}

static int refuse(void *arg, const void *p, size_t n, struct err *err)
{
	(void)p;
	(void)n;
	return --*(int *)arg > 0 ? 0 : err_set(err, EX_NOPERM, "enough");
}

/* Who takes it may have enough, at each piece; and a file may become shorter. */
static void stops(void **state)
{
	int pieces = 0, rc;

	(void)state;
	put(HELD_MEMORY, 1);
	put(10, 2);
	do {
		int left = ++pieces;
		e.code = 0;
		rc = held_each(&held, refuse, &left, &e);
		assert_true(rc == 0 || e.code == EX_NOPERM);
	} while (rc != 0);
	assert_true(pieces > 2);
	assert_int_equal(ftruncate(held.fd, 1000), 0);
	struct buf got = {0};
	assert_refused(held_each(&held, take, &got, &e), e, EX_TEMPFAIL);
	buf_free(&got);
	struct held_reader r = {.held = &held, .at = 500};
	uint8_t room[1000];
	size_t n;
	assert_refused(held_read(&r, room, sizeof room, &n, &e), e, EX_TEMPFAIL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_HELD("the file has none of it in the clear", not_legible),
		T_HELD("up to 1 MiB is held in memory, and handed on twice", in_memory),
		T_HELD("more is held in a file that nobody finds", in_a_file),
		T_HELD("the file is made where it was asked for, or in $TMPDIR", where),
		T_HELD("what is cleared is gone, and there is room for the next", clears),
		T_HELD("without a folder it fails, and says so", no_folder),
		T_HELD("a folder's name that is too long is none", too_long_a_name),
		T_HELD("a full disk is a failure that may pass", full),
		T_HELD("who takes it may stop, and what was lost is told", stops),
	};
	return RUN(tests);
}
