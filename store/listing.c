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
	bool stale; /* damaged, or a PENDING record whose process is gone */
};

/* The LIVE records of an image, by (time, id). */
static int sort_live(const struct box *b, const struct buf *image, struct sorted *s, struct err *e)
{
	bool in_order = true;
	size_t at = 0;
	struct index_record r;
	int rc;

	while ((rc = index_next(image, &at, &r)) > 0) {
		if (r.state == INDEX_PENDING && !s->stale && !box_is_delivering(b, &r)) {
			s->stale = true;
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
	return 0;
}

static int visit_all(const struct sorted *s, mailbox_visit *visit, void *arg)
{
	struct mailbox_meta meta;
	struct mailbox_ref ref;
	int rc = 0;

	for (size_t i = 0; i < s->n && rc == 0; i++) {
		const struct index_record *r = &s->r[i];
		memcpy(meta.id, r->id, sizeof meta.id);
		memcpy(ref.id, r->id, sizeof ref.id);
		ref.where = r->offset;
		meta.time_us = r->time_us;
		meta.chars = r->chars;
		meta.damaged = r->damaged;
		memcpy(meta.source, r->source, r->source_n);
		meta.source[r->source_n] = '\0';
		memcpy(meta.title, r->title, r->title_n);
		meta.title[r->title_n] = '\0';
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

int box_list(
	struct box *b, const struct box_scan *scan, mailbox_visit *visit, void *arg, struct err *e)
{
	struct buf image = {0};
	struct sorted s = {0};
	int rc = load_fresh(b, scan, false, &image, e);

	if (rc == 0) {
		rc = sort_live(b, &image, &s, e);
	}
	if (rc == 0 && s.stale) {
		s.n = 0;
		rc = load_fresh(b, scan, true, &image, e);
		if (rc == 0) {
			rc = sort_live(b, &image, &s, e);
		}
	}
	if (rc == 0) {
		rc = visit_all(&s, visit, arg);
	} else {
		err_prefix(e, "mailbox %s", b->user);
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

/* The message's record and its file's name. force: by a look at the folder, else by the index, and
 * by the folder where that does not know it. */
static int find(struct box *b, const struct box_scan *scan, const struct mailbox_ref *ref,
	bool force, struct index_record *r, char name[static NAME_MAX + 1], struct err *e)
{
	struct buf image = {0};
	int rc = 0;

	if (!force) {
		if (index_lock(&b->ix, false, e) != 0) {
			return -1;
		}
		rc = index_find(&b->ix, ref, &image, r, e);
		index_unlock(&b->ix);
	}
	if (rc == 0) {
		rc = load_fresh(b, scan, true, &image, e);
		rc = rc == 0 ? index_search(&image, ref->id, r) : rc;
	}
	if (rc > 0) {
		memcpy(name, r->name, r->name_n);
		name[r->name_n] = '\0';
	}
	buf_free(&image);
	return rc < 0 ? -1 : rc == 0 || r->state != INDEX_LIVE ? box_gone(b, e) : 0;
}

/* Find and open. 1: what stands under the name is not the file that the record tells of. */
static int try_open(struct box *b, const struct box_scan *scan, const struct mailbox_ref *ref,
	bool force, struct index_record *r, char name[static NAME_MAX + 1], int *fd, struct err *e)
{
	struct stat st;

	*fd = -1;
	if (find(b, scan, ref, force, r, name, e) != 0) {
		return -1;
	}
	*fd = openat(b->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (*fd < 0 && r->damaged) {
		return err_set(e, EX_DATAERR, "the message is damaged");
	}
	if (*fd < 0 && errno != ENOENT && errno != ELOOP) {
		return err_sys(e, EX_TEMPFAIL, "cannot open a message of %s", b->user);
	}
	if (*fd >= 0 && fstat(*fd, &st) == 0 && box_same_file(&r->file, &st)) {
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
	struct index_record *r, char name[static NAME_MAX + 1], struct err *e)
{
	int fd, rc = try_open(b, scan, ref, false, r, name, &fd, e);

	if (rc > 0) {
		rc = try_open(b, scan, ref, true, r, name, &fd, e);
	}
	return rc > 0 ? box_gone(b, e) : rc == 0 ? fd : -1;
}

int box_open_message(struct box *b, const struct box_scan *scan, const struct mailbox_ref *ref,
	uint64_t *size, struct err *e)
{
	char name[NAME_MAX + 1];
	struct index_record r;
	int fd = box_find(b, scan, ref, &r, name, e);

	if (fd >= 0 && r.damaged) {
		(void)close(fd);
		return err_set(e, EX_DATAERR, "the message is damaged");
	}
	*size = r.file.bytes;
	return fd;
}
