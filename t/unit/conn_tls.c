/* TLS on a connection: a pair of sockets with ours at both ends, or with a peer that does it wrong;
 * and everything of conn.h again, through it. */
#include "odd.h"
#include "tls.h"

#include "../../crypto/tls.h"
#include "../../proto/conn_tls.h"

static struct site site;
static struct conn c; /* the client's end */
static int other;     /* the server's, or a rude peer's */
static struct err e;

enum { CHILD_MS = 20000 };

static int open_all(void **state)
{
	int pair[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
		return -1;
	}
	conn_init(&c, pair[0]);
	conn_deadline(&c, CHILD_MS);
	other = pair[1];
	site_make(&site, "localhost");
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	conn_close(&c);
	if (other >= 0) {
		(void)close(other);
	}
	site_free(&site);
	return 0;
}

#define T_SITE(title, function)                            \
	{                                                  \
		title, function, open_all, close_all, NULL \
	}

/* --- servers, in a child --- */

enum then { ECHO, BREAK_OFF, FINISH, TWO_TEXTS, SEND_MUCH, CLOSE_AND_WAIT, GARBAGE };

static int be_server(int what)
{
	static uint8_t text[8192];
	struct conn s;
	size_t got;
	bool ok;

	(void)close(c.fd);
	conn_init(&s, other);
	conn_deadline(&s, CHILD_MS);
	if (conn_tls_accept(&s, site.id, NULL) != 0) {
		return 1;
	}
	ok = true;
	switch ((enum then)what) {
	case ECHO:
		while (conn_read(&s, text, sizeof text, 0, &got, NULL) == CONN_DATA && ok) {
			ok = conn_write(&s, text, got, NULL) == 0;
		}
		conn_finish(&s);
		break;
	case BREAK_OFF:
		ok = conn_write(&s, "half", 4, NULL) == 0;
		break;
	case FINISH:
		ok = conn_write(&s, "all", 3, NULL) == 0;
		conn_finish(&s);
		break;
	case TWO_TEXTS:
		ok = conn_write(&s, "ab", 2, NULL) == 0 &&
		     conn_read(&s, text, 1, 0, &got, NULL) == CONN_EOF;
		break;
	case SEND_MUCH:
		for (int i = 0; i < 200 && ok; i++) {
			fill_pattern(text, sizeof text, (uint32_t)i);
			ok = conn_write(&s, text, sizeof text, NULL) == 0;
		}
		conn_finish(&s);
		break;
	case CLOSE_AND_WAIT:
		conn_tls_say_end(&s);
		ok = conn_plain_read(&s, text, sizeof text, 0, &got, NULL) == CONN_DATA;
		break;
	case GARBAGE:
		ok = conn_plain_write(&s, "250 done\r\n", 10, NULL) == 0 &&
		     conn_plain_read(&s, text, 1, 0, &got, NULL) != CONN_DATA;
		break;
	}
	conn_close(&s);
	return ok ? 0 : 2;
}

static pid_t start_server(enum then what)
{
	pid_t pid = start_child(be_server, what);

	(void)close(other);
	other = -1;
	return pid;
}

static int shake(void)
{
	const struct conn_tls_check check = {.trust = site.trust, .host = "localhost"};

	return conn_tls_connect(&c, &check, &e);
}

static void assert_shakes(void)
{
	if (shake() != 0) {
		fail_msg("%s", e.text);
	}
}

static void odd_both_ways(void **state)
{
	enum { MOST = 5000 };
	uint8_t out[MOST], in[MOST];
	char suite[TLS_SUITE_MAX];
	size_t got;
	pid_t pid;

	(void)state;
	conn_tls_describe(&c, suite);
	assert_string_equal(suite, "");
	assert_false(conn_is_tls(&c));
	pid = start_server(ECHO);
	c.recv = odd_recv;
	c.send = odd_send;
	assert_shakes();
	assert_true(conn_is_tls(&c));
	conn_tls_describe(&c, suite);
	assert_string_equal(suite, "TLS1.2 ECDHE_ECDSA AES_128_GCM");
	for (size_t n = 1; n <= MOST; n = 3 * n + 1) {
		uint64_t in_before = c.in, out_before = c.out;
		fill_pattern(out, n, (uint32_t)n);
		assert_int_equal(conn_write(&c, out, n, &e), 0);
		assert_int_equal(c.out, out_before + n + 29); /* one record: head, nonce, tag */
		assert_int_equal(conn_read_exact(&c, in, n, &got, &e), CONN_DATA);
		assert_memory_equal(in, out, n);
		assert_true(c.in >= in_before + n + 29);
	}
	assert_int_equal(conn_write(&c, out, 0, &e), 0);
	conn_finish(&c);
	assert_int_equal(end_child(pid), 0);
}

