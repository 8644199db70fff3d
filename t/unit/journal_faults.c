/* The journal on a system that fails: whatever call or allocation it is, what was committed is read
 * by the next keeper, and a refusal tells why. */
#include "faults.h"

#include "journal.h"

enum { KEPT = 3 };

static uint64_t next_seed;

static void assert_refusal(int rc)
{
	const char *reason = faults.error == 0 ? "memory" : strerror(faults.error);

	if (rc == 0) {
		return;
	}
	assert_int_equal(rc, -1);
	assert_int_equal(e.code, EX_TEMPFAIL);
	assert_contains(e.text, reason);
}

/* Those that were committed, each once, ahead of all others. */
static void assert_kept(void)
{
	assert_true(walk_journal() >= KEPT);
	for (size_t i = 0; i < KEPT; i++) {
		assert_int_equal(seen[i].seed, i + 1);
	}
	for (size_t i = KEPT; i < seen_n; i++) {
		assert_true(seen[i].seed > KEPT);
	}
}

static void forget_error(void)
{
	e = (struct err){0};
}

/* --- opening --- */

static void close_it(void)
{
	if (journal != NULL) {
		crash_journal();
		journal = NULL;
	}
}

static int open_it(void)
{
	e = (struct err){0};
	return journal_open(&journal, folder.fd, JOURNAL_KEEP, &e);
}

static void judge_open(int rc)
{
	assert_refusal(rc);
	if (rc == 0 && journal->dir >= 0) { /* without its folder it only refuses to append */
		assert_kept();
	}
	if (rc == 0) {
		crash_journal();
	}
	open_journal();
	assert_kept();
}

static int open_and_close(void)
{
	int rc = open_it();

	if (rc == 0) {
		journal_close(journal);
	}
	return rc;
}

static void judge_closed(int rc)
{
	assert_refusal(rc);
	open_journal();
	assert_kept();
}

/* --- appending --- */

static int append_it(void)
{
	struct journal_mark mark;
	int rc;

	rc = append_n(next_seed++, 100, &mark);
	if (rc == 0) {
		assert_int_equal(journal_commit(journal, &mark, &e), 0);
		journal_done(journal, &mark);
	}
	return rc;
}

static void judge_append(int rc)
{
	size_t n = walk_journal();

	assert_refusal(rc);
	assert_true(n >= KEPT);
	if (rc == 0) {
		assert_int_equal(seen[n - 1].seed, next_seed - 1);
	}
	must_append(next_seed++, 100);
	assert_int_equal(walk_journal(), n + 1);
}

/* --- reading, by who stands beside the keeper --- */

static bool had_folder;

static int look_at_it(void)
{
	struct journal *beside;
	int rc;

	if (journal_open(&beside, folder.fd, JOURNAL_LOOK, &e) != 0) {
		return -1;
	}
	had_folder = beside->dir >= 0;
	seen_n = 0;
	rc = journal_each(beside, 0, UINT64_MAX, see, NULL, &e);
	journal_close(beside);
	return rc;
}

static void judge_look(int rc)
{
	assert_refusal(rc);
	if (rc == 0 && had_folder) { /* or else there is none to be seen */
		assert_true(seen_n >= KEPT);
		assert_int_equal(seen[0].seed, 1);
	}
	assert_kept(); /* the keeper is not troubled */
}

/* --- retiring --- */

static void begin_retiring(void)
{
	must_append(next_seed++, 100);
	e = (struct err){0};
}

static int retire_it(void)
{
	uint64_t number;

	return journal_seal(journal, &number, &e) == 0 ? journal_retire(journal, number, &e) : -1;
}

/* What was settled is forgotten, at the next time if not now. */
static void judge_retired(int rc)
{
	assert_refusal(rc);
	while (journal_segments(journal) > 0) {
		(void)retire_oldest();
	}
	assert_int_equal(walk_journal(), 0);
}

/* --- all of them --- */

static const struct attempt opening = {"open", close_it, open_it, judge_open},
			    closing = {"open and close", close_it, open_and_close, judge_closed},
			    appending = {"append", forget_error, append_it, judge_append},
			    retiring = {"retire", begin_retiring, retire_it, judge_retired},
			    looking = {"look", forget_error, look_at_it, judge_look};

static int faults_setup(void **state)
{
	if (journal_setup(state) != 0) {
		return -1;
	}
	for (uint64_t seed = 1; seed <= KEPT; seed++) {
		must_append(seed, 100);
		if (seed == 2) { /* they are in two segments */
			uint64_t number;
			assert_int_equal(journal_seal(journal, &number, &e), 0);
		}
	}
	assert_int_equal(journal_segments(journal), 2);
	next_seed = KEPT + 1;
	return 0;
}

#define T_FAULTS(title, function)                                 \
	{                                                         \
		title, function, faults_setup, journal_drop, NULL \
	}

