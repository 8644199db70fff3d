/* Address lists; see rfc5322_address.h. */
#include "rfc5322_address.h"

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* RFC 5322 3.2.3, and RFC 6532 3.2 for what is beyond ASCII. */
static bool is_atext(uint8_t c)
{
	return c > ' ' && c != 0x7f && strchr("()<>[]:;@\\,.\"", c) == NULL;
}

static uint8_t peek(const struct cursor *c)
{
	return c->n > 0 ? c->p[0] : 0;
}

static void advance(struct cursor *c, size_t n)
{
	c->p += n;
	c->n -= n;
}

/* --- what is passed over --- */

/* A comment, with those inside it (3.2.2). false: it does not end. */
static bool skip_comment(struct cursor *c)
{
	size_t depth = 0;

	while (c->n > 0) {
		uint8_t b = get_u8(c);
		if (b == '\\' && c->n > 0) {
			advance(c, 1);
		} else if (b == '(') {
			depth++;
		} else if (b == ')' && --depth == 0) {
			return true;
		}
	}
	return false;
}

static bool skip_blanks(struct cursor *c)
{
	while (c->n > 0) {
		if (is_space(c->p[0])) {
			advance(c, 1);
		} else if (c->p[0] != '(') {
			break;
		} else if (!skip_comment(c)) {
			return false;
		}
	}
	return true;
}

/* An encoded word (RFC 2047 2) in a display name: some writers leave commas in it as they are. Its
 * length, or 0. */
static size_t encoded_word(const struct cursor *c)
{
	size_t marks = 0;

	if (c->n < 2 || c->p[0] != '=' || c->p[1] != '?') {
		return 0;
	}
	for (size_t i = 2; i < c->n && c->p[i] > ' ' && c->p[i] < 0x7f; i++) {
		marks += c->p[i] == '?' ? 1 : 0;
		if (marks == 3) {
			return i + 1 < c->n && c->p[i + 1] == '=' ? i + 2 : 0;
		}
	}
	return 0;
}

/* --- words --- */

/* One byte more of a half that holds `max`. Control characters are in no address. */
static bool put(char *out, size_t max, size_t *n, uint8_t b)
{
	if (*n == max || b < ' ' || b == 0x7f) {
		return false;
	}
	out[(*n)++] = (char)b;
	return true;
}

/* A quoted string (3.2.4) without its quotes. out NULL: it is passed over. */
static bool take_quoted(struct cursor *c, char *out, size_t max, size_t *n)
{
	advance(c, 1);
	while (c->n > 0) {
		uint8_t b = get_u8(c);
		if (b == '"') {
			return true;
		}
		if (b == '\r' || b == '\n') { /* a fold: its blank stays */
			continue;
		}
		if (b == '\\' && c->n > 0) {
			b = get_u8(c);
		}
		if (out != NULL && !put(out, max, n, b == '\t' ? ' ' : b)) {
			return false;
		}
	}
	return false;
}

static bool take_atom(struct cursor *c, char *out, size_t max, size_t *n)
{
	if (!is_atext(peek(c))) {
		return false;
	}
	while (is_atext(peek(c))) {
		if (!put(out, max, n, get_u8(c))) {
			return false;
		}
	}
	return true;
}

/* [...], as it stands but for its blanks (3.4.1). */
static bool take_literal(struct cursor *c, char *out, size_t max, size_t *n)
{
	uint8_t b;

	do {
		b = get_u8(c);
		if (!is_space(b) && (b == '\\' || b == '<' || b == '>' || b == '"' || b > 0x7e ||
					    !put(out, max, n, b))) {
			return false;
		}
	} while (b != ']' && c->n > 0 && peek(c) != '[');
	return b == ']';
}

/* Words with dots between them; around each there may be blanks and comments (4.4). quotes: one of
 * them may be a quoted string. */
static bool take_dotted(struct cursor *c, bool quotes, char *out, size_t max)
{
	size_t n = 0;

	for (;;) {
		bool word =
			skip_blanks(c) && (quotes && peek(c) == '"' ? take_quoted(c, out, max, &n)
								    : take_atom(c, out, max, &n));
		if (!word || !skip_blanks(c)) {
			return false;
		}
		if (peek(c) != '.') {
			out[n] = '\0';
			return true;
		}
		if (!put(out, max, &n, get_u8(c))) {
			return false;
		}
	}
}

/* local[@domain] */
static bool take_spec(struct cursor *c, struct rfc5322_mailbox *m)
{
	size_t n = 0;

	m->domain[0] = '\0';
	if (!take_dotted(c, true, m->local, RFC5322_LOCAL_MAX) || m->local[0] == '\0') {
		return false; /* an empty one would be the null path */
	}
	if (peek(c) != '@') {
		return true;
	}
	advance(c, 1);
	if (!skip_blanks(c)) {
		return false;
	}
	if (peek(c) != '[') {
		return take_dotted(c, false, m->domain, RFC5322_DOMAIN_MAX);
	}
	if (!take_literal(c, m->domain, RFC5322_DOMAIN_MAX, &n) || !skip_blanks(c)) {
		return false;
	}
	m->domain[n] = '\0';
	return true;
}

