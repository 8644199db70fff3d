/* A process that dies at one of its changes to the disk, and a whole family that does. The C
 * library's calls that change a file or a folder count here, and end the process ahead of the one
 * that is due. */
#ifndef T_CRASH_H
#define T_CRASH_H

#include "store.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../../store/journal_state.h"

/* --- a store in which what is delivered stays in the journal --- */

static inline int open_unsettled(void **state)
{
	stay_unsettled = true;
	return open_store(state);
}

static inline int close_unsettled(void **state)
{
	stay_unsettled = false;
	return close_store(state);
}

#define T_UNSETTLED(title, function)                                   \
	{                                                              \
		title, function, open_unsettled, close_unsettled, NULL \
	}

/* --- one process --- */

enum { DIED = 99, CALLS_MAX = 300 };

static int due;     /* which call is the last; 0: none */
static bool pauses; /* it goes on when it is told to */
static int syncs;   /* fdatasync: the journal's, and others */
static bool fail_syncs;
static uint64_t fsynced; /* the inode of the file that was last */

static inline void count_call(void)
{
	if (due == 0 || --due > 0) {
		return;
	}
	if (!pauses) {
		_exit(DIED);
	}
	(void)raise(SIGSTOP);
}

ssize_t counted_pwrite(int fd, const void *p, size_t n, off_t at) __asm__("pwrite");
ssize_t counted_pwrite(int fd, const void *p, size_t n, off_t at)
{
	count_call();
	return (ssize_t)syscall(SYS_pwrite64, fd, p, n, at);
}

int counted_fdatasync(int fd) __asm__("fdatasync");
int counted_fdatasync(int fd)
{
	syncs++;
	count_call();
	if (fail_syncs) {
		errno = EIO;
		return -1;
	}
	return fd >= 0 ? 0 : -1; /* no disk is lost here, and others may be busy with it */
}

int counted_fsync(int fd) __asm__("fsync");
int counted_fsync(int fd)
{
	struct stat st;

	count_call();
	if (fd < 0 || fstat(fd, &st) != 0) {
		return -1;
	}
	fsynced = S_ISREG(st.st_mode) ? (uint64_t)st.st_ino : fsynced;
	return 0;
}

int counted_syncfs(int fd) __asm__("syncfs");
int counted_syncfs(int fd)
{
	count_call();
	return fd >= 0 ? 0 : -1;
}

int counted_linkat(int a, const char *from, int b, const char *to, int flags) __asm__("linkat");
int counted_linkat(int a, const char *from, int b, const char *to, int flags)
{
	count_call();
	return (int)syscall(SYS_linkat, a, from, b, to, flags);
}

int counted_unlinkat(int dir, const char *name, int flags) __asm__("unlinkat");
int counted_unlinkat(int dir, const char *name, int flags)
{
	count_call();
	return (int)syscall(SYS_unlinkat, dir, name, flags);
}

int counted_renameat(int a, const char *from, int b, const char *to) __asm__("renameat");
int counted_renameat(int a, const char *from, int b, const char *to)
{
	count_call();
	return (int)syscall(SYS_renameat2, a, from, b, to, 0);
}

int counted_ftruncate(int fd, off_t n) __asm__("ftruncate");
int counted_ftruncate(int fd, off_t n)
{
	count_call();
	return (int)syscall(SYS_ftruncate, fd, n);
}

/* false: it came to its end, since it makes fewer changes. */
static inline bool dies(int (*run)(int at), int at)
{
	int code = end_child(start_child(run, at));

	if (code != 0 && code != DIED) {
		fail_msg("call %d: exit %d", at, code);
	}
	return code == DIED;
}

/* false: it ended. */
static inline bool stops(pid_t pid)
{
	siginfo_t info = {0};

	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED | WNOWAIT), 0);
	return info.si_code == CLD_STOPPED;
}

/* --- the whole family --- */

/* As kill -9 of all of them: what is open is closed, and nothing is settled or saved. */
static inline void crash_store(void)
{
	struct files *f = (struct files *)box;
	struct journal *j = f->journal;

	for (size_t i = 0; i < JOURNAL_SEGMENTS; i++) {
		segment_close(&j->open[i]);
	}
	(void)munmap(j->state, sizeof *j->state);
	(void)close(j->dir);
	free(j);
	spool_close(&f->spool);
	(void)close(f->root);
	(void)munmap(f->shared, sizeof *f->shared);
	free(f);
}

static inline void start_store(void)
{
	if (mailbox_files_open(folder.fd, mail_describe, MAILBOX_KEEPER, &box, &e) != 0) {
		fail_msg("open: %s", e.text);
	}
}

static inline void recover(void)
{
	if (box->ops->recover(box, &e) != 0) {
		fail_msg("recover: %s", e.text);
	}
}

static inline void crash_and_recover(void)
{
	crash_store();
	start_store();
	recover();
}

static inline unsigned segments(void)
{
	return journal_segments(((struct files *)box)->journal);
}

/* --- what is looked at --- */

/* More than a record of the journal takes. The caller frees it. */
static inline char *large_text(void)
{
	char *p = malloc(100001);

	assert_non_null(p);
	memset(p, 'y', 100000);
	p[100000] = '\0';
	return p;
}

static inline void drop_index(const char *user)
{
	char path[64];

	(void)snprintf(path, sizeof path, "%s/.index", user);
	assert_true(unlinkat(folder.fd, path, 0) == 0 || errno == ENOENT);
}

/* How many messages with this id a user lists, each of them read whole: this content. */
static inline int whole_copies(const char *user, const uint8_t *id, const char *content)
{
	int n = 0;

	(void)list(user);
	for (int i = 0; i < rows_n; i++) {
		if (memcmp(rows[i].meta.id, id, MAILBOX_ID_BYTES) == 0) {
			assert_false(rows[i].meta.damaged);
			assert_true(row_holds(user, i, content));
			n++;
		}
	}
	return n;
}

static inline int remove_all(const char *user)
{
	for (int i = 0, n = list(user); i < n; i++) {
		if (box->ops->remove(box, user, &rows[i].ref, &e) != 0) {
			return -1;
		}
	}
	return 0;
}

#endif
