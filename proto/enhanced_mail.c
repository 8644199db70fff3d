/* Letters, lists and messages of the enhanced protocol's client; see mail_client.h. */
#include "enhanced_mail.h"

#include "fields.h"

json_t *enhanced_request(const char *type)
{
	json_t *o = json_object();

	if (json_object_set_new(o, "type", json_string(type)) != 0) {
		json_decref(o);
		return NULL;
	}
	return o;
}

int enhanced_set_text(json_t *o, const char *name, const char *text)
{
	return json_object_set_new(o, name, json_string(text));
}

int enhanced_set_number(json_t *o, const char *name, uint64_t value)
{
	return json_object_set_new(o, name, json_integer((json_int_t)value));
}

int enhanced_client_put(struct enhanced_client *c, json_t *o, bool ok, struct err *e)
{
	const char *type;

	if (!ok) {
		json_decref(o);
		return err_set(e, EX_DATAERR, "the request cannot be written: a text is not UTF-8");
	}
	type = json_string_value(json_object_get(o, "type"));
	c->of_file = type != NULL && strncmp(type, "file-", 5) == 0;
	return enhanced_put_json(&c->wire, o, e) == 0 ? 0 : enhanced_client_broken(c, e);
}

/* --- letters --- */

enum { EARLY_EXTRA = 512 };

json_t *enhanced_names(const char *to)
{
	json_t *array = json_array();

	while (*to != '\0') {
		size_t n = strcspn(to, ";"), skip = strspn(to, " \t"), end = n;
		while (end > skip && (to[end - 1] == ' ' || to[end - 1] == '\t')) {
			end--;
		}
		if (end > skip) {
			(void)json_array_append_new(array, json_stringn(to + skip, end - skip));
		}
		to += n + (to[n] == ';' ? 1 : 0);
	}
	return array;
}

static int put_content(struct enhanced_client *c, const struct mail_letter *l, struct err *e)
{
	uint64_t left = l->bytes;
	size_t n;

	while (left > 0) {
		size_t k = left < ENHANCED_PIECE ? (size_t)left : ENHANCED_PIECE;
		uint8_t *room = enhanced_room(&c->wire, k, e);
		if (room == NULL || l->source(l->arg, room, k, &n, e) != 0) {
			return -1;
		}
		if (n != k) {
			return err_set(
				e, EX_DATAERR, "the content became shorter while it was sent");
		}
		if (enhanced_put_room(&c->wire, k, "content", e) != 0) {
			return -1;
		}
		left -= k;
	}
	return 0;
}

/* What is too much to send into the blue waits for the welcome. */
static int check_limit(struct enhanced_client *c, const struct mail_letter *l, struct err *e)
{
	/* its request, too, and lengths and tags: a to and a title are 33,000 bytes at most */
	uint64_t all = l->bytes + strlen(l->to) + strlen(l->title) + EARLY_EXTRA;

	c->early += c->welcomed ? 0 : all;
	if (c->early > ENHANCED_EARLY_MAX && enhanced_client_welcome(&c->base, NULL, e) != 0) {
		return -1;
	}
	if (c->welcomed && l->chars > c->max_chars) {
		return err_set(e, EX_DATAERR,
			MAIL_REJECTED "it has %llu characters, and the server takes %llu",
			(unsigned long long)l->chars, (unsigned long long)c->max_chars);
	}
	return 0;
}

static int post(struct mail_client *base, const struct mail_letter *l, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	char id[MAIL_ID_TEXT + 1];
	json_t *o;
	bool ok;

	conn_deadline(&c->conn, ENHANCED_MAIL_MS);
	if (check_limit(c, l, e) != 0) {
		return -1;
	}
	o = enhanced_request("send");
	hex_encode(id, l->id, MAIL_ID);
	ok = enhanced_set_text(o, "id", id) == 0 && enhanced_set_text(o, "title", l->title) == 0 &&
	     enhanced_set_number(o, "chars", l->chars) == 0 &&
	     enhanced_set_number(o, "length", l->bytes) == 0 &&
	     json_object_set_new(o, "to", enhanced_names(l->to)) == 0;
	if (enhanced_client_put(c, o, ok, e) != 0) {
		return -1;
	}
	return put_content(c, l, e) == 0 ? 0 : enhanced_client_broken(c, e);
}