static void opening_fails(void **state)
{
	static const char *const interrupted[] = {"pread", "pwrite", "flock"};

	(void)state;
	assert_true(fail_each_call(&opening, NULL, EIO, false) > 10);
	assert_true(fail_each_call(&opening, "openat", EMFILE, false) > 2);
	assert_true(fail_each_call(&opening, "fdatasync", EROFS, false) > 1);
	for (size_t i = 0; i < COUNT(interrupted); i++) {
		assert_true(fail_each_call(&opening, interrupted[i], EINTR, false) > 0);
	}
}

static void appending_fails(void **state)
{
	static const char *const calls[] = {
		"pwrite", "fcntl", "openat", "fstat", "renameat", "fsync"};

	(void)state;
	for (size_t i = 0; i < COUNT(calls); i++) {
		(void)fail_each_call(&appending, calls[i], EIO, false);
		(void)fail_each_call(&appending, calls[i], ENOSPC, true);
	}
	(void)fail_each_call(&appending, "fcntl", EINTR, false);
	(void)fail_each_call(&appending, "fdatasync", EINTR, false);
	size_t n = walk_journal();
	restart_journal();
	assert_kept();
	assert_int_equal(walk_journal(), n);
}

static void looking_fails(void **state)
{
	(void)state;
	assert_true(fail_each_call(&looking, NULL, EIO, false) > 10);
	assert_true(fail_each_call(&looking, "openat", EMFILE, false) > 2);
}

static void retiring_fails(void **state)
{
	static const char *const calls[] = {
		"openat", "fstat", "pread", "pwrite", "unlinkat", "fsync"};

	(void)state;
	while (journal_segments(journal) > 0) {
		(void)retire_oldest();
	}
	for (size_t i = 0; i < COUNT(calls); i++) {
		(void)fail_each_call(&retiring, calls[i], EIO, false);
	}
	assert_true(fail_each_call(&retiring, "pwrite", EIO, true) > 0);
	restart_journal();
	assert_int_equal(walk_journal(), 0);
}

/* He who was slow to tell that he is through with a record does not speak for the one that stands
 * in its place by now. */
static void told_too_late(void **state)
{
	struct journal_mark late, now;

	(void)state;
	while (journal_segments(journal) > 0) {
		(void)retire_oldest();
	}
	assert_int_equal(append_n(77, 100, &late), 0);
	assert_int_equal(journal_commit(journal, &late, &e), 0);
	do {
		while (journal_segments(journal) > 0) {
			(void)retire_oldest();
		}
		assert_int_equal(append_n(78, 100, &now), 0);
	} while (now.number % JOURNAL_SEGMENTS != late.number % JOURNAL_SEGMENTS);
	assert_int_equal(now.at, late.at);
	assert_int_equal(journal_commit(journal, &late, &e), 0); /* it was settled since */
	journal_done(journal, &late);
	assert_int_equal(walk_journal(), 1);
	assert_false(seen[0].done);
	journal_done(journal, &now);
	assert_int_equal(walk_journal(), 1);
	assert_true(seen[0].done);
}

/* More than there can be, some of them put there by hand: who looks sees the newest. */
static void too_many(void **state)
{
	struct journal *beside;
	uint64_t ready;
	int dir = openat(folder.fd, JOURNAL_FOLDER, O_RDONLY | O_DIRECTORY, 0);

	(void)state;
	for (uint64_t number = 900; number < 900 + JOURNAL_SEGMENTS; number++) {
		struct segment s = {.fd = -1, .number = number};
		assert_int_equal(segment_create(&s, dir, "none", &ready, &e), 0);
		segment_close(&s);
	}
	assert_int_equal(journal_open(&beside, folder.fd, JOURNAL_LOOK, &e), 0);
	seen_n = 0;
	assert_int_equal(journal_each(beside, 0, UINT64_MAX, see, NULL, &e), 0);
	assert_int_equal(seen_n, 0); /* these have none */
	journal_close(beside);
	for (uint64_t number = 900; number < 900 + JOURNAL_SEGMENTS; number++) {
		assert_int_equal(unlinkat(folder.fd, segment_path(number), 0), 0);
	}
	(void)close(dir);
	assert_kept();
}

static void memory_fails(void **state)
{
	(void)state;
	if (MEMORY_FAILS == 0) {
		skip();
	}
	faults.error = 0;
	assert_true(fail_each_allocation(&closing, false) > 2);
	assert_true(fail_each_allocation(&looking, false) > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FAULTS("a call that fails at its opening loses nothing", opening_fails),
		T_FAULTS("nor one that fails an append, and that is refused", appending_fails),
		T_FAULTS("nor one of who stands beside the keeper", looking_fails),
		T_FAULTS("nor an allocation", memory_fails),
		T_FAULTS("what is settled is forgotten, though calls fail", retiring_fails),
		T_FAULTS("who tells too late speaks for nobody else", told_too_late),
		T_FAULTS("who looks sees the newest segments, if there are too many", too_many),
	};

	return RUN(tests);
}
