/* Changing a mailbox: linking a message in, listing it, taking it back, removing it. See box.h, and
 * mailbox.h for the states that a delivery passes. */
#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "filename.h"

/* --- changing the folder and the index together --- */

struct edit {
	struct index_head head;
	bool was_current; /* the folder's time was the one recorded: nobody else changed it */
};

/* Lock, and mark the index dirty: a crash from here on makes the next listing look at the folder.
 */
static int edit_begin(struct box *b, struct edit *ed, struct err *e)
{
	struct index_head now = {0};

	if (b->ix.fd < 0 || !b->ix.writable) {
		return err_set(e, EX_TEMPFAIL, "mailbox %s cannot be written", b->user);
	}
	if (index_lock(&b->ix, true, e) != 0) {
		return -1;
	}
	(void)index_read_head(
		&b->ix, &ed->head); /* a new one reads as zero, which is never current */
	box_folder_time(b, &now);
	ed->was_current = !ed->head.dirty && ed->head.mtime_s == now.mtime_s &&
			  ed->head.mtime_ns == now.mtime_ns;
	ed->head.dirty = true;
	if (index_write_head(&b->ix, &ed->head, e) != 0) {
		index_unlock(&b->ix);
		return err_prefix(e, "mailbox %s", b->user);
	}
	return 0;
}

/* The pair agrees again. Where somebody else's change was seen, the old time stays and tells it. */
static void edit_end(struct box *b, struct edit *ed)
{
	if (ed->was_current) {
		box_folder_time(b, &ed->head);
		ed->head.dirty = false;
		(void)index_write_head(
			&b->ix, &ed->head, NULL); /* else dirty: looked at next time */
	}
	index_unlock(&b->ix);
}

/* --- linking --- */

/* 0 linked, 1 the name is taken, -1 failed. */
static int try_link(const struct box *b, const struct box_source *from,
	const struct mailbox_meta *meta, unsigned long copy, struct box_place *place, struct err *e)
{
	filename_make(place->name, meta->source, meta->title, copy);
	if (linkat(from->dir, from->path, b->dir, place->name, from->flags) == 0) {
		return 0;
	}
	return errno == EEXIST ? 1
			       : err_sys(e, EX_TEMPFAIL, "cannot link into mailbox %s", b->user);
}

/* A free name, found by doubling and then halving the step: with n copies of a title, some 2 log n
 * tries. Names are never reused while they exist, and a gap left by a removal may be filled. */
static int link_free_name(const struct box *b, const struct box_source *from,
	const struct mailbox_meta *meta, struct box_place *place, struct err *e)
{
	unsigned long taken = 0, copy = 1;
	int rc = try_link(b, from, meta, copy, place, e);

	while (rc == 1 && copy < 1ul << 40) {
		taken = copy;
		copy *= 2;
		/* look first: linking the far name would leave a gap below it */
		filename_make(place->name, meta->source, meta->title, copy);
		if (faccessat(b->dir, place->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			continue;
		}
		while (copy - taken > 1) {
			unsigned long middle = taken + (copy - taken) / 2;
			filename_make(place->name, meta->source, meta->title, middle);
			if (faccessat(b->dir, place->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
				taken = middle;
			} else {
				copy = middle;
			}
		}
		rc = try_link(b, from, meta, copy, place, e);
	}
	return rc == 1 ? err_set(e, EX_TEMPFAIL, "no name is free in mailbox %s", b->user) : rc;
}

int box_link(struct box *b, const struct box_source *from, const struct mailbox_meta *meta,
	const struct stat *st, struct box_place *place, struct err *e)
{
	struct index_record r = {.state = INDEX_PENDING,
		.time_us = meta->time_us,
		.chars = meta->chars,
		.file = box_file(st),
		.source = meta->source,
		.source_n = strlen(meta->source),
		.title = meta->title,
		.title_n = strlen(meta->title)};
	struct edit ed;
	int rc;

	if (edit_begin(b, &ed, e) != 0) {
		return -1;
	}
	memcpy(r.id, meta->id, sizeof r.id);
	rc = link_free_name(b, from, meta, place, e);
	if (rc == 0) {
		r.name = place->name;
		r.name_n = strlen(place->name);
		rc = index_append(&b->ix, &r, &place->where, e);
		if (rc != 0) {
			(void)unlinkat(b->dir, place->name, 0);
			err_prefix(e, "mailbox %s", b->user);
		}
	}
	edit_end(b, &ed);
	return rc;
}

static int set_state(
	struct box *b, const uint8_t *id, uint64_t where, enum index_state state, struct err *e)
{
	struct mailbox_ref ref = {.where = where};
	struct index_record r;
	struct buf scratch = {0};
	int rc;

	memcpy(ref.id, id, sizeof ref.id);
	rc = index_find(&b->ix, &ref, &scratch, &r, e);
	if (rc > 0) {
		rc = index_set_state(&b->ix, r.offset, state, e);
	}
	buf_free(&scratch);
	return rc;
}

int box_confirm(struct box *b, const struct mailbox_meta *meta, const struct box_place *place,
	struct err *e)
{
	int rc;

	if (index_lock(&b->ix, true, e) != 0) {
		return -1;
	}
	rc = set_state(b, meta->id, place->where, INDEX_LIVE, e);
	index_unlock(&b->ix);
	return rc;
}

int box_undo(struct box *b, const struct mailbox_meta *meta, const struct box_place *place,
	struct err *e)
{
	struct edit ed;
	int rc;

	if (edit_begin(b, &ed, e) != 0) {
		return -1;
	}
	rc = unlinkat(b->dir, place->name, 0);
	if (rc != 0) {
		err_sys(e, EX_TEMPFAIL, "cannot take a message back from mailbox %s", b->user);
	}
	(void)set_state(b, meta->id, place->where, INDEX_DEAD, NULL); /* the folder decides */
	edit_end(b, &ed);
	return rc == 0 ? file_sync(b->dir, b->user, e) : rc;
}

/* --- removing --- */

int box_remove(struct box *b, const struct box_found *found, struct err *e)
{
	struct edit ed;
	struct stat st;
	int rc;

	if (edit_begin(b, &ed, e) != 0) {
		return -1;
	}
	rc = fstatat(b->dir, found->name, &st, AT_SYMLINK_NOFOLLOW);
	if (rc == 0 && !box_same_file(&found->file, &st)) {
		rc = box_gone(b, e); /* removed meanwhile, and the name given to another */
	} else if (rc != 0 || unlinkat(b->dir, found->name, 0) != 0) {
		rc = errno == ENOENT
			     ? box_gone(b, e)
			     : err_sys(e, EX_TEMPFAIL, "cannot remove a message of %s", b->user);
	} else {
		(void)set_state(b, found->meta.id, found->where, INDEX_DEAD, NULL);
	}
	edit_end(b, &ed);
	return rc == 0 ? file_sync(b->dir, b->user, e) : rc;
}
