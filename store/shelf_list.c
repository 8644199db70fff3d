/* Users' files over folders: listing, counting, reading and removing. See shelf.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "shelf_files.h"

int shelf_files_room(
	struct shelf *s, const char *user, uint64_t size, struct shelf_limit *limit, struct err *e)
{
	const struct shelf_usage more = {1, size}, without = {0};
	struct shelf_usage now;

	return shelf_usage((struct shelf_files *)s, user, &now, e) != 0
		       ? -1
		       : shelf_fits(user, &now, &more, &without, limit, e);
}

/* --- the list --- */

struct listing {
	const char *user;
	struct buf files; /* of struct shelf_file */
};

static int collect(void *arg, const struct shelf_file *file, const struct stat *st)
{
	struct listing *l = arg;

	(void)st;
	return buf_append(&l->files, file, sizeof *file) == 0 ? 0 : 1;
}

static int by_giver(const void *a, const void *b)
{
	const struct shelf_file *x = a, *y = b;
	int order = strcmp(x->from, y->from);

	order = order == 0 ? strcmp(x->name, y->name) : order;
	return order == 0 ? (int)x->part - (int)y->part : order;
}

/* The user's own, or those that others have handed over. */
static int visit_some(const struct listing *l, bool own, shelf_visit *visit, void *arg)
{
	const struct shelf_file *files = (const void *)l->files.p;
	size_t n = l->files.n / sizeof *files;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		if ((strcmp(files[i].from, l->user) == 0) == own) {
			rc = visit(arg, &files[i]);
		}
	}
	return rc;
}

int shelf_files_list(
	struct shelf *s, const char *user, shelf_visit *visit, void *arg, struct err *e)
{
	struct listing l = {.user = user};
	int rc = shelf_walk((struct shelf_files *)s, user, collect, &l, e);

	if (rc > 0) {
		rc = err_set(e, EX_TEMPFAIL, "cannot list files: out of memory");
	}
	if (rc == 0 && l.files.n > 0) {
		qsort(l.files.p, l.files.n / sizeof(struct shelf_file), sizeof(struct shelf_file),
			by_giver);
		rc = visit_some(&l, true, visit, arg);
		rc = rc == 0 ? visit_some(&l, false, visit, arg) : rc;
	}
	buf_free(&l.files);
	return rc;
}

/* --- removing --- */

/* What broke off of this name; one that is arriving just now stays, and is told. 1 when it is gone,
 * 0 when there is none, or -1. */
static int remove_part(int dir, const char *name, struct err *e)
{
	char part[SHELF_NAME_MAX + 8];
	int fd, rc = 1;

	(void)snprintf(part, sizeof part, ".%s.part", name);
	fd = openat(dir, part, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		return errno == ENOENT ? 0 : err_sys(e, EX_TEMPFAIL, "cannot remove %s", name);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		rc = errno == EWOULDBLOCK
			     ? err_set(e, EX_TEMPFAIL, "cannot remove %s: it is arriving", name)
			     : err_sys(e, EX_TEMPFAIL, "cannot remove %s", name);
	} else if (unlinkat(dir, part, 0) != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot remove %s", name);
	}
	(void)close(fd);
	return rc;
}

/* The file itself, if it is one. 1, 0 when there is none, or -1. */
static int remove_whole(int dir, const char *name, struct err *e)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		return errno == ENOENT ? 0 : err_sys(e, EX_TEMPFAIL, "cannot remove %s", name);
	}
	if (!S_ISREG(st.st_mode)) {
		return 0; /* it is not listed either */
	}
	return unlinkat(dir, name, 0) == 0 ? 1 : err_sys(e, EX_TEMPFAIL, "cannot remove %s", name);
}

int shelf_files_remove(
	struct shelf *s, const char *user, const char *from, const char *name, struct err *e)
{
	int dir, whole, part;

	if (landing_check_name(name, strlen(name), e) != 0) {
		return -1;
	}
	dir = shelf_folder((struct shelf_files *)s, user, from, false, e);
	if (dir < 0) {
		return e->code == EX_NOINPUT ? shelf_no_file(name, e) : -1;
	}
	whole = remove_whole(dir, name, e);
	part = whole < 0 ? -1 : remove_part(dir, name, e);
	/* another try at this name may be arriving: what there was is gone all the same */
	part = part < 0 && whole > 0 ? 0 : part;
	if (part == 0 && whole == 0) {
		part = shelf_no_file(name, e);
	} else if (part >= 0 && file_sync(dir, "a folder of files", e) != 0) {
		part = -1;
	}
	(void)close(dir);
	return part < 0 ? -1 : 0;
}
