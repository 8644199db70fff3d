/* Whole files: read bounded, written durably or not at all. */
#include "unit.h"

#include "../../crypto/file.h"

static void reads_bounded(void **state)
{
	uint8_t text[10000];
	struct buf out = {0};
	struct stat st;
	struct err e;

	(void)state;
	fill_pattern(text, sizeof text, 1);
	spew("f", text, sizeof text);
	assert_int_equal(buf_append_str(&out, "before"), 0);
	assert_int_equal(file_read(folder.fd, "f", sizeof text, &out, &st, &e), 0);
	assert_int_equal(out.n, 6 + sizeof text);
	assert_memory_equal(out.p, "before", 6);
	assert_memory_equal(out.p + 6, text, sizeof text);
	assert_int_equal(st.st_size, sizeof text);
	out.n = 6;
	assert_refused(file_read(folder.fd, "f", sizeof text - 1, &out, NULL, &e), e, EX_DATAERR);
	assert_contains(e.text, "f");
	assert_int_equal(out.n, 6);
	assert_memory_equal(out.p, "before", 6);
	spew("empty", "", 0);
	assert_int_equal(file_read(folder.fd, "empty", 0, &out, NULL, &e), 0);
	assert_int_equal(out.n, 6);
	spew("one", "1", 1);
	assert_refused(file_read(folder.fd, "one", 0, &out, NULL, &e), e, EX_DATAERR);
	buf_free(&out);
}

static void reads_regular_only(void **state)
{
	struct buf out = {0};
	struct err e;

	(void)state;
	assert_refused(file_read(folder.fd, "none", 10, &out, NULL, &e), e, EX_NOINPUT);
	assert_contains(e.text, "none");
	assert_int_equal(mkfifoat(folder.fd, "fifo", 0600), 0);
	assert_refused(file_read(folder.fd, "fifo", 10, &out, NULL, &e), e, EX_NOINPUT);
	assert_int_equal(mkdirat(folder.fd, "dir", 0700), 0);
	assert_refused(file_read(folder.fd, "dir", 10, &out, NULL, &e), e, EX_NOINPUT);
	assert_refused(file_read(folder.fd, "/dev/zero", 10, &out, NULL, &e), e, EX_NOINPUT);
	assert_int_equal(symlinkat("none", folder.fd, "link"), 0);
	assert_refused(file_read(folder.fd, "link", 10, &out, NULL, &e), e, EX_NOINPUT);
	spew_text("none", "there");
	assert_int_equal(file_read(folder.fd, "link", 10, &out, NULL, &e), 0);
	assert_int_equal(out.n, 5);
	buf_free(&out);
}

