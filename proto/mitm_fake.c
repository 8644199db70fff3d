/* Attacks that play the server: with a key of the attacker's own, with words in the clear, with the
 * client's own key, with a point of low order. */
#include "../crypto/random.h"
#include "classic.h"
#include "enhanced.h"
#include "mitm_relay.h"

int mitm_play_server(struct relay *r, struct err *e)
{
	(void)e;
	r->alone = true;
	return 0;
}

/* --- impersonate, enhanced; the classic one is mitm_fake_classic.c --- */

/* In message 2 the place of the server's ephemeral key and of its proof. */
static int say_second(struct relay *r, const uint8_t *e_public, const char *what, struct err *e)
{
	uint8_t bytes[ENHANCED_LENGTH + ENHANCED_HELLO] = {0, ENHANCED_HELLO};

	memcpy(bytes + ENHANCED_LENGTH, e_public, X25519_BYTES);
	if (random_bytes(bytes + ENHANCED_LENGTH + X25519_BYTES, NOISE_TAG, e) != 0) {
		return -1;
	}
	return relay_say(r, MITM_CLIENT, bytes, sizeof bytes, what, e) == 0 ? 1 : -1;
}

/* Whatever comes behind message 2 would be the client's word that it believes it. */
static int judge_third(struct relay *r, const struct mitm_message *m)
{
	if (m->from == MITM_CLIENT) {
		relay_result(r, true,
			"the client went on, with %zu bytes, to who does not have the server's key",
			m->bytes.n);
	}
	return 1;
}

static int fake_enhanced(struct relay *r, const struct mitm_message *m, struct err *e)
{
	struct x25519_pair own, fresh;
	const struct noise_setup setup = {.pattern = ENHANCED_PATTERN,
		.prologue = ENHANCED_PREFACE,
		.prologue_n = ENHANCED_PREFACE_BYTES,
		.s = &own};
	uint8_t payload[ENHANCED_HELLO];
	size_t n, skip = ENHANCED_PREFACE_BYTES + ENHANCED_LENGTH;
	struct noise noise;
	struct err why;

	if (x25519_generate(&own, e) != 0 || x25519_generate(&fresh, e) != 0) {
		return -1;
	}
	if (m->bytes.n == skip + ENHANCED_HELLO && noise_begin(&noise, &setup, e) == 0) {
		bool fits = noise_read(&noise, m->bytes.p + skip, ENHANCED_HELLO, payload, &n,
				    &why) == 0;
		relay_result(r, fits, "message 1 %s for the attacker's key",
			fits ? "is" : "was not made");
		wipe(&noise, sizeof noise);
	}
	return say_second(r, fresh.public, "a fresh public key, and a proof that is none", e);
}

int mitm_impersonate(struct relay *r, struct mitm_message *m, struct err *e)
{
	if (m->kind == MITM_LOGIN) {
		return mitm_fake_classic(r, e);
	}
	return m->kind == MITM_HELLO ? fake_enhanced(r, m, e) : judge_third(r, m);
}

/* --- inject-invalid --- */

int mitm_inject_invalid(struct relay *r, struct mitm_message *m, struct err *e)
{
	if (m->kind != MITM_LOGIN && m->kind != MITM_HELLO) {
		return judge_third(r, m);
	}
	relay_did(r, "the client was told that its login is wrong");
	relay_end(r);
	return relay_say(r, MITM_CLIENT, CLASSIC_INVALID, strlen(CLASSIC_INVALID),
		       "in the clear: " CLASSIC_INVALID, e) == 0
		       ? 1
		       : -1;
}

/* --- downgrade --- */

/* The enhanced handshake goes wrong; does the client come back with the classic login? */
int mitm_downgrade(struct relay *r, struct mitm_message *m, struct err *e)
{
	struct mitm_shared *s = r->m->shared;

	(void)e;
	if (m->kind == MITM_LOGIN) {
		bool after = __atomic_exchange_n(&s->classic_seen, true, __ATOMIC_ACQ_REL);
		relay_result(r, s->hello_seen,
			s->hello_seen ? "the client fell back to the classic protocol"
				      : "a classic login: there is nothing below it to fall to%s",
			after ? " (again)" : "");
	} else {
		__atomic_store_n(&s->hello_seen, true, __ATOMIC_RELEASE);
		relay_result(r, false, "the handshake was broken off; no classic byte has come");
	}
	relay_end(r);
	return 1;
}

/* --- reflect, low-order: keys that are none --- */

/* A classic client is left alone: it agrees on no key that could be attacked. */
static int no_agreement(struct relay *r)
{
	relay_result(r, false, "a classic login: no key is agreed on");
	relay_end(r);
	return 1;
}

int mitm_reflect(struct relay *r, struct mitm_message *m, struct err *e)
{
	const uint8_t *own = m->bytes.p + ENHANCED_PREFACE_BYTES;

	if (m->kind != MITM_HELLO || m->bytes.n <= ENHANCED_PREFACE_BYTES) {
		return r->wire == MITM_IS_ENHANCED ? judge_third(r, m) : no_agreement(r);
	}
	relay_did(r, "the client's own message 1 was the answer to it");
	return relay_say(r, MITM_CLIENT, own, m->bytes.n - ENHANCED_PREFACE_BYTES,
		       "the client's own message 1", e) == 0
		       ? 1
		       : -1;
}

int mitm_low_order(struct relay *r, struct mitm_message *m, struct err *e)
{
	size_t n = 0;

	if (m->kind != MITM_HELLO) {
		return r->wire == MITM_IS_ENHANCED ? judge_third(r, m) : no_agreement(r);
	}
	while (mitm_low_order_point(n) != NULL) {
		n++;
	}
	return say_second(
		r, mitm_low_order_point((r->connection - 1) % n), "a public key of low order", e);
}
