/* The lab's careless SMTP server and client; see mitm_naive.h. */
#include "mitm_naive.h"

#include <strings.h>

#include "../crypto/cram.h"

enum { PATIENCE_MS = 10000, LINE = 1024 };

/* One of the two, in its session. */
struct party {
	struct conn *conn;
	struct smtp_lines lines; /* the fault: what it holds is kept when TLS begins */
};

static int put(struct party *p, const char *text, struct err *e)
{
	return conn_write(p->conn, text, strlen(text), e);
}

/* The next line as text. 1, 0 at the end, -1. */
static int take(struct party *p, char line[static LINE], struct err *e)
{
	const uint8_t *at;
	size_t n;

	switch (smtp_line(&p->lines, LINE - 1, &at, &n, e)) {
	case SMTP_LINE:
		(void)snprintf(line, LINE, "%.*s", (int)n, (const char *)at);
		return 1;
	case SMTP_EOF:
		return 0;
	case SMTP_FAILED:
		return -1;
	case SMTP_TOO_LONG:
	case SMTP_BARE:
		break;
	}
	return err_set(e, EX_PROTOCOL, "this is no line");
}

static bool begins(const char *line, const char *word)
{
	return strncasecmp(line, word, strlen(word)) == 0;
}

/* --- AUTH PLAIN --- */

static size_t write_plain(char *out, size_t cap, const char *user, const char *password)
{
	return (size_t)snprintf(out, cap, "%c%s%c%s", '\0', user, '\0', password);
}

static bool is_right(const struct mitm_naive_server *s, const char *base64)
{
	uint8_t said[LINE];
	int n = smtp_decode64(said, sizeof said, (const uint8_t *)base64, strlen(base64));
	size_t want = strlen(s->password);

	return n > 0 && (size_t)n > want && said[(size_t)n - want - 1] == '\0' &&
	       memcmp(said + n - want, s->password, want) == 0;
}

/* --- the server --- */

struct visit {
	struct party party;
	const struct mitm_naive_server *server;
	bool logged_in;
	struct smtp_path to;
	struct buf text;
};

/* Up to the line of one dot. 1, 0 at the end, -1. */
static int take_text(struct visit *v, struct err *e)
{
	char line[LINE];
	int rc = put(&v->party, "354 go on\r\n", e) != 0 ? -1 : 1;

	v->text.n = 0;
	while (rc == 1 && (rc = take(&v->party, line, e)) == 1 && strcmp(line, ".") != 0) {
		if (buf_append_str(&v->text, line) != 0 || buf_append_str(&v->text, "\n") != 0) {
			rc = err_set(e, EX_TEMPFAIL, "out of memory");
		}
	}
	if (rc == 1) {
		rc = v->server->store(v->server->arg, v->to.local, &v->text, e) == 0 ? 1 : -1;
	}
	return rc == 1 && put(&v->party, "250 stored\r\n", e) != 0 ? -1 : rc;
}

static int begin_tls(struct visit *v, struct err *e)
{
	return put(&v->party, "220 begin\r\n", e) != 0
		       ? -1
		       : conn_tls_accept(v->party.conn, v->server->identity, e);
}

/* 1 to go on, 0: it is over, -1. */
static int answer(struct visit *v, const char *line, struct err *e)
{
	bool tls = conn_is_tls(v->party.conn);
	const char *reply = "250 ok\r\n";
	size_t used;

	if (begins(line, "EHLO ")) {
		reply = tls ? "250-naive\r\n250 AUTH PLAIN\r\n" : "250-naive\r\n250 STARTTLS\r\n";
	} else if (begins(line, "STARTTLS")) {
		return begin_tls(v, e) == 0 ? 1 : -1;
	} else if (begins(line, "AUTH PLAIN ") && tls) {
		v->logged_in = is_right(v->server, line + strlen("AUTH PLAIN "));
		reply = v->logged_in ? "235 welcome\r\n" : "535 refused\r\n";
	} else if (begins(line, "MAIL FROM:")) {
		reply = v->logged_in ? reply : "530 AUTH comes first\r\n";
	} else if (begins(line, "RCPT TO:")) {
		const char *path = line + strlen("RCPT TO:");
		bool ok = v->logged_in &&
			  smtp_path((const uint8_t *)path, strlen(path), &v->to, &used) == 0;
		reply = ok ? reply : "550 no\r\n";
	} else if (begins(line, "DATA") && v->logged_in && v->to.local[0] != '\0') {
		return take_text(v, e);
	} else if (begins(line, "QUIT")) {
		return put(&v->party, "221 goodbye\r\n", e) != 0 ? -1 : 0;
	} else if (!begins(line, "NOOP")) {
		reply = "500 what?\r\n";
	}
	return put(&v->party, reply, e) != 0 ? -1 : 1;
}

int mitm_naive_serve(const struct mitm_naive_server *s, struct conn *c, struct err *e)
{
	static struct visit v; /* one session a process; it is large */
	char line[LINE];
	int rc;

	v = (struct visit){.party.conn = c, .server = s};
	smtp_lines_over(&v.party.lines, c);
	conn_deadline(c, PATIENCE_MS);
	rc = put(&v.party, "220 naive ESMTP\r\n", e) != 0 ? -1 : 1;
	while (rc == 1 && (rc = take(&v.party, line, e)) == 1) {
		rc = answer(&v, line, e);
	}
	if (rc == 0) {
		conn_finish(c);
	}
	buf_free(&v.text);
	return rc;
}

