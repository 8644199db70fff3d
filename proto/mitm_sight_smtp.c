/* What an outsider sees of SMTP: everything, up to TLS; then records, their kinds and sizes. */
#include <strings.h>

#include "mitm_relay.h"

enum {
	PIECE = 65536,             /* of a line, or a message, that does not end */
	RECORD_HEAD = 5,           /* of TLS (RFC 5246 6.2.1) */
	RECORD_MAX = 16384 + 2048, /* bytes behind it */
	FIRST_TYPE = 20,
	DATA = 23 /* change_cipher_spec, ... and application_data */
};

/* --- where it ends --- */

/* Bytes that could be a record's head, as far as they are there. */
static bool is_record(const struct buf *b)
{
	return (b->n < 1 || (b->p[0] >= FIRST_TYPE && b->p[0] <= DATA)) &&
	       (b->n < 2 || b->p[1] == 3) &&
	       (b->n < RECORD_HEAD || (b->p[3] << 8 | b->p[4]) <= RECORD_MAX);
}

bool mitm_begins_tls(const struct buf *b)
{
	enum { HANDSHAKE = 22, CLIENT_HELLO = 1 };

	return b->n > RECORD_HEAD && is_record(b) && b->p[0] == HANDSHAKE &&
	       b->p[RECORD_HEAD] == CLIENT_HELLO;
}

static size_t cut_record(const struct buf *b)
{
	size_t n;

	if (!is_record(b)) {
		return b->n;
	}
	n = b->n < RECORD_HEAD ? SIZE_MAX : RECORD_HEAD + ((size_t)b->p[3] << 8 | b->p[4]);
	return b->n < n ? 0 : n;
}

/* The end of the line that begins at `at`; 0: it has not come. */
static size_t line_end(const struct buf *b, size_t at)
{
	const uint8_t *lf = at < b->n ? memchr(b->p + at, '\n', b->n - at) : NULL;

	return lf == NULL ? 0 : (size_t)(lf + 1 - b->p);
}

static size_t cut_reply(const struct buf *b)
{
	size_t at = 0, end;

	while ((end = line_end(b, at)) > 0) {
		if (end - at < 4 || b->p[at + 3] != '-') {
			return end;
		}
		at = end;
	}
	return 0;
}

static bool ends_in_crlf(const struct buf *b, size_t at, size_t end)
{
	return end >= at + 2 && b->p[end - 2] == '\r';
}

/* All whole lines that are there; that of the dot by itself. */
static size_t cut_text(const struct buf *b, bool mid_line)
{
	size_t at = 0, end;

	while ((end = line_end(b, at)) > 0) {
		if (!mid_line && end - at == 3 && memcmp(b->p + at, ".\r\n", 3) == 0) {
			return at > 0 ? at : end;
		}
		mid_line = !ends_in_crlf(b, at, end);
		at = end;
	}
	return at;
}

size_t mitm_cut_smtp(const struct relay *r, enum mitm_side from)
{
	const struct buf *b = &r->flow[from].in;
	size_t n;

	if (r->smtp.tls) {
		return cut_record(b);
	}
	n = from == MITM_SERVER ? cut_reply(b)
	    : r->smtp.text      ? cut_text(b, r->smtp.mid_line)
				: line_end(b, 0);
	return n > 0 ? n : b->n >= PIECE ? b->n : 0;
}

/* --- what it is --- */

bool mitm_is_command(const struct mitm_message *m, const char *verb)
{
	size_t n = strlen(verb);

	return m->kind == MITM_COMMAND && m->bytes.n > n &&
	       strncasecmp((const char *)m->bytes.p, verb, n) == 0 &&
	       (m->bytes.p[n] == ' ' || m->bytes.p[n] == '\r' || m->bytes.p[n] == '\n');
}

static unsigned code_of(const struct buf *b)
{
	uint64_t code;

	return b->n >= 4 && parse_decimal(b->p, 3, 599, &code) == 0 ? (unsigned)code : 0;
}

static enum mitm_kind look_reply(struct mitm_smtp *s, const struct buf *bytes)
{
	s->code = code_of(bytes);
	s->auth = s->code == 334;
	s->text = s->text || s->code == 354;
	s->tls = s->starttls && s->code == 220;
	s->is_hello = s->hello && s->code == 250;
	s->hello = s->hello && s->code == 220;
	return s->code == 0 ? MITM_OTHER : MITM_REPLY;
}

static enum mitm_kind look_text(struct mitm_smtp *s, const struct buf *b)
{
	const uint8_t *lf = memrchr(b->p, '\n', b->n - 1);
	size_t last = lf == NULL ? 0 : (size_t)(lf + 1 - b->p);

	if (!s->mid_line && b->n == 3 && memcmp(b->p, ".\r\n", 3) == 0) {
		s->text = false;
		return MITM_DOT;
	}
	s->mid_line = !(b->p[b->n - 1] == '\n' && ends_in_crlf(b, last, b->n));
	return MITM_TEXT;
}

static enum mitm_kind look_command(struct mitm_smtp *s, const struct buf *bytes)
{
	struct mitm_message m = {.kind = MITM_COMMAND, .bytes = *bytes};

	if (s->auth) {
		s->auth = false;
		return MITM_AUTH;
	}
	s->hello = s->hello || mitm_is_command(&m, "EHLO");
	s->starttls = s->starttls || mitm_is_command(&m, "STARTTLS");
	return MITM_COMMAND;
}

enum mitm_kind mitm_look_smtp(struct relay *r, enum mitm_side from, const struct buf *bytes)
{
	struct mitm_smtp *s = &r->smtp;

	if (s->tls) {
		s->sealed[from] += is_record(bytes) && bytes->p[0] == DATA ? 1 : 0;
		return is_record(bytes) ? MITM_TLS : MITM_OTHER;
	}
	if (from == MITM_SERVER) {
		return look_reply(s, bytes);
	}
	return s->text ? look_text(s, bytes) : look_command(s, bytes);
}

/* One process has one connection: the text lasts until the next call. */
const char *mitm_what_smtp(const struct mitm_message *m)
{
	static const char *const kinds[] = {[MITM_COMMAND] = "a command",
		[MITM_AUTH] = "an answer to AUTH",
		[MITM_REPLY] = "a reply"};
	static const char *const records[] = {"a TLS record: the cipher changes",
		"a TLS record: an alert", "a TLS record: the handshake", "a TLS record: sealed"};
	static char text[160];
	char shown[100];
	size_t n = line_end(&m->bytes, 0), first = n;

	if (m->kind == MITM_TLS) {
		return records[m->bytes.p[0] - FIRST_TYPE];
	}
	if (m->kind == MITM_TEXT || m->kind == MITM_DOT) {
		return m->kind == MITM_DOT ? "the message ends" : "the message, in the clear";
	}
	while (n > 0 && (m->bytes.p[n - 1] == '\r' || m->bytes.p[n - 1] == '\n')) {
		n--;
	}
	(void)escape_text(shown, sizeof shown, m->bytes.p, n, false);
	(void)snprintf(text, sizeof text, "%s: %s%s", kinds[m->kind], shown,
		first < m->bytes.n ? " ..." : "");
	return text;
}
