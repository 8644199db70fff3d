/* Attacks that play what was recorded: a login, to the server; a whole session, to a client. */
#include "classic.h"
#include "mitm_relay.h"

/* --- replay-login --- */

int mitm_record_login(struct relay *r, struct mitm_message *m, struct err *e)
{
	bool wanted = m->kind == MITM_LOGIN || m->kind == MITM_PROOF ||
		      (m->kind == MITM_HELLO && m->from == MITM_CLIENT);
	struct buf *to = &r->mine->kept[m->kind == MITM_PROOF ? 1 : 0];

	if (wanted && to->n == 0 && buf_append(to, m->bytes.p, m->bytes.n) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	return 0;
}

static void judge_login(struct relay *r, int rc, const struct mitm_message *m, size_t said)
{
	bool won = rc == 0 && (m->kind == MITM_KEY || m->kind == MITM_RECORD);

	if (won) {
		relay_result(r, true, "the recorded login opened a session: %zu bytes of answer",
			m->bytes.n);
	} else if (rc == 0) {
		relay_result(r, false, "the server refused it");
	} else {
		relay_result(r, false,
			"the server closed behind the %s recorded message, and said nothing",
			said == 1 ? "first" : "second");
	}
}

/* The victim has gone: as the client, to the server, once more. */
void mitm_replay_login(struct relay *r)
{
	struct relay again = {.m = r->m,
		.connection = r->connection,
		.wire = r->wire,
		.talk = {{.fd = -1}, {.fd = -1}},
		.conn = {{.fd = -1, .stop_fd = r->conn[MITM_CLIENT].stop_fd}, {.fd = -1}}};
	struct mitm_message m = {0};
	struct err e;
	size_t said = 0;
	int rc = -1;

	if (r->mine->kept[0].n > 0 &&
		conn_dial(&again.conn[MITM_SERVER], r->m->host, r->m->port, &e) == 0) {
		rc = 0;
	}
	for (; rc == 0 && said < 2 && r->mine->kept[said].n > 0; said++) {
		again.flow[MITM_CLIENT].messages++;
		rc = relay_say(&again, MITM_SERVER, r->mine->kept[said].p, r->mine->kept[said].n,
			said == 0 ? "the login, as it was recorded"
				  : "message 3, as it was recorded",
			&e);
		rc = rc == 0 ? relay_hear(&again, MITM_SERVER, &m, &e) : rc;
	}
	if (said > 0) {
		judge_login(r, rc, &m, said);
	}
	buf_free(&m.bytes);
	conn_close(&again.conn[MITM_SERVER]);
	buf_free(&again.flow[MITM_SERVER].in);
	buf_free(&again.menu);
}

/* --- replay-session --- */

/* The first session is relayed and recorded; later clients talk to the recording. Only one is
 * recorded at a time. */
int mitm_replay_begin(struct relay *r, struct err *e)
{
	struct mitm_shared *s = r->m->shared;
	unsigned none = 0;

	(void)e;
	r->alone = __atomic_load_n(&s->recorded, __ATOMIC_ACQUIRE);
	if (!r->alone) {
		(void)__atomic_compare_exchange_n(&s->recorder, &none, r->connection, false,
			__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
	}
	return 0;
}

static bool records(const struct relay *r)
{
	return __atomic_load_n(&r->m->shared->recorder, __ATOMIC_ACQUIRE) == r->connection;
}

static void record(struct mitm_shared *s, const struct mitm_message *m)
{
	uint8_t head[5] = {(uint8_t)m->from};

	put_u32le(head + 1, (uint32_t)m->bytes.n);
	if (sizeof s->bytes - s->n >= sizeof head + m->bytes.n) {
		memcpy(s->bytes + s->n, head, sizeof head);
		memcpy(s->bytes + s->n + sizeof head, m->bytes.p, m->bytes.n);
		s->n += sizeof head + m->bytes.n;
	}
}

/* All that the server said behind the client's turn'th message, up to its next. */
static int play(struct relay *r, unsigned turn, struct err *e)
{
	const struct mitm_shared *s = r->m->shared;
	struct cursor c = cursor_over(s->bytes, s->n);
	unsigned seen = 0;
	int rc = 0;

	while (rc == 0 && cursor_left(&c) > 0 && seen <= turn) {
		enum mitm_side from = (enum mitm_side)get_u8(&c);
		uint32_t n = get_u32le(&c);
		const uint8_t *p = get_bytes(&c, n);
		seen += from == MITM_CLIENT ? 1 : 0;
		if (p != NULL && from == MITM_SERVER && seen == turn) {
			rc = relay_say(r, MITM_CLIENT, p, n, "what the server said that time", e);
		}
	}
	return rc;
}

int mitm_replay_session(struct relay *r, struct mitm_message *m, struct err *e)
{
	if (r->alone) {
		return play(r, m->number, e) == 0 ? 1 : -1;
	}
	if (records(r)) {
		record(r->m->shared, m);
	}
	return 0;
}

/* A session without an e-mail, or a request, is worth nothing: the next one is recorded. */
static void end_recording(struct relay *r)
{
	struct mitm_shared *s = r->m->shared;
	bool logged_in = r->wire == MITM_IS_CLASSIC ? r->menu.n > 0 && r->exchange.turns > 0
						    : r->flow[MITM_SERVER].messages > 1;

	if (logged_in) {
		s->client_said = r->flow[MITM_CLIENT].messages;
		__atomic_store_n(&s->recorded, true, __ATOMIC_RELEASE);
	} else {
		s->n = 0;
		__atomic_store_n(&s->recorder, 0, __ATOMIC_RELEASE);
	}
}

void mitm_replay_end(struct relay *r)
{
	unsigned said = r->flow[MITM_CLIENT].messages;

	if (!r->alone) {
		if (records(r)) {
			end_recording(r);
		}
		return;
	}
	if (said >= r->m->shared->client_said) {
		relay_result(r, true,
			"the client took the recording for a server, and said %u messages", said);
	} else {
		relay_result(
			r, false, "the client hung up on the recording, after %u messages", said);
	}
}
