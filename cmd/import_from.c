/* The containers that import reads; see import_from.h. */
#include "import_from.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "archive.h"
#include "content.h"

enum { PIECE = 65536 };

struct input {
	const struct import_sink *sink;
	enum mbox_kind kind;
	const char *path; /* for people */
	int fd;
	uint64_t size;
	struct err why; /* of the message in hand */
	bool failed;
};

static int read_at(void *arg, uint64_t offset, void *p, size_t n, size_t *got, struct err *e)
{
	const struct input *in = arg;
	ssize_t k = 1;

	for (*got = 0; *got < n && k != 0; *got += k > 0 ? (size_t)k : 0) {
		k = pread(in->fd, (uint8_t *)p + *got, n - *got, (off_t)(offset + *got));
		if (k < 0 && errno != EINTR) {
			return err_sys(e, EX_IOERR, "cannot read %s", in->path);
		}
	}
	return 0;
}

/* --- one message --- */

static int put(void *arg, const void *p, size_t n, struct err *e)
{
	struct input *in = arg;

	if (!in->failed && in->sink->put(in->sink->arg, p, n, &in->why) != 0) {
		in->failed = true;
	}
	(void)e;
	return 0;
}

/* A stretch of the input is one message. -1: stop. */
static int take_message(
	struct input *in, const char *what, const struct mbox_message *m, struct err *e)
{
	uint8_t *piece = malloc(PIECE);
	struct mbox_filter filter;
	size_t got = 0;
	int rc = 0;

