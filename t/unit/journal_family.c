/* The journal between processes: one family keeps it, others stand beside it; who is at a record is
 * known; and whoever is killed, what was committed is there. */
#include "journal.h"

#include "../../crypto/random.h"

/* What the children tell, in shared memory. */
enum { WRITERS = 32, TOLD_MAX = 4096 };
static struct told {
	uint32_t n; /* committed, in the order of acknowledgement */
	uint32_t tried;
	struct {
		uint64_t seed, number, at;
	} all[TOLD_MAX];
} * told;

static int family_setup(void **state)
{
	told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return told == MAP_FAILED ? -1 : journal_setup(state);
}

static int family_drop(void **state)
{
	(void)munmap(told, sizeof *told);
	return journal_drop(state);
}

#define T_FAMILY(title, function)                                \
	{                                                        \
		title, function, family_setup, family_drop, NULL \
	}

/* --- who keeps it --- */

static int keep(int fd)
{
	char byte;

	(void)!read(fd, &byte, 1); /* until its writer goes */
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void one_keeper(void **state)
{
	struct journal *other = NULL;
	int64_t began = now_ms();

	(void)state;
	assert_true(journal_is_keeper(journal));
	assert_refused(journal_open(&other, folder.fd, JOURNAL_KEEP, &e), e, EX_TEMPFAIL);
	assert_true(now_ms() - began < 60000);
	assert_int_equal(journal_open(&other, folder.fd, JOURNAL_BESIDE, &e), 0);
	assert_false(journal_is_keeper(other));
	assert_int_equal(journal_epoch(other), journal_epoch(journal));
	journal_close(other);
	journal_close(journal);
	assert_int_equal(
		journal_open(&journal, folder.fd, JOURNAL_BESIDE, &e), 0); /* nobody else does */
	assert_true(journal_is_keeper(journal));
	assert_int_not_equal(journal_epoch(journal), 0);
}

/* The last child of the family keeps it still. */
static void kept_by_children(void **state)
{
	struct journal *beside;
	pid_t pid;
	int tell[2];

	(void)state;
	assert_int_equal(pipe(tell), 0);
	pid = fork();
	if (pid == 0) {
		(void)close(tell[1]);
		_exit(keep(tell[0]));
	}
	crash_journal();
	assert_int_equal(journal_open(&beside, folder.fd, JOURNAL_BESIDE, &e), 0);
	assert_false(journal_is_keeper(beside));
	journal_close(beside);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(end_child(pid), 128 + SIGKILL);
	open_journal();
	assert_true(journal_is_keeper(journal));
	(void)close(tell[0]);
	(void)close(tell[1]);
}

static void epochs_differ(void **state)
{
	uint64_t before = journal_epoch(journal);

	(void)state;
	for (int i = 0; i < 5; i++) {
		restart_journal();
		assert_int_not_equal(journal_epoch(journal), before);
		before = journal_epoch(journal);
	}
}

static void beside_reads(void **state)
{
	struct journal *beside, *keeper = journal;
	struct journal_mark mark;
	struct buf payload = {0};
	uint64_t number, appended;

	(void)state;
	must_append(1, 100);
	assert_int_equal(append_n(2, 100, &mark), 0);
	assert_int_equal(journal_open(&beside, folder.fd, JOURNAL_BESIDE, &e), 0);
	pid_t pid = fork();
	if (pid == 0) { /* record locks are told to others only */
		journal = beside;
		_exit(walk_journal() == 2 && seen[0].done && !seen[1].done &&
					journal_in_flight(beside, &mark)
				? 0
				: 1);
	}
	assert_int_equal(end_child(pid), 0);
	assert_int_equal(journal_commit(keeper, &mark, &e), 0);
	journal_done(keeper, &mark);
	journal = beside;
	assert_int_equal(walk_journal(), 2);
	assert_true(seen[1].done);
	assert_refused(append_n(3, 100, &mark), e, EX_TEMPFAIL);
	assert_false(journal_unsettled(beside, &appended));
	assert_int_equal(journal_segments(beside), 0);
	assert_int_equal(journal_adopted(beside), 0);
	journal = keeper;
	assert_int_equal(journal_seal(keeper, &number, &e), 0);
	assert_int_equal(journal_retire(keeper, number, &e), 0);
	journal = beside;
	assert_int_equal(journal_read(beside, 1, SEGMENT_HEAD, &payload, &e), 1);
	assert_int_equal(walk_journal(), 0);
	journal = keeper;
	must_append(4, 100); /* in the same file */
	journal = beside;
	assert_int_equal(walk_journal(), 1);
	assert_int_equal(seen[0].seed, 4);
	journal = keeper;
	journal_close(beside);
	buf_free(&payload);
}

/* Whoever reads beside a keeper that fills, retires and fills again never sees what is none. */
static int fill_and_retire(int i)
{
	uint64_t number, seed = 0;
	int64_t end = now_ms() + 1000;

	(void)i;
	while (now_ms() < end) {
		for (int k = 0; k < 50; k++) {
			must_append(seed, 8 + seed * 131 % 3000);
			seed++;
		}
		if (journal_seal(journal, &number, &e) != 0 ||
			journal_retire(journal, number, &e) != 0) {
			return 1;
		}
	}
	return 0;
}

static int read_beside(int i)
{
	(void)i;
	if (journal_open(&journal, folder.fd, JOURNAL_BESIDE, &e) != 0) {
		return 1;
	}
	for (int64_t end = now_ms() + 1000; now_ms() < end;) {
		size_t n = walk_journal(); /* each record is sound; see see() */
		for (size_t k = 1; k < n; k++) {
			if (seen[k].seed <= seen[k - 1].seed) {
				return 2;
			}
		}
	}
	return 0;
}

static void beside_a_writer(void **state)
{
	pid_t pids[3];

	(void)state;
	pids[0] = start_child(fill_and_retire, 0);
	pids[1] = start_child(read_beside, 0);
	pids[2] = start_child(read_beside, 0);
	for (size_t i = 0; i < COUNT(pids); i++) {
		assert_int_equal(end_child(pids[i]), 0);
	}
}

/* --- who is at a record --- */

static void in_flight(void **state)
{
	struct journal_mark mark;
	char byte;
	int tell[2], go[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(tell), 0);
	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		struct buf payload = {0};
		(void)close(go[1]);
		if (append_n(1, 100, &mark) != 0 || journal_commit(journal, &mark, &e) != 0) {
			_exit(1);
		}
		/* nothing that a process does with the journal lets go of its records */
		must_append(2, 100);
		(void)walk_journal();
		(void)journal_read(journal, mark.number, mark.at, &payload, &e);
		(void)journal_in_flight(journal, &mark);
		journal_save(journal);
		(void)!write(tell[1], &mark, sizeof mark);
		_exit(keep(go[0]));
	}
	assert_int_equal(read(tell[0], &mark, sizeof mark), sizeof mark);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(walk_journal(), 2);
		assert_false(seen[0].done);
		assert_true(seen[1].done);
		assert_true(journal_in_flight(journal, &seen[0].mark));
		assert_false(journal_in_flight(journal, &seen[1].mark));
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(end_child(pid), 128 + SIGKILL);
	assert_false(journal_in_flight(journal, &mark));
	assert_int_equal(walk_journal(), 2);
	assert_false(seen[0].done); /* nobody has, yet */
	journal_done(journal, &mark);
	(void)walk_journal();
	assert_true(seen[0].done);
	byte = 0;
	(void)byte;
	for (int i = 0; i < 2; i++) {
		(void)close(tell[i]);
		(void)close(go[i]);
	}
}

