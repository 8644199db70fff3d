/* The files engine: one text file per message, hard-linked into each recipient's folder. The states
 * that a delivery passes are in mailbox.h; one folder and its index are in box.c; what a crash left
 * is dealt with in recover.c. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "../crypto/file.h"
#include "../crypto/random.h"

/* --- preparing --- */

static int files_prepare(struct mailbox *m, const char *user, struct err *e)
{
	struct files *f = (struct files *)m;

	if (mkdirat(f->root, user, 0700) != 0) {
		return errno == EEXIST ? 0
				       : err_sys(e, EX_TEMPFAIL, "cannot create mailbox %s", user);
	}
	return file_sync(f->root, "the folder of mailboxes", e);
}

/* --- writing --- */

/* An inode without a name, or -1: then the portable way is taken. */
static int open_unnamed(struct files *f, struct mailbox_draft *d)
{
	if (f->named_only) {
		return -1;
	}
	d->fd = openat(f->spool, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (d->fd < 0) {
		f->named_only = errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL;
		return -1;
	}
	(void)snprintf(d->source, sizeof d->source, "/proc/self/fd/%d", d->fd);
	if (access(d->source, F_OK) != 0) { /* no /proc: it could not be linked */
		(void)close(d->fd);
		d->fd = -1;
		f->named_only = true;
		return -1;
	}
	return 0;
}

static int open_named(struct files *f, struct mailbox_draft *d, struct err *e)
{
	uint8_t random[MAILBOX_ID_BYTES];
	char hex[2 * sizeof random + 1];

	if (random_bytes(random, sizeof random, e) != 0) {
		return -1;
	}
	hex_encode(hex, random, sizeof random);
	(void)snprintf(d->name, sizeof d->name, FILES_DRAFT_PREFIX "%s", hex);
	d->fd = openat(f->spool, d->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (d->fd < 0) {
		d->name[0] = '\0';
		return err_sys(e, EX_TEMPFAIL, "cannot create a message in %s", FILES_SPOOL);
	}
	return 0;
}

static void files_discard(struct mailbox_draft *d)
{
	if (d == NULL) {
		return;
	}
	if (d->name[0] != '\0') {
		(void)unlinkat(d->f->spool, d->name, 0); /* else swept at the next start */
	}
	if (d->fd >= 0) {
		(void)close(d->fd);
	}
	free(d);
}

static int files_begin(struct mailbox *m, size_t head_n, struct mailbox_draft **out, struct err *e)
{
	struct files *f = (struct files *)m;
	struct mailbox_draft *d = calloc(1, sizeof *d);

	if (d == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot begin a message: out of memory");
	}
	d->f = f;
	d->fd = -1;
	d->head_n = d->bytes = head_n;
	if (f->spool < 0) {
		err_set(e, EX_TEMPFAIL, "cannot store messages: %s cannot be opened", FILES_SPOOL);
	} else if ((open_unnamed(f, d) == 0 || open_named(f, d, e) == 0)) {
		if (flock(d->fd, LOCK_EX | LOCK_NB) == 0) {
			*out = d;
			return 0;
		}
		err_sys(e, EX_TEMPFAIL, "cannot lock a message");
	}
	files_discard(d);
	return -1;
}

static int write_at(int fd, const void *p, size_t n, uint64_t offset, struct err *e)
{
	const uint8_t *s = p;

	while (n > 0) {
		ssize_t k = pwrite(fd, s, n, (off_t)offset);
		if (k < 0 && errno != EINTR) {
			return err_sys(e, EX_TEMPFAIL, "cannot write a message");
		}
		s += k > 0 ? k : 0;
		n -= k > 0 ? (size_t)k : 0;
		offset += k > 0 ? (uint64_t)k : 0;
	}
	return 0;
}

static int files_append(struct mailbox_draft *d, const void *p, size_t n, struct err *e)
{
	enum { AHEAD = 1 << 19 };

	if (write_at(d->fd, p, n, d->bytes, e) != 0) {
		return -1;
	}
	d->bytes += n;
	if (d->bytes - d->started >= AHEAD) {
		/* let the disk begin while more arrives; fdatasync waits for it, and reports its
		 * errors */
		(void)sync_file_range(d->fd, (off_t)d->started, (off_t)(d->bytes - d->started),
			SYNC_FILE_RANGE_WRITE);
		d->started = d->bytes;
	}
	return 0;
}

/* --- delivering --- */

/* State 2: the bytes, and the id beside them, are on disk. */
static int sync_draft(const struct mailbox_draft *d, const struct mailbox_meta *meta,
	const void *head, struct err *e)
{
	uint8_t beside[FILES_XATTR_BYTES];

	if (write_at(d->fd, head, d->head_n, 0, e) != 0) {
		return -1;
	}
	memcpy(beside, meta->id, sizeof meta->id);
	put_u64le(beside + sizeof meta->id, (uint64_t)meta->time_us);
	(void)!fsetxattr(d->fd, FILES_XATTR, beside, sizeof beside, 0); /* or no attributes here */
	if (fdatasync(d->fd) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot sync a message");
	}
	return 0;
}

static struct box_source draft_source(const struct mailbox_draft *d)
{
	bool unnamed = d->name[0] == '\0';

	return (struct box_source){.dir = unnamed ? AT_FDCWD : d->f->spool,
		.path = unnamed ? d->source : d->name,
		.flags = unnamed ? AT_SYMLINK_FOLLOW : 0};
}

/* State 3: from here on a crash is completed, not forgotten. */
static int spool_intent(const struct mailbox_draft *d, const char *intent, struct err *e)
{
	struct box_source from = draft_source(d);

	if (linkat(from.dir, from.path, d->f->spool, intent, from.flags) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot link into %s", FILES_SPOOL);
	}
	if (file_sync(d->f->spool, FILES_SPOOL, e) != 0) {
		(void)unlinkat(d->f->spool, intent, 0);
		return -1;
	}
	return 0;
}

/* State 6. It is gone for good before the reply: else a power cut would bring it back, and recovery
 * would deliver again to whoever has removed the message since. (When the disk fails here of all
 * places, that is what can happen; the message was acknowledged rightly.) */
static int spool_done(const struct files *f, const char *intent, struct err *e)
{
	if (unlinkat(f->spool, intent, 0) != 0 && errno != ENOENT) {
		return err_sys(e, EX_TEMPFAIL, "cannot unlink from %s", FILES_SPOOL);
	}
	return file_sync(f->spool, FILES_SPOOL, e);
}

static int link_one(const struct mailbox_draft *d, const struct mailbox_meta *meta,
	const struct stat *st, const char *user, struct box_place *place, struct err *e)
{
	struct box_source from = draft_source(d);
	struct box b;
	int rc;

	if (box_open(&b, d->f->root, user, e) != 0) {
		return -1;
	}
	rc = box_link(&b, &from, meta, st, place, e);
	box_close(&b);
	return rc;
}

static int sync_one(const struct mailbox_draft *d, const char *user, struct err *e)
{
	int dir = openat(d->f->root, user, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), rc;

	if (dir < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot open mailbox %s", user);
	}
	rc = file_sync(dir, user, e);
	(void)close(dir);
	return rc;
}

static int confirm_one(const struct mailbox_draft *d, const struct mailbox_meta *meta,
	const char *user, const struct box_place *place, struct err *e)
{
	struct box b;
	int rc;

	if (box_open(&b, d->f->root, user, e) != 0) {
		return -1;
	}
	rc = box_confirm(&b, meta, place, e);
	box_close(&b);
	return rc;
}

/* Take back what was linked. What cannot be taken back stays PENDING, and is not listed while this
 * process lives. */
static void undo(const struct mailbox_draft *d, const struct mailbox_meta *meta,
	const struct users_list *to, const struct box_place *places, size_t n)
{
	struct box b;

	for (size_t i = 0; i < n; i++) {
		if (box_open(&b, d->f->root, to->names[i], NULL) == 0) {
			(void)box_undo(&b, meta, &places[i], NULL);
			box_close(&b);
		}
	}
}

/* States 4 and 5: into every mailbox, or into none. */
static int link_all(const struct mailbox_draft *d, const struct mailbox_meta *meta,
	const struct users_list *to, struct err *e)
{
	struct box_place *places;
	struct stat st;
	size_t linked = 0, synced = 0, confirmed = 0;

	if (fstat(d->fd, &st) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot look at a message");
	}
	places = calloc(to->n, sizeof *places);
	if (places == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot deliver: out of memory");
	}
	while (linked < to->n &&
		link_one(d, meta, &st, to->names[linked], &places[linked], e) == 0) {
		linked++;
	}
	while (linked == to->n && synced < to->n && sync_one(d, to->names[synced], e) == 0) {
		synced++;
	}
	/* nobody sees it anywhere before it is on disk everywhere */
	while (synced == to->n && confirmed < to->n &&
		confirm_one(d, meta, to->names[confirmed], &places[confirmed], e) == 0) {
		confirmed++;
	}
	if (confirmed < to->n) {
		undo(d, meta, to, places, linked);
	}
	free(places);
	return confirmed == to->n ? 0 : -1;
}

int files_deliver(struct mailbox_draft *d, const struct mailbox_meta *meta, const void *head,
	const struct users_list *to, struct err *e)
{
	char intent[2 * MAILBOX_ID_BYTES + 1];
	int rc;

	if (sync_draft(d, meta, head, e) != 0) {
		return -1;
	}
	if (to->n == 1) {
		return link_all(d, meta, to, e);
	}
	hex_encode(intent, meta->id, MAILBOX_ID_BYTES);
	if (spool_intent(d, intent, e) != 0) {
		return -1;
	}
	rc = link_all(d, meta, to, e);
	/* Delivered is delivered: an intent that stays behind finds the message in every mailbox,
	 * and does nothing. After a failure the first error is the one to tell. */
	(void)spool_done(d->f, intent, NULL);
	return rc;
}

/* --- the engine --- */

static void files_close(struct mailbox *m)
{
	struct files *f = (struct files *)m;

	if (f->spool >= 0) {
		(void)close(f->spool);
	}
	(void)close(f->root);
	free(f);
}

static const struct mailbox_ops files_ops = {
	.prepare = files_prepare,
	.recover = files_recover,
	.begin = files_begin,
	.append = files_append,
	.deliver = files_deliver,
	.deliver_once = files_deliver_once,
	.discard = files_discard,
	.list = files_list,
	.list_behind = files_list_behind,
	.find = files_find,
	.open = files_open,
	.read = files_read,
	.done = files_done,
	.remove = files_remove,
	.close = files_close,
};

/* A disk that cannot be written still serves what it holds: spool -1 refuses deliveries only. */
static int open_spool(int root)
{
	(void)!mkdirat(root, FILES_SPOOL, 0700);
	return openat(root, FILES_SPOOL, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int mailbox_files_open(int dir, mailbox_describe *describe, struct mailbox **out, struct err *e)
{
	struct files *f = calloc(1, sizeof *f);

	if (f == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot open the mailboxes: out of memory");
	}
	f->base.ops = &files_ops;
	f->scan.describe = describe;
	if (random_bytes(&f->scan.epoch, sizeof f->scan.epoch, e) != 0) {
		free(f);
		return -1;
	}
	f->root = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	if (f->root < 0) {
		free(f);
		return err_sys(e, EX_TEMPFAIL, "cannot open the mailboxes");
	}
	f->scan.epoch |= 1; /* never the zero of a header that was never written */
	f->spool = open_spool(f->root);
	*out = &f->base;
	return 0;
}
