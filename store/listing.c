/* Reading a mailbox: its list, and one message of it. See box.h, and index.h for when the index can
 * be believed. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "box.h"

/* --- listing --- */

struct sorted {
	struct index_record *r; /* owned */
	size_t n, cap;
};

/* The messages of an image, by (time, id). 0, 1 when the image is damaged, or -1. */
static int sort_listed(const struct buf *image, struct sorted *s, struct err *e)
{
	bool in_order = true;
	size_t at = INDEX_HEAD;
	struct index_record r;
	int rc;

	while ((rc = index_next(image, &at, &r)) > 0) {
		if (r.state == INDEX_DEAD) {
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
	if (!in_order) { /* so there are some */
		qsort(s->r, s->n, sizeof *s->r, box_by_time);
	}
	for (size_t i = 0; i < s->n; i++) {
		s->r[i].rank = i + 1;
	}
	return rc < 0 ? 1 : 0;
}

static void meta_of(const struct index_record *r, struct mailbox_meta *meta)
{
	memcpy(meta->id, r->id, sizeof meta->id);
	meta->time_us = r->time_us;
	meta->chars = r->chars;
	meta->bytes = r->file.bytes;
	meta->index = r->rank;
	meta->damaged = r->damaged;
	memcpy(meta->source, r->source, r->source_n);
	meta->source[r->source_n] = '\0';
	memcpy(meta->title, r->title, r->title_n);
	meta->title[r->title_n] = '\0';
}

static int visit_all(const struct sorted *s, size_t first, mailbox_visit *visit, void *arg)
{
	struct mailbox_meta meta;
	struct mailbox_ref ref;
	int rc = 0;

	for (size_t i = first; i < s->n && rc == 0; i++) {
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
	struct index_head head;
	bool current = false;
	int rc = 0;

	image->n = 0;
	if (!force) {
		if (index_lock(&b->ix, false, e) != 0) {
			return -1;
		}
		current = box_is_current(b, scan, &head) && index_load(&b->ix, image, NULL) == 0 &&
			  image->n >= INDEX_HEAD;
		index_unlock(&b->ix);
	}
	if (current) {
		return 0;
	}
	if (index_lock(&b->ix, true, e) != 0) {
		return -1;
	}
	image->n = 0;
	if (force || !box_is_current(b, scan, &head) || index_load(&b->ix, image, NULL) != 0 ||
		image->n < INDEX_HEAD) {
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

	rc = rc == 0 ? sort_listed(image, s, e) : rc;
	if (rc > 0) {
		s->n = 0;
		rc = load_fresh(b, scan, true, image, e);
		rc = rc == 0 ? sort_listed(image, s, e) : rc;
	}
	return rc >= 0 ? 0 : err_prefix(e, "mailbox %s", b->user);
}

/* How many stand ahead of the key. */
static size_t count_before(const struct sorted *s, const struct mailbox_key *from)
{
	struct index_record key = {.time_us = from->time_us};
	size_t n = 0, end = s->n;

	memcpy(key.id, from->id, sizeof key.id);
	while (n < end) {
		size_t middle = n + (end - n) / 2;
		if (box_by_time(&s->r[middle], &key) < 0) {
			n = middle + 1;
		} else {
			end = middle;
		}
	}
	return n;
}

int box_list(struct box *b, const struct box_scan *scan, const struct mailbox_key *from,
	mailbox_visit *visit, void *arg, struct err *e)
{
	struct buf image = {0};
	struct sorted s = {0};
	int rc = load_sorted(b, scan, &image, &s, e);

	if (rc == 0) {
		size_t first = from == NULL ? 0 : count_before(&s, from);
		rc = visit_all(&s, first, visit, arg);
	}
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
	struct sorted s = {0};
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
	if (rc == 0) {
		rc = visit_all(&s, first, visit, arg);
	}
	free(s.r);
	buf_free(&image);
	return rc;
}

/* --- counting --- */

/* What stands behind what was counted before. 0, 1 when the index is damaged, or -1. */
static int count_tail(struct box *b, struct index_head *head, struct buf *image, struct err *e)
{
	uint64_t base = head->counted_to;
	struct index_record r;
	size_t at = 0;
	int rc;

	if (index_load_from(&b->ix, base, image, e) != 0) {
		return -1;
	}
	while ((rc = index_next(image, &at, &r)) > 0) {
		if (r.state != INDEX_DEAD) {
			head->usage.messages++;
			head->usage.bytes += mailbox_counts(r.chars, r.file.bytes);
		}
	}
	head->counted_to = base + at;
	return rc < 0 ? 1 : 0;
}

/* From an image that a rescan made, of what is there alone. */
static void count_image(const struct buf *image, struct mailbox_usage *out)
{
	size_t at = INDEX_HEAD;
	struct index_record r;

	*out = (struct mailbox_usage){0};
	while (index_next(image, &at, &r) > 0) {
		out->messages++;
		out->bytes += mailbox_counts(r.chars, r.file.bytes);
	}
}

int box_usage(struct box *b, const struct box_scan *scan, struct mailbox_usage *out, struct err *e)
{
	struct index_head head;
	struct buf image = {0};
	int rc;

	if (index_lock(&b->ix, true, e) != 0) {
		return -1;
	}
	rc = b->ix.fd >= 0 && box_is_current(b, scan, &head) ? count_tail(b, &head, &image, e) : 1;
	if (rc == 0) {
		*out = head.usage;
		(void)index_write_head(&b->ix, &head, NULL); /* else counted again */
	} else if (rc > 0) {
		image.n = 0;
		rc = box_rescan(b, scan, &image, e);
		count_image(&image, out);
	}
	index_unlock(&b->ix);
	buf_free(&image);
	return rc == 0 ? 0 : err_prefix(e, "mailbox %s", b->user);
}

/* --- one message --- */

static int gone(const struct box *b, struct err *e)
{
	return err_set(e, EX_NOINPUT, "the message is no longer in mailbox %s", b->user);
}

/* What the index tells of a message. force: by a look at the folder, else by the index, and by the
 * folder where that does not know it. */
static int find(struct box *b, const struct box_scan *scan, const struct mailbox_ref *ref,
	bool force, struct box_found *found, struct err *e)
{
	struct buf image = {0};
	struct index_head head;
	struct index_record r;
	int rc = 0;

	if (!force) {
		if (index_lock(&b->ix, false, e) != 0) {
			return -1;
		}
		rc = box_locate(b, ref, &image, &r, e);
		/* a file tells whether it is the right one; a place in the journal may have become
		 * another's */
		force = (rc == 0 || (rc > 0 && r.state == INDEX_JOURNAL)) &&
			!box_is_current(b, scan, &head);
		index_unlock(&b->ix);
	}
	if (rc >= 0 && force) {
		rc = load_fresh(b, scan, true, &image, e);
		rc = rc == 0 ? index_search(&image, INDEX_HEAD, ref->id, &r) : rc;
	}
	if (rc > 0 && r.state != INDEX_DEAD) {
		r.rank = 0;
		meta_of(&r, &found->meta);
		found->in_journal = r.state == INDEX_JOURNAL;
		index_name(&r, found->name);
		found->file = r.file;
		found->where = r.offset;
	} else if (rc >= 0) {
		rc = gone(b, e);
	}
	buf_free(&image);
	return rc < 0 ? -1 : 0;
}

/* Find and open. 1: what stands under the name is not the file that the record tells of. */
static int try_open(struct box *b, const struct box_scan *scan, const struct mailbox_ref *ref,
	bool force, struct box_found *found, struct err *e)
{
	struct stat st;

	found->fd = -1;
	if (find(b, scan, ref, force, found, e) != 0) {
		return -1;
	}
	if (found->in_journal) {
		return 0;
	}
	found->fd = openat(
		b->dir, found->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (found->fd < 0 && found->meta.damaged) {
		return err_set(e, EX_DATAERR, "the message is damaged");
	}
	if (found->fd < 0 && errno != ENOENT && errno != ELOOP) {
		return err_sys(e, EX_TEMPFAIL, "cannot open a message of %s", b->user);
	}
	if (found->fd >= 0 && fstat(found->fd, &st) == 0 && box_same_file(&found->file, &st)) {
		return 0;
	}
	if (found->fd >= 0) {
		(void)close(found->fd);
	}
	found->fd = -1;
	return 1;
}

/* By the index at first; when the folder has changed beneath it, by a look at the folder. */
int box_find(struct box *b, const struct box_scan *scan, const struct mailbox_ref *ref,
	struct box_found *found, struct err *e)
{
	int rc = try_open(b, scan, ref, false, found, e);

	if (rc > 0) {
		rc = try_open(b, scan, ref, true, found, e);
	}
	return rc > 0 ? gone(b, e) : rc;
}
