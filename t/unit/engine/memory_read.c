/* The engine in memory: listing, finding, reading, removing. See memory.h. */
#include "memory_parts.h"

struct mailbox_reader {
	struct memory *m;
	struct object *o;
};

static int gone(const char *user, struct err *e)
{
	return err_set(e, EX_NOINPUT, "the message is no longer in mailbox %s", user);
}

/* --- listing --- */

struct row {
	struct mailbox_meta meta;
	struct mailbox_ref ref;
	uint64_t name;
};

struct rows {
	struct row *v; /* owned */
	size_t n;
};

/* A copy of all that is listed, by (time, id): who visits it may change the mailbox. */
static int copy_rows(struct memory *m, const char *user, struct rows *rows, struct err *e)
{
	struct box *b;

	*rows = (struct rows){NULL, 0};
	memory_lock(m);
	b = memory_box(m, user, e);
	if (b != NULL) {
		memory_admit(m, b);
		rows->v = calloc(b->entries.n + 1, sizeof *rows->v);
	}
	for (size_t i = 0; rows->v != NULL && i < b->entries.n; i++) {
		const struct entry *n = b->entries.v[i];
		const struct object *o = memory_object(m, n->name);
		if (n->arrived != 0 && o != NULL) {
			struct row *r = &rows->v[rows->n++];
			r->meta = o->meta;
			r->meta.index = rows->n;
			memcpy(r->ref.id, n->id, sizeof n->id);
			r->ref.where = n->arrived;
			r->name = n->name;
		}
	}
	memory_unlock(m);
	return rows->v != NULL ? 0 : b == NULL ? -1 : memory_full("list", e);
}

static int visit_rows(const struct rows *rows, size_t first, mailbox_visit *visit, void *arg)
{
	int rc = 0;

	for (size_t i = first; i < rows->n && rc == 0; i++) {
		rc = visit(arg, &rows->v[i].meta, &rows->v[i].ref);
	}
	free(rows->v);
	return rc;
}

int memory_list(struct mailbox *box, const char *user, const struct mailbox_key *from,
	mailbox_visit *visit, void *arg, struct err *e)
{
	struct rows rows;
	size_t first = 0;

	if (copy_rows((struct memory *)box, user, &rows, e) != 0) {
		return -1;
	}
	while (from != NULL && first < rows.n) {
		const struct mailbox_meta *meta = &rows.v[first].meta;
		if (meta->time_us > from->time_us ||
			(meta->time_us == from->time_us &&
				memcmp(meta->id, from->id, sizeof meta->id) >= 0)) {
			break;
		}
		first++;
	}
	return visit_rows(&rows, first, visit, arg);
}

static int by_arrival(const void *a, const void *b)
{
	uint64_t x = ((const struct row *)a)->ref.where, y = ((const struct row *)b)->ref.where;

	return (x > y) - (x < y);
}

int memory_list_behind(struct mailbox *box, const char *user, const uint8_t *after,
	mailbox_visit *visit, void *arg, struct err *e)
{
	struct rows rows;
	size_t first = 0;

	if (copy_rows((struct memory *)box, user, &rows, e) != 0) {
		return -1;
	}
	qsort(rows.v, rows.n, sizeof *rows.v, by_arrival);
	while (after != NULL && first < rows.n &&
		memcmp(rows.v[first].meta.id, after, MAILBOX_ID_BYTES) != 0) {
		first++;
	}
	if (after != NULL && first++ == rows.n) {
		free(rows.v);
		return err_set(e, EX_NOINPUT, "the message to list behind is not there");
	}
	return visit_rows(&rows, first, visit, arg);
}

int memory_usage(struct mailbox *box, const char *user, struct mailbox_usage *out, struct err *e)
{
	struct rows rows;

	if (copy_rows((struct memory *)box, user, &rows, e) != 0) {
		return -1;
	}
	*out = (struct mailbox_usage){.messages = rows.n};
	for (size_t i = 0; i < rows.n; i++) {
		out->bytes += rows.v[i].meta.bytes;
	}
	free(rows.v);
	return 0;
}

