/* The enhanced protocol's `inbox` and `wait`: rows of a mailbox. See enhanced_server.h, and
 * PROTOCOL.md for the fields. */
#include "enhanced_server.h"

#include "fields.h"

/* Which rows are asked for, in what order, and what became of it. */
struct listing {
	struct enhanced_session *s;
	struct buf page; /* a reply that is being made: its rows, with a comma ahead of each */
	bool arrivals;   /* in the order of arrival; else by time */
	bool has_after;
	uint8_t after[MAILBOX_ID_BYTES];
	bool has_since;
	struct mailbox_key since;
	char from[USER_NAME_MAX + 1]; /* empty: any sender */
	uint64_t limit;               /* of rows; 0: none */
	uint64_t *indexes;            /* owned, sorted: only these; NULL: all */
	size_t indexes_n;
	const uint8_t (*known)[MAILBOX_ID_BYTES]; /* sorted: not asked for */
	size_t known_n, rows;
	uint8_t last[MAILBOX_ID_BYTES]; /* of the rows that were put */
	bool cut;                       /* the limit left some out, from this one on: */
	struct mailbox_key next;
	struct err *e;
};

enum { PAGE_BYTES = 60000, ROW_MAX = 8 * MAILBOX_TITLE_BYTES, TAIL_MAX = 128 };

/* The end of a reply; of the last one with what to ask next, where the limit left something out. */
static int tail_of(const struct listing *l, bool more, char *out, size_t cap)
{
	char id[FIELDS_ID_TEXT + 1];

	if (more || !l->cut) {
		return snprintf(out, cap, "],\"more\":%s}", more ? "true" : "false");
	}
	hex_encode(id, l->arrivals ? l->last : l->next.id, MAILBOX_ID_BYTES);
	if (l->arrivals) {
		return snprintf(out, cap, "],\"more\":false,\"next\":{\"after\":\"%s\"}}", id);
	}
	return snprintf(out, cap, "],\"more\":false,\"next\":{\"since\":\"%s\",\"us\":%lld}}", id,
		(long long)l->next.time_us);
}

static const uint8_t zeros[MAILBOX_ID_BYTES]; /* as an id: the beginning */

static int send_page(struct listing *l, bool more)
{
	static const char head[] = "{\"type\":\"inbox\",\"messages\":[";
	struct enhanced *w = &l->s->wire;
	size_t skip = l->page.n > 0 ? 1 : 0, n = l->page.n - skip; /* the first comma */
	uint8_t *room = enhanced_room(w, ENHANCED_RECORD_MAX, l->e);
	char tail[TAIL_MAX];
	int tail_n = tail_of(l, more, tail, sizeof tail);

	if (room == NULL) {
		return -1;
	}
	memcpy(room, head, sizeof head - 1);
	if (n > 0) {
		memcpy(room + sizeof head - 1, l->page.p + skip, n);
	}
	n += sizeof head - 1;
	memcpy(room + n, tail, (size_t)tail_n);
	l->page.n = 0;
	return enhanced_put_room(w, n + (size_t)tail_n, "inbox", l->e);
}

/* A JSON string, quoted. */
static size_t quote(char *out, size_t cap, const char *text)
{
	json_t *t = json_string(text);
	size_t n = json_dumpb(t, out, cap, JSON_ENCODE_ANY);

	json_decref(t);
	return n <= cap ? n : 0;
}

static int put_row(struct listing *l, const struct mailbox_meta *meta)
{
	char time_text[MESSAGE_TIME_LEN + 1], id[FIELDS_ID_TEXT + 1];
	char title[6 * MAILBOX_TITLE_BYTES + 2], row[ROW_MAX];
	size_t title_n = quote(title, sizeof title, meta->title);
	int n;

	hex_encode(id, meta->id, sizeof meta->id);
	message_format_time(meta->time_us, time_text);
	n = snprintf(row, sizeof row,
		",{\"index\":%llu,\"id\":\"%s\",\"from\":\"%s\",\"time\":\"%s\",\"us\":%lld,"
		"\"title\":%.*s,\"chars\":%llu%s}",
		(unsigned long long)meta->index, id, meta->source, time_text,
		(long long)meta->time_us, (int)title_n, title, (unsigned long long)meta->chars,
		meta->damaged ? ",\"damaged\":true" : "");
	if (title_n == 0 || n < 0 || n >= (int)sizeof row) {
		return err_set(l->e, EX_TEMPFAIL, "a row of the list cannot be written");
	}
	if (l->page.n + (size_t)n > PAGE_BYTES && send_page(l, true) != 0) {
		return -1;
	}
	l->rows++;
	memcpy(l->last, meta->id, sizeof l->last);
	return buf_append(&l->page, row, (size_t)n) == 0 ? 0 : enhanced_no_memory(l->e);
}

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, MAILBOX_ID_BYTES);
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static struct mailbox_key key_of(const struct mailbox_meta *meta)
{
	struct mailbox_key key = {.time_us = meta->time_us};

	memcpy(key.id, meta->id, sizeof key.id);
	return key;
}

