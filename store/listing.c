/* Reading a mailbox: its list, and one message of it. See box.h, and index.h for when the index can
 * be believed. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "box.h"

/* --- listing --- */

/* The index as it is, when its header says that it is current. */
static bool load_current(struct box *b, const struct box_scan *scan, struct buf *image)
{
	struct index_head head, now = {0};

	box_folder_time(b, &now);
	if (index_read_head(&b->ix, &head) != 0 || head.dirty || head.epoch != scan->epoch ||
		head.mtime_s != now.mtime_s || head.mtime_ns != now.mtime_ns) {
		return false;
	}
	return index_load(&b->ix, image, NULL) == 0 && image->n >= INDEX_HEAD;
}

struct sorted {
	struct index_record *r; /* owned */
	size_t n, cap;
	uint64_t still; /* where the first record stands that is still being delivered */
	bool stale;     /* damaged, or a PENDING record whose process is gone */
};

/* The LIVE records of an image, by (time, id). */
static int sort_live(const struct box *b, const struct buf *image, struct sorted *s, struct err *e)
{
	bool in_order = true;
	size_t at = 0;
	struct index_record r;
	int rc;

	s->still = UINT64_MAX;
	while ((rc = index_next(image, &at, &r)) > 0) {
		if (r.state == INDEX_PENDING && !s->stale && !box_is_delivering(b, &r)) {
			s->stale = true;
		} else if (r.state == INDEX_PENDING && r.offset < s->still) {
			s->still = r.offset;
		}
		if (r.state != INDEX_LIVE) {
			continue;
		}
		if (s->n == s->cap) {
			size_t cap = s->cap == 0 ? 64 : 2 * s->cap;
			struct index_record *p = reallocarray(s->r, cap, sizeof *p);
			if (p == NULL) {
				return err_set(e, EX_TEMPFAIL, "cannot list: out of memory");
			}
			s->r = p;
			s->cap = cap;
		}
		s->r[s->n] = r;
		in_order = in_order && (s->n == 0 || box_by_time(&s->r[s->n - 1], &r) <= 0);
		s->n++;
	}
	s->stale = s->stale || rc < 0;
	if (!in_order) { /* so there are some */
		qsort(s->r, s->n, sizeof *s->r, box_by_time);
	}
	for (size_t i = 0; i < s->n; i++) {
		s->r[i].rank = i + 1;
	}
	return 0;
}

static void meta_of(const struct index_record *r, struct mailbox_meta *meta)
{
	memcpy(meta->id, r->id, sizeof meta->id);
	meta->time_us = r->time_us;
	meta->chars = r->chars;
	meta->index = r->rank;
	meta->damaged = r->damaged;
	memcpy(meta->source, r->source, r->source_n);
	meta->source[r->source_n] = '\0';
	memcpy(meta->title, r->title, r->title_n);
	meta->title[r->title_n] = '\0';
}

static int visit_all(const struct sorted *s, mailbox_visit *visit, void *arg)
{
	struct mailbox_meta meta;
	struct mailbox_ref ref;
	int rc = 0;

	for (size_t i = 0; i < s->n && rc == 0; i++) {
		const struct index_record *r = &s->r[i];
		meta_of(r, &meta);
		memcpy(ref.id, r->id, sizeof ref.id);
		ref.where = r->offset;
		rc = visit(arg, &meta, &ref);
	}
	return rc;
}

/* The index, current: as it is, or after a look at the folder. */
static int load_fresh(
	struct box *b, const struct box_scan *scan, bool force, struct buf *image, struct err *e)
{
	int rc = 0;

	if (!force) {
		if (index_lock(&b->ix, false, e) != 0) {
			return -1;
		}
		bool current = load_current(b, scan, image);
		index_unlock(&b->ix);
		if (current) {
			return 0;
		}
	}
	image->n = 0;
	if (index_lock(&b->ix, true, e) != 0) {
		return -1;
	}
	if (force || !load_current(b, scan, image)) {
		image->n = 0;
		rc = box_rescan(b, scan, image, e);
	}
	index_unlock(&b->ix);
	return rc;
}

/* The messages by (time, id); s points into the image. */
static int load_sorted(struct box *b, const struct box_scan *scan, struct buf *image,
	struct sorted *s, struct err *e)
{
	int rc = load_fresh(b, scan, false, image, e);

	if (rc == 0) {
		rc = sort_live(b, image, s, e);
	}
	if (rc == 0 && s->stale) {
		s->n = 0;
		rc = load_fresh(b, scan, true, image, e);
		if (rc == 0) {
			rc = sort_live(b, image, s, e);
		}
	}
	return rc == 0 ? 0 : err_prefix(e, "mailbox %s", b->user);
}

int box_list(
	struct box *b, const struct box_scan *scan, mailbox_visit *visit, void *arg, struct err *e)
{
	struct buf image = {0};
	struct sorted s = {0};
	int rc = load_sorted(b, scan, &image, &s, e);

	rc = rc == 0 ? visit_all(&s, visit, arg) : rc;
	free(s.r);
	buf_free(&image);
	return rc;
}

