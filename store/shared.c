/* What processes of one family share; see shared.h. */
#include "shared.h"

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* of linux/futex.h, which musl does not bring */
enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1, NAP_US = 200 };

void *shared_map(size_t n, struct err *e)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		err_sys(e, EX_TEMPFAIL, "cannot share memory");
		return NULL;
	}
	return p;
}

int shared_lock_init(struct shared_lock *l, struct err *e)
{
	pthread_mutexattr_t how;
	int rc = pthread_mutexattr_init(&how);

	rc = rc == 0 ? pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED) : rc;
	rc = rc == 0 ? pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST) : rc;
	rc = rc == 0 ? pthread_mutex_init(&l->mutex, &how) : rc;
	(void)pthread_mutexattr_destroy(&how);
	if (rc != 0) {
		errno = rc;
		return err_sys(e, EX_TEMPFAIL, "cannot share a lock");
	}
	return 0;
}

/* The holder was killed: what the lock guards is sound all the same. */
static bool got(struct shared_lock *l, int rc)
{
	if (rc == EOWNERDEAD) {
		(void)pthread_mutex_consistent(&l->mutex);
		rc = 0;
	}
	return rc == 0;
}

void shared_lock_take(struct shared_lock *l)
{
	(void)got(l, pthread_mutex_lock(&l->mutex));
}

bool shared_lock_try(struct shared_lock *l)
{
	return got(l, pthread_mutex_trylock(&l->mutex));
}

void shared_lock_give(struct shared_lock *l)
{
	(void)pthread_mutex_unlock(&l->mutex);
}

void shared_wait(const uint32_t *word, uint32_t seen, int ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	if (syscall(SYS_futex, word, FUTEX_WAIT, seen, &t, NULL, 0) != 0 && errno == ENOSYS &&
		__atomic_load_n(word, __ATOMIC_ACQUIRE) == seen) {
		t = (struct timespec){.tv_nsec = NAP_US * 1000L};
		(void)nanosleep(&t, NULL);
	}
}

void shared_wake(uint32_t *word)
{
	(void)__atomic_add_fetch(word, 1, __ATOMIC_RELEASE);
	(void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
