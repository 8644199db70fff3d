/* Bringing a mailbox's index in line with its folder: after a restart, a crash, a change made by
 * hand, or when the index is missing or damaged. See box.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "arrival.h"
#include "entry.h"
#include "files.h"
#include "indexed.h"
#include "pending.h"

struct rescan {
	struct box *b;
	const struct box_scan *scan;
	struct pending pending;       /* what the journal has for this mailbox */
	struct buf old;               /* the index as it was */
	struct indexed_files indexed; /* its records that are files; point into old */
	struct buf fresh, places;     /* the records to be, for arrival_sort */
	uint64_t nowhere; /* in its place for what was not listed: ahead of all, or behind */
	bool whole;       /* the index as it was told of everything that was listed */
	enum arrival arrival;
	bool must_sync;     /* what is about to be listed may not be on disk yet */
	bool skipped;       /* somebody is about to list something himself */
	struct buf guesses; /* names of files without an id that may be the journal's: they wait */
	bool guessing;      /* until those have been seen that tell what they are */
	uint8_t scratch[MAILBOX_HEAD_MAX];
};

static int no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "out of memory");
}

static struct pending_message *find_pending(const struct rescan *rs, const struct index_record *r)
{
	uint8_t key[ENTRY_KEY];

	if (rs->pending.n == 0) {
		return NULL;
	}
	pending_key(r, key);
	return pending_find(&rs->pending, key);
}

static bool is_crashed(const struct rescan *rs)
{
	return rs->scan->crashed != NULL && *rs->scan->crashed;
}

/* May files of what the journal has be not whole? */
static bool may_be_torn(const struct rescan *rs)
{
	return is_crashed(rs) || rs->scan->unkept;
}

/* Is it the file that was noted? */
static bool is_still(const struct rescan *rs, const struct index_file *file, const struct stat *st)
{
	return box_same_file(file, st) || (may_be_torn(rs) && file->inode == st->st_ino);
}

/* Which file of the folder a message of the journal has, or had, by the index: whatever looks like
 * it beside that one was copied by hand. */