static int acknowledge(struct mail_client *base, struct mail_stored *stored, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	char text[ERR_TEXT_MAX];
	struct message_part id;
	int rc;
	json_t *reply;

	conn_deadline(&c->conn, ENHANCED_CLIENT_MS);
	if (enhanced_client_reply(c, "sent", &reply, e) != 0) {
		if (base->alive) {
			(void)snprintf(text, sizeof text, "%s", e->text);
			return err_set(e, e->code, MAIL_REJECTED "%s%s",
				e->code == EX_TEMPFAIL ? MAIL_LATER : "", text);
		}
		return c->welcomed && !base->alive
			       ? err_prefix(e, "the message was not acknowledged")
			       : -1;
	}
	*stored = (struct mail_stored){.again = fields_true(reply, "again")};
	rc = fields_text(reply, "id", &id, e) > 0 && id.n == MAIL_ID_TEXT &&
			     !has_control(id.p, id.n)
		     ? 0
		     : err_set(e, EX_PROTOCOL, "the server's answer has no id");
	if (rc == 0) {
		memcpy(stored->id, id.p, id.n);
	}
	json_decref(reply);
	return rc;
}

/* --- lists --- */

static int visit_one(const json_t *o, mail_visit_row *visit, void *arg, struct err *e)
{
	struct mail_row row = {.damaged = fields_true(o, "damaged")};
	uint64_t us = 0;

	if (fields_number(o, "index", INT64_MAX, &row.index, e) <= 0 ||
		fields_text(o, "id", &row.id, e) <= 0 ||
		fields_text(o, "from", &row.from, e) <= 0 ||
		fields_text(o, "time", &row.time, e) <= 0 ||
		fields_text(o, "title", &row.title, e) <= 0 ||
		fields_number(o, "chars", INT64_MAX, &row.chars, e) <= 0 ||
		row.id.n != MAIL_ID_TEXT || has_control(row.id.p, row.id.n) ||
		has_control(row.from.p, row.from.n) || has_control(row.time.p, row.time.n)) {
		return err_set(e, EX_PROTOCOL, "a row of the server's list is no row");
	}
	if (fields_number(o, "us", INT64_MAX, &us, e) > 0) {
		row.us = (int64_t)us;
	}
	return visit(arg, &row, e);
}

/* What a query asked, held against what comes. */
struct taken {
	const struct mail_query *q;
	mail_visit_row *visit;
	void *arg;
	uint64_t rows;
};

/* A server that does not know a field passes it over: what it sends then must not be taken for what
 * was asked. */
static int take_row(void *arg, const struct mail_row *row, struct err *e)
{
	struct taken *t = arg;
	const char *from = t->q->from;

	t->rows++;
	if ((t->q->limit != 0 && t->rows > t->q->limit) ||
		(from != NULL &&
			(row->from.n != strlen(from) || memcmp(row->from.p, from, row->from.n)))) {
		return err_set(e, EX_PROTOCOL, "the server lists what was not asked for");
	}
	return t->visit(t->arg, row, e);
}

/* `next` of the last page. 0 or -1. */
static int take_next(const json_t *reply, struct mail_rest *rest, struct err *e)
{
	const json_t *next = json_object_get(reply, "next");
	uint8_t id[FIELDS_ID];
	uint64_t us = 0;
	int rc;

	*rest = (struct mail_rest){.more = next != NULL};
	if (next == NULL || json_object_get(next, "after") != NULL) {
		return 0; /* the last row says as much */
	}
	rc = fields_id(next, "since", id, e) > 0 && fields_number(next, "us", INT64_MAX, &us, e) > 0
		     ? 0
		     : err_set(e, EX_PROTOCOL, "the server does not say where its list goes on");
	hex_encode(rest->since, id, sizeof id);
	rest->since_us = (int64_t)us;
	return rc;
}