/* --- one message --- */

/* Its entry, by the hint where that is right, or else by its id. The lock is held. */
static struct entry *look_up(
	struct memory *m, const char *user, const struct mailbox_ref *ref, struct err *e)
{
	struct box *b = memory_box(m, user, e);
	struct entry *found = NULL;

	if (b == NULL) {
		return NULL;
	}
	memory_admit(m, b);
	for (size_t i = 0; i < b->entries.n; i++) {
		struct entry *n = b->entries.v[i];
		if (n->arrived != 0 && memcmp(n->id, ref->id, sizeof n->id) == 0 &&
			(found == NULL || n->arrived == ref->where)) {
			found = n;
		}
	}
	if (found == NULL) {
		gone(user, e);
	}
	return found;
}

int memory_find(struct mailbox *box, const char *user, const uint8_t id[static MAILBOX_ID_BYTES],
	struct mailbox_meta *meta, struct mailbox_ref *ref, struct err *e)
{
	struct memory *m = (struct memory *)box;
	const struct entry *n;

	*ref = (struct mailbox_ref){.where = 0};
	memcpy(ref->id, id, sizeof ref->id);
	memory_lock(m);
	n = look_up(m, user, ref, e);
	if (n != NULL) {
		*meta = memory_object(m, n->name)->meta;
		ref->where = n->arrived;
	}
	memory_unlock(m);
	return n != NULL ? 0 : -1;
}

int memory_open_message(struct mailbox *box, const char *user, const struct mailbox_ref *ref,
	struct mailbox_reader **out, uint64_t *size, struct err *e)
{
	struct memory *m = (struct memory *)box;
	struct mailbox_reader *r = calloc(1, sizeof *r);
	const struct entry *n;
	int rc = -1;

	if (r == NULL) {
		return memory_full("open a message", e);
	}
	memory_lock(m);
	n = look_up(m, user, ref, e);
	if (n != NULL) {
		r->m = m;
		r->o = memory_object(m, n->name);
		rc = r->o->meta.damaged ? err_set(e, EX_DATAERR, "the message is damaged") : 0;
		r->o->readers += rc == 0 ? 1 : 0;
		*size = r->o->meta.bytes;
	}
	memory_unlock(m);
	if (rc != 0) {
		free(r);
		return -1;
	}
	*out = r;
	return 0;
}

int memory_read(struct mailbox_reader *r, uint64_t offset, void *p, size_t n, struct err *e)
{
	uint64_t bytes = r->o->meta.bytes; /* it changes no more, and is kept for its readers */

	if (n > 0 && (offset > bytes || n > bytes - offset)) {
		return err_set(e, EX_NOINPUT, "the message has become shorter");
	}
	if (n > 0) {
		memcpy(p, r->o->text + offset, n);
	}
	return 0;
}

void memory_done(struct mailbox_reader *r)
{
	if (r != NULL) {
		memory_lock(r->m);
		r->o->readers--;
		memory_unlock(r->m);
		free(r);
	}
}

/* --- removing --- */

/* One step. (Whether it was sent before, a retry learns of the sender's record: settle() gives no
 * object back that a record still needs.) */
int memory_remove(
	struct mailbox *box, const char *user, const struct mailbox_ref *ref, struct err *e)
{
	struct memory *m = (struct memory *)box;
	struct mailbox_meta meta;
	const struct entry *n;
	struct box *b;
	uint64_t name = 0;

	memory_lock(m);
	n = look_up(m, user, ref, e);
	if (n != NULL) {
		name = n->name;
		meta = memory_object(m, name)->meta;
	}
	memory_unlock(m);
	if (n == NULL || memory_step_begins(m, "remove a message", e) != 0) {
		return -1;
	}
	memory_lock(m);
	b = memory_box(m, user, e);
	size_t before = b->entries.n;
	memory_cut_entry(m, b, &meta, name);
	bool cut = b->entries.n < before;
	memory_put_off(m);
	memory_unlock(m);
	if (!cut) { /* somebody else did it since */
		return gone(user, e);
	}
	return memory_step_ends(m, "remove a message", e);
}
