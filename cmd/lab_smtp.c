/* The lab's scenes on SMTP: alice writes to bob through the attacker, once in a set-up that asks
 * for less than it could, once by `sendmail` to `serve` as they are. See lab_scene.h. */
#include "lab_scene.h"

/* The title of the mail that smtp-relay sends. */
#define FORGED "from the attacker, in the name of alice"

static const char after_first[] = "-2"; /* in the name of the second victim's output */

/* --- what alice does --- */

static int write_mail(const struct scene *s)
{
	char mail[1024];

	(void)snprintf(mail, sizeof mail,
		"From: alice@localhost\nTo: bob@localhost\nSubject: %s\n\n%s\n", s->title,
		LAB_CONTENT);
	return lab_write(s->st, "mail/auth.txt", mail, s->e); /* auth: with a login */
}

/* By `sendmail`. clear: without TLS, as nobody does who is not told to. The exit code. */
static int by_sendmail(struct scene *s, const char *name, bool clear)
{
	char mail[LAB_PATH_MAX], password[LAB_PATH_MAX], ca[LAB_PATH_MAX];
	const char *const args[] = {"sendmail", "-v", "--smtp", s->st->relay, "--user", "alice",
		"--password-file", password, "--from-dir", mail, clear ? "--no-tls" : "--tls-ca",
		clear ? NULL : ca, NULL};

	lab_path(s->st, "mail", mail);
	lab_path(s->st, "alice.password", password);
	lab_path(s->st, "site/server_tls_cert.pem", ca);
	return write_mail(s) != 0 ? -1 : lab_run_applet(s->st, name, args, NULL, s->e);
}

/* By the client that takes TLS where it is offered. */
static int by_naive_client(struct scene *s, const char *name)
{
	char letter[LAB_PATH_MAX], ca[LAB_PATH_MAX];
	const char *const args[] = {"naive-client", s->st->relay, ca, s->title, letter, NULL};

	lab_path(s->st, "letter1", letter);
	lab_path(s->st, "site/server_tls_cert.pem", ca);
	return lab_run_applet(s->st, name, args, NULL, s->e);
}

int lab_smtp_send(struct scene *s)
{
	s->run->exits[0] = by_sendmail(s, s->name, !s->enhanced);
	return s->run->exits[0] < 0 ? -1 : 0;
}

int lab_smtp_send_anyhow(struct scene *s)
{
	s->run->exits[0] =
		s->enhanced ? by_sendmail(s, s->name, false) : by_naive_client(s, s->name);
	return s->run->exits[0] < 0 ? -1 : 0;
}

/* The first connection is attacked towards the server, the second one towards the client. */
int lab_smtp_send_twice(struct scene *s)
{
	char second[sizeof s->name + sizeof after_first];

	(void)snprintf(second, sizeof second, "%s%s", s->name, after_first);
	s->run->exits[0] = by_sendmail(s, s->name, false);
	if (s->run->exits[0] < 0) {
		return -1;
	}
	s->run->exits[1] = s->enhanced ? by_sendmail(s, second, false) : by_naive_client(s, second);
	return s->run->exits[1] < 0 ? -1 : 0;
}

/* --- before --- */

static int count_forged(struct scene *s)
{
	unsigned at[LAB_FOUND_MAX];

	return lab_find_titled(s, FORGED, at);
}

int lab_smtp_prepare_relay(struct scene *s)
{
	int n = count_forged(s);

	s->counted = n < 0 ? 0 : (size_t)n;
	return n < 0 ? -1 : 0;
}

int lab_smtp_prepare_injection(struct scene *s)
{
	return s->enhanced ? 0 : lab_start_naive(s->st, s->e);
}

/* --- what came of it --- */

/* In what alice's command said, the first or the second one. */
static bool victim_said(const struct scene *s, const char *which, const char *text)
{
	char file[sizeof s->name + 16];

	(void)snprintf(file, sizeof file, "%s%s.err", s->name, which);
	return lab_count_in(s->st, file, text) > 0;
}

static size_t count_sealed(const struct lab_run *run)
{
	size_t n = 0;

	for (size_t i = 0; i < run->said_n; i++) {
		n += strcmp(run->said[i].what, "a TLS record: sealed") == 0 ? 1 : 0;
	}
	return n;
}

