/* What processes of one family share: locks whose holder is killed, and waiting across fork. */
#include "unit.h"

#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#include "../../store/shared.h"

enum { CHILDREN = 8, ROUNDS = 2000 };

/* --- a system that lacks something --- */

static int lacks; /* which of these calls fails, from 1; 0: none */

#define LACKING(name, parameters, arguments, which)                 \
	int lacking_##name parameters __asm__(#name);               \
	int lacking_##name parameters                               \
	{                                                           \
		static int(*real) parameters;                       \
		*(void **)&real = dlsym(RTLD_NEXT, #name);          \
		return lacks == (which) ? ENOTSUP : real arguments; \
	}
LACKING(pthread_mutexattr_init, (pthread_mutexattr_t * a), (a), 1)
LACKING(pthread_mutexattr_setpshared, (pthread_mutexattr_t * a, int how), (a, how), 2)
LACKING(pthread_mutexattr_setrobust, (pthread_mutexattr_t * a, int how), (a, how), 3)

void *lacking_mmap(void *at, size_t n, int how, int flags, int fd, off_t from) __asm__("mmap");
void *lacking_mmap(void *at, size_t n, int how, int flags, int fd, off_t from)
{
	static void *(*real)(void *, size_t, int, int, int, off_t);

	*(void **)&real = dlsym(RTLD_NEXT, "mmap");
	errno = ENOMEM;
	return lacks == 4 ? MAP_FAILED : real(at, n, how, flags, fd, from);
}

long lacking_syscall(long number, ...) __asm__("syscall");
long lacking_syscall(long number, ...)
{
	static long (*real)(long, ...);
	long a[6];
	va_list args;

	*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	va_start(args, number);
	for (size_t i = 0; i < COUNT(a); i++) {
		a[i] = va_arg(args, long);
	}
	va_end(args);
	errno = ENOSYS;
	return lacks == 5 ? -1 : real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

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

static void system_lacks(void **state)
{
	struct shared_lock lock;
	int64_t began;

	(void)state;
	for (lacks = 1; lacks <= 3; lacks++) {
		assert_refused(shared_lock_init(&lock, &e), e, EX_TEMPFAIL);
		assert_contains(e.text, strerror(ENOTSUP));
	}
	assert_null(shared_map(100, &e));
	assert_int_equal(e.code, EX_TEMPFAIL);
	lacks = 0;
	assert_int_equal(shared_lock_init(&lock, &e), 0);
	/* without a futex it is looked at again and again */
	lacks = 5;
	began = now_ms();
	shared_wait(&common->word, 1, 60000);
	shared_wait(&common->word, 0, 60000);
	lacks = 0;
	assert_true(now_ms() - began < 50000);
}

static int sleep_without_futex(int i)
{
	lacks = 5;
	return sleep_until_changed(i);
}

static void woken_without_futex(void **state)
{
	pid_t pid = start_child(sleep_without_futex, 0);

	(void)state;
	await_ready(1);
	shared_wake(&common->word);
	assert_int_equal(end_child(pid), 0);
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
		T_COMMON("a system that lacks what it takes is told", system_lacks),
		T_COMMON("who waits without a futex is woken, too", woken_without_futex),
	};
	return RUN(tests);
}