static bool is_wanted(const struct listing *l, const struct mailbox_meta *meta)
{
	return (l->from[0] == '\0' || strcmp(meta->source, l->from) == 0) &&
	       (l->indexes == NULL || bsearch(&meta->index, l->indexes, l->indexes_n,
					      sizeof *l->indexes, by_number) != NULL) &&
	       (l->known_n == 0 ||
		       bsearch(meta->id, l->known, l->known_n, sizeof *l->known, by_id) == NULL);
}

/* 1: nothing that follows is asked for. */
static int visit_row(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	struct listing *l = arg;

	(void)ref;
	if (l->indexes != NULL && meta->index > l->indexes[l->indexes_n - 1]) {
		return 1;
	}
	if (!is_wanted(l, meta)) {
		return 0;
	}
	if (l->limit != 0 && l->rows == l->limit) {
		l->cut = true;
		l->next = key_of(meta);
		return 1;
	}
	return put_row(l, meta);
}

/* Visit the rows; what is asked for waits in pages. 0; or -1 with l->e: the session cannot go on
 * when a page of it is on its way. */
static int list_rows(struct listing *l)
{
	struct mailbox *box = l->s->host->box;
	const char *user = l->s->report->user;
	int rc;

	l->s->report->listed++;
	rc = l->arrivals ? box->ops->list_behind(
				   box, user, l->has_after ? l->after : NULL, visit_row, l, l->e)
			 : box->ops->list(
				   box, user, l->has_since ? &l->since : NULL, visit_row, l, l->e);
	return rc < 0 ? -1 : 0;
}

/* --- the newest ones --- */

/* The keys of the last rows that were visited, in a ring. */
struct newest {
	const struct listing *l;
	struct mailbox_key *keys; /* owned */
	size_t n, cap, first;
};

static int visit_newest(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	struct newest *w = arg;

	(void)ref;
	if (!is_wanted(w->l, meta)) {
		return 0;
	}
	if (w->n == w->l->limit) {
		w->keys[w->first] = key_of(meta);
		w->first = (w->first + 1) % w->n;
		return 0;
	}
	if (w->n == w->cap) {
		size_t cap = w->cap == 0 ? 64 : 2 * w->cap;
		void *p = reallocarray(w->keys, cap, sizeof *w->keys);
		if (p == NULL) {
			return enhanced_no_memory(w->l->e);
		}
		w->keys = p;
		w->cap = cap;
	}
	w->keys[w->n++] = key_of(meta);
	return 0;
}

/* A limit alone means the newest: where they begin is found first, for the engine lists forwards
 * only. 0 or -1. */
static int find_newest(struct listing *l)
{
	struct mailbox *box = l->s->host->box;
	struct newest w = {.l = l};
	int rc = box->ops->list(box, l->s->report->user, NULL, visit_newest, &w, l->e);

	if (rc == 0 && w.n > 0) {
		l->has_since = true;
		l->since = w.keys[w.first];
	}
	free(w.keys);
	return rc;
}

/* --- what a request asks for --- */

/* `after`: what is listed behind it is in the order of arrival, so that the last row is what to ask
 * behind next. All zeros are the beginning. 0 or -1. */
static int read_after(struct listing *l, const json_t *request, struct err *e)
{
	int rc = fields_id(request, "after", l->after, e);

	l->arrivals = rc > 0;
	l->has_after = rc > 0 && memcmp(l->after, zeros, sizeof zeros) != 0;
	return rc < 0 ? -1 : 0;
}

/* `since`, with its time (`us`): the message itself need not be there any more. Without: it is
 * looked up. 1 when it is there, 0, or -1. */
