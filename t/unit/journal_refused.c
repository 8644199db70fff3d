/* The journal, when the disk fails to sync: what was refused does not come back. */
#include "journal.h"

#include <sys/syscall.h>

enum { ALL_SYNCS = INT_MAX, DIED = 99 };

static int sync_fails; /* the disk refuses so many syncs of segments that come next */
static bool sync_dies; /* who syncs is killed at the first one behind those */
static int syncs;
static ino_t synced; /* what was synced last */

int failing_fdatasync(int fd) __asm__("fdatasync");
int failing_fdatasync(int fd)
{
	struct stat st;

	syncs++;
	if (sync_fails > 0) {
		sync_fails--;
		errno = EIO;
		return -1;
	}
	if (sync_dies) {
		_exit(DIED);
	}
	synced = fstat(fd, &st) == 0 ? st.st_ino : 0;
	return (int)syscall(SYS_fdatasync, fd);
}

static bool folder_fails;
static bool folder_dies; /* who syncs it is killed */

int failing_fsync(int fd) __asm__("fsync");
int failing_fsync(int fd)
{
	syncs++;
	if (folder_fails) {
		errno = EIO;
		return -1;
	}
	if (folder_dies) {
		_exit(DIED);
	}
	return (int)syscall(SYS_fsync, fd);
}

static bool rename_fails;

int failing_renameat(int a, const char *from, int b, const char *to) __asm__("renameat");
int failing_renameat(int a, const char *from, int b, const char *to)
{
	if (rename_fails) {
		errno = EDQUOT;
		return -1;
	}
	return (int)syscall(SYS_renameat2, a, from, b, to, 0);
}

static void sync_refused(void **state)
{
	struct journal_mark good, bad, behind;

	(void)state;
	must_append(1, 100);
	assert_int_equal(append_n(2, 100, &good), 0);
	assert_int_equal(journal_commit(journal, &good, &e), 0);
	assert_int_equal(append_n(3, 100, &bad), 0);
	assert_int_equal(append_n(4, 100, &behind), 0);
	sync_fails = 1;
	assert_refused(journal_commit(journal, &bad, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, strerror(EIO));
	syncs = 0;
	assert_refused(
		journal_commit(journal, &behind, &e), e, EX_TEMPFAIL); /* never tried again */
	assert_refused(journal_commit(journal, &bad, &e), e, EX_TEMPFAIL);
	assert_int_equal(syncs, 0);
	assert_int_equal(journal_commit(journal, &good, &e), 0);
	journal_done(journal, &good);
	journal_done(journal, &bad);
	journal_done(journal, &behind);
	assert_seeds(1, 2);
	must_append(3, 200); /* it goes on, in the next one */
	assert_int_equal(journal_segments(journal), 2);
	for (int again = 0; again < 3; again++) {
		struct journal *beside;
		assert_seeds(1, 3);
		assert_int_equal(seen[2].mark.number, 2);
		assert_int_equal(journal_open(&beside, folder.fd, true, &e), 0);
		assert_false(journal_is_keeper(beside));
		struct journal *keeper = journal;
		journal = beside;
		assert_seeds(1, 3); /* nor does anybody else see what was refused */
		journal = keeper;
		journal_close(beside);
		restart_journal();
	}
	assert_int_equal(retire_oldest(), 1);
	assert_seeds(3, 1);
	assert_int_equal(faccessat(folder.fd, segment_path(1), F_OK, 0), -1);
	restart_journal();
	assert_seeds(3, 1);
}

/* Two fail in a row, and both are told of by those behind. */
static void refused_twice(void **state)
{
	struct journal_mark mark;

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		must_append(i, 100);
		assert_int_equal(append_n(99, 100, &mark), 0);
		sync_fails = 1;
		assert_refused(journal_commit(journal, &mark, &e), e, EX_TEMPFAIL);
		journal_done(journal, &mark);
	}
	must_append(3, 100);
	assert_seeds(0, 4);
	restart_journal();
	assert_seeds(0, 4);
	for (uint64_t n = 1; n <= 4; n++) {
		assert_int_equal(retire_oldest(), n);
		restart_journal();
		assert_seeds(n, 4 - (size_t)n);
	}
}

