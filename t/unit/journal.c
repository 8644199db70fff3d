/* The journal: what was committed comes back, in order and once. */
#include "journal.h"

#include <sys/resource.h>

#include "../../crypto/file.h"

/* --- records --- */

static void come_back(void **state)
{
	static const size_t sizes[] = {8, 39, 40, 41, 104, 65536, SEGMENT_PAYLOAD_MAX};

	(void)state;
	assert_int_equal(walk_journal(), 0);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		must_append(i, sizes[i]);
	}
	for (int again = 0; again < 3; again++) {
		assert_seeds(0, COUNT(sizes));
		for (size_t i = 0; i < COUNT(sizes); i++) {
			struct buf payload = {0};
			assert_int_equal(seen[i].n, sizes[i]);
			assert_true(seen[i].done);
			assert_int_equal(journal_read(journal, seen[i].mark.number, seen[i].mark.at,
						 &payload, &e),
				0);
			assert_int_equal(payload.n, sizes[i]);
			assert_int_equal(journal_read(journal, seen[i].mark.number,
						 seen[i].mark.at + 8, &payload, &e),
				1);
			buf_free(&payload);
		}
		assert_int_equal(journal_adopted(journal), again == 0 ? 0 : 1);
		if (again == 0) {
			restart_journal();
		} else {
			journal_close(journal);
			open_journal();
		}
	}
}

static void sizes_refused(void **state)
{
	static uint8_t p[SEGMENT_RECORD + SEGMENT_PAYLOAD_MAX + 1];
	struct journal_mark mark;

	(void)state;
	must_append(1, 100);
	assert_refused(journal_append(journal, p, 0, &mark, &e), e, EX_TEMPFAIL);
	assert_refused(
		journal_append(journal, p, SEGMENT_PAYLOAD_MAX + 1, &mark, &e), e, EX_TEMPFAIL);
	must_append(2, 100);
	restart_journal();
	assert_seeds(1, 2); /* it would be the end of what can be read */
}

static void nothing_there(void **state)
{
	struct buf payload = {0};
	uint64_t number, appended;

	(void)state;
	assert_int_equal(journal_read(journal, 1, SEGMENT_HEAD, &payload, &e), 1);
	assert_int_equal(journal_seal(journal, &number, &e), 1);
	assert_false(journal_unsettled(journal, &appended));
	assert_int_equal(journal_segments(journal), 0);
	must_append(1, 100);
	assert_int_equal(journal_read(journal, 1, 0, &payload, &e), 1);
	assert_int_equal(journal_read(journal, 1, UINT64_MAX, &payload, &e), 1);
	assert_int_equal(journal_read(journal, 0, SEGMENT_HEAD, &payload, &e), 1);
	assert_int_equal(journal_read(journal, 5, SEGMENT_HEAD, &payload, &e), 1); /* same slot */
	assert_int_equal(journal_read(journal, UINT64_MAX, SEGMENT_HEAD, &payload, &e), 1);
	buf_free(&payload);
}

static int stop_at_two(void *arg, const struct journal_mark *mark, const struct buf *payload,
	bool done, struct err *why)
{
	(void)mark;
	(void)payload;
	(void)done;
	(void)why;
	return ++*(int *)arg == 2 ? 42 : 0;
}

static void walks_end(void **state)
{
	int n = 0;

	(void)state;
	for (uint64_t i = 0; i < 5; i++) {
		must_append(i, 100);
	}
	assert_int_equal(journal_each(journal, 0, UINT64_MAX, stop_at_two, &n, &e), 42);
	assert_int_equal(n, 2);
	assert_int_equal(journal_each(journal, 2, UINT64_MAX, stop_at_two, &n, &e), 0);
	assert_int_equal(n, 2);
}

/* --- segments --- */

static void full_and_retired(void **state)
{
	uint64_t next, appended, per;

	(void)state;
	next = fill_all(0);
	per = next / JOURNAL_SEGMENTS;
	assert_int_equal(per, (SEGMENT_BYTES - SEGMENT_HEAD) / segment_span(BIG));
	assert_int_equal(next, per * JOURNAL_SEGMENTS);
	assert_int_equal(journal_segments(journal), JOURNAL_SEGMENTS);
	assert_seeds(0, next);
	for (uint64_t life = 1; life <= 6; life++) { /* the files are used again */
		assert_int_equal(retire_oldest(), life);
		assert_int_equal(journal_segments(journal), JOURNAL_SEGMENTS - 1);
		assert_true(journal_unsettled(journal, &appended));
		assert_int_equal(walk_journal(), per * (JOURNAL_SEGMENTS - 1));
		next = fill_all(next);
		assert_seeds(next - per * JOURNAL_SEGMENTS, per * JOURNAL_SEGMENTS);
		assert_true(count_names(JOURNAL_FOLDER) <= JOURNAL_SEGMENTS + 1);
	}
	restart_journal();
	assert_seeds(next - per * JOURNAL_SEGMENTS, per * JOURNAL_SEGMENTS);
	for (uint64_t life = 7; life <= 10; life++) {
		assert_int_equal(retire_oldest(), life);
	}
	assert_false(journal_unsettled(journal, &appended));
	assert_int_equal(walk_journal(), 0);
	must_append(5, 100);
	assert_seeds(5, 1);
	restart_journal();
	assert_seeds(5, 1);
	assert_int_equal(retire_oldest(), 11);
	journal_close(journal);
	assert_int_equal(
		count_names(JOURNAL_FOLDER), 1); /* its clock; what is settled has no room */
	open_journal();
	assert_int_equal(walk_journal(), 0);
}

