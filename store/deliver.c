/* Delivering a message. A small one stays in memory until it goes into the journal; a larger one
 * becomes a file in the spool. The states are in files.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../crypto/file.h"
#include "files.h"
#include "pending.h"
#include "sent.h"

struct mailbox_draft {
	struct files *f;
	struct buf text;        /* of a small message, header included; the journal's room ahead */
	struct spool_file file; /* of a large one */
	size_t head_n;
	uint64_t bytes;   /* header included */
	uint64_t started; /* of them, how many the disk was asked to write already */
};

/* --- writing --- */

int files_begin(struct mailbox *m, size_t head_n, struct mailbox_draft **out, struct err *e)
{
	struct mailbox_draft *d = calloc(1, sizeof *d);

	if (d == NULL || buf_reserve(&d->text, head_n) != 0) {
		free(d);
		return err_set(e, EX_TEMPFAIL, "cannot begin a message: out of memory");
	}
	if (head_n > 0) {
		memset(d->text.p, 0, head_n);
	}
	d->text.n = head_n;
	d->f = (struct files *)m;
	d->file.fd = -1;
	d->head_n = d->bytes = head_n;
	*out = d;
	return 0;
}

void files_discard(struct mailbox_draft *d)
{
	if (d != NULL) {
		spool_discard(&d->f->spool, &d->file);
		buf_free(&d->text);
		free(d);
	}
}

static int write_file(
	const struct mailbox_draft *d, const void *p, size_t n, uint64_t at, struct err *e)
{
	return file_write_at(d->file.fd, p, n, at) == 0
		       ? 0
		       : err_sys(e, EX_TEMPFAIL, "cannot write a message");
}

/* From memory to a file. */
static int spill(struct mailbox_draft *d, struct err *e)
{
	if (spool_create(&d->f->spool, &d->file, e) != 0) {
		return -1;
	}
	if (write_file(d, d->text.p, d->text.n, 0, e) != 0) {
		return -1;
	}
	buf_free(&d->text);
	return 0;
}

int files_append(struct mailbox_draft *d, const void *p, size_t n, struct err *e)
{
	enum { AHEAD = 1 << 19 };

	if (d->file.fd < 0 && d->bytes + n <= ENTRY_INLINE) {
		d->bytes += n;
		return buf_append(&d->text, p, n) == 0
			       ? 0
			       : err_set(e, EX_TEMPFAIL, "cannot keep a message: out of memory");
	}
	if (d->file.fd < 0 && spill(d, e) != 0) {
		return -1;
	}
	if (write_file(d, p, n, d->bytes, e) != 0) {
		return -1;
	}
	d->bytes += n;
	if (d->bytes - d->started >= AHEAD) {
		/* let the disk begin while more arrives; fdatasync waits for it, and reports its
		 * errors */
		(void)sync_file_range(d->file.fd, (off_t)d->started, (off_t)(d->bytes - d->started),
			SYNC_FILE_RANGE_WRITE);
		d->started = d->bytes;
	}
	return 0;
}

/* --- delivering --- */

/* What a delivery holds on its way. */
struct delivery {
	struct mailbox_draft *d;
	struct files *f;
	const struct mailbox_delivery *v;
	struct mailbox_meta meta; /* with the bytes */
	uint8_t key[ENTRY_KEY];
	struct box first; /* the first recipient's mailbox, open all the way */
	struct journal_mark mark;
	uint64_t locked; /* a bit for each limit lock */
};

/* Every mailbox is there, and takes files: what can be known ahead is. */
static int check_boxes(struct delivery *dl, struct err *e)
{
	const struct users_list *to = dl->v->to;
	struct box b;

	if (to->n == 0 || to->n > UINT16_MAX) { /* no record says that */
		return err_set(e, EX_TEMPFAIL, "%zu recipients", to->n);
	}
	for (size_t i = 0; i < to->n; i++) {
		struct box *it = i == 0 ? &dl->first : &b;
		int rc = user_name_valid(to->names[i])
				 ? box_open(it, dl->f->root, to->names[i], e)
				 : err_set(e, EX_TEMPFAIL, "a mailbox has a user's name");
		rc = rc == 0 ? box_check_writable(it, e) : rc;
		if (i > 0) {
			box_close(it);
		}
		if (rc != 0) {
			return -1;
		}
	}
	return 0;
}

