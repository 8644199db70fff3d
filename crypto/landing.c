/* A file that arrives; see landing.h for its states. */
#include "landing.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/syscall.h>

enum {
	BLOCK = 4096,          /* what a file system can leave out */
	TRIES = 100,           /* of others taking the part's name away between two calls */
	BEHIND = 32 << 20,     /* bytes written until the disk is told to begin */
	RENAME_NO_REPLACE = 1, /* RENAME_NOREPLACE, which not every C library has */
	OURS = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
};

/* --- the name --- */

/* What stands under NAME may be replaced? 0, or -1. */
static int check_target(const struct landing *l, struct err *e)
{
	struct stat st;

	if (fstatat(l->dir, l->name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		return errno == ENOENT ? 0
				       : err_sys(e, file_errno_code(EX_CANTCREAT),
						 "cannot look at %s", l->name);
	}
	if (!S_ISREG(st.st_mode)) {
		return err_set(e, EX_CANTCREAT,
			"cannot create %s: what is called so is no regular file", l->name);
	}
	return l->replace ? 0 : err_set(e, EX_CANTCREAT, "cannot create %s: it exists", l->name);
}

/* --- the part --- */

/* What can go wrong with the disk: most of it may be well again later, and sooner when the part
 * does not hold the room that is missing. */
static int disk_error(struct landing *l, const char *verb, struct err *e)
{
	if (l->stream) {
		return err_sys(e, EX_IOERR, "cannot %s the output", verb);
	}
	l->damaged = true;
	return err_sys(e, errno == EFBIG ? EX_TEMPFAIL : file_errno_code(EX_IOERR), "cannot %s %s",
		verb, l->part);
}

/* Does the part's name stand for the open file? */
static bool is_named(const struct landing *l, const struct stat *st)
{
	struct stat named;

	return fstatat(l->dir, l->part, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       named.st_dev == st->st_dev && named.st_ino == st->st_ino;
}

/* Nobody else has this file by another name, owns it, or could have it open to write. */
static bool is_ours_alone(const struct stat *st)
{
	return st->st_nlink == 1 && st->st_uid == geteuid() && (st->st_mode & 022) == 0;
}

/* Open what stands under the part's name, or make it: *fresh. 0 with l->fd, 1 to try again, or
 * -1. */
static int open_once(struct landing *l, bool *fresh, struct err *e)
{
	struct stat st;

	*fresh = true;
	l->fd = openat(l->dir, l->part, OURS | O_CREAT | O_EXCL, 0600);
	if (l->fd >= 0) {
		return 0;
	}
	if (errno != EEXIST) {
		return err_sys(e, file_errno_code(EX_CANTCREAT), "cannot create %s", l->part);
	}
	*fresh = false;
	if (fstatat(l->dir, l->part, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		return errno == ENOENT ? 1
				       : err_sys(e, file_errno_code(EX_CANTCREAT),
						 "cannot look at %s", l->part);
	}
	/* looked at ahead of the open, which some devices feel */
	if (!S_ISREG(st.st_mode)) {
		err_set(e, EX_CANTCREAT, "cannot write %s: %s is no regular file", l->name,
			l->part);
		return err_hint(e, "we did not make it: remove it");
	}
	l->fd = openat(l->dir, l->part, OURS);
	if (l->fd < 0) {
		return errno == ENOENT ? 1
				       : err_sys(e, file_errno_code(EX_CANTCREAT), "cannot open %s",
						 l->part);
	}
	return 0;
}

/* Lock it, and see that it still is what its name stands for: who held the lock before may have
 * named or removed it. 0, 1 to try again, or -1. */
static int lock_once(struct landing *l, bool fresh, struct err *e)
{
	struct stat st;

	if (flock(l->fd, LOCK_EX | LOCK_NB) != 0) {
		return errno == EWOULDBLOCK
			       ? err_set(e, EX_TEMPFAIL,
					 "cannot write %s: somebody else is writing it", l->name)
			       : err_sys(e, EX_TEMPFAIL, "cannot lock %s", l->part);
	}
	if (fstat(l->fd, &st) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot look at %s", l->part);
	}
	if (!is_named(l, &st)) {
		return 1;
	}
	if (fresh) {
		return 0;
	}
	if (!S_ISREG(st.st_mode) || !is_ours_alone(&st)) {
		return unlinkat(l->dir, l->part, 0) == 0 ? 1
							 : err_sys(e, file_errno_code(EX_CANTCREAT),
								   "cannot remove %s", l->part);
	}
	l->held = l->size = (uint64_t)st.st_size;
	return 0;
}

static void let_go(struct landing *l)
{
	if (l->fd >= 0) {
		(void)close(l->fd); /* what had to be on disk was synced */
	}
	l->fd = -1;
}

static void let_go_of_folder(struct landing *l)
{
	if (l->owns) {
		(void)close(l->dir);
	}
	l->owns = false;
}

static int open_part(struct landing *l, bool *fresh, struct err *e)
{
	for (int i = 0; i < TRIES; i++) {
		int rc = open_once(l, fresh, e);
		if (rc == 0) {
			rc = lock_once(l, *fresh, e);
		}
		if (rc <= 0) {
			return rc;
		}
		let_go(l);
	}
	return err_set(
		e, EX_TEMPFAIL, "cannot write %s: others come and go with %s", l->name, l->part);
}

/* The name was judged. */
static int open_named(
	struct landing *l, int dir, const char *name, enum file_how how, bool resume, struct err *e)
{
	bool fresh = false;

	*l = (struct landing){.dir = dir, .fd = -1, .replace = how == FILE_REPLACE};
	(void)snprintf(l->name, sizeof l->name, "%s", name);
	(void)snprintf(l->part, sizeof l->part, ".%s.part", name);
	if (check_target(l, e) != 0 || open_part(l, &fresh, e) != 0) {
		let_go(l);
		return -1;
	}
	/* the name again: who wrote it may have ended between the first look and the lock */
	if (check_target(l, e) != 0 || (!resume && landing_from(l, 0, e) != 0)) {
		(void)landing_end(l, !fresh);
		return -1;
	}
	return 0;
}

int landing_open(
	struct landing *l, int dir, const char *name, enum file_how how, bool resume, struct err *e)
{
	*l = (struct landing){.dir = dir, .fd = -1};
	return landing_check_name(name, strlen(name), e) != 0
		       ? -1
		       : open_named(l, dir, name, how, resume, e);
}

int landing_open_path(
	struct landing *l, const char *path, enum file_how how, bool resume, struct err *e)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
	const char *name = slash == NULL ? path : slash + 1;
	char folder[FILE_PATH_MAX];
	int dir;

	*l = (struct landing){.dir = -1, .fd = -1};
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		return err_set(e, EX_CANTCREAT, "cannot create %s: it names a folder", path);
	}
	if (strlen(name) > LANDING_NAME_MAX) {
		return err_set(e, EX_CANTCREAT,
			"cannot create %s: a name has at most %d bytes here", name,
			LANDING_NAME_MAX);
	}
	if (n >= sizeof folder) {
		return err_set(e, EX_USAGE, "that path is too long");
	}
	(void)snprintf(folder, sizeof folder, "%.*s", n == 0 ? 1 : (int)n, n == 0 ? "." : path);
	dir = file_open_dir(folder, e);
	if (dir < 0) {
		return -1;
	}
	if (open_named(l, dir, name, how, resume, e) != 0) {
		(void)close(dir);
		return -1;
	}
	l->owns = true;
	return 0;
}

void landing_stream(struct landing *l, int fd)
{
	*l = (struct landing){.dir = -1, .fd = fd, .stream = true};
}

int landing_from(struct landing *l, uint64_t offset, struct err *e)
{
	if (offset > l->held) {
		return err_set(e, EX_SOFTWARE, "cannot go on with %s from byte %llu: it has %llu",
			l->name, (unsigned long long)offset, (unsigned long long)l->held);
	}
	if (l->size > offset && ftruncate(l->fd, (off_t)offset) != 0) {
		return disk_error(l, "cut", e);
	}
	l->held = l->size = l->at = l->begun = offset;
	return 0;
}

/* --- bytes --- */

/* A pipe may have been made non-blocking by who else holds it. */
static int write_stream(int fd, const uint8_t *p, size_t n)
{
	struct pollfd room = {.fd = fd, .events = POLLOUT};

	while (n > 0) {
		ssize_t k = write(fd, p, n);
		if (k < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			(void)poll(&room, 1, -1);
		} else if (k < 0 && errno != EINTR) {
			return -1;
		}
		p += k > 0 ? k : 0;
		n -= k > 0 ? (size_t)k : 0;
	}
	return 0;
}

/* Let the disk begin with what is there, so that the sync at the end is short: who sent the file
 * waits for it. Where that cannot be said nothing is lost. */
static void write_behind(struct landing *l)
{
	if (l->size - l->begun >= BEHIND) {
		(void)sync_file_range(
			l->fd, (off_t)l->begun, (off_t)(l->size - l->begun), SYNC_FILE_RANGE_WRITE);
		l->begun = l->size;
	}
}

/* All of these bytes, as they are. */
static int write_run(struct landing *l, const uint8_t *p, size_t n, struct err *e)
{
	if (n == 0) {
		return 0;
	}
	if ((l->stream ? write_stream(l->fd, p, n) : file_write_at(l->fd, p, n, l->at)) != 0) {
		return disk_error(l, "write", e);
	}
	l->at += n;
	l->size = l->at;
	return 0;
}

/* One look at its start tells nearly every block that is not. */
static bool is_zero_block(const uint8_t *p)
{
	uint64_t first;

	memcpy(&first, p, sizeof first);
	return first == 0 && memcmp(p, p + sizeof first, BLOCK - sizeof first) == 0;
}

/* Where the first whole block of zeros begins that stands on a block's place in the file; n: there
 * is none. */
static size_t find_zeros(const struct landing *l, const uint8_t *p, size_t n)
{
	size_t i = (size_t)((BLOCK - l->at % BLOCK) % BLOCK);

	while (i + BLOCK <= n && !is_zero_block(p + i)) {
		i += BLOCK;
	}
	return i + BLOCK <= n ? i : n;
}

/* Would the file be longer than any can be? */
static int check_length(struct landing *l, uint64_t n, struct err *e)
{
	if (n > (uint64_t)INT64_MAX - l->at) {
		errno = EFBIG;
		return disk_error(l, "write", e);
	}
	return 0;
}

int landing_write(struct landing *l, const void *p, size_t n, struct err *e)
{
	const uint8_t *s = p;

	if (check_length(l, n, e) != 0) {
		return -1;
	}
	if (l->stream) {
		return write_run(l, s, n, e);
	}
	/* what is held beyond, and was not asked for, must not show through a hole */
	if (l->size > l->at && landing_from(l, l->at, e) != 0) {
		return -1;
	}
	while (n > 0) {
		size_t run = find_zeros(l, s, n);
		if (write_run(l, s, run, e) != 0) {
			return -1;
		}
		s += run;
		n -= run;
		while (n >= BLOCK && is_zero_block(s)) {
			l->at += BLOCK;
			s += BLOCK;
			n -= BLOCK;
		}
	}
	write_behind(l);
	return 0;
}

int landing_hole(struct landing *l, uint64_t n, struct err *e)
{
	static uint8_t zeros[65536]; /* not const: it takes no room in the program's file */

	if (check_length(l, n, e) != 0) {
		return -1;
	}
	if (!l->stream) {
		if (l->size > l->at && landing_from(l, l->at, e) != 0) {
			return -1;
		}
		l->at += n;
		return 0;
	}
	while (n > 0) {
		size_t k = n < sizeof zeros ? (size_t)n : sizeof zeros;
		if (write_run(l, zeros, k, e) != 0) {
			return -1;
		}
		n -= k;
	}
	return 0;
}

/* A hole at the end is there once the file is so long. */
static int extend(struct landing *l, struct err *e)
{
	if (l->size < l->at && ftruncate(l->fd, (off_t)l->at) != 0) {
		return disk_error(l, "extend", e);
	}
	l->size = l->size < l->at ? l->at : l->size;
	return 0;
}

/* --- the name --- */

/* Give the part a name that must be free. 0, or -1 with errno. */
static int name_new(const struct landing *l)
{
	if (syscall(SYS_renameat2, l->dir, l->part, l->dir, l->name, RENAME_NO_REPLACE) == 0) {
		return 0;
	}
	/* not every kernel and file system has that; and some of those that do have no links */
	if (errno != ENOSYS && errno != EINVAL) {
		return -1;
	}
	if (linkat(l->dir, l->part, l->dir, l->name, 0) != 0) {
		return -1;
	}
	/* a kill here leaves a second name, which the next one does not take for its part */
	(void)unlinkat(l->dir, l->part, 0);
	return 0;
}

static int give_name(struct landing *l, struct err *e)
{
	int rc = l->replace ? renameat(l->dir, l->part, l->dir, l->name) : name_new(l);

	if (rc != 0) {
		return errno == EEXIST
			       ? err_set(e, EX_CANTCREAT, "cannot create %s: it exists", l->name)
			       : err_sys(e, file_errno_code(EX_CANTCREAT), "cannot create %s",
					 l->name);
	}
	if (file_sync(l->dir, "the folder", e) != 0) {
		if (!l->replace) {
			(void)renameat(l->dir, l->name, l->dir, l->part);
		}
		return -1;
	}
	return 0;
}

int landing_finish(struct landing *l, struct err *e)
{
	struct stat st;

	if (l->stream) {
		return 0;
	}
	if ((l->size > l->at && landing_from(l, l->at, e) != 0) || extend(l, e) != 0) {
		return -1;
	}
	if (fdatasync(l->fd) != 0) {
		/* its pages count as clean now: a second sync would lie (hostile.md 68) */
		return disk_error(l, "sync", e);
	}
	if (fstat(l->fd, &st) != 0 || !is_named(l, &st)) {
		return err_set(e, EX_TEMPFAIL, "cannot create %s: somebody took %s away", l->name,
			l->part);
	}
	if (check_target(l, e) != 0 || give_name(l, e) != 0) {
		return -1;
	}
	let_go(l);
	return 0;
}

bool landing_end(struct landing *l, bool keep)
{
	struct stat st;

	if (l->stream || l->fd < 0) {
		let_go_of_folder(l);
		return false;
	}
	keep = keep && !l->damaged && (l->size > 0 || l->at > 0);
	if (keep) {
		(void)extend(l, NULL); /* what is not kept is sent again */
	} else if (fstat(l->fd, &st) == 0 && is_named(l, &st)) {
		(void)unlinkat(l->dir, l->part, 0); /* ours: it is locked */
	}
	let_go(l);
	let_go_of_folder(l);
	return keep;
}
