/* The relay: between two sockets, one message after the other; see mitm.h and mitm_relay.h. */
#include "mitm_relay.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

#include "log.h"
#include "message.h"

enum {
	STRETCH_MS = 12,  /* of silence end what one side says at a stretch */
	IDLE_MS = 900000, /* then nobody is there any more: longer than the server waits */
	WRITE_MS = 30000,
	READ = 65536
};

const char *mitm_who_name(enum mitm_who who)
{
	static const char *const names[] = {"C", "S", "AC", "AS"};

	return names[who];
}

/* --- saying --- */

static void tell(
	const struct relay *r, enum mitm_who who, const void *p, size_t n, const char *what)
{
	const struct mitm_event event = {
		.connection = r->connection, .who = who, .p = p, .n = n, .what = what};

	if (r->m->ear.said != NULL) {
		r->m->ear.said(r->m->ear.arg, &event);
	}
}

/* On the wire of this side, by whoever stands at that end of it. */
static int capture(
	struct relay *r, enum mitm_side side, bool ours, const void *p, size_t n, struct err *e)
{
	/* clients have called us, and we have called the server */
	bool caller = side == MITM_CLIENT ? !ours : ours;

	return pcap_say(&r->talk[side], caller ? PCAP_CALLER : PCAP_CALLED, p, n, e);
}

static int put(struct relay *r, enum mitm_side to, const void *p, size_t n, struct err *e)
{
	struct conn *c = &r->conn[to];
	int64_t before = c->deadline_ms;
	int rc;

	if (c->fd < 0) {
		return 0;
	}
	conn_deadline(c, WRITE_MS);
	rc = conn_write(c, p, n, e);
	c->deadline_ms = before;
	if (rc != 0) {
		r->flow[to].ended = true; /* it has gone; what it said is still told */
		return 0;
	}
	return capture(r, to, true, p, n, e);
}

static int say(struct relay *r, enum mitm_side to, const void *p, size_t n, const char *what,
	struct err *e)
{
	tell(r, to == MITM_SERVER ? MITM_AC : MITM_AS, p, n, what);
	return put(r, to, p, n, e);
}

int relay_say(struct relay *r, enum mitm_side to, const void *p, size_t n, const char *what,
	struct err *e)
{
	if (to == MITM_CLIENT) { /* for the client this was the server */
		r->last = MITM_SERVER;
		r->last_kind = MITM_OTHER;
	}
	return say(r, to, p, n, what, e);
}

int relay_pass(struct relay *r, const struct mitm_message *m, struct err *e)
{
	enum mitm_side to = m->from == MITM_CLIENT ? MITM_SERVER : MITM_CLIENT;

	return r->m->verbose ? say(r, to, m->bytes.p, m->bytes.n, "the same, passed on", e)
			     : put(r, to, m->bytes.p, m->bytes.n, e);
}

void relay_hang_up(struct relay *r, enum mitm_side to)
{
	if (r->conn[to].fd >= 0 && !r->hung_up[to]) {
		r->hung_up[to] = true;
		(void)shutdown(r->conn[to].fd, SHUT_WR);
		(void)pcap_end(&r->talk[to], to == MITM_SERVER ? PCAP_CALLER : PCAP_CALLED, NULL);
	}
}

void relay_end(struct relay *r)
{
	r->over = true;
}

void relay_result(struct relay *r, bool won, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (r->m->ear.result != NULL) {
		r->m->ear.result(r->m->ear.arg, r->connection, r->attack->name, won, text);
	}
}

void relay_did(struct relay *r, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (r->m->ear.did != NULL) {
		r->m->ear.did(r->m->ear.arg, r->connection, r->attack->name, text);
	}
}

void relay_stole_from(struct relay *r, const char *from, const char *title, const struct buf *mail,
	const char *what)
{
	const struct mitm_loot loot = {
		.connection = r->connection, .from = from, .title = title, .text = mail};
	char shown[600], name[200];

	(void)escape_text(shown, sizeof shown, title, strlen(title), false);
	(void)escape_text(name, sizeof name, from, strlen(from), false);
	if (r->m->ear.stole != NULL) {
		r->m->ear.stole(r->m->ear.arg, &loot);
	}
	relay_result(r, true, "the e-mail \"%s\" from %s %s", shown, name, what);
}

void relay_stole(struct relay *r, const struct buf *mail, const char *what)
{
	struct message_head h;
	const char *why;
	char from[64], title[4 * MESSAGE_TITLE_CHARS + 1];

	if (message_parse(mail->p, mail->n, false, &h, &why) != 1 &&
		message_parse_loose(mail->p, mail->n, &h, &why) != 0) {
		return;
	}
	(void)snprintf(from, sizeof from, "%.*s", (int)h.from.n, (const char *)h.from.p);
	(void)snprintf(title, sizeof title, "%.*s", (int)h.title.n, (const char *)h.title.p);
	relay_stole_from(r, from, title, mail, what);
}

