/* Logging in (RFC 4954); see smtp_client.h. */
#include "../crypto/cram.h"
#include "../crypto/scram.h"
#include "smtp_client_state.h"

/* An exchange under way. Secret. */
struct login {
	struct smtp_client *c;
	const char *user;
	const void *password;
	size_t n;
	struct smtp_reply reply; /* the last, and what its base64 says */
	uint8_t challenge[SMTP_REPLY_TEXT];
	size_t challenge_n;
};

static int no_memory(struct err *e)
{
	return err_set(e, EX_TEMPFAIL, "out of memory");
}

/* Leave the exchange: the server takes the next line for an answer. */
static int cancel(struct login *l)
{
	struct smtp_reply r;

	if (l->c->alive) {
		(void)smtp_client_ask(l->c, "*", SMTP_PATIENCE, &r, &(struct err){0});
	}
	return -1;
}

/* A line ahead of base64 (may be empty), and the reply to it. */
static int say(struct login *l, const char *command, const void *p, size_t n, struct err *e)
{
	char shown[64];
	struct buf line = {0};
	int rc = buf_append_str(&line, command);

	if (rc == 0 && p != NULL) {
		rc = command[0] != '\0' ? buf_append(&line, " ", 1) : 0;
		/* "=" stands for an answer that is empty, behind a command (RFC 4954 4) */
		rc = rc != 0                        ? rc
		     : n == 0 && command[0] != '\0' ? buf_append(&line, "=", 1)
						    : smtp_encode64(&line, p, n);
	}
	rc = rc == 0 ? buf_append(&line, "", 1) : rc;
	if (rc != 0) {
		buf_free(&line);
		return no_memory(e);
	}
	(void)snprintf(shown, sizeof shown, "%s%s%s", command,
		p != NULL && command[0] != '\0' ? " " : "", p != NULL ? "***" : "");
	rc = smtp_client_put(l->c, (const char *)line.p, shown, e);
	buf_free(&line);
	return rc != 0 ? -1 : smtp_client_take(l->c, SMTP_PATIENCE, &l->reply, e);
}

/* The server must ask for more; its challenge is decoded. */
static int expect_challenge(struct login *l, struct err *e)
{
	int n;

	if (l->reply.code != 334) {
		return smtp_client_refused(
			l->c, "the server refuses the login", &l->reply, EX_NOPERM, e);
	}
	n = smtp_decode64(l->challenge, sizeof l->challenge, (const uint8_t *)l->reply.text,
		strlen(l->reply.text));
	if (n < 0) {
		err_set(e, EX_PROTOCOL, "the server's challenge is no base64");
		return cancel(l);
	}
	l->challenge_n = (size_t)n;
	return 0;
}

static int expect_success(struct login *l, struct err *e)
{
	return l->reply.code == 235 ? 0
				    : smtp_client_refused(l->c, "the server refuses the login",
					      &l->reply, EX_NOPERM, e);
}

/* RFC 7677. The server must show that it knows the password, too, ahead of its success. */
static int login_scram(struct login *l, struct err *e)
{
	char text[SCRAM_MESSAGE_MAX];
	struct scram_client s;
	int rc = scram_client_first(&s, l->user, text, e);

	if (rc != 0) {
		return -1;
	}
	rc = say(l, "AUTH SCRAM-SHA-256", text, strlen(text), e);
	rc = rc == 0 ? expect_challenge(l, e) : rc;
	if (rc == 0) {
		rc = scram_client_final(
			&s, l->challenge, l->challenge_n, l->password, l->n, text, e);
		rc = rc == 0 ? say(l, "", text, strlen(text), e) : cancel(l);
	}
	if (rc == 0 && l->reply.code == 235) {
		l->c->alive = false;
		rc = err_set(e, EX_PROTOCOL, "the server has not shown that it is the server");
	}
	rc = rc == 0 ? expect_challenge(l, e) : rc;
	if (rc == 0) {
		rc = scram_client_verify(&s, l->challenge, l->challenge_n, e);
		rc = rc == 0 ? say(l, "", "", 0, e) : cancel(l);
	}
	scram_client_end(&s);
	wipe(text, sizeof text);
	return rc == 0 ? expect_success(l, e) : rc;
}

