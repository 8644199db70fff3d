/* Whole files, durably; see file.h for the order of steps. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>

int file_errno_code(int other)
{
	switch (errno) {
	case ENOSPC:
	case EDQUOT:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EROFS:
	case EIO:
	case EAGAIN:
		return EX_TEMPFAIL;
	default:
		return other;
	}
}

int file_open_dir(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd
		       : err_sys(e, file_errno_code(EX_NOINPUT), "cannot open folder %s", path);
}

DIR *file_read_names(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd < 0 ? NULL : fdopendir(fd);

	if (names == NULL && fd >= 0) {
		int why = errno;
		(void)close(fd);
		errno = why;
	}
	return names;
}

int file_lock(int dir, struct err *e)
{
	int rc;

	do {
		rc = flock(dir, LOCK_EX);
	} while (rc != 0 && errno == EINTR);
	return rc == 0 ? 0 : err_sys(e, EX_TEMPFAIL, "cannot lock the folder");
}

int file_lock_own(int dir, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		return err_sys(e, file_errno_code(EX_NOINPUT), "cannot lock the folder");
	}
	if (file_lock(fd, e) != 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* Read to the end of fd; one byte beyond max is asked for, so that growth is noticed. */
static int read_all(int fd, const char *name, size_t max, struct buf *out, struct err *e)
{
	size_t start = out->n;

	for (;;) {
		if (buf_reserve(out, 4096) != 0) {
			return err_set(e, EX_TEMPFAIL, "cannot read %s: out of memory", name);
		}
		ssize_t k = read(fd, out->p + out->n, out->cap - out->n);
		if (k < 0 && errno != EINTR) {
			return err_sys(e, EX_IOERR, "cannot read %s", name);
		}
		out->n += k > 0 ? (size_t)k : 0;
		if (out->n - start > max) {
			return err_set(e, EX_DATAERR, "cannot read %s: it has more than %zu bytes",
				name, max);
		}
		if (k == 0) {
			return 0;
		}
	}
}

int file_read(
	int dir, const char *name, size_t max, struct buf *out, struct stat *st, struct err *e)
{
	size_t start = out->n;
	struct stat own;
	int fd, rc = -1;

	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		return err_sys(e, file_errno_code(EX_NOINPUT), "cannot open %s", name);
	}
	st = st == NULL ? &own : st;
	if (fstat(fd, st) != 0) {
		err_sys(e, EX_IOERR, "cannot read %s", name);
	} else if (!S_ISREG(st->st_mode)) {
		err_set(e, EX_NOINPUT, "cannot read %s: it is no regular file", name);
	} else {
		rc = read_all(fd, name, max, out, e);
	}
	(void)close(fd); /* it was only read */
	if (rc != 0) {
		wipe(out->p == NULL ? out->p : out->p + start, out->n - start);
		out->n = start;
	}
	return rc;
}

int file_temporary(char path[static FILE_PATH_MAX])
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(path, FILE_PATH_MAX, "%s/smtp361-XXXXXX", tmp == NULL ? "/tmp" : tmp);
	return mkostemp(path, O_CLOEXEC);
}

int file_nameless(int dir)
{
	char path[FILE_PATH_MAX];
	int fd = dir < 0 ? -1 : openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0) {
		return fd;
	}
	fd = file_temporary(path);
	if (fd >= 0) {
		(void)unlink(path);
	}
	return fd;
}

int file_write_all(int fd, const void *p, size_t n)
{
	const uint8_t *s = p;

	while (n > 0) {
		ssize_t k = write(fd, s, n);
		if (k < 0 && errno != EINTR) {
			return -1;
		}
		s += k > 0 ? k : 0;
		n -= k > 0 ? (size_t)k : 0;
	}
	return 0;
}

int file_write_at(int fd, const void *p, size_t n, uint64_t offset)
{
	const uint8_t *s = p;

	while (n > 0) {
		ssize_t k = pwrite(fd, s, n, (off_t)offset);
		if (k == 0) {
			errno = ENOSPC;
		}
		if (k == 0 || (k < 0 && errno != EINTR)) {
			return -1;
		}
		s += k > 0 ? k : 0;
		n -= k > 0 ? (size_t)k : 0;
		offset += k > 0 ? (uint64_t)k : 0;
	}
	return 0;
}

ssize_t file_read_at(int fd, void *p, size_t n, uint64_t offset)
{
	uint8_t *s = p;
	size_t got = 0;

	while (got < n) {
		ssize_t k = pread(fd, s + got, n - got, (off_t)(offset + got));
		if (k < 0 && errno != EINTR) {
			return -1;
		}
		if (k == 0) {
			break;
		}
		got += k > 0 ? (size_t)k : 0;
	}
	return (ssize_t)got;
}

