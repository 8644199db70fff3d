/* Sockets with deadlines, by a pair of sockets and by injected reads and writes. */
#include "odd.h"

#include <netinet/in.h>

#include "../../proto/conn.h"

static struct conn c;
static int peer;
static struct err e;

static int open_pair(void **state)
{
	int pair[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
		return -1;
	}
	conn_init(&c, pair[0]);
	peer = pair[1];
	return 0;
}

static int close_pair(void **state)
{
	(void)state;
	conn_close(&c);
	if (peer >= 0) {
		(void)close(peer);
	}
	return 0;
}

#define T_PAIR(title, function)                              \
	{                                                    \
		title, function, open_pair, close_pair, NULL \
	}

static ssize_t reset_recv(int fd, void *p, size_t n, int flags)
{
	(void)fd;
	(void)p;
	(void)n;
	(void)flags;
	errno = ECONNRESET;
	return -1;
}

static ssize_t broken_send(int fd, const void *p, size_t n, int flags)
{
	(void)fd;
	(void)p;
	(void)n;
	assert_true((flags & MSG_NOSIGNAL) != 0);
	errno = EPIPE;
	return -1;
}

static void odd_both_ways(void **state)
{
	enum { PIECE = 50, ROUNDS = 40 }; /* little enough for the socket to hold in small pieces */
	uint8_t out[PIECE], in[PIECE];
	size_t got;

	(void)state;
	c.recv = odd_recv;
	c.send = odd_send;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		fill_pattern(out, PIECE, i);
		assert_int_equal(conn_write(&c, out, PIECE, &e), 0);
		assert_int_equal(recv(peer, in, PIECE, MSG_WAITALL), PIECE);
		assert_memory_equal(in, out, PIECE);
		memset(in, 0, PIECE);
		assert_int_equal(send(peer, out, PIECE, 0), PIECE);
		assert_int_equal(conn_read_exact(&c, in, PIECE, &got, &e), CONN_DATA);
		assert_int_equal(got, PIECE);
		assert_memory_equal(in, out, PIECE);
	}
	assert_int_equal(c.out, PIECE * ROUNDS);
	assert_int_equal(c.in, PIECE * ROUNDS);
}

static void ends(void **state)
{
	uint8_t in[10];
	size_t got;

	(void)state;
	assert_int_equal(
		conn_read_exact(&c, in, 0, &got, &e), CONN_DATA); /* nothing needs nothing */
	assert_int_equal(send(peer, "abc", 3, 0), 3);
	(void)close(peer);
	peer = -1;
	assert_int_equal(conn_read_exact(&c, in, sizeof in, &got, &e), CONN_EOF);
	assert_int_equal(got, 3);
	assert_memory_equal(in, "abc", 3);
	assert_int_equal(conn_read(&c, in, sizeof in, 0, &got, &e), CONN_EOF);
	assert_int_equal(got, 0);
}

static void failures(void **state)
{
	uint8_t in[10];
	size_t got;

	(void)state;
	c.recv = reset_recv;
	e.code = 0;
	assert_int_equal(conn_read(&c, in, sizeof in, 0, &got, &e), CONN_FAILED);
	assert_int_equal(e.code, EX_TEMPFAIL);
	assert_contains(e.text, "reset");
	c.send = broken_send;
	assert_refused(conn_write(&c, "x", 1, &e), e, EX_TEMPFAIL);
	assert_int_equal(conn_write(&c, "x", 0, &e), 0);
	assert_int_equal(c.out, 0);
}

/* How long a call took, in ms. */
static int64_t begun_at;
static void begin_clock(void)
{
	begun_at = conn_now_ms();
}
/* Whatever does not end by itself takes longer than any machine stands still. */
static void assert_took(int64_t least)
{
	enum { MOST = 60000 };
	int64_t ms = conn_now_ms() - begun_at;

	if (ms < least || ms > MOST) {
		fail_msg("%lld ms, not %lld to %d", (long long)ms, (long long)least, MOST);
	}
}

static void deadline_of_reads(void **state)
{
	uint8_t in[10];
	size_t got;

	(void)state;
	begin_clock();
	conn_deadline(&c, 80);
	assert_int_equal(conn_read(&c, in, sizeof in, 0, &got, &e), CONN_FAILED);
	assert_int_equal(e.code, EX_TEMPFAIL);
	assert_contains(e.text, "too long");
	assert_took(75);
	assert_int_equal(send(peer, "x", 1, 0), 1); /* who always has one more byte gains nothing */
	c.deadline_ms = conn_now_ms() - 1;
	assert_int_equal(conn_read(&c, in, sizeof in, 0, &got, &e), CONN_FAILED);
	assert_refused(conn_write(&c, "x", 1, &e), e, EX_TEMPFAIL);
	conn_deadline(&c, 0);
	assert_int_equal(c.deadline_ms, 0);
	assert_int_equal(conn_read(&c, in, sizeof in, 0, &got, &e), CONN_DATA);
}

static int drip(int i)
{
	(void)i;
	(void)close(c.fd);
	while (send(peer, "x", 1, MSG_NOSIGNAL) == 1) { /* until nobody listens */
		struct timespec t = {.tv_nsec = 20000000};
		(void)nanosleep(&t, NULL);
	}
	return 0;
}

