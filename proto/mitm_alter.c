/* Attacks that change what passes: repeated, swapped, altered, kept back, put in another order, cut
 * off. On the classic wire each works on the e-mail (or the list), on the enhanced one on whole
 * letters of sealed records, so that nothing but the records' tags and numbers can refuse it. */
#include "../crypto/aes.h"
#include "enhanced.h"
#include "mitm_relay.h"

/* Of a client's letter: its head is the first record behind the handshake's two messages. */
static bool is_content(const struct mitm_message *m)
{
	return m->kind == MITM_RECORD && m->from == MITM_CLIENT && m->number == 4;
}

static int pass_changed(
	struct relay *r, const struct mitm_message *m, const char *what, struct err *e)
{
	enum mitm_side to = m->from == MITM_CLIENT ? MITM_SERVER : MITM_CLIENT;

	return relay_say(r, to, m->bytes.p, m->bytes.n, what, e) == 0 ? 1 : -1;
}

/* --- flip, tamper-login: a bit --- */

int mitm_flip(struct relay *r, struct mitm_message *m, struct err *e)
{
	bool mail = m->kind == MITM_MAIL && m->bytes.n >= 4 * AES_BLOCK;

	if (r->mine->step > 0 || (!mail && !is_content(m))) {
		return 0;
	}
	r->mine->step = 1;
	/* not in the last block: that would break the padding; a record has none */
	m->bytes.p[mail ? m->bytes.n - 2 * AES_BLOCK : ENHANCED_LENGTH] ^= 1;
	relay_did(r, "one bit of %s was turned on its way", mail ? "the e-mail" : "a record");
	return pass_changed(r, m, "the same with one bit turned", e);
}

int mitm_tamper_login(struct relay *r, struct mitm_message *m, struct err *e)
{
	if (m->kind != MITM_LOGIN && m->kind != MITM_PROOF) {
		if (m->kind == MITM_REFUSAL) {
			relay_result(r, true,
				"the server blames the password, and the client believes it");
		}
		return 0;
	}
	m->bytes.p[m->bytes.n / 2] ^= 1;
	relay_did(r, "one bit of the login was turned on its way");
	return pass_changed(r, m, "the login with one bit turned", e);
}

/* --- splice: two blocks change places --- */

static void swap_blocks(uint8_t *a, uint8_t *b)
{
	uint8_t kept[AES_BLOCK];

	memcpy(kept, a, AES_BLOCK);
	memcpy(a, b, AES_BLOCK);
	memcpy(b, kept, AES_BLOCK);
}

int mitm_splice(struct relay *r, struct mitm_message *m, struct err *e)
{
	enum { ROOM = 6 }; /* blocks at least: the header is in front, the padding behind */
	size_t blocks = m->bytes.n / AES_BLOCK;
	uint8_t *p = m->bytes.p;

	if (r->mine->step > 0 || blocks < ROOM || (m->kind != MITM_MAIL && !is_content(m))) {
		return 0;
	}
	r->mine->step = 1;
	p += m->kind == MITM_MAIL ? (blocks - 3) * AES_BLOCK : m->bytes.n - 3 * AES_BLOCK;
	swap_blocks(p, p + AES_BLOCK);
	relay_did(r, "two blocks of %s have changed places",
		m->kind == MITM_MAIL ? "the e-mail" : "a record");
	return pass_changed(r, m, "the same with two blocks swapped", e);
}

/* --- the letters of an enhanced session --- */

enum { GATHER, LET_PASS, PLAY_AGAIN };

bool mitm_is_goodbye(const struct mitm_message *m)
{
	return m->bytes.n == ENHANCED_LENGTH + NOISE_TAG + strlen("{\"type\":\"bye\"}");
}

/* Keep a client's records back up to its goodbye. 0: not one of them, or no more are kept; 1: it is
 * kept; 2: this is the goodbye, and *half is where the second half of the records begins; -1. */
