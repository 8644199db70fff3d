/* The SMTP door: a message, from DATA's 354 to the reply that it is on disk; see
 * smtp_session_server.h. */
#include "../crypto/random.h"
#include "held.h"
#include "log.h"
#include "original.h"
#include "rfc5322_address.h"
#include "smtp_session_server.h"

enum { HEAD_MAX = 262144 /* bytes of a header: all of it is looked at */ };

struct incoming {
	struct smtp_session *s;
	struct mail mail;
	struct original encoder;
	struct held held;          /* the content: its trace, and the message */
	struct utf8_counter count; /* of it */
	struct buf head;           /* the message's header as it came, lines ended by LF */
	bool in_body;
	uint64_t bytes;      /* of the message so far, as they came */
	const char *refusal; /* code and status; NULL: nothing is wrong yet */
	struct err why;      /* with refusal */
};

/* --- receiving --- */

static void refuse(struct incoming *in, const char *code_and_status, const char *text)
{
	if (in->refusal == NULL) {
		in->refusal = code_and_status;
		err_set(&in->why, EX_DATAERR, "%s", text);
		held_clear(&in->held);
	}
}

static int hold(void *arg, const void *p, size_t n, struct err *e)
{
	struct incoming *in = arg;

	(void)utf8_feed(&in->count, p, n, UINT64_MAX);
	return held_put(&in->held, p, n, e);
}

/* RFC 3848, 6531 4.3: how it came. */
static const char *with(const struct smtp_session *s)
{
	static const char *const names[] = {"ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA", "UTF8SMTP",
		"UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA"};

	return s->extended
		       ? names[(s->logged_in ? 1 : 0) + (s->tls ? 2 : 0) + (s->mail.utf8 ? 4 : 0)]
		       : "SMTP";
}

static int put_trace(struct incoming *in, struct err *e)
{
	struct smtp_session *s = in->s;
	char id[2 * MAILBOX_ID_BYTES + 1], from[SMTP_HELO_MAX + CONN_ADDRESS_MAX + 16];
	const char *peer = s->conn->peer, *port = strrchr(peer, ':');
	int address_n = port == NULL ? (int)strlen(peer) : (int)(port - peer);
	bool v6 = peer[0] == '[';
	struct buf line = {0};
	int rc;

	hex_encode(id, in->mail.meta.id, MAILBOX_ID_BYTES);
	(void)snprintf(from, sizeof from, "%s (%s%.*s%s)", s->helo, v6 ? "" : "[", address_n, peer,
		v6 ? "" : "]");
	rc = original_put_trace(&line, &(struct original_trace){.from = from,
					       .by = s->door->name,
					       .with = with(s),
					       .id = id,
					       .time_us = message_now()});
	rc = rc == 0 ? hold(in, line.p, line.n, e) : err_set(e, EX_TEMPFAIL, "out of memory");
	buf_free(&line);
	return rc;
}

/* The next field, over lines that are none. Programs differ on where a header with such lines ends:
 * for what is judged here it goes on to the empty line. */
static bool next_field(struct cursor *c, struct rfc5322_field *f)
{
	const uint8_t *line;
	size_t n;
	int rc;

	while ((rc = rfc5322_next(c, f)) < 0) {
		(void)get_line(c, &line, &n);
	}
	return rc > 0;
}

/* Up to the empty line, a header is kept to be judged. What has no field so far is no header.
 * false: refused. */
static bool keep_head(struct incoming *in, const uint8_t *line, size_t n)
{
	struct cursor c = cursor_over(in->head.p, in->head.n);
	struct rfc5322_field f;

	if (!in->in_body && in->head.n > HEAD_MAX && next_field(&c, &f)) {
		refuse(in, "552 5.3.4", "the header is too large");
		return false;
	}
	in->in_body = in->in_body || n == 0 || in->head.n > HEAD_MAX;
	if (!in->in_body &&
		(buf_append(&in->head, line, n) != 0 || buf_append(&in->head, "\n", 1) != 0)) {
		refuse(in, "451 4.3.0", "out of memory");
		return false;
	}
	return true;
}

