/* The SMTP door's parties for its harness: accounts and a store in memory, and a client that
 * follows a script. Everything in it is of one session, and begun anew by begin_parties(). */
#ifndef T_FUZZ_SMTP_PARTIES_H
#define T_FUZZ_SMTP_PARTIES_H

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../../crypto/pem.h"
#include "../../crypto/tls.h"
#include "../../crypto/x509_make.h"
#include "../../proto/conn_tls.h"
#include "../../proto/smtp_session_server.h"

/* --- accounts: one text that never changes --- */

#define PHC                                                  \
	"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" \
	"+c6q23sQwLpOH1shdbgrn6Ho39DyRbsdY34ab5ZO+fs"

static char accounts_text[1024];

static int read_accounts(struct accounts_store *s, struct accounts_text *out, struct err *e)
{
	(void)s;
	(void)e;
	*out = (struct accounts_text){0};
	assert(buf_append_str(&out->text, accounts_text) == 0);
	return 0;
}

static int look_at_accounts(struct accounts_store *s, const struct accounts_version *version,
	bool *changed, struct err *e)
{
	(void)s;
	(void)version;
	(void)e;
	*changed = false;
	return 0;
}

static struct accounts_store accounts = {
	.ops = &(const struct accounts_ops){.read = read_accounts, .look = look_at_accounts},
	.name = "memory"};

/* client1 has CRAM-MD5 and SCRAM-SHA-256 too, client2 a plain password, client3 nothing. */
static void make_accounts(void)
{
	char cram[64], scram[SCRAM_TEXT_MAX];
	struct cram_states states;
	struct scram_verifier v;

	cram_states_of("password1", 9, &states);
	(void)base64_encode(cram, &states, sizeof states);
	assert(scram_make("password1", 9, "some salt", 9, SCRAM_ITERATIONS_MIN, &v) == 0);
	(void)scram_verifier_write(&v, scram);
	(void)snprintf(accounts_text, sizeof accounts_text,
		"{\"client1\": {\"password\": \"" PHC
		"\", \"cram_md5\": \"%s\", \"scram_sha256\": \"%s\"}, "
		"\"client2\": \"password2\", \"client3\": {}}",
		cram, scram);
}

/* --- a store: what was delivered --- */

enum { DELIVERED_MAX = 4096 };

static struct mailbox_draft {
	struct buf content; /* and the header's room ahead of it is not kept */
} draft;
static struct {
	char source[USER_NAME_MAX + 1];
	struct buf content;
	uint64_t chars;
} delivered[DELIVERED_MAX];
static size_t delivered_n;

static int64_t tell_time(struct mailbox *m)
{
	(void)m;
	return 1795252056515771;
}

static int begin_draft(struct mailbox *m, size_t head_n, struct mailbox_draft **out, struct err *e)
{
	(void)m;
	(void)e;
	assert(head_n > 0);
	draft.content.n = 0;
	*out = &draft;
	return 0;
}

static int append_draft(struct mailbox_draft *d, const void *p, size_t n, struct err *e)
{
	(void)e;
	assert(buf_append(&d->content, p, n) == 0);
	return 0;
}

static bool is_user(const char *name)
{
	return strlen(name) == 7 && strncmp(name, "client", 6) == 0 && name[6] >= '1' &&
	       name[6] <= '3';
}

static int deliver_draft(struct mailbox_draft *d, const struct mailbox_delivery *delivery,
	bool *again, struct err *e)
{
	const struct users_list *to = delivery->to;

	(void)e;
	assert(to->n >= 1 && to->n <= 3 && delivered_n < DELIVERED_MAX);
	for (size_t i = 0; i < to->n; i++) {
		assert(is_user(to->names[i]));
	}
	memcpy(delivered[delivered_n].source, delivery->meta->source, USER_NAME_MAX + 1);
	delivered[delivered_n].content = d->content;
	delivered[delivered_n++].chars = delivery->meta->chars;
	d->content = (struct buf){0};
	*again = false;
	return 0;
}

static void discard_draft(struct mailbox_draft *d)
{
	if (d != NULL) {
		buf_free(&d->content);
	}
}