/* --- killed at random --- */

static void acknowledge(uint64_t seed, const struct journal_mark *mark)
{
	uint32_t at = __atomic_fetch_add(&told->n, 1, __ATOMIC_ACQ_REL);

	if (at < TOLD_MAX) {
		told->all[at].number = mark->number;
		told->all[at].at = mark->at;
		__atomic_store_n(&told->all[at].seed, seed, __ATOMIC_RELEASE);
	}
}

static int write_until_killed(int i)
{
	struct journal_mark mark;

	for (uint64_t k = 1; k < 100000 && told->n < TOLD_MAX - WRITERS; k++) {
		uint64_t seed = (uint64_t)(i + 1) << 32 | k;
		size_t n = 8 + seed * 2654435761u % 5000;
		if (append_n(seed, n, &mark) != 0) {
			return e.code == EX_TEMPFAIL ? 1 : 2;
		}
		if (journal_commit(journal, &mark, &e) != 0) {
			return 3;
		}
		acknowledge(seed, &mark);
		journal_done(journal, &mark);
	}
	return 0;
}

static int by_seed(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	return (x->seed > y->seed) - (x->seed < y->seed);
}

/* All that was acknowledged is there, where it was said to be, and nothing twice. */
static void assert_all_told(void)
{
	static struct seen sorted[SEEN_MAX];
	size_t n = walk_journal(), told_n = told->n < TOLD_MAX ? told->n : TOLD_MAX;
	uint64_t latest[WRITERS + 1] = {0};

	for (size_t i = 0; i < n; i++) { /* each writer's own, in his order */
		uint64_t who = seen[i].seed >> 32;
		assert_in_range(who, 1, WRITERS);
		assert_true(seen[i].seed > latest[who]);
		latest[who] = seen[i].seed;
		assert_true(i == 0 || seen[i].mark.number > seen[i - 1].mark.number ||
			    seen[i].mark.at == seen[i - 1].mark.end);
	}
	memcpy(sorted, seen, n * sizeof *seen);
	qsort(sorted, n, sizeof *sorted, by_seed);
	for (size_t i = 0; i < told_n; i++) {
		struct seen key = {.seed = told->all[i].seed};
		const struct seen *it = bsearch(&key, sorted, n, sizeof *sorted, by_seed);
		if (key.seed == 0) {
			continue; /* killed between its number and its name */
		}
		assert_non_null(it);
		assert_int_equal(it->mark.number, told->all[i].number);
		assert_int_equal(it->mark.at, told->all[i].at);
	}
}

