/* The spool where the system cannot make files without names, or link them, or refuses to sweep:
 * messages are delivered all the same, and what cannot be swept is told. */
#include "store.h"

#include <sys/syscall.h>

static int no_tmpfile; /* errno; 0: there is O_TMPFILE */
static bool no_proc, no_random;
static int tried, fail_unlink; /* errno of unlinkat in .spool */

int odd_openat(int dir, const char *path, int flags, mode_t mode) __asm__("openat");
int odd_openat(int dir, const char *path, int flags, mode_t mode)
{
	if ((flags & O_TMPFILE) == O_TMPFILE) {
		tried++;
		if (no_tmpfile != 0) {
			errno = no_tmpfile;
			return -1;
		}
	}
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

int odd_access(const char *path, int mode) __asm__("access");
int odd_access(const char *path, int mode)
{
	errno = ENOENT;
	return no_proc ? -1 : (int)syscall(SYS_faccessat, AT_FDCWD, path, mode);
}

int odd_unlinkat(int dir, const char *path, int flags) __asm__("unlinkat");
int odd_unlinkat(int dir, const char *path, int flags)
{
	errno = fail_unlink;
	return fail_unlink != 0 ? -1 : (int)syscall(SYS_unlinkat, dir, path, flags);
}

ssize_t odd_getrandom(void *p, size_t n, unsigned flags) __asm__("getrandom");
ssize_t odd_getrandom(void *p, size_t n, unsigned flags)
{
	errno = ENOSYS;
	return no_random ? -1 : (ssize_t)syscall(SYS_getrandom, p, n, flags);
}

static int spool_setup(void **state)
{
	no_tmpfile = tried = fail_unlink = 0;
	no_proc = no_random = false;
	stay_unsettled = true;
	return open_store(state);
}

static int spool_drop(void **state)
{
	no_random = false;
	fail_unlink = 0;
	stay_unsettled = false;
	return close_store(state);
}

#define T_SPOOL(title, function)                               \
	{                                                      \
		title, function, spool_setup, spool_drop, NULL \
	}

static char large[100001];

/* Small and large ones, to one and to several, and all of them settled. */
static void deliver_all(void)
{
	memset(large, 'x', sizeof large - 1);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(deliver("T", i % 2 == 0 ? "small" : large,
					 i / 2 == 0 ? "client1" : "client1;client2"),
			0);
	}
	for (int settled = 0; settled < 2; settled++) {
		assert_int_equal(list("client1"), 4);
		for (int i = 0; i < 4; i++) {
			assert_true(row_holds("client1", i, i % 2 == 0 ? "small" : large));
		}
		assert_int_equal(list("client2"), 2);
		settle();
	}
	assert_int_equal(count_names(".spool"), 0);
}

static void no_unnamed_files(void **state)
{
	static const int reasons[] = {EOPNOTSUPP, EISDIR, EINVAL};

	(void)state;
	for (size_t i = 0; i < COUNT(reasons); i++) {
		reopen_store();
		no_tmpfile = reasons[i];
		tried = 0;
		deliver_all();
		assert_int_equal(tried, 1); /* it is not asked for again */
		for (char user[] = "client1"; user[6] <= '2'; user[6]++) {
			for (int k = list(user) - 1; k >= 0; k--) {
				assert_int_equal(box->ops->remove(box, user, &rows[k].ref, &e), 0);
			}
		}
	}
	/* what may pass is tried again each time */
	reopen_store();
	no_tmpfile = EMFILE;
	tried = 0;
	deliver_all();
	assert_true(tried > 1);
}

static void no_proc_to_link_by(void **state)
{
	(void)state;
	no_proc = true;
	deliver_all();
	assert_int_equal(tried, 1);
}

/* In a process that has drawn none yet. */
static int send_without_chance(int i)
{
	const struct letter l = {.title = "T",
		.content = large,
		.to = "client1",
		.id = (uint8_t[MAILBOX_ID_BYTES]){1}};

	(void)i;
	no_random = true;
	return post(&l) == -1 && e.code == EX_TEMPFAIL && strstr(e.text, "random") != NULL ? 0 : 1;
}

static void no_random_names(void **state)
{
	(void)state;
	no_tmpfile = EOPNOTSUPP;
	memset(large, 'x', sizeof large - 1);
	assert_int_equal(end_child(start_child(send_without_chance, 0)), 0);
	assert_int_equal(list("client1"), 0);
	assert_int_equal(count_names(".spool"), 0);
	assert_int_equal(deliver("T", large, "client1"), 0);
}

static void not_swept(void **state)
{
	static const char *const names[] = {
		".spool/tmp.half", ".spool/00112233445566778899aabbccddeeff"};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		spew_text(names[i], "left");
		fail_unlink = EROFS;
		assert_refused(box->ops->recover(box, &e), e, EX_TEMPFAIL);
		assert_contains(e.text, ".spool");
		assert_contains(e.text, strerror(EROFS));
		assert_int_equal(deliver("T", "x", "client1"), 0); /* nobody waits for it */
		fail_unlink = 0;
		assert_int_equal(count_names(".spool"), 1);
		assert_int_equal(box->ops->recover(box, &e), 0);
		assert_int_equal(count_names(".spool"), 0);
	}
}

/* A store without its spool: what is there is served, small ones are taken, and the reason is
 * told of what is not. */
static void no_spool(void **state)
{
	(void)state;
	memset(large, 'x', sizeof large - 1);
	assert_int_equal(deliver("T", "before", "client1"), 0);
	settle();
	box->ops->close(box);
	assert_int_equal(unlinkat(folder.fd, ".spool", AT_REMOVEDIR), 0);
	spew_text(".spool", "in the way");
	assert_int_equal(mailbox_files_open(folder.fd, mail_describe, MAILBOX_KEEPER, &box, &e), 0);
	assert_refused(box->ops->recover(box, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, ".spool");
	assert_contains(e.text, strerror(ENOTDIR));
	assert_int_equal(list("client1"), 1);
	assert_true(row_holds("client1", 0, "before"));
	assert_refused(deliver("T", large, "client1"), e, EX_TEMPFAIL);
	assert_contains(e.text, strerror(ENOTDIR));
	assert_int_equal(deliver("T", "small", "client1"), 0);
	assert_int_equal(list("client1"), 2);
	box->ops->close(box);
	assert_int_equal(unlinkat(folder.fd, ".spool", 0), 0);
	assert_int_equal(mailbox_files_open(folder.fd, mail_describe, MAILBOX_KEEPER, &box, &e), 0);
	assert_int_equal(box->ops->recover(box, &e), 0);
	settle();
	assert_int_equal(files_of("client1"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_SPOOL("without files that have no name they have one", no_unnamed_files),
		T_SPOOL("and without /proc", no_proc_to_link_by),
		T_SPOOL("no name is made without chance", no_random_names),
		T_SPOOL("what cannot be swept is told, and stops no delivery", not_swept),
		T_SPOOL("a spool that is none stops what needs it alone", no_spool),
	};

	return RUN(tests);
}
