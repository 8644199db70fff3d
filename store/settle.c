/* Settling: what stands in the oldest segment of the journal becomes files, which are synced; then
 * the segment is retired. States 6 to 8 of files.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "carry.h"
#include "sent.h"

enum {
	AT_ONCE = 64, /* files made under one hold of a mailbox's lock */
	FEW = 16      /* files that are synced one by one; more: all of the file system at once */
};

struct settling {
	struct files *f;
	uint64_t segment;
	struct spool_file file; /* the one that is being linked, if no name stands for it */
	char name[SPOOL_KEY_NAME + 1];
	int made[FEW];             /* descriptors of files, to sync */
	size_t made_n;             /* more than FEW: not all are there */
	struct users_list users;   /* whose mailboxes the segment changes; sorted, each once */
	struct users_list senders; /* who sent something under an id */
	size_t users_cap, senders_cap;
	size_t expected; /* messages, in each mailbox once */
	struct notices notices;
	struct box_settling boxes;
	bool carried;      /* something could not be settled */
	bool was_unsynced; /* one before this made files, and did not come to sync them */
	/* keys of the spool's names that are not needed any more: those that were made here, and
	 * those of large messages, which what is carried over is made from */
	struct buf spooled, large;
};

static int no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "cannot settle: out of memory");
}

/* --- who is concerned --- */

static int add_name(struct users_list *l, size_t *cap, const char *name, struct err *e)
{
	size_t from = 0, to = l->n;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		int d = strcmp(l->names[middle], name);
		if (d == 0) {
			return 0;
		}
		from = d < 0 ? middle + 1 : from;
		to = d < 0 ? to : middle;
	}
	if (l->n == *cap) {
		size_t more = *cap == 0 ? 16 : 2 * *cap;
		void *p = reallocarray(l->names, more, sizeof *l->names);
		if (p == NULL) {
			return no_memory(e);
		}
		l->names = p;
		*cap = more;
	}
	memmove(l->names + from + 1, l->names + from, (l->n - from) * sizeof *l->names);
	memcpy(l->names[from], name, strlen(name) + 1);
	l->n++;
	return 0;
}

/* --- making files --- */

static void keep_for_sync(struct settling *s, int fd)
{
	if (s->made_n < FEW) {
		s->made[s->made_n] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (s->made[s->made_n] < 0) {
			s->made_n = FEW; /* sync them all */
		}
	}
	s->made_n++;
}

static int write_message(struct settling *s, const struct entry *entry, struct err *e)
{
	if (spool_create(&s->f->spool, &s->file, e) != 0) {
		return -1;
	}
	if (file_write_at(s->file.fd, entry->message, entry->meta.bytes, 0) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot write a message");
	}
	spool_mark(&s->file, &entry->meta);
	keep_for_sync(s, s->file.fd);
	return 0;
}

/* A name in the spool, that several mailboxes link from. */
static int spool_entry(struct settling *s, const struct entry *entry, struct err *e)
{
	int rc = write_message(s, entry, e);

	/* what a settling that was cut short left */
	rc = rc == 0 ? spool_unname(&s->f->spool, entry->key, e) : rc;
	rc = rc == 0 ? spool_name(&s->f->spool, &s->file, entry->key, e) : rc;
	spool_discard(&s->f->spool, &s->file);
	return rc > 0 ? err_set(e, EX_TEMPFAIL, "a name in %s is taken", SPOOL_FOLDER) : rc;
}

/* For box_settle. */
static int make(void *arg, const struct index_record *r, struct box_source *from, struct stat *st,
	struct err *e)
{
	struct settling *s = arg;
	struct buf payload = {0};
	struct entry entry;
	int rc =
		journal_read(s->f->journal, r->file.inode, (uint64_t)r->file.mtime_ns, &payload, e);

	spool_discard(&s->f->spool, &s->file);
	if (rc == 0 &&
		(entry_get(&entry, payload.p, payload.n) != 0 || entry.kind == ENTRY_REMOVED ||
			memcmp(entry.meta.id, r->id, sizeof r->id) != 0)) {
		rc = 1;
	}
	if (rc == 0 && entry.kind == ENTRY_INLINED && entry.to_n == 1) {
		rc = write_message(s, &entry, e);
		*from = spool_source(&s->f->spool, &s->file);
		if (rc == 0 && fstat(s->file.fd, st) != 0) {
			rc = err_sys(e, EX_TEMPFAIL, "cannot look at a message");
		}
	} else if (rc == 0) {
		spool_key_name(s->name, entry.key);
		*from = (struct box_source){.dir = s->f->spool.dir, .path = s->name};
		if (fstatat(s->f->spool.dir, s->name, st, AT_SYMLINK_NOFOLLOW) != 0) {
			rc = err_sys(e, EX_TEMPFAIL, "cannot look at a message");
		} else if (!S_ISREG(st->st_mode)) {
			rc = err_set(e, EX_TEMPFAIL, "what is in a message's place is no file");
		}
	}
	buf_free(&payload);
	return rc;
}