static void much(void **state)
{
	static uint8_t want[8192], in[8192];
	size_t got;
	pid_t pid = start_server(SEND_MUCH);

	(void)state;
	assert_shakes();
	for (int i = 0; i < 200; i++) {
		fill_pattern(want, sizeof want, (uint32_t)i);
		assert_int_equal(conn_read_exact(&c, in, sizeof in, &got, &e), CONN_DATA);
		assert_memory_equal(in, want, sizeof in);
	}
	assert_int_equal(conn_read(&c, in, 1, 0, &got, &e), CONN_EOF);
	conn_close(&c);
	assert_int_equal(end_child(pid), 0);
}

/* --- ends --- */

static void good_end(void **state)
{
	uint8_t in[10];
	size_t got;
	pid_t pid = start_server(FINISH);

	(void)state;
	assert_shakes();
	assert_int_equal(conn_read_exact(&c, in, sizeof in, &got, &e), CONN_EOF);
	assert_int_equal(got, 3);
	assert_memory_equal(in, "all", 3);
	assert_int_equal(conn_read(&c, in, sizeof in, 0, &got, &e), CONN_EOF);
	conn_close(&c);
	assert_false(conn_is_tls(&c));
	assert_int_equal(end_child(pid), 0);
}

static void truncation(void **state)
{
	uint8_t in[10];
	size_t got;
	pid_t pid = start_server(BREAK_OFF);

	(void)state;
	assert_shakes();
	assert_int_equal(conn_read_exact(&c, in, sizeof in, &got, &e), CONN_FAILED);
	assert_int_equal(got, 4);
	assert_int_equal(e.code, EX_PROTOCOL);
	assert_contains(e.text, "close_notify");
	assert_int_equal(end_child(pid), 0);
}

