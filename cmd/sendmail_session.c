/* sendmail -bs: SMTP on stdin and stdout, for programs that submit their mail so (RFC 5321
 * 4.1.1). They are of this machine and this user: there is no login and no TLS, and a line may
 * end in LF. */
#include <errno.h>
#include <strings.h>

#include "sendmail.h"

enum { COMMAND_MAX = 2048 };

struct session {
	struct sendmail *m;
	struct submission s;
	bool greeted, has_sender;
	uint8_t in[16384];
	size_t at, end;
	bool over; /* stdin ended */
	bool cut;  /* ... within a message */
};

static void reply(const char *text)
{
	(void)printf("%s\r\n", text);
}

static void forget(struct session *t)
{
	submission_free(&t->s);
	t->has_sender = false;
}

/* More of stdin. false: it ended. */
static bool fill(struct session *t)
{
	ssize_t k;

	(void)fflush(stdout); /* whoever waits for us has every reply */
	do {
		k = read(STDIN_FILENO, t->in, sizeof t->in);
	} while (k < 0 && errno == EINTR);
	t->at = 0;
	t->end = k > 0 ? (size_t)k : 0;
	t->over = k <= 0;
	return k > 0;
}

/* A command without its line end. false: stdin ended; *n is COMMAND_MAX for what is too long. */
static bool next_line(struct session *t, char line[static COMMAND_MAX + 1], size_t *n)
{
	for (*n = 0;;) {
		if (t->at == t->end && !fill(t)) {
			return false;
		}
		char c = (char)t->in[t->at++];
		if (c == '\n') {
			break;
		}
		if (*n < COMMAND_MAX) {
			line[(*n)++] = c;
		}
	}
	*n -= *n > 0 && line[*n - 1] == '\r' ? 1 : 0;
	line[*n] = '\0';
	return true;
}

/* --- the envelope --- */

/* "FROM:<address> PARAMETERS": the address; parameters say nothing that is not seen anyway. */
static int take_path(const char *text, const char *lead, struct rfc5322_mailbox *out, bool *empty)
{
	size_t n = strlen(lead);
	const char *open, *close;

	if (strncasecmp(text, lead, n) != 0) {
		return -1;
	}
	open = text + n + strspn(text + n, " ");
	close = strrchr(open, '>');
	if (*open != '<' || close == NULL) {
		return -1;
	}
	*empty = close == open + 1;
	const struct message_part whole = {(const uint8_t *)open, (size_t)(close + 1 - open)};
	return *empty ? 0 : rfc5322_address_parse(whole, out);
}

static void take_mail(struct session *t, const char *text)
{
	struct rfc5322_mailbox from = {.local = ""};
	bool empty;

	if (!t->greeted || t->has_sender) {
		reply(t->greeted ? "503 5.5.1 There is a sender already" : "503 5.5.1 EHLO first");
	} else if (take_path(text, "FROM:", &from, &empty) != 0) {
		reply("501 5.1.7 MAIL FROM:<address>");
	} else {
		t->s.from = from;
		t->has_sender = true;
		reply("250 2.1.0 Ok");
	}
}

static void take_rcpt(struct session *t, const char *text)
{
	struct rfc5322_mailbox to = {.local = ""};
	struct submission one = SUBMISSION_EMPTY;
	struct err e;
	bool empty;

	if (!t->has_sender) {
		reply("503 5.5.1 MAIL first");
		return;
	}
	if (take_path(text, "TO:", &to, &empty) != 0 || empty) {
		reply("501 5.1.3 RCPT TO:<address>");
		return;
	}
	if (submission_add(&one, &to, &e) != 0 || carrier_check(&t->m->carrier, &one, &e) != 0) {
		reply("550 5.1.1 No such user here");
	} else if (submission_add(&t->s, &to, &e) != 0) {
		reply("452 4.5.3 Too many recipients");
	} else {
		reply("250 2.1.5 Ok");
	}
	submission_free(&one);
}

/* --- the message --- */

