/* E-mails on the classic wire, which say their own length. */
#include "wire.h"

static struct buf content;
static struct message_head head;
static char head_title[500];
static int head_answer, content_answer;

static int take_head(void *arg, const struct message_head *h, const uint8_t *bytes, struct err *err)
{
	(void)arg;
	(void)bytes;
	head = *h;
	(void)snprintf(
		head_title, sizeof head_title, "%.*s", (int)h->title.n, (const char *)h->title.p);
	return head_answer < 0 ? err_set(err, EX_TEMPFAIL, "head") : head_answer;
}

static int take_content(void *arg, const void *p, size_t n, struct err *err)
{
	(void)arg;
	assert_int_equal(buf_append(&content, p, n), 0);
	return content_answer < 0 ? err_set(err, EX_TEMPFAIL, "content") : content_answer;
}

static enum classic_got receive_mail(void)
{
	const struct classic_mail mail = {.head = take_head, .content = take_content};

	buf_free(&content);
	head_title[0] = '\0';
	return classic_recv_mail(&a, &mail, &e);
}

/* Send an e-mail whose header says so, in one text. */
static void send_mail(const char *length, const char *title, const void *text, size_t n)
{
	char header[1000];
	int k = snprintf(header, sizeof header,
		"From: client1\nTo: client2\nTitle: %s\nContent Length: %s\nContent:\n", title,
		length);

	assert_int_equal(classic_put(&b, header, (size_t)k, &e), 0);
	assert_int_equal(send_bytes(text, n), 0);
}

static void assert_mail(const char *title, const void *text, size_t n, uint64_t chars)
{
	char length[24];

	(void)snprintf(length, sizeof length, "%llu", (unsigned long long)chars);
	send_mail(length, title, text, n);
	if (receive_mail() != CLASSIC_WHOLE) {
		fail_msg("%zu bytes, title \"%s\": %s", n, title, e.text);
	}
	assert_string_equal(head_title, title);
	assert_true(head.length == chars);
	assert_int_equal(content.n, n);
	assert_memory_equal(content.p, text, n);
}

static void mail_sizes(void)
{
	uint8_t text[100];

	memset(text, 'm', sizeof text);
	for (size_t n = 0; n <= 50; n++) { /* every place that the end may have in a block */
		assert_mail("T", text, n, n);
	}
	assert_next();
}

static void mails(void **state)
{
	(void)state;
	mail_sizes();
}

static void mails_by_byte(void **state)
{
	(void)state;
	a_conn.recv = one_byte;
	mail_sizes();
}

/* Content whose blocks end like a padding, at every place in a block. */
static void like_padding(void)
{
	uint8_t text[80];
	char title[17] = "";

	for (unsigned pad = 1; pad <= 16; pad++) {
		memset(text, (int)pad, sizeof text);
		for (size_t shift = 0; shift < 16; shift++) {
			memset(title, 't', shift);
			title[shift] = '\0';
			if (pad == '\n') {
				continue; /* a title cannot, a content can: below */
			}
			assert_mail(title, text, 64 + shift, 64 + shift);
		}
		assert_mail("T", text, 80, 80);
	}
	assert_next();
}

static void content_like_padding(void **state)
{
	(void)state;
	like_padding();
}

static void content_like_padding_by_byte(void **state)
{
	(void)state;
	a_conn.recv = one_byte;
	like_padding();
}

static void multibyte(void **state)
{
	uint8_t text[400];

	(void)state;
	for (size_t i = 0; i < sizeof text; i += 4) {
		memcpy(text + i, "\xf0\x9f\x98\x80", 4);
	}
	for (int by_byte = 0; by_byte < 2; by_byte++) {
		for (size_t n = 0; n <= 100; n += 5) {
			assert_mail("\xc3\xa9", text, 4 * n, n);
		}
		assert_mail("T", "a\0\n\r\xe2\x82\xac", 7, 5);
		a_conn.recv = one_byte;
	}
	assert_next();
}

