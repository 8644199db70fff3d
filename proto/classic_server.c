/* The classic protocol's server; see classic_server.h. The steps are those of PROTOCOL.md, in the
 * order that classic_dialect.h has. */
#include "classic_server.h"

#include "../crypto/bytes.h"
#include "classic_session_server.h"
#include "log.h"
#include "mail_server.h"

void classic_session_say(const struct classic_session *s, const char *step)
{
	char line[200];

	if (s->host->verbose) {
		(void)snprintf(line, sizeof line,
			"%s; an onlooker sees %llu bytes in, %llu out so far", step,
			(unsigned long long)s->conn->in, (unsigned long long)s->conn->out);
		log_trace(line);
	}
}

/* Accounts have changed: does this one still let anybody in with a password? */
static int still_allowed(void *arg, struct err *e)
{
	struct classic_session *s = arg;
	if (accounts_refresh(&s->accounts, NULL, e) != 0) {
		return -1;
	}
	return accounts_allow(&s->accounts, &s->who)
		       ? 0
		       : err_set(e, EX_NOPERM, "the account was shut out");
}

/* --- texts --- */

/* Receive a short text, escaped for no one: compare it, or parse it. */
static int recv_text(struct classic_session *s, struct buf *text, struct err *e)
{
	text->n = 0;
	return classic_recv(&s->wire, text, CLASSIC_TEXT_MAX, CLASSIC_QUIET_MS, e);
}

static bool text_is(const struct buf *text, const char *want)
{
	return text->n == strlen(want) && memcmp(text->p, want, text->n) == 0;
}

static int expect(struct classic_session *s, const char *want, struct err *e)
{
	struct buf text = {0};
	int rc = recv_text(s, &text, e);

	if (rc == 0 && !text_is(&text, want)) {
		rc = err_set(e, EX_PROTOCOL, "the client did not say %s", want);
	}
	buf_free(&text);
	return rc;
}

static int put_text(void *arg, const struct classic_step *step, struct err *e)
{
	struct classic_session *s = arg;

	return classic_send(&s->wire, step->text, e);
}

static int take_text(void *arg, const struct classic_step *step, struct err *e)
{
	return expect(arg, step->text, e);
}

/* Where the dialect wants it, the size of a text of n bytes, as it will be on the wire. */
static int announce(
	struct classic_session *s, const struct classic_step *step, size_t n, struct err *e)
{
	char size[24];

	if (step->text == NULL) {
		return 0;
	}
	(void)snprintf(size, sizeof size, "%zu", aes_padded_len(n));
	return classic_send(&s->wire, size, e) != 0 ? -1 : expect(s, step->text, e);
}

/* 4: the menu, the reason of a rejection ahead of it. */
static int send_menu(struct classic_session *s, struct err *e)
{
	if (s->reason[0] != '\0' &&
		(classic_put(&s->wire, CLASSIC_REJECTED, strlen(CLASSIC_REJECTED), e) != 0 ||
			classic_put(&s->wire, s->reason, strlen(s->reason), e) != 0 ||
			classic_put(&s->wire, "\n", 1, e) != 0)) {
		return -1;
	}
	s->reason[0] = '\0';
	return classic_send(&s->wire, CLASSIC_MENU, e);
}

/* --- 1: send --- */

struct incoming {
	struct classic_session *s;
	struct mail mail;
	struct err why; /* of a rejection */
};

static int on_head(void *arg, const struct message_head *h, const uint8_t *bytes, struct err *e)
{
	struct incoming *in = arg;
	struct accounts *accounts = &in->s->accounts;

	(void)bytes;
	(void)e;
	if (accounts_refresh(accounts, NULL, &in->why) != 0) {
		in->why.code = EX_TEMPFAIL;
		return 1;
	}
	return mail_begin(&in->mail, accounts->now, h, &in->why) == 0 ? 0 : 1;
}

