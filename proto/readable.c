/* A message for people; see readable.h. */
#include "readable.h"

#include <strings.h>

#include "charset.h"
#include "rfc5322.h"

enum { VALUE_MAX = 256, BOUNDARY_MAX = 72 /* RFC 2046 5.1.1: 70 */ };

struct reading {
	struct buf *out;
	unsigned parts;
	struct err *e;
};

/* A part of a message, or all of it. */
struct part {
	const uint8_t *head, *body;
	size_t head_n, body_n;
	struct message_part type; /* "text/plain; charset=..."; empty: it is text */
	bool attached;
	char name[VALUE_MAX]; /* its file's, as written; empty: none */
	bool extended;        /* ... as RFC 2231 has it */
};

static int no_memory(struct reading *r)
{
	return err_set(r->e, EX_TEMPFAIL, "out of memory");
}

static int put_str(struct reading *r, const char *s)
{
	return buf_append_str(r->out, s) == 0 ? 0 : no_memory(r);
}

/* What stands on one line stays on it. */
static void flatten(struct buf *out, size_t from)
{
	for (size_t i = from; i < out->n; i++) {
		out->p[i] = out->p[i] < ' ' || out->p[i] == 0x7f ? ' ' : out->p[i];
	}
}

static int put_value(struct reading *r, struct message_part value)
{
	size_t from = r->out->n;

	if (rfc5322_text(r->out, value) != 0) {
		return no_memory(r);
	}
	flatten(r->out, from);
	return 0;
}

/* --- parts --- */

static bool type_is(const struct part *p, const char *type)
{
	size_t n = strlen(type);

	return p->type.n >= n && strncasecmp((const char *)p->type.p, type, n) == 0 &&
	       (p->type.n == n || type[n - 1] == '/' || strchr("; \t\r\n", p->type.p[n]) != NULL);
}

static bool is_text(const struct part *p)
{
	return p->type.n == 0 || type_is(p, "text/plain");
}

/* Its file's name stands in Content-Disposition, or in old messages in Content-Type. */
static void find_name(
	struct part *part, struct message_part value, const char *plain, const char *extended)
{
	char name[VALUE_MAX];
	bool found = rfc5322_parameter(value, plain, name, sizeof name);
	bool is_extended = !found && rfc5322_parameter(value, extended, name, sizeof name);

	if (found || is_extended) {
		(void)snprintf(part->name, sizeof part->name, "%s", name);
		part->extended = is_extended;
	}
}

static struct part take_part(const uint8_t *p, size_t n)
{
	struct part part = {.body = p, .body_n = n};
	struct message_part v;
	size_t head_n, body_at;

	if (n > 0 && rfc5322_head(p, n, &head_n, &body_at) == 1) {
		part.head = p;
		part.head_n = head_n;
		part.body = p + body_at;
		part.body_n = n - body_at;
	}
	if (part.head_n > 0 && rfc5322_find(part.head, part.head_n, "Content-Type", &v)) {
		part.type = v;
		find_name(&part, v, "name", "name*");
	}
	if (part.head_n > 0 && rfc5322_find(part.head, part.head_n, "Content-Disposition", &v)) {
		part.attached = v.n >= 10 && strncasecmp((const char *)v.p, "attachment", 10) == 0;
		find_name(&part, v, "filename", "filename*");
	}
	return part;
}

/* --- bodies --- */

static int take_decoded(void *arg, const void *p, size_t n, struct err *e)
{
	return buf_append(arg, p, n) == 0 ? 0 : err_set(e, EX_TEMPFAIL, "out of memory");
}

/* The body as it was before its transfer encoding; what is damaged ends it. 0 or -1. */
static int decode_body(struct reading *r, const struct part *p, struct buf *raw)
{
	static struct transfer t;
	struct message_part v = {0};
	struct err why = {0};

	if (p->head_n > 0) {
		(void)rfc5322_find(p->head, p->head_n, "Content-Transfer-Encoding", &v);
	}
	transfer_begin(&t, transfer_find(v), take_decoded, raw);
	if (transfer_decode(&t, p->body, p->body_n, &why) == 0) {
		(void)transfer_decode_end(&t, &why);
	}
	return why.code == EX_TEMPFAIL ? no_memory(r) : 0;
}