static void wrong_lengths(void **state)
{
	static const struct {
		const char *length, *text;
		size_t n;
	} rows[] = {
		{"10", "123456789", 9},
		{"9", "1234567890", 10},
		{"0", "x", 1},
		{"1", "", 0},
		{"100", "x", 1},
		{"5", "h\xc3\xa9llo, and much more than five characters of it, on and on and on",
			66},
		{"6", "h\xc3\xa9llo", 6}, /* bytes counted instead of characters */
		{"16000001", "x", 1},
		{"1000000000000000000", "x", 1},
		{"18446744073709551615", "x", 1},
		{"18446744073709551616", "x", 1},
		{"-1", "x", 1},
		{"1e9", "x", 1},
		{"", "x", 1},
		{"01", "x", 1},
		{"4",
			"a\xff\xfe"
			"b",
			4},
		{"1", "\xc3", 1},
		{"2", "\xed\xa0", 2},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		e.code = 0;
		send_mail(rows[i].length, "T", rows[i].text, rows[i].n);
		enum classic_got got = receive_mail();
		/* less than was announced may be a stalled network: worth trying again */
		if (got != CLASSIC_FAULTY || (e.code != EX_DATAERR && e.code != EX_TEMPFAIL)) {
			fail_msg("length %s: %d, %s", rows[i].length, (int)got, e.text);
		}
		assert_next();
	}
}

static void bad_headers(void **state)
{
	static const char *const rows[] = {"", "x", "hello, world", "From: a\n",
		"From: a\nTo: b\nTitle: c\nContent Length: 1\n", "From: a\nTitle: c\n",
		"From: a\nTo: b\nTitle: c\nContent Length: 1\nContent: x",
		"From: a\nTo: b\nTime and Date: x\nTitle: c\nContent Length: 1\nContent:\nx"};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		e.code = 0;
		assert_int_equal(classic_send(&b, rows[i], &e), 0);
		if (receive_mail() != CLASSIC_FAULTY || e.code != EX_DATAERR) {
			fail_msg("%s: %s", rows[i], e.text);
		}
		assert_next();
	}
}

static void refusals(void **state)
{
	uint8_t text[300];

	(void)state;
	memset(text, 'x', sizeof text);
	head_answer = 1;
	for (size_t n = 0; n <= 48; n++) {
		char length[8];
		(void)snprintf(length, sizeof length, "%zu", n);
		send_mail(length, "T", text, n);
		assert_int_equal(receive_mail(), CLASSIC_DROPPED);
		assert_int_equal(content.n, 0); /* refused: nothing of it is handed on */
		assert_next();
	}
	head_answer = 0;
	content_answer = 1;
	send_mail("300", "T", text, 300);
	assert_int_equal(receive_mail(), CLASSIC_DROPPED);
	assert_next();
	content_answer = -1;
	send_mail("300", "T", text, 300);
	assert_int_equal(receive_mail(), CLASSIC_BROKEN);
	assert_string_equal(e.text, "content");
	content_answer = 0;
	(void)close_pair(state);
	assert_int_equal(open_pair(state), 0);
	head_answer = -1;
	send_mail("1", "T", "x", 1);
	assert_int_equal(receive_mail(), CLASSIC_BROKEN);
	assert_string_equal(e.text, "head");
	head_answer = 0;
}

static void cut_mails(void **state)
{
	uint8_t text[160];
	size_t n = 0;

	(void)state;
	n = (size_t)snprintf((char *)text, sizeof text,
		"From: client1\nTo: client2\nTitle: T\nContent Length: 40\nContent:\n%040d", 7);
	aes_pad(text, n);
	n = aes_padded_len(n);
	aes_ecb_encrypt(&b.aes, text, n);
	for (size_t k = 0; k < n; k++) { /* the peer is gone after k bytes: it is never whole */
		assert_int_equal(conn_write(&b_conn, text, k, &e), 0);
		conn_close(&b_conn);
		assert_int_equal(receive_mail(), CLASSIC_BROKEN);
		assert_true(e.code == EX_PROTOCOL || e.code == EX_TEMPFAIL);
		(void)close_pair(state);
		assert_int_equal(open_pair(state), 0);
	}
	assert_int_equal(conn_write(&b_conn, text, n, &e), 0);
	assert_int_equal(receive_mail(), CLASSIC_WHOLE);
}