/* Records of a former life begin and end exactly where the new ones do. */
static void used_again(void **state)
{
	(void)state;
	for (uint64_t life = 0; life < 6; life++) {
		for (uint64_t i = 0; i < 20 - life; i++) { /* fewer each time: old ones behind */
			must_append(100 * life + i, 100);
			assert_seeds(100 * life, i + 1);
		}
		restart_journal();
		assert_seeds(100 * life, 20 - life);
		assert_int_equal(retire_oldest(), life + 1);
		assert_int_equal(faccessat(folder.fd, JOURNAL_FOLDER "/spare", F_OK, 0), 0);
	}
}

static void sealed_waits(void **state)
{
	struct journal_mark mark;
	uint64_t number = 0;
	int tell[2];

	(void)state;
	assert_int_equal(pipe(tell), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char byte = 0;
		if (append_n(7, 100, &mark) != 0) {
			_exit(1);
		}
		(void)!write(tell[1], "x", 1);
		(void)close(tell[1]);
		while (journal_segments(journal) < 2) { /* sealed: a new one is begun */
			(void)poll(NULL, 0, 1);
			byte = 0;
		}
		journal_done(journal, &mark);
		_exit(byte);
	}
	char byte = 0;
	assert_int_equal(read(tell[0], &byte, 1), 1);
	pid_t other = fork();
	if (other == 0) {
		while (!journal->state->slots[1].sealed) {
			(void)poll(NULL, 0, 1);
		}
		must_append(8, 100);
		_exit(0);
	}
	assert_int_equal(journal_seal(journal, &number, &e), 0);
	assert_int_equal(number, 1);
	assert_int_equal(end_child(pid), 0);
	assert_int_equal(end_child(other), 0);
	assert_seeds(7, 2);
	assert_true(seen[0].done);
	assert_int_equal(seen[1].mark.number, 2);
	assert_true(journal->state->slots[1].synced >= seen[0].mark.end); /* though he did not */
	(void)close(tell[0]);
	(void)close(tell[1]);
}

/* --- what fails --- */

/* The disk takes no more. */
static int append_in_small(int blocks)
{
	struct rlimit limit = {.rlim_cur = (rlim_t)blocks * 512, .rlim_max = RLIM_INFINITY};
	struct journal_mark mark;
	uint64_t seed = 0;
	int rc;

	(void)signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
		return 1;
	}
	while ((rc = append_n(seed, 1000, &mark)) == 0) {
		if (journal_commit(journal, &mark, &e) != 0) {
			return 2;
		}
		journal_done(journal, &mark);
		seed++;
	}
	limit.rlim_cur = RLIM_INFINITY;
	(void)setrlimit(RLIMIT_FSIZE, &limit);
	if (rc != -1 || e.code != EX_TEMPFAIL || append_n(seed, 30, &mark) != 0 ||
		journal_commit(journal, &mark, &e) != 0) {
		return 3;
	}
	journal_done(journal, &mark);
	return walk_journal() == seed + 1 ? 0 : 4;
}

static void disk_full(void **state)
{
	(void)state;
	for (int blocks = 0; blocks < 600; blocks += 37) {
		int rc = end_child(start_child(append_in_small, blocks));
		if (rc != 0) {
			fail_msg("%d blocks: %d", blocks, rc);
		}
		size_t n = walk_journal();
		assert_seeds(0, n);
		restart_journal();
		assert_seeds(0, n);
		while (journal_segments(journal) > 0) {
			(void)retire_oldest();
		}
		journal_close(journal);
		open_journal();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_JOURNAL("records of every size come back after a restart", come_back),
		T_JOURNAL("a payload of no size, or too large a one, is refused", sizes_refused),
		T_JOURNAL("where nothing is, nothing is read", nothing_there),
		T_JOURNAL("a walk ends when its visitor says so", walks_end),
		T_JOURNAL("four full segments ask for settling, and are retired in their order",
			full_and_retired),
		T_JOURNAL("records of a former life of a file are none", used_again),
		T_JOURNAL("sealing waits for who is at a record, and syncs for him", sealed_waits),
		T_JOURNAL(
			"a full disk refuses, and what came before and behind is there", disk_full),
	};
	return RUN(tests);
}
