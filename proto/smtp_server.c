/* The SMTP door: a session, from its begin to its end; see smtp_server.h. What its parts share is
 * in smtp_session_server.c, commands are in smtp_commands_server.c, logging in is in
 * smtp_auth_server.c, messages are in smtp_data_server.c. */
#include "smtp_server.h"

#include "conn_tls.h"
#include "smtp_session_server.h"

/* Accounts have changed: may who logged in still be here? */
static int still_allowed(void *arg, struct err *e)
{
	struct smtp_session *s = arg;

	if (!s->logged_in) {
		return 0;
	}
	if (accounts_refresh(&s->accounts, NULL, e) != 0) {
		return -1;
	}
	return accounts_allow(&s->accounts, &s->who)
		       ? 0
		       : err_set(e, EX_NOPERM, "the account was shut out");
}

static int serve_commands(struct smtp_session *s, struct err *e)
{
	const uint8_t *line;
	size_t n;

	smtp_reply(s, "220", "%s ESMTP smtp361", s->door->name);
	while (!s->over) {
		if (s->logged_in) {
			conn_deadline(s->conn, s->host->idle_ms);
		}
		enum smtp_got got = smtp_next(s, SMTP_MAIL_MAX, &line, &n, e);
		if (got == SMTP_FAILED || still_allowed(s, e) != 0) {
			return -1;
		}
		if (got == SMTP_TOO_LONG) {
			smtp_refuse(s, "500 5.5.2", "the line is too long");
		} else {
			smtp_run(s, line, n);
		}
	}
	*e = s->end;
	return s->end.code == 0 ? 0 : -1;
}

/* The last word, where there is somebody to hear it. */
static void take_leave(struct smtp_session *s, int rc, const struct err *e)
{
	struct err ignored;

	conn_deadline(s->conn, CONN_FINISH_MS);
	if (rc != 0 && !s->told && (e->code == EX_TEMPFAIL || e->code == EX_NOPERM)) {
		smtp_reply(s, e->code == EX_NOPERM ? "421 4.7.0" : "421 4.4.2", "%s", e->text);
	}
	if (smtp_flush(s, &ignored) == 0) {
		conn_finish(s->conn);
	}
}

int smtp_serve(struct conn *c, const struct host *host, struct report *report, struct err *e)
{
	static struct smtp_session s; /* its buffers are large */
	int rc = 0;

	memset(&s, 0, offsetof(struct smtp_session, lines));
	s.conn = c;
	s.host = host;
	s.door = host->smtp;
	s.report = report;
	s.accounts = accounts_inherit(&host->accounts);
	report->wire = "smtp";
	host_forget_keys(host); /* those of the other wires */
	smtp_lines_over(&s.lines, c);
	conn_deadline(c, host->login_ms);
	c->woken = still_allowed;
	c->woken_arg = &s;
	if (c->door == HOST_DOOR_SMTPS) {
		rc = smtp_begin_tls(&s, e);
		s.tls = rc == 0;
		report->wire = "smtps";
	}
	rc = rc == 0 ? serve_commands(&s, e) : rc;
	if (s.tls || c->door != HOST_DOOR_SMTPS) {
		take_leave(&s, rc, e);
	}
	smtp_forget(&s);
	accounts_close(&s.accounts);
	buf_free(&s.out);
	smtp_lines_wipe(&s.lines);
	return rc;
}
