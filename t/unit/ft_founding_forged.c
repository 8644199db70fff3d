/* Frames of the founding wire that no program of ours writes, from either side; and the challenge,
 * whose oracle is kept. */
#include "founding.h"

static const uint8_t zero_iv[FT_IV];

/* --- nonsense --- */

/* Say the script to a server, and no more. What it came to; what it said is in `script`. */
static int say_script(void)
{
	size_t n;

	start_server();
	(void)conn_write(&conn, script.p, script.n, &e);
	(void)shutdown(conn.fd, SHUT_WR);
	script.n = 0;
	do {
		assert_int_equal(buf_reserve(&script, 4096), 0);
		enum conn_got how = conn_read(&conn, script.p + script.n, 4096, 0, &n, &e);
		if (how != CONN_DATA) {
			break;
		}
		script.n += n;
	} while (true);
	return end_server();
}

static uint8_t big[FT_CHUNK_MAX + 1];

static void forged_requests(void **state)
{
	static const struct {
		uint32_t type, length;
		uint8_t odd_zero;
	} rows[] = {{FT_HANDSHAKE, 17, 0}, {FT_CONFIRMATION, 1, 0}, {FT_EOF, 16, 0}, {6, 4, 0},
		{0x01000002, 4, 0}, {0xffffffff, 4, 0}, {FT_READ_FILE, 0, 0}, {FT_WRITE_FILE, 0, 0},
		{FT_READ_FILE, FT_REQUEST_MAX + 1, 0}, {FT_WRITE_FILE, FT_REQUEST_MAX + 1, 0},
		{FT_WRITE_FILE, 0x80000004, 0}, {FT_READ_FILE, 0xffffffff, 0},
		{FT_WRITE_FILE, 4, 1}, {FT_READ_FILE, 4, 0x80}, {FT_ERROR, 4, 0}};

	(void)state;
	memset(big, 'n', sizeof big);
	for (size_t i = 0; i < COUNT(rows); i++) {
		put_opening();
		put_frame(rows[i].type, rows[i].length, rows[i].odd_zero, big, 2000);
		assert_int_equal(say_script(), EX_PROTOCOL);
		assert_int_equal(script.n, FT_HEADER + 1); /* nothing but the first confirmation */
	}
	buf_free(&script);
}

static void forged_hellos(void **state)
{
	static const struct {
		uint32_t type, length;
		uint8_t cipher;
	} rows[] = {{FT_HANDSHAKE, 16, 0}, {FT_HANDSHAKE, 18, 0}, {FT_HANDSHAKE, 17, 3},
		{FT_HANDSHAKE, 17, 255}, {FT_READ_FILE, 17, 0}, {FT_EOF, 16, 0},
		{FT_HANDSHAKE, 0xffffffff, 0}};
	uint8_t hello[64] = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		hello[0] = rows[i].cipher;
		script.n = 0;
		put_frame(rows[i].type, rows[i].length, 0, hello, sizeof hello);
		assert_int_equal(say_script(), EX_PROTOCOL);
		assert_int_equal(script.n, 0);
	}
	buf_free(&script);
}

/* Names, at the limits: what is too long for a file is answered, what is too long for a name is
 * not. */
static void names(void **state)
{
	static const struct {
		size_t n;
		int code;
	} rows[] = {{1, EX_NOINPUT}, {FT_NAME_MAX, EX_NOINPUT}, {FT_NAME_MAX + 1, EX_DATAERR},
		{FT_REQUEST_MAX, EX_DATAERR}, {FT_REQUEST_MAX + 1, EX_PROTOCOL}};
	static const char *const bad[] = {"..", ".", "a/b", "/etc/passwd", ".log", "a\nb", "a\xff"};

	(void)state;
	memset(big, 'n', sizeof big);
	for (size_t i = 0; i < COUNT(rows); i++) {
		put_opening();
		put_frame(FT_READ_FILE, (uint32_t)rows[i].n, 0, big, rows[i].n);
		assert_int_equal(say_script(), rows[i].code);
		assert_int_equal(script.n > FT_HEADER + 1, rows[i].code != EX_PROTOCOL);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		put_opening();
		put_frame(FT_WRITE_FILE, (uint32_t)strlen(bad[i]), 0, bad[i], strlen(bad[i]));
		assert_int_equal(say_script(), EX_DATAERR);
		assert_int_equal(script.p[FT_HEADER + 1 + 3], FT_ERROR);
		assert_memory_equal(script.p + 2 * FT_HEADER + 1, "rejected: ", 10);
	}
	buf_free(&script);
	assert_int_equal(count_names("."), 1); /* .log */
}

static void put_eof(const void *p, size_t n)
{
	uint8_t md5[HASH_MD5_BYTES];
	struct hash_md5 h;

	hash_md5_begin(&h);
	hash_md5_add(&h, p, n);
	hash_md5_end(&h, md5);
	put_frame(FT_EOF, sizeof md5, 0, md5, sizeof md5);
}

