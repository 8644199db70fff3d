/* Header fields of Internet messages; see rfc5322.h. */
#include "rfc5322.h"

#include <strings.h>

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* --- fields --- */

/* A field's name: printable ASCII without a colon (RFC 5322 2.2); blanks ahead of the colon are
 * obsolete, and read (4.5). */
static size_t name_length(const uint8_t *line, size_t n)
{
	size_t i = 0, end;

	while (i < n && line[i] > ' ' && line[i] < 0x7f && line[i] != ':') {
		i++;
	}
	end = i;
	while (i < n && is_blank(line[i])) {
		i++;
	}
	return i < n && line[i] == ':' ? end : 0;
}

/* One line, its end not included. What has no LF is a line, too: a header may be cut. */
static bool take_line(struct cursor *c, const uint8_t **line, size_t *n)
{
	struct cursor before = *c;

	if (c->n == 0) {
		return false;
	}
	if (!get_line(c, line, n)) {
		*line = before.p;
		*n = before.n;
		*c = cursor_over(before.p + before.n, 0);
	}
	if (*n > 0 && (*line)[*n - 1] == '\r') {
		(*n)--;
	}
	return true;
}

static bool is_end(uint8_t c)
{
	return is_blank(c) || c == '\r' || c == '\n';
}

static struct message_part trim(const uint8_t *p, const uint8_t *end)
{
	while (p < end && is_end(*p)) {
		p++;
	}
	while (end > p && is_end(end[-1])) {
		end--;
	}
	return (struct message_part){.p = p, .n = (size_t)(end - p)};
}

int rfc5322_next(struct cursor *c, struct rfc5322_field *f)
{
	struct cursor ahead = *c, next;
	const uint8_t *line, *start = c->p, *colon;
	size_t n, name_n;

	if (!take_line(&ahead, &line, &n)) {
		return 0;
	}
	if (n == 0) {
		*c = ahead;
		return 0;
	}
	name_n = name_length(line, n);
	if (name_n == 0) {
		return -1;
	}
	colon = memchr(line, ':', n);
	next = ahead;
	while (take_line(&next, &line, &n) && n > 0 && is_blank(line[0])) {
		ahead = next;
	}
	f->name = (struct message_part){.p = start, .n = name_n};
	f->value = trim(colon + 1, ahead.p);
	f->whole = (struct message_part){.p = start, .n = (size_t)(ahead.p - start)};
	*c = ahead;
	return 1;
}

int rfc5322_head(const void *p, size_t n, size_t *head_n, size_t *body_at)
{
	struct cursor c = cursor_over(p, n);
	struct rfc5322_field f;
	const uint8_t *start = p, *before;
	size_t fields = 0;
	int rc;

	do {
		before = c.p;
		rc = rfc5322_next(&c, &f);
		fields += rc > 0 ? 1 : 0;
	} while (rc > 0);
	*head_n = (size_t)(before - start);
	*body_at = n - c.n;
	if (rc < 0) {
		/* a line that is not whole yet may become a field */
		if (memchr(c.p, '\n', c.n) == NULL) {
			return 0;
		}
		return fields == 0 ? -1 : 1;
	}
	return *body_at > *head_n ? 1 : 0;
}

bool rfc5322_is(const struct rfc5322_field *f, const char *name)
{
	size_t n = strlen(name);

	return f->name.n == n && strncasecmp((const char *)f->name.p, name, n) == 0;
}

bool rfc5322_find(const void *head, size_t n, const char *name, struct message_part *value)
{
	struct cursor c = cursor_over(head, n);
	struct rfc5322_field f;

	while (rfc5322_next(&c, &f) > 0) {
		if (rfc5322_is(&f, name)) {
			*value = f.value;
			return true;
		}
	}
	return false;
}

/* --- structured values --- */

/* Copy what is no comment (RFC 5322 3.2.2), quotes and folds, up to the end of the first item: a
 * comma that stands alone. -1: it does not fit. */
static int copy_item(struct message_part value, char *out, size_t cap)
{
	size_t n = 0, depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < value.n; i++) {
		uint8_t c = value.p[i];
		bool escaped = c == '\\' && (quoted || depth > 0) && i + 1 < value.n;
		c = escaped ? value.p[++i] : c;
		if (!escaped && c == '"' && depth == 0) {
			quoted = !quoted;
		} else if (!escaped && !quoted && c == '(') {
			depth++;
			continue;
		} else if (!escaped && !quoted && c == ')' && depth > 0) {
			depth--;
			continue;
		} else if (!escaped && !quoted && depth == 0 && c == ',') {
			break;
		}
		if (depth == 0 && c != '\r' && c != '\n' && c != '\0') {
			if (n + 1 == cap) {
				return -1;
			}
			out[n++] = (char)c;
		}
	}
	out[n] = '\0';
	return 0;
}