static int on_content(void *arg, const void *p, size_t n, struct err *e)
{
	struct incoming *in = arg;

	(void)e;
	return mail_content(&in->mail, p, n, &in->why) == 0 ? 0 : 1;
}

/* The reason is one line for the client's eyes; a failure of ours is told from a fault of its. */
static void set_reason(struct classic_session *s, const struct err *why)
{
	const char *later = why->code == EX_TEMPFAIL ? CLASSIC_LATER : "";
	size_t n = strcspn(why->text, "\n");

	(void)snprintf(s->reason, sizeof s->reason, "%s%.*s", later,
		(int)(n < ERR_TEXT_MAX - 64 ? n : ERR_TEXT_MAX - 64), why->text);
	log_quotable(s->reason);
	s->report->rejected++;
	log_event("rejected", "user=%s code=%d text=\"%s\"", s->report->user, why->code, s->reason);
}

static int take_mail(void *arg, const struct classic_step *step, struct err *e)
{
	struct classic_session *s = arg;
	struct incoming in = {.s = s,
		.mail = {.box = s->host->box,
			.user = s->report->user,
			.max_chars = MESSAGE_CONTENT_CHARS,
			.defaults = s->host->limits}};
	struct classic_mail mail = {.head = on_head, .content = on_content, .arg = &in};
	enum classic_got got;
	bool stored = false;

	conn_deadline(s->conn, s->host->mail_ms);
	got = classic_recv_step(&s->wire, step, &mail, e);
	if (got == CLASSIC_FAULTY && in.why.code == 0) {
		in.why = *e;
	} else if (got == CLASSIC_WHOLE && still_allowed(s, &in.why) == 0 &&
		   mail_deliver(&in.mail, &in.why) == 0) {
		stored = true;
		classic_session_say(s, "an e-mail in AES-ECB: nothing would notice a change");
		s->report->sent++;
		presence_tell(s->conn->presence, in.mail.to.names, in.mail.to.n);
		presence_work(s->conn->presence);
		log_say("An email from %s is sent to %.*s has a content length of %llu",
			s->report->user, (int)in.mail.to_text.n, (const char *)in.mail.to_text.p,
			(unsigned long long)in.mail.meta.chars);
	}
	if (got != CLASSIC_BROKEN && !stored) {
		set_reason(s, &in.why);
	}
	mail_end(&in.mail);
	return got == CLASSIC_BROKEN ? -1 : 0;
}

/* --- 2: list --- */

struct listing {
	struct classic_session *s;
	struct buf *text; /* where its size is told ahead; NULL: it goes out at once */
	struct err *e;
};

