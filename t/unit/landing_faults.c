/* A file that arrives when calls fail: whichever does, the file is whole under its name, or nothing
 * is. */
#include "faults.h"

#include <sys/syscall.h>

#include "../../crypto/landing.h"

static struct err e;
static struct landing l;
static enum file_how how;
static bool kept;
static uint8_t text[20000];

static bool no_rename; /* the system has no renameat2 */

/* The C library's syscall, which landing.c uses for renameat2 alone. */
long faulty_syscall(long number, long a, const char *from, long b, const char *to,
	long flags) __asm__("syscall");
long faulty_syscall(long number, long a, const char *from, long b, const char *to, long flags)
{
	struct stat st;

	assert_int_equal(number, SYS_renameat2);
	assert_int_equal(flags, 1);
	if (no_rename || fails_now("renameat2")) {
		errno = no_rename ? EINVAL : errno;
		return -1;
	}
	if (fstatat((int)b, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat((int)a, from, (int)b, to);
}

FAULTY(sync_file_range, (int fd, off_t at, off_t n, unsigned flags), (fd, at, n, flags))

static void begin(void)
{
	(void)unlinkat(folder.fd, "f", 0);
	(void)unlinkat(folder.fd, ".f.part", 0);
	if (how == FILE_REPLACE) {
		spew_text("f", "old");
	}
}

/* Data, a hole, data, a hole. */
static int run(void)
{
	int rc;

	e = (struct err){0};
	rc = landing_open(&l, folder.fd, "f", how, false, &e);
	if (rc == 0) {
		rc = landing_write(&l, text, 5000, &e) != 0 || landing_hole(&l, 5000, &e) != 0 ||
				     landing_write(&l, text, 5000, &e) != 0 ||
				     landing_hole(&l, 5000, &e) != 0
			     ? -1
			     : landing_finish(&l, &e);
		(void)landing_end(&l, kept);
	}
	return rc;
}

static void judge_whole(const struct buf *in)
{
	static const uint8_t zeros[5000];

	assert_int_equal(in->n, 20000);
	for (size_t i = 0; i < 4; i++) {
		assert_memory_equal(in->p + i * 5000, i % 2 == 0 ? text : zeros, 5000);
	}
}

static void judge(int rc)
{
	struct buf in = {0};
	struct stat st;
	bool there = fstatat(folder.fd, "f", &st, 0) == 0;

	if (rc != 0 && (e.code == 0 || e.text[0] == '\0')) {
		fail_msg("code %d, \"%s\"", e.code, e.text);
	}
	if (rc == 0) {
		assert_true(there);
	}
	if (how == FILE_REPLACE) {
		assert_true(there);
	} else { /* a name can be taken back only where calls work again */
		assert_true(rc == 0 || !there || faults.onwards);
	}
	if (there) {
		slurp("f", &in);
		if (rc == 0 || in.n != 3) {
			judge_whole(&in);
		} else {
			assert_memory_equal(in.p, "old", 3);
		}
	}
	buf_free(&in);
	/* and a next try is as good as ever, whatever is left aside */
	assert_int_equal(landing_open(&l, folder.fd, "f", FILE_REPLACE, true, &e), 0);
	assert_int_equal(landing_from(&l, 0, &e), 0);
	assert_int_equal(landing_write(&l, "again", 5, &e), 0);
	assert_int_equal(landing_finish(&l, &e), 0);
	assert_int_equal(count_names("."), 1);
}

static const struct attempt arriving = {
	.name = "a file arrives", .begin = begin, .run = run, .judge = judge};

static void calls_fail(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EDQUOT, ENOENT, EEXIST};

	(void)state;
	fill_pattern(text, sizeof text, 1);
	for (int i = 0; i < 16; i++) {
		how = i % 2 == 0 ? FILE_NEW : FILE_REPLACE;
		kept = i / 2 % 2 == 1;
		no_rename = i / 4 % 2 == 1;
		for (size_t k = 0; k < COUNT(errors); k++) {
			assert_true(fail_each_call(&arriving, NULL, errors[k], i >= 8) > 10);
		}
	}
	no_rename = false;
}

/* Codes that tell whether trying again helps. */
static void codes(void **state)
{
	static const struct {
		const char *call;
		int error, code;
	} rows[] = {{"pwrite", ENOSPC, EX_TEMPFAIL}, {"pwrite", EDQUOT, EX_TEMPFAIL},
		{"pwrite", EFBIG, EX_TEMPFAIL}, {"pwrite", EIO, EX_TEMPFAIL},
		{"ftruncate", ENOSPC, EX_TEMPFAIL}, {"fdatasync", ENOSPC, EX_TEMPFAIL},
		{"fdatasync", EIO, EX_TEMPFAIL}, {"fsync", EIO, EX_TEMPFAIL},
		{"openat", EACCES, EX_CANTCREAT}, {"openat", ENOSPC, EX_TEMPFAIL},
		{"openat", EROFS, EX_TEMPFAIL}, {"flock", EWOULDBLOCK, EX_TEMPFAIL},
		{"renameat2", EACCES, EX_CANTCREAT}, {"renameat2", EEXIST, EX_CANTCREAT}};

	(void)state;
	how = FILE_NEW;
	kept = false;
	for (size_t i = 0; i < COUNT(rows); i++) {
		begin();
		faults.calls = 0;
		faults.only = rows[i].call;
		faults.error = rows[i].error;
		faults.onwards = true;
		faults.at = 1;
		int rc = run();
		faults.at = 0;
		if (rc != -1 || e.code != rows[i].code) {
			fail_msg("%s: %d, code %d: %s", rows[i].call, rc, e.code, e.text);
		}
	}
}

/* Pages that could not be written count as clean: what is read of them is not on the disk. */
static void nothing_kept_of_a_failed_sync(void **state)
{
	(void)state;
	how = FILE_NEW;
	kept = true;
	begin();
	faults.calls = 0;
	faults.only = "fdatasync";
	faults.error = EIO;
	faults.onwards = false;
	faults.at = 1;
	assert_int_equal(run(), -1);
	faults.at = 0;
	assert_int_equal(count_names("."), 0);
}

/* A link and a removal in place of one call: NAME may have come meanwhile there, too. */
static void without_renameat2(void **state)
{
	struct buf in = {0};

	(void)state;
	no_rename = true;
	how = FILE_NEW;
	kept = true;
	begin();
	assert_int_equal(run(), 0);
	judge(0);
	begin();
	assert_int_equal(landing_open(&l, folder.fd, "f", FILE_NEW, false, &e), 0);
	spew_text("f", "theirs");
	assert_refused(landing_finish(&l, &e), e, EX_CANTCREAT);
	(void)landing_end(&l, false);
	slurp("f", &in);
	assert_int_equal(in.n, 6);
	buf_free(&in);
	assert_int_equal(count_names("."), 1);
	/* killed between the link and the removal: the second name is let alone */
	assert_int_equal(linkat(folder.fd, "f", folder.fd, ".f.part", 0), 0);
	assert_int_equal(landing_open(&l, folder.fd, "f", FILE_REPLACE, true, &e), 0);
	assert_int_equal(l.held, 0);
	assert_int_equal(landing_write(&l, "ours", 4, &e), 0);
	(void)landing_end(&l, true);
	slurp("f", &in);
	assert_int_equal(in.n, 6);
	assert_memory_equal(in.p, "theirs", 6);
	buf_free(&in);
	no_rename = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOLDER("each call fails: the file is whole or nothing is named", calls_fail),
		T_FOLDER("no room and a bad disk are worth trying again", codes),
		T_FOLDER("what a failed sync had is not kept", nothing_kept_of_a_failed_sync),
		T_FOLDER("where there is no renameat2 a link does it", without_renameat2),
	};
	return RUN(tests);
}