/* --- the segment --- */

static int look_at(void *arg, const struct journal_mark *mark, const struct buf *payload, bool done,
	struct err *e)
{
	struct settling *s = arg;
	struct entry entry;
	char name[USER_NAME_MAX + 1];
	int rc = entry_get(&entry, payload->p, payload->n);

	if (rc != 0) {
		return 0;
	}
	if (!done) { /* he was killed before he had done it */
		files_done_for(s->f, mark, &entry);
	}
	if (entry.kind != ENTRY_REMOVED && entry.once) {
		rc = add_name(&s->senders, &s->senders_cap, entry.meta.source, e);
		if (rc == 0 && files_is_sent_behind(s->f)) {
			rc = sent_note(s->f->root, entry.meta.source, entry.meta.id, e);
		}
	}
	if (rc == 0 && entry.kind != ENTRY_REMOVED &&
		(entry.kind == ENTRY_SPOOLED || entry.to_n > 1)) {
		struct buf *keys = entry.kind == ENTRY_SPOOLED ? &s->large : &s->spooled;
		rc = buf_append(keys, entry.key, ENTRY_KEY) != 0 ? no_memory(e) : 0;
		if (rc == 0 && entry.kind == ENTRY_INLINED) {
			rc = spool_entry(s, &entry, e);
		}
	}
	s->expected += entry.kind == ENTRY_REMOVED ? 0 : entry.to_n;
	while (rc == 0 && entry_next_name(&entry, name)) {
		rc = add_name(&s->users, &s->users_cap, name, e);
	}
	return rc;
}