/* Lines to "."; a dot ahead of another is taken away (RFC 5321 4.5.2). 0: it is whole; -1. */
static int take_text(struct session *t, struct submission_reader *r, struct err *e)
{
	bool start = true, dot = false;
	uint8_t held = 0;
	int rc = 0;

	for (;;) {
		if (t->at == t->end && !fill(t)) {
			return err_set(e, EX_DATAERR, "the message has no end");
		}
		uint8_t c = t->in[t->at++];
		if (dot && c == '\r' && held == 0) {
			held = c; /* the end, if LF follows */
			continue;
		}
		if (dot && c == '\n') {
			return rc;
		}
		if (dot && held != 0 && rc == 0) {
			rc = submission_take(r, &held, 1, e) < 0 ? -1 : rc;
		}
		held = 0;
		dot = start && !dot && c == '.';
		if (!dot && rc == 0 && submission_take(r, &c, 1, e) < 0) {
			rc = -1; /* what follows is passed over, to its end */
		}
		start = c == '\n';
	}
}

static void reply_failure(const struct err *e)
{
	char shown[ERR_TEXT_MAX], line[ERR_TEXT_MAX + 32];
	const char *code = e->code == EX_NOUSER    ? "550 5.1.1"
			   : e->code == EX_DATAERR ? "554 5.6.0"
			   : e->code == EX_NOPERM  ? "454 4.7.0"
						   : "451 4.3.0";

	(void)escape_text(shown, sizeof shown, e->text, strcspn(e->text, "\n"), false);
	(void)snprintf(line, sizeof line, "%s %.480s", code, shown);
	reply(line);
}

static void take_data(struct session *t)
{
	struct submission_rules rules = sendmail_rules(t->m);
	struct submission_reader *r;
	struct err e;
	int rc;

	if (t->s.to_n == 0) {
		reply(t->has_sender ? "554 5.5.1 No recipient" : "503 5.5.1 MAIL first");
		return;
	}
	r = submission_begin(&t->s, &rules, &e);
	if (r == NULL) {
		reply_failure(&e);
		return;
	}
	reply("354 End data with a line of one dot");
	rc = take_text(t, r, &e);
	t->cut = t->over;
	rc = rc == 0 ? submission_end(r, &e) : rc;
	submission_reader_free(r);
	rc = rc == 0 ? sendmail_hand_over(t->m, &t->s, true, &e) : rc;
	if (!t->over && rc == 0) {
		reply("250 2.0.0 Ok: it is handed over");
	} else if (!t->over) {
		reply_failure(&e);
	}
	forget(t);
}

/* --- commands --- */

static void take_hello(struct session *t, bool extended)
{
	forget(t);
	t->greeted = true;
	(void)printf("250%c%s\r\n", extended ? '-' : ' ', t->m->host);
	if (extended) {
		(void)printf("250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
			     "250-ENHANCEDSTATUSCODES\r\n250 SIZE %llu\r\n",
			(unsigned long long)CARRIER_BYTES_MAX);
	}
}

/* false: it was QUIT. */
static bool run_command(struct session *t, const char *line, size_t n)
{
	size_t k = strcspn(line, " ");
	const char *rest = line + k + (line[k] == ' ' ? 1 : 0);

	if (n == COMMAND_MAX || strlen(line) != n) {
		reply("500 5.5.2 The line is too long, or holds a NUL");
	} else if (k == 4 &&
		   (strncasecmp(line, "EHLO", 4) == 0 || strncasecmp(line, "HELO", 4) == 0)) {
		take_hello(t, (line[0] | 0x20) == 'e');
	} else if (k == 4 && strncasecmp(line, "MAIL", 4) == 0) {
		take_mail(t, rest);
	} else if (k == 4 && strncasecmp(line, "RCPT", 4) == 0) {
		take_rcpt(t, rest);
	} else if (strcasecmp(line, "DATA") == 0) {
		take_data(t);
	} else if (strcasecmp(line, "RSET") == 0) {
		forget(t);
		reply("250 2.0.0 Ok");
	} else if (k == 4 && strncasecmp(line, "NOOP", 4) == 0) {
		reply("250 2.0.0 Ok");
	} else if (strcasecmp(line, "QUIT") == 0) {
		reply("221 2.0.0 Bye");
		return false;
	} else {
		reply("502 5.5.1 EHLO, HELO, MAIL, RCPT, DATA, RSET, NOOP or QUIT");
	}
	return true;
}

int sendmail_session(struct sendmail *m, struct err *e)
{
	static struct session t;
	char line[COMMAND_MAX + 1];
	size_t n;

	t.m = m;
	t.s = SUBMISSION_EMPTY;
	(void)printf("220 %s ESMTP smtp361 sendmail\r\n", m->host);
	while (next_line(&t, line, &n) && run_command(&t, line, n)) {
	}
	forget(&t);
	return t.cut ? (err_set(e, EX_DATAERR, "the input ended within a message"), e->code)
		     : EX_OK;
}
