/* The SMTP door: its commands, and what may follow what; see smtp_session_server.h. */
#include <strings.h>

#include "../crypto/bytes.h"
#include "conn_tls.h"
#include "log.h"
#include "smtp_session_server.h"

/* --- commands: what is behind the verb, without blanks around it --- */

typedef void smtp_command(struct smtp_session *s, const uint8_t *args, size_t n);

void smtp_forget(struct smtp_session *s)
{
	users_list_free(&s->mail.to);
	s->mail = (struct smtp_transaction){0};
}

static bool take_name(struct smtp_session *s, const uint8_t *args, size_t n)
{
	if (n == 0 || n > SMTP_HELO_MAX || has_control(args, n)) {
		smtp_refuse(s, "501 5.5.4", "a greeting takes one name");
		return false;
	}
	(void)escape_text(s->helo, sizeof s->helo, args, n, false);
	smtp_forget(s);
	return true;
}

static void do_helo(struct smtp_session *s, const uint8_t *args, size_t n)
{
	if (take_name(s, args, n)) {
		s->extended = false;
		smtp_reply(s, "250", "%s", s->door->name);
	}
}

static void do_ehlo(struct smtp_session *s, const uint8_t *args, size_t n)
{
	char mechanisms[64];

	if (!take_name(s, args, n)) {
		return;
	}
	s->extended = true;
	smtp_auth_offer(s, mechanisms);
	smtp_reply_more(s, "250", "%s", s->door->name);
	smtp_reply_more(s, "250", "PIPELINING");
	smtp_reply_more(s, "250", "SIZE %llu", (unsigned long long)s->host->max_chars);
	smtp_reply_more(s, "250", "8BITMIME");
	smtp_reply_more(s, "250", "SMTPUTF8");
	smtp_reply_more(s, "250", "ENHANCEDSTATUSCODES");
	smtp_reply_more(s, "250", "LIMITS RCPTMAX=%d", SMTP_RECIPIENTS); /* RFC 9422 */
	if (s->door->identity != NULL && !s->tls) {
		smtp_reply_more(s, "250", "STARTTLS");
	}
	if (mechanisms[0] != '\0') {
		smtp_reply_more(s, "250", "AUTH%s", mechanisms);
	}
	smtp_reply(s, "250", "HELP");
}

/* One of MAIL's parameters (RFC 5321 4.1.1.11). NULL, or the reply that refuses it. */
static const char *judge_parameter(
	struct smtp_session *s, const uint8_t *p, size_t n, const char **text)
{
	uint64_t size;

	if (n > 5 && strncasecmp((const char *)p, "SIZE=", 5) == 0) {
		*text = "SIZE takes a number";
		for (size_t i = 5; i < n; i++) {
			if (p[i] < '0' || p[i] > '9') {
				return "501 5.5.4";
			}
		}
		*text = "the message is too large";
		return n > 25 || parse_decimal(p + 5, n - 5, UINT64_MAX, &size) != 0 ||
				       size > s->host->max_chars
			       ? "552 5.3.4"
			       : NULL;
	}
	if ((n == 9 && strncasecmp((const char *)p, "BODY=7BIT", 9) == 0) ||
		(n == 13 && strncasecmp((const char *)p, "BODY=8BITMIME", 13) == 0) ||
		/* who a message is said to be from, by who relays it: nobody does, here (RFC 4954
		 * 5) */
		(n > 5 && strncasecmp((const char *)p, "AUTH=", 5) == 0)) {
		return NULL;
	}
	if (n == 8 && strncasecmp((const char *)p, "SMTPUTF8", 8) == 0) {
		s->mail.utf8 = true;
		return NULL;
	}
	*text = "MAIL does not have this parameter";
	return "555 5.5.4";
}

