/* The founding wire of file transfer, between a client and a server that mean well. */
#include "founding.h"

static const enum ft_cipher ciphers[] = {FT_NONE, FT_AES128, FT_AES256};

static void md5_of(const char *name, uint8_t out[static HASH_MD5_BYTES])
{
	struct buf b = {0};
	struct hash_md5 h;

	slurp(name, &b);
	hash_md5_begin(&h);
	hash_md5_add(&h, b.p, b.n);
	hash_md5_end(&h, out);
	buf_free(&b);
}

/* There and back again. */
static void round_trip(enum ft_cipher cipher, size_t n)
{
	uint8_t md5[HASH_MD5_BYTES];

	make_input(n);
	md5_of(".in", md5);
	start_server();
	if (client_writes(cipher, "name") != 0) {
		fail_msg("%s, %zu bytes: %s", ft_cipher_name(cipher), n, e.text);
	}
	assert_int_equal(end_server(), 0);
	assert_int_equal(job.done, n);
	assert_int_equal(job.total, n);
	assert_memory_equal(job.md5, md5, sizeof md5);
	assert_same(".in", "name");
	start_server();
	if (client_reads(cipher, "name") != 0) {
		fail_msg("%s, %zu bytes: %s", ft_cipher_name(cipher), n, e.text);
	}
	assert_int_equal(end_server(), 0);
	assert_int_equal(job.done, n);
	assert_memory_equal(job.md5, md5, sizeof md5);
	assert_same(".in", "out");
	assert_int_equal(unlinkat(folder.fd, "name", 0), 0);
}

static const size_t sizes[] = {0, 1, 15, 16, 17, FT_CHUNK - 1, FT_CHUNK, FT_CHUNK + 1, 4 * FT_CHUNK,
	4 * FT_CHUNK + 1, 1000000};

static void every_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ciphers); i++) {
		for (size_t j = 0; j < COUNT(sizes); j++) {
			round_trip(ciphers[i], sizes[j]);
		}
	}
}

static void odd_ways(void **state)
{
	(void)state;
	odd = true;
	for (size_t i = 0; i < COUNT(ciphers); i++) {
		between_server = false;
		round_trip(ciphers[i], 100000);
		between_server = true;
		round_trip(ciphers[i], 100000);
	}
}

/* Holes are sent as zeros. */
static void holes(void **state)
{
	int fd;

	(void)state;
	make_input(FT_CHUNK + 1);
	fd = openat(folder.fd, ".in", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, 1000001), 0);
	assert_int_equal(pwrite(fd, "end", 3, 3000000), 3);
	assert_int_equal(ftruncate(fd, 3500000), 0);
	(void)close(fd);
	for (size_t i = 0; i < COUNT(ciphers); i++) {
		start_server();
		assert_int_equal(client_writes(ciphers[i], "name"), 0);
		assert_int_equal(end_server(), 0);
		assert_same(".in", "name");
		start_server();
		assert_int_equal(client_reads(ciphers[i], "name"), 0);
		assert_int_equal(end_server(), 0);
		assert_same(".in", "out");
		assert_int_equal(unlinkat(folder.fd, "name", 0), 0);
	}
}

/* --- keys --- */

static void assert_key(enum ft_cipher cipher, const char *text, const char *want)
{
	struct ft_secret s;
	uint8_t key[FT_KEY_MAX];

	use_secret(&s, text);
	assert_int_equal(ft_founding_key(cipher, &s, key), strlen(want));
	assert_memory_equal(key, want, strlen(want));
}

static void keys(void **state)
{
	(void)state;
	assert_key(FT_AES128, "abc", "abcabcabcabcabca");
	assert_key(FT_AES256, "abc", "abcabcabcabcabcabcabcabcabcabcab");
	assert_key(FT_AES128, "x", "xxxxxxxxxxxxxxxx");
	assert_key(FT_AES128, "0123456789abcdef", "0123456789abcdef");
	assert_key(FT_AES128, "0123456789abcdefg", "0123456789abcdef");
	assert_key(FT_AES256, "0123456789abcdefg", "0123456789abcdefg0123456789abcde");
	assert_key(FT_AES256, "0123456789abcdefghijklmnopqrstuvwxyz",
		"0123456789abcdefghijklmnopqrstuv");
}

