/* Users' files over folders: the engine's table of functions, its folders, and what they hold. See
 * shelf.h for the layout. */
#include <errno.h>
#include <fcntl.h>

#include "shelf_files.h"

enum { OPEN_FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/* --- folders --- */

static int open_folder(int at, const char *name, bool make)
{
	int fd = openat(at, name, OPEN_FOLDER);

	if (fd >= 0 || errno != ENOENT || !make) {
		return fd;
	}
	if ((mkdirat(at, name, 0700) != 0 && errno != EEXIST) || fsync(at) != 0) {
		return -1;
	}
	return openat(at, name, OPEN_FOLDER);
}

int shelf_folder(
	const struct shelf_files *f, const char *user, const char *from, bool make, struct err *e)
{
	const char *const names[] = {SHELF_FOLDER, user, from};
	int at = f->root, fd = -1, why;

	if (!user_name_valid(user) || (from != NULL && !user_name_valid(from))) {
		return err_set(e, EX_NOINPUT, "there are no files of such a user");
	}
	for (size_t i = 0; i < 3 && names[i] != NULL; i++) {
		fd = open_folder(at, names[i], make);
		why = errno;
		if (at != f->root) {
			(void)close(at);
		}
		errno = why;
		if (fd < 0) {
			return err_sys(e, errno == ENOENT ? EX_NOINPUT : EX_TEMPFAIL,
				"cannot open the files of %s", user);
		}
		at = fd;
	}
	return fd;
}

int shelf_no_file(const char *name, struct err *e)
{
	return err_set(e, EX_NOINPUT, "there is no file %s", name);
}

/* --- what they hold --- */

void shelf_describe(
	struct shelf_file *out, const char *from, const char *name, const struct stat *st)
{
	*out = (struct shelf_file){.size = (uint64_t)st->st_size,
		.time_us = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000};
	(void)snprintf(out->from, sizeof out->from, "%s", from);
	(void)snprintf(out->name, sizeof out->name, "%s", name);
}

/* NAME, or ".NAME.part". 0 with the name in out, or -1: it is none of ours. */
static int read_name(const char *entry, char out[static SHELF_NAME_MAX + 1], bool *part)
{
	static const char end[] = ".part";
	size_t n = strlen(entry), end_n = sizeof end - 1;
	struct err ignored;

	*part = entry[0] == '.';
	if (*part) {
		if (n < 1 + end_n || strcmp(entry + n - end_n, end) != 0) {
			return -1;
		}
		entry++;
		n -= 1 + end_n;
	}
	if (landing_check_name(entry, n, &ignored) != 0) {
		return -1;
	}
	memcpy(out, entry, n);
	out[n] = '\0';
	return 0;
}

struct walk {
	shelf_walk_visit *visit;
	void *arg;
	int dir;
	const char *from;
	bool givers; /* names are of folders */
};

/* What is no regular file, or has a name that nobody could give it, was put there by hand: it is
 * passed over. */
static int walk_file(const struct walk *w, const char *entry, struct err *e)
{
	struct shelf_file file;
	char name[SHELF_NAME_MAX + 1];
	struct stat st;
	bool part;

	if (read_name(entry, name, &part) != 0) {
		return 0;
	}
	if (fstatat(w->dir, entry, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		return errno == ENOENT ? 0 : err_sys(e, EX_TEMPFAIL, "cannot look at %s", name);
	}
	if (!S_ISREG(st.st_mode)) {
		return 0;
	}
	shelf_describe(&file, w->from, name, &st);
	file.part = part;
	return w->visit(w->arg, &file, &st);
}

static int walk_names(const struct walk *w, struct err *e);

static int walk_giver(const struct walk *w, const char *entry, struct err *e)
{
	struct walk inner = {.visit = w->visit, .arg = w->arg, .from = entry};
	int rc;

	if (!user_name_valid(entry)) {
		return 0;
	}
	inner.dir = openat(w->dir, entry, OPEN_FOLDER);
	if (inner.dir < 0) { /* no folder, or a symlink */
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			       ? 0
			       : err_sys(e, EX_TEMPFAIL, "cannot open the files from %s", entry);
	}
	rc = walk_names(&inner, e);
	(void)close(inner.dir);
	return rc;
}

static int walk_names(const struct walk *w, struct err *e)
{
	DIR *names = file_read_names(w->dir);
	const struct dirent *entry;
	int rc = 0;

	if (names == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot list files");
	}
	while (rc == 0 && (errno = 0, entry = readdir(names)) != NULL) {
		rc = w->givers ? walk_giver(w, entry->d_name, e) : walk_file(w, entry->d_name, e);
	}
	if (rc == 0 && errno != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot list files");
	}
	(void)closedir(names);
	return rc;
}

int shelf_walk(const struct shelf_files *f, const char *user, shelf_walk_visit *visit, void *arg,
	struct err *e)
{
	struct walk w = {.visit = visit, .arg = arg, .givers = true};
	struct err why;
	int rc;

	w.dir = shelf_folder(f, user, NULL, false, &why);
	if (w.dir < 0) {
		*e = why;
		return why.code == EX_NOINPUT ? 0 : -1; /* nothing has come yet */
	}
	rc = walk_names(&w, e);
	(void)close(w.dir);
	return rc;
}

/* --- room --- */

/* Sparse files may seem to have more bytes in all than can be counted. */
void shelf_count(struct shelf_usage *u, uint64_t bytes)
{
	u->files++;
	u->bytes = bytes > UINT64_MAX - u->bytes ? UINT64_MAX : u->bytes + bytes;
}

static int count_file(void *arg, const struct shelf_file *file, const struct stat *st)
{
	(void)st;
	shelf_count(arg, file->size);
	return 0;
}

int shelf_usage(
	const struct shelf_files *f, const char *user, struct shelf_usage *out, struct err *e)
{
	*out = (struct shelf_usage){0};
	return shelf_walk(f, user, count_file, out, e);
}

int shelf_fits(const char *user, const struct shelf_usage *now, const struct shelf_usage *more,
	const struct shelf_usage *without, struct shelf_limit *limit, struct err *e)
{
	uint64_t files = now->files - (without->files < now->files ? without->files : now->files);
	uint64_t bytes = now->bytes - (without->bytes < now->bytes ? without->bytes : now->bytes);

	limit->full = files + more->files > SHELF_FILES_MAX;
	if (limit->full) {
		return err_set(e, EX_TEMPFAIL,
			"%s has no room: there are %llu files, and %d is most", user,
			(unsigned long long)files, SHELF_FILES_MAX);
	}
	limit->full =
		limit->bytes > 0 && (bytes > limit->bytes || more->bytes > limit->bytes - bytes);
	if (limit->full) {
		return err_set(e, EX_TEMPFAIL,
			"%s has no room: the files have %llu of at most %llu bytes, and this one "
			"has %llu",
			user, (unsigned long long)bytes, (unsigned long long)limit->bytes,
			(unsigned long long)more->bytes);
	}
	return 0;
}

/* --- the engine --- */

static void files_close(struct shelf *s)
{
	(void)close(((struct shelf_files *)s)->root);
	free(s);
}

static const struct shelf_ops files_ops = {
	.room = shelf_files_room,
	.begin = shelf_files_begin,
	.proof = shelf_files_proof,
	.from = shelf_files_from,
	.append = shelf_files_append,
	.finish = shelf_files_finish,
	.give = shelf_files_give,
	.end = shelf_files_end,
	.list = shelf_files_list,
	.open = shelf_files_look,
	.seek = shelf_files_seek,
	.prove = shelf_files_prove,
	.read = shelf_files_read,
	.done = shelf_files_done,
	.remove = shelf_files_remove,
	.close = files_close,
};

int shelf_files_open(int dir, struct shelf **out, struct err *e)
{
	struct shelf_files *f = calloc(1, sizeof *f);

	if (f == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot open the users' files: out of memory");
	}
	f->base.ops = &files_ops;
	f->root = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	if (f->root < 0) {
		free(f);
		return err_sys(e, EX_TEMPFAIL, "cannot open the users' files");
	}
	*out = &f->base;
	return 0;
}

bool shelf_files_has(int dir, const char *user)
{
	char path[sizeof SHELF_FOLDER + USER_NAME_MAX + 1];

	if (!user_name_valid(user)) {
		return false;
	}
	(void)snprintf(path, sizeof path, SHELF_FOLDER "/%s", user);
	return faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}
