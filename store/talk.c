/* What is kept of chats, over folders: its folders, who is present, and forgetting. See talk.h. */
#include <sys/file.h>

#include "talk_files.h"

enum { OPEN_FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

int talk_open(int dir, struct talk **out, struct err *e)
{
	struct talk *t = calloc(1, sizeof *t);

	if (t == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot open what is kept of chats: out of memory");
	}
	t->root = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	if (t->root < 0) {
		free(t);
		return err_sys(e, EX_TEMPFAIL, "cannot open what is kept of chats");
	}
	*out = t;
	return 0;
}

void talk_close(struct talk *t)
{
	if (t != NULL) {
		(void)close(t->root);
		free(t);
	}
}

/* --- folders --- */

int talk_none(const struct err *e)
{
	return e->code == EX_NOINPUT ? 0 : -1;
}

int talk_inner(int user, const char *name, bool make, struct err *e)
{
	int fd = openat(user, name, OPEN_FOLDER);

	if (fd < 0 && errno == ENOENT && make &&
		(mkdirat(user, name, 0700) == 0 || errno == EEXIST) && fsync(user) == 0) {
		fd = openat(user, name, OPEN_FOLDER);
	}
	if (fd >= 0) {
		return fd;
	}
	bool none = errno == ENOENT || errno == ENOTDIR || errno == ELOOP; /* or none of ours */
	return err_sys(
		e, none && !make ? EX_NOINPUT : EX_TEMPFAIL, "cannot open what is kept of chats");
}

int talk_user(const struct talk *t, const char *user, enum talk_how how, struct err *e)
{
	int all, fd;

	if (!user_name_valid(user)) {
		return err_set(e, EX_DATAERR, "there can be no chats of such a user");
	}
	all = talk_inner(t->root, TALK_FOLDER, how == TALK_MAKE, e);
	if (all < 0) {
		return -1;
	}
	fd = talk_inner(all, user, how == TALK_MAKE, e);
	(void)close(all);
	if (fd >= 0 && how != TALK_LOOK && file_lock(fd, e) != 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

int talk_enter(const struct talk *t, const char *user, const char *name, enum talk_how how,
	struct talk_place *out, struct err *e)
{
	*out = (struct talk_place){-1, -1};
	out->user = talk_user(t, user, how, e);
	if (out->user < 0) {
		return -1;
	}
	out->dir = talk_inner(out->user, name, how == TALK_MAKE, e);
	if (out->dir < 0) {
		talk_leave(out);
		return -1;
	}
	return 0;
}

void talk_leave(struct talk_place *at)
{
	if (at->dir >= 0) {
		(void)close(at->dir);
	}
	if (at->user >= 0) {
		(void)close(at->user);
	}
	*at = (struct talk_place){-1, -1};
}

static int visit_names(DIR *names, int dir, talk_visit_name *visit, void *arg, struct err *e)
{
	const struct dirent *entry;
	int rc = 0;

	while (rc == 0 && (errno = 0, entry = readdir(names)) != NULL) {
		rc = entry->d_name[0] == '.' ? 0 : visit(arg, dir, entry->d_name, e);
	}
	return rc == 0 && errno != 0 ? err_sys(e, EX_TEMPFAIL, "cannot list what is kept of chats")
				     : rc;
}

int talk_names(int dir, talk_visit_name *visit, void *arg, struct err *e)
{
	DIR *names = file_read_names(dir);
	int rc;

	if (names == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot list what is kept of chats");
	}
	rc = visit_names(names, dir, visit, arg, e);
	(void)closedir(names);
	return rc;
}

static int remove_name(int dir, const char *name, struct err *e)
{
	return unlinkat(dir, name, 0) == 0 || errno == ENOENT
		       ? 0
		       : err_sys(e, EX_TEMPFAIL, "cannot remove what is kept of chats");
}

static bool is_itself(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

bool talk_is_live(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	bool live;

	if (fd < 0) { /* no writer makes a link or a socket; of any other file nothing is known */
		return errno != ENOENT && errno != ELOOP && errno != ENXIO;
	}
	live = flock(fd, LOCK_SH | LOCK_NB) != 0;
	(void)close(fd);
	return live;
}

int talk_sweep(int dir, bool all, struct err *e)
{
	static const char end[] = ".new";
	DIR *names = file_read_names(dir);
	const struct dirent *entry;
	int rc = 0;

	if (names == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot list what is kept of chats");
	}
	while (rc == 0 && (errno = 0, entry = readdir(names)) != NULL) {
		size_t n = strlen(entry->d_name);
		bool ours =
			n > sizeof end && strcmp(entry->d_name + n - (sizeof end - 1), end) == 0;
		if (entry->d_name[0] == '.' && (all ? !is_itself(entry->d_name)
						    : ours && !talk_is_live(dir, entry->d_name))) {
			rc = remove_name(dir, entry->d_name, e);
		}
	}
	(void)closedir(names);
	return rc;
}

/* --- small files --- */

ssize_t talk_read(int dir, const char *name, void *p, size_t cap, struct err *e)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	ssize_t n = -1;

	if (fd < 0 && errno == ENOENT) {
		return 0;
	}
	if (fd < 0) {
		return err_sys(e, errno == ELOOP ? EX_DATAERR : EX_TEMPFAIL,
			"cannot read what is kept of chats");
	}
	if (fstat(fd, &st) != 0) {
		(void)err_sys(e, EX_TEMPFAIL, "cannot read what is kept of chats");
	} else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > cap) {
		(void)err_set(
			e, EX_DATAERR, "cannot read what is kept of chats: %.64s is damaged", name);
	} else {
		n = file_read_at(fd, p, cap, 0);
		if (n < 0) {
			(void)err_sys(e, EX_TEMPFAIL, "cannot read what is kept of chats");
		}
	}
	(void)close(fd);
	return n;
}

void talk_hint(int dir, const char *name, const void *p, size_t n)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd >= 0) {
		(void)!pwrite(fd, p, n, 0); /* without it, it is found out the long way */
		(void)close(fd);
	}
}

