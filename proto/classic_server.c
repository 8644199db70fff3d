/* The classic protocol's server; see classic_server.h. The steps are those of PROTOCOL.md. */
#include "classic_server.h"

#include <poll.h>

#include "../crypto/bytes.h"
#include "../crypto/random.h"
#include "../keys/keyfile.h"
#include "classic.h"
#include "log.h"
#include "mail_server.h"

struct session {
	struct conn *conn;
	const struct host *host;
	struct report *report;
	struct classic wire;
	/* what the numbers of the last list stand for; empty before the first */
	struct mailbox_ref *listed;
	size_t listed_n, listed_cap;
	struct accounts accounts;
	struct presence_who who;
	char reason[ERR_TEXT_MAX]; /* why the last e-mail was rejected; empty when it was not */
};

/* For -v: what a step was, and what an onlooker sees of it. */
static void say(const struct session *s, const char *step)
{
	char line[200];

	if (s->host->verbose) {
		(void)snprintf(line, sizeof line,
			"%s; an onlooker sees %llu bytes in, %llu out so far", step,
			(unsigned long long)s->conn->in, (unsigned long long)s->conn->out);
		log_trace(line);
	}
}

/* --- login: steps 1 and 2 --- */

struct login {
	const char *user;
	const uint8_t *password;
	size_t password_n;
};

/* USERNAME LF PASSWORD, and no third line. The block is changed: the name gets its NUL. On false
 * the name may still be one to show. */
static bool split_login(uint8_t *text, size_t n, struct login *l)
{
	uint8_t *lf = memchr(text, '\n', n);

	if (lf == NULL || memchr(text, '\0', n) != NULL) {
		return false;
	}
	*lf = '\0';
	l->user = (const char *)text;
	l->password = lf + 1;
	l->password_n = n - (size_t)(lf + 1 - text);
	return memchr(l->password, '\n', l->password_n) == NULL && user_name_valid(l->user);
}

/* Is the login right, and is there a key to answer it with? -1: it could not be judged. */
static int judge(struct session *s, const struct login *l, struct rsa_public *client, bool *ok,
	struct err *e)
{
	const struct users_turn turn = host_turn(s->host);
	bool key_found, password_ok;

	if (accounts_refresh(&s->accounts, NULL, e) != 0) {
		return -1;
	}
	s->who.revoked_at = users_revoked_at(s->accounts.now, l->user);
	if (users_login(s->accounts.now, l->user, l->password, l->password_n, &turn, &password_ok,
		    e) != 0) {
		return -1;
	}
	key_found = keyfile_load_public(s->host->dir, l->user, client, e) == 0;
	if (password_ok && !key_found) {
		return err_prefix(e, "user %s cannot log in", l->user);
	}
	*ok = password_ok && key_found;
	return 0;
}

/* Accounts have changed: does this one still let anybody in with a password? */
static int still_allowed(void *arg, struct err *e)
{
	struct session *s = arg;
	if (accounts_refresh(&s->accounts, NULL, e) != 0) {
		return -1;
	}
	return accounts_allow(&s->accounts, &s->who)
		       ? 0
		       : err_set(e, EX_NOPERM, "the account was shut out");
}

/* One answer for every kind of bad login, and no sooner than HOST_REFUSAL_MS after it came. */
static int refuse(struct session *s, int64_t since_ms, const char *name, struct err *e)
{
	char shown[8 * USER_NAME_MAX];
	int64_t left = since_ms + HOST_REFUSAL_MS - conn_now_ms();

	if (left > 0) {
		(void)poll(NULL, 0, (int)left);
	}
	(void)escape_text(shown, sizeof shown, name, strlen(name), false);
	log_say("The received client information: %s is invalid (Connection Terminated).", shown);
	(void)conn_write(s->conn, CLASSIC_INVALID, strlen(CLASSIC_INVALID), e);
	conn_finish(s->conn);
	return err_set(e, EX_NOPERM, "login refused for %s", shown);
}

/* 2a: a fresh key, under the client's public key. */
static int answer_login(struct session *s, const struct rsa_public *client, struct err *e)
{
	uint8_t key[CLASSIC_KEY], block[RSA_BYTES_MAX];
	int rc = -1;

	if (random_bytes(key, sizeof key, e) == 0 &&
		rsa_oaep_encrypt(client, key, sizeof key, block, e) == 0) {
		classic_init(&s->wire, s->conn, key);
		rc = conn_write(s->conn, block, client->n_len, e);
	}
	wipe(key, sizeof key);
	return rc;
}