static bool take_parameters(struct smtp_session *s, const uint8_t *p, size_t n)
{
	const char *text = "a blank is missing behind the address";

	while (n > 0) {
		if (*p != ' ') {
			smtp_refuse(s, "501 5.5.4", "%s", text);
			return false;
		}
		for (; n > 0 && *p == ' '; n--) {
			p++;
		}
		const uint8_t *end = memchr(p, ' ', n);
		size_t k = end == NULL ? n : (size_t)(end - p);
		const char *refusal = k == 0 ? NULL : judge_parameter(s, p, k, &text);
		if (refusal != NULL) {
			smtp_refuse(s, refusal, "%s", text);
			return false;
		}
		p += k;
		n -= k;
	}
	return true;
}

/* "FROM:<path>" and the like. false: refused. */
static bool take_path(struct smtp_session *s, const char *word, const uint8_t **args, size_t *n,
	struct smtp_path *path)
{
	size_t word_n = strlen(word), used = 0;
	const uint8_t *p = *args;
	size_t left = *n;
	bool ok = left > word_n && strncasecmp((const char *)p, word, word_n) == 0;

	if (ok) {
		p += word_n;
		left -= word_n;
		for (; left > 0 && *p == ' '; left--) { /* common, though no blank belongs here */
			p++;
		}
		ok = smtp_path(p, left, path, &used) == 0;
	}
	if (!ok) {
		smtp_refuse(s, "501 5.5.4", "%s<address> is wanted", word);
	}
	*args = p + used;
	*n = left - used;
	return ok;
}

/* May this session send, and for this sender? */
static bool may_send(struct smtp_session *s, const struct smtp_path *from)
{
	char user[USER_NAME_MAX + 1];

	if (s->mail.begun) {
		smtp_refuse(s, "503 5.5.1", "one message is begun already: RSET forgets it");
	} else if (s->door->tls_only && !s->tls) {
		smtp_refuse(s, "530 5.7.0", "STARTTLS comes first");
	} else if (!s->logged_in && !s->door->open) {
		smtp_refuse(s, "530 5.7.0", "AUTH comes first");
	} else if (s->logged_in && from->local[0] != '\0' &&
		   (!smtp_user_of(s, from, user) || strcmp(user, s->report->user) != 0)) {
		smtp_refuse(s, "553 5.7.1", "this is not the address of %s, who logged in",
			s->report->user);
	} else {
		return true;
	}
	return false;
}

static void do_mail(struct smtp_session *s, const uint8_t *args, size_t n)
{
	struct smtp_path from;

	if (s->helo[0] == '\0') {
		smtp_refuse(s, "503 5.5.1", "EHLO comes first");
		return;
	}
	if (!take_path(s, "FROM:", &args, &n, &from) || !may_send(s, &from)) {
		return;
	}
	if (!take_parameters(s, args, n)) {
		s->mail.utf8 = false;
		return;
	}
	s->mail.begun = true;
	conn_deadline(s->conn, s->host->idle_ms);
	smtp_reply(s, "250 2.1.0", "sender taken");
}

/* Each user once. 0, or -1: no memory. */
static int add_recipient(struct users_list *to, const char *user)
{
	for (size_t i = 0; i < to->n; i++) {
		if (strcmp(to->names[i], user) == 0) {
			return 0;
		}
	}
	void *names = realloc(to->names, (to->n + 1) * sizeof to->names[0]);
	if (names == NULL) {
		return -1;
	}
	to->names = names;
	(void)snprintf(to->names[to->n++], sizeof to->names[0], "%s", user);
	return 0;
}

/* Whose mail this address gets: as smtp_user_of, by way of the operator's aliases. */
static bool find_recipient(const struct smtp_session *s, const struct smtp_path *to,
	char user[static USER_NAME_MAX + 1])
{
	bool ours = smtp_user_of(s, to, user);

	for (size_t i = 0; ours && i < s->door->aliases_n; i++) {
		if (strcasecmp(s->door->aliases[i].name, to->local) == 0) {
			(void)snprintf(user, USER_NAME_MAX + 1, "%s", s->door->aliases[i].user);
			break;
		}
	}
	return ours;
}

