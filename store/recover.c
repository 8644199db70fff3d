/* After a crash: what the journal has, and a mailbox may lack, is looked at. See files.h. */
#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"
#include "files.h"

void files_suspect_all(const struct files *f, struct entry *entry)
{
	char name[USER_NAME_MAX + 1];

	while (entry_next_name(entry, name)) {
		box_suspect(&f->scan, name);
	}
}

/* --- ids --- */

void files_sent_behind(struct files *f, uint64_t number)
{
	uint64_t was = __atomic_load_n(&f->shared->sent_behind, __ATOMIC_ACQUIRE);

	while (was < number && !__atomic_compare_exchange_n(&f->shared->sent_behind, &was, number,
				       false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
	}
}

bool files_is_sent_behind(const struct files *f)
{
	return __atomic_load_n(&f->shared->sent_behind, __ATOMIC_ACQUIRE) >=
	       journal_oldest(f->journal);
}

void files_done_for(struct files *f, const struct journal_mark *mark, const struct entry *entry)
{
	struct entry before = *entry, behind = *entry;

	if (entry->once) {
		files_sent_behind(f, mark->number);
	}
	/* twice: if this process is killed between, and for a look that came between */
	files_suspect_all(f, &before);
	journal_done(f->journal, mark);
	files_suspect_all(f, &behind);
}

/* Somebody was killed before he had done what a record says. It may not even be on disk, and is
 * about to be listed. */
static int take_over(
	struct files *f, const struct journal_mark *mark, const struct entry *entry, struct err *e)
{
	if (journal_commit(f->journal, mark, e) != 0) {
		return -1;
	}
	files_done_for(f, mark, entry);
	return 0;
}

struct search {
	struct files *f;
	uint8_t key[ENTRY_KEY];
	bool once; /* only what was sent under an id of the sender's, and the caller claims that */
};

static int matches(void *arg, const struct journal_mark *mark, const struct buf *payload, bool done,
	struct err *e)
{
	const struct search *s = arg;
	struct entry entry;

	if (entry_get(&entry, payload->p, payload->n) != 0 || entry.kind == ENTRY_REMOVED ||
		memcmp(entry.key, s->key, sizeof s->key) != 0) {
		return 0;
	}
	if (s->once && entry.once && !done && take_over(s->f, mark, &entry, e) != 0) {
		return -1;
	}
	return !s->once || entry.once ? 1 : 0;
}

int files_journal_knows(struct files *f, const uint8_t key[static ENTRY_KEY], struct err *e)
{
	struct search s = {.f = f, .once = true};

	memcpy(s.key, key, sizeof s.key);
	return journal_each(f->journal, 0, UINT64_MAX, matches, &s, e);
}

static int is_wanted(void *arg, const uint8_t key[static ENTRY_KEY], struct err *e)
{
	struct files *f = arg;
	struct search s = {0};

	memcpy(s.key, key, sizeof s.key);
	return journal_each(f->journal, 0, UINT64_MAX, matches, &s, e);
}

int files_free_key(struct files *f, const uint8_t key[static ENTRY_KEY], struct err *e)
{
	int rc = spool_is_live(&f->spool, key) ? 1 : is_wanted(f, key, e);

	return rc == 0 ? spool_unname(&f->spool, key, e) : rc;
}

/* --- what is wanted of the spool --- */

struct wanting {
	const struct buf *keys; /* sorted */
	uint8_t *wanted;        /* a byte for each */
};

static int want(void *arg, const struct journal_mark *mark, const struct buf *payload, bool done,
	struct err *e)
{
	const struct wanting *w = arg;
	const uint8_t *found;
	struct entry entry;

	(void)mark;
	(void)done;
	(void)e;
	if (entry_get(&entry, payload->p, payload->n) == 0 && entry.kind != ENTRY_REMOVED) {
		found = bsearch(
			entry.key, w->keys->p, w->keys->n / ENTRY_KEY, ENTRY_KEY, entry_by_key);
		if (found != NULL) {
			w->wanted[(size_t)(found - w->keys->p) / ENTRY_KEY] = 1;
		}
	}
	return 0;
}

/* For spool_sweep: one look at the journal, however many there are. */
static int drop_wanted(void *arg, struct buf *keys, struct err *e)
{
	const struct files *f = arg;
	struct wanting w = {.keys = keys, .wanted = calloc(keys->n / ENTRY_KEY + 1, 1)};
	size_t n = 0;
	int rc;

	if (w.wanted == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	qsort(keys->p, keys->n / ENTRY_KEY, ENTRY_KEY, entry_by_key);
	rc = journal_each(f->journal, 0, UINT64_MAX, want, &w, e);
	for (size_t i = 0; i < keys->n / ENTRY_KEY; i++) {
		if (w.wanted[i] == 0) {
			memmove(keys->p + n, keys->p + i * ENTRY_KEY, ENTRY_KEY);
			n += ENTRY_KEY;
		}
	}
	keys->n = n;
	free(w.wanted);
	return rc;
}

/* --- mailboxes --- */

struct recovery {
	struct files *f;
	struct buf looked; /* names of mailboxes that were looked at, each with its NUL */
	int rc;            /* of those that could not be */
	struct err *e;
};

static bool was_looked_at(const struct recovery *r, const char *user)
{
	for (size_t at = 0; at < r->looked.n;) {
		const char *name = (const char *)r->looked.p + at;
		if (strcmp(name, user) == 0) {
			return true;
		}
		at += strlen(name) + 1;
	}
	return false;
}

/* Bring one mailbox in line with the journal, files that are not whole included. */
static int look_at_box(struct recovery *r, const char *user, struct err *e)
{
	struct buf image = {0};
	struct box b;
	int rc;

	if (was_looked_at(r, user)) {
		return 0;
	}
	if (faccessat(r->f->root, user, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
		return errno == ENOENT /* taken away, and its mail with it */
			       ? 0
			       : err_sys(e, EX_TEMPFAIL, "cannot look at mailbox %s", user);
	}
	if (buf_append(&r->looked, user, strlen(user) + 1) != 0) {
		return err_set(e, EX_TEMPFAIL, "cannot recover: out of memory");
	}
	if (box_open(&b, r->f->root, user, e) != 0) {
		return -1;
	}
	rc = index_lock(&b.ix, true, e);
	if (rc == 0) {
		rc = box_rescan(&b, &r->f->scan, &image, e);
		index_unlock(&b.ix);
	}
	buf_free(&image);
	box_close(&b);
	return rc == 0 ? 0 : err_prefix(e, "mailbox %s", user);
}

static int visit_crashed(void *arg, const struct journal_mark *mark, const struct buf *payload,
	bool done, struct err *e)
{
	struct recovery *r = arg;
	char name[USER_NAME_MAX + 1];
	struct entry entry;

	(void)done;
	if (entry_get(&entry, payload->p, payload->n) != 0) {
		return 0;
	}
	journal_not_before(r->f->journal, entry.meta.time_us);
	while (entry_next_name(&entry, name)) {
		if (look_at_box(r, name, e) != 0) {
			box_suspect(&r->f->scan, name); /* the others are still looked at */
			r->rc = -1;
		}
	}
	journal_done(r->f->journal, mark);
	return 0;
}

static int visit_undone(void *arg, const struct journal_mark *mark, const struct buf *payload,
	bool done, struct err *e)
{
	struct recovery *r = arg;
	struct entry entry;

	if (done || journal_in_flight(r->f->journal, mark) ||
		entry_get(&entry, payload->p, payload->n) != 0) {
		return 0;
	}
	return take_over(r->f, mark, &entry, e);
}

int files_recover(struct mailbox *m, struct err *e)
{
	struct files *f = (struct files *)m;
	struct recovery r = {.f = f, .e = e};
	int rc;

	if (f->shared == NULL) {
		return 0; /* the keeper's business */
	}
	shared_lock_take(&f->shared->settle); /* no segment goes, or is carried over, meanwhile */
	if (f->shared->crashed && journal_adopted(f->journal) != 0) {
		rc = journal_each(f->journal, 0, journal_adopted(f->journal), visit_crashed, &r, e);
		f->shared->crashed = rc != 0 || r.rc != 0;
	} else {
		rc = journal_each(f->journal, 0, UINT64_MAX, visit_undone, &r, e);
	}
	buf_free(&r.looked);
	rc = rc == 0 ? r.rc : rc;
	if (spool_sweep(&f->spool, drop_wanted, f, rc == 0 ? e : NULL) != 0) {
		rc = -1;
	}
	journal_sweep(f->journal);
	shared_lock_give(&f->shared->settle);
	/* a folder made just before a crash may not be on disk yet */
	return rc == 0 ? file_sync(f->root, "the folder of mailboxes", e) : -1;
}
