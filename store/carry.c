/* Carrying over to a later segment; see carry.h. */
#include "carry.h"

struct carrying {
	struct files *f;
	const struct users_list *users;
	struct users_list to; /* of one record, those of the users; room for all */
	struct journal_mark last;
	struct buf payload;
};

static bool is_wanted(const struct carrying *c, const char *name)
{
	for (size_t i = 0; i < c->users->n; i++) {
		if (strcmp(c->users->names[i], name) == 0) {
			return true;
		}
	}
	return false;
}

/* Write the record anew, for c->to. */
static int encode(struct carrying *c, const struct entry *entry)
{
	static const uint8_t room[SEGMENT_RECORD];
	struct buf message = {.p = (uint8_t *)entry->message, .n = entry->meta.bytes};

	c->payload.n = 0;
	if (buf_append(&c->payload, room, sizeof room) != 0) {
		return -1;
	}
	return entry->kind == ENTRY_REMOVED
		       ? entry_put_removed(&c->payload, c->to.names[0], entry->key)
		       : entry_put_delivered(&c->payload, &entry->meta, entry->once, &c->to,
				 entry->kind == ENTRY_INLINED ? &message : NULL);
}

static int append(struct carrying *c, struct err *e)
{
	struct journal *j = c->f->journal;
	struct journal_mark mark;
	int rc = journal_append(j, c->payload.p, c->payload.n - SEGMENT_RECORD, &mark, e);

	if (rc != 0) {
		return rc < 0 ? -1
			      : err_set(e, EX_TEMPFAIL,
					"the journal is full of what cannot be "
					"settled");
	}
	journal_done(j, &mark);
	if (c->last.number != 0 && c->last.number != mark.number) {
		rc = journal_commit(j, &c->last, e);
	}
	c->last = mark;
	return rc;
}

static int visit(void *arg, const struct journal_mark *mark, const struct buf *payload, bool done,
	struct err *e)
{
	struct carrying *c = arg;
	char name[USER_NAME_MAX + 1];
	struct entry entry, names;

	(void)mark;
	(void)done;
	if (entry_get(&entry, payload->p, payload->n) != 0) {
		return 0;
	}
	c->to.n = 0;
	names = entry;
	while (entry_next_name(&names, name)) {
		if (is_wanted(c, name) && c->to.n < c->users->n) {
			memcpy(c->to.names[c->to.n++], name, sizeof name);
		}
	}
	if (c->to.n == 0) {
		return 0;
	}
	return encode(c, &entry) == 0 ? append(c, e)
				      : err_set(e, EX_TEMPFAIL, "cannot settle: out of memory");
}

int carry_over(struct files *f, uint64_t segment, const struct users_list *users, struct err *e)
{
	struct carrying c = {.f = f, .users = users};
	int rc;

	c.to.names = calloc(users->n, sizeof *c.to.names);
	if (c.to.names == NULL) {
		return err_set(e, EX_TEMPFAIL, "cannot settle: out of memory");
	}
	rc = journal_each(f->journal, segment, segment, visit, &c, e);
	if (rc == 0 && c.last.number != 0) {
		rc = journal_commit(f->journal, &c.last, e);
	}
	/* if it failed, too: meanwhile somebody may have listed what never happened in its place */
	for (size_t i = 0; i < users->n; i++) {
		box_suspect(&f->scan, users->names[i]);
	}
	users_list_free(&c.to);
	buf_free(&c.payload);
	return rc;
}