static void writes_new(void **state)
{
	struct buf out = {0};
	struct stat st;
	struct err e;
	mode_t mask = umask(077);

	(void)state;
	assert_int_equal(file_write(folder.fd, "a", "first", 5, 0644, FILE_NEW, &e), 0);
	assert_int_equal(fstatat(folder.fd, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644); /* exactly, whatever the mask */
	assert_int_equal(st.st_nlink, 1);
	(void)umask(0);
	assert_int_equal(file_write(folder.fd, "b", NULL, 0, 0600, FILE_NEW, &e), 0);
	assert_int_equal(fstatat(folder.fd, "b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 0);
	(void)umask(mask);
	assert_refused(
		file_write(folder.fd, "a", "second", 6, 0600, FILE_NEW, &e), e, EX_CANTCREAT);
	slurp("a", &out);
	assert_int_equal(out.n, 5);
	assert_memory_equal(out.p, "first", 5);
	assert_int_equal(count_names("."), 2); /* nothing was left aside */
	buf_free(&out);
}

static void writes_over(void **state)
{
	struct buf out = {0};
	struct stat st;
	struct err e;

	(void)state;
	spew_text("victim", "untouched");
	assert_int_equal(symlinkat("victim", folder.fd, "f"), 0);
	assert_int_equal(file_write(folder.fd, "f", "one", 3, 0600, FILE_REPLACE, &e), 0);
	assert_int_equal(fstatat(folder.fd, "f", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode)); /* the link was replaced, not followed */
	slurp("victim", &out);
	assert_memory_equal(out.p, "untouched", 9);
	assert_int_equal(file_write(folder.fd, "f", "two!", 4, 0640, FILE_REPLACE, &e), 0);
	slurp("f", &out);
	assert_int_equal(out.n, 4);
	assert_memory_equal(out.p, "two!", 4);
	assert_int_equal(fstatat(folder.fd, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(count_names("."), 2);
	buf_free(&out);
}

static void stale_aside(void **state)
{
	struct err e;
	struct buf out = {0};

	(void)state;
	spew_text("other", "untouched");
	assert_int_equal(symlinkat("other", folder.fd, ".f.new"), 0); /* a crash's, or a trap */
	assert_int_equal(file_write(folder.fd, "f", "x", 1, 0600, FILE_NEW, &e), 0);
	slurp("other", &out);
	assert_memory_equal(out.p, "untouched", 9);
	assert_int_equal(count_names("."), 2);
	assert_int_equal(mkdirat(folder.fd, ".g.new", 0700), 0);
	assert_refused(file_write(folder.fd, "g", "x", 1, 0600, FILE_NEW, &e), e, EX_CANTCREAT);
	buf_free(&out);
}

static void names_too_long(void **state)
{
	char name[NAME_MAX + 2];
	struct err e;

	(void)state;
	memset(name, 'n', sizeof name);
	name[NAME_MAX - 5] = '\0'; /* with "." and ".new" it just fits */
	assert_int_equal(file_write(folder.fd, name, "x", 1, 0600, FILE_NEW, &e), 0);
	name[NAME_MAX - 5] = 'n';
	name[NAME_MAX - 4] = '\0';
	assert_refused(file_write(folder.fd, name, "x", 1, 0600, FILE_NEW, &e), e, EX_CANTCREAT);
	assert_int_equal(count_names("."), 1);
}

static void folder_gone(void **state)
{
	struct err e;
	int fd;

	(void)state;
	assert_int_equal(mkdirat(folder.fd, "gone", 0700), 0);
	fd = openat(folder.fd, "gone", O_RDONLY | O_DIRECTORY);
	assert_int_equal(unlinkat(folder.fd, "gone", AT_REMOVEDIR), 0);
	assert_refused(file_write(fd, "f", "x", 1, 0600, FILE_NEW, &e), e, EX_CANTCREAT);
	(void)close(fd);
	assert_refused(file_open_dir("/nonexistent/folder", &e), e, EX_NOINPUT);
	assert_contains(e.text, "/nonexistent/folder");
	assert_refused(file_open_dir("/dev/null", &e), e, EX_NOINPUT);
}

static void full_device(void **state)
{
	int fd = open("/dev/full", O_WRONLY);

	(void)state;
	if (fd < 0) {
		skip();
	}
	assert_int_equal(file_write_all(fd, "x", 1), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(file_errno_code(EX_IOERR), EX_TEMPFAIL);
	assert_int_equal(file_write_all(fd, "x", 0), 0);
	(void)close(fd);
	errno = EACCES;
	assert_int_equal(file_errno_code(EX_CANTCREAT), EX_CANTCREAT);
}

/* A count in a file, read, raised and written under the lock. */
static int count_up(int i)
{
	struct err e;

	(void)i;
	for (int k = 0; k < 10; k++) {
		int lock = openat(folder.fd, ".", O_RDONLY | O_DIRECTORY);
		struct buf text = {0};
		uint64_t n = 0;
		char out[24];
		if (lock < 0 || file_lock(lock, &e) != 0 ||
			file_read(folder.fd, "count", 20, &text, NULL, &e) != 0 ||
			parse_decimal(text.p, text.n, 1000, &n) != 0) {
			return 1;
		}
		int len = snprintf(out, sizeof out, "%d", (int)n + 1);
		if (file_write(folder.fd, "count", out, (size_t)len, 0600, FILE_REPLACE, &e) != 0) {
			return 2;
		}
		buf_free(&text);
		(void)close(lock);
	}
	return 0;
}

static void lock_excludes(void **state)
{
	struct buf out = {0};

	(void)state;
	spew_text("count", "0");
	run_children(8, count_up);
	slurp("count", &out);
	assert_string_equal((char *)out.p, "80");
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("a file is read up to its limit and refused one byte beyond",
			reads_bounded),
		T_FOLDER("a FIFO, a folder, a device, nothing at all: refused at once",
			reads_regular_only),
		T_FOLDER("a new file has its bytes and its mode, and never replaces one",
			writes_new),
		T_FOLDER("a replacement is whole, and follows no symlink", writes_over),
		T_FOLDER("what a crash left aside is cleared away", stale_aside),
		T_FOLDER("a name that is too long is refused", names_too_long),
		T_FOLDER("a folder that is gone is an error", folder_gone),
		T("a full disk is worth trying again later", full_device),
		T_FOLDER("eight writers under the lock lose no update", lock_excludes),
	};
	return RUN(tests);
}
