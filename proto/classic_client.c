/* The classic protocol's client; see classic_client.h. */
#include "classic_client.h"

/* What an onlooker sees of a step: how many bytes went out and came in since the last one. */
static void say(struct classic_client *c, const char *step)
{
	static uint64_t out, in; /* of the steps before */
	char line[200];

	if (c->trace != NULL) {
		(void)snprintf(line, sizeof line, "%s; an onlooker sees %llu bytes out, %llu in",
			step, (unsigned long long)(c->conn.out - out),
			(unsigned long long)(c->conn.in - in));
		c->trace(c->trace_arg, line);
		out = c->conn.out;
		in = c->conn.in;
	}
}

/* --- login --- */

static int send_login(struct classic_client *c, const struct classic_login *l, struct err *e)
{
	uint8_t block[RSA_BYTES_MAX];
	struct buf text = {0};
	int rc = -1;

	if (buf_append_str(&text, l->user) != 0 || buf_append(&text, "\n", 1) != 0 ||
		buf_append(&text, l->password, l->password_n) != 0) {
		err_set(e, EX_TEMPFAIL, "out of memory");
	} else if (rsa_oaep_encrypt(l->server_key, text.p, text.n, block, e) == 0) {
		rc = conn_write(&c->conn, block, l->server_key->n_len, e);
	}
	buf_free(&text);
	return rc;
}

/* 2a or 2b, told apart by length and close. */
static int recv_key(struct classic_client *c, const struct classic_login *l, struct err *e)
{
	uint8_t block[RSA_BYTES_MAX];
	size_t n = l->user_key->public.n_len, got;
	enum conn_got how = conn_read_exact(&c->conn, block, n, &got, e);
	int key_n;

	if (how == CONN_FAILED) {
		return -1;
	}
	if (how == CONN_EOF) {
		if (got == strlen(CLASSIC_INVALID) && memcmp(block, CLASSIC_INVALID, got) == 0) {
			return err_set(e, EX_NOPERM, CLASSIC_INVALID);
		}
		err_set(e, got == 0 ? EX_TEMPFAIL : EX_PROTOCOL,
			"the server closed the connection during the login, after %zu bytes", got);
		return err_hint(e, "the server's log says why; it may want --enhanced");
	}
	key_n = rsa_oaep_decrypt(l->user_key, block);
	if (key_n != CLASSIC_KEY) {
		wipe(block, sizeof block);
		return err_set(e, EX_PROTOCOL, "the server's key block is %s",
			key_n < 0 ? "not for this private key" : "of another length");
	}
	classic_init(&c->wire, &c->conn, block);
	wipe(block, sizeof block);
	return 0;
}

/* Wait for the menu, and keep it: it must be the menu, perhaps behind a rejection's line. */
static int recv_menu(struct classic_client *c, struct err *e)
{
	size_t n = strlen(CLASSIC_MENU);
	int rc;

	c->menu.n = 0;
	rc = classic_recv(&c->wire, &c->menu, CLASSIC_TEXT_MAX, CLASSIC_QUIET_MS, e);
	if (rc == 0 && (c->menu.n < n || memcmp(c->menu.p + c->menu.n - n, CLASSIC_MENU, n) != 0)) {
		rc = err_set(e, EX_PROTOCOL, "the server's menu is not the classic one");
	}
	if (rc != 0) {
		c->menu.n = 0;
	}
	return rc;
}

int classic_client_login(struct classic_client *c, const struct classic_login *l, struct err *e)
{
	c->conn.fd = -1;
	c->menu = (struct buf){0};
	c->trace = l->trace;
	c->trace_arg = l->trace_arg;
	if (conn_dial(&c->conn, l->host, l->port, e) != 0) {
		return -1;
	}
	conn_deadline(&c->conn, CLASSIC_CLIENT_MS);
	if (send_login(c, l, e) != 0 || recv_key(c, l, e) != 0) {
		return -1;
	}
	if (classic_send(&c->wire, "OK", e) != 0 || recv_menu(c, e) != 0) {
		return err_prefix(e, "after the login");
	}
	say(c, "login: name and password in an RSA block that works again if it is recorded, the "
	       "session's key, the menu: nothing proved who the server is");
	return 0;
}

/* --- the menu's choices --- */