/* A chunk of 65,536 bytes is taken, and one more is not; nor is nothing. */
static void chunks(void **state)
{
	static const struct {
		uint32_t type, n;
		int code;
	} rows[] = {{FT_WRITE_FILE, FT_CHUNK_MAX, 0},
		{FT_WRITE_FILE, FT_CHUNK_MAX + 1, EX_PROTOCOL}, {FT_WRITE_FILE, 0, EX_PROTOCOL},
		{FT_WRITE_FILE, 1, 0}, {FT_READ_FILE, 4, EX_PROTOCOL},
		{FT_CONFIRMATION, 1, EX_PROTOCOL}, {FT_ERROR, 20, EX_DATAERR},
		{FT_HANDSHAKE, 17, EX_PROTOCOL}, {6, 1, EX_PROTOCOL}};

	(void)state;
	fill_pattern(big, sizeof big, 5);
	for (size_t i = 0; i < COUNT(rows); i++) {
		put_opening();
		put_frame(FT_WRITE_FILE, 4, 0, "name", 4);
		put_frame(rows[i].type, rows[i].n, 0, big, rows[i].n);
		put_eof(big, rows[i].n);
		assert_int_equal(say_script(), rows[i].code);
		assert_int_equal(rows[i].code == 0, is_there("name"));
		(void)unlinkat(folder.fd, "name", 0);
		assert_nothing();
	}
	buf_free(&script);
}

/* An MD5 that is another's, longer or shorter. */
static void checksums(void **state)
{
	(void)state;
	for (uint32_t n = HASH_MD5_BYTES - 1; n <= HASH_MD5_BYTES + 1; n++) {
		put_opening();
		put_frame(FT_WRITE_FILE, 4, 0, "name", 4);
		put_frame(FT_WRITE_FILE, 3, 0, "abc", 3);
		put_frame(FT_EOF, n, 0, big, n);
		assert_int_equal(say_script(), EX_PROTOCOL);
		assert_nothing();
	}
	buf_free(&script);
}

/* --- the challenge --- */

/* A hello of aes256 under the IV of zeros, and the challenge's number, if `key` is the server's. */
static void take_challenge(struct ft_founding *f, uint8_t number[static FT_NONCE])
{
	uint8_t hello[FT_HANDSHAKE_BYTES] = {FT_AES256};
	size_t padding, got;

	start_server();
	ft_founding_begin(f, &conn);
	assert_int_equal(ft_founding_put(f, FT_HANDSHAKE, hello, sizeof hello, &e), 0);
	ft_founding_seal(f, FT_AES256, &client_secret, zero_iv);
	assert_int_equal(ft_founding_get_number(f, number, &padding, &got, &e), 0);
	assert_int_equal(padding, AES_BLOCK);
}

/* Answer by these two blocks, encrypted; how the server answers. */
static size_t answer(struct ft_founding *f, const uint8_t blocks[static FT_RESPONSE],
	uint8_t reply[static 64], int *code)
{
	uint8_t wire[FT_RESPONSE];
	size_t n;

	memcpy(wire, blocks, sizeof wire);
	cbc_encrypt(&f->out_stream, wire, sizeof wire);
	assert_int_equal(conn_write(&conn, wire, sizeof wire, &e), 0);
	(void)conn_read_exact(&conn, reply, 64, &n, &e);
	*code = end_server();
	return n;
}

/* The padding oracle: any valid padding is answered by a confirmation of 0, of whatever number, and
 * no other by a single byte. */
static void oracle(void **state)
{
	static struct ft_founding f;
	uint8_t blocks[FT_RESPONSE], reply[64];
	int code;

	(void)state;
	for (int i = 0; i < 2 * (AES_BLOCK + 1); i++) {
		uint8_t pad = (uint8_t)(i / 2);     /* 0 to 16, */
		bool valid = i % 2 == 0 && pad > 0; /* and the same with one byte changed */
		take_challenge(&f, blocks);
		memset(blocks + FT_NONCE, 0xee, AES_BLOCK);
		memset(blocks + FT_RESPONSE - pad, pad, pad);
		if (i % 2 == 1) {
			blocks[FT_RESPONSE - 1] ^= 0x40;
		}
		size_t n = answer(&f, blocks, reply, &code);
		assert_int_equal(code, EX_NOPERM);
		assert_int_equal(n, valid ? FT_SEALED_HEADER + AES_BLOCK : 0);
		if (valid) {
			cbc_decrypt(&f.in_stream, reply, n);
			assert_int_equal(reply[3], FT_CONFIRMATION);
			assert_int_equal(reply[FT_SEALED_HEADER], 0);
		}
	}
}