/* --- the client --- */

/* What the last reply to EHLO had in it. */
struct offer {
	bool starttls, cram, plain;
};

/* All lines of a reply. 0, or -1: it is not the one with this code. */
static int expect(struct party *p, const char *code, struct offer *offer, struct err *e)
{
	char line[LINE];
	int rc;

	while ((rc = take(p, line, e)) == 1) {
		const char *word = strlen(line) > 4 ? line + 4 : "";
		if (offer != NULL) {
			offer->starttls = offer->starttls || begins(word, "STARTTLS");
			offer->cram = offer->cram ||
				      (begins(word, "AUTH ") && strstr(word, "CRAM-MD5") != NULL);
			offer->plain = offer->plain ||
				       (begins(word, "AUTH ") && strstr(word, "PLAIN") != NULL);
		}
		if (!begins(line, code)) {
			return err_set(e, EX_UNAVAILABLE, "the server said %.200s", line);
		}
		if (line[3] != '-') {
			return 0;
		}
	}
	return rc == 0 ? err_set(e, EX_TEMPFAIL, "the server closed the connection") : -1;
}

static int say(struct party *p, const char *text, const char *code, struct err *e)
{
	return put(p, text, e) != 0 ? -1 : expect(p, code, NULL, e);
}

static int say_hello(struct party *p, struct offer *offer, struct err *e)
{
	*offer = (struct offer){0};
	return put(p, "EHLO naive\r\n", e) != 0 ? -1 : expect(p, "250", offer, e);
}

/* Where TLS is offered. What is in the buffer stays in it. */
static int maybe_tls(
	struct party *p, const struct mitm_naive_letter *l, struct offer *offer, struct err *e)
{
	const struct conn_tls_check check = {.trust = l->trust, .host = l->host};

	if (!offer->starttls) {
		return 0;
	}
	return say(p, "STARTTLS\r\n", "220", e) != 0 || conn_tls_connect(p->conn, &check, e) != 0 ||
			       say_hello(p, offer, e) != 0
		       ? -1
		       : 0;
}

/* "WORD BASE64", and the reply. */
static int say_secret(
	struct party *p, const char *word, const void *secret, size_t n, struct err *e)
{
	struct buf line = {0};
	int rc = buf_append_str(&line, word) != 0 || smtp_encode64(&line, secret, n) != 0 ||
				 buf_append(&line, "\r\n", 3) != 0
			 ? err_set(e, EX_TEMPFAIL, "out of memory")
			 : say(p, (const char *)line.p, "235", e);

	buf_free(&line);
	return rc;
}

static int log_in_by_cram(struct party *p, const struct mitm_naive_letter *l, struct err *e)
{
	uint8_t challenge[LINE], digest[CRAM_BYTES];
	char line[LINE], hex[2 * CRAM_BYTES + 1], plain[LINE];
	struct cram_states states;
	int n;

	if (put(p, "AUTH CRAM-MD5\r\n", e) != 0 || take(p, line, e) != 1 || !begins(line, "334 ")) {
		return err_set(e, EX_PROTOCOL, "the server has no challenge");
	}
	n = smtp_decode64(challenge, sizeof challenge, (uint8_t *)line + 4, strlen(line + 4));
	cram_states_of(l->password, strlen(l->password), &states);
	cram_answer(&states, challenge, n < 0 ? 0 : (size_t)n, digest);
	hex_encode(hex, digest, sizeof digest);
	n = snprintf(plain, sizeof plain, "%s %s", l->user, hex);
	return say_secret(p, "", plain, (size_t)n, e);
}

/* By what is offered; where nothing is, it does without. */
static int maybe_log_in(struct party *p, const struct mitm_naive_letter *l,
	const struct offer *offer, struct err *e)
{
	char plain[LINE];

	if (offer->cram) {
		return log_in_by_cram(p, l, e);
	}
	return offer->plain ? say_secret(p, "AUTH PLAIN ", plain,
				      write_plain(plain, sizeof plain, l->user, l->password), e)
			    : 0;
}

static int converse(struct party *p, const struct mitm_naive_letter *l, struct err *e)
{
	char from[LINE], to[LINE];
	struct offer offer;

	(void)snprintf(from, sizeof from, "MAIL FROM:<%s@localhost>\r\n", l->user);
	(void)snprintf(to, sizeof to, "RCPT TO:<%s@localhost>\r\n", l->to);
	return expect(p, "220", NULL, e) != 0 || say_hello(p, &offer, e) != 0 ||
			       maybe_tls(p, l, &offer, e) != 0 ||
			       maybe_log_in(p, l, &offer, e) != 0 || say(p, from, "250", e) != 0 ||
			       say(p, to, "250", e) != 0 || say(p, "DATA\r\n", "354", e) != 0 ||
			       put(p, l->text, e) != 0 || say(p, "\r\n.\r\n", "250", e) != 0 ||
			       say(p, "QUIT\r\n", "221", e) != 0
		       ? -1
		       : 0;
}

int mitm_naive_send(const struct mitm_naive_letter *l, struct err *e)
{
	static struct party p;
	struct conn c;
	int rc;

	if (conn_dial(&c, l->host, l->port, e) != 0) {
		return -1;
	}
	p.conn = &c;
	smtp_lines_over(&p.lines, &c);
	conn_deadline(&c, PATIENCE_MS);
	rc = converse(&p, l, e);
	conn_close(&c);
	return rc;
}