static void do_rcpt(struct smtp_session *s, const uint8_t *args, size_t n)
{
	char user[USER_NAME_MAX + 1];
	struct smtp_path to;
	struct err e;

	if (!s->mail.begun) {
		smtp_refuse(s, "503 5.5.1", "MAIL comes first");
	} else if (!take_path(s, "TO:", &args, &n, &to)) {
		return;
	} else if (n > 0) {
		smtp_refuse(s, "555 5.5.4", "RCPT has no parameters");
	} else if (s->mail.recipients >= SMTP_RECIPIENTS) {
		smtp_reply(s, "452 4.5.3", "a message has at most %d recipients", SMTP_RECIPIENTS);
	} else if (!find_recipient(s, &to, user)) {
		smtp_refuse(s, "550 5.7.1", "mail for other domains is not taken here");
	} else if (accounts_refresh(&s->accounts, NULL, &e) != 0) {
		log_err("accounts", &e);
		smtp_reply(s, "451 4.3.0", "the accounts cannot be read now");
	} else if (user[0] == '\0' || !users_known(s->accounts.now, user)) {
		smtp_refuse(s, "550 5.1.1", "there is no such user");
	} else if (add_recipient(&s->mail.to, user) != 0) {
		smtp_reply(s, "451 4.3.0", "out of memory");
	} else {
		s->mail.recipients++;
		smtp_reply(s, "250 2.1.5", "recipient taken");
	}
}

static void do_data(struct smtp_session *s, const uint8_t *args, size_t n)
{
	(void)args;
	if (!s->mail.begun) {
		smtp_refuse(s, "503 5.5.1", "MAIL comes first");
	} else if (s->mail.to.n == 0) {
		smtp_refuse(s, "503 5.5.1", "there is no recipient");
	} else if (n > 0) {
		smtp_refuse(s, "501 5.5.4", "DATA takes nothing");
	} else {
		conn_deadline(s->conn, s->host->mail_ms);
		smtp_reply(s, "354", "the message, please; a line of one dot ends it");
		if (smtp_take_message(s, &s->end) != 0) {
			s->over = true;
		}
		smtp_forget(s);
	}
}

static void do_rset(struct smtp_session *s, const uint8_t *args, size_t n)
{
	(void)args;
	if (n > 0) {
		smtp_refuse(s, "501 5.5.4", "RSET takes nothing");
		return;
	}
	smtp_forget(s);
	smtp_reply(s, "250 2.0.0", "forgotten");
}

static void do_noop(struct smtp_session *s, const uint8_t *args, size_t n)
{
	if (memchr(args, '\0', n) != NULL) {
		smtp_refuse(s, "501 5.5.4", "a NUL stands in the line");
		return;
	}
	smtp_reply(s, "250 2.0.0", "nothing done");
}

static void do_vrfy(struct smtp_session *s, const uint8_t *args, size_t n)
{
	(void)args;
	(void)n;
	smtp_reply(s, "252 2.5.0", "who is a user here is told to senders alone");
}

static void do_help(struct smtp_session *s, const uint8_t *args, size_t n)
{
	(void)args;
	(void)n;
	smtp_reply_more(s, "214", "smtp361: mail for the users of this server, and nobody else");
	smtp_reply_more(s, "214", "a message: at most %llu bytes, %d recipients, lines of %d bytes",
		(unsigned long long)s->host->max_chars, SMTP_RECIPIENTS, SMTP_TEXT_MAX);
	smtp_reply_more(s, "214",
		"time: %lld s to log in, %lld s for a command, %lld s for a message",
		(long long)(s->host->login_ms / 1000), (long long)(s->host->idle_ms / 1000),
		(long long)(s->host->mail_ms / 1000));
	smtp_reply(
		s, "214 2.0.0", "EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP VRFY HELP QUIT");
}