static struct mailbox box = {.ops = &(const struct mailbox_ops){.now = tell_time,
				     .begin = begin_draft,
				     .append = append_draft,
				     .deliver = deliver_draft,
				     .discard = discard_draft}};

/* --- the client --- */

static struct tls_identity *identity;   /* the server's */
static struct buf chain_text, key_text; /* what it is made of: a session wipes its key */
static struct tls *tls;                 /* the client's end; NULL: none was begun */
static struct conn conn;                /* the server's end */
static struct buf said, heard;          /* text, beneath TLS or not */
static struct buf wire;                 /* to the server */
static size_t wire_at;
static struct cursor script;
static bool knew_password; /* an answer was made that is right */
static size_t piece_max;   /* how much a read or a write does */

static void make_identity(void)
{
	const struct x509_wish wish = {
		.names = {"localhost"}, .names_n = 1, .from = 0, .until = INT32_MAX};
	struct buf certificate = {0}, key = {0};

	assert(x509_make(&wish, &certificate, &key, NULL) == 0);
	assert(pem_encode(&chain_text, "CERTIFICATE", certificate.p, certificate.n) == 0);
	assert(pem_encode(&key_text, "PRIVATE KEY", key.p, key.n) == 0);
	buf_free(&certificate);
	buf_free(&key);
}

static void begin_tls(void)
{
	if (tls == NULL) {
		tls = tls_client(NULL, tls_identity_certificate(identity)->pin, NULL, NULL);
		assert(tls != NULL);
	}
}

/* What the client's end has for the server goes onto the wire. */
static void pump(void)
{
	const uint8_t *p;
	size_t n;

	while ((p = tls_out(tls, &n)) != NULL) {
		assert(buf_append(&wire, p, n) == 0);
		tls_out_done(tls, n);
	}
}

static void say(const void *p, size_t n)
{
	const uint8_t *s = p;
	uint8_t *room;
	size_t k;

	if (tls == NULL) {
		assert(buf_append(&said, p, n) == 0 && buf_append(&wire, p, n) == 0);
		return;
	}
	while (n > 0 && (room = tls_room(tls, &k)) != NULL) {
		k = k < n ? k : n;
		memcpy(room, s, k);
		assert(buf_append(&said, s, k) == 0);
		tls_room_done(tls, k);
		tls_flush(tls);
		pump();
		s += k;
		n -= k;
	}
}

static void say64(const char *lead, const void *p, size_t n)
{
	struct buf text = {0};

	assert(buf_append_str(&text, lead) == 0 && smtp_encode64(&text, p, n) == 0 &&
		buf_append(&text, "\r\n", 2) == 0);
	say(text.p, text.n);
	buf_free(&text);
}

/* The last reply, when it is a prompt of AUTH: its length, or 0. */
static size_t last_prompt(uint8_t *out, size_t cap)
{
	const uint8_t *line;
	int n;

	if (heard.n < 2 || heard.p[heard.n - 1] != '\n') {
		return 0;
	}
	line = memrchr(heard.p, '\n', heard.n - 1);
	line = line == NULL ? heard.p : line + 1;
	size_t line_n = (size_t)(heard.p + heard.n - line);
	if (line_n < 6 || memcmp(line, "334 ", 4) != 0) {
		return 0;
	}
	n = smtp_decode64(out, cap, line + 4, line_n - 6);
	assert(n >= 0);
	return (size_t)n;
}

static void answer_cram(bool right)
{
	uint8_t challenge[1024], digest[CRAM_BYTES];
	size_t n = last_prompt(challenge, sizeof challenge);
	char text[64] = "client1 ";
	struct cram_states states;

	cram_states_of("password1", 9, &states);
	cram_answer(&states, challenge, n, digest);
	digest[15] ^= right ? 0 : 1;
	hex_encode(text + 8, digest, sizeof digest);
	say64("", text, strlen(text));
	knew_password = knew_password || right;
}

static struct scram_client scram;
static void begin_scram(void)
{
	char text[SCRAM_MESSAGE_MAX];

	assert(scram_client_first(&scram, "client1", text, NULL) == 0);
	say64("AUTH SCRAM-SHA-256 ", text, strlen(text));
}

