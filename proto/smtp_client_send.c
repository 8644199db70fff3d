/* One message (RFC 5321 3.3); see smtp_client.h. */
#include "smtp_client_state.h"

enum { LINE = RFC5322_LINE_MAX, OUT = 65536 };

/* Text on its way: LF becomes CR LF, a dot ahead of a line is doubled (4.5.2), long lines break. */
struct writer {
	struct smtp_client *c; /* NULL: it is only measured */
	uint64_t bytes;        /* without the dots (RFC 1870 3) */
	uint8_t line[LINE];
	size_t line_n;
	uint8_t out[OUT];
	size_t out_n;
};

static int flush(struct writer *w, struct err *e)
{
	size_t n = w->out_n;

	w->out_n = 0;
	return n == 0 ? 0 : smtp_client_write(w->c, w->out, n, SMTP_PATIENCE_TEXT, e);
}

/* The first n bytes of the line in hand, as a line. */
static int put_line(struct writer *w, size_t n, struct err *e)
{
	w->bytes += n + 2;
	if (w->c == NULL) {
		return 0;
	}
	if (w->out_n + n + 3 > OUT && flush(w, e) != 0) {
		return -1;
	}
	if (n > 0 && w->line[0] == '.') {
		w->out[w->out_n++] = '.';
	}
	memcpy(w->out + w->out_n, w->line, n);
	memcpy(w->out + w->out_n + n, "\r\n", 2);
	w->out_n += n + 2;
	return 0;
}

/* The line is full and goes on: what follows begins with a blank. No character is cut. */
static int break_line(struct writer *w, struct err *e)
{
	size_t n = LINE, rest;

	while (n > LINE - 4 && (w->line[n - 1] & 0xc0) == 0x80) {
		n--;
	}
	n -= w->line[n - 1] >= 0xc0 ? 1 : 0;
	if (put_line(w, n, e) != 0) {
		return -1;
	}
	rest = LINE - n;
	memmove(w->line + 1, w->line + n, rest);
	w->line[0] = ' ';
	w->line_n = rest + 1;
	return 0;
}

static int put_text(void *arg, const void *p, size_t n, struct err *e)
{
	struct writer *w = arg;
	const uint8_t *s = p;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\n') {
			if (put_line(w, w->line_n, e) != 0) {
				return -1;
			}
			w->line_n = 0;
			continue;
		}
		if (w->line_n == LINE && break_line(w, e) != 0) {
			return -1;
		}
		w->line[w->line_n++] = s[i];
	}
	return 0;
}

static int pass_text(struct writer *w, const struct smtp_envelope *v, struct err *e)
{
	if (v->text(v->text_arg, put_text, w, e) != 0) {
		return -1;
	}
	return w->line_n > 0 ? put_line(w, w->line_n, e) : 0;
}

/* --- the envelope --- */

static bool is_high(const struct rfc5322_mailbox *m)
{
	for (const char *s = m->local; *s != '\0'; s++) {
		if ((uint8_t)*s > 0x7f) {
			return true;
		}
	}
	for (const char *s = m->domain; *s != '\0'; s++) {
		if ((uint8_t)*s > 0x7f) {
			return true;
		}
	}
	return false;
}

static bool has_high_address(const struct smtp_envelope *v)
{
	bool high = is_high(v->from);

	for (size_t i = 0; !high && i < v->to_n; i++) {
		high = is_high(&v->to[i]);
	}
	return high;
}

/* Can this server take it? */
static int check(const struct smtp_client *c, const struct smtp_envelope *v, uint64_t bytes,
	bool high, struct err *e)
{
	if (high && !c->utf8) {
		return err_set(
			e, EX_DATAERR, "an address is not ASCII, and the server has no SMTPUTF8");
	}
	if (v->eight_bit && !c->eight_bit) {
		return err_set(
			e, EX_DATAERR, "the message is not ASCII, and the server has no 8BITMIME");
	}
	if (c->has_size && c->size > 0 && bytes > c->size) {
		return err_set(e, EX_DATAERR,
			"the message has %llu bytes, and the server takes at most %llu",
			(unsigned long long)bytes, (unsigned long long)c->size);
	}
	return 0;
}

/* Command `at`: 0 is MAIL, the others the recipients. */
static int put_command(const struct smtp_client *c, const struct smtp_envelope *v, size_t at,
	uint64_t bytes, bool high, struct buf *out)
{
	const struct rfc5322_mailbox *m = at == 0 ? v->from : &v->to[at - 1];
	char size[40] = "";
	int rc = buf_append_str(out, at == 0 ? "MAIL FROM:<" : "RCPT TO:<");

	rc = rc == 0 && m->local[0] != '\0' ? rfc5322_address_put(out, m) : rc;
	rc = rc == 0 ? buf_append_str(out, ">") : rc;
	if (rc != 0 || at > 0) {
		return rc;
	}
	if (c->has_size) {
		(void)snprintf(size, sizeof size, " SIZE=%llu", (unsigned long long)bytes);
	}
	rc = buf_append_str(out, size);
	rc = rc == 0 && v->eight_bit ? buf_append_str(out, " BODY=8BITMIME") : rc;
	return rc == 0 && c->utf8 && (high || v->utf8) ? buf_append_str(out, " SMTPUTF8") : rc;
}

