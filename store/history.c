/* What was said, at rest; see history.h. history_key.h and history_record.h have the bytes. */
#include <errno.h>
#include <fcntl.h>

#include "../crypto/file.h"
#include "history_record.h"

enum { NAME_BYTES = USER_NAME_MAX + sizeof ".history-key" };

struct history {
	int dir, fd;
	char name[NAME_BYTES];
	struct record_key key;
	uint64_t end, next; /* where the next record goes, and its number; end 0: to be found */
	uint64_t seen_at, seen_next; /* where a visit came to the end; 0: none did */
	bool failed;
};

struct names {
	char records[NAME_BYTES], key[NAME_BYTES];
};

static int make_names(struct names *n, const char *contact, struct err *e)
{
	if (!user_name_valid(contact)) {
		return err_set(e, EX_SOFTWARE, "cannot keep a history of \"%.40s\"", contact);
	}
	(void)snprintf(n->records, sizeof n->records, "%s.history", contact);
	(void)snprintf(n->key, sizeof n->key, "%s.history-key", contact);
	return 0;
}

enum history_kind history_look(int dir, const char *contact)
{
	enum history_kind kind;
	struct names n;

	return make_names(&n, contact, NULL) == 0 && history_key_look(dir, n.key, &kind, NULL) == 0
		       ? kind
		       : HISTORY_NONE;
}

/* --- deleting --- */

/* What is left of writers that were killed. */
static int sweep(int dir, const struct names *n, struct err *e)
{
	return file_sweep(dir, n->key, e) == 0 ? file_sweep(dir, n->records, e) : -1;
}

/* The folder's lock is held. */
static int destroy(int dir, const struct names *n, struct err *e)
{
	if (file_destroy(dir, n->key, e) != 0 || sweep(dir, n, e) != 0 ||
		file_sync(dir, "the folder", e) != 0) {
		return -1;
	}
	if (unlinkat(dir, n->records, 0) != 0 && errno != ENOENT) {
		return err_sys(e, file_errno_code(EX_CANTCREAT), "cannot remove %s", n->records);
	}
	return file_sync(dir, "the folder", e);
}

int history_delete(int dir, const char *contact, struct err *e)
{
	struct names n;
	int lock, rc;

	if (make_names(&n, contact, e) != 0) {
		return -1;
	}
	lock = file_lock_own(dir, e);
	if (lock < 0) {
		return -1;
	}
	rc = destroy(dir, &n, e);
	(void)close(lock);
	return rc;
}

/* --- opening --- */

static int open_key(int dir, const struct names *n, const struct history_secret *secret,
	struct history_key *key, struct err *e)
{
	enum history_kind kind;

	if (history_key_look(dir, n->key, &kind, e) != 0) {
		return -1;
	}
	if (kind != HISTORY_NONE) {
		return history_key_open(dir, n->key, secret, key, e);
	}
	/* records without a key are what a deletion left that was stopped */
	return destroy(dir, n, e) == 0 ? history_key_make(dir, n->key, secret, key, e) : -1;
}

static int check_records(const struct history *h, struct err *e)
{
	uint8_t wanted[HISTORY_HEAD], head[HISTORY_HEAD];
	struct stat st;
	ssize_t k;

	if (fstat(h->fd, &st) != 0) {
		return err_sys(e, EX_IOERR, "cannot read %s", h->name);
	}
	k = S_ISREG(st.st_mode) ? file_read_at(h->fd, head, sizeof head, 0) : 0;
	if (k < 0) {
		return err_sys(e, EX_IOERR, "cannot read %s", h->name);
	}
	history_head_make(wanted, h->key.id);
	return k == HISTORY_HEAD && memcmp(head, wanted, sizeof head) == 0
		       ? 0
		       : err_set(e, EX_CONFIG, "cannot open %s: it is not of its key", h->name);
}

