/* Submissions to `serve`; see carrier.h. Those to other SMTP servers are carrier_smtp.c's. */
#include "carrier.h"

#include "../crypto/hash.h"
#include "../proto/original.h"

int carrier_begin(struct carrier *c, struct destination *d, struct err *e)
{
	*c = (struct carrier){.to = d};
	return d->smtp != NULL ? 0 : local_users_load(&c->users, d->account.server, e);
}

void carrier_end(struct carrier *c)
{
	if (c->mail != NULL) {
		c->mail->ops->quit(c->mail);
		c->mail->ops->end(c->mail);
	}
	c->mail = NULL;
	carrier_smtp_end(c);
	local_users_free(&c->users);
}

/* --- a submission as a letter --- */

struct letter {
	char title[ORIGINAL_TITLE_MAX];
	struct held content;
	struct utf8_counter count;
	struct original encoder;
};

static void letter_free(struct letter *l)
{
	if (l != NULL) {
		held_free(&l->content);
		free(l);
	}
}

static int put_content(void *arg, const void *p, size_t n, struct err *e)
{
	struct letter *l = arg;

	(void)utf8_feed(&l->count, p, n, UINT64_MAX);
	return held_put(&l->content, p, n, e);
}

static int encode(void *arg, const void *p, size_t n, struct err *e)
{
	return original_encode(arg, p, n, e);
}

int carrier_check(struct carrier *c, const struct submission *s, struct err *e)
{
	struct buf to = {0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && c->to->smtp == NULL && i < s->to_n; i++) {
		rc = local_users_add(&c->users, &s->to[i], &to, e);
	}
	buf_free(&to);
	return rc;
}

static int put_trace(
	const struct carrier *c, const struct submission *s, struct letter *l, struct err *e)
{
	char id[MAIL_ID_TEXT + 1];
	const struct original_trace trace = {
		.by = c->users.host, .with = "SMTP361", .id = id, .time_us = message_now()};
	struct buf line = {0};
	int rc;

	hex_encode(id, s->id, sizeof s->id);
	rc = original_put_trace(&line, &trace) == 0 ? put_content(l, line.p, line.n, e)
						    : err_set(e, EX_TEMPFAIL, "out of memory");
	buf_free(&line);
	return rc;
}

/* NULL with e. */
static struct letter *make_letter(
	const struct carrier *c, const struct submission *s, struct err *e)
{
	struct letter *l = calloc(1, sizeof *l);

	if (l == NULL) {
		err_set(e, EX_TEMPFAIL, "out of memory");
		return NULL;
	}
	l->content = HELD_EMPTY;
	original_begin(&l->encoder, put_content, l);
	if (original_title(s->head.p, s->head.n, l->title, e) != 0 || put_trace(c, s, l, e) != 0 ||
		submission_each(s, encode, &l->encoder, e) != 0 ||
		original_encode_end(&l->encoder, e) != 0) {
		letter_free(l);
		return NULL;
	}
	return l;
}

/* --- and to the server --- */

static int connect_mail(struct carrier *c, struct err *e)
{
	if (c->mail != NULL && !c->mail->alive) {
		c->mail->ops->end(c->mail);
		c->mail = NULL;
	}
	return c->mail != NULL ? 0 : account_login(&c->to->account, false, &c->mail, e);
}

static int send_once(struct carrier *c, const struct letter *l, const char *to,
	const uint8_t id[static SUBMISSION_ID], struct err *e)
{
	struct held_reader reader = {.held = &l->content};
	struct mail_letter letter = {.to = to,
		.title = l->title,
		.bytes = l->content.bytes,
		.chars = l->count.count,
		.source = held_read,
		.arg = &reader};
	struct mail_stored stored;

	memcpy(letter.id, id, sizeof letter.id);
	if (c->mail->ops->post(c->mail, &letter, e) != 0) {
		return -1;
	}
	return c->mail->ops->acknowledge(c->mail, &stored, e);
}

static int send_to(struct carrier *c, const struct letter *l, const char *to,
	const uint8_t id[static SUBMISSION_ID], struct err *e)
{
	int rc = connect_mail(c, e);

	if (rc != 0) {
		c->down = *e;
		return -1;
	}
	rc = send_once(c, l, to, id, e);
	/* broken on the way: by its id it is stored once, however often it is sent */
	if (rc != 0 && !c->mail->alive && e->code == EX_TEMPFAIL && connect_mail(c, e) == 0) {
		rc = send_once(c, l, to, id, e);
	}
	return rc;
}

/* The id of a letter of its own, the same in each attempt. */
static void own_id(const struct submission *s, const struct rfc5322_mailbox *m,
	uint8_t id[static SUBMISSION_ID])
{
	uint8_t digest[HASH_BYTES];
	struct hash hash;

	hash_begin(&hash);
	hash_add(&hash, s->id, sizeof s->id);
	hash_add(&hash, m->local, strlen(m->local) + 1);
	hash_add(&hash, m->domain, strlen(m->domain));
	hash_end(&hash, digest);
	memcpy(id, digest, SUBMISSION_ID);
}

/* Send to the users that `all` got behind its first n bytes; nobody gets two. */
static int send_to_rest(struct carrier *c, const struct letter *l, struct buf *all, size_t n,
	const uint8_t id[static SUBMISSION_ID], struct err *e)
{
	const char *to;

	if (all->n == n) {
		return 0;
	}
	if (buf_append(all, "", 1) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	all->n--;
	to = (const char *)all->p + n;
	return send_to(c, l, to + (*to == ';' ? 1 : 0), id, e);
}

/* `serve` writes all recipients of a letter into it: those whom the message does not name (Bcc) get
 * one of their own. */
static int send_letters(
	struct carrier *c, const struct submission *s, const struct letter *l, struct err *e)
{
	uint8_t id[SUBMISSION_ID];
	struct buf all = {0};
	bool reached;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->to_n; i++) {
		if (submission_names(s, &s->to[i])) {
			rc = local_users_add(&c->users, &s->to[i], &all, e);
		}
	}
	rc = rc == 0 ? send_to_rest(c, l, &all, 0, s->id, e) : rc;
	reached = rc == 0 && all.n > 0;
	for (size_t i = 0; rc == 0 && i < s->to_n; i++) {
		size_t n = all.n;
		if (!submission_names(s, &s->to[i])) {
			own_id(s, &s->to[i], id);
			rc = local_users_add(&c->users, &s->to[i], &all, e);
			rc = rc == 0 ? send_to_rest(c, l, &all, n, id, e) : rc;
			reached = reached || rc == 0;
		}
	}
	if (rc != 0 && reached) {
		err_hint(e, "others have it already: send it again to the rest alone");
	}
	buf_free(&all);
	return rc;
}

static int send_letter(struct carrier *c, const struct submission *s, struct err *e)
{
	struct letter *l = make_letter(c, s, e);
	int rc = l == NULL ? -1 : send_letters(c, s, l, e);

	letter_free(l);
	return rc;
}

int carrier_send(struct carrier *c, struct submission *s, bool authenticate, struct err *e)
{
	int rc = -1;

	if (c->down.code != 0) {
		*e = c->down;
	} else if (c->to->smtp != NULL) {
		rc = carrier_smtp_send(c, s, authenticate, e);
	} else {
		rc = send_letter(c, s, e);
	}
	if (rc != 0 && e->code == EX_UNAVAILABLE) {
		e->code = EX_TEMPFAIL; /* what calls sendmail tries that again, and 69 not */
	}
	return rc;
}
