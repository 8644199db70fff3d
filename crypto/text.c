/* Text: UTF-8, and how it is shown. See bytes.h. */
#include "bytes.h"

/* --- UTF-8, RFC 3629 --- */

/* What a lead byte says: the length, and the range that the second byte must be in. */
static size_t utf8_lead(uint8_t c, uint8_t *low, uint8_t *high)
{
	*low = 0x80;
	*high = 0xbf;
	if (c < 0x80) {
		return 1;
	}
	if (c >= 0xc2 && c <= 0xdf) {
		return 2;
	}
	if (c >= 0xe0 && c <= 0xef) {
		*low = c == 0xe0 ? 0xa0 : 0x80;
		*high = c == 0xed ? 0x9f : 0xbf;
		return 3;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		*low = c == 0xf0 ? 0x90 : 0x80;
		*high = c == 0xf4 ? 0x8f : 0xbf;
		return 4;
	}
	return 0;
}

/* The length of the character at p when it is one of the many that a look at its bits settles; 0
 * asks for utf8_next. n >= 1. */
static size_t utf8_plain(const uint8_t *p, size_t n)
{
	if (p[0] >= 0xf1 && p[0] <= 0xf3 && n >= 4 &&
		((p[1] ^ 0x80) | (p[2] ^ 0x80) | (p[3] ^ 0x80)) < 0x40) {
		return 4;
	}
	if (p[0] >= 0xe1 && p[0] <= 0xec && n >= 3 && ((p[1] ^ 0x80) | (p[2] ^ 0x80)) < 0x40) {
		return 3;
	}
	return p[0] >= 0xc2 && p[0] <= 0xdf && n >= 2 && (p[1] ^ 0x80) < 0x40 ? 2 : 0;
}

int utf8_next(const uint8_t *p, size_t n, uint32_t *code_point)
{
	uint8_t low, high;
	size_t len = utf8_lead(p[0], &low, &high);
	uint32_t v;

	if (len == 0) {
		return -1;
	}
	v = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if (i == n) {
			return 0;
		}
		if (p[i] < low || p[i] > high) {
			return -1;
		}
		low = 0x80;
		high = 0xbf;
		v = v << 6 | (p[i] & 0x3f);
	}
	*code_point = v;
	return (int)len;
}

/* How many of the next n bytes are ASCII, looked at eight at a time. */
static size_t ascii_run(const uint8_t *p, size_t n)
{
	size_t i = 0;

	for (; n - i >= 8; i += 8) {
		uint64_t word;
		memcpy(&word, p + i, 8);
		if ((word & 0x8080808080808080u) != 0) {
			break;
		}
	}
	while (i < n && p[i] < 0x80) {
		i++;
	}
	return i;
}

/* One byte more of a code point that an earlier piece ended in. Returns 0 when it must be looked at
 * again, on its own. */
static size_t feed_part(struct utf8_counter *u, uint8_t byte)
{
	uint32_t cp;
	size_t before = u->part_n;

	u->part[u->part_n++] = byte;
	int len = utf8_next(u->part, u->part_n, &cp);
	if (len == 0) {
		return 1;
	}
	u->part_n = 0;
	if (len > 0) {
		u->count++;
		return 1;
	}
	u->invalid = true;
	u->count += before;
	return 0;
}

size_t utf8_feed(struct utf8_counter *u, const uint8_t *p, size_t n, uint64_t limit)
{
	size_t i = 0;
	uint32_t cp;

	while (i < n && u->count < limit) {
		if (u->part_n > 0) {
			i += feed_part(u, p[i]);
			continue;
		}
		if (p[i] < 0x80) {
			uint64_t room = limit - u->count;
			size_t run = ascii_run(p + i, n - i < room ? n - i : (size_t)room);
			u->count += run;
			i += run;
			continue;
		}
		size_t plain = utf8_plain(p + i, n - i);
		if (plain > 0) {
			u->count++;
			i += plain;
			continue;
		}
		int len = utf8_next(p + i, n - i, &cp);
		if (len == 0) {
			u->part_n = n - i;
			memcpy(u->part, p + i, u->part_n);
			return n;
		}
		u->invalid = u->invalid || len < 0;
		u->count++;
		i += len < 0 ? 1 : (size_t)len;
	}
	return i;
}

int utf8_count(const uint8_t *p, size_t n, uint64_t *count)
{
	struct utf8_counter u = {0};

	(void)utf8_feed(&u, p, n, UINT64_MAX);
	*count = u.count;
	return u.invalid || u.part_n > 0 ? -1 : 0;
}

bool has_control(const void *p, size_t n)
{
	const uint8_t *s = p;

	for (size_t i = 0; i < n; i++) {
		if (s[i] < 0x20 || s[i] == 0x7f) {
			return true;
		}
	}
	return false;
}

/* Characters that move the cursor or turn the reading direction on a terminal. */
static bool is_unsafe(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x061c || cp == 0x200e ||
	       cp == 0x200f || (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) ||
	       cp == 0xfeff;
}

/* One code point (or, at -1, one invalid byte) as text of at most 12 bytes. */
static size_t escape_one(char out[static 16], const uint8_t *p, int len, uint32_t cp, bool keep)
{
	if (len > 0 && keep && (cp == '\n' || cp == '\t')) {
		out[0] = (char)cp;
		return 1;
	}
	if (len < 1) {
		return (size_t)snprintf(out, 16, "\\x%02x", p[0]);
	}
	if (cp == '\n' || cp == '\t' || cp == '\r') {
		return (size_t)snprintf(out, 16, "\\%c", cp == '\n' ? 'n' : cp == '\t' ? 't' : 'r');
	}
	if (is_unsafe(cp)) {
		return (size_t)snprintf(out, 16, cp < 0x80 ? "\\x%02x" : "\\u{%04x}", cp);
	}
	memcpy(out, p, (size_t)len);
	return (size_t)len;
}

size_t escape_text(char *out, size_t cap, const void *text, size_t n, bool keep_lines)
{
	const uint8_t *p = text;
	size_t done = 0;

	for (size_t i = 0; i < n;) {
		char one[16];
		uint32_t cp = 0;
		int len = utf8_next(p + i, n - i, &cp);
		size_t k = escape_one(one, p + i, len, cp, keep_lines);
		if (done + k >= cap) {
			break;
		}
		memcpy(out + done, one, k);
		done += k;
		i += len > 0 ? (size_t)len : 1;
	}
	out[done] = '\0';
	return done;
}