/* A line of the message, its dot taken off. */
static void take_line(struct incoming *in, const uint8_t *line, size_t n)
{
	in->bytes += n + 2;
	if (in->bytes > in->s->host->max_chars) {
		refuse(in, "552 5.3.4", "the message is too large");
	}
	if (memchr(line, '\0', n) != NULL) {
		refuse(in, "554 5.6.0", "a NUL stands in the message");
	}
	if (in->refusal != NULL || !keep_head(in, line, n)) {
		return;
	}
	if (original_encode(&in->encoder, line, n, &in->why) != 0 ||
		original_encode(&in->encoder, "\n", 1, &in->why) != 0) {
		in->refusal = "451 4.3.0";
	}
}

/* Everything up to the line of one dot, whatever is wrong with it. 0, or -1 when the session is
 * over. */
static int receive(struct incoming *in, struct err *e)
{
	const uint8_t *line;
	size_t n;

	for (;;) {
		switch (smtp_line(&in->s->lines, SMTP_TEXT_MAX, &line, &n, e)) {
		case SMTP_LINE:
			if (n == 1 && line[0] == '.') {
				return 0;
			}
			if (n > 0 && line[0] == '.') {
				take_line(in, line + 1, n - 1); /* RFC 5321 4.5.2 */
			} else {
				take_line(in, line, n);
			}
			break;
		case SMTP_TOO_LONG:
			refuse(in, "554 5.6.0", "a line of the message is too long");
			break;
		case SMTP_BARE:
			smtp_reply(in->s, "554 5.6.0",
				"a CR or LF stands alone in the message: a line ends in CR LF");
			return err_set(e, EX_PROTOCOL, "a CR or LF stood alone in a message");
		case SMTP_EOF:
			return err_set(e, EX_PROTOCOL, "the connection ended within a message");
		case SMTP_FAILED:
			return -1;
		}
	}
}

/* --- judging --- */

/* Is this the address of a user here, and of another one than logged in? */
static bool is_another(const struct smtp_session *s, const char *local, const char *domain)
{
	char user[USER_NAME_MAX + 1];
	struct smtp_path path = {0};

	(void)snprintf(path.local, sizeof path.local, "%s", local);
	(void)snprintf(path.domain, sizeof path.domain, "%s", domain);
	return domain[0] != '\0' && smtp_user_of(s, &path, user) && user[0] != '\0' &&
	       strcmp(user, s->report->user) != 0 && users_known(s->accounts.now, user);
}

/* Does this From field name such an address? Of one that cannot be read to its end, what a mail
 * program would show of it. */
static bool names_another(const struct smtp_session *s, struct message_part value)
{
	struct cursor c = cursor_over(value.p, value.n);
	struct rfc5322_mailbox m;
	char local[RFC5322_ADDRESS_MAX], domain[RFC5322_ADDRESS_MAX];
	int rc;

	while ((rc = rfc5322_address_next(&c, &m)) == 1) {
		if (is_another(s, m.local, m.domain)) {
			return true;
		}
	}
	return rc < 0 && rfc5322_address(value, local, domain) && strlen(local) <= SMTP_LOCAL_MAX &&
	       strlen(domain) <= SMTP_DOMAIN_MAX && is_another(s, local, domain);
}

/* What the header says must not lead anybody astray. */
static void judge_head(struct incoming *in)
{
	struct cursor c = cursor_over(in->head.p, in->head.n);
	struct rfc5322_field f;
	unsigned traces = 0;

	while (next_field(&c, &f)) {
		traces += rfc5322_is(&f, "Received") ? 1 : 0;
		if (in->s->logged_in && rfc5322_is(&f, "From") && names_another(in->s, f.value)) {
			refuse(in, "550 5.7.1", "From is another user than the one who logged in");
		}
	}
	if (traces > SMTP_TRACES) {
		refuse(in, "554 5.4.6", "the message runs in circles");
	}
}

/* --- delivering --- */

static int pass_on(void *mail, const void *p, size_t n, struct err *e)
{
	return mail_content(mail, p, n, e);
}

static int join_recipients(struct buf *out, const struct users_list *to)
{
	for (size_t i = 0; i < to->n; i++) {
		if ((i > 0 && buf_append(out, ";", 1) != 0) ||
			buf_append_str(out, to->names[i]) != 0) {
			return -1;
		}
	}
	return 0;
}