static void know_inode(const struct rescan *rs, const struct index_record *r)
{
	struct pending_message *m = r->state == INDEX_JOURNAL ? NULL : find_pending(rs, r);
	char name[NAME_MAX + 1];
	struct stat st;

	if (m == NULL) {
		return;
	}
	index_name(r, name);
	if (r->state == INDEX_DEAD ? pending_is_removed(&rs->pending, m)
				   : fstatat(rs->b->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
					     S_ISREG(st.st_mode) && is_still(rs, &r->file, &st)) {
		m->inode = r->file.inode;
	}
}

static int load_indexed(struct rescan *rs, struct err *e)
{
	struct pending_message *m;
	struct index_record r;
	struct index_head head;
	size_t at = INDEX_HEAD;
	int rc;

	if (index_load(&rs->b->ix, &rs->old, e) != 0) {
		return -1;
	}
	rc = index_read_head(&rs->b->ix, &head);
	if (rc < 0) { /* it is not lost */
		return err_sys(e, EX_TEMPFAIL, "cannot read .index");
	}
	bool sound = rc == 0;
	/* what stands behind damage is found in the folder, or in the journal */
	while ((rc = index_next(&rs->old, &at, &r)) > 0) {
		if (r.state == INDEX_LIVE && indexed_add(&rs->indexed, &r) != 0) {
			return no_memory(e);
		}
		know_inode(rs, &r);
		m = r.state == INDEX_JOURNAL ? find_pending(rs, &r) : NULL;
		if (m != NULL) {
			m->place = r.offset;
		}
	}
	rs->whole = rc == 0 && sound && !head.dirty;
	rs->arrival = sound ? ARRIVAL_KNOWN : rc == 0 ? ARRIVAL_SINCE : ARRIVAL_UNKNOWN;
	indexed_sort(&rs->indexed);
	return 0;
}

static int take_record(struct rescan *rs, const struct index_record *r, struct err *e)
{
	return index_encode(&rs->fresh, r) == 0 &&
			       buf_append(&rs->places, &r->offset, sizeof r->offset) == 0
		       ? 0
		       : no_memory(e);
}

/* Its descriptor, or -1 with errno. */
static int open_message(const struct rescan *rs, const char *name, int mode)
{
	return openat(rs->b->dir, name, mode | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

/* After a crash the file of a message that the journal holds may be short, or what was never
 * written: its text is written again, in place, whatever it is now. */
static int repair(struct rescan *rs, const struct pending_message *m, const char *name,
	struct stat *st, struct err *e)
{
	struct buf payload = {0};
	struct entry entry;
	int fd = -1,
	    rc = journal_read(rs->scan->journal, m->said.mark.number, m->said.mark.at, &payload, e);

	if (rc == 0 &&
		(entry_get(&entry, payload.p, payload.n) != 0 || entry.kind != ENTRY_INLINED)) {
		rc = 1; /* a spooled one was synced before it was linked anywhere */
	}
	if (rc == 0) {
		fd = open_message(rs, name, O_WRONLY);
		if (fd < 0 || file_write_at(fd, entry.message, entry.meta.bytes, 0) != 0 ||
			ftruncate(fd, (off_t)entry.meta.bytes) != 0 || fstat(fd, st) != 0) {
			rc = err_sys(e, EX_TEMPFAIL, "cannot write a message again");
		}
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	buf_free(&payload);
	return rc < 0 ? -1 : 0;
}

/* It takes the place of what is in the journal, which may go then. */
static int sync_file(const struct rescan *rs, const char *name, struct err *e)
{
	int fd = open_message(rs, name, O_RDONLY);
	int rc = fd < 0 ? err_sys(e, EX_TEMPFAIL, "cannot open a message")
			: file_sync(fd, "a message", e);

	if (fd >= 0) {
		(void)close(fd);
	}
	return rc;
}

/* The folder has this message of the journal. */
static int take_pending(struct rescan *rs, struct pending_message *m, const char *name,
	const struct index_record *known, struct stat *st, struct err *e)
{
	struct index_record r;

	if (m->seen) {
		return 0; /* the same file under a second name, by hand */
	}
	if (m->inode == 0 && !may_be_torn(rs) && sync_file(rs, name, e) != 0) {
		return -1; /* the index names none: who put it there may not have */
	}
	m->inode = st->st_ino;
	if (rs->scan->unkept) { /* it is read from the journal */
		m->place = known != NULL ? known->offset : m->place;
		return 0;
	}
	if (is_crashed(rs) && repair(rs, m, name, st, e) != 0) {
		return -1;
	}
	m->seen = true;
	pending_record(&rs->pending, m, &r);
	r.state = INDEX_LIVE;
	r.file = box_file(st);
	r.name = name;
	r.name_n = strlen(name);
	if (known != NULL && find_pending(rs, known) == m) {
		r.offset = known->offset;
	}
	return take_record(rs, &r, e);
}

/* Was another file seen that is this message? Then this one was copied by hand. */
static bool is_copy(const struct pending_message *m, const struct stat *st)
{
	return m->inode != 0 && m->inode != st->st_ino;
}

/* Nothing is torn, and the index names no file of this message: can it be this one, which tells no
 * id? After a removal nothing is left of it, one that the index has in the journal has no file yet,
 * and its file has its size. */
static bool is_another(
	const struct rescan *rs, const struct pending_message *m, const struct stat *st)
{
	struct index_record r;

	if (may_be_torn(rs) || m->inode != 0) {
		return false;
	}
	pending_record(&rs->pending, m, &r);
	return pending_is_removed(&rs->pending, m) || m->place != UINT64_MAX ||
	       r.file.bytes != (uint64_t)st->st_size;
}

/* A file that was copied without its id looks like the message itself, and may be listed by the
 * folder ahead of it: it waits until all others were seen. */
static int wait_to_guess(struct rescan *rs, const char *name, struct err *e)
{
	return buf_append(&rs->guesses, name, strlen(name) + 1) == 0 ? 0 : no_memory(e);
}

static int remove_file(struct rescan *rs, const char *name, struct err *e)
{
	return rs->scan->unkept || unlinkat(rs->b->dir, name, 0) == 0 || errno == ENOENT
		       ? 0
		       : err_sys(e, EX_TEMPFAIL, "cannot remove a message");
}

/* A file that is not known: what it says of itself. */
static int take_unknown(struct rescan *rs, const char *name, const struct index_record *known,
	struct stat *st, struct err *e)
{
	struct mailbox_meta meta;
	struct pending_message *m;
	uint8_t key[ENTRY_KEY];
	bool has_id = false;
	int rc = box_describe(rs->b, rs->scan, name, rs->scratch, &meta, &has_id, st, e);

	if (rc <= 0) {
		return rc;
	}
	if (!has_id && meta.damaged && known != NULL && is_crashed(rs)) {
		pending_key(known, key); /* what it was */
		m = pending_find(&rs->pending, key);
	} else {
		entry_key(&meta, key);
		m = !has_id        ? pending_guess(&rs->pending, &meta)
		    : meta.damaged ? pending_by_id(&rs->pending, meta.id, st->st_ino)
				   : pending_find(&rs->pending, key);
		if (m != NULL && (!has_id || meta.damaged) && !rs->guessing) {
			return wait_to_guess(rs, name, e);
		}
		if (m != NULL && !has_id && (is_copy(m, st) || is_another(rs, m, st))) {
			m = NULL;
		}
	}
	if (m != NULL ? pending_is_removed(&rs->pending, m)
		      : pending_has_removed(&rs->pending, key)) {
		if (m != NULL) {
			m->inode = st->st_ino;
		}
		return remove_file(rs, name, e);
	}
	if (m != NULL && !is_copy(m, st)) {
		return take_pending(rs, m, name, known, st, e);
	}
	struct index_record r = {.state = INDEX_LIVE,
		.damaged = meta.damaged,
		.time_us = meta.time_us,
		.chars = meta.chars,
		.file = box_file(st),
		.source = meta.source,
		.source_n = strlen(meta.source),
		.title = meta.title,
		.title_n = strlen(meta.title),
		.name = name,
		.name_n = strlen(name),
		.offset = UINT64_MAX};
	memcpy(r.id, meta.id, sizeof r.id);
	rs->must_sync = true; /* who put it there may not have */
	return take_record(rs, &r, e);
}

static int take_file(struct rescan *rs, const char *name, struct err *e)
{
	const struct index_record *k;
	struct pending_message *m;
	uint8_t key[ENTRY_KEY];
	struct stat st;

	if (fstatat(rs->b->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		return errno == ENOENT /* gone meanwhile */
			       ? 0
			       : err_sys(e, EX_TEMPFAIL, "cannot look at a message");
	}
	if (!S_ISREG(st.st_mode)) {
		return 0; /* a symlink, FIFO, folder: skipped */
	}
	k = indexed_find(&rs->indexed, name);
	if (k != NULL && rs->pending.n == 0 && rs->pending.removed_n == 0 && !k->damaged &&
		box_same_file(&k->file, &st)) {
		return take_record(rs, k, e); /* the journal has nothing to say of it */
	}
	if (k != NULL) {
		pending_key(k, key);
	}
	if (k == NULL || k->damaged || !box_same_file(&k->file, &st) ||
		pending_has_removed(&rs->pending, key)) {
		return take_unknown(rs, name, k, &st, e);
	}
	m = pending_find(&rs->pending, key);
	return m != NULL && !is_copy(m, &st) ? take_pending(rs, m, name, k, &st, e)
					     : take_record(rs, k, e);
}

static int take_folder(struct rescan *rs, struct err *e)
{
	DIR *d = file_read_names(rs->b->dir);
	const struct dirent *entry;
	int rc = 0;

	if (d == NULL) {
		return err_sys(e, EX_TEMPFAIL, "cannot read the folder");
	}
	while (rc == 0 && (errno = 0, entry = readdir(d)) != NULL) {
		if (entry->d_name[0] != '.') {
			rc = take_file(rs, entry->d_name, e);
		}
	}
	if (rc == 0 && errno != 0) {
		rc = err_sys(e, EX_TEMPFAIL, "cannot read the folder");
	}
	(void)closedir(d);
	rs->guessing = true;
	for (size_t at = 0; rc == 0 && at < rs->guesses.n;) {
		const char *name = (const char *)rs->guesses.p + at;
		rc = take_file(rs, name, e);
		at += strlen(name) + 1;
	}
	return rc;
}

/* What the journal has, and the folder not yet. */
static int take_journal(struct rescan *rs, struct err *e)
{
	struct index_record r;

	for (size_t i = 0; i < rs->pending.n; i++) {
		const struct pending_message *m = &rs->pending.messages[i];
		bool listed = m->done || m->place != UINT64_MAX;
		if (m->seen || pending_is_removed(&rs->pending, m)) {
			continue;
		}
		if (!listed) { /* he will, if he has not */
			rs->skipped = true;
			continue;
		}
		pending_record(&rs->pending, m, &r);
		if (take_record(rs, &r, e) != 0) {
			return -1;
		}
	}
	return 0;
}

/* Which suspicion the index answers, when it was `now` ahead of the look. Whoever was skipped may
 * have told already that he could not list it himself: that is still so. Or he may have listed it
 * in an index that was lost since: only when he is done the journal tells, and another look is
 * needed. */
static uint32_t suspicion_after(const struct rescan *rs, uint32_t now)
{
	struct index_head old;

	if (rs->scan->suspects != NULL && !rs->skipped) {
		return now;
	}
	if ((!rs->skipped || rs->whole) && index_read_head(&rs->b->ix, &old) == 0 &&
		old.epoch == rs->scan->epoch) {
		return old.suspicion;
	}
	return now - 1;
}

int box_rescan(struct box *b, const struct box_scan *scan, struct buf *image, struct err *e)
{
	struct index_head head = {.epoch = scan->epoch};
	struct rescan *rs = calloc(1, sizeof *rs);
	uint32_t suspicion = scan->suspects == NULL ? 0 : box_suspicion(scan, b->user);
	int rc = -1;

	if (rs == NULL) {
		return no_memory(e);
	}
	rs->b = b;
	rs->scan = scan;
	image->n = 0;
	/* before the look: a later change is seen next time */
	if (b->ix.fd >= 0 && b->ix.writable) {
		box_stamp(b, &head);
	} else {
		box_folder_time(b, &head);
	}
	if (pending_load(&rs->pending, scan->journal, b->user, e) == 0 &&
		load_indexed(rs, e) == 0 && take_folder(rs, e) == 0 && take_journal(rs, e) == 0 &&
		(!rs->must_sync || file_sync(b->dir, b->user, e) == 0)) {
		rc = arrival_sort(&rs->fresh, &rs->places, rs->arrival, image, &head, e);
	}
	if (rc == 0) {
		/* beside the keeper there are no suspects to name: dirty says it */
		bool clean = scan->suspects != NULL || !rs->skipped || rs->whole;
		head.suspicion = suspicion_after(rs, suspicion);
		if (!box_write_back(b, &head, image, clean)) {
			b->ix.why = b->ix.writable ? errno : b->ix.why;
		}
	}
	indexed_free(&rs->indexed);
	pending_free(&rs->pending);
	buf_free(&rs->guesses);
	buf_free(&rs->old);
	buf_free(&rs->fresh);
	buf_free(&rs->places);
	free(rs);
	return rc < 0 ? -1 : 0;
}
