/* What is kept of chats: what waits to be fetched, and what is done with. See talk.h. */
#include "talk_files.h"

struct receipts {
	talk_visit_packet *visit;
	void *arg;
	const uint8_t
		*after; /* what stands ahead of the one with this id, and it, are passed over; or
			       * NULL */
	struct talk_bytes *bytes;
};

static int visit_receipt(void *arg, int dir, const char *from, struct err *e)
{
	struct receipts *r = arg;
	uint8_t bytes[TALK_RECEIPT_HEAD + TALK_RECEIPT_MAX];
	struct talk_packet packet = {.bytes = r->bytes};
	ssize_t n;

	if (!user_name_valid(from)) {
		return 0;
	}
	n = talk_read(dir, from, bytes, sizeof bytes, e);
	if (n <= TALK_RECEIPT_HEAD) {
		return n < 0 && e->code != EX_DATAERR ? -1 : 0;
	}
	memcpy(packet.id, bytes, TALK_ID);
	if (r->after != NULL) {
		r->after = memcmp(packet.id, r->after, TALK_ID) == 0 ? NULL : r->after;
		return 0;
	}
	memcpy(packet.from, from, strlen(from) + 1);
	packet.us = (int64_t)talk_u64(bytes + TALK_ID);
	packet.n = (size_t)n - TALK_RECEIPT_HEAD;
	memcpy(r->bytes->p, bytes + TALK_RECEIPT_HEAD, packet.n);
	return r->visit(r->arg, &packet, e);
}

static int collect(void *arg, int dir, const char *text, struct err *e)
{
	struct buf *names = arg;
	struct talk_name n;

	(void)dir;
	return !talk_read_name(text, &n) || buf_append(names, &n, sizeof n) == 0
		       ? 0
		       : err_set(e, EX_TEMPFAIL, "cannot list packets: out of memory");
}

static int by_time(const void *a, const void *b)
{
	const struct talk_name *x = a, *y = b;

	return (x->us > y->us) - (x->us < y->us);
}

/* A packet that is not what its name says was torn by a power cut, or damaged: it is put aside, or
 * it would be counted for ever, and never fetched. */
static void put_aside(int dir, const char *name)
{
	char aside[TALK_NAME + 16];

	(void)snprintf(aside, sizeof aside, TALK_DAMAGED "%s", name);
	(void)renameat(dir, name, dir, aside);
}

/* A piece of a file, from there on. */
static int read_piece(struct talk_bytes *b, size_t from, size_t n, struct err *e)
{
	ssize_t got = file_read_at(b->fd, b->p, n, from);

	if (got < 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot read a packet");
	}
	return (size_t)got == n ? 0 : err_set(e, EX_DATAERR, "a packet was cut meanwhile");
}

int talk_piece(
	const struct talk_packet *packet, size_t from, const uint8_t **p, size_t *n, struct err *e)
{
	bool whole = packet->n <= TALK_PIECE;

	*p = packet->bytes->p + (whole ? from : 0);
	*n = packet->n - from < TALK_PIECE ? packet->n - from : TALK_PIECE;
	return whole ? 0 : read_piece(packet->bytes, from, *n, e);
}

/* Is it as long as its name says, and does it have the bytes? They are left in out if they fit. */
static int check_bytes(struct talk_bytes *out, const struct talk_name *name, struct err *e)
{
	uint8_t id[TALK_ID];
	struct stat st;
	struct hash h;

	if (fstat(out->fd, &st) != 0) {
		return err_sys(e, EX_TEMPFAIL, "cannot read a packet");
	}
	if (!S_ISREG(st.st_mode) || st.st_size != (off_t)name->size) {
		return err_set(e, EX_DATAERR, "it has not the bytes that its name says");
	}
	hash_begin(&h);
	for (size_t at = 0, n; at < name->size; at += n) {
		n = name->size - at < TALK_PIECE ? name->size - at : TALK_PIECE;
		if (read_piece(out, at, n, e) != 0) {
			return -1;
		}
		hash_add(&h, out->p, n);
	}
	talk_end_id(&h, id);
	return memcmp(id, name->id, sizeof id) == 0
		       ? 0
		       : err_set(e, EX_DATAERR, "it is not the packet that its name says");
}

