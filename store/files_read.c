/* What the files engine does with messages that are there: list, count, find, read, remove. See
 * mailbox.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "files.h"

enum { FIND_TRIES = 4 }; /* a message may be settled while it is looked for */

struct mailbox_reader {
	int fd;              /* -1: it is in memory */
	struct buf payload;  /* the journal's */
	const uint8_t *text; /* in it */
	uint64_t size;
};

int files_list(struct mailbox *m, const char *user, const struct mailbox_key *from,
	mailbox_visit *visit, void *arg, struct err *e)
{
	struct files *f = (struct files *)m;
	struct box b;
	int rc;

	if (box_open(&b, f->root, user, e) != 0) {
		return -1;
	}
	rc = box_list(&b, &f->scan, from, visit, arg, e);
	box_close(&b);
	return rc;
}

int files_list_behind(struct mailbox *m, const char *user, const uint8_t *after,
	mailbox_visit *visit, void *arg, struct err *e)
{
	struct files *f = (struct files *)m;
	struct box b;
	int rc;

	if (box_open(&b, f->root, user, e) != 0) {
		return -1;
	}
	rc = box_list_behind(&b, &f->scan, after, visit, arg, e);
	box_close(&b);
	return rc;
}

int files_usage(struct mailbox *m, const char *user, struct mailbox_usage *out, struct err *e)
{
	struct files *f = (struct files *)m;
	struct box b;
	int rc;

	if (box_open(&b, f->root, user, e) != 0) {
		return -1;
	}
	rc = box_usage(&b, &f->scan, out, e);
	box_close(&b);
	return rc;
}

static int find(struct files *f, const char *user, const struct mailbox_ref *ref,
	struct box_found *found, struct err *e)
{
	struct box b;
	int rc;

	found->fd = -1;
	if (box_open(&b, f->root, user, e) != 0) {
		return -1;
	}
	rc = box_find(&b, &f->scan, ref, found, e);
	box_close(&b);
	return rc;
}

int files_find(struct mailbox *m, const char *user, const uint8_t id[static MAILBOX_ID_BYTES],
	struct mailbox_meta *meta, struct mailbox_ref *ref, struct err *e)
{
	struct box_found found;

	*ref = (struct mailbox_ref){0};
	memcpy(ref->id, id, sizeof ref->id);
	if (find((struct files *)m, user, ref, &found, e) != 0) {
		return -1;
	}
	if (found.fd >= 0) {
		(void)close(found.fd);
	}
	*meta = found.meta;
	ref->where = found.where;
	return 0;
}

/* --- reading --- */

static int open_spooled(
	struct files *f, struct mailbox_reader *r, const struct entry *entry, struct err *e)
{
	char name[SPOOL_KEY_NAME + 1];

	spool_key_name(name, entry->key);
	r->fd = openat(f->spool.dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (r->fd < 0 && errno != ENOENT) {
		return err_sys(e, EX_TEMPFAIL, "cannot open a message in %s", SPOOL_FOLDER);
	}
	return r->fd < 0 ? 1 : 0;
}

/* From the journal. 0, 1 when it is not there any more, or -1. */
static int open_journaled(
	struct files *f, struct mailbox_reader *r, const struct box_found *found, struct err *e)
{
	struct entry entry;
	int rc = journal_read(
		f->journal, found->file.inode, (uint64_t)found->file.mtime_ns, &r->payload, e);

	if (rc != 0) {
		return rc;
	}
	if (entry_get(&entry, r->payload.p, r->payload.n) != 0 || entry.kind == ENTRY_REMOVED ||
		memcmp(entry.meta.id, found->meta.id, sizeof entry.meta.id) != 0 ||
		strcmp(entry.meta.source, found->meta.source) != 0) {
		return 1;
	}
	r->size = entry.meta.bytes;
	r->text = entry.message;
	return entry.kind == ENTRY_SPOOLED ? open_spooled(f, r, &entry, e) : 0;
}

static int try_open(struct files *f, const char *user, const struct mailbox_ref *ref,
	struct mailbox_reader *r, struct err *e)
{
	struct box_found found;