/* A header of exactly n bytes, its recipients filled up with semicolons, and one character. */
static void send_header(size_t n)
{
	static const char rest[] = "\nTitle: T\nContent Length: 1\nContent:\n";
	static char fill[1 << 17];
	size_t have = strlen("From: a\nTo: b") + strlen(rest);

	memset(fill, ';', sizeof fill);
	assert_int_equal(classic_put(&b, "From: a\nTo: b", 13, &e), 0);
	assert_int_equal(classic_put(&b, fill, n - have, &e), 0);
	assert_int_equal(classic_put(&b, rest, strlen(rest), &e), 0);
	assert_int_equal(send_bytes("x", 1), 0);
}

static int send_header_child(int n)
{
	send_header((size_t)n);
	return 0;
}

static void head_limits(void **state)
{
	static const int sizes[] = {MESSAGE_HEAD_MAX - 1, MESSAGE_HEAD_MAX, MESSAGE_HEAD_MAX + 1,
		MESSAGE_HEAD_MAX + 16, CLASSIC_BUF - 17, CLASSIC_BUF - 1, CLASSIC_BUF,
		CLASSIC_BUF + 1};

	hurry_ms = PATIENT_MS;
	for (int by_byte = 0; by_byte < 2; by_byte++) {
		for (size_t i = 0; i < COUNT(sizes); i++) {
			pid_t child = start_child(send_header_child, sizes[i]);
			a_conn.recv = by_byte == 0 ? recv : one_byte;
			enum classic_got got = receive_mail();
			if (got !=
				(sizes[i] <= MESSAGE_HEAD_MAX ? CLASSIC_WHOLE : CLASSIC_FAULTY)) {
				fail_msg("header of %d bytes, %s: %d", sizes[i],
					by_byte == 0 ? "in pieces" : "by the byte", (int)got);
			}
			assert_int_equal(end_child(child), 0);
			assert_next();
		}
	}
	(void)state;
}

enum { LARGE = 300000 };

static int send_large(int i)
{
	uint8_t *text = malloc(4 * LARGE);

	for (size_t k = 0; k < LARGE; k++) {
		memcpy(text + 4 * k, "\xf0\x90\x80\x80", 4);
	}
	send_mail(i == 0 ? "300000" : "299999", "large", text, 4 * LARGE);
	free(text);
	return 0;
}

static void large_mails(void **state)
{
	(void)state;
	hurry_ms = PATIENT_MS;
	for (int i = 0; i < 2; i++) {
		pid_t child = start_child(send_large, i);
		assert_int_equal(receive_mail(), i == 0 ? CLASSIC_WHOLE : CLASSIC_FAULTY);
		assert_true(i == 1 || content.n == 4 * LARGE);
		assert_int_equal(end_child(child), 0);
		assert_next();
	}
}

static int tidy(void **state)
{
	(void)state;
	buf_free(&content);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_PAIR("e-mails of 0 to 50 bytes come back", mails),
		T_PAIR("e-mails of 0 to 50 bytes come back, a byte at a time", mails_by_byte),
		T_PAIR("content that looks like padding does not end an e-mail",
			content_like_padding),
		T_PAIR("nor does it a byte at a time", content_like_padding_by_byte),
		T_PAIR("Content Length counts characters, whatever their bytes", multibyte),
		T_PAIR("a Content Length that lies is told, and the session lives", wrong_lengths),
		T_PAIR("a header that is none is told, and the session lives", bad_headers),
		T_PAIR("a refused e-mail is read to its end, and the session lives", refusals),
		T_PAIR("an e-mail cut after any byte is never whole", cut_mails),
		T_PAIR("a header of 40960 bytes is taken, a longer one refused however it arrives",
			head_limits),
		T_PAIR("an e-mail of 1.2 MB comes back, or is told to be longer than it says",
			large_mails),
	};
	return cmocka_run_group_tests(tests, NULL, tidy);
}
