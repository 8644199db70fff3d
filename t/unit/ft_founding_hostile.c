/* The founding wire where one side, or who stands between, means harm, or breaks: nothing lands but
 * what was confirmed. What the wire lets through all the same is here, too: the lab lives by it. */
#include "founding.h"

#include <signal.h>
#include <sys/resource.h>

static const enum ft_cipher ciphers[] = {FT_NONE, FT_AES128, FT_AES256};

/* --- keys and ciphers --- */

static void wrong_keys(void **state)
{
	(void)state;
	use_secret(&client_secret, "another");
	make_input(1000);
	for (size_t i = 1; i < COUNT(ciphers); i++) {
		start_server();
		assert_refused(client_writes(ciphers[i], "name"), e, EX_NOPERM);
		assert_string_equal(e.text, "the server does not have this key");
		assert_int_equal(end_server(), EX_NOPERM);
		assert_nothing();
	}
}

static void ciphers_not_allowed(void **state)
{
	(void)state;
	make_input(1000);
	for (size_t i = 0; i < COUNT(ciphers); i++) {
		host.allowed[ciphers[i]] = false;
		start_server();
		assert_refused(client_writes(ciphers[i], "name"), e, EX_NOPERM);
		assert_contains(e.text, ft_cipher_name(ciphers[i]));
		assert_int_equal(end_server(), EX_NOPERM);
		host.allowed[ciphers[i]] = true;
	}
	host.secret = NULL;
	start_server();
	assert_refused(client_writes(FT_AES256, "name"), e, EX_NOPERM);
	assert_int_equal(end_server(), EX_NOPERM);
	assert_nothing();
}

static void no_words_for_it(void **state)
{
	const struct ft_login login = {.cipher = FT_NONE};
	struct landing to;
	struct source from;

	(void)state;
	job = (struct ft_job){.sends = true, .from = &from, .force = true, .name = "name"};
	assert_refused(ft_founding_run(&conn, &login, &job, &e), e, EX_USAGE);
	job = (struct ft_job){.to = &to, .resume = true, .name = "name"};
	assert_refused(ft_founding_run(&conn, &login, &job, &e), e, EX_USAGE);
}

/* --- cuts --- */

/* At every byte of what the client writes: nothing lands, and the server knows that it did not. */
static void cut_to_server(void **state)
{
	(void)state;
	spew_text(".in", "abc");
	for (size_t i = 0; i < COUNT(ciphers); i++) {
		cut_at = SIZE_MAX;
		start_server();
		assert_int_equal(client_writes(ciphers[i], "name"), 0);
		assert_int_equal(end_server(), 0);
		assert_int_equal(unlinkat(folder.fd, "name", 0), 0);
		for (size_t all = recorded.n, n = 0; n < all; n++) {
			cut_at = n;
			start_server();
			assert_int_equal(client_writes(ciphers[i], "name"), -1);
			int code = wait_for_server();
			/* with no response at all: what a client without the key does */
			bool mute = ciphers[i] != FT_NONE && n == FT_HEADER + FT_HANDSHAKE_BYTES;
			assert_int_equal(code, mute ? EX_NOPERM : EX_PROTOCOL);
			assert_nothing();
		}
	}
}

/* At every byte of what the server writes. */
static void cut_to_client(void **state)
{
	(void)state;
	spew_text("name", "abc");
	between_server = true;
	for (size_t i = 0; i < COUNT(ciphers); i++) {
		size_t n = 0;
		int rc = -1;
		for (; rc != 0 && n < 1000; n++) {
			cut_at = n;
			start_server();
			rc = client_reads(ciphers[i], "name");
			assert_int_equal(rc == 0 || e.code == EX_PROTOCOL, 1);
			assert_int_equal(rc == 0, end_server() == 0);
			assert_int_equal(rc == 0, is_there("out"));
			assert_false(is_there(".out.part"));
		}
		size_t frames = 4 * FT_HEADER + 1 + 1 + 3 + HASH_MD5_BYTES;
		assert_int_equal(n - 1, ciphers[i] == FT_NONE ? frames
							      : FT_RESPONSE + 4 * FT_SEALED_HEADER +
									4 * AES_BLOCK + AES_BLOCK);
		assert_int_equal(unlinkat(folder.fd, "out", 0), 0);
	}
}

/* A write whose end the server never confirmed is not "sent". */
static void cut_confirmation(void **state)
{
	(void)state;
	spew_text(".in", "abc");
	between_server = true;
	for (size_t i = 0; i < COUNT(ciphers); i++) {
		cut_at = SIZE_MAX;
		start_server();
		assert_int_equal(client_writes(ciphers[i], "name"), 0);
		assert_int_equal(end_server(), 0);
		assert_int_equal(unlinkat(folder.fd, "name", 0), 0);
		/* what the server wrote is known to its process alone */
		cut_at = ciphers[i] == FT_NONE
				 ? 3 * (FT_HEADER + 1) - 1
				 : FT_RESPONSE + 3 * (FT_SEALED_HEADER + AES_BLOCK) - 1;
		start_server();
		assert_refused(client_writes(ciphers[i], "name"), e, EX_PROTOCOL);
		assert_int_not_equal(end_server(), 0);
		assert_int_equal(unlinkat(folder.fd, "name", 0), 0);
	}
}

/* --- bits --- */

/* Each bit of the data's frames: what lands is what was sent. A bit of what is never looked at is
 * not noticed. */