/* Is the mailbox gone? Somebody has taken it away, and its mail with it. */
static bool is_gone(const struct files *f, const char *user)
{
	struct stat st;

	return fstatat(f->root, user, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
}

static int settle_box(struct settling *s, const char *user, struct err *e)
{
	struct box b;
	int rc = 1;

	if (is_gone(s->f, user)) {
		return 0;
	}
	if (box_open(&b, s->f->root, user, e) != 0) {
		return -1;
	}
	while (rc > 0) {
		rc = box_settle(&b, &s->f->scan, &s->boxes, e);
	}
	spool_discard(&s->f->spool, &s->file);
	box_close(&b);
	return rc;
}

static int sync_folder(const struct files *f, const char *user, struct err *e)
{
	int dir = openat(f->root, user, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), rc;

	if (dir < 0) {
		return is_gone(f, user) ? 0
					: err_sys(e, EX_TEMPFAIL, "cannot open mailbox %s", user);
	}
	rc = file_sync(dir, user, e);
	(void)close(dir);
	return rc;
}

static int sync_few(struct settling *s, struct err *e)
{
	for (size_t i = 0; i < s->made_n; i++) {
		if (fdatasync(s->made[i]) != 0) {
			return err_sys(e, EX_TEMPFAIL, "cannot sync a message");
		}
	}
	for (size_t i = 0; i < s->users.n; i++) {
		if (sync_folder(s->f, s->users.names[i], e) != 0) {
			return -1;
		}
	}
	for (size_t i = 0; i < s->senders.n; i++) {
		if (sent_sync(s->f->root, s->senders.names[i], e) != 0) {
			return -1;
		}
	}
	return 0;
}

static int sync_all(struct settling *s, struct err *e)
{
	bool few = s->made_n <= FEW && s->users.n <= FEW && s->senders.n <= FEW &&
		   !s->was_unsynced && !s->f->shared->crashed &&
		   s->segment > journal_adopted(s->f->journal);

	if (few) {
		return sync_few(s, e);
	}
	return syncfs(s->f->root) == 0 ? 0 : err_sys(e, EX_TEMPFAIL, "cannot sync the messages");
}

static void swap_names(struct users_list *l, size_t a, size_t b)
{
	char kept[USER_NAME_MAX + 1];

	memcpy(kept, l->names[a], sizeof kept);
	memcpy(l->names[a], l->names[b], sizeof kept);
	memcpy(l->names[b], kept, sizeof kept);
}

/* The mailboxes at the front of the list could not be settled, others could. 0, and e tells why
 * all the same; or -1. */
static int carry(struct settling *s, size_t failed, struct err *e)
{
	struct users_list front = {.names = s->users.names, .n = failed};
	struct err why;

	s->carried = true;
	s->large.n = 0; /* what is not carried over of them is swept at the next start */
	if (carry_over(s->f, s->segment, &front, &why) != 0) {
		*e = why;
		return -1;
	}
	s->users.n -= failed; /* not synced */
	memmove(s->users.names, s->users.names + failed, s->users.n * sizeof *s->users.names);
	return 0;
}

static void suspect_users(const struct settling *s)
{
	for (size_t i = 0; i < s->users.n; i++) {
		box_suspect(&s->f->scan, s->users.names[i]);
	}
}

/* What a failed sync leaves in memory counts as written, and is not: it is written again. */
static void doubt(struct settling *s)
{
	s->f->shared->crashed = true;
	files_sent_behind(s->f, s->segment);
	suspect_users(s);
}

/* How many of the mailboxes could not be settled; they stand at the front then. */
static size_t settle_boxes(struct settling *s, struct err *e)
{
	size_t failed = 0;

	for (size_t i = 0; i < s->users.n; i++) {
		if (settle_box(s, s->users.names[i], e) != 0) {
			swap_names(&s->users, failed++, i);
		}
	}
	return failed;
}

static void drop_names(const struct files *f, const struct buf *keys)
{
	for (size_t at = 0; at < keys->n; at += ENTRY_KEY) {
		(void)spool_unname(&f->spool, keys->p + at, NULL); /* or swept later */
	}
}

static int settle_segment(struct settling *s, struct err *e)
{
	struct files *f = s->f;
	size_t failed = 0;
	int rc;

	s->was_unsynced = f->shared->unsynced;
	f->shared->unsynced = true;
	rc = journal_each(f->journal, s->segment, s->segment, look_at, s, e);
	failed = rc == 0 ? settle_boxes(s, e) : 0;
	if (rc == 0 && failed == 0 && s->boxes.handled < s->expected) {
		/* an index that misses one must not be believed with what is to be forgotten */
		suspect_users(s);
		failed = settle_boxes(s, e);
	}
	if (rc == 0 && failed > 0) {
		/* when nobody waits behind them, it stays where it is */
		bool others = failed < s->users.n || journal_segments(f->journal) > 1;
		rc = others ? carry(s, failed, e) : -1;
	}
	if (rc == 0 && sync_all(s, e) != 0) {
		doubt(s);
		rc = -1;
	}
	f->shared->unsynced = rc != 0;
	rc = rc == 0 ? journal_retire(f->journal, s->segment, e) : rc;
	if (rc == 0) {
		drop_names(f, &s->spooled);
		drop_names(f, &s->large);
	}
	if (rc == 0 && journal_adopted(f->journal) == 0) {
		f->shared->crashed = false;
	}
	return rc;
}

/* The oldest segment. The lock is held. 0 (*carried: but for what was carried over, e tells why), 1
 * when there is none, or -1. */
static int settle_oldest(struct files *f, bool *carried, struct err *e)
{
	struct settling s = {.f = f, .file = {.fd = -1}};
	int rc = journal_seal(f->journal, &s.segment, e);

	if (rc == 0) {
		notices_open(&s.notices);
		s.boxes = (struct box_settling){s.segment, AT_ONCE, make, &s, &s.notices, 0};
		rc = settle_segment(&s, e);
		notices_close(&s.notices);
		spool_discard(&f->spool, &s.file);
		for (size_t i = 0; i < s.made_n && i < FEW; i++) {
			if (s.made[i] >= 0) {
				(void)close(s.made[i]);
			}
		}
		*carried = *carried || s.carried;
		users_list_free(&s.users);
		users_list_free(&s.senders);
		buf_free(&s.spooled);
		buf_free(&s.large);
	}
	return rc;
}

/* The lock is held. */
static int settle_all(struct files *f, struct err *e)
{
	unsigned left = journal_segments(f->journal);
	bool carried = false;
	struct err why = {0}, ignored;
	int rc = 0;

	while (rc == 0 && (!carried || left > 0)) { /* what is carried over comes last, again */
		rc = settle_oldest(f, &carried, carried ? &ignored : &why);
		left -= left > 0 ? 1 : 0;
	}
	if ((rc < 0 || carried) && e != NULL) {
		*e = why;
	}
	return rc < 0 || carried ? -1 : 0;
}

int files_settle(struct mailbox *m, struct err *e)
{
	struct files *f = (struct files *)m;
	int rc;

	if (f->shared == NULL || !shared_lock_try(&f->shared->settle)) {
		return 0;
	}
	rc = settle_all(f, e);
	shared_lock_give(&f->shared->settle);
	return rc;
}

int files_settle_now(struct files *f, struct err *e)
{
	int rc;

	shared_lock_take(&f->shared->settle);
	rc = settle_all(f, e);
	shared_lock_give(&f->shared->settle);
	return rc;
}

static int make_room(struct files *f, struct err *e)
{
	bool carried = false;
	int rc = 0;

	shared_lock_take(&f->shared->settle);
	if (journal_segments(f->journal) == JOURNAL_SEGMENTS) { /* still */
		rc = settle_oldest(f, &carried, e);
	}
	shared_lock_give(&f->shared->settle);
	return rc < 0 ? -1 : 0;
}

int files_commit(struct files *f, struct buf *payload, struct journal_mark *mark, struct err *e)
{
	int rc;

	while ((rc = journal_append(f->journal, payload->p, payload->n - SEGMENT_RECORD, mark, e)) >
		0) {
		if (make_room(f, e) != 0) {
			return -1;
		}
	}
	if (rc == 0 && journal_commit(f->journal, mark, e) != 0) {
		journal_done(f->journal, mark);
		rc = -1;
	}
	return rc;
}