static int login(struct session *s, struct err *e)
{
	uint8_t block[RSA_BYTES_MAX];
	struct rsa_public client;
	const struct login nobody = {.user = "nobody", .password = block};
	struct login l = {0};
	size_t n = s->host->rsa->public.n_len, got;
	bool ok = false, readable;
	int rc = -1, text_n;

	enum conn_got how = conn_read_exact(s->conn, block, n, &got, e);
	int64_t since_ms = conn_now_ms();
	if (how == CONN_FAILED || (how == CONN_EOF && got == 0)) {
		return how == CONN_FAILED ? -1 : err_set(e, EX_PROTOCOL, "no login came");
	}
	/* A block cut short is decrypted too, and what cannot be read is judged like what can:
	 * neither the answer nor the time it takes tells one from the other (a padding oracle,
	 * hostile.md T8). */
	memset(block + got, 0, n - got);
	text_n = rsa_oaep_decrypt(s->host->rsa, block);
	readable = text_n >= 0 && split_login(block, (size_t)text_n, &l);
	if (judge(s, readable ? &l : &nobody, &client, &ok, e) != 0) {
		log_err("login-error", e);
	} else if (!readable || !ok) {
		rc = refuse(s, since_ms, l.user == NULL ? "(unreadable)" : l.user, e);
	} else {
		memcpy(s->report->user, l.user, strlen(l.user) + 1);
		memcpy(s->who.user, l.user, strlen(l.user) + 1);
		conn_set_proven(s->conn, &s->who);
		say(s, "login: the password was right; nothing in it is fresh, so it works again");
		host_upgrade(s->host, s->accounts.now, l.user, l.password, l.password_n);
		rc = answer_login(s, &client, e);
	}
	wipe(block, sizeof block);
	return rc;
}

/* --- texts --- */

/* Receive a short text, escaped for no one: compare it, or parse it. */
static int recv_text(struct session *s, struct buf *text, struct err *e)
{
	text->n = 0;
	return classic_recv(&s->wire, text, CLASSIC_TEXT_MAX, CLASSIC_QUIET_MS, e);
}

static bool text_is(const struct buf *text, const char *want)
{
	return text->n == strlen(want) && memcmp(text->p, want, text->n) == 0;
}

static int expect_ok(struct session *s, struct err *e)
{
	struct buf text = {0};
	int rc = recv_text(s, &text, e);

	if (rc == 0 && !text_is(&text, "OK")) {
		rc = err_set(e, EX_PROTOCOL, "the client did not say OK");
	}
	buf_free(&text);
	return rc;
}

/* 4: the menu, the reason of a rejection ahead of it. */
static int send_menu(struct session *s, struct err *e)
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
	struct session *s;
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
static void set_reason(struct session *s, const struct err *why)
{
	const char *later = why->code == EX_TEMPFAIL ? CLASSIC_LATER : "";
	size_t n = strcspn(why->text, "\n");

	(void)snprintf(s->reason, sizeof s->reason, "%s%.*s", later,
		(int)(n < ERR_TEXT_MAX - 64 ? n : ERR_TEXT_MAX - 64), why->text);
	log_quotable(s->reason);
	s->report->rejected++;
	log_event("rejected", "user=%s code=%d text=\"%s\"", s->report->user, why->code, s->reason);
}

