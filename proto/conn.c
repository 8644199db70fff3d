/* Sockets with deadlines; see conn.h. */
#include "conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "../crypto/bytes.h"
#include "conn_tls.h"

int64_t conn_now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A peer whose machine is gone is noticed after three minutes, whether it owes us bytes or not. */
static void keep_alive(int fd)
{
	const struct {
		int level, option, value;
	} options[] = {{SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_KEEPIDLE, CONN_KEEP_IDLE},
		{IPPROTO_TCP, TCP_KEEPINTVL, CONN_KEEP_EVERY},
		{IPPROTO_TCP, TCP_KEEPCNT, CONN_KEEP_TRIES},
		{IPPROTO_TCP, TCP_USER_TIMEOUT,
			1000 * (CONN_KEEP_IDLE + CONN_KEEP_EVERY * CONN_KEEP_TRIES)}};

	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		(void)setsockopt(fd, options[i].level, options[i].option, &options[i].value,
			sizeof options[i].value);
	}
}

void conn_init(struct conn *c, int fd)
{
	int on = 1, flags = fcntl(fd, F_GETFL);

	*c = (struct conn){.fd = fd, .stop_fd = -1, .recv = recv, .send = send};
	/* hints to the kernel: a connection without them still works */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	keep_alive(fd);
	(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

void conn_be_patient(const struct conn *c)
{
	unsigned none = 0;

	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &none, sizeof none);
}

void conn_close(struct conn *c)
{
	if (c->tls != NULL) {
		conn_tls_free(c);
	}
	if (c->fd >= 0) {
		(void)close(c->fd);
	}
	c->fd = -1;
}

void conn_set_proven(const struct conn *c, const struct presence_who *who)
{
	if (c->presence != NULL) {
		presence_enter(c->presence, c->slot, who);
	}
}

void conn_deadline(struct conn *c, int64_t ms)
{
	c->deadline_ms = ms == 0 ? 0 : conn_now_ms() + ms;
}

/* How long poll may wait: to the deadline or for the quiet time, whichever is first. -1: for ever.
 */
static int wait_ms(const struct conn *c, int64_t quiet_ms, bool *quiet_first)
{
	int64_t left = c->deadline_ms - conn_now_ms();

	*quiet_first = quiet_ms > 0 && (c->deadline_ms == 0 || quiet_ms < left);
	if (*quiet_first) {
		left = quiet_ms;
	} else if (c->deadline_ms == 0) {
		return -1;
	}
	return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

/* Looked at before every transfer: a peer who always has one more byte is timed out, too. */
static int check_deadline(const struct conn *c, struct err *e)
{
	if (c->deadline_ms != 0 && conn_now_ms() > c->deadline_ms) {
		return err_set(e, EX_TEMPFAIL, "the peer took too long");
	}
	return 0;
}

static volatile sig_atomic_t woken;
static sigset_t waiting; /* the signal mask of a wait, */
static bool catches;     /* where wakes are caught */

static void on_wake(int number)
{
	(void)number;
	woken = 1;
}

void conn_catch_wake(void)
{
	struct sigaction sa = {.sa_handler = on_wake};
	sigset_t wake;

	(void)sigemptyset(&wake);
	(void)sigaddset(&wake, SIGUSR1);
	/* but for the moments of waiting, in poll_once */
	(void)sigprocmask(SIG_BLOCK, &wake, &waiting);
	(void)sigdelset(&waiting, SIGUSR1);
	(void)sigaction(SIGUSR1, &sa, NULL);
	catches = true;
}

/* poll, in which alone a wake can arrive: none comes between a look at `woken` and the wait. */
static int poll_once(struct pollfd *p, nfds_t n, int ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	return ppoll(p, n, ms < 0 ? NULL : &t, catches ? &waiting : NULL);
}

/* 1 ready, 0 quiet, 2 woken, -1. */
static int wait_once(const struct conn *c, short events, int ms, struct err *e)
{
	struct pollfd p[2] = {
		{.fd = c->fd, .events = events}, {.fd = c->stop_fd, .events = POLLIN}};
	int rc = poll_once(p, 2, ms);

	if (woken != 0) {
		woken = 0;
		return 2;
	}
	if (rc < 0) {
		return errno == EINTR ? 2 : err_sys(e, EX_TEMPFAIL, "cannot wait for the peer");
	}
	if (rc > 0 && p[1].revents != 0) {
		return err_set(e, EX_TEMPFAIL, "the server is stopping");
	}
	return rc;
}

/* 1 ready, 0 quiet, -1. */
static int wait_for(const struct conn *c, short events, int64_t quiet_ms, struct err *e)
{
	bool quiet_first;
	int rc, ms;

	for (;;) {
		ms = wait_ms(c, quiet_ms, &quiet_first);
		rc = wait_once(c, events, ms, e);
		if (rc == 0 && !quiet_first) {
			return err_set(e, EX_TEMPFAIL, "the peer took too long");
		}
		if (rc < 2) {
			return rc;
		}
		if (c->woken != NULL && c->woken(c->woken_arg, e) != 0) {
			return -1;
		}
	}
}

enum conn_got conn_wait(struct conn *c, int64_t ms, struct err *e)
{
	if (c->tls != NULL && conn_tls_has_text(c)) {
		return CONN_DATA;
	}
	switch (wait_once(c, POLLIN, ms == 0 ? -1 : ms > INT32_MAX ? INT32_MAX : (int)ms, e)) {
	case 0:
		return CONN_QUIET;
	case 1:
		return CONN_DATA;
	case 2:
		return CONN_WOKEN;
	default:
		return CONN_FAILED;
	}
}

bool conn_is_stopping(const struct conn *c)
{
	struct pollfd p = {.fd = c->stop_fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

void conn_unread(struct conn *c, const void *p, size_t n)
{
	memcpy(c->unread, p, n);
	c->unread_n = n;
}

/* What was given back comes first. */
static size_t take_unread(struct conn *c, void *p, size_t n)
{
	size_t k = n < c->unread_n ? n : c->unread_n;

	memcpy(p, c->unread, k);
	c->unread_n -= k;
	memmove(c->unread, c->unread + k, c->unread_n);
	return k;
}

enum conn_got conn_plain_read(
	struct conn *c, void *p, size_t n, int64_t quiet_ms, size_t *got, struct err *e)
{
	*got = 0;
	for (;;) {
		if (check_deadline(c, e) != 0) {
			return CONN_FAILED;
		}
		ssize_t k = c->recv(c->fd, p, n, 0);
		if (k > 0) {
			*got = (size_t)k;
			c->in += (uint64_t)k;
			return CONN_DATA;
		}
		if (k == 0) {
			return CONN_EOF;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK) {
			int ready = wait_for(c, POLLIN, quiet_ms, e);
			if (ready <= 0) {
				return ready == 0 ? CONN_QUIET : CONN_FAILED;
			}
		} else if (errno != EINTR) {
			err_sys(e, EX_TEMPFAIL, "cannot read from the peer");
			return CONN_FAILED;
		}
	}
}

enum conn_got conn_read(
	struct conn *c, void *p, size_t n, int64_t quiet_ms, size_t *got, struct err *e)
{
	*got = take_unread(c, p, n);
	if (*got > 0) {
		return CONN_DATA;
	}
	return c->tls == NULL ? conn_plain_read(c, p, n, quiet_ms, got, e)
			      : conn_tls_read(c, p, n, quiet_ms, got, e);
}

enum conn_got conn_read_exact(struct conn *c, void *p, size_t n, size_t *got, struct err *e)
{
	enum conn_got how = CONN_DATA;
	size_t k;

	for (*got = 0; *got < n && how == CONN_DATA; *got += k) {
		how = conn_read(c, (uint8_t *)p + *got, n - *got, 0, &k, e);
	}
	return how;
}

int conn_plain_write(struct conn *c, const void *p, size_t n, struct err *e)
{
	const uint8_t *s = p;

	while (n > 0) {
		if (check_deadline(c, e) != 0) {
			return -1;
		}
		ssize_t k = c->send(c->fd, s, n, MSG_NOSIGNAL);
		if (k >= 0) {
			s += k;
			n -= (size_t)k;
			c->out += (uint64_t)k;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if (wait_for(c, POLLOUT, 0, e) < 0) {
				return -1;
			}
		} else if (errno != EINTR) {
			return err_sys(e, EX_TEMPFAIL, "cannot write to the peer");
		}
	}
	return 0;
}

int conn_write(struct conn *c, const void *p, size_t n, struct err *e)
{
	return c->tls == NULL ? conn_plain_write(c, p, n, e) : conn_tls_write(c, p, n, e);
}

void conn_finish(struct conn *c)
{
	uint8_t rest[16384];
	size_t got, all = 0;

	c->woken = NULL; /* nothing that comes now is of any account */
	conn_deadline(c, CONN_FINISH_MS);
	if (c->tls != NULL) {
		conn_tls_say_end(c);
	}
	if (shutdown(c->fd, SHUT_WR) == 0) {
		while (all < CONN_FINISH_BYTES &&
			conn_plain_read(c, rest, sizeof rest, 0, &got, NULL) == CONN_DATA) {
			all += got;
		}
	}
}

/* --- names and addresses --- */

static int bad_address(const char *text, struct err *e)
{
	return err_set(e, EX_USAGE, "\"%.80s\" is no HOST[:PORT], with a port of 0 to 65535", text);
}

int conn_split(
	const char *text, char host[static CONN_HOST_MAX], char port[static 8], struct err *e)
{
	return conn_split_port(text, CONN_DEFAULT_PORT, host, port, e);
}

int conn_split_port(const char *text, const char *otherwise, char host[static CONN_HOST_MAX],
	char port[static 8], struct err *e)
{
	const char *colon = strrchr(text, ':'), *host_end;
	bool v6 = text[0] == '[';
	uint64_t number;

	if (v6) {
		host_end = strchr(++text, ']');
		colon = host_end != NULL && host_end[1] == ':' ? host_end + 1 : NULL;
		if (host_end == NULL || (colon == NULL && host_end[1] != '\0')) {
			return bad_address(text - 1, e);
		}
	} else {
		if (colon != NULL && strchr(text, ':') != colon) {
			colon = NULL; /* several colons: an IPv6 address alone */
		}
		host_end = colon == NULL ? text + strlen(text) : colon;
	}
	size_t n = (size_t)(host_end - text);
	if (n == 0 || n >= CONN_HOST_MAX || has_control(text, n)) {
		return bad_address(text, e);
	}
	if (colon != NULL && parse_decimal(colon + 1, strlen(colon + 1), 65535, &number) != 0) {
		return bad_address(text, e);
	}
	memcpy(host, text, n);
	host[n] = '\0';
	(void)snprintf(port, 8, "%s", colon == NULL ? otherwise : colon + 1);
	return 0;
}

/* Connect without blocking for longer than CONN_CONNECT_MS. 0, or -1 with errno. */
static int connect_one(int fd, const struct addrinfo *a)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t n = sizeof error;

	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0) {
		return 0;
	}
	if (errno != EINPROGRESS) {
		return -1;
	}
	int rc = poll(&p, 1, CONN_CONNECT_MS);
	if (rc <= 0) {
		errno = rc == 0 ? ETIMEDOUT : errno;
		return -1;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error != 0) {
		errno = error;
	}
	return error == 0 ? 0 : -1;
}

int conn_dial(struct conn *c, const char *host, const char *port, struct err *e)
{
	struct addrinfo want = {.ai_socktype = SOCK_STREAM}, *all, *a;
	int fd = -1, rc = getaddrinfo(host, port, &want, &all);

	*c = (struct conn){.fd = -1, .stop_fd = -1}; /* whatever comes, it can be closed */
	if (rc != 0) {
		return err_set(e, EX_UNAVAILABLE, "cannot resolve %s: %s", host, gai_strerror(rc));
	}
	for (a = all; a != NULL; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd >= 0 && connect_one(fd, a) == 0) {
			break;
		}
		err_sys(e, EX_UNAVAILABLE, "cannot connect to %s port %s", host, port);
		if (fd >= 0) {
			(void)close(fd);
		}
		fd = -1;
	}
	freeaddrinfo(all);
	if (fd < 0) {
		return -1;
	}
	conn_init(c, fd);
	return 0;
}

void conn_address(const struct sockaddr_storage *sa, char out[static CONN_ADDRESS_MAX])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
	char host[INET6_ADDRSTRLEN];
	bool is_v6 = sa->ss_family == AF_INET6;
	const void *address = is_v6 ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr;

	if (inet_ntop(sa->ss_family, address, host, sizeof host) == NULL) {
		(void)snprintf(out, CONN_ADDRESS_MAX, "unknown");
		return;
	}
	(void)snprintf(out, CONN_ADDRESS_MAX, is_v6 ? "[%.45s]:%u" : "%.45s:%u", host,
		(unsigned)ntohs(is_v6 ? v6->sin6_port : v4->sin_port));
}
