/* Attacks that only listen: what lengths and places tell, what repeats, and what a private key that
 * was stolen later opens. */
#include "../crypto/aes.h"
#include "../crypto/noise_state.h"
#include "classic.h"
#include "enhanced.h"
#include "mitm_relay.h"

enum { KEEP = 4 << 20 /* bytes of each side */ };

static int keep(struct relay *r, const struct mitm_message *m, struct err *e)
{
	struct buf *to = &r->mine->kept[m->from];

	return to->n + m->bytes.n > KEEP || buf_append(to, m->bytes.p, m->bytes.n) == 0
		       ? 0
		       : err_set(e, EX_TEMPFAIL, "out of memory");
}

/* --- eavesdrop --- */

int mitm_eavesdrop(struct relay *r, struct mitm_message *m, struct err *e)
{
	bool sent = m->kind == MITM_MENU && r->exchange.has_mail;
	bool goodbye = m->kind == MITM_RECORD && m->from == MITM_CLIENT && mitm_is_goodbye(m);

	sent = sent || m->kind == MITM_DOT;
	r->mine->step += sent || goodbye ? 1 : 0; /* a session is on one wire */
	(void)e;
	return 0;
}

void mitm_eavesdropped(struct relay *r)
{
	unsigned records = r->flow[MITM_CLIENT].messages;

	if (r->wire == MITM_IS_CLASSIC) {
		relay_result(r, true,
			"without any key: each step told apart by its length, %u e-mail%s sent",
			r->mine->step, r->mine->step == 1 ? "" : "s");
	} else if (r->wire == MITM_IS_ENHANCED) {
		relay_result(r, false,
			"no name and no text: the sizes and times of %u sealed records of the "
			"client's, %u of them as short as a goodbye",
			records > 2 ? records - 2 : 0, r->mine->step);
	} else if (r->wire == MITM_IS_SMTP) {
		relay_result(r, !r->smtp.tls,
			r->smtp.tls
				? "SMTP, up to TLS: the sizes and times of %u sealed records of "
				  "the client's"
				: "SMTP without TLS: names, logins and texts, %u of them mail",
			r->smtp.tls ? r->smtp.sealed[MITM_CLIENT] : r->mine->step);
	}
}

/* --- equal-blocks --- */

int mitm_collect_blocks(struct relay *r, struct mitm_message *m, struct err *e)
{
	/* RSA and the handshake have no blocks of the session's key */
	if (m->kind == MITM_LOGIN || m->kind == MITM_KEY || m->kind == MITM_HELLO ||
		m->kind == MITM_PROOF) {
		return 0;
	}
	return keep(r, m, e);
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, AES_BLOCK);
}

/* How many blocks are like another one. Sorts them. */
static size_t count_equal(uint8_t *p, size_t n)
{
	size_t equal = 0;

	qsort(p, n, AES_BLOCK, by_bytes);
	for (size_t i = 1; i < n; i++) {
		equal += memcmp(p + (i - 1) * AES_BLOCK, p + i * AES_BLOCK, AES_BLOCK) == 0 ? 1 : 0;
	}
	return equal;
}

void mitm_compare_blocks(struct relay *r)
{
	struct buf all = {0};
	size_t equal, n;

	/* one key for both directions: a client's OK and its like are compared, too */
	if (buf_append(&all, r->mine->kept[0].p, r->mine->kept[0].n / AES_BLOCK * AES_BLOCK) != 0 ||
		buf_append(&all, r->mine->kept[1].p, r->mine->kept[1].n / AES_BLOCK * AES_BLOCK) !=
			0 ||
		all.n == 0) {
		buf_free(&all);
		return;
	}
	n = all.n / AES_BLOCK;
	equal = count_equal(all.p, n);
	relay_result(r, equal > 0,
		equal > 0 ? "%zu of %zu blocks are like an earlier one"
			  : "%zu blocks are like another one, of %zu",
		equal, n);
	buf_free(&all);
}

/* --- stolen-key --- */

/* The session's key, under the client's: one of the stolen ones may open it. */
static void take_key(struct relay *r, const struct mitm_message *m)
{
	uint8_t block[RSA_BYTES_MAX];
	int n = -1;

	for (size_t i = 0; n <= 0 && i < r->m->stolen_n; i++) {
		const struct rsa_private *key = &r->m->stolen[i].rsa;
		if (m->bytes.n == key->public.n_len) {
			memcpy(block, m->bytes.p, m->bytes.n);
			n = rsa_oaep_decrypt(key, block);
		}
	}
	if (n > 0) {
		(void)buf_append(&r->mine->kept[MITM_SERVER], block, (size_t)n);
	}
	wipe(block, sizeof block);
}

