/* One mailbox folder: opening it, and what can be told of its files; see box.h. */
#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "../crypto/file.h"
#include "hints.h"

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

void box_stamp(const struct box *b, struct index_head *h)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {0}};

	if (clock_gettime(CLOCK_REALTIME, &times[1]) == 0) {
		(void)futimens(b->dir, times); /* else by the clock's ticks, as it is */
	}
	box_folder_time(b, h);
}

bool box_same_time(const struct index_head *a, const struct index_head *b)
{
	return a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns;
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

int box_by_time(const void *a, const void *b)
{
	const struct index_record *x = a, *y = b;

	if (x->time_us != y->time_us) {
		return x->time_us < y->time_us ? -1 : 1;
	}
	return memcmp(x->id, y->id, sizeof x->id);
}

int box_check_writable(const struct box *b, struct err *e)
{
	if (b->ix.fd < 0 || !b->ix.writable) {
		errno = b->ix.why;
		return err_sys(e, EX_TEMPFAIL, "cannot open the index of mailbox %s", b->user);
	}
	return faccessat(b->dir, ".", W_OK, AT_EACCESS) == 0
		       ? 0
		       : err_sys(e, EX_TEMPFAIL, "cannot write mailbox %s", b->user);
}

/* --- suspects --- */

static uint32_t *suspect_of(const struct box_scan *scan, const char *user)
{
	/* users who share a counter only look more often */
	return &scan->suspects[fnv1a(user, strlen(user)) % BOX_SUSPECTS];
}

void box_suspect(const struct box_scan *scan, const char *user)
{
	if (scan->suspects != NULL) {
		(void)__atomic_add_fetch(suspect_of(scan, user), 1, __ATOMIC_ACQ_REL);
	}
}

uint32_t box_suspicion(const struct box_scan *scan, const char *user)
{
	return __atomic_load_n(suspect_of(scan, user), __ATOMIC_ACQUIRE);
}

bool box_is_sound(const struct box *b, const struct box_scan *scan, struct index_head *head)
{
	struct index_head now = {0};

	box_folder_time(b, &now);
	return index_read_head(&b->ix, head) == 0 && !head->dirty && head->epoch == scan->epoch &&
	       box_same_time(head, &now);
}

bool box_is_current(const struct box *b, const struct box_scan *scan, struct index_head *head)
{
	return box_is_sound(b, scan, head) &&
	       (scan->suspects == NULL || head->suspicion == box_suspicion(scan, b->user));
}

/* --- hints --- */

int box_locate(struct box *b, const struct mailbox_ref *ref, struct buf *scratch,
	struct index_record *r, struct err *e)
{
	struct mailbox_ref hinted = *ref;
	struct index_head head;
	struct hints h;
	bool found;

	if (b->ix.fd < 0) {
		return 0;
	}
	if (index_find_at(&b->ix, ref, scratch, r)) {
		return 1;
	}
	hints_open(&h, b->dir);
	found = hints_find(&h, ref->id, &hinted.where);
	hints_close(&h);
	if (found && index_find_at(&b->ix, &hinted, scratch, r) && r->state != INDEX_DEAD) {
		return 1; /* one that was removed may have come back under its id */
	}
	/* what is not a file yet is not in .ids either */
	if (index_read_head(&b->ix, &head) == 0 && head.unsettled_from >= INDEX_HEAD) {
		if (index_load_from(&b->ix, head.unsettled_from, scratch, e) != 0) {
			return -1;
		}
		if (index_search(scratch, 0, ref->id, r)) {
			r->offset += head.unsettled_from;
			return 1;
		}
	}
	return index_find(&b->ix, ref, scratch, r, e);
}

/* How many messages .ids is to hold; 0: they are too few. */
static uint64_t count_for_hints(const struct buf *image)
{
	struct index_record r;
	uint64_t count = 0;
	size_t at = INDEX_HEAD;

	while (index_next(image, &at, &r) > 0) {
		count += r.state == INDEX_LIVE ? 1 : 0;
	}
	return count < BOX_HINTS_FROM ? 0 : count;
}

static void write_hints(const struct box *b, const struct buf *image, uint64_t count)
{
	struct hints_new n;
	struct index_record r;
	size_t at = INDEX_HEAD;
	int rc = hints_begin(&n, b->dir, count);

	while (rc == 0 && index_next(image, &at, &r) > 0) {
		if (r.state == INDEX_LIVE) {
			hints_add(&n, r.id, r.offset);
		}
	}
	(void)hints_finish(&n, rc == 0);
}

void box_write_hints(const struct box *b, const struct buf *image)
{
	uint64_t count = count_for_hints(image);

	if (count > 0) {
		write_hints(b, image, count);
	}
}

/* .ids, whose making changes the folder, too: its time, which is the one in head, is noted anew.
 * Did nobody else change it meanwhile? */
static bool write_hints_alone(
	const struct box *b, struct index_head *head, const struct buf *image, uint64_t count)
{
	struct index_head now = {0};
	struct notices notices;
	unsigned names;
	bool alone;

	notices_open(&notices);
	notices_begin(&notices, b->dir);
	box_folder_time(b, &now);
	alone = box_same_time(&now, head);
	write_hints(b, image, count);
	if (alone) {
		box_stamp(b, head);
	}
	/* where nobody tells, the time has to do: each look would be the first of two, for ever */
	alone = alone && (!notices_end(&notices, &names) || names == 0);
	notices_close(&notices);
	return alone;
}

/* Write it in place, the header last: a crash between leaves none that is sound. What fails here is
 * a cache; the listing goes on with the image in memory. */
bool box_write_back(
	const struct box *b, struct index_head *head, const struct buf *image, bool clean)
{
	uint64_t count;

	if (b->ix.fd < 0 || !b->ix.writable) {
		return false;
	}
	if (ftruncate(b->ix.fd, 0) != 0 || file_write_at(b->ix.fd, image->p + INDEX_HEAD,
						   image->n - INDEX_HEAD, INDEX_HEAD) != 0) {
		return false;
	}
	count = clean ? count_for_hints(image) : 0;
	head->dirty = !clean || (count > 0 && !write_hints_alone(b, head, image, count));
	return index_write_head(&b->ix, head, NULL) == 0;
}