static bool copy_lower(char *out, const char *p, size_t n)
{
	while (n > 0 && is_blank((uint8_t)*p)) {
		p++;
		n--;
	}
	while (n > 0 && is_blank((uint8_t)p[n - 1])) {
		n--;
	}
	if (n >= RFC5322_ADDRESS_MAX) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		out[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] + ('a' - 'A') : p[i]);
	}
	out[n] = '\0';
	return true;
}

bool rfc5322_address(struct message_part value, char local[static RFC5322_ADDRESS_MAX],
	char domain[static RFC5322_ADDRESS_MAX])
{
	char item[2048], *from = item, *open, *close, *at;

	if (copy_item(value, item, sizeof item) != 0) {
		return false;
	}
	open = strrchr(item, '<');
	if (open != NULL) {
		from = open + 1;
		close = strchr(from, '>');
		if (close == NULL) {
			return false;
		}
		*close = '\0';
	}
	at = strrchr(from, '@');
	if (!copy_lower(local, from, at == NULL ? strlen(from) : (size_t)(at - from)) ||
		!copy_lower(domain, at == NULL ? "" : at + 1, at == NULL ? 0 : strlen(at + 1))) {
		return false;
	}
	return local[0] != '\0';
}

bool rfc5322_parameter(struct message_part value, const char *name, char *out, size_t cap)
{
	size_t name_n = strlen(name), n = 0;
	const uint8_t *p = value.n == 0 ? (const uint8_t *)"" : value.p, *end = p + value.n;

	while (p < end && (p = memchr(p, ';', (size_t)(end - p))) != NULL) {
		do {
			p++;
		} while (p < end && is_end(*p));
		if ((size_t)(end - p) > name_n && p[name_n] == '=' &&
			strncasecmp((const char *)p, name, name_n) == 0) {
			break;
		}
	}
	if (p == NULL || p >= end) {
		return false;
	}
	p += name_n + 1;
	bool quoted = p < end && *p == '"';
	for (p += quoted ? 1 : 0; p < end; p++) {
		if (quoted ? *p == '"' : is_end(*p) || *p == ';') {
			break;
		}
		if (*p < 0x20 || n + 1 >= cap) {
			return false;
		}
		out[n++] = (char)*p;
	}
	out[n] = '\0';
	return n > 0 && (!quoted || p < end);
}

/* --- writing --- */

int rfc5322_put(struct buf *out, const char *name, const char *value)
{
	if (buf_append_str(out, name) != 0 ||
		buf_append_str(out, value[0] == '\0' ? ":" : ": ") != 0) {
		return -1;
	}
	return buf_append_str(out, value) != 0 ? -1 : buf_append_str(out, "\n");
}

/* Can it stand as it is, and be read back exactly? */
static bool is_plain(struct message_part text, size_t room)
{
	if (text.n > room || (text.n > 0 && (text.p[0] == ' ' || text.p[text.n - 1] == ' '))) {
		return false;
	}
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < ' ' || text.p[i] > '~' ||
			(text.p[i] == '=' && i + 1 < text.n && text.p[i + 1] == '?')) {
			return false;
		}
	}
	return true;
}

/* RFC 2047 2: an encoded word has at most 75 characters; 45 bytes become 60 and 12 more. Whole
 * characters only (5). */
static int put_word(struct buf *out, const uint8_t *p, size_t n, size_t *taken)
{
	enum { BYTES = 45 };
	char word[64 + 4];
	size_t k = n < BYTES ? n : BYTES, len;

	while (k < n && k > 1 && (p[k] & 0xc0) == 0x80) {
		k--;
	}
	*taken = k;
	len = base64_encode(word, p, k);
	while (len % 4 != 0) {
		word[len++] = '=';
	}
	word[len] = '\0';
	if (buf_append_str(out, "=?utf-8?B?") != 0 || buf_append(out, word, len) != 0) {
		return -1;
	}
	return buf_append_str(out, "?=");
}

int rfc5322_put_text(struct buf *out, const char *name, struct message_part text)
{
	size_t k;

	if (buf_append_str(out, name) != 0 || buf_append_str(out, text.n == 0 ? ":" : ": ") != 0) {
		return -1;
	}
	if (is_plain(text, RFC5322_LINE_MAX - strlen(name) - 2)) {
		if (buf_append(out, text.p, text.n) != 0) {
			return -1;
		}
	} else {
		for (size_t at = 0; at < text.n; at += k) {
			if ((at > 0 && buf_append_str(out, "\n ") != 0) ||
				put_word(out, text.p + at, text.n - at, &k) != 0) {
				return -1;
			}
		}
	}
	return buf_append_str(out, "\n");
}

int rfc5322_put_item(struct buf *out, const char *item, size_t *column)
{
	size_t n = strlen(item);
	bool fold = *column + 1 + n > 76;

	if (buf_append_str(out, fold ? "\n " : " ") != 0) {
		return -1;
	}
	*column = (fold ? 1 : *column + 1) + n;
	return buf_append(out, item, n);
}
