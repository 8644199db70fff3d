/* The classic protocol's client as a mail_client; see mail_client.h. What the wire does not have
 * (ids, pushed mail, removal) is done without, or by asking again. */
#include <poll.h>

#include "classic_client.h"

enum { POLL_MS = 1000 };

/* A login that outlives the call: the user's name is needed for each letter. */
struct sender {
	struct classic_client c; /* first */
	char user[USER_NAME_MAX + 1];
};

static int post(struct mail_client *base, const struct mail_letter *l, struct err *e)
{
	struct sender *m = (struct sender *)base;
	int rc = classic_client_post(&m->c, m->user, l, e);

	/* a letter that was too long was never begun */
	base->alive = base->alive && (rc == 0 || l->chars > MESSAGE_CONTENT_CHARS);
	return rc;
}

static int acknowledge(struct mail_client *base, struct mail_stored *stored, struct err *e)
{
	struct classic_client *c = (struct classic_client *)base;
	int rc = classic_client_acknowledge(c, e);

	*stored = (struct mail_stored){0};
	base->alive = c->menu.n > 0;
	return rc;
}

/* --- lists --- */

static int fetch(struct classic_client *c, struct buf *list, struct err *e)
{
	list->n = 0;
	if (classic_client_list(c, list, e) != 0) {
		c->base.alive = false;
		return -1;
	}
	return classic_check_list(list, e);
}

static size_t count(const struct buf *list)
{
	struct classic_row row;
	size_t at = 0, n = 0;

	while (classic_row_next(list, &at, &row)) {
		n++;
	}
	return n;
}

static bool is_from(const struct classic_row *row, const char *from)
{
	return from == NULL ||
	       (row->from.n == strlen(from) && memcmp(row->from.p, from, row->from.n) == 0);
}

/* How many rows behind the first `skip` the query wants, its limit aside. */
static uint64_t count_wanted(const struct buf *list, size_t skip, const struct mail_query *q)
{
	struct classic_row row;
	uint64_t n = 0;
	size_t at = 0;

	for (size_t i = 0; classic_row_next(list, &at, &row); i++) {
		n += i >= skip && is_from(&row, q->from) ? 1 : 0;
	}
	return n;
}

/* Of the rows behind the first `skip` that the query wants, all but the first `pass`, up to its
 * limit. */
static int visit_rows(const struct buf *list, size_t skip, const struct mail_query *q,
	uint64_t pass, mail_visit_row *visit, void *arg, struct err *e)
{
	uint64_t left = q->limit == 0 ? UINT64_MAX : q->limit;
	struct classic_row row;
	size_t at = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && left > 0 && classic_row_next(list, &at, &row); i++) {
		const struct mail_row r = {
			.index = i + 1, .from = row.from, .time = row.time, .title = row.title};
		if (i < skip || !is_from(&row, q->from)) {
			continue;
		}
		if (pass > 0) {
			pass--;
			continue;
		}
		left--;
		rc = visit(arg, &r, e);
	}
	return rc;
}

static int no_ids(const char *id, struct err *e)
{
	return id == NULL ? 0
			  : err_set(e, EX_USAGE,
				    "the classic protocol has no ids; the enhanced one has");
}

/* The wire sends the whole list: what the query leaves out is left out here. */
static int list_rows(struct mail_client *base, const struct mail_query *q, mail_visit_row *visit,
	void *arg, struct mail_rest *rest, struct err *e)
{
	struct buf list = {0};
	uint64_t wanted, pass;
	int rc = -1;

	if (rest != NULL) {
		*rest = (struct mail_rest){0}; /* the newest are told: nothing is behind them */
	}
	if (no_ids(q->after, e) == 0 && no_ids(q->since, e) == 0 &&
		fetch((struct classic_client *)base, &list, e) == 0) {
		wanted = q->limit == 0 ? 0 : count_wanted(&list, 0, q);
		pass = wanted > q->limit ? wanted - q->limit : 0;
		rc = visit_rows(&list, 0, q, pass, visit, arg, e);
	}
	buf_free(&list);
	return rc;
}