static void killed_at_random(void **state)
{
	pid_t pids[WRITERS];
	uint32_t dice;

	(void)state;
	for (int round = 0; round < 3; round++) {
		told->n = 0;
		memset(told->all, 0, sizeof told->all);
		for (int i = 0; i < WRITERS; i++) {
			pids[i] = start_child(write_until_killed, i);
		}
		while (__atomic_load_n(&told->n, __ATOMIC_ACQUIRE) < 50) {
			(void)poll(NULL, 0, 1);
		}
		for (int i = 0; i < WRITERS; i++) {
			assert_int_equal(random_bytes(&dice, sizeof dice, &e), 0);
			(void)poll(NULL, 0, (int)(dice % 8));
			assert_int_equal(kill(pids[i], SIGKILL), 0);
		}
		for (int i = 0; i < WRITERS; i++) {
			int code = end_child(pids[i]);
			assert_true(code == 128 + SIGKILL || code == 0);
		}
		assert_all_told();
		restart_journal();
		assert_all_told();
		while (journal_segments(journal) > 0) {
			(void)retire_oldest();
		}
	}
}

/* The family is not killed by one: the others go on as if nothing had happened. */
static int write_many(int i)
{
	struct journal_mark mark;

	for (uint64_t k = 1; k <= 20; k++) {
		uint64_t seed = (uint64_t)(i + 1) << 32 | k;
		if (append_n(seed, 100, &mark) != 0) {
			return 1;
		}
		if (i % 4 == 3 && k == 10) {
			(void)raise(SIGKILL);
		}
		if (journal_commit(journal, &mark, &e) != 0) {
			return 2;
		}
		acknowledge(seed, &mark);
		journal_done(journal, &mark);
	}
	return 0;
}

static void some_killed(void **state)
{
	enum { SOME = 16 };
	pid_t pids[SOME];

	(void)state;
	for (int i = 0; i < SOME; i++) {
		pids[i] = start_child(write_many, i);
	}
	for (int i = 0; i < SOME; i++) {
		assert_int_equal(end_child(pids[i]), i % 4 == 3 ? 128 + SIGKILL : 0);
	}
	assert_int_equal(told->n, SOME / 4 * 3 * 20 + SOME / 4 * 9);
	assert_all_told();
	for (size_t i = 0; i < seen_n; i++) { /* nobody is at any, whatever he was at */
		assert_false(journal_in_flight(journal, &seen[i].mark));
	}
	assert_int_equal(retire_oldest(), 1);
	assert_int_equal(journal_segments(journal), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FAMILY("one process keeps a journal", one_keeper),
		T_FAMILY("and its children, to the last", kept_by_children),
		T_FAMILY("each family is known by another number", epochs_differ),
		T_FAMILY("others read beside it", beside_reads),
		T_FAMILY("and never what is none, whatever the keeper does", beside_a_writer),
		T_FAMILY("who is at a record is known until he is done, or dead", in_flight),
		T_FAMILY(
			"what thirty-two committed is there when all are killed", killed_at_random),
		T_FAMILY("some are killed, and the others go on", some_killed),
	};
	return RUN(tests);
}