static int gather(struct relay *r, struct mitm_message *m, size_t *half, struct err *e)
{
	enum { RECORDS_MAX = 100, BYTES_MAX = 1 << 20 }; /* a client waits for answers some time */
	struct buf *kept = &r->mine->kept[MITM_CLIENT];
	unsigned records = m->number - 3; /* behind messages 1 and 3 */
	bool too_much = records == RECORDS_MAX || kept->n > BYTES_MAX;

	if (m->kind != MITM_RECORD || m->from != MITM_CLIENT || r->mine->step != GATHER) {
		return 0;
	}
	if (!mitm_is_goodbye(m) && !too_much) {
		return buf_append(kept, m->bytes.p, m->bytes.n) == 0
			       ? 1
			       : err_set(e, EX_TEMPFAIL, "out of memory");
	}
	r->mine->step = LET_PASS;
	if (records == 0 || too_much) {
		return kept->n == 0 ? 0
				    : relay_say(r, MITM_SERVER, kept->p, kept->n,
					      "what was kept back", e);
	}
	*half = 0;
	for (unsigned i = 0; i < records / 2; i++) {
		const uint8_t *length = kept->p + *half;
		*half += ENHANCED_LENGTH + ((size_t)length[0] << 8 | length[1]);
	}
	return 2;
}

static int say_kept(struct relay *r, size_t from, size_t to, const char *what, struct err *e)
{
	return relay_say(r, MITM_SERVER, r->mine->kept[MITM_CLIENT].p + from, to - from, what, e);
}

/* The whole of it twice: without numbers it would be two letters. The goodbye follows. */
static int double_records(struct relay *r, struct mitm_message *m, struct err *e)
{
	size_t half, all = r->mine->kept[MITM_CLIENT].n;
	int rc = gather(r, m, &half, e);

	if (rc != 2) {
		return rc;
	}
	relay_did(r, "the letter's records were sent twice");
	return say_kept(r, 0, all, "the letter's records", e) != 0 ||
			       say_kept(r, 0, all, "the same records once more", e) != 0
		       ? -1
		       : 0;
}

/* The second half first: of two letters of the same form that is the second one. */
static int reorder_records(struct relay *r, struct mitm_message *m, struct err *e)
{
	size_t half, all = r->mine->kept[MITM_CLIENT].n;
	int rc = gather(r, m, &half, e);

	if (rc != 2) {
		return rc;
	}
	relay_did(r, "two letters' records have changed places");
	return say_kept(r, half, all, "the second letter's records first", e) != 0 ||
			       say_kept(r, 0, half, "then the first one's", e) != 0
		       ? -1
		       : 0;
}

/* The second half is kept back, and the server's answer to the first one played in its place. */
static int drop_records(struct relay *r, struct mitm_message *m, struct err *e)
{
	enum { ANSWER = 3 }; /* of the server's messages: behind message 2 and the welcome */
	size_t half;
	int rc = gather(r, m, &half, e);

	if (rc == 2) {
		r->mine->step = PLAY_AGAIN;
		return say_kept(r, 0, half, "the first letter's records alone", e);
	}
	if (rc != 0 || r->mine->step != PLAY_AGAIN || m->from != MITM_SERVER ||
		m->number != ANSWER) {
		return rc;
	}
	relay_did(r, "the second letter was kept back, and the answer to the first was repeated");
	return relay_pass(r, m, e) != 0 || relay_say(r, MITM_CLIENT, m->bytes.p, m->bytes.n,
						   "the same answer once more", e) != 0
		       ? -1
		       : 1;
}

/* --- double: the same again --- */

/* All that the client said in this exchange, once more: the server's answers are kept from it. The
 * last of them is in m then. 0, 1 (the server hung up), -1. */
static int repeat(
	struct relay *r, const struct mitm_exchange *x, struct mitm_message *m, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < x->turns; i++) {
		rc = relay_say(
			r, MITM_SERVER, x->turn[i].p, x->turn[i].n, "the same bytes once more", e);
		rc = rc == 0 ? relay_hear(r, MITM_SERVER, m, e) : rc;
	}
	return rc;
}

/* What relay_hear follows would mix with what is repeated. */
static struct mitm_exchange take_exchange(struct relay *r)
{
	struct mitm_exchange x = r->exchange;

	r->exchange = (struct mitm_exchange){0};
	return x;
}

int mitm_double(struct relay *r, struct mitm_message *m, struct err *e)
{
	struct mitm_exchange x;
	int rc;

	if (r->wire == MITM_IS_ENHANCED) {
		return double_records(r, m, e);
	}
	if (r->mine->step > 0) {
		return 0;
	}
	if (m->kind != MITM_MENU || !r->exchange.has_mail) {
		return 0;
	}
	r->mine->step = 1;
	x = take_exchange(r);
	rc = repeat(r, &x, m, e);
	if (rc == 0) {
		relay_result(r, m->kind == MITM_MENU && m->bytes.n == r->menu.n,
			"the e-mail was sent twice; the server answered with its menu");
	}
	mitm_exchange_free(&x);
	return rc < 0 ? -1 : 0; /* the last menu goes to the client */
}