/* The record of this seed could not be synced: everybody hears that. */
static struct journal_mark refuse(uint64_t seed, int failures)
{
	struct journal_mark mark;

	assert_int_equal(append_n(seed, 100, &mark), 0);
	sync_fails = failures;
	assert_refused(journal_commit(journal, &mark, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, strerror(EIO));
	sync_fails = 0;
	journal_done(journal, &mark);
	return mark;
}

/* Neither now nor after kill -9, though nothing was appended since. */
static void assert_gone(const struct journal_mark *mark, size_t n)
{
	assert_false(journal_may_return(journal, mark));
	assert_seeds(0, n);
	restart_journal();
	assert_seeds(0, n);
	restart_journal();
	assert_seeds(0, n);
}

static ino_t inode_of(uint64_t segment)
{
	struct stat st;

	assert_int_equal(fstatat(folder.fd, segment_path(segment), &st, 0), 0);
	return st.st_ino;
}

static void refused_for_good(void **state)
{
	struct journal_mark mark;

	(void)state;
	must_append(0, 100);
	mark = refuse(1, 1);
	assert_int_equal(journal_segments(journal), 2);
	assert_true(synced == inode_of(2)); /* which says so on disk, before anybody hears */
	assert_gone(&mark, 1);
}

static void refused_without_room(void **state)
{
	struct journal_mark mark;
	uint64_t n = 0;

	(void)state;
	while (journal_segments(journal) < JOURNAL_SEGMENTS) {
		must_append(n++, BIG);
	}
	mark = refuse(n, 1);
	assert_true(synced == inode_of(JOURNAL_SEGMENTS));
	assert_int_equal(append_n(n, 100, &mark), 1); /* never again in this one */
	mark.number = JOURNAL_SEGMENTS;
	assert_gone(&mark, n);
	for (uint64_t k = 1; k <= JOURNAL_SEGMENTS; k++) {
		assert_int_equal(retire_oldest(), k);
	}
	assert_seeds(0, 0);
}

static void refused_with_no_next(void **state)
{
	struct journal_mark mark;

	(void)state;
	must_append(0, 100);
	assert_int_equal(mkdirat(folder.fd, segment_path(2), 0700), 0);
	mark = refuse(1, 1);
	assert_int_equal(journal_segments(journal), 1);
	assert_true(synced == inode_of(1));
	assert_gone(&mark, 1);
	assert_int_equal(unlinkat(folder.fd, segment_path(2), AT_REMOVEDIR), 0);
	must_append(1, 100);
	assert_gone(&mark, 2);
	/* or its header could not be synced: it goes, and is not used again */
	mark = refuse(2, 2);
	assert_int_equal(journal_segments(journal), 3);
	assert_int_equal(faccessat(folder.fd, segment_path(4), F_OK, 0), -1);
	assert_gone(&mark, 2);
}

/* Then there is no telling; but as soon as the disk takes anything again, it is settled. */
static void refused_by_a_dead_disk(void **state)
{
	struct journal_mark mark;
	uint64_t appended;

	(void)state;
	must_append(0, 100);
	mark = refuse(1, ALL_SYNCS);
	assert_true(journal_may_return(journal, &mark));
	assert_seeds(0, 1);
	assert_true(journal_unsettled(journal, &appended));
	must_append(1, 100); /* the next segment says what the first one has */
	assert_int_equal(journal_segments(journal), 2);
	assert_seeds(0, 2);
	restart_journal();
	assert_seeds(0, 2);
	mark = refuse(2, ALL_SYNCS);
	assert_true(journal_may_return(journal, &mark));
	while (journal_unsettled(journal, &appended)) {
		(void)retire_oldest();
	}
	assert_false(journal_may_return(journal, &mark));
	restart_journal();
	assert_int_equal(walk_journal(), 0);
}

/* Whoever hears of it next has to see that it is on disk. */
static int die_telling(int i)
{
	struct journal_mark mark;

	sync_fails = 1;
	sync_dies = true;
	return append_n((uint64_t)i, 100, &mark) == 0 && journal_commit(journal, &mark, &e) == 0
		       ? 1
		       : 2;
}

static void refused_by_a_dead_process(void **state)
{
	struct journal_mark mark;

	(void)state;
	must_append(0, 100);
	assert_int_equal(append_n(1, 100, &mark), 0);
	assert_int_equal(end_child(start_child(die_telling, 2)), DIED);
	assert_int_equal(journal_segments(journal), 1);
	syncs = 0;
	assert_refused(journal_commit(journal, &mark, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, strerror(EIO));
	assert_int_equal(syncs, 2); /* the next segment, and its name */
	assert_true(synced == inode_of(2));
	journal_done(journal, &mark);
	assert_gone(&mark, 1);
}

/* The folder cannot be synced when a refused segment goes: it is tried again. */
static void retired_in_two_steps(void **state)
{
	uint64_t number = 0;

	(void)state;
	must_append(0, 100);
	(void)refuse(1, 1);
	assert_int_equal(journal_seal(journal, &number, &e), 0);
	folder_fails = true;
	assert_refused(journal_retire(journal, number, &e), e, EX_TEMPFAIL);
	folder_fails = false;
	assert_int_equal(journal_oldest(journal), 1);
	segment_close(&journal->open[number % JOURNAL_SEGMENTS]); /* as another process does it */
	syncs = 0;
	assert_int_equal(retire_oldest(), 1);
	assert_int_equal(syncs, 1);
	assert_int_equal(journal_oldest(journal), 2);
}

static int die_beginning(int i)
{
	struct journal_mark mark;

	folder_dies = true;
	return append_n((uint64_t)i, 100, &mark) == 0 ? 1 : 2;
}

static void swept(void **state)
{
	(void)state;
	for (uint64_t n = 1; n < 4; n++) {
		assert_int_equal(end_child(start_child(die_beginning, 1)), DIED);
		assert_int_equal(faccessat(folder.fd, segment_path(n), F_OK, 0), 0);
		if (n != 2) {
			journal_sweep(journal);
			assert_int_equal(faccessat(folder.fd, segment_path(n), F_OK, 0), -1);
		}
		must_append(0, 100);
		journal_sweep(journal); /* which leaves those alone that are alive */
		assert_seeds(0, 1);
		assert_int_equal(retire_oldest(), n);
	}
}

/* Its file cannot be kept for later. */
static void not_kept(void **state)
{
	(void)state;
	must_append(0, 100);
	rename_fails = true;
	assert_int_equal(retire_oldest(), 1);
	rename_fails = false;
	assert_int_equal(faccessat(folder.fd, segment_path(1), F_OK, 0), -1);
	must_append(0, 100);
	restart_journal();
	assert_seeds(0, 1);
}

/* One that waits for another to sync for both hears of the failure. */
static int commit_one(int i)
{
	struct journal_mark mark;

	if (append_n((uint64_t)i, 100, &mark) != 0) {
		return 2;
	}
	(void)__atomic_add_fetch(&journal->state->slots[0].ready, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&journal->state->slots[0].ready, __ATOMIC_ACQUIRE) < 8) {
		(void)poll(NULL, 0, 1);
	}
	sync_fails = 1;
	return journal_commit(journal, &mark, &e) == -1 && journal_segments(journal) == 2 ? 0 : 1;
}

static void all_hear_of_it(void **state)
{
	(void)state;
	must_append(100, 100);
	run_children(8, commit_one);
	assert_seeds(100, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_JOURNAL("what could not be synced never was, after a restart too", sync_refused),
		T_JOURNAL("and so in three segments in a row", refused_twice),
		T_JOURNAL("what was refused is refused on disk, before anybody hears of it",
			refused_for_good),
		T_JOURNAL("and so when all segments are taken", refused_without_room),
		T_JOURNAL("or the next one cannot be begun", refused_with_no_next),
		T_JOURNAL("a disk that takes nothing is asked again by settling",
			refused_by_a_dead_disk),
		T_JOURNAL("who is killed at it leaves it to the next", refused_by_a_dead_process),
		T_JOURNAL(
			"a segment's name goes for good, even in two steps", retired_in_two_steps),
		T_JOURNAL("and when it cannot be kept for later", not_kept),
		T_JOURNAL("one that somebody was killed at beginning is swept", swept),
		T_JOURNAL("everybody whose record was not synced hears of it", all_hear_of_it),
	};
	return RUN(tests);
}