/* A large one: on disk under its key's name. */
static int sync_file(struct delivery *dl, struct err *e)
{
	struct mailbox_draft *d = dl->d;

	if (write_file(d, dl->v->head, d->head_n, 0, e) != 0) {
		return -1;
	}
	spool_mark(&d->file, &dl->meta);
	if (fdatasync(d->file.fd) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot sync a message");
	}
	return 0;
}

/* Another message of this sender may have the same id and wait to be settled: its name is in use
 * until then. */
static int name_it(struct delivery *dl, struct err *e)
{
	struct files *f = dl->f;
	int rc = spool_name(&f->spool, &dl->d->file, dl->key, e);

	if (rc > 0) {
		(void)files_settle_now(f, NULL); /* as far as it can */
		rc = files_free_key(f, dl->key, e);
		rc = rc == 0 ? spool_name(&f->spool, &dl->d->file, dl->key, e) : rc;
	}
	return rc > 0 ? err_set(e, EX_TEMPFAIL, "a message with the same id is not settled yet")
		      : rc;
}

static int spool_it(struct delivery *dl, struct err *e)
{
	if (sync_file(dl, e) != 0 || name_it(dl, e) != 0) {
		return -1;
	}
	if (file_sync(dl->f->spool.dir, SPOOL_FOLDER, e) != 0) {
		(void)spool_unname(&dl->f->spool, dl->key, NULL);
		return -1;
	}
	return 0;
}

/* --- limits: judged while nobody else delivers into these mailboxes --- */

static bool has_limit(const struct delivery *dl, size_t i)
{
	return dl->v->limits != NULL &&
	       (dl->v->limits[i].messages > 0 || dl->v->limits[i].bytes > 0);
}

static unsigned limit_lock_of(const char *user)
{
	return fnv1a(user, strlen(user)) % FILES_LIMIT_LOCKS;
}

static void lock_limits(struct delivery *dl)
{
	for (size_t i = 0; i < dl->v->to->n; i++) {
		if (has_limit(dl, i)) {
			dl->locked |= 1ull << limit_lock_of(dl->v->to->names[i]);
		}
	}
	for (unsigned k = 0; k < FILES_LIMIT_LOCKS; k++) { /* in this order, everybody */
		if ((dl->locked >> k & 1) != 0) {
			shared_lock_take(&dl->f->shared->limits[k]);
		}
	}
}

static void unlock_limits(struct delivery *dl)
{
	for (unsigned k = 0; k < FILES_LIMIT_LOCKS; k++) {
		if ((dl->locked >> k & 1) != 0) {
			shared_lock_give(&dl->f->shared->limits[k]);
		}
	}
	dl->locked = 0;
}

static int check_limit(struct delivery *dl, size_t i, struct err *e)
{
	const struct mailbox_usage *limit = &dl->v->limits[i];
	const char *user = dl->v->to->names[i];
	const uint64_t bytes = mailbox_counts(dl->meta.chars, dl->meta.bytes);
	struct mailbox_usage now;

	if (files_usage(&dl->f->base, user, &now, e) != 0) {
		return -1;
	}
	if (limit->messages > 0 && now.messages >= limit->messages) {
		return err_set(e, EX_TEMPFAIL,
			"mailbox %s is full: it holds %llu of at most %llu messages", user,
			(unsigned long long)now.messages, (unsigned long long)limit->messages);
	}
	if (limit->bytes > 0 && (now.bytes > limit->bytes || bytes > limit->bytes - now.bytes)) {
		return err_set(e, EX_TEMPFAIL,
			"mailbox %s is full: it holds %llu of at most %llu bytes, and this message "
			"has %llu",
			user, (unsigned long long)now.bytes, (unsigned long long)limit->bytes,
			(unsigned long long)bytes);
	}
	return 0;
}