/* An e-mail has gone by: with the session's key it opens. */
static void open_mail(struct relay *r)
{
	const struct buf *mail = &r->exchange.turn[r->exchange.turns - 1];
	struct buf text = {0};
	struct aes aes;
	size_t whole = mail->n / AES_BLOCK * AES_BLOCK;

	if (whole > 0 && buf_append(&text, mail->p, whole) == 0 &&
		aes_init(&aes, r->mine->kept[MITM_SERVER].p, r->mine->kept[MITM_SERVER].n) == 0) {
		aes_ecb_decrypt(&aes, text.p, whole);
		text.n -= aes_padding(text.p + whole - AES_BLOCK);
		r->mine->step++;
		relay_stole(r, &text, "was read with the stolen key");
		wipe(&aes, sizeof aes);
	}
	buf_free(&text);
}

/* The responder's state behind message 1, by the server's static key. 0 or -1. */
static int open_first(
	struct noise *noise, const struct x25519_pair *server, const struct buf *first)
{
	const struct noise_setup setup = {.pattern = ENHANCED_PATTERN,
		.prologue = ENHANCED_PREFACE,
		.prologue_n = ENHANCED_PREFACE_BYTES,
		.s = server};
	uint8_t payload[NOISE_MESSAGE_MAX];
	size_t n, skip = ENHANCED_PREFACE_BYTES + ENHANCED_LENGTH;
	struct err ignored;

	return first->n >= skip && noise_begin(noise, &setup, &ignored) == 0
		       ? noise_read(noise, first->p + skip, first->n - skip, payload, &n, &ignored)
		       : -1;
}

/* With both static keys and the recording all is known but `ee`, which takes an ephemeral private
 * key that nobody has kept. In its place: nothing, zeros, and each secret that can be computed.
 * Does message 2 open then? */
static bool open_second(struct relay *r, const struct noise *behind_first,
	const struct x25519_pair *server, const struct x25519_pair *client)
{
	enum { NOTHING, ZEROS, ES, SE, SS, GUESSES };
	const struct buf *second = &r->mine->kept[MITM_SERVER];
	uint8_t guess[GUESSES][X25519_BYTES] = {{0}};
	const uint8_t *e_server = second->p + ENHANCED_LENGTH;
	bool opened = false;
	struct err ignored;

	if (second->n != ENHANCED_LENGTH + ENHANCED_HELLO) {
		return false;
	}
	(void)x25519_shared(guess[ES], server->private, behind_first->remote_e);
	(void)x25519_shared(guess[SE], client->private, e_server);
	(void)x25519_shared(guess[SS], client->private, server->public);
	for (int i = NOTHING; i < GUESSES && !opened; i++) {
		struct noise noise = *behind_first;
		uint8_t tag[NOISE_TAG];
		size_t n = sizeof tag;
		memcpy(tag, e_server + X25519_BYTES, sizeof tag);
		noise_mix_hash(&noise, e_server, X25519_BYTES);
		if (i != NOTHING) {
			noise_mix_key(&noise, guess[i]);
		}
		opened = noise_decrypt_and_hash(&noise, tag, &n, &ignored) == 0;
		wipe(&noise, sizeof noise);
	}
	wipe(guess, sizeof guess);
	return opened;
}

static void try_enhanced(struct relay *r)
{
	bool first = false, second = false;

	for (size_t i = 0; i < r->m->stolen_n; i++) {
		const struct mitm_stolen *server = &r->m->stolen[i];
		struct noise noise;
		if (!server->has_x25519 ||
			open_first(&noise, &server->x25519, &r->mine->kept[MITM_CLIENT]) != 0) {
			continue;
		}
		first = true;
		for (size_t k = 0; k < r->m->stolen_n && !second; k++) {
			const struct mitm_stolen *client = &r->m->stolen[k];
			second = client->has_x25519 &&
				 open_second(r, &noise, &server->x25519, &client->x25519);
		}
		wipe(&noise, sizeof noise);
	}
	r->mine->step = 1;
	relay_result(r, second,
		second  ? "message 2 opens: nothing fresh is in the session's keys"
		: first ? "message 1 opens, which is empty; message 2 and all behind it does not"
			: "the stolen key opens nothing: it is not the server's");
}

int mitm_open_with_key(struct relay *r, struct mitm_message *m, struct err *e)
{
	(void)e;
	if (m->kind == MITM_KEY) {
		take_key(r, m);
	} else if (m->kind == MITM_MENU && r->exchange.has_mail &&
		   r->mine->kept[MITM_SERVER].n > 0) {
		open_mail(r);
	} else if (m->kind == MITM_HELLO) {
		return keep(r, m, e);
	} else if (m->kind == MITM_PROOF) {
		try_enhanced(r);
	}
	return 0;
}

void mitm_opened(struct relay *r)
{
	if (r->mine->step == 0 && r->wire != MITM_UNKNOWN) {
		relay_result(r, false, "the stolen key opens nothing of this session");
	}
}