/* The number and 1, and no other. */
static void wrong_numbers(void **state)
{
	static struct ft_founding f;
	uint8_t blocks[FT_RESPONSE], reply[64];
	int code;

	(void)state;
	for (int i = 0; i < 3; i++) {
		take_challenge(&f, blocks);
		for (int k = 0; k < i; k++) {
			ft_founding_next_number(blocks);
		}
		aes_pad(blocks, FT_NONCE);
		if (i == 1) { /* right: the server goes on, and waits for a request */
			conn_deadline(&conn, 20000);
			cbc_encrypt(&f.out_stream, blocks, sizeof blocks);
			assert_int_equal(conn_write(&conn, blocks, sizeof blocks, &e), 0);
			uint8_t *p;
			size_t n;
			assert_int_equal(ft_founding_expect(&f, FT_CONFIRMATION, &p, &n, &e), 0);
			assert_int_equal(p[0], 1);
			assert_int_equal(end_server(), EX_PROTOCOL);
		} else {
			size_t n = answer(&f, blocks, reply, &code);
			assert_int_equal(n, FT_SEALED_HEADER + AES_BLOCK);
			assert_int_equal(code, EX_NOPERM);
		}
	}
}

/* --- a server that means harm --- */

static int play(int i)
{
	(void)i;
	conn_close(&conn);
	for (size_t at = 0; at < script.n;) {
		ssize_t k = send(server_end, script.p + at, script.n - at, MSG_NOSIGNAL);
		if (k < 0) {
			return EX_IOERR;
		}
		at += (size_t)k;
	}
	(void)shutdown(server_end, SHUT_WR);
	for (uint8_t rest[4096]; recv(server_end, rest, sizeof rest, 0) > 0;) {
	}
	return 0;
}

/* A server that says the script, whatever it hears. */
static void start_player(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	conn_init(&conn, pair[0]);
	server_end = pair[1];
	server = start_child(play, 0);
	(void)close(server_end);
}

static void lying_servers(void **state)
{
	static const struct {
		uint32_t type, length;
		const char *payload;
		int code;
	} rows[] = {{FT_CONFIRMATION, 1, "\1", EX_PROTOCOL}, {FT_CONFIRMATION, 1, "\0", EX_DATAERR},
		{FT_EOF, 16, "0123456789abcdef", EX_PROTOCOL},
		{FT_CONFIRMATION, 2, "\1\1", EX_PROTOCOL},
		{FT_ERROR, 14, "no-input: none", EX_NOINPUT},
		{FT_ERROR, 10, "exists: it", EX_CANTCREAT},
		{FT_ERROR, 11, "denied: you", EX_NOPERM},
		{FT_ERROR, 12, "try-later: x", EX_TEMPFAIL},
		{FT_ERROR, 11, "rejected: x", EX_DATAERR},
		{FT_ERROR, 11, "protocol: x", EX_PROTOCOL}, {FT_ERROR, 5, "\x1b[31m", EX_DATAERR},
		{FT_ERROR, 0, "", EX_PROTOCOL}, {FT_ERROR, FT_COMPLAINT_MAX + 1, "", EX_PROTOCOL},
		{FT_WRITE_FILE, 0xffffffff, "", EX_PROTOCOL}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		script.n = 0;
		put_frame(FT_CONFIRMATION, 1, 0, "\1", 1);
		put_frame(rows[i].type, rows[i].length, 0, rows[i].payload,
			rows[i].length < 100 ? rows[i].length : 0);
		start_player();
		assert_refused(client_reads(FT_NONE, "name"), e, rows[i].code);
		assert_false(has_control(e.text, strlen(e.text)));
		assert_int_equal(end_server(), 0);
		assert_nothing();
	}
	buf_free(&script);
}

/* All that a server said once is believed by a later client, under whatever IV. */
static void recorded_server(void **state)
{
	(void)state;
	for (enum ft_cipher cipher = FT_AES128; cipher <= FT_AES256; cipher++) {
		spew_text("name", "yesterday's news");
		start_server();
		assert_int_equal(client_reads(cipher, "name"), 0);
		assert_int_equal(end_server(), 0);
		script.n = 0;
		assert_int_equal(buf_append(&script, heard.p, heard.n), 0);
		spew_text("name", "today's");
		start_player();
		assert_int_equal(client_reads(cipher, "name"), 0);
		assert_int_equal(end_server(), 0);
		spew_text("name", "yesterday's news");
		assert_same("name", "out");
	}
	buf_free(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOUNDING("no other frame is a handshake", forged_hellos),
		T_FOUNDING("no other frame is a request", forged_requests),
		T_FOUNDING("names of 1 to 200 bytes are looked at, and bad ones answered", names),
		T_FOUNDING("chunks of 1 to 65,536 bytes are taken", chunks),
		T_FOUNDING("a checksum that does not agree stores nothing", checksums),
		T_FOUNDING("the padding oracle is as it was", oracle),
		T_FOUNDING("no response but the number and 1 is taken", wrong_numbers),
		T_FOUNDING("a lying server's file does not land", lying_servers),
		T_FOUNDING("a recorded server is believed", recorded_server),
	};
	return RUN(tests);
}
