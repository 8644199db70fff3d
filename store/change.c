/* Changing a mailbox: adding a message to the list, making its file, removing it. See box.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "box.h"
#include "hints.h"

/* --- changing the folder and the index together --- */

struct edit {
	struct index_head head;
	bool sound;       /* there is one; else the index is not believed anyway */
	bool was_current; /* the folder's time is the one noted: nobody else changed it */
};

/* Mark the index dirty: a crash from here on makes the next listing look at the folder. The lock
 * is held. */
static int edit_begin_locked(struct box *b, struct edit *ed, struct err *e)
{
	struct index_head now = {0};
	int rc = index_read_head(&b->ix, &ed->head);

	if (rc < 0) { /* what it says may still be believed, and would be wrong */
		return err_sys(e, EX_TEMPFAIL, "cannot read the index of mailbox %s", b->user);
	}
	ed->sound = rc == 0;
	ed->was_current = false;
	if (!ed->sound) {
		return 0;
	}
	box_folder_time(b, &now);
	ed->was_current = !ed->head.dirty && box_same_time(&ed->head, &now);
	ed->head.dirty = true;
	return index_write_head(&b->ix, &ed->head, e) == 0 ? 0
							   : err_prefix(e, "mailbox %s", b->user);
}

/* Just ahead of a change of the folder: has somebody else changed it since its time was noted? */
static void edit_look(const struct box *b, struct edit *ed)
{
	struct index_head now = {0};

	box_folder_time(b, &now);
	ed->was_current = ed->was_current && box_same_time(&ed->head, &now);
}

/* Just behind it; a change of somebody else's from here on is seen next time. */
static void edit_stamp(const struct box *b, struct edit *ed)
{
	if (ed->was_current) {
		box_stamp(b, &ed->head);
	}
}

/* The pair agrees again. Where somebody else's change was seen, the index stays dirty. */
static void edit_finish(struct box *b, struct edit *ed)
{
	ed->head.dirty = !ed->was_current;
	if (ed->sound) {
		(void)index_write_head(
			&b->ix, &ed->head, NULL); /* else dirty: looked at next time */
	}
}

static int lock_to_write(struct box *b, struct err *e)
{
	if (b->ix.fd < 0 || !b->ix.writable) {
		errno = b->ix.why;
		return err_sys(e, EX_TEMPFAIL, "cannot write mailbox %s", b->user);
	}
	return index_lock(&b->ix, true, e);
}

static int edit_begin(struct box *b, struct edit *ed, struct err *e)
{
	if (lock_to_write(b, e) != 0) {
		return -1;
	}
	if (edit_begin_locked(b, ed, e) != 0) {
		index_unlock(&b->ix);
		return -1;
	}
	return 0;
}

static void edit_end(struct box *b, struct edit *ed)
{
	edit_finish(b, ed);
	index_unlock(&b->ix);
}

/* The message of this record is there no more. */
static void uncount(struct index_head *head, const struct index_record *r)
{
	if (r->offset < head->counted_to && head->usage.messages > 0) {
		head->usage.messages--;
		head->usage.bytes -= mailbox_counts(r->chars, r->file.bytes);
	}
}

/* --- names --- */

/* The last name that was given in this mailbox: the next of the same is likely to follow it. */
struct last_name {
	struct index_record r; /* its source and title, until the image goes */
	bool known;
};

static bool same_stem(const struct index_record *a, const struct index_record *b)
{
	return a->source_n == b->source_n && a->title_n == b->title_n &&
	       memcmp(a->source, b->source, a->source_n) == 0 &&
	       memcmp(a->title, b->title, a->title_n) == 0;
}

