/* A file that is sent; see source.h. */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a folder";
	case S_IFLNK:
		return "a symbolic link";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	default:
		return "a device";
	}
}

static int refuse_kind(const char *name, mode_t mode, struct err *e)
{
	return err_set(e, EX_DATAERR, "cannot read %s: it is %s", name, kind_of(mode));
}

static void begin(struct source *s)
{
	s->regular = S_ISREG(s->st.st_mode);
	if (s->regular) {
		(void)posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint */
	}
}

int source_open(struct source *s, int dir, const char *name, struct err *e)
{
	*s = (struct source){.fd = -1, .owned = true};
	/* looked at ahead of the open, which some devices feel */
	if (fstatat(dir, name, &s->st, AT_SYMLINK_NOFOLLOW) != 0) {
		return err_sys(e, file_errno_code(EX_NOINPUT), "cannot open %s", name);
	}
	if (!S_ISREG(s->st.st_mode)) {
		return refuse_kind(name, s->st.st_mode, e);
	}
	s->fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (s->fd < 0) {
		return err_sys(e, file_errno_code(EX_NOINPUT), "cannot open %s", name);
	}
	if (fstat(s->fd, &s->st) != 0) {
		err_sys(e, EX_TEMPFAIL, "cannot look at %s", name);
		source_close(s);
		return -1;
	}
	if (!S_ISREG(s->st.st_mode)) { /* it was another one a moment ago */
		source_close(s);
		return refuse_kind(name, s->st.st_mode, e);
	}
	begin(s);
	return 0;
}

/* Files of /proc have bytes and no size. */
static bool has_size(const struct source *s)
{
	uint8_t byte;

	return s->st.st_size > 0 || file_read_at(s->fd, &byte, 1, 0) <= 0;
}

int source_over(struct source *s, int fd, struct err *e)
{
	*s = (struct source){.fd = fd};
	if (fstat(fd, &s->st) != 0) {
		return err_sys(e, EX_NOINPUT, "cannot look at the input");
	}
	if (S_ISDIR(s->st.st_mode)) {
		return refuse_kind("the input", s->st.st_mode, e);
	}
	begin(s);
	s->regular = s->regular && has_size(s) && lseek(fd, 0, SEEK_CUR) == 0;
	return 0;
}

void source_close(struct source *s)
{
	if (s->owned && s->fd >= 0) {
		(void)close(s->fd); /* it was only read */
	}
	s->fd = -1;
}

bool source_size(const struct source *s, uint64_t *size)
{
	*size = s->regular ? (uint64_t)s->st.st_size : 0;
	return s->regular;
}

int source_seek(struct source *s, uint64_t offset, struct err *e)
{
	if (!s->regular) {
		return err_set(e, EX_SOFTWARE, "a pipe cannot be begun in its midst");
	}
	s->at = s->data_until = offset;
	return 0;
}

/* A pipe may have been made non-blocking by who else holds it. */
static int read_stream(struct source *s, void *p, size_t cap, size_t *n, struct err *e)
{
	struct pollfd more = {.fd = s->fd, .events = POLLIN};

	for (;;) {
		ssize_t k = read(s->fd, p, cap);
		if (k >= 0) {
			*n = (size_t)k;
			s->at += (uint64_t)k;
			return 0;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK) {
			(void)poll(&more, 1, -1);
		} else if (errno != EINTR) {
			return err_sys(e, file_errno_code(EX_IOERR), "cannot read the input");
		}
	}
}

/* Find out what stands at s->at: a hole to be told, or data up to s->data_until. A file system that
 * cannot say has data alone. Neither: the end. */
static void find_run(struct source *s, uint64_t *hole)
{
	uint64_t size = (uint64_t)s->st.st_size;
	off_t data = lseek(s->fd, (off_t)s->at, SEEK_DATA), end;
	struct stat now;

	if (data < 0 && errno == ENXIO) { /* no data from here on */
		if (fstat(s->fd, &now) == 0 && (uint64_t)now.st_size < size) {
			size = (uint64_t)now.st_size;
		}
		*hole = size > s->at ? size - s->at : 0;
		s->at += *hole;
	} else if (data > (off_t)s->at) {
		*hole = ((uint64_t)data < size ? (uint64_t)data : size) - s->at;
		s->at += *hole;
	} else {
		end = data < 0 ? -1 : lseek(s->fd, data, SEEK_HOLE);
		s->data_until = end > data && (uint64_t)end < size ? (uint64_t)end : size;
	}
}

/* Nothing behind the size that the file had when it was opened: one that grows has an end, too. */
static int read_regular(
	struct source *s, void *p, size_t cap, size_t *n, uint64_t *hole, struct err *e)
{
	ssize_t got;

	if (s->at >= (uint64_t)s->st.st_size) {
		return 0;
	}
	if (s->at >= s->data_until) {
		find_run(s, hole);
		if (s->at >= s->data_until) {
			return 0;
		}
	}
	if (s->data_until - s->at < cap) {
		cap = (size_t)(s->data_until - s->at);
	}
	got = file_read_at(s->fd, p, cap, s->at);
	if (got < 0) {
		return err_sys(e, file_errno_code(EX_IOERR), "cannot read the file");
	}
	*n = (size_t)got; /* 0: it became shorter */
	s->at += (uint64_t)got;
	return 0;
}

int source_read(struct source *s, void *p, size_t cap, size_t *n, uint64_t *hole, struct err *e)
{
	*n = 0;
	*hole = 0;
	return s->regular ? read_regular(s, p, cap, n, hole, e) : read_stream(s, p, cap, n, e);
}

int source_unchanged(const struct source *s, struct err *e)
{
	struct stat now;

	if (!s->regular) {
		return 0;
	}
	if (fstat(s->fd, &now) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot look at the file");
	}
	if (now.st_size != s->st.st_size || now.st_mtim.tv_sec != s->st.st_mtim.tv_sec ||
		now.st_mtim.tv_nsec != s->st.st_mtim.tv_nsec) {
		return err_set(e, EX_TEMPFAIL, "the file changed while it was read");
	}
	return 0;
}