/* --- who is present --- */

static int open_present(int user, int flags)
{
	return openat(user, TALK_PRESENT,
		flags | O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
}

int talk_present(struct talk *t, const char *owner, struct err *e)
{
	int user = talk_user(t, owner, TALK_MAKE, e), fd, rc;

	if (user < 0) {
		return -1;
	}
	fd = open_present(user, O_CREAT);
	(void)close(user);
	if (fd < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot say that %s is there", owner);
	}
	do { /* who asks holds it for a moment */
		rc = flock(fd, LOCK_SH);
	} while (rc != 0 && errno == EINTR);
	if (rc != 0 || futimens(fd, NULL) != 0) {
		(void)err_sys(e, EX_TEMPFAIL, "cannot say that %s is there", owner);
		(void)close(fd);
		return -1;
	}
	return fd;
}

void talk_absent(int fd)
{
	if (fd >= 0) {
		(void)futimens(fd, NULL);
		(void)close(fd);
	}
}

static int look_for(int fd, bool *present, int64_t *last_us, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot look who is there");
	}
	*last_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		*present = false;
	} else if (errno == EWOULDBLOCK) {
		*present = true;
	} else {
		return err_sys(e, EX_TEMPFAIL, "cannot look who is there");
	}
	return 0;
}

int talk_presence(struct talk *t, const char *name, bool *present, int64_t *last_us, struct err *e)
{
	int user = talk_user(t, name, TALK_LOOK, e), fd, rc;

	*present = false;
	*last_us = 0;
	if (user < 0) {
		return talk_none(e);
	}
	fd = open_present(user, 0);
	(void)close(user);
	if (fd < 0) {
		return errno == ENOENT ? 0 : err_sys(e, EX_TEMPFAIL, "cannot look who is there");
	}
	rc = look_for(fd, present, last_us, e);
	(void)close(fd);
	return rc;
}

/* --- forgetting --- */

static int forget_name(void *arg, int dir, const char *name, struct err *e)
{
	(void)arg;
	return remove_name(dir, name, e);
}

/* A folder of a user's and all that is in it. The lock is held. */
static int forget_folder(int user, const char *name, struct err *e)
{
	int dir = talk_inner(user, name, false, e);
	int rc;

	if (dir < 0) {
		return talk_none(e);
	}
	rc = talk_sweep(dir, true, e) != 0 ? -1 : talk_names(dir, forget_name, NULL, e);
	(void)close(dir);
	if (rc == 0 && unlinkat(user, name, AT_REMOVEDIR) != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot remove what is kept of chats");
	}
	return rc;
}

static int forget_own(struct talk *t, const char *owner, int all, struct err *e)
{
	static const char *const folders[] = {TALK_OFFERS, TALK_WAITING, TALK_RECEIPTS, TALK_LAST};
	int user = talk_user(t, owner, TALK_LOCK, e), rc = 0;

	if (user < 0) {
		return talk_none(e);
	}
	for (size_t i = 0; rc == 0 && i < sizeof folders / sizeof folders[0]; i++) {
		rc = forget_folder(user, folders[i], e);
	}
	rc = rc == 0 ? talk_names(user, forget_name, NULL, e) : rc;
	if (rc == 0 && unlinkat(all, owner, AT_REMOVEDIR) != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot remove what is kept of chats");
	}
	rc = rc == 0 ? file_sync(all, "what is kept of chats", e) : rc;
	(void)close(user);
	return rc;
}

struct forgotten {
	struct talk *t;
	const char *owner;
};

/* What another has for him, or of him, but for packets. */
static int forget_with(void *arg, int all, const char *name, struct err *e)
{
	static const char *const folders[] = {TALK_OFFERS, TALK_RECEIPTS, TALK_LAST};
	const struct forgotten *f = arg;
	int user, dir, rc = 0;

	(void)all;
	if (!user_name_valid(name) || strcmp(name, f->owner) == 0) {
		return 0;
	}
	user = talk_user(f->t, name, TALK_LOCK, e);
	if (user < 0) {
		return talk_none(e);
	}
	for (size_t i = 0; rc == 0 && i < sizeof folders / sizeof folders[0]; i++) {
		dir = talk_inner(user, folders[i], false, e);
		if (dir < 0) {
			rc = talk_none(e);
			continue;
		}
		if (faccessat(dir, f->owner, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			rc = remove_name(dir, f->owner, e);
			rc = rc == 0 ? file_sync(dir, "what is kept of chats", e) : rc;
		}
		(void)close(dir);
	}
	(void)close(user);
	return rc;
}

int talk_forget(struct talk *t, const char *owner, struct err *e)
{
	struct forgotten f = {t, owner};
	int all, rc;

	if (!user_name_valid(owner)) {
		return err_set(e, EX_DATAERR, "there can be no chats of such a user");
	}
	all = talk_inner(t->root, TALK_FOLDER, false, e);
	if (all < 0) {
		return talk_none(e);
	}
	rc = talk_names(all, forget_with, &f, e);
	rc = rc == 0 ? forget_own(t, owner, all, e) : rc;
	(void)close(all);
	return rc;
}
