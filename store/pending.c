/* What the journal holds for one mailbox; see pending.h. */
#include "pending.h"

static int no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "out of memory");
}

static struct journal_mark first_of(const struct entry *entry, const struct journal_mark *mark)
{
	return entry->first.number != 0 ? entry->first : *mark;
}

static int add_removed(struct pending *p, const struct entry *entry,
	const struct journal_mark *mark, struct err *e)
{
	if (p->removed_n == p->removed_cap) {
		size_t cap = p->removed_cap == 0 ? 16 : 2 * p->removed_cap;
		void *more = reallocarray(p->removed, cap, sizeof *p->removed);
		if (more == NULL) {
			return no_memory(e);
		}
		p->removed = more;
		p->removed_cap = cap;
	}
	p->removed[p->removed_n] =
		(struct pending_removal){.mark = *mark, .first = first_of(entry, mark)};
	memcpy(p->removed[p->removed_n++].key, entry->key, ENTRY_KEY);
	return 0;
}

static int add_message(struct pending *p, const struct entry *entry,
	const struct journal_mark *mark, bool done, struct err *e)
{
	struct index_record r = {.state = INDEX_JOURNAL,
		.time_us = entry->meta.time_us,
		.chars = entry->meta.chars,
		.file = {.bytes = entry->meta.bytes,
			.inode = mark->number,
			.mtime_ns = (int64_t)mark->at},
		.source = entry->meta.source,
		.source_n = strlen(entry->meta.source),
		.title = entry->meta.title,
		.title_n = strlen(entry->meta.title)};
	struct pending_message m = {.mark = *mark,
		.first = first_of(entry, mark),
		.record = p->records.n,
		.place = UINT64_MAX,
		.done = done};

	if (p->n == p->cap) {
		size_t cap = p->cap == 0 ? 16 : 2 * p->cap;
		void *more = reallocarray(p->messages, cap, sizeof *p->messages);
		if (more == NULL) {
			return no_memory(e);
		}
		p->messages = more;
		p->cap = cap;
	}
	memcpy(m.key, entry->key, sizeof m.key);
	memcpy(r.id, entry->meta.id, sizeof r.id);
	if (index_encode(&p->records, &r) != 0) {
		return no_memory(e);
	}
	p->messages[p->n++] = m;
	return 0;
}

static int visit(void *arg, const struct journal_mark *mark, const struct buf *payload, bool done,
	struct err *e)
{
	struct pending *p = arg;
	struct entry entry;

	if (entry_get(&entry, payload->p, payload->n) != 0 || !entry_names(&entry, p->user)) {
		return 0;
	}
	if (entry.kind == ENTRY_REMOVED) {
		/* who removes it just now wants to find it */
		return done ? add_removed(p, &entry, mark, e) : 0;
	}
	return add_message(p, &entry, mark, done, e);
}

static int by_mark(const struct journal_mark *x, const struct journal_mark *y)
{
	int d = (x->number > y->number) - (x->number < y->number);

	return d != 0 ? d : (x->at > y->at) - (x->at < y->at);
}

/* What was said later is behind; of one that was carried over, the later one. */
static int by_key_and_age(const void *a, const void *b)
{
	const struct pending_message *x = a, *y = b;
	int d = entry_by_key(a, b);

	d = d != 0 ? d : by_mark(&x->first, &y->first);
	return d != 0 ? d : by_mark(&x->mark, &y->mark);
}

static int removals_by_key_and_age(const void *a, const void *b)
{
	const struct pending_removal *x = a, *y = b;
	int d = entry_by_key(a, b);

	d = d != 0 ? d : by_mark(&x->first, &y->first);
	return d != 0 ? d : by_mark(&x->mark, &y->mark);
}

/* One that was carried over to a later segment stands there, too: that one counts. */
static void drop_repeated(struct pending *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		if (n > 0 && entry_by_key(&p->messages[n - 1], &p->messages[i]) == 0) {
			n--;
		}
		p->messages[n++] = p->messages[i];
	}
	p->n = n;
}

static void drop_repeated_removals(struct pending *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->removed_n; i++) {
		if (n > 0 && entry_by_key(&p->removed[n - 1], &p->removed[i]) == 0) {
			n--;
		}
		p->removed[n++] = p->removed[i];
	}
	p->removed_n = n;
}

int pending_load(struct pending *p, struct journal *j, const char *user, struct err *e)
{
	uint64_t oldest;
	int rc;

	*p = (struct pending){0};
	do { /* of a segment that is retired meanwhile, a removal may not be seen any more */
		pending_free(p);
		p->user = user;
		oldest = journal_oldest(j);
		rc = journal_each(j, 0, UINT64_MAX, visit, p, e);
	} while (rc == 0 && journal_oldest(j) != oldest);
	if (p->n > 0) {
		qsort(p->messages, p->n, sizeof *p->messages, by_key_and_age);
		drop_repeated(p);
	}
	if (p->removed_n > 0) {
		qsort(p->removed, p->removed_n, sizeof *p->removed, removals_by_key_and_age);
		drop_repeated_removals(p);
	}
	return rc == 0 ? 0 : -1;
}

void pending_free(struct pending *p)
{
	free(p->messages);
	free(p->removed);
	buf_free(&p->records);
	*p = (struct pending){0};
}

static const struct pending_removal *find_removal(
	const struct pending *p, const uint8_t key[static ENTRY_KEY])
{
	return p->removed_n == 0
		       ? NULL
		       : bsearch(key, p->removed, p->removed_n, sizeof *p->removed, entry_by_key);
}

bool pending_has_removed(const struct pending *p, const uint8_t key[static ENTRY_KEY])
{
	return find_removal(p, key) != NULL;
}

bool pending_is_removed(const struct pending *p, const struct pending_message *m)
{
	const struct pending_removal *removal = find_removal(p, m->key);

	return removal != NULL && by_mark(&removal->first, &m->first) > 0;
}

struct pending_message *pending_find(const struct pending *p, const uint8_t key[static ENTRY_KEY])
{
	return p->n == 0 ? NULL
			 : bsearch(key, p->messages, p->n, sizeof *p->messages, entry_by_key);
}

void pending_record(
	const struct pending *p, const struct pending_message *m, struct index_record *r)
{
	size_t at = m->record;

	(void)index_next(&p->records, &at, r);
	r->offset = m->place;
}

struct pending_message *pending_guess(const struct pending *p, const struct mailbox_meta *meta)
{
	size_t source_n = strlen(meta->source), title_n = strlen(meta->title);
	struct index_record r;

	for (size_t i = 0; i < p->n; i++) {
		pending_record(p, &p->messages[i], &r);
		if (r.time_us == meta->time_us && r.source_n == source_n && r.title_n == title_n &&
			memcmp(r.source, meta->source, source_n) == 0 &&
			memcmp(r.title, meta->title, title_n) == 0) {
			return &p->messages[i];
		}
	}
	return NULL;
}

struct pending_message *pending_by_id(
	const struct pending *p, const uint8_t id[static MAILBOX_ID_BYTES])
{
	struct index_record r;

	for (size_t i = 0; i < p->n; i++) {
		pending_record(p, &p->messages[i], &r);
		if (memcmp(r.id, id, sizeof r.id) == 0) {
			return &p->messages[i];
		}
	}
	return NULL;
}