static void take_fate(const struct smtp_envelope *v, size_t i, const struct smtp_reply *r)
{
	char why[SMTP_REPLY_TEXT + 8], shown[SMTP_REPLY_TEXT];
	struct buf address = {0};

	v->fates[i] = r->code == 250 || r->code == 251 ? SMTP_ACCEPTED
		      /* RFC 5321 4.5.3.1.10: too many recipients, by whom is mistaken */
		      : r->code < 500 || r->code == 552 ? SMTP_LATER
							: SMTP_NEVER;
	if (v->fates[i] == SMTP_ACCEPTED || rfc5322_address_put(&address, &v->to[i]) != 0 ||
		buf_append(&address, "", 1) != 0) {
		buf_free(&address);
		return;
	}
	(void)escape_text(shown, sizeof shown, r->text, strlen(r->text), false);
	(void)snprintf(why, sizeof why, "%d %s", r->code, shown);
	v->refused(v->refused_arg, (const char *)address.p, why);
	buf_free(&address);
}

/* Commands from *sent on, as far ahead of their replies as may be, in one write. */
static int send_ahead(struct smtp_client *c, const struct smtp_envelope *v, uint64_t bytes,
	bool high, size_t *sent, size_t until, struct err *e)
{
	struct buf line = {0}, all = {0};
	int rc = 0;

	for (; rc == 0 && *sent < until; (*sent)++) {
		line.n = 0;
		rc = put_command(c, v, *sent, bytes, high, &line);
		rc = rc == 0 ? buf_append(&line, "", 1) : rc;
		if (rc == 0 && c->target->trace != NULL) {
			char shown[1024];
			(void)snprintf(shown, sizeof shown, "C: %s", (const char *)line.p);
			c->target->trace(c->target->trace_arg, shown);
		}
		rc = rc == 0 ? buf_append(&all, line.p, line.n - 1) : rc;
		rc = rc == 0 ? buf_append(&all, "\r\n", 2) : rc;
	}
	rc = rc != 0     ? err_set(e, EX_TEMPFAIL, "out of memory")
	     : all.n > 0 ? smtp_client_write(c, all.p, all.n, SMTP_PATIENCE, e)
			 : 0;
	buf_free(&line);
	buf_free(&all);
	return rc;
}

/* MAIL and each RCPT. 0: the fates are known; -1: there is no mail. */
static int send_envelope(struct smtp_client *c, const struct smtp_envelope *v, uint64_t bytes,
	bool high, struct err *e)
{
	size_t sent = 0, total = v->to_n + 1, window = c->pipelining ? SMTP_AHEAD : 1;
	struct smtp_reply r;
	int rc = 0;

	for (size_t at = 0; at < (rc == 0 ? total : sent); at++) {
		size_t until = at + window < total ? at + window : total;
		if (rc == 0 && sent == at && send_ahead(c, v, bytes, high, &sent, until, e) != 0) {
			return -1;
		}
		if (smtp_client_take(c, SMTP_PATIENCE, &r, rc == 0 ? e : &(struct err){0}) != 0) {
			return -1;
		}
		if (at == 0 && r.code != 250) {
			rc = smtp_client_refused(
				c, "the server refuses the sender", &r, EX_DATAERR, e);
		} else if (at > 0 && rc == 0 && r.code >= 300 && r.code < 400) {
			return smtp_client_refused(c, "RCPT", &r, EX_PROTOCOL, e);
		} else if (at > 0 && rc == 0) {
			take_fate(v, at - 1, &r);
		}
	}
	return rc;
}

/* --- all of it --- */

static int send_text(
	struct smtp_client *c, const struct smtp_envelope *v, struct writer *w, struct err *e)
{
	struct smtp_reply r;

	if (smtp_client_ask(c, "DATA", SMTP_PATIENCE_DATA, &r, e) != 0) {
		return -1;
	}
	if (r.code != 354) {
		return smtp_client_refused(c, "DATA is refused", &r, EX_DATAERR, e);
	}
	w->c = c;
	w->line_n = 0;
	if (pass_text(w, v, e) != 0 || flush(w, e) != 0) {
		c->alive = false; /* the server drops what has no end */
		return -1;
	}
	if (smtp_client_put(c, ".", NULL, e) != 0 ||
		smtp_client_take(c, SMTP_PATIENCE_END, &r, e) != 0) {
		return err_hint(e, "it may have arrived all the same: sent again, it may double");
	}
	return r.code == 250 ? 0
			     : smtp_client_refused(
				       c, "the server refuses the message", &r, EX_DATAERR, e);
}

static int judge_fates(const struct smtp_envelope *v, struct err *e)
{
	bool later = false;

	for (size_t i = 0; i < v->to_n; i++) {
		if (v->fates[i] == SMTP_ACCEPTED) {
			return 0;
		}
		later = later || v->fates[i] == SMTP_LATER;
	}
	return err_set(e, later ? EX_TEMPFAIL : EX_NOUSER, "the server accepts no recipient");
}

int smtp_client_send(struct smtp_client *c, const struct smtp_envelope *v, struct err *e)
{
	struct writer *w = calloc(1, sizeof *w);
	bool high = has_high_address(v);
	struct smtp_reply r;
	int rc;

	for (size_t i = 0; i < v->to_n; i++) {
		v->fates[i] = SMTP_LATER;
	}
	if (w == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	rc = pass_text(w, v, e);
	rc = rc == 0 ? check(c, v, w->bytes, high, e) : rc;
	if (rc == 0) {
		rc = send_envelope(c, v, w->bytes, high, e);
		rc = rc == 0 ? judge_fates(v, e) : rc;
		rc = rc == 0 ? send_text(c, v, w, e) : rc;
		if (rc != 0 && c->alive &&
			smtp_client_ask(c, "RSET", SMTP_PATIENCE, &r, &(struct err){0}) == 0) {
			c->alive = r.code == 250;
		}
	}
	wipe(w, sizeof *w);
	free(w);
	return rc;
}
