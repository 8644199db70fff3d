/* Content transfer encodings; see transfer.h. */
#include "transfer.h"

#include <strings.h>

#include "rfc5322.h"

enum { LINE = 76 /* characters of an encoded line, RFC 2045 6.7 and 6.8 */ };

static const char *const names[] = {[TRANSFER_7BIT] = "7bit",
	[TRANSFER_8BIT] = "8bit",
	[TRANSFER_BINARY] = "binary",
	[TRANSFER_QUOTED] = "quoted-printable",
	[TRANSFER_BASE64] = "base64"};

const char *transfer_name(enum transfer_how how)
{
	return names[how];
}

enum transfer_how transfer_find(struct message_part name)
{
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strlen(names[i]) == name.n &&
			strncasecmp(names[i], (const char *)name.p, name.n) == 0) {
			return (enum transfer_how)i;
		}
	}
	return name.n == 0 ? TRANSFER_7BIT : TRANSFER_OTHER;
}

/* --- which one? --- */

static bool is_literal(uint8_t c)
{
	return (c >= ' ' && c <= '~' && c != '=') || c == '\t';
}

void transfer_look(struct transfer_survey *s, const void *p, size_t n)
{
	static const char from[] = "From ";
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		if (s->line == s->quotes + s->matched) {
			if (s->matched == 0 && b[i] == '>') {
				s->quotes++;
			} else if (s->matched < sizeof from - 1 &&
				   b[i] == (uint8_t)from[s->matched]) {
				s->matched++;
				s->from = s->from || s->matched == sizeof from - 1;
			}
		}
		s->high += b[i] >= 0x80 ? 1 : 0;
		s->odd = s->odd || b[i] == '\0' || b[i] == '\r';
		if (b[i] == '\n') {
			s->line = s->quotes = s->matched = 0;
			continue;
		}
		s->tripled += is_literal(b[i]) ? 0 : 1;
		s->line++;
		s->longest = s->line > s->longest ? s->line : s->longest;
	}
	s->bytes += n;
	s->last = n > 0 ? b[n - 1] : s->last;
}

bool transfer_is_lines(const struct transfer_survey *s)
{
	return !s->odd && (s->bytes == 0 || s->last == '\n');
}

enum transfer_how transfer_choose(const struct transfer_survey *s)
{
	if (transfer_is_lines(s) && s->longest <= RFC5322_LINE_MAX && !s->from) {
		return s->high > 0 ? TRANSFER_8BIT : TRANSFER_7BIT;
	}
	return 6 * s->tripled <= s->bytes ? TRANSFER_QUOTED : TRANSFER_BASE64;
}

/* --- out --- */

void transfer_begin(struct transfer *t, enum transfer_how how, transfer_put *put, void *arg)
{
	t->how = how;
	t->put = put;
	t->arg = arg;
	t->column = t->held_n = t->out_n = 0;
	t->padded = t->open = false;
}

static int flush(struct transfer *t, struct err *e)
{
	size_t n = t->out_n;

	t->out_n = 0;
	return n == 0 ? 0 : t->put(t->arg, t->out, n, e);
}

static int add(struct transfer *t, const void *p, size_t n, struct err *e)
{
	if (t->out_n + n > sizeof t->out && flush(t, e) != 0) {
		return -1;
	}
	memcpy(t->out + t->out_n, p, n);
	t->out_n += n;
	return 0;
}

/* --- quoted-printable (RFC 2045 6.7) --- */

/* A character of a line, literal or as =HH; ahead of it a soft line break where it would not fit,
 * with room for the next one's "=". */
static int add_quoted(struct transfer *t, uint8_t c, bool literal, struct err *e)
{
	static const char hex[] = "0123456789ABCDEF";
	char text[3] = {'=', hex[c >> 4], hex[c & 15]};
	size_t n = literal ? 1 : 3;

	if (t->column + n > LINE - 1) {
		if (add(t, "=\n", 2, e) != 0) {
			return -1;
		}
		t->column = 0;
	}
	if (t->column == 0 && (c == 'F' || c == '>')) { /* no line may look like an mbox's From_ */
		n = 3;
		literal = false;
	}
	text[0] = literal ? (char)c : '=';
	t->column += n;
	t->open = true;
	return add(t, text, n, e);
}

/* A blank is literal, unless its line ends behind it. */
static int release_blank(struct transfer *t, bool literal, struct err *e)
{
	size_t n = t->held_n;

	t->held_n = 0;
	return n == 0 ? 0 : add_quoted(t, t->held[0], literal, e);
}

static int encode_quoted(struct transfer *t, const uint8_t *p, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (release_blank(t, p[i] != '\n', e) != 0) {
			return -1;
		}
		if (p[i] == ' ' || p[i] == '\t') {
			t->held[0] = p[i];
			t->held_n = 1;
		} else if (p[i] == '\n') {
			t->column = 0;
			t->open = false;
			if (add(t, "\n", 1, e) != 0) {
				return -1;
			}
		} else if (add_quoted(t, p[i], is_literal(p[i]), e) != 0) {
			return -1;
		}
	}
	return 0;
}

static bool is_transport_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* "=HH", or "=" and the end of its line (with blanks that were added on the way), or neither: then
 * it is text. */
