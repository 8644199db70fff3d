/* Texts on the classic wire, where boundaries are computed and nothing is framed. */
#include "wire.h"

static void all_sizes(void)
{
	uint8_t text[101];

	memset(text, 'x', sizeof text);
	for (size_t n = 0; n <= 100; n++) {
		assert_int_equal(send_bytes(text, n), 0);
		assert_receives(text, n);
	}
}

static void texts(void **state)
{
	(void)state;
	all_sizes();
}

static void texts_by_byte(void **state)
{
	(void)state;
	a_conn.recv = one_byte;
	all_sizes();
}

static void texts_at_once(void **state)
{
	uint8_t text[40];

	(void)state;
	memset(text, 'x', sizeof text);
	for (size_t n = 0; n <= 40; n++) {
		assert_int_equal(send_bytes(text, n), 0);
	}
	for (size_t n = 0; n <= 40; n++) {
		assert_receives(text, n);
	}
}

static void founding_texts(void **state)
{
	(void)state;
	assert_int_equal(classic_send(&b, CLASSIC_MENU, &e), 0);
	assert_receives(CLASSIC_MENU, strlen(CLASSIC_MENU));
	assert_int_equal(classic_send(&b, "", &e), 0);
	assert_receives("", 0);
}

static void appends(void **state)
{
	struct buf in = {0};

	(void)state;
	assert_int_equal(buf_append_str(&in, "kept "), 0);
	assert_int_equal(classic_send(&b, "text", &e), 0);
	assert_int_equal(classic_recv(&a, &in, 4, CLASSIC_QUIET_MS, &e), 0);
	assert_int_equal(in.n, 9);
	assert_memory_equal(in.p, "kept text", 9);
	buf_free(&in);
}

static void text_limit(void **state)
{
	struct buf in = {0};
	uint8_t text[100];

	(void)state;
	memset(text, 'x', sizeof text);
	for (size_t n = 31; n <= 33; n++) {
		assert_int_equal(send_bytes(text, n), 0);
		in.n = 0;
		assert_int_equal(classic_recv(&a, &in, n, CLASSIC_QUIET_MS, &e), 0);
		assert_int_equal(in.n, n);
	}
	assert_int_equal(send_bytes(text, 0), 0);
	in.n = 0;
	assert_int_equal(classic_recv(&a, &in, 0, CLASSIC_QUIET_MS, &e), 0);
	assert_int_equal(send_bytes(text, 33), 0);
	assert_refused(classic_recv(&a, &in, 32, CLASSIC_QUIET_MS, &e), e, EX_PROTOCOL);
	buf_free(&in);
}

/* Blocks without a padding among them, and nothing behind. */
static void send_blocks(size_t n)
{
	uint8_t text[16 * 8];

	memset(text, 'x', sizeof text);
	aes_ecb_encrypt(&b.aes, text, 16 * n);
	assert_int_equal(conn_write(&b_conn, text, 16 * n, &e), 0);
}

static void no_padding(void **state)
{
	struct buf in = {0};

	(void)state;
	send_blocks(2);
	assert_refused(classic_recv(&a, &in, 100, CLASSIC_QUIET_MS, &e), e, EX_PROTOCOL);
	assert_contains(e.text, "padding");
	buf_free(&in);
}

static void texts_without_end(void **state)
{
	struct buf in = {0};

	(void)state;
	for (int i = 0; i < 20; i++) {
		send_blocks(8);
	}
	assert_refused(classic_recv(&a, &in, 1000, CLASSIC_QUIET_MS, &e), e, EX_PROTOCOL);
	buf_free(&in);
}

static void closed(void **state)
{
	struct buf in = {0};

	(void)state;
	conn_close(&b_conn);
	assert_refused(classic_recv(&a, &in, 100, CLASSIC_QUIET_MS, &e), e, EX_TEMPFAIL);
	buf_free(&in);
}

static void closed_inside(void **state)
{
	static const size_t sizes[] = {1, 15, 16, 17, 32};
	struct buf in = {0};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		uint8_t text[32];
		memset(text, 'x', sizeof text);
		aes_ecb_encrypt(&b.aes, text, sizeof text);
		assert_int_equal(conn_write(&b_conn, text, sizes[i], &e), 0);
		conn_close(&b_conn);
		if (classic_recv(&a, &in, 100, CLASSIC_QUIET_MS, &e) != -1 ||
			e.code != EX_PROTOCOL) {
			fail_msg("after %zu bytes: %d, %s", sizes[i], e.code, e.text);
		}
		(void)close_pair(state);
		assert_int_equal(open_pair(state), 0);
	}
	buf_free(&in);
}

static void begins_like(void **state)
{
	(void)state;
	assert_int_equal(classic_send(&b, CLASSIC_REJECTED "because", &e), 0);
	assert_int_equal(classic_starts_with(&a, CLASSIC_REJECTED, &e), 1);
	assert_int_equal(classic_starts_with(&a, "Select the operation:", &e), 0);
	assert_receives(CLASSIC_REJECTED "because", strlen(CLASSIC_REJECTED "because"));
	assert_int_equal(classic_send(&b, "", &e), 0);
	assert_int_equal(classic_starts_with(&a, "x", &e), 0);
	assert_receives("", 0);
	conn_close(&b_conn);
	assert_refused(classic_starts_with(&a, "x", &e), e, EX_TEMPFAIL);
}

static int send_long(int i)
{
	static uint8_t text[3 * CLASSIC_BUF];

	conn_close(&a_conn);
	memset(text, 'y', sizeof text);
	return send_bytes(text, sizeof text - (size_t)i);
}

static void long_texts(void **state)
{
	hurry_ms = PATIENT_MS;
	for (int i = 0; i < 3; i++) {
		struct buf in = {0};
		size_t n = (size_t)(3 * CLASSIC_BUF - i);
		pid_t child = start_child(send_long, i);
		assert_int_equal(classic_recv(&a, &in, 4 * CLASSIC_BUF, CLASSIC_QUIET_MS, &e), 0);
		assert_int_equal(in.n, n);
		for (size_t k = 0; k < n; k++) {
			assert_true(in.p[k] == 'y');
		}
		buf_free(&in);
		assert_int_equal(end_child(child), 0);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_PAIR("texts of 0 to 100 bytes come back", texts),
		T_PAIR("texts of 0 to 100 bytes come back, a byte at a time", texts_by_byte),
		T_PAIR("41 texts in one piece are told apart", texts_at_once),
		T_PAIR("the founding menu comes back", founding_texts),
		T_PAIR("a text is appended to what is there", appends),
		T_PAIR("a text at its limit is taken, one byte more refused", text_limit),
		T_PAIR("a text whose padding is not valid is refused after a while", no_padding),
		T_PAIR("a text without an end is refused at its limit", texts_without_end),
		T_PAIR("a peer who closes between texts is worth trying again", closed),
		T_PAIR("a peer who closes inside a text broke the protocol", closed_inside),
		T_PAIR("the beginning of a text can be seen before it is taken", begins_like),
		T_PAIR("a text longer than every buffer comes back", long_texts),
	};
	return RUN(tests);
}
