/* sendmail: a message from a program, as cron, git, mail and PHP call it. */
#include "sendmail.h"

#include <pwd.h>

#include "queue_store.h"

static const char help[] =
	"usage: smtp361 sendmail [-ti] [-f ADDRESS] [-F NAME] [OPTIONS] [--] ADDRESS...\n"
	"       smtp361 sendmail --from-dir DIR [OPTIONS]\n"
	"       smtp361 sendmail -bs [OPTIONS]\n"
	"\n"
	"Send the message on stdin, as programs call sendmail: to the users of `smtp361 serve`\n"
	"over the enhanced protocol, or by any SMTP server. From, Date and Message-ID are added\n"
	"where they are missing; Bcc never stays. Exit 0 means that it was durably handed over;\n"
	"75 that trying again may help: so too when the server cannot be reached.\n"
	"\n"
	"  -t                     the recipients are those of To, Cc and Bcc, and the ADDRESSes\n"
	"  -i, -oi                a line \".\" is text, and does not end the message\n"
	"  -f ADDRESS             the sender of the envelope, and of a missing From; also -r\n"
	"  -F NAME                the sender's name in a missing From\n"
	"  -bs                    speak SMTP on stdin and stdout\n"
	"  -bp                    print the queue, as `smtp361 queue list`\n"
	"  -odq                   into the queue; `smtp361 queue flush` sends it\n"
	"  -v, --verbose          tell what is verified, and what is said\n"
	"All other letters of sendmail's, as -oem, -odb, -B8BITMIME and -N, change nothing.\n"
	"\n"
	"      --queue            when it cannot be handed over now: into the queue, and exit 0\n"
	"      --from-dir DIR     send each file of DIR in the order of their names: lines From:,\n"
	"                         To:, Date: and Subject:, then the text. Where a name begins\n"
	"                         with \"auth\" or has \".auth\" or \"_auth\" in it, in any case,\n"
	"                         the SMTP server is logged in to first; else not.\n"
	"\n"
	"Nothing is sealed: where the configuration says \"seal\": true, sendmail to `serve`\n"
	"refuses (78); \"seal\": \"send\" lets it send.\n"
	"\n"
	"To `serve`, for ADDRESSes without a domain, of localhost, this host, the server's host,\n"
	"or the configuration's \"domains\"; its \"aliases\" say who gets root's mail:\n"
	"      --server HOST[:PORT]    the server (port 13000)      $SMTP361_SERVER\n"
	"      --user NAME             who you are                  $SMTP361_USER\n"
	"      --keys DIR              folder of your private and the server's public key (.)\n"
	"      --password-file FILE    its first line               $SMTP361_PASSWORD_FILE\n"
	"      --pin SHA256:...        the fingerprint that the server's key must have\n"
	"\n"
	"By an SMTP server, to any ADDRESS; with --password-file it must let --user log in:\n"
	"      --smtp HOST[:PORT]      with STARTTLS, or not at all (port 587)\n"
	"      --smtps HOST[:PORT]     with TLS from the beginning (port 465)\n"
	"      --tls-ca FILE           whom to trust (the system's CAs)\n"
	"      --tls-pin SHA256:...    the server's key itself\n"
	"      --no-tls                in the clear: whoever listens reads and changes the mail\n"
	"      --timeout SECONDS       for each answer (RFC 5321's: 2 to 10 minutes)\n";

/* --- who sends --- */

struct submission_rules sendmail_rules(const struct sendmail *m)
{
	return (struct submission_rules){
		.name = m->options.name, .host = m->host, .max_bytes = CARRIER_BYTES_MAX};
}

/* The domain of this host's users: the first that the configuration calls ours. */
static const char *own_domain(const struct sendmail *m)
{
	const json_t *domains = json_object_get(m->carrier.users.config, "domains");
	const char *first = json_string_value(json_array_get(domains, 0));

	return first == NULL ? m->host : first;
}

int sendmail_sender(
	const struct sendmail *m, const char *text, struct rfc5322_mailbox *out, struct err *e)
{
	const struct passwd *p;

	*out = (struct rfc5322_mailbox){.local = ""};
	if (text != NULL && (text[0] == '\0' || strcmp(text, "<>") == 0)) {
		return 0;
	}
	if (text == NULL) {
		text = m->to.account.user;
	}
	if (text == NULL) {
		p = getpwuid(getuid());
		text = p == NULL ? "nobody" : p->pw_name;
	}
	if (has_control(text, strlen(text)) ||
		rfc5322_address_parse(message_text(text), out) != 0) {
		return err_set(e, EX_USAGE, "the sender \"%.100s\" is no address", text);
	}
	if (out->domain[0] == '\0') {
		(void)snprintf(out->domain, sizeof out->domain, "%.255s", own_domain(m));
	}
	return 0;
}

/* --- one message --- */

int sendmail_hand_over(struct sendmail *m, struct submission *s, bool authenticate, struct err *e)
{
	struct queue_ticket ticket = {.to = &m->to, .authenticate = authenticate};
	char id[QUEUE_ID_MAX];
	struct err why = {0};

	if (carrier_check(&m->carrier, s, e) != 0) {
		return -1;
	}
	if (!m->options.queue_only) {
		if (carrier_send(&m->carrier, s, authenticate, e) == 0) {
			return 0;
		}
		if (!m->options.queue || queue_is_final(e->code)) {
			return -1;
		}
		why = *e;
		ticket.last = &why;
	}
	if (queue_put(s, &ticket, id, e) != 0) {
		if (why.code != 0) { /* which is why it was to be queued, and may go away */
			err_set(&why, why.code, "%.300s; nor can it be queued: %.150s", why.text,
				e->text);
			*e = why;
		}
		return -1;
	}
	e->text[0] = '\0';
	if (m->options.verbose || isatty(STDERR_FILENO) == 1) {
		cli_note(m->cli, "queued as %s%s%s", id, why.code == 0 ? "" : ": ", why.text);
	}
	return 0;
}