static void answer_scram(const char *password)
{
	char challenge[SCRAM_MESSAGE_MAX], text[SCRAM_MESSAGE_MAX];
	size_t n = last_prompt((uint8_t *)challenge, sizeof challenge);
	struct err e;

	if (scram_client_final(&scram, challenge, n, password, strlen(password), text, &e) == 0) {
		say64("", text, strlen(text));
		knew_password = knew_password || strcmp(password, "password1") == 0;
	}
}

/* Many of one byte, which no script would be long enough for. */
static void say_many(size_t n)
{
	static uint8_t many[255 * 256];

	memset(many, 'x', sizeof many);
	say(many, n);
}

/* The next words of the script; at its end, nothing. 1 waits for what the server has to say, and 2
 * is followed by something that a script cannot hold. */
static void say_next(void)
{
	const uint8_t *p = script.p;
	size_t n = 0;

	while (n < script.n && p[n] != 1 && p[n] != 2) {
		n++;
	}
	say(get_bytes(&script, n), n);
	if (n > 0 || get_u8(&script) != 2) {
		return;
	}
	switch (get_u8(&script)) {
	case 'c':
		answer_cram(true);
		break;
	case 'w':
		answer_cram(false);
		break;
	case 's':
		begin_scram();
		break;
	case 'f':
		answer_scram("password1");
		break;
	case 'g':
		answer_scram("password2");
		break;
	case 'n':
		say_many((size_t)256 * get_u8(&script));
		break;
	case 't':
		begin_tls();
		break;
	default:
		break;
	}
}

/* --- the connection --- */

static size_t piece(size_t n)
{
	return n < piece_max ? n : piece_max;
}

static ssize_t server_recv(int fd, void *p, size_t n, int how)
{
	(void)fd;
	(void)how;
	while (wire_at == wire.n) {
		if (tls != NULL) {
			pump();
		}
		if (wire_at < wire.n) {
			break;
		}
		if ((tls != NULL && !tls_is_ready(tls)) || script.n == 0) {
			return 0; /* the end */
		}
		say_next();
	}
	n = piece(n) < wire.n - wire_at ? piece(n) : wire.n - wire_at;
	memcpy(p, wire.p + wire_at, n);
	wire_at += n;
	return (ssize_t)n;
}

/* Records: the text in them is heard. */
static void take_records(const uint8_t *p, size_t n)
{
	const uint8_t *text;
	uint8_t *room;
	size_t k;

	while (n > 0 && (room = tls_in(tls, &k)) != NULL) {
		k = k < n ? k : n;
		memcpy(room, p, k);
		tls_in_done(tls, k);
		p += k;
		n -= k;
		while ((text = tls_text(tls, &k)) != NULL) {
			assert(buf_append(&heard, text, k) == 0);
			tls_text_done(tls, k);
		}
		pump();
	}
}

static ssize_t server_send(int fd, const void *p, size_t n, int how)
{
	(void)fd;
	(void)how;
	n = piece(n);
	if (tls != NULL) {
		take_records(p, n);
	} else if (!conn_is_tls(&conn)) { /* or it is an alert to who speaks no TLS */
		assert(buf_append(&heard, p, n) == 0);
	}
	return (ssize_t)n;
}

static void begin_parties(const uint8_t *p, size_t n)
{
	bool from_key;

	if (chain_text.n == 0) { /* once */
		make_identity();
		make_accounts();
	}
	tls_identity_free(identity);
	assert(tls_identity_parse(&identity, chain_text.p, chain_text.n, key_text.p, key_text.n,
		       &from_key, NULL) == 0);
	script = cursor_over(p, n);
	knew_password = false;
	said.n = heard.n = wire.n = wire_at = delivered_n = 0;
}

static void end_parties(void)
{
	for (size_t i = 0; i < delivered_n; i++) {
		buf_free(&delivered[i].content);
	}
	tls_free(tls);
	tls = NULL;
	scram_client_end(&scram);
}

#endif
