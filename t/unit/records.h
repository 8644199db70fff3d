/* What the tests of sealed records share: two ends of a wire whose bytes stand in memory, where a
 * test cuts, flips and swaps them; reads and writes are as odd as can be. */
#ifndef T_RECORDS_H
#define T_RECORDS_H

#include "unit.h"

#include "../../proto/enhanced.h"

static struct err e;
static struct enhanced a, b; /* b seals, a opens; and back */
static struct conn a_conn, b_conn;
static struct buf wire; /* from b to a; what a writes is in `back` */
static struct buf back;
static size_t wire_at, back_at;
static unsigned turn;
static bool odd; /* short, interrupted and not ready, in turn; else as much as there is */

static inline size_t odd_size(size_t n)
{
	switch (turn % 7) {
	case 2:
		return 1;
	case 3:
		return n > 3 ? 3 : n;
	case 5:
		return n / 2 + 1 > n ? n : n / 2 + 1;
	default:
		return n > 5000 ? 5000 : n;
	}
}

/* An interruption or a peer who is not ready, for a change. */
static inline bool odd_turn(void)
{
	turn++;
	if (!odd || turn % 7 > 1) {
		return false;
	}
	errno = turn % 7 == 0 ? EINTR : EAGAIN;
	return true;
}

static inline ssize_t take_from(struct buf *from, size_t *at, void *p, size_t n)
{
	if (odd_turn()) {
		return -1;
	}
	n = odd && n > 0 ? odd_size(n) : n;
	n = n < from->n - *at ? n : from->n - *at;
	if (n > 0) {
		memcpy(p, from->p + *at, n);
		*at += n;
	}
	return (ssize_t)n; /* 0: the end */
}

static inline ssize_t put_into(struct buf *to, const void *p, size_t n)
{
	if (odd_turn()) {
		return -1;
	}
	n = odd ? odd_size(n) : n;
	assert_int_equal(buf_append(to, p, n), 0);
	return (ssize_t)n;
}

static inline ssize_t a_recv(int fd, void *p, size_t n, int flags)
{
	(void)fd;
	(void)flags;
	return take_from(&wire, &wire_at, p, n);
}

static inline ssize_t b_recv(int fd, void *p, size_t n, int flags)
{
	(void)fd;
	(void)flags;
	return take_from(&back, &back_at, p, n);
}

static inline ssize_t a_send(int fd, const void *p, size_t n, int flags)
{
	(void)fd;
	(void)flags;
	return put_into(&back, p, n);
}

static inline ssize_t b_send(int fd, const void *p, size_t n, int flags)
{
	(void)fd;
	(void)flags;
	return put_into(&wire, p, n);
}

static inline void set_key(struct noise_cipher *c, uint8_t value)
{
	uint8_t key[GCM_KEY];

	memset(key, value, sizeof key);
	*c = (struct noise_cipher){.has_key = true};
	gcm_init(&c->gcm, key);
}

/* Both ends anew, at record 0, with nothing on the wire. */
static inline void begin_anew(void)
{
	enhanced_init(&a, &a_conn);
	enhanced_init(&b, &b_conn);
	set_key(&a.tx, 1);
	set_key(&b.rx, 1);
	set_key(&a.rx, 2);
	set_key(&b.tx, 2);
	wire.n = back.n = wire_at = back_at = 0;
}

static inline int open_wire(void **state)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC); /* always ready, for poll */

	(void)state;
	a_conn = b_conn = (struct conn){.fd = fd, .stop_fd = -1};
	a_conn.recv = a_recv;
	a_conn.send = a_send;
	b_conn.recv = b_recv;
	b_conn.send = b_send;
	a.trace = b.trace = NULL;
	odd = false;
	turn = 0;
	begin_anew();
	return fd < 0 ? -1 : 0;
}

static inline int close_wire(void **state)
{
	(void)state;
	(void)close(a_conn.fd);
	enhanced_wipe(&a);
	enhanced_wipe(&b);
	buf_free(&wire);
	buf_free(&back);
	return 0;
}

#define T_WIRE(title, function)                              \
	{                                                    \
		title, function, open_wire, close_wire, NULL \
	}

/* A record of these bytes, into the buffer. */
static inline int put_text(struct enhanced *w, const void *p, size_t n, struct err *why)
{
	uint8_t *room = enhanced_room(w, n, why);

	if (room == NULL) {
		return -1;
	}
	memcpy(room, p, n);
	return enhanced_put_room(w, n, "test", why);
}

/* b sends a record of these bytes. */
static inline void send_record(const void *p, size_t n)
{
	if (put_text(&b, p, n, &e) != 0 || enhanced_flush(&b, &e) != 0) {
		fail_msg("%zu bytes: %s", n, e.text);
	}
}

/* a's next record is these bytes. */
static inline void assert_record(const void *p, size_t n)
{
	uint8_t *got;
	size_t got_n;

	if (enhanced_get(&a, &got, &got_n, &e) != 0) {
		fail_msg("%zu bytes: %s", n, e.text);
	}
	assert_int_equal(got_n, n);
	assert_memory_equal(got, p, n);
}

/* a's next record is refused. */
static inline void assert_no_record(int code)
{
	uint8_t *got;
	size_t got_n;

	assert_refused(enhanced_get(&a, &got, &got_n, &e), e, code);
}

#endif