static void deadline_is_absolute(void **state)
{
	static uint8_t in[1 << 20];
	size_t got;
	pid_t child;

	(void)state;
	assert_int_equal(send(peer, "x", 1, 0), 1);
	child = start_child(drip, 0);
	(void)close(peer);
	peer = -1;
	begin_clock();
	conn_deadline(&c, 150);
	assert_int_equal(conn_read_exact(&c, in, sizeof in, &got, &e), CONN_FAILED);
	assert_took(140);
	assert_true(got > 0);
	conn_close(&c);
	assert_int_equal(end_child(child), 0);
}

static void deadline_of_writes(void **state)
{
	static uint8_t large[8 << 20];

	(void)state;
	begin_clock();
	conn_deadline(&c, 80);
	assert_refused(conn_write(&c, large, sizeof large, &e), e, EX_TEMPFAIL); /* nobody reads */
	assert_took(75);
	assert_true(c.out < sizeof large);
}

static void quiet_times(void **state)
{
	uint8_t in[10];
	size_t got;

	(void)state;
	begin_clock();
	assert_int_equal(conn_read(&c, in, sizeof in, 50, &got, &e), CONN_QUIET);
	assert_took(45);
	conn_deadline(&c, 60000);
	assert_int_equal(conn_read(&c, in, sizeof in, 1, &got, &e), CONN_QUIET);
	conn_deadline(&c, 30);
	assert_int_equal(conn_read(&c, in, sizeof in, 60000, &got, &e),
		CONN_FAILED); /* the deadline first */
	conn_deadline(&c, 0);
	assert_int_equal(send(peer, "x", 1, 0), 1);
	assert_int_equal(conn_read(&c, in, sizeof in, 1, &got, &e), CONN_DATA);
}

static void stops(void **state)
{
	uint8_t in[10];
	size_t got;
	int stop[2];

	(void)state;
	assert_int_equal(pipe(stop), 0);
	c.stop_fd = stop[0];
	assert_int_equal(conn_read(&c, in, sizeof in, 20, &got, &e), CONN_QUIET);
	assert_int_equal(send(peer, "x", 1, 0), 1);
	assert_int_equal(write(stop[1], "s", 1), 1);
	assert_int_equal(
		conn_read(&c, in, sizeof in, 0, &got, &e), CONN_DATA); /* no wait: not yet */
	assert_int_equal(conn_read(&c, in, sizeof in, 0, &got, &e), CONN_FAILED);
	assert_contains(e.text, "stopping");
	assert_int_equal(read(stop[0], in, 1), 1);
	(void)close(stop[1]); /* hung up: the server is gone */
	assert_int_equal(conn_read(&c, in, sizeof in, 0, &got, &e), CONN_FAILED);
	(void)close(stop[0]);
}

static int read_all_then_close(int i)
{
	uint8_t in[100];
	ssize_t k, n = 0;

	(void)i;
	(void)close(c.fd);
	while ((k = recv(peer, in, sizeof in, 0)) > 0) {
		n += k;
	}
	return n == 5 ? 0 : 1;
}

static void finishes(void **state)
{
	(void)state;
	assert_int_equal(conn_write(&c, "12345", 5, &e), 0);
	pid_t child = start_child(read_all_then_close, 0);
	(void)close(peer);
	peer = -1;
	conn_finish(&c); /* ends as soon as the peer has closed */
	assert_int_equal(end_child(child), 0);
}

static void finish_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(send(peer, "unread", 6, 0), 6);
	begin_clock();
	conn_finish(&c); /* the peer never closes */
	assert_took(CONN_FINISH_MS - 10);
}

static ssize_t endless_recv(int fd, void *p, size_t n, int flags)
{
	(void)fd;
	(void)p;
	(void)flags;
	return (ssize_t)n;
}

static void finish_reads_little(void **state)
{
	(void)state;
	assert_int_equal(send(peer, "x", 1, 0), 1);
	c.recv = endless_recv;
	conn_finish(&c); /* the peer has more to say than anybody would listen to */
	assert_true(c.in >= CONN_FINISH_BYTES && c.in < 2 * CONN_FINISH_BYTES);
}

static void proven(void **state)
{
	const struct presence_who who = {.user = "client1"};
	struct presence p;

	(void)state;
	conn_set_proven(&c, &who); /* nobody looks */
	assert_int_equal(presence_open(&p, 2, &e), 0);
	c.presence = &p;
	c.slot = 1;
	conn_set_proven(&c, &who);
	assert_false(p.slots[0].proven);
	assert_true(p.slots[1].proven);
	assert_string_equal(p.slots[1].who.user, "client1");
	c.presence = NULL;
	presence_close(&p);
}

/* --- names --- */