int file_sync(int fd, const char *what, struct err *e)
{
	if (fsync(fd) != 0) {
		/* not tried again: after a failed fsync the pages count as clean, and a second one
		 * would lie (hostile.md 68) */
		return err_sys(e, EX_TEMPFAIL, "cannot sync %s", what);
	}
	return 0;
}

/* The bytes and the mode, on disk, under the temporary name. */
static int write_aside(
	int dir, const char *temp, const void *p, size_t n, mode_t mode, struct err *e)
{
	int fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc = -1;

	if (fd < 0) {
		return err_sys(e, file_errno_code(EX_CANTCREAT), "cannot create %s", temp);
	}
	if (file_write_all(fd, p, n) != 0) {
		err_sys(e, file_errno_code(EX_IOERR), "cannot write %s", temp);
	} else if (fchmod(fd, mode) != 0) {
		err_sys(e, file_errno_code(EX_IOERR), "cannot set the mode of %s", temp);
	} else {
		rc = file_sync(fd, temp, e);
	}
	if (close(fd) != 0 && rc == 0) {
		rc = err_sys(e, file_errno_code(EX_IOERR), "cannot write %s", temp);
	}
	return rc;
}

static int temp_name(char temp[static NAME_MAX + 1], const char *name, struct err *e)
{
	if (snprintf(temp, NAME_MAX + 1, ".%s.new", name) > NAME_MAX) {
		return err_set(e, EX_CANTCREAT, "cannot create %s: the name is too long", name);
	}
	return 0;
}

int file_sweep(int dir, const char *name, struct err *e)
{
	char temp[NAME_MAX + 1];

	if (temp_name(temp, name, e) != 0) {
		return -1;
	}
	if (unlinkat(dir, temp, 0) != 0 && errno != ENOENT) {
		return err_sys(e, file_errno_code(EX_CANTCREAT), "cannot remove a stale %s", temp);
	}
	return 0;
}

int file_write(int dir, const char *name, const void *p, size_t n, mode_t mode, enum file_how how,
	struct err *e)
{
	char temp[NAME_MAX + 1];
	int rc = -1;

	if (temp_name(temp, name, e) != 0 || file_sweep(dir, name, e) != 0) {
		return -1;
	}
	if (write_aside(dir, temp, p, n, mode, e) != 0) {
		goto out;
	}
	rc = how == FILE_NEW ? linkat(dir, temp, dir, name, 0) : renameat(dir, temp, dir, name);
	if (rc != 0) {
		err_sys(e, file_errno_code(EX_CANTCREAT), "cannot create %s", name);
		goto out;
	}
	rc = file_sync(dir, "the folder", e);
	if (rc != 0 && how == FILE_NEW) {
		(void)unlinkat(dir, name, 0);
	}
out:
	(void)unlinkat(dir, temp, 0); /* ENOENT after a rename */
	return rc;
}

static int overwrite(int fd, const char *name, struct err *e)
{
	static const uint8_t zeros[4096];
	struct stat st;

	if (fstat(fd, &st) != 0) {
		return err_sys(e, EX_IOERR, "cannot destroy %s", name);
	}
	if (!S_ISREG(st.st_mode)) {
		return err_set(e, EX_NOINPUT, "cannot destroy %s: it is no regular file", name);
	}
	for (off_t at = 0; at < st.st_size; at += (off_t)sizeof zeros) {
		off_t left = st.st_size - at;
		size_t n = left < (off_t)sizeof zeros ? (size_t)left : sizeof zeros;
		if (file_write_at(fd, zeros, n, (uint64_t)at) != 0) {
			return err_sys(e, file_errno_code(EX_IOERR), "cannot overwrite %s", name);
		}
	}
	return file_sync(fd, name, e);
}

int file_destroy(int dir, const char *name, struct err *e)
{
	int fd = openat(dir, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int rc;

	if (fd < 0) {
		return errno == ENOENT ? 0
				       : err_sys(e, file_errno_code(EX_CANTCREAT),
						 "cannot destroy %s", name);
	}
	rc = overwrite(fd, name, e);
	if (close(fd) != 0 && rc == 0) {
		rc = err_sys(e, file_errno_code(EX_IOERR), "cannot overwrite %s", name);
	}
	if (rc == 0 && unlinkat(dir, name, 0) != 0 && errno != ENOENT) {
		rc = err_sys(e, file_errno_code(EX_CANTCREAT), "cannot remove %s", name);
	}
	return rc;
}
