/* What the journal holds for one mailbox; see pending.h. */
#include "pending.h"

static int no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "out of memory");
}

static struct pending_said said_by(const struct entry *entry, const struct journal_mark *mark)
{
	struct pending_said said = {
		.mark = *mark, .first = entry->first.number != 0 ? entry->first : *mark};

	memcpy(said.key, entry->key, sizeof said.key);
	return said;
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
	p->removed[p->removed_n++] = said_by(entry, mark);
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
	struct pending_message m = {.said = said_by(entry, mark),
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
	const struct pending_said *x = a, *y = b;
	int d = entry_by_key(a, b);

	d = d != 0 ? d : by_mark(&x->first, &y->first);
	return d != 0 ? d : by_mark(&x->mark, &y->mark);
}

/* Sorted, of each key what was said last: one that was carried over stands where it was, too. How
 * many are left. */
static size_t keep_last(void *all, size_t n, size_t size)
{
	char *p = all;
	size_t left = 0;

	if (n > 0) {
		qsort(all, n, size, by_key_and_age);
	}
	for (size_t i = 0; i < n; i++) {
		if (left > 0 && entry_by_key(p + (left - 1) * size, p + i * size) == 0) {
			left--;
		}
		memmove(p + left++ * size, p + i * size, size);
	}
	return left;
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
	p->n = keep_last(p->messages, p->n, sizeof *p->messages);
	p->removed_n = keep_last(p->removed, p->removed_n, sizeof *p->removed);
	return rc == 0 ? 0 : -1;
}

void pending_free(struct pending *p)
{
	free(p->messages);
	free(p->removed);
	buf_free(&p->records);
	*p = (struct pending){0};
}

static const struct pending_said *find_removal(
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
	const struct pending_said *removal = find_removal(p, m->said.key);

	return removal != NULL && by_mark(&removal->first, &m->said.first) > 0;
}

struct pending_message *pending_find(const struct pending *p, const uint8_t key[static ENTRY_KEY])
{
	return p->n == 0 ? NULL
			 : bsearch(key, p->messages, p->n, sizeof *p->messages, entry_by_key);
}

void pending_key(const struct index_record *r, uint8_t key[static ENTRY_KEY])
{
	struct mailbox_meta meta = {0};

	memcpy(meta.id, r->id, sizeof meta.id);
	memcpy(meta.source, r->source, r->source_n);
	entry_key(&meta, key);
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
	const struct pending *p, const uint8_t id[static MAILBOX_ID_BYTES], uint64_t inode)
{
	struct pending_message *found = NULL;
	struct index_record r;

	for (size_t i = 0; i < p->n; i++) {
		struct pending_message *m = &p->messages[i];
		pending_record(p, m, &r);
		if (memcmp(r.id, id, sizeof r.id) != 0) {
			continue;
		}
		if (m->inode == inode) {
			return m;
		}
		found = found == NULL || (m->inode == 0 && found->inode != 0) ? m : found;
	}
	return found;
}