static enum charset charset_of(const struct part *p)
{
	char name[64];

	return rfc5322_parameter(p->type, "charset", name, sizeof name)
		       ? charset_find(name, strlen(name))
		       : CHARSET_UTF8;
}

/* Without CRs, and ended. */
static int put_lines(struct reading *r, const struct buf *text)
{
	for (size_t i = 0; i < text->n; i++) {
		if (text->p[i] != '\r' && buf_append(r->out, text->p + i, 1) != 0) {
			return no_memory(r);
		}
	}
	return text->n > 0 && text->p[text->n - 1] != '\n' ? put_str(r, "\n") : 0;
}

static int put_text(struct reading *r, const struct part *p)
{
	struct buf raw = {0}, text = {0};
	int rc = decode_body(r, p, &raw);

	if (rc == 0 && raw.n > 0) {
		rc = charset_put(&text, charset_of(p), raw.p, raw.n) == 0 ? put_lines(r, &text)
									  : no_memory(r);
	}
	buf_free(&raw);
	buf_free(&text);
	return rc;
}

/* "[attached: report.pdf, application/pdf, 1234 bytes]" */
static int put_attached(struct reading *r, const struct part *p)
{
	struct buf raw = {0};
	char size[40];
	size_t n = 0, from;
	int rc = decode_body(r, p, &raw);

	while (n < p->type.n && strchr("; \t\r\n", p->type.p[n]) == NULL) {
		n++;
	}
	(void)snprintf(size, sizeof size, ", %zu bytes]\n", raw.n);
	buf_free(&raw);
	if (rc != 0 || put_str(r, "[attached: ") != 0) {
		return -1;
	}
	from = r->out->n;
	if ((p->extended ? charset_put_extended(r->out, p->name)
			 : rfc5322_text(r->out, message_text(p->name))) != 0 ||
		buf_append_str(r->out, p->name[0] == '\0' ? "" : ", ") != 0 ||
		charset_put(r->out, CHARSET_UTF8, p->type.p, n) != 0 ||
		buf_append_str(r->out, n == 0 ? "text/plain" : "") != 0) {
		return no_memory(r);
	}
	flatten(r->out, from);
	return put_str(r, size);
}

/* --- multiparts --- */

static int put_part(struct reading *r, const struct part *p, int depth);

/* RFC 2046 5.1.1: "--", the boundary, "--" behind the last part, and blanks. */
static bool is_boundary(const uint8_t *line, size_t n, const char *boundary, bool *last)
{
	size_t k = strlen(boundary) + 2;

	if (n < k || memcmp(line, "--", 2) != 0 || memcmp(line + 2, boundary, k - 2) != 0) {
		return false;
	}
	*last = n >= k + 2 && memcmp(line + k, "--", 2) == 0;
	for (k += *last ? 2 : 0; k < n && strchr(" \t\r", line[k]) != NULL && line[k] != '\0';
		k++) {
		;
	}
	return k == n;
}

/* The next line "--BOUNDARY" from `at` on: where it begins, and behind it. false: there is none.
 * last: it is the closing one. */
static bool find_boundary(const struct part *p, const char *boundary, size_t at, size_t *begin,
	size_t *behind, bool *last)
{
	while (at < p->body_n) {
		const uint8_t *line = p->body + at, *lf = memchr(line, '\n', p->body_n - at);
		size_t line_n = lf == NULL ? p->body_n - at : (size_t)(lf - line);
		if (is_boundary(line, line_n, boundary, last)) {
			*begin = at;
			*behind = at + line_n + (lf == NULL ? 0 : 1);
			return true;
		}
		at += line_n + 1;
	}
	return false;
}