/* List until there are more rows than at first, and one that is wanted. */
static int wait_for_rows(struct mail_client *base, const struct mail_query *q, unsigned seconds,
	mail_visit_row *visit, void *arg, struct err *e)
{
	struct classic_client *c = (struct classic_client *)base;
	int64_t until = seconds == 0 ? INT64_MAX : conn_now_ms() + 1000 * (int64_t)seconds;
	struct buf list = {0};
	int rc = no_ids(q->after, e) != 0 || fetch(c, &list, e) != 0 ? -1 : 0;
	size_t old = rc == 0 ? count(&list) : 0, now;

	while (rc == 0 && count_wanted(&list, old, q) == 0) {
		if (conn_now_ms() >= until) {
			rc = err_set(e, EX_TEMPFAIL, "no message came in %u seconds", seconds);
			break;
		}
		(void)poll(NULL, 0, POLL_MS);
		rc = fetch(c, &list, e);
		now = rc == 0 ? count(&list) : old;
		old = now < old ? now : old;
	}
	rc = rc == 0 ? visit_rows(&list, old, q, 0, visit, arg, e) : rc;
	buf_free(&list);
	return rc;
}

/* --- messages --- */

/* An index counts in the last list, so there must be one. */
static int find_index(
	struct classic_client *c, const struct mail_choice *which, uint64_t *out, struct err *e)
{
	uint64_t wanted = which->index;
	struct buf list = {0};
	size_t n = 0;
	int rc = which->as_listed ? 0 : fetch(c, &list, e);

	n = rc == 0 ? count(&list) : 0;
	buf_free(&list);
	if (rc == 0 && wanted == 0 && n == 0) {
		return err_set(e, EX_NOINPUT, "the inbox is empty");
	}
	*out = wanted == 0 ? n : wanted;
	return rc;
}

static int read_message(struct mail_client *base, const struct mail_choice *which,
	const struct mail_taker *t, struct err *e)
{
	struct classic_client *c = (struct classic_client *)base;
	struct message_head h;
	struct mail_received m;
	struct buf text = {0};
	uint64_t index = 0;
	int rc;

	if (no_ids(which->id, e) != 0 || find_index(c, which, &index, e) != 0) {
		return -1;
	}
	c->menu.n = 0;
	rc = classic_client_view(c, index, &text, &h, e);
	base->alive = c->menu.n > 0;
	if (rc == 0) {
		m = (struct mail_received){.from = h.from,
			.time = h.time,
			.title = h.title,
			.to = h.to,
			.chars = h.length,
			.bytes = text.n - h.bytes};
		rc = t->head(t->arg, &m, e);
		rc = rc == 0 && m.bytes > 0 ? t->content(t->arg, text.p + h.bytes, m.bytes, e) : rc;
	}
	buf_free(&text);
	return rc;
}

/* --- the end --- */

static void quit(struct mail_client *base)
{
	if (base->alive) {
		classic_client_quit((struct classic_client *)base);
	}
	base->alive = false;
}

static void end(struct mail_client *base)
{
	classic_client_end((struct classic_client *)base);
	free(base);
}

static const struct mail_client_ops ops = {
	.name = "classic",
	.ahead = 1,
	.max_chars = MESSAGE_CONTENT_CHARS,
	.post = post,
	.acknowledge = acknowledge,
	.list = list_rows,
	.wait = wait_for_rows,
	.read = read_message,
	.quit = quit,
	.end = end,
};

int classic_client_open(struct mail_client **out, const struct classic_login *l, struct err *e)
{
	struct sender *m = malloc(sizeof *m);

	*out = NULL;
	if (m == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	m->c.base = (struct mail_client){.ops = &ops, .alive = true};
	(void)snprintf(m->user, sizeof m->user, "%s", l->user);
	if (classic_client_login(&m->c, l, e) != 0) {
		end(&m->c.base);
		return -1;
	}
	*out = &m->c.base;
	return 0;
}