	if (find(f, user, ref, &found, e) != 0) {
		return -1;
	}
	if (found.in_journal) {
		return open_journaled(f, r, &found, e);
	}
	if (found.meta.damaged) {
		(void)close(found.fd);
		return err_set(e, EX_DATAERR, "the message is damaged");
	}
	r->fd = found.fd;
	r->size = found.file.bytes;
	return 0;
}

int files_open(struct mailbox *m, const char *user, const struct mailbox_ref *ref,
	struct mailbox_reader **out, uint64_t *size, struct err *e)
{
	struct files *f = (struct files *)m;
	struct mailbox_reader *r = calloc(1, sizeof *r);
	int rc = 1;

	if (r == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot open a message: out of memory");
	}
	r->fd = -1;
	for (int i = 0; rc > 0 && i < FIND_TRIES; i++) {
		if (i > 1) { /* settled since is one thing; the index may be wrong, too */
			box_suspect(&f->scan, user);
		}
		rc = try_open(f, user, ref, r, e);
	}
	if (rc > 0) {
		rc = err_set(e, EX_TEMPFAIL, "the message cannot be found in the journal");
	}
	if (rc != 0) {
		files_done(r);
		return -1;
	}
	*size = r->size;
	*out = r;
	return 0;
}

int files_read(struct mailbox_reader *r, uint64_t offset, void *p, size_t n, struct err *e)
{
	ssize_t k;

	if (offset > r->size || n > r->size - offset) {
		return err_set(e, EX_NOINPUT, "the message has become shorter");
	}
	if (r->fd < 0) {
		memcpy(p, r->text + offset, n);
		return 0;
	}
	k = file_read_at(r->fd, p, n, offset);
	if (k < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot read a message");
	}
	return (size_t)k == n ? 0 : err_set(e, EX_NOINPUT, "the message has become shorter");
}

void files_done(struct mailbox_reader *r)
{
	if (r != NULL) {
		if (r->fd >= 0) {
			(void)close(r->fd);
		}
		buf_free(&r->payload);
		free(r);
	}
}

/* --- removing --- */

/* That it is removed, in the journal. */
static int journal_removal(struct files *f, const char *user, const struct mailbox_meta *meta,
	struct journal_mark *mark, struct err *e)
{
	static const uint8_t room[SEGMENT_RECORD];
	uint8_t key[ENTRY_KEY];
	struct buf payload = {0};
	int rc = buf_append(&payload, room, sizeof room);

	entry_key(meta, key);
	rc = rc == 0 ? entry_put_removed(&payload, user, key) : rc;
	rc = rc == 0 ? files_commit(f, &payload, mark, e)
		     : err_set(e, EX_TEMPFAIL, "cannot remove a message: out of memory");
	buf_free(&payload);
	return rc;
}

int files_remove(struct mailbox *m, const char *user, const struct mailbox_ref *ref, struct err *e)
{
	struct files *f = (struct files *)m;
	struct journal_mark mark;
	struct box_found found;
	struct box b;
	int rc = -1;

	if (f->shared == NULL) {
		return err_set(e, EX_TEMPFAIL, "another process keeps this store");
	}
	if (box_open(&b, f->root, user, e) != 0) {
		return -1;
	}
	if (box_check_writable(&b, e) == 0 && box_find(&b, &f->scan, ref, &found, e) == 0) {
		if (found.fd >= 0) {
			(void)close(found.fd); /* it was the right file a moment ago */
		}
		rc = journal_removal(f, user, &found.meta, &mark, e);
		if (rc == 0) {
			rc = box_remove(&b, &found, f->journal, &mark, e);
			if (rc != 0) { /* in this order: a look between the two must see it */
				journal_done(f->journal, &mark);
				box_suspect(&f->scan, user);
			}
		}
	}
	box_close(&b);
	return rc;
}