	if (piece == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	in->failed = false;
	rc = in->sink->begin(in->sink->arg, what, m->time_us, e);
	mbox_filter_begin(&filter, m->quoting, put, in);
	for (uint64_t at = m->start; rc == 0 && !in->failed && at < m->end; at += got) {
		size_t n = m->end - at < PIECE ? (size_t)(m->end - at) : PIECE;
		rc = archive_interrupted() ? err_set(e, EX_TEMPFAIL, "interrupted")
					   : read_at(in, at, piece, n, &got, e);
		if (rc == 0 && got == 0) {
			rc = err_set(e, EX_NOINPUT, "%s has become shorter", in->path);
		}
		rc = rc == 0 ? mbox_filter_take(&filter, piece, got, e) : rc;
	}
	rc = rc == 0 && !in->failed ? mbox_filter_end(&filter, e) : rc;
	free(piece);
	return rc == 0 ? in->sink->end(in->sink->arg, in->failed ? &in->why : NULL, e) : rc;
}

static int take_mbox(struct input *in, struct err *e)
{
	struct mbox *m = malloc(sizeof *m);
	struct mbox_message message;
	char what[PATH_MAX + 64];
	int rc = 1;

	if (m == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	mbox_open(m, in->kind, read_at, in);
	for (unsigned long n = 1; rc > 0; n++) {
		rc = mbox_next(m, &message, e);
		if (rc > 0) {
			(void)snprintf(what, sizeof what, "%s: message %lu", in->path, n);
			rc = take_message(in, what, &message, e) != 0 ? -1 : 1;
			in->sink->tell(in->sink->arg, m->at, in->size);
		}
	}
	free(m);
	return rc;
}

/* --- files --- */

/* A stream, into a file that can be read at any place. */
static int spool(struct input *in, struct err *e)
{
	uint8_t *piece = malloc(PIECE);
	int fd = piece == NULL ? -1 : file_nameless(-1), rc = 0;
	ssize_t k = 1;

	if (fd < 0) {
		free(piece);
		return err_sys(e, EX_TEMPFAIL, "cannot make a temporary file");
	}
	while (rc == 0 && k != 0) {
		k = archive_interrupted() ? 0 : read(in->fd, piece, PIECE);
		if (k < 0 && errno != EINTR) {
			rc = err_sys(e, EX_IOERR, "cannot read %s", in->path);
		} else if (k > 0 && file_write_all(fd, piece, (size_t)k) != 0) {
			rc = err_sys(e, EX_TEMPFAIL, "cannot write a temporary file");
		}
	}
	if (rc == 0 && archive_interrupted()) {
		rc = err_set(e, EX_TEMPFAIL, "interrupted");
	}
	free(piece);
	if (rc != 0) {
		(void)close(fd);
		return -1;
	}
	(void)close(in->fd);
	in->fd = fd;
	return 0;
}

/* A file is an mbox when it begins like one, and else one message. */
static int take_file(struct input *in, int64_t time_us, struct err *e)
{
	struct mbox_message all = {.time_us = time_us};
	struct stat st;
	char start[5];
	size_t got;

	if (fstat(in->fd, &st) == 0 && !S_ISREG(st.st_mode) && spool(in, e) != 0) {
		return -1;
	}
	if (fstat(in->fd, &st) != 0) {
		return err_sys(e, EX_IOERR, "cannot look at %s", in->path);
	}
	in->size = (uint64_t)st.st_size;
	if (read_at(in, 0, start, sizeof start, &got, e) != 0) {
		return -1;
	}
	if (got == 0) {
		return 0; /* an mbox without messages */
	}
	if (got == sizeof start && memcmp(start, "From ", sizeof start) == 0) {
		return take_mbox(in, e);
	}
	all.end = in->size;
	return take_message(in, in->path, &all, e);
}

/* --- Maildirs --- */

struct names {
	char **p; /* owned, each */
	size_t n, cap;
};

static void free_names(struct names *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->p[i]);
	}
	free(l->p);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a folder, sorted: a Maildir's begin with the time. */
static int list_names(int dir, const char *path, struct names *l, struct err *e)
{
	DIR *d = file_read_names(dir);
	const struct dirent *entry;

	if (d == NULL) {
		return err_sys(e, EX_NOINPUT, "cannot read the folder %s", path);
	}
	while ((entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
			continue;
		}
		if (l->n == l->cap) {
			size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
			char **p = reallocarray(l->p, cap, sizeof *p);
			if (p == NULL) {
				break;
			}
			l->p = p;
			l->cap = cap;
		}
		if ((l->p[l->n] = strdup(entry->d_name)) == NULL) {
			break;
		}
		l->n++;
	}
	(void)closedir(d);
	if (entry != NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	if (l->n > 0) {
		qsort(l->p, l->n, sizeof *l->p, by_text);
	}
	return 0;
}

/* One message of a Maildir. The digits ahead of the first dot are seconds. */
static int take_maildir_file(
	struct input *in, int dir, const char *sub, const char *name, struct err *e)
{
	char path[PATH_MAX];
	struct input one = *in;
	struct stat st;
	uint64_t seconds;
	int64_t us = -1;
	int rc;

	(void)snprintf(path, sizeof path, "%s/%s/%s", in->path, sub, name);
	one.path = path;
	one.fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (one.fd < 0 || fstat(one.fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		in->sink->skip(in->sink->arg, path,
			one.fd < 0 && errno != ELOOP ? strerror(errno) : "it is no regular file");
		if (one.fd >= 0) {
			(void)close(one.fd);
		}
		return 0;
	}
	if (parse_decimal(name, strcspn(name, "."), 253402300799u, &seconds) == 0) {
		us = (int64_t)seconds * 1000000;
	}
	const struct mbox_message all = {.end = (uint64_t)st.st_size, .time_us = us};
	rc = take_message(&one, path, &all, e);
	(void)close(one.fd);
	return rc;
}

static int take_maildir_sub(struct input *in, int maildir, const char *sub, struct err *e)
{
	int dir = openat(maildir, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct names l = {0};
	int rc;

	if (dir < 0) {
		return errno == ENOENT ? 0
				       : err_sys(e, EX_NOINPUT, "cannot open %s/%s", in->path, sub);
	}
	rc = list_names(dir, in->path, &l, e);
	for (size_t i = 0; rc == 0 && i < l.n; i++) {
		if (l.p[i][0] != '.') {
			rc = take_maildir_file(in, dir, sub, l.p[i], e);
		}
		in->sink->tell(in->sink->arg, i + 1, l.n);
	}
	free_names(&l);
	(void)close(dir);
	return rc;
}

/* cur is older than new. Folders of Maildir++ are Maildirs of their own: they are named. */
static int take_maildir(struct input *in, struct err *e)
{
	char what[PATH_MAX];
	struct names l = {0};
	int rc = take_maildir_sub(in, in->fd, "cur", e);

	rc = rc == 0 ? take_maildir_sub(in, in->fd, "new", e) : rc;
	rc = rc == 0 ? list_names(in->fd, in->path, &l, e) : rc;
	for (size_t i = 0; rc == 0 && i < l.n; i++) {
		(void)snprintf(what, sizeof what, "%s/cur", l.p[i]);
		if (l.p[i][0] == '.' && faccessat(in->fd, what, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			(void)snprintf(what, sizeof what, "%s/%s", in->path, l.p[i]);
			in->sink->skip(in->sink->arg, what,
				"a folder of its own, to be imported by its own name");
		}
	}
	free_names(&l);
	return rc;
}

/* --- folders --- */

static int take_path(struct input *in, bool inside, struct err *e);

/* What export writes for several users: mbox files and Maildirs, side by side. */
static int take_folder(struct input *in, struct err *e)
{
	char path[PATH_MAX];
	struct names l = {0};
	int rc = list_names(in->fd, in->path, &l, e);

	for (size_t i = 0; rc == 0 && i < l.n; i++) {
		struct input one = *in;
		if (l.p[i][0] == '.') {
			continue;
		}
		if (snprintf(path, sizeof path, "%s/%s", in->path, l.p[i]) >= (int)sizeof path) {
			rc = err_set(e, EX_NOINPUT, "a path in %s is too long", in->path);
			break;
		}
		one.path = path;
		rc = take_path(&one, true, e);
	}
	free_names(&l);
	return rc;
}

/* inside: of a folder, where only files, and folders that are Maildirs, are looked into. */
static int take_path(struct input *in, bool inside, struct err *e)
{
	bool is_stdin = !inside && strcmp(in->path, "-") == 0;
	struct stat st;
	int rc;

	/* O_NONBLOCK only for what a folder holds: a FIFO that is named is waited for */
	in->fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
			  : open(in->path, O_RDONLY | O_CLOEXEC | O_NOCTTY |
						   (inside ? O_NOFOLLOW | O_NONBLOCK : 0));
	in->path = is_stdin ? "standard input" : in->path;
	if (in->fd < 0 || fstat(in->fd, &st) != 0) {
		if (inside) {
			in->sink->skip(in->sink->arg, in->path, strerror(errno));
			return 0;
		}
		return err_sys(e, EX_NOINPUT, "cannot open %s", in->path);
	}
	if (S_ISDIR(st.st_mode) && faccessat(in->fd, "cur", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		rc = take_maildir(in, e);
	} else if (inside && !S_ISREG(st.st_mode)) {
		in->sink->skip(in->sink->arg, in->path, "neither a file nor a Maildir");
		rc = 0;
	} else {
		rc = S_ISDIR(st.st_mode) ? take_folder(in, e) : take_file(in, -1, e);
	}
	(void)close(in->fd);
	return rc;
}

int import_from(
	const char *path, enum mbox_kind kind, const struct import_sink *sink, struct err *e)
{
	struct input in = {.sink = sink, .kind = kind, .path = path, .fd = -1};

	return take_path(&in, false, e);
}
