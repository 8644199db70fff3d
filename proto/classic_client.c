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
	bool usable;
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
	usable = key_n == CLASSIC_KEY || (key_n > 0 && c->dialect->short_keys);
	usable = usable && classic_init_key(&c->wire, &c->conn, block, (size_t)key_n) == 0;
	wipe(block, sizeof block);
	if (!usable) {
		return err_set(e, EX_PROTOCOL, "the server's key block is %s",
			key_n < 0 ? "not for this private key" : "of another length");
	}
	c->wire.gap_ms = c->dialect->gap_ms;
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

/* --- the steps of a dialect --- */

/* What a walk through them works with. */
struct steps {
	struct classic_client *c;
	const char *from; /* a letter that is sent, and its sender */
	const struct mail_letter *letter;
	struct buf *list;
	uint64_t index;   /* counted from 1 */
	struct buf *text; /* the e-mail that is viewed */
	struct message_head *head;
};

static int recv_text(struct classic_client *c, struct buf *text, struct err *e)
{
	text->n = 0;
	return classic_recv(&c->wire, text, CLASSIC_TEXT_MAX, CLASSIC_QUIET_MS, e);
}

static bool text_is(const struct buf *text, const char *want)
{
	return want != NULL && text->n == strlen(want) && memcmp(text->p, want, text->n) == 0;
}

static int put_text(void *arg, const struct classic_step *step, struct err *e)
{
	struct steps *s = arg;

	return classic_send(&s->c->wire, step->text, e);
}

/* In place of what a view awaits stands a text that refuses it, which is confirmed: 1. */
static int take_refusal(struct steps *s, const char *sentence, struct err *e)
{
	if (classic_send(&s->c->wire, CLASSIC_OK, e) != 0) {
		return -1;
	}
	err_set(e, EX_NOINPUT, "%s", sentence);
	return 1;
}

static int take_text(void *arg, const struct classic_step *step, struct err *e)
{
	struct steps *s = arg;
	struct buf got = {0};
	int rc = recv_text(s->c, &got, e);

	if (rc == 0 && step->what == CLASSIC_ASK && text_is(&got, s->c->dialect->nothing_listed)) {
		rc = take_refusal(s, CLASSIC_NONE_LISTED, e);
	} else if (rc == 0 && !text_is(&got, step->text)) {
		rc = err_set(e, EX_PROTOCOL, "the server did not answer with \"%s\"", step->text);
	}
	buf_free(&got);
	return rc;
}

/* A text whose size the server has told. 0 or -1. */
static int recv_sized(struct steps *s, const struct classic_step *step, const struct buf *told,
	struct buf *text, size_t max, struct err *e)
{
	if (classic_send(&s->c->wire, step->text, e) != 0) {
		return -1;
	}
	if (classic_recv_sized(&s->c->wire, told, text, max, e) != CLASSIC_WHOLE) {
		e->code = e->code == EX_DATAERR ? EX_PROTOCOL : e->code;
		return -1;
	}
	return 0;
}

static int take_list(void *arg, const struct classic_step *step, struct err *e)
{
	struct steps *s = arg;
	struct buf told = {0};
	int rc;

	if (step->text == NULL) {
		return classic_recv(&s->c->wire, s->list, CLASSIC_LIST_MAX, 0, e);
	}
	rc = recv_text(s->c, &told, e);
	rc = rc == 0 ? recv_sized(s, step, &told, s->list, CLASSIC_LIST_MAX, e) : rc;
	buf_free(&told);
	return rc;
}

static int put_index(void *arg, const struct classic_step *step, struct err *e)
{
	struct steps *s = arg;
	char index[24];

	(void)step;
	(void)snprintf(index, sizeof index, "%llu",
		(unsigned long long)(s->index - 1 + s->c->dialect->first));
	return classic_send(&s->c->wire, index, e);
}

static classic_act put_mail, take_mail;

static int walk(struct steps *s, const struct classic_step *steps, struct err *e)
{
	static const struct classic_side client = {.who = CLASSIC_C,
		.put = {[CLASSIC_SAY] = put_text,
			[CLASSIC_INDEX] = put_index,
			[CLASSIC_MAIL] = put_mail},
		.take = {[CLASSIC_SAY] = take_text,
			[CLASSIC_ASK] = take_text,
			[CLASSIC_LIST] = take_list,
			[CLASSIC_MAIL] = take_mail}};

	return classic_walk(&client, steps, s, e);
}

/* One of the menu's choices, and its steps. */
static int choose(struct steps *s, const char *choice, const struct classic_step *steps, int64_t ms,
	struct err *e)
{
	s->c->menu.n = 0; /* what stands in it from now on is the answer */
	conn_deadline(&s->c->conn, ms);
	return classic_send(&s->c->wire, choice, e) != 0 ? -1 : walk(s, steps, e);
}

int classic_client_login(struct classic_client *c, const struct classic_login *l, struct err *e)
{
	struct steps steps = {.c = c};

	c->conn.fd = -1;
	c->dialect = l->dialect == NULL ? classic_spec : l->dialect;
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
	if (walk(&steps, c->dialect->opening, e) != 0 || recv_menu(c, e) != 0) {
		return err_prefix(e, "after the login");
	}
	say(c, "login: name and password in an RSA block that works again if it is recorded, the "
	       "session's key, the menu: nothing proved who the server is");
	return 0;
}

