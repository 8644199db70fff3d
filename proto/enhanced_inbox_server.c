/* The enhanced protocol's `inbox` and `wait`: rows of a mailbox. See enhanced_server.h, and
 * PROTOCOL.md for the fields. */
#include "enhanced_server.h"

#include "fields.h"

/* Which rows are asked for, and in what order. */
struct listing {
	struct enhanced_session *s;
	struct buf page; /* a reply that is being made: its rows, with a comma ahead of each */
	bool arrivals;   /* in the order of arrival; else by time */
	bool has_after;
	uint8_t after[MAILBOX_ID_BYTES];
	const uint8_t (*known)[MAILBOX_ID_BYTES]; /* sorted: not asked for */
	size_t known_n, rows;
	struct err *e;
};

enum { PAGE_BYTES = 60000, ROW_MAX = 8 * MAILBOX_TITLE_BYTES };

static int send_page(struct listing *l, bool more)
{
	static const char head[] = "{\"type\":\"inbox\",\"messages\":[";
	struct enhanced *w = &l->s->wire;
	size_t skip = l->page.n > 0 ? 1 : 0, n = l->page.n - skip; /* the first comma */
	uint8_t *room = enhanced_room(w, ENHANCED_RECORD_MAX, l->e);
	int tail;

	if (room == NULL) {
		return -1;
	}
	memcpy(room, head, sizeof head - 1);
	if (n > 0) {
		memcpy(room + sizeof head - 1, l->page.p + skip, n);
	}
	n += sizeof head - 1;
	tail = snprintf((char *)room + n, 32, "],\"more\":%s}", more ? "true" : "false");
	l->page.n = 0;
	return enhanced_put_room(w, n + (size_t)tail, "inbox", l->e);
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
	return buf_append(&l->page, row, (size_t)n) == 0 ? 0 : enhanced_no_memory(l->e);
}

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, MAILBOX_ID_BYTES);
}

static int visit_row(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	struct listing *l = arg;
	bool known = l->known_n > 0 &&
		     bsearch(meta->id, l->known, l->known_n, sizeof *l->known, by_id) != NULL;

	(void)ref;
	return known ? 0 : put_row(l, meta);
}

/* Visit the rows; what is asked for waits in pages. 0; or -1 with l->e: the session cannot go on
 * when a page of it is on its way. */
static int list_rows(struct listing *l)
{
	struct mailbox *box = l->s->host->box;
	const char *user = l->s->report->user;

	l->s->report->listed++;
	return l->arrivals ? box->ops->list_behind(
				     box, user, l->has_after ? l->after : NULL, visit_row, l, l->e)
			   : box->ops->list(box, user, visit_row, l, l->e);
}

/* `after` of a request: what is listed behind it is in the order of arrival, so that the last row
 * is what to ask behind next. All zeros are the beginning. 0 or -1. */
static int read_after(struct listing *l, const json_t *request, struct err *e)
{
	static const uint8_t zeros[MAILBOX_ID_BYTES];
	int rc = fields_id(request, "after", l->after, e);

	l->arrivals = rc > 0;
	l->has_after = rc > 0 && memcmp(l->after, zeros, sizeof zeros) != 0;
	return rc < 0 ? -1 : 0;
}

int enhanced_do_inbox(struct enhanced_session *s, const json_t *request, struct err *e)
{
	struct err why;
	struct listing l = {.s = s, .e = &why};
	int rc = read_after(&l, request, &why) != 0 || list_rows(&l) != 0 ? -1 : 0;

	if (rc == 0) {
		rc = send_page(&l, false);
	} else if (l.rows == 0) {
		rc = enhanced_refuse_err(s, &why, &why);
	}
	if (rc != 0) {
		*e = why;
	}
	buf_free(&l.page);
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
	if (box->ops->list(box, s->report->user, visit_known, k, e) != 0) {
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
		read_after(&l, request, &why) != 0 ||
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