/* The pages of a reply. */
static int take_pages(
	struct enhanced_client *c, struct taken *t, struct mail_rest *rest, struct err *e)
{
	bool more = true;
	int rc = 0;

	while (rc == 0 && more) {
		const json_t *messages, *o;
		json_t *reply;
		size_t i;
		if (enhanced_client_reply(c, "inbox", &reply, e) != 0) {
			return -1;
		}
		messages = json_object_get(reply, "messages");
		more = fields_true(reply, "more");
		if (!json_is_array(messages)) {
			rc = err_set(e, EX_PROTOCOL, "the server's list is none");
		}
		json_array_foreach(messages, i, o)
		{
			rc = rc == 0 ? visit_one(o, take_row, t, e) : rc;
		}
		rc = rc == 0 && !more ? take_next(reply, rest, e) : rc;
		json_decref(reply);
	}
	c->base.alive = c->base.alive && rc == 0;
	return rc;
}

/* What a list and a wait have in common. 0 or -1. */
static int set_query(json_t *o, const struct mail_query *q)
{
	return (q->after == NULL || enhanced_set_text(o, "after", q->after) == 0) &&
			       (q->limit == 0 || enhanced_set_number(o, "limit", q->limit) == 0) &&
			       (q->from == NULL || enhanced_set_text(o, "from", q->from) == 0)
		       ? 0
		       : -1;
}

static int set_indexes(json_t *o, const uint64_t *indexes, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++) {
		(void)json_array_append_new(array, json_integer((json_int_t)indexes[i]));
	}
	return json_array_size(array) == n ? json_object_set_new(o, "indexes", array) : -1;
}

static int list(struct mail_client *base, const struct mail_query *q, mail_visit_row *visit,
	void *arg, struct mail_rest *rest, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	struct taken t = {.q = q, .visit = visit, .arg = arg};
	struct mail_rest ignored;
	json_t *o = enhanced_request("inbox");
	/* more than a request can name: then the whole list tells */
	bool few = q->indexes_n > 0 && q->indexes_n <= ENHANCED_INDEXES;
	bool ok = set_query(o, q) == 0 &&
		  (q->since == NULL || enhanced_set_text(o, "since", q->since) == 0) &&
		  (q->since_us == 0 || enhanced_set_number(o, "us", (uint64_t)q->since_us) == 0) &&
		  (!few || set_indexes(o, q->indexes, q->indexes_n) == 0);

	conn_deadline(&c->conn, ENHANCED_MAIL_MS);
	if (enhanced_client_put(c, o, ok, e) != 0) {
		return -1;
	}
	return take_pages(c, &t, rest == NULL ? &ignored : rest, e);
}

static int wait_for_mail(struct mail_client *base, const struct mail_query *q, unsigned seconds,
	mail_visit_row *visit, void *arg, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	struct taken t = {.q = q, .visit = visit, .arg = arg};
	struct mail_rest ignored;
	json_t *o = enhanced_request("wait");
	bool ok = set_query(o, q) == 0 &&
		  (seconds == 0 || enhanced_set_number(o, "seconds", seconds) == 0);

	conn_deadline(&c->conn, seconds == 0 ? 0 : 1000 * (int64_t)seconds + ENHANCED_CLIENT_MS);
	if (enhanced_client_put(c, o, ok, e) != 0) {
		return -1;
	}
	if (take_pages(c, &t, &ignored, e) != 0) {
		return -1;
	}
	return t.rows > 0 ? 0 : err_set(e, EX_TEMPFAIL, "no message came in %u seconds", seconds);
}

/* --- messages --- */

static int join_names(const json_t *to, struct buf *out, struct err *e)
{
	const json_t *name;
	size_t i;

	json_array_foreach(to, i, name)
	{
		const char *text = json_string_value(name);
		if (text == NULL || (i > 0 && buf_append(out, ";", 1) != 0) ||
			buf_append_str(out, text) != 0) {
			return err_set(e, EX_PROTOCOL, "the server's message has no recipients");
		}
	}
	return 0;
}