static int add_arguments(const struct cli *c, struct submission *s, struct err *e)
{
	for (size_t i = 0; i < c->args_n; i++) {
		struct cursor at = cursor_over(c->args[i], strlen(c->args[i]));
		struct rfc5322_mailbox one;
		int rc;
		while ((rc = rfc5322_address_next(&at, &one)) > 0) { /* mail(1) sends "a, b" */
			if (submission_add(s, &one, e) != 0) {
				return -1;
			}
		}
		if (rc < 0) {
			return err_set(e, EX_DATAERR, "\"%.100s\" is no address", c->args[i]);
		}
	}
	return 0;
}

static int send_message(struct sendmail *m, struct err *e)
{
	struct submission_rules rules = sendmail_rules(m);
	struct submission s = SUBMISSION_EMPTY;
	int rc;

	rules.recipients_in_head = m->options.recipients_in_head;
	rules.dot_ends = !m->options.dots_are_text;
	rc = sendmail_sender(m, m->options.sender, &s.from, e);
	rc = rc == 0 ? add_arguments(m->cli, &s, e) : rc;
	rc = rc == 0 ? submission_read(&s, &rules, STDIN_FILENO, "standard input", e) : rc;
	if (rc == 0 && s.to_n == 0) {
		rc = err_set(e, EX_DATAERR, "it has no recipient");
	}
	rc = rc == 0 ? sendmail_hand_over(m, &s, true, e) : rc;
	submission_free(&s);
	return rc;
}

/* --- the applet --- */

static void choose_destination(struct sendmail *m)
{
	const struct sendmail_options *o = &m->options;

	m->to = (struct destination){.account = {.applet = "sendmail",
					     .server = o->server,
					     .user = o->user,
					     .keys = o->keys,
					     .password_file = o->password_file,
					     .pin = o->pin,
					     .verbose = o->verbose},
		.smtp = o->smtp != NULL ? o->smtp : o->smtps,
		.implicit_tls = o->smtps != NULL,
		.no_tls = o->no_tls,
		.tls_ca = o->tls_ca,
		.tls_pin = o->tls_pin,
		.timeout = o->timeout};
}

static int check_usage(const struct cli *c, const struct sendmail_options *o)
{
	bool message = o->mode == SENDMAIL_MESSAGE && o->from_dir == NULL;

	if (o->smtp != NULL && o->smtps != NULL) {
		return cli_usage(c, "--smtp and --smtps do not go together");
	}
	if (!message && (o->recipients_in_head || c->args_n > 0)) {
		return cli_usage(c, "-t and ADDRESSes go with a message on stdin");
	}
	if (o->from_dir != NULL && o->mode != SENDMAIL_MESSAGE) {
		return cli_usage(c, "--from-dir does not go with -bs and -bp");
	}
	if (message && !o->recipients_in_head && c->args_n == 0) {
		return cli_usage(c, "no ADDRESS is given, and no -t");
	}
	return -1;
}

static void tell(void *arg, const char *text)
{
	const struct sendmail *m = arg;

	cli_note(m->cli, "%s", text);
}

/* Who wants nothing to go unsealed is not served in silence. 0 or -1. */
static int check_seal(const struct sendmail *m, struct err *e)
{
	if (m->to.smtp != NULL || m->to.account.seal != ACCOUNT_SEAL) {
		return 0;
	}
	err_set(e, EX_CONFIG,
		"the configuration says \"seal\": true, and sendmail sends nothing sealed");
	return err_hint(e, "\"seal\": \"send\" is of `send` and `client` alone");
}

/* The exit code; e is told unless its text is empty. */
static int run(struct sendmail *m, struct err *e)
{
	if (m->options.mode == SENDMAIL_LIST) {
		return queue_print(false, e);
	}
	choose_destination(m);
	local_users_host(m->host);
	if (destination_resolve(&m->to, e) != 0 || check_seal(m, e) != 0 ||
		carrier_begin(&m->carrier, &m->to, e) != 0) {
		return e->code;
	}
	m->carrier.tell = tell;
	m->carrier.tell_arg = m;
	if (m->options.mode == SENDMAIL_SMTP) {
		return sendmail_session(m, e);
	}
	if (m->options.from_dir != NULL) {
		return sendmail_from_dir(m, e);
	}
	return send_message(m, e) == 0 ? EX_OK : e->code;
}

APPLET_MAIN(sendmail)
{
	static struct sendmail m;
	struct cli c = {.applet = "sendmail", .help = help};
	int rc = sendmail_parse(&c, &m.options, argc, argv);
	struct err e = {0};

	if (rc >= 0 || (rc = check_usage(&c, &m.options)) >= 0) {
		return rc;
	}
	m.cli = &c;
	cli_protect();
	rc = run(&m, &e);
	if (rc != EX_OK && e.text[0] != '\0') {
		(void)cli_fail(&c, &e);
	}
	carrier_end(&m.carrier);
	destination_free(&m.to);
	return cli_finish(&c, rc);
}