static void flipped(void **state)
{
	(void)state;
	spew_text(".in", "abc");
	for (size_t i = 0; i < COUNT(ciphers); i++) {
		bool sealed = ciphers[i] != FT_NONE;
		size_t first = FT_HEADER + FT_HANDSHAKE_BYTES, unnoticed = 0;
		first += sealed ? FT_RESPONSE + FT_SEALED_HEADER + AES_BLOCK : FT_HEADER + 4;
		size_t all = first + (sealed ? 2 * FT_SEALED_HEADER + 3 * AES_BLOCK
					     : 2 * FT_HEADER + 3 + HASH_MD5_BYTES);
		for (size_t bit = 8 * first; bit < 8 * all; bit += sealed ? 3 : 1) {
			flip_at = bit;
			cut_at = all; /* or a longer length would be waited for */
			start_server();
			bool ok = client_writes(ciphers[i], "name") == 0;
			assert_int_equal(ok, wait_for_server() == 0);
			assert_int_equal(ok, is_there("name"));
			if (ok) {
				assert_same(".in", "name");
				assert_int_equal(unlinkat(folder.fd, "name", 0), 0);
				unnoticed++;
			}
			assert_nothing();
		}
		assert_int_equal(unnoticed > 0, sealed);
	}
}

/* --- disks and files --- */

static void full_disk(void **state)
{
	struct rlimit little, before;

	(void)state;
	make_input(3000000);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	little = (struct rlimit){100000, before.rlim_max};
	for (size_t i = 0; i < COUNT(ciphers); i++) {
		(void)sigaction(SIGXFSZ, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
		start_server(); /* the limit is the child's, too */
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		assert_refused(client_writes(ciphers[i], "name"), e, EX_TEMPFAIL);
		assert_contains(e.text, "the other side says: ");
		assert_int_equal(end_server(), EX_TEMPFAIL);
		assert_nothing();
	}
}

/* The client cannot read its own file any more: the server is told, and keeps nothing. */
static void broken_source(void **state)
{
	struct source from;
	int fd;

	(void)state;
	make_input(100000);
	for (size_t i = 0; i < COUNT(ciphers); i++) {
		fd = openat(folder.fd, ".in", O_WRONLY | O_CLOEXEC);
		assert_int_equal(source_over(&from, fd, &e), 0);
		start_server();
		job = (struct ft_job){.sends = true, .from = &from};
		assert_int_equal(run_client(ciphers[i], "name"), -1);
		assert_int_not_equal(e.code, EX_PROTOCOL);
		assert_int_equal(end_server(), EX_TEMPFAIL);
		(void)close(fd);
		assert_nothing();
	}
}

static void silence(void **state)
{
	(void)state;
	host.login_ms = 50;
	start_server();
	assert_int_equal(wait_for_server(), EX_TEMPFAIL);
	host.login_ms = 20000;
	host.idle_ms = 50;
	put_opening();
	put_frame(FT_WRITE_FILE, 4, 0, "name", 4);
	start_server();
	assert_int_equal(conn_write(&conn, script.p, script.n, &e), 0);
	assert_int_equal(wait_for_server(), EX_TEMPFAIL);
	assert_nothing();
	buf_free(&script);
}

/* --- what the wire lets through --- */

/* Who knows the file changes its first 16 bytes by the padding ahead of it, which nobody looks at,
 * and its MD5 by the next: the server confirms a file that nobody sent. */
static ssize_t forging_send(int fd, const void *p, size_t n, int flags)
{
	static const char now[] = "pay bob 9000 EUR", was[] = "pay bob 0010 EUR";
	const size_t chunk = FT_SEALED_HEADER + 2 * AES_BLOCK;
	uint8_t wire[1000], md5_was[HASH_MD5_BYTES], md5_now[HASH_MD5_BYTES];
	struct hash_md5 h;

	assert_true(n <= sizeof wire);
	memcpy(wire, p, n);
	if (n == 2 * chunk) { /* the chunk and the eof, in one write */
		hash_md5_begin(&h);
		hash_md5_add(&h, was, AES_BLOCK);
		hash_md5_end(&h, md5_was);
		hash_md5_begin(&h);
		hash_md5_add(&h, now, AES_BLOCK);
		hash_md5_end(&h, md5_now);
		for (size_t i = 0; i < AES_BLOCK; i++) {
			wire[AES_BLOCK + i] ^= (uint8_t)(was[i] ^ now[i]);
			wire[chunk + AES_BLOCK + i] ^= md5_was[i] ^ md5_now[i];
		}
	}
	return send(fd, wire, n, flags);
}

static void forged_file(void **state)
{
	struct buf landed = {0};

	(void)state;
	spew_text(".in", "pay bob 0010 EUR");
	for (size_t i = 1; i < COUNT(ciphers); i++) {
		start_server();
		conn.send = forging_send;
		assert_int_equal(client_writes(ciphers[i], "name"), 0);
		assert_int_equal(end_server(), 0);
		slurp("name", &landed);
		assert_string_equal((char *)landed.p, "pay bob 9000 EUR");
		assert_int_equal(unlinkat(folder.fd, "name", 0), 0);
	}
	buf_free(&landed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_FOUNDING("another key is refused, and no file is asked for", wrong_keys),
		T_FOUNDING("a cipher that is not allowed is refused by name", ciphers_not_allowed),
		T_FOUNDING("what the wire has no words for is refused", no_words_for_it),
		T_FOUNDING("cut at each byte of the client's: nothing lands", cut_to_server),
		T_FOUNDING("cut at each byte of the server's: nothing lands", cut_to_client),
		T_FOUNDING("a file that was not confirmed was not sent", cut_confirmation),
		T_FOUNDING("a flipped bit is refused, or changes nothing", flipped),
		T_FOUNDING("a full disk is told while the client still sends", full_disk),
		T_FOUNDING("a file that cannot be read is not stored", broken_source),
		T_FOUNDING("a silent client is not waited for", silence),
		T_FOUNDING("a changed file with a changed checksum is confirmed", forged_file),
	};
	return RUN(tests);
}