static bool is_taken(const struct box *b, struct index_record *r, uint32_t copy)
{
	char name[NAME_MAX + 1];

	r->copy = copy;
	index_name(r, name);
	return faccessat(b->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* 0 linked, 1 the name is taken, -1 failed. */
static int try_link(const struct box *b, const struct box_source *from, struct index_record *r,
	uint32_t copy, struct err *e)
{
	char name[NAME_MAX + 1];

	r->copy = copy;
	index_name(r, name);
	if (linkat(from->dir, from->path, b->dir, name, from->flags) == 0) {
		return 0;
	}
	return errno == EEXIST ? 1
			       : err_sys(e, EX_TEMPFAIL, "cannot link into mailbox %s", b->user);
}

/* A free name for r, found by doubling and then halving the step: with n copies of a title, some 2
 * log n tries. No name is reused while it exists; a gap left by a removal may be filled. */
static int link_free_name(const struct box *b, const struct box_source *from,
	struct index_record *r, uint32_t first, struct err *e)
{
	uint32_t taken = 0, copy = first;
	int rc = try_link(b, from, r, copy, e);

	while (rc == 1 && copy < 1u << 30) {
		taken = copy;
		copy *= 2;
		/* look first: linking the far name would leave a gap below it */
		if (is_taken(b, r, copy)) {
			continue;
		}
		while (copy - taken > 1) {
			uint32_t middle = taken + (copy - taken) / 2;
			if (is_taken(b, r, middle)) {
				taken = middle;
			} else {
				copy = middle;
			}
		}
		rc = try_link(b, from, r, copy, e);
	}
	return rc == 1 ? err_set(e, EX_TEMPFAIL, "no name is free in mailbox %s", b->user) : rc;
}

/* --- adding --- */

static struct index_record record_of(const struct mailbox_meta *meta, enum index_state state)
{
	struct index_record r = {.state = state,
		.time_us = meta->time_us,
		.chars = meta->chars,
		.source = meta->source,
		.source_n = strlen(meta->source),
		.title = meta->title,
		.title_n = strlen(meta->title)};

	memcpy(r.id, meta->id, sizeof r.id);
	return r;
}

/* Is the index that was opened a while ago still the mailbox's? */
static bool is_in_place(const struct box *b)
{
	struct stat opened, named;

	return fstat(b->ix.fd, &opened) == 0 &&
	       fstatat(b->dir, ".index", &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

int box_add(struct box *b, const struct mailbox_meta *meta, const struct journal_mark *mark,
	struct err *e)
{
	struct index_record r = record_of(meta, INDEX_JOURNAL);
	uint64_t where;
	int rc;

	r.file = (struct index_file){
		.bytes = meta->bytes, .inode = mark->number, .mtime_ns = (int64_t)mark->at};
	if (lock_to_write(b, e) != 0) {
		return -1;
	}
	rc = is_in_place(b) ? index_append(&b->ix, &r, &where, e)
			    : err_set(e, EX_TEMPFAIL, "its index was taken away");
	index_unlock(&b->ix);
	return rc == 0 ? 0 : err_prefix(e, "mailbox %s", b->user);
}

int box_put(struct box *b, const struct box_source *from, const struct mailbox_meta *meta,
	const struct stat *st, uint64_t *where, struct err *e)
{
	struct index_record r = record_of(meta, INDEX_LIVE);
	char name[NAME_MAX + 1];
	struct edit ed;
	int rc;

	r.file = box_file(st);
	if (edit_begin(b, &ed, e) != 0) {
		return -1;
	}
	edit_look(b, &ed);
	rc = link_free_name(b, from, &r, 1, e);
	if (rc == 0) {
		edit_stamp(b, &ed);
		rc = index_append(&b->ix, &r, where, e);
		if (rc != 0) {
			index_name(&r, name);
			(void)unlinkat(b->dir, name, 0);
			err_prefix(e, "mailbox %s", b->user);
		}
	}
	edit_end(b, &ed);
	return rc;
}

/* --- making files --- */

struct settling {
	struct box *b;
	struct box_settling *what;
	struct edit ed;
	struct last_name last;
	struct hints hints;
	bool wants_hints; /* .ids is too small, or not there */
	unsigned linked;  /* files made */
};

/* Settling takes long: does the kernel tell of our changes of the folder, and of no other one? */
static bool only_ours(const struct settling *s)
{
	unsigned names;

	return notices_end(s->what->notices, &names) && names == s->linked;
}

static int settle_one(struct settling *s, struct index_record *r, struct err *e)
{
	struct box_source from;
	struct stat st;
	uint32_t first = 1;
	int rc = s->what->make(s->what->arg, r, &from, &st, e);

	if (rc < 0) {
		return -1;
	}
	if (rc > 0) { /* never committed, or of another life: not a message */
		uncount(&s->ed.head, r);
		return index_set_state(&s->b->ix, r->offset, INDEX_DEAD, e);
	}
	if (s->last.known && same_stem(&s->last.r, r)) {
		first = s->last.r.copy + 1;
	}
	if (link_free_name(s->b, &from, r, first, e) != 0) {
		return -1;
	}
	s->linked++;
	s->last.r = *r;
	s->last.known = true;
	r->state = INDEX_LIVE;
	r->file = box_file(&st);
	if (index_replace(&s->b->ix, r, e) != 0) {
		return -1;
	}
	s->wants_hints = s->wants_hints || hints_put(&s->hints, r->id, r->offset) > 0;
	return 0;
}

/* Some messages from the first that may have no file. 1, 0 or -1. */
static int settle_some(struct settling *s, struct buf *image, struct err *e)
{
	uint64_t base = s->ed.head.unsettled_from, stop = UINT64_MAX;
	struct index_record r;
	unsigned made = 0;
	size_t at = 0;
	int rc = 0;

	base = base < INDEX_HEAD ? INDEX_HEAD : base;
	if (index_load_from(&s->b->ix, base, image, e) != 0) {
		return -1;
	}
	while (rc == 0 && made < s->what->most) {
		size_t here = at;
		int got = index_next(image, &at, &r);
		if (got <= 0) {
			s->ed.was_current = s->ed.was_current && got == 0; /* damaged: look anew */
			rc = got < 0 ? err_set(e, EX_TEMPFAIL, "the index is damaged") : 0;
			break;
		}
		if (r.state != INDEX_JOURNAL) {
			bool removed = r.state == INDEX_DEAD && r.file.inode == s->what->segment;
			s->what->handled += removed ? 1 : 0;
			continue;
		}
		r.offset = base + here;
		if (r.file.inode != s->what->segment) {
			stop = stop == UINT64_MAX ? r.offset : stop;
			continue;
		}
		rc = settle_one(s, &r, e);
		s->what->handled += rc == 0 ? 1 : 0;
		made++;
		if (rc != 0) { /* its file may be there: look before another one is made */
			s->ed.was_current = false;
			at = here;
		}
	}
	s->ed.head.unsettled_from = stop != UINT64_MAX ? stop : base + at;
	return rc != 0 ? -1 : made == s->what->most ? 1 : 0;
}

int box_settle(struct box *b, const struct box_scan *scan, struct box_settling *what, struct err *e)
{
	struct settling s = {.b = b, .what = what};
	struct index_head head;
	struct buf image = {0};
	int rc = 0;

	if (lock_to_write(b, e) != 0) {
		return -1;
	}
	bool sound = box_is_current(b, scan, &head);
	for (int looks = 0; rc == 0 && !sound && looks < 2; looks++) {
		rc = box_rescan(b, scan, &image, e); /* which may itself remove something */
		sound = rc == 0 && box_is_sound(b, scan, &head);
	}
	if (rc == 0 && !sound) {
		errno = b->ix.why != 0 ? b->ix.why : EAGAIN; /* somebody changes it */
		rc = err_sys(e, EX_TEMPFAIL, "cannot write the index of mailbox %s", b->user);
	}
	notices_begin(what->notices, b->dir); /* ahead of the look at the folder's time */
	rc = rc == 0 ? edit_begin_locked(b, &s.ed, e) : rc;
	if (rc == 0) {
		hints_open(&s.hints, b->dir);
		rc = settle_some(&s, &image, e);
		hints_close(&s.hints);
		if (rc == 0 && s.wants_hints && index_load(&b->ix, &image, NULL) == 0) {
			box_write_hints(b, &image);
		}
		edit_stamp(b, &s.ed);
		s.ed.was_current = only_ours(&s) && s.ed.was_current;
		edit_finish(b, &s.ed);
	} else {
		(void)only_ours(&s);
	}
	index_unlock(&b->ix);
	buf_free(&image);
	return rc;
}

/* --- removing --- */

static bool is_found(const struct box_found *found, const struct index_record *r)
{
	return memcmp(r->id, found->meta.id, sizeof r->id) == 0 &&
	       r->source_n == strlen(found->meta.source) &&
	       memcmp(r->source, found->meta.source, r->source_n) == 0;
}

/* The record may have become a file's since it was found; the folder may have changed, too. */
static int find_again(struct box *b, const struct box_found *found, struct buf *scratch,
	struct index_record *r, struct err *e)
{
	struct mailbox_ref ref = {.where = found->where};

	memcpy(ref.id, found->meta.id, sizeof ref.id);
	int rc = box_locate(b, &ref, scratch, r, e);
	if (rc <= 0 || is_found(found, r)) {
		return rc;
	}
	/* of another sender, who chose the same id */
	rc = index_load(&b->ix, scratch, e);
	for (size_t at = INDEX_HEAD; rc == 0 && index_next(scratch, &at, r) > 0;) {
		rc = r->state != INDEX_DEAD && is_found(found, r) ? 1 : 0;
	}
	return rc;
}

static int unlink_file(struct box *b, const struct index_record *r, struct err *e)
{
	char name[NAME_MAX + 1];
	struct stat st;

	index_name(r, name);
	if (fstatat(b->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!box_same_file(&r->file, &st)) {
			return 0; /* taken away by hand, and the name given to another */
		}
	} else if (errno != ENOENT) {
		return err_sys(e, EX_TEMPFAIL, "cannot look at a message of %s", b->user);
	}
	return unlinkat(b->dir, name, 0) == 0 || errno == ENOENT
		       ? 0
		       : err_sys(e, EX_TEMPFAIL, "cannot remove a message of %s", b->user);
}

int box_remove(struct box *b, const struct box_found *found, struct journal *j,
	const struct journal_mark *mark, struct err *e)
{
	struct index_record r;
	struct buf scratch = {0};
	struct edit ed;
	int rc;

	if (edit_begin(b, &ed, e) != 0) {
		return -1;
	}
	rc = find_again(b, found, &scratch, &r, e);
	if (rc == 0 || (rc > 0 && r.state == INDEX_DEAD)) {
		rc = err_set(e, EX_NOINPUT, "the message is no longer in mailbox %s", b->user);
	} else if (rc > 0) {
		edit_look(b, &ed);
		rc = r.state == INDEX_LIVE ? unlink_file(b, &r, e) : 0;
		edit_stamp(b, &ed);
		rc = rc == 0 ? index_set_state(&b->ix, r.offset, INDEX_DEAD, e) : rc;
		if (rc == 0) {
			uncount(&ed.head, &r);
			if (mark != NULL) {
				journal_done(j, mark);
			}
		}
	}
	edit_end(b, &ed);
	buf_free(&scratch);
	return rc;
}