/* <@relay,@relay:local@domain>, of which the route says nothing any more (RFC 5321 4.1.1.3). */
static bool take_angled(struct cursor *c, struct rfc5322_mailbox *m)
{
	advance(c, 1);
	if (!skip_blanks(c)) {
		return false;
	}
	if (peek(c) == '@' || peek(c) == ',') {
		while (c->n > 0 && strchr(":<>\"", peek(c)) == NULL) {
			advance(c, 1);
		}
		if (get_u8(c) != ':') {
			return false;
		}
	}
	return take_spec(c, m) && get_u8(c) == '>' && skip_blanks(c);
}

/* --- the list --- */

/* The byte that says what stands here: '<' behind a display name, ':' behind a group's; ',' ';' or
 * 0: the address itself. *c goes to it only for the first two. -1: something does not end. */
static int look_ahead(struct cursor *c)
{
	struct cursor ahead = *c;
	bool at = false;
	size_t n = 0;

	while (ahead.n > 0) {
		uint8_t b = peek(&ahead);
		size_t word = encoded_word(&ahead);
		if (word > 0) {
			advance(&ahead, word);
		} else if (b == '"' ? !take_quoted(&ahead, NULL, 0, &n)
				    : b == '(' && !skip_comment(&ahead)) {
			return -1;
		} else if (b == '[') {
			const uint8_t *end = memchr(ahead.p, ']', ahead.n);
			if (end == NULL) {
				return -1;
			}
			advance(&ahead, (size_t)(end - ahead.p));
		} else if (b == ':' && at) { /* no group is named so */
			return -1;
		} else if (b == '<' || b == ':') {
			*c = ahead;
			return b;
		} else if (b == ',' || b == ';') {
			return b;
		} else if (b != '"' && b != '(') {
			at = at || b == '@';
			advance(&ahead, 1);
		}
	}
	return 0;
}

/* What stands between two commas. 1, 0: the name of a group, or -1. */
static int take_item(struct cursor *c, struct rfc5322_mailbox *m)
{
	int kind = look_ahead(c);
	bool whole;

	if (kind == ':') {
		advance(c, 1);
		return 0;
	}
	whole = kind >= 0 && (kind == '<' ? take_angled(c, m) : take_spec(c, m));
	return whole && (c->n == 0 || peek(c) == ',' || peek(c) == ';') ? 1 : -1;
}

int rfc5322_address_next(struct cursor *c, struct rfc5322_mailbox *m)
{
	struct cursor at = *c;
	int rc = 0;

	while (rc == 0) {
		if (!skip_blanks(&at)) {
			rc = -1;
		} else if (at.n == 0) {
			*c = at;
			return 0;
		} else if (peek(&at) == ',' || peek(&at) == ';') {
			advance(&at, 1);
		} else {
			*c = at; /* where it is, if it is none */
			rc = take_item(&at, m);
		}
	}
	if (rc > 0) {
		*c = at;
	}
	return rc;
}

int rfc5322_address_parse(struct message_part text, struct rfc5322_mailbox *m)
{
	struct cursor c = cursor_over(text.p, text.n);
	struct rfc5322_mailbox more;

	return rfc5322_address_next(&c, m) == 1 && rfc5322_address_next(&c, &more) == 0 ? 0 : -1;
}

/* --- writing --- */

static bool is_dot_atom(const char *s)
{
	for (size_t i = 0; s[i] != '\0'; i++) {
		bool dot = s[i] == '.';
		if (dot ? i == 0 || s[i + 1] == '.' || s[i + 1] == '\0'
			: !is_atext((uint8_t)s[i])) {
			return false;
		}
	}
	return s[0] != '\0';
}

int rfc5322_address_put(struct buf *out, const struct rfc5322_mailbox *m)
{
	char quoted[2 * RFC5322_LOCAL_MAX + 3];
	size_t n = 0;

	if (is_dot_atom(m->local)) {
		n = (size_t)snprintf(quoted, sizeof quoted, "%s", m->local);
	} else {
		quoted[n++] = '"';
		for (const char *s = m->local; *s != '\0'; s++) {
			if (*s == '"' || *s == '\\') {
				quoted[n++] = '\\';
			}
			quoted[n++] = *s;
		}
		quoted[n++] = '"';
	}
	if (buf_append(out, quoted, n) != 0) {
		return -1;
	}
	return m->domain[0] == '\0'                                                   ? 0
	       : buf_append_str(out, "@") != 0 || buf_append_str(out, m->domain) != 0 ? -1
										      : 0;
}