/* --- the menu's choices --- */

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

static int put_mail(void *arg, const struct classic_step *step, struct err *e)
{
	struct steps *s = arg;
	struct classic *wire = &s->c->wire;
	const struct mail_letter *l = s->letter;
	const struct message_part from = message_text(s->from), to = message_text(l->to),
				  title = message_text(l->title);
	struct classic_step answer = {CLASSIC_S, CLASSIC_SAY, step->text};
	struct buf head = {0};
	char size[24];
	int rc = s->c->dialect->loose ? message_format_loose(&head, from, to, title, l->chars)
				      : message_format(&head, from, to, -1, title, l->chars);

	if (rc != 0) {
		rc = err_set(e, EX_TEMPFAIL, "out of memory");
	}
	if (rc == 0 && step->text != NULL) {
		(void)snprintf(size, sizeof size, "%zu", aes_padded_len(head.n + (size_t)l->bytes));
		rc = classic_send(wire, size, e);
		rc = rc == 0 ? take_text(s, &answer, e) : rc;
	}
	conn_deadline(&s->c->conn, CLASSIC_MAIL_MS);
	if (rc == 0) {
		rc = classic_put(wire, head.p, head.n, e) != 0 || put_content(s->c, l, e) != 0
			     ? -1
			     : classic_end(wire, e);
	}
	buf_free(&head);
	return rc;
}

int classic_client_post(
	struct classic_client *c, const char *from, const struct mail_letter *l, struct err *e)
{
	struct steps s = {.c = c, .from = from, .letter = l};

	if (l->chars > MESSAGE_CONTENT_CHARS) {
		return err_set(e, EX_DATAERR,
			"the content has more than %d characters, which only the enhanced protocol "
			"carries",
			MESSAGE_CONTENT_CHARS);
	}
	return choose(&s, "1", c->dialect->send, CLASSIC_CLIENT_MS, e);
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
	struct steps s = {.c = c, .list = list};

	if (choose(&s, "2", c->dialect->list, CLASSIC_MAIL_MS, e) != 0 || recv_menu(c, e) != 0) {
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
static enum classic_got recv_mail(
	struct steps *s, const struct classic_mail *mail, bool *none, struct err *e)
{
	struct classic *wire = &s->c->wire;
	int is_mail = classic_starts_with(wire, "From: ", e);

	*none = is_mail == 0;
	if (is_mail > 0) {
		return classic_recv_mail(wire, mail, e);
	}
	if (is_mail < 0 || recv_text(s->c, s->text, e) != 0) {
		*none = false;
		return CLASSIC_BROKEN;
	}
	err_set(e, EX_NOINPUT, "%.*s", (int)s->text->n, (const char *)s->text->p);
	s->text->n = 0;
	return CLASSIC_DROPPED;
}

/* The same behind a size; in its place may stand what refuses the view. */
static enum classic_got recv_sized_mail(struct steps *s, const struct classic_step *step,
	const struct classic_mail *mail, bool *none, struct err *e)
{
	struct buf told = {0}, text = {0};
	enum classic_got got = CLASSIC_BROKEN;
	int rc = recv_text(s->c, &told, e);

	if (rc == 0 && text_is(&told, s->c->dialect->no_such)) {
		rc = take_refusal(s, CLASSIC_NO_SUCH, e);
		*none = rc > 0;
	} else if (rc == 0) {
		rc = recv_sized(s, step, &told, &text, CLASSIC_MAIL_MAX, e);
	}
	if (rc == 0) {
		got = classic_take_mail(&text, mail, e);
	}
	buf_free(&told);
	buf_free(&text);
	return got;
}

static int take_mail(void *arg, const struct classic_step *step, struct err *e)
{
	struct steps *s = arg;
	struct viewed v = {.text = s->text, .head = s->head};
	const struct classic_mail mail = {
		.stored = true, .head = on_head, .content = on_content, .arg = &v};
	enum classic_got got;
	uint64_t chars;
	const char *why;
	bool none = false, parsed;

	conn_deadline(&s->c->conn, CLASSIC_MAIL_MS);
	got = step->text == NULL ? recv_mail(s, &mail, &none, e)
				 : recv_sized_mail(s, step, &mail, &none, e);
	if (none) {
		return 1;
	}
	if (got != CLASSIC_WHOLE) {
		e->code = e->code == EX_DATAERR ? EX_PROTOCOL : e->code;
		return -1;
	}
	/* the parts of the first parse pointed into the wire's buffer, or one that is gone */
	chars = s->head->length;
	parsed = step->text == NULL
			 ? message_parse(s->text->p, s->text->n, true, s->head, &why) == 1
			 : message_parse_loose(s->text->p, s->text->n, s->head, &why) == 0;
	s->head->length = chars;
	return parsed ? 0 : err_set(e, EX_PROTOCOL, "the server's e-mail has no header");
}

int classic_client_view(struct classic_client *c, uint64_t index, struct buf *text,
	struct message_head *head, struct err *e)
{
	struct steps s = {.c = c, .index = index, .text = text, .head = head};
	int rc = choose(&s, "3", c->dialect->view, CLASSIC_CLIENT_MS, e);

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
