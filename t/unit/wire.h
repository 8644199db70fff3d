/* What the tests of the classic wire share: its two ends, and a poll that does not wait for
 * seconds. */
#ifndef T_WIRE_H
#define T_WIRE_H

#include "unit.h"

#include <poll.h>
#include <sys/syscall.h>

#include "../../proto/classic.h"

/* How long a peer is silent ahead of being called so: no process is awaited, or one that may stand
 * still for a while. */
enum { HURRY_MS = 60, PATIENT_MS = 500 };
static int hurry_ms = HURRY_MS;

/* The C library's ppoll, in a hurry: a peer's silence of seconds is told after hurry_ms. (The
 * fortified headers may call it by the second name.) */
static inline int hurry(struct pollfd *p, nfds_t n, const struct timespec *t)
{
	struct timespec soon = {.tv_nsec = hurry_ms * 1000000l};

	if (t == NULL) { /* for ever stays bounded: a test that hangs says nothing */
		soon = (struct timespec){.tv_sec = 20};
	} else if (t->tv_sec == 0 && t->tv_nsec < soon.tv_nsec) {
		soon = *t;
	}
	return (int)syscall(SYS_ppoll, p, n, &soon, NULL, 0);
}

int hurried_ppoll(struct pollfd *p, nfds_t n, const struct timespec *t,
	const sigset_t *mask) __asm__("ppoll");
int hurried_ppoll(struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *mask)
{
	(void)mask;
	return hurry(p, n, t);
}

int hurried_ppoll_chk(struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *mask,
	size_t size) __asm__("__ppoll_chk");
int hurried_ppoll_chk(
	struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *mask, size_t size)
{
	(void)mask;
	(void)size;
	return hurry(p, n, t);
}

static struct classic a, b; /* two ends of one connection */
static struct conn a_conn, b_conn;
static struct err e;
static const uint8_t key[CLASSIC_KEY] = {1, 2, 3, 4, 5};

static inline ssize_t one_byte(int fd, void *p, size_t n, int flags)
{
	return recv(fd, p, n > 1 ? 1 : n, flags);
}

static inline int open_pair(void **state)
{
	int pair[2], large = 1 << 20;

	(void)state;
	hurry_ms = HURRY_MS;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
		return -1;
	}
	conn_init(&a_conn, pair[0]);
	conn_init(&b_conn, pair[1]);
	(void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
	classic_init(&a, &a_conn, key);
	classic_init(&b, &b_conn, key);
	return 0;
}

static inline int close_pair(void **state)
{
	(void)state;
	conn_close(&a_conn);
	conn_close(&b_conn);
	return 0;
}

#define T_PAIR(title, function)                              \
	{                                                    \
		title, function, open_pair, close_pair, NULL \
	}

static inline int send_bytes(const void *p, size_t n)
{
	return classic_put(&b, p, n, &e) == 0 && classic_end(&b, &e) == 0 ? 0 : -1;
}

static inline void assert_receives(const void *p, size_t n)
{
	struct buf in = {0};

	if (classic_recv(&a, &in, CLASSIC_TEXT_MAX, CLASSIC_QUIET_MS, &e) != 0) {
		fail_msg("%zu bytes: %s", n, e.text);
	}
	assert_int_equal(in.n, n);
	assert_memory_equal(in.p, p, n);
	buf_free(&in);
}

/* The connection is still of use: the next text comes through. */
static inline void assert_next(void)
{
	assert_int_equal(classic_send(&b, "next", &e), 0);
	assert_receives("next", 4);
}

#endif