static void splits(void **state)
{
	static const struct {
		const char *text, *host, *port; /* host NULL: refused */
	} rows[] = {
		{"localhost", "localhost", "13000"},
		{"localhost:1", "localhost", "1"},
		{"a.b.c:65535", "a.b.c", "65535"},
		{"127.0.0.1:0", "127.0.0.1", "0"},
		{"::1", "::1", "13000"},
		{"fe80::1%eth0", "fe80::1%eth0", "13000"},
		{"[::1]", "::1", "13000"},
		{"[::1]:25", "::1", "25"},
		{"[::]:0", "::", "0"},
		{"[localhost]:25", "localhost", "25"},
		{"", NULL, NULL},
		{":", NULL, NULL},
		{":13000", NULL, NULL},
		{"host:", NULL, NULL},
		{"host:65536", NULL, NULL},
		{"host:99999999999999999999", NULL, NULL},
		{"host:-1", NULL, NULL},
		{"host:+1", NULL, NULL},
		{"host:01", NULL, NULL},
		{"host:1a", NULL, NULL},
		{"host: 1", NULL, NULL},
		{"host:http", NULL, NULL},
		{"[]", NULL, NULL},
		{"[]:1", NULL, NULL},
		{"[::1", NULL, NULL},
		{"[::1]1", NULL, NULL},
		{"[::1]:", NULL, NULL},
		{"[::1]:65536", NULL, NULL},
		{"[", NULL, NULL},
		{"host\n:1", NULL, NULL},
		{"\x1b[31m", NULL, NULL},
	};
	char host[CONN_HOST_MAX], port[8];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (rows[i].host == NULL) {
			if (conn_split(rows[i].text, host, port, &e) != -1) {
				fail_msg("taken: %s as %s, %s", rows[i].text, host, port);
			}
			assert_int_equal(e.code, EX_USAGE);
		} else {
			assert_int_equal(conn_split(rows[i].text, host, port, &e), 0);
			assert_string_equal(host, rows[i].host);
			assert_string_equal(port, rows[i].port);
		}
	}
}

static void long_hosts(void **state)
{
	char text[CONN_HOST_MAX + 10], host[CONN_HOST_MAX], port[8];

	(void)state;
	memset(text, 'h', sizeof text);
	memcpy(text + CONN_HOST_MAX - 1, ":65535", 7);
	assert_int_equal(conn_split(text, host, port, &e), 0);
	assert_int_equal(strlen(host), CONN_HOST_MAX - 1);
	assert_string_equal(port, "65535");
	text[CONN_HOST_MAX - 1] = 'h';
	memcpy(text + CONN_HOST_MAX, ":65535", 7);
	assert_refused(conn_split(text, host, port, &e), e, EX_USAGE);
}

static void dials(void **state)
{
	struct sockaddr_storage sa = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&sa;
	socklen_t n = sizeof *v4;
	char text[CONN_ADDRESS_MAX], host[CONN_HOST_MAX], port[8];
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	v4->sin_family = AF_INET;
	v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, n), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &n), 0);
	conn_address(&sa, text);
	assert_int_equal(conn_split(text, host, port, &e), 0);
	assert_string_equal(host, "127.0.0.1");
	assert_refused(conn_dial(&c, host, port, &e), e, EX_UNAVAILABLE); /* bound, not listening */
	assert_contains(e.text, port);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(conn_dial(&c, host, port, &e), 0);
	int fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	assert_int_equal(conn_write(&c, "x", 1, &e), 0);
	assert_int_equal(recv(fd, text, sizeof text, 0), 1);
	conn_close(&c);
	assert_int_equal(c.fd, -1);
	conn_close(&c); /* twice is fine */
	(void)close(fd);
	(void)close(listener);
}

static void addresses(void **state)
{
	struct sockaddr_storage sa = {.ss_family = AF_INET6};
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&sa;
	char text[CONN_ADDRESS_MAX];

	(void)state;
	v6->sin6_port = htons(4711);
	v6->sin6_addr = in6addr_loopback;
	conn_address(&sa, text);
	assert_string_equal(text, "[::1]:4711");
	sa.ss_family = 0x7fff;
	conn_address(&sa, text);
	assert_string_equal(text, "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_PAIR("short reads and writes, EINTR and EAGAIN are invisible", odd_both_ways),
		T_PAIR("an end before the last byte is told, with what came before it", ends),
		T_PAIR("a reset and a broken pipe are worth trying again", failures),
		T_PAIR("a read ends at its deadline", deadline_of_reads),
		T_PAIR("a peer who drips gains no time", deadline_is_absolute),
		T_PAIR("a write that nobody reads ends at its deadline", deadline_of_writes),
		T_PAIR("quiet is no failure, unless the deadline comes first", quiet_times),
		T_PAIR("a stopping server ends the next wait", stops),
		T_PAIR("finishing ends when the peer closes", finishes),
		T_PAIR("finishing waits a second and no longer", finish_is_bounded),
		T_PAIR("finishing reads 64 KiB and no more", finish_reads_little),
		T_PAIR("a login is shown to whoever looks", proven),
		T("HOST, HOST:PORT and IPv6 forms are split, all else refused", splits),
		T("a host name of 255 bytes is taken, of 256 refused", long_hosts),
		T("dialling reaches a listener, and says why it reaches none", dials),
		T("addresses are written as they are read", addresses),
	};
	return RUN(tests);
}