/* RFC 2195 */
static int login_cram(struct login *l, struct err *e)
{
	uint8_t answer[CRAM_BYTES];
	char hex[2 * CRAM_BYTES + 1];
	struct cram_states states;
	struct buf text = {0};
	int rc = say(l, "AUTH CRAM-MD5", NULL, 0, e);

	rc = rc == 0 ? expect_challenge(l, e) : rc;
	if (rc == 0) {
		cram_states_of(l->password, l->n, &states);
		cram_answer(&states, l->challenge, l->challenge_n, answer);
		hex_encode(hex, answer, sizeof answer);
		wipe(&states, sizeof states);
		rc = buf_append_str(&text, l->user) != 0 || buf_append_str(&text, " ") != 0 ||
				     buf_append_str(&text, hex) != 0
			     ? no_memory(e)
			     : say(l, "", text.p, text.n, e);
		buf_free(&text);
	}
	return rc == 0 ? expect_success(l, e) : rc;
}

/* RFC 4616 */
static int login_plain(struct login *l, struct err *e)
{
	struct buf text = {0};
	int rc;

	if (buf_append(&text, "", 1) != 0 || buf_append_str(&text, l->user) != 0 ||
		buf_append(&text, "", 1) != 0 || buf_append(&text, l->password, l->n) != 0) {
		rc = no_memory(e);
	} else if (base64_len(text.n) > 400) { /* no command may be so long */
		rc = say(l, "AUTH PLAIN", NULL, 0, e);
		rc = rc == 0 ? expect_challenge(l, e) : rc;
		rc = rc == 0 ? say(l, "", text.p, text.n, e) : rc;
	} else {
		rc = say(l, "AUTH PLAIN", text.p, text.n, e);
	}
	buf_free(&text);
	return rc == 0 ? expect_success(l, e) : rc;
}

/* Never standardized: what is asked for is not looked at, since servers word it as they like. */
static int login_login(struct login *l, struct err *e)
{
	int rc = say(l, "AUTH LOGIN", NULL, 0, e);

	rc = rc == 0 ? expect_challenge(l, e) : rc;
	rc = rc == 0 ? say(l, "", l->user, strlen(l->user), e) : rc;
	rc = rc == 0 ? expect_challenge(l, e) : rc;
	rc = rc == 0 ? say(l, "", l->password, l->n, e) : rc;
	return rc == 0 ? expect_success(l, e) : rc;
}

static int (*const by[SMTP_MECHANISMS])(struct login *l, struct err *e) = {
	login_scram, login_cram, login_plain, login_login};

/* The first from this one on that is offered, and may be used. SMTP_MECHANISMS: none. */
static size_t find_offered(const struct smtp_client *c, size_t i)
{
	while (i < SMTP_MECHANISMS && (!c->mechanisms[i] || (i >= SMTP_PLAIN && !c->tls))) {
		i++;
	}
	return i;
}

int smtp_client_login(
	struct smtp_client *c, const char *user, const void *password, size_t n, struct err *e)
{
	struct login l = {.c = c, .user = user, .password = password, .n = n};
	size_t i = find_offered(c, 0);
	int rc;

	if (i == SMTP_MECHANISMS) {
		return err_set(e, EX_NOPERM, "the server offers no login %s",
			!c->auth ? "at all, or somebody strips it"
			: c->tls ? "that we know"
				 : "that hides the password, and there is no TLS");
	}
	rc = by[i](&l, e);
	/* What a server offers it offers to all, and an account may lack what SCRAM-SHA-256 or
	 * CRAM-MD5 need there. In TLS, whose server was verified, the password may be said. */
	if (rc != 0 && c->alive && c->tls && i < SMTP_PLAIN && l.reply.code == 535 &&
		find_offered(c, SMTP_PLAIN) < SMTP_MECHANISMS) {
		rc = by[find_offered(c, SMTP_PLAIN)](&l, e);
	}
	wipe(&l, sizeof l);
	c->logged_in = rc == 0;
	return rc;
}
