/* SMTP's lines and addresses; see smtp.h. */
#include "smtp.h"

#include <ctype.h>

#include "../crypto/bytes.h"

/* --- lines --- */

void smtp_lines_over(struct smtp_lines *l, struct conn *c)
{
	l->conn = c;
	l->start = l->end = l->scanned = l->used = 0;
	l->skipping = l->bare = false;
	l->last = 0;
}

void smtp_lines_wipe(struct smtp_lines *l)
{
	wipe(l->buffer, l->used); /* pages that were never touched stay so */
	smtp_lines_over(l, l->conn);
}

/* The LF that ends the line in hand; NULL: it has not come. */
static const uint8_t *find_end(const struct smtp_lines *l)
{
	size_t from = l->start + l->scanned;

	return memchr(l->buffer + from, '\n', l->end - from);
}

bool smtp_has_line(const struct smtp_lines *l)
{
	return find_end(l) != NULL;
}

bool smtp_has_more(const struct smtp_lines *l)
{
	return l->end > l->start;
}

/* Let go of what a line that is too long has so far: n >= 1 bytes, no LF among them. */
static void skip(struct smtp_lines *l, size_t n)
{
	const uint8_t *p = l->buffer + l->start;

	l->bare = l->bare || (l->skipping && l->last == '\r') || memchr(p, '\r', n - 1) != NULL;
	l->skipping = true;
	l->last = p[n - 1];
	l->start += n;
	l->scanned = 0;
}

/* Read more behind what is there. CONN_DATA, CONN_EOF, CONN_FAILED. */
static enum conn_got fill(struct smtp_lines *l, size_t max, struct err *e)
{
	size_t got;

	l->scanned = l->end - l->start;
	if (l->scanned > max + 1) {
		skip(l, l->scanned);
	}
	memmove(l->buffer, l->buffer + l->start, l->end - l->start);
	l->end -= l->start;
	l->start = 0;
	enum conn_got how =
		conn_read(l->conn, l->buffer + l->end, sizeof l->buffer - l->end, 0, &got, e);
	l->end += how == CONN_DATA ? got : 0;
	l->used = l->end > l->used ? l->end : l->used;
	return how;
}

enum conn_got smtp_peek(struct smtp_lines *l, uint8_t *first, struct err *e)
{
	enum conn_got how = l->end > l->start ? CONN_DATA : fill(l, SMTP_TEXT_MAX, e);

	*first = how == CONN_DATA ? l->buffer[l->start] : 0;
	return how;
}

/* The line up to this LF is taken: what was it? */
static enum smtp_got judge(
	struct smtp_lines *l, const uint8_t *lf, size_t max, const uint8_t **line, size_t *n)
{
	const uint8_t *start = l->buffer + l->start;
	size_t whole = (size_t)(lf - start);
	bool skipped = l->skipping, bare = l->bare || (skipped && whole > 0 && l->last == '\r');
	uint8_t before = whole > 0 ? lf[-1] : skipped ? l->last : 0;

	l->start += whole + 1;
	l->scanned = 0;
	l->skipping = l->bare = false;
	*line = start;
	*n = whole > 0 ? whole - 1 : 0;
	if (bare || before != '\r' || memchr(start, '\r', *n) != NULL) {
		return SMTP_BARE;
	}
	return skipped || *n > max ? SMTP_TOO_LONG : SMTP_LINE;
}

enum smtp_got smtp_line(
	struct smtp_lines *l, size_t max, const uint8_t **line, size_t *n, struct err *e)
{
	const uint8_t *lf;

	while ((lf = find_end(l)) == NULL) {
		enum conn_got how = fill(l, max, e);
		if (how == CONN_FAILED) {
			return SMTP_FAILED;
		}
		if (how == CONN_EOF && (l->skipping || l->end > l->start)) {
			err_set(e, EX_PROTOCOL, "the connection ended within a line");
			return SMTP_FAILED;
		}
		if (how == CONN_EOF) {
			return SMTP_EOF;
		}
	}
	return judge(l, lf, max, line, n);
}

/* --- addresses --- */

/* A source route, "@a,@b:", is passed over (RFC 5321 appendix C). */
static void pass_route(struct cursor *c)
{
	size_t n = 0;

	while (n < c->n && c->p[n] > ' ' && strchr("<>\":;()\\", c->p[n]) == NULL) {
		n++;
	}
	if (n < c->n && c->p[0] == '@' && c->p[n] == ':') {
		(void)get_bytes(c, n + 1);
	}
}

static bool put(char *out, size_t max, size_t *n, uint8_t byte)
{
	if (*n == max || byte < ' ' || byte == 0x7f) {
		return false;
	}
	out[(*n)++] = (char)byte;
	out[*n] = '\0';
	return true;
}

/* "quoted \" string", without its quotes. */
static bool get_quoted(struct cursor *c, struct smtp_path *out)
{
	size_t n = 0;

	(void)get_u8(c);
	for (;;) {
		uint8_t byte = get_u8(c);
		if (c->failed || byte == '"') {
			return !c->failed;
		}
		byte = byte == '\\' ? get_u8(c) : byte;
		if (c->failed || !put(out->local, SMTP_LOCAL_MAX, &n, byte)) {
			return false;
		}
	}
}

/* What is not one of these ends it. Who is a user's name is judged elsewhere: more strictly. */
static bool get_plain(struct cursor *c, char *out, size_t max, const char *ends)
{
	size_t n = 0;

	while (c->n > 0 && (c->p[0] == '\0' || strchr(ends, c->p[0]) == NULL)) {
		if (!put(out, max, &n, get_u8(c))) {
			return false;
		}
	}
	return true;
}

int smtp_path(const uint8_t *p, size_t n, struct smtp_path *out, size_t *used)
{
	struct cursor c = cursor_over(p, n < SMTP_PATH_MAX ? n : SMTP_PATH_MAX);

	*out = (struct smtp_path){0};
	if (get_u8(&c) != '<') {
		return -1;
	}
	pass_route(&c);
	bool quoted = c.n > 0 && c.p[0] == '"';
	if (quoted ? !get_quoted(&c, out)
		   : !get_plain(&c, out->local, SMTP_LOCAL_MAX, "<>@\" ,;:()[]\\")) {
		return -1;
	}
	if (c.n > 0 && c.p[0] == '@') {
		(void)get_u8(&c);
		if (!get_plain(&c, out->domain, SMTP_DOMAIN_MAX, "<>@\" ,;()\\") ||
			out->domain[0] == '\0' || out->local[0] == '\0') {
			return -1;
		}
	}
	if (get_u8(&c) != '>' || c.failed) {
		return -1;
	}
	for (char *d = out->domain; *d != '\0'; d++) {
		*d = (char)tolower((unsigned char)*d);
	}
	*used = (size_t)(c.p - p);
	return 0;
}

/* --- base64 --- */

int smtp_encode64(struct buf *out, const void *p, size_t n)
{
	if (buf_reserve(out, base64_padded_len(n) + 1) != 0) {
		return -1;
	}
	out->n += base64_padded_encode((char *)out->p + out->n, p, n);
	return 0;
}

int smtp_decode64(uint8_t *out, size_t cap, const uint8_t *p, size_t n)
{
	return base64_padded_decode(out, cap, (const char *)p, n);
}