/* Choose, and take the server's prompt, which must be this one. */
static int choose(struct classic_client *c, const char *choice, const char *prompt, struct err *e)
{
	struct buf got = {0};
	int rc;

	c->menu.n = 0; /* what stands in it from now on is the answer */
	conn_deadline(&c->conn, CLASSIC_CLIENT_MS);
	rc = classic_send(&c->wire, choice, e) != 0
		     ? -1
		     : classic_recv(&c->wire, &got, CLASSIC_TEXT_MAX, CLASSIC_QUIET_MS, e);
	if (rc == 0 && (got.n != strlen(prompt) || memcmp(got.p, prompt, got.n) != 0)) {
		rc = err_set(e, EX_PROTOCOL, "the server did not answer with \"%s\"", prompt);
	}
	buf_free(&got);
	return rc;
}

/* The line ahead of the menu, as an error; 0 when there is none. */
static int rejection(const struct classic_client *c, struct err *e)
{
	size_t lead = strlen(CLASSIC_REJECTED), later = strlen(CLASSIC_LATER);
	struct cursor cur = cursor_over(c->menu.p, c->menu.n);
	const uint8_t *line;
	size_t n;

	if (!get_line(&cur, &line, &n) || n < lead || memcmp(line, CLASSIC_REJECTED, lead) != 0) {
		return 0;
	}
	bool again = n >= lead + later && memcmp(line + lead, CLASSIC_LATER, later) == 0;
	return err_set(e, again ? EX_TEMPFAIL : EX_DATAERR, "%.*s", (int)n, (const char *)line);
}

static int put_content(struct classic_client *c, const struct mail_letter *l, struct err *e)
{
	enum { PIECE = 16384 };
	uint8_t piece[PIECE];
	uint64_t left = l->bytes;
	size_t n;
	int rc = 0;

	while (rc == 0 && left > 0) {
		size_t k = left < PIECE ? (size_t)left : PIECE;
		rc = l->source(l->arg, piece, k, &n, e);
		if (rc == 0 && n != k) {
			rc = err_set(e, EX_DATAERR, "the content became shorter while it was sent");
		}
		rc = rc == 0 ? classic_put(&c->wire, piece, n, e) : rc;
		left -= k;
	}
	wipe(piece, l->bytes < PIECE ? (size_t)l->bytes : PIECE);
	return rc;
}

int classic_client_post(
	struct classic_client *c, const char *from, const struct mail_letter *l, struct err *e)
{
	struct buf head = {0};
	int rc;

	if (l->chars > MESSAGE_CONTENT_CHARS) {
		return err_set(e, EX_DATAERR,
			"the content has more than %d characters, which only the enhanced protocol "
			"carries",
			MESSAGE_CONTENT_CHARS);
	}
	rc = choose(c, "1", CLASSIC_SEND_PROMPT, e);
	if (rc == 0 && message_format(&head, message_text(from), message_text(l->to), -1,
			       message_text(l->title), l->chars) != 0) {
		rc = err_set(e, EX_TEMPFAIL, "out of memory");
	}
	conn_deadline(&c->conn, CLASSIC_MAIL_MS);
	if (rc == 0) {
		rc = classic_put(&c->wire, head.p, head.n, e) != 0 || put_content(c, l, e) != 0
			     ? -1
			     : classic_end(&c->wire, e);
	}
	buf_free(&head);
	return rc;
}

int classic_client_acknowledge(struct classic_client *c, struct err *e)
{
	if (recv_menu(c, e) != 0) {
		return err_prefix(e, "the message was not acknowledged");
	}
	say(c, "an e-mail in AES-ECB: equal blocks look equal, and nothing notices a change");
	return rejection(c, e);
}

int classic_client_list(struct classic_client *c, struct buf *list, struct err *e)
{
	conn_deadline(&c->conn, CLASSIC_MAIL_MS);
	if (classic_send(&c->wire, "2", e) != 0 ||
		classic_recv(&c->wire, list, CLASSIC_LIST_MAX, 0, e) != 0 ||
		classic_send(&c->wire, "OK", e) != 0 || recv_menu(c, e) != 0) {
		return -1;
	}
	say(c, "the list in AES-ECB");
	return 0;
}

/* --- viewing --- */

struct viewed {
	struct buf *text;
	struct message_head *head;
};

static int on_head(void *arg, const struct message_head *h, const uint8_t *bytes, struct err *e)
{
	struct viewed *v = arg;

	*v->head = *h;
	if (h->length > MESSAGE_CONTENT_CHARS) {
		return err_set(
			e, EX_PROTOCOL, "the server's e-mail is longer than the protocol allows");
	}
	return buf_append(v->text, bytes, h->bytes) == 0 ? 0
							 : err_set(e, EX_TEMPFAIL, "out of memory");
}