static int take_content(
	struct enhanced_client *c, uint64_t bytes, const struct mail_taker *t, struct err *e)
{
	uint8_t *p;
	size_t n;

	while (bytes > 0) {
		if (enhanced_get_raw(&c->wire, &bytes, &p, &n, e) != 0 ||
			t->content(t->arg, p, n, e) != 0) {
			return -1;
		}
	}
	return 0;
}

static bool is_id(const struct message_part *id)
{
	uint8_t bytes[MAIL_ID];

	return id->n == MAIL_ID_TEXT && hex_decode(bytes, MAIL_ID, (const char *)id->p, id->n) == 0;
}

static int take_message(
	struct enhanced_client *c, const json_t *reply, const struct mail_taker *t, struct err *e)
{
	struct mail_received m = {0};
	struct buf to = {0};
	int rc = join_names(json_object_get(reply, "to"), &to, e);

	if (rc == 0 && (fields_text(reply, "id", &m.id, e) <= 0 ||
			       fields_text(reply, "from", &m.from, e) <= 0 ||
			       fields_text(reply, "time", &m.time, e) <= 0 ||
			       fields_text(reply, "title", &m.title, e) <= 0 ||
			       fields_number(reply, "chars", INT64_MAX, &m.chars, e) <= 0 ||
			       fields_number(reply, "length", INT64_MAX, &m.bytes, e) <= 0)) {
		rc = err_set(e, EX_PROTOCOL, "the server's message has no header");
	}
	if (rc == 0 && (!is_id(&m.id) || has_control(m.from.p, m.from.n) ||
			       has_control(m.time.p, m.time.n) || has_control(to.p, to.n))) {
		rc = err_set(e, EX_PROTOCOL, "the header of the server's message is none");
	}
	m.to = (struct message_part){.p = to.p, .n = to.n};
	rc = rc == 0 ? t->head(t->arg, &m, e) : rc;
	rc = rc == 0 ? take_content(c, m.bytes, t, e) : rc;
	buf_free(&to);
	return rc;
}

static int read_message(struct mail_client *base, const struct mail_choice *which,
	const struct mail_taker *taker, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	json_t *o = enhanced_request("read"), *reply;
	bool ok = which->id != NULL  ? enhanced_set_text(o, "id", which->id) == 0
		  : which->index > 0 ? enhanced_set_number(o, "index", which->index) == 0
				     : json_object_set_new(o, "last", json_true()) == 0;
	int rc;

	conn_deadline(&c->conn, ENHANCED_MAIL_MS);
	if (enhanced_client_put(c, o, ok, e) != 0) {
		return -1;
	}
	if (enhanced_client_reply(c, "message", &reply, e) != 0) {
		return -1;
	}
	rc = take_message(c, reply, taker, e);
	json_decref(reply);
	base->alive = base->alive && rc == 0;
	return rc;
}

static int remove_message(struct mail_client *base, const char *id, struct err *e)
{
	struct enhanced_client *c = (struct enhanced_client *)base;
	json_t *o = enhanced_request("delete"), *reply;

	bool ok = enhanced_set_text(o, "id", id) == 0;

	conn_deadline(&c->conn, ENHANCED_CLIENT_MS);
	if (enhanced_client_put(c, o, ok, e) != 0) {
		return -1;
	}
	if (enhanced_client_reply(c, "deleted", &reply, e) != 0) {
		return -1;
	}
	json_decref(reply);
	return 0;
}

const struct mail_client_ops enhanced_client_ops = {
	.name = "enhanced",
	.ahead = ENHANCED_REQUESTS,
	.post = post,
	.acknowledge = acknowledge,
	.leave = enhanced_client_leave,
	.list = list,
	.wait = wait_for_mail,
	.read = read_message,
	.remove = remove_message,
	.quit = enhanced_client_quit,
	.end = enhanced_client_end,
};
