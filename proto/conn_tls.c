/* Records between the engine and the socket; see conn_tls.h. The engine does no I/O, so that each
 * function here first sends what the engine has for the peer, then gives it what came. */
#include "conn_tls.h"

#include "../crypto/bytes.h"

/* Send what the engine has ready. */
static int send_records(struct conn *c, struct err *e)
{
	const uint8_t *p;
	size_t n;

	while ((p = tls_out(c->tls, &n)) != NULL) {
		if (c->tls_broken) {
			return err_set(e, EX_TEMPFAIL, "half a record of TLS was sent");
		}
		if (conn_plain_write(c, p, n, e) != 0) {
			c->tls_broken = true; /* a part of it may be on its way: not again */
			return -1;
		}
		tls_out_done(c->tls, n);
	}
	return 0;
}

/* The engine takes nothing. What was just sent may have ended it, for which the caller looks; an
 * engine that is open always takes something. */
static enum conn_got stands_still(const struct conn *c, struct err *e)
{
	if (tls_state(c->tls) != TLS_OPEN) {
		return CONN_DATA;
	}
	err_set(e, EX_SOFTWARE, "TLS stands still");
	return CONN_FAILED;
}

/* Give the engine some bytes of the peer, once what it has to say is sent. CONN_DATA, or what
 * conn_read would return; CONN_EOF is the socket's. */
static enum conn_got move(struct conn *c, int64_t quiet_ms, struct err *e)
{
	enum conn_got how;
	uint8_t *room;
	size_t n, got;

	if (send_records(c, e) != 0) {
		return CONN_FAILED;
	}
	room = tls_in(c->tls, &n);
	if (room == NULL) {
		return stands_still(c, e);
	}
	how = conn_plain_read(c, room, n, quiet_ms, &got, e);
	if (how == CONN_DATA) {
		tls_in_done(c->tls, got);
	}
	return how;
}

static enum conn_got cut_short(struct err *e)
{
	err_set(e, EX_PROTOCOL,
		"the connection ended without the end of TLS (close_notify): something may be "
		"missing");
	return CONN_FAILED;
}

/* What conn_read returns where there is no text, and none will come. */
static enum conn_got ended(const struct conn *c, struct err *e)
{
	if (tls_state(c->tls) == TLS_CLOSED) {
		return CONN_EOF;
	}
	tls_failure(c->tls, e);
	return CONN_FAILED;
}

enum conn_got conn_tls_read(
	struct conn *c, void *p, size_t n, int64_t quiet_ms, size_t *got, struct err *e)
{
	enum conn_got how = CONN_DATA;
	const uint8_t *text;
	size_t k;

	*got = 0;
	while (how == CONN_DATA) {
		text = tls_text(c->tls, &k);
		if (text != NULL) {
			*got = k < n ? k : n;
			memcpy(p, text, *got);
			tls_text_done(c->tls, *got);
			return CONN_DATA;
		}
		if (tls_state(c->tls) != TLS_OPEN) {
			return ended(c, e);
		}
		how = move(c, quiet_ms, e);
	}
	return how == CONN_EOF ? cut_short(e) : how;
}

int conn_tls_write(struct conn *c, const void *p, size_t n, struct err *e)
{
	const uint8_t *s = p;
	uint8_t *room;
	size_t k;

	while (n > 0) {
		if (send_records(c, e) != 0) { /* an answer to the peer's end may be waiting */
			return -1;
		}
		room = tls_room(c->tls, &k);
		if (room == NULL) {
			return tls_state(c->tls) == TLS_FAILED
				       ? tls_failure(c->tls, e)
				       : err_set(e, EX_TEMPFAIL, "the peer has closed TLS");
		}
		k = k < n ? k : n;
		memcpy(room, s, k);
		tls_room_done(c->tls, k);
		s += k;
		n -= k;
		tls_flush(c->tls);
	}
	return send_records(c, e);
}

bool conn_tls_has_text(const struct conn *c)
{
	size_t n;

	return tls_text(c->tls, &n) != NULL || tls_state(c->tls) != TLS_OPEN;
}

void conn_tls_say_end(struct conn *c)
{
	if (tls_is_ready(c->tls)) {
		tls_close(c->tls);
		(void)send_records(c, NULL);
	}
}

void conn_tls_free(struct conn *c)
{
	tls_free(c->tls);
	c->tls = NULL;
}

/* --- handshakes --- */

/* The server's last message is sent, and not answered: whether the handshake is done is looked at
 * between sending and reading. */
static int shake_hands(struct conn *c, struct err *e)
{
	enum conn_got how = CONN_DATA;

	while (how == CONN_DATA) {
		if (send_records(c, e) != 0) {
			return -1;
		}
		if (tls_is_ready(c->tls)) {
			return 0;
		}
		if (tls_state(c->tls) != TLS_OPEN) {
			return tls_state(c->tls) == TLS_FAILED
				       ? tls_failure(c->tls, e)
				       : err_set(e, EX_PROTOCOL, "the peer closed TLS");
		}
		how = move(c, 0, e);
	}
	return how == CONN_EOF ? err_set(e, EX_PROTOCOL, "the peer closed the connection") : -1;
}

/* The engine was made (or not, for which e has the reason). */
static int begin(struct conn *c, struct tls *t, struct err *e)
{
	c->tls = t;
	if (t == NULL || shake_hands(c, e) != 0) {
		return err_prefix(e, "the TLS handshake failed");
	}
	return 0;
}

static int check_clean(const struct conn *c, struct err *e)
{
	return c->unread_n == 0
		       ? 0
		       : err_set(e, EX_PROTOCOL, "the peer sent bytes ahead of the TLS handshake");
}

int conn_tls_accept(struct conn *c, const struct tls_identity *id, struct err *e)
{
	return check_clean(c, e) != 0 ? -1 : begin(c, tls_server(id, e), e);
}

int conn_tls_connect(struct conn *c, const struct conn_tls_check *check, struct err *e)
{
	return check_clean(c, e) != 0
		       ? -1
		       : begin(c, tls_client(check->trust, check->pin, check->host, e), e);
}

bool conn_is_tls(const struct conn *c)
{
	return c->tls != NULL;
}

void conn_tls_describe(const struct conn *c, char out[static TLS_SUITE_MAX])
{
	out[0] = '\0';
	if (c->tls != NULL) {
		tls_describe(c->tls, out);
	}
}
