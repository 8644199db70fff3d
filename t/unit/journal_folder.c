/* The folder of the journal: what may lie in it, and the clock that it keeps. */
#include "journal.h"

#include <sys/resource.h>

/* --- what may lie there --- */

static void copy_file(const char *from, const char *to)
{
	struct buf b = {0};

	slurp(from, &b);
	spew(to, b.p, b.n);
	buf_free(&b);
}

static void foreign_files(void **state)
{
	char path[64];

	(void)state;
	must_append(1, 100);
	(void)snprintf(path, sizeof path, "%s", segment_path(1));
	crash_journal();
	copy_file(path, JOURNAL_FOLDER "/0000000000000002"); /* its header says 1 */
	copy_file(path, JOURNAL_FOLDER "/README");
	copy_file(path, JOURNAL_FOLDER "/0000000000000000");
	copy_file(path, JOURNAL_FOLDER "/ffffffffffffffff");
	spew_text(JOURNAL_FOLDER "/0000000000000003", "");
	assert_int_equal(mkfifoat(folder.fd, JOURNAL_FOLDER "/0000000000000004", 0600), 0);
	assert_int_equal(symlinkat("/dev/zero", folder.fd, JOURNAL_FOLDER "/0000000000000005"), 0);
	assert_int_equal(symlinkat(path + sizeof JOURNAL_FOLDER, folder.fd,
				 JOURNAL_FOLDER "/0000000000000006"),
		0);
	assert_int_equal(mkdirat(folder.fd, JOURNAL_FOLDER "/0000000000000007", 0700), 0);
	for (int again = 0; again < 2; again++) {
		open_journal();
		assert_seeds(1, 1);
		assert_int_equal(journal_segments(journal), 1);
		if (again == 0) {
			crash_journal();
		}
	}
	must_append(2, 100); /* what only has the name of a segment is in nobody's way */
	assert_seeds(1, 2);
	restart_journal();
	assert_seeds(1, 2);
	assert_int_equal(unlinkat(folder.fd, JOURNAL_FOLDER "/0000000000000007", AT_REMOVEDIR), 0);
}

/* A sound segment of any number, made by hand. */
static void make_segment(uint64_t number, int64_t clock_us)
{
	struct segment s = {.fd = -1, .number = number, .clock_us = clock_us};
	uint64_t ready;
	int dir = openat(folder.fd, JOURNAL_FOLDER, O_RDONLY | O_DIRECTORY);

	assert_int_equal(segment_create(&s, dir, "none", &ready, &e), 0);
	segment_close(&s);
	(void)close(dir);
}

static void any_number(void **state)
{
	static const uint64_t numbers[] = {1, 7, UINT32_MAX, UINT64_MAX >> 2, (UINT64_MAX >> 1) + 1,
		UINT64_MAX - 1, UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		crash_journal();
		make_segment(numbers[i], 0);
		open_journal();
		must_append(i, 100);
		assert_seeds(i, 1);
		restart_journal();
		assert_seeds(i, 1);
		while (journal_segments(journal) > 0) {
			(void)retire_oldest();
		}
		crash_journal();
		(void)unlinkat(folder.fd, segment_path(numbers[i]), 0);
		open_journal();
	}
}

static void gaps(void **state)
{
	uint64_t next;

	(void)state;
	next = fill_all(0);
	crash_journal();
	assert_int_equal(unlinkat(folder.fd, segment_path(2), 0), 0);
	assert_int_equal(unlinkat(folder.fd, segment_path(3), 0), 0);
	open_journal();
	assert_int_equal(walk_journal(), next / 2);
	assert_int_equal(seen[0].seed, 0);
	assert_int_equal(seen[seen_n - 1].seed, next - 1);
	for (uint64_t n = 1; n <= 4; n++) {
		assert_int_equal(retire_oldest(), n);
		must_append(next + n, 100);
	}
	assert_int_equal(walk_journal(), 4);
	restart_journal();
	assert_int_equal(walk_journal(), 4);
	assert_int_equal(retire_oldest(), 5);
}

/* A segment taken away, or cut, while it is in use: the rest goes on. */
static void taken_away(void **state)
{
	uint64_t number;

	(void)state;
	must_append(1, 100);
	assert_int_equal(journal_seal(journal, &number, &e), 0);
	must_append(2, 100);
	assert_int_equal(unlinkat(folder.fd, segment_path(1), 0), 0);
	pid_t pid = fork(); /* who has it not open yet */
	if (pid == 0) {
		segment_close(&journal->open[1]);
		_exit(walk_journal() == 1 && retire_oldest() == 1 ? 0 : 1);
	}
	assert_int_equal(end_child(pid), 0);
	assert_seeds(2, 1);
	assert_int_equal(retire_oldest(), 2);
}

/* Out of descriptors, a segment is not there to be opened: then it is not overlooked either. */
static int open_without_descriptors(int more)
{
	struct rlimit limit = {.rlim_max = RLIM_INFINITY};
	int fd = dup(folder.fd);

	if (fd < 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0) {
		return 1;
	}
	limit.rlim_cur = (rlim_t)(fd + more);
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
		return 2;
	}
	if (journal_open(&journal, folder.fd, false, &e) != 0) {
		return e.code == EX_TEMPFAIL ? 10 : 3;
	}
	return walk_journal() == 1 ? 0 : 4;
}