static int read_since(struct listing *l, const json_t *request, struct err *e)
{
	struct mailbox *box = l->s->host->box;
	uint64_t us = 0;
	int rc = fields_id(request, "since", l->since.id, e);
	int timed = rc < 0 ? rc : fields_number(request, "us", INT64_MAX, &us, e);
	struct mailbox_meta meta;
	struct mailbox_ref ref;

	if (rc < 0 || timed < 0) {
		return -1;
	}
	if (timed > 0 && rc == 0) {
		return err_set(e, EX_DATAERR, "\"us\" without \"since\"");
	}
	l->since.time_us = (int64_t)us;
	l->has_since = rc > 0 && (timed > 0 || memcmp(l->since.id, zeros, sizeof zeros) != 0);
	if (l->has_since && timed == 0) {
		if (box->ops->find(box, l->s->report->user, l->since.id, &meta, &ref, e) != 0) {
			return -1;
		}
		l->since = key_of(&meta);
	}
	return rc;
}

/* `limit` and `from`. 0 or -1. */
static int read_filter(struct listing *l, const json_t *request, struct err *e)
{
	struct message_part from;
	int rc = fields_text(request, "from", &from, e);

	if (rc > 0) {
		if (from.n > USER_NAME_MAX || !user_name_valid((const char *)from.p)) {
			return err_set(e, EX_DATAERR, "\"from\" is no user's name");
		}
		memcpy(l->from, from.p, from.n + 1);
	}
	rc = rc < 0 ? rc : fields_number(request, "limit", INT32_MAX, &l->limit, e);
	return rc < 0 ? -1 : rc > 0 && l->limit == 0 ? err_set(e, EX_DATAERR, "\"limit\" is 0") : 0;
}

/* `indexes`: only those rows. 1 when it is there, 0, or -1. */
static int read_indexes(struct listing *l, const json_t *request, struct err *e)
{
	const json_t *array = json_object_get(request, "indexes"), *one;
	size_t n = json_array_size(array), i;

	if (array == NULL) {
		return 0;
	}
	if (n == 0 || n > ENHANCED_INDEXES) {
		return err_set(e, EX_DATAERR, "\"indexes\" is no array of 1 to %d numbers",
			ENHANCED_INDEXES);
	}
	l->indexes = calloc(n, sizeof *l->indexes);
	if (l->indexes == NULL) {
		return enhanced_no_memory(e);
	}
	l->indexes_n = n;
	json_array_foreach(array, i, one)
	{
		if (!json_is_integer(one) || json_integer_value(one) < 1) {
			return err_set(e, EX_DATAERR, "\"indexes\" are numbers from 1");
		}
		l->indexes[i] = (uint64_t)json_integer_value(one);
	}
	qsort(l->indexes, n, sizeof *l->indexes, by_number);
	return 1;
}

/* The fields of an `inbox`. 0 or -1. */
static int read_query(struct listing *l, const json_t *request, struct err *e)
{
	int since, indexes;

	if (read_after(l, request, e) != 0 || read_filter(l, request, e) != 0) {
		return -1;
	}
	since = read_since(l, request, e);
	indexes = since < 0 ? -1 : read_indexes(l, request, e);
	if (indexes < 0) {
		return -1;
	}
	if ((l->arrivals ? 1 : 0) + since + indexes > 1 ||
		(indexes > 0 && (l->limit != 0 || l->from[0] != '\0'))) {
		return err_set(
			e, EX_DATAERR, "\"after\", \"since\" and \"indexes\" do not go together");
	}
	return l->limit != 0 && !l->arrivals && since == 0 ? find_newest(l) : 0;
}

int enhanced_do_inbox(struct enhanced_session *s, const json_t *request, struct err *e)
{
	struct err why;
	struct listing l = {.s = s, .e = &why};
	int rc = read_query(&l, request, &why) != 0 || list_rows(&l) != 0 ? -1 : 0;

	if (rc == 0) {
		rc = send_page(&l, false);
	} else if (l.rows == 0) {
		rc = enhanced_refuse_err(s, &why, &why);
	}
	if (rc != 0) {
		*e = why;
	}
	buf_free(&l.page);
	free(l.indexes);
	return rc;
}

/* --- wait --- */

enum { LOOK_MS = 30000 }; /* for what no session delivered: a file that was put there by hand */

