/* The noise wire of file transfer, decrypted: this process is the other side, has the key, and
 * shakes hands as it should; then it says the input, as sealed records. Whatever it says, nothing
 * gets a name but a file whose end came, and each answer is a sound record.
 *
 * The input: a byte of flags, and records (kind and body), each behind its length (2 bytes,
 * little-endian; what is longer than the rest is the rest). With FLAG_RAW it is said as it is. */
#include "folder.h"

#include <argon2.h>
#include <string.h>
#include <sys/stat.h>

#include "../../proto/ft_noise.h"
#include "../../proto/ft_server.h"

enum {
	FLAG_CLIENT = 1, /* the client is under test, */
	FLAG_SENDS = 2,  /* and writes a file, */
	FLAG_RESUMES = 4,
	FLAG_RAW = 8,    /* behind the opening and the salt */
	FLAG_FORGE = 16, /* the last record is forged */
	FLAG_PIECES = 32 /* a byte at a time */
};

/* libargon2's, in a hurry. */
int hurried_argon2id(argon2_context *c) __asm__("argon2id_ctx");
int hurried_argon2id(argon2_context *c)
{
	memset(c->out, 7, c->outlen);
	return ARGON2_OK;
}

static const char text[] = "the file that is there";
static const uint8_t salt[FT_SALT] = "sixteen bytes !!";
static uint8_t flags;
static struct cursor input;
static struct buf heard, said; /* by the other side: this process */
static size_t heard_at, said_at;
static struct noise handshake;
static struct noise_cipher tx, rx;
static enum { BEGIN, GREETED, ENDED } stage;

static void say(const void *p, size_t n)
{
	assert(buf_append(&said, p, n) == 0);
}

static void say_message(const uint8_t *p, size_t n)
{
	const uint8_t length[2] = {(uint8_t)(n >> 8), (uint8_t)n};

	say(length, sizeof length);
	say(p, n);
}

static void begin(bool initiator)
{
	uint8_t psk[FT_PSK], prologue[FT_PREFACE_BYTES + FT_SALT];
	const struct noise_setup setup = {.pattern = FT_NOISE_PATTERN,
		.initiator = initiator,
		.prologue = prologue,
		.prologue_n = sizeof prologue,
		.psks = {psk}};

	memset(psk, 7, sizeof psk);
	memcpy(prologue, FT_PREFACE, FT_PREFACE_BYTES);
	memcpy(prologue + FT_PREFACE_BYTES, salt, sizeof salt);
	assert(noise_begin(&handshake, &setup, NULL) == 0);
}

static void write_hello(void)
{
	uint8_t message[FT_NOISE_HELLO];
	size_t n;

	assert(noise_write(&handshake, NULL, 0, message, sizeof message, &n, NULL) == 0);
	say_message(message, n);
}

static void read_hello(void)
{
	uint8_t payload[FT_NOISE_HELLO];
	size_t n;

	assert(heard.n - heard_at == FT_NOISE_LENGTH + FT_NOISE_HELLO);
	heard_at += FT_NOISE_LENGTH;
	assert(noise_read(&handshake, heard.p + heard_at, FT_NOISE_HELLO, payload, &n, NULL) == 0);
	heard_at += FT_NOISE_HELLO;
}

static void say_input(void)
{
	static uint8_t record[NOISE_MESSAGE_MAX];
	size_t n;

	stage = ENDED;
	if ((flags & FLAG_RAW) != 0) {
		n = cursor_left(&input);
		say(get_bytes(&input, n), n);
		return;
	}
	assert(noise_split(&handshake, &tx, &rx, NULL) == 0);
	while (cursor_left(&input) >= 2) {
		n = get_u16le(&input);
		n = n < cursor_left(&input) ? n : cursor_left(&input);
		n = n < sizeof record - NOISE_TAG ? n : sizeof record - NOISE_TAG;
		if (n > 0) {
			memcpy(record, get_bytes(&input, n), n);
		}
		assert(noise_seal(&tx, record, n, NULL) == 0);
		if ((flags & FLAG_FORGE) != 0 && cursor_left(&input) < 2) {
			record[n] ^= 1;
		}
		say_message(record, n + NOISE_TAG);
	}
}