static void numbers(void **state)
{
	static const struct {
		uint8_t before[FT_NONCE], behind[FT_NONCE];
	} rows[] = {
		{{0}, {[15] = 1}},
		{{[15] = 255}, {[14] = 1}},
		{{[14] = 7, [15] = 255}, {[14] = 8}},
		{{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255},
			{0}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t number[FT_NONCE];
		memcpy(number, rows[i].before, sizeof number);
		ft_founding_next_number(number);
		assert_memory_equal(number, rows[i].behind, sizeof number);
	}
}

/* The secrets differ, and the keys do not: what no derivation means. */
static void equal_keys(void **state)
{
	(void)state;
	use_secret(&client_secret, "ab");
	use_secret(&server_secret, "abababababababababababababababababab");
	round_trip(FT_AES256, 5);
}

/* --- every byte --- */

static const char frame_confirmed[] = "00000003000000010000000000000000"
				      "01";

/* What the client wrote, but for the IV; and all that the server has to say. */
static void bytes_in_the_clear(void **state)
{
	static const char want[] = "00000000000000110000000000000000"  /* handshake, 17 bytes */
				   "00"                                /* none */
				   "00000002000000040000000000000000"  /* write_file, 4 bytes */
				   "6e616d65"                          /* the name */
				   "00000002000000030000000000000000"  /* write_file: a chunk */
				   "616263"                            /* its data */
				   "00000005000000100000000000000000"  /* eof, 16 bytes */
				   "900150983cd24fb0d6963f7d28e17f72"; /* the MD5 of "abc" */
	char hex[2 * 512];
	size_t n;

	(void)state;
	spew_text(".in", "abc");
	start_server();
	assert_int_equal(client_writes(FT_NONE, "name"), 0);
	assert_int_equal(end_server(), 0);
	n = FT_HEADER + FT_HANDSHAKE_BYTES;
	assert_int_equal(recorded.n, n + FT_HEADER + 4 + FT_HEADER + 3 + FT_HEADER + 16);
	memmove(recorded.p + n - FT_IV, recorded.p + n, recorded.n - n);
	hex_encode(hex, recorded.p, recorded.n - FT_IV);
	assert_string_equal(hex, want);
}

/* The server's: the confirmation of the handshake, of the request, the chunk and the eof. */
static void servers_bytes(void **state)
{
	static const char behind[] = "00000002000000030000000000000000"
				     "616263"
				     "00000005000000100000000000000000"
				     "900150983cd24fb0d6963f7d28e17f72";
	static const uint8_t request[] = {[3] = FT_HANDSHAKE,
		[7] = 17,
		[16 + 17 + 3] = FT_READ_FILE,
		[16 + 17 + 7] = 4,
		[16 + 17 + 16] = 'n',
		'a',
		'm',
		'e'};
	uint8_t reply[256];
	char hex[2 * sizeof reply + 1], want[2 * sizeof reply];
	size_t n;

	(void)state;
	spew_text("name", "abc");
	start_server();
	assert_int_equal(conn_write(&conn, request, sizeof request, &e), 0);
	assert_int_equal(conn_read_exact(&conn, reply, sizeof reply, &n, &e), CONN_EOF);
	assert_int_equal(end_server(), 0);
	hex_encode(hex, reply, n);
	(void)snprintf(want, sizeof want, "%s%s%s", frame_confirmed, frame_confirmed, behind);
	assert_string_equal(hex, want);
}

/* What the client wrote, decrypted as one stream: the response, and then each header and each
 * payload with a padding of its own. */
static void bytes_sealed(void **state)
{
	static const char want[] = "10101010101010101010101010101010"
				   "00000002000000040000000000000000"
				   "10101010101010101010101010101010"
				   "6e616d650c0c0c0c0c0c0c0c0c0c0c0c"
				   "00000002000000100000000000000000"
				   "10101010101010101010101010101010"
				   "30313233343536373839616263646566"
				   "10101010101010101010101010101010"
				   "00000005000000100000000000000000"
				   "10101010101010101010101010101010"
				   "4032af8d61035123906e58e067140cc5" /* md5sum says so */
				   "10101010101010101010101010101010";
	size_t first = FT_HEADER + FT_HANDSHAKE_BYTES;
	uint8_t key[FT_KEY_MAX];
	char hex[2 * 512];
	struct cbc stream;

	(void)state;
	spew_text(".in", "0123456789abcdef");
	for (size_t i = 1; i < COUNT(ciphers); i++) {
		start_server();
		assert_int_equal(client_writes(ciphers[i], "name"), 0);
		assert_int_equal(end_server(), 0);
		assert_int_equal(recorded.p[FT_HEADER], i);
		assert_int_equal(recorded.n, first + AES_BLOCK + (sizeof want - 1) / 2);
		size_t n = ft_founding_key(ciphers[i], &client_secret, key);
		assert_int_equal(cbc_init(&stream, key, n, recorded.p + first - FT_IV), 0);
		cbc_decrypt(&stream, recorded.p + first, recorded.n - first);
		hex_encode(hex, recorded.p + first + AES_BLOCK, recorded.n - first - AES_BLOCK);
		assert_string_equal(hex, want);
		assert_int_equal(unlinkat(folder.fd, "name", 0), 0);
	}
}

/* --- what people are told --- */

static struct buf traced;

static void take_line(void *arg, const char *line)
{
	assert_ptr_equal(arg, &traced);
	assert_int_equal(buf_append_str(&traced, line), 0);
	assert_int_equal(buf_append(&traced, "\n", 2), 0); /* with a NUL, */
	traced.n--;                                        /* which is not counted */
}

static void told(void **state)
{
	const struct ft_login login = {FT_AES128, &client_secret, take_line, &traced};
	struct buf log = {0};
	struct source from;
	int fd;

	(void)state;
	spew_text(".in", "abc");
	fd = openat(folder.fd, ".in", O_RDONLY | O_CLOEXEC);
	assert_int_equal(source_over(&from, fd, &e), 0);
	job = (struct ft_job){.sends = true, .from = &from, .name = "name"};
	start_server();
	assert_int_equal(ft_founding_run(&conn, &login, &job, &e), 0);
	assert_int_equal(end_server(), 0);
	(void)close(fd);
	assert_contains((char *)traced.p, "> handshake, in the clear: cipher aes128, IV ");
	assert_contains((char *)traced.p, "< challenge");
	assert_contains((char *)traced.p, "> eof, MD5 900150983cd24fb0d6963f7d28e17f72\n");
	slurp(".log", &log);
	assert_contains((char *)log.p, "Cipher: aes128\n");
	assert_contains((char *)log.p, "IV: ");
	assert_contains((char *)log.p, "Sending challenge...\n");
	assert_contains((char *)log.p, "Received good response. Initializing communication.\n");
	assert_contains(
		(char *)log.p, "File confirmed, checksum: 900150983cd24fb0d6963f7d28e17f72\n");
	buf_free(&log);
	buf_free(&traced);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOUNDING("files of every size go there and back with every cipher", every_size),
		T_FOUNDING("short reads and writes, EINTR and EAGAIN are invisible", odd_ways),
		T_FOUNDING("holes arrive as zeros", holes),
		T("a secret is repeated and cut to a key, and nothing else", keys),
		T_FOUNDING("secrets that repeat to one key are one", equal_keys),
		T("the number behind 2^128 - 1 is 0", numbers),
		T_FOUNDING("none: the client writes these bytes", bytes_in_the_clear),
		T_FOUNDING("none: the server writes these bytes", servers_bytes),
		T_FOUNDING("aes128, aes256: the client encrypts these bytes", bytes_sealed),
		T_FOUNDING("both sides tell what happens, in the founding words", told),
	};
	return RUN(tests);
}