static int check_limits(struct delivery *dl, struct err *e)
{
	lock_limits(dl);
	for (size_t i = 0; i < dl->v->to->n; i++) {
		if (has_limit(dl, i) && check_limit(dl, i, e) != 0) {
			return -1;
		}
	}
	return 0;
}

/* --- the keeper's way --- */

/* State 3. */
static int journal_it(struct delivery *dl, struct err *e)
{
	static const uint8_t room[SEGMENT_RECORD];
	const struct buf *text = dl->d->file.fd < 0 ? &dl->d->text : NULL;
	struct buf payload = {0};
	int rc = buf_append(&payload, room, sizeof room);

	rc = rc == 0 ? entry_put_delivered(&payload, &dl->meta, dl->v->once, dl->v->to, text) : rc;
	rc = rc == 0 ? files_commit(dl->f, &payload, &dl->mark, e)
		     : err_set(e, EX_TEMPFAIL, "cannot deliver: out of memory");
	buf_free(&payload);
	return rc;
}

/* State 4. What fails here leaves a cache behind, and is told by it. */
static void list_it(struct delivery *dl)
{
	const struct users_list *to = dl->v->to;
	struct box b;

	for (size_t i = 0; i < to->n; i++) {
		struct box *it = i == 0 ? &dl->first : &b;
		int rc = i == 0 ? 0 : box_open(it, dl->f->root, to->names[i], NULL);
		if (rc != 0 || box_add(it, &dl->meta, &dl->mark, NULL) != 0) {
			box_suspect(&dl->f->scan, to->names[i]);
		}
		if (rc == 0 && i > 0) {
			box_close(it);
		}
	}
}

static int deliver_now(struct delivery *dl, struct err *e)
{
	struct mailbox_draft *d = dl->d;
	int rc = check_boxes(dl, e);

	rc = rc == 0 ? check_limits(dl, e) : rc;
	if (rc == 0 && d->file.fd >= 0) {
		rc = spool_it(dl, e);
	} else if (rc == 0 && d->head_n > 0) {
		memcpy(d->text.p, dl->v->head, d->head_n);
	}
	if (rc == 0) {
		rc = journal_it(dl, e);
		if (rc != 0 && d->file.fd >= 0 && !journal_may_return(dl->f->journal, &dl->mark)) {
			(void)spool_unname(&dl->f->spool, dl->key, NULL);
		}
	}
	if (rc == 0) {
		list_it(dl);
	}
	unlock_limits(dl);
	return rc;
}

/* One delivery's share in files_shared.sending: two that claim one id have the same. */
struct sending {
	uint64_t *slot, share;
};

static struct sending sending_of(const struct delivery *dl)
{
	struct cursor c = cursor_over(dl->meta.id, sizeof dl->meta.id);
	uint64_t place = get_u64le(&c), tag = get_u64le(&c);

	return (struct sending){
		.slot = &dl->f->shared->sending[place % FILES_SENDING],
		.share = tag << 16 | 1,
	};
}

/* May the journal have this id, while .sent lacks it? To look there is to read all of it: an id of
 * somebody else's in the same place must not be the reason, or 32 senders look each hundredth
 * time. */
static bool may_be_journaled(const struct files *f, const struct sending *sending)
{
	uint64_t there = __atomic_load_n(sending->slot, __ATOMIC_ACQUIRE);

	return (uint16_t)there > 1 || there == sending->share || files_is_sent_behind(f);
}