static int receive_mail(struct session *s, struct err *e)
{
	struct incoming in = {.s = s,
		.mail = {.box = s->host->box,
			.user = s->report->user,
			.max_chars = MESSAGE_CONTENT_CHARS,
			.defaults = s->host->limits}};
	struct classic_mail mail = {.head = on_head, .content = on_content, .arg = &in};
	enum classic_got got;
	bool stored = false;

	conn_deadline(s->conn, s->host->mail_ms);
	got = classic_recv_mail(&s->wire, &mail, e);
	if (got == CLASSIC_FAULTY && in.why.code == 0) {
		in.why = *e;
	} else if (got == CLASSIC_WHOLE && still_allowed(s, &in.why) == 0 &&
		   mail_deliver(&in.mail, &in.why) == 0) {
		stored = true;
		say(s, "an e-mail in AES-ECB: nothing would notice a change");
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

static int do_send(struct session *s, struct err *e)
{
	return classic_send(&s->wire, CLASSIC_SEND_PROMPT, e) != 0 ? -1 : receive_mail(s, e);
}

/* --- 2: list --- */

struct listing {
	struct session *s;
	struct err *e;
};

static int remember(struct session *s, const struct mailbox_ref *ref)
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
	struct session *s = l->s;
	char time_text[MESSAGE_TIME_LEN + 1], title[4 * MAILBOX_TITLE_BYTES], row[2048];

	if (remember(s, ref) != 0) {
		return err_set(l->e, EX_TEMPFAIL, "out of memory");
	}
	message_format_time(meta->time_us, time_text);
	(void)escape_text(title, sizeof title, meta->title, strlen(meta->title), false);
	int n = snprintf(row, sizeof row, "\n%-6zu %-10s %s  %s%s", s->listed_n, meta->source,
		time_text, meta->damaged ? "(damaged) " : "", title);
	return classic_put(&s->wire, row, (size_t)n, l->e);
}

static int do_list(struct session *s, struct err *e)
{
	struct mailbox *box = s->host->box;
	struct listing l = {.s = s, .e = e};

	s->listed_n = 0;
	conn_deadline(s->conn, s->host->mail_ms);
	if (classic_put(&s->wire, CLASSIC_LIST_HEAD, strlen(CLASSIC_LIST_HEAD), e) != 0) {
		return -1;
	}
	if (box->ops->list(box, s->report->user, NULL, put_row, &l, e) != 0) {
		if (s->listed_n > 0) {
			return -1; /* half a list is on its way */
		}
		log_err("list-error", e);
		e->text[strcspn(e->text, "\n")] = '\0';
		s->wire.out_n = 0; /* a line that says so stands in place of the list */
		if (classic_put(&s->wire, e->text, strlen(e->text), e) != 0) {
			return -1;
		}
	}
	if (classic_end(&s->wire, e) != 0) {
		return -1;
	}
	s->report->listed++;
	say(s, "the list in AES-ECB");
	return expect_ok(s, e);
}

/* --- 3: view --- */

struct view {
	struct classic *wire;
	bool begun; /* some of the e-mail is on its way: no other text can stand in its place */
};

static int put_text(void *arg, const void *p, size_t n, struct err *e)
{
	struct view *v = arg;

	return classic_put(v->wire, p, n, e);
}

static int put_head(void *arg, const struct message_head *h, const uint8_t *text,
	uint64_t content_bytes, struct err *e)
{
	struct view *v = arg;

	(void)content_bytes;
	if (h->length > MESSAGE_CONTENT_CHARS) {
		return err_set(e, EX_DATAERR,
			"the message has more than %d characters: the enhanced protocol shows it",
			MESSAGE_CONTENT_CHARS);
	}
	v->begun = true;
	return classic_put(v->wire, text, h->bytes, e);
}

static int do_view(struct session *s, struct err *e)
{
	struct mailbox *box = s->host->box;
	struct view v = {.wire = &s->wire};
	const struct mail_sink sink = {.head = put_head, .content = put_text, .arg = &v};
	struct buf text = {0};
	struct err why = {0};
	uint64_t index = 0;
	bool known;
	int rc;

	rc = classic_send(&s->wire, CLASSIC_INDEX_PROMPT, e);
	rc = rc == 0 ? recv_text(s, &text, e) : rc;
	known = rc == 0 && parse_decimal(text.p, text.n, s->listed_n, &index) == 0 && index > 0;
	buf_free(&text);
	if (rc != 0) {
		return -1;
	}
	conn_deadline(s->conn, s->host->mail_ms);
	if (!known) {
		return classic_send(&s->wire,
			s->listed_n == 0 ? "There is no email to view: display the inbox list first"
					 : "There is no email with this index in the last list",
			e);
	}
	if (mail_read(box, s->report->user, &s->listed[index - 1], &sink, &why) == 0) {
		s->report->viewed++;
		say(s, "an e-mail in AES-ECB");
		return classic_end(&s->wire, e);
	}
	if (v.begun) {
		*e = why;
		return -1;
	}
	why.text[strcspn(why.text, "\n")] = '\0';
	return classic_send(&s->wire, why.text, e);
}

/* --- the session --- */

static int serve_menu(struct session *s, struct err *e)
{
	static const struct {
		const char *choice;
		int (*run)(struct session *s, struct err *e);
	} choices[] = {{"1", do_send}, {"2", do_list}, {"3", do_view}};
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
		rc = choices[i].run(s, e);
	}
	buf_free(&text);
	return rc;
}

int classic_serve(struct conn *conn, const struct host *host, struct report *report, struct err *e)
{
	static struct session s; /* one session a process; its buffers are large */
	int rc;

	s.conn = conn;
	s.host = host;
	s.report = report;
	s.accounts = accounts_inherit(&host->accounts);
	rc = login(&s, e);
	if (rc == 0) {
		host_forget_keys(host);
		conn->woken = still_allowed;
		conn->woken_arg = &s;
		log_say("Connection Accepted and Symmetric Key Generated for client: %s",
			report->user);
		rc = expect_ok(&s, e);
		rc = rc == 0 ? serve_menu(&s, e) : rc;
		log_say("Terminating connection with %s.", report->user);
	}
	free(s.listed);
	accounts_close(&s.accounts);
	wipe(&s.wire.aes, sizeof s.wire.aes);
	return rc;
}