static void go_on_as_client(void)
{
	if (stage == BEGIN) {
		say(FT_PREFACE, FT_PREFACE_BYTES);
	} else if (heard_at == 0) {
		assert(heard.n == FT_SALT && memcmp(heard.p, salt, FT_SALT) == 0);
		heard_at = FT_SALT;
		if ((flags & FLAG_RAW) != 0) {
			say_input();
			return;
		}
		begin(true);
		write_hello();
	} else {
		read_hello();
		say_input();
	}
	stage = stage == BEGIN ? GREETED : stage;
}

static void go_on_as_server(void)
{
	if (stage == BEGIN) {
		assert(heard.n == FT_PREFACE_BYTES);
		heard_at = FT_PREFACE_BYTES;
		say(salt, sizeof salt);
		stage = GREETED;
	} else if ((flags & FLAG_RAW) != 0) {
		say_input();
	} else {
		begin(false);
		read_hello();
		write_hello();
		say_input();
	}
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
	return (ssize_t)n; /* 0: the end */
}

static ssize_t give(int fd, const void *p, size_t n, int how)
{
	(void)fd;
	(void)how;
	assert(buf_append(&heard, p, n) == 0);
	return (ssize_t)n;
}

/* --- what came of it --- */

/* Each record that was said to us opens, in its turn. */
static void check_answers(void)
{
	while (rx.has_key && heard_at < heard.n) {
		assert(heard.n - heard_at >= FT_NOISE_LENGTH);
		size_t n = (size_t)heard.p[heard_at] << 8 | heard.p[heard_at + 1];
		heard_at += FT_NOISE_LENGTH;
		assert(heard.n - heard_at >= n && n > NOISE_TAG);
		assert(noise_open(&rx, heard.p + heard_at, n, NULL) == 0);
		assert(heard.p[heard_at] < FT_NOISE_KINDS);
		heard_at += n;
	}
}

static void put_file(int dir, const char *name, size_t n)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert(fd >= 0 && write(fd, text, n) == (ssize_t)n);
	(void)close(fd);
}

static int files;

static int count(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	files += type == FTW_F && path[where->base] != '.' ? 1 : 0;
	return 0;
}

static void check_files(int rc, bool landed, const struct err *e)
{
	files = 0;
	assert(nftw(fuzz_path, count, 4, FTW_PHYS) == 0);
	assert(files == 1 || (files == 2 && rc == 0 && landed));
	assert(rc == 0 || (e->code != 0 && e->text[0] != '\0'));
}

static void run_server(struct conn *c, int dir)
{
	uint8_t psk[FT_PSK];
	const struct ft_host host = {
		.dir = dir, .salt = salt, .psk = psk, .allowed = {true, true, true, true}};
	struct ft_report report;
	struct err e = {0};

	memset(psk, 7, sizeof psk);
	int rc = ft_serve(c, &host, &report, &e);
	check_files(rc, strcmp(report.verb, "write") == 0, &e);
}

static void run_client(struct conn *c, int dir)
{
	const struct ft_secret secret = {"secret", 6};
	const struct ft_login login = {.cipher = FT_NOISE, .secret = &secret};
	struct ft_job job = {.sends = (flags & FLAG_SENDS) != 0,
		.resume = (flags & FLAG_RESUMES) != 0,
		.name = "name"};
	struct source from;
	struct landing to;
	struct err e = {0};
	int rc;

	if (job.sends) {
		assert(source_open(&from, dir, "file", &e) == 0);
		job.from = &from;
	} else {
		assert(landing_open(&to, dir, "held", FILE_NEW, job.resume, &e) == 0);
		job.to = &to;
	}
	rc = ft_noise_run(c, &login, &job, &e);
	if (job.sends) {
		source_close(&from);
	} else {
		landing_end(&to, true);
	}
	check_files(rc, !job.sends, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conn c = {.fd = -1, .stop_fd = -1, .peer = "peer", .recv = take, .send = give};
	int dir;

	if (size == 0) {
		return 0;
	}
	flags = data[0];
	input = cursor_over(data + 1, size - 1);
	stage = BEGIN;
	said_at = heard_at = said.n = heard.n = 0;
	tx.has_key = rx.has_key = false;
	dir = fuzz_make();
	put_file(dir, "file", sizeof text);
	put_file(dir, ".held.part", 8);
	if ((flags & FLAG_CLIENT) != 0) {
		run_client(&c, dir);
	} else {
		run_server(&c, dir);
	}
	check_answers();
	fuzz_remove(dir);
	buf_free(&said);
	buf_free(&heard);
	return 0;
}
