/* inject-starttls: bytes in the clear that a careless peer takes for words said inside TLS. Whoever
 * reads lines ahead into a buffer, begins TLS beneath it and goes on reading from the buffer has
 * this fault (CVE-2011-0411 in servers; the same in clients). */
#include "mitm_relay.h"

enum { ASKED = 1, TO_SERVER, TO_CLIENT, TOLD }; /* steps */

/* Where there is a fault one command more is answered, inside TLS: the answers no longer fit. */
static const char probe[] = "NOOP\r\n";

/* All that a client that logs in nowhere waits for: EHLO, MAIL, RCPT, DATA, the text, QUIT. The
 * server's true answers come behind. */
static const char answers[] =
	"250 localhost\r\n250 2.1.0 sender taken\r\n250 2.1.5 recipient taken\r\n"
	"354 the message, please\r\n250 2.0.0 stored\r\n221 2.0.0 goodbye\r\n";

/* A line and what is put behind it, in one piece. 1 or -1. */
static int say_both(struct relay *r, enum mitm_side to, const struct buf *line, const void *p,
	size_t n, const char *what, struct err *e)
{
	struct buf both = {0};
	int rc = buf_append(&both, line->p, line->n) != 0 || buf_append(&both, p, n) != 0
			 ? err_set(e, EX_TEMPFAIL, "out of memory")
			 : relay_say(r, to, both.p, both.n, what, e);

	buf_free(&both);
	return rc == 0 ? 1 : -1;
}

static int to_server(struct relay *r, const struct mitm_message *m, struct err *e)
{
	const struct buf *own = r->m->inject;

	r->mine->step = TO_SERVER;
	return say_both(r, MITM_SERVER, &m->bytes, own == NULL ? (const void *)probe : own->p,
		own == NULL ? strlen(probe) : own->n,
		"the same, and commands of the attacker's behind it in one piece", e);
}

static void judge_server(struct relay *r, const struct mitm_message *m)
{
	size_t n = m->bytes.n;
	char shown[200];

	while (n > 0 && (m->bytes.p[n - 1] == '\r' || m->bytes.p[n - 1] == '\n')) {
		n--;
	}
	(void)escape_text(shown, sizeof shown, m->bytes.p, n, false);
	r->mine->step = TOLD;
	if (r->smtp.code == 220) {
		relay_did(r, "the server began TLS: it has dropped the commands, or takes them for "
			     "words said inside");
	} else {
		relay_result(r, false, "the server saw what stood behind STARTTLS: %s", shown);
	}
}

int mitm_inject_starttls(struct relay *r, struct mitm_message *m, struct err *e)
{
	bool client_first = r->connection % 2 == 0; /* the two sides by turns */

	if (mitm_is_command(m, "STARTTLS") && r->mine->step == 0) {
		r->mine->step = ASKED;
		return client_first ? 0 : to_server(r, m, e);
	}
	if (m->kind == MITM_REPLY && r->mine->step == TO_SERVER) {
		judge_server(r, m);
	} else if (m->kind == MITM_REPLY && r->mine->step == ASKED && r->smtp.code == 220) {
		r->mine->step = TO_CLIENT;
		return say_both(r, MITM_CLIENT, &m->bytes, answers, strlen(answers),
			"the same, and answers of the attacker's behind it in one piece", e);
	}
	return 0;
}

void mitm_injected_starttls(struct relay *r)
{
	unsigned sealed = r->smtp.sealed[MITM_CLIENT];

	if (r->wire != MITM_IS_SMTP) {
		relay_result(r, false, "this was not SMTP");
	} else if (r->mine->step == 0) {
		relay_result(r, false, "the client did not ask for STARTTLS");
	} else if (r->mine->step == TO_CLIENT && sealed == 0) {
		relay_result(r, false, "the client left: it said nothing inside TLS");
	} else if (r->mine->step == TO_CLIENT) {
		relay_did(r,
			"the client went on inside TLS, with %u records: it has dropped the "
			"answers, or takes them for the server's",
			sealed);
	} else if (r->mine->step != TOLD) {
		relay_result(r, false, "no TLS came about");
	}
}
