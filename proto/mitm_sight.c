/* What an outsider sees: where a message ends, and what it is by its length and its place. No key
 * is needed for any of it. */
#include "mitm_relay.h"

#include "classic.h"
#include "enhanced.h"

enum {
	PIECE = 65536, /* of a long message */
	MAIL_FROM = 49 /* classic: bytes of the shortest e-mail; what is shorter is a choice, with
			* a size at most */
};

/* --- where it ends --- */

static size_t cut_enhanced(const struct mitm_flow *f, bool first)
{
	size_t at = first ? ENHANCED_PREFACE_BYTES : 0, n;

	if (f->in.n < at + ENHANCED_LENGTH) {
		return 0;
	}
	n = at + ENHANCED_LENGTH + ((size_t)f->in.p[at] << 8 | f->in.p[at + 1]);
	return f->in.n < n ? 0 : n;
}

/* A server that speaks first, and so, is one of SMTP (RFC 5321 3.1). */
static bool has_greeted(const struct buf *first)
{
	return first->n >= 4 && memcmp(first->p, "220", 3) == 0 &&
	       (first->p[3] == ' ' || first->p[3] == '-');
}

/* Which wire it is, the client's first bytes tell, as they tell the server. */
static void tell_wire(struct relay *r, const struct buf *first)
{
	size_t n = first->n < ENHANCED_PREFACE_BYTES ? first->n : ENHANCED_PREFACE_BYTES;

	if (mitm_begins_tls(first)) {
		r->wire = MITM_IS_SMTP; /* of what stands inside nothing is seen: the best guess */
		r->smtp.tls = true;
	} else if (memcmp(first->p, ENHANCED_PREFACE, n) != 0) {
		r->wire = MITM_IS_CLASSIC;
	} else if (n == ENHANCED_PREFACE_BYTES) {
		r->wire = MITM_IS_ENHANCED;
	}
}

/* The first that a classic server says is a key, as long as an RSA modulus. In one dialect the menu
 * follows at once, and may come together with it. */
static size_t cut_key(const struct mitm_flow *f)
{
	size_t menu = aes_padded_len(strlen(CLASSIC_MENU)), key = f->in.n - menu;

	return f->in.n > menu && key >= RSA_BITS_MIN / 8 && key <= RSA_BYTES_MAX && key % 128 == 0
		       ? key
		       : f->in.n;
}

size_t mitm_cut(struct relay *r, enum mitm_side from, bool quiet)
{
	const struct mitm_flow *f = &r->flow[from];
	size_t n;

	if (f->in.n == 0) {
		return 0;
	}
	if (r->m->ft) {
		r->wire = MITM_IS_FT;
		return mitm_cut_ft(f);
	}
	if (r->wire == MITM_UNKNOWN && has_greeted(&r->flow[MITM_SERVER].in)) {
		r->wire = MITM_IS_SMTP;
	}
	if (r->wire == MITM_UNKNOWN && from == MITM_CLIENT) {
		tell_wire(r, &f->in);
	}
	if (r->wire == MITM_UNKNOWN && from == MITM_CLIENT && !f->ended) {
		return 0; /* the preface, byte by byte, as far as it goes */
	}
	if (r->wire == MITM_IS_ENHANCED) {
		n = cut_enhanced(f, from == MITM_CLIENT && f->messages == 0);
		return n > 0 ? n : f->ended ? f->in.n : 0;
	}
	if (r->wire == MITM_IS_SMTP) {
		n = mitm_cut_smtp(r, from);
		return n > 0 ? n : f->ended ? f->in.n : 0;
	}
	if (f->in.n >= PIECE) {
		return PIECE;
	}
	if (!quiet && !f->ended) {
		return 0;
	}
	return from == MITM_SERVER && f->messages == 0 ? cut_key(f) : f->in.n;
}

/* --- what it is --- */

void mitm_exchange_free(struct mitm_exchange *x)
{
	for (size_t i = 0; i < MITM_TURNS; i++) {
		buf_free(&x->turn[i]);
	}
	buf_free(&x->answer);
	*x = (struct mitm_exchange){0};
}

static bool ends_with(const struct buf *b, const struct buf *end)
{
	return end->n > 0 && b->n >= end->n && memcmp(b->p + b->n - end->n, end->p, end->n) == 0;
}