static int decode_escape(struct transfer *t, uint8_t c, struct err *e)
{
	bool soft = t->held_n == 1 || is_transport_blank(t->held[1]);
	uint8_t byte;
	size_t n;

	if (soft && c == '\n') {
		t->held_n = 0;
		return 0;
	}
	t->held[t->held_n++] = c;
	n = t->held_n;
	if (n == 3 && !soft && hex_decode(&byte, 1, (const char *)t->held + 1, 2) == 0) {
		t->held_n = 0;
		return add(t, &byte, 1, e);
	}
	if ((soft && is_transport_blank(c) && n < sizeof t->held) || (n == 2 && is_hex(c))) {
		return 0;
	}
	t->held_n = 0;
	return add(t, t->held, n, e);
}

static int decode_quoted(struct transfer *t, const uint8_t *p, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (t->held_n > 0 && t->held[0] == '=') {
			if (decode_escape(t, p[i], e) != 0) {
				return -1;
			}
			continue;
		}
		if (is_transport_blank(p[i]) && t->held_n < sizeof t->held) {
			t->held[t->held_n++] = p[i];
			continue;
		}
		/* blanks at the end of a line were added on the way */
		if ((p[i] != '\n' && add(t, t->held, t->held_n, e) != 0)) {
			return -1;
		}
		t->held_n = 0;
		if (p[i] == '=') {
			t->held[t->held_n++] = '=';
		} else if (add(t, p + i, 1, e) != 0) {
			return -1;
		}
	}
	return 0;
}

/* --- base64 (RFC 2045 6.8) --- */

static int add_group(struct transfer *t, struct err *e)
{
	char text[8];
	size_t n = base64_encode(text, t->held, t->held_n);

	while (n < 4) {
		text[n++] = '=';
	}
	t->held_n = 0;
	t->column += 4;
	text[n++] = '\n';
	t->open = t->column < LINE;
	if (!t->open) {
		t->column = 0;
	}
	return add(t, text, t->open ? 4 : 5, e);
}

static int encode_base64(struct transfer *t, const uint8_t *p, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		t->held[t->held_n++] = p[i];
		if (t->held_n == 3 && add_group(t, e) != 0) {
			return -1;
		}
	}
	return 0;
}

static int damaged(struct err *e)
{
	return err_set(e, EX_DATAERR, "its base64 is damaged");
}

/* The group so far: 2, 3 or 4 characters. */
static int decode_group(struct transfer *t, struct err *e)
{
	uint8_t out[3];
	int k = base64_decode(out, sizeof out, (const char *)t->held, t->held_n);

	t->held_n = 0;
	return k > 0 ? add(t, out, (size_t)k, e) : damaged(e);
}

static int decode_base64(struct transfer *t, const uint8_t *p, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\r' || p[i] == '\n' || p[i] == ' ' || p[i] == '\t') {
			continue;
		}
		if (p[i] == '=' && (t->held_n >= 2 || t->padded)) {
			if (!t->padded && decode_group(t, e) != 0) {
				return -1;
			}
			t->padded = true;
			continue;
		}
		if (t->padded || p[i] == '=') {
			return damaged(e);
		}
		t->held[t->held_n++] = p[i];
		if (t->held_n == 4 && decode_group(t, e) != 0) {
			return -1;
		}
	}
	return 0;
}

/* --- the entrances --- */

int transfer_encode(struct transfer *t, const void *p, size_t n, struct err *e)
{
	switch (t->how) {
	case TRANSFER_QUOTED:
		return encode_quoted(t, p, n, e);
	case TRANSFER_BASE64:
		return encode_base64(t, p, n, e);
	default:
		return t->put(t->arg, p, n, e);
	}
}

int transfer_encode_end(struct transfer *t, struct err *e)
{
	if (t->how == TRANSFER_QUOTED) {
		/* text without a line end ends in a soft one */
		if (release_blank(t, false, e) != 0 || (t->open && add(t, "=\n", 2, e) != 0)) {
			return -1;
		}
	} else if (t->how == TRANSFER_BASE64) {
		if ((t->held_n > 0 && add_group(t, e) != 0) ||
			(t->open && add(t, "\n", 1, e) != 0)) {
			return -1;
		}
	}
	return flush(t, e);
}

int transfer_decode(struct transfer *t, const void *p, size_t n, struct err *e)
{
	switch (t->how) {
	case TRANSFER_QUOTED:
		return decode_quoted(t, p, n, e);
	case TRANSFER_BASE64:
		return decode_base64(t, p, n, e);
	default:
		return t->put(t->arg, p, n, e);
	}
}

int transfer_decode_end(struct transfer *t, struct err *e)
{
	if (t->how == TRANSFER_BASE64 && t->held_n > 0) {
		return damaged(e); /* without its padding it may have been cut */
	}
	if (t->how == TRANSFER_QUOTED && t->held_n > 0 && t->held[0] == '=') {
		/* "=" at the very end is a soft line break without its end */
		bool soft = t->held_n == 1 || is_transport_blank(t->held[1]);
		if (!soft && add(t, t->held, t->held_n, e) != 0) {
			return -1;
		}
	}
	t->held_n = 0;
	return flush(t, e);
}