static int put_piece(struct listing *l, const void *p, size_t n, struct err *e)
{
	if (l->text == NULL) {
		return classic_put(&l->s->wire, p, n, e);
	}
	if (n > CLASSIC_LIST_MAX - l->text->n) {
		return err_set(
			e, EX_TEMPFAIL, "the list is longer than %d bytes", CLASSIC_LIST_MAX);
	}
	return buf_append(l->text, p, n) == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

static int remember(struct classic_session *s, const struct mailbox_ref *ref)
{
	if (s->listed_n == s->listed_cap) {
		size_t cap = s->listed_cap == 0 ? 64 : 2 * s->listed_cap;
		struct mailbox_ref *p = reallocarray(s->listed, cap, sizeof *p);
		if (p == NULL) {
			return -1;
		}
		s->listed = p;
		s->listed_cap = cap;
	}
	s->listed[s->listed_n++] = *ref;
	return 0;
}

/* One row. Control characters of a title are escaped: the end of a list is told by its padding, and
 * no title may look like one. */
static int put_row(void *arg, const struct mailbox_meta *meta, const struct mailbox_ref *ref)
{
	struct listing *l = arg;
	struct classic_session *s = l->s;
	char time_text[MESSAGE_TIME_LEN + 1], title[4 * MAILBOX_TITLE_BYTES], row[2048];

	if (remember(s, ref) != 0) {
		return err_set(l->e, EX_TEMPFAIL, "out of memory");
	}
	message_format_time(meta->time_us, time_text);
	(void)escape_text(title, sizeof title, meta->title, strlen(meta->title), false);
	int n = snprintf(row, sizeof row, "\n%-6zu %-10s %s  %s%s", s->listed_n, meta->source,
		time_text, meta->damaged ? "(damaged) " : "", title);
	return put_piece(l, row, (size_t)n, l->e);
}

/* The list, or a line that says why there is none in its place. */
static int write_list(struct listing *l, struct err *e)
{
	struct classic_session *s = l->s;
	struct mailbox *box = s->host->box;

	if (put_piece(l, CLASSIC_LIST_HEAD, strlen(CLASSIC_LIST_HEAD), e) != 0) {
		return -1;
	}
	if (box->ops->list(box, s->report->user, NULL, put_row, l, e) == 0) {
		return 0;
	}
	if (l->text == NULL && s->listed_n > 0) {
		return -1; /* half a list is on its way */
	}
	log_err("list-error", e);
	e->text[strcspn(e->text, "\n")] = '\0';
	s->listed_n = 0;
	s->wire.out_n = 0;
	if (l->text != NULL) {
		l->text->n = 0;
	}
	return put_piece(l, e->text, strlen(e->text), e);
}

static int put_list(void *arg, const struct classic_step *step, struct err *e)
{
	struct classic_session *s = arg;
	struct buf text = {0};
	struct listing l = {.s = s, .text = step->text == NULL ? NULL : &text, .e = e};
	int rc;

	s->listed_n = 0;
	conn_deadline(s->conn, s->host->mail_ms);
	rc = write_list(&l, e);
	rc = rc == 0 ? announce(s, step, text.n, e) : rc;
	rc = rc == 0 ? classic_put(&s->wire, text.p, text.n, e) : rc;
	buf_free(&text);
	if (rc != 0 || classic_end(&s->wire, e) != 0) {
		return -1;
	}
	s->report->listed++;
	classic_session_say(s, "the list in AES-ECB");
	return 0;
}

/* --- 3: view --- */

/* A text stands in place of what the client awaits; it is confirmed, and the view is over. */
static int refuse_view(struct classic_session *s, const char *text, struct err *e)
{
	return classic_send(&s->wire, text, e) != 0 || expect(s, CLASSIC_OK, e) != 0 ? -1 : 1;
}

static int put_prompt(void *arg, const struct classic_step *step, struct err *e)
{
	struct classic_session *s = arg;
	const char *nothing = s->dialect->nothing_listed;

	return nothing != NULL && s->listed_n == 0 ? refuse_view(s, nothing, e)
						   : classic_send(&s->wire, step->text, e);
}

static int take_index(void *arg, const struct classic_step *step, struct err *e)
{
	struct classic_session *s = arg;
	const unsigned first = s->dialect->first;
	struct buf text = {0};
	uint64_t index;
	int rc = recv_text(s, &text, e);

	(void)step;
	s->chosen = NULL;
	if (rc == 0 && parse_decimal(text.p, text.n, UINT64_MAX, &index) == 0 && index >= first &&
		index - first < s->listed_n) {
		s->chosen = &s->listed[index - first];
	}
	buf_free(&text);
	return rc;
}

struct view {
	struct classic_session *s;
	const struct classic_step *step;
	bool begun; /* some of the e-mail is on its way: no other text can stand in its place */
};

static int put_content(void *arg, const void *p, size_t n, struct err *e)
{
	struct view *v = arg;

	return classic_put(&v->s->wire, p, n, e);
}

static int put_head(void *arg, const struct message_head *h, const uint8_t *text,
	uint64_t content_bytes, struct err *e)
{
	struct view *v = arg;

	if (h->length > MESSAGE_CONTENT_CHARS) {
		return err_set(e, EX_DATAERR,
			"the message has more than %d characters: the enhanced protocol shows it",
			MESSAGE_CONTENT_CHARS);
	}
	v->begun = true;
	return announce(v->s, v->step, h->bytes + (size_t)content_bytes, e) != 0
		       ? -1
		       : classic_put(&v->s->wire, text, h->bytes, e);
}

static int no_mail(struct classic_session *s, const char *sentence, struct err *e)
{
	const char *no_such = s->dialect->no_such;

	return no_such == NULL ? classic_send(&s->wire, sentence, e) : refuse_view(s, no_such, e);
}

static int put_mail(void *arg, const struct classic_step *step, struct err *e)
{
	struct classic_session *s = arg;
	struct mailbox *box = s->host->box;
	struct view v = {.s = s, .step = step};
	const struct mail_sink sink = {.head = put_head, .content = put_content, .arg = &v};
	struct err why = {0};

	conn_deadline(s->conn, s->host->mail_ms);
	if (s->chosen == NULL) {
		return no_mail(s, s->listed_n == 0 ? CLASSIC_NONE_LISTED : CLASSIC_NO_SUCH, e);
	}
	if (mail_read(box, s->report->user, s->chosen, &sink, &why) == 0) {
		s->report->viewed++;
		classic_session_say(s, "an e-mail in AES-ECB");
		return classic_end(&s->wire, e);
	}
	if (v.begun) {
		*e = why;
		return -1;
	}
	why.text[strcspn(why.text, "\n")] = '\0';
	return no_mail(s, why.text, e);
}

/* --- the session --- */

static int walk(struct classic_session *s, const struct classic_step *steps, struct err *e)
{
	static const struct classic_side server = {.who = CLASSIC_S,
		.put = {[CLASSIC_SAY] = put_text,
			[CLASSIC_ASK] = put_prompt,
			[CLASSIC_LIST] = put_list,
			[CLASSIC_MAIL] = put_mail},
		.take = {[CLASSIC_SAY] = take_text,
			[CLASSIC_INDEX] = take_index,
			[CLASSIC_MAIL] = take_mail}};

	return classic_walk(&server, steps, s, e) < 0 ? -1 : 0;
}

static int serve_menu(struct classic_session *s, struct err *e)
{
	const struct classic_dialect *d = s->dialect;
	const struct {
		const char *choice;
		const struct classic_step *steps;
	} choices[] = {{"1", d->send}, {"2", d->list}, {"3", d->view}};
	struct buf text = {0};
	int rc = 0;

	while (rc == 0) {
		size_t i = 0, n = sizeof choices / sizeof choices[0];
		conn_deadline(s->conn, s->host->idle_ms);
		/* what changed while the login was judged, too */
		rc = still_allowed(s, e) != 0 || send_menu(s, e) != 0 ? -1 : recv_text(s, &text, e);
		while (rc == 0 && i < n && !text_is(&text, choices[i].choice)) {
			i++;
		}
		if (rc != 0 || i == n) {
			break; /* 4, and anything else */
		}
		rc = walk(s, choices[i].steps, e);
	}
	buf_free(&text);
	return rc;
}

int classic_serve(struct conn *conn, const struct host *host, struct report *report, struct err *e)
{
	static struct classic_session s; /* one session a process; its buffers are large */
	int rc;

	s.conn = conn;
	s.host = host;
	s.report = report;
	s.dialect = host->dialect;
	s.accounts = accounts_inherit(&host->accounts);
	rc = classic_session_login(&s, e);
	if (rc == 0) {
		host_forget_keys(host);
		conn->woken = still_allowed;
		conn->woken_arg = &s;
		log_say("Connection Accepted and Symmetric Key Generated for client: %s",
			report->user);
		rc = walk(&s, s.dialect->opening, e);
		rc = rc == 0 ? serve_menu(&s, e) : rc;
		log_say("Terminating connection with %s.", report->user);
	}
	free(s.listed);
	accounts_close(&s.accounts);
	wipe(&s.wire.aes, sizeof s.wire.aes);
	return rc;
}