int lab_judge_smtp_relay(struct scene *s)
{
	bool stolen = lab_is_stolen(s->st, "alice", s->title, LAB_CONTENT);
	bool answer = lab_count_in(s->st, s->st->relay_out, "$cram_md5$") > 0;
	unsigned at[LAB_FOUND_MAX];
	int forged = count_forged(s), arrived = lab_find_titled(s, s->title, at);
	size_t sealed = count_sealed(s->run);
	bool read = stolen || lab_was_heard(s->run, "Pay 1000");

	if (forged < 0 || arrived < 0) {
		return -1;
	}
	if (read || answer || (size_t)forged > s->counted) {
		return lab_tell(s, LAB_WON, "%s%s%s (alice: exit %d; bob has her mail %s)",
			read ? "read the mail" : "did not read the mail",
			answer ? ", got what hashcat needs to guess at the password" : "",
			(size_t)forged > s->counted
				? ", and sent bob another one as alice in her session"
				: "",
			s->run->exits[0], arrived == 1 ? "too" : "not");
	}
	bool proven = s->run->exits[0] == 0 && arrived == 1 && sealed > 0;
	return lab_tell(s, lab_held_if(s, proven),
		proven ? "read nothing: TLS, %zu sealed records; bob has the mail"
		       : "read nothing, for whatever reason (%zu sealed records)",
		sealed);
}

/* The line by which alice says her password, if she does. */
static bool password_was_heard(const struct scene *s)
{
	char secret[64], base64[2 * sizeof secret];
	int n = snprintf(secret, sizeof secret, "%calice%c%s", '\0', '\0', LAB_PASSWORD);

	(void)base64_padded_encode(base64, secret, (size_t)n);
	return lab_was_heard(s->run, base64);
}

int lab_judge_strip(struct scene *s)
{
	bool stolen = lab_is_stolen(s->st, "alice", s->title, LAB_CONTENT);
	bool password = password_was_heard(s);
	bool named = lab_was_heard(s->run, "alice") || lab_was_heard(s->run, "Pay 1000");
	bool refused = s->run->exits[0] == EX_PROTOCOL && s->run->results > 0 && !named &&
		       victim_said(s, "", "or somebody strips it");

	if (stolen || password) {
		return lab_tell(s, LAB_WON, "%s%s: the client went on in the clear (exit %d)",
			stolen ? "read the mail" : "", password ? ", and alice's password" : "",
			s->run->exits[0]);
	}
	return lab_tell(s, named ? LAB_WON : lab_held_if(s, refused),
		named     ? "heard a name or a text in the clear (exit %d)"
		: refused ? "the client left before it had said a name (exit %d)"
			  : "the client failed for another reason (exit %d)",
		s->run->exits[0]);
}

int lab_judge_injection(struct scene *s)
{
	const char *boxes[] = {"naive/carol.mbox", "naive/bob.mbox"};
	size_t carols = s->enhanced ? 0 : lab_count_in(s->st, boxes[0], LAB_CONTENT);
	size_t bobs = s->enhanced ? 0 : lab_count_in(s->st, boxes[1], LAB_CONTENT);
	unsigned at[LAB_FOUND_MAX];
	int arrived = lab_find_titled(s, s->title, at);
	bool lost = s->run->exits[1] == 0 && arrived == 0 && bobs == 0;
	bool fooled = s->run->exits[0] == 0 && (carols > 0 || arrived == 0);
	bool behind_server = s->run->exits[0] == EX_PROTOCOL &&
			     lab_log_grew(s, LAB_LOG_BEHIND, s->enhanced ? 1 : 0);
	bool behind_client = s->run->exits[1] == EX_PROTOCOL &&
			     victim_said(s, after_first, "bytes follow its answer to STARTTLS");

	if (arrived < 0) {
		return -1;
	}
	if (lost || fooled) {
		return lab_tell(s, LAB_WON,
			"%s%s%s; in verified TLS, and the victims noticed nothing",
			fooled ? "alice's mail and password are in carol's mailbox" : "",
			lost && fooled ? "; " : "",
			lost ? "a mail that no server took counts as sent" : "");
	}
	return lab_tell(s, lab_held_if(s, behind_server && behind_client && arrived == 0),
		"%s, %s (exits %d, %d)",
		behind_server ? "the server ended the session" : "the server let it pass",
		behind_client ? "so did the client: both saw the bytes"
			      : "the client did not see the bytes",
		s->run->exits[0], s->run->exits[1]);
}
