/* Connecting, greeting, TLS and replies; see smtp_client.h. */
#include "smtp_client.h"

#include <strings.h>

#include "smtp_client_state.h"

static int no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "out of memory");
}

/* --- lines there and back --- */

static void set_deadline(struct smtp_client *c, int64_t ms)
{
	int64_t most = c->target->patience_ms;

	conn_deadline(&c->conn, most > 0 && most < ms ? most : ms);
}

static void trace(const struct smtp_client *c, const char *who, const void *p, size_t n)
{
	char line[SMTP_REPLY_MAX + 16];

	if (c->target->trace != NULL) {
		(void)snprintf(line, sizeof line, "%s %.*s", who,
			(int)(n < SMTP_REPLY_MAX ? n : SMTP_REPLY_MAX), (const char *)p);
		c->target->trace(c->target->trace_arg, line);
	}
}

int smtp_client_write(
	struct smtp_client *c, const void *p, size_t n, int64_t patience, struct err *e)
{
	set_deadline(c, patience);
	if (conn_write(&c->conn, p, n, e) != 0) {
		c->alive = false;
		return -1;
	}
	return 0;
}

int smtp_client_put(struct smtp_client *c, const char *line, const char *shown, struct err *e)
{
	struct buf whole = {0};
	int rc = -1;

	shown = shown == NULL ? line : shown;
	trace(c, "C:", shown, strlen(shown));
	if (buf_append_str(&whole, line) != 0 || buf_append_str(&whole, "\r\n") != 0) {
		no_memory(e);
	} else {
		rc = smtp_client_write(c, whole.p, whole.n, SMTP_PATIENCE, e);
	}
	buf_free(&whole);
	return rc;
}

/* --- replies --- */

/* RFC 5321 4.2: a code of three digits, and a blank, a '-' where more lines follow, or nothing. */
static bool is_reply(const uint8_t *p, size_t n)
{
	if (n < 3 || p[0] < '2' || p[0] > '5' || p[1] < '0' || p[1] > '5' || p[2] < '0' ||
		p[2] > '9' || (n > 3 && p[3] != ' ' && p[3] != '-')) {
		return false;
	}
	for (size_t i = 3; i < n; i++) {
		if ((p[i] < ' ' && p[i] != '\t') || p[i] == 0x7f) {
			return false;
		}
	}
	return true;
}

static void keep_text(struct smtp_reply *r, const uint8_t *p, size_t n)
{
	size_t room = sizeof r->text - 4 - r->n;

	if (r->n > 0 && n > 0 && room > 0) {
		r->text[r->n++] = ' ';
		room--;
	}
	if (n > room) {
		memcpy(r->text + r->n, p, room);
		memcpy(r->text + r->n + room, "...", 4);
		r->n += room;
	} else {
		memcpy(r->text + r->n, p, n);
		r->n += n;
		r->text[r->n] = '\0';
	}
}

static int bad_reply(struct smtp_client *c, const char *why, struct err *e)
{
	c->alive = false;
	return err_set(e, EX_PROTOCOL, "the server breaks the protocol: %s", why);
}

static int take_line(struct smtp_client *c, const uint8_t **p, size_t *n, struct err *e)
{
	switch (smtp_line(&c->lines, SMTP_REPLY_MAX, p, n, e)) {
	case SMTP_LINE:
		break;
	case SMTP_FAILED:
		c->alive = false;
		return -1;
	case SMTP_EOF:
		c->alive = false;
		return err_set(e, EX_TEMPFAIL, "the server closed the connection");
	case SMTP_TOO_LONG:
		return bad_reply(c, "a line of its reply is too long", e);
	case SMTP_BARE:
		return bad_reply(c, "a line of its reply does not end in CR LF", e);
	}
	trace(c, "S:", *p, *n);
	return is_reply(*p, *n) ? 0 : bad_reply(c, "what it says is no reply", e);
}

/* A line of what EHLO is answered. */
typedef void take_offer(struct smtp_client *c, const uint8_t *p, size_t n);

