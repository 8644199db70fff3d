/* The founding wire of file transfer, decrypted: this process is the other side, has the key, and
 * shakes hands as it should; then it says the input, encrypted as one stream. Whatever it says,
 * nothing lands but a whole file.
 *
 * The input: a byte of flags, and what is said behind the handshake (with FLAG_RAW: from the first
 * byte, as it is). */
#include "folder.h"

#include <string.h>
#include <sys/stat.h>

#include "../../proto/ft_founding.h"
#include "../../proto/ft_server.h"

enum {
	FLAG_CIPHER = 3, /* modulo 3 */
	FLAG_CLIENT = 4, /* the client is under test, */
	FLAG_SENDS = 8,  /* and writes a file */
	FLAG_RAW = 16,
	FLAG_PIECES = 32 /* a byte at a time, so that nothing comes too early */
};

static const char text[] = "the file that is there";
static uint8_t flags;
static enum ft_cipher cipher;
static struct ft_secret secret;
static struct buf heard, said; /* by the other side: this process */
static size_t said_at;
static const uint8_t *input;
static size_t input_n;
static struct ft_founding other;
static enum { BEGIN, CHALLENGED, ENDED } stage;

static void say(const void *p, size_t n)
{
	assert(buf_append(&said, p, n) == 0);
}

/* What is left of the input, encrypted. */
static void say_input(void)
{
	size_t n = input_n, first = said.n;

	if (other.sealed) {
		n -= n % AES_BLOCK;
	}
	say(input, n);
	if (other.sealed && n > 0) {
		cbc_encrypt(&other.out_stream, said.p + first, n);
	}
	stage = ENDED;
}

static void say_number(uint8_t number[static FT_NONCE])
{
	uint8_t block[FT_RESPONSE];

	memcpy(block, number, FT_NONCE);
	aes_pad(block, FT_NONCE);
	cbc_encrypt(&other.out_stream, block, sizeof block);
	say(block, sizeof block);
}

/* As the server's peer: a handshake with an IV of zeros, and the response. */
static void go_on_as_client(void)
{
	static const uint8_t iv[FT_IV];
	uint8_t hello[FT_HEADER + FT_HANDSHAKE_BYTES] = {
		[7] = FT_HANDSHAKE_BYTES, [FT_HEADER] = (uint8_t)cipher};

	if (stage == BEGIN) {
		say(hello, sizeof hello);
		ft_founding_seal(&other, cipher, &secret, iv);
		stage = CHALLENGED;
		if (other.sealed) {
			return;
		}
	}
	if (other.sealed) {
		assert(heard.n == FT_RESPONSE);
		cbc_decrypt(&other.in_stream, heard.p, FT_RESPONSE);
		ft_founding_next_number(heard.p);
		say_number(heard.p);
	}
	say_input();
}

/* As the client's: a challenge. */
static void go_on_as_server(void)
{
	uint8_t number[FT_NONCE] = {1};

	assert(heard.n == FT_HEADER + FT_HANDSHAKE_BYTES);
	ft_founding_seal(&other, cipher, &secret, heard.p + FT_HEADER + 1);
	if (other.sealed) {
		say_number(number);
	}
	say_input();
}

static ssize_t take(int fd, void *p, size_t n, int how)
{
	size_t left;

	(void)fd;
	(void)how;
	if (said_at == said.n && stage != ENDED) {
		if ((flags & FLAG_CLIENT) != 0) {
			go_on_as_server();
		} else {
			go_on_as_client();
		}
	}
	left = said.n - said_at;
	n = (flags & FLAG_PIECES) != 0 && n > 1 ? 1 : n;
	n = n < left ? n : left;
	if (n > 0) {
		memcpy(p, said.p + said_at, n);
		said_at += n;
	}
	return (ssize_t)n;
}

static ssize_t give(int fd, const void *p, size_t n, int how)
{
	(void)fd;
	(void)how;
	assert(buf_append(&heard, p, n) == 0);
	return (ssize_t)n;
}

static void put_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert(fd >= 0 && write(fd, text, sizeof text) == (ssize_t)sizeof text);
	(void)close(fd);
}

static int files;

static int count(const char *path, const struct stat *st, int type, struct FTW *where)
{
	size_t n = strlen(path);

	(void)st;
	(void)type;
	(void)where;
	assert(n < 5 || strcmp(path + n - 5, ".part") != 0);
	files++;
	return 0;
}

static void run_server(struct conn *c, int dir)
{
	static uint8_t salt[FT_SALT], psk[FT_PSK];
	struct ft_secret its = secret; /* it is wiped */
	const struct ft_host host = {.dir = dir,
		.secret = &its,
		.salt = salt,
		.psk = psk,
		.allowed = {true, true, true, true}};
	struct ft_report report;
	struct err e = {0};
	int rc = ft_serve(c, &host, &report, &e);

	files = 0;
	assert(nftw(fuzz_path, count, 4, FTW_PHYS) == 0);
	assert(files == (rc == 0 && strcmp(report.verb, "write") == 0 ? 3 : 2));
	assert(rc == 0 || (e.code != 0 && e.text[0] != '\0'));
}

static void run_client(struct conn *c, int dir)
{
	const struct ft_login login = {.cipher = cipher, .secret = &secret};
	struct ft_job job = {.sends = (flags & FLAG_SENDS) != 0, .name = "name"};
	struct source from;
	struct landing to;
	struct err e = {0};
	int rc;

	if (job.sends) {
		assert(source_open(&from, dir, "file", &e) == 0);
		job.from = &from;
	} else {
		assert(landing_open(&to, dir, "landed", FILE_NEW, false, &e) == 0);
		job.to = &to;
	}
	rc = ft_founding_run(c, &login, &job, &e);
	if (job.sends) {
		source_close(&from);
	} else {
		landing_end(&to, false);
	}
	files = 0;
	assert(nftw(fuzz_path, count, 4, FTW_PHYS) == 0);
	assert(files == (rc == 0 && !job.sends ? 3 : 2));
	assert(rc == 0 || (e.code != 0 && e.text[0] != '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conn c = {.fd = -1, .stop_fd = -1, .peer = "peer", .recv = take, .send = give};
	int dir;

	if (size == 0) {
		return 0;
	}
	flags = data[0];
	cipher = (enum ft_cipher)((flags & FLAG_CIPHER) % 3);
	input = data + 1;
	input_n = size - 1;
	secret = (struct ft_secret){"secret", 6};
	stage = BEGIN;
	said_at = said.n = heard.n = 0;
	ft_founding_begin(&other, &c);
	if ((flags & FLAG_RAW) != 0) {
		say_input();
	}
	dir = fuzz_make();
	put_file(dir, "file");
	if ((flags & FLAG_CLIENT) != 0) {
		run_client(&c, dir);
	} else {
		run_server(&c, dir);
	}
	fuzz_remove(dir);
	buf_free(&said);
	buf_free(&heard);
	return 0;
}