struct known {
	uint8_t (*ids)[MAILBOX_ID_BYTES]; /* owned */
	size_t n, cap;
	struct err *e;
};

static int visit_known(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	struct known *k = arg;

	(void)ref;
	if (k->n == k->cap) {
		size_t cap = k->cap == 0 ? 64 : 2 * k->cap;
		void *p = reallocarray(k->ids, cap, sizeof *k->ids);
		if (p == NULL) {
			return enhanced_no_memory(k->e);
		}
		k->ids = p;
		k->cap = cap;
	}
	memcpy(k->ids[k->n++], meta->id, MAILBOX_ID_BYTES);
	return 0;
}

/* What is old when a wait without `after` begins. 0 or -1. */
static int find_known(struct enhanced_session *s, struct known *k, struct err *e)
{
	struct mailbox *box = s->host->box;

	k->e = e;
	if (box->ops->list(box, s->report->user, NULL, visit_known, k, e) != 0) {
		return -1;
	}
	if (k->n > 0) {
		qsort(k->ids, k->n, sizeof *k->ids, by_id);
	}
	return 0;
}

/* Until something new is in l's page, the time is over, or the client says something. 0, 1 when the
 * mailbox could not be listed (l->e; nothing was said), or -1. */
static int wait_for_rows(
	struct enhanced_session *s, struct listing *l, int64_t until_ms, struct err *e)
{
	struct conn *c = s->wire.conn;
	enum conn_got got = CONN_WOKEN;

	while (got == CONN_WOKEN || got == CONN_QUIET) {
		conn_deadline(c, s->host->mail_ms); /* for the pages, if there are some */
		if (enhanced_still_allowed(s, e) != 0) {
			return -1;
		}
		if (list_rows(l) != 0) {
			*e = *l->e;
			return l->rows == 0 ? 1 : -1;
		}
		int64_t left = until_ms - conn_now_ms();
		if (l->rows > 0 || left <= 0 || enhanced_has_bytes(&s->wire)) {
			return 0;
		}
		got = conn_wait(c, left < LOOK_MS ? left : LOOK_MS, e);
	}
	return got == CONN_FAILED ? -1 : 0;
}

/* Is the message to wait behind there? */
static int check_after(struct listing *l, struct err *e)
{
	struct mailbox *box = l->s->host->box;
	struct mailbox_meta meta;
	struct mailbox_ref ref;

	return l->has_after ? box->ops->find(box, l->s->report->user, l->after, &meta, &ref, e) : 0;
}

/* What would be passed over, and is no wish that a wait can grant. */
static int check_wait(const json_t *request, struct err *e)
{
	return json_object_get(request, "since") == NULL &&
			       json_object_get(request, "indexes") == NULL
		       ? 0
		       : err_set(e, EX_DATAERR, "\"wait\" takes no \"since\" and no \"indexes\"");
}

int enhanced_do_wait(struct enhanced_session *s, const json_t *request, struct err *e)
{
	struct conn *c = s->wire.conn;
	uint64_t seconds = INT32_MAX;
	struct known k = {0};
	struct err why;
	struct listing l = {.s = s, .e = &why};
	int rc;

	presence_wait(c->presence, c->slot, true); /* first: what comes from now on wakes us */
	if (fields_number(request, "seconds", INT32_MAX, &seconds, &why) < 0 ||
		read_after(&l, request, &why) != 0 || read_filter(&l, request, &why) != 0 ||
		check_wait(request, &why) != 0 ||
		(l.arrivals ? check_after(&l, &why) : find_known(s, &k, &why)) != 0) {
		rc = enhanced_refuse_err(s, &why, e);
	} else {
		l.arrivals = true;
		l.known = (const uint8_t(*)[MAILBOX_ID_BYTES])k.ids;
		l.known_n = k.n;
		rc = enhanced_flush(&s->wire, e);
		rc = rc == 0 ? wait_for_rows(s, &l, conn_now_ms() + 1000 * (int64_t)seconds, e)
			     : rc;
		conn_deadline(c, s->host->mail_ms);
		if (rc == 0) {
			l.e = e;
			rc = send_page(&l, false);
		} else if (rc > 0) {
			rc = enhanced_refuse_err(s, &why, e);
		}
	}
	presence_wait(c->presence, c->slot, false);
	buf_free(&l.page);
	free(k.ids);
	return rc;
}