static int open_records(struct history *h, struct err *e)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	uint8_t head[HISTORY_HEAD];

	h->fd = openat(h->dir, h->name, flags);
	if (h->fd < 0 && errno == ENOENT) {
		history_head_make(head, h->key.id);
		if (file_write(h->dir, h->name, head, sizeof head, 0600, FILE_NEW, e) != 0) {
			return -1;
		}
		h->fd = openat(h->dir, h->name, flags);
	}
	return h->fd >= 0 ? check_records(h, e)
			  : err_sys(e, file_errno_code(EX_CONFIG), "cannot open %s", h->name);
}

static int open_locked(struct history *h, const struct names *n,
	const struct history_secret *secret, struct err *e)
{
	struct history_key key = {.id = {0}};
	int rc = sweep(h->dir, n, e) == 0 ? open_key(h->dir, n, secret, &key, e) : -1;

	if (rc == 0) {
		gcm_init(&h->key.gcm, key.key);
		memcpy(h->key.id, key.id, sizeof key.id);
		memcpy(h->name, n->records, sizeof h->name);
		rc = open_records(h, e);
	}
	wipe(&key, sizeof key);
	return rc;
}

int history_open(struct history **out, int dir, const char *contact,
	const struct history_secret *secret, struct err *e)
{
	struct names n;
	struct history *h;
	int lock, rc;

	if (make_names(&n, contact, e) != 0) {
		return -1;
	}
	h = calloc(1, sizeof *h);
	if (h == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot open %s: out of memory", n.records);
	}
	h->fd = -1;
	h->dir = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (h->dir < 0) {
		rc = err_sys(e, file_errno_code(EX_NOINPUT), "cannot open %s", n.records);
	} else {
		lock = file_lock_own(dir, e);
		rc = lock < 0 ? -1 : open_locked(h, &n, secret, e);
		if (lock >= 0) {
			(void)close(lock);
		}
	}
	if (rc != 0) {
		history_close(h);
		return -1;
	}
	*out = h;
	return 0;
}

bool history_is_gone(const struct history *h)
{
	struct stat st;

	return fstat(h->fd, &st) == 0 && st.st_nlink == 0;
}

void history_close(struct history *h)
{
	if (h == NULL) {
		return;
	}
	if (h->fd >= 0) {
		(void)close(h->fd); /* what was written was synced */
	}
	if (h->dir >= 0) {
		(void)close(h->dir);
	}
	wipe(h, sizeof *h);
	free(h);
}

/* --- adding --- */

static struct record_walk *begin_walk(const struct history *h, struct stat *st, struct err *e)
{
	struct record_walk *w;

	if (fstat(h->fd, st) != 0) {
		(void)err_sys(e, EX_IOERR, "cannot read %s", h->name);
		return NULL;
	}
	w = malloc(sizeof *w);
	if (w == NULL) {
		(void)err_set(e, EX_TEMPFAIL, "cannot read %s: out of memory", h->name);
		return NULL;
	}
	record_walk_begin(w, &h->key, h->fd, (uint64_t)st->st_size);
	return w;
}

static void end_walk(struct record_walk *w)
{
	wipe(w, sizeof *w);
	free(w);
}

static int walk_to_end(struct record_walk *w, struct err *e)
{
	int rc = record_walk_end(w, e);

	if (rc == 0) {
		do {
			rc = record_walk_next(w, e);
		} while (rc == 1);
	}
	return rc < 0 ? -1 : 0;
}

/* Where the next record goes. What an earlier one left that was never finished is cut off. */
static int find_end(struct history *h, struct err *e)
{
	struct stat st;
	struct record_walk *w = begin_walk(h, &st, e);
	int rc;

	if (w == NULL) {
		return -1;
	}
	if (st.st_nlink == 0) {
		rc = err_set(e, EX_NOINPUT, "cannot add to %s: it was deleted", h->name);
	} else if (h->end != 0 && h->end == (uint64_t)st.st_size) {
		rc = 0; /* nobody else has added */
	} else {
		rc = walk_to_end(w, e);
		h->end = w->at;
		h->next = w->next;
		if (rc == 0 && h->end < w->size && ftruncate(h->fd, (off_t)h->end) != 0) {
			rc = err_sys(e, file_errno_code(EX_IOERR), "cannot cut %s", h->name);
		}
	}
	end_walk(w);
	return rc;
}