static int on_content(void *arg, const void *p, size_t n, struct err *e)
{
	struct viewed *v = arg;

	return buf_append(v->text, p, n) == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

/* An e-mail begins with From; anything else is a line that says why there is none. */
static int recv_viewed(
	struct classic_client *c, struct buf *text, struct message_head *head, struct err *e)
{
	struct viewed v = {.text = text, .head = head};
	struct classic_mail mail = {
		.stored = true, .head = on_head, .content = on_content, .arg = &v};
	const char *why;
	int is_mail = classic_starts_with(&c->wire, "From: ", e);

	if (is_mail < 0) {
		return -1;
	}
	if (is_mail == 0) {
		if (classic_recv(&c->wire, text, CLASSIC_TEXT_MAX, CLASSIC_QUIET_MS, e) != 0) {
			return -1;
		}
		err_set(e, EX_NOINPUT, "%.*s", (int)text->n, (const char *)text->p);
		text->n = 0;
		return 1;
	}
	if (classic_recv_mail(&c->wire, &mail, e) != CLASSIC_WHOLE) {
		e->code = e->code == EX_DATAERR ? EX_PROTOCOL : e->code;
		return -1;
	}
	/* the parts of the first parse pointed into the wire's buffer */
	return message_parse(text->p, text->n, true, head, &why) == 1
		       ? 0
		       : err_set(e, EX_PROTOCOL, "the server's e-mail has no header");
}

int classic_client_view(struct classic_client *c, const char *index, struct buf *text,
	struct message_head *head, struct err *e)
{
	int rc = choose(c, "3", CLASSIC_INDEX_PROMPT, e);

	conn_deadline(&c->conn, CLASSIC_MAIL_MS);
	if (rc != 0 || classic_send(&c->wire, index, e) != 0) {
		return -1;
	}
	rc = recv_viewed(c, text, head, e);
	if (rc >= 0) {
		struct err menu;
		if (recv_menu(c, &menu) != 0) {
			*e = menu;
			rc = -1;
		}
		say(c, "an e-mail in AES-ECB");
	}
	return rc == 0 ? 0 : -1;
}

void classic_client_quit(struct classic_client *c)
{
	if (c->conn.fd < 0) {
		return;
	}
	conn_deadline(&c->conn, CLASSIC_CLIENT_MS);
	(void)classic_send(&c->wire, "4", NULL); /* the server closes; nothing depends on it */
	conn_finish(&c->conn);
}

void classic_client_end(struct classic_client *c)
{
	conn_close(&c->conn);
	buf_free(&c->menu);
	wipe(&c->wire, sizeof c->wire);
}

/* --- rows --- */

static struct message_part take_word(struct cursor *c)
{
	struct message_part w;

	while (cursor_left(c) > 0 && c->p[0] == ' ') {
		(void)get_u8(c);
	}
	w.p = c->p;
	while (cursor_left(c) > 0 && c->p[0] != ' ') {
		(void)get_u8(c);
	}
	w.n = (size_t)(c->p - w.p);
	return w;
}

/* "1      client2    2022-07-21 19:29:35.768508  Test2": two words, the time, two blanks, the
 * title. */
static bool parse_row(struct cursor line, struct classic_row *row)
{
	uint64_t number;

	row->index = take_word(&line);
	row->from = take_word(&line);
	row->time = take_word(&line); /* the day; the time of day follows */
	row->time.n += take_word(&line).n + 1;
	if (parse_decimal(row->index.p, row->index.n, UINT64_MAX, &number) != 0 ||
		row->time.n != MESSAGE_TIME_LEN) {
		return false;
	}
	(void)get_literal(&line, line.n < 2 ? "" : "  ");
	row->title = (struct message_part){.p = line.p, .n = line.n};
	return !line.failed;
}

int classic_check_list(const struct buf *list, struct err *e)
{
	struct classic_row row;
	size_t at = 0, lead = strlen(CLASSIC_LIST_HEAD);

	if (list->n < lead || memcmp(list->p, CLASSIC_LIST_HEAD, lead) != 0) {
		return err_set(e, EX_TEMPFAIL, "the server sent no list: %.*s",
			(int)(list->n < 200 ? list->n : 200), (const char *)list->p);
	}
	while (classic_row_next(list, &at, &row)) {
	}
	return at == list->n ? 0 : err_set(e, EX_PROTOCOL, "a row of the server's list is no row");
}

bool classic_row_next(const struct buf *list, size_t *at, struct classic_row *row)
{
	while (*at < list->n) {
		const uint8_t *start = list->p + *at, *lf = memchr(start, '\n', list->n - *at);
		size_t n = lf == NULL ? list->n - *at : (size_t)(lf - start);
		bool heading = *at == 0;
		*at += n + (lf == NULL ? 0 : 1);
		if (!heading && n > 0) {
			return parse_row(cursor_over(start, n), row);
		}
	}
	return false;
}