int talk_open_packet(
	int dir, const char *text, const struct talk_name *n, struct talk_bytes *out, struct err *e)
{
	out->fd = openat(dir, text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (out->fd < 0) {
		return err_sys(e,
			errno == ENOENT  ? EX_NOINPUT
			: errno == ELOOP ? EX_DATAERR
					 : EX_TEMPFAIL,
			"cannot read a packet");
	}
	if (check_bytes(out, n, e) != 0) {
		(void)close(out->fd);
		return -1;
	}
	return 0;
}

static int visit_packet(
	int dir, const struct talk_name *n, const struct receipts *to, struct err *e)
{
	struct talk_packet packet = {.us = n->us, .n = n->size, .bytes = to->bytes};
	char text[TALK_NAME];
	int rc;

	talk_write_name(n, text);
	if (talk_open_packet(dir, text, n, to->bytes, e) != 0) {
		if (e->code == EX_DATAERR) {
			put_aside(dir, text);
		}
		return e->code == EX_TEMPFAIL ? -1 : 0; /* it may be fetched and done meanwhile */
	}
	memcpy(packet.id, n->id, TALK_ID);
	memcpy(packet.from, n->from, sizeof packet.from);
	rc = to->visit(to->arg, &packet, e);
	(void)close(to->bytes->fd);
	return rc;
}

/* How many of these are passed over. */
static size_t first_of(const struct talk_name *names, size_t n, const uint8_t *after)
{
	size_t i = 0;

	while (after != NULL && i < n && memcmp(names[i].id, after, TALK_ID) != 0) {
		i++;
	}
	return after == NULL ? 0 : i + 1;
}

static int visit_packets(int dir, const struct receipts *to, struct err *e)
{
	struct buf names = {0};
	const struct talk_name *n;
	int rc = talk_names(dir, collect, &names, e);

	if (rc == 0 && names.n > 0) {
		qsort(names.p, names.n / sizeof *n, sizeof *n, by_time);
	}
	n = (const void *)names.p;
	for (size_t i = first_of(n, names.n / sizeof *n, to->after);
		rc == 0 && i < names.n / sizeof *n; i++) {
		rc = visit_packet(dir, &n[i], to, e);
	}
	buf_free(&names);
	return rc;
}

static int visit_all(struct talk *t, const char *owner, struct receipts *to, struct err *e)
{
	struct talk_place at;
	int rc;

	if (talk_enter(t, owner, TALK_RECEIPTS, TALK_LOOK, &at, e) == 0) {
		rc = talk_names(at.dir, visit_receipt, to, e);
	} else {
		rc = talk_none(e);
	}
	talk_leave(&at);
	if (rc != 0) {
		return rc;
	}
	if (talk_enter(t, owner, TALK_WAITING, TALK_LOOK, &at, e) != 0) {
		return talk_none(e);
	}
	rc = visit_packets(at.dir, to, e);
	talk_leave(&at);
	return rc;
}

int talk_waiting(struct talk *t, const char *owner, const uint8_t *after, talk_visit_packet *visit,
	void *arg, struct err *e)
{
	struct receipts to = {visit, arg, after, malloc(sizeof *to.bytes)};
	int rc;

	if (to.bytes == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot read packets: out of memory");
	}
	rc = visit_all(t, owner, &to, e);
	free(to.bytes);
	return rc;
}

static int count_receipt(void *arg, int dir, const char *from, struct err *e)
{
	uint64_t *n = arg;

	(void)dir;
	(void)e;
	*n += user_name_valid(from) ? 1 : 0;
	return 0;
}

int talk_count(struct talk *t, const char *owner, uint64_t *packets, struct err *e)
{
	struct talk_place at;
	struct talk_room r = {0};
	int rc;

	*packets = 0;
	if (talk_enter(t, owner, TALK_RECEIPTS, TALK_LOOK, &at, e) == 0) {
		rc = talk_names(at.dir, count_receipt, packets, e);
	} else {
		rc = talk_none(e);
	}
	talk_leave(&at);
	if (rc != 0) {
		return -1;
	}
	if (talk_enter(t, owner, TALK_WAITING, TALK_LOOK, &at, e) != 0) {
		return talk_none(e);
	}
	rc = talk_names(at.dir, talk_count_one, &r, e);
	*packets += r.packets;
	talk_leave(&at);
	return rc;
}

/* --- done --- */

struct done {
	uint8_t (*ids)[TALK_ID]; /* sorted */
	size_t n;
	struct talk_room left;
	bool any; /* something was removed from this folder */
};

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, TALK_ID);
}

