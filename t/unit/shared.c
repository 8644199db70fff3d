/* What processes of one family share: locks whose holder is killed, and waiting across fork. */
#include "unit.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#include "../../store/shared.h"

enum { CHILDREN = 8, ROUNDS = 2000 };

static struct common {
	struct shared_lock lock;
	uint64_t count, twin; /* the lock's: equal outside of it */
	uint32_t word, ready;
} * common;
static struct err e;

static int make_common(void **state)
{
	(void)state;
	common = shared_map(sizeof *common, &e);
	return common == NULL ? -1 : shared_lock_init(&common->lock, &e);
}

static int drop_common(void **state)
{
	(void)state;
	return munmap(common, sizeof *common);
}

#define T_COMMON(title, function)                               \
	{                                                       \
		title, function, make_common, drop_common, NULL \
	}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void tell_ready(void)
{
	(void)__atomic_add_fetch(&common->ready, 1, __ATOMIC_RELEASE);
}

static void await_ready(uint32_t n)
{
	while (__atomic_load_n(&common->ready, __ATOMIC_ACQUIRE) < n) {
		(void)poll(NULL, 0, 1);
	}
}

static int take_and_hang(int i)
{
	shared_lock_take(&common->lock);
	common->count = (uint64_t)i;
	tell_ready();
	for (;;) {
		(void)pause();
	}
	return 0;
}

static int take_and_give(int i)
{
	(void)i;
	tell_ready();
	shared_lock_take(&common->lock);
	shared_lock_give(&common->lock);
	return 0;
}

static void holder_killed(void **state)
{
	(void)state;
	for (int i = 1; i <= 20; i++) {
		pid_t pid;
		common->ready = 0;
		pid = start_child(take_and_hang, i);
		await_ready(1);
		assert_false(shared_lock_try(&common->lock));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(end_child(pid), 128 + SIGKILL);
		if (i % 2 == 0) {
			shared_lock_take(&common->lock);
		} else {
			assert_true(shared_lock_try(&common->lock));
		}
		assert_int_equal(common->count, i);
		assert_false(shared_lock_try(&common->lock)); /* it is a lock as ever */
		shared_lock_give(&common->lock);
	}
}

static void waiters_behind_the_killed(void **state)
{
	pid_t pid, waiters[4];

	(void)state;
	pid = start_child(take_and_hang, 1);
	await_ready(1);
	for (size_t i = 0; i < COUNT(waiters); i++) {
		waiters[i] = start_child(take_and_give, 0);
	}
	await_ready(1 + COUNT(waiters));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(end_child(pid), 128 + SIGKILL);
	for (size_t i = 0; i < COUNT(waiters); i++) {
		assert_int_equal(end_child(waiters[i]), 0);
	}
}

/* Two killed in a row, the second one just when it had the lock from the first. */
static void heirs_killed(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		pid_t first, second;
		common->ready = 0;
		first = start_child(take_and_hang, 1);
		await_ready(1);
		second = start_child(take_and_hang, 2);
		assert_int_equal(kill(first, SIGKILL), 0);
		assert_int_equal(end_child(first), 128 + SIGKILL);
		await_ready(2);
		assert_int_equal(kill(second, SIGKILL), 0);
		assert_int_equal(end_child(second), 128 + SIGKILL);
		assert_true(shared_lock_try(&common->lock));
		shared_lock_give(&common->lock);
	}
}

static int count_up(int i)
{
	(void)i;
	for (int k = 0; k < ROUNDS; k++) {
		while (k % 3 == 0 && !shared_lock_try(&common->lock)) {
			(void)sched_yield();
		}
		if (k % 3 != 0) {
			shared_lock_take(&common->lock);
		}
		if (common->count != common->twin) {
			return 1;
		}
		common->count++;
		common->twin++;
		shared_lock_give(&common->lock);
	}
	return 0;
}

static void one_at_a_time(void **state)
{
	(void)state;
	run_children(CHILDREN, count_up);
	assert_int_equal(common->count, CHILDREN * ROUNDS);
}

static int sleep_until_changed(int i)
{
	uint32_t seen = __atomic_load_n(&common->word, __ATOMIC_ACQUIRE);

	(void)i;
	tell_ready();
	while (__atomic_load_n(&common->word, __ATOMIC_ACQUIRE) == seen) {
		shared_wait(&common->word, seen, 60000);
	}
	return 0;
}

static void all_are_woken(void **state)
{
	int64_t began = now_ms();
	pid_t pids[CHILDREN];

	(void)state;
	for (int i = 0; i < CHILDREN; i++) {
		pids[i] = start_child(sleep_until_changed, i);
	}
	await_ready(CHILDREN);
	shared_wake(&common->word);
	for (int i = 0; i < CHILDREN; i++) {
		assert_int_equal(end_child(pids[i]), 0);
	}
	assert_true(now_ms() - began < 50000); /* by the wake, not by its time */
}

static void waiting_ends(void **state)
{
	int64_t began = now_ms();

	(void)state;
	shared_wait(&common->word, 1, 60000); /* it is not 1: no sleep */
	assert_true(now_ms() - began < 50000);
	began = now_ms();
	shared_wait(&common->word, 0, 1);
	assert_true(now_ms() - began < 50000);
}

static void memory_is_shared(void **state)
{
	static const struct common zeros;

	(void)state;
	assert_memory_equal(&common->count, &zeros.count, sizeof zeros.count);
	common->count = 0;
	run_children(1, count_up);
	assert_int_equal(common->count, ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_COMMON("children share the memory, which is zero at first", memory_is_shared),
		T_COMMON("a lock is held by one at a time", one_at_a_time),
		T_COMMON("a lock whose holder is killed goes to the next", holder_killed),
		T_COMMON("who waits for it then gets it", waiters_behind_the_killed),
		T_COMMON("and again when that one is killed", heirs_killed),
		T_COMMON("a wake reaches everybody who waits", all_are_woken),
		T_COMMON("waiting ends with its time, or at once", waiting_ends),
	};
	return RUN(tests);
}