/* --- hearing --- */

/* Take what has arrived from a side. 0, or -1 (no memory). */
static int take(struct relay *r, enum mitm_side from, struct err *e)
{
	struct mitm_flow *f = &r->flow[from];
	ssize_t n;

	if (buf_reserve(&f->in, READ) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	do {
		n = recv(r->conn[from].fd, f->in.p + f->in.n, READ, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		return 0;
	}
	if (n <= 0) { /* a reset is an end, too */
		f->ended = true;
		return 0;
	}
	(void)capture(r, from, false, f->in.p + f->in.n, (size_t)n, e);
	f->in.n += (size_t)n;
	return 0;
}

/* The first n bytes of what a side said become a message. */
static int make_message(
	struct relay *r, enum mitm_side from, size_t n, struct mitm_message *m, struct err *e)
{
	struct mitm_flow *f = &r->flow[from];

	m->bytes.n = 0;
	if (buf_append(&m->bytes, f->in.p, n) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	memmove(f->in.p, f->in.p + n, f->in.n - n);
	f->in.n -= n;
	m->from = from;
	m->number = ++f->messages;
	m->kind = mitm_look(r, from, &m->bytes);
	tell(r, from == MITM_CLIENT ? MITM_C : MITM_S, m->bytes.p, m->bytes.n, mitm_what(r, m));
	return 0;
}

/* Wait for these sides. 1 something came, 0 nothing did, or -1 (the relay stops). */
static int wait_for(struct relay *r, bool client, bool server, int ms, struct err *e)
{
	struct pollfd p[3] = {
		{.fd = client && !r->flow[MITM_CLIENT].ended ? r->conn[MITM_CLIENT].fd : -1,
			.events = POLLIN},
		{.fd = server && !r->flow[MITM_SERVER].ended ? r->conn[MITM_SERVER].fd : -1,
			.events = POLLIN},
		{.fd = r->conn[MITM_CLIENT].stop_fd, .events = POLLIN}};
	int rc;

	do {
		rc = poll(p, 3, ms);
	} while (rc < 0 && errno == EINTR);
	if (rc > 0 && p[2].revents != 0) {
		return err_set(e, EX_TEMPFAIL, "the relay is stopping");
	}
	for (int side = 0; rc > 0 && side < 2; side++) {
		if (p[side].revents != 0 && take(r, (enum mitm_side)side, e) != 0) {
			return -1;
		}
	}
	return rc > 0 ? 1 : 0;
}

int relay_hear(struct relay *r, enum mitm_side from, struct mitm_message *m, struct err *e)
{
	const struct mitm_flow *f = &r->flow[from];
	bool quiet = false;

	for (;;) {
		size_t n = mitm_cut(r, from, quiet);
		if (n > 0) {
			return make_message(r, from, n, m, e);
		}
		if (f->ended || r->conn[from].fd < 0) {
			return 1;
		}
		int rc = wait_for(r, from == MITM_CLIENT, from == MITM_SERVER,
			f->in.n > 0 ? STRETCH_MS : IDLE_MS, e);
		if (rc < 0) {
			return -1;
		}
		if (rc == 0 && f->in.n == 0) {
			return 1;
		}
		quiet = rc == 0;
	}
}

static struct relay *listening; /* one connection a process */

static ssize_t recv_and_tell(int fd, void *p, size_t n, int flags)
{
	ssize_t got = recv(fd, p, n, flags);

	if (got > 0) {
		(void)capture(listening, MITM_CLIENT, false, p, (size_t)got, NULL);
		tell(listening, MITM_C, p, (size_t)got, "a text that the attacker can read");
	}
	return got;
}

static ssize_t send_and_tell(int fd, const void *p, size_t n, int flags)
{
	ssize_t sent = send(fd, p, n, flags);

	if (sent > 0) {
		(void)capture(listening, MITM_CLIENT, true, p, (size_t)sent, NULL);
		tell(listening, MITM_AS, p, (size_t)sent, listening->saying);
	}
	return sent;
}

void relay_listen_in(struct relay *r)
{
	listening = r;
	r->conn[MITM_CLIENT].recv = recv_and_tell;
	r->conn[MITM_CLIENT].send = send_and_tell;
}

/* --- the session --- */

static void turn_to(struct relay *r, size_t i)
{
	r->attack = r->m->attacks[i];
	r->mine = &r->memory[i];
}

/* One message: the attacks have their turn, and then it goes on its way. */
static int handle(struct relay *r, enum mitm_side from, size_t n, struct err *e)
{
	struct mitm_message m = {0};
	int rc = make_message(r, from, n, &m, e);

	for (size_t i = 0; rc == 0 && i < r->m->attacks_n; i++) {
		turn_to(r, i);
		rc = r->attack->heard == NULL ? 0 : r->attack->heard(r, &m, e);
	}
	rc = rc == 0 ? relay_pass(r, &m, e) : rc;
	buf_free(&m.bytes);
	return rc < 0 ? -1 : 0;
}

/* All that is whole. quiet: nothing came for a while. */
static int handle_all(struct relay *r, bool quiet, struct err *e)
{
	for (int side = 0; side < 2; side++) {
		size_t n;
		while (!r->over && (n = mitm_cut(r, (enum mitm_side)side, quiet)) > 0) {
			if (handle(r, (enum mitm_side)side, n, e) != 0) {
				return -1;
			}
		}
	}
	return 0;
}

/* Who has ended is done with, when all that it said was handled. */
static void pass_ends(struct relay *r, bool told[static 2])
{
	for (int side = 0; side < 2; side++) {
		if (r->flow[side].ended && r->flow[side].in.n == 0 && !told[side]) {
			told[side] = true;
			(void)pcap_end(&r->talk[side],
				side == MITM_CLIENT ? PCAP_CALLER : PCAP_CALLED, NULL);
			relay_hang_up(r, side == MITM_CLIENT ? MITM_SERVER : MITM_CLIENT);
		}
	}
}

static int pump(struct relay *r, struct err *e)
{
	bool told[2] = {false, r->conn[MITM_SERVER].fd < 0};

	while (!r->over && !(told[0] && told[1])) {
		bool pending = r->flow[0].in.n > 0 || r->flow[1].in.n > 0;
		int rc = wait_for(r, true, true, pending ? STRETCH_MS : IDLE_MS, e);
		if (rc < 0 || handle_all(r, rc == 0, e) != 0) {
			return -1;
		}
		if (rc == 0 && !pending) {
			return err_set(
				e, EX_TEMPFAIL, "nobody said anything for %d s", IDLE_MS / 1000);
		}
		pass_ends(r, told);
	}
	return 0;
}

static int call_server(struct relay *r, struct err *e)
{
	struct conn *c = &r->conn[MITM_SERVER];

	if (r->alone) {
		return 0;
	}
	if (conn_dial(c, r->m->host, r->m->port, e) != 0) {
		return -1;
	}
	return pcap_begin(&r->talk[MITM_SERVER], r->m->capture, c->fd, false, e);
}

static void free_relay(struct relay *r)
{
	for (int side = 0; side < 2; side++) {
		if (!r->hung_up[side]) { /* we end it */
			relay_hang_up(r, (enum mitm_side)side);
		}
		conn_close(&r->conn[side]);
		buf_free(&r->flow[side].in);
	}
	buf_free(&r->menu);
	mitm_exchange_free(&r->exchange);
	for (size_t i = 0; i < MITM_TOGETHER; i++) {
		buf_free(&r->memory[i].kept[0]);
		buf_free(&r->memory[i].kept[1]);
		mitm_exchange_free(&r->memory[i].held);
		mitm_smtp_heard_free(&r->memory[i].smtp);
	}
}

int relay_session(void *arg, struct conn *c)
{
	struct mitm *m = arg;
	struct relay r = {.m = m, .conn = {*c, {.fd = -1}}, .talk = {{.fd = -1}, {.fd = -1}}};
	const struct presence_who anybody = {0};
	struct err e = {0};
	int rc;

	conn_set_proven(c, &anybody); /* or it would be ended to make room for the next */
	r.connection = __atomic_add_fetch(&m->shared->connections, 1, __ATOMIC_RELAXED);
	rc = pcap_begin(&r.talk[MITM_CLIENT], m->capture, c->fd, true, &e);
	for (size_t i = 0; rc == 0 && i < m->attacks_n; i++) {
		turn_to(&r, i);
		rc = r.attack->begin == NULL ? 0 : r.attack->begin(&r, &e);
	}
	rc = rc == 0 ? call_server(&r, &e) : rc;
	rc = rc == 0 ? pump(&r, &e) : rc;
	for (size_t i = 0; i < m->attacks_n; i++) {
		turn_to(&r, i);
		if (r.attack->end != NULL && !conn_is_stopping(c)) {
			r.attack->end(&r);
		}
	}
	if (rc != 0) {
		log_err("relay", &e);
	}
	free_relay(&r);
	if (m->ear.ended != NULL) {
		m->ear.ended(m->ear.arg, r.connection);
	}
	return rc == 0 ? EX_OK : e.code;
}