/* A store whose journal cannot be read would lack what was acknowledged. */
static int open_unreadable(int role)
{
	struct journal *j;

	if (geteuid() == 0 && seteuid(65534) != 0) {
		return 1;
	}
	return journal_open(&j, folder.fd, (enum journal_role)role, &e) == -1 &&
			       e.code == EX_TEMPFAIL && strstr(e.text, strerror(EACCES)) != NULL
		       ? 0
		       : 2;
}

static void unreadable(void **state)
{
	(void)state;
	must_append(1, 100);
	crash_journal();
	assert_int_equal(fchmodat(folder.fd, JOURNAL_FOLDER, 0, 0), 0);
	for (int role = JOURNAL_KEEP; role <= JOURNAL_LOOK; role++) {
		assert_int_equal(end_child(start_child(open_unreadable, role)), 0);
	}
	assert_int_equal(fchmodat(folder.fd, JOURNAL_FOLDER, 0700, 0), 0);
	open_journal();
	assert_seeds(1, 1);
}

static void no_descriptors(void **state)
{
	int refused = 0;

	(void)state;
	must_append(1, 100);
	crash_journal();
	for (int more = 1; more < 6; more++) {
		int rc = end_child(start_child(open_without_descriptors, more));
		if (rc != 0 && rc != 10) {
			fail_msg("%d descriptors: %d", more, rc);
		}
		refused += rc == 10 ? 1 : 0;
	}
	assert_in_range(refused, 2, 4);
	open_journal();
	assert_seeds(1, 1);
}

/* --- the clock --- */

static void clock_goes_on(void **state)
{
	int64_t before = journal_now(journal), far = before + 3600 * 1000000ll, now;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		now = journal_now(journal);
		assert_true(now > before);
		before = now;
	}
	journal_not_before(journal, far);
	journal_not_before(journal, 5);
	assert_int_equal(journal_now(journal), far + 1);
	journal_close(journal);
	open_journal();
	assert_true(journal_now(journal) > far + 1);
	journal_not_before(journal, far + 1000);
	must_append(1, 100);
	crash_journal();
	assert_int_equal(unlinkat(folder.fd, JOURNAL_FOLDER "/family", 0), 0);
	open_journal(); /* the segment was begun then */
	assert_true(journal_now(journal) > far + 1000);
	journal_not_before(journal, far + 2000);
	(void)retire_oldest();
	restart_journal();
	assert_true(journal_now(journal) > far + 2000);
}

/* A clock file that is damaged is none. */
static void clock_damaged(void **state)
{
	struct buf good = {0};
	int64_t began = journal_now(journal);

	(void)state;
	journal_close(journal);
	slurp(JOURNAL_FOLDER "/family", &good);
	for (size_t i = 0; i <= good.n; i++) {
		struct buf bad = {0};
		assert_int_equal(buf_append(&bad, good.p, good.n), 0);
		if (i < good.n) {
			bad.p[i] ^= 0xff;
		} else {
			memset(bad.p, 0xff, bad.n);
		}
		spew(JOURNAL_FOLDER "/family", bad.p, bad.n);
		open_journal();
		int64_t now = journal_now(journal);
		assert_true(now > began && now < began + 600 * 1000000ll);
		crash_journal();
		spew(JOURNAL_FOLDER "/family", bad.p, i / 2);
		open_journal();
		now = journal_now(journal);
		assert_true(now > began && now < began + 600 * 1000000ll);
		journal_close(journal);
		buf_free(&bad);
	}
	buf_free(&good);
	open_journal();
	journal_not_before(journal, INT64_MAX); /* nonsense does not move it */
	assert_true(journal_now(journal) < began + 600 * 1000000ll);
}

static int64_t *ticks;

static int tick_many(int i)
{
	for (int k = 0; k < 1000; k++) {
		ticks[i * 1000 + k] = journal_now(journal);
	}
	return 0;
}

static int by_tick(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void never_the_same(void **state)
{
	(void)state;
	ticks = shared_map(8000 * sizeof *ticks, &e);
	assert_non_null(ticks);
	run_children(8, tick_many);
	qsort(ticks, 8000, sizeof *ticks, by_tick);
	for (size_t i = 1; i < 8000; i++) {
		assert_true(ticks[i] > ticks[i - 1]);
	}
	assert_int_equal(munmap(ticks, 8000 * sizeof *ticks), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_JOURNAL("foreign files in the folder are left alone", foreign_files),
		T_JOURNAL("segments may have any number", any_number),
		T_JOURNAL("missing segments are gaps", gaps),
		T_JOURNAL("one that is taken away keeps nobody from the others", taken_away),
		T_JOURNAL("one that cannot be read is not overlooked", unreadable),
		T_JOURNAL("without descriptors nothing is overlooked", no_descriptors),
		T_JOURNAL("the clock goes on over restarts, its file lost or not", clock_goes_on),
		T_JOURNAL("a damaged clock file is none", clock_damaged),
		T_JOURNAL("no two processes get the same time", never_the_same),
	};
	return RUN(tests);
}