static int by_offset(const void *a, const void *b)
{
	const struct index_record *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

int box_list_behind(struct box *b, const struct box_scan *scan, const uint8_t *after,
	mailbox_visit *visit, void *arg, struct err *e)
{
	struct buf image = {0};
	struct sorted s = {0}, behind;
	size_t first = 0;
	int rc = load_sorted(b, scan, &image, &s, e);

	if (rc == 0 && s.n > 0) {
		qsort(s.r, s.n, sizeof *s.r, by_offset); /* the index is appended to */
	}
	while (rc == 0 && after != NULL && first < s.n &&
		memcmp(s.r[first].id, after, MAILBOX_ID_BYTES) != 0) {
		first++;
	}
	if (rc == 0 && after != NULL && first++ == s.n) {
		rc = err_set(e, EX_NOINPUT, "the message to list behind is not there");
	}
	/* what came behind one that is still being delivered waits for it: else that one would
	 * be listed behind nothing, later */
	while (rc == 0 && s.n > first && s.r[s.n - 1].offset > s.still) {
		s.n--;
	}
	if (rc == 0) {
		behind = (struct sorted){.r = s.r + first, .n = s.n - first};
		rc = visit_all(&behind, visit, arg);
	}
	free(s.r);
	buf_free(&image);
	return rc;
}

/* --- one message --- */

int box_gone(const struct box *b, struct err *e)
{
	return err_set(e, EX_NOINPUT, "the message is no longer in mailbox %s", b->user);
}

/* What the index tells of a message. force: by a look at the folder, else by the index, and by the
 * folder where that does not know it. */
static int find(struct box *b, const struct box_scan *scan, const struct mailbox_ref *ref,
	bool force, struct box_found *found, struct err *e)
{
	struct buf image = {0};
	struct index_record r;
	int rc = 0;

	if (!force) {
		if (index_lock(&b->ix, false, e) != 0) {
			return -1;
		}
		rc = index_find(&b->ix, ref, &image, &r, e);
		index_unlock(&b->ix);
	}
	if (rc == 0) {
		rc = load_fresh(b, scan, true, &image, e);
		rc = rc == 0 ? index_search(&image, ref->id, &r) : rc;
	}
	if (rc > 0 && r.state == INDEX_LIVE) {
		r.rank = 0;
		meta_of(&r, &found->meta);
		memcpy(found->name, r.name, r.name_n);
		found->name[r.name_n] = '\0';
		found->file = r.file;
		found->where = r.offset;
	} else if (rc >= 0) {
		rc = box_gone(b, e);
	}
	buf_free(&image);
	return rc < 0 ? -1 : 0;
}

/* Find and open. 1: what stands under the name is not the file that the record tells of. */
static int try_open(struct box *b, const struct box_scan *scan, const struct mailbox_ref *ref,
	bool force, struct box_found *found, int *fd, struct err *e)
{
	struct stat st;

	*fd = -1;
	if (find(b, scan, ref, force, found, e) != 0) {
		return -1;
	}
	*fd = openat(
		b->dir, found->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (*fd < 0 && found->meta.damaged) {
		return err_set(e, EX_DATAERR, "the message is damaged");
	}
	if (*fd < 0 && errno != ENOENT && errno != ELOOP) {
		return err_sys(e, EX_TEMPFAIL, "cannot open a message of %s", b->user);
	}
	if (*fd >= 0 && fstat(*fd, &st) == 0 && box_same_file(&found->file, &st)) {
		return 0;
	}
	if (*fd >= 0) {
		(void)close(*fd);
	}
	*fd = -1;
	return 1;
}

/* By the index at first; when the folder has changed beneath it, by a look at the folder. */
int box_find(struct box *b, const struct box_scan *scan, const struct mailbox_ref *ref,
	struct box_found *found, struct err *e)
{
	int fd, rc = try_open(b, scan, ref, false, found, &fd, e);

	if (rc > 0) {
		rc = try_open(b, scan, ref, true, found, &fd, e);
	}
	return rc > 0 ? box_gone(b, e) : rc == 0 ? fd : -1;
}

int box_open_message(struct box *b, const struct box_scan *scan, const struct mailbox_ref *ref,
	uint64_t *size, struct err *e)
{
	struct box_found found;
	int fd = box_find(b, scan, ref, &found, e);

	if (fd >= 0 && found.meta.damaged) {
		(void)close(fd);
		return err_set(e, EX_DATAERR, "the message is damaged");
	}
	*size = fd < 0 ? 0 : found.file.bytes;
	return fd;
}

int box_holds(struct box *b, const struct box_scan *scan, const uint8_t id[static MAILBOX_ID_BYTES],
	struct err *e)
{
	struct mailbox_ref ref = {0};
	struct box_found found;
	struct err why;

	memcpy(ref.id, id, sizeof ref.id);
	if (find(b, scan, &ref, true, &found, &why) == 0) {
		return 1;
	}
	if (why.code != EX_NOINPUT) {
		*e = why;
		return -1;
	}
	return 0;
}