static int deliver_once(struct delivery *dl, bool *again, struct err *e)
{
	struct files *f = dl->f;
	const struct sending sending = sending_of(dl);
	struct sent s;
	int rc = sent_claim(&s, f->root, dl->meta.source, dl->meta.id, again, e);

	if (rc == 0 && !*again && may_be_journaled(f, &sending)) {
		rc = files_journal_knows(f, dl->key, e);
		*again = rc > 0;
		rc = rc < 0 ? -1 : 0;
	}
	if (rc == 0 && !*again) {
		(void)__atomic_add_fetch(sending.slot, sending.share, __ATOMIC_ACQ_REL);
		rc = deliver_now(dl, e);
		if (rc == 0) {
			if (sent_add(&s, dl->meta.id, NULL) != 0) {
				files_sent_behind(f, dl->mark.number);
			}
			journal_done(f->journal, &dl->mark);
		}
		(void)__atomic_sub_fetch(sending.slot, sending.share, __ATOMIC_ACQ_REL);
	}
	sent_release(&s);
	return rc;
}

/* --- beside the keeper: into one mailbox, synced by itself --- */

/* A removal that the journal has, and that is not settled, would take this one away, too. */
static int check_not_removed(const struct delivery *dl, struct err *e)
{
	struct pending p;
	int rc = pending_load(&p, dl->f->journal, dl->v->to->names[0], e);

	for (size_t i = 0; rc == 0 && i < p.removed_n; i++) {
		if (memcmp(p.removed[i].key, dl->key, sizeof dl->key) == 0) {
			rc = err_set(e, EX_TEMPFAIL, "this message was removed a moment ago");
		}
	}
	pending_free(&p);
	return rc;
}

/* Linked, listed and synced; its id is noted then. To refuse it for want of that would have it sent
 * again, and doubled. */
static int put_beside(struct delivery *dl, struct sent *s, const struct stat *st, struct err *e)
{
	const struct box_source from = spool_source(&dl->f->spool, &dl->d->file);
	struct box_found found = {.meta = dl->meta};

	if (box_put(&dl->first, &from, &dl->meta, st, &found.where, e) != 0) {
		return -1;
	}
	if (file_sync(dl->first.dir, dl->first.user, e) != 0) {
		(void)box_remove(
			&dl->first, &found, NULL, NULL, NULL); /* as far as the disk lets it */
		return -1;
	}
	if (dl->v->once && sent_add(s, dl->meta.id, NULL) == 0) {
		(void)sent_sync(dl->f->root, dl->meta.source, NULL);
	}
	return 0;
}

static int deliver_beside(struct delivery *dl, bool *again, struct err *e)
{
	struct mailbox_draft *d = dl->d;
	struct sent s = {.dir = -1, .lock = -1};
	struct stat st;
	int rc = 0;

	if (dl->v->to->n != 1) {
		return err_set(e, EX_TEMPFAIL, "another process keeps this store");
	}
	if (dl->v->once) {
		rc = sent_claim(&s, dl->f->root, dl->meta.source, dl->meta.id, again, e);
	}
	if (rc == 0 && !*again) {
		rc = check_not_removed(dl, e);
		rc = rc == 0 && d->file.fd < 0 ? spill(d, e) : rc;
		rc = rc == 0 ? sync_file(dl, e) : rc;
		rc = rc == 0 ? check_boxes(dl, e) : rc;
		if (rc == 0 && fstat(d->file.fd, &st) != 0) {
			rc = err_sys(e, EX_TEMPFAIL, "cannot look at a message");
		}
		rc = rc == 0 ? put_beside(dl, &s, &st, e) : rc;
	}
	sent_release(&s);
	return rc;
}

int files_deliver(
	struct mailbox_draft *d, const struct mailbox_delivery *v, bool *again, struct err *e)
{
	struct delivery dl = {.d = d,
		.f = d->f,
		.v = v,
		.meta = *v->meta,
		.first = {.dir = -1, .ix = {.fd = -1}}};
	int rc;

	*again = false;
	dl.meta.bytes = d->bytes;
	entry_key(&dl.meta, dl.key);
	if (d->f->shared == NULL) {
		rc = deliver_beside(&dl, again, e);
	} else if (v->once) {
		rc = deliver_once(&dl, again, e);
	} else {
		rc = deliver_now(&dl, e);
		if (rc == 0) {
			journal_done(d->f->journal, &dl.mark);
		}
	}
	box_close(&dl.first);
	return rc;
}
