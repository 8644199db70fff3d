/* One mailbox folder: opening it, and what can be told of its files; see box.h. */
#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "../crypto/file.h"

int box_open(struct box *b, int root, const char *user, struct err *e)
{
	*b = (struct box){.dir = -1, .ix = {.fd = -1}, .user = user};
	b->dir = openat(root, user, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b->dir < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot open mailbox %s", user);
	}
	if (index_open(&b->ix, b->dir, e) != 0) {
		box_close(b);
		return err_prefix(e, "mailbox %s", user);
	}
	return 0;
}

void box_close(struct box *b)
{
	index_close(&b->ix);
	if (b->dir >= 0) {
		(void)close(b->dir); /* read only */
	}
	b->dir = -1;
}

void box_folder_time(const struct box *b, struct index_head *h)
{
	struct stat st;

	if (fstat(b->dir, &st) == 0) {
		h->mtime_s = (uint64_t)st.st_mtim.tv_sec;
		h->mtime_ns = (uint32_t)st.st_mtim.tv_nsec;
	}
}

struct index_file box_file(const struct stat *st)
{
	return (struct index_file){.bytes = (uint64_t)st->st_size,
		.inode = (uint64_t)st->st_ino,
		.mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec};
}

bool box_same_file(const struct index_file *a, const struct stat *st)
{
	struct index_file b = box_file(st);

	return a->bytes == b.bytes && a->inode == b.inode && a->mtime_ns == b.mtime_ns;
}

bool box_is_delivering(const struct box *b, const struct index_record *r)
{
	char name[NAME_MAX + 1];
	bool busy;
	int fd;

	memcpy(name, r->name, r->name_n);
	name[r->name_n] = '\0';
	fd = openat(b->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		return false;
	}
	busy = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	(void)close(fd);
	return busy;
}

int box_by_time(const void *a, const void *b)
{
	const struct index_record *x = a, *y = b;

	if (x->time_us != y->time_us) {
		return x->time_us < y->time_us ? -1 : 1;
	}
	return memcmp(x->id, y->id, sizeof x->id);
}

int box_has_inode(const struct box *b, const struct stat *wanted, struct err *e)
{
	DIR *d = file_read_names(b->dir);
	const struct dirent *entry;
	struct stat st;
	int found = 0;

	if (d == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot read mailbox %s", b->user);
	}
	/* not d_ino: overlays and btrfs put other numbers there */
	while (found == 0 && (errno = 0, entry = readdir(d)) != NULL) {
		found = fstatat(b->dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			st.st_ino == wanted->st_ino && st.st_dev == wanted->st_dev;
	}
	if (found == 0 && errno != 0) {
		found = err_sys(e, EX_TEMPFAIL, "cannot read mailbox %s", b->user);
	}
	(void)closedir(d);
	return found;
}