/* --- drop: it never arrives, and the client does not know --- */

int mitm_drop(struct relay *r, struct mitm_message *m, struct err *e)
{
	if (r->wire == MITM_IS_ENHANCED) {
		return drop_records(r, m, e);
	}
	if (r->mine->step == 0 && m->kind == MITM_MAIL && r->menu.n > 0) {
		r->mine->step = 1;
		relay_did(r,
			"the e-mail was kept back, and the menu's old bytes were played in answer");
		relay_hang_up(r, MITM_SERVER);
		return relay_say(r, MITM_CLIENT, r->menu.p, r->menu.n,
			       "the menu, as it was heard before", e) == 0
			       ? 1
			       : -1;
	}
	if (r->mine->step == 1 && m->kind == MITM_MAIL) {
		return 1; /* the rest of a long one */
	}
	if (r->mine->step == 1) { /* the server is gone: whatever the client wants ends it */
		relay_end(r);
		return 1;
	}
	return 0;
}

/* --- reorder: the second first --- */

enum { WAIT_FIRST, WAIT_CHOICE, WAIT_SECOND, WAIT_MENU, REORDERED };

/* The second e-mail is in, as the answer to what the first one began: now the first one. */
static int send_first(struct relay *r, struct mitm_message *m, struct err *e)
{
	int rc = repeat(r, &r->mine->held, m, e);

	r->mine->step = REORDERED;
	if (rc == 0) {
		relay_result(r, m->kind == MITM_MENU, "the second e-mail went ahead of the first");
	}
	return rc < 0 ? -1 : 0;
}

int mitm_reorder(struct relay *r, struct mitm_message *m, struct err *e)
{
	if (r->wire == MITM_IS_ENHANCED) {
		return reorder_records(r, m, e);
	}
	if (r->mine->step == WAIT_FIRST && m->kind == MITM_MAIL && r->menu.n > 0) {
		r->mine->step = WAIT_CHOICE;
		r->mine->held = take_exchange(r);
		return relay_say(r, MITM_CLIENT, r->menu.p, r->menu.n,
			       "the menu, as it was heard before", e) == 0
			       ? 1
			       : -1;
	}
	if (r->mine->step == WAIT_CHOICE && m->from == MITM_CLIENT) {
		const struct mitm_exchange *x = &r->exchange, *first = &r->mine->held;
		if (x->turn[x->turns - 1].n < first->turn[0].n) {
			return 1; /* in one dialect a size follows */
		}
		r->mine->step = WAIT_SECOND; /* the server still waits for an e-mail */
		return relay_say(r, MITM_CLIENT, r->mine->held.answer.p, r->mine->held.answer.n,
			       "the prompt, as it was heard before", e) == 0
			       ? 1
			       : -1;
	}
	if (r->mine->step == WAIT_SECOND && m->kind == MITM_MAIL) {
		r->mine->step = WAIT_MENU;
		return 0;
	}
	return r->mine->step == WAIT_MENU && m->kind == MITM_MENU ? send_first(r, m, e) : 0;
}

/* --- truncate: the end is missing --- */

int mitm_truncate(struct relay *r, struct mitm_message *m, struct err *e)
{
	enum { CUT = 4 * AES_BLOCK, HEAD = 4 * AES_BLOCK };

	/* behind message 2 and the welcome comes the first page of a list */
	if (m->kind == MITM_RECORD && m->from == MITM_SERVER && m->number == 3) {
		relay_did(r, "the session was cut off behind the first record of the answer");
		relay_end(r);
		return relay_pass(r, m, e) == 0 ? 1 : -1;
	}
	if (r->mine->step > 0 || m->kind != MITM_ANSWER || m->bytes.n < HEAD + CUT + AES_BLOCK) {
		return 0;
	}
	r->mine->step = 1;
	/* the last block has the padding, which ends a text wherever it stands */
	memmove(m->bytes.p + m->bytes.n - AES_BLOCK - CUT, m->bytes.p + m->bytes.n - AES_BLOCK,
		AES_BLOCK);
	m->bytes.n -= CUT;
	relay_did(r, "the last %d bytes ahead of its padding were cut out of the list", CUT);
	return pass_changed(r, m, "the list without its end", e);
}