static int deliver(struct incoming *in, const struct buf *to, struct err *e)
{
	struct message_head h = {.from = message_text(in->mail.user),
		.to = {.p = to->p, .n = to->n},
		.length = in->count.count};
	char title[ORIGINAL_TITLE_MAX];

	if (original_title(in->head.p, in->head.n, title, e) != 0 ||
		accounts_refresh(&in->s->accounts, NULL, e) != 0) {
		return -1;
	}
	h.title = message_text(title);
	in->mail.announced = in->held.bytes;
	return mail_begin(&in->mail, in->s->accounts.now, &h, e) != 0 ||
			       held_each(&in->held, pass_on, &in->mail, e) != 0
		       ? -1
		       : mail_deliver(&in->mail, e);
}

static const char *reply_of(const struct incoming *in)
{
	switch (in->why.code) {
	case EX_TEMPFAIL:
		return in->mail.full ? "452 4.2.2" : "451 4.3.0";
	case EX_NOUSER:
		return "550 5.1.1";
	case EX_NOPERM:
		return "550 5.7.1";
	default:
		return "554 5.6.0";
	}
}

static void store(struct incoming *in)
{
	struct smtp_session *s = in->s;
	struct buf to = {0};

	if (original_encode_end(&in->encoder, &in->why) != 0 ||
		(join_recipients(&to, &s->mail.to) != 0 &&
			err_set(&in->why, EX_TEMPFAIL, "out of memory") != 0) ||
		deliver(in, &to, &in->why) != 0) {
		in->refusal = reply_of(in);
	} else {
		presence_tell(s->conn->presence, in->mail.to.names, in->mail.to.n);
		presence_work(s->conn->presence);
		log_say("An email from %s is sent to %.*s has a content length of %llu",
			in->mail.user, (int)to.n, (const char *)to.p,
			(unsigned long long)in->count.count);
	}
	mail_end(&in->mail);
	buf_free(&to);
}

static void answer(struct incoming *in)
{
	char id[2 * MAILBOX_ID_BYTES + 1], text[ERR_TEXT_MAX];

	if (in->refusal == NULL) {
		in->s->report->sent++;
		in->s->errors = 0;
		hex_encode(id, in->mail.meta.id, MAILBOX_ID_BYTES);
		smtp_reply(in->s, "250 2.0.0", "stored as %s", id);
		return;
	}
	in->s->report->rejected++;
	(void)snprintf(text, sizeof text, "%s", in->why.text);
	log_quotable(text);
	log_event("rejected", "reply=\"%s\" text=\"%s\"", in->refusal, text);
	smtp_reply(in->s, in->refusal, "%s", text);
}

int smtp_take_message(struct smtp_session *s, struct err *e)
{
	static struct incoming in; /* its encoder is large */
	char told[64];
	int rc;

	in = (struct incoming){.s = s, .held = HELD_EMPTY};
	in.held.dir = s->host->dir;
	in.mail = (struct mail){.box = s->host->box,
		.user = s->logged_in ? s->report->user : SMTP_UNVERIFIED,
		.named = true,
		.max_chars = s->host->max_chars + ORIGINAL_TRACE_MAX,
		.defaults = s->host->limits};
	original_begin(&in.encoder, hold, &in);
	if (random_bytes(in.mail.meta.id, sizeof in.mail.meta.id, &in.why) != 0 ||
		put_trace(&in, &in.why) != 0) {
		in.refusal = "451 4.3.0";
	}
	rc = smtp_flush(s, e) != 0 ? -1 : receive(&in, e);
	(void)snprintf(
		told, sizeof told, "(a message of %llu bytes)", (unsigned long long)in.bytes);
	smtp_log(s, "C:", told, strlen(told));
	if (rc == 0 && in.refusal == NULL) {
		judge_head(&in);
	}
	if (rc == 0 && in.refusal == NULL) {
		store(&in);
	}
	if (rc == 0) {
		answer(&in);
	}
	held_free(&in.held);
	buf_free(&in.head);
	return rc;
}
