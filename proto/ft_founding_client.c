/* The client of the founding wire; see ft.h. */
#include "ft_founding.h"

#include <stdarg.h>

#include "../crypto/bytes.h"
#include "../crypto/random.h"

static void say(const struct ft_login *login, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(const struct ft_login *login, const char *format, ...)
{
	char line[256];
	va_list args;

	if (login->trace != NULL) {
		va_start(args, format);
		(void)vsnprintf(line, sizeof line, format, args);
		va_end(args);
		login->trace(login->trace_arg, line);
	}
}

/* In the clear: whoever listens, or stands between, reads and chooses it. */
static int say_hello(struct ft_founding *f, const struct ft_login *login, uint8_t iv[static FT_IV],
	struct err *e)
{
	uint8_t hello[FT_HANDSHAKE_BYTES];
	char hex[2 * FT_IV + 1];

	if (random_bytes(iv, FT_IV, e) != 0) {
		return -1;
	}
	hello[0] = (uint8_t)login->cipher;
	memcpy(hello + 1, iv, FT_IV);
	hex_encode(hex, iv, FT_IV);
	say(login, "> handshake, in the clear: cipher %s, IV %s", ft_cipher_name(login->cipher),
		hex);
	return ft_founding_put(f, FT_HANDSHAKE, hello, sizeof hello, e);
}

/* A server that allows no such cipher says so in place of a challenge: a confirmation in the clear,
 * which is shorter than one, and the end. */
static int judge_refusal(
	const struct ft_founding *f, size_t got, const struct ft_login *login, struct err *e)
{
	static const uint8_t refusal[FT_HEADER + 1] = {[3] = FT_CONFIRMATION, [7] = 1};

	if (e->code == EX_PROTOCOL && got == sizeof refusal &&
		memcmp(f->in + f->start, refusal, sizeof refusal) == 0) {
		err_set(e, EX_NOPERM, "the server does not allow the cipher %s",
			ft_cipher_name(login->cipher));
	}
	return -1;
}

/* Nothing but the padding shows whether the server has the key, and a recorded challenge has it,
 * too. */
static int answer_challenge(struct ft_founding *f, const struct ft_login *login, struct err *e)
{
	uint8_t number[FT_NONCE];
	size_t padding, got;

	if (ft_founding_get_number(f, number, &padding, &got, e) != 0) {
		return judge_refusal(f, got, login, e);
	}
	if (padding != AES_BLOCK) {
		return err_set(e, EX_NOPERM, "the server does not have this key");
	}
	say(login, "< challenge: it decrypts, so whoever made it had the key");
	ft_founding_next_number(number);
	say(login, "> response: the number and 1");
	return ft_founding_put_number(f, number, e);
}

/* 1, or why not. */
static int take_confirmation(struct ft_founding *f, int code, const char *refused, struct err *e)
{
	uint8_t *p;
	size_t n;

	if (ft_founding_expect(f, FT_CONFIRMATION, &p, &n, e) != 0) {
		return -1;
	}
	return p[0] == 1 ? 0 : err_set(e, code, "%s", refused);
}

static int log_in(struct ft_founding *f, const struct ft_login *login, struct err *e)
{
	uint8_t iv[FT_IV];

	if (say_hello(f, login, iv, e) != 0) {
		return -1;
	}
	ft_founding_seal(f, login->cipher, login->secret, iv);
	if (f->sealed && answer_challenge(f, login, e) != 0) {
		return -1;
	}
	if (take_confirmation(f, EX_NOPERM,
		    f->sealed ? "the server does not take this key"
			      : "the server does not allow the cipher none",
		    e) != 0) {
		return -1;
	}
	say(login, "< confirmation");
	return 0;
}

static int request(
	struct ft_founding *f, const struct ft_login *login, struct ft_job *job, struct err *e)
{
	size_t n = strlen(job->name);

	if (n < 1 || n > FT_NAME_MAX) {
		return err_set(e, EX_DATAERR, "a name has 1 to %d bytes", FT_NAME_MAX);
	}
	say(login, "> %s", job->sends ? "write_file" : "read_file");
	if (ft_founding_put(f, job->sends ? FT_WRITE_FILE : FT_READ_FILE, job->name, n, e) != 0) {
		return -1;
	}
	return take_confirmation(f, EX_DATAERR, "the server refuses this file", e);
}

static int transfer(
	struct ft_founding *f, const struct ft_login *login, struct ft_job *job, struct err *e)
{
	char hex[2 * HASH_MD5_BYTES + 1];

	if ((job->sends ? ft_founding_send(f, job, e) : ft_founding_take(f, job, e)) != 0) {
		return -1;
	}
	hex_encode(hex, job->md5, sizeof job->md5);
	say(login, "%s eof, MD5 %s", job->sends ? ">" : "<", hex);
	if (!job->sends) {
		return 0;
	}
	f->idle_ms += FT_SYNC_MS;
	return take_confirmation(f, EX_DATAERR, "the server did not store the file", e);
}

static int run(
	struct ft_founding *f, const struct ft_login *login, struct ft_job *job, struct err *e)
{
	conn_deadline(f->conn, FT_LOGIN_MS);
	if (log_in(f, login, e) != 0 || request(f, login, job, e) != 0) {
		return -1;
	}
	f->idle_ms = FT_IDLE_MS;
	return transfer(f, login, job, e);
}

int ft_founding_run(struct conn *c, const struct ft_login *login, struct ft_job *job, struct err *e)
{
	struct ft_founding f;
	int rc;

	if (job->resume || (job->sends && job->force)) {
		return err_set(e, EX_USAGE, "the founding wire has no words for %s: use noise",
			job->resume ? "going on where a transfer broke" : "replacing a file");
	}
	ft_founding_begin(&f, c);
	rc = run(&f, login, job, e);
	wipe(&f, sizeof f);
	return rc;
}