static enum mitm_kind look_client(const struct relay *r, const struct buf *bytes)
{
	if (r->flow[MITM_CLIENT].messages == 1) {
		return MITM_LOGIN;
	}
	if (r->last == MITM_CLIENT && r->last_kind == MITM_MAIL) {
		return MITM_MAIL; /* more of it */
	}
	return bytes->n < MAIL_FROM ? MITM_SHORT : MITM_MAIL;
}

static enum mitm_kind look_server(struct relay *r, const struct buf *bytes)
{
	if (r->flow[MITM_SERVER].messages == 1) {
		size_t n = strlen(CLASSIC_INVALID);
		return bytes->n >= n && memcmp(bytes->p, CLASSIC_INVALID, n) == 0 ? MITM_REFUSAL
										  : MITM_KEY;
	}
	if (r->menu.n == 0) { /* the first text of a session is the menu */
		(void)buf_append(&r->menu, bytes->p, bytes->n);
	}
	return ends_with(bytes, &r->menu) ? MITM_MENU : MITM_ANSWER;
}

/* Keep what an exchange consists of. Short memory keeps less of it. */
static void follow(struct relay *r, enum mitm_side from, enum mitm_kind kind, const struct buf *b)
{
	struct mitm_exchange *x = &r->exchange;

	if (from == MITM_SERVER) {
		if (x->turns == 1 && x->answer.n == 0) {
			(void)buf_append(&x->answer, b->p, b->n);
		}
		return;
	}
	if (r->last == MITM_SERVER && r->last_kind == MITM_MENU) {
		mitm_exchange_free(x);
	}
	if (r->last == MITM_SERVER || x->turns == 0) {
		x->turns += x->turns < MITM_TURNS ? 1 : 0;
	}
	if (x->too_long || x->turn[x->turns - 1].n + b->n > MITM_RECORDING) {
		x->too_long = true;
		x->has_mail = false; /* nothing that can be repeated or opened */
		buf_free(&x->turn[x->turns - 1]);
		return;
	}
	(void)buf_append(&x->turn[x->turns - 1], b->p, b->n);
	x->has_mail = x->has_mail || kind == MITM_MAIL;
}

enum mitm_kind mitm_look(struct relay *r, enum mitm_side from, const struct buf *bytes)
{
	unsigned number = r->flow[from].messages;
	enum mitm_kind kind;

	if (r->wire == MITM_IS_ENHANCED) {
		kind = number == 1                          ? MITM_HELLO
		       : number == 2 && from == MITM_CLIENT ? MITM_PROOF
							    : MITM_RECORD;
	} else if (r->wire == MITM_IS_CLASSIC) {
		kind = from == MITM_CLIENT ? look_client(r, bytes) : look_server(r, bytes);
		follow(r, from, kind, bytes);
	} else if (r->wire == MITM_IS_SMTP) {
		kind = mitm_look_smtp(r, from, bytes);
	} else {
		kind = MITM_OTHER;
	}
	r->last = from;
	r->last_kind = kind;
	return kind;
}

const char *mitm_what(const struct relay *r, const struct mitm_message *m)
{
	switch (m->kind) {
	case MITM_LOGIN:
		return "the login: an RSA block, the same bytes work again";
	case MITM_KEY:
		return "the session's key: an RSA block that anybody could have made";
	case MITM_REFUSAL:
		return "in the clear: " CLASSIC_INVALID;
	case MITM_SHORT:
		return "a short text: OK, a choice or an index";
	case MITM_MENU:
		return m->bytes.n > r->menu.n ? "a text, and the menu behind it"
		       : m->number <= 2       ? "the menu, known by its length"
					      : "the menu: the same cipher text again";
	case MITM_MAIL:
		return "an e-mail in blocks of 16 bytes";
	case MITM_ANSWER:
		return m->bytes.n <= 32 ? "a prompt" : "a list or an e-mail in blocks of 16 bytes";
	case MITM_HELLO:
		return m->from == MITM_CLIENT
			       ? "message 1: a fresh public key"
			       : "message 2: a fresh public key, and the server's proof";
	case MITM_PROOF:
		return "message 3: who the client is, sealed, and its proof";
	case MITM_RECORD:
		return "a sealed record";
	case MITM_COMMAND:
	case MITM_AUTH:
	case MITM_TEXT:
	case MITM_DOT:
	case MITM_REPLY:
	case MITM_TLS:
		return mitm_what_smtp(m);
	case MITM_OTHER:
		break;
	}
	return r->wire == MITM_IS_FT ? mitm_what_ft(m) : "bytes of no known protocol";
}
