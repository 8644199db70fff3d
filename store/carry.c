/* Carrying over to a later segment; see carry.h. */
#include "carry.h"

struct carrying {
	struct files *f;
	const struct users_list *users;
	struct users_list to; /* of one record, those of the users; room for all */
	struct journal_mark last;
	struct buf keys; /* of the messages; sorted at the end */
	struct buf payload;
};

static int no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "cannot settle: out of memory");
}

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
static int encode(struct carrying *c, const struct journal_mark *first, const struct entry *entry)
{
	static const uint8_t room[SEGMENT_RECORD];
	struct buf message = {.p = (uint8_t *)entry->message, .n = entry->meta.bytes};

	c->payload.n = 0;
	if (buf_append(&c->payload, room, sizeof room) != 0 ||
		entry_put_carried(&c->payload, first) != 0) {
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

static bool is_carried(const struct carrying *c, const uint8_t key[static ENTRY_KEY])
{
	return c->keys.n > 0 &&
	       bsearch(key, c->keys.p, c->keys.n / ENTRY_KEY, ENTRY_KEY, entry_by_key) != NULL;
}

/* One record, for those of the users whom it names. */
static int carry(struct carrying *c, const struct journal_mark *mark, const struct entry *entry,
	struct err *e)
{
	char name[USER_NAME_MAX + 1];
	struct entry names = *entry;

	c->to.n = 0;
	while (entry_next_name(&names, name)) {
		if (is_wanted(c, name) && c->to.n < c->users->n) {
			memcpy(c->to.names[c->to.n++], name, sizeof name);
		}
	}
	if (c->to.n == 0) {
		return 0;
	}
	return encode(c, entry->first.number != 0 ? &entry->first : mark, entry) == 0
		       ? append(c, e)
		       : no_memory(e);
}

static int visit(void *arg, const struct journal_mark *mark, const struct buf *payload, bool done,
	struct err *e)
{
	struct carrying *c = arg;
	struct entry entry;

	(void)done;
	if (entry_get(&entry, payload->p, payload->n) != 0) {
		return 0;
	}
	return buf_append(&c->keys, entry.key, ENTRY_KEY) == 0 ? carry(c, mark, &entry, e)
							       : no_memory(e);
}

static int visit_later(void *arg, const struct journal_mark *mark, const struct buf *payload,
	bool done, struct err *e)
{
	struct carrying *c = arg;
	struct entry entry;

	(void)done;
	if (entry_get(&entry, payload->p, payload->n) != 0 || !is_carried(c, entry.key)) {
		return 0;
	}
	/* whoever says it may not have synced it yet, and could still be refused */
	return journal_commit(c->f->journal, mark, e) == 0 ? carry(c, mark, &entry, e) : -1;
}

/* What was said of those messages since must not be forgotten ahead of what was carried: of the
 * segments that will be retired first it is carried, too. */
static int carry_later(struct carrying *c, uint64_t from, struct err *e)
{
	int rc = 0;

	if (c->keys.n > 0) {
		qsort(c->keys.p, c->keys.n / ENTRY_KEY, ENTRY_KEY, entry_by_key);
	}
	while (rc == 0 && from < c->last.number) {
		uint64_t to = c->last.number;
		rc = journal_each(c->f->journal, from, to - 1, visit_later, c, e);
		from = to;
	}
	return rc;
}

int carry_over(struct files *f, uint64_t segment, const struct users_list *users, struct err *e)
{
	struct carrying c = {.f = f, .users = users};
	int rc;

	c.to.names = calloc(users->n, sizeof *c.to.names);
	if (c.to.names == NULL) {
		return no_memory(e);
	}
	rc = journal_each(f->journal, segment, segment, visit, &c, e);
	rc = rc == 0 ? carry_later(&c, segment + 1, e) : rc;
	if (rc == 0 && c.last.number != 0) {
		rc = journal_commit(f->journal, &c.last, e);
	}
	/* if it failed, too: meanwhile somebody may have listed what never happened in its place */
	for (size_t i = 0; i < users->n; i++) {
		box_suspect(&f->scan, users->names[i]);
	}
	users_list_free(&c.to);
	buf_free(&c.keys);
	buf_free(&c.payload);
	return rc;
}