static void write_behind_the_end(void **state)
{
	uint8_t in[10];
	size_t got;
	pid_t pid = start_server(CLOSE_AND_WAIT);

	(void)state;
	assert_shakes();
	assert_int_equal(conn_read(&c, in, sizeof in, 0, &got, &e), CONN_EOF);
	assert_refused(conn_write(&c, "x", 1, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, "closed");
	assert_int_equal(end_child(pid), 0); /* it got an answer to its close_notify */
}

static void text_in_the_clear(void **state)
{
	uint8_t in[10];
	size_t got;
	pid_t pid = start_server(GARBAGE);

	(void)state;
	assert_shakes();
	assert_int_equal(conn_read(&c, in, sizeof in, 0, &got, &e), CONN_FAILED);
	assert_int_equal(e.code, EX_PROTOCOL);
	assert_contains(e.text, "BR_ERR_");
	assert_refused(conn_write(&c, "x", 1, &e), e, EX_PROTOCOL);
	conn_close(&c);
	assert_int_equal(end_child(pid), 0);
}

/* --- waiting --- */

static void waits(void **state)
{
	uint8_t in[10];
	size_t got;
	pid_t pid = start_server(TWO_TEXTS);

	(void)state;
	assert_shakes();
	assert_int_equal(conn_wait(&c, 0, &e), CONN_DATA);
	assert_int_equal(conn_read(&c, in, 1, 0, &got, &e), CONN_DATA);
	/* the other byte is here, and the socket is empty */
	assert_int_equal(conn_wait(&c, 1, &e), CONN_DATA);
	assert_int_equal(conn_read(&c, in, 1, 0, &got, &e), CONN_DATA);
	assert_int_equal(in[0], 'b');
	assert_int_equal(conn_wait(&c, 1, &e), CONN_QUIET);
	assert_int_equal(conn_read(&c, in, 1, 1, &got, &e), CONN_QUIET);
	conn_deadline(&c, 10);
	assert_int_equal(conn_read(&c, in, 1, 0, &got, &e), CONN_FAILED);
	assert_int_equal(e.code, EX_TEMPFAIL);
	assert_contains(e.text, "too long");
	conn_finish(&c);
	assert_int_equal(end_child(pid), 0);
}

/* --- handshakes that come to nothing --- */

static void silent_peer(void **state)
{
	(void)state;
	conn_deadline(&c, 20);
	assert_refused(shake(), e, EX_TEMPFAIL);
	assert_contains(e.text, "handshake");
	assert_contains(e.text, "too long");
	conn_close(&c);
	conn_init(&c, other);
	other = -1;
	conn_deadline(&c, 20);
	assert_refused(conn_tls_accept(&c, site.id, &e), e, EX_TEMPFAIL);
}

static void stopping_server(void **state)
{
	int stop[2];

	(void)state;
	assert_int_equal(pipe(stop), 0);
	c.stop_fd = stop[0];
	assert_int_equal(write(stop[1], "s", 1), 1);
	assert_refused(conn_tls_accept(&c, site.id, &e), e, EX_TEMPFAIL);
	assert_contains(e.text, "stopping");
	(void)close(stop[0]);
	(void)close(stop[1]);
}

static void rude_peers(void **state)
{
	(void)state;
	assert_int_equal(send(other, "EHLO x\r\n", 8, 0), 8);
	assert_refused(conn_tls_accept(&c, site.id, &e), e, EX_PROTOCOL);
	assert_contains(e.text, "BR_ERR_");
	conn_finish(&c); /* nothing to be said any more: and no harm */
}

static void closes_in_the_handshake(void **state)
{
	static const uint8_t close_notify[] = {21, 3, 3, 0, 2, 1, 0};

	(void)state;
	assert_int_equal(send(other, close_notify, sizeof close_notify, 0), sizeof close_notify);
	assert_refused(conn_tls_accept(&c, site.id, &e), e, EX_PROTOCOL);
	assert_contains(e.text, "handshake failed");
}

static void leaves_in_the_handshake(void **state)
{
	(void)state;
	(void)close(other);
	other = -1;
	assert_refused(conn_tls_accept(&c, site.id, &e), e, EX_PROTOCOL);
	assert_contains(e.text, "closed");
}

static void bytes_ahead(void **state)
{
	(void)state;
	conn_unread(&c, "RSET", 4);
	assert_refused(shake(), e, EX_PROTOCOL);
	assert_contains(e.text, "ahead");
	assert_refused(conn_tls_accept(&c, site.id, &e), e, EX_PROTOCOL);
	assert_false(conn_is_tls(&c));
	assert_int_equal(c.out, 0);
}

static void refused_certificate(void **state)
{
	const struct conn_tls_check check = {.trust = site.trust, .host = "another.example"};
	pid_t pid = start_server(ECHO);

	(void)state;
	assert_refused(conn_tls_connect(&c, &check, &e), e, EX_NOPERM);
	assert_contains(e.text, "handshake failed: the certificate is for another host");
	assert_contains(e.text, "\nhint: ");
	conn_close(&c);
	assert_int_equal(end_child(pid), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_SITE("short reads and writes, EINTR and EAGAIN are invisible", odd_both_ways),
		T_SITE("1.6 MB come as they were sent", much),
		T_SITE("an end by close_notify is an end", good_end),
		T_SITE("an end without it is a failure, not an end", truncation),
		T_SITE("nothing is written behind the peer's end", write_behind_the_end),
		T_SITE("text in the clear behind the handshake is refused", text_in_the_clear),
		T_SITE("waiting knows of text that is here already", waits),
		T_SITE("a handshake ends at its deadline", silent_peer),
		T_SITE("a stopping server ends a handshake", stopping_server),
		T_SITE("a handshake with what is no TLS fails", rude_peers),
		T_SITE("a handshake that the peer closes fails", closes_in_the_handshake),
		T_SITE("a peer that leaves in the handshake is told", leaves_in_the_handshake),
		T_SITE("bytes ahead of the handshake refuse it", bytes_ahead),
		T_SITE("a refused certificate says why, and what to do", refused_certificate),
	};
	return RUN(tests);
}
