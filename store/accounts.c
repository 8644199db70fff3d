/* The files engine of accounts: user_pass.json; see accounts.h. */
#include "accounts.h"

#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"
#include "watch.h"

#define ACCOUNTS_FILE "user_pass.json"

struct files {
	struct accounts_store base; /* first: the interface's pointer is this one */
	int dir;
	/* The file that was read last: while it is open no other file gets its inode number, so
	 * that look() cannot take a file that was written within the same tick for it. */
	int held;
	struct watch watch;
};

static void mark(struct accounts_version *v, const struct stat *st)
{
	v->mark[0] = st->st_ino;
	v->mark[1] = (uint64_t)st->st_mtim.tv_sec;
	v->mark[2] = (uint64_t)st->st_mtim.tv_nsec;
	v->mark[3] = (uint64_t)st->st_size;
}

static bool is_symlink(const struct files *f)
{
	struct stat st;

	return fstatat(f->dir, ACCOUNTS_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

static int read_file(
	const struct files *f, struct accounts_text *out, struct stat *st, struct err *e)
{
	struct err why;

	*out = (struct accounts_text){0};
	errno = 0;
	if (file_read(f->dir, ACCOUNTS_FILE, ACCOUNTS_TEXT_MAX, &out->text, st, &why) != 0) {
		/* a symlink to nowhere is somebody's mistake, and not for us to replace */
		out->version.none = errno == ENOENT && !is_symlink(f);
		buf_free(&out->text);
		return err_set(e, why.code == EX_DATAERR ? EX_CONFIG : why.code, "%s", why.text);
	}
	mark(&out->version, st);
	hash_of(out->text.p, out->text.n, out->version.digest);
	out->others_can_read = (st->st_mode & 077) != 0;
	return 0;
}

static int files_read(struct accounts_store *s, struct accounts_text *out, struct err *e)
{
	struct files *f = (struct files *)s;
	/* opened ahead of the reading, so that an equal number below means the same file */
	int fd = openat(f->dir, ACCOUNTS_FILE, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st, own = {0};
	int rc = read_file(f, out, &st, e);

	if (fd >= 0 && (rc != 0 || fstat(fd, &own) != 0 || own.st_ino != st.st_ino)) {
		(void)close(fd);
		fd = -1;
	}
	if (f->held >= 0) {
		(void)close(f->held);
	}
	f->held = fd;
	return rc;
}

/* Is the file another one than expected? By its bytes: times tick coarsely. The caller holds the
 * lock. */
static int compare(
	const struct files *f, const struct accounts_version *expected, bool *stale, struct err *e)
{
	struct accounts_text now;
	struct stat st;

	if (read_file(f, &now, &st, e) != 0) {
		*stale = !expected->none;
		return now.version.none ? 0 : -1;
	}
	*stale = expected->none ||
		 memcmp(now.version.digest, expected->digest, sizeof expected->digest) != 0;
	buf_free(&now.text);
	return 0;
}

static int files_replace(struct accounts_store *s, const void *p, size_t n,
	const struct accounts_version *expected, bool *stale, struct err *e)
{
	const struct files *f = (struct files *)s;
	int lock = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	*stale = false;
	if (lock < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot open the folder of %s", ACCOUNTS_FILE);
	}
	rc = file_lock(lock, e) == 0 ? compare(f, expected, stale, e) : -1;
	if (rc == 0 && !*stale) {
		rc = file_write(f->dir, ACCOUNTS_FILE, p, n, 0600, FILE_REPLACE, e);
	}
	(void)close(lock);
	return rc;
}

static int files_look(struct accounts_store *s, const struct accounts_version *version,
	bool *changed, struct err *e)
{
	const struct files *f = (struct files *)s;
	struct accounts_version now;
	struct stat st;

	if (fstatat(f->dir, ACCOUNTS_FILE, &st, 0) != 0) {
		return err_sys(e, errno == ENOENT ? EX_NOINPUT : EX_TEMPFAIL, "cannot look at %s",
			ACCOUNTS_FILE);
	}
	mark(&now, &st);
	*changed = version->none || memcmp(now.mark, version->mark, sizeof now.mark) != 0;
	return 0;
}

static int files_follow(struct accounts_store *s)
{
	struct files *f = (struct files *)s;

	watch_open(&f->watch, f->dir, ACCOUNTS_FILE);
	return f->watch.fd;
}

static bool files_news(struct accounts_store *s)
{
	return watch_changed(&((struct files *)s)->watch);
}

static void files_unfollow(struct accounts_store *s)
{
	watch_close(&((struct files *)s)->watch);
}

static void files_close(struct accounts_store *s)
{
	struct files *f = (struct files *)s;

	files_unfollow(s);
	if (f->held >= 0) {
		(void)close(f->held);
	}
	(void)close(f->dir);
	free(f);
}

static const struct accounts_ops files_ops = {.read = files_read,
	.replace = files_replace,
	.look = files_look,
	.follow = files_follow,
	.news = files_news,
	.unfollow = files_unfollow,
	.close = files_close};

int accounts_files_open(int dir, struct accounts_store **out, struct err *e)
{
	struct files *f = calloc(1, sizeof *f);

	if (f == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot read %s: out of memory", ACCOUNTS_FILE);
	}
	*f = (struct files){.base = {.ops = &files_ops, .name = ACCOUNTS_FILE},
		.dir = fcntl(dir, F_DUPFD_CLOEXEC, 0),
		.held = -1,
		.watch = {.fd = -1}};
	if (f->dir < 0) {
		err_sys(e, EX_TEMPFAIL, "cannot open the folder of %s", ACCOUNTS_FILE);
		free(f);
		return -1;
	}
	*out = &f->base;
	return 0;
}
