/* Writing an mbox: into a file without a name, or with one that nobody takes for it, which gets its
 * own once it is on disk. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "../crypto/random.h"
#include "../proto/mbox.h"
#include "export_out.h"

struct mbox_out {
	struct export_out base; /* first */
	struct mbox_filter filter;
	FILE *to;
	int dir; /* of the file; -1: standard output */
	const char *path, *name;
	char temporary[NAME_MAX + 1]; /* empty: the file has no name, or has its own */
	char proc[40];                /* where it is linked from, while it has none */
	bool force;
	off_t start; /* of the message in hand */
};

static int write_some(void *arg, const void *p, size_t n, struct err *e)
{
	struct mbox_out *o = arg;

	return fwrite(p, 1, n, o->to) == n ? 0 : err_sys(e, EX_IOERR, "cannot write %s", o->path);
}

static bool has(const struct export_out *o, const struct mailbox_meta *meta)
{
	(void)o;
	(void)meta;
	return false;
}

static int begin(
	struct export_out *out, const struct mailbox_meta *meta, const char *sender, struct err *e)
{
	struct mbox_out *o = (struct mbox_out *)out;
	struct buf line = {0};
	int rc;

	o->start = o->dir < 0 ? 0 : ftello(o->to);
	mbox_filter_begin(&o->filter, MBOX_QUOTE, write_some, o);
	rc = mbox_put_from(&line, sender, meta->time_us) != 0
		     ? err_set(e, EX_TEMPFAIL, "out of memory")
		     : write_some(o, line.p, line.n, e);
	buf_free(&line);
	return rc;
}

static int put(void *out, const void *p, size_t n, struct err *e)
{
	return mbox_filter_take(&((struct mbox_out *)out)->filter, p, n, e);
}

static int end(struct export_out *out, struct err *e)
{
	struct mbox_out *o = (struct mbox_out *)out;

	return mbox_filter_end(&o->filter, e) != 0 ? -1 : write_some(o, "\n", 1, e);
}

static int undo(struct export_out *out, struct err *e)
{
	struct mbox_out *o = (struct mbox_out *)out;

	if (o->dir < 0) {
		return err_prefix(e, "half a message is written, and cannot be taken back");
	}
	if (fflush(o->to) != 0 || ftruncate(fileno(o->to), o->start) != 0 ||
		fseeko(o->to, o->start, SEEK_SET) != 0) {
		return err_sys(e, EX_IOERR, "cannot write %s", o->path);
	}
	return 0;
}

static int new_name(struct mbox_out *o, struct err *e)
{
	uint8_t random[8];
	char hex[2 * sizeof random + 1];

	if (random_bytes(random, sizeof random, e) != 0) {
		return -1;
	}
	hex_encode(hex, random, sizeof random);
	(void)snprintf(o->temporary, sizeof o->temporary, ".%.200s.%s.new", o->name, hex);
	return 0;
}

/* The name that it is to have: linked, so that nothing is overwritten, or renamed over. */
static int give_name(struct mbox_out *o, struct err *e)
{
	bool unnamed = o->temporary[0] == '\0';
	int rc;

	if (o->force && unnamed) {
		if (new_name(o, e) != 0) {
			return -1;
		}
		if (linkat(AT_FDCWD, o->proc, o->dir, o->temporary, AT_SYMLINK_FOLLOW) != 0) {
			err_sys(e, EX_CANTCREAT, "cannot create %s", o->path);
			o->temporary[0] = '\0';
			return -1;
		}
		unnamed = false;
	}
	rc = o->force  ? renameat(o->dir, o->temporary, o->dir, o->name)
	     : unnamed ? linkat(AT_FDCWD, o->proc, o->dir, o->name, AT_SYMLINK_FOLLOW)
		       : linkat(o->dir, o->temporary, o->dir, o->name, 0);
	if (rc != 0) {
		return err_sys(e, EX_CANTCREAT, "cannot create %s", o->path);
	}
	if (o->force) {
		o->temporary[0] = '\0';
	}
	return file_sync(o->dir, "the folder of the mbox", e);
}

static int finish(struct export_out *out, struct err *e)
{
	struct mbox_out *o = (struct mbox_out *)out;

	if (fflush(o->to) != 0 || ferror(o->to) != 0) {
		return err_sys(e, EX_IOERR, "cannot write %s", o->path);
	}
	if (o->dir < 0) {
		return 0;
	}
	return file_sync(fileno(o->to), o->path, e) != 0 ? -1 : give_name(o, e);
}

static void close_out(struct export_out *out)
{
	struct mbox_out *o = (struct mbox_out *)out;

	if (o->dir >= 0) {
		if (o->temporary[0] != '\0') {
			(void)unlinkat(o->dir, o->temporary, 0);
		}
		(void)fclose(o->to); /* finish has flushed and synced what counts */
		(void)close(o->dir);
	}
	free(o);
}

static const struct export_ops ops = {has, begin, put, end, undo, finish, close_out};

/* A file without a name, where there are such, or one with a name that is taken by nobody. */
static int create(struct mbox_out *o, struct err *e)
{
	int fd = openat(o->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0) {
		(void)snprintf(o->proc, sizeof o->proc, "/proc/self/fd/%d", fd);
		if (access(o->proc, F_OK) == 0) {
			return fd;
		}
		(void)close(fd);
	}
	if (new_name(o, e) != 0) {
		return -1;
	}
	fd = openat(o->dir, o->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		err_sys(e, EX_CANTCREAT, "cannot create %s", o->path);
		o->temporary[0] = '\0';
	}
	return fd;
}

static int open_beside(struct mbox_out *o, struct err *e)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(o->path, '/');
	struct stat st;
	int fd;

	o->name = slash == NULL ? o->path : slash + 1;
	(void)snprintf(folder, sizeof folder, "%.*s",
		slash == NULL ? 1 : (int)(slash - o->path + 1), slash == NULL ? "." : o->path);
	o->dir = file_open_dir(folder, e);
	if (o->dir < 0) {
		e->code = EX_CANTCREAT;
		return -1;
	}
	if (fstatat(o->dir, o->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		(!o->force || !S_ISREG(st.st_mode))) {
		err_set(e, EX_CANTCREAT, "%s exists", o->path);
		return S_ISREG(st.st_mode) ? err_hint(e, "--force replaces it") : -1;
	}
	fd = create(o, e);
	o->to = fd < 0 ? NULL : fdopen(fd, "w+");
	if (fd >= 0 && o->to == NULL) {
		(void)close(fd);
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	return o->to == NULL ? -1 : 0;
}

struct export_out *export_mbox_open(const char *path, bool force, struct err *e)
{
	struct mbox_out *o = calloc(1, sizeof *o);

	if (o == NULL) {
		err_set(e, EX_TEMPFAIL, "out of memory");
		return NULL;
	}
	o->base.ops = &ops;
	o->path = path;
	o->force = force;
	o->dir = -1;
	o->to = stdout;
	if (strcmp(path, "-") != 0 && open_beside(o, e) != 0) {
		if (o->dir >= 0) {
			if (o->temporary[0] != '\0') {
				(void)unlinkat(o->dir, o->temporary, 0);
			}
			(void)close(o->dir);
		}
		free(o);
		return NULL;
	}
	return &o->base;
}
