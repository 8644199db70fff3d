/* A store is opened whole or not at all: whatever of the system is refused, and it opens when that
 * is there again. */
#include <dlfcn.h>

#include "crash.h"

static int fail_lock, fail_map; /* this call fails, from 1; 0: none */
static bool no_random;

int failing_pshared(pthread_mutexattr_t *a, int how) __asm__("pthread_mutexattr_setpshared");
int failing_pshared(pthread_mutexattr_t *a, int how)
{
	static int (*real)(pthread_mutexattr_t *, int);

	*(void **)&real = dlsym(RTLD_NEXT, "pthread_mutexattr_setpshared");
	return fail_lock > 0 && --fail_lock == 0 ? ENOTSUP : real(a, how);
}

void *failing_mmap(void *at, size_t n, int how, int flags, int fd, off_t from) __asm__("mmap");
void *failing_mmap(void *at, size_t n, int how, int flags, int fd, off_t from)
{
	static void *(*real)(void *, size_t, int, int, int, off_t);

	*(void **)&real = dlsym(RTLD_NEXT, "mmap");
	if (fail_map > 0 && --fail_map == 0) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return real(at, n, how, flags, fd, from);
}

ssize_t failing_getrandom(void *p, size_t n, unsigned flags) __asm__("getrandom");
ssize_t failing_getrandom(void *p, size_t n, unsigned flags)
{
	errno = ENOSYS;
	return no_random ? -1 : (ssize_t)syscall(SYS_getrandom, p, n, flags);
}

static int opening_setup(void **state)
{
	fail_lock = fail_map = 0;
	no_random = false;
	stay_unsettled = true;
	return open_store(state);
}

#define T_OPENING(title, function)                                \
	{                                                         \
		title, function, opening_setup, close_store, NULL \
	}

static void refuse_once(const char *why)
{
	assert_refused(mailbox_files_open(folder.fd, mail_describe, MAILBOX_KEEPER, &box, &e), e,
		EX_TEMPFAIL);
	assert_contains(e.text, why);
}

static void no_shared_locks(void **state)
{
	int n = 0;

	(void)state;
	assert_int_equal(deliver("T", "text", "client1"), 0);
	crash_store();
	for (;; n++) {
		fail_lock = n + 1;
		if (mailbox_files_open(folder.fd, mail_describe, MAILBOX_KEEPER, &box, &e) == 0) {
			break;
		}
		assert_int_equal(e.code, EX_TEMPFAIL);
		assert_contains(e.text, strerror(ENOTSUP));
	}
	assert_true(n > FILES_LIMIT_LOCKS); /* each of them */
	recover();
	assert_int_equal(whole_copies("client1", last.id, "text"), 1);
}

static void no_shared_memory(void **state)
{
	(void)state;
	assert_int_equal(deliver("T", "text", "client1"), 0);
	crash_store();
	for (int i = 1; i <= 2; i++) { /* the journal's, and the store's */
		fail_map = i;
		refuse_once(strerror(ENOMEM));
		assert_int_equal(fail_map, 0);
	}
	start_store();
	recover();
	assert_int_equal(whole_copies("client1", last.id, "text"), 1);
}

/* In a process that has drawn none yet. */
static int open_without_chance(int role)
{
	struct mailbox *m;

	no_random = true;
	return mailbox_files_open(folder.fd, mail_describe, (enum mailbox_role)role, &m, &e) ==
				       -1 &&
			       e.code == EX_TEMPFAIL && strstr(e.text, "random") != NULL
		       ? 0
		       : 1;
}

static void no_chance(void **state)
{
	(void)state;
	assert_int_equal(deliver("T", "text", "client1"), 0);
	crash_store();
	assert_int_equal(end_child(start_child(open_without_chance, MAILBOX_KEEPER)), 0);
	assert_int_equal(end_child(start_child(open_without_chance, MAILBOX_BESIDE)), 0);
	assert_int_equal(end_child(start_child(open_without_chance, MAILBOX_LOOK)), 0);
	start_store();
	recover();
	assert_int_equal(whole_copies("client1", last.id, "text"), 1);
}

static void no_folder(void **state)
{
	struct mailbox *m;

	(void)state;
	assert_refused(
		mailbox_files_open(-1, mail_describe, MAILBOX_KEEPER, &m, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, strerror(EBADF));
	assert_refused(box->ops->prepare(box, "no/such/folder", &e), e, EX_TEMPFAIL);
	assert_contains(e.text, "no/such/folder");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_OPENING("a store whose locks cannot be shared is not opened", no_shared_locks),
		T_OPENING("nor one whose memory cannot", no_shared_memory),
		T_OPENING("nor one without chance", no_chance),
		T_OPENING("nor where no folder is", no_folder),
	};

	return RUN(tests);
}