static int take_reply(struct smtp_client *c, int64_t patience, struct smtp_reply *r,
	take_offer *offer, struct err *e)
{
	const uint8_t *p = NULL;
	size_t n = 0, lines = 0;

	*r = (struct smtp_reply){.code = 0};
	set_deadline(c, patience);
	do {
		if (++lines > SMTP_REPLY_LINES) {
			return bad_reply(c, "its reply has no end", e);
		}
		if (take_line(c, &p, &n, e) != 0) {
			return -1;
		}
		int code = 100 * (p[0] - '0') + 10 * (p[1] - '0') + (p[2] - '0');
		if (lines > 1 && code != r->code) {
			return bad_reply(c, "the lines of one reply have two codes", e);
		}
		r->code = code;
		if (offer != NULL && lines > 1 && n > 4) {
			offer(c, p + 4, n - 4);
		}
		keep_text(r, p + (n > 4 ? 4 : n), n > 4 ? n - 4 : 0);
	} while (n > 3 && p[3] == '-');
	if (r->code == 421) {
		c->alive = false;
		return smtp_client_refused(c, "the server closes", r, EX_TEMPFAIL, e);
	}
	return 0;
}

int smtp_client_take(
	struct smtp_client *c, int64_t patience, struct smtp_reply *reply, struct err *e)
{
	return take_reply(c, patience, reply, NULL, e);
}

int smtp_client_ask(struct smtp_client *c, const char *line, int64_t patience,
	struct smtp_reply *reply, struct err *e)
{
	return smtp_client_put(c, line, NULL, e) != 0 ? -1
						      : smtp_client_take(c, patience, reply, e);
}

int smtp_client_refused(struct smtp_client *c, const char *what, const struct smtp_reply *reply,
	int code, struct err *e)
{
	char shown[SMTP_REPLY_TEXT];

	(void)escape_text(shown, sizeof shown, reply->text, strlen(reply->text), false);
	if (reply->code < 400) { /* it is none that may come here */
		c->alive = false;
		code = EX_PROTOCOL;
	} else if (reply->code == 530 || reply->code == 534 || reply->code == 535 ||
		   reply->code == 538) { /* RFC 4954 6: about logging in, whenever they come */
		code = EX_NOPERM;
	}
	return err_set(e, reply->code >= 400 && reply->code < 500 ? EX_TEMPFAIL : code, "%s: %d %s",
		what, reply->code, shown);
}

/* --- what the server offers --- */

static bool is_word(const uint8_t *p, size_t n, const char *word)
{
	return strlen(word) == n && strncasecmp((const char *)p, word, n) == 0;
}

static size_t word_length(const uint8_t *p, size_t n)
{
	const uint8_t *blank = memchr(p, ' ', n);

	return blank == NULL ? n : (size_t)(blank - p);
}

static void take_mechanisms(struct smtp_client *c, const uint8_t *p, size_t n)
{
	static const char *const names[SMTP_MECHANISMS] = {
		"SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"};

	while (n > 0) {
		size_t k = word_length(p, n);
		for (size_t i = 0; i < SMTP_MECHANISMS; i++) {
			c->mechanisms[i] = c->mechanisms[i] || is_word(p, k, names[i]);
		}
		k += k < n ? 1 : 0;
		p += k;
		n -= k;
	}
}

static void take_keyword(struct smtp_client *c, const uint8_t *p, size_t n)
{
	struct {
		const char *name;
		bool *flag;
	} const words[] = {{"STARTTLS", &c->starttls}, {"PIPELINING", &c->pipelining},
		{"8BITMIME", &c->eight_bit}, {"SMTPUTF8", &c->utf8}, {"SIZE", &c->has_size},
		{"AUTH", &c->auth}};
	size_t k = word_length(p, n), rest = k < n ? k + 1 : n;

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		*words[i].flag = *words[i].flag || is_word(p, k, words[i].name);
	}
	if (is_word(p, k, "AUTH")) {
		take_mechanisms(c, p + rest, n - rest);
	}
	if (is_word(p, k, "SIZE") && parse_decimal(p + rest, n - rest, INT64_MAX, &c->size) != 0) {
		c->size = 0;
	}
}