static bool is_done(const struct done *d, const uint8_t id[static TALK_ID])
{
	return bsearch(id, d->ids, d->n, TALK_ID, by_id) != NULL;
}

static int drop(struct done *d, int dir, const char *name, struct err *e)
{
	d->any = true;
	return unlinkat(dir, name, 0) == 0 || errno == ENOENT
		       ? 0
		       : err_sys(e, EX_TEMPFAIL, "cannot remove a packet");
}

static int drop_receipt(void *arg, int dir, const char *from, struct err *e)
{
	uint8_t bytes[TALK_RECEIPT_HEAD + TALK_RECEIPT_MAX];
	struct done *d = arg;
	ssize_t n;

	if (!user_name_valid(from)) {
		return 0;
	}
	n = talk_read(dir, from, bytes, sizeof bytes, e);
	if (n <= TALK_RECEIPT_HEAD) {
		return n < 0 && e->code != EX_DATAERR ? -1 : 0;
	}
	return is_done(d, bytes) ? drop(d, dir, from, e) : 0;
}

static int drop_packet(void *arg, int dir, const char *text, struct err *e)
{
	struct done *d = arg;
	struct talk_name n;

	if (!talk_read_name(text, &n)) {
		return 0;
	}
	if (!is_done(d, n.id)) {
		talk_count_name(&d->left, &n);
		return 0;
	}
	d->left.newest_us = n.us > d->left.newest_us ? n.us : d->left.newest_us;
	return drop(d, dir, text, e);
}

static int done_in(struct talk *t, const char *owner, const char *folder, talk_visit_name *visit,
	struct done *d, struct err *e)
{
	struct talk_place at;
	int rc;

	if (talk_enter(t, owner, folder, TALK_LOCK, &at, e) != 0) {
		return talk_none(e);
	}
	d->any = false;
	rc = talk_sweep(at.dir, false, e) != 0 ? -1 : talk_names(at.dir, visit, d, e);
	rc = rc == 0 && d->any ? file_sync(at.dir, "what waits", e) : rc;
	if (rc == 0 && visit == drop_packet) {
		struct talk_room was;
		if (talk_read_room(at.user, &was) && was.newest_us > d->left.newest_us) {
			d->left.newest_us = was.newest_us;
		}
		talk_write_room(at.user, &d->left);
	}
	talk_leave(&at);
	return rc;
}

int talk_done(
	struct talk *t, const char *owner, const uint8_t (*ids)[TALK_ID], size_t n, struct err *e)
{
	struct done d = {.ids = calloc(n + 1, TALK_ID), .n = n};
	int rc;

	if (d.ids == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot remove packets: out of memory");
	}
	memcpy(d.ids, ids, n * TALK_ID);
	qsort(d.ids, n, TALK_ID, by_id);
	rc = done_in(t, owner, TALK_WAITING, drop_packet, &d, e);
	rc = rc == 0 ? done_in(t, owner, TALK_RECEIPTS, drop_receipt, &d, e) : rc;
	free(d.ids);
	return rc;
}