static int append(struct history *h, const struct buf *record, struct err *e)
{
	int rc = file_write_at(h->fd, record->p, record->n, h->end);

	rc = rc != 0 ? err_sys(e, file_errno_code(EX_IOERR), "cannot write %s", h->name)
		     : file_sync(h->fd, h->name, e);
	if (rc != 0) {
		/* nobody was told of it. After a failed sync nobody knows what is on disk: this
		 * descriptor is not asked again (hostile.md 68) */
		h->failed = true;
		if (ftruncate(h->fd, (off_t)h->end) != 0) {
			(void)err_prefix(e, "%s keeps what was not told as kept", h->name);
		}
		return -1;
	}
	h->end += record->n;
	h->next++;
	return 0;
}

int history_add(struct history *h, const void *note, size_t note_n, const void *body, size_t body_n,
	uint64_t *number, struct err *e)
{
	struct buf record = {0};
	int lock, rc;

	if (h->failed) {
		return err_set(e, EX_TEMPFAIL, "cannot add to %s: it failed before", h->name);
	}
	lock = file_lock_own(h->dir, e);
	if (lock < 0) {
		return -1;
	}
	rc = find_end(h, e);
	if (rc == 0) {
		rc = record_make(&record, &h->key, h->next, note, note_n, body, body_n, e);
	}
	if (rc == 0) {
		if (number != NULL) {
			*number = h->next;
		}
		rc = append(h, &record, e);
	}
	buf_free(&record);
	(void)close(lock);
	return rc;
}

/* --- reading --- */

struct visiting {
	uint64_t from;
	bool bodies;
	history_visit *visit;
	void *arg;
};

/* Records that cannot even be found, up to this number. */
static int visit_lost(const struct visiting *v, uint64_t number, uint64_t end, struct err *e)
{
	int rc = 0;

	for (; rc == 0 && number < end; number++) {
		const struct history_record r = {.number = number, .damaged = true};
		rc = number < v->from ? 0 : v->visit(v->arg, &r, e);
	}
	return rc;
}

static int visit_one(
	const struct visiting *v, const struct record_walk *w, struct buf *body, struct err *e)
{
	struct history_record r = {.number = w->number,
		.damaged = w->damaged,
		.note = w->note,
		.note_n = w->note_n,
		.body_n = w->body_n};
	int rc = 1;

	if (w->number < v->from) {
		return 0;
	}
	if (v->bodies && !w->damaged) {
		rc = record_body(w, body, e);
		r.body = body->p;
	}
	if (rc == 0) {
		r = (struct history_record){.number = w->number, .damaged = true};
	}
	return rc < 0 ? -1 : v->visit(v->arg, &r, e);
}

/* To the end. What an earlier visit came to the end of is not walked through again: records only
 * come behind it. */
static int visit_all(
	struct history *h, struct record_walk *w, const struct visiting *v, struct err *e)
{
	struct buf body = {0};
	uint64_t next;
	int rc = 0, found = 1;

	if (h->seen_next != 0 && v->from >= h->seen_next && h->seen_at <= w->size) {
		w->at = h->seen_at;
		w->next = h->seen_next;
	}
	for (next = w->next; rc == 0 && (found = record_walk_next(w, e)) == 1; next = w->next) {
		rc = visit_lost(v, next, w->number, e);
		rc = rc == 0 ? visit_one(v, w, &body, e) : rc;
	}
	if (rc == 0 && found == 0) {
		h->seen_at = w->at;
		h->seen_next = w->next;
	}
	buf_free(&body);
	return found < 0 ? -1 : rc;
}

int history_each(struct history *h, uint64_t from, bool bodies, history_visit *visit, void *arg,
	struct err *e)
{
	const struct visiting v = {.from = from, .bodies = bodies, .visit = visit, .arg = arg};
	struct stat st;
	struct record_walk *w = begin_walk(h, &st, e);
	int rc;

	if (w == NULL) {
		return -1;
	}
	rc = visit_all(h, w, &v, e);
	end_walk(w);
	return rc;
}