static int say_hello(struct smtp_client *c, struct err *e)
{
	char line[CONN_HOST_MAX + 16];
	struct smtp_reply r;

	c->starttls = c->pipelining = c->eight_bit = c->utf8 = c->has_size = c->auth = false;
	c->size = 0;
	memset(c->mechanisms, 0, sizeof c->mechanisms);
	(void)snprintf(line, sizeof line, "EHLO %.255s", c->target->hello);
	if (smtp_client_put(c, line, NULL, e) != 0 ||
		take_reply(c, SMTP_PATIENCE, &r, take_keyword, e) != 0) {
		return -1;
	}
	/* a server of before 1995 has no STARTTLS either, and is none for mail in TLS */
	if (r.code >= 500 && r.code <= 504 && c->target->tls == SMTP_IN_THE_CLEAR) {
		memcpy(line, "HELO", 4);
		if (smtp_client_ask(c, line, SMTP_PATIENCE, &r, e) != 0) {
			return -1;
		}
	}
	return r.code == 250 ? 0 : smtp_client_refused(c, "EHLO is refused", &r, EX_PROTOCOL, e);
}

/* --- opening --- */

static int begin_tls(struct smtp_client *c, struct err *e)
{
	char suite[TLS_SUITE_MAX], line[TLS_SUITE_MAX + 8];

	set_deadline(c, SMTP_PATIENCE);
	if (conn_tls_connect(&c->conn, &c->target->check, e) != 0) {
		c->alive = false;
		return err_prefix(e, "TLS with the server");
	}
	c->tls = true;
	smtp_lines_over(&c->lines, &c->conn);
	conn_tls_describe(&c->conn, suite);
	(void)snprintf(line, sizeof line, "in %s", suite);
	trace(c, "--", line, strlen(line));
	return 0;
}

static int start_tls(struct smtp_client *c, struct err *e)
{
	struct smtp_reply r;

	if (!c->starttls) {
		err_set(e, EX_PROTOCOL,
			"the server does not offer STARTTLS, or somebody strips it");
		return err_hint(e, "--smtps HOST, where it has TLS from the beginning; --no-tls "
				   "sends in the clear, for all to read and change");
	}
	if (smtp_client_ask(c, "STARTTLS", SMTP_PATIENCE, &r, e) != 0) {
		return -1;
	}
	if (r.code != 220) {
		return smtp_client_refused(c, "STARTTLS is refused", &r, EX_PROTOCOL, e);
	}
	/* said in the clear, they would count as said in TLS (CVE-2011-0411 and its kin) */
	if (smtp_has_more(&c->lines)) {
		return bad_reply(c, "bytes follow its answer to STARTTLS", e);
	}
	return begin_tls(c, e) != 0 ? -1 : say_hello(c, e);
}

int smtp_client_greet(struct smtp_client *c, struct err *e)
{
	struct smtp_reply r;

	if (c->target->tls == SMTP_TLS_AT_ONCE && begin_tls(c, e) != 0) {
		return -1;
	}
	if (smtp_client_take(c, SMTP_PATIENCE, &r, e) != 0) {
		return -1;
	}
	if (r.code != 220) {
		return smtp_client_refused(c, "the server takes no mail", &r, EX_UNAVAILABLE, e);
	}
	if (say_hello(c, e) != 0) {
		return -1;
	}
	return c->target->tls == SMTP_STARTTLS ? start_tls(c, e) : 0;
}

int smtp_client_open(struct smtp_client **out, const struct smtp_target *t, struct err *e)
{
	struct smtp_client *c = calloc(1, sizeof *c);

	*out = NULL;
	if (c == NULL) {
		return no_memory(e);
	}
	c->target = t;
	c->conn.fd = -1;
	c->alive = true;
	if (conn_dial(&c->conn, t->host, t->port, e) != 0) {
		free(c);
		return -1;
	}
	smtp_lines_over(&c->lines, &c->conn);
	if (smtp_client_greet(c, e) != 0) {
		smtp_client_end(c);
		return -1;
	}
	*out = c;
	return 0;
}

bool smtp_client_is_alive(const struct smtp_client *c)
{
	return c->alive;
}

bool smtp_client_is_logged_in(const struct smtp_client *c)
{
	return c->logged_in;
}

void smtp_client_end(struct smtp_client *c)
{
	struct smtp_reply r;

	if (c == NULL) {
		return;
	}
	if (c->alive) {
		(void)smtp_client_ask(c, "QUIT", SMTP_PATIENCE_QUIT, &r, &(struct err){0});
	}
	conn_close(&c->conn);
	wipe(c, sizeof *c);
	free(c);
}