/* The part that begins at *at; *at moves to the next. false: there is no more. */
static bool next_part(const struct part *p, const char *boundary, size_t *at, struct part *out)
{
	size_t begin, behind, end;
	bool last;

	if (!find_boundary(p, boundary, *at, &begin, &behind, &last) || last) {
		return false;
	}
	if (!find_boundary(p, boundary, behind, &end, &begin, &last)) {
		end = p->body_n; /* cut short */
	}
	*at = end;
	/* the line end ahead of a boundary is the boundary's */
	size_t n = end - behind;
	n -= n > 0 && end < p->body_n && p->body[behind + n - 1] == '\n' ? 1 : 0;
	n -= n > 0 && end < p->body_n && p->body[behind + n - 1] == '\r' ? 1 : 0;
	*out = take_part(p->body + behind, n);
	return true;
}

/* Of the same in several forms: the plain one, or else the last, which is the richest (5.1.4). */
static int put_alternative(struct reading *r, const struct part *p, const char *boundary, int depth)
{
	struct part part, chosen = {0};
	bool plain = false;
	size_t at = 0;

	while (!plain && next_part(p, boundary, &at, &part) && r->parts++ < READABLE_PARTS) {
		plain = is_text(&part);
		chosen = part;
	}
	return chosen.body == NULL ? 0 : put_part(r, &chosen, depth + 1);
}

static int put_multipart(struct reading *r, const struct part *p, int depth)
{
	char boundary[BOUNDARY_MAX];
	struct part part;
	size_t at = 0;
	int rc = 0;

	if (!rfc5322_parameter(p->type, "boundary", boundary, sizeof boundary)) {
		return put_text(r, p);
	}
	if (type_is(p, "multipart/alternative")) {
		return put_alternative(r, p, boundary, depth);
	}
	while (rc == 0 && next_part(p, boundary, &at, &part) && r->parts++ < READABLE_PARTS) {
		rc = put_part(r, &part, depth + 1);
	}
	return rc;
}

/* --- a message --- */

static int put_head(struct reading *r, const struct part *p)
{
	static const char *const names[] = {"From", "To", "Cc", "Date", "Subject"};
	struct message_part v;
	bool any = false;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (!rfc5322_find(p->head, p->head_n, names[i], &v)) {
			continue;
		}
		if (put_str(r, names[i]) != 0 || put_str(r, ": ") != 0) {
			return -1;
		}
		if (put_value(r, v) != 0 || put_str(r, "\n") != 0) {
			return -1;
		}
		any = true;
	}
	return any ? put_str(r, "\n") : 0;
}

static int put_message(struct reading *r, const uint8_t *p, size_t n, int depth)
{
	struct part whole = take_part(p, n);

	return whole.head_n > 0 && put_head(r, &whole) != 0 ? -1 : put_part(r, &whole, depth);
}

static int put_part(struct reading *r, const struct part *p, int depth)
{
	if (depth > READABLE_DEPTH) {
		return put_str(r, "[more parts within parts than are looked at]\n");
	}
	if (type_is(p, "multipart/")) {
		return put_multipart(r, p, depth);
	}
	if (p->attached || !(is_text(p) || type_is(p, "message/rfc822"))) {
		return put_attached(r, p);
	}
	return is_text(p) ? put_text(r, p) : put_message(r, p->body, p->body_n, depth + 1);
}

bool readable_is_message(const void *p, size_t n)
{
	struct part whole = take_part(p, n);
	struct message_part v;

	return n <= READABLE_MAX && whole.head_n > 0 &&
	       (rfc5322_find(whole.head, whole.head_n, "From", &v) ||
		       rfc5322_find(whole.head, whole.head_n, "Received", &v) ||
		       rfc5322_find(whole.head, whole.head_n, "MIME-Version", &v));
}

int readable_put(struct buf *out, const void *p, size_t n, struct err *e)
{
	struct reading r = {.out = out, .e = e};

	return put_message(&r, p, n, 0);
}