static void do_quit(struct smtp_session *s, const uint8_t *args, size_t n)
{
	(void)args;
	(void)n;
	smtp_reply(s, "221 2.0.0", "goodbye");
	smtp_end(s, 0, NULL);
}

static void do_auth(struct smtp_session *s, const uint8_t *args, size_t n)
{
	if (smtp_auth(s, args, n, &s->end) != 0) {
		s->over = true;
	}
}

/* RFC 3207: what came behind the command came in the clear, from anybody; and of what was said
 * before TLS nothing counts. */
static void do_starttls(struct smtp_session *s, const uint8_t *args, size_t n)
{
	(void)args;
	if (n > 0) {
		smtp_refuse(s, "501 5.5.4", "STARTTLS takes nothing");
	} else if (s->tls) {
		smtp_refuse(s, "503 5.5.1", "TLS is on already");
	} else if (s->logged_in) {
		smtp_refuse(s, "503 5.5.1", "somebody is logged in already");
	} else if (s->door->identity == NULL) {
		smtp_refuse(s, "502 5.5.1", "there is no TLS here");
	} else if (s->helo[0] == '\0') {
		smtp_refuse(s, "503 5.5.1", "EHLO comes first");
	} else if (smtp_has_more(&s->lines)) {
		smtp_reply(s, "503 5.5.1", "nothing may stand behind STARTTLS before TLS");
		smtp_end(s, EX_PROTOCOL, "bytes stood behind STARTTLS");
	} else {
		smtp_reply(s, "220 2.0.0", "begin");
		s->over = smtp_flush(s, &s->end) != 0 || smtp_begin_tls(s, &s->end) != 0;
		s->told = s->over; /* or it would be in the clear, into a handshake */
		s->tls = !s->over;
		s->helo[0] = '\0';
		s->extended = false;
		smtp_forget(s);
	}
}

static const struct {
	const char *verb;
	smtp_command *run;
} commands[] = {{"EHLO", do_ehlo}, {"HELO", do_helo}, {"MAIL", do_mail}, {"RCPT", do_rcpt},
	{"DATA", do_data}, {"RSET", do_rset}, {"NOOP", do_noop}, {"QUIT", do_quit},
	{"AUTH", do_auth}, {"STARTTLS", do_starttls}, {"VRFY", do_vrfy}, {"HELP", do_help}};

/* Verbs of HTTP: a browser that somebody sent here says nothing of its own. */
static const char *const foreign[] = {"GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "DELETE"};

static bool verb_is(const uint8_t *line, size_t n, const char *verb)
{
	return n == strlen(verb) && strncasecmp((const char *)line, verb, n) == 0;
}

void smtp_run(struct smtp_session *s, const uint8_t *line, size_t n)
{
	/* a client whose AUTH was refused may go on with its password */
	static const char unknown[] = "(no command that there is)";
	size_t verb_n = 0, at, i;

	while (n > 0 && line[n - 1] == ' ') {
		n--;
	}
	while (verb_n < n && line[verb_n] != ' ') {
		verb_n++;
	}
	for (at = verb_n; at < n && line[at] == ' '; at++) {
		;
	}
	if (n > SMTP_COMMAND_MAX && !verb_is(line, verb_n, "MAIL")) {
		smtp_refuse(s, "500 5.5.2", "the line is too long");
		return;
	}
	for (i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (verb_is(line, verb_n, commands[i].verb)) {
			if (commands[i].run != do_auth) { /* which logs what is no secret */
				smtp_log(s, "C:", line, n);
			}
			commands[i].run(s, line + at, n - at);
			return;
		}
	}
	smtp_log(s, "C:", unknown, strlen(unknown));
	smtp_refuse(s, "500 5.5.1", "there is no such command");
	for (i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
		if (verb_is(line, verb_n, foreign[i])) {
			smtp_end(s, EX_PROTOCOL, "this is HTTP, and not SMTP");
		}
	}
}
